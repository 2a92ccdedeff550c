//! How much of a transfer may be under way: the same rules on both ends.

use crate::error::Violation;
use crate::limits;
use crate::model::{Pace, Time};

/// The receiving end of an upload: chunks follow each other, and no more come than are allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Inflow {
    next: u64,
    confirmed: u64,
    size: u64,
    window: u64,
}

impl Inflow {
    /// From this byte on, up to the size.
    #[must_use]
    pub fn new(offset: u64, size: u64, window: u32) -> Self {
        Self {
            next: offset,
            confirmed: offset,
            size,
            window: window.into(),
        }
    }

    /// Bytes came.
    ///
    /// # Errors
    ///
    /// How the sender broke the rules; the link has to be closed.
    pub fn came(&mut self, offset: u64, length: usize) -> Result<(), Violation> {
        let end = offset
            .checked_add(length as u64)
            .ok_or(Violation::Sequence)?;
        if length == 0 || offset != self.next || end > self.size {
            return Err(Violation::Sequence);
        }
        if end - self.confirmed > self.window {
            return Err(Violation::Credit);
        }
        self.next = end;
        Ok(())
    }

    /// They were written up to here.
    pub const fn confirm(&mut self, upto: u64) {
        if upto > self.confirmed && upto <= self.next {
            self.confirmed = upto;
        }
    }
}

/// The sending end of a download.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outflow {
    next: u64,
    taken: u64,
    pace: Pace,
}

impl Outflow {
    /// From this byte on. The window is what the receiver wishes, within reason.
    #[must_use]
    pub fn new(offset: u64, window: u32) -> Self {
        Self {
            next: offset,
            taken: offset,
            pace: Pace::new(
                window
                    .clamp(limits::GROUP_BYTES as u32, limits::TRANSFER_WINDOW)
                    .into(),
            ),
        }
    }

    /// The first byte that was not sent.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// How many more bytes may be sent now.
    #[must_use]
    pub const fn room(&self) -> u64 {
        self.pace.room().saturating_sub(self.next - self.taken)
    }

    /// Whether there is room for so much, half of the window or all that is left, that it is worth the
    /// effort to send it.
    #[must_use]
    pub const fn is_worth_it(&self, end: u64) -> bool {
        let room = self.room();
        let most = self.pace.room();
        2 * room >= most || room >= end.saturating_sub(self.next)
    }

    /// Bytes were sent.
    pub const fn sent(&mut self, length: usize) {
        self.next += length as u64;
    }

    /// The receiver is done with the bytes up to here.
    ///
    /// # Errors
    ///
    /// It never got them; the link has to be closed.
    pub fn taken(&mut self, upto: u64, now: Time) -> Result<(), Violation> {
        if upto > self.next {
            return Err(Violation::Credit);
        }
        if upto > self.taken {
            self.taken = upto;
            self.pace.taken(upto, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u32 = 4 * limits::GROUP_BYTES as u32;

    #[test]
    fn chunks_follow_each_other_within_size_and_window() {
        let group = limits::GROUP_BYTES;
        let mut flow = Inflow::new(100, 1_000_000, WINDOW);
        assert_eq!(flow.came(100, group), Ok(()));
        assert_eq!(flow.came(100, group), Err(Violation::Sequence), "again");
        assert_eq!(flow.came(0, group), Err(Violation::Sequence), "before");
        let next = 100 + group as u64;
        assert_eq!(flow.came(next + 1, 1), Err(Violation::Sequence), "a hole");
        assert_eq!(flow.came(next, 0), Err(Violation::Sequence), "nothing");
        assert_eq!(flow.came(u64::MAX, 2), Err(Violation::Sequence), "overflow");
        assert_eq!(flow.came(next, 3 * group), Ok(()));
        let next = next + 3 * group as u64;
        assert_eq!(flow.came(next, 1), Err(Violation::Credit), "no credit left");
        flow.confirm(u64::MAX);
        assert_eq!(
            flow.came(next, 1),
            Err(Violation::Credit),
            "confirmed too far"
        );
        flow.confirm(101);
        assert_eq!(flow.came(next, 1), Ok(()));

        let mut flow = Inflow::new(0, 10, WINDOW);
        assert_eq!(
            flow.came(0, 11),
            Err(Violation::Sequence),
            "beyond the size"
        );
        assert_eq!(flow.came(0, 10), Ok(()));
        assert_eq!(flow.came(10, 1), Err(Violation::Sequence), "beyond the end");
    }

    #[test]
    fn pieces_go_as_the_receiver_takes_them() {
        let group = limits::GROUP_BYTES as u64;
        let mut flow = Outflow::new(group, WINDOW);
        assert_eq!(flow.room(), u64::from(WINDOW));
        flow.sent(WINDOW as usize);
        assert_eq!(flow.room(), 0);
        assert_eq!(flow.taken(2 * group, Time(0)), Ok(()));
        assert_eq!(flow.room(), group);
        assert_eq!(flow.taken(group, Time(0)), Ok(()), "older news");
        assert_eq!(flow.room(), group);
        assert_eq!(flow.taken(5 * group + 1, Time(0)), Err(Violation::Credit));
        // Half of the window is free, or all that is left fits.
        let mut flow = Outflow::new(0, WINDOW);
        flow.sent(WINDOW as usize);
        flow.taken(group, Time(0)).unwrap();
        assert!(!flow.is_worth_it(100 * group));
        assert!(flow.is_worth_it(5 * group));
        flow.taken(2 * group, Time(0)).unwrap();
        assert!(flow.is_worth_it(100 * group));
        // Less than a group would never get anything, and more than the limit would fill our memory.
        assert_eq!(Outflow::new(0, 0).room(), group);
        let most = u64::from(limits::TRANSFER_LEAST);
        assert_eq!(Outflow::new(0, u32::MAX).room(), most);
    }
}
