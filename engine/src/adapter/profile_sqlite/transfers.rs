//! Transfers of files that did not end.

use std::path::{Path, PathBuf};

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::{damaged, target, target_columns};
use crate::id::{BlobId, SendId};
use crate::port::{Errand, FileStamp, Part, SinkPlace, SourcePlace, TransferItem};

pub(super) fn put(connection: &Connection, item: &TransferItem) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO transfers
         (id, place, label, errand, target_kind, target, media_type, modified, path, name, size,
          blob, start, length, hash, boot, synced)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    let (id, order) = (item.id.0, item.order as i64);
    match &item.errand {
        Errand::Upload {
            target,
            source: SourcePlace::Path(path),
            name,
            media_type,
            stamp,
        } => {
            let (target_kind, target) = target_columns(target);
            put.execute(params![
                id,
                order,
                item.label,
                UPLOAD,
                target_kind,
                target,
                media_type,
                stamp.modified,
                path_bytes(path),
                name,
                stamp.size as i64,
                None::<Vec<u8>>,
                None::<i64>,
                None::<i64>,
                None::<Vec<u8>>,
                None::<String>,
                None::<i64>,
            ])
        }
        Errand::Download {
            blob,
            sink: sink @ (SinkPlace::File { .. } | SinkPlace::Folder(_)),
            start,
            length,
            part,
        } => {
            let part = part.as_ref();
            // A name is never empty.
            let (folder, name) = match sink {
                SinkPlace::File { folder, name } => (folder.as_path(), name.as_str()),
                SinkPlace::Folder(folder) => (folder.as_path(), ""),
                SinkPlace::Stream(_) => return Ok(()),
            };
            put.execute(params![
                id,
                order,
                item.label,
                DOWNLOAD,
                None::<u8>,
                None::<Vec<u8>>,
                None::<String>,
                None::<i64>,
                path_bytes(folder),
                name,
                part.map(|part| part.size as i64),
                blob.0,
                *start as i64,
                length.map(|length| length as i64),
                part.and_then(|part| part.hash),
                part.map(|part| &part.boot),
                part.map(|part| part.synced as i64),
            ])
        }
        // A stream of the application ends with it; nothing could go on.
        Errand::Upload { .. } | Errand::Download { .. } => return Ok(()),
    }
    .map(drop)
}

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<TransferItem>> {
    connection
        .prepare(
            "SELECT id, place, label, errand, target_kind, target, media_type, modified, path, name,
                    size, blob, start, length, hash, boot, synced
             FROM transfers ORDER BY place",
        )?
        .query_map((), item)?
        .collect()
}

fn item(row: &Row<'_>) -> rusqlite::Result<TransferItem> {
    let path = path(row.get(8)?);
    let name: String = row.get(9)?;
    let errand = match row.get(3)? {
        UPLOAD => {
            let target = target(row.get(4)?, row.get_ref(5)?.as_blob()?);
            Errand::Upload {
                target: target.ok_or_else(|| damaged(5, Type::Blob))?,
                source: SourcePlace::Path(path),
                name,
                media_type: row.get(6)?,
                stamp: FileStamp {
                    size: row.get::<_, i64>(10)? as u64,
                    modified: row.get(7)?,
                },
            }
        }
        DOWNLOAD => Errand::Download {
            blob: BlobId(row.get(11)?),
            sink: match name.is_empty() {
                true => SinkPlace::Folder(path),
                false => SinkPlace::File { folder: path, name },
            },
            start: row.get::<_, i64>(12)? as u64,
            length: row.get::<_, Option<i64>>(13)?.map(|length| length as u64),
            part: match row.get(15)? {
                None => None,
                Some(boot) => Some(Part {
                    hash: row.get(14)?,
                    size: row.get::<_, i64>(10)? as u64,
                    boot,
                    synced: row.get::<_, i64>(16)? as u64,
                }),
            },
        },
        _ => return Err(damaged(3, Type::Integer)),
    };
    Ok(TransferItem {
        id: SendId(row.get(0)?),
        order: row.get::<_, i64>(1)? as u64,
        label: row.get(2)?,
        errand,
    })
}

#[cfg(unix)]
fn path_bytes(path: &Path) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
}

#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> PathBuf {
    let path: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes);
    path.into()
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

const UPLOAD: u8 = 1;
const DOWNLOAD: u8 = 2;
