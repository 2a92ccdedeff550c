//! Files of this program: opening, versions, migrations.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::Synchronous;
use crate::adapter::folder;
use crate::error::Error;
use crate::limits;

/// What a database file of this program holds.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapter) struct Schema {
    /// Told to SQLite (and to `file(1)`), so that another program's database is never touched.
    pub(in crate::adapter) application: i32,
    /// Step `n` leads from version `n` to `n + 1`. A released step never changes; what changes is
    /// appended.
    pub(in crate::adapter) steps: &'static [&'static str],
}

/// The server's database: "chLs".
pub(super) const STORE: Schema = Schema {
    application: 0x6368_4c73,
    steps: &[STORE_1, STORE_2, STORE_3],
};

/// Entries lie in append order, so that a commit touches the end of the table and, in each index, the
/// end (send ids are time-ordered) or the end of a conversation. `pos` is given out by the writer and
/// never again, whatever retention cuts.
const STORE_1: &str = "
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Which run of this database this is; see the file `instance`.
    instance BLOB NOT NULL,
    -- The search index knows everything up to this position.
    indexed INTEGER NOT NULL
);
INSERT INTO meta VALUES (1, x'', 0);

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    verifier TEXT,
    rights INTEGER NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    key BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    seen INTEGER NOT NULL
);
CREATE INDEX devices_account ON devices (account);
CREATE TABLE invites (
    hash BLOB PRIMARY KEY,
    uses INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE rooms (
    num INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    name TEXT UNIQUE,
    public INTEGER NOT NULL,
    history INTEGER NOT NULL,
    topic TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    head INTEGER NOT NULL,
    first INTEGER NOT NULL,
    counted INTEGER NOT NULL
);
CREATE TABLE members (
    room INTEGER NOT NULL,
    account INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    role INTEGER NOT NULL,
    muted_until INTEGER NOT NULL,
    spans BLOB NOT NULL,
    PRIMARY KEY (room, account)
) WITHOUT ROWID;
CREATE INDEX members_account ON members (account);
CREATE TABLE cursors (
    room INTEGER NOT NULL,
    account INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    read INTEGER NOT NULL,
    read_counted INTEGER NOT NULL,
    PRIMARY KEY (room, account)
) WITHOUT ROWID;
CREATE INDEX cursors_account ON cursors (account);

-- The entry before seq is always seq - 1, so it is not stored.
CREATE TABLE entries (
    pos INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    sender INTEGER NOT NULL,
    sender_name TEXT NOT NULL,
    time INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    target INTEGER,
    blob BLOB,
    data BLOB NOT NULL,
    extensions BLOB NOT NULL,
    -- Entries of the room that count as unread, up to this one.
    counted INTEGER NOT NULL
);
CREATE UNIQUE INDEX entries_seq ON entries (room, seq);
CREATE UNIQUE INDEX entries_id ON entries (id, sender);
CREATE INDEX entries_target ON entries (room, target, kind) WHERE kind IN (3, 4, 5);

-- Send ids of entries that retention cut.
CREATE TABLE trimmed_ids (
    id BLOB NOT NULL,
    sender INTEGER NOT NULL,
    conversation BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (id, sender)
) WITHOUT ROWID;

-- Row ids are positions of texts and edits.
CREATE VIRTUAL TABLE words USING fts5 (
    room, text, content = '', contentless_delete = 1,
    tokenize = 'unicode61 remove_diacritics 2'
);
";

/// Files. Blobs are numbered by the entry that names them; entries of version 1 name none.
const STORE_2: &str = "
CREATE TABLE blobs (
    pos INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    -- The blob that holds the content: this one, or an earlier one with the same hash.
    content BLOB NOT NULL,
    hash BLOB NOT NULL,
    size INTEGER NOT NULL,
    account INTEGER NOT NULL,
    -- The content is not what it was. The next upload of the same takes its place.
    damaged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX blobs_content ON blobs (content);
CREATE INDEX blobs_hash ON blobs (hash);
CREATE INDEX blobs_account ON blobs (account, size);

-- Uploads that are not done.
CREATE TABLE uploads (
    id BLOB PRIMARY KEY,
    account INTEGER NOT NULL,
    send_id BLOB NOT NULL,
    conversation BLOB NOT NULL,
    other INTEGER,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    touched INTEGER NOT NULL
) WITHOUT ROWID;
";

/// Entries that name a member who has not read them. Those of before were only counted in memory.
const STORE_3: &str = "
CREATE TABLE mentions (
    room INTEGER NOT NULL,
    account INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (room, account, seq)
) WITHOUT ROWID;
CREATE INDEX mentions_account ON mentions (account);
";

/// Opens the file for the one who writes, made with mode 0600 if it is missing, and brings it to
/// this version.
pub(in crate::adapter) fn open_writer(
    path: &Path,
    schema: Schema,
    synchronous: Synchronous,
) -> Result<Connection, Error> {
    // SQLite gives its write-ahead log the mode of the database.
    folder::private()
        .open(path)
        .map_err(|error| folder::local("open", path, &error))?;
    if synchronous == Synchronous::Full {
        sync_log(path).map_err(|error| folder::local("sync the log of", path, &error))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| fault(path, &error);
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    check_owner(&connection, path, schema)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA secure_delete = FAST;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -65536;
             PRAGMA wal_autocheckpoint = 4096;",
        )
        .and_then(|()| synchronous.apply(&connection))
        .and_then(|()| {
            connection.pragma_update(None, "journal_size_limit", limits::WAL_BYTES as i64)
        })
        .and_then(|()| prepare(&connection))
        .map_err(failed)?;
    migrate(&mut connection, path, schema)?;
    Ok(connection)
}

/// Makes durable what a crash left in the write-ahead log between write and sync. SQLite takes it for
/// committed, and so do answers about it, but only its next own commit would sync it.
///
/// Before SQLite opens the file: closing it later would drop SQLite's locks.
fn sync_log(path: &Path) -> io::Result<()> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match File::open(log) {
        Ok(file) => file.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    folder::sync(path.parent().unwrap_or(path))
}

/// Opens the file for reading beside the writer.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    prepare(&connection)?;
    Ok(connection)
}

/// What to tell about a file that SQLite does not take.
pub(in crate::adapter) fn fault(path: &Path, error: &rusqlite::Error) -> Error {
    let path = path.display();
    Error::Local(match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => format!("{path} is not a database of this program"),
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("{path} is damaged ({error}); restore a backup")
        }
        Some(ErrorCode::DiskFull) => format!("no room on the disk for {path}"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{path} is held by another program")
        }
        _ => format!("cannot use {path}: {error}"),
    })
}

/// Whether SQLite found no room.
pub(in crate::adapter) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // Nobody else writes; a reader only meets the moment of a recovery or of a truncation.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Looks, before anything is changed, whether the file is ours and not too new.
fn check_owner(connection: &Connection, path: &Path, schema: Schema) -> Result<(), Error> {
    let failed = |error| fault(path, &error);
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(failed)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .map_err(failed)?;
    if application != i64::from(schema.application) && (application != 0 || tables != 0) {
        return Err(Error::Local(format!(
            "{} is not a database of this program",
            path.display()
        )));
    }
    if number("user_version").map_err(failed)? > schema.steps.len() as i64 {
        return Err(Error::TooNew(path.display().to_string()));
    }
    Ok(())
}

/// Each step is one transaction together with its version: a crash between two of them goes on with
/// the next.
fn migrate(connection: &mut Connection, path: &Path, schema: Schema) -> Result<(), Error> {
    let run = |connection: &mut Connection| -> rusqlite::Result<()> {
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let done = usize::try_from(version).unwrap_or(0);
        for (number, step) in schema.steps.iter().enumerate().skip(done) {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", schema.application)?;
            transaction.pragma_update(None, "user_version", number as i64 + 1)?;
            transaction.commit()?;
        }
        Ok(())
    };
    run(connection).map_err(|error| fault(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Schema = Schema {
        application: 77,
        steps: &["CREATE TABLE rooms (name TEXT); INSERT INTO rooms VALUES ('Lobby');"],
    };
    const NEW: Schema = Schema {
        application: 77,
        steps: &[
            OLD.steps[0],
            "ALTER TABLE rooms ADD COLUMN topic TEXT NOT NULL DEFAULT '';
             UPDATE rooms SET name = lower(name);",
            "CREATE TABLE extra (a); INSERT INTO extra VALUES (5);",
        ],
    };
    const BROKEN: Schema = Schema {
        application: 77,
        steps: &[
            OLD.steps[0],
            "UPDATE rooms SET name = 'x'; SELECT nonsense;",
        ],
    };

    fn open(path: &Path, schema: Schema) -> Result<Connection, Error> {
        open_writer(path, schema, Synchronous::Off)
    }

    fn name(connection: &Connection) -> String {
        let name = connection.query_row("SELECT name FROM rooms", (), |row| row.get(0));
        name.unwrap()
    }

    #[test]
    fn an_older_file_is_brought_up_step_by_step_and_then_too_new_for_the_old_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        assert_eq!(name(&open(&path, OLD).unwrap()), "Lobby");
        for _ in 0..2 {
            let connection = open(&path, NEW).unwrap();
            assert_eq!(name(&connection), "lobby");
            let rows = connection.query_row("SELECT count(*) FROM extra", (), |row| row.get(0));
            assert_eq!(rows, Ok(1));
        }
        assert!(matches!(open(&path, OLD), Err(Error::TooNew(_))));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        drop(open(&path, OLD).unwrap());
        assert!(matches!(open(&path, BROKEN), Err(Error::Local(_))));
        assert_eq!(name(&open(&path, OLD).unwrap()), "Lobby");
    }

    #[test]
    fn files_of_others_are_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        std::fs::write(&path, "this is a letter to my grandmother, and no database").unwrap();
        let error = open(&path, OLD).unwrap_err().to_string();
        assert!(
            error.contains("is not a database of this program"),
            "{error}"
        );

        let other = folder.path().join("other.db");
        let connection = Connection::open(&other).unwrap();
        connection.execute_batch("CREATE TABLE theirs (a)").unwrap();
        drop(connection);
        let error = open(&other, OLD).unwrap_err().to_string();
        assert!(
            error.contains("is not a database of this program"),
            "{error}"
        );
    }
}
