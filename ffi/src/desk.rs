//! Where events are taken: who waits for them, and how it is woken.
//!
//! Everything about being readable is decided under one lock: a source tells that it has something
//! ([`Desk::ring`]), and who took the last event looks under the same lock whether that is still so
//! ([`Desk::quiet_if`]). So no event is waited for that is there, and none is announced that is not.

use std::ffi::c_void;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::api::global::chat_wakeup_fn;
use crate::guard::{self, Callback, Depth, Fault, Outcome};
use crate::runtime;
use crate::status::{CHAT_BUSY, CHAT_MISUSE};

/// The place where the events of one handle are taken.
#[derive(Debug)]
pub(crate) struct Desk {
    signal: Mutex<Signal>,
    changed: Condvar,
    bell: Bell,
    wakeup: Arc<Wakeup>,
}

#[derive(Debug, Default)]
struct Signal {
    /// There is something to take, or the end was told.
    readable: bool,
    interrupted: bool,
    /// Somebody is taking events.
    taken: bool,
    /// The handle is being freed.
    freed: bool,
}

/// What a wait ended with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Woken {
    /// There may be something.
    Readable,
    /// Nothing in time, or somebody interrupted it.
    Nothing,
    /// The handle is being freed.
    Freed,
}

/// The one who may take events now.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Desk);

impl Desk {
    pub(crate) fn new() -> Outcome<Arc<Self>> {
        Ok(Arc::new(Self {
            signal: Mutex::default(),
            changed: Condvar::new(),
            bell: Bell::new().map_err(|error| runtime::local("make a descriptor", &error))?,
            wakeup: Arc::default(),
        }))
    }

    pub(crate) fn fd(&self) -> i32 {
        self.bell.fd.as_raw_fd()
    }

    /// There is something to take, or to look at.
    pub(crate) fn ring(&self) {
        let mut signal = self.signal();
        if !signal.readable {
            signal.readable = true;
            self.bell.raise();
            self.wakeup.schedule();
        }
        drop(signal);
        self.changed.notify_all();
    }

    /// Wakes those that wait for something else to change.
    pub(crate) fn stir(&self) {
        drop(self.signal());
        self.changed.notify_all();
    }

    /// Says that there is nothing to take, if that is so.
    pub(crate) fn quiet_if(&self, is_empty: impl FnOnce() -> bool) {
        let mut signal = self.signal();
        if signal.readable && is_empty() {
            signal.readable = false;
            self.bell.lower();
        }
    }

    pub(crate) fn interrupt(&self) {
        self.signal().interrupted = true;
        self.changed.notify_all();
    }

    /// Lets one thread take events.
    pub(crate) fn turn(&self) -> Outcome<Turn<'_>> {
        let mut signal = self.signal();
        if signal.taken {
            let text = "another thread waits for the events of this handle";
            return Err(Fault::new(CHAT_BUSY, text));
        }
        signal.taken = true;
        Ok(Turn(self))
    }

    /// Waits until something may be there.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Woken {
        let mut signal = self.signal();
        loop {
            if signal.freed {
                return Woken::Freed;
            }
            if std::mem::take(&mut signal.interrupted) {
                return Woken::Nothing;
            }
            if signal.readable {
                return Woken::Readable;
            }
            match self.pause(signal, until) {
                Some(guard) => signal = guard,
                None => return Woken::Nothing,
            }
        }
    }

    /// Waits until something is so, or that time. Answers whether it is so.
    pub(crate) fn wait_for(&self, until: Instant, mut is_so: impl FnMut() -> bool) -> bool {
        let mut signal = self.signal();
        loop {
            if is_so() {
                return true;
            }
            match self.pause(signal, Some(until)) {
                Some(guard) => signal = guard,
                None => return is_so(),
            }
        }
    }

    pub(crate) fn set_wakeup(&self, callback: chat_wakeup_fn, user: *mut c_void) -> Outcome<()> {
        self.wakeup.set(callback, user)?;
        // What came before it was there would never be told.
        if self.signal().readable {
            self.wakeup.schedule();
        }
        Ok(())
    }

    /// The handle is being freed: nobody waits any more, no callback comes.
    pub(crate) fn shut(&self) {
        self.signal().freed = true;
        self.changed.notify_all();
        // Only refused inside of a callback, where nothing is freed.
        let _ = self.wakeup.set(None, std::ptr::null_mut());
    }

    fn pause<'a>(
        &self,
        signal: MutexGuard<'a, Signal>,
        until: Option<Instant>,
    ) -> Option<MutexGuard<'a, Signal>> {
        let Some(until) = until else {
            let woken = self.changed.wait(signal);
            return Some(woken.unwrap_or_else(PoisonError::into_inner));
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let woken = self.changed.wait_timeout(signal, left);
        Some(woken.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.signal().taken = false;
    }
}

/// The descriptor that the host polls.
#[derive(Debug)]
struct Bell {
    fd: OwnedFd,
    /// The other end, where there is no eventfd.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    writer: OwnedFd,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Bell {
    fn new() -> std::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd })
    }

    fn raise(&self) {
        // It holds 0: there is room for 1.
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    fn lower(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Bell {
    fn new() -> std::io::Result<Self> {
        let (fd, writer) = rustix::pipe::pipe()?;
        for end in [&fd, &writer] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Self { fd, writer })
    }

    fn raise(&self) {
        let _ = rustix::io::write(&self.writer, &[1]);
    }

    fn lower(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }
}

/// The host's callback. It runs on the library's thread, outside of every lock, one call at a time.
#[derive(Debug, Default)]
struct Wakeup {
    state: Mutex<WakeupState>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct WakeupState {
    target: Option<WakeupTarget>,
    /// A call is to be made.
    due: bool,
    running: bool,
}

#[derive(Clone, Copy, Debug)]
struct WakeupTarget {
    call: unsafe extern "C" fn(user: *mut c_void),
    user: *mut c_void,
}

// SAFETY: the header says that the callback is called from threads of the library; what `user` points to
// is the host's care.
unsafe impl Send for WakeupTarget {}

impl Wakeup {
    fn schedule(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.target.is_none() || std::mem::replace(&mut state.due, true) || state.running {
            return;
        }
        drop(state);
        let wakeup = Arc::clone(self);
        runtime::spawn(async move { wakeup.run() }).detach();
    }

    fn run(&self) {
        let mut state = self.lock();
        if state.running {
            return;
        }
        while let (true, Some(target)) = (std::mem::take(&mut state.due), state.target) {
            state.running = true;
            drop(state);
            // SAFETY: the host promised that the callback may be called with `user` until it sets
            // another one, which waits for `running`.
            guard::call_host(Callback::Wakeup, || unsafe { (target.call)(target.user) });
            state = self.lock();
            state.running = false;
            self.ended.notify_all();
        }
    }

    fn set(&self, callback: chat_wakeup_fn, user: *mut c_void) -> Outcome<()> {
        if guard::in_callback() != Callback::None {
            let text = "a callback can't be changed inside of one: it would wait for itself";
            return Err(Fault::new(CHAT_MISUSE, text));
        }
        let _inside = Depth::enter();
        let mut state = self.lock();
        state.target = callback.map(|call| WakeupTarget { call, user });
        state.due = false;
        while state.running {
            state = self
                .ended
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, WakeupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
