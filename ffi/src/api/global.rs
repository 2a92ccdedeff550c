//! What belongs to no handle.

use std::ffi::{c_char, c_void};

use crate::guard::{self, guard};
use crate::status::{self, chat_status};
use crate::{input, log, output};

// The graver ones are in chat_plugin.h.
pub use chat_plugin_abi::{CHAT_LOG_DEBUG, CHAT_LOG_ERROR, CHAT_LOG_INFO, CHAT_LOG_WARN};

/// How grave a line of the log is: CHAT_LOG_ERROR, CHAT_LOG_WARN, CHAT_LOG_INFO, CHAT_LOG_DEBUG, or
/// CHAT_LOG_TRACE.
pub type chat_log_level = i32;
/// Everything.
pub const CHAT_LOG_TRACE: chat_log_level = 5;

/// Called with each line of the log, from any thread, also from inside of a function of this library
/// that the calling thread is in. It must return quickly and call nothing of this library but
/// `chat_status_name`, `chat_status_message` and `chat_status_retryable`; anything else answers
/// `CHAT_MISUSE`. The strings are valid until it returns.
pub type chat_log_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        level: chat_log_level,
        target: *const c_char,
        message: *const c_char,
    ),
>;

/// Called, from a thread of the library, when there are events to take, or the handle is closed. It
/// carries no data and must return quickly: set a flag, write into a pipe, post to a loop. Functions
/// that wait answer `CHAT_MISUSE` inside of it.
pub type chat_wakeup_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// The version of the library that runs, as text: "0.1.0".
///
/// @return A string that lives for ever.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn chat_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of the library that runs, to be compared with `CHAT_VERSION_NUMBER`, against which the
/// program was compiled. A library with the same SONAME and a greater number can do all that a lesser
/// one could.
///
/// @return major * 1000000 + minor * 1000 + patch
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn chat_version_number() -> u32 {
    status::VERSION_NUMBER
}

/// The name of a status, like "CHAT_CLOSED".
///
/// @param status Any number.
/// @return A string that lives for ever; "CHAT_UNKNOWN" for a number that is no status.
/// @threadsafe yes, and from callbacks, too
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn chat_status_name(status: chat_status) -> *const c_char {
    status::name(status).as_ptr()
}

/// What a status means and what to do about it, for people.
///
/// @param status Any number.
/// @return A string that lives for ever.
/// @threadsafe yes, and from callbacks, too
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn chat_status_message(status: chat_status) -> *const c_char {
    status::message(status).as_ptr()
}

/// Whether doing the same again later may succeed.
///
/// @param status Any number.
/// @return 1 or 0
/// @threadsafe yes, and from callbacks, too
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn chat_status_retryable(status: chat_status) -> i32 {
    i32::from(status::is_retryable(status))
}

/// What exactly was wrong with the last call of this thread that failed: a sentence for people. Each
/// thread has its own, so it is there also when a `new` failed, and threads don't overwrite each other.
///
/// @return A string that is valid until this thread calls the library again; empty when nothing failed
///         so far.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn chat_last_error() -> *const c_char {
    guard::last_error()
}

/// Sends the log of the library to a callback. Without one it goes nowhere: nothing is ever written to
/// stdout or stderr. Returns when a callback that was set before does not run any more, so that its
/// `user` may go away then.
///
/// @param level The least grave lines that are wanted, `CHAT_LOG_ERROR` to `CHAT_LOG_TRACE`.
/// @param callback May be NULL: no log.
/// @param user Handed to the callback.
/// @return CHAT_OK; CHAT_INVALID for a level that is none; CHAT_MISUSE from inside of a callback.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn chat_set_log(
    level: chat_log_level,
    callback: chat_log_fn,
    user: *mut c_void,
) -> chat_status {
    guard(|| log::set(level, callback, user))
}

/// Makes a new send id: the time and random bits, as `chat_send_options.send_id` takes it. Write it
/// down with what is to be sent, and the same thing can be sent again after a crash without arriving
/// twice.
///
/// @param id Receives 16 bytes.
/// @return CHAT_OK; CHAT_INVALID
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_new_send_id(id: *mut u8) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `id` has room for 16 bytes.
        unsafe { output::put_bytes(id, &crate::send_id()?.0) }
    })
}

/// Frees a string that a function of this library returned as `char *`. Does nothing for NULL. Strings
/// that are returned as `const char *` belong to the object that gave them and are never freed.
///
/// @param string NULL, or what a function of this library returned.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_string_free(string: *mut c_char) {
    // SAFETY: the caller promises that it comes from this library and is freed once.
    unsafe { input::free_string(string) }
}
