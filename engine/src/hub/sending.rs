//! Sends on their way into a log.

use std::collections::VecDeque;

use super::admit::Guards;
use super::appending::Origin;
use super::change::Wish;
use super::hooks::Speaker;
use super::line::Line;
use super::{
    ConversationId, Effect, Hub, LinkId, Load, Pending, SendId, Seq, limits, plain_append,
    storage_refusal,
};
use crate::id::{AccountId, RequestId};
use crate::model::{Body, ByeReason, Code, Refusal, Send, Target, ToClient};
use crate::port::{Append, Fault, HookSet};

/// A send that waits for an earlier one of its link and conversation, or for a look-up.
#[derive(Debug)]
pub(super) struct Parked {
    link: LinkId,
    conversation: ConversationId,
    /// The other account, where this would be a direct conversation's first entry.
    other: Option<AccountId>,
    send: Send,
    /// What it would be refused for, if a second look-up finds nothing either.
    refused: Option<Refusal>,
}

/// What waits for its turn.
#[derive(Debug)]
pub(super) enum Turn {
    Send(Box<Parked>),
    Change(Box<Wish>),
}

/// What one link does in one conversation, while something holds it back.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) conversation: ConversationId,
    /// One send is being looked up. The others wait for that, whatever else they waited for.
    looking: bool,
    /// What plugins were asked about. It holds up appends, but no later questions.
    pub(super) line: Line,
    queue: VecDeque<Turn>,
}

/// An entry that somebody wants to append.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) from: AccountId,
    pub(super) conversation: ConversationId,
    pub(super) other: Option<AccountId>,
    pub(super) id: SendId,
    pub(super) body: Body,
    pub(super) origin: Origin,
}

/// Where a target leads.
pub(super) struct Place {
    pub(super) conversation: ConversationId,
    pub(super) other: Option<AccountId>,
}

impl Hold {
    pub(super) const fn new(conversation: ConversationId) -> Self {
        Self {
            conversation,
            looking: false,
            line: Line::new(),
            queue: VecDeque::new(),
        }
    }

    /// Whether the next send has to wait for its turn.
    fn holds_up(&self) -> bool {
        self.looking || !self.queue.is_empty()
    }

    fn is_over(&self) -> bool {
        !self.holds_up() && self.line.is_empty()
    }
}

impl Hub {
    pub(super) fn handle_send(&mut self, id: LinkId, send: Send, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.sends += 1;
        if link.sends > limits::SENDS {
            let text = "more sends at once than allowed";
            return self.close(id, ByeReason::Violation, text, out);
        }
        if send.request <= link.last_send {
            let text = "the numbers of sends only grow";
            return self.close(id, ByeReason::Violation, text, out);
        }
        link.last_send = send.request;
        let account = link.account;
        let place = match self.resolve(&send.target, account) {
            Ok(place) => place,
            Err(refusal) => return self.refuse_send(id, send.request, refusal, out),
        };
        let parked = Parked {
            link: id,
            conversation: place.conversation,
            other: place.other,
            send,
            refused: None,
        };
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if let Some(hold) = link.hold_mut(parked.conversation)
            && hold.holds_up()
        {
            hold.queue.push_back(Turn::Send(Box::new(parked)));
            return;
        }
        self.consider(parked, out);
    }

    /// A change of a membership that a link wants. It waits for what plugins were asked about before
    /// it. `None` when it does.
    pub(super) fn queue_change(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        wish: Wish,
    ) -> Option<Wish> {
        let is_asking = self.is_asking(conversation, wish.actor);
        let link = self.links.get_mut(id)?;
        let is_behind = link.hold_mut(conversation).is_some_and(|hold| {
            let is_change = |turn: &Turn| matches!(turn, Turn::Change(_));
            !hold.line.is_empty() || hold.queue.iter().any(is_change)
        });
        if !is_asking && !is_behind {
            return Some(wish);
        }
        let hold = link.hold_or_new(conversation);
        hold.queue.push_back(Turn::Change(Box::new(wish)));
        None
    }

    /// A send whose turn it is. `false` if it has to wait some more.
    fn consider(&mut self, parked: Parked, out: &mut Vec<Effect>) -> bool {
        let (id, request) = (parked.link, parked.send.request);
        let Some(link) = self.links.get_mut(id) else {
            return true;
        };
        let (account, conversation) = (link.account, parked.conversation);
        match link.blocked.get(&conversation) {
            Some((_, first)) if *first == parked.send.id => {
                link.blocked.remove(&conversation);
            }
            Some(_) => {
                let refusal = Refusal::new(Code::AfterRefused).retry_in(500);
                self.refuse_send(id, request, refusal, out);
                return true;
            }
            None => {}
        }
        // What is in flight is joined below, and its outcome is exact.
        if parked.send.again && !self.hooks.is_in_flight(account, parked.send.id) {
            // It may stand in the log already, whatever its sender may do by now.
            link.hold_or_new(conversation).looking = true;
            let load = Load::Lookup(account, parked.send.id);
            self.load(load, Pending::Lookup(Box::new(parked)), out);
            return true;
        }
        if self.is_changing(conversation, account) {
            // Its membership changes right now: what it may do depends on that entry's place.
            if let Some(link) = self.links.get_mut(id) {
                let hold = link.hold_or_new(conversation);
                hold.queue.push_front(Turn::Send(Box::new(parked)));
            }
            return false;
        }
        if let Some(candidate) = self.candidate(parked) {
            self.judge(candidate, out);
        }
        true
    }

    /// Whether an account's membership changes, or it wants to change one and plugins are asked.
    pub(super) fn is_changing(&self, conversation: ConversationId, account: AccountId) -> bool {
        let room = self.rooms.get(&conversation);
        room.is_some_and(|room| room.changing.contains(&account) || room.asking.contains(&account))
    }

    fn is_asking(&self, conversation: ConversationId, account: AccountId) -> bool {
        let room = self.rooms.get(&conversation);
        room.is_some_and(|room| room.asking.contains(&account))
    }

    /// What was held back goes on, until something holds it again.
    pub(super) fn release(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        out: &mut Vec<Effect>,
    ) {
        self.settle_line(Speaker::Link(id), conversation, out);
        loop {
            let Some(link) = self.links.get_mut(id) else {
                return;
            };
            let account = link.account;
            let Some(index) = link
                .held
                .iter()
                .position(|hold| hold.conversation == conversation)
            else {
                return;
            };
            let Some(hold) = link.held.get_mut(index) else {
                return;
            };
            if hold.is_over() {
                link.held.swap_remove(index);
                return;
            }
            if hold.looking {
                return;
            }
            let is_behind = !hold.line.is_empty();
            let is_change = matches!(hold.queue.front(), Some(Turn::Change(_)));
            if is_change && (is_behind || self.is_asking(conversation, account)) {
                return;
            }
            let link = self.links.get_mut(id);
            match link
                .and_then(|link| link.hold_mut(conversation))
                .and_then(|hold| hold.queue.pop_front())
            {
                None => return,
                Some(Turn::Send(parked)) => {
                    if !self.consider(*parked, out) {
                        return;
                    }
                }
                Some(Turn::Change(wish)) => self.take_turn(conversation, *wish, out),
            }
        }
    }

    pub(super) fn looked_up(
        &mut self,
        parked: Parked,
        known: Result<Option<(ConversationId, Seq)>, Fault>,
        out: &mut Vec<Effect>,
    ) {
        let (id, conversation) = (parked.link, parked.conversation);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let account = link.account;
        if let Some(hold) = link.hold_mut(conversation) {
            hold.looking = false;
        }
        let is_blocked = link.blocked.contains_key(&conversation);
        let is_second = parked.refused.is_some();
        let is_changing = self.is_changing(conversation, account);
        match known {
            Ok(Some((place, seq))) if place == conversation => {
                self.ack(
                    id,
                    parked.send.request,
                    conversation,
                    seq,
                    parked.send.id,
                    out,
                );
            }
            Ok(Some(_)) => {
                self.refuse_send(id, parked.send.request, Code::SendIdReused.into(), out);
            }
            // One before it was refused while this one was looked up.
            Ok(None) if is_blocked => {
                let refusal = Refusal::new(Code::AfterRefused).retry_in(500);
                self.refuse_send(id, parked.send.request, refusal, out);
            }
            Ok(None) if is_changing && !is_second => {
                if let Some(link) = self.links.get_mut(id) {
                    let hold = link.hold_or_new(conversation);
                    hold.queue.push_front(Turn::Send(Box::new(parked)));
                }
                return;
            }
            Ok(None) => {
                let (request, send_id) = (parked.send.request, parked.send.id);
                if let Some(refusal) = parked.refused {
                    self.refuse_send(id, request, refusal, out);
                } else if let Some(candidate) = self.candidate(parked) {
                    match self.admit(&candidate) {
                        Err(refusal) if !refusal.is_retryable() => {
                            let send = (request, send_id);
                            return self.look_again(id, conversation, send, refusal, out);
                        }
                        _ => self.judge(candidate, out),
                    }
                }
            }
            Err(fault) => {
                let refusal = storage_refusal(&fault).retry_in(limits::BUSY_RETRY_MS);
                self.refuse_send(id, parked.send.request, refusal, out);
                let first = (parked.send.request, parked.send.id);
                self.block(id, conversation, first, out);
            }
        }
        self.release(id, conversation, out);
    }

    /// Looks a send up once more before it is refused for good: it may have come into the log after the
    /// first look-up, from a link that is gone, and before that for which it is refused now.
    fn look_again(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        (request, send_id): (RequestId, SendId),
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let account = link.account;
        if let Some(hold) = link.hold_mut(conversation) {
            hold.looking = true;
        }
        let parked = Parked {
            link: id,
            conversation,
            other: None,
            send: Send {
                request,
                target: Target::Conversation(conversation),
                id: send_id,
                again: true,
                body: Body::default(),
            },
            refused: Some(refusal),
        };
        let load = Load::Lookup(account, send_id);
        self.load(load, Pending::Lookup(Box::new(parked)), out);
    }

    fn candidate(&self, parked: Parked) -> Option<Candidate> {
        let (link, request) = (parked.link, parked.send.request);
        Some(Candidate {
            from: self.links.get(link)?.account,
            conversation: parked.conversation,
            other: parked.other,
            id: parked.send.id,
            body: parked.send.body,
            origin: Origin::Send { link, request },
        })
    }

    /// Decides about a send, and appends it, asks about it, or refuses it.
    fn judge(&mut self, candidate: Candidate, out: &mut Vec<Effect>) {
        let Origin::Send { link, .. } = candidate.origin else {
            return;
        };
        if self.draining.is_some() {
            let refusal = Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS);
            return self.turn_away(
                &candidate.origin,
                candidate.conversation,
                candidate.id,
                refusal,
                out,
            );
        }
        self.propose(Speaker::Link(link), candidate, out);
    }

    /// An entry whose sender is known: may it, do plugins mind, and into the log with it.
    pub(super) fn propose(
        &mut self,
        speaker: Speaker,
        candidate: Candidate,
        out: &mut Vec<Effect>,
    ) {
        let (conversation, id) = (candidate.conversation, candidate.id);
        let guards = match self.admit(&candidate) {
            Ok(guards) => guards,
            Err(refusal) => {
                return self.turn_away(&candidate.origin, conversation, id, refusal, out);
            }
        };
        let is_wanted = self.are_asked(conversation, candidate.other.is_some());
        let is_behind = self
            .line_mut(speaker, conversation)
            .is_some_and(|line| !line.is_empty());
        if is_wanted || is_behind {
            return self.stand_in_line(speaker, candidate, is_wanted, out);
        }
        let origin = candidate.origin;
        let append = self.append_of(candidate, guards);
        if let Some(append) = append {
            self.append(append, origin, out);
        }
    }

    /// Whether plugins want to be asked about entries of a conversation.
    pub(super) fn are_asked(&self, conversation: ConversationId, is_direct: bool) -> bool {
        if !self.hooks.wants(HookSet::ENTRY) && !self.hooks.wants(HookSet::ENTRY_DIRECT) {
            return false;
        }
        let room = self.rooms.get(&conversation);
        let is_direct = room.map_or(is_direct, |room| room.is_direct());
        self.hooks.wants(if is_direct {
            HookSet::ENTRY_DIRECT
        } else {
            HookSet::ENTRY
        })
    }

    pub(super) fn append_of(&self, candidate: Candidate, guards: Guards) -> Option<Append> {
        let from = self.account(candidate.from)?;
        let mentions = self.mentions(&candidate);
        let mut append = plain_append(
            candidate.conversation,
            candidate.id,
            from,
            self.now,
            candidate.body,
        );
        append.target_by = guards.target_by;
        append.changes = guards.changes;
        append.changes.extend(mentions);
        Some(append)
    }

    /// Refuses an entry, and for a while those after it, if it may come again.
    pub(super) fn turn_away(
        &mut self,
        origin: &Origin,
        conversation: ConversationId,
        id: SendId,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        match *origin {
            Origin::Send { link, request } => {
                let is_retryable = refusal.is_retryable();
                self.refuse_send(link, request, refusal, out);
                if is_retryable {
                    self.block(link, conversation, (request, id), out);
                }
            }
            Origin::Say(account, token) => self.said(account, token, Err(refusal), out),
            Origin::Change(..) | Origin::Operator(..) | Origin::Server(_) | Origin::File(..) => {}
        }
    }

    pub(super) fn resolve(&self, target: &Target, account: AccountId) -> Result<Place, Refusal> {
        match target {
            Target::Conversation(_) | Target::Room(_) => Ok(Place {
                conversation: self.find_room(target, account)?,
                other: None,
            }),
            Target::Account(name) => {
                let other = self.accounts.id_of(name);
                let other = other.ok_or_else(|| Refusal::new(Code::NoSuchAccount))?;
                Ok(Place {
                    conversation: ConversationId::direct(account, other),
                    other: Some(other),
                })
            }
        }
    }

    /// The conversation that a target names, if the account may know of it.
    pub(super) fn find_room(
        &self,
        target: &Target,
        account: AccountId,
    ) -> Result<ConversationId, Refusal> {
        let id = match target {
            Target::Conversation(id) => Some(*id),
            Target::Room(name) => self.room_names.get(name).copied(),
            Target::Account(name) => {
                let other = self.accounts.id_of(name);
                let other = other.ok_or_else(|| Refusal::new(Code::NoSuchAccount))?;
                Some(ConversationId::direct(account, other))
            }
        };
        let room = id.and_then(|id| self.rooms.get(&id));
        let room = room.ok_or_else(|| Refusal::new(Code::NoSuchRoom))?;
        let known = room.record.public || room.members.contains_key(&account);
        // That a private room exists is nobody's business.
        if known || self.is_admin(account) && !room.is_direct() {
            Ok(room.record.id)
        } else {
            Err(Code::NoSuchRoom.into())
        }
    }

    pub(super) fn refuse_send(
        &mut self,
        id: LinkId,
        request: RequestId,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.sends = link.sends.saturating_sub(1);
        out.push(Effect::Send(id, ToClient::Error(request, refusal)));
    }

    pub(super) fn ack(
        &mut self,
        id: LinkId,
        request: RequestId,
        conversation: ConversationId,
        seq: Seq,
        send: SendId,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.sends = link.sends.saturating_sub(1);
        out.push(Effect::Send(
            id,
            ToClient::Ack {
                request,
                conversation,
                seq,
                id: send,
            },
        ));
    }

    /// Later sends of this link and conversation are refused until this one comes again.
    ///
    /// A later one may have failed before it, in a look-up while this one was being written: then this
    /// one is the first that has to come again.
    pub(super) fn block(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        send: (RequestId, SendId),
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let first = link.blocked.entry(conversation).or_insert(send);
        if send.0 < first.0 {
            *first = send;
        }
        // Nobody is in more conversations; who tries new ones all the time must not fill our memory.
        if link.blocked.len() > limits::CONVERSATIONS {
            let text = "too many conversations wait for a refused send";
            self.close(id, ByeReason::Violation, text, out);
        }
    }

    pub(super) fn handle_cancel(&mut self, id: LinkId, target: &Target, send: SendId) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let Ok(place) = self.resolve(target, link.account) else {
            return;
        };
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let first = link.blocked.get(&place.conversation);
        if first.is_some_and(|(_, first)| *first == send) {
            link.blocked.remove(&place.conversation);
        }
    }
}
