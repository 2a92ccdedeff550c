//! History pages out of the database.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::reader::known;
use super::row::{self, account_name, entry_columns, number, seq};
use crate::adapter::fold::{self, Reacted};
use crate::adapter::history::{self, Source, Way};
use crate::adapter::rules;
use crate::id::{AccountId, ConversationId, Seq};
use crate::limits;
use crate::model::{Entry, HistoryFrom, HistoryItem, Kind, Span};
use crate::port::Fault;

// The planner would rather walk the whole stretch of the log by seq.
pub(super) const LAST_EDIT: &str = "
    SELECT seq, data FROM entries INDEXED BY entries_target
    WHERE room = ?1 AND target = ?2 AND kind IN (3, 4, 5) AND kind = ?3
        AND seq BETWEEN ?4 AND ?5
    ORDER BY pos DESC LIMIT 1";

pub(super) const REACTIONS: &str = "
    SELECT seq, sender, sender_name, data FROM entries INDEXED BY entries_target
    WHERE room = ?1 AND target = ?2 AND kind IN (3, 4, 5) AND kind = ?3
    ORDER BY pos DESC LIMIT ?4";

/// One page. Each piece of the log is a read of its own: what changes between two of them could as
/// well have changed right after.
pub(super) fn page(
    connection: &Connection,
    conversation: ConversationId,
    spans: &[Span],
    from: HistoryFrom,
    limit: usize,
    bytes: usize,
) -> Result<(Vec<HistoryItem>, bool), Fault> {
    let read = || -> rusqlite::Result<Option<_>> {
        let Some((room, first, head)) = row::room(connection, conversation)? else {
            return Ok(None);
        };
        let table = Table {
            connection,
            conversation,
            room,
            first,
            head,
        };
        history::page(&table, spans, from, limit, bytes).map(Some)
    };
    known(read())
}

/// The last edit of an entry that lies in the stretches: its place and text.
pub(super) fn last_edit(
    connection: &Connection,
    room: i64,
    target: Seq,
    spans: &[Span],
) -> rusqlite::Result<Option<(Seq, Vec<u8>)>> {
    let mut last = connection.prepare_cached(LAST_EDIT)?;
    let mut newest: Option<(Seq, Vec<u8>)> = None;
    for span in spans {
        let values = params![
            room,
            target.0 as i64,
            Kind::EDIT.0,
            span.from.0 as i64,
            span.to.0 as i64
        ];
        let found = last
            .query_row(values, |row| Ok((seq(row, 0)?, row.get(1)?)))
            .optional()?;
        newest = newest.max(found);
    }
    Ok(newest)
}

/// A conversation's part of the table.
struct Table<'a> {
    connection: &'a Connection,
    conversation: ConversationId,
    room: i64,
    first: Seq,
    head: Seq,
}

impl Source for Table<'_> {
    type Error = rusqlite::Error;

    fn bounds(&self) -> (Seq, Seq) {
        (self.first, self.head)
    }

    fn base(&self, part: Span, way: Way, limit: usize) -> rusqlite::Result<Vec<Entry>> {
        macro_rules! select {
            ($order:literal) => {
                concat!(
                    "SELECT ",
                    entry_columns!(),
                    " FROM entries
                     WHERE room = ?1 AND seq BETWEEN ?2 AND ?3 AND kind NOT IN (3, 4, 5)
                     ORDER BY seq ",
                    $order,
                    " LIMIT ?4"
                )
            };
        }
        self.connection
            .prepare_cached(match way {
                Way::Older => select!("DESC"),
                Way::Newer => select!("ASC"),
            })?
            .query_map(
                params![
                    self.room,
                    part.from.0 as i64,
                    part.to.0 as i64,
                    limit as i64
                ],
                |row| row::entry(self.conversation, row),
            )?
            .collect()
    }

    fn fold(&self, entry: Entry, spans: &[Span]) -> rusqlite::Result<HistoryItem> {
        if entry.body.is_deleted() {
            return Ok(fold::fold(entry, None, None));
        }
        let edit = last_edit(self.connection, self.room, entry.seq, spans)?;
        let mut select = self.connection.prepare_cached(REACTIONS)?;
        let mut rows = select.query(params![
            self.room,
            entry.seq.0 as i64,
            Kind::REACTION.0,
            limits::REACTIONS_READ as i64
        ])?;
        let mut reactions = Vec::new();
        while let Some(row) = rows.next()? {
            if rules::lies_in(spans, seq(row, 0)?) {
                reactions.push(Reacted {
                    from: AccountId(number(row, 1)?),
                    name: account_name(row, 2)?,
                    emoji: String::from_utf8_lossy(row.get_ref(3)?.as_blob()?).into_owned(),
                });
            }
        }
        Ok(fold::fold(entry, edit.map(|(_, text)| text), reactions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::sqlite::{Synchronous, schema};

    #[test]
    fn folding_reads_nothing_but_what_it_folds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let connection = schema::open_writer(&path, schema::STORE, Synchronous::Off).unwrap();
        for sql in [LAST_EDIT, REACTIONS] {
            let mut explain = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let count = explain.parameter_count();
            let values = rusqlite::params_from_iter(std::iter::repeat_n(1, count));
            let steps = explain.query_map(values, |row| row.get(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let want = "SEARCH entries USING INDEX entries_target (room=? AND target=? AND kind=?)";
            assert_eq!(steps, [want]);
        }
    }
}
