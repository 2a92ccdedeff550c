//! Logger: writes every entry into a file, as text for people or as JSON lines for programs.
//!
//! ```toml
//! [plugin.logger]
//! path      = "messages.log"  # in the plugin's state folder, unless it is absolute
//! format    = "text"          # or "json": one object a line, with the names of `chat-cli --json`
//! max_bytes = "10MiB"         # then the file becomes messages.log.1, .1 becomes .2, and so on
//! keep      = 5               # so many old files; 0: none
//! rooms     = ["lobby"]       # only these; all when it is not there
//! direct    = false           # direct conversations, too
//! ```
//!
//! It observes: it sees what is on disk and has its place, in order, at least once, over restarts and new
//! versions of itself. Each line is written whole before the next entry is asked for, so that a crash
//! loses nothing that the server counts as seen, and is on disk within a second. While the disk takes
//! nothing, up to 4 MiB of lines wait in memory, and the log of the server says so. A line that was written
//! twice has the same conversation and `seq`; JSON lines that may be such have `"again":true`.
//!
//! What people write can't forge a line: line feeds, other control characters and those that turn the
//! direction of writing are escaped.

mod file;
mod line;
mod settings;

use chat_plugin::{Event, Hook, Host, Level, Plugin, Setup, Verdict, capability, export_plugin};

use crate::file::{LogFile, Stuck};
use crate::line::Record;
use crate::settings::Settings;

const SYNC_TIMER: u64 = 1;
/// A power cut may take this much.
const SYNC_MS: u64 = 1000;

struct Logger {
    host: Host,
    settings: Settings,
    file: LogFile,
    line: String,
    is_stuck: bool,
}

impl Plugin for Logger {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        let host = setup.host();
        let settings = Settings::read(host.state_dir(), &|key| host.config(key))?;
        setup.observe(Self::entry)?;
        setup.on(Hook::Reload, 0, Self::reload)?;
        setup.timer(SYNC_TIMER, SYNC_MS, SYNC_MS, Self::sync)?;
        Ok(Self {
            host,
            file: LogFile::new(&settings),
            settings,
            line: String::new(),
            is_stuck: false,
        })
    }
}

impl Logger {
    fn entry(&mut self, event: &Event<'_>) -> Verdict {
        if !self.settings.wants(event.room()) {
            return Verdict::Pass;
        }
        self.line.clear();
        Record::of(event).write(self.settings.format, &mut self.line);
        let appended = self.file.append(self.line.as_bytes());
        self.told(appended);
        Verdict::Pass
    }

    fn reload(&mut self, _event: &Event<'_>) -> Verdict {
        let host = self.host;
        match Settings::read(host.state_dir(), &|key| host.config(key)) {
            Ok(settings) if settings == self.settings => {}
            Ok(settings) => {
                self.sync(SYNC_TIMER);
                self.file.move_to(&settings);
                self.settings = settings;
            }
            Err(why) => host.log(Level::Error, &format!("{why}; the old settings stay")),
        }
        Verdict::Pass
    }

    fn sync(&mut self, _timer: u64) {
        let synced = self.file.sync();
        self.told(synced);
    }

    /// Tells the operator that the disk takes nothing any more, and when it takes it again: each once.
    fn told(&mut self, written: Result<(), Stuck>) {
        let path = self.settings.path.display();
        match written {
            Ok(()) if self.is_stuck => {
                self.is_stuck = false;
                self.host
                    .log(Level::Info, &format!("{path}: it is written again"));
            }
            Err(Stuck { error, .. }) if !self.is_stuck => {
                self.is_stuck = true;
                let line = format!("{path}: {error}; what is said meanwhile waits in memory");
                self.host.log(Level::Error, &line);
            }
            Err(Stuck { lost: 1, .. }) => {
                let line = format!("{path}: too much waits, the oldest lines are lost from now on");
                self.host.log(Level::Error, &line);
            }
            _ => {}
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.sync(SYNC_TIMER);
    }
}

export_plugin!(
    Logger,
    id: "org.libchat.logger",
    name: "Logger",
    version: "1.0",
    license: "MIT OR Apache-2.0",
    capabilities: capability::READ_TEXT | capability::READ_DIRECT,
);
