use super::*;

fn read(house: &mut House, link: LinkId, room: &str, seq: u64) {
    let target = target(room);
    house.ask(
        link,
        Request::Read {
            target,
            seq: Seq(seq),
        },
    );
}

fn unread(house: &mut House, link: LinkId) -> (u64, u32, u32) {
    let item = house.conversations(link).remove(0);
    (item.read.0, item.unread, item.mentions)
}

#[test]
fn receipts_are_merged_into_one_frame_a_second_and_the_latest_wins() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let room = house.room("lobby", &[ann, bob]);
    for text in ["one", "two", "three"] {
        house.say(ann, "#lobby", text);
    }
    house.forget_mail();
    for seq in 3..=5 {
        house.frame(bob, ToServer::Delivered(vec![(room, Seq(seq))]));
    }
    read(&mut house, bob, "#lobby", 4);
    house.wait(limits::RECEIPT_MERGE);
    assert_eq!(house.told(ann), ["receipts bob 5/4"]);
}

#[test]
fn receipts_of_large_rooms_come_on_request_only() {
    let mut house = House::new();
    let ann = house.register("ann");
    let mut links = vec![ann];
    for number in 0..limits::RECEIPT_MEMBERS {
        links.push(house.register(&format!("u{number}")));
    }
    house.room("lobby", &links);
    house.say(ann, "#lobby", "hi");
    house.forget_mail();
    read(&mut house, links[1], "#lobby", 99);
    house.wait(Duration::from_secs(2));
    assert!(house.told(ann).is_empty());
    house.ask(
        ann,
        Request::Receipts {
            target: target("#lobby"),
        },
    );
    let Answer::Receipts(receipts) = house.reply(ann) else {
        panic!("no receipts");
    };
    assert_eq!(receipts.len(), links.len());
    let head = Seq(links.len() as u64 + 1);
    assert_eq!(
        receipts
            .iter()
            .filter(|receipt| receipt.read == head)
            .count(),
        2
    );
}

#[test]
fn cursors_never_go_back_and_never_beyond_the_head() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let room = house.room("lobby", &[ann, bob]);
    for number in 0..4 {
        house.say(ann, "#lobby", &number.to_string());
    }
    for seq in [5, 3, 1] {
        read(&mut house, bob, "#lobby", seq);
    }
    house.frame(
        bob,
        ToServer::Delivered(vec![(room, Seq(77)), (room, Seq(1))]),
    );
    house.ask(
        bob,
        Request::Receipts {
            target: target("#lobby"),
        },
    );
    let told = format!("{:?}", house.reply(bob));
    assert!(told.contains("delivered: Seq(5), read: Seq(5)"), "{told}");
}

#[test]
fn texts_count_as_unread_until_they_are_read_and_mentions_with_them() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "#lobby", "hi @Bob, and @bob.");
    house.say(ann, "#lobby", "mail to x@bobby and @ann");
    house.post(ann, "#lobby", Body::reaction(Seq(3), "+"));
    // Texts are counted, and not names.
    assert_eq!(unread(&mut house, bob), (1, 2, 1));
    assert_eq!(unread(&mut house, ann), (4, 0, 0));
    read(&mut house, bob, "#lobby", 3);
    assert_eq!(unread(&mut house, bob), (3, 1, 0));
    house.say(bob, "#lobby", "who writes has read");
    assert_eq!(unread(&mut house, bob), (6, 0, 0));
}

#[test]
fn what_is_mentioned_after_the_place_that_was_read_counts_also_after_a_restart() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "#lobby", "@bob and @bob again");
    house.say(ann, "#lobby", "nobody");
    house.say(ann, "#lobby", "@bob");
    assert_eq!(unread(&mut house, bob), (1, 3, 2));
    read(&mut house, bob, "#lobby", 4);
    assert_eq!(unread(&mut house, bob), (4, 1, 1));
    house.restart();
    let bob = house.log_in("bob");
    assert_eq!(unread(&mut house, bob), (4, 1, 1));
}

#[test]
fn who_left_is_not_mentioned_and_comes_back_to_nothing_unread() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "#lobby", "@bob");
    house.leave(bob, "lobby");
    house.say(ann, "#lobby", "@bob");
    house.join(bob, "lobby");
    assert_eq!(unread(&mut house, bob), (5, 0, 0));
}

#[test]
fn a_place_that_is_long_ago_is_counted_from_the_log() {
    let (mut house, ann, bob) = lobby();
    for number in 0..limits::RING_ENTRIES as u64 + 50 {
        house.say(ann, "#lobby", &number.to_string());
    }
    house.hold_reads = true;
    read(&mut house, bob, "#lobby", 12);
    assert_eq!(house.reads.len(), 1);
    read(&mut house, bob, "#lobby", 302);
    assert_eq!(unread(&mut house, bob), (302, 6, 0));
    // The earlier place's answer comes after the later one's: nothing goes back.
    house.answer_reads();
    assert_eq!(unread(&mut house, bob), (302, 6, 0));
}

#[test]
fn cursors_are_written_in_one_batch_and_again_after_a_failure() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    let room = house.room("lobby", &[ann, bob]);
    house.say(ann, "#lobby", "one");
    house.wait(limits::CURSOR_WRITE);
    house.store.cursor_writes = 0;
    house.say(ann, "#lobby", "two");
    for seq in 3..=4 {
        house.frame(bob, ToServer::Delivered(vec![(room, Seq(seq))]));
    }
    house.store.faults.push_back(Fault::Io("test".into()));
    house.wait(limits::CURSOR_WRITE);
    assert_eq!(house.store.cursor_writes, 0);
    house.wait(limits::CURSOR_WRITE);
    assert_eq!(house.store.cursor_writes, 2);
    house.wait(limits::CURSOR_WRITE * 3);
    assert_eq!(house.store.cursor_writes, 2);
    house.restart();
    let bob = house.log_in("bob");
    let target = target("#lobby");
    house.ask(bob, Request::Receipts { target });
    let told = format!("{:?}", house.reply(bob));
    assert!(told.contains("delivered: Seq(4), read: Seq(1)"), "{told}");
}

/// It used to be answered at once and written within five seconds: a crash in between took it back.
#[test]
fn a_read_cursor_is_on_disk_when_that_is_answered() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "#lobby", "one");
    house.hold_writes = true;
    read(&mut house, bob, "#lobby", 3);
    // The same once more does not overtake the first.
    read(&mut house, bob, "#lobby", 3);
    assert!(house.answered(bob).is_empty());
    house.commit();
    assert_eq!(house.answered(bob), ["done", "done"]);
    house.restart();
    let bob = house.log_in("bob");
    assert_eq!(unread(&mut house, bob), (3, 0, 0));
}

#[test]
fn a_read_cursor_that_can_not_be_written_is_refused_and_written_later() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "#lobby", "one");
    house.wait(limits::CURSOR_WRITE);
    house.mail.clear();
    house.store.faults.push_back(Fault::Io("test".into()));
    read(&mut house, bob, "#lobby", 3);
    assert_eq!(house.answered(bob), ["storage again"]);
    house.wait(limits::CURSOR_WRITE);
    house.restart();
    let bob = house.log_in("bob");
    assert_eq!(unread(&mut house, bob), (3, 0, 0));
}
