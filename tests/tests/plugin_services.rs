//! What plugins are shown, what the server does for them, and what its operator lets them do.

use std::fs;

use chat_tests::plugins::{list, until};
use chat_tests::{Device, Plugins};
use serde_json::json;

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
