//! How a struct becomes bytes: bincode 2, `standard()`. The only file that names it.

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::{SizeWriter, Writer};
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};

use super::TooLarge;
use crate::error::Violation;
use crate::limits::FRAME_BYTES;

/// Appends a body; a failed one leaves `out` with a part of it.
pub(super) fn append(body: &impl Serialize, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    bincode::serde::encode_into_writer(body, Tail(out), CONFIG).map_err(|_| TooLarge)
}

/// How many bytes a body takes.
pub(super) fn size(body: &impl Serialize) -> Result<usize, TooLarge> {
    let mut counter = SizeWriter::default();
    bincode::serde::encode_into_writer(body, &mut counter, CONFIG).map_err(|_| TooLarge)?;
    Ok(counter.bytes_written)
}

/// Fills `out` with a body that has exactly this size.
pub(super) fn fill(body: &impl Serialize, out: &mut [u8]) -> Result<(), TooLarge> {
    match bincode::serde::encode_into_slice(body, out, CONFIG) {
        Ok(written) if written == out.len() => Ok(()),
        _ => Err(TooLarge),
    }
}

/// Reads a body, which must be all of `bytes`. Texts in it are borrowed.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Violation> {
    match bincode::serde::borrow_decode_from_slice(bytes, CONFIG) {
        // The decoder does not mind bytes that are left over; they would hide a difference
        // between two versions of a struct.
        Ok((body, used)) if used == bytes.len() => Ok(body),
        _ => Err(Violation::Malformed),
    }
}

/// The decoder charges a number of one byte as the eight that it may take, so a good frame can cost
/// up to nine times its length. What it really reads ends with the frame in any case.
const DECODE_LIMIT: usize = 16 * FRAME_BYTES;

const CONFIG: Configuration<LittleEndian, Varint, Limit<DECODE_LIMIT>> =
    config::standard().with_limit::<DECODE_LIMIT>();

struct Tail<'a>(&'a mut Vec<u8>);

impl Writer for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
