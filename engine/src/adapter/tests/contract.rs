//! The contract of a store.

use std::time::Duration;

use pollster::block_on;

use super::town::*;
use crate::id::{AccountId, BlobId, DeviceId, SendId, Seq, Ticket};
use crate::limits;
use crate::model::{
    Body, Cursor, FileOffer, HistoryFrom, Invite, Kind, PendingUpload, Rights, Role, Room,
    Standing, UnixTime,
};
use crate::port::{Committed, DirectoryChange, Fault, MemberUpdate, SpanUpdate, Write};

/// Makes each function a test of every adapter.
macro_rules! contract {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() {
                let (store, _place) = super::memory();
                super::$name(store);
            })*
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[test] fn $name() {
                let (store, _place) = super::sqlite();
                super::$name(store);
            })*
        }
    };
}

contract! {
    entries_stand_in_order_and_know_the_one_before
    a_send_id_is_appended_once_and_only_for_its_sender
    an_expected_head_decides
    refusals_hold_nothing_up
    what_may_refer_to_what
    a_redaction_takes_text_and_edits_away
    a_history_folds_edits_and_reactions
    a_history_pages_in_both_ways_and_stays_in_its_stretches
    a_page_is_bounded_in_bytes
    a_search_finds_all_words_and_what_is_current
    a_search_survives_any_text
    a_search_pages_from_new_to_old
    a_trim_cuts_beginnings_and_remembers_ids
    a_trim_by_age_stops_at_the_first_young_entry
    the_counter_is_known_at_every_place
    all_logs_are_read_in_the_order_of_appending
    a_directory_comes_back
    what_is_unique_stays_so
    changes_happen_all_or_none
    members_get_stretches_from_entries
    mentions_stay_until_they_are_read
    two_first_entries_of_a_direct_conversation_may_cross
    a_closed_store_takes_nothing
    reads_of_unknown_conversations_fail
    a_blob_is_named_as_long_as_its_entry_is_there
    the_same_content_is_named_once_and_a_damaged_one_replaced
    uploads_are_remembered_until_they_are_entries
}

type Given = std::sync::Arc<dyn crate::port::Store>;

fn entries_stand_in_order_and_know_the_one_before(store: Given) {
    let mut town = Town::new(store);
    let mut writes = Vec::new();
    for number in 0..3 * limits::APPEND_BATCH {
        writes.push(Write::Append(
            town.append(ANN, Body::text(&number.to_string(), None)),
        ));
    }
    let first = town.submit(writes);
    let outcomes = town.outcomes(3 * limits::APPEND_BATCH);
    for (index, told) in outcomes.iter().enumerate() {
        let Committed::Entry {
            ticket,
            entry,
            counted,
            ..
        } = told
        else {
            panic!("{told:?}");
        };
        let number = index as u64;
        assert_eq!(*ticket, Some(Ticket(first + number)));
        assert_eq!((entry.seq, entry.prev), (Seq(number + 1), Seq(number)));
        assert_eq!(*counted, number + 1);
        assert_eq!(entry.body.data, number.to_string().as_bytes());
    }
    let read = block_on(town.store.read(ROOM, Seq(1000), 2, PLENTY)).unwrap();
    assert_eq!(read.len(), 2);
    let Committed::Entry { entry, .. } = &outcomes[1000] else {
        unreachable!();
    };
    assert_eq!(&read[0], entry, "what is read is what was told");
    let one = block_on(town.store.read(ROOM, Seq(0), 10, 1)).unwrap();
    assert_eq!(one.len(), 1, "at least one, whatever its size");
}

fn a_send_id_is_appended_once_and_only_for_its_sender(store: Given) {
    let mut town = Town::new(store);
    let append = town.append(ANN, Body::text("once", None));
    let mut elsewhere = append.clone();
    elsewhere.conversation = OTHER;
    let mut with_changes = append.clone();
    with_changes.expect = Some(Seq(99));
    with_changes.changes = vec![DirectoryChange::SetTopic(ROOM, "no".to_owned())];
    let mut by_bob = append.clone();
    by_bob.from = BOB;
    // The same id three times in one batch, and by somebody else.
    let batch = [&append, &append, &elsewhere, &with_changes, &by_bob];
    let outcomes = town.write(batch.map(|append| Write::Append(append.clone())).into());
    assert_eq!(placed(&outcomes[0]).0, Seq(1));
    for told in &outcomes[1..4] {
        let Committed::Duplicate {
            conversation, seq, ..
        } = told
        else {
            panic!("{told:?}");
        };
        assert_eq!((*conversation, *seq), (ROOM, Seq(1)));
    }
    assert_eq!(placed(&outcomes[4]).0, Seq(2));
    assert_eq!(
        block_on(town.store.lookup(ANN, append.id)),
        Ok(Some((ROOM, Seq(1))))
    );
    assert_eq!(block_on(town.store.lookup(CYD, append.id)), Ok(None));
    let rooms = block_on(town.store.load()).unwrap().rooms;
    assert_eq!(rooms[0].topic, "", "a duplicate changes nothing");
}

fn an_expected_head_decides(store: Given) {
    let mut town = Town::new(store);
    town.text(ANN, "one");
    let mut late = town.append(ANN, Body::topic("late"));
    late.expect = Some(Seq(0));
    assert_eq!(
        fault(&town.put(late.clone())),
        &Fault::Conflict { head: Seq(1) }
    );
    late.expect = Some(Seq(1));
    assert_eq!(placed(&town.put(late)), (Seq(2), 1));
}

fn all_logs_are_read_in_the_order_of_appending(store: Given) {
    let mut town = Town::new(store);
    let since = |town: &Town, after, entries, bytes| {
        block_on(town.store.since(after, entries, bytes)).unwrap()
    };
    let empty = since(&town, 0, 10, PLENTY);
    assert!(empty.items.is_empty());
    let mut writes = Vec::new();
    for number in 0..6 {
        let mut append = town.append(ANN, Body::text(&number.to_string(), None));
        append.conversation = if number % 2 == 0 { ROOM } else { OTHER };
        writes.push(Write::Append(append));
    }
    town.write(writes);
    let texts = |page: &crate::port::LogPage| -> Vec<String> {
        let items = page.items.iter();
        items
            .map(|item| {
                let room = item.room.as_ref().unwrap();
                let text = String::from_utf8_lossy(&item.entry.body.data);
                format!("{room} {text}")
            })
            .collect()
    };
    let page = since(&town, 0, 4, PLENTY);
    assert_eq!(texts(&page), ["lobby 0", "other 1", "lobby 2", "other 3"]);
    assert!(page.items.is_sorted_by_key(|item| item.pos));
    assert_eq!(page.next, page.items[3].pos);
    let rest = since(&town, page.next, 4, PLENTY);
    assert_eq!(texts(&rest), ["lobby 4", "other 5"]);
    assert_eq!((rest.next, rest.run), (rest.end, page.run));
    assert_eq!(
        since(&town, 0, 10, 1).items.len(),
        1,
        "at least one, whatever its size"
    );
    // A cursor from elsewhere finds nothing, and learns where the end is.
    let beyond = since(&town, u64::MAX, 0, 0);
    assert_eq!(
        (beyond.items.len(), beyond.next, beyond.end),
        (0, rest.end, rest.end)
    );
    // What retention cut is passed over, and no position comes twice.
    block_on(town.store.trim(None, Some(1))).unwrap();
    town.outcomes(2);
    assert_eq!(texts(&since(&town, 0, 10, PLENTY)), ["lobby 4", "other 5"]);
    block_on(town.store.trim(None, Some(0))).unwrap();
    town.outcomes(2);
    assert!(since(&town, 0, 10, PLENTY).items.is_empty());
    let append = town.append(ANN, Body::text("new", None));
    town.write(vec![Write::Append(append)]);
    let page = since(&town, rest.end, 10, PLENTY);
    assert_eq!(texts(&page), ["lobby new"]);
    assert!(page.items[0].pos > rest.end);
}

fn refusals_hold_nothing_up(store: Given) {
    let mut town = Town::new(store);
    let mut conflict = town.append(ANN, Body::text("no", None));
    conflict.expect = Some(Seq(7));
    let mut nowhere = town.append(ANN, Body::text("no", None));
    nowhere.conversation = crate::id::ConversationId([9; 16]);
    let mut taken = town.append(ANN, Body::text("no", None));
    taken.changes = vec![DirectoryChange::AddRoom(room(OTHER, "other"))];
    let bad_edit = town.append(ANN, Body::edit(Seq(40), "no"));
    let good = town.append(ANN, Body::text("yes", None));
    let batch = [conflict, nowhere, taken, bad_edit, good];
    let outcomes = town.write(batch.map(Write::Append).into());
    let faults: Vec<&Fault> = outcomes[..4].iter().map(fault).collect();
    let head = Seq(0);
    assert_eq!(
        faults,
        [
            &Fault::Conflict { head },
            &Fault::NoConversation,
            &Fault::Taken,
            &Fault::NoTarget
        ]
    );
    assert_eq!(placed(&outcomes[4]), (Seq(1), 1));
}

fn what_may_refer_to_what(store: Given) {
    let mut town = Town::new(store);
    let text = town.text(ANN, "text");
    let topic = town.say(ANN, Body::topic("topic"));
    let reaction = town.say(BOB, Body::reaction(topic, "+"));
    let gone = town.text(ANN, "gone");
    town.say(ANN, Body::redaction(gone));
    let none = Err(Fault::NoTarget);
    let mut untargeted = Body::edit(text, "x");
    untargeted.target = None;
    let table = [
        (Body::edit(text, "new"), None, Ok(())),
        (Body::edit(text, "new"), Some(BOB), Err(Fault::NotAuthor)),
        (Body::edit(text, "new"), Some(ANN), Ok(())),
        (Body::edit(topic, "new"), None, none.clone()),
        (Body::edit(reaction, "new"), None, none.clone()),
        (Body::edit(gone, "new"), Some(BOB), none.clone()),
        (untargeted, None, none.clone()),
        (Body::redaction(topic), None, none.clone()),
        (Body::redaction(gone), None, none.clone()),
        (Body::redaction(Seq(0)), None, none.clone()),
        (Body::redaction(Seq(1000)), None, none.clone()),
        (Body::reaction(reaction, "+"), None, none.clone()),
        (Body::reaction(gone, "+"), None, none.clone()),
        (Body::reaction(text, "+"), None, Ok(())),
        (Body::text("reply", Some(gone)), None, Ok(())),
        (Body::text("reply", Some(Seq(0))), None, none.clone()),
        (Body::text("reply", Some(Seq(1000))), None, none),
        (Body::redaction(text), Some(ANN), Ok(())),
    ];
    for (body, by, want) in table {
        let mut append = town.append(CYD, body.clone());
        append.target_by = by;
        let told = match town.put(append) {
            Committed::Entry { .. } => Ok(()),
            Committed::Failed { fault, .. } => Err(fault),
            other => panic!("{other:?}"),
        };
        assert_eq!(told, want, "{body:?} by {by:?}");
    }
}

fn a_redaction_takes_text_and_edits_away(store: Given) {
    let mut town = Town::new(store);
    let before = town.text(ANN, "innocent");
    let text = town.text(ANN, "secret");
    let edit = town.say(ANN, Body::edit(text, "secret too"));
    assert_eq!(town.found("secret"), [text.0]);
    let counted = block_on(town.store.counted(ROOM, edit));
    town.say(BOB, Body::redaction(text));
    let read = town.read();
    let old = &read[text.0 as usize - 1];
    assert!(old.body.is_deleted() && old.body.data.is_empty());
    assert_eq!((old.body.kind, old.from, old.seq), (Kind::TEXT, ANN, text));
    let old_edit = &read[edit.0 as usize - 1];
    assert!(old_edit.body.is_deleted() && old_edit.body.data.is_empty());
    assert_eq!(old_edit.body.target, Some(text));
    assert_eq!(town.found("secret"), [0_u64; 0]);
    assert_eq!(town.found("innocent"), [before.0]);
    let (items, _) = town.history(HistoryFrom::End, 10);
    assert_eq!(seqs(&items), [before.0, text.0]);
    assert!(items[1].entry.body.is_deleted() && !items[1].edited);
    assert_eq!(block_on(town.store.counted(ROOM, edit)), counted);
}

fn a_history_folds_edits_and_reactions(store: Given) {
    let mut town = Town::new(store);
    let one = town.text(ANN, "one");
    let two = town.text(BOB, "two");
    town.say(ANN, Body::edit(one, "uno"));
    town.say(BOB, Body::reaction(one, "+"));
    town.say(CYD, Body::reaction(one, "+"));
    town.say(CYD, Body::reaction(one, "?"));
    let until = town.say(ANN, Body::edit(one, "eins"));
    town.say(CYD, Body::reaction(one, ""));
    town.say(ANN, Body::reaction(one, "!"));
    let (items, more) = town.history(HistoryFrom::End, 10);
    assert_eq!((seqs(&items), more), (vec![one.0, two.0], false));
    assert_eq!(items[0].entry.body.data, b"eins");
    assert!(items[0].edited && !items[1].edited);
    let told = |items: &[crate::model::HistoryItem]| -> Vec<String> {
        let reactions = items[0].reactions.iter();
        reactions
            .map(|r| {
                let names: Vec<&str> = r.accounts.iter().map(|name| name.as_str()).collect();
                format!("{} {}", r.emoji, names.join(" "))
            })
            .collect()
    };
    assert_eq!(told(&items), ["+ bob", "! ann"]);
    // Who may not see the later ones sees what held before.
    let (items, _) = town.seen_in(&[span(1, until.0 - 1)], HistoryFrom::End, 10);
    assert_eq!(items[0].entry.body.data, b"uno");
    assert_eq!(told(&items), ["+ bob cyd", "? cyd"]);
}

fn a_history_pages_in_both_ways_and_stays_in_its_stretches(store: Given) {
    let mut town = Town::new(store);
    for number in 1..=20 {
        let seq = town.text(ANN, &number.to_string());
        // Every other entry is no base entry.
        town.say(ANN, Body::reaction(seq, "+"));
    }
    let page = |from, limit| {
        let (items, more) = town.history(from, limit);
        (seqs(&items), more)
    };
    assert_eq!(page(HistoryFrom::End, 3), (vec![35, 37, 39], true));
    assert_eq!(
        page(HistoryFrom::Before(Seq(35)), 3),
        (vec![29, 31, 33], true)
    );
    assert_eq!(page(HistoryFrom::Before(Seq(7)), 3), (vec![1, 3, 5], false));
    assert_eq!(page(HistoryFrom::After(Seq(1)), 2), (vec![3, 5], true));
    assert_eq!(page(HistoryFrom::After(Seq(37)), 2), (vec![39], false));
    assert_eq!(page(HistoryFrom::After(Seq(39)), 2), (vec![], false));
    assert_eq!(
        page(HistoryFrom::Around(Seq(21)), 5),
        (vec![17, 19, 21, 23, 25], true)
    );
    assert_eq!(
        page(HistoryFrom::Around(Seq(1)), 4),
        (vec![1, 3, 5, 7], true)
    );
    assert!(!page(HistoryFrom::End, 20).1, "the page holds all of it");
    assert_eq!(page(HistoryFrom::End, 0).0, [0; 0]);
    let spans = [span(3, 6), span(11, 11), span(39, Seq::MAX.0)];
    let (items, more) = town.seen_in(&spans, HistoryFrom::End, 3);
    assert_eq!((seqs(&items), more), (vec![5, 11, 39], true));
    let (items, more) = town.seen_in(&spans, HistoryFrom::After(Seq(0)), 4);
    assert_eq!((seqs(&items), more), (vec![3, 5, 11, 39], false));
    assert_eq!(town.seen_in(&[], HistoryFrom::End, 3), (vec![], false));
}

fn a_page_is_bounded_in_bytes(store: Given) {
    let mut town = Town::new(store);
    for _ in 0..4 {
        town.text(ANN, &"x".repeat(1000));
    }
    let page = |bytes| {
        let page = town
            .store
            .history(ROOM, vec![EVERYTHING], HistoryFrom::End, 10, bytes);
        let (items, more) = block_on(page).unwrap();
        (seqs(&items), more)
    };
    assert_eq!(page(10), (vec![4], true));
    assert_eq!(page(2500), (vec![3, 4], true));
    assert_eq!(page(5000), (vec![1, 2, 3, 4], false));
    let read = block_on(town.store.read(ROOM, Seq(0), 10, 2500)).unwrap();
    assert_eq!(read.len(), 2);
}

fn a_search_finds_all_words_and_what_is_current(store: Given) {
    let mut town = Town::new(store);
    let first = town.text(ANN, "The quick brown Fox");
    let second = town.text(BOB, "a quick hedgehog");
    assert_eq!(town.found("QUICK"), [second.0, first.0]);
    assert_eq!(town.found("fox quick"), [first.0]);
    assert_eq!(
        town.found("quick hedge"),
        [second.0],
        "the last word may be a beginning"
    );
    assert_eq!(town.found("hedge quick"), [0_u64; 0], "the others may not");
    let edit = town.say(ANN, Body::edit(first, "The slow brown fox"));
    assert_eq!(town.found("fox quick"), [0_u64; 0]);
    assert_eq!(town.found("slow fox"), [first.0]);
    let old = [span(1, edit.0 - 1)];
    assert!(
        town.found_in(&old, "slow").is_empty(),
        "an edit after one left is not seen"
    );
    assert_eq!(town.found_in(&old, "fox quick"), [first.0]);
    assert_eq!(
        town.found_in(&[span(second.0, second.0)], "quick"),
        [second.0]
    );
}

fn a_search_survives_any_text(store: Given) {
    let mut town = Town::new(store);
    town.text(ANN, "plain AND text: \"quoted\" - 100% NEAR(x) *");
    for nasty in [
        "\"",
        "\"\"",
        "*",
        "a*b",
        "(",
        ")",
        "AND",
        "OR NOT",
        "NEAR(",
        "text:plain",
        "{text}",
        "-",
        "^plain",
        "plain\0text",
        "",
        " ",
        "\u{301}",
        "'; DROP TABLE entries; --",
        "😀",
        "+",
        "a:b:c",
    ] {
        // What is found does not matter, that it is no error does.
        town.found(nasty);
        town.found(&format!("plain {nasty}"));
    }
    assert_eq!(town.found("100% plain"), [1]);
    assert_eq!(town.found("plain quoted and"), [1]);
}

fn a_search_pages_from_new_to_old(store: Given) {
    let mut town = Town::new(store);
    for number in 0..10 {
        town.text(ANN, &format!("needle {number}"));
        let mut elsewhere = town.append(ANN, Body::text("needle there", None));
        elsewhere.conversation = OTHER;
        town.put(elsewhere);
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let places = vec![(ROOM, vec![span(3, 9)])];
        let page = town
            .store
            .search(places, "needle".to_owned(), cursor, 3, PLENTY);
        let page = block_on(page).unwrap();
        assert!(page.entries.len() == 3 || page.next.is_none());
        seen.extend(page.entries.iter().map(|entry| entry.seq.0));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3]);
}

fn a_trim_cuts_beginnings_and_remembers_ids(store: Given) {
    let mut town = Town::new(store);
    let first = town.append(ANN, Body::text("the first needle", None));
    town.put(first.clone());
    for _ in 0..4 {
        town.text(ANN, "another needle");
    }
    town.say(ANN, Body::reaction(Seq(2), "+"));
    block_on(town.store.trim(None, Some(2))).unwrap();
    let told = town.outcomes(1).remove(0);
    let Committed::Trimmed {
        conversation,
        first: left,
    } = told
    else {
        panic!("{told:?}");
    };
    assert_eq!((conversation, left), (ROOM, Seq(5)));
    assert_eq!(town.read()[0].seq, Seq(5));
    assert_eq!(town.read()[0].prev, Seq(4));
    assert_eq!(seqs(&town.history(HistoryFrom::End, 10).0), [5]);
    assert_eq!(town.found("needle"), [5]);
    assert_eq!(
        block_on(town.store.lookup(ANN, first.id)),
        Ok(Some((ROOM, Seq(1))))
    );
    assert!(matches!(
        town.put(first),
        Committed::Duplicate { seq: Seq(1), .. }
    ));
    let edit = town.append(ANN, Body::edit(Seq(1), "x"));
    assert_eq!(fault(&town.put(edit)), &Fault::NoTarget);
    // All of it can go; the head stays, and so does what was counted.
    block_on(town.store.trim(None, Some(0))).unwrap();
    town.outcomes(1);
    let rooms = block_on(town.store.load()).unwrap().rooms;
    let Room {
        head,
        first,
        counted,
        ..
    } = &rooms[0];
    assert_eq!((*head, *first, *counted), (Seq(6), Seq(7), 5));
    assert_eq!(town.history(HistoryFrom::End, 10), (vec![], false));
    assert_eq!(town.text(ANN, "a new needle"), Seq(7));
    assert_eq!(town.found("needle"), [7]);
    block_on(town.store.trim(None, Some(10))).unwrap();
    assert_eq!(town.text(ANN, "nothing was cut"), Seq(8));
}

fn a_trim_by_age_stops_at_the_first_young_entry(store: Given) {
    let mut town = Town::new(store);
    for age in [500, 400, 10, 300, 5] {
        let mut append = town.append(ANN, Body::text("x", None));
        append.time = append.time - Duration::from_secs(age);
        town.put(append);
    }
    block_on(town.store.trim(Some(Duration::from_secs(100)), None)).unwrap();
    let told = town.outcomes(1).remove(0);
    assert!(
        matches!(told, Committed::Trimmed { first: Seq(3), .. }),
        "{told:?}"
    );
    assert_eq!(town.read().len(), 3, "the old one behind a young one stays");
}

fn the_counter_is_known_at_every_place(store: Given) {
    let mut town = Town::new(store);
    let counted = |town: &Town, seq| block_on(town.store.counted(ROOM, Seq(seq))).unwrap();
    assert_eq!(counted(&town, 0), 0);
    let text = town.text(ANN, "1");
    town.say(ANN, Body::reaction(text, "+"));
    town.say(ANN, Body::topic("topic"));
    town.text(ANN, "2");
    town.text(ANN, "3");
    let all = |town: &Town| -> Vec<u64> { (0..=6).map(|seq| counted(town, seq)).collect() };
    assert_eq!(all(&town), [0, 1, 1, 1, 2, 3, 3]);
    block_on(town.store.trim(None, Some(2))).unwrap();
    assert_eq!(all(&town), [1, 1, 1, 1, 2, 3, 3]);
    block_on(town.store.trim(None, Some(0))).unwrap();
    assert_eq!(all(&town), [3, 3, 3, 3, 3, 3, 3]);
}

fn a_directory_comes_back(store: Given) {
    let mut town = Town::new(store);
    let invite = Invite {
        hash: [5; 32],
        uses: 2,
        expires: UnixTime(100),
    };
    let cursor = Cursor {
        delivered: Seq(4),
        read: Seq(3),
        read_counted: 2,
    };
    town.change(vec![
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddAccount(account(BOB)),
        DirectoryChange::AddDevice(device(1, ANN)),
        DirectoryChange::AddDevice(device(2, BOB)),
        DirectoryChange::AddDevice(device(3, BOB)),
        member(ANN, SpanUpdate::Keep),
        member(BOB, SpanUpdate::Open),
        DirectoryChange::SetCursor(ROOM, ANN, Cursor::default()),
        DirectoryChange::SetCursor(ROOM, ANN, cursor),
        DirectoryChange::SetCursor(ROOM, BOB, cursor),
        DirectoryChange::AddInvite(invite.clone()),
        DirectoryChange::SetTopic(ROOM, "chat".to_owned()),
        DirectoryChange::SetVerifier(ANN, None),
        DirectoryChange::SetRights(ANN, Rights::User),
        DirectoryChange::SeeDevice(DeviceId(2), UnixTime(50)),
        DirectoryChange::RemoveDevice(DeviceId(3)),
        DirectoryChange::UseInvite([5; 32], UnixTime(100)),
    ])
    .unwrap();
    let mut shot = block_on(town.store.load()).unwrap();
    shot.accounts.sort_by_key(|account| account.id);
    shot.devices.sort_by_key(|device| device.id);
    shot.members.sort_by_key(|member| member.account);
    shot.cursors.sort_by_key(|cursor| cursor.1);
    let mut ann = account(ANN);
    ann.verifier = None;
    ann.rights = Rights::User;
    assert_eq!(shot.accounts, [account(BOB), ann]);
    let mut seen = device(2, BOB);
    seen.seen = UnixTime(50);
    assert_eq!(shot.devices, [device(1, ANN), seen]);
    let mut lobby = room(ROOM, "lobby");
    lobby.topic = "chat".to_owned();
    assert_eq!(shot.rooms, [lobby, room(OTHER, "other")]);
    let spans: Vec<_> = shot
        .members
        .iter()
        .map(|member| member.spans.clone())
        .collect();
    assert_eq!(spans, [vec![span(1, Seq::MAX.0)], vec![]]);
    assert_eq!(shot.cursors, [(ROOM, BOB, cursor), (ROOM, ANN, cursor)]);
    assert_eq!(shot.invites, [Invite { uses: 1, ..invite }]);

    // An account goes with all that is its own, and its name is free.
    let mut again = account(CYD);
    again.name = name(BOB);
    town.change(vec![
        DirectoryChange::RemoveAccount(BOB),
        DirectoryChange::AddAccount(again.clone()),
        DirectoryChange::UseInvite([5; 32], UnixTime(0)),
    ])
    .unwrap();
    let shot = block_on(town.store.load()).unwrap();
    assert!(shot.accounts.contains(&again) && shot.accounts.len() == 2);
    assert_eq!(shot.devices, [device(1, ANN)]);
    assert_eq!(shot.members.len(), 1);
    assert_eq!(shot.cursors, [(ROOM, ANN, cursor)]);
    assert!(shot.invites.is_empty());
}

fn what_is_unique_stays_so(store: Given) {
    let mut town = Town::new(store);
    let invite = Invite {
        hash: [5; 32],
        uses: 1,
        expires: UnixTime(100),
    };
    let forever = Invite {
        hash: [6; 32],
        uses: 1,
        expires: UnixTime(u64::MAX),
    };
    town.change(vec![
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddDevice(device(1, ANN)),
        DirectoryChange::AddInvite(invite.clone()),
        DirectoryChange::AddInvite(forever),
    ])
    .unwrap();
    let mut same_name = account(BOB);
    same_name.name = name(ANN);
    let mut same_key = device(2, ANN);
    same_key.key = device(1, ANN).key;
    let mut same_room = room(crate::id::ConversationId([7; 16]), "lobby");
    for taken in [
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddAccount(same_name),
        DirectoryChange::AddDevice(same_key),
        DirectoryChange::AddRoom(same_room.clone()),
        DirectoryChange::AddRoom(room(ROOM, "lobby2")),
        DirectoryChange::AddInvite(invite),
        DirectoryChange::UseInvite([5; 32], UnixTime(101)),
        DirectoryChange::UseInvite([9; 32], UnixTime(1)),
    ] {
        assert_eq!(
            town.change(vec![taken.clone()]),
            Err(Fault::Taken),
            "{taken:?}"
        );
    }
    let used = |hash| DirectoryChange::UseInvite([hash; 32], UnixTime(100));
    assert_eq!(town.change(vec![used(6)]), Ok(()));
    assert_eq!(town.change(vec![used(5)]), Ok(()));
    assert_eq!(town.change(vec![used(5)]), Err(Fault::Taken));
    // Direct conversations have no name, any number of them.
    same_room.name = None;
    let mut other = same_room.clone();
    other.id.0[0] = 8;
    let both = vec![
        DirectoryChange::AddRoom(same_room),
        DirectoryChange::AddRoom(other),
    ];
    assert_eq!(town.change(both), Ok(()));
}

fn changes_happen_all_or_none(store: Given) {
    let mut town = Town::new(store);
    let third = crate::id::ConversationId([3; 16]);
    let bad = vec![
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddDevice(device(1, ANN)),
        DirectoryChange::AddRoom(room(third, "third")),
        member(ANN, SpanUpdate::Open),
        DirectoryChange::SetCursor(third, ANN, Cursor::default()),
        DirectoryChange::SetTopic(ROOM, "changed".to_owned()),
        DirectoryChange::RemoveAccount(ANN),
        DirectoryChange::AddRoom(room(third, "again")),
    ];
    // With good writes around it, in one transaction.
    let before = town.append(ANN, Body::text("before", None));
    let after = town.append(ANN, Body::text("after", None));
    let mut with_entry = town.append(ANN, Body::text("with it", None));
    with_entry.changes = bad.clone();
    let outcomes = town.write(vec![
        Write::Append(before),
        Write::Change(bad),
        Write::Append(with_entry),
        Write::Append(after),
    ]);
    assert_eq!(placed(&outcomes[0]), (Seq(1), 1));
    assert_eq!(fault(&outcomes[1]), &Fault::Taken);
    assert_eq!(fault(&outcomes[2]), &Fault::Taken);
    assert_eq!(placed(&outcomes[3]), (Seq(2), 2));
    let shot = block_on(town.store.load()).unwrap();
    assert!(shot.accounts.is_empty() && shot.devices.is_empty());
    assert!(shot.members.is_empty() && shot.cursors.is_empty());
    assert_eq!(shot.rooms.len(), 2);
    assert_eq!(shot.rooms[0].topic, "");
    assert_eq!(shot.rooms[0].head, Seq(2));
    for change in [
        DirectoryChange::SetTopic(third, String::new()),
        DirectoryChange::SetCursor(third, ANN, Cursor::default()),
    ] {
        assert_eq!(town.change(vec![change]), Err(Fault::NoConversation));
    }
}

/// Both sides said hello at the same time, and one of them was told to try again.
fn two_first_entries_of_a_direct_conversation_may_cross(store: Given) {
    let mut town = Town::bare(store);
    for (from, seq) in [(ANN, Seq(1)), (BOB, Seq(2))] {
        let mut first = town.append(from, Body::text("hello", None));
        let mut direct = room(ROOM, "unnamed");
        direct.name = None;
        direct.epoch = crate::id::Epoch(seq.0);
        first.changes = vec![
            DirectoryChange::AddRoom(direct),
            member(ANN, SpanUpdate::Open),
            member(BOB, SpanUpdate::Open),
        ];
        assert_eq!(placed(&town.put(first)).0, seq);
    }
    let snapshot = block_on(town.store.load()).unwrap();
    assert_eq!(snapshot.rooms.len(), 1);
    assert_eq!(
        snapshot.rooms[0].epoch,
        crate::id::Epoch(1),
        "the first one made it"
    );
    for member in snapshot.members {
        assert_eq!(member.spans, [span(1, Seq::MAX.0)]);
    }
}

fn members_get_stretches_from_entries(store: Given) {
    let mut town = Town::bare(store);
    // A conversation begins with its first entry.
    let mut first = town.append(ANN, Body::text("hello", None));
    first.changes = vec![
        DirectoryChange::AddRoom(room(ROOM, "lobby")),
        member(ANN, SpanUpdate::Open),
        member(BOB, SpanUpdate::Open),
    ];
    let changes = first.changes.clone();
    let told = town.put(first);
    assert_eq!(placed(&told).0, Seq(1));
    assert!(matches!(told, Committed::Entry { changes: told, .. } if told == changes));
    town.text(ANN, "two");
    let leave = MemberUpdate {
        conversation: ROOM,
        account: BOB,
        standing: Standing::Banned,
        role: Role::Owner,
        muted_until: UnixTime(u64::MAX),
        span: SpanUpdate::Close,
    };
    let mut left = town.append(ANN, Body::text("bob left", None));
    left.changes = vec![DirectoryChange::SetMember(leave)];
    assert_eq!(placed(&town.put(left)).0, Seq(3));
    let spans = |town: &Town| {
        let members = block_on(town.store.load()).unwrap().members;
        let bob = members.into_iter().find(|member| member.account == BOB);
        bob.unwrap()
    };
    let bob = spans(&town);
    assert_eq!((bob.standing, bob.role), (Standing::Banned, Role::Owner));
    assert_eq!(bob.muted_until, UnixTime(u64::MAX));
    assert_eq!(bob.spans, [span(1, 3)]);
    town.text(ANN, "four");
    for _ in 0..2 {
        // Open stays open.
        let mut back = town.append(ANN, Body::text("bob is back", None));
        back.changes = vec![member(BOB, SpanUpdate::Open)];
        town.put(back);
    }
    assert_eq!(spans(&town).spans, [span(1, 3), span(5, Seq::MAX.0)]);
    town.change(vec![member(BOB, SpanUpdate::Close)]).unwrap();
    assert_eq!(spans(&town).spans, [span(1, 3), span(5, 6)]);
}

fn mentions_stay_until_they_are_read(store: Given) {
    let mut town = Town::new(store);
    town.change(vec![member(BOB, SpanUpdate::Open)]).unwrap();
    let mut told = |names: &[AccountId]| {
        let mut append = town.append(ANN, Body::text("@somebody", None));
        let mention = |name: &AccountId| DirectoryChange::Mention(ROOM, *name);
        append.changes = names.iter().map(mention).collect();
        placed(&town.put(append)).0
    };
    assert_eq!(
        (told(&[BOB]), told(&[]), told(&[BOB, CYD])),
        (Seq(1), Seq(2), Seq(3))
    );
    assert_eq!((told(&[CYD]), told(&[BOB])), (Seq(4), Seq(5)));
    let of = |town: &Town, account: AccountId| -> Vec<u64> {
        let mentions = block_on(town.store.load()).unwrap().mentions;
        let its = mentions.into_iter().filter(|mention| mention.1 == account);
        its.map(|(room, _, seq)| {
            assert_eq!(room, ROOM);
            seq.0
        })
        .collect()
    };
    assert_eq!(
        (of(&town, BOB), of(&town, CYD)),
        (vec![1, 3, 5], vec![3, 4])
    );
    // Nothing of a write that failed.
    let nonsense = Cursor {
        read: Seq(9),
        ..Cursor::default()
    };
    let changes = vec![
        DirectoryChange::Mention(ROOM, BOB),
        DirectoryChange::SetCursor(ROOM, BOB, nonsense),
        member(BOB, SpanUpdate::Close),
        member(BOB, SpanUpdate::Open),
        DirectoryChange::UseInvite([9; 32], UnixTime(0)),
    ];
    assert_eq!(town.change(changes), Err(Fault::Taken));
    assert_eq!(of(&town, BOB), [1, 3, 5]);
    // What was read.
    let cursor = Cursor {
        read: Seq(3),
        ..Cursor::default()
    };
    town.change(vec![DirectoryChange::SetCursor(ROOM, BOB, cursor)])
        .unwrap();
    assert_eq!((of(&town, BOB), of(&town, CYD)), (vec![5], vec![3, 4]));
    // What retention cut.
    block_on(town.store.trim(None, Some(2))).unwrap();
    town.outcomes(1);
    assert_eq!((of(&town, BOB), of(&town, CYD)), (vec![5], vec![4]));
    // Who was open stays so, and who comes in anew begins with nothing.
    town.change(vec![member(BOB, SpanUpdate::Open)]).unwrap();
    assert_eq!(of(&town, BOB), [5]);
    town.change(vec![
        member(BOB, SpanUpdate::Close),
        member(BOB, SpanUpdate::Open),
    ])
    .unwrap();
    assert_eq!(of(&town, BOB), Vec::<u64>::new());
    // And with the account it goes.
    town.change(vec![DirectoryChange::RemoveAccount(CYD)])
        .unwrap();
    assert_eq!(of(&town, CYD), Vec::<u64>::new());
}

fn a_closed_store_takes_nothing(store: Given) {
    let mut town = Town::new(store);
    let mut writes = Vec::new();
    for _ in 0..100 {
        writes.push(Write::Append(town.append(ANN, Body::text("x", None))));
    }
    town.submit(writes);
    block_on(town.store.close());
    let outcomes = town.outcomes(100);
    assert_eq!(placed(&outcomes[99]).0, Seq(100), "what was taken is done");
    assert!(block_on(town.store.next()).is_empty());
    let late = town.append(ANN, Body::text("late", None));
    assert!(matches!(fault(&town.put(late)), Fault::Io(_)));
    assert!(block_on(town.store.next()).is_empty());
    block_on(town.store.close());
}

fn reads_of_unknown_conversations_fail(store: Given) {
    let town = Town::bare(store);
    let none = Fault::NoConversation;
    let read = block_on(town.store.read(ROOM, Seq(0), 1, 1));
    assert_eq!(read.unwrap_err(), none);
    assert_eq!(
        block_on(town.store.counted(ROOM, Seq(0))),
        Err(none.clone())
    );
    let page = town
        .store
        .history(ROOM, vec![EVERYTHING], HistoryFrom::End, 1, 1);
    assert_eq!(block_on(page).unwrap_err(), none);
    assert_eq!(town.found("anything"), [0_u64; 0]);
}

#[test]
fn a_memory_store_cuts_the_oldest_and_says_so() {
    let store = std::sync::Arc::new(crate::adapter::MemoryStore::with_room_for(32));
    let mut town = Town::new(store);
    for number in 0..32 {
        assert_eq!(town.text(ANN, "x"), Seq(number + 1));
    }
    let last = town.append(ANN, Body::text("x", None));
    let outcomes = town.write_and(vec![Write::Append(last)], 1);
    assert_eq!(placed(&outcomes[0]).0, Seq(33));
    assert!(
        matches!(outcomes[1], Committed::Trimmed { first: Seq(4), .. }),
        "{outcomes:?}"
    );
    assert_eq!(town.read()[0].seq, Seq(4));
    assert_eq!(block_on(town.store.load()).unwrap().rooms[0].first, Seq(4));
    assert!(block_on(town.store.backup("/nowhere".into())).is_err());
}

/// An offer of a file of ten bytes with this content.
fn offer(blob: u8, content: u8) -> Body {
    let offer = FileOffer {
        name: "a".to_owned(),
        size: 10,
        media_type: String::new(),
        hash: [content; 32],
    };
    Body::file(BlobId([blob; 16]), &offer)
}

/// What the next outcome says was freed.
fn freed(told: &Committed) -> (Vec<(AccountId, u64)>, Vec<BlobId>) {
    match told {
        Committed::Freed { bytes, contents } => (bytes.clone(), contents.clone()),
        other => panic!("{other:?}"),
    }
}

fn content_of(town: &Town, blob: u8) -> Option<(Seq, BlobId)> {
    let place = block_on(town.store.blob(BlobId([blob; 16]))).unwrap()?;
    assert_eq!(place.entry.conversation, ROOM);
    assert_eq!(place.entry.body.blob, Some(BlobId([blob; 16])));
    Some((place.entry.seq, place.content))
}

fn a_blob_is_named_as_long_as_its_entry_is_there(store: Given) {
    let mut town = Town::new(store);
    let [one, two, three] = [1, 2, 3].map(|blob| town.say(ANN, offer(blob, blob)));
    assert_eq!(content_of(&town, 1), Some((one, BlobId([1; 16]))));
    assert_eq!(content_of(&town, 9), None);
    let stored = block_on(town.store.load()).unwrap().stored;
    assert_eq!(stored, [(ANN, 30)]);

    let redaction = town.append(ANN, Body::redaction(two));
    let told = town.write_and(vec![Write::Append(redaction)], 1);
    assert_eq!(freed(&told[1]), (vec![(ANN, 10)], vec![BlobId([2; 16])]));
    assert_eq!(content_of(&town, 2), None);
    // Twice is once.
    let again = town.append(ANN, Body::redaction(two));
    assert_eq!(fault(&town.put(again)), &Fault::NoTarget);

    block_on(town.store.trim(None, Some(2))).unwrap();
    let told = town.outcomes(2);
    assert!(matches!(told[0], Committed::Trimmed { first, .. } if first == three));
    assert_eq!(freed(&told[1]), (vec![(ANN, 10)], vec![BlobId([1; 16])]));
    let contents = block_on(town.store.contents()).unwrap();
    assert_eq!(contents, [BlobId([3; 16])]);
    let stored = block_on(town.store.load()).unwrap().stored;
    assert_eq!(stored, [(ANN, 10)]);
}

fn the_same_content_is_named_once_and_a_damaged_one_replaced(store: Given) {
    let mut town = Town::new(store);
    let one = town.say(ANN, offer(1, 7));
    let second = town.append(BOB, offer(2, 7));
    let told = town.write_and(vec![Write::Append(second)], 1);
    let two = placed(&told[0]).0;
    // The bytes that came twice are not needed; nobody's files got fewer.
    assert_eq!(freed(&told[1]), (vec![], vec![BlobId([2; 16])]));
    for blob in [1, 2] {
        assert_eq!(content_of(&town, blob).unwrap().1, BlobId([1; 16]));
    }
    let mut stored = block_on(town.store.load()).unwrap().stored;
    stored.sort_unstable();
    assert_eq!(stored, [(BOB, 10), (ANN, 10)]);

    // What is damaged is not built on, and healed by the next one.
    town.change(vec![DirectoryChange::Distrust(BlobId([1; 16]))])
        .unwrap();
    let third = town.append(BOB, offer(3, 7));
    let told = town.write_and(vec![Write::Append(third)], 1);
    assert_eq!(freed(&told[1]), (vec![], vec![BlobId([1; 16])]));
    for blob in [1, 2, 3] {
        assert_eq!(content_of(&town, blob).unwrap().1, BlobId([3; 16]));
    }
    // It goes with the last entry that names it.
    for (target, from) in [(one, ANN), (two, BOB)] {
        let redaction = town.append(from, Body::redaction(target));
        let told = town.write_and(vec![Write::Append(redaction)], 1);
        assert_eq!(freed(&told[1]), (vec![(from, 10)], vec![]));
    }
    let last = content_of(&town, 3).unwrap().0;
    let redaction = town.append(BOB, Body::redaction(last));
    let told = town.write_and(vec![Write::Append(redaction)], 1);
    assert_eq!(freed(&told[1]), (vec![(BOB, 10)], vec![BlobId([3; 16])]));
    assert_eq!(block_on(town.store.contents()), Ok(vec![]));
}

fn uploads_are_remembered_until_they_are_entries(store: Given) {
    let mut town = Town::new(store);
    let upload = |blob: u8, account| PendingUpload {
        blob: BlobId([blob; 16]),
        account,
        id: SendId([blob; 16]),
        conversation: ROOM,
        other: (blob == 2).then_some(BOB),
        name: "\u{e9}.txt".to_owned(),
        size: (1 << 53) - 1,
        media_type: "text/plain".to_owned(),
        touched: UnixTime(5),
    };
    let remembered = |town: &Town| block_on(town.store.load()).unwrap().uploads;
    for blob in [1, 2, 3] {
        town.change(vec![DirectoryChange::SetUpload(upload(blob, ANN))])
            .unwrap();
    }
    let mut again = upload(1, ANN);
    again.touched = UnixTime(6);
    town.change(vec![DirectoryChange::SetUpload(again.clone())])
        .unwrap();
    assert_eq!(remembered(&town), [again, upload(2, ANN), upload(3, ANN)]);
    // With its entry, or not at all.
    let mut refused = town.append(ANN, offer(1, 1));
    refused.changes = vec![DirectoryChange::RemoveUpload(BlobId([1; 16]))];
    refused.expect = Some(Seq(99));
    assert!(matches!(
        fault(&town.put(refused.clone())),
        Fault::Conflict { .. }
    ));
    assert_eq!(remembered(&town).len(), 3);
    refused.expect = None;
    placed(&town.put(refused));
    assert_eq!(remembered(&town), [upload(2, ANN), upload(3, ANN)]);
    town.change(vec![DirectoryChange::RemoveUpload(BlobId([2; 16]))])
        .unwrap();
    town.change(vec![DirectoryChange::SetUpload(upload(4, BOB))])
        .unwrap();
    town.change(vec![DirectoryChange::RemoveAccount(ANN)])
        .unwrap();
    assert_eq!(remembered(&town), [upload(4, BOB)]);
}
