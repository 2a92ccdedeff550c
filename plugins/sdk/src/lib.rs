//! Plugins for libchat's server in Rust: a trait and a macro.
//!
//! ```
//! use chat_plugin::{Event, Plugin, Setup, Verdict, capability, export_plugin};
//!
//! struct NoSpam;
//!
//! impl Plugin for NoSpam {
//!     fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
//!         setup.entry(0, Self::entry)?;
//!         Ok(Self)
//!     }
//! }
//!
//! impl NoSpam {
//!     fn entry(&mut self, event: &Event<'_>) -> Verdict {
//!         match event.text() {
//!             Some(text) if text.contains("spam") => Verdict::reject("no spam here"),
//!             _ => Verdict::Pass,
//!         }
//!     }
//! }
//!
//! export_plugin!(
//!     NoSpam,
//!     id: "org.example.nospam",
//!     name: "No spam",
//!     version: "1.0",
//!     license: "MIT",
//!     capabilities: capability::READ_TEXT | capability::REJECT,
//! );
//! # fn main() {}
//! ```
//!
//! In a crate with `crate-type = ["cdylib"]`, `cargo build --release` makes a file that the server takes as
//! it is. A panic is caught, logged and counted as a fault of the plugin; the server and the next call go
//! on.
//!
//! The server calls one function at a time, so methods get `&mut self`. What outlives a call, for example
//! [`Host`] and [`Deferred`], may be moved to other threads.

mod deferred;
mod event;
mod export;
mod host;
mod setup;

pub use chat_plugin_abi as abi;
pub use deferred::Deferred;
pub use event::{Event, Flags, Kind};
#[doc(hidden)]
pub use export::glue;
pub use host::{CommandInfo, Failed, Host, Level};
pub use setup::{Hook, Setup};

/// A plugin.
pub trait Plugin: Sized + Send + 'static {
    /// Makes an instance, and says by `setup` what it wants to hear of.
    ///
    /// With [`Host::is_probe`] the server only looks whether this works: touch nothing outside then.
    ///
    /// # Errors
    ///
    /// The text says to the operator why the plugin can't run.
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String>;

    /// Hands the state over to a new version of the plugin that takes its place.
    ///
    /// # Errors
    ///
    /// The new version then starts afresh.
    fn save(&mut self) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    /// Takes what the version before handed over, unless it was nothing.
    ///
    /// # Errors
    ///
    /// The old version then stays.
    fn restore(&mut self, _state: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// What a hook decides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Go on; the event stays as it is.
    Pass,
    /// Go on with this text.
    Modified(String),
    /// Refuse, and tell the sender why. An empty reason is a quiet "refused".
    Reject(String),
    /// The command is done.
    Handled,
    /// The [`Deferred`] of this event answers later.
    Defer,
    /// The hook could not do its work: counted, and the operator's `on_error` decides.
    Fault(String),
}

impl Verdict {
    /// Refuses with a reason.
    #[must_use]
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(reason.into())
    }

    /// Goes on with another text.
    #[must_use]
    pub fn modified(text: impl Into<String>) -> Self {
        Self::Modified(text.into())
    }
}

/// A function of the plugin that is called for an event.
pub type Handler<P> = fn(&mut P, &Event<'_>) -> Verdict;
/// A function of the plugin that is called at a time, with the timer's number.
pub type TimerHandler<P> = fn(&mut P, u64);

/// What a plugin may do; to be combined by `|`.
pub mod capability {
    use chat_plugin_abi as abi;

    /// Read the text of entries in rooms.
    pub const READ_TEXT: u64 = abi::CHAT_CAP_READ_TEXT;
    /// See direct conversations.
    pub const READ_DIRECT: u64 = abi::CHAT_CAP_READ_DIRECT;
    /// Change texts.
    pub const MODIFY: u64 = abi::CHAT_CAP_MODIFY;
    /// Refuse.
    pub const REJECT: u64 = abi::CHAT_CAP_REJECT;
    /// Send entries.
    pub const SEND: u64 = abi::CHAT_CAP_SEND;
    /// Send notices.
    pub const NOTICE: u64 = abi::CHAT_CAP_NOTICE;
    /// Offer commands.
    pub const COMMAND: u64 = abi::CHAT_CAP_COMMAND;
    /// See addresses.
    pub const ADDRESS: u64 = abi::CHAT_CAP_ADDRESS;
}
