//! The client that applications use.

use std::fmt;

use futures_lite::{AsyncRead, AsyncWrite};

use crate::agent::{Command, CommandId, Event};
use crate::config::ClientConfig;
use crate::error::Error;

/// A client: one account on one server, over as many links as it takes.
///
/// Cheap to clone; the clones are the same client.
#[derive(Clone)]
pub struct Client {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Opens the profile. Nothing is connected before the driver runs.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`], [`Error::TooNew`] and [`Error::Local`] about the profile.
    pub async fn open(config: ClientConfig) -> Result<(Self, ClientDriver), Error> {
        let _ = config;
        unimplemented!()
    }

    /// The same over a stream that is there already; such a client does not reconnect.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_over<S>(
        config: ClientConfig,
        stream: S,
    ) -> Result<(Self, ClientDriver), Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let _ = (config, stream);
        unimplemented!()
    }

    /// Gives a command. Returns at once; what comes of it is told by events with the same number.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when the command can't succeed as it is, [`Error::Closed`] after the client
    /// left. Nothing was taken then.
    pub fn command(&self, command: Command) -> Result<CommandId, Error> {
        let _ = command;
        unimplemented!()
    }

    /// Waits for the next event. `None` after [`Event::Closed`].
    ///
    /// Asking for the next event says that the last one is dealt with: only then its position is
    /// saved, so that a crash before brings it again.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn next_event(&self) -> Option<Event> {
        unimplemented!()
    }
}

/// Does a client's work while it is polled. Spawn [`run`](Self::run) on any executor.
pub struct ClientDriver {}

impl fmt::Debug for ClientDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDriver").finish_non_exhaustive()
    }
}

impl ClientDriver {
    /// Runs until the client left and its last event is in the queue.
    pub async fn run(self) {
        unimplemented!()
    }
}
