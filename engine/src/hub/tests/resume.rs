use super::*;

#[test]
fn a_device_without_a_position_starts_at_the_read_cursor() {
    let (mut house, ann, bob) = lobby();
    for text in ["one", "two", "three"] {
        house.say(ann, "#lobby", text);
    }
    let read = Request::Read {
        target: target("#lobby"),
        seq: Seq(4),
    };
    house.ask(bob, read);
    let laptop = house.log_in_from("bob", "laptop");
    assert_eq!(house.heard(laptop), ["gap 1-4 skipped", "5 ann: three"]);
}

#[test]
fn a_device_without_a_position_gets_at_most_so_many_entries() {
    let (mut house, ann, _) = lobby();
    for number in 0..limits::FIRST_ENTRIES + 50 {
        house.say(ann, "#lobby", &number.to_string());
        house.take(ann);
    }
    let laptop = house.log_in_from("bob", "laptop");
    let heard = house.heard(laptop);
    assert_eq!(heard[0], "gap 1-52 skipped");
    assert_eq!(heard.len() as u64, limits::FIRST_ENTRIES + 1);
}

#[test]
fn after_a_restored_backup_the_log_is_read_from_its_start() {
    let (mut house, ann) = alone();
    house.say(ann, "#lobby", "one");
    let device = house.cut(ann);
    house.store.change_epochs();
    house.restart();
    let ann = house.log_in_with("ann", &device);
    assert_eq!(
        house.heard(ann),
        ["gap 0-0 restored", "1 ann: joined ann", "2 ann: one"]
    );
}

#[test]
fn a_position_beyond_the_head_is_a_restored_log_too() {
    let mut house = House::new();
    let ann = house.register("ann");
    let room = house.room("lobby", &[ann]);
    let mut device = house.cut(ann);
    device.positions.get_mut(&room).unwrap().1 = Seq(50);
    let ann = house.log_in_with("ann", &device);
    assert_eq!(house.heard(ann), ["gap 0-0 restored", "1 ann: joined ann"]);
}

#[test]
fn what_retention_cut_is_a_gap_also_when_it_was_faster_than_the_reader() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let room = house.room("lobby", &[ann, bob]);
    let device = house.cut(bob);
    for number in 0..300 {
        house.say(ann, "#lobby", &number.to_string());
    }
    house.trim(room, 300);
    let bob = house.log_in_with("bob", &device);
    let heard = house.heard(bob);
    assert_eq!(heard[..2], ["gap 3-299 trimmed", "300 ann: 297"]);
    assert_eq!(heard.len(), 4);

    let device = house.cut(bob);
    for number in 0..300 {
        house.say(ann, "#lobby", &number.to_string());
    }
    house.hold_reads = true;
    let bob = house.log_in_with("bob", &device);
    house.answer_reads();
    assert_eq!(house.heard(bob).len(), 300);
    // The store has cut everything and the hub does not know yet.
    let device = house.cut(bob);
    let other = house.cut(ann);
    house.restart();
    let _ = house.store.trim(room, Seq(603));
    let ann = house.log_in_with("ann", &other);
    let mut old = device.clone();
    old.positions.get_mut(&room).unwrap().1 = Seq(100);
    let bob = house.log_in_with("bob", &old);
    assert_eq!(
        house.heard(bob),
        ["gap 101-299 trimmed", "gap 300-602 trimmed"]
    );
    house.say(ann, "#lobby", "on it goes");
    assert_eq!(house.heard(bob), ["603 ann: on it goes"]);
}

#[test]
fn positions_come_in_parts_and_once() {
    let mut house = House::new();
    let ann = house.register("ann");
    let room = house.room("lobby", &[ann]);
    let device = house.cut(ann);
    let ann = house.open();
    house.log_in_as(ann, "ann", login("ann"));
    house.clients.get_mut(&ann).unwrap().positions = device.positions.clone();
    let (epoch, seq) = device.positions[&room];
    let position = Position {
        conversation: room,
        epoch,
        seq,
    };
    let part = |more, positions| {
        ToServer::Resume(Resume {
            positions,
            more,
            ..Resume::default()
        })
    };
    house.frame(ann, part(true, vec![position]));
    assert_eq!(house.told(ann), ["welcome"]);
    house.frame(ann, part(false, Vec::new()));
    assert_eq!(house.told(ann), ["conversations #lobby 1"]);
    house.frame(ann, part(false, Vec::new()));
    assert_eq!(house.closed[&ann], Some(ByeReason::Violation));
}

#[test]
fn more_positions_than_conversations_are_a_violation() {
    let mut house = House::new();
    let ann = house.open();
    let account = Login {
        register: true,
        ..login("ann")
    };
    house.log_in_as(ann, "ann", account);
    let position = Position {
        conversation: ConversationId([1; 16]),
        epoch: Epoch(1),
        seq: Seq(1),
    };
    for _ in 0..5 {
        let positions = vec![position; 1000];
        house.frame(
            ann,
            ToServer::Resume(Resume {
                positions,
                more: true,
                ..Resume::default()
            }),
        );
    }
    assert_eq!(house.closed[&ann], Some(ByeReason::Violation));
}

#[test]
fn the_list_of_conversations_comes_in_pages() {
    let mut house = House::new();
    let ann = house.register("ann");
    for number in 0..limits::PAGE_ITEMS + 1 {
        house.create(ann, &format!("room{number}"), true);
    }
    let device = house.cut(ann);
    let ann = house.log_in_with("ann", &device);
    let pages: Vec<_> = house
        .mail(ann)
        .into_iter()
        .filter_map(|told| match told {
            ToClient::Conversations { items, more } => Some((items.len(), more)),
            _ => None,
        })
        .collect();
    assert_eq!(pages, [(limits::PAGE_ITEMS, true), (1, false)]);
}

/// A device that was away while its account came in, left and came back must learn of all that.
#[test]
fn a_device_that_was_away_for_a_whole_membership_gets_the_rest_of_it() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.create(ann, "club", false);
    house.change(ann, "club", Some("bob"), Change::Invited);
    house.join(bob, "club");
    let device = house.cut(bob);
    house.say(ann, "#club", "while away");
    house.change(ann, "club", Some("bob"), Change::Kicked);
    house.say(ann, "#club", "not for bob");
    house.change(ann, "club", Some("bob"), Change::Invited);
    let bob = house.log_in_with("bob", &device);
    assert_eq!(house.heard(bob), ["4 ann: while away", "5 ann: kicked bob"]);
    house.join(bob, "club");
    house.say(ann, "#club", "welcome back");
    assert_eq!(
        house.heard(bob),
        ["gap 6-7 hidden", "8 bob: joined bob", "9 ann: welcome back"]
    );
}
