//! What somebody on the wire can see and do.

use chat_tests::{Client, Device, Direction, Proxy, Server};

const TEXT: &str = "the launch code is 4711-alpha";

#[test]
fn nothing_readable_crosses_the_wire() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let ann = Device::new(&server, "annabella-the-first")
        .at(proxy.address())
        .saying(Some("a password nobody may see"));
    let mut ann = ann.login();
    let mut bob = Device::new(&server, "bob").at(proxy.address()).login();
    ann.send("lobby", TEXT, "1");
    ann.acked("1");
    assert_eq!(bob.texts(1), [TEXT]);
    ann.send_to("bob", TEXT, "2");
    ann.acked("2");
    assert_eq!((ann.leave(), bob.leave()), (0, 0));

    let secrets = ["launch code", "annabella", "a password", "lobby", "bob"];
    for direction in [Direction::Up, Direction::Down] {
        let bytes = proxy.captured(direction);
        assert!(bytes.len() > 500, "{direction:?}: {} bytes", bytes.len());
        for secret in secrets {
            let found = bytes
                .windows(secret.len())
                .any(|window| window.eq_ignore_ascii_case(secret.as_bytes()));
            assert!(!found, "{direction:?} shows \"{secret}\"");
        }
    }
}

/// The search above would find what is there.
#[test]
fn the_same_text_is_never_sealed_to_the_same_bytes() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let mut ann = Device::new(&server, "ann").at(proxy.address()).login();
    let mut sealed = Vec::new();
    for label in ["1", "2"] {
        let before = proxy.captured(Direction::Up).len();
        ann.send("lobby", TEXT, label);
        ann.acked(label);
        sealed.push(proxy.captured(Direction::Up).split_off(before));
    }
    let (first, second) = (&sealed[0], &sealed[1]);
    assert!(first.len() > TEXT.len() && second.len() > TEXT.len());
    let same = first
        .windows(16)
        .any(|part| second.windows(16).any(|other| part == other));
    assert!(!same);
}

#[test]
fn a_flipped_bit_in_a_message_ends_the_link_and_delivers_nothing_wrong() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    let mut bob = Device::new(&server, "bob").login();

    // The low byte of the length, the sealed body's begin, middle and its tag.
    let mut round = 0;
    for direction in [Direction::Up, Direction::Down] {
        for ahead in [1, 2, 3, 10, 30, 45] {
            round += 1;
            let text = format!("round {round} of the flipped bits");
            // A new one each time: a client whose links break again and again waits longer and longer.
            let name = format!("ann{round}");
            let mut ann = Device::new(&server, &name).at(proxy.address()).login();
            proxy.flip(direction, ahead);
            ann.send("lobby", &text, &text);
            ann.expect_type("reconnecting");
            ann.expect_type("connected");
            assert!(proxy.has_flipped());
            ann.acked(&text);
            assert_eq!(bob.texts(1), [text.as_str()], "once, and as it was said");
            assert_eq!(ann.texts(1), [text.as_str()]);
            assert_eq!(ann.leave(), 0);
        }
    }
    assert_eq!(bob.leave(), 0);
}

#[test]
fn a_flipped_bit_before_the_login_ends_the_link_before_anything_is_said() {
    let server = Server::start();
    let proxy = Proxy::before(server.address());
    assert_eq!(
        Device::new(&server, "ann")
            .at(proxy.address())
            .login()
            .leave(),
        0
    );
    let whole = [Direction::Up, Direction::Down].map(|way| (way, proxy.captured(way).len()));

    for (direction, length) in whole {
        // Greeting, both handshake messages, login or welcome: sampled evenly.
        let step = (length / 12).max(1);
        for ahead in (0..length.min(12 * step)).step_by(step) {
            let name = format!("user{direction:?}{ahead}");
            let proxy = Proxy::before(server.address());
            proxy.flip(direction, ahead);
            let mut client = Device::new(&server, &name)
                .at(proxy.address())
                .with("--timeout")
                .with("40s")
                .start();
            client.process().close_input();
            let code = client.ends();
            let connected = client.find(|line| line["type"] == "connected");
            // A link that breaks after the login is made anew; one that never came about is an
            // error. Either way nothing wrong may have been understood.
            assert!(!proxy.has_flipped() || code != 0 || connected.is_some());
            if let Some(line) = connected {
                assert_eq!(line["fingerprint"], server.fingerprint());
                assert_eq!(line["account"], name.to_lowercase(), "{line}");
            }
        }
    }
    let (mut ann, mut bob) = (
        Device::new(&server, "carol").login(),
        Device::new(&server, "dave").login(),
    );
    settle(&mut ann, &mut bob, "the server is well");
}

fn settle(from: &mut Client, to: &mut Client, text: &str) {
    from.send("lobby", text, text);
    from.acked(text);
    assert_eq!(from.texts(1), [text]);
    assert_eq!(to.texts(1), [text]);
}
