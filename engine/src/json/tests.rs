//! Every line, as scripts rely on it: a change here breaks them.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::agent::{Command, CommandId, Event, FileSink, FileSource};
use crate::error::{Error, LinkFault, Misuse};
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, Epoch, SendId, Seq};
use crate::limits;
use crate::model::*;
use crate::port::ItemState;

fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn lobby() -> Peer {
    Peer::Room(RoomName::new("lobby").unwrap())
}

fn room() -> Target {
    Target::Room(RoomName::new("lobby").unwrap())
}

fn entry(seq: u64, body: Body) -> Entry {
    Entry {
        conversation: ConversationId([0xc0; 16]),
        seq: Seq(seq),
        prev: Seq(seq - 1),
        id: SendId([0x1d; 16]),
        from: AccountId(1),
        from_name: account("ann"),
        time: UnixTime(1_767_323_045_678_901),
        body,
    }
}

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

fn conversation() -> Conversation {
    Conversation {
        id: ConversationId([0xc0; 16]),
        peer: lobby(),
        epoch: Epoch(5),
        head: Seq(9),
        read: Seq(3),
        unread: 2,
        mentions: 1,
        joined: true,
    }
}

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
    let change = |change, name: Option<&str>, role, seconds| Request::Change {
        target: room(),
        account: name.map(account),
        change,
        role,
        seconds,
    };
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
        (
            r#"{"type":"join","room":"lobby"}"#,
            change(Change::Joined, None, None, 0),
        ),
        (
            r#"{"type":"leave","room":"lobby"}"#,
            change(Change::Left, None, None, 0),
        ),
        (
            r#"{"type":"invite","room":"lobby","account":"bob"}"#,
            change(Change::Invited, Some("bob"), None, 0),
        ),
        (
            r#"{"type":"kick","room":"lobby","account":"bob"}"#,
            change(Change::Kicked, Some("bob"), None, 0),
        ),
        (
            r#"{"type":"ban","room":"lobby","account":"bob"}"#,
            change(Change::Banned, Some("bob"), None, 0),
        ),
        (
            r#"{"type":"unban","room":"lobby","account":"bob"}"#,
            change(Change::Unbanned, Some("bob"), None, 0),
        ),
        (
            r#"{"type":"mute","room":"lobby","account":"bob","seconds":60}"#,
            change(Change::Muted, Some("bob"), None, 60),
        ),
        (
            r#"{"type":"unmute","room":"lobby","account":"bob"}"#,
            change(Change::Unmuted, Some("bob"), None, 0),
        ),
        (
            r#"{"type":"role","room":"lobby","account":"bob","role":"owner"}"#,
            change(Change::Role, Some("bob"), Some(Role::Owner), 0),
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
            r#"{"type":"send","text":"x"}"#,
            r#"{"type":"error","code":"bad_request","message":"`room` or `to`: expected"}"#,
        ),
        (
            r#"{"type":"send","room":"a","to":"b","text":"x"}"#,
            r#"{"type":"error","code":"bad_request","message":"`room` or `to`: expected one of them, not both"}"#,
        ),
        (
            r#"{"type":"send","room":"lobby","text":5}"#,
            r#"{"type":"error","code":"bad_request","message":"`text`: expected a string"}"#,
        ),
        (
            r#"{"type":"read","room":"lobby","seq":-1}"#,
            r#"{"type":"error","code":"bad_request","message":"`seq`: expected a whole number, 0 or more"}"#,
        ),
        (
            r#"{"type":"read","room":"lobby","seq":9007199254740992}"#,
            r#"{"type":"error","code":"bad_request","message":"`seq`: expected a number below 2^53"}"#,
        ),
        (
            r#"{"type":"role","room":"lobby","account":"bob","role":"king"}"#,
            r#"{"type":"error","code":"bad_role","message":"`role`: expected \"member\", \"moderator\" or \"owner\""}"#,
        ),
        (
            r#"{"type":"send","room":"lobby","text":"x","id":"zz"}"#,
            r#"{"type":"error","code":"bad_request","message":"`id`: expected 32 hexadecimal digits"}"#,
        ),
        (
            r#"{"type":"history","room":"lobby","before":1,"after":2}"#,
            r#"{"type":"error","code":"bad_request","message":"expected one of `before`, `after`, `around` and `next`"}"#,
        ),
        (
            "[1]",
            r#"{"type":"error","code":"bad_request","message":"not a JSON object: each line is one {..}"}"#,
        ),
    ] {
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
fn verbs_of_later_versions_are_not_supported() {
    for verb in ["block", "unblock", "notify", "profile"] {
        let input = parse_line(&format!(r#"{{"type":"{verb}","ref":"1"}}"#)).unwrap();
        let error = Lines::new().resolve(input).unwrap_err();
        assert_eq!(error.code, Code::NotSupported);
        assert_eq!(error.reference.as_deref(), Some("1"));
    }
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

#[test]
fn a_date_beyond_the_calendar_is_no_panic() {
    assert_eq!(timestamp(UnixTime(u64::MAX)), "9999-12-30T22:00:00.999Z");
}
