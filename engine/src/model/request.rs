//! What a client asks for.

use serde::{Deserialize, Serialize};

use super::{AccountName, Change, History, Role, RoomName, Target, Upload};
use crate::id::{BlobId, DeviceId, RequestId, SendId, Seq};

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
    /// [`Fetched`](super::ToClient::Fetched).
    Fetch {
        /// Which, as an entry or a signal names it.
        blob: BlobId,
        /// From this byte on.
        offset: u64,
        /// So many bytes; `None` is all.
        length: Option<u64>,
        /// How many bytes may be under way without having been [taken](super::ToServer::Taken).
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
