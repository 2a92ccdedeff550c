//! The client's mind, pure: outbox, positions, conversations, when to connect again.

mod asks;
mod check;
mod command;
mod end;
mod file;
mod frame;
mod inbox;
mod link;
mod outbox;
mod queue;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Misuse};
use crate::id::{RequestId, SendId, Ticket};
use crate::limits;
use crate::model::{
    Answer, Body, Code, Now, Peer, PresenceState, Refusal, Request, Target, Time, ToClient,
    ToServer, UnixTime, Welcome,
};
use crate::port::{ProfileChange, Random};

use asks::{Ask, Asks};
use check::{check_body, check_request};
use end::{End, EndStage};
use file::{FetchWish, FileWish, Transfers};
use inbox::Inbox;
use link::Link;
use outbox::{Caller, Outbox, Put, Settled};
use queue::Queue;

pub use command::{Command, CommandId, Event};
pub use file::{Beginning, FileNews, FileSink, FileSource, FileWork, Written};
pub use link::{Setup, TrustRule};

/// The client's mind over many links, without I/O, clock or randomness of its own.
///
/// - [`handle`](Self::handle) takes something that happened outside; [`Input::Start`] is the first.
/// - [`command`](Self::command) takes a wish of the application.
/// - [`take_event`](Self::take_event) hands out the next event, and says that the ones before it are
///   dealt with.
/// - [`poll_timeout`](Self::poll_timeout) says when to give it [`Input::Timeout`]; asked anew after
///   each of the above.
///
/// Each of the first three may push [`Effect`]s, which are carried out in this order. Only saving,
/// files and links have an outcome, which comes back as [`Input::Saved`], [`Input::File`] and
/// [`Input::Ended`]. A driver
/// needs nothing else; nor does a simulator, which can hold any outcome back as long as it likes.
pub struct Agent {
    setup: Setup,
    random: Box<dyn Random>,
    link: Link,
    link_number: LinkNumber,
    /// Links in a row that did not become stable.
    failures: u32,
    enrolled: bool,
    /// The server does not know the enrolled key: log in with all there is.
    full_login: bool,
    welcome: Option<Arc<Welcome>>,
    /// The server's date at its last welcome, and when that was. Send ids count on from it: this
    /// machine's date may be wrong, and may be set while a link is up.
    server_date: Option<(Time, UnixTime)>,
    outbox: Outbox,
    inbox: Inbox,
    asks: Asks,
    transfers: Transfers,
    queue: Queue,
    presence: Option<(PresenceState, String)>,
    leave: Option<Leave>,
    end: Option<End>,
    saves: HashMap<Ticket, Vec<AfterSave>>,
    next_ticket: u64,
    next_request: u32,
    next_command: u64,
    app_gone: bool,
}

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// The agent may begin. Once, before everything else.
    Start,
    /// The server at the other end proved to have this key. The link waits for
    /// [`Effect::Accept`].
    ServerKey {
        /// Over which link.
        link: LinkNumber,
        /// The key.
        key: [u8; 32],
        /// Its fingerprint.
        fingerprint: String,
    },
    /// A frame arrived.
    Frame(LinkNumber, ToClient),
    /// The link could not be made, or is gone, after all its frames were handed in. Also the answer
    /// to [`Effect::Close`], whose error does not matter.
    Ended(LinkNumber, Error),
    /// What [`Effect::Save`] wanted is durable, or was not written.
    Saved(Ticket, Result<(), Error>),
    /// What became of an [`Effect::File`].
    File(SendId, FileNews),
    /// It is [`Agent::poll_timeout`], or later.
    Timeout,
    /// Nobody will take events or give commands any more.
    AppGone,
}

/// Something that is to be done outside.
#[derive(Debug)]
pub enum Effect {
    /// Make a link, in place of any other. Ends with [`Input::Ended`].
    Connect(LinkNumber),
    /// The server's key is the right one: finish the handshake. Nothing of this side's identity may
    /// go out before.
    Accept,
    /// Send a frame over the present link. The first is a login.
    Write(ToServer),
    /// Send what waits, but no longer than [`limits::BYE_WAIT`], then close the link.
    Close,
    /// Drop the link now. No [`Input::Ended`] follows.
    Cut,
    /// Write to the profile, in the order of these effects. Several may be written together.
    Save(Ticket, Vec<ProfileChange>),
    /// Do something with the file of this transfer, in the order of these effects. Some have an outcome,
    /// which comes back as [`Input::File`].
    File(SendId, FileWork),
    /// Remember the key of the configured server, where accepted keys are shared by profiles.
    Remember([u8; 32]),
}

/// Tells links of an agent apart, so that late news of an old one is ignored.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkNumber(pub u64);

/// What follows when something is durable.
#[derive(Debug)]
enum AfterSave {
    Queued(u64),
    Canceled(CommandId, Settled),
    /// A transfer, by its order.
    Transfer(u64),
    /// What to tell of it, and the command that is answered.
    TransferCanceled(CommandId, Box<Event>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Leave {
    Flush,
    Now,
}

impl Agent {
    /// An agent that does nothing before [`Input::Start`].
    #[must_use]
    pub fn new(mut setup: Setup, random: Box<dyn Random>) -> Self {
        let state = std::mem::take(&mut setup.state);
        let mut outbox = Outbox::default();
        outbox.load(state.outbox);
        let mut transfers = Transfers::default();
        transfers.load(state.transfers);
        let mut inbox = Inbox::default();
        inbox.load(setup.positions.take().unwrap_or(state.positions));
        Self {
            enrolled: state.enrolled && setup.durable,
            setup,
            random,
            link: Link::Idle,
            link_number: LinkNumber(0),
            failures: 0,
            full_login: false,
            welcome: None,
            server_date: None,
            outbox,
            inbox,
            asks: Asks::default(),
            transfers,
            queue: Queue::default(),
            presence: None,
            leave: None,
            end: None,
            saves: HashMap::new(),
            next_ticket: 0,
            next_request: FIRST_REQUEST,
            next_command: 0,
            app_gone: false,
        }
    }

    /// Takes something that happened outside.
    pub fn handle(&mut self, input: Input, now: Now, effects: &mut Vec<Effect>) {
        match input {
            // Somebody may have left before the start.
            Input::Start if self.end.is_some() => {}
            Input::Start => self.connect(effects),
            Input::ServerKey {
                link,
                key,
                fingerprint,
            } => self.handle_server_key(link, key, fingerprint, effects),
            Input::Frame(link, frame) => self.handle_link_frame(link, frame, now, effects),
            Input::Ended(link, error) => self.handle_ended(link, error, now, effects),
            Input::Saved(ticket, outcome) => self.handle_saved(ticket, &outcome, now, effects),
            Input::File(id, news) => self.handle_file(id, news, now, effects),
            Input::Timeout => {}
            Input::AppGone => {
                self.app_gone = true;
                self.leave(Leave::Now, effects);
            }
        }
        self.advance(now, effects);
    }

    /// Takes a wish of the application.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when it can't succeed as it is, or too much waits for answers;
    /// [`Error::Closed`] after [`Command::Leave`] or the end. Nothing was taken then.
    pub fn command(
        &mut self,
        command: Command,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<CommandId, Error> {
        // Somebody who waits for a flush may still have to let it happen, or give up on it.
        let late = matches!(
            command,
            Command::Trust(_)
                | Command::Cancel(_)
                | Command::Abandon(_)
                | Command::Leave { .. }
                | Command::Outbox
        );
        if self.end.is_some() || (self.leave.is_some() && !late) {
            return Err(Error::Closed);
        }
        let id = CommandId(self.next_command);
        self.handle_command(id, command, now, effects)?;
        self.next_command += 1;
        self.advance(now, effects);
        Ok(id)
    }

    /// Hands out the next event. Whatever was handed out before counts as taken by the application:
    /// its position may be saved, and the server be told that it was delivered.
    pub fn take_event(&mut self, now: Now, effects: &mut Vec<Effect>) -> Option<Event> {
        for (mark, link) in self.queue.take_held() {
            let here = link == self.link_number && self.link.is_up();
            self.inbox.handle_taken(mark, here, now.time);
        }
        let event = self.queue.pop();
        if let Some(end) = &mut self.end
            && let EndStage::Draining(until) = &mut end.stage
        {
            *until = now.time + limits::TAKE_WAIT;
        }
        self.advance(now, effects);
        // The end may have come just now.
        event.or_else(|| self.queue.pop())
    }

    /// When to give it [`Input::Timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let mut due = self.inbox.poll_timeout(self.link.is_up());
        let mut sooner = |time: Option<Time>| due = due.into_iter().chain(time).min();
        if self.link.is_up() {
            sooner(self.outbox.poll_timeout());
            sooner(self.transfers.poll_timeout());
        }
        if let Link::Paused(until) = &self.link
            && !self.queue.is_full()
        {
            sooner(Some(*until));
        }
        if let Some(end) = &self.end {
            return match end.stage {
                EndStage::Draining(until) => Some(until),
                _ => None,
            };
        }
        due
    }

    /// Whether [`take_event`](Self::take_event) has one.
    #[must_use]
    pub fn has_event(&self) -> bool {
        self.queue.has_event()
    }

    /// How many events wait to be taken that answer no command of this run.
    #[must_use]
    pub fn events_waiting(&self) -> usize {
        self.queue.unasked()
    }

    /// At the end, once everything that stays open was told: whether nothing stayed open.
    #[must_use]
    pub fn is_settled(&self) -> Option<bool> {
        let end = self.end.as_ref()?;
        (end.stage != EndStage::Winding).then_some(end.settled)
    }

    /// Whether it is over: [`Event::Closed`] is in the queue or was taken, and nothing is left to do.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let end = self.end.as_ref();
        end.is_some_and(|end| end.stage == EndStage::Closed)
    }

    fn handle_command(
        &mut self,
        id: CommandId,
        command: Command,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        match command {
            Command::Send {
                target,
                body,
                id: send_id,
                label,
            } => self.send((id, label), target, body, send_id, now, effects)?,
            Command::SendFile {
                target,
                source,
                name,
                media_type,
                id: send_id,
                label,
            } => {
                let wish = FileWish {
                    target,
                    source,
                    name,
                    media_type,
                    id: send_id,
                    label,
                };
                self.send_file(id, wish, now, effects)?;
            }
            Command::Fetch {
                blob,
                sink,
                start,
                length,
                label,
            } => {
                let wish = FetchWish {
                    blob,
                    sink,
                    start,
                    length,
                    label,
                };
                self.fetch(id, wish, now, effects)?;
            }
            Command::Cancel(send_id) if self.transfers.knows(send_id) => {
                self.cancel_transfer(id, send_id, effects);
            }
            Command::Cancel(send_id) => {
                if !self.cancel(id, send_id, effects) {
                    self.queue.push(Event::Refused {
                        command: Some(id),
                        label: String::new(),
                        id: Some(send_id),
                        refusal: Refusal::because(
                            Code::NoSuchEntry,
                            "there is no such message in the outbox; it may have arrived already",
                        ),
                    });
                }
            }
            Command::Abandon(command) => {
                self.asks.abandon(command);
                if let Some(send_id) = self.outbox.sent_by(command) {
                    self.cancel(id, send_id, effects);
                } else if let Some(transfer) = self.transfers.begun_by(command) {
                    self.cancel_transfer(id, transfer, effects);
                }
            }
            Command::Ask(request) => {
                check_request(&request)?;
                if self.asks.is_full() || self.queue.is_full() {
                    return Err(Misuse::Full.into());
                }
                let known = match &request {
                    Request::Create { room, .. } => {
                        self.inbox.joined(&Peer::Room(room.clone())).is_some()
                    }
                    _ => false,
                };
                self.asks.put(Ask {
                    command: id,
                    request,
                    again: false,
                    known,
                });
            }
            Command::Typing(target) => {
                if self.link.is_up() {
                    effects.push(Effect::Write(ToServer::Typing(target)));
                }
            }
            Command::Presence(state, text) => {
                if text.len() > limits::PRESENCE_BYTES {
                    return Err(Misuse::TooLong(limits::PRESENCE_BYTES).into());
                }
                if self.link.is_up() {
                    effects.push(Effect::Write(ToServer::Presence(state, text.clone())));
                }
                self.presence = Some((state, text));
            }
            Command::Trust(key) => self.trust(key, effects)?,
            Command::Outbox => {
                if self.queue.is_full() {
                    return Err(Misuse::Full.into());
                }
                self.queue.push(Event::Outbox {
                    command: id,
                    items: self
                        .outbox
                        .list()
                        .into_iter()
                        .chain(self.transfers.list())
                        .collect(),
                });
            }
            Command::Leave { flush: true } => self.leave = self.leave.or(Some(Leave::Flush)),
            Command::Leave { flush: false } => self.leave(Leave::Now, effects),
        }
        Ok(())
    }

    fn send(
        &mut self,
        caller: Caller,
        target: Target,
        body: Body,
        id: Option<SendId>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        check_body(&body)?;
        if caller.1.len() > limits::LABEL_BYTES {
            return Err(Misuse::TooLong(limits::LABEL_BYTES).into());
        }
        if self.queue.is_full() {
            return Err(Misuse::Full.into());
        }
        let given = id.is_some();
        let id = id.unwrap_or_else(|| self.new_send_id(now));
        let target = self.inbox.canonical(target);
        let (command, label) = caller.clone();
        let queued = Event::Queued { command, label, id };
        match self.outbox.put(id, given, target, body, caller)? {
            Put::Save(order, item) => {
                let put = vec![ProfileChange::PutItem(*item)];
                self.save(put, vec![AfterSave::Queued(order)], effects);
            }
            Put::Joined => self.queue.push(queued),
            // Told together with the first one.
            Put::Joining => {}
            Put::Acked(peer, seq) => {
                let (command, label) = match &queued {
                    Event::Queued { command, label, .. } => (Some(*command), label.clone()),
                    _ => (None, String::new()),
                };
                self.queue.push(queued);
                self.queue.push(Event::Acked {
                    command,
                    label,
                    id,
                    peer,
                    seq,
                });
            }
        }
        Ok(())
    }

    /// Takes an item out of the outbox, if it is there.
    fn cancel(&mut self, id: CommandId, send_id: SendId, effects: &mut Vec<Effect>) -> bool {
        let Some(settled) = self.outbox.cancel(send_id) else {
            return false;
        };
        if settled.blocked && self.link.is_up() {
            effects.push(Effect::Write(ToServer::Cancel {
                target: settled.target.clone(),
                id: send_id,
            }));
        }
        let drop = vec![ProfileChange::DropItem(send_id)];
        self.save(drop, vec![AfterSave::Canceled(id, settled)], effects);
        true
    }

    fn new_send_id(&mut self, now: Now) -> SendId {
        let mut random = [0; 10];
        self.random.fill(&mut random);
        let date = match self.server_date {
            Some((then, date)) => date + now.time.since(then),
            None => now.date,
        };
        SendId::new(date, random)
    }

    fn leave(&mut self, leave: Leave, effects: &mut Vec<Effect>) {
        self.leave = Some(leave);
        if self.end.is_none() && leave == Leave::Now {
            self.end(None, None, effects);
        }
    }

    fn handle_saved(
        &mut self,
        ticket: Ticket,
        outcome: &Result<(), Error>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        for after in self.saves.remove(&ticket).unwrap_or_default() {
            match (after, outcome) {
                (AfterSave::Queued(order), Ok(())) => {
                    let (id, callers) = self.outbox.handle_saved(order).unwrap_or_default();
                    for (command, label) in callers {
                        self.queue.push(Event::Queued { command, label, id });
                    }
                }
                (AfterSave::Queued(order), Err(error)) => {
                    if let Some(settled) = self.outbox.handle_not_saved(order) {
                        let text = format!("the message could not be kept: {error}");
                        self.tell_refused(settled, &Refusal::because(Code::Storage, text));
                    }
                }
                (AfterSave::Transfer(order), _) => {
                    self.handle_transfer_saved(order, outcome, now, effects);
                }
                (AfterSave::TransferCanceled(command, canceled), _) => {
                    self.queue.push(*canceled);
                    self.queue.push(Event::Answer {
                        command,
                        answer: Answer::Done,
                        peer: None,
                    });
                }
                (AfterSave::Canceled(command, settled), _) => {
                    // Even if the item comes again at the next start, nothing sends it in this run.
                    let answer = Answer::Done;
                    for (command, label) in callers_of(settled.callers, settled.label) {
                        self.queue.push(Event::Canceled {
                            command,
                            label,
                            id: settled.id,
                        });
                    }
                    self.queue.push(Event::Answer {
                        command,
                        answer,
                        peer: None,
                    });
                }
            }
        }
    }

    fn tell_ask_refused(&mut self, ask: &Ask, refusal: Refusal) {
        self.queue.push(Event::Refused {
            command: Some(ask.command),
            label: String::new(),
            id: None,
            refusal,
        });
    }

    fn tell_refused(&mut self, settled: Settled, refusal: &Refusal) {
        for (command, label) in callers_of(settled.callers, settled.label) {
            self.queue.push(Event::Refused {
                command,
                label,
                id: Some(settled.id),
                refusal: refusal.clone(),
            });
        }
    }

    fn save(
        &mut self,
        changes: Vec<ProfileChange>,
        after: Vec<AfterSave>,
        effects: &mut Vec<Effect>,
    ) {
        if changes.is_empty() {
            return;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.saves.insert(ticket, after);
        effects.push(Effect::Save(ticket, changes));
    }

    /// Does whatever can be done now. Called after everything that happens.
    fn advance(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.end.is_none() {
            self.advance_link(now, effects);
            self.advance_transfers(now, effects);
            let settled = self.leave == Some(Leave::Flush)
                && self.saves.is_empty()
                && self.asks.is_settled()
                && self.transfers.is_settled()
                && self.outbox.is_settled();
            if settled {
                self.end(None, None, effects);
            }
        }
        if self.end.is_none() {
            let changes = self.inbox.poll_positions(false, now.time);
            self.save(changes, Vec::new(), effects);
        } else {
            self.advance_end(now.time, effects);
        }
    }

    fn advance_link(&mut self, now: Now, effects: &mut Vec<Effect>) {
        match &self.link {
            Link::Paused(until) if *until <= now.time && !self.queue.is_full() => {
                self.connect(effects);
            }
            Link::Up(_) => self.fill_link(now, effects),
            _ => {}
        }
    }

    /// Sends what the link may take.
    fn fill_link(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.outbox.handle_timeout(now.time);
        let credit = self.welcome.as_ref().map_or(0, |w| w.limits.sends) as usize;
        // Each send and request ends in an event: a slow application slows itself down.
        while !self.queue.is_full() {
            let id = RequestId(self.next_request);
            // In the order of the commands: what is sent into a room may need the join before it.
            let send_at = self.outbox.next_command();
            let ask_first = self
                .asks
                .next_command()
                .is_some_and(|ask| send_at.is_none_or(|send| ask < send));
            let message = if ask_first {
                let listed = self.inbox.is_listed();
                let request = self.asks.next_request(id, listed, self.transfers.asking());
                request.map(|request| ToServer::Request(id, request))
            } else if self.outbox.flying() < credit {
                self.outbox.next_send(id).map(ToServer::Send)
            } else {
                None
            };
            let Some(message) = message else { break };
            self.next_request = self.next_request.saturating_add(1);
            effects.push(Effect::Write(message));
        }
        for frame in self.inbox.poll_frames(false, now.time) {
            effects.push(Effect::Write(frame));
        }
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("link", &self.link)
            .field("link_number", &self.link_number)
            .field("leave", &self.leave)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Numbers only grow on a link, and 0 is the one that was never used.
const FIRST_REQUEST: u32 = 1;

/// Whom to tell about a send: those who asked for it in this run, or nobody in particular.
fn callers_of(callers: Vec<Caller>, label: String) -> Vec<(Option<CommandId>, String)> {
    if callers.is_empty() {
        return vec![(None, label)];
    }
    let callers = callers.into_iter();
    callers.map(|(id, label)| (Some(id), label)).collect()
}
