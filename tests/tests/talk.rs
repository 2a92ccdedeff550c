//! Two people talk.

use std::collections::HashSet;

use chat_tests::{Client, Device, Server};
use serde_json::Value;

const MESSAGES: usize = 1000;

#[test]
fn a_thousand_messages_each_way_arrive_once_and_in_order() {
    let server = Server::start();
    let (mut ann, mut bob) = (
        Device::new(&server, "ann").login(),
        Device::new(&server, "bob").login(),
    );
    // What comes before is not part of the chain that is looked at.
    let begin = ann_and_bob_are_in(&mut ann, &mut bob);

    for number in 0..MESSAGES {
        ann.send("lobby", &format!("ann {number}"), &number.to_string());
        bob.send("lobby", &format!("bob {number}"), &number.to_string());
    }

    let (by_ann, by_bob) = (conversation(&ann, begin), conversation(&bob, begin));
    assert_eq!(by_ann, by_bob, "both see one conversation");
    for (client, name) in [(&ann, "ann"), (&bob, "bob")] {
        let said: Vec<&(u64, String)> = by_ann
            .iter()
            .filter(|(_, text)| text.starts_with(name))
            .collect();
        assert_eq!(said.len(), MESSAGES);
        for (number, (seq, text)) in said.into_iter().enumerate() {
            assert_eq!(*text, format!("{name} {number}"), "in the sender's order");
            let ack = client.acked(&number.to_string());
            assert_eq!(ack["seq"].as_u64(), Some(*seq), "{ack}");
        }
    }
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
    for client in [&ann, &bob] {
        let more = client.find(|line| line["type"] == "message");
        assert_eq!(more, None, "nothing comes twice");
    }
}

#[test]
fn a_direct_conversation_names_the_other_one_on_both_sides() {
    let server = Server::start();
    let (mut ann, mut bob) = (
        Device::new(&server, "ann").login(),
        Device::new(&server, "bob").login(),
    );
    ann.send_to("bob", "just you", "1");
    ann.acked("1");
    let (sent, got) = (ann.message(), bob.message());
    assert_eq!((&sent["to"], &got["to"]), (&"bob".into(), &"ann".into()));
    assert_eq!(
        (&sent["from"], &got["from"]),
        (&"ann".into(), &"ann".into())
    );
    assert_eq!(sent["id"], got["id"]);

    bob.send_to("ann", "/me is not parsed \u{1f980}\n\"quoted\"", "2");
    bob.acked("2");
    assert_eq!(
        ann.message()["text"],
        "/me is not parsed \u{1f980}\n\"quoted\""
    );
}

#[test]
fn the_same_id_is_the_same_entry_for_a_script_that_runs_again() {
    let server = Server::start();
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    let mut bob = bob.login();
    let mut first = ann.login();
    first.send("lobby", "an id to learn from", "0");
    let id = first.acked("0")["id"].as_str().expect("an id").to_owned();
    assert_eq!(first.leave(), 0);

    let mut again = ann.login();
    again.tell(&serde_json::json!({
        "type": "send", "room": "lobby", "text": "an id to learn from", "ref": "1", "id": id,
    }));
    assert_eq!(again.acked("1")["id"].as_str(), Some(id.as_str()));
    again.send("lobby", "the end", "2");
    again.acked("2");
    assert_eq!(bob.texts(2), ["an id to learn from", "the end"]);
    assert_eq!(bob.leave(), 0);
}

/// Each says a word and hears the other's; answers the place of the last.
fn ann_and_bob_are_in(ann: &mut Client, bob: &mut Client) -> u64 {
    ann.send("lobby", "hello", "ann");
    bob.send("lobby", "hello", "bob");
    let last = |client: &Client| {
        let seqs = (0..2).map(|_| client.message()["seq"].as_u64());
        seqs.max().flatten().expect("a seq")
    };
    ann.acked("ann");
    bob.acked("bob");
    let begin = last(ann);
    assert_eq!(last(bob), begin);
    begin
}

/// Everything that both said after a place, and that nothing is missing or doubled in between.
fn conversation(client: &Client, begin: u64) -> Vec<(u64, String)> {
    let (mut head, mut ids, mut texts) = (begin, HashSet::new(), Vec::new());
    for _ in 0..2 * MESSAGES {
        let line = client.message();
        let number = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("{line}"));
        assert_eq!(number("prev"), head, "after {head} comes {line}");
        head = number("seq");
        assert!(head > number("prev"), "{line}");
        assert!(ids.insert(line["id"].to_string()), "twice: {line}");
        assert_eq!(line["room"], "lobby");
        texts.push((head, text(&line)));
    }
    texts
}

fn text(line: &Value) -> String {
    line["text"].as_str().unwrap_or_default().to_owned()
}
