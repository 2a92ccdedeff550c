//! A server inside of the program.

pub mod admin;

use std::ffi::{c_char, c_void};

use chat_plugin_abi::chat_plugin;

use crate::api::event::chat_event;
use crate::api::global::chat_wakeup_fn;
use crate::guard::{guard, guard_or};
use crate::server::{self, Server};
use crate::status::chat_status;
use crate::{handle, input, options, output};

/// A server. A number in a pointer's clothes: it points nowhere.
#[derive(Debug)]
pub struct chat_server {
    _opaque: (),
}

/// Who may open an account.
pub type chat_registration = u32;
/// Who has an invite. The default.
pub const CHAT_REGISTRATION_INVITE: chat_registration = 0;
/// Anybody.
pub const CHAT_REGISTRATION_OPEN: chat_registration = 1;
/// Nobody but the operator.
pub const CHAT_REGISTRATION_CLOSED: chat_registration = 2;

/// How a server runs. Fill it with `chat_server_options_init` first, then set fields. All strings are
/// copied; NULL means "none".
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_server_options {
    /// Size of the struct, as the program was compiled.
    pub size: u32,
    /// `CHAT_REGISTRATION_INVITE` and so on.
    pub registration: chat_registration,
    /// `listen_count` strings `HOST:PORT`; port 0 picks a free one. NULL: only what
    /// `chat_server_serve_fd` and clients of this process bring.
    pub listen: *const *const c_char,
    /// How many.
    pub listen_count: u32,
    /// Most streams at a time; 0: as many as the library takes.
    pub streams: u32,
    /// Folder where everything is kept; made if it is missing. One process at a time. NULL: in memory,
    /// gone with the handle.
    pub data: *const c_char,
    /// A room that everybody is put into at registration; "lobby" by default, NULL: none.
    pub lobby: *const c_char,
    /// Entries older than so many seconds are cut; 0: none.
    pub retention_seconds: u64,
    /// All but the last so many entries of each conversation are cut; 0: none.
    pub retention_entries: u64,
}

/// What is counted of a server. Fill it with `chat_server_stats_init` first.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_server_stats {
    /// Size of the struct, as the program was compiled.
    pub size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Accounts.
    pub accounts: u64,
    /// Rooms.
    pub rooms: u64,
    /// Links that are logged in.
    pub links: u64,
    /// Entries that were appended since the start.
    pub entries: u64,
}

/// Fills options with their defaults.
///
/// @param options Receives `size` bytes.
/// @param size sizeof(chat_server_options)
/// @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_options_init(
    options: *mut chat_server_options,
    size: u32,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `options` has `size` bytes.
        unsafe { options::init(options, size) }
    })
}

/// Fills the struct with zeros and its size.
///
/// @param stats Receives `size` bytes.
/// @param size sizeof(chat_server_stats)
/// @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS for a size that no version has.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_stats_init(
    stats: *mut chat_server_stats,
    size: u32,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `stats` has `size` bytes.
        unsafe { options::init(stats, size) }
    })
}

/// Makes a server: opens its folder and listens. Nobody is served before `chat_server_start`.
///
/// @param options How it runs; NULL: in memory, without an address.
/// @param server Receives the handle; ends with `chat_server_free`.
/// @return CHAT_OK; CHAT_BUSY when another process has the folder; CHAT_TOO_NEW, CHAT_LOCAL about the
///         folder or an address; CHAT_INVALID, CHAT_BAD_OPTIONS, CHAT_BAD_NAME, CHAT_BAD_ADDRESS,
///         CHAT_BAD_UTF8, CHAT_TOO_LONG about the options; CHAT_FULL with too many handles; CHAT_FORKED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_new(
    options: *const chat_server_options,
    server: *mut *mut chat_server,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that non-NULL `options` have the bytes that their `size` says, and
        // that the strings in them end with NUL.
        let plan = unsafe { options::read_or_default(options).and_then(|it| server::plan(&it)) }?;
        // SAFETY: the caller promises that a non-NULL `server` may be written.
        unsafe { output::make(server, || Server::open(plan)) }
    })
}

/// Begins to serve. Calling it again does nothing.
///
/// @param server The server.
/// @return CHAT_OK; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_start(server: *mut chat_server) -> chat_status {
    guard(|| handle::server(server)?.start())
}

/// Adds a plugin that this program brings with it: the very struct that chat_plugin.h has for files, filled
/// in by hand or by CHAT_PLUGIN_DECLARE. It runs in this process, on threads that a server with plugins has
/// for them, so a crash of it is a crash of the program. Its NAME is what follows the last dot of its id: it
/// sends as `plugin.NAME`. What it logs goes to chat_set_log. When its `init` fails, the server does without
/// it, and the log says why.
///
/// @param server The server. It must not have started.
/// @param plugin Must stay as it is until the process ends, with all that it points to.
/// @param config_json An object with what `[plugin.NAME]` has in a configuration file: `priority`, `on_error`,
///        `deadline_ms`, `capabilities`, and what the plugin itself asks for; NULL: nothing.
/// @return CHAT_OK; CHAT_MISUSE when the server has started; CHAT_INVALID about the plugin or the settings,
///         and chat_last_error says what; CHAT_BAD_JSON; CHAT_BAD_UTF8; CHAT_TOO_LONG; CHAT_BUSY when there
///         is one of that name; CHAT_FULL with too many; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_add_plugin(
    server: *mut chat_server,
    plugin: *const chat_plugin,
    config_json: *const c_char,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `config_json` ends with NUL.
        let config = unsafe { input::text_if(config_json, input::JSON) }?;
        // SAFETY: the caller promises that a non-NULL `plugin` is one, and stays.
        unsafe { handle::server(server)?.add_plugin(plugin, config) }
    })
}

/// Where it listens.
///
/// @param server The server.
/// @param index From 0, in the order of the options.
/// @return `HOST:PORT`, valid until `chat_server_free`; empty when there is no such address.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_address(
    server: *mut chat_server,
    index: u32,
) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::server(server)?.address(index)))
}

/// The fingerprint of its key, which clients pin.
///
/// @param server The server.
/// @return "SHA256:..", valid until `chat_server_free`; empty for a bad handle.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_fingerprint(server: *mut chat_server) -> *const c_char {
    guard_or(c"".as_ptr(), || Ok(handle::server(server)?.fingerprint()))
}

/// Serves a connected stream socket: one that the program accepted itself, one end of a `socketpair`.
/// The server owns it from then on, also when the call fails with anything but CHAT_INVALID,
/// CHAT_BAD_HANDLE or CHAT_FORKED.
///
/// @param server The server.
/// @param fd The socket. It is made non-blocking and close-on-exec.
/// @return CHAT_OK; CHAT_INVALID when it is no connected stream socket; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_serve_fd(server: *mut chat_server, fd: i32) -> chat_status {
    // SAFETY: the caller promises to give the descriptor away.
    guard(|| unsafe { handle::server(server)?.serve_fd(fd) })
}

/// Waits for the next event of the server: replies, and `CHAT_EVENT_CLOSED`.
///
/// @param server The server.
/// @param timeout_ms How long to wait at most; 0: not at all; negative: as long as it takes.
/// @param event Receives the event, which ends with `chat_event_free`; or NULL, when there was none in
///        time, or `chat_server_interrupt` was called.
/// @return CHAT_OK; CHAT_CLOSED when the last event was taken; CHAT_BUSY while another thread waits;
///         CHAT_MISUSE inside of a callback with a time-out other than 0.
/// @threadsafe yes; one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_next_event(
    server: *mut chat_server,
    timeout_ms: i32,
    event: *mut *mut chat_event,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that a non-NULL `event` may be written.
        unsafe { output::event(event, || handle::server(server)?.next_event(timeout_ms)) }
    })
}

/// As `chat_client_fd`.
///
/// @param server The server.
/// @return The descriptor; -1 for a bad handle, or where there are none.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_fd(server: *mut chat_server) -> i32 {
    guard_or(-1, || Ok(handle::server(server)?.desk().fd()))
}

/// As `chat_client_set_wakeup`.
///
/// @param server The server.
/// @param callback NULL: none.
/// @param user Handed to the callback.
/// @return CHAT_OK; CHAT_MISUSE inside of a callback.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_set_wakeup(
    server: *mut chat_server,
    callback: chat_wakeup_fn,
    user: *mut c_void,
) -> chat_status {
    guard(|| handle::server(server)?.desk().set_wakeup(callback, user))
}

/// As `chat_client_interrupt`.
///
/// @param server The server.
/// @return CHAT_OK
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_interrupt(server: *mut chat_server) -> chat_status {
    guard(|| {
        handle::server(server)?.desk().interrupt();
        Ok(())
    })
}

/// Stops: takes no new links, lets those that wait for acknowledgements have them, tells everybody
/// goodbye. When it returns, everything acknowledged is on disk. Takes at most eight seconds. Any number
/// of calls from any threads. Inside of a callback it begins to stop and does not wait.
///
/// @param server The server.
/// @return CHAT_OK; CHAT_TIMEOUT when it did not end in time.
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_stop(server: *mut chat_server) -> chat_status {
    guard(|| handle::server(server)?.stop())
}

/// Stops and frees. Waiting threads return with CHAT_CLOSED. After it no callback comes and nothing that
/// knows the server runs. Does nothing for NULL, nor in a forked child.
///
/// @param server NULL or a server.
/// @return CHAT_OK; CHAT_MISUSE inside of a callback: nothing was freed; CHAT_BAD_HANDLE when it was
///         freed before; CHAT_FORKED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_free(server: *mut chat_server) -> chat_status {
    guard(|| handle::free_server(server))
}

/// What is counted of the server.
///
/// @param server The server.
/// @param stats Receives the numbers; its `size` says how many of them.
/// @return CHAT_OK; CHAT_INVALID; CHAT_BAD_OPTIONS; CHAT_CLOSED
/// @threadsafe yes
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chat_server_get_stats(
    server: *mut chat_server,
    stats: *mut chat_server_stats,
) -> chat_status {
    guard(|| {
        // SAFETY: the caller promises that non-NULL `stats` have the bytes that their `size` says.
        unsafe { options::write(stats, || handle::server(server)?.stats()) }
    })
}
