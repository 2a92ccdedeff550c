//! Where a client keeps what must survive it: its key, its outbox, its positions.

use super::{BoxFuture, TransferItem};
use crate::error::Error;
use crate::id::{ConversationId, SendId};
use crate::model::{Body, Position, Refusal, Target};

/// A profile: one account on one server.
pub trait Profile: Send + Sync {
    /// Everything, as of now. Called once, at the start.
    fn load(&self) -> BoxFuture<'_, Result<ProfileState, Error>>;

    /// Writes changes in this order, all or none; they are durable when the future is done.
    fn save(&self, changes: Vec<ProfileChange>) -> BoxFuture<'_, Result<(), Error>>;

    /// Whether anything survives the program.
    fn is_durable(&self) -> bool;
}

/// What a profile held when it was opened.
#[derive(Clone, Debug, Default)]
pub struct ProfileState {
    /// The device's secret key, if one was saved.
    pub key: Option<[u8; 32]>,
    /// Whether the server knows the key, so that no password is needed.
    pub enrolled: bool,
    /// The outbox, in the order in which the items were put in.
    pub outbox: Vec<OutboxItem>,
    /// How far this device has read.
    pub positions: Vec<Position>,
    /// How servers were known, by address.
    pub servers: Vec<KnownServer>,
    /// Transfers that did not end, in their order.
    pub transfers: Vec<TransferItem>,
}

/// A change of a profile.
#[derive(Clone, Debug, PartialEq)]
pub enum ProfileChange {
    /// The device's secret key.
    Key([u8; 32]),
    /// Whether the server knows the key.
    Enrolled(bool),
    /// An item of the outbox, new or changed.
    PutItem(OutboxItem),
    /// An item of the outbox is settled.
    DropItem(SendId),
    /// How far this device has read in a conversation.
    SetPosition(Position),
    /// The conversation is gone.
    DropPosition(ConversationId),
    /// A server's key was accepted.
    PutServer(KnownServer),
    /// A transfer, new or changed.
    PutTransfer(TransferItem),
    /// A transfer ended.
    DropTransfer(SendId),
}

/// An entry that waits for its ack.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxItem {
    /// What this device calls it.
    pub id: SendId,
    /// Items are sent in this order.
    pub order: u64,
    /// Where to.
    pub target: Target,
    /// What.
    pub body: Body,
    /// What the application calls it (`ref`).
    pub label: String,
    /// How far it is.
    pub state: ItemState,
}

/// How far an item of the outbox is.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemState {
    /// Waits to be sent.
    Pending,
    /// Was sent at least once, without an answer so far.
    Sent,
    /// Was refused for good.
    Failed(Refusal),
}

/// A server's key, as it was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownServer {
    /// `HOST:PORT`.
    pub address: String,
    /// Its static public key.
    pub key: [u8; 32],
}
