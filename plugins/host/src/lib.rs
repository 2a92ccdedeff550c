//! Plugins of libchat's server: loaded from a folder or brought by the program, isolated, watched, and
//! asked through the engine's port of hooks.
//!
//! A file that is dropped into the folder can't sink the server: it is copied, looked at without running
//! it, started once in a process that ends right after it, and then runs in a helper process of its own.
//! The contract that plugins are written for is the crate `chat-plugin-abi`, its header `chat_plugin.h`.
//! Programs that only bring plugins leave the feature `folder` out: no files, no helpers, no watching.
//!
//! | module | is |
//! |---|---|
//! | `plugins` | what the engine and programs see |
//! | `desk` | who is called next, and what came of it: one lock, no waiting |
//! | `chain` `fault` | parts of the desk: a question's way through its filters; what goes wrong with plugins |
//! | `slot` | what is known of one plugin |
//! | `subscribe` `voice` | parts of the desk: who takes part in what; what plugins ask of the server |
//! | `shared` `caller` `clock` | who works around the desk: workers and readers of helpers; filters called where verdicts are wanted; deadlines and timers |
//! | `services` | what an instance in this process asks of the server |
//! | `change` | how instances take each other's place: load, reload, crash, stuck |
//! | `watch` `file` `elf` `load` `launch` `loader` | from a file to an instance |
//! | `observe` | cursors into the log |
//! | `instance` `table` `extensions` | the only code that calls plugins and is called by them |
//! | `given` | judges and copies what plugins hand over |
//! | `helper` `frame` | the process apart, and what is said to it |
//! | `ask` `shown` | the engine's questions as plugins see them |
//! | `disk` `settings` `stats` `limits` | what is kept, what operators say, how long calls take, all bounds |

#![cfg_attr(
    not(feature = "folder"),
    allow(
        dead_code,
        reason = "what is said to helpers, and why files are off, is of no use without files"
    )
)]

mod ask;
mod caller;
mod chain;
mod change;
mod clock;
mod close;
mod desk;
mod disk;
#[cfg(feature = "folder")]
mod elf;
mod extensions;
mod fault;
#[cfg(feature = "folder")]
mod file;
mod frame;
mod given;
#[cfg(feature = "folder")]
mod helper;
mod instance;
mod launch;
mod limits;
#[cfg(feature = "folder")]
mod load;
mod loader;
mod observe;
mod plugins;
mod services;
mod settings;
mod shared;
mod shown;
mod slot;
mod stats;
mod subscribe;
mod table;
mod voice;
#[cfg(feature = "folder")]
mod watch;

#[cfg(feature = "folder")]
pub use file::{Checked, check, name_of};
pub use frame::{About, Config};
#[cfg(feature = "folder")]
pub use helper::run as helper;
pub use plugins::{BuiltIn, NotAdded, Plugins, PluginsConfig};
pub use settings::{Isolation, OnError, Settings};
#[cfg(feature = "folder")]
pub use watch::SettingsSource;
