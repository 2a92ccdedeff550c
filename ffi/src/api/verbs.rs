//! What a client can be asked to do.

pub mod account;
pub mod files;
pub mod log;
pub mod messages;
pub mod rooms;
