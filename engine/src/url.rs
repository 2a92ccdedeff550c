//! `chat://` links: where a server is, how it is known, and what lets somebody in.

use std::net::Ipv6Addr;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::Misuse;
use crate::model::{AccountName, RoomName};

/// The port of a server where nothing else is said.
pub const PORT: u16 = 7878;

/// What a link says: `chat://[NAME@]HOST[:PORT][/ROOM][?fp=FINGERPRINT&invite=TOKEN]`.
///
/// It is read by [`str::parse`]. `chat://` may be missing, so that a bare `HOST:PORT` is one, too.
///
/// ```
/// use chat_engine::ChatUrl;
///
/// let url: ChatUrl = "chat://ann@chat.example/lobby".parse()?;
/// assert_eq!(url.address(), "chat.example:7878");
/// assert_eq!(url.room.unwrap().as_str(), "lobby");
/// # Ok::<(), chat_engine::Misuse>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChatUrl {
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    /// Its port, [`PORT`] if the link has none.
    pub port: u16,
    /// Who comes in.
    pub account: Option<AccountName>,
    /// Where to.
    pub room: Option<RoomName>,
    /// What the server is known by: `SHA256:` and base64url.
    pub fingerprint: Option<String>,
    /// The token of an invite.
    pub invite: Option<String>,
}

impl ChatUrl {
    /// `HOST:PORT`, as [`crate::ClientConfig`] takes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for ChatUrl {
    type Err = Misuse;

    /// Reads a link. Anything that is wrong with it is [`Misuse::Url`], which says what.
    fn from_str(text: &str) -> Result<Self, Misuse> {
        read(text.trim()).map_err(|why| match why {
            Why::Password => Misuse::Url("a password never belongs into a link".to_owned()),
            Why::Other(why) => Misuse::Url(format!(
                "\"{text}\" is not chat://[NAME@]HOST[:PORT][/ROOM]: {why}"
            )),
        })
    }
}

/// Reads a fingerprint with or without its `SHA256:`, in base64 of either alphabet, and answers it as it is
/// written everywhere: `SHA256:` and base64url.
///
/// # Errors
///
/// [`Misuse::Url`] for anything else.
pub fn fingerprint(text: &str) -> Result<String, Misuse> {
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
        false => Err(Misuse::Url(format!(
            "\"{text}\" is not a fingerprint: SHA256: and {DIGITS} digits of base64url"
        ))),
    }
}

/// Writes the link that lets somebody in: to the server at `HOST:PORT`, and with an account that the token
/// gives, where one is needed.
#[must_use]
pub fn invite(address: &str, fingerprint: &str, token: Option<&str>) -> String {
    let mut link = format!("chat://{address}?fp={fingerprint}");
    if let Some(token) = token {
        link.push_str("&invite=");
        link.extend(utf8_percent_encode(token, RESERVED));
    }
    link
}

/// Why a text is no link.
enum Why {
    /// It is not repeated: a message lands in logs.
    Password,
    Other(String),
}

impl From<&str> for Why {
    fn from(why: &str) -> Self {
        Self::Other(why.to_owned())
    }
}

fn read(text: &str) -> Result<ChatUrl, Why> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("chat") => rest,
        Some(_) => return Err("it begins with something else".into()),
        None => text,
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (place, room) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, place) = place.rsplit_once('@').unwrap_or(("", place));
    if user.contains(':') {
        return Err(Why::Password);
    }
    if text.contains('#') {
        return Err("the room follows a / and has no #".into());
    }
    let (host, port) = host_and_port(place)?;
    let mut url = ChatUrl {
        host: host.to_owned(),
        port,
        account: name(user)?,
        room: name(room.trim_matches('/'))?,
        fingerprint: None,
        invite: None,
    };
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            // Only in queries does + stand for a space.
            "fp" => {
                let pin = fingerprint(&decoded(&value.replace('+', " "))?);
                url.fingerprint = Some(pin.map_err(|why| Why::Other(why.to_string()))?);
            }
            "invite" => url.invite = Some(decoded(&value.replace('+', " "))?),
            // Later versions may say more.
            _ => {}
        }
    }
    Ok(url)
}

fn host_and_port(place: &str) -> Result<(&str, u16), Why> {
    // The colons of IPv6 stand in brackets.
    let after = place.rfind(']').map_or(0, |end| end + 1);
    let colon = place.get(after..).and_then(|rest| rest.find(':'));
    let (host, port) = match colon {
        Some(colon) => place.split_at(after + colon),
        None => (place, ""),
    };
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_default();
        if inner.parse::<Ipv6Addr>().is_err() {
            return Err("what stands in brackets is no IPv6 address".into());
        }
    } else if host.contains(|sign: char| !sign.is_alphanumeric() && !"-._~".contains(sign)) {
        return Err("the host has signs that no host has".into());
    }
    let digits = port.strip_prefix(':').unwrap_or_default();
    if digits.is_empty() {
        return Ok((host, PORT));
    }
    match digits.parse() {
        Ok(port) if port != 0 && digits.bytes().all(|sign| sign.is_ascii_digit()) => {
            Ok((host, port))
        }
        _ => Err("the port is no number from 1 to 65535".into()),
    }
}

/// The name that stands in a part of a link, if one does.
fn name<T: FromStr<Err: ToString>>(part: &str) -> Result<Option<T>, Why> {
    match decoded(part)? {
        text if text.is_empty() => Ok(None),
        text => match text.parse() {
            Ok(name) => Ok(Some(name)),
            Err(why) => Err(Why::Other(why.to_string())),
        },
    }
}

fn decoded(part: &str) -> Result<String, Why> {
    match percent_decode_str(part).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err("what the % stand for is no UTF-8".into()),
    }
}

const PREFIX: &str = "SHA256:";
/// 32 bytes in base64 without padding.
const DIGITS: usize = 43;
/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL-_012";

    fn url(text: &str) -> ChatUrl {
        text.parse()
            .unwrap_or_else(|why: Misuse| panic!("{text}: {why}"))
    }

    #[test]
    fn links_are_taken_apart() {
        let full = url(&format!(
            "chat://Ann@chat.example:99/Lobby?fp=SHA256:{KEY}&invite=t0k-en&later=1"
        ));
        assert_eq!(full.address(), "chat.example:99");
        assert_eq!(full.account, AccountName::new("ann").ok());
        assert_eq!(full.room, RoomName::new("lobby").ok());
        assert_eq!(full.fingerprint, Some(format!("SHA256:{KEY}")));
        assert_eq!(full.invite.as_deref(), Some("t0k-en"));

        let bare = url("127.0.0.1");
        assert_eq!(bare.address(), "127.0.0.1:7878");
        assert_eq!((bare.account, bare.room), (None, None));
        assert_eq!((bare.fingerprint, bare.invite), (None, None));
    }

    #[test]
    fn hosts_are_names_and_addresses_with_and_without_a_port() {
        for (text, address) in [
            ("h", "h:7878"),
            ("h:", "h:7878"),
            ("h:5/", "h:5"),
            ("CHAT://h:5", "h:5"),
            (" chat://h:5\n", "h:5"),
            ("ann@h:5", "h:5"),
            ("chat://h?", "h:7878"),
            ("[::1]", "[::1]:7878"),
            ("chat://ann@[fe80::1]:5/", "[fe80::1]:5"),
            ("bücher.example", "bücher.example:7878"),
            ("my_host.lan", "my_host.lan:7878"),
        ] {
            assert_eq!(url(text).address(), address, "{text}");
        }
    }

    #[test]
    fn names_are_decoded_and_plus_is_a_space_in_queries_alone() {
        let room = |text: &str| url(text).room;
        assert_eq!(room("chat://h/b%C3%BCro+"), RoomName::new("büro+").ok());
        assert_eq!(room("h/büro"), RoomName::new("büro").ok());
        assert_eq!(room("chat://h//lobby/"), RoomName::new("lobby").ok());
        let account = url("chat://%C3%A4nn@h").account;
        assert_eq!(account, AccountName::new("änn").ok());
        let invite = url("chat://h?invite=a+b%2Bc").invite;
        assert_eq!(invite.as_deref(), Some("a b+c"));
        // The last one counts, and so does none.
        let invite = url("chat://h?invite=x&&=&invite=").invite;
        assert_eq!(invite.as_deref(), Some(""));
    }

    #[test]
    fn bad_links_say_why() {
        for (text, why) in [
            ("http://h:1", "something else"),
            ("h/?to=chat://h", "something else"),
            ("chat://h:1/#room", "no #"),
            ("chat://h:99999", "port"),
            ("chat://h:+5", "port"),
            ("chat://h:0", "port"),
            ("chat://h:1:2", "port"),
            ("::1", "host is missing"),
            ("", "host is missing"),
            ("chat://", "host is missing"),
            ("chat://ann@", "host is missing"),
            ("chat://:5", "host is missing"),
            ("chat://[::1", "IPv6"),
            ("chat://[::g]", "IPv6"),
            ("chat://[::1]x:5", "IPv6"),
            ("chat://x[::1]:5", "signs"),
            ("chat://a b:5", "signs"),
            ("chat://h\0:5", "signs"),
            ("chat://h%20:5", "signs"),
            ("chat://h:1/a%20b", "without spaces"),
            ("chat://h:1/a/b", "without spaces"),
            ("chat://h:1/%ff", "UTF-8"),
            ("chat://a b@h:1", "without spaces"),
            ("chat://h:1?fp=xyz", "not a fingerprint"),
        ] {
            let Err(Misuse::Url(message)) = text.parse::<ChatUrl>() else {
                panic!("{text} is a link");
            };
            assert!(message.contains(why), "{text}: {message}");
            assert!(message.contains(text), "{text}: {message}");
        }
    }

    #[test]
    fn a_password_is_not_taken_and_not_repeated() {
        for text in ["chat://a:secret@h:1", "a:secret@h", "chat://a:secret@h/#x"] {
            let Err(Misuse::Url(message)) = text.parse::<ChatUrl>() else {
                panic!("{text} is a link");
            };
            assert!(message.contains("password"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let parts = [
            "chat://", "ann", "@", ":", "[", "]", "::1", "/", "?", "fp=", "%", "#", "ü", "&",
        ];
        for a in parts {
            for b in parts {
                for c in parts {
                    for d in parts {
                        let _ = format!("{a}{b}{c}{d}").parse::<ChatUrl>();
                        let _ = format!("chat://h{a}{b}{c}{d}").parse::<ChatUrl>();
                    }
                }
            }
        }
    }

    #[test]
    fn fingerprints_are_read_in_both_alphabets() {
        let expected = format!("SHA256:{KEY}");
        let other = KEY.replace('-', "+").replace('_', "/");
        for text in [KEY, &expected, &other, &format!("{other}=")] {
            assert_eq!(fingerprint(text), Ok(expected.clone()));
            let link = url(&format!("chat://h?fp={text}"));
            assert_eq!(link.fingerprint.as_ref(), Some(&expected), "{text}");
        }
        assert!(fingerprint(&KEY[1..]).is_err());
    }

    #[test]
    fn an_invite_reads_back() {
        let key = format!("SHA256:{KEY}");
        let link = invite("127.0.0.1:1", &key, Some("a-b_c"));
        assert_eq!(
            link,
            format!("chat://127.0.0.1:1?fp=SHA256:{KEY}&invite=a-b_c")
        );
        for token in ["a-b_c", "a b&c=d+e%#/?"] {
            let read = url(&invite("[::1]:1", &key, Some(token)));
            assert_eq!(read.address(), "[::1]:1");
            assert_eq!(read.fingerprint.as_ref(), Some(&key));
            assert_eq!(read.invite.as_deref(), Some(token));
        }
        assert_eq!(url(&invite("h:1", &key, None)).invite, None);
    }
}
