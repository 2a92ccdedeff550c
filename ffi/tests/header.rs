//! `include/chat.h` is what the sources say. Rewrite it with
//! `BLESS=1 cargo test -p chat-ffi --test header`.

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config};

/// In the order of the header: what is used comes first.
const SOURCES: [&str; 13] = [
    "status.rs",
    "api/global.rs",
    "api/event.rs",
    "api/event/text.rs",
    "api/event/numbers.rs",
    "api/client.rs",
    "api/verbs/messages.rs",
    "api/verbs/rooms.rs",
    "api/verbs/log.rs",
    "api/verbs/account.rs",
    "api/verbs/files.rs",
    "api/server.rs",
    "api/server/admin.rs",
];

#[test]
fn the_header_is_what_the_sources_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../include/chat.h");
    let made = header(root);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &made).expect("include/chat.h can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "include/chat.h is not what ffi/src/api says. Look at the difference, then: \
         BLESS=1 cargo test -p chat-ffi --test header"
    );
}

/// Every name in there is ours: a host has its own.
#[test]
fn every_name_begins_with_chat() {
    let made = header(Path::new(env!("CARGO_MANIFEST_DIR")));
    for line in made.lines() {
        if let Some(rest) = line.strip_prefix("#define ") {
            assert!(rest.starts_with("CHAT_"), "{line}");
        }
    }
    // After the one in the preamble, each stands before a function.
    let functions: Vec<&str> = made.split("\nCHAT_API").skip(1).collect();
    assert!(functions.len() > 100, "{}", functions.len());
    for function in functions {
        let head = function.split('(').next().unwrap_or_default();
        let name = head.rsplit([' ', '*', '\n']).next().unwrap_or_default();
        assert!(name.starts_with("chat_"), "{head}");
    }
}

fn header(root: &Path) -> String {
    let mut config = Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let intro = fs::read_to_string(root.join("header.txt")).expect("header.txt is there");
    config.header = Some(intro.trim_end().to_owned());
    config.after_includes = Some(format!("\n{}", preamble()));
    let mut builder = Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join("src").join(source));
    }
    let mut bytes = Vec::new();
    builder
        .generate()
        .expect("cbindgen understands the sources")
        .write(&mut bytes);
    String::from_utf8(bytes).expect("sources are UTF-8")
}

/// What cbindgen can't know.
fn preamble() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let parts: Vec<u32> = version
        .split('.')
        .map(|part| part.parse().expect("a number"))
        .collect();
    let number = parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2];
    format!(
        "#include <stddef.h>\n#include <stdint.h>\n
#include \"chat_plugin.h\"

/** The version of this header, as text. */
#define CHAT_VERSION \"{version}\"
/** The version of this header: major * 1000000 + minor * 1000 + patch. */
#define CHAT_VERSION_NUMBER {number}

#if defined(_WIN32) && !defined(CHAT_STATIC)
#define CHAT_API __declspec(dllimport)
#elif defined(__GNUC__)
#define CHAT_API __attribute__((visibility(\"default\")))
#else
#define CHAT_API
#endif
"
    )
}
