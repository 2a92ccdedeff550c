//! Words are found in what holds now.

use pollster::block_on;

use super::super::town::*;
use super::Given;
use crate::model::Body;

contract! {
    a_search_finds_all_words_and_what_is_current
    a_search_survives_any_text
    a_search_pages_from_new_to_old
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
        let mut elsewhere = town.new_text(ANN, "needle there");
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
