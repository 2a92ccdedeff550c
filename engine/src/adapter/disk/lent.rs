//! Work that waits for the disk, one piece at a time.

use super::refused;
use crate::model::Refusal;

/// Lends what it holds to a thread of the pool of `blocking`.
pub(super) struct Lent<T>(
    /// Away while a thread uses it; for good if that was not waited for.
    Option<Box<T>>,
);

impl<T: Send + 'static> Lent<T> {
    pub(super) fn new(held: T) -> Self {
        Self(Some(Box::new(held)))
    }

    pub(super) async fn with<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<R, Refusal> + Send + 'static,
    ) -> Result<R, Refusal> {
        let Some(mut held) = self.0.take() else {
            return Err(refused("the file is closed".to_owned()));
        };
        let (held, outcome) = blocking::unblock(move || {
            let outcome = work(&mut held);
            // The system may let a thread that always has work run for milliseconds; whoever carries what
            // people say would wait for each of them.
            std::thread::yield_now();
            (held, outcome)
        })
        .await;
        self.0 = Some(held);
        outcome
    }
}
