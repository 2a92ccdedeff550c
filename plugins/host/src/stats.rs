//! How long calls take, and what they come to.

use std::time::Duration;

/// Counts of one plugin since it was loaded first.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    pub(crate) calls: u64,
    pub(crate) rejects: u64,
    pub(crate) errors: u64,
    pub(crate) dropped: u64,
    /// Calls by time: eight steps for each doubling, so a step is at most an eighth too long.
    times: [u32; STEPS],
}

const STEPS: usize = 8 * 40;

impl Default for Stats {
    fn default() -> Self {
        Self {
            calls: 0,
            rejects: 0,
            errors: 0,
            dropped: 0,
            times: [0; STEPS],
        }
    }
}

impl Stats {
    pub(crate) fn took(&mut self, nanos: u64) {
        self.calls += 1;
        if let Some(count) = self.times.get_mut(step(nanos)) {
            *count = count.saturating_add(1);
        }
    }

    /// 99 of 100 calls took at most so long.
    pub(crate) fn p99(&self) -> Duration {
        let all: u64 = self.times.iter().map(|&count| u64::from(count)).sum();
        let wanted = all - all / 100;
        let mut seen = 0;
        for (step, &count) in self.times.iter().enumerate() {
            seen += u64::from(count);
            if seen >= wanted && count > 0 {
                return Duration::from_nanos(end(step));
            }
        }
        Duration::ZERO
    }
}

fn step(nanos: u64) -> usize {
    if nanos < 8 {
        return nanos as usize;
    }
    let doubling = 63 - nanos.leading_zeros() as usize;
    let eighth = (nanos >> (doubling - 3)) as usize & 7;
    ((doubling - 2) * 8 + eighth).min(STEPS - 1)
}

/// The longest time of a step.
fn end(step: usize) -> u64 {
    if step < 8 {
        return step as u64;
    }
    let doubling = step / 8 + 2;
    ((9 + step as u64 % 8) << (doubling - 3)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_its_times() {
        for nanos in (0..5000).chain([1 << 20, (1 << 30) + 12345, 3 << 35]) {
            let at = step(nanos);
            assert!(end(at) >= nanos, "{nanos}");
            assert!(at == 0 || end(at - 1) < nanos, "{nanos}");
            assert!(end(at) - nanos <= nanos / 8, "{nanos}");
        }
        assert_eq!(step(u64::MAX), STEPS - 1);
    }

    #[test]
    fn one_slow_call_in_a_hundred_is_not_the_ninety_ninth() {
        let mut stats = Stats::default();
        assert_eq!(stats.p99(), Duration::ZERO);
        for _ in 0..99 {
            stats.took(1000);
        }
        stats.took(1_000_000_000);
        assert!(stats.p99() < Duration::from_micros(2), "{:?}", stats.p99());
        stats.took(1_000_000_000);
        assert!(stats.p99() > Duration::from_millis(900));
    }
}
