use std::sync::Arc;

use chat_engine::{
    AccountId, Body, ByeReason, Change, ConversationId, Epoch, MemberChange, Presence, Role, SendId,
};

use super::*;

fn lobby() -> Peer {
    Peer::Room(RoomName::new("lobby").unwrap())
}

fn bob() -> AccountName {
    AccountName::new("bob").unwrap()
}

fn entry(seq: u64, body: Body) -> Entry {
    Entry {
        conversation: ConversationId([1; 16]),
        seq: Seq(seq),
        prev: Seq(seq - 1),
        id: SendId([2; 16]),
        from: AccountId(1),
        from_name: AccountName::new("alice").unwrap(),
        time: UnixTime(1_795_422_057_123_456),
        body,
    }
}

fn arrives(peer: Peer, seq: u64, body: Body) -> Event {
    Event::Entry {
        peer,
        epoch: Epoch(1),
        entry: Arc::new(entry(seq, body)),
    }
}

fn plain() -> Plain<Vec<u8>> {
    Plain::new(Vec::new(), &[RoomName::new("lobby").unwrap()], 20)
}

fn shown(plain: &Plain<Vec<u8>>) -> Vec<&str> {
    std::str::from_utf8(&plain.out).unwrap().lines().collect()
}

fn joined(plain: &mut Plain<Vec<u8>>) -> Vec<Wish> {
    let wish = super::super::join(&RoomName::new("lobby").unwrap());
    plain.asked(CommandId(1), &wish);
    let answer = Event::Answer {
        command: CommandId(1),
        answer: Answer::Entered {
            conversation: ConversationId([1; 16]),
            seq: Seq(3),
        },
        peer: Some(lobby()),
    };
    plain.event(&answer).unwrap()
}

fn history(plain: &mut Plain<Vec<u8>>, wish: &Wish, seqs: &[u64]) {
    plain.asked(CommandId(2), wish);
    let items = seqs.iter().map(|seq| HistoryItem {
        entry: entry(*seq, Body::text(&format!("old {seq}"), None)),
        edited: false,
        reactions: Vec::new(),
    });
    let answer = Event::Answer {
        command: CommandId(2),
        answer: Answer::History(items.collect(), false),
        peer: None,
    };
    plain.event(&answer).unwrap();
}

#[test]
fn messages_look_as_documented() {
    let mut plain = plain();
    for event in [
        arrives(lobby(), 1, Body::text("hi", None)),
        arrives(Peer::Account(bob()), 1, Body::text("psst", None)),
        arrives(lobby(), 2, Body::text("a\nb\u{1b}]0;x", Some(Seq(1)))),
        arrives(lobby(), 3, Body::edit(Seq(1), "ho")),
        arrives(lobby(), 4, Body::redaction(Seq(1))),
        arrives(lobby(), 5, Body::reaction(Seq(2), "+1")),
        arrives(lobby(), 6, Body::topic("news")),
    ] {
        plain.event(&event).unwrap();
    }
    assert_eq!(
        shown(&plain),
        [
            "2026-11-23T08:20:57Z #lobby <alice> hi",
            "2026-11-23T08:20:57Z @bob <alice> psst",
            "2026-11-23T08:20:57Z #lobby <alice> (to 1) a␊b␛]0;x",
            "2026-11-23T08:20:57Z #lobby -- alice edited 1: ho",
            "2026-11-23T08:20:57Z #lobby -- alice deleted 1",
            "2026-11-23T08:20:57Z #lobby -- alice reacted to 2: +1",
            "2026-11-23T08:20:57Z #lobby -- alice set the topic: news",
        ]
    );
}

#[test]
fn comings_and_goings_are_shown_with_their_reason() {
    let mut plain = plain();
    let presence = |state, reason| {
        Event::Presence(Presence {
            account: bob(),
            state,
            text: String::new(),
            reason,
        })
    };
    let kicked = MemberChange {
        account: AccountId(2),
        name: bob(),
        change: Change::Kicked,
        role: Role::Member,
        until: UnixTime(0),
    };
    for event in [
        presence(PresenceState::Online, None),
        presence(PresenceState::Offline, Some(ByeReason::Timeout)),
        arrives(lobby(), 1, Body::member(&kicked)),
    ] {
        plain.event(&event).unwrap();
    }
    let lines = shown(&plain);
    assert!(lines[0].ends_with("Z -- bob is online"), "{lines:?}");
    assert!(lines[1].ends_with("Z -- bob left (timeout)"), "{lines:?}");
    assert!(
        lines[2].ends_with("Z #lobby -- bob was kicked by alice"),
        "{lines:?}"
    );
}

#[test]
fn who_comes_back_to_a_quiet_room_reads_its_last_messages_once() {
    let mut plain = plain();
    let wishes = joined(&mut plain);
    assert_eq!(wishes[0].purpose, Purpose::Backlog);
    history(&mut plain, &wishes[0], &[1, 2]);
    // A later catch-up brings one of them again.
    let again = arrives(lobby(), 2, Body::text("old 2", None));
    plain.event(&again).unwrap();
    plain
        .event(&arrives(lobby(), 3, Body::text("new", None)))
        .unwrap();
    let texts: Vec<&str> = shown(&plain)[1..]
        .iter()
        .map(|line| line.rsplit_once("> ").unwrap().1)
        .collect();
    assert_eq!(texts, ["old 1", "old 2", "new"]);
}

#[test]
fn who_missed_something_reads_only_that() {
    let mut plain = plain();
    let wishes = joined(&mut plain);
    plain
        .event(&arrives(lobby(), 3, Body::text("missed", None)))
        .unwrap();
    history(&mut plain, &wishes[0], &[1, 2, 3]);
    assert_eq!(shown(&plain).len(), 2);
}

#[test]
fn messages_can_be_named_from_the_end() {
    let mut plain = plain();
    plain.me = AccountName::new("alice").ok();
    plain
        .event(&arrives(lobby(), 4, Body::text("x", None)))
        .unwrap();
    let wishes = plain.typed("/edit y").unwrap();
    assert!(matches!(
        &wishes[0].command,
        Command::Send { body, .. } if *body == Body::edit(Seq(4), "y")
    ));
    assert_eq!(plain.recent(2, false), None);
    assert_eq!(plain.recent(0, false), None);
}

#[test]
fn a_join_is_awaited_before_the_next_line_goes_there() {
    let mut plain = Plain::new(Vec::new(), &[], 0);
    let wishes = plain.typed("/join den").unwrap();
    let den = RoomName::new("den").unwrap();
    assert_eq!(wishes[0].purpose, Purpose::Join(den.clone()));
    assert_eq!(plain.here, Some(Peer::Room(den)));
}
