//! What came out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Fault, Verdict};

/// What was injected, and what the clients saw of it.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the plan said.
    pub seed: u64,
    /// How often each fault was injected.
    pub faults: BTreeMap<Fault, u64>,
    /// What the judge found.
    pub verdict: Verdict,
    /// What the power cuts of a server without fsync cost, if that was tried.
    pub control: Option<Verdict>,
    /// What went wrong beside the judge: a run that got stuck or was too slow.
    pub troubles: Vec<String>,
    /// Where the transcripts are, when something went wrong.
    pub kept: Option<PathBuf>,
    /// From start to end.
    pub wall: Duration,
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            faults: BTreeMap::new(),
            verdict: Verdict::default(),
            control: None,
            troubles: Vec::new(),
            kept: None,
            wall: Duration::ZERO,
        }
    }

    pub(super) fn injected(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub(super) fn trouble(&mut self, text: String) {
        self.troubles.push(text);
    }

    /// How often the server was killed, power cuts included.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.count(Fault::KillServer) + self.count(Fault::CutPower)
    }

    /// How often a connection was cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.count(Fault::CutLink) + self.count(Fault::CutRecord)
    }

    /// How often this was injected.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or(0)
    }

    /// Whether the promise was kept, the plan was done, and the test could have noticed otherwise.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdict.is_good()
            && self.troubles.is_empty()
            && self.control.as_ref().is_none_or(|control| control.lost > 0)
            && self.verdict.kills_with_unacked * 10 >= self.kills() * 9
    }

    /// The table for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let verdict = &self.verdict;
        let faults: BTreeMap<&str, u64> = self
            .faults
            .iter()
            .map(|(fault, count)| (fault.name(), *count))
            .collect();
        json!({
            "good": self.is_good(), "seed": self.seed, "faults": faults,
            "acked": verdict.acked, "shown": verdict.shown, "lost": verdict.lost,
            "duplicated": verdict.duplicated, "reordered": verdict.reordered, "gaps": verdict.gaps,
            "refused": verdict.refused, "leaked": verdict.leaked, "repeated_after_crash": verdict.repeated,
            "kills": self.kills(), "kills_with_unacked": verdict.kills_with_unacked,
            "control_lost": self.control.as_ref().map(|control| control.lost),
            "troubles": self.troubles, "stories": verdict.stories,
            "seconds": self.wall.as_secs_f64(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "| {name:<44} | {value:>12} |");
        row("seed", self.seed.to_string())?;
        for (fault, count) in &self.faults {
            row(fault.name(), count.to_string())?;
        }
        let verdict = &self.verdict;
        let kills = self.kills();
        if let Some(share) = (verdict.kills_with_unacked * 100).checked_div(kills) {
            row(
                "kills that found a send without an answer",
                format!("{share} %"),
            )?;
        }
        for (name, value) in [
            ("entries acknowledged", verdict.acked),
            ("entries shown, all clients", verdict.shown),
            ("**lost**", verdict.lost),
            ("**duplicated**", verdict.duplicated),
            ("**out of order**", verdict.reordered),
            ("gaps and new epochs", verdict.gaps),
            ("sends refused", verdict.refused),
            ("shown to strangers", verdict.leaked),
            (
                "repeated after a client's crash (allowed)",
                verdict.repeated,
            ),
        ] {
            row(name, value.to_string())?;
        }
        if let Some(control) = &self.control {
            row(
                "lost by the control, which does not sync",
                control.lost.to_string(),
            )?;
        }
        row("wall time", format!("{} s", self.wall.as_secs()))?;
        for text in self.troubles.iter().chain(&verdict.stories) {
            writeln!(f, "- {text}")?;
        }
        if let Some(control) = &self.control
            && control.lost == 0
        {
            writeln!(
                f,
                "- the control lost nothing: this test is blind to a loss of power"
            )?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "- what the clients printed is in {}", kept.display())?;
        }
        Ok(())
    }
}
