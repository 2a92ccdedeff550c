//! One link as a pure state machine.

pub mod client;
pub mod conduit;
pub mod flow;
pub mod server;
