//! Contents that a backup is about to copy.

use std::sync::Arc;

use super::lock;
use crate::driver::server::Shared;
use crate::id::BlobId;

/// While there is one of these, contents that nothing names any more stay on the disk: an entry that is
/// deleted while a backup is made still stands in the copy of the log.
pub(crate) struct Keep(Arc<Shared>);

/// What is to be removed later.
#[derive(Default)]
pub(super) struct Kept {
    keepers: usize,
    /// As many as are deleted in the time of a backup, 16 bytes each; after a crash they are found like all
    /// that nothing names.
    contents: Vec<BlobId>,
}

impl Kept {
    /// Whether this one is removed later.
    pub(super) fn keeps(&mut self, content: BlobId) -> bool {
        let keeps = self.keepers > 0;
        if keeps {
            self.contents.push(content);
        }
        keeps
    }
}

impl Keep {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        lock(&shared.files.kept).keepers += 1;
        Self(Arc::clone(shared))
    }

    /// What was to be removed since then.
    pub(crate) fn contents(&self) -> Vec<BlobId> {
        lock(&self.0.files.kept).contents.clone()
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        let gone = {
            let mut kept = lock(&self.0.files.kept);
            kept.keepers -= 1;
            match kept.keepers {
                0 => std::mem::take(&mut kept.contents),
                _ => Vec::new(),
            }
        };
        for content in gone {
            self.0.remove_blob(content);
        }
    }
}
