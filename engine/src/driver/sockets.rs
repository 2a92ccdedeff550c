//! The server's TCP sockets: its own look at them on Linux, `async-io`'s elsewhere.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(not(target_os = "linux"))]
mod portable;

#[cfg(target_os = "linux")]
pub(crate) use epoll::{Listener, Sockets};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{Listener, Sockets};
