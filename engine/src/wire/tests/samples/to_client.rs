//! What servers send.

use std::sync::Arc;

use super::*;

pub(in crate::wire::tests) fn to_client() -> Vec<(&'static str, ToClient)> {
    let answer = |id, answer| ToClient::Answer(RequestId(id), answer);
    vec![
        ("welcome", ToClient::Welcome(Box::new(welcome()))),
        (
            "denied",
            ToClient::Denied(Refusal::because(Code::LoginFailed, "no")),
        ),
        (
            "conversations",
            ToClient::Conversations {
                items: conversations(),
                more: true,
            },
        ),
        (
            "conversations_none",
            ToClient::Conversations {
                items: vec![],
                more: false,
            },
        ),
        (
            "entry_text",
            ToClient::Entry(Arc::new(entry(Body::text("hi", None)))),
        ),
        (
            "entry_member",
            ToClient::Entry(Arc::new(entry(Body::member(&MemberChange {
                account: AccountId(0xb0b),
                name: bob(),
                change: Change::Joined,
                role: Role::Member,
                until: UnixTime(0),
            })))),
        ),
        (
            "entry_file",
            ToClient::Entry(Arc::new(entry(Body::file(
                BlobId([0xbb; 16]),
                &FileOffer {
                    name: "a.png".into(),
                    size: 1_000_000,
                    media_type: "image/png".into(),
                    hash: [0x5a; 32],
                },
            )))),
        ),
        ("entry_deleted", ToClient::Entry(Arc::new(deleted()))),
        (
            "gap",
            ToClient::Gap {
                conversation: LOBBY,
                epoch: Epoch(0x0123_4567_89ab_cdef),
                from: Seq(1),
                to: Seq(9),
                reason: GapReason::Trimmed,
            },
        ),
        (
            "ack",
            ToClient::Ack {
                request: RequestId(1),
                conversation: LOBBY,
                seq: Seq(13),
                id: SEND,
            },
        ),
        (
            "error",
            ToClient::Error(
                RequestId(2),
                Refusal::because(Code::Muted, "you are muted in this room"),
            ),
        ),
        (
            "error_for_now",
            ToClient::Error(
                RequestId(3),
                Refusal::because(Code::Busy, "busy").retry_in(1500),
            ),
        ),
        ("receipts", ToClient::Receipts(receipts())),
        (
            "presence",
            ToClient::Presence(vec![
                Presence {
                    account: ann(),
                    state: PresenceState::Online,
                    text: String::new(),
                    reason: None,
                },
                Presence {
                    account: bob(),
                    state: PresenceState::Offline,
                    text: "bye".into(),
                    reason: Some(ByeReason::Left),
                },
            ]),
        ),
        (
            "typing",
            ToClient::Typing {
                conversation: DIRECT,
                account: bob(),
            },
        ),
        (
            "notice",
            ToClient::Notice {
                from: "plugin.dice".into(),
                text: "you rolled 7".into(),
                conversation: Some(LOBBY),
            },
        ),
        (
            "notice_of_server",
            ToClient::Notice {
                from: "server".into(),
                text: "maintenance at noon".into(),
                conversation: None,
            },
        ),
        ("ping", ToClient::Ping(251)),
        ("pong", ToClient::Pong(70_000)),
        ("rekey", ToClient::Rekey),
        (
            "bye",
            ToClient::Bye(ByeReason::Shutdown, "back at noon".into()),
        ),
        ("done", answer(4, Answer::Done)),
        (
            "entered",
            answer(
                5,
                Answer::Entered {
                    conversation: LOBBY,
                    seq: Seq(14),
                },
            ),
        ),
        (
            "room_page",
            answer(
                6,
                Answer::Rooms(
                    vec![RoomItem {
                        name: room(),
                        topic: "all of us".into(),
                        public: true,
                        members: 300,
                        joined: false,
                    }],
                    Some("lobby".into()),
                ),
            ),
        ),
        (
            "member_page",
            answer(
                7,
                Answer::Members(
                    vec![
                        MemberItem {
                            account: ann(),
                            role: Role::Owner,
                            presence: Some(PresenceState::Online),
                            muted_until: UnixTime(0),
                        },
                        MemberItem {
                            account: bob(),
                            role: Role::Member,
                            presence: None,
                            muted_until: UnixTime(u64::MAX),
                        },
                    ],
                    None,
                ),
            ),
        ),
        (
            "who_page",
            answer(
                8,
                Answer::Who(
                    vec![WhoItem {
                        account: ann(),
                        state: PresenceState::Away,
                        text: "lunch".into(),
                    }],
                    None,
                ),
            ),
        ),
        ("history_page", answer(9, Answer::History(page(), true))),
        (
            "search_page",
            answer(
                10,
                Answer::Search(vec![entry(Body::text("hi", None))], Some("12".into())),
            ),
        ),
        (
            "conversation_page",
            answer(11, Answer::Conversations(conversations(), None)),
        ),
        ("receipt_list", answer(12, Answer::Receipts(receipts()))),
        (
            "device_list",
            answer(
                13,
                Answer::Devices(vec![DeviceItem {
                    id: DeviceId(7),
                    name: "laptop".into(),
                    created: DATE,
                    seen: DATE,
                    online: true,
                    this: false,
                }]),
            ),
        ),
        (
            "command_list",
            answer(
                14,
                Answer::Commands(vec![CommandItem {
                    name: "roll".into(),
                    help: "NdM: rolls dice".into(),
                }]),
            ),
        ),
        (
            "uploading",
            answer(
                24,
                Answer::Uploading(Uploading {
                    blob: BlobId([0xbb; 16]),
                    offset: 16_384,
                    window: 262_144,
                }),
            ),
        ),
        (
            "fetching",
            answer(
                27,
                Answer::Fetching(Box::new(Fetching {
                    offset: 0,
                    end: 1_000_000,
                    size: 1_000_000,
                    hash: Some([0x5a; 32]),
                    name: "a.png".into(),
                    media_type: "image/png".into(),
                })),
            ),
        ),
        (
            "fetching_what_comes_in",
            answer(
                28,
                Answer::Fetching(Box::new(Fetching {
                    offset: 65_536,
                    end: 81_920,
                    size: 1_000_000,
                    hash: None,
                    name: "a.png".into(),
                    media_type: String::new(),
                })),
            ),
        ),
        ("incoming", ToClient::Incoming(incoming(false))),
        ("incoming_over", ToClient::Incoming(incoming(true))),
        (
            "received",
            ToClient::Received {
                transfer: RequestId(24),
                upto: 65_536,
            },
        ),
        (
            "piece",
            ToClient::Piece(Piece {
                transfer: RequestId(27),
                offset: 16_384,
                parents: vec![[[1; 32], [2; 32]], [[3; 32], [4; 32]]],
                bytes: b"some bytes".to_vec(),
            }),
        ),
        (
            "fetched",
            ToClient::Fetched(Fetched {
                transfer: RequestId(27),
                hash: [0x5a; 32],
            }),
        ),
        (
            "stopped",
            ToClient::Stopped(Stopped {
                transfer: RequestId(24),
                refusal: Refusal::because(Code::Storage, "full").retry_in(2000),
            }),
        ),
    ]
}

fn incoming(is_over: bool) -> Incoming {
    Incoming {
        conversation: LOBBY,
        blob: BlobId([0xbb; 16]),
        from: bob(),
        name: "a.png".into(),
        size: 1_000_000,
        media_type: "image/png".into(),
        is_over,
    }
}

fn welcome() -> Welcome {
    Welcome {
        account: AccountId(0xa11),
        name: ann(),
        device: DeviceId(0xfedc_ba98_7654_3210),
        date: DATE,
        durable: true,
        limits: WelcomeLimits {
            sends: 256,
            entry_credit: 262_144,
            text: 16_384,
            frame: 61_440,
            ping_ms: 15_000,
            dead_ms: 30_000,
        },
        capabilities: vec![1],
        extensions: Extensions::default(),
    }
}

fn conversations() -> Vec<Conversation> {
    vec![
        Conversation {
            id: LOBBY,
            peer: Peer::Room(room()),
            epoch: Epoch(0x0123_4567_89ab_cdef),
            head: Seq(13),
            read: Seq(12),
            unread: 1,
            mentions: 0,
            joined: true,
        },
        Conversation {
            id: DIRECT,
            peer: Peer::Account(bob()),
            epoch: Epoch(1),
            head: Seq(300),
            read: Seq(0),
            unread: 300,
            mentions: 2,
            joined: false,
        },
    ]
}

fn receipts() -> Vec<Receipt> {
    vec![Receipt {
        conversation: LOBBY,
        account: bob(),
        delivered: Seq(13),
        read: Seq(12),
    }]
}

fn page() -> Vec<HistoryItem> {
    vec![
        HistoryItem {
            entry: entry(Body::text("hi, edited", None)),
            edited: true,
            reactions: vec![Reaction {
                emoji: "👍".into(),
                accounts: vec![ann(), bob()],
            }],
        },
        HistoryItem {
            entry: deleted(),
            edited: false,
            reactions: vec![],
        },
    ]
}

fn deleted() -> Entry {
    let mut entry = entry(Body::text("secret", None));
    entry.body.blank();
    entry
}
