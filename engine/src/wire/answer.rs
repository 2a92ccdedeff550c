//! What servers answer to requests.

use serde::{Deserialize, Serialize};

use super::frame::{self, Frame};
use super::number::{self, Numbered};
use super::part::{
    ConversationPart, EntryPart, Ext, List, Nothing, ReceiptPart, account_name, room_name, seq,
};
use super::{TooLarge, codec, file, tag};
use crate::error::Violation;
use crate::id::{ConversationId, DeviceId, RequestId, Seq};
use crate::limits;
use crate::model::{
    AccountName, Answer, CommandItem, DeviceItem, HistoryItem, MemberItem, PresenceState, Reaction,
    Role, RoomItem, UnixTime, WhoItem,
};

/// Appends one whole frame.
pub(super) fn append_answer(
    out: &mut Vec<u8>,
    request: RequestId,
    answer: &Answer,
) -> Result<(), TooLarge> {
    let extensions = Ext::NONE;
    match answer {
        Answer::Done => frame::append(out, tag::DONE, request, &Nothing::BODY),
        Answer::Entered { conversation, seq } => {
            let body = EnteredBody {
                conversation: *conversation,
                seq: *seq,
                extensions,
            };
            frame::append(out, tag::ENTERED, request, &body)
        }
        Answer::Rooms(rooms, next) => {
            let items = List::of(rooms, RoomPart::new);
            frame::append(out, tag::ROOM_PAGE, request, &Page::new(items, next))
        }
        Answer::Members(members, next) => {
            let items = List::of(members, MemberPart::new);
            frame::append(out, tag::MEMBER_PAGE, request, &Page::new(items, next))
        }
        Answer::Who(accounts, next) => {
            let items = List::of(accounts, WhoPart::new);
            frame::append(out, tag::WHO_PAGE, request, &Page::new(items, next))
        }
        Answer::History(items, more) => {
            let body = HistoryPage {
                items: List::of(items, HistoryPart::new),
                more: *more,
                extensions,
            };
            frame::append(out, tag::HISTORY_PAGE, request, &body)
        }
        Answer::Search(entries, next) => {
            let items = List::of(entries, EntryPart::new);
            frame::append(out, tag::SEARCH_PAGE, request, &Page::new(items, next))
        }
        Answer::Conversations(conversations, next) => {
            let items = List::of(conversations, ConversationPart::new);
            frame::append(
                out,
                tag::CONVERSATION_PAGE,
                request,
                &Page::new(items, next),
            )
        }
        Answer::Receipts(receipts) => {
            let items = List::of(receipts, ReceiptPart::new);
            frame::append(
                out,
                tag::RECEIPT_LIST,
                request,
                &Whole { items, extensions },
            )
        }
        Answer::Devices(devices) => {
            let items = List::of(devices, DevicePart::new);
            frame::append(out, tag::DEVICE_LIST, request, &Whole { items, extensions })
        }
        Answer::Commands(commands) => {
            let items = List::of(commands, CommandPart::new);
            frame::append(
                out,
                tag::COMMAND_LIST,
                request,
                &Whole { items, extensions },
            )
        }
        Answer::Uploading(uploading) => file::append_uploading(out, request, uploading),
        Answer::Fetching(fetching) => file::append_fetching(out, request, fetching),
    }
}

/// Reads the body of an answer.
pub(super) fn read_answer(frame: &Frame<'_>) -> Result<Answer, Violation> {
    Ok(match frame.tag {
        tag::DONE => {
            codec::read::<Nothing<'_>>(frame.body)?;
            Answer::Done
        }
        tag::ENTERED => {
            let body: EnteredBody<'_> = codec::read(frame.body)?;
            Answer::Entered {
                conversation: body.conversation,
                seq: body.seq,
            }
        }
        tag::ROOM_PAGE => {
            let (items, next) = read_page(frame, RoomPart::into_model)?;
            Answer::Rooms(items, next)
        }
        tag::MEMBER_PAGE => {
            let (items, next) = read_page(frame, MemberPart::into_model)?;
            Answer::Members(items, next)
        }
        tag::WHO_PAGE => {
            let (items, next) = read_page(frame, WhoPart::into_model)?;
            Answer::Who(items, next)
        }
        tag::HISTORY_PAGE => {
            let body: HistoryPage<'_> = codec::read(frame.body)?;
            Answer::History(body.items.into_model(HistoryPart::into_model)?, body.more)
        }
        tag::SEARCH_PAGE => {
            let (items, next) = read_page(frame, EntryPart::into_model)?;
            Answer::Search(items, next)
        }
        tag::CONVERSATION_PAGE => {
            let (items, next) = read_page(frame, ConversationPart::into_model)?;
            Answer::Conversations(items, next)
        }
        tag::RECEIPT_LIST => Answer::Receipts(read_whole(frame, ReceiptPart::into_model)?),
        tag::DEVICE_LIST => Answer::Devices(read_whole(frame, DevicePart::into_model)?),
        tag::COMMAND_LIST => Answer::Commands(read_whole(frame, CommandPart::into_model)?),
        tag::UPLOADING => Answer::Uploading(file::read_uploading(frame)?),
        tag::FETCHING => Answer::Fetching(Box::new(file::read_fetching(frame)?)),
        // A row of the table that nobody reads; a test decodes one frame of each.
        _ => return Err(Violation::Unsupported),
    })
}

fn read_page<'a, T: Deserialize<'a>, M>(
    frame: &Frame<'a>,
    model: impl Fn(T) -> Result<M, Violation>,
) -> Result<(Vec<M>, Option<String>), Violation> {
    let page: Page<'a, T> = codec::read(frame.body)?;
    Ok((page.items.into_model(model)?, page.next.map(str::to_owned)))
}

fn read_whole<'a, T: Deserialize<'a>, M>(
    frame: &Frame<'a>,
    model: impl Fn(T) -> Result<M, Violation>,
) -> Result<Vec<M>, Violation> {
    let list: Whole<'a, T> = codec::read(frame.body)?;
    list.items.into_model(model)
}

// The bodies. The order of the fields is the order on the wire.

/// A page of a list that is asked for with `after`.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Page<'a, T> {
    items: List<T, { limits::PAGE_ITEMS }>,
    #[serde(borrow)]
    next: Option<&'a str>,
    extensions: Ext<'a>,
}

impl<'a, T> Page<'a, T> {
    fn new(items: List<T, { limits::PAGE_ITEMS }>, next: &'a Option<String>) -> Self {
        Self {
            items,
            next: next.as_deref(),
            extensions: Ext::NONE,
        }
    }
}

/// A list that fits one frame.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Whole<'a, T> {
    items: List<T, { limits::PAGE_ITEMS }>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct EnteredBody<'a> {
    conversation: ConversationId,
    #[serde(with = "seq")]
    seq: Seq,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct HistoryPage<'a> {
    #[serde(borrow)]
    items: List<HistoryPart<'a>, { limits::HISTORY_ITEMS }>,
    more: bool,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct HistoryPart<'a> {
    #[serde(borrow)]
    entry: EntryPart<'a>,
    edited: bool,
    #[serde(borrow)]
    reactions: List<ReactionPart<'a>, { limits::MEMBERS }>,
}

impl<'a> HistoryPart<'a> {
    fn new(item: &'a HistoryItem) -> Self {
        Self {
            entry: EntryPart::new(&item.entry),
            edited: item.edited,
            reactions: List::of(&item.reactions, |reaction| ReactionPart {
                emoji: &reaction.emoji,
                accounts: List::of(&reaction.accounts, AccountName::as_str),
            }),
        }
    }

    fn into_model(self) -> Result<HistoryItem, Violation> {
        let reaction = |part: ReactionPart<'_>| {
            Ok(Reaction {
                emoji: part.emoji.to_owned(),
                accounts: part.accounts.into_model(account_name)?,
            })
        };
        Ok(HistoryItem {
            entry: self.entry.into_model()?,
            edited: self.edited,
            reactions: self.reactions.into_model(reaction)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct ReactionPart<'a> {
    emoji: &'a str,
    #[serde(borrow)]
    accounts: List<&'a str, { limits::MEMBERS }>,
}

#[derive(Serialize, Deserialize)]
struct RoomPart<'a> {
    name: &'a str,
    topic: &'a str,
    public: bool,
    members: u32,
    joined: bool,
}

impl<'a> RoomPart<'a> {
    fn new(item: &'a RoomItem) -> Self {
        Self {
            name: item.name.as_str(),
            topic: &item.topic,
            public: item.public,
            members: item.members,
            joined: item.joined,
        }
    }

    fn into_model(self) -> Result<RoomItem, Violation> {
        Ok(RoomItem {
            name: room_name(self.name)?,
            topic: self.topic.to_owned(),
            public: self.public,
            members: self.members,
            joined: self.joined,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct MemberPart<'a> {
    account: &'a str,
    #[serde(with = "number")]
    role: Role,
    presence: Option<u8>,
    muted_until: UnixTime,
}

impl<'a> MemberPart<'a> {
    fn new(item: &'a MemberItem) -> Self {
        Self {
            account: item.account.as_str(),
            role: item.role,
            presence: item.presence.map(Numbered::number),
            muted_until: item.muted_until,
        }
    }

    fn into_model(self) -> Result<MemberItem, Violation> {
        let presence = |number| PresenceState::from_number(number).ok_or(Violation::Malformed);
        Ok(MemberItem {
            account: account_name(self.account)?,
            role: self.role,
            presence: self.presence.map(presence).transpose()?,
            muted_until: self.muted_until,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct WhoPart<'a> {
    account: &'a str,
    #[serde(with = "number")]
    state: PresenceState,
    text: &'a str,
}

impl<'a> WhoPart<'a> {
    fn new(item: &'a WhoItem) -> Self {
        Self {
            account: item.account.as_str(),
            state: item.state,
            text: &item.text,
        }
    }

    fn into_model(self) -> Result<WhoItem, Violation> {
        Ok(WhoItem {
            account: account_name(self.account)?,
            state: self.state,
            text: self.text.to_owned(),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct DevicePart<'a> {
    id: DeviceId,
    name: &'a str,
    created: UnixTime,
    seen: UnixTime,
    online: bool,
    this: bool,
}

impl<'a> DevicePart<'a> {
    fn new(item: &'a DeviceItem) -> Self {
        Self {
            id: item.id,
            name: &item.name,
            created: item.created,
            seen: item.seen,
            online: item.online,
            this: item.this,
        }
    }

    fn into_model(self) -> Result<DeviceItem, Violation> {
        Ok(DeviceItem {
            id: self.id,
            name: self.name.to_owned(),
            created: self.created,
            seen: self.seen,
            online: self.online,
            this: self.this,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct CommandPart<'a> {
    name: &'a str,
    help: &'a str,
}

impl<'a> CommandPart<'a> {
    fn new(item: &'a CommandItem) -> Self {
        Self {
            name: &item.name,
            help: &item.help,
        }
    }

    fn into_model(self) -> Result<CommandItem, Violation> {
        Ok(CommandItem {
            name: self.name.to_owned(),
            help: self.help.to_owned(),
        })
    }
}
