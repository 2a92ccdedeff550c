//! The clocks of this machine.

use std::time::{Instant, SystemTime};

use crate::model::{Now, Time, UnixTime};

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Time since the clock was made. Starts at a second, so that "long ago" is before now.
    pub(crate) fn time(&self) -> Time {
        Time(1_000_000 + self.start.elapsed().as_micros() as u64)
    }

    pub(crate) fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 is a clock that is not set.
        let date = UnixTime(since.map_or(0, |since| since.as_micros() as u64));
        Now {
            time: self.time(),
            date,
        }
    }

    /// When a time comes.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + std::time::Duration::from_micros(time.0.saturating_sub(1_000_000))
    }
}
