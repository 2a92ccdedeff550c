//! Plugins that are replaced and removed while people talk.

use std::fs;
use std::path::PathBuf;

use chat_tests::plugins::{helpers, list, until};
use chat_tests::{Client, Device, Plugins};

/// Dropped in, replaced and removed while people talk; nobody notices but the plugin.
#[test]
fn ten_versions_take_over_from_each_other_and_the_observer_sees_every_entry_in_order() {
    let plugins = Plugins::configured("");
    let log = plugins.path("seen.txt");
    plugins.configure(&format!("[plugin.observer]\npath = '{}'\n", log.display()));
    let versions: Vec<PathBuf> = (0..=10)
        .map(|version| plugins.observer(&format!("v{version}"), &[]))
        .collect();
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    let mut sent = 0;
    let mut say = |ann: &mut Client, count: usize| {
        for _ in 0..count {
            ann.send("lobby", &format!("text {sent}"), &sent.to_string());
            sent += 1;
        }
        sent
    };
    plugins.drop_in(&versions[0]);
    server.process().says(&["loaded", "observer", "v0"]);
    for (number, version) in versions.iter().enumerate().skip(1) {
        say(&mut ann, 100);
        plugins.drop_in(version);
        say(&mut ann, 100);
        let word = format!("\"v{number}\"");
        server.process().says(&["loaded", "observer", &word]);
    }
    let sent = say(&mut ann, 100);
    for number in 0..sent {
        ann.acked(&number.to_string());
    }
    let last = format!("text {}", sent - 1);
    until(|| fs::read_to_string(&log).is_ok_and(|text| text.contains(&last)));
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
    plugins.drop_in(&plugins.observer("bad", &["REFUSE_STATE"]));
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
    until(|| {
        fs::read_to_string(&log)
            .is_ok_and(|text| text.contains("v10") && text.contains("still seen"))
    });

    // Gone with its file; what is said meanwhile is shown when it comes back.
    fs::remove_file(plugins.folder().join("observer.so")).unwrap();
    server
        .process()
        .says(&["observer", "stopped: its file is gone"]);
    until(|| helpers(&server).is_empty());
    ann.send("lobby", "said meanwhile", "meanwhile");
    ann.acked("meanwhile");
    plugins.drop_in(&versions[3]);
    until(|| fs::read_to_string(&log).is_ok_and(|text| text.contains("said meanwhile")));
    assert_eq!(ann.leave(), 0);
}

/// Whatever becomes of the hand-over, one of the two filters.
#[test]
fn a_hand_over_that_fails_leaves_the_better_version() {
    let faults = [
        ("CRASH", "crashed (SIGSEGV)"),
        ("EXIT", "exit code 0"),
        ("HANG", "hangs"),
    ];
    for (fault, why) in faults {
        for (place, hook, stays) in [
            ("IN_RESTORE", "restore", "good"),
            ("IN_SAVE", "save", "new"),
        ] {
            let plugins = Plugins::configured("[plugin.filter]\ndeadline_ms = 300\n");
            let good = plugins.hostile("filter", &["STATEFUL", "VERSION=\"good\""]);
            let bad = |version: &str| {
                let version = format!("VERSION=\"{version}\"");
                plugins.hostile("filter", &["STATEFUL", fault, place, &version])
            };
            let [first, second] = match place {
                "IN_RESTORE" => [good, bad("new")],
                _ => [
                    bad("old"),
                    plugins.hostile("filter", &["STATEFUL", "VERSION=\"new\""]),
                ],
            };
            plugins.drop_in(&first);
            let server = plugins.start();
            let mut ann = Device::new(&server, "ann").login();
            plugins.drop_in(&second);
            server.process().says(&["loaded", "filter", "new"]);
            // What comes meanwhile waits for who answers in the end.
            ann.send("lobby", "spam", "1");
            ann.send("lobby", "fine", "2");
            ann.refused("1", "rejected");
            ann.acked("2");
            server.process().says(&["filter", why, hook]);
            until(|| list(&server)["filter"]["version"] == stays);
            ann.send("lobby", "spam", "3");
            ann.refused("3", "rejected");
            if place == "IN_SAVE" {
                // What the old one kept at its end counts.
                ann.send("lobby", "who saved", "4");
                assert_eq!(ann.refused("4", "rejected")["message"], "old");
            }
            until(|| helpers(&server).len() == 1);
            let item = &list(&server)["filter"];
            assert_eq!(item["state"], "running", "{fault} {place}: {item}");
        }
    }
}

/// In the server there is no process to be ended, and one version is not to blame for the other.
#[test]
fn a_hand_over_that_hangs_in_the_server_leaves_the_better_version() {
    for (old, new, hangs, stays) in [
        (&[][..], &["HANG", "IN_RESTORE"][..], "restore", "good"),
        (&["HANG", "IN_SAVE"], &[], "save", "new"),
    ] {
        let plugins =
            Plugins::configured("[plugin.filter]\ndeadline_ms = 300\nisolation = 'none'\n");
        let version = |version: &str, with: &[&str]| {
            let version = format!("VERSION=\"{version}\"");
            plugins.hostile("filter", &[&["STATEFUL", version.as_str()], with].concat())
        };
        plugins.drop_in(&version("good", old));
        let server = plugins.start();
        let mut ann = Device::new(&server, "ann").login();
        plugins.drop_in(&version("new", new));
        server.process().says(&["loaded", "filter", "new"]);
        // What comes meanwhile waits for who answers in the end.
        ann.send("lobby", "spam", "1");
        ann.send("lobby", "fine", "2");
        ann.refused("1", "rejected");
        ann.acked("2");
        let hangs = format!("hangs in {hangs}");
        server.process().says(&["filter", &hangs]);
        ann.send("lobby", "spam", "3");
        ann.refused("3", "rejected");
        ann.send("lobby", "who saved", "4");
        assert_eq!(ann.refused("4", "rejected")["message"], "good");
        let item = &list(&server)["filter"];
        assert_eq!(
            (&item["state"], &item["version"]),
            (&"running".into(), &stays.into())
        );
    }
}

/// A new version answers what comes; what the old one deferred is the old one's, and nothing else is any more.
#[test]
fn the_version_that_deferred_an_entry_finishes_it() {
    for isolation in ["process", "none"] {
        let plugins = Plugins::configured("");
        let go = plugins.path("go");
        plugins.configure(&format!(
            "[plugin.late]\ngo = {go:?}\ndeadline_ms = 60000\nisolation = '{isolation}'\n"
        ));
        let version =
            |version: &str| plugins.build("late", "late.c", &[&format!("VERSION=\"{version}\"")]);
        plugins.drop_in(&version("old"));
        let server = plugins.start();
        let (mut ann, mut bob) = (
            Device::new(&server, "ann").login(),
            Device::new(&server, "bob").login(),
        );
        let mut answers = |label: &str| {
            bob.send("lobby", "version", label);
            bob.refused(label, "rejected")["message"].clone()
        };
        ann.send("lobby", "hold", "1");
        assert_eq!(answers("a"), "old");
        plugins.drop_in(&version("new"));
        until(|| list(&server)["late"]["version"] == "new");
        assert_eq!(answers("b"), "new");
        fs::write(&go, "").unwrap();
        ann.acked("1");
        assert_eq!(ann.texts(1), ["released by old"]);
        match isolation {
            // It has found out by itself that nothing more counts.
            "none" => until(|| !go.exists()),
            _ => until(|| helpers(&server).len() == 1),
        }
        let item = &list(&server)["late"];
        assert_eq!(
            (&item["errors"], &item["state"]),
            (&0.into(), &"running".into())
        );
        assert_eq!(ann.find(|line| line["from"] == "plugin.late"), None);
    }
}
