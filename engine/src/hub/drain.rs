//! Stopping: what was taken is answered, then everybody is told goodbye.

use super::{Effect, Hub, Link, limits};
use crate::model::{ByeReason, Time};

#[derive(Debug)]
pub(super) struct Draining {
    /// Links that still wait for acks are told goodbye.
    flushed: Time,
    /// It is over, whatever is still open.
    until: Time,
    written: bool,
    told: bool,
}

impl Draining {
    pub(super) fn due(&self) -> Option<Time> {
        match (self.told, self.written) {
            (true, _) => None,
            (false, true) => Some(self.until),
            (false, false) => Some(self.flushed),
        }
    }
}

impl Hub {
    pub(super) fn handle_drain(&mut self, out: &mut Vec<Effect>) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(Draining {
            flushed: self.now.time + limits::DRAIN_FLUSH,
            until: self.now.time + limits::DRAIN_WAIT,
            written: false,
            told: false,
        });
        for id in self.gate.all() {
            out.push(Effect::Close(id, None));
        }
        for id in self.links.ids() {
            // Sends that were taken are still answered: the goodbye waits for them below.
            if self.links.get(id).is_some_and(Link::is_quiet) {
                self.close(id, ByeReason::Shutdown, "the server is stopping", out);
            }
        }
    }

    pub(super) fn check_drained(&mut self, out: &mut Vec<Effect>) {
        let Some(draining) = &self.draining else {
            return;
        };
        if draining.told {
            return;
        }
        let late = self.now.time >= draining.flushed;
        let over = self.now.time >= draining.until;
        for id in self.links.ids() {
            if late || self.links.get(id).is_some_and(Link::is_quiet) {
                self.close(id, ByeReason::Shutdown, "the server is stopping", out);
            }
        }
        if self.links.len() > 0 {
            return;
        }
        let Some(draining) = &mut self.draining else {
            return;
        };
        if !draining.written {
            draining.written = true;
            self.write_cursors(out);
        }
        let waiting = self.pending.iter().any(|(_, pending)| pending.is_write());
        if let Some(draining) = &mut self.draining
            && (over || !waiting)
        {
            draining.told = true;
            out.push(Effect::Drained);
        }
    }
}
