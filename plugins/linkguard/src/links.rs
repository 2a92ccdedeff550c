//! Finds links in a text.

use std::ops::Range;

use url::Url;

/// Most links that are looked at; a text with more has too many under any rule.
pub(crate) const LINKS: usize = 200;

/// A link, or a host's name that would be one with a scheme before it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Link {
    /// Where it is in the text.
    pub(crate) range: Range<usize>,
    /// Where it leads: in lower case and in ASCII, as it is looked up. Empty when no browser would
    /// find it out.
    pub(crate) host: String,
    /// Only a host's name: clients don't make a link of it.
    pub(crate) is_bare: bool,
}

/// Where a list says that a link leads: the host's name as it is looked up.
pub(crate) fn host_of(name: &str) -> Option<String> {
    let url = Url::parse(&format!("http://{name}/")).ok()?;
    let host = url.host_str()?.trim_end_matches('.');
    // Anything else was more than a name.
    let is_name = url.path() == "/" && url.port().is_none() && url.username().is_empty();
    (is_name && !host.is_empty()).then(|| host.to_owned())
}

/// All links, at most [`LINKS`] and one more.
pub(crate) fn find(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    if !text.contains(is_dot) && !text.contains(':') {
        return links;
    }
    for word in words(text) {
        let mut starts = schemes(&text[word.clone()]);
        // What comes before the first scheme, and each scheme with what follows it.
        let first = starts.first().map_or(word.end, |start| word.start + start);
        bare_links(text, word.start..first, &mut links);
        starts.push(word.len());
        for pair in starts.windows(2) {
            let &[start, end] = pair else { continue };
            links.push(with_scheme(text, word.start + start..word.start + end));
        }
        if links.len() > LINKS {
            links.truncate(LINKS + 1);
            return links;
        }
    }
    links
}

/// What stands between spaces and brackets.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_end = |c: char| c.is_whitespace() || "<>\"()[]{}|`".contains(c);
    text.split(is_end).filter_map(move |word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        (!word.is_empty()).then(|| start..start + word.len())
    })
}

/// Where schemes with a host behind them begin: `http://`, and what browsers take for it.
fn schemes(word: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    for (colon, _) in word.match_indices(':') {
        let after = word[colon + 1..].trim_start_matches(is_invisible);
        if !after.starts_with(['/', '\\']) {
            continue;
        }
        let before = &word[..colon];
        let name = before.trim_end_matches(|c: char| {
            c.is_ascii_alphanumeric() || "+-.".contains(c) || is_invisible(c)
        });
        // A scheme begins with a letter.
        let skip = before[name.len()..].find(|c: char| c.is_ascii_alphabetic());
        if let Some(skip) = skip {
            starts.push(name.len() + skip);
        }
    }
    starts
}

fn with_scheme(text: &str, range: Range<usize>) -> Link {
    let link: String = text[range.clone()]
        .chars()
        .filter(|&c| !is_invisible(c))
        .collect();
    let rest = link.split_once(':').map_or("", |(_, rest)| rest);
    let rest = rest.trim_start_matches(['/', '\\']);
    Link {
        range,
        host: lead(rest),
        is_bare: false,
    }
}

/// Links without a scheme: `www.example.org`, `example.org/path`, `example.org`.
fn bare_links(text: &str, range: Range<usize>, links: &mut Vec<Link>) {
    let word = &text[range.clone()];
    if !word.contains(is_dot) {
        return;
    }
    for part in word.split(|c: char| ",;=!?*~'".contains(c)) {
        let part = part.trim_matches(|c: char| ".:_/@".contains(c) || is_invisible(c));
        if !part.contains(is_dot) || links.len() > LINKS {
            continue;
        }
        let start = range.start + (part.as_ptr() as usize - word.as_ptr() as usize);
        let clean: String = part.chars().filter(|&c| !is_invisible(c)).collect();
        let host = lead(&clean);
        let Some((_, last)) = host.rsplit_once('.') else {
            continue;
        };
        let has_path = clean.contains('/') && last.chars().any(|c| c.is_ascii_alphabetic());
        links.push(Link {
            range: start..start + part.len(),
            is_bare: !host.starts_with("www.") && !has_path,
            host,
        });
    }
}

/// Where a browser would go with this behind `http://`. Every scheme is read as that one: names are
/// names, whatever is spoken there. What can't be in a name ends it: clients end their links there, too.
fn lead(rest: &str) -> String {
    let Ok(url) = Url::parse(&format!("http://{rest}")) else {
        return String::new();
    };
    let host = url.host_str().unwrap_or_default();
    let end = host.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    let name = &host[..end.unwrap_or(host.len())];
    name.trim_end_matches('.').to_owned()
}

/// A dot, and what stands for one in names of hosts.
fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

/// Nobody sees these, so they may stand anywhere in a link.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<String> {
        let links = find(text);
        links.into_iter().map(|link| link.host).collect()
    }

    #[test]
    fn a_link_leads_where_a_browser_would_go() {
        for text in [
            "http://evil.example",
            "see HTTPS://EVIL.example/path?x=1#y",
            "<http://evil.example>",
            "[click](http://evil.example/a)",
            "http://good.example@evil.example/",
            "http://evil.example:8080/x",
            "http://evil.example./",
            "http:\\\\evil.example\\x",
            "http:/evil.example",
            "ht\u{200b}tp://ev\u{ad}il.example",
            "http://evil\u{3002}example",
            "http://\u{ff45}vil.example",
            "http://ev%69l.example",
            "gopher://evil.example",
            "x,http://evil.example",
            "www.evil.example",
        ] {
            let found = hosts(text);
            let host = found.first().map(|host| host.trim_start_matches("www."));
            assert_eq!(host, Some("evil.example"), "{text}");
            assert_eq!(found.len(), 1, "{text}");
            assert!(!find(text)[0].is_bare, "{text}");
        }
        assert_eq!(hosts("http://3232235777/"), ["192.168.1.1"]);
        assert_eq!(
            hosts("http://b\u{fc}cher.example/"),
            ["xn--bcher-kva.example"]
        );
        assert_eq!(
            hosts("http://a.example,http://b.example"),
            ["a.example", "b.example"]
        );
        assert_eq!(hosts("http://[::1]/ http://"), ["", ""]);
    }

    #[test]
    fn a_name_alone_is_known_but_is_no_link() {
        for text in [
            "evil.example",
            "(evil.example)",
            "go to evil.example!",
            "evil.example.",
        ] {
            let links = find(text);
            assert_eq!(links.len(), 1, "{text}");
            assert_eq!(
                (links[0].host.as_str(), links[0].is_bare),
                ("evil.example", true)
            );
        }
        assert!(!find("evil.example/x")[0].is_bare);
        assert!(find("1.5/2").iter().all(|link| link.is_bare));
    }

    #[test]
    fn people_write_dots_and_colons_without_linking() {
        for text in [
            "hello.",
            "well... yes",
            "12:30",
            "a: b",
            "note:this",
            "and/or",
            ":)",
            "://",
        ] {
            assert_eq!(find(text), [], "{text}");
        }
    }

    #[test]
    fn the_place_is_told_in_bytes() {
        let text = "ä http://a.example ö";
        let link = &find(text)[0];
        assert_eq!(&text[link.range.clone()], "http://a.example");
    }

    #[test]
    fn nonsense_is_bounded() {
        let many = "a.b ".repeat(4000);
        assert_eq!(find(&many).len(), LINKS + 1);
        for text in [
            "http:////////",
            "://://://",
            "http:\u{200b}",
            ".:.:/.:/",
            "\u{200b}.\u{200b}",
        ] {
            find(text);
        }
        find(&":/".repeat(8000));
        find(&"http://".repeat(2000));
    }

    #[test]
    fn lists_have_names_of_hosts() {
        assert_eq!(host_of("Example.ORG."), Some("example.org".to_owned()));
        assert_eq!(
            host_of("b\u{fc}cher.example"),
            Some("xn--bcher-kva.example".to_owned())
        );
        for wrong in [
            "",
            "a b",
            "http://x",
            "example.org/x",
            "example.org:1",
            "ann@x",
        ] {
            assert_eq!(host_of(wrong), None, "{wrong}");
        }
    }
}
