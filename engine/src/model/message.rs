//! What the two ends of a link say to each other, after the wire took the bytes apart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AccountName, Answer, Body, Chunk, Conversation, Entry, Fetched, GapReason, Incoming, Login,
    Piece, Presence, PresenceState, Receipt, Refusal, Request, Resume, RoomName, Stopped, Welcome,
};
use crate::id::{ConversationId, Epoch, RequestId, SendId, Seq};

/// From a client to a server.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum ToServer {
    /// First of all: who is it. Registers, too.
    Login(Login),
    /// Right after the login, in as many as needed: how far this device has read.
    Resume(Resume),
    /// An entry for a conversation.
    Send(Send),
    /// A send that was refused for now won't come again: let the later ones pass.
    Cancel {
        /// Where it was going.
        target: Target,
        /// Which.
        id: SendId,
    },
    /// Anything that is answered by exactly one [`ToClient::Answer`] or [`ToClient::Error`].
    Request(RequestId, Request),
    /// The application took entries that cost this many bytes: as many more may come.
    Credit(u64),
    /// Everything up to these arrived at the application.
    Delivered(Vec<(ConversationId, Seq)>),
    /// The person is writing.
    Typing(Target),
    /// The person is there, or away.
    Presence(PresenceState, String),
    /// Bytes of an upload.
    Chunk(Chunk),
    /// The pieces of a download were dealt with up to this byte: as many more may come as its window
    /// allows.
    Taken {
        /// The request that began the download, on this link.
        transfer: RequestId,
        /// The byte after the last one that was dealt with.
        upto: u64,
    },
    /// Nothing more of this transfer, on this link. What was uploaded stays until it expires or is
    /// [abandoned](Request::Abandon).
    Stop(RequestId),
    /// Are you there?
    Ping(u64),
    /// I am.
    Pong(u64),
    /// From the next record on, this direction has a new key.
    Rekey,
    /// The client leaves on purpose.
    Bye,
}

/// From a server to a client.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum ToClient {
    /// The login succeeded.
    Welcome(Box<Welcome>),
    /// The login failed; the link ends after it.
    Denied(Refusal),
    /// The answer to the positions, in pages; later on, conversations that are new or changed.
    Conversations {
        /// The conversations.
        items: Vec<Conversation>,
        /// Whether another page of the first list follows.
        more: bool,
    },
    /// An entry.
    Entry(Arc<Entry>),
    /// Entries that this device will not get.
    Gap {
        /// Of which conversation.
        conversation: ConversationId,
        /// The log's run.
        epoch: Epoch,
        /// The first missing one.
        from: Seq,
        /// The last missing one.
        to: Seq,
        /// Why.
        reason: GapReason,
    },
    /// A send is on disk.
    Ack {
        /// The send's request id on this link.
        request: RequestId,
        /// Where it stands.
        conversation: ConversationId,
        /// Its place.
        seq: Seq,
        /// The send id again.
        id: SendId,
    },
    /// A request succeeded.
    Answer(RequestId, Answer),
    /// A request or a send was refused.
    Error(RequestId, Refusal),
    /// How far others got.
    Receipts(Vec<Receipt>),
    /// Who came, went, or changed.
    Presence(Vec<Presence>),
    /// Somebody is writing.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        account: AccountName,
    },
    /// For this client alone.
    Notice {
        /// From whom: a plugin's account or `server`.
        from: String,
        /// What.
        text: String,
        /// About which conversation.
        conversation: Option<ConversationId>,
    },
    /// Somebody sends a file.
    Incoming(Incoming),
    /// The chunks of an upload were written up to this byte: as many more may come as its window
    /// allows.
    Received {
        /// The request that began the upload, on this link.
        transfer: RequestId,
        /// The byte after the last one that was written.
        upto: u64,
    },
    /// Bytes of a download.
    Piece(Piece),
    /// All pieces of a download were sent.
    Fetched(Fetched),
    /// The server ended a transfer.
    Stopped(Stopped),
    /// Are you there?
    Ping(u64),
    /// I am.
    Pong(u64),
    /// From the next record on, this direction has a new key.
    Rekey,
    /// The server ends the link on purpose.
    Bye(ByeReason, String),
}

/// An entry on its way to the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Send {
    /// Numbers the sends of this link: it only grows.
    pub request: RequestId,
    /// Where to.
    pub target: Target,
    /// The same id is the same entry.
    pub id: SendId,
    /// The server may have seen it before.
    pub again: bool,
    /// What.
    pub body: Body,
}

/// A conversation, as a client names it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Target {
    /// By its id.
    Conversation(ConversationId),
    /// A room.
    Room(RoomName),
    /// The direct conversation with an account.
    Account(AccountName),
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ByeReason {
    /// On purpose.
    Left = 1,
    /// The stream ended without a word.
    Lost = 2,
    /// Nothing came for too long.
    Timeout = 3,
    /// The account was locked out, or its device revoked.
    Kicked = 4,
    /// The account was banned from the server or deleted.
    Banned = 5,
    /// The same device logged in anew.
    Replaced = 6,
    /// The server stops.
    Shutdown = 7,
    /// The peer broke the protocol.
    Violation = 8,
}

impl ByeReason {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::Replaced => "replaced",
            Self::Shutdown => "shutdown",
            Self::Violation => "violation",
        }
    }

    /// Whether a client should come back by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Left | Self::Kicked | Self::Banned | Self::Replaced
        )
    }
}
