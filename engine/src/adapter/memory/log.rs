//! Logs in memory.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use super::named::Named;
use crate::adapter::fold::{self, Reacted};
use crate::adapter::history::{Source, Way};
use crate::adapter::rules::{self, TargetEntry, lies_in};
use crate::id::{AccountId, ConversationId, IdMap, SendId, Seq};
use crate::limits;
use crate::model::{Entry, HistoryItem, Kind, Room, Span, UnixTime};

/// All logs, and the order in which their entries came.
#[derive(Clone, Debug)]
pub(super) struct Logs {
    logs: IdMap<ConversationId, OneLog>,
    /// One element per entry, oldest first. The oldest of all is the first of its conversation, so
    /// cutting in this order cuts beginnings.
    order: VecDeque<(ConversationId, Seq)>,
    /// Where accepted send ids stand, trimmed entries included.
    ids: HashMap<(SendId, AccountId), (ConversationId, Seq)>,
    id_order: VecDeque<(SendId, AccountId)>,
    position: u64,
    entries: usize,
    bytes: u64,
    limit: usize,
    pub(super) named: Named,
}

#[derive(Clone, Debug, Default)]
struct OneLog {
    /// Without gaps: an entry's index is its seq less the first one's.
    entries: VecDeque<Kept>,
    /// Edits and reactions by target, oldest first.
    followers: IdMap<Seq, Vec<Seq>>,
}

#[derive(Clone, Debug)]
struct Kept {
    entry: Arc<Entry>,
    counted: u64,
    position: u64,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            logs: IdMap::default(),
            order: VecDeque::new(),
            ids: HashMap::new(),
            id_order: VecDeque::new(),
            position: 0,
            entries: 0,
            bytes: 0,
            limit: limits::MEMORY_ENTRIES,
            named: Named::default(),
        }
    }
}

impl OneLog {
    fn index(&self, seq: Seq) -> Option<usize> {
        let first = self.entries.front()?.entry.seq;
        usize::try_from(seq.0.checked_sub(first.0)?).ok()
    }

    fn get(&self, seq: Seq) -> Option<&Kept> {
        self.entries.get(self.index(seq)?)
    }

    fn get_mut(&mut self, seq: Seq) -> Option<&mut Kept> {
        let index = self.index(seq)?;
        self.entries.get_mut(index)
    }

    /// The entries from a place on.
    fn from(&self, seq: Seq) -> impl DoubleEndedIterator<Item = &Kept> {
        let start = self.index(seq).unwrap_or(0).min(self.entries.len());
        self.entries.range(start..)
    }

    fn followers(&self, target: Seq, kind: Kind) -> impl DoubleEndedIterator<Item = &Kept> {
        let followers = self.followers.get(&target).into_iter().flatten();
        followers
            .filter_map(|seq| self.get(*seq))
            .filter(move |kept| kept.entry.body.kind == kind)
    }

    fn last_edit(&self, target: Seq, spans: &[Span]) -> Option<&Kept> {
        self.followers(target, Kind::EDIT)
            .rev()
            .find(|kept| lies_in(spans, kept.entry.seq))
    }

    /// Takes away what an entry and its edits said.
    fn blank(&mut self, target: Seq, named: &mut Named) -> u64 {
        let edits = self.followers(target, Kind::EDIT);
        let mut places: Vec<Seq> = edits.map(|kept| kept.entry.seq).collect();
        places.push(target);
        let mut freed = 0;
        for seq in places {
            if let Some(kept) = self.get_mut(seq) {
                freed += kept.entry.cost();
                named.end(kept.entry.body.blob);
                Arc::make_mut(&mut kept.entry).body.blank();
                freed = freed.saturating_sub(kept.entry.cost());
            }
        }
        freed
    }
}

impl Logs {
    #[cfg(test)]
    pub(super) fn limit(&mut self, entries: usize) {
        self.limit = entries;
    }

    /// Puts an entry at the end of its log, and does what it does to its target.
    pub(super) fn push(&mut self, entry: Arc<Entry>, counted: u64) {
        let (conversation, seq) = (entry.conversation, entry.seq);
        self.position += 1;
        self.entries += 1;
        self.bytes += entry.cost();
        self.order.push_back((conversation, seq));
        self.ids.insert((entry.id, entry.from), (conversation, seq));
        self.id_order.push_back((entry.id, entry.from));
        if self.id_order.len() > limits::MEMORY_IDS
            && let Some(id) = self.id_order.pop_front()
        {
            self.ids.remove(&id);
        }
        self.named.add(&entry);
        let log = self.logs.entry(conversation).or_default();
        match (entry.body.kind, entry.body.target) {
            (Kind::EDIT | Kind::REACTION, Some(target)) => {
                log.followers.entry(target).or_default().push(seq);
            }
            (Kind::REDACTION, Some(target)) => {
                self.bytes = self
                    .bytes
                    .saturating_sub(log.blank(target, &mut self.named));
            }
            _ => {}
        }
        log.entries.push_back(Kept {
            entry,
            counted,
            position: self.position,
        });
    }

    /// Whether more is kept than should be.
    pub(super) fn is_full(&self) -> bool {
        self.entries > self.limit || self.bytes > limits::MEMORY_BYTES
    }

    /// Cuts the oldest entries, some more than needed so that it is seldom done.
    pub(super) fn make_room(&mut self) -> Vec<(ConversationId, Seq)> {
        let entries = self.limit - self.limit / 16;
        let bytes = limits::MEMORY_BYTES - limits::MEMORY_BYTES / 16;
        let mut cut = Vec::new();
        while (self.entries > entries || self.bytes > bytes)
            && let Some((conversation, seq)) = self.order.pop_front()
        {
            // Retention may have been quicker.
            if self.cut_first(conversation, seq) {
                cut.push((conversation, seq.next()));
            }
        }
        cut
    }

    /// Cuts what is too old or too much.
    pub(super) fn trim(
        &mut self,
        heads: &HashMap<ConversationId, Seq>,
        before: Option<UnixTime>,
        count: Option<u64>,
    ) -> Vec<(ConversationId, Seq)> {
        let mut cut = Vec::new();
        for (conversation, head) in heads {
            let keep = count.map_or(Seq::ZERO, |count| Seq((head.0 + 1).saturating_sub(count)));
            while let Some(first) = self
                .logs
                .get(conversation)
                .and_then(|log| log.entries.front())
            {
                let is_old = before.is_some_and(|before| first.entry.time < before);
                let seq = first.entry.seq;
                if seq >= keep && !is_old || !self.cut_first(*conversation, seq) {
                    break;
                }
                cut.push((*conversation, seq.next()));
            }
        }
        // Otherwise a server whose retention is stricter than its memory would collect them.
        let logs = &self.logs;
        self.order.retain(|(conversation, seq)| {
            let log = logs.get(conversation);
            log.is_some_and(|log| log.get(*seq).is_some())
        });
        cut
    }

    /// Forgets send ids that nobody may use any more, as far as they came in order.
    pub(super) fn forget_ids(&mut self, oldest: SendId) {
        while let Some(id) = self.id_order.front().copied()
            && id.0 < oldest
        {
            self.id_order.pop_front();
            self.ids.remove(&id);
        }
    }

    pub(super) fn lookup(&self, account: AccountId, id: SendId) -> Option<(ConversationId, Seq)> {
        self.ids.get(&(id, account)).copied()
    }

    /// One entry.
    pub(super) fn entry(&self, conversation: ConversationId, seq: Seq) -> Option<Entry> {
        let kept = self.logs.get(&conversation)?.get(seq)?;
        Some(Entry::clone(&kept.entry))
    }

    pub(super) fn target(&self, conversation: ConversationId, seq: Seq) -> Option<TargetEntry> {
        let kept = self.logs.get(&conversation)?.get(seq)?;
        Some(TargetEntry {
            kind: kept.entry.body.kind,
            from: kept.entry.from,
            deleted: kept.entry.body.is_deleted(),
        })
    }

    pub(super) fn read(
        &self,
        conversation: ConversationId,
        after: Seq,
        entries: usize,
        bytes: usize,
    ) -> Vec<Arc<Entry>> {
        let Some(log) = self.logs.get(&conversation) else {
            return Vec::new();
        };
        let mut used = 0;
        let mut read: Vec<Arc<Entry>> = Vec::new();
        for kept in log.from(Seq(after.0.saturating_add(1))).take(entries) {
            used += kept.entry.cost();
            if used > bytes as u64 && !read.is_empty() {
                break;
            }
            read.push(kept.entry.clone());
        }
        read
    }

    /// The position that was given out last.
    pub(super) const fn end(&self) -> u64 {
        self.position
    }

    /// What came after a position, all conversations together.
    pub(super) fn since(&self, after: u64, entries: usize, bytes: usize) -> Vec<(u64, Arc<Entry>)> {
        let kept = |(conversation, seq): &(ConversationId, Seq)| {
            let log = self.logs.get(conversation)?;
            log.get(*seq)
        };
        // What was cut has no position any more; it is the oldest.
        let start = self
            .order
            .partition_point(|place| kept(place).is_none_or(|kept| kept.position <= after));
        let mut used = 0;
        let mut read = Vec::new();
        for kept in self.order.range(start..).filter_map(kept).take(entries) {
            used += kept.entry.cost();
            if used > bytes as u64 && !read.is_empty() {
                break;
            }
            read.push((kept.position, kept.entry.clone()));
        }
        read
    }

    /// The unread counter as of a place; `None` when no entry is left to tell.
    pub(super) fn counted(&self, conversation: ConversationId, seq: Seq) -> Option<u64> {
        let log = self.logs.get(&conversation)?;
        let first = log.entries.front()?;
        if seq < first.entry.seq {
            let itself = u64::from(first.entry.body.kind.counts_unread());
            return Some(first.counted - itself);
        }
        let at = log.get(seq).or_else(|| log.entries.back());
        at.map(|kept| kept.counted)
    }

    /// Adds the entries of one conversation that hold all the words, in any order.
    pub(super) fn find(
        &self,
        conversation: ConversationId,
        spans: &[Span],
        words: &[String],
        before: Option<u64>,
        hits: &mut Vec<(u64, Entry)>,
    ) {
        let Some(log) = self.logs.get(&conversation) else {
            return;
        };
        let older = |kept: &&Kept| before.is_none_or(|before| kept.position < before);
        for kept in log.entries.iter().filter(older) {
            let entry = &kept.entry;
            if !lies_in(spans, entry.seq)
                || !rules::searchable(&entry.body).is_some_and(|text| holds(&text, words))
            {
                continue;
            }
            if entry.body.kind != Kind::EDIT {
                if log.last_edit(entry.seq, spans).is_none() {
                    hits.push((kept.position, Entry::clone(entry)));
                }
                continue;
            }
            let target = entry.body.target.filter(|target| lies_in(spans, *target));
            let Some(base) = target.and_then(|target| log.get(target)) else {
                continue;
            };
            let last = log.last_edit(base.entry.seq, spans);
            if last.is_some_and(|last| last.entry.seq == entry.seq) {
                let mut shown = Entry::clone(&base.entry);
                shown.body.data.clone_from(&entry.body.data);
                hits.push((kept.position, shown));
            }
        }
    }

    pub(super) fn source<'a>(&'a self, room: &'a Room) -> impl Source<Error = Infallible> + 'a {
        Pages {
            log: self.logs.get(&room.id),
            room,
        }
    }

    /// Cuts the first entry of a conversation, if it is this one.
    fn cut_first(&mut self, conversation: ConversationId, seq: Seq) -> bool {
        let Some(log) = self.logs.get_mut(&conversation) else {
            return false;
        };
        if log.entries.front().is_none_or(|kept| kept.entry.seq != seq) {
            return false;
        }
        if let Some(kept) = log.entries.pop_front() {
            self.entries -= 1;
            self.bytes = self.bytes.saturating_sub(kept.entry.cost());
            self.named.end(kept.entry.body.blob);
            log.followers.remove(&seq);
        }
        true
    }
}

/// Whether a text has all the words; of the last one a beginning will do.
fn holds(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    let parts = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let there = parts(&text);
    let wanted: Vec<String> = words.iter().flat_map(|word| parts(word)).collect();
    let Some((last, others)) = wanted.split_last() else {
        return false;
    };
    others.iter().all(|word| there.contains(word))
        && there.iter().any(|part| part.starts_with(last.as_str()))
}

/// A log to page through.
struct Pages<'a> {
    log: Option<&'a OneLog>,
    room: &'a Room,
}

impl Source for Pages<'_> {
    type Error = Infallible;

    fn bounds(&self) -> (Seq, Seq) {
        (self.room.first, self.room.head)
    }

    fn base(&self, part: Span, way: Way, limit: usize) -> Result<Vec<Entry>, Infallible> {
        let Some(log) = self.log else {
            return Ok(Vec::new());
        };
        let length = usize::try_from(part.to.0 - part.from.0 + 1).unwrap_or(usize::MAX);
        let base = log
            .from(part.from)
            .take(length)
            .filter(|kept| kept.entry.body.kind.is_base())
            .map(|kept| &kept.entry);
        let clone = |entry: &Arc<Entry>| Entry::clone(entry);
        Ok(match way {
            Way::Newer => base.take(limit).map(clone).collect(),
            Way::Older => {
                let all: Vec<&Arc<Entry>> = base.collect();
                all.into_iter().rev().take(limit).map(clone).collect()
            }
        })
    }

    fn fold(&self, entry: Entry, spans: &[Span]) -> Result<HistoryItem, Infallible> {
        let Some(log) = self.log else {
            return Ok(fold::fold(entry, None, None));
        };
        let edit = log
            .last_edit(entry.seq, spans)
            .map(|kept| kept.entry.body.data.clone());
        let reactions: Vec<Reacted> = log
            .followers(entry.seq, Kind::REACTION)
            .rev()
            .take(limits::REACTIONS_READ)
            .filter(|kept| lies_in(spans, kept.entry.seq))
            .map(|kept| Reacted {
                from: kept.entry.from,
                name: kept.entry.from_name.clone(),
                emoji: String::from_utf8_lossy(&kept.entry.body.data).into_owned(),
            })
            .collect();
        Ok(fold::fold(entry, edit, reactions))
    }
}
