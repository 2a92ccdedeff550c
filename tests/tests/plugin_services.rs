//! What plugins are shown, what the server does for them, and what its operator lets them do.

use std::fs;
use std::path::PathBuf;

use chat_tests::plugins::{list, until};
use chat_tests::{Device, Plugins};
use serde_json::{Value, json};

#[test]
fn what_the_server_does_for_plugins_works_from_hooks_and_from_their_own_threads() {
    let plugins = Plugins::configured("[plugin.services]\ndeadline_ms = 1000\n");
    plugins.add_file(&plugins.build("services", "services.c", &[]));
    let mut server = plugins.start();
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
    let complaints = |errors: &str| {
        for word in ["a second answer", "the first answer", "its own entry"] {
            assert!(!errors.contains(word), "{errors}");
        }
    };
    // An observer has seen all that was said when it has seen the last of it.
    until(|| list(&server)["services"]["behind"] == 0);
    complaints(&server.process().errors());
    // What it keeps outlives the server.
    assert_eq!(server.stop(), 0);
    server.restart();
    ann.tell(&json!({"type": "command", "name": "count", "args": "tea", "ref": "6"}));
    ann.acked("6");
    assert_eq!(ann.expect_type("notice")["text"], "call c with tea");
    complaints(&server.process().errors());
    assert_eq!(ann.leave(), 0);
}

#[test]
fn the_operator_takes_capabilities_away_and_decides_the_order() {
    let plugins = Plugins::configured(
        "[plugin.filter]\ncapabilities = ['read_text']\n[plugin.off]\nenabled = false\n",
    );
    plugins.add_file(&plugins.hostile("filter", &[]));
    plugins.add_file(&plugins.hostile("off", &["ID=\"org.example.off\""]));
    let server = plugins.start();
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
    until(|| {
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
    let text = server.operate(&["plugin", "list"]).output;
    let plugins = text.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(plugins.count(), 3, "{text}");
}

/// The table at the top of `chat_plugin.h`, tried with everything that people do.
#[test]
fn every_hook_is_shown_its_fields_and_nobody_what_he_may_not_see() {
    let plugins = Plugins::configured("");
    let (seeing, blind) = (plugins.path("seeing.txt"), plugins.path("blind.txt"));
    plugins.configure(&format!(
        "[plugin.witness]\npath = {seeing:?}\n[plugin.blind]\npath = {blind:?}\ncapabilities = []\n"
    ));
    plugins.drop_in(&plugins.build("witness", "witness.c", &[]));
    plugins.drop_in(&plugins.build("blind", "witness.c", &["ID=\"org.example.blind\""]));
    let server = plugins.start();
    let file = plugins.path("cat.png");
    fs::write(&file, [7; 5000]).unwrap();
    let bob = Device::new(&server, "bob").login();
    let mut ann = Device::new(&server, "ann").login();
    let mut done = |line: Value| {
        let mut line = line;
        line["ref"] = "r".into();
        ann.tell(&line);
        match line["type"] == "presence" {
            true => Value::Null,
            false => ann.acked("r"),
        }
    };
    let seq = done(json!({"type": "send", "room": "lobby", "text": "hello"}))["seq"].clone();
    done(json!({"type": "send", "room": "lobby", "text": "yes", "reply_to": seq}));
    done(json!({"type": "edit", "room": "lobby", "seq": seq, "text": "hallo"}));
    done(json!({"type": "react", "room": "lobby", "seq": seq, "emoji": "+1"}));
    done(json!({"type": "delete", "room": "lobby", "seq": seq}));
    done(json!({"type": "create", "room": "den"}));
    done(json!({"type": "topic", "room": "den", "text": "bears"}));
    done(json!({"type": "send", "to": "bob", "text": "between us"}));
    done(json!({"type": "command", "room": "den", "name": "look", "args": "under the bed"}));
    done(json!({"type": "presence", "state": "away", "text": "asleep"}));
    bob.sees("ann", "away");
    ann.send_file("lobby", &file, "file");
    ann.transferred("file");
    bob.expect_type("file");
    assert_eq!(ann.leave(), 0);
    let ran = server.operate(&["plugin", "reload"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);

    // Fields of each hook: those that it may have, and those of one event that it had to have.
    let entry = "kind flags time_ms target account conversation room from to id text name args media_type bytes";
    let post = "kind flags time_ms target account conversation room from id text name args media_type bytes \
                seq prev";
    let file_fields = "flags account conversation room from to name media_type bytes";
    let table = [
        ("connect", "address", "address=127.0.0.1"),
        ("login", "from name", "from=ann"),
        ("entry", entry, "kind=1 room=lobby from=ann text=hello"),
        ("entry", entry, "kind=3 room=lobby from=ann text=hallo"),
        ("entry", entry, "kind=5 room=lobby from=ann text=+1"),
        ("entry", entry, "kind=4 room=lobby from=ann"),
        ("entry", entry, "kind=7 room=den from=ann text=bears"),
        (
            "entry",
            entry,
            "kind=6 room=lobby from=ann name=ann args=joined",
        ),
        ("entry", entry, "kind=1 flags=1 from=ann to=bob"),
        ("entry", entry, "kind=2 room=lobby text=cat.png bytes=5000"),
        ("entry", entry, "kind=31 from=ann text=asleep"),
        (
            "command",
            "flags account conversation room from to name args",
            "room=den from=ann name=look",
        ),
        (
            "file_offer",
            file_fields,
            "room=lobby from=ann name=cat.png bytes=5000",
        ),
        (
            "file_complete",
            file_fields,
            "room=lobby from=ann name=cat.png bytes=5000",
        ),
        // The first one may be deleted before an observer comes to it.
        ("entry_post", post, "kind=1 room=lobby from=ann text=yes"),
        ("entry_post", post, "kind=1 flags=1 from=ann"),
        (
            "presence_post",
            "from text flags reason dropped",
            "from=bob flags=80",
        ),
        (
            "presence_post",
            "from text flags reason dropped",
            "from=ann text=asleep",
        ),
        (
            "disconnect_post",
            "from reason dropped",
            "from=ann reason=left",
        ),
        ("tick", "time_ms", ""),
        ("reload", "time_ms", ""),
    ];
    let read = |path: &PathBuf| -> Vec<Vec<String>> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let whole = text.lines().filter(|_| text.ends_with('\n'));
        whole
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    };
    for (hook, fields, seen) in table {
        let found = |line: &Vec<String>| {
            line[0] == hook
                && seen
                    .split_whitespace()
                    .all(|one| line[1..].iter().any(|field| field.starts_with(one)))
        };
        until(|| read(&seeing).iter().any(found));
        for line in read(&seeing).iter().filter(|line| line[0] == hook) {
            for field in &line[1..] {
                let name = field.split('=').next().unwrap();
                assert!(fields.split_whitespace().any(|one| one == name), "{line:?}");
            }
        }
    }
    let command = read(&seeing).into_iter().find(|line| line[0] == "command");
    let command = command.unwrap();
    assert!(
        command.contains(&"args=under the bed".to_owned()),
        "{command:?}"
    );
    let text = fs::read_to_string(&seeing).unwrap();
    assert!(!text.contains("correct horse"), "a password is shown");
    // Without capabilities there are no texts and no addresses, and nothing of what is between two accounts.
    until(|| read(&blind).iter().any(|line| line[0] == "reload"));
    for line in read(&blind) {
        let shows = |name: &str| line.iter().any(|field| field.starts_with(name));
        assert!(!shows("text="), "{line:?}");
        assert!(!shows("address="), "{line:?}");
        assert!(!shows("to="), "{line:?}");
        assert!(line[0] != "command", "{line:?}");
    }
    assert!(read(&blind).iter().any(|line| line[0] == "entry_post"));
    let list = list(&server);
    for name in ["witness", "blind"] {
        assert_eq!(list[name]["errors"], 0, "{}", list[name]);
    }
}

#[test]
fn what_a_plugin_says_is_marked_filtered_and_bounded() {
    let plugins = Plugins::configured("");
    plugins.add_file(&plugins.build("talker", "talker.c", &[]));
    plugins.add_file(&plugins.hostile("filter", &[]));
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    let counted = |name: &str| list(&server)["talker"]["metrics"][name].clone();
    ann.send("lobby", "say hello", "1");
    ann.acked("1");
    let said = ann.expect("its answer", |line| line["from"] == "plugin.talker");
    assert_eq!(
        (&said["text"], &said["bot"]),
        (&"hello".into(), &true.into())
    );
    // The other plugin is asked about it.
    ann.send("lobby", "say spam", "2");
    ann.acked("2");
    server
        .process()
        .says(&["talker", "what it sent was refused", "no spam here"]);

    // What can't be sent is told at once, and counts nowhere.
    ann.send("lobby", "say it nowhere", "3");
    ann.acked("3");
    until(|| counted("no_text") == 4);
    for name in ["nowhere", "nobody", "both", "nothing"] {
        assert_eq!(counted(name), 1, "{name} is a misuse");
    }

    // 256 wait at most, be it entries or notices; the rest is refused, and later there is room again.
    for (text, label) in [("tell as much", "4"), ("say it all", "5")] {
        ann.send("lobby", text, label);
        ann.acked(label);
        until(|| counted("end") == 8);
        let taken = counted("taken").as_u64().unwrap();
        // It takes a moment until the server stands still.
        assert!((200..2000).contains(&taken), "{text}: {taken}");
        ann.send("lobby", "forget it", &format!("{label} forgotten"));
        until(|| counted("end") == 0);
    }
    // Most of it was more than a plugin may say at once; a while later it may speak again.
    let mut number = 0;
    until(|| {
        number += 1;
        let label = format!("again {number}");
        ann.send("lobby", "say after all", &label);
        ann.acked(&label);
        ann.find(|line| line["from"] == "plugin.talker" && line["text"] == "after all")
            .is_some()
    });
    assert_eq!(counted("said"), 0);
    assert_eq!(list(&server)["talker"]["dropped"], 0);
}

/// A plugin that says too much is told so, and its operator, and not once for each word.
#[test]
fn notices_that_are_too_many_do_not_fill_the_log() {
    assert!(lines_after("tell it all") < 1000);
}

/// The same for entries.
#[test]
fn entries_that_are_too_many_do_not_fill_the_log() {
    assert!(lines_after("say it again") < 1000);
}

/// How many lines the server writes while a plugin does that.
fn lines_after(word: &str) -> usize {
    let plugins = Plugins::configured("[plugin.talker]\ndeadline_ms = 60000\n");
    plugins.add_file(&plugins.build("talker", "talker.c", &[]));
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", word, "1");
    ann.acked("1");
    server
        .process()
        .says(&["talker", "may not say so much at once"]);
    // It has said all of that, and has heard what became of it.
    until(|| {
        ann.send("lobby", "say done", "2");
        ann.acked("2");
        ann.find(|line| line["from"] == "plugin.talker" && line["text"] == "done")
            .is_some()
    });
    server.process().errors().lines().count()
}

/// The event of a deferred answer is the plugin's until it has answered, whatever the deadline said.
#[test]
fn an_answer_after_the_deadline_is_too_late_and_its_event_is_still_there() {
    for isolation in ["process", "none"] {
        let plugins = Plugins::configured(&format!(
            "[plugin.late]\ndeadline_ms = 100\nisolation = '{isolation}'\n"
        ));
        plugins.add_file(&plugins.build("late", "late.c", &[]));
        let server = plugins.start();
        let mut ann = Device::new(&server, "ann").login();
        ann.send("lobby", "hold", "1");
        ann.acked("1");
        server
            .process()
            .says(&["late", "no deferred answer in its entry hook"]);
        ann.send("lobby", "release", "2");
        ann.acked("2");
        until(|| list(&server)["late"]["metrics"]["second"] == 24);
        let item = &list(&server)["late"];
        assert_eq!(item["metrics"]["there"], 1, "{item}");
        assert_eq!(item["metrics"]["first"], 24, "{item}");
        assert_eq!(
            (&item["errors"], &item["state"]),
            (&1.into(), &"running".into())
        );
        assert_eq!(ann.texts(2), ["hold", "release"]);
    }
}

/// Whoever was refused at first, or turned off, finds what it has kept when it comes back.
#[test]
fn what_a_plugin_keeps_waits_for_it_while_it_may_not_run() {
    let plugins = Plugins::configured("");
    let file = plugins.build("services", "services.c", &[]);
    plugins.add_file(&file);
    let mut server = plugins.start();
    let device = Device::new(&server, "ann");
    let count = |ann: &mut chat_tests::Client, label: &str| {
        ann.tell(&json!({"type": "command", "name": "count", "args": "x", "ref": label}));
        ann.acked(label);
        ann.expect_type("notice")["text"].clone()
    };
    let mut ann = device.login();
    assert_eq!(count(&mut ann, "1"), "call a with x");
    assert_eq!(ann.leave(), 0);
    assert_eq!(server.stop(), 0);
    plugins.configure("[plugin.services]\nenabled = false\n");
    server.restart();
    assert_eq!(list(&server)["services"]["state"], "off");
    plugins.configure("");
    let ran = server.operate(&["plugin", "reload", "services"]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    let mut ann = device.login();
    assert_eq!(count(&mut ann, "2"), "call b with x");
    // A server that is killed has it, too, once a second has passed: that of the disk.
    let kept = server.data().join("plugins/kept/services.json");
    until(|| fs::read_to_string(&kept).is_ok_and(|text| text.contains(r#":"Yg==""#)));
    assert_eq!(ann.leave(), 0);
    server.kill();
    plugins.add_file(&plugins.hostile("services", &["CRASH", "IN_INIT"]));
    server.restart();
    assert_eq!(list(&server)["services"]["state"], "refused");
    plugins.drop_in(&file);
    server.process().says(&["services", "loaded"]);
    let mut ann = device.login();
    assert_eq!(count(&mut ann, "3"), "call c with x");
}
