//! The threads of the library, shared by all handles and as old as the process.
//!
//! One thread runs every task; beside it there are the reactor of `async-io` and a small pool for what
//! blocks. All of them are started by a thread of ours, so that none inherits the signal mask of a
//! caller.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_executor::{Executor, Task};
use futures_lite::future;

use crate::guard::{self, Depth, Fault, Outcome};
use crate::limits;
use crate::status::CHAT_LOCAL;

static EXECUTOR: Executor<'static> = Executor::new();
static STARTED: Mutex<bool> = Mutex::new(false);
/// Set in a child that was forked after the start.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Starts the threads, once.
pub(crate) fn start() -> Outcome<()> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return Ok(());
    }
    hush_panics();
    // SAFETY: the function that is registered only stores to an atomic, which may be done after a fork.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    let threads = NonZeroUsize::new(limits::BLOCKING_THREADS).unwrap_or(NonZeroUsize::MIN);
    blocking::set_max_blocking_threads(threads);
    // The mask is set around the start, too: no signal may find the thread before it has its own.
    let before = signals::block(&signals::of_our_threads())?;
    let thread = std::thread::Builder::new()
        .name("chat".to_owned())
        .spawn(run);
    signals::restore(&before);
    thread.map_err(|error| local("start a thread", &error))?;
    *started = true;
    Ok(())
}

/// Whether this process was forked from one that used the library.
pub(crate) fn is_forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Runs a task on the library's thread. A panic in it ends with the task; who waits for it panics.
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Task<T> {
    EXECUTOR.spawn(task)
}

/// Runs a task on the library's thread and waits for it.
pub(crate) fn wait<T: Send + 'static>(
    what: &str,
    task: impl Future<Output = T> + Send + 'static,
) -> Outcome<T> {
    guard::may_wait(what)?;
    start()?;
    Ok(future::block_on(spawn(task)))
}

pub(crate) fn local(what: &str, error: &io::Error) -> Fault {
    Fault::new(CHAT_LOCAL, format!("cannot {what}: {error}"))
}

fn run() {
    // Where it was started under another mask after all.
    let _ = signals::set(&signals::of_our_threads());
    let _inside = Depth::enter();
    loop {
        // A task that panics takes the loop with it, and no more: its owner is told.
        let work = || async_io::block_on(EXECUTOR.run(future::pending::<()>()));
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
}

extern "C" fn in_child() {
    FORKED.store(true, Ordering::Relaxed);
}

thread_local! {
    /// Who is told when what this thread polls panics.
    static TELL: RefCell<Option<Arc<dyn Fn() + Send + Sync>>> = const { RefCell::new(None) };
}

/// Calls `tell` when the future panics: before anything of it is dropped, and so before anybody can see
/// that it is gone.
pub(crate) fn telling_of_panics<T>(
    future: impl Future<Output = T> + Send,
    tell: impl Fn() + Send + Sync + 'static,
) -> impl Future<Output = T> + Send {
    struct Quiet;
    impl Drop for Quiet {
        fn drop(&mut self) {
            TELL.set(None);
        }
    }
    let tell: Arc<dyn Fn() + Send + Sync> = Arc::new(tell);
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        TELL.set(Some(Arc::clone(&tell)));
        let _quiet = Quiet;
        future.as_mut().poll(cx)
    })
}

/// A panic of the library is told by its handle and the log, and not on the host's stderr. Panics of
/// others go where they went before: a Rust program may use this crate, too.
fn hush_panics() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        TELL.with_borrow(|tell| {
            if let Some(tell) = tell {
                tell();
            }
        });
        if guard::is_inside() || is_ours() {
            tracing::error!(panic = %info, "a fault of the chat library");
        } else {
            others(info);
        }
    }));
}

fn is_ours() -> bool {
    let thread = std::thread::current();
    thread
        .name()
        .is_some_and(|name| name.starts_with("chat") || name.starts_with("blocking-"))
}

mod signals {
    //! Signal masks of threads.

    use std::mem::MaybeUninit;

    use crate::guard::Outcome;
    use crate::runtime::local;

    /// Those that a fault of the thread itself brings. They stay open: a crash handler of the host must
    /// work, and blocking them would only turn it into a silent end.
    const CRASHES: [libc::c_int; 7] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
        libc::SIGABRT,
    ];

    /// What a thread of the library does not take: everything but crashes.
    pub(super) fn of_our_threads() -> libc::sigset_t {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigfillset fills the whole set; sigdelset changes an initialized one, and both know
        // the signals that are named.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            for signal in CRASHES {
                libc::sigdelset(set.as_mut_ptr(), signal);
            }
            set.assume_init()
        }
    }

    /// Adds to the mask of this thread. Answers what it was.
    pub(super) fn block(set: &libc::sigset_t) -> Outcome<libc::sigset_t> {
        change(libc::SIG_BLOCK, set)
    }

    /// Replaces the mask of this thread. Answers what it was.
    pub(super) fn set(set: &libc::sigset_t) -> Outcome<libc::sigset_t> {
        change(libc::SIG_SETMASK, set)
    }

    pub(super) fn restore(before: &libc::sigset_t) {
        // Can't fail with a mask that was in use.
        let _ = set(before);
    }

    fn change(how: libc::c_int, set: &libc::sigset_t) -> Outcome<libc::sigset_t> {
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are there; the second one is written when the answer is 0.
        let failed = unsafe { libc::pthread_sigmask(how, set, before.as_mut_ptr()) };
        if failed != 0 {
            let error = std::io::Error::from_raw_os_error(failed);
            return Err(local("change the signal mask", &error));
        }
        // SAFETY: pthread_sigmask wrote it.
        Ok(unsafe { before.assume_init() })
    }
}
