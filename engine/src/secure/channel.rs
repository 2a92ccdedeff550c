//! What a handshake leaves: a key for each direction.

use std::fmt;

use snow::{HandshakeState, TransportState};

use super::orion::HASH_BYTES;
use crate::error::{Error, Violation};
use crate::limits;

/// Bytes that sealing adds to the content.
pub const TAG_BYTES: usize = 16;

/// Seals and opens records.
///
/// A record is its length (two bytes, big-endian) and one Noise transport message. Each direction has
/// a key of its own and counts its records, so that none can be dropped, repeated or moved.
pub struct Channel {
    noise: TransportState,
    hash: [u8; HASH_BYTES],
}

impl Channel {
    /// Takes what a finished handshake knows.
    pub(super) fn new(noise: HandshakeState) -> Result<Self, Violation> {
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(
            noise
                .get_handshake_hash()
                .get(..HASH_BYTES)
                .ok_or(Violation::Handshake)?,
        );
        let noise = noise
            .into_transport_mode()
            .map_err(|_| Violation::Handshake)?;
        Ok(Self { noise, hash })
    }

    /// Appends one record with this content to `out`.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] above [`limits::RECORD_BYTES`], or after 2^64 records; `out` is unchanged.
    pub fn seal(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let cannot = || Error::Internal("a record cannot be sealed".to_owned());
        if content.len() > limits::RECORD_BYTES {
            return Err(cannot());
        }
        let start = out.len();
        let length = content.len() + TAG_BYTES;
        out.extend_from_slice(&(length as u16).to_be_bytes());
        let body = out.len();
        out.resize(body + length, 0);
        let written = out
            .get_mut(body..)
            .and_then(|place| self.noise.write_message(content, place).ok());
        if written != Some(length) {
            out.truncate(start);
            return Err(cannot());
        }
        Ok(())
    }

    /// Appends the content of a record, its length not included, to `out`.
    ///
    /// # Errors
    ///
    /// [`Violation::Integrity`] when it is not the next record as it was sealed; `out` is unchanged.
    pub fn open(&mut self, record: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        let start = out.len();
        let length = record
            .len()
            .checked_sub(TAG_BYTES)
            .ok_or(Violation::Integrity)?;
        out.resize(start + length, 0);
        let read = out
            .get_mut(start..)
            .and_then(|place| self.noise.read_message(record, place).ok());
        if read != Some(length) {
            out.truncate(start);
            return Err(Violation::Integrity);
        }
        Ok(())
    }

    /// From the next record on, seals with a new key. The count of records goes on.
    pub fn rekey_outgoing(&mut self) {
        self.noise.rekey_outgoing();
    }

    /// From the next record on, opens with a new key.
    pub fn rekey_incoming(&mut self) {
        self.noise.rekey_incoming();
    }

    /// How many records were sealed.
    #[must_use]
    pub fn records_sealed(&self) -> u64 {
        self.noise.sending_nonce()
    }

    /// A hash of everything that was said up to here, the same on both sides and different for each
    /// link.
    #[must_use]
    pub const fn handshake_hash(&self) -> &[u8; HASH_BYTES] {
        &self.hash
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("records_sealed", &self.records_sealed())
            .finish_non_exhaustive()
    }
}
