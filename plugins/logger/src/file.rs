//! The file that is appended to, and the old ones.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::settings::Settings;

/// Bytes of lines that wait for a disk that takes none. An hour of a busy room fits.
const WAITING_BYTES: usize = 4 << 20;

/// A file of lines that makes room for a new one when it is large. It is opened with its first line: a
/// version that takes over must not hold a file that the one before still renames.
///
/// What can't be written, on a full disk for example, waits and is tried again with each later line and at
/// each [`sync`](Self::sync).
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    open: Option<Open>,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// Lines that had no place even there.
    lost: u64,
}

/// What can't be written now.
#[derive(Debug)]
pub(crate) struct Stuck {
    pub(crate) error: io::Error,
    /// Lines that are gone for good since the last time that something was written.
    pub(crate) lost: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    len: u64,
    is_dirty: bool,
}

impl LogFile {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            path: settings.path.clone(),
            max_bytes: settings.max_bytes,
            keep: settings.keep,
            open: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            lost: 0,
        }
    }

    /// Goes on with another file; what waits is written there.
    pub(crate) fn move_to(&mut self, settings: &Settings) {
        self.path.clone_from(&settings.path);
        self.max_bytes = settings.max_bytes;
        self.keep = settings.keep;
        self.open = None;
    }

    /// Appends a line, after those that wait.
    pub(crate) fn append(&mut self, line: &[u8]) -> Result<(), Stuck> {
        let written = self.catch_up().and_then(|()| self.write(line));
        written.map_err(|error| {
            self.waiting.push_back(line.to_vec());
            self.waiting_bytes += line.len();
            while self.waiting_bytes > WAITING_BYTES {
                let oldest = self.waiting.pop_front().map_or(0, |line| line.len());
                self.waiting_bytes -= oldest;
                self.lost += 1;
            }
            self.stuck(error)
        })
    }

    /// Waits until everything is on disk.
    pub(crate) fn sync(&mut self) -> Result<(), Stuck> {
        let synced = self
            .catch_up()
            .and_then(|()| self.open.as_mut().map_or(Ok(()), Open::sync));
        synced.map_err(|error| self.stuck(error))
    }

    fn stuck(&self, error: io::Error) -> Stuck {
        let lost = self.lost;
        Stuck { error, lost }
    }

    /// Writes what waits.
    fn catch_up(&mut self) -> io::Result<()> {
        while let Some(line) = self.waiting.pop_front() {
            if let Err(error) = self.write(&line) {
                self.waiting.push_front(line);
                return Err(error);
            }
            self.waiting_bytes -= line.len();
        }
        self.lost = 0;
        Ok(())
    }

    /// Writes a line, whole or not at all.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::at(&self.path)?,
        };
        if open.len > 0 && open.len + line.len() as u64 > self.max_bytes {
            open.sync()?;
            self.rotate()?;
            open = Open::at(&self.path)?;
        }
        let written = open.append(line);
        self.open = Some(open);
        written
    }

    /// `log` becomes `log.1`, which becomes `log.2`, and so on; the last one goes.
    fn rotate(&self) -> io::Result<()> {
        if self.keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..self.keep).rev() {
            match fs::rename(self.old(number), self.old(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.old(1))
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Open {
    /// Opens the file; only its owner reads what people said.
    fn at(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let len = file.metadata()?.len();
        Ok(Self {
            file,
            len,
            is_dirty: false,
        })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            // A full disk must not leave half a line that the next one is appended to.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += line.len() as u64;
        self.is_dirty = true;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.file.sync_data()?;
            self.is_dirty = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &Path, max_bytes: u64, keep: u32) -> LogFile {
        let mut file = LogFile::new(&Settings::read(folder, &|_| None).unwrap());
        file.path = folder.join("log");
        (file.max_bytes, file.keep) = (max_bytes, keep);
        file
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap_or_default()
    }

    #[test]
    fn a_full_file_makes_room_and_the_last_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = log(folder.path(), 8, 2);
        for line in [
            "one\n",
            "two\n",
            "three\n",
            "four\n",
            "five\n",
            "a long one\n",
        ] {
            file.append(line.as_bytes()).unwrap();
        }
        file.sync().unwrap();
        assert_eq!(read(folder.path(), "log"), "a long one\n");
        assert_eq!(read(folder.path(), "log.1"), "five\n");
        assert_eq!(read(folder.path(), "log.2"), "four\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn without_old_files_it_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = log(folder.path(), 8, 0);
        file.append(b"one\ntwo\n").unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(read(folder.path(), "log"), "three\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_there_stays_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 8, 1).append(b"one\n").unwrap();
        let mut again = log(folder.path(), 8, 1);
        again.append(b"two\n").unwrap();
        assert_eq!(read(folder.path(), "log"), "one\ntwo\n");
        again.append(b"three\n").unwrap();
        assert_eq!(read(folder.path(), "log.1"), "one\ntwo\n");
    }

    #[test]
    fn what_a_disk_does_not_take_waits_for_it_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut file = log(&inner, 8 << 20, 1);
        fs::remove_dir(&inner).unwrap();
        file.append(b"one\n").unwrap_err();
        assert_eq!(file.append(b"two\n").unwrap_err().lost, 0);
        file.sync().unwrap_err();
        fs::create_dir(&inner).unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(read(&inner, "log"), "one\ntwo\nthree\n");

        file.open = None;
        fs::remove_dir_all(&inner).unwrap();
        let long = [b'x'; 1 << 20];
        let lost: Vec<u64> = (0..6)
            .map(|_| file.append(&long).unwrap_err().lost)
            .collect();
        assert_eq!(lost, [0, 0, 0, 0, 1, 2]);
        fs::create_dir(&inner).unwrap();
        file.sync().unwrap();
        assert_eq!(fs::metadata(inner.join("log")).unwrap().len(), 4 << 20);
    }
}
