mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::error::Violation;
use crate::id::{AccountId, RequestId, Seq};
use crate::limits;
use crate::model::*;
use samples::{LOBBY, SEND, bob, entry, room};

/// A change here breaks deployed peers: a client of last year has to understand these bytes.
#[test]
fn the_bytes_of_every_frame_are_pinned() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/vectors.txt");
    let mut text = String::from(
        "# One frame of every kind, length included. The clients of other languages are tested with\n\
         # it, too. A change here breaks deployed peers; BLESS=1 writes it anew.\n",
    );
    for (name, frame) in frames() {
        writeln!(text, "{name} = {}", hex(&frame)).unwrap();
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &text).unwrap();
    }
    let pinned = fs::read_to_string(path).unwrap();
    for (line, wanted) in text.lines().zip(pinned.lines()) {
        assert_eq!(line, wanted);
    }
    assert_eq!(text, pinned);
}

#[test]
fn every_message_comes_back() {
    for (name, message) in samples::to_server() {
        let logged_in = !matches!(message, ToServer::Login(_));
        let back = decode_to_server(&to_server(&message), logged_in);
        assert_eq!(back, Ok(Decoded::Message(message)), "{name}");
    }
    for (name, message) in samples::to_client() {
        let back = decode_to_client(&to_client(&message));
        assert_eq!(back, Ok(Decoded::Message(message)), "{name}");
    }
}

#[test]
fn every_frame_of_the_table_has_a_sample() {
    let seen: BTreeSet<u16> = frames().iter().map(|(_, frame)| tag_of(frame)).collect();
    let table: BTreeSet<u16> = FRAMES.iter().map(|kind| kind.tag).collect();
    assert_eq!(seen, table);
    assert!(FRAMES.is_sorted_by(|one, next| one.number() < next.number()));
}

/// Strangers build clients from that page.
#[test]
fn the_page_about_the_protocol_has_every_tag_and_every_code() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../PROTOCOL.md")).unwrap();
    let lines: BTreeSet<&str> = page.lines().collect();
    for kind in FRAMES {
        let yes_or_no = |is: bool| if is { "yes" } else { "no" };
        let row = format!(
            "| {:#06x} | {} | {} | {} | {} | {} | {} |",
            kind.tag,
            kind.name,
            kind.since,
            format!("{:?}", kind.sender).to_lowercase(),
            format!("{:?}", kind.state).to_lowercase(),
            yes_or_no(kind.is_critical()),
            yes_or_no(kind.has_request()),
        );
        assert!(lines.contains(row.as_str()), "PROTOCOL.md lacks: {row}");
    }
    let rows = lines.iter().filter(|line| line.starts_with("| 0x"));
    assert_eq!(rows.count(), FRAMES.len());
    for code in Code::ALL {
        let row = format!("| {} | {code} | {} |", code.number(), code.sentence());
        let known = lines.iter().any(|line| line.starts_with(&row));
        assert!(known, "PROTOCOL.md lacks: {row}");
    }
}

#[test]
fn a_frame_that_is_cut_off_is_malformed() {
    for (name, frame) in frames() {
        for length in 0..frame.len() {
            let cut = &frame[..length];
            assert_eq!(decode_both(cut), BOTH_MALFORMED, "{name} cut at {length}");
            // The same with a length field that fits.
            if let Some(cut) = cut.get(2..) {
                let outcome = decode_own(&name, &framed(cut));
                assert_eq!(outcome, Err(Violation::Malformed), "{name} cut at {length}");
            }
        }
    }
}

#[test]
fn bytes_that_are_left_over_are_malformed() {
    for (name, frame) in frames() {
        for extra in [0, 1, 0xff] {
            let mut longer = frame[2..].to_vec();
            longer.push(extra);
            let outcome = decode_own(&name, &framed(&longer));
            assert_eq!(outcome, Err(Violation::Malformed), "{name} + {extra}");
        }
    }
}

#[test]
fn flipped_bits_never_panic_and_what_is_read_can_be_written() {
    for (name, frame) in frames() {
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode_to_server(&flipped, false);
            if let Ok(Decoded::Message(message)) = decode_to_server(&flipped, true) {
                let again = decode_to_server(&to_server(&message), true);
                assert_eq!(again, Ok(Decoded::Message(message)), "{name}, bit {bit}");
            }
            if let Ok(Decoded::Message(message)) = decode_to_client(&flipped) {
                let again = decode_to_client(&to_client(&message));
                assert_eq!(again, Ok(Decoded::Message(message)), "{name}, bit {bit}");
            }
        }
    }
}

proptest! {
    #[test]
    fn noise_never_panics(tag in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut frame = tag.to_be_bytes().to_vec();
        frame.extend(&body);
        let _ = decode_both(&framed(&frame));
        let _ = decode_both(&body);
    }

    #[test]
    fn noise_behind_a_known_tag_never_panics(
        kind in prop::sample::select(FRAMES),
        body in prop::collection::vec(prop_oneof![0..6u8, 250..=255u8, any::<u8>()], 0..200),
    ) {
        let mut frame = kind.tag.to_be_bytes().to_vec();
        frame.extend([0; 4].iter().take(if kind.has_request() { 4 } else { 0 }));
        frame.extend(&body);
        let _ = decode_both(&framed(&frame));
    }

    /// The short way reads what the long way reads, and nothing that the long way refuses.
    #[test]
    fn both_ways_to_read_an_entry_agree(
        text in "\\PC{0,300}",
        numbers in any::<[u64; 2]>(),
        places in (0..=Seq::MAX.0, 0..=Seq::MAX.0, prop::option::of(0..=Seq::MAX.0)),
        kind in any::<u16>(),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut body = Body::text(&text, places.2.map(Seq));
        body.kind = Kind(kind);
        let entry = Entry {
            seq: Seq(places.0),
            prev: Seq(places.1),
            from: AccountId(numbers[0]),
            time: UnixTime(numbers[1]),
            ..entry(body)
        };
        let mut bytes = encode_entry(&entry)[4..].to_vec();
        if let Some((place, byte)) = damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        } else if kind < 251 {
            let read = super::entry::read_usual(&bytes);
            prop_assert_eq!(read.as_deref(), Some(&entry));
        }
        if let Some(read) = super::entry::read_usual(&bytes) {
            prop_assert_eq!(to_client::read_entry(&bytes), Ok(read));
        }
    }

    #[test]
    fn any_text_comes_back(
        text in "\\PC{0,300}",
        request in any::<u32>(),
        target in prop::option::of(0..=Seq::MAX.0),
        extensions in prop::collection::vec(
            (any::<u16>(), prop::collection::vec(any::<u8>(), 0..300)),
            0..limits::EXTENSIONS,
        ),
    ) {
        let mut body = Body::text(&text, target.map(Seq));
        body.extensions = Extensions(extensions);
        let message = ToServer::Send(Send {
            request: RequestId(request),
            target: Target::Room(room()),
            id: SEND,
            again: false,
            body: body.clone(),
        });
        let back = decode_to_server(&to_server(&message), true);
        prop_assert_eq!(back, Ok(Decoded::Message(message)));

        let entry = entry(body);
        let back = decode_to_client(&encode_entry(&entry));
        prop_assert_eq!(back, Ok(Decoded::Message(ToClient::Entry(Arc::new(entry)))));
    }
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_allocated() {
    // 10^12, 2^64 - 1 and 2^32 - 1 as the encoding writes large numbers.
    let lies: [&[u8]; 3] = [
        &[253, 0x00, 0x10, 0xa5, 0xd4, 0xe8, 0, 0, 0],
        &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[252, 0xff, 0xff, 0xff, 0xff],
    ];
    for lie in lies {
        for (tag, before) in [
            // A list, a text, the extensions, and the data of a body.
            (tag::RESUME, vec![]),
            (tag::LOGIN, vec![]),
            (tag::CREDIT, vec![0]),
            (tag::BYE, vec![1, 0]),
            (tag::DELIVERED, vec![]),
            (tag::SEND, send_until_data()),
        ] {
            let mut frame = tag.to_be_bytes().to_vec();
            if tag & 0x4000 != 0 {
                frame.extend([0; 4]);
            }
            frame.extend(before);
            frame.extend(lie);
            frame.extend([0; 64]);
            let outcome = decode_to_server(&framed(&frame), tag != tag::LOGIN);
            assert_eq!(outcome, Err(Violation::Malformed), "{tag:#x}");
        }
    }
}

#[test]
fn lists_have_an_upper_bound() {
    let position = Position {
        conversation: LOBBY,
        epoch: crate::id::Epoch(1),
        seq: Seq(1),
    };
    let resume = |count| {
        ToServer::Resume(Resume {
            positions: vec![position; count],
            ..Resume::default()
        })
    };
    let full = to_server(&resume(limits::RESUME_ITEMS));
    assert!(decode_to_server(&full, true).is_ok());
    let mut out = vec![1, 2, 3];
    let one_more = resume(limits::RESUME_ITEMS + 1);
    assert_eq!(encode_to_server(&one_more, &mut out), Err(TooLarge));
    assert_eq!(out, [1, 2, 3]);

    // The extensions of a ping: as many as may be, and one more.
    for (count, fits) in [(limits::EXTENSIONS, true), (limits::EXTENSIONS + 1, false)] {
        let mut frame = tag::PING.to_be_bytes().to_vec();
        frame.extend([0, count as u8]);
        frame.extend(vec![0; 2 * count]);
        assert_eq!(decode_to_server(&framed(&frame), true).is_ok(), fits);
    }
}

#[test]
fn extensions_of_later_versions_are_ignored_where_nobody_keeps_them() {
    let frame = framed(&[0x80, 0x01, 7, 1, 42, 3, 1, 2, 3]);
    let ping = Ok(Decoded::Message(ToServer::Ping(7)));
    assert_eq!(decode_to_server(&frame, true), ping);
}

#[test]
fn frames_of_later_versions_are_skipped_or_close_the_link() {
    // Not critical; not critical and waiting for an answer; critical.
    let (skipped, asked, critical) = (
        framed(&[0x10, 0x00, 1, 2, 3]),
        framed(&[0x50, 0x00, 0, 0, 0, 9, 1, 2, 3]),
        framed(&[0x90, 0x00, 1, 2, 3]),
    );
    for frame in [&skipped, &asked] {
        assert_eq!(decode_to_server(frame, true), Ok(Decoded::Skipped));
        assert_eq!(decode_to_client(frame), Ok(Decoded::Skipped));
    }
    assert_eq!(request_of(&skipped), None);
    assert_eq!(request_of(&asked), Some(RequestId(9)));
    let unsupported = Violation::Unsupported;
    assert_eq!(decode_to_server(&critical, true), Err(unsupported));
    assert_eq!(decode_to_client(&critical), Err(unsupported));
    for frame in [&skipped, &asked, &critical] {
        let unexpected = Err(Violation::Unexpected);
        assert_eq!(decode_to_server(frame, false), unexpected);
    }
}

#[test]
fn the_upper_bits_belong_to_the_tag() {
    let pong = framed(&[0x00, 0x02, 1, 0]);
    assert_eq!(decode_to_server(&pong, true), Err(Violation::Malformed));
    let entry = encode_entry(&entry(Body::text("hi", None)));
    let mut asked = entry.to_vec();
    asked[2] |= 0x40;
    assert_eq!(decode_to_client(&asked), Err(Violation::Malformed));
}

#[test]
fn before_the_login_a_client_may_only_log_in() {
    for (name, message) in samples::to_server() {
        let outcome = decode_to_server(&to_server(&message), false);
        match message {
            // The channel below deals with a new key.
            ToServer::Login(_)
            | ToServer::Ping(_)
            | ToServer::Pong(_)
            | ToServer::Rekey
            | ToServer::Bye => assert_eq!(outcome, Ok(Decoded::Message(message)), "{name}"),
            _ => assert_eq!(outcome, Err(Violation::Unexpected), "{name}"),
        }
    }
    let (_, login) = &samples::to_server()[0];
    let second = decode_to_server(&to_server(login), true);
    assert_eq!(second, Err(Violation::Unexpected));

    let mut large = tag::LOGIN.to_be_bytes().to_vec();
    large.resize(limits::LOGIN_FRAME_BYTES - 1, 0);
    let outcome = decode_to_server(&framed(&large), false);
    assert_eq!(outcome, Err(Violation::Oversized));
}

#[test]
fn nobody_says_what_is_the_others_to_say() {
    for (name, frame) in frames() {
        let kind = FrameKind::find(tag_of(&frame)).unwrap();
        let wrong = match kind.sender {
            Sender::Client => decode_to_client(&frame).map(|_| ()),
            Sender::Server => decode_to_server(&frame, true).map(|_| ()),
            Sender::Both => continue,
        };
        assert_eq!(wrong, Err(Violation::Unexpected), "{name}");
    }
}

#[test]
fn a_name_that_can_not_be_is_for_the_server_to_refuse() {
    let long = "x".repeat(limits::NAME_BYTES + 1);
    for (typed, meant) in [
        ("Lobby", "lobby"),
        ("JÜRGEN", "jürgen"),
        ("plugin.dice", "plugin.dice"),
        ("", "?"),
        (long.as_str(), "?"),
        ("a b", "?"),
        ("?", "?"),
    ] {
        let mut body = vec![0x00, 0x16, 3, typed.len() as u8];
        body.extend(typed.as_bytes());
        body.push(0);
        let typing = Ok(Decoded::Message(ToServer::Typing(Target::Account(
            AccountName::stored(meant).unwrap(),
        ))));
        assert_eq!(decode_to_server(&framed(&body), true), typing, "{typed}");
    }
    assert!(AccountName::new("?").is_err() && RoomName::new("?").is_err());
    // Not even a text.
    let body = [0x00, 0x16, 3, 1, 0xff, 0];
    let outcome = decode_to_server(&framed(&body), true);
    assert_eq!(outcome, Err(Violation::Malformed));
}

#[test]
fn values_that_do_not_exist_are_malformed_where_they_matter() {
    let malformed = Err(Violation::Malformed);
    // A target of kind 4; an id of 15 bytes; a state; a place that no log reaches; a boolean.
    let mut short_id = vec![0x00, 0x16, 1, 15];
    short_id.extend([0; 16]);
    for bad in [
        vec![0x00, 0x16, 4, 1, b'a', 0],
        short_id,
        vec![0x00, 0x17, 4, 0, 0],
        [
            &[0x40, 0x28, 0, 0, 0, 1, 3, 1, b'a', 253][..],
            &[0xff; 8],
            &[0],
        ]
        .concat(),
        vec![0x40, 0x20, 0, 0, 0, 1, 1, b'a', 2, 0, 0],
    ] {
        assert_eq!(decode_to_server(&framed(&bad), true), malformed, "{bad:?}");
    }

    // Where it does not, it is as if nothing had been said.
    let bye = framed(&[0x80, 0x04, 99, 0, 0]);
    let lost = ToClient::Bye(ByeReason::Lost, String::new());
    assert_eq!(decode_to_client(&bye), Ok(Decoded::Message(lost)));
    let role = framed(&[0x40, 0x21, 0, 0, 0, 1, 2, 1, b'a', 0, 7, 1, 9, 0, 0]);
    let change = Request::Change {
        target: Target::Room(RoomName::new("a").unwrap()),
        account: None,
        change: Change::Role,
        role: None,
        seconds: 0,
    };
    let request = ToServer::Request(RequestId(1), change);
    let outcome = decode_to_server(&role, true);
    assert_eq!(outcome, Ok(Decoded::Message(request)));
}

#[test]
fn the_one_frame_of_an_entry_is_what_any_frame_of_it_is() {
    for text in ["", "hi", &"x".repeat(limits::TEXT_BYTES)] {
        let entry = entry(Body::text(text, None));
        let message = ToClient::Entry(Arc::new(entry.clone()));
        assert_eq!(encode_entry(&entry)[..], to_client(&message));
    }
}

#[test]
fn an_entry_that_fits_no_frame_travels_as_deleted() {
    let entry = entry(Body::text(&"x".repeat(limits::FRAME_BYTES), None));
    let frame = encode_entry(&entry);
    let message = ToClient::Entry(Arc::new(entry));
    assert_eq!(frame[..], to_client(&message));
    let Ok(Decoded::Message(ToClient::Entry(seen))) = decode_to_client(&frame) else {
        panic!("not an entry");
    };
    assert!(seen.body.is_deleted());
    assert_eq!((seen.prev, seen.seq), (Seq(12), Seq(13)));
}

#[test]
fn the_largest_frame_just_fits() {
    let send = |length| {
        ToServer::Send(Send {
            request: RequestId(1),
            target: Target::Account(bob()),
            id: SEND,
            again: false,
            body: Body::text(&"x".repeat(length), None),
        })
    };
    let head = to_server(&send(1000)).len() - 1000;
    let most = limits::FRAME_BYTES - head;
    let frame = to_server(&send(most));
    assert_eq!(frame.len(), limits::FRAME_BYTES);
    assert!(decode_to_server(&frame, true).is_ok());
    let too_large = encode_to_server(&send(most + 1), &mut Vec::new());
    assert_eq!(too_large, Err(TooLarge));
    let oversized = vec![0; limits::FRAME_BYTES + 1];
    assert_eq!(decode_to_client(&oversized), Err(Violation::Oversized));
}

#[test]
fn passwords_do_not_show_in_what_is_printed() {
    let (_, login) = &samples::to_server()[0];
    assert!(!format!("{login:?}").contains("horse"));
}

const BOTH_MALFORMED: (Result<(), Violation>, Result<(), Violation>) =
    (Err(Violation::Malformed), Err(Violation::Malformed));

fn frames() -> Vec<(String, Vec<u8>)> {
    let ours = samples::to_server().into_iter();
    let ours = ours.map(|(name, message)| (format!("to_server.{name}"), to_server(&message)));
    let theirs = samples::to_client().into_iter();
    let theirs = theirs.map(|(name, message)| (format!("to_client.{name}"), to_client(&message)));
    ours.chain(theirs).collect()
}

fn to_server(message: &ToServer) -> Vec<u8> {
    let mut out = Vec::new();
    encode_to_server(message, &mut out).unwrap();
    out
}

fn to_client(message: &ToClient) -> Vec<u8> {
    let mut out = Vec::new();
    encode_to_client(message, &mut out).unwrap();
    out
}

fn decode_both(frame: &[u8]) -> (Result<(), Violation>, Result<(), Violation>) {
    let to_server = decode_to_server(frame, true).map(|_| ());
    (to_server, decode_to_client(frame).map(|_| ()))
}

/// With the decoder that a frame of this name is for.
fn decode_own(name: &str, frame: &[u8]) -> Result<(), Violation> {
    if name.starts_with("to_client") {
        return decode_to_client(frame).map(|_| ());
    }
    decode_to_server(frame, !name.contains("login")).map(|_| ())
}

/// With a length in front.
fn framed(rest: &[u8]) -> Vec<u8> {
    [&(rest.len() as u16).to_be_bytes(), rest].concat()
}

fn tag_of(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[2], frame[3]])
}

/// A send up to the length of its data.
fn send_until_data() -> Vec<u8> {
    let mut body = vec![2, 1, b'a'];
    body.extend(SEND.0);
    body.extend([0, 1, 0, 0]);
    body
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
