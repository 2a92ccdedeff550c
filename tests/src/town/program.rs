//! A device and the program on it, as the client's driver and an application run it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chat_engine::adapter::MemoryProfile;
use chat_engine::agent::{
    Agent, Command, CommandId, Effect, Event, Input, LinkNumber, Setup, TrustRule,
};
use chat_engine::error::{Error, LinkFault};
use chat_engine::port::{Profile as _, ProfileChange, Random as _};
use chat_engine::secure::StaticKey;
use chat_engine::{AccountName, ByeReason, GapReason, SendId, Seq, Ticket, Time, ToServer, limits};
use futures_lite::future::block_on;

use super::Sabotage;
use super::end::{ClientEnd, ClientNews};
use super::net::{Conn, Quality, Side};
use super::seeded::Seeded;
use super::world::{Due, World};

/// A device with its disk.
pub(super) struct Device {
    pub(super) name: String,
    account: AccountName,
    /// The account is made by this one.
    register: bool,
    profile: MemoryProfile,
    key: Arc<StaticKey>,
    fingerprint: String,
    /// Which run of its program this is.
    pub(super) run: u64,
    pub(super) program: Option<Program>,
    /// How wrong its clock is, in microseconds.
    pub(super) wrong: i64,
    pub(super) quality: Quality,
    /// It can't reach the server.
    pub(super) is_offline: bool,
    /// Its application takes no events.
    pub(super) is_stalled: bool,
    /// Everything that its application was told.
    pub(super) events: Vec<Event>,
    pub(super) keeps_events: bool,
    /// Places of texts that were shown, for those who want to answer them.
    pub(super) shown: VecDeque<(chat_engine::Peer, Seq, bool)>,
    pub(super) sends: VecDeque<SendId>,
    numbers: u64,
}

/// One run of a program.
pub(super) struct Program {
    agent: Agent,
    link: Link,
    saves: Vec<(Ticket, Vec<ProfileChange>)>,
    saving: Option<Vec<(Ticket, Vec<ProfileChange>)>>,
    armed: Option<Time>,
    taking: bool,
    /// Why it ended, once it did.
    pub(super) closed: Option<(Option<Error>, Option<ByeReason>)>,
}

enum Link {
    None,
    Connecting(LinkNumber),
    Made {
        number: LinkNumber,
        conn: usize,
        end: ClientEnd,
        waiting: Vec<u8>,
        closing: Option<Time>,
    },
}

impl Device {
    pub(super) fn account(&self) -> &str {
        self.account.as_str()
    }
}

impl World {
    /// A new device of an account; the first one makes the account.
    pub(super) fn add_device(&mut self, name: &str, account: &str, quality: Quality) -> usize {
        let account = AccountName::new(account).expect("a good name");
        let register = !self.devices.iter().any(|other| other.account == account);
        // Without seals, the key is only a name.
        let mut bytes = [0; 32];
        self.rng.fill(&mut bytes);
        self.witness.add_device(name.to_owned());
        self.devices.push(Device {
            name: name.to_owned(),
            account,
            register,
            profile: MemoryProfile::new(),
            key: Arc::new(StaticKey::from_bytes(bytes)),
            fingerprint: "SHA256:simulated".to_owned(),
            run: 0,
            program: None,
            wrong: 0,
            quality,
            is_offline: false,
            is_stalled: false,
            events: Vec::new(),
            keeps_events: false,
            shown: VecDeque::new(),
            sends: VecDeque::new(),
            numbers: 0,
        });
        self.devices.len() - 1
    }

    /// Makes one device of another: whoever has the key is the device.
    pub(super) fn copy_key(&mut self, from: usize, to: usize) {
        self.devices[to].key = Arc::clone(&self.devices[from].key);
    }

    /// Starts the program of a device from what its profile holds.
    pub(super) fn start_program(&mut self, device: usize) {
        let state = block_on(self.devices[device].profile.load()).unwrap_or_default();
        self.witness.start(device, &state.positions);
        self.note(|| format!("device {device} starts: {:?}", state.positions));
        let random = Box::new(Seeded(self.rng.fork()));
        let held = &mut self.devices[device];
        held.run += 1;
        let setup = Setup {
            address: "town:7878".to_owned(),
            account: held.account.clone(),
            password: Some("correct horse".to_owned()),
            register: held.register,
            invite: None,
            device: held.name.clone(),
            trust: TrustRule::Known {
                keys: state
                    .servers
                    .iter()
                    .map(|_| held.fingerprint.clone())
                    .collect(),
                accept_new: true,
                in_profile: true,
            },
            reconnect: true,
            single: false,
            longest_pause: limits::BACKOFF_LAST,
            patient: true,
            durable: true,
            state,
            positions: None,
        };
        let setup = match self.rekey {
            // The real fingerprint, which the profile holds as a key.
            Some(_) => Setup {
                trust: TrustRule::Pinned(self.server.key.public().fingerprint().to_string()),
                ..setup
            },
            None => setup,
        };
        self.devices[device].program = Some(Program {
            agent: Agent::new(setup, random),
            link: Link::None,
            saves: Vec::new(),
            saving: None,
            armed: None,
            taking: false,
            closed: None,
        });
        self.input(device, Input::Start);
    }

    /// The program is gone from one moment to the next: what its disk did not have is lost.
    pub(super) fn crash_program(&mut self, device: usize, with_machine: bool) {
        let Some(program) = self.devices[device].program.take() else {
            return;
        };
        self.tally.client_crashes += 1;
        self.note(|| format!("device {device} crashes"));
        if let Link::Made { conn, .. } = program.link {
            if with_machine {
                self.conns[conn].client_open = false;
                self.cut(conn, [None, None]);
            } else {
                self.hang_up(conn, Side::Client);
            }
        }
    }

    /// Lets the application wish for something.
    pub(super) fn command(&mut self, device: usize, command: Command) -> Result<CommandId, Error> {
        let now = self.now(self.devices[device].wrong);
        let Some(program) = &mut self.devices[device].program else {
            return Err(Error::Closed);
        };
        let label = match &command {
            Command::Send { label, .. } => Some(label.clone()),
            _ => None,
        };
        let asks = matches!(command, Command::Ask(_));
        if let Command::Cancel(id) = command {
            self.witness.cancels(id);
        }
        let mut effects = Vec::new();
        let id = program.agent.command(command, now, &mut effects);
        if let (Ok(id), true) = (&id, asks) {
            self.witness.asked(device, *id);
        }
        if let (Ok(id), Some(label)) = (&id, label) {
            self.witness.wished(device, *id, &label);
        }
        self.carry_out(device, effects);
        id
    }

    /// What the next send of a device is called.
    pub(super) fn next_label(&mut self, device: usize) -> String {
        let held = &mut self.devices[device];
        held.numbers += 1;
        format!("{}-{}", held.name, held.numbers)
    }

    /// Whether the application takes events.
    pub(super) fn set_stalled(&mut self, device: usize, stalled: bool) {
        self.devices[device].is_stalled = stalled;
        self.watch_program(device);
    }

    pub(super) fn has_ended(&self, device: usize) -> bool {
        let program = self.devices[device].program.as_ref();
        program.is_none_or(|program| program.closed.is_some())
    }

    /// The stream that a device has now.
    pub(super) fn conn_of(&self, device: usize) -> Option<usize> {
        match self.devices[device].program.as_ref()?.link {
            Link::Made { conn, .. } => Some(conn),
            _ => None,
        }
    }

    fn input(&mut self, device: usize, input: Input) {
        let now = self.now(self.devices[device].wrong);
        let Some(program) = &mut self.devices[device].program else {
            return;
        };
        let mut effects = Vec::new();
        program.agent.handle(input, now, &mut effects);
        self.carry_out(device, effects);
    }

    fn carry_out(&mut self, device: usize, effects: Vec<Effect>) {
        let now = self.time;
        let run = self.devices[device].run;
        let mut flush = None;
        for effect in effects {
            let Some(program) = &mut self.devices[device].program else {
                return;
            };
            match effect {
                Effect::Connect(number) => {
                    self.drop_link(device);
                    if let Some(program) = &mut self.devices[device].program {
                        program.link = Link::Connecting(number);
                    }
                    let latency = self.devices[device].quality.latency * 2;
                    self.after(latency, Due::Connect(device, run, number));
                }
                Effect::Accept => {
                    if let Link::Made { end, .. } = &mut program.link {
                        end.accept_server(now);
                    }
                }
                Effect::Write(mut frame) => {
                    if let Link::Made { end, conn, .. } = &mut program.link {
                        flush = Some(*conn);
                        if self.sabotage == Sabotage::NewIdOnResend
                            && let ToServer::Send(send) = &mut frame
                            && send.again
                        {
                            send.id.0[15] ^= 1;
                            send.again = false;
                        }
                        if let Err(error) = end.send(&frame) {
                            self.end_client_link(device, error);
                        }
                    }
                }
                Effect::Close => match &mut program.link {
                    Link::Made { closing, conn, .. } => {
                        *closing = Some(now + limits::BYE_WAIT);
                        flush = Some(*conn);
                    }
                    _ => self.end_client_link(device, Error::Closed),
                },
                Effect::Cut => self.drop_link(device),
                Effect::Save(ticket, changes) => self.save(device, ticket, changes),
                // No story of the town sends a file.
                Effect::Remember(_) | Effect::File(..) => {}
            }
        }
        if let Some(conn) = flush {
            self.flush_client(conn);
        }
        self.watch_program(device);
    }

    fn save(&mut self, device: usize, ticket: Ticket, mut changes: Vec<ProfileChange>) {
        for change in &changes {
            self.witness.saves(device, change);
        }
        if self.sabotage == Sabotage::PositionAhead {
            for change in &mut changes {
                if let ProfileChange::SetPosition(position) = change {
                    position.seq = Seq(position.seq.0 + 2);
                }
            }
        }
        let wait = Duration::from_micros(self.rng.u64(100..6_000));
        let held = &mut self.devices[device];
        let run = held.run;
        let Some(program) = &mut held.program else {
            return;
        };
        program.saves.push((ticket, changes));
        if program.saving.is_none() {
            program.saving = Some(std::mem::take(&mut program.saves));
            self.after(wait, Due::Saved(device, run));
        }
        if self.sabotage == Sabotage::QueueBeforeSave {
            self.input(device, Input::Saved(ticket, Ok(())));
        }
    }

    pub(super) fn client_saved(&mut self, device: usize, run: u64) {
        let wait = Duration::from_micros(self.rng.u64(100..6_000));
        let early = self.sabotage == Sabotage::QueueBeforeSave;
        let held = &mut self.devices[device];
        let Some(program) = held.program.as_mut().filter(|_| held.run == run) else {
            return;
        };
        let saved = program.saving.take().unwrap_or_default();
        let next = !program.saves.is_empty();
        if next {
            program.saving = Some(std::mem::take(&mut program.saves));
        }
        let mut tickets = Vec::new();
        let mut all = Vec::new();
        for (ticket, changes) in saved {
            tickets.push(ticket);
            changes.iter().for_each(|change| self.witness.kept(change));
            all.extend(changes);
        }
        let _ = block_on(held.profile.save(all));
        if next {
            self.after(wait, Due::Saved(device, run));
        }
        for ticket in tickets {
            if !early {
                self.input(device, Input::Saved(ticket, Ok(())));
            }
        }
    }

    pub(super) fn connected(&mut self, device: usize, run: u64, number: LinkNumber) {
        let held = &self.devices[device];
        let (is_offline, quality) = (held.is_offline, held.quality);
        let waits = held.run == run
            && held.program.as_ref().is_some_and(
                |program| matches!(program.link, Link::Connecting(held) if held == number),
            );
        if !waits {
            return;
        }
        let index = self.conns.len();
        self.conns.push(Conn::new(device, run, number, quality));
        if is_offline || !self.accept(index) {
            self.conns[index].client_open = false;
            let fault = LinkFault::Connect("simulated".to_owned());
            return self.end_client_link(device, Error::Link(fault));
        }
        let end = self.client_end(device);
        self.note(|| format!("device {device} connects by conn {index}"));
        if let Some(program) = &mut self.devices[device].program {
            program.link = Link::Made {
                number,
                conn: index,
                end,
                waiting: Vec::new(),
                closing: None,
            };
        }
        self.client_news(index);
        self.flush_client(index);
    }

    fn client_end(&mut self, device: usize) -> ClientEnd {
        let now = self.time;
        let held = &self.devices[device];
        match self.rekey {
            Some(rekey) => {
                let mut seed = [0; 32];
                Seeded(self.rng.fork()).fill(&mut seed);
                ClientEnd::sealed(Arc::clone(&held.key), seed, rekey, now)
            }
            None => ClientEnd::plain(held.key.public().0, held.fingerprint.clone(), now),
        }
    }

    pub(super) fn client_bytes(&mut self, index: usize, bytes: &[u8]) {
        let now = self.time;
        let Some(end) = self.client_end_mut(index) else {
            return;
        };
        if let Err(error) = end.handle_bytes(bytes, now) {
            // What came before the damage is dealt with all the same.
            self.client_news(index);
            return self.end_client_link(self.conns[index].device, error);
        }
        self.client_news(index);
        self.flush_client(index);
    }

    /// Hands everything that the server said to the agent.
    fn client_news(&mut self, index: usize) {
        let (device, number) = (self.conns[index].device, self.conns[index].number);
        loop {
            let Some(end) = self.client_end_mut(index) else {
                return;
            };
            let input = match end.poll_news() {
                Ok(None) => return,
                Ok(Some(ClientNews::ServerKey(key, fingerprint))) => Input::ServerKey {
                    link: number,
                    key,
                    fingerprint,
                },
                Ok(Some(ClientNews::Frame(frame))) => Input::Frame(number, frame),
                Err(error) => return self.end_client_link(device, error),
            };
            self.input(device, input);
        }
    }

    pub(super) fn client_broken(&mut self, index: usize) {
        let device = self.conns[index].device;
        if self.is_link(index) {
            self.end_client_link(device, Error::Link(LinkFault::Lost));
        }
        self.hang_up(index, Side::Client);
    }

    pub(super) fn client_time(&mut self, device: usize, run: u64) {
        let now = self.time;
        let held = &mut self.devices[device];
        let Some(program) = held.program.as_mut().filter(|_| held.run == run) else {
            return;
        };
        program.armed = None;
        if program.agent.poll_timeout().is_some_and(|due| due <= now) {
            self.input(device, Input::Timeout);
        }
        let Some(program) = &mut self.devices[device].program else {
            return;
        };
        if let Link::Made {
            end, conn, closing, ..
        } = &mut program.link
        {
            let index = *conn;
            let late = closing.is_some_and(|closing| closing <= now);
            let due = end.poll_timeout().is_some_and(|due| due <= now);
            let outcome = if late {
                Err(Error::Closed)
            } else if due {
                end.handle_timeout(now)
            } else {
                Ok(())
            };
            match outcome {
                Ok(()) => self.flush_client(index),
                Err(error) => self.end_client_link(device, error),
            }
        }
        self.watch_program(device);
    }

    /// Moves what a client has to say into its stream, as far as that takes it.
    pub(super) fn flush_client(&mut self, index: usize) {
        let now = self.time;
        if !self.is_link(index) {
            return;
        }
        let device = self.conns[index].device;
        let Some(Program {
            link:
                Link::Made {
                    end,
                    waiting,
                    closing,
                    ..
                },
            ..
        }) = &mut self.devices[device].program
        else {
            return;
        };
        let outcome = end.poll_transmit(waiting, now);
        let mut rest = std::mem::take(waiting);
        let is_closing = closing.is_some();
        self.write_some(index, Side::Server, &mut rest);
        let is_done = is_closing && rest.is_empty();
        if let Some(Program {
            link: Link::Made { waiting, .. },
            ..
        }) = &mut self.devices[device].program
        {
            *waiting = rest;
        }
        match outcome {
            Err(error) => self.end_client_link(device, error),
            Ok(()) if is_done => self.end_client_link(device, Error::Closed),
            Ok(()) => self.watch_program(device),
        }
    }

    /// The agent learns that its link is gone.
    fn end_client_link(&mut self, device: usize, error: Error) {
        let Some(program) = &mut self.devices[device].program else {
            return;
        };
        let number = match &program.link {
            Link::None => return,
            Link::Connecting(number) => *number,
            Link::Made { number, .. } => *number,
        };
        self.note(|| format!("device {device}'s link {number:?} ends: {error}"));
        self.drop_link(device);
        self.input(device, Input::Ended(number, error));
    }

    fn drop_link(&mut self, device: usize) {
        let Some(program) = &mut self.devices[device].program else {
            return;
        };
        if let Link::Made { conn, .. } = std::mem::replace(&mut program.link, Link::None) {
            self.hang_up(conn, Side::Client);
        }
    }

    fn watch_program(&mut self, device: usize) {
        let held = &mut self.devices[device];
        let (run, is_stalled) = (held.run, held.is_stalled);
        let Some(program) = &mut held.program else {
            return;
        };
        let link = match &program.link {
            Link::Made { end, closing, .. } => end.poll_timeout().into_iter().chain(*closing).min(),
            _ => None,
        };
        let due = program.agent.poll_timeout().into_iter().chain(link).min();
        let take = program.agent.has_event() && !program.taking && !is_stalled;
        if let Some(due) = due
            && program.armed.is_none_or(|armed| due < armed)
        {
            program.armed = Some(due);
            let at = due.max(self.time);
            self.agenda.put(at, Due::ClientTime(device, run));
        }
        if take {
            program.taking = true;
            let wait = Duration::from_micros(self.rng.u64(50..2_000));
            self.after(wait, Due::Take(device, run));
        }
    }

    /// The application takes some events.
    pub(super) fn take_events(&mut self, device: usize, run: u64) {
        if self.devices[device].run != run {
            return;
        }
        let now = self.now(self.devices[device].wrong);
        let is_stalled = self.devices[device].is_stalled;
        if let Some(program) = &mut self.devices[device].program {
            program.taking = false;
        }
        if is_stalled {
            return;
        }
        for _ in 0..self.rng.usize(1..64) {
            let Some(program) = &mut self.devices[device].program else {
                return;
            };
            let mut effects = Vec::new();
            let event = program.agent.take_event(now, &mut effects);
            if let Some(event) = &event {
                self.told(device, event);
            }
            self.carry_out(device, effects);
            let Some(event) = event else { break };
            let held = &mut self.devices[device];
            if held.keeps_events {
                held.events.push(event);
            }
        }
        self.watch_program(device);
    }

    fn told(&mut self, device: usize, event: &Event) {
        self.note(|| {
            let text = match event {
                Event::Entry { peer, entry, .. } => {
                    format!("entry {} {} of {peer:?}", entry.seq, entry.id)
                }
                other => format!("{other:?}"),
            };
            let text: String = text.chars().take(300).collect();
            format!("device {device} is told {text}")
        });
        self.witness.told(device, event, &self.disk.truth);
        let own = self.witness.account(device);
        let held = &mut self.devices[device];
        match event {
            Event::Entry { peer, entry, .. } if entry.body.kind == chat_engine::Kind::TEXT => {
                let own = own == Some(entry.from);
                held.shown.push_back((peer.clone(), entry.seq, own));
                if held.shown.len() > 8 {
                    held.shown.pop_front();
                }
            }
            Event::Gap { reason, .. } => {
                self.tally.gap += 1;
                if *reason == GapReason::Restored {
                    held.shown.clear();
                }
            }
            Event::Queued { id, .. } => {
                held.sends.push_back(*id);
                if held.sends.len() > 4 {
                    held.sends.pop_front();
                }
            }
            Event::Closed { error, reason } => {
                if *reason == Some(ByeReason::Replaced) {
                    self.tally.replaced += 1;
                }
                if let Some(program) = &mut held.program {
                    program.closed = Some((error.clone(), *reason));
                }
            }
            _ => {}
        }
    }

    fn is_link(&self, index: usize) -> bool {
        let conn = &self.conns[index];
        let held = &self.devices[conn.device];
        let current = self.conn_of(conn.device) == Some(index);
        current && held.run == conn.run && conn.client_open
    }

    fn client_end_mut(&mut self, index: usize) -> Option<&mut ClientEnd> {
        if !self.is_link(index) {
            return None;
        }
        match &mut self.devices[self.conns[index].device]
            .program
            .as_mut()?
            .link
        {
            Link::Made { end, .. } => Some(end),
            _ => None,
        }
    }
}
