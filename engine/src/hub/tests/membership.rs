use super::*;
use crate::model::{HistoryFrom, Span};

fn club(house: &mut House) -> (LinkId, LinkId) {
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.create(ann, "club", false);
    house.change(ann, "club", Some("bob"), Change::Invited);
    house.join(bob, "club");
    house.forget_mail();
    (ann, bob)
}

#[test]
fn a_private_room_is_nobodys_business() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.create(ann, "club", false);
    house.mail.clear();
    house.join(bob, "club");
    house.say(bob, "#club", "x");
    house.ask(
        bob,
        Request::Members {
            target: target("#club"),
            after: None,
        },
    );
    house.ask(bob, Request::Rooms { after: None });
    assert_eq!(
        house.answered(bob),
        [
            "no_such_room",
            "no_such_room",
            "no_such_room",
            "Rooms([], None)"
        ]
    );
    house.create(bob, "club", false);
    assert_eq!(house.answered(bob), ["room_exists"]);
}

#[test]
fn who_is_invited_is_told_and_may_join_and_sees_nothing_from_before() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.create(ann, "club", false);
    house.say(ann, "#club", "before");
    house.mail.clear();
    house.change(ann, "club", Some("bob"), Change::Invited);
    assert_eq!(
        house.told(bob),
        ["notice ann invites you to the room club; join it to accept"]
    );
    house.join(bob, "club");
    assert_eq!(
        house.told(bob)[..4],
        [
            "conversations #club 4",
            "gap 1-3 hidden",
            "entered 4",
            "4 bob: joined bob"
        ]
    );
}

#[test]
fn a_newcomer_of_a_public_room_skips_what_it_may_look_up() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("lobby", &[ann]);
    house.say(ann, "#lobby", "before");
    house.mail.clear();
    house.join(bob, "lobby");
    assert_eq!(house.heard(bob), ["gap 1-2 skipped", "3 bob: joined bob"]);
}

/// Kicked while it lags: everything up to the kick, then nothing, also after a new login.
#[test]
fn who_is_kicked_while_behind_gets_the_rest_and_then_nothing() {
    for cut in [false, true] {
        let mut house = House::new();
        let (ann, mut bob) = club(&mut house);
        for _ in 0..30 {
            house.say(ann, "#club", &long());
            house.take(ann);
        }
        house.change(ann, "club", Some("bob"), Change::Kicked);
        house.say(ann, "#club", "without bob");
        let mut heard = house.heard(bob);
        assert_eq!(heard.len(), 15);
        if cut {
            let device = house.cut(bob);
            bob = house.log_in_with("bob", &device);
        }
        for _ in 0..5 {
            heard.extend(house.heard(bob));
            house.take(bob);
        }
        assert_eq!(heard.len(), 31);
        assert_eq!(heard.last().unwrap(), "34 ann: kicked bob");
        let device = house.cut(bob);
        let bob = house.log_in_with("bob", &device);
        assert_eq!(house.told(bob), ["welcome", "conversations #club 34 out"]);
    }
}

/// What streams, history and unread counts say to people who were in at different times.
#[test]
fn streams_history_and_unread_counts_agree_about_who_sees_what() {
    // (history from the first entry on, what happens between the texts, what bob sees of 9 texts)
    type Case<'a> = (bool, &'a [(u64, &'a str)], &'a [u64]);
    let table: &[Case<'_>] = &[
        (false, &[(0, "in")], &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (false, &[(3, "in")], &[4, 5, 6, 7, 8, 9]),
        (false, &[(3, "in"), (6, "kick")], &[4, 5, 6]),
        (false, &[(3, "in"), (6, "ban")], &[4, 5, 6]),
        (
            false,
            &[(2, "in"), (4, "leave"), (6, "in")],
            &[3, 4, 7, 8, 9],
        ),
        (
            false,
            &[(2, "in"), (4, "kick"), (6, "in"), (8, "leave")],
            &[3, 4, 7, 8],
        ),
        (true, &[(3, "in")], &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (true, &[(3, "in"), (6, "kick")], &[1, 2, 3, 4, 5, 6]),
        (
            true,
            &[(2, "in"), (4, "leave"), (6, "in")],
            &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        ),
    ];
    for (public, events, sees) in table {
        let mut house = House::new();
        let (ann, bob) = (house.register("ann"), house.register("bob"));
        house.create(ann, "place", *public);
        let room = house.store.room_named("place").unwrap();
        let mut last_in = 0;
        for text in 0..=9 {
            for (_, event) in events.iter().filter(|(after, _)| *after == text) {
                match *event {
                    "in" => {
                        house.change(ann, "place", Some("bob"), Change::Invited);
                        house.join(bob, "place");
                        last_in = text;
                    }
                    "leave" => house.leave(bob, "place"),
                    "kick" => house.change(ann, "place", Some("bob"), Change::Kicked),
                    _ => house.change(ann, "place", Some("bob"), Change::Banned),
                }
            }
            if text < 9 {
                house.say(ann, "#place", &(text + 1).to_string());
            }
        }
        let texts = |heard: Vec<String>| -> Vec<u64> {
            let said = heard.iter().filter_map(|words| words.split(": ").nth(1));
            said.filter_map(|said| said.parse().ok()).collect()
        };
        let joined = house
            .conversations(bob)
            .into_iter()
            .find(|item| item.joined);
        let unread = sees.iter().filter(|text| **text > last_in).count();
        let is_in = house
            .store
            .member(room, house.account("bob"))
            .unwrap()
            .standing
            == crate::model::Standing::In;
        assert_eq!(joined.is_some(), is_in, "{events:?}");
        if let Some(joined) = joined {
            assert_eq!(joined.unread as usize, unread, "{events:?}");
        }
        // A device that knows the room, and nothing of what was said in it.
        let epoch = house.store.room(room).unwrap().epoch;
        let mut device = house.cut(bob);
        device.positions.insert(room, (epoch, Seq::ZERO));
        let bob = house.log_in_with("bob", &device);
        assert_eq!(texts(house.heard(bob)), *sees, "{events:?}");
        let request = Request::History {
            target: target("#place"),
            from: HistoryFrom::End,
            limit: 100,
        };
        house.ask(bob, request);
        let Answer::History(items, _) = house.reply(bob) else {
            panic!("no history");
        };
        let items = items.iter().map(|item| entry_words(&item.entry)).collect();
        assert_eq!(texts(items), *sees, "{events:?}");
    }
}

#[test]
fn a_ban_holds_until_it_is_lifted() {
    let (mut house, ann, bob) = lobby();
    house.change(ann, "lobby", Some("bob"), Change::Banned);
    house.mail.clear();
    house.say(bob, "#lobby", "x");
    house.join(bob, "lobby");
    house.change(ann, "lobby", Some("bob"), Change::Invited);
    house.change(ann, "lobby", Some("bob"), Change::Unbanned);
    house.join(bob, "lobby");
    assert_eq!(house.answered(bob), ["banned", "banned", "entered 5"]);
    assert_eq!(house.answered(ann), ["forbidden", "entered 4"]);
}

#[test]
fn sends_wait_while_the_senders_membership_changes() {
    let (mut house, ann, bob) = lobby();
    house.hold_writes = true;
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.say(bob, "#lobby", "still here?");
    house.say(ann, "#lobby", "ann need not wait");
    house.commit();
    assert_eq!(
        house.told(bob),
        [
            "conversations #lobby 3 out",
            "3 ann: kicked bob",
            "not_a_member"
        ]
    );
    assert_eq!(
        house.heard(ann),
        ["3 ann: kicked bob", "4 ann: ann need not wait"]
    );

    // One that fails lets them go on, too.
    house.hold_writes = true;
    house.join(bob, "lobby");
    house.say(bob, "#lobby", "in again?");
    house.store.faults.push_back(Fault::Full("test".into()));
    house.commit();
    assert_eq!(house.answered(bob), ["storage again", "not_a_member"]);
}

#[test]
fn changes_of_a_room_wait_for_each_other_and_are_decided_one_by_one() {
    let mut house = House::new();
    let links = [
        house.register("ann"),
        house.register("bob"),
        house.register("cyd"),
    ];
    let [ann, bob, _] = links;
    house.room("lobby", &links);
    house.give(ann, "lobby", "bob", Role::Owner);
    house.mail.clear();
    house.hold_writes = true;
    // Both owners want to go, and one of them has to stay.
    house.leave(ann, "lobby");
    house.leave(bob, "lobby");
    assert_eq!(house.writes.len(), 1);
    house.commit();
    assert_eq!(house.answered(ann), ["entered 5"]);
    assert_eq!(house.answered(bob), ["last_owner"]);
}

#[test]
fn no_more_changes_wait_than_allowed() {
    let (mut house, _) = alone();
    let others: Vec<_> = (0..20).map(|n| house.register(&format!("u{n}"))).collect();
    house.hold_writes = true;
    for _ in 0..limits::REQUESTS {
        for other in &others {
            house.join(*other, "lobby");
        }
    }
    let room = &house.hub.rooms[&house.hub.room_names[&RoomName::new("lobby").unwrap()]];
    assert_eq!(room.waiting.len(), limits::WAITING_CHANGES);
    let last = others.last().copied().unwrap();
    assert!(house.answered(last).contains(&"busy again".to_owned()));
}

#[test]
fn the_last_owner_stays_unless_it_is_alone() {
    let (mut house, ann, bob) = lobby();
    house.leave(ann, "lobby");
    house.give(ann, "lobby", "ann", Role::Member);
    house.leave(bob, "lobby");
    house.leave(ann, "lobby");
    assert_eq!(
        house.answered(ann),
        ["last_owner", "bad_request", "entered 4"]
    );
}

/// Who may do what to whom: rows are the actor, columns what it does to a member, a moderator and an
/// owner.
#[test]
fn rights_are_by_role() {
    let roles = [Role::Member, Role::Moderator, Role::Owner];
    let changes = [Change::Kicked, Change::Banned, Change::Muted, Change::Role];
    for actor in roles {
        for subject in roles {
            for change in changes {
                let mut house = House::new();
                let links = [
                    house.register("ann"),
                    house.register("bob"),
                    house.register("cyd"),
                ];
                house.room("lobby", &links);
                house.give(links[0], "lobby", "bob", actor);
                house.give(links[0], "lobby", "cyd", subject);
                house.mail.clear();
                let role = Some(Role::Moderator).filter(|_| subject != Role::Moderator);
                let role = Some(role.unwrap_or(Role::Member));
                house.change_with(links[1], "lobby", Some("cyd"), change, role, 60);
                let may = match change {
                    Change::Role => actor == Role::Owner,
                    _ => actor > subject && actor >= Role::Moderator,
                };
                let answer = house.answered(links[1]).concat();
                let case = format!("{actor:?} {change:?} {subject:?}: {answer}");
                assert_eq!(answer.starts_with("entered"), may, "{case}");
                assert_eq!(answer == "forbidden", !may, "{case}");
            }
        }
    }
}

#[test]
fn a_mute_ends_by_time_or_mercy_and_outlasts_leaving() {
    let (mut house, ann, bob) = lobby();
    house.change_with(ann, "lobby", Some("bob"), Change::Muted, None, 60);
    house.leave(bob, "lobby");
    house.join(bob, "lobby");
    house.mail.clear();
    house.say(bob, "#lobby", "x");
    house.wait(Duration::from_secs(61));
    house.say(bob, "#lobby", "x");
    house.change_with(ann, "lobby", Some("bob"), Change::Muted, None, 0);
    house.wait(Duration::from_secs(1_000_000));
    house.say(bob, "#lobby", "x");
    house.change(ann, "lobby", Some("bob"), Change::Unmuted);
    house.say(bob, "#lobby", "x");
    assert_eq!(house.answered(bob), ["muted", "ack 6", "muted", "ack 9"]);
}

#[test]
fn other_changes_need_membership_and_a_room() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("lobby", &[ann]);
    house.change(bob, "lobby", Some("ann"), Change::Kicked);
    house.change(bob, "lobby", Some("ann"), Change::Invited);
    house.change(bob, "lobby", Some("ann"), Change::Joined);
    house.leave(bob, "lobby");
    house.join(bob, "nowhere");
    assert_eq!(
        house.answered(bob),
        [
            "not_a_member",
            "not_a_member",
            "bad_request",
            "not_a_member",
            "no_such_room"
        ]
    );
}

/// Invitations are made by others: they must not use up what an account may hold.
#[test]
fn being_invited_holds_nothing_and_keeps_nobody_out_of_the_lobby() {
    let mut house = House::with(Registration::Open, Some("lobby"));
    let ann = house.register("ann");
    house.add_account("bob", Some(PASSWORD)).unwrap();
    house.create(ann, "club", false);
    house.change(ann, "club", Some("bob"), Change::Invited);
    let bob = house.log_in_from("bob", "laptop");
    let names: Vec<_> = house
        .conversations(bob)
        .into_iter()
        .map(|item| item.peer)
        .collect();
    assert_eq!(names, [Peer::Room(RoomName::new("lobby").unwrap())]);
}

#[test]
fn newcomers_enter_the_lobby_once_also_when_they_come_together() {
    let mut house = House::with(Registration::Open, Some("lobby"));
    let ann = house.register("ann");
    house.mail.clear();
    house.hold_writes = true;
    let bob = house.open();
    let account = Login {
        register: true,
        ..login("bob")
    };
    house.log_in_as(bob, "bob", account.clone());
    let cyd = house.open();
    house.log_in_as(
        cyd,
        "cyd",
        Login {
            account: "cyd".into(),
            ..account
        },
    );
    house.commit();
    house.resume(bob, &Device::default());
    house.resume(cyd, &Device::default());
    house.say(bob, "#lobby", "hi");
    house.say(cyd, "#lobby", "hi");
    assert_eq!(
        house.heard(ann),
        [
            "2 bob: joined bob",
            "3 cyd: joined cyd",
            "4 bob: hi",
            "5 cyd: hi"
        ]
    );
}

#[test]
fn joining_and_leaving_leaves_one_stretch_each_and_old_ones_are_forgotten() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let room = house.room("lobby", &[ann]);
    for _ in 0..limits::SPANS + 10 {
        house.join(bob, "lobby");
        house.leave(bob, "lobby");
    }
    let bob_id = house.account("bob");
    let spans: &[Span] = &house.hub.rooms[&room].members[&bob_id].spans;
    assert_eq!(spans.len(), limits::SPANS);
    assert_eq!(house.hub.rooms[&room].seats.len(), 1);
}

/// Otherwise a few accounts could take all the rooms that a server may have.
#[test]
fn an_account_owns_so_many_rooms_and_no_more() {
    let mut house = House::new();
    let ann = house.register("ann");
    for number in 0..limits::ROOMS_PER_ACCOUNT {
        house.create(ann, &format!("r{number}"), true);
    }
    house.mail.clear();
    house.create(ann, "one-more", true);
    assert_eq!(house.answered(ann), ["too_many"]);
    // Leaving makes no room: nobody else could use it.
    house.leave(ann, "r0");
    house.mail.clear();
    house.create(ann, "one-more", true);
    assert_eq!(house.answered(ann), ["too_many"]);
    // Giving it away does.
    let bob = house.register("bob");
    house.join(bob, "r1");
    house.give(ann, "r1", "bob", Role::Owner);
    house.leave(ann, "r1");
    house.mail.clear();
    house.create(ann, "one-more", true);
    assert_eq!(house.answered(ann), ["entered 1"]);
}
