//! Beginnings of logs are cut.

use std::time::Duration;

use pollster::block_on;

use super::super::town::*;
use super::Given;
use crate::id::Seq;
use crate::model::{Body, HistoryFrom, Room};
use crate::port::{Committed, Fault, Write};

contract! {
    a_trim_cuts_beginnings_and_remembers_ids
    a_trim_by_age_stops_at_the_first_young_entry
}

fn a_trim_cuts_beginnings_and_remembers_ids(store: Given) {
    let mut town = Town::new(store);
    let first = town.new_text(ANN, "the first needle");
    town.put(first.clone());
    for _ in 0..4 {
        town.text(ANN, "another needle");
    }
    town.say(ANN, Body::reaction(Seq(2), "+"));
    town.trim(2);
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
    town.trim(0);
    town.outcomes(1);
    let rooms = town.load().rooms;
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
    town.trim(10);
    assert_eq!(town.text(ANN, "nothing was cut"), Seq(8));
}

fn a_trim_by_age_stops_at_the_first_young_entry(store: Given) {
    let mut town = Town::new(store);
    for age in [500, 400, 10, 300, 5] {
        let mut append = town.new_text(ANN, "x");
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

#[test]
fn a_memory_store_cuts_the_oldest_and_says_so() {
    let store = std::sync::Arc::new(crate::adapter::MemoryStore::with_room_for(32));
    let mut town = Town::new(store);
    for number in 0..32 {
        assert_eq!(town.text(ANN, "x"), Seq(number + 1));
    }
    let last = town.new_text(ANN, "x");
    let outcomes = town.write_and(vec![Write::Append(last)], 1);
    assert_eq!(placed(&outcomes[0]).0, Seq(33));
    assert!(
        matches!(outcomes[1], Committed::Trimmed { first: Seq(4), .. }),
        "{outcomes:?}"
    );
    assert_eq!(town.read()[0].seq, Seq(4));
    assert_eq!(town.load().rooms[0].first, Seq(4));
    assert!(block_on(town.store.backup("/nowhere".into())).is_err());
}
