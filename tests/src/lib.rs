//! What the end-to-end tests are written with: real processes, real sockets, no sleeps.
//!
//! The binary is the one that the environment variable `CHAT_CLI` names; without it, one is built.

mod client;
mod content;
pub mod faults;
mod folder;
pub mod plugins;
mod process;
mod proxy;
mod server;
pub mod town;

pub use client::{Client, Device};
pub use content::{hash_of, write_content};
pub use folder::copy_folder;
pub use plugins::Plugins;
pub use process::{Process, chat_cli, is_long, program};
pub use proxy::{Direction, Proxy};
pub use server::{Ran, Server};

/// The examples of the front page are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
