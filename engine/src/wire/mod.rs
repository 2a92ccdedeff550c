//! Frames: bytes to messages and back. PROTOCOL.md explains the bytes to people who write clients.
//!
//! A frame has a hand-written head (length, tag, request id where there is one) and a body, which
//! one struct of this module lays out; only `wire/codec.rs` names the encoding of the structs. Enums of the
//! model travel as the numbers that `wire/number.rs` lists, never as the position of a variant.
//!
//! Nothing that comes from outside can make this module panic or allocate more than a frame is worth.

mod answer;
mod codec;
mod entry;
mod file;
mod frame;
mod number;
mod part;
mod request;
mod tag;
mod to_client;
mod to_server;

#[cfg(test)]
mod tests;

use std::fmt;

pub use file::encode_piece;
pub use frame::request_of;
pub use tag::{FRAMES, FrameKind, Sender, State};
pub use to_client::{decode_to_client, encode_entry, encode_to_client};
pub use to_server::{decode_to_server, encode_to_server};

/// What a frame turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<T> {
    /// A message.
    Message(T),
    /// A frame of a later version that may be ignored. If [`request_of`] finds a request id in it,
    /// the peer waits for an answer: refuse it with [`Code::NotSupported`](crate::Code).
    Skipped,
}

/// The message does not fit a frame, or a list in it has more items than a receiver takes. A fault
/// of the caller, who has to split it; nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message is larger than a frame; split it")
    }
}

impl std::error::Error for TooLarge {}
