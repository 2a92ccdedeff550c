//! The two ends of a link: sealed as in life, or plain and fast.
//!
//! A plain end has the frames and the clockwork of a real one (login, pings, deadlines) and no
//! cipher: the device's key is its first word. Most seeds run over these.

use std::collections::VecDeque;
use std::sync::Arc;

use chat_engine::error::{Error, LinkFault, Violation};
use chat_engine::model::Login;
use chat_engine::secure::StaticKey;
use chat_engine::session::client::{ClientEvent, ClientSession};
use chat_engine::session::server::{ServerEvent, ServerSession};
use chat_engine::wire::{self, Decoded};
use chat_engine::{Time, ToClient, ToServer, limits};

/// The client's end.
#[derive(Debug)]
pub(super) enum ClientEnd {
    Sealed(Box<ClientSession>),
    Plain(PlainClient),
}

/// The server's end.
#[derive(Debug)]
pub(super) enum ServerEnd {
    Sealed(Box<ServerSession>),
    Plain(PlainServer),
}

/// What a client is told by its end.
#[derive(Debug)]
pub(super) enum ClientNews {
    ServerKey([u8; 32], String),
    Frame(ToClient),
}

/// What the server is told by its end.
#[derive(Debug)]
pub(super) enum ServerNews {
    Login([u8; 32], Box<Login>),
    Frame(ToServer),
    Bye,
}

#[derive(Debug)]
pub(super) struct PlainClient {
    key: [u8; 32],
    fingerprint: String,
    inbox: Vec<u8>,
    taken: usize,
    out: Vec<u8>,
    heard: Time,
    asked: Option<Time>,
    stage: Stage,
}

#[derive(Debug)]
pub(super) struct PlainServer {
    key: Option<[u8; 32]>,
    inbox: Vec<u8>,
    taken: usize,
    out: Vec<u8>,
    heard: Time,
    asked: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The client's key was not shown, or the server's.
    New,
    /// Until this time the login must be there, or be judged.
    Waiting(Time),
    /// The server judges.
    Judging,
    Open,
}

impl ClientEnd {
    pub(super) fn sealed(key: Arc<StaticKey>, seed: [u8; 32], rekey: u64, now: Time) -> Self {
        let mut session = ClientSession::new(key, seed, now);
        session.set_rekey_records(rekey);
        Self::Sealed(Box::new(session))
    }

    pub(super) fn plain(key: [u8; 32], fingerprint: String, now: Time) -> Self {
        Self::Plain(PlainClient {
            key,
            fingerprint,
            inbox: Vec::new(),
            taken: 0,
            out: key.to_vec(),
            heard: now,
            asked: None,
            stage: Stage::New,
        })
    }

    pub(super) fn handle_bytes(&mut self, bytes: &[u8], now: Time) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.handle_bytes(bytes, now),
            Self::Plain(end) => {
                (end.heard, end.asked) = (now, None);
                end.inbox.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    pub(super) fn accept_server(&mut self, now: Time) {
        match self {
            Self::Sealed(session) => session.accept_server(now),
            Self::Plain(end) => end.stage = Stage::Waiting(now + limits::DEAD_AFTER),
        }
    }

    pub(super) fn send(&mut self, message: &ToServer) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.send(message),
            Self::Plain(end) => end.send(message),
        }
    }

    pub(super) fn poll_news(&mut self) -> Result<Option<ClientNews>, Error> {
        match self {
            Self::Sealed(session) => Ok(session.poll_event()?.map(|event| match event {
                ClientEvent::ServerKey(key) => {
                    ClientNews::ServerKey(key.0, key.fingerprint().to_string())
                }
                ClientEvent::Frame(frame) => ClientNews::Frame(frame),
            })),
            Self::Plain(end) => end.poll_news(),
        }
    }

    pub(super) fn poll_transmit(&mut self, out: &mut Vec<u8>, now: Time) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.poll_transmit(out, now),
            Self::Plain(end) => {
                out.append(&mut end.out);
                Ok(())
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.handle_timeout(now),
            Self::Plain(end) => end.handle_timeout(now),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Sealed(session) => session.poll_timeout(),
            Self::Plain(end) => match (end.stage, end.asked) {
                (Stage::Waiting(until), _) => Some(until),
                (Stage::Open, Some(asked)) => Some(asked + ANSWER_WAIT),
                (Stage::Open, None) => Some(end.heard + limits::PING_AFTER),
                _ => None,
            },
        }
    }
}

impl PlainClient {
    fn send(&mut self, message: &ToServer) -> Result<(), Error> {
        wire::encode_to_server(message, &mut self.out)
            .map_err(|error| Error::Internal(error.to_string()))
    }

    fn poll_news(&mut self) -> Result<Option<ClientNews>, Error> {
        if self.stage == Stage::New {
            self.stage = Stage::Judging;
            return Ok(Some(ClientNews::ServerKey(
                SERVER_KEY,
                self.fingerprint.clone(),
            )));
        }
        while let Some(frame) = next_frame(&mut self.inbox, &mut self.taken) {
            let Decoded::Message(message) = wire::decode_to_client(frame)? else {
                continue;
            };
            match message {
                ToClient::Ping(number) => self.send(&ToServer::Pong(number))?,
                ToClient::Pong(_) => {}
                ToClient::Welcome(_) => {
                    self.stage = Stage::Open;
                    return Ok(Some(ClientNews::Frame(message)));
                }
                message => return Ok(Some(ClientNews::Frame(message))),
            }
        }
        Ok(None)
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        match (self.stage, self.asked) {
            (Stage::Waiting(until), _) if now >= until => Err(Error::Link(LinkFault::Timeout)),
            (Stage::Open, Some(asked)) if now >= asked + ANSWER_WAIT => {
                Err(Error::Link(LinkFault::Timeout))
            }
            (Stage::Open, None) if now >= self.heard + limits::PING_AFTER => {
                self.asked = Some(now);
                self.send(&ToServer::Ping(now.0))
            }
            _ => Ok(()),
        }
    }
}

impl ServerEnd {
    pub(super) fn sealed(key: Arc<StaticKey>, seed: [u8; 32], rekey: u64, now: Time) -> Self {
        let mut session = ServerSession::new(key, seed, now);
        session.set_rekey_records(rekey);
        Self::Sealed(Box::new(session))
    }

    pub(super) const fn plain(now: Time) -> Self {
        Self::Plain(PlainServer {
            key: None,
            inbox: Vec::new(),
            taken: 0,
            out: Vec::new(),
            heard: now,
            asked: false,
            stage: Stage::New,
        })
    }

    pub(super) fn handle_bytes(&mut self, bytes: &[u8], now: Time) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.handle_bytes(bytes, now),
            Self::Plain(end) => {
                (end.heard, end.asked) = (now, false);
                end.inbox.extend_from_slice(bytes);
                if end.stage == Stage::New {
                    end.stage = Stage::Waiting(now + limits::LOGIN_WAIT);
                }
                Ok(())
            }
        }
    }

    pub(super) fn poll_news(&mut self) -> Result<Option<ServerNews>, Error> {
        match self {
            Self::Sealed(session) => Ok(session.poll_event()?.map(|event| match event {
                ServerEvent::Login { key, login } => ServerNews::Login(key, login),
                ServerEvent::Frame(message) => ServerNews::Frame(message),
                ServerEvent::Bye => ServerNews::Bye,
            })),
            Self::Plain(end) => end.poll_news(),
        }
    }

    pub(super) fn enter(&mut self) {
        match self {
            Self::Sealed(session) => session.enter(),
            Self::Plain(end) => end.stage = Stage::Open,
        }
    }

    /// Whether frames can be sealed.
    pub(super) fn is_sealed(&self) -> bool {
        match self {
            Self::Sealed(session) => session.is_sealed(),
            Self::Plain(_) => true,
        }
    }

    pub(super) fn seal(
        &mut self,
        frames: &VecDeque<Arc<[u8]>>,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.seal(&mut frames.iter().map(AsRef::as_ref), out, now),
            Self::Plain(_) => {
                frames.iter().for_each(|frame| out.extend_from_slice(frame));
                Ok(())
            }
        }
    }

    pub(super) fn poll_transmit(&mut self, out: &mut Vec<u8>, now: Time) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.poll_transmit(out, now),
            Self::Plain(end) => {
                out.append(&mut end.out);
                Ok(())
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        match self {
            Self::Sealed(session) => session.handle_timeout(now),
            Self::Plain(end) => end.handle_timeout(now),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match self {
            Self::Sealed(session) => session.poll_timeout(),
            Self::Plain(end) => match end.stage {
                Stage::New | Stage::Judging => None,
                Stage::Waiting(until) => Some(until),
                Stage::Open if end.asked => Some(end.heard + limits::DEAD_AFTER),
                Stage::Open => Some(end.heard + limits::PING_AFTER),
            },
        }
    }
}

impl PlainServer {
    fn poll_news(&mut self) -> Result<Option<ServerNews>, Error> {
        if self.key.is_none() {
            let Some(key) = self.inbox.first_chunk::<32>() else {
                return Ok(None);
            };
            self.key = Some(*key);
            self.taken = 32;
        }
        let open = self.stage == Stage::Open;
        while let Some(frame) = next_frame(&mut self.inbox, &mut self.taken) {
            let Decoded::Message(message) = wire::decode_to_server(frame, open)? else {
                continue;
            };
            match (message, self.key) {
                (ToServer::Login(login), Some(key)) => {
                    self.stage = Stage::Judging;
                    return Ok(Some(ServerNews::Login(key, Box::new(login))));
                }
                (ToServer::Ping(number), _) => {
                    let pong = ToClient::Pong(number);
                    let _ = wire::encode_to_client(&pong, &mut self.out);
                }
                (ToServer::Pong(_), _) => {}
                (ToServer::Bye, _) => return Ok(Some(ServerNews::Bye)),
                _ if !open => return Err(Violation::Unexpected.into()),
                (message, _) => return Ok(Some(ServerNews::Frame(message))),
            }
        }
        Ok(None)
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        match self.stage {
            Stage::Waiting(until) if now >= until => Err(Violation::Deadline.into()),
            Stage::Open if now >= self.heard + limits::DEAD_AFTER => {
                Err(Error::Link(LinkFault::Timeout))
            }
            Stage::Open if now >= self.heard + limits::PING_AFTER && !self.asked => {
                self.asked = true;
                let _ = wire::encode_to_client(&ToClient::Ping(now.0), &mut self.out);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The next whole frame. Those before it go once all are taken.
fn next_frame<'a>(inbox: &'a mut Vec<u8>, taken: &mut usize) -> Option<&'a [u8]> {
    let whole = |inbox: &[u8], taken: usize| {
        let length: [u8; 2] = inbox.get(taken..taken + 2)?.try_into().ok()?;
        let end = taken + 2 + usize::from(u16::from_be_bytes(length));
        (end <= inbox.len()).then_some(end)
    };
    let Some(end) = whole(inbox, *taken) else {
        inbox.drain(..*taken);
        *taken = 0;
        return None;
    };
    let start = std::mem::replace(taken, end);
    inbox.get(start..end)
}

/// What a plain server shows as its key.
const SERVER_KEY: [u8; 32] = [42; 32];
const ANSWER_WAIT: std::time::Duration = limits::DEAD_AFTER.saturating_sub(limits::PING_AFTER);
