//! What holds for the store on disk.

use std::path::Path;
use std::sync::Arc;

use pollster::block_on;

use super::town::*;
use crate::adapter::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use crate::error::Error;
use crate::id::{Epoch, Seq};
use crate::limits;
use crate::model::Body;
use crate::port::{Committed, DirectoryChange, Fault, SpanUpdate, Store, Write};

fn epochs(store: &dyn Store) -> Vec<Epoch> {
    let rooms = block_on(store.load()).unwrap().rooms;
    rooms.iter().map(|room| room.epoch).collect()
}

fn open_with(folder: &Path, random: u8) -> Result<SqliteStore, Error> {
    SqliteStore::open(folder, SqliteOptions::default(), &mut Counting(random))
}

#[test]
fn everything_is_there_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(Arc::new(reopen(folder.path())));
    town.change(vec![
        DirectoryChange::AddAccount(account(ANN)),
        member(ANN, SpanUpdate::Open),
    ])
    .unwrap();
    let append = town.new_text(ANN, "a needle");
    town.put(append.clone());
    town.say(BOB, Body::reaction(Seq(1), "+"));
    assert_eq!(town.found("needle"), [1]);
    let second = town.new_text(ANN, "second needle");
    town.put(second.clone());
    let before = town.load();
    let read = town.read();
    // Dropped without being closed.
    drop(town);

    let mut town = Town::bare(Arc::new(reopen(folder.path())));
    let after = town.load();
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(town.read(), read);
    assert_eq!(town.found("needle"), [3, 1]);
    assert!(matches!(
        town.put(append),
        Committed::Duplicate { seq: Seq(1), .. }
    ));
    assert!(matches!(
        town.put(second),
        Committed::Duplicate { seq: Seq(3), .. }
    ));
    assert_eq!(town.text(ANN, "goes on"), Seq(4));
    block_on(town.store.close());
    drop(town);
    let town = Town::bare(Arc::new(reopen(folder.path())));
    assert_eq!(town.read().len(), 4);
}

#[test]
fn a_crash_with_a_full_queue_keeps_a_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(Arc::new(reopen(folder.path())));
    let mut writes = Vec::new();
    for _ in 0..5 * limits::APPEND_BATCH {
        writes.push(Write::Append(town.new_text(ANN, "x")));
    }
    town.submit(writes);
    let told = block_on(town.store.next()).len();
    drop(town);
    let town = Town::bare(Arc::new(reopen(folder.path())));
    let read = block_on(town.store.read(ROOM, Seq(0), 10_000, PLENTY * 10)).unwrap();
    assert!(read.len() >= told, "what was told is there");
    let head = town.load().rooms[0].head;
    assert_eq!(read.last().unwrap().seq, head);
    assert_eq!(read.len() as u64, head.0, "without gaps");
}

#[test]
fn trimmed_ids_are_remembered_over_a_restart_and_positions_are_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(Arc::new(reopen(folder.path())));
    let append = town.new_text(ANN, "a needle");
    town.put(append.clone());
    let later = town.new_text(BOB, "a second needle");
    assert_eq!(town.found("needle"), [1]);
    town.trim(0);
    drop(town);
    let mut town = Town::bare(Arc::new(reopen(folder.path())));
    assert!(matches!(
        town.put(append),
        Committed::Duplicate { seq: Seq(1), .. }
    ));
    assert_eq!(placed(&town.put(later)).0, Seq(2));
    assert_eq!(town.found("needle"), [2]);
}

#[test]
fn ids_that_nobody_may_use_any_more_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(Arc::new(reopen(folder.path())));
    let mut old = town.new_text(ANN, "old");
    let long_ago = old.time - limits::SEND_ID_MEMORY - std::time::Duration::from_secs(1);
    old.id = crate::id::SendId::new(long_ago, [1; 10]);
    town.put(old.clone());
    assert!(matches!(town.put(old.clone()), Committed::Duplicate { .. }));
    town.trim(0);
    assert_eq!(block_on(town.store.lookup(ANN, old.id)), Ok(None));
}

#[test]
fn a_large_log_is_trimmed_in_steps_while_appends_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(Arc::new(reopen(folder.path())));
    let count = 3 * limits::TRIM_BATCH + 7;
    let mut writes = Vec::new();
    for _ in 0..count {
        writes.push(Write::Append(town.new_text(ANN, "x")));
    }
    town.write(writes);
    town.trim(5);
    let told = block_on(town.store.next());
    let firsts: Vec<Seq> = told
        .iter()
        .map(|told| match told {
            Committed::Trimmed { first, .. } => *first,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(firsts.len() >= 4 && firsts.is_sorted(), "{firsts:?}");
    assert_eq!(firsts.last(), Some(&Seq(count as u64 - 4)));
    assert_eq!(town.read().len(), 5);
}

#[test]
fn a_full_disk_fails_writes_in_order_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(reopen(folder.path()));
    let mut town = Town::new(store.clone());
    let text = "x".repeat(limits::TEXT_BYTES);
    town.text(ANN, "fits");
    let size = folder.path().join("chat.db").metadata().unwrap().len();
    // Not a whole number of texts: what is left over takes a small one.
    store.limit_size(Some(size + 272 * 1024));
    let mut writes = Vec::new();
    for _ in 0..100 {
        writes.push(Write::Append(town.new_text(ANN, &text)));
    }
    let mut elsewhere = town.new_text(ANN, "small");
    elsewhere.conversation = OTHER;
    writes.push(Write::Append(elsewhere));
    let outcomes = town.write(writes.clone());
    let kept = outcomes
        .iter()
        .take_while(|told| matches!(told, Committed::Entry { .. }))
        .count();
    assert!((1..100).contains(&kept), "{kept} fit");
    assert!(matches!(fault(&outcomes[kept]), Fault::Full(_)));
    for told in &outcomes[kept + 1..100] {
        assert_eq!(fault(told), &Fault::AfterFailed, "none may overtake it");
    }
    assert!(
        matches!(&outcomes[100], Committed::Entry { entry, .. } if entry.conversation == OTHER),
        "what fits is not lost with what does not: {:?}",
        outcomes[100]
    );
    // There is room again, and the same writes pass, in the same order.
    store.limit_size(None);
    let outcomes = town.write(writes);
    for (index, told) in outcomes[..100].iter().enumerate() {
        let want = Seq(index as u64 + 2);
        match told {
            Committed::Duplicate { seq, .. } => assert_eq!((*seq, index < kept), (want, true)),
            told => assert_eq!(placed(told).0, want),
        }
    }
    assert!(matches!(outcomes[100], Committed::Duplicate { .. }));
    let head = town.load().rooms[0].head;
    assert_eq!(head, Seq(101));
}

#[test]
fn what_was_submitted_before_the_failure_was_known_fails_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(reopen(folder.path()));
    let mut town = Town::new(store.clone());
    let size = folder.path().join("chat.db").metadata().unwrap().len();
    store.limit_size(Some(size));
    let large = town.new_text(ANN, &"x".repeat(60_000));
    town.submit(vec![Write::Append(large.clone())]);
    // The failure waits in the tail: a search is answered after the writer went over it.
    town.found("anything");
    store.limit_size(None);
    let small = town.new_text(ANN, "small");
    town.submit(vec![Write::Append(small.clone())]);
    let outcomes = town.outcomes(2);
    assert!(
        matches!(fault(&outcomes[0]), Fault::Full(_)),
        "{outcomes:?}"
    );
    assert_eq!(fault(&outcomes[1]), &Fault::AfterFailed);
    // Now it is known.
    assert_eq!(placed(&town.put(large)).0, Seq(1));
    assert_eq!(placed(&town.put(small)).0, Seq(2));
}

#[test]
fn a_backup_is_whole_and_gets_new_epochs_where_it_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy, second) = (
        folder.path().join("data"),
        folder.path().join("copy"),
        folder.path().join("second"),
    );
    let mut town = Town::new(Arc::new(open_with(&data, 10).unwrap()));
    town.text(ANN, "a needle");
    town.found("needle");
    let old = epochs(&*town.store);
    // Positions are worth something within one run only.
    let run = |store: &dyn Store| block_on(store.since(u64::MAX, 0, 0)).unwrap().run;
    let old_run = run(&*town.store);
    // While it is written the log goes on.
    let store = town.store.clone();
    let backup = store.backup(copy.clone());
    let more: Vec<Write> = (0..500)
        .map(|_| Write::Append(town.new_text(ANN, "more")))
        .collect();
    let count = more.len();
    town.submit(more);
    block_on(backup).unwrap();
    town.outcomes(count);
    let again = block_on(store.backup(copy.clone()))
        .unwrap_err()
        .to_string();
    assert!(again.contains("is there already"), "{again}");
    drop((town, store));
    let restarted = open_with(&data, 20).unwrap();
    assert_eq!(epochs(&restarted), old, "a restart changes nothing");
    assert_eq!(run(&restarted), old_run);
    drop(restarted);

    let mut town = Town::bare(Arc::new(open_with(&copy, 30).unwrap()));
    let new = epochs(&*town.store);
    assert_ne!(run(&*town.store), old_run);
    assert!(
        new.iter().all(|epoch| !old.contains(epoch)),
        "{new:?} after {old:?}"
    );
    assert_eq!(town.found("needle"), [1]);
    let read = town.read();
    let head = town.load().rooms[0].head;
    assert_eq!(read.len() as u64, head.0);
    town.text(ANN, "goes on");
    block_on(town.store.backup(second.clone())).unwrap();
    drop(town);
    assert_eq!(
        epochs(&open_with(&copy, 40).unwrap()),
        new,
        "it is a run of its own now"
    );

    // Put back over the original, whose file still names the old run.
    for file in ["chat.db", "chat.db-wal", "chat.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    std::fs::copy(second.join("chat.db"), data.join("chat.db")).unwrap();
    let restored = epochs(&open_with(&data, 50).unwrap());
    assert!(
        restored
            .iter()
            .all(|epoch| !old.contains(epoch) && !new.contains(epoch))
    );
}

#[test]
fn the_second_opener_is_told_who_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_with(folder.path(), 0).unwrap();
    let Err(Error::InUse { pid, .. }) = open_with(folder.path(), 0) else {
        panic!("two hold it");
    };
    assert_eq!(pid, Some(std::process::id()));
    block_on(crate::port::Log::close(&store));
    open_with(folder.path(), 0).unwrap();
}

#[test]
fn what_can_not_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    std::fs::write(
        &path,
        "no database, but longer than the header of one would be, for sure.....",
    )
    .unwrap();
    let error = open_with(folder.path(), 0).unwrap_err().to_string();
    assert!(
        error.contains("is not a database of this program"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    drop(open_with(folder.path(), 0).unwrap());
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    assert!(matches!(open_with(folder.path(), 0), Err(Error::TooNew(_))));
}

#[test]
#[cfg(unix)]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let mut town = Town::new(Arc::new(open_with(&data, 0).unwrap()));
    town.text(ANN, "x");
    block_on(town.store.backup(copy.clone())).unwrap();
    for place in [&data, &copy] {
        assert_eq!(
            place.metadata().unwrap().permissions().mode() & 0o777,
            0o700
        );
        for file in std::fs::read_dir(place).unwrap().map(Result::unwrap) {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file:?}");
        }
    }
    assert!(data.join("instance").exists() && !copy.join("instance").exists());
}

#[test]
fn a_dropped_future_of_the_tail_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(Arc::new(reopen(folder.path())));
    let store = town.store.clone();
    for _ in 0..50 {
        let waiting = store.next();
        let append = town.new_text(ANN, "x");
        drop(block_on(futures_lite::future::poll_once(waiting)));
        town.submit(vec![Write::Append(append)]);
        let one = town.outcomes(1);
        placed(&one[0]);
    }
}

#[test]
fn a_store_without_sync_says_that_it_is_not_durable() {
    let folder = tempfile::tempdir().unwrap();
    let durable = |store: &dyn Store| store.is_durable();
    assert!(!durable(&reopen(folder.path())));
    let options = SqliteOptions {
        synchronous: Synchronous::Full,
        max_bytes: None,
    };
    let store = SqliteStore::open(folder.path(), options, &mut Counting(9)).unwrap();
    assert!(durable(&store));
}
