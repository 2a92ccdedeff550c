//! Identifiers. Each is a type of its own, so that no two kinds are mixed up.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::UnixTime;

/// A map by identifiers that the server hands out: nobody outside can pick such keys so that they collide, and
/// a lookup costs a tenth of what it does where somebody can.
pub(crate) type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Written as 32 hexadecimal digits.
        #[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let mut id = [0; 16];
                decode_hex(text, &mut id)?;
                Ok(Self(id))
            }
        }
    };
}

macro_rules! hex_number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Written as 16 hexadecimal digits: many programs can't hold 64 bits in a JSON number.
        #[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let mut id = [0; 8];
                decode_hex(text, &mut id)?;
                Ok(Self(u64::from_be_bytes(id)))
            }
        }
    };
}

hex_number_id! {
    /// An account. Random, never reused; the name may be read by people, this is what the log holds.
    AccountId
}

hex_number_id! {
    /// A device of one account: one static key.
    DeviceId
}

hex_number_id! {
    /// A run of a log. A new one is drawn whenever a log may have gone back (a restored backup, a
    /// memory store), so that a reader never mistakes other entries for those it has seen.
    Epoch
}

number_id! {
    /// An entry's place in its conversation's log. Starts at 1, only grows, stays below 2^53 so that
    /// a JSON number can hold it. 0 means "before the first".
    Seq(u64)
}

number_id! {
    /// One link of the server, for as long as the server runs.
    LinkId(u64)
}

number_id! {
    /// Ties an effect to its answer.
    Ticket(u64)
}

number_id! {
    /// A client's request on one link. Grows with each request; a send's request id is its number.
    RequestId(u32)
}

bytes_id! {
    /// A conversation. Random for a room; for a direct conversation see [`ConversationId::direct`].
    ConversationId
}

bytes_id! {
    /// What the sending device calls an entry, picked once. The server appends it at most once.
    ///
    /// Laid out like a UUID version 7 (RFC 9562 section 5.7): 48 bits of milliseconds since the Unix
    /// epoch, then random bits, so that ids sort by time and an index over them grows at its end.
    SendId
}

bytes_id! {
    /// Stored bytes of a file. Random, so that nobody can guess one.
    BlobId
}

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);
    /// Largest sequence number, 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl ConversationId {
    /// The one direct conversation of two accounts, whoever of them asks.
    #[must_use]
    pub fn direct(one: AccountId, other: AccountId) -> Self {
        let (low, high) = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        let mut hasher = blake3::Hasher::new_derive_key("libchat 1 direct conversation");
        hasher.update(&low.0.to_be_bytes());
        hasher.update(&high.0.to_be_bytes());
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }
}

impl SendId {
    /// Builds an id from the (server-adjusted) time and ten random bytes.
    #[must_use]
    pub fn new(time: UnixTime, random: [u8; 10]) -> Self {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&time.millis().to_be_bytes()[2..]);
        id[6..].copy_from_slice(&random);
        id[6] = id[6] & 0x0f | 0x70;
        id[8] = id[8] & 0x3f | 0x80;
        Self(id)
    }

    /// When the id says it was made.
    #[must_use]
    pub fn time(self) -> UnixTime {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        UnixTime::from_millis(u64::from_be_bytes(millis))
    }
}

/// The text is not an identifier of the wanted length in hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier: wrong number of hexadecimal digits")
    }
}

impl std::error::Error for BadId {}

fn decode_hex(text: &str, out: &mut [u8]) -> Result<(), BadId> {
    let digits = text.as_bytes();
    if digits.len() != out.len() * 2 {
        return Err(BadId);
    }
    let value = |digit: u8| char::from(digit).to_digit(16).ok_or(BadId);
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (value(pair[0])? << 4 | value(pair[1])?) as u8;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_conversation_is_the_same_from_both_sides() {
        let (ann, bob) = (AccountId(7), AccountId(3));
        assert_eq!(
            ConversationId::direct(ann, bob),
            ConversationId::direct(bob, ann)
        );
        assert_ne!(
            ConversationId::direct(ann, bob),
            ConversationId::direct(ann, ann)
        );
    }

    #[test]
    fn a_send_id_keeps_its_time_and_reads_back() {
        let id = SendId::new(UnixTime::from_millis(1_700_000_000_123), [0xff; 10]);
        assert_eq!(id.time(), UnixTime::from_millis(1_700_000_000_123));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("zz".parse::<SendId>(), Err(BadId));
        assert_eq!(AccountId(5).to_string().parse(), Ok(AccountId(5)));
    }
}
