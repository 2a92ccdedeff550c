//! A file that is fetched.

use std::path::PathBuf;
use std::time::Duration;

use super::{Beginning, FileSink, FileState, FileWork, Stage, Transfer, Written};
use crate::agent::{AfterSave, Agent, CommandId, Effect, Event};
use crate::error::{Error, Violation};
use crate::id::{BlobId, RequestId};
use crate::limits;
use crate::model::{Code, Fetched, Fetching, FileName, Now, Piece, Refusal, Request, ToServer};
use crate::port::{Errand, Held, Part, ProfileChange, SinkPlace};

/// A download that moves.
#[derive(Debug)]
pub(super) struct Receiving {
    /// The request that began it.
    pub(super) transfer: RequestId,
    fetching: Fetching,
    /// Where the next piece begins, what is dealt with, and what the server knows of that.
    next: u64,
    upto: u64,
    told: u64,
    /// Pieces that came before there was a place for them: at most a window.
    early: Vec<Piece>,
    has_begun: bool,
    /// Everything came; this is the hash of it.
    hash: Option<[u8; 32]>,
}

/// A file that is to be fetched.
#[derive(Debug)]
pub(in crate::agent) struct FetchWish {
    pub(in crate::agent) blob: BlobId,
    pub(in crate::agent) sink: FileSink,
    pub(in crate::agent) start: u64,
    pub(in crate::agent) length: Option<u64>,
    pub(in crate::agent) label: String,
}

impl Transfer {
    pub(super) fn fetch_request(&self) -> Request {
        match &self.item.errand {
            Errand::Download {
                blob,
                start,
                length,
                ..
            } => Request::Fetch {
                blob: *blob,
                offset: start.saturating_add(self.accepted),
                length: length.map(|length| length.saturating_sub(self.accepted)),
                window: limits::TRANSFER_WINDOW,
            },
            Errand::Upload { .. } => Request::Abandon { id: self.item.id },
        }
    }

    /// The first byte that is wanted, how many there are, and whether that is all of them.
    fn range(&self, size: u64) -> (u64, u64, bool) {
        let Errand::Download { start, length, .. } = &self.item.errand else {
            return (0, 0, false);
        };
        let rest = size.saturating_sub(*start);
        let wanted = length.map_or(rest, |length| length.min(rest));
        (*start, wanted, *start == 0 && wanted == size)
    }
}

impl Agent {
    /// The application wants a file.
    pub(in crate::agent) fn fetch(
        &mut self,
        command: CommandId,
        wish: FetchWish,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        self.check_transfer(&wish.label)?;
        let id = self.new_send_id(now);
        let errand = |sink| Errand::Download {
            blob: wish.blob,
            sink,
            start: wish.start,
            length: wish.length,
            part: None,
        };
        match wish.sink {
            FileSink::Path(path) => {
                effects.push(Effect::File(id, FileWork::Place(path.clone())));
                let errand = errand(SinkPlace::Folder(path));
                self.put_transfer(command, id, wish.label, errand, Stage::Looking);
            }
            FileSink::Stream(number) => {
                let errand = errand(SinkPlace::Stream(number));
                let order = self.put_transfer(command, id, wish.label, errand, Stage::Saving);
                self.save_queued(order, effects);
            }
        }
        Ok(())
    }

    pub(super) fn handle_placed(
        &mut self,
        order: u64,
        place: SinkPlace,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Some(transfer) = self.transfers.get(order) else {
            return Ok(());
        };
        if let Errand::Download { sink, .. } = &mut transfer.item.errand {
            *sink = place;
        }
        if let Some(other) = self.same_place(order) {
            let (one, other) = (
                self.transfers.all.get(&order),
                self.transfers.all.get(&other),
            );
            let (Some(one), Some(other)) = (one, other) else {
                return Ok(());
            };
            if !is_same(&one.item.errand, &other.item.errand) {
                return Err(taken_place());
            }
            // An earlier run, or an earlier line, asked for the very same.
            let joined = other.item.order;
            if let Some(gone) = self.drop_transfer(order, false, effects)
                && let Some(command) = gone.command
            {
                self.join_transfer(joined, command, gone.item.label);
            }
            return Ok(());
        }
        if let Some(transfer) = self.transfers.get(order) {
            transfer.stage = Stage::Saving;
        }
        self.save_queued(order, effects);
        Ok(())
    }

    /// Another download that writes the same file, or might.
    fn same_place(&self, order: u64) -> Option<u64> {
        let sink = |errand: &Errand| match errand {
            Errand::Download { sink, blob, .. } => Some((sink.clone(), *blob)),
            Errand::Upload { .. } => None,
        };
        let (own, blob) = sink(&self.transfers.all.get(&order)?.item.errand)?;
        let others = self.transfers.all.values();
        let same = others
            .filter(|other| other.item.order != order)
            .find(|other| {
                match sink(&other.item.errand) {
                    Some((SinkPlace::Folder(folder), other)) => {
                        matches!(&own, SinkPlace::Folder(own) if *own == folder && other == blob)
                    }
                    Some((SinkPlace::File { folder, name }, other)) => match &own {
                        SinkPlace::File {
                            folder: own,
                            name: own_name,
                        } => *own == folder && *own_name == name,
                        // The same file into the same folder gets the same name.
                        SinkPlace::Folder(own) => *own == folder && other == blob,
                        SinkPlace::Stream(_) => false,
                    },
                    _ => false,
                }
            })?;
        Some(same.item.order)
    }

    pub(super) fn handle_sink_opened(
        &mut self,
        order: u64,
        held: Held,
        boot: String,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        transfer.file = FileState::Open;
        transfer.boot = boot;
        match held {
            Held::Whole => {
                transfer.stage = Stage::Closing;
                let finish = FileWork::Finish {
                    hash: None,
                    unproven: false,
                };
                effects.push(Effect::File(transfer.item.id, finish));
            }
            Held::Bytes(held) => {
                if let Errand::Download {
                    part: Some(part), ..
                } = &transfer.item.errand
                    && part.hash.is_none()
                {
                    transfer.is_unproven |= held > 0;
                }
                transfer.accepted = held;
                transfer.done = held;
                if matches!(transfer.stage, Stage::Receiving(_)) {
                    self.save_part(order, now, effects);
                }
            }
        }
    }

    pub(super) fn handle_fetching(
        &mut self,
        order: u64,
        request: RequestId,
        fetching: Fetching,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        let Some(transfer) = self.transfers.get(order) else {
            return Ok(());
        };
        let (start, wanted, is_all) = transfer.range(fetching.size);
        let from = start.saturating_add(transfer.accepted);
        let begins = fetching.offset <= from || from > fetching.size;
        if fetching.size > limits::FILE_BYTES
            || !begins
            || fetching.end < start.saturating_add(wanted)
            || fetching.end > fetching.size
            || fetching.offset > fetching.end
        {
            return Err(Violation::Unexpected);
        }
        transfer.size = wanted;
        if fetching.hash.is_none() {
            if !is_all {
                // A part of what is not whole yet can't be proven, not even at the end.
                effects.push(Effect::Write(ToServer::Stop(request)));
                transfer.stage = Stage::Waiting;
                self.pause_transfer(order, PART_RETRY, now);
                return Ok(());
            }
            transfer.is_unproven = true;
        }
        let name = fetching.name.clone();
        transfer.stage = Stage::Receiving(Box::new(Receiving {
            transfer: request,
            next: fetching.offset,
            upto: fetching.offset,
            told: fetching.offset,
            fetching,
            early: Vec::new(),
            has_begun: false,
            hash: None,
        }));
        self.tell_progress(order, now);
        match self.name_sink(order, &name, effects) {
            Ok(()) => {}
            Err(refusal) => {
                self.fail_transfer(order, refusal, effects);
                return Ok(());
            }
        }
        if let Some(transfer) = self.transfers.get(order)
            && transfer.file == FileState::Open
        {
            self.save_part(order, now, effects);
        }
        Ok(())
    }

    /// Where only the folder is known, the server's answer says how the file is called.
    fn name_sink(
        &mut self,
        order: u64,
        offered: &str,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Some(transfer) = self.transfers.get(order) else {
            return Ok(());
        };
        let Errand::Download { sink, .. } = &mut transfer.item.errand else {
            return Ok(());
        };
        let SinkPlace::Folder(folder) = sink else {
            return Ok(());
        };
        let name = FileName::new(offered).map_err(|bad| {
            let text = format!("{bad}; fetch it to a path that ends with a name of your own");
            Refusal::because(Code::BadName, text)
        })?;
        *sink = SinkPlace::File {
            folder: folder.clone(),
            name: name.as_str().to_owned(),
        };
        let work = FileWork::OpenSink(sink.clone(), None);
        let id = transfer.item.id;
        transfer.file = FileState::Opening;
        if self.same_place(order).is_some() {
            return Err(taken_place());
        }
        effects.push(Effect::File(id, work));
        Ok(())
    }

    /// Notes what is being fetched before the first byte is written: what lies in the folder under
    /// that name is ours then.
    fn save_part(&mut self, order: u64, now: Now, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        let Stage::Receiving(receiving) = &transfer.stage else {
            return;
        };
        let (hash, size) = (receiving.fetching.hash, receiving.fetching.size);
        let (_, _, is_all) = transfer.range(size);
        let Errand::Download { part, .. } = &mut transfer.item.errand else {
            return;
        };
        let synced = part.as_ref().map_or(0, |part| part.synced);
        let new = Part {
            hash,
            size,
            // A part of a file can't be checked as a whole later, so the next run begins anew.
            boot: match is_all {
                true => transfer.boot.clone(),
                false => String::new(),
            },
            synced: if is_all { synced } else { 0 },
        };
        if part.as_ref() == Some(&new) {
            return self.begin_receiving(order, now, effects);
        }
        *part = Some(new);
        self.save_transfer(order, vec![AfterSave::Transfer(order)], effects);
    }

    /// The file may be written now.
    pub(super) fn begin_receiving(&mut self, order: u64, now: Now, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        if transfer.file != FileState::Open {
            return;
        }
        let id = transfer.item.id;
        let accepted = transfer.accepted;
        let Stage::Receiving(receiving) = &transfer.stage else {
            return;
        };
        if receiving.has_begun {
            return;
        }
        let (start, wanted, _) = transfer.range(receiving.fetching.size);
        let Stage::Receiving(receiving) = &mut transfer.stage else {
            return;
        };
        receiving.has_begun = true;
        effects.push(Effect::File(
            id,
            FileWork::Begin(Beginning {
                length: wanted,
                hash: receiving.fetching.hash,
                size: receiving.fetching.size,
                offset: receiving.fetching.offset,
                from: start.saturating_add(accepted),
                to: start.saturating_add(wanted),
            }),
        ));
        let early = std::mem::take(&mut receiving.early);
        let hash = receiving.hash;
        for piece in early {
            self.write_piece(order, piece, effects);
        }
        if let Some(hash) = hash {
            self.close_download(order, hash, effects);
        }
        self.tell_progress(order, now);
    }

    /// Bytes of a download.
    pub(in crate::agent) fn handle_piece(
        &mut self,
        piece: Piece,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        let Some(order) = self.transfers.by_request(piece.transfer) else {
            return Ok(());
        };
        let Some(transfer) = self.transfers.get(order) else {
            return Ok(());
        };
        let Stage::Receiving(receiving) = &mut transfer.stage else {
            return Ok(());
        };
        let after = piece.offset.saturating_add(piece.bytes.len() as u64);
        if piece.offset != receiving.next
            || after > receiving.fetching.end
            || piece.bytes.is_empty()
        {
            return Err(Violation::Unexpected);
        }
        if after - receiving.told > u64::from(limits::TRANSFER_WINDOW) {
            return Err(Violation::Credit);
        }
        receiving.next = after;
        if receiving.has_begun {
            self.write_piece(order, piece, effects);
        } else {
            receiving.early.push(piece);
        }
        Ok(())
    }

    fn write_piece(&mut self, order: u64, piece: Piece, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        let Stage::Receiving(receiving) = &transfer.stage else {
            return;
        };
        let after = piece.offset + piece.bytes.len() as u64;
        let (start, wanted, _) = transfer.range(receiving.fetching.size);
        let got = after.saturating_sub(start).min(wanted);
        transfer.accepted = transfer.accepted.max(got);
        effects.push(Effect::File(transfer.item.id, FileWork::Write(piece)));
    }

    /// Everything was sent.
    pub(in crate::agent) fn handle_fetched(
        &mut self,
        fetched: Fetched,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        let Some(order) = self.transfers.by_request(fetched.transfer) else {
            return Ok(());
        };
        let Some(transfer) = self.transfers.get(order) else {
            return Ok(());
        };
        let Stage::Receiving(receiving) = &mut transfer.stage else {
            return Ok(());
        };
        let known = receiving.fetching.hash.unwrap_or(fetched.hash);
        if receiving.next != receiving.fetching.end || known != fetched.hash {
            return Err(Violation::Unexpected);
        }
        receiving.hash = Some(fetched.hash);
        if receiving.has_begun {
            self.close_download(order, fetched.hash, effects);
        }
        Ok(())
    }

    fn close_download(&mut self, order: u64, hash: [u8; 32], effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        let size = match &mut transfer.item.errand {
            Errand::Download {
                part: Some(part), ..
            } => {
                part.hash = Some(hash);
                part.size
            }
            _ => 0,
        };
        let (_, _, is_all) = transfer.range(size);
        transfer.stage = Stage::Closing;
        let finish = FileWork::Finish {
            hash: is_all.then_some(hash),
            unproven: transfer.is_unproven,
        };
        effects.push(Effect::File(transfer.item.id, finish));
    }

    pub(super) fn handle_written(
        &mut self,
        order: u64,
        written: Written,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        if let Stage::Receiving(receiving) = &mut transfer.stage
            && written.upto > receiving.upto
            && written.upto <= receiving.next
        {
            receiving.upto = written.upto;
            let is_last = written.upto == receiving.fetching.end;
            if written.upto - receiving.told >= limits::TRANSFER_STEP || is_last {
                receiving.told = written.upto;
                effects.push(Effect::Write(ToServer::Taken {
                    transfer: receiving.transfer,
                    upto: written.upto,
                }));
            }
        }
        if let Errand::Download {
            start,
            part: Some(part),
            ..
        } = &mut transfer.item.errand
        {
            transfer.done = written.upto.saturating_sub(*start).min(transfer.size);
            if written.synced >= part.synced + limits::FILE_NOTE_BYTES && !part.boot.is_empty() {
                part.synced = written.synced;
                self.save_transfer(order, Vec::new(), effects);
            }
        }
        self.tell_progress(order, now);
    }

    pub(super) fn handle_finished(
        &mut self,
        order: u64,
        path: Option<PathBuf>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(transfer) = self.drop_transfer(order, false, effects) else {
            return;
        };
        let id = transfer.item.id;
        self.save(vec![ProfileChange::DropTransfer(id)], Vec::new(), effects);
        let Errand::Download { blob, part, .. } = transfer.item.errand else {
            return;
        };
        let hash = part.and_then(|part| part.hash).unwrap_or_default();
        self.queue.push(Event::Fetched {
            command: transfer.command,
            label: transfer.item.label,
            id,
            blob,
            path,
            hash,
        });
    }
}

fn is_same(one: &Errand, other: &Errand) -> bool {
    let range = |errand: &Errand| match errand {
        Errand::Download {
            blob,
            start,
            length,
            ..
        } => Some((*blob, *start, *length)),
        Errand::Upload { .. } => None,
    };
    range(one) == range(other)
}

fn taken_place() -> Refusal {
    Refusal::because(
        Code::LocalFile,
        "another file is being fetched to the same path; fetch to another one",
    )
}

/// When to ask again for a part of a file that is still being uploaded.
const PART_RETRY: Duration = Duration::from_millis(500);
