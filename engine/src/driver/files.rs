//! The bytes of files, between links and the disk.
//!
//! The hub grants a transfer and ends it. In between, the task of a link hands chunks to the upload
//! that they are for, and tells downloads what its peer took; a job on the `blocking` pool does what
//! there is to do on the disk and puts frames into the outlet of the link. For each upload and each
//! download there is at most one job at a time, and none while there is nothing to do.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::outlet::{Lane, Outlet};
use super::server::Shared;
use crate::error::Violation;
use crate::hub::{FetchContent, FileNews, FileWork, Input, storage_refusal};
use crate::id::{BlobId, LinkId, RequestId, Ticket};
use crate::limits::{self, GROUP_BYTES};
use crate::model::{Chunk, Code, Fetched, Piece, Refusal, Stopped, ToClient};
use crate::port::{Blobs, Content, Fault, Receiving, Unfinished};
use crate::session::flow::{Inflow, Outflow};
use crate::tree::{Parents, Verifier};
use crate::wire;

/// Groups that are read from the disk at a time.
const READ_GROUPS: usize = 4;

/// Uploads that are on their way.
pub(crate) struct Files {
    blobs: Arc<dyn Blobs>,
    uploads: Mutex<HashMap<BlobId, Arc<Upload>>>,
}

/// The transfers of one link, by the request that began them; none any more once the link is gone.
pub(crate) struct Transfers(Mutex<Option<HashMap<RequestId, Transfer>>>);

#[derive(Clone)]
enum Transfer {
    Upload(Arc<Upload>),
    Download(Arc<Download>),
}

impl Files {
    pub(crate) fn new(blobs: Arc<dyn Blobs>) -> Self {
        Self {
            blobs,
            uploads: Mutex::default(),
        }
    }

    /// Does what the hub wants. `outlet` is that of the link in question, if there is one and it is
    /// there.
    pub(crate) fn perform(
        &self,
        shared: &Arc<Shared>,
        work: FileWork,
        outlet: impl Fn(LinkId) -> Option<Arc<Outlet>>,
    ) {
        match work {
            FileWork::Receive {
                ticket,
                link,
                transfer,
                blob,
                size,
            } => {
                let Some(outlet) = outlet(link) else {
                    let gone = Fault::Io("the link is gone".to_owned());
                    let news = FileNews::Opened(ticket, Err(gone));
                    return shared.tell([Input::File(news)]);
                };
                let upload = Arc::clone(
                    lock(&self.uploads)
                        .entry(blob)
                        .or_insert_with(|| Arc::new(Upload::new(blob, size))),
                );
                upload.order(shared, Order::Open(ticket, link, transfer, outlet));
            }
            FileWork::Finish { ticket, blob, hash } => {
                if let Some(upload) = self.upload(blob) {
                    upload.order(shared, Order::Finish(ticket, hash));
                }
            }
            FileWork::Suspend(blob) => {
                if let Some(upload) = self.upload(blob) {
                    upload.order(shared, Order::Suspend);
                }
            }
            FileWork::Named { blob, hash } => {
                let upload = lock(&self.uploads).remove(&blob);
                if let Some(upload) = upload {
                    upload.order(shared, Order::Close);
                    upload.named(shared, hash);
                }
            }
            FileWork::Remove(blob) => {
                let upload = lock(&self.uploads).remove(&blob);
                match upload {
                    Some(upload) => upload.order(shared, Order::Remove),
                    None => shared.remove_blob(blob),
                }
            }
            FileWork::Open {
                ticket,
                link,
                transfer,
                content,
                offset,
                end,
                window,
            } => {
                let Some(outlet) = outlet(link) else {
                    let gone = Fault::Io("the link is gone".to_owned());
                    let news = FileNews::Located(ticket, Err(gone));
                    return shared.tell([Input::File(news)]);
                };
                let state = DownloadState {
                    outflow: Outflow::new(offset, window),
                    available: if content.hash.is_some() { end } else { 0 },
                    hash: content.hash,
                    is_started: false,
                    is_busy: false,
                    is_over: false,
                };
                let download = Arc::new(Download {
                    link,
                    transfer,
                    outlet,
                    content,
                    end,
                    state: Mutex::new(state),
                    reader: Mutex::new(None),
                });
                // Before anything else can happen to the upload.
                if content.hash.is_none() {
                    // Its sender may not be back yet.
                    let (blob, size) = (content.blob, content.size);
                    let upload = Arc::clone(
                        lock(&self.uploads)
                            .entry(blob)
                            .or_insert_with(|| Arc::new(Upload::new(blob, size))),
                    );
                    upload.follow(&download);
                }
                download.open(shared, ticket, offset);
            }
            FileWork::Start(link, transfer) => {
                if let Some(Transfer::Download(download)) =
                    outlet(link).and_then(|outlet| outlet.transfers.get(transfer))
                {
                    download.start(shared);
                }
            }
            FileWork::Stop(link, transfer) => {
                if let Some(outlet) = outlet(link) {
                    outlet.transfers.stop(transfer);
                }
            }
        }
    }

    fn upload(&self, blob: BlobId) -> Option<Arc<Upload>> {
        lock(&self.uploads).get(&blob).cloned()
    }
}

impl Default for Transfers {
    fn default() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }
}

impl Transfers {
    /// Bytes of an upload came. Those of one that has ended are nobody's.
    pub(crate) fn chunk(
        &self,
        shared: &Arc<Shared>,
        link: LinkId,
        chunk: Chunk,
    ) -> Result<(), Violation> {
        match self.get(chunk.transfer) {
            Some(Transfer::Upload(upload)) => upload.push(shared, link, chunk),
            _ => Ok(()),
        }
    }

    /// The peer took pieces.
    pub(crate) fn taken(
        &self,
        shared: &Arc<Shared>,
        transfer: RequestId,
        upto: u64,
    ) -> Result<(), Violation> {
        match self.get(transfer) {
            Some(Transfer::Download(download)) => download.taken(shared, upto),
            _ => Ok(()),
        }
    }

    /// Nothing more of a transfer.
    pub(crate) fn stop(&self, transfer: RequestId) {
        let stopped = lock(&self.0).as_mut().and_then(|all| all.remove(&transfer));
        if let Some(Transfer::Download(download)) = stopped {
            lock(&download.state).is_over = true;
        }
    }

    /// The link is gone.
    pub(crate) fn stop_all(&self) {
        let all = lock(&self.0).take();
        for transfer in all.into_iter().flat_map(HashMap::into_values) {
            if let Transfer::Download(download) = transfer {
                lock(&download.state).is_over = true;
            }
        }
    }

    fn get(&self, transfer: RequestId) -> Option<Transfer> {
        lock(&self.0).as_ref()?.get(&transfer).cloned()
    }

    fn put(&self, id: RequestId, transfer: Transfer) {
        // A transfer knows its link: what is put in after the end would never go.
        if let Some(all) = lock(&self.0).as_mut() {
            all.insert(id, transfer);
        }
    }
}

/// An upload of this run of the server.
struct Upload {
    blob: BlobId,
    size: u64,
    state: Mutex<UploadState>,
    /// Touched by the job only.
    receiving: Mutex<Option<Box<dyn Receiving>>>,
}

#[derive(Default)]
struct UploadState {
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
}

enum Item {
    Bytes(Vec<u8>),
    Order(Order),
}

enum Order {
    Open(Ticket, LinkId, RequestId, Arc<Outlet>),
    Finish(Ticket, [u8; 32]),
    /// Sync what came, and close.
    Suspend,
    Close,
    Remove,
}

impl Upload {
    fn new(blob: BlobId, size: u64) -> Self {
        Self {
            blob,
            size,
            state: Mutex::default(),
            receiving: Mutex::new(None),
        }
    }

    fn order(self: &Arc<Self>, shared: &Arc<Shared>, order: Order) {
        let mut state = lock(&self.state);
        if !matches!(order, Order::Finish(..))
            && let Some(feed) = state.feed.take()
        {
            feed.outlet.transfers.stop(feed.transfer);
        }
        state.queue.push_back(Item::Order(order));
        self.work_on(shared, state);
    }

    fn push(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        link: LinkId,
        chunk: Chunk,
    ) -> Result<(), Violation> {
        let mut state = lock(&self.state);
        // Another link may have taken over just now.
        let feed = state.feed.as_mut();
        let Some(feed) = feed.filter(|f| f.link == link && f.transfer == chunk.transfer) else {
            return Ok(());
        };
        feed.inflow.came(chunk.offset, chunk.bytes.len())?;
        state.queue.push_back(Item::Bytes(chunk.bytes));
        self.work_on(shared, state);
        Ok(())
    }

    fn follow(&self, download: &Arc<Download>) {
        let mut state = lock(&self.state);
        lock(&download.state).available = state.written;
        state.readers.retain(|reader| !lock(&reader.state).is_over);
        state.readers.push(Arc::clone(download));
    }

    fn named(&self, shared: &Arc<Shared>, hash: [u8; 32]) {
        let readers = std::mem::take(&mut lock(&self.state).readers);
        for reader in readers {
            reader.offer(shared, self.size, Some(hash));
        }
    }

    fn work_on(self: &Arc<Self>, shared: &Arc<Shared>, mut state: MutexGuard<'_, UploadState>) {
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
        for part in bytes {
            if let Err(fault) = receiving.write(part) {
                let feed = lock(&self.state).feed.take();
                if let Some(feed) = feed {
                    feed.outlet.transfers.stop(feed.transfer);
                    shared.tell([Input::File(FileNews::Failed(self.blob, fault))]);
                }
                break;
            }
        }
        let upto = receiving.offset();
        let mut state = lock(&self.state);
        state.written = upto;
        if let Some(feed) = &mut state.feed {
            feed.inflow.confirm(upto);
            let transfer = feed.transfer;
            let received = ToClient::Received { transfer, upto };
            tell(&feed.outlet, Lane::Control, &received);
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

/// A download.
struct Download {
    link: LinkId,
    transfer: RequestId,
    outlet: Arc<Outlet>,
    content: FetchContent,
    end: u64,
    state: Mutex<DownloadState>,
    /// Touched by the job only.
    reader: Mutex<Option<Reader>>,
}

struct DownloadState {
    outflow: Outflow,
    /// Up to here there is something to read.
    available: u64,
    /// Of the whole file, once that is known.
    hash: Option<[u8; 32]>,
    is_started: bool,
    is_busy: bool,
    is_over: bool,
}

struct Reader {
    content: Box<dyn Content>,
    /// For a file whose hash was known at the start.
    proof: Option<(Parents, Verifier)>,
    buffer: Vec<u8>,
}

/// Why nothing more can be read.
enum Trouble {
    Fault(Fault),
    NotProven,
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Download {
    fn open(self: &Arc<Self>, shared: &Arc<Shared>, ticket: Ticket, offset: u64) {
        let (download, shared) = (Arc::clone(self), Arc::clone(shared));
        let job = move || {
            let FetchContent { blob, size, hash } = download.content;
            let opened = shared.files.blobs.open(blob, size).map(|content| {
                let first = offset / GROUP_BYTES as u64;
                *lock(&download.reader) = Some(Reader {
                    content,
                    proof: hash
                        .map(|hash| (Parents::new(size, first), Verifier::new(hash, size, first))),
                    buffer: Vec::new(),
                });
                let transfer = Transfer::Download(Arc::clone(&download));
                download.outlet.transfers.put(download.transfer, transfer);
            });
            if let Err(Fault::Damaged(_)) = opened
                && hash.is_some()
            {
                shared.tell([Input::File(FileNews::Damaged(blob))]);
            }
            shared.tell([Input::File(FileNews::Located(ticket, opened))]);
        };
        blocking::unblock(job).detach();
    }

    fn start(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut state = lock(&self.state);
        state.is_started = true;
        self.work_on(shared, state);
    }

    fn taken(self: &Arc<Self>, shared: &Arc<Shared>, upto: u64) -> Result<(), Violation> {
        let mut state = lock(&self.state);
        state.outflow.taken(upto)?;
        self.work_on(shared, state);
        Ok(())
    }

    /// More can be read.
    fn offer(self: &Arc<Self>, shared: &Arc<Shared>, available: u64, hash: Option<[u8; 32]>) {
        let mut state = lock(&self.state);
        state.available = state.available.max(available);
        state.hash = state.hash.or(hash);
        self.work_on(shared, state);
    }

    fn work_on(self: &Arc<Self>, shared: &Arc<Shared>, mut state: MutexGuard<'_, DownloadState>) {
        if !state.is_started || state.is_busy || self.next_bytes(&state).is_none() {
            return;
        }
        state.is_busy = true;
        drop(state);
        let (download, shared) = (Arc::clone(self), Arc::clone(shared));
        blocking::unblock(move || download.work(&shared)).detach();
    }

    /// How many bytes can be sent now; none is the end. `None`: something has to happen first.
    fn next_bytes(&self, state: &DownloadState) -> Option<usize> {
        let next = state.outflow.next();
        if state.is_over {
            return None;
        }
        if next >= self.end {
            return state.hash.map(|_| 0);
        }
        let there = state.available.min(self.end).saturating_sub(next);
        let room = there.min(state.outflow.room());
        let most = (READ_GROUPS * GROUP_BYTES) as u64;
        let bytes = room.min(most) as usize;
        // A group is proven as a whole; only the last one is shorter.
        let is_last = next + bytes as u64 == self.end;
        let whole = bytes / GROUP_BYTES * GROUP_BYTES;
        let bytes = if is_last || self.content.hash.is_none() {
            bytes
        } else {
            whole
        };
        (bytes > 0).then_some(bytes)
    }

    fn work(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut reader = lock(&self.reader);
        let Some(reader) = reader.as_mut() else {
            return;
        };
        loop {
            let (offset, bytes, hash) = {
                let mut state = lock(&self.state);
                let Some(bytes) = self.next_bytes(&state) else {
                    state.is_busy = false;
                    return;
                };
                let offset = state.outflow.next();
                // Before they are sent, or the peer could take them before they count.
                state.outflow.sent(bytes);
                (offset, bytes, state.hash)
            };
            let outcome = match (bytes, hash) {
                (0, Some(hash)) => {
                    let transfer = self.transfer;
                    let fetched = ToClient::Fetched(Fetched { transfer, hash });
                    tell(&self.outlet, Lane::Bulk, &fetched);
                    None
                }
                _ => Some(self.send(reader, offset, bytes)),
            };
            match outcome {
                Some(Ok(())) => continue,
                Some(Err(trouble)) => self.fail(shared, trouble),
                None => {}
            }
            self.outlet.transfers.stop(self.transfer);
            shared.tell([Input::File(FileNews::Ended(self.link, self.transfer))]);
            return;
        }
    }

    fn send(&self, reader: &mut Reader, offset: u64, bytes: usize) -> Result<(), Trouble> {
        reader.buffer.resize(bytes, 0);
        reader.content.read(offset, &mut reader.buffer)?;
        let mut at = offset;
        let mut frames = Vec::with_capacity(READ_GROUPS);
        for part in reader.buffer.chunks(GROUP_BYTES) {
            let mut parents = Vec::new();
            if let Some((places, verifier)) = &mut reader.proof {
                parents = reader.content.pairs(&places.next_group())?;
                // The disk may have changed what it was given. Better said by us than found out by
                // the receiver, who could not tell us from a thief.
                let proven = verifier.prove(&parents, part);
                proven.map_err(|_| Trouble::NotProven)?;
            }
            let piece = Piece {
                transfer: self.transfer,
                offset: at,
                parents,
                bytes: part.to_vec(),
            };
            let mut frame = Vec::with_capacity(GROUP_BYTES + 256);
            if wire::encode_to_client(&ToClient::Piece(piece), &mut frame).is_ok() {
                frames.push(frame);
            }
            at += part.len() as u64;
        }
        self.outlet.push_bulk(frames);
        Ok(())
    }

    fn fail(&self, shared: &Arc<Shared>, trouble: Trouble) {
        let is_damaged = matches!(
            trouble,
            Trouble::NotProven | Trouble::Fault(Fault::Damaged(_))
        );
        let refusal = match trouble {
            Trouble::NotProven => Refusal::new(Code::Damaged),
            Trouble::Fault(fault) => {
                tracing::warn!(blob = %self.content.blob, %fault, "cannot read a file");
                storage_refusal(&fault)
            }
        };
        if is_damaged && self.content.hash.is_some() {
            let news = FileNews::Damaged(self.content.blob);
            shared.tell([Input::File(news)]);
        }
        let stopped = Stopped {
            transfer: self.transfer,
            refusal,
        };
        // Behind the pieces that were good.
        tell(&self.outlet, Lane::Bulk, &ToClient::Stopped(stopped));
    }
}

impl Shared {
    fn remove_blob(self: &Arc<Self>, blob: BlobId) {
        let shared = Arc::clone(self);
        blocking::unblock(move || remove(&shared, blob)).detach();
    }
}

fn remove(shared: &Shared, blob: BlobId) {
    // What stays is found at the next start.
    if let Err(fault) = shared.files.blobs.remove(blob) {
        tracing::warn!(%blob, %fault, "cannot remove a file that nothing names");
    }
}

/// Puts a frame into the outlet and wakes its link.
fn tell(outlet: &Outlet, lane: Lane, message: &ToClient) {
    let mut frame = Vec::new();
    if wire::encode_to_client(message, &mut frame).is_err() {
        return;
    }
    if lane == Lane::Bulk {
        outlet.push_bulk(vec![frame]);
    } else if outlet.push(lane, frame.into()) {
        outlet.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
