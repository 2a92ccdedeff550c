//! How a link begins: who a client is, what it may do, how far it has read.

use serde::{Deserialize, Serialize};

use super::{AccountName, Extensions, UnixTime};
use crate::id::{AccountId, ConversationId, DeviceId, Epoch, Seq};

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
