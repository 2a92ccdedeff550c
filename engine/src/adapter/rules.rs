//! What both stores decide alike: targets, spans, words.

use crate::id::{AccountId, Seq};
use crate::limits;
use crate::model::{Body, Kind, Span};
use crate::port::{Append, Fault, SpanUpdate};

/// What matters of an entry that another one refers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct TargetEntry {
    pub(super) kind: Kind,
    pub(super) from: AccountId,
    pub(super) deleted: bool,
}

/// The target that has to be looked up before the append can be judged.
///
/// A reply needs none: what it answers may be deleted or trimmed by now, it only has to have been
/// there.
pub(super) fn target_to_find(append: &Append, head: Seq) -> Result<Option<Seq>, Fault> {
    let changes_target = !append.body.kind.is_base();
    match append.body.target {
        None if changes_target => Err(Fault::NoTarget),
        None => Ok(None),
        Some(target) if target == Seq::ZERO || target > head => Err(Fault::NoTarget),
        Some(target) if changes_target || append.target_by.is_some() => Ok(Some(target)),
        Some(_) => Ok(None),
    }
}

/// Judges an append by the target that was found.
pub(super) fn judge_target(append: &Append, found: Option<TargetEntry>) -> Result<(), Fault> {
    let target = found.ok_or(Fault::NoTarget)?;
    let fits = match append.body.kind {
        Kind::EDIT => target.kind == Kind::TEXT,
        // What people said can be taken back; that somebody joined can't.
        Kind::REDACTION => target.kind.counts_unread(),
        _ => target.kind.is_base(),
    };
    if !fits || target.deleted {
        return Err(Fault::NoTarget);
    }
    match append.target_by {
        Some(author) if author != target.from => Err(Fault::NotAuthor),
        _ => Ok(()),
    }
}

/// Applies a change to a member's stretches. It comes with the entry after the head, or without one:
/// then a stretch begins with the next entry and ends with the last. Says whether one has begun.
pub(super) fn update_spans(
    spans: &mut Vec<Span>,
    update: SpanUpdate,
    head: Seq,
    has_entry: bool,
) -> bool {
    let open = spans.last_mut().filter(|span| span.to == Seq::MAX);
    match (update, open) {
        (SpanUpdate::Open, None) => {
            if spans.len() >= limits::SPANS {
                spans.remove(0);
            }
            spans.push(Span {
                from: head.next(),
                to: Seq::MAX,
            });
            return true;
        }
        (SpanUpdate::Close, Some(open)) => {
            open.to = if has_entry { head.next() } else { head };
        }
        _ => {}
    }
    false
}

/// Whether a place lies in one of the stretches.
pub(super) fn lies_in(spans: &[Span], seq: Seq) -> bool {
    spans.iter().any(|span| span.from <= seq && seq <= span.to)
}

/// The text that a search looks at, if the body has one.
pub(super) fn searchable(body: &Body) -> Option<String> {
    let has_text = matches!(body.kind, Kind::TEXT | Kind::EDIT) && !body.is_deleted();
    has_text.then(|| String::from_utf8_lossy(&body.data).into_owned())
}

/// The words of a query. Controls separate words as spaces do; what has neither letter nor digit
/// finds nothing and is left out.
pub(super) fn query_words(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(str::to_lowercase)
        .collect()
}
