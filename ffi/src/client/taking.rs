//! Taking events: the engine's become C's, and replies find their requests.

use std::ffi::CString;
use std::task::Poll;
use std::time::{Duration, Instant};

use chat_engine::{Code, Event, Refusal};

use super::{Client, Inner, Phase, State};
use crate::api::event::{CHAT_EVENT_CLOSED, CHAT_EVENT_REPLY, CHAT_EVENT_SETTLED, chat_event};
use crate::desk::Woken;
use crate::event::{self, Field, Record};
use crate::guard::{Fault, Outcome, may_wait};
use crate::status::{
    self, CHAT_CANCELED, CHAT_CLOSED, CHAT_OK, CHAT_PANIC, CHAT_PENDING, chat_status,
};
use crate::{handle, json};

/// What taking an event brought.
enum Taken {
    Event(*mut chat_event),
    Nothing,
    End,
}

impl Client {
    pub(crate) fn next_event(&self, timeout_ms: i32) -> Outcome<*mut chat_event> {
        if timeout_ms != 0 {
            may_wait("waiting for an event")?;
        }
        let inner = &self.0;
        let _turn = inner.desk.turn()?;
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        let until = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            match inner.take()? {
                Taken::Event(event) => return Ok(event),
                Taken::End => return Err(Fault::new(CHAT_CLOSED, "the last event was taken")),
                Taken::Nothing => {}
            }
            match inner.desk.wait(until) {
                Woken::Readable => {}
                Woken::Nothing => return Ok(std::ptr::null_mut()),
                Woken::Freed => return Err(Fault::new(CHAT_CLOSED, "the client is being freed")),
            }
        }
    }
}

impl Inner {
    fn take(&self) -> Outcome<Taken> {
        // First of all: an event without a handle would be lost.
        let place = handle::reserve_event()?;
        let mut state = self.lock();
        let taken = loop {
            if let Some(record) = state.requests.made.pop_front() {
                break Some(record);
            }
            if state.phase == Phase::Closed {
                return Ok(Taken::End);
            }
            if self.work.is_poisoned() {
                end(&mut state, poisoned());
                continue;
            }
            match self.engine(chat_engine::Client::poll_event) {
                Ok(Poll::Ready(Some(event))) => self.translate(&mut state, &event),
                Ok(Poll::Ready(None)) => end(&mut state, cut_off()),
                Ok(Poll::Pending) => break None,
                // It is poisoned now.
                Err(_) => {}
            }
        };
        let is_empty = || {
            let idle = state.requests.made.is_empty() && state.phase != Phase::Closed;
            idle && !self.engine.has_news() && !self.work.is_poisoned()
        };
        self.desk.quiet_if(is_empty);
        drop(state);
        Ok(match taken {
            Some(record) => Taken::Event(place.event(record)),
            None => Taken::Nothing,
        })
    }

    /// Puts what C is told of an event into the queue.
    fn translate(&self, state: &mut State, event: &Event) {
        let leaving = state.leaving.is_some();
        let requests = &mut state.requests;
        let line = requests.lines.event(event).pop().unwrap_or_default();
        let record = match event {
            Event::Acked {
                command,
                label,
                id,
                peer,
                seq,
            } => match command {
                Some(command) => requests.settle(*command).map(|open| open.reply()),
                None => Some(Record::new(CHAT_EVENT_SETTLED)),
            }
            .map(|record| record.sent(*id, label).at(peer, *seq)),
            Event::Refused {
                command,
                label,
                id,
                refusal,
            } => {
                let open = command.and_then(|command| requests.settle(command));
                let record = match (command, open) {
                    (Some(_), open) => {
                        open.map(|open| open.reply().with(Field::Place, &open.place))
                    }
                    (None, _) => Some(Record::new(CHAT_EVENT_SETTLED)),
                };
                record.map(|record| match id {
                    Some(id) => refused(record, refusal, leaving).sent(*id, label),
                    None => refused(record, refusal, leaving),
                })
            }
            Event::Canceled { command, label, id } => match command {
                Some(command) => requests.settle(*command).map(|open| open.reply()),
                None => Some(Record::new(CHAT_EVENT_SETTLED)),
            }
            .map(|record| record.status(CHAT_CANCELED).sent(*id, label)),
            Event::Unsent {
                command,
                label,
                id,
                kept,
            } => {
                let open = command.and_then(|command| requests.settle(command));
                let status = if *kept { CHAT_PENDING } else { CHAT_CLOSED };
                open.map(|open| open.reply_with(status).sent(*id, label))
            }
            Event::Answer {
                command,
                answer,
                peer,
            } => requests.settle(*command).map(|open| {
                let scene = &mut requests.scene;
                // Cancelling has no line of its own.
                let reply = match line.is_empty() {
                    true => open.reply_with(CHAT_OK),
                    false => open.reply(),
                };
                event::answer(reply, answer, peer.as_ref(), &open.place, &line, scene)
            }),
            Event::Outbox { command, items } => requests
                .settle(*command)
                .map(|open| event::outbox(open.reply(), items, &line)),
            Event::Queued { command, .. } => requests.number_of(*command).and_then(|number| {
                event::of_client(event, &mut requests.scene).map(|record| record.request(number))
            }),
            Event::Closed { .. } => {
                let record = event::of_client(event, &mut requests.scene);
                if let Some(record) = record {
                    end(state, record.with_json(line));
                }
                return;
            }
            _ => event::of_client(event, &mut requests.scene),
        };
        if let Some(record) = record {
            // Replies that the library gives have lines of their own.
            let own = record.kind == CHAT_EVENT_REPLY && !record.json().is_empty();
            let record = if own { record } else { record.with_json(line) };
            requests.made.push_back(record);
        }
        self.notice(state, event);
    }

    /// What the getters and later calls need to know.
    fn notice(&self, state: &mut State, event: &Event) {
        match event {
            Event::ServerKey { key, fingerprint } => {
                state.shown = Some((*key, fingerprint.clone()));
            }
            Event::Connected { fingerprint, .. } => {
                state.phase = Phase::Online;
                let text = CString::new(fingerprint.as_str()).unwrap_or_default();
                let _ = self.fingerprint.set(text);
                if let Some(open) = state.requests.settle_connect() {
                    state.requests.made.push_back(open.reply_with(CHAT_OK));
                }
            }
            Event::Reconnecting { .. } => state.phase = Phase::Reconnecting,
            _ => {}
        }
    }
}

/// Ends: replies to everything that is open, then the last event.
fn end(state: &mut State, last: Record) {
    let connecting = state.requests.settle_connect();
    if let Some(open) = connecting {
        let record = open.reply_with(last.status);
        state.requests.made.push_back(record.explained_by(&last));
    }
    for open in state.requests.drain() {
        state.requests.made.push_back(open.reply_with(CHAT_CLOSED));
    }
    state.requests.made.push_back(last);
    state.phase = Phase::Closed;
}

fn refused(record: Record, refusal: &Refusal, leaving: bool) -> Record {
    // Nobody refused it: the client left before the answer came.
    if leaving && refusal.code == Code::Lost {
        let text = status::message(CHAT_CLOSED).to_string_lossy();
        return record
            .status(CHAT_CLOSED)
            .with(Field::Reason, json::word(CHAT_CLOSED))
            .with(Field::Message, &text);
    }
    record.refused(refusal)
}

fn poisoned() -> Record {
    last(CHAT_PANIC)
}

/// The engine's work was dropped before its end.
fn cut_off() -> Record {
    last(CHAT_CLOSED)
}

fn last(status: chat_status) -> Record {
    Record::new(CHAT_EVENT_CLOSED)
        .status(status)
        .with(Field::Reason, json::word(status))
        .with(Field::Message, &status::message(status).to_string_lossy())
        .with_json(json::bye(status))
}
