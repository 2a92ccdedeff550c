//! What a client is told, as the scripts compare it.

use crate::model::{
    Answer, ByeReason, Content, Conversation, Entry, Peer, PresenceState, ToClient,
};

pub(super) fn words(told: &ToClient) -> String {
    match told {
        ToClient::Welcome(_) => "welcome".into(),
        ToClient::Denied(refusal) => format!("denied {}", refusal.code),
        ToClient::Conversations { items, .. } => {
            let item = |item: &Conversation| {
                let name = match &item.peer {
                    Peer::Room(name) => format!("#{name}"),
                    Peer::Account(name) => format!("@{name}"),
                };
                let out = if item.joined { "" } else { " out" };
                format!(" {name} {}{out}", item.head)
            };
            let items: String = items.iter().map(item).collect();
            format!("conversations{items}")
        }
        ToClient::Entry(entry) => entry_words(entry),
        ToClient::Gap {
            from, to, reason, ..
        } => format!("gap {from}-{to} {}", reason.as_str()),
        ToClient::Ack { seq, .. } => format!("ack {seq}"),
        ToClient::Answer(_, Answer::Done) => "done".into(),
        ToClient::Answer(_, Answer::Entered { seq, .. }) => format!("entered {seq}"),
        ToClient::Answer(_, answer) => format!("{answer:?}"),
        ToClient::Error(_, refusal) => {
            let again = if refusal.is_retryable() { " again" } else { "" };
            format!("{}{again}", refusal.code)
        }
        ToClient::Receipts(receipts) => {
            let all = receipts.iter();
            let mut all: Vec<_> = all
                .map(|r| format!(" {} {}/{}", r.account, r.delivered, r.read))
                .collect();
            all.sort();
            format!("receipts{}", all.concat())
        }
        ToClient::Presence(items) => {
            let mut all: Vec<_> = items
                .iter()
                .map(|item| {
                    let reason = item.reason.map_or("", ByeReason::as_str);
                    format!(" {} {}{reason}", item.account, state(item.state))
                })
                .collect();
            all.sort();
            format!("presence{}", all.concat())
        }
        ToClient::Typing { account, .. } => format!("{account} writes"),
        ToClient::Notice { text, .. } => format!("notice {text}"),
        other => format!("{other:?}"),
    }
}

fn state(state: PresenceState) -> &'static str {
    match state {
        PresenceState::Online => "online",
        PresenceState::Away => "away",
        PresenceState::Offline => "offline ",
    }
}

pub(super) fn entry_words(entry: &Entry) -> String {
    let said = match entry.body.content() {
        Content::Text(text) if text.len() > 100 => "long".to_owned(),
        Content::Text(text) => text.into_owned(),
        Content::Member(change) => format!("{} {}", change.change.as_str(), change.name),
        Content::Topic(topic) => format!("topic {topic}"),
        Content::Edit(text) => format!("edit {text}"),
        Content::Redaction => "redaction".into(),
        Content::Deleted => "deleted".into(),
        other => format!("{other:?}"),
    };
    format!("{} {}: {said}", entry.seq, entry.from_name)
}
