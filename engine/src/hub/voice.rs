//! What plugins say: entries of their own accounts, and notices.

use std::collections::{HashMap, VecDeque};

use super::appending::Origin;
use super::hooks::Speaker;
use super::login::clip;
use super::sending::Candidate;
use super::{AccountId, Effect, Hub, LinkId, Pending, limits, storage_refusal};
use crate::id::{ConversationId, SendId, Seq};
use crate::model::{Account, Code, Kind, Refusal, Rights, Time, ToClient};
use crate::port::{DirectoryChange, Fault, News, NoticeOut, NoticeTo, PluginName, Say, Write};

/// Plugins that have spoken.
#[derive(Debug, Default)]
pub(super) struct Voices(HashMap<PluginName, Voice>);

/// How much a plugin may say, and what waits for its account.
#[derive(Debug)]
struct Voice {
    /// What it may still say, in thousandths.
    left: u64,
    since: Time,
    /// Its operator was told that it says too much, since it last had the full measure.
    told: bool,
    /// The account is being made.
    waiting: VecDeque<Say>,
}

impl Voices {
    /// Whether a plugin may say one more thing now. Who is not known begins with the full measure.
    fn spend(&mut self, plugin: &PluginName, now: Time) -> Result<(), Refusal> {
        if !self.0.contains_key(plugin) {
            if self.0.len() >= limits::VOICES {
                // Those with a full measure are as good as unknown.
                self.0
                    .retain(|_, voice| voice.left(now) < FULL || !voice.waiting.is_empty());
            }
            if self.0.len() >= limits::VOICES {
                return Err(Code::TooMany.into());
            }
            let voice = Voice {
                left: FULL,
                since: now,
                told: false,
                waiting: VecDeque::new(),
            };
            self.0.insert(plugin.clone(), voice);
        }
        let Some(voice) = self.0.get_mut(plugin) else {
            return Err(Code::Internal.into());
        };
        voice.left = voice.left(now);
        voice.since = now;
        voice.told &= voice.left < FULL;
        if voice.left < ONE {
            let text = "a plugin may not say so much at once";
            let wait = 1000 / limits::VOICE_RATE;
            return Err(Refusal::because(Code::SlowDown, text).retry_in(wait));
        }
        voice.left -= ONE;
        Ok(())
    }

    /// Whether a refusal is to be told: a plugin must not fill the log by what is not even said.
    fn is_new(&mut self, plugin: &PluginName) -> bool {
        let voice = self.0.get_mut(plugin);
        voice.is_none_or(|voice| !std::mem::replace(&mut voice.told, true))
    }
}

impl Voice {
    fn left(&self, now: Time) -> u64 {
        let millis = u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX);
        let more = millis.saturating_mul(limits::VOICE_RATE.into());
        self.left.saturating_add(more).min(FULL)
    }
}

impl Hub {
    pub(super) fn handle_say(&mut self, say: Say, out: &mut Vec<Effect>) {
        let known = self.accounts.id_of(say.plugin.account());
        let refused = if self.draining.is_some() {
            Err(Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS))
        } else {
            self.hooks.voices.spend(&say.plugin, self.now.time)
        };
        match (refused, known) {
            (Err(refusal), _) => {
                let (plugin, token) = (say.plugin, say.token);
                out.push(said_of(plugin, token, Err(refusal)));
            }
            (Ok(()), Some(account)) => self.speak(account, say, out),
            (Ok(()), None) => self.open_voice(say, out),
        }
    }

    /// The first words of a plugin make its account.
    fn open_voice(&mut self, say: Say, out: &mut Vec<Effect>) {
        let plugin = say.plugin.clone();
        let Some(voice) = self.hooks.voices.0.get_mut(&plugin) else {
            return;
        };
        // No more than it may say at once.
        voice.waiting.push_back(say);
        if voice.waiting.len() > 1 {
            return;
        }
        let account = Account {
            id: AccountId(self.random.number()),
            name: plugin.account().clone(),
            verifier: None,
            rights: Rights::User,
            created: self.now.date,
        };
        let change = DirectoryChange::AddAccount(account);
        self.write(Write::Change(vec![change]), Pending::Voice(plugin), out);
    }

    pub(super) fn voice_opened(
        &mut self,
        plugin: &PluginName,
        failed: Option<&Fault>,
        out: &mut Vec<Effect>,
    ) {
        let Some(voice) = self.hooks.voices.0.get_mut(plugin) else {
            return;
        };
        for say in std::mem::take(&mut voice.waiting) {
            match (self.accounts.id_of(plugin.account()), failed) {
                (Some(account), _) => self.speak(account, say, out),
                (None, failed) => {
                    let refusal = failed.map_or_else(|| Code::Internal.into(), storage_refusal);
                    out.push(said_of(say.plugin, say.token, Err(refusal)));
                }
            }
        }
    }

    fn speak(&mut self, account: AccountId, say: Say, out: &mut Vec<Effect>) {
        let Say {
            plugin,
            token,
            target,
            id,
            body,
        } = say;
        let place = match self.voice_place(account, &target, body.kind) {
            Ok(place) => place,
            Err(refusal) => return out.push(said_of(plugin, token, Err(refusal))),
        };
        let id = id.unwrap_or_else(|| {
            let mut random = [0; 10];
            self.random.fill(&mut random);
            SendId::new(self.now.date, random)
        });
        let candidate = Candidate {
            from: account,
            conversation: place.0,
            other: place.1,
            id,
            body,
            origin: Origin::Say(account, token),
        };
        self.propose(Speaker::Plugin(account), candidate, out);
    }

    /// Where a plugin speaks: in any room, and to any account.
    fn voice_place(
        &self,
        account: AccountId,
        target: &crate::model::Target,
        kind: Kind,
    ) -> Result<(ConversationId, Option<AccountId>), Refusal> {
        use crate::model::Target;
        if kind == Kind::TOPIC {
            let text = "a plugin sets no topics";
            return Err(Refusal::because(Code::Forbidden, text));
        }
        let room = match target {
            Target::Room(name) => self.room_names.get(name).copied(),
            Target::Conversation(id) => self.rooms.contains_key(id).then_some(*id),
            Target::Account(_) => {
                let place = self.resolve(target, account)?;
                return Ok((place.conversation, place.other));
            }
        };
        let room = room.ok_or_else(|| Refusal::new(Code::NoSuchRoom))?;
        Ok((room, None))
    }

    /// What became of something that a plugin said.
    pub(super) fn said(
        &self,
        account: AccountId,
        token: u64,
        result: Result<(ConversationId, Seq), Refusal>,
        out: &mut Vec<Effect>,
    ) {
        let name = self.account(account).map(|state| state.record.name.clone());
        if let Some(plugin) = name.and_then(PluginName::of) {
            out.push(said_of(plugin, token, result));
        }
    }

    pub(super) fn handle_plugin_notice(&mut self, notice: NoticeOut, out: &mut Vec<Effect>) {
        let NoticeOut {
            plugin,
            to,
            text,
            about,
        } = notice;
        if let Err(refusal) = self.hooks.voices.spend(&plugin, self.now.time) {
            if self.hooks.voices.is_new(&plugin) {
                tracing::warn!(plugin = plugin.as_str(), %refusal, "notices are dropped");
            }
            return;
        }
        let links: Vec<LinkId> = match to {
            NoticeTo::Link(link) => vec![link],
            NoticeTo::Account(name) => {
                let state = self.accounts.id_of(&name).and_then(|id| self.account(id));
                state.map_or_else(Vec::new, |state| state.links.clone())
            }
            NoticeTo::Room(name) => {
                let id = self.room_names.get(&name);
                let room = id.and_then(|id| self.rooms.get(id));
                room.map_or_else(Vec::new, |room| {
                    let seats = room.seats.iter().filter(|seat| room.is_in(seat.account));
                    seats.map(|seat| seat.link).collect()
                })
            }
        };
        let from = plugin.account().as_str();
        let text = clip(&text, limits::NOTICE_BYTES);
        for link in links {
            // What is not about one of its conversations has no place on its screen.
            let Some(account) = self.links.get(link).map(|link| link.account) else {
                continue;
            };
            let conversation = about.as_ref().and_then(|about| {
                let id = self.find_room(about, account).ok()?;
                self.rooms.get(&id)?.is_in(account).then_some(id)
            });
            let notice = ToClient::Notice {
                from: from.to_owned(),
                text: text.to_owned(),
                conversation,
            };
            out.push(Effect::Send(link, notice));
        }
    }
}

fn said_of(
    plugin: PluginName,
    token: u64,
    result: Result<(ConversationId, Seq), Refusal>,
) -> Effect {
    Effect::Tell(News::Said {
        plugin,
        token,
        result,
    })
}

/// One thing that is said.
const ONE: u64 = 1000;
/// As much as may be said at once.
const FULL: u64 = limits::VOICE_BURST as u64 * ONE;
