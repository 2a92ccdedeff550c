//! The server that programs embed and `chat-cli serve` runs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use futures_lite::{AsyncRead, AsyncWrite};

use crate::config::ServerConfig;
use crate::error::Error;
use crate::model::{Admin, AdminAnswer};

/// A server. Cheap to clone; the clones are the same server.
#[derive(Clone)]
pub struct Server {}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the store and listens. Nothing is accepted before the driver runs. Without a listen
    /// address the server serves [`serve_stream`](Self::serve_stream) and [`admin`](Self::admin).
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] and [`Error::TooNew`] about the data directory, [`Error::Local`] about the
    /// disk or a listen address.
    pub async fn start(config: ServerConfig) -> Result<(Self, ServerDriver), Error> {
        let _ = config;
        unimplemented!()
    }

    /// Where it listens, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        unimplemented!()
    }

    /// The fingerprint of the server's key, `SHA256:` and base64url.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        unimplemented!()
    }

    /// Serves one stream, whatever it is made of, until it ends. `from` counts for the limits per
    /// address.
    pub async fn serve_stream<S>(&self, stream: S, from: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let _ = (stream, from);
        unimplemented!()
    }

    /// Does what the operator wants.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the reason, [`Error::Closed`] when the server is stopping.
    pub async fn admin(&self, wish: Admin) -> Result<AdminAnswer, Error> {
        let _ = wish;
        unimplemented!()
    }

    /// Writes a copy of everything that the server keeps into a new folder, while it runs.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] about the disk.
    pub async fn backup(&self, to: PathBuf) -> Result<(), Error> {
        let _ = to;
        unimplemented!()
    }

    /// Stops: no new links, the others are told goodbye, everything acknowledged is on disk when the
    /// future is done, within [`limits::DRAIN_WAIT`](crate::limits::DRAIN_WAIT).
    pub async fn drain(&self) {
        unimplemented!()
    }
}

/// Does a server's work while it is polled.
#[derive(Clone)]
pub struct ServerDriver {}

impl fmt::Debug for ServerDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerDriver").finish_non_exhaustive()
    }
}

impl ServerDriver {
    /// Works until the server is drained. Each thread that runs a clone of it adds a core.
    pub async fn run(self) {
        unimplemented!()
    }
}
