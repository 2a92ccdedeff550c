//! The life of a client.

use std::ffi::{c_char, c_void};

use super::event::chat_event;
use super::global::chat_wakeup_fn;
use super::server::chat_server;
use crate::client::{self, Client};
use crate::guard::{guard, guard_or};
use crate::handle;
use crate::status::chat_status;
use crate::{input, options, output};

/// A client: one account on one server, over as many connections as it takes. A number in a pointer's
/// clothes: it points nowhere.
#[derive(Debug)]
pub struct chat_client {
    _opaque: (),
}

/// Which server key a client accepts.
pub type chat_trust = u32;
/// A key that was accepted before. The login at a new server waits at the event
/// `CHAT_EVENT_SERVER_KEY` until `chat_client_trust`.
pub const CHAT_TRUST_ASK: chat_trust = 0;
/// A key that was accepted before; the first key of a new server is accepted and remembered.
pub const CHAT_TRUST_ACCEPT_NEW: chat_trust = 1;
/// Only the key with `fingerprint`, or with the one in the link.
pub const CHAT_TRUST_PINNED: chat_trust = 2;

/// How a client connects. Fill it with `chat_client_options_init` first, then set fields. All strings
/// are copied; NULL means "none".
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_client_options {
    /// Size of the struct, as the program was compiled.
    pub size: u32,
    /// `CHAT_TRUST_ASK` and so on. A fingerprint, here or in the link, makes it `CHAT_TRUST_PINNED`.
    pub trust: chat_trust,
    /// `HOST:PORT`, or `chat://[ACCOUNT@]HOST[:PORT][?fp=FINGERPRINT&invite=TOKEN]`. Not with `server`.
    pub address: *const c_char,
    /// Name of the account, where the link doesn't say it.
    pub account: *const c_char,
    /// For the first login of a device, or every login of one without a profile.
    pub password: *const c_char,
    /// The token of an invite, where the link doesn't say it.
    pub invite: *const c_char,
    /// The only key to trust, "SHA256:..".
    pub fingerprint: *const c_char,
    /// Folder for the device's key, the outbox and the positions; made if it is missing. One process
    /// at a time. NULL: they end with the handle, and the device has no durable outbox.
    pub profile: *const c_char,
    /// File of server keys that were accepted before, shared by profiles. NULL: the profile has them.
    pub known_hosts: *const c_char,
    /// What the owner calls this device.
    pub device: *const c_char,
    /// A server of this process to talk to in memory, instead of `address`. Such a client does not
    /// reconnect.
    pub server: *mut chat_server,
    /// 1: open the account first. Succeeds also if this profile opened it before.
    pub register_account: u32,
    /// 1, the default: connect again when a connection is lost.
    pub reconnect: u32,
    /// 1: also keep trying when the first connection fails.
    pub patient: u32,
    /// Longest pause before connecting again, in milliseconds; 0: 30 s.
    pub longest_pause_ms: u32,
    /// A request other than a send is answered by `CHAT_TIMEOUT` after so many milliseconds; 0, the
    /// default: never.
    pub request_timeout_ms: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// What a client is doing.
pub type chat_state = i32;
/// `chat_client_connect` was not called so far.
pub const CHAT_STATE_NEW: chat_state = 0;
/// It connects for the first time.
pub const CHAT_STATE_CONNECTING: chat_state = 1;
/// It is logged in.
pub const CHAT_STATE_ONLINE: chat_state = 2;
/// The connection is gone, another one is tried.
pub const CHAT_STATE_RECONNECTING: chat_state = 3;
/// It is closing or closed.
pub const CHAT_STATE_CLOSED: chat_state = 4;

/// Fills options with their defaults.
///
/// @param options Receives `size` bytes.
/// @param size sizeof(chat_client_options)
/// @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_options_init(
    options: *mut chat_client_options,
    size: u32,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `options` has `size` bytes.
        unsafe { options::init(options, size) }
    })
}

/// Makes a client and opens its profile. Nothing is connected before `chat_client_connect`; requests
/// may be made before and wait. Reads and writes the disk.
///
/// @param options How it connects; needs at least `account`, and `address` or `server`.
/// @param client Receives the handle; ends with `chat_client_free`.
/// @return CHAT_OK; CHAT_BUSY when another process has the profile; CHAT_TOO_NEW, CHAT_LOCAL about the
///         profile; CHAT_INVALID, CHAT_BAD_OPTIONS, CHAT_BAD_NAME, CHAT_BAD_ADDRESS, CHAT_BAD_UTF8,
///         CHAT_TOO_LONG about the options; CHAT_BAD_HANDLE about `server`; CHAT_FULL with too many
///         handles; CHAT_FORKED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_new(
    options: *const chat_client_options,
    client: *mut *mut chat_client,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that non-NULL `options` have the bytes that their `size` says, and
        // that the strings in them end with NUL.
        let plan = unsafe { options::read(options).and_then(|options| client::plan(&options)) }?;
        // SAFETY: the caller promises that a non-NULL `client` may be written.
        unsafe { output::make(client, || Client::open(plan)) }
    })
}

/// Connects and logs in. The reply comes with the login: CHAT_OK, or why there is none. The events
/// `CHAT_EVENT_CONNECTED` (each time), `CHAT_EVENT_RECONNECTING` and `CHAT_EVENT_CLOSED` tell the rest.
///
/// @param client The client.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_MISUSE when it was called before; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_connect(
    client: *mut chat_client,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        let id = handle::client(client)?.connect()?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}

/// Waits for the next event. Asking for the next one says that the one before is dealt with: only then
/// its place is saved, so that a crash before brings it again.
///
/// @param client The client.
/// @param timeout_ms How long to wait at most; 0: not at all; negative: as long as it takes.
/// @param event Receives the event, which ends with `chat_event_free`; or NULL, when there was none in
///        time, or `chat_client_interrupt` was called.
/// @return CHAT_OK; CHAT_CLOSED when the last event was taken; CHAT_BUSY while another thread waits;
///         CHAT_MISUSE inside of a callback with a time-out other than 0.
/// @threadsafe yes; one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_next_event(
    client: *mut chat_client,
    timeout_ms: i32,
    event: *mut *mut chat_event,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `event` may be written.
        unsafe { output::event(event, || handle::client(client)?.next_event(timeout_ms)) }
    })
}

/// A file descriptor that is readable while events wait, and after closing: for `poll`, `epoll`,
/// `select` and their like. It is level-triggered and belongs to the client: never read, write or close
/// it. It is gone after `chat_client_free`.
///
/// @param client The client.
/// @return The descriptor; -1 for a bad handle, or where there are none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_fd(client: *mut chat_client) -> i32 {
    guard_or(-1, || Ok(handle::client(client)?.desk().fd()))
}

/// Sets the callback that is called when there are events to take. Returns when one that was set before
/// does not run any more, so that its `user` may go away then. If events wait already it is called at
/// once.
///
/// @param client The client.
/// @param callback NULL: none.
/// @param user Handed to the callback.
/// @return CHAT_OK; CHAT_MISUSE inside of a callback.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_set_wakeup(
    client: *mut chat_client,
    callback: chat_wakeup_fn,
    user: *mut c_void,
) -> chat_status {
    guard(|| handle::client(client)?.desk().set_wakeup(callback, user))
}

/// Makes a `chat_client_next_event` that waits return without an event; if none waits, the next one that
/// would.
///
/// @param client The client.
/// @return CHAT_OK
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_interrupt(client: *mut chat_client) -> chat_status {
    guard(|| {
        handle::client(client)?.desk().interrupt();
        Ok(())
    })
}

/// Leaves: settles every request so far for at most `flush_ms`, says goodbye, and returns. What is open
/// then is replied to with CHAT_PENDING (a send in a durable outbox) or CHAT_CLOSED; these events and the
/// last one, `CHAT_EVENT_CLOSED`, can still be taken. Takes at most three seconds longer than `flush_ms`.
/// Any number of calls from any threads; a shorter `flush_ms` shortens those that wait. Inside of a
/// callback it begins to close and does not wait.
///
/// @param client The client.
/// @param flush_ms How long to wait for replies; 0: not at all.
/// @return CHAT_OK when everything was settled; CHAT_TIMEOUT when something stayed open.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_close(client: *mut chat_client, flush_ms: u32) -> chat_status {
    guard(|| handle::client(client)?.close(flush_ms))
}

/// Closes without waiting for replies, and frees. Waiting threads return with CHAT_CLOSED. After it no
/// callback comes and nothing that knows the client runs. Events that were taken stay valid until their
/// own `chat_event_free`. Does nothing for NULL, nor in a forked child.
///
/// @param client NULL or a client.
/// @return CHAT_OK; CHAT_MISUSE inside of a callback: nothing was freed; CHAT_BAD_HANDLE when it was
///         freed before; CHAT_FORKED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_free(client: *mut chat_client) -> chat_status {
    guard(|| handle::free_client(client))
}

/// What the client is doing.
///
/// @param client The client.
/// @return `CHAT_STATE_NEW` and so on; -1 for a bad handle.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_state(client: *mut chat_client) -> chat_state {
    guard_or(-1, || Ok(handle::client(client)?.state()))
}

/// How many requests have no reply so far, sends included.
///
/// @param client The client.
/// @return The number; 0 for a bad handle.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_open_requests(client: *mut chat_client) -> u32 {
    guard_or(0, || Ok(handle::client(client)?.open_requests()))
}

/// The name of the account, in its normal form.
///
/// @param client The client.
/// @return A string that is valid until `chat_client_free`; empty for a bad handle.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_account(client: *mut chat_client) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::client(client)?.account()))
}

/// The fingerprint of the server's key.
///
/// @param client The client.
/// @return A string that is valid until `chat_client_free`; empty before the first login.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_fingerprint(client: *mut chat_client) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::client(client)?.fingerprint()))
}

/// Trusts the key that the event `CHAT_EVENT_SERVER_KEY` showed; the login goes on. It is remembered in
/// the profile or the file of known hosts. A key that changed is never accepted this way.
///
/// @param client The client.
/// @param fingerprint What the event said, after somebody compared it.
/// @return CHAT_OK; CHAT_WRONG_KEY when the server showed another one; CHAT_MISUSE when it showed none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_trust(
    client: *mut chat_client,
    fingerprint: *const c_char,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL text ends with NUL.
        let fingerprint = unsafe { input::text(fingerprint, input::SHORT) }?;
        handle::client(client)?.trust(fingerprint)
    })
}

/// Gives up a request. Its reply is CHAT_CANCELED, unless it was answered before. What was already on
/// its way to the server may still happen.
///
/// @param client The client.
/// @param request Its number.
/// @return CHAT_OK; CHAT_NOT_FOUND when no request with that number is open.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_cancel(client: *mut chat_client, request: u64) -> chat_status {
    guard(|| handle::client(client)?.cancel(request))
}

/// Takes a send out of the outbox, also one that an earlier run of the program left there. The reply is
/// CHAT_OK, or CHAT_REFUSED_NO_SUCH_ENTRY when it is not there (any more).
///
/// @param client The client.
/// @param send_id Which: 16 bytes.
/// @param send_id_len Must be 16.
/// @param request Receives the number of the request; may be NULL.
/// @return CHAT_OK; CHAT_INVALID; CHAT_FULL; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_client_cancel_send(
    client: *mut chat_client,
    send_id: *const u8,
    send_id_len: usize,
    request: *mut u64,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `send_id` has `send_id_len` bytes.
        let send = unsafe { input::send_id(send_id, send_id_len) }?;
        let id = handle::client(client)?.cancel_send(send)?;
        // SAFETY: the caller promises that a non-NULL `request` may be written.
        unsafe { output::put_if(request, id) }
    })
}
