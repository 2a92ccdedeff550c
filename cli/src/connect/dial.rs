//! Whom to call, as whom.

use std::io::{self, BufRead, IsTerminal, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_io::Timer;
use chat_engine::{
    ChatUrl, Client, ClientConfig, Code, Command, Error, ProfilePlace, RoomName, Trust, url,
};
use futures_lite::future;

use crate::args::DialArgs;
use crate::exit::{Failure, complain};
use crate::{paths, signals, user};

/// What the command line says about the other end.
pub(crate) struct Dial {
    pub(crate) config: ClientConfig,
    pub(crate) room: Option<RoomName>,
    /// Wrong passwords that were typed.
    tries: u32,
    /// The password was given on the command line or in the environment, so it won't change.
    given: bool,
}

impl Dial {
    pub(crate) fn new(args: &DialArgs) -> Result<Self, Failure> {
        let place: ChatUrl = args.target.parse()?;
        let account = args
            .user
            .as_ref()
            .or(place.account.as_ref())
            .ok_or_else(|| {
                Failure::Usage("say who you are: --user NAME, or chat://NAME@HOST:PORT".to_owned())
            })?;
        let account = account.clone();
        let state = paths::state()?;
        paths::make_private(&state)
            .map_err(|error| Failure::Failed(format!("{}: {error}", state.display())))?;
        let pin = match &args.fingerprint {
            Some(text) => Some(url::fingerprint(text)?),
            None => place.fingerprint.clone(),
        };
        let mut password = user::given_password(args.password_file.as_deref())?;
        let given = password.is_some();
        if args.register && !given && io::stdin().is_terminal() {
            password = Some(user::ask_new_password(account.as_str())?);
        }
        let profile = match &args.profile {
            Some(folder) => folder.clone(),
            None => paths::profile(&state, &account, &place),
        };
        let usual = ClientConfig::new(place.address(), account);
        let config = ClientConfig {
            password,
            register: args.register,
            invite: place.invite.clone(),
            trust: match pin {
                Some(pin) => Trust::Pinned(pin),
                None if args.accept_new => Trust::AcceptNew,
                None => Trust::Ask,
            },
            profile: ProfilePlace::Folder(profile),
            known_hosts: Some(state.join("known_hosts")),
            device: device_name(),
            longest_pause: args.longest_pause.unwrap_or(usual.longest_pause),
            ..usual
        };
        Ok(Self {
            config,
            room: place.room,
            tries: 0,
            given,
        })
    }

    /// Whether a person could help with another password.
    pub(crate) fn may_ask(&self, error: &Error) -> bool {
        let Error::Refused(refusal) = error else {
            return false;
        };
        let helps = matches!(
            refusal.code,
            Code::PasswordRequired | Code::DeviceRevoked | Code::LoginFailed
        );
        helps && !self.given && self.tries < TRIES && io::stdin().is_terminal()
    }

    /// Asks for the password after a login that failed without, or with a wrong one.
    pub(crate) fn ask_password(&mut self, error: Error) -> Result<(), Failure> {
        if self.tries > 0 {
            complain(&error.to_string());
        }
        self.tries += 1;
        let prompt = format!("Password of {}: ", self.config.account);
        self.config.password = Some(user::ask_password(&prompt)?);
        Ok(())
    }
}

/// A client and the thread that does its work.
pub(crate) struct Online {
    pub(crate) client: Client,
    thread: JoinHandle<()>,
}

impl Online {
    pub(crate) async fn open(config: ClientConfig) -> Result<Self, Failure> {
        let (client, driver) = Client::open(config).await.map_err(Failure::Client)?;
        // Apart from this thread, which may wait for a slow reader of stdout: the link lives on.
        let thread = thread::Builder::new()
            .name("chat-client".to_owned())
            .spawn(move || async_io::block_on(driver.run()))
            .map_err(|error| Failure::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { client, thread })
    }

    /// After the last event: what is left to save is saved when it returns.
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the client's thread panicked");
        }
    }

    /// Says goodbye without looking at what still comes.
    pub(crate) async fn abandon(self) {
        // It may be leaving already.
        let _ = self.client.command(Command::Leave { flush: false });
        let rest = async { while self.client.next_event().await.is_some() {} };
        let late = async {
            Timer::after(ABANDON).await;
        };
        future::or(rest, late).await;
    }
}

/// Asks a person about the key of a new server, until the answer is one.
pub(super) fn asks_about(fingerprint: &str) -> Result<bool, Failure> {
    let mut out = io::stderr();
    write!(
        out,
        "This server is new. Its key is\n  {fingerprint}\nCompare it with what its operator says. \
         Accept it (yes/no/fingerprint)? "
    )?;
    loop {
        out.flush()?;
        let mut line = String::new();
        if signals::at_once(|| io::stdin().lock().read_line(&mut line))? == 0 {
            return Ok(false);
        }
        match answer(line.trim(), fingerprint) {
            Some(accepted) => return Ok(accepted),
            None => write!(out, "Please type yes, no, or the fingerprint: ")?,
        }
    }
}

/// A fingerprint says yes where it is the one that is shown; another one says no.
fn answer(line: &str, shown: &str) -> Option<bool> {
    if line.eq_ignore_ascii_case("yes") {
        return Some(true);
    }
    if line.eq_ignore_ascii_case("no") {
        return Some(false);
    }
    let expected = url::fingerprint(line).ok()?;
    Some(expected == shown)
}

/// What the owner recognizes the device by.
fn device_name() -> String {
    // Where there is no such file the owner sees a device without a name.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut name = name.trim().to_owned();
    let mut end = name.len().min(chat_engine::limits::DEVICE_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

/// Passwords that may be typed, as in SSH.
const TRIES: u32 = 3;
/// How long the goodbye may take that nobody waits for.
const ABANDON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_by_a_word_or_by_itself_and_anything_else_is_asked_again() {
        let shown = format!("SHA256:{}", "a".repeat(43));
        assert_eq!(answer("yes", &shown), Some(true));
        assert_eq!(answer(&"a".repeat(43), &shown), Some(true));
        assert_eq!(answer("no", &shown), Some(false));
        assert_eq!(answer(&"b".repeat(43), &shown), Some(false));
        // What a person meant to say in the room must not end the program.
        for line in ["", "y", "n", "hello ann"] {
            assert_eq!(answer(line, &shown), None, "{line}");
        }
    }
}
