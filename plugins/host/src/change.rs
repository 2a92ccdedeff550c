//! How instances take each other's place: at the first load, at a reload, after a crash, and for one that
//! is stuck.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use chat_plugin_abi as abi;

use crate::desk::Desk;
use crate::disk::{Change, Chore};
use crate::frame::Start;
use crate::launch::{Launched, launch};
use crate::limits;
use crate::shared::Shared;
use crate::slot::{
    Call, Coming, Local, Observer, Place, Seat, SeatId, Slot, SlotId, Source, State, What,
};

/// An instance that is ready, and how to reach it.
pub(crate) enum Made {
    Helper(Launched),
    Local(Local),
}

impl Shared {
    /// What an instance is to know at its start.
    pub(crate) fn start_of(&self, slot: &Slot, source: &Source) -> Start {
        let name = slot.name.as_str().to_owned();
        let state = self.disk.state(&name);
        Start {
            path: match source {
                Source::File { copy } => copy.to_string_lossy().into_owned(),
                Source::Static => String::new(),
            },
            state_dir: state.to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: slot.settings.capabilities,
            probe: false,
            careful: match slot.restarts {
                0 => 0,
                _ => limits::CAREFUL_CALLS,
            },
            config: slot.settings.config.clone(),
            values: slot.values.clone(),
            name,
        }
    }

    /// Gives an instance a seat.
    pub(crate) fn seat(
        self: &Arc<Self>,
        desk: &mut Desk,
        seat_id: SeatId,
        id: SlotId,
        capabilities: u64,
        made: Made,
    ) {
        let tick = desk.tick;
        let mut early = Vec::new();
        let place = match made {
            Made::Local(local) => Place::Local(Arc::new(local)),
            Made::Helper(launched) => {
                early = launched.early;
                self.start_reader(
                    seat_id,
                    id,
                    Arc::clone(&launched.process),
                    launched.reader,
                    launched.frames,
                );
                Place::Helper(launched.process)
            }
        };
        let careful = desk.slots.get(&id).is_some_and(|slot| slot.restarts > 0);
        let seat = Seat {
            slot: id,
            careful,
            place,
            capabilities,
            queue: std::collections::VecDeque::new(),
            deferred: std::collections::HashMap::new(),
            early: std::collections::HashMap::new(),
            unsent: 0,
            progress: tick,
            busy: false,
            aside: 0,
            leaving: false,
        };
        desk.seats.insert(seat_id, seat);
        desk.tell_commands(seat_id);
        for up in early {
            if let crate::frame::Up::Wish(wish) = up {
                desk.wish(seat_id, id, wish);
            }
        }
    }

    /// Lets a new version in: at once where nobody runs, else once the old one has handed its state over.
    pub(crate) fn let_in(&self, desk: &mut Desk, id: SlotId, coming: Coming) {
        let old = desk.slots.get(&id).and_then(|slot| slot.seat);
        let Some(old) = old else {
            self.take_seat(desk, id, coming);
            return;
        };
        if let Some(slot) = desk.slots.get_mut(&id) {
            slot.coming = Some(coming);
        }
        let save = Call {
            id: desk.next_id(),
            what: What::Save,
            since: desk.tick,
            again: true,
        };
        if desk.send(old, save).is_err() {
            self.keep_old(desk, id, "the version that runs is too busy");
        }
    }

    /// A hand-over has got on.
    pub(crate) fn saved(
        &self,
        desk: &mut Desk,
        seat_id: SeatId,
        call: u64,
        state: Result<Vec<u8>, String>,
    ) {
        let Some(seat) = desk.seats.get_mut(&seat_id) else {
            return;
        };
        if seat.queue.front().is_some_and(|front| front.id == call) {
            seat.queue.pop_front();
            seat.progress = desk.tick;
            if seat.is_due() {
                desk.due.push(seat_id);
            }
        }
        let id = seat.slot;
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        let Some(coming) = &slot.coming else {
            return;
        };
        let name = slot.name.as_str().to_owned();
        if coming.seat == seat_id {
            match state {
                Ok(_) => self.swap(desk, id),
                Err(why) => self.keep_old(desk, id, &why),
            }
            return;
        }
        let next = coming.seat;
        let state = state.unwrap_or_else(|why| {
            tracing::warn!(plugin = name, "{why}; the new version starts afresh");
            Vec::new()
        });
        let values = What::Values(Arc::new(slot.values.clone()));
        let steps = [Some(values), Some(What::Restore(Arc::new(state)))];
        for what in steps.into_iter().flatten() {
            let call = Call {
                id: desk.next_id(),
                what,
                since: desk.tick,
                again: true,
            };
            if desk.send(next, call).is_err() {
                self.keep_old(desk, id, "the new version is gone already");
                return;
            }
        }
    }

    fn swap(&self, desk: &mut Desk, id: SlotId) {
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        let Some(coming) = slot.coming.take() else {
            return;
        };
        let old = slot.seat.take();
        if let Some(seat) = old.and_then(|old| desk.seats.get_mut(&old)) {
            seat.leaving = true;
        }
        self.take_seat(desk, id, coming);
        if let Some(old) = old {
            desk.dismiss(old);
        }
    }

    /// A new version is not good enough.
    pub(crate) fn keep_old(&self, desk: &mut Desk, id: SlotId, why: &str) {
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        let Some(coming) = slot.coming.take() else {
            return;
        };
        let name = slot.name.as_str();
        tracing::error!(
            plugin = name,
            "the new version is refused, the old one goes on: {why}"
        );
        desk.end_seat(coming.seat, true);
        self.release(desk, id);
    }

    /// From now on this instance answers, to which nothing was handed over. What was kept since it began it
    /// has to know all the same.
    pub(crate) fn take_over(&self, desk: &mut Desk, id: SlotId, coming: Coming) {
        if let Some(slot) = desk.slots.get(&id) {
            let values = Call {
                what: What::Values(Arc::new(slot.values.clone())),
                id: desk.next_id(),
                since: desk.tick,
                again: true,
            };
            // One that is gone already is noticed by its reader.
            let _ = desk.send(coming.seat, values);
        }
        self.take_seat(desk, id, coming);
    }

    /// From now on this instance answers.
    pub(crate) fn take_seat(&self, desk: &mut Desk, id: SlotId, coming: Coming) {
        let Some(slot) = desk.slots.get_mut(&id) else {
            desk.end_seat(coming.seat, true);
            return;
        };
        let observes = coming.about.hooks.contains_key(&abi::CHAT_HOOK_ENTRY_POST);
        match (&slot.observer, observes) {
            (None, true) => {
                let mut observer = Observer::default();
                if let Some(cursor) = slot.cursor {
                    observer.run = Some(cursor.run);
                    observer.pos = cursor.pos;
                    observer.sent = cursor.pos;
                    // After a crash it may have seen all that there is.
                    observer.again = cursor.again.unwrap_or(u64::MAX);
                }
                slot.observer = Some(observer);
            }
            (Some(observer), false) => {
                slot.cursor = observer.cursor(true);
                slot.observer = None;
            }
            _ => {}
        }
        slot.about = coming.about;
        slot.source = coming.source;
        slot.settings = coming.settings;
        slot.seat = Some(coming.seat);
        slot.state = State::Running;
        slot.why = String::new();
        slot.since = Instant::now();
        slot.restart_at = None;
        desk.wake_observers = true;
        desk.publish();
        self.release(desk, id);
    }

    /// What waited is handed to who answers now.
    fn release(&self, desk: &mut Desk, id: SlotId) {
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        let waiting = std::mem::take(&mut slot.waiting);
        let Some(seat) = slot.seat else {
            slot.waiting = waiting;
            desk.fail_waiting(id);
            return;
        };
        for mut call in waiting {
            call.since = desk.tick;
            if let Err(call) = desk.send(seat, call) {
                desk.fail_call(id, call, "it has too much to do");
            }
        }
    }

    /// Starts a helper again after its end.
    pub(crate) fn relaunch(self: &Arc<Self>, desk: &mut Desk, id: SlotId) {
        self.launch_apart(desk, id, None);
    }

    /// Starts a second helper for a plugin that is stuck in a call: the calls behind it go there.
    pub(crate) fn stand_in(self: &Arc<Self>, desk: &mut Desk, id: SlotId, stuck: SeatId) {
        let behind = desk
            .seats
            .get(&stuck)
            .is_some_and(|seat| seat.queue.len() > 1);
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        let possible = behind
            && slot.seat == Some(stuck)
            && slot.coming.is_none()
            && !slot.launching
            && slot.restarts < limits::RESTARTS.len();
        if !possible {
            return;
        }
        if slot.since.elapsed() > limits::FAULT_WINDOW {
            slot.restarts = 0;
        }
        slot.restarts += 1;
        let name = slot.name.as_str();
        tracing::warn!(
            plugin = name,
            "it is stuck in a call; a second process takes the others"
        );
        self.launch_apart(desk, id, Some(stuck));
    }

    fn launch_apart(self: &Arc<Self>, desk: &mut Desk, id: SlotId, stuck: Option<SeatId>) {
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        if slot.launching {
            return;
        }
        slot.launching = true;
        let source = slot.source.clone();
        let start = self.start_of(slot, &source);
        let shared = Arc::clone(self);
        let work = move || {
            let launched = launch(&shared.helper, &start);
            shared.with(|desk| shared.launched(desk, id, stuck, launched));
        };
        if let Err(error) = thread::Builder::new()
            .name("plugin-start".to_owned())
            .spawn(work)
        {
            slot.launching = false;
            slot.restart_at = limits::RESTARTS.last().map(|pause| Instant::now() + *pause);
            tracing::error!(%error, "cannot start a thread for a plugin");
        }
    }

    fn launched(
        self: &Arc<Self>,
        desk: &mut Desk,
        id: SlotId,
        stuck: Option<SeatId>,
        launched: Result<Launched, String>,
    ) {
        if desk.closing {
            if let Ok(launched) = launched {
                launched.process.discard(desk);
            }
            return;
        }
        let Some(slot) = desk.slots.get_mut(&id) else {
            if let Ok(launched) = launched {
                launched.process.discard(desk);
            }
            return;
        };
        slot.launching = false;
        let launched = match launched {
            Ok(launched) => launched,
            Err(why) if stuck.is_some() => {
                desk.fault(id, &why);
                return;
            }
            Err(why) => {
                desk.fault(id, &why);
                if let Some(slot) = desk.slots.get_mut(&id)
                    && slot.state == State::Restarting
                {
                    let last = limits::RESTARTS.len() - 1;
                    let pause = limits::RESTARTS[slot.restarts.clamp(1, last)];
                    slot.restarts += 1;
                    slot.restart_at = Some(Instant::now() + pause);
                    desk.fail_waiting(id);
                }
                return;
            }
        };
        // Meanwhile a new version may have come, or the plugin may have been stopped.
        let wanted = match stuck {
            Some(stuck) => slot.seat == Some(stuck) && slot.coming.is_none(),
            None => slot.seat.is_none() && slot.state == State::Restarting,
        };
        if !wanted {
            launched.process.discard(desk);
            return;
        }
        let coming = Coming {
            seat: 0,
            about: launched.about.clone(),
            source: slot.source.clone(),
            settings: slot.settings.clone(),
        };
        let capabilities = launched.about.capabilities & slot.settings.capabilities;
        let seat = desk.next_id();
        self.seat(desk, seat, id, capabilities, Made::Helper(launched));
        let behind = stuck.map(|stuck| desk.leave_behind(stuck));
        self.take_over(desk, id, Coming { seat, ..coming });
        for call in behind.into_iter().flatten() {
            if let Err(call) = desk.send(seat, call) {
                desk.fail_call(id, call, "it has too much to do");
            }
        }
    }

    /// Takes a plugin away.
    pub(crate) fn remove(&self, desk: &mut Desk, id: SlotId) {
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        let name = slot.name.as_str().to_owned();
        tracing::info!(plugin = name, "stopped: its file is gone");
        let seat = slot.seat.take();
        let coming = slot.coming.take();
        let changes = slot.take_changes(true);
        if let Some(coming) = coming {
            desk.end_seat(coming.seat, true);
        }
        if let Some(seat) = seat
            && let Some(seat) = desk.seats.get_mut(&seat)
        {
            seat.leaving = true;
        }
        desk.fail_waiting(id);
        if let Some(seat) = seat {
            desk.dismiss(seat);
        }
        desk.slots.remove(&id);
        desk.publish();
        desk.chores.push(Chore::Write(changes));
        desk.chores.push(Chore::Clear(name.clone()));
        desk.chores.push(Chore::Tidy(name));
    }
}

impl Desk {
    /// An instance keeps the call that it is stuck in; those behind it are given back.
    fn leave_behind(&mut self, stuck: SeatId) -> Vec<Call> {
        let tick = self.tick;
        let Some(seat) = self.seats.get_mut(&stuck) else {
            return Vec::new();
        };
        seat.leaving = true;
        let mut behind = seat.take_behind();
        for call in &mut behind {
            call.since = tick;
        }
        let id = seat.slot;
        // The cursor stands at the call that is stuck: observers read on from there.
        if behind
            .iter()
            .any(|call| matches!(call.what, What::Observe { .. }))
        {
            behind.retain(|call| !matches!(call.what, What::Observe { .. }));
            if let Some(observer) = self.observer(id) {
                observer.rewind();
            }
        }
        behind
    }

    /// What is to be written. `ends`: nothing is shown to anybody any more.
    pub(crate) fn take_changes(&mut self, ends: bool) -> Vec<Change> {
        self.slots
            .values_mut()
            .flat_map(|slot| slot.take_changes(ends))
            .collect()
    }
}

impl Slot {
    /// What is to be written of this one.
    pub(crate) fn take_changes(&mut self, ends: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let name = self.name.as_str().to_owned();
        if std::mem::take(&mut self.values_changed) {
            changes.push(Change::Values {
                name: name.clone(),
                values: self.values.clone(),
            });
        }
        if let Some(observer) = &mut self.observer
            && (std::mem::take(&mut observer.changed) || (ends && observer.begun))
            && let Some(cursor) = observer.cursor(ends)
        {
            changes.push(Change::Cursor { name, cursor });
        }
        changes
    }
}
