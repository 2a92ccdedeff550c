//! Passwords: Argon2id with the second choice of OWASP, 19 MiB and two passes.

use orion::pwhash::{self, OWASP_ARGON2ID_2ND, Password, PasswordHash};

use crate::error::{Error, Misuse};

/// Makes a verifier (a PHC string) of a password. Takes about 60 ms and 19 MiB, so never on a thread
/// that others wait for.
///
/// # Errors
///
/// [`Misuse::Empty`] for an empty password, [`Error::Local`] when the system has no randomness.
pub fn hash_password(password: &str) -> Result<String, Error> {
    let password = secret(password).ok_or(Error::Misuse(Misuse::Empty))?;
    let hash = pwhash::hash_password(&password, &OWASP_ARGON2ID_2ND)
        .map_err(|_| Error::Local("the system has no randomness for a password".to_owned()))?;
    Ok(hash.unprotected_as_ref::<str>().to_owned())
}

/// Whether the password is the one of the verifier. Costs as much as [`hash_password`].
///
/// A verifier that would cost much more than ours is not computed and never fits: a restored or
/// meddled store must not take the server down.
#[must_use]
pub fn verify_password(password: &str, verifier: &str) -> bool {
    if verifier.len() > VERIFIER_BYTES {
        return false;
    }
    let (Some(password), Ok(verifier)) = (secret(password), PasswordHash::try_from(verifier))
    else {
        return false;
    };
    let cost = verifier.cost_params();
    let bounded = cost.memory() <= MEMORY_KIB
        && cost.iterations() <= ITERATIONS
        && cost.parallelism() == PARALLELISM;
    bounded && pwhash::hash_password_verify(&verifier, &password).is_ok()
}

/// A verifier that no password is known for: checking against it costs what a real one costs, so
/// that an unknown account can't be told from a wrong password by the clock.
#[must_use]
pub const fn dummy_verifier() -> &'static str {
    DUMMY
}

/// The password in orion's wrapping, which is wiped when it is dropped.
fn secret(password: &str) -> Option<Password> {
    Password::try_from(password.as_bytes()).ok()
}

/// Longest verifier that is looked at; ours have 97 bytes.
const VERIFIER_BYTES: usize = 256;
/// Most memory of a verifier: 64 MiB.
const MEMORY_KIB: u32 = 64 * 1024;
/// Most passes of a verifier.
const ITERATIONS: u32 = 4;
/// Lanes of a verifier; more would only be computed one after the other.
const PARALLELISM: u32 = 1;
/// Salt and hash are the first digits of pi, which are nobody's hash.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$JD9qiIWjCNMTGYouA3BzRA$pAk4IimfMdAILvqY7E5siUUoIeY40BN3vlRmzzTpDGw";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_verifier_only() {
        let verifier = hash_password("correct horse").unwrap();
        assert!(verifier.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify_password("correct horse", &verifier));
        assert!(!verify_password("correct horsf", &verifier));
        assert!(!verify_password("", &verifier));
        assert_ne!(verifier, hash_password("correct horse").unwrap());
        assert_eq!(hash_password(""), Err(Error::Misuse(Misuse::Empty)));
    }

    #[test]
    fn the_dummy_is_a_verifier_of_the_same_cost() {
        let dummy = PasswordHash::try_from(dummy_verifier()).unwrap();
        assert_eq!(dummy.cost_params(), OWASP_ARGON2ID_2ND);
        assert_eq!(
            dummy_verifier().len(),
            hash_password("any password").unwrap().len()
        );
        assert!(!verify_password("any password", dummy_verifier()));
    }

    /// With each of these the right password would fit, if it were computed.
    #[test]
    fn a_verifier_that_costs_too_much_never_fits() {
        for (iterations, memory, parallelism) in [(5, 64, 1), (1, 64 * 1024 + 8, 1), (1, 64, 2)] {
            let cost = pwhash::CostParams::new(iterations, memory, parallelism).unwrap();
            let password = secret("correct horse").unwrap();
            let verifier = pwhash::hash_password(&password, &cost).unwrap();
            assert!(pwhash::hash_password_verify(&verifier, &password).is_ok());
            assert!(!verify_password(
                "correct horse",
                verifier.unprotected_as_ref::<str>()
            ));
        }
        let cost = pwhash::CostParams::new(4, 64, 1).unwrap();
        let verifier = pwhash::hash_password(&secret("correct horse").unwrap(), &cost).unwrap();
        assert!(verify_password(
            "correct horse",
            verifier.unprotected_as_ref::<str>()
        ));
    }

    #[test]
    fn what_is_no_verifier_never_fits() {
        let verifier = hash_password("correct horse").unwrap();
        for cut in 0..verifier.len() {
            assert!(!verify_password("correct horse", &verifier[..cut]));
        }
        assert!(!verify_password(
            "correct horse",
            &verifier.replace("argon2id", "argon2i")
        ));
        assert!(!verify_password("correct horse", &"$".repeat(10_000)));
    }
}
