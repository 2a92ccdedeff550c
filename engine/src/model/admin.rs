//! What an operator decides: who may open an account, and what is wanted of a running server.

use std::time::Duration;

use super::{AccountName, Change, MemberItem, Rights, Role, RoomItem, RoomName, UnixTime};
use crate::error::{Error, Misuse};

/// A wish of the operator.
#[non_exhaustive]
#[derive(Clone, PartialEq)]
pub enum Admin {
    /// Opens an account.
    AddAccount {
        /// Its name.
        name: AccountName,
        /// Its password; `None`: nobody can log in before it has one.
        password: Option<String>,
        /// What it may do.
        rights: Rights,
    },
    /// Sets a password, and locks the account's devices out.
    SetPassword {
        /// Whose.
        name: AccountName,
        /// The new one.
        password: String,
    },
    /// Deletes an account. Its entries stay.
    RemoveAccount {
        /// Which.
        name: AccountName,
    },
    /// Changes what an account may do.
    SetRights {
        /// Whose.
        name: AccountName,
        /// The new rights.
        rights: Rights,
    },
    /// Lists all rooms by name.
    Rooms {
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Lists the members of a room by name.
    Members {
        /// Which.
        room: RoomName,
        /// The `next` of the page before.
        after: Option<String>,
    },
    /// Changes a membership.
    Change {
        /// In which room.
        room: RoomName,
        /// Whose.
        account: AccountName,
        /// What.
        change: Change,
        /// The new role, with [`Change::Role`].
        role: Option<Role>,
        /// For how many seconds, with [`Change::Muted`]; 0 is for ever.
        seconds: u64,
    },
    /// Changes who may open an account, for as long as the server runs.
    SetRegistration(Registration),
    /// Counts what there is.
    Stats,
    /// Lists accounts by name.
    Accounts {
        /// Only those after this name.
        after: Option<AccountName>,
        /// At most so many.
        limit: usize,
    },
    /// Makes an invite.
    Invite {
        /// How often it can be used.
        uses: u32,
        /// How long.
        lasts: Duration,
    },
    /// Lists plugins by name.
    Plugins,
    /// Loads a plugin's file again, or looks through the folder for what is new.
    ReloadPlugin {
        /// Which; `None` is all of them.
        name: Option<String>,
    },
}

// Passwords never get into a log.
impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AddAccount { .. } => "AddAccount",
            Self::SetPassword { .. } => "SetPassword",
            Self::RemoveAccount { .. } => "RemoveAccount",
            Self::SetRights { .. } => "SetRights",
            Self::Rooms { .. } => "Rooms",
            Self::Members { .. } => "Members",
            Self::Change { .. } => "Change",
            Self::SetRegistration(_) => "SetRegistration",
            Self::Stats => "Stats",
            Self::Accounts { .. } => "Accounts",
            Self::Invite { .. } => "Invite",
            Self::Plugins => "Plugins",
            Self::ReloadPlugin { .. } => "ReloadPlugin",
        })
    }
}

/// What a wish of the operator brought.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum AdminAnswer {
    /// It is done.
    Done,
    /// Rooms by name, and where the next page starts.
    Rooms(Vec<RoomItem>, Option<String>),
    /// Members by name, and where the next page starts.
    Members(Vec<MemberItem>, Option<String>),
    /// What is counted.
    Stats(ServerStats),
    /// Accounts by name.
    Accounts(Vec<AccountItem>),
    /// The token of an invite. Only its hash is stored.
    Invite(String),
    /// Plugins by name.
    Plugins(Vec<PluginItem>),
}

/// A plugin in a list for the operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginItem {
    /// NAME: the file stem without `lib`, or what an embedder called it.
    pub name: String,
    /// Its id, in reverse DNS; empty when it could not be read.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Where it runs: `process`, `none` (in the server), or `static`.
    pub isolation: String,
    /// `loading`, `running`, `restarting`, `tripped`, `failed`, `refused`, `off`.
    pub state: String,
    /// Why it is not running; empty if it is.
    pub why: String,
    /// Which hooks it subscribed to, by name.
    pub hooks: Vec<String>,
    /// Its commands.
    pub commands: Vec<String>,
    /// The priority that counts.
    pub priority: i32,
    /// Calls since it was loaded.
    pub calls: u64,
    /// Refusals among them.
    pub rejects: u64,
    /// Faults among them: errors, panics, deadlines.
    pub errors: u64,
    /// News that it did not get.
    pub dropped: u64,
    /// Entries that it has still to be shown.
    pub behind: u64,
    /// 99 of 100 calls took at most so long, in microseconds.
    pub p99_us: u64,
    /// What it counts itself, by name.
    pub metrics: Vec<(String, i64)>,
}

/// What is counted of a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ServerStats {
    /// Accounts.
    pub accounts: u64,
    /// Rooms; direct conversations are not among them.
    pub rooms: u64,
    /// Links that are logged in.
    pub links: u64,
    /// Entries that were appended since the start.
    pub entries: u64,
}

/// An account in a list for the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountItem {
    /// Its name.
    pub name: AccountName,
    /// What it may do.
    pub rights: Rights,
    /// When it was made.
    pub created: UnixTime,
    /// How many devices are enrolled.
    pub devices: u32,
    /// Whether one of them is connected.
    pub online: bool,
    /// Whether it has a password.
    pub password: bool,
}

/// Who may open an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Who has an invite.
    Invite,
    /// Nobody but the operator.
    Closed,
}

impl std::str::FromStr for Registration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "closed" => Ok(Self::Closed),
            _ => Err(Misuse::Other(format!(
                "registration is open, invite or closed, not \"{text}\""
            ))
            .into()),
        }
    }
}
