//! Links that have not said yet who they are: how many there may be, and which one goes.

use std::collections::{HashMap, VecDeque};

use super::Effect;
use crate::id::LinkId;
use crate::limits;
use crate::model::{Code, Login, Refusal, Time};

/// Links before their login, oldest first, and how often somebody tried.
///
/// When there are too many, the oldest one goes and the new one is served: a flood of links that say
/// nothing can't keep people out.
#[derive(Debug)]
pub(super) struct Gate {
    /// How many there may be, all together.
    most: usize,
    order: VecDeque<(LinkId, u64)>,
    from: HashMap<LinkId, u64>,
    counts: HashMap<u64, usize>,
    tries: Tries,
    /// Links that plugins were asked about.
    asked: HashMap<LinkId, Vetting>,
}

/// How far plugins are with a link.
#[derive(Debug)]
enum Vetting {
    /// They were asked. It may have said meanwhile who it is.
    Asked(Option<([u8; 32], Box<Login>)>),
    /// Its login will be refused for this reason.
    Refused(String),
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            most: limits::NEW_LINKS,
            order: VecDeque::new(),
            from: HashMap::new(),
            counts: HashMap::new(),
            tries: Tries::default(),
            asked: HashMap::new(),
        }
    }
}

impl Gate {
    pub(super) const fn bound(&mut self, most: usize) {
        self.most = most;
    }

    pub(super) fn accepted(&mut self, link: LinkId, from: u64, out: &mut Vec<Effect>) {
        let oldest =
            if self.counts.get(&from).copied().unwrap_or(0) >= limits::NEW_LINKS_PER_ADDRESS {
                self.order
                    .iter()
                    .find(|(held, address)| *address == from && self.from.contains_key(held))
            } else if self.from.len() >= self.most {
                self.order
                    .iter()
                    .find(|(held, _)| self.from.contains_key(held))
            } else {
                None
            };
        if let Some((oldest, _)) = oldest.copied() {
            self.gone(oldest);
            out.push(Effect::Close(oldest, None));
        }
        self.order.push_back((link, from));
        self.from.insert(link, from);
        *self.counts.entry(from).or_default() += 1;
    }

    /// Where a link that is not logged in comes from.
    pub(super) fn address(&self, link: LinkId) -> Option<u64> {
        self.from.get(&link).copied()
    }

    /// Plugins are asked about a link: its login waits.
    pub(super) fn ask(&mut self, link: LinkId) {
        self.asked.insert(link, Vetting::Asked(None));
    }

    /// Hands a login on, with the reason for which it is to be refused. `None` when it waits.
    pub(super) fn hold(
        &mut self,
        link: LinkId,
        key: [u8; 32],
        login: Box<Login>,
    ) -> Option<(Box<Login>, Option<String>)> {
        match self.asked.get_mut(&link) {
            None => Some((login, None)),
            Some(Vetting::Asked(held)) => {
                // Who logs in twice is served once.
                held.get_or_insert((key, login));
                None
            }
            Some(Vetting::Refused(reason)) => Some((login, Some(std::mem::take(reason)))),
        }
    }

    /// Plugins have said what they think of a link; its login, if it waited.
    pub(super) fn vetted(
        &mut self,
        link: LinkId,
        reason: Option<String>,
    ) -> Option<([u8; 32], Box<Login>)> {
        let Some(Vetting::Asked(held)) = self.asked.remove(&link) else {
            return None;
        };
        if let Some(reason) = reason {
            self.asked.insert(link, Vetting::Refused(reason));
        }
        held
    }

    /// The link logged in or ended.
    pub(super) fn gone(&mut self, link: LinkId) {
        let Some(from) = self.from.remove(&link) else {
            return;
        };
        self.asked.remove(&link);
        if let Some(count) = self.counts.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&from);
            }
        }
        // Links leave in any order; what is left of them is swept once it outweighs the rest.
        if self.order.len() > 2 * self.from.len() + 16 {
            let from = &self.from;
            self.order.retain(|(held, _)| from.contains_key(held));
        }
    }

    /// Oldest first.
    pub(super) fn all(&self) -> Vec<LinkId> {
        let waiting = self.order.iter().map(|(link, _)| *link);
        waiting
            .filter(|link| self.from.contains_key(link))
            .collect()
    }

    pub(super) fn tries(&mut self) -> &mut Tries {
        &mut self.tries
    }
}

/// How often passwords failed per account name, and how often an address registered.
#[derive(Debug, Default)]
pub(super) struct Tries {
    counts: HashMap<Tried, (u32, Time)>,
    order: VecDeque<Tried>,
    /// Those under way; as many as passwords that wait at most.
    open: HashMap<Tried, u32>,
}

/// What is tried.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Tried {
    /// The password of an account of this name, whether there is one or not.
    Password(String),
    /// A registration from an address.
    Register(u64),
}

impl Tries {
    /// Whether another try may be made now.
    pub(super) fn check(&self, what: &Tried, now: Time) -> Result<(), Refusal> {
        let (most, window) = what.limit();
        match self.counts.get(what) {
            Some((count, since)) if *count >= most && now.since(*since) < window => {
                let wait = window - now.since(*since);
                let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
                Err(Refusal::new(Code::SlowDown).retry_in(millis))
            }
            _ if self.open.get(what).copied().unwrap_or(0) >= limits::PASSWORD_TRIES_AT_ONCE => {
                Err(Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS))
            }
            _ => Ok(()),
        }
    }

    /// A try whose outcome is not known yet.
    pub(super) fn begin(&mut self, what: Tried) {
        *self.open.entry(what).or_default() += 1;
    }

    /// The outcome is known.
    pub(super) fn end(&mut self, what: &Tried) {
        if let Some(open) = self.open.get_mut(what) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(what);
            }
        }
    }

    /// Counts a try.
    pub(super) fn count(&mut self, what: Tried, now: Time) {
        let (_, window) = what.limit();
        if let Some((count, since)) = self.counts.get_mut(&what) {
            if now.since(*since) >= window {
                (*count, *since) = (0, now);
            }
            *count += 1;
            return;
        }
        if self.order.len() >= limits::TRIES_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.order.push_back(what.clone());
        self.counts.insert(what, (1, now));
    }
}

impl Tried {
    const fn limit(&self) -> (u32, std::time::Duration) {
        match self {
            Self::Password(_) => (limits::PASSWORD_TRIES, limits::PASSWORD_TRIES_WINDOW),
            Self::Register(_) => (limits::REGISTER_TRIES, limits::REGISTER_WINDOW),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_link_of_a_crowded_address_goes_and_others_stay() {
        let mut gate = Gate::default();
        let mut out = Vec::new();
        gate.accepted(LinkId(1), 7, &mut out);
        for link in 0..limits::NEW_LINKS_PER_ADDRESS as u64 {
            gate.accepted(LinkId(100 + link), 9, &mut out);
        }
        assert!(out.is_empty());
        gate.accepted(LinkId(5000), 9, &mut out);
        assert!(matches!(out[..], [Effect::Close(LinkId(100), None)]));
        assert_eq!(gate.address(LinkId(1)), Some(7));
        assert_eq!(gate.address(LinkId(100)), None);
    }

    #[test]
    fn all_together_are_bounded_too_and_nothing_is_kept_of_those_that_left() {
        let mut gate = Gate::default();
        let mut out = Vec::new();
        for link in 0..10 * limits::NEW_LINKS as u64 {
            gate.accepted(LinkId(link), link, &mut out);
        }
        assert_eq!(gate.all().len(), limits::NEW_LINKS);
        assert_eq!(out.len(), 9 * limits::NEW_LINKS);
        for link in gate.all() {
            gate.gone(link);
        }
        assert!(gate.counts.is_empty() && gate.order.len() <= 16);
    }

    #[test]
    fn tries_run_out_and_come_back() {
        let mut tries = Tries::default();
        let what = Tried::Password("ann".into());
        for _ in 0..limits::PASSWORD_TRIES {
            assert!(tries.check(&what, Time(0)).is_ok());
            tries.count(what.clone(), Time(0));
        }
        assert!(tries.check(&what, Time(1)).is_err());
        assert!(
            tries
                .check(&what, Time(0) + limits::PASSWORD_TRIES_WINDOW)
                .is_ok()
        );
    }
}
