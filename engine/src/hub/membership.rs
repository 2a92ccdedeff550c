//! Rooms: making them, and who is in.

use super::account::AccountState;
use super::hooks::NewRoom;
use super::room::{MemberState, RoomState, Seat};
use super::sending::Origin;
use super::{
    Asked, ConversationId, Effect, Hub, LinkId, Pending, SendId, Seq, limits, plain_append,
};
use crate::id::{AccountId, Epoch};
use crate::model::{
    AccountName, AdminAnswer, Answer, Body, Change, Code, Entry, GapReason, History, MemberChange,
    Refusal, Rights, Role, Room, RoomName, Standing, Target, ToClient, UnixTime,
};
use crate::port::{DirectoryChange, HookSet, MemberUpdate, SpanUpdate, Write};

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
    pub(super) fn create_room(
        &mut self,
        asked: Asked,
        name: &RoomName,
        public: bool,
        history: Option<History>,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let name = RoomName::new(name.as_str())
            .map_err(|bad| Refusal::because(Code::BadName, bad.to_string()))?;
        let room = NewRoom {
            name,
            public,
            history,
        };
        self.may_make(asked, &room)?;
        if self.hooks.wants(HookSet::ENTRY) {
            self.ask_room(asked, room, out)?;
            return Ok(None);
        }
        self.make_room(asked, room, out)
    }

    /// Makes a room that nobody minds.
    pub(super) fn make_room(
        &mut self,
        asked: Asked,
        room: NewRoom,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        self.may_make(asked, &room)?;
        let NewRoom {
            name,
            public,
            history,
        } = room;
        let fallback = if public {
            History::All
        } else {
            History::SinceJoin
        };
        let room = self.new_room(name, public, history.unwrap_or(fallback));
        let conversation = room.id;
        let decision = Decision {
            subject: asked.account,
            standing: Standing::In,
            role: Role::Owner,
            muted_until: UnixTime(0),
            span: SpanUpdate::Open,
        };
        let mut changes = vec![DirectoryChange::AddRoom(room)];
        changes.push(decision.update(conversation));
        let origin = Origin::Change(asked, asked.account);
        self.enter_change(
            asked.account,
            conversation,
            &decision,
            Change::Joined,
            changes,
            origin,
            out,
        );
        Ok(None)
    }

    /// Rooms that nobody is in any more count for all who were: else one could make a room, leave it, and
    /// make the next.
    pub(super) fn holds_enough_rooms(&self, owner: &AccountState) -> bool {
        let account = owner.record.id;
        let rooms = owner
            .conversations
            .iter()
            .filter_map(|id| self.rooms.get(id));
        let owned = rooms.filter(|room| {
            let member = room.members.get(&account);
            let owns = |member: &MemberState| {
                member.standing == Standing::In && member.role == Role::Owner
            };
            !room.is_direct() && (room.count == 0 || member.is_some_and(owns))
        });
        owned.count() >= limits::ROOMS_PER_ACCOUNT
    }

    fn new_room(&mut self, name: RoomName, public: bool, history: History) -> Room {
        let mut id = ConversationId::default();
        self.random.fill(&mut id.0);
        Room {
            id,
            name: Some(name),
            public,
            history,
            topic: String::new(),
            epoch: Epoch(self.random.number()),
            head: Seq::ZERO,
            first: Seq(1),
            counted: 0,
        }
    }

    /// The epoch of a direct conversation that is about to be made. Derived and not drawn: two first
    /// sends may cross, and must agree.
    pub(super) fn new_epoch(&self, conversation: ConversationId) -> Epoch {
        let mut hasher = blake3::Hasher::new_derive_key("libchat 1 direct epoch");
        hasher.update(&conversation.0);
        hasher.update(&self.policy.epoch_seed);
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        Epoch(u64::from_be_bytes(bytes))
    }

    /// Makes the lobby at the first start.
    pub(super) fn open_lobby(&mut self, out: &mut Vec<Effect>) {
        if self.lobby.is_some() {
            return;
        }
        let Some(name) = self.policy.lobby.clone() else {
            return;
        };
        let room = self.new_room(name, true, History::All);
        let change = DirectoryChange::AddRoom(room);
        self.write(Write::Change(vec![change]), Pending::Nobody, out);
    }

    /// Puts a new account into the lobby.
    pub(super) fn enter_lobby(&mut self, account: AccountId, out: &mut Vec<Effect>) {
        let Some(lobby) = self.lobby else { return };
        let Some(room) = self.rooms.get(&lobby) else {
            return;
        };
        if room.count >= limits::LOBBY_MEMBERS || room.members.contains_key(&account) {
            return;
        }
        let wish = Wish {
            by: By::Server,
            actor: account,
            account: None,
            change: Change::Joined,
            role: None,
            seconds: 0,
            vetted: false,
        };
        // A lobby that is too busy or refuses is no reason not to let the account in.
        if let Err(refusal) = self.wish_change(lobby, wish, out) {
            tracing::debug!(%account, %refusal, "not put into the lobby");
        }
    }

    /// Takes an account out of all its rooms, before it is deleted.
    pub(super) fn leave_everything(&mut self, account: AccountId, out: &mut Vec<Effect>) {
        let Some(state) = self.account(account) else {
            return;
        };
        for conversation in state.conversations.clone() {
            let Some(room) = self.rooms.get(&conversation) else {
                continue;
            };
            if room.is_direct() || !room.is_in(account) {
                continue;
            }
            let decision = Decision {
                subject: account,
                standing: Standing::Out,
                role: Role::Member,
                muted_until: UnixTime(0),
                span: SpanUpdate::Close,
            };
            let changes = vec![decision.update(conversation)];
            let origin = Origin::Server(account);
            self.enter_change(
                account,
                conversation,
                &decision,
                Change::Left,
                changes,
                origin,
                out,
            );
        }
    }

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

    /// The role of an account in a room, with what the server's administrators may do everywhere.
    pub(super) fn role_in(&self, room: &RoomState, account: AccountId) -> Role {
        let role = room
            .members
            .get(&account)
            .map_or(Role::Member, |member| member.role);
        if self.is_admin(account) {
            Role::Owner
        } else {
            role
        }
    }

    /// Whether this is the server's own account, which is in no room and may do everything in each.
    fn is_operator(&self, account: AccountId) -> bool {
        self.accounts.id_of(&AccountName::server()) == Some(account)
    }

    pub(super) fn is_admin(&self, account: AccountId) -> bool {
        self.account(account)
            .is_some_and(|state| state.record.rights == Rights::Admin)
    }

    /// Appends the entry of a membership change.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is needed once, and a struct would be made for one call"
    )]
    fn enter_change(
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

    /// A membership changed with this entry: seats come and go with it.
    pub(super) fn member_changed(
        &mut self,
        update: &MemberUpdate,
        entry: &Entry,
        out: &mut Vec<Effect>,
    ) {
        let (conversation, account) = (update.conversation, update.account);
        match update.span {
            SpanUpdate::Open => {
                self.cursor_moved(conversation, account);
                let links = self.account(account).map(|state| state.links.clone());
                for link in links.unwrap_or_default() {
                    self.sit_down(link, conversation, account, entry, out);
                }
                self.presence_joined(conversation, account);
            }
            SpanUpdate::Close => {
                let item = self.conversation(conversation, account);
                let Some(room) = self.rooms.get_mut(&conversation) else {
                    return;
                };
                for seat in room.seats.iter_mut().filter(|seat| seat.account == account) {
                    seat.until = entry.seq;
                    if let Some(item) = item.clone() {
                        let items = vec![item];
                        out.push(Effect::Send(
                            seat.link,
                            ToClient::Conversations { items, more: false },
                        ));
                    }
                }
            }
            SpanUpdate::Keep => {
                if update.standing == Standing::Invited {
                    self.tell_invited(conversation, account, entry, out);
                }
            }
        }
    }

    /// A link of a new member gets a seat, from this entry on.
    fn sit_down(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        account: AccountId,
        entry: &Entry,
        out: &mut Vec<Effect>,
    ) {
        // Its streams do not run yet: it gets the seat with the others.
        if self
            .links
            .get(id)
            .is_none_or(|link| link.positions.is_some())
        {
            return;
        }
        let Some(item) = self.conversation(conversation, account) else {
            return;
        };
        let Some(room) = self.rooms.get_mut(&conversation) else {
            return;
        };
        let held = room.seat_mut(id).map(|seat| seat.until);
        if held == Some(Seq::MAX) {
            return;
        }
        let spans = room
            .members
            .get(&account)
            .map_or(&[][..], |member| &member.spans);
        // Where its last membership ended; it may have entries up to there.
        let known = spans
            .len()
            .checked_sub(2)
            .and_then(|index| spans.get(index));
        let from = known.map_or(Seq(1), |span| span.to.next());
        let reads_on = held.is_some();
        let (history, epoch) = (room.record.history, room.record.epoch);
        out.push(Effect::Send(
            id,
            ToClient::Conversations {
                items: vec![item],
                more: false,
            },
        ));
        if reads_on {
            // It had not read its last membership to the end: it goes on from there.
            if let Some(seat) = room.seat_mut(id) {
                seat.until = Seq::MAX;
            }
            return;
        }
        if from <= entry.prev {
            let reason = match history {
                History::All => GapReason::Skipped,
                History::SinceJoin => GapReason::Hidden,
            };
            let to = entry.prev;
            out.push(Effect::Send(
                id,
                ToClient::Gap {
                    conversation,
                    epoch,
                    from,
                    to,
                    reason,
                },
            ));
        }
        room.sit_down(Seat {
            link: id,
            account,
            pushed: entry.prev,
            until: Seq::MAX,
            live: true,
        });
    }

    fn tell_invited(
        &self,
        conversation: ConversationId,
        account: AccountId,
        entry: &Entry,
        out: &mut Vec<Effect>,
    ) {
        let Some(name) = self
            .rooms
            .get(&conversation)
            .and_then(|room| room.record.name.clone())
        else {
            return;
        };
        let Some(state) = self.account(account) else {
            return;
        };
        for link in &state.links {
            let text = format!(
                "{} invites you to the room {name}; join it to accept",
                entry.from_name
            );
            let from = "server".to_owned();
            out.push(Effect::Send(
                *link,
                ToClient::Notice {
                    from,
                    text,
                    conversation: None,
                },
            ));
        }
    }
}

impl Decision {
    fn update(&self, conversation: ConversationId) -> DirectoryChange {
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
