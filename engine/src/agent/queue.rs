//! Events on their way to the application, bounded however slowly it takes them.

use std::collections::{HashMap, VecDeque};

use super::inbox::Mark;
use super::{Event, LinkNumber};
use crate::id::{BlobId, ConversationId, SendId};
use crate::limits;
use crate::model::{AccountName, Answer, Peer};

/// The queue of events.
///
/// Entries are bounded by the link's credit, answers by the commands that the agent takes; both are
/// never dropped. Signals are merged with an older one about the same thing, or dropped, when the
/// queue is full.
#[derive(Debug, Default)]
pub(super) struct Queue {
    events: VecDeque<Queued>,
    /// Where the last event about something lies, counted from the first event ever.
    latest: HashMap<Topic, u64>,
    passed: u64,
    bytes: usize,
    dropped: u64,
    /// Events that answer commands of this run.
    answers: usize,
    /// What the application holds, and has not said to be done with.
    held: Vec<(Mark, LinkNumber)>,
}

#[derive(Debug)]
struct Queued {
    event: Event,
    mark: Option<(Mark, LinkNumber)>,
    bytes: usize,
}

/// What an event is about, where a later one replaces an earlier one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Topic {
    Conversation(ConversationId),
    Presence(AccountName),
    Typing(Peer, AccountName),
    Receipt(ConversationId, AccountName),
    Transfer(SendId),
    Incoming(BlobId),
}

impl Queue {
    /// Queues an event that must arrive.
    pub(super) fn push(&mut self, event: Event) {
        match (&event, self.events.back_mut()) {
            // While a link does not come, only the last word about it matters.
            (Event::Reconnecting { .. }, Some(last))
                if matches!(last.event, Event::Reconnecting { .. }) =>
            {
                last.event = event;
            }
            (Event::Conversation(item), _) => {
                let topic = Topic::Conversation(item.id);
                if let Some(event) = self.replace(&topic, event) {
                    self.push_about(topic, event);
                }
            }
            _ => self.push_marked(event, None),
        }
    }

    /// Queues an entry or a gap of this link.
    pub(super) fn push_entry(&mut self, event: Event, mark: Mark, link: LinkNumber) {
        self.push_marked(event, Some((mark, link)));
    }

    /// Queues an event that may be merged or dropped.
    pub(super) fn push_signal(&mut self, event: Event) {
        let topic = topic_of(&event);
        match topic {
            Some(topic) if self.is_full() => {
                // The older one is replaced, or this one is lost: either way one of them is.
                self.dropped += 1;
                drop(self.replace(&topic, event));
            }
            Some(topic) => self.push_about(topic, event),
            None if self.is_full() => self.dropped += 1,
            None => self.push_marked(event, None),
        }
    }

    /// Hands out the next event.
    pub(super) fn pop(&mut self) -> Option<Event> {
        if self.dropped > 0 {
            return Some(Event::SignalsDropped(std::mem::take(&mut self.dropped)));
        }
        let queued = self.events.pop_front()?;
        let place = self.passed;
        self.passed += 1;
        self.bytes -= queued.bytes;
        self.answers -= usize::from(is_answer(&queued.event));
        if let Some(topic) = topic_of(&queued.event)
            && self.latest.get(&topic) == Some(&place)
        {
            self.latest.remove(&topic);
        }
        self.held.extend(queued.mark);
        if self.events.is_empty() && self.events.capacity() > KEPT {
            // What a burst took goes back: a program may have hundreds of clients that are idle.
            self.events.shrink_to(KEPT);
            self.latest.shrink_to(KEPT);
        }
        Some(queued.event)
    }

    /// The application is done with what it got so far.
    pub(super) fn take_held(&mut self) -> Vec<(Mark, LinkNumber)> {
        std::mem::take(&mut self.held)
    }

    /// Whether the application took everything, and said so.
    pub(super) fn is_done(&self) -> bool {
        self.events.is_empty() && self.held.is_empty() && self.dropped == 0
    }

    /// Whether an event waits.
    pub(super) fn has_event(&self) -> bool {
        !self.events.is_empty() || self.dropped > 0
    }

    /// How many events wait that answer no command: who counts commands without an answer has counted
    /// those.
    pub(super) fn unasked(&self) -> usize {
        self.events.len() - self.answers + usize::from(self.dropped > 0)
    }

    /// Whether nothing that adds to it should be begun.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= limits::EVENTS || self.bytes >= limits::EVENT_BYTES
    }

    /// Whether the server adds to it far beyond what it was asked for.
    pub(super) fn is_flooded(&self) -> bool {
        self.events.len() >= limits::EVENTS * 4
    }

    fn push_about(&mut self, topic: Topic, event: Event) {
        let place = self.passed + self.events.len() as u64;
        self.latest.insert(topic, place);
        self.push_marked(event, None);
    }

    fn push_marked(&mut self, event: Event, mark: Option<(Mark, LinkNumber)>) {
        let bytes = weight(&event);
        self.bytes += bytes;
        self.answers += usize::from(is_answer(&event));
        self.events.push_back(Queued { event, mark, bytes });
    }

    /// Puts the event in place of an older one about the same thing; gives it back if there is none.
    fn replace(&mut self, topic: &Topic, event: Event) -> Option<Event> {
        let place = self.latest.get(topic).map(|place| place - self.passed);
        let place = place.and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| self.events.get_mut(place)) {
            Some(queued) => {
                queued.event = event;
                None
            }
            None => Some(event),
        }
    }
}

/// Places for events that an empty queue keeps. While they come and go by a few, nothing is allocated.
const KEPT: usize = 4;

/// Whether it is the last word about a command of this run.
fn is_answer(event: &Event) -> bool {
    match event {
        Event::Acked { command, .. }
        | Event::Refused { command, .. }
        | Event::Canceled { command, .. }
        | Event::Unsent { command, .. }
        | Event::Fetched { command, .. } => command.is_some(),
        Event::Answer { .. } | Event::Outbox { .. } => true,
        _ => false,
    }
}

fn topic_of(event: &Event) -> Option<Topic> {
    match event {
        Event::Conversation(item) => Some(Topic::Conversation(item.id)),
        Event::Presence(presence) => Some(Topic::Presence(presence.account.clone())),
        Event::Typing { peer, account } => Some(Topic::Typing(peer.clone(), account.clone())),
        Event::Receipt { receipt, .. } => Some(Topic::Receipt(
            receipt.conversation,
            receipt.account.clone(),
        )),
        Event::Progress { id, .. } => Some(Topic::Transfer(*id)),
        Event::Incoming { incoming, .. } => Some(Topic::Incoming(incoming.blob)),
        _ => None,
    }
}

/// Roughly what an event takes of memory.
fn weight(event: &Event) -> usize {
    let cost = |cost: u64| usize::try_from(cost).unwrap_or(usize::MAX / 2);
    match event {
        Event::Entry { entry, .. } => cost(entry.cost()),
        Event::Answer { answer, .. } => match answer {
            Answer::History(items, _) => {
                items.iter().map(|item| 256 + cost(item.entry.cost())).sum()
            }
            Answer::Search(items, _) => items.iter().map(|item| cost(item.cost())).sum(),
            Answer::Done | Answer::Entered { .. } => 128,
            // A page of a list is one frame.
            _ => limits::PAGE_BYTES,
        },
        Event::Notice { from, text, .. } => 128 + from.len() + text.len(),
        _ => 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let mut queue = Queue::default();
        for number in 0..1000 {
            let account = AccountName::new(&format!("ann{number}")).unwrap();
            queue.push_signal(Event::Typing {
                peer: Peer::Account(account.clone()),
                account,
            });
        }
        let mut count = 0;
        while queue.pop().is_some() {
            count += 1;
        }
        assert_eq!(count, 1000);
        let (events, latest) = (queue.events.capacity(), queue.latest.capacity());
        assert!(events <= KEPT && latest <= 2 * KEPT, "{events} {latest}");
    }
}
