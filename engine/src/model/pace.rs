//! How much of a transfer is under way.

use super::Time;
use crate::limits;

/// How much of its window the sender of a file uses: what the other end takes in
/// [`limits::TRANSFER_DELAY`], and at least [`limits::TRANSFER_LEAST`]. On a slow network more would only
/// lie in front of what people say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    window: u64,
    room: u64,
    /// When so many bytes were taken.
    mark: Option<(Time, u64)>,
}

impl Pace {
    /// Within this window.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self {
            window,
            room: window.min(LEAST),
            mark: None,
        }
    }

    /// The other end has taken all bytes up to here.
    pub fn taken(&mut self, upto: u64, now: Time) {
        let Some((since, before)) = self.mark else {
            self.mark = Some((now, upto));
            return;
        };
        let elapsed = now.since(since);
        if elapsed >= limits::TRANSFER_DELAY {
            let bytes = u128::from(upto.saturating_sub(before));
            let room = bytes * limits::TRANSFER_DELAY.as_micros() / elapsed.as_micros().max(1);
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            self.room = room.max(LEAST).min(self.window);
            self.mark = Some((now, upto));
        }
    }

    /// So many bytes may be under way now.
    #[must_use]
    pub const fn room(&self) -> u64 {
        self.room
    }
}

const LEAST: u64 = limits::TRANSFER_LEAST as u64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The room after so many bytes were taken in each of some milliseconds.
    fn room_at(window: u64, bytes: u64) -> u64 {
        let mut pace = Pace::new(window);
        for time in 0..50 {
            pace.taken(time * bytes, Time(time * 1000));
        }
        pace.room()
    }

    #[test]
    fn more_than_the_least_is_under_way_only_where_it_is_taken_quickly() {
        let most = u64::from(limits::TRANSFER_WINDOW);
        assert_eq!(Pace::new(most).room(), LEAST);
        assert_eq!(room_at(most, 1_000), LEAST, "a megabyte a second");
        assert_eq!(room_at(most, 40_000), 400_000, "40");
        assert_eq!(room_at(most, 1_000_000), most);
        assert_eq!(room_at(10_000, 1_000_000), 10_000, "another window");
    }

    #[test]
    fn a_network_that_becomes_slow_gets_less() {
        let mut pace = Pace::new(u64::from(limits::TRANSFER_WINDOW));
        pace.taken(0, Time(0));
        pace.taken(10_000_000, Time(10_000));
        assert!(pace.room() > LEAST);
        pace.taken(10_010_000, Time(1_000_000));
        assert_eq!(pace.room(), LEAST);
    }
}
