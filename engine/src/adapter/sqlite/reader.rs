//! Reads beside the writer: few connections, each read short.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_lock::Semaphore;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::blobs;
use super::row::{self, entry_columns, fault, number};
use super::schema;
use crate::adapter::guard;
use crate::id::{BlobId, ConversationId, Seq};
use crate::limits;
use crate::model::{Entry, Kind, RoomName};
use crate::port::{BlobPlace, Fault, LogItem, LogPage};

/// Connections for reading. At most [`limits::STORE_READERS`] reads run, on the `blocking` pool; the
/// others wait.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(limits::STORE_READERS)),
        }
    }

    /// Runs a read.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.permits.acquire_arc().await;
        let readers = self.clone();
        blocking::unblock(move || {
            // Held here and not by the future: when that is dropped, the read still runs.
            let _permit = permit;
            let idle = guard(&readers.idle).pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => schema::open_reader(&readers.path).map_err(|error| fault(&error))?,
            };
            let result = read(&mut connection);
            // After an error the connection may be part of the trouble.
            if result.is_ok() {
                guard(&readers.idle).push(connection);
            }
            result
        })
        .await
    }
}

/// The entries after a place.
pub(super) fn entries(
    connection: &mut Connection,
    conversation: ConversationId,
    after: Seq,
    limit: usize,
    bytes: usize,
) -> Result<Vec<Arc<Entry>>, Fault> {
    let mut read = || -> rusqlite::Result<Option<Vec<Arc<Entry>>>> {
        let transaction = connection.transaction()?;
        let Some((room, ..)) = row::room(&transaction, conversation)? else {
            return Ok(None);
        };
        let mut select = transaction.prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
        ))?;
        let mut rows = select.query(params![room, after.0 as i64, limit as i64])?;
        let mut entries = Vec::new();
        let mut used = 0;
        while let Some(row) = rows.next()? {
            let entry = row::entry(conversation, row)?;
            used += entry.cost();
            if used > bytes as u64 && !entries.is_empty() {
                break;
            }
            entries.push(Arc::new(entry));
        }
        Ok(Some(entries))
    };
    known(read())
}

/// What came after a position, all conversations together.
pub(super) fn since(
    connection: &mut Connection,
    after: u64,
    limit: usize,
    bytes: usize,
) -> rusqlite::Result<LogPage> {
    let transaction = connection.transaction()?;
    // Retention may have cut the last one, whose position the search index still knows.
    let (run, end) = transaction
        .prepare_cached(
            "SELECT instance, max(indexed, coalesce((SELECT max(pos) FROM entries), 0)) FROM meta",
        )?
        .query_row((), |row| {
            let run = row.get_ref(0)?.as_blob()?.first_chunk::<8>().copied();
            Ok((u64::from_be_bytes(run.unwrap_or_default()), number(row, 1)?))
        })?;
    let mut page = LogPage {
        items: Vec::new(),
        next: after.min(end),
        end,
        run,
    };
    if after >= end {
        return Ok(page);
    }
    // Few conversations make up a page; their names are looked up once.
    let mut rooms: HashMap<i64, (ConversationId, Option<RoomName>)> = HashMap::new();
    let mut select = transaction.prepare_cached(concat!(
        "SELECT ",
        entry_columns!(),
        ", pos, room FROM entries WHERE pos > ?1 ORDER BY pos LIMIT ?2"
    ))?;
    let mut rows = select.query(params![after as i64, limit as i64])?;
    let mut used = 0;
    while let Some(row) = rows.next()? {
        let num = row.get(11)?;
        let (conversation, room) = match rooms.get(&num) {
            Some(known) => known,
            None => rooms.entry(num).or_insert(row::room_of(&transaction, num)?),
        };
        let entry = row::entry(*conversation, row)?;
        used += entry.cost();
        if used > bytes as u64 && !page.items.is_empty() {
            break;
        }
        page.next = number(row, 10)?;
        page.items.push(LogItem {
            pos: page.next,
            entry: Arc::new(entry),
            room: room.clone(),
        });
    }
    Ok(page)
}

/// The unread counter as of a place.
pub(super) fn counted(
    connection: &mut Connection,
    conversation: ConversationId,
    seq: Seq,
) -> Result<u64, Fault> {
    let mut read = || -> rusqlite::Result<Option<u64>> {
        let transaction = connection.transaction()?;
        let Some((room, ..)) = row::room(&transaction, conversation)? else {
            return Ok(None);
        };
        let at = transaction
            .prepare_cached(
                "SELECT counted FROM entries WHERE room = ?1 AND seq <= ?2
                 ORDER BY seq DESC LIMIT 1",
            )?
            .query_row(params![room, seq.0 as i64], |row| number(row, 0))
            .optional()?;
        if at.is_some() {
            return Ok(at);
        }
        // Before the first entry that is left.
        let first = transaction
            .prepare_cached(
                "SELECT counted, kind FROM entries WHERE room = ?1 ORDER BY seq LIMIT 1",
            )?
            .query_row((room,), |row| {
                let itself = u64::from(Kind(row.get(1)?).counts_unread());
                Ok(number(row, 0)?.saturating_sub(itself))
            })
            .optional()?;
        if first.is_some() {
            return Ok(first);
        }
        transaction
            .prepare_cached("SELECT counted FROM rooms WHERE num = ?1")?
            .query_row((room,), |row| number(row, 0))
            .map(Some)
    };
    known(read())
}

/// The entry that names a blob.
pub(super) fn blob(
    connection: &mut Connection,
    blob: BlobId,
) -> rusqlite::Result<Option<BlobPlace>> {
    let transaction = connection.transaction()?;
    let Some((position, content)) = blobs::find(&transaction, blob)? else {
        return Ok(None);
    };
    let entry = transaction
        .prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            ", (SELECT rooms.id FROM rooms WHERE num = room) FROM entries WHERE pos = ?1"
        ))?
        .query_row((position,), |row| {
            row::entry(ConversationId(row.get(10)?), row)
        })
        .optional()?;
    Ok(entry.map(|entry| BlobPlace { entry, content }))
}

/// Nothing found means that there is no such conversation.
pub(super) fn known<T>(found: rusqlite::Result<Option<T>>) -> Result<T, Fault> {
    found
        .map_err(|error| fault(&error))?
        .ok_or(Fault::NoConversation)
}
