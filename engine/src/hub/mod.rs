//! The server's mind, pure: accounts, rooms, members, links, and what goes where.
//!
//! The hub answers each [`Input`] with [`Effect`]s and never waits. What takes time (a write, a read,
//! a password) is an effect with a [`Ticket`]; its answer comes back as an input, after any number of
//! others. Whoever drives it must keep two orders: effects are done in the order in which they were
//! put out, and a batch of commits is handed in before anything that happened after it.

mod account;
mod admin;
mod admit;
mod delivery;
mod download;
mod drain;
mod file;
mod gate;
mod hooks;
mod line;
mod link;
mod lists;
mod login;
mod membership;
mod presence;
mod receipt;
mod resume;
mod room;
mod sending;
mod upload;
mod vetting;
mod visible;
mod voice;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use slab::Slab;

use self::account::{AccountState, Accounts};
use self::delivery::Stalled;
use self::download::Wish;
use self::drain::Draining;
pub use self::file::{FetchContent, FileNews, FileWork};
use self::file::{FileBook, Step};
use self::gate::Gate;
use self::hooks::HookBook;
use self::link::{Link, Links};
use self::presence::PresenceBook;
use self::receipt::ReceiptBook;
use self::room::RoomState;
use self::sending::Parked;
use crate::id::{
    AccountId, BlobId, ConversationId, DeviceId, LinkId, RequestId, SendId, Seq, Ticket,
};
use crate::limits;
use crate::model::{
    Admin, AdminAnswer, Answer, ByeReason, Code, Entry, FileRules, HistoryFrom, HistoryItem,
    Invite, Login, Now, Refusal, Registration, Request, RoomName, Span, Time, ToClient, ToServer,
};
use crate::port::{
    Append, Ask, BlobPlace, Committed, DirectoryChange, Fault, FromHooks, HookSet, News,
    PluginName, Random, SearchPage, Snapshot, Write,
};

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
    hooks: HookBook,
    files: FileBook,
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
    /// What files are taken.
    pub files: FileRules,
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
        /// The IP address, for plugins; empty if there is none.
        address: String,
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
    /// Plugins say something.
    Hooks(FromHooks),
    /// Plugins have stopped and say nothing any more.
    HooksGone,
    /// What became of the bytes of files.
    File(FileNews),
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
    /// Ask plugins; [`Input::Hooks`] answers.
    Ask(Ask),
    /// Tell plugins.
    Tell(News),
    /// Do something with the bytes of files.
    File(FileWork),
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
    /// Where a blob is named.
    Blob(BlobId),
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
    /// For [`Load::Blob`].
    Blob(Option<Box<BlobPlace>>),
}

impl Hub {
    /// Builds the state from what the store holds.
    #[must_use]
    pub fn new(policy: Policy, snapshot: Snapshot, random: Box<dyn Random>) -> Self {
        let files = FileBook::new(policy.files.clone());
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
            hooks: HookBook::default(),
            files,
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
        self.expire_uploads(out);
    }

    /// Takes something that happened outside, and adds what has to be done to `out`.
    pub fn handle(&mut self, input: Input, now: Now, out: &mut Vec<Effect>) {
        self.now = now;
        match input {
            Input::Accepted {
                link,
                from,
                address,
            } => {
                self.gate.accepted(link, from, out);
                self.ask_connect(link, address, out);
            }
            Input::Login { link, key, login } => self.handle_login(link, key, login, out),
            Input::Frame { link, message } => self.handle_frame(link, message, out),
            Input::Gone { link, reason } => {
                self.gate.gone(link);
                self.drop_link(link, reason, out);
                self.drop_transfers(link, out);
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
            Input::Hooks(said) => self.handle_hooks(said, out),
            Input::HooksGone => self.hooks_gone(out),
            Input::File(news) => self.handle_file(news, out),
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
            self.hooks.due(),
            self.files.due(),
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
            ToServer::Presence(state, text) => self.handle_presence(link, state, text, out),
            message @ ToServer::Stop(_) => self.handle_transfer(link, &message, out),
            // They went to the disk, or to the link's own task.
            ToServer::Chunk(_) | ToServer::Taken { .. } => {}
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
        let is_list = matches!(
            wish,
            Request::Rooms { .. }
                | Request::Members { .. }
                | Request::Who { .. }
                | Request::Conversations { .. }
                | Request::Receipts { .. }
        );
        if link.requests >= limits::REQUESTS || is_list && !link.may_list(self.now.time) {
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
            Request::Command { target, name, args } => {
                self.run_command(asked, target.as_ref(), name, args, out)
            }
            Request::Commands => Ok(Some(self.list_commands())),
            Request::Upload(upload) => self.begin_upload(asked, upload, out),
            Request::Finish { transfer, hash } => self.finish_upload(asked, transfer, hash, out),
            Request::Abandon { id } => self.abandon_upload(asked, id, out),
            Request::Fetch {
                blob,
                offset,
                length,
                window,
            } => {
                let wish = Wish {
                    blob,
                    offset,
                    length,
                    window,
                };
                self.begin_fetch(asked, wish, out)
            }
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
                    if let DirectoryChange::RemoveAccount(account) = change {
                        self.drop_uploads(account, out);
                    }
                    self.apply(change, None);
                }
                match ticket.and_then(|ticket| self.take_pending(ticket)) {
                    Some(Pending::Enroll(attempt)) => self.enter(attempt, out),
                    Some(Pending::Done(asked)) => self.answer(asked, Ok(Answer::Done), out),
                    Some(Pending::Cursor(asked, _)) => {
                        self.receipts.answered();
                        self.answer(asked, Ok(Answer::Done), out);
                    }
                    Some(Pending::Cursors(_)) => self.receipts.answered(),
                    Some(Pending::Password(asked, keep)) => self.password_changed(asked, keep, out),
                    Some(Pending::File(Step::Recorded(blob))) => {
                        self.upload_recorded(blob, Ok(()), out);
                    }
                    Some(Pending::File(Step::Forgotten(asked, blob))) => {
                        self.upload_forgotten(asked, blob, out);
                    }
                    Some(Pending::AdminWrite(id, answer)) => {
                        out.push(Effect::Admin(id, Ok(answer)));
                    }
                    Some(Pending::Operator(id, wish)) => self.operator_made(id, wish, None, out),
                    Some(Pending::Voice(plugin)) => self.voice_opened(&plugin, None, out),
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
                Some(Pending::File(Step::Recorded(blob))) => {
                    self.upload_recorded(blob, Err(fault), out);
                }
                Some(Pending::File(Step::Forgotten(asked, blob))) => {
                    self.forgetting_failed(asked, blob, &fault, out);
                }
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
                Some(Pending::Operator(id, wish)) => {
                    self.operator_made(id, wish, Some(&fault), out);
                }
                Some(Pending::Voice(plugin)) => self.voice_opened(&plugin, Some(&fault), out),
                Some(Pending::Cursors(cursors)) => {
                    self.receipts.write_failed(cursors, self.now.time);
                }
                Some(Pending::Cursor(asked, conversation)) => {
                    let cursor = [(conversation, asked.account)];
                    self.receipts.write_failed(cursor, self.now.time);
                    self.answer(asked, Err(storage_refusal(&fault)), out);
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
                self.review_transfers(conversation, None, out);
            }
            Committed::Freed { bytes, contents } => self.handle_freed(bytes, contents, out),
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
            (Some(Pending::File(Step::Known(blob))), loaded) => {
                let known = match loaded {
                    Ok(Loaded::Lookup(known)) => Ok(known),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.upload_known(blob, known, out);
            }
            (Some(Pending::File(Step::Located(asked, wish))), loaded) => {
                let found = match loaded {
                    Ok(Loaded::Blob(found)) => Ok(found.map(|place| *place)),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.fetch_located(asked, wish, found, out);
            }
            (Some(Pending::Counted(asked, conversation, seq)), Ok(Loaded::Counted(counted))) => {
                self.move_read(asked.account, conversation, seq, counted);
                if let Some(answer) = self.write_read(asked, conversation, out) {
                    self.answer(asked, Ok(answer), out);
                }
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
        if self.drop_link(id, reason, out) {
            out.push(Effect::Close(id, Some((reason, text.to_owned()))));
        }
        self.drop_transfers(id, out);
    }

    /// Forgets a link and tells the others, if it was its account's last one. `false` if there was
    /// none.
    fn drop_link(&mut self, id: LinkId, reason: ByeReason, out: &mut Vec<Effect>) -> bool {
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
        if self.hooks.wants(HookSet::DISCONNECT) {
            out.push(Effect::Tell(News::Disconnect {
                link: id,
                account: account.record.name.clone(),
                device: link.device,
                reason,
            }));
        }
        self.presence_changed(link.account, Some(reason));
        self.leave_lines(id, link);
        true
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
        self.give_up(out);
        if self.files.due().is_some_and(|due| due <= time) {
            self.expire_uploads(out);
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
    /// The server's own account is made, for this wish.
    Operator(u64, Admin),
    /// The account of a plugin is made.
    Voice(PluginName),
    /// Cursors are written.
    Cursors(Vec<(ConversationId, AccountId)>),
    /// A file is on its way.
    File(Step),
    /// A read cursor is written that somebody waits for.
    Cursor(Asked, ConversationId),
    /// Something is written that nobody waits for.
    Nobody,
}

impl Pending {
    const fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Read(..)
                | Self::Asked(_)
                | Self::Counted(..)
                | Self::Login(_)
                | Self::Lookup(_)
                | Self::File(_)
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

/// What to tell somebody when the store did not do it.
pub(crate) fn storage_refusal(fault: &Fault) -> Refusal {
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
        Fault::Damaged(_) => Code::Damaged.into(),
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
