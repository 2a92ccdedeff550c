//! Entries: what a log is made of.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{AccountName, Role, UnixTime};
use crate::id::{AccountId, BlobId, ConversationId, SendId, Seq};

/// One element of a conversation's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Whose log this is.
    pub conversation: ConversationId,
    /// Its place in the log.
    pub seq: Seq,
    /// The place of the entry before it; a reader that holds `prev` has missed nothing.
    pub prev: Seq,
    /// What the sending device called it.
    pub id: SendId,
    /// Who sent it.
    pub from: AccountId,
    /// What the sender was called.
    pub from_name: AccountName,
    /// When the server took it.
    pub time: UnixTime,
    /// What it says.
    pub body: Body,
}

impl Entry {
    /// What the entry takes of the receiver's entry credit, in bytes.
    ///
    /// A formula and not the encoded length, so that both ends agree whatever an encoding adds.
    #[must_use]
    pub fn cost(&self) -> u64 {
        128 + (self.body.data.len() + self.body.extensions.encoded_len()) as u64
    }
}

/// What an entry says: a head that every server reads, and data that only its kind explains.
///
/// An unknown kind is kept and passed on. The head stays clear when a later kind seals its data end
/// to end.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// What `data` is.
    pub kind: Kind,
    /// The entry that this one refers to: the one replied to, edited, deleted, reacted to.
    pub target: Option<Seq>,
    /// The file that this entry offers.
    pub blob: Option<BlobId>,
    /// By kind; see [`Content`].
    #[serde(with = "bytes")]
    pub data: Vec<u8>,
    /// What later versions add.
    pub extensions: Extensions,
}

/// What kind of entry; an open set of numbers.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub struct Kind(pub u16);

impl Kind {
    /// Text, maybe a reply to `target`. Data: UTF-8.
    pub const TEXT: Self = Self(1);
    /// A file, named by `blob`. Data: see [`FileOffer`].
    pub const FILE: Self = Self(2);
    /// New text for `target`. Data: UTF-8.
    pub const EDIT: Self = Self(3);
    /// `target` is deleted. No data.
    pub const REDACTION: Self = Self(4);
    /// A reaction to `target`. Data: UTF-8, the emoji; empty takes it back.
    pub const REACTION: Self = Self(5);
    /// Somebody's membership changed. Data: see [`MemberChange`].
    pub const MEMBER: Self = Self(6);
    /// The room's topic. Data: UTF-8.
    pub const TOPIC: Self = Self(7);

    /// Whether it stands by itself in a history: the others change or accompany it.
    #[must_use]
    pub const fn is_base(self) -> bool {
        !matches!(self, Self::EDIT | Self::REDACTION | Self::REACTION)
    }

    /// Whether it counts as unread.
    #[must_use]
    pub const fn counts_unread(self) -> bool {
        self.is_base() && !matches!(self, Self::MEMBER | Self::TOPIC)
    }
}

/// A body taken apart by its kind.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A file is offered.
    File(FileOffer),
    /// The target's new text.
    Edit(Cow<'a, str>),
    /// The target is deleted.
    Redaction,
    /// An emoji for the target; empty takes it back.
    Reaction(Cow<'a, str>),
    /// A membership changed.
    Member(MemberChange),
    /// The room's topic.
    Topic(Cow<'a, str>),
    /// Text or a file that was deleted: its data is gone.
    Deleted,
    /// A kind from a later version, or data that its kind does not explain.
    Unknown,
}

impl Body {
    /// Text, maybe a reply.
    #[must_use]
    pub fn text(text: &str, reply_to: Option<Seq>) -> Self {
        Self::new(Kind::TEXT, reply_to, text)
    }

    /// New text for an entry.
    #[must_use]
    pub fn edit(target: Seq, text: &str) -> Self {
        Self::new(Kind::EDIT, Some(target), text)
    }

    /// Deletes an entry.
    #[must_use]
    pub fn redaction(target: Seq) -> Self {
        Self::new(Kind::REDACTION, Some(target), "")
    }

    /// A reaction to an entry; an empty emoji takes it back.
    #[must_use]
    pub fn reaction(target: Seq, emoji: &str) -> Self {
        Self::new(Kind::REACTION, Some(target), emoji)
    }

    /// A room's topic.
    #[must_use]
    pub fn topic(text: &str) -> Self {
        Self::new(Kind::TOPIC, None, text)
    }

    /// A change of membership.
    #[must_use]
    pub fn member(change: &MemberChange) -> Self {
        Self {
            kind: Kind::MEMBER,
            data: change.encode(),
            ..Self::default()
        }
    }

    /// A file on offer.
    #[must_use]
    pub fn file(blob: BlobId, offer: &FileOffer) -> Self {
        Self {
            kind: Kind::FILE,
            blob: Some(blob),
            data: offer.encode(),
            ..Self::default()
        }
    }

    fn new(kind: Kind, target: Option<Seq>, text: &str) -> Self {
        Self {
            kind,
            target,
            data: text.as_bytes().to_vec(),
            ..Self::default()
        }
    }

    /// Takes the body apart.
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        let text = || String::from_utf8_lossy(&self.data);
        match self.kind {
            _ if self.is_deleted() => Content::Deleted,
            Kind::TEXT => Content::Text(text()),
            Kind::FILE => FileOffer::decode(&self.data).map_or(Content::Unknown, Content::File),
            Kind::EDIT => Content::Edit(text()),
            Kind::REDACTION => Content::Redaction,
            Kind::REACTION => Content::Reaction(text()),
            Kind::MEMBER => {
                MemberChange::decode(&self.data).map_or(Content::Unknown, Content::Member)
            }
            Kind::TOPIC => Content::Topic(text()),
            _ => Content::Unknown,
        }
    }

    /// Makes the body forget what it said, as a redaction does: kind and place stay.
    pub fn blank(&mut self) {
        self.blob = None;
        self.data = Vec::new();
        self.extensions = Extensions::default();
        self.extensions.0.push((Extensions::DELETED, Vec::new()));
    }

    /// Whether a redaction took the data away.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.extensions.get(Extensions::DELETED).is_some()
    }
}

/// What later versions add to a body: pairs of a number and bytes. Unknown ones are kept.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Extensions(pub Vec<(u16, Vec<u8>)>);

impl Extensions {
    /// The body was deleted by a redaction.
    pub const DELETED: u16 = 1;

    /// The bytes under a number.
    #[must_use]
    pub fn get(&self, number: u16) -> Option<&[u8]> {
        let found = self.0.iter().find(|(key, _)| *key == number);
        found.map(|(_, bytes)| bytes.as_slice())
    }

    /// Length of [`encode`](Self::encode)'s answer.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.0.iter().map(|(_, bytes)| 6 + bytes.len()).sum()
    }

    /// As stored: for each pair u16 number, u32 length (big-endian), bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        for (number, bytes) in &self.0 {
            out.extend_from_slice(&number.to_be_bytes());
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when it is damaged.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut pairs = Vec::new();
        while !bytes.is_empty() {
            let (number, rest) = bytes.split_first_chunk::<2>()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let length = u32::from_be_bytes(*length) as usize;
            let (data, rest) = rest.split_at_checked(length)?;
            pairs.push((u16::from_be_bytes(*number), data.to_vec()));
            bytes = rest;
        }
        Some(Self(pairs))
    }
}

/// Somebody's membership changed.
///
/// Encoded as: change u8, role u8, account u64 big-endian, `until` u64 big-endian (microseconds since
/// the epoch, 0 for none), then the name in UTF-8.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct MemberChange {
    /// Whose membership.
    pub account: AccountId,
    /// The name of that account.
    pub name: AccountName,
    /// What happened.
    pub change: Change,
    /// The role afterwards.
    pub role: Role,
    /// When a mute ends; [`UnixTime`] 0 when it does not.
    pub until: UnixTime,
}

/// What happened to a membership.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Change {
    /// Came in by itself.
    Joined = 1,
    /// Went by itself.
    Left = 2,
    /// Was put out; may come back.
    Kicked = 3,
    /// Was put out, or kept out, for good.
    Banned = 4,
    /// May come back.
    Unbanned = 5,
    /// May come in.
    Invited = 6,
    /// Got another role.
    Role = 7,
    /// May not send.
    Muted = 8,
    /// May send again.
    Unmuted = 9,
}

impl Change {
    const ALL: [Self; 9] = [
        Self::Joined,
        Self::Left,
        Self::Kicked,
        Self::Banned,
        Self::Unbanned,
        Self::Invited,
        Self::Role,
        Self::Muted,
        Self::Unmuted,
    ];

    /// The word for it, as in `--json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::Unbanned => "unbanned",
            Self::Invited => "invited",
            Self::Role => "role",
            Self::Muted => "muted",
            Self::Unmuted => "unmuted",
        }
    }
}

impl MemberChange {
    fn encode(&self) -> Vec<u8> {
        let mut data = vec![self.change as u8, self.role as u8];
        data.extend_from_slice(&self.account.0.to_be_bytes());
        data.extend_from_slice(&self.until.0.to_be_bytes());
        data.extend_from_slice(self.name.as_str().as_bytes());
        data
    }

    fn decode(data: &[u8]) -> Option<Self> {
        let (&[change, role], rest) = data.split_first_chunk::<2>()?;
        let (account, rest) = rest.split_first_chunk::<8>()?;
        let (until, name) = rest.split_first_chunk::<8>()?;
        Some(Self {
            account: AccountId(u64::from_be_bytes(*account)),
            name: AccountName::stored(std::str::from_utf8(name).ok()?)?,
            change: *Change::ALL.iter().find(|known| **known as u8 == change)?,
            role: Role::from_number(role)?,
            until: UnixTime(u64::from_be_bytes(*until)),
        })
    }
}

/// A file on offer.
///
/// Encoded as: size u64 big-endian, BLAKE3 hash (32 bytes), length of the name u16 big-endian, name,
/// media type.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct FileOffer {
    /// What the sender calls it. Not a path to be trusted.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// For example `image/png`.
    pub media_type: String,
    /// BLAKE3 of the content.
    pub hash: [u8; 32],
}

impl FileOffer {
    fn encode(&self) -> Vec<u8> {
        let mut data = self.size.to_be_bytes().to_vec();
        data.extend_from_slice(&self.hash);
        data.extend_from_slice(&(self.name.len() as u16).to_be_bytes());
        data.extend_from_slice(self.name.as_bytes());
        data.extend_from_slice(self.media_type.as_bytes());
        data
    }

    /// The name in an encoded offer.
    pub(crate) fn name_in(data: &[u8]) -> Option<&str> {
        let (_, rest) = data.split_at_checked(40)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        std::str::from_utf8(rest.get(..u16::from_be_bytes(*length).into())?).ok()
    }

    fn decode(data: &[u8]) -> Option<Self> {
        let (size, rest) = data.split_first_chunk::<8>()?;
        let (hash, rest) = rest.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (name, media_type) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some(Self {
            name: std::str::from_utf8(name).ok()?.to_owned(),
            size: u64::from_be_bytes(*size),
            media_type: std::str::from_utf8(media_type).ok()?.to_owned(),
            hash: *hash,
        })
    }
}

/// Bytes as one block and not as a sequence of numbers.
mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        <&[u8]>::deserialize(d).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_from_their_data() {
        let change = MemberChange {
            account: AccountId(9),
            name: AccountName::new("bob").unwrap(),
            change: Change::Muted,
            role: Role::Member,
            until: UnixTime(5),
        };
        assert_eq!(Body::member(&change).content(), Content::Member(change));
        let offer = FileOffer {
            name: "é.txt".into(),
            size: 3,
            media_type: "text/plain".into(),
            hash: [7; 32],
        };
        assert_eq!(
            FileOffer::name_in(&Body::file(BlobId([1; 16]), &offer).data),
            Some("é.txt")
        );
        assert_eq!(
            Body::file(BlobId([1; 16]), &offer).content(),
            Content::File(offer)
        );
        assert_eq!(Body::text("hi", None).content(), Content::Text("hi".into()));
    }

    #[test]
    fn damaged_data_is_unknown_and_never_a_panic() {
        for kind in [Kind::FILE, Kind::MEMBER] {
            for length in 0..60 {
                let body = Body {
                    kind,
                    data: vec![0xff; length],
                    ..Body::default()
                };
                assert_eq!(body.content(), Content::Unknown);
            }
        }
    }

    #[test]
    fn a_blanked_body_is_deleted_and_stays_so_when_stored() {
        let mut body = Body::text("secret", Some(Seq(1)));
        body.blank();
        assert_eq!(body.content(), Content::Deleted);
        let stored = body.extensions.encode();
        assert_eq!(stored.len(), body.extensions.encoded_len());
        assert_eq!(Extensions::decode(&stored), Some(body.extensions));
        assert_eq!(Extensions::decode(&stored[..3]), None);
    }
}
