//! Plugins and memberships: new rooms, and who comes, goes, and is put out.

use std::sync::Arc;

use super::change::{Decision, Wish};
use super::file::{Phase, Vetted};
use super::hooks::{Awaited, NewRoom, refusal};
use super::upload::check_name;
use super::{Asked, ConversationId, Effect, Hub, SendId, limits};
use crate::id::BlobId;
use crate::model::{Body, Change, Code, FileOffer, MemberChange, Refusal, Role, UnixTime};
use crate::port::{AskPlace, EntryAsk, FileAsk, FileStage, HookSet, Question, Verdict};

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
        let by = wish.by;
        if let Some(answer) = self.wish_change(conversation, wish, out).transpose() {
            self.answer_change(by, answer, out);
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
        match refusal {
            Some(refusal) => self.answer_change(wish.by, Err(refusal), out),
            None => {
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
        self.release_files(conversation, actor, out);
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

    // Files.

    /// Asks about an upload, unless it was asked about that before or nobody wants to know. Whether it
    /// waits now.
    pub(super) fn ask_about_file(
        &mut self,
        blob: BlobId,
        step: Vetted,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(upload) = self.files.uploads.get(&blob) else {
            return false;
        };
        let record = &upload.record;
        let is_wanted = match step {
            Vetted::Offer | Vetted::Complete => self.hooks.wants(HookSet::FILE),
            Vetted::Entry => self.are_asked(record.conversation, record.other.is_some()),
            Vetted::All => false,
        };
        // A file that is gone on with was offered in an earlier run.
        if !is_wanted || upload.vetted > step {
            return false;
        }
        let Some(from) = self.account(record.account) else {
            return false;
        };
        let hash = match upload.phase {
            Phase::Finishing(_, hash) => hash,
            _ => [0; 32],
        };
        let offer = FileOffer {
            name: record.name.clone(),
            size: record.size,
            media_type: record.media_type.clone(),
            hash,
        };
        let (conversation, id) = (record.conversation, record.id);
        let place = self.ask_place(conversation, record.account, record.other);
        let (account, from_name) = (record.account, from.record.name.clone());
        if !self.hooks.has_room() {
            let verdict = Verdict::Fault("the server is busy; try again soon".to_owned());
            self.file_answered(blob, step, verdict, out);
            return true;
        }
        let question = match step {
            Vetted::Entry => Question::Entry(Arc::new(EntryAsk {
                conversation,
                place,
                from: account,
                from_name,
                id,
                time: self.now.date,
                body: Body::file(blob, &offer),
            })),
            _ => Question::File(Arc::new(FileAsk {
                stage: match step {
                    Vetted::Offer => FileStage::Offer,
                    _ => FileStage::Complete,
                },
                conversation,
                place,
                from: account,
                from_name,
                blob,
                offer,
            })),
        };
        self.question(Awaited::File(blob, step), question, out);
        true
    }

    /// What plugins say about an upload. What they make of its text is its name.
    pub(super) fn file_answered(
        &mut self,
        blob: BlobId,
        step: Vetted,
        verdict: Verdict,
        out: &mut Vec<Effect>,
    ) {
        let Some(upload) = self.files.uploads.get_mut(&blob) else {
            return;
        };
        // It may have been given up meanwhile, or be gone on with over another link.
        let asked = match (upload.phase, step) {
            (Phase::Beginning(asked), Vetted::Offer) => asked,
            (Phase::Finishing(asked, _), Vetted::Complete | Vetted::Entry) => asked,
            _ => return,
        };
        upload.vetted = match step {
            Vetted::Offer => Vetted::Complete,
            Vetted::Complete => Vetted::Entry,
            Vetted::Entry | Vetted::All => Vetted::All,
        };
        let judged = match verdict {
            Verdict::Modified(name) => match String::from_utf8(name) {
                Ok(name) => check_name(&name).map(|()| upload.record.name = name),
                Err(_) => Err(Code::BadName.into()),
            }
            .map_err(|refusal: Refusal| {
                tracing::warn!(%refusal, "a plugin made a bad file name");
                let text = format!("a plugin of this server changed the name, and {refusal}");
                Refusal::because(Code::Rejected, text)
            }),
            verdict => refusal(verdict).map_or(Ok(()), Err),
        };
        match (judged, step) {
            (Ok(()), Vetted::Offer) => self.record_upload(blob, out),
            (Ok(()), _) => self.enter_file(blob, out),
            (Err(refusal), Vetted::Offer) => {
                self.files.take(blob, false);
                self.answer(asked, Err(refusal), out);
            }
            (Err(refusal), _) => {
                // When it may come again, it is asked about again.
                if let Some(upload) = self.files.uploads.get_mut(&blob) {
                    upload.vetted = Vetted::Complete;
                }
                self.refuse_file(asked, blob, refusal, out);
            }
        }
    }
}
