//! Rooms and who is in them.

use std::ffi::c_char;

use chat_engine::{Change, Request, Target};

use crate::api::client::chat_client;
use crate::guard::guard;
use crate::status::chat_status;
use crate::{handle, input, output};

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
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(client, room, None, Change::Joined, request) }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(client, room, None, Change::Left, request) }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(client, room, Some(account), Change::Invited, request) }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(client, room, Some(account), Change::Kicked, request) }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(client, room, Some(account), Change::Banned, request) }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(client, room, Some(account), Change::Unbanned, request) }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe {
        change_with(
            client,
            room,
            Some(account),
            Change::Muted,
            None,
            seconds,
            request,
        )
    }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(client, room, Some(account), Change::Unmuted, request) }
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
    // SAFETY: the caller promises what `change` asks for.
    unsafe {
        change_with(
            client,
            room,
            Some(account),
            Change::Role,
            Some(role),
            0,
            request,
        )
    }
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
    // SAFETY: the caller promises what `page` asks for.
    unsafe { page(client, next, |after| Request::Who { after }, request) }
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
    // SAFETY: the caller promises what `page` asks for.
    unsafe { page(client, next, |after| Request::Rooms { after }, request) }
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
    // SAFETY: the caller promises what `page` asks for.
    unsafe {
        page(
            client,
            next,
            |after| Request::Conversations { after },
            request,
        )
    }
}

/// Changes a membership: somebody's, or the caller's own.
///
/// # Safety
///
/// Texts that are not NULL end with NUL, and a non-NULL `request` may be written.
unsafe fn change(
    client: *mut chat_client,
    room: *const c_char,
    account: Option<*const c_char>,
    change: Change,
    request: *mut u64,
) -> chat_status {
    // SAFETY: as the caller promises.
    unsafe { change_with(client, room, account, change, None, 0, request) }
}

/// Changes a membership to a role, or for a time.
///
/// # Safety
///
/// As of [`change`].
unsafe fn change_with(
    client: *mut chat_client,
    room: *const c_char,
    account: Option<*const c_char>,
    change: Change,
    role: Option<chat_role>,
    seconds: u64,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let room = unsafe { input::room(room) }?;
        // SAFETY: as the caller promises.
        let account = account.map(|account| unsafe { input::account(account) });
        let account = account.transpose()?;
        let role = role.map(input::role).transpose()?;
        let id = handle::client(client)?.ask(Request::Change {
            target: Target::Room(room),
            account,
            change,
            role,
            seconds,
        })?;
        // SAFETY: as the caller promises.
        unsafe { output::put_if(request, id) }
    })
}

/// Asks for a page of a list.
///
/// # Safety
///
/// As of [`change`].
unsafe fn page(
    client: *mut chat_client,
    next: *const c_char,
    wish: impl FnOnce(Option<String>) -> Request,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let id = handle::client(client)?.ask(wish(next))?;
        // SAFETY: as the caller promises.
        unsafe { output::put_if(request, id) }
    })
}
