//! Every line, as scripts rely on it: a change here breaks them.

mod answers;
mod input;
mod output;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::agent::{Command, CommandId, Event, FileSink, FileSource};
use crate::error::{Error, LinkFault, Misuse};
use crate::id::{AccountId, BlobId, ConversationId, DeviceId, Epoch, SendId, Seq};
use crate::limits;
use crate::model::*;
use crate::port::ItemState;

fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn lobby() -> Peer {
    Peer::Room(RoomName::new("lobby").unwrap())
}

fn room() -> Target {
    Target::Room(RoomName::new("lobby").unwrap())
}

fn entry(seq: u64, body: Body) -> Entry {
    Entry {
        conversation: ConversationId([0xc0; 16]),
        seq: Seq(seq),
        prev: Seq(seq - 1),
        id: SendId([0x1d; 16]),
        from: AccountId(1),
        from_name: account("ann"),
        time: UnixTime(1_767_323_045_678_901),
        body,
    }
}

fn conversation() -> Conversation {
    Conversation {
        id: ConversationId([0xc0; 16]),
        peer: lobby(),
        epoch: Epoch(5),
        head: Seq(9),
        read: Seq(3),
        unread: 2,
        mentions: 1,
        joined: true,
    }
}
