//! What all functions share: failures become statuses, and no panic gets out.

use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chat_engine::{BadName, Error, Misuse, Refusal};

use crate::runtime;
use crate::status::{self, CHAT_FORKED, CHAT_MISUSE, CHAT_OK, CHAT_PANIC, chat_status};

/// Why a call failed: a number for programs, a sentence for people.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) status: chat_status,
    pub(crate) text: String,
}

pub(crate) type Outcome<T> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(status: chat_status, text: impl Display) -> Self {
        Self {
            status,
            text: text.to_string(),
        }
    }

    /// With the sentence that the status has.
    pub(crate) fn of(status: chat_status) -> Self {
        Self::new(status, status::message(status).to_string_lossy())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(status::of_error(&error), &error)
    }
}

impl From<Misuse> for Fault {
    fn from(misuse: Misuse) -> Self {
        Error::from(misuse).into()
    }
}

impl From<BadName> for Fault {
    fn from(bad: BadName) -> Self {
        Error::from(bad).into()
    }
}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Self {
        Self::new(status::of_code(refusal.code), refusal)
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
    static CALLBACK: Cell<Callback> = const { Cell::new(Callback::None) };
    /// How many functions of the library this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Which callback of the host this thread is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Callback {
    None,
    Wakeup,
    Log,
}

/// Runs the body of a function of the API.
pub(crate) fn guard(body: impl FnOnce() -> Outcome<()>) -> chat_status {
    match run(body) {
        Ok(()) => CHAT_OK,
        Err(status) => status,
    }
}

/// The same for a function that answers with a value.
pub(crate) fn guard_or<T>(otherwise: T, body: impl FnOnce() -> Outcome<T>) -> T {
    run(body).unwrap_or(otherwise)
}

fn run<T>(body: impl FnOnce() -> Outcome<T>) -> Result<T, chat_status> {
    // Before everything else: in a child, locks may be held by threads that are not there.
    if runtime::is_forked() {
        return Err(CHAT_FORKED);
    }
    if in_callback() == Callback::Log {
        return Err(CHAT_MISUSE);
    }
    let depth = Depth::enter();
    let outcome = catch_unwind(AssertUnwindSafe(body));
    drop(depth);
    let fault = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(fault)) => fault,
        Err(_) => Fault::of(CHAT_PANIC),
    };
    let status = fault.status;
    set_last_error(fault.text);
    Err(status)
}

/// Whether this thread is inside of the library: a panic in here is ours to deal with.
pub(crate) fn is_inside() -> bool {
    DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false)
}

/// Counts a thread as inside of the library.
pub(crate) struct Depth(());

impl Depth {
    pub(crate) fn enter() -> Self {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        Self(())
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}

pub(crate) fn in_callback() -> Callback {
    CALLBACK.try_with(Cell::get).unwrap_or(Callback::None)
}

/// Says that what follows would wait, which a callback must not.
pub(crate) fn may_wait(what: &str) -> Outcome<()> {
    match in_callback() {
        Callback::None => Ok(()),
        _ => Err(Fault::new(
            CHAT_MISUSE,
            format!("{what} waits, which a callback must not: wake another thread to do it"),
        )),
    }
}

/// Calls the host.
pub(crate) fn call_host(callback: Callback, call: impl FnOnce()) {
    let before = CALLBACK.replace(callback);
    call();
    CALLBACK.set(before);
}

pub(crate) fn last_error() -> *const c_char {
    let text = LAST_ERROR.try_with(|last| last.borrow().as_ptr());
    text.unwrap_or(c"".as_ptr())
}

fn set_last_error(text: String) {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    let _ = LAST_ERROR.try_with(|last| last.replace(text));
}
