//! What several bodies are made of.

use std::borrow::Cow;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Violation;
use crate::id::{AccountId, BlobId, ConversationId, Epoch, SendId, Seq};
use crate::limits;
use crate::model::{
    AccountName, Body, Conversation, Entry, Extensions, Kind, Peer, Receipt, RoomName, Target,
    UnixTime,
};

/// An entry, in a frame of its own or in a page.
#[derive(Serialize, Deserialize)]
pub(super) struct EntryPart<'a> {
    conversation: ConversationId,
    #[serde(with = "seq")]
    seq: Seq,
    #[serde(with = "seq")]
    prev: Seq,
    id: SendId,
    from: AccountId,
    from_name: &'a str,
    time: UnixTime,
    #[serde(borrow)]
    body: BodyPart<'a>,
}

impl<'a> EntryPart<'a> {
    pub(super) fn new(entry: &'a Entry) -> Self {
        Self {
            conversation: entry.conversation,
            seq: entry.seq,
            prev: entry.prev,
            id: entry.id,
            from: entry.from,
            from_name: entry.from_name.as_str(),
            time: entry.time,
            body: BodyPart::new(&entry.body),
        }
    }

    pub(super) fn into_model(self) -> Result<Entry, Violation> {
        Ok(Entry {
            conversation: self.conversation,
            seq: self.seq,
            prev: self.prev,
            id: self.id,
            from: self.from,
            from_name: account_name(self.from_name)?,
            time: self.time,
            body: self.body.into_model(),
        })
    }
}

/// What an entry says.
#[derive(Serialize, Deserialize)]
pub(super) struct BodyPart<'a> {
    kind: Kind,
    #[serde(with = "seq::optional")]
    target: Option<Seq>,
    blob: Option<BlobId>,
    #[serde(serialize_with = "bytes")]
    data: &'a [u8],
    extensions: Ext<'a>,
}

impl<'a> BodyPart<'a> {
    pub(super) fn new(body: &'a Body) -> Self {
        Self {
            kind: body.kind,
            target: body.target,
            blob: body.blob,
            data: &body.data,
            extensions: Ext::new(&body.extensions),
        }
    }

    pub(super) fn into_model(self) -> Body {
        Body {
            kind: self.kind,
            target: self.target,
            blob: self.blob,
            data: self.data.to_vec(),
            extensions: self.extensions.into_model(),
        }
    }
}

/// The list of extensions at the end of a body: borrowed on the way out, owned on the way in.
pub(super) struct Ext<'a>(Cow<'a, [(u16, Vec<u8>)]>);

impl<'a> Ext<'a> {
    /// For frames that have none in this version.
    pub(super) const NONE: Ext<'static> = Ext(Cow::Borrowed(&[]));

    pub(super) fn new(extensions: &'a Extensions) -> Self {
        Self(Cow::Borrowed(&extensions.0))
    }

    pub(super) fn into_model(self) -> Extensions {
        Extensions(self.0.into_owned())
    }
}

impl Serialize for Ext<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() > limits::EXTENSIONS {
            return Err(S::Error::custom("too many extensions"));
        }
        let pairs = self.0.iter();
        serializer.collect_seq(pairs.map(|(number, bytes)| (number, Bytes(bytes))))
    }
}

impl<'de> Deserialize<'de> for Ext<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let List(pairs) = List::<(u16, &[u8]), { limits::EXTENSIONS }>::deserialize(deserializer)?;
        let owned = pairs
            .into_iter()
            .map(|(number, bytes)| (number, bytes.to_vec()));
        Ok(Self(Cow::Owned(owned.collect())))
    }
}

/// A list with an upper bound, checked on both ends.
pub(super) struct List<T, const MAX: usize>(pub(super) Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// From what the model holds.
    pub(super) fn of<'a, M>(items: &'a [M], part: impl Fn(&'a M) -> T) -> Self {
        Self(items.iter().map(part).collect())
    }

    /// To what the model holds.
    pub(super) fn into_model<M>(
        self,
        model: impl Fn(T) -> Result<M, Violation>,
    ) -> Result<Vec<M>, Violation> {
        self.0.into_iter().map(model).collect()
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() > MAX {
            return Err(S::Error::custom("too many items"));
        }
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = List<T, MAX>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "at most {MAX} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                // The announced length only refuses. It reserves nothing, or 60 KiB of lists that
                // say they are long would take a thousand times as much.
                let announced = seq.size_hint().unwrap_or(0);
                if announced > MAX {
                    return Err(A::Error::custom("too many items"));
                }
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List(items))
            }
        }

        deserializer.deserialize_seq(Items(std::marker::PhantomData))
    }
}

/// A conversation as a client names it: 1 and the 16 bytes of an id, 2 and the name of a room, 3 and
/// the name of an account.
#[derive(Serialize, Deserialize)]
pub(super) struct TargetPart<'a> {
    kind: u8,
    #[serde(serialize_with = "bytes")]
    value: &'a [u8],
}

impl<'a> TargetPart<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        let (kind, value) = match target {
            Target::Conversation(id) => (1, id.0.as_slice()),
            Target::Room(name) => (2, name.as_str().as_bytes()),
            Target::Account(name) => (3, name.as_str().as_bytes()),
        };
        Self { kind, value }
    }

    pub(super) fn into_model(self) -> Result<Target, Violation> {
        let text = || std::str::from_utf8(self.value).map_err(|_| Violation::Malformed);
        Ok(match self.kind {
            1 => {
                let id = self.value.try_into().map_err(|_| Violation::Malformed)?;
                Target::Conversation(ConversationId(id))
            }
            2 => Target::Room(typed_room(text()?)?),
            3 => Target::Account(typed_account(text()?)?),
            _ => return Err(Violation::Malformed),
        })
    }
}

/// A conversation as a server sees it.
#[derive(Serialize, Deserialize)]
pub(super) struct ConversationPart<'a> {
    id: ConversationId,
    /// 1 a room, 2 an account.
    peer: u8,
    name: &'a str,
    epoch: Epoch,
    #[serde(with = "seq")]
    head: Seq,
    #[serde(with = "seq")]
    read: Seq,
    unread: u32,
    mentions: u32,
    joined: bool,
}

impl<'a> ConversationPart<'a> {
    pub(super) fn new(conversation: &'a Conversation) -> Self {
        let (peer, name) = match &conversation.peer {
            Peer::Room(name) => (1, name.as_str()),
            Peer::Account(name) => (2, name.as_str()),
        };
        Self {
            id: conversation.id,
            peer,
            name,
            epoch: conversation.epoch,
            head: conversation.head,
            read: conversation.read,
            unread: conversation.unread,
            mentions: conversation.mentions,
            joined: conversation.joined,
        }
    }

    pub(super) fn into_model(self) -> Result<Conversation, Violation> {
        let peer = match self.peer {
            1 => Peer::Room(room_name(self.name)?),
            2 => Peer::Account(account_name(self.name)?),
            _ => return Err(Violation::Malformed),
        };
        Ok(Conversation {
            id: self.id,
            peer,
            epoch: self.epoch,
            head: self.head,
            read: self.read,
            unread: self.unread,
            mentions: self.mentions,
            joined: self.joined,
        })
    }
}

/// How far an account got.
#[derive(Serialize, Deserialize)]
pub(super) struct ReceiptPart<'a> {
    conversation: ConversationId,
    account: &'a str,
    #[serde(with = "seq")]
    delivered: Seq,
    #[serde(with = "seq")]
    read: Seq,
}

impl<'a> ReceiptPart<'a> {
    pub(super) fn new(receipt: &'a Receipt) -> Self {
        Self {
            conversation: receipt.conversation,
            account: receipt.account.as_str(),
            delivered: receipt.delivered,
            read: receipt.read,
        }
    }

    pub(super) fn into_model(self) -> Result<Receipt, Violation> {
        Ok(Receipt {
            conversation: self.conversation,
            account: account_name(self.account)?,
            delivered: self.delivered,
            read: self.read,
        })
    }
}

/// Typing, and the request for receipts.
#[derive(Serialize, Deserialize)]
pub(super) struct TargetBody<'a> {
    #[serde(borrow)]
    pub(super) target: TargetPart<'a>,
    pub(super) extensions: Ext<'a>,
}

/// A body with nothing in it yet.
#[derive(Serialize, Deserialize)]
pub(super) struct Nothing<'a> {
    extensions: Ext<'a>,
}

impl Nothing<'_> {
    pub(super) const BODY: Nothing<'static> = Nothing {
        extensions: Ext::NONE,
    };
}

/// Ping and pong.
#[derive(Serialize, Deserialize)]
pub(super) struct EchoBody<'a> {
    pub(super) number: u64,
    extensions: Ext<'a>,
}

impl EchoBody<'_> {
    pub(super) const fn new(number: u64) -> Self {
        Self {
            number,
            extensions: Ext::NONE,
        }
    }
}

/// Goodbye. The reason is open: later versions have more of them.
#[derive(Serialize, Deserialize)]
pub(super) struct ByeBody<'a> {
    pub(super) reason: u8,
    pub(super) text: &'a str,
    pub(super) extensions: Ext<'a>,
}

/// The name of an account, from a server.
pub(super) fn account_name(text: &str) -> Result<AccountName, Violation> {
    AccountName::stored(text).ok_or(Violation::Malformed)
}

/// The name of a room, from a server.
pub(super) fn room_name(text: &str) -> Result<RoomName, Violation> {
    RoomName::stored(text).ok_or(Violation::Malformed)
}

/// The name of a room, from a client: as somebody typed it.
///
/// What can't be a name becomes one that no room has, so that the server answers that there is no
/// such room, or that the name is bad, instead of closing the link.
pub(super) fn typed_room(text: &str) -> Result<RoomName, Violation> {
    if is_plain(text) {
        return room_name(text);
    }
    RoomName::new(text).or_else(|_| room_name(NOBODY))
}

/// The name of an account, from a client; see [`typed_room`].
pub(super) fn typed_account(text: &str) -> Result<AccountName, Violation> {
    // The rules for both are the same, except that a plugin's account can't be opened by anybody;
    // here it may well be meant.
    account_name(typed_room(text)?.as_str())
}

/// Holds a character that no name may have.
const NOBODY: &str = "?";

/// Whether the text is a name already, as nearly all are: spares the tables of Unicode.
fn is_plain(text: &str) -> bool {
    let fits = (1..=limits::NAME_BYTES).contains(&text.len());
    fits && text
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

/// Writes bytes as one block and not one by one; the result is the same.
pub(super) fn bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Places in a log: larger ones than there can be are refused, so that nobody overflows later.
pub(super) mod seq {
    use super::{Deserialize, Deserializer, Seq, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(seq: &Seq, serializer: S) -> Result<S::Ok, S::Error> {
        seq.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Seq, D::Error> {
        checked(Seq::deserialize(d)?)
    }

    fn checked<E: serde::de::Error>(seq: Seq) -> Result<Seq, E> {
        if seq > Seq::MAX {
            return Err(E::custom("no log is that long"));
        }
        Ok(seq)
    }

    pub(crate) mod optional {
        use super::{Deserialize, Deserializer, Seq, Serialize, Serializer};

        pub(crate) fn serialize<S: Serializer>(
            seq: &Option<Seq>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            seq.serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            d: D,
        ) -> Result<Option<Seq>, D::Error> {
            Option::deserialize(d)?.map(super::checked).transpose()
        }
    }
}
