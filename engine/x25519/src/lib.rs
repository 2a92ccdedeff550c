//! X25519 of AWS-LC, and nothing else of it.
//!
//! `aws_lc_rs::agreement` reaches the same two functions by way of keys of any kind. Whoever links it has
//! P-256 to P-521, RSA, ML-KEM, ML-DSA and their encodings in the program, 3 MB, which no linker can know
//! to be unused. Here they are called by name.

use aws_lc_sys::{X25519, X25519_public_from_private};

/// The public key of a secret.
#[must_use]
pub fn public(secret: &[u8; 32]) -> [u8; 32] {
    let mut public = [0; 32];
    // SAFETY: the function reads 32 bytes and writes 32, which is what both arrays have. It keeps neither
    // pointer, and has no other way to fail.
    unsafe { X25519_public_from_private(public.as_mut_ptr(), secret.as_ptr()) };
    public
}

/// Writes the secret that both ends compute. `false` is for a peer's key of low order: what was written is
/// not secret then.
#[must_use]
pub fn agree(secret: &[u8; 32], peer: &[u8; 32], shared: &mut [u8; 32]) -> bool {
    // SAFETY: the function reads 32 bytes of each of the first two and writes 32 to the last, which is what
    // the arrays have. The last one overlaps with neither, as it is borrowed alone. It keeps no pointer.
    unsafe { X25519(shared.as_mut_ptr(), secret.as_ptr(), peer.as_ptr()) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7748, section 6.1.
    #[test]
    fn both_ends_compute_what_the_standard_says() {
        let ann = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let expected = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(
            public(&ann),
            hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
        );
        for (secret, peer) in [(ann, public(&bob)), (bob, public(&ann))] {
            let mut shared = [0; 32];
            assert!(agree(&secret, &peer, &mut shared));
            assert_eq!(shared, expected);
        }
    }

    /// Those that lead to nought whatever the secret is.
    #[test]
    fn points_of_low_order_are_refused() {
        let eighth = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
        let mut one = [0; 32];
        one[0] = 1;
        for peer in [[0; 32], one, eighth] {
            assert!(!agree(&[7; 32], &peer, &mut [0; 32]), "{peer:02x?}");
        }
    }

    fn hex(text: &str) -> [u8; 32] {
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(byte)
    }
}
