use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::id::{AccountId, DeviceId, RequestId};
use crate::model::{AccountName, Answer, ByeReason, Code, Login, UnixTime, Welcome, WelcomeLimits};

/// A session with a bare conduit at the other end.
struct Pair {
    client: ClientSession,
    server: Conduit,
    key: PublicKey,
    now: Time,
    /// The server has welcomed the client.
    open: bool,
}

impl Pair {
    fn new() -> Self {
        let now = Time(1_000_000);
        let key = StaticKey::from_bytes([3; 32]);
        Self {
            key: key.public(),
            client: ClientSession::new(Arc::new(StaticKey::from_bytes([5; 32])), [1; 32], now),
            server: Conduit::server(Arc::new(key), [2; 32], now),
            now,
            open: false,
        }
    }

    fn logging_in() -> Self {
        let mut pair = Self::new();
        pair.carry();
        assert!(matches!(
            pair.client.poll_event(),
            Ok(Some(ClientEvent::ServerKey(_)))
        ));
        pair.client.accept_server(pair.now);
        pair.client.send(&login()).unwrap();
        pair.carry();
        pair
    }

    fn logged_in() -> Self {
        let mut pair = Self::logging_in();
        pair.say(&welcome()).unwrap();
        assert!(matches!(
            pair.event(),
            ClientEvent::Frame(ToClient::Welcome(_))
        ));
        assert_eq!(pair.heard(), [login()]);
        pair.open = true;
        pair
    }

    /// Carries bytes both ways until there are none.
    fn carry(&mut self) {
        for _ in 0..4 {
            let mut bytes = Vec::new();
            self.client.poll_transmit(&mut bytes, self.now).unwrap();
            self.server.handle_bytes(&bytes, self.now).unwrap();
            let mut bytes = Vec::new();
            self.server.poll_transmit(&mut bytes);
            self.client.handle_bytes(&bytes, self.now).unwrap();
        }
    }

    fn sealed(&mut self, message: &ToClient) -> Vec<u8> {
        let (mut frame, mut bytes) = (Vec::new(), Vec::new());
        wire::encode_to_client(message, &mut frame).unwrap();
        let mut frames = std::iter::once(frame.as_slice());
        self.server
            .seal_frames(&mut frames, &mut bytes, self.now)
            .unwrap();
        bytes
    }

    fn say(&mut self, message: &ToClient) -> Result<(), Error> {
        let bytes = self.sealed(message);
        self.client.handle_bytes(&bytes, self.now)
    }

    fn event(&mut self) -> ClientEvent {
        self.client.poll_event().unwrap().expect("an event")
    }

    /// What arrived at the server since the last look.
    fn heard(&mut self) -> Vec<ToServer> {
        let mut bytes = Vec::new();
        self.client.poll_transmit(&mut bytes, self.now).unwrap();
        self.server.handle_bytes(&bytes, self.now).unwrap();
        let mut messages = Vec::new();
        while let Some(frame) = self.server.next_frame().unwrap() {
            match wire::decode_to_server(frame, self.open).unwrap() {
                Decoded::Message(message) => messages.push(message),
                Decoded::Skipped => panic!("an unknown frame"),
            }
        }
        messages
    }

    fn wait(&mut self) -> Result<(), Error> {
        self.now = self.client.poll_timeout().expect("something to wait for");
        self.client.handle_timeout(self.now)
    }
}

fn login() -> ToServer {
    ToServer::Login(Login {
        account: "ann".to_owned(),
        password: Some("correct horse".to_owned()),
        register: false,
        invite: None,
        device: String::new(),
        capabilities: Vec::new(),
        enroll: false,
        extensions: Default::default(),
    })
}

fn welcome() -> ToClient {
    ToClient::Welcome(Box::new(Welcome {
        account: AccountId(1),
        name: AccountName::new("ann").unwrap(),
        device: DeviceId(2),
        date: UnixTime(3),
        durable: true,
        limits: WelcomeLimits {
            sends: 4,
            entry_credit: 5,
            text: 6,
            frame: 7,
            ping_ms: 8,
            dead_ms: 9,
        },
        capabilities: Vec::new(),
        extensions: Default::default(),
    }))
}

#[test]
fn the_servers_key_is_shown_before_anything_of_this_side_goes_out() {
    let mut pair = Pair::new();
    pair.client.send(&login()).unwrap();
    pair.carry();
    let shown = pair.event();
    assert!(matches!(shown, ClientEvent::ServerKey(key) if key == pair.key));
    assert!(pair.client.poll_event().unwrap().is_none(), "shown once");
    assert!(!pair.server.is_open());
    pair.client.accept_server(pair.now);
    pair.carry();
    assert!(pair.server.is_open());
    assert_eq!(pair.heard(), [login()]);
}

#[test]
fn frames_pass_after_the_welcome_however_the_bytes_are_cut() {
    let answer = ToClient::Answer(RequestId(9), Answer::Done);
    for cut in 1..12 {
        let mut pair = Pair::logged_in();
        let bytes = pair.sealed(&answer);
        let mut events = Vec::new();
        for part in bytes.chunks(cut) {
            pair.client.handle_bytes(part, pair.now).unwrap();
            events.extend(pair.client.poll_event().unwrap());
        }
        assert!(matches!(&events[..], [ClientEvent::Frame(frame)] if *frame == answer));
    }
}

#[test]
fn a_frame_before_the_welcome_is_a_violation_that_stays() {
    let mut pair = Pair::logging_in();
    pair.say(&ToClient::Answer(RequestId(9), Answer::Done))
        .unwrap();
    let unexpected = Error::Peer(Violation::Unexpected);
    assert_eq!(pair.client.poll_event().unwrap_err(), unexpected);
    assert_eq!(pair.client.send(&ToServer::Bye).unwrap_err(), unexpected);
    assert_eq!(
        pair.client.handle_bytes(b"x", pair.now).unwrap_err(),
        unexpected
    );
}

#[test]
fn a_second_welcome_is_a_violation() {
    let mut pair = Pair::logged_in();
    pair.say(&welcome()).unwrap();
    assert_eq!(
        pair.client.poll_event().unwrap_err(),
        Violation::Unexpected.into()
    );
}

#[test]
fn nothing_follows_a_denial_or_a_goodbye() {
    let denied = ToClient::Denied(Code::LoginFailed.into());
    let bye = ToClient::Bye(ByeReason::Shutdown, String::new());
    for (mut pair, last) in [(Pair::logging_in(), denied), (Pair::logged_in(), bye)] {
        pair.say(&last).unwrap();
        assert!(matches!(pair.event(), ClientEvent::Frame(frame) if frame == last));
        pair.say(&ToClient::Ping(1)).unwrap();
        assert_eq!(
            pair.client.poll_event().unwrap_err(),
            Violation::Unexpected.into()
        );
    }
}

#[test]
fn a_ping_is_answered() {
    let mut pair = Pair::logged_in();
    pair.say(&ToClient::Ping(77)).unwrap();
    assert!(pair.client.poll_event().unwrap().is_none());
    assert_eq!(pair.heard(), [ToServer::Pong(77)]);
}

#[test]
fn a_silent_server_is_asked_and_then_given_up() {
    let mut pair = Pair::logged_in();
    let start = pair.now;
    pair.wait().unwrap();
    assert!(matches!(pair.heard()[..], [ToServer::Ping(_)]));
    assert_eq!(pair.now.since(start), limits::PING_AFTER);
    assert_eq!(pair.wait().unwrap_err(), Error::Link(LinkFault::Timeout));
    assert_eq!(pair.now.since(start), limits::DEAD_AFTER);
}

#[test]
fn any_byte_shows_that_the_server_is_there() {
    let mut pair = Pair::logged_in();
    for _ in 0..5 {
        pair.wait().unwrap();
        assert!(matches!(pair.heard()[..], [ToServer::Ping(_)]));
        pair.say(&ToClient::Pong(0)).unwrap();
        assert!(pair.client.poll_event().unwrap().is_none());
    }
}

#[test]
fn after_a_machine_slept_the_server_is_asked_before_it_is_given_up() {
    let mut pair = Pair::logged_in();
    pair.now = pair.now + Duration::from_secs(3600);
    pair.client.handle_timeout(pair.now).unwrap();
    assert!(matches!(pair.heard()[..], [ToServer::Ping(_)]));
}

#[test]
fn a_login_without_an_answer_is_given_up() {
    let mut pair = Pair::logging_in();
    assert_eq!(pair.wait().unwrap_err(), Error::Link(LinkFault::Timeout));
}

#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    let mut pair = Pair::new();
    assert_eq!(pair.wait().unwrap_err(), Error::Peer(Violation::Deadline));
}

#[test]
fn a_changed_byte_ends_the_link() {
    let mut pair = Pair::logged_in();
    let mut bytes = pair.sealed(&ToClient::Ping(1));
    *bytes.last_mut().unwrap() ^= 1;
    let mut end = pair.client.handle_bytes(&bytes, pair.now).err();
    end = end.or_else(|| pair.client.poll_event().err());
    assert_eq!(end, Some(Error::Peer(Violation::Integrity)));
}

#[test]
fn a_goodbye_reaches_the_server() {
    let mut pair = Pair::logged_in();
    pair.client.send(&ToServer::Bye).unwrap();
    assert_eq!(pair.heard(), [ToServer::Bye]);
}

#[test]
fn chunks_of_files_wait_for_everything_else() {
    let mut pair = Pair::logged_in();
    pair.server.set_max_frame(limits::FRAME_BYTES);
    let chunk = |number: u64| {
        ToServer::Chunk(crate::model::Chunk {
            transfer: RequestId(1),
            offset: number,
            bytes: vec![0; limits::CHUNK_BYTES],
        })
    };
    let count = 2 * limits::CHUNKS_SEALED / limits::CHUNK_BYTES;
    for number in 0..count as u64 {
        pair.client.send(&chunk(number)).unwrap();
    }
    let mut bytes = Vec::new();
    pair.client.poll_transmit(&mut bytes, pair.now).unwrap();
    let sealed = bytes.len();
    assert!(sealed <= limits::CHUNKS_SEALED + limits::CHUNK_BYTES + 1024);
    // While that waits to be written, something is said: it is next.
    pair.client.send(&ToServer::Ping(7)).unwrap();
    pair.client.poll_transmit(&mut bytes, pair.now).unwrap();
    assert!(bytes.len() < sealed + 100, "more chunks were put before it");
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    let heard = pair.heard();
    let place = heard.iter().position(|frame| *frame == ToServer::Ping(7));
    assert_eq!(place, Some(limits::CHUNKS_SEALED / limits::CHUNK_BYTES));
    assert_eq!(heard.len(), count + 1);
}
