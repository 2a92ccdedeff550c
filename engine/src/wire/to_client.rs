//! What servers send.

use std::iter::repeat_n;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{append_answer, read_answer};
use super::frame::{self, Frame, Known, LENGTH_BYTES};
use super::number::{self, Numbered};
use super::part::{
    ByeBody, ConversationPart, EchoBody, EntryPart, Ext, List, ReceiptPart, account_name, seq,
};
use super::tag::{self, Sender};
use super::{Decoded, TooLarge, codec, entry, file};
use crate::error::Violation;
use crate::id::{AccountId, ConversationId, DeviceId, Epoch, RequestId, SendId, Seq};
use crate::limits;
use crate::model::{
    ByeReason, Code, Entry, GapReason, Presence, PresenceState, Refusal, ToClient, UnixTime,
    Welcome, WelcomeLimits,
};

/// Appends one whole frame.
///
/// # Errors
///
/// [`TooLarge`]; then `out` is as it was. Never for an entry, see [`encode_entry`].
pub fn encode_to_client(message: &ToClient, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let extensions = Ext::NONE;
    let none = RequestId(0);
    match message {
        ToClient::Welcome(welcome) => {
            frame::append(out, tag::WELCOME, none, &WelcomeBody::new(welcome))
        }
        ToClient::Denied(refusal) => {
            frame::append(out, tag::DENIED, none, &RefusalBody::new(refusal))
        }
        ToClient::Conversations { items, more } => {
            let body = ConversationsBody {
                items: List::of(items, ConversationPart::new),
                more: *more,
                extensions,
            };
            frame::append(out, tag::CONVERSATIONS, none, &body)
        }
        ToClient::Entry(entry) => {
            if append_entry(entry, out).is_err() {
                append_entry(&blanked(entry), out)?;
            }
            Ok(())
        }
        ToClient::Gap {
            conversation,
            epoch,
            from,
            to,
            reason,
        } => {
            let body = GapBody {
                conversation: *conversation,
                epoch: *epoch,
                from: *from,
                to: *to,
                reason: *reason,
                extensions,
            };
            frame::append(out, tag::GAP, none, &body)
        }
        ToClient::Ack {
            request,
            conversation,
            seq,
            id,
        } => {
            let body = AckBody {
                conversation: *conversation,
                seq: *seq,
                id: *id,
                extensions,
            };
            frame::append(out, tag::ACK, *request, &body)
        }
        ToClient::Answer(request, answer) => append_answer(out, *request, answer),
        ToClient::Error(request, refusal) => {
            frame::append(out, tag::ERROR, *request, &RefusalBody::new(refusal))
        }
        ToClient::Receipts(receipts) => {
            let items = List::of(receipts, ReceiptPart::new);
            frame::append(
                out,
                tag::RECEIPTS,
                none,
                &ReceiptsBody { items, extensions },
            )
        }
        ToClient::Presence(changes) => {
            let items = List::of(changes, PresencePart::new);
            frame::append(
                out,
                tag::PRESENCE,
                none,
                &PresenceBody { items, extensions },
            )
        }
        ToClient::Typing {
            conversation,
            account,
        } => {
            let body = TypingBody {
                conversation: *conversation,
                account: account.as_str(),
                extensions,
            };
            frame::append(out, tag::TYPING, none, &body)
        }
        ToClient::Notice {
            from,
            text,
            conversation,
        } => {
            let body = NoticeBody {
                from,
                text,
                conversation: *conversation,
                extensions,
            };
            frame::append(out, tag::NOTICE, none, &body)
        }
        ToClient::Incoming(incoming) => file::append_incoming(out, incoming),
        ToClient::Received { transfer, upto } => {
            file::append_progress(out, tag::RECEIVED, *transfer, *upto)
        }
        ToClient::Piece(piece) => file::append_piece(out, piece),
        ToClient::Fetched(fetched) => file::append_fetched(out, fetched),
        ToClient::Stopped(stopped) => file::append_stopped(out, stopped),
        ToClient::Ping(number) => frame::append(out, tag::PING, none, &EchoBody::new(*number)),
        ToClient::Pong(number) => frame::append(out, tag::PONG, none, &EchoBody::new(*number)),
        ToClient::Rekey => frame::append(out, tag::REKEY, none, &()),
        ToClient::Bye(reason, text) => {
            let body = ByeBody {
                reason: reason.number(),
                text,
                extensions,
            };
            frame::append(out, tag::BYE, none, &body)
        }
    }
}

/// One frame with an entry, made once for all who get it.
///
/// An entry that does not fit a frame is a fault of whoever took it into the log. It travels as if it
/// had been deleted: the readers keep their place, and nobody's link breaks over it.
#[must_use]
pub fn encode_entry(entry: &Entry) -> Arc<[u8]> {
    let whole = build_entry(entry);
    // The blanked one has nothing in it that could be too large: a name, ids and numbers.
    let frame = whole.or_else(|TooLarge| build_entry(&blanked(entry)));
    frame.unwrap_or_else(|TooLarge| Arc::default())
}

/// Reads one whole frame, its length included.
///
/// # Errors
///
/// How the server broke the protocol; the link has to be closed.
pub fn decode_to_client(bytes: &[u8]) -> Result<Decoded<ToClient>, Violation> {
    let frame = Frame::open(bytes)?;
    match frame.kind(Sender::Server)? {
        Known::Yes(_) => read(&frame).map(Decoded::Message),
        Known::Skip => Ok(Decoded::Skipped),
    }
}

fn read(frame: &Frame<'_>) -> Result<ToClient, Violation> {
    Ok(match frame.tag {
        tag::WELCOME => {
            let body: WelcomeBody<'_> = codec::read(frame.body)?;
            ToClient::Welcome(Box::new(body.into_model()?))
        }
        tag::DENIED => ToClient::Denied(read_refusal(frame)?),
        tag::CONVERSATIONS => {
            let body: ConversationsBody<'_> = codec::read(frame.body)?;
            ToClient::Conversations {
                items: body.items.into_model(ConversationPart::into_model)?,
                more: body.more,
            }
        }
        tag::ENTRY => match entry::read_usual(frame.body) {
            Some(entry) => ToClient::Entry(entry),
            None => ToClient::Entry(read_entry(frame.body)?),
        },
        tag::GAP => {
            let body: GapBody<'_> = codec::read(frame.body)?;
            ToClient::Gap {
                conversation: body.conversation,
                epoch: body.epoch,
                from: body.from,
                to: body.to,
                reason: body.reason,
            }
        }
        tag::ACK => {
            let body: AckBody<'_> = codec::read(frame.body)?;
            ToClient::Ack {
                request: frame.request,
                conversation: body.conversation,
                seq: body.seq,
                id: body.id,
            }
        }
        tag::ERROR => ToClient::Error(frame.request, read_refusal(frame)?),
        tag::RECEIPTS => {
            let body: ReceiptsBody<'_> = codec::read(frame.body)?;
            ToClient::Receipts(body.items.into_model(ReceiptPart::into_model)?)
        }
        tag::PRESENCE => {
            let body: PresenceBody<'_> = codec::read(frame.body)?;
            ToClient::Presence(body.items.into_model(PresencePart::into_model)?)
        }
        tag::TYPING => {
            let body: TypingBody<'_> = codec::read(frame.body)?;
            ToClient::Typing {
                conversation: body.conversation,
                account: account_name(body.account)?,
            }
        }
        tag::NOTICE => {
            let body: NoticeBody<'_> = codec::read(frame.body)?;
            ToClient::Notice {
                from: body.from.to_owned(),
                text: body.text.to_owned(),
                conversation: body.conversation,
            }
        }
        tag::INCOMING => ToClient::Incoming(file::read_incoming(frame)?),
        tag::RECEIVED => {
            let (transfer, upto) = file::read_progress(frame)?;
            ToClient::Received { transfer, upto }
        }
        tag::PIECE => ToClient::Piece(file::read_piece(frame)?),
        tag::FETCHED => ToClient::Fetched(file::read_fetched(frame)?),
        tag::STOPPED => ToClient::Stopped(file::read_stopped(frame)?),
        tag::PING => ToClient::Ping(codec::read::<EchoBody<'_>>(frame.body)?.number),
        tag::PONG => ToClient::Pong(codec::read::<EchoBody<'_>>(frame.body)?.number),
        tag::REKEY => {
            codec::read::<()>(frame.body)?;
            ToClient::Rekey
        }
        tag::BYE => {
            let body: ByeBody<'_> = codec::read(frame.body)?;
            // A reason of a later version: all that is sure is that the link ends.
            let reason = ByeReason::from_number(body.reason).unwrap_or(ByeReason::Lost);
            ToClient::Bye(reason, body.text.to_owned())
        }
        _ => ToClient::Answer(frame.request, read_answer(frame)?),
    })
}

fn read_refusal(frame: &Frame<'_>) -> Result<Refusal, Violation> {
    let body: RefusalBody<'_> = codec::read(frame.body)?;
    Ok(Refusal {
        code: Code::from_number(body.code),
        text: body.text.to_owned(),
        retry_ms: body.retry_ms,
    })
}

/// Reads any entry.
pub(super) fn read_entry(body: &[u8]) -> Result<Arc<Entry>, Violation> {
    let body: EntryBody<'_> = codec::read(body)?;
    body.entry.into_model().map(Arc::new)
}

fn append_entry(entry: &Entry, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    frame::append(out, tag::ENTRY, RequestId(0), &EntryBody::new(entry))
}

fn build_entry(entry: &Entry) -> Result<Arc<[u8]>, TooLarge> {
    let body = EntryBody::new(entry);
    let head = LENGTH_BYTES + size_of::<u16>();
    let total = head + codec::size(&body)?;
    if total > limits::FRAME_BYTES {
        return Err(TooLarge);
    }
    // An iterator of known length is collected into the one allocation that stays; a `Vec` on the
    // way would be copied.
    let mut frame: Arc<[u8]> = repeat_n(0, total).collect();
    let bytes = Arc::get_mut(&mut frame).ok_or(TooLarge)?;
    let (length, rest) = bytes.split_first_chunk_mut().ok_or(TooLarge)?;
    let (tag, rest) = rest.split_first_chunk_mut().ok_or(TooLarge)?;
    *length = frame::length_of(total);
    *tag = tag::ENTRY.to_be_bytes();
    codec::fill(&body, rest)?;
    Ok(frame)
}

fn blanked(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    entry.body.blank();
    entry
}

// The bodies. The order of the fields is the order on the wire.

#[derive(Serialize, Deserialize)]
struct WelcomeBody<'a> {
    account: AccountId,
    name: &'a str,
    device: DeviceId,
    date: UnixTime,
    durable: bool,
    sends: u32,
    entry_credit: u64,
    text: u32,
    frame: u32,
    ping_ms: u32,
    dead_ms: u32,
    capabilities: List<u16, { limits::CAPABILITIES }>,
    extensions: Ext<'a>,
}

impl<'a> WelcomeBody<'a> {
    fn new(welcome: &'a Welcome) -> Self {
        Self {
            account: welcome.account,
            name: welcome.name.as_str(),
            device: welcome.device,
            date: welcome.date,
            durable: welcome.durable,
            sends: welcome.limits.sends,
            entry_credit: welcome.limits.entry_credit,
            text: welcome.limits.text,
            frame: welcome.limits.frame,
            ping_ms: welcome.limits.ping_ms,
            dead_ms: welcome.limits.dead_ms,
            capabilities: List(welcome.capabilities.clone()),
            extensions: Ext::new(&welcome.extensions),
        }
    }

    fn into_model(self) -> Result<Welcome, Violation> {
        Ok(Welcome {
            account: self.account,
            name: account_name(self.name)?,
            device: self.device,
            date: self.date,
            durable: self.durable,
            limits: WelcomeLimits {
                sends: self.sends,
                entry_credit: self.entry_credit,
                text: self.text,
                frame: self.frame,
                ping_ms: self.ping_ms,
                dead_ms: self.dead_ms,
            },
            capabilities: self.capabilities.0,
            extensions: self.extensions.into_model(),
        })
    }
}

/// The answer to a login, a send or a request that was refused.
#[derive(Serialize, Deserialize)]
struct RefusalBody<'a> {
    code: u16,
    text: &'a str,
    retry_ms: Option<u32>,
    extensions: Ext<'a>,
}

impl<'a> RefusalBody<'a> {
    fn new(refusal: &'a Refusal) -> Self {
        Self {
            code: refusal.code.number(),
            text: &refusal.text,
            retry_ms: refusal.retry_ms,
            extensions: Ext::NONE,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct ConversationsBody<'a> {
    #[serde(borrow)]
    items: List<ConversationPart<'a>, { limits::PAGE_ITEMS }>,
    more: bool,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct EntryBody<'a> {
    #[serde(borrow)]
    entry: EntryPart<'a>,
    extensions: Ext<'a>,
}

impl<'a> EntryBody<'a> {
    fn new(entry: &'a Entry) -> Self {
        Self {
            entry: EntryPart::new(entry),
            extensions: Ext::NONE,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct GapBody<'a> {
    conversation: ConversationId,
    epoch: Epoch,
    #[serde(with = "seq")]
    from: Seq,
    #[serde(with = "seq")]
    to: Seq,
    #[serde(with = "number")]
    reason: GapReason,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct AckBody<'a> {
    conversation: ConversationId,
    #[serde(with = "seq")]
    seq: Seq,
    id: SendId,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct ReceiptsBody<'a> {
    #[serde(borrow)]
    items: List<ReceiptPart<'a>, { limits::PAGE_ITEMS }>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct PresenceBody<'a> {
    #[serde(borrow)]
    items: List<PresencePart<'a>, { limits::PAGE_ITEMS }>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct PresencePart<'a> {
    account: &'a str,
    #[serde(with = "number")]
    state: PresenceState,
    text: &'a str,
    reason: Option<u8>,
}

impl<'a> PresencePart<'a> {
    fn new(presence: &'a Presence) -> Self {
        Self {
            account: presence.account.as_str(),
            state: presence.state,
            text: &presence.text,
            reason: presence.reason.map(Numbered::number),
        }
    }

    fn into_model(self) -> Result<Presence, Violation> {
        Ok(Presence {
            account: account_name(self.account)?,
            state: self.state,
            text: self.text.to_owned(),
            // A reason of a later version is not worth a link.
            reason: self.reason.and_then(ByeReason::from_number),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct TypingBody<'a> {
    conversation: ConversationId,
    account: &'a str,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct NoticeBody<'a> {
    from: &'a str,
    text: &'a str,
    conversation: Option<ConversationId>,
    extensions: Ext<'a>,
}
