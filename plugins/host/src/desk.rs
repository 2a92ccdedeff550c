//! Who is asked what, in which order, and what comes of it. Everything here happens under one lock and
//! waits for nothing: no call of a plugin, no disk, no socket.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_engine::port::{
    Ask, AskPlace, FromHooks, HookSet, NoticeOut, NoticeTo, PluginName, Question, Say,
    Subscriptions, Verdict,
};
use chat_engine::{
    AccountName, Body, CommandItem, ConversationId, LinkId, RoomName, Target, Ticket,
};
use chat_plugin_abi as abi;
use slab::Slab;

use crate::ask::{Asking, asking, with_text};
use crate::disk::Chore;
use crate::frame::{Answer, Down, Metric, Wish, write_call};
use crate::launch::Process;
use crate::limits;
use crate::settings::OnError;
use crate::shown::{Field, Shown};
use crate::slot::{Call, Place, Seat, SeatId, Slot, SlotId, Source, State, What, hook_name};

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) slots: BTreeMap<SlotId, Slot>,
    pub(crate) seats: HashMap<SeatId, Seat>,
    asked: Slab<Asked>,
    chains: HashMap<u32, Arc<[SlotId]>>,
    commands: HashMap<String, SlotId>,
    /// Seats in this process that have something to do.
    pub(crate) runnable: VecDeque<SeatId>,
    /// Helpers that have bytes to be sent.
    pub(crate) dirty: Vec<Arc<Process>>,
    /// For the engine.
    pub(crate) out: Vec<FromHooks>,
    /// Observers may have something to read.
    pub(crate) wake_observers: bool,
    /// Counts what the log was said to have grown.
    pub(crate) tails: u64,
    online: HashSet<AccountName>,
    last: u64,
    pub(crate) tick: u64,
    pub(crate) closing: bool,
    /// The clock has nothing to count, and is to be woken when it has.
    pub(crate) clock_rests: bool,
    /// All commands, as plugins get them.
    command_list: String,
    /// For the disk, once the lock is open.
    pub(crate) chores: Vec<Chore>,
    /// Rooms by name, for notices that name one; only while somebody may send any.
    rooms: HashMap<RoomName, ConversationId>,
    notices: bool,
    /// Helpers that were told to end, and when.
    pub(crate) farewells: Vec<(Arc<Process>, Instant)>,
}

/// A question on its way through its chain.
#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    hook: u32,
    shown: Arc<Shown>,
    direct: bool,
    own: Option<String>,
    chain: Arc<[SlotId]>,
    at: usize,
    modified: bool,
    /// Who is answered by a reply, and about what.
    caller: Caller,
    conversation: Option<ConversationId>,
}

#[derive(Clone, Debug)]
enum Caller {
    Nobody,
    Link(LinkId),
    Account(AccountName),
}

impl Desk {
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    // Questions.

    /// Begins with a question.
    pub(crate) fn begin(&mut self, ask: &Ask, prepared: Option<Asking>) {
        let Some(asking) = prepared else {
            self.out.push(FromHooks::Verdict(ask.ticket, Verdict::Pass));
            return;
        };
        let chain: Arc<[SlotId]> = match &asking.command {
            Some(name) => self.commands.get(name).copied().into_iter().collect(),
            None => match self.chains.get(&asking.hook) {
                Some(chain) => Arc::clone(chain),
                None => Arc::default(),
            },
        };
        let caller = match &ask.question {
            Question::Command(command) => Caller::Link(command.link),
            Question::Entry(entry) => Caller::Account(entry.from_name.clone()),
            Question::File(file) => Caller::Account(file.from_name.clone()),
            _ => Caller::Nobody,
        };
        let (conversation, place) = match &ask.question {
            Question::Command(command) => (command.conversation, Some(&command.place)),
            Question::Entry(entry) => (Some(entry.conversation), Some(&entry.place)),
            Question::File(file) => (Some(file.conversation), Some(&file.place)),
            _ => (None, None),
        };
        if let (true, Some(conversation), Some(AskPlace::Room(room))) =
            (self.notices, conversation, place)
        {
            self.know_room(room, conversation);
        }
        let conversation = conversation.filter(|_| place != Some(&AskPlace::Nowhere));
        let key = self.asked.insert(Asked {
            ticket: ask.ticket,
            hook: asking.hook,
            shown: Arc::new(asking.shown),
            direct: asking.direct,
            own: asking.own,
            chain,
            at: 0,
            modified: false,
            caller,
            conversation,
        });
        self.step(key);
    }

    /// Goes on with a question until somebody is to be waited for, or all have answered.
    fn step(&mut self, key: usize) {
        while let Some(asked) = self.asked.get(key) {
            let Some(&id) = asked.chain.get(asked.at) else {
                let verdict = match (asked.modified, asked.shown.text(Field::Text)) {
                    (true, Some(text)) => Verdict::Modified(text.as_bytes().to_vec()),
                    _ => Verdict::Pass,
                };
                self.end(key, verdict);
                return;
            };
            let slot = self.slots.get(&id).filter(|slot| slot.is_asked());
            let skipped = slot.is_none_or(|slot| {
                let own = asked.own.as_deref() == Some(slot.name.as_str());
                let hidden = asked.direct && slot.capabilities() & abi::CHAT_CAP_READ_DIRECT == 0;
                own || hidden
            });
            if skipped {
                self.next(key);
                continue;
            }
            let what = What::Ask {
                key,
                shown: Arc::clone(&asked.shown),
            };
            if self.call(id, what) {
                return;
            }
            // Nobody is there who could answer.
            let why = "it does not run".to_owned();
            if !self.decide_by_on_error(id, key, &why) {
                return;
            }
        }
    }

    fn next(&mut self, key: usize) {
        if let Some(asked) = self.asked.get_mut(key) {
            asked.at += 1;
        }
    }

    fn end(&mut self, key: usize, verdict: Verdict) {
        if let Some(asked) = self.asked.try_remove(key) {
            self.out.push(FromHooks::Verdict(asked.ticket, verdict));
        }
    }

    /// What a fault comes to. Says whether the chain goes on.
    fn decide_by_on_error(&mut self, id: SlotId, key: usize, why: &str) -> bool {
        let hook = self.asked.get(key).map_or(0, |asked| asked.hook);
        let Some(slot) = self.slots.get(&id) else {
            self.next(key);
            return true;
        };
        match slot.on_error(hook) {
            OnError::Pass => {
                self.next(key);
                true
            }
            OnError::Reject => {
                let name = slot.name.as_str();
                tracing::debug!(plugin = name, why, "refused for now");
                let text = format!("the plugin {name} can't answer now");
                self.end(key, Verdict::Fault(text));
                false
            }
        }
    }

    /// A filter failed on a question.
    fn fail(&mut self, id: SlotId, key: usize, why: &str) {
        if self.decide_by_on_error(id, key, why) {
            self.step(key);
        }
    }

    /// A filter answered.
    fn answered(&mut self, id: SlotId, key: usize, answer: Answer) {
        let Some(asked) = self.asked.get_mut(key) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(&id) else {
            self.next(key);
            self.step(key);
            return;
        };
        let hook = asked.hook;
        let capabilities = slot.capabilities();
        let may = |capability: u64| capabilities & capability != 0;
        let name = slot.name.as_str().to_owned();
        match (answer.verdict, answer.text) {
            (abi::CHAT_PASS, _) => {}
            (abi::CHAT_MODIFIED, _) if !may(abi::CHAT_CAP_MODIFY) => {
                if slot.first_time(1) {
                    tracing::warn!(
                        plugin = name,
                        "it wants to change a text, without the capability for that"
                    );
                }
            }
            (abi::CHAT_MODIFIED, Some(text))
                if hook == abi::CHAT_HOOK_ENTRY && asked.shown.text(Field::Text).is_some() =>
            {
                asked.shown = Arc::new(with_text(&asked.shown, &text));
                asked.modified = true;
            }
            (abi::CHAT_MODIFIED, None) => {
                self.fault(id, "it answered CHAT_MODIFIED without set_text");
                self.fail(id, key, "a fault");
                return;
            }
            (abi::CHAT_MODIFIED, Some(_)) => {
                self.fault(id, "it changed what has no text");
                self.fail(id, key, "a fault");
                return;
            }
            (abi::CHAT_REJECT, _)
                if !may(abi::CHAT_CAP_REJECT) && hook != abi::CHAT_HOOK_COMMAND =>
            {
                if slot.first_time(2) {
                    tracing::warn!(
                        plugin = name,
                        "it wants to refuse, without the capability for that"
                    );
                }
            }
            (abi::CHAT_REJECT, _) => {
                slot.stats.rejects += 1;
                self.end(key, Verdict::Reject(answer.reason.unwrap_or_default()));
                return;
            }
            (abi::CHAT_HANDLED, _) if hook == abi::CHAT_HOOK_COMMAND => {
                self.end(key, Verdict::Handled);
                return;
            }
            (verdict, _) => {
                let hook = hook_name(hook);
                let why = match verdict {
                    ..0 => format!("its {hook} hook reported a fault ({verdict})"),
                    _ => format!("its {hook} hook answered {verdict}, which is no verdict there"),
                };
                self.fault(id, &why);
                self.fail(id, key, &why);
                return;
            }
        }
        self.next(key);
        self.step(key);
    }

    // Calls.

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
    fn place(&mut self, id: SlotId, call: Call) -> Result<(), Call> {
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
                    self.runnable.push_back(id);
                }
            }
            Place::Helper(process) => {
                let mut waits = true;
                process.put(|out| match &call.what {
                    What::Ask { shown, .. } | What::Observe { shown, .. } | What::News(shown) => {
                        write_call(call.id, shown, seat.capabilities, out);
                    }
                    What::Timer(timer) => Down::Timer {
                        id: call.id,
                        timer: *timer,
                    }
                    .write(out),
                    What::Save => Down::Save { id: call.id }.write(out),
                    What::Restore(state) => Down::Restore {
                        id: call.id,
                        state: state.to_vec(),
                    }
                    .write(out),
                    What::Values(values) => {
                        waits = false;
                        Down::Values((**values).clone()).write(out);
                    }
                    What::Config(config) => {
                        waits = false;
                        Down::Config((**config).clone()).write(out);
                    }
                    What::Stop => {
                        waits = false;
                        Down::Stop.write(out);
                    }
                });
                if waits {
                    seat.queue.push_back(call);
                }
                if !self.dirty.iter().any(|other| Arc::ptr_eq(other, process)) {
                    self.dirty.push(Arc::clone(process));
                }
            }
        }
        Ok(())
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
        let id = seat.slot;
        self.took(id, &call.what, nanos);
        let decides = matches!(call.what, What::Ask { .. });
        if answer.verdict == abi::CHAT_DEFER && decides {
            if let Some(seat) = self.seats.get_mut(&seat_id) {
                seat.deferred.insert(call.id, call);
            }
            return true;
        }
        self.finish(id, call.what, answer);
        true
    }

    /// The answer to a deferred call.
    pub(crate) fn resolved(&mut self, seat_id: SeatId, call: u64, answer: Answer) -> bool {
        let Some(seat) = self.seats.get_mut(&seat_id) else {
            return false;
        };
        let Some(call) = seat.deferred.remove(&call) else {
            return false;
        };
        let id = seat.slot;
        self.finish(id, call.what, answer);
        self.dismiss(seat_id);
        true
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
            What::Ask { key, .. } => self.answered(id, key, answer),
            What::Observe { pos, .. } => {
                self.judge_observer(id, &answer);
                if let Some(observer) = self.observer(id) {
                    observer.answered(pos);
                    if observer.open.len() <= limits::OBSERVED / 2 {
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
        if answer.verdict < 0 {
            let why = format!("its observer reported a fault ({})", answer.verdict);
            self.fault(id, &why);
        }
    }

    pub(crate) fn observer(&mut self, id: SlotId) -> Option<&mut crate::slot::Observer> {
        self.slots.get_mut(&id)?.observer.as_mut()
    }

    // Faults.

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

    // What plugins wish.

    pub(crate) fn wish(&mut self, seat_id: Option<SeatId>, id: SlotId, wish: Wish) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        match wish {
            Wish::Log { level, text } => log(slot, level, &text),
            Wish::Send { room, to, text } => self.say(id, room, to, &text),
            Wish::Tell {
                account,
                room,
                text,
            } => {
                let room = room.and_then(|room| RoomName::new(&room).ok());
                let about = room.and_then(|room| self.rooms.get(&room).copied());
                if let Ok(account) = AccountName::new(&account) {
                    self.notice(id, NoticeTo::Account(account), about, text);
                }
            }
            Wish::Reply { call, text } => {
                if let Some((to, about)) = self.caller(seat_id, call) {
                    self.notice(id, to, about, text);
                }
            }
            Wish::Keep { key, value } => {
                slot.values_changed = true;
                match value {
                    Some(value) => slot.values.insert(key, value),
                    None => slot.values.remove(&key),
                };
            }
            Wish::Metric { name, change } => {
                if slot.metrics.len() >= limits::METRICS && !slot.metrics.contains_key(&name) {
                    if slot.first_time(4) {
                        let plugin = slot.name.as_str();
                        tracing::warn!(plugin, name, "it has too many metrics");
                    }
                    return;
                }
                let value = slot.metrics.entry(name).or_default();
                match change {
                    Metric::Add(n) => *value = value.saturating_add(n.into()),
                    Metric::Set(n) => *value = n.into(),
                }
            }
            Wish::Timer { timer, times: None } => {
                slot.timers.remove(&timer);
            }
            Wish::Timer {
                timer,
                times: Some((first, every)),
            } => {
                let due = Instant::now().checked_add(Duration::from_millis(first));
                if let Some(due) = due.filter(|_| slot.timers.len() < 2 * limits::TIMERS) {
                    slot.timers
                        .insert(timer, (due, Duration::from_millis(every)));
                }
            }
        }
    }

    fn say(&mut self, id: SlotId, room: Option<String>, to: Option<String>, text: &str) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        let target = match (&room, &to) {
            (Some(room), None) => RoomName::new(room).map(Target::Room),
            (None, Some(account)) => AccountName::new(account).map(Target::Account),
            _ => return,
        };
        let name = slot.name.clone();
        let target = match target {
            Ok(target) => target,
            Err(why) => {
                tracing::warn!(plugin = name.as_str(), %why, "it sends to what is no name");
                return;
            }
        };
        if slot.says >= limits::SAYS {
            slot.stats.dropped += 1;
            if slot.first_time(8) {
                tracing::warn!(
                    plugin = name.as_str(),
                    "it sends faster than entries are taken"
                );
            }
            return;
        }
        slot.says += 1;
        let token = self.next_id();
        self.out.push(FromHooks::Say(Say {
            plugin: name,
            token,
            target,
            id: None,
            body: Body::text(text, None),
        }));
    }

    /// One of the entries that a plugin sent was taken or refused.
    pub(crate) fn said(&mut self, id: SlotId) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        slot.says = slot.says.saturating_sub(1);
        let seat = slot.seat.and_then(|seat| self.seats.get(&seat));
        if let Some(Place::Helper(process)) = seat.map(|seat| &seat.place) {
            process.put(|out| Down::Said.write(out));
            self.dirty.push(Arc::clone(process));
        }
    }

    /// Remembers where a room is. The same one mostly is known already.
    pub(crate) fn know_room(&mut self, room: &RoomName, conversation: ConversationId) {
        if self.rooms.get(room) == Some(&conversation) {
            return;
        }
        if self.rooms.len() >= limits::ROOMS {
            self.rooms.clear();
        }
        self.rooms.insert(room.clone(), conversation);
    }

    fn notice(
        &mut self,
        id: SlotId,
        to: NoticeTo,
        conversation: Option<ConversationId>,
        text: String,
    ) {
        let Some(slot) = self.slots.get(&id) else {
            return;
        };
        self.out.push(FromHooks::Notice(NoticeOut {
            plugin: slot.name.clone(),
            to,
            text,
            conversation,
        }));
    }

    /// Who sent what a call is about, and where.
    fn caller(
        &self,
        seat: Option<SeatId>,
        call: u64,
    ) -> Option<(NoticeTo, Option<ConversationId>)> {
        let seat = self.seats.get(&seat?)?;
        let waiting = seat.queue.iter().find(|waiting| waiting.id == call);
        let call = waiting.or_else(|| seat.deferred.get(&call))?;
        match &call.what {
            What::Ask { key, .. } => {
                let asked = self.asked.get(*key)?;
                let to = match &asked.caller {
                    Caller::Link(link) => NoticeTo::Link(*link),
                    Caller::Account(account) => NoticeTo::Account(account.clone()),
                    Caller::Nobody => return None,
                };
                Some((to, asked.conversation))
            }
            What::Observe { shown, .. } | What::News(shown) => {
                let account = AccountName::new(shown.text(Field::From)?).ok()?;
                let room = RoomName::new(shown.text(Field::Room)?).ok();
                let about = room.and_then(|room| self.rooms.get(&room).copied());
                Some((NoticeTo::Account(account), about))
            }
            _ => None,
        }
    }

    // What is subscribed to.

    /// Recounts who takes part in what, and tells the engine.
    pub(crate) fn publish(&mut self) {
        let mut chains: HashMap<u32, Vec<SlotId>> = HashMap::new();
        self.commands.clear();
        let may_notice = |slot: &Slot| slot.capabilities() & abi::CHAT_CAP_NOTICE != 0;
        self.notices = self.slots.values().any(may_notice);
        for (id, slot) in &self.slots {
            if !slot.is_asked() {
                continue;
            }
            for hook in slot.about.hooks.keys() {
                chains.entry(*hook).or_default().push(*id);
            }
            for command in slot.about.commands.keys() {
                // The first one by age keeps it; the other was told when it came.
                self.commands.entry(command.clone()).or_insert(*id);
            }
        }
        let slots = &self.slots;
        self.chains = chains
            .into_iter()
            .map(|(hook, mut chain)| {
                chain.sort_by_key(|id| {
                    let slot = slots.get(id);
                    let priority = slot.map_or(0, |slot| slot.priority(hook));
                    let id = slot.map_or("", |slot| slot.about.id.as_str());
                    (std::cmp::Reverse(priority), id)
                });
                (hook, chain.into())
            })
            .collect();
        let subscriptions = self.subscriptions();
        let line = |item: &CommandItem| format!("{}\t{}\n", item.name, item.help);
        let list: String = subscriptions.commands.iter().map(line).collect();
        if list != self.command_list {
            self.command_list = list;
            let seats: Vec<SeatId> = self.seats.keys().copied().collect();
            for seat in seats {
                self.tell_commands(seat);
            }
        }
        self.out.push(FromHooks::Subscriptions(subscriptions));
    }

    /// Tells an instance which commands there are.
    pub(crate) fn tell_commands(&mut self, id: SeatId) {
        let Some(seat) = self.seats.get(&id) else {
            return;
        };
        if seat.capabilities & abi::CHAT_CAP_COMMAND == 0 {
            return;
        }
        let list = self.command_list.clone();
        match &seat.place {
            Place::Local(local) => *crate::instance::lock(&local.host.commands) = list,
            Place::Helper(process) => {
                process.put(|out| Down::Commands(list).write(out));
                self.dirty.push(Arc::clone(process));
            }
        }
    }

    pub(crate) fn subscriptions(&self) -> Subscriptions {
        let mut hooks = HookSet::NONE;
        let direct = |id: &SlotId| {
            let slot = self.slots.get(id);
            slot.is_some_and(|slot| slot.capabilities() & abi::CHAT_CAP_READ_DIRECT != 0)
        };
        for (hook, chain) in &self.chains {
            hooks |= match *hook {
                abi::CHAT_HOOK_CONNECT => HookSet::CONNECT,
                abi::CHAT_HOOK_LOGIN => HookSet::LOGIN,
                abi::CHAT_HOOK_ENTRY if chain.iter().any(direct) => {
                    HookSet::ENTRY | HookSet::ENTRY_DIRECT
                }
                abi::CHAT_HOOK_ENTRY => HookSet::ENTRY,
                abi::CHAT_HOOK_FILE_OFFER | abi::CHAT_HOOK_FILE_COMPLETE => HookSet::FILE,
                abi::CHAT_HOOK_ENTRY_POST => HookSet::TAIL,
                abi::CHAT_HOOK_PRESENCE_POST => HookSet::PRESENCE,
                abi::CHAT_HOOK_DISCONNECT_POST => HookSet::DISCONNECT,
                _ => continue,
            };
        }
        let mut commands: Vec<CommandItem> = self
            .commands
            .iter()
            .filter_map(|(name, id)| {
                let help = self.slots.get(id)?.about.commands.get(name)?;
                Some(CommandItem {
                    name: name.clone(),
                    help: help.clone(),
                })
            })
            .collect();
        commands.sort_by(|one, other| one.name.cmp(&other.name));
        commands.truncate(chat_engine::limits::COMMANDS);
        Subscriptions { hooks, commands }
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

/// Prepares questions: everything that needs no lock.
pub(crate) fn prepare(asks: &[Ask]) -> Vec<Option<Asking>> {
    asks.iter().map(|ask| asking(&ask.question)).collect()
}

fn hold(slot: &mut Slot, call: Call) -> Result<(), Call> {
    if slot.waiting.len() >= limits::QUEUE {
        return Err(call);
    }
    slot.waiting.push_back(call);
    Ok(())
}

fn log(slot: &mut Slot, level: i32, text: &str) {
    let (second, count) = &mut slot.log_lines;
    if second.elapsed() >= Duration::from_secs(1) {
        *second = Instant::now();
        *count = 0;
    }
    *count += 1;
    let plugin = slot.name.as_str();
    if *count == limits::LOG_LINES {
        tracing::warn!(plugin, "it says too much; some lines are left out");
    }
    if *count >= limits::LOG_LINES {
        return;
    }
    let text = printable(text);
    match level {
        abi::CHAT_LOG_ERROR => tracing::error!(plugin, "{text}"),
        abi::CHAT_LOG_WARN => tracing::warn!(plugin, "{text}"),
        abi::CHAT_LOG_DEBUG => tracing::debug!(plugin, "{text}"),
        _ => tracing::info!(plugin, "{text}"),
    }
}

/// A line of a plugin for the log: control characters could draw on the operator's screen.
pub(crate) fn printable(text: &str) -> String {
    let odd = |sign: char| {
        sign.is_control()
            || matches!(sign, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.trim_end()
        .chars()
        .map(|sign| if odd(sign) { '\u{fffd}' } else { sign })
        .collect()
}
