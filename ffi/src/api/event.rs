//! Looking into events.

pub mod numbers;
pub mod text;

use std::ffi::c_char;

use crate::guard::{guard, guard_or};
use crate::status::chat_status;
use crate::{handle, output};

/// Something that happened, or an item of a list in it. A number in a pointer's clothes: it points
/// nowhere. May be used by any thread, also after its client is gone, until `chat_event_free`.
#[derive(Debug)]
pub struct chat_event {
    _opaque: (),
}

/// What an event is. Later versions may add more: ignore what you don't know.
pub type chat_event_type = i32;
/// The one reply to a request, whose number `chat_event_request` says. `chat_event_status` is CHAT_OK,
/// CHAT_CANCELED, CHAT_TIMEOUT, CHAT_CLOSED, CHAT_PENDING, or what went wrong; the rest depends on the
/// request: a place in the log (`seq`), a list of items, an invite (`text`).
pub const CHAT_EVENT_REPLY: chat_event_type = 1;
/// A send (`request`, `send_id`) is in the outbox, on disk where there is a profile. Not its reply.
pub const CHAT_EVENT_QUEUED: chat_event_type = 2;
/// A send that an earlier run of the program left in the outbox (`send_id`, `label`) came to its end:
/// `status`, `place`, `seq`.
pub const CHAT_EVENT_SETTLED: chat_event_type = 3;
/// A transfer (`request`) got further: `transferred` of `size` bytes.
pub const CHAT_EVENT_PROGRESS: chat_event_type = 4;
/// The server shows a key that nobody decided about: `fingerprint`. The login waits for
/// `chat_client_trust`. `known_fingerprint` is empty: a key that changed ends the client with
/// CHAT_WRONG_KEY instead.
pub const CHAT_EVENT_SERVER_KEY: chat_event_type = 5;
/// The login succeeded: `account`, `fingerprint`, `device`; flag `CHAT_FLAG_DURABLE`. What was missed
/// follows.
pub const CHAT_EVENT_CONNECTED: chat_event_type = 6;
/// The connection is gone (`status`, `message`); another one is tried in `retry_ms`.
pub const CHAT_EVENT_RECONNECTING: chat_event_type = 7;
/// The last event: `status` (CHAT_CLOSED when it was wanted), `reason`, `message`; with CHAT_WRONG_KEY
/// also `fingerprint` and `known_fingerprint`.
pub const CHAT_EVENT_CLOSED: chat_event_type = 8;
/// Text in a conversation: `place`, `from`, `text`, `seq`, `prev`, `time_ms`, `send_id`, `target` (the
/// entry that it replies to). Entries come exactly once and in order; own ones, too.
pub const CHAT_EVENT_MESSAGE: chat_event_type = 20;
/// The entry `target` has a new `text`.
pub const CHAT_EVENT_EDIT: chat_event_type = 21;
/// The entry `target` was deleted.
pub const CHAT_EVENT_DELETE: chat_event_type = 22;
/// `from` reacts to the entry `target` with the emoji in `text`; empty: takes it back.
pub const CHAT_EVENT_REACTION: chat_event_type = 23;
/// The room has a new topic, `text`.
pub const CHAT_EVENT_TOPIC: chat_event_type = 24;
/// The membership of `account` changed: `change`, `role`, `until_ms`.
pub const CHAT_EVENT_MEMBER: chat_event_type = 25;
/// A file: `blob`, `name`, `size`, `media_type`, `hash`.
pub const CHAT_EVENT_FILE: chat_event_type = 26;
/// An entry of a kind that this version does not know (`count`).
pub const CHAT_EVENT_ENTRY: chat_event_type = 27;
/// The entries `seq` to `target` of `place` don't come to this device: `reason`.
pub const CHAT_EVENT_GAP: chat_event_type = 30;
/// A conversation is new or changed: `place`, `conversation`, `epoch`, `head`, `read`, `unread`,
/// `mentions`, flag `CHAT_FLAG_JOINED`. Also an item of chat_client_conversations.
pub const CHAT_EVENT_CONVERSATION: chat_event_type = 31;
/// `account` is `presence` and says `text`. Also an item of chat_client_who.
pub const CHAT_EVENT_PRESENCE: chat_event_type = 32;
/// `account` is writing in `place`.
pub const CHAT_EVENT_TYPING: chat_event_type = 33;
/// `account` got `delivered` and `read` up to these entries of `place`. Also an item of
/// chat_client_receipts.
pub const CHAT_EVENT_RECEIPT: chat_event_type = 34;
/// For this client alone: `from` says `text`, about `place`.
pub const CHAT_EVENT_NOTICE: chat_event_type = 35;
/// Events were taken too slowly: `count` signals (presence, typing, receipts) were merged or left out.
/// Entries never are.
pub const CHAT_EVENT_DROPPED: chat_event_type = 36;
/// `from` is sending a file: `place`, `blob`, `name`, `size`, `media_type`. It can be fetched already.
/// With the flag `CHAT_FLAG_OVER` it was given up.
pub const CHAT_EVENT_INCOMING: chat_event_type = 37;
/// Item of chat_client_rooms and chat_server_rooms: `place`, `text` (topic), `members`, flags
/// `CHAT_FLAG_PUBLIC`, `CHAT_FLAG_JOINED`.
pub const CHAT_EVENT_ROOM: chat_event_type = 50;
/// Item of chat_client_members: `account`, `role`, `presence`, flag `CHAT_FLAG_MUTED`, `until_ms`.
pub const CHAT_EVENT_ROOM_MEMBER: chat_event_type = 51;
/// Item of chat_client_devices: `device`, `name`, `time_ms` (since), `seen_ms`, flags
/// `CHAT_FLAG_ONLINE`, `CHAT_FLAG_THIS`.
pub const CHAT_EVENT_DEVICE: chat_event_type = 52;
/// Item of chat_client_commands: `name`, `text` (help).
pub const CHAT_EVENT_COMMAND: chat_event_type = 53;
/// Item of chat_client_outbox: `send_id`, `label`, `status` (CHAT_PENDING, or why it failed), flag
/// `CHAT_FLAG_SENT`.
pub const CHAT_EVENT_SEND: chat_event_type = 54;
/// Item of an item of a history: the accounts (its items) that reacted with the emoji in `text`.
pub const CHAT_EVENT_REACTIONS: chat_event_type = 55;
/// Item of chat_server_accounts: `account`, `time_ms` (since), `devices`, flags `CHAT_FLAG_ADMIN`,
/// `CHAT_FLAG_ONLINE`, `CHAT_FLAG_PASSWORD`.
pub const CHAT_EVENT_ACCOUNT: chat_event_type = 56;

/// What happened to a membership.
pub type chat_change = i32;
/// Came in.
pub const CHAT_CHANGE_JOINED: chat_change = 1;
/// Went.
pub const CHAT_CHANGE_LEFT: chat_change = 2;
/// Was put out; may come back.
pub const CHAT_CHANGE_KICKED: chat_change = 3;
/// Was put or kept out for good.
pub const CHAT_CHANGE_BANNED: chat_change = 4;
/// May come back.
pub const CHAT_CHANGE_UNBANNED: chat_change = 5;
/// May come in.
pub const CHAT_CHANGE_INVITED: chat_change = 6;
/// Got another role.
pub const CHAT_CHANGE_ROLE: chat_change = 7;
/// May not send.
pub const CHAT_CHANGE_MUTED: chat_change = 8;
/// May send again.
pub const CHAT_CHANGE_UNMUTED: chat_change = 9;

// It means the same to plugins, and is in chat_plugin.h.
pub use chat_plugin_abi::CHAT_FLAG_ONLINE;

/// Bits of `chat_event_flags`. CHAT_FLAG_ONLINE is one more.
pub type chat_flags = u32;
/// The text was edited.
pub const CHAT_FLAG_EDITED: chat_flags = 1;
/// The entry was deleted.
pub const CHAT_FLAG_DELETED: chat_flags = 2;
/// This account is a member.
pub const CHAT_FLAG_JOINED: chat_flags = 4;
/// Anybody may join.
pub const CHAT_FLAG_PUBLIC: chat_flags = 8;
/// It is the device that asks.
pub const CHAT_FLAG_THIS: chat_flags = 32;
/// It may not send; `until_ms` says until when, 0: for ever.
pub const CHAT_FLAG_MUTED: chat_flags = 64;
/// What the server acknowledges is on its disk.
pub const CHAT_FLAG_DURABLE: chat_flags = 128;
/// It went out and was not answered so far.
pub const CHAT_FLAG_SENT: chat_flags = 256;
/// The account sees every room, may join it, and is an owner in those that it is a member of.
pub const CHAT_FLAG_ADMIN: chat_flags = 512;
/// The account has a password.
pub const CHAT_FLAG_PASSWORD: chat_flags = 1024;
/// The sender gave the file up.
pub const CHAT_FLAG_OVER: chat_flags = 2048;

/// Frees an event, and everything that was borrowed from it: texts and items. Does nothing for NULL, nor
/// for an item: that goes with its event.
///
/// @param event NULL or an event.
/// @return CHAT_OK; CHAT_BAD_HANDLE when it was freed before; CHAT_MISUSE for an item; CHAT_FORKED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_free(event: *mut chat_event) -> chat_status {
    guard(|| handle::free_event(event))
}

/// The event as a line of JSON, as `chat-cli --json` writes it; the manual of chat-cli names the fields.
///
/// @param event The event.
/// @return A string to be freed with `chat_string_free`; NULL for a bad handle.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_to_json(event: *const chat_event) -> *mut c_char {
    guard_or(std::ptr::null_mut(), || {
        Ok(output::string(handle::event(event)?.json()))
    })
}

/// What the event is.
///
/// @param event The event.
/// @return `CHAT_EVENT_REPLY` and so on; 0 for a bad handle.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_get_type(event: *const chat_event) -> chat_event_type {
    guard_or(0, || Ok(handle::event(event)?.kind))
}

/// The number of the request that the event belongs to.
///
/// @param event The event.
/// @return The number; 0 when it belongs to none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_request(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.request))
}

/// What became of it.
///
/// @param event The event.
/// @return CHAT_OK for events that say nothing about it; CHAT_BAD_HANDLE for a bad handle.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_status(event: *const chat_event) -> chat_status {
    guard_or(crate::status::CHAT_BAD_HANDLE, || {
        Ok(handle::event(event)?.status)
    })
}

/// How many items its list has.
///
/// @param event The event.
/// @return The number; 0 without a list.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_item_count(event: *const chat_event) -> u32 {
    guard_or(0, || Ok(handle::event(event)?.item_count()))
}

/// An item of its list. All functions for events work with it; it is valid until the event is freed.
///
/// @param event The event.
/// @param index From 0.
/// @param item Receives the item.
/// @return CHAT_OK; CHAT_INVALID when there is no such item; CHAT_BAD_HANDLE; CHAT_FULL with too many
///         handles.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_item(
    event: *const chat_event,
    index: u32,
    item: *mut *const chat_event,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `item` may be written.
        unsafe { output::put(item, handle::item(event, index)?) }
    })
}

/// Bits that say more.
///
/// @param event The event.
/// @return `CHAT_FLAG_EDITED` and so on, added.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_flags(event: *const chat_event) -> chat_flags {
    guard_or(0, || Ok(handle::event(event)?.flags))
}
