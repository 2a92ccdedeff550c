//! The handshake and the channel, against the public vectors and against meddlers.

use std::sync::Arc;

use super::handshake::noise;
use super::*;
use crate::error::Violation;

#[cfg(not(feature = "fast-crypto"))]
const ENGINES: [Engine; 1] = [Engine::Orion];
#[cfg(feature = "fast-crypto")]
const ENGINES: [Engine; 2] = [Engine::Orion, Engine::Fast];

/// Bytes from hexadecimal digits.
pub(super) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn pairings() -> impl Iterator<Item = (Engine, Engine)> {
    ENGINES
        .into_iter()
        .flat_map(|one| ENGINES.map(|other| (one, other)))
}

fn key(bytes: &[u8], engine: Engine) -> Arc<StaticKey> {
    Arc::new(StaticKey::with_engine(bytes.try_into().unwrap(), engine))
}

/// Both ends of a link after an undisturbed handshake.
fn channels(client: Engine, server: Engine) -> (Channel, Channel) {
    let opening = Opening::new(key(&[1; 32], client), [2; 32]);
    let first = opening.first_message();
    let answering = Answering::new(key(&[3; 32], server), [4; 32]);
    let (second, responder) = answering.answer(b"hello", &first).unwrap();
    let mut initiator = opening.greeted(b"hello").unwrap();
    let server_key = initiator.read_second(&second).unwrap();
    assert_eq!(server_key, key(&[3; 32], server).public());
    let (third, ours) = initiator.finish().unwrap();
    let (client_key, theirs) = responder.finish(&third).unwrap();
    assert_eq!(client_key, key(&[1; 32], client).public());
    assert_eq!(ours.handshake_hash(), theirs.handshake_hash());
    (ours, theirs)
}

/// Seals on one side and opens on the other.
fn pass(from: &mut Channel, to: &mut Channel, content: &[u8]) -> Result<Vec<u8>, Violation> {
    let mut sealed = Vec::new();
    from.seal(content, &mut sealed).unwrap();
    let mut opened = Vec::new();
    to.open(&sealed[2..], &mut opened).map(|()| opened)
}

struct Vector {
    prologue: &'static str,
    /// Initiator's static and ephemeral secret, then the responder's.
    secrets: [&'static str; 4],
    hash: Option<&'static str>,
    /// Payload and message, by turns.
    messages: &'static [(&'static str, &'static str)],
}

#[test]
fn the_public_vectors_hold_with_any_pair_of_engines() {
    for vector in [CACOPHONY, SNOW] {
        for (one, other) in pairings() {
            check(&vector, one, other);
        }
    }
}

fn check(vector: &Vector, one: Engine, other: Engine) {
    let prologue = hex(vector.prologue);
    let [client, client_once, server, server_once] = vector.secrets.map(hex);
    let pair = |secret: &[u8], engine| key(secret, engine);
    let mut ann = noise(pair(&client, one), pair(&client_once, one), &prologue, true).unwrap();
    let mut bob = noise(
        pair(&server, other),
        pair(&server_once, other),
        &prologue,
        false,
    )
    .unwrap();
    let (handshake, transport) = vector.messages.split_at(3);
    for (payload, message) in handshake {
        let (mut sealed, mut opened) = ([0; 512], [0; 512]);
        let length = ann.write_message(&hex(payload), &mut sealed).unwrap();
        assert_eq!(sealed[..length], hex(message));
        let length = bob.read_message(&hex(message), &mut opened).unwrap();
        assert_eq!(opened[..length], hex(payload));
        std::mem::swap(&mut ann, &mut bob);
    }
    // After three messages it is the responder's turn, who stands in the initiator's place.
    let (mut ann, mut bob) = (Channel::new(ann).unwrap(), Channel::new(bob).unwrap());
    if let Some(hash) = vector.hash {
        assert_eq!(ann.handshake_hash().as_slice(), hex(hash));
    }
    for (payload, message) in transport {
        let (mut sealed, mut opened) = (Vec::new(), Vec::new());
        ann.seal(&hex(payload), &mut sealed).unwrap();
        assert_eq!(sealed[2..], hex(message));
        assert_eq!(usize::from(sealed[1]), message.len() / 2);
        bob.open(&hex(message), &mut opened).unwrap();
        assert_eq!(opened, hex(payload));
        std::mem::swap(&mut ann, &mut bob);
    }
}

#[test]
fn records_pass_in_both_directions_with_any_pair_of_engines() {
    for (one, other) in pairings() {
        let (mut ann, mut bob) = channels(one, other);
        for length in [0, 1, 15, 16, 17, 63, 64, 65, 200, 16_384, 65_519] {
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert_eq!(pass(&mut ann, &mut bob, &content), Ok(content.clone()));
            assert_eq!(pass(&mut bob, &mut ann, &content), Ok(content));
        }
        assert_eq!(ann.records_sealed(), 11);
        let mut out = vec![7];
        assert!(ann.seal(&[0; 65_520], &mut out).is_err());
        assert_eq!(out, [7]);
    }
}

#[test]
fn the_engines_write_the_same_bytes() {
    let sealed = ENGINES.map(|engine| {
        let (mut ann, mut bob) = channels(engine, engine);
        let mut out = Vec::new();
        ann.seal(b"before", &mut out).unwrap();
        ann.rekey_outgoing();
        ann.seal(b"after", &mut out).unwrap();
        bob.seal(b"back", &mut out).unwrap();
        out
    });
    assert!(sealed.iter().all(|bytes| *bytes == sealed[0]));
}

#[test]
fn a_new_key_counts_on_and_must_be_followed() {
    for (one, other) in pairings() {
        let (mut ann, mut bob) = channels(one, other);
        pass(&mut ann, &mut bob, b"one").unwrap();
        ann.rekey_outgoing();
        assert_eq!(pass(&mut ann, &mut bob, b"two"), Err(Violation::Integrity));
        let (mut ann, mut bob) = channels(one, other);
        pass(&mut ann, &mut bob, b"one").unwrap();
        ann.rekey_outgoing();
        bob.rekey_incoming();
        assert_eq!(pass(&mut ann, &mut bob, b"two"), Ok(b"two".to_vec()));
        assert_eq!(pass(&mut bob, &mut ann, b"back"), Ok(b"back".to_vec()));
        assert_eq!(ann.records_sealed(), 2);
    }
}

#[test]
fn a_changed_record_is_refused_and_leaves_nothing() {
    for (one, other) in pairings() {
        let (mut ann, mut bob) = channels(one, other);
        let mut sealed = Vec::new();
        ann.seal(b"pay ann 10", &mut sealed).unwrap();
        let record = sealed.split_off(2);
        let mut out = vec![9];
        for byte in 0..record.len() {
            for bit in 0..8 {
                let mut changed = record.clone();
                changed[byte] ^= 1 << bit;
                assert_eq!(bob.open(&changed, &mut out), Err(Violation::Integrity));
                assert_eq!(out, [9]);
            }
            assert_eq!(
                bob.open(&record[..byte], &mut out),
                Err(Violation::Integrity)
            );
        }
        assert_eq!(bob.open(&record, &mut out), Ok(()));
        assert_eq!(out, b"\x09pay ann 10");
        // A second time it is not the next record.
        assert_eq!(bob.open(&record, &mut out), Err(Violation::Integrity));
    }
}

#[test]
fn another_prologue_breaks_the_handshake() {
    let opening = Opening::new(key(&[1; 32], Engine::BEST), [2; 32]);
    let answering = Answering::new(key(&[3; 32], Engine::BEST), [4; 32]);
    let (second, _) = answering
        .answer(b"hellO", &opening.first_message())
        .unwrap();
    let mut initiator = opening.greeted(b"hello").unwrap();
    assert_eq!(initiator.read_second(&second), Err(Violation::Handshake));
    assert!(initiator.finish().is_err());
}

#[test]
fn a_changed_handshake_message_is_refused() {
    for engine in ENGINES {
        let start = || Opening::new(key(&[1; 32], engine), [2; 32]);
        let first = start().first_message();
        let answer = |first| Answering::new(key(&[3; 32], engine), [4; 32]).answer(b"", first);
        let (second, _) = answer(&first).unwrap();
        for byte in 0..SECOND_BYTES {
            let mut changed = second;
            changed[byte] ^= 1;
            let mut initiator = start().greeted(b"").unwrap();
            assert_eq!(initiator.read_second(&changed), Err(Violation::Handshake));
        }
        let mut initiator = start().greeted(b"").unwrap();
        initiator.read_second(&second).unwrap();
        let (third, _) = initiator.finish().unwrap();
        for byte in 0..THIRD_BYTES {
            let mut changed = third;
            changed[byte] ^= 1;
            let (_, responder) = answer(&first).unwrap();
            assert!(responder.finish(&changed).is_err());
        }
        // The first message is in clear: the answer to a changed one does not fit.
        let mut changed = first;
        changed[0] ^= 1;
        let (second, _) = answer(&changed).unwrap();
        let mut initiator = start().greeted(b"").unwrap();
        assert_eq!(initiator.read_second(&second), Err(Violation::Handshake));
    }
}

/// With such a key the shared secret is known to everybody.
#[test]
fn points_of_low_order_are_refused() {
    for engine in ENGINES {
        for point in LOW_ORDER {
            let point: [u8; 32] = hex(point).try_into().unwrap();
            let mut shared = [0xaa; 32];
            assert!(key(&[1; 32], engine).agree(point, &mut shared).is_err());
            let answering = Answering::new(key(&[3; 32], engine), [4; 32]);
            assert!(answering.answer(b"", &point).is_err());
            // As the server's ephemeral key.
            let opening = Opening::new(key(&[1; 32], engine), [2; 32]);
            let mut initiator = opening.greeted(b"").unwrap();
            let mut second = [0; SECOND_BYTES];
            second[..32].copy_from_slice(&point);
            assert!(initiator.read_second(&second).is_err());
        }
    }
}

/// X25519 ignores the top bit of a public key, so each secret would have two names.
#[test]
fn a_static_key_has_one_name_only() {
    let alias = Arc::new(StaticKey::from_bytes([1; 32]).with_top_bit());
    let opening = Opening::new(alias, [2; 32]);
    let answering = Answering::new(key(&[3; 32], Engine::Orion), [4; 32]);
    let (second, responder) = answering.answer(b"", &opening.first_message()).unwrap();
    let mut initiator = opening.greeted(b"").unwrap();
    initiator.read_second(&second).unwrap();
    let (third, _) = initiator.finish().unwrap();
    assert_eq!(
        responder.finish(&third).map(|(key, _)| key),
        Err(Violation::Handshake)
    );
}

#[test]
fn nothing_secret_is_shown() {
    let opening = Opening::new(key(&[1; 32], Engine::BEST), [2; 32]);
    assert_eq!(format!("{opening:?}"), "Opening(..)");
    let (ann, _) = channels(Engine::BEST, Engine::BEST);
    assert_eq!(format!("{ann:?}"), "Channel { records_sealed: 0, .. }");
}

/// From <https://cr.yp.to/ecdh.html>, "How do I validate Curve25519 public keys?".
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// From the vectors of cacophony, a Haskell implementation of Noise.
const CACOPHONY: Vector = Vector {
    prologue: "4a6f686e2047616c74",
    secrets: [
        "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
    ],
    hash: Some(
        "8cf47d7b3cb5804c0109d48e8bcdbee2cbb65687d8ea2c92994ca361fb86151ad93627b98936cbb32de56e8abb21def3925011ac3e35db9cbeea73ab9a4392c2",
    ),
    messages: &[
        (
            "4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c756477696720766f6e204d69736573",
        ),
        (
            "4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430505b6745ce64a5f33f0e8e3b83f11ce8802bca507f4f2d8b564dbe277e1966116e132faa2dfd70b8b077b9f94b913df5056ae1319469b824a98d54bbaa82c325595587064f978c4b6d104f7596e6f",
        ),
        (
            "462e20412e20486179656b",
            "99579e1c1ee15e422a57ddd6b16d37087b17558e8369c18991b4b2ca3a824abf904cdcf5458b5431a75af034ca9e9b982de039eaaf156775e2d580cd4e5ebae89c3f8cb2594b556d8a8169",
        ),
        (
            "4361726c204d656e676572",
            "fc56eea290b3f3a21aac0c70cd5787b5ee99be37d2f4d751329b55",
        ),
        (
            "4a65616e2d426170746973746520536179",
            "bb31c9da10d5639a4cdb88a12f5c61de41bbc7df09bf75d94f8184fe4157f5c68f",
        ),
        (
            "457567656e2042f6686d20766f6e2042617765726b",
            "f6199cadb152fb27f82be0a0891ec76a33598ae92a46cab2fb5a8ed5bf48b7f267f8370af7",
        ),
    ],
};

/// From the vectors of snow, which were made with its own primitives.
const SNOW: Vector = Vector {
    prologue: "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e6420626f72696e672e",
    secrets: [
        "842752777821bd4c9a6a84c777cb9028ba2446c864e035c8d380632dca3a7702",
        "5dfce6be0b767fc60a51e1d627711c67d63e97115cb3957a64a66919747ea47c",
        "8885e7006b27a44bec4a6e7bfcc37032a3564a73bf9588585bd1166829d80d8a",
        "9c012e056ed37994a4bfb09f57a7505bf44c07e9784c3c2bcefd8880b2d85e21",
    ],
    hash: None,
    messages: &[
        (
            "bcb708376354e0dc837fc3f7e0e9c8c59849fd907a129a3c0afde64e79d1ac09",
            "50a7da541baa50d563e3fd3526f53e9b7e4af8083a4180b5d1f8cd49fbe30518bcb708376354e0dc837fc3f7e0e9c8c59849fd907a129a3c0afde64e79d1ac09",
        ),
        (
            "77783888d07aa30dfeccf96d8da0a293546232bc8a460b5fbca479e3da54d3b2",
            "6b0ae570deada82b6f3071c87bd361014c34f8d15fee49ed0078f38a9c05bb703c2eb46ccc2734a9c07555b85d6f0b5ae29f24aaa2c351d815acd2e1de7770344339d0d854daf5a4468b189caf7ff643d6c5645e9e7fd5edcad6755ea0a01f51f552650ab99b7a0eba09f64b9dc0737f5756688682897c0912890a6ec56d72f8",
        ),
        (
            "420d0154f4e26a4224c201f3ecceddc06eb8896b78386978fb25b21dd276c6fb",
            "386d9e2549dcb9a016db7e05f45c19d2c4fd4e7a61d1c06dbd01d21012d448b34761826aa7b3fc8d0c5cc73d487c1f19ac29de837b4ccd361603f03d12f8971ae0534fbd8096fd5bc2c7bdc77026207623514afa5804d07a3b0c316f9e5a9c12",
        ),
        (
            "58f929d4d8eda457fb01b3a09bb6391aac0d93477df9e3042355741747744571",
            "c81ba3d22336cd78d64ff9e2161d339db9fd3a5407a3fb594fb7a59d718e83c6054b1002721e63ffb2a2d2d8bfd670bc",
        ),
        (
            "c86af330a6b59de9d7ead76260204ef7e897a1323bdc0a9c5ea4450556ed0bf6",
            "1207c87bc8ec9b6d5db3a3d3ed5caab43c98e71492a424b7d7302ea8313d1b0e3644c9b3c479a80cdb3da1e92466b8ac",
        ),
    ],
};
