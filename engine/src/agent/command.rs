//! What an application wants of a client, and what it is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::file::{FileSink, FileSource};
use crate::error::Error;
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, Epoch, SendId, Seq};
use crate::model::{
    AccountName, Answer, Body, ByeReason, Entry, GapReason, Incoming, Peer, Presence,
    PresenceState, Receipt, Refusal, Request, Target, Welcome,
};

/// Names a command of this run of the program; its answer carries the same number.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommandId(pub u64);

/// What an application may want.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Put an entry into the outbox. Answered by [`Event::Queued`], then one of [`Event::Acked`],
    /// [`Event::Refused`], or at the end [`Event::Unsent`].
    Send {
        /// Where to.
        target: Target,
        /// What.
        body: Body,
        /// The same id is the same entry, over restarts too. `None`: a new one.
        id: Option<SendId>,
        /// What the application calls it; kept with the item. At most
        /// [`limits::LABEL_BYTES`](crate::limits::LABEL_BYTES).
        label: String,
    },
    /// Send a file into a conversation. Answered by [`Event::Queued`] once the file was looked at and
    /// the profile knows of it, then [`Event::Progress`], and one of [`Event::Acked`],
    /// [`Event::Refused`], or at the end [`Event::Unsent`]. It goes on after lost links and, where the
    /// profile is durable, in the next run of the program.
    SendFile {
        /// Where to.
        target: Target,
        /// Where its bytes are.
        source: FileSource,
        /// What the others see as its name. `None`: that of the path.
        name: Option<String>,
        /// For example `image/png`; may be empty.
        media_type: String,
        /// The same id is the same entry, over restarts too. `None`: a new one.
        id: Option<SendId>,
        /// What the application calls it; kept with it. At most
        /// [`limits::LABEL_BYTES`](crate::limits::LABEL_BYTES).
        label: String,
    },
    /// Fetch a file, or a part of one. Answered by [`Event::Queued`], then [`Event::Progress`], and one
    /// of [`Event::Fetched`], [`Event::Refused`], or at the end [`Event::Unsent`]. Nothing is
    /// overwritten; until all of it is there and proven, it is called `NAME.part`. It goes on as
    /// [`Command::SendFile`] does; the same wish again joins the one that is there.
    Fetch {
        /// Which, as an entry or [`Event::Incoming`] names it.
        blob: BlobId,
        /// Where its bytes go.
        sink: FileSink,
        /// The first byte that is wanted.
        start: u64,
        /// How many; `None`: all that follow.
        length: Option<u64>,
        /// What the application calls it; kept with it.
        label: String,
    },
    /// Take an item out of the outbox, or end a transfer. Answered by [`Event::Answer`] `Done`, or
    /// [`Event::Refused`] `no_such_entry`; the send itself ends with [`Event::Canceled`]. An item that
    /// was already on its way may still arrive.
    Cancel(SendId),
    /// Give up a command. A request that waits for a link is not asked; the answer of one that is on
    /// its way still comes. The item of a send is cancelled, as by [`Command::Cancel`]. No answer.
    Abandon(CommandId),
    /// Ask the server. Answered by [`Event::Answer`] or [`Event::Refused`]. Needs a link: without one
    /// it waits for the next, and is asked once.
    Ask(Request),
    /// Say that the person is writing. No answer.
    Typing(Target),
    /// Say whether the person is there. No answer; kept over reconnects.
    Presence(PresenceState, String),
    /// Trust the key that [`Event::ServerKey`] showed. No answer.
    Trust([u8; 32]),
    /// Answered at once by [`Event::Outbox`].
    Outbox,
    /// Wait until every send and request so far is settled, then leave; or leave at once. Nothing
    /// else is taken after it, but leaving at once after leaving with a flush. [`Event::Closed`] is
    /// the last event.
    Leave {
        /// Settle everything first.
        flush: bool,
    },
}

/// What an application is told.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The server showed this key, and nobody decided about it yet ([`Trust::Ask`](crate::Trust)).
    /// The login waits for [`Command::Trust`].
    ServerKey {
        /// The key.
        key: [u8; 32],
        /// For people to compare.
        fingerprint: String,
    },
    /// The login succeeded; what was missed follows.
    Connected {
        /// What the server said.
        welcome: Arc<Welcome>,
        /// The server's key, for people.
        fingerprint: String,
    },
    /// The link is gone; another one is tried.
    Reconnecting {
        /// After this pause.
        pause: Duration,
        /// Why it is gone.
        error: Error,
    },
    /// A send is in the outbox, on disk where the profile is.
    Queued {
        /// The command.
        command: CommandId,
        /// Its label.
        label: String,
        /// Its id.
        id: SendId,
    },
    /// A send is durable on the server.
    Acked {
        /// The command; `None` when an earlier run of the program made the send.
        command: Option<CommandId>,
        /// Its label.
        label: String,
        /// Its id.
        id: SendId,
        /// In which conversation.
        peer: Peer,
        /// At which place.
        seq: Seq,
    },
    /// A command was refused for good. A refused send stays in the outbox as failed, until it is
    /// cancelled.
    Refused {
        /// The command; `None` when an earlier run of the program made the send.
        command: Option<CommandId>,
        /// The label, for a send.
        label: String,
        /// The id, for a send.
        id: Option<SendId>,
        /// Why.
        refusal: Refusal,
    },
    /// A send was taken out of the outbox.
    Canceled {
        /// The command that made the send, if this run did.
        command: Option<CommandId>,
        /// Its label.
        label: String,
        /// Its id.
        id: SendId,
    },
    /// How far a transfer is. Merged, and told not too often.
    Progress {
        /// The command; `None` when an earlier run of the program began it.
        command: Option<CommandId>,
        /// Its label.
        label: String,
        /// Its id.
        id: SendId,
        /// Bytes that are through.
        done: u64,
        /// Of so many.
        size: u64,
    },
    /// A file was fetched: all of it is there, proven, and durable.
    Fetched {
        /// The command; `None` when an earlier run of the program began it.
        command: Option<CommandId>,
        /// Its label.
        label: String,
        /// Its id.
        id: SendId,
        /// Which.
        blob: BlobId,
        /// Where it is, unless it went into a stream.
        path: Option<PathBuf>,
        /// BLAKE3 of the whole content.
        hash: [u8; 32],
    },
    /// Somebody is sending a file, or gave it up. It can be fetched while it comes in.
    Incoming {
        /// Where.
        peer: Peer,
        /// What.
        incoming: Incoming,
    },
    /// A command was answered.
    Answer {
        /// The command.
        command: CommandId,
        /// What it brought.
        answer: Answer,
        /// The conversation that an answer [`Answer::Entered`] is about.
        peer: Option<Peer>,
    },
    /// The state of the outbox.
    Outbox {
        /// The command.
        command: CommandId,
        /// Its items: id, label, state.
        items: Vec<(SendId, String, crate::port::ItemState)>,
    },
    /// A conversation is new, or its membership changed.
    Conversation(crate::model::Conversation),
    /// An entry, exactly once and in order.
    Entry {
        /// In which conversation.
        peer: Peer,
        /// The run of its log.
        epoch: Epoch,
        /// The entry.
        entry: Arc<Entry>,
    },
    /// Entries that this device will not get.
    Gap {
        /// In which conversation.
        peer: Peer,
        /// Its id.
        conversation: ConversationId,
        /// The run of its log.
        epoch: Epoch,
        /// The first missing one.
        from: Seq,
        /// The last missing one.
        to: Seq,
        /// Why.
        reason: GapReason,
    },
    /// Somebody came, went, or changed.
    Presence(Presence),
    /// Somebody is writing.
    Typing {
        /// Where.
        peer: Peer,
        /// Who.
        account: AccountName,
    },
    /// Somebody got further.
    Receipt {
        /// In which conversation.
        peer: Peer,
        /// The receipt.
        receipt: Receipt,
    },
    /// For this client alone.
    Notice {
        /// From whom.
        from: String,
        /// What.
        text: String,
        /// About which conversation.
        peer: Option<Peer>,
    },
    /// The application took events too slowly, and this many signals (presence, typing, receipts)
    /// were merged or dropped. Entries are never dropped.
    SignalsDropped(u64),
    /// At the end: a send that was not settled. It stays in the outbox of a durable profile, and is
    /// sent at the next start; without one it is lost.
    Unsent {
        /// The command, if this run made it.
        command: Option<CommandId>,
        /// Its label.
        label: String,
        /// Its id.
        id: SendId,
        /// Whether it is kept.
        kept: bool,
    },
    /// The last event.
    Closed {
        /// Why, unless [`Command::Leave`] asked for it.
        error: Option<Error>,
        /// The server's word, where there was one.
        reason: Option<ByeReason>,
    },
}

impl Event {
    /// Who this client is, in [`Event::Connected`].
    #[must_use]
    pub fn account(&self) -> Option<(AccountId, DeviceId)> {
        match self {
            Self::Connected { welcome, .. } => Some((welcome.account, welcome.device)),
            _ => None,
        }
    }
}
