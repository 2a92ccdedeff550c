//! What the host keeps in the server's data directory, all under `plugins/`:
//!
//! ```text
//! copies/NAME-HASH.so   what is loaded: the file in the folder may be overwritten at any time
//! state/NAME/           the plugin's own
//! kept/NAME.json        values of "chat.kv/1", in base64
//! cursors/NAME.json     how far an observer got
//! NAME.loading          it runs in the server, and may be what ends it
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::instance::lock;
use crate::limits;

/// The folder.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    /// Nothing is to be found here at the next start.
    passing: bool,
    /// What is to be done, in the order in which it was decided.
    chores: Mutex<VecDeque<Chore>>,
    /// Held by who does it: one at a time, so that of two writes of a file the later one stays.
    working: Mutex<()>,
    /// A thread was sent to do it.
    is_sent: AtomicBool,
    suspects: Mutex<Vec<(String, Instant)>>,
}

/// Something to write.
#[derive(Debug)]
pub(crate) enum Change {
    Values {
        name: String,
        values: BTreeMap<String, Vec<u8>>,
    },
    Cursor {
        name: String,
        cursor: Cursor,
    },
}

/// Something to do on disk that was decided under the desk's lock.
#[derive(Debug)]
pub(crate) enum Chore {
    Write(Vec<Change>),
    /// Its copies are of no use any more.
    Tidy(String),
    /// The plugin is not what the server would end of.
    Clear(String),
}

/// How far an observer got, in which run of the log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) run: u64,
    pub(crate) pos: u64,
    /// Up to here it may have been shown entries. `None` while it is at work, and so after a crash: nobody
    /// knows then.
    #[serde(default)]
    pub(crate) again: Option<u64>,
}

impl Disk {
    /// The folder of a server; one that keeps nothing gets a folder that goes with the process.
    pub(crate) fn new(data: Option<&Path>) -> Self {
        let (root, passing) = match data {
            Some(data) => (data.join("plugins"), false),
            None => {
                // One that was killed leaves its folder, and its number is given out again.
                let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
                let (pid, nanos) = (std::process::id(), since.as_nanos());
                let name = format!("chat-plugins-{pid}-{nanos:x}-{}", nonce());
                (std::env::temp_dir().join(name), true)
            }
        };
        Self {
            root,
            passing,
            chores: Mutex::default(),
            working: Mutex::default(),
            is_sent: AtomicBool::new(false),
            suspects: Mutex::default(),
        }
    }

    /// Makes what is missing of it.
    pub(crate) fn open(&self) -> io::Result<()> {
        if self.passing {
            // Not where somebody else has put something.
            DirBuilder::new().mode(0o700).create(&self.root)?;
        }
        for folder in ["copies", "state", "kept", "cursors"] {
            private_folder(&self.root.join(folder))?;
        }
        Ok(())
    }

    /// Puts chores into the line. Called at the desk: what was decided first is done first.
    pub(crate) fn line_up(&self, chores: impl IntoIterator<Item = Chore>) {
        lock(&self.chores).extend(chores);
    }

    /// Does what is in the line. All that was there before is done when it returns.
    pub(crate) fn work(&self) {
        let _alone = lock(&self.working);
        loop {
            let Some(chore) = lock(&self.chores).pop_front() else {
                return;
            };
            self.do_chore(&chore);
        }
    }

    /// Whether the last one who was sent to do it is done.
    pub(crate) fn keeps_up(&self) -> bool {
        !self.is_sent.load(Ordering::Acquire)
    }

    /// Whether a thread is to be sent that may wait for the disk. The one who is sent calls
    /// [`work_apart`](Self::work_apart).
    pub(crate) fn sends(&self) -> bool {
        let has_work = !lock(&self.chores).is_empty() || !lock(&self.suspects).is_empty();
        has_work && !self.is_sent.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn work_apart(&self) {
        self.work();
        self.clear_old();
        self.is_sent.store(false, Ordering::Release);
    }

    /// Makes it slow.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> std::sync::MutexGuard<'_, ()> {
        lock(&self.working)
    }

    fn do_chore(&self, chore: &Chore) {
        match chore {
            Chore::Write(changes) => self.write(changes),
            Chore::Tidy(name) => self.tidy(name, &[]),
            Chore::Clear(name) => self.clear(name),
        }
    }

    /// A private copy of a file: who loads it is not touched by what happens to the original.
    pub(crate) fn copy(&self, name: &str, hash: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.root.join("copies").join(format!("{name}-{hash}.so"));
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(path);
        }
        write_whole(&path, bytes, 0o500)?;
        Ok(path)
    }

    /// Removes the copies of a plugin but these.
    pub(crate) fn tidy(&self, name: &str, keep: &[PathBuf]) {
        let Ok(copies) = fs::read_dir(self.root.join("copies")) else {
            return;
        };
        for copy in copies.flatten() {
            let file = copy.file_name();
            let file = file.to_string_lossy();
            let ours = file.rsplit_once('-').is_some_and(|(stem, _)| stem == name);
            if ours && !keep.contains(&copy.path()) {
                // What stays takes room, and is tried again at the next start.
                let _ = fs::remove_file(copy.path());
            }
        }
    }

    /// The folder of a plugin.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.root.join("state").join(name)
    }

    pub(crate) fn make_state(&self, name: &str) -> io::Result<()> {
        private_folder(&self.state(name))
    }

    /// An empty folder for a probe.
    pub(crate) fn probe_state(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.root.join(format!("probe-{name}-{}", nonce()));
        private_folder(&folder)?;
        Ok(folder)
    }

    pub(crate) fn values(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let values: BTreeMap<String, Kept> = self.read("kept", name).unwrap_or_default();
        let bytes = |(key, Kept(bytes))| (key, bytes);
        values.into_iter().map(bytes).collect()
    }

    pub(crate) fn cursor(&self, name: &str) -> Option<Cursor> {
        self.read("cursors", name)
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, folder: &str, name: &str) -> Option<T> {
        let path = self.root.join(folder).join(format!("{name}.json"));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::error!(%error, "cannot read {}", path.display());
                return None;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(%error, "{} is damaged; starting without it", path.display());
                None
            }
        }
    }

    /// Writes what has changed. A failure is told, and tried again with the next change.
    fn write(&self, changes: &[Change]) {
        for change in changes {
            let (folder, name, bytes) = match change {
                Change::Values { name, values } => ("kept", name, to_json(values)),
                Change::Cursor { name, cursor } => ("cursors", name, serde_json::to_vec(cursor)),
            };
            let path = self.root.join(folder).join(format!("{name}.json"));
            let written = bytes
                .map_err(io::Error::from)
                .and_then(|bytes| write_whole(&path, &bytes, 0o600));
            if let Err(error) = written {
                tracing::error!(%error, "cannot write {}", path.display());
            }
        }
    }

    /// Whether a plugin ran in the server when that ended, in this very version.
    pub(crate) fn is_suspect(&self, name: &str, hash: &str) -> bool {
        fs::read_to_string(self.mark(name)).is_ok_and(|held| held.trim() == hash)
    }

    /// From now on the end of the server is this plugin's fault.
    pub(crate) fn suspect(&self, name: &str, hash: &str) -> io::Result<()> {
        write_whole(&self.mark(name), hash.as_bytes(), 0o600)?;
        let mut suspects = lock(&self.suspects);
        suspects.retain(|(other, _)| other != name);
        suspects.push((name.to_owned(), Instant::now()));
        Ok(())
    }

    /// It is not, or the operator wants it tried again.
    pub(crate) fn clear(&self, name: &str) {
        lock(&self.suspects).retain(|(other, _)| other != name);
        let _ = fs::remove_file(self.mark(name));
    }

    /// Clears those that have run for long enough.
    fn clear_old(&self) {
        let suspects = lock(&self.suspects).clone();
        for (name, since) in suspects {
            if since.elapsed() >= limits::SUSPECT {
                self.clear(&name);
            }
        }
    }

    /// The server ends in good order.
    pub(crate) fn forget_suspects(&self) {
        let suspects = std::mem::take(&mut *lock(&self.suspects));
        for (name, _) in suspects {
            let _ = fs::remove_file(self.mark(&name));
        }
    }

    fn mark(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.loading"))
    }
}

impl Disk {
    /// Nothing is kept any more; what was to go with the process goes.
    pub(crate) fn end(&self) {
        if self.passing {
            // What can't be removed is in the system's folder for such things.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.end();
    }
}

fn to_json(values: &BTreeMap<String, Vec<u8>>) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::new();
    let values = values
        .iter()
        .map(|(key, bytes)| (key, BASE64_STANDARD.encode(bytes)));
    serde_json::Serializer::new(&mut json).collect_map(values)?;
    Ok(json)
}

/// A kept value as it is read: base64, or an array of numbers in a file of before.
struct Kept(Vec<u8>);

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64, or an array of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Kept, E> {
        BASE64_STANDARD.decode(text).map(Kept).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Kept, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(Kept(bytes))
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file whole or not at all.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let part = path.with_extension(format!("part-{}", nonce()));
    let written = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&part)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&part, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    let result = written();
    if result.is_err() {
        let _ = fs::remove_file(&part);
    }
    result
}

/// Different at each call in this process.
fn nonce() -> u64 {
    use std::sync::atomic::AtomicU64;
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_values_come_back_also_from_a_file_of_before() {
        let values = BTreeMap::from([
            ("empty".to_owned(), Vec::new()),
            ("bytes".to_owned(), vec![0, 1, 254, 255]),
        ]);
        let read = |json: &[u8]| -> serde_json::Result<BTreeMap<String, Vec<u8>>> {
            let values: BTreeMap<String, Kept> = serde_json::from_slice(json)?;
            Ok(values
                .into_iter()
                .map(|(key, Kept(bytes))| (key, bytes))
                .collect())
        };
        let json = to_json(&values).unwrap();
        assert_eq!(json, br#"{"bytes":"AAH+/w==","empty":""}"#);
        assert_eq!(read(&json).unwrap(), values);
        let before = serde_json::to_vec(&values).unwrap();
        assert_eq!(before, br#"{"bytes":[0,1,254,255],"empty":[]}"#);
        assert_eq!(read(&before).unwrap(), values);
        for damaged in [r#"{"a":"%"}"#, r#"{"a":[256]}"#, r#"{"a":7}"#] {
            assert!(read(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_cursor_of_before_is_read_and_says_not_what_was_shown() {
        let cursor: Cursor = serde_json::from_str(r#"{"run":7,"pos":9}"#).unwrap();
        assert_eq!((cursor.run, cursor.pos, cursor.again), (7, 9, None));
    }
}
