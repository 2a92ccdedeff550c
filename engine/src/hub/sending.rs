//! Sends on their way into a log.

use std::collections::VecDeque;

use super::room::RoomState;
use super::visible::visible;
use super::{
    Asked, ConversationId, Effect, Hub, Link, LinkId, Load, Pending, SendId, Seq, limits,
    plain_append, storage_refusal,
};
use crate::id::{AccountId, RequestId};
use crate::model::{
    Answer, Body, ByeReason, Code, Entry, Extensions, History, Kind, Refusal, Role, Room, Send,
    Standing, Target, ToClient, UnixTime,
};
use crate::port::{Append, DirectoryChange, Fault, MemberUpdate, SpanUpdate, Write};

/// An append whose outcome is waited for.
#[derive(Debug)]
pub(super) struct Appending {
    pub(super) conversation: ConversationId,
    pub(super) id: SendId,
    /// What it holds of the append queue.
    pub(super) bytes: usize,
    pub(super) origin: Origin,
}

/// Who waits for an append.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// A send of a link.
    Send { link: LinkId, request: RequestId },
    /// A request for a change of this account's membership.
    Change(Asked, AccountId),
    /// The server itself changes this account's membership.
    Server(AccountId),
}

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

/// The sends of one link into one conversation, while something holds them back.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) conversation: ConversationId,
    /// One send is being looked up. The others wait for that, whatever else they waited for.
    looking: bool,
    queue: VecDeque<Parked>,
}

/// Where a target leads.
struct Place {
    conversation: ConversationId,
    other: Option<AccountId>,
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
        if let Some(hold) = link.hold_mut(parked.conversation) {
            hold.queue.push_back(parked);
            return;
        }
        self.consider(parked, out);
    }

    /// A send whose turn it is.
    fn consider(&mut self, parked: Parked, out: &mut Vec<Effect>) {
        let (id, request) = (parked.link, parked.send.request);
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let (account, conversation) = (link.account, parked.conversation);
        match link.blocked.get(&conversation) {
            Some((_, first)) if *first == parked.send.id => {
                link.blocked.remove(&conversation);
            }
            Some(_) => {
                let refusal = Refusal::new(Code::AfterRefused).retry_in(500);
                return self.refuse_send(id, request, refusal, out);
            }
            None => {}
        }
        if parked.send.again {
            // It may stand in the log already, whatever its sender may do by now.
            link.held.push(Hold {
                conversation,
                looking: true,
                queue: VecDeque::new(),
            });
            let load = Load::Lookup(account, parked.send.id);
            return self.load(load, Pending::Lookup(Box::new(parked)), out);
        }
        if self.is_changing(conversation, account) {
            // Its membership changes right now: what it may do depends on that entry's place.
            if let Some(link) = self.links.get_mut(id) {
                link.held.push(Hold {
                    conversation,
                    looking: false,
                    queue: VecDeque::from([parked]),
                });
            }
            return;
        }
        if let Some(refusal) = self.judge(parked, out) {
            self.refuse_send(id, request, refusal, out);
        }
    }

    fn is_changing(&self, conversation: ConversationId, account: AccountId) -> bool {
        let room = self.rooms.get(&conversation);
        room.is_some_and(|room| room.changing.contains(&account))
    }

    /// What was held back goes on, until something holds it again.
    pub(super) fn release(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Some(index) = link
            .held
            .iter()
            .position(|hold| hold.conversation == conversation && !hold.looking)
        else {
            return;
        };
        let mut queue = link.held.swap_remove(index).queue;
        while let Some(parked) = queue.pop_front() {
            self.consider(parked, out);
            let Some(link) = self.links.get_mut(id) else {
                return;
            };
            if let Some(hold) = link.hold_mut(conversation) {
                hold.queue.extend(queue);
                return;
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
                let link = self.links.get_mut(id);
                if let Some(hold) = link.and_then(|link| link.hold_mut(conversation)) {
                    hold.queue.push_front(parked);
                }
                return;
            }
            Ok(None) => {
                let (request, send_id) = (parked.send.request, parked.send.id);
                let was_refused = parked.refused.clone();
                match (was_refused.or_else(|| self.judge(parked, out)), is_second) {
                    (Some(refusal), true) => self.refuse_send(id, request, refusal, out),
                    (Some(refusal), false) => {
                        return self.look_again(id, conversation, (request, send_id), refusal, out);
                    }
                    (None, _) => {}
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

    /// Decides about a send, and appends it or lets it come again later; hands out a refusal for good.
    fn judge(&mut self, parked: Parked, out: &mut Vec<Effect>) -> Option<Refusal> {
        let (id, request) = (parked.link, parked.send.request);
        let (conversation, send_id) = (parked.conversation, parked.send.id);
        match self.admit(parked) {
            Ok(append) => {
                let origin = Origin::Send { link: id, request };
                self.append(append, origin, out);
                None
            }
            Err(refusal) if refusal.is_retryable() => {
                self.refuse_send(id, request, refusal, out);
                self.block(id, conversation, (request, send_id), out);
                None
            }
            Err(refusal) => Some(refusal),
        }
    }

    /// Hands an append to the store; what it holds of the queue is counted until it is settled.
    pub(super) fn append(&mut self, append: Append, origin: Origin, out: &mut Vec<Effect>) {
        let bytes = append.body.data.len() + append.body.extensions.encoded_len() + 256;
        self.appending += bytes;
        let pending = Pending::Append(Appending {
            conversation: append.conversation,
            id: append.id,
            bytes,
            origin,
        });
        self.write(Write::Append(append), pending, out);
    }

    fn admit(&self, parked: Parked) -> Result<Append, Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS));
        }
        if self.appending > limits::APPEND_QUEUE_BYTES {
            return Err(Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS));
        }
        let Some(link) = self.links.get(parked.link) else {
            return Err(Code::Internal.into());
        };
        let Some(account) = self.account(link.account) else {
            return Err(Code::Internal.into());
        };
        let Send { id, body, .. } = parked.send;
        self.check_send_id(id)?;
        check_body(&body)?;
        let mut append = plain_append(parked.conversation, id, account, self.now, body);
        match self.rooms.get(&parked.conversation) {
            Some(room) => self.admit_into(room, link, &mut append)?,
            None => {
                let (conversation, other) = (parked.conversation, parked.other);
                append.changes =
                    self.direct_changes(conversation, link.account, other, &append.body)?;
            }
        }
        Ok(append)
    }

    /// Rights and targets in a conversation that exists.
    fn admit_into(
        &self,
        room: &RoomState,
        link: &Link,
        append: &mut Append,
    ) -> Result<(), Refusal> {
        let account = link.account;
        let member = room.members.get(&account);
        let Some(member) = member.filter(|member| member.standing == Standing::In) else {
            let banned = member.is_some_and(|member| member.standing == Standing::Banned);
            return Err(if banned {
                Code::Banned
            } else {
                Code::NotAMember
            }
            .into());
        };
        let role = self.role_in(room, account);
        if member.muted_until > self.now.date && role < Role::Owner {
            return Err(muted(member.muted_until, self.now.date));
        }
        if append.body.kind == Kind::TOPIC {
            if room.is_direct() {
                return Err(no_topic());
            }
            if role < Role::Moderator {
                return Err(Refusal::because(
                    Code::Forbidden,
                    "only moderators set the topic",
                ));
            }
            let topic = String::from_utf8_lossy(&append.body.data).into_owned();
            append
                .changes
                .push(DirectoryChange::SetTopic(append.conversation, topic));
        }
        if let Some(target) = append.body.target {
            let seen = visible(room, account).contains(target) && target <= room.record.head;
            if !seen || target < room.record.first {
                return Err(Code::NoSuchEntry.into());
            }
        }
        append.target_by = match append.body.kind {
            Kind::EDIT => Some(account),
            Kind::REDACTION if role < Role::Moderator => Some(account),
            _ => None,
        };
        Ok(())
    }

    /// What makes a direct conversation of its first entry.
    fn direct_changes(
        &self,
        conversation: ConversationId,
        account: AccountId,
        other: Option<AccountId>,
        body: &Body,
    ) -> Result<Vec<DirectoryChange>, Refusal> {
        let Some(other) = other else {
            return Err(Code::NoSuchRoom.into());
        };
        if body.target.is_some() {
            return Err(Code::NoSuchEntry.into());
        }
        if body.kind == Kind::TOPIC {
            return Err(no_topic());
        }
        for member in [account, other] {
            let held = self
                .account(member)
                .map_or(0, |state| state.conversations.len());
            if held >= limits::CONVERSATIONS {
                return Err(Code::TooMany.into());
            }
        }
        let room = Room {
            id: conversation,
            name: None,
            public: false,
            history: History::All,
            topic: String::new(),
            epoch: self.new_epoch(conversation),
            head: Seq::ZERO,
            first: Seq(1),
            counted: 0,
        };
        let member = |account| {
            DirectoryChange::SetMember(MemberUpdate {
                conversation,
                account,
                standing: Standing::In,
                role: Role::Member,
                muted_until: UnixTime(0),
                span: SpanUpdate::Open,
            })
        };
        let mut changes = vec![DirectoryChange::AddRoom(room), member(account)];
        if other != account {
            changes.push(member(other));
        }
        Ok(changes)
    }

    fn check_send_id(&self, id: SendId) -> Result<(), Refusal> {
        let (date, made) = (self.now.date, id.time());
        if id.0[6] >> 4 != 7 || made > date + limits::SEND_ID_AHEAD {
            return Err(Code::BadSendId.into());
        }
        if made < date - limits::SEND_ID_MEMORY {
            return Err(Code::SendExpired.into());
        }
        Ok(())
    }

    fn resolve(&self, target: &Target, account: AccountId) -> Result<Place, Refusal> {
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

    fn refuse_send(
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

    fn ack(
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
    fn block(
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

    /// An entry was in the log already.
    pub(super) fn append_known(
        &mut self,
        append: Appending,
        conversation: ConversationId,
        seq: Seq,
        out: &mut Vec<Effect>,
    ) {
        self.appending = self.appending.saturating_sub(append.bytes);
        match append.origin {
            Origin::Send { link, request } if conversation == append.conversation => {
                self.ack(link, request, conversation, seq, append.id, out);
            }
            Origin::Send { link, request } => {
                self.refuse_send(link, request, Code::SendIdReused.into(), out);
            }
            Origin::Change(asked, subject) => {
                self.answer(asked, Ok(Answer::Entered { conversation, seq }), out);
                self.change_settled(append.conversation, subject, out);
            }
            Origin::Server(subject) => self.change_settled(append.conversation, subject, out),
        }
    }

    pub(super) fn append_failed(
        &mut self,
        append: Appending,
        fault: &Fault,
        out: &mut Vec<Effect>,
    ) {
        self.appending = self.appending.saturating_sub(append.bytes);
        match append.origin {
            Origin::Send { link, request } => {
                let mut refusal = match fault {
                    // Another send made the conversation first: this one is fine as it is.
                    Fault::Taken => Refusal::new(Code::Conflict).retry_in(0),
                    fault => storage_refusal(fault),
                };
                let is_retryable = refusal.is_retryable();
                let is_later = self
                    .links
                    .get(link)
                    .and_then(|link| link.blocked.get(&append.conversation))
                    .is_some_and(|(first, _)| *first < request);
                if is_retryable && is_later {
                    refusal = Refusal::new(Code::AfterRefused).retry_in(500);
                }
                self.refuse_send(link, request, refusal, out);
                if is_retryable {
                    self.block(link, append.conversation, (request, append.id), out);
                }
            }
            Origin::Change(asked, subject) => {
                let refusal = match fault {
                    Fault::Taken => Code::RoomExists.into(),
                    fault => storage_refusal(fault),
                };
                self.answer(asked, Err(refusal), out);
                self.change_settled(append.conversation, subject, out);
            }
            Origin::Server(subject) => self.change_settled(append.conversation, subject, out),
        }
    }

    /// Tells who waited for an append that it is in the log.
    pub(super) fn append_settled(
        &mut self,
        append: &Appending,
        entry: &Entry,
        out: &mut Vec<Effect>,
    ) {
        self.appending = self.appending.saturating_sub(append.bytes);
        match append.origin {
            Origin::Send { link, request } => {
                self.ack(link, request, entry.conversation, entry.seq, entry.id, out);
            }
            Origin::Change(asked, _) => {
                let answer = Answer::Entered {
                    conversation: entry.conversation,
                    seq: entry.seq,
                };
                self.answer(asked, Ok(answer), out);
            }
            Origin::Server(_) => {}
        }
    }
}

/// What every server checks of a body, whoever sends it.
fn check_body(body: &Body) -> Result<(), Refusal> {
    if body.extensions.encoded_len() > limits::EXTENSION_BYTES {
        return Err(Refusal::because(
            Code::TooLong,
            "the extensions of an entry are too long",
        ));
    }
    if body.extensions.get(Extensions::DELETED).is_some() || body.blob.is_some() {
        return Err(Refusal::because(
            Code::BadRequest,
            "only the server may set that",
        ));
    }
    let limit = match body.kind {
        Kind::TEXT | Kind::EDIT => limits::TEXT_BYTES,
        Kind::REDACTION => 0,
        Kind::REACTION => limits::REACTION_BYTES,
        Kind::TOPIC => limits::TOPIC_BYTES,
        Kind::FILE | Kind::MEMBER => {
            return Err(Refusal::because(
                Code::BadRequest,
                "only the server makes such entries",
            ));
        }
        // Kinds that clients agree on among themselves.
        Kind(32..) => limits::TEXT_BYTES,
        _ => return Err(Code::NotSupported.into()),
    };
    if body.data.len() > limit {
        let text = format!(
            "the text has {} bytes, and {limit} are allowed",
            body.data.len()
        );
        return Err(Refusal::because(Code::TooLong, text));
    }
    if body.kind.0 < 32 && std::str::from_utf8(&body.data).is_err() {
        return Err(Refusal::because(Code::BadRequest, "the text is not UTF-8"));
    }
    if matches!(body.kind, Kind::TEXT | Kind::EDIT) && body.data.is_empty() {
        return Err(Code::Empty.into());
    }
    let needs_target = matches!(body.kind, Kind::EDIT | Kind::REDACTION | Kind::REACTION);
    if needs_target && body.target.is_none() {
        return Err(Code::NoSuchEntry.into());
    }
    Ok(())
}

fn no_topic() -> Refusal {
    Refusal::because(Code::BadRequest, "a direct conversation has no topic")
}

fn muted(until: UnixTime, now: UnixTime) -> Refusal {
    if until == UnixTime(u64::MAX) {
        return Code::Muted.into();
    }
    let seconds = until.seconds().saturating_sub(now.seconds()).max(1);
    Refusal::because(
        Code::Muted,
        format!("you are muted in this room for another {seconds} s"),
    )
}
