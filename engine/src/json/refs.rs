//! What the application called its commands.

use std::collections::{BTreeMap, HashMap};

use crate::agent::{Command, CommandId};
use crate::id::SendId;
use crate::limits;
use crate::model::{HistoryFrom, Peer, Request, Target};

/// Remembers each command that waits for an answer, and the sends that have a `ref`. Bounded.
#[derive(Debug, Default)]
pub(super) struct Refs {
    // Ordered, so that the oldest is the one to forget.
    asked: BTreeMap<CommandId, Asked>,
    sends: HashMap<String, SendId>,
}

/// A command that waits for its answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    /// What the application called it.
    pub(super) reference: Option<String>,
    /// What it is about, where its answer does not say so.
    pub(super) place: Option<Peer>,
    /// In which direction a history was read.
    pub(super) from: Option<HistoryFrom>,
    /// It takes a send back.
    pub(super) cancels: bool,
}

impl Refs {
    pub(super) fn asked(&mut self, id: CommandId, reference: Option<String>, command: &Command) {
        let mut asked = Asked {
            reference,
            ..Asked::default()
        };
        match command {
            Command::Ask(request) => {
                asked.place = place(request);
                if let Request::History { from, .. } = request {
                    asked.from = Some(*from);
                }
            }
            Command::Cancel(_) => asked.cancels = true,
            Command::Outbox => {}
            // Sends carry their label; the others have no answer.
            _ => return,
        }
        self.asked.insert(id, asked);
        if self.asked.len() > limits::JSON_REQUESTS {
            self.asked.pop_first();
        }
    }

    /// Each command is answered once.
    pub(super) fn answered(&mut self, id: CommandId) -> Asked {
        self.asked.remove(&id).unwrap_or_default()
    }

    pub(super) fn opened(&mut self, label: &str, id: SendId) {
        // The outbox has the same bound, so only settled sends could be missing here.
        if !label.is_empty() && self.sends.len() < limits::OUTBOX_ITEMS {
            self.sends.insert(label.to_owned(), id);
        }
    }

    pub(super) fn settled(&mut self, label: &str, id: SendId) {
        // A later send may have taken the same label.
        if self.sends.get(label) == Some(&id) {
            self.sends.remove(label);
        }
    }

    pub(super) fn send(&self, label: &str) -> Option<SendId> {
        self.sends.get(label).copied()
    }
}

fn place(request: &Request) -> Option<Peer> {
    let target = match request {
        Request::Members { target, .. }
        | Request::History { target, .. }
        | Request::Read { target, .. }
        | Request::Receipts { target }
        | Request::Change { target, .. } => target,
        Request::Search { target, .. } | Request::Command { target, .. } => target.as_ref()?,
        _ => return None,
    };
    match target {
        Target::Room(room) => Some(Peer::Room(room.clone())),
        Target::Account(account) => Some(Peer::Account(account.clone())),
        Target::Conversation(_) => None,
    }
}
