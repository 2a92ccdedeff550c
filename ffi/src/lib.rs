//! The C API of libchat. `include/chat.h` is made of the documentation in [`api`]; its first chapter says
//! how the API works.
//!
//! A function of the API does three things: it reads its pointers (`input`, `options`), calls the
//! library, and writes its outputs (`output`), all within `guard`, which turns every
//! failure and every panic into a status.

// The names are those of C, and what the functions ask of their callers is said in C's terms.
#![allow(
    non_camel_case_types,
    clippy::missing_safety_doc,
    reason = "written for readers of the header"
)]

pub mod api;
mod client;
mod desk;
mod event;
#[cfg(debug_assertions)]
#[doc(hidden)]
pub mod fault;
mod guard;
mod handle;
mod input;
mod json;
pub mod limits;
mod log;
mod options;
mod output;
mod pipe;
mod runtime;
mod server;
pub mod status;

use chat_engine::{SendId, UnixTime};
use std::time::{SystemTime, UNIX_EPOCH};

/// A new send id by this machine's clock.
fn send_id() -> guard::Outcome<SendId> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| {
        guard::Fault::new(status::CHAT_LOCAL, format!("no randomness: {error}"))
    })?;
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Ok(SendId::new(UnixTime::from_millis(millis), random))
}
