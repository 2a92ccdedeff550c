//! Numbers that an event has.

use crate::api::event::chat_event;
use crate::event::Field;
use crate::guard::guard_or;
use crate::handle;

/// The place of an entry in the log of its conversation.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_seq(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Seq)))
}

/// The place of the entry before; who has that one has missed nothing.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_prev(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Prev)))
}

/// The entry that this one replies to or changes.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_target(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Target)))
}

/// The run of the log. Another one means that the log may have gone back.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_epoch(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Epoch)))
}

/// When: milliseconds since 1970.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_time_ms(event: *const chat_event) -> i64 {
    guard_or(0, || Ok(handle::event(event)?.number_i64(Field::TimeMs)))
}

/// When it was last there: milliseconds since 1970.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_seen_ms(event: *const chat_event) -> i64 {
    guard_or(0, || Ok(handle::event(event)?.number_i64(Field::SeenMs)))
}

/// Until when: milliseconds since 1970; 0: for ever.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_until_ms(event: *const chat_event) -> i64 {
    guard_or(0, || Ok(handle::event(event)?.number_i64(Field::UntilMs)))
}

/// Try again after so many milliseconds.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_retry_ms(event: *const chat_event) -> u32 {
    guard_or(0, || Ok(handle::event(event)?.number_u32(Field::RetryMs)))
}

/// `CHAT_ROLE_MEMBER` and so on.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_role(event: *const chat_event) -> i32 {
    guard_or(0, || Ok(handle::event(event)?.number_i32(Field::Role)))
}

/// `CHAT_CHANGE_JOINED` and so on.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_change(event: *const chat_event) -> i32 {
    guard_or(0, || Ok(handle::event(event)?.number_i32(Field::Change)))
}

/// `CHAT_PRESENCE_ONLINE` and so on.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_presence(event: *const chat_event) -> i32 {
    guard_or(0, || Ok(handle::event(event)?.number_i32(Field::Presence)))
}

/// Bytes of a file.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_size(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Size)))
}

/// Bytes of a file that are through.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_transferred(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Transferred)))
}

/// The last entry of a conversation.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_head(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Head)))
}

/// The last entry that was read.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_read(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Read)))
}

/// The last entry that arrived.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_delivered(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Delivered)))
}

/// How many texts and files came after the last one that was read.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_unread(event: *const chat_event) -> u32 {
    guard_or(0, || Ok(handle::event(event)?.number_u32(Field::Unread)))
}

/// How many of them name this account.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_mentions(event: *const chat_event) -> u32 {
    guard_or(0, || Ok(handle::event(event)?.number_u32(Field::Mentions)))
}

/// How many members a room has.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_members(event: *const chat_event) -> u32 {
    guard_or(0, || Ok(handle::event(event)?.number_u32(Field::Members)))
}

/// How many devices an account has.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_devices(event: *const chat_event) -> u32 {
    guard_or(0, || Ok(handle::event(event)?.number_u32(Field::Devices)))
}

/// The id of a device.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_device(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Device)))
}

/// A number; the type of the event says of what.
///
/// @param event The event.
/// @return The number; 0 when there is none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_event_count(event: *const chat_event) -> u64 {
    guard_or(0, || Ok(handle::event(event)?.number(Field::Count)))
}
