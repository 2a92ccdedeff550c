//! One link as a pure state machine.

pub mod conduit;

pub mod server;
