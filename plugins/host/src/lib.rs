//! Plugins of libchat's server: loaded from a folder or brought by the program, isolated, watched, and
//! asked through the engine's port of hooks.
//!
//! A file that is dropped into the folder can't sink the server: it is copied, looked at without running
//! it, started once in a process that ends right after it, and then runs in a helper process of its own.
//! The contract that plugins are written for is the crate `chat-plugin-abi`, its header `chat_plugin.h`.
//!
//! | module | is |
//! |---|---|
//! | `plugins` | what the engine and programs see |
//! | `desk` | who is asked what in which order, and what comes of it: one lock, no waiting |
//! | `slot` | what is known of one plugin |
//! | `shared` | the threads around the desk: workers, readers of helpers, the clock |
//! | `change` | how instances take each other's place: load, reload, crash, stuck |
//! | `loader` `watch` `elf` `load` `launch` | from a file to an instance |
//! | `observe` | cursors into the log |
//! | `instance` `extensions` | the only code that calls plugins and is called by them |
//! | `helper` `frame` | the process apart, and what is said to it |
//! | `ask` `shown` | the engine's questions as plugins see them |
//! | `disk` `settings` `stats` `limits` | what is kept, what operators say, how long calls take, all bounds |

mod ask;
mod change;
mod desk;
mod disk;
mod elf;
mod extensions;
mod frame;
mod helper;
mod instance;
mod launch;
mod limits;
mod load;
mod loader;
mod observe;
mod plugins;
mod settings;
mod shared;
mod shown;
mod slot;
mod stats;
mod watch;

pub use frame::{About, Config};
pub use helper::run as helper;
pub use loader::{Checked, check, name_of};
pub use plugins::{BuiltIn, Plugins, PluginsConfig};
pub use settings::{Isolation, OnError, Settings};
pub use watch::SettingsSource;
