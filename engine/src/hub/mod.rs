//! The server's mind, pure: accounts, rooms, members, links, and what goes where.
//!
//! The hub answers each [`Input`] with [`Effect`]s and never waits. What takes time (a write, a read,
//! a password) is an effect with a [`Ticket`]; its answer comes back as an input, after any number of
//! others. Whoever drives it must keep two orders: effects are done in the order in which they were
//! put out, and a batch of commits is handed in before anything that happened after it.

mod account;
mod admin;
mod admit;
mod appending;
mod body;
mod change;
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
mod request;
mod resume;
mod room;
mod sending;
mod store;
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
use self::drain::Draining;
use self::file::FileBook;
pub use self::file::{FetchContent, FileNews, FileWork};
use self::gate::Gate;
use self::hooks::HookBook;
use self::link::{Link, Links};
use self::presence::PresenceBook;
use self::receipt::ReceiptBook;
use self::request::Asked;
use self::room::RoomState;
pub(crate) use self::store::storage_refusal;
use self::store::{Pending, plain_append};
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, IdMap, LinkId, SendId, Seq, Ticket};
use crate::limits;
use crate::model::{
    Admin, AdminAnswer, ByeReason, Entry, FileRules, HistoryFrom, HistoryItem, Invite, Login, Now,
    Refusal, Registration, RoomName, Span, Time, ToClient, ToServer,
};
use crate::port::{
    Ask, BlobPlace, Committed, Fault, FromHooks, HookSet, News, Random, SearchPage, Snapshot, Write,
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
    rooms: IdMap<ConversationId, Box<RoomState>>,
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
            rooms: IdMap::default(),
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
