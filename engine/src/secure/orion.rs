//! The primitives in pure Rust.

use orion::hazardous::aead::chacha20poly1305::{self, ChaCha20Poly1305, Nonce, Tag};
use orion::hazardous::ecc::x25519;
use orion::hazardous::hash::{blake2::blake2b, sha2::sha256};

use super::{Refused, TAG_BYTES};

/// An X25519 secret. Wiped when it is dropped.
pub(super) type Secret = x25519::PrivateKey;
/// A cipher's key. Wiped when it is dropped.
pub(super) type CipherKey = chacha20poly1305::SecretKey;
/// BLAKE2b with 64 bytes.
pub(super) type Blake2b = blake2b::Blake2b;

/// Bytes of a BLAKE2b hash.
pub(super) const HASH_BYTES: usize = 64;

/// The public key of a secret.
pub(super) fn public(secret: &Secret) -> [u8; 32] {
    let mut bytes = [0; 32];
    // The conversion has no way to fail; orion's trait only has room for one.
    if let Ok(public) = x25519::PublicKey::try_from(secret) {
        bytes.copy_from_slice(public.as_ref());
    }
    bytes
}

/// The secret that both ends compute. Refuses points of low order.
pub(super) fn agree(secret: &Secret, peer: [u8; 32], shared: &mut [u8]) -> Result<(), Refused> {
    let key = x25519::key_agreement(secret, &x25519::PublicKey::from(peer)).map_err(|_| Refused)?;
    let key: &[u8] = key.unprotected_as_ref();
    shared
        .get_mut(..key.len())
        .ok_or(Refused)?
        .copy_from_slice(key);
    Ok(())
}

/// Encrypts in place and hands out the tag.
pub(super) fn seal(
    key: &CipherKey,
    nonce: [u8; 12],
    ad: &[u8],
    bytes: &mut [u8],
) -> Result<[u8; TAG_BYTES], Refused> {
    let tag = ChaCha20Poly1305::seal_inplace(key, &Nonce::from(nonce), Some(ad), bytes)
        .map_err(|_| Refused)?;
    let tag: &[u8] = tag.unprotected_as_ref();
    tag.try_into().map_err(|_| Refused)
}

/// Decrypts in place, if nothing was changed.
pub(super) fn open(
    key: &CipherKey,
    nonce: [u8; 12],
    ad: &[u8],
    tag: &[u8],
    bytes: &mut [u8],
) -> Result<(), Refused> {
    let tag = Tag::try_from(tag).map_err(|_| Refused)?;
    ChaCha20Poly1305::open_inplace(key, &Nonce::from(nonce), &tag, Some(ad), bytes)
        .map_err(|_| Refused)
}

/// A new hash state.
pub(super) fn blake2b() -> Option<Blake2b> {
    Blake2b::new(HASH_BYTES).ok()
}

/// SHA-256 of a few bytes.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    // Fails above 2^61 bytes.
    if let Ok(digest) = sha256::Sha256::digest(bytes) {
        hash.copy_from_slice(digest.as_ref());
    }
    hash
}
