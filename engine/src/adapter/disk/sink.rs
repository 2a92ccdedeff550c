//! A file that is fetched: `NAME.part` until every byte of it is checked and on the disk.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::lent::Lent;
use super::{cannot, refused};
use crate::adapter::folder;
use crate::limits;
use crate::model::{Code, Refusal};
use crate::port::{BoxFuture, Held, MakeBytes, Part, Sink};

/// A place for a file in a folder.
pub(super) struct DiskSink(Lent<Inner>);

struct Inner {
    /// Held open: whoever moves the folder, or puts a link in its place, does not redirect us.
    folder: File,
    /// The folder's path, for people.
    place: PathBuf,
    name: String,
    part: String,
    file: Option<File>,
    /// Bytes in the part.
    length: u64,
    /// Some of them are from an earlier run.
    resumed: bool,
    /// A sync that is under way in another thread, and how many bytes it makes durable.
    syncing: Option<(blocking::Task<io::Result<()>>, u64)>,
    sync_begun: u64,
    synced: u64,
    is_whole: bool,
}

impl DiskSink {
    pub(super) fn open(
        place: PathBuf,
        name: String,
        part: Option<&Part>,
        boot: &str,
    ) -> Result<(Self, Held), Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&place, flags, Mode::empty())
            .map_err(|error| cannot("write to the folder", &place, &error.into()))?;
        let mut inner = Inner {
            folder: folder.into(),
            part: format!("{name}.part"),
            name,
            place,
            file: None,
            length: 0,
            resumed: false,
            syncing: None,
            sync_begun: 0,
            synced: 0,
            is_whole: false,
        };
        let held = inner.take_up(part, boot)?;
        Ok((Self(Lent::new(inner)), held))
    }
}

impl Sink for DiskSink {
    fn begin(&mut self, length: u64) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.0.with(move |inner| inner.begin(length)))
    }

    fn write(&mut self, make: MakeBytes) -> BoxFuture<'_, Result<u64, Refusal>> {
        Box::pin(self.0.with(move |inner| inner.write(&make()?)))
    }

    fn finish(
        &mut self,
        hash: Option<[u8; 32]>,
        unproven: bool,
    ) -> BoxFuture<'_, Result<Option<PathBuf>, Refusal>> {
        Box::pin(
            self.0
                .with(move |inner| inner.finish(hash, unproven).map(Some)),
        )
    }

    fn discard(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let gone = self.0.with(|inner| inner.discard()).await;
            if let Err(refusal) = gone {
                tracing::warn!(%refusal, "a part of a file stays behind");
            }
        })
    }
}

impl Inner {
    /// Looks what is there already.
    fn take_up(&mut self, part: Option<&Part>, boot: &str) -> Result<Held, Refusal> {
        let taken = self.exists(&self.name)?;
        let Some(known) = part else {
            self.refuse_taken(taken)?;
            if self.exists(&self.part)? {
                let path = self.place.join(&self.part);
                return Err(refused(format!(
                    "{} is in the way: what another download left; remove it or fetch to another \
                     place",
                    path.display()
                )));
            }
            return Ok(Held::Bytes(0));
        };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.folder, &self.part, flags, Mode::empty());
        let file: File = match opened {
            Ok(file) => file.into(),
            // The earlier run may have come as far as the last step.
            Err(Errno::NOENT) if taken && self.is_it(known)? => {
                self.is_whole = true;
                return Ok(Held::Whole);
            }
            Err(Errno::NOENT) => {
                self.refuse_taken(taken)?;
                return Ok(Held::Bytes(0));
            }
            Err(error) => return Err(self.fault(&self.part, &error.into())),
        };
        self.refuse_taken(taken)?;
        let fault = |error| cannot("write", &self.place.join(&self.part), &error);
        let metadata = file.metadata().map_err(fault)?;
        if !metadata.is_file() {
            let path = self.place.join(&self.part);
            return Err(refused(format!("{} is not a file", path.display())));
        }
        let same_boot = !boot.is_empty() && known.boot == boot;
        let sure = if same_boot {
            metadata.len()
        } else {
            known.synced
        };
        let sure = sure.min(metadata.len()).min(known.size);
        self.length = sure - sure % limits::GROUP_BYTES as u64;
        self.resumed = self.length > 0;
        file.set_len(self.length).map_err(fault)?;
        self.file = Some(file);
        Ok(Held::Bytes(self.length))
    }

    fn begin(&mut self, length: u64) -> Result<(), Refusal> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let flags = OFlags::RDWR
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let mode = Mode::from_raw_mode(0o666);
                let made = rustix::fs::openat(&self.folder, &self.part, flags, mode);
                made.map_err(|error| self.fault(&self.part, &error.into()))?
                    .into()
            }
        };
        if let Some(missing) = length
            .checked_sub(self.length)
            .filter(|missing| *missing > 0)
        {
            // Without room the answer is an error at once, and not after an hour.
            match rustix::fs::fallocate(
                &file,
                rustix::fs::FallocateFlags::KEEP_SIZE,
                self.length,
                missing,
            ) {
                // Not every file system can do that.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
                Err(error) => {
                    let fault = self.fault(&self.part, &error.into());
                    self.file = Some(file);
                    return Err(fault);
                }
            }
        }
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, bytes: &[Vec<u8>]) -> Result<u64, Refusal> {
        let Some(file) = &mut self.file else {
            return Err(refused("the file is closed".to_owned()));
        };
        let parts: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        let written = file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| folder::write_all(file, &parts));
        written.map_err(|error| self.fault(&self.part, &error))?;
        self.length += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.sync_behind()?;
        Ok(self.synced)
    }

    /// Lets another thread sync what is there from time to time, so that little is lost when the
    /// machine stops, and little is left to do at the end.
    fn sync_behind(&mut self) -> Result<(), Refusal> {
        if let Some((task, upto)) = self.syncing.take() {
            if !task.is_finished() {
                self.syncing = Some((task, upto));
                return Ok(());
            }
            let outcome = futures_lite::future::block_on(task);
            outcome.map_err(|error| self.fault(&self.part, &error))?;
            self.synced = upto;
        }
        if self.length - self.sync_begun >= limits::FILE_SYNC_BYTES
            && let Some(Ok(file)) = self.file.as_ref().map(File::try_clone)
        {
            self.sync_begun = self.length;
            let task = blocking::unblock(move || file.sync_data());
            self.syncing = Some((task, self.length));
        }
        Ok(())
    }

    fn finish(&mut self, hash: Option<[u8; 32]>, unproven: bool) -> Result<PathBuf, Refusal> {
        let path = self.place.join(&self.name);
        if self.is_whole {
            return Ok(path);
        }
        let Some(mut file) = self.file.take() else {
            return Err(refused("the file is closed".to_owned()));
        };
        if let (true, Some(hash)) = (self.resumed || unproven, hash) {
            let found = hash_of(&mut file).map_err(|error| self.fault(&self.part, &error))?;
            if found != hash {
                self.file = Some(file);
                let part = self.place.join(&self.part);
                return Err(Refusal::because(
                    Code::BadHash,
                    format!(
                        "what lies in {} is not what was sent; fetch the file again",
                        part.display()
                    ),
                ));
            }
        }
        file.sync_all()
            .map_err(|error| self.fault(&self.part, &error))?;
        self.file = Some(file);
        self.rename()?;
        self.folder
            .sync_all()
            .map_err(|error| cannot("write to the folder", &self.place, &error))?;
        Ok(path)
    }

    /// Gives the part its name, unless something has that name by now.
    fn rename(&self) -> Result<(), Refusal> {
        let (folder, flags) = (&self.folder, RenameFlags::NOREPLACE);
        let mut moved = rustix::fs::renameat_with(folder, &self.part, folder, &self.name, flags);
        if matches!(moved, Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP)) {
            // A second name does not replace anything either.
            let none = AtFlags::empty();
            moved = rustix::fs::linkat(folder, &self.part, folder, &self.name, none)
                .and_then(|()| rustix::fs::unlinkat(folder, &self.part, none));
        }
        match moved {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => self.refuse_taken(true),
            Err(error) => Err(self.fault(&self.name, &error.into())),
        }
    }

    fn discard(&mut self) -> Result<(), Refusal> {
        // Only what this sink made or took up.
        if self.file.take().is_none() {
            return Ok(());
        }
        rustix::fs::unlinkat(&self.folder, &self.part, AtFlags::empty())
            .map_err(|error| self.fault(&self.part, &error.into()))
    }

    /// Whether something has this name, be it a link that leads nowhere.
    fn exists(&self, name: &str) -> Result<bool, Refusal> {
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.fault(name, &error.into())),
        }
    }

    /// Whether the file of that name has the content that was to be fetched.
    fn is_it(&self, known: &Part) -> Result<bool, Refusal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.folder, &self.name, flags, Mode::empty()) else {
            return Ok(false);
        };
        let mut file: File = file.into();
        let fault = |error| cannot("read", &self.place.join(&self.name), &error);
        let metadata = file.metadata().map_err(fault)?;
        if !metadata.is_file() || metadata.len() != known.size {
            return Ok(false);
        }
        Ok(Some(hash_of(&mut file).map_err(fault)?) == known.hash)
    }

    fn refuse_taken(&self, taken: bool) -> Result<(), Refusal> {
        if !taken {
            return Ok(());
        }
        let path = self.place.join(&self.name);
        Err(refused(format!(
            "{} exists and is not overwritten; fetch to another path",
            path.display()
        )))
    }

    fn fault(&self, name: &str, error: &io::Error) -> Refusal {
        cannot("write", &self.place.join(name), error)
    }
}

fn hash_of(file: &mut File) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; limits::FILE_BLOCK_BYTES];
    file.rewind()?;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(*hasher.finalize().as_bytes()),
            Ok(length) => {
                hasher.update(buffer.get(..length).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
