//! Downloads: groups are read, proven and sent as the peer takes them.

use std::sync::{Arc, Mutex, MutexGuard};

use super::{Transfer, give_way, lock, tell};
use crate::driver::outlet::{Lane, Outlet};
use crate::driver::server::Shared;
use crate::error::Violation;
use crate::hub::{FetchContent, FileNews, Input, storage_refusal};
use crate::id::{LinkId, RequestId, Ticket};
use crate::limits::GROUP_BYTES;
use crate::model::{Code, Fetched, Refusal, Stopped, ToClient};
use crate::port::{Content, Fault};
use crate::session::flow::Outflow;
use crate::tree::{Parents, Verifier};
use crate::wire;

/// Groups that are read from the disk at a time.
const READ_GROUPS: usize = 4;

/// A download.
pub(super) struct Download {
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
    pub(super) fn new(
        (link, transfer): (LinkId, RequestId),
        outlet: Arc<Outlet>,
        content: FetchContent,
        (offset, end): (u64, u64),
        window: u32,
    ) -> Self {
        let state = DownloadState {
            outflow: Outflow::new(offset, window),
            available: if content.hash.is_some() { end } else { 0 },
            hash: content.hash,
            is_started: false,
            is_busy: false,
            is_over: false,
        };
        Self {
            link,
            transfer,
            outlet,
            content,
            end,
            state: Mutex::new(state),
            reader: Mutex::new(None),
        }
    }

    /// Nothing more of it is sent.
    pub(super) fn stop(&self) {
        lock(&self.state).is_over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.state).is_over
    }

    /// So much can be read at the beginning.
    pub(super) fn begin_with(&self, available: u64) {
        lock(&self.state).available = available;
    }

    pub(super) fn open(self: &Arc<Self>, shared: &Arc<Shared>, ticket: Ticket, offset: u64) {
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

    pub(super) fn start(self: &Arc<Self>, shared: &Arc<Shared>) {
        let mut state = lock(&self.state);
        state.is_started = true;
        self.work_on(shared, state);
    }

    pub(super) fn taken(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        upto: u64,
    ) -> Result<(), Violation> {
        let mut state = lock(&self.state);
        state.outflow.taken(upto, shared.clock.time())?;
        // Not for every piece that the peer takes: that would wake a thread each time.
        if state.outflow.is_worth_it(self.end) {
            self.work_on(shared, state);
        }
        Ok(())
    }

    /// More can be read.
    pub(super) fn offer(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        available: u64,
        hash: Option<[u8; 32]>,
    ) {
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
                Some(Ok(())) => {
                    give_way();
                    continue;
                }
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
            let mut frame = Vec::new();
            if wire::encode_piece(self.transfer, at, parents, part, &mut frame).is_ok() {
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
