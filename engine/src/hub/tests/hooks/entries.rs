//! Entries meet filters: what is asked, and what a verdict makes of them.

use super::*;

#[test]
fn without_a_subscriber_nothing_is_asked() {
    let (mut house, ann, bob) = lobby_with(HookSet::TAIL | HookSet::DISCONNECT);
    house.say(ann, "#lobby", "hi");
    house.frame(ann, ToServer::Presence(PresenceState::Away, "tea".into()));
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
    assert!(house.asks.is_empty());
}

#[test]
fn an_entry_waits_for_its_verdict_and_nobody_sees_it_before() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.say(ann, "#lobby", "hi");
    assert_eq!(house.asked(), ["ann in #lobby: kind 1 \"hi\""]);
    assert!(house.told(ann).is_empty() && house.told(bob).is_empty());
    house.pass(0);
    assert_eq!(house.told(ann), ["ack 3", "3 ann: hi"]);
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

#[test]
fn a_rejection_tells_its_reason_and_later_entries_go_on() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.say(ann, "#lobby", "bad");
    house.say(ann, "#lobby", "good");
    house.reject(0, "no such words here");
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: good"]);
    assert_eq!(house.told(ann)[..2], ["rejected", "ack 3"]);
    house.say(ann, "#lobby", "bad");
    house.reject(0, "no such words here");
    assert_eq!(house.why(ann), "no such words here");
}

#[test]
fn an_empty_reason_refuses_without_a_word() {
    let (mut house, ann, _) = lobby_with(HookSet::ENTRY);
    house.say(ann, "#lobby", "bad");
    house.reject(0, "");
    let mail = house.mail(ann);
    let [ToClient::Error(_, refusal)] = &mail[..] else {
        panic!("{mail:?}");
    };
    assert_eq!(
        (refusal.code.as_str(), refusal.text.as_str()),
        ("rejected", "")
    );
    assert!(!refusal.is_retryable());
}

#[test]
fn every_kind_of_entry_meets_the_same_filters() {
    let (mut house, ann, _) = lobby();
    house.say(ann, "#lobby", "base");
    house.wants(HookSet::ENTRY);
    let bodies = [
        Body::text("t", None),
        Body::edit(Seq(3), "e"),
        Body::reaction(Seq(3), "r"),
        Body::topic("o"),
        Body {
            kind: Kind(40),
            data: b"sealed".to_vec(),
            ..Body::default()
        },
        Body::redaction(Seq(3)),
    ];
    for body in bodies {
        house.post(ann, "#lobby", body);
    }
    house.frame(ann, ToServer::Presence(PresenceState::Away, "p".into()));
    assert_eq!(
        house.asked(),
        [
            "ann in #lobby: kind 1 \"t\"",
            "ann in #lobby: kind 3 \"e\"",
            "ann in #lobby: kind 5 \"r\"",
            "ann in #lobby: kind 7 \"o\"",
            "ann in #lobby: kind 40",
            "ann in #lobby: kind 4",
            "ann in nowhere: kind 31 \"p\"",
        ]
    );
    assert_eq!(PRESENCE_TEXT, Kind(31));
}

#[test]
fn direct_conversations_are_asked_about_only_with_the_right_to_read_them() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    house.say(ann, "@bob", "psst");
    assert!(house.asks.is_empty());
    assert_eq!(house.heard(bob), ["1 ann: psst"]);
    house.wants(HookSet::ENTRY | HookSet::ENTRY_DIRECT);
    house.say(ann, "@bob", "again");
    assert_eq!(house.asked(), ["ann in @bob: kind 1 \"again\""]);
    house.pass(0);
    assert_eq!(house.heard(bob), ["2 ann: again"]);
    let cat = house.register("cat");
    house.say(cat, "@ann", "first");
    assert_eq!(house.asked(), ["cat in @ann: kind 1 \"first\""]);
    house.pass(0);
    assert_eq!(house.answered(cat), ["ack 1"]);
}

#[test]
fn a_changed_text_obeys_the_same_limits() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let long = "x".repeat(limits::TEXT_BYTES + 1).into_bytes();
    for data in [long, vec![0xff, 0xfe], Vec::new()] {
        house.say(ann, "#lobby", "hi");
        house.rule(0, Verdict::Modified(data));
        assert_eq!(house.answered(ann), ["rejected"]);
    }
    // What has no text can't be given one.
    house.post(ann, "#lobby", Body::topic("tea"));
    house.pass(0);
    house.say(ann, "#lobby", "base");
    house.pass(0);
    house.post(ann, "#lobby", Body::redaction(Seq(4)));
    house.rule(0, Verdict::Modified("words".into()));
    assert_eq!(
        house.heard(bob),
        ["3 ann: topic tea", "4 ann: base", "5 ann: redaction"]
    );
}

#[test]
fn a_changed_topic_is_the_rooms_topic() {
    let (mut house, ann, _) = lobby_with(HookSet::ENTRY);
    house.post(ann, "#lobby", Body::topic("darn"));
    house.rule(0, Verdict::Modified("d**n".into()));
    house.mail.clear();
    house.ask(ann, Request::Rooms { after: None });
    let Answer::Rooms(rooms, _) = house.reply(ann) else {
        panic!();
    };
    assert_eq!(rooms[0].topic, "d**n");
}

#[test]
fn a_presence_text_is_filtered_and_the_last_one_counts() {
    let (mut house, ann, bob) = lobby_with(HookSet::ENTRY);
    let says = |text: &str| ToServer::Presence(PresenceState::Away, text.into());
    house.frame(ann, says("darn"));
    house.frame(ann, says("one"));
    house.frame(ann, says("two"));
    assert_eq!(house.asked(), ["ann in nowhere: kind 31 \"darn\""]);
    house.reject(0, "mind your words");
    assert_eq!(house.asked(), ["ann in nowhere: kind 31 \"two\""]);
    house.rule(0, Verdict::Modified("TWO".into()));
    assert_eq!(house.told(ann), ["notice mind your words"]);
    house.wait(limits::PRESENCE_MERGE);
    let text = house
        .mail(bob)
        .into_iter()
        .rev()
        .find_map(|told| match told {
            ToClient::Presence(items) => Some(items[0].text.clone()),
            _ => None,
        });
    assert_eq!(text.as_deref(), Some("TWO"));
}

#[test]
fn what_is_asked_about_is_bounded() {
    let (mut house, ann, _) = lobby_with(HookSet::ENTRY);
    let mut links = vec![ann];
    let mut asked = 0;
    'all: loop {
        let link = *links.last().unwrap();
        for _ in 0..limits::SENDS {
            house.say(link, "#lobby", &long());
            if house.answered(link) == ["busy again"] {
                break 'all;
            }
            asked += 1;
        }
        links.push(house.log_in_from("ann", &format!("device {}", links.len())));
    }
    let bytes = asked * limits::TEXT_BYTES;
    assert!(bytes <= limits::ASK_BYTES && bytes > limits::ASK_BYTES / 2);
}
