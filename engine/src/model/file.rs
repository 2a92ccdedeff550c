//! Files on their way: what the two ends of a link say about uploads and downloads.

use super::{AccountName, Refusal, Target, UnixTime};
use crate::id::{AccountId, BlobId, ConversationId, RequestId, SendId};

/// Two BLAKE3 chaining values, of the left and the right half of a part of a file.
pub type HashPair = [[u8; 32]; 2];

/// A file that a client wants to send into a conversation.
///
/// The send id names the upload. Whoever asks again with the same one, after a crash of any side,
/// learns where to go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upload {
    /// Where to.
    pub target: Target,
    /// The same id is the same upload, and in the end the same entry.
    pub id: SendId,
    /// What the sender calls the file. Not a path to be trusted.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// For example `image/png`; may be empty.
    pub media_type: String,
}

/// What files a server takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileRules {
    /// Most bytes of one file.
    pub largest: u64,
    /// Most bytes of the files that one account sent and did not delete; `None`: no limit.
    pub per_account: Option<u64>,
    /// Most bytes of all files; `None`: the disk decides.
    pub total: Option<u64>,
    /// Media types that are not taken, like `application/x-msdownload`, or `video/*` for all of them.
    pub refused_types: Vec<String>,
}

impl FileRules {
    /// Whether files of this type are not taken. Clients say what type a file is: this is a house rule,
    /// and no protection.
    #[must_use]
    pub fn refuses(&self, media_type: &str) -> bool {
        let (kind, _) = media_type.split_once(';').unwrap_or((media_type, ""));
        let kind = kind.trim();
        self.refused_types.iter().any(|refused| {
            refused.eq_ignore_ascii_case(kind)
                || refused.strip_suffix("/*").is_some_and(|family| {
                    let (main, _) = kind.split_once('/').unwrap_or((kind, ""));
                    main.eq_ignore_ascii_case(family)
                })
        })
    }
}

impl Default for FileRules {
    fn default() -> Self {
        Self {
            largest: 16 << 30,
            per_account: Some(64 << 30),
            total: None,
            refused_types: Vec::new(),
        }
    }
}

/// An upload that is not done, as a server remembers it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingUpload {
    /// What the file is called here.
    pub blob: BlobId,
    /// Whose it is.
    pub account: AccountId,
    /// What its sender calls it.
    pub id: SendId,
    /// Where it is going.
    pub conversation: ConversationId,
    /// The other account of a direct conversation.
    pub other: Option<AccountId>,
    /// What the sender calls the file.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// For example `image/png`; may be empty.
    pub media_type: String,
    /// When it was last begun or gone on with.
    pub touched: UnixTime,
}

/// An upload may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Uploading {
    /// What the file is called on the server, then and later.
    pub blob: BlobId,
    /// The first byte that the server wants. What is before it survives a crash of the server.
    pub offset: u64,
    /// How many bytes may be under way without having been confirmed.
    pub window: u32,
}

/// A download may begin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fetching {
    /// The first byte that comes: the asked one, rounded down to a whole group.
    pub offset: u64,
    /// The byte after the last one that comes.
    pub end: u64,
    /// Bytes of the whole file.
    pub size: u64,
    /// BLAKE3 of the whole file; `None` while it is still being uploaded. Then the pieces can't be
    /// proven, and only the hash in [`Fetched`] decides.
    pub hash: Option<[u8; 32]>,
    /// What the sender calls the file. Not a path to be trusted.
    pub name: String,
    /// For example `image/png`; may be empty.
    pub media_type: String,
}

/// Bytes of an upload.
#[derive(Clone, Eq, PartialEq)]
pub struct Chunk {
    /// The request that began the upload, on this link.
    pub transfer: RequestId,
    /// Where in the file; right after the chunk before.
    pub offset: u64,
    /// At most [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES) of them.
    pub bytes: Vec<u8>,
}

/// Bytes of a download.
///
/// Of a file whose hash is known each piece is one group of
/// [`GROUP_BYTES`](crate::limits::GROUP_BYTES), the last one of the file may be shorter, and
/// [`Verifier`](crate::tree::Verifier) proves it by the parents. Of a file that is still being uploaded
/// pieces are of any length up to that, and have no parents.
#[derive(Clone, Eq, PartialEq)]
pub struct Piece {
    /// The request that began the download, on this link.
    pub transfer: RequestId,
    /// Where in the file; right after the piece before.
    pub offset: u64,
    /// The nodes of the hash tree on the way down to this group that did not come with an earlier
    /// piece, from the top.
    pub parents: Vec<HashPair>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// All pieces of a download were sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fetched {
    /// The request that began the download, on this link.
    pub transfer: RequestId,
    /// BLAKE3 of the whole file.
    pub hash: [u8; 32],
}

/// The server ended a transfer that had begun.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stopped {
    /// The request that began it, on this link.
    pub transfer: RequestId,
    /// Why, and whether to begin it again.
    pub refusal: Refusal,
}

/// Somebody is sending a file into a conversation; it can be fetched while it comes in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Incoming {
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub blob: BlobId,
    /// Who.
    pub from: AccountName,
    /// What the sender calls the file. Not a path to be trusted.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// For example `image/png`; may be empty.
    pub media_type: String,
    /// The sender gave it up. (If it succeeds, an entry says so.)
    pub is_over: bool,
}

// Contents don't get into a log.
impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk")
            .field("transfer", &self.transfer)
            .field("offset", &self.offset)
            .field("length", &self.bytes.len())
            .finish()
    }
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piece")
            .field("transfer", &self.transfer)
            .field("offset", &self.offset)
            .field("parents", &self.parents.len())
            .field("length", &self.bytes.len())
            .finish()
    }
}
