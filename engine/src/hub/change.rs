//! Changes of memberships: what somebody may change, and what it comes to.

use super::appending::Origin;
use super::room::{MemberState, RoomState};
use super::{Asked, ConversationId, Effect, Hub, SendId, limits, plain_append};
use crate::id::AccountId;
use crate::model::{
    AccountName, AdminAnswer, Answer, Body, Change, Code, MemberChange, Refusal, Role, Standing,
    Target, UnixTime,
};
use crate::port::{DirectoryChange, HookSet, MemberUpdate, SpanUpdate};

/// A membership change that waits for another one of its room.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) by: By,
    pub(super) actor: AccountId,
    pub(super) account: Option<AccountName>,
    pub(super) change: Change,
    pub(super) role: Option<Role>,
    pub(super) seconds: u64,
    /// Plugins were asked about it.
    pub(super) vetted: bool,
}

/// Who wants a membership changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// Somebody, by a request.
    Link(Asked),
    /// The operator, by this wish.
    Operator(u64),
    /// The server itself, for the lobby.
    Server,
}

/// What a change comes to.
pub(super) struct Decision {
    pub(super) subject: AccountId,
    pub(super) standing: Standing,
    pub(super) role: Role,
    pub(super) muted_until: UnixTime,
    pub(super) span: SpanUpdate,
}

impl Hub {
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the fields of one request"
    )]
    pub(super) fn change_member(
        &mut self,
        asked: Asked,
        target: &Target,
        account: Option<&AccountName>,
        change: Change,
        role: Option<Role>,
        seconds: u64,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let conversation = self.find_room(target, asked.account)?;
        let wish = Wish {
            by: By::Link(asked),
            actor: asked.account,
            account: account.cloned(),
            change,
            role,
            seconds,
            vetted: false,
        };
        match self.queue_change(asked.link, conversation, wish) {
            Some(wish) => self.wish_change(conversation, wish, out),
            None => Ok(None),
        }
    }

    /// Decides about a change, or lets it wait for the one that is under way.
    pub(super) fn wish_change(
        &mut self,
        conversation: ConversationId,
        wish: Wish,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let Some(room) = self.rooms.get_mut(&conversation) else {
            return Err(Code::NoSuchRoom.into());
        };
        if room.is_direct() {
            return Err(Refusal::because(
                Code::BadRequest,
                "a direct conversation has no members to change",
            ));
        }
        if !room.changing.is_empty() {
            if room.waiting.len() >= limits::WAITING_CHANGES {
                return Err(Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS));
            }
            room.waiting.push_back(wish);
            return Ok(None);
        }
        self.decide_change(conversation, wish, out)
    }

    fn decide_change(
        &mut self,
        conversation: ConversationId,
        wish: Wish,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS));
        }
        let Some(room) = self.rooms.get(&conversation) else {
            return Err(Code::NoSuchRoom.into());
        };
        let Some(decision) = self.decision(room, &wish)? else {
            return Ok(Some(Answer::Entered {
                conversation,
                seq: room.record.head,
            }));
        };
        if !wish.vetted && self.hooks.wants(HookSet::ENTRY) {
            self.ask_change(conversation, wish, &decision, out)?;
            return Ok(None);
        }
        let changes = vec![decision.update(conversation)];
        let subject = decision.subject;
        let origin = match wish.by {
            By::Link(asked) => Origin::Change(asked, subject),
            By::Operator(id) => Origin::Operator(id, subject),
            By::Server => Origin::Server(subject),
        };
        self.enter_change(
            wish.actor,
            conversation,
            &decision,
            wish.change,
            changes,
            origin,
            out,
        );
        Ok(None)
    }

    /// What a wish comes to; `None` when it is so already.
    fn decision(&self, room: &RoomState, wish: &Wish) -> Result<Option<Decision>, Refusal> {
        let actor = wish.actor;
        let subject = match &wish.account {
            Some(name) => {
                let id = self.accounts.id_of(name);
                id.ok_or_else(|| Refusal::new(Code::NoSuchAccount))?
            }
            None => actor,
        };
        let member = room.members.get(&subject);
        let now = Decision {
            subject,
            standing: member.map_or(Standing::Out, |member| member.standing),
            role: member.map_or(Role::Member, |member| member.role),
            muted_until: member.map_or(UnixTime(0), |member| member.muted_until),
            span: SpanUpdate::Keep,
        };
        let is_self = subject == actor;
        if matches!(wish.change, Change::Joined | Change::Left) != is_self {
            let text = if is_self {
                "that can only be done to others"
            } else {
                "others are invited or kicked, not joined or left"
            };
            return Err(Refusal::because(Code::BadRequest, text));
        }
        match wish.change {
            Change::Joined => self.join(room, now),
            Change::Left => leave(room, now).map(Some),
            Change::Invited => self.invite(room, actor, now),
            Change::Kicked => {
                self.outranks(room, actor, &now)?;
                if now.standing != Standing::In {
                    return Err(not_in_room());
                }
                Ok(Some(Decision {
                    standing: Standing::Out,
                    span: SpanUpdate::Close,
                    ..now.plain()
                }))
            }
            Change::Banned => {
                self.outranks(room, actor, &now)?;
                has_record_space(room, subject)?;
                let span = match now.standing {
                    Standing::Banned => return Ok(None),
                    Standing::In => SpanUpdate::Close,
                    Standing::Out | Standing::Invited => SpanUpdate::Keep,
                };
                Ok(Some(Decision {
                    standing: Standing::Banned,
                    span,
                    ..now.plain()
                }))
            }
            Change::Unbanned => {
                self.outranks(room, actor, &now)?;
                let is_banned = now.standing == Standing::Banned;
                Ok(is_banned.then_some(Decision {
                    standing: Standing::Out,
                    ..now
                }))
            }
            Change::Role => self.change_role(room, actor, wish.role, now),
            Change::Muted | Change::Unmuted => {
                self.outranks(room, actor, &now)?;
                if now.standing != Standing::In {
                    return Err(not_in_room());
                }
                let muted_until = match (wish.change, wish.seconds) {
                    (Change::Unmuted, _) => UnixTime(0),
                    (_, 0) => UnixTime(u64::MAX),
                    (_, seconds) => self.now.date + std::time::Duration::from_secs(seconds),
                };
                Ok((muted_until != now.muted_until).then_some(Decision { muted_until, ..now }))
            }
        }
    }

    fn join(&self, room: &RoomState, now: Decision) -> Result<Option<Decision>, Refusal> {
        match now.standing {
            Standing::In => return Ok(None),
            Standing::Banned => return Err(Code::Banned.into()),
            Standing::Invited => {}
            Standing::Out if room.record.public || self.is_admin(now.subject) => {}
            Standing::Out => return Err(Code::NotInvited.into()),
        }
        // Who comes back holds the conversation already.
        let was_in = room
            .members
            .get(&now.subject)
            .is_some_and(|member| !member.spans.is_empty());
        let held = self
            .account(now.subject)
            .map_or(0, |state| state.conversations.len());
        if room.count >= limits::MEMBERS || !was_in && held >= limits::CONVERSATIONS {
            return Err(Code::TooMany.into());
        }
        let decision = Decision {
            standing: Standing::In,
            span: SpanUpdate::Open,
            ..now
        };
        Ok(Some(Decision {
            role: Role::Member,
            ..decision
        }))
    }

    fn invite(
        &self,
        room: &RoomState,
        actor: AccountId,
        now: Decision,
    ) -> Result<Option<Decision>, Refusal> {
        let is_operator = self.is_operator(actor);
        if !is_operator && !room.is_in(actor) {
            return Err(Code::NotAMember.into());
        }
        if !is_operator && !room.record.public && self.role_in(room, actor) < Role::Moderator {
            return Err(Refusal::because(
                Code::Forbidden,
                "only moderators invite into this room",
            ));
        }
        match now.standing {
            Standing::In | Standing::Invited => Ok(None),
            Standing::Banned => Err(Refusal::because(
                Code::Forbidden,
                "that account is banned from the room; unban it first",
            )),
            Standing::Out => {
                has_record_space(room, now.subject)?;
                Ok(Some(Decision {
                    standing: Standing::Invited,
                    ..now
                }))
            }
        }
    }

    fn change_role(
        &self,
        room: &RoomState,
        actor: AccountId,
        role: Option<Role>,
        now: Decision,
    ) -> Result<Option<Decision>, Refusal> {
        let Some(role) = role else {
            return Err(Code::BadRole.into());
        };
        let is_operator = self.is_operator(actor);
        if !is_operator && !room.is_in(actor) {
            return Err(Code::NotAMember.into());
        }
        if !is_operator && self.role_in(room, actor) < Role::Owner {
            return Err(Refusal::because(Code::Forbidden, "only owners give roles"));
        }
        if now.standing != Standing::In {
            return Err(not_in_room());
        }
        if now.role == Role::Owner && role < Role::Owner && owners(room) == 1 {
            return Err(Code::LastOwner.into());
        }
        Ok((role != now.role).then_some(Decision { role, ..now }))
    }

    /// Whether the actor may do something to the subject.
    fn outranks(
        &self,
        room: &RoomState,
        actor: AccountId,
        subject: &Decision,
    ) -> Result<(), Refusal> {
        if self.is_operator(actor) {
            return Ok(());
        }
        if !room.is_in(actor) {
            return Err(Code::NotAMember.into());
        }
        let role = self.role_in(room, actor);
        let theirs = if subject.standing == Standing::In {
            subject.role
        } else {
            Role::Member
        };
        if role < Role::Moderator {
            return Err(Refusal::because(Code::Forbidden, "only moderators do that"));
        }
        if theirs >= role && !(role == Role::Owner && self.is_admin(actor)) {
            return Err(Refusal::because(
                Code::Forbidden,
                "that member has as many rights as you",
            ));
        }
        Ok(())
    }

    /// Appends the entry of a membership change.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is needed once, and a struct would be made for one call"
    )]
    pub(super) fn enter_change(
        &mut self,
        actor: AccountId,
        conversation: ConversationId,
        decision: &Decision,
        change: Change,
        changes: Vec<DirectoryChange>,
        origin: Origin,
        out: &mut Vec<Effect>,
    ) {
        let mut random = [0; 10];
        self.random.fill(&mut random);
        let id = SendId::new(self.now.date, random);
        let (Some(from), Some(subject)) = (self.account(actor), self.account(decision.subject))
        else {
            return;
        };
        let body = Body::member(&MemberChange {
            account: decision.subject,
            name: subject.record.name.clone(),
            change,
            role: decision.role,
            until: decision.muted_until,
        });
        let mut append = plain_append(conversation, id, from, self.now, body);
        append.changes = changes;
        if let Some(room) = self.rooms.get_mut(&conversation) {
            room.changing.push(decision.subject);
        }
        self.append(append, origin, out);
    }

    /// A membership change is through: what waited for it goes on.
    pub(super) fn change_settled(
        &mut self,
        conversation: ConversationId,
        subject: AccountId,
        out: &mut Vec<Effect>,
    ) {
        let Some(room) = self.rooms.get_mut(&conversation) else {
            return;
        };
        let Some(index) = room.changing.iter().position(|held| *held == subject) else {
            return;
        };
        room.changing.swap_remove(index);
        let links = self.account(subject).map(|state| state.links.clone());
        for link in links.unwrap_or_default() {
            self.release(link, conversation, out);
        }
        self.settle_lost_lines(conversation, subject, out);
        self.release_files(conversation, subject, out);
        loop {
            let Some(room) = self.rooms.get_mut(&conversation) else {
                return;
            };
            if !room.changing.is_empty() {
                return;
            }
            let Some(wish) = room.waiting.pop_front() else {
                return;
            };
            let by = wish.by;
            if let Some(answer) = self.decide_change(conversation, wish, out).transpose() {
                self.answer_change(by, answer, out);
            }
        }
    }

    /// Tells who wanted a change what came of it.
    pub(super) fn answer_change(
        &mut self,
        by: By,
        answer: Result<Answer, Refusal>,
        out: &mut Vec<Effect>,
    ) {
        match (by, answer) {
            (By::Link(asked), answer) => self.answer(asked, answer, out),
            (By::Operator(id), answer) => {
                out.push(Effect::Admin(id, answer.map(|_| AdminAnswer::Done)));
            }
            (By::Server, Err(refusal)) => tracing::debug!(%refusal, "not put into the lobby"),
            (By::Server, Ok(_)) => {}
        }
    }
}

impl Decision {
    pub(super) fn update(&self, conversation: ConversationId) -> DirectoryChange {
        DirectoryChange::SetMember(MemberUpdate {
            conversation,
            account: self.subject,
            standing: self.standing,
            role: self.role,
            muted_until: self.muted_until,
            span: self.span,
        })
    }

    /// The same without rights and mutes, as who is put out loses them.
    fn plain(self) -> Self {
        Self {
            role: Role::Member,
            muted_until: UnixTime(0),
            ..self
        }
    }
}

fn leave(room: &RoomState, now: Decision) -> Result<Decision, Refusal> {
    if now.standing != Standing::In {
        return Err(Code::NotAMember.into());
    }
    if now.role == Role::Owner && owners(room) == 1 && room.count > 1 {
        return Err(Code::LastOwner.into());
    }
    // A mute outlasts leaving and coming back.
    let decision = Decision {
        standing: Standing::Out,
        span: SpanUpdate::Close,
        ..now
    };
    Ok(Decision {
        role: Role::Member,
        ..decision
    })
}

/// Whether the room may remember one more account that never came in: those are as many as somebody
/// cares to name.
fn has_record_space(room: &RoomState, account: AccountId) -> Result<(), Refusal> {
    if room.members.len() >= limits::MEMBER_RECORDS && !room.members.contains_key(&account) {
        return Err(Code::TooMany.into());
    }
    Ok(())
}

fn owners(room: &RoomState) -> usize {
    let is_owner =
        |member: &&MemberState| member.standing == Standing::In && member.role == Role::Owner;
    room.members.values().filter(is_owner).count()
}

fn not_in_room() -> Refusal {
    Refusal::because(Code::NotAMember, "that account is not a member of the room")
}
