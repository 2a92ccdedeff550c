//! Uploads, from the first request to the entry.

use super::appending::Origin;
use super::file::{FileWork, Phase, Step, Vetted};
use super::sending::Candidate;
use super::{Asked, Effect, Hub, Load, Pending, storage_refusal};
use crate::id::{AccountId, BlobId, ConversationId, RequestId, SendId, Seq};
use crate::limits;
use crate::model::{
    Answer, Body, Code, FileOffer, PendingUpload, Refusal, Target, Upload, Uploading,
};
use crate::port::{Append, DirectoryChange, Fault, Unfinished, Write};

impl Hub {
    /// A file is to come, or to be gone on with.
    pub(super) fn begin_upload(
        &mut self,
        asked: Asked,
        upload: Upload,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        check_offer(&upload)?;
        self.check_send_id(upload.id)?;
        let key = (asked.account, upload.id);
        if let Some(blob) = self.files.ids.get(&key).copied() {
            return self.resume_upload(asked, blob, &upload, out);
        }
        self.admit_transfer(asked)?;
        let (conversation, other) = self.place_of(&upload.target, asked.account)?;
        let mut blob = BlobId([0; 16]);
        self.random.fill(&mut blob.0);
        let record = PendingUpload {
            blob,
            account: asked.account,
            id: upload.id,
            conversation,
            other,
            name: upload.name,
            size: upload.size,
            media_type: upload.media_type,
            touched: self.now.date,
        };
        // Before it may count, it may be an entry already: then nothing is asked any more.
        self.files.add(record, Phase::Beginning(asked));
        self.files.look_at(self.now.time + limits::UPLOAD_LOOK);
        let load = Load::Lookup(asked.account, upload.id);
        self.load(load, Pending::File(Step::Known(blob)), out);
        Ok(None)
    }

    fn resume_upload(
        &mut self,
        asked: Asked,
        blob: BlobId,
        wish: &Upload,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let Some(upload) = self.files.uploads.get(&blob) else {
            return Err(Code::Internal.into());
        };
        let place = self.place_of(&wish.target, asked.account);
        if upload.record.size != wish.size
            || place.is_ok_and(|(conversation, _)| conversation != upload.record.conversation)
        {
            let text = "this send id was used for another file";
            return Err(Refusal::because(Code::SendIdReused, text));
        }
        match upload.phase {
            Phase::Idle => {}
            // A new link of the same client, mostly, before the old one was found to be dead.
            Phase::Running(..) => {
                let text = "the upload goes on over another link";
                self.suspend(blob, Some(Refusal::because(Code::Conflict, text)), out);
            }
            Phase::Beginning(_) | Phase::Finishing(..) | Phase::Ending => {
                let text = "the upload is being worked on; ask again in a moment";
                return Err(Refusal::because(Code::Busy, text).retry_in(500));
            }
        }
        self.admit_transfer(asked)?;
        if let Some(upload) = self.files.uploads.get_mut(&blob) {
            upload.phase = Phase::Beginning(asked);
        }
        if let Err(refusal) = self.admit_file(blob) {
            self.set_phase(blob, Phase::Idle);
            return Err(refusal);
        }
        let date = self.now.date;
        let upload = self.files.uploads.get_mut(&blob);
        match upload {
            // It is remembered, and recently enough.
            Some(upload) if upload.record.touched + limits::UPLOAD_LOOK > date => {
                self.receive(blob, asked, out);
            }
            Some(upload) => {
                upload.record.touched = date;
                let change = DirectoryChange::SetUpload(upload.record.clone());
                let pending = Pending::File(Step::Recorded(blob));
                self.write(Write::Change(vec![change]), pending, out);
            }
            None => {}
        }
        Ok(None)
    }

    /// Whether the upload is in the log.
    pub(super) fn upload_known(
        &mut self,
        blob: BlobId,
        known: Result<Option<(ConversationId, Seq)>, Fault>,
        out: &mut Vec<Effect>,
    ) {
        let Some(upload) = self.files.uploads.get(&blob) else {
            return;
        };
        let Phase::Beginning(asked) = upload.phase else {
            return;
        };
        let place = upload.record.conversation;
        let refusal = match known {
            Ok(Some((conversation, seq))) => {
                self.files.take(blob, false);
                let answer = match conversation == place {
                    true => Ok(Answer::Entered { conversation, seq }),
                    false => Err(Code::SendIdReused.into()),
                };
                return self.answer(asked, answer, out);
            }
            Ok(None) => self.admit_new(blob).err(),
            Err(fault) => Some(storage_refusal(&fault)),
        };
        if let Some(refusal) = refusal {
            self.files.take(blob, false);
            return self.answer(asked, Err(refusal), out);
        }
        if self.ask_about_file(blob, Vetted::Offer, out) {
            return;
        }
        self.record_upload(blob, out);
    }

    /// Remembers a new upload that nobody minds.
    pub(super) fn record_upload(&mut self, blob: BlobId, out: &mut Vec<Effect>) {
        if let Some(upload) = self.files.uploads.get(&blob) {
            let change = DirectoryChange::SetUpload(upload.record.clone());
            let pending = Pending::File(Step::Recorded(blob));
            self.write(Write::Change(vec![change]), pending, out);
        }
    }

    /// The upload survives a crash from now on.
    pub(super) fn upload_recorded(
        &mut self,
        blob: BlobId,
        recorded: Result<(), Fault>,
        out: &mut Vec<Effect>,
    ) {
        let Some(upload) = self.files.uploads.get(&blob) else {
            return;
        };
        let Phase::Beginning(asked) = upload.phase else {
            return;
        };
        match recorded {
            Ok(()) => self.receive(blob, asked, out),
            Err(fault) => {
                // It may be remembered from before: then it can be gone on with. Otherwise it counts
                // until the next start, or until it is asked for again.
                self.set_phase(blob, Phase::Idle);
                self.answer(asked, Err(storage_refusal(&fault)), out);
            }
        }
    }

    fn receive(&mut self, blob: BlobId, asked: Asked, out: &mut Vec<Effect>) {
        let Some(upload) = self.files.uploads.get(&blob) else {
            return;
        };
        let size = upload.record.size;
        let ticket = self.ticket(Pending::File(Step::Opened(blob)));
        out.push(Effect::File(FileWork::Receive {
            ticket,
            link: asked.link,
            transfer: asked.request,
            blob,
            size,
        }));
    }

    /// Chunks may come.
    pub(super) fn upload_opened(
        &mut self,
        blob: BlobId,
        opened: Result<u64, Fault>,
        out: &mut Vec<Effect>,
    ) {
        let phase = self.files.uploads.get(&blob).map(|upload| upload.phase);
        let Some(Phase::Beginning(asked)) = phase else {
            // Nobody waits for it any more.
            out.push(Effect::File(FileWork::Suspend(blob)));
            return;
        };
        match opened {
            Ok(offset) if self.link_of(asked).is_some() => {
                self.set_phase(blob, Phase::Running(asked.link, asked.request));
                let window = limits::TRANSFER_WINDOW;
                let answer = Uploading {
                    blob,
                    offset,
                    window,
                };
                self.answer(asked, Ok(Answer::Uploading(answer)), out);
                self.announce(blob, false, out);
            }
            Ok(_) => self.suspend(blob, None, out),
            Err(fault) => {
                self.set_phase(blob, Phase::Idle);
                self.answer(asked, Err(storage_refusal(&fault)), out);
            }
        }
    }

    /// All chunks were sent.
    pub(super) fn finish_upload(
        &mut self,
        asked: Asked,
        transfer: RequestId,
        hash: [u8; 32],
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let Some(blob) = self.upload_of(asked.link, transfer) else {
            let text = "there is no such upload on this link; begin it again";
            return Err(Refusal::because(Code::NoSuchBlob, text));
        };
        self.set_phase(blob, Phase::Finishing(asked, hash));
        let ticket = self.ticket(Pending::File(Step::Finished(blob)));
        out.push(Effect::File(FileWork::Finish { ticket, blob, hash }));
        Ok(None)
    }

    /// The blob is whole and on disk, or is not.
    pub(super) fn upload_finished(
        &mut self,
        blob: BlobId,
        finished: Result<(), Unfinished>,
        out: &mut Vec<Effect>,
    ) {
        let phase = self.files.uploads.get(&blob).map(|upload| upload.phase);
        let Some(Phase::Finishing(asked, _)) = phase else {
            return;
        };
        match finished {
            Ok(()) => self.enter_file(blob, out),
            Err(Unfinished::NotIt) => {
                self.answer(asked, Err(Code::BadHash.into()), out);
                self.forget_upload(None, blob, out);
            }
            Err(Unfinished::Fault(fault)) => {
                self.set_phase(blob, Phase::Idle);
                out.push(Effect::File(FileWork::Suspend(blob)));
                self.answer(asked, Err(storage_refusal(&fault)), out);
            }
        }
    }

    /// Makes an entry of a blob that is whole. Waits while the sender's membership changes: what it
    /// may do depends on that entry's place.
    pub(super) fn enter_file(&mut self, blob: BlobId, out: &mut Vec<Effect>) {
        let Some(upload) = self.files.uploads.get(&blob) else {
            return;
        };
        let Phase::Finishing(asked, _) = upload.phase else {
            return;
        };
        let (conversation, account) = (upload.record.conversation, upload.record.account);
        if self.is_changing(conversation, account) {
            self.files.waiting.push((conversation, account, blob));
            return;
        }
        let admitted = self.admit_file(blob);
        if admitted.is_ok()
            && (self.ask_about_file(blob, Vetted::Complete, out)
                || self.ask_about_file(blob, Vetted::Entry, out))
        {
            return;
        }
        match admitted {
            Ok(mut append) => {
                append.changes.push(DirectoryChange::RemoveUpload(blob));
                self.append(append, Origin::File(asked, blob), out);
            }
            Err(refusal) => self.refuse_file(asked, blob, refusal, out),
        }
    }

    /// A file that is there does not become an entry: for now, or never.
    pub(super) fn refuse_file(
        &mut self,
        asked: Asked,
        blob: BlobId,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::File(FileWork::Suspend(blob)));
        self.set_phase(blob, Phase::Idle);
        let is_final = !refusal.is_retryable();
        self.answer(asked, Err(refusal), out);
        if is_final {
            self.forget_upload(None, blob, out);
        }
    }

    /// The sender's membership is settled.
    pub(super) fn release_files(
        &mut self,
        conversation: ConversationId,
        account: AccountId,
        out: &mut Vec<Effect>,
    ) {
        let waiting = std::mem::take(&mut self.files.waiting);
        let (ready, waiting) = waiting
            .into_iter()
            .partition(|(place, who, _)| *place == conversation && *who == account);
        self.files.waiting = waiting;
        for (_, _, blob) in Vec::from_iter::<Vec<_>>(ready) {
            self.enter_file(blob, out);
        }
    }

    /// The entry is in the log, now or before.
    pub(super) fn file_entered(
        &mut self,
        asked: Asked,
        blob: BlobId,
        entered: (ConversationId, Seq),
        is_new: bool,
        out: &mut Vec<Effect>,
    ) {
        let (conversation, seq) = entered;
        self.answer(asked, Ok(Answer::Entered { conversation, seq }), out);
        if !is_new {
            return self.forget_upload(None, blob, out);
        }
        if let Some(upload) = self.files.take(blob, true)
            && let Phase::Finishing(_, hash) = upload.phase
        {
            out.push(Effect::File(FileWork::Named { blob, hash }));
            // Who reads it meanwhile does so as a reader of the entry from now on.
            for fetch in self.files.fetches.values_mut() {
                if fetch.blob == blob {
                    fetch.entry = Some(seq);
                }
            }
        }
    }

    /// The entry could not be appended.
    pub(super) fn file_failed(
        &mut self,
        asked: Asked,
        blob: BlobId,
        fault: &Fault,
        out: &mut Vec<Effect>,
    ) {
        let refusal = match fault {
            // Another send made the conversation first: this one is fine as it is.
            Fault::Taken => Refusal::new(Code::Conflict).retry_in(0),
            fault => storage_refusal(fault),
        };
        out.push(Effect::File(FileWork::Suspend(blob)));
        self.set_phase(blob, Phase::Idle);
        self.answer(asked, Err(refusal), out);
    }

    /// An upload is given up by its sender.
    pub(super) fn abandon_upload(
        &mut self,
        asked: Asked,
        id: SendId,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let Some(blob) = self.files.ids.get(&(asked.account, id)).copied() else {
            return Ok(Some(Answer::Done));
        };
        let phase = self.files.uploads.get(&blob).map(|upload| upload.phase);
        match phase {
            Some(Phase::Idle) => {}
            Some(Phase::Running(..)) => {
                self.suspend(blob, Some(Code::Abandoned.into()), out);
            }
            _ => {
                let text = "the upload is being worked on; ask again in a moment";
                return Err(Refusal::because(Code::Busy, text).retry_in(500));
            }
        }
        self.forget_upload(Some(asked), blob, out);
        Ok(None)
    }

    /// Takes no more chunks of an upload over the link that it runs on, and keeps what came.
    pub(super) fn suspend(
        &mut self,
        blob: BlobId,
        refusal: Option<Refusal>,
        out: &mut Vec<Effect>,
    ) {
        let Some(upload) = self.files.uploads.get_mut(&blob) else {
            return;
        };
        let phase = upload.phase;
        if !matches!(phase, Phase::Running(..) | Phase::Beginning(_)) {
            return;
        }
        upload.phase = Phase::Idle;
        upload.record.touched = self.now.date;
        out.push(Effect::File(FileWork::Suspend(blob)));
        if let (Phase::Running(link, transfer), Some(refusal)) = (phase, refusal) {
            self.tell_stopped(link, transfer, refusal, out);
        }
    }

    /// Forgets an upload: first in the log, then on the disk.
    pub(super) fn forget_upload(
        &mut self,
        asked: Option<Asked>,
        blob: BlobId,
        out: &mut Vec<Effect>,
    ) {
        self.set_phase(blob, Phase::Ending);
        let change = DirectoryChange::RemoveUpload(blob);
        let pending = Pending::File(Step::Forgotten(asked, blob));
        self.write(Write::Change(vec![change]), pending, out);
    }

    pub(super) fn upload_forgotten(
        &mut self,
        asked: Option<Asked>,
        blob: BlobId,
        out: &mut Vec<Effect>,
    ) {
        self.announce(blob, true, out);
        if self.files.take(blob, false).is_some() {
            out.push(Effect::File(FileWork::Remove(blob)));
            let fetches = self.files.fetches.iter();
            let live = fetches.filter(|(_, fetch)| fetch.blob == blob);
            let live: Vec<_> = live.map(|(key, _)| *key).collect();
            for (link, transfer) in live {
                self.stop_fetch(link, transfer, Some(Code::Abandoned.into()), out);
            }
        }
        if let Some(asked) = asked {
            self.answer(asked, Ok(Answer::Done), out);
        }
    }

    pub(super) fn forgetting_failed(
        &mut self,
        asked: Option<Asked>,
        blob: BlobId,
        fault: &Fault,
        out: &mut Vec<Effect>,
    ) {
        // It is tried again when it expires.
        self.set_phase(blob, Phase::Idle);
        if let Some(asked) = asked {
            self.answer(asked, Err(storage_refusal(fault)), out);
        }
    }

    fn set_phase(&mut self, blob: BlobId, phase: Phase) {
        if let Some(upload) = self.files.uploads.get_mut(&blob) {
            upload.phase = phase;
        }
    }

    /// Size, type, quotas and rights of a new upload, which counts already.
    fn admit_new(&mut self, blob: BlobId) -> Result<(), Refusal> {
        let Some(upload) = self.files.take(blob, false) else {
            return Err(Code::Internal.into());
        };
        let record = &upload.record;
        let judged = self
            .files
            .judge(record.account, record.size, &record.media_type);
        self.files.add(upload.record, upload.phase);
        judged?;
        self.admit_file(blob).map(|_| ())
    }

    /// The entry that an upload will be, if its sender may send it now.
    fn admit_file(&self, blob: BlobId) -> Result<Append, Refusal> {
        let Some(upload) = self.files.uploads.get(&blob) else {
            return Err(Code::Internal.into());
        };
        let record = &upload.record;
        let hash = match upload.phase {
            Phase::Finishing(_, hash) => hash,
            _ => [0; 32],
        };
        let offer = FileOffer {
            name: record.name.clone(),
            size: record.size,
            media_type: record.media_type.clone(),
            hash,
        };
        let candidate = Candidate {
            from: record.account,
            conversation: record.conversation,
            other: record.other,
            id: record.id,
            body: Body::file(blob, &offer),
            origin: Origin::Server(record.account),
        };
        let guards = self.admit_checked(&candidate)?;
        self.append_of(candidate, guards)
            .ok_or_else(|| Refusal::new(Code::Internal))
    }

    fn place_of(
        &self,
        target: &Target,
        account: AccountId,
    ) -> Result<(ConversationId, Option<AccountId>), Refusal> {
        let place = self.resolve(target, account)?;
        Ok((place.conversation, place.other))
    }
}

/// What every server checks of an offer, whoever makes it. The name may still be one that no receiver
/// would take for a file: that is the receiver's to decide.
fn check_offer(upload: &Upload) -> Result<(), Refusal> {
    check_name(&upload.name)?;
    if upload.media_type.len() > limits::MEDIA_TYPE_BYTES {
        let text = "the file's type is too long";
        return Err(Refusal::because(Code::TooLong, text));
    }
    if upload.media_type.chars().any(char::is_control) {
        let text = "a media type has no control characters in it";
        return Err(Refusal::because(Code::BadType, text));
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let is_path = name.contains('/') || matches!(name, "" | "." | "..");
    if is_path || name.chars().any(char::is_control) {
        let text = "a file's name has no path and no control characters in it, and is not empty";
        return Err(Refusal::because(Code::BadName, text));
    }
    if name.len() > limits::FILE_NAME_BYTES {
        let text = "the file's name is too long";
        return Err(Refusal::because(Code::TooLong, text));
    }
    Ok(())
}
