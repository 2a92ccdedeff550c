//! What waits to be written to one link.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::files::Transfers;
use crate::limits;
use crate::model::ByeReason;

/// The hub's end of a link: frames are put in on one side and taken out by the link's task.
#[derive(Default)]
pub(crate) struct Outlet {
    /// Files on their way over this link.
    pub(crate) transfers: Transfers,
    inner: Mutex<Inner>,
    /// Frames of the link that the hub has not seen yet.
    inlet: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inner {
    control: VecDeque<Arc<[u8]>>,
    text: VecDeque<Arc<[u8]>>,
    /// Bounded by the windows of the downloads, and not counted in `bytes`.
    bulk: VecDeque<Vec<u8>>,
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
    /// Pieces of files: when there is nothing else.
    Bulk,
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
            Lane::Bulk => inner.bulk.push_back(frame.to_vec()),
        }
        !std::mem::replace(&mut inner.touched, true) || inner.overflow
    }

    /// Puts pieces in, which go when nothing else waits, and wakes the link.
    pub(crate) fn push_bulk(&self, frames: Vec<Vec<u8>>) {
        let mut inner = self.lock();
        if inner.closing.is_some() || inner.overflow {
            return;
        }
        inner.bulk.extend(frames);
        let is_news = !std::mem::replace(&mut inner.touched, true);
        drop(inner);
        if is_news {
            self.wake();
        }
    }

    /// The next piece, unless something goes before it: what was put in before must not come after it,
    /// or a peer would get the pieces of a download before it hears that there is one.
    pub(crate) fn pop_bulk(&self) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        match inner.control.is_empty() && inner.text.is_empty() {
            true => inner.bulk.pop_front(),
            false => None,
        }
    }

    pub(crate) fn enter(&self) -> bool {
        let mut inner = self.lock();
        inner.entered = true;
        !std::mem::replace(&mut inner.touched, true)
    }

    pub(crate) fn close(&self, bye: Option<(ByeReason, String)>) -> bool {
        let mut inner = self.lock();
        inner.closing.get_or_insert(bye);
        inner.touched = true;
        // Also where frames lie here already: a task that is busy writing leaves those alone.
        true
    }

    /// Wakes the link's task.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes everything out, or leaves a waker. A task that is `busy` writing takes nothing but the
    /// news that the link ends: its peer may never read what comes before that.
    pub(crate) fn take(&self, busy: bool, waker: &Waker) -> Option<Taken> {
        let mut inner = self.lock();
        let ends = inner.closing.is_some() || inner.overflow;
        if !inner.touched || (busy && !ends) {
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
        self.lock().touched = true;
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Arc<[u8]> {
        vec![0; bytes].into()
    }

    #[test]
    fn a_link_that_is_busy_writing_leaves_frames_and_hears_of_its_end() {
        let outlet = Outlet::default();
        assert!(outlet.push(Lane::Text, frame(1)));
        assert!(outlet.take(true, Waker::noop()).is_none());
        assert!(
            outlet.close(None),
            "the task is woken though frames lie there"
        );
        let taken = outlet.take(true, Waker::noop()).expect("the end is told");
        assert_eq!((taken.text.len(), taken.closing), (1, Some(None)));
    }

    #[test]
    fn a_link_that_is_busy_writing_hears_that_it_has_too_much_waiting() {
        let outlet = Outlet::default();
        assert!(outlet.push(Lane::Text, frame(1)));
        assert!(outlet.push(Lane::Text, frame(limits::OUTLET_BYTES)));
        assert!(outlet.take(true, Waker::noop()).unwrap().overflow);
        assert!(!outlet.push(Lane::Text, frame(1)), "nothing more is kept");
    }

    #[test]
    fn a_piece_waits_for_what_was_put_in_before_it() {
        let outlet = Outlet::default();
        outlet.push(Lane::Control, frame(1));
        outlet.push_bulk(vec![vec![0; 2]]);
        assert_eq!(outlet.pop_bulk(), None);
        assert!(outlet.take(false, Waker::noop()).is_some());
        assert_eq!(outlet.pop_bulk(), Some(vec![0; 2]));
    }

    #[test]
    fn reading_goes_on_while_frames_wait_to_be_written() {
        let outlet = Outlet::default();
        for _ in 0..limits::INLET_FRAMES {
            outlet.sent();
        }
        assert!(!outlet.admit());
        outlet.push(Lane::Control, frame(1));
        assert!(outlet.take(true, Waker::noop()).is_none());
        assert!(outlet.handled(), "the task is woken to read on");
        assert!(outlet.admit());
    }
}
