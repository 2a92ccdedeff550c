//! What a hook is shown.

use core::ffi::c_char;

use crate::chat_hook;

/// What a hook is shown. The table at the top says which hook fills which fields; the others are 0 or
/// NULL. It belongs to the server and lives until the hook returns, after CHAT_DEFER until `resolve`.
/// Every text is UTF-8 and ends with a NUL that is not counted in its length.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chat_plugin_event {
    /// Bytes of this struct in the server's version.
    pub size: u32,
    /// Which hook this is.
    pub hook: chat_hook,
    /// What kind of entry, CHAT_KIND_..
    pub kind: u32,
    /// CHAT_FLAG_..
    pub flags: u32,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Place in the log. 0 before the entry is in it.
    pub seq: u64,
    /// Place of the entry before it.
    pub prev: u64,
    /// Place of the entry that this one replies to, edits, deletes or reacts to; 0 for none.
    pub target: u64,
    /// Number of the sender's account; never used for another one.
    pub account: u64,
    /// Bytes of a file.
    pub bytes: u64,
    /// Events before this one that could not be shown, where they are not kept in a log.
    pub dropped: u64,
    /// The conversation: 32 hex digits.
    pub conversation: *const c_char,
    /// Name of the room; NULL in a direct conversation.
    pub room: *const c_char,
    /// Name of the sender.
    pub from: *const c_char,
    /// In a direct conversation, the other account. NULL in ENTRY_POST: the log tells the sender alone.
    pub to: *const c_char,
    /// What the sending device called the entry: 32 hex digits.
    pub id: *const c_char,
    /// The text, as the filters before this one left it; for a file, its name. NULL where there is none,
    /// and without CHAT_CAP_READ_TEXT.
    pub text: *const c_char,
    /// Bytes of the text.
    pub text_len: u64,
    /// Name of the device, of the command, of the file, or of the account whose membership changes.
    pub name: *const c_char,
    /// What follows the command's name, or what happens to the membership. Never NULL for a command.
    pub args: *const c_char,
    /// Where the link comes from. NULL without CHAT_CAP_ADDRESS.
    pub address: *const c_char,
    /// Media type of a file.
    pub media_type: *const c_char,
    /// Why a link is gone: "left", "lost", "timeout", "kicked", "replaced", ..
    pub reason: *const c_char,
}
