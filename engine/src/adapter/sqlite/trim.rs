//! Retention: cuts the beginnings of logs, a little at a time.

use std::time::Duration;

use async_channel::Sender;
use rusqlite::{Connection, params};

use super::append::Ledger;
use super::blobs;
use super::indexer::Indexer;
use super::row::{fault, number, seq};
use super::writer::roll_back;
use crate::adapter::today;
use crate::id::{ConversationId, SendId, Seq};
use crate::limits;
use crate::model::UnixTime;
use crate::port::{Committed, Fault};

/// A trim that is under way.
#[derive(Debug)]
pub(super) struct Trim {
    /// Entries before this date go.
    before: Option<UnixTime>,
    /// All but so many go.
    count: Option<u64>,
    /// Send ids before this one need not be remembered.
    oldest_id: SendId,
    /// Conversations that are not done.
    rooms: Vec<(i64, ConversationId)>,
    done: Sender<Result<(), Fault>>,
}

/// What a step cut, and whether it was the last.
type Step = (Vec<Committed>, bool);

impl Trim {
    pub(super) fn new(
        connection: &Connection,
        age: Option<Duration>,
        count: Option<u64>,
        done: Sender<Result<(), Fault>>,
    ) -> Result<Self, (Sender<Result<(), Fault>>, Fault)> {
        let now = today();
        let list = || -> rusqlite::Result<Vec<_>> {
            connection
                .prepare("SELECT num, id FROM rooms WHERE first <= head")?
                .query_map((), |row| Ok((row.get(0)?, ConversationId(row.get(1)?))))?
                .collect()
        };
        match list() {
            Ok(rooms) => Ok(Self {
                before: age.map(|age| now - age),
                count,
                oldest_id: SendId::new(now - limits::SEND_ID_MEMORY, [0; 10]),
                rooms,
                done,
            }),
            Err(error) => Err((done, fault(&error))),
        }
    }

    /// Cuts at most a transaction's worth.
    pub(super) fn step(
        &mut self,
        connection: &Connection,
        indexer: &Indexer,
        ledger: &mut Ledger,
    ) -> rusqlite::Result<Step> {
        let result = self.try_step(connection, indexer, ledger);
        if result.is_err() {
            roll_back(connection);
            ledger.forget();
        }
        result
    }

    pub(super) fn finish(self, result: Result<(), Fault>) {
        // Nobody may wait for it any more.
        let _ = self.done.try_send(result);
    }

    fn try_step(
        &mut self,
        connection: &Connection,
        indexer: &Indexer,
        ledger: &mut Ledger,
    ) -> rusqlite::Result<Step> {
        let mut cut = Vec::new();
        let mut budget = limits::TRIM_BATCH;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        while budget > 0
            && let Some(&(room, conversation)) = self.rooms.last()
        {
            let gone = self.cut(connection, room, conversation, budget, indexer, ledger)?;
            if let Some(first) = gone.first {
                cut.push(Committed::Trimmed {
                    conversation,
                    first,
                });
            }
            // Looking at a room costs about as much as cutting an entry.
            budget = budget.saturating_sub(gone.entries + 1);
            if gone.is_all {
                self.rooms.pop();
            }
        }
        let forgotten = if budget > 0 {
            connection
                .prepare_cached(
                    "DELETE FROM trimmed_ids WHERE (id, sender) IN
                     (SELECT id, sender FROM trimmed_ids WHERE id < ?1 ORDER BY id LIMIT ?2)",
                )?
                .execute(params![self.oldest_id.0, budget as i64])?
        } else {
            0
        };
        connection.prepare_cached("COMMIT")?.execute(())?;
        cut.extend(ledger.freed().take());
        Ok((cut, self.rooms.is_empty() && forgotten < budget))
    }

    fn cut(
        &self,
        connection: &Connection,
        room: i64,
        conversation: ConversationId,
        budget: usize,
        indexer: &Indexer,
        ledger: &mut Ledger,
    ) -> rusqlite::Result<Cut> {
        let (first, head) = connection
            .prepare_cached("SELECT first, head FROM rooms WHERE num = ?1")?
            .query_row((room,), |row| Ok((seq(row, 0)?, seq(row, 1)?)))?;
        // Everything before this one goes, whatever its age.
        let keep = self
            .count
            .map_or(Seq::ZERO, |count| Seq((head.0 + 1).saturating_sub(count)));
        let mut gone = Vec::new();
        let mut is_all = true;
        {
            let mut select = connection.prepare_cached(
                "SELECT pos, seq, id, sender, time, blob IS NOT NULL FROM entries
                 WHERE room = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
            )?;
            let mut rows = select.query(params![room, first.0 as i64, budget as i64])?;
            while let Some(row) = rows.next()? {
                let (seq, time) = (seq(row, 1)?, UnixTime(number(row, 4)?));
                if seq >= keep && self.before.is_none_or(|before| time >= before) {
                    break;
                }
                gone.push(Gone {
                    position: row.get(0)?,
                    seq,
                    id: SendId(row.get(2)?),
                    sender: row.get(3)?,
                    has_blob: row.get(5)?,
                });
                is_all = gone.len() < budget;
            }
        }
        for entry in &gone {
            if entry.id >= self.oldest_id {
                connection
                    .prepare_cached("INSERT OR IGNORE INTO trimmed_ids VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![
                        entry.id.0,
                        entry.sender,
                        conversation.0,
                        entry.seq.0 as i64
                    ])?;
                ledger.trimmed(entry.id);
            }
            if entry.position as u64 <= indexer.indexed() {
                connection
                    .prepare_cached("DELETE FROM words WHERE rowid = ?1")?
                    .execute((entry.position,))?;
            }
            if entry.has_blob {
                blobs::end(connection, entry.position, ledger.freed())?;
            }
            connection
                .prepare_cached("DELETE FROM entries WHERE pos = ?1")?
                .execute((entry.position,))?;
        }
        let first = gone.last().map(|entry| entry.seq.next());
        if let Some(first) = first {
            connection
                .prepare_cached("UPDATE rooms SET first = ?2 WHERE num = ?1")?
                .execute(params![room, first.0 as i64])?;
            connection
                .prepare_cached("DELETE FROM mentions WHERE room = ?1 AND seq < ?2")?
                .execute(params![room, first.0 as i64])?;
        }
        Ok(Cut {
            first,
            entries: gone.len(),
            is_all,
        })
    }
}

/// What was cut of one conversation.
struct Cut {
    first: Option<Seq>,
    entries: usize,
    is_all: bool,
}

struct Gone {
    position: i64,
    seq: Seq,
    id: SendId,
    sender: i64,
    has_blob: bool,
}
