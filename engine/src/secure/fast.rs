//! The primitives in assembly.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};

use super::orion::CipherKey;
use super::{Refused, TAG_BYTES};

/// An X25519 secret, ready to compute with: parsing it costs as much as making its public key.
pub(super) type Secret = agreement::PrivateKey;

/// The secret from its bytes, with its public key.
pub(super) fn secret(bytes: &[u8]) -> Result<(Secret, [u8; 32]), Refused> {
    let secret = Secret::from_private_key(&X25519, bytes).map_err(|_| Refused)?;
    let public = secret.compute_public_key().map_err(|_| Refused)?;
    let public = public.as_ref().try_into().map_err(|_| Refused)?;
    Ok((secret, public))
}

/// The secret that both ends compute. Refuses points of low order.
pub(super) fn agree(secret: &Secret, peer: [u8; 32], shared: &mut [u8]) -> Result<(), Refused> {
    let peer = UnparsedPublicKey::new(&X25519, &peer);
    agreement::agree(secret, peer, Refused, |key| {
        shared
            .get_mut(..key.len())
            .ok_or(Refused)?
            .copy_from_slice(key);
        Ok(())
    })
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
