//! Files that are sent and fetched: one step after the other, over as many links and runs as it takes.

mod download;
mod transfers;
mod upload;
mod work;

use std::time::Duration;

use super::{AfterSave, Agent, CommandId, Effect, Event};
use crate::error::{Error, Misuse, Violation};
use crate::id::{RequestId, SendId};
use crate::limits;
use crate::model::{Answer, Code, Now, Refusal, Request, ToServer};
use crate::port::{Errand, ProfileChange, SinkPlace, SourcePlace, TransferItem};

pub(super) use download::FetchWish;
pub(super) use transfers::Transfers;
use transfers::{FileState, Stage, Transfer};
pub(super) use upload::FileWish;
pub use work::{Beginning, FileNews, FileSink, FileSource, FileWork, Written};

impl Agent {
    /// Puts a new transfer behind the others.
    fn put_transfer(
        &mut self,
        command: CommandId,
        id: SendId,
        label: String,
        errand: Errand,
        stage: Stage,
    ) -> u64 {
        let order = self.transfers.next_order;
        let item = TransferItem {
            id,
            order,
            label,
            errand,
        };
        let transfer = Transfer::new(item, Some(command), stage);
        self.transfers.insert(transfer);
        order
    }

    fn check_transfer(&self, label: &str) -> Result<(), Error> {
        if label.len() > limits::LABEL_BYTES {
            return Err(Misuse::TooLong(limits::LABEL_BYTES).into());
        }
        if self.transfers.all.len() >= limits::TRANSFERS_KEPT || self.queue.is_full() {
            return Err(Misuse::Full.into());
        }
        Ok(())
    }

    /// The same transfer is there, of this run or an earlier one: it gets this command and label.
    fn join_transfer(&mut self, order: u64, command: CommandId, label: String) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        transfer.command = Some(command);
        transfer.item.label.clone_from(&label);
        if transfer.is_queued {
            let id = transfer.item.id;
            self.queue.push(Event::Queued { command, label, id });
        }
    }

    /// Saves a transfer as it is.
    fn save_transfer(&mut self, order: u64, after: Vec<AfterSave>, effects: &mut Vec<Effect>) {
        if let Some(transfer) = self.transfers.get(order) {
            let put = ProfileChange::PutTransfer(transfer.item.clone());
            self.save(vec![put], after, effects);
        }
    }

    /// A transfer is in the profile, or is not.
    pub(super) fn handle_transfer_saved(
        &mut self,
        order: u64,
        outcome: &Result<(), Error>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        if let Err(error) = outcome {
            let text = format!("the transfer could not be kept: {error}");
            let refusal = Refusal::because(Code::LocalFile, text);
            return self.fail_transfer(order, refusal, effects);
        }
        match transfer.stage {
            Stage::Saving => {
                transfer.is_queued = true;
                transfer.stage = Stage::Waiting;
                let (id, label) = (transfer.item.id, transfer.item.label.clone());
                if let Some(command) = transfer.command {
                    self.queue.push(Event::Queued { command, label, id });
                }
                self.transfers.waiting.insert(order);
            }
            Stage::Receiving(_) => self.begin_receiving(order, now, effects),
            _ => {}
        }
    }

    /// Takes a transfer back.
    pub(super) fn cancel_transfer(
        &mut self,
        command: CommandId,
        id: SendId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(order) = self.transfers.orders.get(&id).copied() else {
            return;
        };
        let Some(transfer) = self.drop_transfer(order, true, effects) else {
            return;
        };
        let canceled = Event::Canceled {
            command: transfer.command,
            label: transfer.item.label,
            id,
        };
        let drop = vec![ProfileChange::DropTransfer(id)];
        let after = vec![AfterSave::TransferCanceled(command, Box::new(canceled))];
        self.save(drop, after, effects);
    }

    /// Moves everything as far as it goes now.
    pub(super) fn advance_transfers(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let transfers = &mut self.transfers;
        while let Some((until, order)) = transfers.paused.first().copied()
            && until <= now.time
        {
            transfers.paused.pop_first();
            transfers.waiting.insert(order);
        }
        if !self.link.is_up() {
            return;
        }
        while transfers.active.len() < limits::TRANSFERS_AT_ONCE
            && let Some(order) = transfers.waiting.pop_first()
        {
            transfers.active.push(order);
        }
        for order in transfers.active.clone() {
            if self
                .transfers
                .get(order)
                .is_some_and(|transfer| transfer.is_untold)
            {
                self.tell_progress(order, now);
            }
            self.advance_transfer(order, effects);
        }
        while self.may_ask()
            && let Some(id) = self.transfers.abandoned.pop_front()
        {
            let request = self.request(Request::Abandon { id }, effects);
            self.transfers.forgotten.insert(request);
        }
    }

    fn advance_transfer(&mut self, order: u64, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.all.get_mut(&order) else {
            return;
        };
        match (&transfer.stage, transfer.file) {
            (Stage::Waiting, FileState::Closed) => match open_work(&transfer.item.errand) {
                Some(work) => {
                    transfer.file = FileState::Opening;
                    effects.push(Effect::File(transfer.item.id, work));
                }
                None => self.ask_transfer(order, effects),
            },
            (Stage::Waiting, FileState::Open) => self.ask_transfer(order, effects),
            (Stage::Sending(_), _) => self.fill_upload(order, effects),
            _ => {}
        }
    }

    /// Asks the server to begin, once what was commanded before is on its way.
    fn ask_transfer(&mut self, order: u64, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.all.get(&order) else {
            return;
        };
        let command = transfer.command.unwrap_or_default();
        let earlier = [self.asks.next_command(), self.outbox.next_command()];
        let is_next = earlier.into_iter().flatten().all(|other| other > command);
        if !is_next || !self.may_ask() {
            return;
        }
        let request = match transfer.is_upload() {
            true => transfer.upload_request(),
            false => transfer.fetch_request(),
        };
        let request = self.request(request, effects);
        if let Some(transfer) = self.transfers.get(order) {
            transfer.stage = Stage::Asking(request);
        }
    }

    fn may_ask(&self) -> bool {
        let asking = self.transfers.asking() + self.asks.flying();
        self.link.is_up() && !self.queue.is_full() && asking < limits::REQUESTS
    }

    /// Asks the server something that no command asked for.
    fn request(&mut self, request: Request, effects: &mut Vec<Effect>) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request = self.next_request.saturating_add(1);
        effects.push(Effect::Write(ToServer::Request(id, request)));
        id
    }

    /// News of a file.
    pub(super) fn handle_file(
        &mut self,
        id: SendId,
        news: FileNews,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(order) = self.transfers.orders.get(&id).copied() else {
            return;
        };
        let outcome = match news {
            FileNews::Looked(looked) => {
                looked.map(|(path, stamp)| self.handle_looked(order, path, stamp, effects))
            }
            FileNews::Placed(placed) => {
                placed.and_then(|place| self.handle_placed(order, place, effects))
            }
            FileNews::SourceOpened(opened) => opened.map(|()| {
                if let Some(transfer) = self.transfers.get(order) {
                    transfer.file = FileState::Open;
                }
            }),
            FileNews::Read(offset, read) => {
                if let Some(transfer) = self.transfers.get(order) {
                    transfer.is_reading = false;
                }
                read.map(|bytes| self.handle_read(order, offset, bytes))
            }
            FileNews::Hashed(hash) => hash.map(|hash| self.handle_hashed(order, hash, effects)),
            FileNews::SinkOpened(opened) => {
                opened.map(|(held, boot)| self.handle_sink_opened(order, held, boot, now, effects))
            }
            FileNews::Begun(begun) => begun,
            FileNews::Written(written) => {
                written.map(|written| self.handle_written(order, written, now, effects))
            }
            FileNews::Finished(finished) => {
                finished.map(|path| self.handle_finished(order, path, effects))
            }
        };
        if let Err(refusal) = outcome {
            self.fail_transfer(order, refusal, effects);
        }
    }

    /// An answer to a request of a transfer; given back when it is none.
    pub(super) fn handle_transfer_answer(
        &mut self,
        request: RequestId,
        answer: Answer,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Violation> {
        if self.transfers.forgotten.remove(&request) {
            // Nobody wants it any more, and the server has just begun.
            if matches!(answer, Answer::Uploading(_) | Answer::Fetching(_)) {
                effects.push(Effect::Write(ToServer::Stop(request)));
            }
            return Ok(None);
        }
        let Some(order) = self.transfers.by_request(request) else {
            return Ok(Some(answer));
        };
        let stage = self.transfers.get(order).map(|transfer| &transfer.stage);
        let asked = matches!(stage, Some(Stage::Asking(_)));
        let finishes = matches!(stage, Some(Stage::Finishing(..)));
        let is_upload = self
            .transfers
            .all
            .get(&order)
            .is_some_and(Transfer::is_upload);
        match answer {
            Answer::Uploading(uploading) if asked && is_upload => {
                self.handle_uploading(order, request, uploading, now, effects)?;
            }
            Answer::Entered { conversation, seq } if (asked || finishes) && is_upload => {
                if let Some(id) = self
                    .transfers
                    .all
                    .get(&order)
                    .map(|transfer| transfer.item.id)
                {
                    // The answer is this one.
                    if let Some(transfer) = self.transfers.get(order) {
                        transfer.stage = Stage::Closing;
                    }
                    self.settle(id, conversation, seq, effects);
                }
            }
            Answer::Fetching(fetching) if asked && !is_upload => {
                self.handle_fetching(order, request, *fetching, now, effects)?;
            }
            _ => return Err(Violation::Unexpected),
        }
        Ok(None)
    }

    /// A refused request of a transfer; `false` when it is none.
    pub(super) fn handle_transfer_refused(
        &mut self,
        request: RequestId,
        refusal: &Refusal,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.transfers.forgotten.remove(&request) {
            return true;
        }
        let Some(order) = self.transfers.by_request(request) else {
            return false;
        };
        self.stop_transfer(order, refusal.clone(), now, effects);
        true
    }

    /// The server ended a transfer that had begun.
    pub(super) fn handle_stopped(
        &mut self,
        request: RequestId,
        refusal: Refusal,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(order) = self.transfers.by_request(request) {
            let transfer = self.transfers.get(order);
            if let Some(Stage::Finishing(_, finish)) = transfer.map(|transfer| &transfer.stage) {
                let finish = *finish;
                self.transfers.forgotten.insert(finish);
            }
            self.stop_transfer(order, refusal, now, effects);
        }
    }

    /// The server does not go on, for now or for good.
    fn stop_transfer(&mut self, order: u64, refusal: Refusal, now: Now, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.transfers.get(order) else {
            return;
        };
        transfer.stage = Stage::Waiting;
        match refusal.retry_ms {
            // A full disk may stay full; who sends a file wants to know.
            Some(wait) if refusal.code != Code::Storage => {
                self.pause_transfer(order, Duration::from_millis(wait.into()), now);
            }
            _ => self.fail_transfer(order, refusal, effects),
        }
    }

    fn pause_transfer(&mut self, order: u64, wait: Duration, now: Now) {
        self.transfers.leave_turn(order);
        // A hint of nothing must not become a loop.
        let wait = wait.max(limits::RESEND_WAIT);
        self.transfers.paused.insert((now.time + wait, order));
    }

    /// A transfer failed for good.
    fn fail_transfer(&mut self, order: u64, refusal: Refusal, effects: &mut Vec<Effect>) {
        let Some(transfer) = self.drop_transfer(order, true, effects) else {
            return;
        };
        let drop = vec![ProfileChange::DropTransfer(transfer.item.id)];
        self.save(drop, Vec::new(), effects);
        self.queue.push(Event::Refused {
            command: transfer.command,
            label: transfer.item.label,
            id: Some(transfer.item.id),
            refusal,
        });
    }

    /// Forgets a transfer; `give_up` also what there is of it here and on the server.
    fn drop_transfer(
        &mut self,
        order: u64,
        give_up: bool,
        effects: &mut Vec<Effect>,
    ) -> Option<Transfer> {
        let transfer = self.transfers.remove(order)?;
        let id = transfer.item.id;
        effects.push(Effect::File(id, FileWork::Close { discard: give_up }));
        if give_up
            && !matches!(transfer.stage, Stage::Asking(_))
            && let Some(request) = transfer.link_request()
        {
            effects.push(Effect::Write(ToServer::Stop(request)));
        }
        if give_up
            && transfer.is_upload()
            && transfer.is_queued
            && self.transfers.abandoned.len() < limits::TRANSFERS_KEPT
        {
            self.transfers.abandoned.push_back(id);
        }
        Some(transfer)
    }

    fn tell_progress(&mut self, order: u64, now: Now) {
        let Some(transfer) = self.transfers.all.get_mut(&order) else {
            return;
        };
        let due = transfer
            .told
            .is_none_or(|told| now.time.since(told) >= limits::PROGRESS_EVERY);
        transfer.is_untold = !due;
        if due {
            transfer.told = Some(now.time);
            self.queue.push_signal(Event::Progress {
                command: transfer.command,
                label: transfer.item.label.clone(),
                id: transfer.item.id,
                done: transfer.done,
                size: transfer.size,
            });
        }
    }
}

/// What has to be open before the server is asked; nothing where its answer says what to open.
fn open_work(errand: &Errand) -> Option<FileWork> {
    match errand {
        Errand::Upload { source, stamp, .. } => Some(FileWork::OpenSource(source.clone(), *stamp)),
        Errand::Download {
            sink: SinkPlace::Folder(_),
            ..
        } => None,
        Errand::Download { sink, part, .. } => Some(FileWork::OpenSink(sink.clone(), part.clone())),
    }
}

fn is_stream(errand: &Errand) -> bool {
    match errand {
        Errand::Upload { source, .. } => matches!(source, SourcePlace::Stream(_)),
        Errand::Download { sink, .. } => matches!(sink, SinkPlace::Stream(_)),
    }
}
