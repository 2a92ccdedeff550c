//! A profile in one SQLite file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use async_channel::Sender;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::sqlite::schema::{self, Schema};
use super::sqlite::{Synchronous, damaged, roll_back};
use super::{Lock, guard};
use crate::error::Error;
use crate::id::{BlobId, ConversationId, Epoch, SendId, Seq};
use crate::model::{
    AccountName, Body, Code, Extensions, Kind, Position, Refusal, RoomName, Target,
};
use crate::port::{
    BoxFuture, ItemState, KnownServer, OutboxItem, Profile, ProfileChange, ProfileState,
};

mod transfers;

/// A profile's database: "chPr".
const PROFILE: Schema = Schema {
    application: 0x6368_5072,
    steps: &[PROFILE_1, PROFILE_2],
};

const PROFILE_1: &str = "
CREATE TABLE device (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB,
    enrolled INTEGER NOT NULL
);
INSERT INTO device VALUES (1, NULL, 0);
CREATE TABLE outbox (
    id BLOB PRIMARY KEY,
    place INTEGER NOT NULL,
    -- 1 a conversation's id, 2 a room's name, 3 an account's name.
    target_kind INTEGER NOT NULL,
    target BLOB NOT NULL,
    kind INTEGER NOT NULL,
    about INTEGER,
    blob BLOB,
    data BLOB NOT NULL,
    extensions BLOB NOT NULL,
    label TEXT NOT NULL,
    -- 1 pending, 2 sent, 3 failed, for this reason.
    state INTEGER NOT NULL,
    code INTEGER,
    reason TEXT,
    retry_ms INTEGER
);
CREATE INDEX outbox_place ON outbox (place);
CREATE TABLE positions (
    conversation BLOB PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE servers (
    address TEXT PRIMARY KEY,
    key BLOB NOT NULL
) WITHOUT ROWID;
";

/// Transfers of files.
const PROFILE_2: &str = "
CREATE TABLE transfers (
    id BLOB PRIMARY KEY,
    place INTEGER NOT NULL,
    label TEXT NOT NULL,
    -- 1 an upload, 2 a download.
    errand INTEGER NOT NULL,
    -- Of an upload: 1 a conversation's id, 2 a room's name, 3 an account's name.
    target_kind INTEGER,
    target BLOB,
    media_type TEXT,
    modified INTEGER,
    -- The file of an upload, the folder of a download; as the system has it.
    path BLOB NOT NULL,
    name TEXT NOT NULL,
    -- Of the whole content; of a download, once the server said so.
    size INTEGER,
    blob BLOB,
    start INTEGER,
    length INTEGER,
    hash BLOB,
    boot TEXT,
    synced INTEGER
) WITHOUT ROWID;
";

/// A profile in `profile.db` in its folder, for one process at a time.
///
/// Saves are written on the `blocking` pool, in the order of the calls; those that wait are written in one
/// transaction. No thread waits while there is nothing to do: a program may have hundreds of profiles.
/// What was asked for before the profile is dropped is still written.
pub struct SqliteProfile {
    queue: Arc<Queue>,
    path: PathBuf,
}

struct Queue {
    state: Mutex<Waiting>,
    idle: Condvar,
    /// Who is writing holds it; gone once the profile is closed.
    writer: Mutex<Option<Writer>>,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Job>,
    /// A writer is at work, and looks for more before it ends.
    is_writing: bool,
}

enum Job {
    Load(Sender<Result<ProfileState, Error>>),
    Save(Save),
}

/// Changes that belong together, and who waits for them.
type Save = (Vec<ProfileChange>, Sender<Result<(), Error>>);

impl SqliteProfile {
    /// Opens the profile in a folder, which is made with mode 0700 if it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] when another process uses the profile, [`Error::TooNew`] when a later version
    /// wrote it, [`Error::Local`] when it can't be read or written.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let lock = Lock::acquire(folder, "the profile")?;
        let path = folder.join("profile.db");
        let connection = schema::open_writer(&path, PROFILE, Synchronous::Full)?;
        let writer = Writer {
            connection,
            path: path.clone(),
            _lock: lock,
        };
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            idle: Condvar::new(),
            writer: Mutex::new(Some(writer)),
        });
        Ok(Self { queue, path })
    }
}

// There is a secret key inside.
impl fmt::Debug for SqliteProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteProfile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for SqliteProfile {
    fn drop(&mut self) {
        self.queue.wait_idle();
        // Closed here, whoever still looks at the queue: the next one may open the folder at once.
        drop(guard(&self.queue.writer).take());
    }
}

impl Profile for SqliteProfile {
    fn load(&self) -> BoxFuture<'_, Result<ProfileState, Error>> {
        let (done, answer) = async_channel::bounded(1);
        self.queue.ask(Job::Load(done));
        Box::pin(async move { answer.recv().await.unwrap_or(Err(Error::Closed)) })
    }

    fn save(&self, changes: Vec<ProfileChange>) -> BoxFuture<'_, Result<(), Error>> {
        let (done, answer) = async_channel::bounded(1);
        // Here and not in the future: the order of the calls counts.
        self.queue.ask(Job::Save((changes, done)));
        Box::pin(async move { answer.recv().await.unwrap_or(Err(Error::Closed)) })
    }

    fn is_durable(&self) -> bool {
        true
    }
}

impl Queue {
    fn ask(self: &Arc<Self>, job: Job) {
        let mut state = guard(&self.state);
        state.jobs.push(job);
        if !std::mem::replace(&mut state.is_writing, true) {
            let queue = Arc::clone(self);
            blocking::unblock(move || queue.write()).detach();
        }
    }

    /// Writes until nothing waits.
    fn write(self: Arc<Self>) {
        let _broken = Broken(&self);
        let writer = guard(&self.writer);
        while let (Some(writer), Some(jobs)) = (&*writer, self.take()) {
            writer.run(jobs);
        }
        if let Some(writer) = &*writer {
            writer.rest();
        }
    }

    /// What waits. If that is nothing, the writer is not at work any more.
    fn take(&self) -> Option<Vec<Job>> {
        let mut state = guard(&self.state);
        if state.jobs.is_empty() {
            state.is_writing = false;
            self.idle.notify_all();
            return None;
        }
        Some(std::mem::take(&mut state.jobs))
    }

    /// Waits until everything is written.
    fn wait_idle(&self) {
        let state = guard(&self.state);
        let state = self.idle.wait_while(state, |state| state.is_writing);
        drop(state.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A writer that panics lets nobody wait for ever.
struct Broken<'a>(&'a Queue);

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = guard(&self.0.state);
            state.is_writing = false;
            state.jobs.clear();
            self.0.idle.notify_all();
        }
    }
}

struct Writer {
    connection: Connection,
    path: PathBuf,
    /// Released when the database is closed.
    _lock: Lock,
}

impl Writer {
    /// Gives back what only work needs, three quarters of a connection's memory: a program may have
    /// hundreds of profiles that do nothing. The next save makes it anew, for far less than its sync.
    fn rest(&self) {
        self.connection.flush_prepared_statement_cache();
        // Memory that can't be had back is no fault of anything that was saved.
        let _ = self.connection.release_memory();
    }

    fn run(&self, jobs: Vec<Job>) {
        let mut saves = Vec::new();
        for job in jobs {
            match job {
                Job::Save(save) => saves.push(save),
                Job::Load(done) => {
                    self.save(std::mem::take(&mut saves));
                    let state = load(&self.connection);
                    // Nobody may wait for it any more.
                    let _ = done.try_send(state.map_err(|error| self.fault(&error)));
                }
            }
        }
        self.save(saves);
    }

    /// All of them in one transaction; if that fails, one at a time, so that what fits is saved. After
    /// the first failure the others fail, too: they may build on it.
    fn save(&self, saves: Vec<Save>) {
        if saves.is_empty() {
            return;
        }
        let all = saves.iter().flat_map(|(changes, _)| changes);
        let mut result = self.transaction(all);
        let one_by_one = result.is_err();
        if one_by_one {
            result = Ok(());
        }
        for (changes, done) in saves {
            if one_by_one && result.is_ok() {
                result = self.transaction(&changes);
            }
            let _ = done.try_send(result.clone());
        }
    }

    fn transaction<'a>(
        &self,
        changes: impl IntoIterator<Item = &'a ProfileChange>,
    ) -> Result<(), Error> {
        let run = || -> rusqlite::Result<()> {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            for change in changes {
                apply(&self.connection, change)?;
            }
            self.connection.execute_batch("COMMIT")
        };
        run().map_err(|error| {
            roll_back(&self.connection);
            self.fault(&error)
        })
    }

    fn fault(&self, error: &rusqlite::Error) -> Error {
        schema::fault(&self.path, error)
    }
}

fn apply(connection: &Connection, change: &ProfileChange) -> rusqlite::Result<()> {
    let sql = |text| connection.prepare_cached(text);
    match change {
        ProfileChange::Key(key) => sql("UPDATE device SET key = ?1")?.execute((key,)),
        ProfileChange::Enrolled(enrolled) => {
            sql("UPDATE device SET enrolled = ?1")?.execute((enrolled,))
        }
        ProfileChange::PutItem(item) => return put_item(connection, item),
        ProfileChange::DropItem(id) => sql("DELETE FROM outbox WHERE id = ?1")?.execute((id.0,)),
        ProfileChange::SetPosition(position) => {
            sql("INSERT OR REPLACE INTO positions (conversation, epoch, seq) VALUES (?1, ?2, ?3)")?
                .execute(params![
                    position.conversation.0,
                    position.epoch.0 as i64,
                    position.seq.0 as i64
                ])
        }
        ProfileChange::DropPosition(conversation) => {
            sql("DELETE FROM positions WHERE conversation = ?1")?.execute((conversation.0,))
        }
        ProfileChange::PutServer(server) => {
            sql("INSERT OR REPLACE INTO servers (address, key) VALUES (?1, ?2)")?
                .execute(params![server.address, server.key])
        }
        ProfileChange::PutTransfer(item) => return transfers::put(connection, item),
        ProfileChange::DropTransfer(id) => {
            sql("DELETE FROM transfers WHERE id = ?1")?.execute((id.0,))
        }
    }
    .map(drop)
}

fn put_item(connection: &Connection, item: &OutboxItem) -> rusqlite::Result<()> {
    let (target_kind, target) = target_columns(&item.target);
    let (state, refusal): (u8, _) = match &item.state {
        ItemState::Pending => (1, None),
        ItemState::Sent => (2, None),
        ItemState::Failed(refusal) => (3, Some(refusal)),
    };
    let body = &item.body;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO outbox
             (id, place, target_kind, target, kind, about, blob, data, extensions, label, state,
              code, reason, retry_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            item.id.0,
            item.order as i64,
            target_kind,
            target,
            body.kind.0,
            body.target.map(|seq| seq.0 as i64),
            body.blob.map(|blob| blob.0),
            body.data,
            body.extensions.encode(),
            item.label,
            state,
            refusal.map(|refusal| refusal.code.number()),
            refusal.map(|refusal| &refusal.text),
            refusal.and_then(|refusal| refusal.retry_ms),
        ])
        .map(drop)
}

fn load(connection: &Connection) -> rusqlite::Result<ProfileState> {
    let device = connection.query_row("SELECT key, enrolled FROM device", (), |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    let (key, enrolled) = device?;
    let outbox = connection
        .prepare(
            "SELECT id, place, target_kind, target, kind, about, blob, data, extensions, label,
                    state, code, reason, retry_ms
             FROM outbox ORDER BY place",
        )?
        .query_map((), item)?
        .collect::<rusqlite::Result<_>>()?;
    let positions = connection
        .prepare("SELECT conversation, epoch, seq FROM positions")?
        .query_map((), |row| {
            Ok(Position {
                conversation: ConversationId(row.get(0)?),
                epoch: Epoch(row.get::<_, i64>(1)? as u64),
                seq: Seq(row.get::<_, i64>(2)? as u64),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let servers = connection
        .prepare("SELECT address, key FROM servers")?
        .query_map((), |row| {
            Ok(KnownServer {
                address: row.get(0)?,
                key: row.get(1)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ProfileState {
        key,
        enrolled,
        outbox,
        positions,
        servers,
        transfers: transfers::load(connection)?,
    })
}

fn target_columns(target: &Target) -> (u8, &[u8]) {
    match target {
        Target::Conversation(id) => (1, &id.0),
        Target::Room(name) => (2, name.as_str().as_bytes()),
        Target::Account(name) => (3, name.as_str().as_bytes()),
    }
}

fn target(kind: u8, target: &[u8]) -> Option<Target> {
    let name = || std::str::from_utf8(target).ok();
    match kind {
        1 => target
            .try_into()
            .ok()
            .map(|id| Target::Conversation(ConversationId(id))),
        2 => name().and_then(RoomName::stored).map(Target::Room),
        3 => name().and_then(AccountName::stored).map(Target::Account),
        _ => None,
    }
}

fn item(row: &Row<'_>) -> rusqlite::Result<OutboxItem> {
    let target = target(row.get(2)?, row.get_ref(3)?.as_blob()?);
    let state = match row.get(10)? {
        1_u8 => ItemState::Pending,
        2 => ItemState::Sent,
        3 => ItemState::Failed(Refusal {
            code: Code::from_number(row.get(11)?),
            text: row.get(12)?,
            retry_ms: row.get(13)?,
        }),
        _ => return Err(damaged(10, Type::Integer)),
    };
    let extensions = Extensions::decode(row.get_ref(8)?.as_blob()?);
    Ok(OutboxItem {
        id: SendId(row.get(0)?),
        order: row.get::<_, i64>(1)? as u64,
        target: target.ok_or_else(|| damaged(3, Type::Blob))?,
        body: Body {
            kind: Kind(row.get(4)?),
            target: row.get::<_, Option<i64>>(5)?.map(|seq| Seq(seq as u64)),
            blob: row.get::<_, Option<[u8; 16]>>(6)?.map(BlobId),
            data: row.get(7)?,
            extensions: extensions.ok_or_else(|| damaged(8, Type::Blob))?,
        },
        label: row.get(9)?,
        state,
    })
}
