//! Deadlines, timers, restarts, and when what has changed is written.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chat_plugin_abi as abi;

use crate::ask::timed;
use crate::desk::Desk;
use crate::disk::Chore;
use crate::frame::Down;
use crate::instance::lock;
use crate::limits;
use crate::shared::Shared;
use crate::slot::{Call, Place, SeatId, Slot, SlotId, State, What};

impl Shared {
    pub(crate) fn start_clock(self: &Arc<Self>) -> std::io::Result<()> {
        let shared = Arc::clone(self);
        thread::Builder::new()
            .name("plugin-clock".to_owned())
            .spawn(move || shared.tell_time())
            .map(|clock| *lock(&self.clock_thread) = Some(clock))
    }

    fn tell_time(self: &Arc<Self>) {
        let mut second = Instant::now();
        let mut saved = Instant::now();
        let mut ticked = Instant::now();
        let mut quiet = 0;
        let mut desk = lock(&self.desk);
        while !desk.closing {
            quiet = match desk.is_waited_for() {
                true => 0,
                false => quiet + 1,
            };
            // It goes on for a while: to be woken for each message would cost more.
            let pause = match quiet < QUIET_TICKS {
                true => limits::TICK,
                false => desk.next_due(saved),
            };
            let rests = pause > limits::TICK;
            desk.clock_rests = rests;
            desk = self
                .clock
                .wait_timeout(desk, pause)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if desk.closing {
                break;
            }
            if rests && !desk.clock_rests {
                // Somebody has begun to wait, and may have his answer already: without ticks from now on,
                // each batch would wake this thread.
                quiet = 0;
            }
            // A notification comes early; a tick is a whole pause.
            let now = Instant::now();
            if now.duration_since(ticked) >= limits::TICK {
                ticked = now;
                desk.tick += 1;
                self.check_deadlines(&mut desk);
            }
            self.check_timers(&mut desk, &mut second);
            desk.clock_rests = false;
            let save = saved.elapsed() >= limits::SAVE_EVERY;
            // While the disk is slow, what has changed may change some more.
            if save && self.disk.keeps_up() {
                let changes = desk.take_changes(false);
                let chore = (!changes.is_empty()).then_some(Chore::Write(changes));
                self.disk.line_up(chore);
            }
            self.settle(desk);
            if save {
                saved = now;
                if self.disk.sends() {
                    let shared = Arc::clone(self);
                    blocking::unblock(move || shared.disk.work_apart()).detach();
                }
            }
            desk = lock(&self.desk);
        }
    }

    fn check_deadlines(self: &Arc<Self>, desk: &mut Desk) {
        let tick = desk.tick;
        // The head of a queue is what its worker is in, once the answers before it are taken.
        let busy = desk.seats.iter().filter(|(_, seat)| seat.busy);
        let busy: Vec<SeatId> = busy.map(|(id, _)| *id).collect();
        for seat_id in busy {
            desk.collect(seat_id);
        }
        // Also where the instance has been stopped meanwhile, and has no seat any more.
        if let Some((seat_id, since)) = desk.caller_in
            && tick.saturating_sub(since) >= limits::KEPT_TICKS
        {
            self.replace_caller(desk, seat_id);
        }
        let mut late = Vec::new();
        let mut stuck = Vec::new();
        let mut expired = Vec::new();
        for (seat_id, seat) in &desk.seats {
            // One whose file is gone may still finish what it began with.
            let deadline = desk
                .slots
                .get(&seat.slot)
                .map_or(LEFT_TICKS, Slot::deadline);
            for (call_id, call) in &seat.deferred {
                if tick.saturating_sub(call.since) >= deadline {
                    expired.push((*seat_id, *call_id));
                }
            }
            let Some(call) = seat.queue.front() else {
                continue;
            };
            let waited = tick.saturating_sub(seat.progress.max(call.since));
            if waited >= deadline {
                late.push((*seat_id, seat.slot));
            } else if (waited >= 1 && seat.busy) || (waited >= STUCK_TICKS && seat.keeps_waiting())
            {
                stuck.push((*seat_id, seat.slot));
            }
        }
        for (seat_id, call_id) in expired {
            desk.expire(seat_id, call_id);
        }
        for (seat_id, id) in stuck {
            let local = desk
                .seats
                .get(&seat_id)
                .is_some_and(|seat| matches!(seat.place, Place::Local(_)));
            match local {
                true if desk.caller_in.is_some_and(|(inside, _)| inside == seat_id) => {}
                // Others want to be called meanwhile.
                true if self.idle.load(Ordering::Acquire) == 0 => self.start_worker(),
                true => {}
                false => self.stand_in(desk, id, seat_id),
            }
        }
        for (seat_id, id) in late {
            self.late(desk, seat_id, id);
        }
        // Those that don't end by themselves.
        let now = Instant::now();
        desk.farewells.retain(|(process, since)| {
            let over = now.duration_since(*since) > 2 * limits::STOP_WAIT;
            if over {
                process.kill();
            }
            !over
        });
        // What waits for a helper that does not come.
        let ids: Vec<SlotId> = desk.slots.keys().copied().collect();
        for id in ids {
            desk.expire_waiting(id);
        }
    }

    /// A call has not come back by its deadline.
    fn late(self: &Arc<Self>, desk: &mut Desk, seat_id: SeatId, id: SlotId) {
        let Some(seat) = desk.seats.get_mut(&seat_id) else {
            return;
        };
        let Some(call) = seat.queue.pop_front() else {
            return;
        };
        let place = call.what.place();
        let is_leaving = seat.leaving;
        let local = matches!(seat.place, Place::Local(_));
        if local && !seat.busy {
            // No thread was free for it, which is others' fault.
            desk.fail_call(id, call, "no thread was free for it");
            return;
        }
        let ms = desk
            .slots
            .get(&id)
            .map_or(0, |slot| slot.settings.deadline.as_millis());
        let why = format!("it hangs {place}: no answer within {ms} ms");
        desk.fail_call(id, call, &why);
        if local {
            // Its thread can't be taken back: the instance is given up with it.
            desk.given_up.insert(seat_id);
            // The worker that is in it goes when it is back; a caller was replaced before.
            if !self.replace_caller(desk, seat_id) && self.idle.load(Ordering::Acquire) == 0 {
                self.start_worker();
            }
            desk.count_error(id);
            match is_leaving {
                // Its successor can't help it.
                true => desk.end_seat(seat_id, true),
                false => self.give_seat_up(desk, seat_id, id, why),
            }
            return;
        }
        self.lost(desk, seat_id, id, &why);
    }

    /// An instance in this process is stuck for ever. While another takes its place, or was to take it, the
    /// better one of the two stays; alone, the plugin is stopped.
    fn give_seat_up(&self, desk: &mut Desk, seat_id: SeatId, id: SlotId, why: String) {
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        match slot.coming.as_ref().map(|coming| coming.seat) {
            Some(coming) if coming == seat_id => self.keep_old(desk, id, &why),
            Some(_) if slot.seat == Some(seat_id) => {
                let name = slot.name.as_str();
                tracing::error!(plugin = name, "{why}; the new version starts afresh");
                // What was asked of it waits for the new one.
                slot.seat = None;
                slot.state = State::Restarting;
                slot.restart_at = None;
                let coming = slot.coming.take();
                desk.end_seat(seat_id, true);
                if let Some(coming) = coming {
                    self.take_over(desk, id, coming);
                }
            }
            _ => desk.trip(id, why),
        }
    }

    fn check_timers(self: &Arc<Self>, desk: &mut Desk, second: &mut Instant) {
        let now = Instant::now();
        let mut due = Vec::new();
        let mut restarts = Vec::new();
        for (id, slot) in &mut desk.slots {
            if slot.seat.is_some() {
                slot.timers.retain(|timer, (at, every)| {
                    if *at > now {
                        return true;
                    }
                    due.push((*id, *timer));
                    // One that was missed is not made up for.
                    *at = now + *every;
                    !every.is_zero()
                });
            }
            if slot.restart_at.is_some_and(|at| at <= now) && !slot.launching {
                slot.restart_at = None;
                restarts.push(*id);
            }
        }
        for (id, timer) in due {
            desk.call(id, What::Timer(timer));
        }
        for id in restarts {
            self.relaunch(desk, id);
        }
        if now.duration_since(*second) >= Duration::from_secs(1) {
            *second = now;
            let shown = Arc::new(timed(abi::CHAT_HOOK_TICK, unix_ms()));
            for id in desk.chain(abi::CHAT_HOOK_TICK) {
                // One that is behind needs no second one.
                if desk.slots.get(&id).is_some_and(|slot| slot.news == 0) {
                    desk.tell_one(id, &shown);
                }
            }
        }
    }
}

impl Desk {
    /// Whether somebody waits for a plugin, so that ticks have to be counted.
    fn is_waited_for(&self) -> bool {
        let seats = self.seats.values();
        let asked = seats
            .into_iter()
            .any(|seat| !seat.queue.is_empty() || !seat.deferred.is_empty());
        asked
            || !self.farewells.is_empty()
            || self.slots.values().any(|slot| !slot.waiting.is_empty())
    }

    /// How long nothing has to happen.
    fn next_due(&self, saved: Instant) -> Duration {
        let now = Instant::now();
        let mut pause = IDLE;
        for slot in self.slots.values() {
            let timers = slot.timers.values().map(|(at, _)| *at);
            if let Some(at) = timers.chain(slot.restart_at).min() {
                pause = pause.min(at.saturating_duration_since(now));
            }
            let cursor = slot
                .observer
                .as_ref()
                .is_some_and(|observer| observer.changed);
            if slot.values_changed || cursor {
                pause = pause.min((saved + limits::SAVE_EVERY).saturating_duration_since(now));
            }
            if slot.about.hooks.contains_key(&abi::CHAT_HOOK_TICK) {
                pause = pause.min(Duration::from_secs(1));
            }
        }
        pause.max(Duration::from_millis(1))
    }

    /// A deferred answer is not waited for any more.
    fn expire(&mut self, seat_id: SeatId, call_id: u64) {
        let Some(seat) = self.seats.get_mut(&seat_id) else {
            return;
        };
        let Some(call) = seat.deferred.remove(&call_id) else {
            return;
        };
        let id = seat.slot;
        match &seat.place {
            Place::Local(local) => local.host.expire(call_id),
            Place::Helper(process) => {
                process.put(|out| Down::Expired { id: call_id }.write(out));
                self.dirty.push(Arc::clone(process));
            }
        }
        let why = format!("no deferred answer {}", call.what.place());
        self.fault(id, &why);
        self.fail_call(id, call, &why);
        self.dismiss(seat_id);
    }

    fn expire_waiting(&mut self, id: SlotId) {
        loop {
            let tick = self.tick;
            let Some(slot) = self.slots.get_mut(&id) else {
                return;
            };
            let deadline = slot.deadline();
            let late = |call: &Call| tick.saturating_sub(call.since) >= deadline;
            if !slot.waiting.front().is_some_and(late) {
                return;
            }
            if let Some(call) = slot.waiting.pop_front() {
                self.fail_call(id, call, "it was not there in time");
            }
        }
    }

    pub(crate) fn count_error(&mut self, id: SlotId) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.stats.errors += 1;
        }
    }
}

pub(crate) fn unix_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

const STUCK_TICKS: u64 = (limits::STUCK.as_millis() / limits::TICK.as_millis()) as u64;
/// The deadline of an instance whose plugin is gone, in ticks.
const LEFT_TICKS: u64 = (limits::DEADLINE.as_millis() / limits::TICK.as_millis()) as u64;
/// Ticks without a call until the clock rests.
const QUIET_TICKS: u32 = 100;
/// Longest rest of the clock that nobody ended.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) fn nanos_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use chat_engine::port::PluginName;

    use super::*;
    use crate::settings::Settings;
    use crate::slot::{Source, State};

    /// Ticks are counted while the disk is slow, and what is written at the end is there in the end.
    #[test]
    fn the_clock_does_not_wait_for_the_disk() {
        let data = std::env::temp_dir().join(format!("chat-clock-{}", std::process::id()));
        let shared = Shared::new(Vec::new(), Some(data.clone()));
        shared.disk.open().unwrap();
        let slow = shared.disk.hold();
        let keep = |value: u8| {
            shared.with(|desk| {
                let slot = desk.slots.get_mut(&1).unwrap();
                slot.values.insert("key".to_owned(), vec![value]);
                slot.values_changed = true;
            });
        };
        shared.with(|desk| {
            let name = PluginName::new("slow").unwrap();
            let mut slot = Slot::new(name, Settings::default(), Source::Static);
            slot.state = State::Restarting;
            slot.settings.deadline = limits::DEADLINE_MOST;
            // Somebody waits, so ticks count.
            slot.waiting.push_back(Call {
                id: 1,
                what: What::Timer(1),
                since: 0,
                again: false,
            });
            desk.slots.insert(1, slot);
        });
        keep(1);
        shared.start_clock().unwrap();
        let began = Instant::now();
        let until = |holds: &dyn Fn(&Desk) -> bool| {
            while !shared.with(|desk| holds(desk)) {
                assert!(began.elapsed() < limits::DEADLINE_MOST, "it stands still");
                thread::yield_now();
            }
        };
        until(&|desk| desk.slots.values().all(|slot| !slot.values_changed));
        let taken = shared.with(|desk| desk.tick);
        until(&|desk| desk.tick > taken + 10);
        keep(2);
        drop(slow);
        shared.close();
        assert_eq!(shared.disk.values("slow")["key"], [2]);
        std::fs::remove_dir_all(&data).unwrap();
    }
}
