//! Plugins that do in their hooks what they should not, and what the server makes of it.

use std::fs;
use std::time::{Duration, Instant};

use chat_tests::plugins::{children, helpers, is_dead, list, until};
use chat_tests::{Device, Plugins};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

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
        plugins.add_file(&plugins.hostile(name, flags));
        let server = plugins.start();
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
    plugins.add_file(&plugins.hostile("strict", &["VERDICT=-5"]));
    let server = plugins.start();
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
    plugins.drop_in(&plugins.hostile("strict", &[]));
    ann.acked("h");
    for number in 0..10 {
        ann.acked(&format!("f{number}"));
    }
    assert_eq!(ann.leave(), 0);
}

#[test]
fn while_one_filter_hangs_for_one_room_the_others_go_on_filtered() {
    let plugins = Plugins::configured("[plugin.hang]\ndeadline_ms = 60000\n");
    plugins.add_file(&plugins.hostile("hang", &["HANG", "IN_HOOK"]));
    let server = plugins.start();
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
    plugins.add_file(&plugins.hostile("inside", &["CRASH", "IN_HOOK"]));
    let mut server = plugins.start();
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
    until(|| !server.process().is_running());
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
    until(|| list(&server)["inside"]["state"] == "running");
    // An end in good order accuses nobody.
    assert_eq!(server.stop(), 0);
    server.restart();
    assert_eq!(list(&server)["inside"]["state"], "running");
}

#[test]
fn a_hang_in_the_server_meets_its_deadline_and_retires_the_plugin() {
    let plugins = Plugins::configured("[plugin.inside]\nisolation = 'none'\ndeadline_ms = 500\n");
    plugins.add_file(&plugins.hostile("inside", &["HANG", "IN_HOOK"]));
    let server = plugins.start();
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

/// Also those that only looked whether a file can be loaded.
#[test]
fn no_process_of_a_plugin_stays_behind_when_it_has_ended() {
    let plugins = Plugins::configured("");
    plugins.add_file(&plugins.hostile("filter", &[]));
    plugins.add_file(&plugins.hostile("broken", &["CRASH", "IN_INIT"]));
    let server = plugins.start();
    for _ in 0..3 {
        let ran = server.operate(&["plugin", "reload", "filter"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
    }
    let states = |dead: bool| {
        let mut children = children(&server);
        children.retain(|pid| is_dead(pid) == Some(dead));
        children.len()
    };
    until(|| (states(false), states(true)) == (1, 0));
}

/// What it had not answered is asked once more: the crash may have been another call's.
#[test]
fn what_a_process_died_of_is_asked_once_more_and_then_decided() {
    for (times, asked) in [(1, 2), (100, 2)] {
        let plugins = Plugins::configured("");
        plugins.add_file(&plugins.build("fragile", "fragile.c", &[&format!("TIMES={times}")]));
        let server = plugins.start();
        let mut ann = Device::new(&server, "ann").login();
        ann.send("lobby", "fragile", "1");
        ann.send("lobby", "after", "2");
        match times {
            1 => assert_eq!(ann.refused("1", "rejected")["message"], "asked 2 times"),
            _ => drop(ann.acked("1")),
        };
        ann.acked("2");
        let marks = server.data().join("plugins/state/fragile/marks");
        assert_eq!(
            fs::read_to_string(marks).unwrap().len(),
            asked,
            "TIMES={times}"
        );
        // Another look at the file is shown none of that.
        let ran = server.operate(&["plugin", "reload", "fragile"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
    }
}

/// A process that ends all the time is started less and less often. Nobody waits for it meanwhile.
#[test]
fn who_crashes_all_the_time_is_given_pauses() {
    let plugins = Plugins::configured("");
    plugins.add_file(&plugins.hostile("crash", &["CRASH", "IN_HOOK"]));
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    for number in 0..30 {
        ann.send("lobby", "misbehave", &number.to_string());
        ann.acked(&number.to_string());
    }
    let item = &list(&server)["crash"];
    assert!(item["errors"].as_u64() < Some(10), "{item}");
    until(|| list(&server)["crash"]["state"] != "restarting");
    ann.send("lobby", "spam", "after");
    ann.refused("after", "rejected");
}

#[test]
fn who_is_slow_is_warned_about_and_then_stopped() {
    let plugins = Plugins::configured("");
    plugins.add_file(&plugins.hostile("slow", &["SLOW", "IN_HOOK"]));
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    for number in 0..55 {
        ann.send("lobby", "misbehave", &number.to_string());
    }
    for number in 0..55 {
        ann.acked(&number.to_string());
    }
    server
        .process()
        .says(&["slow", "it is slow in its entry hook"]);
    server
        .process()
        .says(&["slow", "stopped: 50 calls took longer than 100 ms"]);
    let item = &list(&server)["slow"];
    assert_eq!(
        (&item["state"], &item["errors"]),
        (&"tripped".into(), &0.into())
    );
    assert!(item["p99_us"].as_u64() > Some(100_000), "{item}");
    // It stood in nobody's way otherwise, and does not any more.
    ann.send("lobby", "spam", "free");
    ann.acked("free");
}

/// Deadlines count what the watchdog saw, so that a machine that was asleep finds none of them passed.
#[test]
fn a_machine_that_was_suspended_trips_nothing() {
    let plugins = Plugins::configured("[plugin.late]\ndeadline_ms = 1000\n");
    plugins.add_file(&plugins.build("late", "late.c", &[]));
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    ann.send("lobby", "hold", "1");
    // It is with the plugin: what comes after it has been judged.
    bob.send("lobby", "version", "2");
    bob.refused("2", "rejected");
    let helper: i32 = helpers(&server)[0].parse().unwrap();
    let signal = |signal| {
        server.process().signal(signal);
        kill_process(Pid::from_raw(helper).unwrap(), signal).unwrap();
    };
    signal(Signal::STOP);
    let asleep = Instant::now();
    until(|| asleep.elapsed() > Duration::from_secs(2));
    signal(Signal::CONT);
    // Some ticks of the watchdog.
    let awake = Instant::now();
    until(|| awake.elapsed() > Duration::from_millis(100));
    bob.send("lobby", "release", "3");
    bob.acked("3");
    ann.acked("1");
    assert_eq!(bob.texts(2), ["released by 1", "release"]);
    let item = &list(&server)["late"];
    assert_eq!(
        (&item["errors"], &item["metrics"]["first"]),
        (&0.into(), &0.into())
    );
}

/// Nobody is there any more who would end it.
#[test]
fn a_process_ends_with_its_server_also_inside_a_hook() {
    let plugins = Plugins::configured("[plugin.hang]\ndeadline_ms = 60000\n");
    plugins.add_file(&plugins.hostile("hang", &["HANG", "IN_HOOK"]));
    let mut server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "misbehave", "1");
    ann.send("lobby", "after", "2");
    server
        .process()
        .says(&["hang", "stuck in a call; a second process takes the others"]);
    until(|| helpers(&server).len() == 2);
    let helpers = helpers(&server);
    server.kill();
    until(|| helpers.iter().all(|pid| is_dead(pid) != Some(false)));
}
