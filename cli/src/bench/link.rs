//! A client as lean as a load generator needs it: one link, no outbox, no reconnecting.
//!
//! It speaks the protocol in full: it opens every record, checks every `prev` link, renews its
//! credit, and says what was delivered, as the real client does.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use async_io::Async;
use chat_engine::port::Random;
use chat_engine::secure::StaticKey;
use chat_engine::session::conduit::Conduit;
use chat_engine::wire::{self, Decoded};
use chat_engine::{
    AccountName, Answer, Body, Change, ConversationId, Entry, Extensions, Login, Request,
    RequestId, Resume, RoomName, Send, SendId, Seq, Target, Time, ToClient, ToServer, UnixTime,
    limits,
};

/// Whom to connect to, and as whom.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) address: SocketAddr,
    pub(super) fingerprint: Option<String>,
    pub(super) invite: Option<String>,
    /// Of the whole run: makes account names unique.
    pub(super) run: u64,
}

pub(super) struct Link {
    stream: Async<TcpStream>,
    conduit: Conduit,
    start: Instant,
    buffer: Vec<u8>,
    next_request: u32,
    random: fastrand::Rng,
    /// How the server's clock differs: send ids are made by it.
    date: UnixTime,
    /// One or two: no reason to hash.
    places: Vec<Place>,
    taken: u64,
    undelivered_entries: u32,
    told: Instant,
    /// The last read took everything, so the next one would find nothing.
    is_drained: bool,
}

/// How far a client is in a conversation.
struct Place {
    conversation: ConversationId,
    position: Seq,
    /// The server knows that it was delivered.
    is_told: bool,
}

struct Seeded<'a>(&'a mut fastrand::Rng);

impl Random for Seeded<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

impl Link {
    /// Connects, encrypts, opens an account by key alone, resumes.
    pub(super) async fn enter(host: &Host, number: usize) -> Result<Self> {
        let stream = Async::<TcpStream>::connect(host.address).await?;
        stream.get_ref().set_nodelay(true)?;
        let mut random = fastrand::Rng::new();
        let key = Arc::new(StaticKey::generate(&mut Seeded(&mut random)));
        let mut seed = [0; 32];
        random.fill(&mut seed);
        let start = Instant::now();
        let mut link = Self {
            stream,
            conduit: Conduit::client(key, seed, Time(0)),
            start,
            buffer: Vec::new(),
            next_request: 1,
            random,
            date: UnixTime(0),
            places: Vec::new(),
            taken: 0,
            undelivered_entries: 0,
            told: start,
            is_drained: false,
        };
        link.shake_hands(host).await?;
        link.log_in(host, number).await?;
        Ok(link)
    }

    async fn shake_hands(&mut self, host: &Host) -> Result<()> {
        while !self.conduit.is_open() {
            if let Some(key) = self.conduit.server_key() {
                let shown = key.fingerprint().to_string();
                if let Some(wanted) = &host.fingerprint {
                    ensure!(
                        shown.trim_start_matches("SHA256:") == wanted.trim_start_matches("SHA256:"),
                        "the server shows the key {shown}, not {wanted}"
                    );
                }
                self.conduit.accept_server();
            }
            let mut out = Vec::new();
            self.conduit.poll_transmit(&mut out);
            self.write(&out).await?;
            if !self.conduit.is_open() {
                self.read().await?;
            }
        }
        Ok(())
    }

    async fn log_in(&mut self, host: &Host, number: usize) -> Result<()> {
        let login = Login {
            account: account(host, number).to_string(),
            password: None,
            register: true,
            invite: host.invite.clone(),
            device: "bench".to_owned(),
            capabilities: Vec::new(),
            enroll: true,
            extensions: Extensions::default(),
        };
        self.say(&[ToServer::Login(login)]).await?;
        let welcome = loop {
            match self.hear().await? {
                ToClient::Welcome(welcome) => break welcome,
                ToClient::Denied(refusal) => bail!("the login was refused: {refusal}"),
                _ => {}
            }
        };
        self.date = welcome.date;
        self.start = Instant::now();
        self.conduit.set_max_frame(limits::FRAME_BYTES);
        self.say(&[ToServer::Resume(Resume::default())]).await
    }

    /// Makes a room, or comes into it.
    pub(super) async fn join(&mut self, room: &str, create: bool) -> Result<Target> {
        let room = RoomName::new(room)?;
        let wish = if create {
            Request::Create {
                room,
                public: true,
                history: None,
            }
        } else {
            Request::Change {
                target: Target::Room(room),
                account: None,
                change: Change::Joined,
                role: None,
                seconds: 0,
            }
        };
        let request = self.request();
        self.say(&[ToServer::Request(request, wish)]).await?;
        loop {
            match self.hear().await? {
                ToClient::Answer(answered, Answer::Entered { conversation, .. })
                    if answered == request =>
                {
                    return Ok(Target::Conversation(conversation));
                }
                ToClient::Error(answered, refusal) if answered == request => {
                    bail!("{refusal}")
                }
                _ => {}
            }
        }
    }

    /// One send, as a frame for [`write_frames`](Self::write_frames).
    pub(super) fn send_frame(&mut self, target: Target, text: &str) -> Result<Vec<u8>> {
        let mut random = [0; 10];
        self.random.fill(&mut random);
        let send = Send {
            request: self.request(),
            target,
            id: SendId::new(self.date + self.start.elapsed(), random),
            again: false,
            body: Body::text(text, None),
        };
        let mut frame = Vec::new();
        wire::encode_to_server(&ToServer::Send(send), &mut frame)?;
        Ok(frame)
    }

    pub(super) async fn leave(mut self) -> Result<()> {
        self.say(&[ToServer::Bye]).await
    }

    pub(super) async fn say(&mut self, messages: &[ToServer]) -> Result<()> {
        let mut frames = Vec::new();
        for message in messages {
            let mut frame = Vec::new();
            wire::encode_to_server(message, &mut frame)?;
            frames.push(frame);
        }
        self.write_frames(&frames).await
    }

    pub(super) async fn write_frames(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        let mut out = Vec::new();
        let now = self.now();
        self.conduit
            .seal_frames(&mut frames.iter().map(Vec::as_slice), &mut out, now)?;
        Ok(self.write(&out).await?)
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let length = match (&mut self.stream.get_ref()).write_some(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                    continue;
                }
                done => done?,
            };
            bytes = bytes.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    /// The next message, whatever it is; waits for it.
    pub(super) async fn hear(&mut self) -> Result<ToClient> {
        loop {
            if let Some(message) = self.next()? {
                if let ToClient::Ping(number) = message {
                    self.say(&[ToServer::Pong(number)]).await?;
                }
                return Ok(message);
            }
            self.settle().await?;
            self.read().await?;
        }
    }

    /// The next message that is here already.
    pub(super) fn next(&mut self) -> Result<Option<ToClient>> {
        loop {
            let Some(frame) = self.conduit.next_frame()? else {
                return Ok(None);
            };
            let Decoded::Message(message) = wire::decode_to_client(frame)? else {
                continue;
            };
            match &message {
                ToClient::Entry(entry) => self.take(entry)?,
                ToClient::Gap {
                    conversation, to, ..
                } => {
                    let place = place_of(&mut self.places, *conversation);
                    place.position = place.position.max(*to);
                }
                ToClient::Bye(reason, text) => {
                    bail!("the server ended the link: {} {text}", reason.as_str())
                }
                _ => {}
            }
            return Ok(Some(message));
        }
    }

    fn take(&mut self, entry: &Entry) -> Result<()> {
        let place = place_of(&mut self.places, entry.conversation);
        ensure!(
            entry.prev <= place.position && place.position < entry.seq,
            "entry {} after {} came at {}",
            entry.seq,
            entry.prev,
            place.position
        );
        place.position = entry.seq;
        place.is_told = false;
        self.taken += entry.cost();
        self.undelivered_entries += 1;
        Ok(())
    }

    /// Credit and delivery, as often as the real client tells them.
    pub(super) async fn settle(&mut self) -> Result<()> {
        let mut messages = Vec::new();
        if self.taken >= limits::CREDIT_STEP {
            messages.push(ToServer::Credit(std::mem::take(&mut self.taken)));
        }
        let is_due = self.told.elapsed() >= limits::DELIVERED_MERGE && self.undelivered_entries > 0;
        if is_due || self.undelivered_entries >= limits::DELIVERED_ENTRIES {
            self.told = Instant::now();
            self.undelivered_entries = 0;
            let untold = self.places.iter_mut().filter(|place| !place.is_told);
            let cursors = untold.map(|place| {
                place.is_told = true;
                (place.conversation, place.position)
            });
            messages.push(ToServer::Delivered(cursors.collect()));
        }
        if messages.is_empty() {
            Ok(())
        } else {
            self.say(&messages).await
        }
    }

    /// Waits for bytes and takes them.
    pub(super) async fn read(&mut self) -> Result<()> {
        self.buffer.resize(64 * 1024, 0);
        if self.is_drained {
            self.stream.readable().await?;
        }
        let length = loop {
            match (&mut self.stream.get_ref()).read_some(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.readable().await?;
                }
                done => break done?,
            }
        };
        ensure!(length > 0, "the server closed the link");
        self.is_drained = length < self.buffer.len();
        let now = self.now();
        self.conduit
            .handle_bytes(self.buffer.get(..length).unwrap_or_default(), now)?;
        Ok(())
    }

    fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    fn now(&self) -> Time {
        let since: Duration = self.start.elapsed();
        Time(since.as_micros() as u64)
    }
}

fn place_of(places: &mut Vec<Place>, conversation: ConversationId) -> &mut Place {
    let known = places
        .iter()
        .position(|place| place.conversation == conversation);
    let index = known.unwrap_or_else(|| {
        places.push(Place {
            conversation,
            position: Seq::ZERO,
            is_told: true,
        });
        places.len() - 1
    });
    &mut places[index]
}

/// What a client is called.
pub(super) fn account(host: &Host, number: usize) -> AccountName {
    AccountName::new(&format!("bench-{:x}-{number}", host.run)).expect("letters, digits and lines")
}

/// Reading and writing once, without waiting.
trait Once {
    fn read_some(&mut self, bytes: &mut [u8]) -> io::Result<usize>;
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

impl Once for &TcpStream {
    fn read_some(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        io::Read::read(self, bytes)
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }
}
