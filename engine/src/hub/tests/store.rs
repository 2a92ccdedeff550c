//! A store in memory that obeys the rules of [`crate::port::Log`], and fails when it is told to.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::hub::{Load, Loaded};
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, SendId, Seq, Ticket};
use crate::model::{
    Account, Content, Cursor, Device, Entry, HistoryItem, Invite, Kind, Member, PendingUpload,
    Room, Span, Standing,
};
use crate::port::{
    Append, BlobPlace, Committed, DirectoryChange, Fault, SearchPage, Snapshot, SpanUpdate, Write,
};

#[derive(Default)]
pub(super) struct Store {
    logs: HashMap<ConversationId, Vec<Arc<Entry>>>,
    sends: HashMap<(AccountId, SendId), (ConversationId, Seq)>,
    rooms: HashMap<ConversationId, Room>,
    members: HashMap<(ConversationId, AccountId), Member>,
    cursors: HashMap<(ConversationId, AccountId), Cursor>,
    mentions: Vec<(ConversationId, AccountId, Seq)>,
    accounts: HashMap<AccountId, Account>,
    devices: HashMap<DeviceId, Device>,
    invites: HashMap<[u8; 32], Invite>,
    pub(super) uploads: BTreeMap<BlobId, PendingUpload>,
    /// The next appends or changes fail like this.
    pub(super) faults: VecDeque<Fault>,
    /// The next reads fail.
    pub(super) bad_reads: usize,
    /// Contents that were found to be damaged.
    pub(super) distrusted: Vec<BlobId>,
    /// How many cursors were written.
    pub(super) cursor_writes: usize,
}

impl Store {
    /// Commits a batch in order.
    pub(super) fn commit(&mut self, batch: Vec<(Ticket, Write)>) -> Vec<Committed> {
        let mut failed = HashSet::new();
        let mut done = Vec::new();
        for (ticket, write) in batch {
            done.push(match write {
                Write::Append(append) => {
                    let conversation = append.conversation;
                    let result = if failed.contains(&conversation) {
                        Err(Fault::AfterFailed)
                    } else {
                        self.append(append, ticket)
                    };
                    result.unwrap_or_else(|fault| {
                        failed.insert(conversation);
                        Committed::Failed { ticket, fault }
                    })
                }
                Write::Change(changes) => match self.change(&changes) {
                    Ok(()) => Committed::Changed {
                        ticket: Some(ticket),
                        changes,
                    },
                    Err(fault) => Committed::Failed { ticket, fault },
                },
            });
        }
        done
    }

    fn append(&mut self, append: Append, ticket: Ticket) -> Result<Committed, Fault> {
        if let Some(fault) = self.faults.pop_front() {
            return Err(fault);
        }
        if let Some((conversation, seq)) = self.sends.get(&(append.from, append.id)) {
            let (conversation, seq) = (*conversation, *seq);
            return Ok(Committed::Duplicate {
                ticket,
                conversation,
                seq,
            });
        }
        let log = self.logs.entry(append.conversation).or_default();
        if let Some(target) = append.body.target {
            let held = log.iter_mut().find(|entry| entry.seq == target);
            let held = held.filter(|held| held.body.kind.is_base() && !held.body.is_deleted());
            let held = held.ok_or(Fault::NoTarget)?;
            if append.target_by.is_some_and(|by| by != held.from) {
                return Err(Fault::NotAuthor);
            }
            if append.body.kind == Kind::REDACTION {
                Arc::make_mut(held).body.blank();
            }
        }
        self.check(&append.changes)?;
        for change in &append.changes {
            if let DirectoryChange::AddRoom(_) = change {
                self.apply(change, Seq::ZERO);
            }
        }
        let room = self
            .rooms
            .get_mut(&append.conversation)
            .ok_or(Fault::NoConversation)?;
        let (prev, seq) = (room.head, room.head.next());
        room.head = seq;
        room.counted += u64::from(append.body.kind.counts_unread());
        let counted = room.counted;
        for change in &append.changes {
            self.apply(change, seq);
        }
        let entry = Arc::new(Entry {
            conversation: append.conversation,
            seq,
            prev,
            id: append.id,
            from: append.from,
            from_name: append.from_name,
            time: append.time,
            body: append.body,
        });
        self.sends
            .insert((append.from, append.id), (append.conversation, seq));
        self.logs
            .entry(append.conversation)
            .or_default()
            .push(Arc::clone(&entry));
        Ok(Committed::Entry {
            ticket: Some(ticket),
            entry,
            counted,
            changes: append.changes,
        })
    }

    fn change(&mut self, changes: &[DirectoryChange]) -> Result<(), Fault> {
        if let Some(fault) = self.faults.pop_front() {
            return Err(fault);
        }
        self.check(changes)?;
        for change in changes {
            self.apply(change, Seq::ZERO);
        }
        Ok(())
    }

    fn check(&self, changes: &[DirectoryChange]) -> Result<(), Fault> {
        let taken = changes.iter().any(|change| match change {
            DirectoryChange::AddAccount(account) => {
                self.accounts.values().any(|held| held.name == account.name)
            }
            DirectoryChange::AddDevice(device) => {
                self.devices.values().any(|held| held.key == device.key)
            }
            DirectoryChange::AddRoom(room) => {
                room.name.is_some() && self.rooms.values().any(|held| held.name == room.name)
            }
            DirectoryChange::UseInvite(hash, date) => self
                .invites
                .get(hash)
                .is_none_or(|held| held.uses == 0 || held.expires <= *date),
            _ => false,
        });
        if taken { Err(Fault::Taken) } else { Ok(()) }
    }

    fn apply(&mut self, change: &DirectoryChange, seq: Seq) {
        match change.clone() {
            DirectoryChange::AddAccount(account) => {
                self.accounts.insert(account.id, account);
            }
            DirectoryChange::SetVerifier(id, verifier) => {
                if let Some(account) = self.accounts.get_mut(&id) {
                    account.verifier = verifier;
                }
            }
            DirectoryChange::SetRights(id, rights) => {
                if let Some(account) = self.accounts.get_mut(&id) {
                    account.rights = rights;
                }
            }
            DirectoryChange::RemoveAccount(id) => {
                self.accounts.remove(&id);
                self.devices.retain(|_, device| device.account != id);
                self.members.retain(|(_, account), _| *account != id);
            }
            DirectoryChange::AddDevice(device) => {
                self.devices.insert(device.id, device);
            }
            DirectoryChange::SeeDevice(id, seen) => {
                if let Some(device) = self.devices.get_mut(&id) {
                    device.seen = seen;
                }
            }
            DirectoryChange::RemoveDevice(id) => {
                self.devices.remove(&id);
            }
            DirectoryChange::AddRoom(room) => {
                self.rooms.entry(room.id).or_insert(room);
            }
            DirectoryChange::SetTopic(id, topic) => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.topic = topic;
                }
            }
            DirectoryChange::SetMember(update) => {
                let key = (update.conversation, update.account);
                let member = self.members.entry(key).or_insert_with(|| Member {
                    conversation: update.conversation,
                    account: update.account,
                    standing: Standing::Out,
                    role: update.role,
                    muted_until: update.muted_until,
                    spans: Vec::new(),
                });
                member.standing = update.standing;
                member.role = update.role;
                member.muted_until = update.muted_until;
                let is_open = member.spans.last().is_some_and(|span| span.to == Seq::MAX);
                match update.span {
                    SpanUpdate::Open if !is_open => member.spans.push(Span {
                        from: seq,
                        to: Seq::MAX,
                    }),
                    SpanUpdate::Close if is_open => {
                        member.spans.last_mut().unwrap().to = seq;
                    }
                    _ => {}
                }
            }
            DirectoryChange::SetCursor(conversation, account, cursor) => {
                self.cursor_writes += 1;
                self.cursors.insert((conversation, account), cursor);
                let read = |mention: &(ConversationId, AccountId, Seq)| {
                    (mention.0, mention.1) == (conversation, account) && mention.2 <= cursor.read
                };
                self.mentions.retain(|mention| !read(mention));
            }
            DirectoryChange::Mention(conversation, account) => {
                self.mentions.push((conversation, account, seq));
            }
            DirectoryChange::AddInvite(invite) => {
                self.invites.insert(invite.hash, invite);
            }
            DirectoryChange::UseInvite(hash, _) => {
                self.invites.get_mut(&hash).unwrap().uses -= 1;
            }
            DirectoryChange::SetUpload(upload) => {
                self.uploads.insert(upload.blob, upload);
            }
            DirectoryChange::RemoveUpload(blob) => {
                self.uploads.remove(&blob);
            }
            DirectoryChange::Distrust(content) => self.distrusted.push(content),
        }
    }

    pub(super) fn load(&mut self, load: &Load) -> Result<Loaded, Fault> {
        if self.bad_reads > 0 {
            self.bad_reads -= 1;
            return Err(Fault::Io("test".into()));
        }
        let empty = Vec::new();
        Ok(match load {
            Load::Blob(blob) => Loaded::Blob(self.blob(*blob).map(Box::new)),
            Load::Read(conversation, after, bytes) => {
                let mut left = *bytes as u64;
                let log = self.logs.get(conversation).unwrap_or(&empty);
                let mut entries: Vec<Arc<Entry>> = Vec::new();
                for entry in log.iter().filter(|entry| entry.seq > *after) {
                    if !entries.is_empty() && entry.cost() > left {
                        break;
                    }
                    left = left.saturating_sub(entry.cost());
                    entries.push(Arc::clone(entry));
                }
                Loaded::Read(entries)
            }
            Load::History(conversation, spans, _, limit) => {
                let log = self.logs.get(conversation).unwrap_or(&empty);
                let seen = |entry: &&Arc<Entry>| {
                    let within = |span: &Span| span.from <= entry.seq && entry.seq <= span.to;
                    entry.body.kind.is_base() && spans.iter().any(within)
                };
                let items = log
                    .iter()
                    .filter(seen)
                    .take(*limit)
                    .map(|entry| HistoryItem {
                        entry: Entry::clone(entry),
                        edited: false,
                        reactions: Vec::new(),
                    });
                Loaded::History(items.collect(), false)
            }
            Load::Lookup(account, id) => Loaded::Lookup(self.sends.get(&(*account, *id)).copied()),
            Load::Counted(conversation, seq) => {
                let log = self.logs.get(conversation).unwrap_or(&empty);
                let up_to = log.iter().filter(|entry| entry.seq <= *seq);
                let counted = up_to.filter(|entry| entry.body.kind.counts_unread());
                Loaded::Counted(counted.count() as u64)
            }
            Load::Search(places, text, _) => {
                let mut page = SearchPage::default();
                for (conversation, spans) in places {
                    for entry in self.logs.get(conversation).unwrap_or(&empty) {
                        let within = |span: &Span| span.from <= entry.seq && entry.seq <= span.to;
                        let said = String::from_utf8_lossy(&entry.body.data);
                        if spans.iter().any(within) && said.contains(text.as_str()) {
                            page.entries.push(Entry::clone(entry));
                        }
                    }
                }
                Loaded::Search(page)
            }
        })
    }

    /// Cuts a log's entries before `first`.
    pub(super) fn trim(&mut self, conversation: ConversationId, first: Seq) -> Committed {
        let log = self.logs.entry(conversation).or_default();
        log.retain(|entry| entry.seq >= first);
        self.rooms.get_mut(&conversation).unwrap().first = first;
        Committed::Trimmed {
            conversation,
            first,
        }
    }

    fn blob(&self, blob: BlobId) -> Option<BlobPlace> {
        let mut entries = self.logs.values().flatten();
        let entry = entries.find(|entry| entry.body.blob == Some(blob))?;
        Some(BlobPlace {
            entry: Entry::clone(entry),
            content: blob,
        })
    }

    fn stored(&self) -> Vec<(AccountId, u64)> {
        let mut stored = BTreeMap::new();
        for entry in self.logs.values().flatten() {
            if let Content::File(offer) = entry.body.content() {
                *stored.entry(entry.from).or_default() += offer.size;
            }
        }
        stored.into_iter().collect()
    }

    /// As after a restored backup.
    pub(super) fn change_epochs(&mut self) {
        for room in self.rooms.values_mut() {
            room.epoch.0 ^= 0xffff;
        }
    }

    /// What an account may see of a log, by the store's own records.
    pub(super) fn member(
        &self,
        conversation: ConversationId,
        account: AccountId,
    ) -> Option<&Member> {
        self.members.get(&(conversation, account))
    }

    pub(super) fn room(&self, conversation: ConversationId) -> Option<&Room> {
        self.rooms.get(&conversation)
    }

    pub(super) fn room_named(&self, name: &str) -> Option<ConversationId> {
        let named = |room: &&Room| room.name.as_ref().is_some_and(|held| held.as_str() == name);
        self.rooms.values().find(named).map(|room| room.id)
    }

    pub(super) fn account_named(&self, name: &str) -> Option<AccountId> {
        let mut accounts = self.accounts.values();
        accounts
            .find(|account| account.name.as_str() == name)
            .map(|account| account.id)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            accounts: self.accounts.values().cloned().collect(),
            devices: self.devices.values().cloned().collect(),
            rooms: self.rooms.values().cloned().collect(),
            members: self.members.values().cloned().collect(),
            cursors: self
                .cursors
                .iter()
                .map(|((conversation, account), cursor)| (*conversation, *account, *cursor))
                .collect(),
            mentions: self.mentions.clone(),
            invites: self.invites.values().cloned().collect(),
            uploads: self.uploads.values().cloned().collect(),
            stored: self.stored(),
        }
    }
}
