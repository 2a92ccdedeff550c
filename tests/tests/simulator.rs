//! Ten thousand stories, each of one number, and planted bugs that they have to find.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use chat_tests::town::{Outcome, Sabotage, Tally, simulate};

#[test]
fn x() {
    for seed in 1..20 {
        let start = std::time::Instant::now();
        let outcome = simulate(seed, Sabotage::None, false);
        eprintln!("{seed} {:?} {:?} {:?}", start.elapsed(), outcome.tally, outcome.violations.first());
    }
}
