//! Search, as far as the index knows.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::history::last_edit;
use super::row::{self, entry_columns};
use crate::adapter::rules::{lies_in, query_words};
use crate::id::ConversationId;
use crate::limits;
use crate::model::{Entry, Kind, Span};
use crate::port::SearchPage;

/// Up to so many conversations are named in the query of the index; otherwise hits elsewhere are
/// skipped one by one.
const NAMED_PLACES: usize = 16;
/// Hits of one read transaction.
const HITS: usize = 1_000;

/// One page.
pub(super) fn page(
    connection: &Connection,
    places: Vec<(ConversationId, Vec<Span>)>,
    text: &str,
    before: Option<u64>,
    limit: usize,
    bytes: usize,
) -> rusqlite::Result<SearchPage> {
    let mut rooms = HashMap::new();
    for (conversation, spans) in places {
        if let Some((room, ..)) = row::room(connection, conversation)? {
            rooms.insert(room, (conversation, spans));
        }
    }
    let mut page = SearchPage::default();
    let Some(query) = query(text, &rooms) else {
        return Ok(page);
    };
    if limit == 0 {
        return Ok(page);
    }
    let mut before = before.map_or(i64::MAX, |cursor| cursor.min(i64::MAX as u64) as i64);
    let mut last_shown = None;
    let mut used = 0;
    let mut looked_at = 0;
    loop {
        let hits = hits(connection, &query, before)?;
        for hit in &hits {
            before = *hit;
            let Some(entry) = resolve(connection, *hit, &rooms)? else {
                continue;
            };
            used += entry.cost();
            if page.entries.len() == limit || used > bytes as u64 && !page.entries.is_empty() {
                page.next = last_shown;
                return Ok(page);
            }
            page.entries.push(entry);
            last_shown = Some(*hit as u64);
        }
        looked_at += hits.len();
        if hits.len() < HITS {
            return Ok(page);
        }
        if looked_at >= limits::SEARCH_HITS {
            page.next = Some(before as u64);
            return Ok(page);
        }
    }
}

/// The query in the index's language. Each word is quoted, so that nothing in it is an operator; of
/// the last one a beginning will do.
fn query(text: &str, rooms: &HashMap<i64, (ConversationId, Vec<Span>)>) -> Option<String> {
    let mut words = query_words(text);
    words.truncate(limits::SEARCH_WORDS);
    if words.is_empty() || rooms.is_empty() {
        return None;
    }
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    let mut query = format!("{{text}} : ({} *)", quoted.join(" AND "));
    if rooms.len() <= NAMED_PLACES {
        let rooms: Vec<String> = rooms.keys().map(|room| format!("\"{room}\"")).collect();
        query = format!("{{room}} : ({}) AND {query}", rooms.join(" OR "));
    }
    Some(query)
}

fn hits(connection: &Connection, query: &str, before: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid < ?2
             ORDER BY rowid DESC LIMIT ?3",
        )?
        .query_map(params![query, before, HITS as i64], |row| row.get(0))?
        .collect()
}

/// The entry that a hit shows, if the caller may see it and sees these words: a text that was not
/// edited since, or the last edit of one.
fn resolve(
    connection: &Connection,
    position: i64,
    rooms: &HashMap<i64, (ConversationId, Vec<Span>)>,
) -> rusqlite::Result<Option<Entry>> {
    let found = connection
        .prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            ", room FROM entries WHERE pos = ?1"
        ))?
        .query_row((position,), |row| {
            let room: i64 = row.get(10)?;
            let place = rooms.get(&room);
            place
                .map(|(conversation, spans)| Ok((row::entry(*conversation, row)?, room, spans)))
                .transpose()
        })
        .optional()?;
    let Some((hit, room, spans)) = found.flatten() else {
        return Ok(None);
    };
    if !lies_in(spans, hit.seq) || hit.body.is_deleted() {
        return Ok(None);
    }
    if hit.body.kind != Kind::EDIT {
        let is_current = last_edit(connection, room, hit.seq, spans)?.is_none();
        return Ok(is_current.then_some(hit));
    }
    let Some(target) = hit.body.target.filter(|target| lies_in(spans, *target)) else {
        return Ok(None);
    };
    match last_edit(connection, room, target, spans)? {
        Some((last, _)) if last == hit.seq => {}
        _ => return Ok(None),
    }
    let base = connection
        .prepare_cached(concat!(
            "SELECT ",
            entry_columns!(),
            " FROM entries WHERE room = ?1 AND seq = ?2"
        ))?
        .query_row(params![room, target.0 as i64], |row| {
            row::entry(hit.conversation, row)
        })
        .optional()?;
    Ok(base.filter(|base| !base.body.is_deleted()).map(|mut base| {
        base.body.data = hit.body.data;
        base
    }))
}
