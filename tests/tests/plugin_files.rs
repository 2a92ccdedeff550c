//! Files of the folder of plugins: what may be loaded, from the first source on, and what is refused for what
//! reason. Compiled here, dropped into the folder of a real server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use chat_tests::plugins::{helpers, list, root, until};
use chat_tests::{Device, Plugins, Ran, Server};

/// A file is refused before any of it runs, or in the process that only looks at it.
#[test]
fn files_that_can_not_run_are_refused_for_their_reason_and_cost_nobody_anything() {
    let plugins = Plugins::configured("");
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();

    let place = |name: &str| plugins.path(&format!("{name}.so"));
    fs::write(place("text"), "hello").unwrap();
    fs::write(place("empty"), "").unwrap();
    let built = [
        plugins.hostile("crashbuild", &["CRASH", "IN_CONSTRUCTOR"]),
        plugins.hostile("exitbuild", &["EXIT", "IN_CONSTRUCTOR"]),
        plugins.hostile("hangbuild", &["HANG", "IN_CONSTRUCTOR"]),
        plugins.hostile("crashinit", &["CRASH", "IN_INIT"]),
        plugins.hostile("exitinit", &["EXIT", "IN_INIT"]),
        plugins.hostile("hanginit", &["HANG", "IN_INIT"]),
        plugins.hostile("freedinit", &["USE_FREED", "IN_INIT"]),
        plugins.hostile("crashend", &["CRASH", "IN_DESTROY"]),
        plugins.hostile("hangend", &["HANG", "IN_DESTROY"]),
        plugins.hostile("refuses", &["REFUSE"]),
        // Nothing of it runs before it is judged.
        plugins.hostile("newabi", &["ABI=2", "CRASH", "IN_CONSTRUCTOR"]),
        plugins.hostile("newfield", &["TAIL=7"]),
        plugins.hostile("nosymbol", &["NO_SYMBOL"]),
        plugins.unique(&[]),
        place("text"),
        place("empty"),
    ];
    let open = plugins.hostile("open", &["ID=\"org.example.open\""]);
    for file in &built {
        plugins.add_file(file);
    }
    // An operator's mistake: everybody may write it.
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    plugins.add_file(&open);
    fs::copy(&built[0], plugins.folder().join("two words.so")).unwrap();
    // What is no plugin by its name is passed over.
    fs::write(plugins.folder().join("notes.txt"), "hello").unwrap();
    fs::write(plugins.folder().join(".half.so"), "hello").unwrap();

    for number in 0..100 {
        ann.send("lobby", &format!("{number}"), &number.to_string());
        ann.acked(&number.to_string());
    }
    let expected = [
        ("crashbuild", "crashed (SIGSEGV) in a constructor"),
        (
            "exitbuild",
            "ended its process with exit code 0 in a constructor",
        ),
        ("hangbuild", "hangs in a constructor"),
        ("crashinit", "crashed (SIGSEGV) in init"),
        ("exitinit", "ended its process with exit code 0 in init"),
        ("hanginit", "hangs in init"),
        ("freedinit", "crashed (SIGABRT) in init"),
        ("crashend", "crashed (SIGSEGV) in destroy"),
        ("hangend", "hangs in destroy"),
        ("refuses", "its init refused"),
        (
            "newabi",
            "needs plugin ABI 2, this server has 1; update the server",
        ),
        (
            "newfield",
            "says things that this server does not know; update the server",
        ),
        (
            "nosymbol",
            "does not export chat_plugin_v1; CHAT_PLUGIN_DECLARE",
        ),
        ("unique", "build it with -fno-gnu-unique"),
        ("text", "not a shared library"),
        ("empty", "it is empty"),
        ("open", "may be written by everybody; chmod o-w"),
    ];
    for (name, why) in expected {
        server.process().says(&[name, why]);
    }
    server
        .process()
        .says(&["two words", "can't be a plugin's name"]);
    server
        .process()
        .says(&["refuses", "the key `colour` is missing"]);
    let list = list(&server);
    for (name, why) in expected {
        let item = &list[name];
        assert_eq!(item["state"], "refused", "{name}: {item}");
        assert!(
            item["why"].as_str().unwrap().contains(why),
            "{name}: {item}"
        );
    }
    for number in 0..100 {
        assert_eq!(ann.message()["text"], number.to_string());
    }
    // The same words before it is dropped in.
    let checked = check(&server, &built[10]);
    assert_eq!(checked.code, 1);
    assert!(
        checked.errors.contains("update the server"),
        "{}",
        checked.errors
    );
    // Nobody who is refused leaves a process behind.
    assert_eq!(helpers(&server), Vec::<String>::new());
    assert_eq!(ann.leave(), 0);
}

#[test]
fn a_folder_that_comes_later_is_watched_as_soon_as_it_is_there() {
    let plugins = Plugins::configured("");
    let file = plugins.hostile("filter", &[]);
    fs::remove_dir(plugins.folder()).unwrap();
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "spam", "1");
    ann.acked("1");
    fs::create_dir(plugins.folder()).unwrap();
    plugins.drop_in(&file);
    server.process().says(&["filter", "loaded"]);
    ann.send("lobby", "spam", "2");
    ann.refused("2", "rejected");
}

/// What `reload` could not do it says, and so does the list.
#[test]
fn a_reload_that_does_not_help_says_why() {
    let plugins = Plugins::configured("");
    plugins.add_file(&plugins.hostile("broken", &["CRASH", "IN_INIT"]));
    let server = plugins.start();
    let ran = server.operate(&["plugin", "reload", "broken"]);
    assert_eq!(ran.code, 1);
    let why = "broken is refused: it crashed (SIGSEGV) in init";
    assert!(ran.errors.contains(why), "{}", ran.errors);
    let ran = server.operate(&["plugin", "reload", "two words"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.errors.contains("can't be a plugin's name"),
        "{}",
        ran.errors
    );
}

/// An operator who reads the list has not read the log.
#[test]
fn the_list_says_why_a_plugin_refused_to_start() {
    let plugins = Plugins::configured("");
    plugins.add_file(&plugins.hostile("refuses", &["REFUSE"]));
    let server = plugins.start();
    let why = list(&server)["refuses"]["why"].clone();
    assert!(
        why.to_string().contains("the key `colour` is missing"),
        "{why}"
    );
    // So does a look at the file.
    let file = plugins.folder().join("refuses.so");
    let checked = check(&server, &file);
    assert_eq!(checked.code, 1);
    assert!(
        checked
            .errors
            .contains("refused: the key `colour` is missing"),
        "{}",
        checked.errors
    );
}

/// While one hangs in its probe, others get in, and it may be taken back.
#[test]
fn what_hangs_in_its_probe_keeps_no_other_out() {
    let plugins = Plugins::configured("");
    let hang = |name: &str| plugins.hostile(name, &["HANG", "IN_INIT", &id(name)]);
    let files = ["first", "second", "third"].map(hang);
    let server = plugins.start();
    for file in &files {
        plugins.drop_in(file);
    }
    until(|| helpers(&server).len() == 3);
    plugins.drop_in(&plugins.hostile("filter", &[]));
    fs::remove_file(plugins.folder().join("second.so")).unwrap();
    plugins.drop_in(&plugins.hostile("third", &[&id("third")]));
    server.process().says(&["filter", "loaded"]);
    let log = server.process().errors();
    assert!(!log.contains("hangs"), "it was waited for: {log}");
    for name in ["first", "second", "third"] {
        server.process().says(&[name, "hangs in init"]);
    }
    server.process().says(&["third", "loaded"]);
    until(|| list(&server)["second"].is_null());
    let list = list(&server);
    let state = |name: &str| list[name]["state"].as_str();
    assert_eq!(
        ["first", "third", "filter"].map(state),
        [Some("refused"), Some("running"), Some("running")]
    );
}

fn id(name: &str) -> String {
    format!("ID=\"org.example.{name}\"")
}

/// Two files of one plugin: one of them runs, and the other takes its place when it goes.
#[test]
fn the_same_plugin_runs_once_under_whatever_names_it_comes() {
    let plugins = Plugins::configured("");
    let file = plugins.hostile("filter", &[]);
    let place = |name: &str| plugins.folder().join(name);
    // All at once, as at the start of a server.
    let names = ["one", "two", "three"];
    for name in names {
        fs::copy(&file, place(&format!("{name}.so"))).unwrap();
    }
    let server = plugins.start();
    let runs = || {
        let list = list(&server);
        let runs = |name: &&&str| list[**name]["state"] == "running";
        let all: Vec<&str> = names.iter().filter(runs).copied().collect();
        assert!(all.len() <= 1, "{all:?}");
        all.first().copied()
    };
    for _ in names {
        until(|| runs().is_some());
        let runs = runs().unwrap();
        let others = names
            .iter()
            .filter(|name| place(&format!("{name}.so")).exists());
        for other in others.filter(|name| **name != runs) {
            let item = &list(&server)[*other];
            let why = item["why"].as_str().unwrap();
            assert!(
                why.contains("its id org.example.hostile is that of"),
                "{item}"
            );
        }
        fs::remove_file(place(&format!("{runs}.so"))).unwrap();
        server.process().says(&[runs, "stopped: its file is gone"]);
    }
    // `NAME.so` and `libNAME.so`, as after a change of the build.
    plugins.drop_in(&file);
    server.process().says(&["loaded", "filter"]);
    fs::copy(&file, place("libfilter.so")).unwrap();
    server.process().says(&[
        "libfilter.so is refused",
        "filter.so is the plugin filter already",
    ]);
    fs::remove_file(place("filter.so")).unwrap();
    server
        .process()
        .says(&["filter", "stopped: its file is gone"]);
    until(|| list(&server)["filter"]["state"] == "running");
}

/// The reason names a command, and after it the file runs.
#[test]
fn who_is_put_right_runs_without_another_word() {
    let plugins = Plugins::configured("");
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let file = plugins.hostile("filter", &[]);
    // A user's own group has nobody else in it.
    mode(&file, 0o664);
    plugins.add_file(&file);
    let server = plugins.start();
    let state = |name: &str| list(&server)[name]["state"].clone();
    assert_eq!(state("filter"), "running");
    let late = plugins.build("late", "late.c", &[]);
    mode(&late, 0o666);
    plugins.add_file(&late);
    server
        .process()
        .says(&["late", "it may be written by everybody; chmod o-w"]);
    mode(&plugins.folder().join("late.so"), 0o644);
    until(|| state("late") == "running");

    mode(&plugins.folder(), 0o777);
    plugins.drop_in(&plugins.build("talker", "talker.c", &[]));
    server.process().says(&[
        "talker",
        "its folder may be written by everybody; chmod o-w",
    ]);
    assert_eq!(state("filter"), "running");
    mode(&plugins.folder(), 0o755);
    until(|| state("talker") == "running");
}

/// A pipe in the folder has no end that could be waited for.
#[test]
fn what_is_no_file_keeps_no_other_out() {
    let plugins = Plugins::configured("");
    let pipe = plugins.folder().join("pipe.so");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    fs::create_dir(plugins.folder().join("folder.so")).unwrap();
    std::os::unix::fs::symlink("/nowhere", plugins.folder().join("nowhere.so")).unwrap();
    let server = plugins.start();
    for name in ["pipe", "folder"] {
        server.process().says(&[name, "it is not a file"]);
    }
    plugins.drop_in(&plugins.hostile("filter", &[]));
    server.process().says(&["loaded", "filter"]);
    let checked = check(&server, &pipe);
    assert!(
        checked.errors.contains("it is not a file"),
        "{}",
        checked.errors
    );
}

/// Names of files and of tables are folded alike, and one that fits nothing is told.
#[test]
fn a_table_belongs_to_the_file_of_its_name_and_a_misspelt_one_is_told() {
    let plugins =
        Plugins::configured("[plugin.Filter]\npriority = 7\n[plugin.fliter]\npriority = 9\n");
    let file = plugins.hostile("Filter", &[]);
    plugins.add_file(&file);
    let server = plugins.start();
    assert_eq!(list(&server)["filter"]["priority"], 7);
    server
        .process()
        .says(&["[plugin.fliter] is configured, and no plugin of that name"]);
    plugins.configure("[plugin.filter]\npriority = 8\n");
    for name in ["filter", "Filter"] {
        let ran = server.operate(&["plugin", "reload", name]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.errors);
    }
    until(|| list(&server)["filter"]["priority"] == 8);
}

/// Built by version 0.1.0, and never again: binaries of plugins stay good.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_plugin_that_was_built_by_the_first_version_still_filters() {
    let plugins = Plugins::configured("");
    plugins.add_file(&root().join("tests/fixtures/plugin-v1/nospam.so"));
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "buy spam", "1");
    assert_eq!(ann.refused("1", "rejected")["message"], "no spam here");
}

/// One that was built with a later header and does not need what that added.
#[test]
fn a_later_header_alone_keeps_no_plugin_out() {
    let plugins = Plugins::configured("");
    plugins.add_file(&plugins.hostile("later", &["TAIL=0"]));
    plugins.add_file(&plugins.unique(&["-fno-gnu-unique"]));
    let server = plugins.start();
    let list = list(&server);
    for name in ["later", "unique"] {
        assert_eq!(list[name]["state"], "running", "{}", list[name]);
    }
}

#[test]
fn a_plugin_in_c_is_begun_built_and_checked_by_the_words_that_are_printed() {
    let plugins = Plugins::configured("");
    let server = plugins.start();
    let folder = plugins.path("shout");
    let ran = server.operate(&["plugin", "new", folder.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    assert!(ran.output.contains("make -C"), "{}", ran.output);
    let built = Command::new("make")
        .arg("-s")
        .arg("-C")
        .arg(&folder)
        .status()
        .unwrap();
    assert!(built.success());
    let checked = check(&server, &folder.join("shout.so"));
    assert_eq!(checked.code, 0, "{}", checked.errors);
    assert!(
        checked.output.contains("org.example.shout"),
        "{}",
        checked.output
    );
    let again = server.operate(&["plugin", "new", folder.to_str().unwrap()]);
    assert_eq!(again.code, 2, "{}", again.errors);
}

/// Begun by the words of the command line, and then made to panic.
#[test]
fn a_plugin_in_rust_is_begun_and_built_and_its_panics_are_counted() {
    let plugins = Plugins::configured("");
    let server = plugins.start();
    let folder = plugins.path("loud");
    let ran = server.operate(&["plugin", "new", folder.to_str().unwrap(), "--lang", "rust"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    let source = folder.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    let panics = "Some(\"misbehave\") => panic!(\"as it was told\"),\n            Some(text) if";
    fs::write(&source, text.replace("Some(text) if", panics)).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--offline", "--quiet", "--target-dir", "target"])
        .current_dir(&folder)
        .status()
        .unwrap();
    assert!(built.success());
    plugins.drop_in(&folder.join("target/debug/libloud.so"));
    server.process().says(&["loud", "loaded"]);
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "misbehave", "1");
    ann.send("lobby", "spam", "2");
    ann.acked("1");
    assert_eq!(ann.refused("2", "rejected")["message"], "no spam here");
    server
        .process()
        .says(&["loud", "a hook panicked: as it was told"]);
    let item = &list(&server)["loud"];
    // Caught inside the plugin: its process goes on.
    assert_eq!(
        (&item["state"], &item["errors"]),
        (&"running".into(), &1.into())
    );
}

fn check(server: &Server, file: &Path) -> Ran {
    server.operate(&["plugin", "check", file.to_str().unwrap()])
}
