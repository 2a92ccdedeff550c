//! A client made of nothing but the pure layers, and a server to talk to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

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

/// A server on a thread of its own.
pub(crate) struct Served {
    server: Server,
    running: JoinHandle<()>,
}

impl Served {
    pub(crate) fn stop(self) {
        pollster::block_on(self.server.drain());
        self.running.join().unwrap();
    }
}

impl std::ops::Deref for Served {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

pub(crate) fn serve_in(store: StorePlace, change: impl FnOnce(&mut ServerConfig)) -> Served {
    let mut config = ServerConfig {
        listen: vec!["127.0.0.1:0".into()],
        registration: Registration::Open,
        store,
        ..ServerConfig::default()
    };
    change(&mut config);
    let (server, driver) = pollster::block_on(Server::start(config)).unwrap();
    let running = std::thread::spawn(move || pollster::block_on(driver.run()));
    Served { server, running }
}

pub(crate) fn dial(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addresses()[0]).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

pub(crate) fn lobby() -> Target {
    Target::Room(RoomName::new("lobby").unwrap())
}

pub(crate) fn send_id(number: u8) -> SendId {
    let date = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    // The same number is the same id for as long as a test runs.
    let day = date.as_secs() / 3600 * 3600;
    SendId::new(UnixTime(day * 1_000_000), [number; 10])
}

pub(crate) struct Raw<S = TcpStream> {
    stream: S,
    conduit: Conduit,
    now: Time,
    requests: u32,
}

impl<S: Read + Write> Raw<S> {
    /// Logs in, or registers the first time.
    pub(crate) fn enter(stream: S, name: &str, seed: u8) -> Self {
        let key = Arc::new(StaticKey::generate(&mut Counter(seed)));
        let now = Time(1);
        let mut raw = Self {
            stream,
            conduit: Conduit::client(key, [seed; 32], now),
            now,
            requests: 0,
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
        raw.conduit.set_max_frame(limits::FRAME_BYTES);
        raw.say(&ToServer::Resume(Resume::default()));
        // A new account is put into the lobby a moment after it was let in.
        raw.hear_until(|message| match message {
            ToClient::Conversations { items, .. } => {
                items.iter().any(|item| item.joined).then_some(())
            }
            _ => None,
        });
        raw
    }

    fn transmit(&mut self) {
        let mut out = Vec::new();
        self.conduit.poll_transmit(&mut out);
        self.stream.write_all(&out).unwrap();
    }

    fn receive(&mut self) {
        let mut buffer = [0; 16_384];
        let length = self.stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the server closed the link");
        self.conduit
            .handle_bytes(&buffer[..length], self.now)
            .unwrap();
    }

    /// Whether the server ends the link, whatever it says before.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    pub(crate) fn say(&mut self, message: &ToServer) {
        self.say_at_once(std::slice::from_ref(message));
    }

    /// What the server no longer takes is lost.
    pub(crate) fn say_at_once(&mut self, messages: &[ToServer]) {
        let mut frames = Vec::new();
        for message in messages {
            let mut frame = Vec::new();
            wire::encode_to_server(message, &mut frame).unwrap();
            frames.push(frame);
        }
        let mut out = Vec::new();
        let mut frames = frames.iter().map(Vec::as_slice);
        self.conduit
            .seal_frames(&mut frames, &mut out, self.now)
            .unwrap();
        let _ = self.stream.write_all(&out);
    }

    pub(crate) fn hear(&mut self) -> ToClient {
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

    pub(crate) fn hear_until<T>(&mut self, mut wanted: impl FnMut(ToClient) -> Option<T>) -> T {
        loop {
            let message = self.hear();
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    /// Asks, and waits for the answer. Entries that come before it are lost.
    pub(crate) fn ask(&mut self, request: Request) -> (RequestId, Result<Answer, Refusal>) {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.say(&ToServer::Request(id, request));
        let answer = self.hear_until(|message| match message {
            ToClient::Answer(asked, answer) if asked == id => Some(Ok(answer)),
            ToClient::Error(asked, refusal) if asked == id => Some(Err(refusal)),
            _ => None,
        });
        (id, answer)
    }

    /// Deletes an entry of the lobby.
    pub(crate) fn redact(&mut self, target: Seq, id: SendId) {
        self.requests += 1;
        self.say(&ToServer::Send(Send {
            request: RequestId(self.requests),
            target: lobby(),
            id,
            again: false,
            body: Body::redaction(target),
        }));
        self.hear_until(|message| {
            matches!(message, ToClient::Ack { id: acked, .. } if acked == id).then_some(())
        });
    }
}
