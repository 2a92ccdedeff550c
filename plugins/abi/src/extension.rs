//! Tables of more functions, by name.

use core::ffi::{c_char, c_void};

use crate::{chat_hook_fn, chat_host, chat_plugin_event, chat_status, chat_verdict};

/// "chat.command/1": commands that people can call. Needs CHAT_CAP_COMMAND.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_ext_command {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Offers a command; only from `init`. Names are 1 to 32 of a-z, 0-9, `-`, `_`. `usage` is what
    /// follows the name, `NdSIDES`, `help` one line. The function is shown `name` and `args`, and
    /// answers CHAT_HANDLED, CHAT_REJECT, CHAT_DEFER, or CHAT_PASS: not mine after all.
    pub add: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            name: *const c_char,
            usage: *const c_char,
            help: *const c_char,
            function: chat_hook_fn,
        ) -> chat_status,
    >,
    /// Copies all commands that there are now, of every plugin, to `data`, at most `capacity` bytes of
    /// it, and the whole length to `len`. One command a line, sorted: the name, a tab, and what it takes and
    /// does. Clients can ask for the same. Empty in `init`, where nobody knows them yet.
    pub list: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            data: *mut c_void,
            capacity: u64,
            len: *mut u64,
        ) -> chat_status,
    >,
}

/// "chat.notice/1": text for one account alone, which is not logged. Needs CHAT_CAP_NOTICE.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_ext_notice {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Tells an account something. `room` says where it belongs, or is NULL. Who is not online misses it.
    pub tell: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            account: *const c_char,
            room: *const c_char,
            text: *const c_char,
        ) -> chat_status,
    >,
    /// Answers the sender of an event: the device that called a command, every device of who sent an
    /// entry.
    pub reply: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            event: *const chat_plugin_event,
            text: *const c_char,
        ) -> chat_status,
    >,
}

/// "chat.defer/1": answers that come later.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_ext_defer {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// The answer to an event whose hook answered CHAT_DEFER, or is about to: CHAT_PASS, CHAT_MODIFIED,
    /// CHAT_REJECT or CHAT_HANDLED. To be called once for each, from any thread, whatever the deadline
    /// did meanwhile; the event is gone after it. CHAT_TOO_LATE when the deadline has decided already.
    pub resolve: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            event: *const chat_plugin_event,
            verdict: chat_verdict,
        ) -> chat_status,
    >,
}

/// A timer's function. It is called like a hook, never at the same time as one.
pub type chat_timer_fn =
    Option<unsafe extern "C" fn(instance: *mut c_void, host: *const chat_host, timer: u64)>;

/// "chat.timer/1": calls at a time.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_ext_timer {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Starts a timer with a number of the plugin's choice; one that runs under that number is replaced.
    /// `every_ms` 0 means once. At most 256 timers.
    pub start: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            timer: u64,
            first_ms: u64,
            every_ms: u64,
            function: chat_timer_fn,
        ) -> chat_status,
    >,
    /// Stops it. CHAT_NOT_FOUND when none runs under that number.
    pub stop: Option<unsafe extern "C" fn(host: *const chat_host, timer: u64) -> chat_status>,
}

/// "chat.kv/1": values by key, kept over restarts and new versions. On disk within a second, and when the
/// plugin stops. Keys are text of 1 to 128 bytes, a value has at most 64 KiB, all of them 4 MiB.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_ext_kv {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Copies the value to `data`, at most `capacity` bytes of it, and its whole length to `len`.
    /// CHAT_NOT_FOUND when there is none.
    pub get: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            key: *const c_char,
            data: *mut c_void,
            capacity: u64,
            len: *mut u64,
        ) -> chat_status,
    >,
    /// Sets a value.
    pub put: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            key: *const c_char,
            data: *const c_void,
            len: u64,
        ) -> chat_status,
    >,
    /// Takes a value away. CHAT_NOT_FOUND when there is none.
    pub remove:
        Option<unsafe extern "C" fn(host: *const chat_host, key: *const c_char) -> chat_status>,
}

/// "chat.metrics/1": numbers that the operator sees in `chat-cli plugin list --json`. Names are 1 to 64 of
/// a-z, 0-9, `_`; at most 64 of them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_ext_metrics {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Adds to a counter.
    pub add: Option<
        unsafe extern "C" fn(host: *const chat_host, name: *const c_char, n: u64) -> chat_status,
    >,
    /// Sets a gauge.
    pub set: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            name: *const c_char,
            value: i64,
        ) -> chat_status,
    >,
}
