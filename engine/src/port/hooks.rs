//! Who is asked before something happens, and told after it: the border to plugins.
//!
//! The engine knows no plugin. It knows one [`Hooks`], which may hold any number of them: it asks in
//! batches, without waiting, and takes one verdict for each question. What order filters have, how long
//! one may take, what a fault comes to and what happens to a plugin that hangs are the business of who
//! fills this port. The hub waits for a verdict for [`limits::HOOK_WAIT`](crate::limits::HOOK_WAIT) at
//! most, so that a port that loses a question can't keep a message for ever.
//!
//! | question | holds back meanwhile | a rejection |
//! |---|---|---|
//! | [`Question::Connect`] | the link's login | ends the link |
//! | [`Question::Login`] | the link | denies the login |
//! | [`Question::Entry`] | appends of the same link's later entries in that conversation | refuses it |
//! | [`Question::Command`] | nothing | refuses it |
//! | [`Question::File`] | that transfer | refuses it |
//!
//! Entries of one link in one conversation are asked in their order and without waiting for each other's
//! verdicts, so that they travel in batches; they are appended in that order, whatever order the verdicts
//! have.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::sync::Arc;

use futures_lite::AsyncRead;

use super::{BoxFuture, Fault, Log};
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, LinkId, SendId, Seq, Ticket};
use crate::model::{
    AccountName, Admin, AdminAnswer, Body, ByeReason, CommandItem, Entry, FileOffer, Kind,
    Presence, Refusal, RoomName, Target, UnixTime,
};

/// Plugins, seen from the engine.
pub trait Hooks: fmt::Debug + Send + Sync {
    /// What is wanted at the start. Called once, before anybody is served; later changes come as
    /// [`FromHooks::Subscriptions`].
    fn subscriptions(&self) -> Subscriptions;

    /// The port's own task. Called once and before anything else; the server's driver polls it, on any of
    /// the threads that run it, and drops it when the server has stopped. A port with threads of its own
    /// may return a future that is done at once.
    ///
    /// Chains of filters that run in process belong in here, or in tasks that are put into `workplace`:
    /// these tasks are not the hub's, and no thread has to be woken for an answer. `log` reads what was
    /// appended, for observers.
    fn run(self: Arc<Self>, log: LogView, workplace: Arc<dyn Workplace>) -> BoxFuture<'static, ()>;

    /// Takes questions without waiting; each is answered by one [`FromHooks::Verdict`] from
    /// [`next`](Self::next), in any order. Called by the hub's task: it must be quick, and must not run
    /// a filter.
    fn ask(&self, asks: Vec<Ask>);

    /// Takes news without waiting. Best effort: the port may drop them, and counts what it dropped.
    /// Only news that were subscribed to are told. As quick as [`ask`](Self::ask).
    fn tell(&self, news: Vec<News>);

    /// Waits for what the port has to say; everything that is there, in order. Empty once the port has
    /// stopped: then the hub answers all open questions with [`Verdict::Fault`] and asks no more.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    fn next(&self) -> BoxFuture<'_, Vec<FromHooks>>;

    /// Does what the operator wants with plugins: [`Admin::Plugins`] and [`Admin::ReloadPlugin`].
    fn admin(&self, wish: Admin) -> BoxFuture<'_, Result<AdminAnswer, Refusal>>;

    /// The server has stopped; nothing is asked or told any more. Ends what the port started, within
    /// a time of its own.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What a server lends to the port: its threads, and its wait at the sockets.
pub trait Workplace: fmt::Debug + Send + Sync {
    /// Runs a task until it is done or the server has stopped, on any of the threads that run the server.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Reads a socket where the server waits for its own, so that no thread has to wait for this one. The
    /// socket does not block from now on, also for who writes to it.
    ///
    /// # Errors
    ///
    /// As the system says: too many sockets, or this is none.
    #[cfg(unix)]
    fn reader(&self, socket: std::os::unix::net::UnixStream) -> std::io::Result<Reader>;

    /// Whether a task on the calling thread may keep it with code that may never return. It may if the
    /// thread is one that works for this server alone; one of somebody's executor is never to be kept.
    fn may_keep(&self) -> bool;

    /// A task keeps its thread for longer than others can wait: another one works in its place, until
    /// [`give_back`](Self::give_back). Called by whoever sees it.
    fn replace(&self);

    /// The task has its thread back, or ends.
    fn give_back(&self);
}

/// The reading half of a socket.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// A set of hooks that somebody subscribed to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HookSet(u32);

impl HookSet {
    /// Nobody wants anything.
    pub const NONE: Self = Self(0);
    /// [`Question::Connect`].
    pub const CONNECT: Self = Self(1);
    /// [`Question::Login`].
    pub const LOGIN: Self = Self(1 << 1);
    /// [`Question::Entry`] about rooms and presence texts.
    pub const ENTRY: Self = Self(1 << 2);
    /// [`Question::Entry`] about direct conversations: somebody with READ_DIRECT filters entries.
    pub const ENTRY_DIRECT: Self = Self(1 << 3);
    /// [`Question::File`].
    pub const FILE: Self = Self(1 << 4);
    /// [`News::Tail`]: somebody observes entries.
    pub const TAIL: Self = Self(1 << 5);
    /// [`News::Presence`].
    pub const PRESENCE: Self = Self(1 << 6);
    /// [`News::Disconnect`].
    pub const DISCONNECT: Self = Self(1 << 7);

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for HookSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for HookSet {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What is wanted now. Without a subscriber nothing is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subscriptions {
    /// Hooks that somebody subscribed to.
    pub hooks: HookSet,
    /// Commands, by name; each has one owner. Told to clients as they are, at most
    /// [`limits::COMMANDS`](crate::limits::COMMANDS) of them.
    pub commands: Vec<CommandItem>,
}

/// A question, and the ticket under which its verdict is given.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Goes back with the verdict. Never used twice while the server runs.
    pub ticket: Ticket,
    /// What is about to happen.
    pub question: Question,
}

/// What is about to happen.
///
/// Its parts are shared, so that the hub, a chain and a copy for a helper process cost no second copy of
/// a text.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Question {
    /// A stream was accepted.
    Connect(Arc<ConnectAsk>),
    /// Somebody has shown who it is, or wants to register under a free name.
    Login(Arc<LoginAsk>),
    /// An entry is to be appended, or a presence text to be shown.
    Entry(Arc<EntryAsk>),
    /// A command of a plugin.
    Command(Arc<CommandAsk>),
    /// A file is to be uploaded, or is there.
    File(Arc<FileAsk>),
}

/// Where a stream comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnectAsk {
    /// The link.
    pub link: LinkId,
    /// The IP address; empty for a stream without one.
    pub address: String,
}

/// Who wants in. The password was right, or the device's key is enrolled, or the account may be opened;
/// neither password nor key is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginAsk {
    /// Over which link.
    pub link: LinkId,
    /// The account.
    pub name: AccountName,
    /// What the owner calls the device.
    pub device: String,
    /// The account is to be made.
    pub register: bool,
}

/// An entry before it is appended. Everything but its place is known: who may send it was checked, and
/// is checked again after the verdict.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntryAsk {
    /// In which conversation; all zero for a presence text.
    pub conversation: ConversationId,
    /// What that is.
    pub place: AskPlace,
    /// Who sends it.
    pub from: AccountId,
    /// What the sender is called. A plugin's own entries come from its account, see
    /// [`AccountName::plugin_name`].
    pub from_name: AccountName,
    /// What the sender calls it.
    pub id: SendId,
    /// The server's date.
    pub time: UnixTime,
    /// What it says. [`PRESENCE_TEXT`] is a kind that only filters see.
    pub body: Body,
}

/// What kind of conversation an entry is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AskPlace {
    /// A room.
    Room(RoomName),
    /// A direct conversation with this account.
    Direct(AccountName),
    /// No conversation: a presence text.
    Nowhere,
}

/// The kind under which filters see a presence text: data is UTF-8. It is never in a log.
pub const PRESENCE_TEXT: Kind = Kind(31);

impl EntryAsk {
    /// Whether only subscribers with READ_DIRECT may see it.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        matches!(self.place, AskPlace::Direct(_))
    }

    /// The text that filters may read and replace: of a text, an edit, a reaction, a topic, a presence
    /// text, and the name of a file. `None` for redactions, memberships and kinds that the engine does
    /// not know, sealed ones among them: of these filters see the head alone, and
    /// [`Verdict::Modified`] is a fault.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        readable(&self.body)
    }
}

/// The text of a body that filters and observers may read; see [`EntryAsk::text`].
#[must_use]
pub fn readable(body: &Body) -> Option<&str> {
    match body.kind {
        _ if body.is_deleted() => None,
        Kind::TEXT | Kind::EDIT | Kind::REACTION | Kind::TOPIC | PRESENCE_TEXT => {
            std::str::from_utf8(&body.data).ok()
        }
        Kind::FILE => FileOffer::name_in(&body.data),
        _ => None,
    }
}

/// A command of a client. Only commands of [`Subscriptions::commands`] are asked, and their owner alone
/// is to be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandAsk {
    /// Over which link; a notice there reaches the caller's device alone.
    pub link: LinkId,
    /// Who calls.
    pub from: AccountId,
    /// What the caller is called.
    pub from_name: AccountName,
    /// In which conversation, if in any; the caller is a member.
    pub conversation: Option<ConversationId>,
    /// What that is.
    pub place: AskPlace,
    /// Which command.
    pub name: String,
    /// With what.
    pub args: String,
}

/// A file before and after its content came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileAsk {
    /// How far it is.
    pub stage: FileStage,
    /// For which conversation.
    pub conversation: ConversationId,
    /// What that is.
    pub place: AskPlace,
    /// Who sends it.
    pub from: AccountId,
    /// What the sender is called.
    pub from_name: AccountName,
    /// The blob.
    pub blob: BlobId,
    /// What is known of it; the hash is zero at [`FileStage::Offer`].
    pub offer: FileOffer,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileStage {
    /// Before its first byte.
    Offer,
    /// The content is there and verified; the entry that offers it is next.
    Complete,
}

/// What all filters together say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Let it happen.
    Pass,
    /// Let it happen with this text. The hub checks it like a client's: what is too long or no UTF-8 is
    /// refused.
    Modified(Vec<u8>),
    /// Refuse it, for this reason. Empty: without a word; the sender still learns that it was refused.
    Reject(String),
    /// A command was dealt with.
    Handled,
    /// Nobody can tell now. Entries, logins, commands and files are refused for now; a stream may
    /// connect.
    Fault(String),
}

/// What the port says to the hub.
#[derive(Clone, Debug)]
pub enum FromHooks {
    /// The verdict on a question. One that comes too late or twice is ignored.
    Verdict(Ticket, Verdict),
    /// Something else is wanted from now on. Questions that are out are still answered by those who
    /// were asked.
    Subscriptions(Subscriptions),
    /// A plugin says something.
    Say(Box<Say>),
    /// A plugin tells something to some alone; not logged.
    Notice(Box<NoticeOut>),
}

/// An entry of a plugin. It is sent by the account `plugin.NAME`, which is made when it is needed, passes
/// all filters but the plugin's own ([`EntryAsk::from_name`] tells), and is answered by [`News::Said`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Say {
    /// NAME of the plugin.
    pub plugin: PluginName,
    /// Comes back with the answer.
    pub token: u64,
    /// Where to: any room, or the direct conversation with an account.
    pub target: Target,
    /// The same id is the same entry. `None`: the hub picks one.
    pub id: Option<SendId>,
    /// What: text, edit, redaction (of own entries), reaction, or a kind of clients' own.
    pub body: Body,
}

/// A notice of a plugin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoticeOut {
    /// NAME of the plugin.
    pub plugin: PluginName,
    /// To whom.
    pub to: NoticeTo,
    /// What. Cut at [`limits::NOTICE_BYTES`](crate::limits::NOTICE_BYTES).
    pub text: String,
    /// About which conversation. Those who are not in it get the notice without.
    pub about: Option<Target>,
}

/// Who gets a notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoticeTo {
    /// One link: the caller of a command.
    Link(LinkId),
    /// Every link of an account.
    Account(AccountName),
    /// Every member of a room who is connected.
    Room(RoomName),
}

/// NAME of a plugin, from which its account's name is made.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PluginName(AccountName);

impl PluginName {
    /// Parses a name: what is left of it after `plugin.` must be a valid account name.
    ///
    /// # Errors
    ///
    /// [`BadName`](crate::model::BadName) says which rule it breaks.
    pub fn new(name: &str) -> Result<Self, crate::model::BadName> {
        AccountName::plugin(name).map(Self)
    }

    /// The plugin whose account this is.
    #[must_use]
    pub fn of(account: AccountName) -> Option<Self> {
        account.plugin_name().is_some().then_some(Self(account))
    }

    /// The name without `plugin.`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.plugin_name().unwrap_or_default()
    }

    /// The reserved account.
    #[must_use]
    pub const fn account(&self) -> &AccountName {
        &self.0
    }
}

/// What happened. All but [`News::Said`] is told only where it was subscribed to.
#[derive(Clone, Debug)]
pub enum News {
    /// The log has grown: [`LogView::since`] has more. Told once per batch of commits.
    Tail,
    /// An account came, went, or changed.
    Presence(Presence),
    /// A link that was logged in ended.
    Disconnect {
        /// Which.
        link: LinkId,
        /// Whose.
        account: AccountName,
        /// On which device.
        device: DeviceId,
        /// Why.
        reason: ByeReason,
    },
    /// What became of a [`Say`].
    Said {
        /// Of which plugin.
        plugin: PluginName,
        /// Its token.
        token: u64,
        /// Where it stands, or why it does not.
        result: Result<(ConversationId, Seq), Refusal>,
    },
}

/// Reads all logs in the order in which they were appended, for cursors that see every entry.
#[derive(Clone)]
pub struct LogView(Arc<dyn Log>);

impl LogView {
    /// Over a log.
    #[must_use]
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self(log)
    }

    /// What comes after `after`, oldest first: at most `entries` of them and about `bytes`, at least
    /// one if there is one. What retention cut is passed over; what was deleted comes blanked.
    ///
    /// # Errors
    ///
    /// [`Fault`] about the disk; it may pass.
    pub async fn since(&self, after: u64, entries: usize, bytes: usize) -> Result<LogPage, Fault> {
        self.0.since(after, entries, bytes).await
    }

    /// The run, and the position of the last entry: where an observer without a cursor starts.
    ///
    /// # Errors
    ///
    /// [`Fault`] about the disk; it may pass.
    pub async fn end(&self) -> Result<(u64, u64), Fault> {
        let page = self.0.since(u64::MAX, 0, 0).await?;
        Ok((page.run, page.end))
    }
}

impl fmt::Debug for LogView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogView").finish_non_exhaustive()
    }
}

/// A stretch of all logs.
#[derive(Clone, Debug, Default)]
pub struct LogPage {
    /// In order of position.
    pub items: Vec<LogItem>,
    /// Where to go on: everything up to here is in `items`, or gone.
    pub next: u64,
    /// The position of the last entry there ever was.
    pub end: u64,
    /// The run of these logs. A cursor is worth something only together with the run in which it was
    /// taken: another one means that a backup was restored, or that a memory store began anew.
    pub run: u64,
}

/// An entry with its position.
#[derive(Clone, Debug)]
pub struct LogItem {
    /// Grows with each entry of any conversation, over restarts too.
    pub pos: u64,
    /// The entry.
    pub entry: Arc<Entry>,
    /// The room; `None` for a direct conversation, which observers see with READ_DIRECT alone.
    pub room: Option<RoomName>,
}
