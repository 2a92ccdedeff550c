//! Which links are good.

use crate::links::{LINKS, Link, find, host_of};

/// Names in one list; it is written by hand.
const NAMES: usize = 10_000;
/// The longest reason that the server shows.
const REASON_BYTES: usize = 200;
/// What a masked link becomes: never longer than the link.
const MASK: &str = "***";

#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Sorted.
    deny: Vec<String>,
    /// Sorted; `None`: everything that is not denied.
    allow: Option<Vec<String>>,
    max_links: Option<usize>,
    masks: bool,
    exempt: Vec<String>,
}

/// What a text comes to.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Finding {
    Good,
    /// It is to be refused.
    Bad {
        reason: String,
    },
    /// It may pass like this; where that can't be, the reason tells why not.
    Masked {
        text: String,
        reason: String,
    },
}

impl Rules {
    /// Reads them by `config`, which answers the value of a key. The error says which key is wrong.
    pub(crate) fn read(config: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let hosts = |key: &str| {
            let Some(text) = config(key) else {
                return Ok(None);
            };
            let mut hosts = Vec::new();
            for name in text.lines() {
                let host = host_of(name.trim().trim_start_matches("*."));
                hosts.push(host.ok_or_else(|| format!("{key}: {name:?} is no name of a host"))?);
            }
            if hosts.len() > NAMES {
                return Err(format!("{key}: more than {NAMES} names"));
            }
            hosts.sort_unstable();
            Ok(Some(hosts))
        };
        let rules = Self {
            deny: hosts("deny")?.unwrap_or_default(),
            allow: hosts("allow")?,
            max_links: match config("max_links") {
                None => None,
                Some(text) => Some(
                    text.parse()
                        .ok()
                        .filter(|&most| most <= LINKS)
                        .ok_or_else(|| {
                            format!("max_links = {text:?}: a number, at most {LINKS}")
                        })?,
                ),
            },
            masks: match config("action").as_deref() {
                None | Some("reject") => false,
                Some("mask") => true,
                Some(other) => {
                    return Err(format!("action = {other:?}: it is \"reject\" or \"mask\""));
                }
            },
            exempt: config("exempt")
                .map(|text| text.lines().map(str::to_owned).collect())
                .unwrap_or_default(),
        };
        if rules.deny.is_empty() && rules.allow.is_none() && rules.max_links.is_none() {
            return Err("nothing to guard against: set deny, allow or max_links".to_owned());
        }
        Ok(rules)
    }

    /// What a text of this account comes to.
    pub(crate) fn judge(&self, from: &str, text: &str) -> Finding {
        let links = find(text);
        if links.is_empty() || self.exempt.iter().any(|name| name == from) {
            return Finding::Good;
        }
        let count = links.iter().filter(|link| !link.is_bare).count();
        if let Some(most) = self.max_links.filter(|&most| count > most) {
            let links = if most == 1 { "link" } else { "links" };
            let reason = format!("at most {most} {links} in one message");
            return Finding::Bad { reason };
        }
        if links.len() > LINKS {
            let reason = "too many links in one message".to_owned();
            return Finding::Bad { reason };
        }
        let bad: Vec<&Link> = links.iter().filter(|link| !self.is_good(link)).collect();
        let Some(first) = bad.first() else {
            return Finding::Good;
        };
        let reason = self.reason(first);
        if !self.masks {
            return Finding::Bad { reason };
        }
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for link in bad {
            masked.push_str(&text[at..link.range.start]);
            masked.push_str(MASK);
            at = link.range.end;
        }
        masked.push_str(&text[at..]);
        Finding::Masked {
            text: masked,
            reason,
        }
    }

    fn is_good(&self, link: &Link) -> bool {
        if is_listed(&self.deny, &link.host) {
            return false;
        }
        match &self.allow {
            Some(allow) => link.is_bare || is_listed(allow, &link.host),
            None => true,
        }
    }

    fn reason(&self, link: &Link) -> String {
        let mut reason = match &self.allow {
            Some(allow) if !is_listed(&self.deny, &link.host) => {
                let some = allow.get(..3).unwrap_or(allow).join(", ");
                let more = if allow.len() > 3 { ", .." } else { "" };
                format!("only links to these are allowed here: {some}{more}")
            }
            _ => format!("links to {} are not allowed here", link.host),
        };
        // All of it is ASCII: hosts are.
        reason.truncate(REASON_BYTES);
        reason
    }
}

/// Whether a host or a domain that it is in stands in a sorted list.
fn is_listed(list: &[String], host: &str) -> bool {
    let mut rest = host;
    loop {
        if list
            .binary_search_by(|name| name.as_str().cmp(rest))
            .is_ok()
        {
            return true;
        }
        match rest.split_once('.') {
            Some((_, parent)) => rest = parent,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &'static [(&str, &str)]) -> Result<Rules, String> {
        Rules::read(&|key| {
            let pair = pairs.iter().find(|(name, _)| *name == key);
            pair.map(|(_, value)| (*value).to_owned())
        })
    }

    fn is_good(rules: &Rules, text: &str) -> bool {
        rules.judge("ann", text) == Finding::Good
    }

    #[test]
    fn denied_hosts_are_refused_with_their_subdomains() {
        let rules = read(&[("deny", "evil.example\n*.bad.example")]).unwrap();
        for text in [
            "http://evil.example/x",
            "a.b.evil.example",
            "http://bad.example",
            "see EVIL.EXAMPLE!",
        ] {
            assert!(!is_good(&rules, text), "{text}");
        }
        for text in [
            "http://good.example",
            "http://notevil.example",
            "http://evil.example.org",
            "hello.",
        ] {
            assert!(is_good(&rules, text), "{text}");
        }
        let reason = "links to evil.example are not allowed here".to_owned();
        assert_eq!(
            rules.judge("ann", "http://evil.example"),
            Finding::Bad { reason }
        );
    }

    #[test]
    fn with_a_list_of_good_ones_the_others_are_refused() {
        let rules = read(&[("allow", "good.example"), ("deny", "forum.good.example")]).unwrap();
        assert!(is_good(
            &rules,
            "https://good.example https://www.good.example/x"
        ));
        assert!(is_good(
            &rules,
            "main.rs and 1.5 are no links, nor is other.example"
        ));
        for text in [
            "http://other.example",
            "www.other.example",
            "other.example/x",
            "http://forum.good.example",
            "http://good.example@other.example",
            "http://[::1]/",
        ] {
            assert!(!is_good(&rules, text), "{text}");
        }
    }

    #[test]
    fn links_are_counted() {
        let rules = read(&[("max_links", "1")]).unwrap();
        assert!(is_good(&rules, "http://a.example and b.example"));
        assert!(!is_good(&rules, "http://a.example http://b.example"));
        let none = read(&[("max_links", "0")]).unwrap();
        assert!(!is_good(&none, "http://a.example"));
    }

    #[test]
    fn masked_links_leave_the_rest() {
        let rules = read(&[("deny", "evil.example"), ("action", "mask")]).unwrap();
        let Finding::Masked { text, .. } = rules.judge(
            "ann",
            "ä http://evil.example/x, evil.example. http://good.example",
        ) else {
            panic!("it is not masked");
        };
        assert_eq!(text, "ä *** ***. http://good.example");
    }

    #[test]
    fn some_may_link_to_anything() {
        let rules = read(&[("deny", "evil.example"), ("exempt", "zoe\nann")]).unwrap();
        assert_eq!(rules.judge("ann", "http://evil.example"), Finding::Good);
        assert_ne!(rules.judge("bob", "http://evil.example"), Finding::Good);
    }

    #[test]
    fn a_mistake_names_its_key() {
        for (pair, word) in [
            (&[("deny", "http://evil.example/x")], "deny"),
            (&[("allow", "a b")], "allow"),
            (&[("max_links", "many")], "max_links"),
            (&[("action", "delete")], "action"),
            (&[("reason", "x")], "nothing to guard"),
        ] as [(&'static [(&str, &str)], &str); 5]
        {
            let why = read(pair).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_reason_fits() {
        let long = format!("{}.evil.example", ["x".repeat(60).as_str(); 3].join("."));
        let rules = read(&[("deny", "evil.example")]).unwrap();
        let Finding::Bad { reason } = rules.judge("ann", &format!("http://{long}")) else {
            panic!("it is not refused");
        };
        assert!(reason.len() <= REASON_BYTES);
    }
}
