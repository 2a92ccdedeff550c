//! What the program that has a server may do to its accounts and rooms.

use std::ffi::c_char;

use chat_engine::Change;

use crate::api::server::{chat_registration, chat_server};
use crate::api::verbs::rooms::chat_role;
use crate::guard::guard;
use crate::server::Ask;
use crate::status::chat_status;
use crate::{handle, input, output};

/// What an account may do on the server.
pub type chat_rights = i32;
/// Chats.
pub const CHAT_RIGHTS_USER: chat_rights = 1;
/// Sees every room, may join it, and is an owner in those that it is a member of.
pub const CHAT_RIGHTS_ADMIN: chat_rights = 2;

/// Opens an account.
///
/// @param server The server.
/// @param account Its name.
/// @param password 8 to 1024 bytes; NULL: it can't log in before it has one.
/// @param rights `CHAT_RIGHTS_USER` or `CHAT_RIGHTS_ADMIN`.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_add_account(
    server: *mut chat_server,
    account: *const c_char,
    password: *const c_char,
    rights: chat_rights,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        // SAFETY: the caller promises that a non-NULL `password` ends with NUL.
        let password = unsafe { input::text_if(password, input::PASSWORD) }?.map(str::to_owned);
        let rights = input::rights(rights)?;
        let id = handle::server(server)?.ask(Ask::AddAccount {
            account,
            password,
            rights,
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Sets the password of an account, and locks its devices out.
///
/// @param server The server.
/// @param account Its name.
/// @param password 8 to 1024 bytes.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_set_password(
    server: *mut chat_server,
    account: *const c_char,
    password: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        // SAFETY: the caller promises that a non-NULL `password` ends with NUL.
        let password = unsafe { input::text(password, input::PASSWORD) }?;
        let id = handle::server(server)?.ask(Ask::SetPassword {
            account,
            password: password.to_owned(),
        })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Deletes an account. Its entries stay.
///
/// @param server The server.
/// @param account Its name.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_remove_account(
    server: *mut chat_server,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let id = handle::server(server)?.ask(Ask::RemoveAccount { account })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Changes what an account may do.
///
/// @param server The server.
/// @param account Its name.
/// @param rights `CHAT_RIGHTS_USER` or `CHAT_RIGHTS_ADMIN`.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_set_rights(
    server: *mut chat_server,
    account: *const c_char,
    rights: chat_rights,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `account` ends with NUL.
        let account = unsafe { input::account(account) }?;
        let rights = input::rights(rights)?;
        let id = handle::server(server)?.ask(Ask::SetRights { account, rights })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// The accounts by name. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
/// `chat_event_next` is not empty there are more.
///
/// @param server The server.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_accounts(
    server: *mut chat_server,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `page` asks for.
    unsafe { page(server, next, |next| Ask::Accounts { next }, request) }
}

/// Makes an invite. `chat_event_text` of the reply is the link to pass on, `chat_event_name` the token
/// in it.
///
/// @param server The server.
/// @param uses How often it can be used.
/// @param seconds How long it can be used.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_invite(
    server: *mut chat_server,
    uses: u32,
    seconds: u64,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        let id = handle::server(server)?.ask(Ask::Invite { uses, seconds })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// All rooms by name. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
/// `chat_event_next` is not empty there are more.
///
/// @param server The server.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_rooms(
    server: *mut chat_server,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `page` asks for.
    unsafe { page(server, next, |next| Ask::Rooms { next }, request) }
}

/// The members of a room. The reply has a list: `chat_event_item_count`, `chat_event_item`. If
/// `chat_event_next` is not empty there are more.
///
/// @param server The server.
/// @param room The room.
/// @param next NULL, or what `chat_event_next` said on the page before.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_members(
    server: *mut chat_server,
    room: *const c_char,
    next: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `room` ends with NUL.
        let room = unsafe { input::room(room) }?;
        // SAFETY: the caller promises that a non-NULL `next` ends with NUL.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let id = handle::server(server)?.ask(Ask::Members { room, next })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Puts an account out of a room; it may come back. It is done in the name of the reserved account
/// `server`, whatever roles there are.
///
/// @param server The server.
/// @param room The room.
/// @param account Its name.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_kick(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(server, room, account, Change::Kicked, request) }
}

/// Puts or keeps an account out of a room for good. It is done in the name of the reserved account
/// `server`, whatever roles there are.
///
/// @param server The server.
/// @param room The room.
/// @param account Its name.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_ban(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(server, room, account, Change::Banned, request) }
}

/// Lets a banned account come back. It is done in the name of the reserved account
/// `server`, whatever roles there are.
///
/// @param server The server.
/// @param room The room.
/// @param account Its name.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_unban(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(server, room, account, Change::Unbanned, request) }
}

/// Forbids an account to send in a room. It is done in the name of the reserved account
/// `server`, whatever roles there are.
///
/// @param server The server.
/// @param room The room.
/// @param account Its name.
/// @param seconds For how long; 0: for ever.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_mute(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    seconds: u64,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `change_with` asks for.
    unsafe { change_with(server, room, account, Change::Muted, None, seconds, request) }
}

/// Lets a muted account send again. It is done in the name of the reserved account
/// `server`, whatever roles there are.
///
/// @param server The server.
/// @param room The room.
/// @param account Its name.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_unmute(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `change` asks for.
    unsafe { change(server, room, account, Change::Unmuted, request) }
}

/// Gives a member of a room another role. It is done in the name of the reserved account
/// `server`, whatever roles there are.
///
/// @param server The server.
/// @param room The room.
/// @param account Its name.
/// @param role `CHAT_ROLE_MEMBER` and so on.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_role(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    role: chat_role,
    request: *mut u64,
) -> chat_status {
    // SAFETY: the caller promises what `change_with` asks for.
    unsafe { change_with(server, room, account, Change::Role, Some(role), 0, request) }
}

/// Changes who may open an account, until the server ends.
///
/// @param server The server.
/// @param registration `CHAT_REGISTRATION_INVITE` and so on.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_set_registration(
    server: *mut chat_server,
    registration: chat_registration,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        let registration = input::registration(registration)?;
        let id = handle::server(server)?.ask(Ask::SetRegistration { registration })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Writes a copy of everything that the server keeps into a new folder, while it runs.
///
/// @param server The server.
/// @param folder Must not exist.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_backup(
    server: *mut chat_server,
    folder: *const c_char,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `folder` ends with NUL.
        let folder = unsafe { input::path(folder) }?;
        let id = handle::server(server)?.ask(Ask::Backup { folder })?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Changes somebody's membership.
///
/// # Safety
///
/// Texts that are not NULL end with NUL, and a non-NULL `request` may be written.
unsafe fn change(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    change: Change,
    request: *mut u64,
) -> chat_status {
    // SAFETY: as the caller promises.
    unsafe { change_with(server, room, account, change, None, 0, request) }
}

/// Changes a membership to a role, or for a time.
///
/// # Safety
///
/// As of [`change`].
unsafe fn change_with(
    server: *mut chat_server,
    room: *const c_char,
    account: *const c_char,
    change: Change,
    role: Option<chat_role>,
    seconds: u64,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let room = unsafe { input::room(room) }?;
        // SAFETY: as the caller promises.
        let account = unsafe { input::account(account) }?;
        let role = role.map(input::role).transpose()?;
        let id = handle::server(server)?.ask(Ask::Change {
            room,
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
    server: *mut chat_server,
    next: *const c_char,
    wish: impl FnOnce(Option<String>) -> Ask,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let next = unsafe { input::text_if(next, input::PAGE) }?.map(str::to_owned);
        let id = handle::server(server)?.ask(wish(next))?;
        // SAFETY: as the caller promises.
        unsafe { output::put_if(request, id) }
    })
}
