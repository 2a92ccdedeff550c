//! Files: requests and answers about transfers, and the frames that carry the bytes.

use serde::{Deserialize, Serialize};

use super::frame::{self, Frame};
use super::part::{Ext, List, TargetPart, account_name, bytes};
use super::{TooLarge, codec, tag};
use crate::error::Violation;
use crate::id::{BlobId, ConversationId, RequestId, SendId};
use crate::limits;
use crate::model::{
    Chunk, Code, Fetched, Fetching, HashPair, Incoming, Piece, Refusal, Request, Stopped, Upload,
    Uploading,
};

type Appended = Result<(), TooLarge>;

pub(super) fn append_upload(out: &mut Vec<u8>, request: RequestId, upload: &Upload) -> Appended {
    let body = UploadBody {
        target: TargetPart::new(&upload.target),
        id: upload.id,
        name: &upload.name,
        size: upload.size,
        media_type: &upload.media_type,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::UPLOAD, request, &body)
}

pub(super) fn read_upload(frame: &Frame<'_>) -> Result<Upload, Violation> {
    let body: UploadBody<'_> = codec::read(frame.body)?;
    Ok(Upload {
        target: body.target.into_model()?,
        id: body.id,
        name: body.name.to_owned(),
        size: body.size,
        media_type: body.media_type.to_owned(),
    })
}

pub(super) fn append_finish(
    out: &mut Vec<u8>,
    request: RequestId,
    transfer: RequestId,
    hash: [u8; 32],
) -> Appended {
    let body = HashBody {
        transfer,
        hash,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::FINISH, request, &body)
}

pub(super) fn read_finish(frame: &Frame<'_>) -> Result<Request, Violation> {
    let body: HashBody<'_> = codec::read(frame.body)?;
    Ok(Request::Finish {
        transfer: body.transfer,
        hash: body.hash,
    })
}

pub(super) fn append_abandon(out: &mut Vec<u8>, request: RequestId, id: SendId) -> Appended {
    let extensions = Ext::NONE;
    frame::append(out, tag::ABANDON, request, &AbandonBody { id, extensions })
}

pub(super) fn read_abandon(frame: &Frame<'_>) -> Result<Request, Violation> {
    let id = codec::read::<AbandonBody<'_>>(frame.body)?.id;
    Ok(Request::Abandon { id })
}

pub(super) fn append_fetch(
    out: &mut Vec<u8>,
    request: RequestId,
    blob: BlobId,
    offset: u64,
    length: Option<u64>,
    window: u32,
) -> Appended {
    let body = FetchBody {
        blob,
        offset,
        length,
        window,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::FETCH, request, &body)
}

pub(super) fn read_fetch(frame: &Frame<'_>) -> Result<Request, Violation> {
    let body: FetchBody<'_> = codec::read(frame.body)?;
    Ok(Request::Fetch {
        blob: body.blob,
        offset: body.offset,
        length: body.length,
        window: body.window,
    })
}

pub(super) fn append_uploading(
    out: &mut Vec<u8>,
    request: RequestId,
    uploading: &Uploading,
) -> Appended {
    let body = UploadingBody {
        blob: uploading.blob,
        offset: uploading.offset,
        window: uploading.window,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::UPLOADING, request, &body)
}

pub(super) fn read_uploading(frame: &Frame<'_>) -> Result<Uploading, Violation> {
    let body: UploadingBody<'_> = codec::read(frame.body)?;
    Ok(Uploading {
        blob: body.blob,
        offset: body.offset,
        window: body.window,
    })
}

pub(super) fn append_fetching(
    out: &mut Vec<u8>,
    request: RequestId,
    fetching: &Fetching,
) -> Appended {
    let body = FetchingBody {
        offset: fetching.offset,
        end: fetching.end,
        size: fetching.size,
        hash: fetching.hash,
        name: &fetching.name,
        media_type: &fetching.media_type,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::FETCHING, request, &body)
}

pub(super) fn read_fetching(frame: &Frame<'_>) -> Result<Fetching, Violation> {
    let body: FetchingBody<'_> = codec::read(frame.body)?;
    Ok(Fetching {
        offset: body.offset,
        end: body.end,
        size: body.size,
        hash: body.hash,
        name: body.name.to_owned(),
        media_type: body.media_type.to_owned(),
    })
}

pub(super) fn append_chunk(out: &mut Vec<u8>, chunk: &Chunk) -> Appended {
    out.reserve(chunk.bytes.len() + HEAD_GUESS);
    let body = ChunkBody {
        transfer: chunk.transfer,
        offset: chunk.offset,
        bytes: &chunk.bytes,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::CHUNK, RequestId(0), &body)
}

pub(super) fn read_chunk(frame: &Frame<'_>) -> Result<Chunk, Violation> {
    let body: ChunkBody<'_> = codec::read(frame.body)?;
    if body.bytes.len() > limits::CHUNK_BYTES {
        return Err(Violation::Oversized);
    }
    Ok(Chunk {
        transfer: body.transfer,
        offset: body.offset,
        bytes: body.bytes.to_vec(),
    })
}

/// How far a transfer is, from either side.
pub(super) fn append_progress(
    out: &mut Vec<u8>,
    tag: u16,
    transfer: RequestId,
    upto: u64,
) -> Appended {
    let body = ProgressBody {
        transfer,
        upto,
        extensions: Ext::NONE,
    };
    frame::append(out, tag, RequestId(0), &body)
}

pub(super) fn read_progress(frame: &Frame<'_>) -> Result<(RequestId, u64), Violation> {
    let body: ProgressBody<'_> = codec::read(frame.body)?;
    Ok((body.transfer, body.upto))
}

pub(super) fn append_stop(out: &mut Vec<u8>, transfer: RequestId) -> Appended {
    let extensions = Ext::NONE;
    let body = StopBody {
        transfer,
        extensions,
    };
    frame::append(out, tag::STOP, RequestId(0), &body)
}

pub(super) fn read_stop(frame: &Frame<'_>) -> Result<RequestId, Violation> {
    Ok(codec::read::<StopBody<'_>>(frame.body)?.transfer)
}

pub(super) fn append_piece(out: &mut Vec<u8>, piece: &Piece) -> Appended {
    let Piece {
        transfer,
        offset,
        parents,
        bytes,
    } = piece;
    encode_piece(*transfer, *offset, parents.clone(), bytes, out)
}

/// Appends the frame of a [`ToClient::Piece`](crate::model::ToClient::Piece), whose bytes are copied only
/// here.
///
/// # Errors
///
/// [`TooLarge`] where a piece has more bytes or hash pairs than one may have.
pub fn encode_piece(
    transfer: RequestId,
    offset: u64,
    parents: Vec<HashPair>,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    out.reserve(bytes.len() + parents.len() * size_of::<HashPair>() + HEAD_GUESS);
    let body = PieceBody {
        transfer,
        offset,
        parents: List(parents),
        bytes,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::PIECE, RequestId(0), &body)
}

pub(super) fn read_piece(frame: &Frame<'_>) -> Result<Piece, Violation> {
    let body: PieceBody<'_> = codec::read(frame.body)?;
    if body.bytes.len() > limits::GROUP_BYTES {
        return Err(Violation::Oversized);
    }
    Ok(Piece {
        transfer: body.transfer,
        offset: body.offset,
        parents: body.parents.0,
        bytes: body.bytes.to_vec(),
    })
}

pub(super) fn append_fetched(out: &mut Vec<u8>, fetched: &Fetched) -> Appended {
    let body = HashBody {
        transfer: fetched.transfer,
        hash: fetched.hash,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::FETCHED, RequestId(0), &body)
}

pub(super) fn read_fetched(frame: &Frame<'_>) -> Result<Fetched, Violation> {
    let body: HashBody<'_> = codec::read(frame.body)?;
    Ok(Fetched {
        transfer: body.transfer,
        hash: body.hash,
    })
}

pub(super) fn append_stopped(out: &mut Vec<u8>, stopped: &Stopped) -> Appended {
    let body = StoppedBody {
        transfer: stopped.transfer,
        code: stopped.refusal.code.number(),
        text: &stopped.refusal.text,
        retry_ms: stopped.refusal.retry_ms,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::STOPPED, RequestId(0), &body)
}

pub(super) fn read_stopped(frame: &Frame<'_>) -> Result<Stopped, Violation> {
    let body: StoppedBody<'_> = codec::read(frame.body)?;
    Ok(Stopped {
        transfer: body.transfer,
        refusal: Refusal {
            code: Code::from_number(body.code),
            text: body.text.to_owned(),
            retry_ms: body.retry_ms,
        },
    })
}

pub(super) fn append_incoming(out: &mut Vec<u8>, incoming: &Incoming) -> Appended {
    let body = IncomingBody {
        conversation: incoming.conversation,
        blob: incoming.blob,
        from: incoming.from.as_str(),
        name: &incoming.name,
        size: incoming.size,
        media_type: &incoming.media_type,
        is_over: incoming.is_over,
        extensions: Ext::NONE,
    };
    frame::append(out, tag::INCOMING, RequestId(0), &body)
}

pub(super) fn read_incoming(frame: &Frame<'_>) -> Result<Incoming, Violation> {
    let body: IncomingBody<'_> = codec::read(frame.body)?;
    Ok(Incoming {
        conversation: body.conversation,
        blob: body.blob,
        from: account_name(body.from)?,
        name: body.name.to_owned(),
        size: body.size,
        media_type: body.media_type.to_owned(),
        is_over: body.is_over,
    })
}

/// Most bytes of a chunk or a piece beside its content and its hash pairs: a buffer that is made at once
/// is not moved while it grows.
const HEAD_GUESS: usize = 64;

// The bodies. The order of the fields is the order on the wire.

#[derive(Serialize, Deserialize)]
struct UploadBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    id: SendId,
    name: &'a str,
    size: u64,
    media_type: &'a str,
    extensions: Ext<'a>,
}

/// Finishes an upload, and ends a download.
#[derive(Serialize, Deserialize)]
struct HashBody<'a> {
    transfer: RequestId,
    hash: [u8; 32],
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct AbandonBody<'a> {
    id: SendId,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct FetchBody<'a> {
    blob: BlobId,
    offset: u64,
    length: Option<u64>,
    window: u32,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct UploadingBody<'a> {
    blob: BlobId,
    offset: u64,
    window: u32,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct FetchingBody<'a> {
    offset: u64,
    end: u64,
    size: u64,
    hash: Option<[u8; 32]>,
    name: &'a str,
    media_type: &'a str,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct ChunkBody<'a> {
    transfer: RequestId,
    offset: u64,
    #[serde(serialize_with = "bytes")]
    bytes: &'a [u8],
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct ProgressBody<'a> {
    transfer: RequestId,
    upto: u64,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct StopBody<'a> {
    transfer: RequestId,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct PieceBody<'a> {
    transfer: RequestId,
    offset: u64,
    parents: List<HashPair, { limits::PIECE_PARENTS }>,
    #[serde(serialize_with = "bytes")]
    bytes: &'a [u8],
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct StoppedBody<'a> {
    transfer: RequestId,
    code: u16,
    text: &'a str,
    retry_ms: Option<u32>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct IncomingBody<'a> {
    conversation: ConversationId,
    blob: BlobId,
    from: &'a str,
    name: &'a str,
    size: u64,
    media_type: &'a str,
    is_over: bool,
    extensions: Ext<'a>,
}
