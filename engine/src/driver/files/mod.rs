//! The bytes of files, between links and the disk.
//!
//! The hub grants a transfer and ends it. In between, the task of a link hands chunks to the upload
//! that they are for, and tells downloads what its peer took; a job on the `blocking` pool does what
//! there is to do on the disk and puts frames into the outlet of the link. For each upload and each
//! download there is at most one job at a time, and none while there is nothing to do.

mod download;
mod keep;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::download::Download;
pub(crate) use self::keep::Keep;
use self::upload::{Order, Upload};
use super::outlet::{Lane, Outlet};
use super::server::Shared;
use crate::error::Violation;
use crate::hub::{FileNews, FileWork, Input};
use crate::id::{BlobId, LinkId, RequestId};
use crate::model::{Chunk, ToClient};
use crate::port::{Blobs, Fault};
use crate::wire;

/// Uploads that are on their way.
pub(crate) struct Files {
    blobs: Arc<dyn Blobs>,
    uploads: Mutex<HashMap<BlobId, Arc<Upload>>>,
    kept: Mutex<keep::Kept>,
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
            kept: Mutex::default(),
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
                let download = Arc::new(Download::new(
                    (link, transfer),
                    outlet,
                    content,
                    (offset, end),
                    window,
                ));
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
    /// Bytes of an upload came. Those of one that has ended are nobody's. They are written once
    /// [`Fed::work`] says so.
    pub(crate) fn chunk(&self, link: LinkId, chunk: Chunk, fed: &mut Fed) -> Result<(), Violation> {
        let Some(Transfer::Upload(upload)) = self.get(chunk.transfer) else {
            return Ok(());
        };
        upload.push(link, chunk)?;
        if !fed.0.iter().any(|held| Arc::ptr_eq(held, &upload)) {
            fed.0.push(upload);
        }
        Ok(())
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
            download.stop();
        }
    }

    /// The link is gone.
    pub(crate) fn stop_all(&self) {
        let all = lock(&self.0).take();
        for transfer in all.into_iter().flat_map(HashMap::into_values) {
            if let Transfer::Download(download) = transfer {
                download.stop();
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

/// Uploads that chunks came for. A job for each chunk would cost more than the chunk: a link takes in all
/// that is there first.
#[derive(Default)]
pub(crate) struct Fed(Vec<Arc<Upload>>);

impl Fed {
    pub(crate) fn work(self, shared: &Arc<Shared>) {
        for upload in self.0 {
            upload.work_on(shared, lock(&upload.state));
        }
    }
}

impl Shared {
    fn remove_blob(self: &Arc<Self>, blob: BlobId) {
        if lock(&self.files.kept).keeps(blob) {
            return;
        }
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

/// Lets other threads run after each part of the work. The system may let one that always has work run for
/// milliseconds, and whoever carries what people say would wait for them.
fn give_way() {
    std::thread::yield_now();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
