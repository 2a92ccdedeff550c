//! The tables that a plugin finds by name. Each function works like those of the main table.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use chat_engine::{AccountName, RoomName};
use chat_plugin_abi as abi;

use crate::frame::{Metric, Wish};
use crate::given::{bytes_of, maybe_text_of, text_of};
use crate::instance::{Host, host_of, lock};
use crate::limits;

/// The table of an id.
pub(crate) fn table(id: &CStr) -> *const c_void {
    match id.to_bytes() {
        b"chat.command/1" => (&raw const COMMAND).cast(),
        b"chat.defer/1" => (&raw const DEFER).cast(),
        b"chat.kv/1" => (&raw const KV).cast(),
        b"chat.metrics/1" => (&raw const METRICS).cast(),
        b"chat.notice/1" => (&raw const NOTICE).cast(),
        b"chat.timer/1" => (&raw const TIMER).cast(),
        _ => ptr::null(),
    }
}

static COMMAND: abi::chat_ext_command = abi::chat_ext_command {
    size: size_of::<abi::chat_ext_command>() as u32,
    reserved: 0,
    add: Some(command_add),
    list: Some(command_list),
};
static DEFER: abi::chat_ext_defer = abi::chat_ext_defer {
    size: size_of::<abi::chat_ext_defer>() as u32,
    reserved: 0,
    resolve: Some(defer_resolve),
};
static KV: abi::chat_ext_kv = abi::chat_ext_kv {
    size: size_of::<abi::chat_ext_kv>() as u32,
    reserved: 0,
    get: Some(kv_get),
    put: Some(kv_put),
    remove: Some(kv_remove),
};
static METRICS: abi::chat_ext_metrics = abi::chat_ext_metrics {
    size: size_of::<abi::chat_ext_metrics>() as u32,
    reserved: 0,
    add: Some(metrics_add),
    set: Some(metrics_set),
};
static NOTICE: abi::chat_ext_notice = abi::chat_ext_notice {
    size: size_of::<abi::chat_ext_notice>() as u32,
    reserved: 0,
    tell: Some(notice_tell),
    reply: Some(notice_reply),
};
static TIMER: abi::chat_ext_timer = abi::chat_ext_timer {
    size: size_of::<abi::chat_ext_timer>() as u32,
    reserved: 0,
    start: Some(timer_start),
    stop: Some(timer_stop),
};

/// The status of a function whose early ends are statuses, too.
fn status(result: Result<abi::chat_status, abi::chat_status>) -> abi::chat_status {
    result.unwrap_or_else(|status| status)
}

/// The instance, if it still counts and may do that.
///
/// # Safety
///
/// `host` is a table that the plugin was given.
unsafe fn allowed(
    host: *const abi::chat_host,
    capability: u64,
) -> Result<&'static Host, abi::chat_status> {
    // SAFETY: promised by the caller.
    let host = unsafe { host_of(host) }.ok_or(abi::CHAT_MISUSE)?;
    if host.is_retired() {
        return Err(abi::CHAT_RETIRED);
    }
    if host.capabilities & capability != capability {
        return Err(abi::CHAT_DENIED);
    }
    Ok(host)
}

/// Gives a value as the contract says: as much as there is room for, and the whole length.
///
/// # Safety
///
/// `len` is NULL or writable, and there is room for `capacity` bytes at `data`.
unsafe fn copy_out(
    value: &[u8],
    data: *mut c_void,
    capacity: u64,
    len: *mut u64,
) -> Result<abi::chat_status, abi::chat_status> {
    if !len.is_null() {
        // SAFETY: promised by the caller.
        unsafe { len.write(value.len() as u64) };
    }
    let count = value
        .len()
        .min(usize::try_from(capacity).unwrap_or(usize::MAX));
    if count > 0 {
        if data.is_null() {
            return Err(abi::CHAT_MISUSE);
        }
        // SAFETY: promised by the caller; the value is ours, so the two don't overlap.
        unsafe { ptr::copy_nonoverlapping(value.as_ptr(), data.cast::<u8>(), count) };
    }
    Ok(abi::CHAT_OK)
}

unsafe extern "C" fn command_add(
    host: *const abi::chat_host,
    name: *const c_char,
    usage: *const c_char,
    help: *const c_char,
    function: abi::chat_hook_fn,
) -> abi::chat_status {
    let add = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, abi::CHAT_CAP_COMMAND) }?;
        if !host.is_init() || function.is_none() {
            return Err(abi::CHAT_MISUSE);
        }
        // SAFETY: the contract says that texts end with a NUL.
        let (name, usage, help) = unsafe {
            (
                text_of(name, limits::COMMAND_NAME_BYTES)?,
                maybe_text_of(usage, chat_engine::limits::COMMAND_HELP_BYTES)?,
                text_of(help, chat_engine::limits::COMMAND_HELP_BYTES)?,
            )
        };
        let good = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if name.is_empty() || !name.bytes().all(good) {
            return Err(abi::CHAT_MISUSE);
        }
        let help = match usage.as_deref() {
            None | Some("") => help,
            Some(usage) => format!("{usage}: {help}"),
        };
        if help.len() > chat_engine::limits::COMMAND_HELP_BYTES {
            return Err(abi::CHAT_TOO_LONG);
        }
        let mut registered = lock(&host.registered);
        if registered.commands.len() >= chat_engine::limits::COMMANDS {
            return Err(abi::CHAT_FULL);
        }
        match registered.commands.contains_key(&name) {
            true => Err(abi::CHAT_MISUSE),
            false => {
                registered.commands.insert(name, (help, function));
                Ok(abi::CHAT_OK)
            }
        }
    };
    status(add())
}

unsafe extern "C" fn command_list(
    host: *const abi::chat_host,
    data: *mut c_void,
    capacity: u64,
    len: *mut u64,
) -> abi::chat_status {
    let list = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, abi::CHAT_CAP_COMMAND) }?;
        let commands = lock(&host.commands);
        // SAFETY: promised by the contract.
        unsafe { copy_out(commands.as_bytes(), data, capacity, len) }
    };
    status(list())
}

unsafe extern "C" fn defer_resolve(
    host: *const abi::chat_host,
    event: *const abi::chat_plugin_event,
    verdict: abi::chat_verdict,
) -> abi::chat_status {
    // SAFETY: the plugin hands its table back.
    match unsafe { host_of(host) } {
        None => abi::CHAT_MISUSE,
        Some(_) if verdict == abi::CHAT_DEFER => abi::CHAT_MISUSE,
        Some(host) => host.resolve(event, verdict),
    }
}

unsafe extern "C" fn kv_get(
    host: *const abi::chat_host,
    key: *const c_char,
    data: *mut c_void,
    capacity: u64,
    len: *mut u64,
) -> abi::chat_status {
    let get = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, 0) }?;
        // SAFETY: the contract says that texts end with a NUL.
        let key = unsafe { text_of(key, limits::KEY_BYTES) }?;
        let values = lock(&host.values);
        let value = values.get(&key).ok_or(abi::CHAT_NOT_FOUND)?;
        // SAFETY: promised by the contract.
        unsafe { copy_out(value, data, capacity, len) }
    };
    status(get())
}

unsafe extern "C" fn kv_put(
    host: *const abi::chat_host,
    key: *const c_char,
    data: *const c_void,
    len: u64,
) -> abi::chat_status {
    let put = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, 0) }?;
        // SAFETY: the contract says that texts end with a NUL.
        let key = unsafe { text_of(key, limits::KEY_BYTES) }?;
        // SAFETY: the contract says that there are that many bytes.
        let value = unsafe { bytes_of(data, len, limits::VALUE_BYTES) }?.to_vec();
        if key.is_empty() {
            return Err(abi::CHAT_MISUSE);
        }
        let mut values = lock(&host.values);
        let others = values.iter().filter(|(other, _)| **other != key);
        let used: usize = others.map(|(key, value)| key.len() + value.len()).sum();
        if used + key.len() + value.len() > limits::VALUES_BYTES {
            return Err(abi::CHAT_FULL);
        }
        values.insert(key.clone(), value.clone());
        drop(values);
        Ok(host.services.wish(Wish::Keep {
            key,
            value: Some(value),
        }))
    };
    status(put())
}

unsafe extern "C" fn kv_remove(
    host: *const abi::chat_host,
    key: *const c_char,
) -> abi::chat_status {
    let remove = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, 0) }?;
        // SAFETY: the contract says that texts end with a NUL.
        let key = unsafe { text_of(key, limits::KEY_BYTES) }?;
        lock(&host.values).remove(&key).ok_or(abi::CHAT_NOT_FOUND)?;
        Ok(host.services.wish(Wish::Keep { key, value: None }))
    };
    status(remove())
}

unsafe extern "C" fn metrics_add(
    host: *const abi::chat_host,
    name: *const c_char,
    n: u64,
) -> abi::chat_status {
    // SAFETY: as for `metric`.
    status(unsafe { metric(host, name, Metric::Add(n)) })
}

unsafe extern "C" fn metrics_set(
    host: *const abi::chat_host,
    name: *const c_char,
    value: i64,
) -> abi::chat_status {
    // SAFETY: as for `metric`.
    status(unsafe { metric(host, name, Metric::Set(value)) })
}

/// # Safety
///
/// `host` is a table that the plugin was given, and `name` ends with a NUL.
unsafe fn metric(
    host: *const abi::chat_host,
    name: *const c_char,
    change: Metric,
) -> Result<abi::chat_status, abi::chat_status> {
    // SAFETY: promised by the caller.
    let (host, name) = unsafe { (allowed(host, 0)?, text_of(name, limits::METRIC_BYTES)?) };
    let good = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if name.is_empty() || !name.bytes().all(good) {
        return Err(abi::CHAT_MISUSE);
    }
    Ok(host.services.wish(Wish::Metric { name, change }))
}

unsafe extern "C" fn notice_tell(
    host: *const abi::chat_host,
    account: *const c_char,
    room: *const c_char,
    text: *const c_char,
) -> abi::chat_status {
    let tell = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, abi::CHAT_CAP_NOTICE) }?;
        let name = chat_engine::limits::NAME_BYTES;
        // SAFETY: the contract says that texts end with a NUL.
        let (account, room, text) = unsafe {
            (
                text_of(account, name)?,
                maybe_text_of(room, name)?,
                text_of(text, chat_engine::limits::NOTICE_BYTES)?,
            )
        };
        if AccountName::new(&account).is_err()
            || !room.iter().all(|room| RoomName::new(room).is_ok())
        {
            return Err(abi::CHAT_MISUSE);
        }
        Ok(host.services.wish(Wish::Tell {
            account,
            room,
            text,
        }))
    };
    status(tell())
}

unsafe extern "C" fn notice_reply(
    host: *const abi::chat_host,
    event: *const abi::chat_plugin_event,
    text: *const c_char,
) -> abi::chat_status {
    let reply = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, abi::CHAT_CAP_NOTICE) }?;
        // SAFETY: the contract says that texts end with a NUL.
        let text = unsafe { text_of(text, chat_engine::limits::NOTICE_BYTES) }?;
        let call = host.with_call(event, |call| call.id());
        let call = call.ok_or(abi::CHAT_TOO_LATE)?;
        Ok(host.services.wish(Wish::Reply { call, text }))
    };
    status(reply())
}

unsafe extern "C" fn timer_start(
    host: *const abi::chat_host,
    timer: u64,
    first_ms: u64,
    every_ms: u64,
    function: abi::chat_timer_fn,
) -> abi::chat_status {
    let start = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, 0) }?;
        if function.is_none() {
            return Err(abi::CHAT_MISUSE);
        }
        let mut registered = lock(&host.registered);
        if registered.timers.len() >= limits::TIMERS && !registered.timers.contains_key(&timer) {
            return Err(abi::CHAT_FULL);
        }
        registered.timers.insert(timer, function);
        drop(registered);
        Ok(host.services.wish(Wish::Timer {
            timer,
            times: Some((first_ms, every_ms)),
        }))
    };
    status(start())
}

unsafe extern "C" fn timer_stop(host: *const abi::chat_host, timer: u64) -> abi::chat_status {
    let stop = || {
        // SAFETY: the plugin hands its table back.
        let host = unsafe { allowed(host, 0) }?;
        let mut registered = lock(&host.registered);
        registered
            .timers
            .remove(&timer)
            .ok_or(abi::CHAT_NOT_FOUND)?;
        drop(registered);
        Ok(host.services.wish(Wish::Timer { timer, times: None }))
    };
    status(stop())
}
