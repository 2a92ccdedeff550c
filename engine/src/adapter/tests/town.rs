//! A store with a room and three people, and short words for what tests do with it.

use std::sync::Arc;

use pollster::block_on;

use crate::adapter::MemoryStore;
use crate::id::{AccountId, ConversationId, DeviceId, Epoch, SendId, Seq, Ticket};
use crate::model::{
    Account, AccountName, Body, Device, Entry, History, HistoryFrom, HistoryItem, Rights, Role,
    Room, RoomName, Span, Standing, UnixTime,
};
use crate::port::{
    Append, Committed, DirectoryChange, Fault, MemberUpdate, Random, SpanUpdate, Store, Write,
};

pub(super) const ROOM: ConversationId = ConversationId([1; 16]);
pub(super) const OTHER: ConversationId = ConversationId([2; 16]);
pub(super) const ANN: AccountId = AccountId(u64::MAX - 1);
pub(super) const BOB: AccountId = AccountId(2);
pub(super) const CYD: AccountId = AccountId(3);
pub(super) const EVERYTHING: Span = Span {
    from: Seq(0),
    to: Seq::MAX,
};
pub(super) const PLENTY: usize = 1 << 20;

/// Counts up, so that tests repeat.
#[derive(Default)]
pub(super) struct Counting(pub(super) u8);

impl Random for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(self.0);
    }
}

pub(super) fn memory() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

#[cfg(feature = "sqlite")]
pub(super) fn sqlite() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = reopen(folder.path());
    (Arc::new(store), folder)
}

#[cfg(feature = "sqlite")]
pub(super) fn reopen(folder: &std::path::Path) -> crate::adapter::SqliteStore {
    let options = crate::adapter::SqliteOptions {
        synchronous: crate::adapter::Synchronous::Off,
        max_bytes: None,
    };
    crate::adapter::SqliteStore::open(folder, options, &mut Counting::default()).unwrap()
}

/// A store under test. Tickets are numbered by submission.
pub(super) struct Town {
    pub(super) store: Arc<dyn Store>,
    tickets: u64,
    ids: u16,
}

impl Town {
    /// With an empty room, and another one.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let mut town = Self::bare(store);
        town.change(vec![
            DirectoryChange::AddRoom(room(ROOM, "lobby")),
            DirectoryChange::AddRoom(room(OTHER, "other")),
        ])
        .unwrap();
        town
    }

    pub(super) fn bare(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            tickets: 0,
            ids: 0,
        }
    }

    /// An append that nobody has made before.
    pub(super) fn append(&mut self, from: AccountId, body: Body) -> Append {
        self.ids += 1;
        let mut random = [0; 10];
        random[8..].copy_from_slice(&self.ids.to_be_bytes());
        let now = crate::adapter::today();
        Append {
            conversation: ROOM,
            id: SendId::new(now, random),
            from,
            from_name: name(from),
            time: now,
            body,
            expect: None,
            target_by: None,
            changes: Vec::new(),
        }
    }

    pub(super) fn submit(&mut self, writes: Vec<Write>) -> u64 {
        let first = self.tickets + 1;
        let numbered = writes.into_iter().map(|write| {
            self.tickets += 1;
            (Ticket(self.tickets), write)
        });
        let mut numbered = numbered.collect();
        self.store.submit(&mut numbered);
        first
    }

    /// Writes and returns the outcomes of exactly these writes.
    pub(super) fn write(&mut self, writes: Vec<Write>) -> Vec<Committed> {
        let count = writes.len();
        self.submit(writes);
        self.outcomes(count)
    }

    /// The same, when so many other outcomes come with them.
    pub(super) fn write_and(&mut self, writes: Vec<Write>, others: usize) -> Vec<Committed> {
        let count = writes.len() + others;
        self.submit(writes);
        self.outcomes(count)
    }

    pub(super) fn outcomes(&self, count: usize) -> Vec<Committed> {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            let more = block_on(self.store.next());
            assert!(!more.is_empty(), "the tail ended");
            outcomes.extend(more);
        }
        assert_eq!(outcomes.len(), count, "{outcomes:?}");
        outcomes
    }

    pub(super) fn put(&mut self, append: Append) -> Committed {
        self.write(vec![Write::Append(append)]).remove(0)
    }

    /// Appends what must succeed.
    pub(super) fn say(&mut self, from: AccountId, body: Body) -> Seq {
        let append = self.append(from, body);
        placed(&self.put(append)).0
    }

    pub(super) fn text(&mut self, from: AccountId, text: &str) -> Seq {
        self.say(from, Body::text(text, None))
    }

    pub(super) fn change(&mut self, changes: Vec<DirectoryChange>) -> Result<(), Fault> {
        let told = self.write(vec![Write::Change(changes.clone())]).remove(0);
        match told {
            Committed::Changed { changes: told, .. } => {
                assert_eq!(told, changes);
                Ok(())
            }
            Committed::Failed { fault, .. } => Err(fault),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn read(&self) -> Vec<Arc<Entry>> {
        block_on(self.store.read(ROOM, Seq::ZERO, 1000, PLENTY)).unwrap()
    }

    pub(super) fn history(&self, from: HistoryFrom, limit: usize) -> (Vec<HistoryItem>, bool) {
        self.seen_in(&[EVERYTHING], from, limit)
    }

    pub(super) fn seen_in(
        &self,
        spans: &[Span],
        from: HistoryFrom,
        limit: usize,
    ) -> (Vec<HistoryItem>, bool) {
        let page = self
            .store
            .history(ROOM, spans.to_vec(), from, limit, PLENTY);
        block_on(page).unwrap()
    }

    /// Seqs of all texts in both rooms with these words, newest first.
    pub(super) fn found(&self, words: &str) -> Vec<u64> {
        self.found_in(&[EVERYTHING], words)
    }

    pub(super) fn found_in(&self, spans: &[Span], words: &str) -> Vec<u64> {
        let places = vec![(ROOM, spans.to_vec()), (OTHER, spans.to_vec())];
        let page = self
            .store
            .search(places, words.to_owned(), None, 100, PLENTY);
        let page = block_on(page).unwrap();
        page.entries.iter().map(|entry| entry.seq.0).collect()
    }
}

pub(super) fn room(id: ConversationId, name: &str) -> Room {
    Room {
        id,
        name: Some(RoomName::new(name).unwrap()),
        public: true,
        history: History::All,
        topic: String::new(),
        epoch: Epoch(u64::MAX - 9),
        head: Seq::ZERO,
        first: Seq(1),
        counted: 0,
    }
}

pub(super) fn account(id: AccountId) -> Account {
    Account {
        id,
        name: name(id),
        verifier: Some("$argon2id$".to_owned()),
        rights: Rights::Admin,
        created: UnixTime(7),
    }
}

pub(super) fn device(id: u64, account: AccountId) -> Device {
    Device {
        id: DeviceId(id),
        account,
        key: [id as u8; 32],
        name: "phone".to_owned(),
        created: UnixTime(8),
        seen: UnixTime(9),
    }
}

pub(super) fn member(account: AccountId, span: SpanUpdate) -> DirectoryChange {
    DirectoryChange::SetMember(MemberUpdate {
        conversation: ROOM,
        account,
        standing: Standing::In,
        role: Role::Member,
        muted_until: UnixTime(0),
        span,
    })
}

pub(super) fn name(id: AccountId) -> AccountName {
    let text = match id {
        ANN => "ann",
        BOB => "bob",
        _ => "cyd",
    };
    AccountName::new(text).unwrap()
}

pub(super) fn span(from: u64, to: u64) -> Span {
    Span {
        from: Seq(from),
        to: Seq(to),
    }
}

/// Seq and counter of what was appended.
pub(super) fn placed(told: &Committed) -> (Seq, u64) {
    match told {
        Committed::Entry { entry, counted, .. } => (entry.seq, *counted),
        other => panic!("not appended: {other:?}"),
    }
}

pub(super) fn fault(told: &Committed) -> &Fault {
    match told {
        Committed::Failed { fault, .. } => fault,
        other => panic!("no failure: {other:?}"),
    }
}

pub(super) fn seqs(items: &[HistoryItem]) -> Vec<u64> {
    items.iter().map(|item| item.entry.seq.0).collect()
}
