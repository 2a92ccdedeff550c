//! What the hub wants done with the bytes of files, and what it hears of that.

use crate::id::{BlobId, LinkId, RequestId, Ticket};
use crate::port::{Fault, Unfinished};

/// Something to be done with the bytes of files.
#[derive(Debug)]
pub enum FileWork {
    /// Receive a blob, or go on with it, and let chunks of this transfer come. [`FileNews::Opened`]
    /// answers.
    Receive {
        /// For the answer.
        ticket: Ticket,
        /// Over which link.
        link: LinkId,
        /// The request that began it.
        transfer: RequestId,
        /// Which blob.
        blob: BlobId,
        /// Bytes of it.
        size: u64,
    },
    /// After the chunks that came so far: prove the blob and make it durable. [`FileNews::Finished`]
    /// answers.
    Finish {
        /// For the answer.
        ticket: Ticket,
        /// Which blob.
        blob: BlobId,
        /// What its bytes should give.
        hash: [u8; 32],
    },
    /// Take no more chunks of this blob, and keep what came.
    Suspend(BlobId),
    /// The blob became an entry: what is read of it meanwhile will be whole.
    Named {
        /// Which blob.
        blob: BlobId,
        /// What its bytes give.
        hash: [u8; 32],
    },
    /// Remove a content that nothing names, or an upload that was given up.
    Remove(BlobId),
    /// Open a content to be read by this transfer. [`FileNews::Located`] answers.
    Open {
        /// For the answer.
        ticket: Ticket,
        /// Over which link.
        link: LinkId,
        /// The request that began it.
        transfer: RequestId,
        /// What is read.
        content: FetchContent,
        /// From here on.
        offset: u64,
        /// Up to here.
        end: u64,
        /// Bytes that may be under way.
        window: u32,
    },
    /// Let the pieces of a transfer go.
    Start(LinkId, RequestId),
    /// No more pieces or chunks of a transfer.
    Stop(LinkId, RequestId),
}

/// What a transfer reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FetchContent {
    /// The blob that holds the bytes.
    pub blob: BlobId,
    /// Bytes of it.
    pub size: u64,
    /// What its bytes give; `None` while it is being received.
    pub hash: Option<[u8; 32]>,
}

/// What became of it.
#[derive(Debug)]
pub enum FileNews {
    /// For [`FileWork::Receive`]: chunks may come from this byte on.
    Opened(Ticket, Result<u64, Fault>),
    /// For [`FileWork::Finish`].
    Finished(Ticket, Result<(), Unfinished>),
    /// A blob could not be written on; no more chunks of it are taken.
    Failed(BlobId, Fault),
    /// For [`FileWork::Open`].
    Located(Ticket, Result<(), Fault>),
    /// All pieces of a transfer were sent, or an error was.
    Ended(LinkId, RequestId),
    /// A content is not what it was.
    Damaged(BlobId),
}
