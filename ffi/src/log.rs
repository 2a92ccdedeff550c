//! The log, for whoever wants it.

use std::ffi::{CString, c_void};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::api::global::{
    CHAT_LOG_DEBUG, CHAT_LOG_ERROR, CHAT_LOG_INFO, CHAT_LOG_TRACE, CHAT_LOG_WARN, chat_log_fn,
    chat_log_level,
};
use crate::guard::{self, Callback, Fault, Outcome};
use crate::input::invalid;
use crate::status::CHAT_MISUSE;

/// The least grave level that is wanted; 0: none.
static LEVEL: AtomicI32 = AtomicI32::new(0);
static STATE: Mutex<State> = Mutex::new(State {
    target: None,
    running: 0,
    installed: false,
});
static ENDED: Condvar = Condvar::new();

#[derive(Debug)]
struct State {
    target: Option<Target>,
    running: usize,
    installed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    call: unsafe extern "C" fn(
        *mut c_void,
        chat_log_level,
        *const std::ffi::c_char,
        *const std::ffi::c_char,
    ),
    user: *mut c_void,
}

// SAFETY: the header says that the callback is called from any thread; what `user` points to is the
// host's care.
unsafe impl Send for Target {}

pub(crate) fn set(level: chat_log_level, callback: chat_log_fn, user: *mut c_void) -> Outcome<()> {
    if !(CHAT_LOG_ERROR..=CHAT_LOG_TRACE).contains(&level) {
        return Err(invalid("there is no such level of the log"));
    }
    guard::may_wait("changing the log")?;
    let mut state = lock();
    if callback.is_some() && !state.installed {
        // In a C program this is the only one. A Rust program may have its own, which sees everything.
        if tracing::subscriber::set_global_default(Lines::default()).is_err() {
            let text = "this program has a log of its own (tracing), which tells the same";
            return Err(Fault::new(CHAT_MISUSE, text));
        }
        state.installed = true;
    }
    LEVEL.store(
        if callback.is_some() { level } else { 0 },
        Ordering::Relaxed,
    );
    state.target = callback.map(|call| Target { call, user });
    while state.running > 0 {
        state = ENDED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    drop(state);
    tracing::callsite::rebuild_interest_cache();
    Ok(())
}

/// Makes a line of each event.
#[derive(Debug, Default)]
struct Lines {
    spans: AtomicU64,
}

impl Subscriber for Lines {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        number(about.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        // What the host does in its callback is not told to the callback.
        if guard::in_callback() == Callback::Log || crate::runtime::is_forked() {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let about = event.metadata();
        let target = CString::new(about.target()).unwrap_or_default();
        let message = CString::new(line.0.replace('\0', " ")).unwrap_or_default();
        let mut state = lock();
        let Some(host) = state.target else { return };
        state.running += 1;
        drop(state);
        // SAFETY: the host promised that the callback may be called with `user` until it sets another
        // one, which waits for `running`; the strings live until it returns.
        guard::call_host(Callback::Log, || unsafe {
            (host.call)(
                host.user,
                number(about.level()),
                target.as_ptr(),
                message.as_ptr(),
            );
        });
        lock().running -= 1;
        ENDED.notify_all();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message, then the fields as `name=value`.
#[derive(Debug, Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a string can't fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => self.0.write_str(value),
            name => write!(self.0, " {name}={value}"),
        };
    }
}

fn number(level: &Level) -> chat_log_level {
    match *level {
        Level::ERROR => CHAT_LOG_ERROR,
        Level::WARN => CHAT_LOG_WARN,
        Level::INFO => CHAT_LOG_INFO,
        Level::DEBUG => CHAT_LOG_DEBUG,
        Level::TRACE => CHAT_LOG_TRACE,
    }
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
