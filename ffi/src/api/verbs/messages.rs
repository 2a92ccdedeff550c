//! Saying something, and changing what was said.

use std::ffi::c_char;

use chat_engine::Body;

use crate::api::client::chat_client;
use crate::guard::guard;
use crate::status::chat_status;
use crate::{handle, input, options, output};

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
