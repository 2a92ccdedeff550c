//! Ten thousand stories, each made of one number, and planted bugs that they have to find.
//!
//! - `SIM_SEED=12345` plays one story and prints what happened in it.
//! - `SIM_FIRST=N SIM_SEEDS=N` plays others, or more of them. `CHAT_QUICK=1` plays fewer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use chat_tests::town::{Outcome, Sabotage, Tally, simulate};

#[test]
fn no_story_breaks_a_promise() {
    if let Some(seed) = setting("SIM_SEED") {
        let outcome = simulate(seed, Sabotage::None, true);
        println!("{}", outcome.trace.join("\n"));
        println!("{:#?}", outcome.tally);
        assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
        return;
    }
    let quick = std::env::var_os("CHAT_QUICK").is_some();
    let first = setting("SIM_FIRST").unwrap_or(1);
    let count = setting("SIM_SEEDS").unwrap_or(if quick { 1_000 } else { 10_000 });
    let (outcomes, failure) = play(first, count);
    if let Some(seed) = failure {
        show(seed);
    }
    let short = outcomes.iter().find(|outcome| outcome.tally.entries < 200);
    if let Some(Outcome { seed, tally, .. }) = short {
        panic!("SIM_SEED={seed}: a story of {} entries", tally.entries);
    }
    let tallies: Vec<Tally> = outcomes.iter().map(|outcome| outcome.tally).collect();
    happened_often_enough(&tallies);
}

/// Otherwise a failure could not be looked at.
#[test]
fn a_story_repeats_itself() {
    // One in sixteen is over sealed links.
    for seed in (1..=40).chain([48, 64]) {
        let (one, other) = (
            simulate(seed, Sabotage::None, true),
            simulate(seed, Sabotage::None, true),
        );
        let pairs = one.trace.iter().zip(&other.trace);
        for (line, (left, right)) in pairs.enumerate() {
            assert_eq!(left, right, "SIM_SEED={seed}, line {line}");
        }
        assert_eq!(one.digest, other.digest, "SIM_SEED={seed}");
    }
}

macro_rules! planted {
    ($($name:ident: $sabotage:ident within $count:literal,)*) => {$(
        #[test]
        fn $name() {
            let found = (1..=$count).find_map(|seed| {
                let outcome = simulate(seed, Sabotage::$sabotage, false);
                let first = outcome.violations.into_iter().next()?;
                Some((seed, first))
            });
            let (seed, violation) = found.expect("the planted bug is found");
            println!("SIM_SEED={seed}: {violation}");
        }
    )*};
}

planted! {
    an_ack_before_the_commit_is_found: AckBeforeCommit within 300,
    half_of_a_torn_transaction_is_found: TornTail within 300,
    an_append_that_overtakes_a_failed_one_is_found: Overtake within 100,
    a_read_that_leaves_entries_out_is_found: DropRead within 100,
    a_new_id_for_a_repeated_send_is_found: NewIdOnResend within 100,
    a_send_that_is_queued_before_it_is_saved_is_found: QueueBeforeSave within 300,
    a_position_ahead_of_the_application_is_found: PositionAhead within 100,
    filters_that_are_not_asked_are_found: ForgetFilters within 100,
}

/// Plays stories on all cores, and stops at the first that fails.
fn play(first: u64, count: u64) -> (Vec<Outcome>, Option<u64>) {
    let next = AtomicU64::new(first);
    let failure = AtomicU64::new(u64::MAX);
    let outcomes = Mutex::new(Vec::new());
    let cores = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut own = Vec::new();
                while failure.load(Ordering::Relaxed) == u64::MAX {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let played =
                        catch_unwind(AssertUnwindSafe(|| simulate(seed, Sabotage::None, false)));
                    match played {
                        Ok(outcome) if outcome.violations.is_empty() => own.push(outcome),
                        _ => drop(failure.fetch_min(seed, Ordering::Relaxed)),
                    }
                }
                outcomes.lock().unwrap().extend(own);
            });
        }
    });
    let failure = failure.into_inner();
    let outcomes = outcomes.into_inner().unwrap();
    (outcomes, (failure != u64::MAX).then_some(failure))
}

/// Plays a story that failed once more, and says how it came to that.
fn show(seed: u64) {
    eprintln!("SIM_SEED={seed}");
    let outcome = simulate(seed, Sabotage::None, true);
    let last = outcome.trace.len().saturating_sub(400);
    eprintln!("{}", outcome.trace[last..].join("\n"));
    panic!(
        "SIM_SEED={seed} breaks a promise; play it again with\n\
         SIM_SEED={seed} cargo test -p chat-tests --test simulator no_story -- --nocapture\n{:#?}",
        outcome.violations
    );
}

/// What does not happen proves nothing.
fn happened_often_enough(tallies: &[Tally]) {
    type Count = fn(&Tally) -> u32;
    // A share of the stories, in percent. The first of them are what delivery stands on.
    let wanted: [(&str, f64, Count); 21] = [
        ("lagging", 5.0, |tally| tally.lagging),
        ("rejoin", 5.0, |tally| tally.rejoin),
        ("resend", 5.0, |tally| tally.resend),
        ("takeover", 5.0, |tally| tally.takeover),
        ("gap", 5.0, |tally| tally.gap),
        ("torn write", 5.0, |tally| tally.torn),
        ("rekey", 5.0, |tally| tally.rekey),
        ("refused with later sends under way", 5.0, |tally| {
            tally.after_refused
        }),
        ("known resend", 5.0, |tally| tally.known),
        ("reads of the log", 5.0, |tally| tally.reads),
        ("server crash", 5.0, |tally| tally.crashes),
        ("client crash", 5.0, |tally| tally.client_crashes),
        ("full disk", 5.0, |tally| tally.full),
        ("retention", 5.0, |tally| tally.trims),
        ("restored backup", 5.0, |tally| tally.restored),
        ("untold commit", 5.0, |tally| tally.untold),
        ("a filter", 25.0, |tally| tally.asked),
        ("a refusal of it", 25.0, |tally| tally.rejected),
        ("a text changed by it", 25.0, |tally| tally.modified),
        ("a verdict for a link that ended", 2.0, |tally| tally.late),
        ("five faults", 100.0, |tally| tally.faults / 5),
    ];
    let total = tallies.len() as f64;
    let mut missing = Vec::new();
    for (what, percent, count) in wanted {
        let happened = tallies.iter().filter(|tally| count(tally) > 0).count();
        let share = 100.0 * happened as f64 / total;
        println!("{what}: {share:.1} %");
        if total >= 1_000.0 && share < percent {
            missing.push(format!("{what} in {share:.1} % of the stories"));
        }
    }
    let entries: u64 = tallies.iter().map(|tally| u64::from(tally.entries)).sum();
    println!("entries: {:.0} each", entries as f64 / total);
    let replaced = tallies.iter().filter(|tally| tally.replaced > 0).count();
    println!("told that it was replaced: {replaced}");
    assert!(missing.is_empty(), "too seldom: {missing:#?}");
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}
