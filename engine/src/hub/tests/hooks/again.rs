//! What comes again after a lost link meets no filter twice.

use super::*;

#[test]
fn an_accepted_entry_meets_no_filter_twice() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.pass(0);
    // The ack was lost; now the filter would refuse.
    let ann = house.back(ann, "ann");
    house.say_again(ann, "#lobby", id, "hi");
    assert!(house.asks.is_empty());
    assert_eq!(house.answered(ann), ["ack 3"]);
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

/// The filter may have counted it, and may not remember why it refused.
#[test]
fn a_refusal_that_was_lost_is_told_again_and_meets_no_filter_twice() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.reject(0, "no");
    let ann = house.back(ann, "ann");
    house.say_again(ann, "#lobby", id, "hi");
    assert!(house.asks.is_empty());
    assert_eq!(house.answered(ann), ["rejected"]);
    assert!(house.heard(bob).is_empty());
    // Said anew, it is another entry.
    house.say(ann, "#lobby", "hi");
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

#[test]
fn so_many_refusals_are_remembered_and_no_more() {
    let (mut house, ann, _) = lobby_with(HookSet::ENTRY);
    let first = house.say(ann, "#lobby", "hi");
    house.reject(0, "no");
    for _ in 0..limits::REJECTED {
        house.say(ann, "#lobby", "hi");
        house.reject(0, "no");
    }
    house.say_again(ann, "#lobby", first, "hi");
    assert_eq!(house.asked().len(), 1);
}

#[test]
fn an_answer_after_the_link_is_gone_still_counts() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let two = house.say(ann, "#lobby", "two");
    house.cut(ann);
    house.pass(1);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
    let ann = house.log_in("ann");
    house.mail.remove(&ann);
    house.say_again(ann, "#lobby", one, "one");
    house.say_again(ann, "#lobby", two, "two");
    assert!(house.asks.is_empty());
    assert_eq!(house.answered(ann), ["ack 3", "ack 4"]);
}

#[test]
fn what_comes_again_while_it_is_asked_joins_the_first_question() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let ann = house.back(ann, "ann");
    house.say_again(ann, "#lobby", one, "one");
    house.say(ann, "#lobby", "two");
    assert_eq!(
        house.asked(),
        [
            "ann in #lobby: kind 1 \"one\"",
            "ann in #lobby: kind 1 \"two\""
        ]
    );
    house.pass(1);
    assert!(house.answered(ann).is_empty());
    house.rule(0, Verdict::Modified("ONE".into()));
    assert_eq!(house.heard(bob), ["3 ann: ONE", "4 ann: two"]);
    assert_eq!(house.answered(ann), ["ack 3", "ack 4"]);
}

/// The verdict is there and the disk is slow: the entry is in no log so far, and met its filters.
#[test]
fn what_comes_again_while_it_is_written_meets_no_filter_twice() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    house.hold_writes = true;
    house.pass(0);
    let ann = house.back(ann, "ann");
    house.say_again(ann, "#lobby", one, "one");
    assert!(house.asks.is_empty());
    house.commit();
    assert_eq!(house.answered(ann), ["ack 3"]);
    assert_eq!(house.heard(bob), ["3 ann: one"]);
}

#[test]
fn what_comes_again_while_it_is_asked_shares_the_refusal() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let ann = house.back(ann, "ann");
    house.say_again(ann, "#lobby", one, "one");
    house.reject(0, "no");
    assert_eq!(house.answered(ann), ["rejected"]);
    assert!(house.heard(bob).is_empty());
}
