//! The sealed channel: who is at the other end, and bytes that nobody else can read or change.
//!
//! It begins with a [`greeting`] in clear, in which the two ends agree on a handshake. Handshake 1 is
//! Noise `XX` ([`Opening`] and [`Answering`] start it), which proves to each side the static key of
//! the other. What comes out is a [`Channel`], which seals and opens records.
//!
//! # The prologue, and a first message that is sent before it is known
//!
//! Both greetings, byte for byte, are the Noise prologue: whoever changes one of them breaks the
//! handshake. But a client sends its first Noise message along with its greeting, to save a round
//! trip, and the prologue is complete only when the server has answered.
//!
//! The first message of `XX` with an empty payload is the bare ephemeral public key; it does not
//! depend on the prologue, which only goes into the hash beside it. So [`Opening`] makes the ephemeral
//! key pair and shows its public half; when the server's greeting is there, the Noise state is built
//! with the prologue and the same pair, and writes the same 32 bytes. That they are the same is
//! checked.
//!
//! # Two engines
//!
//! The primitives come from `orion`. With the feature `fast-crypto` cipher and X25519 come from
//! `aws-lc-rs`; the bytes on the wire are the same, so peers mix freely and nothing is negotiated.

mod channel;
#[cfg(feature = "fast-crypto")]
mod fast;
pub mod greeting;
mod handshake;
mod key;
mod orion;
mod password;
mod resolver;

#[cfg(test)]
mod tests;

pub use channel::{Channel, TAG_BYTES};
pub use handshake::{
    Answering, FIRST_BYTES, Initiator, Opening, Responder, SECOND_BYTES, THIRD_BYTES,
};
pub use key::{BadFingerprint, Fingerprint, PublicKey, StaticKey};
pub use password::{dummy_verifier, hash_password, verify_password};

/// Who computes. The results are the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    /// Pure Rust.
    #[cfg_attr(
        all(feature = "fast-crypto", not(test)),
        expect(dead_code, reason = "tests let the two talk to each other")
    )]
    Orion,
    /// Assembly.
    #[cfg(feature = "fast-crypto")]
    Fast,
}

impl Engine {
    /// The fastest one there is.
    #[cfg(feature = "fast-crypto")]
    pub(crate) const BEST: Self = Self::Fast;
    /// The fastest one there is.
    #[cfg(not(feature = "fast-crypto"))]
    pub(crate) const BEST: Self = Self::Orion;
}

/// A key that leads nowhere, or bytes that were changed.
#[derive(Debug)]
struct Refused;
