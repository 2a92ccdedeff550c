//! A copy of a server in use is whole, and clients that are ahead of a restored one find their way.

use std::collections::HashSet;
use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use chat_tests::plugins::until;
use chat_tests::{Client, Device, Server, write_content};
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn a_copy_that_is_made_under_load_holds_a_prefix_of_each_log() {
    let server = Server::start();
    let (mut ann, mut bob) = (
        Device::new(&server, "ann").login(),
        Device::new(&server, "bob").login(),
    );
    let copy = server.data().with_extension("copy");
    let (has_begun, is_copied) = (Barrier::new(3), AtomicBool::new(false));
    let (said_by_ann, said_by_bob) = thread::scope(|scope| {
        let ann_talks = scope.spawn(|| talk(&mut ann, "bob", &has_begun, &is_copied));
        let bob_talks = scope.spawn(|| talk(&mut bob, "ann", &has_begun, &is_copied));
        has_begun.wait();
        let ran = server.operate(&["backup", copy.to_str().expect("a plain path")]);
        is_copied.store(true, Ordering::SeqCst);
        assert_eq!(ran.code, 0, "{ran:?}");
        (
            ann_talks.join().expect("ann talks"),
            bob_talks.join().expect("bob talks"),
        )
    });
    assert_eq!((ann.leave(), bob.leave()), (0, 0), "all is acknowledged");

    let restored = Server::start_from(&copy, &[]);
    let read = |server: &Server, room: &str| {
        let mut reader = Device::new(server, "ann").as_is().login();
        let log = log(&mut reader, &place(room));
        assert_eq!(reader.leave(), 0);
        log
    };
    for room in ["lobby", "@bob"] {
        let (whole, part) = (read(&server, room), read(&restored, room));
        assert_eq!(
            whole[..part.len()],
            part[..],
            "{room}: the same, up to the copy"
        );
        for (name, said) in [("ann", said_by_ann), ("bob", said_by_bob)] {
            let texts = texts_of(&whole, name);
            let expected: Vec<String> = (0..said).map(|number| number.to_string()).collect();
            assert_eq!(texts, expected, "{room}: nothing is lost by the copying");
            let copied = texts_of(&part, name).len();
            assert!(
                0 < copied && copied < said,
                "{room}: {copied} of {said}: it was made in the middle"
            );
        }
    }
}

/// What is deleted while the copy is made may stand in it, and then its content does, too.
#[test]
fn a_copy_has_the_content_of_each_file_that_it_names() {
    let server = Server::start();
    let folder = TempDir::new().expect("a folder for the test");
    let mut ann = Device::new(&server, "ann").login();
    let names: Vec<String> = (0..24).map(|number| format!("{number}.bin")).collect();
    let mut seqs = Vec::new();
    for (seed, name) in (1..).zip(&names) {
        let path = folder.path().join(name);
        write_content(&path, 300_000, seed);
        ann.send_file("lobby", &path, name);
        seqs.push(ann.acked(name)["seq"].clone());
    }
    let copy = server.data().with_extension("copy");
    let has_begun = Barrier::new(2);
    thread::scope(|scope| {
        let deletes = scope.spawn(|| {
            has_begun.wait();
            for seq in &seqs {
                ann.tell(&json!({"type": "delete", "room": "lobby", "seq": seq, "ref": "gone"}));
                ann.acked("gone");
            }
        });
        has_begun.wait();
        let ran = server.operate(&["backup", copy.to_str().expect("a plain path")]);
        assert_eq!(ran.code, 0, "{ran:?}");
        deletes.join().expect("all are deleted");
    });
    assert_eq!(ann.leave(), 0);

    let restored = Server::start_from(&copy, &[]);
    let mut reader = Device::new(&restored, "ann").as_is().login();
    let named = log(&mut reader, &place("lobby"));
    // A deleted one names nothing.
    let files = named.iter().filter(|item| item["blob"].is_string());
    for (number, file) in files.enumerate() {
        let target = folder.path().join(format!("fetched-{number}"));
        reader.fetch(&file["blob"], &target, "fetched");
        assert_eq!(reader.acked("fetched")["hash"], file["hash"]);
    }
    // Nothing of what was deleted stays behind.
    let blobs = server.data().join("blobs");
    until(|| fs::read_dir(&blobs).expect("a folder").count() == 0);
}

#[test]
fn clients_that_are_ahead_of_a_restored_server_read_again_and_lose_nothing_more() {
    let mut server = Server::start();
    let (mut ann, mut bob) = (
        Device::new(&server, "ann").login(),
        Device::new(&server, "bob").login(),
    );
    say(&mut ann, 0..50);
    let copy = server.data().with_extension("copy");
    let ran = server.operate(&["backup", copy.to_str().expect("a plain path")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // These are gone with the server: they were acknowledged by what the copy is not.
    say(&mut ann, 50..80);
    assert_eq!(bob.texts(80), numbers(0..80));
    assert_eq!(ann.texts(80), numbers(0..80));
    server.kill();
    ann.expect_type("reconnecting");
    bob.expect_type("reconnecting");
    // These wait in outboxes.
    for number in 80..120 {
        ann.send("lobby", &number.to_string(), &number.to_string());
    }
    bob.send_to("ann", "are you there?", "direct");
    ann.expect("the last one queued", |line| {
        line["type"] == "queued" && line["ref"] == "119"
    });
    bob.expect("the direct one queued", |line| {
        line["type"] == "queued" && line["ref"] == "direct"
    });

    server.restart_from(&copy);
    let expected: Vec<String> = numbers(0..50).into_iter().chain(numbers(80..130)).collect();
    for number in 80..120 {
        ann.acked(&number.to_string());
    }
    bob.acked("direct");
    say(&mut ann, 120..130);
    assert_eq!(reads_again(&ann, expected.len()), expected);
    assert_eq!(reads_again(&bob, expected.len()), expected);
    let direct = ann.expect("the direct one", |line| {
        line["to"] == "bob" && line["type"] == "message"
    });
    assert_eq!(direct["text"], "are you there?");
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
    for client in [&ann, &bob] {
        let more = client.find(|line| line["type"] == "message" && line["room"] == "lobby");
        assert_eq!(more, None, "nothing comes twice");
    }

    // The next start of that server is no restore any more.
    assert_eq!(server.stop(), 0);
    server.restart();
    let mut reader = Device::new(&server, "carl").login();
    let log = log(&mut reader, &place("lobby"));
    assert_eq!(texts_of(&log, "ann"), expected);
}

#[test]
fn who_was_offline_during_a_restore_reads_again_at_the_next_login() {
    let mut server = Server::start();
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    let (mut ann, mut bob_online) = (ann.login(), bob.login());
    say(&mut ann, 0..10);
    let copy = server.data().with_extension("copy");
    let ran = server.operate(&["backup", copy.to_str().expect("a plain path")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // As many as will be there again: a position alone would not tell the two runs apart.
    say(&mut ann, 10..20);
    assert_eq!(bob_online.texts(20), numbers(0..20));
    assert_eq!((ann.leave(), bob_online.leave()), (0, 0));
    assert_eq!(server.stop(), 0);
    server.restart_from(&copy);

    let mut carl = Device::new(&server, "carl").login();
    say(&mut carl, 20..40);
    let mut again = bob.login();
    let expected: Vec<String> = numbers(0..10).into_iter().chain(numbers(20..40)).collect();
    assert_eq!(reads_again(&again, 30), expected);
    assert_eq!((carl.leave(), again.leave()), (0, 0));
}

/// Talks until it is copied and a little longer, in a room and in a direct conversation. Answers how
/// much it said in each.
fn talk(client: &mut Client, other: &str, has_begun: &Barrier, is_copied: &AtomicBool) -> usize {
    let mut number = 0;
    let mut rest = 50;
    // An ack now and then, so that the load is what the server takes and not what a pipe takes.
    while rest > 0 {
        if is_copied.load(Ordering::SeqCst) {
            rest -= 1;
        }
        let text = number.to_string();
        client.send("lobby", &text, &text);
        client.send_to(other, &text, "");
        number += 1;
        if number % 50 == 0 {
            client.acked(&text);
        }
        if number == 100 {
            has_begun.wait();
        }
    }
    number
}

/// Says numbers in the lobby and waits until they are taken.
fn say(client: &mut Client, range: std::ops::Range<usize>) {
    for number in range.clone() {
        client.send("lobby", &number.to_string(), &number.to_string());
    }
    for number in range {
        client.acked(&number.to_string());
    }
}

/// The lobby after a `gap`: from its first entry on, of another epoch, without holes.
fn reads_again(client: &Client, count: usize) -> Vec<String> {
    let gap = client.expect("that it was restored", |line| {
        line["type"] == "gap" && line["reason"] == "restored" && line["room"] == "lobby"
    });
    let mut head = 0;
    let mut ids = HashSet::new();
    let mut texts = Vec::new();
    while texts.len() < count {
        let line = client.expect("entry of the new epoch", |line| {
            line["room"] == "lobby"
                && line["epoch"] == gap["epoch"]
                && line["seq"].is_u64()
                && (line["type"] == "message" || line["type"] == "member")
        });
        assert_eq!(
            line["prev"].as_u64(),
            Some(head),
            "after {head} comes {line}"
        );
        head = line["seq"].as_u64().unwrap_or_default();
        assert!(ids.insert(line["id"].to_string()), "twice: {line}");
        if line["type"] == "message" {
            texts.push(line["text"].as_str().unwrap_or_default().to_owned());
        }
    }
    texts
}

/// A whole conversation, page by page; nothing is missing in between.
fn log(client: &mut Client, place: &Value) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let mut ask = json!({"type": "history", "after": 0, "ref": "log"});
    loop {
        for (key, value) in place.as_object().expect("a place") {
            ask[key] = value.clone();
        }
        client.tell(&ask);
        let answer = client.answer("log");
        let page = answer["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        for item in page {
            let head = items
                .last()
                .map_or_else(|| 0.into(), |item| item["seq"].clone());
            assert_eq!(item["prev"], head, "{item}");
            items.push(item.clone());
        }
        match answer["next"].as_str() {
            Some(next) => ask = json!({"type": "history", "next": next, "ref": "log"}),
            None => return items,
        }
    }
}

fn place(name: &str) -> Value {
    match name.strip_prefix('@') {
        Some(account) => json!({"to": account}),
        None => json!({"room": name}),
    }
}

fn texts_of(log: &[Value], name: &str) -> Vec<String> {
    let by_name = log
        .iter()
        .filter(|item| item["type"] == "message" && item["from"] == name);
    by_name
        .map(|item| item["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}
