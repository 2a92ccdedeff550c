//! The client's end of one link, from greeting to close, without a socket or a clock.

use std::collections::VecDeque;
use std::sync::Arc;

use super::conduit::Conduit;
use crate::error::{Error, LinkFault, Violation};
use crate::limits;
use crate::model::{Time, ToClient, ToServer};
use crate::secure::{PublicKey, StaticKey};
use crate::wire::{self, Decoded};

/// One link as the client sees it.
///
/// - [`handle_bytes`](Self::handle_bytes) and [`handle_timeout`](Self::handle_timeout) take what
///   happened outside.
/// - [`accept_server`](Self::accept_server) and [`send`](Self::send) are wishes.
/// - [`poll_event`](Self::poll_event), [`poll_transmit`](Self::poll_transmit) and
///   [`poll_timeout`](Self::poll_timeout) hand out what has to be done; call them after each of the
///   above.
/// - The first error stays.
#[derive(Debug)]
pub struct ClientSession {
    conduit: Conduit,
    state: State,
    /// When the last byte came.
    heard: Time,
    /// When a ping was sent since.
    asked: Option<Time>,
    /// Encoded frames that wait to be sealed.
    waiting: VecDeque<Vec<u8>>,
    /// Encoded chunks of files, which wait for everything else.
    chunks: VecDeque<Vec<u8>>,
    failed: Option<Error>,
}

/// What a session tells the rest of the client.
#[derive(Debug)]
pub enum ClientEvent {
    /// The server proved to have this key. The handshake waits for
    /// [`accept_server`](ClientSession::accept_server).
    ServerKey(PublicKey),
    /// A frame for the agent.
    Frame(ToClient),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Greeting and handshake up to the server's key.
    Opening,
    /// The key was shown. Whoever decides may take their time; the server need not.
    Deciding,
    /// The login is on its way or being judged, no longer than this.
    LoggingIn(Time),
    Open,
    /// The server said goodbye, or no to the login.
    Over,
}

impl ClientSession {
    /// A stream that was just made. `seed` is fresh randomness for its handshake.
    #[must_use]
    pub fn new(key: Arc<StaticKey>, seed: [u8; 32], now: Time) -> Self {
        Self {
            conduit: Conduit::client(key, seed, now),
            state: State::Opening,
            heard: now,
            asked: None,
            waiting: VecDeque::new(),
            chunks: VecDeque::new(),
            failed: None,
        }
    }

    /// Takes bytes of the server, in any cut.
    ///
    /// # Errors
    ///
    /// Why the link has to end.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Time) -> Result<(), Error> {
        self.check()?;
        self.heard = now;
        self.asked = None;
        let taken = self.conduit.handle_bytes(bytes, now);
        self.note(taken)
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    ///
    /// # Errors
    ///
    /// [`Violation::Deadline`] when the handshake or a record took too long,
    /// [`LinkFault::Timeout`] when the server does not answer.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        self.check()?;
        let taken = self.conduit.handle_timeout(now);
        self.note(taken)?;
        match (self.state, self.asked) {
            (State::LoggingIn(until), _) if now >= until => {
                Err(self.fail(Error::Link(LinkFault::Timeout)))
            }
            (State::Open, Some(asked)) if now >= asked + ANSWER_WAIT => {
                Err(self.fail(Error::Link(LinkFault::Timeout)))
            }
            (State::Open, None) if now >= self.heard + limits::PING_AFTER => {
                // Counted from here and not from the last byte: after a machine slept, the answer
                // to this one decides.
                self.asked = Some(now);
                self.send(&ToServer::Ping(now.0))
            }
            _ => Ok(()),
        }
    }

    /// Goes on with the server whose key was shown.
    pub fn accept_server(&mut self, now: Time) {
        if self.state == State::Deciding {
            self.conduit.accept_server();
            // The server may have a queue of passwords to judge before ours.
            self.state = State::LoggingIn(now + limits::DEAD_AFTER);
        }
    }

    /// Queues a frame. The first is the login, after [`accept_server`](Self::accept_server).
    ///
    /// # Errors
    ///
    /// Why the link has to end; [`Error::Internal`] for a message that does not fit a frame.
    pub fn send(&mut self, message: &ToServer) -> Result<(), Error> {
        self.check()?;
        let mut frame = Vec::new();
        match wire::encode_to_server(message, &mut frame) {
            Ok(()) => {
                match message {
                    ToServer::Chunk(_) => self.chunks.push_back(frame),
                    _ => self.waiting.push_back(frame),
                }
                Ok(())
            }
            Err(error) => Err(self.fail(Error::Internal(error.to_string()))),
        }
    }

    /// The next thing that the server said, if it said anything.
    ///
    /// # Errors
    ///
    /// Why the link has to end.
    pub fn poll_event(&mut self) -> Result<Option<ClientEvent>, Error> {
        self.check()?;
        if self.state == State::Opening
            && let Some(key) = self.conduit.server_key()
        {
            self.state = State::Deciding;
            return Ok(Some(ClientEvent::ServerKey(key)));
        }
        loop {
            let decoded = match self.conduit.next_frame() {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => wire::decode_to_client(frame).map_err(Error::from),
                Err(error) => Err(error),
            };
            let message = match (decoded, self.state) {
                (Ok(Decoded::Message(message)), _) => message,
                (Ok(Decoded::Skipped), State::Open) => continue,
                // Before the login there is nothing that may be left out.
                (Ok(Decoded::Skipped), _) => return Err(self.fail(Violation::Unsupported.into())),
                (Err(error), _) => return Err(self.fail(error)),
            };
            match (message, self.state) {
                (_, State::Over) => return Err(self.fail(Violation::Unexpected.into())),
                (ToClient::Ping(number), _) => self.send(&ToServer::Pong(number))?,
                // Any byte shows that the server is there.
                (ToClient::Pong(_) | ToClient::Rekey, _) => {}
                (ToClient::Welcome(welcome), State::LoggingIn(_)) => {
                    self.state = State::Open;
                    self.conduit.set_max_frame(limits::FRAME_BYTES);
                    return Ok(Some(ClientEvent::Frame(ToClient::Welcome(welcome))));
                }
                (ToClient::Denied(refusal), State::LoggingIn(_)) => {
                    self.state = State::Over;
                    return Ok(Some(ClientEvent::Frame(ToClient::Denied(refusal))));
                }
                (ToClient::Bye(reason, text), _) => {
                    self.state = State::Over;
                    return Ok(Some(ClientEvent::Frame(ToClient::Bye(reason, text))));
                }
                (ToClient::Welcome(_) | ToClient::Denied(_), _) => {
                    return Err(self.fail(Violation::Unexpected.into()));
                }
                (message, State::Open) => return Ok(Some(ClientEvent::Frame(message))),
                _ => return Err(self.fail(Violation::Unexpected.into())),
            }
        }
    }

    /// Changes after how many records the outgoing direction gets a new key.
    pub const fn set_rekey_records(&mut self, records: u64) {
        self.conduit.set_rekey_records(records);
    }

    /// Appends what has to go out to `out`: chunks of files only after everything else, and only until
    /// [`limits::CHUNKS_SEALED`] bytes lie there, so that what is said meanwhile overtakes the others.
    ///
    /// # Errors
    ///
    /// Why the link has to end.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>, now: Time) -> Result<(), Error> {
        self.conduit.poll_transmit(out);
        if !self.conduit.is_open() {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut bytes = out.len() + waiting.iter().map(Vec::len).sum::<usize>();
        while bytes < limits::CHUNKS_SEALED
            && let Some(chunk) = self.chunks.pop_front()
        {
            bytes += chunk.len();
            waiting.push_back(chunk);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let mut frames = waiting.iter().map(Vec::as_slice);
        let sealed = self.conduit.seal_frames(&mut frames, out, now);
        self.note(sealed)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let own = match (self.state, self.asked) {
            (State::LoggingIn(until), _) => Some(until),
            (State::Open, Some(asked)) => Some(asked + ANSWER_WAIT),
            (State::Open, None) => Some(self.heard + limits::PING_AFTER),
            _ => None,
        };
        own.into_iter().chain(self.conduit.poll_timeout()).min()
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

/// How long the answer to a ping may take.
const ANSWER_WAIT: std::time::Duration = limits::DEAD_AFTER.saturating_sub(limits::PING_AFTER);

#[cfg(test)]
mod tests;
