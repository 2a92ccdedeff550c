//! Writes one JSON object with its fields in the order in which people want to read them.

use std::fmt::{Display, Write};

use jiff::Timestamp;

use crate::model::{Peer, UnixTime};

/// An object that grows field by field.
pub(super) struct Object(String);

impl Object {
    /// An object without fields.
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// A line.
    pub(super) fn of_type(name: &str) -> Self {
        Self::new().text("type", name)
    }

    pub(super) fn text(self, key: &str, value: &str) -> Self {
        // Writing a string to a string has no way to fail.
        let value = serde_json::to_string(value).unwrap_or_default();
        self.raw(key, &value)
    }

    pub(super) fn text_if(self, key: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        self.text(key, value)
    }

    /// Something whose text has nothing to escape: an id.
    pub(super) fn id(self, key: &str, value: impl Display) -> Self {
        self.text(key, &value.to_string())
    }

    pub(super) fn number(self, key: &str, value: impl Into<u64>) -> Self {
        self.raw(key, &value.into().to_string())
    }

    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// The flag only when it is set.
    pub(super) fn flag_if(self, key: &str, value: bool) -> Self {
        if value { self.flag(key, true) } else { self }
    }

    pub(super) fn time(self, key: &str, value: UnixTime) -> Self {
        self.text(key, &timestamp(value))
    }

    /// `room` or `to`.
    pub(super) fn place(self, peer: &Peer) -> Self {
        match peer {
            Peer::Room(room) => self.text("room", room.as_str()),
            Peer::Account(account) => self.text("to", account.as_str()),
        }
    }

    pub(super) fn place_if(self, peer: Option<&Peer>) -> Self {
        match peer {
            Some(peer) => self.place(peer),
            None => self,
        }
    }

    pub(super) fn objects(self, key: &str, items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<String> = items.into_iter().map(Self::finish).collect();
        self.raw(key, &format!("[{}]", items.join(",")))
    }

    pub(super) fn object(self, key: &str, value: Self) -> Self {
        self.raw(key, &value.finish())
    }

    /// A value that is JSON already.
    pub(super) fn raw(mut self, key: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Keys are literals of this module; a string takes any write.
        let _ = write!(self.0, "\"{key}\":{value}");
        self
    }

    /// The text, without a line end.
    pub(super) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A date as RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn timestamp(time: UnixTime) -> String {
    let micros = i64::try_from(time.0).unwrap_or(i64::MAX);
    let stamp = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    format!("{stamp:.3}")
}
