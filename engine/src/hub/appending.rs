//! Appends on their way into a log, and who waits for them.

use super::hooks::Speaker;
use super::line::Ruling;
use super::{Asked, ConversationId, Effect, Hub, LinkId, Pending, SendId, Seq, storage_refusal};
use crate::id::{AccountId, BlobId, RequestId};
use crate::model::{AdminAnswer, Answer, Body, Code, Entry, Refusal};
use crate::port::{Append, Fault, Write};

/// An append whose outcome is waited for.
#[derive(Debug)]
pub(super) struct Appending {
    pub(super) conversation: ConversationId,
    pub(super) from: AccountId,
    pub(super) id: SendId,
    /// What it holds of the append queue.
    pub(super) bytes: usize,
    pub(super) origin: Origin,
}

/// Who waits for an append.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// A send of a link.
    Send { link: LinkId, request: RequestId },
    /// A request for a change of this account's membership.
    Change(Asked, AccountId),
    /// A wish of the operator for a change of this account's membership.
    Operator(u64, AccountId),
    /// The server itself changes this account's membership.
    Server(AccountId),
    /// A plugin with this account said it, under this token.
    Say(AccountId, u64),
    /// A request to make an entry of this blob.
    File(Asked, BlobId),
}

impl Hub {
    /// Hands an append to the store; what it holds of the queue is counted until it is settled.
    pub(super) fn append(&mut self, append: Append, origin: Origin, out: &mut Vec<Effect>) {
        let bytes = weight(&append.body);
        self.appending += bytes;
        let pending = Pending::Append(Appending {
            conversation: append.conversation,
            from: append.from,
            id: append.id,
            bytes,
            origin,
        });
        self.write(Write::Append(append), pending, out);
    }

    /// An entry was in the log already.
    pub(super) fn append_known(
        &mut self,
        append: Appending,
        conversation: ConversationId,
        seq: Seq,
        out: &mut Vec<Effect>,
    ) {
        self.appending = self.appending.saturating_sub(append.bytes);
        self.landed(
            append.from,
            append.id,
            &Ruling::Known(conversation, seq),
            out,
        );
        match append.origin {
            Origin::Say(account, token) => {
                self.said(account, token, Ok((conversation, seq)), out);
            }
            Origin::Send { link, request } if conversation == append.conversation => {
                self.ack(link, request, conversation, seq, append.id, out);
            }
            Origin::Send { link, request } => {
                self.refuse_send(link, request, Code::SendIdReused.into(), out);
            }
            Origin::Change(asked, subject) => {
                self.answer(asked, Ok(Answer::Entered { conversation, seq }), out);
                self.change_settled(append.conversation, subject, out);
            }
            Origin::Operator(id, subject) => {
                out.push(Effect::Admin(id, Ok(AdminAnswer::Done)));
                self.change_settled(append.conversation, subject, out);
            }
            Origin::Server(subject) => self.change_settled(append.conversation, subject, out),
            Origin::File(asked, blob) => {
                self.file_entered(asked, blob, (conversation, seq), false, out);
            }
        }
    }

    pub(super) fn append_failed(
        &mut self,
        append: Appending,
        fault: &Fault,
        out: &mut Vec<Effect>,
    ) {
        self.appending = self.appending.saturating_sub(append.bytes);
        match append.origin {
            Origin::Send { link, request } => {
                let mut refusal = match fault {
                    // Another send made the conversation first: this one is fine as it is.
                    Fault::Taken => Refusal::new(Code::Conflict).retry_in(0),
                    fault => storage_refusal(fault),
                };
                let is_retryable = refusal.is_retryable();
                let is_later = self
                    .links
                    .get(link)
                    .and_then(|link| link.blocked.get(&append.conversation))
                    .is_some_and(|(first, _)| *first < request);
                if is_retryable && is_later {
                    refusal = Refusal::new(Code::AfterRefused).retry_in(500);
                }
                let ruling = Ruling::Refused(refusal.clone());
                self.landed(append.from, append.id, &ruling, out);
                self.refuse_send(link, request, refusal, out);
                if is_retryable {
                    self.block(link, append.conversation, (request, append.id), out);
                    self.cut_line(Speaker::Link(link), append.conversation);
                    self.go_on(Speaker::Link(link), append.conversation, out);
                }
            }
            Origin::Change(asked, subject) => {
                let refusal = match fault {
                    Fault::Taken => Code::RoomExists.into(),
                    fault => storage_refusal(fault),
                };
                self.answer(asked, Err(refusal), out);
                self.change_settled(append.conversation, subject, out);
            }
            Origin::Operator(id, subject) => {
                out.push(Effect::Admin(id, Err(storage_refusal(fault))));
                self.change_settled(append.conversation, subject, out);
            }
            Origin::Server(subject) => self.change_settled(append.conversation, subject, out),
            Origin::Say(account, token) => {
                let refusal = storage_refusal(fault);
                let ruling = Ruling::Refused(refusal.clone());
                self.landed(append.from, append.id, &ruling, out);
                self.said(account, token, Err(refusal), out);
            }
            Origin::File(asked, blob) => self.file_failed(asked, blob, fault, out),
        }
    }

    /// Tells who waited for an append that it is in the log.
    pub(super) fn append_settled(
        &mut self,
        append: &Appending,
        entry: &Entry,
        out: &mut Vec<Effect>,
    ) {
        self.appending = self.appending.saturating_sub(append.bytes);
        let known = Ruling::Known(entry.conversation, entry.seq);
        self.landed(append.from, append.id, &known, out);
        match append.origin {
            Origin::Say(account, token) => {
                self.said(account, token, Ok((entry.conversation, entry.seq)), out);
            }
            Origin::Send { link, request } => {
                self.ack(link, request, entry.conversation, entry.seq, entry.id, out);
            }
            Origin::Change(asked, _) => {
                let answer = Answer::Entered {
                    conversation: entry.conversation,
                    seq: entry.seq,
                };
                self.answer(asked, Ok(answer), out);
            }
            Origin::Operator(id, _) => out.push(Effect::Admin(id, Ok(AdminAnswer::Done))),
            Origin::Server(_) => {}
            Origin::File(asked, blob) => {
                let place = (entry.conversation, entry.seq);
                self.file_entered(asked, blob, place, true, out);
            }
        }
    }
}

/// What an entry holds of a queue.
pub(super) fn weight(body: &Body) -> usize {
    body.data.len() + body.extensions.encoded_len() + 256
}
