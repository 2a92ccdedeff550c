use super::*;

#[test]
fn the_ack_comes_before_the_own_entry_in_one_flush() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "#lobby", "hi");
    assert_eq!(house.told(ann), ["ack 3", "3 ann: hi"]);
    assert_eq!(house.told(bob), ["3 ann: hi"]);
}

#[test]
fn nothing_is_told_before_it_is_on_disk() {
    let (mut house, ann, bob) = lobby();
    house.hold_writes = true;
    house.say(ann, "#lobby", "one");
    house.say(ann, "#lobby", "two");
    assert!(house.told(ann).is_empty() && house.told(bob).is_empty());
    house.commit();
    assert_eq!(
        house.told(ann),
        ["ack 3", "3 ann: one", "ack 4", "4 ann: two"]
    );
}

#[test]
fn a_member_who_was_away_gets_everything_at_the_next_login() {
    let (mut house, ann, bob) = lobby();
    let device = house.cut(bob);
    for text in ["one", "two"] {
        house.say(ann, "#lobby", text);
    }
    let bob = house.log_in_with("bob", &device);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
    house.say(ann, "#lobby", "three");
    assert_eq!(house.heard(bob), ["5 ann: three"]);
}

#[test]
fn all_devices_of_an_account_see_everything_own_messages_included() {
    let mut house = House::new();
    let phone = house.register("ann");
    house.room("lobby", &[phone]);
    let laptop = house.log_in_from("ann", "laptop");
    house.mail.clear();
    house.say(phone, "#lobby", "from the phone");
    house.say(laptop, "#lobby", "from the laptop");
    let both = ["2 ann: from the phone", "3 ann: from the laptop"];
    assert_eq!(house.heard(phone), both);
    assert_eq!(house.heard(laptop), both);
}

/// A slow reader gets no more than its credit, costs the others nothing, and loses nothing.
#[test]
fn who_does_not_read_lags_and_catches_up_from_the_log() {
    let (mut house, ann, bob) = lobby();
    for _ in 0..40 {
        house.say(ann, "#lobby", &long());
        house.take(ann);
    }
    assert_eq!(house.heard(ann).len(), 40);
    let mut heard = house.heard(bob);
    assert_eq!(heard.len(), 15);
    while heard.len() < 40 {
        house.take(bob);
        let more = house.heard(bob);
        assert!(!more.is_empty());
        heard.extend(more);
    }
    assert_eq!(heard.last().unwrap(), "42 ann: long");
    house.take(bob);
    house.say(ann, "#lobby", "live again");
    assert_eq!(house.heard(bob), ["43 ann: live again"]);
}

#[test]
fn what_was_just_missed_comes_from_memory_without_a_read() {
    let (mut house, ann, bob) = lobby();
    let device = house.cut(bob);
    house.say(ann, "#lobby", "one");
    let bob = house.log_in_with("bob", &device);
    assert_eq!(house.heard(bob), ["3 ann: one"]);
    assert_eq!(house.read_count, 0);
}

/// The read is answered with what stood in the log when it began; what came meanwhile is neither
/// lost nor told twice.
#[test]
fn entries_that_come_while_the_log_is_read_follow_once_and_in_order() {
    let (mut house, ann, bob) = lobby();
    let device = house.cut(bob);
    for number in 0..300 {
        house.say(ann, "#lobby", &format!("early {number}"));
    }
    house.take(ann);
    house.hold_reads = true;
    let bob = house.log_in_with("bob", &device);
    assert!(house.heard(bob).is_empty());
    for round in 0..3 {
        for number in 0..100 {
            house.say(ann, "#lobby", &format!("late {round} {number}"));
        }
        house.take(ann);
        house.answer_reads_so_far();
    }
    house.answer_reads();
    let mut heard = house.heard(bob);
    house.take(bob);
    heard.extend(house.heard(bob));
    assert_eq!(heard.len(), 600);
    assert_eq!(heard.last().unwrap(), "602 ann: late 2 99");
    house.say(ann, "#lobby", "now");
    assert_eq!(house.heard(bob), ["603 ann: now"]);
}

/// A read sees what is committed, also before the tail told of it. Here that was a kick, and what was said
/// after it: the hub still took the link for a member's and passed everything on.
#[test]
fn a_read_that_is_ahead_of_the_tail_shows_nothing_after_a_kick() {
    let (mut house, ann, bob) = lobby();
    let device = house.cut(bob);
    for number in 0..300 {
        house.say(ann, "#lobby", &format!("early {number}"));
    }
    house.take(ann);
    house.hold_writes = true;
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.say(ann, "#lobby", "not for bob");
    let batch = std::mem::take(&mut house.writes);
    let untold = house.store.commit(batch);
    house.hold_reads = true;
    let bob = house.log_in_with("bob", &device);
    house.answer_reads_so_far();
    house.answer_reads_so_far();
    house.inbox.extend(untold.into_iter().map(Input::Committed));
    house.work();
    house.answer_reads();
    let heard = house.heard(bob);
    assert_eq!(heard.last().unwrap(), "303 ann: kicked bob");
    assert_eq!(heard.len(), 301);
}

/// The first look-up began before the send was committed, and its answer came after the kick: the send was
/// refused, though it stood in the log.
#[test]
fn a_send_that_was_in_time_is_acknowledged_after_a_kick() {
    let (mut house, ann, bob) = lobby();
    house.hold_writes = true;
    let id = house.say(bob, "#lobby", "in time");
    let device = house.cut(bob);
    let bob = house.log_in_with("bob", &device);
    house.hold_reads = true;
    house.say_again(bob, "#lobby", id, "in time");
    house.commit();
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.answer_reads();
    assert_eq!(house.answered(bob), ["ack 3"]);
    let late = house.new_id();
    house.say_again(bob, "#lobby", late, "too late");
    assert_eq!(house.answered(bob), ["not_a_member"]);
}

/// What nobody listened to was not remembered: memory must not answer for it afterwards. Here the
/// last seat went when its owner left the room, and the ring stayed.
#[test]
fn memory_never_has_a_hole() {
    let (mut house, ann, bob) = lobby();
    house.give(ann, "lobby", "bob", Role::Owner);
    let device = house.cut(ann);
    house.leave(bob, "lobby");
    // Logged in and writing, but its streams do not run yet.
    let early = house.open();
    house.log_in_as(early, "ann", login("ann"));
    for text in ["one", "two"] {
        house.say(early, "#lobby", text);
    }
    let other = house.log_in_from("ann", "laptop");
    house.say(early, "#lobby", "three");
    house.mail.clear();
    house.resume(early, &device);
    assert_eq!(
        house.heard(early),
        [
            "4 bob: left bob",
            "5 ann: one",
            "6 ann: two",
            "7 ann: three"
        ]
    );
    assert!(!house.closed.contains_key(&other));
}

#[test]
fn a_failed_read_is_tried_again_and_nothing_is_lost() {
    let (mut house, ann, bob) = lobby();
    let device = house.cut(bob);
    for number in 0..300 {
        house.say(ann, "#lobby", &number.to_string());
    }
    house.store.bad_reads = 2;
    let bob = house.log_in_with("bob", &device);
    assert!(house.heard(bob).is_empty());
    house.wait(limits::READ_RETRY * 3);
    assert_eq!(house.heard(bob).len(), 300);
}

#[test]
fn conversations_that_lag_take_turns() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("busy", &[ann, bob]);
    house.room("calm", &[ann, bob]);
    let device = house.cut(bob);
    for _ in 0..60 {
        house.say(ann, "#busy", &long());
        house.take(ann);
    }
    for number in 0..300 {
        house.say(ann, "#calm", &number.to_string());
    }
    let bob = house.log_in_with("bob", &device);
    let heard = house.heard(bob);
    let calm = heard
        .iter()
        .filter(|heard| !heard.ends_with("long"))
        .count();
    assert!(calm > 0, "the calm room waits for the busy one");
}

#[test]
fn more_credit_than_was_used_is_a_violation() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.frame(ann, ToServer::Credit(1));
    assert_eq!(house.closed[&ann], Some(ByeReason::Violation));
}

#[test]
fn more_sends_at_once_than_allowed_are_a_violation() {
    let (mut house, ann) = alone();
    house.hold_writes = true;
    for _ in 0..limits::SENDS {
        house.say(ann, "#lobby", "x");
    }
    assert!(!house.closed.contains_key(&ann));
    house.say(ann, "#lobby", "x");
    assert_eq!(house.closed[&ann], Some(ByeReason::Violation));
    // What it had sent is still written.
    house.commit();
    let ann = house.log_in("ann");
    assert_eq!(
        house.conversations(ann)[0].head,
        Seq(1 + u64::from(limits::SENDS))
    );
}

// Sending again.

#[test]
fn a_send_that_arrived_is_answered_again_and_not_appended_again() {
    let (mut house, ann) = alone();
    let id = house.say(ann, "#lobby", "once");
    let device = house.cut(ann);
    let ann = house.log_in_with("ann", &device);
    house.mail.clear();
    house.say_again(ann, "#lobby", id, "once");
    house.say(ann, "#lobby", "next");
    assert_eq!(house.told(ann), ["ack 2", "ack 3", "3 ann: next"]);
}

#[test]
fn a_send_that_is_still_on_its_way_to_the_disk_is_not_appended_again() {
    let (mut house, ann) = alone();
    house.hold_writes = true;
    let id = house.say(ann, "#lobby", "once");
    let device = house.cut(ann);
    let ann = house.log_in_with("ann", &device);
    house.say_again(ann, "#lobby", id, "once");
    house.mail.clear();
    house.commit();
    assert_eq!(house.told(ann), ["2 ann: once", "ack 2"]);
}

#[test]
fn a_send_id_of_another_conversation_is_refused_whether_known_or_on_its_way() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.room("one", &[ann]);
    house.room("two", &[ann]);
    let id = house.say(ann, "#one", "x");
    house.say_again(ann, "#two", id, "x");
    house.send(ann, "#two", id, false, Body::text("x", None));
    let ends = house.answered(ann);
    assert_eq!(ends, ["ack 2", "send_id_reused", "send_id_reused"]);
}

#[test]
fn old_and_crooked_send_ids_are_refused() {
    let (mut house, ann) = alone();
    let id = house.new_id();
    house.now.date = house.now.date + limits::SEND_ID_MEMORY + Duration::from_secs(1);
    house.say_again(ann, "#lobby", id, "x");
    let early = SendId::new(
        house.now.date + limits::SEND_ID_AHEAD + Duration::from_secs(1),
        [0; 10],
    );
    house.send(ann, "#lobby", early, false, Body::text("x", None));
    house.send(ann, "#lobby", SendId([0; 16]), false, Body::text("x", None));
    assert_eq!(
        house.answered(ann),
        ["send_expired", "bad_send_id", "bad_send_id"]
    );
}

#[test]
fn who_was_kicked_since_still_learns_that_its_send_arrived() {
    let (mut house, ann, bob) = lobby();
    let id = house.say(bob, "#lobby", "once");
    let lost = house.new_id();
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.mail.clear();
    house.say_again(bob, "#lobby", id, "once");
    house.say_again(bob, "#lobby", lost, "too late");
    assert_eq!(house.told(bob), ["ack 3", "not_a_member"]);
}

/// A look-up takes its time, and later sends wait for it: also when a change of the sender's
/// membership starts and ends meanwhile.
#[test]
fn sends_do_not_overtake_one_that_is_looked_up() {
    let (mut house, ann, bob) = lobby();
    house.hold_reads = true;
    let id = house.new_id();
    house.say_again(bob, "#lobby", id, "first");
    house.say(bob, "#lobby", "second");
    house.give(ann, "lobby", "bob", Role::Moderator);
    assert!(house.answered(bob).is_empty());
    house.answer_reads();
    assert_eq!(house.heard(bob), ["4 bob: first", "5 bob: second"],);
}

// Refusals for now.

#[test]
fn after_a_refusal_for_now_later_sends_wait_until_it_comes_again() {
    let (mut house, ann) = alone();
    house.room("other", &[ann]);
    house.store.faults.push_back(Fault::Full("test".into()));
    let first = house.say(ann, "#lobby", "first");
    let second = house.say(ann, "#lobby", "second");
    house.say(ann, "#other", "elsewhere");
    assert_eq!(
        house.answered(ann),
        ["storage again", "after_refused again", "ack 2"]
    );
    house.say_again(ann, "#lobby", first, "first");
    house.say_again(ann, "#lobby", second, "second");
    assert_eq!(house.heard(ann), ["2 ann: first", "3 ann: second"]);
}

/// The look-up of the second began before the first one failed, and ended after it: it went into the
/// log in front of it.
#[test]
fn a_send_that_was_looked_up_while_an_earlier_one_failed_waits_for_that_one() {
    let (mut house, ann) = alone();
    house.store.faults.push_back(Fault::Full("test".into()));
    (house.hold_writes, house.hold_reads) = (true, true);
    let first = house.say(ann, "#lobby", "first");
    let second = house.new_id();
    house.say_again(ann, "#lobby", second, "second");
    house.commit();
    house.answer_reads();
    assert_eq!(
        house.answered(ann),
        ["storage again", "after_refused again"]
    );
    (house.hold_writes, house.hold_reads) = (false, false);
    house.say_again(ann, "#lobby", first, "first");
    house.say_again(ann, "#lobby", second, "second");
    assert_eq!(house.heard(ann), ["2 ann: first", "3 ann: second"]);
}

/// The look-up of the second failed before the write of the first did. The first was told to wait for
/// an earlier one, and nothing of the conversation was taken before the second came again, which never
/// happened.
#[test]
fn the_first_of_two_that_failed_is_the_one_that_has_to_come_again() {
    let (mut house, ann) = alone();
    house.store.faults.push_back(Fault::Full("test".into()));
    house.store.bad_reads = 1;
    house.hold_writes = true;
    let first = house.say(ann, "#lobby", "first");
    let second = house.new_id();
    house.say_again(ann, "#lobby", second, "second");
    house.commit();
    assert_eq!(house.answered(ann), ["storage again", "storage again"]);
    house.hold_writes = false;
    house.say_again(ann, "#lobby", second, "second");
    assert_eq!(house.answered(ann), ["after_refused again"]);
    house.say_again(ann, "#lobby", first, "first");
    house.say_again(ann, "#lobby", second, "second");
    assert_eq!(house.heard(ann), ["2 ann: first", "3 ann: second"]);
}

#[test]
fn a_batch_that_fails_fails_in_order_and_only_for_its_conversation() {
    let (mut house, ann, bob) = lobby();
    house.room("other", &[ann]);
    house.hold_writes = true;
    house.store.faults.push_back(Fault::Full("test".into()));
    house.say(ann, "#lobby", "one");
    house.say(ann, "#lobby", "two");
    house.say(bob, "#lobby", "bob's first");
    house.say(ann, "#other", "elsewhere");
    house.commit();
    assert_eq!(
        house.answered(ann),
        ["storage again", "after_refused again", "ack 2"]
    );
    // Nothing of bob's was refused before it: it is not told to send something else first.
    assert_eq!(house.answered(bob), ["busy again"]);
}

#[test]
fn a_cancelled_send_lets_the_later_ones_pass() {
    let (mut house, ann) = alone();
    house.store.faults.push_back(Fault::Full("test".into()));
    let first = house.say(ann, "#lobby", "first");
    let target = target("#lobby");
    let other = house.new_id();
    house.frame(
        ann,
        ToServer::Cancel {
            target: target.clone(),
            id: other,
        },
    );
    house.say(ann, "#lobby", "second");
    house.frame(ann, ToServer::Cancel { target, id: first });
    house.say(ann, "#lobby", "third");
    assert_eq!(
        house.answered(ann),
        ["storage again", "after_refused again", "ack 2"]
    );
}

#[test]
fn final_refusals_block_nothing() {
    let (mut house, ann) = alone();
    house.post(ann, "#lobby", Body::redaction(Seq(99)));
    house.say(ann, "#lobby", "fine");
    assert_eq!(house.answered(ann), ["no_such_entry", "ack 2"]);
}

#[test]
fn who_blocks_ever_more_conversations_is_shown_out() {
    let mut house = House::new();
    let ann = house.register("ann");
    for number in 0..=limits::CONVERSATIONS {
        let name = format!("u{number}");
        house.add_account(&name, None).unwrap();
        assert!(!house.closed.contains_key(&ann));
        house.store.faults.push_back(Fault::Full("test".into()));
        house.say(ann, &format!("@{name}"), "x");
    }
    assert_eq!(house.closed[&ann], Some(ByeReason::Violation));
}

// Targets.

#[test]
fn edits_are_the_authors_and_redactions_also_the_moderators() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "#lobby", "ann's");
    house.say(bob, "#lobby", "bob's");
    house.mail.clear();
    let mut tries = |link, body| {
        house.post(link, "#lobby", body);
        house.answered(link).concat()
    };
    assert_eq!(tries(bob, Body::edit(Seq(3), "x")), "forbidden");
    assert_eq!(tries(bob, Body::redaction(Seq(3))), "forbidden");
    assert_eq!(tries(ann, Body::edit(Seq(4), "x")), "forbidden");
    assert_eq!(tries(ann, Body::redaction(Seq(4))), "ack 5");
    assert_eq!(tries(bob, Body::edit(Seq(4), "x")), "no_such_entry");
    assert_eq!(tries(bob, Body::reaction(Seq(4), "+")), "no_such_entry");
    assert_eq!(tries(bob, Body::reaction(Seq(3), "+")), "ack 6");
    assert_eq!(tries(bob, Body::reaction(Seq(77), "+")), "no_such_entry");
    assert_eq!(tries(bob, Body::topic("mine")), "forbidden");
    assert_eq!(tries(bob, Body::text("", None)), "empty");
}

#[test]
fn a_deleted_text_is_not_served_from_memory() {
    let (mut house, ann, bob) = lobby();
    let device = house.cut(bob);
    house.say(ann, "#lobby", "secret");
    house.post(ann, "#lobby", Body::redaction(Seq(3)));
    let bob = house.log_in_with("bob", &device);
    assert_eq!(house.heard(bob), ["3 ann: deleted", "4 ann: redaction"]);
    assert_eq!(house.read_count, 0);
}

// Direct conversations.

#[test]
fn two_first_sends_of_a_direct_conversation_may_cross() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.mail.clear();
    house.hold_writes = true;
    house.say(ann, "@bob", "hi bob");
    house.say(bob, "@ann", "hi ann");
    house.say(ann, "@bob", "and more");
    house.commit();
    let all = ["1 ann: hi bob", "2 bob: hi ann", "3 ann: and more"];
    assert_eq!(house.heard(ann), all);
    assert_eq!(house.heard(bob), all);
    let seen = &house.conversations(bob)[0];
    assert_eq!((seen.read, seen.unread), (Seq(2), 1));
}

#[test]
fn one_can_write_to_oneself_and_a_stranger_cannot_look_in() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.mail.clear();
    house.say(ann, "@ann", "note");
    assert_eq!(
        house.told(ann)[..],
        ["conversations @ann 1", "ack 1", "1 ann: note"]
    );
    let id = ConversationId::direct(house.account("ann"), house.account("ann"));
    house.requests += 1;
    let send = Send {
        request: RequestId(house.requests),
        target: Target::Conversation(id),
        id: SendId::new(START, [9; 10]),
        again: false,
        body: Body::text("x", None),
    };
    house.frame(bob, ToServer::Send(send));
    assert_eq!(house.answered(bob), ["no_such_room"]);
}

#[test]
fn a_direct_conversation_begins_with_no_topic_and_no_target() {
    let mut house = House::new();
    let (ann, _) = (house.register("ann"), house.register("bob"));
    house.mail.clear();
    for body in [Body::topic("x"), Body::edit(Seq(1), "x")] {
        house.post(ann, "@bob", body);
    }
    assert_eq!(house.answered(ann), ["bad_request", "no_such_entry"]);
}

/// Many things at once, in an order that a number decides: writes and reads answered late, links that
/// break, people who are kicked and come back. Each client checks every frame (see [`House::tell`]);
/// in the end everybody must have everything it may see.
#[test]
fn whatever_happens_nobody_misses_an_entry_or_gets_one_twice() {
    for seed in 0..400 {
        stir(seed);
    }
}

fn stir(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let mut roll = move |sides: u64| dice.number() % sides;
    let mut house = House::new();
    let public = roll(2) == 0;
    let mut links = [
        house.register("ann"),
        house.register("bob"),
        house.register("cyd"),
    ];
    let names = ["ann", "bob", "cyd"];
    house.create(links[0], "lobby", public);
    for step in 0..200 {
        let who = roll(3) as usize;
        match roll(12) {
            0..4 => {
                let text = if roll(3) == 0 {
                    long()
                } else {
                    step.to_string()
                };
                if house.clients[&links[who]].unpaid < limits::ENTRY_CREDIT * 2 {
                    house.say(links[who], "#lobby", &text);
                }
            }
            4 => house.take(links[who]),
            5 => {
                let device = house.cut(links[who]);
                links[who] = house.log_in_with(names[who], &device);
            }
            6 if who > 0 => {
                house.change(links[0], "lobby", Some(names[who]), Change::Invited);
                house.join(links[who], "lobby");
            }
            7 if who > 0 && roll(3) == 0 => {
                house.change(links[0], "lobby", Some(names[who]), Change::Kicked);
            }
            8 => house.hold_reads = true,
            9 => house.answer_reads(),
            10 => house.hold_writes = true,
            11 => house.commit(),
            _ => {}
        }
        let busy = |link: &LinkId| house.closed.contains_key(link);
        assert!(!links.iter().any(busy), "seed {seed}: {:?}", house.closed);
    }
    house.answer_reads();
    house.commit();
    house.answer_reads();
    for _ in 0..100 {
        for link in links {
            house.take(link);
        }
    }
    let room = house.store.room_named("lobby").unwrap();
    let head = house.store.room(room).unwrap().head;
    for (link, name) in links.into_iter().zip(names) {
        let Some(member) = house.store.member(room, house.account(name)) else {
            continue;
        };
        let end = member
            .spans
            .last()
            .map_or(Seq::ZERO, |span| span.to.min(head));
        let got = house.clients[&link].positions.get(&room);
        let got = got.map_or(Seq::ZERO, |(_, seq)| *seq);
        assert_eq!(got, end, "seed {seed}: {name}");
    }
}
