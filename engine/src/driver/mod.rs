//! Async, thin, deciding nothing: moves bytes, time and answers between the world and the pure layers.

pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod crew;
pub(crate) mod files;
pub(crate) mod local_files;
pub(crate) mod outlet;
pub(crate) mod random;
pub(crate) mod scratch;
pub(crate) mod server;
pub(crate) mod server_link;
pub(crate) mod sockets;
pub(crate) mod workplace;
