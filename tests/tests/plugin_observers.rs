//! Observers: cursors into the log, which nobody waits for.

use std::fs;

use chat_tests::plugins::{list, until};
use chat_tests::{Device, Plugins};

#[test]
fn an_observer_goes_on_where_it_was_after_a_crash_of_the_server() {
    let plugins = Plugins::configured("");
    let log = plugins.path("seen.txt");
    plugins.configure(&format!("[plugin.observer]\npath = '{}'\n", log.display()));
    plugins.drop_in(&plugins.observer("v1", &[]));
    let mut server = plugins.start();
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
    until(|| fs::read_to_string(&log).is_ok_and(|text| text.contains("the last")));
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
    plugins.drop_in(&plugins.observer("v1", &["DEFERS"]));
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    for label in ["one", "two"] {
        ann.send("lobby", label, label);
        ann.acked(label);
        until(|| fs::read_to_string(&log).is_ok_and(|text| text.contains(label)));
    }
    server.process().says(&[
        "observer",
        "its observer deferred",
        "nobody waits for its answer",
    ]);
    until(|| list(&server)["observer"]["behind"] == 0);
    assert_eq!(ann.leave(), 0);
}

/// What it may have seen before is marked, so that one that counts does not count it twice.
#[test]
fn what_an_observer_sees_twice_is_marked_the_second_time() {
    let plugins = Plugins::configured("");
    let log = plugins.path("seen.txt");
    plugins.configure(&format!("[plugin.observer]\npath = '{}'\n", log.display()));
    plugins.drop_in(&plugins.observer("v1", &["MARKS"]));
    let mut server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    let seen = |text: &str| {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.lines().any(|line| line.ends_with(text))
    };
    // Nothing is marked that is shown once, also after a rest.
    for text in ["before", "after"] {
        ann.send("lobby", text, text);
        ann.acked(text);
        until(|| seen(text));
        assert_eq!(server.stop(), 0);
        server.restart();
    }
    let all = fs::read_to_string(&log).unwrap();
    assert!(!all.contains(" again "), "{all}");
    // Until the server is killed before it has written how far the observer is.
    for round in 0.. {
        let text = format!("text {round}");
        ann.send("lobby", &text, &text);
        ann.acked(&text);
        until(|| seen(&text));
        server.kill();
        let last = fs::read_to_string(&log).unwrap_or_default().lines().count();
        server.restart();
        let marker = format!("marker {round}");
        ann.send("lobby", &marker, &marker);
        ann.acked(&marker);
        until(|| seen(&marker));
        let all = fs::read_to_string(&log).unwrap();
        let twice: Vec<&str> = all
            .lines()
            .skip(last)
            .filter(|line| line.ends_with(&text))
            .collect();
        if twice.is_empty() {
            continue;
        }
        assert!(
            twice.iter().all(|line| line.contains(" again ")),
            "{twice:?}"
        );
        return;
    }
}
