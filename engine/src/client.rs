//! The client that applications use.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use futures_lite::{AsyncRead, AsyncWrite};

use crate::adapter::{DiskFiles, KnownHosts, MemoryProfile};
use crate::agent::{Agent, Command, CommandId, Event, FileSink, FileSource, Setup, TrustRule};
use crate::config::{ClientConfig, ProfilePlace, Trust};
use crate::driver::client::{Connector, Driver, Remember, Shared};
use crate::driver::random::OsRandom;
use crate::error::{Error, Misuse};
use crate::id::BlobId;
use crate::limits;
use crate::model::Target;
use crate::port::{Profile, ProfileChange, ProfileState};
use crate::secure::{Fingerprint, PublicKey, StaticKey};

/// A client: one account on one server, over as many links as it takes.
///
/// Cheap to clone; the clones are the same client. When the last of them is dropped, the client
/// leaves at once, as by [`Command::Leave`] without flush.
#[derive(Clone)]
pub struct Client {
    end: Arc<AppEnd>,
}

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
    /// [`Error::InUse`], [`Error::TooNew`] and [`Error::Local`] about the profile and the file of
    /// known hosts; [`Error::Misuse`] about the configuration.
    pub async fn open(config: ClientConfig) -> Result<(Self, ClientDriver), Error> {
        check_address(&config.address)?;
        let connector = Connector::Address(config.address.clone());
        Self::open_by(config, connector).await
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
        Self::open_by(config, Connector::Given(Some(Box::new(stream)))).await
    }

    /// Gives a command. Returns at once; what comes of it is told by events with the same number.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when the command can't succeed as it is, [`Error::Closed`] after the client
    /// left. Nothing was taken then.
    pub fn command(&self, command: Command) -> Result<CommandId, Error> {
        self.end.0.command(command)
    }

    /// Sends a file whose bytes come out of a stream: [`Command::SendFile`] without a path. It ends with
    /// the program: the next run can't read the stream again.
    ///
    /// The stream has exactly `size` bytes, and is read while they are sent.
    ///
    /// # Errors
    ///
    /// As [`command`](Self::command).
    pub fn send_file_from(
        &self,
        target: Target,
        reader: impl AsyncRead + Send + Unpin + 'static,
        size: u64,
        name: impl Into<String>,
        media_type: impl Into<String>,
    ) -> Result<CommandId, Error> {
        let streams = &self.end.0.streams;
        let number = streams.put_reader(Box::new(reader));
        let taken = self.command(Command::SendFile {
            target,
            source: FileSource::Stream { number, size },
            name: Some(name.into()),
            media_type: media_type.into(),
            id: None,
            label: String::new(),
        });
        if taken.is_err() {
            streams.forget(number);
        }
        taken
    }

    /// Fetches a file, or a part of one, into a stream: [`Command::Fetch`] without a path. What was
    /// written is proven, unless the file was still being uploaded when the fetching began; then
    /// only [`Event::Fetched`] says that it was right.
    ///
    /// `range` is the first byte and how many; `None` for all that follow. The stream is closed at the
    /// end.
    ///
    /// # Errors
    ///
    /// As [`command`](Self::command).
    pub fn fetch_into(
        &self,
        blob: BlobId,
        range: (u64, Option<u64>),
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<CommandId, Error> {
        let streams = &self.end.0.streams;
        let number = streams.put_writer(Box::new(writer));
        let taken = self.command(Command::Fetch {
            blob,
            sink: FileSink::Stream(number),
            start: range.0,
            length: range.1,
            label: String::new(),
        });
        if taken.is_err() {
            streams.forget(number);
        }
        taken
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
        self.end.0.next_event().await
    }

    /// The next event, if one is there now; the end of them after [`Event::Closed`]. Otherwise as
    /// [`next_event`](Self::next_event), for programs that wait in a way of their own, which
    /// [`on_news`](Self::on_news) tells when to ask.
    pub fn poll_event(&self) -> Poll<Option<Event>> {
        self.end.0.poll_event()
    }

    /// Has a hook called whenever there is something to take, maybe more often, from the thread that
    /// brings it, which holds no lock. The first hook stays.
    pub fn on_news(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.end.0.set_hook(Box::new(hook));
    }

    /// Whether [`poll_event`](Self::poll_event) is ready.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.end.0.has_news()
    }

    /// How many events wait to be taken that answer no command. With the commands that have no answer so
    /// far, it is what the queue will hold at most.
    #[must_use]
    pub fn events_waiting(&self) -> usize {
        self.end.0.events_waiting()
    }

    /// Once the client left and everything that stays open was told: whether nothing stayed open.
    #[must_use]
    pub fn is_settled(&self) -> Option<bool> {
        self.end.0.is_settled()
    }

    /// Says that nobody will take events any more, as dropping the last clone does.
    pub fn disown(&self) {
        self.end.0.app_gone();
    }

    async fn open_by(
        config: ClientConfig,
        connector: Connector,
    ) -> Result<(Self, ClientDriver), Error> {
        if config.device.len() > limits::DEVICE_NAME_BYTES {
            return Err(Misuse::TooLong(limits::DEVICE_NAME_BYTES).into());
        }
        let known_hosts = config.known_hosts.clone().map(KnownHosts::new);
        let profile = open_profile(config.profile.clone()).await?;
        let state = profile.load().await?;
        let key = device_key(&*profile, &state).await?;
        let trust = trust_rule(&config, known_hosts.clone(), &state).await?;
        let address = config.address.clone();
        let setup = Setup {
            address: config.address,
            account: config.account,
            password: config.password.map(|secret| secret.reveal().to_owned()),
            register: config.register,
            invite: config.invite,
            device: config.device,
            trust,
            reconnect: config.reconnect,
            single: matches!(connector, Connector::Given(_)),
            patient: config.patient,
            longest_pause: config.longest_pause.min(limits::BACKOFF_LAST),
            durable: profile.is_durable(),
            state,
            positions: config.positions,
        };
        let shared = Shared::new(Agent::new(setup, Box::new(OsRandom)));
        let driver = Driver::new(
            Arc::clone(&shared),
            connector,
            Arc::new(key),
            profile,
            remember_in(known_hosts, address),
            Arc::new(DiskFiles),
        );
        let end = Arc::new(AppEnd(shared));
        Ok((Self { end }, ClientDriver { driver }))
    }
}

/// Does a client's work while it is polled. Spawn [`run`](Self::run) on any executor.
///
/// Without it nothing moves; when it is dropped before its end, the events end with it.
pub struct ClientDriver {
    driver: Driver,
}

impl fmt::Debug for ClientDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDriver").finish_non_exhaustive()
    }
}

impl ClientDriver {
    /// Runs until the client left and its last event is in the queue.
    pub async fn run(self) {
        self.driver.run().await;
    }
}

/// The application's end; the client leaves when it is dropped.
struct AppEnd(Arc<Shared>);

impl Drop for AppEnd {
    fn drop(&mut self) {
        self.0.app_gone();
    }
}

fn check_address(address: &str) -> Result<(), Misuse> {
    let port = address
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty());
    match port.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(port)) if port != 0 => Ok(()),
        _ => Err(Misuse::Address(address.to_owned())),
    }
}

async fn open_profile(place: ProfilePlace) -> Result<Arc<dyn Profile>, Error> {
    match place {
        ProfilePlace::Memory => Ok(Arc::new(MemoryProfile::new())),
        #[cfg(feature = "sqlite")]
        ProfilePlace::Folder(folder) => {
            let open = move || crate::adapter::SqliteProfile::open(&folder);
            Ok(Arc::new(blocking::unblock(open).await?))
        }
        #[cfg(not(feature = "sqlite"))]
        ProfilePlace::Folder(_) => Err(Error::Local(
            "this program was built without the feature \"sqlite\", which keeps profiles"
                .to_owned(),
        )),
    }
}

/// The device's key: the one of the profile, or a new one that is kept there before its first use.
async fn device_key(profile: &dyn Profile, state: &ProfileState) -> Result<StaticKey, Error> {
    if let Some(key) = state.key {
        return Ok(StaticKey::from_bytes(key));
    }
    let key = StaticKey::generate(&mut OsRandom);
    profile
        .save(vec![ProfileChange::Key(key.to_bytes())])
        .await?;
    Ok(key)
}

fn remember_in(known_hosts: Option<KnownHosts>, address: String) -> Remember {
    Box::new(move |fingerprint| {
        let (hosts, address) = (known_hosts.clone(), address.clone());
        Box::pin(blocking::unblock(move || {
            hosts.map_or(Ok(()), |hosts| hosts.add(&address, &fingerprint))
        }))
    })
}

async fn trust_rule(
    config: &ClientConfig,
    known_hosts: Option<KnownHosts>,
    state: &ProfileState,
) -> Result<TrustRule, Error> {
    let accept_new = match &config.trust {
        Trust::Pinned(text) => {
            let pin: Fingerprint = text
                .parse()
                .map_err(|error| Misuse::Other(format!("\"{text}\" is {error}")))?;
            return Ok(TrustRule::Pinned(pin.to_string()));
        }
        Trust::AcceptNew => true,
        Trust::Ask => false,
    };
    let in_profile = known_hosts.is_none();
    let keys = match known_hosts {
        Some(hosts) => {
            let address = config.address.clone();
            blocking::unblock(move || hosts.find(&address)).await?
        }
        None => {
            let servers = state.servers.iter();
            servers
                .filter(|server| server.address == config.address)
                .map(|server| PublicKey(server.key).fingerprint().to_string())
                .collect()
        }
    };
    Ok(TrustRule::Known {
        keys,
        accept_new,
        in_profile,
    })
}
