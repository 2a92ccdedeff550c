//! One event.

use std::ffi::c_char;
use std::sync::Arc;

use crate::api::event::{chat_event_type, chat_flags};
use crate::status::{CHAT_OK, chat_status};

/// What an event may say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    Account,
    Blob,
    Change,
    Conversation,
    Count,
    Delivered,
    Device,
    Devices,
    Epoch,
    Fingerprint,
    From,
    Hash,
    Head,
    KnownFingerprint,
    Label,
    MediaType,
    Members,
    Mentions,
    Message,
    Name,
    Next,
    Place,
    Presence,
    Prev,
    Read,
    Reason,
    RetryMs,
    Role,
    SeenMs,
    SendId,
    Seq,
    Size,
    Target,
    Text,
    TimeMs,
    Transferred,
    Unread,
    UntilMs,
}

/// What it says.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// With a NUL at its end.
    Text(Box<[u8]>),
    Bytes(Box<[u8]>),
    Number(u64),
}

/// An event, or an item of a list in one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) kind: chat_event_type,
    pub(crate) request: u64,
    pub(crate) status: chat_status,
    pub(crate) flags: chat_flags,
    fields: Vec<(Field, Value)>,
    items: Vec<Arc<Self>>,
    json: String,
}

impl Record {
    pub(crate) fn new(kind: chat_event_type) -> Self {
        Self {
            kind,
            status: CHAT_OK,
            ..Self::default()
        }
    }

    pub(crate) fn request(mut self, request: u64) -> Self {
        self.request = request;
        self
    }

    pub(crate) fn status(mut self, status: chat_status) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn flag(mut self, flag: chat_flags, set: bool) -> Self {
        if set {
            self.flags |= flag;
        }
        self
    }

    /// A text; an empty one is as good as none.
    pub(crate) fn with(mut self, field: Field, text: &str) -> Self {
        if !text.is_empty() {
            let mut bytes = Vec::with_capacity(text.len() + 1);
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
            self.fields.push((field, Value::Text(bytes.into())));
        }
        self
    }

    pub(crate) fn with_bytes(mut self, field: Field, bytes: &[u8]) -> Self {
        self.fields.push((field, Value::Bytes(bytes.into())));
        self
    }

    pub(crate) fn with_number(mut self, field: Field, number: u64) -> Self {
        self.fields.push((field, Value::Number(number)));
        self
    }

    pub(crate) fn with_items(mut self, items: impl IntoIterator<Item = Self>) -> Self {
        self.items = items.into_iter().map(Arc::new).collect();
        self
    }

    /// Its line of JSON. Items get theirs of it.
    pub(crate) fn with_json(mut self, json: String) -> Self {
        self.json = json;
        self
    }

    /// The same reason and message as another one.
    pub(crate) fn explained_by(mut self, other: &Self) -> Self {
        let says_why = |field: &Field| matches!(field, Field::Reason | Field::Message);
        self.fields.retain(|(field, _)| !says_why(field));
        let why = other.fields.iter().filter(|(field, _)| says_why(field));
        self.fields.extend(why.cloned());
        self
    }

    /// Borrowed from the record: it does not change any more, and lives until its handle is freed.
    pub(crate) fn text(&self, field: Field) -> *const c_char {
        match self.find(field) {
            Some(Value::Text(bytes)) => bytes.as_ptr().cast(),
            _ => c"".as_ptr(),
        }
    }

    pub(crate) fn text_len(&self, field: Field) -> usize {
        match self.find(field) {
            Some(Value::Text(bytes)) => bytes.len() - 1,
            _ => 0,
        }
    }

    pub(crate) fn bytes(&self, field: Field) -> *const u8 {
        match self.find(field) {
            Some(Value::Bytes(bytes)) => bytes.as_ptr(),
            _ => std::ptr::null(),
        }
    }

    pub(crate) fn bytes_len(&self, field: Field) -> usize {
        match self.find(field) {
            Some(Value::Bytes(bytes)) => bytes.len(),
            _ => 0,
        }
    }

    pub(crate) fn number(&self, field: Field) -> u64 {
        match self.find(field) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }

    pub(crate) fn number_u32(&self, field: Field) -> u32 {
        u32::try_from(self.number(field)).unwrap_or(u32::MAX)
    }

    pub(crate) fn number_i64(&self, field: Field) -> i64 {
        i64::try_from(self.number(field)).unwrap_or(i64::MAX)
    }

    pub(crate) fn number_i32(&self, field: Field) -> i32 {
        i32::try_from(self.number(field)).unwrap_or(i32::MAX)
    }

    pub(crate) fn item_count(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn item(&self, index: usize) -> Option<Arc<Self>> {
        self.items.get(index).cloned()
    }

    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    fn find(&self, field: Field) -> Option<&Value> {
        let found = self.fields.iter().find(|(name, _)| *name == field);
        found.map(|(_, value)| value)
    }
}
