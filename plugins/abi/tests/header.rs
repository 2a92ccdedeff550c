//! The header is a golden file: made from this crate, compared, and compiled as what people compile it as.
//! `BLESS=1 cargo test -p chat-plugin-abi` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HEAD: &str = include_str!("head.h");
const MIDDLE: &str = include_str!("middle.h");
const TAIL: &str = include_str!("tail.h");

#[test]
fn the_header_is_what_the_crate_says() {
    let path = root().join("../../include/chat_plugin.h");
    let made = header();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == kept,
        "include/chat_plugin.h is not what src/ says; look at the difference after BLESS=1 cargo test -p \
         chat-plugin-abi: a changed number or field breaks every plugin there is"
    );
}

#[test]
fn the_header_compiles_without_a_warning_as_any_c_and_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let c = ["c99", "c11", "c17", "gnu99", "gnu17"].map(|std| ("gcc", std, "plugin.c"));
    let cpp = ["c++11", "c++14", "c++17", "c++20"].map(|std| ("g++", std, "plugin.cpp"));
    for (compiler, standard, name) in c.into_iter().chain(cpp) {
        let source = folder.path().join(name);
        fs::write(&source, PLUGIN).unwrap();
        let out = folder.path().join("plugin.so");
        compile(compiler, standard, &source, &out);
    }
}

/// The example in the comment at the top, and what the rest of the header offers.
const PLUGIN: &str = r#"
#include <chat_plugin.h>
#include <chat_plugin.h>
#include <string.h>

static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    const chat_ext_timer *timer = (const chat_ext_timer *)host->extension(host, "chat.timer/1");
    (void)self;
    if (timer != NULL && timer->stop != NULL)
        timer->stop(host, 7);
    if (!CHAT_PLUGIN_EVENT_HAS(event, reason) || event->text == NULL || strstr(event->text, "spam") == NULL)
        return CHAT_PASS;
    if (CHAT_HAS(host, set_reason))
        host->set_reason(host, event, "no spam here");
    return CHAT_REJECT;
}

static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}

CHAT_PLUGIN_DECLARE("org.example.nospam", "No spam", "1.0", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT, init, NULL);
"#;

#[test]
fn the_example_in_the_header_is_a_plugin() {
    let example: String = HEAD
        .lines()
        .skip_while(|line| !line.contains("#include"))
        .take_while(|line| !line.contains("Build it by"))
        .map(|line| format!("{}\n", line.strip_prefix(" *").unwrap_or(line)))
        .collect();
    let kept = fs::read_to_string(root().join("../c/nospam.c")).unwrap();
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(
        squeeze(&example),
        squeeze(&kept),
        "plugins/c/nospam.c is another"
    );
    let folder = tempfile::tempdir().unwrap();
    for (compiler, standard, name) in [("gcc", "c99", "nospam.c"), ("g++", "c++17", "nospam.cpp")] {
        let source = folder.path().join(name);
        fs::write(&source, &example).unwrap();
        let out = folder.path().join("nospam.so");
        compile(compiler, standard, &source, &out);
        let symbols = exported(&out);
        assert_eq!(symbols, ["chat_plugin_v1"], "built by {compiler}");
    }
}

#[test]
fn offsets_are_the_same_to_a_c_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("layout.c");
    let mut text = String::from("#include <chat_plugin.h>\n#include <stdio.h>\nint main(void) {\n");
    let fields = [
        ("chat_plugin", "restore"),
        ("chat_host", "extension"),
        ("chat_host", "probe"),
        ("chat_plugin_event", "reason"),
        ("chat_plugin_event", "dropped"),
        ("chat_ext_kv", "remove"),
        ("chat_ext_timer", "stop"),
        ("chat_ext_metrics", "set"),
    ];
    for (of, field) in fields {
        text += &format!("printf(\"%zu %zu\\n\", sizeof({of}), offsetof({of}, {field}));\n");
    }
    text += "return 0; }\n";
    fs::write(&source, text).unwrap();
    let program = folder.path().join("layout");
    let built = Command::new("gcc")
        .arg("-std=c99")
        .arg("-I")
        .arg(root().join("../../include"))
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .status()
        .expect("gcc is installed");
    assert!(built.success());
    let told = Command::new(&program).output().unwrap().stdout;
    macro_rules! rust {
        ($($of:ident $field:ident),*) => {
            vec![$(format!(
                "{} {}",
                size_of::<chat_plugin_abi::$of>(),
                std::mem::offset_of!(chat_plugin_abi::$of, $field)
            )),*]
        };
    }
    let expected = rust!(chat_plugin restore, chat_host extension, chat_host probe,
        chat_plugin_event reason, chat_plugin_event dropped, chat_ext_kv remove, chat_ext_timer stop,
        chat_ext_metrics set);
    let told: Vec<&str> = std::str::from_utf8(&told).unwrap().lines().collect();
    assert_eq!(told, expected);
}

#[test]
fn numbers_are_for_ever() {
    let header = header();
    let mut numbers: Vec<&str> = header
        .lines()
        .filter(|line| line.starts_with("#define CHAT_") && line.split(' ').count() == 3)
        .filter(|line| {
            !line.contains("LINKAGE") && !line.contains("EXPORT") && !line.ends_with("_H")
        })
        .map(|line| line.trim_start_matches("#define CHAT_"))
        .collect();
    let mut expected: Vec<&str> = NUMBERS.trim().lines().collect();
    numbers.sort_unstable();
    expected.sort_unstable();
    assert_eq!(numbers, expected);
}

/// Only ever grows. A number that is not used any more stays here, and is not given to anything else.
const NUMBERS: &str = "
PLUGIN_ABI 1
OK 0
MISUSE 1
BAD_UTF8 4
TOO_LONG 5
FULL 8
NOT_FOUND 10
DENIED 16
TOO_LATE 24
RETIRED 25
PASS 0
MODIFIED 1
REJECT 3
HANDLED 4
DEFER 5
FAULT -1
HOOK_CONNECT 1
HOOK_LOGIN 2
HOOK_ENTRY 3
HOOK_COMMAND 4
HOOK_FILE_OFFER 5
HOOK_FILE_COMPLETE 6
HOOK_ENTRY_POST 16
HOOK_PRESENCE_POST 17
HOOK_DISCONNECT_POST 18
HOOK_TICK 19
HOOK_RELOAD 20
KIND_TEXT 1
KIND_FILE 2
KIND_EDIT 3
KIND_REDACTION 4
KIND_REACTION 5
KIND_MEMBER 6
KIND_TOPIC 7
KIND_PRESENCE 31
FLAG_DIRECT 1
FLAG_SEALED 2
FLAG_BOT 4
FLAG_AGAIN 8
FLAG_ONLINE 16
FLAG_AWAY 32
FLAG_CHANGED 64
CAP_READ_TEXT 1
CAP_READ_DIRECT 2
CAP_MODIFY 4
CAP_REJECT 8
CAP_SEND 16
CAP_NOTICE 32
CAP_COMMAND 64
CAP_ADDRESS 128
LOG_ERROR 1
LOG_WARN 2
LOG_INFO 3
LOG_DEBUG 4
";

fn header() -> String {
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Tag,
        cpp_compat: true,
        no_includes: true,
        include_guard: Some("CHAT_PLUGIN_H".to_owned()),
        header: Some(HEAD.trim_end().to_owned()),
        after_includes: Some(MIDDLE.trim_end().to_owned()),
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        tab_width: 4,
        line_length: 110,
        export: cbindgen::ExportConfig {
            include: [
                "chat_plugin",
                "chat_host",
                "chat_plugin_event",
                "chat_ext_command",
                "chat_ext_defer",
                "chat_ext_kv",
                "chat_ext_metrics",
                "chat_ext_notice",
                "chat_ext_timer",
                "chat_hook",
                "chat_verdict",
                "chat_status",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..Default::default()
        },
        ..Default::default()
    };
    let bindings = cbindgen::Builder::new()
        .with_crate(root())
        .with_config(config)
        .generate()
        .expect("the crate can be read");
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).expect("headers are text");
    // The macros go last: they need the types.
    let (body, end) = text
        .rsplit_once("#endif  /* CHAT_PLUGIN_H */")
        .expect("there is a guard");
    format!("{body}{TAIL}\n#endif  /* CHAT_PLUGIN_H */{end}")
}

fn compile(compiler: &str, standard: &str, source: &Path, out: &Path) {
    let output = Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wconversion",
            "-Wshadow",
            "-Werror",
        ])
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-I"])
        .arg(root().join("../../include"))
        .arg(source)
        .arg("-o")
        .arg(out)
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{compiler} -std={standard}:\n{errors}"
    );
}

/// The symbols that a library defines for others.
fn exported(library: &Path) -> Vec<String> {
    let output = Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(library)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|line| line.split(' ').nth(2))
        .map(str::to_owned)
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
