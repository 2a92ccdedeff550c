//! Rooms: making them, and who is in.

use super::account::AccountState;
use super::appending::Origin;
use super::change::{By, Decision, Wish};
use super::hooks::NewRoom;
use super::room::{MemberState, RoomState, Seat};
use super::{Asked, ConversationId, Effect, Hub, LinkId, Pending, Seq, limits};
use crate::id::{AccountId, Epoch};
use crate::model::{
    AccountName, Answer, Change, Code, Entry, GapReason, History, Refusal, Rights, Role, Room,
    RoomName, Standing, ToClient, UnixTime,
};
use crate::port::{DirectoryChange, HookSet, MemberUpdate, SpanUpdate, Write};

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
    pub(super) fn is_operator(&self, account: AccountId) -> bool {
        self.accounts.id_of(&AccountName::server()) == Some(account)
    }

    pub(super) fn is_admin(&self, account: AccountId) -> bool {
        self.account(account)
            .is_some_and(|state| state.record.rights == Rights::Admin)
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
