//! The greeting: a few bytes in clear by which two ends agree on a handshake.
//!
//! ```text
//! client: "libchat" 0, count, count times a handshake id (two bytes, big-endian)
//! server: "libchat" 0, 1, id                        one of those offered; the handshake follows
//!         "libchat" 0, 0, count, count times an id  none fits; this is what there is; the end
//! ```
//!
//! Parsers take what is there so far, so that garbage is refused with its first wrong byte.

use crate::error::Violation;

/// The first bytes of each side.
pub const MAGIC: [u8; 8] = *b"libchat\0";
/// `Noise_XX_25519_ChaChaPoly_BLAKE2b`.
pub const NOISE_XX: u16 = 1;
/// What this version can do.
pub const HANDSHAKES: [u16; 1] = [NOISE_XX];

/// What a server makes of a client's greeting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offer {
    /// It offers a handshake that we know. The greeting has this many bytes.
    Fits {
        /// Bytes of the greeting.
        bytes: usize,
    },
    /// It offers none that we know. Answer with [`none_fits`] and close.
    NoneFits,
}

/// What a client makes of a server's greeting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// It took one of those offered. The greeting has this many bytes.
    Took {
        /// Bytes of the greeting.
        bytes: usize,
    },
    /// It knows none of those offered.
    NoneFits,
}

/// A client's greeting.
#[must_use]
pub fn offer() -> Vec<u8> {
    list(&[])
}

/// The greeting of a server that takes handshake 1.
#[must_use]
pub fn take() -> Vec<u8> {
    let mut greeting = MAGIC.to_vec();
    greeting.push(TOOK);
    greeting.extend(NOISE_XX.to_be_bytes());
    greeting
}

/// The greeting of a server that knows nothing of what was offered.
#[must_use]
pub fn none_fits() -> Vec<u8> {
    list(&[NONE_FITS])
}

/// Reads a client's greeting; `None` while more of it is missing.
///
/// # Errors
///
/// [`Violation::Greeting`] with the first byte that no greeting has in its place.
pub fn read_offer(bytes: &[u8]) -> Result<Option<Offer>, Violation> {
    let Some((&count, rest)) = after_magic(bytes)?.and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    if count == 0 {
        return Err(Violation::Greeting);
    }
    let Some(ids) = rest.get(..usize::from(count) * 2) else {
        return Ok(None);
    };
    let fits = ids.chunks_exact(2).any(|id| id == NOISE_XX.to_be_bytes());
    Ok(Some(if fits {
        let bytes = MAGIC.len() + 1 + ids.len();
        Offer::Fits { bytes }
    } else {
        Offer::NoneFits
    }))
}

/// Reads a server's greeting; `None` while more of it is missing.
///
/// # Errors
///
/// [`Violation::Greeting`] with the first byte that no greeting has in its place, or for a handshake
/// that was not offered.
pub fn read_choice(bytes: &[u8]) -> Result<Option<Choice>, Violation> {
    let Some((&status, rest)) = after_magic(bytes)?.and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    match (status, rest.get(..2)) {
        (NONE_FITS, _) => Ok(Some(Choice::NoneFits)),
        (TOOK, None) => Ok(None),
        (TOOK, Some(id)) if id == NOISE_XX.to_be_bytes() => Ok(Some(Choice::Took {
            bytes: MAGIC.len() + 1 + id.len(),
        })),
        _ => Err(Violation::Greeting),
    }
}

/// What follows the magic, once it is whole.
fn after_magic(bytes: &[u8]) -> Result<Option<&[u8]>, Violation> {
    let wrong = bytes.iter().zip(&MAGIC).any(|(byte, magic)| byte != magic);
    if wrong {
        return Err(Violation::Greeting);
    }
    Ok(bytes.get(MAGIC.len()..))
}

fn list(head: &[u8]) -> Vec<u8> {
    let mut greeting = MAGIC.to_vec();
    greeting.extend(head);
    greeting.push(HANDSHAKES.len() as u8);
    for id in HANDSHAKES {
        greeting.extend(id.to_be_bytes());
    }
    greeting
}

const NONE_FITS: u8 = 0;
const TOOK: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here breaks deployed peers.
    #[test]
    fn greetings_have_these_bytes() {
        assert_eq!(offer(), b"libchat\0\x01\x00\x01");
        assert_eq!(take(), b"libchat\0\x01\x00\x01");
        assert_eq!(none_fits(), b"libchat\0\x00\x01\x00\x01");
    }

    #[test]
    fn a_greeting_is_read_in_any_cut() {
        let two = b"libchat\0\x02\x12\x34\x00\x01";
        for cut in 0..two.len() {
            assert_eq!(read_offer(&two[..cut]), Ok(None));
        }
        assert_eq!(read_offer(two), Ok(Some(Offer::Fits { bytes: 13 })));
        let more = [two.as_slice(), b"more"].concat();
        assert_eq!(read_offer(&more), Ok(Some(Offer::Fits { bytes: 13 })));
        for cut in 0..take().len() {
            assert_eq!(read_choice(&take()[..cut]), Ok(None));
        }
        assert_eq!(read_choice(&take()), Ok(Some(Choice::Took { bytes: 11 })));
    }

    #[test]
    fn a_later_version_is_told_apart_from_garbage() {
        assert_eq!(
            read_offer(b"libchat\0\x01\x00\x02"),
            Ok(Some(Offer::NoneFits))
        );
        assert_eq!(read_choice(&none_fits()), Ok(Some(Choice::NoneFits)));
        assert_eq!(
            read_choice(b"libchat\0\x01\x00\x02"),
            Err(Violation::Greeting)
        );
        assert_eq!(read_choice(b"libchat\0\x02"), Err(Violation::Greeting));
        assert_eq!(read_offer(b"libchat\0\x00"), Err(Violation::Greeting));
    }

    #[test]
    fn the_first_wrong_byte_is_enough() {
        for place in 0..MAGIC.len() {
            let mut bytes = MAGIC[..=place].to_vec();
            bytes[place] ^= 1;
            assert_eq!(read_offer(&bytes), Err(Violation::Greeting));
            assert_eq!(read_choice(&bytes), Err(Violation::Greeting));
        }
        assert_eq!(read_offer(b"GET / HTTP/1.1"), Err(Violation::Greeting));
    }
}
