//! The server that programs embed and `chat-cli serve` runs.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_lite::{AsyncRead, AsyncWrite, FutureExt};

#[cfg(feature = "sqlite")]
use crate::adapter::{DirBlobs, SqliteOptions, SqliteStore, Synchronous};
use crate::adapter::{MemoryBlobs, MemoryStore};
use crate::config::{Retention, ServerConfig, StorePlace};
use crate::driver::files::Keep;
use crate::driver::random::OsRandom;
use crate::driver::server::{self, Shared};
use crate::error::{Error, Misuse};
use crate::hub::{Hub, Input, Policy};
use crate::id::BlobId;
use crate::limits;
use crate::model::{Admin, AdminAnswer, RoomName};
use crate::port::{Blobs, Fault, Log, LogView, Random as _, Snapshot, Store};
use crate::secure::StaticKey;

/// A server. Cheap to clone; the clones are the same server.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    about: Arc<About>,
}

struct About {
    addresses: Vec<SocketAddr>,
    fingerprint: String,
    folder: Option<PathBuf>,
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
        let lobby = config.lobby.as_deref().map(RoomName::new).transpose()?;
        let Opened {
            store,
            blobs,
            key,
            folder,
        } = open(&config).await?;
        let mut listeners = Vec::new();
        for address in &config.listen {
            let bound = server::listen(address).map_err(|error| listen_error(address, &error))?;
            listeners.push(bound);
        }
        let snapshot = store.load().await.map_err(storage_error)?;
        let orphans = orphans(&blobs, &store, &snapshot).await?;
        let mut epoch_seed = [0; 16];
        OsRandom.fill(&mut epoch_seed);
        let policy = Policy {
            registration: config.registration,
            lobby,
            epoch_seed,
            durable: store.is_durable(),
            files: config.files.clone(),
        };
        let fingerprint = key.public().fingerprint().to_string();
        let shared = Shared::new(
            key,
            Arc::clone(&store),
            Arc::clone(&blobs),
            config.hooks.clone(),
            config.streams,
        )
        .map_err(|error| Error::Local(format!("cannot look after sockets: {error}")))?;
        if let Some(hooks) = config.hooks {
            let log = LogView::new(Arc::clone(&store) as Arc<dyn Log>);
            let working = hooks.run(log, shared.lend());
            let stopped = Arc::clone(&shared);
            let task = async move { working.or(stopped.stopped()).await };
            shared.crew.spawn(task).detach();
        }
        let hub = Hub::new(policy, snapshot, Box::new(OsRandom)).with_streams(config.streams);
        shared
            .crew
            .spawn(server::run_hub(Arc::clone(&shared), hub))
            .detach();
        let sweeping = Arc::clone(&blobs);
        blocking::unblock(move || sweep(&*sweeping, &orphans)).detach();
        let mut addresses = Vec::new();
        for (listener, address) in listeners {
            addresses.push(address);
            let listening = shared.listen(listener);
            listening.map_err(|error| listen_error(&address.to_string(), &error))?;
        }
        if config.retention != Retention::default() {
            let task = trim(Arc::clone(&shared), Arc::clone(&store), config.retention);
            shared.crew.spawn(task).detach();
        }
        let about = Arc::new(About {
            addresses,
            fingerprint,
            folder,
        });
        let driver = ServerDriver {
            shared: Arc::clone(&shared),
        };
        Ok((
            Self {
                shared,
                store,
                blobs,
                about,
            },
            driver,
        ))
    }

    /// Where it listens, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.about.addresses
    }

    /// The fingerprint of the server's key, `SHA256:` and base64url.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.about.fingerprint
    }

    /// Serves one stream, whatever it is made of, until it ends. `from` counts for the limits per
    /// address.
    pub async fn serve_stream<S>(&self, stream: S, from: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let task = self.shared.adopt(stream, from);
        task.or(self.shared.stopped()).await;
    }

    /// Does what the operator wants.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the reason, [`Error::Closed`] when the server is stopping.
    pub async fn admin(&self, wish: Admin) -> Result<AdminAnswer, Error> {
        if let (Admin::Plugins | Admin::ReloadPlugin { .. }, Some(hooks)) =
            (&wish, &self.shared.hooks)
        {
            return hooks.admin(wish).await.map_err(Error::Refused);
        }
        match self.shared.admin(wish).await {
            Some(answer) => answer.map_err(Error::Refused),
            None => Err(Error::Closed),
        }
    }

    /// Writes a copy of everything that the server keeps into a new folder, while it runs.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] about the disk, [`Error::Misuse`] for a server that keeps nothing.
    pub async fn backup(&self, to: PathBuf) -> Result<(), Error> {
        let Some(folder) = self.about.folder.clone() else {
            let text = "a server that keeps everything in memory has nothing to back up";
            return Err(Misuse::Other(text.to_owned()).into());
        };
        let keep = Keep::new(&self.shared);
        self.store.backup(to.clone()).await.map_err(storage_error)?;
        // All that the copy of the log names: what was there then is named still, or was let go since.
        let mut contents = self.store.contents().await.map_err(storage_error)?;
        contents.extend(keep.contents());
        let (blobs, folder_of_blobs) = (Arc::clone(&self.blobs), to.join(BLOBS));
        blocking::unblock(move || blobs.backup(&contents, &folder_of_blobs))
            .await
            .map_err(storage_error)?;
        drop(keep);
        blocking::unblock(move || copy_key(&folder, &to)).await
    }

    /// Stops: no new links, the others are told goodbye, everything acknowledged is on disk when the
    /// future is done, within [`limits::DRAIN_WAIT`](crate::limits::DRAIN_WAIT).
    pub async fn drain(&self) {
        self.shared.tell([Input::Drain]);
        let late = async {
            async_io::Timer::after(limits::DRAIN_WAIT).await;
            tracing::warn!("the server did not drain in time");
        };
        self.shared.stopped().or(late).await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.about.addresses)
            .finish_non_exhaustive()
    }
}

/// Does a server's work while it is polled.
#[derive(Clone)]
pub struct ServerDriver {
    shared: Arc<Shared>,
}

impl ServerDriver {
    /// Works until the server is drained, under any executor. Each thread that polls a clone of it adds a
    /// core.
    pub async fn run(self) {
        self.shared.crew.run().await;
    }

    /// Works on this thread until the server is drained. It costs less than [`run`](Self::run) on a thread
    /// of its own, as it waits at the sockets without a reactor in between. Each thread that runs a clone
    /// of it adds a core; one that is not needed sleeps.
    pub fn run_on_thread(self) {
        self.shared.crew.work();
    }
}

impl fmt::Debug for ServerDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerDriver").finish_non_exhaustive()
    }
}

struct Opened {
    store: Arc<dyn Store>,
    blobs: Arc<dyn Blobs>,
    key: StaticKey,
    folder: Option<PathBuf>,
}

async fn open(config: &ServerConfig) -> Result<Opened, Error> {
    match &config.store {
        StorePlace::Memory => Ok(Opened {
            store: Arc::new(MemoryStore::new()),
            blobs: Arc::new(MemoryBlobs::new()),
            key: StaticKey::generate(&mut OsRandom),
            folder: None,
        }),
        #[cfg(feature = "sqlite")]
        StorePlace::Folder(folder) => {
            let folder = folder.clone();
            let options = SqliteOptions {
                synchronous: match config.danger_synchronous_off {
                    true => Synchronous::Off,
                    false => Synchronous::Full,
                },
                ..SqliteOptions::default()
            };
            blocking::unblock(move || {
                let store = SqliteStore::open(&folder, options, &mut OsRandom)?;
                let blobs = DirBlobs::open(&folder.join(BLOBS))?;
                let key = load_key(&folder)?;
                Ok(Opened {
                    store: Arc::new(store),
                    blobs: Arc::new(blobs),
                    key,
                    folder: Some(folder),
                })
            })
            .await
        }
        #[cfg(not(feature = "sqlite"))]
        StorePlace::Folder(_) => Err(Misuse::Other(
            "this build keeps nothing on disk: it was made without the feature \"sqlite\""
                .to_owned(),
        )
        .into()),
    }
}

/// Blobs that a crash left and nothing names. Looked for before any new one can come.
async fn orphans(
    blobs: &Arc<dyn Blobs>,
    store: &Arc<dyn Store>,
    snapshot: &Snapshot,
) -> Result<Vec<BlobId>, Error> {
    let listing = Arc::clone(blobs);
    let mut found = blocking::unblock(move || listing.list())
        .await
        .map_err(storage_error)?;
    if found.is_empty() {
        return Ok(found);
    }
    let named = store.contents().await.map_err(storage_error)?;
    let named: HashSet<BlobId> = named
        .into_iter()
        .chain(snapshot.uploads.iter().map(|upload| upload.blob))
        .collect();
    found.retain(|blob| !named.contains(blob));
    Ok(found)
}

fn sweep(blobs: &dyn Blobs, orphans: &[BlobId]) {
    for blob in orphans {
        match blobs.remove(*blob) {
            Ok(()) => tracing::info!(%blob, "removed a file that nothing names"),
            Err(fault) => tracing::warn!(%blob, %fault, "cannot remove a file that nothing names"),
        }
    }
}

/// The server's key of a folder; made at the first start.
#[cfg(feature = "sqlite")]
fn load_key(folder: &Path) -> Result<StaticKey, Error> {
    let path = folder.join(KEY_FILE);
    match std::fs::read(&path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) => Ok(StaticKey::from_bytes(bytes)),
            Err(_) => Err(Error::Local(format!(
                "{} is not a key: it has not 32 bytes; restore it from a backup",
                path.display()
            ))),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = StaticKey::generate(&mut OsRandom);
            write_private(&path, &key.to_bytes())?;
            Ok(key)
        }
        Err(error) => Err(Error::Local(format!(
            "cannot read {}: {error}",
            path.display()
        ))),
    }
}

fn copy_key(folder: &Path, to: &Path) -> Result<(), Error> {
    let path = folder.join(KEY_FILE);
    let bytes = std::fs::read(&path)
        .map_err(|error| Error::Local(format!("cannot read {}: {error}", path.display())))?;
    write_private(&to.join(KEY_FILE), &bytes)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    use std::io::Write;
    let written = || {
        let part = path.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        path.parent()
            .map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
    };
    written().map_err(|error| Error::Local(format!("cannot write {}: {error}", path.display())))
}

/// Cuts the logs now and then, as the operator wants them.
async fn trim(shared: Arc<Shared>, store: Arc<dyn Store>, retention: Retention) {
    let cutting = async {
        loop {
            if let Err(fault) = store.trim(retention.age, retention.count).await {
                tracing::warn!(%fault, "cannot cut the logs; trying again later");
            }
            async_io::Timer::after(limits::TRIM_EVERY).await;
        }
    };
    cutting.or(shared.stopped()).await;
}

fn listen_error(address: &str, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::AddrInUse => Error::Local(format!(
            "cannot listen on {address}: the port is in use; stop the other program or choose another port"
        )),
        ErrorKind::PermissionDenied => Error::Local(format!(
            "cannot listen on {address}: ports below 1024 need more rights"
        )),
        ErrorKind::InvalidInput => Misuse::Address(address.to_owned()).into(),
        _ => Error::Local(format!("cannot listen on {address}: {error}")),
    }
}

fn storage_error(fault: Fault) -> Error {
    Error::Local(fault.to_string())
}

const KEY_FILE: &str = "server.key";
/// The folder of the contents of files.
const BLOBS: &str = "blobs";
