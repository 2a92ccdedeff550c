//! Appends: places, ids that are appended once, and what refuses one.

use pollster::block_on;

use super::super::town::*;
use super::Given;
use crate::id::{ConversationId, Epoch, Seq, Ticket};
use crate::limits;
use crate::model::Body;
use crate::port::{Committed, DirectoryChange, Fault, SpanUpdate, Write};

contract! {
    entries_stand_in_order_and_know_the_one_before
    a_send_id_is_appended_once_and_only_for_its_sender
    an_expected_head_decides
    refusals_hold_nothing_up
    what_may_refer_to_what
    two_first_entries_of_a_direct_conversation_may_cross
    a_closed_store_takes_nothing
}

fn entries_stand_in_order_and_know_the_one_before(store: Given) {
    let mut town = Town::new(store);
    let mut writes = Vec::new();
    for number in 0..3 * limits::APPEND_BATCH {
        writes.push(Write::Append(town.new_text(ANN, &number.to_string())));
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
    let append = town.new_text(ANN, "once");
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
    let rooms = town.load().rooms;
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

fn refusals_hold_nothing_up(store: Given) {
    let mut town = Town::new(store);
    let mut conflict = town.new_text(ANN, "no");
    conflict.expect = Some(Seq(7));
    let mut nowhere = town.new_text(ANN, "no");
    nowhere.conversation = ConversationId([9; 16]);
    let mut taken = town.new_text(ANN, "no");
    taken.changes = vec![DirectoryChange::AddRoom(room(OTHER, "other"))];
    let bad_edit = town.append(ANN, Body::edit(Seq(40), "no"));
    let good = town.new_text(ANN, "yes");
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

/// Both sides said hello at the same time, and one of them was told to try again.
fn two_first_entries_of_a_direct_conversation_may_cross(store: Given) {
    let mut town = Town::bare(store);
    for (from, seq) in [(ANN, Seq(1)), (BOB, Seq(2))] {
        let mut first = town.new_text(from, "hello");
        let mut direct = room(ROOM, "unnamed");
        direct.name = None;
        direct.epoch = Epoch(seq.0);
        first.changes = vec![
            DirectoryChange::AddRoom(direct),
            member(ANN, SpanUpdate::Open),
            member(BOB, SpanUpdate::Open),
        ];
        assert_eq!(placed(&town.put(first)).0, seq);
    }
    let snapshot = town.load();
    assert_eq!(snapshot.rooms.len(), 1);
    assert_eq!(snapshot.rooms[0].epoch, Epoch(1), "the first one made it");
    for member in snapshot.members {
        assert_eq!(member.spans, [span(1, Seq::MAX.0)]);
    }
}

fn a_closed_store_takes_nothing(store: Given) {
    let mut town = Town::new(store);
    let mut writes = Vec::new();
    for _ in 0..100 {
        writes.push(Write::Append(town.new_text(ANN, "x")));
    }
    town.submit(writes);
    block_on(town.store.close());
    let outcomes = town.outcomes(100);
    assert_eq!(placed(&outcomes[99]).0, Seq(100), "what was taken is done");
    assert!(block_on(town.store.next()).is_empty());
    let late = town.new_text(ANN, "late");
    assert!(matches!(fault(&town.put(late)), Fault::Io(_)));
    assert!(block_on(town.store.next()).is_empty());
    block_on(town.store.close());
}
