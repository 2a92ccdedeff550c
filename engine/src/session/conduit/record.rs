//! Records: frames in, sealed bytes out, and back.

use std::time::Duration;

use crate::error::{Error, Violation};
use crate::limits;
use crate::model::Time;
use crate::secure::{Channel, TAG_BYTES};

/// The frame that announces a new key: two bytes follow, tag 3, critical. It is the last one of its
/// record; the next record of that direction is sealed with the new key.
pub const REKEY_FRAME: [u8; 4] = [0x00, 0x02, 0x80, 0x03];

/// When the outgoing direction gets a new key.
#[derive(Debug)]
pub(super) struct Rekey {
    /// After this many records.
    pub(super) records: u64,
    /// After this time.
    pub(super) after: Duration,
    /// The first of them with the present key.
    first_record: u64,
    since: Time,
}

impl Rekey {
    /// As the limits say, from now on.
    pub(super) const fn new(now: Time) -> Self {
        Self {
            records: limits::REKEY_RECORDS,
            after: limits::REKEY_AFTER,
            first_record: 0,
            since: now,
        }
    }

    /// Seals one record and empties `content`; announces a new key in it when it is time.
    pub(super) fn seal(
        &mut self,
        channel: &mut Channel,
        content: &mut Vec<u8>,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        let is_due = self.is_due(channel, now);
        if is_due {
            content.extend_from_slice(&REKEY_FRAME);
        }
        channel.seal(content, out)?;
        content.clear();
        if is_due {
            channel.rekey_outgoing();
            self.first_record = channel.records_sealed();
            self.since = now;
        }
        Ok(())
    }

    /// Seals a frame that fills a record, which saves a copy of it.
    pub(super) fn seal_alone(
        &mut self,
        channel: &mut Channel,
        frame: &[u8],
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        if self.is_due(channel, now) {
            return self.seal(channel, &mut frame.to_vec(), out, now);
        }
        channel.seal(frame, out)
    }

    /// Whether the next record is the last one with this key.
    fn is_due(&self, channel: &Channel, now: Time) -> bool {
        let sealed = channel.records_sealed() - self.first_record;
        sealed + 1 >= self.records || now.since(self.since) >= self.after
    }
}

/// Opens the first record of these bytes, appends its frames, and says how many bytes it had; `None`
/// while more of it is missing.
pub(super) fn open_record(
    channel: &mut Channel,
    bytes: &[u8],
    frame_limit: usize,
    frames: &mut Vec<u8>,
) -> Result<Option<usize>, Violation> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length < TAG_BYTES {
        return Err(Violation::Integrity);
    }
    if length > record_limit(frame_limit) + TAG_BYTES {
        return Err(Violation::Oversized);
    }
    let Some(record) = rest.get(..length) else {
        return Ok(None);
    };
    let start = frames.len();
    channel.open(record, frames)?;
    let content = frames.get(start..).unwrap_or_default();
    match check_content(content, frame_limit) {
        Ok(false) => {}
        Ok(true) => {
            channel.rekey_incoming();
            frames.truncate(frames.len() - REKEY_FRAME.len());
        }
        Err(violation) => {
            frames.truncate(start);
            return Err(violation);
        }
    }
    Ok(Some(2 + length))
}

/// How many bytes a record lacks whose beginning this is; at first those of its length.
pub(super) fn missing_of(bytes: &[u8]) -> usize {
    let length = match bytes.first_chunk() {
        Some(length) => 2 + usize::from(u16::from_be_bytes(*length)),
        None => 2,
    };
    length.saturating_sub(bytes.len()).max(1)
}

/// Whether a record's content, which must be whole frames, ends with the announcement of a new key.
fn check_content(mut content: &[u8], frame_limit: usize) -> Result<bool, Violation> {
    loop {
        let (frame, rest) = split_frame(content).ok_or(Violation::Malformed)?;
        if frame.len() > frame_limit {
            return Err(Violation::Oversized);
        }
        let is_rekey = frame.get(2..4) == REKEY_FRAME.get(2..);
        if is_rekey && (frame != REKEY_FRAME || !rest.is_empty()) {
            return Err(Violation::Malformed);
        }
        if rest.is_empty() {
            return Ok(is_rekey);
        }
        content = rest;
    }
}

/// The first frame of these bytes, if it is whole and has a tag, and what follows it.
pub(super) fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
    if length < 2 {
        return None;
    }
    bytes.split_at_checked(2 + length)
}

/// Most bytes of a record's content where frames have at most this many. Once frames may have their
/// full size, other programs may also pack them into records of full size.
const fn record_limit(frame_limit: usize) -> usize {
    if frame_limit < limits::FRAME_BYTES {
        frame_limit + REKEY_FRAME.len()
    } else {
        limits::RECORD_BYTES
    }
}
