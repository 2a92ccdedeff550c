//! What was said, and how far it was read.

use std::ffi::c_char;

use chat_engine::Request;

use crate::api::client::chat_client;
use crate::guard::guard;
use crate::status::chat_status;
use crate::{handle, input, output};

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
