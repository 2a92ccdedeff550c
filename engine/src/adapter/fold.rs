//! Edits and reactions, folded into the entry that they are about.

use std::collections::{HashMap, HashSet};

use crate::id::AccountId;
use crate::limits;
use crate::model::{AccountName, Entry, HistoryItem, Reaction};

/// A reaction as the log holds it.
#[derive(Clone, Debug)]
pub(super) struct Reacted {
    pub(super) from: AccountId,
    pub(super) name: AccountName,
    /// Empty takes all of the account's reactions back.
    pub(super) emoji: String,
}

/// Folds the text of the last edit and the reactions, newest first, into a base entry.
pub(super) fn fold(
    mut entry: Entry,
    edit: Option<Vec<u8>>,
    newest_first: impl IntoIterator<Item = Reacted>,
) -> HistoryItem {
    if entry.body.is_deleted() {
        return HistoryItem {
            entry,
            edited: false,
            reactions: Vec::new(),
        };
    }
    let edited = edit.is_some();
    if let Some(text) = edit {
        entry.body.data = text;
    }
    HistoryItem {
        entry,
        edited,
        reactions: reactions(newest_first),
    }
}

/// What an item takes of a page, in bytes.
pub(super) fn cost(item: &HistoryItem) -> usize {
    let reactions = item.reactions.iter().map(|reaction| {
        let names = reaction.accounts.iter().map(|name| weight(name.as_str()));
        weight(&reaction.emoji) + names.sum::<usize>()
    });
    usize::try_from(item.entry.cost()).unwrap_or(usize::MAX) + reactions.sum::<usize>()
}

fn reactions(newest_first: impl IntoIterator<Item = Reacted>) -> Vec<Reaction> {
    // From the newest back, what an account took back is known before what it had said.
    let mut taken_back = HashSet::new();
    let mut seen = HashSet::new();
    let mut standing = Vec::new();
    for Reacted { from, name, emoji } in newest_first {
        if taken_back.contains(&from) {
            continue;
        }
        if emoji.is_empty() {
            taken_back.insert(from);
        } else if seen.insert((from, emoji.clone())) {
            standing.push((name, emoji));
        }
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut reactions: Vec<Reaction> = Vec::new();
    let mut bytes = 0;
    for (name, emoji) in standing.into_iter().rev() {
        bytes += weight(name.as_str());
        let place = *places.entry(emoji).or_insert_with_key(|emoji| {
            bytes += weight(emoji);
            reactions.push(Reaction {
                emoji: emoji.clone(),
                accounts: Vec::new(),
            });
            reactions.len() - 1
        });
        if bytes > limits::REACTIONS_BYTES {
            break;
        }
        if let Some(reaction) = reactions.get_mut(place) {
            reaction.accounts.push(name);
        }
    }
    reactions.retain(|reaction| !reaction.accounts.is_empty());
    reactions
}

/// A text with what an encoding adds to it.
fn weight(text: &str) -> usize {
    text.len() + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reacted(from: u64, emoji: &str) -> Reacted {
        Reacted {
            from: AccountId(from),
            name: AccountName::new(&format!("a{from}")).unwrap(),
            emoji: emoji.to_owned(),
        }
    }

    #[test]
    fn the_last_state_of_each_account_counts() {
        let mut log = vec![
            reacted(1, "+"),
            reacted(2, "+"),
            reacted(1, "!"),
            reacted(1, "+"),
            reacted(2, ""),
            reacted(2, "?"),
        ];
        log.reverse();
        let folded: Vec<_> = reactions(log)
            .into_iter()
            .map(|r| {
                (
                    r.emoji,
                    r.accounts
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        let want = [("!", "a1"), ("+", "a1"), ("?", "a2")]
            .map(|(emoji, name)| (emoji.to_owned(), vec![name.to_owned()]));
        assert_eq!(folded, want);
    }

    #[test]
    fn a_crowd_does_not_outgrow_a_page() {
        let crowd = (0..10_000).map(|number| reacted(number, "+"));
        let reactions = reactions(crowd);
        let bytes: usize = reactions[0]
            .accounts
            .iter()
            .map(|n| weight(n.as_str()))
            .sum();
        assert!(bytes <= limits::REACTIONS_BYTES);
        assert!(bytes > limits::REACTIONS_BYTES / 2);
    }
}
