//! What a client and a server can be told before they start.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroize as _;

use crate::limits;
use crate::model::{AccountName, FileRules, Registration};
use crate::port::Hooks;

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `HOST:PORT`.
    pub address: String,
    /// Who.
    pub account: AccountName,
    /// For the first login of a device, or every login of one that is not enrolled.
    pub password: Option<Secret>,
    /// Make the account first. Succeeds also if this client made it before.
    pub register: bool,
    /// The token of an invite, for registering.
    pub invite: Option<String>,
    /// Which server key to accept.
    pub trust: Trust,
    /// Where the key, the outbox and the positions are kept.
    pub profile: ProfilePlace,
    /// The file of server keys that were accepted before (one line each), shared by profiles.
    /// `None`: nothing is remembered outside the profile.
    pub known_hosts: Option<PathBuf>,
    /// What the owner calls this device.
    pub device: String,
    /// Connect again when a link is lost. The first connection is tried once, unless
    /// [`patient`](Self::patient).
    pub reconnect: bool,
    /// Also keep trying when the first connection fails.
    pub patient: bool,
    /// Longest pause before connecting again; at most [`limits::BACKOFF_LAST`], which is the default.
    pub longest_pause: Duration,
    /// Read missed entries first-hand from these places instead of the profile's positions.
    pub positions: Option<Vec<crate::model::Position>>,
}

impl ClientConfig {
    /// A client without a profile that trusts nobody yet.
    #[must_use]
    pub fn new(address: impl Into<String>, account: AccountName) -> Self {
        Self {
            address: address.into(),
            account,
            password: None,
            register: false,
            invite: None,
            trust: Trust::Ask,
            profile: ProfilePlace::Memory,
            known_hosts: None,
            device: String::new(),
            reconnect: true,
            patient: false,
            longest_pause: limits::BACKOFF_LAST,
            positions: None,
        }
    }
}

/// Which server key a client accepts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Trust {
    /// A key that was accepted before. For a new server the login waits at
    /// [`Event::ServerKey`](crate::Event::ServerKey); a changed key is an error.
    #[default]
    Ask,
    /// A key that was accepted before; the first key of a new server is accepted and remembered. A
    /// changed key is an error.
    AcceptNew,
    /// Only the key with this fingerprint.
    Pinned(String),
}

/// Where a client keeps its key, outbox and positions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ProfilePlace {
    /// Nowhere: they end with the client. The device is never enrolled.
    #[default]
    Memory,
    /// In a folder, made with mode 0700 when it is missing. One process at a time.
    Folder(PathBuf),
}

/// A text that is never shown, and wiped when it is dropped.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How a server runs.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `HOST:PORT`, any number of them; port 0 picks a free one.
    pub listen: Vec<String>,
    /// Where everything is kept.
    pub store: StorePlace,
    /// Who may open an account.
    pub registration: Registration,
    /// How long and how much of each log is kept.
    pub retention: Retention,
    /// A room that everybody is put into at registration, made at the first start.
    pub lobby: Option<String>,
    /// What files are taken.
    pub files: FileRules,
    /// Most streams at a time, logged in or not. A program says here what its limit of open files
    /// leaves after its own files, or the store could not open one when many people come.
    pub streams: usize,
    /// Commits wait for nothing: what was acknowledged may be gone after a loss of power. Clients are
    /// told that this server is not durable. Only for tests that have to notice the loss.
    pub danger_synchronous_off: bool,
    /// Who is asked and told about everything: plugins. Without it, and as long as it subscribes to
    /// nothing, nothing is asked.
    pub hooks: Option<Arc<dyn Hooks>>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            store: StorePlace::Memory,
            registration: Registration::Invite,
            retention: Retention::default(),
            lobby: Some("lobby".to_owned()),
            files: FileRules::default(),
            streams: limits::LINKS + 2 * limits::NEW_LINKS,
            danger_synchronous_off: false,
            hooks: None,
        }
    }
}

/// Where a server keeps everything.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StorePlace {
    /// In memory: it is gone with the server, and clients are told so.
    Memory,
    /// In SQLite and files in this folder, made with mode 0700 when it is missing. One process at a
    /// time.
    Folder(PathBuf),
}

/// What of the logs is kept. Only whole prefixes are cut.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retention {
    /// Entries older than this go.
    pub age: Option<Duration>,
    /// All but the last so many of each conversation go.
    pub count: Option<u64>,
}
