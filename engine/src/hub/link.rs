//! The links that are logged in.

use std::collections::{HashMap, VecDeque};

use super::sending::Hold;
use crate::id::{AccountId, ConversationId, DeviceId, LinkId, RequestId, SendId};
use crate::limits;
use crate::model::{Position, PresenceState, Time};

/// A link that is logged in.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    /// Its static key: a link with the same one is the same device, enrolled or not.
    pub(super) key: [u8; 32],
    /// Bytes of entries that may still be pushed.
    pub(super) credit: u64,
    /// Conversations that are behind, in turn.
    pub(super) lagging: VecDeque<ConversationId>,
    /// A read is under way.
    pub(super) reading: bool,
    /// Positions that came so far; `None` once the streams run.
    pub(super) positions: Option<Vec<Position>>,
    /// Sends without an answer.
    pub(super) sends: u32,
    /// The last request number of a send.
    pub(super) last_send: RequestId,
    /// Requests without an answer.
    pub(super) requests: usize,
    /// Conversations whose later sends are refused until this one comes again.
    pub(super) blocked: HashMap<ConversationId, (RequestId, SendId)>,
    /// Conversations whose sends wait. Each holds at least one send, look-up or question, or a wish for
    /// a change, so that there are no more of them than unanswered sends and requests.
    pub(super) held: Vec<Hold>,
    /// Conversations in which it said that somebody is writing, and when it may again.
    pub(super) typing: Vec<(ConversationId, Time)>,
    /// Until when its requests for lists are paid for.
    lists_paid: Time,
    /// Commands that plugins were asked for.
    pub(super) commands: usize,
    /// Plugins are asked about its presence; what it said of itself since, the last of it.
    pub(super) presence: Option<Option<(PresenceState, String)>>,
}

/// Links by number. The lower half of a [`LinkId`] is an index, so that the fan-out does not hash.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Option<(LinkId, Box<Link>)>>,
    count: usize,
}

impl Link {
    pub(super) fn new(account: AccountId, device: DeviceId, key: [u8; 32]) -> Self {
        Self {
            account,
            device,
            key,
            credit: limits::ENTRY_CREDIT,
            lagging: VecDeque::new(),
            reading: false,
            positions: Some(Vec::new()),
            sends: 0,
            last_send: RequestId(0),
            requests: 0,
            blocked: HashMap::new(),
            held: Vec::new(),
            typing: Vec::new(),
            lists_paid: Time(0),
            commands: 0,
            presence: None,
        }
    }

    /// Whether nothing is waited for that was sent.
    pub(super) const fn is_quiet(&self) -> bool {
        self.sends == 0 && self.commands == 0
    }

    /// Lists cost the hub more than anything else that one frame can ask for.
    pub(super) fn may_list(&mut self, now: Time) -> bool {
        let paid = self.lists_paid.max(now);
        let may = paid.since(now) < limits::LIST_EVERY * limits::LISTS_AT_ONCE;
        if may {
            self.lists_paid = paid + limits::LIST_EVERY;
        }
        may
    }

    /// Whether it may say that somebody is writing there.
    pub(super) fn may_type(&mut self, conversation: ConversationId, now: Time) -> bool {
        self.typing.retain(|(_, after)| *after > now);
        let is_new = self.typing.iter().all(|(held, _)| *held != conversation);
        let may = is_new && self.typing.len() < limits::TYPING_AT_ONCE;
        if may {
            self.typing.push((conversation, now + limits::TYPING_EVERY));
        }
        may
    }

    /// What holds the sends into a conversation back.
    pub(super) fn hold_mut(&mut self, conversation: ConversationId) -> Option<&mut Hold> {
        self.held
            .iter_mut()
            .find(|hold| hold.conversation == conversation)
    }

    /// The same, made where there is none.
    pub(super) fn hold_or_new(&mut self, conversation: ConversationId) -> &mut Hold {
        let found = self
            .held
            .iter()
            .position(|hold| hold.conversation == conversation);
        let index = found.unwrap_or_else(|| {
            self.held.push(Hold::new(conversation));
            self.held.len() - 1
        });
        &mut self.held[index]
    }
}

impl Links {
    fn index(id: LinkId) -> usize {
        (id.0 & u64::from(u32::MAX)) as usize
    }

    pub(super) fn insert(&mut self, id: LinkId, link: Link) {
        let index = Self::index(id);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        if self.slots[index].replace((id, Box::new(link))).is_none() {
            self.count += 1;
        }
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        match self.slots.get(Self::index(id)) {
            Some(Some((held, link))) if *held == id => Some(link),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        match self.slots.get_mut(Self::index(id)) {
            Some(Some((held, link))) if *held == id => Some(link),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.get(id)?;
        let (_, link) = self.slots.get_mut(Self::index(id))?.take()?;
        self.count -= 1;
        Some(*link)
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.slots.iter().flatten().map(|(id, _)| *id).collect()
    }
}
