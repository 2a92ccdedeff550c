//! The face for people and pipes: one line per event.
//!
//! ```text
//! TIME PLACE <NAME> TEXT      a message; PLACE is #room, or @name with the other account
//! TIME PLACE -- TEXT          anything else about a conversation
//! TIME -- TEXT                anything else
//! ```

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_engine::json::timestamp;
use chat_engine::{
    AccountName, Answer, BlobId, ByeReason, Code, Command, CommandId, Content, Entry, Error, Event,
    GapReason, HistoryFrom, HistoryItem, ItemState, Kind, Peer, PresenceState, Request, RoomName,
    Seq, UnixTime, limits,
};

use super::sanitize::sanitize;
use super::slash::{self, Context, HELP, Spoken, target};
use super::{Face, Purpose, Wish, typed};
use crate::bars::Bars;
use crate::exit::complain;

pub(super) struct Plain<W> {
    out: W,
    me: Option<AccountName>,
    /// Where typed text goes.
    here: Option<Peer>,
    seen: HashMap<Peer, Seen>,
    asked: HashMap<CommandId, Asked>,
    /// Earlier messages to show at the start.
    backlog: u32,
    failed: bool,
    bars: Bars,
}

/// What was shown of a conversation.
#[derive(Default)]
struct Seen {
    /// The first entry that came by itself.
    first: Option<Seq>,
    /// The last entry that was shown.
    last: Seq,
    /// Something was said.
    talk: bool,
    /// The last messages, and whether they are own.
    recent: VecDeque<(Seq, bool)>,
    /// The last files.
    files: VecDeque<(Seq, BlobId)>,
}

/// What an answer is for.
enum Asked {
    /// Talk there once it succeeded.
    Enter(Peer),
    Backlog(Peer),
    History(Peer),
    /// A command of the server's plugins, by its name.
    Run(String),
    Other(&'static str),
}

impl<W: Write> Plain<W> {
    pub(super) fn new(out: W, rooms: &[RoomName], backlog: u32) -> Self {
        Self {
            out,
            me: None,
            here: rooms.first().cloned().map(Peer::Room),
            seen: HashMap::new(),
            asked: HashMap::new(),
            backlog,
            failed: false,
            bars: Bars::new(),
        }
    }

    fn print(&mut self, time: UnixTime, place: Option<&Peer>, text: &str) -> io::Result<()> {
        let time = timestamp(time);
        let time = time.split('.').next().unwrap_or_default();
        let place = place
            .map(|peer| format!("{} ", name(peer)))
            .unwrap_or_default();
        // What others wrote stays in its line.
        let text = sanitize(text);
        let out = &mut self.out;
        self.bars.aside(|| {
            writeln!(out, "{time}Z {place}{text}")?;
            out.flush()
        })
    }

    fn note(&mut self, place: Option<&Peer>, text: &str) -> io::Result<()> {
        self.print(now(), place, &format!("-- {text}"))
    }

    fn complain(&mut self, text: &str) {
        self.failed = true;
        self.bars.aside(|| complain(&sanitize(text)));
    }

    fn entry(&mut self, peer: &Peer, entry: &Entry) -> io::Result<()> {
        let own = self.me.as_ref() == Some(&entry.from_name);
        // Without a room that was named, talk goes on where it began.
        if self.here.is_none() && is_talk(entry) {
            self.here = Some(peer.clone());
        }
        if let Some(seen) = self.seen(peer) {
            seen.first.get_or_insert(entry.seq);
            if entry.seq <= seen.last {
                return Ok(());
            }
            seen.note(entry, own);
        }
        self.print(entry.time, Some(peer), &entry_text(entry))
    }

    fn backlog(&mut self, peer: &Peer, items: &[HistoryItem]) -> io::Result<()> {
        let Some(seen) = self.seen(peer) else {
            return Ok(());
        };
        if seen.talk {
            return Ok(());
        }
        let until = seen.first.unwrap_or(Seq::MAX);
        for item in items.iter().filter(|item| item.entry.seq < until) {
            let own = self.me.as_ref() == Some(&item.entry.from_name);
            if let Some(seen) = self.seen(peer) {
                seen.note(&item.entry, own);
            }
            self.print(item.entry.time, Some(peer), &entry_text(&item.entry))?;
        }
        Ok(())
    }

    /// The state of a conversation; none beyond the number that an account can have.
    fn seen(&mut self, peer: &Peer) -> Option<&mut Seen> {
        if !self.seen.contains_key(peer) && self.seen.len() >= limits::CONVERSATIONS {
            return None;
        }
        Some(self.seen.entry(peer.clone()).or_default())
    }

    fn answer(
        &mut self,
        asked: Option<Asked>,
        answer: &Answer,
        peer: Option<&Peer>,
    ) -> io::Result<Vec<Wish>> {
        match answer {
            Answer::Entered { .. } => return self.entered(asked, peer),
            Answer::History(items, _) => match asked {
                Some(Asked::Backlog(peer)) => self.backlog(&peer, items)?,
                Some(Asked::History(peer)) => {
                    for item in items {
                        if let Some(seen) = self.seen(&peer) {
                            seen.note_file(&item.entry);
                        }
                        let text = format!("[{}] {}", item.entry.seq, entry_text(&item.entry));
                        self.print(item.entry.time, Some(&peer), &text)?;
                    }
                }
                _ => {}
            },
            Answer::Search(items, _) => {
                for entry in items {
                    let text = format!("-- found [{}] {}", entry.seq, entry_text(entry));
                    self.print(entry.time, peer, &text)?;
                }
                self.note(None, &format!("{} found", items.len()))?;
            }
            Answer::Rooms(items, more) => {
                for item in items {
                    let joined = if item.joined { ", joined" } else { "" };
                    let private = if item.public { "" } else { ", private" };
                    let text = format!(
                        "#{} ({} members{joined}{private}) {}",
                        item.name, item.members, item.topic
                    );
                    self.note(None, &text)?;
                }
                self.more(more)?;
            }
            Answer::Members(items, more) => {
                for item in items {
                    let state = item.presence.map_or("", PresenceState::as_str);
                    self.note(
                        None,
                        format!("{} {} {state}", item.account, item.role.as_str()).trim_end(),
                    )?;
                }
                self.more(more)?;
            }
            Answer::Who(items, more) => {
                for item in items {
                    let text = format!("{} is {} {}", item.account, item.state.as_str(), item.text);
                    self.note(None, text.trim_end())?;
                }
                self.more(more)?;
            }
            Answer::Commands(items) => {
                for item in items {
                    self.note(None, format!("/{} {}", item.name, item.help).trim_end())?;
                }
                if items.is_empty() {
                    self.note(None, "this server has no commands")?;
                }
            }
            // The event of what happened follows, or there is nothing to see.
            _ => {
                if let Some(Asked::Other(text)) = asked
                    && !text.is_empty()
                {
                    self.note(None, text)?;
                }
            }
        }
        Ok(Vec::new())
    }

    fn entered(&mut self, asked: Option<Asked>, peer: Option<&Peer>) -> io::Result<Vec<Wish>> {
        let Some(Asked::Enter(room)) = asked else {
            return Ok(Vec::new());
        };
        let peer = peer.unwrap_or(&room);
        self.note(None, &format!("you are in {}", name(peer)))?;
        Ok(self.ask_backlog(peer))
    }

    /// What was said there before, as far as the person wants to see it.
    fn ask_backlog(&self, peer: &Peer) -> Vec<Wish> {
        if self.backlog == 0 {
            return Vec::new();
        }
        vec![Wish {
            command: Command::Ask(Request::History {
                target: target(peer),
                from: HistoryFrom::End,
                limit: self.backlog.min(limits::HISTORY_ITEMS as u32),
            }),
            purpose: Purpose::Backlog,
        }]
    }

    fn more(&mut self, next: &Option<String>) -> io::Result<()> {
        match next {
            Some(_) => self.note(None, "and more"),
            None => Ok(()),
        }
    }

    fn show(&mut self, event: &Event) -> io::Result<Vec<Wish>> {
        match event {
            Event::Connected { welcome, .. } => {
                self.me = Some(welcome.name.clone());
                self.note(None, &format!("connected as {}", welcome.name))?;
            }
            Event::Reconnecting { pause, error } => {
                let text = format!("{error}; trying again in {} ms", pause.as_millis());
                self.note(None, &text)?;
            }
            Event::Refused {
                command,
                refusal,
                id,
                ..
            } => {
                if let Some(id) = id {
                    self.bars.end(*id);
                }
                let asked = command.and_then(|command| self.asked.remove(&command));
                // What the start asked for itself goes with the link; why that ended is told anyway.
                if matches!(asked, Some(Asked::Enter(_) | Asked::Backlog(_)))
                    && (self.me.is_none() || refusal.code == Code::Lost)
                {
                    return Ok(Vec::new());
                }
                let about = match &asked {
                    Some(Asked::Enter(peer) | Asked::Backlog(peer) | Asked::History(peer)) => {
                        format!("{}: ", name(peer))
                    }
                    _ => String::new(),
                };
                match asked {
                    Some(Asked::Run(verb)) if refusal.code == Code::NoSuchCommand => {
                        self.complain(&slash::no_such(&verb));
                    }
                    _ => self.complain(&format!("{about}{refusal}")),
                }
            }
            Event::Answer {
                command,
                answer,
                peer,
            } => {
                let asked = self.asked.remove(command);
                return self.answer(asked, answer, peer.as_ref());
            }
            Event::Outbox { command, items } => {
                self.asked.remove(command);
                for (id, _, state) in items {
                    let state = match state {
                        ItemState::Pending => "waits".to_owned(),
                        ItemState::Sent => "was sent, without an answer so far".to_owned(),
                        ItemState::Failed(refusal) => format!("failed: {refusal}"),
                    };
                    self.note(None, &format!("{id} {state}"))?;
                }
                if items.is_empty() {
                    self.note(None, "everything is acknowledged")?;
                }
            }
            // Who named no room talks in the first one that the account is in: for most the lobby.
            Event::Conversation(item) if self.here.is_none() && item.joined => {
                self.here = Some(item.peer.clone());
                self.note(None, &format!("you are in {}", name(&item.peer)))?;
                return Ok(self.ask_backlog(&item.peer));
            }
            Event::Entry { peer, entry, .. } => self.entry(peer, entry)?,
            // Nothing is lost: it was said before this device came, and the backlog shows the end.
            Event::Gap {
                reason: GapReason::Skipped,
                ..
            } => {}
            Event::Gap {
                peer,
                from,
                to,
                reason,
                ..
            } => {
                let text = match reason {
                    GapReason::Restored => {
                        "the server was set back to an earlier state; what follows is its log anew"
                            .to_owned()
                    }
                    GapReason::Trimmed => {
                        format!("messages {from} to {to} are older than the server keeps")
                    }
                    _ => format!("messages {from} to {to} were not for you"),
                };
                self.note(Some(peer), &text)?;
            }
            Event::Presence(presence) => {
                let who = &presence.account;
                let text = match (presence.state, presence.reason) {
                    (PresenceState::Offline, None | Some(ByeReason::Left)) => {
                        format!("{who} left")
                    }
                    (PresenceState::Offline, Some(reason)) => {
                        format!("{who} left ({})", reason.as_str())
                    }
                    (state, _) => format!("{who} is {} {}", state.as_str(), presence.text),
                };
                self.note(None, text.trim_end())?;
            }
            Event::Progress { id, done, size, .. } => self.bars.show(*id, *done, *size),
            Event::Acked { id, .. } => self.bars.end(*id),
            Event::Fetched { id, path, .. } => {
                self.bars.end(*id);
                let path = path.as_deref().unwrap_or_else(|| Path::new("a stream"));
                self.note(None, &format!("fetched {}", path.display()))?;
            }
            Event::Incoming { peer, incoming } => {
                let (from, name, size) = (&incoming.from, &incoming.name, incoming.size);
                let text = match incoming.is_over {
                    false => format!(
                        "{from} is sending the file {name} ({size} bytes); /get {} fetches it",
                        incoming.blob
                    ),
                    true => format!("{from} gave up sending the file {name}"),
                };
                self.note(Some(peer), &text)?;
            }
            Event::Notice { from, text, peer } => {
                self.note(peer.as_ref(), &format!("notice from {from}: {text}"))?;
            }
            Event::Canceled { id, .. } => {
                self.bars.end(*id);
                self.note(None, &format!("{id} was taken back"))?;
            }
            Event::Unsent { id, kept, .. } => {
                self.bars.end(*id);
                let fate = match kept {
                    true => "was not acknowledged; it is sent at the next start",
                    false => "was not acknowledged, and is lost",
                };
                self.complain(&format!("{id} {fate}"));
            }
            // Queued, acknowledged, written, read: the message itself comes, too.
            _ => {}
        }
        Ok(Vec::new())
    }
}

impl<W: Write> Face for Plain<W> {
    fn start(&mut self) -> Vec<Wish> {
        Vec::new()
    }

    fn typed(&mut self, line: &str) -> io::Result<Vec<Wish>> {
        let command = match slash::read(line, self) {
            Ok(Spoken::Nothing) => return Ok(Vec::new()),
            Ok(Spoken::Command(command)) => command,
            // `asked` sees the room in the command.
            Ok(Spoken::Enter(_, command)) => command,
            Ok(Spoken::Switch(peer)) => {
                self.note(None, &format!("talking to {}", name(&peer)))?;
                self.here = Some(peer);
                self.out.flush()?;
                return Ok(Vec::new());
            }
            Ok(Spoken::Say(peer, command)) => {
                self.here = Some(peer);
                command
            }
            Ok(Spoken::Help) => {
                for line in HELP {
                    self.note(None, line)?;
                }
                self.out.flush()?;
                return Ok(Vec::new());
            }
            Err(text) => {
                self.complain(&text);
                return Ok(Vec::new());
            }
        };
        // What follows in a pipe is meant for the new room.
        let purpose = match entered_room(&command) {
            Some(room) => {
                self.here = Some(Peer::Room(room.clone()));
                Purpose::Join(room)
            }
            None => Purpose::Asked(None),
        };
        Ok(vec![Wish { command, purpose }])
    }

    fn unreadable(&mut self, why: &str) -> io::Result<()> {
        self.complain(&format!("{why}, so it was not sent"));
        Ok(())
    }

    fn asked(&mut self, id: CommandId, wish: &Wish) {
        let asked = match (&wish.purpose, &wish.command) {
            (Purpose::Join(room), _) => Asked::Enter(Peer::Room(room.clone())),
            (purpose, Command::Ask(Request::History { target, .. })) => {
                let peer = match target {
                    chat_engine::Target::Room(room) => Peer::Room(room.clone()),
                    chat_engine::Target::Account(account) => Peer::Account(account.clone()),
                    chat_engine::Target::Conversation(_) => return,
                };
                match purpose {
                    Purpose::Backlog => Asked::Backlog(peer),
                    _ => Asked::History(peer),
                }
            }
            (_, Command::Ask(Request::Command { name, .. })) => Asked::Run(name.clone()),
            (_, Command::Cancel(_)) => Asked::Other(""),
            (_, Command::Ask(_)) => Asked::Other("done"),
            _ => return,
        };
        self.asked.insert(id, asked);
    }

    fn not_taken(&mut self, _: &Wish, error: &Error) -> io::Result<()> {
        self.complain(&error.to_string());
        Ok(())
    }

    fn event(&mut self, event: &Event) -> io::Result<Vec<Wish>> {
        let wishes = self.show(event)?;
        self.out.flush()?;
        Ok(wishes)
    }

    fn failed(&self) -> bool {
        // A person has read it; a script has only the exit code.
        self.failed && !typed::is_terminal()
    }

    fn asks(&self) -> bool {
        typed::is_terminal()
    }
}

impl<W> Context for Plain<W> {
    fn here(&self) -> Option<&Peer> {
        self.here.as_ref()
    }

    fn recent(&self, back: usize, own: bool) -> Option<Seq> {
        let recent = &self.seen.get(self.here.as_ref()?)?.recent;
        let mut fitting = recent.iter().rev().filter(|(_, mine)| *mine || !own);
        fitting.nth(back.checked_sub(1)?).map(|(seq, _)| *seq)
    }

    fn file(&self, seq: Option<Seq>) -> Option<BlobId> {
        let files = &self.seen.get(self.here.as_ref()?)?.files;
        let found = match seq {
            Some(seq) => files.iter().find(|(found, _)| *found == seq),
            None => files.back(),
        };
        found.map(|(_, blob)| *blob)
    }
}

impl Seen {
    fn note_file(&mut self, entry: &Entry) {
        if let Some(blob) = entry.body.blob {
            self.files.retain(|(seq, _)| *seq != entry.seq);
            self.files.push_back((entry.seq, blob));
            if self.files.len() > RECENT {
                self.files.pop_front();
            }
        }
    }

    fn note(&mut self, entry: &Entry, own: bool) {
        self.note_file(entry);
        self.last = self.last.max(entry.seq);
        if !is_talk(entry) {
            return;
        }
        self.talk = true;
        self.recent.push_back((entry.seq, own));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}

/// The room that a command leads into.
fn entered_room(command: &Command) -> Option<RoomName> {
    match command {
        Command::Ask(Request::Create { room, .. }) => Some(room.clone()),
        Command::Ask(Request::Change {
            target: chat_engine::Target::Room(room),
            account: None,
            change: chat_engine::Change::Joined,
            ..
        }) => Some(room.clone()),
        _ => None,
    }
}

fn is_talk(entry: &Entry) -> bool {
    matches!(entry.body.kind, Kind::TEXT | Kind::FILE)
}

fn entry_text(entry: &Entry) -> String {
    let from = &entry.from_name;
    let about = entry.body.target.unwrap_or(Seq::ZERO);
    match entry.body.content() {
        Content::Text(text) => match entry.body.target {
            Some(seq) => format!("<{from}> (to {seq}) {text}"),
            None => format!("<{from}> {text}"),
        },
        Content::File(offer) => format!(
            "-- {from} offers the file {} ({} bytes); /get {} fetches it",
            offer.name, offer.size, entry.seq
        ),
        Content::Edit(text) => format!("-- {from} edited {about}: {text}"),
        Content::Redaction => format!("-- {from} deleted {about}"),
        Content::Reaction(emoji) if emoji.is_empty() => {
            format!("-- {from} took the reaction to {about} back")
        }
        Content::Reaction(emoji) => format!("-- {from} reacted to {about}: {emoji}"),
        Content::Topic(text) => format!("-- {from} set the topic: {text}"),
        Content::Member(change) => {
            let (who, word) = (&change.name, change.change.as_str());
            let by = match who == from {
                true => String::new(),
                false => format!(" by {from}"),
            };
            match change.change {
                chat_engine::Change::Role => {
                    format!("-- {who} is now {}{by}", change.role.as_str())
                }
                chat_engine::Change::Joined | chat_engine::Change::Left => {
                    format!("-- {who} {word}{by}")
                }
                _ => format!("-- {who} was {word}{by}"),
            }
        }
        Content::Deleted => format!("-- deleted (was from {from})"),
        _ => format!("-- something by {from} that this version does not know"),
    }
}

fn name(peer: &Peer) -> String {
    match peer {
        Peer::Room(room) => format!("#{room}"),
        Peer::Account(account) => format!("@{account}"),
    }
}

fn now() -> UnixTime {
    // A clock before 1970 shows 1970.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Messages of a conversation that `-1` and the like can name.
const RECENT: usize = 100;

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
