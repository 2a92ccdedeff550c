//! What a plugin takes part in.

use std::collections::HashMap;

use chat_plugin_abi as abi;

use crate::export::glue;
use crate::host::{c_string, check};
use crate::{Failed, Handler, Host, Plugin, TimerHandler};

/// Where a plugin can take part.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u32)]
pub enum Hook {
    /// Somebody connects.
    Connect = abi::CHAT_HOOK_CONNECT,
    /// Somebody logs in.
    Login = abi::CHAT_HOOK_LOGIN,
    /// Something is about to be appended, or shown as somebody's presence text.
    Entry = abi::CHAT_HOOK_ENTRY,
    /// Somebody wants to send a file.
    FileOffer = abi::CHAT_HOOK_FILE_OFFER,
    /// A file has arrived whole.
    FileComplete = abi::CHAT_HOOK_FILE_COMPLETE,
    /// An entry is on disk and has its place.
    EntryPost = abi::CHAT_HOOK_ENTRY_POST,
    /// Somebody came, went, or changed its presence.
    PresencePost = abi::CHAT_HOOK_PRESENCE_POST,
    /// A link is gone.
    DisconnectPost = abi::CHAT_HOOK_DISCONNECT_POST,
    /// A second has passed.
    Tick = abi::CHAT_HOOK_TICK,
    /// The operator changed the configuration.
    Reload = abi::CHAT_HOOK_RELOAD,
}

/// What a plugin takes part in, said in [`Plugin::init`].
#[derive(Debug)]
pub struct Setup<'a, P: Plugin> {
    host: Host,
    handlers: &'a mut Handlers<P>,
}

/// Functions by what they are called for.
#[derive(Debug)]
pub(crate) struct Handlers<P: Plugin> {
    pub(crate) hooks: HashMap<u32, Handler<P>>,
    pub(crate) commands: HashMap<String, Handler<P>>,
    pub(crate) timers: HashMap<u64, TimerHandler<P>>,
}

impl<P: Plugin> Default for Handlers<P> {
    fn default() -> Self {
        Self {
            hooks: HashMap::new(),
            commands: HashMap::new(),
            timers: HashMap::new(),
        }
    }
}

impl<'a, P: Plugin> Setup<'a, P> {
    pub(crate) fn new(host: Host, handlers: &'a mut Handlers<P>) -> Self {
        Self { host, handlers }
    }

    /// What the server does for the plugin; worth keeping.
    #[must_use]
    pub fn host(&self) -> Host {
        self.host
    }

    /// Takes part in a hook. Higher priorities go first.
    ///
    /// # Errors
    ///
    /// [`Failed`] when the server does not know the hook.
    pub fn on(&mut self, hook: Hook, priority: i32, handler: Handler<P>) -> Result<(), Failed> {
        // SAFETY: the table that the server handed over lives as long as the process.
        let table = unsafe { &*self.host.raw() };
        let register = table.hook.ok_or(Failed::Unsupported)?;
        // SAFETY: the table's own function; the handler is one for this server's hooks.
        let status = unsafe {
            register(
                self.host.raw(),
                hook as u32,
                priority,
                Some(glue::hook::<P>),
            )
        };
        check(status)?;
        self.handlers.hooks.insert(hook as u32, handler);
        Ok(())
    }

    /// Filters entries.
    ///
    /// # Errors
    ///
    /// As [`on`](Self::on).
    pub fn entry(&mut self, priority: i32, handler: Handler<P>) -> Result<(), Failed> {
        self.on(Hook::Entry, priority, handler)
    }

    /// Hears of every entry, once it is on disk, in order and at least once.
    ///
    /// # Errors
    ///
    /// As [`on`](Self::on).
    pub fn observe(&mut self, handler: Handler<P>) -> Result<(), Failed> {
        self.on(Hook::EntryPost, 0, handler)
    }

    /// Offers a command. `usage` is what follows its name, `help` one line.
    ///
    /// # Errors
    ///
    /// [`Failed`] for a bad name, or without the capability.
    pub fn command(
        &mut self,
        name: &str,
        usage: &str,
        help: &str,
        handler: Handler<P>,
    ) -> Result<(), Failed> {
        let table: &abi::chat_ext_command = self.host.extension(c"chat.command/1")?;
        let add = table.add.ok_or(Failed::Unsupported)?;
        let (c_name, usage, help) = (c_string(name)?, c_string(usage)?, c_string(help)?);
        // SAFETY: the table's own function; the texts end with a NUL.
        let status = unsafe {
            add(
                self.host.raw(),
                c_name.as_ptr(),
                usage.as_ptr(),
                help.as_ptr(),
                Some(glue::command::<P>),
            )
        };
        check(status)?;
        self.handlers.commands.insert(name.to_owned(), handler);
        Ok(())
    }

    /// Starts a timer; `every_ms` 0 means once. [`Host::stop_timer`] stops it.
    ///
    /// # Errors
    ///
    /// [`Failed`] when there are too many.
    pub fn timer(
        &mut self,
        timer: u64,
        first_ms: u64,
        every_ms: u64,
        handler: TimerHandler<P>,
    ) -> Result<(), Failed> {
        let table: &abi::chat_ext_timer = self.host.extension(c"chat.timer/1")?;
        let start = table.start.ok_or(Failed::Unsupported)?;
        // SAFETY: the table's own function.
        let status = unsafe {
            start(
                self.host.raw(),
                timer,
                first_ms,
                every_ms,
                Some(glue::timer::<P>),
            )
        };
        check(status)?;
        self.handlers.timers.insert(timer, handler);
        Ok(())
    }
}
