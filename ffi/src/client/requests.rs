//! Requests: each that was accepted has a number, a place in the queue for its reply, and one reply.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_executor::Task;
use async_io::Timer;
use chat_engine::json::{Lines, parse_line};
use chat_engine::{Command, CommandId, Request, Target};

use super::{Inner, State};
use crate::api::event::CHAT_EVENT_REPLY;
use crate::event::{Field, Record, Scene, target};
use crate::guard::{Fault, Outcome};
use crate::status::{
    self, CHAT_BAD_JSON, CHAT_CANCELED, CHAT_FULL, CHAT_NOT_FOUND, CHAT_NOT_SUPPORTED, CHAT_OK,
    CHAT_TIMEOUT, chat_status,
};
use crate::{json, limits, runtime};

/// The open requests of a client, and the events that were made here.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    open: HashMap<u64, Open>,
    commands: HashMap<CommandId, u64>,
    connect: Option<u64>,
    pub(super) made: VecDeque<Record>,
    pub(super) lines: Lines,
    pub(super) scene: Scene,
}

/// A request without a reply so far.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) number: u64,
    /// None for connecting.
    command: Option<CommandId>,
    /// What it is about, where its answer does not say so.
    pub(super) place: String,
    /// What a line of JSON called it.
    reference: Option<String>,
    is_send: bool,
    /// Ends with it.
    _timer: Option<Task<()>>,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn begin_connect(&mut self) -> u64 {
        let number = self.number();
        self.connect = Some(number);
        self.open.insert(
            number,
            Open {
                number,
                ..Open::default()
            },
        );
        number
    }

    /// Takes the request that a command stands for: what comes now is its reply.
    pub(super) fn settle(&mut self, command: CommandId) -> Option<Open> {
        let number = self.commands.remove(&command)?;
        self.open.remove(&number)
    }

    pub(super) fn settle_connect(&mut self) -> Option<Open> {
        let number = self.connect.take()?;
        self.open.remove(&number)
    }

    pub(super) fn number_of(&self, command: CommandId) -> Option<u64> {
        self.commands.get(&command).copied()
    }

    /// All that is open, in the order of the requests.
    pub(super) fn drain(&mut self) -> Vec<Open> {
        self.commands.clear();
        self.connect = None;
        let mut open: Vec<_> = self.open.drain().map(|(_, open)| open).collect();
        open.sort_by_key(|open| open.number);
        open
    }

    pub(super) fn forget_timers(&mut self) {
        self.drain();
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn remove(&mut self, number: u64) -> Option<Open> {
        let open = self.open.remove(&number)?;
        if let Some(command) = open.command {
            self.commands.remove(&command);
        }
        if self.connect == Some(number) {
            self.connect = None;
        }
        Some(open)
    }
}

impl Open {
    /// The beginning of its reply.
    pub(super) fn reply(&self) -> Record {
        Record::new(CHAT_EVENT_REPLY).request(self.number)
    }

    /// A reply that the library itself gives.
    pub(super) fn reply_with(&self, status: chat_status) -> Record {
        let record = self.reply().status(status).with(Field::Place, &self.place);
        let record = match status {
            CHAT_OK => record,
            _ => record
                .with(Field::Reason, json::word(status))
                .with(Field::Message, &status::message(status).to_string_lossy()),
        };
        record.with_json(json::reply(self.reference.as_deref(), status))
    }
}

impl Inner {
    /// Gives a command that will be replied to.
    pub(super) fn command(
        self: &Arc<Self>,
        command: Command,
        reference: Option<String>,
    ) -> Outcome<u64> {
        let mut state = self.lock();
        self.check_open(&state)?;
        let waiting = state.requests.made.len() + self.engine(|it| it.events_waiting())?;
        if waiting + state.requests.len() >= limits::EVENTS {
            return Err(Fault::of(CHAT_FULL));
        }
        let is_send = matches!(command, Command::Send { .. });
        let place = place(&command);
        // What its line needs to know; sends know everything themselves.
        let noted = (!is_send).then(|| command.clone());
        let id = self.engine(|engine| engine.command(command))??;
        let number = state.requests.number();
        if let Some(noted) = noted {
            state.requests.lines.asked(id, reference.clone(), &noted);
        }
        let open = Open {
            number,
            command: Some(id),
            place,
            reference,
            is_send,
            // A send stays in the outbox as long as it takes.
            _timer: match (is_send, self.request_timeout) {
                (false, Some(timeout)) => Some(self.time_out(number, timeout)),
                _ => None,
            },
        };
        state.requests.commands.insert(id, number);
        state.requests.open.insert(number, open);
        Ok(number)
    }

    pub(super) fn request_json(self: &Arc<Self>, line: &str) -> Outcome<u64> {
        let bad = |error: chat_engine::json::LineError| {
            let status = match error.code {
                chat_engine::Code::NotSupported => CHAT_NOT_SUPPORTED,
                _ => CHAT_BAD_JSON,
            };
            Fault::new(status, error.text)
        };
        let input = parse_line(line).map_err(bad)?;
        let reference = input.reference.clone();
        let command = self.lock().requests.lines.resolve(input).map_err(bad)?;
        match command {
            Command::Typing(_) | Command::Presence(..) => {
                self.tell(command)?;
                Ok(self.done(reference))
            }
            Command::Leave { .. } => Err(Fault::new(
                CHAT_BAD_JSON,
                "leaving is chat_client_close, which knows for how long",
            )),
            command => self.command(command, reference),
        }
    }

    /// Replies at once to a request that nothing is heard of.
    fn done(&self, reference: Option<String>) -> u64 {
        let mut state = self.lock();
        let number = state.requests.number();
        let open = Open {
            number,
            reference,
            ..Open::default()
        };
        state.requests.made.push_back(open.reply_with(CHAT_OK));
        drop(state);
        self.desk.ring();
        number
    }

    pub(super) fn cancel(&self, number: u64) -> Outcome<()> {
        let mut state = self.lock();
        let Some(open) = state.requests.open.get(&number) else {
            return Err(Fault::of(CHAT_NOT_FOUND));
        };
        let command = open.command;
        // The outbox replies to a send, when it is out of it.
        if !open.is_send {
            reply_early(&mut state, number, CHAT_CANCELED);
        }
        if let Some(command) = command {
            // After the end there is nothing to give up.
            let _ = self.engine(|it| it.command(Command::Abandon(command)))?;
        }
        drop(state);
        self.desk.ring();
        Ok(())
    }

    fn time_out(self: &Arc<Self>, number: u64, timeout: Duration) -> Task<()> {
        let inner: Weak<Self> = Arc::downgrade(self);
        runtime::spawn(async move {
            Timer::after(timeout).await;
            if let Some(inner) = inner.upgrade() {
                inner.late(number);
            }
        })
    }

    fn late(&self, number: u64) {
        let mut state = self.lock();
        let command = state
            .requests
            .open
            .get(&number)
            .and_then(|open| open.command);
        reply_early(&mut state, number, CHAT_TIMEOUT);
        if let Some(command) = command {
            let _ = self.engine(|it| it.command(Command::Abandon(command)));
        }
        drop(state);
        self.desk.ring();
    }
}

/// Replies before the engine does; what it says later is nobody's.
fn reply_early(state: &mut State, number: u64, status: chat_status) {
    if let Some(open) = state.requests.remove(number) {
        state.requests.made.push_back(open.reply_with(status));
    }
}

fn place(command: &Command) -> String {
    let about: Option<&Target> = match command {
        Command::Send { target, .. } => Some(target),
        Command::Ask(request) => match request {
            Request::Create { room, .. } => return room.as_str().to_owned(),
            Request::Members { target, .. }
            | Request::History { target, .. }
            | Request::Read { target, .. }
            | Request::Receipts { target }
            | Request::Change { target, .. } => Some(target),
            Request::Search { target, .. } | Request::Command { target, .. } => target.as_ref(),
            _ => None,
        },
        _ => None,
    };
    about.map(target).unwrap_or_default()
}
