//! What the agent wants done with files, and what it hears of that.

use std::path::PathBuf;

use crate::model::{Piece, Refusal};
use crate::port::{FileStamp, Held, Part, SinkPlace, SourcePlace};

/// Where the bytes of an upload come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileSource {
    /// A file.
    Path(PathBuf),
    /// A stream, see [`Client::send_file_from`](crate::Client::send_file_from).
    Stream {
        /// The number under which it was given.
        number: u64,
        /// How many bytes it has.
        size: u64,
    },
}

/// Where the bytes of a download go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileSink {
    /// A file that does not exist, in a folder that does; or a folder, in which the file is called as
    /// its sender called it.
    Path(PathBuf),
    /// A stream that was given under this number, see
    /// [`Client::fetch_into`](crate::Client::fetch_into).
    Stream(u64),
}

/// Something to do with the file of one transfer, after what was wanted before.
#[derive(Debug)]
pub enum FileWork {
    /// What is the file at this path like? Answer: [`FileNews::Looked`].
    Look(PathBuf),
    /// What does this path mean for a download? Answer: [`FileNews::Placed`].
    Place(PathBuf),
    /// Open a file to read. Answer: [`FileNews::SourceOpened`].
    OpenSource(SourcePlace, FileStamp),
    /// Read bytes. Answer: [`FileNews::Read`].
    Read {
        /// From here.
        offset: u64,
        /// So many.
        length: usize,
    },
    /// The hash of everything. Answer: [`FileNews::Hashed`].
    Hash,
    /// Open a place to write to. Answer: [`FileNews::SinkOpened`].
    OpenSink(SinkPlace, Option<Part>),
    /// Pieces will come. Answer: [`FileNews::Begun`].
    Begin(Beginning),
    /// Prove pieces and write what is wanted of them. Answer: [`FileNews::Written`], one for some of
    /// these in a row.
    Write(Piece),
    /// Everything is written. Answer: [`FileNews::Finished`].
    Finish {
        /// BLAKE3 of the whole content, if all of it was wanted.
        hash: Option<[u8; 32]>,
        /// Some of it could not be proven when it was written.
        unproven: bool,
    },
    /// Close it. No answer.
    Close {
        /// Take away what was written.
        discard: bool,
    },
}

/// How pieces are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Beginning {
    /// Bytes that the file will have.
    pub length: u64,
    /// BLAKE3 of the whole content; without it pieces can't be proven.
    pub hash: Option<[u8; 32]>,
    /// Bytes of the whole content.
    pub size: u64,
    /// Where in the content the first piece begins.
    pub offset: u64,
    /// The first byte of the content that is wanted.
    pub from: u64,
    /// The byte after the last one that is wanted.
    pub to: u64,
}

/// What became of a [`FileWork`].
#[derive(Debug)]
pub enum FileNews {
    /// The path from the root, and what the file is like.
    Looked(Result<(PathBuf, FileStamp), Refusal>),
    /// Where the download goes.
    Placed(Result<SinkPlace, Refusal>),
    /// It can be read.
    SourceOpened(Result<(), Refusal>),
    /// Bytes, from this place on.
    Read(u64, Result<Vec<u8>, Refusal>),
    /// BLAKE3 of everything.
    Hashed(Result<[u8; 32], Refusal>),
    /// It can be written; what it holds, and in which run of the machine this is.
    SinkOpened(Result<(Held, String), Refusal>),
    /// There is room.
    Begun(Result<(), Refusal>),
    /// So far.
    Written(Result<Written, Refusal>),
    /// It has its name, where it is a file.
    Finished(Result<Option<PathBuf>, Refusal>),
}

/// How far a download is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Written {
    /// The place in the content after the last piece that was dealt with.
    pub upto: u64,
    /// Bytes of the file that would survive a crash of the machine.
    pub synced: u64,
}
