//! Gives snow its primitives.

use std::sync::Arc;

use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};

#[cfg(feature = "fast-crypto")]
use super::fast;
use super::orion::{self, HASH_BYTES};
use super::{Engine, Refused, StaticKey, TAG_BYTES};

/// The primitives of one handshake, with its two key pairs. Their public keys are computed already;
/// snow would compute that of the static key for each handshake again.
pub(super) struct Resolver {
    /// The static pair.
    pub(super) key: Arc<StaticKey>,
    /// The ephemeral pair.
    pub(super) ephemeral: Arc<StaticKey>,
}

/// One of the two pairs: snow makes an empty one, and then says which it is to be.
struct Pair {
    key: Arc<StaticKey>,
    ephemeral: Arc<StaticKey>,
    is_static: bool,
}

/// The cipher of one direction. Between two records only the key is kept.
pub(super) struct RecordCipher {
    engine: Engine,
    key: orion::CipherKey,
}

struct Blake2b(orion::Blake2b);

/// The ephemeral pair is handed in, so nobody needs randomness.
struct NoRandom;

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(NoRandom))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| -> Box<dyn Dh> {
            Box::new(Pair {
                key: Arc::clone(&self.key),
                ephemeral: Arc::clone(&self.ephemeral),
                is_static: false,
            })
        })
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        match choice {
            HashChoice::Blake2b => Some(Box::new(Blake2b(orion::blake2b()?))),
            _ => None,
        }
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly).then(|| -> Box<dyn Cipher> {
            Box::new(RecordCipher {
                engine: self.key.engine(),
                key: orion::CipherKey::from([0; 32]),
            })
        })
    }
}

impl Pair {
    fn chosen(&self) -> &StaticKey {
        if self.is_static {
            &self.key
        } else {
            &self.ephemeral
        }
    }
}

impl Dh for Pair {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    /// Snow hands back the static secret that it was built with.
    fn set(&mut self, privkey: &[u8]) {
        debug_assert_eq!(privkey, self.key.secret());
        self.is_static = true;
    }

    fn generate(&mut self, _rng: &mut dyn Random) -> Result<(), Error> {
        self.is_static = false;
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.chosen().public_bytes()
    }

    fn privkey(&self) -> &[u8] {
        self.chosen().secret()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), Error> {
        // Snow passes a larger buffer that begins with the key.
        let peer = pubkey.first_chunk().ok_or(Error::Dh)?;
        self.chosen().agree(*peer, out).map_err(|Refused| Error::Dh)
    }
}

impl RecordCipher {
    fn seal(&self, nonce: u64, ad: &[u8], out: &mut [u8]) -> Result<(), Refused> {
        let (bytes, place) = out.split_last_chunk_mut::<TAG_BYTES>().ok_or(Refused)?;
        *place = match self.engine {
            Engine::Orion => orion::seal(&self.key, nonce_bytes(nonce), ad, bytes)?,
            #[cfg(feature = "fast-crypto")]
            Engine::Fast => fast::seal(&self.key, nonce_bytes(nonce), ad, bytes)?,
        };
        Ok(())
    }

    fn open(&self, nonce: u64, ad: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<usize, Refused> {
        let (bytes, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(Refused)?;
        let out = out.get_mut(..bytes.len()).ok_or(Refused)?;
        match self.engine {
            Engine::Orion => {
                out.copy_from_slice(bytes);
                orion::open(&self.key, nonce_bytes(nonce), ad, tag, out)?;
            }
            #[cfg(feature = "fast-crypto")]
            Engine::Fast => fast::open(&self.key, nonce_bytes(nonce), ad, tag, bytes, out)?,
        }
        Ok(out.len())
    }
}

impl Cipher for RecordCipher {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.key = orion::CipherKey::from(*key);
    }

    /// Writes nothing and says so if it can't be done; the caller compares the length.
    fn encrypt(&self, nonce: u64, authtext: &[u8], plaintext: &[u8], out: &mut [u8]) -> usize {
        let Some(out) = out.get_mut(..plaintext.len() + TAG_BYTES) else {
            return 0;
        };
        if let Some(place) = out.get_mut(..plaintext.len()) {
            place.copy_from_slice(plaintext);
        }
        match self.seal(nonce, authtext, out) {
            Ok(()) => out.len(),
            Err(Refused) => {
                out.fill(0);
                0
            }
        }
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        self.open(nonce, authtext, ciphertext, out)
            .map_err(|Refused| Error::Decrypt)
    }
}

impl Hash for Blake2b {
    fn name(&self) -> &'static str {
        "BLAKE2b"
    }

    fn block_len(&self) -> usize {
        128
    }

    fn hash_len(&self) -> usize {
        HASH_BYTES
    }

    fn reset(&mut self) {
        let reset = self.0.reset();
        debug_assert!(reset.is_ok(), "an unkeyed hash can always start again");
    }

    fn input(&mut self, data: &[u8]) {
        let updated = self.0.update(data);
        debug_assert!(updated.is_ok(), "snow starts again before each hash");
    }

    fn result(&mut self, out: &mut [u8]) {
        if let (Ok(digest), Some(out)) = (self.0.finalize(), out.get_mut(..HASH_BYTES)) {
            out.copy_from_slice(digest.as_ref());
        }
    }
}

impl Random for NoRandom {
    fn try_fill_bytes(&mut self, _dest: &mut [u8]) -> Result<(), Error> {
        Err(Error::Rng)
    }
}

/// Noise: four zero bytes, then the number in little-endian order.
fn nonce_bytes(nonce: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&nonce.to_le_bytes());
    bytes
}
