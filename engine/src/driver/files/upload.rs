//! Uploads: chunks come in, and are written in their order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use super::download::Download;
use super::{Transfer, give_way, lock, remove, tell};
use crate::driver::outlet::{Lane, Outlet};
use crate::driver::server::Shared;
use crate::error::Violation;
use crate::hub::{FileNews, Input};
use crate::id::{BlobId, LinkId, RequestId, Ticket};
use crate::limits;
use crate::model::{Chunk, ToClient};
use crate::port::{Fault, Receiving, Unfinished};
use crate::session::flow::Inflow;

/// An upload of this run of the server.
pub(super) struct Upload {
    blob: BlobId,
    size: u64,
    pub(super) state: Mutex<UploadState>,
    /// Touched by the job only.
    receiving: Mutex<Option<Box<dyn Receiving>>>,
}

#[derive(Default)]
pub(super) struct UploadState {
    /// Whose chunks are taken.
    feed: Option<Feed>,
    queue: VecDeque<Item>,
    is_busy: bool,
    written: u64,
    /// Downloads that follow it.
    readers: Vec<Arc<Download>>,
}

struct Feed {
    link: LinkId,
    transfer: RequestId,
    outlet: Arc<Outlet>,
    inflow: Inflow,
    /// What was confirmed to the peer.
    told: u64,
}

enum Item {
    Bytes(Vec<u8>),
    Order(Order),
}

pub(super) enum Order {
    Open(Ticket, LinkId, RequestId, Arc<Outlet>),
    Finish(Ticket, [u8; 32]),
    /// Sync what came, and close.
    Suspend,
    Close,
    Remove,
}

impl Upload {
    pub(super) fn new(blob: BlobId, size: u64) -> Self {
        Self {
            blob,
            size,
            state: Mutex::default(),
            receiving: Mutex::new(None),
        }
    }

    pub(super) fn order(self: &Arc<Self>, shared: &Arc<Shared>, order: Order) {
        let mut state = lock(&self.state);
        if !matches!(order, Order::Finish(..))
            && let Some(feed) = state.feed.take()
        {
            feed.outlet.transfers.stop(feed.transfer);
        }
        state.queue.push_back(Item::Order(order));
        self.work_on(shared, state);
    }

    pub(super) fn push(&self, link: LinkId, chunk: Chunk) -> Result<(), Violation> {
        let mut state = lock(&self.state);
        // Another link may have taken over just now.
        let feed = state.feed.as_mut();
        let Some(feed) = feed.filter(|f| f.link == link && f.transfer == chunk.transfer) else {
            return Ok(());
        };
        feed.inflow.came(chunk.offset, chunk.bytes.len())?;
        state.queue.push_back(Item::Bytes(chunk.bytes));
        Ok(())
    }

    pub(super) fn follow(&self, download: &Arc<Download>) {
        let mut state = lock(&self.state);
        download.begin_with(state.written);
        state.readers.retain(|reader| !reader.is_over());
        state.readers.push(Arc::clone(download));
    }

    pub(super) fn named(&self, shared: &Arc<Shared>, hash: [u8; 32]) {
        let readers = std::mem::take(&mut lock(&self.state).readers);
        for reader in readers {
            reader.offer(shared, self.size, Some(hash));
        }
    }

    pub(super) fn work_on(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        mut state: MutexGuard<'_, UploadState>,
    ) {
        if std::mem::replace(&mut state.is_busy, true) {
            return;
        }
        drop(state);
        let (upload, shared) = (Arc::clone(self), Arc::clone(shared));
        blocking::unblock(move || upload.work(&shared)).detach();
    }

    /// Does what is there to do, until nothing is.
    fn work(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut receiving = lock(&self.receiving);
        loop {
            let mut bytes = Vec::new();
            let order = {
                let mut state = lock(&self.state);
                loop {
                    match state.queue.pop_front() {
                        Some(Item::Bytes(more)) => bytes.push(more),
                        Some(Item::Order(order)) => break Some(order),
                        None if bytes.is_empty() => {
                            state.is_busy = false;
                            return;
                        }
                        None => break None,
                    }
                }
            };
            if !bytes.is_empty() {
                self.write(shared, receiving.as_deref_mut(), &bytes);
                give_way();
            }
            if let Some(order) = order {
                self.obey(shared, &mut receiving, order);
            }
        }
    }

    fn write(
        &self,
        shared: &Arc<Shared>,
        receiving: Option<&mut (dyn Receiving + 'static)>,
        bytes: &[Vec<u8>],
    ) {
        let Some(receiving) = receiving else {
            return;
        };
        let parts: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        if let Err(fault) = receiving.write(&parts) {
            let feed = lock(&self.state).feed.take();
            if let Some(feed) = feed {
                feed.outlet.transfers.stop(feed.transfer);
                shared.tell([Input::File(FileNews::Failed(self.blob, fault))]);
            }
        }
        let upto = receiving.offset();
        let mut state = lock(&self.state);
        state.written = upto;
        let is_last = state.queue.is_empty();
        if let Some(feed) = &mut state.feed {
            feed.inflow.confirm(upto);
            // Waking both ends for each chunk would cost more than the chunks.
            if is_last || upto - feed.told >= limits::TRANSFER_STEP {
                feed.told = upto;
                let transfer = feed.transfer;
                let received = ToClient::Received { transfer, upto };
                tell(&feed.outlet, Lane::Control, &received);
            }
        }
        let readers = state.readers.clone();
        drop(state);
        for reader in readers {
            reader.offer(shared, upto, None);
        }
    }

    fn obey(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        receiving: &mut Option<Box<dyn Receiving>>,
        order: Order,
    ) {
        match order {
            Order::Open(ticket, link, transfer, outlet) => {
                let opened = self.open(shared, receiving);
                if let Ok(offset) = opened {
                    let mut state = lock(&self.state);
                    state.written = offset;
                    outlet
                        .transfers
                        .put(transfer, Transfer::Upload(Arc::clone(self)));
                    let inflow = Inflow::new(offset, self.size, limits::TRANSFER_WINDOW);
                    state.feed = Some(Feed {
                        link,
                        transfer,
                        outlet,
                        inflow,
                        told: offset,
                    });
                }
                shared.tell([Input::File(FileNews::Opened(ticket, opened))]);
            }
            Order::Finish(ticket, hash) => {
                let finished = match receiving {
                    Some(receiving) => receiving.finish(&hash),
                    None => Err(Unfinished::Fault(Fault::Io("the upload ended".to_owned()))),
                };
                shared.tell([Input::File(FileNews::Finished(ticket, finished))]);
            }
            Order::Suspend => {
                if let Some(mut open) = receiving.take()
                    && let Err(fault) = open.sync()
                {
                    tracing::warn!(blob = %self.blob, %fault, "cannot sync an upload");
                }
            }
            Order::Close => *receiving = None,
            Order::Remove => {
                *receiving = None;
                remove(shared, self.blob);
            }
        }
    }

    /// Opens the blob, or takes it as it is where it was open.
    fn open(
        &self,
        shared: &Shared,
        receiving: &mut Option<Box<dyn Receiving>>,
    ) -> Result<u64, Fault> {
        // What is told as safe has to be synced.
        if let Some(mut open) = receiving.take() {
            let _ = open.sync();
        }
        let open = shared.files.blobs.receive(self.blob, self.size)?;
        Ok(receiving.insert(open).offset())
    }
}
