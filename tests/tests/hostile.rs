//! Peers that mean harm, or can't do better.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chat_tests::{Client, Device, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the server may grow by while it is under attack. A thousand links that are not logged in must
/// cost kilobytes each; the rest is what an allocator keeps.
const GROWTH: u64 = 48 * 1024 * 1024;

#[test]
fn garbage_ends_its_own_link_only() {
    let server = Server::start();
    let (mut ann, mut bob) = talkers(&server);
    let mut random = fastrand::Rng::with_seed(7);
    let before = server.process().resident_bytes();

    for round in 0..200 {
        let mut stream = TcpStream::connect(server.address()).expect("connected");
        let mut bytes = vec![0; random.usize(1..8 * 1024)];
        random.fill(&mut bytes);
        // Nothing of what it answers to garbage matters, but that it ends.
        let _ = stream.write_all(&bytes);
        assert!(ends(&mut stream), "the server still listens to garbage");
        if round % 20 == 0 {
            exchange(&mut ann, &mut bob, &format!("garbage {round}"));
        }
    }
    exchange(&mut ann, &mut bob, "after garbage");
    assert_grown_little(&server, before);
}

#[test]
fn a_handshake_that_breaks_off_anywhere_harms_nobody() {
    let server = Server::start();
    let (mut ann, mut bob) = talkers(&server);
    let first = first_bytes_of_a_client(&server);
    assert!(first.len() > 32, "{} bytes", first.len());

    for length in 0..=first.len() {
        let mut stream = TcpStream::connect(server.address()).expect("connected");
        stream.write_all(&first[..length]).expect("written");
        stream.shutdown(std::net::Shutdown::Write).expect("shut");
        assert!(ends(&mut stream), "after {length} bytes");
    }
    // The same bytes again, played by somebody who does not hold the key.
    let mut replay = TcpStream::connect(server.address()).expect("connected");
    replay.write_all(&first).expect("written");
    replay.write_all(&first).expect("written");
    assert!(ends(&mut replay), "a replayed handshake");
    exchange(&mut ann, &mut bob, "after broken handshakes");
}

#[test]
fn a_thousand_half_open_links_and_slow_writers_cost_the_others_nothing() {
    raise_open_files();
    let server = Server::start();
    let (mut ann, mut bob) = talkers(&server);
    let first = first_bytes_of_a_client(&server);
    let before = server.process().resident_bytes();

    // Half of them never say a word, half begin a handshake byte by byte, one byte each time that
    // ann and bob have exchanged a message.
    let connect = |_| TcpStream::connect(server.address()).expect("the server accepts");
    let silent: Vec<TcpStream> = (0..500).map(connect).collect();
    let mut slow: Vec<TcpStream> = (0..500).map(connect).collect();
    for (number, byte) in first.iter().take(40).enumerate() {
        for stream in &mut slow {
            let _ = stream.write_all(&[*byte]);
        }
        exchange(&mut ann, &mut bob, &format!("through it all {number}"));
    }
    // Newcomers are not locked out by links that do nothing.
    let mut eve = Device::new(&server, "eve").login();
    exchange(&mut eve, &mut bob, "a newcomer");
    assert_grown_little(&server, before);

    drop((silent, slow));
    exchange(&mut ann, &mut bob, "when they are gone");
    assert_eq!((ann.leave(), bob.leave(), eve.leave()), (0, 0, 0));
}

#[test]
fn a_connection_that_says_nothing_is_ended() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address()).expect("connected");
    assert!(ends(&mut stream));
}

fn talkers(server: &Server) -> (Client, Client) {
    let (mut ann, mut bob) = (
        Device::new(server, "ann").login(),
        Device::new(server, "bob").login(),
    );
    exchange(&mut ann, &mut bob, "before");
    (ann, bob)
}

/// One says something, it is acknowledged, and the other hears it.
fn exchange(from: &mut Client, to: &mut Client, text: &str) {
    from.send("lobby", text, text);
    from.acked(text);
    to.expect(text, |line| {
        line["type"] == "message" && line["text"] == text
    });
}

/// What a real client says before it hears anything.
fn first_bytes_of_a_client(server: &Server) -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let client = Device::new(server, "mallory").at(address).start();
    let (mut stream, _) = listener.accept().expect("the client comes");
    let pause = Duration::from_millis(500);
    stream.set_read_timeout(Some(pause)).expect("set");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    drop(client);
    bytes
}

/// Reads until the server ends the stream; false when it does not within its own deadlines.
fn ends(stream: &mut TcpStream) -> bool {
    let limit = Duration::from_secs(30);
    stream.set_read_timeout(Some(limit)).expect("set");
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            }
        }
    }
}

fn assert_grown_little(server: &Server, before: u64) {
    let after = server.process().resident_bytes();
    let grown = after.saturating_sub(before);
    assert!(grown < GROWTH, "from {before} to {after} bytes");
}

/// This process holds the other end of a thousand links.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("up to the hard limit anybody may");
}
