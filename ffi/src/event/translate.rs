//! Makes C's events of the engine's.

use std::collections::HashMap;

use chat_engine::json::error_word;
use chat_engine::{
    AccountItem, Answer, Body, ByeReason, Code, CommandItem, Content, Conversation, ConversationId,
    DeviceItem, Entry, Error, Event, HistoryItem, ItemState, MemberItem, Mistrust, Peer,
    PresenceState, Receipt, Refusal, Rights, RoomItem, SendId, Seq, Target, UnixTime, WhoItem,
    limits,
};

use super::record::{Field, Record};
use crate::api::event::*;
use crate::status::{self, CHAT_CLOSED, CHAT_PENDING};

/// What a client knows of its conversations: what is found in a search says only an id.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    places: HashMap<ConversationId, String>,
}

impl Scene {
    fn learn(&mut self, conversation: ConversationId, peer: &Peer) {
        if self.places.len() < limits::CONVERSATIONS || self.places.contains_key(&conversation) {
            self.places.insert(conversation, place(peer));
        }
    }

    fn place<'a>(&'a self, conversation: ConversationId, asked: &'a str) -> &'a str {
        let known = self.places.get(&conversation);
        known.map_or(asked, String::as_str)
    }
}

/// An event that is no reply.
pub(crate) fn of_client(event: &Event, scene: &mut Scene) -> Option<Record> {
    Some(match event {
        Event::ServerKey { fingerprint, .. } => {
            Record::new(CHAT_EVENT_SERVER_KEY).with(Field::Fingerprint, fingerprint)
        }
        Event::Connected {
            welcome,
            fingerprint,
        } => Record::new(CHAT_EVENT_CONNECTED)
            .with(Field::Account, welcome.name.as_str())
            .with(Field::Fingerprint, fingerprint)
            .with_number(Field::Device, welcome.device.0)
            .flag(CHAT_FLAG_DURABLE, welcome.durable),
        Event::Reconnecting { pause, error } => failed(CHAT_EVENT_RECONNECTING, error)
            .with_number(Field::RetryMs, millis(pause.as_millis())),
        Event::Queued { label, id, .. } => send(CHAT_EVENT_QUEUED, *id, label),
        Event::Conversation(item) => {
            scene.learn(item.id, &item.peer);
            conversation(item)
        }
        Event::Entry { peer, epoch, entry } => {
            scene.learn(entry.conversation, peer);
            self::entry(entry, &place(peer)).with_number(Field::Epoch, epoch.0)
        }
        Event::Gap {
            peer,
            conversation,
            epoch,
            from,
            to,
            reason,
        } => Record::new(CHAT_EVENT_GAP)
            .with(Field::Place, &place(peer))
            .with(Field::Conversation, &conversation.to_string())
            .with(Field::Reason, reason.as_str())
            .with_number(Field::Epoch, epoch.0)
            .with_number(Field::Seq, from.0)
            .with_number(Field::Target, to.0),
        Event::Presence(presence) => Record::new(CHAT_EVENT_PRESENCE)
            .with(Field::Account, presence.account.as_str())
            .with(Field::Text, &presence.text)
            .with(Field::Reason, presence.reason.map_or("", ByeReason::as_str))
            .with_number(Field::Presence, state(presence.state)),
        Event::Typing { peer, account } => Record::new(CHAT_EVENT_TYPING)
            .with(Field::Place, &place(peer))
            .with(Field::Account, account.as_str()),
        Event::Receipt { peer, receipt } => self::receipt(receipt).with(Field::Place, &place(peer)),
        Event::Notice { from, text, peer } => Record::new(CHAT_EVENT_NOTICE)
            .with(Field::From, from)
            .with(Field::Text, text)
            .with(Field::Place, &peer.as_ref().map(place).unwrap_or_default()),
        Event::SignalsDropped(count) => {
            Record::new(CHAT_EVENT_DROPPED).with_number(Field::Count, *count)
        }
        Event::Closed { error, reason } => closed(error.as_ref(), *reason),
        _ => return None,
    })
}

/// Fills a reply with what a request brought.
pub(crate) fn answer(
    record: Record,
    answer: &Answer,
    peer: Option<&Peer>,
    asked: &str,
    json: &str,
    scene: &mut Scene,
) -> Record {
    let named = peer.map_or_else(|| asked.to_owned(), place);
    let next = |record: Record, next: &Option<String>| {
        record.with(Field::Next, next.as_deref().unwrap_or_default())
    };
    let record = record.with(Field::Place, &named);
    match answer {
        Answer::Entered { conversation, seq } => {
            if let Some(peer) = peer {
                scene.learn(*conversation, peer);
            }
            record
                .with(Field::Conversation, &conversation.to_string())
                .with_number(Field::Seq, seq.0)
        }
        Answer::Rooms(items, more) => next(listed(record, json, items.iter().map(room_item)), more),
        Answer::Members(items, more) => {
            next(listed(record, json, items.iter().map(member_item)), more)
        }
        Answer::Who(items, more) => next(listed(record, json, items.iter().map(who_item)), more),
        Answer::History(items, _) => {
            let items = items.iter().map(|item| history_item(item, scene, &named));
            // The direction that was read decides what comes next, which the line knows.
            let record = record.with(Field::Next, &json_text(json, "next"));
            listed(record, json, items)
        }
        Answer::Search(items, more) => {
            let items = items
                .iter()
                .map(|item| entry(item, scene.place(item.conversation, &named)));
            next(listed(record, json, items), more)
        }
        Answer::Conversations(items, more) => {
            for item in items {
                scene.learn(item.id, &item.peer);
            }
            next(listed(record, json, items.iter().map(conversation)), more)
        }
        Answer::Receipts(items) => {
            let items = items
                .iter()
                .map(|item| receipt(item).with(Field::Place, &named));
            listed(record, json, items)
        }
        Answer::Devices(items) => listed(record, json, items.iter().map(device_item)),
        Answer::Commands(items) => listed(record, json, items.iter().map(command_item)),
        _ => record,
    }
}

/// Fills a reply with the items of the outbox.
pub(crate) fn outbox(record: Record, items: &[(SendId, String, ItemState)], json: &str) -> Record {
    let items = items.iter().map(|(id, label, state)| {
        let item = send(CHAT_EVENT_SEND, *id, label);
        match state {
            ItemState::Pending => item.status(CHAT_PENDING),
            ItemState::Sent => item.status(CHAT_PENDING).flag(CHAT_FLAG_SENT, true),
            ItemState::Failed(refusal) => refused(item, refusal),
        }
    });
    listed(record, json, items)
}

impl Record {
    /// What became of a send: its place in the log.
    pub(crate) fn sent(self, id: SendId, label: &str) -> Self {
        self.with_bytes(Field::SendId, &id.0)
            .with(Field::Label, label)
    }

    pub(crate) fn at(self, peer: &Peer, seq: Seq) -> Self {
        self.with(Field::Place, &place(peer))
            .with_number(Field::Seq, seq.0)
    }

    pub(crate) fn refused(self, refusal: &Refusal) -> Self {
        refused(self, refusal)
    }

    pub(crate) fn failed(self, error: &Error) -> Self {
        self.status(status::of_error(error))
            .with(Field::Reason, error_word(error))
            .with(Field::Message, &error.to_string())
    }
}

/// What a target is called.
pub(crate) fn target(target: &Target) -> String {
    match target {
        Target::Room(room) => room.as_str().to_owned(),
        Target::Account(account) => format!("@{account}"),
        _ => String::new(),
    }
}

fn place(peer: &Peer) -> String {
    match peer {
        Peer::Room(room) => room.as_str().to_owned(),
        Peer::Account(account) => format!("@{account}"),
    }
}

fn failed(kind: chat_event_type, error: &Error) -> Record {
    Record::new(kind).failed(error)
}

fn closed(error: Option<&Error>, reason: Option<ByeReason>) -> Record {
    let record = match error {
        Some(Error::Trust(Mistrust { expected, shown })) => {
            let known = expected.as_deref().unwrap_or_default();
            Record::new(CHAT_EVENT_CLOSED)
                .with(Field::Fingerprint, shown)
                .with(Field::KnownFingerprint, known)
        }
        _ => Record::new(CHAT_EVENT_CLOSED),
    };
    let record = match error {
        None => record.status(CHAT_CLOSED),
        Some(error) => record
            .status(status::of_error(error))
            .with(Field::Message, &error.to_string()),
    };
    let word = match (reason, error) {
        (Some(reason), _) => reason.as_str(),
        (None, Some(error)) => error_word(error),
        (None, None) => ByeReason::Left.as_str(),
    };
    record.with(Field::Reason, word)
}

fn refused(record: Record, refusal: &Refusal) -> Record {
    // The client itself says this one: nobody refused anything.
    let status = match refusal.code {
        Code::Lost => status::CHAT_LOST,
        code => status::of_code(code),
    };
    let record = record
        .status(status)
        .with(Field::Reason, &refusal.code.to_string())
        .with(Field::Message, &refusal.text);
    match refusal.retry_ms {
        Some(retry) => record.with_number(Field::RetryMs, retry.into()),
        None => record,
    }
}

fn send(kind: chat_event_type, id: SendId, label: &str) -> Record {
    Record::new(kind).sent(id, label)
}

fn entry(entry: &Entry, place: &str) -> Record {
    let body = &entry.body;
    let record = Record::new(kind(body))
        .with(Field::Place, place)
        .with(Field::Conversation, &entry.conversation.to_string())
        .with(Field::From, entry.from_name.as_str())
        .with_number(Field::Seq, entry.seq.0)
        .with_number(Field::Prev, entry.prev.0)
        .with_number(Field::TimeMs, entry.time.millis())
        .with_bytes(Field::SendId, &entry.id.0)
        .flag(CHAT_FLAG_DELETED, body.is_deleted());
    let record = match body.target {
        Some(seq) => record.with_number(Field::Target, seq.0),
        None => record,
    };
    match body.content() {
        Content::Text(text)
        | Content::Topic(text)
        | Content::Edit(text)
        | Content::Reaction(text) => record.with(Field::Text, &text),
        Content::Member(change) => record
            .with(Field::Account, change.name.as_str())
            .with_number(Field::Change, change.change as u64)
            .with_number(Field::Role, change.role as u64)
            .with_number(Field::UntilMs, until(change.until)),
        Content::File(offer) => {
            let record = match body.blob {
                Some(blob) => record.with_bytes(Field::Blob, &blob.0),
                None => record,
            };
            record
                .with(Field::Name, &offer.name)
                .with(Field::MediaType, &offer.media_type)
                .with_number(Field::Size, offer.size)
                .with_bytes(Field::Hash, &offer.hash)
        }
        Content::Unknown => record.with_number(Field::Count, body.kind.0.into()),
        _ => record,
    }
}

fn kind(body: &Body) -> chat_event_type {
    use chat_engine::Kind;
    // Data that its kind does not explain must not look like a whole entry of that kind.
    if body.content() == Content::Unknown {
        return CHAT_EVENT_ENTRY;
    }
    match body.kind {
        Kind::TEXT => CHAT_EVENT_MESSAGE,
        Kind::FILE => CHAT_EVENT_FILE,
        Kind::EDIT => CHAT_EVENT_EDIT,
        Kind::REDACTION => CHAT_EVENT_DELETE,
        Kind::REACTION => CHAT_EVENT_REACTION,
        Kind::MEMBER => CHAT_EVENT_MEMBER,
        Kind::TOPIC => CHAT_EVENT_TOPIC,
        _ => CHAT_EVENT_ENTRY,
    }
}

fn history_item(item: &HistoryItem, scene: &Scene, asked: &str) -> Record {
    let reactions = item.reactions.iter().map(|reaction| {
        let accounts = reaction
            .accounts
            .iter()
            .map(|account| Record::new(CHAT_EVENT_ACCOUNT).with(Field::Account, account.as_str()));
        Record::new(CHAT_EVENT_REACTIONS)
            .with(Field::Text, &reaction.emoji)
            .with_items(accounts)
    });
    entry(&item.entry, scene.place(item.entry.conversation, asked))
        .flag(CHAT_FLAG_EDITED, item.edited)
        .with_items(reactions)
}

fn conversation(item: &Conversation) -> Record {
    Record::new(CHAT_EVENT_CONVERSATION)
        .with(Field::Place, &place(&item.peer))
        .with(Field::Conversation, &item.id.to_string())
        .with_number(Field::Epoch, item.epoch.0)
        .with_number(Field::Head, item.head.0)
        .with_number(Field::Read, item.read.0)
        .with_number(Field::Unread, item.unread.into())
        .with_number(Field::Mentions, item.mentions.into())
        .flag(CHAT_FLAG_JOINED, item.joined)
}

fn receipt(receipt: &Receipt) -> Record {
    Record::new(CHAT_EVENT_RECEIPT)
        .with(Field::Account, receipt.account.as_str())
        .with(Field::Conversation, &receipt.conversation.to_string())
        .with_number(Field::Delivered, receipt.delivered.0)
        .with_number(Field::Read, receipt.read.0)
}

/// A room in a list.
pub(crate) fn room_item(item: &RoomItem) -> Record {
    Record::new(CHAT_EVENT_ROOM)
        .with(Field::Place, item.name.as_str())
        .with(Field::Text, &item.topic)
        .with_number(Field::Members, item.members.into())
        .flag(CHAT_FLAG_PUBLIC, item.public)
        .flag(CHAT_FLAG_JOINED, item.joined)
}

/// A member in a list.
pub(crate) fn member_item(item: &MemberItem) -> Record {
    Record::new(CHAT_EVENT_ROOM_MEMBER)
        .with(Field::Account, item.account.as_str())
        .with_number(Field::Role, item.role as u64)
        .with_number(Field::Presence, item.presence.map_or(0, state))
        .with_number(Field::UntilMs, until(item.muted_until))
        .flag(CHAT_FLAG_MUTED, item.muted_until.0 != 0)
}

fn who_item(item: &WhoItem) -> Record {
    Record::new(CHAT_EVENT_PRESENCE)
        .with(Field::Account, item.account.as_str())
        .with(Field::Text, &item.text)
        .with_number(Field::Presence, state(item.state))
}

fn device_item(item: &DeviceItem) -> Record {
    Record::new(CHAT_EVENT_DEVICE)
        .with(Field::Name, &item.name)
        .with_number(Field::Device, item.id.0)
        .with_number(Field::TimeMs, item.created.millis())
        .with_number(Field::SeenMs, item.seen.millis())
        .flag(CHAT_FLAG_ONLINE, item.online)
        .flag(CHAT_FLAG_THIS, item.this)
}

fn command_item(item: &CommandItem) -> Record {
    Record::new(CHAT_EVENT_COMMAND)
        .with(Field::Name, &item.name)
        .with(Field::Text, &item.help)
}

/// An account in a list for the operator.
pub(crate) fn account_item(item: &AccountItem) -> Record {
    Record::new(CHAT_EVENT_ACCOUNT)
        .with(Field::Account, item.name.as_str())
        .with_number(Field::TimeMs, item.created.millis())
        .with_number(Field::Devices, item.devices.into())
        .flag(CHAT_FLAG_ADMIN, item.rights == Rights::Admin)
        .flag(CHAT_FLAG_ONLINE, item.online)
        .flag(CHAT_FLAG_PASSWORD, item.password)
}

fn state(state: PresenceState) -> u64 {
    state as u64
}

/// 0 stands for "for ever" and "not at all"; what it is about says which.
fn until(until: UnixTime) -> u64 {
    match until {
        UnixTime(u64::MAX) => 0,
        until => until.millis(),
    }
}

fn millis(millis: u128) -> u64 {
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// The items of a list, each with its part of the line.
pub(crate) fn listed(
    record: Record,
    json: &str,
    items: impl IntoIterator<Item = Record>,
) -> Record {
    let parts = match serde_json::from_str(json) {
        Ok(serde_json::Value::Object(mut line)) => line.remove("items"),
        _ => None,
    };
    let mut parts = match parts {
        Some(serde_json::Value::Array(parts)) => parts.into_iter(),
        _ => Vec::new().into_iter(),
    };
    record.with_items(items.into_iter().map(|item| {
        let part = parts.next();
        item.with_json(part.map(|part| part.to_string()).unwrap_or_default())
    }))
}

fn json_text(json: &str, key: &str) -> String {
    let line = serde_json::from_str::<serde_json::Value>(json).unwrap_or_default();
    line.get(key)
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
