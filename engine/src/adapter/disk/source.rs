//! A file that is sent.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::lent::Lent;
use super::{cannot, refused, stamp};
use crate::limits;
use crate::model::Refusal;
use crate::port::{BoxFuture, FileStamp, Source};

/// What the file is like.
pub(super) fn look(path: &Path) -> Result<FileStamp, Refusal> {
    let file = open(path)?;
    let metadata = file
        .metadata()
        .map_err(|error| cannot("read", path, &error))?;
    if !metadata.is_file() {
        let path = path.display();
        return Err(refused(format!("{path} is not a file")));
    }
    Ok(stamp(&metadata))
}

fn open(path: &Path) -> Result<File, Refusal> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe that nobody writes to would hold the thread for ever.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let opened = options.open(path);
    opened.map_err(|error| cannot("read", path, &error))
}

/// An open file, and the hash of what was read so far.
pub(super) struct DiskSource(Lent<Inner>);

struct Inner {
    file: File,
    path: PathBuf,
    stamp: FileStamp,
    hasher: blake3::Hasher,
    /// Bytes in the hash, from the start of the file on.
    hashed: u64,
}

impl DiskSource {
    pub(super) fn open(path: &Path, wanted: FileStamp) -> Result<Self, Refusal> {
        let inner = Inner {
            file: open(path)?,
            path: path.to_owned(),
            stamp: wanted,
            hasher: blake3::Hasher::new(),
            hashed: 0,
        };
        inner.check()?;
        Ok(Self(Lent::new(inner)))
    }
}

impl Source for DiskSource {
    fn read(&mut self, offset: u64, length: usize) -> BoxFuture<'_, Result<Vec<u8>, Refusal>> {
        Box::pin(self.0.with(move |inner| inner.read(offset, length)))
    }

    fn hash(&mut self) -> BoxFuture<'_, Result<[u8; 32], Refusal>> {
        Box::pin(self.0.with(|inner| {
            inner.hash_up_to(inner.stamp.size)?;
            inner.check()?;
            Ok(*inner.hasher.finalize().as_bytes())
        }))
    }
}

impl Inner {
    fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Refusal> {
        self.check()?;
        // What an earlier run sent is part of the hash, too.
        self.hash_up_to(offset)?;
        let mut bytes = Vec::with_capacity(length);
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&self.file).take(length as u64).read_to_end(&mut bytes))
            .map_err(|error| cannot("read", &self.path, &error))?;
        if bytes.len() < length {
            return Err(self.changed());
        }
        // A server that went back asks for bytes again, which are in the hash already.
        let known = usize::try_from(self.hashed - offset).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..) {
            self.hasher.update(new);
            self.hashed += new.len() as u64;
        }
        Ok(bytes)
    }

    fn hash_up_to(&mut self, end: u64) -> Result<(), Refusal> {
        let mut buffer = Vec::new();
        while self.hashed < end {
            let length = (end - self.hashed).min(limits::FILE_BLOCK_BYTES as u64);
            buffer.resize(usize::try_from(length).unwrap_or_default(), 0);
            self.fill(self.hashed, &mut buffer)?;
            self.hasher.update(&buffer);
            self.hashed += length;
        }
        Ok(())
    }

    fn fill(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), Refusal> {
        let seek = self.file.seek(SeekFrom::Start(offset));
        match seek.and_then(|_| self.file.read_exact(bytes)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(cannot("read", &self.path, &error)),
        }
    }

    /// Whether it is still the file that was queued.
    fn check(&self) -> Result<(), Refusal> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| cannot("read", &self.path, &error))?;
        match metadata.is_file() && stamp(&metadata) == self.stamp {
            true => Ok(()),
            false => Err(self.changed()),
        }
    }

    fn changed(&self) -> Refusal {
        let path = self.path.display();
        refused(format!(
            "{path} changed after it was to be sent; send it again when nothing writes to it"
        ))
    }
}
