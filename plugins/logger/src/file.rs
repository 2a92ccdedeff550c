//! The file that is appended to, and the old ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::settings::Settings;

/// A file of lines that makes room for a new one when it is large. It is opened with its first line: a
/// version that takes over must not hold a file that the one before still renames.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    max_bytes: u64,
    keep: u32,
    open: Option<Open>,
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
        }
    }

    /// Appends a line, whole or not at all.
    pub(crate) fn append(&mut self, line: &[u8]) -> io::Result<()> {
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

    /// Waits until everything is on disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), Open::sync)
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
        LogFile {
            path: folder.join("log"),
            max_bytes,
            keep,
            open: None,
        }
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
    fn a_folder_that_is_gone_is_told_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let mut file = log(&inner, 8, 1);
        file.append(b"one\n").unwrap_err();
        fs::create_dir(&inner).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(read(&inner, "log"), "two\n");
    }
}
