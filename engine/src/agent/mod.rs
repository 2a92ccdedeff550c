//! The client's mind, pure: outbox, positions, conversations, when to connect again.

mod command;

pub use command::{Command, CommandId, Event};
