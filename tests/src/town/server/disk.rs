//! What its disk does for it, and when.

use std::time::Duration;

use chat_engine::Ticket;
use chat_engine::hub::{Input, Load, Loaded};
use chat_engine::port::{Committed, Fault};

use super::super::world::{Due, World};

impl World {
    /// A batch is being written.
    pub(super) fn await_disk(&mut self, takes: Option<Duration>) {
        let Some(takes) = takes else { return };
        let age = self.server.age;
        if std::mem::take(&mut self.tear) {
            // In the middle of it, or when it is done and nobody knows.
            if self.rng.u8(..) < 60 {
                self.tear_told = true;
            } else {
                let at = Duration::from_micros(self.rng.u64(0..=takes.as_micros() as u64));
                self.after(at, Due::Tear(age));
            }
        }
        if self.disk.is_early() {
            self.after(Duration::ZERO, Due::HandOut(age));
        }
        self.after(takes, Due::Commit(age));
    }

    pub(in crate::town) fn commit(&mut self) {
        let (told, takes) = self.disk.commit();
        for fault in std::mem::take(&mut self.disk.faults) {
            self.witness.complain(fault);
        }
        let age = self.server.age;
        if std::mem::take(&mut self.tear_told) {
            let at = Duration::from_micros(self.rng.u64(0..=told.as_micros() as u64));
            self.after(at, Due::Tear(age));
        }
        self.after(told, Due::HandOut(age));
        self.await_disk(takes);
    }

    pub(in crate::town) fn hand_out(&mut self) {
        for committed in self.disk.hand_out() {
            self.note(|| describe(&committed));
            if let Some(Err(text)) = self.plugins.as_ref().map(|one| one.check(&committed)) {
                self.witness.complain(text);
            }
            if let Committed::Entry { .. } = committed {
                self.tally.entries += 1;
            }
            if let Committed::Trimmed { .. } = committed {
                self.tally.trims += 1;
            }
            self.feed(Input::Committed(committed));
        }
    }

    /// Retention cuts all logs.
    pub(in crate::town) fn trim(&mut self, keep: u64) {
        if self.server.is_up() {
            self.disk.trim(keep);
            self.after(Duration::ZERO, Due::HandOut(self.server.age));
        }
    }

    pub(super) fn load(&mut self, ticket: Ticket, load: Load) {
        if matches!(load, Load::Read(..)) {
            self.tally.reads += 1;
        }
        let early = self.rng.bool().then(|| self.disk.read(&load));
        let wait = Duration::from_micros(self.rng.u64(50..4_000));
        let due = Due::Loaded(self.server.age, ticket, load, early);
        self.after(wait, due);
    }

    pub(in crate::town) fn loaded(
        &mut self,
        ticket: Ticket,
        load: &Load,
        early: Option<Result<Loaded, Fault>>,
    ) {
        let mut read = early.unwrap_or_else(|| self.disk.read(load));
        if self.disk.is_full && self.rng.u8(..) < 40 {
            read = Err(Fault::Io("simulated".to_owned()));
        }
        if let (Load::Lookup(..), Ok(Loaded::Lookup(Some(_)))) = (load, &read) {
            self.tally.known += 1;
        }
        self.feed(Input::Loaded(ticket, read));
    }
}

fn describe(committed: &Committed) -> String {
    match committed {
        Committed::Entry { entry, .. } => format!(
            "committed {} {} by {} kind {} in {}",
            entry.seq, entry.id, entry.from_name, entry.body.kind.0, entry.conversation
        ),
        other => {
            let text = format!("{other:?}");
            text.chars().take(200).collect()
        }
    }
}
