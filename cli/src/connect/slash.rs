//! What people type in plain mode.

use std::path::PathBuf;

use chat_engine::{
    AccountName, BlobId, Body, Change, Command, FileSink, FileSource, HistoryFrom, Peer,
    PresenceState, Request, Role, RoomName, SendId, Seq, Target, limits,
};

use crate::bars;

/// What a line means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Spoken {
    /// Nothing: an empty line.
    Nothing,
    /// For the client.
    Command(Command),
    /// Join, and talk there from now on.
    Enter(RoomName, Command),
    /// Talk there from now on.
    Switch(Peer),
    /// The same, with a first text.
    Say(Peer, Command),
    /// Show the commands.
    Help,
}

/// What the words of a line refer to.
pub(super) trait Context {
    /// Where the person talks now.
    fn here(&self) -> Option<&Peer>;
    /// The n-th last message there, from 1; of this account only, if `own`.
    fn recent(&self, back: usize, own: bool) -> Option<Seq>;
    /// The file that this message offers there; without one, the last that was offered.
    fn file(&self, seq: Option<Seq>) -> Option<BlobId>;
}

/// Reads a line. The error is for the person.
pub(super) fn read(line: &str, context: &impl Context) -> Result<Spoken, String> {
    if line.trim().is_empty() {
        return Ok(Spoken::Nothing);
    }
    let text = match line.strip_prefix('/') {
        None => line,
        // Two of them send one.
        Some(rest) if rest.starts_with('/') => rest,
        Some(rest) => {
            let (verb, words) = split(rest);
            return Words { context, words }.verb(verb);
        }
    };
    Ok(Spoken::Command(say(here(context)?, Body::text(text, None))))
}

/// What `/help` shows.
pub(super) const HELP: &[&str] = &[
    "/join ROOM, /part: enter or leave a room; /create [--private] ROOM: make one",
    "/switch ROOM or @NAME: talk there; /msg NAME [TEXT]: talk to somebody",
    "/rooms, /names, /who: list rooms, members here, and who is online",
    "/history [COUNT]: earlier messages with their numbers; /search WORDS",
    "/reply N TEXT, /edit [N] TEXT, /delete [N], /react N EMOJI: N is a number, or -1 for the last message",
    "/send PATH: send a file; /get [N or BLOB] [FOLDER or PATH]: fetch one, the last without N",
    "/topic TEXT, /invite NAME, /kick NAME, /ban NAME, /unban NAME, /role NAME ROLE",
    "/mute NAME [DURATION], /unmute NAME",
    "/away [TEXT], /back: say that you are away",
    "/outbox, /cancel ID: what is not acknowledged yet, and taking it back",
    "/commands: what this server's plugins can do; /NAME or /run NAME [ARGUMENTS]: have it done",
    "/quit: leave; //text: send a text that begins with a slash",
];

struct Words<'a, C> {
    context: &'a C,
    words: &'a str,
}

impl<C: Context> Words<'_, C> {
    fn verb(self, verb: &str) -> Result<Spoken, String> {
        let ask = |request| Ok(Spoken::Command(Command::Ask(request)));
        match verb {
            "join" => {
                let room = self.room("/join ROOM")?;
                let command = Command::Ask(super::change(&room, Change::Joined));
                Ok(Spoken::Enter(room, command))
            }
            "create" => self.create(),
            "part" | "leave" => ask(super::change(&self.here_room()?, Change::Left)),
            "switch" => self.switch(),
            "msg" => self.msg(),
            "rooms" => ask(Request::Rooms { after: None }),
            "names" => ask(Request::Members {
                target: target(here(self.context)?),
                after: None,
            }),
            "who" => ask(Request::Who { after: None }),
            "history" => self.history(),
            "search" => ask(Request::Search {
                target: self.context.here().map(target),
                text: self.rest("/search WORDS")?.to_owned(),
                after: None,
            }),
            "reply" => {
                let (seq, text) = self.seq_and_rest("/reply N TEXT")?;
                self.send(Body::text(text, Some(seq)))
            }
            "edit" => self.edit(),
            "delete" => {
                let seq = match self.words {
                    "" => self.last_own()?,
                    words => self.seq(words)?,
                };
                self.send(Body::redaction(seq))
            }
            "react" => {
                let (seq, emoji) = self.seq_and_rest("/react N EMOJI")?;
                self.send(Body::reaction(seq, emoji))
            }
            "send" => self.send_file(),
            "get" => self.get(),
            "topic" => self.send(Body::topic(self.rest("/topic TEXT")?)),
            "invite" => self.member("/invite NAME", Change::Invited),
            "kick" => self.member("/kick NAME", Change::Kicked),
            "ban" => self.member("/ban NAME", Change::Banned),
            "unban" => self.member("/unban NAME", Change::Unbanned),
            "mute" => self.member("/mute NAME [DURATION]", Change::Muted),
            "unmute" => self.member("/unmute NAME", Change::Unmuted),
            "role" => self.member("/role NAME member|moderator|owner", Change::Role),
            "away" => Ok(Spoken::Command(Command::Presence(
                PresenceState::Away,
                self.words.to_owned(),
            ))),
            "back" => Ok(Spoken::Command(Command::Presence(
                PresenceState::Online,
                String::new(),
            ))),
            "outbox" => Ok(Spoken::Command(Command::Outbox)),
            "cancel" => {
                let id: Result<SendId, _> = self.rest("/cancel ID")?.parse();
                let id = id.map_err(|_| "an id has 32 hexadecimal digits; see /outbox")?;
                Ok(Spoken::Command(Command::Cancel(id)))
            }
            "help" => Ok(Spoken::Help),
            "quit" | "exit" => Ok(Spoken::Command(Command::Leave { flush: true })),
            "commands" => ask(Request::Commands),
            "run" => {
                let (name, args) = split(self.rest("/run NAME [ARGUMENTS]")?);
                Ok(self.run(name, args))
            }
            long if long.len() > limits::NAME_BYTES => Err(no_such(long)),
            // The server's plugins may know it.
            other => Ok(self.run(other, self.words)),
        }
    }

    fn run(&self, name: &str, args: &str) -> Spoken {
        Spoken::Command(Command::Ask(Request::Command {
            target: self.context.here().map(target),
            name: name.to_owned(),
            args: args.to_owned(),
        }))
    }

    fn create(&self) -> Result<Spoken, String> {
        let (private, name) = match self.words.strip_prefix("--private") {
            Some(rest) => (true, rest.trim()),
            None => (false, self.words),
        };
        let room = room(name, "/create [--private] ROOM")?;
        let command = Command::Ask(Request::Create {
            room: room.clone(),
            public: !private,
            history: None,
        });
        Ok(Spoken::Enter(room, command))
    }

    fn switch(&self) -> Result<Spoken, String> {
        let usage = "/switch ROOM or @NAME";
        let peer = match self.words.strip_prefix('@') {
            Some(name) => Peer::Account(account(name, usage)?),
            None => Peer::Room(self.room(usage)?),
        };
        Ok(Spoken::Switch(peer))
    }

    fn msg(&self) -> Result<Spoken, String> {
        let (name, text) = split(self.words);
        let peer = Peer::Account(account(name, "/msg NAME [TEXT]")?);
        if text.is_empty() {
            return Ok(Spoken::Switch(peer));
        }
        let command = say(&peer, Body::text(text, None));
        Ok(Spoken::Say(peer, command))
    }

    fn history(&self) -> Result<Spoken, String> {
        let limit = match self.words {
            "" => HISTORY,
            words => words
                .parse()
                .map_err(|_| "usage: /history [COUNT]".to_owned())?,
        };
        Ok(Spoken::Command(Command::Ask(Request::History {
            target: target(here(self.context)?),
            from: HistoryFrom::End,
            limit: limit.min(limits::HISTORY_ITEMS as u32),
        })))
    }

    fn send_file(&self) -> Result<Spoken, String> {
        let path = path(self.rest("/send PATH")?);
        Ok(Spoken::Command(Command::SendFile {
            target: target(here(self.context)?),
            media_type: bars::media_type(&path),
            source: FileSource::Path(path),
            name: None,
            id: None,
            label: String::new(),
        }))
    }

    fn get(&self) -> Result<Spoken, String> {
        let (first, rest) = split(self.words);
        let (blob, rest) = match (first.parse::<BlobId>(), self.seq(first)) {
            (Ok(blob), _) => (Some(blob), rest),
            (_, Ok(seq)) => (self.context.file(Some(seq)), rest),
            _ => (self.context.file(None), self.words),
        };
        let none = "no file was offered there; /history shows the numbers of messages";
        let place = if rest.is_empty() { "." } else { rest };
        Ok(Spoken::Command(Command::Fetch {
            blob: blob.ok_or(none)?,
            sink: FileSink::Path(path(place)),
            start: 0,
            length: None,
            label: String::new(),
        }))
    }

    fn edit(&self) -> Result<Spoken, String> {
        let usage = "/edit [N] TEXT";
        let (first, rest) = split(self.words);
        match self.seq(first) {
            Ok(seq) if !rest.is_empty() => self.send(Body::edit(seq, rest)),
            _ => {
                let text = self.rest(usage)?;
                self.send(Body::edit(self.last_own()?, text))
            }
        }
    }

    fn member(&self, usage: &str, change: Change) -> Result<Spoken, String> {
        let (name, rest) = split(self.words);
        let account = account(name, usage)?;
        let role = match change {
            Change::Role => Some(
                rest.parse::<Role>()
                    .map_err(|()| format!("usage: {usage}"))?,
            ),
            _ => None,
        };
        let seconds = match (change, rest) {
            (Change::Muted, text) if !text.is_empty() => humantime::parse_duration(text)
                .map_err(|_| format!("usage: {usage}, for example 10m"))?
                .as_secs(),
            _ => 0,
        };
        Ok(Spoken::Command(Command::Ask(Request::Change {
            target: Target::Room(self.here_room()?),
            account: Some(account),
            change,
            role,
            seconds,
        })))
    }

    fn send(&self, body: Body) -> Result<Spoken, String> {
        Ok(Spoken::Command(say(here(self.context)?, body)))
    }

    fn here_room(&self) -> Result<RoomName, String> {
        match (self.words, here(self.context)?) {
            (_, Peer::Room(room)) => Ok(room.clone()),
            (_, Peer::Account(_)) => Err("that works in a room; /switch to one".to_owned()),
        }
    }

    fn room(&self, usage: &str) -> Result<RoomName, String> {
        room(self.words, usage)
    }

    fn rest(&self, usage: &str) -> Result<&str, String> {
        match self.words {
            "" => Err(format!("usage: {usage}")),
            words => Ok(words),
        }
    }

    fn seq_and_rest(&self, usage: &str) -> Result<(Seq, &str), String> {
        let (first, rest) = split(self.words);
        if rest.is_empty() {
            return Err(format!("usage: {usage}"));
        }
        Ok((self.seq(first)?, rest))
    }

    fn seq(&self, word: &str) -> Result<Seq, String> {
        let unknown = || format!("\"{word}\" is no message here; /history shows their numbers");
        match word.strip_prefix('-') {
            Some(back) => {
                let back = back.parse().map_err(|_| unknown())?;
                self.context.recent(back, false).ok_or_else(unknown)
            }
            None => match word.parse() {
                Ok(number @ 1..=MAX_SEQ) => Ok(Seq(number)),
                _ => Err(unknown()),
            },
        }
    }

    fn last_own(&self) -> Result<Seq, String> {
        let none = "you said nothing here yet; name the message by its number";
        self.context.recent(1, true).ok_or_else(|| none.to_owned())
    }
}

/// As a shell reads it: what is typed here does not pass one.
fn path(words: &str) -> PathBuf {
    match (words.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(words),
    }
}

fn here(context: &impl Context) -> Result<&Peer, String> {
    let nowhere = "say where: /join ROOM or /msg NAME";
    context.here().ok_or_else(|| nowhere.to_owned())
}

fn say(peer: &Peer, body: Body) -> Command {
    Command::Send {
        target: target(peer),
        body,
        id: None,
        label: String::new(),
    }
}

pub(super) fn target(peer: &Peer) -> Target {
    match peer {
        Peer::Room(room) => Target::Room(room.clone()),
        Peer::Account(account) => Target::Account(account.clone()),
    }
}

fn room(word: &str, usage: &str) -> Result<RoomName, String> {
    if word.is_empty() {
        return Err(format!("usage: {usage}"));
    }
    // As it is shown.
    RoomName::new(word.strip_prefix('#').unwrap_or(word)).map_err(|bad| bad.to_string())
}

fn account(word: &str, usage: &str) -> Result<AccountName, String> {
    if word.is_empty() {
        return Err(format!("usage: {usage}"));
    }
    AccountName::new(word.strip_prefix('@').unwrap_or(word)).map_err(|bad| bad.to_string())
}

/// The first word and the rest.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

/// What to say about a verb that neither this program nor the server knows.
pub(super) fn no_such(verb: &str) -> String {
    format!(
        "there is no /{verb}; did you mean /{}? /help and /commands list all, // sends a slash",
        nearest(verb)
    )
}

fn nearest(word: &str) -> &'static str {
    let distance = |verb: &&&str| edits(word, verb);
    VERBS.iter().min_by_key(distance).copied().unwrap_or("help")
}

/// The Levenshtein distance.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, sign) in one.chars().take(MAX_VERB).enumerate() {
        let mut last = line + 1;
        let mut next = vec![last];
        for (above, letter) in row.windows(2).zip(&other) {
            let [corner, top] = *above else { continue };
            let swap = corner + usize::from(sign != *letter);
            last = swap.min(top + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

const VERBS: &[&str] = &[
    "join", "create", "part", "leave", "switch", "msg", "rooms", "names", "who", "history",
    "search", "send", "get", "reply", "edit", "delete", "react", "topic", "invite", "kick", "ban",
    "unban", "mute", "unmute", "role", "away", "back", "outbox", "cancel", "help", "quit", "exit",
    "commands", "run",
];

/// Nobody means a verb of this length.
const MAX_VERB: usize = 32;
/// Messages that `/history` shows.
const HISTORY: u32 = 20;
const MAX_SEQ: u64 = Seq::MAX.0;

#[cfg(test)]
mod tests {
    use super::*;

    struct Room(Option<Peer>);

    impl Context for Room {
        fn here(&self) -> Option<&Peer> {
            self.0.as_ref()
        }

        fn recent(&self, back: usize, own: bool) -> Option<Seq> {
            (back == 1).then_some(if own { Seq(5) } else { Seq(9) })
        }

        fn file(&self, seq: Option<Seq>) -> Option<BlobId> {
            (seq != Some(Seq(8))).then_some(BlobId([seq.map_or(1, |seq| seq.0 as u8); 16]))
        }
    }

    fn lobby() -> Peer {
        Peer::Room(RoomName::new("lobby").unwrap())
    }

    fn command(line: &str) -> Command {
        match read(line, &Room(Some(lobby()))) {
            Ok(Spoken::Command(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn complaint(line: &str) -> String {
        read(line, &Room(Some(lobby()))).unwrap_err()
    }

    #[test]
    fn text_goes_to_where_the_person_is() {
        assert_eq!(
            command("hi there "),
            say(&lobby(), Body::text("hi there ", None))
        );
        assert_eq!(command("//etc"), say(&lobby(), Body::text("/etc", None)));
        assert_eq!(read("  ", &Room(None)), Ok(Spoken::Nothing));
        assert!(read("hi", &Room(None)).unwrap_err().contains("/join"));
    }

    #[test]
    fn messages_are_named_by_number_or_from_the_end() {
        let sent = |body| say(&lobby(), body);
        assert_eq!(
            command("/reply 7 yes sir"),
            sent(Body::text("yes sir", Some(Seq(7))))
        );
        assert_eq!(command("/react -1 +1"), sent(Body::reaction(Seq(9), "+1")));
        assert_eq!(
            command("/edit 7 new text"),
            sent(Body::edit(Seq(7), "new text"))
        );
        assert_eq!(
            command("/edit new text"),
            sent(Body::edit(Seq(5), "new text"))
        );
        assert_eq!(command("/delete"), sent(Body::redaction(Seq(5))));
        assert_eq!(command("/delete 3"), sent(Body::redaction(Seq(3))));
        assert!(complaint("/reply -9 x").contains("no message here"));
        assert!(complaint("/delete 0").contains("no message here"));
    }

    #[test]
    fn files_are_sent_by_path_and_fetched_by_number_or_id() {
        let fetched = |line: &str| match command(line) {
            Command::Fetch {
                blob,
                sink: FileSink::Path(path),
                ..
            } => (blob.0[0], path),
            other => panic!("{other:?}"),
        };
        assert_eq!(fetched("/get"), (1, ".".into()));
        assert_eq!(fetched("/get 7"), (7, ".".into()));
        assert_eq!(fetched("/get -1 a b"), (9, "a b".into()));
        assert_eq!(fetched("/get /tmp"), (1, "/tmp".into()));
        assert_eq!(
            fetched(&format!("/get {} x", "0b".repeat(16))),
            (11, "x".into())
        );
        assert!(complaint("/get 8").contains("no file"));
        let Command::SendFile {
            source, media_type, ..
        } = command("/send my cat.png")
        else {
            panic!("something else");
        };
        assert_eq!(source, FileSource::Path("my cat.png".into()));
        assert_eq!(media_type, "image/png");
        assert!(complaint("/send").contains("usage"));
    }

    #[test]
    fn every_verb_of_the_help_is_read() {
        for line in [
            "/part",
            "/rooms",
            "/names",
            "/who",
            "/history",
            "/history 5",
            "/search tea",
            "/topic x",
            "/invite bob",
            "/kick bob",
            "/ban bob",
            "/unban bob",
            "/mute bob 10m",
            "/mute bob",
            "/unmute bob",
            "/role bob owner",
            "/away tea",
            "/back",
            "/outbox",
            "/cancel 1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d",
            "/commands",
            "/run help me",
            "/quit",
        ] {
            command(line);
        }
        let context = Room(None);
        assert!(matches!(
            read("/join #lobby", &context),
            Ok(Spoken::Enter(..))
        ));
        assert!(matches!(
            read("/create --private den", &context),
            Ok(Spoken::Enter(
                _,
                Command::Ask(Request::Create { public: false, .. })
            ))
        ));
        assert!(matches!(read("/msg bob hi", &context), Ok(Spoken::Say(..))));
        assert!(matches!(read("/msg bob", &context), Ok(Spoken::Switch(_))));
        assert!(matches!(
            read("/switch @bob", &context),
            Ok(Spoken::Switch(Peer::Account(_)))
        ));
        assert_eq!(read("/help", &context), Ok(Spoken::Help));
        for verb in VERBS {
            let answer = read(&format!("/{verb}"), &Room(Some(lobby())));
            assert!(
                !matches!(&answer, Err(text) if text.contains("there is no")),
                "{verb}"
            );
        }
    }

    #[test]
    fn other_verbs_are_for_the_servers_plugins() {
        let run = |name: &str, args: &str| {
            Command::Ask(Request::Command {
                target: Some(target(&lobby())),
                name: name.into(),
                args: args.into(),
            })
        };
        assert_eq!(command("/roll 2d6 +1"), run("roll", "2d6 +1"));
        assert_eq!(command("/run help dice"), run("help", "dice"));
        assert_eq!(command("/run roll"), run("roll", ""));
    }

    #[test]
    fn an_unknown_verb_is_answered_with_the_nearest() {
        assert!(no_such("jion").contains("did you mean /join?"));
        assert!(no_such("histroy").contains("did you mean /history?"));
        assert!(complaint(&format!("/{}", "x".repeat(9999))).contains("did you mean"));
        assert!(complaint("/join").contains("usage"));
        assert!(complaint("/role bob king").contains("usage"));
    }
}
