//! The search index, a cursor over the log.

use rusqlite::{Connection, params};

use super::row::{self, number};
use super::writer::roll_back;
use crate::adapter::rules;
use crate::limits;
use crate::model::{Body, Kind};

/// Puts texts into the index, after they were committed. What it knows is stored with it, so that it
/// goes on where it was.
#[derive(Debug)]
pub(super) struct Indexer {
    indexed: u64,
    /// Something is wrong with the disk.
    is_paused: bool,
}

impl Indexer {
    pub(super) fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let indexed = connection.query_row("SELECT indexed FROM meta", (), |row| number(row, 0))?;
        Ok(Self {
            indexed,
            is_paused: false,
        })
    }

    /// The index knows everything up to this position.
    pub(super) const fn indexed(&self) -> u64 {
        self.indexed
    }

    /// How far it is behind, as far as something can be done about it.
    pub(super) const fn lag(&self, last: u64) -> u64 {
        if self.is_paused {
            0
        } else {
            last.saturating_sub(self.indexed)
        }
    }

    pub(super) fn pause(&mut self) {
        self.is_paused = true;
    }

    pub(super) fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Indexes the next few entries, in a transaction of its own.
    ///
    /// It does not wait for the disk: the next commit of an append does that for both, and what a loss
    /// of power takes back, the cursor goes back with it.
    pub(super) fn step(&mut self, connection: &Connection, last: u64) -> rusqlite::Result<()> {
        let synchronous: i64 =
            connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        // 1 is NORMAL: in write-ahead mode a commit does not wait then.
        connection.pragma_update(None, "synchronous", synchronous.min(1))?;
        let result = self.try_step(connection, last);
        if result.is_err() {
            roll_back(connection);
        }
        connection.pragma_update(None, "synchronous", synchronous)?;
        self.indexed = result?;
        Ok(())
    }

    fn try_step(&self, connection: &Connection, last: u64) -> rusqlite::Result<u64> {
        let end = last.min(self.indexed + limits::SEARCH_BATCH as u64);
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        {
            let mut entries = connection.prepare_cached(
                "SELECT pos, room, kind, data, extensions FROM entries
                 WHERE pos > ?1 AND pos <= ?2",
            )?;
            let mut insert = connection
                .prepare_cached("INSERT INTO words (rowid, room, text) VALUES (?1, ?2, ?3)")?;
            let mut rows = entries.query((self.indexed as i64, end as i64))?;
            while let Some(row) = rows.next()? {
                let body = Body {
                    kind: Kind(row.get(2)?),
                    data: row.get(3)?,
                    extensions: row::extensions(row, 4)?,
                    ..Body::default()
                };
                if let Some(text) = rules::searchable(&body) {
                    let (position, room): (i64, i64) = (row.get(0)?, row.get(1)?);
                    insert.execute(params![position, room.to_string(), text])?;
                }
            }
        }
        connection
            .prepare_cached("UPDATE meta SET indexed = ?1")?
            .execute((end as i64,))?;
        connection.prepare_cached("COMMIT")?.execute(())?;
        Ok(end)
    }
}
