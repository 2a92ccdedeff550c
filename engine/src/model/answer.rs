//! What a request brings.

use serde::{Deserialize, Serialize};

use super::{
    AccountName, Conversation, Entry, Fetching, PresenceState, Receipt, Role, RoomName, UnixTime,
    Uploading,
};
use crate::id::{ConversationId, DeviceId, Seq};

/// What a request brought. The text at the end of a list is the `after` of its next page.
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
    /// Base entries in order, and whether there is more in the direction that was read.
    History(Vec<HistoryItem>, bool),
    /// Entries that were found, newest first.
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
