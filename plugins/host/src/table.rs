//! The functions of the table that a plugin is handed. Each looks the instance up, judges what it is given,
//! copies it, and answers a status.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use chat_engine::{AccountName, RoomName};
use chat_plugin_abi as abi;

use crate::extensions;
use crate::frame::Wish;
use crate::given::{bytes_of, checked, maybe_text_of, text_of};
use crate::instance::{Phase, host_of, lock};
use crate::limits;
use crate::voice::printable;

/// The table, but for what belongs to one instance.
pub(crate) fn new() -> abi::chat_host {
    abi::chat_host {
        size: size_of::<abi::chat_host>() as u32,
        abi: abi::CHAT_PLUGIN_ABI,
        ctx: ptr::null_mut(),
        version: ptr::null(),
        name: ptr::null(),
        state_dir: ptr::null(),
        probe: 0,
        reserved: 0,
        log: Some(host_log),
        config: Some(host_config),
        hook: Some(host_hook),
        set_text: Some(host_set_text),
        set_reason: Some(host_set_reason),
        send: Some(host_send),
        keep: Some(host_keep),
        extension: Some(host_extension),
    }
}

unsafe extern "C" fn host_log(
    host: *const abi::chat_host,
    level: i32,
    text: *const c_char,
) -> abi::chat_status {
    // SAFETY: the plugin hands its table back.
    let Some(host) = (unsafe { host_of(host) }) else {
        return abi::CHAT_MISUSE;
    };
    if host.is_retired() {
        return abi::CHAT_RETIRED;
    }
    if text.is_null() {
        return abi::CHAT_MISUSE;
    }
    // SAFETY: the contract says that texts end with a NUL.
    let text = unsafe { CStr::from_ptr(text) };
    // A line for people: cut rather than refused.
    let bytes = text.to_bytes();
    let text = String::from_utf8_lossy(bytes.get(..limits::LOG_BYTES).unwrap_or(bytes));
    if host.is_init() && matches!(level, abi::CHAT_LOG_ERROR | abi::CHAT_LOG_WARN) {
        *lock(&host.complaint) = Some(printable(&text));
    }
    host.services.wish(Wish::Log {
        level,
        text: text.into_owned(),
    })
}

unsafe extern "C" fn host_config(host: *const abi::chat_host, key: *const c_char) -> *const c_char {
    // SAFETY: the plugin hands its table back.
    let Some(host) = (unsafe { host_of(host) }) else {
        return ptr::null();
    };
    if key.is_null() {
        return ptr::null();
    }
    // SAFETY: the contract says that texts end with a NUL.
    let key = unsafe { CStr::from_ptr(key) };
    let config = lock(&host.config);
    // It stays where it is: `configure` moves the map, and not what its entries point to.
    config
        .values
        .get(key)
        .map_or(ptr::null(), |value| value.as_ptr())
}

unsafe extern "C" fn host_hook(
    host: *const abi::chat_host,
    hook: abi::chat_hook,
    priority: i32,
    function: abi::chat_hook_fn,
) -> abi::chat_status {
    // SAFETY: the plugin hands its table back.
    let Some(host) = (unsafe { host_of(host) }) else {
        return abi::CHAT_MISUSE;
    };
    if host.is_retired() {
        return abi::CHAT_RETIRED;
    }
    if !host.is_init() || function.is_none() {
        return abi::CHAT_MISUSE;
    }
    if hook == abi::CHAT_HOOK_COMMAND {
        // They have names: "chat.command/1".
        return abi::CHAT_MISUSE;
    }
    if !KNOWN_HOOKS.contains(&hook) {
        return abi::CHAT_NOT_FOUND;
    }
    let mut registered = lock(&host.registered);
    match registered.hooks.contains_key(&hook) {
        true => abi::CHAT_MISUSE,
        false => {
            registered.hooks.insert(hook, (priority, function));
            abi::CHAT_OK
        }
    }
}

const KNOWN_HOOKS: [u32; 10] = [
    abi::CHAT_HOOK_CONNECT,
    abi::CHAT_HOOK_LOGIN,
    abi::CHAT_HOOK_ENTRY,
    abi::CHAT_HOOK_FILE_OFFER,
    abi::CHAT_HOOK_FILE_COMPLETE,
    abi::CHAT_HOOK_ENTRY_POST,
    abi::CHAT_HOOK_PRESENCE_POST,
    abi::CHAT_HOOK_DISCONNECT_POST,
    abi::CHAT_HOOK_TICK,
    abi::CHAT_HOOK_RELOAD,
];

unsafe extern "C" fn host_set_text(
    host: *const abi::chat_host,
    event: *const abi::chat_plugin_event,
    text: *const c_char,
    len: u64,
) -> abi::chat_status {
    // SAFETY: the plugin hands its table back.
    let Some(host) = (unsafe { host_of(host) }) else {
        return abi::CHAT_MISUSE;
    };
    if host.is_retired() {
        return abi::CHAT_RETIRED;
    }
    if host.capabilities & abi::CHAT_CAP_MODIFY == 0 {
        return abi::CHAT_DENIED;
    }
    let set = host.with_call(event, |mut call| {
        let most = match call.kind() {
            abi::CHAT_KIND_TOPIC => chat_engine::limits::TOPIC_BYTES,
            abi::CHAT_KIND_PRESENCE => chat_engine::limits::PRESENCE_BYTES,
            abi::CHAT_KIND_REACTION => chat_engine::limits::REACTION_BYTES,
            _ => chat_engine::limits::TEXT_BYTES,
        };
        // SAFETY: the contract says that the text has that many bytes.
        let text = match unsafe { bytes_of(text.cast(), len, most) } {
            Ok(bytes) => checked(bytes, most),
            Err(status) => Err(status),
        };
        match text {
            Ok(text) => {
                call.set_text(text);
                abi::CHAT_OK
            }
            Err(status) => status,
        }
    });
    set.unwrap_or(abi::CHAT_TOO_LATE)
}

unsafe extern "C" fn host_set_reason(
    host: *const abi::chat_host,
    event: *const abi::chat_plugin_event,
    reason: *const c_char,
) -> abi::chat_status {
    // SAFETY: the plugin hands its table back.
    let Some(host) = (unsafe { host_of(host) }) else {
        return abi::CHAT_MISUSE;
    };
    if host.is_retired() {
        return abi::CHAT_RETIRED;
    }
    // SAFETY: the contract says that texts end with a NUL.
    match unsafe { text_of(reason, limits::REASON_BYTES) } {
        Ok(reason) => host
            .with_call(event, |mut call| {
                call.set_reason(reason);
                abi::CHAT_OK
            })
            .unwrap_or(abi::CHAT_TOO_LATE),
        Err(status) => status,
    }
}

unsafe extern "C" fn host_send(
    host: *const abi::chat_host,
    room: *const c_char,
    to: *const c_char,
    text: *const c_char,
) -> abi::chat_status {
    // SAFETY: the plugin hands its table back.
    let Some(host) = (unsafe { host_of(host) }) else {
        return abi::CHAT_MISUSE;
    };
    if host.is_retired() {
        return abi::CHAT_RETIRED;
    }
    if host.capabilities & abi::CHAT_CAP_SEND == 0 {
        return abi::CHAT_DENIED;
    }
    if room.is_null() == to.is_null() {
        return abi::CHAT_MISUSE;
    }
    let name = chat_engine::limits::NAME_BYTES;
    // SAFETY: the contract says that texts end with a NUL.
    let texts = unsafe {
        (
            maybe_text_of(room, name),
            maybe_text_of(to, name),
            text_of(text, chat_engine::limits::TEXT_BYTES),
        )
    };
    match texts {
        (Ok(room), Ok(to), Ok(text)) if !text.is_empty() => {
            let is_room = |name: &String| RoomName::new(name).is_ok();
            let is_account = |name: &String| AccountName::new(name).is_ok();
            if !room.iter().all(is_room) || !to.iter().all(is_account) {
                return abi::CHAT_MISUSE;
            }
            host.services.wish(Wish::Send { room, to, text })
        }
        (Ok(_), Ok(_), Ok(_)) => abi::CHAT_MISUSE,
        (Err(status), _, _) | (_, Err(status), _) | (_, _, Err(status)) => status,
    }
}

unsafe extern "C" fn host_keep(
    host: *const abi::chat_host,
    data: *const c_void,
    len: u64,
) -> abi::chat_status {
    // SAFETY: the plugin hands its table back.
    let Some(host) = (unsafe { host_of(host) }) else {
        return abi::CHAT_MISUSE;
    };
    if host.is_retired() {
        return abi::CHAT_RETIRED;
    }
    if *lock(&host.phase) != Phase::Save {
        return abi::CHAT_MISUSE;
    }
    // SAFETY: the contract says that there are that many bytes.
    match unsafe { bytes_of(data, len, limits::STATE_BYTES) } {
        Ok(bytes) => {
            *lock(&host.kept) = Some(bytes.to_vec());
            abi::CHAT_OK
        }
        Err(status) => status,
    }
}

unsafe extern "C" fn host_extension(
    host: *const abi::chat_host,
    id: *const c_char,
) -> *const c_void {
    // SAFETY: the plugin hands its table back.
    if unsafe { host_of(host) }.is_none() || id.is_null() {
        return ptr::null();
    }
    // SAFETY: the contract says that texts end with a NUL.
    extensions::table(unsafe { CStr::from_ptr(id) })
}
