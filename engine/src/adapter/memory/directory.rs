//! The directory in memory.

use std::collections::{BTreeMap, HashMap};

use crate::adapter::rules;
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, Seq};
use crate::model::{
    Account, AccountName, Cursor, Device, Invite, Member, PendingUpload, Room, RoomName, UnixTime,
};
use crate::port::{DirectoryChange, Fault, MemberUpdate, Snapshot};

/// Accounts, devices, rooms, members, cursors, invites, and the indexes of what is unique. What is
/// listed in a snapshot has an order of its own, so that a simulated server repeats itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Register {
    pub(super) rooms: BTreeMap<ConversationId, Room>,
    /// In the order in which they were added.
    room_order: Vec<ConversationId>,
    room_names: HashMap<RoomName, ConversationId>,
    accounts: BTreeMap<AccountId, Account>,
    account_names: HashMap<AccountName, AccountId>,
    devices: BTreeMap<DeviceId, Device>,
    device_keys: HashMap<[u8; 32], DeviceId>,
    members: BTreeMap<(ConversationId, AccountId), Member>,
    cursors: BTreeMap<(ConversationId, AccountId), Cursor>,
    mentions: BTreeMap<(ConversationId, AccountId), Vec<Seq>>,
    invites: BTreeMap<[u8; 32], Invite>,
    uploads: BTreeMap<BlobId, PendingUpload>,
}

/// What was there before a change.
enum Undo {
    Room(ConversationId, Option<Room>),
    Account(AccountId, Option<Account>),
    Device(DeviceId, Option<Device>),
    Member((ConversationId, AccountId), Option<Member>),
    Cursor((ConversationId, AccountId), Option<Cursor>),
    Mentions((ConversationId, AccountId), Option<Vec<Seq>>),
    Invite([u8; 32], Option<Invite>),
    Upload(BlobId, Option<PendingUpload>),
}

impl Register {
    /// Applies all changes or none. `entry_in` is the conversation whose next entry they come with.
    pub(super) fn apply(
        &mut self,
        changes: &[DirectoryChange],
        entry_in: Option<ConversationId>,
    ) -> Result<(), Fault> {
        let mut before = Vec::new();
        for change in changes {
            if let Err(fault) = self.apply_one(change, entry_in, &mut before) {
                before.into_iter().rev().for_each(|undo| self.undo(undo));
                return Err(fault);
            }
        }
        Ok(())
    }

    pub(super) fn room(&self, conversation: ConversationId) -> Result<&Room, Fault> {
        self.rooms.get(&conversation).ok_or(Fault::NoConversation)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let rooms = self.room_order.iter().filter_map(|id| self.rooms.get(id));
        let (cursors, mentions) = (self.cursors.iter(), self.mentions.iter());
        Snapshot {
            accounts: self.accounts.values().cloned().collect(),
            devices: self.devices.values().cloned().collect(),
            rooms: rooms.cloned().collect(),
            members: self.members.values().cloned().collect(),
            cursors: cursors
                .map(|((room, who), cursor)| (*room, *who, *cursor))
                .collect(),
            mentions: mentions
                .flat_map(|((room, who), all)| all.iter().map(|seq| (*room, *who, *seq)))
                .collect(),
            invites: self.invites.values().cloned().collect(),
            uploads: self.uploads.values().cloned().collect(),
            // The logs know.
            stored: Vec::new(),
        }
    }

    /// Retention cut a conversation before this place.
    pub(super) fn trim(&mut self, conversation: ConversationId, first: Seq) {
        if let Some(room) = self.rooms.get_mut(&conversation) {
            room.first = first;
        }
        let all = (conversation, AccountId(0))..=(conversation, AccountId(u64::MAX));
        for (_, mentions) in self.mentions.range_mut(all) {
            mentions.retain(|seq| *seq >= first);
        }
    }

    fn apply_one(
        &mut self,
        change: &DirectoryChange,
        entry_in: Option<ConversationId>,
        before: &mut Vec<Undo>,
    ) -> Result<(), Fault> {
        match change {
            DirectoryChange::AddAccount(account) => {
                if self.accounts.contains_key(&account.id)
                    || self.account_names.contains_key(&account.name)
                {
                    return Err(Fault::Taken);
                }
                before.push(self.put_account(account.id, Some(account.clone())));
            }
            DirectoryChange::SetVerifier(id, verifier) => {
                if let Some(mut account) = self.accounts.get(id).cloned() {
                    account.verifier.clone_from(verifier);
                    before.push(self.put_account(*id, Some(account)));
                }
            }
            DirectoryChange::SetRights(id, rights) => {
                if let Some(mut account) = self.accounts.get(id).cloned() {
                    account.rights = *rights;
                    before.push(self.put_account(*id, Some(account)));
                }
            }
            DirectoryChange::RemoveAccount(id) => self.remove_account(*id, before),
            DirectoryChange::AddDevice(device) => {
                if self.devices.contains_key(&device.id)
                    || self.device_keys.contains_key(&device.key)
                {
                    return Err(Fault::Taken);
                }
                before.push(self.put_device(device.id, Some(device.clone())));
            }
            DirectoryChange::SeeDevice(id, date) => {
                if let Some(mut device) = self.devices.get(id).cloned() {
                    device.seen = *date;
                    before.push(self.put_device(*id, Some(device)));
                }
            }
            DirectoryChange::RemoveDevice(id) => before.push(self.put_device(*id, None)),
            DirectoryChange::AddRoom(room) => {
                let name = room.name.as_ref();
                // Two first entries of a direct conversation crossed: the first one made it.
                if name.is_none() && self.rooms.contains_key(&room.id) {
                    return Ok(());
                }
                if self.rooms.contains_key(&room.id)
                    || name.is_some_and(|name| self.room_names.contains_key(name))
                {
                    return Err(Fault::Taken);
                }
                let mut room = room.clone();
                // There are no entries yet.
                room.first = room.head.next();
                before.push(self.put_room(room.id, Some(room)));
            }
            DirectoryChange::SetTopic(id, topic) => {
                let mut room = self.room(*id)?.clone();
                room.topic.clone_from(topic);
                before.push(self.put_room(*id, Some(room)));
            }
            DirectoryChange::SetMember(update) => {
                self.set_member(update, entry_in, before)?;
            }
            DirectoryChange::Mention(conversation, account) => {
                let seq = self.room(*conversation)?.head.next();
                let key = (*conversation, *account);
                before.push(Undo::Mentions(key, self.mentions.get(&key).cloned()));
                self.mentions.entry(key).or_default().push(seq);
            }
            DirectoryChange::SetCursor(conversation, account, cursor) => {
                self.room(*conversation)?;
                let key = (*conversation, *account);
                before.push(Undo::Cursor(key, self.cursors.insert(key, *cursor)));
                if let Some(mut mentions) = self.mentions.remove(&key) {
                    before.push(Undo::Mentions(key, Some(mentions.clone())));
                    mentions.retain(|seq| *seq > cursor.read);
                    if !mentions.is_empty() {
                        self.mentions.insert(key, mentions);
                    }
                }
            }
            DirectoryChange::AddInvite(invite) => {
                if self.invites.contains_key(&invite.hash) {
                    return Err(Fault::Taken);
                }
                self.invites.insert(invite.hash, invite.clone());
                before.push(Undo::Invite(invite.hash, None));
            }
            DirectoryChange::UseInvite(hash, date) => before.push(self.use_invite(hash, *date)?),
            DirectoryChange::SetUpload(upload) => {
                let old = self.uploads.insert(upload.blob, upload.clone());
                before.push(Undo::Upload(upload.blob, old));
            }
            DirectoryChange::RemoveUpload(blob) => {
                before.push(Undo::Upload(*blob, self.uploads.remove(blob)));
            }
            // The logs know which entries name it.
            DirectoryChange::Distrust(_) => {}
        }
        Ok(())
    }

    fn remove_account(&mut self, id: AccountId, before: &mut Vec<Undo>) {
        let devices: Vec<DeviceId> = self
            .devices
            .values()
            .filter(|device| device.account == id)
            .map(|device| device.id)
            .collect();
        for device in devices {
            before.push(self.put_device(device, None));
        }
        let own = |key: &&(ConversationId, AccountId)| key.1 == id;
        let members: Vec<_> = self.members.keys().filter(own).copied().collect();
        for key in members {
            before.push(Undo::Member(key, self.members.remove(&key)));
        }
        let cursors: Vec<_> = self.cursors.keys().filter(own).copied().collect();
        for key in cursors {
            before.push(Undo::Cursor(key, self.cursors.remove(&key)));
        }
        let mentions: Vec<_> = self.mentions.keys().filter(own).copied().collect();
        for key in mentions {
            before.push(Undo::Mentions(key, self.mentions.remove(&key)));
        }
        let uploads = self.uploads.values().filter(|upload| upload.account == id);
        let uploads: Vec<BlobId> = uploads.map(|upload| upload.blob).collect();
        for blob in uploads {
            before.push(Undo::Upload(blob, self.uploads.remove(&blob)));
        }
        before.push(self.put_account(id, None));
    }

    fn set_member(
        &mut self,
        update: &MemberUpdate,
        entry_in: Option<ConversationId>,
        before: &mut Vec<Undo>,
    ) -> Result<(), Fault> {
        let head = self.room(update.conversation)?.head;
        let key = (update.conversation, update.account);
        let old = self.members.get(&key).cloned();
        let mut spans = old.as_ref().map_or_else(Vec::new, |old| old.spans.clone());
        let has_entry = entry_in == Some(update.conversation);
        if rules::update_spans(&mut spans, update.span, head, has_entry) {
            before.push(Undo::Mentions(key, self.mentions.remove(&key)));
        }
        let member = Member {
            conversation: update.conversation,
            account: update.account,
            standing: update.standing,
            role: update.role,
            muted_until: update.muted_until,
            spans,
        };
        self.members.insert(key, member);
        before.push(Undo::Member(key, old));
        Ok(())
    }

    fn use_invite(&mut self, hash: &[u8; 32], date: UnixTime) -> Result<Undo, Fault> {
        let invite = self.invites.get_mut(hash).ok_or(Fault::Taken)?;
        if invite.uses == 0 || invite.expires < date {
            return Err(Fault::Taken);
        }
        let old = invite.clone();
        invite.uses -= 1;
        if invite.uses == 0 {
            self.invites.remove(hash);
        }
        Ok(Undo::Invite(*hash, Some(old)))
    }

    fn put_account(&mut self, id: AccountId, account: Option<Account>) -> Undo {
        let old = match account {
            Some(account) => {
                self.account_names.insert(account.name.clone(), id);
                self.accounts.insert(id, account)
            }
            None => self.accounts.remove(&id).inspect(|account| {
                self.account_names.remove(&account.name);
            }),
        };
        Undo::Account(id, old)
    }

    fn put_device(&mut self, id: DeviceId, device: Option<Device>) -> Undo {
        let old = match device {
            Some(device) => {
                self.device_keys.insert(device.key, id);
                self.devices.insert(id, device)
            }
            None => self.devices.remove(&id).inspect(|device| {
                self.device_keys.remove(&device.key);
            }),
        };
        Undo::Device(id, old)
    }

    fn put_room(&mut self, id: ConversationId, room: Option<Room>) -> Undo {
        let old = match room {
            Some(room) => {
                if let Some(name) = &room.name {
                    self.room_names.insert(name.clone(), id);
                }
                let old = self.rooms.insert(id, room);
                if old.is_none() {
                    self.room_order.push(id);
                }
                old
            }
            // Only what was just added is taken back.
            None => {
                self.room_order.pop();
                self.rooms.remove(&id).inspect(|room| {
                    room.name.as_ref().map(|name| self.room_names.remove(name));
                })
            }
        };
        Undo::Room(id, old)
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Room(id, old) => drop(self.put_room(id, old)),
            Undo::Account(id, old) => drop(self.put_account(id, old)),
            Undo::Device(id, old) => drop(self.put_device(id, old)),
            Undo::Member(key, Some(old)) => drop(self.members.insert(key, old)),
            Undo::Member(key, None) => drop(self.members.remove(&key)),
            Undo::Cursor(key, Some(old)) => drop(self.cursors.insert(key, old)),
            Undo::Cursor(key, None) => drop(self.cursors.remove(&key)),
            Undo::Mentions(key, Some(old)) => drop(self.mentions.insert(key, old)),
            Undo::Mentions(key, None) => drop(self.mentions.remove(&key)),
            Undo::Invite(hash, Some(old)) => drop(self.invites.insert(hash, old)),
            Undo::Invite(hash, None) => drop(self.invites.remove(&hash)),
            Undo::Upload(blob, Some(old)) => drop(self.uploads.insert(blob, old)),
            Undo::Upload(blob, None) => drop(self.uploads.remove(&blob)),
        }
    }
}
