//! What this device reads: each conversation's entries in order and once, and how far the
//! application took them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::error::Violation;
use crate::id::{ConversationId, Epoch, Seq};
use crate::limits;
use crate::model::{
    Conversation, Entry, GapReason, Peer, Position, Resume, Target, Time, ToServer,
};
use crate::port::ProfileChange;

/// The conversations of the account, and this device's place in each.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    places: HashMap<ConversationId, Place>,
    /// What this link's first list named so far; `None` when it is complete.
    listing: Option<HashSet<ConversationId>>,
    /// Cost of entries that this link may have open, and of those it has.
    credit: u64,
    open: u64,
    /// The part of `open` that the application took since the last renewal.
    taken: u64,
    /// Taken, and not yet told to the server.
    delivered: BTreeMap<ConversationId, Seq>,
    delivered_entries: u32,
    delivered_due: Option<Time>,
    /// Taken, and not yet saved.
    unsaved: BTreeSet<ConversationId>,
    unsaved_due: Option<Time>,
}

/// What an entry or a gap does to the position of its conversation, once the application took it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) conversation: ConversationId,
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    /// Of the entry; `None` for a gap.
    pub(super) cost: Option<u64>,
}

#[derive(Debug)]
struct Place {
    /// Unknown until the server named the conversation in this run.
    peer: Option<Peer>,
    joined: bool,
    epoch: Epoch,
    /// The last entry that came.
    received: Seq,
    /// The last entry that the application took.
    taken: Seq,
    /// Whether `received` binds: before the first entry, only the server knows where a device
    /// without a position starts.
    started: bool,
    /// A position was handed out to be saved. Until then a crash would make this a new device in the
    /// conversation, which starts where the account has read: behind what it has to show.
    saved: bool,
    /// The position in the run of the log before this one, until the gap that tells the application
    /// of the change is here.
    before: Option<(Epoch, Seq)>,
}

impl Inbox {
    /// Takes the positions of an earlier run.
    pub(super) fn load(&mut self, positions: Vec<Position>) {
        for position in positions {
            let place = Place {
                peer: None,
                joined: true,
                epoch: position.epoch,
                received: position.seq,
                taken: position.seq,
                started: true,
                saved: true,
                before: None,
            };
            self.places.insert(position.conversation, place);
        }
    }

    /// A link is logged in: the frames that tell where to go on.
    pub(super) fn handle_welcome(&mut self, credit: u64) -> Vec<ToServer> {
        self.listing = Some(HashSet::new());
        (self.credit, self.open, self.taken) = (credit, 0, 0);
        let mut positions = Vec::with_capacity(self.places.len());
        for (conversation, place) in &mut self.places {
            if !place.started && place.received > Seq::ZERO {
                // The gap that leads there has not come: the server tells it anew.
                continue;
            }
            // From here on the server streams from exactly this place.
            place.started = true;
            let (epoch, seq) = place.before.unwrap_or((place.epoch, place.received));
            positions.push(Position {
                conversation: *conversation,
                epoch,
                seq,
            });
        }
        positions.sort_by_key(|position| position.conversation);
        let mut frames = Vec::new();
        let mut rest = positions.as_slice();
        loop {
            let (page, later) = rest.split_at(rest.len().min(limits::RESUME_ITEMS));
            rest = later;
            frames.push(ToServer::Resume(Resume {
                positions: page.to_vec(),
                more: !rest.is_empty(),
                ..Resume::default()
            }));
            if rest.is_empty() {
                return frames;
            }
        }
    }

    /// A conversation in a list. Answers whether the application learns something by it.
    pub(super) fn handle_conversation(
        &mut self,
        item: &Conversation,
        now: Time,
    ) -> Result<bool, Violation> {
        if let Some(listed) = &mut self.listing {
            listed.insert(item.id);
        }
        if let Some(place) = self.places.get_mut(&item.id) {
            let news = place.peer.as_ref() != Some(&item.peer)
                || place.joined != item.joined
                || place.epoch != item.epoch;
            place.peer = Some(item.peer.clone());
            place.joined = item.joined;
            if place.epoch != item.epoch {
                let before = place.before.unwrap_or((place.epoch, place.received));
                place.restart(item.epoch);
                place.before = Some(before);
                self.delivered.remove(&item.id);
            }
            return Ok(news);
        }
        if self.places.len() >= limits::CONVERSATIONS && !self.forget_one() {
            return Err(Violation::Oversized);
        }
        let place = Place {
            peer: Some(item.peer.clone()),
            joined: item.joined,
            epoch: item.epoch,
            received: item.read,
            taken: item.read,
            started: false,
            saved: false,
            before: None,
        };
        self.places.insert(item.id, place);
        if item.read == Seq::ZERO {
            // Saved before the first entry is here: another device may move the account's cursor,
            // and then this device would start behind what it has to show.
            self.touch(item.id, now);
        }
        Ok(true)
    }

    /// A page of conversations ended. Answers what to save when it was the last one: what the server
    /// does not know any more has no position either.
    pub(super) fn handle_page_end(&mut self, more: bool, now: Time) -> Vec<ProfileChange> {
        if more {
            return Vec::new();
        }
        let Some(listed) = self.listing.take() else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        self.places.retain(|id, place| {
            let keep = listed.contains(id) || place.received != place.taken;
            if !keep {
                changes.push(ProfileChange::DropPosition(*id));
            }
            keep
        });
        changes.sort_by_key(|change| match change {
            ProfileChange::DropPosition(id) => Some(*id),
            _ => None,
        });
        for change in &changes {
            if let ProfileChange::DropPosition(id) = change {
                self.unsaved.remove(id);
                self.delivered.remove(id);
            }
        }
        // Told again, because the server may have lost what it had not written yet.
        for (id, place) in &self.places {
            if place.started && place.taken > Seq::ZERO {
                self.delivered.insert(*id, place.taken);
            }
        }
        if !self.delivered.is_empty() {
            self.delivered_due = Some(now);
        }
        changes
    }

    /// An entry arrived. Answers its conversation's place in the world, or nothing if it is old.
    pub(super) fn handle_entry(
        &mut self,
        entry: &Entry,
    ) -> Result<Option<(Peer, Mark)>, Violation> {
        if entry.seq > Seq::MAX || entry.prev >= entry.seq {
            return Err(Violation::Malformed);
        }
        // The last entry may cost more than what was left.
        if self.open >= self.credit {
            return Err(Violation::Credit);
        }
        let place = self.places.get_mut(&entry.conversation);
        let place = place.ok_or(Violation::Unexpected)?;
        let peer = place.peer.clone().ok_or(Violation::Unexpected)?;
        self.open += entry.cost();
        if place.started && entry.seq <= place.received {
            self.taken += entry.cost();
            return Ok(None);
        }
        if place.started && entry.prev > place.received {
            return Err(Violation::Sequence);
        }
        place.started = true;
        place.before = None;
        place.received = entry.seq;
        let mark = Mark {
            conversation: entry.conversation,
            epoch: place.epoch,
            seq: entry.seq,
            cost: Some(entry.cost()),
        };
        Ok(Some((peer, mark)))
    }

    /// Entries will not come. Answers the conversation, or nothing if they came before.
    pub(super) fn handle_gap(
        &mut self,
        conversation: ConversationId,
        epoch: Epoch,
        to: Seq,
        reason: GapReason,
    ) -> Result<Option<(Peer, Mark)>, Violation> {
        if to > Seq::MAX {
            return Err(Violation::Malformed);
        }
        let place = self.places.get_mut(&conversation);
        let place = place.ok_or(Violation::Unexpected)?;
        let peer = place.peer.clone().ok_or(Violation::Unexpected)?;
        if reason == GapReason::Restored {
            // Whatever the old run's numbers were, the new one is read from its start.
            place.restart(epoch);
            self.delivered.remove(&conversation);
        } else if epoch != place.epoch {
            return Err(Violation::Sequence);
        } else if place.started && to <= place.received {
            return Ok(None);
        } else {
            place.started = true;
            place.received = to;
        }
        let mark = Mark {
            conversation,
            epoch,
            seq: place.received,
            cost: None,
        };
        Ok(Some((peer, mark)))
    }

    /// The application took an event. `here`: it came over the present link.
    pub(super) fn handle_taken(&mut self, mark: Mark, here: bool, now: Time) {
        if here {
            self.taken += mark.cost.unwrap_or(0);
        }
        let Some(place) = self.places.get_mut(&mark.conversation) else {
            return;
        };
        if place.epoch != mark.epoch {
            return;
        }
        place.taken = place.taken.max(mark.seq);
        if mark.cost.is_some() {
            self.delivered.insert(mark.conversation, place.taken);
            self.delivered_entries += 1;
            let due = self.delivered_due;
            self.delivered_due = Some(due.unwrap_or(now + limits::DELIVERED_MERGE));
        }
        self.touch(mark.conversation, now);
    }

    /// Frames that are due on a link that is logged in.
    pub(super) fn poll_frames(&mut self, all: bool, now: Time) -> Vec<ToServer> {
        let mut frames = Vec::new();
        if self.taken > 0 && self.taken >= limits::CREDIT_STEP.min(self.credit / 2) {
            self.open = self.open.saturating_sub(self.taken);
            frames.push(ToServer::Credit(std::mem::take(&mut self.taken)));
        }
        // A cursor into a run of the log that may be over would be wrong: the list tells.
        let listed = self.listing.is_none();
        let due = self.delivered_due.is_some_and(|due| due <= now)
            || self.delivered_entries >= limits::DELIVERED_ENTRIES;
        if listed && (all || due) {
            let cursors: Vec<_> = std::mem::take(&mut self.delivered).into_iter().collect();
            self.delivered_due = None;
            self.delivered_entries = 0;
            for page in cursors.chunks(limits::RESUME_ITEMS) {
                frames.push(ToServer::Delivered(page.to_vec()));
            }
        }
        frames
    }

    /// Positions that are due to be saved.
    pub(super) fn poll_positions(&mut self, all: bool, now: Time) -> Vec<ProfileChange> {
        if !all && self.unsaved_due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.unsaved_due = None;
        let mut changes = Vec::new();
        for id in std::mem::take(&mut self.unsaved) {
            if let Some(place) = self.places.get_mut(&id) {
                place.saved = true;
                changes.push(ProfileChange::SetPosition(Position {
                    conversation: id,
                    epoch: place.epoch,
                    seq: place.taken,
                }));
            }
        }
        changes
    }

    /// When there is something to send (on a link that is logged in) or to save.
    pub(super) fn poll_timeout(&self, up: bool) -> Option<Time> {
        let tell = self.delivered_due.filter(|_| up && self.listing.is_none());
        tell.into_iter().chain(self.unsaved_due).min()
    }

    /// Whether this link's list of conversations is complete.
    pub(super) fn is_listed(&self) -> bool {
        self.listing.is_none()
    }

    /// What a conversation is, if the server named it in this run.
    pub(super) fn peer(&self, conversation: ConversationId) -> Option<&Peer> {
        self.places.get(&conversation)?.peer.as_ref()
    }

    /// The conversation and its last entry here, if the account is in it.
    pub(super) fn joined(&self, peer: &Peer) -> Option<(ConversationId, Seq)> {
        let mut places = self.places.iter();
        let here = places.find(|(_, place)| place.joined && place.peer.as_ref() == Some(peer));
        here.map(|(id, place)| (*id, place.received))
    }

    /// The same name for a conversation, however the application calls it.
    pub(super) fn canonical(&self, target: Target) -> Target {
        let Target::Conversation(id) = target else {
            return target;
        };
        match self.peer(id) {
            Some(Peer::Room(room)) => Target::Room(room.clone()),
            Some(Peer::Account(account)) => Target::Account(account.clone()),
            None => target,
        }
    }

    fn touch(&mut self, conversation: ConversationId, now: Time) {
        self.unsaved.insert(conversation);
        let is_first = self
            .places
            .get(&conversation)
            .is_some_and(|place| !place.saved);
        let due = if is_first {
            now
        } else {
            now + limits::POSITION_WRITE
        };
        self.unsaved_due = Some(self.unsaved_due.map_or(due, |held| held.min(due)));
    }

    /// Makes room for one more conversation.
    fn forget_one(&mut self) -> bool {
        let mut places = self.places.iter();
        let old = places.find(|(_, place)| !place.joined && place.received == place.taken);
        let Some(id) = old.map(|(id, _)| *id) else {
            return false;
        };
        self.unsaved.remove(&id);
        self.delivered.remove(&id);
        self.places.remove(&id).is_some()
    }
}

impl Place {
    fn restart(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        (self.received, self.taken) = (Seq::ZERO, Seq::ZERO);
        self.started = true;
        self.before = None;
    }
}
