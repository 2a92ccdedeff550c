use super::*;

#[test]
fn who_shares_something_small_learns_who_comes_and_why_they_go() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let cyd = house.register("cyd");
    house.room("lobby", &[ann, bob]);
    house.cut(bob);
    house.wait(Duration::from_secs(1));
    assert_eq!(house.told(ann), ["presence bob offline lost"]);
    house.log_in("bob");
    house.wait(Duration::from_secs(1));
    assert_eq!(house.told(ann), ["presence bob online"]);
    assert!(house.told(cyd).is_empty());
}

#[test]
fn many_changes_become_one_frame_in_half_a_second_and_the_latest_wins() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let cyd = house.register("cyd");
    house.room("lobby", &[ann, bob, cyd]);
    let mut frames = 0;
    for step in 0..100 {
        for link in [bob, cyd] {
            let state = if step % 2 == 0 {
                PresenceState::Away
            } else {
                PresenceState::Online
            };
            house.frame(link, ToServer::Presence(state, step.to_string()));
        }
        house.wait(Duration::from_millis(10));
        frames += house.told(ann).len();
    }
    assert!(
        (1..=4).contains(&frames),
        "{frames} frames in two merge times"
    );
    house.wait(limits::PRESENCE_MERGE);
    house.mail.clear();
    house.frame(bob, ToServer::Presence(PresenceState::Away, "last".into()));
    house.cut(bob);
    house.log_in("bob");
    house.wait(limits::PRESENCE_MERGE);
    let last = house.told(ann).pop().unwrap();
    assert_eq!(last, "presence bob online");
}

#[test]
fn offline_cannot_be_claimed_and_a_state_ends_with_the_last_link() {
    let (mut house, ann, bob) = lobby();
    house.frame(
        bob,
        ToServer::Presence(PresenceState::Offline, "x".repeat(500)),
    );
    house.wait(limits::PRESENCE_MERGE);
    let Some(ToClient::Presence(items)) = house.mail(ann).pop() else {
        panic!("no presence");
    };
    assert_eq!(items[0].state, PresenceState::Away);
    assert_eq!(items[0].text.len(), limits::PRESENCE_BYTES);
    house.cut(bob);
    house.log_in("bob");
    house.wait(limits::PRESENCE_MERGE);
    assert_eq!(house.told(ann).pop().unwrap(), "presence bob online");
}

#[test]
fn an_account_is_online_while_any_of_its_devices_is() {
    let (mut house, ann, bob) = lobby();
    let laptop = house.log_in_from("bob", "laptop");
    house.cut(bob);
    house.wait(Duration::from_secs(1));
    assert!(house.told(ann).is_empty());
    house.cut(laptop);
    house.wait(Duration::from_secs(1));
    assert_eq!(house.told(ann), ["presence bob offline lost"]);
}

#[test]
fn who_resumes_gets_a_snapshot_and_who_joins_learns_of_the_others() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("lobby", &[ann]);
    house.join(bob, "lobby");
    house.wait(Duration::from_secs(1));
    assert!(house.told(bob).contains(&"presence ann online".to_owned()));
    assert!(house.told(ann).contains(&"presence bob online".to_owned()));
    let device = house.cut(bob);
    let bob = house.log_in_with("bob", &device);
    assert_eq!(
        house.told(bob),
        ["welcome", "conversations #lobby 2", "presence ann online"]
    );
}

#[test]
fn nothing_is_kept_of_who_went_unseen() {
    let mut house = House::new();
    for number in 0..10 {
        let link = house.register(&format!("u{number}"));
        house.cut(link);
    }
    house.wait(Duration::from_secs(1));
    let book = format!("{:?}", house.hub.presence);
    assert!(
        book.contains("dirty: {}") && book.contains("reasons: {}"),
        "{book}"
    );
    assert!(
        book.contains("changed: {}") && book.contains("subscribed: {}"),
        "{book}"
    );
}

#[test]
fn writing_is_told_to_members_who_are_here_and_not_too_often() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let cyd = house.register("cyd");
    house.room("lobby", &[ann, bob]);
    for link in [bob, bob, cyd] {
        house.frame(link, ToServer::Typing(target("#lobby")));
    }
    assert_eq!(house.told(ann), ["bob writes"]);
    assert!(house.told(bob).is_empty());
    house.wait(limits::TYPING_EVERY);
    house.frame(bob, ToServer::Typing(target("#lobby")));
    assert_eq!(house.told(ann), ["bob writes"]);
}

#[test]
fn a_link_that_resumes_is_told_once_who_is_here() {
    let mut house = House::with(Registration::Open, Some("lobby"));
    house.register("ann");
    let bob = house.register("bob");
    house.wait(Duration::from_secs(1));
    let told = house.told(bob);
    let times = told.iter().filter(|told| *told == "presence ann online");
    assert_eq!(times.count(), 1, "{told:?}");
}

#[test]
fn who_writes_in_one_conversation_may_say_so_in_another() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    for room in ["lobby", "attic"] {
        house.room(room, &[ann, bob]);
    }
    for room in ["#lobby", "#attic", "#lobby"] {
        house.frame(ann, ToServer::Typing(target(room)));
    }
    assert_eq!(house.told(bob), ["ann writes", "ann writes"]);
    house.wait(limits::TYPING_EVERY);
    house.frame(ann, ToServer::Typing(target("#lobby")));
    assert_eq!(house.told(bob), ["ann writes"]);
}
