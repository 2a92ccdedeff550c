//! What waits to be written to one link.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::limits;
use crate::model::ByeReason;

/// The hub's end of a link: frames are put in on one side and taken out by the link's task.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    inner: Mutex<Inner>,
    /// Frames of the link that the hub has not seen yet.
    inlet: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inner {
    control: VecDeque<Arc<[u8]>>,
    text: VecDeque<Arc<[u8]>>,
    bytes: usize,
    waker: Option<Waker>,
    entered: bool,
    closing: Option<Option<(ByeReason, String)>>,
    overflow: bool,
    /// The link's task has something to look at, and was not woken for it so far.
    touched: bool,
}

/// Which frames go first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lane {
    /// Before text.
    Control,
    /// In order: entries, gaps, acks.
    Text,
}

/// What a link's task takes out at a time.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) control: VecDeque<Arc<[u8]>>,
    pub(crate) text: VecDeque<Arc<[u8]>>,
    /// The hub let the peer in.
    pub(crate) entered: bool,
    /// End the link after these frames, with this goodbye.
    pub(crate) closing: Option<Option<(ByeReason, String)>>,
    /// The peer does not read what it asked for.
    pub(crate) overflow: bool,
}

impl Outlet {
    /// Puts a frame in. `true` when the task has to be woken, which [`wake`](Self::wake) does: after
    /// a whole batch, so that the frames of a batch travel together.
    pub(crate) fn push(&self, lane: Lane, frame: Arc<[u8]>) -> bool {
        let mut inner = self.lock();
        if inner.closing.is_some() || inner.overflow {
            return false;
        }
        inner.bytes += frame.len();
        if inner.bytes > limits::OUTLET_BYTES {
            inner.overflow = true;
        }
        match lane {
            Lane::Control => inner.control.push_back(frame),
            Lane::Text => inner.text.push_back(frame),
        }
        !std::mem::replace(&mut inner.touched, true)
    }

    pub(crate) fn enter(&self) -> bool {
        let mut inner = self.lock();
        inner.entered = true;
        !std::mem::replace(&mut inner.touched, true)
    }

    pub(crate) fn close(&self, bye: Option<(ByeReason, String)>) -> bool {
        let mut inner = self.lock();
        inner.closing.get_or_insert(bye);
        !std::mem::replace(&mut inner.touched, true)
    }

    /// Wakes the link's task.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes everything out, or leaves a waker.
    pub(crate) fn take(&self, waker: &Waker) -> Option<Taken> {
        let mut inner = self.lock();
        if !inner.touched {
            if !inner
                .waker
                .as_ref()
                .is_some_and(|held| held.will_wake(waker))
            {
                inner.waker = Some(waker.clone());
            }
            return None;
        }
        inner.touched = false;
        inner.bytes = 0;
        Some(Taken {
            control: std::mem::take(&mut inner.control),
            text: std::mem::take(&mut inner.text),
            entered: std::mem::take(&mut inner.entered),
            closing: inner.closing.clone(),
            overflow: inner.overflow,
        })
    }

    /// The link hands a frame to the hub. `false`: too many are under way, it has to pause.
    pub(crate) fn admit(&self) -> bool {
        self.inlet.load(Ordering::Acquire) < limits::INLET_FRAMES
    }

    pub(crate) fn sent(&self) {
        self.inlet.fetch_add(1, Ordering::AcqRel);
    }

    /// The hub has dealt with a frame.
    pub(crate) fn handled(&self) -> bool {
        if self.inlet.fetch_sub(1, Ordering::AcqRel) != limits::INLET_FRAMES {
            return false;
        }
        !std::mem::replace(&mut self.lock().touched, true)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
