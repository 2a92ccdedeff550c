//! The transfers of a client, and where each of them stands.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::download::Receiving;
use super::is_stream;
use super::upload::Sending;
use crate::agent::CommandId;
use crate::id::{RequestId, SendId};
use crate::limits;
use crate::model::{Target, Time};
use crate::port::{Errand, ItemState, TransferItem};

/// The transfers of this device that did not end.
///
/// Some of them are active: their files are open, and they move while there is a link. The others wait
/// for their turn.
#[derive(Debug, Default)]
pub(in crate::agent) struct Transfers {
    pub(super) all: BTreeMap<u64, Transfer>,
    pub(super) orders: HashMap<SendId, u64>,
    pub(super) active: Vec<u64>,
    pub(super) waiting: BTreeSet<u64>,
    pub(super) paused: BTreeSet<(Time, u64)>,
    /// Uploads that the server may throw away.
    pub(super) abandoned: VecDeque<SendId>,
    /// Requests of this link whose answers nobody waits for.
    pub(super) forgotten: HashSet<RequestId>,
    pub(super) next_order: u64,
}

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) item: TransferItem,
    /// The command of this run that asked for it.
    pub(super) command: Option<CommandId>,
    pub(super) stage: Stage,
    pub(super) file: FileState,
    /// A block is being read.
    pub(super) is_reading: bool,
    /// Bytes that are through, of so many.
    pub(super) done: u64,
    pub(super) size: u64,
    /// When that was told last, and whether there is more to tell by now.
    pub(super) told: Option<Time>,
    pub(super) is_untold: bool,
    /// It is on disk, and the application knows.
    pub(super) is_queued: bool,
    /// Bytes that the sink has or will get.
    pub(super) accepted: u64,
    /// Some of them came while the file was still being uploaded.
    pub(super) is_unproven: bool,
    /// In which run of the machine this is.
    pub(super) boot: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FileState {
    Closed,
    Opening,
    Open,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The path is being looked at.
    Looking,
    /// Not on disk yet.
    Saving,
    /// For its turn, its file or a link.
    Waiting,
    /// The server was asked to begin.
    Asking(RequestId),
    Sending(Sending),
    /// The last byte is there; the hash of all is being computed.
    Hashing(RequestId),
    /// The server was told the hash of what this request began.
    Finishing(RequestId, RequestId),
    Receiving(Box<Receiving>),
    /// The last byte came; the file gets its name.
    Closing,
}

impl Transfers {
    /// Takes what an earlier run left.
    pub(in crate::agent) fn load(&mut self, items: Vec<TransferItem>) {
        for item in items {
            let order = item.order;
            let mut transfer = Transfer::new(item, None, Stage::Waiting);
            transfer.is_queued = true;
            self.insert(transfer);
            self.waiting.insert(order);
        }
    }

    /// The transfer that a command of this run began.
    pub(in crate::agent) fn begun_by(&self, command: CommandId) -> Option<SendId> {
        let mut all = self.all.values();
        let begun = all.find(|transfer| transfer.command == Some(command))?;
        Some(begun.item.id)
    }

    pub(in crate::agent) fn knows(&self, id: SendId) -> bool {
        self.orders.contains_key(&id)
    }

    pub(in crate::agent) fn is_settled(&self) -> bool {
        self.all.is_empty() && self.abandoned.is_empty()
    }

    /// Requests of this link that wait for an answer.
    pub(in crate::agent) fn asking(&self) -> usize {
        let active = self.active.iter().filter_map(|order| self.all.get(order));
        let asking = active
            .filter(|transfer| matches!(transfer.stage, Stage::Asking(_) | Stage::Finishing(..)));
        asking.count() + self.forgotten.len()
    }

    pub(in crate::agent) fn poll_timeout(&self) -> Option<Time> {
        let active = self.active.iter().filter_map(|order| self.all.get(order));
        let untold = active.filter(|transfer| transfer.is_untold);
        let told = untold.filter_map(|transfer| transfer.told);
        let due = told.map(|told| told + limits::PROGRESS_EVERY);
        let paused = self.paused.first().map(|(until, _)| *until);
        due.chain(paused).min()
    }

    /// The link is gone: what moved begins again on the next one.
    pub(in crate::agent) fn handle_link_lost(&mut self) {
        self.forgotten.clear();
        for order in &self.active {
            if let Some(transfer) = self.all.get_mut(order)
                && transfer.link_request().is_some()
            {
                transfer.stage = Stage::Waiting;
            }
        }
    }

    /// All that did not end: whose, and whether the next run goes on with it.
    pub(in crate::agent) fn open(&self) -> Vec<(Option<CommandId>, SendId, String, bool)> {
        let all = self.all.values();
        all.map(|transfer| {
            let item = &transfer.item;
            let kept = transfer.is_queued && !is_stream(&item.errand);
            (transfer.command, item.id, item.label.clone(), kept)
        })
        .collect()
    }

    /// As the outbox lists its items.
    pub(in crate::agent) fn list(&self) -> impl Iterator<Item = (SendId, String, ItemState)> {
        self.all.values().map(|transfer| {
            let state = match transfer.stage {
                Stage::Looking | Stage::Saving | Stage::Waiting => ItemState::Pending,
                _ => ItemState::Sent,
            };
            (transfer.item.id, transfer.item.label.clone(), state)
        })
    }

    /// Where the file of an upload goes.
    pub(in crate::agent) fn target(&self, id: SendId) -> Option<&Target> {
        match &self.all.get(self.orders.get(&id)?)?.item.errand {
            Errand::Upload { target, .. } => Some(target),
            Errand::Download { .. } => None,
        }
    }

    pub(super) fn insert(&mut self, transfer: Transfer) {
        let order = transfer.item.order;
        self.next_order = self.next_order.max(order + 1);
        self.orders.insert(transfer.item.id, order);
        self.all.insert(order, transfer);
    }

    pub(super) fn remove(&mut self, order: u64) -> Option<Transfer> {
        let transfer = self.all.remove(&order)?;
        self.orders.remove(&transfer.item.id);
        self.leave_turn(order);
        self.waiting.remove(&order);
        // An answer may still be under way.
        match transfer.stage {
            Stage::Asking(request) | Stage::Finishing(_, request) => {
                self.forgotten.insert(request);
            }
            _ => {}
        }
        Some(transfer)
    }

    pub(super) fn leave_turn(&mut self, order: u64) {
        self.active.retain(|active| *active != order);
        self.paused.retain(|(_, paused)| *paused != order);
    }

    pub(super) fn get(&mut self, order: u64) -> Option<&mut Transfer> {
        self.all.get_mut(&order)
    }

    /// The transfer that this request of the present link is about.
    pub(super) fn by_request(&self, request: RequestId) -> Option<u64> {
        let is_it = |order: &&u64| {
            let transfer = self.all.get(order);
            transfer.is_some_and(|transfer| transfer.is_about(request))
        };
        self.active.iter().find(is_it).copied()
    }
}

impl Transfer {
    pub(super) fn new(item: TransferItem, command: Option<CommandId>, stage: Stage) -> Self {
        let size = match &item.errand {
            Errand::Upload { stamp, .. } => stamp.size,
            Errand::Download { .. } => 0,
        };
        Self {
            item,
            command,
            stage,
            file: FileState::Closed,
            is_reading: false,
            done: 0,
            size,
            told: None,
            is_untold: false,
            is_queued: false,
            accepted: 0,
            is_unproven: false,
            boot: String::new(),
        }
    }

    /// The request that began it on the present link, or is to.
    pub(super) fn link_request(&self) -> Option<RequestId> {
        match &self.stage {
            Stage::Asking(request) | Stage::Hashing(request) | Stage::Finishing(request, _) => {
                Some(*request)
            }
            Stage::Sending(sending) => Some(sending.transfer),
            Stage::Receiving(receiving) => Some(receiving.transfer),
            _ => None,
        }
    }

    pub(super) fn is_about(&self, request: RequestId) -> bool {
        let finish = match self.stage {
            Stage::Finishing(_, finish) => Some(finish),
            _ => None,
        };
        self.link_request() == Some(request) || finish == Some(request)
    }

    pub(super) fn is_upload(&self) -> bool {
        matches!(self.item.errand, Errand::Upload { .. })
    }
}
