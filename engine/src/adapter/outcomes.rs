//! What was committed and not handed out yet.

use std::mem;
use std::sync::Mutex;

use event_listener::Event;

use super::guard;
use crate::id::ConversationId;
use crate::port::Committed;

/// The queue behind [`Tail`](crate::port::Tail). Its length is bounded by what the caller of the log
/// has under way.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    state: Mutex<State>,
    changed: Event,
}

#[derive(Debug, Default)]
struct State {
    waiting: Handout,
    closed: bool,
}

/// Outcomes that leave the queue together.
#[derive(Debug, Default)]
pub(super) struct Handout {
    /// In the order of the commits.
    pub(super) outcomes: Vec<Committed>,
    /// Conversations with a failure among them that later appends must not overtake.
    pub(super) failed: Vec<ConversationId>,
}

impl Outcomes {
    /// Puts outcomes at the end.
    pub(super) fn push(&self, more: Handout) {
        if more.outcomes.is_empty() {
            return;
        }
        let waiting = &mut guard(&self.state).waiting;
        if waiting.outcomes.is_empty() {
            *waiting = more;
        } else {
            waiting.outcomes.extend(more.outcomes);
            waiting.failed.extend(more.failed);
        }
        self.changed.notify(1);
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        guard(&self.state).closed = true;
        self.changed.notify(usize::MAX);
    }

    /// Waits until there is something; empty once the queue is closed and empty. Dropping the future
    /// loses nothing.
    pub(super) async fn take(&self) -> Handout {
        loop {
            if let Some(handout) = self.try_take() {
                return handout;
            }
            let listener = self.changed.listen();
            // It may have come before anybody listened.
            if let Some(handout) = self.try_take() {
                return handout;
            }
            listener.await;
        }
    }

    fn try_take(&self) -> Option<Handout> {
        let mut state = guard(&self.state);
        let is_due = state.closed || !state.waiting.outcomes.is_empty();
        is_due.then(|| mem::take(&mut state.waiting))
    }
}

impl From<Vec<Committed>> for Handout {
    fn from(outcomes: Vec<Committed>) -> Self {
        Self {
            outcomes,
            failed: Vec::new(),
        }
    }
}
