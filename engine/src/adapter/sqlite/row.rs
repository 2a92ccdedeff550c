//! Rows of the database, taken apart.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::id::{AccountId, BlobId, ConversationId, SendId, Seq};
use crate::model::{AccountName, Body, Entry, Extensions, Kind, RoomName, Span, UnixTime};
use crate::port::Fault;

/// What [`entry`] reads, in its order.
macro_rules! entry_columns {
    () => {
        "seq, id, sender, sender_name, time, kind, target, blob, data, extensions"
    };
}
pub(super) use entry_columns;

/// An entry from [`entry_columns`], which begin at column 0.
pub(super) fn entry(conversation: ConversationId, row: &Row<'_>) -> rusqlite::Result<Entry> {
    let seq = seq(row, 0)?;
    Ok(Entry {
        conversation,
        seq,
        prev: Seq(seq.0.saturating_sub(1)),
        id: SendId(row.get(1)?),
        from: AccountId(number(row, 2)?),
        from_name: account_name(row, 3)?,
        time: UnixTime(number(row, 4)?),
        body: Body {
            kind: Kind(row.get(5)?),
            target: row.get::<_, Option<i64>>(6)?.map(|seq| Seq(seq as u64)),
            blob: row.get::<_, Option<[u8; 16]>>(7)?.map(BlobId),
            data: row.get(8)?,
            extensions: extensions(row, 9)?,
        },
    })
}

pub(super) fn extensions(row: &Row<'_>, column: usize) -> rusqlite::Result<Extensions> {
    let bytes = row.get_ref(column)?.as_blob()?;
    Extensions::decode(bytes).ok_or_else(|| damaged(column, Type::Blob))
}

pub(super) fn account_name(row: &Row<'_>, column: usize) -> rusqlite::Result<AccountName> {
    let text = row.get_ref(column)?.as_str()?;
    AccountName::stored(text).ok_or_else(|| damaged(column, Type::Text))
}

/// A full 64-bit number; SQLite's are signed.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)? as u64)
}

pub(super) fn seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    number(row, column).map(Seq)
}

/// Stretches, 16 bytes each: first and last seq, big-endian.
pub(super) fn spans(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Span>> {
    let (pairs, rest) = row.get_ref(column)?.as_blob()?.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(damaged(column, Type::Blob));
    }
    let span = |pair: &[u8; 16]| {
        let both = u128::from_be_bytes(*pair);
        Span {
            from: Seq((both >> 64) as u64),
            to: Seq(both as u64),
        }
    };
    Ok(pairs.iter().map(span).collect())
}

pub(super) fn encode_spans(spans: &[Span]) -> Vec<u8> {
    let pair = |span: &Span| u128::from(span.from.0) << 64 | u128::from(span.to.0);
    spans
        .iter()
        .flat_map(|span| pair(span).to_be_bytes())
        .collect()
}

/// The small number that stands for a conversation in other tables, and its first and last seq.
pub(super) fn room(
    connection: &Connection,
    conversation: ConversationId,
) -> rusqlite::Result<Option<(i64, Seq, Seq)>> {
    connection
        .prepare_cached("SELECT num, first, head FROM rooms WHERE id = ?1")?
        .query_row((conversation.0,), |row| {
            Ok((row.get(0)?, seq(row, 1)?, seq(row, 2)?))
        })
        .optional()
}

/// The conversation behind a small number, and its name if it is a room.
pub(super) fn room_of(
    connection: &Connection,
    num: i64,
) -> rusqlite::Result<(ConversationId, Option<RoomName>)> {
    connection
        .prepare_cached("SELECT id, name FROM rooms WHERE num = ?1")?
        .query_row((num,), |row| {
            let name = row.get_ref(1)?.as_str_or_null()?;
            let stored = |text| RoomName::stored(text).ok_or_else(|| damaged(1, Type::Text));
            Ok((ConversationId(row.get(0)?), name.map(stored).transpose()?))
        })
}

/// A value that this program did not write.
pub(in crate::adapter) fn damaged(column: usize, kind: Type) -> rusqlite::Error {
    let why = "not what this program wrote".into();
    rusqlite::Error::FromSqlConversionFailure(column, kind, why)
}

/// What to tell about a statement that failed.
pub(super) fn fault(error: &rusqlite::Error) -> Fault {
    if super::schema::is_full(error) {
        Fault::Full("make room; writing goes on by itself then".to_owned())
    } else {
        Fault::Io(error.to_string())
    }
}
