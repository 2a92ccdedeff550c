//! What a hook is shown, in one block of memory: made once per event, shared by all that see it, and the
//! same bytes on the way to a helper.

use std::ffi::c_char;
use std::ptr;

use chat_plugin_abi as abi;

use crate::limits;

/// Texts of an event, in the order of the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    Conversation,
    Room,
    From,
    To,
    Id,
    Text,
    Name,
    Args,
    Address,
    MediaType,
    Reason,
}

const FIELDS: usize = 11;
/// Bytes before the texts.
const HEAD_BYTES: usize = 3 * 4 + 7 * 8 + 8 * FIELDS;
/// Room for names and identifiers.
const SHORT_BYTES: usize = 160;
/// What stands in place of an offset where there is no text.
const NONE: u32 = u32::MAX;

/// Numbers of an event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) hook: u32,
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) time_ms: u64,
    pub(crate) seq: u64,
    pub(crate) prev: u64,
    pub(crate) target: u64,
    pub(crate) account: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped: u64,
}

/// An event with its texts.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) numbers: Numbers,
    /// Where each text begins in `texts`, and its length; it ends with a NUL.
    spans: [(u32, u32); FIELDS],
    texts: Vec<u8>,
}

impl Shown {
    pub(crate) fn new(numbers: Numbers) -> Self {
        Self::with_room(numbers, 0)
    }

    /// With room for so many bytes of long texts, so that the block is made in one piece.
    pub(crate) fn with_room(numbers: Numbers, bytes: usize) -> Self {
        Self {
            numbers,
            spans: [(NONE, 0); FIELDS],
            texts: Vec::with_capacity(SHORT_BYTES + bytes),
        }
    }

    /// Becomes another event, in the same block of memory.
    pub(crate) fn begin_anew(&mut self, numbers: Numbers) {
        self.numbers = numbers;
        self.spans = [(NONE, 0); FIELDS];
        self.texts.clear();
    }

    /// Whether its block may be kept for another event.
    pub(crate) fn is_small(&self) -> bool {
        self.texts.capacity() <= limits::BLANK_BYTES
    }

    /// Adds a text; a NUL in it is shown as U+FFFD, since it would end it.
    pub(crate) fn put(&mut self, field: Field, text: &str) {
        let offset = self.texts.len();
        match text.contains('\0') {
            false => self.texts.extend_from_slice(text.as_bytes()),
            true => self
                .texts
                .extend_from_slice(text.replace('\0', "\u{fffd}").as_bytes()),
        }
        let length = self.texts.len() - offset;
        self.texts.push(0);
        self.spans[field as usize] = (offset as u32, length as u32);
    }

    /// Adds an identifier in hexadecimal digits.
    pub(crate) fn put_hex(&mut self, field: Field, id: &[u8; 16]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let offset = self.texts.len();
        // The last one stays a NUL.
        let mut digits = [0; 33];
        for (two, byte) in digits.chunks_exact_mut(2).zip(id) {
            two[0] = DIGITS[usize::from(byte >> 4)];
            two[1] = DIGITS[usize::from(byte & 15)];
        }
        self.texts.extend_from_slice(&digits);
        self.spans[field as usize] = (offset as u32, 32);
    }

    #[must_use]
    pub(crate) fn with(mut self, field: Field, text: &str) -> Self {
        self.put(field, text);
        self
    }

    pub(crate) fn text(&self, field: Field) -> Option<&str> {
        let (offset, length) = self.spans[field as usize];
        if offset == NONE {
            return None;
        }
        let bytes = self.texts.get(offset as usize..)?.get(..length as usize)?;
        std::str::from_utf8(bytes).ok()
    }

    /// As the contract lays it out, with what these capabilities allow. The pointers live as long as
    /// this is neither moved out of its place on the heap (`texts`) nor changed.
    pub(crate) fn raw(&self, capabilities: u64) -> abi::chat_plugin_event {
        let pointer = |field: Field| -> *const c_char {
            let (offset, _) = self.spans[field as usize];
            match self.texts.get(offset as usize..) {
                Some(text) if offset != NONE => text.as_ptr().cast(),
                _ => ptr::null(),
            }
        };
        let allowed = |capability: u64, field: Field| match capabilities & capability {
            0 => ptr::null(),
            _ => pointer(field),
        };
        let text = allowed(abi::CHAT_CAP_READ_TEXT, Field::Text);
        abi::chat_plugin_event {
            size: size_of::<abi::chat_plugin_event>() as u32,
            hook: self.numbers.hook,
            kind: self.numbers.kind,
            flags: self.numbers.flags,
            time_ms: self.numbers.time_ms,
            seq: self.numbers.seq,
            prev: self.numbers.prev,
            target: self.numbers.target,
            account: self.numbers.account,
            bytes: self.numbers.bytes,
            dropped: self.numbers.dropped,
            conversation: pointer(Field::Conversation),
            room: pointer(Field::Room),
            from: pointer(Field::From),
            to: pointer(Field::To),
            id: pointer(Field::Id),
            text,
            text_len: match text.is_null() {
                true => 0,
                false => u64::from(self.spans[Field::Text as usize].1),
            },
            name: pointer(Field::Name),
            args: pointer(Field::Args),
            address: allowed(abi::CHAT_CAP_ADDRESS, Field::Address),
            media_type: pointer(Field::MediaType),
            reason: pointer(Field::Reason),
        }
    }

    /// Appends the bytes for a helper. What the capabilities don't allow does not leave the server.
    pub(crate) fn encode(&self, capabilities: u64, out: &mut Vec<u8>) {
        let n = &self.numbers;
        let mut head = [0; HEAD_BYTES];
        let (words, rest) = head.split_at_mut(3 * 4);
        for (place, number) in words.chunks_exact_mut(4).zip([n.hook, n.kind, n.flags]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let (longs, spans) = rest.split_at_mut(7 * 8);
        let numbers = [
            n.time_ms, n.seq, n.prev, n.target, n.account, n.bytes, n.dropped,
        ];
        for (place, number) in longs.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        for (place, (offset, length)) in spans.chunks_exact_mut(8).zip(self.spans) {
            let span = u64::from(length) << 32 | u64::from(offset);
            place.copy_from_slice(&span.to_le_bytes());
        }
        out.reserve(HEAD_BYTES + self.texts.len());
        out.extend_from_slice(&head);
        let texts = out.len();
        let spans = texts - 8 * FIELDS;
        out.extend_from_slice(&self.texts);
        let withheld = [
            (abi::CHAT_CAP_READ_TEXT, Field::Text),
            (abi::CHAT_CAP_ADDRESS, Field::Address),
        ];
        for (capability, field) in withheld {
            let (offset, length) = self.spans[field as usize];
            if capabilities & capability == 0 && offset != NONE {
                let at = spans + 8 * field as usize;
                out[at..at + 4].copy_from_slice(&NONE.to_le_bytes());
                let begin = texts + offset as usize;
                out[begin..begin + length as usize].fill(0);
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.split_at_checked(12)?;
        let word = |at: usize| Some(u32::from_le_bytes(words.get(at..at + 4)?.try_into().ok()?));
        let (longs, rest) = rest.split_at_checked(7 * 8)?;
        let long = |at: usize| {
            let bytes = longs.get(8 * at..8 * at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let (spans, texts) = rest.split_at_checked(8 * FIELDS)?;
        let mut shown = Self {
            numbers: Numbers {
                hook: word(0)?,
                kind: word(4)?,
                flags: word(8)?,
                time_ms: long(0)?,
                seq: long(1)?,
                prev: long(2)?,
                target: long(3)?,
                account: long(4)?,
                bytes: long(5)?,
                dropped: long(6)?,
            },
            spans: [(NONE, 0); FIELDS],
            texts: texts.to_vec(),
        };
        for (span, bytes) in shown.spans.iter_mut().zip(spans.chunks_exact(8)) {
            let (offset, length) = bytes.split_at(4);
            let offset = u32::from_le_bytes(offset.try_into().ok()?);
            let length = u32::from_le_bytes(length.try_into().ok()?);
            if offset == NONE {
                continue;
            }
            // The NUL behind it is what makes the pointer safe to hand out.
            let end = (offset as usize).checked_add(length as usize)?;
            if shown.texts.get(end) != Some(&0) {
                return None;
            }
            *span = (offset, length);
        }
        Some(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Shown {
        let numbers = Numbers {
            hook: 3,
            kind: 1,
            seq: 7,
            ..Numbers::default()
        };
        Shown::new(numbers)
            .with(Field::Room, "lobby")
            .with(Field::Text, "hé\0llo")
            .with(Field::Address, "::1")
    }

    #[test]
    fn events_come_back_from_their_bytes_with_what_is_allowed() {
        let mut bytes = Vec::new();
        sample().encode(u64::MAX, &mut bytes);
        let read = Shown::decode(&bytes).unwrap();
        assert_eq!(read.numbers, sample().numbers);
        assert_eq!(read.text(Field::Room), Some("lobby"));
        assert_eq!(read.text(Field::Text), Some("hé\u{fffd}llo"));
        assert_eq!(read.text(Field::To), None);

        bytes.clear();
        sample().encode(0, &mut bytes);
        let read = Shown::decode(&bytes).unwrap();
        assert_eq!(read.text(Field::Room), Some("lobby"));
        assert_eq!(read.text(Field::Text), None);
        assert!(!bytes.windows(3).any(|three| three == "llo".as_bytes()));
        assert!(!bytes.windows(3).any(|three| three == "::1".as_bytes()));
    }

    #[test]
    fn damaged_bytes_are_no_event() {
        let mut bytes = Vec::new();
        sample().encode(u64::MAX, &mut bytes);
        for length in 0..bytes.len() {
            // Cut in the texts, the last NUL is missing.
            assert!(Shown::decode(&bytes[..length]).is_none(), "{length}");
        }
        for at in 68..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                // Whatever it is: each text that is handed out ends.
                if let Some(shown) = Shown::decode(&broken) {
                    let _ = shown.raw(u64::MAX);
                    for (offset, length) in shown.spans {
                        let end = offset as usize + length as usize;
                        assert!(offset == NONE || shown.texts[end] == 0);
                    }
                }
            }
        }
    }
}
