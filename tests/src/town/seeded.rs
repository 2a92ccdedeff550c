//! Randomness that repeats.

use chat_engine::port::Random;
use fastrand::Rng;

/// A generator as the engine wants it.
#[derive(Debug)]
pub(super) struct Seeded(pub(super) Rng);

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}
