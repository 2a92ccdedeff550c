//! The record layer of one link: bytes on one side, frames on the other.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Misuse, Violation};
use crate::limits;
use crate::model::Time;
use crate::secure::greeting::{self, Choice, Offer};
use crate::secure::{
    Answering, Channel, FIRST_BYTES, Initiator, Opening, PublicKey, Responder, SECOND_BYTES,
    StaticKey, THIRD_BYTES,
};

mod record;
#[cfg(test)]
mod tests;

pub use record::REKEY_FRAME;
use record::{Rekey, missing_of, open_record, split_frame};

/// Greeting, handshake and records of one link, for either side.
///
/// A record carries one or more whole frames. A frame begins with two bytes, the length of what
/// follows them (big-endian); the rest of it is none of our business, except that the frame which
/// announces a new key ([`REKEY_FRAME`]) is put in and taken out here.
///
/// - `handle_*` takes something that happened outside: bytes, a due timer. After it, call
///   [`next_frame`](Self::next_frame) until there is none, and [`poll_transmit`](Self::poll_transmit).
/// - [`accept_server`](Self::accept_server) and [`seal_frames`](Self::seal_frames) are wishes.
/// - `poll_*` hands out what has to be done outside.
///
/// The first error stays: everything fails with it from then on. Frames of good records that came
/// before the fault are still handed out, however the bytes were cut.
///
/// Between records it holds two keys and no buffer.
#[derive(Debug)]
pub struct Conduit {
    state: State,
    failed: Option<Error>,
    /// What came of a greeting, a handshake message or a record that is not whole yet.
    inbox: Vec<u8>,
    /// Frames of opened records; those before `taken` were handed out.
    frames: Vec<u8>,
    taken: usize,
    /// Greeting and handshake messages.
    outbox: Vec<u8>,
    /// When what is awaited must be whole.
    deadline: Option<Time>,
    /// Most bytes of a frame from the client to the server.
    client_frame: usize,
    rekey: Rekey,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all links are open nearly all the time"
)]
enum State {
    Shaking(Box<Shaking>),
    Open {
        channel: Channel,
        peer: PublicKey,
        is_client: bool,
    },
    Failed,
}

/// What a handshake waits for.
#[derive(Debug)]
enum Shaking {
    ClientGreeting(Answering),
    FirstMessage(Answering, Vec<u8>),
    ThirdMessage(Responder),
    ServerGreeting(Opening),
    SecondMessage(Initiator),
    /// The wish of the application.
    Acceptance(Initiator, PublicKey),
}

impl Conduit {
    /// The client's side of a new stream. Its greeting and first handshake message can be fetched at
    /// once.
    ///
    /// The seed is 32 unpredictable bytes that are used nowhere else.
    #[must_use]
    pub fn client(key: Arc<StaticKey>, seed: [u8; 32], now: Time) -> Self {
        let opening = Opening::new(key, seed);
        let mut outbox = greeting::offer();
        push_message(&mut outbox, &opening.first_message());
        Self::new(Shaking::ServerGreeting(opening), outbox, now)
    }

    /// The server's side of a new stream.
    ///
    /// The seed is 32 unpredictable bytes that are used nowhere else.
    #[must_use]
    pub fn server(key: Arc<StaticKey>, seed: [u8; 32], now: Time) -> Self {
        let answering = Answering::new(key, seed);
        Self::new(Shaking::ClientGreeting(answering), Vec::new(), now)
    }

    fn new(shaking: Shaking, outbox: Vec<u8>, now: Time) -> Self {
        Self {
            state: State::Shaking(Box::new(shaking)),
            failed: None,
            inbox: Vec::new(),
            frames: Vec::new(),
            taken: 0,
            outbox,
            deadline: Some(now + limits::HANDSHAKE_WAIT),
            client_frame: limits::LOGIN_FRAME_BYTES,
            rekey: Rekey::new(now),
        }
    }

    /// Takes bytes of the stream, in any cut. Only what is not whole is kept.
    ///
    /// # Errors
    ///
    /// The peer's fault, once there is no frame left that came before it; [`Error::Version`] when the
    /// two ends have no handshake in common, after which the server still has an answer to transmit.
    /// [`Error::Misuse`], without consequences, if so many frames were not taken that these bytes
    /// would exceed [`limits::INBOUND_BYTES`].
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Time) -> Result<(), Error> {
        self.check()?;
        let held = self.inbox.len() + self.frames.len() - self.taken;
        if held + bytes.len() > limits::INBOUND_BYTES {
            return Err(Error::Misuse(Misuse::Other(
                "take the frames that are there before handing in more bytes".to_owned(),
            )));
        }
        self.drop_taken();
        if self.is_open() {
            // Once for all records, and not again for each of them.
            self.frames.reserve(self.inbox.len() + bytes.len());
        }
        let bytes = self.fill_inbox(bytes, now);
        if self.inbox.is_empty() {
            let used = self.take_in(bytes, now);
            self.keep_rest(bytes.get(used..).unwrap_or_default().to_vec());
        }
        self.check()
    }

    /// Where the beginning of something came before, takes as much as belongs to it, and hands back what
    /// follows it: nothing, or what is not whole stays in the inbox.
    fn fill_inbox<'a>(&mut self, mut bytes: &'a [u8], now: Time) -> &'a [u8] {
        while !self.inbox.is_empty() && !bytes.is_empty() {
            let missing = if self.is_open() {
                missing_of(&self.inbox).min(bytes.len())
            } else {
                bytes.len()
            };
            let (part, rest) = bytes.split_at(missing);
            bytes = rest;
            let mut inbox = mem::take(&mut self.inbox);
            inbox.extend_from_slice(part);
            let used = self.take_in(&inbox, now);
            if used > 0 {
                inbox.drain(..used);
                inbox.shrink_to_fit();
            }
            self.keep_rest(inbox);
        }
        bytes
    }

    /// The next frame, its length field included.
    ///
    /// # Errors
    ///
    /// The link's fault, once there is no frame left that came before it.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Error> {
        self.drop_taken();
        self.check()?;
        let start = self.taken;
        let rest = self.frames.get(start..).unwrap_or_default();
        // Records were cut into frames when they were opened.
        let length = split_frame(rest).map_or(0, |(frame, _)| frame.len());
        self.taken += length;
        Ok(self
            .frames
            .get(start..self.taken)
            .filter(|frame| !frame.is_empty()))
    }

    /// Packs whole frames into as few records as fit and appends them to `out`. A frame above
    /// [`limits::RECORD_PACK_BYTES`] travels alone.
    ///
    /// # Errors
    ///
    /// The link's fault; [`Error::Internal`] for what is no frame, is larger than the other side
    /// takes, or comes before the channel [is open](Self::is_open). Frames may be lost then, so this
    /// error stays, too.
    pub fn seal_frames(
        &mut self,
        frames: &mut dyn Iterator<Item = &[u8]>,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let sealed = self.pack(frames, out, now);
        sealed.map_err(|error| self.fail(error))
    }

    /// Appends greeting and handshake messages that have to go out to `out`.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.outbox);
        self.outbox = Vec::new();
    }

    /// The server's key, proven but not yet accepted: the handshake waits for
    /// [`accept_server`](Self::accept_server). Nothing about this device was said so far.
    #[must_use]
    pub fn server_key(&self) -> Option<PublicKey> {
        match &self.state {
            State::Shaking(shaking) => match **shaking {
                Shaking::Acceptance(_, key) => Some(key),
                _ => None,
            },
            _ => None,
        }
    }

    /// Goes on with the server whose key was shown. Does nothing at any other time.
    pub fn accept_server(&mut self) {
        let (initiator, peer) = match mem::replace(&mut self.state, State::Failed) {
            State::Shaking(shaking) => match *shaking {
                Shaking::Acceptance(initiator, peer) => (initiator, peer),
                other => {
                    self.state = State::Shaking(Box::new(other));
                    return;
                }
            },
            other => {
                self.state = other;
                return;
            }
        };
        match initiator.finish() {
            Ok((third, channel)) => {
                push_message(&mut self.outbox, &third);
                self.open(channel, peer, true);
            }
            Err(violation) => {
                self.fail(Error::Peer(violation));
            }
        }
    }

    /// The other side's static key, once the channel is open.
    #[must_use]
    pub const fn peer_key(&self) -> Option<PublicKey> {
        match &self.state {
            State::Open { peer, .. } => Some(*peer),
            _ => None,
        }
    }

    /// Whether frames can pass.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// A hash of the handshake that is the same on both sides and different for each link, once the
    /// channel is open.
    #[must_use]
    pub const fn handshake_hash(&self) -> Option<&[u8; 64]> {
        match &self.state {
            State::Open { channel, .. } => Some(channel.handshake_hash()),
            _ => None,
        }
    }

    /// Changes how large a frame from the client to the server may be. It is
    /// [`limits::LOGIN_FRAME_BYTES`] at first; each side raises it to [`limits::FRAME_BYTES`] when the
    /// login is done.
    ///
    /// The limit holds for the records, too. A server refuses a larger one by its first two bytes; a
    /// client packs accordingly, so what follows a login without waiting for its answer must consist
    /// of frames that fit.
    pub const fn set_max_frame(&mut self, bytes: usize) {
        self.client_frame = bytes;
    }

    /// Changes after how many records the outgoing direction gets a new key.
    pub const fn set_rekey_records(&mut self, records: u64) {
        self.rekey.records = records;
    }

    /// Changes after what time the outgoing direction gets a new key.
    pub const fn set_rekey_after(&mut self, after: Duration) {
        self.rekey.after = after;
    }

    /// Ends the link if something took too long.
    ///
    /// # Errors
    ///
    /// [`Violation::Deadline`] if it did; else as [`handle_bytes`](Self::handle_bytes).
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.fail(Error::Peer(Violation::Deadline));
        }
        self.check()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        self.deadline
    }

    /// The failure, unless frames that came before it are left.
    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            Some(error) if self.taken == self.frames.len() => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Keeps the first failure, and drops the keys.
    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed;
        self.deadline = None;
        self.inbox = Vec::new();
        self.failed.get_or_insert(error).clone()
    }

    /// Goes as far as these bytes lead, and says how many of them were used.
    fn take_in(&mut self, bytes: &[u8], now: Time) -> usize {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            match self.step(rest) {
                Ok(Some(step)) => {
                    used += step;
                    if self.is_open() {
                        // The next record starts its own clock.
                        self.deadline = None;
                    }
                }
                Ok(None) => {
                    if self.is_open() && !rest.is_empty() && self.deadline.is_none() {
                        self.deadline = Some(now + limits::RECORD_WAIT);
                    }
                    return used;
                }
                Err(error) => {
                    self.fail(error);
                    return bytes.len();
                }
            }
        }
    }

    fn keep_rest(&mut self, rest: Vec<u8>) {
        if self.failed.is_none() {
            self.inbox = rest;
        }
    }

    /// One step: how many bytes it used, or `None` when more have to come.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        if let State::Open {
            channel, is_client, ..
        } = &mut self.state
        {
            let limit = if *is_client {
                limits::FRAME_BYTES
            } else {
                self.client_frame
            };
            return Ok(open_record(channel, bytes, limit, &mut self.frames)?);
        }
        match mem::replace(&mut self.state, State::Failed) {
            State::Shaking(shaking) => self.shake(*shaking, bytes),
            _ => Ok(None),
        }
    }

    /// One step of the handshake.
    fn shake(&mut self, shaking: Shaking, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let (next, used) = match shaking {
            Shaking::ClientGreeting(answering) => match greeting::read_offer(bytes)? {
                None => return Ok(self.wait(Shaking::ClientGreeting(answering))),
                Some(Offer::NoneFits) => {
                    self.outbox.extend(greeting::none_fits());
                    return Err(Error::Version);
                }
                Some(Offer::Fits { bytes: used }) => {
                    let taken = greeting::take();
                    self.outbox.extend_from_slice(&taken);
                    let prologue = [bytes.get(..used).unwrap_or_default(), &taken].concat();
                    (Shaking::FirstMessage(answering, prologue), used)
                }
            },
            Shaking::FirstMessage(answering, prologue) => {
                let Some(first) = read_message::<FIRST_BYTES>(bytes)? else {
                    return Ok(self.wait(Shaking::FirstMessage(answering, prologue)));
                };
                let (second, responder) = answering.answer(&prologue, first)?;
                push_message(&mut self.outbox, &second);
                (Shaking::ThirdMessage(responder), 2 + FIRST_BYTES)
            }
            Shaking::ThirdMessage(responder) => {
                let Some(third) = read_message::<THIRD_BYTES>(bytes)? else {
                    return Ok(self.wait(Shaking::ThirdMessage(responder)));
                };
                let (peer, channel) = responder.finish(third)?;
                self.open(channel, peer, false);
                return Ok(Some(2 + THIRD_BYTES));
            }
            Shaking::ServerGreeting(opening) => match greeting::read_choice(bytes)? {
                None => return Ok(self.wait(Shaking::ServerGreeting(opening))),
                Some(Choice::NoneFits) => return Err(Error::Version),
                Some(Choice::Took { bytes: used }) => {
                    let taken = bytes.get(..used).unwrap_or_default();
                    let prologue = [&greeting::offer(), taken].concat();
                    (Shaking::SecondMessage(opening.greeted(&prologue)?), used)
                }
            },
            Shaking::SecondMessage(mut initiator) => {
                let Some(second) = read_message::<SECOND_BYTES>(bytes)? else {
                    return Ok(self.wait(Shaking::SecondMessage(initiator)));
                };
                let key = initiator.read_second(second)?;
                // Now a person may have to decide, which is not the server's fault.
                self.deadline = None;
                (Shaking::Acceptance(initiator, key), 2 + SECOND_BYTES)
            }
            // It is our turn, so a server has nothing to say.
            Shaking::Acceptance(..) if !bytes.is_empty() => {
                return Err(Error::Peer(Violation::Handshake));
            }
            waiting @ Shaking::Acceptance(..) => return Ok(self.wait(waiting)),
        };
        self.state = State::Shaking(Box::new(next));
        Ok(Some(used))
    }

    fn wait(&mut self, shaking: Shaking) -> Option<usize> {
        self.state = State::Shaking(Box::new(shaking));
        None
    }

    fn open(&mut self, channel: Channel, peer: PublicKey, is_client: bool) {
        self.deadline = None;
        self.state = State::Open {
            channel,
            peer,
            is_client,
        };
    }

    /// Forgets frames that were handed out. They go all together, or a burst of small frames would
    /// be moved again and again.
    fn drop_taken(&mut self) {
        if self.taken == self.frames.len() {
            self.frames = Vec::new();
            self.taken = 0;
        }
    }

    fn pack(
        &mut self,
        frames: &mut dyn Iterator<Item = &[u8]>,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<(), Error> {
        let State::Open {
            channel, is_client, ..
        } = &mut self.state
        else {
            return Err(internal("frames were sent before the channel is open"));
        };
        let largest = if *is_client {
            self.client_frame.min(limits::FRAME_BYTES)
        } else {
            limits::FRAME_BYTES
        };
        let packed = largest.min(limits::RECORD_PACK_BYTES);
        // Most frames are short messages; a guess too low costs a copy.
        let expected = frames.size_hint().0.saturating_mul(FRAME_GUESS);
        let mut content = Vec::with_capacity(expected.min(packed));
        for frame in frames {
            if !split_frame(frame).is_some_and(|(_, rest)| rest.is_empty()) {
                return Err(internal("that is no frame"));
            }
            if frame.len() > largest {
                return Err(internal("a frame is larger than allowed here"));
            }
            if !content.is_empty() && content.len() + frame.len() > packed {
                self.rekey.seal(channel, &mut content, out, now)?;
            }
            if frame.len() > packed {
                self.rekey.seal_alone(channel, frame, out, now)?;
                continue;
            }
            content.extend_from_slice(frame);
        }
        if !content.is_empty() {
            self.rekey.seal(channel, &mut content, out, now)?;
        }
        Ok(())
    }
}

/// Reads a handshake message, which has one length only; `None` while more of it is missing.
fn read_message<const BYTES: usize>(bytes: &[u8]) -> Result<Option<&[u8; BYTES]>, Violation> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > limits::HANDSHAKE_BYTES {
        return Err(Violation::Oversized);
    }
    if length != BYTES {
        return Err(Violation::Handshake);
    }
    Ok(rest.first_chunk())
}

fn push_message(out: &mut Vec<u8>, message: &[u8]) {
    out.extend_from_slice(&(message.len() as u16).to_be_bytes());
    out.extend_from_slice(message);
}

/// Bytes of a usual frame with an entry.
const FRAME_GUESS: usize = 320;

fn internal(text: &str) -> Error {
    Error::Internal(text.to_owned())
}
