//! How an agent ends: the link says goodbye, what is open is told, the application takes its last
//! events, and the last positions are saved.

use super::link::Link;
use super::{Agent, Effect, Event, callers_of};
use crate::error::Error;
use crate::limits;
use crate::model::{ByeReason, Code, Refusal, Time, ToServer};

/// The agent ends: why, and how far that is.
#[derive(Debug)]
pub(super) struct End {
    pub(super) error: Option<Error>,
    pub(super) reason: Option<ByeReason>,
    pub(super) stage: EndStage,
    /// Nothing stayed open.
    pub(super) settled: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum EndStage {
    /// The last link is closing, or something is being saved.
    Winding,
    /// Everything is told but the end; the application may take it until then.
    Draining(Time),
    /// The last positions are being saved.
    Saving,
    Closed,
}

impl Agent {
    /// Begins to end: nothing is sent after this.
    pub(super) fn end(
        &mut self,
        error: Option<Error>,
        reason: Option<ByeReason>,
        effects: &mut Vec<Effect>,
    ) {
        self.link = match self.link {
            Link::Up(_) => {
                for frame in self.inbox.poll_frames(true, Time(0)) {
                    effects.push(Effect::Write(frame));
                }
                effects.push(Effect::Write(ToServer::Bye));
                effects.push(Effect::Close);
                Link::Closing
            }
            Link::Closing => Link::Closing,
            Link::Idle | Link::Paused(_) => Link::Idle,
            _ => {
                effects.push(Effect::Cut);
                Link::Idle
            }
        };
        self.end = Some(End {
            error,
            reason,
            stage: EndStage::Winding,
            settled: false,
        });
    }

    pub(super) fn advance_end(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let stage = self.end.as_ref().map(|end| end.stage);
        if stage == Some(EndStage::Winding)
            && matches!(self.link, Link::Idle)
            && self.saves.is_empty()
        {
            let settled = self.asks.is_settled() && self.outbox.is_settled();
            if let Some(end) = &mut self.end {
                end.settled = settled;
            }
            self.tell_open();
            self.set_end_stage(EndStage::Draining(now + limits::TAKE_WAIT));
        }
        let stage = self.end.as_ref().map(|end| end.stage);
        if let Some(EndStage::Draining(until)) = stage
            && (self.queue.is_done() || self.app_gone || until <= now)
        {
            let changes = self.inbox.poll_positions(true, now);
            self.save(changes, Vec::new(), effects);
            self.set_end_stage(EndStage::Saving);
        }
        let stage = self.end.as_ref().map(|end| end.stage);
        if stage == Some(EndStage::Saving)
            && self.saves.is_empty()
            && let Some(end) = &mut self.end
        {
            end.stage = EndStage::Closed;
            self.queue.push(Event::Closed {
                error: end.error.take(),
                reason: end.reason,
            });
        }
    }

    fn set_end_stage(&mut self, stage: EndStage) {
        if let Some(end) = &mut self.end {
            end.stage = stage;
        }
    }

    /// Tells of everything that stays open.
    fn tell_open(&mut self) {
        // Who was not let in gets the reason for it, whatever it asked.
        let denied = match self.end.as_ref().and_then(|end| end.error.as_ref()) {
            Some(Error::Refused(refusal)) => Some(refusal.clone()),
            _ => None,
        };
        for ask in self.asks.drain() {
            let mut refusal = denied.clone().unwrap_or_else(|| Refusal::new(Code::Lost));
            if !ask.again && denied.is_none() {
                refusal.text = "the client left before the answer came".to_owned();
            }
            self.tell_ask_refused(&ask, refusal);
        }
        let kept = self.setup.durable;
        for (command, id, label, goes_on) in self.transfers.open() {
            self.queue.push(Event::Unsent {
                command,
                label,
                id,
                kept: kept && goes_on,
            });
        }
        for (item, callers) in self.outbox.open() {
            for (command, label) in callers_of(callers.to_vec(), item.label.clone()) {
                self.queue.push(Event::Unsent {
                    command,
                    label,
                    id: item.id,
                    kept,
                });
            }
        }
    }
}
