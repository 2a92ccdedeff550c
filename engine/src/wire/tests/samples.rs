//! One message of every kind, and of the shapes that differ.

mod to_client;
mod to_server;

use crate::id::{AccountId, BlobId, ConversationId, DeviceId, Epoch, RequestId, SendId, Seq};
use crate::model::*;

pub(super) use to_client::to_client;
pub(super) use to_server::to_server;

/// An entry of the lobby.
pub(super) fn entry(body: Body) -> Entry {
    Entry {
        conversation: LOBBY,
        seq: Seq(13),
        prev: Seq(12),
        id: SEND,
        from: AccountId(0xa11),
        from_name: ann(),
        time: DATE,
        body,
    }
}

pub(super) fn room() -> RoomName {
    RoomName::new("lobby").unwrap()
}

pub(super) fn bob() -> AccountName {
    AccountName::new("bob").unwrap()
}

fn ann() -> AccountName {
    AccountName::new("ann").unwrap()
}

pub(super) const LOBBY: ConversationId = ConversationId([0x11; 16]);
pub(super) const SEND: SendId = SendId([
    0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, 0x70, 1, 0x80, 2, 3, 4, 5, 6, 7, 8,
]);

const DIRECT: ConversationId = ConversationId([0x22; 16]);
const DATE: UnixTime = UnixTime(1_700_000_000_123_456);
