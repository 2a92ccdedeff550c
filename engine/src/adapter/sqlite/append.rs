//! One write at a time, inside the writer's transaction.

use std::collections::HashMap;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::blobs::{self, Freed};
use super::directory;
use super::row::{self, number, seq};
use crate::adapter::rules::{self, TargetEntry};
use crate::id::{AccountId, ConversationId, SendId, Seq};
use crate::limits;
use crate::model::{Body, Extensions, Kind};
use crate::port::{Append, Fault, Write};

/// What became of a write, once its transaction is committed.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// Stands right after `prev`.
    Placed { prev: Seq, counted: u64 },
    /// Directory changes only.
    Changed,
    /// Stands there already.
    Duplicate {
        conversation: ConversationId,
        seq: Seq,
    },
    /// Was decided against.
    Failed(Fault),
}

/// What the writer knows by heart, so that an append is one insert: the heads of the rooms that it
/// wrote to. Room rows are updated once per transaction.
#[derive(Debug)]
pub(super) struct Ledger {
    rooms: HashMap<ConversationId, Head>,
    /// Rooms whose rows are behind.
    changed: Vec<ConversationId>,
    /// The last position that was given out, and as of the last commit.
    position: u64,
    committed_position: u64,
    /// The largest send id of an entry that was trimmed. A larger one needs no look-up; since ids
    /// grow with time that is nearly every one.
    last_trimmed: Option<SendId>,
    /// What this transaction frees.
    freed: Freed,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Stands for the conversation in the tables.
    pub(super) num: i64,
    pub(super) seq: Seq,
    pub(super) counted: u64,
    is_changed: bool,
}

impl Verdict {
    pub(super) const fn is_written(&self) -> bool {
        matches!(self, Self::Placed { .. } | Self::Changed)
    }
}

impl Ledger {
    pub(super) fn new(connection: &Connection, indexed: u64) -> rusqlite::Result<Self> {
        let last: Option<i64> =
            connection.query_row("SELECT max(pos) FROM entries", (), |row| row.get(0))?;
        // Retention may have cut the last one, whose position the search index still knows.
        let position = (last.unwrap_or(0) as u64).max(indexed);
        let last_trimmed = connection
            .query_row("SELECT max(id) FROM trimmed_ids", (), |row| {
                row.get::<_, Option<[u8; 16]>>(0)
            })?
            .map(SendId);
        Ok(Self {
            rooms: HashMap::new(),
            changed: Vec::new(),
            position,
            committed_position: position,
            last_trimmed,
            freed: Freed::default(),
        })
    }

    /// The position of the last entry that is committed.
    pub(super) const fn last_position(&self) -> u64 {
        self.committed_position
    }

    /// A send id is known from `trimmed_ids` only from now on.
    pub(super) fn trimmed(&mut self, id: SendId) {
        self.last_trimmed = self.last_trimmed.max(Some(id));
    }

    /// Does one write. An error is the disk's and takes the whole transaction with it.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        write: &Write,
        indexed: u64,
    ) -> rusqlite::Result<Verdict> {
        match write {
            Write::Change(changes) => self.whole(connection, |ledger| {
                for change in changes {
                    if let Err(fault) = directory::apply(connection, ledger, change, None)? {
                        return Ok(Err(fault));
                    }
                }
                Ok(Ok(Verdict::Changed))
            }),
            Write::Append(append) if append.changes.is_empty() => {
                let result = self.append(connection, append, indexed)?;
                Ok(result.unwrap_or_else(Verdict::Failed))
            }
            Write::Append(append) => {
                if let Some(known) = lookup(connection, append.from, append.id)? {
                    return Ok(known);
                }
                self.whole(connection, |ledger| {
                    for change in &append.changes {
                        let at = Some(append.conversation);
                        if let Err(fault) = directory::apply(connection, ledger, change, at)? {
                            return Ok(Err(fault));
                        }
                    }
                    ledger.append(connection, append, indexed)
                })
            }
        }
    }

    /// What is known of a conversation.
    pub(super) fn head(
        &mut self,
        connection: &Connection,
        conversation: ConversationId,
    ) -> rusqlite::Result<Option<Head>> {
        if let Some(head) = self.rooms.get(&conversation) {
            return Ok(Some(*head));
        }
        let found = connection
            .prepare_cached("SELECT num, head, counted FROM rooms WHERE id = ?1")?
            .query_row((conversation.0,), |row| {
                Ok(Head {
                    num: row.get(0)?,
                    seq: seq(row, 1)?,
                    counted: number(row, 2)?,
                    is_changed: false,
                })
            })
            .optional()?;
        if let Some(head) = found {
            self.rooms.insert(conversation, head);
        }
        Ok(found)
    }

    /// Writes the rows of the rooms that got entries.
    pub(super) fn flush(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut update =
            connection.prepare_cached("UPDATE rooms SET head = ?2, counted = ?3 WHERE num = ?1")?;
        for conversation in self.changed.drain(..) {
            if let Some(head) = self.rooms.get_mut(&conversation) {
                head.is_changed = false;
                update.execute(params![head.num, head.seq.0 as i64, head.counted as i64])?;
            }
        }
        Ok(())
    }

    /// What the committed transaction freed.
    pub(super) fn freed(&mut self) -> &mut Freed {
        &mut self.freed
    }

    /// The transaction is durable.
    pub(super) fn committed(&mut self) {
        self.committed_position = self.position;
        // Heads are found again in their rows; the bound only matters with very many conversations.
        if self.rooms.len() > limits::ROOMS {
            self.rooms.clear();
        }
    }

    /// The transaction did not happen.
    pub(super) fn forget(&mut self) {
        self.rooms.clear();
        self.changed.clear();
        self.position = self.committed_position;
        self.freed = Freed::default();
    }

    /// Does all of it or nothing. A change of the directory that is refused half-way takes back those
    /// before it, and nothing of other writes.
    fn whole(
        &mut self,
        connection: &Connection,
        run: impl FnOnce(&mut Self) -> rusqlite::Result<Result<Verdict, Fault>>,
    ) -> rusqlite::Result<Verdict> {
        connection.prepare_cached("SAVEPOINT whole")?.execute(())?;
        let verdict = run(self)?;
        let fault = match verdict {
            Ok(verdict) if verdict.is_written() => {
                connection.prepare_cached("RELEASE whole")?.execute(())?;
                return Ok(verdict);
            }
            Ok(verdict) => verdict,
            Err(fault) => Verdict::Failed(fault),
        };
        connection
            .prepare_cached("ROLLBACK TO whole")?
            .execute(())?;
        connection.prepare_cached("RELEASE whole")?.execute(())?;
        // A room that it added is gone again. Heads with entries in this transaction are ahead of
        // their rows and stay; rooms that were added now have none.
        self.rooms.retain(|_, head| head.is_changed);
        Ok(fault)
    }

    fn append(
        &mut self,
        connection: &Connection,
        append: &Append,
        indexed: u64,
    ) -> rusqlite::Result<Result<Verdict, Fault>> {
        let is_plain = append.expect.is_none() && append.body.target.is_none();
        let may_be_trimmed = self.last_trimmed.is_some_and(|last| append.id <= last);
        if (!is_plain || may_be_trimmed)
            && let Some(known) = lookup(connection, append.from, append.id)?
        {
            return Ok(Ok(known));
        }
        let Some(head) = self.head(connection, append.conversation)? else {
            // A known id tells where it stands, whatever conversation was named now.
            let known = lookup(connection, append.from, append.id)?;
            return Ok(known.ok_or(Fault::NoConversation));
        };
        if append.expect.is_some_and(|expected| expected != head.seq) {
            return Ok(Err(Fault::Conflict { head: head.seq }));
        }
        let target = match rules::target_to_find(append, head.seq) {
            Ok(Some(target)) => {
                let found = find(connection, head.num, target)?;
                let entry = found.as_ref().map(|(_, entry)| *entry);
                if let Err(fault) = rules::judge_target(append, entry) {
                    return Ok(Err(fault));
                }
                found.map(|(position, _)| (position, target))
            }
            Ok(None) => None,
            Err(fault) => return Ok(Err(fault)),
        };
        let counted = head.counted + u64::from(append.body.kind.counts_unread());
        match insert(connection, append, &head, self.position + 1, counted) {
            Ok(()) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                // The statement did nothing; the only thing that can be there already is the id.
                let known = lookup(connection, append.from, append.id)?;
                return known.map(Ok).ok_or(error);
            }
            Err(error) => return Err(error),
        }
        if let Some((position, target)) = target
            && append.body.kind == Kind::REDACTION
        {
            blank(connection, head.num, position, target, indexed)?;
            blobs::end(connection, position, &mut self.freed)?;
        }
        blobs::name(
            connection,
            self.position + 1,
            append.from,
            &append.body,
            &mut self.freed,
        )?;
        self.position += 1;
        if !head.is_changed {
            self.changed.push(append.conversation);
        }
        let next = Head {
            seq: head.seq.next(),
            counted,
            is_changed: true,
            ..head
        };
        self.rooms.insert(append.conversation, next);
        Ok(Ok(Verdict::Placed {
            prev: head.seq,
            counted,
        }))
    }
}

/// Where a send id stands.
pub(super) fn lookup(
    connection: &Connection,
    account: AccountId,
    id: SendId,
) -> rusqlite::Result<Option<Verdict>> {
    connection
        .prepare_cached(
            "SELECT rooms.id, seq FROM entries JOIN rooms ON num = room
                 WHERE entries.id = ?1 AND sender = ?2
             UNION ALL
             SELECT conversation, seq FROM trimmed_ids WHERE id = ?1 AND sender = ?2",
        )?
        .query_row(params![id.0, account.0 as i64], |row| {
            Ok(Verdict::Duplicate {
                conversation: ConversationId(row.get(0)?),
                seq: seq(row, 1)?,
            })
        })
        .optional()
}

fn insert(
    connection: &Connection,
    append: &Append,
    head: &Head,
    position: u64,
    counted: u64,
) -> rusqlite::Result<()> {
    let Body {
        kind,
        target,
        blob,
        data,
        extensions,
    } = &append.body;
    connection
        .prepare_cached(
            "INSERT INTO entries
             (pos, room, seq, id, sender, sender_name, time, kind, target, blob, data, extensions,
              counted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            position as i64,
            head.num,
            head.seq.next().0 as i64,
            append.id.0,
            append.from.0 as i64,
            append.from_name.as_str(),
            append.time.0 as i64,
            kind.0,
            target.map(|seq| seq.0 as i64),
            blob.map(|blob| blob.0),
            data,
            extensions.encode(),
            counted as i64,
        ])?;
    Ok(())
}

fn find(
    connection: &Connection,
    room: i64,
    target: Seq,
) -> rusqlite::Result<Option<(i64, TargetEntry)>> {
    connection
        .prepare_cached(
            "SELECT pos, kind, sender, extensions FROM entries WHERE room = ?1 AND seq = ?2",
        )?
        .query_row(params![room, target.0 as i64], |row| {
            let deleted = row::extensions(row, 3)?.get(Extensions::DELETED).is_some();
            let entry = TargetEntry {
                kind: Kind(row.get(1)?),
                from: AccountId(number(row, 2)?),
                deleted,
            };
            Ok((row.get(0)?, entry))
        })
        .optional()
}

/// Takes away what an entry and its edits said, also from the search index.
fn blank(
    connection: &Connection,
    room: i64,
    position: i64,
    target: Seq,
    indexed: u64,
) -> rusqlite::Result<()> {
    let mut positions = vec![position];
    let mut edits = connection.prepare_cached(
        "SELECT pos FROM entries INDEXED BY entries_target
         WHERE room = ?1 AND target = ?2 AND kind IN (3, 4, 5) AND kind = ?3",
    )?;
    for edit in edits.query_map(params![room, target.0 as i64, Kind::EDIT.0], |row| {
        row.get(0)
    })? {
        positions.push(edit?);
    }
    let mut blank = Body::default();
    blank.blank();
    let extensions = blank.extensions.encode();
    for position in positions {
        connection
            .prepare_cached(
                "UPDATE entries SET blob = NULL, data = x'', extensions = ?2 WHERE pos = ?1",
            )?
            .execute(params![position, extensions])?;
        if position as u64 <= indexed {
            connection
                .prepare_cached("DELETE FROM words WHERE rowid = ?1")?
                .execute((position,))?;
        }
    }
    Ok(())
}
