//! Rooms and direct conversations in memory, and what changes them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::change::Wish;
use super::visible::visible;
use super::{AccountId, ConversationId, Hub, LinkId, Seq, limits};
use crate::id::IdMap;
use crate::model::{
    AccountName, Conversation, Cursor, Entry, Peer, Role, Room, Span, Standing, UnixTime,
};
use crate::port::{DirectoryChange, MemberUpdate, Snapshot, SpanUpdate};

/// A conversation with what the hub knows of it now.
#[derive(Debug)]
pub(super) struct RoomState {
    pub(super) record: Room,
    pub(super) members: IdMap<AccountId, MemberState>,
    /// How many members are in.
    pub(super) count: usize,
    /// Links that get its entries, in the order of their numbers.
    pub(super) seats: Vec<Seat>,
    /// The most recent entries with [`Room::counted`] after each, oldest first, while anybody
    /// listens.
    ring: VecDeque<(Arc<Entry>, u64)>,
    ring_bytes: u64,
    /// Whose membership is being changed; its sends and all wishes for changes wait. More than one
    /// only when accounts are deleted, which waits for nobody.
    pub(super) changing: Vec<AccountId>,
    pub(super) waiting: VecDeque<Wish>,
    /// Who wants to change a membership while plugins are asked about it: what they do next waits.
    pub(super) asking: Vec<AccountId>,
}

/// A member with its cursors.
#[derive(Clone, Debug)]
pub(super) struct MemberState {
    pub(super) standing: Standing,
    pub(super) role: Role,
    pub(super) muted_until: UnixTime,
    pub(super) spans: Vec<Span>,
    pub(super) cursor: Cursor,
    /// Entries after the read cursor that name it, in order.
    pub(super) mentions: Vec<Seq>,
}

/// A link that gets a conversation's entries.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) link: LinkId,
    pub(super) account: AccountId,
    /// The last entry that was pushed (or passed over with a gap).
    pub(super) pushed: Seq,
    /// The last entry that it may get: below [`Seq::MAX`] once the account is out.
    pub(super) until: Seq,
    /// Gets entries as they come. Otherwise it lags, and is served from the log.
    pub(super) live: bool,
}

impl RoomState {
    fn new(record: Room) -> Self {
        Self {
            record,
            members: IdMap::default(),
            count: 0,
            seats: Vec::new(),
            ring: VecDeque::new(),
            ring_bytes: 0,
            changing: Vec::new(),
            waiting: VecDeque::new(),
            asking: Vec::new(),
        }
    }

    pub(super) fn is_direct(&self) -> bool {
        self.record.name.is_none()
    }

    pub(super) fn is_in(&self, account: AccountId) -> bool {
        self.members
            .get(&account)
            .is_some_and(|member| member.standing == Standing::In)
    }

    pub(super) fn seat_mut(&mut self, link: LinkId) -> Option<&mut Seat> {
        seat_of(&mut self.seats, link)
    }

    pub(super) fn sit_down(&mut self, seat: Seat) {
        let index = self.seats.partition_point(|held| held.link < seat.link);
        self.seats.insert(index, seat);
    }

    pub(super) fn stand_up(&mut self, link: LinkId) {
        self.retain_seats(|seat| seat.link != link);
    }

    /// Seats leave only by this way: without anybody who listens nothing is remembered any more, and
    /// what was remembered must not stay, or it would have a hole.
    pub(super) fn retain_seats(&mut self, keep: impl FnMut(&Seat) -> bool) {
        self.seats.retain(keep);
        if self.seats.is_empty() {
            self.ring = VecDeque::new();
            self.ring_bytes = 0;
        }
    }

    /// Remembers an entry for links that just missed it.
    pub(super) fn remember(&mut self, entry: &Arc<Entry>, counted: u64) {
        if self.seats.is_empty() {
            return;
        }
        self.ring_bytes += entry.cost();
        self.ring.push_back((Arc::clone(entry), counted));
        while self.ring.len() > limits::RING_ENTRIES || self.ring_bytes > limits::RING_BYTES {
            let Some((oldest, _)) = self.ring.pop_front() else {
                break;
            };
            self.ring_bytes -= oldest.cost();
        }
    }

    /// The entries after a place, if the ring holds all of them.
    pub(super) fn recent(&self, after: Seq) -> Option<Vec<Arc<Entry>>> {
        let (oldest, _) = self.ring.front()?;
        let (newest, _) = self.ring.back()?;
        if oldest.prev > after || newest.seq < self.record.head {
            return None;
        }
        let start = self.ring.partition_point(|(entry, _)| entry.seq <= after);
        Some(
            self.ring
                .range(start..)
                .map(|(entry, _)| Arc::clone(entry))
                .collect(),
        )
    }

    /// [`Room::counted`] as of a place, if that is known without reading the log.
    pub(super) fn counted_at(&self, seq: Seq) -> Option<u64> {
        if seq >= self.record.head {
            return Some(self.record.counted);
        }
        if seq == Seq::ZERO {
            return Some(0);
        }
        let index = self
            .ring
            .binary_search_by_key(&seq, |(entry, _)| entry.seq)
            .ok()?;
        self.ring.get(index).map(|(_, counted)| *counted)
    }

    /// A deleted entry must not be served from memory either.
    pub(super) fn blank(&mut self, target: Seq) {
        if let Ok(index) = self
            .ring
            .binary_search_by_key(&target, |(entry, _)| entry.seq)
            && let Some((entry, _)) = self.ring.get_mut(index)
        {
            let before = entry.cost();
            Arc::make_mut(entry).body.blank();
            self.ring_bytes = self.ring_bytes - before + entry.cost();
        }
    }

    pub(super) fn trim(&mut self, first: Seq) {
        self.record.first = self.record.first.max(first);
        for member in self.members.values_mut() {
            member.mentions.retain(|seq| *seq >= first);
        }
        while self
            .ring
            .front()
            .is_some_and(|(entry, _)| entry.seq < first)
        {
            if let Some((entry, _)) = self.ring.pop_front() {
                self.ring_bytes -= entry.cost();
            }
        }
    }
}

/// The seat of a link.
pub(super) fn seat_of(seats: &mut [Seat], link: LinkId) -> Option<&mut Seat> {
    let index = seats.binary_search_by_key(&link, |seat| seat.link).ok()?;
    seats.get_mut(index)
}

impl Hub {
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        for account in snapshot.accounts {
            self.accounts.insert(account);
        }
        for device in snapshot.devices {
            self.accounts.insert_device(device);
        }
        for invite in snapshot.invites {
            self.invites.insert(invite.hash, invite);
        }
        for room in snapshot.rooms {
            self.add_room(room);
        }
        for member in snapshot.members {
            if let Some(room) = self.rooms.get_mut(&member.conversation) {
                room.count += usize::from(member.standing == Standing::In);
                if !member.spans.is_empty()
                    && let Some(account) = self.accounts.get_mut(member.account)
                {
                    account.conversations.push(member.conversation);
                }
                room.members.insert(
                    member.account,
                    MemberState {
                        standing: member.standing,
                        role: member.role,
                        muted_until: member.muted_until,
                        spans: member.spans,
                        cursor: Cursor::default(),
                        mentions: Vec::new(),
                    },
                );
            }
        }
        for (conversation, account, cursor) in snapshot.cursors {
            if let Some(member) = self.member_mut(conversation, account) {
                member.cursor = cursor;
            }
        }
        for (conversation, account, seq) in snapshot.mentions {
            if let Some(member) = self.member_mut(conversation, account)
                && seq > member.cursor.read
            {
                member.mentions.push(seq);
            }
        }
        self.files.restore(snapshot.uploads, snapshot.stored);
        self.lobby = self
            .policy
            .lobby
            .as_ref()
            .and_then(|name| self.room_names.get(name))
            .copied();
    }

    /// Takes a directory change over that is durable now. `seq` is the entry that came with it.
    pub(super) fn apply(&mut self, change: DirectoryChange, seq: Option<Seq>) {
        match change {
            DirectoryChange::AddAccount(account) => self.accounts.insert(account),
            DirectoryChange::SetVerifier(id, verifier) => {
                if let Some(account) = self.accounts.get_mut(id) {
                    account.record.verifier = verifier;
                }
            }
            DirectoryChange::SetRights(id, rights) => {
                if let Some(account) = self.accounts.get_mut(id) {
                    account.record.rights = rights;
                }
            }
            DirectoryChange::RemoveAccount(id) => self.remove_account(id),
            DirectoryChange::AddDevice(device) => self.accounts.insert_device(device),
            DirectoryChange::SeeDevice(id, seen) => {
                if let Some(device) = self.accounts.device_mut(id) {
                    device.seen = seen;
                }
            }
            DirectoryChange::RemoveDevice(id) => self.accounts.remove_device(id),
            DirectoryChange::AddRoom(room) => self.add_room(room),
            DirectoryChange::SetTopic(id, topic) => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.record.topic = topic;
                }
            }
            DirectoryChange::SetMember(update) => self.set_member(&update, seq.unwrap_or_default()),
            DirectoryChange::Mention(conversation, account) => {
                if let Some(member) = self.member_mut(conversation, account)
                    && member.standing == Standing::In
                {
                    member.mentions.extend(seq);
                }
            }
            DirectoryChange::SetCursor(conversation, account, cursor) => {
                if let Some(member) = self.member_mut(conversation, account) {
                    let held = &mut member.cursor;
                    held.delivered = held.delivered.max(cursor.delivered);
                    if cursor.read > held.read {
                        held.read = cursor.read;
                        held.read_counted = cursor.read_counted;
                    }
                }
            }
            DirectoryChange::AddInvite(invite) => {
                let date = self.now.date;
                self.invites.retain(|_, held| held.expires > date);
                self.invites.insert(invite.hash, invite);
            }
            DirectoryChange::UseInvite(hash, _) => {
                if let Some(invite) = self.invites.get_mut(&hash) {
                    invite.uses = invite.uses.saturating_sub(1);
                    if invite.uses == 0 {
                        self.invites.remove(&hash);
                    }
                }
            }
            // The hub began them, and knows.
            DirectoryChange::SetUpload(_)
            | DirectoryChange::RemoveUpload(_)
            | DirectoryChange::Distrust(_) => {}
        }
    }

    fn add_room(&mut self, record: Room) {
        if let Some(name) = &record.name {
            self.room_names.insert(name.clone(), record.id);
            if self.policy.lobby.as_ref() == Some(name) {
                self.lobby = Some(record.id);
            }
        }
        self.rooms
            .entry(record.id)
            .or_insert_with(|| Box::new(RoomState::new(record)));
    }

    fn set_member(&mut self, update: &MemberUpdate, seq: Seq) {
        let Some(room) = self.rooms.get_mut(&update.conversation) else {
            return;
        };
        let member = room
            .members
            .entry(update.account)
            .or_insert_with(|| MemberState {
                standing: Standing::Out,
                role: Role::Member,
                muted_until: UnixTime(0),
                spans: Vec::new(),
                cursor: Cursor::default(),
                mentions: Vec::new(),
            });
        let was_in = member.standing == Standing::In;
        // Who is only invited, or banned from outside, does not hold the conversation: others decide
        // about that, and could fill up what it may hold.
        let is_first = member.spans.is_empty() && update.span == SpanUpdate::Open;
        member.standing = update.standing;
        member.role = update.role;
        member.muted_until = update.muted_until;
        match update.span {
            SpanUpdate::Keep => {}
            // Two first entries of a direct conversation crossed.
            SpanUpdate::Open if member.spans.last().is_some_and(|span| span.to == Seq::MAX) => {}
            SpanUpdate::Open => {
                member.spans.push(Span {
                    from: seq,
                    to: Seq::MAX,
                });
                if member.spans.len() > limits::SPANS {
                    member.spans.remove(0);
                }
                // What was said before is no news to who comes in.
                member.cursor.read = Seq(seq.0.saturating_sub(1));
                member.cursor.read_counted = room.record.counted;
                member.mentions.clear();
            }
            SpanUpdate::Close => {
                if let Some(span) = member.spans.last_mut() {
                    span.to = span.to.min(seq);
                }
            }
        }
        let is_in = member.standing == Standing::In;
        room.count = room.count + usize::from(is_in) - usize::from(was_in);
        if is_first && let Some(account) = self.accounts.get_mut(update.account) {
            account.conversations.push(update.conversation);
        }
    }

    fn remove_account(&mut self, id: AccountId) {
        // All rooms, since others may have invited or banned it. Only the operator does this.
        for room in self.rooms.values_mut() {
            if let Some(member) = room.members.remove(&id) {
                room.count -= usize::from(member.standing == Standing::In);
                room.retain_seats(|seat| seat.account != id);
            }
        }
        self.accounts.remove(id);
    }

    pub(super) fn member_mut(
        &mut self,
        conversation: ConversationId,
        account: AccountId,
    ) -> Option<&mut MemberState> {
        self.rooms.get_mut(&conversation)?.members.get_mut(&account)
    }

    /// A conversation as an account sees it; `None` when it sees nothing of it.
    pub(super) fn conversation(
        &self,
        id: ConversationId,
        account: AccountId,
    ) -> Option<Conversation> {
        let room = self.rooms.get(&id)?;
        let member = room.members.get(&account)?;
        let visible = visible(room, account);
        if visible.is_empty() {
            return None;
        }
        let joined = member.standing == Standing::In;
        let unread = if joined {
            room.record
                .counted
                .saturating_sub(member.cursor.read_counted)
        } else {
            0
        };
        Some(Conversation {
            id,
            peer: self.peer(room, account)?,
            epoch: room.record.epoch,
            head: room.record.head.min(visible.end()),
            read: member.cursor.read,
            unread: u32::try_from(unread).unwrap_or(u32::MAX),
            mentions: u32::try_from(member.mentions.len()).unwrap_or(u32::MAX),
            joined,
        })
    }

    /// What a conversation is to an account.
    fn peer(&self, room: &RoomState, account: AccountId) -> Option<Peer> {
        if let Some(name) = &room.record.name {
            return Some(Peer::Room(name.clone()));
        }
        let other = if room.record.id == ConversationId::direct(account, account) {
            Some(account)
        } else {
            room.members
                .keys()
                .copied()
                .find(|member| *member != account)
        };
        let name = match other {
            Some(other) => self.account(other)?.record.name.clone(),
            // Its account was deleted. What was said stays readable, under a name that nobody can have.
            None => AccountName::stored("?deleted")?,
        };
        Some(Peer::Account(name))
    }
}
