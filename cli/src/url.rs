//! `chat://` links.

use std::net::SocketAddr;

use chat_engine::{AccountName, RoomName};
use url::{Url, form_urlencoded};

use crate::exit::Failure;

/// What a link says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// A name or an address; IPv6 in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) account: Option<AccountName>,
    pub(crate) room: Option<RoomName>,
    /// `SHA256:` and base64url.
    pub(crate) fingerprint: Option<String>,
    /// The token of an invite.
    pub(crate) invite: Option<String>,
}

impl Place {
    /// Reads `chat://[NAME@]HOST[:PORT][/ROOM][?fp=..&invite=..]`; `chat://` may be missing.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let bad = |why: &str| {
            Failure::Usage(format!(
                "\"{text}\" is not chat://[NAME@]HOST:PORT[/ROOM]: {why}"
            ))
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
        if url.fragment().is_some() {
            return Err(bad("the room follows a / and has no #"));
        }
        let host = match url.host_str() {
            Some(host) if !host.is_empty() => host.to_owned(),
            _ => return Err(bad("the host is missing")),
        };
        let account = match decode(url.username()) {
            name if name.is_empty() => None,
            name => Some(AccountName::new(&name).map_err(|why| bad(&why.to_string()))?),
        };
        let room = match decode(url.path().trim_matches('/')) {
            name if name.is_empty() => None,
            name => Some(RoomName::new(&name).map_err(|why| bad(&why.to_string()))?),
        };
        let (mut pin, mut invite) = (None, None);
        for (key, value) in url.query_pairs() {
            match &*key {
                "fp" => pin = Some(fingerprint(&value)?),
                "invite" => invite = Some(value.into_owned()),
                // Later versions may say more.
                _ => {}
            }
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(DEFAULT_PORT),
            account,
            room,
            fingerprint: pin,
            invite,
        })
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Reads a fingerprint with or without its `SHA256:`, in base64 of either alphabet.
pub(crate) fn fingerprint(text: &str) -> Result<String, Failure> {
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
    let fits = digits.len() == FINGERPRINT_DIGITS
        && digits
            .bytes()
            .all(|sign| sign.is_ascii_alphanumeric() || sign == b'-' || sign == b'_');
    match fits {
        true => Ok(format!("{PREFIX}{digits}")),
        false => Err(Failure::Usage(format!(
            "\"{text}\" is not a fingerprint: SHA256: and {FINGERPRINT_DIGITS} digits of base64url"
        ))),
    }
}

/// The link that lets somebody in.
pub(crate) fn invite(address: &str, fingerprint: &str, token: Option<&str>) -> String {
    let mut link = format!("chat://{address}?fp={fingerprint}");
    if let Some(token) = token {
        let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        link.push_str("&invite=");
        link.push_str(&token);
    }
    link
}

/// Whether only this machine can reach the address.
pub(crate) fn is_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => address
            .rsplit_once(':')
            .is_some_and(|(host, _)| host == "localhost"),
    }
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

pub(crate) const DEFAULT_PORT: u16 = 7878;

const PREFIX: &str = "SHA256:";
/// 32 bytes in base64 without padding.
const FINGERPRINT_DIGITS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL-_012";

    #[test]
    fn links_are_taken_apart() {
        let place = Place::parse(&format!(
            "chat://Ann@chat.example:99/Lobby?fp=SHA256:{DIGITS}&invite=t0k-en&later=1"
        ))
        .unwrap();
        assert_eq!(place.address(), "chat.example:99");
        assert_eq!(place.account, AccountName::new("ann").ok());
        assert_eq!(place.room, RoomName::new("lobby").ok());
        assert_eq!(place.fingerprint, Some(format!("SHA256:{DIGITS}")));
        assert_eq!(place.invite.as_deref(), Some("t0k-en"));

        let bare = Place::parse("127.0.0.1").unwrap();
        assert_eq!(bare.address(), "127.0.0.1:7878");
        assert_eq!((bare.account, bare.room), (None, None));
        assert_eq!(
            Place::parse("chat://[::1]:5/").unwrap().address(),
            "[::1]:5"
        );
        assert_eq!(
            Place::parse("chat://h/b%C3%BCro+").unwrap().room,
            RoomName::new("büro+").ok()
        );
    }

    #[test]
    fn bad_links_say_why() {
        for (text, why) in [
            ("http://h:1", "something else"),
            ("chat://a:b@h:1", "password"),
            ("chat://h:1/#room", "no #"),
            ("chat://h:99999", "port"),
            ("chat://", "host"),
            ("chat://h:1/a%20b", "without spaces"),
            ("chat://h:1?fp=xyz", "not a fingerprint"),
        ] {
            let failure = Place::parse(text).unwrap_err();
            assert_eq!(failure.code(), 2);
            assert!(failure.to_string().contains(why), "{text}: {failure}");
        }
    }

    #[test]
    fn fingerprints_are_read_in_both_alphabets() {
        let expected = format!("SHA256:{DIGITS}");
        let other = DIGITS.replace('-', "+").replace('_', "/");
        for text in [DIGITS, &expected, &other, &format!("{other}=")] {
            assert_eq!(fingerprint(text).unwrap(), expected);
        }
    }

    #[test]
    fn an_invite_reads_back() {
        let link = invite("127.0.0.1:1", &format!("SHA256:{DIGITS}"), Some("a-b_c"));
        assert_eq!(
            link,
            format!("chat://127.0.0.1:1?fp=SHA256:{DIGITS}&invite=a-b_c")
        );
        let place = Place::parse(&link).unwrap();
        assert_eq!(place.fingerprint, Some(format!("SHA256:{DIGITS}")));
        assert_eq!(place.invite.as_deref(), Some("a-b_c"));
    }

    #[test]
    fn loopback_is_known_by_name_and_number() {
        for address in ["127.0.0.1:1", "[::1]:0", "localhost:7"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "chat.example:7", "localhost"] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}
