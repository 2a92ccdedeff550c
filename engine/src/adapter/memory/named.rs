//! Which blobs entries name.

use std::collections::BTreeMap;

use crate::id::{AccountId, BlobId, ConversationId, Seq};
use crate::model::{Content, Entry};
use crate::port::Committed;

/// Blobs that entries name, and what was freed since the last look.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    blobs: BTreeMap<BlobId, Naming>,
    bytes: BTreeMap<AccountId, u64>,
    contents: Vec<BlobId>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Naming {
    pub(super) conversation: ConversationId,
    pub(super) seq: Seq,
    /// The blob that holds the content.
    pub(super) content: BlobId,
    account: AccountId,
    hash: [u8; 32],
    size: u64,
    damaged: bool,
}

impl Named {
    pub(super) fn get(&self, blob: BlobId) -> Option<Naming> {
        self.blobs.get(&blob).copied()
    }

    pub(super) fn contents(&self) -> Vec<BlobId> {
        let mut contents: Vec<BlobId> = self.blobs.values().map(|known| known.content).collect();
        contents.sort_unstable();
        contents.dedup();
        contents
    }

    pub(super) fn stored(&self) -> Vec<(AccountId, u64)> {
        let mut stored = BTreeMap::new();
        for known in self.blobs.values() {
            *stored.entry(known.account).or_default() += known.size;
        }
        stored.into_iter().collect()
    }

    /// An entry came into a log.
    pub(super) fn add(&mut self, entry: &Entry) {
        let (Some(blob), Content::File(offer)) = (entry.body.blob, entry.body.content()) else {
            return;
        };
        let mut same = self.blobs.values().filter(|known| known.hash == offer.hash);
        let content = match same.find(|known| !known.damaged) {
            Some(good) => {
                self.contents.push(blob);
                good.content
            }
            None => blob,
        };
        for known in self.blobs.values_mut() {
            if known.hash == offer.hash && known.damaged {
                known.damaged = false;
                if !self.contents.contains(&known.content) {
                    self.contents.push(known.content);
                }
                known.content = content;
            }
        }
        let naming = Naming {
            conversation: entry.conversation,
            seq: entry.seq,
            content,
            account: entry.from,
            hash: offer.hash,
            size: offer.size,
            damaged: false,
        };
        self.blobs.insert(blob, naming);
    }

    /// An entry that named it is gone or blank.
    pub(super) fn end(&mut self, blob: Option<BlobId>) {
        let Some(ended) = blob.and_then(|blob| self.blobs.remove(&blob)) else {
            return;
        };
        *self.bytes.entry(ended.account).or_default() += ended.size;
        let mut others = self.blobs.values();
        if !others.any(|known| known.content == ended.content) {
            self.contents.push(ended.content);
        }
    }

    /// This content is not what it was.
    pub(super) fn distrust(&mut self, content: BlobId) {
        for known in self.blobs.values_mut() {
            known.damaged |= known.content == content;
        }
    }

    /// What to tell about it.
    pub(super) fn take_freed(&mut self) -> Option<Committed> {
        if self.bytes.is_empty() && self.contents.is_empty() {
            return None;
        }
        Some(Committed::Freed {
            bytes: std::mem::take(&mut self.bytes).into_iter().collect(),
            contents: std::mem::take(&mut self.contents),
        })
    }
}
