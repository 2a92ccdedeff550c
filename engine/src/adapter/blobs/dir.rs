//! Blobs as files in a folder.
//!
//! A blob is `ID.part` until all of it came and was proven, then `ID`. Beside it lies its hash tree,
//! `ID.tree`: a head that says how much was synced, then the pairs in the order in which hashing makes
//! them. A blob of one group has no tree.
//!
//! Bytes are written before the pairs that stand for them, so what a crash left can be proven: from
//! what was surely synced on, groups are hashed again and compared with the stored pairs, and what
//! does not fit is cut off. A killed process loses next to nothing that way, and a loss of power only
//! what it took.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use futures_lite::future;

use crate::adapter::folder;
use crate::error::Error;
use crate::id::BlobId;
use crate::limits::{self, GROUP_BYTES};
use crate::model::HashPair;
use crate::port::{Blobs, Content, Fault, Receiving, Unfinished};
use crate::tree::{self, Hasher};

/// Blobs in a folder.
#[derive(Debug)]
pub struct DirBlobs {
    folder: PathBuf,
}

impl DirBlobs {
    /// Uses a folder, which is made with mode 0700 if it is missing. Nobody else may use it.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] when it can't be made.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        folder::make(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn paths(&self, blob: BlobId) -> Paths {
        let path = |end: &str| self.folder.join(format!("{blob}{end}"));
        Paths {
            whole: path(""),
            part: path(PART),
            tree: path(TREE),
        }
    }
}

struct Paths {
    whole: PathBuf,
    part: PathBuf,
    tree: PathBuf,
}

impl Blobs for DirBlobs {
    fn receive(&self, blob: BlobId, size: u64) -> Result<Box<dyn Receiving>, Fault> {
        let paths = self.paths(blob);
        let is_whole = paths.whole.try_exists().map_err(failed)?;
        let path = if is_whole { &paths.whole } else { &paths.part };
        let data = folder::private().open(path).map_err(failed)?;
        let tree = (tree::pairs(size) > 0)
            .then(|| folder::private().open(&paths.tree))
            .transpose()
            .map_err(failed)?;
        // Said now and not after the last byte that fits.
        if let Some(room) = self.room() {
            let there = data.metadata().map_err(failed)?.len();
            let needed = size.saturating_sub(there);
            if needed > 0 && needed > room.saturating_sub(limits::DISK_RESERVE) {
                let text = format!("{needed} bytes are to come, and there is room for {room}");
                return Err(Fault::Full(text));
            }
        }
        let mut receiving = DirReceiving {
            hasher: Hasher::new(size),
            size,
            data,
            tree,
            pairs: Vec::new(),
            unsynced: 0,
            syncing: None,
            folder: self.folder.clone(),
            paths,
            is_whole,
            is_listed: false,
            failed: None,
        };
        receiving.recover().map_err(failed)?;
        Ok(Box::new(receiving))
    }

    fn open(&self, blob: BlobId, size: u64) -> Result<Box<dyn Content>, Fault> {
        let paths = self.paths(blob);
        let data = match File::open(&paths.whole) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(&paths.part),
            opened => opened,
        };
        let data = data.map_err(|error| lost(blob, &error))?;
        let tree = match tree::pairs(size) {
            0 => None,
            _ => Some(File::open(&paths.tree).map_err(|error| lost(blob, &error))?),
        };
        Ok(Box::new(DirContent {
            blob,
            data,
            tree,
            pairs: Vec::new(),
            first: 0,
        }))
    }

    fn remove(&self, blob: BlobId) -> Result<(), Fault> {
        let Paths { whole, part, tree } = self.paths(blob);
        for path in [part, whole, tree] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<BlobId>, Fault> {
        let mut blobs = Vec::new();
        for item in fs::read_dir(&self.folder).map_err(failed)? {
            let name = item.map_err(failed)?.file_name();
            let name = name.to_str().unwrap_or_default();
            let id = [PART, TREE]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            // What is not called like this is not ours.
            if let Ok(blob) = id.parse() {
                blobs.push(blob);
            }
        }
        blobs.sort_unstable();
        blobs.dedup();
        Ok(blobs)
    }

    #[cfg(unix)]
    fn room(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    #[cfg(not(unix))]
    fn room(&self) -> Option<u64> {
        None
    }

    fn backup(&self, blobs: &[BlobId], to: &Path) -> Result<(), Fault> {
        folder::make(to).map_err(|error| Fault::Io(error.to_string()))?;
        let target = Self {
            folder: to.to_owned(),
        };
        for blob in blobs {
            let (ours, theirs) = (self.paths(*blob), target.paths(*blob));
            for (from, to) in [(&ours.tree, &theirs.tree), (&ours.whole, &theirs.whole)] {
                match copy(from, to) {
                    // It has no tree, or its entry ended after the log was copied.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    copied => copied.map_err(failed)?,
                }
            }
        }
        folder::sync(to).map_err(failed)
    }
}

/// A sync that goes on beside the writing.
struct Syncing {
    task: blocking::Task<io::Result<()>>,
    /// Whole groups that are durable after it.
    groups: u64,
}

struct DirReceiving {
    hasher: Hasher,
    size: u64,
    data: File,
    tree: Option<File>,
    /// Pairs that are not written yet.
    pairs: Vec<u8>,
    /// Bytes since the last sync began.
    unsynced: u64,
    syncing: Option<Syncing>,
    folder: PathBuf,
    paths: Paths,
    is_whole: bool,
    /// That the files are there is durable.
    is_listed: bool,
    failed: Option<Fault>,
}

impl DirReceiving {
    /// Finds out how much is there, cuts the rest off, and stands behind it.
    fn recover(&mut self) -> io::Result<()> {
        let length = self.data.metadata()?.len().min(self.size);
        let all = tree::groups(self.size);
        if self.is_whole {
            // It was proven before it got its name.
            return self.stand_behind(all - 1, true);
        }
        // The last group is in no pair before the end.
        let there = (length / GROUP).min(all - 1);
        let synced = self.synced_groups()?.min(there);
        let groups = self.proven_groups(synced, there)?;
        self.stand_behind(groups, false)?;
        self.data.set_len(groups * GROUP)?;
        if let Some(tree) = &mut self.tree {
            tree.set_len(HEAD + tree::pairs_until(groups) * PAIR)?;
        }
        if groups > 0 {
            self.sync_files()?;
        }
        Ok(())
    }

    /// Makes a hasher that has seen so many groups, and maybe the last one, which is left to `finish`.
    fn stand_behind(&mut self, groups: u64, and_last: bool) -> io::Result<()> {
        self.hasher = resume(&mut self.data, self.tree.as_mut(), self.size, groups)?;
        self.data.seek(SeekFrom::Start(groups * GROUP))?;
        if and_last {
            let mut last = Vec::new();
            (&mut self.data).take(GROUP).read_to_end(&mut last)?;
            self.hasher.update(&last, |_| {});
        }
        if let Some(tree) = &mut self.tree {
            let place = HEAD + tree::pairs_until(groups) * PAIR;
            tree.seek(SeekFrom::Start(place))?;
        }
        self.pairs.clear();
        Ok(())
    }

    /// What the head says; nothing if it says nothing sensible.
    fn synced_groups(&mut self) -> io::Result<u64> {
        let Some(tree) = &mut self.tree else {
            return Ok(0);
        };
        let mut head = [0; HEAD as usize];
        tree.seek(SeekFrom::Start(0))?;
        if tree.read_exact(&mut head).is_err() {
            return Ok(0);
        }
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).unwrap_or(0);
        let (first, second) = head.split_at(HEAD as usize / 2);
        let (first, second) = (
            number(first.get(..8).unwrap_or_default()),
            number(second.get(..8).unwrap_or_default()),
        );
        let pairs = tree.metadata()?.len().saturating_sub(HEAD) / PAIR;
        Ok(if first == second && tree::pairs_until(first) <= pairs {
            first
        } else {
            0
        })
    }

    /// How many groups are what the stored pairs say, at least those that were synced.
    fn proven_groups(&mut self, synced: u64, there: u64) -> io::Result<u64> {
        let Some(tree) = &mut self.tree else {
            return Ok(0);
        };
        let mut hasher = resume(&mut self.data, Some(tree), self.size, synced)?;
        let mut group = vec![0; GROUP_BYTES];
        let mut proven = synced;
        for number in synced..there {
            self.data.seek(SeekFrom::Start(number * GROUP))?;
            self.data.read_exact(&mut group)?;
            let mut made = Vec::new();
            hasher.update(&group, |pair| push_pair(&mut made, &pair));
            if made.is_empty() {
                continue;
            }
            let place = HEAD + tree::pairs_until(number) * PAIR;
            let mut stored = vec![0; made.len()];
            tree.seek(SeekFrom::Start(place))?;
            if tree.read_exact(&mut stored).is_err() || stored != made {
                break;
            }
            proven = number + 1;
        }
        Ok(proven)
    }

    fn put(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        folder::write_all(&mut self.data, parts)?;
        let pairs = &mut self.pairs;
        for part in parts {
            self.hasher.update(part, |pair| push_pair(pairs, &pair));
            self.unsynced += part.len() as u64;
        }
        self.write_pairs()?;
        if self.unsynced < limits::BLOB_SYNC_BYTES {
            return Ok(());
        }
        // Beside the writing, or the stream would stand still for as long as the disk takes; but no
        // more than the disk can follow.
        if let Some(syncing) = self.syncing.take() {
            if self.unsynced < limits::BLOB_AHEAD_BYTES && !syncing.task.is_finished() {
                self.syncing = Some(syncing);
                return Ok(());
            }
            self.synced(syncing)?;
        }
        let files = [Some(self.data.try_clone()?), self.clone_tree()?];
        let groups = self.hasher.groups();
        let task = blocking::unblock(move || {
            // In this order: what stands for bytes is durable only after they are.
            files.iter().flatten().try_for_each(File::sync_data)
        });
        self.syncing = Some(Syncing { task, groups });
        self.unsynced = 0;
        Ok(())
    }

    fn clone_tree(&self) -> io::Result<Option<File>> {
        self.tree.as_ref().map(File::try_clone).transpose()
    }

    /// Waits for a sync that was begun, and notes it.
    fn synced(&mut self, syncing: Syncing) -> io::Result<()> {
        future::block_on(syncing.task)?;
        self.list()?;
        self.note(syncing.groups)
    }

    fn write_pairs(&mut self) -> io::Result<()> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        let Some(tree) = &mut self.tree else {
            return Ok(());
        };
        tree.write_all(&self.pairs)?;
        self.pairs.clear();
        Ok(())
    }

    /// Syncs the bytes, then what stands for them, and notes how far that is.
    fn sync_files(&mut self) -> io::Result<()> {
        if let Some(syncing) = self.syncing.take() {
            self.synced(syncing)?;
        }
        self.data.sync_data()?;
        if let Some(tree) = &self.tree {
            tree.sync_data()?;
        }
        self.list()?;
        self.unsynced = 0;
        self.note(self.hasher.groups())
    }

    fn list(&mut self) -> io::Result<()> {
        if !self.is_listed {
            folder::sync(&self.folder)?;
            self.is_listed = true;
        }
        Ok(())
    }

    /// Notes how many groups are synced. The note itself becomes durable with the next sync: it may lag
    /// behind, and never runs ahead.
    fn note(&mut self, groups: u64) -> io::Result<()> {
        let Some(tree) = self.tree.as_mut().filter(|_| !self.is_whole) else {
            return Ok(());
        };
        let mut head = [0; HEAD as usize];
        let (first, second) = head.split_at_mut(HEAD as usize / 2);
        for half in [first, second] {
            if let Some(place) = half.first_chunk_mut() {
                *place = groups.to_be_bytes();
            }
        }
        let end = tree.stream_position()?;
        tree.seek(SeekFrom::Start(0))?;
        tree.write_all(&head)?;
        tree.seek(SeekFrom::Start(end))?;
        Ok(())
    }

    fn name(&mut self) -> io::Result<()> {
        let pairs = &mut self.pairs;
        // The hash was compared before; this hands out the last pairs.
        let _ = self.hasher.finish(|pair| push_pair(pairs, &pair));
        self.write_pairs()?;
        if self.is_whole {
            return Ok(());
        }
        self.sync_files()?;
        fs::rename(&self.paths.part, &self.paths.whole)?;
        folder::sync(&self.folder)?;
        self.is_whole = true;
        Ok(())
    }

    fn guarded(&mut self, run: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        run(self).map_err(|error| self.failed.insert(failed(error)).clone())
    }
}

impl Receiving for DirReceiving {
    fn offset(&self) -> u64 {
        self.hasher.hashed()
    }

    fn write(&mut self, parts: &[&[u8]]) -> Result<(), Fault> {
        let room = self.size - self.offset();
        self.guarded(|receiving| {
            let bytes: usize = parts.iter().map(|part| part.len()).sum();
            if bytes as u64 > room {
                return Err(io::Error::other("more bytes than the blob has"));
            }
            receiving.put(parts)
        })
    }

    fn sync(&mut self) -> Result<(), Fault> {
        self.guarded(Self::sync_files)
    }

    fn finish(&mut self, hash: &[u8; 32]) -> Result<(), Unfinished> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone().into());
        }
        // On a copy: a wrong hash must not hand out pairs.
        if self.hasher.clone().finish(|_| {}) != Some(*hash) {
            return Err(Unfinished::NotIt);
        }
        Ok(self.guarded(Self::name)?)
    }
}

struct DirContent {
    blob: BlobId,
    data: File,
    tree: Option<File>,
    /// Pairs that were read from the tree, and the place of the first one.
    pairs: Vec<HashPair>,
    first: u64,
}

impl DirContent {
    /// The pair of a part of the file stands right behind those of its halves, so whoever reads groups in
    /// order finds most of what it needs before the last place that was missing here.
    fn pair(&mut self, place: u64) -> io::Result<HashPair> {
        let held = |content: &Self| {
            let at = usize::try_from(place.checked_sub(content.first)?).ok()?;
            content.pairs.get(at).copied()
        };
        if let Some(pair) = held(self) {
            return Ok(pair);
        }
        let Some(tree) = &mut self.tree else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        self.first = (place + 1).saturating_sub(PAIRS_READ);
        let count = place + 1 - self.first;
        let mut bytes = vec![0; (count * PAIR) as usize];
        tree.seek(SeekFrom::Start(HEAD + self.first * PAIR))?;
        tree.read_exact(&mut bytes)?;
        let (halves, _) = bytes.as_chunks::<32>();
        self.pairs = halves.as_chunks::<2>().0.to_vec();
        held(self).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Content for DirContent {
    fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        let mut read = || {
            self.data.seek(SeekFrom::Start(offset))?;
            self.data.read_exact(out)
        };
        read().map_err(|error| lost(self.blob, &error))
    }

    fn pairs(&mut self, places: &[u64]) -> Result<Vec<HashPair>, Fault> {
        let pairs: io::Result<Vec<HashPair>> =
            places.iter().map(|place| self.pair(*place)).collect();
        pairs.map_err(|error| lost(self.blob, &error))
    }
}

fn resume(data: &mut File, tree: Option<&mut File>, size: u64, groups: u64) -> io::Result<Hasher> {
    let Some(tree) = tree else {
        return Ok(Hasher::new(size));
    };
    let mut last = Vec::new();
    if groups > 0 {
        data.seek(SeekFrom::Start((groups - 1) * GROUP))?;
        data.take(GROUP).read_to_end(&mut last)?;
    }
    Hasher::resume(size, groups, &last, |place| read_pair(tree, place))
}

fn read_pair(tree: &mut File, place: u64) -> io::Result<HashPair> {
    let mut pair: HashPair = [[0; 32]; 2];
    tree.seek(SeekFrom::Start(HEAD + place * PAIR))?;
    for half in &mut pair {
        tree.read_exact(half)?;
    }
    Ok(pair)
}

fn push_pair(out: &mut Vec<u8>, pair: &HashPair) {
    out.extend_from_slice(pair.as_flattened());
}

/// A copy that has its name only once it is whole and on disk.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let part = to.with_extension("copy");
    let mut target = folder::private().truncate(true).open(&part)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()?;
    fs::rename(part, to)
}

fn failed(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::Full(error.to_string()),
        _ => Fault::Io(error.to_string()),
    }
}

/// A blob that the log names and that can't be read is damaged, whatever the disk calls it.
fn lost(blob: BlobId, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            Fault::Damaged(format!("blob {blob}: {error}"))
        }
        _ => Fault::Io(error.to_string()),
    }
}

const PART: &str = ".part";
const TREE: &str = ".tree";
const GROUP: u64 = GROUP_BYTES as u64;
const PAIR: u64 = size_of::<HashPair>() as u64;
/// Pairs of the tree that are read at a time: those of 256 groups.
const PAIRS_READ: u64 = 256;
/// As long as a pair.
const HEAD: u64 = PAIR;
