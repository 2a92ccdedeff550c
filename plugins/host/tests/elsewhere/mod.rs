//! A place for plugins without a server.

use std::io;
use std::os::unix::net::UnixStream;

use chat_engine::port::{BoxFuture, Reader, Workplace};

/// Where there is no server, and no thread that may be kept.
#[derive(Debug)]
pub(crate) struct Elsewhere;

impl Workplace for Elsewhere {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        smol::spawn(task).detach();
    }

    fn reader(&self, _: UnixStream) -> io::Result<Reader> {
        Err(io::Error::other("no file is loaded, so there is no helper"))
    }

    fn may_keep(&self) -> bool {
        false
    }

    fn replace(&self) {}

    fn give_back(&self) {}
}
