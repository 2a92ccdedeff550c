//! The functions of `chat.h`. Each reads its pointers, calls the library, and writes its outputs; what
//! they do is said for readers of the header.
//!
//! `cbindgen` reads these files, so that nothing here may hide in a macro.

pub mod client;
pub mod event;
pub mod global;
pub mod server;
pub mod verbs;
