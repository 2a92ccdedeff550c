//! One link after another: trust, login, and the pause before the next try.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Agent, Effect, Event, FIRST_REQUEST, LinkNumber};
use crate::error::{Error, LinkFault, Mistrust, Misuse, Violation};
use crate::limits;
use crate::model::{
    AccountName, Code, Login, Now, Position, Refusal, Time, ToClient, ToServer, Welcome,
};
use crate::port::{KnownServer, ProfileChange, ProfileState};

/// What an agent is told before it starts.
#[derive(Clone)]
pub struct Setup {
    /// `HOST:PORT`, as accepted keys are remembered.
    pub address: String,
    /// Who.
    pub account: AccountName,
    /// For a device that is not enrolled.
    pub password: Option<String>,
    /// Make the account first.
    pub register: bool,
    /// The token of an invite, for registering.
    pub invite: Option<String>,
    /// What the owner calls this device.
    pub device: String,
    /// Which server keys are right.
    pub trust: TrustRule,
    /// Make another link when one is lost.
    pub reconnect: bool,
    /// The first link is a given stream, and there can't be another.
    pub single: bool,
    /// Also when no login succeeded so far.
    pub patient: bool,
    /// Longest pause before the next link.
    pub longest_pause: Duration,
    /// Whether the profile survives the program.
    pub durable: bool,
    /// What the profile held.
    pub state: ProfileState,
    /// Positions instead of the profile's.
    pub positions: Option<Vec<Position>>,
}

/// Which server keys are right.
#[derive(Clone, Debug)]
pub enum TrustRule {
    /// The one with this fingerprint. Nothing is remembered.
    Pinned(String),
    /// One of those that were accepted before.
    Known {
        /// Their fingerprints.
        keys: Vec<String>,
        /// If there is none, accept the first one; otherwise ask.
        accept_new: bool,
        /// Remember accepted keys in the profile; otherwise by [`Effect::Remember`].
        in_profile: bool,
    },
}

#[derive(Debug)]
pub(super) enum Link {
    /// There is none, and none is wanted.
    Idle,
    /// The next try is at this time.
    Paused(Time),
    Opening,
    /// The application has to decide about this key. The link may die of it, and then a new one is
    /// made after the answer.
    Asking {
        key: [u8; 32],
        fingerprint: String,
        alive: bool,
    },
    LoggingIn {
        fingerprint: String,
        /// By the device's key alone.
        light: bool,
    },
    /// Since.
    Up(Time),
    Closing,
}

enum Verdict {
    Right,
    New { accept: bool, in_profile: bool },
    Wrong { expected: String },
}

impl Agent {
    pub(super) fn connect(&mut self, effects: &mut Vec<Effect>) {
        self.link_number.0 += 1;
        self.link = Link::Opening;
        effects.push(Effect::Connect(self.link_number));
    }

    pub(super) fn handle_server_key(
        &mut self,
        link: LinkNumber,
        key: [u8; 32],
        fingerprint: String,
        effects: &mut Vec<Effect>,
    ) {
        if link != self.link_number || !matches!(self.link, Link::Opening) {
            return;
        }
        match self.setup.trust.judge(&fingerprint) {
            Verdict::Right => self.login(fingerprint, effects),
            Verdict::New {
                accept: true,
                in_profile,
            } => {
                self.remember(key, &fingerprint, in_profile, effects);
                self.login(fingerprint, effects);
            }
            Verdict::New { accept: false, .. } => {
                self.queue.push(Event::ServerKey {
                    key,
                    fingerprint: fingerprint.clone(),
                });
                self.link = Link::Asking {
                    key,
                    fingerprint,
                    alive: true,
                };
            }
            Verdict::Wrong { expected } => {
                let mistrust = Mistrust {
                    expected: Some(expected),
                    shown: fingerprint,
                };
                self.end(Some(Error::Trust(mistrust)), None, effects);
            }
        }
    }

    /// The application trusts a key.
    pub(super) fn trust(
        &mut self,
        wanted: [u8; 32],
        effects: &mut Vec<Effect>,
    ) -> Result<(), Error> {
        let (fingerprint, alive) = match &self.link {
            Link::Asking {
                key,
                fingerprint,
                alive,
            } if *key == wanted => (fingerprint.clone(), *alive),
            _ => {
                let text = "no server waits for that key to be trusted";
                return Err(Misuse::Other(text.to_owned()).into());
            }
        };
        let in_profile = matches!(
            self.setup.trust,
            TrustRule::Known {
                in_profile: true,
                ..
            }
        );
        self.remember(wanted, &fingerprint, in_profile, effects);
        if alive {
            self.login(fingerprint, effects);
        } else {
            self.connect(effects);
        }
        Ok(())
    }

    fn remember(
        &mut self,
        key: [u8; 32],
        fingerprint: &str,
        in_profile: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let TrustRule::Known { keys, .. } = &mut self.setup.trust {
            keys.push(fingerprint.to_owned());
        }
        if in_profile {
            let address = self.setup.address.clone();
            let server = KnownServer { address, key };
            self.save(vec![ProfileChange::PutServer(server)], Vec::new(), effects);
        } else {
            effects.push(Effect::Remember(key));
        }
    }

    fn login(&mut self, fingerprint: String, effects: &mut Vec<Effect>) {
        let light = self.enrolled && !self.full_login;
        let setup = &self.setup;
        // An account is made once; after that, making it again would only cost an invite.
        let register = setup.register && !light && self.welcome.is_none();
        let password = setup.password.clone().filter(|_| !light);
        let enroll = setup.durable && (register || password.is_some());
        effects.push(Effect::Accept);
        effects.push(Effect::Write(ToServer::Login(Login {
            account: setup.account.as_str().to_owned(),
            password,
            register,
            invite: setup.invite.clone().filter(|_| register),
            device: setup.device.clone(),
            capabilities: Vec::new(),
            enroll,
            extensions: Default::default(),
        })));
        self.link = Link::LoggingIn { fingerprint, light };
    }

    pub(super) fn handle_link_frame(
        &mut self,
        link: LinkNumber,
        frame: ToClient,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if link != self.link_number {
            return;
        }
        let outcome = match (&self.link, frame) {
            // What crosses our goodbye is not lost: it comes again after the resume.
            (Link::Closing | Link::Idle | Link::Paused(_), _) => return,
            (_, ToClient::Bye(reason, text)) => {
                effects.push(Effect::Cut);
                return self.lost(Error::Link(LinkFault::Bye(reason, text)), now, effects);
            }
            (Link::LoggingIn { .. }, ToClient::Welcome(welcome)) => {
                self.handle_welcome(*welcome, now, effects);
                Ok(())
            }
            (Link::LoggingIn { light, .. }, ToClient::Denied(refusal)) => {
                let light = *light;
                effects.push(Effect::Cut);
                return self.handle_denied(refusal, light, now, effects);
            }
            (Link::Up(_), frame) => self.handle_frame(frame, now, effects),
            _ => Err(Violation::Unexpected),
        };
        if let Err(violation) = outcome {
            effects.push(Effect::Cut);
            self.lost(violation.into(), now, effects);
        }
    }

    pub(super) fn handle_ended(
        &mut self,
        link: LinkNumber,
        error: Error,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if link != self.link_number {
            return;
        }
        match &mut self.link {
            Link::Idle | Link::Paused(_) => {}
            Link::Closing => self.link = Link::Idle,
            // Somebody is comparing fingerprints, which takes longer than a handshake may.
            Link::Asking { alive, .. } if !self.setup.single => *alive = false,
            Link::Asking { fingerprint, .. } => {
                let mistrust = Mistrust {
                    expected: None,
                    shown: fingerprint.clone(),
                };
                self.link = Link::Idle;
                self.end(Some(Error::Trust(mistrust)), None, effects);
            }
            _ => self.lost(error, now, effects),
        }
    }

    fn handle_welcome(&mut self, welcome: Welcome, now: Now, effects: &mut Vec<Effect>) {
        let fingerprint = match &self.link {
            Link::LoggingIn { fingerprint, .. } => fingerprint.clone(),
            _ => String::new(),
        };
        let enrolls = self.setup.durable
            && !self.enrolled
            && (self.setup.password.is_some() || self.setup.register);
        if enrolls {
            self.enrolled = true;
            self.save(vec![ProfileChange::Enrolled(true)], Vec::new(), effects);
        }
        self.full_login = false;
        self.server_date = Some((now.time, welcome.date));
        self.link = Link::Up(now.time);
        self.next_request = FIRST_REQUEST;
        let credit = welcome.limits.entry_credit;
        for frame in self.inbox.handle_welcome(credit) {
            effects.push(Effect::Write(frame));
        }
        if let Some((state, text)) = self.presence.clone() {
            effects.push(Effect::Write(ToServer::Presence(state, text)));
        }
        let welcome = Arc::new(welcome);
        self.welcome = Some(Arc::clone(&welcome));
        self.queue.push(Event::Connected {
            welcome,
            fingerprint,
        });
    }

    fn handle_denied(
        &mut self,
        refusal: Refusal,
        light: bool,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let unknown = matches!(
            refusal.code,
            Code::PasswordRequired | Code::DeviceRevoked | Code::LoginFailed
        );
        let more = self.setup.password.is_some() || self.setup.register;
        if light && unknown && more && !self.setup.single {
            self.full_login = true;
            self.enrolled = false;
            return self.connect(effects);
        }
        self.lost(Error::Refused(refusal), now, effects);
    }

    /// The present link is gone, or never was.
    fn lost(&mut self, error: Error, now: Now, effects: &mut Vec<Effect>) {
        let stable = matches!(self.link, Link::Up(since)
            if now.time.since(since) >= limits::STABLE_AFTER);
        if stable {
            self.failures = 0;
        }
        self.link = Link::Idle;
        self.outbox.handle_link_lost();
        self.transfers.handle_link_lost();
        for ask in self.asks.handle_link_lost() {
            self.tell_ask_refused(&ask, Refusal::new(Code::Lost));
        }
        let reason = match &error {
            Error::Link(LinkFault::Bye(reason, _)) => Some(*reason),
            _ => None,
        };
        let may_retry = self.setup.reconnect
            && !self.setup.single
            && !is_final(&error)
            && (self.welcome.is_some() || self.setup.patient || matches!(error, Error::Refused(_)));
        if !may_retry {
            return self.end(Some(error), reason, effects);
        }
        let asked = match &error {
            Error::Refused(refusal) => refusal.retry_ms.unwrap_or(0),
            _ => 0,
        };
        let pause = self.pause().max(Duration::from_millis(asked.into()));
        self.failures = self.failures.saturating_add(1);
        self.link = Link::Paused(now.time + pause);
        self.queue.push(Event::Reconnecting { pause, error });
    }

    /// Twice as long after each failure; the upper half is random, or all clients of a server that
    /// restarts would come back at the same moment.
    fn pause(&mut self) -> Duration {
        let doubled = limits::BACKOFF_FIRST.saturating_mul(1 << self.failures.min(16));
        let half = doubled.min(self.setup.longest_pause) / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(self.random.number() % micros)
    }
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        matches!(self, Self::Up(_))
    }
}

impl TrustRule {
    fn judge(&self, fingerprint: &str) -> Verdict {
        match self {
            Self::Pinned(pin) if pin == fingerprint => Verdict::Right,
            Self::Pinned(pin) => Verdict::Wrong {
                expected: pin.clone(),
            },
            Self::Known {
                keys,
                accept_new,
                in_profile,
            } => match keys.first() {
                None => Verdict::New {
                    accept: *accept_new,
                    in_profile: *in_profile,
                },
                Some(_) if keys.iter().any(|key| key == fingerprint) => Verdict::Right,
                Some(expected) => Verdict::Wrong {
                    expected: expected.clone(),
                },
            },
        }
    }
}

// Neither the password nor the invite gets into a log.
impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("address", &self.address)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Whether another try would end the same way.
fn is_final(error: &Error) -> bool {
    match error {
        Error::Trust(_) | Error::Version => true,
        Error::Refused(refusal) => {
            !refusal.is_retryable()
                && !matches!(refusal.code, Code::Busy | Code::SlowDown | Code::Draining)
        }
        Error::Link(LinkFault::Bye(reason, _)) => reason.is_final(),
        Error::Misuse(_) => true,
        _ => false,
    }
}
