//! Who may read what: one answer for streams, history, search, unread counts and signals.

use super::room::{MemberState, RoomState};
use crate::id::{AccountId, Seq};
use crate::model::{History, Span, Standing};

/// The stretches of a log that an account may read, oldest first, not overlapping.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Visible(Vec<Span>);

/// What `account` may read of a conversation.
///
/// With [`History::All`] a member reads everything, and who is out any more everything up to the
/// entry that ended its last membership. With [`History::SinceJoin`] the time between memberships
/// stays hidden, too. Who never was a member reads nothing.
pub(super) fn visible(room: &RoomState, account: AccountId) -> Visible {
    room.members
        .get(&account)
        .map_or_else(Visible::default, |member| {
            of_member(room.record.history, member)
        })
}

fn of_member(history: History, member: &MemberState) -> Visible {
    match history {
        History::SinceJoin => Visible(member.spans.clone()),
        History::All => {
            let to = if member.standing == Standing::In {
                Seq::MAX
            } else {
                member.spans.last().map_or(Seq::ZERO, |span| span.to)
            };
            Visible(if to == Seq::ZERO {
                Vec::new()
            } else {
                vec![Span { from: Seq(1), to }]
            })
        }
    }
}

impl Visible {
    /// Whether an entry at this place may be read.
    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.0.iter().any(|span| span.from <= seq && seq <= span.to)
    }

    /// The first place at or after `seq` that may be read.
    pub(super) fn next(&self, seq: Seq) -> Option<Seq> {
        let span = self.0.iter().find(|span| seq <= span.to)?;
        Some(seq.max(span.from))
    }

    /// The last place that may be read: [`Seq::MAX`] for a member, zero for a stranger.
    pub(super) fn end(&self) -> Seq {
        self.0.last().map_or(Seq::ZERO, |span| span.to)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stretches up to the head of the log, for a read of it. The log may be ahead of what is known
    /// here, and what stands behind a change of membership has to wait for that.
    pub(super) fn into_spans(self, head: Seq) -> Vec<Span> {
        let known = self.0.into_iter().map(|span| Span {
            to: span.to.min(head),
            ..span
        });
        known.filter(|span| span.from <= span.to).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cursor, Role, UnixTime};

    const OPEN: Seq = Seq::MAX;

    fn member(standing: Standing, spans: &[(u64, u64)]) -> MemberState {
        MemberState {
            standing,
            role: Role::Member,
            muted_until: UnixTime(0),
            spans: spans
                .iter()
                .map(|(from, to)| Span {
                    from: Seq(*from),
                    to: Seq(*to),
                })
                .collect(),
            cursor: Cursor::default(),
            mentions: Vec::new(),
        }
    }

    /// Every kind of member in both kinds of room: what the log of 20 entries shows to it.
    #[test]
    fn who_sees_what() {
        use History::{All, SinceJoin};
        use Standing::{Banned, In, Invited, Out};
        let max = OPEN.0;
        type Case<'a> = (
            &'a str,
            History,
            Standing,
            &'a [(u64, u64)],
            &'a [(u64, u64)],
        );
        let table: &[Case<'_>] = &[
            (
                "a joiner of an open history",
                All,
                In,
                &[(10, max)],
                &[(1, 20)],
            ),
            (
                "a joiner of a hidden history",
                SinceJoin,
                In,
                &[(10, max)],
                &[(10, 20)],
            ),
            (
                "a leaver of an open history",
                All,
                Out,
                &[(5, 12)],
                &[(1, 12)],
            ),
            (
                "a leaver of a hidden history",
                SinceJoin,
                Out,
                &[(5, 12)],
                &[(5, 12)],
            ),
            (
                "one who was banned, open",
                All,
                Banned,
                &[(5, 12)],
                &[(1, 12)],
            ),
            (
                "one who was banned, hidden",
                SinceJoin,
                Banned,
                &[(5, 12)],
                &[(5, 12)],
            ),
            (
                "one who was banned before it ever joined",
                All,
                Banned,
                &[],
                &[],
            ),
            (
                "one who came back, open",
                All,
                In,
                &[(5, 9), (15, max)],
                &[(1, 20)],
            ),
            (
                "one who came back, hidden",
                SinceJoin,
                In,
                &[(5, 9), (15, max)],
                &[(5, 9), (15, 20)],
            ),
            (
                "one who came back and left, open",
                All,
                Out,
                &[(5, 9), (15, 17)],
                &[(1, 17)],
            ),
            ("one who is invited only", All, Invited, &[], &[]),
            (
                "one who left and is invited again",
                SinceJoin,
                Invited,
                &[(5, 9)],
                &[(5, 9)],
            ),
        ];
        for (who, history, standing, spans, wanted) in table {
            let visible = of_member(*history, &member(*standing, spans));
            for seq in 1..=20 {
                let want = wanted.iter().any(|(from, to)| (*from..=*to).contains(&seq));
                assert_eq!(visible.contains(Seq(seq)), want, "{who}: seq {seq}");
                let next = (seq..=20).find(|s| wanted.iter().any(|(f, t)| (*f..=*t).contains(s)));
                let got = visible.next(Seq(seq)).filter(|s| s.0 <= 20).map(|s| s.0);
                assert_eq!(got, next, "{who}: next from {seq}");
            }
        }
    }
}
