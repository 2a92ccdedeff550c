//! Entries on their way out of the log: the tail, and what lags behind it.

use std::sync::Arc;

use super::appending::Origin;
use super::room::{RoomState, Seat, seat_of};
use super::visible::visible;
use super::{ConversationId, Effect, Hub, Link, LinkId, Load, Pending, Seq, limits};
use crate::model::{ByeReason, Cursor, Entry, GapReason, Kind, Room, Time, ToClient};
use crate::port::{DirectoryChange, Fault, MemberUpdate};

/// Links whose read of the log failed: it is tried again after a while.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    links: Vec<LinkId>,
    until: Option<Time>,
}

impl Stalled {
    pub(super) const fn due(&self) -> Option<Time> {
        self.until
    }

    /// The links to try again, once it is time.
    pub(super) fn take(&mut self, now: Time) -> Vec<LinkId> {
        if self.until.is_none_or(|until| until > now) {
            return Vec::new();
        }
        self.until = None;
        std::mem::take(&mut self.links)
    }

    fn push(&mut self, link: LinkId, now: Time) {
        self.links.push(link);
        self.until.get_or_insert(now + limits::READ_RETRY);
    }
}

impl Hub {
    /// The tail: an entry is durable. Takes over what changed with it, answers who waited for it, and
    /// pushes it to everybody who is up to date.
    pub(super) fn handle_tail(
        &mut self,
        pending: Option<Pending>,
        entry: &Arc<Entry>,
        counted: u64,
        changes: Vec<DirectoryChange>,
        out: &mut Vec<Effect>,
    ) {
        let updates: Vec<MemberUpdate> = changes
            .iter()
            .filter_map(|change| match change {
                DirectoryChange::SetMember(update) => Some(update.clone()),
                _ => None,
            })
            .collect();
        for change in changes {
            self.apply(change, Some(entry.seq));
        }
        let Some(room) = self.rooms.get_mut(&entry.conversation) else {
            return;
        };
        room.record.head = entry.seq;
        room.record.counted = counted;
        if entry.body.kind == Kind::REDACTION
            && let Some(target) = entry.body.target
        {
            room.blank(target);
            self.end_fetches(entry.conversation, target, out);
        }
        let Some(room) = self.rooms.get_mut(&entry.conversation) else {
            return;
        };
        if let Some(member) = room.members.get_mut(&entry.from)
            && entry.body.kind.counts_unread()
        {
            // Who writes has read what is above.
            member.cursor = Cursor {
                delivered: entry.seq,
                read: entry.seq,
                read_counted: counted,
            };
            member.mentions.clear();
        }
        if entry.body.kind.counts_unread() {
            self.cursor_moved(entry.conversation, entry.from);
        }
        for update in &updates {
            self.member_changed(update, entry, out);
            self.review_transfers(entry.conversation, Some(update.account), out);
        }
        let append = match pending {
            Some(Pending::Append(append)) => Some(append),
            _ => None,
        };
        if let Some(append) = &append {
            self.append_settled(append, entry, out);
        }
        if let Some(room) = self.rooms.get_mut(&entry.conversation) {
            room.remember(entry, counted);
        }
        self.fan_out(entry, out);
        if let Some(
            Origin::Change(_, subject) | Origin::Operator(_, subject) | Origin::Server(subject),
        ) = append.map(|append| append.origin)
        {
            self.change_settled(entry.conversation, subject, out);
        }
    }

    fn fan_out(&mut self, entry: &Arc<Entry>, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(&entry.conversation) else {
            return;
        };
        let cost = entry.cost();
        let mut links = Vec::with_capacity(room.seats.len());
        let mut behind = Vec::new();
        let mut ended = false;
        for seat in room.seats.iter_mut().filter(|seat| seat.live) {
            if entry.seq <= seat.pushed {
                continue;
            }
            let Some(link) = self.links.get_mut(seat.link) else {
                continue;
            };
            if entry.prev <= seat.pushed && link.credit >= cost {
                link.credit -= cost;
                seat.pushed = entry.seq;
                ended |= seat.pushed >= seat.until;
                links.push(seat.link);
            } else {
                seat.live = false;
                link.lagging.push_back(entry.conversation);
                behind.push(seat.link);
            }
        }
        if ended {
            room.retain_seats(|seat| seat.pushed < seat.until);
        }
        if !links.is_empty() {
            out.push(Effect::Fan(links, Arc::clone(entry)));
        }
        for link in behind {
            self.serve(link, out);
        }
    }

    pub(super) fn handle_credit(&mut self, id: LinkId, bytes: u64, out: &mut Vec<Effect>) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.credit = link.credit.saturating_add(bytes);
        if link.credit > limits::ENTRY_CREDIT {
            return self.close(id, ByeReason::Violation, "more credit than was used", out);
        }
        self.serve(id, out);
    }

    /// Gives a link what it lacks, conversation by conversation, as far as its credit goes.
    pub(super) fn serve(&mut self, id: LinkId, out: &mut Vec<Effect>) {
        loop {
            let Some(link) = self.links.get_mut(id) else {
                return;
            };
            if link.reading || link.positions.is_some() {
                return;
            }
            let Some(conversation) = link.lagging.front().copied() else {
                return;
            };
            let Some(room) = self.rooms.get_mut(&conversation) else {
                link.lagging.pop_front();
                continue;
            };
            match catch_up(room, id, link, out) {
                CatchUp::Live => {
                    link.lagging.pop_front();
                }
                CatchUp::Ended => {
                    link.lagging.pop_front();
                    room.stand_up(id);
                }
                CatchUp::NoCredit => return,
                CatchUp::Read(after) => {
                    link.reading = true;
                    let bytes = link.credit.min(limits::READ_BYTES as u64) as usize;
                    let load = Load::Read(conversation, after, bytes);
                    return self.load(load, Pending::Read(id, conversation), out);
                }
            }
        }
    }

    pub(super) fn handle_read(
        &mut self,
        id: LinkId,
        conversation: ConversationId,
        entries: Result<Vec<Arc<Entry>>, Fault>,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.reading = false;
        let entries = match entries {
            Ok(entries) => entries,
            Err(fault) => {
                tracing::warn!(%conversation, %fault, "cannot read the log for a link that is behind");
                // No other read meanwhile: the disk has trouble enough.
                link.reading = true;
                self.stalled.push(id, self.now.time);
                return;
            }
        };
        if let Some(room) = self.rooms.get_mut(&conversation) {
            push_read(room, id, link, &entries, out);
        }
        // Conversations in turn, so that a long one does not starve the others.
        if link.lagging.front() == Some(&conversation) {
            link.lagging.rotate_left(1);
        }
        self.serve(id, out);
    }

    /// Tries a read again that failed.
    pub(super) fn retry_read(&mut self, id: LinkId, out: &mut Vec<Effect>) {
        if let Some(link) = self.links.get_mut(id) {
            link.reading = false;
            self.serve(id, out);
        }
    }
}

/// How far a lagging conversation got.
enum CatchUp {
    /// Up to date: entries come as they are appended.
    Live,
    /// The account is out, and has everything up to that.
    Ended,
    /// The link has to take what it got first.
    NoCredit,
    /// The log has to be read after this place.
    Read(Seq),
}

fn catch_up(room: &mut RoomState, id: LinkId, link: &mut Link, out: &mut Vec<Effect>) -> CatchUp {
    let head = room.record.head;
    loop {
        let visible = visible(room, link.account);
        let first = room.record.first;
        let Some(seat) = seat_of(&mut room.seats, id) else {
            return CatchUp::Ended;
        };
        if seat.pushed >= seat.until {
            return CatchUp::Ended;
        }
        if seat.pushed >= head {
            seat.live = true;
            return CatchUp::Live;
        }
        let wanted = seat.pushed.next();
        let Some(next) = visible.next(wanted) else {
            return CatchUp::Ended;
        };
        if next > wanted {
            pass_over(
                &room.record,
                seat,
                next.min(head.next()),
                GapReason::Hidden,
                out,
            );
            continue;
        }
        if wanted < first {
            // Of what comes after its end it learns nothing.
            let next = first.min(seat.until.next());
            pass_over(&room.record, seat, next, GapReason::Trimmed, out);
            continue;
        }
        let pushed = seat.pushed;
        let Some(recent) = room.recent(pushed) else {
            return if link.credit < limits::READ_CREDIT {
                CatchUp::NoCredit
            } else {
                CatchUp::Read(pushed)
            };
        };
        if !push_all(room, id, link, &recent, out) {
            return CatchUp::NoCredit;
        }
    }
}

/// Pushes what was read from the log.
fn push_read(
    room: &mut RoomState,
    id: LinkId,
    link: &mut Link,
    entries: &[Arc<Entry>],
    out: &mut Vec<Effect>,
) {
    let head = room.record.head;
    if entries.is_empty() {
        // The log holds nothing there although it should: retention was faster than its notice.
        if let Some(seat) = seat_of(&mut room.seats, id)
            && seat.pushed < head.min(seat.until)
        {
            let next = head.min(seat.until).next();
            pass_over(&room.record, seat, next, GapReason::Trimmed, out);
        }
        return;
    }
    // The log may be ahead of the tail. What stands behind a change of membership that is not known
    // here yet must wait for it.
    let known = entries.partition_point(|entry| entry.seq <= head);
    push_all(
        room,
        id,
        link,
        entries.get(..known).unwrap_or_default(),
        out,
    );
}

/// Pushes entries in order as far as they are visible; `false` when the credit ran out.
fn push_all(
    room: &mut RoomState,
    id: LinkId,
    link: &mut Link,
    entries: &[Arc<Entry>],
    out: &mut Vec<Effect>,
) -> bool {
    let visible = visible(room, link.account);
    let Some(seat) = seat_of(&mut room.seats, id) else {
        return true;
    };
    for entry in entries {
        if entry.seq <= seat.pushed {
            continue;
        }
        if seat.pushed >= seat.until {
            return true;
        }
        if entry.prev > seat.pushed {
            let wanted = seat.pushed.next();
            if visible.next(wanted) != Some(wanted) {
                return true;
            }
            // Nor does it end after what this link may get.
            let next = entry.prev.min(seat.until).next();
            pass_over(&room.record, seat, next, GapReason::Trimmed, out);
        }
        if !visible.contains(entry.seq) {
            // What is hidden gets its gap from the caller.
            return true;
        }
        let cost = entry.cost();
        if link.credit < cost {
            return false;
        }
        link.credit -= cost;
        seat.pushed = entry.seq;
        out.push(Effect::Send(id, ToClient::Entry(Arc::clone(entry))));
    }
    true
}

/// Tells a link that it does not get the entries before `next`.
fn pass_over(room: &Room, seat: &mut Seat, next: Seq, reason: GapReason, out: &mut Vec<Effect>) {
    let to = Seq(next.0.saturating_sub(1));
    out.push(Effect::Send(
        seat.link,
        ToClient::Gap {
            conversation: room.id,
            epoch: room.epoch,
            from: seat.pushed.next(),
            to,
            reason,
        },
    ));
    seat.pushed = to;
}
