//! Verdicts come late, in any order or never; entries keep their order.

use super::*;

#[test]
fn verdicts_come_in_any_order_and_entries_keep_theirs() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    for text in ["one", "two", "three"] {
        house.say(ann, "#lobby", text);
    }
    // All are asked at once, so that they travel together.
    assert_eq!(house.asked().len(), 3);
    house.pass(2);
    house.rule(1, Verdict::Modified("TWO".into()));
    assert!(house.heard(bob).is_empty());
    house.pass(0);
    assert_eq!(
        house.heard(bob),
        ["3 ann: one", "4 ann: TWO", "5 ann: three"]
    );
    assert_eq!(house.answered(ann), ["ack 3", "ack 4", "ack 5"]);
}

#[test]
fn a_question_holds_back_nobody_else_and_no_other_conversation() {
    let (mut house, ann, bob) = lobby();
    house.room("cellar", &[ann]);
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "slow");
    house.say(ann, "#cellar", "else");
    house.say(bob, "#lobby", "quick");
    house.pass(2);
    house.pass(1);
    assert_eq!(house.heard(bob), ["3 bob: quick"]);
    assert_eq!(house.heard(ann).len(), 2);
    house.pass(0);
    assert_eq!(house.heard(bob), ["4 ann: slow"]);
}

#[test]
fn a_fault_refuses_for_now_and_nothing_overtakes() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let two = house.say(ann, "#lobby", "two");
    house.rule(0, Verdict::Fault("gone".into()));
    house.pass(0);
    assert_eq!(house.answered(ann), ["busy again", "after_refused again"]);
    house.say_again(ann, "#lobby", one, "one");
    house.say_again(ann, "#lobby", two, "two");
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
}

/// The one that was refused for now comes again before the verdict on the next one.
#[test]
fn a_late_verdict_does_not_let_a_later_entry_overtake() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    house.say(ann, "#lobby", "two");
    house.rule(0, Verdict::Fault("gone".into()));
    house.say_again(ann, "#lobby", one, "one");
    assert_eq!(house.asked().len(), 2);
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one"]);
}

#[test]
fn a_full_disk_under_a_line_keeps_the_order() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let two = house.say(ann, "#lobby", "two");
    house.store.faults.push_back(Fault::Full("full".into()));
    house.pass(0);
    assert_eq!(
        house.answered(ann),
        ["storage again", "after_refused again"]
    );
    house.say_again(ann, "#lobby", one, "one");
    house.say_again(ann, "#lobby", two, "two");
    // The first question about the second one is still out, and worth nothing any more.
    house.pass(0);
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.wait(limits::HOOK_WAIT);
    assert_eq!(house.answered(ann), ["busy again"]);
    // Much too late.
    house.pass(0);
    assert!(house.heard(bob).is_empty());
    house.wants(HookSet::NONE);
    house.say_again(ann, "#lobby", id, "hi");
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
    assert_eq!(
        house
            .hub
            .poll_timeout()
            .filter(|due| *due <= house.now.time),
        None
    );
}

#[test]
fn plugins_that_stop_leave_no_question_open() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.input(Input::HooksGone);
    assert_eq!(house.answered(ann), ["busy again"]);
    house.say_again(ann, "#lobby", id, "hi");
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

#[test]
fn unloading_the_last_filter_lets_nothing_overtake_what_is_asked() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.say(ann, "#lobby", "one");
    house.wants(HookSet::NONE);
    house.say(ann, "#lobby", "two");
    assert!(house.heard(bob).is_empty());
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
}

#[test]
fn a_server_that_stops_answers_what_is_asked() {
    let (mut house, ann, _) = lobby_with(HookSet::ENTRY);
    house.say(ann, "#lobby", "hi");
    house.input(Input::Drain);
    house.say(ann, "#lobby", "too late");
    assert!(!house.drained);
    house.pass(0);
    assert_eq!(house.answered(ann), ["draining again", "ack 3"]);
    assert!(house.drained);
}

#[test]
fn a_server_that_stops_waits_for_no_plugin_for_ever() {
    let (mut house, ann, _) = lobby_with(HookSet::ENTRY);
    house.say(ann, "#lobby", "hi");
    house.input(Input::Drain);
    house.wait(limits::DRAIN_WAIT);
    assert!(house.drained);
}
