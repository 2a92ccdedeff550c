//! A server that forgets old entries says so, and is of one mind about what is left.

use chat_tests::{Client, Device, Server};
use serde_json::{Value, json};

#[test]
fn who_is_behind_what_was_trimmed_is_told_and_goes_on_after_it() {
    let mut server = Server::start_with(&["--retention-count", "20"]);
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    hears_and_leaves(&ann, &bob);
    let (mut writer, acks) = {
        let mut writer = ann.login();
        let acks = say(&mut writer, 0..60);
        (writer, acks)
    };
    assert_eq!(writer.leave(), 0);
    let head = acks[59]["seq"].as_u64().expect("a seq");
    trims_at_its_start(&mut server, &ann, head - 19);

    let mut back = bob.login();
    let gap = back.expect_type("gap");
    assert_eq!(
        (&gap["reason"], &gap["room"]),
        (&"trimmed".into(), &"lobby".into()),
        "{gap}"
    );
    assert_eq!(gap["to_seq"], head - 20, "{gap}");
    let first = back.message();
    assert_eq!(first["seq"], head - 19, "{first}");
    let texts: Vec<String> = (41..60).map(|number| format!("text {number}")).collect();
    assert_eq!(back.texts(19), texts);
    assert_eq!(back.find(|line| line["type"] == "gap"), None, "once");

    // History, search and the stream agree.
    for ask in [
        json!({"after": 0}),
        json!({"before": head + 1}),
        json!({"around": head}),
    ] {
        let items = history(&mut back, ask);
        assert_eq!(seqs(&items), (head - 19..=head).collect::<Vec<_>>());
    }
    assert_eq!(
        history(&mut back, json!({"before": head - 19})),
        [] as [Value; 0]
    );
    let mut found = seqs(&search(&mut back, "text"));
    found.sort_unstable();
    assert_eq!(found, (head - 19..=head).collect::<Vec<_>>());
    assert_eq!(search(&mut back, "hello"), [] as [Value; 0]);

    // What is gone can't be spoken about.
    for (verb, value) in [
        ("edit", json!({"text": "x"})),
        ("delete", json!({})),
        ("react", json!({"emoji": "x"})),
    ] {
        let mut line = json!({"type": verb, "room": "lobby", "seq": 1, "ref": verb});
        for (key, value) in value.as_object().expect("an object") {
            line[key] = value.clone();
        }
        back.tell(&line);
        back.refused(verb, "no_such_entry");
    }

    // A send id is remembered longer than its entry.
    let mut again = ann.login();
    for (number, ack) in [(0, &acks[0]), (30, &acks[30]), (59, &acks[59])] {
        let text = format!("text {number}");
        again.tell(&json!({"type": "send", "room": "lobby", "text": text, "id": ack["id"], "ref": "again"}));
        let answer = again.acked("again");
        assert_eq!(answer["seq"], ack["seq"], "the same entry");
    }
    say(&mut again, 60..61);
    assert_eq!(back.texts(1), ["text 60"], "and nothing came a second time");
    assert_eq!((again.leave(), back.leave()), (0, 0));

    // Who knows where it was gets no gap for what it has seen.
    let last = bob.login();
    let mut last = last;
    last.catch_up("caught up");
    assert_eq!(
        last.find(|line| line["type"] == "gap" || line["type"] == "message"),
        None
    );
}

#[test]
fn what_is_older_than_the_operator_wants_is_gone_and_numbers_go_on() {
    let mut server = Server::start_with(&["--retention-age", "1ms"]);
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    hears_and_leaves(&ann, &bob);
    let mut writer = ann.login();
    let acks = say(&mut writer, 0..10);
    assert_eq!(writer.leave(), 0);
    let head = acks[9]["seq"].as_u64().expect("a seq");
    trims_at_its_start(&mut server, &ann, head + 1);

    let mut back = bob.login();
    let gap = back.expect("gap of the lobby", |line| {
        line["type"] == "gap" && line["room"] == "lobby"
    });
    assert_eq!(
        (&gap["reason"], &gap["to_seq"]),
        (&"trimmed".into(), &head.into()),
        "{gap}"
    );
    assert_eq!(history(&mut back, json!({})), [] as [Value; 0]);
    assert_eq!(search(&mut back, "text"), [] as [Value; 0]);
    let mut writer = ann.login();
    let acks = say(&mut writer, 10..11);
    assert_eq!(acks[0]["seq"], head + 1);
    assert_eq!(back.texts(1), ["text 10"]);
    assert_eq!((writer.leave(), back.leave()), (0, 0));
}

/// Bob is a member and has a position.
fn hears_and_leaves(ann: &Device, bob: &Device) {
    let (mut ann, mut bob) = (ann.login(), bob.login());
    ann.send("lobby", "hello", "hello");
    ann.acked("hello");
    assert_eq!(bob.texts(1), ["hello"]);
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
}

/// A server cuts when it starts, beside its other work; answers when nothing before `first` is left.
fn trims_at_its_start(server: &mut Server, ann: &Device, first: u64) {
    assert_eq!(server.stop(), 0);
    server.restart();
    let mut reader = ann.login();
    while seqs(&history(&mut reader, json!({"after": 0, "limit": 1})))
        .iter()
        .any(|seq| *seq < first)
    {}
    assert_eq!(reader.leave(), 0);
}

fn say(client: &mut Client, numbers: std::ops::Range<usize>) -> Vec<Value> {
    for number in numbers.clone() {
        client.send("lobby", &format!("text {number}"), &number.to_string());
    }
    numbers
        .map(|number| client.acked(&number.to_string()))
        .collect()
}

fn history(client: &mut Client, mut ask: Value) -> Vec<Value> {
    ask["type"] = "history".into();
    ask["room"] = "lobby".into();
    ask["ref"] = "history".into();
    client.tell(&ask);
    items(&client.answer("history"))
}

fn search(client: &mut Client, text: &str) -> Vec<Value> {
    client.tell(&json!({"type": "search", "text": text, "ref": "search"}));
    items(&client.answer("search"))
}

fn items(answer: &Value) -> Vec<Value> {
    answer["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .clone()
}

fn seqs(items: &[Value]) -> Vec<u64> {
    items
        .iter()
        .map(|item| item["seq"].as_u64().unwrap_or_default())
        .collect()
}
