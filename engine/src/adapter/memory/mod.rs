//! A store in memory: for tests, and for servers that are thrown away.

mod directory;
mod log;
mod named;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::directory::Register;
use self::log::Logs;
use super::outcomes::Outcomes;
use super::{guard, history, rules, today};
use crate::id::{AccountId, BlobId, ConversationId, Epoch, SendId, Seq, Ticket};
use crate::limits;
use crate::model::{Entry, HistoryFrom, HistoryItem, Span};
use crate::port::{
    Append, BlobPlace, BoxFuture, Committed, Directory, DirectoryChange, Fault, Log, LogItem,
    LogPage, Random, SearchPage, Snapshot, Tail, Write,
};

/// A store that is gone with its last handle.
///
/// It does everything at once, inside [`submit`](Log::submit). Of the logs it keeps the last
/// [`limits::MEMORY_ENTRIES`] entries and [`limits::MEMORY_BYTES`] bytes, all conversations together,
/// and tells what it cut like any retention. Rooms have the epoch with which they were added, so a new
/// start has new ones.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    outcomes: Outcomes,
}

#[derive(Clone, Debug, Default)]
struct State {
    register: Register,
    logs: Logs,
    run: u64,
    is_closed: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of everything, as of now.
    #[must_use]
    pub fn copied(&self) -> Self {
        let state = guard(&self.state).clone();
        Self {
            state: Mutex::new(State {
                is_closed: false,
                ..state
            }),
            outcomes: Outcomes::default(),
        }
    }

    /// Gives every conversation a new epoch, as a copy needs that is put in place of what went on
    /// after it.
    pub fn renew(&self, random: &mut dyn Random) {
        let mut state = guard(&self.state);
        state.run = random.number();
        for room in state.register.rooms.values_mut() {
            room.epoch = Epoch(random.number());
        }
    }

    #[cfg(test)]
    pub(super) fn with_room_for(entries: usize) -> Self {
        let store = Self::default();
        guard(&store.state).logs.limit(entries);
        store
    }
}

impl State {
    fn write(&mut self, ticket: Ticket, write: Write) -> Committed {
        let result = match write {
            Write::Append(append) => self.append(ticket, append),
            Write::Change(changes) => self.change(&changes, None).map(|()| Committed::Changed {
                ticket: Some(ticket),
                changes,
            }),
        };
        result.unwrap_or_else(|fault| Committed::Failed { ticket, fault })
    }

    fn append(&mut self, ticket: Ticket, append: Append) -> Result<Committed, Fault> {
        if let Some((conversation, seq)) = self.logs.lookup(append.from, append.id) {
            return Ok(Committed::Duplicate {
                ticket,
                conversation,
                seq,
            });
        }
        // Every check that can fail comes before the changes, but for those of the changes
        // themselves. The conversation may be one that they make.
        let adds = append.changes.iter().any(|change| {
            matches!(change, DirectoryChange::AddRoom(room)
                if room.id == append.conversation)
        });
        let known = self.register.rooms.get(&append.conversation);
        let head = match known {
            Some(room) => room.head,
            None if adds => Seq::ZERO,
            None => return Err(Fault::NoConversation),
        };
        if append.expect.is_some_and(|expected| expected != head) {
            return Err(Fault::Conflict { head });
        }
        let target = rules::target_to_find(&append, head)?;
        if let Some(target) = target {
            rules::judge_target(&append, self.logs.target(append.conversation, target))?;
        }
        self.change(&append.changes, Some(append.conversation))?;
        let Some(room) = self.register.rooms.get_mut(&append.conversation) else {
            return Err(Fault::NoConversation);
        };
        let (entry, changes) = append.place(room.head);
        room.head = entry.seq;
        room.counted += u64::from(entry.body.kind.counts_unread());
        let counted = room.counted;
        let entry = Arc::new(entry);
        self.logs.push(entry.clone(), counted);
        Ok(Committed::Entry {
            ticket: Some(ticket),
            entry,
            counted,
            changes,
        })
    }

    fn change(
        &mut self,
        changes: &[DirectoryChange],
        entry_in: Option<ConversationId>,
    ) -> Result<(), Fault> {
        self.register.apply(changes, entry_in)?;
        for change in changes {
            if let DirectoryChange::Distrust(content) = change {
                self.logs.named.distrust(*content);
            }
        }
        Ok(())
    }

    /// Notes what was cut, and tells each conversation once.
    fn told(&mut self, cut: impl IntoIterator<Item = (ConversationId, Seq)>) -> Vec<Committed> {
        let mut firsts = BTreeMap::new();
        for (conversation, first) in cut {
            firsts.insert(conversation, first);
        }
        let mut told = Vec::with_capacity(firsts.len());
        for (conversation, first) in firsts {
            self.register.trim(conversation, first);
            told.push(Committed::Trimmed {
                conversation,
                first,
            });
        }
        told
    }

    fn search(
        &self,
        places: Vec<(ConversationId, Vec<Span>)>,
        text: &str,
        before: Option<u64>,
        limit: usize,
        bytes: usize,
    ) -> SearchPage {
        let mut words = rules::query_words(text);
        words.truncate(limits::SEARCH_WORDS);
        let mut page = SearchPage::default();
        if words.is_empty() || limit == 0 {
            return page;
        }
        let mut seen = HashSet::new();
        let mut hits: Vec<(u64, Entry)> = Vec::new();
        for (conversation, spans) in places {
            if seen.insert(conversation) {
                self.logs
                    .find(conversation, &spans, &words, before, &mut hits);
            }
        }
        hits.sort_unstable_by_key(|(position, _)| std::cmp::Reverse(*position));
        let mut used = 0;
        let mut last = None;
        for (position, entry) in hits {
            used += entry.cost();
            if page.entries.len() == limit || used > bytes as u64 && !page.entries.is_empty() {
                page.next = last;
                break;
            }
            last = Some(position);
            page.entries.push(entry);
        }
        page
    }
}

impl Log for MemoryStore {
    fn submit(&self, writes: &mut Vec<(Ticket, Write)>) {
        let mut state = guard(&self.state);
        let mut outcomes = Vec::with_capacity(writes.len());
        for (ticket, write) in writes.drain(..) {
            outcomes.push(if state.is_closed {
                let fault = Fault::Io("the store is closed".to_owned());
                Committed::Failed { ticket, fault }
            } else {
                state.write(ticket, write)
            });
            outcomes.extend(state.logs.named.take_freed());
        }
        if state.logs.is_full() {
            let cut = state.logs.make_room();
            outcomes.extend(state.told(cut));
            outcomes.extend(state.logs.named.take_freed());
        }
        // Still under the lock: the tail has the order of the commits.
        self.outcomes.push(outcomes.into());
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn read(
        &self,
        conversation: ConversationId,
        after: Seq,
        entries: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Entry>>, Fault>> {
        Box::pin(async move {
            let state = guard(&self.state);
            state.register.room(conversation)?;
            Ok(state.logs.read(conversation, after, entries, bytes))
        })
    }

    fn history(
        &self,
        conversation: ConversationId,
        spans: Vec<Span>,
        from: HistoryFrom,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<(Vec<HistoryItem>, bool), Fault>> {
        Box::pin(async move {
            let state = guard(&self.state);
            let room = state.register.room(conversation)?;
            let source = state.logs.source(room);
            match history::page(&source, &spans, from, limit, bytes) {
                Ok(page) => Ok(page),
                Err(never) => match never {},
            }
        })
    }

    fn lookup(
        &self,
        account: AccountId,
        id: SendId,
    ) -> BoxFuture<'_, Result<Option<(ConversationId, Seq)>, Fault>> {
        Box::pin(async move { Ok(guard(&self.state).logs.lookup(account, id)) })
    }

    fn counted(&self, conversation: ConversationId, seq: Seq) -> BoxFuture<'_, Result<u64, Fault>> {
        Box::pin(async move {
            let state = guard(&self.state);
            let room = state.register.room(conversation)?;
            Ok(state
                .logs
                .counted(conversation, seq)
                .unwrap_or(room.counted))
        })
    }

    fn search(
        &self,
        places: Vec<(ConversationId, Vec<Span>)>,
        text: String,
        before: Option<u64>,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<SearchPage, Fault>> {
        Box::pin(async move { Ok(guard(&self.state).search(places, &text, before, limit, bytes)) })
    }

    fn since(
        &self,
        after: u64,
        entries: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<LogPage, Fault>> {
        Box::pin(async move {
            let state = guard(&self.state);
            let read = state.logs.since(after, entries, bytes);
            let end = state.logs.end();
            let items: Vec<LogItem> = read
                .into_iter()
                .map(|(pos, entry)| {
                    let room = state.register.rooms.get(&entry.conversation);
                    let room = room.and_then(|room| room.name.clone());
                    LogItem { pos, entry, room }
                })
                .collect();
            let next = items.last().map_or_else(|| after.min(end), |item| item.pos);
            let run = state.run;
            Ok(LogPage {
                items,
                next,
                end,
                run,
            })
        })
    }

    fn blob(&self, blob: BlobId) -> BoxFuture<'_, Result<Option<BlobPlace>, Fault>> {
        Box::pin(async move {
            let state = guard(&self.state);
            let place = state.logs.named.get(blob).and_then(|naming| {
                let entry = state.logs.entry(naming.conversation, naming.seq)?;
                let content = naming.content;
                Some(BlobPlace { entry, content })
            });
            Ok(place)
        })
    }

    fn contents(&self) -> BoxFuture<'_, Result<Vec<BlobId>, Fault>> {
        Box::pin(async move { Ok(guard(&self.state).logs.named.contents()) })
    }

    fn trim(&self, age: Option<Duration>, count: Option<u64>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let now = today();
            let mut state = guard(&self.state);
            let heads: HashMap<ConversationId, Seq> = state
                .register
                .rooms
                .values()
                .map(|room| (room.id, room.head))
                .collect();
            let cut = state.logs.trim(&heads, age.map(|age| now - age), count);
            state
                .logs
                .forget_ids(SendId::new(now - limits::SEND_ID_MEMORY, [0; 10]));
            let mut told = state.told(cut);
            told.extend(state.logs.named.take_freed());
            self.outcomes.push(told.into());
            Ok(())
        })
    }

    fn backup(&self, _to: PathBuf) -> BoxFuture<'_, Result<(), Fault>> {
        let text = "this server keeps everything in memory; start it with a data directory to have \
                    something to back up";
        Box::pin(async move { Err(Fault::Io(text.to_owned())) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            guard(&self.state).is_closed = true;
            self.outcomes.close();
        })
    }
}

impl Directory for MemoryStore {
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, Fault>> {
        Box::pin(async move {
            let state = guard(&self.state);
            Ok(Snapshot {
                stored: state.logs.named.stored(),
                ..state.register.snapshot()
            })
        })
    }
}

impl Tail for MemoryStore {
    fn next(&self) -> BoxFuture<'_, Vec<Committed>> {
        Box::pin(async move { self.outcomes.take().await.outcomes })
    }
}
