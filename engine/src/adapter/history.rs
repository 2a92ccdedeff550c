//! Pages of a history: how to walk a log in the stretches that somebody may see.

use super::fold;
use crate::id::Seq;
use crate::limits;
use crate::model::{Entry, HistoryFrom, HistoryItem, Span};

/// A log that can be paged through.
pub(super) trait Source {
    type Error;

    /// The first and the last seq of the log.
    fn bounds(&self) -> (Seq, Seq);

    /// Base entries of a stretch of at most [`limits::SCAN_ENTRIES`], at most `limit` of them, from the
    /// old end or the new one.
    fn base(&self, part: Span, way: Way, limit: usize) -> Result<Vec<Entry>, Self::Error>;

    /// Folds in what lies in the stretches.
    fn fold(&self, entry: Entry, spans: &[Span]) -> Result<HistoryItem, Self::Error>;
}

/// In which direction a log is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Older,
    Newer,
}

/// One page, in ascending order, and whether there is more in the direction that was read; around an
/// entry, in one of the two.
pub(super) fn page<S: Source>(
    source: &S,
    spans: &[Span],
    from: HistoryFrom,
    limit: usize,
    bytes: usize,
) -> Result<(Vec<HistoryItem>, bool), S::Error> {
    let older = |before: Seq, limit, bytes| {
        let to = Seq(before.0.saturating_sub(1));
        let whole = Span {
            from: Seq::ZERO,
            to,
        };
        let (mut items, more) = walk(source, spans, whole, Way::Older, limit, bytes)?;
        items.reverse();
        Ok((items, more))
    };
    let newer = |from: Seq, limit, bytes| {
        let whole = Span { from, to: Seq::MAX };
        walk(source, spans, whole, Way::Newer, limit, bytes)
    };
    match from {
        HistoryFrom::End => older(Seq::MAX, limit, bytes),
        HistoryFrom::Before(seq) => older(seq, limit, bytes),
        HistoryFrom::After(seq) => newer(Seq(seq.0.saturating_add(1)), limit, bytes),
        HistoryFrom::Around(seq) => {
            let (mut items, more_older) = older(seq, limit / 2, bytes / 2)?;
            let used: usize = items.iter().map(fold::cost).sum();
            let left = bytes.saturating_sub(used);
            let (after, more_newer) = newer(seq, limit - items.len(), left)?;
            items.extend(after);
            Ok((items, more_older || more_newer))
        }
    }
}

fn walk<S: Source>(
    source: &S,
    spans: &[Span],
    whole: Span,
    way: Way,
    limit: usize,
    bytes: usize,
) -> Result<(Vec<HistoryItem>, bool), S::Error> {
    let mut items = Vec::new();
    let mut used = 0;
    for part in parts(source.bounds(), spans, whole, way) {
        // One more than wanted tells that there is more.
        for entry in source.base(part, way, limit + 1 - items.len())? {
            if items.len() == limit {
                return Ok((items, true));
            }
            let item = source.fold(entry, spans)?;
            used += fold::cost(&item);
            if used > bytes && !items.is_empty() {
                return Ok((items, true));
            }
            items.push(item);
        }
    }
    Ok((items, false))
}

/// What of the stretches lies in the log and in `whole`, in pieces of a bounded size.
fn parts(
    (first, head): (Seq, Seq),
    spans: &[Span],
    whole: Span,
    way: Way,
) -> impl Iterator<Item = Span> {
    let low = first.max(whole.from);
    let high = head.min(whole.to);
    let mut visible: Vec<(u64, u64)> = spans
        .iter()
        .map(|span| (span.from.max(low).0, span.to.min(high).0))
        .filter(|(from, to)| from <= to)
        .collect();
    visible.sort_unstable();
    if way == Way::Older {
        visible.reverse();
    }
    visible.into_iter().flat_map(move |(from, to)| {
        let pieces = (to - from) / limits::SCAN_ENTRIES + 1;
        (0..pieces).map(move |piece| {
            let offset = piece * limits::SCAN_ENTRIES;
            let reach = limits::SCAN_ENTRIES - 1;
            match way {
                Way::Newer => Span {
                    from: Seq(from + offset),
                    to: Seq((from + offset + reach).min(to)),
                },
                Way::Older => Span {
                    from: Seq((to - offset).saturating_sub(reach).max(from)),
                    to: Seq(to - offset),
                },
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64) -> Span {
        Span {
            from: Seq(from),
            to: Seq(to),
        }
    }

    #[test]
    fn parts_cover_each_visible_place_once_in_the_order_of_reading() {
        let spans = [span(0, 3), span(10, 12_000), span(20_000, Seq::MAX.0)];
        let log = (Seq(2), Seq(20_005));
        let mut want: Vec<u64> = (2..=3).chain(10..=12_000).chain(20_000..=20_004).collect();
        for way in [Way::Newer, Way::Older] {
            let parts: Vec<Span> = parts(log, &spans, span(0, 20_004), way).collect();
            assert!(
                parts
                    .iter()
                    .all(|p| p.to.0 - p.from.0 < limits::SCAN_ENTRIES)
            );
            let seen: Vec<u64> = parts
                .iter()
                .flat_map(|part| {
                    let places = part.from.0..=part.to.0;
                    let seen: Vec<u64> = match way {
                        Way::Newer => places.collect(),
                        Way::Older => places.rev().collect(),
                    };
                    seen
                })
                .collect();
            assert_eq!(seen, want);
            want.reverse();
        }
    }
}
