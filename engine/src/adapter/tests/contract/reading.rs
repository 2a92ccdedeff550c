//! Logs and histories: what is read back, and how far a page goes.

use pollster::block_on;

use super::super::town::*;
use super::Given;
use crate::id::Seq;
use crate::model::{Body, HistoryFrom, HistoryItem, Kind};
use crate::port::{Fault, LogPage, Write};

contract! {
    a_redaction_takes_text_and_edits_away
    a_history_folds_edits_and_reactions
    a_history_pages_in_both_ways_and_stays_in_its_stretches
    a_page_is_bounded_in_bytes
    the_counter_is_known_at_every_place
    all_logs_are_read_in_the_order_of_appending
    reads_of_unknown_conversations_fail
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
    let told = |items: &[HistoryItem]| -> Vec<String> {
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
    town.trim(2);
    assert_eq!(all(&town), [1, 1, 1, 1, 2, 3, 3]);
    town.trim(0);
    assert_eq!(all(&town), [3, 3, 3, 3, 3, 3, 3]);
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
        let mut append = town.new_text(ANN, &number.to_string());
        append.conversation = if number % 2 == 0 { ROOM } else { OTHER };
        writes.push(Write::Append(append));
    }
    town.write(writes);
    let texts = |page: &LogPage| -> Vec<String> {
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
    town.trim(1);
    town.outcomes(2);
    assert_eq!(texts(&since(&town, 0, 10, PLENTY)), ["lobby 4", "other 5"]);
    town.trim(0);
    town.outcomes(2);
    assert!(since(&town, 0, 10, PLENTY).items.is_empty());
    let append = town.new_text(ANN, "new");
    town.write(vec![Write::Append(append)]);
    let page = since(&town, rest.end, 10, PLENTY);
    assert_eq!(texts(&page), ["lobby new"]);
    assert!(page.items[0].pos > rest.end);
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
