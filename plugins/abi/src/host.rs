//! What the server does for a plugin.

use core::ffi::{c_char, c_void};

use crate::{chat_hook, chat_plugin_event, chat_status, chat_verdict};

/// A hook of the plugin.
pub type chat_hook_fn = Option<
    unsafe extern "C" fn(
        instance: *mut c_void,
        host: *const chat_host,
        event: *const chat_plugin_event,
    ) -> chat_verdict,
>;

/// What the server does for one instance of a plugin. It lives as long as the process, so a late call is
/// no crash: it answers CHAT_RETIRED. Later versions have more fields at the end: ask by CHAT_HAS().
///
/// `hook` and `keep` are for the thread that the server called on; everything else may be called from any
/// thread.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_host {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// CHAT_PLUGIN_ABI of the server.
    pub abi: u32,
    /// The server's own.
    pub ctx: *mut c_void,
    /// The server's version, for logs.
    pub version: *const c_char,
    /// What the operator calls the plugin: the file without `lib` and `.so`. It sends as `plugin.NAME`.
    pub name: *const c_char,
    /// A folder for this plugin alone. It stays over restarts and new versions.
    pub state_dir: *const c_char,
    /// 1 while the server only looks whether `init` works, in a process that ends right after it, with
    /// the real configuration and an empty state folder. Touch nothing outside then: open no socket, log
    /// file or account.
    pub probe: u32,
    /// 0.
    pub reserved: u32,

    /// Writes a line into the server's log.
    pub log: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            level: i32,
            text: *const c_char,
        ) -> chat_status,
    >,
    /// What the operator wrote as `key` under `[plugin.NAME]`, as text: numbers in decimal, `true` or
    /// `false`, lists one item a line. NULL when it is not there. The key "" answers all of it as one JSON
    /// object. Lives as long as the instance.
    pub config:
        Option<unsafe extern "C" fn(host: *const chat_host, key: *const c_char) -> *const c_char>,
    /// Takes part in a hook; only from `init`. Higher priorities go first, ties by the plugin's id; an
    /// operator's `priority` wins. One function a hook.
    pub hook: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            hook: chat_hook,
            priority: i32,
            function: chat_hook_fn,
        ) -> chat_status,
    >,
    /// New text for the event; answer CHAT_MODIFIED after it. At most 16,384 bytes, for a topic 512, for a
    /// reaction 64. Copied.
    pub set_text: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            event: *const chat_plugin_event,
            text: *const c_char,
            len: u64,
        ) -> chat_status,
    >,
    /// What the sender is told when it is refused. At most 200 bytes. Copied.
    pub set_reason: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            event: *const chat_plugin_event,
            reason: *const c_char,
        ) -> chat_status,
    >,
    /// Sends text as `plugin.NAME`, to a room or to an account: one of `room` and `to` is NULL. CHAT_OK
    /// means that it is queued. Needs CHAT_CAP_SEND.
    pub send: Option<
        unsafe extern "C" fn(
            host: *const chat_host,
            room: *const c_char,
            to: *const c_char,
            text: *const c_char,
        ) -> chat_status,
    >,
    /// Hands state over to the next version; only from `save`, once. At most 1 MiB. Copied.
    pub keep: Option<
        unsafe extern "C" fn(host: *const chat_host, data: *const c_void, len: u64) -> chat_status,
    >,
    /// A table of more functions by its name, or NULL when this server does not have it:
    /// "chat.command/1" is a chat_ext_command, "chat.defer/1" a chat_ext_defer, "chat.kv/1" a chat_ext_kv,
    /// "chat.metrics/1" a chat_ext_metrics, "chat.notice/1" a chat_ext_notice, "chat.timer/1" a chat_ext_timer.
    pub extension:
        Option<unsafe extern "C" fn(host: *const chat_host, id: *const c_char) -> *const c_void>,
}
