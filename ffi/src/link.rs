//! `chat://` links and fingerprints.

use chat_engine::{AccountName, Misuse};
use url::{Url, form_urlencoded};

use crate::guard::{Fault, Outcome};
use crate::status::CHAT_BAD_ADDRESS;

/// What a link says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Link {
    /// A name or an address; IPv6 in brackets.
    host: String,
    port: u16,
    pub(crate) account: Option<AccountName>,
    /// `SHA256:` and base64url.
    pub(crate) fingerprint: Option<String>,
    /// The token of an invite.
    pub(crate) invite: Option<String>,
}

impl Link {
    /// Reads `HOST:PORT` or `chat://[ACCOUNT@]HOST[:PORT][?fp=..&invite=..]`. A room in it is no business
    /// of connecting.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let bad = |why: &str| {
            Fault::from(Misuse::Url(format!(
                "\"{text}\" is not HOST:PORT or chat://[ACCOUNT@]HOST[:PORT]: {why}"
            )))
        };
        let full = match text.contains("://") {
            true => text.to_owned(),
            false => format!("chat://{text}"),
        };
        let url = Url::parse(&full).map_err(|error| bad(&error.to_string()))?;
        if url.scheme() != "chat" {
            return Err(bad("it begins with something else"));
        }
        if url.password().is_some() {
            return Err(bad("a password never belongs into a link"));
        }
        let host = match url.host_str() {
            Some(host) if !host.is_empty() => host.to_owned(),
            _ => return Err(bad("the host is missing")),
        };
        let account = match decode(url.username()) {
            name if name.is_empty() => None,
            name => Some(AccountName::new(&name)?),
        };
        let mut link = Self {
            host,
            port: url.port().unwrap_or(PORT),
            account,
            ..Self::default()
        };
        for (key, value) in url.query_pairs() {
            match &*key {
                "fp" => link.fingerprint = Some(fingerprint(&value)?),
                "invite" => link.invite = Some(value.into_owned()),
                // Later versions may say more.
                _ => {}
            }
        }
        Ok(link)
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Reads a fingerprint with or without its `SHA256:`, in base64 of either alphabet.
pub(crate) fn fingerprint(text: &str) -> Outcome<String> {
    let digits = text.strip_prefix(PREFIX).unwrap_or(text);
    let digits: String = digits
        .trim_end_matches('=')
        .chars()
        .map(|sign| match sign {
            // A query turns + into a space.
            '+' | ' ' => '-',
            '/' => '_',
            sign => sign,
        })
        .collect();
    let is_digit = |sign: u8| sign.is_ascii_alphanumeric() || sign == b'-' || sign == b'_';
    match digits.len() == DIGITS && digits.bytes().all(is_digit) {
        true => Ok(format!("{PREFIX}{digits}")),
        false => Err(Fault::new(
            CHAT_BAD_ADDRESS,
            format!("\"{text}\" is not a fingerprint: SHA256: and {DIGITS} digits of base64url"),
        )),
    }
}

/// The link that lets somebody in.
pub(crate) fn invite(address: &str, fingerprint: &str, token: &str) -> String {
    let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    format!("chat://{address}?fp={fingerprint}&invite={token}")
}

fn decode(text: &str) -> String {
    // Only in queries does + stand for a space.
    let text = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

const PORT: u16 = 7878;
const PREFIX: &str = "SHA256:";
/// 32 bytes in base64 without padding.
const DIGITS: usize = 43;
