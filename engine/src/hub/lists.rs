//! Answers that only look: rooms, members, who is here, history, search.

use std::collections::HashSet;
use std::ops::Bound;

use super::room::RoomState;
use super::visible::visible;
use super::{Asked, ConversationId, Effect, Hub, Load, Pending, limits};
use crate::model::{
    AdminAnswer, Answer, Code, Conversation, DeviceItem, HistoryFrom, MemberItem, PresenceState,
    Refusal, RoomItem, RoomName, ServerStats, Standing, Target, WhoItem,
};

impl Hub {
    pub(super) fn list_rooms(&self, asked: Asked, after: Option<&str>) -> Answer {
        let Some(start) = start(after, RoomName::stored) else {
            return Answer::Rooms(Vec::new(), None);
        };
        let names = self.room_names.range((start, Bound::Unbounded));
        let shown = names.filter_map(|(name, id)| {
            let room = self.rooms.get(id)?;
            let member = room.members.get(&asked.account);
            let standing = member.map(|member| member.standing);
            let known = matches!(standing, Some(Standing::In | Standing::Invited));
            (room.record.public || known || self.is_admin(asked.account)).then(|| RoomItem {
                name: name.clone(),
                topic: room.record.topic.clone(),
                public: room.record.public,
                members: u32::try_from(room.count).unwrap_or(u32::MAX),
                joined: standing == Some(Standing::In),
            })
        });
        let (items, next) = page(shown, |item| item.name.as_str().to_owned());
        Answer::Rooms(items, next)
    }

    pub(super) fn list_members(
        &self,
        asked: Asked,
        target: &Target,
        after: Option<&str>,
    ) -> Result<Answer, Refusal> {
        let id = self.find_room(target, asked.account)?;
        let room = self
            .rooms
            .get(&id)
            .ok_or_else(|| Refusal::new(Code::NoSuchRoom))?;
        if !room.is_in(asked.account) {
            return Err(Code::NotAMember.into());
        }
        let (items, next) = self.members_of(room, after);
        Ok(Answer::Members(items, next))
    }

    /// All rooms, for the operator.
    pub(super) fn operator_rooms(&self, after: Option<&str>) -> AdminAnswer {
        let Some(start) = start(after, RoomName::stored) else {
            return AdminAnswer::Rooms(Vec::new(), None);
        };
        let names = self.room_names.range((start, Bound::Unbounded));
        let rooms = names.filter_map(|(name, id)| {
            let room = self.rooms.get(id)?;
            Some(RoomItem {
                name: name.clone(),
                topic: room.record.topic.clone(),
                public: room.record.public,
                members: u32::try_from(room.count).unwrap_or(u32::MAX),
                joined: false,
            })
        });
        let (items, next) = page(rooms, |item| item.name.as_str().to_owned());
        AdminAnswer::Rooms(items, next)
    }

    /// The members of a room, for the operator.
    pub(super) fn operator_members(
        &self,
        name: &RoomName,
        after: Option<&str>,
    ) -> Result<AdminAnswer, Refusal> {
        let room = self.room_names.get(name).and_then(|id| self.rooms.get(id));
        let room = room.ok_or_else(|| Refusal::new(Code::NoSuchRoom))?;
        let (items, next) = self.members_of(room, after);
        Ok(AdminAnswer::Members(items, next))
    }

    pub(super) fn stats(&self) -> ServerStats {
        ServerStats {
            accounts: self.accounts.len() as u64,
            rooms: self.room_names.len() as u64,
            links: self.links.len() as u64,
            entries: self.appended,
        }
    }

    fn members_of(
        &self,
        room: &RoomState,
        after: Option<&str>,
    ) -> (Vec<MemberItem>, Option<String>) {
        let shows = room.count <= limits::PRESENCE_MEMBERS;
        let mut members: Vec<_> = room
            .members
            .iter()
            .filter(|(_, member)| member.standing == Standing::In)
            .filter_map(|(id, member)| Some((self.account(*id)?, member)))
            .filter(|(state, _)| after.is_none_or(|after| state.record.name.as_str() > after))
            .collect();
        keep_first(&mut members, |(state, _)| state.record.name.as_str());
        let shown = members.into_iter().map(|(state, member)| MemberItem {
            account: state.record.name.clone(),
            role: member.role,
            presence: shows.then(|| state.presence()),
            muted_until: member.muted_until,
        });
        page(shown, |item| item.account.as_str().to_owned())
    }

    pub(super) fn list_who(&self, asked: Asked, after: Option<&str>) -> Answer {
        // From those it may see and not from all: a server has far more accounts than anybody knows.
        let mut known = HashSet::from([asked.account]);
        self.for_neighbours(asked.account, |other| {
            known.insert(other);
        });
        let mut online: Vec<_> = known
            .into_iter()
            .filter_map(|id| self.account(id))
            .filter(|state| state.presence() != PresenceState::Offline)
            .filter(|state| after.is_none_or(|after| state.record.name.as_str() > after))
            .collect();
        keep_first(&mut online, |state| state.record.name.as_str());
        let shown = online.into_iter().map(|state| WhoItem {
            account: state.record.name.clone(),
            state: state.presence(),
            text: state.text.clone(),
        });
        let (items, next) = page(shown, |item| item.account.as_str().to_owned());
        Answer::Who(items, next)
    }

    pub(super) fn list_conversations(&self, asked: Asked, after: Option<&str>) -> Answer {
        let Some(state) = self.account(asked.account) else {
            return Answer::Conversations(Vec::new(), None);
        };
        let mut ids = state.conversations.clone();
        ids.sort_unstable();
        let after = after.and_then(|after| after.parse::<ConversationId>().ok());
        let shown = ids
            .into_iter()
            .filter(|id| after.is_none_or(|after| *id > after))
            .filter_map(|id| self.conversation(id, asked.account))
            .filter(|item: &Conversation| item.joined);
        let (items, next) = page(shown, |item| item.id.to_string());
        Answer::Conversations(items, next)
    }

    pub(super) fn list_devices(&self, asked: Asked) -> Answer {
        let this = self.links.get(asked.link).map(|link| link.device);
        let Some(state) = self.account(asked.account) else {
            return Answer::Devices(Vec::new());
        };
        let online = |device| {
            state.links.iter().any(|id| {
                self.links
                    .get(*id)
                    .is_some_and(|link| link.device == device)
            })
        };
        let items = state.devices.iter();
        let mut items: Vec<DeviceItem> = items
            .filter_map(|id| self.accounts.device(*id))
            .map(|device| DeviceItem {
                id: device.id,
                name: device.name.clone(),
                created: device.created,
                seen: device.seen,
                online: online(device.id),
                this: Some(device.id) == this,
            })
            .collect();
        items.sort_by_key(|item| (item.created, item.id));
        Answer::Devices(items)
    }

    pub(super) fn read_history(
        &mut self,
        asked: Asked,
        target: &Target,
        from: HistoryFrom,
        limit: u32,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let id = self.find_room(target, asked.account)?;
        let room = self
            .rooms
            .get(&id)
            .ok_or_else(|| Refusal::new(Code::NoSuchRoom))?;
        let visible = visible(room, asked.account);
        if visible.is_empty() {
            return Err(Code::NotAMember.into());
        }
        let limit = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .clamp(1, limits::HISTORY_ITEMS);
        let spans = visible.into_spans(room.record.head);
        let load = Load::History(id, spans, from, limit);
        self.load(load, Pending::Asked(asked), out);
        Ok(None)
    }

    pub(super) fn search(
        &mut self,
        asked: Asked,
        target: Option<&Target>,
        text: String,
        after: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        if text.trim().is_empty() {
            return Err(Refusal::because(
                Code::Empty,
                "a search needs at least one word",
            ));
        }
        if text.len() > limits::QUERY_BYTES {
            return Err(Refusal::because(
                Code::TooLong,
                "the search text is too long",
            ));
        }
        let before = match after {
            Some(after) => match after.parse() {
                Ok(before) => Some(before),
                Err(_) => return Err(Refusal::because(Code::BadRequest, "not a page of a search")),
            },
            None => None,
        };
        let ids = match target {
            Some(target) => vec![self.find_room(target, asked.account)?],
            None => self
                .account(asked.account)
                .map(|state| state.conversations.clone())
                .unwrap_or_default(),
        };
        let places: Vec<_> = ids
            .into_iter()
            .filter_map(|id| {
                let room = self.rooms.get(&id)?;
                let visible = visible(room, asked.account);
                let is_seen = !visible.is_empty();
                is_seen.then(|| (id, visible.into_spans(room.record.head)))
            })
            .collect();
        if target.is_some() && places.is_empty() {
            return Err(Code::NotAMember.into());
        }
        let load = Load::Search(places, text, before);
        self.load(load, Pending::Asked(asked), out);
        Ok(None)
    }
}

/// Where a list of names goes on; `None` for what can't be a name.
fn start<N>(after: Option<&str>, name: impl Fn(&str) -> Option<N>) -> Option<Bound<N>> {
    match after {
        Some(after) => name(after).map(Bound::Excluded),
        None => Some(Bound::Unbounded),
    }
}

/// Sorts what one page can show to the front, and forgets the rest: a hall of thousands is asked for page
/// by page.
fn keep_first<T>(items: &mut Vec<T>, key: impl Fn(&T) -> &str) {
    if items.len() > limits::PAGE_ITEMS + 1 {
        items.select_nth_unstable_by(limits::PAGE_ITEMS, |one, other| key(one).cmp(key(other)));
        items.truncate(limits::PAGE_ITEMS + 1);
    }
    items.sort_unstable_by(|one, other| key(one).cmp(key(other)));
}

/// The first items of a list, and where the next page starts.
fn page<T>(items: impl Iterator<Item = T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let mut items: Vec<T> = items.take(limits::PAGE_ITEMS + 1).collect();
    if items.len() <= limits::PAGE_ITEMS {
        return (items, None);
    }
    items.truncate(limits::PAGE_ITEMS);
    let next = items.last().map(key);
    (items, next)
}
