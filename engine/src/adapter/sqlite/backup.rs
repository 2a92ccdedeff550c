//! Copies of a database in use, and what tells a restored copy from the original.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::{DATABASE, INSTANCE, schema};
use crate::adapter::folder;
use crate::error::Error;
use crate::port::{Fault, Random};

/// Writes a copy into a new folder.
///
/// `VACUUM INTO` on a connection of its own reads one state of the database while the writer goes on;
/// only the write-ahead log can't be cut back meanwhile. SQLite's backup interface would start again
/// at each write of another connection, or take turns with the appends on the writer's own. The copy
/// has its final name only once it is whole and on disk.
pub(super) fn copy(database: &Path, to: &Path) -> Result<(), Fault> {
    let failed = |error: Error| Fault::Io(error.to_string());
    let target = to.join(DATABASE);
    if target.exists() {
        return Err(Fault::Io(format!(
            "{} is there already; name a new folder for the backup",
            target.display()
        )));
    }
    folder::make(to).map_err(failed)?;
    let part = to.join("chat.db.part");
    let copy = || -> Result<(), Error> {
        let trouble = |error: std::io::Error| folder::local("write", &part, &error);
        // What an earlier attempt left; SQLite fills an empty file and leaves its mode alone.
        let file = folder::private()
            .truncate(true)
            .open(&part)
            .map_err(trouble)?;
        let connection = schema::open_reader(database).map_err(|e| schema::fault(database, &e))?;
        let name = part
            .to_str()
            .ok_or_else(|| folder::local("write", &part, &"the path is not Unicode"))?;
        connection
            .execute("VACUUM INTO ?1", (name,))
            .map_err(|error| schema::fault(&part, &error))?;
        file.sync_all()
            .and_then(|()| fs::rename(&part, &target))
            .and_then(|()| folder::sync(to))
            .map_err(trouble)
    };
    copy().map_err(|error| {
        let _ = fs::remove_file(&part);
        failed(error)
    })
}

/// Gives every conversation a new epoch if this database is not the run that this folder had: then it
/// is an older copy that was put back, and readers may hold positions that will be used again.
///
/// A backup holds the database alone. The file `instance` beside it names the run, and so does a row
/// of the database; a copy that is put into another folder or in place of the original finds no file,
/// or another name in it once the original went on. A copy of the whole folder, taken and put back
/// with other tools, can't be told from the original: this is why backups are made by this program.
pub(super) fn check_instance(
    connection: &mut Connection,
    folder: &Path,
    random: &mut dyn Random,
) -> Result<(), Error> {
    let path = folder.join(INSTANCE);
    let database = folder.join(DATABASE);
    let failed = |error| schema::fault(&database, &error);
    let stored: Vec<u8> = connection
        .query_row("SELECT instance FROM meta", (), |row| row.get(0))
        .map_err(failed)?;
    if !stored.is_empty() && fs::read(&path).ok().as_ref() == Some(&hex(&stored)) {
        return Ok(());
    }
    let mut instance = [0; 16];
    random.fill(&mut instance);
    let mut renew = |random: &mut dyn Random| -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        {
            let mut rooms = transaction.prepare("SELECT num FROM rooms")?;
            let mut update = transaction.prepare("UPDATE rooms SET epoch = ?2 WHERE num = ?1")?;
            let mut rows = rooms.query(())?;
            let mut numbers: Vec<i64> = Vec::new();
            while let Some(row) = rows.next()? {
                numbers.push(row.get(0)?);
            }
            for room in numbers {
                update.execute((room, random.number() as i64))?;
            }
            transaction.execute("UPDATE meta SET instance = ?1", (instance,))?;
        }
        transaction.commit()
    };
    renew(random).map_err(failed)?;
    // After a crash before this the next start finds another difference and renews again.
    folder::replace(&path, &hex(&instance)).map_err(|error| folder::local("write", &path, &error))
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.into_bytes()
}
