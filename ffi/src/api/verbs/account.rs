//! The account itself: its devices, its password, commands of plugins, and what waits to be sent.

use std::ffi::c_char;

use chat_engine::{DeviceId, Request};

use crate::api::client::chat_client;
use crate::guard::guard;
use crate::status::chat_status;
use crate::{handle, input, output};

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
