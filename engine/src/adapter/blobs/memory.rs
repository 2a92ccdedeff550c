//! Blobs in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::adapter::guard;
use crate::id::BlobId;
use crate::limits;
use crate::model::HashPair;
use crate::port::{Blobs, Content, Fault, Receiving, Unfinished};
use crate::tree::Hasher;

/// Blobs that are gone with their last handle, at most [`limits::MEMORY_BLOB_BYTES`].
#[derive(Debug)]
pub struct MemoryBlobs {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    blobs: BTreeMap<BlobId, Blob>,
    held: u64,
    limit: u64,
}

#[derive(Debug, Default)]
struct Blob {
    bytes: Vec<u8>,
    pairs: Vec<HashPair>,
}

impl Default for MemoryBlobs {
    fn default() -> Self {
        Self::with_room_for(limits::MEMORY_BLOB_BYTES)
    }
}

impl MemoryBlobs {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many bytes.
    #[must_use]
    pub fn with_room_for(bytes: u64) -> Self {
        let state = State {
            blobs: BTreeMap::new(),
            held: 0,
            limit: bytes,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl Blobs for MemoryBlobs {
    fn receive(&self, blob: BlobId, size: u64) -> Result<Box<dyn Receiving>, Fault> {
        let mut state = guard(&self.state);
        let held = state.blobs.entry(blob).or_default();
        let mut hasher = Hasher::new(size);
        hasher.update(&held.bytes, |_| {});
        Ok(Box::new(MemoryReceiving {
            state: self.state.clone(),
            blob,
            size,
            hasher,
            failed: None,
        }))
    }

    fn open(&self, blob: BlobId, _size: u64) -> Result<Box<dyn Content>, Fault> {
        if !guard(&self.state).blobs.contains_key(&blob) {
            return Err(lost(blob));
        }
        Ok(Box::new(MemoryContent {
            state: self.state.clone(),
            blob,
        }))
    }

    fn remove(&self, blob: BlobId) -> Result<(), Fault> {
        let mut state = guard(&self.state);
        if let Some(gone) = state.blobs.remove(&blob) {
            state.held = state.held.saturating_sub(gone.bytes.len() as u64);
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<BlobId>, Fault> {
        Ok(guard(&self.state).blobs.keys().copied().collect())
    }

    fn room(&self) -> Option<u64> {
        let state = guard(&self.state);
        Some(state.limit.saturating_sub(state.held))
    }

    fn backup(&self, _blobs: &[BlobId], _to: &Path) -> Result<(), Fault> {
        Err(Fault::Io("what is in memory is not backed up".to_owned()))
    }
}

struct MemoryReceiving {
    state: Arc<Mutex<State>>,
    blob: BlobId,
    size: u64,
    hasher: Hasher,
    failed: Option<Fault>,
}

impl Receiving for MemoryReceiving {
    fn offset(&self) -> u64 {
        self.hasher.hashed()
    }

    fn write(&mut self, parts: &[&[u8]]) -> Result<(), Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        parts
            .iter()
            .try_for_each(|part| self.put(part))
            .inspect_err(|fault| self.failed = Some(fault.clone()))
    }

    fn sync(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn finish(&mut self, hash: &[u8; 32]) -> Result<(), Unfinished> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone().into());
        }
        let mut last = Vec::new();
        let made = self.hasher.clone().finish(|pair| last.push(pair));
        if made != Some(*hash) {
            return Err(Unfinished::NotIt);
        }
        let mut state = guard(&self.state);
        let held = state.blobs.get_mut(&self.blob);
        let held = held.ok_or_else(|| lost(self.blob))?;
        if (held.pairs.len() as u64) < crate::tree::pairs(self.size) {
            held.pairs.append(&mut last);
        }
        Ok(())
    }
}

impl MemoryReceiving {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let more = bytes.len() as u64;
        if more > self.size - self.offset() {
            return Err(Fault::Io("more bytes than the blob has".to_owned()));
        }
        let mut state = guard(&self.state);
        if state.held + more > state.limit {
            let text = "this server keeps files in memory, and that is full";
            return Err(Fault::Full(text.to_owned()));
        }
        state.held += more;
        let held = state.blobs.get_mut(&self.blob);
        let held = held.ok_or_else(|| lost(self.blob))?;
        held.bytes.extend_from_slice(bytes);
        let pairs = &mut held.pairs;
        self.hasher.update(bytes, |pair| pairs.push(pair));
        Ok(())
    }
}

struct MemoryContent {
    state: Arc<Mutex<State>>,
    blob: BlobId,
}

impl Content for MemoryContent {
    fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Fault> {
        let state = guard(&self.state);
        let held = state.blobs.get(&self.blob);
        let part = held.and_then(|blob| {
            let start = usize::try_from(offset).ok()?;
            blob.bytes.get(start..start.checked_add(out.len())?)
        });
        out.copy_from_slice(part.ok_or_else(|| lost(self.blob))?);
        Ok(())
    }

    fn pairs(&mut self, places: &[u64]) -> Result<Vec<HashPair>, Fault> {
        let state = guard(&self.state);
        let held = state.blobs.get(&self.blob);
        let pair = |place: &u64| {
            let at = usize::try_from(*place).ok()?;
            held?.pairs.get(at).copied()
        };
        let pairs: Option<Vec<HashPair>> = places.iter().map(pair).collect();
        pairs.ok_or_else(|| lost(self.blob))
    }
}

fn lost(blob: BlobId) -> Fault {
    Fault::Damaged(format!("blob {blob} is gone"))
}
