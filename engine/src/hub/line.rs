//! Entries that plugins were asked about: verdicts come in any order, appends keep theirs.

use std::collections::{VecDeque, hash_map};
use std::sync::Arc;

use super::appending::{Origin, weight};
use super::body::check_body;
use super::hooks::{Awaited, Speaker, refusal};
use super::sending::Candidate;
use super::{ConversationId, Effect, Hub, Link, LinkId, SendId, Seq, limits};
use crate::id::{AccountId, Ticket};
use crate::model::{Body, Code, Content, FileOffer, Kind, Refusal};
use crate::port::{Ask, EntryAsk, Question, Verdict};

/// Entries that wait for verdicts, or for an earlier one of the line that does, in their order.
#[derive(Debug, Default)]
pub(super) struct Line(VecDeque<Waiting>);

/// An entry in a line.
#[derive(Debug)]
struct Waiting {
    ticket: Option<Ticket>,
    origin: Origin,
    other: Option<AccountId>,
    ask: Arc<EntryAsk>,
    ruling: Option<Ruling>,
}

/// What was decided about an entry in a line.
#[derive(Clone, Debug)]
pub(super) enum Ruling {
    Verdict(Verdict),
    /// The same entry came over another link before, and stands there.
    Known(ConversationId, Seq),
    /// The same entry came over another link before, and was refused.
    Refused(Refusal),
}

impl Line {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Verdict> for Ruling {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl Hub {
    pub(super) fn line_mut(
        &mut self,
        speaker: Speaker,
        conversation: ConversationId,
    ) -> Option<&mut Line> {
        if let Speaker::Link(id) = speaker
            && let Some(link) = self.links.get_mut(id)
        {
            return link.hold_mut(conversation).map(|hold| &mut hold.line);
        }
        self.hooks.lines.get_mut(&(speaker, conversation))
    }

    fn line_or_new(&mut self, speaker: Speaker, conversation: ConversationId) -> &mut Line {
        let link = match speaker {
            Speaker::Link(id) => self.links.get_mut(id),
            Speaker::Plugin(_) => None,
        };
        match link {
            Some(link) => &mut link.hold_or_new(conversation).line,
            None => self.hooks.lines.entry((speaker, conversation)).or_default(),
        }
    }

    pub(super) fn stand_in_line(
        &mut self,
        speaker: Speaker,
        candidate: Candidate,
        is_wanted: bool,
        out: &mut Vec<Effect>,
    ) {
        let (conversation, id) = (candidate.conversation, candidate.id);
        let Some(state) = self.account(candidate.from) else {
            return;
        };
        if !self.hooks.has_room() {
            let refusal = Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS);
            return self.turn_away(&candidate.origin, conversation, id, refusal, out);
        }
        let ask = Arc::new(EntryAsk {
            conversation,
            place: self.ask_place(conversation, candidate.from, candidate.other),
            from: candidate.from,
            from_name: state.record.name.clone(),
            id,
            time: self.now.date,
            body: candidate.body,
        });
        self.hooks.bytes += weight(&ask.body);
        let mut waiting = Waiting {
            ticket: None,
            origin: candidate.origin,
            other: candidate.other,
            ask,
            ruling: None,
        };
        if let Some(refusal) = self.hooks.rejected(candidate.from, id) {
            // It was refused before, and the refusal was lost: it meets no filter twice.
            waiting.ruling = Some(Ruling::Refused(refusal.clone()));
        } else if is_wanted {
            let awaited = Awaited::Line(speaker, conversation);
            let ticket = self.hooks.ticket(awaited, self.now.time);
            waiting.ticket = Some(ticket);
            match self.hooks.in_flight.entry((candidate.from, id)) {
                // It came before, over a link that is lost: it meets no filter twice.
                hash_map::Entry::Occupied(mut others) => others.get_mut().push(ticket),
                hash_map::Entry::Vacant(first) => {
                    first.insert(Vec::new());
                    let question = Question::Entry(Arc::clone(&waiting.ask));
                    out.push(Effect::Ask(Ask { ticket, question }));
                }
            }
        } else {
            // Nobody wants to know any more, but those before it were asked about.
            waiting.ruling = Some(Ruling::Verdict(Verdict::Pass));
        }
        let is_decided = waiting.ruling.is_some();
        self.line_or_new(speaker, conversation).0.push_back(waiting);
        if is_decided {
            self.settle_line(speaker, conversation, out);
        }
    }

    pub(super) fn line_answered(
        &mut self,
        speaker: Speaker,
        conversation: ConversationId,
        ticket: Ticket,
        ruling: Ruling,
        out: &mut Vec<Effect>,
    ) {
        let Some(line) = self.line_mut(speaker, conversation) else {
            return;
        };
        let waiting = &mut line.0;
        let Some(asked) = waiting
            .iter_mut()
            .find(|asked| asked.ticket == Some(ticket))
        else {
            return;
        };
        // It may have been refused since.
        asked.ruling.get_or_insert(ruling);
        self.go_on(speaker, conversation, out);
    }

    pub(super) fn go_on(
        &mut self,
        speaker: Speaker,
        conversation: ConversationId,
        out: &mut Vec<Effect>,
    ) {
        match speaker {
            Speaker::Link(id) if self.links.get(id).is_some() => {
                self.release(id, conversation, out);
            }
            _ => self.settle_line(speaker, conversation, out),
        }
    }

    /// Settles the entries at the front of a line that are decided about.
    pub(super) fn settle_line(
        &mut self,
        speaker: Speaker,
        conversation: ConversationId,
        out: &mut Vec<Effect>,
    ) {
        loop {
            let Some(line) = self.line_mut(speaker, conversation) else {
                return;
            };
            let Some(front) = line.0.front() else {
                break;
            };
            let from = front.ask.from;
            if front.ruling.is_none() || self.is_changing(conversation, from) {
                return;
            }
            let Some(next) = self
                .line_mut(speaker, conversation)
                .and_then(|line| line.0.pop_front())
            else {
                return;
            };
            self.settle(speaker, next, out);
        }
        if !self.hooks.lines.is_empty() {
            self.hooks.lines.remove(&(speaker, conversation));
        }
    }

    /// An entry whose turn it is, and which is decided about: into the log, or refused.
    fn settle(&mut self, speaker: Speaker, next: Waiting, out: &mut Vec<Effect>) {
        let Waiting {
            ticket,
            origin,
            other,
            ask,
            ruling,
        } = next;
        self.hooks.bytes = self.hooks.bytes.saturating_sub(weight(&ask.body));
        let (conversation, from, id) = (ask.conversation, ask.from, ask.id);
        let is_verdict = matches!(ruling, Some(Ruling::Verdict(_)));
        let decided = match ruling {
            Some(Ruling::Known(place, _)) if place != conversation => {
                Err(Code::SendIdReused.into())
            }
            Some(Ruling::Known(place, seq)) => {
                if let Origin::Send { link, request } = origin {
                    self.ack(link, request, place, seq, id, out);
                }
                return;
            }
            Some(Ruling::Refused(refusal)) => Err(refusal),
            Some(Ruling::Verdict(verdict)) => revised(ask, verdict).and_then(|body| {
                let candidate = Candidate {
                    from,
                    conversation,
                    other,
                    id,
                    body,
                    origin,
                };
                // Much may have happened since: who was put out meanwhile says nothing any more.
                let guards = self.admit_again(&candidate)?;
                let append = self.append_of(candidate, guards);
                append.ok_or_else(|| Code::Internal.into())
            }),
            None => return,
        };
        match decided {
            Ok(append) => self.append(append, origin, out),
            Err(refusal) => {
                if refusal.is_retryable() {
                    self.cut_line(speaker, conversation);
                }
                if is_verdict && refusal.code == Code::Rejected {
                    self.hooks.remember(from, id, refusal.clone());
                }
                if ticket.is_some() {
                    self.landed(from, id, &Ruling::Refused(refusal.clone()), out);
                }
                self.turn_away(&origin, conversation, id, refusal, out);
            }
        }
    }

    /// One of a link's entries was refused for now: those after it must not overtake it, also when it
    /// comes again before their verdicts do.
    pub(super) fn cut_line(&mut self, speaker: Speaker, conversation: ConversationId) {
        if matches!(speaker, Speaker::Plugin(_)) {
            return;
        }
        if let Some(line) = self.line_mut(speaker, conversation) {
            for waiting in &mut line.0 {
                let refusal = Refusal::new(Code::AfterRefused).retry_in(500);
                waiting.ruling = Some(Ruling::Refused(refusal));
            }
        }
    }

    /// What became of an entry that was asked about, for those who sent the same one.
    pub(super) fn landed(
        &mut self,
        from: AccountId,
        id: SendId,
        ruling: &Ruling,
        out: &mut Vec<Effect>,
    ) {
        if self.hooks.in_flight.is_empty() {
            return;
        }
        for ticket in self.hooks.in_flight.remove(&(from, id)).unwrap_or_default() {
            self.joined(ticket, ruling.clone(), out);
        }
    }

    /// A link ended. What plugins were asked about goes on without it: it may be in the log when it
    /// comes again.
    pub(super) fn leave_lines(&mut self, id: LinkId, link: Link) {
        for hold in link.held {
            if !hold.line.0.is_empty() {
                let key = (Speaker::Link(id), hold.conversation);
                self.hooks.lines.insert(key, hold.line);
            }
        }
    }

    /// Lines without a link that waited for a change of a membership.
    pub(super) fn settle_lost_lines(
        &mut self,
        conversation: ConversationId,
        account: AccountId,
        out: &mut Vec<Effect>,
    ) {
        if self.hooks.lines.is_empty() {
            return;
        }
        let its = |(key, line): (&(Speaker, ConversationId), &Line)| {
            let from = line.0.front().map(|next| next.ask.from);
            (key.1 == conversation && from == Some(account)).then_some(key.0)
        };
        let speakers: Vec<Speaker> = self.hooks.lines.iter().filter_map(its).collect();
        for speaker in speakers {
            self.settle_line(speaker, conversation, out);
        }
    }
}

/// The body after a verdict.
fn revised(ask: Arc<EntryAsk>, verdict: Verdict) -> Result<Body, Refusal> {
    // Whoever was asked has mostly let go of it.
    let take = |ask: Arc<EntryAsk>| {
        Arc::try_unwrap(ask).map_or_else(|ask| ask.body.clone(), |ask| ask.body)
    };
    match verdict {
        Verdict::Modified(data) if ask.text().is_some() => {
            let mut body = take(ask);
            body.data = match body.kind {
                Kind::FILE => renamed(&body, &data)?,
                _ => data,
            };
            check_body(&body).map_err(|refusal| {
                tracing::warn!(%refusal, "a plugin made an entry that may not be sent");
                let text = format!("a plugin of this server changed the text, and {refusal}");
                Refusal::because(Code::Rejected, text)
            })?;
            Ok(body)
        }
        Verdict::Modified(_) => {
            tracing::warn!(kind = ask.body.kind.0, "a plugin changed what has no text");
            Ok(take(ask))
        }
        Verdict::Pass | Verdict::Handled => Ok(take(ask)),
        verdict => Err(refusal(verdict).unwrap_or_else(|| Code::Internal.into())),
    }
}

/// The data of a file on offer under another name.
fn renamed(body: &Body, name: &[u8]) -> Result<Vec<u8>, Refusal> {
    let Content::File(offer) = body.content() else {
        return Err(Code::Internal.into());
    };
    let name = std::str::from_utf8(name).map_err(|_| {
        Refusal::because(
            Code::Rejected,
            "a plugin of this server made a bad file name",
        )
    })?;
    let name = name.to_owned();
    let blob = body.blob.unwrap_or_default();
    Ok(Body::file(blob, &FileOffer { name, ..offer }).data)
}
