//! Scripts of a simulated town: what one person does, and what another one is told.

use chat_engine::PresenceState;
use chat_tests::town::Town;

#[test]
fn message_reaches_a_member_who_was_away() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.cut(bob);
    town.say(ann, "lobby", "hi");
    assert!(town.heard(bob).is_empty());
    town.heal(bob);
    assert_eq!(town.heard(bob), ["hi"]);
}

#[test]
fn a_send_whose_link_is_cut_under_it_is_acked_once_and_stands_there_once() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.told(ann);
    town.begin_to_say(ann, "lobby", "hi");
    // To the server and not back again: it has the message, and the ack is lost.
    town.pass(20);
    town.cut(ann);
    assert!(!town.told(ann).contains(&"acked hi at 3".to_owned()));
    town.heal(ann);
    let acks: Vec<String> = town.told(ann);
    let acks = acks.iter().filter(|told| told.starts_with("acked"));
    assert_eq!(acks.collect::<Vec<_>>(), ["acked hi at 3"]);
    assert_eq!(town.resends(), 1);
    assert_eq!(
        (town.heard(ann), town.heard(bob)),
        (vec!["hi".into()], vec!["hi".into()])
    );
    assert!(town.doubles().is_empty());
}

#[test]
fn two_devices_of_an_account_see_the_same_own_messages_included() {
    let mut town = Town::new();
    let desk = town.join("ann", "lobby");
    let phone = town.device("ann");
    let bob = town.join("bob", "lobby");
    town.say(desk, "lobby", "from the desk");
    town.say(phone, "@bob", "from the phone");
    town.say(bob, "@ann", "for both");
    let all = ["from the desk", "from the phone", "for both"];
    assert_eq!(town.heard(desk), all);
    assert_eq!(town.heard(phone), all);
}

#[test]
fn a_device_takes_its_ghost_over_and_nobody_sees_it_blink() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.vanish(bob);
    assert_eq!(town.links(), 2, "the server still believes in the old link");
    town.told(ann);
    town.heal(bob);
    assert_eq!(town.links(), 2);
    assert!(town.told(ann).is_empty());
    town.say(ann, "lobby", "hi");
    assert_eq!(town.heard(bob), ["hi"]);
}

#[test]
fn who_is_replaced_by_a_copy_of_its_profile_stays_away() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    let copy = town.copy(bob);
    assert_eq!(town.told(bob).last().unwrap(), "closed replaced");
    town.wait(120);
    assert!(town.told(bob).is_empty(), "or they would chase each other");
    town.say(ann, "lobby", "hi");
    assert_eq!(town.heard(copy).last().unwrap(), "hi");
}

#[test]
fn who_is_kicked_while_it_lags_gets_everything_up_to_that_and_nothing_more() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "team"), town.join("bob", "team"));
    town.stall(bob);
    // Forty times 8 KiB is more than a link's credit.
    for number in 0..40 {
        let text = format!("{number} {}", "x".repeat(8_000));
        town.begin_to_say(ann, "team", &text);
        town.pass(50);
    }
    assert_eq!(town.laggards(), 1);
    town.kick(ann, "team", "bob");
    town.say(ann, "team", "he is gone");
    town.resume(bob);
    let heard = town.heard(bob);
    assert_eq!(heard.len(), 40);
    assert!(heard[39].starts_with("39 x"));
    assert!(town.told(bob).contains(&"out of team".to_owned()));
}

#[test]
fn being_away_from_a_closed_room_is_a_hole_that_is_told() {
    let mut town = Town::new();
    let ann = town.join_closed("ann", "team");
    let bob = town.join_closed("bob", "team");
    town.say(ann, "team", "together");
    town.leave(bob, "team");
    town.say(ann, "team", "without bob");
    town.told(bob);
    town.enter(bob, "team", chat_engine::History::SinceJoin);
    town.say(ann, "team", "together again");
    assert_eq!(town.heard(bob), ["together", "together again"]);
    assert_eq!(town.told(bob), ["ann online", "gap 5-5 hidden"]);
}

/// It had read everything up to its end of the room, was offline when it was let in again, and got
/// the whole room a second time: the server had not named the room at the resume in between.
#[test]
fn who_comes_back_into_a_room_while_it_is_offline_reads_nothing_twice() {
    let mut town = Town::new();
    let ann = town.join_closed("ann", "team");
    let (bob, phone) = (town.join_closed("bob", "team"), town.device("bob"));
    town.say(ann, "team", "one");
    town.kick(ann, "team", "bob");
    town.cut(bob);
    town.heal(bob);
    town.cut(bob);
    town.enter(phone, "team", chat_engine::History::SinceJoin);
    town.say(ann, "team", "two");
    town.heal(bob);
    assert_eq!(town.heard(bob), ["one", "two"]);
}

#[test]
fn who_does_not_answer_goes_offline_by_timeout() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.told(ann);
    town.vanish(bob);
    town.wait(20);
    assert!(town.told(ann).is_empty(), "it may still be there");
    town.wait(20);
    assert_eq!(town.told(ann), ["bob offline timeout"]);
    assert_eq!(town.links(), 1);
}

#[test]
fn who_is_cut_off_is_lost_and_who_says_goodbye_has_left() {
    let mut town = Town::new();
    let ann = town.join("ann", "lobby");
    let (bob, cyd) = (town.join("bob", "lobby"), town.join("cyd", "lobby"));
    town.told(ann);
    town.cut(bob);
    town.quit(cyd);
    assert_eq!(town.told(ann), ["bob offline lost", "cyd offline left"]);
    assert_eq!(town.told(cyd).last().unwrap(), "closed on purpose");
}

#[test]
fn a_server_that_drains_says_shutdown_and_its_clients_come_back() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.told(bob);
    town.drain_server();
    assert_eq!(
        town.told(bob).first().unwrap(),
        "reconnecting: the server is stopping"
    );
    town.begin_to_say(ann, "lobby", "meanwhile");
    town.start_server();
    assert_eq!(town.told(bob).last().unwrap(), "ann online");
    assert_eq!(town.heard(bob), ["meanwhile"]);
}

#[test]
fn a_refusal_for_now_keeps_the_order_of_what_was_said_after_it() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.fill_disk(true);
    let said: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for text in &said {
        town.begin_to_say(ann, "lobby", text);
        town.pass(3);
    }
    town.wait(5);
    assert!(town.heard(bob).len() < said.len());
    town.fill_disk(false);
    town.wait(20);
    assert_eq!(town.heard(ann), said);
    assert!(town.doubles().is_empty());
}

#[test]
fn what_is_canceled_before_it_went_out_never_arrives() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.cut(ann);
    town.say(ann, "lobby", "one");
    town.say(ann, "lobby", "two");
    town.told(ann);
    town.cancel(ann);
    assert_eq!(town.told(ann).first().unwrap(), "canceled two");
    town.heal(ann);
    assert_eq!(town.heard(bob), ["one"]);
}

#[test]
fn a_client_that_is_ahead_of_a_restored_backup_reads_it_anew() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.say(ann, "lobby", "kept");
    town.back_up();
    town.say(ann, "lobby", "taken back");
    assert_eq!(town.heard(bob), ["kept", "taken back"]);
    town.told(bob);
    town.restore();
    assert_eq!(town.heard(bob), ["kept"]);
    assert!(town.told(bob).contains(&"gap restored".to_owned()));
    town.say(ann, "lobby", "new");
    assert_eq!(town.heard(bob), ["new"]);
}

#[test]
fn presence_that_changes_quickly_is_told_once() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.told(ann);
    for _ in 0..50 {
        town.appear(bob, PresenceState::Away);
        town.pass(2);
        town.appear(bob, PresenceState::Online);
        town.pass(2);
    }
    town.appear(bob, PresenceState::Away);
    town.wait(2);
    // At once after the quiet, and the last word at the end of the merge time.
    assert_eq!(town.told(ann), ["bob away", "bob away"]);
}

#[test]
fn an_account_is_online_while_any_of_its_devices_is() {
    let mut town = Town::new();
    let ann = town.join("ann", "lobby");
    let (desk, phone) = (town.join("bob", "lobby"), town.device("bob"));
    town.told(ann);
    town.quit(desk);
    assert!(town.told(ann).is_empty());
    town.quit(phone);
    assert_eq!(town.told(ann), ["bob offline left"]);
}

#[test]
fn what_was_queued_survives_the_program_and_the_server() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.crash_server();
    town.say(ann, "lobby", "one");
    town.say(ann, "lobby", "two");
    town.crash(ann);
    town.start_server();
    assert!(town.heard(bob).is_empty());
    town.start(ann);
    assert_eq!(town.heard(bob), ["one", "two"]);
    assert!(town.doubles().is_empty());
}

#[test]
fn what_retention_cut_is_told_to_who_was_away() {
    let mut town = Town::new();
    let (ann, bob) = (town.join("ann", "lobby"), town.join("bob", "lobby"));
    town.cut(bob);
    for text in ["one", "two", "three", "four"] {
        town.say(ann, "lobby", text);
    }
    town.trim(2);
    town.told(bob);
    town.heal(bob);
    assert_eq!(town.heard(bob), ["three", "four"]);
    assert!(town.told(bob).contains(&"gap 3-4 trimmed".to_owned()));
}
