//! The server as its driver runs it: a hub, links, a disk.

mod disk;
mod link;
mod plugins;

use std::sync::Arc;
use std::time::Duration;

use chat_engine::hub::{Effect, Hub, Input, Policy};
use chat_engine::port::Write;
use chat_engine::secure::StaticKey;
use chat_engine::{ByeReason, FileRules, Registration, RoomName, Ticket, Time, ToClient, wire};
use fastrand::Rng;

use super::Sabotage;
use super::net::Side;
use super::plugins::Plugins;
use super::seeded::Seeded;
use super::world::{Due, World};
use link::ServerLink;

/// The server, running or not.
pub(super) struct Server {
    /// Which run this is.
    pub(super) age: u64,
    running: Option<Running>,
    pub(super) key: Arc<StaticKey>,
    /// How wrong its clock is, in microseconds.
    pub(super) wrong: i64,
    rng: Rng,
}

struct Running {
    hub: Hub,
    slots: Vec<Option<ServerLink>>,
    generation: u64,
    armed: Option<Time>,
}

impl Server {
    pub(super) fn new(mut rng: Rng) -> Self {
        let key = Arc::new(StaticKey::generate(&mut Seeded(rng.fork())));
        Self {
            age: 0,
            running: None,
            key,
            wrong: 0,
            rng,
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Links that are logged in.
    pub(super) fn links(&self) -> usize {
        self.running.as_ref().map_or(0, |up| up.hub.links())
    }
}

impl World {
    pub(super) fn start_server(&mut self) {
        if self.server.running.is_some() {
            return;
        }
        self.server.age += 1;
        let mut epoch_seed = [0; 16];
        self.server.rng.fill(&mut epoch_seed);
        let policy = Policy {
            registration: Registration::Open,
            lobby: RoomName::new("lobby").ok(),
            epoch_seed,
            durable: true,
            files: FileRules::default(),
        };
        let random = Box::new(Seeded(self.server.rng.fork()));
        let mut hub = Hub::new(policy, self.disk.load(), random);
        let mut effects = Vec::new();
        let forgets = self.sabotage == Sabotage::ForgetFilters && self.tally.crashes > 0;
        if self.plugins.is_some() && !forgets {
            hub.subscribe(Plugins::wanted());
        }
        hub.start(self.now(self.server.wrong), &mut effects);
        self.server.running = Some(Running {
            hub,
            slots: Vec::new(),
            generation: 0,
            armed: None,
        });
        self.note(|| "the server starts".to_owned());
        self.perform(effects);
    }

    /// The server is gone from one moment to the next.
    pub(super) fn crash_server(&mut self) {
        if self.server.running.is_none() {
            return;
        }
        let lost = self.disk.crash();
        self.note(|| format!("the server crashes: {lost:?}"));
        self.tally.crashes += 1;
        self.tally.torn += u32::from(lost.torn);
        self.tally.untold += u32::from(lost.untold);
        self.witness.cursors_lost = true;
        self.server_gone();
        for index in 0..self.conns.len() {
            if self.conns[index].server_open {
                self.conns[index].server_open = false;
                // What was written before may still arrive, or die with the machine.
                if self.rng.bool() {
                    self.write(index, Side::Client, Vec::new());
                } else {
                    let wait = Duration::from_millis(self.rng.u64(0..500));
                    self.cut(index, [Some(wait), None]);
                }
            }
        }
    }

    fn server_gone(&mut self) {
        self.server.running = None;
        // What is under way for it is nobody's.
        self.server.age += 1;
    }

    pub(super) fn drain_server(&mut self) {
        self.feed(Input::Drain);
    }

    /// Tells the hub something, and does what it says.
    fn feed(&mut self, input: Input) {
        let now = self.now(self.server.wrong);
        let Some(up) = &mut self.server.running else {
            return;
        };
        let mut effects = Vec::new();
        up.hub.handle(input, now, &mut effects);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let mut touched = Vec::new();
        let mut writes: Vec<(Ticket, Write)> = Vec::new();
        let mut drained = false;
        for effect in effects {
            match effect {
                Effect::Send(link, message) => {
                    self.count(link, &message);
                    let mut frame = Vec::new();
                    if let ToClient::Entry(entry) = &message {
                        self.charge(link, entry.cost());
                        self.push(link, false, wire::encode_entry(entry), &mut touched);
                        continue;
                    }
                    if wire::encode_to_client(&message, &mut frame).is_err() {
                        self.witness.complain("a page is larger than a frame");
                    }
                    if matches!(message, ToClient::Welcome(_))
                        && let Some(held) = self.link_mut(link)
                    {
                        held.end.enter();
                    }
                    self.push(link, is_control(&message), frame.into(), &mut touched);
                }
                Effect::Fan(links, entry) => {
                    let frame = wire::encode_entry(&entry);
                    for link in links {
                        self.charge(link, entry.cost());
                        self.push(link, false, Arc::clone(&frame), &mut touched);
                    }
                }
                Effect::Close(link, bye) => {
                    if matches!(bye, Some((ByeReason::Replaced, _))) {
                        self.tally.takeover += 1;
                    }
                    if let Some((ByeReason::Violation, text)) = &bye {
                        self.witness
                            .complain(format!("the hub ends an honest link: {text}"));
                    }
                    if let Some(held) = self.link_mut(link) {
                        held.closing.get_or_insert(bye);
                        touched.push(link);
                    }
                }
                Effect::Write(ticket, write) => writes.push((ticket, write)),
                Effect::Load(ticket, load) => self.load(ticket, load),
                Effect::Hash(ticket, password) => {
                    let due = Due::Hashed(self.server.age, ticket, password);
                    self.after(Duration::from_millis(60), due);
                }
                Effect::Verify(ticket, password, verifier) => {
                    let good = verifier == Some(format!("simulated {password}"));
                    let due = Due::Verified(self.server.age, ticket, good);
                    self.after(Duration::from_millis(60), due);
                }
                Effect::Ask(ask) => self.ask_plugins(&ask),
                // There is nobody to be told.
                Effect::Tell(_) => {}
                // There is no operator, and nobody sends files.
                Effect::Admin(..) | Effect::File(_) => {}
                Effect::Drained => drained = true,
            }
        }
        if !writes.is_empty() {
            let takes = self.disk.submit(writes);
            self.await_disk(takes);
        }
        for link in touched {
            if let Some(index) = self.link_mut(link).map(|held| held.conn) {
                self.flush_server(index);
            }
        }
        if drained {
            self.note(|| "the server has drained".to_owned());
            // Then they could not be written.
            self.witness.cursors_lost |= self.disk.is_full;
            if !self.disk.is_idle() {
                self.witness.complain("drained while the disk had work");
            }
            self.server_gone();
            return;
        }
        self.watch_hub();
    }

    pub(super) fn hashed(&mut self, ticket: Ticket, password: String) {
        let hash = format!("simulated {password}");
        self.feed(Input::Hashed(ticket, Some(hash)));
    }

    pub(super) fn verified(&mut self, ticket: Ticket, good: bool) {
        self.feed(Input::Verified(ticket, good));
    }

    pub(super) fn hub_time(&mut self) {
        let time = self.time;
        let Some(up) = &mut self.server.running else {
            return;
        };
        up.armed = None;
        if up.hub.poll_timeout().is_some_and(|due| due <= time) {
            self.feed(Input::Due);
        } else {
            self.watch_hub();
        }
    }

    fn watch_hub(&mut self) {
        let Some(up) = &mut self.server.running else {
            return;
        };
        if let Some(due) = up.hub.poll_timeout()
            && up.armed.is_none_or(|armed| due < armed)
        {
            up.armed = Some(due);
            let at = due.max(self.time);
            self.agenda.put(at, Due::HubTime(self.server.age));
        }
    }
}

/// What goes before text.
const fn is_control(message: &ToClient) -> bool {
    matches!(
        message,
        ToClient::Welcome(_)
            | ToClient::Denied(_)
            | ToClient::Presence(_)
            | ToClient::Typing { .. }
            | ToClient::Receipts(_)
    )
}
