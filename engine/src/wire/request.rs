//! What clients ask for.

use serde::{Deserialize, Serialize};

use super::frame::{self, Frame};
use super::number::{self, Numbered};
use super::part::{Ext, Nothing, TargetBody, TargetPart, seq, typed_account, typed_room};
use super::{TooLarge, codec, file, tag};
use crate::error::Violation;
use crate::id::{DeviceId, RequestId, Seq};
use crate::model::{Change, History, HistoryFrom, Request, Role};

/// Appends one whole frame.
pub(super) fn append_request(
    out: &mut Vec<u8>,
    request: RequestId,
    wish: &Request,
) -> Result<(), TooLarge> {
    let extensions = Ext::NONE;
    match wish {
        Request::Create {
            room,
            public,
            history,
        } => {
            let body = CreateBody {
                room: room.as_str(),
                public: *public,
                history: history.map(Numbered::number),
                extensions,
            };
            frame::append(out, tag::CREATE, request, &body)
        }
        Request::Change {
            target,
            account,
            change,
            role,
            seconds,
        } => {
            let body = ChangeBody {
                target: TargetPart::new(target),
                account: account.as_ref().map(|name| name.as_str()),
                change: *change,
                role: role.map(Numbered::number),
                seconds: *seconds,
                extensions,
            };
            frame::append(out, tag::CHANGE, request, &body)
        }
        Request::Rooms { after } => append_page(out, tag::GET_ROOMS, request, after),
        Request::Members { target, after } => {
            let body = MembersBody {
                target: TargetPart::new(target),
                after: after.as_deref(),
                extensions,
            };
            frame::append(out, tag::GET_MEMBERS, request, &body)
        }
        Request::Who { after } => append_page(out, tag::GET_WHO, request, after),
        Request::History {
            target,
            from,
            limit,
        } => {
            let (from, seq) = match from {
                HistoryFrom::End => (1, Seq::ZERO),
                HistoryFrom::Before(seq) => (2, *seq),
                HistoryFrom::After(seq) => (3, *seq),
                HistoryFrom::Around(seq) => (4, *seq),
            };
            let body = HistoryBody {
                target: TargetPart::new(target),
                from,
                seq,
                limit: *limit,
                extensions,
            };
            frame::append(out, tag::GET_HISTORY, request, &body)
        }
        Request::Search {
            target,
            text,
            after,
        } => {
            let body = SearchBody {
                target: target.as_ref().map(TargetPart::new),
                text,
                after: after.as_deref(),
                extensions,
            };
            frame::append(out, tag::SEARCH, request, &body)
        }
        Request::Conversations { after } => {
            append_page(out, tag::GET_CONVERSATIONS, request, after)
        }
        Request::Read { target, seq } => {
            let body = ReadBody {
                target: TargetPart::new(target),
                seq: *seq,
                extensions,
            };
            frame::append(out, tag::READ, request, &body)
        }
        Request::Receipts { target } => {
            let target = TargetPart::new(target);
            let body = TargetBody { target, extensions };
            frame::append(out, tag::GET_RECEIPTS, request, &body)
        }
        Request::Devices => frame::append(out, tag::GET_DEVICES, request, &Nothing::BODY),
        Request::Revoke { device } => {
            let device = *device;
            frame::append(
                out,
                tag::REVOKE,
                request,
                &RevokeBody { device, extensions },
            )
        }
        Request::Password {
            old,
            new,
            keep_devices,
        } => {
            let body = PasswordBody {
                old: old.as_deref(),
                new,
                keep_devices: *keep_devices,
                extensions,
            };
            frame::append(out, tag::PASSWORD, request, &body)
        }
        Request::Command { target, name, args } => {
            let body = CommandBody {
                target: target.as_ref().map(TargetPart::new),
                name,
                args,
                extensions,
            };
            frame::append(out, tag::COMMAND, request, &body)
        }
        Request::Commands => frame::append(out, tag::GET_COMMANDS, request, &Nothing::BODY),
        Request::Upload(upload) => file::append_upload(out, request, upload),
        Request::Finish { transfer, hash } => file::append_finish(out, request, *transfer, *hash),
        Request::Abandon { id } => file::append_abandon(out, request, *id),
        Request::Fetch {
            blob,
            offset,
            length,
            window,
        } => file::append_fetch(out, request, *blob, *offset, *length, *window),
    }
}

fn append_page(
    out: &mut Vec<u8>,
    tag: u16,
    request: RequestId,
    after: &Option<String>,
) -> Result<(), TooLarge> {
    let after = after.as_deref();
    let extensions = Ext::NONE;
    frame::append(out, tag, request, &PageBody { after, extensions })
}

/// Reads the body of a request.
pub(super) fn read_request(frame: &Frame<'_>) -> Result<Request, Violation> {
    let target = |part: Option<TargetPart<'_>>| part.map(TargetPart::into_model).transpose();
    Ok(match frame.tag {
        tag::CREATE => {
            let body: CreateBody<'_> = codec::read(frame.body)?;
            let history = |number| History::from_number(number).ok_or(Violation::Malformed);
            Request::Create {
                room: typed_room(body.room)?,
                public: body.public,
                history: body.history.map(history).transpose()?,
            }
        }
        tag::CHANGE => {
            let body: ChangeBody<'_> = codec::read(frame.body)?;
            Request::Change {
                target: body.target.into_model()?,
                account: body.account.map(typed_account).transpose()?,
                change: body.change,
                // A role that does not exist is none, so that the server can say so.
                role: body.role.and_then(Role::from_number),
                seconds: body.seconds,
            }
        }
        tag::GET_ROOMS => Request::Rooms {
            after: read_after(frame)?,
        },
        tag::GET_MEMBERS => {
            let body: MembersBody<'_> = codec::read(frame.body)?;
            Request::Members {
                target: body.target.into_model()?,
                after: body.after.map(str::to_owned),
            }
        }
        tag::GET_WHO => Request::Who {
            after: read_after(frame)?,
        },
        tag::GET_HISTORY => {
            let body: HistoryBody<'_> = codec::read(frame.body)?;
            let from = match body.from {
                1 => HistoryFrom::End,
                2 => HistoryFrom::Before(body.seq),
                3 => HistoryFrom::After(body.seq),
                4 => HistoryFrom::Around(body.seq),
                _ => return Err(Violation::Malformed),
            };
            Request::History {
                target: body.target.into_model()?,
                from,
                limit: body.limit,
            }
        }
        tag::SEARCH => {
            let body: SearchBody<'_> = codec::read(frame.body)?;
            Request::Search {
                target: target(body.target)?,
                text: body.text.to_owned(),
                after: body.after.map(str::to_owned),
            }
        }
        tag::GET_CONVERSATIONS => Request::Conversations {
            after: read_after(frame)?,
        },
        tag::READ => {
            let body: ReadBody<'_> = codec::read(frame.body)?;
            let target = body.target.into_model()?;
            Request::Read {
                target,
                seq: body.seq,
            }
        }
        tag::GET_RECEIPTS => {
            let body: TargetBody<'_> = codec::read(frame.body)?;
            Request::Receipts {
                target: body.target.into_model()?,
            }
        }
        tag::GET_DEVICES => {
            codec::read::<Nothing<'_>>(frame.body)?;
            Request::Devices
        }
        tag::REVOKE => Request::Revoke {
            device: codec::read::<RevokeBody<'_>>(frame.body)?.device,
        },
        tag::PASSWORD => {
            let body: PasswordBody<'_> = codec::read(frame.body)?;
            Request::Password {
                old: body.old.map(str::to_owned),
                new: body.new.to_owned(),
                keep_devices: body.keep_devices,
            }
        }
        tag::COMMAND => {
            let body: CommandBody<'_> = codec::read(frame.body)?;
            Request::Command {
                target: target(body.target)?,
                name: body.name.to_owned(),
                args: body.args.to_owned(),
            }
        }
        tag::GET_COMMANDS => {
            codec::read::<Nothing<'_>>(frame.body)?;
            Request::Commands
        }
        tag::UPLOAD => Request::Upload(file::read_upload(frame)?),
        tag::FINISH => file::read_finish(frame)?,
        tag::ABANDON => file::read_abandon(frame)?,
        tag::FETCH => file::read_fetch(frame)?,
        // A row of the table that nobody reads; a test decodes one frame of each.
        _ => return Err(Violation::Unsupported),
    })
}

fn read_after(frame: &Frame<'_>) -> Result<Option<String>, Violation> {
    let body: PageBody<'_> = codec::read(frame.body)?;
    Ok(body.after.map(str::to_owned))
}

// The bodies. The order of the fields is the order on the wire.

#[derive(Serialize, Deserialize)]
struct CreateBody<'a> {
    room: &'a str,
    public: bool,
    history: Option<u8>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct ChangeBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    #[serde(borrow)]
    account: Option<&'a str>,
    #[serde(with = "number")]
    change: Change,
    role: Option<u8>,
    seconds: u64,
    extensions: Ext<'a>,
}

/// Requests that have nothing but a place in a list.
#[derive(Serialize, Deserialize)]
struct PageBody<'a> {
    #[serde(borrow)]
    after: Option<&'a str>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct MembersBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    #[serde(borrow)]
    after: Option<&'a str>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct HistoryBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    /// 1 the end, 2 before, 3 after, 4 around.
    from: u8,
    #[serde(with = "seq")]
    seq: Seq,
    limit: u32,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct SearchBody<'a> {
    #[serde(borrow)]
    target: Option<TargetPart<'a>>,
    text: &'a str,
    #[serde(borrow)]
    after: Option<&'a str>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct ReadBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    #[serde(with = "seq")]
    seq: Seq,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct RevokeBody<'a> {
    device: DeviceId,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct PasswordBody<'a> {
    #[serde(borrow)]
    old: Option<&'a str>,
    new: &'a str,
    keep_devices: bool,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct CommandBody<'a> {
    #[serde(borrow)]
    target: Option<TargetPart<'a>>,
    name: &'a str,
    args: &'a str,
    extensions: Ext<'a>,
}
