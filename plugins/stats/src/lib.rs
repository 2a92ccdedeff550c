//! Stats: `/stats` tells what was said in a room so far, and by whom; without a room, in all of them.
//!
//! ```toml
//! [plugin.stats]
//! top = 5     # so many accounts are named, 0 to 20
//! ```
//!
//! It counts what is in the log, and needs to read no text for it. Direct conversations are not counted.
//! Counts are kept over restarts and new versions of the plugin; a crash may take the last second. The
//! operator sees the totals since the start in `chat-cli plugin list --json`.

mod counts;

use chat_plugin::{
    Event, Failed, Hook, Host, Kind, Level, Plugin, Setup, Verdict, capability, export_plugin,
};

use crate::counts::{Book, Counted};

const SAVE_TIMER: u64 = 1;
const SAVE_MS: u64 = 1000;
/// Rooms by id, one a line.
const INDEX: &str = "rooms";
const MAX_TOP: usize = 20;

struct Stats {
    host: Host,
    book: Book,
    top: usize,
}

impl Plugin for Stats {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        let host = setup.host();
        let stats = Self {
            host,
            book: load(&host)?,
            top: read_top(&host)?,
        };
        setup.observe(Self::entry)?;
        setup.on(Hook::Reload, 0, Self::reload)?;
        setup.command("stats", "", "tells what was said here so far", Self::tell)?;
        setup.timer(SAVE_TIMER, SAVE_MS, SAVE_MS, Self::store)?;
        Ok(stats)
    }

    /// The next version reads what is kept by then.
    fn save(&mut self) -> Result<Vec<u8>, String> {
        self.store(SAVE_TIMER);
        Ok(b"look it up".to_vec())
    }

    fn restore(&mut self, _state: &[u8]) -> Result<(), String> {
        self.book = load(&self.host)?;
        Ok(())
    }
}

impl Stats {
    fn entry(&mut self, event: &Event<'_>) -> Verdict {
        let (Some(id), Some(room)) = (event.conversation(), event.room()) else {
            return Verdict::Pass;
        };
        let counted = match event.kind() {
            Kind::Text => Counted::Message,
            Kind::Edit => Counted::Edit,
            Kind::Redaction => Counted::Deletion,
            Kind::Reaction => Counted::Reaction,
            Kind::File => Counted::File,
            _ => return Verdict::Pass,
        };
        // What was counted and comes again after a crash. Without the flag, a smaller `seq` is from a
        // restored backup, and new.
        if event.flags().is_again() && self.book.has_seen(id, event.seq()) {
            return Verdict::Pass;
        }
        let from = event.from().unwrap_or_default();
        let is_new = self
            .book
            .count(id, room, event.seq(), event.time_ms(), from, counted);
        if !is_new {
            return Verdict::Pass;
        }
        match self.host.count(counted.name(), 1) {
            Ok(()) => Verdict::Pass,
            Err(failed) => Verdict::Fault(format!("metrics: {failed}")),
        }
    }

    fn tell(&mut self, event: &Event<'_>) -> Verdict {
        let text = match (event.conversation(), event.room()) {
            (Some(id), Some(room)) => self.book.tell_room(id, room, self.top),
            _ => self.book.tell_all(),
        };
        match event.reply(&text) {
            Ok(()) => Verdict::Handled,
            Err(failed) => Verdict::Reject(format!("no answer: {failed}")),
        }
    }

    fn reload(&mut self, event: &Event<'_>) -> Verdict {
        match read_top(event.host()) {
            Ok(top) => self.top = top,
            Err(why) => event.host().log(Level::Error, &why),
        }
        Verdict::Pass
    }

    /// Keeps what has changed.
    fn store(&mut self, _timer: u64) {
        if let Err(failed) = self.try_store() {
            let line = format!("the counts could not be kept: {failed}");
            self.host.log(Level::Warn, &line);
        }
    }

    fn try_store(&mut self) -> Result<(), Failed> {
        if let Some(index) = self.book.changed_index() {
            self.host.put(INDEX, index.as_bytes())?;
        }
        for (id, json) in self.book.changed() {
            self.host.put(&key(&id), json.as_bytes())?;
        }
        self.book.is_stored();
        let rooms = i64::try_from(self.book.len()).unwrap_or(i64::MAX);
        self.host.gauge("rooms", rooms)
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        // An instance that another one took over for has nothing to say any more.
        let _ = self.try_store();
    }
}

fn load(host: &Host) -> Result<Book, String> {
    let text = |key: &str| -> Result<Option<String>, String> {
        let bytes = host.get(key).map_err(|failed| format!("{key}: {failed}"))?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|_| format!("{key}: what was kept is no text"))
    };
    let mut book = Book::default();
    for id in text(INDEX)?.unwrap_or_default().lines() {
        if let Some(json) = text(&key(id))? {
            book.load(id, &json)?;
        }
    }
    Ok(book)
}

fn key(id: &str) -> String {
    format!("room.{id}")
}

fn read_top(host: &Host) -> Result<usize, String> {
    let top: usize = host.config_as("top", 5)?;
    match top {
        0..=MAX_TOP => Ok(top),
        _ => Err(format!("top = {top}: at most {MAX_TOP} accounts are named")),
    }
}

export_plugin!(
    Stats,
    id: "org.libchat.stats",
    name: "Stats",
    version: "1.0",
    license: "MIT OR Apache-2.0",
    capabilities: capability::COMMAND | capability::NOTICE,
);
