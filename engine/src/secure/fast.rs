//! The primitives in assembly.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::orion::{CipherKey, Secret};
use super::{Refused, TAG_BYTES};

/// The public key of a secret.
pub(super) fn public(secret: &[u8; 32]) -> [u8; 32] {
    chat_x25519::public(secret)
}

/// The secret that both ends compute. Refuses points of low order.
pub(super) fn agree(secret: &Secret, peer: [u8; 32], shared: &mut [u8]) -> Result<(), Refused> {
    let secret = secret.unprotected_as_ref().first_chunk().ok_or(Refused)?;
    let shared = shared.first_chunk_mut().ok_or(Refused)?;
    match chat_x25519::agree(secret, &peer, shared) {
        true => Ok(()),
        false => Err(Refused),
    }
}

/// Encrypts in place and hands out the tag.
pub(super) fn seal(
    key: &CipherKey,
    nonce: [u8; 12],
    ad: &[u8],
    bytes: &mut [u8],
) -> Result<[u8; TAG_BYTES], Refused> {
    let tag = cipher(key)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(ad), bytes)
        .map_err(|_| Refused)?;
    tag.as_ref().try_into().map_err(|_| Refused)
}

/// Decrypts into `out`, if nothing was changed.
pub(super) fn open(
    key: &CipherKey,
    nonce: [u8; 12],
    ad: &[u8],
    tag: &[u8],
    ciphertext: &[u8],
    out: &mut [u8],
) -> Result<(), Refused> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    cipher(key)?
        .open_separate_gather(nonce, Aad::from(ad), ciphertext, tag, out)
        .map_err(|_| Refused)
}

/// Builds the cipher for one record. It takes more than half a kilobyte, which a link at rest must not
/// hold, and about 100 ns to build, a fraction of one system call.
fn cipher(key: &CipherKey) -> Result<LessSafeKey, Refused> {
    let key: &[u8] = key.unprotected_as_ref();
    UnboundKey::new(&CHACHA20_POLY1305, key)
        .map(LessSafeKey::new)
        .map_err(|_| Refused)
}
