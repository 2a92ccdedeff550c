//! Accounts, devices, rooms, members, cursors, invites.

use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Params, Row, params};

use super::append::Ledger;
use super::blobs;
use super::row::{self, account_name, damaged, number, seq};
use crate::adapter::rules;
use crate::id::{AccountId, ConversationId, DeviceId, Epoch};
use crate::model::{
    Account, Cursor, Device, History, Invite, Member, Rights, Role, Room, RoomName, Standing,
    UnixTime,
};
use crate::port::{DirectoryChange, Fault, MemberUpdate, Snapshot};

/// Applies one change inside the writer's transaction. `entry_in` is the conversation whose next
/// entry it comes with.
pub(super) fn apply(
    connection: &Connection,
    ledger: &mut Ledger,
    change: &DirectoryChange,
    entry_in: Option<ConversationId>,
) -> rusqlite::Result<Result<(), Fault>> {
    match change {
        DirectoryChange::AddAccount(account) => taken(connection.prepare_cached(
            "INSERT INTO accounts (id, name, verifier, rights, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?.execute(params![
            account.id.0 as i64,
            account.name.as_str(),
            account.verifier,
            account.rights as u8,
            account.created.0 as i64,
        ])),
        DirectoryChange::SetVerifier(account, verifier) => done(run(connection, "UPDATE accounts SET verifier = ?2 WHERE id = ?1", (account.0 as i64, verifier.as_deref()))),
        DirectoryChange::SetRights(account, rights) => done(run(connection, "UPDATE accounts SET rights = ?2 WHERE id = ?1", (account.0 as i64, *rights as u8))),
        DirectoryChange::RemoveAccount(account) => {
            for sql in [
                "DELETE FROM devices WHERE account = ?1",
                "DELETE FROM members WHERE account = ?1",
                "DELETE FROM cursors WHERE account = ?1",
                "DELETE FROM mentions WHERE account = ?1",
                "DELETE FROM uploads WHERE account = ?1",
                "DELETE FROM accounts WHERE id = ?1",
            ] {
                run(connection, sql, (account.0 as i64,))?;
            }
            Ok(Ok(()))
        }
        DirectoryChange::AddDevice(device) => taken(connection.prepare_cached(
            "INSERT INTO devices (id, account, key, name, created, seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?.execute(params![
            device.id.0 as i64,
            device.account.0 as i64,
            device.key,
            device.name,
            device.created.0 as i64,
            device.seen.0 as i64,
        ])),
        DirectoryChange::SeeDevice(device, date) => done(run(connection, "UPDATE devices SET seen = ?2 WHERE id = ?1", (device.0 as i64, date.0 as i64))),
        DirectoryChange::RemoveDevice(device) => {
            done(run(connection, "DELETE FROM devices WHERE id = ?1", (device.0 as i64,)))
        }
        DirectoryChange::AddRoom(room) => add_room(connection, ledger, room),
        DirectoryChange::SetTopic(conversation, topic) => {
            let Some(head) = ledger.head(connection, *conversation)? else {
                return Ok(Err(Fault::NoConversation));
            };
            done(run(connection, "UPDATE rooms SET topic = ?2 WHERE num = ?1", (head.num, topic.as_str())))
        }
        DirectoryChange::SetMember(update) => set_member(connection, ledger, update, entry_in),
        DirectoryChange::Mention(conversation, account) => {
            let Some(head) = ledger.head(connection, *conversation)? else {
                return Ok(Err(Fault::NoConversation));
            };
            done(run(
                connection,
                "INSERT OR IGNORE INTO mentions (room, account, seq) VALUES (?1, ?2, ?3)",
                (head.num, account.0 as i64, head.seq.next().0 as i64),
            ))
        }
        DirectoryChange::SetCursor(conversation, account, cursor) => {
            let Some(head) = ledger.head(connection, *conversation)? else {
                return Ok(Err(Fault::NoConversation));
            };
            connection
                .prepare_cached(
                    "INSERT INTO cursors (room, account, delivered, read, read_counted)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET delivered = ?3, read = ?4, read_counted = ?5",
                )?
                .execute(params![
                    head.num,
                    account.0 as i64,
                    cursor.delivered.0 as i64,
                    cursor.read.0 as i64,
                    cursor.read_counted as i64,
                ])?;
            done(run(
                connection,
                "DELETE FROM mentions WHERE room = ?1 AND account = ?2 AND seq <= ?3",
                (head.num, account.0 as i64, cursor.read.0 as i64),
            ))
        }
        DirectoryChange::AddInvite(invite) => taken(connection.prepare_cached(
            "INSERT INTO invites (hash, uses, expires) VALUES (?1, ?2, ?3)",
        )?.execute(params![
            invite.hash,
            invite.uses,
            invite.expires.0 as i64,
        ])),
        DirectoryChange::UseInvite(hash, date) => use_invite(connection, hash, *date),
        DirectoryChange::SetUpload(upload) => done(blobs::set_upload(connection, upload)),
        DirectoryChange::RemoveUpload(blob) => {
            done(run(connection, "DELETE FROM uploads WHERE id = ?1", (blob.0,)))
        }
        DirectoryChange::Distrust(content) => {
            done(run(connection, "UPDATE blobs SET damaged = 1 WHERE content = ?1", (content.0,)))
        }
    }
}

/// Everything, in one read transaction.
pub(super) fn load(connection: &mut Connection) -> rusqlite::Result<Snapshot> {
    let transaction = connection.transaction()?;
    let accounts = list(
        &transaction,
        "SELECT id, name, verifier, rights, created FROM accounts ORDER BY id",
        |row| {
            Ok(Account {
                id: AccountId(number(row, 0)?),
                name: account_name(row, 1)?,
                verifier: row.get(2)?,
                rights: match row.get(3)? {
                    1_u8 => Rights::User,
                    2 => Rights::Admin,
                    _ => return Err(damaged(3, Type::Integer)),
                },
                created: UnixTime(number(row, 4)?),
            })
        },
    )?;
    let devices = list(
        &transaction,
        "SELECT id, account, key, name, created, seen FROM devices ORDER BY id",
        |row| {
            Ok(Device {
                id: DeviceId(number(row, 0)?),
                account: AccountId(number(row, 1)?),
                key: row.get(2)?,
                name: row.get(3)?,
                created: UnixTime(number(row, 4)?),
                seen: UnixTime(number(row, 5)?),
            })
        },
    )?;
    let rooms = list(
        &transaction,
        "SELECT id, name, public, history, topic, epoch, head, first, counted FROM rooms
         ORDER BY num",
        |row| {
            let name: Option<String> = row.get(1)?;
            let named =
                name.map(|name| RoomName::stored(&name).ok_or_else(|| damaged(1, Type::Text)));
            Ok(Room {
                id: ConversationId(row.get(0)?),
                name: named.transpose()?,
                public: row.get(2)?,
                history: match row.get(3)? {
                    1_u8 => History::All,
                    2 => History::SinceJoin,
                    _ => return Err(damaged(3, Type::Integer)),
                },
                topic: row.get(4)?,
                epoch: Epoch(number(row, 5)?),
                head: seq(row, 6)?,
                first: seq(row, 7)?,
                counted: number(row, 8)?,
            })
        },
    )?;
    let members = list(
        &transaction,
        "SELECT id, account, standing, role, muted_until, spans
         FROM members JOIN rooms ON num = room",
        |row| {
            Ok(Member {
                conversation: ConversationId(row.get(0)?),
                account: AccountId(number(row, 1)?),
                standing: match row.get(2)? {
                    1_u8 => Standing::In,
                    2 => Standing::Out,
                    3 => Standing::Invited,
                    4 => Standing::Banned,
                    _ => return Err(damaged(2, Type::Integer)),
                },
                role: Role::from_number(row.get(3)?).ok_or_else(|| damaged(3, Type::Integer))?,
                muted_until: UnixTime(number(row, 4)?),
                spans: row::spans(row, 5)?,
            })
        },
    )?;
    let cursors = list(
        &transaction,
        "SELECT id, account, delivered, read, read_counted
         FROM cursors JOIN rooms ON num = room",
        |row| {
            let cursor = Cursor {
                delivered: seq(row, 2)?,
                read: seq(row, 3)?,
                read_counted: number(row, 4)?,
            };
            Ok((
                ConversationId(row.get(0)?),
                AccountId(number(row, 1)?),
                cursor,
            ))
        },
    )?;
    let mentions = list(
        &transaction,
        "SELECT id, account, seq FROM mentions JOIN rooms ON num = room ORDER BY room, account, seq",
        |row| {
            Ok((
                ConversationId(row.get(0)?),
                AccountId(number(row, 1)?),
                seq(row, 2)?,
            ))
        },
    )?;
    let invites = list(
        &transaction,
        "SELECT hash, uses, expires FROM invites WHERE uses > 0 ORDER BY hash",
        |row| {
            Ok(Invite {
                hash: row.get(0)?,
                uses: row.get(1)?,
                expires: UnixTime(number(row, 2)?),
            })
        },
    )?;
    let uploads = list(
        &transaction,
        "SELECT id, account, send_id, conversation, other, name, size, media_type, touched
         FROM uploads ORDER BY id",
        blobs::upload,
    )?;
    let stored = list(
        &transaction,
        "SELECT account, sum(size) FROM blobs GROUP BY account",
        |row| Ok((AccountId(number(row, 0)?), number(row, 1)?)),
    )?;
    Ok(Snapshot {
        accounts,
        devices,
        rooms,
        members,
        cursors,
        mentions,
        invites,
        uploads,
        stored,
    })
}

fn list<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map((), read)?.collect()
}

fn add_room(
    connection: &Connection,
    ledger: &mut Ledger,
    room: &Room,
) -> rusqlite::Result<Result<(), Fault>> {
    // Two first entries of a direct conversation crossed: the first one made it.
    if room.name.is_none() && ledger.head(connection, room.id)?.is_some() {
        return Ok(Ok(()));
    }
    taken(
        connection
            .prepare_cached(
                "INSERT INTO rooms (id, name, public, history, topic, epoch, head, first, counted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                room.id.0,
                room.name.as_ref().map(RoomName::as_str),
                room.public,
                room.history as u8,
                room.topic,
                room.epoch.0 as i64,
                room.head.0 as i64,
                // There are no entries yet.
                room.head.next().0 as i64,
                room.counted as i64,
            ]),
    )
}

fn set_member(
    connection: &Connection,
    ledger: &mut Ledger,
    update: &MemberUpdate,
    entry_in: Option<ConversationId>,
) -> rusqlite::Result<Result<(), Fault>> {
    let Some(head) = ledger.head(connection, update.conversation)? else {
        return Ok(Err(Fault::NoConversation));
    };
    let account = update.account.0 as i64;
    let mut spans = connection
        .prepare_cached("SELECT spans FROM members WHERE room = ?1 AND account = ?2")?
        .query_row((head.num, account), |row| row::spans(row, 0))
        .optional()?
        .unwrap_or_default();
    let has_entry = entry_in == Some(update.conversation);
    if rules::update_spans(&mut spans, update.span, head.seq, has_entry) {
        run(
            connection,
            "DELETE FROM mentions WHERE room = ?1 AND account = ?2",
            (head.num, account),
        )?;
    }
    connection
        .prepare_cached(
            "INSERT INTO members (room, account, standing, role, muted_until, spans)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE
                 SET standing = ?3, role = ?4, muted_until = ?5, spans = ?6",
        )?
        .execute(params![
            head.num,
            account,
            update.standing as u8,
            update.role as u8,
            update.muted_until.0 as i64,
            row::encode_spans(&spans),
        ])?;
    Ok(Ok(()))
}

fn use_invite(
    connection: &Connection,
    hash: &[u8; 32],
    date: UnixTime,
) -> rusqlite::Result<Result<(), Fault>> {
    // Dates beyond the signed range mean "for ever" and are negative here.
    let used = connection
        .prepare_cached(
            "UPDATE invites SET uses = uses - 1
             WHERE hash = ?1 AND uses > 0 AND (expires >= ?2 OR expires < 0)",
        )?
        .execute(params![hash, date.0 as i64])?;
    if used == 0 {
        return Ok(Err(Fault::Taken));
    }
    connection
        .prepare_cached("DELETE FROM invites WHERE hash = ?1 AND uses = 0")?
        .execute((hash,))?;
    Ok(Ok(()))
}

fn run(connection: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(values)
}

fn done(result: rusqlite::Result<usize>) -> rusqlite::Result<Result<(), Fault>> {
    result.map(|_| Ok(()))
}

/// What is unique and there already is a decision, and not the disk's fault.
fn taken(result: rusqlite::Result<usize>) -> rusqlite::Result<Result<(), Fault>> {
    match result {
        Ok(_) => Ok(Ok(())),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Ok(Err(Fault::Taken))
        }
        Err(error) => Err(error),
    }
}
