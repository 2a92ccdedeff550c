//! Memberships are asked about, and rights hold by place in the log.

use super::*;

#[test]
fn memberships_are_asked_about_and_a_join_can_be_refused() {
    let (mut house, ann, bob) = lobby();
    let cat = house.register("cat");
    house.forget_mail();
    house.wants(HookSet::ENTRY);
    house.join(cat, "lobby");
    // What it says next waits for it.
    house.say(cat, "#lobby", "hello");
    assert_eq!(house.asked(), ["cat in #lobby: joined cat"]);
    house.pass(0);
    assert_eq!(house.answered(cat), ["entered 3"]);
    assert_eq!(house.asked(), ["cat in #lobby: kind 1 \"hello\""]);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 cat: joined cat", "4 cat: hello"]);
    let dan = house.register("dan");
    house.join(dan, "lobby");
    house.say(dan, "#lobby", "me too");
    house.reject(0, "full of dans");
    assert_eq!(house.answered(dan), ["rejected", "not_a_member"]);
    house.change(ann, "lobby", Some("cat"), Change::Kicked);
    assert_eq!(house.asked(), ["ann in #lobby: kicked cat"]);
    house.pass(0);
    assert_eq!(house.heard(bob), ["5 ann: kicked cat"]);
}

#[test]
fn nobody_can_be_kept_in_a_room() {
    let (mut house, _, bob) = lobby_with(HookSet::ENTRY);
    house.leave(bob, "lobby");
    assert_eq!(house.asked(), ["bob in #lobby: left bob"]);
    house.reject(0, "stay");
    assert_eq!(house.answered(bob), ["entered 3"]);
}

#[test]
fn what_was_said_before_leaving_comes_before_it() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.say(bob, "#lobby", "bye");
    house.leave(bob, "lobby");
    assert_eq!(house.asked(), ["bob in #lobby: kind 1 \"bye\""]);
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(ann), ["3 bob: bye", "4 bob: left bob"]);
    assert_eq!(house.answered(bob), ["ack 3", "entered 4"]);
}

#[test]
fn a_new_room_is_asked_about_and_its_name_may_be_taken_meanwhile() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.create(ann, "attic", true);
    house.create(bob, "attic", true);
    assert_eq!(
        house.asked(),
        ["ann in #attic: joined ann", "bob in #attic: joined bob"]
    );
    house.pass(1);
    house.pass(0);
    assert_eq!(house.answered(bob), ["entered 1"]);
    assert_eq!(house.answered(ann), ["room_exists"]);
    house.create(ann, "rude", true);
    house.reject(0, "rude");
    assert_eq!(house.answered(ann), ["rejected"]);
}

#[test]
fn who_may_not_send_is_refused_before_anybody_is_asked() {
    let (mut house, _, _) = lobby();
    let cat = house.register("cat");
    house.wants(HookSet::ENTRY);
    house.say(cat, "#lobby", "hi");
    assert_eq!(house.answered(cat), ["not_a_member"]);
    assert!(house.asks.is_empty());
}

/// Rights hold by place in the log: what was asked before the kick comes after it.
#[test]
fn who_is_put_out_while_plugins_think_says_nothing_any_more() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.say(bob, "#lobby", "one last word");
    house.wants(HookSet::NONE);
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    assert_eq!(house.asked(), ["bob in #lobby: kind 1 \"one last word\""]);
    house.pass(0);
    assert_eq!(house.answered(bob), ["not_a_member"]);
    assert_eq!(house.heard(ann), ["3 ann: kicked bob"]);
}

#[test]
fn a_verdict_waits_for_a_kick_that_is_being_written() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.say(bob, "#lobby", "one last word");
    house.wants(HookSet::NONE);
    house.hold_writes = true;
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.pass(0);
    assert!(house.answered(bob).is_empty());
    house.commit();
    assert_eq!(house.answered(bob), ["not_a_member"]);
}

#[test]
fn an_account_that_is_deleted_while_plugins_think_says_nothing() {
    let (mut house, _, bob) = lobby_with(HookSet::ENTRY);
    house.say(bob, "#lobby", "one last word");
    let name = AccountName::new("bob").unwrap();
    house.admin(Admin::RemoveAccount { name }).unwrap();
    house.pass(0);
    assert!(house.store.account_named("bob").is_none());
}
