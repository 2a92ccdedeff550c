//! What goes wrong with plugins, and how an instance's place becomes free.

use std::sync::Arc;
use std::time::Instant;

use crate::desk::Desk;
use crate::limits;
use crate::slot::{Call, Place, SeatId, SlotId, State, What};

impl Desk {
    /// Something went wrong in a plugin.
    pub(crate) fn fault(&mut self, id: SlotId, why: &str) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        slot.stats.errors += 1;
        let count = slot.faults.count();
        let name = slot.name.as_str().to_owned();
        tracing::warn!(plugin = name, count, "a fault: {why}");
        if count >= limits::FAULTS && slot.state != State::Tripped {
            self.trip(
                id,
                format!("{count} faults within a minute, the last one: {why}"),
            );
        }
    }

    /// Stops a plugin for its faults. Its `on_error` stands in for it from now on.
    pub(crate) fn trip(&mut self, id: SlotId, why: String) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        if slot.state == State::Tripped {
            return;
        }
        let name = slot.name.as_str();
        tracing::error!(
            plugin = name,
            "stopped: {why}; `chat-cli plugin reload {name}` or a new file starts it again"
        );
        slot.state = State::Tripped;
        slot.why = why;
        slot.restart_at = None;
        let seats = [
            slot.seat.take(),
            slot.coming.take().map(|coming| coming.seat),
        ];
        for seat in seats.into_iter().flatten() {
            self.end_seat(seat, true);
        }
        self.fail_waiting(id);
        self.publish();
    }

    /// What waits for a plugin is decided without it.
    pub(crate) fn fail_waiting(&mut self, id: SlotId) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        let waiting = std::mem::take(&mut slot.waiting);
        for call in waiting {
            self.give_up(id, call.what, "it does not run");
        }
    }

    /// A call that will not be answered in time.
    pub(crate) fn fail_call(&mut self, id: SlotId, call: Call, why: &str) {
        self.give_up(id, call.what, why);
    }

    /// What was to be done is not done any more.
    fn give_up(&mut self, id: SlotId, what: What, why: &str) {
        match what {
            What::Ask { key, .. } => self.fail(id, key, why),
            What::News(_) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.news = slot.news.saturating_sub(1);
                    slot.dropped += 1;
                    slot.stats.dropped += 1;
                }
            }
            // The cursor has not moved: it is read again.
            What::Observe { .. } => {
                if let Some(observer) = self.observer(id) {
                    observer.rewind();
                }
            }
            _ => {}
        }
    }

    /// Takes an instance away; what it has not answered goes to its successor, once.
    pub(crate) fn end_seat(&mut self, seat_id: SeatId, now: bool) {
        let Some(seat) = self.seats.remove(&seat_id) else {
            return;
        };
        let id = seat.slot;
        if now {
            match &seat.place {
                Place::Helper(process) => process.kill(),
                Place::Local(local) => local.host.retire(),
            }
        }
        if let Some(observer) = self.observer(id) {
            let observes = |call: &Call| matches!(call.what, What::Observe { .. });
            if seat.queue.iter().any(observes) {
                observer.rewind();
            }
        }
        let culprit = seat.queue.front().map(|call| call.id);
        let mut calls: Vec<Call> = seat.deferred.into_values().collect();
        calls.sort_by_key(|call| call.id);
        calls.extend(seat.queue);
        for mut call in calls {
            if matches!(
                call.what,
                What::Observe { .. } | What::Save | What::Restore(_)
            ) {
                continue;
            }
            // Of one that answered in batches nobody knows which call it died of.
            let guilty = seat.careful && culprit == Some(call.id);
            if call.again && (guilty || !seat.careful) {
                self.give_up(id, call.what, "it failed twice");
                continue;
            }
            call.again = true;
            call.since = self.tick;
            if let Err(call) = self.place(id, call) {
                self.give_up(id, call.what, "it does not run");
            }
        }
        self.wake_observers = true;
    }

    /// An instance whose place was taken goes when it owes no answer any more.
    pub(crate) fn dismiss(&mut self, seat_id: SeatId) {
        let Some(seat) = self.seats.get(&seat_id) else {
            return;
        };
        if !seat.leaving || !seat.queue.is_empty() || !seat.deferred.is_empty() || seat.busy {
            return;
        }
        let process = match &seat.place {
            Place::Helper(process) => Some(Arc::clone(process)),
            Place::Local(_) => None,
        };
        let stop = Call {
            id: self.next_id(),
            what: What::Stop,
            since: self.tick,
            again: true,
        };
        let _ = self.send(seat_id, stop);
        if let Some(process) = process {
            // Its process ends by itself; the reader sees it out.
            self.seats.remove(&seat_id);
            self.farewells.push((process, Instant::now()));
        }
    }
}
