//! Where a server keeps the contents of files.

use std::fmt;
use std::path::Path;

use super::Fault;
use crate::id::BlobId;
use crate::model::HashPair;

/// Contents of files, each called by the blob that brought it.
///
/// Everything here waits for the disk: it is called where waiting holds nobody up.
pub trait Blobs: Send + Sync {
    /// Begins to receive a blob of this size, or goes on with it: also when it was received whole,
    /// before a crash came between that and its entry. One at a time for each blob.
    fn receive(&self, blob: BlobId, size: u64) -> Result<Box<dyn Receiving>, Fault>;

    /// Opens a blob of this size to read from it, whole or as far as it came.
    fn open(&self, blob: BlobId, size: u64) -> Result<Box<dyn Content>, Fault>;

    /// Removes a blob, whole or not. Done already is done.
    fn remove(&self, blob: BlobId) -> Result<(), Fault>;

    /// Every blob that is there, whole or not.
    fn list(&self) -> Result<Vec<BlobId>, Fault>;

    /// How many bytes there is room for, where that is known.
    fn room(&self) -> Option<u64>;

    /// Writes copies of whole blobs into a folder.
    fn backup(&self, blobs: &[BlobId], to: &Path) -> Result<(), Fault>;
}

/// A blob that is being received. The first fault stays.
pub trait Receiving: Send {
    /// How many bytes came so far. What was there at the beginning survives a loss of power.
    fn offset(&self) -> u64;

    /// Takes the next bytes, one part behind the other, not beyond the size.
    fn write(&mut self, parts: &[&[u8]]) -> Result<(), Fault>;

    /// Makes what came survive a loss of power, as far as it can be gone on with.
    fn sync(&mut self) -> Result<(), Fault>;

    /// All bytes came: proves them, makes them durable and gives the blob its final name. May be called
    /// again.
    fn finish(&mut self, hash: &[u8; 32]) -> Result<(), Unfinished>;
}

/// A blob that is open for reading.
pub trait Content: Send {
    /// Fills `out` from a place on.
    fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Fault>;

    /// The pairs of the hash tree at these places; see [`tree`](crate::tree). Of a whole blob only.
    fn pairs(&mut self, places: &[u64]) -> Result<Vec<HashPair>, Fault>;
}

/// Why a blob did not become whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unfinished {
    /// The bytes are not those that were announced, or not all of them.
    NotIt,
    /// The disk.
    Fault(Fault),
}

impl From<Fault> for Unfinished {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotIt => f.write_str("the content is not what was announced"),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}
