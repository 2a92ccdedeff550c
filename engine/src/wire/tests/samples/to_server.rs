//! What clients send.

use super::*;

pub(in crate::wire::tests) fn to_server() -> Vec<(&'static str, ToServer)> {
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

fn send(request: u32, target: Target, again: bool, body: Body) -> ToServer {
    ToServer::Send(Send {
        request: RequestId(request),
        target,
        id: SEND,
        again,
        body,
    })
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
