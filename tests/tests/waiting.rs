//! Much is waiting for somebody who was away.

use std::ops::Range;
use std::time::Instant;

use chat_tests::{Client, Device, Proxy, Server};
use serde_json::json;

const WAITING: usize = 10_000;

#[test]
fn ten_thousand_waiting_messages_come_in_order_whatever_happens_in_the_middle() {
    let server = Server::start();
    let (ann, bob) = (Device::new(&server, "ann"), Device::new(&server, "bob"));
    // A device that was never there gets the last thousand only, so it has to have a position.
    let mut first = bob.login();
    let mut ann = ann.login();
    ann.send("lobby", "hello", "hello");
    ann.acked("hello");
    assert_eq!(first.texts(1), ["hello"]);
    assert_eq!(first.leave(), 0);

    let began = Instant::now();
    for number in 0..WAITING {
        ann.send("lobby", &number.to_string(), &number.to_string());
    }
    assert_eq!(ann.leave(), 0, "all are acknowledged");
    report("sent", WAITING, began);

    // The wire is cut in the middle: this run goes on where it was.
    let proxy = Proxy::before(server.address());
    let began = Instant::now();
    let mut cut = bob.clone().at(proxy.address()).login();
    take(&cut, 0..2_000);
    proxy.cut();
    take(&cut, 2_000..4_000);
    // It leaves in the middle: the next run goes on where it was.
    cut.tell(&json!({"type": "quit"}));
    assert_eq!(cut.ends(), 0);
    let left_at = take_rest(&cut, 4_000);
    report("read over a cut wire", left_at, began);

    // It dies in the middle: the next run goes on there, or a little before.
    let began = Instant::now();
    let mut dies = bob.login();
    let died_at = (left_at + 3_000).min(WAITING);
    take(&dies, left_at..died_at);
    dies.process().kill();
    let died_at = take_rest(&dies, died_at);
    report("read before the crash", died_at - left_at, began);

    let began = Instant::now();
    let mut back = bob.login();
    let next = number(&back);
    assert!(
        (left_at..=died_at).contains(&next),
        "{next} comes after {died_at} were seen"
    );
    take(&back, next + 1..WAITING);
    report("read after it", WAITING - next, began);
    assert_eq!(back.leave(), 0);
    assert_eq!(
        back.find(|line| line["type"] == "message" || line["type"] == "gap"),
        None
    );

    let mut last = bob.login();
    last.catch_up("caught up");
    assert_eq!(last.find(|line| line["type"] == "message"), None);
}

/// Takes exactly these: none is skipped, none comes twice.
fn take(client: &Client, numbers: Range<usize>) {
    for expected in numbers {
        assert_eq!(number(client), expected);
    }
}

/// Takes what was printed before the end but nobody looked at so far.
fn take_rest(client: &Client, mut next: usize) -> usize {
    while let Some(line) = client.find(|line| line["type"] == "message") {
        assert_eq!(line["text"], next.to_string());
        next += 1;
    }
    next
}

fn number(client: &Client) -> usize {
    let line = client.message();
    let number = line["text"].as_str().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("not a number: {line}"))
}

fn report(what: &str, count: usize, began: Instant) {
    let rate = count as f64 / began.elapsed().as_secs_f64();
    eprintln!("{count} messages {what}, {rate:.0} a second");
}
