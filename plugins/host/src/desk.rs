//! Who is asked what, in which order, and what comes of it. Everything here happens under one lock and
//! waits for nothing: no call of a plugin, no disk, no socket.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_engine::AccountName;
use chat_engine::port::{FromHooks, PluginName};
use chat_plugin_abi as abi;
use slab::Slab;

use crate::chain::Asked;
use crate::disk::Chore;
use crate::frame::Answer;
use crate::instance::lock;
use crate::launch::Process;
use crate::limits;
use crate::shown::Shown;
use crate::slot::{Call, Place, Seat, SeatId, Slot, SlotId, Source, State, What};

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) slots: BTreeMap<SlotId, Slot>,
    pub(crate) seats: BTreeMap<SeatId, Seat>,
    pub(crate) asked: Slab<Asked>,
    pub(crate) chains: HashMap<u32, Arc<[SlotId]>>,
    pub(crate) commands: HashMap<String, SlotId>,
    /// Seats in this process that a worker is to call.
    pub(crate) runnable: VecDeque<SeatId>,
    /// Seats in this process that the server's own threads are to call.
    pub(crate) prompt: VecDeque<SeatId>,
    /// There is a task that does so. It is the one of this number: one whose thread is kept has a successor.
    pub(crate) caller: Option<u64>,
    /// The seat that it is in, which may be gone by now, and since which tick.
    pub(crate) caller_in: Option<(SeatId, u64)>,
    /// Callers whose threads are kept now.
    pub(crate) kept: usize,
    /// Seats whose helper is to get what was collected for it.
    pub(crate) due: Vec<SeatId>,
    /// Helpers that have bytes to be sent.
    pub(crate) dirty: Vec<Arc<Process>>,
    /// Instances whose worker is stuck in them and has a successor.
    pub(crate) given_up: HashSet<SeatId>,
    /// For the engine.
    pub(crate) out: Vec<FromHooks>,
    /// Entries that wait for the engine's word, and which instance sent them.
    pub(crate) says: HashMap<u64, SeatId>,
    /// Whose the notices for the engine are, in order.
    pub(crate) told: Vec<SeatId>,
    /// How many of both there are, by instance.
    pub(crate) waits: HashMap<SeatId, usize>,
    /// Events that are over.
    pub(crate) blanks: Vec<Arc<Shown>>,
    /// Observers have something to read, or are ready for more.
    pub(crate) wake_observers: bool,
    pub(crate) online: HashSet<AccountName>,
    pub(crate) last: u64,
    pub(crate) tick: u64,
    pub(crate) closing: bool,
    /// The clock has nothing to count, and is to be woken when it has.
    pub(crate) clock_rests: bool,
    /// All commands, as plugins get them.
    pub(crate) command_list: String,
    /// For the disk, once the lock is open.
    pub(crate) chores: Vec<Chore>,
    /// Helpers that were told to end, and when.
    pub(crate) farewells: Vec<(Arc<Process>, Instant)>,
}

impl Desk {
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Has a plugin called. Says whether somebody will answer.
    pub(crate) fn call(&mut self, id: SlotId, what: What) -> bool {
        let call = Call {
            id: self.next_id(),
            what,
            since: self.tick,
            again: false,
        };
        self.place(id, call).is_ok()
    }

    /// Puts a call where it belongs; gives it back when nobody will answer it.
    pub(crate) fn place(&mut self, id: SlotId, call: Call) -> Result<(), Call> {
        let Some(slot) = self.slots.get_mut(&id) else {
            return Err(call);
        };
        let seat = match (slot.seat, &slot.coming) {
            (Some(seat), None) => seat,
            // While the state is handed over, or a helper starts again at once.
            (Some(_), Some(_)) => return hold(slot, call),
            (None, _) if slot.comes_back() => return hold(slot, call),
            (None, _) => return Err(call),
        };
        self.send(seat, call)
    }

    /// Hands a call to an instance.
    pub(crate) fn send(&mut self, id: SeatId, call: Call) -> Result<(), Call> {
        let Some(seat) = self.seats.get_mut(&id) else {
            return Err(call);
        };
        if seat.queue.len() >= limits::QUEUE {
            return Err(call);
        }
        if seat.queue.is_empty() {
            seat.progress = self.tick;
        }
        match &seat.place {
            Place::Local(_) => {
                seat.queue.push_back(call);
                if !seat.busy && seat.queue.len() == 1 {
                    self.line_up(id);
                }
            }
            Place::Helper(process) => match call.what.is_answered() {
                true => {
                    seat.queue.push_back(call);
                    seat.unsent += 1;
                    // While it has something to do, more is collected.
                    if seat.unsent == 1 && seat.is_due() {
                        self.due.push(id);
                    }
                }
                false => {
                    process.put(|out| call.write(seat.capabilities, out));
                    self.dirty.push(Arc::clone(process));
                }
            },
        }
        Ok(())
    }

    /// Has an instance in this process called soon.
    pub(crate) fn line_up(&mut self, id: SeatId) {
        let is_prompt = self.seats.get(&id).is_some_and(Seat::is_prompt);
        match is_prompt && self.caller.is_some() {
            true => self.prompt.push_back(id),
            false => self.runnable.push_back(id),
        }
    }

    /// The call at the head of an instance's queue came back.
    pub(crate) fn done(
        &mut self,
        seat_id: SeatId,
        call_id: u64,
        nanos: u64,
        answer: Answer,
    ) -> bool {
        let Some(seat) = self.seats.get_mut(&seat_id) else {
            return true;
        };
        if seat.queue.front().is_none_or(|call| call.id != call_id) {
            return false;
        }
        let Some(call) = seat.queue.pop_front() else {
            return false;
        };
        seat.progress = self.tick;
        if seat.is_due() {
            self.due.push(seat_id);
        }
        let id = seat.slot;
        let decides = matches!(call.what, What::Ask { .. });
        let deferred = answer.verdict == abi::CHAT_DEFER && decides;
        // Its thread may have been quicker than the one that saw it defer.
        let early = match seat.early.is_empty() {
            true => None,
            false => seat.early.remove(&call_id),
        };
        self.took(id, &call.what, nanos);
        let answer = match (deferred, early) {
            (true, None) => {
                match self.seats.get_mut(&seat_id) {
                    Some(seat) => {
                        seat.deferred.insert(call.id, call);
                    }
                    // It was stopped for being slow once too often.
                    None => self.fail_call(id, call, "it does not run"),
                }
                return true;
            }
            (true, Some(early)) => early,
            (false, _) => answer,
        };
        self.finish(id, call.what, answer);
        true
    }

    /// The answer to a deferred call.
    pub(crate) fn resolved(&mut self, seat_id: SeatId, call: u64, answer: Answer) -> bool {
        let Some(seat) = self.seats.get_mut(&seat_id) else {
            return false;
        };
        let Some(call) = seat.deferred.remove(&call) else {
            let running = seat.queue.iter().any(|queued| queued.id == call);
            if running {
                seat.early.insert(call, answer);
            }
            return running;
        };
        let id = seat.slot;
        self.finish(id, call.what, answer);
        self.dismiss(seat_id);
        true
    }

    /// Writes what was collected for helpers, and hands out those that have something to be sent.
    pub(crate) fn pack(&mut self) -> Vec<Arc<Process>> {
        for id in self.due.drain(..) {
            let Some(seat) = self.seats.get_mut(&id) else {
                continue;
            };
            seat.pack();
            if let Place::Helper(process) = &seat.place {
                self.dirty.push(Arc::clone(process));
            }
        }
        std::mem::take(&mut self.dirty)
    }

    /// What an instance in this process has answered in the turn that goes on.
    pub(crate) fn collect(&mut self, seat_id: SeatId) {
        let Some(Place::Local(local)) = self.seats.get(&seat_id).map(|seat| &seat.place) else {
            return;
        };
        let local = Arc::clone(local);
        let mut answered = std::mem::take(&mut *lock(&local.answered));
        for (call, nanos, answer) in answered.drain(..) {
            self.done(seat_id, call, nanos, answer);
        }
        // What held them serves the next turn, unless somebody else was there meanwhile.
        let mut next = lock(&local.answered);
        if next.capacity() == 0 {
            *next = answered;
        }
    }

    fn took(&mut self, id: SlotId, what: &What, nanos: u64) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        match what {
            What::Ask { .. } | What::Observe { .. } | What::News(_) | What::Timer(_) => {}
            _ => return,
        }
        slot.stats.took(nanos);
        let took = Duration::from_nanos(nanos);
        // An observer that is slow makes nobody wait.
        if took < limits::SLOW || !matches!(what, What::Ask { .. }) {
            return;
        }
        let count = slot.slow.count();
        let name = slot.name.as_str();
        if count == 1 {
            let ms = took.as_millis();
            tracing::warn!(plugin = name, ms, "it is slow {}", what.place());
        }
        if count >= limits::SLOW_CALLS {
            let why = format!(
                "{count} calls took longer than {} ms within a minute",
                limits::SLOW.as_millis()
            );
            self.trip(id, why);
        }
    }

    fn finish(&mut self, id: SlotId, what: What, answer: Answer) {
        match what {
            What::Ask { key, shown } => {
                // With it, the last filter of a chain lets go of it.
                drop(shown);
                self.answered(id, key, answer);
            }
            What::Observe { pos, .. } => {
                self.judge_observer(id, &answer);
                if let Some(observer) = self.observer(id) {
                    let was_full = observer.is_full();
                    observer.answered(pos);
                    if was_full && !observer.is_full() {
                        self.wake_observers = true;
                    }
                }
            }
            What::News(_) => {
                self.judge_observer(id, &answer);
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.news = slot.news.saturating_sub(1);
                }
            }
            What::Timer(_) | What::Save | What::Restore(_) => {}
            What::Values(_) | What::Config(_) | What::Stop => {}
        }
    }

    fn judge_observer(&mut self, id: SlotId, answer: &Answer) {
        let why = match answer.verdict {
            ..0 => format!("its observer reported a fault ({})", answer.verdict),
            abi::CHAT_DEFER => {
                "its observer deferred an event, and nobody waits for its answer".to_owned()
            }
            _ => return,
        };
        self.fault(id, &why);
    }

    pub(crate) fn observer(&mut self, id: SlotId) -> Option<&mut crate::slot::Observer> {
        self.slots.get_mut(&id)?.observer.as_mut()
    }

    /// Who takes part in a hook.
    pub(crate) fn chain(&self, hook: u32) -> Vec<SlotId> {
        self.chains
            .get(&hook)
            .map(|chain| chain.to_vec())
            .unwrap_or_default()
    }

    pub(crate) fn command_owner(&self, command: &str) -> Option<SlotId> {
        self.commands.get(command).copied()
    }

    /// The slot of a name.
    pub(crate) fn find(&self, name: &PluginName) -> Option<SlotId> {
        let found = self.slots.iter().find(|(_, slot)| slot.name == *name);
        found.map(|(id, _)| *id)
    }

    /// The copies of a plugin's file that are in use.
    pub(crate) fn copies(&self, name: &PluginName) -> Vec<PathBuf> {
        let slot = self.find(name).and_then(|id| self.slots.get(&id));
        let sources = slot.into_iter().flat_map(|slot| {
            let coming = slot.coming.as_ref().map(|coming| &coming.source);
            [Some(&slot.source), coming]
        });
        let copy = |source: &Source| match source {
            Source::File { copy } => Some(copy.clone()),
            Source::Static => None,
        };
        sources.flatten().filter_map(copy).collect()
    }

    /// Tells news to all that want them.
    pub(crate) fn tell(&mut self, hook: u32, shown: &Arc<Shown>) {
        for id in self.chain(hook) {
            self.tell_one(id, shown);
        }
    }

    pub(crate) fn tell_one(&mut self, id: SlotId, shown: &Arc<Shown>) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        if slot.state == State::Tripped {
            return;
        }
        if slot.news >= limits::NEWS {
            slot.dropped += 1;
            slot.stats.dropped += 1;
            return;
        }
        slot.news += 1;
        let mut shown = Arc::clone(shown);
        let dropped = std::mem::take(&mut slot.dropped);
        if dropped > 0 {
            Arc::make_mut(&mut shown).numbers.dropped = dropped;
        }
        if !self.call(id, What::News(shown))
            && let Some(slot) = self.slots.get_mut(&id)
        {
            slot.news -= 1;
            slot.dropped += dropped + 1;
            slot.stats.dropped += 1;
        }
    }

    /// Whether an account came or went; remembered here, since the news tell states only.
    pub(crate) fn came_or_went(&mut self, account: &AccountName, online: bool) -> bool {
        match online {
            true => self.online.insert(account.clone()),
            false => self.online.remove(account),
        }
    }
}

fn hold(slot: &mut Slot, call: Call) -> Result<(), Call> {
    if slot.waiting.len() >= limits::QUEUE {
        return Err(call);
    }
    slot.waiting.push_back(call);
    Ok(())
}
