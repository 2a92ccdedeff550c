//! Who works around the desk: the caller and the workers for plugins in this process, readers of helpers, and
//! the clock.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use chat_engine::port::{Ask, FromHooks, Reader, Workplace};
use chat_plugin_abi as abi;
use event_listener::Event;
use futures_lite::{AsyncReadExt, future};

use crate::ask::{Asking, asking};
use crate::desk::Desk;
use crate::disk::Disk;
use crate::frame::{Answer, Frames, Up, Wish};
use crate::instance::{Outcome, lock};
use crate::launch::{Process, how};
use crate::limits;
use crate::shown::Shown;
use crate::slot::{Place, SeatId, SlotId, State, What};

/// A helper does not keep to what is agreed.
struct Nonsense;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) desk: Mutex<Desk>,
    pub(crate) inbox: Mutex<Inbox>,
    /// Workers wait for the inbox.
    pub(crate) work: Condvar,
    /// The clock waits for something that has a time.
    pub(crate) clock: Condvar,
    pub(crate) idle: AtomicUsize,
    pub(crate) workers: AtomicUsize,
    outbox: Mutex<Outbox>,
    arrivals: Mutex<Arrivals>,
    pub(crate) said: Event,
    /// The log has grown: observers have something to read, by and by.
    pub(crate) tail: Event,
    /// They have something to read at once.
    pub(crate) urgent: Event,
    /// A new observer knows where it begins.
    pub(crate) begun: Event,
    /// Counts what the log was said to have grown.
    pub(crate) tails: AtomicU64,
    pub(crate) helper: Vec<OsString>,
    /// The server's threads; known from the moment when it starts.
    pub(crate) workplace: OnceLock<Arc<dyn Workplace>>,
    pub(crate) clock_thread: Mutex<Option<thread::JoinHandle<()>>>,
    pub(crate) disk: Disk,
}

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// What came while somebody was at the desk, in order.
    pub(crate) asks: Vec<(Ask, Option<Asking>)>,
    /// There are calls at the desk for a worker.
    kick: bool,
    /// Nobody waits for anything any more.
    pub(crate) is_over: bool,
    pub(crate) caller: CallerState,
}

/// What the engine is to take.
#[derive(Debug, Default)]
struct Outbox {
    out: Vec<FromHooks>,
    /// Whose the notices among it are.
    told: Vec<SeatId>,
}

/// What the hub's thread needs to take questions apart. Kept, as making it anew for each batch would show.
#[derive(Debug, Default)]
struct Arrivals {
    prepared: Vec<(Ask, Option<Asking>)>,
    /// Events that are over, for those to come.
    blanks: Vec<Arc<Shown>>,
}

/// What the task does that calls filters on the server's own threads.
#[derive(Debug, Default)]
pub(crate) enum CallerState {
    /// There is none: workers do it.
    #[default]
    Nobody,
    Rests(Waker),
    /// It works, and looks once more before it rests where that is `true`.
    Works(bool),
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(helper: Vec<OsString>, data: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            desk: Mutex::default(),
            inbox: Mutex::default(),
            work: Condvar::new(),
            clock: Condvar::new(),
            idle: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
            outbox: Mutex::default(),
            arrivals: Mutex::default(),
            said: Event::new(),
            tail: Event::new(),
            urgent: Event::new(),
            begun: Event::new(),
            tails: AtomicU64::new(0),
            helper,
            workplace: OnceLock::new(),
            clock_thread: Mutex::new(None),
            disk: Disk::new(data.as_deref()),
        })
    }

    /// Does something at the desk, and then what comes of it outside.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Desk) -> T) -> T {
        let mut desk = lock(&self.desk);
        let answer = act(&mut desk);
        self.settle(desk);
        answer
    }

    /// Leaves the desk: sends, tells and wakes.
    pub(crate) fn settle(&self, mut desk: MutexGuard<'_, Desk>) {
        let dirty = desk.pack();
        // The desk keeps what held them.
        let speaks = !desk.out.is_empty();
        if speaks {
            let mut outbox = lock(&self.outbox);
            outbox.out.append(&mut desk.out);
            outbox.told.append(&mut desk.told);
        }
        let urgent = std::mem::take(&mut desk.wake_observers);
        let works = !desk.chores.is_empty();
        if works {
            self.disk.line_up(desk.chores.drain(..));
        }
        let runnable = !desk.runnable.is_empty() && self.idle.load(Ordering::Acquire) > 0;
        let prompt = !desk.prompt.is_empty();
        // A clock that ticks sees for itself.
        let clock = std::mem::take(&mut desk.clock_rests);
        drop(desk);
        if speaks {
            self.said.notify(usize::MAX);
        }
        for process in &dirty {
            process.flush();
        }
        if works {
            self.disk.work();
        }
        if urgent {
            self.urgent.notify(usize::MAX);
        }
        if runnable {
            self.kick();
        }
        if prompt {
            self.call_caller();
        }
        if clock {
            self.clock.notify_one();
        }
    }

    /// What the engine is to hear.
    pub(crate) fn take_out(&self) -> Vec<FromHooks> {
        let Outbox { out, told } = std::mem::take(&mut *lock(&self.outbox));
        if !told.is_empty() {
            self.with(|desk| told.into_iter().for_each(|seat| desk.heard(seat)));
        }
        out
    }

    /// Questions of the engine. On its thread they are written down, and sent where a helper is to answer;
    /// nobody is called, and nothing is waited for.
    pub(crate) fn put_asks(&self, asks: Vec<Ask>) {
        let mut arrivals = lock(&self.arrivals);
        let Arrivals { prepared, blanks } = &mut *arrivals;
        for ask in asks {
            let asking = asking(&ask.question, blanks);
            prepared.push((ask, asking));
        }
        let desk = match self.desk.try_lock() {
            Ok(desk) => Some(desk),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let Some(mut desk) = desk else {
            lock(&self.inbox).asks.append(prepared);
            self.call_caller();
            return;
        };
        blanks.append(&mut desk.blanks);
        blanks.truncate(limits::BLANKS);
        self.take_asks(&mut desk);
        for (ask, asking) in prepared.drain(..) {
            desk.begin(ask, asking);
        }
        drop(arrivals);
        self.settle(desk);
    }

    /// What came while somebody else was at the desk goes first.
    pub(crate) fn take_asks(&self, desk: &mut Desk) {
        let asks = std::mem::take(&mut lock(&self.inbox).asks);
        for (ask, asking) in asks {
            desk.begin(ask, asking);
        }
    }

    /// The log has grown.
    pub(crate) fn grown(&self) {
        self.tails.fetch_add(1, Ordering::Release);
        self.tail.notify(usize::MAX);
    }

    /// Wakes whoever is to look at the inbox and at filters.
    pub(crate) fn call_caller(&self) {
        let mut inbox = lock(&self.inbox);
        match std::mem::replace(&mut inbox.caller, CallerState::Works(true)) {
            CallerState::Works(_) => {}
            CallerState::Rests(waker) => {
                drop(inbox);
                waker.wake();
            }
            CallerState::Nobody => {
                inbox.caller = CallerState::Nobody;
                drop(inbox);
                self.kick();
            }
        }
    }

    /// Wakes a worker. One that was woken and has not looked so far needs no second word.
    pub(crate) fn kick(&self) {
        if !std::mem::replace(&mut lock(&self.inbox).kick, true) {
            self.work.notify_one();
        }
    }

    // Workers.

    pub(crate) fn start_worker(self: &Arc<Self>) {
        if self.workers.fetch_add(1, Ordering::AcqRel) >= limits::WORKERS {
            self.workers.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let shared = Arc::clone(self);
        let started = thread::Builder::new()
            .name("chat-plugins".to_owned())
            .spawn(move || shared.work());
        if let Err(error) = started {
            self.workers.fetch_sub(1, Ordering::AcqRel);
            tracing::error!(%error, "cannot start a thread for plugins");
        }
    }

    fn work(&self) {
        let mut desk = lock(&self.desk);
        loop {
            if desk.closing {
                break;
            }
            self.take_asks(&mut desk);
            if let Some(id) = desk.runnable.pop_front() {
                desk = match self.run(desk, id, What::is_event) {
                    Some(desk) => desk,
                    // This thread was given up for lost, and has a successor.
                    None => {
                        self.workers.fetch_sub(1, Ordering::AcqRel);
                        return;
                    }
                };
                if !desk.runnable.is_empty() && desk.out.len() < limits::OUT {
                    continue;
                }
            }
            let rests = desk.runnable.is_empty();
            if rests {
                // Counted before the look and at the desk, so that whoever comes after it knows that it has to
                // wake somebody.
                self.idle.fetch_add(1, Ordering::AcqRel);
            }
            self.settle(desk);
            if rests {
                self.rest();
            }
            desk = lock(&self.desk);
        }
        drop(desk);
        self.workers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Waits until there is something to do.
    fn rest(&self) {
        let mut inbox = lock(&self.inbox);
        while inbox.asks.is_empty() && !inbox.kick && !inbox.is_over {
            inbox = self
                .work
                .wait(inbox)
                .unwrap_or_else(PoisonError::into_inner);
        }
        inbox.kick = false;
        drop(inbox);
        self.idle.fetch_sub(1, Ordering::AcqRel);
    }

    /// Calls an instance in this process, without the desk. `together` says which calls may follow each other
    /// until the next look at it. `None` where the deadline has passed meanwhile, and others do what this
    /// thread did.
    pub(crate) fn run<'a>(
        &'a self,
        mut desk: MutexGuard<'a, Desk>,
        id: SeatId,
        together: impl Fn(&What) -> bool,
    ) -> Option<MutexGuard<'a, Desk>> {
        let tick = desk.tick;
        let Some(seat) = desk.seats.get_mut(&id) else {
            return Some(desk);
        };
        let Place::Local(local) = seat.place.clone() else {
            return Some(desk);
        };
        if seat.busy || seat.queue.is_empty() {
            return Some(desk);
        }
        // All that wait, for one look at the desk; anything but an event goes alone.
        let hooks = seat.queue.iter().take_while(|call| together(&call.what));
        let count = hooks.take(limits::TURN).count().max(1);
        let calls = seat.queue.iter().take(count);
        let calls: Vec<(u64, What)> = calls.map(|call| (call.id, call.what.clone())).collect();
        seat.busy = true;
        seat.progress = tick;
        // Nobody else is to wait for this call, the clock that watches it least of all.
        self.settle(desk);

        let turn = Instant::now();
        let mut began = turn;
        let mut held = lock(&local.instance);
        let mut saved = None;
        let mut longest = 0;
        for (call_id, what) in calls {
            let mut answer = Answer::default();
            let Some(instance) = held.as_mut() else {
                lock(&local.answered).push((call_id, 0, answer));
                continue;
            };
            match what {
                What::Ask { shown, .. } | What::Observe { shown, .. } | What::News(shown) => {
                    answer = match instance.call(call_id, shown) {
                        Outcome::Answer(answer) => answer,
                        Outcome::Deferred => Answer {
                            verdict: abi::CHAT_DEFER,
                            ..Answer::default()
                        },
                    };
                }
                What::Timer(timer) => instance.timer(timer),
                What::Save => saved = Some((call_id, instance.save())),
                What::Restore(state) => {
                    let restored = instance.restore(&state).map(|()| Vec::new());
                    saved = Some((call_id, restored));
                }
                What::Values(values) => *lock(&local.host.values) = (*values).clone(),
                What::Config(config) => local.host.configure(&config),
                What::Stop => {
                    if let Some(instance) = held.take() {
                        instance.destroy();
                    }
                }
            }
            // One look at the clock between two calls serves both.
            let now = Instant::now();
            let nanos = u64::try_from((now - began).as_nanos()).unwrap_or(u64::MAX);
            began = now;
            longest = longest.max(nanos);
            if saved.is_none() {
                lock(&local.answered).push((call_id, nanos, answer));
            }
            // Others wait for the answers, and nobody for those of one that was given up.
            if now - turn > limits::TURN_TIME || local.host.is_retired() {
                break;
            }
        }
        let gone = held.is_none();
        drop(held);

        let mut desk = lock(&self.desk);
        if desk.closing {
            self.clock.notify_all();
        }
        if desk.given_up.remove(&id) {
            return None;
        }
        if gone {
            desk.seats.remove(&id);
            return Some(desk);
        }
        // Busy until all is told, so that nobody else puts it into the line.
        desk.collect(id);
        if let Some((call_id, state)) = saved {
            self.saved(&mut desk, id, call_id, state);
        }
        if let Some(seat) = desk.seats.get_mut(&id) {
            seat.busy = false;
            seat.note(longest, count);
            if !seat.queue.is_empty() {
                desk.line_up(id);
            }
        }
        desk.dismiss(id);
        Some(desk)
    }

    // Helpers.

    /// Reads what a helper says, until it is gone.
    pub(crate) fn start_reader(
        self: &Arc<Self>,
        seat: SeatId,
        slot: SlotId,
        process: Arc<Process>,
        socket: UnixStream,
        mut frames: Frames,
    ) {
        let Some(workplace) = self.workplace.get() else {
            return;
        };
        let reader = workplace.reader(socket);
        let shared = Arc::clone(self);
        workplace.spawn(Box::pin(async move {
            let sense = match reader {
                Ok(reader) => shared.read(seat, slot, &process, reader, &mut frames).await,
                Err(error) => {
                    tracing::error!(%error, "cannot read what a plugin's process says");
                    Ok(())
                }
            };
            // It ends by itself, or is of no use any more.
            let status = blocking::unblock(move || {
                if sense.is_err() {
                    process.kill();
                }
                (sense, process.wait())
            });
            let why = match status.await {
                (Ok(()), status) => format!("its process {}", how(status)),
                (Err(Nonsense), _) => "its process sent nonsense".to_owned(),
            };
            let mut desk = lock(&shared.desk);
            if desk.closing {
                desk.seats.remove(&seat);
                shared.clock.notify_all();
            }
            shared.died(&mut desk, seat, &why);
            shared.settle(desk);
        }));
    }

    async fn read(
        self: &Arc<Self>,
        seat: SeatId,
        slot: SlotId,
        process: &Process,
        mut reader: Reader,
        frames: &mut Frames,
    ) -> Result<(), Nonsense> {
        let mut bytes = vec![0; 64 * 1024];
        while let Some(ups) = next_ups(&mut reader, frames, &mut bytes).await? {
            let mut sense = true;
            let mut desk = lock(&self.desk);
            for up in ups {
                sense &= self.up(&mut desk, seat, slot, up);
            }
            self.settle(desk);
            if process.has_unsent() {
                process.flush();
            }
            if !sense {
                return Err(Nonsense);
            }
        }
        Ok(())
    }

    fn up(&self, desk: &mut Desk, seat: SeatId, slot: SlotId, up: Up) -> bool {
        match up {
            Up::Done { id, nanos, answer } => {
                if !desk.seats.contains_key(&seat) {
                    // It was given up for lost.
                    return true;
                }
                let known = desk.done(seat, id, nanos, answer);
                desk.dismiss(seat);
                known
            }
            Up::Resolved { id, answer } => {
                // One that crossed its deadline on the way finds nobody.
                desk.resolved(seat, id, answer);
                true
            }
            Up::Saved { id, state } => {
                self.saved(desk, seat, id, state);
                true
            }
            Up::Wish(wish) => {
                // A log line tells why somebody died, also late.
                if desk.seats.contains_key(&seat) || matches!(wish, Wish::Log { .. }) {
                    desk.wish(seat, slot, wish);
                }
                true
            }
            Up::Stage(_) | Up::Ready(_) => true,
        }
    }

    /// A helper is gone.
    fn died(self: &Arc<Self>, desk: &mut Desk, seat_id: SeatId, why: &str) {
        let Some(seat) = desk.seats.get(&seat_id) else {
            return;
        };
        let id = seat.slot;
        let running = seat.queue.front().map(|call| call.what.place());
        let why = match running {
            Some(place) => format!("{why} {place}"),
            None => why.to_owned(),
        };
        self.lost(desk, seat_id, id, &why);
    }

    /// An instance does not answer any more.
    pub(crate) fn lost(self: &Arc<Self>, desk: &mut Desk, seat_id: SeatId, id: SlotId, why: &str) {
        let coming = desk
            .slots
            .get(&id)
            .and_then(|slot| slot.coming.as_ref())
            .is_some_and(|coming| coming.seat == seat_id);
        if coming {
            self.keep_old(desk, id, why);
            return;
        }
        let current = desk
            .slots
            .get(&id)
            .is_some_and(|slot| slot.seat == Some(seat_id));
        if !current {
            desk.end_seat(seat_id, true);
            desk.fault(id, why);
            return;
        }
        desk.fault(id, why);
        let Some(slot) = desk.slots.get_mut(&id) else {
            return;
        };
        if slot.state == State::Tripped {
            desk.end_seat(seat_id, true);
            return;
        }
        slot.seat = None;
        if slot.since.elapsed() > limits::FAULT_WINDOW {
            slot.restarts = 0;
        }
        let pause = limits::RESTARTS
            .get(slot.restarts)
            .or(limits::RESTARTS.last())
            .copied()
            .unwrap_or_default();
        slot.restarts += 1;
        slot.state = State::Restarting;
        // Without a pause, what was asked waits for the new one; with one, `on_error` decides meanwhile.
        slot.restart_at = Some(pause)
            .filter(|pause| !pause.is_zero())
            .map(|pause| Instant::now() + pause);
        slot.why = why.to_owned();
        // Its successor takes the hand-over that was under way.
        let coming = slot.coming.take();
        desk.end_seat(seat_id, true);
        if let Some(coming) = coming {
            self.take_over(desk, id, coming);
            return;
        }
        if pause.is_zero() {
            self.relaunch(desk, id);
        }
    }
}

/// What a helper says next; `None` once it is gone.
async fn next_ups(
    reader: &mut Reader,
    frames: &mut Frames,
    bytes: &mut [u8],
) -> Result<Option<Vec<Up>>, Nonsense> {
    loop {
        let mut ups = Vec::new();
        while let Some((tag, body)) = frames.next().map_err(|()| Nonsense)? {
            ups.push(Up::read(tag, body).ok_or(Nonsense)?);
        }
        if !ups.is_empty() {
            return Ok(Some(ups));
        }
        let count = match reader.read(bytes).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(count) => count,
        };
        frames.push(bytes.get(..count).unwrap_or_default());
        if count == bytes.len() {
            // One that never stops must not have the thread for itself.
            future::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};
    use futures_lite::io;

    use super::*;

    #[test]
    fn a_helper_that_never_stops_leaves_its_thread_to_others_now_and_then() {
        let mut reader: Reader = Box::new(io::repeat(0));
        let mut frames = Frames::default();
        let mut bytes = vec![0; 64 * 1024];
        // Empty frames, which are nonsense as soon as they are looked at.
        let mut next = Box::pin(next_ups(&mut reader, &mut frames, &mut bytes));
        assert!(block_on(poll_once(&mut next)).is_none());
        assert!(block_on(next).is_err());
    }
}
