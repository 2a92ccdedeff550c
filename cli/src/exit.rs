//! How the program ends.

use std::fmt;
use std::io;
use std::process::ExitCode;

use chat_engine::{ByeReason, Error, LinkFault, Misuse};

/// Why a verb failed. Its number is the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// The configuration makes no sense.
    Config(String),
    /// Something else; the text says what to do.
    Failed(String),
    /// It was said already.
    Told,
    /// It took longer than `--timeout` allows.
    Timeout(String),
    /// Nobody decided about the server's key.
    UnknownKey(String),
    /// Nobody reads what is printed.
    Pipe,
    /// The engine failed while connecting or connected.
    Client(Error),
    /// The engine failed while serving.
    Server(Error),
}

pub(crate) const FAILED: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const CANNOT_CONNECT: u8 = 3;
pub(crate) const LOGIN_REFUSED: u8 = 4;
pub(crate) const SERVER_KEY: u8 = 5;
pub(crate) const KICKED: u8 = 6;
pub(crate) const VERSION: u8 = 7;
pub(crate) const TIMEOUT: u8 = 8;
pub(crate) const REPLACED: u8 = 9;
/// `EX_CONFIG` of sysexits.h.
pub(crate) const CONFIG: u8 = 78;

impl Failure {
    /// Tells people, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !matches!(self, Self::Pipe | Self::Told) {
            complain(&self.to_string());
        }
        ExitCode::from(self.code())
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Config(_) => CONFIG,
            Self::Failed(_) | Self::Told => FAILED,
            Self::Timeout(_) => TIMEOUT,
            Self::UnknownKey(_) => SERVER_KEY,
            // The reader has what it wanted: `chat-cli .. | head -1`.
            Self::Pipe => 0,
            Self::Client(error) => client_code(error),
            Self::Server(error) => server_code(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text)
            | Self::Config(text)
            | Self::Failed(text)
            | Self::Timeout(text)
            | Self::UnknownKey(text) => f.write_str(text),
            Self::Told | Self::Pipe => Ok(()),
            Self::Client(error) | Self::Server(error) => error.fmt(f),
        }
    }
}

/// For links on the command line.
impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Self {
        Self::Usage(misuse.to_string())
    }
}

/// For writing to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Failed(format!("cannot write: {error}")),
        }
    }
}

/// A line for people on stderr.
pub(crate) fn complain(text: &str) {
    use std::io::Write;
    // With stderr gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "chat-cli: {text}");
}

fn client_code(error: &Error) -> u8 {
    match error {
        Error::Misuse(Misuse::Name(_) | Misuse::Address(_) | Misuse::Url(_)) => USAGE,
        Error::Refused(_) => LOGIN_REFUSED,
        Error::Link(LinkFault::Bye(reason, _)) => bye_code(*reason),
        Error::Link(LinkFault::Connect(_) | LinkFault::Lost | LinkFault::Timeout) => CANNOT_CONNECT,
        Error::Trust(_) => SERVER_KEY,
        Error::Version => VERSION,
        Error::InUse { .. } => REPLACED,
        // The rest, and what later versions of the engine add.
        _ => FAILED,
    }
}

/// The exit code of a client that the server sent away.
pub(crate) fn bye_code(reason: ByeReason) -> u8 {
    match reason {
        ByeReason::Left => 0,
        ByeReason::Lost | ByeReason::Timeout | ByeReason::Shutdown => CANNOT_CONNECT,
        ByeReason::Kicked | ByeReason::Banned => KICKED,
        ByeReason::Replaced => REPLACED,
        ByeReason::Violation => FAILED,
    }
}

fn server_code(error: &Error) -> u8 {
    match error {
        Error::InUse { .. } => CONFIG,
        Error::Misuse(_) => CONFIG,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use chat_engine::{BadName, Code, Mistrust, Refusal, Violation};

    use super::*;

    #[test]
    fn every_failure_has_the_exit_code_that_scripts_rely_on() {
        let bye = |reason| Error::Link(LinkFault::Bye(reason, String::new()));
        let in_use = || Error::InUse {
            what: "it".into(),
            pid: Some(1),
        };
        let trust = Mistrust {
            expected: None,
            shown: "x".into(),
        };
        for (error, code) in [
            (Error::Misuse(Misuse::Address("x".into())), 2),
            (Error::Misuse(Misuse::Name(BadName::Empty)), 2),
            (Error::Misuse(Misuse::Full), 1),
            (Error::Link(LinkFault::Connect("x".into())), 3),
            (Error::Link(LinkFault::Lost), 3),
            (Error::Link(LinkFault::Timeout), 3),
            (Error::Refused(Refusal::new(Code::LoginFailed)), 4),
            (Error::Trust(trust), 5),
            (bye(ByeReason::Kicked), 6),
            (bye(ByeReason::Banned), 6),
            (Error::Version, 7),
            (bye(ByeReason::Replaced), 9),
            (in_use(), 9),
            (Error::Local("x".into()), 1),
            (Error::Peer(Violation::Malformed), 1),
            (Error::TooNew("x".into()), 1),
            (Error::Internal("x".into()), 1),
        ] {
            assert_eq!(client_code(&error), code, "{error:?}");
        }
        assert_eq!(Failure::Server(in_use()).code(), 78);
        assert_eq!(Failure::Server(Error::Local("x".into())).code(), 1);
        assert_eq!(Failure::Config(String::new()).code(), 78);
        assert_eq!(Failure::Timeout(String::new()).code(), 8);
        assert_eq!(Failure::UnknownKey(String::new()).code(), 5);
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(
            Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).code(),
            0
        );
    }
}
