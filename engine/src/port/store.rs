//! Where a server keeps what must survive it: logs and the directory.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{BoxFuture, LogPage};
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, SendId, Seq, Ticket};
use crate::model::{
    Account, AccountName, Body, Cursor, Device, Entry, HistoryFrom, HistoryItem, Invite, Member,
    PendingUpload, Rights, Role, Room, Span, Standing, UnixTime,
};

/// An entry that is to be appended to a conversation's log.
#[derive(Clone, Debug)]
pub struct Append {
    /// To which log. It exists, or one of `changes` makes it.
    pub conversation: ConversationId,
    /// What the sender calls it. Together with `from` it is appended at most once.
    pub id: SendId,
    /// Who sends it.
    pub from: AccountId,
    /// What the sender is called.
    pub from_name: AccountName,
    /// The server's date.
    pub time: UnixTime,
    /// What it says. A redaction blanks its target in the same transaction. With a blob, it is a
    /// [`FileOffer`](crate::model::FileOffer), and the blob is kept as long as the entry names it; where the
    /// same content is there already, it is that of the earlier blob, and this one's own is
    /// [freed](Committed::Freed).
    pub body: Body,
    /// Append only if this is the head: for changes that were decided by what stood there.
    pub expect: Option<Seq>,
    /// The body's target must be a base entry that is not deleted. If this is given, it must be by
    /// this account, too.
    pub target_by: Option<AccountId>,
    /// What changes in the directory with it, in the same transaction, before the entry.
    pub changes: Vec<DirectoryChange>,
}

impl Append {
    /// The entry that it becomes right after the head `prev`, and the changes with it.
    #[must_use]
    pub fn place(self, prev: Seq) -> (Entry, Vec<DirectoryChange>) {
        let entry = Entry {
            conversation: self.conversation,
            seq: prev.next(),
            prev,
            id: self.id,
            from: self.from,
            from_name: self.from_name,
            time: self.time,
            body: self.body,
        };
        (entry, self.changes)
    }
}

/// A change of the directory.
#[derive(Clone, Debug, PartialEq)]
pub enum DirectoryChange {
    /// A new account. Refused as [`Fault::Taken`] when the name is in use.
    AddAccount(Account),
    /// Another password, or none.
    SetVerifier(AccountId, Option<String>),
    /// Other rights.
    SetRights(AccountId, Rights),
    /// The account is gone: its devices and memberships with it; its entries stay. The name is free.
    RemoveAccount(AccountId),
    /// A new device. Refused as [`Fault::Taken`] when the key is enrolled.
    AddDevice(Device),
    /// The device was here.
    SeeDevice(DeviceId, UnixTime),
    /// The device's key is worth nothing any more.
    RemoveDevice(DeviceId),
    /// A new room, or a direct conversation when it has no name. `head` 0. Refused as
    /// [`Fault::Taken`] when the name is in use; nothing happens when the direct conversation is there
    /// already, because two first entries of it may cross.
    AddRoom(Room),
    /// The room's topic.
    SetTopic(ConversationId, String),
    /// Somebody's place in a conversation; made if it is not there.
    SetMember(MemberUpdate),
    /// The entry that comes with it names an account that has not read it. Forgotten with the next
    /// [`SetCursor`](Self::SetCursor) that has read it, and when the account comes in anew.
    Mention(ConversationId, AccountId),
    /// How far an account got; made if it is not there.
    SetCursor(ConversationId, AccountId, Cursor),
    /// A new invite.
    AddInvite(Invite),
    /// One use of the invite with this hash. Refused as [`Fault::Taken`] when none is left at this
    /// date.
    UseInvite([u8; 32], UnixTime),
    /// An upload that is to survive the server; replaces the one of the same blob.
    SetUpload(PendingUpload),
    /// The upload became an entry, or was given up.
    RemoveUpload(BlobId),
    /// This content is not what it was. The next upload of the same takes its place.
    Distrust(BlobId),
}

/// A change of a [`Member`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemberUpdate {
    /// In which conversation.
    pub conversation: ConversationId,
    /// Who.
    pub account: AccountId,
    /// Whether it is in.
    pub standing: Standing,
    /// With which rights.
    pub role: Role,
    /// May not send before this date.
    pub muted_until: UnixTime,
    /// What happens to its visible stretch.
    pub span: SpanUpdate,
}

/// What an entry does to the stretch of log that a member sees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpanUpdate {
    /// Nothing.
    Keep,
    /// This entry is the first of a new stretch.
    Open,
    /// This entry is the last of the open stretch.
    Close,
}

/// A write with the answer's ticket.
#[derive(Clone, Debug)]
pub enum Write {
    /// An entry.
    Append(Append),
    /// Directory changes, all or none.
    Change(Vec<DirectoryChange>),
}

/// What became of writes, in the order in which they were committed.
#[derive(Clone, Debug)]
pub enum Committed {
    /// The tail: an entry is durable.
    Entry {
        /// The write's ticket, where this node wrote it.
        ticket: Option<Ticket>,
        /// The entry.
        entry: Arc<Entry>,
        /// [`Room::counted`] after it.
        counted: u64,
        /// What changed in the directory with it.
        changes: Vec<DirectoryChange>,
    },
    /// Directory changes are durable.
    Changed {
        /// The write's ticket, where this node wrote it.
        ticket: Option<Ticket>,
        /// The changes.
        changes: Vec<DirectoryChange>,
    },
    /// The entry was appended before.
    Duplicate {
        /// The write's ticket.
        ticket: Ticket,
        /// Where it stands.
        conversation: ConversationId,
        /// At which place.
        seq: Seq,
    },
    /// Nothing was written.
    Failed {
        /// The write's ticket.
        ticket: Ticket,
        /// Why.
        fault: Fault,
    },
    /// Retention cut the conversation: this seq is the first one left (or the one after the head).
    Trimmed {
        /// Which conversation.
        conversation: ConversationId,
        /// The first seq left.
        first: Seq,
    },
    /// Entries that named blobs do it no longer.
    Freed {
        /// How many bytes of whose files.
        bytes: Vec<(AccountId, u64)>,
        /// Contents that nothing names any more.
        contents: Vec<BlobId>,
    },
}

/// Why a store did not do it.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A name, key or invite is taken or used up.
    Taken,
    /// The head was another one than expected.
    Conflict {
        /// The head.
        head: Seq,
    },
    /// The target is not there, deleted, or no base entry.
    NoTarget,
    /// The target is by somebody else.
    NotAuthor,
    /// The conversation does not exist.
    NoConversation,
    /// An earlier append of this conversation in the queue failed, so this one must not overtake it.
    AfterFailed,
    /// No room on the disk. May pass.
    Full(String),
    /// The disk or the database does not work. May pass.
    Io(String),
    /// What was stored is gone or changed.
    Damaged(String),
}

impl Fault {
    /// Whether the same write may succeed later without anybody changing it.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Io(_) | Self::AfterFailed)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("already in use"),
            Self::Conflict { head } => write!(f, "the head is {head}"),
            Self::NoTarget => f.write_str("no such target"),
            Self::NotAuthor => f.write_str("the target is by somebody else"),
            Self::NoConversation => f.write_str("no such conversation"),
            Self::AfterFailed => f.write_str("an earlier append failed"),
            Self::Full(text) => write!(f, "no room on the disk: {text}"),
            Self::Io(text) => write!(f, "storage does not work: {text}"),
            Self::Damaged(text) => write!(f, "what was stored is damaged: {text}"),
        }
    }
}

/// Everything that the hub keeps in memory, as of the start.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Accounts that are not deleted.
    pub accounts: Vec<Account>,
    /// Their devices.
    pub devices: Vec<Device>,
    /// Rooms and direct conversations.
    pub rooms: Vec<Room>,
    /// Their members, those who left included.
    pub members: Vec<Member>,
    /// How far members got.
    pub cursors: Vec<(ConversationId, AccountId, Cursor)>,
    /// Entries that name members who have not read them, in order.
    pub mentions: Vec<(ConversationId, AccountId, Seq)>,
    /// Invites that have uses left.
    pub invites: Vec<Invite>,
    /// Uploads that are not done.
    pub uploads: Vec<PendingUpload>,
    /// How many bytes of files the entries of each account name.
    pub stored: Vec<(AccountId, u64)>,
}

/// Logs of conversations.
pub trait Log: Send + Sync {
    /// Takes writes out of `writes`, without waiting; what held them is for the caller to use again. They are committed in this order, in as few transactions as
    /// possible; when an append fails, the later ones of its conversation that were submitted before
    /// its [`Committed::Failed`] was handed out fail with [`Fault::AfterFailed`].
    ///
    /// The caller bounds what is under way; see [`limits::APPEND_QUEUE_BYTES`](crate::limits).
    fn submit(&self, writes: &mut Vec<(Ticket, Write)>);

    /// Whether an acknowledged write survives a loss of power.
    fn is_durable(&self) -> bool;

    /// The entries after `after`, in order: at most `entries` of them and about `bytes` (at least one,
    /// if there is one).
    fn read(
        &self,
        conversation: ConversationId,
        after: Seq,
        entries: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Entry>>, Fault>>;

    /// Base entries in ascending order that lie in one of the spans, with their edits and reactions
    /// folded in; and whether there are more in the direction that was read.
    fn history(
        &self,
        conversation: ConversationId,
        spans: Vec<Span>,
        from: HistoryFrom,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<(Vec<HistoryItem>, bool), Fault>>;

    /// Where this account's send id stands, if it was accepted in the last 30 days.
    fn lookup(
        &self,
        account: AccountId,
        id: SendId,
    ) -> BoxFuture<'_, Result<Option<(ConversationId, Seq)>, Fault>>;

    /// [`Room::counted`] as of a place in the log.
    fn counted(&self, conversation: ConversationId, seq: Seq) -> BoxFuture<'_, Result<u64, Fault>>;

    /// Texts that hold all the words, newest first, in these conversations and spans, older than the
    /// cursor `before` of the page before.
    fn search(
        &self,
        places: Vec<(ConversationId, Vec<Span>)>,
        text: String,
        before: Option<u64>,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<SearchPage, Fault>>;

    /// All logs in the order of appending: what comes after the position `after`, at most `entries` of
    /// them and about `bytes` (at least one, if there is one and `entries` is not 0).
    fn since(
        &self,
        after: u64,
        entries: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<LogPage, Fault>>;

    /// The entry that names a blob, and what holds the content.
    fn blob(&self, blob: BlobId) -> BoxFuture<'_, Result<Option<BlobPlace>, Fault>>;

    /// The blobs that hold contents which entries name.
    fn contents(&self) -> BoxFuture<'_, Result<Vec<BlobId>, Fault>>;

    /// Cuts prefixes of the logs: entries older than `age`, and all but the last `count` of each
    /// conversation. [`Committed::Trimmed`] follows for each that was cut.
    fn trim(&self, age: Option<Duration>, count: Option<u64>) -> BoxFuture<'_, Result<(), Fault>>;

    /// Writes a copy of everything, whole and consistent, while the log goes on.
    fn backup(&self, to: PathBuf) -> BoxFuture<'_, Result<(), Fault>>;

    /// Everything that was submitted is committed or failed, and nothing more is taken.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Where a blob is named.
#[derive(Clone, Debug, PartialEq)]
pub struct BlobPlace {
    /// The entry.
    pub entry: Entry,
    /// The blob that holds the content: this one, or an earlier one with the same.
    pub content: BlobId,
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct SearchPage {
    /// Entries, newest first.
    pub entries: Vec<Entry>,
    /// The cursor for the next page, if there is one.
    pub next: Option<u64>,
}

/// Accounts, devices, rooms, members, cursors, invites.
pub trait Directory: Send + Sync {
    /// Everything, as of now. Called once, at the start.
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, Fault>>;
}

/// What was committed, here or by another node.
pub trait Tail: Send + Sync {
    /// Waits for the next commits; everything that is there, in order. Empty once the log is closed
    /// and everything was handed out.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    fn next(&self) -> BoxFuture<'_, Vec<Committed>>;
}

/// All of it, as one adapter.
pub trait Store: Log + Directory + Tail {}

impl<T: Log + Directory + Tail> Store for T {}
