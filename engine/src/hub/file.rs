//! Files: who may send and fetch what, how much, and what becomes of it when people leave.
//!
//! The bytes themselves never come here: they go between a link and the disk, once a transfer is
//! granted and until it is ended.

mod incoming;
mod work;

use std::collections::{BTreeMap, HashMap};

use super::download::Wish;
use super::room::RoomState;
use super::visible::visible;
use super::{Asked, Effect, Hub, Link, LinkId, Pending};
use crate::id::{AccountId, BlobId, ConversationId, RequestId, SendId, Seq};
use crate::limits;
use crate::model::{
    Code, Fetching, FileRules, PendingUpload, Refusal, Stopped, Time, ToClient, ToServer,
};
use crate::port::{DirectoryChange, Write};

pub use work::{FetchContent, FileNews, FileWork};

/// Files that are on their way, and how much everybody has.
#[derive(Debug)]
pub(super) struct FileBook {
    pub(super) rules: FileRules,
    pub(super) uploads: BTreeMap<BlobId, Upload>,
    pub(super) ids: HashMap<(AccountId, SendId), BlobId>,
    pub(super) fetches: BTreeMap<(LinkId, RequestId), Fetch>,
    usage: HashMap<AccountId, Usage>,
    total: u64,
    /// Blobs that become entries once their senders' memberships are settled.
    pub(super) waiting: Vec<(ConversationId, AccountId, BlobId)>,
    /// When to look for old uploads.
    look: Option<Time>,
}

/// An upload that is not done.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) record: PendingUpload,
    pub(super) phase: Phase,
    /// Members were told of it.
    pub(super) announced: bool,
    /// What plugins are asked about it next.
    pub(super) vetted: Vetted,
}

/// How far plugins are with an upload.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Vetted {
    /// They are to be asked about the offer, if it is a new one.
    Offer,
    /// About the file that is there.
    Complete,
    /// About the entry.
    Entry,
    /// About nothing any more.
    All,
}

/// What an upload waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Its sender.
    Idle,
    /// The log or the disk, to begin or to go on.
    Beginning(Asked),
    /// Chunks, over this link.
    Running(LinkId, RequestId),
    /// The disk or the log, to become an entry.
    Finishing(Asked, [u8; 32]),
    /// The log, to be forgotten.
    Ending,
}

/// A download that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) account: AccountId,
    pub(super) conversation: ConversationId,
    /// The entry that names it; `None` while it is being uploaded.
    pub(super) entry: Option<Seq>,
    /// Which blob was asked for.
    pub(super) blob: BlobId,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    /// Bytes that entries name.
    stored: u64,
    /// Bytes of uploads, as far as they were announced.
    pending: u64,
    uploads: usize,
}

/// Which part of the work on files an answer is for.
#[derive(Debug)]
pub(super) enum Step {
    /// Whether the upload is an entry already.
    Known(BlobId),
    /// The upload is remembered.
    Recorded(BlobId),
    /// The blob is open for chunks.
    Opened(BlobId),
    /// The blob is whole.
    Finished(BlobId),
    /// The upload is forgotten.
    Forgotten(Option<Asked>, BlobId),
    /// Where the blob is named.
    Located(Asked, Wish),
    /// The content is open for reading.
    Fetching(Asked, Box<Fetching>),
}

impl FileBook {
    pub(super) fn new(rules: FileRules) -> Self {
        Self {
            rules,
            uploads: BTreeMap::new(),
            ids: HashMap::new(),
            fetches: BTreeMap::new(),
            usage: HashMap::new(),
            total: 0,
            waiting: Vec::new(),
            look: None,
        }
    }

    pub(super) fn restore(&mut self, uploads: Vec<PendingUpload>, stored: Vec<(AccountId, u64)>) {
        for (account, bytes) in stored {
            self.usage.entry(account).or_default().stored = bytes;
            self.total = self.total.saturating_add(bytes);
        }
        for record in uploads {
            self.add(record, Phase::Idle);
        }
    }

    /// An upload counts from now on, as if all of it were there.
    pub(super) fn add(&mut self, record: PendingUpload, phase: Phase) {
        let usage = self.usage.entry(record.account).or_default();
        usage.pending = usage.pending.saturating_add(record.size);
        usage.uploads += 1;
        self.total = self.total.saturating_add(record.size);
        self.ids.insert((record.account, record.id), record.blob);
        let upload = Upload {
            record,
            phase,
            announced: false,
            vetted: Vetted::Offer,
        };
        self.uploads.insert(upload.record.blob, upload);
    }

    /// An upload is no more. `named`: it is an entry now, and counts as such.
    pub(super) fn take(&mut self, blob: BlobId, named: bool) -> Option<Upload> {
        let upload = self.uploads.remove(&blob)?;
        let PendingUpload {
            account, id, size, ..
        } = upload.record;
        self.ids.remove(&(account, id));
        let usage = self.usage.entry(account).or_default();
        usage.uploads = usage.uploads.saturating_sub(1);
        usage.pending = usage.pending.saturating_sub(size);
        if named {
            usage.stored = usage.stored.saturating_add(size);
        } else {
            self.total = self.total.saturating_sub(size);
        }
        Some(upload)
    }

    /// Entries that named so many bytes are gone.
    pub(super) fn freed(&mut self, account: AccountId, bytes: u64) {
        if let Some(usage) = self.usage.get_mut(&account) {
            usage.stored = usage.stored.saturating_sub(bytes);
        }
        self.total = self.total.saturating_sub(bytes);
    }

    /// Whether a file of this kind and size may come.
    pub(super) fn judge(
        &self,
        account: AccountId,
        size: u64,
        media_type: &str,
    ) -> Result<(), Refusal> {
        let rules = &self.rules;
        if size > rules.largest.min(limits::FILE_BYTES) {
            let text = format!(
                "the file has {size} bytes, and this server takes at most {}",
                rules.largest
            );
            return Err(Refusal::because(Code::TooBig, text));
        }
        if rules.refuses(media_type) {
            let text = format!("this server takes no files of the type {media_type}");
            return Err(Refusal::because(Code::BadType, text));
        }
        let usage = self.usage.get(&account).copied().unwrap_or_default();
        if usage.uploads >= limits::UPLOADS_PER_ACCOUNT || self.uploads.len() >= limits::UPLOADS {
            let text = "too many uploads are not done; finish or cancel some of them first";
            return Err(Refusal::because(Code::TooMany, text));
        }
        let used = usage.stored.saturating_add(usage.pending);
        if let Some(quota) = rules.per_account
            && used.saturating_add(size) > quota
        {
            let left = quota.saturating_sub(used);
            let text = format!(
                "the file has {size} bytes, and {left} are left of your {quota}; delete files first"
            );
            return Err(Refusal::because(Code::Quota, text));
        }
        if let Some(quota) = rules.total
            && self.total.saturating_add(size) > quota
        {
            let text = "the server has no room left for a file of that size; tell its operator";
            return Err(Refusal::because(Code::Quota, text));
        }
        Ok(())
    }

    /// Transfers of a link, and of all.
    fn count(&self, link: LinkId) -> (usize, usize) {
        let mut uploads = (0, 0);
        for upload in self.uploads.values() {
            let holder = match upload.phase {
                Phase::Running(holder, _) => Some(holder),
                Phase::Beginning(asked) | Phase::Finishing(asked, _) => Some(asked.link),
                Phase::Idle | Phase::Ending => None,
            };
            uploads.0 += usize::from(holder == Some(link));
            uploads.1 += usize::from(holder.is_some());
        }
        let mine = self
            .fetches
            .range((link, RequestId(0))..=(link, RequestId(u32::MAX)));
        (mine.count() + uploads.0, self.fetches.len() + uploads.1)
    }

    /// There may be old uploads then.
    pub(super) fn look_at(&mut self, time: Time) {
        self.look.get_or_insert(time);
    }

    pub(super) const fn due(&self) -> Option<Time> {
        self.look
    }
}

impl Hub {
    /// Whether one more transfer may begin.
    pub(super) fn admit_transfer(&self, asked: Asked) -> Result<(), Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS));
        }
        let (mine, all) = self.files.count(asked.link);
        if mine >= limits::TRANSFERS_PER_LINK || all >= limits::TRANSFERS {
            let text = "too many transfers at once; wait until one of them is done";
            return Err(Refusal::because(Code::Busy, text).retry_in(limits::BUSY_RETRY_MS));
        }
        Ok(())
    }

    /// Frames about transfers that the link's task left to the hub.
    pub(super) fn handle_transfer(
        &mut self,
        link: LinkId,
        message: &ToServer,
        out: &mut Vec<Effect>,
    ) {
        if let ToServer::Stop(transfer) = message {
            self.stop_fetch(link, *transfer, None, out);
            if let Some(blob) = self.upload_of(link, *transfer) {
                self.suspend(blob, None, out);
            }
        }
    }

    pub(super) fn handle_file(&mut self, news: FileNews, out: &mut Vec<Effect>) {
        match news {
            FileNews::Opened(ticket, opened) => {
                if let Some(Pending::File(Step::Opened(blob))) = self.take_pending(ticket) {
                    self.upload_opened(blob, opened, out);
                }
            }
            FileNews::Finished(ticket, finished) => {
                if let Some(Pending::File(Step::Finished(blob))) = self.take_pending(ticket) {
                    self.upload_finished(blob, finished, out);
                }
            }
            FileNews::Failed(blob, fault) => {
                tracing::warn!(%blob, %fault, "cannot write a file");
                self.suspend(blob, Some(super::storage_refusal(&fault)), out);
            }
            FileNews::Located(ticket, located) => {
                if let Some(Pending::File(Step::Fetching(asked, fetching))) =
                    self.take_pending(ticket)
                {
                    self.fetch_opened(asked, *fetching, located, out);
                }
            }
            FileNews::Ended(link, transfer) => {
                self.files.fetches.remove(&(link, transfer));
            }
            FileNews::Damaged(content) => {
                tracing::error!(%content, "a file is damaged on the disk");
                let change = DirectoryChange::Distrust(content);
                self.write(Write::Change(vec![change]), Pending::Nobody, out);
            }
        }
    }

    /// A link is gone, and its transfers with it.
    pub(super) fn drop_transfers(&mut self, id: LinkId, out: &mut Vec<Effect>) {
        let mine = self
            .files
            .fetches
            .range((id, RequestId(0))..=(id, RequestId(u32::MAX)));
        let mine: Vec<RequestId> = mine.map(|((_, transfer), _)| *transfer).collect();
        for transfer in mine {
            self.stop_fetch(id, transfer, None, out);
        }
        for blob in self.running(|upload| upload == id) {
            self.suspend(blob, None, out);
        }
    }

    /// An account may see less than before, or an entry is gone: what it was about is ended.
    pub(super) fn review_transfers(
        &mut self,
        conversation: ConversationId,
        account: Option<AccountId>,
        out: &mut Vec<Effect>,
    ) {
        let concerned = |held: AccountId| account.is_none_or(|account| account == held);
        let Some(room) = self.rooms.get(&conversation) else {
            return;
        };
        let mut gone = Vec::new();
        for (key, fetch) in &self.files.fetches {
            if fetch.conversation != conversation || !concerned(fetch.account) {
                continue;
            }
            let may = match fetch.entry {
                Some(seq) => may_fetch(room, fetch.account, seq),
                None => room.is_in(fetch.account),
            };
            if !may {
                gone.push(*key);
            }
        }
        let uploads = self.files.uploads.values().filter(|upload| {
            let record = &upload.record;
            let is_out = record.conversation == conversation && !room.is_in(record.account);
            is_out && matches!(upload.phase, Phase::Running(..))
        });
        let stopped: Vec<BlobId> = uploads.map(|upload| upload.record.blob).collect();
        for (link, transfer) in gone {
            self.stop_fetch(link, transfer, Some(Code::NoSuchBlob.into()), out);
        }
        for blob in stopped {
            self.suspend(blob, Some(Code::NotAMember.into()), out);
        }
    }

    /// An entry was deleted.
    pub(super) fn end_fetches(
        &mut self,
        conversation: ConversationId,
        target: Seq,
        out: &mut Vec<Effect>,
    ) {
        let fetches = self.files.fetches.iter();
        let gone = fetches
            .filter(|(_, fetch)| fetch.conversation == conversation && fetch.entry == Some(target));
        let gone: Vec<_> = gone.map(|(key, _)| *key).collect();
        for (link, transfer) in gone {
            self.stop_fetch(link, transfer, Some(Code::NoSuchBlob.into()), out);
        }
    }

    /// What the log does not name any more.
    pub(super) fn handle_freed(
        &mut self,
        bytes: Vec<(AccountId, u64)>,
        contents: Vec<BlobId>,
        out: &mut Vec<Effect>,
    ) {
        for (account, bytes) in bytes {
            self.files.freed(account, bytes);
        }
        for content in contents {
            out.push(Effect::File(FileWork::Remove(content)));
        }
    }

    /// Uploads of an account that is gone.
    pub(super) fn drop_uploads(&mut self, account: AccountId, out: &mut Vec<Effect>) {
        let uploads = self.files.uploads.values();
        let mine = uploads.filter(|upload| upload.record.account == account);
        let mine: Vec<BlobId> = mine.map(|upload| upload.record.blob).collect();
        for blob in mine {
            self.suspend(blob, None, out);
            self.upload_forgotten(None, blob, out);
        }
    }

    /// Gives uploads up that nobody went on with for too long.
    pub(super) fn expire_uploads(&mut self, out: &mut Vec<Effect>) {
        if self.files.look.is_some_and(|look| look > self.now.time) {
            return;
        }
        let date = self.now.date;
        let uploads = self.files.uploads.values().filter(|upload| {
            let is_old = upload.record.touched + limits::UPLOAD_EXPIRES < date;
            is_old && matches!(upload.phase, Phase::Idle)
        });
        let old: Vec<BlobId> = uploads.map(|upload| upload.record.blob).collect();
        for blob in old {
            self.forget_upload(None, blob, out);
        }
        self.files.look =
            (!self.files.uploads.is_empty()).then(|| self.now.time + limits::UPLOAD_LOOK);
    }

    pub(super) fn stop_fetch(
        &mut self,
        link: LinkId,
        transfer: RequestId,
        refusal: Option<Refusal>,
        out: &mut Vec<Effect>,
    ) {
        if self.files.fetches.remove(&(link, transfer)).is_none() {
            return;
        }
        out.push(Effect::File(FileWork::Stop(link, transfer)));
        if let Some(refusal) = refusal {
            self.tell_stopped(link, transfer, refusal, out);
        }
    }

    pub(super) fn tell_stopped(
        &self,
        link: LinkId,
        transfer: RequestId,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        if self.links.get(link).is_some() {
            let stopped = Stopped { transfer, refusal };
            out.push(Effect::Send(link, ToClient::Stopped(stopped)));
        }
    }

    /// The upload that this transfer is about.
    pub(super) fn upload_of(&self, link: LinkId, transfer: RequestId) -> Option<BlobId> {
        let uploads = self.files.uploads.values();
        let mut mine = uploads.filter(|upload| {
            matches!(upload.phase, Phase::Running(held, by) if held == link && by == transfer)
        });
        mine.next().map(|upload| upload.record.blob)
    }

    fn running(&self, which: impl Fn(LinkId) -> bool) -> Vec<BlobId> {
        let uploads = self.files.uploads.values();
        let running = uploads.filter(|upload| match upload.phase {
            Phase::Running(link, _) => which(link),
            _ => false,
        });
        running.map(|upload| upload.record.blob).collect()
    }

    pub(super) fn link_of(&self, asked: Asked) -> Option<&Link> {
        self.links.get(asked.link)
    }
}

/// Whether an account may fetch the file of this entry. Who left or was put out still reads what was said
/// before, and gets no files any more.
pub(super) fn may_fetch(room: &RoomState, account: AccountId, seq: Seq) -> bool {
    let is_kept = seq >= room.record.first;
    room.is_in(account) && is_kept && visible(room, account).contains(seq)
}
