//! Makes lines of events.

use std::collections::HashMap;

use super::input::{Action, Input, LineError};
use super::object::Object;
use super::refs::{Asked, Refs};
use crate::agent::{Command, CommandId, Event};
use crate::error::{Error, LinkFault, Misuse};
use crate::id::{ConversationId, Epoch, SendId, Seq};
use crate::limits;
use crate::model::{
    Answer, Body, ByeReason, Code, Content, Conversation, DeviceItem, Entry, HistoryFrom,
    HistoryItem, Kind, MemberItem, Peer, Receipt, Refusal, UnixTime, Welcome,
};
use crate::port::ItemState;

/// The JSON side of one client: remembers what its answers need to be understood.
///
/// - [`resolve`](Self::resolve) makes a command of an input line.
/// - [`asked`](Self::asked) notes a command that the client took; call it before the next event is
///   looked at, or its answer has no `ref`.
/// - [`event`](Self::event) makes the lines of an event.
#[derive(Debug, Default)]
pub struct Lines {
    refs: Refs,
    // What conversations are called: entries that were found say only their id.
    peers: HashMap<ConversationId, Peer>,
}

impl Lines {
    /// For a new client.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The command that a line stands for.
    ///
    /// # Errors
    ///
    /// [`LineError`] when the verb is not supported, or no open send has the `ref`.
    pub fn resolve(&self, input: Input) -> Result<Command, LineError> {
        let (code, text) = match input.action {
            Action::Command(command) => return Ok(command),
            Action::CancelRef(reference) => match self.refs.send(&reference) {
                Some(id) => return Ok(Command::Cancel(id)),
                None => (
                    Code::NoSuchEntry,
                    "no send in the outbox has this `ref`; see `outbox`".to_owned(),
                ),
            },
            Action::NotSupported(verb) => (
                Code::NotSupported,
                format!("\"{verb}\" is not supported by this version"),
            ),
        };
        Err(LineError {
            reference: input.reference,
            code,
            text,
        })
    }

    /// Notes a command that the client took.
    pub fn asked(&mut self, id: CommandId, reference: Option<String>, command: &Command) {
        self.refs.asked(id, reference, command);
    }

    /// Learns the labels of sends that earlier runs left in the outbox, so that they can be cancelled
    /// by `ref`: for the answer of a [`Command::Outbox`] that nobody shall see.
    pub fn learn(&mut self, items: &[(SendId, String, ItemState)]) {
        for (id, label, _) in items {
            self.refs.opened(label, *id);
        }
    }

    /// The line for a command that the client did not take.
    #[must_use]
    pub fn not_taken(&self, reference: Option<&str>, error: &Error) -> String {
        let line = Object::of_type("error").text_if("ref", reference.unwrap_or_default());
        line.text("code", error_word(error))
            .text("message", &error.to_string())
            .finish()
    }

    /// The lines of an event; none for some.
    pub fn event(&mut self, event: &Event) -> Vec<String> {
        let fatal = match event {
            Event::Closed {
                error: Some(Error::Refused(refusal)),
                ..
            } => Some(refusal_fields(Object::of_type("error"), refusal)),
            _ => None,
        };
        let line = self.object(event);
        fatal.into_iter().chain(line).map(Object::finish).collect()
    }

    fn object(&mut self, event: &Event) -> Option<Object> {
        Some(match event {
            Event::ServerKey { fingerprint, .. } => {
                Object::of_type("server_key").text("fingerprint", fingerprint)
            }
            Event::Connected {
                welcome,
                fingerprint,
            } => connected(welcome, fingerprint),
            Event::Reconnecting { pause, error } => Object::of_type("reconnecting")
                .number(
                    "in_ms",
                    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                )
                .text("reason", error_word(error))
                .text("message", &error.to_string()),
            Event::Queued { label, id, .. } => {
                self.refs.opened(label, *id);
                send_line("queued", label, *id)
            }
            Event::Acked {
                command,
                label,
                id,
                peer,
                seq,
            } => {
                self.refs.settled(label, *id);
                Object::of_type("ack")
                    .text_if("ref", label)
                    .place(peer)
                    .number("seq", seq.0)
                    .id("id", id)
                    .flag_if("earlier", command.is_none())
            }
            Event::Refused {
                command,
                label,
                id,
                refusal,
            } => self.refused(*command, label, *id, refusal),
            Event::Canceled { label, id, .. } => {
                self.refs.settled(label, *id);
                send_line("canceled", label, *id)
            }
            Event::Answer {
                command,
                answer,
                peer,
            } => {
                let asked = self.refs.answered(*command);
                // The send itself says that it was cancelled; an `ack` with its `ref` would tell a
                // script that it had arrived.
                if asked.cancels {
                    return None;
                }
                self.answer(&asked, answer, peer.as_ref())
            }
            Event::Outbox { command, items } => {
                let asked = self.refs.answered(*command);
                self.learn(items);
                answer_line("outbox", &asked).objects("items", items.iter().map(outbox_item))
            }
            Event::Progress {
                label,
                id,
                done,
                size,
                ..
            } => Object::of_type("progress")
                .text_if("ref", label)
                .id("id", id)
                .number("done", *done)
                .number("size", *size),
            Event::Fetched {
                command,
                label,
                id,
                blob,
                path,
                hash,
            } => {
                self.refs.settled(label, *id);
                let path = path.as_ref().map(|path| path.to_string_lossy());
                Object::of_type("ack")
                    .text_if("ref", label)
                    .id("id", id)
                    .id("blob", blob)
                    .text_if("path", path.as_deref().unwrap_or_default())
                    .text("hash", &hex(hash))
                    .flag_if("earlier", command.is_none())
            }
            Event::Incoming { peer, incoming } => Object::of_type("incoming")
                .place(peer)
                .text("from", incoming.from.as_str())
                .id("blob", incoming.blob)
                .text("name", &incoming.name)
                .number("size", incoming.size)
                .text("media_type", &incoming.media_type)
                .flag_if("over", incoming.is_over),
            Event::Conversation(conversation) => {
                self.name(conversation.id, &conversation.peer);
                conversation_fields(Object::of_type("conversation"), conversation)
            }
            Event::Entry { peer, epoch, entry } => {
                self.name(entry.conversation, peer);
                entry_object(Some(peer), Some(*epoch), entry)
            }
            Event::Gap {
                peer,
                conversation,
                epoch,
                from,
                to,
                reason,
            } => Object::of_type("gap")
                .place(peer)
                .id("conv", conversation)
                .id("epoch", epoch)
                .number("from", from.0)
                .number("to_seq", to.0)
                .text("reason", reason.as_str()),
            Event::Presence(presence) => Object::of_type("presence")
                .text("account", presence.account.as_str())
                .text("state", presence.state.as_str())
                .text("text", &presence.text)
                .text_if("reason", presence.reason.map_or("", ByeReason::as_str)),
            Event::Typing { peer, account } => Object::of_type("typing")
                .place(peer)
                .text("account", account.as_str()),
            Event::Receipt { peer, receipt } => {
                receipt_fields(Object::of_type("receipt").place(peer), receipt)
            }
            Event::Notice { from, text, peer } => Object::of_type("notice")
                .text("from", from)
                .text("text", text)
                .place_if(peer.as_ref()),
            Event::SignalsDropped(count) => Object::of_type("dropped").number("signals", *count),
            Event::Unsent {
                label, id, kept, ..
            } => send_line(if *kept { "pending" } else { "failed" }, label, *id),
            Event::Closed { error, reason } => bye(error.as_ref(), *reason),
        })
    }

    fn refused(
        &mut self,
        command: Option<CommandId>,
        label: &str,
        id: Option<SendId>,
        refusal: &Refusal,
    ) -> Object {
        // A send has its label; anything else is known by its number.
        let asked = match (id, command) {
            (None, Some(command)) => self.refs.answered(command).reference,
            _ => None,
        };
        let mut line = Object::of_type("error").text_if("ref", asked.as_deref().unwrap_or(label));
        if let Some(id) = id {
            line = line.id("id", id);
        }
        refusal_fields(line, refusal).flag_if("earlier", id.is_some() && command.is_none())
    }

    fn answer(&mut self, asked: &Asked, answer: &Answer, peer: Option<&Peer>) -> Object {
        let line = |name| answer_line(name, asked);
        let next = |object: Object, next: &Option<String>| {
            object.text_if("next", next.as_deref().unwrap_or_default())
        };
        match answer {
            Answer::Done => line("ack").place_if(peer.or(asked.place.as_ref())),
            Answer::Entered { conversation, seq } => {
                let peer = peer.or(asked.place.as_ref());
                if let Some(peer) = peer {
                    self.name(*conversation, peer);
                }
                line("ack")
                    .place_if(peer)
                    .number("seq", seq.0)
                    .id("conv", conversation)
            }
            Answer::Rooms(items, more) => next(
                line("rooms").objects(
                    "items",
                    items.iter().map(|item| {
                        Object::new()
                            .text("room", item.name.as_str())
                            .text("topic", &item.topic)
                            .flag("public", item.public)
                            .number("members", item.members)
                            .flag("joined", item.joined)
                    }),
                ),
                more,
            ),
            Answer::Members(items, more) => next(
                line("who")
                    .place_if(asked.place.as_ref())
                    .objects("items", items.iter().map(member_item)),
                more,
            ),
            Answer::Who(items, more) => next(
                line("who").objects(
                    "items",
                    items.iter().map(|item| {
                        Object::new()
                            .text("account", item.account.as_str())
                            .text("state", item.state.as_str())
                            .text("text", &item.text)
                    }),
                ),
                more,
            ),
            Answer::History(items, more) => self.history(asked, items, *more),
            Answer::Search(items, more) => {
                let objects = items.iter().map(|entry| {
                    let peer = self.peers.get(&entry.conversation);
                    entry_object(peer.or(asked.place.as_ref()), None, entry)
                });
                next(line("search").objects("items", objects), more)
            }
            Answer::Conversations(items, more) => {
                for item in items {
                    self.name(item.id, &item.peer);
                }
                let objects = items
                    .iter()
                    .map(|item| conversation_fields(Object::new(), item));
                next(line("conversations").objects("items", objects), more)
            }
            Answer::Receipts(items) => line("receipts").place_if(asked.place.as_ref()).objects(
                "items",
                items.iter().map(|item| receipt_fields(Object::new(), item)),
            ),
            Answer::Devices(items) => {
                line("devices").objects("items", items.iter().map(device_item))
            }
            Answer::Commands(items) => line("commands").objects(
                "items",
                items.iter().map(|item| {
                    Object::new()
                        .text("name", &item.name)
                        .text("help", &item.help)
                }),
            ),
            // Transfers are told by their own events.
            Answer::Uploading(_) | Answer::Fetching(_) => line("ack"),
        }
    }

    fn history(&self, asked: &Asked, items: &[HistoryItem], more: bool) -> Object {
        let peer = |entry: &Entry| {
            let named = self.peers.get(&entry.conversation);
            asked.place.clone().or_else(|| named.cloned())
        };
        let next = match (more, asked.from, items.first(), items.last()) {
            (true, Some(HistoryFrom::After(_)), _, Some(last)) => {
                format!("after:{}", last.entry.seq)
            }
            (true, Some(HistoryFrom::End | HistoryFrom::Before(_)), Some(first), _) => {
                format!("before:{}", first.entry.seq)
            }
            // Around a place there are two directions; the reader has both ends.
            _ => String::new(),
        };
        let objects = items.iter().map(|item| {
            let entry = &item.entry;
            let reactions = item.reactions.iter().map(|reaction| {
                let accounts: Vec<&str> =
                    reaction.accounts.iter().map(|who| who.as_str()).collect();
                let accounts = serde_json::to_string(&accounts).unwrap_or_default();
                Object::new()
                    .text("emoji", &reaction.emoji)
                    .raw("accounts", &accounts)
            });
            entry_fields(peer(entry).as_ref(), None, entry)
                .flag("edited", item.edited)
                .flag("deleted", entry.body.is_deleted())
                .objects("reactions", reactions)
        });
        answer_line("history", asked)
            .place_if(asked.place.as_ref())
            .objects("items", objects)
            .flag("more", more)
            .text_if("next", &next)
    }

    fn name(&mut self, conversation: ConversationId, peer: &Peer) {
        if self.peers.len() < limits::CONVERSATIONS || self.peers.contains_key(&conversation) {
            self.peers.insert(conversation, peer.clone());
        }
    }
}

/// A stable word for an error, as `code` and `reason` hold it.
#[must_use]
pub fn error_word(error: &Error) -> &'static str {
    match error {
        Error::Misuse(Misuse::Name(_)) => Code::BadName.as_str(),
        Error::Misuse(Misuse::TooLong(_)) => Code::TooLong.as_str(),
        Error::Misuse(Misuse::Empty) => Code::Empty.as_str(),
        Error::Misuse(Misuse::Full) => "full",
        Error::Misuse(Misuse::Address(_) | Misuse::Url(_) | Misuse::Other(_)) => {
            Code::BadRequest.as_str()
        }
        Error::Refused(refusal) => refusal.code.as_str(),
        Error::Link(LinkFault::Connect(_)) => "cannot_connect",
        Error::Link(LinkFault::Lost) => "lost",
        Error::Link(LinkFault::Timeout) => "timeout",
        Error::Link(LinkFault::Bye(reason, _)) => reason.as_str(),
        Error::Peer(_) => "protocol",
        Error::Trust(_) => "server_key",
        Error::Version => "version",
        Error::Local(_) => "local",
        Error::InUse { .. } => "in_use",
        Error::TooNew(_) => "too_new",
        Error::Closed => "closed",
        Error::Internal(_) => Code::Internal.as_str(),
    }
}

fn connected(welcome: &Welcome, fingerprint: &str) -> Object {
    let limits = &welcome.limits;
    Object::of_type("connected")
        .text("account", welcome.name.as_str())
        .id("account_id", welcome.account)
        .id("device", welcome.device)
        .text("fingerprint", fingerprint)
        .number("protocol", PROTOCOL)
        .flag("durable", welcome.durable)
        .object(
            "limits",
            Object::new()
                .number("sends", limits.sends)
                .number("entry_credit", limits.entry_credit)
                .number("text", limits.text)
                .number("frame", limits.frame)
                .number("ping_ms", limits.ping_ms)
                .number("dead_ms", limits.dead_ms),
        )
}

fn refusal_fields(line: Object, refusal: &Refusal) -> Object {
    let line = line.id("code", refusal.code).text("message", &refusal.text);
    match refusal.retry_ms {
        Some(retry) => line.number("retry_ms", retry),
        None => line,
    }
}

fn bye(error: Option<&Error>, reason: Option<ByeReason>) -> Object {
    let word = match (reason, error) {
        (Some(reason), _) => reason.as_str(),
        (None, Some(error)) => error_word(error),
        (None, None) => ByeReason::Left.as_str(),
    };
    let message = error.map(ToString::to_string).unwrap_or_default();
    Object::of_type("bye")
        .text("reason", word)
        .text_if("message", &message)
}

fn send_line(name: &str, label: &str, id: SendId) -> Object {
    Object::of_type(name).text_if("ref", label).id("id", id)
}

fn answer_line(name: &str, asked: &Asked) -> Object {
    Object::of_type(name).text_if("ref", asked.reference.as_deref().unwrap_or_default())
}

fn outbox_item((id, label, state): &(SendId, String, ItemState)) -> Object {
    let item = Object::new().id("id", id).text_if("ref", label);
    match state {
        ItemState::Pending => item.text("state", "pending"),
        ItemState::Sent => item.text("state", "sent"),
        ItemState::Failed(refusal) => item.text("state", "failed").id("code", refusal.code),
    }
}

fn member_item(item: &MemberItem) -> Object {
    let object = Object::new()
        .text("account", item.account.as_str())
        .text("role", item.role.as_str())
        .text_if("state", item.presence.map_or("", |state| state.as_str()));
    match item.muted_until.0 {
        0 => object,
        u64::MAX => object.flag("muted", true),
        _ => object
            .flag("muted", true)
            .time("muted_until", item.muted_until),
    }
}

fn device_item(item: &DeviceItem) -> Object {
    Object::new()
        .id("device", item.id)
        .text("name", &item.name)
        .time("created", item.created)
        .time("seen", item.seen)
        .flag("online", item.online)
        .flag("this", item.this)
}

fn receipt_fields(object: Object, receipt: &Receipt) -> Object {
    object
        .text("account", receipt.account.as_str())
        .number("delivered", receipt.delivered.0)
        .number("read", receipt.read.0)
}

fn conversation_fields(object: Object, conversation: &Conversation) -> Object {
    object
        .place(&conversation.peer)
        .id("conv", conversation.id)
        .id("epoch", conversation.epoch)
        .number("head", conversation.head.0)
        .number("read", conversation.read.0)
        .number("unread", conversation.unread)
        .number("mentions", conversation.mentions)
        .flag("joined", conversation.joined)
}

fn entry_object(peer: Option<&Peer>, epoch: Option<Epoch>, entry: &Entry) -> Object {
    entry_fields(peer, epoch, entry).flag_if("deleted", entry.body.is_deleted())
}

fn entry_fields(peer: Option<&Peer>, epoch: Option<Epoch>, entry: &Entry) -> Object {
    let body = &entry.body;
    let content = body.content();
    // Data that its kind does not explain must not look like a whole entry of that kind.
    let name = match content {
        Content::Unknown => "entry",
        _ => kind_name(body.kind),
    };
    let mut line = Object::of_type(name)
        .place_if(peer)
        .id("conv", entry.conversation);
    if let Some(epoch) = epoch {
        line = line.id("epoch", epoch);
    }
    line = line
        .number("seq", entry.seq.0)
        .number("prev", entry.prev.0)
        .id("id", entry.id)
        .text("from", entry.from_name.as_str())
        .flag_if("bot", entry.from_name.plugin_name().is_some())
        .time("time", entry.time);
    match content {
        Content::Text(text) => reply(line.text("text", &text), body),
        Content::Topic(text) => line.text("text", &text),
        Content::Edit(text) => target(line, body.target).text("text", &text),
        Content::Redaction => target(line, body.target),
        Content::Reaction(emoji) => target(line, body.target).text("emoji", &emoji),
        Content::Member(change) => {
            let line = line
                .text("account", change.name.as_str())
                .text("change", change.change.as_str())
                .text("role", change.role.as_str());
            match change.until {
                UnixTime(0 | u64::MAX) => line,
                until => line.time("until", until),
            }
        }
        Content::File(offer) => {
            let line = match body.blob {
                Some(blob) => line.id("blob", blob),
                None => line,
            };
            line.text("name", &offer.name)
                .number("size", offer.size)
                .text("media_type", &offer.media_type)
                .text("hash", &hex(&offer.hash))
        }
        Content::Deleted => match body.kind {
            Kind::TEXT => reply(line.text("text", ""), body),
            Kind::EDIT => target(line, body.target).text("text", ""),
            _ => line,
        },
        Content::Unknown => line.number("kind", body.kind.0),
    }
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::TEXT => "message",
        Kind::FILE => "file",
        Kind::EDIT => "edit",
        Kind::REDACTION => "delete",
        Kind::REACTION => "reaction",
        Kind::MEMBER => "member",
        Kind::TOPIC => "topic",
        _ => "entry",
    }
}

fn target(line: Object, seq: Option<Seq>) -> Object {
    line.number("target", seq.unwrap_or(Seq::ZERO).0)
}

fn reply(line: Object, body: &Body) -> Object {
    match body.target {
        Some(seq) => line.number("reply_to", seq.0),
        None => line,
    }
}

/// The version of the protocol that this engine speaks.
const PROTOCOL: u64 = 1;
