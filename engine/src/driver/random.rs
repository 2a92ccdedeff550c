//! The system's randomness.

use crate::port::Random;

/// Randomness of the operating system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OsRandom;

impl Random for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        // Every system that we run on has it from the start of the process; without it there are no
        // keys, and nothing may go on.
        #[expect(
            clippy::expect_used,
            reason = "no randomness, no keys: nothing may go on"
        )]
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}
