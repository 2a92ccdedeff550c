//! Who gets in: accounts, devices, passwords, invites.

use super::gate::Tried;
use super::hooks::Stage;
use super::{Asked, DeviceId, Effect, Hub, Link, LinkId, Pending, limits, storage_refusal};
use crate::id::AccountId;
use crate::model::{
    Account, AccountName, Answer, ByeReason, Code, Device, Login, PresenceState, Refusal,
    Registration, Rights, ToClient, Welcome, WelcomeLimits,
};
use crate::port::{DirectoryChange, Fault, Write};

/// A login or registration on its way.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) link: LinkId,
    from: u64,
    key: [u8; 32],
    pub(super) login: Login,
    /// The name, where it is one.
    pub(super) name: Option<AccountName>,
    /// Known once the password was right, or the account is about to be made.
    account: Option<AccountId>,
    /// What the password is checked against.
    verifier: Option<String>,
    device: DeviceId,
    /// Plugins were asked.
    pub(super) vetted: bool,
}

/// A change of a password on its way.
#[derive(Debug)]
pub(super) struct PasswordChange {
    asked: Asked,
    tried: Tried,
    new: String,
    keep_devices: bool,
}

impl Hub {
    pub(super) fn handle_login(
        &mut self,
        link: LinkId,
        key: [u8; 32],
        login: Box<Login>,
        out: &mut Vec<Effect>,
    ) {
        // Not at the gate: it was closed while its frame was under way, or it logs in twice.
        let Some(from) = self.gate.address(link) else {
            return;
        };
        let Some((login, refused)) = self.gate.hold(link, key, login) else {
            return;
        };
        let attempt = Attempt {
            link,
            from,
            key,
            device: DeviceId(self.random.number()),
            account: None,
            verifier: None,
            name: AccountName::new(&login.account).ok(),
            login: *login,
            vetted: false,
        };
        if let Some(reason) = refused {
            return self.deny(&attempt, Refusal::because(Code::Rejected, reason), out);
        }
        self.try_login(attempt, out);
    }

    /// Plugins don't mind.
    pub(super) fn login_vetted(&mut self, attempt: Attempt, stage: Stage, out: &mut Vec<Effect>) {
        match stage {
            // Much may have happened since: it begins anew.
            Stage::First => self.try_login(attempt, out),
            Stage::Proven => self.login_proven(attempt, out),
        }
    }

    fn try_login(&mut self, attempt: Attempt, out: &mut Vec<Effect>) {
        if self.draining.is_some() {
            return self.deny(
                &attempt,
                Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS),
                out,
            );
        }
        if self.links.len() >= self.most_links {
            return self.deny(
                &attempt,
                Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS),
                out,
            );
        }
        if self.enrolled(&attempt) {
            if let Some(attempt) = self.vet(attempt, Stage::First, out) {
                self.enter(attempt, out);
            }
            return;
        }
        if attempt.login.register {
            if let Err(bad) = AccountName::new(&attempt.login.account) {
                return self.deny(
                    &attempt,
                    Refusal::because(Code::BadName, bad.to_string()),
                    out,
                );
            }
            return self.register(attempt, out);
        }
        self.check_password(attempt, out);
    }

    /// Whether the device's key is enough.
    fn enrolled(&self, attempt: &Attempt) -> bool {
        let device = self.accounts.device_by_key(&attempt.key);
        let account = device.and_then(|device| self.account(device.account));
        account.is_some_and(|account| Some(&account.record.name) == attempt.name.as_ref())
    }

    fn check_password(&mut self, mut attempt: Attempt, out: &mut Vec<Effect>) {
        let Some(password) = attempt.login.password.take() else {
            return self.deny(&attempt, Code::PasswordRequired.into(), out);
        };
        if password.len() > limits::PASSWORD_MAX_BYTES {
            return self.deny(&attempt, Code::LoginFailed.into(), out);
        }
        let tried = tried(&attempt);
        if let Err(refusal) = self.gate.tries().check(&tried, self.now.time) {
            return self.deny(&attempt, refusal, out);
        }
        if self.passwords_waiting >= limits::PASSWORD_QUEUE {
            return self.deny(&attempt, Refusal::new(Code::Busy).retry_in(5000), out);
        }
        // An unknown account costs the same work as a wrong password: neither the answer nor its
        // time tells who has an account here.
        let account = attempt
            .name
            .as_ref()
            .and_then(|name| self.accounts.id_of(name));
        let verifier = account
            .and_then(|id| self.account(id))
            .and_then(|account| account.record.verifier.clone());
        attempt.account = account;
        attempt.verifier.clone_from(&verifier);
        self.gate.tries().begin(tried);
        self.passwords_waiting += 1;
        let ticket = self.ticket(Pending::Login(attempt));
        out.push(Effect::Verify(ticket, password, verifier));
    }

    pub(super) fn login_verified(&mut self, attempt: Attempt, good: bool, out: &mut Vec<Effect>) {
        let tried = tried(&attempt);
        self.gate.tries().end(&tried);
        if !good || self.proven(&attempt).is_none() {
            self.gate.tries().count(tried, self.now.time);
            return self.deny(&attempt, Code::LoginFailed.into(), out);
        }
        if let Some(attempt) = self.vet(attempt, Stage::Proven, out) {
            self.login_proven(attempt, out);
        }
    }

    /// The account, if its password is still the one that was checked.
    fn proven(&self, attempt: &Attempt) -> Option<AccountId> {
        attempt.account.filter(|id| {
            let account = self.account(*id);
            account.is_some_and(|account| account.record.verifier == attempt.verifier)
        })
    }

    fn login_proven(&mut self, attempt: Attempt, out: &mut Vec<Effect>) {
        let Some(account) = self.proven(&attempt) else {
            return self.deny(&attempt, Code::LoginFailed.into(), out);
        };
        if !attempt.login.enroll || self.enrolled(&attempt) {
            return self.enter(attempt, out);
        }
        if self.accounts.device_by_key(&attempt.key).is_some() {
            return self.deny(&attempt, Code::DeviceTaken.into(), out);
        }
        let devices = self
            .account(account)
            .map_or(0, |account| account.devices.len());
        if devices >= limits::DEVICES_PER_ACCOUNT {
            return self.deny(&attempt, Code::TooManyDevices.into(), out);
        }
        let change = DirectoryChange::AddDevice(self.new_device(&attempt, account));
        self.write(Write::Change(vec![change]), Pending::Enroll(attempt), out);
    }

    fn register(&mut self, attempt: Attempt, out: &mut Vec<Effect>) {
        // Asked about, it comes here twice, and counts once.
        if attempt.from != LOCAL && !attempt.vetted {
            let tried = Tried::Register(attempt.from);
            if let Err(refusal) = self.gate.tries().check(&tried, self.now.time) {
                return self.deny(&attempt, refusal, out);
            }
            self.gate.tries().count(tried, self.now.time);
        }
        // The invite comes before the name: who has none learns nothing about names.
        if let Err(refusal) = self.check_invite(&attempt.login) {
            return self.deny(&attempt, refusal, out);
        }
        let taken = attempt
            .name
            .as_ref()
            .is_some_and(|name| self.accounts.id_of(name).is_some());
        if taken {
            return self.deny(&attempt, Code::NameTaken.into(), out);
        }
        if self.accounts.len() >= limits::ACCOUNTS {
            return self.deny(&attempt, Code::TooMany.into(), out);
        }
        if self.accounts.device_by_key(&attempt.key).is_some() {
            return self.deny(&attempt, Code::DeviceTaken.into(), out);
        }
        let Some(mut attempt) = self.vet(attempt, Stage::First, out) else {
            return;
        };
        match attempt.login.password.take() {
            None if attempt.login.enroll => self.open_account(attempt, None, out),
            Some(password) if password_fits(&password) => {
                if self.passwords_waiting >= limits::PASSWORD_QUEUE {
                    return self.deny(&attempt, Refusal::new(Code::Busy).retry_in(5000), out);
                }
                self.passwords_waiting += 1;
                let ticket = self.ticket(Pending::Login(attempt));
                out.push(Effect::Hash(ticket, password));
            }
            // Neither a password nor a key: nobody could ever log in.
            _ => self.deny(&attempt, Code::BadPassword.into(), out),
        }
    }

    fn check_invite(&self, login: &Login) -> Result<(), Refusal> {
        match (self.policy.registration, &login.invite) {
            (Registration::Closed, _) => Err(Code::RegistrationClosed.into()),
            (Registration::Invite, None) => Err(Code::InviteRequired.into()),
            // With an open door a stale invite in a link does no harm.
            (Registration::Open, _) => Ok(()),
            (Registration::Invite, Some(token)) => {
                let token = Some(token).filter(|token| token.len() <= limits::INVITE_TEXT_BYTES);
                let invite = token.and_then(|token| self.invites.get(&invite_hash(token)));
                if invite.is_some_and(|invite| invite.uses > 0 && invite.expires > self.now.date) {
                    Ok(())
                } else {
                    Err(Code::BadInvite.into())
                }
            }
        }
    }

    pub(super) fn registration_hashed(
        &mut self,
        attempt: Attempt,
        hash: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        match hash {
            Some(hash) => self.open_account(attempt, Some(hash), out),
            None => self.deny(&attempt, Code::Internal.into(), out),
        }
    }

    fn open_account(
        &mut self,
        mut attempt: Attempt,
        verifier: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let Some(name) = attempt.name.clone() else {
            return;
        };
        let id = AccountId(self.random.number());
        attempt.account = Some(id);
        let mut changes = Vec::new();
        // In the transaction that makes the account, so that a token is never used twice or in vain.
        if self.policy.registration == Registration::Invite
            && let Some(token) = &attempt.login.invite
        {
            changes.push(DirectoryChange::UseInvite(
                invite_hash(token),
                self.now.date,
            ));
        }
        changes.push(DirectoryChange::AddAccount(Account {
            id,
            name,
            verifier,
            rights: Rights::User,
            created: self.now.date,
        }));
        if attempt.login.enroll {
            changes.push(DirectoryChange::AddDevice(self.new_device(&attempt, id)));
        }
        self.write(Write::Change(changes), Pending::Enroll(attempt), out);
    }

    fn new_device(&self, attempt: &Attempt, account: AccountId) -> Device {
        Device {
            id: attempt.device,
            account,
            key: attempt.key,
            name: clip(&attempt.login.device, limits::DEVICE_NAME_BYTES).to_owned(),
            created: self.now.date,
            seen: self.now.date,
        }
    }

    pub(super) fn enroll_failed(
        &mut self,
        mut attempt: Attempt,
        fault: &Fault,
        out: &mut Vec<Effect>,
    ) {
        // The same device asked twice, over a link that it lost: the first one went through.
        if *fault == Fault::Taken && self.enrolled(&attempt) {
            attempt.account = None;
            return self.enter(attempt, out);
        }
        let refusal = match fault {
            // Somebody was faster, with the name or with the invite.
            Fault::Taken if attempt.login.register => match self.check_invite(&attempt.login) {
                Err(refusal) => refusal,
                Ok(()) => Code::NameTaken.into(),
            },
            Fault::Taken => Code::DeviceTaken.into(),
            fault => storage_refusal(fault),
        };
        self.deny(&attempt, refusal, out);
    }

    /// The device is who it says: lets it in.
    pub(super) fn enter(&mut self, attempt: Attempt, out: &mut Vec<Effect>) {
        let id = attempt.link;
        if self.gate.address(id).is_none() {
            return;
        }
        let enrolled = self.accounts.device_by_key(&attempt.key);
        let (account, device) = match (enrolled, attempt.account) {
            (Some(device), None) => (device.account, device.id),
            (Some(device), Some(account)) if device.account == account => (account, device.id),
            (_, Some(account)) => (account, attempt.device),
            (None, None) => return self.deny(&attempt, Code::Internal.into(), out),
        };
        let Some(state) = self.account(account) else {
            return self.deny(&attempt, Code::LoginFailed.into(), out);
        };
        let name = state.record.name.clone();
        // Also true for an account that the operator made, at its first login.
        let is_new = state.conversations.is_empty();
        let was_offline = state.links.is_empty();
        let ghosts: Vec<LinkId> = state
            .links
            .iter()
            .copied()
            .filter(|other| {
                let other = self.links.get(*other);
                other.is_some_and(|other| other.key == attempt.key)
            })
            .collect();
        if state.links.len() - ghosts.len() >= limits::LINKS_PER_ACCOUNT {
            let refusal = Refusal::because(
                Code::TooMany,
                "this account is connected too many times; close some of its clients",
            );
            return self.deny(&attempt, refusal, out);
        }
        self.gate.gone(id);
        // The new link is there before the ghost goes, so that nobody sees the account blink.
        self.links
            .insert(id, Link::new(account, device, attempt.key));
        if let Some(state) = self.accounts.get_mut(account) {
            if was_offline {
                state.state = PresenceState::Online;
                state.text.clear();
            }
            state.links.push(id);
        }
        for ghost in ghosts {
            self.close(
                ghost,
                ByeReason::Replaced,
                "this device logged in anew",
                out,
            );
        }
        let welcome = Welcome {
            account,
            name,
            device,
            date: self.now.date,
            durable: self.policy.durable,
            limits: welcome_limits(),
            capabilities: Vec::new(),
            extensions: crate::model::Extensions::default(),
        };
        out.push(Effect::Send(id, ToClient::Welcome(Box::new(welcome))));
        if enrolled_device(&self.accounts, device) {
            let seen = DirectoryChange::SeeDevice(device, self.now.date);
            self.write(Write::Change(vec![seen]), Pending::Nobody, out);
        }
        if was_offline {
            self.presence_changed(account, None);
        }
        if is_new {
            self.enter_lobby(account, out);
        }
    }

    pub(super) fn deny(&mut self, attempt: &Attempt, refusal: Refusal, out: &mut Vec<Effect>) {
        // It stays at the gate until its stream ends, so that it counts there.
        if self.gate.address(attempt.link).is_some() {
            out.push(Effect::Send(attempt.link, ToClient::Denied(refusal)));
            out.push(Effect::Close(attempt.link, None));
        }
    }

    pub(super) fn change_password(
        &mut self,
        asked: Asked,
        old: Option<String>,
        new: String,
        keep_devices: bool,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        if !password_fits(&new) {
            return Err(Code::BadPassword.into());
        }
        let Some(account) = self.account(asked.account) else {
            return Err(Code::Internal.into());
        };
        let name = account.record.name.as_str().to_owned();
        let verifier = account.record.verifier.clone();
        let tried = Tried::Password(name);
        self.gate.tries().check(&tried, self.now.time)?;
        if self.passwords_waiting >= limits::PASSWORD_QUEUE {
            return Err(Refusal::new(Code::Busy).retry_in(5000));
        }
        if verifier.is_some() {
            self.gate.tries().begin(tried.clone());
        }
        self.passwords_waiting += 1;
        let change = PasswordChange {
            asked,
            tried,
            new,
            keep_devices,
        };
        match (verifier, old) {
            (Some(verifier), old) => {
                let ticket = self.ticket(Pending::OldPassword(change));
                out.push(Effect::Verify(
                    ticket,
                    old.unwrap_or_default(),
                    Some(verifier),
                ));
            }
            // Registered by key alone: the key is what shows who it is.
            (None, _) => {
                let new = change.new.clone();
                let ticket = self.ticket(Pending::NewPassword(change));
                out.push(Effect::Hash(ticket, new));
            }
        }
        Ok(None)
    }

    pub(super) fn old_password_verified(
        &mut self,
        change: PasswordChange,
        good: bool,
        out: &mut Vec<Effect>,
    ) {
        self.gate.tries().end(&change.tried);
        if !good {
            let asked = change.asked;
            self.gate.tries().count(change.tried, self.now.time);
            let refusal = Refusal::because(Code::LoginFailed, "the old password is wrong");
            return self.answer(asked, Err(refusal), out);
        }
        self.passwords_waiting += 1;
        let new = change.new.clone();
        let ticket = self.ticket(Pending::NewPassword(change));
        out.push(Effect::Hash(ticket, new));
    }

    pub(super) fn new_password_hashed(
        &mut self,
        change: PasswordChange,
        hash: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let asked = change.asked;
        let Some(hash) = hash else {
            return self.answer(asked, Err(Code::Internal.into()), out);
        };
        let this = self.links.get(asked.link).map(|link| link.device);
        let mut changes = vec![DirectoryChange::SetVerifier(asked.account, Some(hash))];
        if !change.keep_devices
            && let Some(account) = self.account(asked.account)
        {
            let others = account
                .devices
                .iter()
                .filter(|device| Some(**device) != this);
            changes.extend(others.map(|device| DirectoryChange::RemoveDevice(*device)));
        }
        let keep = if change.keep_devices { None } else { this };
        self.write(Write::Change(changes), Pending::Password(asked, keep), out);
    }

    /// The password is written. With `keep`, links of all other devices end.
    pub(super) fn password_changed(
        &mut self,
        asked: Asked,
        keep: Option<DeviceId>,
        out: &mut Vec<Effect>,
    ) {
        self.answer(asked, Ok(Answer::Done), out);
        let Some(keep) = keep else { return };
        self.close_devices(
            asked.account,
            |device| device != keep,
            "the password was changed",
            out,
        );
    }

    pub(super) fn revoke_device(
        &mut self,
        asked: Asked,
        device: DeviceId,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        let known = self.accounts.device(device);
        if known.is_none_or(|known| known.account != asked.account) {
            return Err(Refusal::because(
                Code::BadRequest,
                "your account has no such device",
            ));
        }
        let change = DirectoryChange::RemoveDevice(device);
        // Its links end once that is on disk.
        self.write(Write::Change(vec![change]), Pending::Done(asked), out);
        Ok(None)
    }

    /// Ends the links of some devices of an account.
    pub(super) fn close_devices(
        &mut self,
        account: AccountId,
        which: impl Fn(DeviceId) -> bool,
        why: &str,
        out: &mut Vec<Effect>,
    ) {
        let Some(state) = self.account(account) else {
            return;
        };
        for id in state.links.clone() {
            if self.links.get(id).is_some_and(|link| which(link.device)) {
                self.close(id, ByeReason::Kicked, why, out);
            }
        }
    }
}

/// The hash under which an invite is stored: who steals the database gets no invites.
pub(super) fn invite_hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

pub(super) fn password_fits(password: &str) -> bool {
    (limits::PASSWORD_MIN_BYTES..=limits::PASSWORD_MAX_BYTES).contains(&password.len())
}

/// The longest prefix of at most so many bytes that ends between characters.
pub(super) fn clip(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn tried(attempt: &Attempt) -> Tried {
    let name = attempt.name.as_ref().map_or("", AccountName::as_str);
    Tried::Password(name.to_owned())
}

fn enrolled_device(accounts: &super::Accounts, device: DeviceId) -> bool {
    accounts.device(device).is_some()
}

const fn welcome_limits() -> WelcomeLimits {
    WelcomeLimits {
        sends: limits::SENDS,
        entry_credit: limits::ENTRY_CREDIT,
        text: limits::TEXT_BYTES as u32,
        frame: limits::FRAME_BYTES as u32,
        ping_ms: limits::PING_AFTER.as_millis() as u32,
        dead_ms: limits::DEAD_AFTER.as_millis() as u32,
    }
}

/// The address of links from this machine, whose number nobody has to be protected from: who is on
/// it can do worse.
const LOCAL: u64 = 0;
