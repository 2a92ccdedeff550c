//! The head of a frame: length, tag, request id.

use serde::Serialize;

use super::tag::{CRITICAL, FrameKind, REQUEST, Sender};
use super::{TooLarge, codec};
use crate::error::Violation;
use crate::id::RequestId;
use crate::limits;

/// A frame whose head is read.
pub(super) struct Frame<'a> {
    pub(super) tag: u16,
    pub(super) request: RequestId,
    pub(super) body: &'a [u8],
}

/// Whether this version knows a frame.
pub(super) enum Known {
    Yes(&'static FrameKind),
    Skip,
}

impl<'a> Frame<'a> {
    /// Takes one whole frame apart.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Violation> {
        if bytes.len() > limits::FRAME_BYTES {
            return Err(Violation::Oversized);
        }
        let (length, rest) = bytes.split_first_chunk().ok_or(Violation::Malformed)?;
        if usize::from(u16::from_be_bytes(*length)) != rest.len() {
            return Err(Violation::Malformed);
        }
        let (tag, rest) = rest.split_first_chunk().ok_or(Violation::Malformed)?;
        let tag = u16::from_be_bytes(*tag);
        if tag & REQUEST == 0 {
            let request = RequestId(0);
            return Ok(Self {
                tag,
                request,
                body: rest,
            });
        }
        let (request, body) = rest.split_first_chunk().ok_or(Violation::Malformed)?;
        let request = RequestId(u32::from_be_bytes(*request));
        Ok(Self { tag, request, body })
    }

    /// Looks the tag up, for what comes from `sender`.
    pub(super) fn kind(&self, sender: Sender) -> Result<Known, Violation> {
        let Some(kind) = FrameKind::find(self.tag) else {
            return if self.tag & CRITICAL == 0 {
                Ok(Known::Skip)
            } else {
                Err(Violation::Unsupported)
            };
        };
        // The two upper bits belong to the tag: a peer that has them otherwise does not mean this.
        if kind.tag != self.tag {
            return Err(Violation::Malformed);
        }
        if kind.sender != Sender::Both && kind.sender != sender {
            return Err(Violation::Unexpected);
        }
        Ok(Known::Yes(kind))
    }
}

/// The request id of a frame that has one.
#[must_use]
pub fn request_of(frame: &[u8]) -> Option<RequestId> {
    let frame = Frame::open(frame).ok()?;
    (frame.tag & REQUEST != 0).then_some(frame.request)
}

/// Appends a frame; on an error `out` is as it was.
pub(super) fn append(
    out: &mut Vec<u8>,
    tag: u16,
    request: RequestId,
    body: &impl Serialize,
) -> Result<(), TooLarge> {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&tag.to_be_bytes());
    if tag & REQUEST != 0 {
        out.extend_from_slice(&request.0.to_be_bytes());
    }
    let written = codec::append(body, out);
    let total = out.len() - start;
    if written.is_err() || total > limits::FRAME_BYTES {
        out.truncate(start);
        return Err(TooLarge);
    }
    if let Some(length) = out.get_mut(start..start + LENGTH_BYTES) {
        length.copy_from_slice(&length_of(total));
    }
    Ok(())
}

/// The length field of a frame of so many bytes, which counts what follows it.
pub(super) fn length_of(total: usize) -> [u8; LENGTH_BYTES] {
    // A frame is at most 60 KiB, checked by whoever calls.
    (total.saturating_sub(LENGTH_BYTES) as u16).to_be_bytes()
}

/// Bytes of the length field.
pub(super) const LENGTH_BYTES: usize = 2;
