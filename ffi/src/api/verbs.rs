//! What a client can be asked to do.

use std::ffi::c_char;

use chat_engine::{Body, Change, DeviceId, Request, Target};

use super::client::chat_client;
use crate::guard::guard;
use crate::handle;
use crate::status::chat_status;
use crate::{input, options, output};

/// What a send can be given beyond its text. Fill it with `chat_send_options_init` first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_send_options {
    /// Size of the struct, as the program was compiled.
    pub size: u32,
    /// Bytes at `send_id`: 16, or 0 for none.
    pub send_id_len: u32,
    /// An id of the caller's, as `chat_new_send_id` makes them. The same id is the same entry, over
    /// restarts too: sent twice, it arrives once. NULL: the library makes one.
    pub send_id: *const u8,
    /// The entry that a text replies to; 0: none.
    pub reply_to: u64,
    /// What the application calls the send; kept with it in the outbox, at most 256 bytes. NULL: none.
    pub label: *const c_char,
}

/// What an account may do in a room.
pub type chat_role = i32;
/// Reads and writes.
pub const CHAT_ROLE_MEMBER: chat_role = 1;
/// Also deletes, invites, kicks, bans, mutes members, and sets the topic.
pub const CHAT_ROLE_MODERATOR: chat_role = 2;
/// Also gives roles.
pub const CHAT_ROLE_OWNER: chat_role = 3;

/// What newcomers of a room may read.
pub type chat_history = i32;
/// All of a public room, since the join of the others.
pub const CHAT_HISTORY_DEFAULT: chat_history = 0;
/// Everything.
pub const CHAT_HISTORY_ALL: chat_history = 1;
/// Only what is said while they are members.
pub const CHAT_HISTORY_SINCE_JOIN: chat_history = 2;

/// Where a page of the history begins.
pub type chat_history_from = i32;
/// The newest entries.
pub const CHAT_HISTORY_END: chat_history_from = 0;
/// The entries right before one.
pub const CHAT_HISTORY_BEFORE: chat_history_from = 1;
/// The entries right after one.
pub const CHAT_HISTORY_AFTER: chat_history_from = 2;
/// One and its neighbours.
pub const CHAT_HISTORY_AROUND: chat_history_from = 3;

/// Whether somebody is there.
pub type chat_presence = i32;
/// There.
pub const CHAT_PRESENCE_ONLINE: chat_presence = 1;
/// Connected, but not there.
pub const CHAT_PRESENCE_AWAY: chat_presence = 2;
/// Not connected.
pub const CHAT_PRESENCE_OFFLINE: chat_presence = 3;

/// Fills options with their defaults.
///
/// @param options Receives `size` bytes.
/// @param size sizeof(chat_send_options)
/// @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_send_options_init(
    options: *mut chat_send_options,
    size: u32,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `options` has `size` bytes.
        unsafe { options::init(options, size) }
    })
}

/// Says that the person is writing. No reply; lost without a connection.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @return CHAT_OK; CHAT_BAD_NAME; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_typing(
    client: *mut chat_client,
    place: *const c_char,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL text ends with NUL.
        let place = unsafe { input::place(place) }?;
        handle::client(client)?.typing(place)
    })
}

/// Says whether the person is there. No reply; kept over reconnects.
///
/// @param client The client.
/// @param state `CHAT_PRESENCE_ONLINE` or `CHAT_PRESENCE_AWAY`.
/// @param text What to say about it, at most 128 bytes; may be NULL.
/// @return CHAT_OK; CHAT_INVALID; CHAT_TOO_LONG; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_presence(
    client: *mut chat_client,
    state: chat_presence,
    text: *const c_char,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL text ends with NUL.
        let text = unsafe { input::text_if(text, input::SHORT) }?;
        handle::client(client)?.presence(input::presence(state)?, text.unwrap_or_default())
    })
}

/// Sends text to a room or an account.
///
/// The reply comes when it is on the server's disk, with the entry's place (`chat_event_seq`); with a
/// profile, `CHAT_EVENT_QUEUED` says before that it is in the outbox on this disk.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param text At most 16 KiB.
/// @param options May be NULL.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
///         CHAT_BAD_OPTIONS; CHAT_EMPTY
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_send(
    client: *mut chat_client,
    place: *const c_char,
    text: *const c_char,
    options: *const chat_send_options,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        // SAFETY: the caller promises that a non-NULL `text` ends with NUL.
        let text = unsafe { input::text(text, input::TEXT) }?;
        // SAFETY: the caller promises that non-NULL options have the bytes that their `size` says.
        let options = unsafe { options::read_send(options) }?;
        let client = handle::client(client)?;
        let id = client.send(place, Body::text(text, options.reply_to()), options)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Gives an entry of this account a new text. Replied to like a send.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param seq Which entry.
/// @param text At most 16 KiB.
/// @param options May be NULL.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
///         CHAT_BAD_OPTIONS; CHAT_EMPTY
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_edit(
    client: *mut chat_client,
    place: *const c_char,
    seq: u64,
    text: *const c_char,
    options: *const chat_send_options,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        let seq = input::seq(seq)?;
        // SAFETY: the caller promises that a non-NULL `text` ends with NUL.
        let text = unsafe { input::text(text, input::TEXT) }?;
        // SAFETY: the caller promises that non-NULL options have the bytes that their `size` says.
        let options = unsafe { options::read_send(options) }?;
        let client = handle::client(client)?;
        let id = client.send(place, Body::edit(seq, text), options)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Deletes an entry: its text is gone for everybody. Replied to like a send.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param seq Which entry.
/// @param options May be NULL.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
///         CHAT_BAD_OPTIONS
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_delete(
    client: *mut chat_client,
    place: *const c_char,
    seq: u64,
    options: *const chat_send_options,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        let seq = input::seq(seq)?;
        // SAFETY: the caller promises that non-NULL options have the bytes that their `size` says.
        let options = unsafe { options::read_send(options) }?;
        let client = handle::client(client)?;
        let id = client.send(place, Body::redaction(seq), options)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Reacts to an entry. Replied to like a send.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param seq Which entry.
/// @param emoji Empty takes the reaction back.
/// @param options May be NULL.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
///         CHAT_BAD_OPTIONS
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_react(
    client: *mut chat_client,
    place: *const c_char,
    seq: u64,
    emoji: *const c_char,
    options: *const chat_send_options,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        let seq = input::seq(seq)?;
        // SAFETY: the caller promises that a non-NULL `emoji` ends with NUL.
        let emoji = unsafe { input::text(emoji, input::SHORT) }?;
        // SAFETY: the caller promises that non-NULL options have the bytes that their `size` says.
        let options = unsafe { options::read_send(options) }?;
        let client = handle::client(client)?;
        let id = client.send(place, Body::reaction(seq, emoji), options)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Sets the topic of a room. Replied to like a send.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param text At most 512 bytes.
/// @param options May be NULL.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
///         CHAT_BAD_OPTIONS; CHAT_EMPTY
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_topic(
    client: *mut chat_client,
    place: *const c_char,
    text: *const c_char,
    options: *const chat_send_options,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        // SAFETY: the caller promises that a non-NULL `text` ends with NUL.
        let text = unsafe { input::text(text, input::TEXT) }?;
        // SAFETY: the caller promises that non-NULL options have the bytes that their `size` says.
        let options = unsafe { options::read_send(options) }?;
        let client = handle::client(client)?;
        let id = client.send(place, Body::topic(text), options)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Makes a room; this account becomes its owner.
///
/// @param client The client.
/// @param room The room.
/// @param is_public 1: anybody may join; 0: only who is invited.
/// @param history What newcomers may read: `CHAT_HISTORY_DEFAULT` and so on.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_create(
    client: *mut chat_client,
    room: *const c_char,
    is_public: i32,
    history: chat_history,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        let is_public = is_public != 0;
        let history = input::history(history)?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Create {
            room,
            public: is_public,
            history,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Joins a room.
///
/// @param client The client.
/// @param room The room.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_join(
    client: *mut chat_client,
    room: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: None,
            change: Change::Joined,
            role: None,
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Leaves a room.
///
/// @param client The client.
/// @param room The room.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_leave(
    client: *mut chat_client,
    room: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: None,
            change: Change::Left,
            role: None,
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Invites an account into a room.
///
/// @param client The client.
/// @param room The room.
/// @param account Whose.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_invite(
    client: *mut chat_client,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: Some(account),
            change: Change::Invited,
            role: None,
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Puts an account out of a room; it may come back.
///
/// @param client The client.
/// @param room The room.
/// @param account Whose.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_kick(
    client: *mut chat_client,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: Some(account),
            change: Change::Kicked,
            role: None,
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Puts or keeps an account out of a room for good.
///
/// @param client The client.
/// @param room The room.
/// @param account Whose.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_ban(
    client: *mut chat_client,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: Some(account),
            change: Change::Banned,
            role: None,
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Lets a banned account come back.
///
/// @param client The client.
/// @param room The room.
/// @param account Whose.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_unban(
    client: *mut chat_client,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: Some(account),
            change: Change::Unbanned,
            role: None,
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Forbids an account to send in a room.
///
/// @param client The client.
/// @param room The room.
/// @param account Whose.
/// @param seconds For how long; 0: for ever.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_mute(
    client: *mut chat_client,
    room: *const c_char,
    account: *const c_char,
    seconds: u64,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: Some(account),
            change: Change::Muted,
            role: None,
            seconds,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Lets a muted account send again.
///
/// @param client The client.
/// @param room The room.
/// @param account Whose.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_unmute(
    client: *mut chat_client,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: Some(account),
            change: Change::Unmuted,
            role: None,
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Gives a member of a room another role.
///
/// @param client The client.
/// @param room The room.
/// @param account Whose.
/// @param role `CHAT_ROLE_MEMBER` and so on.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_role(
    client: *mut chat_client,
    room: *const c_char,
    account: *const c_char,
    role: chat_role,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let role = input::role(role)?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Change {
            target: Target::Room(room),
            account: Some(account),
            change: Change::Role,
            role: Some(role),
            seconds: 0,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Who is online, among those whose presence this account may see. The reply has a list:
/// `chat_event_item_count`, `chat_event_item`. If `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_who(
    client: *mut chat_client,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `next` ends with NUL.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let client = handle::client(client)?;
        let id = client.ask(Request::Who { after: next })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// The members of a conversation. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
/// `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_members(
    client: *mut chat_client,
    place: *const c_char,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        // SAFETY: the caller promises that a non-NULL `next` ends with NUL.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let client = handle::client(client)?;
        let id = client.ask(Request::Members {
            target: place,
            after: next,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// The public rooms and the account's own. The reply has a list: `chat_event_item_count`,
/// `chat_event_item`. If `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_rooms(
    client: *mut chat_client,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `next` ends with NUL.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let client = handle::client(client)?;
        let id = client.ask(Request::Rooms { after: next })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// The account's conversations, with what is unread. The reply has a list: `chat_event_item_count`,
/// `chat_event_item`. If `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_conversations(
    client: *mut chat_client,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `next` ends with NUL.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let client = handle::client(client)?;
        let id = client.ask(Request::Conversations { after: next })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Reads the log of a conversation: entries in order, edits and reactions folded in. The reply has a
/// list: `chat_event_item_count`, `chat_event_item`. If `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param from Where to begin: `CHAT_HISTORY_END` and so on.
/// @param seq Before, after or around which entry; not used with `CHAT_HISTORY_END`.
/// @param limit Most entries; 0: 100, which is also the most.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_history(
    client: *mut chat_client,
    place: *const c_char,
    from: chat_history_from,
    seq: u64,
    limit: u32,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::History {
            target: place,
            from: input::history_from(from, seq)?,
            limit: input::history_limit(limit),
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Looks for words. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
/// `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param place The room or @account; NULL: everywhere.
/// @param text The words.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_search(
    client: *mut chat_client,
    place: *const c_char,
    text: *const c_char,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place_if(place) }?;
        // SAFETY: the caller promises that a non-NULL `text` ends with NUL.
        let text = unsafe { input::text(text, input::SHORT) }?;
        // SAFETY: the caller promises that a non-NULL `next` ends with NUL.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let client = handle::client(client)?;
        let id = client.ask(Request::Search {
            target: place,
            text: text.to_owned(),
            after: next,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Says that the person has read up to an entry.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param seq Which entry.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_read(
    client: *mut chat_client,
    place: *const c_char,
    seq: u64,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        let seq = input::seq(seq)?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Read { target: place, seq })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// How far the members of a conversation have read. The reply has a list: `chat_event_item_count`,
/// `chat_event_item`. If `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_receipts(
    client: *mut chat_client,
    place: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Receipts { target: place })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// The devices of this account. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
/// `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_devices(
    client: *mut chat_client,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        let client = handle::client(client)?;
        let id = client.ask(Request::Devices)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Locks a device of this account out.
///
/// @param client The client.
/// @param device Which: `chat_event_device` of the list.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_revoke(
    client: *mut chat_client,
    device: u64,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        let client = handle::client(client)?;
        let id = client.ask(Request::Revoke {
            device: DeviceId(device),
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Changes the password of this account.
///
/// @param client The client.
/// @param old_password The one so far; NULL: there is none.
/// @param new_password 8 to 1024 bytes.
/// @param keep_devices 1: the other devices stay enrolled; 0: they need the new password.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_password(
    client: *mut chat_client,
    old_password: *const c_char,
    new_password: *const c_char,
    keep_devices: i32,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `old_password` ends with NUL.
        let old_password = unsafe { input::text_if(old_password, input::PASSWORD) }?;
        // SAFETY: the caller promises that a non-NULL `new_password` ends with NUL.
        let new_password = unsafe { input::text(new_password, input::PASSWORD) }?;
        let keep_devices = keep_devices != 0;
        let client = handle::client(client)?;
        let id = client.ask(Request::Password {
            old: old_password.map(str::to_owned),
            new: new_password.to_owned(),
            keep_devices,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Runs a command of a plugin of the server.
///
/// @param client The client.
/// @param place The room or @account that it is about; NULL: none.
/// @param name Its name.
/// @param args What follows the name; may be NULL.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_command(
    client: *mut chat_client,
    place: *const c_char,
    name: *const c_char,
    args: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place_if(place) }?;
        // SAFETY: the caller promises that a non-NULL `name` ends with NUL.
        let name = unsafe { input::text(name, input::SHORT) }?;
        // SAFETY: the caller promises that a non-NULL `args` ends with NUL.
        let args = unsafe { input::text_if(args, input::TEXT) }?;
        let client = handle::client(client)?;
        let id = client.ask(Request::Command {
            target: place,
            name: name.to_owned(),
            args: args.unwrap_or_default().to_owned(),
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// The commands of the server's plugins. The reply has a list: `chat_event_item_count`,
/// `chat_event_item`. If `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_commands(
    client: *mut chat_client,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        let client = handle::client(client)?;
        let id = client.ask(Request::Commands)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// The sends that have no final answer, those of earlier runs included. The reply has a list:
/// `chat_event_item_count`, `chat_event_item`. If `chat_event_next` is not empty there are more.
///
/// @param client The client.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_outbox(
    client: *mut chat_client,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        let client = handle::client(client)?;
        let id = client.outbox()?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Sends a file. `CHAT_EVENT_PROGRESS` tells how far it is; the reply comes when the server has all of
/// it.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param path Which file of this machine.
/// @param name What others see; NULL: the last part of the path.
/// @param media_type Like "image/png"; NULL: unknown.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_send_file(
    client: *mut chat_client,
    place: *const c_char,
    path: *const c_char,
    name: *const c_char,
    media_type: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `place` ends with NUL.
        let place = unsafe { input::place(place) }?;
        // SAFETY: the caller promises that a non-NULL `path` ends with NUL.
        let path = unsafe { input::path(path) }?;
        // SAFETY: the caller promises that a non-NULL `name` ends with NUL.
        let name = unsafe { input::text_if(name, input::SHORT) }?;
        // SAFETY: the caller promises that a non-NULL `media_type` ends with NUL.
        let media_type = unsafe { input::text_if(media_type, input::SHORT) }?;
        let client = handle::client(client)?;
        let id = client.send_file(place, path, name, media_type)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Fetches a file. `CHAT_EVENT_PROGRESS` tells how far it is; the reply comes when all of it is on this
/// disk and its hash was checked.
///
/// @param client The client.
/// @param blob Which: `chat_event_blob`, 16 bytes.
/// @param blob_len Must be 16.
/// @param path Where to; an unfinished file is continued.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_fetch(
    client: *mut chat_client,
    blob: *const u8,
    blob_len: usize,
    path: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `blob` has `blob_len` bytes.
        let blob = unsafe { input::blob(blob, blob_len) }?;
        // SAFETY: the caller promises that a non-NULL `path` ends with NUL.
        let path = unsafe { input::path(path) }?;
        let client = handle::client(client)?;
        let id = client.fetch(blob, path)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Makes a request of a JSON line, as `chat-cli --json` takes it: every request there is, for those who
/// bind the library to another language. The reply's `chat_event_to_json` is the answer line.
///
/// @param client The client.
/// @param line One JSON object.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_JSON
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_request_json(
    client: *mut chat_client,
    line: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `line` ends with NUL.
        let line = unsafe { input::text(line, input::JSON) }?;
        let client = handle::client(client)?;
        let id = client.request_json(line)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}
