//! Files of this machine that are sent, and files that are fetched.

use std::path::PathBuf;

use super::BoxFuture;
use crate::id::{BlobId, SendId};
use crate::model::{Refusal, Target};

/// A transfer that a client began and has not ended. A profile keeps it, so that the next run of the
/// program goes on with it.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferItem {
    /// The send id of the entry that offers the file; a random one for a download.
    pub id: SendId,
    /// Transfers begin in this order.
    pub order: u64,
    /// What the application calls it (`ref`).
    pub label: String,
    /// What is to be done.
    pub errand: Errand,
}

/// What a transfer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    /// A file of this machine goes into a conversation.
    Upload {
        /// Where to.
        target: Target,
        /// Where its bytes are.
        source: SourcePlace,
        /// What the others see as its name.
        name: String,
        /// For example `image/png`.
        media_type: String,
        /// What the file was like when it was queued.
        stamp: FileStamp,
    },
    /// A file of a conversation comes to this machine.
    Download {
        /// Which.
        blob: BlobId,
        /// Where its bytes go.
        sink: SinkPlace,
        /// The first byte that is wanted.
        start: u64,
        /// How many; `None`: all that follow.
        length: Option<u64>,
        /// What is known of it, once the server said so.
        part: Option<Part>,
    },
}

/// Where the bytes of an upload are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourcePlace {
    /// A file.
    Path(PathBuf),
    /// A stream that the application gave under this number. It ends with the program.
    Stream(u64),
}

/// Where the bytes of a download go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SinkPlace {
    /// A file in this folder, called as its sender called it. That is not known yet.
    Folder(PathBuf),
    /// A file of this name in this folder, which must not exist.
    File {
        /// An existing folder.
        folder: PathBuf,
        /// The name, which was checked.
        name: String,
    },
    /// A stream that the application gave under this number. It ends with the program.
    Stream(u64),
}

/// What tells a changed file from the one that was queued.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// When it was written last, in nanoseconds since the epoch.
    pub modified: i64,
}

/// What is known of a download whose first bytes lie in `NAME.part`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// BLAKE3 of the whole content; unknown while that is still being uploaded.
    pub hash: Option<[u8; 32]>,
    /// Bytes of the whole content.
    pub size: u64,
    /// In which run of the machine it was written, where that can be told. In the same run, what was
    /// written is there; after a crash of the machine only what was synced.
    pub boot: String,
    /// Bytes of the part that were synced.
    pub synced: u64,
}

/// What a sink holds when it is opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// So many bytes from an earlier run, a multiple of the group size, to be checked at the end.
    Bytes(u64),
    /// The earlier run finished the file, and only could not say so.
    Whole,
}

/// The files of this machine.
pub trait Files: Send + Sync {
    /// What a file is like that is to be sent, and its path from the root.
    fn look(&self, path: PathBuf) -> BoxFuture<'static, Result<(PathBuf, FileStamp), Refusal>>;

    /// What a path means to which something is to be fetched: an existing folder, or a file that may
    /// be made in one.
    fn place(&self, path: PathBuf) -> BoxFuture<'static, Result<SinkPlace, Refusal>>;

    /// Opens a file that is still as its stamp says.
    fn source(
        &self,
        path: PathBuf,
        stamp: FileStamp,
    ) -> BoxFuture<'static, Result<Box<dyn Source>, Refusal>>;

    /// Opens a place for a file. Nothing may be there under its name; `part` says that a part of it,
    /// of an earlier run, may be.
    fn sink(
        &self,
        folder: PathBuf,
        name: String,
        part: Option<Part>,
    ) -> BoxFuture<'static, OpenedSink>;

    /// Names this run of the machine; empty where nothing does.
    fn boot(&self) -> String;
}

/// A place for a file, and what it holds already.
pub type OpenedSink = Result<(Box<dyn Sink>, Held), Refusal>;

/// Makes the bytes that are to be written.
pub type MakeBytes = Box<dyn FnOnce() -> Result<Vec<Vec<u8>>, Refusal> + Send>;

/// Something to read an upload from.
pub trait Source: Send {
    /// Reads so many bytes from there, all of which must be there.
    fn read(&mut self, offset: u64, length: usize) -> BoxFuture<'_, Result<Vec<u8>, Refusal>>;

    /// BLAKE3 of everything, which is as long as announced and did not change.
    fn hash(&mut self) -> BoxFuture<'_, Result<[u8; 32], Refusal>>;
}

/// Something to write a download to.
pub trait Sink: Send {
    /// Makes room for so many bytes, those that are held already included, before the first of them is
    /// asked for.
    fn begin(&mut self, length: u64) -> BoxFuture<'_, Result<(), Refusal>>;

    /// Writes bytes behind those that are there. Answers how many bytes are synced by now.
    ///
    /// They are made where waiting and computing hold nobody up, best right where they are written: one
    /// trip to another thread is enough.
    fn write(&mut self, make: MakeBytes) -> BoxFuture<'_, Result<u64, Refusal>>;

    /// Makes everything durable and gives the file its name. With `hash` all of it was wanted: what an
    /// earlier run left is checked against it, and if something was `unproven` when it was written,
    /// that, too.
    fn finish(
        &mut self,
        hash: Option<[u8; 32]>,
        unproven: bool,
    ) -> BoxFuture<'_, Result<Option<PathBuf>, Refusal>>;

    /// Takes away what was written.
    fn discard(&mut self) -> BoxFuture<'_, ()>;
}
