//! The server's end of one link, from greeting to close, without a socket or a clock.

use std::sync::Arc;

use super::conduit::Conduit;
use crate::error::{Error, Violation};
use crate::limits;
use crate::model::{Code, Login, Refusal, Time, ToClient, ToServer};
use crate::secure::StaticKey;
use crate::wire::{self, Decoded};

/// One link as the server sees it.
///
/// - [`handle_bytes`](Self::handle_bytes) and [`handle_timeout`](Self::handle_timeout) take what
///   happened outside.
/// - [`poll_event`](Self::poll_event), [`poll_transmit`](Self::poll_transmit) and
///   [`poll_timeout`](Self::poll_timeout) hand out what has to be done; call them after each of the
///   above.
/// - The first error stays.
#[derive(Debug)]
pub struct ServerSession {
    conduit: Conduit,
    state: State,
    /// When the last byte came.
    heard: Time,
    /// A ping was sent since.
    asked: bool,
    /// Frames of the session's own that wait to be sent.
    replies: Vec<u8>,
    failed: Option<Error>,
}

/// What a session tells the rest of the server.
#[derive(Debug)]
pub enum ServerEvent {
    /// The peer says who it is, with this static key.
    Login {
        /// Its key.
        key: [u8; 32],
        /// What it says.
        login: Box<Login>,
    },
    /// A frame for the hub.
    Frame(ToServer),
    /// The peer leaves on purpose.
    Bye,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Greeting and handshake.
    Opening,
    /// Until the login frame is there.
    Waiting { until: Time },
    /// The login is being judged: that may take a while, and costs the peer nothing.
    Judging,
    /// Logged in.
    Open,
}

impl ServerSession {
    /// A link that was just accepted. `seed` is fresh randomness for its handshake.
    #[must_use]
    pub fn new(key: Arc<StaticKey>, seed: [u8; 32], now: Time) -> Self {
        let mut conduit = Conduit::server(key, seed, now);
        conduit.set_max_frame(limits::LOGIN_FRAME_BYTES);
        Self {
            conduit,
            state: State::Opening,
            heard: now,
            asked: false,
            replies: Vec::new(),
            failed: None,
        }
    }

    /// Takes bytes of the peer, in any cut.
    ///
    /// # Errors
    ///
    /// Why the link has to end.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Time) -> Result<(), Error> {
        self.check()?;
        self.heard = now;
        self.asked = false;
        let taken = self.conduit.handle_bytes(bytes, now);
        self.note(taken)?;
        if self.state == State::Opening && self.conduit.is_open() {
            self.state = State::Waiting {
                until: now + limits::LOGIN_WAIT,
            };
        }
        Ok(())
    }

    /// The next thing that the peer said, if it said anything.
    ///
    /// # Errors
    ///
    /// Why the link has to end.
    pub fn poll_event(&mut self) -> Result<Option<ServerEvent>, Error> {
        self.check()?;
        loop {
            let open = self.state == State::Open;
            let decoded = match self.conduit.next_frame() {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => wire::decode_to_server(frame, open)
                    .map(|decoded| (decoded, wire::request_of(frame)))
                    .map_err(Error::from),
                Err(error) => Err(error),
            };
            let message = match decoded {
                Ok((Decoded::Message(message), _)) => message,
                // A wish of a later version: who waits for an answer gets one.
                Ok((Decoded::Skipped, Some(request))) => {
                    let refusal = Refusal::new(Code::NotSupported);
                    self.reply(&ToClient::Error(request, refusal));
                    continue;
                }
                Ok((Decoded::Skipped, None)) => continue,
                Err(error) => return Err(self.fail(error)),
            };
            match message {
                ToServer::Login(login) => {
                    let key = self.conduit.peer_key();
                    let (State::Waiting { .. }, Some(key)) = (self.state, key) else {
                        return Err(self.fail(Violation::Unexpected.into()));
                    };
                    self.state = State::Judging;
                    let login = Box::new(login);
                    return Ok(Some(ServerEvent::Login { key: key.0, login }));
                }
                ToServer::Ping(number) => {
                    self.reply(&ToClient::Pong(number));
                }
                // Any byte shows that the peer is there.
                ToServer::Pong(_) | ToServer::Rekey => {}
                ToServer::Bye => return Ok(Some(ServerEvent::Bye)),
                _ if !open => return Err(self.fail(Violation::Unexpected.into())),
                message => return Ok(Some(ServerEvent::Frame(message))),
            }
        }
    }

    /// The hub let the peer in: larger frames may come, and the login deadline is off.
    pub fn enter(&mut self) {
        self.state = State::Open;
        self.conduit.set_max_frame(limits::FRAME_BYTES);
    }

    /// Changes after how many records the outgoing direction gets a new key.
    pub const fn set_rekey_records(&mut self, records: u64) {
        self.conduit.set_rekey_records(records);
    }

    /// Seals frames, after those of the session's own, and appends them to `out`.
    ///
    /// # Errors
    ///
    /// Why the link has to end.
    pub fn seal(
        &mut self,
        frames: &mut dyn Iterator<Item = &[u8]>,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        let sealed = self.conduit.seal_frames(frames, out, now);
        self.note(sealed)
    }

    /// Appends what the session itself has to send to `out`: handshake, pings, pongs.
    ///
    /// # Errors
    ///
    /// Why the link has to end.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>, now: Time) -> Result<(), Error> {
        self.conduit.poll_transmit(out);
        if self.replies.is_empty() || !self.conduit.is_open() {
            return Ok(());
        }
        let replies = std::mem::take(&mut self.replies);
        let mut rest = replies.as_slice();
        let mut frames = std::iter::from_fn(|| split_frame(&mut rest));
        let sealed = self.conduit.seal_frames(&mut frames, out, now);
        self.note(sealed)
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    ///
    /// # Errors
    ///
    /// [`Violation::Deadline`] when the peer was too slow, [`LinkFault::Timeout`](crate::LinkFault)
    /// when it is gone.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        self.check()?;
        let taken = self.conduit.handle_timeout(now);
        self.note(taken)?;
        match self.state {
            State::Waiting { until } if now >= until => {
                return Err(self.fail(Violation::Deadline.into()));
            }
            State::Open if now >= self.heard + limits::DEAD_AFTER => {
                return Err(self.fail(Error::Link(crate::error::LinkFault::Timeout)));
            }
            State::Open if now >= self.heard + limits::PING_AFTER && !self.asked => {
                self.asked = true;
                self.reply(&ToClient::Ping(now.0));
            }
            _ => {}
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let own = match self.state {
            State::Opening | State::Judging => None,
            State::Waiting { until } => Some(until),
            State::Open if self.asked => Some(self.heard + limits::DEAD_AFTER),
            State::Open => Some(self.heard + limits::PING_AFTER),
        };
        [own, self.conduit.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether the channel is there.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.conduit.is_open()
    }

    fn reply(&mut self, message: &ToClient) {
        // Pongs answer pings, so a peer that does not read can't pile up more than it sends; still it
        // is bounded.
        if self.replies.len() < limits::LOGIN_FRAME_BYTES {
            let encoded = wire::encode_to_client(message, &mut self.replies);
            debug_assert!(encoded.is_ok(), "a short frame always fits");
        }
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn note(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        result.map_err(|error| self.fail(error))
    }

    fn fail(&mut self, error: Error) -> Error {
        self.failed.get_or_insert(error).clone()
    }
}

/// The first frame of several, whole, with its length.
pub(super) fn split_frame<'a>(frames: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, _) = frames.split_first_chunk::<2>()?;
    let (frame, rest) = frames.split_at_checked(2 + usize::from(u16::from_be_bytes(*length)))?;
    *frames = rest;
    Some(frame)
}
