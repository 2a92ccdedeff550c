//! What is told.

use super::*;

fn line(event: &Event) -> String {
    let mut lines = Lines::new().event(event);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn entry_line(body: Body) -> String {
    let text = line(&Event::Entry {
        peer: lobby(),
        epoch: Epoch(5),
        entry: Arc::new(entry(7, body)),
    });
    // What all entries share is pinned by the message.
    let head = r#""room":"lobby","conv":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","epoch":"0000000000000005","seq":7,"prev":6,"id":"1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d","from":"ann","time":"2026-01-02T03:04:05.678Z""#;
    assert!(text.contains(head), "{text}");
    text.replace(head, "..")
}

#[test]
fn the_link_is_told() {
    let welcome = Welcome {
        account: AccountId(1),
        name: account("ann"),
        device: DeviceId(2),
        date: UnixTime(0),
        durable: true,
        limits: WelcomeLimits {
            sends: 256,
            entry_credit: 262_144,
            text: 16384,
            frame: 61440,
            ping_ms: 15000,
            dead_ms: 30000,
        },
        capabilities: Vec::new(),
        extensions: Extensions::default(),
    };
    assert_eq!(
        line(&Event::Connected {
            welcome: Arc::new(welcome),
            fingerprint: "SHA256:x".into()
        }),
        r#"{"type":"connected","account":"ann","account_id":"0000000000000001","device":"0000000000000002","fingerprint":"SHA256:x","protocol":1,"durable":true,"limits":{"sends":256,"entry_credit":262144,"text":16384,"frame":61440,"ping_ms":15000,"dead_ms":30000}}"#
    );
    assert_eq!(
        line(&Event::ServerKey {
            key: [0; 32],
            fingerprint: "SHA256:x".into()
        }),
        r#"{"type":"server_key","fingerprint":"SHA256:x"}"#
    );
    assert_eq!(
        line(&Event::Reconnecting {
            pause: Duration::from_millis(250),
            error: Error::Link(LinkFault::Lost)
        }),
        r#"{"type":"reconnecting","in_ms":250,"reason":"lost","message":"the connection was lost"}"#
    );
    assert_eq!(
        line(&Event::Closed {
            error: None,
            reason: None
        }),
        r#"{"type":"bye","reason":"left"}"#
    );
    assert_eq!(
        line(&Event::Closed {
            error: Some(Error::Link(LinkFault::Connect("refused".into()))),
            reason: None
        }),
        r#"{"type":"bye","reason":"cannot_connect","message":"cannot connect: refused"}"#
    );
    assert_eq!(
        line(&Event::SignalsDropped(4)),
        r#"{"type":"dropped","signals":4}"#
    );
}

#[test]
fn sends_are_told() {
    let (id, label) = (SendId([0x1d; 16]), String::from("1"));
    let hex = "1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d";
    let command = Some(CommandId(1));
    let acked = |command| Event::Acked {
        command,
        label: label.clone(),
        id,
        peer: lobby(),
        seq: Seq(7),
    };
    let unsent = |kept| Event::Unsent {
        command,
        label: label.clone(),
        id,
        kept,
    };
    let refused = Event::Refused {
        command,
        label: label.clone(),
        id: Some(id),
        refusal: Refusal::because(Code::NotAMember, "no").retry_in(5),
    };
    let queued = Event::Queued {
        command: CommandId(1),
        label: label.clone(),
        id,
    };
    for (event, expected) in [
        (queued, r#"{"type":"queued","ref":"1","id":"ID"}"#),
        (
            acked(command),
            r#"{"type":"ack","ref":"1","room":"lobby","seq":7,"id":"ID"}"#,
        ),
        (
            acked(None),
            r#"{"type":"ack","ref":"1","room":"lobby","seq":7,"id":"ID","earlier":true}"#,
        ),
        (
            refused,
            r#"{"type":"error","ref":"1","id":"ID","code":"not_a_member","message":"no","retry_ms":5}"#,
        ),
        (unsent(true), r#"{"type":"pending","ref":"1","id":"ID"}"#),
        (unsent(false), r#"{"type":"failed","ref":"1","id":"ID"}"#),
    ] {
        assert_eq!(line(&event), expected.replace("ID", hex));
    }
    let outbox = Event::Outbox {
        command: CommandId(1),
        items: vec![
            (id, "1".into(), ItemState::Sent),
            (id, String::new(), ItemState::Pending),
            (id, "3".into(), ItemState::Failed(Code::Muted.into())),
        ],
    };
    assert_eq!(
        line(&outbox),
        r#"{"type":"outbox","items":[{"id":"ID","ref":"1","state":"sent"},{"id":"ID","state":"pending"},{"id":"ID","ref":"3","state":"failed","code":"muted"}]}"#
            .replace("ID", hex)
    );
}

#[test]
fn transfers_are_told() {
    let mut lines = Lines::new();
    let id = SendId([0x1d; 16]);
    let label = "1".to_owned();
    let progress = Event::Progress {
        command: None,
        label: label.clone(),
        id,
        done: 5,
        size: 9,
    };
    let id_text = "1d".repeat(16);
    assert_eq!(
        lines.event(&progress),
        [format!(
            r#"{{"type":"progress","ref":"1","id":"{id_text}","done":5,"size":9}}"#
        )]
    );
    let fetched = Event::Fetched {
        command: Some(CommandId(3)),
        label,
        id,
        blob: BlobId([0x0b; 16]),
        path: Some("/d/a.txt".into()),
        hash: [0xaa; 32],
    };
    let (blob, hash) = ("0b".repeat(16), "aa".repeat(32));
    assert_eq!(
        lines.event(&fetched),
        [format!(
            r#"{{"type":"ack","ref":"1","id":"{id_text}","blob":"{blob}","path":"/d/a.txt","hash":"{hash}"}}"#
        )]
    );
    let incoming = Event::Incoming {
        peer: Peer::Room(RoomName::new("lobby").unwrap()),
        incoming: Incoming {
            conversation: ConversationId([1; 16]),
            blob: BlobId([0x0b; 16]),
            from: AccountName::new("bob").unwrap(),
            name: "a.txt".to_owned(),
            size: 9,
            media_type: "text/plain".to_owned(),
            is_over: false,
        },
    };
    assert_eq!(
        lines.event(&incoming),
        [format!(
            r#"{{"type":"incoming","room":"lobby","from":"bob","blob":"{blob}","name":"a.txt","size":9,"media_type":"text/plain"}}"#
        )]
    );
}

#[test]
fn entries_are_told_by_kind() {
    let change = MemberChange {
        account: AccountId(2),
        name: account("bob"),
        change: Change::Kicked,
        role: Role::Member,
        until: UnixTime(0),
    };
    let offer = FileOffer {
        name: "a.txt".into(),
        size: 3,
        media_type: "text/plain".into(),
        hash: [0xaa; 32],
    };
    let mut deleted = Body::text("secret", None);
    deleted.blank();
    let later = Body {
        kind: Kind(900),
        ..Body::default()
    };
    for (body, expected) in [
        (
            Body::text("a\n\"b\"", Some(Seq(2))),
            r#"{"type":"message",..,"text":"a\n\"b\"","reply_to":2}"#,
        ),
        (
            Body::edit(Seq(2), "c"),
            r#"{"type":"edit",..,"target":2,"text":"c"}"#,
        ),
        (
            Body::redaction(Seq(2)),
            r#"{"type":"delete",..,"target":2}"#,
        ),
        (
            Body::reaction(Seq(2), "+1"),
            r#"{"type":"reaction",..,"target":2,"emoji":"+1"}"#,
        ),
        (Body::topic("t"), r#"{"type":"topic",..,"text":"t"}"#),
        (
            Body::member(&change),
            r#"{"type":"member",..,"account":"bob","change":"kicked","role":"member"}"#,
        ),
        (
            Body::file(BlobId([0xb1; 16]), &offer),
            r#"{"type":"file",..,"blob":"b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1","name":"a.txt","size":3,"media_type":"text/plain","hash":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
        ),
        (deleted, r#"{"type":"message",..,"text":"","deleted":true}"#),
        (later, r#"{"type":"entry",..,"kind":900}"#),
        (
            Body {
                kind: Kind::FILE,
                ..Body::default()
            },
            r#"{"type":"entry",..,"kind":2}"#,
        ),
    ] {
        assert_eq!(entry_line(body), expected);
    }
}

#[test]
fn signals_and_gaps_are_told() {
    let conv = ConversationId([0xc0; 16]);
    let bob = Peer::Account(account("bob"));
    for (event, expected) in [
        (
            Event::Gap {
                peer: bob.clone(),
                conversation: conv,
                epoch: Epoch(5),
                from: Seq(1),
                to: Seq(4),
                reason: GapReason::Trimmed,
            },
            r#"{"type":"gap","to":"bob","conv":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","epoch":"0000000000000005","from":1,"to_seq":4,"reason":"trimmed"}"#,
        ),
        (
            Event::Presence(Presence {
                account: account("bob"),
                state: PresenceState::Offline,
                text: String::new(),
                reason: Some(ByeReason::Timeout),
            }),
            r#"{"type":"presence","account":"bob","state":"offline","text":"","reason":"timeout"}"#,
        ),
        (
            Event::Typing {
                peer: lobby(),
                account: account("bob"),
            },
            r#"{"type":"typing","room":"lobby","account":"bob"}"#,
        ),
        (
            Event::Receipt {
                peer: bob,
                receipt: Receipt {
                    conversation: conv,
                    account: account("bob"),
                    delivered: Seq(8),
                    read: Seq(7),
                },
            },
            r#"{"type":"receipt","to":"bob","account":"bob","delivered":8,"read":7}"#,
        ),
        (
            Event::Notice {
                from: "plugin.dice".into(),
                text: "4".into(),
                peer: Some(lobby()),
            },
            r#"{"type":"notice","from":"plugin.dice","text":"4","room":"lobby"}"#,
        ),
        (
            Event::Conversation(conversation()),
            r#"{"type":"conversation","room":"lobby","conv":"c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","epoch":"0000000000000005","head":9,"read":3,"unread":2,"mentions":1,"joined":true}"#,
        ),
    ] {
        assert_eq!(line(&event), expected);
    }
}

#[test]
fn a_date_beyond_the_calendar_is_no_panic() {
    assert_eq!(timestamp(UnixTime(u64::MAX)), "9999-12-30T22:00:00.999Z");
}
