//! What the directory knows: accounts, devices, rooms, members, invites.

use serde::{Deserialize, Serialize};

use super::{AccountName, RoomName, UnixTime};
use crate::id::{AccountId, ConversationId, DeviceId, Epoch, Seq};

/// What an account may do in a room. Ordered: more rights are greater.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
#[repr(u8)]
pub enum Role {
    /// Reads and writes.
    #[default]
    Member = 1,
    /// Also redacts, invites, kicks, bans, mutes members, and sets the topic.
    Moderator = 2,
    /// Also gives roles.
    Owner = 3,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }

    /// The role under a number, as entries and databases hold it.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Member),
            2 => Some(Self::Moderator),
            3 => Some(Self::Owner),
            _ => None,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "member" => Ok(Self::Member),
            "moderator" => Ok(Self::Moderator),
            "owner" => Ok(Self::Owner),
            _ => Err(()),
        }
    }
}

/// What a member of a room may read of the time before it came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum History {
    /// Everything.
    #[default]
    All = 1,
    /// Only what was said while it was a member.
    SinceJoin = 2,
}

/// What an account may do on the server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Rights {
    /// Chats.
    #[default]
    User = 1,
    /// Also sees every room, may join it, and acts as an owner in those that it is a member of.
    Admin = 2,
}

/// An account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Never reused.
    pub id: AccountId,
    /// Unique among accounts that are not deleted.
    pub name: AccountName,
    /// The password's Argon2id hash in PHC string form, if it has one.
    pub verifier: Option<String>,
    /// On the server.
    pub rights: Rights,
    /// When it was made.
    pub created: UnixTime,
}

/// A device of an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// Never reused.
    pub id: DeviceId,
    /// Whose.
    pub account: AccountId,
    /// Its static X25519 public key.
    pub key: [u8; 32],
    /// What its owner calls it.
    pub name: String,
    /// When it was enrolled.
    pub created: UnixTime,
    /// When it last logged in.
    pub seen: UnixTime,
}

/// A conversation as the directory holds it: a room, or a direct one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Room {
    /// Never reused.
    pub id: ConversationId,
    /// Unique; a direct conversation has none.
    pub name: Option<RoomName>,
    /// Anybody may join; otherwise only who was invited.
    pub public: bool,
    /// What newcomers may read.
    pub history: History,
    /// What it is about.
    pub topic: String,
    /// The log's run.
    pub epoch: Epoch,
    /// The last entry's seq.
    pub head: Seq,
    /// The first seq that retention left, or the one after the head.
    pub first: Seq,
    /// How many entries that count as unread were ever appended.
    pub counted: u64,
}

/// Somebody's place in a conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Who.
    pub account: AccountId,
    /// Whether it is in.
    pub standing: Standing,
    /// With which rights.
    pub role: Role,
    /// May not send before this date; 0 when not muted, `u64::MAX` for ever.
    pub muted_until: UnixTime,
    /// The stretches of the log during which it was a member, oldest first.
    pub spans: Vec<Span>,
}

/// Whether an account is in a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Standing {
    /// A member.
    In = 1,
    /// Was a member, or was refused; may join as anybody.
    Out = 2,
    /// May join an invite-only room.
    Invited = 3,
    /// May not join.
    Banned = 4,
}

/// A stretch of a log, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The entry that let it in.
    pub from: Seq,
    /// The entry that ended it; [`Seq::MAX`] while it lasts.
    pub to: Seq,
}

/// How far an account got in a conversation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    /// Arrived at one of its devices up to here.
    pub delivered: Seq,
    /// Was read up to here.
    pub read: Seq,
    /// [`Room::counted`] as of `read`.
    pub read_counted: u64,
}

/// A token that lets somebody open an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invite {
    /// BLAKE3 of the token: who steals the database can't use it.
    pub hash: [u8; 32],
    /// How often it may still be used.
    pub uses: u32,
    /// Not after this date.
    pub expires: UnixTime,
}
