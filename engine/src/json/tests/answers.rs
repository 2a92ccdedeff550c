//! What is answered, with the `ref` of who asked.

use super::*;

/// The answer's line to a request with the `ref` "r".
fn answer(request: Request, answer: Answer) -> String {
    let mut lines = Lines::new();
    lines.event(&Event::Conversation(conversation()));
    lines.asked(CommandId(1), Some("r".into()), &Command::Ask(request));
    let peer = None;
    let event = Event::Answer {
        command: CommandId(1),
        answer,
        peer,
    };
    lines.event(&event).remove(0)
}

#[test]
fn answers_carry_the_ref_and_the_place() {
    let read = Request::Read {
        target: room(),
        seq: Seq(1),
    };
    assert_eq!(
        answer(read.clone(), Answer::Done),
        r#"{"type":"ack","ref":"r","room":"lobby"}"#
    );
    let entered = Answer::Entered {
        conversation: ConversationId([0xc0; 16]),
        seq: Seq(3),
    };
    assert_eq!(
        answer(read, entered),
        r#"{"type":"ack","ref":"r","room":"lobby","seq":3,"conv":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"}"#
    );
    let mut lines = Lines::new();
    lines.asked(
        CommandId(4),
        Some("r".into()),
        &Command::Ask(Request::Devices),
    );
    let refused = Event::Refused {
        command: Some(CommandId(4)),
        label: String::new(),
        id: None,
        refusal: Refusal::because(Code::Busy, "later").retry_in(9),
    };
    assert_eq!(
        lines.event(&refused),
        [r#"{"type":"error","ref":"r","code":"busy","message":"later","retry_ms":9}"#]
    );
    assert_eq!(
        lines.not_taken(Some("r"), &Misuse::Full.into()),
        r#"{"type":"error","ref":"r","code":"full","message":"too much is waiting for answers; wait for some of them"}"#
    );
}

#[test]
fn lists_are_told() {
    let members = Request::Members {
        target: room(),
        after: None,
    };
    let member = MemberItem {
        account: account("bob"),
        role: Role::Owner,
        presence: Some(PresenceState::Away),
        muted_until: UnixTime(1_767_323_045_678_901),
    };
    assert_eq!(
        answer(members, Answer::Members(vec![member], Some("bob".into()))),
        r#"{"type":"who","ref":"r","room":"lobby","items":[{"account":"bob","role":"owner","state":"away","muted":true,"muted_until":"2026-01-02T03:04:05.678Z"}],"next":"bob"}"#
    );
    let who = WhoItem {
        account: account("bob"),
        state: PresenceState::Online,
        text: "hi".into(),
    };
    assert_eq!(
        answer(Request::Who { after: None }, Answer::Who(vec![who], None)),
        r#"{"type":"who","ref":"r","items":[{"account":"bob","state":"online","text":"hi"}]}"#
    );
    let item = RoomItem {
        name: RoomName::new("lobby").unwrap(),
        topic: "t".into(),
        public: true,
        members: 3,
        joined: false,
    };
    assert_eq!(
        answer(
            Request::Rooms { after: None },
            Answer::Rooms(vec![item], None)
        ),
        r#"{"type":"rooms","ref":"r","items":[{"room":"lobby","topic":"t","public":true,"members":3,"joined":false}]}"#
    );
    let device = DeviceItem {
        id: DeviceId(2),
        name: "laptop".into(),
        created: UnixTime(0),
        seen: UnixTime(1_000),
        online: true,
        this: true,
    };
    assert_eq!(
        answer(Request::Devices, Answer::Devices(vec![device])),
        r#"{"type":"devices","ref":"r","items":[{"device":"0000000000000002","name":"laptop","created":"1970-01-01T00:00:00.000Z","seen":"1970-01-01T00:00:00.001Z","online":true,"this":true}]}"#
    );
    let command = CommandItem {
        name: "roll".into(),
        help: "rolls".into(),
    };
    assert_eq!(
        answer(Request::Commands, Answer::Commands(vec![command])),
        r#"{"type":"commands","ref":"r","items":[{"name":"roll","help":"rolls"}]}"#
    );
    let receipt = Receipt {
        conversation: ConversationId([0xc0; 16]),
        account: account("bob"),
        delivered: Seq(8),
        read: Seq(7),
    };
    assert_eq!(
        answer(
            Request::Receipts { target: room() },
            Answer::Receipts(vec![receipt])
        ),
        r#"{"type":"receipts","ref":"r","room":"lobby","items":[{"account":"bob","delivered":8,"read":7}]}"#
    );
    assert!(
        answer(
            Request::Conversations { after: None },
            Answer::Conversations(vec![conversation()], Some("n".into()))
        )
        .ends_with(r#""unread":2,"mentions":1,"joined":true}],"next":"n"}"#)
    );
}

#[test]
fn history_is_folded_and_paged_in_the_direction_of_the_request() {
    let page = |from| {
        let request = Request::History {
            target: room(),
            from,
            limit: 1,
        };
        let item = HistoryItem {
            entry: entry(7, Body::text("hi", None)),
            edited: true,
            reactions: vec![Reaction {
                emoji: "+1".into(),
                accounts: vec![account("bob")],
            }],
        };
        answer(request, Answer::History(vec![item], true))
    };
    assert_eq!(
        page(HistoryFrom::End),
        r#"{"type":"history","ref":"r","room":"lobby","items":[{"type":"message","room":"lobby","conv":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","seq":7,"prev":6,"id":"1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d","from":"ann","time":"2026-01-02T03:04:05.678Z","text":"hi","edited":true,"deleted":false,"reactions":[{"emoji":"+1","accounts":["bob"]}]}],"more":true,"next":"before:7"}"#
    );
    assert!(page(HistoryFrom::After(Seq(6))).ends_with(r#""next":"after:7"}"#));
    assert!(page(HistoryFrom::Around(Seq(6))).ends_with(r#""more":true}"#));
}

#[test]
fn what_was_found_names_its_room() {
    let request = Request::Search {
        target: None,
        text: "hi".into(),
        after: None,
    };
    let found = answer(
        request,
        Answer::Search(vec![entry(7, Body::text("hi", None))], None),
    );
    assert!(found.starts_with(
        r#"{"type":"search","ref":"r","items":[{"type":"message","room":"lobby","conv":"#
    ));
}

#[test]
fn a_send_is_cancelled_by_its_ref_and_never_looks_acknowledged() {
    let mut lines = Lines::new();
    let id = SendId([0x1d; 16]);
    let cancel = || parse_line(r#"{"type":"cancel","ref":"a"}"#).unwrap();
    assert_eq!(lines.resolve(cancel()).unwrap_err().code, Code::NoSuchEntry);
    lines.learn(&[(id, "a".into(), ItemState::Pending)]);
    let command = lines.resolve(cancel()).unwrap();
    assert_eq!(command, Command::Cancel(id));
    lines.asked(CommandId(3), Some("a".into()), &command);
    let done = Event::Answer {
        command: CommandId(3),
        answer: Answer::Done,
        peer: None,
    };
    assert!(lines.event(&done).is_empty());
    let canceled = Event::Canceled {
        command: None,
        label: "a".into(),
        id,
    };
    assert_eq!(
        lines.event(&canceled),
        [r#"{"type":"canceled","ref":"a","id":"1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d"}"#]
    );
    assert!(lines.resolve(cancel()).is_err());
}

#[test]
fn forgotten_refs_are_bounded() {
    let mut lines = Lines::new();
    for number in 0..=limits::JSON_REQUESTS as u64 {
        let reference = Some(number.to_string());
        lines.asked(
            CommandId(number),
            reference,
            &Command::Ask(Request::Commands),
        );
    }
    let done = |command| Event::Answer {
        command: CommandId(command),
        answer: Answer::Done,
        peer: None,
    };
    assert_eq!(lines.event(&done(0)), [r#"{"type":"ack"}"#]);
    assert_eq!(lines.event(&done(1)), [r#"{"type":"ack","ref":"1"}"#]);
}
