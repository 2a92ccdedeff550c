//! Judges what applications are told, and says what broke a promise.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chat_engine::agent::{CommandId, Event};
use chat_engine::error::{Error, LinkFault, Violation};
use chat_engine::port::{ItemState, OutboxItem, ProfileChange};
use chat_engine::{
    AccountId, ByeReason, ConversationId, Entry, Epoch, GapReason, Position, SendId, Seq, Target,
};

use super::truth::Truth;

/// Everything that all applications were told.
#[derive(Debug, Default)]
pub(super) struct Witness {
    devices: Vec<Watched>,
    items: HashMap<SendId, Item>,
    canceled: HashSet<SendId>,
    /// What broke a promise, first things first.
    pub(super) violations: Vec<String>,
    /// Cursors may have gone back: the server keeps them in memory for a while.
    pub(super) cursors_lost: bool,
    pub(super) restored: bool,
    pub(super) digest: u64,
}

/// One device over all runs of its program.
#[derive(Debug, Default)]
struct Watched {
    name: String,
    account: Option<AccountId>,
    run: Run,
    seen: BTreeMap<(ConversationId, Epoch), Cover>,
    receipts: HashMap<(ConversationId, String), (Seq, Seq)>,
}

/// What one run of a program was told.
#[derive(Debug, Default)]
struct Run {
    places: BTreeMap<ConversationId, Place>,
    sends: BTreeMap<CommandId, Sent>,
    /// Requests without an answer.
    asks: BTreeSet<CommandId>,
    /// Final outcomes of sends of earlier runs.
    older: BTreeSet<SendId>,
    /// Sends that were refused for good, and lie in the outbox until they are taken away.
    refused: BTreeSet<SendId>,
    saved: BTreeMap<ConversationId, Position>,
    is_over: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    epoch: Option<Epoch>,
    covered: Seq,
    had_position: bool,
}

#[derive(Debug)]
struct Sent {
    label: String,
    outcomes: u32,
}

/// What a device has of a run of a log, over all runs of its program.
#[derive(Debug, Default)]
struct Cover {
    seen: BTreeSet<Seq>,
    gaps: Vec<(Seq, Seq)>,
    reach: Seq,
}

/// A send over all runs.
#[derive(Debug)]
struct Item {
    device: usize,
    /// In the order of the wishes of its device.
    number: u64,
    target: Target,
    queued: bool,
    settled: bool,
    /// Was refused for good at least once. Such a refusal blocks nothing, and is not remembered: if it
    /// was lost, the send is judged anew, and may come in behind later ones.
    refused: bool,
}

impl Witness {
    pub(super) fn add_device(&mut self, name: String) {
        self.devices.push(Watched {
            name,
            ..Watched::default()
        });
    }

    pub(super) fn complain(&mut self, text: impl Into<String>) {
        self.violations.push(text.into());
    }

    pub(super) fn account(&self, device: usize) -> Option<AccountId> {
        self.devices.get(device)?.account
    }

    /// A program starts from what its profile holds.
    pub(super) fn start(&mut self, device: usize, positions: &[Position]) {
        let mut places = BTreeMap::new();
        for position in positions {
            let key = (position.conversation, position.epoch);
            let reach = self.devices[device]
                .seen
                .get(&key)
                .map_or(Seq::ZERO, |cover| cover.reach);
            if position.seq > reach {
                let text = format!(
                    "{} starts at {} of {}, and its application only got to {reach}",
                    self.devices[device].name, position.seq, position.conversation
                );
                self.complain(text);
            }
            places.insert(
                position.conversation,
                Place {
                    epoch: Some(position.epoch),
                    covered: position.seq,
                    had_position: true,
                },
            );
        }
        self.devices[device].run = Run {
            places,
            ..Run::default()
        };
        self.devices[device].receipts.clear();
    }

    /// An application wants to send.
    pub(super) fn wished(&mut self, device: usize, command: CommandId, label: &str) {
        let sent = Sent {
            label: label.to_owned(),
            outcomes: 0,
        };
        self.devices[device].run.sends.insert(command, sent);
    }

    /// An application asks something.
    pub(super) fn asked(&mut self, device: usize, command: CommandId) {
        self.devices[device].run.asks.insert(command);
    }

    /// A client wants to save something.
    pub(super) fn saves(&mut self, device: usize, change: &ProfileChange) {
        match change {
            ProfileChange::PutItem(item) => self.put_item(device, item),
            ProfileChange::SetPosition(position) => self.saves_position(device, *position),
            _ => {}
        }
    }

    /// Something is in a profile. A failed send is shown there, and one that was cancelled is not, also
    /// when the program died before it could tell so.
    pub(super) fn kept(&mut self, change: &ProfileChange) {
        let (id, is_settled) = match change {
            ProfileChange::PutItem(item) => (item.id, matches!(item.state, ItemState::Failed(_))),
            ProfileChange::DropItem(id) => (*id, self.canceled.contains(id)),
            _ => return,
        };
        if let Some(item) = self.items.get_mut(&id) {
            item.settled |= is_settled;
        }
    }

    /// An application takes a send back.
    pub(super) fn cancels(&mut self, id: SendId) {
        self.canceled.insert(id);
    }

    /// The server refuses a send for good.
    pub(super) fn refuses(&mut self, id: SendId) {
        if let Some(item) = self.items.get_mut(&id) {
            item.refused = true;
        }
    }

    fn put_item(&mut self, device: usize, item: &OutboxItem) {
        let number = item.label.rsplit('-').next().and_then(|n| n.parse().ok());
        self.items.entry(item.id).or_insert_with(|| Item {
            device,
            number: number.unwrap_or_default(),
            target: item.target.clone(),
            queued: false,
            settled: false,
            refused: false,
        });
    }

    fn saves_position(&mut self, device: usize, position: Position) {
        let watched = &mut self.devices[device];
        let place = watched.run.places.get(&position.conversation);
        let covered = place
            .filter(|place| place.epoch == Some(position.epoch))
            .map_or(Seq::ZERO, |place| place.covered);
        let before = watched.run.saved.insert(position.conversation, position);
        let before = before.filter(|before| before.epoch == position.epoch);
        if position.seq > covered || before.is_some_and(|before| before.seq > position.seq) {
            let text = format!(
                "{} saves the position {} of {} after {before:?}, and its application got to {covered}",
                watched.name, position.seq, position.conversation
            );
            self.complain(text);
        }
    }

    /// An application got an event.
    pub(super) fn told(&mut self, device: usize, event: &Event, truth: &Truth) {
        if self.devices[device].run.is_over {
            let text = format!("{} is told {event:?} after the end", self.name(device));
            self.complain(text);
        }
        if let Event::Answer { command, .. }
        | Event::Refused {
            command: Some(command),
            ..
        } = event
        {
            self.devices[device].run.asks.remove(command);
        }
        let told = match event {
            Event::Connected { welcome, .. } => {
                self.devices[device].account = Some(welcome.account);
                Ok(1)
            }
            Event::Reconnecting { error, .. } => judge_end(error).map(|()| 2),
            Event::Entry { epoch, entry, .. } => self
                .entry(device, *epoch, entry, truth)
                .map(|()| entry.seq.0 << 8 | 3),
            Event::Gap {
                conversation,
                epoch,
                from,
                to,
                reason,
                ..
            } => self
                .gap(
                    device,
                    (*conversation, *epoch),
                    (*from, *to),
                    *reason,
                    truth,
                )
                .map(|()| to.0 << 8 | 4),
            Event::Queued { command, label, id } => {
                if let Some(item) = self.items.get_mut(id) {
                    item.queued = true;
                }
                let sent = self.devices[device].run.sends.get(command);
                if sent.is_some_and(|sent| sent.label == *label) {
                    Ok(5)
                } else {
                    Err(format!("{label} is queued and nobody wanted that"))
                }
            }
            Event::Acked {
                command, id, seq, ..
            } => {
                let places = truth.places(*id);
                if places.iter().any(|(_, _, held)| held == seq) {
                    self.settled(device, *command, *id).map(|()| seq.0 << 8 | 6)
                } else {
                    Err(format!(
                        "{id} is acknowledged at {seq}, and the disk has it at {places:?}"
                    ))
                }
            }
            Event::Refused {
                command,
                id: Some(id),
                refusal,
                label,
            } if !label.is_empty() || command.is_none() => {
                if truth.places(*id).is_empty() || truth.is_exempt(*id) {
                    self.devices[device].run.refused.insert(*id);
                    self.settled(device, *command, *id).map(|()| 7)
                } else {
                    Err(format!(
                        "{label} is refused ({refusal}), and the disk has it"
                    ))
                }
            }
            // It had its outcome, and is only taken out of the list.
            Event::Canceled {
                command: None, id, ..
            } if self.devices[device].run.refused.remove(id) => Ok(8),
            Event::Canceled { command, id, .. } => self.settled(device, *command, *id).map(|()| 8),
            Event::Unsent { command, id, .. } => self.outcome(device, *command, *id).map(|()| 9),
            Event::Receipt { receipt, .. } => {
                let key = (receipt.conversation, receipt.account.as_str().to_owned());
                let now = (receipt.delivered, receipt.read);
                let before = self.devices[device].receipts.insert(key, now);
                match before {
                    Some(before)
                        if !self.cursors_lost && (before.0 > now.0 || before.1 > now.1) =>
                    {
                        Err(format!("a receipt went from {before:?} to {now:?}"))
                    }
                    _ => Ok(10),
                }
            }
            Event::Closed { error, .. } => {
                self.devices[device].run.is_over = true;
                let judged = error.as_ref().map_or(Ok(()), judge_end);
                judged.and_then(|()| self.all_answered(device)).map(|()| 11)
            }
            _ => Ok(12),
        };
        match told {
            Ok(digest) => {
                let word = digest << 8 | device as u64;
                self.digest = (self.digest ^ word).wrapping_mul(0x0100_0000_01b3);
            }
            Err(text) => {
                let text = format!("{}: {text}", self.name(device));
                self.complain(text);
            }
        }
    }

    fn entry(
        &mut self,
        device: usize,
        epoch: Epoch,
        entry: &Entry,
        truth: &Truth,
    ) -> Result<(), String> {
        let id = entry.conversation;
        let seq = entry.seq;
        let what = format_args!("{seq} of {id} {epoch}");
        let real = truth.run(id, epoch).and_then(|run| run.get(entry.seq));
        let real = real.ok_or_else(|| format!("shows entry {what}, which is not on disk"))?;
        let same_body = real.body == entry.body || entry.body.is_deleted();
        if (real.id, real.from, real.prev) != (entry.id, entry.from, entry.prev) || !same_body {
            return Err(format!("shows entry {what} otherwise than the disk has it"));
        }
        let watched = &mut self.devices[device];
        let place = watched.run.places.entry(id).or_insert(Place::NEW);
        // Without a position in the run before there is nothing to be told about the change.
        if place.epoch != Some(epoch) && (place.epoch.is_none() || entry.prev == Seq::ZERO) {
            (place.epoch, place.covered) = (Some(epoch), Seq::ZERO);
        }
        if place.epoch != Some(epoch) {
            return Err(format!(
                "shows entry {what} of another run, and said nothing of the change"
            ));
        }
        if entry.seq <= place.covered {
            return Err(format!("shows entry {what} again, after {}", place.covered));
        }
        if entry.prev > place.covered {
            return Err(format!("shows entry {what} right after {}", place.covered));
        }
        place.covered = entry.seq;
        let cover = watched.seen.entry((id, epoch)).or_default();
        cover.seen.insert(entry.seq);
        cover.reach = cover.reach.max(entry.seq);
        Ok(())
    }

    fn gap(
        &mut self,
        device: usize,
        (id, epoch): (ConversationId, Epoch),
        (from, to): (Seq, Seq),
        reason: GapReason,
        truth: &Truth,
    ) -> Result<(), String> {
        let restored = self.restored;
        let watched = &mut self.devices[device];
        let place = watched.run.places.entry(id).or_insert(Place::NEW);
        let what = format!(
            "the gap {from} to {to} of {id} {epoch}, {}",
            reason.as_str()
        );
        if reason == GapReason::Restored {
            if !restored {
                return Err(format!("is told {what}, and no backup was restored"));
            }
            *place = Place {
                epoch: Some(epoch),
                covered: Seq::ZERO,
                had_position: true,
            };
            return Ok(());
        }
        if place.epoch != Some(epoch) && (place.epoch.is_none() || from == Seq(1)) {
            *place = Place {
                epoch: Some(epoch),
                ..Place::NEW
            };
        }
        if place.epoch != Some(epoch) || from > place.covered.next() || to <= place.covered {
            return Err(format!("is told {what} after {place:?}"));
        }
        let run = truth
            .run(id, epoch)
            .ok_or_else(|| format!("is told {what}, and there is no such log"))?;
        let account = watched.account.unwrap_or_default();
        let is_right = match reason {
            GapReason::Trimmed => to < run.first,
            GapReason::Skipped => {
                let came_back = run.spans.get(&account).is_some_and(|spans| spans.len() > 1);
                !place.had_position && place.covered == Seq::ZERO || came_back
            }
            GapReason::Hidden => !(from.0..=to.0).any(|seq| run.shows(account, Seq(seq))),
            GapReason::Restored => true,
        };
        if !is_right {
            return Err(format!(
                "is told {what}, without a reason; the log begins at {}, and it was in {:?}",
                run.first,
                run.spans.get(&account)
            ));
        }
        place.covered = to;
        let cover = watched.seen.entry((id, epoch)).or_default();
        cover.gaps.push((from, to));
        cover.reach = cover.reach.max(to);
        Ok(())
    }

    fn settled(
        &mut self,
        device: usize,
        command: Option<CommandId>,
        id: SendId,
    ) -> Result<(), String> {
        if let Some(item) = self.items.get_mut(&id) {
            item.settled = true;
        }
        self.outcome(device, command, id)
    }

    fn outcome(
        &mut self,
        device: usize,
        command: Option<CommandId>,
        id: SendId,
    ) -> Result<(), String> {
        let run = &mut self.devices[device].run;
        match command {
            Some(command) => {
                let sent = run.sends.get_mut(&command);
                let sent = sent.ok_or_else(|| format!("{id} has an outcome, and is no send"))?;
                sent.outcomes += 1;
                if sent.outcomes > 1 {
                    return Err(format!("{} has two outcomes in one run", sent.label));
                }
            }
            None => {
                if !run.older.insert(id) {
                    return Err(format!("{id} of an earlier run has two outcomes"));
                }
            }
        }
        Ok(())
    }

    fn all_answered(&self, device: usize) -> Result<(), String> {
        let sends = self.devices[device].run.sends.values();
        let open: Vec<&str> = sends
            .filter(|sent| sent.outcomes == 0)
            .map(|sent| sent.label.as_str())
            .collect();
        if open.is_empty() {
            Ok(())
        } else {
            Err(format!("ended without an outcome of {open:?}"))
        }
    }

    /// Whether an application has everything that there is for it.
    pub(super) fn is_up_to_date(&self, device: usize, truth: &Truth) -> bool {
        self.behind(device, truth).is_none()
    }

    fn behind(&self, device: usize, truth: &Truth) -> Option<String> {
        let watched = &self.devices[device];
        let account = watched.account?;
        for (id, epoch, run) in truth.current() {
            let place = watched.run.places.get(&id);
            let here = place.filter(|place| place.epoch == Some(epoch));
            let covered = here.map_or(Seq::ZERO, |place| place.covered);
            let knows = watched.seen.contains_key(&(id, epoch));
            let wanted = match run.end(account) {
                None => continue,
                Some(Seq::MAX) => run.head(),
                Some(end) if knows => end,
                Some(_) => continue,
            };
            if covered < wanted {
                return Some(format!(
                    "{} got to {covered} of {wanted} in {id} {epoch}",
                    watched.name
                ));
            }
        }
        None
    }

    /// What has no outcome so far, and who lacks something.
    pub(super) fn open(&self, truth: &Truth) -> Vec<String> {
        let mut open = Vec::new();
        for device in 0..self.devices.len() {
            open.extend(self.all_answered(device).err());
            open.extend(self.behind(device, truth));
            let asks = self.devices[device].run.asks.iter();
            open.extend(asks.map(|ask| format!("{} asked {ask:?}", self.name(device))));
        }
        for (id, item) in &self.items {
            if item.queued && !item.settled && truth.places(*id).is_empty() {
                open.push(format!("{}'s {}", self.name(item.device), item.number));
            }
        }
        open.sort();
        open
    }

    /// What only the end can show.
    pub(super) fn judge_end(&mut self, truth: &Truth) {
        let mut found = Vec::new();
        for (device, watched) in self.devices.iter().enumerate() {
            let Some(account) = watched.account else {
                continue;
            };
            found.extend(self.behind(device, truth));
            for (id, epoch, run) in truth.current() {
                let Some(cover) = watched.seen.get(&(id, epoch)) else {
                    continue;
                };
                let name = &watched.name;
                let ends = run.end(account).unwrap_or_default().min(run.head());
                for seq in (1..=ends.0).map(Seq) {
                    let passed = || {
                        cover
                            .gaps
                            .iter()
                            .any(|(from, to)| *from <= seq && seq <= *to)
                    };
                    if run.shows(account, seq) && !cover.seen.contains(&seq) && !passed() {
                        found.push(format!("{name} never got {seq} of {id} {epoch}"));
                    }
                }
                for seq in &cover.seen {
                    if !run.shows(account, *seq) {
                        found.push(format!("{name} was shown {seq} of {id}, which is hidden"));
                    }
                }
            }
        }
        for (id, item) in &self.items {
            let is_known = item.settled || !truth.places(*id).is_empty();
            if item.queued && !is_known {
                let (device, number) = (item.device, item.number);
                let name = &self.devices[device].name;
                found.push(format!("{name}'s message {number} is lost without a word"));
            }
        }
        for (id, epoch, run) in truth.current() {
            let mut last: HashMap<(usize, &Target), u64> = HashMap::new();
            for entry in &run.entries {
                let item = self.items.get(&entry.id);
                let Some(item) = item.filter(|item| !item.refused) else {
                    continue;
                };
                let before = last.insert((item.device, &item.target), item.number);
                if before.is_some_and(|before| before > item.number) {
                    let (name, number) = (&self.devices[item.device].name, item.number);
                    found.push(format!(
                        "in {id} {epoch} {name}'s {number} stands after its {}",
                        before.unwrap_or_default()
                    ));
                }
            }
        }
        found.sort();
        self.violations.extend(found);
    }

    fn name(&self, device: usize) -> &str {
        &self.devices[device].name
    }
}

impl Place {
    const NEW: Self = Self {
        epoch: None,
        covered: Seq::ZERO,
        had_position: false,
    };
}

/// No honest link ends because somebody broke the protocol.
fn judge_end(error: &Error) -> Result<(), String> {
    match error {
        Error::Link(LinkFault::Bye(ByeReason::Violation, text)) => {
            Err(format!("was thrown out for a violation: {text}"))
        }
        // A link that dies early is taken for a slow peer.
        Error::Link(_) | Error::Closed | Error::Peer(Violation::Deadline) => Ok(()),
        Error::Refused(refusal) if refusal.is_retryable() => Ok(()),
        error => Err(format!("its link ended with: {error} ({error:?})")),
    }
}
