//! Plugins and memberships: new rooms, and who comes, goes, and is put out.

use std::sync::Arc;

use super::hooks::{Awaited, NewRoom, refusal};
use super::membership::{Decision, Wish};
use super::{Asked, ConversationId, Effect, Hub, SendId, limits};
use crate::model::{Body, Change, Code, MemberChange, Refusal, Role, UnixTime};
use crate::port::{AskPlace, EntryAsk, Question, Verdict};

impl Hub {
    /// Whether somebody may make a room now.
    pub(super) fn may_make(&self, asked: Asked, room: &NewRoom) -> Result<(), Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS));
        }
        if self.room_names.contains_key(&room.name) {
            return Err(Code::RoomExists.into());
        }
        let Some(owner) = self.account(asked.account) else {
            return Err(Code::Internal.into());
        };
        if self.rooms.len() >= limits::ROOMS || owner.conversations.len() >= limits::CONVERSATIONS {
            return Err(Code::TooMany.into());
        }
        if self.holds_enough_rooms(owner) && !self.is_admin(asked.account) {
            let text = "an account owns so many rooms, and no more";
            return Err(Refusal::because(Code::TooMany, text));
        }
        Ok(())
    }

    /// Plugins see a new room as its owner's joining it.
    pub(super) fn ask_room(
        &mut self,
        asked: Asked,
        room: NewRoom,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Some(owner) = self.account(asked.account) else {
            return Err(Code::Internal.into());
        };
        let body = Body::member(&MemberChange {
            account: asked.account,
            name: owner.record.name.clone(),
            change: Change::Joined,
            role: Role::Owner,
            until: UnixTime(0),
        });
        let ask = EntryAsk {
            conversation: ConversationId::default(),
            place: AskPlace::Room(room.name.clone()),
            from: asked.account,
            from_name: owner.record.name.clone(),
            id: SendId::default(),
            time: self.now.date,
            body,
        };
        if !self.hooks.has_room() {
            return Err(Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS));
        }
        let awaited = Awaited::Create(asked, Box::new(room));
        self.question(awaited, Question::Entry(Arc::new(ask)), out);
        Ok(())
    }

    /// A change that waited for what its link did before.
    pub(super) fn take_turn(
        &mut self,
        conversation: ConversationId,
        wish: Wish,
        out: &mut Vec<Effect>,
    ) {
        let asked = wish.asked;
        let answer = self.wish_change(conversation, wish, out).transpose();
        if let (Some(asked), Some(answer)) = (asked, answer) {
            self.answer(asked, answer, out);
        }
    }

    /// What plugins say about a change. Everybody may leave.
    pub(super) fn change_answered(
        &mut self,
        conversation: ConversationId,
        wish: Wish,
        verdict: Verdict,
        out: &mut Vec<Effect>,
    ) {
        let actor = wish.actor;
        if let Some(room) = self.rooms.get_mut(&conversation)
            && let Some(index) = room.asking.iter().position(|held| *held == actor)
        {
            room.asking.swap_remove(index);
        }
        let refusal = refusal(verdict).filter(|_| wish.change != Change::Left);
        match (refusal, wish.asked) {
            (Some(refusal), Some(asked)) => self.answer(asked, Err(refusal), out),
            (Some(refusal), None) => {
                tracing::debug!(account = %actor, %refusal, "not put into the lobby");
            }
            (None, _) => {
                let wish = Wish {
                    vetted: true,
                    ..wish
                };
                self.take_turn(conversation, wish, out);
            }
        }
        let links = self.account(actor).map(|state| state.links.clone());
        for link in links.unwrap_or_default() {
            self.release(link, conversation, out);
        }
        self.settle_lost_lines(conversation, actor, out);
    }

    pub(super) fn ask_change(
        &mut self,
        conversation: ConversationId,
        wish: Wish,
        decision: &Decision,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let (Some(from), Some(subject)) =
            (self.account(wish.actor), self.account(decision.subject))
        else {
            return Err(Code::Internal.into());
        };
        if !self.hooks.has_room() {
            return Err(Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS));
        }
        let ask = EntryAsk {
            conversation,
            place: self.ask_place(conversation, wish.actor, None),
            from: wish.actor,
            from_name: from.record.name.clone(),
            id: SendId::default(),
            time: self.now.date,
            body: Body::member(&MemberChange {
                account: decision.subject,
                name: subject.record.name.clone(),
                change: wish.change,
                role: decision.role,
                until: decision.muted_until,
            }),
        };
        if let Some(room) = self.rooms.get_mut(&conversation) {
            room.asking.push(wish.actor);
        }
        let awaited = Awaited::Change(conversation, Box::new(wish));
        self.question(awaited, Question::Entry(Arc::new(ask)), out);
        Ok(())
    }
}
