//! The layers: which part of the engine may name which.
//!
//! Reads the source text, so that an arrow that points the wrong way fails here on the day it is
//! drawn. What is allowed, and why, is in ARCHITECTURE.md.

#[path = "layers/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{module_path, named_paths, tokens};

/// A top-level module and the other modules that it may name.
struct Layer {
    name: &'static str,
    names: &'static [&'static str],
    /// No clock, no randomness, no thread, no socket, no file: all of it comes in as parameters.
    pure: bool,
}

const fn layer(name: &'static str, names: &'static [&'static str], pure: bool) -> Layer {
    Layer { name, names, pure }
}

const GROUND: &[&str] = &["error", "id", "limits", "model", "tree"];
const ANYTHING: &[&str] = &["*"];

/// From the ground up. Everything that is new in `lib.rs` has to be put in here first.
const LAYERS: &[Layer] = &[
    layer("error", GROUND, true),
    layer("id", GROUND, true),
    layer("limits", GROUND, true),
    layer("model", GROUND, true),
    layer("config", &["error", "id", "limits", "model", "port"], false),
    layer("tree", GROUND, true),
    layer("url", GROUND, true),
    layer("wire", GROUND, true),
    layer("secure", GROUND, true),
    layer("port", GROUND, true),
    layer(
        "session",
        &["error", "id", "limits", "model", "tree", "wire", "secure"],
        true,
    ),
    layer(
        "hub",
        &["error", "id", "limits", "model", "tree", "port"],
        true,
    ),
    layer(
        "agent",
        &["error", "id", "limits", "model", "tree", "port"],
        true,
    ),
    layer(
        "driver",
        &[
            "error", "id", "limits", "model", "tree", "config", "wire", "secure", "port",
            "session", "hub", "agent",
        ],
        false,
    ),
    layer(
        "adapter",
        &["error", "id", "limits", "model", "tree", "port"],
        false,
    ),
    layer("client", ANYTHING, false),
    layer("server", ANYTHING, false),
    layer("json", ANYTHING, false),
];

/// Foreign crates, and the only places that may name them (how the file's path begins).
const ONLY_IN: &[(&str, &str)] = &[
    ("bincode", "wire/codec"),
    ("orion", "secure"),
    ("snow", "secure"),
    ("aws_lc_rs", "secure"),
    ("chat_x25519", "secure"),
    ("rusqlite", "adapter"),
];

/// Foreign crates that do something outside; so do all that begin with `async_`.
const OUTSIDE: &[&str] = &[
    "rand",
    "getrandom",
    "fastrand",
    "smol",
    "tokio",
    "blocking",
    "pollster",
];

/// What the pure layers may name of `std::net`: plain data.
const ADDRESSES: &[&str] = &[
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
];

/// What the hub and the agent may not name of `port`: traits, whose calls wait.
const PORT_TRAITS: &[&str] = &[
    "Log",
    "Directory",
    "Tail",
    "Store",
    "Blobs",
    "Receiving",
    "Content",
    "Profile",
    "Files",
    "Source",
    "Sink",
    "BoxFuture",
];

#[test]
fn arrows_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "found only {} files", files.len());

    let mut faults = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file can be read");
        let name = file.strip_prefix(&root).expect("it was found below");
        faults.extend(check(&name.to_string_lossy(), &text));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_module_has_a_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let tokens = tokens(&fs::read_to_string(root).expect("lib.rs can be read"));
    let modules = tokens.windows(3).filter_map(|three| match three {
        [keyword, name, end] if keyword.text == "mod" && end.text == ";" => Some(&name.text),
        _ => None,
    });
    let mut count = 0;
    for module in modules {
        count += 1;
        let known = LAYERS.iter().any(|layer| layer.name == module);
        assert!(known, "put the module `{module}` into LAYERS");
    }
    assert!(count > 5, "lib.rs was not understood");
}

#[test]
fn planted_faults_are_found() {
    let planted = [
        ("model/room.rs", "use crate::wire::Frame;"),
        ("model/room.rs", "use crate::config::Secret;"),
        ("wire/frame.rs", "use crate::secure::Channel;"),
        (
            "secure/mod.rs",
            "use crate::{error::Error, session::Client};",
        ),
        ("session/mod.rs", "use crate::hub::Hub;"),
        ("hub/room.rs", "use super::super::session::ServerSession;"),
        ("hub/room.rs", "fn f(now: crate::driver::Clock) {}"),
        ("hub/mod.rs", "use super::adapter::Sqlite;"),
        ("hub/mod.rs", "use crate::port::{Append, Log};"),
        ("hub/mod.rs", "mod inner { use super::super::wire::Frame; }"),
        ("agent/mod.rs", "use crate::port::Profile;"),
        ("agent/mod.rs", "use crate::Client;"),
        ("port/store.rs", "use crate::hub::Effect;"),
        ("adapter/sqlite.rs", "use crate::secure::Key;"),
        ("secure/key.rs", "use crate::port::{Random, Log};"),
        ("model/name.rs", "use crate::port::Random;"),
        ("config.rs", "use crate::agent::Event;"),
        ("session/server.rs", "use std::time::{Duration, Instant};"),
        ("hub/mod.rs", "let now = std::time::SystemTime::now();"),
        ("hub/mod.rs", "use std::{fs, fmt};"),
        ("agent/mod.rs", "use std::net::{IpAddr, TcpStream};"),
        ("wire/mod.rs", "std::thread::yield_now();"),
        ("session/mod.rs", "use async_channel::Sender;"),
        ("agent/mod.rs", "let id = fastrand::u64(..);"),
        ("secure/mod.rs", "getrandom::fill(&mut bytes)?;"),
        ("secure/mod.rs", "use getrandom;"),
        ("wire/frame.rs", "use bincode::config;"),
        ("driver/link.rs", "use snow::Builder;"),
        (
            "driver/link.rs",
            "let tag = orion::auth::authenticate(a, b);",
        ),
        ("wire/codec.rs", "use aws_lc_rs::aead;"),
        ("driver/server.rs", "use rusqlite as sql;"),
        ("driver/server.rs", "extern crate rusqlite;"),
        (
            "hub/mod.rs",
            "#[cfg(test)]\nmod tests { }\nuse crate::wire::Frame;",
        ),
        ("gateway.rs", "fn new_module() {}"),
    ];
    for (file, line) in planted {
        assert!(!check(file, line).is_empty(), "{file}: {line}");
    }
}

#[test]
fn what_is_allowed_passes() {
    let fine = [
        ("hub/mod.rs", "// use crate::wire::Frame; and Instant"),
        (
            "hub/mod.rs",
            "/* a /* nested */ std::fs */ use crate::model::Entry;",
        ),
        (
            "hub/mod.rs",
            r##"let text = "crate::wire::Frame"; let raw = r#"std::fs" "#;"##,
        ),
        (
            "hub/mod.rs",
            "#[cfg(test)]\nmod tests { use std::thread; fn f() { if a { b } } }",
        ),
        (
            "hub/mod.rs",
            "#[cfg(test)]\nmod tests;\nuse crate::port::{Append, Random};",
        ),
        ("hub/tests.rs", "use crate::session::ClientSession;"),
        (
            "hub/room.rs",
            "use super::effect::Effect; use super::super::model::Room;",
        ),
        (
            "id.rs",
            "mod text { use super::Seq; fn f() { super::super::error::f(); } }",
        ),
        (
            "session/mod.rs",
            "use crate::{secure::Channel, wire::{self, Frame}};",
        ),
        ("agent/mod.rs", "use std::net::{IpAddr, SocketAddr};"),
        ("wire/mod.rs", "use std::io::{Read, Write};"),
        ("wire/codec/body.rs", "use bincode::config;"),
        ("secure/orion.rs", "use orion::hazardous::stream;"),
        (
            "secure/mod.rs",
            "use crate::error::Violation; fn f<'a>(c: &'a str) -> char { '\"' }",
        ),
        (
            "adapter/sqlite/mod.rs",
            "use rusqlite::Connection; use std::fs;",
        ),
        (
            "driver/link.rs",
            "use crate::session::Session; use async_io::Timer;",
        ),
        (
            "client.rs",
            "use crate::driver; use crate::adapter::Sqlite;",
        ),
        ("lib.rs", "pub use agent::Event; pub use model::*;"),
    ];
    for (file, line) in fine {
        let faults = check(file, line);
        assert!(faults.is_empty(), "{file}: {line}\n{faults:?}");
    }
}

/// Every Rust file below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for item in fs::read_dir(folder).expect("a source folder can be read") {
        let path = item.expect("a folder's item can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What is wrong with a file of this name below `src`.
fn check(file: &str, text: &str) -> Vec<String> {
    let module = module_path(file);
    // Tests may do as they like.
    if module.iter().any(|part| part == "tests") {
        return Vec::new();
    }
    let Some(own) = module.first() else {
        return Vec::new();
    };
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == own) else {
        return vec![format!("{file}: its module has no layer")];
    };

    let mut faults = Vec::new();
    for path in named_paths(&module, text) {
        let complaint = match &path.own {
            Some(own) => arrow(layer, own),
            None => foreign(file, &path.parts).or_else(|| outside(layer, &path.parts)),
        };
        if let Some(complaint) = complaint {
            let named = path.parts.join("::");
            faults.push(format!("{file}:{}: `{named}`: {complaint}", path.line));
        }
    }
    faults
}

/// A name of our own that this layer may not know.
fn arrow(layer: &Layer, path: &[String]) -> Option<String> {
    let top = path.first()?.as_str();
    if layer.names == ANYTHING || top == layer.name {
        return None;
    }
    if !LAYERS.iter().any(|known| known.name == top) {
        return Some("goes through the facade; name the module that defines it".to_owned());
    }
    // Randomness comes in as a parameter of this type, and the type lives there.
    if path == ["port", "Random"] && layer.pure && layer.name != "model" {
        return None;
    }
    if !layer.names.contains(&top) {
        return Some(format!("{} may not know {top}", layer.name));
    }
    let waits = top == "port"
        && matches!(layer.name, "hub" | "agent")
        && path.iter().any(|part| PORT_TRAITS.contains(&part.as_str()));
    waits.then(|| format!("{} may know the data of port, not its traits", layer.name))
}

/// A foreign crate that has its one place elsewhere.
fn foreign(file: &str, parts: &[String]) -> Option<String> {
    let head = parts.first()?;
    let (_, place) = ONLY_IN.iter().find(|(name, _)| name == head)?;
    (!file.starts_with(place)).then(|| format!("only {place} may name it"))
}

/// Something that a pure layer would do to the outside by itself.
fn outside(layer: &Layer, parts: &[String]) -> Option<String> {
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    let bad = match words.as_slice() {
        ["std", "net", what, ..] => !ADDRESSES.contains(what),
        ["std", "net" | "fs" | "thread" | "env" | "process", ..] => true,
        [head, ..] if OUTSIDE.contains(head) || head.starts_with("async_") => true,
        words => words
            .iter()
            .any(|word| matches!(*word, "Instant" | "SystemTime")),
    };
    (layer.pure && bad).then(|| format!("{} is pure; let it come in", layer.name))
}
