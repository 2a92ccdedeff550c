//! Files.

use std::ffi::c_char;

use crate::api::client::chat_client;
use crate::api::verbs::messages::chat_send_options;
use crate::guard::guard;
use crate::status::chat_status;
use crate::{handle, input, options, output};

/// Sends a file. `CHAT_EVENT_QUEUED` says that the profile knows of it, `CHAT_EVENT_PROGRESS` how far it
/// is; the reply comes when the server has all of it. It goes on after lost connections and, with a
/// profile, in the next run of the program.
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
    let options = std::ptr::null();
    // SAFETY: the other function asks the same of its caller.
    unsafe { chat_client_send_file_with(client, place, path, name, media_type, options, request) }
}

/// The same with a send id or a label. Sent twice with the same id it arrives once.
///
/// @param client The client.
/// @param place The room, or the other account with an @ before its name.
/// @param path Which file of this machine.
/// @param name What others see; NULL: the last part of the path.
/// @param media_type Like "image/png"; NULL: unknown.
/// @param options May be NULL; `reply_to` must be 0.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_FULL; CHAT_CLOSED; CHAT_INVALID; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BAD_NAME;
///         CHAT_BAD_OPTIONS
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_send_file_with(
    client: *mut chat_client,
    place: *const c_char,
    path: *const c_char,
    name: *const c_char,
    media_type: *const c_char,
    options: *const chat_send_options,
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
        // SAFETY: the caller promises that non-NULL options have the bytes that their `size` says.
        let options = unsafe { options::read_send(options) }?;
        let client = handle::client(client)?;
        let id = client.send_file(place, path, name, media_type, options)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Fetches a file. `CHAT_EVENT_PROGRESS` tells how far it is; the reply comes when all of it is on this
/// disk and was proven, with its path (`chat_event_name`) and hash. Nothing is overwritten; until then it
/// is called like it with ".part" behind.
///
/// @param client The client.
/// @param blob Which: `chat_event_blob`, 16 bytes.
/// @param blob_len Must be 16.
/// @param path A file that does not exist, or a folder: then it is called as its sender called it.
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
