//! Who was greeted when.

use std::collections::HashMap;

/// Accounts that are remembered. With more of them within the pause some are greeted twice, which is
/// better than memory without a bound.
const ACCOUNTS: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Greeted {
    when_ms: HashMap<String, u64>,
}

impl Greeted {
    /// Whether an account was not greeted within the pause; then it is now.
    pub(crate) fn is_due(&mut self, account: &str, now_ms: u64, pause_ms: u64) -> bool {
        if pause_ms == 0 {
            return true;
        }
        let is_over = |then: u64| then > now_ms || now_ms - then >= pause_ms;
        if self
            .when_ms
            .get(account)
            .is_some_and(|&then| !is_over(then))
        {
            return false;
        }
        if self.when_ms.len() >= ACCOUNTS {
            self.when_ms.retain(|_, &mut then| !is_over(then));
        }
        if self.when_ms.len() >= ACCOUNTS {
            self.when_ms.clear();
        }
        self.when_ms.insert(account.to_owned(), now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_greeted_twice_within_the_pause() {
        let mut greeted = Greeted::default();
        assert!(greeted.is_due("ann", 1000, 500));
        assert!(!greeted.is_due("ann", 1499, 500));
        assert!(greeted.is_due("bob", 1499, 500));
        assert!(greeted.is_due("ann", 1500, 500));
        // A clock that was set back.
        assert!(greeted.is_due("ann", 10, 500));
        assert!(greeted.is_due("ann", 11, 0) && greeted.is_due("ann", 12, 0));
    }

    #[test]
    fn a_crowd_is_no_leak() {
        let mut greeted = Greeted::default();
        for account in 0..3 * ACCOUNTS {
            assert!(greeted.is_due(&account.to_string(), 1000, 500));
            assert!(greeted.when_ms.len() <= ACCOUNTS);
        }
    }
}
