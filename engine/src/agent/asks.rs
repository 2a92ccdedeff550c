//! Requests: each is answered once, whatever becomes of its link.

use std::collections::{HashMap, VecDeque};

use super::CommandId;
use crate::id::RequestId;
use crate::limits;
use crate::model::{Request, Target};

/// The requests of the application.
///
/// When the link dies under a request, its effect is not known. It is asked again if asking twice
/// does no harm: reads; [`Request::Read`], which only moves forward; [`Request::Change`], after which
/// the membership is as wanted; and [`Request::Create`], where the list of conversations tells
/// whether the room that exists is the one made by the first try. A command of a plugin, a change of
/// the password and a revocation are not: the application is told that the answer was lost.
#[derive(Debug, Default)]
pub(super) struct Asks {
    waiting: VecDeque<Ask>,
    flying: HashMap<RequestId, Ask>,
}

/// A request and who wants to know.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) command: CommandId,
    pub(super) request: Request,
    /// It was on a link that died.
    pub(super) again: bool,
    /// The room of a [`Request::Create`] was one of the account's when it was asked.
    pub(super) known: bool,
}

impl Asks {
    /// Whether no more are taken.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= limits::ASKS
    }

    /// Puts one behind the others.
    pub(super) fn put(&mut self, ask: Ask) {
        self.waiting.push_back(ask);
    }

    /// Forgets a request that did not go out.
    pub(super) fn abandon(&mut self, command: CommandId) {
        self.waiting.retain(|ask| ask.command != command);
    }

    /// The command of the next request to go out.
    pub(super) fn next_command(&self) -> Option<CommandId> {
        self.waiting.front().map(|ask| ask.command)
    }

    /// The next request to go out. `listed`: the server named the account's conversations, without
    /// which nothing is asked again. `others`: requests that are under way beside these.
    pub(super) fn next_request(
        &mut self,
        id: RequestId,
        listed: bool,
        others: usize,
    ) -> Option<Request> {
        if self.flying.len() + others >= limits::REQUESTS
            || (self.waiting.front()?.again && !listed)
        {
            return None;
        }
        let ask = self.waiting.pop_front()?;
        let request = ask.request.clone();
        self.flying.insert(id, ask);
        Some(request)
    }

    /// The request that is answered now.
    pub(super) fn land(&mut self, id: RequestId) -> Option<Ask> {
        self.flying.remove(&id)
    }

    /// The link is gone. Answers the requests that are not asked again.
    pub(super) fn handle_link_lost(&mut self) -> Vec<Ask> {
        let mut flying: Vec<_> = self.flying.drain().collect();
        flying.sort_by_key(|(id, _)| *id);
        let mut lost = Vec::new();
        for (_, mut ask) in flying.into_iter().rev() {
            if is_repeatable(&ask.request) {
                ask.again = true;
                self.waiting.push_front(ask);
            } else {
                lost.push(ask);
            }
        }
        lost.reverse();
        lost
    }

    /// Requests of this link that wait for their answers.
    pub(super) fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Whether all are answered.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    /// At the end: those without an answer.
    pub(super) fn drain(&mut self) -> Vec<Ask> {
        let mut lost = self.handle_link_lost();
        lost.extend(self.waiting.drain(..));
        lost.sort_by_key(|ask| ask.command);
        lost
    }
}

/// The conversation that a request is about.
pub(super) fn target_of(request: &Request) -> Option<Target> {
    match request {
        Request::Create { room, .. } => Some(Target::Room(room.clone())),
        Request::Change { target, .. }
        | Request::Members { target, .. }
        | Request::History { target, .. }
        | Request::Read { target, .. }
        | Request::Receipts { target } => Some(target.clone()),
        Request::Search { target, .. } | Request::Command { target, .. } => target.clone(),
        _ => None,
    }
}

fn is_repeatable(request: &Request) -> bool {
    !matches!(
        request,
        Request::Command { .. } | Request::Password { .. } | Request::Revoke { .. }
    )
}
