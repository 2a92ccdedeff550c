//! Numbers. None of them is ever renumbered or used again.

/// The version of this contract. It changes only when a plugin of the old one can't be loaded any more,
/// and then the symbol `chat_plugin_v1` gets another name, too. What is added meanwhile is found by
/// CHAT_HAS() and by `extension`.
pub const CHAT_PLUGIN_ABI: u32 = 1;

/// What became of a call or a request. 0 is success, everything else is a positive number that never
/// changes its meaning. The ranges say whose fault it is: 1-19 the caller, 20-29 nobody (it ended),
/// 30-39 the link, 40-49 the other end, 50-59 this machine, 90-99 this library, 100-199 the server said
/// no. Numbers that you don't know may come from later versions: treat them by their range. The ones that
/// only programs meet, and no plugin, are in chat.h.
pub type chat_status = i32;
/// It worked.
pub const CHAT_OK: chat_status = 0;
/// The call makes no sense here or now: from inside of a callback, before or after its time.
pub const CHAT_MISUSE: chat_status = 1;
/// A text is not UTF-8, or has a NUL in it.
pub const CHAT_BAD_UTF8: chat_status = 4;
/// A text, a value or a length is above its limit.
pub const CHAT_TOO_LONG: chat_status = 5;
/// Too much waits already. A program takes events and tries again, a plugin tries again later.
pub const CHAT_FULL: chat_status = 8;
/// There is nothing of that name or number.
pub const CHAT_NOT_FOUND: chat_status = 10;
/// The plugin does not have the capability for that.
pub const CHAT_DENIED: chat_status = 16;
/// The event was decided meanwhile: by the deadline, or by an earlier answer.
pub const CHAT_TOO_LATE: chat_status = 24;
/// The plugin was stopped or replaced; nothing that it does counts any more.
pub const CHAT_RETIRED: chat_status = 25;

/// What a hook decides about its event. A negative number is a fault: it is counted, and the plugin's
/// `on_error` decides. So is a number that stands nowhere below.
pub type chat_verdict = i32;
/// Go on: the event stays as it is.
pub const CHAT_PASS: chat_verdict = 0;
/// Go on with the text of `set_text`. Without a `set_text` before it, it is a fault.
pub const CHAT_MODIFIED: chat_verdict = 1;
// 2 stays unused for ever: to drop an entry in silence would break "acknowledged".
/// Refuse. The sender is shown the reason of `set_reason`; without one, a quiet "refused".
pub const CHAT_REJECT: chat_verdict = 3;
/// The command is done; nobody else is asked.
pub const CHAT_HANDLED: chat_verdict = 4;
/// The answer comes later, by `resolve` of the extension "chat.defer/1". The event lives until then.
pub const CHAT_DEFER: chat_verdict = 5;
/// What to answer when the hook could not do its work.
pub const CHAT_FAULT: chat_verdict = -1;

/// Where a plugin can take part; see the table at the top.
pub type chat_hook = u32;
/// Somebody connects.
pub const CHAT_HOOK_CONNECT: chat_hook = 1;
/// Somebody logs in, and has shown that it is who it says.
pub const CHAT_HOOK_LOGIN: chat_hook = 2;
/// Something is about to be appended to a conversation, or shown as somebody's presence text.
pub const CHAT_HOOK_ENTRY: chat_hook = 3;
/// A command of this plugin is called. Commands are made by the extension "chat.command/1".
pub const CHAT_HOOK_COMMAND: chat_hook = 4;
/// Somebody wants to send a file; nothing of it is there yet.
pub const CHAT_HOOK_FILE_OFFER: chat_hook = 5;
/// A file has arrived whole, and is not yet shown to anybody.
pub const CHAT_HOOK_FILE_COMPLETE: chat_hook = 6;
/// An entry is on disk and has its place.
pub const CHAT_HOOK_ENTRY_POST: chat_hook = 16;
/// Somebody came, went, or changed its presence.
pub const CHAT_HOOK_PRESENCE_POST: chat_hook = 17;
/// A link is gone.
pub const CHAT_HOOK_DISCONNECT_POST: chat_hook = 18;
/// A second has passed.
pub const CHAT_HOOK_TICK: chat_hook = 19;
/// The operator changed the configuration; `config` answers the new one.
pub const CHAT_HOOK_RELOAD: chat_hook = 20;

/// Kinds of entries: `kind` of an event. An unknown one comes from a later version: pass it.
pub const CHAT_KIND_TEXT: u32 = 1;
/// A file is offered: its name is the text; `media_type`, `bytes`.
pub const CHAT_KIND_FILE: u32 = 2;
/// New text for `target`.
pub const CHAT_KIND_EDIT: u32 = 3;
/// `target` is deleted.
pub const CHAT_KIND_REDACTION: u32 = 4;
/// A reaction to `target`; the text is the emoji, empty takes it back.
pub const CHAT_KIND_REACTION: u32 = 5;
/// A membership changes: `name` is whose, `args` what happens ("joined", "left", "kicked", "banned",
/// "unbanned", "invited", "role", "muted", "unmuted").
pub const CHAT_KIND_MEMBER: u32 = 6;
/// The room's topic.
pub const CHAT_KIND_TOPIC: u32 = 7;
/// No entry: what somebody says about being away. It meets the entry hook too, or a filter could be
/// walked round by it.
pub const CHAT_KIND_PRESENCE: u32 = 31;

/// Flag of an event: the conversation is between two accounts.
pub const CHAT_FLAG_DIRECT: u32 = 1;
/// Flag of an event: the body is sealed end to end; nobody here can read it, and `text` is NULL. No client
/// of this version seals.
pub const CHAT_FLAG_SEALED: u32 = 2;
/// Flag of an event: the sender is a bot. Don't answer it, or two bots talk for ever.
pub const CHAT_FLAG_BOT: u32 = 4;
/// Flag of an observer's event: it may have been seen before (after a crash).
pub const CHAT_FLAG_AGAIN: u32 = 8;
/// Flag of a presence event, and of what chat.h lists: the account or the device is connected now.
pub const CHAT_FLAG_ONLINE: u32 = 16;
/// Flag of a presence event: the account is away.
pub const CHAT_FLAG_AWAY: u32 = 32;
/// Flag of a presence event: it was not online before, or is not any more.
pub const CHAT_FLAG_CHANGED: u32 = 64;

/// Capability: the text of entries in rooms. Without it `text` is NULL.
pub const CHAT_CAP_READ_TEXT: u64 = 1;
/// Capability: events of direct conversations. Without it they are not shown at all.
pub const CHAT_CAP_READ_DIRECT: u64 = 2;
/// Capability: CHAT_MODIFIED. Without it that verdict passes.
pub const CHAT_CAP_MODIFY: u64 = 4;
/// Capability: CHAT_REJECT. Without it that verdict passes.
pub const CHAT_CAP_REJECT: u64 = 8;
/// Capability: `send`, as the account `plugin.NAME`.
pub const CHAT_CAP_SEND: u64 = 16;
/// Capability: the extension "chat.notice/1".
pub const CHAT_CAP_NOTICE: u64 = 32;
/// Capability: the extension "chat.command/1".
pub const CHAT_CAP_COMMAND: u64 = 64;
/// Capability: `address` of events.
pub const CHAT_CAP_ADDRESS: u64 = 128;

/// Level of a line in the log: the operator has to do something.
pub const CHAT_LOG_ERROR: i32 = 1;
/// Level of a line in the log: something is not as it should be.
pub const CHAT_LOG_WARN: i32 = 2;
/// Level of a line in the log: worth knowing.
pub const CHAT_LOG_INFO: i32 = 3;
/// Level of a line in the log: for the author of the plugin.
pub const CHAT_LOG_DEBUG: i32 = 4;
