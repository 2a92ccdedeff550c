//! What a hook is shown.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use chat_plugin_abi as abi;

use crate::{Deferred, Failed, Host};

/// What a hook is shown. Which fields there are depends on the hook; the table in `chat_plugin.h` tells.
#[derive(Debug)]
pub struct Event<'a> {
    raw: *const abi::chat_plugin_event,
    host: Host,
    lives: PhantomData<&'a abi::chat_plugin_event>,
}

/// What kind of entry.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Text.
    Text,
    /// A file is offered.
    File,
    /// New text for the target.
    Edit,
    /// The target is deleted.
    Redaction,
    /// An emoji for the target.
    Reaction,
    /// A membership changes.
    Member,
    /// The room's topic.
    Topic,
    /// What somebody says about being away.
    Presence,
    /// A kind from a later version, or no entry at all.
    Other(u32),
}

/// What else is to be known about an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flags(pub u32);

impl Flags {
    /// The conversation is between two accounts.
    #[must_use]
    pub const fn is_direct(self) -> bool {
        self.0 & abi::CHAT_FLAG_DIRECT != 0
    }

    /// The sender is a bot: don't answer it.
    #[must_use]
    pub const fn is_bot(self) -> bool {
        self.0 & abi::CHAT_FLAG_BOT != 0
    }

    /// The body is sealed end to end.
    #[must_use]
    pub const fn is_sealed(self) -> bool {
        self.0 & abi::CHAT_FLAG_SEALED != 0
    }

    /// An observer may have seen it before.
    #[must_use]
    pub const fn is_again(self) -> bool {
        self.0 & abi::CHAT_FLAG_AGAIN != 0
    }

    /// The account is online now.
    #[must_use]
    pub const fn is_online(self) -> bool {
        self.0 & abi::CHAT_FLAG_ONLINE != 0
    }

    /// The account is away.
    #[must_use]
    pub const fn is_away(self) -> bool {
        self.0 & abi::CHAT_FLAG_AWAY != 0
    }

    /// The account was not online before, or is not any more.
    #[must_use]
    pub const fn is_changed(self) -> bool {
        self.0 & abi::CHAT_FLAG_CHANGED != 0
    }
}

impl<'a> Event<'a> {
    /// # Safety
    ///
    /// `raw` is an event of the server, and lives as long as `'a`.
    pub(crate) unsafe fn new(host: Host, raw: *const abi::chat_plugin_event) -> Self {
        Self {
            raw,
            host,
            lives: PhantomData,
        }
    }

    fn raw(&self) -> &'a abi::chat_plugin_event {
        // SAFETY: promised to `new`. The struct only ever grows at its end, so a server that is newer
        // or as old as this crate fills all of it; `glue` refuses an older one.
        unsafe { &*self.raw }
    }

    /// What the server does for the plugin.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// To answer later: keep it, answer [`Verdict::Defer`](crate::Verdict::Defer), and then
    /// [`resolve`](Deferred::resolve). `None` when this server can't do that.
    #[must_use]
    pub fn defer(&self) -> Option<Deferred> {
        Deferred::new(self.host, self.raw)
    }

    /// Tells the sender alone something: the device that called a command, every device of who sent an
    /// entry.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it is not even queued.
    pub fn reply(&self, text: &str) -> Result<(), Failed> {
        self.host.reply(self.raw, text)
    }

    /// What kind of entry.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.raw().kind {
            abi::CHAT_KIND_TEXT => Kind::Text,
            abi::CHAT_KIND_FILE => Kind::File,
            abi::CHAT_KIND_EDIT => Kind::Edit,
            abi::CHAT_KIND_REDACTION => Kind::Redaction,
            abi::CHAT_KIND_REACTION => Kind::Reaction,
            abi::CHAT_KIND_MEMBER => Kind::Member,
            abi::CHAT_KIND_TOPIC => Kind::Topic,
            abi::CHAT_KIND_PRESENCE => Kind::Presence,
            other => Kind::Other(other),
        }
    }

    /// What else is to be known.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags(self.raw().flags)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.raw().time_ms
    }

    /// Place in the log; 0 before the entry is in it.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.raw().seq
    }

    /// Place of the entry before it.
    #[must_use]
    pub fn prev(&self) -> u64 {
        self.raw().prev
    }

    /// Place of the entry that this one replies to, edits, deletes or reacts to.
    #[must_use]
    pub fn target(&self) -> Option<u64> {
        Some(self.raw().target).filter(|&seq| seq != 0)
    }

    /// Number of the sender's account.
    #[must_use]
    pub fn account(&self) -> u64 {
        self.raw().account
    }

    /// Bytes of a file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.raw().bytes
    }

    /// Events before this one that could not be shown.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.raw().dropped
    }

    /// The conversation: 32 hex digits.
    #[must_use]
    pub fn conversation(&self) -> Option<&'a str> {
        self.string(self.raw().conversation)
    }

    /// Name of the room.
    #[must_use]
    pub fn room(&self) -> Option<&'a str> {
        self.string(self.raw().room)
    }

    /// Name of the sender.
    #[must_use]
    pub fn from(&self) -> Option<&'a str> {
        self.string(self.raw().from)
    }

    /// In a direct conversation, the other account.
    #[must_use]
    pub fn to(&self) -> Option<&'a str> {
        self.string(self.raw().to)
    }

    /// What the sending device called the entry: 32 hex digits.
    #[must_use]
    pub fn id(&self) -> Option<&'a str> {
        self.string(self.raw().id)
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.string(self.raw().text)
    }

    /// Name of the device, of the command, of the file, or of the account whose membership changes.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.string(self.raw().name)
    }

    /// What follows the command's name, or what happens to the membership.
    #[must_use]
    pub fn args(&self) -> Option<&'a str> {
        self.string(self.raw().args)
    }

    /// Where the link comes from.
    #[must_use]
    pub fn address(&self) -> Option<&'a str> {
        self.string(self.raw().address)
    }

    /// Media type of a file.
    #[must_use]
    pub fn media_type(&self) -> Option<&'a str> {
        self.string(self.raw().media_type)
    }

    /// Why a link is gone.
    #[must_use]
    pub fn reason(&self) -> Option<&'a str> {
        self.string(self.raw().reason)
    }

    fn string(&self, text: *const c_char) -> Option<&'a str> {
        if text.is_null() {
            return None;
        }
        // SAFETY: texts of an event end with a NUL and live as long as it does.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_str().ok()
    }
}
