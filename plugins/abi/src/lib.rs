//! The contract between the server and its plugins: numbers and layouts, nothing else.
//!
//! `include/chat_plugin.h` is made from this crate (`BLESS=1 cargo test -p chat-plugin-abi`) and is what C
//! and C++ plugins are built with; Rust plugins use the crate `chat-plugin`, which wraps it. The comments
//! here are written for readers of the header.
//!
//! Rules that keep binaries of today loading for ever: numbers are never given a second meaning; a struct
//! begins with its size and grows at its end; integers come in and are judged, so no Rust enum crosses.

#![no_std]
#![allow(
    non_camel_case_types,
    reason = "these are the names that C programs use"
)]
#![allow(
    clippy::use_self,
    reason = "the header's generator does not know `Self` in the fields of a struct"
)]

mod event;
mod extension;
mod host;
mod layout;
mod number;
mod plugin;

pub use event::chat_plugin_event;
pub use extension::{
    chat_ext_command, chat_ext_defer, chat_ext_kv, chat_ext_metrics, chat_ext_notice,
    chat_ext_timer, chat_timer_fn,
};
pub use host::{chat_hook_fn, chat_host};
pub use number::*;
pub use plugin::{chat_destroy_fn, chat_init_fn, chat_plugin, chat_restore_fn, chat_save_fn};
