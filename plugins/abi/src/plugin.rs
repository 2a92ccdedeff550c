//! What a plugin says about itself.

use core::ffi::{c_char, c_void};

use crate::{chat_host, chat_status};

/// Makes an instance and takes part in hooks. What it stores in `instance` is handed to every hook.
/// Not CHAT_OK keeps the plugin off; say why by `log` first.
pub type chat_init_fn =
    Option<unsafe extern "C" fn(host: *const chat_host, instance: *mut *mut c_void) -> chat_status>;
/// Ends an instance. No hook of it runs any more.
pub type chat_destroy_fn =
    Option<unsafe extern "C" fn(instance: *mut c_void, host: *const chat_host)>;
/// Hands the state over by `keep`, when a new version of the plugin takes its place.
pub type chat_save_fn =
    Option<unsafe extern "C" fn(instance: *mut c_void, host: *const chat_host) -> chat_status>;
/// Takes the state that the version before handed over. Not CHAT_OK keeps the old one.
pub type chat_restore_fn = Option<
    unsafe extern "C" fn(
        instance: *mut c_void,
        host: *const chat_host,
        data: *const c_void,
        len: u64,
    ) -> chat_status,
>;

/// What a plugin says about itself: the one symbol that it exports, `chat_plugin_v1`, written by
/// CHAT_PLUGIN_DECLARE. It is data, so nothing of the plugin runs before it was judged.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_plugin {
    /// Bytes of this struct as the plugin knows it.
    pub size: u32,
    /// CHAT_PLUGIN_ABI.
    pub abi: u32,
    /// Who it is for ever, like "org.example.shout". A second plugin with it is refused.
    pub id: *const c_char,
    /// For people.
    pub name: *const c_char,
    /// For people.
    pub version: *const c_char,
    /// For people: an SPDX expression.
    pub license: *const c_char,
    /// CHAT_CAP_.. that it needs. The operator may take some away.
    pub capabilities: u64,
    /// 0.
    pub flags: u64,
    /// Needed.
    pub init: chat_init_fn,
    /// May be NULL.
    pub destroy: chat_destroy_fn,
    /// May be NULL: the next version starts afresh.
    pub save: chat_save_fn,
    /// May be NULL: what the version before saved is lost.
    pub restore: chat_restore_fn,
}

// SAFETY: it is constant data: the texts are static, and nobody writes to any of it.
unsafe impl Sync for chat_plugin {}
// SAFETY: see above.
unsafe impl Send for chat_plugin {}
