//! A server of C: the engine's, with replies and an end as clients have them.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, c_char};
use std::net::TcpStream;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_executor::Task;
use async_io::Async;
use chat_engine::{
    AccountName, Admin, AdminAnswer, Change, Error, Registration, Retention, Rights, Role,
    RoomName, ServerConfig, ServerDriver, StorePlace, url,
};
use chat_plugin_abi::chat_plugin;
use chat_plugins::{BuiltIn, NotAdded, Plugins, PluginsConfig, Settings};
use futures_lite::FutureExt as _;
use rustix::net::SocketType;
use serde_json::{Value, json};

use crate::api::event::{CHAT_EVENT_CLOSED, CHAT_EVENT_REPLY, chat_event};
use crate::api::server::{chat_server_options, chat_server_stats};
use crate::desk::{Desk, Woken};
use crate::event::{self, Field, Record};
use crate::guard::{self, Callback, Fault, Outcome, may_wait};
use crate::input::{self, invalid};
use crate::status::{
    self, CHAT_BAD_JSON, CHAT_BUSY, CHAT_CLOSED, CHAT_FULL, CHAT_INTERNAL, CHAT_INVALID,
    CHAT_MISUSE, CHAT_OK, CHAT_PANIC, CHAT_TIMEOUT,
};
use crate::{handle, json, limits, options, runtime};

/// A server.
#[derive(Debug)]
pub(crate) struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: chat_engine::Server,
    plugins: Arc<Plugins>,
    desk: Arc<Desk>,
    state: Mutex<State>,
    poisoned: AtomicBool,
    done: AtomicBool,
    addresses: Vec<CString>,
    fingerprint: CString,
}

#[derive(Debug, Default)]
struct State {
    /// Until it starts.
    driver: Option<ServerDriver>,
    task: Option<Task<()>>,
    stopping: bool,
    last: u64,
    /// Requests under way; dropping one ends it.
    open: BTreeMap<u64, Task<()>>,
    made: VecDeque<Record>,
    closed: bool,
}

/// What an operator may ask.
#[derive(Debug)]
pub(crate) enum Ask {
    AddAccount {
        account: AccountName,
        password: Option<String>,
        rights: Rights,
    },
    SetPassword {
        account: AccountName,
        password: String,
    },
    RemoveAccount {
        account: AccountName,
    },
    SetRights {
        account: AccountName,
        rights: Rights,
    },
    Accounts {
        next: Option<String>,
    },
    Invite {
        uses: u32,
        seconds: u64,
    },
    Rooms {
        next: Option<String>,
    },
    Members {
        room: RoomName,
        next: Option<String>,
    },
    Change {
        room: RoomName,
        account: AccountName,
        change: Change,
        role: Option<Role>,
        seconds: u64,
    },
    SetRegistration {
        registration: Registration,
    },
    Backup {
        folder: PathBuf,
    },
}

/// Reads the options.
///
/// # Safety
///
/// `listen` has `listen_count` strings, and all strings end with NUL.
pub(crate) unsafe fn plan(options: &chat_server_options) -> Outcome<ServerConfig> {
    if options.listen_count > limits::LISTEN {
        return Err(invalid(
            "there are more listen addresses than a server takes",
        ));
    }
    if options.listen.is_null() && options.listen_count > 0 {
        return Err(invalid("`listen` is NULL"));
    }
    let mut listen = Vec::new();
    for index in 0..options.listen_count as usize {
        // SAFETY: the caller promises that so many pointers are there.
        let address = unsafe { options.listen.add(index).read_unaligned() };
        // SAFETY: as the caller promises.
        listen.push(unsafe { input::text(address, input::SHORT) }?.to_owned());
    }
    let store = match options.data.is_null() {
        true => StorePlace::Memory,
        // SAFETY: as the caller promises.
        false => StorePlace::Folder(unsafe { input::path(options.data) }?),
    };
    // SAFETY: as the caller promises.
    let lobby = unsafe { input::text_if(options.lobby, input::SHORT) }?;
    let age = Duration::from_secs(options.retention_seconds);
    let config = ServerConfig {
        listen,
        store,
        registration: registration(options.registration)?,
        retention: Retention {
            age: (!age.is_zero()).then_some(age),
            count: (options.retention_entries > 0).then_some(options.retention_entries),
        },
        lobby: lobby.map(str::to_owned),
        ..ServerConfig::default()
    };
    Ok(match options.streams {
        0 => config,
        streams => ServerConfig {
            streams: streams as usize,
            ..config
        },
    })
}

fn registration(registration: u32) -> Outcome<Registration> {
    input::registration(registration)
}

impl Server {
    pub(crate) fn open(config: ServerConfig) -> Outcome<Self> {
        let data = match &config.store {
            StorePlace::Folder(folder) => Some(folder.clone()),
            _ => None,
        };
        let plugins = Plugins::new(PluginsConfig {
            data,
            ..PluginsConfig::default()
        });
        let config = ServerConfig {
            hooks: Some(plugins.clone()),
            ..config
        };
        let start = chat_engine::Server::start(config);
        let (engine, driver) = runtime::wait("making a server", start)??;
        let text = |text: String| CString::new(text).unwrap_or_default();
        let addresses = engine.addresses().iter();
        let state = State {
            driver: Some(driver),
            ..State::default()
        };
        Ok(Self(Arc::new(Inner {
            addresses: addresses.map(|address| text(address.to_string())).collect(),
            fingerprint: text(engine.fingerprint().to_owned()),
            desk: Desk::new()?,
            state: Mutex::new(state),
            poisoned: AtomicBool::new(false),
            done: AtomicBool::new(false),
            plugins,
            engine,
        })))
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    pub(crate) fn engine(&self) -> chat_engine::Server {
        self.0.engine.clone()
    }

    pub(crate) fn start(&self) -> Outcome<()> {
        let mut state = self.0.lock();
        self.0.check_open(&state)?;
        self.0.start(&mut state);
        Ok(())
    }

    /// Adds a plugin of the program.
    ///
    /// # Safety
    ///
    /// As `BuiltIn::from_raw` says.
    pub(crate) unsafe fn add_plugin(
        &self,
        plugin: *const chat_plugin,
        config: Option<&str>,
    ) -> Outcome<()> {
        if plugin.is_null() {
            return Err(invalid("`plugin` is NULL"));
        }
        let table: serde_json::Map<String, Value> = serde_json::from_str(config.unwrap_or("{}"))
            .map_err(|error| {
                Fault::new(
                    CHAT_BAD_JSON,
                    format!("`config_json` is no object: {error}"),
                )
            })?;
        let settings = Settings::read(&table).map_err(|why| Fault::new(CHAT_INVALID, why))?;
        // SAFETY: as the caller promises.
        let plugin =
            unsafe { BuiltIn::by_id(plugin) }.map_err(|why| Fault::new(CHAT_INVALID, why))?;
        let state = self.0.lock();
        self.0.check_open(&state)?;
        let started = || Fault::new(CHAT_MISUSE, "plugins are added before the server starts");
        if state.driver.is_none() {
            return Err(started());
        }
        self.0
            .plugins
            .add(plugin, settings)
            .map_err(|why| match why {
                NotAdded::Started => started(),
                NotAdded::Known => Fault::new(CHAT_BUSY, "there is a plugin of that name already"),
                NotAdded::TooMany => {
                    Fault::new(CHAT_FULL, "there are as many plugins as a server takes")
                }
            })
    }

    pub(crate) fn address(&self, index: u32) -> *const c_char {
        let address = self.0.addresses.get(index as usize);
        address.map_or(c"".as_ptr(), |address| address.as_ptr())
    }

    pub(crate) fn fingerprint(&self) -> *const c_char {
        self.0.fingerprint.as_ptr()
    }

    /// Serves a socket.
    ///
    /// # Safety
    ///
    /// Nobody else uses the descriptor from now on.
    pub(crate) unsafe fn serve_fd(&self, fd: RawFd) -> Outcome<()> {
        self.0.check_open(&self.0.lock())?;
        if fd < 0 {
            return Err(invalid("there is no such descriptor"));
        }
        // SAFETY: the caller promises that it is open; it is only looked at here.
        let socket = unsafe { BorrowedFd::borrow_raw(fd) };
        let is_stream = rustix::net::sockopt::socket_type(socket) == Ok(SocketType::STREAM);
        if !is_stream || rustix::net::getpeername(socket).is_err() {
            return Err(invalid("the descriptor is no connected stream socket"));
        }
        // SAFETY: it is an open socket, and the caller gives it away.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)
            .map_err(|error| runtime::local("use the socket", &error.into()))?;
        let engine = self.0.engine.clone();
        let serving = async move {
            // For reading and writing it is all one what kind of stream socket it is.
            match Async::new(TcpStream::from(socket)) {
                Ok(stream) => engine.serve_stream(stream, None).await,
                Err(error) => tracing::warn!(%error, "cannot serve the socket"),
            }
        };
        runtime::spawn(serving).detach();
        Ok(())
    }

    pub(crate) fn ask(&self, ask: Ask) -> Outcome<u64> {
        let mut state = self.0.lock();
        self.0.check_open(&state)?;
        if state.made.len() + state.open.len() >= limits::EVENTS {
            return Err(Fault::of(CHAT_FULL));
        }
        state.last += 1;
        let number = state.last;
        // A server that did not start answers all the same.
        self.0.start(&mut state);
        let inner = Arc::clone(&self.0);
        let task = runtime::spawn(async move {
            let asking = AssertUnwindSafe(inner.answer(number, ask)).catch_unwind();
            match asking.await {
                Ok(record) => inner.reply(number, record),
                Err(_) => inner.poison(),
            }
        });
        state.open.insert(number, task);
        Ok(number)
    }

    pub(crate) fn stats(&self) -> Outcome<chat_server_stats> {
        let mut state = self.0.lock();
        self.0.check_open(&state)?;
        self.0.start(&mut state);
        drop(state);
        let engine = self.0.engine.clone();
        let asking = async move { engine.admin(Admin::Stats).await };
        let AdminAnswer::Stats(counted) = runtime::wait("counting", asking)?? else {
            return Err(Fault::of(CHAT_INTERNAL));
        };
        Ok(chat_server_stats {
            accounts: counted.accounts,
            rooms: counted.rooms,
            links: counted.links,
            entries: counted.entries,
            ..options::defaults()
        })
    }

    pub(crate) fn next_event(&self, timeout_ms: i32) -> Outcome<*mut chat_event> {
        if timeout_ms != 0 {
            may_wait("waiting for an event")?;
        }
        let inner = &self.0;
        let _turn = inner.desk.turn()?;
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        let until = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let place = handle::reserve_event()?;
            let mut state = inner.lock();
            if let Some(record) = state.made.pop_front() {
                let is_quiet = state.made.is_empty() && !state.closed;
                inner.desk.quiet_if(|| is_quiet);
                return Ok(place.event(record));
            }
            if state.closed {
                return Err(Fault::new(CHAT_CLOSED, "the last event was taken"));
            }
            inner.desk.quiet_if(|| true);
            drop(state);
            drop(place);
            match inner.desk.wait(until) {
                Woken::Readable => {}
                Woken::Nothing => return Ok(std::ptr::null_mut()),
                Woken::Freed => return Err(Fault::new(CHAT_CLOSED, "the server is being freed")),
            }
        }
    }

    pub(crate) fn stop(&self) -> Outcome<()> {
        let inner = &self.0;
        inner.begin_to_stop();
        if guard::in_callback() != Callback::None {
            return Ok(());
        }
        let until = Instant::now() + limits::STOP_WAIT;
        let done = || inner.done.load(Ordering::Acquire);
        match inner.desk.wait_for(until, done) {
            true => Ok(()),
            false => Err(Fault::new(CHAT_TIMEOUT, "the server did not end in time")),
        }
    }

    /// Ends all that knows the server. Nobody calls it any more.
    pub(crate) fn shut(&self) {
        let inner = &self.0;
        inner.desk.shut();
        inner.begin_to_stop();
        let until = Instant::now() + limits::STOP_WAIT;
        let done = || inner.done.load(Ordering::Acquire);
        inner.desk.wait_for(until, done);
        let mut state = inner.lock();
        let tasks: Vec<_> = std::mem::take(&mut state.open).into_values().collect();
        let task = state.task.take();
        drop(state);
        for task in tasks.into_iter().chain(task) {
            futures_lite::future::block_on(task.cancel());
        }
    }
}

impl Inner {
    fn start(self: &Arc<Self>, state: &mut State) {
        let Some(driver) = state.driver.take() else {
            return;
        };
        let inner = Arc::downgrade(self);
        state.task = Some(runtime::spawn(async move {
            let ended = AssertUnwindSafe(driver.run()).catch_unwind().await;
            if let Some(inner) = inner.upgrade() {
                match ended {
                    Ok(()) => inner.end(CHAT_CLOSED),
                    Err(_) => inner.poison(),
                }
            }
        }));
    }

    fn begin_to_stop(self: &Arc<Self>) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.stopping, true) {
            return;
        }
        self.start(&mut state);
        drop(state);
        let engine = self.engine.clone();
        runtime::spawn(async move { engine.drain().await }).detach();
    }

    fn check_open(&self, state: &State) -> Outcome<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(Fault::of(CHAT_PANIC));
        }
        if state.stopping || state.closed {
            return Err(Fault::new(CHAT_CLOSED, "the server is stopped"));
        }
        Ok(())
    }

    /// The last event, after a reply to everything that is open.
    fn end(&self, status: status::chat_status) {
        let mut state = self.lock();
        if !state.closed {
            for (number, task) in std::mem::take(&mut state.open) {
                drop(task);
                let record = reply(number).failed(&Error::Closed);
                let record = record.with_json(json::reply(None, CHAT_CLOSED));
                state.made.push_back(record);
            }
            let last = Record::new(CHAT_EVENT_CLOSED)
                .status(status)
                .with(Field::Reason, json::word(status))
                .with(Field::Message, &status::message(status).to_string_lossy())
                .with_json(json::bye(status));
            state.made.push_back(last);
            state.closed = true;
        }
        drop(state);
        self.done.store(true, Ordering::Release);
        self.desk.ring();
    }

    fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
        self.end(CHAT_PANIC);
    }

    fn reply(&self, number: u64, record: Record) {
        let mut state = self.lock();
        // Dropping the task would end it in the middle: it is this one.
        let Some(task) = state.open.remove(&number) else {
            return;
        };
        task.detach();
        state.made.push_back(record);
        drop(state);
        self.desk.ring();
    }

    async fn answer(&self, number: u64, ask: Ask) -> Record {
        match self.act(ask).await {
            Ok(Acted::Done) => reply(number).with_json(json::reply(None, CHAT_OK)),
            Ok(Acted::Filled(fill)) => fill(reply(number)),
            Err(error) => {
                let record = reply(number).failed(&error);
                let word = chat_engine::json::error_word(&error);
                let line = json!({"type": "error", "code": word, "message": error.to_string()});
                record.with_json(line.to_string())
            }
        }
    }

    async fn act(&self, ask: Ask) -> Result<Acted, Error> {
        let wish = match ask {
            Ask::Backup { folder } => {
                self.engine.backup(folder).await?;
                return Ok(Acted::Done);
            }
            Ask::AddAccount {
                account: name,
                password,
                rights,
            } => Admin::AddAccount {
                name,
                password,
                rights,
            },
            Ask::SetPassword { account, password } => Admin::SetPassword {
                name: account,
                password,
            },
            Ask::RemoveAccount { account } => Admin::RemoveAccount { name: account },
            Ask::SetRights { account, rights } => Admin::SetRights {
                name: account,
                rights,
            },
            Ask::Accounts { next } => Admin::Accounts {
                after: next.map(|name| AccountName::new(&name)).transpose()?,
                limit: chat_engine::limits::PAGE_ITEMS,
            },
            Ask::Invite { uses, seconds } => Admin::Invite {
                uses,
                lasts: Duration::from_secs(seconds),
            },
            Ask::Rooms { next } => Admin::Rooms { after: next },
            Ask::Members { room, next } => Admin::Members { room, after: next },
            Ask::SetRegistration { registration } => Admin::SetRegistration(registration),
            Ask::Change {
                room,
                account,
                change,
                role,
                seconds,
            } => Admin::Change {
                room,
                account,
                change,
                role,
                seconds,
            },
        };
        Ok(match self.engine.admin(wish).await? {
            AdminAnswer::Accounts(items) => accounts(&items),
            AdminAnswer::Rooms(items, next) => rooms(&items, next),
            AdminAnswer::Members(items, next) => members(&items, next),
            AdminAnswer::Invite(token) => self.invite(&token),
            _ => Acted::Done,
        })
    }

    fn invite(&self, token: &str) -> Acted {
        let address = self.engine.addresses().first();
        let address = address.map(ToString::to_string).unwrap_or_default();
        let link = url::invite(&address, self.engine.fingerprint(), Some(token));
        let line = json!({"type": "invite", "link": link, "token": token}).to_string();
        let token = token.to_owned();
        Acted::Filled(Box::new(move |record| {
            record
                .with(Field::Text, &link)
                .with(Field::Name, &token)
                .with_json(line)
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a wish brought: nothing more, or something to put into the reply.
enum Acted {
    Done,
    Filled(Box<dyn FnOnce(Record) -> Record + Send>),
}

fn accounts(items: &[chat_engine::AccountItem]) -> Acted {
    let lines = items.iter().map(|item| {
        json!({
            "account": item.name.as_str(),
            "admin": item.rights == Rights::Admin,
            "created": chat_engine::json::timestamp(item.created),
            "devices": item.devices,
            "online": item.online,
            "password": item.password,
        })
    });
    let full = items.len() >= chat_engine::limits::PAGE_ITEMS;
    let next = items.last().filter(|_| full);
    let next = next.map(|item| item.name.as_str().to_owned());
    let records = items.iter().map(event::account_item).collect();
    list("accounts", lines.collect(), records, next)
}

fn rooms(items: &[chat_engine::RoomItem], next: Option<String>) -> Acted {
    let lines = items.iter().map(|item| {
        json!({
            "room": item.name.as_str(),
            "topic": item.topic,
            "public": item.public,
            "members": item.members,
        })
    });
    let records = items.iter().map(event::room_item).collect();
    list("rooms", lines.collect(), records, next)
}

fn members(items: &[chat_engine::MemberItem], next: Option<String>) -> Acted {
    let lines = items.iter().map(|item| {
        json!({
            "account": item.account.as_str(),
            "role": item.role.as_str(),
            "muted": item.muted_until.0 != 0,
        })
    });
    let records = items.iter().map(event::member_item).collect();
    list("who", lines.collect(), records, next)
}

fn list(name: &str, lines: Vec<Value>, records: Vec<Record>, next: Option<String>) -> Acted {
    let mut line = json!({"type": name, "items": lines});
    if let Some(next) = &next {
        line["next"] = next.as_str().into();
    }
    let line = line.to_string();
    Acted::Filled(Box::new(move |record| {
        let record = record.with(Field::Next, &next.unwrap_or_default());
        event::listed(record, &line, records).with_json(line)
    }))
}

fn reply(number: u64) -> Record {
    Record::new(CHAT_EVENT_REPLY).request(number)
}
