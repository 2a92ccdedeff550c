//! What the server says on a link that is logged in.

use std::sync::Arc;

use super::asks::{self, Ask};
use super::outbox::Refused;
use super::{Agent, Effect, Event, callers_of};
use crate::error::Violation;
use crate::id::{ConversationId, SendId, Seq};
use crate::model::{Answer, Code, Entry, Now, Peer, Refusal, Request, Target, ToClient, ToServer};
use crate::port::ProfileChange;

impl Agent {
    /// A frame of a link that is logged in.
    pub(super) fn handle_frame(
        &mut self,
        frame: ToClient,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        match frame {
            ToClient::Conversations { items, more } => {
                for item in items {
                    if self.inbox.handle_conversation(&item, now.time)? {
                        self.queue.push(Event::Conversation(item));
                    }
                }
                let changes = self.inbox.handle_page_end(more, now.time);
                self.save(changes, Vec::new(), effects);
            }
            ToClient::Entry(entry) => self.handle_entry(entry, effects)?,
            ToClient::Gap {
                conversation,
                epoch,
                from,
                to,
                reason,
            } => {
                if self.queue.is_flooded() {
                    return Err(Violation::Credit);
                }
                let gap = self.inbox.handle_gap(conversation, epoch, to, reason)?;
                if let Some((peer, mark)) = gap {
                    let event = Event::Gap {
                        peer,
                        conversation,
                        epoch,
                        from,
                        to,
                        reason,
                    };
                    self.queue.push_entry(event, mark, self.link_number);
                }
            }
            ToClient::Ack {
                request,
                conversation,
                seq,
                id,
            } => {
                if self.outbox.land(request) != Some(id) {
                    return Err(Violation::Unexpected);
                }
                self.settle(id, conversation, seq, effects);
            }
            ToClient::Answer(request, answer) => {
                let answer = self.handle_transfer_answer(request, answer, now, effects)?;
                if let Some(answer) = answer {
                    let ask = self.asks.land(request).ok_or(Violation::Unexpected)?;
                    self.tell_answer(ask, answer);
                }
            }
            ToClient::Error(request, refusal) => {
                match self.outbox.handle_refused(request, &refusal, now.time) {
                    Some(Refused::Later) => {}
                    Some(Refused::Withdraw(target, id)) => {
                        effects.push(Effect::Write(ToServer::Cancel { target, id }));
                    }
                    Some(Refused::Failed(settled, item)) => {
                        let failed = vec![ProfileChange::PutItem(*item)];
                        self.save(failed, Vec::new(), effects);
                        self.tell_refused(settled, &refusal);
                    }
                    None if self.handle_transfer_refused(request, &refusal, now, effects) => {}
                    None => {
                        let ask = self.asks.land(request).ok_or(Violation::Unexpected)?;
                        self.handle_ask_refused(ask, refusal);
                    }
                }
            }
            ToClient::Receipts(receipts) => {
                for receipt in receipts {
                    if let Some(peer) = self.inbox.peer(receipt.conversation).cloned() {
                        self.queue.push_signal(Event::Receipt { peer, receipt });
                    }
                }
            }
            ToClient::Presence(items) => {
                for presence in items {
                    self.queue.push_signal(Event::Presence(presence));
                }
            }
            ToClient::Typing {
                conversation,
                account,
            } => {
                if let Some(peer) = self.inbox.peer(conversation).cloned() {
                    self.queue.push_signal(Event::Typing { peer, account });
                }
            }
            ToClient::Notice {
                from,
                text,
                conversation,
            } => {
                let peer = conversation.and_then(|id| self.inbox.peer(id).cloned());
                let event = Event::Notice { from, text, peer };
                self.queue.push_signal(event);
            }
            ToClient::Incoming(incoming) => {
                // The first thing that somebody says to this account has no conversation so far: that
                // begins with its entry.
                let known = self.inbox.peer(incoming.conversation).cloned();
                let peer = known.unwrap_or_else(|| Peer::Account(incoming.from.clone()));
                self.queue.push_signal(Event::Incoming { peer, incoming });
            }
            ToClient::Received { transfer, upto } => self.handle_received(transfer, upto, now)?,
            ToClient::Piece(piece) => self.handle_piece(piece, effects)?,
            ToClient::Fetched(fetched) => self.handle_fetched(fetched, effects)?,
            ToClient::Stopped(stopped) => {
                self.handle_stopped(stopped.transfer, stopped.refusal, now, effects);
            }
            // These belong to the link itself, or to the time before the login.
            _ => return Err(Violation::Unexpected),
        }
        Ok(())
    }

    fn handle_entry(
        &mut self,
        entry: Arc<Entry>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Violation> {
        let place = self.inbox.handle_entry(&entry)?;
        // An ack that was lost with its link: the entry says the same, even when it is old here.
        let own = self.welcome.as_ref().map(|welcome| welcome.account);
        if own == Some(entry.from) {
            self.settle(entry.id, entry.conversation, entry.seq, effects);
        }
        if let Some((peer, mark)) = place {
            let event = Event::Entry {
                peer,
                epoch: mark.epoch,
                entry,
            };
            self.queue.push_entry(event, mark, self.link_number);
        }
        Ok(())
    }

    /// The server has a send, if it is still open here.
    pub(super) fn settle(
        &mut self,
        id: SendId,
        conversation: ConversationId,
        seq: Seq,
        effects: &mut Vec<Effect>,
    ) {
        if self.transfers.knows(id) {
            return self.settle_upload(id, conversation, seq, effects);
        }
        let Some(target) = self.outbox.target(id).cloned() else {
            return;
        };
        let peer = self
            .peer_of(&target)
            .or_else(|| self.inbox.peer(conversation).cloned());
        // Only a target that is an id has no name of its own, and that was in a list before.
        let Some(peer) = peer else {
            return;
        };
        let Some(settled) = self.outbox.settle(id, &peer, seq) else {
            return;
        };
        if settled.blocked {
            // Its entry came with the log, after a refusal: the server waits for it to be sent again.
            effects.push(Effect::Write(ToServer::Cancel { target, id }));
        }
        self.save(vec![ProfileChange::DropItem(id)], Vec::new(), effects);
        for (command, label) in callers_of(settled.callers, settled.label) {
            self.queue.push(Event::Acked {
                command,
                label,
                id,
                peer: peer.clone(),
                seq,
            });
        }
    }

    fn handle_ask_refused(&mut self, ask: Ask, refusal: Refusal) {
        // The first try made the room, and its answer was lost.
        if let Request::Create { room, .. } = &ask.request
            && ask.again
            && !ask.known
            && refusal.code == Code::RoomExists
            && let Some((conversation, seq)) = self.inbox.joined(&Peer::Room(room.clone()))
        {
            return self.tell_answer(ask, Answer::Entered { conversation, seq });
        }
        self.tell_ask_refused(&ask, refusal);
    }

    fn tell_answer(&mut self, ask: Ask, answer: Answer) {
        let peer = match &answer {
            Answer::Entered { conversation, .. } => self.inbox.peer(*conversation).cloned(),
            _ => None,
        };
        let target = asks::target_of(&ask.request);
        let peer = peer.or_else(|| self.peer_of(&target?));
        self.queue.push(Event::Answer {
            command: ask.command,
            answer,
            peer,
        });
    }

    pub(super) fn peer_of(&self, target: &Target) -> Option<Peer> {
        match target {
            Target::Room(room) => Some(Peer::Room(room.clone())),
            Target::Account(account) => Some(Peer::Account(account.clone())),
            Target::Conversation(id) => self.inbox.peer(*id).cloned(),
        }
    }
}
