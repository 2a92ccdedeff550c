//! What is really on the server's disk: the record against which everything else is judged.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chat_engine::port::{Committed, DirectoryChange, SpanUpdate};
use chat_engine::{AccountId, ConversationId, Entry, Epoch, History, SendId, Seq, Span};

/// All logs since the beginning, those of runs that a restored backup ended included.
#[derive(Debug, Default)]
pub(super) struct Truth {
    logs: BTreeMap<(ConversationId, Epoch), RunOfLog>,
    /// The run of each conversation that exists now.
    current: BTreeMap<ConversationId, Epoch>,
    places: HashMap<SendId, Vec<(ConversationId, Epoch, Seq)>>,
    /// Entries that a restored backup took back.
    exempt: HashSet<SendId>,
}

/// One run of a log: from 1, without a hole.
#[derive(Clone, Debug)]
pub(super) struct RunOfLog {
    pub(super) history: History,
    pub(super) entries: Vec<Arc<Entry>>,
    /// Retention cut everything before this.
    pub(super) first: Seq,
    /// Who was in, from where to where.
    pub(super) spans: BTreeMap<AccountId, Vec<Span>>,
}

/// How far everything was, when a backup was made.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    runs: BTreeMap<ConversationId, RunOfLog>,
}

impl RunOfLog {
    pub(super) fn head(&self) -> Seq {
        Seq(self.entries.len() as u64)
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Arc<Entry>> {
        self.entries
            .get(usize::try_from(seq.0.checked_sub(1)?).ok()?)
    }

    /// The last place that an account may see; `None` if it never was in.
    pub(super) fn end(&self, account: AccountId) -> Option<Seq> {
        Some(self.spans.get(&account)?.last()?.to)
    }

    /// Whether an account may see an entry.
    pub(super) fn shows(&self, account: AccountId, seq: Seq) -> bool {
        let spans = self.spans.get(&account).map_or(&[][..], Vec::as_slice);
        match self.history {
            History::All => spans.last().is_some_and(|span| seq <= span.to),
            History::SinceJoin => spans.iter().any(|span| span.from <= seq && seq <= span.to),
        }
    }
}

impl Truth {
    /// Takes what a transaction made durable. Answers what is wrong with it, if anything is.
    pub(super) fn commit(&mut self, committed: &Committed) -> Result<(), String> {
        match committed {
            Committed::Entry { entry, changes, .. } => {
                self.apply(changes);
                self.append(entry, changes)
            }
            Committed::Changed { changes, .. } => {
                self.apply(changes);
                Ok(())
            }
            Committed::Trimmed {
                conversation,
                first,
            } => {
                if let Some(run) = self.run_mut(*conversation) {
                    run.first = run.first.max(*first);
                }
                Ok(())
            }
            // Nobody sends files here.
            Committed::Duplicate { .. } | Committed::Failed { .. } | Committed::Freed { .. } => {
                Ok(())
            }
        }
    }

    /// Everything as it is, for a backup.
    pub(super) fn mark(&self) -> Mark {
        let current = self.current.iter();
        let runs = current.filter_map(|(id, epoch)| {
            let run = self.logs.get(&(*id, *epoch))?;
            Some((*id, run.clone()))
        });
        Mark {
            runs: runs.collect(),
        }
    }

    /// A backup was put back, and its conversations have these epochs now.
    pub(super) fn restore(&mut self, mark: Mark, epochs: &BTreeMap<ConversationId, Epoch>) {
        for (id, epoch) in std::mem::take(&mut self.current) {
            let kept = mark.runs.get(&id).map_or(0, |run| run.entries.len());
            if let Some(run) = self.logs.get(&(id, epoch)) {
                let lost = run.entries.iter().skip(kept);
                self.exempt.extend(lost.map(|entry| entry.id));
            }
        }
        for (id, run) in mark.runs {
            let Some(epoch) = epochs.get(&id).copied() else {
                continue;
            };
            for entry in &run.entries {
                let places = self.places.entry(entry.id).or_default();
                places.push((id, epoch, entry.seq));
            }
            self.logs.insert((id, epoch), run);
            self.current.insert(id, epoch);
        }
    }

    pub(super) fn run(&self, conversation: ConversationId, epoch: Epoch) -> Option<&RunOfLog> {
        self.logs.get(&(conversation, epoch))
    }

    /// The conversations that exist now.
    pub(super) fn current(&self) -> impl Iterator<Item = (ConversationId, Epoch, &RunOfLog)> {
        self.current.iter().filter_map(|(id, epoch)| {
            let run = self.logs.get(&(*id, *epoch))?;
            Some((*id, *epoch, run))
        })
    }

    /// Where a send stands, in all runs.
    pub(super) fn places(&self, id: SendId) -> &[(ConversationId, Epoch, Seq)] {
        self.places.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether a restored backup took that entry back at some time.
    pub(super) fn is_exempt(&self, id: SendId) -> bool {
        self.exempt.contains(&id)
    }

    fn apply(&mut self, changes: &[DirectoryChange]) {
        for change in changes {
            // Two first entries of a direct conversation may cross.
            if let DirectoryChange::AddRoom(room) = change
                && !self.current.contains_key(&room.id)
            {
                self.current.insert(room.id, room.epoch);
                let run = RunOfLog {
                    history: room.history,
                    entries: Vec::new(),
                    first: Seq(1),
                    spans: BTreeMap::new(),
                };
                self.logs.insert((room.id, room.epoch), run);
            }
        }
    }

    fn append(&mut self, entry: &Arc<Entry>, changes: &[DirectoryChange]) -> Result<(), String> {
        let id = entry.conversation;
        let Some(epoch) = self.current.get(&id).copied() else {
            return Err(format!("an entry in {id}, which does not exist"));
        };
        let Some(run) = self.logs.get_mut(&(id, epoch)) else {
            return Err(format!("an entry in {id} {epoch}, which does not exist"));
        };
        if entry.seq != run.head().next() || entry.prev != run.head() {
            let head = run.head();
            return Err(format!("entry {} in {id} after the head {head}", entry.seq));
        }
        run.entries.push(Arc::clone(entry));
        for change in changes {
            let DirectoryChange::SetMember(update) = change else {
                continue;
            };
            let spans = run.spans.entry(update.account).or_default();
            let open = spans.last_mut().filter(|span| span.to == Seq::MAX);
            match (update.span, open) {
                (SpanUpdate::Open, None) => spans.push(Span {
                    from: entry.seq,
                    to: Seq::MAX,
                }),
                (SpanUpdate::Close, Some(open)) => open.to = entry.seq,
                _ => {}
            }
        }
        let places = self.places.entry(entry.id).or_default();
        if let Some((_, _, seq)) = places.iter().find(|(_, held, _)| *held == epoch) {
            return Err(format!("{} stands at {seq} and {}", entry.id, entry.seq));
        }
        places.push((id, epoch, entry.seq));
        Ok(())
    }

    fn run_mut(&mut self, conversation: ConversationId) -> Option<&mut RunOfLog> {
        let epoch = self.current.get(&conversation)?;
        self.logs.get_mut(&(conversation, *epoch))
    }
}
