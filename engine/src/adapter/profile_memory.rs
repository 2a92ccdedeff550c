//! A profile that ends with its program.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use super::guard;
use crate::error::Error;
use crate::id::{ConversationId, SendId};
use crate::model::Position;
use crate::port::{
    BoxFuture, KnownServer, OutboxItem, Profile, ProfileChange, ProfileState, TransferItem,
};

/// A profile in memory.
#[derive(Default)]
pub struct MemoryProfile {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    key: Option<[u8; 32]>,
    enrolled: bool,
    /// By order, and which order an id has.
    outbox: BTreeMap<u64, OutboxItem>,
    orders: HashMap<SendId, u64>,
    positions: BTreeMap<ConversationId, Position>,
    servers: BTreeMap<String, KnownServer>,
    transfers: BTreeMap<SendId, TransferItem>,
}

impl MemoryProfile {
    /// An empty profile.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

// There is a secret key inside.
impl std::fmt::Debug for MemoryProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryProfile").finish_non_exhaustive()
    }
}

impl Profile for MemoryProfile {
    fn load(&self) -> BoxFuture<'_, Result<ProfileState, Error>> {
        let state = guard(&self.state).snapshot();
        Box::pin(async move { Ok(state) })
    }

    fn save(&self, changes: Vec<ProfileChange>) -> BoxFuture<'_, Result<(), Error>> {
        let mut state = guard(&self.state);
        for change in changes {
            state.apply(change);
        }
        Box::pin(async { Ok(()) })
    }

    fn is_durable(&self) -> bool {
        false
    }
}

impl State {
    fn snapshot(&self) -> ProfileState {
        ProfileState {
            key: self.key,
            enrolled: self.enrolled,
            outbox: self.outbox.values().cloned().collect(),
            positions: self.positions.values().cloned().collect(),
            servers: self.servers.values().cloned().collect(),
            transfers: self.transfers(),
        }
    }

    fn apply(&mut self, change: ProfileChange) {
        match change {
            ProfileChange::Key(key) => self.key = Some(key),
            ProfileChange::Enrolled(enrolled) => self.enrolled = enrolled,
            ProfileChange::PutItem(item) => {
                self.drop_item(item.id);
                self.orders.insert(item.id, item.order);
                self.outbox.insert(item.order, item);
            }
            ProfileChange::DropItem(id) => self.drop_item(id),
            ProfileChange::SetPosition(position) => {
                self.positions.insert(position.conversation, position);
            }
            ProfileChange::DropPosition(conversation) => {
                self.positions.remove(&conversation);
            }
            ProfileChange::PutServer(server) => {
                self.servers.insert(server.address.clone(), server);
            }
            ProfileChange::PutTransfer(item) => {
                self.transfers.insert(item.id, item);
            }
            ProfileChange::DropTransfer(id) => {
                self.transfers.remove(&id);
            }
        }
    }

    fn transfers(&self) -> Vec<TransferItem> {
        let mut items: Vec<_> = self.transfers.values().cloned().collect();
        items.sort_by_key(|item| item.order);
        items
    }

    fn drop_item(&mut self, id: SendId) {
        if let Some(order) = self.orders.remove(&id) {
            self.outbox.remove(&order);
        }
    }
}
