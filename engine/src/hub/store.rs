//! What the store is asked and what it says: writes and reads that are under way, and who waits for them.

use super::account::AccountState;
use super::appending::Appending;
use super::file::Step;
use super::login::{Attempt, PasswordChange};
use super::request::Asked;
use super::sending::Parked;
use super::{Effect, Hub, Load, Loaded};
use crate::id::{AccountId, ConversationId, DeviceId, LinkId, SendId, Seq, Ticket};
use crate::model::{Admin, AdminAnswer, Answer, Body, ByeReason, Code, Now, Refusal};
use crate::port::{Append, Committed, DirectoryChange, Fault, PluginName, Write};

/// What an answer of the store is waited for.
#[derive(Debug)]
pub(super) enum Pending {
    /// A password is checked or hashed for a login.
    Login(Attempt),
    /// An account or device is written.
    Enroll(Attempt),
    /// An entry is written.
    Append(Appending),
    /// A send id is looked up; the send waits.
    Lookup(Box<Parked>),
    /// Entries are read for a link that lags.
    Read(LinkId, ConversationId),
    /// A place's count is read for a read cursor.
    Counted(Asked, ConversationId, Seq),
    /// A page is read.
    Asked(Asked),
    /// A directory change is written.
    Done(Asked),
    /// A password is written; the devices to keep.
    Password(Asked, Option<DeviceId>),
    /// The old password is checked.
    OldPassword(PasswordChange),
    /// The new password is hashed.
    NewPassword(PasswordChange),
    /// A password is hashed for the operator.
    AdminHash(u64, Admin),
    /// A change is written for the operator.
    AdminWrite(u64, AdminAnswer),
    /// The server's own account is made, for this wish.
    Operator(u64, Admin),
    /// The account of a plugin is made.
    Voice(PluginName),
    /// Cursors are written.
    Cursors(Vec<(ConversationId, AccountId)>),
    /// A file is on its way.
    File(Step),
    /// A read cursor is written that somebody waits for.
    Cursor(Asked, ConversationId),
    /// Something is written that nobody waits for.
    Nobody,
}

impl Pending {
    pub(super) const fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Read(..)
                | Self::Asked(_)
                | Self::Counted(..)
                | Self::Login(_)
                | Self::Lookup(_)
                | Self::File(_)
        )
    }
}

impl Hub {
    pub(super) fn write(&mut self, write: Write, pending: Pending, out: &mut Vec<Effect>) {
        let ticket = self.ticket(pending);
        out.push(Effect::Write(ticket, write));
    }

    pub(super) fn load(&mut self, load: Load, pending: Pending, out: &mut Vec<Effect>) {
        let ticket = self.ticket(pending);
        out.push(Effect::Load(ticket, load));
    }

    pub(super) fn ticket(&mut self, pending: Pending) -> Ticket {
        Ticket(self.pending.insert(pending) as u64)
    }

    pub(super) fn take_pending(&mut self, ticket: Ticket) -> Option<Pending> {
        let key = usize::try_from(ticket.0).ok()?;
        self.pending.try_remove(key)
    }

    pub(super) fn handle_committed(&mut self, committed: Committed, out: &mut Vec<Effect>) {
        match committed {
            Committed::Entry {
                ticket,
                entry,
                counted,
                changes,
            } => {
                self.appended += 1;
                let pending = ticket.and_then(|ticket| self.take_pending(ticket));
                self.handle_tail(pending, &entry, counted, changes, out);
            }
            Committed::Changed { ticket, changes } => {
                let ended = self.ended_by(&changes);
                for change in changes {
                    if let DirectoryChange::RemoveAccount(account) = change {
                        self.drop_uploads(account, out);
                    }
                    self.apply(change, None);
                }
                match ticket.and_then(|ticket| self.take_pending(ticket)) {
                    Some(Pending::Enroll(attempt)) => self.enter(attempt, out),
                    Some(Pending::Done(asked)) => self.answer(asked, Ok(Answer::Done), out),
                    Some(Pending::Cursor(asked, _)) => {
                        self.receipts.answered();
                        self.answer(asked, Ok(Answer::Done), out);
                    }
                    Some(Pending::Cursors(_)) => self.receipts.answered(),
                    Some(Pending::Password(asked, keep)) => self.password_changed(asked, keep, out),
                    Some(Pending::File(Step::Recorded(blob))) => {
                        self.upload_recorded(blob, Ok(()), out);
                    }
                    Some(Pending::File(Step::Forgotten(asked, blob))) => {
                        self.upload_forgotten(asked, blob, out);
                    }
                    Some(Pending::AdminWrite(id, answer)) => {
                        out.push(Effect::Admin(id, Ok(answer)));
                    }
                    Some(Pending::Operator(id, wish)) => self.operator_made(id, wish, None, out),
                    Some(Pending::Voice(plugin)) => self.voice_opened(&plugin, None, out),
                    _ => {}
                }
                for (link, reason, text) in ended {
                    self.close(link, reason, text, out);
                }
            }
            Committed::Duplicate {
                ticket,
                conversation,
                seq,
            } => {
                if let Some(Pending::Append(append)) = self.take_pending(ticket) {
                    self.append_known(append, conversation, seq, out);
                }
            }
            Committed::Failed { ticket, fault } => match self.take_pending(ticket) {
                Some(Pending::Append(append)) => self.append_failed(append, &fault, out),
                Some(Pending::Enroll(attempt)) => self.enroll_failed(attempt, &fault, out),
                Some(Pending::File(Step::Recorded(blob))) => {
                    self.upload_recorded(blob, Err(fault), out);
                }
                Some(Pending::File(Step::Forgotten(asked, blob))) => {
                    self.forgetting_failed(asked, blob, &fault, out);
                }
                Some(Pending::Done(asked) | Pending::Password(asked, _)) => {
                    self.answer(asked, Err(storage_refusal(&fault)), out);
                }
                Some(Pending::AdminWrite(id, _)) => {
                    let refusal = match fault {
                        Fault::Taken => Code::NameTaken.into(),
                        fault => storage_refusal(&fault),
                    };
                    out.push(Effect::Admin(id, Err(refusal)));
                }
                Some(Pending::Operator(id, wish)) => {
                    self.operator_made(id, wish, Some(&fault), out);
                }
                Some(Pending::Voice(plugin)) => self.voice_opened(&plugin, Some(&fault), out),
                Some(Pending::Cursors(cursors)) => {
                    self.receipts.write_failed(cursors, self.now.time);
                }
                Some(Pending::Cursor(asked, conversation)) => {
                    let cursor = [(conversation, asked.account)];
                    self.receipts.write_failed(cursor, self.now.time);
                    self.answer(asked, Err(storage_refusal(&fault)), out);
                }
                _ => {}
            },
            Committed::Trimmed {
                conversation,
                first,
            } => {
                if let Some(room) = self.rooms.get_mut(&conversation) {
                    room.trim(first);
                }
                self.review_transfers(conversation, None, out);
            }
            Committed::Freed { bytes, contents } => self.handle_freed(bytes, contents, out),
        }
    }

    /// Links of accounts and devices that these changes put an end to. A device that logged in while
    /// the change was on its way is among them.
    pub(super) fn ended_by(
        &self,
        changes: &[DirectoryChange],
    ) -> Vec<(LinkId, ByeReason, &'static str)> {
        let mut ended = Vec::new();
        for change in changes {
            match change {
                DirectoryChange::RemoveAccount(id) => {
                    let links = self.account(*id).map_or(&[][..], |state| &state.links);
                    let why = (ByeReason::Banned, "this account was deleted");
                    ended.extend(links.iter().map(|link| (*link, why.0, why.1)));
                }
                DirectoryChange::RemoveDevice(id) => {
                    let account = self.accounts.device(*id).map(|device| device.account);
                    let state = account.and_then(|account| self.account(account));
                    let links = state.map_or(&[][..], |state| &state.links);
                    let its = |link: &&LinkId| {
                        let link = self.links.get(**link);
                        link.is_some_and(|link| link.device == *id)
                    };
                    let why = (ByeReason::Kicked, "this device was revoked");
                    ended.extend(links.iter().filter(its).map(|link| (*link, why.0, why.1)));
                }
                _ => {}
            }
        }
        ended
    }

    pub(super) fn handle_loaded(
        &mut self,
        ticket: Ticket,
        loaded: Result<Loaded, Fault>,
        out: &mut Vec<Effect>,
    ) {
        match (self.take_pending(ticket), loaded) {
            (Some(Pending::Read(link, conversation)), loaded) => {
                let entries = match loaded {
                    Ok(Loaded::Read(entries)) => Ok(entries),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.handle_read(link, conversation, entries, out);
            }
            (Some(Pending::Lookup(send)), loaded) => {
                let known = match loaded {
                    Ok(Loaded::Lookup(known)) => Ok(known),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.looked_up(*send, known, out);
            }
            (Some(Pending::File(Step::Known(blob))), loaded) => {
                let known = match loaded {
                    Ok(Loaded::Lookup(known)) => Ok(known),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.upload_known(blob, known, out);
            }
            (Some(Pending::File(Step::Located(asked, wish))), loaded) => {
                let found = match loaded {
                    Ok(Loaded::Blob(found)) => Ok(found.map(|place| *place)),
                    Ok(_) => return,
                    Err(fault) => Err(fault),
                };
                self.fetch_located(asked, wish, found, out);
            }
            (Some(Pending::Counted(asked, conversation, seq)), Ok(Loaded::Counted(counted))) => {
                self.move_read(asked.account, conversation, seq, counted);
                if let Some(answer) = self.write_read(asked, conversation, out) {
                    self.answer(asked, Ok(answer), out);
                }
            }
            (Some(Pending::Asked(asked)), Ok(Loaded::History(items, more))) => {
                self.answer(asked, Ok(Answer::History(items, more)), out);
            }
            (Some(Pending::Asked(asked)), Ok(Loaded::Search(page))) => {
                let next = page.next.map(|next| next.to_string());
                self.answer(asked, Ok(Answer::Search(page.entries, next)), out);
            }
            (Some(Pending::Asked(asked) | Pending::Counted(asked, ..)), Err(fault)) => {
                self.answer(asked, Err(storage_refusal(&fault)), out);
            }
            _ => {}
        }
    }
}

/// What to tell somebody when the store did not do it.
pub(crate) fn storage_refusal(fault: &Fault) -> Refusal {
    match fault {
        Fault::Taken => Refusal::new(Code::Conflict),
        Fault::Conflict { .. } => Refusal::new(Code::Conflict).retry_in(0),
        Fault::NoTarget => Refusal::new(Code::NoSuchEntry),
        Fault::NotAuthor => Refusal::because(Code::Forbidden, "only its author can do that"),
        Fault::NoConversation => Refusal::new(Code::NoSuchRoom),
        // Somebody else's entry failed before it. It is not for this one to wait for that.
        Fault::AfterFailed => Refusal::new(Code::Busy).retry_in(500),
        Fault::Full(_) => Refusal::because(
            Code::Storage,
            "the server's disk is full; tell its operator, and try again later",
        )
        .retry_in(2000),
        Fault::Io(_) => Refusal::new(Code::Storage).retry_in(2000),
        Fault::Damaged(_) => Code::Damaged.into(),
    }
}

/// An append without guards.
pub(super) fn plain_append(
    conversation: ConversationId,
    id: SendId,
    from: &AccountState,
    now: Now,
    body: Body,
) -> Append {
    Append {
        conversation,
        id,
        from: from.record.id,
        from_name: from.record.name.clone(),
        time: now.date,
        body,
        expect: None,
        target_by: None,
        changes: Vec::<DirectoryChange>::new(),
    }
}
