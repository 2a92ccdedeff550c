//! What the two ends of a link say to each other, after the wire took the bytes apart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AccountName, Body, Change, Chunk, Entry, Extensions, Fetched, Fetching, History, Incoming,
    Piece, Refusal, Role, RoomName, Stopped, UnixTime, Upload, Uploading,
};
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, Epoch, RequestId, SendId, Seq};

/// From a client to a server.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum ToServer {
    /// First of all: who is it. Registers, too.
    Login(Login),
    /// Right after the login, in as many as needed: how far this device has read.
    Resume(Resume),
    /// An entry for a conversation.
    Send(Send),
    /// A send that was refused for now won't come again: let the later ones pass.
    Cancel {
        /// Where it was going.
        target: Target,
        /// Which.
        id: SendId,
    },
    /// Anything that is answered by exactly one [`ToClient::Answer`] or [`ToClient::Error`].
    Request(RequestId, Request),
    /// The application took entries that cost this many bytes: as many more may come.
    Credit(u64),
    /// Everything up to these arrived at the application.
    Delivered(Vec<(ConversationId, Seq)>),
    /// The person is writing.
    Typing(Target),
    /// The person is there, or away.
    Presence(PresenceState, String),
    /// Bytes of an upload.
    Chunk(Chunk),
    /// The pieces of a download were dealt with up to this byte: as many more may come as its window
    /// allows.
    Taken {
        /// The request that began the download, on this link.
        transfer: RequestId,
        /// The byte after the last one that was dealt with.
        upto: u64,
    },
    /// Nothing more of this transfer, on this link. What was uploaded stays until it expires or is
    /// [abandoned](Request::Abandon).
    Stop(RequestId),
    /// Are you there?
    Ping(u64),
    /// I am.
    Pong(u64),
    /// From the next record on, this direction has a new key.
    Rekey,
    /// The client leaves on purpose.
    Bye,
}

/// From a server to a client.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum ToClient {
    /// The login succeeded.
    Welcome(Box<Welcome>),
    /// The login failed; the link ends after it.
    Denied(Refusal),
    /// The answer to the positions, in pages; later on, conversations that are new or changed.
    Conversations {
        /// The conversations.
        items: Vec<Conversation>,
        /// Whether another page of the first list follows.
        more: bool,
    },
    /// An entry.
    Entry(Arc<Entry>),
    /// Entries that this device will not get.
    Gap {
        /// Of which conversation.
        conversation: ConversationId,
        /// The log's run.
        epoch: Epoch,
        /// The first missing one.
        from: Seq,
        /// The last missing one.
        to: Seq,
        /// Why.
        reason: GapReason,
    },
    /// A send is on disk.
    Ack {
        /// The send's request id on this link.
        request: RequestId,
        /// Where it stands.
        conversation: ConversationId,
        /// Its place.
        seq: Seq,
        /// The send id again.
        id: SendId,
    },
    /// A request succeeded.
    Answer(RequestId, Answer),
    /// A request or a send was refused.
    Error(RequestId, Refusal),
    /// How far others got.
    Receipts(Vec<Receipt>),
    /// Who came, went, or changed.
    Presence(Vec<Presence>),
    /// Somebody is writing.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        account: AccountName,
    },
    /// For this client alone.
    Notice {
        /// From whom: a plugin's account or `server`.
        from: String,
        /// What.
        text: String,
        /// About which conversation.
        conversation: Option<ConversationId>,
    },
    /// Somebody sends a file.
    Incoming(Incoming),
    /// The chunks of an upload were written up to this byte: as many more may come as its window
    /// allows.
    Received {
        /// The request that began the upload, on this link.
        transfer: RequestId,
        /// The byte after the last one that was written.
        upto: u64,
    },
    /// Bytes of a download.
    Piece(Piece),
    /// All pieces of a download were sent.
    Fetched(Fetched),
    /// The server ended a transfer.
    Stopped(Stopped),
    /// Are you there?
    Ping(u64),
    /// I am.
    Pong(u64),
    /// From the next record on, this direction has a new key.
    Rekey,
    /// The server ends the link on purpose.
    Bye(ByeReason, String),
}

/// Who wants in.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// As typed; the server normalizes it.
    pub account: String,
    /// The password, where the device key is not enrolled yet, or is to be.
    pub password: Option<String>,
    /// Make the account first.
    pub register: bool,
    /// The token of an invite, for registering.
    pub invite: Option<String>,
    /// What the owner calls the device.
    pub device: String,
    /// What the client can do beyond this version.
    pub capabilities: Vec<u16>,
    /// Enroll this device's key, so that it needs no password next time.
    pub enroll: bool,
    /// For later versions.
    pub extensions: Extensions,
}

// A password never gets into a log.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("account", &self.account)
            .field("register", &self.register)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// What a client learns when its login succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// Who it is.
    pub account: AccountId,
    /// The normalized name.
    pub name: AccountName,
    /// Which device.
    pub device: DeviceId,
    /// The server's date: send ids are made by it.
    pub date: UnixTime,
    /// Whether what is acknowledged is on disk.
    pub durable: bool,
    /// What the server allows.
    pub limits: WelcomeLimits,
    /// What the server can do beyond this version.
    pub capabilities: Vec<u16>,
    /// For later versions.
    pub extensions: Extensions,
}

/// What the server allows on this link.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct WelcomeLimits {
    /// Sends without an answer at a time.
    pub sends: u32,
    /// Bytes of entries that may come before the client renews its credit.
    pub entry_credit: u64,
    /// Bytes of a text.
    pub text: u32,
    /// Bytes of a frame.
    pub frame: u32,
    /// Silence after which the other side is asked if it is there, in milliseconds.
    pub ping_ms: u32,
    /// Silence after which the link is dead, in milliseconds.
    pub dead_ms: u32,
}

/// How far a device has read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// One for each conversation that the device knows.
    pub positions: Vec<Position>,
    /// Whether another frame of positions follows.
    pub more: bool,
    /// For later versions.
    pub extensions: Extensions,
}

/// How far a device has read in one conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// In which conversation.
    pub conversation: ConversationId,
    /// In which run of its log.
    pub epoch: Epoch,
    /// The last entry that the application took.
    pub seq: Seq,
}

/// An entry on its way to the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// Numbers the sends of this link: it only grows.
    pub request: RequestId,
    /// Where to.
    pub target: Target,
    /// The same id is the same entry.
    pub id: SendId,
    /// The server may have seen it before.
    pub again: bool,
    /// What.
    pub body: Body,
}

/// A conversation, as a client names it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Target {
    /// By its id.
    Conversation(ConversationId),
    /// A room.
    Room(RoomName),
    /// The direct conversation with an account.
    Account(AccountName),
}

/// A wish that is answered once.
#[non_exhaustive]
#[derive(Clone, PartialEq)]
pub enum Request {
    /// Make a room; the caller becomes its owner. Answer: `Entered`.
    Create {
        /// Its name.
        room: RoomName,
        /// Anybody may join.
        public: bool,
        /// `None`: all for a public room, since the join for the others.
        history: Option<History>,
    },
    /// Change a membership, the caller's own included. Answer: `Entered`.
    Change {
        /// In which room.
        target: Target,
        /// Whose; `None` is the caller.
        account: Option<AccountName>,
        /// What.
        change: Change,
        /// The new role, with [`Change::Role`].
        role: Option<Role>,
        /// For how many seconds, with [`Change::Muted`]; 0 is for ever.
        seconds: u64,
    },
    /// The public rooms and the caller's own. Answer: `Rooms`.
    Rooms {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Who is a member. Answer: `Members`.
    Members {
        /// Of which conversation.
        target: Target,
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Who is online, among those whose presence the caller may see. Answer: `Who`.
    Who {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Reads the log. Answer: `History`.
    History {
        /// Of which conversation.
        target: Target,
        /// From where.
        from: HistoryFrom,
        /// How many base entries at most.
        limit: u32,
    },
    /// Looks for words. Answer: `Search`.
    Search {
        /// In which conversation; `None` is all of the caller's.
        target: Option<Target>,
        /// The words.
        text: String,
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// The caller's conversations. Answer: `Conversations`.
    Conversations {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// The person has read up to here. Answer: `Done`.
    Read {
        /// In which conversation.
        target: Target,
        /// Up to here.
        seq: Seq,
    },
    /// How far the members got. Answer: `Receipts`.
    Receipts {
        /// Of which conversation.
        target: Target,
    },
    /// The caller's devices. Answer: `Devices`.
    Devices,
    /// Locks a device of the caller out. Answer: `Done`.
    Revoke {
        /// Which.
        device: DeviceId,
    },
    /// Changes the caller's password. Answer: `Done`.
    Password {
        /// The old one, where there is one.
        old: Option<String>,
        /// The new one.
        new: String,
        /// Leave the other devices enrolled.
        keep_devices: bool,
    },
    /// Runs a plugin's command. Answer: `Done`.
    Command {
        /// Where.
        target: Option<Target>,
        /// Which.
        name: String,
        /// With what.
        args: String,
    },
    /// The plugins' commands. Answer: `Commands`.
    Commands,
    /// Sends a file, or goes on with it. Answer: `Uploading`; or `Entered` if this upload was finished
    /// already.
    Upload(Upload),
    /// All chunks were sent: makes an entry of the file. Answer: `Entered`.
    Finish {
        /// The request that began the upload, on this link.
        transfer: RequestId,
        /// BLAKE3 of the whole file.
        hash: [u8; 32],
    },
    /// Gives an upload up that did not become an entry yet, whatever link it was on. Answer: `Done`,
    /// also when there is none.
    Abandon {
        /// The upload's send id.
        id: SendId,
    },
    /// Gets a file or a part of it. Answer: `Fetching`, then pieces, then
    /// [`Fetched`](ToClient::Fetched).
    Fetch {
        /// Which, as an entry or a signal names it.
        blob: BlobId,
        /// From this byte on.
        offset: u64,
        /// So many bytes; `None` is all.
        length: Option<u64>,
        /// How many bytes may be under way without having been [taken](ToServer::Taken).
        window: u32,
    },
}

// Passwords never get into a log.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create { .. } => "Create",
            Self::Change { .. } => "Change",
            Self::Rooms { .. } => "Rooms",
            Self::Members { .. } => "Members",
            Self::Who { .. } => "Who",
            Self::History { .. } => "History",
            Self::Search { .. } => "Search",
            Self::Conversations { .. } => "Conversations",
            Self::Read { .. } => "Read",
            Self::Receipts { .. } => "Receipts",
            Self::Devices => "Devices",
            Self::Revoke { .. } => "Revoke",
            Self::Password { .. } => "Password",
            Self::Command { .. } => "Command",
            Self::Commands => "Commands",
            Self::Upload(_) => "Upload",
            Self::Finish { .. } => "Finish",
            Self::Abandon { .. } => "Abandon",
            Self::Fetch { .. } => "Fetch",
        })
    }
}

/// Where a history page starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum HistoryFrom {
    /// The newest entries.
    End,
    /// The entries right before this one.
    Before(Seq),
    /// The entries right after this one.
    After(Seq),
    /// This one and its neighbours.
    Around(Seq),
}

/// What a request brought.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is done, and stands in the log.
    Entered {
        /// In which conversation.
        conversation: ConversationId,
        /// At which place; the head where nothing had to change.
        seq: Seq,
    },
    /// Rooms, by name.
    Rooms(Vec<RoomItem>, Option<String>),
    /// Members, by name.
    Members(Vec<MemberItem>, Option<String>),
    /// Accounts that are online, by name.
    Who(Vec<WhoItem>, Option<String>),
    /// Base entries in order. The first: whether there is more in the direction that was read.
    History(Vec<HistoryItem>, bool),
    /// Entries that were found, newest first; up to where the index knows is in `until`.
    Search(Vec<Entry>, Option<String>),
    /// The caller's conversations.
    Conversations(Vec<Conversation>, Option<String>),
    /// How far members got.
    Receipts(Vec<Receipt>),
    /// The caller's devices.
    Devices(Vec<DeviceItem>),
    /// The plugins' commands.
    Commands(Vec<CommandItem>),
    /// Chunks may come.
    Uploading(Uploading),
    /// Pieces will come.
    Fetching(Box<Fetching>),
}

/// A room in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomItem {
    /// Its name.
    pub name: RoomName,
    /// Its topic.
    pub topic: String,
    /// Anybody may join.
    pub public: bool,
    /// How many members.
    pub members: u32,
    /// Whether the caller is one of them.
    pub joined: bool,
}

/// A member in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberItem {
    /// Who.
    pub account: AccountName,
    /// With which rights.
    pub role: Role,
    /// Whether it is here now; `None` where presence is not shown.
    pub presence: Option<PresenceState>,
    /// May not send before this date.
    pub muted_until: UnixTime,
}

/// An account in the list of who is online.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhoItem {
    /// Who.
    pub account: AccountName,
    /// Online or away.
    pub state: PresenceState,
    /// What it says about it.
    pub text: String,
}

/// A base entry with what was said about it folded in.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryItem {
    /// The entry; an edited one holds the new text.
    pub entry: Entry,
    /// It was edited.
    pub edited: bool,
    /// Who reacted how.
    pub reactions: Vec<Reaction>,
}

/// Who reacted with an emoji.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who.
    pub accounts: Vec<AccountName>,
}

/// A device in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceItem {
    /// Its id.
    pub id: DeviceId,
    /// What its owner calls it.
    pub name: String,
    /// When it was enrolled.
    pub created: UnixTime,
    /// When it was last here.
    pub seen: UnixTime,
    /// Whether it is here now.
    pub online: bool,
    /// Whether it is the one that asks.
    pub this: bool,
}

/// A command of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandItem {
    /// How to call it.
    pub name: String,
    /// What it takes and does.
    pub help: String,
}

/// A conversation as one account sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// What it is.
    pub peer: Peer,
    /// The run of its log.
    pub epoch: Epoch,
    /// The last entry that this account may see.
    pub head: Seq,
    /// How far this account has read.
    pub read: Seq,
    /// How many texts and files came after that.
    pub unread: u32,
    /// How many of them name this account.
    pub mentions: u32,
    /// Whether the account is a member now. If not, nothing comes after `head`.
    pub joined: bool,
}

/// What a conversation is to one account.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum Peer {
    /// A room.
    Room(RoomName),
    /// A direct conversation with another account (or the account itself).
    Account(AccountName),
}

/// Why entries are missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum GapReason {
    /// Retention cut them.
    Trimmed = 1,
    /// The account was not a member at the time.
    Hidden = 2,
    /// The log went back: it is read again from its start.
    Restored = 3,
    /// More than a new device gets; ask for the history.
    Skipped = 4,
}

/// How far an account got in a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Who.
    pub account: AccountName,
    /// Arrived at one of its devices up to here.
    pub delivered: Seq,
    /// Read up to here.
    pub read: Seq,
}

/// An account came, went, or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Presence {
    /// Who.
    pub account: AccountName,
    /// Its state now.
    pub state: PresenceState,
    /// What it says about it.
    pub text: String,
    /// Why it went offline.
    pub reason: Option<ByeReason>,
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum PresenceState {
    /// There.
    Online = 1,
    /// Connected, but not there.
    Away = 2,
    /// Not connected.
    Offline = 3,
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ByeReason {
    /// On purpose.
    Left = 1,
    /// The stream ended without a word.
    Lost = 2,
    /// Nothing came for too long.
    Timeout = 3,
    /// The account was locked out, or its device revoked.
    Kicked = 4,
    /// The account was banned from the server or deleted.
    Banned = 5,
    /// The same device logged in anew.
    Replaced = 6,
    /// The server stops.
    Shutdown = 7,
    /// The peer broke the protocol.
    Violation = 8,
}

impl PresenceState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Offline => "offline",
        }
    }
}

impl ByeReason {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::Replaced => "replaced",
            Self::Shutdown => "shutdown",
            Self::Violation => "violation",
        }
    }

    /// Whether a client should come back by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Left | Self::Kicked | Self::Banned | Self::Replaced
        )
    }
}

impl GapReason {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Hidden => "hidden",
            Self::Restored => "restored",
            Self::Skipped => "skipped",
        }
    }
}
