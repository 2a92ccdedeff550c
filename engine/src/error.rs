//! Errors by culprit: each says whose fault it is and what to do.

use std::fmt;

use crate::model::{BadName, ByeReason, Refusal};

/// Why a call failed.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Error {
    /// The call made no sense here. Fix the calling code or the value it passes.
    Misuse(Misuse),
    /// The server said no; the refusal says why, and when to try again.
    Refused(Refusal),
    /// The link could not be made, or broke. Connect again.
    Link(LinkFault),
    /// The peer broke the protocol or the bytes were changed on the way. The link is closed.
    Peer(Violation),
    /// The server is not the one that it was, or should be. Nothing secret was sent to it.
    Trust(Mistrust),
    /// The two ends have no protocol version in common. Update the older one.
    Version,
    /// This machine could not do it: disk, permissions, configuration.
    Local(String),
    /// Another process holds the data directory or the profile.
    InUse {
        /// What is held.
        what: String,
        /// The process that holds it, where known.
        pid: Option<u32>,
    },
    /// The stored data is of a later version. Update this program.
    TooNew(String),
    /// The object was closed.
    Closed,
    /// A fault of this library. Please report it.
    Internal(String),
}

/// How a call was wrong.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Misuse {
    /// That is no name.
    Name(BadName),
    /// The text is longer than this many bytes.
    TooLong(usize),
    /// There is nothing to send.
    Empty,
    /// The address is not `HOST:PORT`.
    Address(String),
    /// The link is not a `chat://` link.
    Url(String),
    /// The outbox or the queue of requests is full. Wait for answers.
    Full,
    /// Something else; the text says what.
    Other(String),
}

/// What happened to a link.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkFault {
    /// No stream: host not found, refused, unreachable. The text is the system's.
    Connect(String),
    /// The stream broke or ended without goodbye.
    Lost,
    /// Nothing came for too long.
    Timeout,
    /// The other end said goodbye.
    Bye(ByeReason, String),
}

/// How a peer broke the protocol.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Violation {
    /// The first bytes are not a greeting of this protocol.
    Greeting,
    /// A handshake message is malformed or does not fit. Deliberately coarse.
    Handshake,
    /// A record was changed on the way.
    Integrity,
    /// A record or frame is larger than allowed here.
    Oversized,
    /// A frame is cut off, has bytes left over, or values that don't exist.
    Malformed,
    /// A frame that is unknown and says that it matters.
    Unsupported,
    /// A frame that is not allowed in this state.
    Unexpected,
    /// More sends or requests than the credit allows.
    Credit,
    /// A handshake, a login or a record took too long.
    Deadline,
    /// An entry that does not follow the one before it.
    Sequence,
}

/// Why a server is not trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistrust {
    /// The fingerprint that was expected; `None` when nobody decided about this server yet.
    pub expected: Option<String>,
    /// The fingerprint that the server showed.
    pub shown: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Link(fault) => fault.fmt(f),
            Self::Peer(violation) => write!(f, "the other end broke the protocol: {violation}"),
            Self::Trust(mistrust) => mistrust.fmt(f),
            Self::Version => f.write_str(
                "the server speaks another version of the protocol; update the older of the two",
            ),
            Self::Local(text) => f.write_str(text),
            Self::InUse {
                what,
                pid: Some(pid),
            } => {
                write!(f, "{what} is in use by process {pid}")
            }
            Self::InUse { what, pid: None } => write!(f, "{what} is in use by another process"),
            Self::TooNew(what) => {
                write!(
                    f,
                    "{what} was written by a later version; update this program"
                )
            }
            Self::Closed => f.write_str("it is closed"),
            Self::Internal(text) => write!(f, "a fault of the chat library: {text}"),
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(bad) => bad.fmt(f),
            Self::TooLong(limit) => write!(f, "the text is longer than {limit} bytes"),
            Self::Empty => f.write_str("there is nothing to send"),
            Self::Address(text) => write!(f, "\"{text}\" is not HOST:PORT"),
            Self::Url(text) => f.write_str(text),
            Self::Full => f.write_str("too much is waiting for answers; wait for some of them"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(text) => write!(f, "cannot connect: {text}"),
            Self::Lost => f.write_str("the connection was lost"),
            Self::Timeout => f.write_str("the other end does not answer"),
            Self::Bye(_, text) if !text.is_empty() => f.write_str(text),
            Self::Bye(reason, _) => {
                write!(f, "the server ended the connection: {}", reason.as_str())
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "not a greeting of this protocol",
            Self::Handshake => "a bad handshake",
            Self::Integrity => "a record was changed on the way",
            Self::Oversized => "a record or frame is too large",
            Self::Malformed => "a malformed frame",
            Self::Unsupported => "a frame that this version does not know",
            Self::Unexpected => "a frame that is not allowed here",
            Self::Credit => "more at once than the credit allows",
            Self::Deadline => "it took too long",
            Self::Sequence => "an entry that does not follow the one before it",
        })
    }
}

impl fmt::Display for Mistrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expected {
            Some(expected) => write!(
                f,
                "the server shows the key {}, but {expected} was expected: it was set up anew, or \
                 somebody is in between; ask its operator",
                self.shown
            ),
            None => write!(
                f,
                "the server's key {} is not known yet; compare it with what its operator says, \
                 then accept it",
                self.shown
            ),
        }
    }
}

impl std::error::Error for Error {}
impl std::error::Error for Misuse {}
impl std::error::Error for LinkFault {}
impl std::error::Error for Violation {}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Self::Misuse(misuse)
    }
}

impl From<BadName> for Error {
    fn from(bad: BadName) -> Self {
        Self::Misuse(Misuse::Name(bad))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Peer(violation)
    }
}
