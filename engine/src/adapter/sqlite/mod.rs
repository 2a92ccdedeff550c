//! A store in one SQLite file: durable, for one machine.
//!
//! One thread writes. It takes everything that waits into one transaction, waits for the disk once,
//! and only then hands the outcomes to the tail. Reads have connections of their own and never wait
//! for it. Between transactions the same thread brings the search index up to date and cuts what
//! retention doesn't keep, in small steps.

mod append;
mod backup;
mod blobs;
mod directory;
mod history;
mod inbox;
mod indexer;
mod reader;
mod row;
pub(super) mod schema;
mod search;
mod trim;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use self::append::Verdict;
use self::inbox::{End, Inbox, Job};
use self::reader::Readers;
pub(super) use self::row::damaged;
use self::row::fault;
use self::writer::Writer;
pub(super) use self::writer::roll_back;
use super::outcomes::{Handout, Outcomes};
use super::{Lock, folder, guard};
use crate::error::Error;
use crate::id::{AccountId, BlobId, ConversationId, SendId, Seq, Ticket};
use crate::model::{Entry, HistoryFrom, HistoryItem, Span};
use crate::port::{
    BlobPlace, BoxFuture, Committed, Directory, Fault, Log, LogPage, Random, SearchPage, Snapshot,
    Tail, Write,
};

/// The file in the data directory.
const DATABASE: &str = "chat.db";
/// Names the run of the database that lies beside it; see [`backup`].
const INSTANCE: &str = "instance";

/// How a store is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqliteOptions {
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// The database does not grow beyond so many bytes; writes fail with [`Fault::Full`] then, as on a
    /// full disk. `None`: the disk decides.
    pub max_bytes: Option<u64>,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Synchronous {
    /// The disk: what was acknowledged survives a loss of power.
    #[default]
    Full,
    /// Nothing: it survives the program, and maybe not the machine. For tests; a store that is opened
    /// so says that it is not durable.
    Off,
}

/// A store in one SQLite file, `chat.db` in its folder.
///
/// Dropping it without [`close`](Log::close) is a crash on purpose: the transaction that is under way
/// ends, and what still waits is lost.
pub struct SqliteStore {
    inbox: Arc<Inbox>,
    outcomes: Arc<Outcomes>,
    readers: Arc<Readers>,
    thread: Mutex<Option<JoinHandle<()>>>,
    database: PathBuf,
    is_durable: bool,
}

impl Synchronous {
    pub(super) fn apply(self, connection: &Connection) -> rusqlite::Result<()> {
        let word = match self {
            Self::Full => "FULL",
            Self::Off => "OFF",
        };
        connection.pragma_update(None, "synchronous", word)
    }
}

impl SqliteStore {
    /// Opens the store in a folder, which is made with mode 0700 if it is missing, and holds it until
    /// it is closed or dropped.
    ///
    /// A database that was put there from a [`backup`](Log::backup) gets new epochs, drawn from
    /// `random`: its readers learn that the log may have gone back.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] when somebody holds the folder, [`Error::TooNew`] when a later version wrote
    /// it, [`Error::Local`] when it can't be read or written, is damaged, or no database.
    pub fn open(
        folder: &Path,
        options: SqliteOptions,
        random: &mut dyn Random,
    ) -> Result<Self, Error> {
        let lock = Lock::acquire(folder, "the data directory")?;
        let database = folder.join(DATABASE);
        let mut connection = schema::open_writer(&database, schema::STORE, options.synchronous)?;
        backup::check_instance(&mut connection, folder, random)?;
        let inbox = Arc::new(Inbox::default());
        let outcomes = Arc::new(Outcomes::default());
        let wal = folder.join("chat.db-wal");
        let writer = Writer::new(connection, wal, inbox.clone(), outcomes.clone())
            .map_err(|error| schema::fault(&database, &error))?;
        if options.max_bytes.is_some() {
            inbox.ask(Job::LimitSize(options.max_bytes));
        }
        let thread = std::thread::Builder::new()
            .name("chat-store".to_owned())
            .spawn(move || {
                writer.run();
                // Only now may another one open it.
                drop(lock);
            })
            .map_err(|error| folder::local("start the thread for", &database, &error))?;
        Ok(Self {
            inbox,
            outcomes,
            readers: Arc::new(Readers::new(database.clone())),
            thread: Mutex::new(Some(thread)),
            database,
            is_durable: options.synchronous == Synchronous::Full,
        })
    }

    /// Changes [`SqliteOptions::max_bytes`], before the next write. A database that is larger already
    /// keeps its size.
    pub fn limit_size(&self, bytes: Option<u64>) {
        self.inbox.ask(Job::LimitSize(bytes));
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.inbox.end(End::Now);
        if let Some(thread) = guard(&self.thread).take() {
            // It ends within a transaction. Waiting lets the next one open the folder at once.
            let _ = thread.join();
        }
    }
}

impl Log for SqliteStore {
    fn submit(&self, writes: &mut Vec<(Ticket, Write)>) {
        if !self.inbox.submit(writes) {
            let fault = Fault::Io("the store is closed".to_owned());
            let failed = writes.drain(..).map(|(ticket, _)| Committed::Failed {
                ticket,
                fault: fault.clone(),
            });
            let failed: Vec<Committed> = failed.collect();
            self.outcomes.push(failed.into());
        }
    }

    fn is_durable(&self) -> bool {
        self.is_durable
    }

    fn read(
        &self,
        conversation: ConversationId,
        after: Seq,
        entries: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Entry>>, Fault>> {
        Box::pin(self.readers.read(move |connection| {
            reader::entries(connection, conversation, after, entries, bytes)
        }))
    }

    fn history(
        &self,
        conversation: ConversationId,
        spans: Vec<Span>,
        from: HistoryFrom,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<(Vec<HistoryItem>, bool), Fault>> {
        Box::pin(self.readers.read(move |connection| {
            history::page(connection, conversation, &spans, from, limit, bytes)
        }))
    }

    fn lookup(
        &self,
        account: AccountId,
        id: SendId,
    ) -> BoxFuture<'_, Result<Option<(ConversationId, Seq)>, Fault>> {
        Box::pin(self.readers.read(move |connection| {
            let found = append::lookup(connection, account, id).map_err(|error| fault(&error))?;
            Ok(match found {
                Some(Verdict::Duplicate { conversation, seq }) => Some((conversation, seq)),
                _ => None,
            })
        }))
    }

    fn counted(&self, conversation: ConversationId, seq: Seq) -> BoxFuture<'_, Result<u64, Fault>> {
        Box::pin(
            self.readers
                .read(move |connection| reader::counted(connection, conversation, seq)),
        )
    }

    fn search(
        &self,
        places: Vec<(ConversationId, Vec<Span>)>,
        text: String,
        before: Option<u64>,
        limit: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<SearchPage, Fault>> {
        Box::pin(async move {
            let (done, caught_up) = async_channel::bounded(1);
            self.inbox.ask(Job::CatchUp(done));
            // Closed is the answer, whatever became of it.
            let _ = caught_up.recv().await;
            self.readers
                .read(move |connection| {
                    search::page(connection, places, &text, before, limit, bytes)
                        .map_err(|error| fault(&error))
                })
                .await
        })
    }

    fn since(
        &self,
        after: u64,
        entries: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<LogPage, Fault>> {
        Box::pin(self.readers.read(move |connection| {
            reader::since(connection, after, entries, bytes).map_err(|error| fault(&error))
        }))
    }

    fn blob(&self, blob: BlobId) -> BoxFuture<'_, Result<Option<BlobPlace>, Fault>> {
        Box::pin(
            self.readers.read(move |connection| {
                reader::blob(connection, blob).map_err(|error| fault(&error))
            }),
        )
    }

    fn contents(&self) -> BoxFuture<'_, Result<Vec<BlobId>, Fault>> {
        Box::pin(
            self.readers
                .read(|connection| blobs::contents(connection).map_err(|error| fault(&error))),
        )
    }

    fn trim(&self, age: Option<Duration>, count: Option<u64>) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let (done, answer) = async_channel::bounded(1);
            self.inbox.ask(Job::Trim { age, count, done });
            let closed = || Err(Fault::Io("the store is closed".to_owned()));
            answer.recv().await.unwrap_or_else(|_| closed())
        })
    }

    fn backup(&self, to: PathBuf) -> BoxFuture<'_, Result<(), Fault>> {
        let database = self.database.clone();
        Box::pin(blocking::unblock(move || backup::copy(&database, &to)))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inbox.end(End::Drained);
        let thread = guard(&self.thread).take();
        Box::pin(async move {
            if let Some(thread) = thread {
                // A panic of the writer was told by the outcomes, which end.
                let _ = blocking::unblock(move || thread.join()).await;
            }
        })
    }
}

impl Directory for SqliteStore {
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, Fault>> {
        Box::pin(
            self.readers
                .read(|connection| directory::load(connection).map_err(|error| fault(&error))),
        )
    }
}

impl Tail for SqliteStore {
    fn next(&self) -> BoxFuture<'_, Vec<Committed>> {
        Box::pin(async move {
            let Handout { outcomes, failed } = self.outcomes.take().await;
            if !failed.is_empty() {
                self.inbox.handed_out(&failed);
            }
            outcomes
        })
    }
}
