//! How far everybody got: cursors, receipts, unread counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccountId, Asked, ConversationId, Effect, Hub, LinkId, Load, Pending, Seq, limits};
use crate::model::{AccountName, Answer, Code, Cursor, Receipt, Refusal, Target, Time, ToClient};
use crate::port::{DirectoryChange, Write};

/// Cursors that moved: to be told, and to be written.
#[derive(Debug, Default)]
pub(super) struct ReceiptBook {
    untold: BTreeSet<(ConversationId, AccountId)>,
    due: Option<Time>,
    unwritten: BTreeSet<(ConversationId, AccountId)>,
    write_due: Option<Time>,
    /// Writes of cursors that were not answered.
    writing: usize,
}

impl ReceiptBook {
    pub(super) const fn due(&self) -> Option<Time> {
        self.due
    }

    pub(super) const fn write_due(&self) -> Option<Time> {
        self.write_due
    }

    /// A write was answered.
    pub(super) const fn answered(&mut self) {
        self.writing = self.writing.saturating_sub(1);
    }

    /// A write did not work: the cursors are written again later.
    pub(super) fn write_failed(
        &mut self,
        cursors: impl IntoIterator<Item = (ConversationId, AccountId)>,
        now: Time,
    ) {
        self.answered();
        self.unwritten.extend(cursors);
        self.write_due.get_or_insert(now + limits::CURSOR_WRITE);
    }
}

impl Hub {
    pub(super) fn handle_delivered(&mut self, id: LinkId, cursors: &[(ConversationId, Seq)]) {
        let Some(link) = self.links.get(id) else {
            return;
        };
        let account = link.account;
        for (conversation, seq) in cursors {
            let Some(room) = self.rooms.get_mut(conversation) else {
                continue;
            };
            let head = room.record.head;
            let Some(member) = room.members.get_mut(&account) else {
                continue;
            };
            // Nobody got what is not there yet.
            if *seq > member.cursor.delivered && *seq <= head {
                member.cursor.delivered = *seq;
                self.cursor_moved(*conversation, account);
            }
        }
    }

    pub(super) fn mark_read(
        &mut self,
        asked: Asked,
        target: &Target,
        seq: Seq,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let conversation = self.find_room(target, asked.account)?;
        let Some(room) = self.rooms.get(&conversation) else {
            return Err(Code::NoSuchRoom.into());
        };
        let Some(member) = room.members.get(&asked.account) else {
            return Err(Code::NotAMember.into());
        };
        let seq = seq.min(room.record.head);
        if seq <= member.cursor.read {
            return Ok(self.write_read(asked, conversation, out));
        }
        let Some(counted) = room.counted_at(seq) else {
            let load = Load::Counted(conversation, seq);
            self.load(load, Pending::Counted(asked, conversation, seq), out);
            return Ok(None);
        };
        self.move_read(asked.account, conversation, seq, counted);
        Ok(self.write_read(asked, conversation, out))
    }

    /// What is answered is on disk: writes the cursor, unless it and all others are written already.
    pub(super) fn write_read(
        &mut self,
        asked: Asked,
        conversation: ConversationId,
        out: &mut Vec<Effect>,
    ) -> Option<Answer> {
        let place = (conversation, asked.account);
        if !self.receipts.unwritten.remove(&place) && self.receipts.writing == 0 {
            return Some(Answer::Done);
        }
        let Some(member) = self.member_mut(conversation, asked.account) else {
            return Some(Answer::Done);
        };
        let change = DirectoryChange::SetCursor(conversation, asked.account, member.cursor);
        self.receipts.writing += 1;
        self.write(
            Write::Change(vec![change]),
            Pending::Cursor(asked, conversation),
            out,
        );
        None
    }

    pub(super) fn move_read(
        &mut self,
        account: AccountId,
        conversation: ConversationId,
        seq: Seq,
        counted: u64,
    ) {
        let Some(member) = self.member_mut(conversation, account) else {
            return;
        };
        if seq <= member.cursor.read {
            return;
        }
        member.cursor.read = seq;
        member.cursor.read_counted = counted;
        member.cursor.delivered = member.cursor.delivered.max(seq);
        member.mentions.retain(|mention| *mention > seq);
        self.cursor_moved(conversation, account);
    }

    /// A cursor moved: it is told soon and written later.
    pub(super) fn cursor_moved(&mut self, conversation: ConversationId, account: AccountId) {
        let time = self.now.time;
        let book = &mut self.receipts;
        book.unwritten.insert((conversation, account));
        book.write_due.get_or_insert(time + limits::CURSOR_WRITE);
        let Some(room) = self.rooms.get(&conversation) else {
            return;
        };
        if room.count <= limits::RECEIPT_MEMBERS {
            book.untold.insert((conversation, account));
            book.due.get_or_insert(time + limits::RECEIPT_MERGE);
        }
    }

    pub(super) fn flush_receipts(&mut self, out: &mut Vec<Effect>) {
        self.receipts.due = None;
        let mut told: BTreeMap<LinkId, Vec<Receipt>> = BTreeMap::new();
        for (conversation, account) in std::mem::take(&mut self.receipts.untold) {
            let Some(room) = self.rooms.get(&conversation) else {
                continue;
            };
            if !room.is_in(account) {
                continue;
            }
            let Some(receipt) = self.receipt(conversation, account) else {
                continue;
            };
            for seat in room.seats.iter().filter(|seat| room.is_in(seat.account)) {
                told.entry(seat.link).or_default().push(receipt.clone());
            }
        }
        for (link, receipts) in told {
            for page in receipts.chunks(limits::PAGE_ITEMS) {
                out.push(Effect::Send(link, ToClient::Receipts(page.to_vec())));
            }
        }
    }

    pub(super) fn list_receipts(&self, asked: Asked, target: &Target) -> Result<Answer, Refusal> {
        let conversation = self.find_room(target, asked.account)?;
        let Some(room) = self.rooms.get(&conversation) else {
            return Err(Code::NoSuchRoom.into());
        };
        if !room.is_in(asked.account) {
            return Err(Code::NotAMember.into());
        }
        let mut receipts: Vec<Receipt> = room
            .members
            .keys()
            .filter(|account| room.is_in(**account))
            .filter_map(|account| self.receipt(conversation, *account))
            .collect();
        receipts.sort_by(|one, other| (other.read, &one.account).cmp(&(one.read, &other.account)));
        receipts.truncate(limits::PAGE_ITEMS);
        Ok(Answer::Receipts(receipts))
    }

    fn receipt(&self, conversation: ConversationId, account: AccountId) -> Option<Receipt> {
        let member = self.rooms.get(&conversation)?.members.get(&account)?;
        let name: AccountName = self.account(account)?.record.name.clone();
        let Cursor {
            delivered, read, ..
        } = member.cursor;
        Some(Receipt {
            conversation,
            account: name,
            delivered,
            read,
        })
    }

    /// Writes the cursors that moved, in a batch that nobody waits for.
    pub(super) fn write_cursors(&mut self, out: &mut Vec<Effect>) {
        self.receipts.write_due = None;
        let unwritten: Vec<_> = std::mem::take(&mut self.receipts.unwritten)
            .into_iter()
            .collect();
        for batch in unwritten.chunks(limits::CURSOR_BATCH) {
            let changes: Vec<_> = batch
                .iter()
                .filter_map(|(conversation, account)| {
                    let member = self.rooms.get(conversation)?.members.get(account)?;
                    Some(DirectoryChange::SetCursor(
                        *conversation,
                        *account,
                        member.cursor,
                    ))
                })
                .collect();
            if changes.is_empty() {
                continue;
            }
            self.receipts.writing += 1;
            self.write(
                Write::Change(changes),
                Pending::Cursors(batch.to_vec()),
                out,
            );
        }
    }
}
