//! Static keys and what people see of them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[cfg(feature = "fast-crypto")]
use super::fast;
use super::{Engine, Refused, orion};
use crate::port::Random;

/// The key that a device or a server is known by: an X25519 secret with its public key.
///
/// The secret is wiped when it is dropped, and never shown.
pub struct StaticKey {
    secret: orion::Secret,
    public: PublicKey,
    engine: Engine,
}

/// The public half of a [`StaticKey`].
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicKey(pub [u8; 32]);

/// What people compare of a public key: its SHA-256.
///
/// Written as `SHA256:` and 43 digits of base64url.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

/// The text is not a fingerprint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadFingerprint;

impl StaticKey {
    /// Makes a new key.
    #[must_use]
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self::from_bytes(bytes)
    }

    /// Takes the bytes of a secret. Any 32 bytes are one.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::with_engine(bytes, Engine::BEST)
    }

    /// Takes the bytes of a secret and computes with this engine. Channels made with the key use the
    /// same engine.
    pub(crate) fn with_engine(bytes: [u8; 32], engine: Engine) -> Self {
        let secret = orion::Secret::from(bytes);
        let public = match engine {
            Engine::Orion => orion::public(&secret),
            #[cfg(feature = "fast-crypto")]
            Engine::Fast => fast::public(&bytes),
        };
        Self {
            secret,
            public: PublicKey(public),
            engine,
        }
    }

    /// The same secret under another name, as a hostile peer would show it.
    #[cfg(test)]
    pub(super) fn with_top_bit(mut self) -> Self {
        self.public.0[31] |= 0x80;
        self
    }

    /// The secret, for storing it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.secret());
        bytes
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// The public key's bytes.
    pub(super) const fn public_bytes(&self) -> &[u8; 32] {
        &self.public.0
    }

    pub(super) fn secret(&self) -> &[u8] {
        self.secret.unprotected_as_ref()
    }

    /// Which engine it computes with.
    pub(super) const fn engine(&self) -> Engine {
        self.engine
    }

    /// Writes what this key and the peer's have in common. Refuses points of low order.
    pub(super) fn agree(&self, peer: [u8; 32], shared: &mut [u8]) -> Result<(), Refused> {
        match self.engine {
            Engine::Orion => orion::agree(&self.secret, peer, shared),
            #[cfg(feature = "fast-crypto")]
            Engine::Fast => fast::agree(&self.secret, peer, shared),
        }
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKey(..)")
    }
}

impl PublicKey {
    /// What people compare.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(orion::sha256(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// Reads it with or without `SHA256:`.
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let digits = text.strip_prefix(PREFIX).unwrap_or(text);
        if digits.len() != DIGITS {
            return Err(BadFingerprint);
        }
        let bytes = URL_SAFE_NO_PAD.decode(digits).map_err(|_| BadFingerprint)?;
        bytes.try_into().map(Self).map_err(|_| BadFingerprint)
    }
}

impl fmt::Display for BadFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a fingerprint: it looks like SHA256: and 43 letters, digits, - and _")
    }
}

impl std::error::Error for BadFingerprint {}

const PREFIX: &str = "SHA256:";
/// 32 bytes in base64 without padding.
const DIGITS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::tests::hex;

    #[test]
    fn a_fingerprint_reads_back_with_and_without_its_prefix() {
        let shown = PublicKey([7; 32]).fingerprint().to_string();
        assert_eq!(shown, "SHA256:S7Bvjk46dxXSAdVz0KpCN2LlXavWGiwCJ4-lbMbSlOA");
        let read: Fingerprint = shown.parse().unwrap();
        assert_eq!(read, PublicKey([7; 32]).fingerprint());
        assert_eq!(shown["SHA256:".len()..].parse(), Ok(read));
        for cut in 0..shown.len() {
            assert_eq!(shown[..cut].parse::<Fingerprint>(), Err(BadFingerprint));
        }
        assert_eq!(
            shown
                .replace('_', "/")
                .replace('-', "+")
                .parse::<Fingerprint>(),
            Err(BadFingerprint)
        );
    }

    #[test]
    fn a_key_does_not_show_its_secret() {
        let key = StaticKey::from_bytes([0xab; 32]);
        assert_eq!(format!("{key:?}"), "StaticKey(..)");
        assert_eq!(key.to_bytes(), [0xab; 32]);
    }

    /// RFC 7748, section 6.1.
    #[test]
    fn keys_compute_what_the_standard_says() {
        let key = |text| StaticKey::from_bytes(hex(text).try_into().unwrap());
        let ann = key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        assert_eq!(
            ann.public().0.as_slice(),
            hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
        );
        let mut shared = [0; 32];
        ann.agree(bob.public().0, &mut shared).unwrap();
        assert_eq!(
            shared.as_slice(),
            hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
        );
    }
}
