//! Takes an input line apart.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::object::Object;
use crate::agent::{Command, FileSink, FileSource};
use crate::id::{SendId, Seq};
use crate::limits;
use crate::model::{
    AccountName, Body, Change, Code, History, HistoryFrom, PresenceState, Request, Role, RoomName,
    Target,
};

/// A line that made sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// What the application calls it.
    pub reference: Option<String>,
    /// What it wants.
    pub action: Action,
}

/// What a line wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Something for [`Client::command`](crate::Client::command).
    Command(Command),
    /// Take back the send with this `ref`; [`Lines::resolve`](super::Lines::resolve) finds its id.
    CancelRef(String),
    /// A verb that is reserved for a later version.
    NotSupported(String),
}

/// Why a line made no sense. Fix what writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LineError {
    /// Its `ref`, where that could be read.
    pub reference: Option<String>,
    /// For programs.
    pub code: Code,
    /// For people: names the field and what it takes.
    pub text: String,
}

impl LineError {
    /// The `error` line for it.
    #[must_use]
    pub fn to_line(&self) -> String {
        Object::of_type("error")
            .text_if("ref", self.reference.as_deref().unwrap_or_default())
            .text("code", self.code.as_str())
            .text("message", &self.text)
            .finish()
    }
}

impl Display for LineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for LineError {}

/// Reads one line; the table of the module says what may stand in it.
///
/// # Errors
///
/// [`LineError`], with the line's `ref` where it has one.
pub fn parse_line(line: &str) -> Result<Input, LineError> {
    let bad = |text: String| LineError {
        reference: None,
        code: Code::BadRequest,
        text,
    };
    if line.len() > limits::JSON_LINE_BYTES {
        let limit = limits::JSON_LINE_BYTES;
        return Err(bad(format!("a line has at most {limit} bytes")));
    }
    let value: Value =
        serde_json::from_str(line).map_err(|error| bad(format!("not a JSON object: {error}")))?;
    let Value::Object(map) = value else {
        return Err(bad("not a JSON object: each line is one {..}".to_owned()));
    };
    let fields = Fields(map);
    let reference = fields.reference().map_err(|fault| bad(fault.text))?;
    let label = reference.clone().unwrap_or_default();
    match fields.action(label) {
        Ok(action) => Ok(Input { reference, action }),
        Err(Fault { code, text }) => Err(LineError {
            reference,
            code,
            text,
        }),
    }
}

/// The fields of a line.
struct Fields(Map<String, Value>);

/// What is wrong with a field.
struct Fault {
    code: Code,
    text: String,
}

type Read<T> = Result<T, Fault>;

fn fault<T>(text: impl Into<String>) -> Read<T> {
    Err(Fault {
        code: Code::BadRequest,
        text: text.into(),
    })
}

impl Fields {
    fn action(&self, label: String) -> Read<Action> {
        let verb = self.text("type")?;
        let ask = |request| Ok(Action::Command(Command::Ask(request)));
        match verb {
            "send" | "edit" | "delete" | "react" | "topic" => self.send(verb, label),
            "cancel" => self.cancel(label),
            "outbox" => Ok(Action::Command(Command::Outbox)),
            "create" => ask(self.create()?),
            "join" => ask(self.change(Change::Joined, false)?),
            "leave" => ask(self.change(Change::Left, false)?),
            "invite" => ask(self.change(Change::Invited, true)?),
            "kick" => ask(self.change(Change::Kicked, true)?),
            "ban" => ask(self.change(Change::Banned, true)?),
            "unban" => ask(self.change(Change::Unbanned, true)?),
            "mute" => ask(self.change(Change::Muted, true)?),
            "unmute" => ask(self.change(Change::Unmuted, true)?),
            "role" => ask(self.change(Change::Role, true)?),
            "history" => ask(self.history()?),
            "typing" => Ok(Action::Command(Command::Typing(self.target()?))),
            "presence" => self.presence(),
            "quit" => Ok(Action::Command(Command::Leave {
                flush: self.flag("flush")?.unwrap_or(false),
            })),
            "send_file" => self.send_file(label),
            "fetch" => self.fetch(label),
            "block" | "unblock" | "notify" | "profile" => Ok(Action::NotSupported(verb.to_owned())),
            _ => ask(self.question(verb)?),
        }
    }

    fn send(&self, verb: &str, label: String) -> Read<Action> {
        let target = self.target()?;
        let body = match verb {
            "edit" => Body::edit(self.seq("seq")?, self.text("text")?),
            "delete" => Body::redaction(self.seq("seq")?),
            "react" => Body::reaction(self.seq("seq")?, self.text("emoji")?),
            "topic" => Body::topic(self.text("text")?),
            _ => Body::text(self.text("text")?, self.seq_if("reply_to")?),
        };
        Ok(Action::Command(Command::Send {
            target,
            body,
            id: self.send_id()?,
            label,
        }))
    }

    fn send_file(&self, label: String) -> Read<Action> {
        let name = self.text_if("name")?.map(str::to_owned);
        let media_type = self.text_if("media_type")?.unwrap_or_default();
        Ok(Action::Command(Command::SendFile {
            target: self.target()?,
            source: FileSource::Path(self.path()?),
            name,
            media_type: media_type.to_owned(),
            id: self.send_id()?,
            label,
        }))
    }

    fn fetch(&self, label: String) -> Read<Action> {
        Ok(Action::Command(Command::Fetch {
            blob: self.parsed("blob", "32 hexadecimal digits")?,
            sink: FileSink::Path(self.path()?),
            start: self.number_if("start")?.unwrap_or(0),
            length: self.number_if("length")?,
            label,
        }))
    }

    fn path(&self) -> Read<PathBuf> {
        match self.text("path")? {
            "" => fault("`path`: expected the path of a file"),
            path => Ok(path.into()),
        }
    }

    fn cancel(&self, label: String) -> Read<Action> {
        match self.send_id()? {
            Some(id) => Ok(Action::Command(Command::Cancel(id))),
            None if label.is_empty() => {
                fault("`ref` or `id`: expected, to say which send to take back")
            }
            None => Ok(Action::CancelRef(label)),
        }
    }

    fn presence(&self) -> Read<Action> {
        let state = match self.text("state")? {
            "online" => PresenceState::Online,
            "away" => PresenceState::Away,
            _ => return fault("`state`: expected \"online\" or \"away\""),
        };
        let text = self.text_if("text")?.unwrap_or_default().to_owned();
        Ok(Action::Command(Command::Presence(state, text)))
    }

    /// What has no side effects, or needs no entry.
    fn question(&self, verb: &str) -> Read<Request> {
        let after = || Ok(self.text_if("next")?.map(str::to_owned));
        Ok(match verb {
            "who" => match self.target_if()? {
                Some(target) => Request::Members {
                    target,
                    after: after()?,
                },
                None => Request::Who { after: after()? },
            },
            "rooms" => Request::Rooms { after: after()? },
            "conversations" => Request::Conversations { after: after()? },
            "search" => Request::Search {
                target: self.target_if()?,
                text: self.text("text")?.to_owned(),
                after: after()?,
            },
            "read" => Request::Read {
                target: self.target()?,
                seq: self.seq("seq")?,
            },
            "receipts" => Request::Receipts {
                target: self.target()?,
            },
            "devices" => Request::Devices,
            "revoke" => Request::Revoke {
                device: self.parsed("device", "16 hexadecimal digits")?,
            },
            "passwd" => Request::Password {
                old: self.text_if("old")?.map(str::to_owned),
                new: self.text("new")?.to_owned(),
                keep_devices: self.flag("keep_devices")?.unwrap_or(false),
            },
            "command" => Request::Command {
                target: self.target_if()?,
                name: self.text("name")?.to_owned(),
                args: self.text_if("args")?.unwrap_or_default().to_owned(),
            },
            "commands" => Request::Commands,
            _ => return fault(format!("`type`: there is no \"{verb}\"")),
        })
    }

    fn create(&self) -> Read<Request> {
        let history = match self.text_if("history")? {
            None => None,
            Some("all") => Some(History::All),
            Some("since_join") => Some(History::SinceJoin),
            Some(_) => return fault("`history`: expected \"all\" or \"since_join\""),
        };
        Ok(Request::Create {
            room: self.room("room")?,
            public: self.flag("public")?.unwrap_or(true),
            history,
        })
    }

    fn change(&self, change: Change, other: bool) -> Read<Request> {
        let role = match change {
            Change::Role => match Role::from_str(self.text("role")?) {
                Ok(role) => Some(role),
                Err(()) => {
                    return Err(Fault {
                        code: Code::BadRole,
                        text: "`role`: expected \"member\", \"moderator\" or \"owner\"".into(),
                    });
                }
            },
            _ => None,
        };
        Ok(Request::Change {
            target: Target::Room(self.room("room")?),
            account: match other {
                true => Some(self.account("account")?),
                false => None,
            },
            change,
            role,
            seconds: match change {
                Change::Muted => self.number_if("seconds")?.unwrap_or(0),
                _ => 0,
            },
        })
    }

    fn history(&self) -> Read<Request> {
        let from = match (
            self.seq_if("before")?,
            self.seq_if("after")?,
            self.seq_if("around")?,
            self.text_if("next")?,
        ) {
            (None, None, None, None) => HistoryFrom::End,
            (Some(seq), None, None, None) => HistoryFrom::Before(seq),
            (None, Some(seq), None, None) => HistoryFrom::After(seq),
            (None, None, Some(seq), None) => HistoryFrom::Around(seq),
            (None, None, None, Some(next)) => match page(next) {
                Some(from) => from,
                None => return fault("`next`: expected what the page before said"),
            },
            _ => return fault("expected one of `before`, `after`, `around` and `next`"),
        };
        let limit = self
            .number_if("limit")?
            .unwrap_or(limits::HISTORY_ITEMS as u64);
        Ok(Request::History {
            target: self.target()?,
            from,
            limit: limit.min(limits::HISTORY_ITEMS as u64) as u32,
        })
    }

    fn reference(&self) -> Read<Option<String>> {
        match self.text_if("ref")? {
            Some(text) if text.len() > limits::LABEL_BYTES => fault(format!(
                "`ref`: expected at most {} bytes",
                limits::LABEL_BYTES
            )),
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn target(&self) -> Read<Target> {
        match self.target_if()? {
            Some(target) => Ok(target),
            None => fault("`room` or `to`: expected"),
        }
    }

    fn target_if(&self) -> Read<Option<Target>> {
        match (self.text_if("room")?, self.text_if("to")?) {
            (None, None) => Ok(None),
            (Some(_), None) => Ok(Some(Target::Room(self.room("room")?))),
            (None, Some(_)) => Ok(Some(Target::Account(self.account("to")?))),
            (Some(_), Some(_)) => fault("`room` or `to`: expected one of them, not both"),
        }
    }

    fn room(&self, key: &str) -> Read<RoomName> {
        RoomName::new(self.text(key)?).map_err(|bad| Fault {
            code: Code::BadName,
            text: format!("`{key}`: {bad}"),
        })
    }

    fn account(&self, key: &str) -> Read<AccountName> {
        AccountName::new(self.text(key)?).map_err(|bad| Fault {
            code: Code::BadName,
            text: format!("`{key}`: {bad}"),
        })
    }

    fn send_id(&self) -> Read<Option<SendId>> {
        match self.text_if("id")? {
            None => Ok(None),
            Some(_) => self.parsed("id", "32 hexadecimal digits").map(Some),
        }
    }

    fn parsed<T: FromStr>(&self, key: &str, expected: &str) -> Read<T> {
        match self.text(key)?.parse() {
            Ok(value) => Ok(value),
            Err(_) => fault(format!("`{key}`: expected {expected}")),
        }
    }

    fn seq(&self, key: &str) -> Read<Seq> {
        match self.seq_if(key)? {
            Some(seq) => Ok(seq),
            None => fault(format!("`{key}`: expected a number")),
        }
    }

    fn seq_if(&self, key: &str) -> Read<Option<Seq>> {
        match self.number_if(key)? {
            Some(number) if number > Seq::MAX.0 => {
                fault(format!("`{key}`: expected a number below 2^53"))
            }
            number => Ok(number.map(Seq)),
        }
    }

    fn text(&self, key: &str) -> Read<&str> {
        match self.text_if(key)? {
            Some(text) => Ok(text),
            None => fault(format!("`{key}`: expected a string")),
        }
    }

    fn text_if(&self, key: &str) -> Read<Option<&str>> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => fault(format!("`{key}`: expected a string")),
        }
    }

    fn number_if(&self, key: &str) -> Read<Option<u64>> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number)),
                None => fault(format!("`{key}`: expected a whole number, 0 or more")),
            },
        }
    }

    fn flag(&self, key: &str) -> Read<Option<bool>> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => fault(format!("`{key}`: expected true or false")),
        }
    }
}

/// Reads the `next` of a history.
fn page(next: &str) -> Option<HistoryFrom> {
    let (direction, seq) = next.split_once(':')?;
    let seq = Seq(seq.parse().ok()?);
    match direction {
        "before" => Some(HistoryFrom::Before(seq)),
        "after" => Some(HistoryFrom::After(seq)),
        _ => None,
    }
}
