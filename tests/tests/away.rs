//! Somebody is not there for a while; nothing is lost and nothing comes twice.

use chat_tests::{Client, Device, Proxy, Server};

const MESSAGES: usize = 50;

#[test]
fn who_was_away_reads_everything_in_order_at_the_next_login() {
    let server = Server::start();
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    let mut ann = ann.login();
    hears_and_leaves(&mut ann, &bob);

    say(&mut ann, 0..MESSAGES);
    let mut back = bob.login();
    assert_eq!(back.texts(MESSAGES), texts(0..MESSAGES));
    say(&mut ann, MESSAGES..MESSAGES + 1);
    assert_eq!(back.texts(1), texts(MESSAGES..MESSAGES + 1));
    assert_eq!(back.leave(), 0);

    // What was taken does not come again.
    let mut again = bob.login();
    again.catch_up("caught up");
    assert_eq!(again.find(|line| line["type"] == "message"), None);
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_the_server() {
    let mut server = Server::start();
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    let mut ann = ann.login();
    hears_and_leaves(&mut ann, &bob);

    // The crash comes right after the last ack, many times: a write that was only on its way to the
    // disk would be missed sooner or later.
    for round in 0..5 {
        let range = round * MESSAGES..(round + 1) * MESSAGES;
        say(&mut ann, range);
        server.kill();
        server.restart();
        ann.expect_type("connected");
    }
    let mut back = bob.login();
    assert_eq!(back.texts(5 * MESSAGES), texts(0..5 * MESSAGES));
    assert_eq!((ann.leave(), back.leave()), (0, 0));
    assert_eq!(back.find(|line| line["type"] == "message"), None);
    let own = ann.texts(5 * MESSAGES + 1);
    assert_eq!(own[1..], texts(0..5 * MESSAGES), "own ones too, once");
    assert_eq!(ann.find(|line| line["type"] == "message"), None);
}

#[test]
fn sends_that_a_crash_interrupts_are_sent_again_and_arrive_once() {
    let mut server = Server::start();
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    let (mut ann, mut bob) = (ann.login(), bob.login());
    for number in 0..500 {
        ann.send("lobby", &format!("text {number}"), &number.to_string());
    }
    ann.acked("100");
    server.kill();
    server.restart();
    for number in (0..500).filter(|number| *number != 100) {
        ann.acked(&number.to_string());
    }
    assert_eq!(bob.texts(500), texts(0..500));
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
    for client in [&ann, &bob] {
        let mut seen = 0;
        while client.find(|line| line["type"] == "message").is_some() {
            seen += 1;
        }
        // Nobody has taken ann's own ones so far.
        assert!(seen == 0 || seen == 500, "{seen}");
    }
}

#[test]
fn what_was_said_without_a_server_is_sent_by_the_next_run() {
    let mut server = Server::start();
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    let mut bob = bob.login();
    let mut first = ann.login();
    server.kill();
    first.expect_type("reconnecting");
    first.send("lobby", "are you there?", "1");
    first.expect("queued 1", |line| {
        line["type"] == "queued" && line["ref"] == "1"
    });
    // A crash of the client: the outbox is all that is left.
    first.process().kill();

    server.restart();
    let second = ann.login();
    let ack = second.expect("ack of the earlier run", |line| {
        line["type"] == "ack" && line["ref"] == "1"
    });
    assert_eq!(ack["earlier"], true, "{ack}");
    assert_eq!(bob.texts(1), ["are you there?"]);
    assert_eq!(bob.leave(), 0);
}

#[test]
fn a_cut_wire_is_mended_and_nothing_comes_twice() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").at(proxy.address()).login();
    for round in 0..5 {
        say(&mut ann, round * MESSAGES..(round + 1) * MESSAGES);
        proxy.cut();
        bob.send(
            "lobby",
            &format!("heard {round}"),
            &format!("heard {round}"),
        );
        bob.acked(&format!("heard {round}"));
    }
    let expected = 5 * MESSAGES + 5;
    let (by_ann, by_bob) = (ann.texts(expected), bob.texts(expected));
    assert_eq!(by_ann, by_bob);
    let anns: Vec<&String> = by_ann
        .iter()
        .filter(|text| text.starts_with("text"))
        .collect();
    assert_eq!(anns, texts(0..5 * MESSAGES).iter().collect::<Vec<_>>());
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
    assert_eq!(bob.find(|line| line["type"] == "message"), None);
}

/// Bob is a member and knows how far he has read.
fn hears_and_leaves(ann: &mut Client, bob: &Device) {
    let mut bob = bob.login();
    ann.send("lobby", "hello", "hello");
    ann.acked("hello");
    assert_eq!(bob.texts(1), ["hello"]);
    assert_eq!(bob.leave(), 0);
}

fn say(client: &mut Client, numbers: std::ops::Range<usize>) {
    for number in numbers.clone() {
        client.send("lobby", &format!("text {number}"), &number.to_string());
    }
    for number in numbers {
        client.acked(&number.to_string());
    }
}

fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("text {number}")).collect()
}
