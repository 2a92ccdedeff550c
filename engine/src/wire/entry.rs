//! Entries off the wire by hand, as clients read little else: the general decoder takes an id byte by byte.

use std::sync::Arc;

use crate::id::{AccountId, ConversationId, SendId, Seq};
use crate::model::{AccountName, Body, Entry, Extensions, Kind, UnixTime};

/// Reads the body of an entry's frame if it is one as nearly all are. `None` leaves the judgement to the
/// general decoder, which finds the same wherever this one finds anything.
pub(super) fn read_usual(body: &[u8]) -> Option<Arc<Entry>> {
    let mut rest = Rest(body);
    let conversation = ConversationId(*rest.chunk()?);
    let seq = rest.seq()?;
    let prev = rest.seq()?;
    let id = SendId(*rest.chunk()?);
    let from = AccountId(rest.number()?);
    let from_name = AccountName::stored(std::str::from_utf8(rest.bytes()?).ok()?)?;
    let time = UnixTime(rest.number()?);
    let kind = match rest.byte()? {
        byte @ 0..LONG => Kind(u16::from(byte)),
        _ => return None,
    };
    let target = match rest.byte()? {
        0 => None,
        1 => Some(rest.seq()?),
        _ => return None,
    };
    if rest.byte()? != 0 {
        return None;
    }
    let data = rest.bytes()?;
    // No extensions, neither of the entry nor of the frame, and nothing behind them.
    if rest.0 != [0, 0] {
        return None;
    }
    Some(Arc::new(Entry {
        conversation,
        seq,
        prev,
        id,
        from,
        from_name,
        time,
        body: Body {
            kind,
            target,
            blob: None,
            data: data.to_vec(),
            extensions: Extensions::default(),
        },
    }))
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn chunk<const BYTES: usize>(&mut self) -> Option<&'a [u8; BYTES]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn byte(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[byte]| *byte)
    }

    fn number(&mut self) -> Option<u64> {
        Some(match self.byte()? {
            byte @ 0..LONG => u64::from(byte),
            LONG => u64::from(u16::from_le_bytes(*self.chunk()?)),
            252 => u64::from(u32::from_le_bytes(*self.chunk()?)),
            253 => u64::from_le_bytes(*self.chunk()?),
            _ => return None,
        })
    }

    fn seq(&mut self) -> Option<Seq> {
        self.number().map(Seq).filter(|seq| *seq <= Seq::MAX)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// From here on, a number's first byte says how many follow.
const LONG: u8 = 251;
