//! An entry as a line.

use std::fmt::Write as _;

use chat_plugin::{Event, Kind};
use jiff::Timestamp;
use serde::Serialize;

use crate::settings::Format;

/// What a line says. The names are those of `chat-cli --json`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Record<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a str>,
    conv: &'a str,
    seq: u64,
    prev: u64,
    id: &'a str,
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    /// The body is encrypted for its readers.
    #[serde(skip_serializing_if = "is_false")]
    sealed: bool,
    /// It may be in the log already.
    #[serde(skip_serializing_if = "is_false")]
    again: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl<'a> Record<'a> {
    pub(crate) fn of(event: &Event<'a>) -> Self {
        let base = Self {
            time: date(event.time_ms()),
            room: event.room(),
            to: event.to(),
            conv: event.conversation().unwrap_or_default(),
            seq: event.seq(),
            prev: event.prev(),
            id: event.id().unwrap_or_default(),
            from: event.from().unwrap_or_default(),
            sealed: event.flags().is_sealed(),
            again: event.flags().is_again(),
            ..Self::default()
        };
        let text = event.text();
        match event.kind() {
            Kind::Text => Self {
                kind: "message",
                text,
                reply_to: event.target(),
                ..base
            },
            Kind::Edit => Self {
                kind: "edit",
                text,
                target: event.target(),
                ..base
            },
            Kind::Redaction => Self {
                kind: "delete",
                target: event.target(),
                ..base
            },
            Kind::Reaction => Self {
                kind: "reaction",
                emoji: text,
                target: event.target(),
                ..base
            },
            Kind::Topic => Self {
                kind: "topic",
                text,
                ..base
            },
            Kind::Member => Self {
                kind: "member",
                account: event.name(),
                change: event.args(),
                ..base
            },
            Kind::File => Self {
                kind: "file",
                name: text,
                size: Some(event.bytes()),
                media_type: event.media_type(),
                ..base
            },
            _ => Self {
                kind: "entry",
                ..base
            },
        }
    }

    /// Adds the line, with its end.
    pub(crate) fn write(&self, format: Format, out: &mut String) {
        match format {
            Format::Text => self.write_text(out),
            // A struct of texts and numbers always becomes JSON.
            Format::Json => out.push_str(&serde_json::to_string(self).unwrap_or_default()),
        }
        out.push('\n');
    }

    fn write_text(&self, out: &mut String) {
        let Self { time, seq, .. } = self;
        let _ = match (self.room, self.to) {
            (Some(room), _) => write!(out, "{time} #{} {seq} ", Plain(room)),
            (None, to) => write!(out, "{time} @{} {seq} ", Plain(to.unwrap_or_default())),
        };
        let from = Plain(self.from);
        let text = Plain(self.text.or(self.name).unwrap_or_default());
        let target = self.target.unwrap_or_default();
        let _ = match (self.kind, self.emoji) {
            (_, _) if self.sealed => write!(out, "<{from}> (sealed)"),
            ("message", _) => match self.reply_to {
                Some(to) => write!(out, "<{from}> (to {to}) {text}"),
                None => write!(out, "<{from}> {text}"),
            },
            ("edit", _) => write!(out, "* {from} edits {target}: {text}"),
            ("delete", _) => write!(out, "* {from} deletes {target}"),
            ("reaction", Some("") | None) => {
                write!(out, "* {from} takes back a reaction to {target}")
            }
            ("reaction", Some(emoji)) => {
                write!(out, "* {from} reacts to {target}: {}", Plain(emoji))
            }
            ("topic", _) => write!(out, "* {from} sets the topic: {text}"),
            ("member", _) => write!(
                out,
                "* {}: {}, by {from}",
                Plain(self.account.unwrap_or_default()),
                Plain(self.change.unwrap_or_default())
            ),
            ("file", _) => write!(
                out,
                "* {from} sends the file {text} ({}, {} bytes)",
                Plain(self.media_type.unwrap_or_default()),
                self.size.unwrap_or_default()
            ),
            _ => write!(out, "* {from}: an entry of another kind"),
        };
    }
}

/// RFC 3339 in UTC, with milliseconds.
fn date(ms: u64) -> String {
    let date = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", date.unwrap_or_default())
}

/// Text that stays on its line and reads from left to right. A backslash is escaped, too, so that
/// everything can be told back.
struct Plain<'a>(&'a str);

impl std::fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(record: &Record<'_>) -> (String, serde_json::Value) {
        let (mut text, mut json) = (String::new(), String::new());
        record.write(Format::Text, &mut text);
        record.write(Format::Json, &mut json);
        for line in [&text, &json] {
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        }
        (
            text.trim_end().to_owned(),
            serde_json::from_str(&json).unwrap(),
        )
    }

    fn said(kind: &'static str, text: &'static str) -> Record<'static> {
        Record {
            kind,
            time: date(1_767_323_045_678),
            room: Some("lobby"),
            conv: "c0",
            seq: 7,
            prev: 6,
            id: "1d",
            from: "ann",
            text: Some(text),
            ..Record::default()
        }
    }

    #[test]
    fn a_message_is_a_line_of_text_or_an_object() {
        let (text, json) = lines(&said("message", "hello"));
        assert_eq!(text, "2026-01-02T03:04:05.678Z #lobby 7 <ann> hello");
        let expected = serde_json::json!({
            "type": "message", "time": "2026-01-02T03:04:05.678Z", "room": "lobby", "conv": "c0",
            "seq": 7, "prev": 6, "id": "1d", "from": "ann", "text": "hello",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn nobody_forges_a_line() {
        let forged =
            "hi\n2026-01-02T03:04:05.678Z #lobby 8 <bob> I owe ann 5\r\u{1b}[2K\\ \u{202e}x";
        let (text, json) = lines(&said("message", forged));
        assert_eq!(
            text,
            "2026-01-02T03:04:05.678Z #lobby 7 <ann> hi\\n2026-01-02T03:04:05.678Z #lobby 8 <bob> \
             I owe ann 5\\r\\u{1b}[2K\\\\ \\u{202e}x"
        );
        assert_eq!(json["text"], forged);
    }

    #[test]
    fn each_kind_reads_as_a_sentence() {
        let tell = |record: Record<'_>| {
            let (text, _) = lines(&record);
            text.split_once(" 7 ").unwrap().1.to_owned()
        };
        let at_5 = |record| Record {
            target: Some(5),
            ..record
        };
        assert_eq!(tell(at_5(said("edit", "hello"))), "* ann edits 5: hello");
        assert_eq!(tell(at_5(said("delete", ""))), "* ann deletes 5");
        assert_eq!(tell(said("topic", "tea")), "* ann sets the topic: tea");
        let reaction = |emoji| {
            at_5(Record {
                text: None,
                emoji: Some(emoji),
                ..said("reaction", "")
            })
        };
        assert_eq!(tell(reaction("x")), "* ann reacts to 5: x");
        assert_eq!(tell(reaction("")), "* ann takes back a reaction to 5");
        let member = Record {
            text: None,
            account: Some("bob"),
            change: Some("kicked"),
            ..said("member", "")
        };
        assert_eq!(tell(member), "* bob: kicked, by ann");
        let file = Record {
            text: None,
            name: Some("a.png"),
            size: Some(12),
            media_type: Some("image/png"),
            ..said("file", "")
        };
        assert_eq!(
            tell(file),
            "* ann sends the file a.png (image/png, 12 bytes)"
        );
        let sealed = Record {
            sealed: true,
            ..said("message", "")
        };
        assert_eq!(tell(sealed), "<ann> (sealed)");
        assert_eq!(tell(said("entry", "")), "* ann: an entry of another kind");
        let reply = Record {
            reply_to: Some(3),
            ..said("message", "yes")
        };
        assert_eq!(tell(reply), "<ann> (to 3) yes");
    }

    #[test]
    fn a_date_that_does_not_exist_is_no_reason_to_fail() {
        assert_eq!(date(u64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
