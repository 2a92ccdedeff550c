//! What the engine asks and tells, as plugins are shown it.

use std::sync::Arc;

use chat_engine::port::{
    AskPlace, EntryAsk, FileStage, LogItem, News, PRESENCE_TEXT, Question, readable,
};
use chat_engine::{Body, Content, Kind, PresenceState};
use chat_plugin_abi as abi;

use crate::shown::{Field, Numbers, Shown};

/// What to know of a question besides what plugins are shown.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) hook: u32,
    pub(crate) shown: Arc<Shown>,
    pub(crate) direct: bool,
    /// NAME of the plugin that is the sender.
    pub(crate) own: Option<String>,
    /// The command.
    pub(crate) command: Option<String>,
}

/// Takes a question apart. `blanks` are events that nobody looks at any more.
pub(crate) fn asking(question: &Question, blanks: &mut Vec<Arc<Shown>>) -> Option<Asking> {
    Some(match question {
        Question::Connect(ask) => {
            let numbers = Numbers {
                hook: abi::CHAT_HOOK_CONNECT,
                ..Numbers::default()
            };
            plain(Shown::new(numbers).with(Field::Address, &ask.address))
        }
        Question::Login(ask) => {
            let numbers = Numbers {
                hook: abi::CHAT_HOOK_LOGIN,
                ..Numbers::default()
            };
            plain(
                Shown::new(numbers)
                    .with(Field::From, ask.name.as_str())
                    .with(Field::Name, &ask.device),
            )
        }
        Question::Entry(ask) => entry(ask, blanks.pop()),
        Question::Command(ask) => {
            let numbers = Numbers {
                hook: abi::CHAT_HOOK_COMMAND,
                flags: direct_flag(&ask.place),
                account: ask.from.0,
                ..Numbers::default()
            };
            let mut shown = Shown::new(numbers)
                .with(Field::From, ask.from_name.as_str())
                .with(Field::Name, &ask.name)
                .with(Field::Args, &ask.args);
            if let Some(conversation) = ask.conversation {
                shown.put_hex(Field::Conversation, &conversation.0);
            }
            put_place(&mut shown, &ask.place);
            Asking {
                hook: abi::CHAT_HOOK_COMMAND,
                shown: Arc::new(shown),
                // Whoever calls a command shows it to the plugin, wherever that is.
                direct: false,
                own: None,
                command: Some(ask.name.clone()),
            }
        }
        Question::File(ask) => {
            let hook = match ask.stage {
                FileStage::Offer => abi::CHAT_HOOK_FILE_OFFER,
                FileStage::Complete => abi::CHAT_HOOK_FILE_COMPLETE,
            };
            let numbers = Numbers {
                hook,
                flags: direct_flag(&ask.place),
                account: ask.from.0,
                bytes: ask.offer.size,
                ..Numbers::default()
            };
            let mut shown = Shown::new(numbers);
            shown.put_hex(Field::Conversation, &ask.conversation.0);
            let mut shown = shown
                .with(Field::From, ask.from_name.as_str())
                .with(Field::Name, &ask.offer.name)
                .with(Field::MediaType, &ask.offer.media_type);
            put_place(&mut shown, &ask.place);
            Asking {
                direct: matches!(ask.place, AskPlace::Direct(_)),
                own: ask.from_name.plugin_name().map(str::to_owned),
                ..plain(shown)
            }
        }
        // From a later version of the engine, which tells what becomes of it.
        _ => return None,
    })
}

fn plain(shown: impl Into<Arc<Shown>>) -> Asking {
    let shown = shown.into();
    Asking {
        hook: shown.numbers.hook,
        shown,
        direct: false,
        own: None,
        command: None,
    }
}

fn entry(ask: &EntryAsk, blank: Option<Arc<Shown>>) -> Asking {
    let numbers = Numbers {
        hook: abi::CHAT_HOOK_ENTRY,
        kind: kind(&ask.body),
        flags: direct_flag(&ask.place) | bot_flag(ask.from_name.plugin_name().is_some()),
        time_ms: ask.time.0 / 1000,
        target: ask.body.target.map_or(0, |seq| seq.0),
        account: ask.from.0,
        ..Numbers::default()
    };
    let new = || Arc::new(Shown::with_room(numbers, ask.body.data.len()));
    let mut shown = blank.unwrap_or_else(new);
    let event = Arc::make_mut(&mut shown);
    event.begin_anew(numbers);
    event.put(Field::From, ask.from_name.as_str());
    event.put_hex(Field::Id, &ask.id.0);
    if ask.place != AskPlace::Nowhere {
        event.put_hex(Field::Conversation, &ask.conversation.0);
    }
    put_place(event, &ask.place);
    put_body(event, &ask.body);
    Asking {
        direct: ask.is_direct(),
        own: ask.from_name.plugin_name().map(str::to_owned),
        ..plain(shown)
    }
}

/// The same event with another text.
pub(crate) fn with_text(shown: &Shown, text: &str) -> Shown {
    let mut next = shown.clone();
    next.put(Field::Text, text);
    next
}

/// An entry for observers. `again`: it may have been seen before.
pub(crate) fn observed(item: &LogItem, again: bool) -> Shown {
    let entry = &item.entry;
    let bot = entry.from_name.plugin_name().is_some();
    let numbers = Numbers {
        hook: abi::CHAT_HOOK_ENTRY_POST,
        kind: kind(&entry.body),
        flags: bot_flag(bot)
            | if item.room.is_none() {
                abi::CHAT_FLAG_DIRECT
            } else {
                0
            }
            | if again { abi::CHAT_FLAG_AGAIN } else { 0 },
        time_ms: entry.time.0 / 1000,
        seq: entry.seq.0,
        prev: entry.prev.0,
        target: entry.body.target.map_or(0, |seq| seq.0),
        account: entry.from.0,
        ..Numbers::default()
    };
    let mut shown = Shown::with_room(numbers, entry.body.data.len());
    shown.put(Field::From, entry.from_name.as_str());
    shown.put_hex(Field::Conversation, &entry.conversation.0);
    shown.put_hex(Field::Id, &entry.id.0);
    if let Some(room) = &item.room {
        shown.put(Field::Room, room.as_str());
    }
    put_body(&mut shown, &entry.body);
    shown
}

/// News for observers; `changed`: the account came or went.
pub(crate) fn news(news: &News, changed: bool) -> Option<Shown> {
    match news {
        News::Presence(presence) => {
            let numbers = Numbers {
                hook: abi::CHAT_HOOK_PRESENCE_POST,
                flags: match presence.state {
                    PresenceState::Online => abi::CHAT_FLAG_ONLINE,
                    PresenceState::Away => abi::CHAT_FLAG_AWAY,
                    PresenceState::Offline => 0,
                } | if changed { abi::CHAT_FLAG_CHANGED } else { 0 },
                ..Numbers::default()
            };
            let mut shown = Shown::new(numbers)
                .with(Field::From, presence.account.as_str())
                .with(Field::Text, &presence.text);
            if let Some(reason) = presence.reason {
                shown.put(Field::Reason, reason.as_str());
            }
            Some(shown)
        }
        News::Disconnect {
            account, reason, ..
        } => {
            let numbers = Numbers {
                hook: abi::CHAT_HOOK_DISCONNECT_POST,
                ..Numbers::default()
            };
            Some(
                Shown::new(numbers)
                    .with(Field::From, account.as_str())
                    .with(Field::Reason, reason.as_str()),
            )
        }
        News::Tail | News::Said { .. } => None,
    }
}

/// What happens at a time.
pub(crate) fn timed(hook: u32, time_ms: u64) -> Shown {
    Shown::new(Numbers {
        hook,
        time_ms,
        ..Numbers::default()
    })
}

fn put_place(shown: &mut Shown, place: &AskPlace) {
    match place {
        AskPlace::Room(room) => shown.put(Field::Room, room.as_str()),
        AskPlace::Direct(other) => shown.put(Field::To, other.as_str()),
        AskPlace::Nowhere => {}
    }
}

fn put_body(shown: &mut Shown, body: &Body) {
    if let Some(text) = readable(body) {
        shown.put(Field::Text, text);
    }
    // Of the others the text is all there is.
    if !matches!(body.kind, Kind::MEMBER | Kind::FILE) {
        return;
    }
    match body.content() {
        Content::Member(change) => {
            shown.put(Field::Name, change.name.as_str());
            shown.put(Field::Args, change.change.as_str());
        }
        Content::File(offer) => {
            shown.put(Field::MediaType, &offer.media_type);
            shown.numbers.bytes = offer.size;
        }
        _ => {}
    }
}

fn kind(body: &Body) -> u32 {
    match body.kind {
        PRESENCE_TEXT => abi::CHAT_KIND_PRESENCE,
        kind => kind.0.into(),
    }
}

fn direct_flag(place: &AskPlace) -> u32 {
    match place {
        AskPlace::Direct(_) => abi::CHAT_FLAG_DIRECT,
        _ => 0,
    }
}

fn bot_flag(bot: bool) -> u32 {
    if bot { abi::CHAT_FLAG_BOT } else { 0 }
}
