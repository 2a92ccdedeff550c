//! Who is here.

use serde::{Deserialize, Serialize};

use super::{AccountName, ByeReason};

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
