//! Sockets that `async-io` looks after.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_io::Async;

/// Nothing of its own.
#[derive(Debug)]
pub(crate) struct Sockets;

/// Accepts streams.
pub(crate) struct Listener(Async<TcpListener>);

impl Sockets {
    /// Whether a thread can wait here.
    pub(crate) const CAN_WAIT: bool = false;

    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn listener(self: &Arc<Self>, listener: TcpListener) -> io::Result<Listener> {
        Async::new(listener).map(Listener)
    }

    pub(crate) fn stream(self: &Arc<Self>, stream: TcpStream) -> io::Result<Async<TcpStream>> {
        Async::new_nonblocking(stream)
    }

    #[cfg(unix)]
    pub(crate) fn reader(self: &Arc<Self>, stream: UnixStream) -> io::Result<Async<UnixStream>> {
        Async::new(stream)
    }

    pub(crate) fn look(&self, _woken: &mut Vec<Waker>) {}

    pub(crate) fn wait(&self, _woken: &mut Vec<Waker>, _back: impl FnOnce()) {}

    pub(crate) fn poll_wait(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    pub(crate) fn ring(&self) {}

    pub(crate) fn hush(&self) {}
}

impl Listener {
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((stream.into_inner()?, peer))
    }
}
