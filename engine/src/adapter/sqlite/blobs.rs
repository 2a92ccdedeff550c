//! Which blobs entries name, and uploads that are not done.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::row::{damaged, number};
use crate::id::{AccountId, BlobId, ConversationId, SendId};
use crate::model::{Body, Content, PendingUpload};
use crate::port::Committed;

/// What a transaction freed.
#[derive(Clone, Debug, Default)]
pub(super) struct Freed {
    bytes: BTreeMap<AccountId, u64>,
    contents: Vec<BlobId>,
}

impl Freed {
    /// What to tell about it, if there is anything.
    pub(super) fn take(&mut self) -> Option<Committed> {
        let Self { bytes, contents } = std::mem::take(self);
        let is_something = !bytes.is_empty() || !contents.is_empty();
        is_something.then(|| Committed::Freed {
            bytes: bytes.into_iter().collect(),
            contents,
        })
    }
}

/// An entry at this position names a blob, if its body does.
pub(super) fn name(
    connection: &Connection,
    position: u64,
    from: AccountId,
    body: &Body,
    freed: &mut Freed,
) -> rusqlite::Result<()> {
    let Some(blob) = body.blob else {
        return Ok(());
    };
    let Content::File(offer) = body.content() else {
        return Ok(());
    };
    let earlier: Option<[u8; 16]> = connection
        .prepare_cached("SELECT content FROM blobs WHERE hash = ?1 AND damaged = 0 LIMIT 1")?
        .query_row((offer.hash,), |row| row.get(0))
        .optional()?;
    let content = earlier.map_or(blob, BlobId);
    if content != blob {
        freed.contents.push(blob);
    }
    connection
        .prepare_cached(
            "INSERT INTO blobs (pos, id, content, hash, size, account)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            position as i64,
            blob.0,
            content.0,
            offer.hash,
            offer.size as i64,
            from.0 as i64,
        ])?;
    if earlier.is_none() {
        heal(connection, content, &offer.hash, freed)?;
    }
    Ok(())
}

/// Puts a content in the place of damaged ones that were the same.
fn heal(
    connection: &Connection,
    content: BlobId,
    hash: &[u8; 32],
    freed: &mut Freed,
) -> rusqlite::Result<()> {
    let mut damaged = connection
        .prepare_cached("SELECT DISTINCT content FROM blobs WHERE hash = ?1 AND damaged = 1")?;
    for gone in damaged.query_map((hash,), |row| row.get(0))? {
        freed.contents.push(BlobId(gone?));
    }
    connection
        .prepare_cached(
            "UPDATE blobs SET content = ?1, damaged = 0 WHERE hash = ?2 AND damaged = 1",
        )?
        .execute((content.0, hash))?;
    Ok(())
}

/// The entry at this position names no blob any more.
pub(super) fn end(
    connection: &Connection,
    position: i64,
    freed: &mut Freed,
) -> rusqlite::Result<()> {
    let ended = connection
        .prepare_cached("DELETE FROM blobs WHERE pos = ?1 RETURNING content, size, account")?
        .query_row((position,), |row| {
            Ok((
                BlobId(row.get(0)?),
                number(row, 1)?,
                AccountId(number(row, 2)?),
            ))
        })
        .optional()?;
    let Some((content, size, account)) = ended else {
        return Ok(());
    };
    *freed.bytes.entry(account).or_default() += size;
    let is_named: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM blobs WHERE content = ?1)")?
        .query_row((content.0,), |row| row.get(0))?;
    if !is_named {
        freed.contents.push(content);
    }
    Ok(())
}

/// Where a blob is named: the position of the entry, and what holds the content.
pub(super) fn find(
    connection: &Connection,
    blob: BlobId,
) -> rusqlite::Result<Option<(i64, BlobId)>> {
    connection
        .prepare_cached("SELECT pos, content FROM blobs WHERE id = ?1")?
        .query_row((blob.0,), |row| Ok((row.get(0)?, BlobId(row.get(1)?))))
        .optional()
}

/// The blobs that hold contents which entries name.
pub(super) fn contents(connection: &Connection) -> rusqlite::Result<Vec<BlobId>> {
    connection
        .prepare("SELECT DISTINCT content FROM blobs ORDER BY content")?
        .query_map((), |row| Ok(BlobId(row.get(0)?)))?
        .collect()
}

pub(super) fn set_upload(
    connection: &Connection,
    upload: &PendingUpload,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO uploads
             (id, account, send_id, conversation, other, name, size, media_type, touched)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            upload.blob.0,
            upload.account.0 as i64,
            upload.id.0,
            upload.conversation.0,
            upload.other.map(|other| other.0 as i64),
            upload.name,
            upload.size as i64,
            upload.media_type,
            upload.touched.0 as i64,
        ])
}

pub(super) fn upload(row: &Row<'_>) -> rusqlite::Result<PendingUpload> {
    let other: Option<i64> = row.get(4)?;
    let size: i64 = row.get(6)?;
    Ok(PendingUpload {
        blob: BlobId(row.get(0)?),
        account: AccountId(number(row, 1)?),
        id: SendId(row.get(2)?),
        conversation: ConversationId(row.get(3)?),
        other: other.map(|other| AccountId(other as u64)),
        name: row.get(5)?,
        size: u64::try_from(size).map_err(|_| damaged(6, Type::Integer))?,
        media_type: row.get(7)?,
        touched: crate::model::UnixTime(number(row, 8)?),
    })
}
