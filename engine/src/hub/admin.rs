//! What the operator may do while the server runs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::change::{By, Wish};
use super::login::{invite_hash, password_fits};
use super::{Effect, Hub, Pending, limits, storage_refusal};
use crate::id::AccountId;
use crate::model::{
    Account, AccountItem, AccountName, Admin, AdminAnswer, ByeReason, Code, Invite, PresenceState,
    Refusal, Rights,
};
use crate::port::{DirectoryChange, Fault, Write};

impl Hub {
    pub(super) fn handle_admin(&mut self, id: u64, wish: Admin, out: &mut Vec<Effect>) {
        if let Err(refusal) = self.do_admin(id, wish, out) {
            out.push(Effect::Admin(id, Err(refusal)));
        }
    }

    fn do_admin(&mut self, id: u64, wish: Admin, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        if self.draining.is_some() {
            return Err(Code::Draining.into());
        }
        match wish {
            // The driver takes these to where the plugins are.
            Admin::Plugins | Admin::ReloadPlugin { .. } => {
                return Err(Refusal::because(
                    Code::NotSupported,
                    "this server has no plugins",
                ));
            }
            Admin::AddAccount {
                name,
                password,
                rights,
            } => {
                if self.accounts.id_of(&name).is_some() {
                    return Err(Code::NameTaken.into());
                }
                if self.accounts.len() >= limits::ACCOUNTS {
                    return Err(Code::TooMany.into());
                }
                match password {
                    Some(password) => {
                        self.admin_hash(
                            id,
                            password,
                            |password| Admin::AddAccount {
                                name,
                                password: Some(password),
                                rights,
                            },
                            out,
                        )?;
                    }
                    None => self.admin_add(id, name, None, rights, out),
                }
            }
            Admin::SetPassword { name, password } => {
                self.known(&name)?;
                self.admin_hash(
                    id,
                    password,
                    |password| Admin::SetPassword { name, password },
                    out,
                )?;
            }
            Admin::RemoveAccount { name } => {
                let account = self.known(&name)?;
                let links = self.account(account).map(|state| state.links.clone());
                for link in links.unwrap_or_default() {
                    self.close(link, ByeReason::Banned, "this account was deleted", out);
                }
                // Before its rooms forget it, or nobody would hear that it is gone.
                self.flush_presence(out);
                self.leave_everything(account, out);
                let change = DirectoryChange::RemoveAccount(account);
                self.admin_write(id, vec![change], AdminAnswer::Done, out);
            }
            Admin::SetRights { name, rights } => {
                let account = self.known(&name)?;
                let change = DirectoryChange::SetRights(account, rights);
                self.admin_write(id, vec![change], AdminAnswer::Done, out);
            }
            Admin::Rooms { after } => {
                let answer = self.operator_rooms(after.as_deref());
                out.push(Effect::Admin(id, Ok(answer)));
            }
            Admin::Members { room, after } => {
                let answer = self.operator_members(&room, after.as_deref())?;
                out.push(Effect::Admin(id, Ok(answer)));
            }
            Admin::Change { .. } => self.operator_change(id, wish, out)?,
            Admin::SetRegistration(registration) => {
                self.policy.registration = registration;
                out.push(Effect::Admin(id, Ok(AdminAnswer::Done)));
            }
            Admin::Stats => {
                let answer = AdminAnswer::Stats(self.stats());
                out.push(Effect::Admin(id, Ok(answer)));
            }
            Admin::Accounts { after, limit } => {
                let items = self
                    .accounts
                    .after(after.as_ref())
                    .take(limit.min(limits::PAGE_ITEMS));
                let items = items.map(|account| AccountItem {
                    name: account.record.name.clone(),
                    rights: account.record.rights,
                    created: account.record.created,
                    devices: account.devices.len() as u32,
                    online: account.presence() != PresenceState::Offline,
                    password: account.record.verifier.is_some(),
                });
                out.push(Effect::Admin(
                    id,
                    Ok(AdminAnswer::Accounts(items.collect())),
                ));
            }
            Admin::Invite { uses, lasts } => {
                if uses == 0 || lasts.is_zero() {
                    return Err(Refusal::because(
                        Code::BadRequest,
                        "an invite has at least one use and some time to live",
                    ));
                }
                let mut token = [0; limits::INVITE_BYTES];
                self.random.fill(&mut token);
                let token = URL_SAFE_NO_PAD.encode(token);
                let expires = self.now.date + lasts;
                let invite = Invite {
                    hash: invite_hash(&token),
                    uses,
                    expires,
                };
                let change = DirectoryChange::AddInvite(invite);
                self.admin_write(id, vec![change], AdminAnswer::Invite(token), out);
            }
        }
        Ok(())
    }

    /// A membership as the operator wants it, in the name of the server's own account. The first change
    /// makes that account.
    fn operator_change(
        &mut self,
        id: u64,
        wish: Admin,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Some(actor) = self.accounts.id_of(&AccountName::server()) else {
            let account = Account {
                id: AccountId(self.random.number()),
                name: AccountName::server(),
                verifier: None,
                rights: Rights::User,
                created: self.now.date,
            };
            let change = DirectoryChange::AddAccount(account);
            self.write(
                Write::Change(vec![change]),
                Pending::Operator(id, wish),
                out,
            );
            return Ok(());
        };
        let Admin::Change {
            room,
            account,
            change,
            role,
            seconds,
        } = wish
        else {
            return Err(Code::Internal.into());
        };
        let conversation = self.room_names.get(&room).copied();
        let conversation = conversation.ok_or_else(|| Refusal::new(Code::NoSuchRoom))?;
        let wish = Wish {
            by: By::Operator(id),
            actor,
            account: Some(account),
            change,
            role,
            seconds,
            vetted: false,
        };
        if self.wish_change(conversation, wish, out)?.is_some() {
            out.push(Effect::Admin(id, Ok(AdminAnswer::Done)));
        }
        Ok(())
    }

    /// The server's own account is made, or it could not be. Another wish may have made it meanwhile.
    pub(super) fn operator_made(
        &mut self,
        id: u64,
        wish: Admin,
        failed: Option<&Fault>,
        out: &mut Vec<Effect>,
    ) {
        match (self.accounts.id_of(&AccountName::server()), failed) {
            (Some(_), _) => self.handle_admin(id, wish, out),
            (None, failed) => {
                let refusal = failed.map_or_else(|| Code::Internal.into(), storage_refusal);
                out.push(Effect::Admin(id, Err(refusal)));
            }
        }
    }

    fn known(&self, name: &AccountName) -> Result<AccountId, Refusal> {
        self.accounts
            .id_of(name)
            .ok_or_else(|| Code::NoSuchAccount.into())
    }

    /// Has a password hashed; [`admin_hashed`](Self::admin_hashed) goes on with the wish, in which
    /// the hash then stands for the password.
    fn admin_hash(
        &mut self,
        id: u64,
        password: String,
        wish: impl FnOnce(String) -> Admin,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if !password_fits(&password) {
            return Err(Code::BadPassword.into());
        }
        self.passwords_waiting += 1;
        let ticket = self.ticket(Pending::AdminHash(id, wish(String::new())));
        out.push(Effect::Hash(ticket, password));
        Ok(())
    }

    pub(super) fn admin_hashed(
        &mut self,
        id: u64,
        wish: Admin,
        hash: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let Some(hash) = hash else {
            out.push(Effect::Admin(id, Err(Code::Internal.into())));
            return;
        };
        match wish {
            Admin::AddAccount { name, rights, .. } => {
                self.admin_add(id, name, Some(hash), rights, out)
            }
            Admin::SetPassword { name, .. } => {
                let Ok(account) = self.known(&name) else {
                    out.push(Effect::Admin(id, Err(Code::NoSuchAccount.into())));
                    return;
                };
                let mut changes = vec![DirectoryChange::SetVerifier(account, Some(hash))];
                let devices = self.account(account).map(|state| state.devices.clone());
                let devices = devices.unwrap_or_default();
                changes.extend(devices.into_iter().map(DirectoryChange::RemoveDevice));
                self.admin_write(id, changes, AdminAnswer::Done, out);
                self.close_devices(account, |_| true, "the operator set a new password", out);
            }
            _ => {}
        }
    }

    fn admin_add(
        &mut self,
        id: u64,
        name: AccountName,
        verifier: Option<String>,
        rights: crate::model::Rights,
        out: &mut Vec<Effect>,
    ) {
        let account = Account {
            id: AccountId(self.random.number()),
            name,
            verifier,
            rights,
            created: self.now.date,
        };
        let change = DirectoryChange::AddAccount(account);
        self.admin_write(id, vec![change], AdminAnswer::Done, out);
    }

    fn admin_write(
        &mut self,
        id: u64,
        changes: Vec<DirectoryChange>,
        answer: AdminAnswer,
        out: &mut Vec<Effect>,
    ) {
        self.write(Write::Change(changes), Pending::AdminWrite(id, answer), out);
    }
}
