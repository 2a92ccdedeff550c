//! The C API of libchat. `include/chat.h` is made of the documentation in [`api`]; its first chapter says
//! how the API works.
//!
//! A function of the API does three things: it reads its pointers ([`input`], [`options`]), calls the
//! library, and writes its outputs ([`output`]), all within [`guard`](guard::guard), which turns every
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
mod guard;
mod handle;
mod input;
pub mod limits;
mod log;
mod options;
mod output;
mod request;
mod runtime;
mod server;
mod status;
