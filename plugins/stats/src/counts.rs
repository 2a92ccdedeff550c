//! What was said, in numbers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Rooms that are counted; later ones are not. With the longest names all of it fits twice into what a
/// plugin may keep.
const ROOMS: usize = 250;
/// Accounts of a room that are counted one by one; later ones are summed up as others.
const ACCOUNTS: usize = 100;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Counted {
    Message,
    Edit,
    Deletion,
    Reaction,
    File,
}

impl Counted {
    /// As a metric.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Message => "messages",
            Self::Edit => "edits",
            Self::Deletion => "deletions",
            Self::Reaction => "reactions",
            Self::File => "files",
        }
    }
}

/// All rooms, by their conversation's id.
#[derive(Debug, Default)]
pub(crate) struct Book {
    rooms: BTreeMap<String, Room>,
    changed: HashSet<String>,
    has_new_rooms: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Room {
    name: String,
    /// The newest entry that is counted.
    seq: u64,
    since_ms: u64,
    messages: u64,
    edits: u64,
    deletions: u64,
    reactions: u64,
    files: u64,
    /// Messages and files by account.
    by: HashMap<String, u64>,
    by_others: u64,
}

impl Book {
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn has_seen(&self, id: &str, seq: u64) -> bool {
        self.rooms.get(id).is_some_and(|room| seq <= room.seq)
    }

    /// Counts an entry. Says whether there was a place for it.
    pub(crate) fn count(
        &mut self,
        id: &str,
        name: &str,
        seq: u64,
        time_ms: u64,
        from: &str,
        counted: Counted,
    ) -> bool {
        if !self.rooms.contains_key(id) {
            if self.rooms.len() == ROOMS {
                return false;
            }
            self.has_new_rooms = true;
            let room = Room {
                since_ms: time_ms,
                ..Room::default()
            };
            self.rooms.insert(id.to_owned(), room);
        }
        let Some(room) = self.rooms.get_mut(id) else {
            return false;
        };
        if room.name != name {
            name.clone_into(&mut room.name);
        }
        room.seq = seq;
        room.count(from, counted);
        if !self.changed.contains(id) {
            self.changed.insert(id.to_owned());
        }
        true
    }

    /// Takes a room as it was kept.
    pub(crate) fn load(&mut self, id: &str, json: &str) -> Result<(), String> {
        let room = serde_json::from_str(json).map_err(|error| format!("room {id}: {error}"))?;
        if self.rooms.len() < ROOMS {
            self.rooms.insert(id.to_owned(), room);
        }
        Ok(())
    }

    /// The list of rooms, when it is another one than before.
    pub(crate) fn changed_index(&self) -> Option<String> {
        let ids = || self.rooms.keys().map(String::as_str).collect::<Vec<_>>();
        self.has_new_rooms.then(|| ids().join("\n"))
    }

    /// Rooms to be kept, as JSON.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (String, String)> {
        self.changed.iter().filter_map(|id| {
            let room = self.rooms.get(id)?;
            Some((id.clone(), serde_json::to_string(room).ok()?))
        })
    }

    /// All of it was kept.
    pub(crate) fn is_stored(&mut self) {
        self.changed.clear();
        self.has_new_rooms = false;
    }

    pub(crate) fn tell_room(&self, id: &str, name: &str, top: usize) -> String {
        let Some(room) = self.rooms.get(id) else {
            return format!("{name}: nothing was counted yet");
        };
        let mut text = format!("{name}: {}", room.tell());
        let mut by: Vec<(&String, &u64)> = room.by.iter().collect();
        by.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (place, (account, count)) in by.into_iter().take(top).enumerate() {
            let before = if place == 0 { "; most by" } else { "," };
            let _ = write!(text, "{before} {account} ({count})");
        }
        text
    }

    pub(crate) fn tell_all(&self) -> String {
        let mut sum = Room::default();
        for room in self.rooms.values() {
            sum.messages += room.messages;
            sum.edits += room.edits;
            sum.deletions += room.deletions;
            sum.reactions += room.reactions;
            sum.files += room.files;
        }
        let rooms = match self.rooms.len() {
            1 => "1 room".to_owned(),
            many => format!("{many} rooms"),
        };
        format!("{rooms}: {}", sum.tell())
    }
}

impl Room {
    fn count(&mut self, from: &str, counted: Counted) {
        let of = match counted {
            Counted::Message => &mut self.messages,
            Counted::Edit => &mut self.edits,
            Counted::Deletion => &mut self.deletions,
            Counted::Reaction => &mut self.reactions,
            Counted::File => &mut self.files,
        };
        *of = of.saturating_add(1);
        if !matches!(counted, Counted::Message | Counted::File) {
            return;
        }
        let has_place = self.by.len() < ACCOUNTS;
        match self.by.get_mut(from) {
            Some(count) => *count = count.saturating_add(1),
            None if has_place => {
                self.by.insert(from.to_owned(), 1);
            }
            None => self.by_others = self.by_others.saturating_add(1),
        }
    }

    fn tell(&self) -> String {
        format!(
            "{} messages, {} files, {} edits, {} deletions, {} reactions",
            self.messages, self.files, self.edits, self.deletions, self.reactions
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(book: &mut Book, seq: u64, from: &str, counted: Counted) {
        assert!(book.count("c1", "lobby", seq, 1000, from, counted));
    }

    #[test]
    fn a_room_is_told_with_who_says_most() {
        let mut book = Book::default();
        assert_eq!(
            book.tell_room("c1", "lobby", 5),
            "lobby: nothing was counted yet"
        );
        for (seq, from) in ["ann", "bob", "bob", "eve"].into_iter().enumerate() {
            said(&mut book, seq as u64, from, Counted::Message);
        }
        said(&mut book, 9, "ann", Counted::File);
        said(&mut book, 10, "ann", Counted::Reaction);
        assert_eq!(
            book.tell_room("c1", "lobby", 2),
            "lobby: 4 messages, 1 files, 0 edits, 0 deletions, 1 reactions; most by ann (2), bob (2)"
        );
        assert_eq!(
            book.tell_all(),
            "1 room: 4 messages, 1 files, 0 edits, 0 deletions, 1 reactions"
        );
        assert!(book.has_seen("c1", 10) && !book.has_seen("c1", 11) && !book.has_seen("c2", 1));
    }

    #[test]
    fn what_was_kept_is_told_the_same() {
        let mut book = Book::default();
        said(&mut book, 3, "ann", Counted::Message);
        assert_eq!(book.changed_index().as_deref(), Some("c1"));
        let kept: Vec<_> = book.changed().collect();
        book.is_stored();
        assert!(book.changed().next().is_none() && book.changed_index().is_none());
        let mut again = Book::default();
        for (id, json) in &kept {
            again.load(id, json).unwrap();
        }
        assert_eq!(
            again.tell_room("c1", "lobby", 5),
            book.tell_room("c1", "lobby", 5)
        );
        assert!(again.has_seen("c1", 3));
        again.load("c2", "{").unwrap_err();
    }

    #[test]
    fn a_crowd_is_bounded_and_fits_into_what_a_plugin_may_keep() {
        let mut book = Book::default();
        for room in 0..ROOMS + 10 {
            let id = format!("{room:032x}");
            let is_counted = book.count(&id, &"r".repeat(64), 1, 1, "ann", Counted::Message);
            assert_eq!(is_counted, room < ROOMS);
        }
        let id = format!("{:032x}", 0);
        for account in 0..3 * ACCOUNTS {
            let name = format!("{account:064}");
            book.count(&id, "r", 2, 1, &name, Counted::Message);
        }
        assert_eq!(book.rooms[&id].by.len(), ACCOUNTS);
        assert_eq!(book.rooms[&id].by_others as usize, 2 * ACCOUNTS + 1);
        let (_, json) = book.changed().find(|(changed, _)| *changed == id).unwrap();
        assert!(json.len() < 64 << 10 && json.len() * ROOMS < 4 << 20);
    }
}
