use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::{Error, Misuse, Violation};
use crate::limits;
use crate::model::Time;
use crate::secure::TAG_BYTES;

const START: Time = Time(1_000_000);
/// Bytes that begin a link before the second message: greeting, length, key.
const GREETING: usize = 11;

/// Both ends of one link, joined by two vectors.
struct Pair {
    client: Conduit,
    server: Conduit,
    now: Time,
}

impl Pair {
    fn new() -> Self {
        Self {
            client: Conduit::client(key(1), [2; 32], START),
            server: Conduit::server(key(3), [4; 32], START),
            now: START,
        }
    }

    /// After the handshake and, as far as sizes go, the login.
    fn open() -> Self {
        let mut pair = Self::new();
        pair.shake();
        pair.client.set_max_frame(limits::FRAME_BYTES);
        pair.server.set_max_frame(limits::FRAME_BYTES);
        pair
    }

    fn shake(&mut self) {
        let bytes = outgoing(&mut self.client);
        self.server.handle_bytes(&bytes, self.now).unwrap();
        let bytes = outgoing(&mut self.server);
        self.client.handle_bytes(&bytes, self.now).unwrap();
        assert_eq!(self.client.server_key(), Some(key(3).public()));
        self.client.accept_server();
        let bytes = outgoing(&mut self.client);
        self.server.handle_bytes(&bytes, self.now).unwrap();
        assert!(self.client.is_open() && self.server.is_open());
    }

    /// Sealed by the client, opened by the server.
    fn up(&mut self, frames: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Error> {
        let bytes = seal(&mut self.client, frames, self.now)?;
        self.server.handle_bytes(&bytes, self.now)?;
        taken(&mut self.server)
    }

    fn down(&mut self, frames: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Error> {
        let bytes = seal(&mut self.server, frames, self.now)?;
        self.client.handle_bytes(&bytes, self.now)?;
        taken(&mut self.client)
    }
}

fn key(byte: u8) -> Arc<StaticKey> {
    Arc::new(StaticKey::from_bytes([byte; 32]))
}

fn outgoing(conduit: &mut Conduit) -> Vec<u8> {
    let mut out = Vec::new();
    conduit.poll_transmit(&mut out);
    out
}

fn seal(conduit: &mut Conduit, frames: &[Vec<u8>], now: Time) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    conduit.seal_frames(&mut frames.iter().map(Vec::as_slice), &mut out, now)?;
    Ok(out)
}

fn taken(conduit: &mut Conduit) -> Result<Vec<Vec<u8>>, Error> {
    let mut frames = Vec::new();
    while let Some(frame) = conduit.next_frame()? {
        frames.push(frame.to_vec());
    }
    Ok(frames)
}

/// A frame of so many bytes altogether.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = ((bytes - 2) as u16).to_be_bytes().to_vec();
    frame.extend([0, 9]);
    frame.extend((4..bytes).map(|at| at as u8));
    frame
}

/// Lengths of the contents of the records in these bytes.
fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        lengths.push(length - TAG_BYTES);
        bytes = &rest[length..];
    }
    lengths
}

/// Puts any content into a record, as only a broken or hostile peer would.
fn seal_raw(conduit: &mut Conduit, content: &[u8]) -> Vec<u8> {
    let State::Open { channel, .. } = &mut conduit.state else {
        panic!("not open");
    };
    let mut out = Vec::new();
    channel.seal(content, &mut out).unwrap();
    out
}

fn heap_at_rest(conduit: &Conduit) -> usize {
    conduit.inbox.capacity() + conduit.frames.capacity() + conduit.outbox.capacity()
}

const fn peer(violation: Violation) -> Error {
    Error::Peer(violation)
}

#[test]
fn every_stream_passes_in_every_cut() {
    for cut in 1..12 {
        let mut pair = Pair::new();
        let now = pair.now;
        let feed = |conduit: &mut Conduit, bytes: &[u8]| {
            let mut frames = Vec::new();
            for piece in bytes.chunks(cut) {
                conduit.handle_bytes(piece, now).unwrap();
                frames.extend(taken(conduit).unwrap());
            }
            frames
        };
        feed(&mut pair.server, &outgoing(&mut pair.client));
        feed(&mut pair.client, &outgoing(&mut pair.server));
        pair.client.accept_server();
        // What follows the third message may come in the same piece.
        let sent = [frame(4), frame(5), frame(300), frame(8_000)];
        let mut bytes = outgoing(&mut pair.client);
        bytes.extend(seal(&mut pair.client, &sent, now).unwrap());
        assert_eq!(feed(&mut pair.server, &bytes), sent);
        assert_eq!(pair.server.peer_key(), Some(key(1).public()));
        let sent = [
            frame(4),
            frame(16_384),
            frame(limits::FRAME_BYTES),
            frame(4),
        ];
        let bytes = seal(&mut pair.server, &sent, now).unwrap();
        assert_eq!(feed(&mut pair.client, &bytes), sent);
        assert_eq!(pair.client.poll_timeout(), None);
        assert_eq!(pair.server.poll_timeout(), None);
        assert_eq!(
            pair.client.handshake_hash().unwrap(),
            pair.server.handshake_hash().unwrap()
        );
    }
}

#[test]
fn frames_are_packed_and_a_large_one_travels_alone() {
    let mut pair = Pair::open();
    let sent = [6_000, 6_000, 6_000, 60_000, 100, 16_284, 4, 16_385, 5].map(frame);
    let bytes = seal(&mut pair.client, &sent, pair.now).unwrap();
    assert_eq!(
        records(&bytes),
        [12_000, 6_000, 60_000, 100 + 16_284, 4, 16_385, 5]
    );
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), sent);
    assert!(seal(&mut pair.client, &[], pair.now).unwrap().is_empty());
}

#[test]
fn a_client_says_nothing_about_itself_before_it_accepts_the_server() {
    let mut pair = Pair::new();
    pair.client.accept_server();
    let bytes = outgoing(&mut pair.client);
    assert_eq!(bytes.len(), GREETING + 2 + FIRST_BYTES);
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    let bytes = outgoing(&mut pair.server);
    pair.client.handle_bytes(&bytes, pair.now).unwrap();
    assert!(outgoing(&mut pair.client).is_empty());
    assert!(!pair.client.is_open());
    // A person may take all the time.
    assert_eq!(pair.client.poll_timeout(), None);
    assert_eq!(pair.client.peer_key(), None);
    pair.client.accept_server();
    assert_eq!(outgoing(&mut pair.client).len(), 2 + THIRD_BYTES);
    assert_eq!(pair.client.peer_key(), Some(key(3).public()));
    assert_eq!(pair.client.server_key(), None);
}

#[test]
fn a_server_that_talks_out_of_turn_is_dropped() {
    let mut pair = Pair::new();
    let bytes = outgoing(&mut pair.client);
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    let mut bytes = outgoing(&mut pair.server);
    bytes.push(0);
    assert_eq!(
        pair.client.handle_bytes(&bytes, pair.now),
        Err(peer(Violation::Handshake))
    );
    assert_eq!(pair.client.server_key(), None);
}

/// Whatever bit is flipped on the way, the receiver fails or waits until its deadline, and gets no
/// frame of that record.
#[test]
fn a_flipped_bit_never_delivers_anything() {
    let mut pair = Pair::open();
    let good = seal(&mut pair.client, &[frame(10)], pair.now).unwrap();
    pair.server.handle_bytes(&good, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), [frame(10)]);
    let bytes = seal(&mut pair.client, &[frame(20), frame(30)], pair.now).unwrap();
    for bit in 0..bytes.len() * 8 {
        // Both ends are the same each time: all their randomness is handed in.
        let mut pair = Pair::open();
        pair.up(&[frame(10)]).unwrap();
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let done = pair.server.handle_bytes(&changed, pair.now);
        let error = if let Err(error) = done {
            error
        } else {
            assert_eq!(taken(&mut pair.server), Ok(vec![]));
            let due = pair.server.poll_timeout().unwrap();
            assert_eq!(due, pair.now + limits::RECORD_WAIT);
            pair.server.handle_timeout(due).unwrap_err()
        };
        assert!(matches!(
            error,
            Error::Peer(Violation::Integrity | Violation::Deadline)
        ));
        assert_eq!(pair.server.next_frame(), Err(error));
    }
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), [frame(20), frame(30)]);
}

#[test]
fn a_flipped_bit_anywhere_in_the_handshake_ends_it() {
    let streams = {
        let mut pair = Pair::new();
        let one = outgoing(&mut pair.client);
        pair.server.handle_bytes(&one, pair.now).unwrap();
        let two = outgoing(&mut pair.server);
        pair.client.handle_bytes(&two, pair.now).unwrap();
        pair.client.accept_server();
        [one, two, outgoing(&mut pair.client)]
    };
    for (stage, stream) in streams.iter().enumerate() {
        for byte in 0..stream.len() {
            let mut pair = Pair::new();
            let mut failed = false;
            let mut bytes = outgoing(&mut pair.client);
            for turn in 0..3 {
                if turn == stage {
                    bytes[byte] ^= 0x40;
                }
                let to = if turn == 1 {
                    &mut pair.client
                } else {
                    &mut pair.server
                };
                failed |= to.handle_bytes(&bytes, pair.now).is_err();
                if failed {
                    break;
                }
                to.accept_server();
                bytes = outgoing(to);
            }
            // A changed length may leave the server waiting, but not for ever.
            let due = pair.now + limits::HANDSHAKE_WAIT;
            failed |= pair.server.handle_timeout(due).is_err();
            assert!(failed, "stage {stage}, byte {byte}");
            assert!(!pair.server.is_open());
        }
    }
}

#[test]
fn a_truncated_handshake_waits_until_its_deadline() {
    let mut pair = Pair::new();
    let one = outgoing(&mut pair.client);
    for cut in 0..one.len() {
        let mut server = Conduit::server(key(3), [4; 32], START);
        server.handle_bytes(&one[..cut], START).unwrap();
        assert_eq!(outgoing(&mut server).is_empty(), cut < GREETING);
        let due = START + limits::HANDSHAKE_WAIT;
        assert_eq!(server.poll_timeout(), Some(due));
        assert_eq!(server.handle_timeout(Time(due.0 - 1)), Ok(()));
        assert_eq!(server.handle_timeout(due), Err(peer(Violation::Deadline)));
        assert_eq!(server.poll_timeout(), None);
    }
    pair.server.handle_bytes(&one, START).unwrap();
    let two = outgoing(&mut pair.server);
    for cut in 0..two.len() {
        let mut client = Conduit::client(key(1), [2; 32], START);
        client.handle_bytes(&two[..cut], START).unwrap();
        assert_eq!(client.server_key(), None);
        let due = START + limits::HANDSHAKE_WAIT;
        assert_eq!(client.handle_timeout(due), Err(peer(Violation::Deadline)));
    }
    pair.client.handle_bytes(&two, START).unwrap();
    pair.client.accept_server();
    let three = outgoing(&mut pair.client);
    for cut in 0..three.len() {
        let mut server = Conduit::server(key(3), [4; 32], START);
        server.handle_bytes(&one, START).unwrap();
        server.handle_bytes(&three[..cut], START).unwrap();
        assert!(!server.is_open());
        let due = START + limits::HANDSHAKE_WAIT;
        assert_eq!(server.handle_timeout(due), Err(peer(Violation::Deadline)));
    }
}

/// Somebody in between makes the offer look smaller or larger; both ends would still agree on
/// handshake 1, and yet it fails.
#[test]
fn a_changed_offer_breaks_the_handshake() {
    let mut pair = Pair::new();
    let sent = outgoing(&mut pair.client);
    let mut changed = b"libchat\0\x02\x00\x00\x00\x01".to_vec();
    changed.extend_from_slice(&sent[GREETING..]);
    pair.server.handle_bytes(&changed, pair.now).unwrap();
    let bytes = outgoing(&mut pair.server);
    assert_eq!(
        pair.client.handle_bytes(&bytes, pair.now),
        Err(peer(Violation::Handshake))
    );
}

#[test]
fn two_versions_without_a_handshake_in_common_say_so() {
    let mut server = Conduit::server(key(3), [4; 32], START);
    let offer = b"libchat\0\x02\x12\x34\x56\x78";
    assert_eq!(server.handle_bytes(offer, START), Err(Error::Version));
    let answer = outgoing(&mut server);
    assert_eq!(answer, b"libchat\0\x00\x01\x00\x01");
    let mut client = Conduit::client(key(1), [2; 32], START);
    assert_eq!(client.handle_bytes(&answer, START), Err(Error::Version));
    // And it stays that way.
    assert_eq!(client.next_frame(), Err(Error::Version));
    assert_eq!(client.handle_bytes(&answer, START), Err(Error::Version));
    assert_eq!(seal(&mut client, &[], START), Err(Error::Version));
    assert_eq!(client.handle_timeout(START), Err(Error::Version));
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn garbage_is_refused_with_its_first_byte() {
    for conduit in [
        Conduit::client(key(1), [2; 32], START),
        Conduit::server(key(3), [4; 32], START),
    ] {
        let mut conduit = conduit;
        conduit.handle_bytes(b"lib", START).unwrap();
        assert_eq!(
            conduit.handle_bytes(b"e", START),
            Err(peer(Violation::Greeting))
        );
    }
}

#[test]
fn a_handshake_message_of_another_length_is_refused_by_its_length() {
    for (length, violation) in [
        (0, Violation::Handshake),
        (31, Violation::Handshake),
        (33, Violation::Handshake),
        (4096, Violation::Handshake),
        (4097, Violation::Oversized),
    ] {
        let mut server = Conduit::server(key(3), [4; 32], START);
        server.handle_bytes(&greeting::offer(), START).unwrap();
        let length = u16::to_be_bytes(length);
        assert_eq!(server.handle_bytes(&length, START), Err(peer(violation)));
    }
}

#[test]
fn each_direction_gets_new_keys() {
    let mut pair = Pair::open();
    pair.client.set_rekey_records(3);
    pair.server.set_rekey_records(1);
    for round in 0..20 {
        let up = seal(&mut pair.client, &[frame(10)], pair.now).unwrap();
        assert_eq!(records(&up) == [14], round % 3 == 2);
        pair.server.handle_bytes(&up, pair.now).unwrap();
        assert_eq!(taken(&mut pair.server).unwrap(), [frame(10)]);
        let down = seal(&mut pair.server, &[frame(10), frame(7)], pair.now).unwrap();
        assert_eq!(records(&down), [21]);
        pair.client.handle_bytes(&down, pair.now).unwrap();
        assert_eq!(taken(&mut pair.client).unwrap(), [frame(10), frame(7)]);
    }
    // Also the largest frame leaves room for it.
    let large = [frame(limits::FRAME_BYTES)];
    assert_eq!(pair.down(&large).unwrap(), large);
}

#[test]
fn an_old_key_is_replaced_with_the_next_record() {
    let mut pair = Pair::open();
    assert_eq!(
        records(&seal(&mut pair.client, &[frame(9)], START).unwrap()),
        [9]
    );
    let mut pair = Pair::open();
    pair.now = START + limits::REKEY_AFTER;
    let bytes = seal(&mut pair.client, &[frame(9)], pair.now).unwrap();
    assert_eq!(records(&bytes), [13]);
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), [frame(9)]);
    // And then not again at once.
    let bytes = seal(&mut pair.client, &[frame(9)], pair.now).unwrap();
    assert_eq!(records(&bytes), [9]);
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), [frame(9)]);
    pair.client.set_rekey_after(Duration::ZERO);
    assert_eq!(pair.up(&[frame(9)]).unwrap(), [frame(9)]);
    assert_eq!(pair.up(&[frame(9)]).unwrap(), [frame(9)]);
}

#[test]
fn frames_that_are_cut_or_misplaced_are_malformed() {
    let long_rekey = [0x00, 0x04, 0x80, 0x03, 0, 0];
    for content in [
        vec![],
        vec![0],
        vec![0, 0],
        vec![0, 1, 9],
        frame(10)[..9].to_vec(),
        [frame(10), vec![0]].concat(),
        [frame(10), frame(10)[..3].to_vec()].concat(),
        [REKEY_FRAME.to_vec(), frame(10)].concat(),
        [REKEY_FRAME, REKEY_FRAME].concat(),
        long_rekey.to_vec(),
    ] {
        let mut pair = Pair::open();
        let bytes = seal_raw(&mut pair.client, &content);
        assert_eq!(
            pair.server.handle_bytes(&bytes, pair.now),
            Err(peer(Violation::Malformed)),
            "{content:?}"
        );
        assert_eq!(pair.server.next_frame(), Err(peer(Violation::Malformed)));
    }
    let mut pair = Pair::open();
    let bytes = seal_raw(&mut pair.client, &frame(limits::FRAME_BYTES + 1));
    assert_eq!(
        pair.server.handle_bytes(&bytes, pair.now),
        Err(peer(Violation::Oversized))
    );
}

#[test]
fn good_frames_before_a_fault_are_handed_out_first() {
    let mut pair = Pair::open();
    let mut bytes = seal(&mut pair.client, &[frame(10), frame(11)], pair.now).unwrap();
    bytes.extend([0, 3]);
    assert_eq!(pair.server.handle_bytes(&bytes, pair.now), Ok(()));
    assert_eq!(pair.server.next_frame(), Ok(Some(&*frame(10))));
    assert_eq!(pair.server.handle_bytes(&bytes, pair.now), Ok(()));
    assert_eq!(pair.server.next_frame(), Ok(Some(&*frame(11))));
    assert_eq!(pair.server.next_frame(), Err(peer(Violation::Integrity)));
    assert_eq!(
        pair.server.handle_bytes(&bytes, pair.now),
        Err(peer(Violation::Integrity))
    );
}

#[test]
fn before_the_login_a_large_record_is_refused_by_its_length() {
    let most = limits::LOGIN_FRAME_BYTES;
    let mut pair = Pair::new();
    pair.shake();
    assert_eq!(pair.up(&[frame(most)]).unwrap(), [frame(most)]);
    // With the announcement of a new key, too.
    pair.client.set_rekey_records(1);
    assert_eq!(pair.up(&[frame(most)]).unwrap(), [frame(most)]);
    let length = ((most + REKEY_FRAME.len() + TAG_BYTES + 1) as u16).to_be_bytes();
    assert_eq!(
        pair.server.handle_bytes(&length, pair.now),
        Err(peer(Violation::Oversized))
    );
    // The server may send large ones all the time; the client packs as the server likes it.
    let mut pair = Pair::new();
    pair.shake();
    let large = [frame(limits::FRAME_BYTES)];
    assert_eq!(pair.down(&large).unwrap(), large);
    let bytes = seal(&mut pair.client, &vec![frame(3_000); 5], pair.now).unwrap();
    assert_eq!(records(&bytes), [6_000, 6_000, 3_000]);
    assert!(matches!(
        pair.up(&[frame(most + 1)]),
        Err(Error::Internal(_))
    ));
}

#[test]
fn full_records_of_other_programs_are_taken_after_the_login() {
    let mut pair = Pair::open();
    let frames = vec![frame(65_519 / 7); 7];
    let bytes = seal_raw(&mut pair.client, &frames.concat());
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), frames);
}

#[test]
fn a_started_record_has_ten_seconds() {
    let mut pair = Pair::open();
    let one = seal(&mut pair.client, &[frame(40)], pair.now).unwrap();
    let two = seal(&mut pair.client, &[frame(50)], pair.now).unwrap();
    let second = |n| START + Duration::from_secs(n);
    pair.server.handle_bytes(&one[..1], second(0)).unwrap();
    pair.server.handle_bytes(&one[1..20], second(5)).unwrap();
    // More bytes do not put it off.
    assert_eq!(pair.server.poll_timeout(), Some(second(10)));
    let rest = [&one[20..], &two[..3]].concat();
    pair.server.handle_bytes(&rest, second(9)).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), [frame(40)]);
    assert_eq!(pair.server.poll_timeout(), Some(second(19)));
    assert_eq!(pair.server.handle_timeout(second(18)), Ok(()));
    pair.server.handle_bytes(&two[3..], second(18)).unwrap();
    assert_eq!(pair.server.poll_timeout(), None);
    assert_eq!(taken(&mut pair.server).unwrap(), [frame(50)]);
    pair.server.handle_bytes(&[0], second(20)).unwrap();
    assert_eq!(
        pair.server.handle_timeout(second(30)),
        Err(peer(Violation::Deadline))
    );
}

#[test]
fn frames_must_be_taken_before_more_is_read() {
    let mut pair = Pair::open();
    let bytes = seal(&mut pair.client, &vec![frame(16_384); 8], pair.now).unwrap();
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    let next = seal(&mut pair.client, &vec![frame(16_384); 8], pair.now).unwrap();
    assert!(matches!(
        pair.server.handle_bytes(&next, pair.now),
        Err(Error::Misuse(Misuse::Other(_)))
    ));
    // It did no harm.
    assert_eq!(taken(&mut pair.server).unwrap().len(), 8);
    pair.server.handle_bytes(&next, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap().len(), 8);
}

#[test]
fn what_is_no_frame_is_not_sealed() {
    for bad in [
        vec![],
        vec![0, 2, 9],
        vec![0, 1, 9],
        [frame(5), vec![1]].concat(),
    ] {
        let mut pair = Pair::open();
        let error = seal(&mut pair.client, &[bad], pair.now).unwrap_err();
        assert!(matches!(error, Error::Internal(_)));
        assert_eq!(pair.client.next_frame(), Err(error));
    }
    let mut early = Conduit::server(key(3), [4; 32], START);
    assert!(matches!(
        seal(&mut early, &[frame(4)], START),
        Err(Error::Internal(_))
    ));
}

/// A server holds a hundred thousand of them.
#[test]
fn a_link_at_rest_is_small() {
    let mut pair = Pair::open();
    for conduit in [&pair.client, &pair.server] {
        assert_eq!(heap_at_rest(conduit), 0);
    }
    let large = vec![frame(limits::FRAME_BYTES); 3];
    let mut bytes = seal(&mut pair.client, &large, pair.now).unwrap();
    bytes.extend([0, 100, 7]);
    pair.server.handle_bytes(&bytes, pair.now).unwrap();
    assert_eq!(taken(&mut pair.server).unwrap(), large);
    // Three bytes of the next record have come, and only they are kept.
    assert!(heap_at_rest(&pair.server) <= 16);
    let mut pair = Pair::open();
    for piece in seal(&mut pair.client, &large, pair.now)
        .unwrap()
        .chunks(1000)
    {
        pair.server.handle_bytes(piece, pair.now).unwrap();
        taken(&mut pair.server).unwrap();
    }
    assert_eq!(heap_at_rest(&pair.server), 0);
    // Besides: two ciphers in boxes, in the allocator's next larger size.
    let total = size_of::<Conduit>() + 2 * 48;
    println!("a link at rest: {total} bytes");
    assert!(total <= 640, "{total}");
}
