//! docs/tutorial-plugin.md does what it says: its files are written, its commands are run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use chat_tests::plugins::{root, until};
use chat_tests::{Server, program};
use serde_json::Value;
use tempfile::TempDir;

/// A block of the page, and the comment above it that says what it is: `file: nospam.c`, `run`, ..
struct Block {
    what: String,
    text: String,
}

#[test]
fn the_page_does_what_it_says() {
    let home = TempDir::new().expect("a folder for the test");
    let place = home.path();
    symlink(root(), place.join("libchat")).expect("a link to the repository");
    fs::create_dir(place.join("bin")).expect("a folder");
    symlink(program(), place.join("bin/chat-cli")).expect("a link to the binary");

    let mut server = None;
    for Block { what, text } in blocks() {
        let (word, value) = what.split_once(": ").unwrap_or((what.as_str(), ""));
        match word {
            "file" => {
                let path = place.join(value);
                fs::create_dir_all(path.parent().expect("a file is in a folder"))
                    .expect("a folder");
                fs::write(path, text).expect("the file is written");
            }
            "server" => {
                assert_eq!(
                    text,
                    "mkdir plugins\nchat-cli serve --data data --plugins plugins --listen 127.0.0.1:7878\n",
                    "the test starts another server"
                );
                fs::create_dir(place.join("plugins")).expect("a folder");
                let folder = place.join("plugins").to_string_lossy().into_owned();
                let started = Server::start_with(&["--plugins", &folder]);
                symlink(started.data(), place.join("data")).expect("a link to its data");
                server = Some(started);
            }
            "run" => run(place, server.as_ref(), &text),
            "wait" => {
                until(|| bash(place, server.as_ref(), value).status.success());
                run(place, server.as_ref(), &text);
            }
            "told" => {
                let lines = fs::read_to_string(place.join(value)).expect("the file is there");
                for wanted in text.lines() {
                    assert!(
                        lines.lines().any(|line| tells(line, wanted)),
                        "{wanted} in {lines}"
                    );
                }
            }
            _ => panic!("what is {what:?}?"),
        }
    }
    // What the page dropped in runs, and the link is not broken by it.
    until(|| {
        let list = bash(
            place,
            server.as_ref(),
            "chat-cli plugin list --data data --json",
        )
        .stdout;
        let list = String::from_utf8_lossy(&list);
        list.contains("\"nospam\"") && list.contains("\"nospam_rs\"")
    });
}

#[test]
fn the_first_plugin_has_twenty_lines_and_all_of_them_are_c_and_cpp_without_a_warning() {
    let sources: BTreeMap<String, String> = blocks()
        .into_iter()
        .filter_map(|block| {
            let name = block.what.strip_prefix("file: ")?;
            name.ends_with(".c").then(|| (name.to_owned(), block.text))
        })
        .collect();
    assert!(sources["nospam.c"].lines().count() <= 20);
    let home = TempDir::new().expect("a folder for the test");
    for (name, text) in &sources {
        for (compiler, standard, language) in [
            ("gcc", "c99", "c"),
            ("gcc", "c17", "c"),
            ("g++", "c++17", "c++"),
        ] {
            let source = home.path().join(name);
            fs::write(&source, text).expect("the source is written");
            let built = Command::new(compiler)
                .args([&format!("-std={standard}"), "-x", language])
                .args([
                    "-Wall",
                    "-Wextra",
                    "-Wpedantic",
                    "-Werror",
                    "-shared",
                    "-fPIC",
                    "-I",
                ])
                .arg(root().join("include"))
                .arg(&source)
                .arg("-o")
                .arg(home.path().join("plugin.so"))
                .output()
                .expect("the compiler is installed");
            let errors = String::from_utf8_lossy(&built.stderr);
            assert!(built.status.success(), "{name} as {standard}:\n{errors}");
        }
    }
}

fn run(place: &Path, server: Option<&Server>, text: &str) {
    let ran = bash(place, server, text);
    let told = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success(),
        "{text}\n--- stdout\n{told}\n--- stderr\n{errors}"
    );
}

fn bash(place: &Path, server: Option<&Server>, text: &str) -> std::process::Output {
    let text = match server {
        Some(server) => text.replace("127.0.0.1:7878", &server.address().to_string()),
        None => text.to_owned(),
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").unwrap_or_default();
    let rust = ["CARGO_HOME", "RUSTUP_HOME"].map(|name| {
        let usual = format!(".{}", name.trim_end_matches("_HOME").to_lowercase());
        let folder =
            std::env::var_os(name).map_or_else(|| Path::new(&home).join(usual), Into::into);
        (name, folder)
    });
    Command::new("bash")
        .args(["-e", "-c", &text])
        .current_dir(place)
        .env("PATH", format!("{}:{path}", place.join("bin").display()))
        .env("HOME", place)
        .envs(rust)
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("XDG_STATE_HOME")
        .output()
        .expect("bash is installed")
}

/// Whether an object has all fields of another one.
fn tells(line: &str, wanted: &str) -> bool {
    let (Ok(Value::Object(line)), Ok(Value::Object(wanted))) =
        (serde_json::from_str(line), serde_json::from_str(wanted))
    else {
        return false;
    };
    wanted
        .iter()
        .all(|(key, value)| line.get(key) == Some(value))
}

fn blocks() -> Vec<Block> {
    let page = fs::read_to_string(root().join("docs/tutorial-plugin.md")).expect("the page");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let comment = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let Some(what) = comment else {
            assert!(
                !line.starts_with("```"),
                "nothing says what this block is: {line}"
            );
            continue;
        };
        let opening = lines.next().unwrap_or_default();
        assert!(opening.starts_with("```"), "no block after {line}");
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(Block {
            what: what.to_owned(),
            text: text.join("\n") + "\n",
        });
    }
    assert!(blocks.len() > 8, "the page has lost its blocks");
    blocks
}
