//! What clients send.

use serde::{Deserialize, Serialize};

use super::frame::{self, Frame, Known};
use super::number::{self, Numbered};
use super::part::{
    BodyPart, ByeBody, EchoBody, Ext, List, Nothing, TargetPart, seq, typed_account, typed_room,
};
use super::tag::{self, Sender, State};
use super::{Decoded, TooLarge, codec};
use crate::error::Violation;
use crate::id::{ConversationId, DeviceId, Epoch, RequestId, SendId, Seq};
use crate::limits;
use crate::model::{
    ByeReason, Change, History, HistoryFrom, Login, Position, PresenceState, Request, Resume, Role,
    Send, ToServer,
};

/// Appends one whole frame.
///
/// # Errors
///
/// [`TooLarge`]; then `out` is as it was.
pub fn encode_to_server(message: &ToServer, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let extensions = Ext::NONE;
    let none = RequestId(0);
    match message {
        ToServer::Login(login) => frame::append(out, tag::LOGIN, none, &LoginBody::new(login)),
        ToServer::Resume(resume) => frame::append(out, tag::RESUME, none, &ResumeBody::new(resume)),
        ToServer::Send(send) => {
            let body = SendBody {
                target: TargetPart::new(&send.target),
                id: send.id,
                again: send.again,
                body: BodyPart::new(&send.body),
                extensions,
            };
            frame::append(out, tag::SEND, send.request, &body)
        }
        ToServer::Cancel { target, id } => {
            let target = TargetPart::new(target);
            let id = *id;
            let body = CancelBody {
                target,
                id,
                extensions,
            };
            frame::append(out, tag::CANCEL, none, &body)
        }
        ToServer::Request(request, wish) => append_request(out, *request, wish),
        ToServer::Credit(bytes) => {
            let bytes = *bytes;
            frame::append(out, tag::CREDIT, none, &CreditBody { bytes, extensions })
        }
        ToServer::Delivered(cursors) => {
            let items = List::of(cursors, |(conversation, seq)| CursorPart {
                conversation: *conversation,
                seq: *seq,
            });
            frame::append(
                out,
                tag::DELIVERED,
                none,
                &DeliveredBody { items, extensions },
            )
        }
        ToServer::Typing(target) => {
            let target = TargetPart::new(target);
            frame::append(
                out,
                tag::SET_TYPING,
                none,
                &TargetBody { target, extensions },
            )
        }
        ToServer::Presence(state, text) => {
            let body = SetPresenceBody {
                state: *state,
                text,
                extensions,
            };
            frame::append(out, tag::SET_PRESENCE, none, &body)
        }
        ToServer::Ping(number) => frame::append(out, tag::PING, none, &EchoBody::new(*number)),
        ToServer::Pong(number) => frame::append(out, tag::PONG, none, &EchoBody::new(*number)),
        ToServer::Rekey => frame::append(out, tag::REKEY, none, &()),
        ToServer::Bye => {
            let body = ByeBody {
                reason: ByeReason::Left.number(),
                text: "",
                extensions,
            };
            frame::append(out, tag::BYE, none, &body)
        }
    }
}

/// Reads one whole frame, its length included.
///
/// `logged_in` says whether the login frame came already; before it a client may only send that
/// one, ping, pong and bye, and after it no second one.
///
/// # Errors
///
/// How the client broke the protocol; the link has to be closed.
pub fn decode_to_server(bytes: &[u8], logged_in: bool) -> Result<Decoded<ToServer>, Violation> {
    if !logged_in && bytes.len() > limits::LOGIN_FRAME_BYTES {
        return Err(Violation::Oversized);
    }
    let frame = Frame::open(bytes)?;
    let state = match frame.kind(Sender::Client) {
        Ok(Known::Yes(kind)) => kind.state,
        // A stranger does not get to probe what else there is.
        Ok(Known::Skip) | Err(Violation::Unsupported) if !logged_in => {
            return Err(Violation::Unexpected);
        }
        Ok(Known::Skip) => return Ok(Decoded::Skipped),
        Err(violation) => return Err(violation),
    };
    match state {
        State::Open if !logged_in => return Err(Violation::Unexpected),
        State::Login if logged_in => return Err(Violation::Unexpected),
        _ => {}
    }
    read(&frame).map(Decoded::Message)
}

fn read(frame: &Frame<'_>) -> Result<ToServer, Violation> {
    Ok(match frame.tag {
        tag::LOGIN => ToServer::Login(codec::read::<LoginBody<'_>>(frame.body)?.into_model()),
        tag::RESUME => ToServer::Resume(codec::read::<ResumeBody<'_>>(frame.body)?.into_model()),
        tag::SEND => {
            let body: SendBody<'_> = codec::read(frame.body)?;
            ToServer::Send(Send {
                request: frame.request,
                target: body.target.into_model()?,
                id: body.id,
                again: body.again,
                body: body.body.into_model(),
            })
        }
        tag::CANCEL => {
            let body: CancelBody<'_> = codec::read(frame.body)?;
            let target = body.target.into_model()?;
            ToServer::Cancel {
                target,
                id: body.id,
            }
        }
        tag::CREDIT => ToServer::Credit(codec::read::<CreditBody<'_>>(frame.body)?.bytes),
        tag::DELIVERED => {
            let body: DeliveredBody<'_> = codec::read(frame.body)?;
            let items = body.items.0.into_iter();
            ToServer::Delivered(items.map(|item| (item.conversation, item.seq)).collect())
        }
        tag::SET_TYPING => {
            let body: TargetBody<'_> = codec::read(frame.body)?;
            ToServer::Typing(body.target.into_model()?)
        }
        tag::SET_PRESENCE => {
            let body: SetPresenceBody<'_> = codec::read(frame.body)?;
            ToServer::Presence(body.state, body.text.to_owned())
        }
        tag::PING => ToServer::Ping(codec::read::<EchoBody<'_>>(frame.body)?.number),
        tag::PONG => ToServer::Pong(codec::read::<EchoBody<'_>>(frame.body)?.number),
        tag::REKEY => {
            codec::read::<()>(frame.body)?;
            ToServer::Rekey
        }
        tag::BYE => {
            codec::read::<ByeBody<'_>>(frame.body)?;
            ToServer::Bye
        }
        _ => ToServer::Request(frame.request, read_request(frame)?),
    })
}

fn append_request(out: &mut Vec<u8>, request: RequestId, wish: &Request) -> Result<(), TooLarge> {
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

fn read_request(frame: &Frame<'_>) -> Result<Request, Violation> {
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
struct LoginBody<'a> {
    account: &'a str,
    #[serde(borrow)]
    password: Option<&'a str>,
    register: bool,
    #[serde(borrow)]
    invite: Option<&'a str>,
    device: &'a str,
    capabilities: List<u16, { limits::CAPABILITIES }>,
    enroll: bool,
    extensions: Ext<'a>,
}

impl<'a> LoginBody<'a> {
    fn new(login: &'a Login) -> Self {
        Self {
            account: &login.account,
            password: login.password.as_deref(),
            register: login.register,
            invite: login.invite.as_deref(),
            device: &login.device,
            capabilities: List(login.capabilities.clone()),
            enroll: login.enroll,
            extensions: Ext::new(&login.extensions),
        }
    }

    fn into_model(self) -> Login {
        Login {
            account: self.account.to_owned(),
            password: self.password.map(str::to_owned),
            register: self.register,
            invite: self.invite.map(str::to_owned),
            device: self.device.to_owned(),
            capabilities: self.capabilities.0,
            enroll: self.enroll,
            extensions: self.extensions.into_model(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct ResumeBody<'a> {
    positions: List<PositionPart, { limits::RESUME_ITEMS }>,
    more: bool,
    extensions: Ext<'a>,
}

impl<'a> ResumeBody<'a> {
    fn new(resume: &'a Resume) -> Self {
        Self {
            positions: List::of(&resume.positions, |position| PositionPart {
                conversation: position.conversation,
                epoch: position.epoch,
                seq: position.seq,
            }),
            more: resume.more,
            extensions: Ext::new(&resume.extensions),
        }
    }

    fn into_model(self) -> Resume {
        let positions = self.positions.0.into_iter().map(|part| Position {
            conversation: part.conversation,
            epoch: part.epoch,
            seq: part.seq,
        });
        Resume {
            positions: positions.collect(),
            more: self.more,
            extensions: self.extensions.into_model(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PositionPart {
    conversation: ConversationId,
    epoch: Epoch,
    #[serde(with = "seq")]
    seq: Seq,
}

#[derive(Serialize, Deserialize)]
struct SendBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    id: SendId,
    again: bool,
    #[serde(borrow)]
    body: BodyPart<'a>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct CancelBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    id: SendId,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct CreditBody<'a> {
    bytes: u64,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct DeliveredBody<'a> {
    items: List<CursorPart, { limits::RESUME_ITEMS }>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct CursorPart {
    conversation: ConversationId,
    #[serde(with = "seq")]
    seq: Seq,
}

/// Typing, and the request for receipts.
#[derive(Serialize, Deserialize)]
struct TargetBody<'a> {
    #[serde(borrow)]
    target: TargetPart<'a>,
    extensions: Ext<'a>,
}

#[derive(Serialize, Deserialize)]
struct SetPresenceBody<'a> {
    #[serde(with = "number")]
    state: PresenceState,
    text: &'a str,
    extensions: Ext<'a>,
}

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
