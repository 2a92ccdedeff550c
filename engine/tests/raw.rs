//! A client made of nothing but the pure layers talks to a real server over a real socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_engine::port::Random;
use chat_engine::secure::StaticKey;
use chat_engine::session::conduit::Conduit;
use chat_engine::wire::{self, Decoded};
use chat_engine::*;

struct Counter(u8);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(7);
            *byte = self.0;
        }
    }
}

struct Raw<S> {
    stream: S,
    conduit: Conduit,
    now: Time,
}

impl<S: Read + Write> Raw<S> {
    fn connect(stream: S, seed: u8) -> Self {
        let key = Arc::new(StaticKey::generate(&mut Counter(seed)));
        let now = Time(1);
        let mut raw = Self {
            stream,
            conduit: Conduit::client(key, [seed; 32], now),
            now,
        };
        while !raw.conduit.is_open() {
            raw.transmit();
            if raw.conduit.server_key().is_some() {
                raw.conduit.accept_server();
                raw.transmit();
            }
            if !raw.conduit.is_open() {
                raw.receive();
            }
        }
        raw
    }

    fn transmit(&mut self) {
        let mut out = Vec::new();
        self.conduit.poll_transmit(&mut out);
        self.stream.write_all(&out).unwrap();
    }

    fn receive(&mut self) {
        let mut buffer = [0; 4096];
        let length = self.stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the server closed the link");
        self.conduit
            .handle_bytes(&buffer[..length], self.now)
            .unwrap();
    }

    fn say(&mut self, message: &ToServer) {
        let mut frame = Vec::new();
        wire::encode_to_server(message, &mut frame).unwrap();
        let mut out = Vec::new();
        let mut frames = std::iter::once(frame.as_slice());
        self.conduit
            .seal_frames(&mut frames, &mut out, self.now)
            .unwrap();
        self.stream.write_all(&out).unwrap();
    }

    fn hear(&mut self) -> ToClient {
        loop {
            if let Some(frame) = self.conduit.next_frame().unwrap() {
                match wire::decode_to_client(frame).unwrap() {
                    Decoded::Message(message) => return message,
                    Decoded::Skipped => continue,
                }
            }
            self.receive();
        }
    }

    fn hear_until<T>(&mut self, mut wanted: impl FnMut(ToClient) -> Option<T>) -> T {
        loop {
            let message = self.hear();
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    fn enter(stream: S, name: &str, seed: u8) -> Self {
        let mut raw = Self::connect(stream, seed);
        raw.say(&ToServer::Login(Login {
            account: name.into(),
            password: Some("a long password".into()),
            register: true,
            invite: None,
            device: "test".into(),
            capabilities: vec![],
            enroll: true,
            extensions: Extensions::default(),
        }));
        raw.hear_until(|message| match message {
            ToClient::Welcome(_) => Some(()),
            ToClient::Denied(refusal) => panic!("denied: {refusal:?}"),
            _ => None,
        });
        raw.say(&ToServer::Resume(Resume::default()));
        raw
    }
}

fn serve() -> (Server, std::thread::JoinHandle<()>) {
    let config = ServerConfig {
        listen: vec!["127.0.0.1:0".into()],
        registration: Registration::Open,
        ..ServerConfig::default()
    };
    let (server, driver) = pollster::block_on(Server::start(config)).unwrap();
    (
        server,
        std::thread::spawn(move || pollster::block_on(driver.run())),
    )
}

fn dial(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[0]).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

fn send_id(number: u8) -> SendId {
    let date = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    SendId::new(UnixTime(date.as_micros() as u64), [number; 10])
}

#[test]
fn two_raw_clients_talk_in_the_lobby() {
    let (server, running) = serve();
    let mut ann = Raw::enter(dial(&server), "ann", 1);
    let mut bob = Raw::enter(dial(&server), "bob", 2);
    bob.hear_until(|message| match message {
        ToClient::Entry(entry) if entry.from_name.as_str() == "bob" => Some(()),
        _ => None,
    });
    let id = send_id(3);
    ann.say(&ToServer::Send(Send {
        request: RequestId(1),
        target: Target::Room(RoomName::new("lobby").unwrap()),
        id,
        again: false,
        body: Body::text("hi bob", None),
    }));
    let acked = ann.hear_until(|message| match message {
        ToClient::Ack { seq, id: acked, .. } if acked == id => Some(seq),
        ToClient::Error(_, refusal) => panic!("refused: {refusal:?}"),
        _ => None,
    });
    let heard = bob.hear_until(|message| match message {
        ToClient::Entry(entry) if entry.id == id => Some(entry),
        _ => None,
    });
    assert_eq!(
        (heard.seq, heard.body.data.as_slice()),
        (acked, b"hi bob".as_slice())
    );

    pollster::block_on(server.drain());
    let reason = bob.hear_until(|message| match message {
        ToClient::Bye(reason, _) => Some(reason),
        _ => None,
    });
    assert_eq!(reason, ByeReason::Shutdown);
    running.join().unwrap();
}

/// A peer that asked for more than it reads could not be closed: the link's task looked at nothing but
/// the stream, which never took the rest. It kept its descriptor for as long as it sent pings, and by
/// logging in again and again a single account could hold all of them.
#[test]
fn a_link_that_never_reads_ends_when_its_device_comes_again() {
    let (server, running) = serve();
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let far = async_io::Async::new(far).unwrap();
    let serving = server.clone();
    let link = std::thread::spawn(move || pollster::block_on(serving.serve_stream(far, None)));
    let mut deaf = Raw::enter(near, "ann", 1);
    let target = || Target::Room(RoomName::new("lobby").unwrap());
    // As large as a frame of a conduit may be that does not know of the login.
    let text = "x".repeat(limits::LOGIN_FRAME_BYTES - 200);
    for number in 1..=6 {
        let id = send_id(number);
        deaf.say(&ToServer::Send(Send {
            request: RequestId(number.into()),
            target: target(),
            id,
            again: false,
            body: Body::text(&text, None),
        }));
        deaf.hear_until(|message| {
            matches!(message, ToClient::Ack { id: acked, .. } if acked == id).then_some(())
        });
    }
    for number in 0..limits::REQUESTS as u32 {
        let wish = Request::History {
            target: target(),
            from: HistoryFrom::End,
            limit: 100,
        };
        deaf.say(&ToServer::Request(RequestId(10 + number), wish));
    }
    // Nothing is read any more; the socket takes a small part of what was asked for.
    let mut again = Raw::enter(dial(&server), "ann", 1);
    let began = Instant::now();
    link.join().unwrap();
    let took = began.elapsed();
    assert!(took < limits::DEAD_AFTER / 2, "only silence ended it");

    again.say(&ToServer::Bye);
    pollster::block_on(server.drain());
    running.join().unwrap();
}
