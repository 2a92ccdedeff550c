//! What this device sends: an item stays until its final answer, and order survives refusals.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::CommandId;
use crate::error::Misuse;
use crate::id::{RequestId, SendId, Seq};
use crate::limits;
use crate::model::{Body, Code, Peer, Refusal, Send, Target, Time};
use crate::port::{ItemState, OutboxItem};

/// The open sends of this device.
///
/// An item that was refused for now blocks its conversation: it alone is sent again, and what comes
/// after it is held until it is settled. A conversation is known by its target, so that one with two
/// names counts as two; the server's `after_refused` keeps the order then, at the price of a round
/// trip.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: BTreeMap<u64, Item>,
    orders: HashMap<SendId, u64>,
    /// What may go out at once, in this order.
    ready: BTreeSet<u64>,
    /// Conversations with a refused item.
    blocks: HashMap<Target, Block>,
    retries: BTreeSet<(Time, u64)>,
    flights: HashMap<RequestId, Flight>,
    acked: HashMap<SendId, (Peer, Seq)>,
    acked_order: VecDeque<SendId>,
    bytes: usize,
    callers: usize,
    next_order: u64,
}

/// Who asked for a send in this run: the command and what it called the send.
pub(super) type Caller = (CommandId, String);

/// What became of a wish to send.
pub(super) enum Put {
    /// An item that has to be saved before it may go out.
    Save(u64, Box<OutboxItem>),
    /// The same item is there, and saved.
    Joined,
    /// The same item is there, and about to be saved.
    Joining,
    /// This run saw the ack of that id.
    Acked(Peer, Seq),
}

/// What a refusal means for an item.
pub(super) enum Refused {
    /// Nobody waits for that send any more, and the server blocks the conversation for it.
    Withdraw(Target, SendId),
    /// It is sent again later, or nobody cares.
    Later,
    /// It failed for good.
    Failed(Settled, Box<OutboxItem>),
}

/// An item that left the outbox, or failed.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) id: SendId,
    pub(super) target: Target,
    pub(super) label: String,
    pub(super) callers: Vec<Caller>,
    /// The server waits for it before it takes later ones of the conversation.
    pub(super) blocked: bool,
}

#[derive(Debug)]
struct Item {
    stored: OutboxItem,
    stage: Stage,
    /// The server may have seen it.
    again: bool,
    callers: Vec<Caller>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Not on disk yet.
    Saving,
    Ready,
    Flying,
    /// Behind a refused one.
    Held,
    /// Refused, to be sent again at this time.
    Waiting(Time),
    Failed,
}

#[derive(Debug)]
struct Block {
    refused: u64,
    held: BTreeSet<u64>,
}

#[derive(Debug)]
struct Flight {
    order: u64,
    id: SendId,
    target: Target,
}

impl Outbox {
    /// Takes what an earlier run left. Whether that run sent an item is not known, so that all of
    /// them are marked `again`; this saves a write per send.
    pub(super) fn load(&mut self, items: Vec<OutboxItem>) {
        for stored in items {
            let order = stored.order;
            let failed = matches!(stored.state, ItemState::Failed(_));
            self.next_order = self.next_order.max(order + 1);
            self.bytes += weight(&stored);
            self.orders.insert(stored.id, order);
            if !failed {
                self.ready.insert(order);
            }
            let item = Item {
                stored,
                stage: if failed { Stage::Failed } else { Stage::Ready },
                again: true,
                callers: Vec::new(),
            };
            self.items.insert(order, item);
        }
    }

    /// Puts an entry in. `given`: the application picked the id, and may have used it in an earlier
    /// run. For an item that is there already the first body counts, unless it failed.
    pub(super) fn put(
        &mut self,
        id: SendId,
        given: bool,
        target: Target,
        body: Body,
        caller: Caller,
    ) -> Result<Put, Misuse> {
        if let Some((peer, seq)) = self.acked.get(&id) {
            return Ok(Put::Acked(peer.clone(), *seq));
        }
        if self.callers >= limits::OUTBOX_ITEMS {
            return Err(Misuse::Full);
        }
        if let Some(order) = self.orders.get(&id).copied()
            && let Some(item) = self.items.get_mut(&order)
        {
            match item.stage {
                Stage::Failed => {
                    self.remove(order);
                }
                stage => {
                    item.callers.push(caller);
                    self.callers += 1;
                    return Ok(match stage {
                        Stage::Saving => Put::Joining,
                        _ => Put::Joined,
                    });
                }
            }
        }
        let stored = OutboxItem {
            id,
            order: self.next_order,
            target,
            body,
            label: caller.1.clone(),
            state: ItemState::Pending,
        };
        if self.items.len() >= limits::OUTBOX_ITEMS
            || self.bytes + weight(&stored) > limits::OUTBOX_BYTES
        {
            return Err(Misuse::Full);
        }
        let order = self.next_order;
        self.next_order += 1;
        self.bytes += weight(&stored);
        self.callers += 1;
        self.orders.insert(id, order);
        let item = Item {
            stored: stored.clone(),
            stage: Stage::Saving,
            again: given,
            callers: vec![caller],
        };
        self.items.insert(order, item);
        Ok(Put::Save(order, Box::new(stored)))
    }

    /// The item is on disk and may go out. Answers who waits for that; nobody, if it was cancelled.
    pub(super) fn handle_saved(&mut self, order: u64) -> Option<(SendId, Vec<Caller>)> {
        let item = self.items.get_mut(&order)?;
        let target = item.stored.target.clone();
        let saved = (item.stored.id, item.callers.clone());
        match self.blocks.get_mut(&target) {
            Some(block) => {
                item.stage = Stage::Held;
                block.held.insert(order);
            }
            None => {
                item.stage = Stage::Ready;
                self.ready.insert(order);
            }
        }
        Some(saved)
    }

    /// The item could not be written: it never was.
    pub(super) fn handle_not_saved(&mut self, order: u64) -> Option<Settled> {
        self.remove(order)
    }

    /// Takes an item out. If it was on its way it may still arrive.
    pub(super) fn cancel(&mut self, id: SendId) -> Option<Settled> {
        self.remove(*self.orders.get(&id)?)
    }

    /// The item that a command of this run made.
    pub(super) fn sent_by(&self, command: CommandId) -> Option<SendId> {
        let mut items = self.items.values();
        let made = |item: &&Item| item.callers.iter().any(|(caller, _)| *caller == command);
        items.find(made).map(|item| item.stored.id)
    }

    /// The command that made the next item to go out; the first of all for an earlier run's.
    pub(super) fn next_command(&self) -> Option<CommandId> {
        let item = self.items.get(self.ready.first()?)?;
        let callers = item.callers.iter().map(|(command, _)| *command);
        Some(callers.min().unwrap_or_default())
    }

    /// The next item to go out, numbered.
    pub(super) fn next_send(&mut self, request: RequestId) -> Option<Send> {
        let order = self.ready.pop_first()?;
        let item = self.items.get_mut(&order)?;
        item.stage = Stage::Flying;
        item.stored.state = ItemState::Sent;
        let flight = Flight {
            order,
            id: item.stored.id,
            target: item.stored.target.clone(),
        };
        self.flights.insert(request, flight);
        Some(Send {
            request,
            target: item.stored.target.clone(),
            id: item.stored.id,
            again: std::mem::replace(&mut item.again, true),
            body: item.stored.body.clone(),
        })
    }

    /// Whether that request is a send of this link, which is answered now.
    pub(super) fn land(&mut self, request: RequestId) -> Option<SendId> {
        self.flights.remove(&request).map(|flight| flight.id)
    }

    /// The server has it.
    pub(super) fn settle(&mut self, id: SendId, peer: &Peer, seq: Seq) -> Option<Settled> {
        let settled = self.remove(*self.orders.get(&id)?)?;
        if self.acked_order.len() >= limits::ACKED_REMEMBERED
            && let Some(oldest) = self.acked_order.pop_front()
        {
            self.acked.remove(&oldest);
        }
        self.acked_order.push_back(id);
        self.acked.insert(id, (peer.clone(), seq));
        Some(settled)
    }

    /// The server refused that request; `None` when it is no send.
    pub(super) fn handle_refused(
        &mut self,
        request: RequestId,
        refusal: &Refusal,
        now: Time,
    ) -> Option<Refused> {
        let flight = self.flights.remove(&request)?;
        let after = refusal.code == Code::AfterRefused;
        // Cancelled, or settled by its own entry, while it was on its way.
        let Some(item) = self.items.get_mut(&flight.order) else {
            return Some(if refusal.is_retryable() && !after {
                Refused::Withdraw(flight.target, flight.id)
            } else {
                Refused::Later
            });
        };
        if after || refusal.is_retryable() {
            let wait = refusal.retry_ms.map(u64::from).map(Duration::from_millis);
            let wait = if after {
                limits::RESEND_WAIT
            } else {
                wait.unwrap_or(limits::RESEND_WAIT)
            };
            item.stage = Stage::Held;
            self.block(flight.order, flight.target, now + wait);
            return Some(Refused::Later);
        }
        item.stage = Stage::Failed;
        item.stored.state = ItemState::Failed(refusal.clone());
        let stored = item.stored.clone();
        let callers = std::mem::take(&mut item.callers);
        self.callers -= callers.len();
        self.unblock(flight.order, &flight.target);
        let settled = Settled {
            id: flight.id,
            target: flight.target,
            label: stored.label.clone(),
            callers,
            blocked: false,
        };
        Some(Refused::Failed(settled, Box::new(stored)))
    }

    /// Makes refused items ready whose time has come.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        while let Some((time, order)) = self.retries.first().copied()
            && time <= now
        {
            self.retries.pop_first();
            if let Some(item) = self.items.get_mut(&order) {
                item.stage = Stage::Ready;
                self.ready.insert(order);
            }
        }
    }

    /// The link is gone: everything that is open goes out again on the next one, in order.
    pub(super) fn handle_link_lost(&mut self) {
        self.flights.clear();
        self.blocks.clear();
        self.retries.clear();
        for (order, item) in &mut self.items {
            if !matches!(item.stage, Stage::Saving | Stage::Failed) {
                item.stage = Stage::Ready;
                self.ready.insert(*order);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.retries.first().map(|(time, _)| *time)
    }

    /// Where an item goes.
    pub(super) fn target(&self, id: SendId) -> Option<&Target> {
        let item = self.items.get(self.orders.get(&id)?)?;
        Some(&item.stored.target)
    }

    /// Sends of this link without an answer.
    pub(super) fn flying(&self) -> usize {
        self.flights.len()
    }

    /// Whether no item waits for an answer.
    pub(super) fn is_settled(&self) -> bool {
        // Failed items are all that may be left.
        self.items.values().all(|item| item.stage == Stage::Failed)
    }

    /// The items without a final answer.
    pub(super) fn open(&self) -> impl Iterator<Item = (&OutboxItem, &[Caller])> {
        let open = self.items.values();
        open.filter(|item| item.stage != Stage::Failed)
            .map(|item| (&item.stored, item.callers.as_slice()))
    }

    /// All items.
    pub(super) fn list(&self) -> Vec<(SendId, String, ItemState)> {
        let stored = self.items.values().map(|item| &item.stored);
        stored
            .map(|item| (item.id, item.label.clone(), item.state.clone()))
            .collect()
    }

    fn remove(&mut self, order: u64) -> Option<Settled> {
        let item = self.items.remove(&order)?;
        self.orders.remove(&item.stored.id);
        self.bytes -= weight(&item.stored);
        self.callers -= item.callers.len();
        self.ready.remove(&order);
        if let Stage::Waiting(time) = item.stage {
            self.retries.remove(&(time, order));
        }
        let blocked = self.unblock(order, &item.stored.target) && item.stage != Stage::Flying;
        Some(Settled {
            id: item.stored.id,
            target: item.stored.target,
            label: item.stored.label,
            callers: item.callers,
            blocked,
        })
    }

    /// An item that the server does not take now: it or an earlier one of its conversation is what
    /// the others wait for.
    fn block(&mut self, order: u64, target: Target, until: Time) {
        let block = self.blocks.entry(target.clone()).or_insert_with(|| {
            let items = &self.items;
            let behind = |other: &&u64| items.get(other).is_some_and(|i| i.stored.target == target);
            let held = self.ready.range(order..).filter(behind).copied().collect();
            Block {
                refused: order,
                held,
            }
        });
        for held in &block.held {
            self.ready.remove(held);
            if let Some(item) = self.items.get_mut(held) {
                item.stage = Stage::Held;
            }
        }
        if block.refused < order {
            block.held.insert(order);
            return;
        }
        if block.refused != order {
            let later = std::mem::replace(&mut block.refused, order);
            block.held.insert(later);
            self.ready.remove(&later);
            if let Some(item) = self.items.get_mut(&later) {
                if let Stage::Waiting(time) = item.stage {
                    self.retries.remove(&(time, later));
                }
                item.stage = Stage::Held;
            }
        }
        if let Some(item) = self.items.get_mut(&order) {
            item.stage = Stage::Waiting(until);
            self.retries.insert((until, order));
        }
    }

    /// What waited for this item may go out. Answers whether anything could have waited.
    fn unblock(&mut self, order: u64, target: &Target) -> bool {
        match self.blocks.get_mut(target) {
            Some(block) if block.refused == order => {
                let held = std::mem::take(&mut block.held);
                self.blocks.remove(target);
                for order in held {
                    if let Some(item) = self.items.get_mut(&order) {
                        item.stage = Stage::Ready;
                        self.ready.insert(order);
                    }
                }
                true
            }
            Some(block) => {
                block.held.remove(&order);
                false
            }
            None => false,
        }
    }
}

/// What an item takes of [`limits::OUTBOX_BYTES`].
fn weight(item: &OutboxItem) -> usize {
    128 + item.body.data.len() + item.body.extensions.encoded_len() + item.label.len()
}
