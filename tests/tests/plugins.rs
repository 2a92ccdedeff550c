//! Plugins that do what they should not, and what the server makes of it. Compiled here, dropped into the
//! folder of a real server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chat_tests::plugins::root;
use chat_tests::{Client, Device, Plugins, Ran, Server};
use serde_json::{Value, json};

/// A file is refused before any of it runs, or in the process that only looks at it.
#[test]
fn files_that_can_not_run_are_refused_for_their_reason_and_cost_nobody_anything() {
    let plugins = Plugins::configured("");
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();

    let place = |name: &str| plugins.path(&format!("{name}.so"));
    fs::write(place("text"), "hello").unwrap();
    fs::write(place("empty"), "").unwrap();
    let built = [
        hostile(&plugins, "crashbuild", &["CRASH", "IN_CONSTRUCTOR"]),
        hostile(&plugins, "exitbuild", &["EXIT", "IN_CONSTRUCTOR"]),
        hostile(&plugins, "hangbuild", &["HANG", "IN_CONSTRUCTOR"]),
        hostile(&plugins, "crashinit", &["CRASH", "IN_INIT"]),
        hostile(&plugins, "exitinit", &["EXIT", "IN_INIT"]),
        hostile(&plugins, "hanginit", &["HANG", "IN_INIT"]),
        hostile(&plugins, "freedinit", &["USE_FREED", "IN_INIT"]),
        hostile(&plugins, "crashend", &["CRASH", "IN_DESTROY"]),
        hostile(&plugins, "hangend", &["HANG", "IN_DESTROY"]),
        hostile(&plugins, "refuses", &["REFUSE"]),
        hostile(&plugins, "newabi", &["ABI=2"]),
        hostile(&plugins, "newfield", &["TAIL=7"]),
        hostile(&plugins, "nosymbol", &["NO_SYMBOL"]),
        unique(&plugins, &[]),
        place("text"),
        place("empty"),
    ];
    let open = hostile(&plugins, "open", &["ID=\"org.example.open\""]);
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
    let checked = server_check(&server, &built[10]);
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

/// By default a fault lets pass; the plugin is there again for the next message.
#[test]
fn what_a_hook_does_to_its_process_costs_no_message() {
    let faults: [(&str, &[&str], &str); 7] = [
        (
            "crash",
            &["CRASH", "IN_HOOK"],
            "crashed (SIGSEGV) in its entry hook",
        ),
        (
            "exit",
            &["EXIT", "IN_HOOK"],
            "exit code 0 in its entry hook",
        ),
        (
            "freed",
            &["USE_FREED", "IN_HOOK"],
            "crashed (SIGABRT) in its entry hook",
        ),
        (
            "hang",
            &["HANG", "IN_HOOK"],
            "hangs in its entry hook: no answer within 300 ms",
        ),
        (
            "nonsense",
            &["VERDICT=77"],
            "answered 77, which is no verdict there",
        ),
        (
            "dropping",
            &["VERDICT=2"],
            "answered 2, which is no verdict there",
        ),
        (
            "empty",
            &["VERDICT=CHAT_MODIFIED"],
            "CHAT_MODIFIED without set_text",
        ),
    ];
    for (name, flags, why) in faults {
        let plugins = Plugins::configured(&format!("[plugin.{name}]\ndeadline_ms = 300\n"));
        plugins.add_file(&hostile(&plugins, name, flags));
        let server = start(&plugins);
        let (mut ann, bob) = (
            Device::new(&server, "ann").login(),
            Device::new(&server, "bob").login(),
        );
        ann.send("lobby", "spam", "1");
        assert_eq!(ann.refused("1", "rejected")["message"], "no spam here");
        ann.send("lobby", "misbehave", "2");
        ann.send("lobby", "spam", "3");
        ann.send("lobby", "after", "4");
        ann.acked("2");
        ann.refused("3", "rejected");
        ann.acked("4");
        assert_eq!(bob.texts(2), ["misbehave", "after"], "{name}");
        server.process().says(&[name, why]);
        let item = &list(&server)[name];
        assert_eq!(item["state"], "running", "{item}");
        assert!(item["errors"].as_u64() > Some(0), "{item}");
        assert_eq!((ann.leave(), helpers(&server).len()), (0, 1), "{name}");
    }
}

/// With `on_error = "reject"` nothing passes that was not looked at, and nothing is lost either: it is
/// refused for now, and comes again by itself.
#[test]
fn on_error_decides_and_too_many_faults_stop_a_plugin_for_good() {
    let plugins = Plugins::configured("[plugin.strict]\non_error = 'reject'\n");
    plugins.add_file(&hostile(&plugins, "strict", &["VERDICT=-5"]));
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    for number in 0..10 {
        let (room, label) = (format!("room{number}"), format!("r{number}"));
        ann.tell(&json!({"type": "create", "room": room, "ref": label}));
        ann.acked(&label);
    }
    for number in 0..10 {
        ann.send(&format!("room{number}"), "misbehave", &format!("f{number}"));
    }
    server.process().says(&[
        "strict",
        "stopped: 10 faults within a minute",
        "plugin reload strict",
    ]);
    assert_eq!(list(&server)["strict"]["state"], "tripped");
    // It stays in the way of what it should have looked at.
    ann.send("lobby", "harmless", "h");
    ann.catch_up("caught up");
    let answered = |line: &Value| {
        matches!(line["type"].as_str(), Some("ack" | "error"))
            && line["ref"]
                .as_str()
                .is_some_and(|label| label.starts_with(['f', 'h']))
    };
    assert_eq!(ann.find(answered), None);
    let ran = server.operate(&["plugin", "reload", "nobody"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.errors.contains("there is no plugin nobody"),
        "{}",
        ran.errors
    );

    // The operator's word starts the same file again, which is not better for it...
    let ran = server.operate(&["plugin", "reload", "strict"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    server
        .process()
        .says(&["strict", "stopped: 10 faults within a minute"]);
    // ...and a better one lets in what has waited.
    drop_in(&plugins, &hostile(&plugins, "strict", &[]));
    ann.acked("h");
    for number in 0..10 {
        ann.acked(&format!("f{number}"));
    }
    assert_eq!(ann.leave(), 0);
}

#[test]
fn while_one_filter_hangs_for_one_room_the_others_go_on_filtered() {
    let plugins = Plugins::configured("[plugin.hang]\ndeadline_ms = 60000\n");
    plugins.add_file(&hostile(&plugins, "hang", &["HANG", "IN_HOOK"]));
    let server = start(&plugins);
    let (mut ann, mut bob) = (
        Device::new(&server, "ann").login(),
        Device::new(&server, "bob").login(),
    );
    bob.tell(&json!({"type": "create", "room": "quiet", "ref": "room"}));
    bob.acked("room");
    // What it answered right before, too.
    ann.send("lobby", "fine", "before");
    ann.send("lobby", "misbehave", "stuck");
    ann.acked("before");
    for number in 0..50 {
        let label = number.to_string();
        bob.send(
            "quiet",
            if number % 2 == 0 { "fine" } else { "spam" },
            &label,
        );
        match number % 2 {
            0 => bob.acked(&label),
            _ => bob.refused(&label, "rejected"),
        };
    }
    // A minute has not passed: the other one still waits.
    let stuck = |line: &Value| line["ref"] == "stuck" && line["type"] == "ack";
    assert_eq!(ann.find(stuck), None);
    server
        .process()
        .says(&["hang", "stuck in a call; a second process takes the others"]);
}

/// In the server a crash is the server's. What was acknowledged is there, and it comes up without the
/// culprit.
#[test]
fn a_crash_in_the_server_loses_nothing_and_the_next_start_leaves_the_plugin_off() {
    let plugins = Plugins::configured("[plugin.inside]\nisolation = 'none'\n");
    plugins.add_file(&hostile(&plugins, "inside", &["CRASH", "IN_HOOK"]));
    let mut server = start(&plugins);
    assert_eq!(list(&server)["inside"]["isolation"], "none");
    assert_eq!(helpers(&server), Vec::<String>::new());
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    let (mut first, watcher) = (ann.login(), bob.login());
    first.send("lobby", "spam", "0");
    first.refused("0", "rejected");
    for number in 0..20 {
        first.send("lobby", &number.to_string(), &number.to_string());
        first.acked(&number.to_string());
    }
    first.send("lobby", "misbehave", "end");
    until("the server is gone", || !server.process().is_running());
    server.restart();
    server.process().says(&[
        "inside",
        "the server ended while it ran in there, so it is left off",
    ]);
    assert_eq!(list(&server)["inside"]["state"], "refused");
    // The client goes on with what was not acknowledged.
    first.acked("end");
    first.send("lobby", "spam", "passes now");
    first.acked("passes now");
    let heard = watcher.texts(22);
    let said: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(heard[..20], said);
    assert_eq!(heard[20..], ["misbehave", "spam"]);

    // The operator's word is enough to try again.
    let ran = server.operate(&["plugin", "reload", "inside"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    until("it runs again", || {
        list(&server)["inside"]["state"] == "running"
    });
    // An end in good order accuses nobody.
    assert_eq!(server.stop(), 0);
    server.restart();
    assert_eq!(list(&server)["inside"]["state"], "running");
}

#[test]
fn a_hang_in_the_server_meets_its_deadline_and_retires_the_plugin() {
    let plugins = Plugins::configured("[plugin.inside]\nisolation = 'none'\ndeadline_ms = 500\n");
    plugins.add_file(&hostile(&plugins, "inside", &["HANG", "IN_HOOK"]));
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "misbehave", "1");
    ann.send("lobby", "spam", "2");
    ann.acked("1");
    server.process().says(&[
        "inside",
        "stopped: it hangs in its entry hook: no answer within 500 ms",
    ]);
    ann.acked("2");
    assert_eq!(list(&server)["inside"]["state"], "tripped");
    ann.send("lobby", "more", "3");
    ann.acked("3");
}

/// Dropped in, replaced and removed while people talk; nobody notices but the plugin.
#[test]
fn ten_versions_take_over_from_each_other_and_the_observer_sees_every_entry_in_order() {
    let plugins = Plugins::configured("");
    let log = plugins.path("seen.txt");
    plugins.configure(&format!("[plugin.observer]\npath = '{}'\n", log.display()));
    let versions: Vec<PathBuf> = (0..=10)
        .map(|version| observer(&plugins, &format!("v{version}"), &[]))
        .collect();
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    let mut sent = 0;
    let mut say = |ann: &mut Client, count: usize| {
        for _ in 0..count {
            ann.send("lobby", &format!("text {sent}"), &sent.to_string());
            sent += 1;
        }
        sent
    };
    drop_in(&plugins, &versions[0]);
    server.process().says(&["loaded", "observer", "v0"]);
    for (number, version) in versions.iter().enumerate().skip(1) {
        say(&mut ann, 100);
        drop_in(&plugins, version);
        say(&mut ann, 100);
        let word = format!("\"v{number}\"");
        server.process().says(&["loaded", "observer", &word]);
    }
    let sent = say(&mut ann, 100);
    for number in 0..sent {
        ann.acked(&number.to_string());
    }
    let last = format!("text {}", sent - 1);
    until("the last entry is seen", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains(&last))
    });
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.splitn(6, ' ').collect())
        .collect();
    let texts: Vec<&str> = lines
        .iter()
        .map(|line| line[5])
        .filter(|text| text.starts_with("text"))
        .collect();
    let expected: Vec<String> = (0..sent).map(|number| format!("text {number}")).collect();
    assert_eq!(texts, expected, "each once, in order");
    for pair in lines.windows(2) {
        assert_eq!(
            pair[0][3], pair[1][2],
            "{pair:?}: what comes before is what was seen before"
        );
        let count = |line: &[&str]| line[4].parse::<u64>().unwrap();
        assert_eq!(
            count(&pair[0]) + 1,
            count(&pair[1]),
            "{pair:?}: the state was handed over"
        );
    }
    let mut by: Vec<&str> = lines.iter().map(|line| line[0]).collect();
    by.dedup();
    assert!(by.len() >= 10 && by.last() == Some(&"v10"), "{by:?}");

    // A version that does not take the state over is refused, the one before goes on.
    drop_in(&plugins, &observer(&plugins, "bad", &["REFUSE_STATE"]));
    server.process().says(&[
        "observer",
        "the new version is refused, the old one goes on",
        "restore",
    ]);
    assert_eq!(list(&server)["observer"]["version"], "v10");
    // Broken altogether, too; in place, as `cp` does.
    fs::write(plugins.folder().join("observer.so"), "rubbish").unwrap();
    server.process().says(&[
        "observer",
        "the version before goes on",
        "not a shared library",
    ]);
    ann.send("lobby", "still seen", "still");
    ann.acked("still");
    until("it is seen", || {
        fs::read_to_string(&log)
            .is_ok_and(|text| text.contains("v10") && text.contains("still seen"))
    });

    // Gone with its file; what is said meanwhile is shown when it comes back.
    fs::remove_file(plugins.folder().join("observer.so")).unwrap();
    server
        .process()
        .says(&["observer", "stopped: its file is gone"]);
    until("its process has ended", || helpers(&server).is_empty());
    ann.send("lobby", "said meanwhile", "meanwhile");
    ann.acked("meanwhile");
    drop_in(&plugins, &versions[3]);
    until("it is caught up", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("said meanwhile"))
    });
    assert_eq!(ann.leave(), 0);
}

#[test]
fn an_observer_goes_on_where_it_was_after_a_crash_of_the_server() {
    let plugins = Plugins::configured("");
    let log = plugins.path("seen.txt");
    plugins.configure(&format!("[plugin.observer]\npath = '{}'\n", log.display()));
    drop_in(&plugins, &observer(&plugins, "v1", &[]));
    let mut server = start(&plugins);
    let device = Device::new(&server, "ann");
    let mut ann = device.login();
    for number in 0..200 {
        ann.send("lobby", &format!("text {number}"), &number.to_string());
    }
    for number in 0..200 {
        ann.acked(&number.to_string());
    }
    server.kill();
    server.restart();
    ann.send("lobby", "the last", "last");
    ann.acked("last");
    until("the last is seen", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("the last"))
    });
    let text = fs::read_to_string(&log).unwrap();
    let mut next = 0;
    for line in text.lines() {
        let Some(number) = line.split("text ").nth(1) else {
            continue;
        };
        let number: u64 = number.parse().unwrap();
        assert!(number <= next, "{next} was passed over: {line}");
        next = next.max(number + 1);
    }
    assert_eq!(next, 200);
    assert_eq!(ann.leave(), 0);
}

/// Nobody waits for what an observer says later.
#[test]
fn an_observer_that_defers_is_told_and_goes_on() {
    let plugins = Plugins::configured("");
    let log = plugins.path("seen.txt");
    plugins.configure(&format!("[plugin.observer]\npath = '{}'\n", log.display()));
    drop_in(&plugins, &observer(&plugins, "v1", &["DEFERS"]));
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    for label in ["one", "two"] {
        ann.send("lobby", label, label);
        ann.acked(label);
        until("it is seen", || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains(label))
        });
    }
    server.process().says(&[
        "observer",
        "its observer deferred",
        "nobody waits for its answer",
    ]);
    until("it is caught up", || {
        list(&server)["observer"]["behind"] == 0
    });
    assert_eq!(ann.leave(), 0);
}

/// Also those that only looked whether a file can be loaded.
#[test]
fn no_process_of_a_plugin_stays_behind_when_it_has_ended() {
    let plugins = Plugins::configured("");
    plugins.add_file(&hostile(&plugins, "filter", &[]));
    plugins.add_file(&hostile(&plugins, "broken", &["CRASH", "IN_INIT"]));
    let server = start(&plugins);
    for _ in 0..3 {
        let ran = server.operate(&["plugin", "reload", "filter"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
    }
    let states = |dead: bool| {
        let mut children = children(&server);
        children.retain(|pid| is_dead(pid) == Some(dead));
        children.len()
    };
    until("one runs, and none is left of the others", || {
        (states(false), states(true)) == (1, 0)
    });
}

#[test]
fn what_the_server_does_for_plugins_works_from_hooks_and_from_their_own_threads() {
    let plugins = Plugins::configured("[plugin.services]\ndeadline_ms = 1000\n");
    plugins.add_file(&build(&plugins, "services", "services.c", &[]));
    let mut server = start(&plugins);
    let device = Device::new(&server, "ann");
    let mut ann = device.login();
    server.process().says(&["services", "the timer rang"]);

    // An answer to what it heard does not come back to it: no loop.
    ann.send("lobby", "answer", "1");
    ann.acked("1");
    let line = ann.expect("the plugin's answer", |line| {
        line["from"] == "plugin.services"
    });
    assert_eq!(line["text"], "answer");

    // Deferred, and answered by a thread, which sends as well.
    ann.send("lobby", "later", "2");
    ann.acked("2");
    let texts = || {
        let line = ann.expect("both", |line| {
            line["type"] == "message"
                && line["text"]
                    .as_str()
                    .is_some_and(|text| text.contains("by a thread"))
        });
        line["text"].as_str().unwrap().to_owned()
    };
    let mut both = [texts(), texts()];
    both.sort();
    assert_eq!(both, ["answered by a thread", "sent by a thread"]);

    // Deferred, and never answered: the deadline decides.
    ann.send("lobby", "never", "3");
    ann.acked("3");
    server
        .process()
        .says(&["services", "no deferred answer in its entry hook"]);

    for (number, letter) in [(4, 'a'), (5, 'b')] {
        let label = number.to_string();
        ann.tell(&json!({"type": "command", "name": "count", "args": "cake", "ref": label}));
        ann.acked(&label);
        let notice = ann.expect_type("notice");
        assert_eq!(notice["text"], format!("call {letter} with cake"));
        assert_eq!(notice["from"], "plugin.services");
    }
    // What it keeps outlives the server.
    assert_eq!(server.stop(), 0);
    server.restart();
    ann.tell(&json!({"type": "command", "name": "count", "args": "tea", "ref": "6"}));
    ann.acked("6");
    assert_eq!(ann.expect_type("notice")["text"], "call c with tea");
    let errors = server.process().errors();
    for word in ["a second answer", "the first answer", "its own entry"] {
        assert!(!errors.contains(word), "{errors}");
    }
    assert_eq!(ann.leave(), 0);
}

#[test]
fn the_operator_takes_capabilities_away_and_decides_the_order() {
    let plugins = Plugins::configured(
        "[plugin.filter]\ncapabilities = ['read_text']\n[plugin.off]\nenabled = false\n",
    );
    plugins.add_file(&hostile(&plugins, "filter", &[]));
    plugins.add_file(&hostile(&plugins, "off", &["ID=\"org.example.off\""]));
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "spam", "1");
    ann.acked("1");
    server
        .process()
        .says(&["filter", "wants to refuse, without the capability"]);
    assert_eq!(list(&server)["off"]["state"], "off");

    plugins.configure("[plugin.filter]\npriority = 9\n[plugin.off]\nenabled = true\n");
    let ran = server.operate(&["plugin", "reload"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    until("both run", || {
        let list = list(&server);
        list["filter"]["priority"] == 9 && list["off"]["state"] == "running"
    });
    ann.send("lobby", "spam", "2");
    ann.refused("2", "rejected");
    let list = list(&server);
    assert_eq!(
        (&list["filter"]["rejects"], &list["off"]["rejects"]),
        (&1.into(), &0.into())
    );

    // The same plugin under another name is refused.
    let copy = plugins.folder().join("libother.so");
    fs::copy(plugins.folder().join("filter.so"), copy).unwrap();
    server
        .process()
        .says(&["other", "its id org.example.hostile is that of filter"]);
    // A broken configuration changes nothing.
    plugins.configure("[plugin.filter]\npriority = 'high'\n");
    let ran = server.operate(&["plugin", "reload"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.errors.contains("priority is a whole number"),
        "{}",
        ran.errors
    );
    let text = server_list_text(&server);
    let plugins = text.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(plugins.count(), 3, "{text}");
}

#[test]
fn a_folder_that_comes_later_is_watched_as_soon_as_it_is_there() {
    let plugins = Plugins::configured("");
    let file = hostile(&plugins, "filter", &[]);
    fs::remove_dir(plugins.folder()).unwrap();
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "spam", "1");
    ann.acked("1");
    fs::create_dir(plugins.folder()).unwrap();
    drop_in(&plugins, &file);
    server.process().says(&["filter", "loaded"]);
    ann.send("lobby", "spam", "2");
    ann.refused("2", "rejected");
}

/// Built by version 0.1.0, and never again: binaries of plugins stay good.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_plugin_that_was_built_by_the_first_version_still_filters() {
    let plugins = Plugins::configured("");
    plugins.add_file(&root().join("tests/fixtures/plugin-v1/nospam.so"));
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "buy spam", "1");
    assert_eq!(ann.refused("1", "rejected")["message"], "no spam here");
}

/// One that was built with a later header and does not need what that added.
#[test]
fn a_later_header_alone_keeps_no_plugin_out() {
    let plugins = Plugins::configured("");
    plugins.add_file(&hostile(&plugins, "later", &["TAIL=0"]));
    plugins.add_file(&unique(&plugins, &["-fno-gnu-unique"]));
    let server = start(&plugins);
    let list = list(&server);
    for name in ["later", "unique"] {
        assert_eq!(list[name]["state"], "running", "{}", list[name]);
    }
}

#[test]
fn a_plugin_in_c_is_begun_built_and_checked_by_the_words_that_are_printed() {
    let plugins = Plugins::configured("");
    let server = start(&plugins);
    let folder = plugins.path("shout");
    let ran = server_run(&server, &["plugin", "new", folder.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    assert!(ran.output.contains("make -C"), "{}", ran.output);
    let built = Command::new("make")
        .arg("-s")
        .arg("-C")
        .arg(&folder)
        .status()
        .unwrap();
    assert!(built.success());
    let checked = server_check(&server, &folder.join("shout.so"));
    assert_eq!(checked.code, 0, "{}", checked.errors);
    assert!(
        checked.output.contains("org.example.shout"),
        "{}",
        checked.output
    );
    let again = server_run(&server, &["plugin", "new", folder.to_str().unwrap()]);
    assert_eq!(again.code, 2, "{}", again.errors);
}

/// Begun by the words of the command line, and then made to panic.
#[test]
fn a_plugin_in_rust_is_begun_and_built_and_its_panics_are_counted() {
    let plugins = Plugins::configured("");
    let server = start(&plugins);
    let folder = plugins.path("loud");
    let ran = server_run(
        &server,
        &["plugin", "new", folder.to_str().unwrap(), "--lang", "rust"],
    );
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
    drop_in(&plugins, &folder.join("target/debug/libloud.so"));
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

fn start(plugins: &Plugins) -> Server {
    let args = plugins.args();
    Server::start_with(&args.each_ref().map(String::as_str))
}

fn hostile(plugins: &Plugins, name: &str, flags: &[&str]) -> PathBuf {
    build(plugins, name, "hostile.c", flags)
}

fn observer(plugins: &Plugins, version: &str, flags: &[&str]) -> PathBuf {
    let version = format!("VERSION=\"{version}\"");
    let mut all = vec![version.as_str()];
    all.extend(flags);
    build(plugins, "observer", "observer.c", &all)
}

/// Compiles a source of these tests; each time into a folder of its own.
fn build(plugins: &Plugins, name: &str, source: &str, defines: &[&str]) -> PathBuf {
    let defines: Vec<String> = defines.iter().map(|define| format!("-D{define}")).collect();
    compile(plugins, "gcc", name, source, &defines)
}

fn unique(plugins: &Plugins, flags: &[&str]) -> PathBuf {
    let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
    compile(plugins, "g++", "unique", "unique.cpp", &flags)
}

fn compile(
    plugins: &Plugins,
    compiler: &str,
    name: &str,
    source: &str,
    flags: &[String],
) -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = plugins.path(&format!("build-{count}"));
    fs::create_dir(&folder).unwrap();
    let file = folder.join(format!("{name}.so"));
    let built = Command::new(compiler)
        .args([
            "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-I",
        ])
        .arg(root().join("include"))
        .args(flags)
        .arg(root().join("tests/plugins").join(source))
        .arg("-o")
        .arg(&file)
        .status()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(built.success(), "{source} does not compile with {flags:?}");
    file
}

/// Puts a file into the folder in one step, as an installer does.
fn drop_in(plugins: &Plugins, file: &Path) {
    let name = file.file_name().unwrap();
    let half = plugins.folder().join(".half");
    fs::copy(file, &half).unwrap();
    fs::rename(&half, plugins.folder().join(name)).unwrap();
}

/// `plugin list --json`, by name.
fn list(server: &Server) -> Value {
    let ran = server.operate(&["plugin", "list", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    let mut all = serde_json::Map::new();
    for line in ran.output.lines() {
        let item: Value = serde_json::from_str(line).unwrap();
        all.insert(item["name"].as_str().unwrap().to_owned(), item);
    }
    Value::Object(all)
}

fn server_list_text(server: &Server) -> String {
    server.operate(&["plugin", "list"]).output
}

fn server_check(server: &Server, file: &Path) -> Ran {
    server_run(server, &["plugin", "check", file.to_str().unwrap()])
}

fn server_run(server: &Server, args: &[&str]) -> Ran {
    server.operate(args)
}

/// The helper processes of a server.
fn helpers(server: &Server) -> Vec<String> {
    // One that has ended is waited for by its reader a moment later.
    let mut found = children(server);
    found.retain(|pid| is_dead(pid) == Some(false));
    found
}

fn children(server: &Server) -> Vec<String> {
    let pid = server.process().pid();
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(children.split_whitespace().map(str::to_owned));
    }
    found
}

/// Whether a process has ended and nobody has asked how; `None` when it is gone.
fn is_dead(pid: &str) -> Option<bool> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.contains(") Z "))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "it never holds: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
