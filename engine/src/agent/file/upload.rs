//! A file that is sent.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::{FileSource, FileWork, Stage, Transfer};
use crate::agent::{Agent, CommandId, Effect, Event};
use crate::error::{Error, Misuse, Violation};
use crate::id::{ConversationId, RequestId, SendId, Seq};
use crate::limits;
use crate::model::{Chunk, Code, Now, Pace, Refusal, Request, Target, ToServer, Upload, Uploading};
use crate::port::{Errand, FileStamp, ProfileChange, SourcePlace};

/// An upload that moves.
#[derive(Debug)]
pub(super) struct Sending {
    /// The request that began it.
    pub(super) transfer: RequestId,
    pace: Pace,
    /// Up to here it was confirmed, sent, and read.
    confirmed: u64,
    sent: u64,
    read: u64,
    /// Blocks that were read; the first `used` bytes of the first one were sent.
    blocks: VecDeque<Vec<u8>>,
    used: usize,
}

/// A file that is to be sent.
#[derive(Debug)]
pub(in crate::agent) struct FileWish {
    pub(in crate::agent) target: Target,
    pub(in crate::agent) source: FileSource,
    /// `None`: that of the path.
    pub(in crate::agent) name: Option<String>,
    pub(in crate::agent) media_type: String,
    pub(in crate::agent) id: Option<SendId>,
    pub(in crate::agent) label: String,
}

impl Transfer {
    pub(super) fn upload_request(&self) -> Request {
        match &self.item.errand {
            Errand::Upload {
                target,
                name,
                media_type,
                stamp,
                ..
            } => Request::Upload(Upload {
                target: target.clone(),
                id: self.item.id,
                name: name.clone(),
                size: stamp.size,
                media_type: media_type.clone(),
            }),
            Errand::Download { .. } => Request::Abandon { id: self.item.id },
        }
    }
}

impl Agent {
    /// The application wants to send a file.
    pub(in crate::agent) fn send_file(
        &mut self,
        command: CommandId,
        wish: FileWish,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        self.check_transfer(&wish.label)?;
        if wish.media_type.len() > limits::MEDIA_TYPE_BYTES {
            return Err(Misuse::TooLong(limits::MEDIA_TYPE_BYTES).into());
        }
        if matches!(wish.source, FileSource::Stream { size, .. } if size > limits::FILE_BYTES) {
            return Err(Misuse::Other("the stream is longer than any file".to_owned()).into());
        }
        let name = name_of(wish.name, &wish.source)?;
        let id = match wish.id {
            Some(id) => id,
            None => self.new_send_id(now),
        };
        if let Some(order) = self.transfers.orders.get(&id).copied() {
            self.join_transfer(order, command, wish.label);
            return Ok(());
        }
        let target = self.inbox.canonical(wish.target);
        let errand = |source, stamp| Errand::Upload {
            target,
            source,
            name,
            media_type: wish.media_type,
            stamp,
        };
        match wish.source {
            FileSource::Path(path) => {
                effects.push(Effect::File(id, FileWork::Look(path.clone())));
                let errand = errand(SourcePlace::Path(path), FileStamp::default());
                self.put_transfer(command, id, wish.label, errand, Stage::Looking);
            }
            FileSource::Stream { number, size } => {
                let stamp = FileStamp { size, modified: 0 };
                let errand = errand(SourcePlace::Stream(number), stamp);
                let order = self.put_transfer(command, id, wish.label, errand, Stage::Saving);
                self.save_queued(order, effects);
            }
        }
        Ok(())
    }

    pub(super) fn handle_looked(
        &mut self,
        order: u64,
        found: PathBuf,
        new: FileStamp,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(transfer) = self.transfers.get(order)
            && let Errand::Upload { source, stamp, .. } = &mut transfer.item.errand
        {
            *source = SourcePlace::Path(found);
            *stamp = new;
            transfer.size = new.size;
            transfer.stage = Stage::Saving;
            self.save_queued(order, effects);
        }
    }

    pub(super) fn handle_uploading(
        &mut self,
        order: u64,
        request: RequestId,
        uploading: Uploading,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        let Some(transfer) = self.transfers.get(order) else {
            return Ok(());
        };
        if uploading.offset > transfer.size || (uploading.window == 0 && transfer.size > 0) {
            return Err(Violation::Unexpected);
        }
        transfer.done = uploading.offset;
        transfer.stage = Stage::Sending(Sending {
            transfer: request,
            pace: Pace::new(u64::from(uploading.window)),
            confirmed: uploading.offset,
            sent: uploading.offset,
            read: uploading.offset,
            blocks: VecDeque::new(),
            used: 0,
        });
        self.tell_progress(order, now);
        self.fill_upload(order, effects);
        Ok(())
    }

    /// Reads and sends what may go out now.
    pub(super) fn fill_upload(&mut self, order: u64, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        let (id, size) = (transfer.item.id, transfer.size);
        let Stage::Sending(sending) = &mut transfer.stage else {
            return;
        };
        while let Some(chunk) = sending.next_chunk() {
            effects.push(Effect::Write(ToServer::Chunk(chunk)));
        }
        if sending.confirmed == size {
            let request = sending.transfer;
            transfer.stage = Stage::Hashing(request);
            effects.push(Effect::File(id, FileWork::Hash));
            return;
        }
        let ahead = sending.read - sending.confirmed;
        if !transfer.is_reading && sending.read < size && ahead < limits::FILE_READ_AHEAD {
            let length = (size - sending.read).min(limits::FILE_BLOCK_BYTES as u64);
            transfer.is_reading = true;
            effects.push(Effect::File(
                id,
                FileWork::Read {
                    offset: sending.read,
                    length: usize::try_from(length).unwrap_or(limits::FILE_BLOCK_BYTES),
                },
            ));
        }
    }

    pub(super) fn handle_read(&mut self, order: u64, offset: u64, bytes: Vec<u8>) {
        if let Some(transfer) = self.transfers.get(order)
            && let Stage::Sending(sending) = &mut transfer.stage
            // What was read for a link that is gone may be something else.
            && sending.read == offset
        {
            sending.read += bytes.len() as u64;
            sending.blocks.push_back(bytes);
        }
    }

    /// The server has the chunks up to there.
    pub(in crate::agent) fn handle_received(
        &mut self,
        request: RequestId,
        upto: u64,
        now: Now,
    ) -> Result<(), Violation> {
        let Some(order) = self.transfers.by_request(request) else {
            return Ok(());
        };
        if let Some(transfer) = self.transfers.get(order)
            && let Stage::Sending(sending) = &mut transfer.stage
        {
            if upto > sending.sent || upto < sending.confirmed {
                return Err(Violation::Unexpected);
            }
            sending.confirmed = upto;
            sending.pace.taken(upto, now.time);
            transfer.done = upto;
            self.tell_progress(order, now);
        }
        Ok(())
    }

    pub(super) fn handle_hashed(&mut self, order: u64, hash: [u8; 32], effects: &mut Vec<Effect>) {
        if let Some(transfer) = self.transfers.get(order)
            && let Stage::Hashing(request) = transfer.stage
        {
            let finish = Request::Finish {
                transfer: request,
                hash,
            };
            let finish = self.request(finish, effects);
            if let Some(transfer) = self.transfers.get(order) {
                transfer.stage = Stage::Finishing(request, finish);
            }
        }
    }

    /// The entry of an upload is in the log.
    pub(in crate::agent) fn settle_upload(
        &mut self,
        id: SendId,
        conversation: ConversationId,
        seq: Seq,
        effects: &mut Vec<Effect>,
    ) {
        let Some(order) = self.transfers.orders.get(&id).copied() else {
            return;
        };
        let target = self.transfers.target(id).cloned();
        let peer = target.and_then(|target| self.peer_of(&target));
        let Some(peer) = peer.or_else(|| self.inbox.peer(conversation).cloned()) else {
            return;
        };
        let Some(transfer) = self.drop_transfer(order, false, effects) else {
            return;
        };
        self.save(vec![ProfileChange::DropTransfer(id)], Vec::new(), effects);
        self.queue.push(Event::Acked {
            command: transfer.command,
            label: transfer.item.label,
            id,
            peer,
            seq,
        });
    }

    pub(super) fn save_queued(&mut self, order: u64, effects: &mut Vec<Effect>) {
        let after = vec![crate::agent::AfterSave::Transfer(order)];
        self.save_transfer(order, after, effects);
    }
}

impl Sending {
    /// The next bytes that the window allows.
    fn next_chunk(&mut self) -> Option<Chunk> {
        let block = self.blocks.front()?;
        let rest = block.get(self.used..).unwrap_or_default();
        let part = rest.get(..limits::CHUNK_BYTES).unwrap_or(rest);
        let after = self.sent + part.len() as u64;
        if after - self.confirmed > self.pace.room() {
            return None;
        }
        let chunk = Chunk {
            transfer: self.transfer,
            offset: self.sent,
            bytes: part.to_vec(),
        };
        self.sent = after;
        self.used += part.len();
        if self.used >= block.len() {
            self.blocks.pop_front();
            self.used = 0;
        }
        Some(chunk)
    }
}

/// What the others will see as the file's name. They would refuse to write what they can't trust, so
/// it is said here.
fn name_of(name: Option<String>, source: &FileSource) -> Result<String, Error> {
    let name = match (name, source) {
        (Some(name), _) => name,
        (None, FileSource::Path(path)) => last_part(path)?,
        (None, FileSource::Stream { .. }) => {
            return Err(Misuse::Other("say what the file is called".to_owned()).into());
        }
    };
    if name.len() > limits::FILE_NAME_BYTES {
        return Err(Misuse::TooLong(limits::FILE_NAME_BYTES).into());
    }
    let is_bad = |letter: char| letter.is_control() || letter == '/';
    if name.is_empty() || name.contains(is_bad) {
        let text = "a file's name has no \"/\" and no control characters in it";
        return Err(Refusal::because(Code::BadName, text).into());
    }
    Ok(name)
}

fn last_part(path: &Path) -> Result<String, Error> {
    match path.file_name() {
        Some(name) => Ok(name.to_string_lossy().into_owned()),
        None => {
            let path = path.display();
            Err(Misuse::Other(format!("{path} is not the path of a file")).into())
        }
    }
}
