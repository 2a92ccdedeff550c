//! Handshake 1: Noise `XX`, three messages, by which both sides learn each other's static key.
//!
//! ```text
//! client Opening   -> e            (32 bytes, sent with the greeting)
//!        Initiator <- e, ee, s, es (96 bytes)          Answering
//!                  -> s, se        (64 bytes)          Responder
//! ```
//!
//! Payloads are empty, so each message has one length only. Errors are coarse on purpose: who meddles
//! learns only that it did not work.

use std::fmt;
use std::sync::Arc;

use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};

use super::resolver::Resolver;
use super::{Channel, PublicKey, StaticKey, TAG_BYTES};
use crate::error::Violation;

/// Bytes of the first message.
pub const FIRST_BYTES: usize = KEY_BYTES;
/// Bytes of the second message.
pub const SECOND_BYTES: usize = KEY_BYTES + KEY_BYTES + 2 * TAG_BYTES;
/// Bytes of the third message.
pub const THIRD_BYTES: usize = KEY_BYTES + 2 * TAG_BYTES;

/// A client before it knows the server's greeting.
pub struct Opening {
    key: Arc<StaticKey>,
    ephemeral: Arc<StaticKey>,
}

/// A client that waits for the second message, or has read it and may send the third.
pub struct Initiator {
    noise: HandshakeState,
}

/// A server that waits for the first message.
pub struct Answering {
    key: Arc<StaticKey>,
    /// The ephemeral secret. Its public key costs something, so it is computed once somebody speaks.
    seed: Seed,
}

/// A server that waits for the third message.
pub struct Responder {
    noise: HandshakeState,
}

impl Opening {
    /// Takes the device's key and 32 unpredictable bytes that are used nowhere else.
    #[must_use]
    pub fn new(key: Arc<StaticKey>, seed: [u8; 32]) -> Self {
        let ephemeral = Arc::new(StaticKey::with_engine(seed, key.engine()));
        Self { key, ephemeral }
    }

    /// The first message, which can be sent with the greeting.
    #[must_use]
    pub fn first_message(&self) -> [u8; FIRST_BYTES] {
        self.ephemeral.public().0
    }

    /// Goes on once both greetings, one after the other, are known.
    ///
    /// # Errors
    ///
    /// [`Violation::Handshake`], which would be a fault of this library.
    pub fn greeted(self, prologue: &[u8]) -> Result<Initiator, Violation> {
        let sent = self.first_message();
        let mut noise = noise(self.key, self.ephemeral, prologue, true)?;
        let mut again = [0; FIRST_BYTES + TAG_BYTES];
        let length = noise.write_message(&[], &mut again).map_err(refused)?;
        if again.get(..length) != Some(&sent[..]) {
            return Err(Violation::Handshake);
        }
        Ok(Initiator { noise })
    }
}

impl Initiator {
    /// Takes the second message, which proves the server's key.
    ///
    /// # Errors
    ///
    /// [`Violation::Handshake`] when it was changed, or one of the greetings was.
    pub fn read_second(&mut self, message: &[u8; SECOND_BYTES]) -> Result<PublicKey, Violation> {
        self.noise.read_message(message, &mut []).map_err(refused)?;
        remote_key(&self.noise)
    }

    /// Makes the third message, which shows our own key to the server: only after its key was
    /// accepted.
    ///
    /// # Errors
    ///
    /// [`Violation::Handshake`] before the second message, or for a worthless key.
    pub fn finish(mut self) -> Result<([u8; THIRD_BYTES], Channel), Violation> {
        let mut message = [0; THIRD_BYTES];
        let length = self
            .noise
            .write_message(&[], &mut message)
            .map_err(refused)?;
        if length != THIRD_BYTES {
            return Err(Violation::Handshake);
        }
        Ok((message, Channel::new(self.noise)?))
    }
}

impl Answering {
    /// Takes the server's key and 32 unpredictable bytes that are used nowhere else.
    #[must_use]
    pub fn new(key: Arc<StaticKey>, seed: [u8; 32]) -> Self {
        let seed = Seed::from(seed);
        Self { key, seed }
    }

    /// Takes the first message and makes the second.
    ///
    /// # Errors
    ///
    /// [`Violation::Handshake`] for a worthless key.
    pub fn answer(
        self,
        prologue: &[u8],
        first: &[u8; FIRST_BYTES],
    ) -> Result<([u8; SECOND_BYTES], Responder), Violation> {
        let seed: &[u8] = self.seed.unprotected_as_ref();
        let seed = seed.try_into().map_err(|_| Violation::Handshake)?;
        let ephemeral = Arc::new(StaticKey::with_engine(seed, self.key.engine()));
        let mut noise = noise(self.key, ephemeral, prologue, false)?;
        noise.read_message(first, &mut []).map_err(refused)?;
        let mut message = [0; SECOND_BYTES];
        let length = noise.write_message(&[], &mut message).map_err(refused)?;
        if length != SECOND_BYTES {
            return Err(Violation::Handshake);
        }
        Ok((message, Responder { noise }))
    }
}

impl Responder {
    /// Takes the third message, which proves the client's key.
    ///
    /// # Errors
    ///
    /// [`Violation::Handshake`] when it was changed, or for a worthless key.
    pub fn finish(mut self, third: &[u8; THIRD_BYTES]) -> Result<(PublicKey, Channel), Violation> {
        self.noise.read_message(third, &mut []).map_err(refused)?;
        let client = remote_key(&self.noise)?;
        Ok((client, Channel::new(self.noise)?))
    }
}

macro_rules! opaque {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

opaque!(Opening Initiator Answering Responder);

/// Snow's state for these two pairs.
pub(super) fn noise(
    key: Arc<StaticKey>,
    ephemeral: Arc<StaticKey>,
    prologue: &[u8],
    initiator: bool,
) -> Result<HandshakeState, Violation> {
    let params: NoiseParams = PROTOCOL.parse().map_err(refused)?;
    let resolver = Resolver {
        key: Arc::clone(&key),
        ephemeral,
    };
    let builder = Builder::with_resolver(params, Box::new(resolver))
        .local_private_key(key.secret())
        .and_then(|builder| builder.prologue(prologue))
        .map_err(refused)?;
    if initiator {
        builder.build_initiator()
    } else {
        builder.build_responder()
    }
    .map_err(refused)
}

/// The other side's static key.
fn remote_key(noise: &HandshakeState) -> Result<PublicKey, Violation> {
    let key = noise.get_remote_static().ok_or(Violation::Handshake)?;
    let key: [u8; KEY_BYTES] = key.try_into().map_err(|_| Violation::Handshake)?;
    // X25519 ignores the top bit. With it set, the same secret would be known by a second name, and
    // a revoked device could come back under it.
    if key[KEY_BYTES - 1] & 0x80 != 0 {
        return Err(Violation::Handshake);
    }
    Ok(PublicKey(key))
}

fn refused(_: snow::Error) -> Violation {
    Violation::Handshake
}

/// 32 secret bytes that are wiped when they are dropped.
type Seed = super::orion::Secret;

const PROTOCOL: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2b";
const KEY_BYTES: usize = 32;
