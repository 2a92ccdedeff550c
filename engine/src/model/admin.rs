//! What an operator decides: who may open an account, and what is wanted of a running server.

use std::time::Duration;

use super::{AccountName, Rights, UnixTime};
use crate::error::{Error, Misuse};

/// A wish of the operator.
#[non_exhaustive]
#[derive(Clone, PartialEq)]
pub enum Admin {
    /// Opens an account.
    AddAccount {
        /// Its name.
        name: AccountName,
        /// Its password; `None`: only the device that registers with an invite can use it later.
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
}

// Passwords never get into a log.
impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AddAccount { .. } => "AddAccount",
            Self::SetPassword { .. } => "SetPassword",
            Self::RemoveAccount { .. } => "RemoveAccount",
            Self::SetRights { .. } => "SetRights",
            Self::Accounts { .. } => "Accounts",
            Self::Invite { .. } => "Invite",
        })
    }
}

/// What a wish of the operator brought.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum AdminAnswer {
    /// It is done.
    Done,
    /// Accounts by name.
    Accounts(Vec<AccountItem>),
    /// The token of an invite. Only its hash is stored.
    Invite(String),
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
