//! The promise under faults, on real processes: the short run.

use chat_tests::faults::{self, Fault, Plan};

#[test]
fn nothing_acknowledged_is_lost_doubled_or_reordered() {
    let seed = fastrand::u64(..1 << 32);
    let mut report = faults::run(&Plan::short(seed)).expect("this machine can run it");
    report.control = Some(faults::blind_control(seed).expect("this machine can run it"));
    println!("{report}");
    assert!(report.is_good(), "seed {seed}:\n{report}");
    assert!(report.verdict.acked >= 5_000);
    assert!(report.kills() >= 12 && report.cuts() >= 12 && report.count(Fault::CutPower) >= 3);
}
