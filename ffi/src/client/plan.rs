//! What the options of a client mean.

use std::ffi::c_char;
use std::time::Duration;

use chat_engine::{
    AccountName, ChatUrl, ClientConfig, ClientDriver, ProfilePlace, Secret, Server, Trust, limits,
    url,
};

use crate::api::client::{
    CHAT_TRUST_ACCEPT_NEW, CHAT_TRUST_ASK, CHAT_TRUST_PINNED, chat_client_options,
};
use crate::guard::{Fault, Outcome};
use crate::input::{self, invalid};
use crate::pipe;
use crate::status::{CHAT_BAD_ADDRESS, CHAT_BAD_OPTIONS};
use crate::{handle, runtime};

/// A client that can be opened.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: ClientConfig,
    pub(crate) request_timeout: Option<Duration>,
    /// A server of this process, in place of an address.
    server: Option<Server>,
}

/// Reads the options.
///
/// # Safety
///
/// The strings in them end with NUL.
pub(crate) unsafe fn plan(options: &chat_client_options) -> Outcome<Plan> {
    let short = |text: *const c_char| {
        // SAFETY: as the caller promises.
        unsafe { input::text_if(text, input::SHORT) }
    };
    if options.reserved != 0 {
        return Err(Fault::new(CHAT_BAD_OPTIONS, "`reserved` must be 0"));
    }
    let link = match short(options.address)? {
        Some(address) => Some(address.parse::<ChatUrl>()?),
        None => None,
    };
    let server = match options.server.is_null() {
        true => None,
        false => Some(handle::server(options.server)?.engine()),
    };
    let address = match (&link, &server) {
        (Some(link), None) => link.address(),
        // Known hosts and profiles know servers by their addresses.
        (None, Some(server)) => format!("memory:{}", server.fingerprint()),
        _ => {
            let text = "a client needs an address, or a server of this process, and not both";
            return Err(Fault::new(CHAT_BAD_ADDRESS, text));
        }
    };
    let (named, pinned, invited) = link.map_or((None, None, None), |link| {
        (link.account, link.fingerprint, link.invite)
    });
    let account = match short(options.account)? {
        Some(name) => AccountName::new(name)?,
        None => named.ok_or_else(|| invalid("`account` is missing"))?,
    };
    // SAFETY: as the caller promises.
    let password = unsafe { input::text_if(options.password, input::PASSWORD) }?;
    let path = |path: *const c_char| match path.is_null() {
        true => Ok(None),
        // SAFETY: as the caller promises.
        false => unsafe { input::path(path) }.map(Some),
    };
    let pin = match short(options.fingerprint)? {
        Some(text) => Some(url::fingerprint(text)?),
        None => pinned,
    };
    let config = ClientConfig {
        password: password.map(Secret::new),
        register: flag(options.register_account, "register_account")?,
        invite: short(options.invite)?.map(str::to_owned).or(invited),
        trust: trust(options.trust, pin, server.as_ref())?,
        profile: path(options.profile)?.map_or(ProfilePlace::Memory, ProfilePlace::Folder),
        known_hosts: path(options.known_hosts)?,
        device: short(options.device)?.unwrap_or_default().to_owned(),
        reconnect: flag(options.reconnect, "reconnect")?,
        patient: flag(options.patient, "patient")?,
        longest_pause: match options.longest_pause_ms {
            0 => limits::BACKOFF_LAST,
            pause => Duration::from_millis(pause.into()),
        },
        ..ClientConfig::new(address, account)
    };
    let timeout = Duration::from_millis(options.request_timeout_ms.into());
    Ok(Plan {
        config,
        request_timeout: (!timeout.is_zero()).then_some(timeout),
        server,
    })
}

impl Plan {
    pub(super) async fn open(self) -> Outcome<(chat_engine::Client, ClientDriver)> {
        let Some(server) = self.server else {
            return Ok(chat_engine::Client::open(self.config).await?);
        };
        let (ours, theirs) = pipe::duplex();
        let opened = chat_engine::Client::open_over(self.config, ours).await?;
        runtime::spawn(async move { server.serve_stream(theirs, None).await }).detach();
        Ok(opened)
    }
}

fn trust(trust: u32, pin: Option<String>, server: Option<&Server>) -> Outcome<Trust> {
    match (trust, pin, server) {
        (CHAT_TRUST_ASK | CHAT_TRUST_ACCEPT_NEW | CHAT_TRUST_PINNED, Some(pin), _) => {
            Ok(Trust::Pinned(pin))
        }
        // It is known who is at the other end: the program itself.
        (CHAT_TRUST_ASK | CHAT_TRUST_ACCEPT_NEW | CHAT_TRUST_PINNED, None, Some(server)) => {
            Ok(Trust::Pinned(server.fingerprint().to_owned()))
        }
        (CHAT_TRUST_ASK, None, None) => Ok(Trust::Ask),
        (CHAT_TRUST_ACCEPT_NEW, None, None) => Ok(Trust::AcceptNew),
        (CHAT_TRUST_PINNED, None, None) => Err(invalid("the fingerprint to trust is missing")),
        _ => Err(invalid("there is no such kind of trust")),
    }
}

fn flag(value: u32, name: &str) -> Outcome<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid(&format!("`{name}` is 0 or 1"))),
    }
}
