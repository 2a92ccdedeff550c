//! What is read.

use super::*;

fn taken(text: &str) -> Command {
    match parse_line(text) {
        Ok(Input {
            action: Action::Command(command),
            ..
        }) => command,
        other => panic!("{text}: {other:?}"),
    }
}

fn asked(text: &str) -> Request {
    match taken(text) {
        Command::Ask(request) => request,
        other => panic!("{text}: {other:?}"),
    }
}

fn complaint(text: &str) -> String {
    parse_line(text).unwrap_err().to_line()
}

#[test]
fn sends_are_read() {
    let send = |target, body, id| Command::Send {
        target,
        body,
        id,
        label: "1".into(),
    };
    let bob = Target::Account(account("bob"));
    for (text, expected) in [
        (
            r#"{"type":"send","room":"Lobby","text":"/quit","ref":"1","later":[]}"#,
            send(room(), Body::text("/quit", None), None),
        ),
        (
            r#"{"type":"send","to":"bob","text":"hi","reply_to":4,"id":"1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d","ref":"1"}"#,
            send(
                bob.clone(),
                Body::text("hi", Some(Seq(4))),
                Some(SendId([0x1d; 16])),
            ),
        ),
        (
            r#"{"type":"edit","to":"bob","seq":4,"text":"ho","ref":"1"}"#,
            send(bob, Body::edit(Seq(4), "ho"), None),
        ),
        (
            r#"{"type":"delete","room":"lobby","seq":4,"ref":"1"}"#,
            send(room(), Body::redaction(Seq(4)), None),
        ),
        (
            r#"{"type":"react","room":"lobby","seq":4,"emoji":"+1","ref":"1"}"#,
            send(room(), Body::reaction(Seq(4), "+1"), None),
        ),
        (
            r#"{"type":"topic","room":"lobby","text":"news","ref":"1"}"#,
            send(room(), Body::topic("news"), None),
        ),
    ] {
        let input = parse_line(text).unwrap();
        assert_eq!(input.reference.as_deref(), Some("1"));
        assert_eq!(input.action, Action::Command(expected), "{text}");
    }
}

#[test]
fn requests_are_read() {
    let history = |from, limit| Request::History {
        target: room(),
        from,
        limit,
    };
    let cases = [
        (
            r#"{"type":"create","room":"lobby"}"#,
            Request::Create {
                room: RoomName::new("lobby").unwrap(),
                public: true,
                history: None,
            },
        ),
        (
            r#"{"type":"create","room":"lobby","public":false,"history":"since_join"}"#,
            Request::Create {
                room: RoomName::new("lobby").unwrap(),
                public: false,
                history: Some(History::SinceJoin),
            },
        ),
        (r#"{"type":"who"}"#, Request::Who { after: None }),
        (
            r#"{"type":"who","room":"lobby","next":"bob"}"#,
            Request::Members {
                target: room(),
                after: Some("bob".into()),
            },
        ),
        (r#"{"type":"rooms"}"#, Request::Rooms { after: None }),
        (
            r#"{"type":"conversations","next":"x"}"#,
            Request::Conversations {
                after: Some("x".into()),
            },
        ),
        (
            r#"{"type":"history","room":"lobby"}"#,
            history(HistoryFrom::End, limits::HISTORY_ITEMS as u32),
        ),
        (
            r#"{"type":"history","room":"lobby","before":9,"limit":5}"#,
            history(HistoryFrom::Before(Seq(9)), 5),
        ),
        (
            r#"{"type":"history","room":"lobby","after":9,"limit":5}"#,
            history(HistoryFrom::After(Seq(9)), 5),
        ),
        (
            r#"{"type":"history","room":"lobby","around":9,"limit":5}"#,
            history(HistoryFrom::Around(Seq(9)), 5),
        ),
        (
            r#"{"type":"history","room":"lobby","next":"before:9","limit":5}"#,
            history(HistoryFrom::Before(Seq(9)), 5),
        ),
        (
            r#"{"type":"search","text":"tea","room":"lobby"}"#,
            Request::Search {
                target: Some(room()),
                text: "tea".into(),
                after: None,
            },
        ),
        (
            r#"{"type":"read","room":"lobby","seq":8}"#,
            Request::Read {
                target: room(),
                seq: Seq(8),
            },
        ),
        (
            r#"{"type":"receipts","room":"lobby"}"#,
            Request::Receipts { target: room() },
        ),
        (r#"{"type":"devices"}"#, Request::Devices),
        (
            r#"{"type":"revoke","device":"000000000000000a"}"#,
            Request::Revoke {
                device: DeviceId(10),
            },
        ),
        (
            r#"{"type":"passwd","old":"a","new":"b"}"#,
            Request::Password {
                old: Some("a".into()),
                new: "b".into(),
                keep_devices: false,
            },
        ),
        (
            r#"{"type":"command","room":"lobby","name":"roll","args":"2d6"}"#,
            Request::Command {
                target: Some(room()),
                name: "roll".into(),
                args: "2d6".into(),
            },
        ),
        (r#"{"type":"commands"}"#, Request::Commands),
    ];
    for (text, expected) in cases {
        assert_eq!(asked(text), expected, "{text}");
    }
}

#[test]
fn changes_of_memberships_are_read() {
    let bob = r#","account":"bob""#;
    let minute = r#","account":"bob","seconds":60"#;
    let owner = r#","account":"bob","role":"owner""#;
    for (verb, more, change, role, seconds) in [
        ("join", "", Change::Joined, None, 0),
        ("leave", "", Change::Left, None, 0),
        ("invite", bob, Change::Invited, None, 0),
        ("kick", bob, Change::Kicked, None, 0),
        ("ban", bob, Change::Banned, None, 0),
        ("unban", bob, Change::Unbanned, None, 0),
        ("mute", minute, Change::Muted, None, 60),
        ("unmute", bob, Change::Unmuted, None, 0),
        ("role", owner, Change::Role, Some(Role::Owner), 0),
    ] {
        let text = format!(r#"{{"type":"{verb}","room":"lobby"{more}}}"#);
        let expected = Request::Change {
            target: room(),
            account: more.contains("bob").then(|| account("bob")),
            change,
            role,
            seconds,
        };
        assert_eq!(asked(&text), expected, "{text}");
    }
}

#[test]
fn transfers_are_read() {
    let line = r#"{"type":"send_file","room":"lobby","path":"/a/b.png","media_type":"image/png","ref":"1"}"#;
    assert_eq!(
        parse_line(line).unwrap().action,
        Action::Command(Command::SendFile {
            target: Target::Room(RoomName::new("lobby").unwrap()),
            source: FileSource::Path("/a/b.png".into()),
            name: None,
            media_type: "image/png".to_owned(),
            id: None,
            label: "1".to_owned(),
        })
    );
    let blob = "0b".repeat(16);
    let line = format!(r#"{{"type":"fetch","blob":"{blob}","path":"d","start":5,"length":6}}"#);
    assert_eq!(
        parse_line(&line).unwrap().action,
        Action::Command(Command::Fetch {
            blob: BlobId([0x0b; 16]),
            sink: FileSink::Path("d".into()),
            start: 5,
            length: Some(6),
            label: String::new(),
        })
    );
    assert!(complaint(r#"{"type":"fetch","blob":"x","path":"d"}"#).contains("`blob`"));
    assert!(complaint(r#"{"type":"send_file","room":"lobby"}"#).contains("`path`"));
}

#[test]
fn signals_and_the_end_are_read() {
    assert_eq!(
        taken(r#"{"type":"typing","room":"lobby"}"#),
        Command::Typing(room())
    );
    assert_eq!(
        taken(r#"{"type":"presence","state":"away","text":"tea"}"#),
        Command::Presence(PresenceState::Away, "tea".into())
    );
    assert_eq!(taken(r#"{"type":"outbox"}"#), Command::Outbox);
    assert_eq!(taken(r#"{"type":"quit"}"#), Command::Leave { flush: false });
    assert_eq!(
        taken(r#"{"type":"cancel","id":"1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d"}"#),
        Command::Cancel(SendId([0x1d; 16]))
    );
}

#[test]
fn a_bad_line_names_the_field_and_keeps_its_ref() {
    for (text, expected) in [
        (
            r#"{"type":"dance","ref":"9"}"#,
            r#"{"type":"error","ref":"9","code":"bad_request","message":"`type`: there is no \"dance\""}"#,
        ),
        (
            r#"{"ref":"9"}"#,
            r#"{"type":"error","ref":"9","code":"bad_request","message":"`type`: expected a string"}"#,
        ),
        (
            r#"{"type":"role","room":"lobby","account":"bob","role":"king"}"#,
            r#"{"type":"error","code":"bad_role","message":"`role`: expected \"member\", \"moderator\" or \"owner\""}"#,
        ),
    ] {
        assert_eq!(complaint(text), expected);
    }
    for (text, message) in [
        (r#"{"type":"send","text":"x"}"#, "`room` or `to`: expected"),
        (
            r#"{"type":"send","room":"a","to":"b","text":"x"}"#,
            "`room` or `to`: expected one of them, not both",
        ),
        (
            r#"{"type":"send","room":"lobby","text":5}"#,
            "`text`: expected a string",
        ),
        (
            r#"{"type":"read","room":"lobby","seq":-1}"#,
            "`seq`: expected a whole number, 0 or more",
        ),
        (
            r#"{"type":"read","room":"lobby","seq":9007199254740992}"#,
            "`seq`: expected a number below 2^53",
        ),
        (
            r#"{"type":"send","room":"lobby","text":"x","id":"zz"}"#,
            "`id`: expected 32 hexadecimal digits",
        ),
        (
            r#"{"type":"history","room":"lobby","before":1,"after":2}"#,
            "expected one of `before`, `after`, `around` and `next`",
        ),
        ("[1]", "not a JSON object: each line is one {..}"),
    ] {
        let expected = format!(r#"{{"type":"error","code":"bad_request","message":"{message}"}}"#);
        assert_eq!(complaint(text), expected);
    }
    assert!(
        complaint(r#"{"type":"join","room":"a b"}"#)
            .contains(r#""code":"bad_name","message":"`room`: "#)
    );
    assert!(complaint("{").contains("not a JSON object"));
    let long = format!(r#"{{"type":"outbox","ref":"{}"}}"#, "x".repeat(300));
    assert!(complaint(&long).contains("`ref`: expected at most 256 bytes"));
    assert!(complaint(&"x".repeat(limits::JSON_LINE_BYTES + 1)).contains("a line has at most"));
}

#[test]
fn verbs_of_later_versions_are_not_supported() {
    for verb in ["block", "unblock", "notify", "profile"] {
        let input = parse_line(&format!(r#"{{"type":"{verb}","ref":"1"}}"#)).unwrap();
        let error = Lines::new().resolve(input).unwrap_err();
        assert_eq!(error.code, Code::NotSupported);
        assert_eq!(error.reference.as_deref(), Some("1"));
    }
}
