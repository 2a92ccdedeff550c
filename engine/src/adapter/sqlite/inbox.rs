//! What waits for the writer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use async_channel::Sender;

use crate::adapter::guard;
use crate::id::{ConversationId, Ticket};
use crate::limits;
use crate::port::{Fault, Write};

/// The queue in front of the writer's thread.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the number of its submission.
    writes: VecDeque<(u64, Ticket, Write)>,
    jobs: Vec<Job>,
    end: Option<End>,
    /// Number of the last submission.
    submission: u64,
    failed: HashMap<ConversationId, Barrier>,
}

/// Which appends of a conversation must not overtake the one that failed.
#[derive(Clone, Copy, Debug)]
enum Barrier {
    /// All: the caller does not know of the failure yet.
    All,
    /// Those up to this submission: the caller knows since then.
    UpTo(u64),
}

impl Barrier {
    const fn holds(self, submission: u64) -> bool {
        match self {
            Self::All => true,
            Self::UpTo(barrier) => submission <= barrier,
        }
    }
}

/// Work other than writes.
#[derive(Debug)]
pub(super) enum Job {
    /// Cut the logs.
    Trim {
        age: Option<Duration>,
        count: Option<u64>,
        done: Sender<Result<(), Fault>>,
    },
    /// Bring the search index up to date, unless it is far behind.
    CatchUp(Sender<()>),
    /// How large the database may be.
    LimitSize(Option<u64>),
}

/// How the writer ends. Ordered: the later one wins.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum End {
    /// After what waits was written.
    Drained,
    /// After the transaction that is under way.
    Now,
}

/// A write and whether it comes too late behind a failed one.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) ticket: Ticket,
    pub(super) write: Write,
    pub(super) after_failed: bool,
}

/// What the writer finds.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) writes: Vec<Taken>,
    pub(super) jobs: Vec<Job>,
    pub(super) end: Option<End>,
}

impl Inbox {
    /// Takes writes, or gives them back once the end was announced.
    pub(super) fn submit(&self, writes: &mut Vec<(Ticket, Write)>) -> bool {
        let mut state = guard(&self.state);
        if state.end.is_some() {
            return false;
        }
        state.submission += 1;
        let submission = state.submission;
        let numbered = writes
            .drain(..)
            .map(|(ticket, write)| (submission, ticket, write));
        state.writes.extend(numbered);
        self.changed.notify_one();
        true
    }

    /// Asks for work. After the end the job is dropped, and with it its sender.
    pub(super) fn ask(&self, job: Job) {
        let mut state = guard(&self.state);
        if state.end.is_none() {
            state.jobs.push(job);
            self.changed.notify_one();
        }
    }

    /// Announces the end.
    pub(super) fn end(&self, end: End) {
        let mut state = guard(&self.state);
        state.end = state.end.max(Some(end));
        self.changed.notify_one();
    }

    /// No append of these conversations may be committed until the caller knows that one failed.
    pub(super) fn failed(&self, conversations: &[ConversationId]) {
        let all = conversations.iter().map(|id| (*id, Barrier::All));
        guard(&self.state).failed.extend(all);
    }

    /// The caller is about to learn that appends of these conversations failed: what it submits from
    /// now on may pass.
    pub(super) fn handed_out(&self, conversations: &[ConversationId]) {
        let mut state = guard(&self.state);
        let barrier = Barrier::UpTo(state.submission);
        for id in conversations {
            state.failed.insert(*id, barrier);
        }
    }

    /// Takes what is there, at most a transaction of writes. Waits for something to come: not at all
    /// with a `patience` of zero, for ever without one.
    pub(super) fn take(&self, patience: Option<Duration>) -> Work {
        let mut state = guard(&self.state);
        let is_idle = |state: &mut State| {
            state.writes.is_empty() && state.jobs.is_empty() && state.end.is_none()
        };
        state = match patience {
            Some(Duration::ZERO) => state,
            Some(patience) => {
                let waited = self.changed.wait_timeout_while(state, patience, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(state, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        let State {
            writes,
            jobs,
            end,
            failed,
            ..
        } = &mut *state;
        let count = writes.len().min(limits::APPEND_BATCH);
        let taken = writes.drain(..count).map(|(submission, ticket, write)| {
            let after_failed = match &write {
                Write::Append(append) if !failed.is_empty() => {
                    match failed.get_mut(&append.conversation) {
                        Some(Barrier::All) => true,
                        Some(barrier @ Barrier::UpTo(_)) => {
                            let fails = barrier.holds(submission);
                            if fails {
                                // The caller does not know of this failure yet.
                                *barrier = Barrier::All;
                            }
                            fails
                        }
                        None => false,
                    }
                }
                _ => false,
            };
            Taken {
                ticket,
                write,
                after_failed,
            }
        });
        let work = Work {
            writes: taken.collect(),
            jobs: std::mem::take(jobs),
            end: *end,
        };
        let next = writes.front().map(|(submission, ..)| *submission);
        failed.retain(|_, barrier| match barrier {
            Barrier::All => true,
            // Nothing that it holds back is left.
            Barrier::UpTo(barrier) => next.is_some_and(|next| next <= *barrier),
        });
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AccountId, SendId};
    use crate::model::{AccountName, Body, UnixTime};
    use crate::port::Append;

    const ROOM: ConversationId = ConversationId([1; 16]);

    fn append(number: u8) -> (Ticket, Write) {
        let append = Append {
            conversation: ROOM,
            id: SendId([number; 16]),
            from: AccountId(1),
            from_name: AccountName::new("ann").unwrap(),
            time: UnixTime(0),
            body: Body::text("x", None),
            expect: None,
            target_by: None,
            changes: Vec::new(),
        };
        (Ticket(number.into()), Write::Append(append))
    }

    fn take(inbox: &Inbox) -> Vec<bool> {
        let work = inbox.take(Some(Duration::ZERO));
        work.writes.iter().map(|taken| taken.after_failed).collect()
    }

    /// The second append failed because of the first, and the third was on its way before anybody
    /// knew of the second: it must not stand in front of it.
    #[test]
    fn what_fails_after_a_failure_is_a_failure_to_the_next_one() {
        let inbox = Inbox::default();
        assert!(inbox.submit(&mut vec![append(1)]));
        assert_eq!(take(&inbox), [false]);
        inbox.failed(&[ROOM]);
        assert!(inbox.submit(&mut vec![append(2)]));
        inbox.handed_out(&[ROOM]);
        assert!(inbox.submit(&mut vec![append(3)]));
        assert_eq!(take(&inbox), [true, true]);
        assert!(inbox.submit(&mut vec![append(4)]));
        assert_eq!(take(&inbox), [true]);
        inbox.handed_out(&[ROOM]);
        assert!(inbox.submit(&mut vec![append(5)]));
        assert_eq!(take(&inbox), [false]);
    }
}
