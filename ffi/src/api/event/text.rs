//! Text and bytes that an event has.

use std::ffi::c_char;

use crate::api::event::chat_event;
use crate::event::Field;
use crate::guard::guard_or;
use crate::handle;

/// Where: the name of a room, or the other account of a direct conversation with an @ before it. Every
/// request takes it as it is.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_place(event: *const chat_event) -> *const c_char {
    guard_or(
        c"".as_ptr(),
        || Ok(handle::event(event)?.text(Field::Place)),
    )
}

/// Length of `chat_event_place`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_place_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Place)))
}

/// Who wrote or did it: the name of an account.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_from(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::event(event)?.text(Field::From)))
}

/// Length of `chat_event_from`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_from_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::From)))
}

/// Whom it is about: the name of an account.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_account(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        Ok(handle::event(event)?.text(Field::Account))
    })
}

/// Length of `chat_event_account`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_account_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Account)))
}

/// The text: of a message, an edit, a topic, a presence; the emoji of a reaction; the help of a
/// command; the invite link.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_text(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::event(event)?.text(Field::Text)))
}

/// Length of `chat_event_text`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_text_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Text)))
}

/// The id of the conversation: 32 hexadecimal digits.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_conversation(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        Ok(handle::event(event)?.text(Field::Conversation))
    })
}

/// Length of `chat_event_conversation`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_conversation_len(event: *const chat_event) -> usize {
    guard_or(
        0,
        || Ok(handle::event(event)?.text_len(Field::Conversation)),
    )
}

/// What the application called the send.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_label(event: *const chat_event) -> *const c_char {
    guard_or(
        c"".as_ptr(),
        || Ok(handle::event(event)?.text(Field::Label)),
    )
}

/// Length of `chat_event_label`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_label_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Label)))
}

/// A word for why: as in the field `reason` or `code` of the JSON lines. Stable.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_reason(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        Ok(handle::event(event)?.text(Field::Reason))
    })
}

/// Length of `chat_event_reason`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_reason_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Reason)))
}

/// A sentence for people: what went wrong and what to do. May change.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_message(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        Ok(handle::event(event)?.text(Field::Message))
    })
}

/// Length of `chat_event_message`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_message_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Message)))
}

/// The name of a file, a device or a command. Not a path to be trusted. In the reply to a fetch: the path
/// of the file on this machine.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_name(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::event(event)?.text(Field::Name)))
}

/// Length of `chat_event_name`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_name_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Name)))
}

/// What the file is, as its sender says: "image/png".
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_media_type(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        Ok(handle::event(event)?.text(Field::MediaType))
    })
}

/// Length of `chat_event_media_type`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_media_type_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::MediaType)))
}

/// The fingerprint of the server's key, "SHA256:..".
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_fingerprint(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        Ok(handle::event(event)?.text(Field::Fingerprint))
    })
}

/// Length of `chat_event_fingerprint`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_fingerprint_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Fingerprint)))
}

/// The fingerprint that was expected instead.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_known_fingerprint(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        Ok(handle::event(event)?.text(Field::KnownFingerprint))
    })
}

/// Length of `chat_event_known_fingerprint`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_known_fingerprint_len(event: *const chat_event) -> usize {
    guard_or(0, || {
        Ok(handle::event(event)?.text_len(Field::KnownFingerprint))
    })
}

/// To be passed on for the next page of a list; empty on the last one.
///
/// @param event The event.
/// @return A string that is valid until the event is freed; empty when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_next(event: *const chat_event) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::event(event)?.text(Field::Next)))
}

/// Length of `chat_event_next`.
///
/// @param event The event.
/// @return Bytes, without the NUL at the end.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_next_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.text_len(Field::Next)))
}

/// The send id of an entry or a send.
///
/// @param event The event.
/// @return 16 bytes that are valid until the event is freed; NULL when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_send_id(event: *const chat_event) -> *const u8 {
    guard_or(std::ptr::null(), || {
        Ok(handle::event(event)?.bytes(Field::SendId))
    })
}

/// Length of `chat_event_send_id`.
///
/// @param event The event.
/// @return 16, or 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_send_id_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.bytes_len(Field::SendId)))
}

/// The id of a file.
///
/// @param event The event.
/// @return 16 bytes that are valid until the event is freed; NULL when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_blob(event: *const chat_event) -> *const u8 {
    guard_or(std::ptr::null(), || {
        Ok(handle::event(event)?.bytes(Field::Blob))
    })
}

/// Length of `chat_event_blob`.
///
/// @param event The event.
/// @return 16, or 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_blob_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.bytes_len(Field::Blob)))
}

/// The BLAKE3 hash of a file.
///
/// @param event The event.
/// @return 32 bytes that are valid until the event is freed; NULL when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_hash(event: *const chat_event) -> *const u8 {
    guard_or(std::ptr::null(), || {
        Ok(handle::event(event)?.bytes(Field::Hash))
    })
}

/// Length of `chat_event_hash`.
///
/// @param event The event.
/// @return 32, or 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_hash_len(event: *const chat_event) -> usize {
    guard_or(0, || Ok(handle::event(event)?.bytes_len(Field::Hash)))
}
