//! What clients send.

use serde::{Deserialize, Serialize};

use super::frame::{self, Frame, Known};
use super::number::{self, Numbered};
use super::part::{BodyPart, ByeBody, EchoBody, Ext, List, TargetBody, TargetPart, seq};
use super::request::{append_request, read_request};
use super::tag::{self, Sender, State};
use super::{Decoded, TooLarge, codec, file};
use crate::error::Violation;
use crate::id::{ConversationId, Epoch, RequestId, SendId, Seq};
use crate::limits;
use crate::model::{ByeReason, Login, Position, PresenceState, Resume, Send, ToServer};

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
        ToServer::Chunk(chunk) => file::append_chunk(out, chunk),
        ToServer::Taken { transfer, upto } => {
            file::append_progress(out, tag::TAKEN, *transfer, *upto)
        }
        ToServer::Stop(transfer) => file::append_stop(out, *transfer),
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
        tag::CHUNK => ToServer::Chunk(file::read_chunk(frame)?),
        tag::TAKEN => {
            let (transfer, upto) = file::read_progress(frame)?;
            ToServer::Taken { transfer, upto }
        }
        tag::STOP => ToServer::Stop(file::read_stop(frame)?),
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

#[derive(Serialize, Deserialize)]
struct SetPresenceBody<'a> {
    #[serde(with = "number")]
    state: PresenceState,
    text: &'a str,
    extensions: Ext<'a>,
}
