//! A filter that takes its time, refuses, changes texts, and fails now and then.

use std::collections::HashMap;
use std::time::Duration;

use chat_engine::port::{
    Ask, Committed, EntryAsk, HookSet, PRESENCE_TEXT, Question, Subscriptions, Verdict,
};
use chat_engine::{Kind, SendId};
use fastrand::Rng;

use super::truth::Truth;

/// What it said about each entry, to see that nothing else comes into a log.
#[derive(Debug)]
pub(super) struct Plugins {
    rng: Rng,
    /// Texts that may be appended, by send id.
    rulings: HashMap<SendId, Vec<u8>>,
}

impl Plugins {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed ^ 0xf117e2),
            rulings: HashMap::new(),
        }
    }

    pub(super) fn wanted() -> Subscriptions {
        Subscriptions {
            hooks: HookSet::CONNECT | HookSet::LOGIN | HookSet::ENTRY | HookSet::ENTRY_DIRECT,
            commands: Vec::new(),
        }
    }

    /// The verdict, and when it will be told. The error is a broken promise.
    pub(super) fn judge(
        &mut self,
        ask: &Ask,
        truth: &Truth,
    ) -> (Verdict, Duration, Result<(), String>) {
        let wait = match self.rng.u8(..) {
            0..200 => self.rng.u64(0..2_000),
            200..250 => self.rng.u64(0..100_000),
            _ => self.rng.u64(0..3_000_000),
        };
        let mut kept = Ok(());
        let verdict = match &ask.question {
            Question::Entry(ask) => {
                // What was accepted once meets no filter again.
                if !truth.places(ask.id).is_empty() && !truth.is_exempt(ask.id) {
                    kept = Err(format!(
                        "plugins are asked about {}, which is in the log",
                        ask.id
                    ));
                }
                self.entry(ask)
            }
            _ if self.rng.u8(..) < 8 => Verdict::Fault("simulated".to_owned()),
            _ => Verdict::Pass,
        };
        (verdict, Duration::from_micros(wait), kept)
    }

    fn entry(&mut self, ask: &EntryAsk) -> Verdict {
        let mut data = ask.body.data.clone();
        let is_text = matches!(ask.body.kind, Kind::TEXT | Kind::EDIT);
        let verdict = match self.rng.u8(..) {
            0..12 => Verdict::Fault("simulated".to_owned()),
            12..24 if is_text => Verdict::Reject("simulated".to_owned()),
            24..60 if is_text && data.len() > 1 => {
                data.truncate(data.len() / 2);
                // Half a letter is none.
                data = String::from_utf8_lossy(&data).into_owned().into_bytes();
                Verdict::Modified(data.clone())
            }
            _ => Verdict::Pass,
        };
        if ask.body.kind == PRESENCE_TEXT {
            return verdict;
        }
        match &verdict {
            Verdict::Pass | Verdict::Modified(_) => self.rulings.insert(ask.id, data),
            _ => self.rulings.remove(&ask.id),
        };
        verdict
    }

    /// Whether what was appended is what may be.
    pub(super) fn check(&self, committed: &Committed) -> Result<(), String> {
        let Committed::Entry { entry, .. } = committed else {
            return Ok(());
        };
        // The server gives those a send id after they were asked about.
        if entry.body.kind == Kind::MEMBER {
            return Ok(());
        }
        match self.rulings.get(&entry.id) {
            Some(data) if *data == entry.body.data => Ok(()),
            Some(_) => Err(format!("{} is not what the filter made of it", entry.id)),
            None => Err(format!("{} is in the log, and no filter let it", entry.id)),
        }
    }
}
