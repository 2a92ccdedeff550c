//! What the server does for a plugin.

use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::path::Path;

use chat_plugin_abi as abi;

/// What the server does for one instance of a plugin. It may be copied and moved to any thread; when the
/// plugin was stopped, all calls answer [`Failed::Retired`].
#[derive(Clone, Copy, Debug)]
pub struct Host {
    raw: *const abi::chat_host,
}

// SAFETY: the table lives as long as the process and is never written to again; the contract allows each
// call that `Host` offers from any thread.
unsafe impl Send for Host {}
// SAFETY: see above.
unsafe impl Sync for Host {}

/// Why the server did not do something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failed {
    /// The call makes no sense here.
    Misuse,
    /// The text or the value is too long.
    TooLong,
    /// The text has a NUL in it.
    NotText,
    /// A queue is full: try again later.
    Full,
    /// There is nothing of that name.
    NotFound,
    /// The event was decided meanwhile.
    TooLate,
    /// The plugin was stopped.
    Retired,
    /// The plugin does not have the capability for that.
    Denied,
    /// This server can't do that: it is older.
    Unsupported,
    /// A reason that this crate does not know.
    Other(i32),
}

/// A command that people can call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommandInfo {
    /// How to call it.
    pub name: String,
    /// What it takes and does.
    pub help: String,
}

/// How much a line in the log matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// The operator has to do something.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Worth knowing.
    Info,
    /// For the author of the plugin.
    Debug,
}

impl Host {
    /// # Safety
    ///
    /// `raw` is the table that the server handed over.
    pub(crate) const unsafe fn new(raw: *const abi::chat_host) -> Self {
        Self { raw }
    }

    pub(crate) const fn raw(self) -> *const abi::chat_host {
        self.raw
    }

    fn table(&self) -> &abi::chat_host {
        // SAFETY: promised to `new`; it lives as long as the process.
        unsafe { &*self.raw }
    }

    /// The server's version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.string(self.table().version).unwrap_or_default()
    }

    /// What the operator calls the plugin.
    #[must_use]
    pub fn name(&self) -> &str {
        self.string(self.table().name).unwrap_or_default()
    }

    /// A folder for this plugin alone; it stays over restarts and new versions.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        Path::new(self.string(self.table().state_dir).unwrap_or_default())
    }

    /// Whether the server only looks if `init` works. Touch nothing outside then.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.table().probe != 0
    }

    /// Writes a line into the server's log.
    pub fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Error => abi::CHAT_LOG_ERROR,
            Level::Warn => abi::CHAT_LOG_WARN,
            Level::Info => abi::CHAT_LOG_INFO,
            Level::Debug => abi::CHAT_LOG_DEBUG,
        };
        let text = c_string_lossy(text);
        if let Some(log) = self.table().log {
            // SAFETY: the table's own function; the text ends with a NUL.
            unsafe { log(self.raw, level, text.as_ptr()) };
        }
    }

    /// What the operator wrote as `key` under `[plugin.NAME]`: lists one item a line; everything as JSON
    /// under "".
    #[must_use]
    pub fn config(&self, key: &str) -> Option<String> {
        let key = CString::new(key).ok()?;
        let config = self.table().config?;
        // SAFETY: the table's own function; the key ends with a NUL.
        let value = unsafe { config(self.raw, key.as_ptr()) };
        self.string(value).map(str::to_owned)
    }

    /// The value as something else than text.
    ///
    /// # Errors
    ///
    /// A text for the operator, when the value does not read as one.
    pub fn config_as<T: std::str::FromStr>(&self, key: &str, usual: T) -> Result<T, String> {
        match self.config(key) {
            None => Ok(usual),
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| format!("{key} = {text:?} does not make sense")),
        }
    }

    /// Sends text to a room as `plugin.NAME`.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it is not even queued.
    pub fn send(&self, room: &str, text: &str) -> Result<(), Failed> {
        self.send_raw(Some(room), None, text)
    }

    /// Sends text to an account as `plugin.NAME`.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it is not even queued.
    pub fn send_to(&self, account: &str, text: &str) -> Result<(), Failed> {
        self.send_raw(None, Some(account), text)
    }

    fn send_raw(&self, room: Option<&str>, to: Option<&str>, text: &str) -> Result<(), Failed> {
        let send = self.table().send.ok_or(Failed::Unsupported)?;
        let room = room.map(c_string).transpose()?;
        let to = to.map(c_string).transpose()?;
        let text = c_string(text)?;
        // SAFETY: the table's own function; the texts end with a NUL or are NULL.
        check(unsafe { send(self.raw, pointer(&room), pointer(&to), text.as_ptr()) })
    }

    /// Tells one account something that is not logged; `room` says where it belongs.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it is not even queued.
    pub fn notice(&self, account: &str, room: Option<&str>, text: &str) -> Result<(), Failed> {
        let table: &abi::chat_ext_notice = self.extension(c"chat.notice/1")?;
        let tell = table.tell.ok_or(Failed::Unsupported)?;
        let account = c_string(account)?;
        let room = room.map(c_string).transpose()?;
        let text = c_string(text)?;
        // SAFETY: the table's own function; the texts end with a NUL or are NULL.
        check(unsafe { tell(self.raw, account.as_ptr(), pointer(&room), text.as_ptr()) })
    }

    pub(crate) fn reply(
        &self,
        event: *const abi::chat_plugin_event,
        text: &str,
    ) -> Result<(), Failed> {
        let table: &abi::chat_ext_notice = self.extension(c"chat.notice/1")?;
        let reply = table.reply.ok_or(Failed::Unsupported)?;
        let text = c_string(text)?;
        // SAFETY: the table's own function; the text ends with a NUL, and the server knows its events.
        check(unsafe { reply(self.raw, event, text.as_ptr()) })
    }

    /// A value that was kept.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it can't be read; a missing one is `None`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failed> {
        let table: &abi::chat_ext_kv = self.extension(c"chat.kv/1")?;
        let get = table.get.ok_or(Failed::Unsupported)?;
        let key = c_string(key)?;
        // SAFETY: the table's own function; `read_all` gives it room for as many bytes as it says.
        let read = |data: *mut c_void, room, len: &mut u64| unsafe {
            get(self.raw, key.as_ptr(), data, room, len)
        };
        match read_all(read) {
            Ok(data) => Ok(Some(data)),
            Err(Failed::NotFound) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// All commands that there are now, of every plugin, by name. None in `init`, where nobody knows them
    /// yet.
    ///
    /// # Errors
    ///
    /// [`Failed`] when they can't be read.
    pub fn commands(&self) -> Result<Vec<CommandInfo>, Failed> {
        let table: &abi::chat_ext_command = self.extension(c"chat.command/1")?;
        let list = table.list.ok_or(Failed::Unsupported)?;
        // SAFETY: the table's own function; `read_all` gives it room for as many bytes as it says.
        let read =
            |data: *mut c_void, room, len: &mut u64| unsafe { list(self.raw, data, room, len) };
        let text = String::from_utf8(read_all(read)?).map_err(|_| Failed::NotText)?;
        let command = |line: &str| {
            let (name, help) = line.split_once('\t')?;
            Some(CommandInfo {
                name: name.to_owned(),
                help: help.to_owned(),
            })
        };
        Ok(text.lines().filter_map(command).collect())
    }

    /// Keeps a value over restarts and new versions.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it is too long, or all of them are.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<(), Failed> {
        let table: &abi::chat_ext_kv = self.extension(c"chat.kv/1")?;
        let put = table.put.ok_or(Failed::Unsupported)?;
        let key = c_string(key)?;
        let data: *const c_void = value.as_ptr().cast();
        // SAFETY: the table's own function; `data` has that many bytes.
        check(unsafe { put(self.raw, key.as_ptr(), data, value.len() as u64) })
    }

    /// Takes a value away; says whether there was one.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it can't be done.
    pub fn remove(&self, key: &str) -> Result<bool, Failed> {
        let table: &abi::chat_ext_kv = self.extension(c"chat.kv/1")?;
        let remove = table.remove.ok_or(Failed::Unsupported)?;
        let key = c_string(key)?;
        // SAFETY: the table's own function; the key ends with a NUL.
        match check(unsafe { remove(self.raw, key.as_ptr()) }) {
            Ok(()) => Ok(true),
            Err(Failed::NotFound) => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    /// Adds to a counter that the operator sees.
    ///
    /// # Errors
    ///
    /// [`Failed`] for a bad name, or too many of them.
    pub fn count(&self, name: &str, n: u64) -> Result<(), Failed> {
        let table: &abi::chat_ext_metrics = self.extension(c"chat.metrics/1")?;
        let add = table.add.ok_or(Failed::Unsupported)?;
        let name = c_string(name)?;
        // SAFETY: the table's own function; the name ends with a NUL.
        check(unsafe { add(self.raw, name.as_ptr(), n) })
    }

    /// Sets a gauge that the operator sees.
    ///
    /// # Errors
    ///
    /// [`Failed`] for a bad name, or too many of them.
    pub fn gauge(&self, name: &str, value: i64) -> Result<(), Failed> {
        let table: &abi::chat_ext_metrics = self.extension(c"chat.metrics/1")?;
        let set = table.set.ok_or(Failed::Unsupported)?;
        let name = c_string(name)?;
        // SAFETY: the table's own function; the name ends with a NUL.
        check(unsafe { set(self.raw, name.as_ptr(), value) })
    }

    /// Stops a timer; says whether one ran under that number.
    ///
    /// # Errors
    ///
    /// [`Failed`] when it can't be done.
    pub fn stop_timer(&self, timer: u64) -> Result<bool, Failed> {
        let table: &abi::chat_ext_timer = self.extension(c"chat.timer/1")?;
        let stop = table.stop.ok_or(Failed::Unsupported)?;
        // SAFETY: the table's own function.
        match check(unsafe { stop(self.raw, timer) }) {
            Ok(()) => Ok(true),
            Err(Failed::NotFound) => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    /// A table of more functions.
    pub(crate) fn extension<T>(&self, id: &CStr) -> Result<&'static T, Failed> {
        let extension = self.table().extension.ok_or(Failed::Unsupported)?;
        // SAFETY: the table's own function; the id ends with a NUL.
        let table = unsafe { extension(self.raw, id.as_ptr()) }.cast::<T>();
        // SAFETY: under an id the server always answers the table of that id, or NULL; it lives as long
        // as the process. All callers name the type that belongs to the id, and version 1 of each table
        // is what this crate knows.
        unsafe { table.as_ref() }.ok_or(Failed::Unsupported)
    }

    fn string(&self, text: *const c_char) -> Option<&str> {
        if text.is_null() {
            return None;
        }
        // SAFETY: the server's texts end with a NUL and live as long as the instance.
        unsafe { CStr::from_ptr(text) }.to_str().ok()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Misuse => "the call makes no sense here",
            Self::TooLong => "too long",
            Self::NotText => "the text has a NUL in it",
            Self::Full => "a queue is full, try again later",
            Self::NotFound => "there is nothing of that name",
            Self::TooLate => "the event was decided meanwhile",
            Self::Retired => "the plugin was stopped",
            Self::Denied => "the plugin does not have the capability for that",
            Self::Unsupported => "the server is too old for that",
            Self::Other(number) => return write!(f, "status {number}"),
        })
    }
}

impl std::error::Error for Failed {}

impl From<Failed> for String {
    fn from(failed: Failed) -> Self {
        failed.to_string()
    }
}

pub(crate) fn check(status: abi::chat_status) -> Result<(), Failed> {
    Err(match status {
        abi::CHAT_OK => return Ok(()),
        abi::CHAT_MISUSE => Failed::Misuse,
        abi::CHAT_TOO_LONG => Failed::TooLong,
        abi::CHAT_BAD_UTF8 => Failed::NotText,
        abi::CHAT_FULL => Failed::Full,
        abi::CHAT_NOT_FOUND => Failed::NotFound,
        abi::CHAT_TOO_LATE => Failed::TooLate,
        abi::CHAT_RETIRED => Failed::Retired,
        abi::CHAT_DENIED => Failed::Denied,
        other => Failed::Other(other),
    })
}

/// Reads with a buffer that grows with what there is. `read` stores at most so many bytes at a place, and
/// the whole length.
fn read_all(
    read: impl Fn(*mut c_void, u64, &mut u64) -> abi::chat_status,
) -> Result<Vec<u8>, Failed> {
    let mut data = vec![0_u8; 256];
    // Another thread may make it longer in between: three times is enough to catch up with one.
    for _ in 0..3 {
        let mut len = 0;
        let room = data.len() as u64;
        check(read(data.as_mut_ptr().cast(), room, &mut len))?;
        let len = usize::try_from(len).map_err(|_| Failed::TooLong)?;
        let fits = len <= data.len();
        data.resize(len, 0);
        if fits {
            return Ok(data);
        }
    }
    Err(Failed::Full)
}

pub(crate) fn c_string(text: &str) -> Result<CString, Failed> {
    CString::new(text).map_err(|_| Failed::NotText)
}

/// For texts that people read and no program.
pub(crate) fn c_string_lossy(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr())
}
