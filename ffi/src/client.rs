//! A client of C: requests with exactly one reply each, events one at a time, and an end that is bounded.

mod plan;
mod requests;
mod taking;

use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_executor::Task;
use chat_engine::{
    BlobId, Body, ClientDriver, Command, FileSink, FileSource, PresenceState, Request, SendId,
    Target,
};
use futures_lite::FutureExt as _;

use crate::api::client::{
    CHAT_STATE_CLOSED, CHAT_STATE_CONNECTING, CHAT_STATE_NEW, CHAT_STATE_ONLINE,
    CHAT_STATE_RECONNECTING, chat_state,
};
use crate::desk::Desk;
use crate::guard::{self, Callback, Fault, Outcome};
use crate::limits;
use crate::options::SendOptions;
use crate::runtime;
use crate::status::{
    CHAT_CLOSED, CHAT_INVALID, CHAT_MISUSE, CHAT_PANIC, CHAT_TIMEOUT, CHAT_WRONG_KEY,
};

pub(crate) use plan::{Plan, plan};
use requests::Requests;

/// A client.
#[derive(Debug)]
pub(crate) struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: chat_engine::Client,
    desk: Arc<Desk>,
    state: Mutex<State>,
    work: Arc<Work>,
    account: CString,
    fingerprint: OnceLock<CString>,
    request_timeout: Option<Duration>,
}

/// What calls and events change.
#[derive(Debug, Default)]
struct State {
    /// Until it connects.
    driver: Option<ClientDriver>,
    task: Option<Task<()>>,
    requests: Requests,
    phase: Phase,
    /// The application wants to leave, until this time.
    leaving: Option<Instant>,
    /// The key that the server showed.
    shown: Option<([u8; 32], String)>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Phase {
    #[default]
    New,
    Connecting,
    Online,
    Reconnecting,
    Closed,
}

/// What became of the engine's work.
#[derive(Debug, Default)]
struct Work {
    done: AtomicBool,
    /// It panicked, or a call into it did. Nothing of it is believed any more.
    poisoned: AtomicBool,
    #[cfg(debug_assertions)]
    fault: event_listener::Event,
}

impl Client {
    pub(crate) fn open(plan: Plan) -> Outcome<Self> {
        let account = CString::new(plan.config.account.as_str()).unwrap_or_default();
        let request_timeout = plan.request_timeout;
        let (engine, driver) = runtime::wait("making a client", plan.open())??;
        let desk = Desk::new()?;
        let bell = Arc::clone(&desk);
        engine.on_news(move || bell.ring());
        let state = State {
            driver: Some(driver),
            ..State::default()
        };
        Ok(Self(Arc::new(Inner {
            engine,
            desk,
            state: Mutex::new(state),
            work: Arc::default(),
            account,
            fingerprint: OnceLock::new(),
            request_timeout,
        })))
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    pub(crate) fn connect(&self) -> Outcome<u64> {
        let inner = &self.0;
        let mut state = inner.lock();
        inner.check_open(&state)?;
        let Some(driver) = state.driver.take() else {
            let text = "the client connects already";
            return Err(Fault::new(CHAT_MISUSE, text));
        };
        state.phase = Phase::Connecting;
        state.task = Some(inner.run(driver));
        Ok(state.requests.begin_connect())
    }

    pub(crate) fn send(&self, place: Target, body: Body, options: SendOptions) -> Outcome<u64> {
        self.0.command(
            Command::Send {
                target: place,
                body,
                id: options.id,
                label: options.label,
            },
            None,
        )
    }

    pub(crate) fn ask(&self, request: Request) -> Outcome<u64> {
        self.0.command(Command::Ask(request), None)
    }

    pub(crate) fn outbox(&self) -> Outcome<u64> {
        self.0.command(Command::Outbox, None)
    }

    pub(crate) fn cancel_send(&self, id: SendId) -> Outcome<u64> {
        self.0.command(Command::Cancel(id), None)
    }

    pub(crate) fn send_file(
        &self,
        place: Target,
        path: PathBuf,
        name: Option<&str>,
        media_type: Option<&str>,
        options: SendOptions,
    ) -> Outcome<u64> {
        if options.reply_to().is_some() {
            return Err(Fault::new(CHAT_INVALID, "a file can't be a reply"));
        }
        self.0.command(
            Command::SendFile {
                target: place,
                source: FileSource::Path(path),
                name: name.map(str::to_owned),
                media_type: media_type.unwrap_or_default().to_owned(),
                id: options.id,
                label: options.label,
            },
            None,
        )
    }

    pub(crate) fn fetch(&self, blob: BlobId, path: PathBuf) -> Outcome<u64> {
        self.0.command(
            Command::Fetch {
                blob,
                sink: FileSink::Path(path),
                start: 0,
                length: None,
                label: String::new(),
            },
            None,
        )
    }

    pub(crate) fn request_json(&self, line: &str) -> Outcome<u64> {
        self.0.request_json(line)
    }

    pub(crate) fn typing(&self, place: Target) -> Outcome<()> {
        self.0.tell(Command::Typing(place))
    }

    pub(crate) fn presence(&self, state: PresenceState, text: &str) -> Outcome<()> {
        self.0.tell(Command::Presence(state, text.to_owned()))
    }

    pub(crate) fn trust(&self, fingerprint: &str) -> Outcome<()> {
        let shown = self.0.lock().shown.clone();
        match shown {
            Some((key, shown)) if shown == fingerprint => self.0.tell(Command::Trust(key)),
            Some((_, shown)) => Err(Fault::new(
                CHAT_WRONG_KEY,
                format!("the server shows the key {shown}, not {fingerprint}"),
            )),
            None => Err(Fault::new(CHAT_MISUSE, "the server showed no key so far")),
        }
    }

    pub(crate) fn cancel(&self, request: u64) -> Outcome<()> {
        self.0.cancel(request)
    }

    pub(crate) fn state(&self) -> chat_state {
        if self.0.work.is_poisoned() {
            return CHAT_STATE_CLOSED;
        }
        match self.0.lock().phase {
            Phase::New => CHAT_STATE_NEW,
            Phase::Connecting => CHAT_STATE_CONNECTING,
            Phase::Online => CHAT_STATE_ONLINE,
            Phase::Reconnecting => CHAT_STATE_RECONNECTING,
            Phase::Closed => CHAT_STATE_CLOSED,
        }
    }

    pub(crate) fn open_requests(&self) -> u32 {
        u32::try_from(self.0.lock().requests.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn account(&self) -> *const c_char {
        self.0.account.as_ptr()
    }

    pub(crate) fn fingerprint(&self) -> *const c_char {
        let known = self.0.fingerprint.get();
        known.map_or(c"".as_ptr(), |text| text.as_ptr())
    }

    /// Leaves. Answers when everything that stays open was told, or the time is over.
    pub(crate) fn close(&self, flush_ms: u32) -> Outcome<()> {
        let inner = &self.0;
        let until = Instant::now() + Duration::from_millis(flush_ms.into());
        inner.leave(until)?;
        if guard::in_callback() != Callback::None {
            return Ok(());
        }
        let told = || inner.engine.is_settled().is_some() || inner.work.is_poisoned();
        // Another call may shorten it.
        loop {
            let until = inner.lock().leaving.map_or(until, |other| other.min(until));
            let shortened = || inner.lock().leaving.is_some_and(|other| other < until);
            if inner.desk.wait_for(until, told) || !shortened() {
                break;
            }
        }
        inner.leave_now();
        let last = Instant::now() + limits::CLOSE_WAIT;
        inner.desk.wait_for(last, told);
        match inner.engine.is_settled() {
            Some(true) => Ok(()),
            _ => Err(Fault::new(CHAT_TIMEOUT, "not everything was settled")),
        }
    }

    /// Ends all that knows the client. Nobody calls it any more.
    pub(crate) fn shut(&self) {
        let inner = &self.0;
        inner.desk.shut();
        inner.leave_now();
        inner.engine.disown();
        let until = Instant::now() + limits::FREE_WAIT;
        let done = || inner.work.done.load(Ordering::Acquire);
        inner.desk.wait_for(until, done);
        let mut state = inner.lock();
        state.requests.forget_timers();
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            // Dropped where it is, if it did not end in time.
            futures_lite::future::block_on(task.cancel());
        }
    }

    #[cfg(debug_assertions)]
    pub(crate) fn panic_soon(&self) {
        self.0.work.fault.notify(usize::MAX);
    }
}

impl Inner {
    /// Lets the engine work, on the library's thread.
    fn run(&self, driver: ClientDriver) -> Task<()> {
        let (work, desk) = (Arc::clone(&self.work), Arc::clone(&self.desk));
        runtime::spawn(async move {
            let working = async {
                #[cfg(debug_assertions)]
                let broken = async {
                    work.fault.listen().await;
                    panic!("a fault for a test");
                };
                #[cfg(not(debug_assertions))]
                let broken = std::future::pending();
                driver.run().or(broken).await;
            };
            // Whoever waits for events hears that the engine is gone while a panic still unwinds.
            let poison = Arc::clone(&work);
            let working = runtime::telling_of_panics(working, move || {
                poison.poisoned.store(true, Ordering::Release);
            });
            if AssertUnwindSafe(working).catch_unwind().await.is_err() {
                work.poisoned.store(true, Ordering::Release);
            }
            work.done.store(true, Ordering::Release);
            desk.ring();
        })
    }

    /// Begins to leave: at that time, or at the one that an earlier call said.
    fn leave(&self, until: Instant) -> Outcome<()> {
        let mut state = self.lock();
        state.leaving = Some(state.leaving.map_or(until, |other| other.min(until)));
        let flush = until > Instant::now() && state.driver.is_none();
        self.start_to_leave(&mut state);
        drop(state);
        self.desk.stir();
        if self.work.is_poisoned() {
            return Ok(());
        }
        // After the end there is nothing to leave.
        let _ = self.engine(|engine| engine.command(Command::Leave { flush }))?;
        Ok(())
    }

    fn leave_now(&self) {
        let mut state = self.lock();
        state.leaving = Some(Instant::now());
        self.start_to_leave(&mut state);
        drop(state);
        let _ = self.engine(|engine| engine.command(Command::Leave { flush: false }));
    }

    /// A client that never connected still has to put its sends into the outbox.
    fn start_to_leave(&self, state: &mut State) {
        if let Some(driver) = state.driver.take() {
            let _ = self.engine(|engine| engine.command(Command::Leave { flush: false }));
            state.task = Some(self.run(driver));
        }
    }

    /// Gives a command that is not replied to.
    fn tell(&self, command: Command) -> Outcome<()> {
        self.check_open(&self.lock())?;
        self.engine(|engine| engine.command(command))??;
        Ok(())
    }

    fn check_open(&self, state: &State) -> Outcome<()> {
        if self.work.is_poisoned() {
            return Err(Fault::of(CHAT_PANIC));
        }
        if state.phase == Phase::Closed || state.leaving.is_some() {
            return Err(Fault::new(CHAT_CLOSED, "the client is closed"));
        }
        Ok(())
    }

    /// Calls the engine. A panic in there poisons this client, and no other.
    fn engine<T>(&self, call: impl FnOnce(&chat_engine::Client) -> T) -> Outcome<T> {
        catch_unwind(AssertUnwindSafe(|| call(&self.engine))).map_err(|_| {
            self.work.poisoned.store(true, Ordering::Release);
            self.desk.ring();
            Fault::of(CHAT_PANIC)
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }
}
