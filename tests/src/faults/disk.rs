//! The disk that forgets: a library under the server, and what is left when the power goes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;

/// Where a preloaded program's files, their shadow and its faults are.
#[derive(Debug)]
pub(super) struct Disk {
    data: PathBuf,
    shadow: PathBuf,
    library: PathBuf,
    control: Control,
}

/// The clock and the fullness of the disk, as a preloaded program sees them.
#[derive(Debug)]
pub(super) struct Control {
    path: PathBuf,
    file: File,
}

impl Control {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        file.set_len(40)?;
        Ok(Self { path, file })
    }

    /// Moves the wall clock by so many milliseconds from the right time.
    pub(super) fn set_clock(&self, wrong_by_ms: i64) -> io::Result<()> {
        self.file.write_all_at(&wrong_by_ms.to_ne_bytes(), 0)
    }

    pub(super) fn set_full(&self, full: bool) -> io::Result<()> {
        self.file.write_all_at(&i64::from(full).to_ne_bytes(), 8)
    }

    /// How many writes found the disk full so far.
    pub(super) fn refused(&self) -> io::Result<i64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 16)?;
        Ok(i64::from_ne_bytes(bytes))
    }

    /// Holds every sync back, as a disk that hangs does.
    #[cfg(test)]
    pub(super) fn set_stuck(&self, stuck: bool) -> io::Result<()> {
        self.file.write_all_at(&i64::from(stuck).to_ne_bytes(), 24)
    }

    /// How many syncs were held back so far.
    #[cfg(test)]
    pub(super) fn waited(&self) -> io::Result<i64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 32)?;
        Ok(i64::from_ne_bytes(bytes))
    }

    pub(super) fn preload(&self, command: &mut Command, library: &Path) {
        command
            .env("LD_PRELOAD", library)
            .env("SHIM_CONTROL", &self.path);
    }
}

impl Disk {
    pub(super) fn new(home: &Path, library: &Path) -> io::Result<Self> {
        let home = home.canonicalize()?;
        let disk = Self {
            data: home.join("data"),
            shadow: home.join("shadow"),
            library: library.to_owned(),
            control: Control::new(home.join("control"))?,
        };
        private_folder(&disk.data)?;
        private_folder(&disk.shadow)?;
        Ok(disk)
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    pub(super) fn preload(&self, command: &mut Command) {
        self.control.preload(command, &self.library);
        command
            .env("SHIM_DATA", &self.data)
            .env("SHIM_SHADOW", &self.shadow);
    }

    /// What a killed program finds when the power was cut: everything as of its last sync. When it is
    /// `torn`, a random half of the sectors that no sync covered made it to the disk all the same.
    pub(super) fn lose_power(&self, torn: bool, rng: &mut Rng) -> io::Result<()> {
        let mut left = Vec::new();
        let names = fs::read_to_string(self.shadow.join("names")).unwrap_or_default();
        for line in names.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(id), Some(inode), Some(path)) = (words.next(), words.next(), words.next())
            else {
                return Err(io::Error::other(format!("names: \"{line}\"")));
            };
            let synced = match fs::read(self.shadow.join(id)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(error),
            };
            let live = self.data.join(path);
            let is_same = fs::metadata(&live).is_ok_and(|is| is.ino().to_string() == inode);
            let bytes = match torn && is_same {
                true => tear(&synced, &fs::read(&live)?, rng),
                false => synced,
            };
            left.push((live, bytes));
        }
        for folder in [&self.data, &self.shadow] {
            fs::remove_dir_all(folder)?;
            private_folder(folder)?;
        }
        for (path, bytes) in left {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, private(0o600))?;
        }
        Ok(())
    }
}

/// Each sector that differs is the old or the new one, and so is the length.
fn tear(old: &[u8], new: &[u8], rng: &mut Rng) -> Vec<u8> {
    let length = if rng.bool() { old.len() } else { new.len() };
    let mut torn = vec![0; length];
    for (number, sector) in torn.chunks_mut(SECTOR).enumerate() {
        let from = if rng.bool() { old } else { new };
        let from = from.get(number * SECTOR..).unwrap_or_default();
        let count = from.len().min(sector.len());
        sector[..count].copy_from_slice(&from[..count]);
    }
    // What was synced in both lengths is the same in both, and stays.
    torn
}

/// Compiles the library that is preloaded.
pub(super) fn compile(folder: &Path) -> io::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("power-loss/shim.c");
    let library = folder.join("shim.so");
    let status = Command::new("gcc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .status()
        .map_err(|error| io::Error::other(format!("gcc can't be started: {error}")))?;
    match status.success() {
        true => Ok(library),
        false => Err(io::Error::other(format!(
            "gcc does not compile {}",
            source.display()
        ))),
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, private(0o700))
}

fn private(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

/// Disks write no less than this at once.
const SECTOR: usize = 512;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Python writes as told; what it did not sync is gone, and what it synced is not.
    #[test]
    fn only_what_was_synced_survives() {
        let home = TempDir::new().unwrap();
        let library = compile(home.path()).unwrap();
        let disk = Disk::new(home.path(), &library).unwrap();
        let run = |script: &str| {
            let mut command = Command::new("python3");
            disk.preload(&mut command);
            let script = format!(
                "import os\nos.chdir({:?})\ndef folder():\n  f=os.open('.', os.O_RDONLY); os.fsync(f)\n{script}\nos.kill(os.getpid(), 9)",
                disk.data()
            );
            command.args(["-c", &script]).status().unwrap();
        };
        let read = |name: &str| fs::read_to_string(disk.data().join(name)).ok();
        let mut rng = Rng::with_seed(1);

        run("
f=os.open('a', os.O_RDWR|os.O_CREAT); os.write(f, b'old'); os.fsync(f); folder(); os.pwrite(f, b'new', 0)
g=os.open('b', os.O_RDWR|os.O_CREAT); os.write(g, b'b'); os.fsync(g)");
        disk.lose_power(false, &mut rng).unwrap();
        assert_eq!(read("a").as_deref(), Some("old"), "written, not synced");
        assert_eq!(read("b"), None, "its name was not synced");

        // A plain kill keeps the page cache, but a loss of power after it does not.
        run("f=os.open('a', os.O_RDWR); os.pwrite(f, b'new', 0)");
        assert_eq!(read("a").as_deref(), Some("new"));
        run("os.rename('a', 'c')");
        disk.lose_power(false, &mut rng).unwrap();
        assert_eq!((read("a").as_deref(), read("c")), (Some("old"), None));

        run(
            "f=os.open('a', os.O_RDWR); os.pwrite(f, b'n', 5000); os.fdatasync(f); os.ftruncate(f, 2); os.fsync(f)
os.pwrite(f, b'xyz', 0); os.rename('a', 'c'); folder()",
        );
        disk.lose_power(false, &mut rng).unwrap();
        assert_eq!((read("a"), read("c").as_deref()), (None, Some("ol")));
    }

    #[test]
    fn a_torn_file_is_made_of_whole_sectors_of_both() {
        let (old, new) = (vec![1; 4 * SECTOR], vec![2; 6 * SECTOR]);
        let mut lengths = std::collections::HashSet::new();
        for seed in 0..20 {
            let torn = tear(&old, &new, &mut Rng::with_seed(seed));
            for sector in torn.chunks(SECTOR) {
                assert!(sector.iter().all(|byte| *byte == sector[0]));
            }
            lengths.insert(torn.len());
        }
        assert_eq!(lengths.len(), 2);
    }
}
