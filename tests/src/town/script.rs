//! Tests that read like a script.

use std::collections::HashMap;
use std::time::Duration;

use chat_engine::agent::{Command, Event};
use chat_engine::{
    Body, Change, Content, GapReason, History, Kind, Peer, PresenceState, Request, SendId, Target,
};

use super::Sabotage;
use super::net::Quality;
use super::story::{name, room};
use super::world::World;

/// A town for one test: a server, and devices of people. Everything that a call starts has come to
/// rest when it returns, unless it says otherwise. What the applications are told is judged at the
/// end, whatever the test itself looks at.
#[derive(Debug)]
pub struct Town {
    world: World,
    /// What sends are called, by label.
    texts: HashMap<String, String>,
    /// How many events of each device the test has seen, and how many texts.
    seen: Vec<(usize, usize)>,
}

/// One device of somebody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Who(usize);

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}

impl Town {
    /// A server with a lobby, and nobody there.
    #[must_use]
    pub fn new() -> Self {
        let mut world = World::new(7, Sabotage::None, false);
        world.start_server();
        world.run_for(REST);
        Self {
            world,
            texts: HashMap::new(),
            seen: Vec::new(),
        }
    }

    /// A device that joins a room. The first one of an account opens the account, and who comes first
    /// makes the room, where newcomers see everything.
    pub fn join(&mut self, account: &str, room: &str) -> Who {
        let who = self.device(account);
        if room != "lobby" {
            self.enter(who, room, History::All);
        }
        who
    }

    /// The same, and the room shows nothing from before one came.
    pub fn join_closed(&mut self, account: &str, room: &str) -> Who {
        let who = self.device(account);
        self.enter(who, room, History::SinceJoin);
        who
    }

    /// One more device of somebody, in whatever rooms the account is.
    pub fn device(&mut self, account: &str) -> Who {
        let number = self.world.devices.len();
        let title = format!("{account}{number}");
        let device = self.world.add_device(&title, account, NEAR);
        self.world.devices[device].keeps_events = true;
        self.seen.push((0, 0));
        self.world.start_program(device);
        self.rest();
        Who(device)
    }

    /// The same device in another process: somebody copied its profile.
    pub fn copy(&mut self, who: Who) -> Who {
        let account = self.world.devices[who.0].account().to_owned();
        let number = self.world.devices.len();
        let device = self
            .world
            .add_device(&format!("{account}{number}"), &account, NEAR);
        self.world.devices[device].keeps_events = true;
        self.world.copy_key(who.0, device);
        self.seen.push((0, 0));
        self.world.start_program(device);
        self.rest();
        Who(device)
    }

    /// Says something in a room, or to `@somebody`.
    pub fn say(&mut self, who: Who, place: &str, text: &str) {
        self.begin_to_say(who, place, text);
        self.rest();
    }

    /// The same, and returns at once.
    pub fn begin_to_say(&mut self, who: Who, place: &str, text: &str) {
        let label = self.world.next_label(who.0);
        self.texts.insert(label.clone(), text.to_owned());
        let command = Command::Send {
            target: place_of(place),
            body: Body::text(text, None),
            id: None,
            label,
        };
        self.world
            .command(who.0, command)
            .expect("the program takes a send");
    }

    /// Takes back the last send that is in the outbox.
    pub fn cancel(&mut self, who: Who) {
        let id = *self.world.devices[who.0].sends.back().expect("a send");
        self.ask(who, Command::Cancel(id));
    }

    /// Says whether the person is there; returns at once.
    pub fn appear(&mut self, who: Who, state: PresenceState) {
        let command = Command::Presence(state, String::new());
        self.world.command(who.0, command).expect("it takes that");
    }

    /// Joins a room, or makes it.
    pub fn enter(&mut self, who: Who, place: &str, history: History) {
        let create = Request::Create {
            room: room(place),
            public: true,
            history: Some(history),
        };
        self.ask(who, Command::Ask(create));
        self.change(who, place, None, Change::Joined);
    }

    /// Leaves a room.
    pub fn leave(&mut self, who: Who, place: &str) {
        self.change(who, place, None, Change::Left);
    }

    /// Puts somebody out of a room.
    pub fn kick(&mut self, who: Who, place: &str, whom: &str) {
        self.change(who, place, Some(whom), Change::Kicked);
    }

    /// Cuts a device off: both ends know at once.
    pub fn cut(&mut self, who: Who) {
        self.cut_now(who);
        self.rest();
    }

    /// The same, and returns at once.
    pub fn cut_now(&mut self, who: Who) {
        self.world.devices[who.0].is_offline = true;
        if let Some(conn) = self.world.conn_of(who.0) {
            self.world.cut(conn, [Some(Duration::ZERO); 2]);
        }
    }

    /// Cuts a device off, and the server knows nothing of it.
    pub fn vanish(&mut self, who: Who) {
        self.world.devices[who.0].is_offline = true;
        if let Some(conn) = self.world.conn_of(who.0) {
            self.world.cut(conn, [Some(Duration::ZERO), None]);
        }
        self.rest();
    }

    /// The device reaches the server again, and connects.
    pub fn heal(&mut self, who: Who) {
        self.world.devices[who.0].is_offline = false;
        // The pause before the next try grows up to this.
        self.wait(35);
    }

    /// The application stops to take events.
    pub fn stall(&mut self, who: Who) {
        self.world.set_stalled(who.0, true);
    }

    /// The application takes events again.
    pub fn resume(&mut self, who: Who) {
        self.world.set_stalled(who.0, false);
        self.rest();
    }

    /// The program of a device dies.
    pub fn crash(&mut self, who: Who) {
        self.world.crash_program(who.0, false);
        self.rest();
    }

    /// The program of a device starts from its profile.
    pub fn start(&mut self, who: Who) {
        self.world.start_program(who.0);
        self.rest();
    }

    /// The program leaves for good.
    pub fn quit(&mut self, who: Who) {
        self.ask(who, Command::Leave { flush: true });
    }

    /// The server dies; what it had not committed is lost.
    pub fn crash_server(&mut self) {
        self.world.crash_server();
    }

    /// The server starts, and everybody finds it.
    pub fn start_server(&mut self) {
        self.world.start_server();
        self.wait(35);
    }

    /// The server is asked to stop.
    pub fn drain_server(&mut self) {
        self.world.drain_server();
        self.rest();
    }

    /// Copies everything that the server has.
    pub fn back_up(&mut self) {
        self.world.disk.back_up();
    }

    /// The server dies, and starts from the copy.
    pub fn restore(&mut self) {
        self.world.crash_server();
        assert!(self.world.disk.restore(), "there was a copy");
        self.world.witness.restored = true;
        self.world.witness.cursors_lost = true;
        self.start_server();
    }

    /// The server's disk has no room, or has some again.
    pub fn fill_disk(&mut self, full: bool) {
        self.world.disk.is_full = full;
    }

    /// Retention cuts all logs but for their last entries.
    pub fn trim(&mut self, keep: u64) {
        self.world.trim(keep);
        self.rest();
    }

    /// Lets time go on.
    pub fn wait(&mut self, seconds: u64) {
        self.world.run_for(Duration::from_secs(seconds));
    }

    /// Lets a little time go on.
    pub fn pass(&mut self, millis: u64) {
        self.world.run_for(Duration::from_millis(millis));
    }

    /// The texts that a device showed since the last look.
    pub fn heard(&mut self, who: Who) -> Vec<String> {
        let (_, seen) = &mut self.seen[who.0];
        let events = &self.world.devices[who.0].events;
        let new = &events[std::mem::replace(seen, events.len())..];
        let texts = new.iter().filter_map(|event| match event {
            Event::Entry { entry, .. } if entry.body.kind == Kind::TEXT => {
                match entry.body.content() {
                    Content::Text(text) => Some(text.chars().take(40).collect()),
                    _ => Some("(deleted)".to_owned()),
                }
            }
            _ => None,
        });
        texts.collect()
    }

    /// Everything else that a device was told since the last look, in short.
    pub fn told(&mut self, who: Who) -> Vec<String> {
        let (seen, _) = &mut self.seen[who.0];
        let events = &self.world.devices[who.0].events;
        let new = &events[std::mem::replace(seen, events.len())..];
        let texts = &self.texts;
        new.iter().filter_map(|event| short(event, texts)).collect()
    }

    /// Sends that the server's disk has more than once.
    #[must_use]
    pub fn doubles(&self) -> Vec<SendId> {
        let runs = self.world.disk.truth.current();
        let mut ids: Vec<SendId> = runs
            .flat_map(|(_, _, run)| run.entries.iter().map(|entry| entry.id))
            .collect();
        ids.sort_unstable();
        let doubles = ids.windows(2).filter(|pair| pair[0] == pair[1]);
        doubles.map(|pair| pair[0]).collect()
    }

    /// How many sends of all devices came to the server a second time.
    #[must_use]
    pub const fn resends(&self) -> u32 {
        self.world.tally.resend
    }

    /// How many links of all devices used up their credit.
    #[must_use]
    pub const fn laggards(&self) -> u32 {
        self.world.tally.lagging
    }

    /// How many links are logged in.
    #[must_use]
    pub fn links(&self) -> usize {
        self.world.server.links()
    }

    fn change(&mut self, who: Who, place: &str, account: Option<&str>, change: Change) {
        let request = Request::Change {
            target: Target::Room(room(place)),
            account: account.map(name),
            change,
            role: None,
            seconds: 0,
        };
        self.ask(who, Command::Ask(request));
    }

    fn ask(&mut self, who: Who, command: Command) {
        self.world.command(who.0, command).expect("it takes that");
        self.rest();
    }

    fn rest(&mut self) {
        self.world.run_for(REST);
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        let violations = &self.world.witness.violations;
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "{violations:#?}");
        }
    }
}

fn place_of(place: &str) -> Target {
    match place.strip_prefix('@') {
        Some(account) => Target::Account(name(account)),
        None => Target::Room(room(place)),
    }
}

fn short(event: &Event, texts: &HashMap<String, String>) -> Option<String> {
    let text = |label: &String| texts.get(label).unwrap_or(label).clone();
    Some(match event {
        Event::Connected { .. } => "connected".to_owned(),
        Event::Reconnecting { error, .. } => format!("reconnecting: {error}"),
        Event::Acked { label, seq, .. } => format!("acked {} at {seq}", text(label)),
        Event::Refused { label, refusal, .. } if !label.is_empty() => {
            format!("refused {}: {}", text(label), refusal.code)
        }
        Event::Canceled { label, .. } => format!("canceled {}", text(label)),
        Event::Unsent { label, .. } => format!("unsent {}", text(label)),
        Event::Gap {
            reason: GapReason::Restored,
            ..
        } => "gap restored".to_owned(),
        Event::Gap {
            from, to, reason, ..
        } => format!("gap {from}-{to} {}", reason.as_str()),
        Event::Presence(presence) => {
            let reason = presence.reason.map_or("", |reason| reason.as_str());
            let text = format!("{} {} {reason}", presence.account, presence.state.as_str());
            text.trim_end().to_owned()
        }
        Event::Conversation(item) if !item.joined => match &item.peer {
            Peer::Room(room) => format!("out of {room}"),
            Peer::Account(account) => format!("out of {account}"),
        },
        Event::Closed { reason, .. } => {
            let reason = reason.map_or("on purpose", |reason| reason.as_str());
            format!("closed {reason}")
        }
        _ => return None,
    })
}

/// Long enough for everything that is merged and batched.
const REST: Duration = Duration::from_secs(3);
const NEAR: Quality = Quality {
    latency: Duration::from_millis(10),
    jitter: Duration::ZERO,
    slowness: 0,
};
