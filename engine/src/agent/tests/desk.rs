//! An agent with somebody who plays the server, the disk and the application.

use std::sync::Arc;
use std::time::Duration;

use crate::agent::{Agent, Command, CommandId, Effect, Event, Input, LinkNumber, Setup, TrustRule};
use crate::error::{Error, LinkFault};
use crate::id::{AccountId, ConversationId, DeviceId, Epoch, SendId, Seq, Ticket};
use crate::limits;
use crate::model::{
    AccountName, Body, Conversation, Entry, Now, Peer, RoomName, Send, Target, Time, ToClient,
    ToServer, UnixTime, Welcome, WelcomeLimits,
};
use crate::port::{OutboxItem, ProfileChange, ProfileState, Random};

pub(super) const KEY: [u8; 32] = [7; 32];
pub(super) const ANN: AccountId = AccountId(1);
pub(super) const BOB: AccountId = AccountId(2);
pub(super) const LOBBY: ConversationId = ConversationId([9; 16]);
pub(super) const EPOCH: Epoch = Epoch(5);

pub(super) struct Desk {
    pub(super) agent: Agent,
    pub(super) now: Now,
    /// Frames that the agent wrote and nobody looked at.
    pub(super) sent: Vec<ToServer>,
    /// Everything that was saved.
    pub(super) disk: Vec<ProfileChange>,
    /// Saves that the disk holds back while it is slow.
    pub(super) slow: Option<Vec<(Ticket, Vec<ProfileChange>)>>,
    pub(super) link: Option<LinkNumber>,
    pub(super) accepted: bool,
    pub(super) remembered: Vec<[u8; 32]>,
    /// What is to be done with files.
    pub(super) files: Vec<(SendId, crate::agent::FileWork)>,
    /// What a welcome grants.
    pub(super) sends: u32,
    pub(super) credit: u64,
}

struct Counter(u64);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // Knuth's generator; its upper bits are good enough for a test.
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

pub(super) fn setup() -> Setup {
    Setup {
        address: "example.org:7878".to_owned(),
        account: AccountName::new("ann").unwrap(),
        password: Some("correct horse".to_owned()),
        register: false,
        invite: None,
        device: "desk".to_owned(),
        trust: TrustRule::Known {
            keys: vec!["SHA256:right".to_owned()],
            accept_new: false,
            in_profile: false,
        },
        reconnect: true,
        single: false,
        patient: false,
        longest_pause: limits::BACKOFF_LAST,
        durable: true,
        state: ProfileState::default(),
        positions: None,
    }
}

impl Desk {
    pub(super) fn new(setup: Setup) -> Self {
        let mut desk = Self {
            agent: Agent::new(setup, Box::new(Counter(0))),
            now: Now {
                time: Time(1_000_000),
                date: UnixTime::from_millis(1_700_000_000_000),
            },
            sent: Vec::new(),
            disk: Vec::new(),
            slow: None,
            link: None,
            accepted: false,
            remembered: Vec::new(),
            files: Vec::new(),
            sends: 256,
            credit: limits::ENTRY_CREDIT,
        };
        desk.input(Input::Start);
        desk
    }

    /// A desk that is logged in and in the lobby, whose log has its entries up to `head` read.
    pub(super) fn at_work(setup: Setup, head: u64) -> Self {
        let mut desk = Self::new(setup);
        desk.log_in();
        desk.list(vec![lobby(head)]);
        desk.events();
        desk.sent.clear();
        desk
    }

    pub(super) fn input(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.agent.handle(input, self.now, &mut effects);
        self.carry_out(effects);
    }

    pub(super) fn command(&mut self, command: Command) -> Result<CommandId, Error> {
        let mut effects = Vec::new();
        let id = self.agent.command(command, self.now, &mut effects);
        self.carry_out(effects);
        id
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect(link) => (self.link, self.accepted) = (Some(link), false),
                Effect::Accept => self.accepted = true,
                Effect::Write(frame) => {
                    assert!(
                        self.accepted,
                        "nothing is said to a server that is not trusted"
                    );
                    self.sent.push(frame);
                }
                Effect::Cut => self.link = None,
                Effect::Close => {
                    let link = self.link.take().unwrap();
                    self.input(Input::Ended(link, Error::Link(LinkFault::Lost)));
                }
                Effect::Save(ticket, changes) => match &mut self.slow {
                    Some(waiting) => waiting.push((ticket, changes)),
                    None => {
                        self.disk.extend(changes);
                        self.input(Input::Saved(ticket, Ok(())));
                    }
                },
                Effect::Remember(key) => self.remembered.push(key),
                Effect::File(id, work) => self.files.push((id, work)),
            }
        }
    }

    /// The disk does what it held back.
    pub(super) fn disk_catches_up(&mut self) {
        for (ticket, changes) in self.slow.take().unwrap() {
            self.disk.extend(changes);
            self.input(Input::Saved(ticket, Ok(())));
        }
    }

    pub(super) fn show_key(&mut self, key: [u8; 32], fingerprint: &str) {
        self.input(Input::ServerKey {
            link: self.link.unwrap(),
            key,
            fingerprint: fingerprint.to_owned(),
        });
    }

    /// The server shows its key and welcomes the login.
    pub(super) fn log_in(&mut self) {
        self.show_key(KEY, "SHA256:right");
        let welcome = self.welcome();
        self.frame(welcome);
    }

    pub(super) fn welcome(&self) -> ToClient {
        ToClient::Welcome(Box::new(Welcome {
            account: ANN,
            name: AccountName::new("ann").unwrap(),
            device: DeviceId(3),
            date: self.now.date,
            durable: true,
            limits: WelcomeLimits {
                sends: self.sends,
                entry_credit: self.credit,
                text: 16_384,
                frame: 61_440,
                ping_ms: 15_000,
                dead_ms: 30_000,
            },
            capabilities: Vec::new(),
            extensions: Default::default(),
        }))
    }

    pub(super) fn frame(&mut self, frame: ToClient) {
        self.input(Input::Frame(self.link.unwrap(), frame));
    }

    pub(super) fn list(&mut self, items: Vec<Conversation>) {
        self.frame(ToClient::Conversations { items, more: false });
    }

    pub(super) fn cut(&mut self) {
        let link = self.link.take().unwrap();
        self.input(Input::Ended(link, Error::Link(LinkFault::Lost)));
    }

    /// Lets the next thing that is due happen.
    pub(super) fn wait(&mut self) {
        let due = self.agent.poll_timeout().expect("something to wait for");
        self.now.time = self.now.time.max(due);
        self.input(Input::Timeout);
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now.time = self.now.time + span;
        self.now.date = self.now.date + span;
        self.input(Input::Timeout);
    }

    /// Comes back after a cut.
    pub(super) fn come_back(&mut self) {
        self.wait_for_link();
        self.log_in();
    }

    pub(super) fn wait_for_link(&mut self) {
        while self.link.is_none() {
            self.wait();
        }
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        let mut effects = Vec::new();
        let event = self.agent.take_event(self.now, &mut effects);
        self.carry_out(effects);
        // What was carried out may have brought one.
        if event.is_none() && self.agent.has_event() {
            return self.take();
        }
        event
    }

    /// Takes every event that is there, and says so.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.take()).collect()
    }

    pub(super) fn say(&mut self, text: &str) -> CommandId {
        self.say_as(text, None)
    }

    pub(super) fn say_as(&mut self, text: &str, id: Option<SendId>) -> CommandId {
        let command = Command::Send {
            target: room(),
            body: Body::text(text, None),
            id,
            label: text.to_owned(),
        };
        self.command(command).unwrap()
    }

    /// The sends that went out since the last look.
    pub(super) fn sends(&mut self) -> Vec<Send> {
        let sends = self.sent.iter().filter_map(|frame| match frame {
            ToServer::Send(send) => Some(send.clone()),
            _ => None,
        });
        let sends = sends.collect();
        self.sent
            .retain(|frame| !matches!(frame, ToServer::Send(_)));
        sends
    }

    pub(super) fn ack(&mut self, send: &Send, seq: u64) {
        self.frame(ToClient::Ack {
            request: send.request,
            conversation: LOBBY,
            seq: Seq(seq),
            id: send.id,
        });
    }

    pub(super) fn outbox(&mut self) -> Vec<OutboxItem> {
        let mut items: Vec<OutboxItem> = Vec::new();
        for change in &self.disk {
            match change {
                ProfileChange::PutItem(item) => {
                    items.retain(|held| held.id != item.id);
                    items.push(item.clone());
                }
                ProfileChange::DropItem(id) => items.retain(|held| held.id != *id),
                _ => {}
            }
        }
        items
    }
}

pub(super) fn room() -> Target {
    Target::Room(RoomName::new("lobby").unwrap())
}

pub(super) fn lobby_peer() -> Peer {
    Peer::Room(RoomName::new("lobby").unwrap())
}

pub(super) fn lobby(read: u64) -> Conversation {
    Conversation {
        id: LOBBY,
        peer: lobby_peer(),
        epoch: EPOCH,
        head: Seq(read),
        read: Seq(read),
        unread: 0,
        mentions: 0,
        joined: true,
    }
}

pub(super) fn entry(seq: u64, text: &str) -> ToClient {
    entry_after(seq - 1, seq, text)
}

pub(super) fn entry_after(prev: u64, seq: u64, text: &str) -> ToClient {
    ToClient::Entry(Arc::new(Entry {
        conversation: LOBBY,
        seq: Seq(seq),
        prev: Seq(prev),
        id: SendId([seq as u8; 16]),
        from: BOB,
        from_name: AccountName::new("bob").unwrap(),
        time: UnixTime(0),
        body: Body::text(text, None),
    }))
}

pub(super) fn own_entry(seq: u64, id: SendId) -> ToClient {
    ToClient::Entry(Arc::new(Entry {
        conversation: LOBBY,
        seq: Seq(seq),
        prev: Seq(seq - 1),
        id,
        from: ANN,
        from_name: AccountName::new("ann").unwrap(),
        time: UnixTime(0),
        body: Body::text("mine", None),
    }))
}

/// The places of the entries among events.
pub(super) fn seqs(events: &[Event]) -> Vec<u64> {
    let entries = events.iter().filter_map(|event| match event {
        Event::Entry { entry, .. } => Some(entry.seq.0),
        _ => None,
    });
    entries.collect()
}

/// The texts of sends.
pub(super) fn texts(sends: &[Send]) -> Vec<String> {
    let text = |send: &Send| String::from_utf8(send.body.data.clone()).unwrap();
    sends.iter().map(text).collect()
}
