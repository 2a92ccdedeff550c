//! A conversation as one account sees it, and how far others got in it.

use serde::{Deserialize, Serialize};

use super::{AccountName, RoomName};
use crate::id::{ConversationId, Epoch, Seq};

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
