//! One message of every kind, and of the shapes that differ.

use std::sync::Arc;

use crate::id::{AccountId, BlobId, ConversationId, DeviceId, Epoch, RequestId, SendId, Seq};
use crate::model::*;

type ToServerSample = (&'static str, ToServer);
type ToClientSample = (&'static str, ToClient);

/// What clients send.
pub(super) fn to_server() -> Vec<ToServerSample> {
    let request = |id, wish| ToServer::Request(RequestId(id), wish);
    vec![
        (
            "login_password",
            ToServer::Login(Login {
                account: "Ann".into(),
                password: Some("correct horse".into()),
                register: true,
                invite: Some("q83vEjRWeJCrze8SNFZ4kA".into()),
                device: "laptop".into(),
                capabilities: vec![1, 300],
                enroll: true,
                extensions: Extensions(vec![(7, b"later".to_vec())]),
            }),
        ),
        (
            "login_device_key",
            ToServer::Login(Login {
                account: "ann".into(),
                password: None,
                register: false,
                invite: None,
                device: String::new(),
                capabilities: vec![],
                enroll: false,
                extensions: Extensions::default(),
            }),
        ),
        (
            "resume",
            ToServer::Resume(Resume {
                positions: vec![
                    Position {
                        conversation: LOBBY,
                        epoch: Epoch(0x0123_4567_89ab_cdef),
                        seq: Seq(250),
                    },
                    Position {
                        conversation: DIRECT,
                        epoch: Epoch(1),
                        seq: Seq::MAX,
                    },
                ],
                more: false,
                extensions: Extensions::default(),
            }),
        ),
        ("resume_nothing", ToServer::Resume(Resume::default())),
        (
            "send_text",
            send(1, Target::Room(room()), false, Body::text("hi", None)),
        ),
        (
            "send_reply_again",
            send(
                0x0102_0304,
                Target::Conversation(LOBBY),
                true,
                Body::text("grüße", Some(Seq(251))),
            ),
        ),
        (
            "send_sealed",
            send(
                2,
                Target::Account(bob()),
                false,
                Body {
                    kind: Kind(40_000),
                    target: Some(Seq(70_000)),
                    blob: Some(BlobId([0xbb; 16])),
                    data: vec![0, 0xff],
                    extensions: Extensions(vec![(9, vec![1, 2, 3]), (500, vec![])]),
                },
            ),
        ),
        (
            "cancel",
            ToServer::Cancel {
                target: Target::Room(room()),
                id: SEND,
            },
        ),
        ("credit", ToServer::Credit(65_536)),
        (
            "delivered",
            ToServer::Delivered(vec![(LOBBY, Seq(12)), (DIRECT, Seq(3))]),
        ),
        ("set_typing", ToServer::Typing(Target::Account(bob()))),
        (
            "set_presence",
            ToServer::Presence(PresenceState::Away, "lunch".into()),
        ),
        ("ping", ToServer::Ping(1)),
        ("pong", ToServer::Pong(u64::MAX)),
        ("rekey", ToServer::Rekey),
        ("bye", ToServer::Bye),
        (
            "create",
            request(
                3,
                Request::Create {
                    room: room(),
                    public: true,
                    history: None,
                },
            ),
        ),
        (
            "create_private",
            request(
                4,
                Request::Create {
                    room: room(),
                    public: false,
                    history: Some(History::SinceJoin),
                },
            ),
        ),
        (
            "change_join",
            request(
                5,
                Request::Change {
                    target: Target::Room(room()),
                    account: None,
                    change: Change::Joined,
                    role: None,
                    seconds: 0,
                },
            ),
        ),
        (
            "change_role",
            request(
                6,
                Request::Change {
                    target: Target::Room(room()),
                    account: Some(bob()),
                    change: Change::Role,
                    role: Some(Role::Moderator),
                    seconds: 0,
                },
            ),
        ),
        (
            "change_mute",
            request(
                7,
                Request::Change {
                    target: Target::Conversation(LOBBY),
                    account: Some(bob()),
                    change: Change::Muted,
                    role: None,
                    seconds: 3600,
                },
            ),
        ),
        ("get_rooms", request(8, Request::Rooms { after: None })),
        (
            "get_members",
            request(
                9,
                Request::Members {
                    target: Target::Room(room()),
                    after: Some("bob".into()),
                },
            ),
        ),
        (
            "get_who",
            request(
                10,
                Request::Who {
                    after: Some("bob".into()),
                },
            ),
        ),
        ("get_history_end", history(11, HistoryFrom::End)),
        (
            "get_history_before",
            history(12, HistoryFrom::Before(Seq(9))),
        ),
        ("get_history_after", history(13, HistoryFrom::After(Seq(9)))),
        (
            "get_history_around",
            history(14, HistoryFrom::Around(Seq(9))),
        ),
        (
            "search",
            request(
                15,
                Request::Search {
                    target: Some(Target::Room(room())),
                    text: "hi there".into(),
                    after: None,
                },
            ),
        ),
        (
            "search_everywhere",
            request(
                16,
                Request::Search {
                    target: None,
                    text: "hi".into(),
                    after: Some("99".into()),
                },
            ),
        ),
        (
            "get_conversations",
            request(17, Request::Conversations { after: None }),
        ),
        (
            "read",
            request(
                18,
                Request::Read {
                    target: Target::Account(bob()),
                    seq: Seq(12),
                },
            ),
        ),
        (
            "get_receipts",
            request(
                19,
                Request::Receipts {
                    target: Target::Room(room()),
                },
            ),
        ),
        ("get_devices", request(20, Request::Devices)),
        (
            "revoke",
            request(
                21,
                Request::Revoke {
                    device: DeviceId(0xfedc_ba98_7654_3210),
                },
            ),
        ),
        (
            "password",
            request(
                22,
                Request::Password {
                    old: Some("correct horse".into()),
                    new: "battery staple".into(),
                    keep_devices: true,
                },
            ),
        ),
        (
            "command",
            request(
                23,
                Request::Command {
                    target: Some(Target::Room(room())),
                    name: "roll".into(),
                    args: "2d6".into(),
                },
            ),
        ),
        ("get_commands", request(u32::MAX, Request::Commands)),
        (
            "upload",
            request(
                24,
                Request::Upload(Upload {
                    target: Target::Room(room()),
                    id: SEND,
                    name: "a.png".into(),
                    size: 1_000_000,
                    media_type: "image/png".into(),
                }),
            ),
        ),
        (
            "chunk",
            ToServer::Chunk(Chunk {
                transfer: RequestId(24),
                offset: 16_384,
                bytes: b"some bytes".to_vec(),
            }),
        ),
        (
            "finish",
            request(
                25,
                Request::Finish {
                    transfer: RequestId(24),
                    hash: [0x5a; 32],
                },
            ),
        ),
        ("abandon", request(26, Request::Abandon { id: SEND })),
        (
            "fetch",
            request(
                27,
                Request::Fetch {
                    blob: BlobId([0xbb; 16]),
                    offset: 0,
                    length: None,
                    window: 262_144,
                },
            ),
        ),
        (
            "fetch_part",
            request(
                28,
                Request::Fetch {
                    blob: BlobId([0xbb; 16]),
                    offset: 70_000,
                    length: Some(300),
                    window: 16_384,
                },
            ),
        ),
        (
            "taken",
            ToServer::Taken {
                transfer: RequestId(27),
                upto: 65_536,
            },
        ),
        ("stop", ToServer::Stop(RequestId(27))),
    ]
}

/// What servers send.
pub(super) fn to_client() -> Vec<ToClientSample> {
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

/// An entry of the lobby.
pub(super) fn entry(body: Body) -> Entry {
    Entry {
        conversation: LOBBY,
        seq: Seq(13),
        prev: Seq(12),
        id: SEND,
        from: AccountId(0xa11),
        from_name: ann(),
        time: DATE,
        body,
    }
}

pub(super) fn room() -> RoomName {
    RoomName::new("lobby").unwrap()
}

pub(super) fn bob() -> AccountName {
    AccountName::new("bob").unwrap()
}

pub(super) const LOBBY: ConversationId = ConversationId([0x11; 16]);
pub(super) const SEND: SendId = SendId([
    0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, 0x70, 1, 0x80, 2, 3, 4, 5, 6, 7, 8,
]);

const DIRECT: ConversationId = ConversationId([0x22; 16]);
const DATE: UnixTime = UnixTime(1_700_000_000_123_456);

fn ann() -> AccountName {
    AccountName::new("ann").unwrap()
}

fn send(request: u32, target: Target, again: bool, body: Body) -> ToServer {
    ToServer::Send(Send {
        request: RequestId(request),
        target,
        id: SEND,
        again,
        body,
    })
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

fn history(request: u32, from: HistoryFrom) -> ToServer {
    let target = Target::Conversation(LOBBY);
    let limit = 50;
    let wish = Request::History {
        target,
        from,
        limit,
    };
    ToServer::Request(RequestId(request), wish)
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
