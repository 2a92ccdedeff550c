//! Whether an entry may be appended, and under which conditions.

use super::appending::Origin;
use super::body::check_body;
use super::room::RoomState;
use super::sending::Candidate;
use super::visible::visible;
use super::{ConversationId, Hub, SendId, Seq, limits};
use crate::id::AccountId;
use crate::model::{Body, Code, History, Kind, Refusal, Role, Room, Standing, UnixTime};
use crate::port::{DirectoryChange, MemberUpdate, SpanUpdate};

/// With what an entry may be appended.
#[derive(Debug, Default)]
pub(super) struct Guards {
    pub(super) target_by: Option<AccountId>,
    pub(super) changes: Vec<DirectoryChange>,
}

impl Hub {
    /// Whether an entry may be appended now, and with what.
    pub(super) fn admit(&self, candidate: &Candidate) -> Result<Guards, Refusal> {
        check_body(&candidate.body)?;
        self.admit_again(candidate)
    }

    /// The same of an entry whose body was found good before.
    pub(super) fn admit_again(&self, candidate: &Candidate) -> Result<Guards, Refusal> {
        if self.appending > limits::APPEND_QUEUE_BYTES {
            return Err(Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS));
        }
        self.check_send_id(candidate.id)?;
        self.admit_checked(candidate)
    }

    /// The same of a body that was checked already, or that only the server makes.
    pub(super) fn admit_checked(&self, candidate: &Candidate) -> Result<Guards, Refusal> {
        let is_plugin = matches!(candidate.origin, Origin::Say(..));
        match self.rooms.get(&candidate.conversation) {
            Some(room) if is_plugin => self.admit_plugin(room, candidate),
            Some(room) => self.admit_into(room, candidate),
            None => {
                let (conversation, other) = (candidate.conversation, candidate.other);
                let (from, body) = (candidate.from, &candidate.body);
                Ok(Guards {
                    target_by: None,
                    changes: self.direct_changes(conversation, from, other, body)?,
                })
            }
        }
    }

    /// Rights and targets in a conversation that exists.
    fn admit_into(&self, room: &RoomState, candidate: &Candidate) -> Result<Guards, Refusal> {
        let (account, body) = (candidate.from, &candidate.body);
        let mut guards = Guards::default();
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
        if body.kind == Kind::TOPIC {
            if room.is_direct() {
                return Err(no_topic());
            }
            if role < Role::Moderator {
                return Err(Refusal::because(
                    Code::Forbidden,
                    "only moderators set the topic",
                ));
            }
            let topic = String::from_utf8_lossy(&body.data).into_owned();
            guards
                .changes
                .push(DirectoryChange::SetTopic(candidate.conversation, topic));
        }
        if let Some(target) = body.target {
            let seen = visible(room, account).contains(target) && target <= room.record.head;
            if !seen || target < room.record.first {
                return Err(Code::NoSuchEntry.into());
            }
        }
        guards.target_by = match body.kind {
            Kind::EDIT => Some(account),
            Kind::REDACTION if role < Role::Moderator => Some(account),
            _ => None,
        };
        Ok(guards)
    }

    /// What a plugin may say: it is no member, and may speak in every room. Into a conversation of two
    /// others it has no word.
    fn admit_plugin(&self, room: &RoomState, candidate: &Candidate) -> Result<Guards, Refusal> {
        if room.is_direct() && !room.is_in(candidate.from) {
            return Err(Code::NotAMember.into());
        }
        if let Some(target) = candidate.body.target
            && (target < room.record.first || target > room.record.head)
        {
            return Err(Code::NoSuchEntry.into());
        }
        let is_own = matches!(candidate.body.kind, Kind::EDIT | Kind::REDACTION);
        Ok(Guards {
            target_by: is_own.then_some(candidate.from),
            changes: Vec::new(),
        })
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

    pub(super) fn check_send_id(&self, id: SendId) -> Result<(), Refusal> {
        let (date, made) = (self.now.date, id.time());
        if id.0[6] >> 4 != 7 || made > date + limits::SEND_ID_AHEAD {
            return Err(Code::BadSendId.into());
        }
        if made < date - limits::SEND_ID_MEMORY {
            return Err(Code::SendExpired.into());
        }
        Ok(())
    }
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
