//! The server's mind, pure: accounts, rooms, members, links, and what goes where.
//!
//! The hub answers each [`Input`] with [`Effect`]s and never waits. What takes time (a write, a read,
//! a password) is an effect with a [`Ticket`]; its answer comes back as an input, after any number of
//! others. Whoever drives it must keep two orders: effects are done in the order in which they were
//! put out, and a batch of commits is handed in before anything that happened after it.

mod account;
mod admin;
mod delivery;
mod gate;
mod link;
mod lists;
mod login;
mod membership;
mod presence;
mod receipt;
mod resume;
mod room;
mod sending;
mod visible;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use slab::Slab;

use self::account::{AccountState, Accounts};
use self::delivery::Stalled;
use self::gate::Gate;
use self::link::{Link, Links};
use self::presence::PresenceBook;
use self::receipt::ReceiptBook;
use self::room::RoomState;
use self::sending::Parked;
use crate::id::{AccountId, ConversationId, DeviceId, LinkId, RequestId, SendId, Seq, Ticket};
use crate::limits;
use crate::model::{
    Admin, AdminAnswer, Answer, ByeReason, Code, Entry, HistoryFrom, HistoryItem, Invite, Login,
    Now, Refusal, Registration, Request, RoomName, Span, Time, ToClient, ToServer,
};
use crate::port::{Append, Committed, DirectoryChange, Fault, Random, SearchPage, Snapshot, Write};

/// The server's routing state.
///
/// - [`handle`](Self::handle) takes something that happened outside.
/// - [`poll_timeout`](Self::poll_timeout) tells when [`Input::Due`] is due.
pub struct Hub {
    policy: Policy,
    now: Now,
    random: Box<dyn Random>,
    accounts: Accounts,
    invites: HashMap<[u8; 32], Invite>,
    rooms: HashMap<ConversationId, Box<RoomState>>,
    room_names: BTreeMap<RoomName, ConversationId>,
    links: Links,
    gate: Gate,
    pending: Slab<Pending>,
    presence: PresenceBook,
    receipts: ReceiptBook,
    stalled: Stalled,
    lobby: Option<ConversationId>,
    /// Argon2 runs that were asked for and not answered.
    passwords_waiting: usize,
    /// Bytes of appends that were issued and not answered.
    appending: usize,
    /// Entries that were appended since the start.
    appended: u64,
    draining: Option<Draining>,
    /// Links that may be logged in.
    most_links: usize,
}

/// What the operator decided.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Who may open an account.
    pub registration: Registration,
    /// A room that new accounts are put into.
    pub lobby: Option<RoomName>,
    /// Random, new at each start: epochs of direct conversations come from it.
    pub epoch_seed: [u8; 16],
    /// Whether acknowledged means on disk; told to clients.
    pub durable: bool,
}

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// A stream was accepted; `from` stands for its address (for IPv6: its /64).
    Accepted {
        /// The new link.
        link: LinkId,
        /// Whatever tells addresses apart.
        from: u64,
    },
    /// A peer finished the handshake and says who it is.
    Login {
        /// Over which link.
        link: LinkId,
        /// Its static key.
        key: [u8; 32],
        /// What it says.
        login: Box<Login>,
    },
    /// A frame of a link that is logged in.
    Frame {
        /// Over which link.
        link: LinkId,
        /// The frame.
        message: ToServer,
    },
    /// A link ended.
    Gone {
        /// Which.
        link: LinkId,
        /// Why.
        reason: ByeReason,
    },
    /// A password was checked.
    Verified(Ticket, bool),
    /// A password was hashed; `None` when that failed.
    Hashed(Ticket, Option<String>),
    /// What the store committed or refused.
    Committed(Committed),
    /// What was read.
    Loaded(Ticket, Result<Loaded, Fault>),
    /// The operator wants something.
    Admin(u64, Admin),
    /// Stop: say goodbye, write what is left.
    Drain,
    /// The time of [`Hub::poll_timeout`] has come.
    Due,
}

/// Something to be done outside.
#[derive(Debug)]
pub enum Effect {
    /// Send to one link.
    Send(LinkId, ToClient),
    /// Send one entry to many links.
    Fan(Vec<LinkId>, Arc<Entry>),
    /// End a link: say goodbye first, if there is a reason for it.
    Close(LinkId, Option<(ByeReason, String)>),
    /// Hand a write to the store; [`Input::Committed`] answers.
    Write(Ticket, Write),
    /// Read; [`Input::Loaded`] answers.
    Load(Ticket, Load),
    /// Hash a password; [`Input::Hashed`] answers.
    Hash(Ticket, String),
    /// Check a password against a PHC string, or against none at the same cost;
    /// [`Input::Verified`] answers.
    Verify(Ticket, String, Option<String>),
    /// Answer the operator.
    Admin(u64, Result<AdminAnswer, Refusal>),
    /// Everything that was to be done before stopping is done.
    Drained,
}

/// Something to read.
#[derive(Clone, Debug)]
pub enum Load {
    /// Entries after a place.
    Read(ConversationId, Seq, usize),
    /// A page of history.
    History(ConversationId, Vec<Span>, HistoryFrom, usize),
    /// Where a send id stands.
    Lookup(AccountId, SendId),
    /// How many entries that count as unread there were up to a place.
    Counted(ConversationId, Seq),
    /// Words.
    Search(Vec<(ConversationId, Vec<Span>)>, String, Option<u64>),
}

/// What was read.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// For [`Load::Read`].
    Read(Vec<Arc<Entry>>),
    /// For [`Load::History`].
    History(Vec<HistoryItem>, bool),
    /// For [`Load::Lookup`].
    Lookup(Option<(ConversationId, Seq)>),
    /// For [`Load::Counted`].
    Counted(u64),
    /// For [`Load::Search`].
    Search(SearchPage),
}

impl Hub {
    /// Builds the state from what the store holds.
    #[must_use]
    pub fn new(policy: Policy, snapshot: Snapshot, random: Box<dyn Random>) -> Self {
        let mut hub = Self {
            policy,
            now: Now::default(),
            random,
            accounts: Accounts::default(),
            invites: HashMap::new(),
            rooms: HashMap::new(),
            room_names: BTreeMap::new(),
            links: Links::default(),
            gate: Gate::default(),
            pending: Slab::new(),
            presence: PresenceBook::default(),
            receipts: ReceiptBook::default(),
            stalled: Stalled::default(),
            lobby: None,
            passwords_waiting: 0,
            appending: 0,
            appended: 0,
            draining: None,
            most_links: limits::LINKS,
        };
        hub.restore(snapshot);
        hub
    }

    /// With fewer links than [`limits::LINKS`], where the process can't hold so many streams: one in
    /// eight may be new, and one in eight is left for those that are being ended.
    #[must_use]
    pub fn with_streams(mut self, streams: usize) -> Self {
        let new = (streams / 8).clamp(1, limits::NEW_LINKS);
        self.gate.bound(new);
        self.most_links = streams.saturating_sub(2 * new).clamp(1, limits::LINKS);
        self
    }

    /// What has to be done before anything else: makes the lobby if it is not there.
    pub fn start(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.now = now;
        self.open_lobby(out);
    }

    /// Takes something that happened outside, and adds what has to be done to `out`.
    pub fn handle(&mut self, input: Input, now: Now, out: &mut Vec<Effect>) {
        self.now = now;
        match input {
            Input::Accepted { link, from } => self.gate.accepted(link, from, out),
            Input::Login { link, key, login } => self.handle_login(link, key, *login, out),
            Input::Frame { link, message } => self.handle_frame(link, message, out),
            Input::Gone { link, reason } => {
                self.gate.gone(link);
                self.drop_link(link, reason);
            }
            Input::Verified(ticket, good) => {
                self.passwords_waiting = self.passwords_waiting.saturating_sub(1);
                match self.take_pending(ticket) {
                    Some(Pending::Login(attempt)) => self.login_verified(attempt, good, out),
                    Some(Pending::OldPassword(change)) => {
                        self.old_password_verified(change, good, out)
                    }
                    _ => {}
                }
            }
            Input::Hashed(ticket, hash) => {
                self.passwords_waiting = self.passwords_waiting.saturating_sub(1);
                match self.take_pending(ticket) {
                    Some(Pending::Login(attempt)) => self.registration_hashed(attempt, hash, out),
                    Some(Pending::NewPassword(change)) => {
                        self.new_password_hashed(change, hash, out)
                    }
                    Some(Pending::AdminHash(id, wish)) => self.admin_hashed(id, wish, hash, out),
                    _ => {}
                }
            }
            Input::Committed(committed) => self.handle_committed(committed, out),
            Input::Loaded(ticket, loaded) => self.handle_loaded(ticket, loaded, out),
            Input::Admin(id, wish) => self.handle_admin(id, wish, out),
            Input::Drain => self.handle_drain(out),
            Input::Due => {}
        }
        self.flush_due(out);
        self.check_drained(out);
    }

    /// When [`Input::Due`] is due, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let draining = self.draining.as_ref().and_then(Draining::due);
        [
            self.presence.due(),
            self.receipts.due(),
            self.receipts.write_due(),
            self.stalled.due(),
            draining,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// How many links are logged in.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    fn handle_frame(&mut self, link: LinkId, message: ToServer, out: &mut Vec<Effect>) {
        // A link that was closed may have had frames under way.
        if self.links.get(link).is_none() {
            return;
        }
        match message {
            ToServer::Resume(resume) => self.handle_resume(link, resume, out),
            ToServer::Send(send) => self.handle_send(link, send, out),
            ToServer::Cancel { target, id } => self.handle_cancel(link, &target, id),
            ToServer::Request(request, wish) => self.handle_request(link, request, wish, out),
            ToServer::Credit(bytes) => self.handle_credit(link, bytes, out),
            ToServer::Delivered(cursors) => self.handle_delivered(link, &cursors),
            ToServer::Typing(target) => self.handle_typing(link, &target, out),
            ToServer::Presence(state, text) => self.handle_presence(link, state, text),
            // The session deals with these.
            ToServer::Login(_)
            | ToServer::Ping(_)
            | ToServer::Pong(_)
            | ToServer::Rekey
            | ToServer::Bye => {}
        }
    }

    fn handle_request(
        &mut self,
        id: LinkId,
        request: RequestId,
        wish: Request,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.requests >= limits::REQUESTS {
            let refusal = Refusal::new(Code::Busy).retry_in(1000);
            out.push(Effect::Send(id, ToClient::Error(request, refusal)));
            return;
        }
        link.requests += 1;
        let asked = Asked {
            link: id,
            account: link.account,
            request,
        };
        let answer = match wish {
            Request::Create {
                room,
                public,
                history,
            } => self.create_room(asked, &room, public, history, out),
            Request::Change {
                target,
                account,
                change,
                role,
                seconds,
            } => self.change_member(asked, &target, account.as_ref(), change, role, seconds, out),
            Request::Rooms { after } => Ok(Some(self.list_rooms(asked, after.as_deref()))),
            Request::Members { target, after } => self
                .list_members(asked, &target, after.as_deref())
                .map(Some),
            Request::Who { after } => Ok(Some(self.list_who(asked, after.as_deref()))),
            Request::History {
                target,
                from,
                limit,
            } => self.read_history(asked, &target, from, limit, out),
            Request::Search {
                target,
                text,
                after,
            } => self.search(asked, target.as_ref(), text, after.as_deref(), out),
            Request::Conversations { after } => {
                Ok(Some(self.list_conversations(asked, after.as_deref())))
            }
            Request::Read { target, seq } => self.mark_read(asked, &target, seq, out),
            Request::Receipts { target } => self.list_receipts(asked, &target).map(Some),
            Request::Devices => Ok(Some(self.list_devices(asked))),
            Request::Revoke { device } => self.revoke_device(asked, device, out),
            Request::Password {
                old,
                new,
                keep_devices,
            } => self.change_password(asked, old, new, keep_devices, out),
            Request::Command { name, .. } => Err(Refusal::because(
                Code::NotSupported,
                format!(
                    "there is no command \"{}\"; the list of commands is empty",
                    login::clip(&name, limits::NAME_BYTES)
                ),
            )),
            Request::Commands => Ok(Some(Answer::Commands(Vec::new()))),
        };
        match answer {
            Ok(Some(answer)) => self.answer(asked, Ok(answer), out),
            // It will be answered when the store did.
            Ok(None) => {}
            Err(refusal) => self.answer(asked, Err(refusal), out),
        }
    }

    /// Answers a request, if its link is still there.
    fn answer(&mut self, asked: Asked, answer: Result<Answer, Refusal>, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(asked.link) else {
            return;
        };
        link.requests = link.requests.saturating_sub(1);
        out.push(Effect::Send(
            asked.link,
            match answer {
                Ok(answer) => ToClient::Answer(asked.request, answer),
                Err(refusal) => ToClient::Error(asked.request, refusal),
            },
        ));
    }

    fn handle_committed(&mut self, committed: Committed, out: &mut Vec<Effect>) {
        match committed {
            Committed::Entry {
                ticket,
                entry,
                counted,
                changes,
            } => {
                self.appended += 1;
                let pending = ticket.and_then(|ticket| self.take_pending(ticket));
                self.handle_tail(pending, &entry, counted, changes, out);
            }
            Committed::Changed { ticket, changes } => {
                let ended = self.ended_by(&changes);
                for change in changes {
                    self.apply(change, None);
                }
                match ticket.and_then(|ticket| self.take_pending(ticket)) {
                    Some(Pending::Enroll(attempt)) => self.enter(attempt, out),
                    Some(Pending::Done(asked)) => self.answer(asked, Ok(Answer::Done), out),
                    Some(Pending::Password(asked, keep)) => self.password_changed(asked, keep, out),
                    Some(Pending::AdminWrite(id, answer)) => {
                        out.push(Effect::Admin(id, Ok(answer)));
                    }
                    _ => {}
                }
                for (link, reason, text) in ended {
                    self.close(link, reason, text, out);
                }
            }
            Committed::Duplicate {
                ticket,
                conversation,
                seq,
            } => {
                if let Some(Pending::Append(append)) = self.take_pending(ticket) {
                    self.append_known(append, conversation, seq, out);
                }
            }
            Committed::Failed { ticket, fault } => match self.take_pending(ticket) {
                Some(Pending::Append(append)) => self.append_failed(append, &fault, out),
                Some(Pending::Enroll(attempt)) => self.enroll_failed(attempt, &fault, out),
                Some(Pending::Done(asked) | Pending::Password(asked, _)) => {
                    self.answer(asked, Err(storage_refusal(&fault)), out);
                }
                Some(Pending::AdminWrite(id, _)) => {
                    let refusal = match fault {
                        Fault::Taken => Code::NameTaken.into(),
                        fault => storage_refusal(&fault),
                    };
                    out.push(Effect::Admin(id, Err(refusal)));
                }
                Some(Pending::Cursors(cursors)) => {
                    self.receipts.write_failed(cursors, self.now.time)
                }
                _ => {}
            },
            Committed::Trimmed {
                conversation,
                first,
            } => {
                if let Some(room) = self.rooms.get_mut(&conversation) {
                    room.trim(first);
                }
            }
        }
    }

    /// Links of accounts and devices that these changes put an end to. A device that logged in while
    /// the change was on its way is among them.
    fn ended_by(&self, changes: &[DirectoryChange]) -> Vec<(LinkId, ByeReason, &'static str)> {
        let mut ended = Vec::new();
        for change in changes {
            match change {
                DirectoryChange::RemoveAccount(id) => {
                    let links = self.account(*id).map_or(&[][..], |state| &state.links);
                    let why = (ByeReason::Banned, "this account was deleted");
                    ended.extend(links.iter().map(|link| (*link, why.0, why.1)));
                }
                DirectoryChange::RemoveDevice(id) => {
                    let account = self.accounts.device(*id).map(|device| device.account);
                    let state = account.and_then(|account| self.account(account));
                    let links = state.map_or(&[][..], |state| &state.links);
                    let its = |link: &&LinkId| {
                        let link = self.links.get(**link);
                        link.is_some_and(|link| link.device == *id)
                    };
                    let why = (ByeReason::Kicked, "this device was revoked");
                    ended.extend(links.iter().filter(its).map(|link| (*link, why.0, why.1)));
                }
                _ => {}
            }
        }
        ended
    }

    fn handle_loaded(
        &mut self,
        ticket: Ticket,
        loaded: Result<Loaded, Fault>,
        out: &mut Vec<Effect>,
    ) {
        match (self.take_pending(ticket), loaded) {
            (Some(Pending::Read(link, conversation)), loaded) => {
                let entries = match loaded {
                    Ok(Loaded::Read(entries)) => Ok(entries),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.handle_read(link, conversation, entries, out);
            }
            (Some(Pending::Lookup(send)), loaded) => {
                let known = match loaded {
                    Ok(Loaded::Lookup(known)) => Ok(known),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.looked_up(*send, known, out);
            }
            (Some(Pending::Counted(asked, conversation, seq)), Ok(Loaded::Counted(counted))) => {
                self.move_read(asked.account, conversation, seq, counted);
                self.answer(asked, Ok(Answer::Done), out);
            }
            (Some(Pending::Asked(asked)), Ok(Loaded::History(items, more))) => {
                self.answer(asked, Ok(Answer::History(items, more)), out);
            }
            (Some(Pending::Asked(asked)), Ok(Loaded::Search(page))) => {
                let next = page.next.map(|next| next.to_string());
                self.answer(asked, Ok(Answer::Search(page.entries, next)), out);
            }
            (Some(Pending::Asked(asked) | Pending::Counted(asked, ..)), Err(fault)) => {
                self.answer(asked, Err(storage_refusal(&fault)), out);
            }
            _ => {}
        }
    }

    /// Ends a link on the hub's own account.
    fn close(&mut self, id: LinkId, reason: ByeReason, text: &str, out: &mut Vec<Effect>) {
        self.gate.gone(id);
        if self.drop_link(id, reason) {
            out.push(Effect::Close(id, Some((reason, text.to_owned()))));
        }
    }

    /// Forgets a link and tells the others, if it was its account's last one. `false` if there was
    /// none.
    fn drop_link(&mut self, id: LinkId, reason: ByeReason) -> bool {
        let Some(link) = self.links.remove(id) else {
            return false;
        };
        self.presence.forget(id);
        let Some(account) = self.accounts.get_mut(link.account) else {
            return true;
        };
        account.links.retain(|other| *other != id);
        for conversation in &account.conversations {
            if let Some(room) = self.rooms.get_mut(conversation) {
                room.stand_up(id);
            }
        }
        self.presence_changed(link.account, Some(reason));
        true
    }

    fn handle_drain(&mut self, out: &mut Vec<Effect>) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(Draining {
            flushed: self.now.time + limits::DRAIN_FLUSH,
            until: self.now.time + limits::DRAIN_WAIT,
            written: false,
            told: false,
        });
        for id in self.gate.all() {
            out.push(Effect::Close(id, None));
        }
        for id in self.links.ids() {
            // Sends that were taken are still answered: the goodbye waits for them below.
            if self.links.get(id).is_some_and(|link| link.sends == 0) {
                self.close(id, ByeReason::Shutdown, "the server is stopping", out);
            }
        }
    }

    fn check_drained(&mut self, out: &mut Vec<Effect>) {
        let Some(draining) = &self.draining else {
            return;
        };
        if draining.told {
            return;
        }
        let late = self.now.time >= draining.flushed;
        let over = self.now.time >= draining.until;
        for id in self.links.ids() {
            if late || self.links.get(id).is_some_and(|link| link.sends == 0) {
                self.close(id, ByeReason::Shutdown, "the server is stopping", out);
            }
        }
        if self.links.len() > 0 {
            return;
        }
        let Some(draining) = &mut self.draining else {
            return;
        };
        if !draining.written {
            draining.written = true;
            self.write_cursors(out);
        }
        let waiting = self.pending.iter().any(|(_, pending)| pending.is_write());
        if let Some(draining) = &mut self.draining
            && (over || !waiting)
        {
            draining.told = true;
            out.push(Effect::Drained);
        }
    }

    fn flush_due(&mut self, out: &mut Vec<Effect>) {
        let time = self.now.time;
        if self.presence.due().is_some_and(|due| due <= time) {
            self.flush_presence(out);
        }
        if self.receipts.due().is_some_and(|due| due <= time) {
            self.flush_receipts(out);
        }
        if self.receipts.write_due().is_some_and(|due| due <= time) {
            self.write_cursors(out);
        }
        for link in self.stalled.take(time) {
            self.retry_read(link, out);
        }
    }

    fn write(&mut self, write: Write, pending: Pending, out: &mut Vec<Effect>) {
        let ticket = self.ticket(pending);
        out.push(Effect::Write(ticket, write));
    }

    fn load(&mut self, load: Load, pending: Pending, out: &mut Vec<Effect>) {
        let ticket = self.ticket(pending);
        out.push(Effect::Load(ticket, load));
    }

    fn ticket(&mut self, pending: Pending) -> Ticket {
        Ticket(self.pending.insert(pending) as u64)
    }

    fn take_pending(&mut self, ticket: Ticket) -> Option<Pending> {
        let key = usize::try_from(ticket.0).ok()?;
        self.pending.try_remove(key)
    }

    fn account(&self, id: AccountId) -> Option<&AccountState> {
        self.accounts.get(id)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("links", &self.links.len())
            .field("rooms", &self.rooms.len())
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

/// What an answer of the store is waited for.
#[derive(Debug)]
enum Pending {
    /// A password is checked or hashed for a login.
    Login(login::Attempt),
    /// An account or device is written.
    Enroll(login::Attempt),
    /// An entry is written.
    Append(sending::Appending),
    /// A send id is looked up; the send waits.
    Lookup(Box<Parked>),
    /// Entries are read for a link that lags.
    Read(LinkId, ConversationId),
    /// A place's count is read for a read cursor.
    Counted(Asked, ConversationId, Seq),
    /// A page is read.
    Asked(Asked),
    /// A directory change is written.
    Done(Asked),
    /// A password is written; the devices to keep.
    Password(Asked, Option<DeviceId>),
    /// The old password is checked.
    OldPassword(login::PasswordChange),
    /// The new password is hashed.
    NewPassword(login::PasswordChange),
    /// A password is hashed for the operator.
    AdminHash(u64, Admin),
    /// A change is written for the operator.
    AdminWrite(u64, AdminAnswer),
    /// Cursors are written.
    Cursors(Vec<(ConversationId, AccountId)>),
    /// Something is written that nobody waits for.
    Nobody,
}

impl Pending {
    const fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Read(..) | Self::Asked(_) | Self::Counted(..) | Self::Login(_) | Self::Lookup(_)
        )
    }
}

/// Who asked what.
#[derive(Clone, Copy, Debug)]
struct Asked {
    link: LinkId,
    account: AccountId,
    request: RequestId,
}

#[derive(Debug)]
struct Draining {
    /// Links that still wait for acks are told goodbye.
    flushed: Time,
    /// It is over, whatever is still open.
    until: Time,
    written: bool,
    told: bool,
}

impl Draining {
    fn due(&self) -> Option<Time> {
        match (self.told, self.written) {
            (true, _) => None,
            (false, true) => Some(self.until),
            (false, false) => Some(self.flushed),
        }
    }
}

/// What to tell somebody when the store did not do it.
fn storage_refusal(fault: &Fault) -> Refusal {
    match fault {
        Fault::Taken => Refusal::new(Code::Conflict),
        Fault::Conflict { .. } => Refusal::new(Code::Conflict).retry_in(0),
        Fault::NoTarget => Refusal::new(Code::NoSuchEntry),
        Fault::NotAuthor => Refusal::because(Code::Forbidden, "only its author can do that"),
        Fault::NoConversation => Refusal::new(Code::NoSuchRoom),
        // Somebody else's entry failed before it. It is not for this one to wait for that.
        Fault::AfterFailed => Refusal::new(Code::Busy).retry_in(500),
        Fault::Full(_) => Refusal::because(
            Code::Storage,
            "the server's disk is full; tell its operator, and try again later",
        )
        .retry_in(2000),
        Fault::Io(_) => Refusal::new(Code::Storage).retry_in(2000),
    }
}

/// An append without guards.
fn plain_append(
    conversation: ConversationId,
    id: SendId,
    from: &AccountState,
    now: Now,
    body: crate::model::Body,
) -> Append {
    Append {
        conversation,
        id,
        from: from.record.id,
        from_name: from.record.name.clone(),
        time: now.date,
        body,
        expect: None,
        target_by: None,
        changes: Vec::<DirectoryChange>::new(),
    }
}
