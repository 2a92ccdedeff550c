//! The server as its driver runs it: a hub, links, a disk.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chat_engine::error::{Error, LinkFault, Violation};
use chat_engine::hub::{Effect, Hub, Input, Load, Loaded, Policy};
use chat_engine::port::{Ask, Committed, Fault, FromHooks, Question, Verdict, Write};
use chat_engine::secure::StaticKey;
use chat_engine::{
    ByeReason, Code, FileRules, LinkId, Registration, RequestId, RoomName, SendId, Ticket, Time,
    ToClient, ToServer, limits, wire,
};
use fastrand::Rng;

use super::Sabotage;
use super::end::{ServerEnd, ServerNews};
use super::net::Side;
use super::plugins::Plugins;
use super::seeded::Seeded;
use super::world::{Due, World};

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

struct ServerLink {
    id: LinkId,
    conn: usize,
    end: ServerEnd,
    control: VecDeque<Arc<[u8]>>,
    text: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// Sealed, and waiting for room in the stream.
    sealed: Vec<u8>,
    /// Bytes of entries that were pushed and not renewed.
    open: u64,
    lags: bool,
    closing: Option<Option<(ByeReason, String)>>,
    ending: Option<Time>,
    armed: Option<Time>,
    /// What was sent over it, to know what is refused.
    sends: HashMap<RequestId, SendId>,
    /// Records of the server, where links are sealed.
    records: u64,
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

    /// A stream was accepted; it has a place in the hub from now on.
    pub(super) fn accept(&mut self, index: usize) -> bool {
        let now = self.time;
        let Some(up) = &mut self.server.running else {
            return false;
        };
        let end = match self.rekey {
            Some(rekey) => {
                let mut seed = [0; 32];
                self.server.rng.fill(&mut seed);
                ServerEnd::sealed(Arc::clone(&self.server.key), seed, rekey, now)
            }
            None => ServerEnd::plain(now),
        };
        up.generation += 1;
        let free = up.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            up.slots.push(None);
            up.slots.len() - 1
        });
        let id = LinkId(up.generation << 32 | slot as u64);
        up.slots[slot] = Some(ServerLink {
            id,
            conn: index,
            end,
            control: VecDeque::new(),
            text: VecDeque::new(),
            bytes: 0,
            sealed: Vec::new(),
            open: 0,
            lags: false,
            closing: None,
            ending: None,
            armed: None,
            sends: HashMap::new(),
            records: 0,
        });
        let conn = &mut self.conns[index];
        (conn.age, conn.slot) = (self.server.age, slot);
        self.feed(Input::Accepted {
            link: id,
            from: 0,
            address: String::new(),
        });
        self.watch_link(slot);
        true
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

    /// From now on there is a filter.
    pub(super) fn load_plugins(&mut self, plugins: Plugins) {
        self.plugins = Some(plugins);
        self.feed(Input::Hooks(FromHooks::Subscriptions(Plugins::wanted())));
    }

    fn ask_plugins(&mut self, ask: &Ask) {
        let Some(plugins) = &mut self.plugins else {
            self.witness
                .complain("plugins are asked, and there are none");
            return;
        };
        let (verdict, wait, kept) = plugins.judge(ask, &self.disk.truth);
        if let Err(text) = kept {
            self.witness.complain(text);
        }
        self.tally.asked += 1;
        self.tally.rejected += u32::from(matches!(verdict, Verdict::Reject(_)));
        self.tally.modified += u32::from(matches!(verdict, Verdict::Modified(_)));
        let link = match &ask.question {
            Question::Entry(ask) => {
                // Also where its link has ended by then, and nobody hears of it.
                if let Verdict::Reject(_) = verdict {
                    self.witness.refuses(ask.id);
                }
                self.link_of_send(ask.id)
            }
            _ => None,
        };
        self.note(|| {
            let text = format!("asked {:?}: {verdict:?} after {wait:?}", ask.ticket);
            text.chars().take(200).collect()
        });
        let due = Due::Verdict(self.server.age, ask.ticket, verdict, link);
        self.after(wait, due);
    }

    pub(super) fn verdict(&mut self, ticket: Ticket, verdict: Verdict, link: Option<LinkId>) {
        self.tally.late += u32::from(link.is_some_and(|link| self.link_mut(link).is_none()));
        self.feed(Input::Hooks(FromHooks::Verdict(ticket, verdict)));
    }

    /// The link over which something was sent.
    fn link_of_send(&self, id: SendId) -> Option<LinkId> {
        let slots = self.server.running.iter().flat_map(|up| &up.slots);
        let mut links = slots.flatten();
        let its = |link: &&ServerLink| link.sends.values().any(|send| *send == id);
        links.find(its).map(|link| link.id)
    }

    /// A batch is being written.
    fn await_disk(&mut self, takes: Option<Duration>) {
        let Some(takes) = takes else { return };
        let age = self.server.age;
        if std::mem::take(&mut self.tear) {
            // In the middle of it, or when it is done and nobody knows.
            if self.rng.u8(..) < 60 {
                self.tear_told = true;
            } else {
                let at = Duration::from_micros(self.rng.u64(0..=takes.as_micros() as u64));
                self.after(at, Due::Tear(age));
            }
        }
        if self.disk.is_early() {
            self.after(Duration::ZERO, Due::HandOut(age));
        }
        self.after(takes, Due::Commit(age));
    }

    pub(super) fn commit(&mut self) {
        let (told, takes) = self.disk.commit();
        for fault in std::mem::take(&mut self.disk.faults) {
            self.witness.complain(fault);
        }
        let age = self.server.age;
        if std::mem::take(&mut self.tear_told) {
            let at = Duration::from_micros(self.rng.u64(0..=told.as_micros() as u64));
            self.after(at, Due::Tear(age));
        }
        self.after(told, Due::HandOut(age));
        self.await_disk(takes);
    }

    pub(super) fn hand_out(&mut self) {
        for committed in self.disk.hand_out() {
            self.note(|| describe(&committed));
            if let Some(Err(text)) = self.plugins.as_ref().map(|one| one.check(&committed)) {
                self.witness.complain(text);
            }
            if let Committed::Entry { .. } = committed {
                self.tally.entries += 1;
            }
            if let Committed::Trimmed { .. } = committed {
                self.tally.trims += 1;
            }
            self.feed(Input::Committed(committed));
        }
    }

    /// Retention cuts all logs.
    pub(super) fn trim(&mut self, keep: u64) {
        if self.server.is_up() {
            self.disk.trim(keep);
            self.after(Duration::ZERO, Due::HandOut(self.server.age));
        }
    }

    fn load(&mut self, ticket: Ticket, load: Load) {
        if matches!(load, Load::Read(..)) {
            self.tally.reads += 1;
        }
        let early = self.rng.bool().then(|| self.disk.read(&load));
        let wait = Duration::from_micros(self.rng.u64(50..4_000));
        let due = Due::Loaded(self.server.age, ticket, load, early);
        self.after(wait, due);
    }

    pub(super) fn loaded(
        &mut self,
        ticket: Ticket,
        load: &Load,
        early: Option<Result<Loaded, Fault>>,
    ) {
        let mut read = early.unwrap_or_else(|| self.disk.read(load));
        if self.disk.is_full && self.rng.u8(..) < 40 {
            read = Err(Fault::Io("simulated".to_owned()));
        }
        if let (Load::Lookup(..), Ok(Loaded::Lookup(Some(_)))) = (load, &read) {
            self.tally.known += 1;
        }
        self.feed(Input::Loaded(ticket, read));
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

    pub(super) fn server_bytes(&mut self, index: usize, bytes: &[u8]) {
        let now = self.time;
        let Some(slot) = self.slot_of(index) else {
            return;
        };
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        // Once the hub ends the link, what still comes is nobody's.
        if link.ending.is_some() {
            return;
        }
        let id = link.id;
        let mut end = link.end.handle_bytes(bytes, now).err().map(Some);
        let mut news = Vec::new();
        while end.is_none() {
            match link.end.poll_news() {
                Ok(None) => break,
                Ok(Some(ServerNews::Bye)) => end = Some(None),
                Ok(Some(other)) => news.push(other),
                Err(error) => end = Some(Some(error)),
            }
        }
        for news in news {
            let input = match news {
                ServerNews::Login(key, login) => Input::Login {
                    link: id,
                    key,
                    login,
                },
                ServerNews::Frame(message) => {
                    self.heard(id, &message);
                    Input::Frame { link: id, message }
                }
                ServerNews::Bye => continue,
            };
            self.feed(input);
        }
        match end {
            None => self.flush_server(index),
            Some(None) => self.end_link(slot, ByeReason::Left),
            Some(Some(error)) => self.fail_link(slot, &error),
        }
    }

    pub(super) fn server_broken(&mut self, index: usize) {
        if let Some(slot) = self.slot_of(index) {
            self.end_link(slot, ByeReason::Lost);
        }
        self.hang_up(index, Side::Server);
    }

    pub(super) fn link_time(&mut self, slot: usize) {
        let now = self.time;
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        link.armed = None;
        if link.ending.is_some_and(|ending| now >= ending) {
            return self.end_link(slot, ByeReason::Lost);
        }
        let due = link.end.poll_timeout().is_some_and(|due| due <= now);
        let index = link.conn;
        if due && let Err(error) = link.end.handle_timeout(now) {
            return self.fail_link(slot, &error);
        }
        self.flush_server(index);
    }

    fn fail_link(&mut self, slot: usize, error: &Error) {
        let reason = match error {
            Error::Link(LinkFault::Timeout) => ByeReason::Timeout,
            Error::Peer(Violation::Deadline) => ByeReason::Violation,
            Error::Peer(_) | Error::Version | Error::Misuse(_) | Error::Internal(_) => {
                self.witness
                    .complain(format!("a server's link ended with: {error}"));
                ByeReason::Violation
            }
            _ => ByeReason::Lost,
        };
        self.end_link(slot, reason);
    }

    /// A link is over: the stream is closed, and the hub is told.
    fn end_link(&mut self, slot: usize, reason: ByeReason) {
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let (id, index) = (link.id, link.conn);
        self.note(|| format!("the server's link {id} of conn {index} is over: {reason:?}"));
        self.hang_up(index, Side::Server);
        self.feed(Input::Gone { link: id, reason });
        // Only now may the place be used again: the hub has forgotten the link.
        if let Some(up) = &mut self.server.running {
            up.slots[slot] = None;
        }
    }

    /// Moves what waits for a link into its stream, as far as that takes it.
    pub(super) fn flush_server(&mut self, index: usize) {
        let now = self.time;
        let Some(slot) = self.slot_of(index) else {
            return;
        };
        let rekey = self.rekey;
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let mut outcome = link.end.poll_transmit(&mut link.sealed, now);
        if link.sealed.is_empty() && outcome.is_ok() {
            let mut frames = std::mem::take(&mut link.control);
            frames.append(&mut link.text);
            link.bytes = 0;
            if let Some(bye) = &link.closing
                && link.ending.is_none()
            {
                if let Some((reason, text)) = bye
                    && link.end.is_sealed()
                {
                    let bye = ToClient::Bye(*reason, text.clone());
                    let mut frame = Vec::new();
                    let _ = wire::encode_to_client(&bye, &mut frame);
                    frames.push_back(frame.into());
                }
                link.ending = Some(now + limits::BYE_WAIT);
            }
            if !frames.is_empty() {
                outcome = link.end.seal(&frames, &mut link.sealed, now);
                link.records += u64::from(link.end.is_sealed());
            }
        }
        let rekeyed = rekey.is_some_and(|rekey| link.records == rekey + 2);
        let mut sealed = std::mem::take(&mut link.sealed);
        self.tally.rekey += u32::from(rekeyed);
        self.write_some(index, Side::Client, &mut sealed);
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let is_flushed = link.ending.is_some() && sealed.is_empty();
        link.sealed = sealed;
        match outcome {
            Err(error) => self.fail_link(slot, &error),
            Ok(()) if is_flushed => self.end_link(slot, ByeReason::Lost),
            Ok(()) => self.watch_link(slot),
        }
    }

    fn watch_link(&mut self, slot: usize) {
        let Some(link) = self.slot_mut(slot) else {
            return;
        };
        let due = link.end.poll_timeout().into_iter().chain(link.ending).min();
        if let Some(due) = due
            && link.armed.is_none_or(|armed| due < armed)
        {
            link.armed = Some(due);
            let at = due.max(self.time);
            let age = self.server.age;
            self.agenda.put(at, Due::LinkTime(age, slot));
        }
    }

    fn push(&mut self, id: LinkId, control: bool, frame: Arc<[u8]>, touched: &mut Vec<LinkId>) {
        let Some(link) = self.link_mut(id) else {
            return;
        };
        if link.closing.is_some() {
            return;
        }
        link.bytes += frame.len();
        let bytes = link.bytes;
        if control {
            link.control.push_back(frame);
        } else {
            link.text.push_back(frame);
        }
        if !touched.contains(&id) {
            touched.push(id);
        }
        if bytes > limits::OUTLET_BYTES {
            self.witness.complain("an outlet overflows");
        }
    }

    /// An entry goes to a link, on its credit.
    fn charge(&mut self, id: LinkId, cost: u64) {
        let Some(link) = self.link_mut(id) else {
            return;
        };
        link.open += cost;
        let lags = link.open + limits::READ_CREDIT > limits::ENTRY_CREDIT;
        let began = lags && !std::mem::replace(&mut link.lags, lags);
        let beyond = link.open > limits::ENTRY_CREDIT;
        self.tally.lagging += u32::from(began);
        if beyond {
            self.witness
                .complain("entries are pushed beyond the credit");
        }
    }

    fn heard(&mut self, id: LinkId, message: &ToServer) {
        match message {
            ToServer::Credit(bytes) => {
                if let Some(link) = self.link_mut(id) {
                    link.open = link.open.saturating_sub(*bytes);
                    link.lags = false;
                }
            }
            ToServer::Send(send) => {
                self.tally.resend += u32::from(send.again);
                if let Some(link) = self.link_mut(id) {
                    link.sends.insert(send.request, send.id);
                }
            }
            _ => {}
        }
        self.note(|| match message {
            ToServer::Send(send) => format!(
                "server hears on {id}: send {} {} again={} to {:?}",
                send.request, send.id, send.again, send.target
            ),
            other => {
                let text = format!("server hears on {id}: {other:?}");
                text.chars().take(300).collect()
            }
        });
    }

    fn count(&mut self, id: LinkId, message: &ToClient) {
        if let ToClient::Error(request, refusal) = message {
            self.tally.after_refused += u32::from(refusal.code == Code::AfterRefused);
            let send = self.link_mut(id).and_then(|link| link.sends.get(request));
            if let Some(send) = send.copied()
                && !refusal.is_retryable()
            {
                self.witness.refuses(send);
            }
        }
        self.note(|| {
            let text = format!("server says on {id}: {message:?}");
            text.chars().take(300).collect()
        });
    }

    fn slot_of(&self, index: usize) -> Option<usize> {
        let conn = &self.conns[index];
        (conn.age == self.server.age && conn.server_open).then_some(conn.slot)
    }

    fn slot_mut(&mut self, slot: usize) -> Option<&mut ServerLink> {
        self.server.running.as_mut()?.slots.get_mut(slot)?.as_mut()
    }

    fn link_mut(&mut self, id: LinkId) -> Option<&mut ServerLink> {
        let slot = (id.0 & u64::from(u32::MAX)) as usize;
        self.slot_mut(slot).filter(|link| link.id == id)
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

fn describe(committed: &Committed) -> String {
    match committed {
        Committed::Entry { entry, .. } => format!(
            "committed {} {} by {} kind {} in {}",
            entry.seq, entry.id, entry.from_name, entry.body.kind.0, entry.conversation
        ),
        other => {
            let text = format!("{other:?}");
            text.chars().take(200).collect()
        }
    }
}
