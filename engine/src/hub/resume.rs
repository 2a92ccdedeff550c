//! A link that logged in gets its conversations, and what it missed of them.

use std::collections::HashMap;

use super::room::Seat;
use super::visible::visible;
use super::{ConversationId, Effect, Hub, LinkId, Seq, limits};
use crate::model::{ByeReason, Conversation, GapReason, Position, Resume, Standing, ToClient};

impl Hub {
    pub(super) fn handle_resume(&mut self, id: LinkId, resume: Resume, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let Some(held) = &mut link.positions else {
            return self.close(
                id,
                ByeReason::Violation,
                "positions come once, after the login",
                out,
            );
        };
        held.extend(resume.positions);
        if held.len() > limits::CONVERSATIONS {
            return self.close(id, ByeReason::Violation, "too many positions", out);
        }
        if resume.more {
            return;
        }
        let positions = link.positions.take().unwrap_or_default();
        let account = link.account;
        let positions: HashMap<ConversationId, Position> = positions
            .into_iter()
            .map(|position| (position.conversation, position))
            .collect();
        self.start_streams(id, account, &positions, out);
    }

    fn start_streams(
        &mut self,
        id: LinkId,
        account: crate::id::AccountId,
        positions: &HashMap<ConversationId, Position>,
        out: &mut Vec<Effect>,
    ) {
        let Some(state) = self.account(account) else {
            return;
        };
        let mut items = Vec::new();
        for conversation in &state.conversations {
            let Some(item) = self.conversation(*conversation, account) else {
                continue;
            };
            let position = positions.get(conversation);
            // Of what it left, a device gets the rest if it knows the conversation. It is named also when
            // nothing lacks: the device keeps its position by that, or it would read everything a second
            // time should the account come back.
            if item.joined || position.is_some() {
                items.push(item);
            }
        }
        let pages = items.chunks(limits::PAGE_ITEMS).count().max(1);
        for page in 0..pages {
            let from = page * limits::PAGE_ITEMS;
            let to = (from + limits::PAGE_ITEMS).min(items.len());
            let items = items.get(from..to).unwrap_or_default().to_vec();
            let more = page + 1 < pages;
            out.push(Effect::Send(id, ToClient::Conversations { items, more }));
        }
        for item in items {
            self.take_seat(id, account, &item, positions.get(&item.id), out);
        }
        self.greet_presence(id, account, out);
        self.announce_to(id, account, out);
        self.serve(id, out);
    }

    fn take_seat(
        &mut self,
        id: LinkId,
        account: crate::id::AccountId,
        item: &Conversation,
        position: Option<&Position>,
        out: &mut Vec<Effect>,
    ) {
        let Some(room) = self.rooms.get_mut(&item.id) else {
            return;
        };
        let visible = visible(room, account);
        let gap = |from: Seq, to: Seq, reason| {
            let (conversation, epoch) = (item.id, item.epoch);
            Effect::Send(
                id,
                ToClient::Gap {
                    conversation,
                    epoch,
                    from,
                    to,
                    reason,
                },
            )
        };
        let pushed = match position {
            Some(position) if position.epoch == item.epoch && position.seq <= room.record.head => {
                position.seq
            }
            Some(_) => {
                out.push(gap(Seq::ZERO, Seq::ZERO, GapReason::Restored));
                Seq::ZERO
            }
            None => {
                let back = room.record.head.0.saturating_sub(limits::FIRST_ENTRIES);
                let start = item.read.max(Seq(back)).min(room.record.head);
                if start > Seq::ZERO {
                    let shown = visible.next(Seq(1)).is_some_and(|first| first <= start);
                    let reason = if shown {
                        GapReason::Skipped
                    } else {
                        GapReason::Hidden
                    };
                    out.push(gap(Seq(1), start, reason));
                }
                start
            }
        };
        let is_in = room
            .members
            .get(&account)
            .is_some_and(|member| member.standing == Standing::In);
        let until = if is_in { Seq::MAX } else { visible.end() };
        let live = pushed >= room.record.head && is_in;
        room.sit_down(Seat {
            link: id,
            account,
            pushed,
            until,
            live,
        });
        if !live && let Some(link) = self.links.get_mut(id) {
            link.lagging.push_back(item.id);
        }
    }
}
