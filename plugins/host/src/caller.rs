//! Calls filters of this process where their verdicts are wanted: on the threads that serve links, in a task of
//! its own, so that no thread has to be woken for an answer.
//!
//! Only what somebody waits for is called here, and only while it is quick: a plugin of which one call took
//! longer than [`limits::PROMPT`] is left to the workers for a while. A call that does not come back keeps the
//! thread; the clock sees it, has the thread replaced and starts another caller. On threads of somebody's
//! executor, which are not to be kept, there is no caller.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::desk::Desk;
use crate::instance::lock;
use crate::limits;
use crate::shared::{Caller, Shared};
use crate::slot::{SeatId, What};

impl Shared {
    /// Starts a caller, in place of the one there was.
    pub(crate) fn start_caller(self: &Arc<Self>, desk: &mut Desk) {
        let Some(workplace) = self.workplace.get() else {
            return;
        };
        let number = desk.kept;
        desk.caller = Some(number);
        lock(&self.inbox).caller = Caller::Works(true);
        let shared = Arc::clone(self);
        workplace.spawn(Box::pin(poll_fn(move |cx| shared.poll_calls(number, cx))));
    }

    fn poll_calls(self: &Arc<Self>, number: u64, cx: &Context<'_>) -> Poll<()> {
        let Some(workplace) = self.workplace.get() else {
            return Poll::Ready(());
        };
        let mut desk = lock(&self.desk);
        if !workplace.may_keep() {
            self.go_without_caller(&mut desk);
            self.settle(desk);
            return Poll::Ready(());
        }
        let began = Instant::now();
        loop {
            if desk.closing {
                return Poll::Ready(());
            }
            self.take_asks(&mut desk);
            while let Some(id) = desk.prompt.pop_front() {
                desk.caller_in = Some(id);
                let Some(back) = self.run(desk, id, What::is_ask) else {
                    workplace.give_back();
                    return Poll::Ready(());
                };
                desk = back;
                if desk.caller != Some(number) {
                    self.settle(desk);
                    workplace.give_back();
                    return Poll::Ready(());
                }
                desk.caller_in = None;
                // Others want to have this thread, too.
                if desk.out.len() >= limits::OUT || began.elapsed() > limits::TURN_TIME {
                    self.settle(desk);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            self.settle(desk);
            let mut inbox = lock(&self.inbox);
            if inbox.asks.is_empty() && !matches!(inbox.caller, Caller::Works(true)) {
                inbox.caller = Caller::Rests(cx.waker().clone());
                return Poll::Pending;
            }
            inbox.caller = Caller::Works(false);
            drop(inbox);
            desk = lock(&self.desk);
        }
    }

    /// From now on workers make all calls.
    fn go_without_caller(&self, desk: &mut Desk) {
        desk.caller = None;
        let Desk {
            prompt, runnable, ..
        } = desk;
        runnable.append(prompt);
        lock(&self.inbox).caller = Caller::Nobody;
    }

    /// The caller has been in a call for too long: its thread and itself are replaced. Says whether it was in
    /// that of this instance.
    pub(crate) fn replace_caller(self: &Arc<Self>, desk: &mut Desk, stuck: SeatId) -> bool {
        if desk.caller_in != Some(stuck) {
            return false;
        }
        desk.caller_in = None;
        desk.kept += 1;
        if let Some(workplace) = self.workplace.get() {
            workplace.replace();
        }
        match desk.kept < limits::KEPT {
            true => self.start_caller(desk),
            false => self.go_without_caller(desk),
        }
        true
    }
}
