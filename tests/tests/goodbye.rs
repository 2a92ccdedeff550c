//! Why somebody went offline is told to the others.

use std::time::Duration;

use chat_tests::{Client, Device, Proxy, Server, is_long};

#[test]
fn who_leaves_has_left() {
    let (_server, ann, bob) = two();
    let mut ann = seen_online(&ann, &bob);
    assert_eq!(ann.leave(), 0);
    assert_eq!(bob.sees("ann", "offline"), "left");
}

#[test]
fn who_crashes_is_lost() {
    let (_server, ann, bob) = two();
    let mut ann = seen_online(&ann, &bob);
    ann.process().kill();
    assert_eq!(bob.sees("ann", "offline"), "lost");
}

#[test]
fn who_falls_silent_times_out() {
    if !is_long() {
        eprintln!("takes half a minute: run with CHAT_LONG=1");
        return;
    }
    let (server, ann, bob) = two();
    let proxy = Proxy::before(server.address());
    let ann = seen_online(&ann.at(proxy.address()), &bob);
    proxy.stall();
    assert_eq!(bob.sees("ann", "offline"), "timeout");
    // The other end notices as well, and says so.
    let lost = ann.expect_type("reconnecting");
    assert!(lost["reason"].is_string(), "{lost}");
    proxy.resume();
    proxy.cut();
    ann.expect_type("connected");
    bob.sees("ann", "online");
}

#[test]
fn a_server_that_stops_says_goodbye_and_its_clients_come_back() {
    let (mut server, ann, bob) = two();
    let ann = seen_online(&ann, &bob);
    let began = std::time::Instant::now();
    assert_eq!(server.stop(), 0);
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
    for client in [&ann, &bob] {
        let line = client.expect_type("reconnecting");
        let reason = line["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains("shutdown"), "{line}");
    }
    server.restart();
    ann.expect_type("connected");
    bob.expect_type("connected");
}

#[test]
fn a_new_login_of_the_same_device_takes_over_for_good() {
    let (_server, ann, bob) = two();
    assert_eq!(seen_online(&ann, &bob).leave(), 0);
    bob.sees("ann", "offline");

    let copy = ann.copied();
    let mut old = seen_online(&ann, &bob);
    let mut new = copy.login();
    let bye = old.expect_type("bye");
    assert_eq!(bye["reason"], "replaced", "{bye}");
    assert_eq!(old.ends(), 9);

    // The account was never away, and the new one stays.
    new.send("lobby", "it is me", "1");
    new.acked("1");
    let mut bob = bob;
    assert_eq!(bob.texts(1), ["it is me"]);
    let offline = bob.find(|line| line["type"] == "presence" && line["state"] == "offline");
    assert_eq!(offline, None);
    assert_eq!((new.leave(), bob.leave()), (0, 0));
}

fn two() -> (Server, Device, Client) {
    let server = Server::start();
    let ann = Device::new(&server, "ann");
    let bob = Device::new(&server, "bob").login();
    (server, ann, bob)
}

fn seen_online(device: &Device, bob: &Client) -> Client {
    let client = device.login();
    bob.sees("ann", "online");
    client
}
