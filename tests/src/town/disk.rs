//! The server's disk: writes queue up, are committed in batches, and are told of after that.
//!
//! What is committed lives in the engine's own memory store. A crash loses what was not committed; a
//! batch whose transaction was under way is gone as a whole, as a database drops it at its recovery.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use chat_engine::adapter::MemoryStore;
use chat_engine::hub::{Load, Loaded};
use chat_engine::port::{Committed, Directory as _, Fault, Log as _, Snapshot, Tail as _, Write};
use chat_engine::{ConversationId, Epoch, Ticket, limits};
use fastrand::Rng;
use futures_lite::future::block_on;

use super::Sabotage;
use super::seeded::Seeded;
use super::truth::{Mark, Truth};

#[derive(Debug)]
pub(super) struct Disk {
    store: MemoryStore,
    pub(super) truth: Truth,
    queue: Vec<Queued>,
    writing: Vec<Queued>,
    /// Committed and not told so far.
    told: VecDeque<Handout>,
    /// Conversations whose failure was not told so far: nothing may overtake it.
    sick: BTreeSet<ConversationId>,
    /// There is no room.
    pub(super) is_full: bool,
    backup: Option<(MemoryStore, Mark)>,
    sabotage: Sabotage,
    /// Under [`Sabotage::AckBeforeCommit`]: the state before the batch that is being written, and
    /// what it will have committed.
    early: Option<(MemoryStore, Vec<Committed>)>,
    rng: Rng,
    /// What went wrong in the store itself.
    pub(super) faults: Vec<String>,
}

#[derive(Debug)]
struct Queued {
    ticket: Ticket,
    write: Write,
    after_failed: bool,
}

#[derive(Debug, Default)]
struct Handout {
    outcomes: Vec<Committed>,
    failed: Vec<ConversationId>,
}

/// What a crash found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    /// A transaction was under way.
    pub(super) torn: bool,
    /// Something was committed, and nobody knows.
    pub(super) untold: bool,
}

impl Disk {
    pub(super) fn new(sabotage: Sabotage, rng: Rng) -> Self {
        Self {
            store: MemoryStore::new(),
            truth: Truth::default(),
            queue: Vec::new(),
            writing: Vec::new(),
            told: VecDeque::new(),
            sick: BTreeSet::new(),
            is_full: false,
            backup: None,
            sabotage,
            early: None,
            rng,
            faults: Vec::new(),
        }
    }

    pub(super) fn load(&self) -> Snapshot {
        block_on(self.store.load()).unwrap_or_default()
    }

    /// Takes writes. Answers how long the commit takes, if one begins now.
    pub(super) fn submit(&mut self, writes: Vec<(Ticket, Write)>) -> Option<Duration> {
        for (ticket, write) in writes {
            let after_failed = conversation(&write).is_some_and(|id| self.sick.contains(&id));
            self.queue.push(Queued {
                ticket,
                write,
                after_failed,
            });
        }
        self.begin()
    }

    /// The batch is on disk. Answers when its outcomes are known, and how long the next one takes.
    pub(super) fn commit(&mut self) -> (Duration, Option<Duration>) {
        if let Some((_, committed)) = self.early.take() {
            self.note(&committed);
            return (Duration::ZERO, self.begin());
        }
        let batch = std::mem::take(&mut self.writing);
        let handout = self.transact(batch);
        self.note(&handout.outcomes);
        for id in &handout.failed {
            self.sick.insert(*id);
            for queued in &mut self.queue {
                queued.after_failed |= conversation(&queued.write) == Some(*id);
            }
        }
        self.told.push_back(handout);
        let wait = Duration::from_micros(self.rng.u64(0..300));
        (wait, self.begin())
    }

    /// The next outcomes.
    pub(super) fn hand_out(&mut self) -> Vec<Committed> {
        let Some(handout) = self.told.pop_front() else {
            return Vec::new();
        };
        for id in &handout.failed {
            self.sick.remove(id);
        }
        handout.outcomes
    }

    /// Reads what is committed.
    pub(super) fn read(&self, load: &Load) -> Result<Loaded, Fault> {
        let store = &self.store;
        match load.clone() {
            Load::Read(id, after, bytes) => {
                let mut entries = block_on(store.read(id, after, limits::READ_ENTRIES, bytes))?;
                if self.sabotage == Sabotage::DropRead && entries.len() > 2 {
                    entries.truncate(entries.len() / 2);
                    entries.remove(0);
                }
                Ok(Loaded::Read(entries))
            }
            Load::History(id, spans, from, limit) => {
                block_on(store.history(id, spans, from, limit, limits::PAGE_BYTES))
                    .map(|(items, more)| Loaded::History(items, more))
            }
            Load::Lookup(account, id) => block_on(store.lookup(account, id)).map(Loaded::Lookup),
            Load::Blob(blob) => {
                block_on(store.blob(blob)).map(|place| Loaded::Blob(place.map(Box::new)))
            }
            Load::Counted(id, seq) => block_on(store.counted(id, seq)).map(Loaded::Counted),
            Load::Search(places, text, before) => {
                let page =
                    store.search(places, text, before, limits::PAGE_ITEMS, limits::PAGE_BYTES);
                block_on(page).map(Loaded::Search)
            }
        }
    }

    /// Cuts all logs but for their last entries. The outcomes are known at once.
    pub(super) fn trim(&mut self, keep: u64) {
        let _ = block_on(self.store.trim(None, Some(keep)));
        // Without a cut there is nothing to be told, and the tail would wait.
        self.store
            .submit(&mut vec![(MARK, Write::Change(Vec::new()))]);
        let mut outcomes = block_on(self.store.next());
        outcomes.retain(|outcome| matches!(outcome, Committed::Trimmed { .. }));
        self.note(&outcomes);
        self.told.push_back(Handout {
            outcomes,
            failed: Vec::new(),
        });
    }

    pub(super) fn back_up(&mut self) {
        self.backup = Some((self.store.copied(), self.truth.mark()));
    }

    /// Puts the backup back, after a crash.
    pub(super) fn restore(&mut self) -> bool {
        let Some((store, mark)) = self.backup.take() else {
            return false;
        };
        store.renew(&mut Seeded(self.rng.fork()));
        self.store = store;
        let rooms = self.load().rooms.into_iter();
        let epochs: BTreeMap<ConversationId, Epoch> =
            rooms.map(|room| (room.id, room.epoch)).collect();
        self.truth.restore(mark, &epochs);
        true
    }

    /// The server is gone, and with it all that was not committed.
    pub(super) fn crash(&mut self) -> Lost {
        let lost = Lost {
            torn: !self.writing.is_empty(),
            untold: self.told.iter().any(|handout| !handout.outcomes.is_empty()),
        };
        if let Some((before, _)) = self.early.take() {
            self.store = before;
        }
        let torn = std::mem::take(&mut self.writing);
        if self.sabotage == Sabotage::TornTail {
            let half = torn.len() / 2;
            let handout = self.transact(torn.into_iter().skip(half.max(1)).collect());
            self.note(&handout.outcomes);
        }
        self.queue.clear();
        self.told.clear();
        self.sick.clear();
        lost
    }

    /// Whether something is told before it is committed.
    pub(super) const fn is_early(&self) -> bool {
        self.early.is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        let is_writing = !self.writing.is_empty() || self.early.is_some();
        self.queue.is_empty() && !is_writing && self.told.is_empty()
    }

    fn begin(&mut self) -> Option<Duration> {
        if self.queue.is_empty() || !self.writing.is_empty() || self.early.is_some() {
            return None;
        }
        self.writing = std::mem::take(&mut self.queue);
        if self.sabotage == Sabotage::AckBeforeCommit {
            let before = self.store.copied();
            let batch = std::mem::take(&mut self.writing);
            let handout = self.transact(batch);
            self.early = Some((before, handout.outcomes.clone()));
            self.told.push_back(handout);
        }
        let slow = if self.rng.u8(..) < 8 { 40_000 } else { 3_000 };
        Some(Duration::from_micros(self.rng.u64(100..slow)))
    }

    fn transact(&mut self, batch: Vec<Queued>) -> Handout {
        let mut handout = Handout::default();
        let mut failed: BTreeSet<ConversationId> = BTreeSet::new();
        for Queued {
            ticket,
            write,
            after_failed,
        } in batch
        {
            let id = conversation(&write);
            let guarded = self.sabotage != Sabotage::Overtake;
            let after_failed =
                guarded && (after_failed || id.is_some_and(|id| failed.contains(&id)));
            let fault = if after_failed {
                Some(Fault::AfterFailed)
            } else if self.is_full && self.rng.u8(..) < 200 {
                Some(Fault::Full("simulated".to_owned()))
            } else {
                None
            };
            match fault {
                Some(fault) => {
                    if let Some(id) = id
                        && failed.insert(id)
                    {
                        handout.failed.push(id);
                    }
                    handout.outcomes.push(Committed::Failed { ticket, fault });
                }
                None => {
                    self.store.submit(&mut vec![(ticket, write)]);
                    handout.outcomes.extend(block_on(self.store.next()));
                }
            }
        }
        handout
    }

    fn note(&mut self, committed: &[Committed]) {
        for committed in committed {
            if let Err(fault) = self.truth.commit(committed) {
                self.faults.push(fault);
            }
        }
    }
}

const fn conversation(write: &Write) -> Option<ConversationId> {
    match write {
        Write::Append(append) => Some(append.conversation),
        Write::Change(_) => None,
    }
}

const MARK: Ticket = Ticket(u64::MAX);
