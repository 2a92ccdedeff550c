//! Ten thousand stories, each of one number, and planted bugs that they have to find.

use chat_tests::town::{Sabotage, simulate};

#[test]
fn x() {
    let first: u64 = std::env::var("SIM_FIRST").map_or(1, |v| v.parse().unwrap());
    let n: u64 = std::env::var("SIM_SEEDS").map_or(20, |v| v.parse().unwrap());
    let traced = std::env::var("TRACE").is_ok();
    let start = std::time::Instant::now();
    let mut kinds = std::collections::BTreeMap::new();
    for seed in first..first + n {
        let outcome = simulate(seed, Sabotage::None, traced);
        if let Some(v) = outcome.violations.first() {
            let kind: Vec<&str> = v
                .split(' ')
                .filter(|w| !w.contains(|c: char| c.is_ascii_digit()))
                .take(9)
                .collect();
            kinds
                .entry(kind.join(" "))
                .or_insert_with(Vec::new)
                .push(seed);
            if traced {
                for l in &outcome.trace {
                    eprintln!("{l}");
                }
                for v in &outcome.violations {
                    eprintln!("{seed} {v}");
                }
            }
        }
    }
    for (k, v) in kinds {
        eprintln!("{} {k}: {:?}", v.len(), &v[..v.len().min(8)]);
    }
    eprintln!("{:?}", start.elapsed() / n as u32);
}
