//! Accounts and devices in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::id::{AccountId, ConversationId, DeviceId, IdMap, LinkId};
use crate::model::{Account, AccountName, Device, PresenceState};

/// An account with what the hub knows of it now.
#[derive(Debug)]
pub(super) struct AccountState {
    pub(super) record: Account,
    pub(super) devices: Vec<DeviceId>,
    /// Conversations that it is or was a member of.
    pub(super) conversations: Vec<ConversationId>,
    pub(super) links: Vec<LinkId>,
    /// What it says of itself while it is online.
    pub(super) state: PresenceState,
    pub(super) text: String,
}

impl AccountState {
    /// What others see.
    pub(super) fn presence(&self) -> PresenceState {
        if self.links.is_empty() {
            PresenceState::Offline
        } else {
            self.state
        }
    }
}

/// All accounts, by id and by name, and all devices, by id and by key.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_id: IdMap<AccountId, AccountState>,
    by_name: BTreeMap<AccountName, AccountId>,
    devices: IdMap<DeviceId, Device>,
    by_key: HashMap<[u8; 32], DeviceId>,
}

impl Accounts {
    pub(super) fn insert(&mut self, record: Account) {
        self.by_name.insert(record.name.clone(), record.id);
        let state = AccountState {
            record,
            devices: Vec::new(),
            conversations: Vec::new(),
            links: Vec::new(),
            state: PresenceState::Online,
            text: String::new(),
        };
        self.by_id.insert(state.record.id, state);
    }

    pub(super) fn remove(&mut self, id: AccountId) {
        let Some(state) = self.by_id.remove(&id) else {
            return;
        };
        self.by_name.remove(&state.record.name);
        for device in state.devices {
            self.remove_device(device);
        }
    }

    pub(super) fn insert_device(&mut self, device: Device) {
        if let Some(account) = self.by_id.get_mut(&device.account) {
            account.devices.push(device.id);
            self.by_key.insert(device.key, device.id);
            self.devices.insert(device.id, device);
        }
    }

    pub(super) fn remove_device(&mut self, id: DeviceId) {
        let Some(device) = self.devices.remove(&id) else {
            return;
        };
        self.by_key.remove(&device.key);
        if let Some(account) = self.by_id.get_mut(&device.account) {
            account.devices.retain(|other| *other != id);
        }
    }

    pub(super) fn get(&self, id: AccountId) -> Option<&AccountState> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: AccountId) -> Option<&mut AccountState> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn id_of(&self, name: &AccountName) -> Option<AccountId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.get(&id)
    }

    pub(super) fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.devices.get_mut(&id)
    }

    pub(super) fn device_by_key(&self, key: &[u8; 32]) -> Option<&Device> {
        self.devices.get(self.by_key.get(key)?)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Accounts by name, those after a name.
    pub(super) fn after(&self, name: Option<&AccountName>) -> impl Iterator<Item = &AccountState> {
        let start = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name
            .range::<AccountName, _>((start, Bound::Unbounded))
            .filter_map(|(_, id)| self.by_id.get(id))
    }
}
