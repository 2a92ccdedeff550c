//! Where everything lies, pinned: a change here breaks deployed plugins.

use core::mem::{align_of, offset_of, size_of};

use crate::{
    chat_ext_command, chat_ext_defer, chat_ext_kv, chat_ext_metrics, chat_ext_notice,
    chat_ext_timer, chat_host, chat_plugin, chat_plugin_event,
};

/// Bytes of a pointer.
const P: usize = size_of::<usize>();

const _: () = assert!(size_of::<chat_plugin>() == 8 + 4 * P + 16 + 4 * P);
const _: () = assert!(offset_of!(chat_plugin, size) == 0);
const _: () = assert!(offset_of!(chat_plugin, abi) == 4);
const _: () = assert!(offset_of!(chat_plugin, id) == 8);
const _: () = assert!(offset_of!(chat_plugin, name) == 8 + P);
const _: () = assert!(offset_of!(chat_plugin, version) == 8 + 2 * P);
const _: () = assert!(offset_of!(chat_plugin, license) == 8 + 3 * P);
const _: () = assert!(offset_of!(chat_plugin, capabilities) == 8 + 4 * P);
const _: () = assert!(offset_of!(chat_plugin, flags) == 16 + 4 * P);
const _: () = assert!(offset_of!(chat_plugin, init) == 24 + 4 * P);
const _: () = assert!(offset_of!(chat_plugin, destroy) == 24 + 5 * P);
const _: () = assert!(offset_of!(chat_plugin, save) == 24 + 6 * P);
const _: () = assert!(offset_of!(chat_plugin, restore) == 24 + 7 * P);

const _: () = assert!(align_of::<chat_host>() == align_of::<u64>() || P == 4);
const _: () = assert!(offset_of!(chat_host, size) == 0);
const _: () = assert!(offset_of!(chat_host, abi) == 4);
const _: () = assert!(offset_of!(chat_host, ctx) == 8);
const _: () = assert!(offset_of!(chat_host, version) == 8 + P);
const _: () = assert!(offset_of!(chat_host, name) == 8 + 2 * P);
const _: () = assert!(offset_of!(chat_host, state_dir) == 8 + 3 * P);
const _: () = assert!(offset_of!(chat_host, probe) == 8 + 4 * P);
const _: () = assert!(offset_of!(chat_host, reserved) == 12 + 4 * P);
const _: () = assert!(offset_of!(chat_host, log) == 16 + 4 * P);
const _: () = assert!(offset_of!(chat_host, config) == 16 + 5 * P);
const _: () = assert!(offset_of!(chat_host, hook) == 16 + 6 * P);
const _: () = assert!(offset_of!(chat_host, set_text) == 16 + 7 * P);
const _: () = assert!(offset_of!(chat_host, set_reason) == 16 + 8 * P);
const _: () = assert!(offset_of!(chat_host, send) == 16 + 9 * P);
const _: () = assert!(offset_of!(chat_host, keep) == 16 + 10 * P);
const _: () = assert!(offset_of!(chat_host, extension) == 16 + 11 * P);
// Version 1 ends here; later fields come after it, with a line of their own above.
const _: () = assert!(size_of::<chat_host>() == 16 + 12 * P);

const _: () = assert!(offset_of!(chat_plugin_event, size) == 0);
const _: () = assert!(offset_of!(chat_plugin_event, hook) == 4);
const _: () = assert!(offset_of!(chat_plugin_event, kind) == 8);
const _: () = assert!(offset_of!(chat_plugin_event, flags) == 12);
const _: () = assert!(offset_of!(chat_plugin_event, time_ms) == 16);
const _: () = assert!(offset_of!(chat_plugin_event, seq) == 24);
const _: () = assert!(offset_of!(chat_plugin_event, prev) == 32);
const _: () = assert!(offset_of!(chat_plugin_event, target) == 40);
const _: () = assert!(offset_of!(chat_plugin_event, account) == 48);
const _: () = assert!(offset_of!(chat_plugin_event, bytes) == 56);
const _: () = assert!(offset_of!(chat_plugin_event, dropped) == 64);
const _: () = assert!(offset_of!(chat_plugin_event, conversation) == 72);
const _: () = assert!(offset_of!(chat_plugin_event, room) == 72 + P);
const _: () = assert!(offset_of!(chat_plugin_event, from) == 72 + 2 * P);
const _: () = assert!(offset_of!(chat_plugin_event, to) == 72 + 3 * P);
const _: () = assert!(offset_of!(chat_plugin_event, id) == 72 + 4 * P);
const _: () = assert!(offset_of!(chat_plugin_event, text) == 72 + 5 * P);
const _: () = assert!(P != 8 || offset_of!(chat_plugin_event, text_len) == 120);
const _: () = assert!(P != 8 || offset_of!(chat_plugin_event, name) == 128);
const _: () = assert!(P != 8 || offset_of!(chat_plugin_event, args) == 136);
const _: () = assert!(P != 8 || offset_of!(chat_plugin_event, address) == 144);
const _: () = assert!(P != 8 || offset_of!(chat_plugin_event, media_type) == 152);
const _: () = assert!(P != 8 || offset_of!(chat_plugin_event, reason) == 160);
const _: () = assert!(P != 8 || size_of::<chat_plugin_event>() == 168);

const _: () = assert!(offset_of!(chat_ext_command, add) == 8);
const _: () = assert!(offset_of!(chat_ext_command, list) == 8 + P);
const _: () = assert!(size_of::<chat_ext_command>() == 8 + 2 * P);
const _: () = assert!(offset_of!(chat_ext_notice, tell) == 8);
const _: () = assert!(offset_of!(chat_ext_notice, reply) == 8 + P);
const _: () = assert!(size_of::<chat_ext_notice>() == 8 + 2 * P);
const _: () =
    assert!(offset_of!(chat_ext_defer, resolve) == 8 && size_of::<chat_ext_defer>() == 8 + P);
const _: () = assert!(offset_of!(chat_ext_timer, start) == 8);
const _: () = assert!(offset_of!(chat_ext_timer, stop) == 8 + P);
const _: () = assert!(size_of::<chat_ext_timer>() == 8 + 2 * P);
const _: () = assert!(offset_of!(chat_ext_kv, get) == 8);
const _: () = assert!(offset_of!(chat_ext_kv, put) == 8 + P);
const _: () = assert!(offset_of!(chat_ext_kv, remove) == 8 + 2 * P);
const _: () = assert!(size_of::<chat_ext_kv>() == 8 + 3 * P);
const _: () = assert!(offset_of!(chat_ext_metrics, add) == 8);
const _: () = assert!(offset_of!(chat_ext_metrics, set) == 8 + P);
const _: () = assert!(size_of::<chat_ext_metrics>() == 8 + 2 * P);
