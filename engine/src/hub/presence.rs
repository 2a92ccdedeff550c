//! Who is here, told to those who share something small enough, merged.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::login::clip;
use super::{AccountId, ConversationId, Effect, Hub, LinkId, limits};
use crate::model::{ByeReason, Presence, PresenceState, Target, Time, ToClient};
use crate::port::{HookSet, News};

/// What has to be told to whom at the next flush.
#[derive(Debug, Default)]
pub(super) struct PresenceBook {
    /// Who came, went or changed: told to everybody who may see it. Who that is is looked up once per
    /// flush, however often somebody changes.
    changed: BTreeSet<AccountId>,
    /// Who is to be told to single links besides.
    dirty: BTreeMap<LinkId, BTreeSet<AccountId>>,
    /// Why accounts went, until that is told.
    reasons: HashMap<AccountId, ByeReason>,
    due: Option<Time>,
    flushed: Time,
    subscribed: HashSet<LinkId>,
}

impl PresenceBook {
    pub(super) const fn due(&self) -> Option<Time> {
        self.due
    }

    /// Something is to be told: at once after a quiet while, and never more often than the merge time.
    fn wake(&mut self, now: Time) {
        let earliest = self.flushed + limits::PRESENCE_MERGE;
        if self.due.is_none() {
            self.due = Some(earliest.max(now));
        }
    }

    pub(super) fn subscribe(&mut self, link: LinkId) {
        self.subscribed.insert(link);
    }

    pub(super) fn forget(&mut self, link: LinkId) {
        self.dirty.remove(&link);
        self.subscribed.remove(&link);
    }
}

impl Hub {
    /// An account came, went or changed: everybody who may see it will be told.
    pub(super) fn presence_changed(&mut self, account: AccountId, reason: Option<ByeReason>) {
        let Some(state) = self.accounts.get(account) else {
            return;
        };
        match (state.links.is_empty(), reason) {
            (true, Some(reason)) => {
                self.presence.reasons.insert(account, reason);
            }
            // One of several links went: nothing changed for the others.
            (false, Some(_)) => return,
            _ => {
                self.presence.reasons.remove(&account);
            }
        }
        self.presence.changed.insert(account);
        self.presence.wake(self.now.time);
    }

    /// An account came into a conversation: it and the others learn of each other.
    pub(super) fn presence_joined(&mut self, conversation: ConversationId, account: AccountId) {
        let Some(room) = self.rooms.get(&conversation) else {
            return;
        };
        if room.count > limits::PRESENCE_MEMBERS {
            return;
        }
        let online = self
            .accounts
            .get(account)
            .is_some_and(|state| !state.links.is_empty());
        let mut marks = Vec::new();
        for other in room
            .members
            .keys()
            .filter(|other| **other != account && room.is_in(**other))
        {
            let Some(state) = self.accounts.get(*other) else {
                continue;
            };
            if state.links.is_empty() {
                continue;
            }
            if online {
                marks.extend(state.links.iter().map(|link| (*link, account)));
            }
            if let Some(own) = self.accounts.get(account) {
                marks.extend(own.links.iter().map(|link| (*link, *other)));
            }
        }
        for (link, about) in marks {
            self.mark(link, about);
        }
    }

    /// A link that just resumed learns who is here, and from now on who comes and goes. Before, it would
    /// be told the same twice.
    pub(super) fn greet_presence(&mut self, id: LinkId, account: AccountId, out: &mut Vec<Effect>) {
        self.presence.subscribe(id);
        let mut seen: BTreeSet<AccountId> = BTreeSet::new();
        self.for_neighbours(account, |other| {
            seen.insert(other);
        });
        let items: Vec<Presence> = seen
            .into_iter()
            .filter_map(|other| self.presence_of(other))
            .filter(|item| item.state != PresenceState::Offline)
            .collect();
        for page in items.chunks(limits::PAGE_ITEMS) {
            out.push(Effect::Send(id, ToClient::Presence(page.to_vec())));
        }
    }

    pub(super) fn flush_presence(&mut self, out: &mut Vec<Effect>) {
        self.presence.flushed = self.now.time;
        for account in std::mem::take(&mut self.presence.changed) {
            if self.hooks.wants(HookSet::PRESENCE)
                && let Some(presence) = self.presence_of(account)
            {
                out.push(Effect::Tell(News::Presence(presence)));
            }
            for link in self.audience(account) {
                self.mark(link, account);
            }
        }
        self.presence.due = None;
        let dirty = std::mem::take(&mut self.presence.dirty);
        for (link, accounts) in dirty {
            if self.links.get(link).is_none() {
                continue;
            }
            let items: Vec<Presence> = accounts
                .into_iter()
                .filter_map(|account| self.presence_of(account))
                .collect();
            for page in items.chunks(limits::PAGE_ITEMS) {
                out.push(Effect::Send(link, ToClient::Presence(page.to_vec())));
            }
        }
        self.presence.reasons.clear();
    }

    pub(super) fn handle_presence(
        &mut self,
        id: LinkId,
        state: PresenceState,
        text: String,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        // Plugins are asked about what it said before; of what comes meanwhile the last counts.
        if let Some(next) = &mut link.presence {
            *next = Some((state, text));
            return;
        }
        let account = link.account;
        let text = clip(&text, limits::PRESENCE_BYTES);
        let is_new = self
            .accounts
            .get(account)
            .is_some_and(|held| held.text != text);
        if is_new && !text.is_empty() && self.hooks.wants(HookSet::ENTRY) {
            return self.ask_presence(id, state, text, out);
        }
        self.set_presence(account, state, text);
    }

    /// An account says of itself how it is.
    pub(super) fn set_presence(&mut self, account: AccountId, state: PresenceState, text: &str) {
        let Some(held) = self.accounts.get_mut(account) else {
            return;
        };
        // Offline is what a closed link means, nothing to be claimed.
        let state = if state == PresenceState::Offline {
            PresenceState::Away
        } else {
            state
        };
        let text = clip(text, limits::PRESENCE_BYTES);
        if held.state == state && held.text == text {
            return;
        }
        held.state = state;
        text.clone_into(&mut held.text);
        self.presence_changed(account, None);
    }

    pub(super) fn handle_typing(&mut self, id: LinkId, target: &Target, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let account = link.account;
        let Ok(conversation) = self.find_room(target, account) else {
            return;
        };
        let Some(room) = self.rooms.get(&conversation) else {
            return;
        };
        let Some(state) = self.accounts.get(account) else {
            return;
        };
        if !room.is_in(account) || room.count > limits::PRESENCE_MEMBERS {
            return;
        }
        let link = self.links.get_mut(id);
        if !link.is_some_and(|link| link.may_type(conversation, self.now.time)) {
            return;
        }
        let name = state.record.name.clone();
        let others = room
            .seats
            .iter()
            .filter(|seat| seat.account != account && room.is_in(seat.account));
        for seat in others {
            let typing = ToClient::Typing {
                conversation,
                account: name.clone(),
            };
            out.push(Effect::Send(seat.link, typing));
        }
    }

    fn presence_of(&self, account: AccountId) -> Option<Presence> {
        let state = self.accounts.get(account)?;
        let presence = state.presence();
        let online = presence != PresenceState::Offline;
        Some(Presence {
            account: state.record.name.clone(),
            state: presence,
            text: if online {
                state.text.clone()
            } else {
                String::new()
            },
            reason: if online {
                None
            } else {
                self.presence.reasons.get(&account).copied()
            },
        })
    }

    /// Links of others who may see an account.
    fn audience(&self, account: AccountId) -> Vec<LinkId> {
        let mut accounts = HashSet::new();
        self.for_neighbours(account, |other| {
            accounts.insert(other);
        });
        accounts
            .into_iter()
            .filter_map(|other| self.accounts.get(other))
            .flat_map(|state| state.links.iter().copied())
            .collect()
    }

    /// Calls with each account that shares a direct conversation or a small enough room. More than
    /// once where it shares several.
    pub(super) fn for_neighbours(&self, account: AccountId, mut each: impl FnMut(AccountId)) {
        let Some(state) = self.accounts.get(account) else {
            return;
        };
        for conversation in &state.conversations {
            let Some(room) = self.rooms.get(conversation) else {
                continue;
            };
            if room.count > limits::PRESENCE_MEMBERS || !room.is_in(account) {
                continue;
            }
            for other in room.members.keys() {
                if *other != account && room.is_in(*other) {
                    each(*other);
                }
            }
        }
    }

    fn mark(&mut self, link: LinkId, account: AccountId) {
        if !self.presence.subscribed.contains(&link) {
            return;
        }
        self.presence.dirty.entry(link).or_default().insert(account);
        self.presence.wake(self.now.time);
    }
}
