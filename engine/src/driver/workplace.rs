//! What the server lends to the port of hooks.

use std::fmt;
#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use async_lock::OnceCell;
use futures_lite::FutureExt;

use super::crew::Crew;
#[cfg(unix)]
use super::sockets::Sockets;
#[cfg(unix)]
use crate::port::Reader;
use crate::port::{BoxFuture, Workplace};

/// Threads and sockets of a server, without the server: the port may keep it as long as it likes.
pub(crate) struct Lent {
    pub(super) crew: Arc<Crew>,
    #[cfg(unix)]
    pub(super) sockets: Arc<Sockets>,
    pub(super) stopped: Arc<OnceCell<()>>,
}

impl Workplace for Lent {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let stopped = Arc::clone(&self.stopped);
        let end = async move {
            stopped.wait().await;
        };
        self.crew.spawn(task.or(end)).detach();
    }

    #[cfg(unix)]
    fn reader(&self, socket: UnixStream) -> io::Result<Reader> {
        let reader = self.sockets.reader(socket)?;
        Ok(Box::new(reader))
    }

    fn may_keep(&self) -> bool {
        Crew::is_own_thread()
    }

    fn replace(&self) {
        self.crew.replace();
    }

    fn give_back(&self) {
        self.crew.give_back();
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}
