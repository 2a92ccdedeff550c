//! Questions to plugins, and what comes of their verdicts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;

use super::change::Wish;
use super::file::Vetted;
use super::line::{Line, Ruling};
use super::login::{Attempt, clip};

use super::voice::Voices;
use super::{Asked, Effect, Hub, LinkId, limits};
use crate::id::{AccountId, BlobId, ConversationId, SendId, Ticket};
use crate::model::{
    Answer, Code, CommandItem, History, PresenceState, Refusal, RoomName, Target, Time, ToClient,
};
use crate::port::{
    Ask, AskPlace, CommandAsk, ConnectAsk, EntryAsk, FromHooks, HookSet, LoginAsk, PRESENCE_TEXT,
    Question, Subscriptions, Verdict,
};

/// What plugins want, and what they were asked.
#[derive(Debug, Default)]
pub(super) struct HookBook {
    wanted: HookSet,
    /// By name.
    commands: Vec<CommandItem>,
    questions: Slab<(Ticket, Awaited)>,
    /// When each question is given up, oldest first. Those that were answered are swept.
    order: VecDeque<(Time, Ticket)>,
    issued: u64,
    /// Lines of links that ended, and of plugins. Those of other links are in their holds.
    pub(super) lines: HashMap<(Speaker, ConversationId), Line>,
    /// Entries from their question until the store answered, and who waits for the same one: a send
    /// that comes again over another link meets no filter twice.
    pub(super) in_flight: HashMap<(AccountId, SendId), Vec<Ticket>>,
    /// What plugins refused, for those that come again because nobody heard of it. A restart of the
    /// server forgets them.
    rejected: HashMap<(AccountId, SendId), Refusal>,
    /// The same, oldest first.
    rejected_order: VecDeque<(AccountId, SendId)>,
    /// Bytes of entries that are asked about.
    pub(super) bytes: usize,
    pub(super) voices: Voices,
}

/// Who says the entries of a line.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Speaker {
    /// A link, also after it ended.
    Link(LinkId),
    /// The account of a plugin.
    Plugin(AccountId),
}

/// What a verdict is waited for.
#[derive(Debug)]
pub(super) enum Awaited {
    /// A stream waits at the gate.
    Connect(LinkId),
    /// Somebody who has shown who it is waits at the gate.
    Login(Box<Attempt>, Stage),
    /// An entry waits in a line.
    Line(Speaker, ConversationId),
    /// A change of a membership.
    Change(ConversationId, Box<Wish>),
    /// A new room.
    Create(Asked, Box<NewRoom>),
    /// A presence text.
    Presence(LinkId, PresenceState, String),
    /// A command.
    Command(Asked),
    /// An upload.
    File(BlobId, Vetted),
}

/// How far a login is when plugins are asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// The device's key is enrolled, or the account may be opened: nothing was done so far.
    First,
    /// The password was right.
    Proven,
}

/// A room that somebody wants to make.
#[derive(Debug)]
pub(super) struct NewRoom {
    pub(super) name: RoomName,
    pub(super) public: bool,
    pub(super) history: Option<History>,
}

impl HookBook {
    pub(super) const fn wants(&self, hooks: HookSet) -> bool {
        self.wanted.contains(hooks)
    }

    /// When the oldest question is given up.
    pub(super) fn due(&self) -> Option<Time> {
        self.order.front().map(|(due, _)| *due)
    }

    /// Whether one more question may be out.
    pub(super) fn has_room(&self) -> bool {
        self.questions.len() < limits::QUESTIONS && self.bytes < limits::ASK_BYTES
    }

    pub(super) fn is_in_flight(&self, account: AccountId, id: SendId) -> bool {
        !self.in_flight.is_empty() && self.in_flight.contains_key(&(account, id))
    }

    /// What a plugin said about an entry, if it refused it before.
    pub(super) fn rejected(&self, account: AccountId, id: SendId) -> Option<&Refusal> {
        self.rejected.get(&(account, id))
    }

    /// Remembers what a plugin refused, in place of what is the oldest.
    pub(super) fn remember(&mut self, account: AccountId, id: SendId, refusal: Refusal) {
        if self.rejected.insert((account, id), refusal).is_some() {
            return;
        }
        self.rejected_order.push_back((account, id));
        if self.rejected_order.len() > limits::REJECTED
            && let Some(oldest) = self.rejected_order.pop_front()
        {
            self.rejected.remove(&oldest);
        }
    }

    fn get(&self, ticket: Ticket) -> Option<&Awaited> {
        let (held, awaited) = self.questions.get(slot(ticket))?;
        (*held == ticket).then_some(awaited)
    }

    /// A ticket for something that a verdict is waited for.
    pub(super) fn ticket(&mut self, awaited: Awaited, now: Time) -> Ticket {
        let entry = self.questions.vacant_entry();
        self.issued += 1;
        // The lower bits are an index that is used again, the others make it new.
        let ticket = Ticket(self.issued << SLOT_BITS | entry.key() as u64);
        entry.insert((ticket, awaited));
        self.order.push_back((now + limits::HOOK_WAIT, ticket));
        ticket
    }

    fn take(&mut self, ticket: Ticket) -> Option<Awaited> {
        self.get(ticket)?;
        let (_, awaited) = self.questions.remove(slot(ticket));
        while let Some((_, oldest)) = self.order.front()
            && self.get(*oldest).is_none()
        {
            self.order.pop_front();
        }
        // One that is never answered must not keep all that came after it.
        if self.order.len() > 2 * self.questions.len() + 64 {
            let questions = &self.questions;
            self.order.retain(|(_, ticket)| {
                questions
                    .get(slot(*ticket))
                    .is_some_and(|(held, _)| held == ticket)
            });
        }
        Some(awaited)
    }

    fn overdue(&self, now: Time) -> Option<Ticket> {
        let (due, ticket) = self.order.front()?;
        (*due <= now).then_some(*ticket)
    }
}

impl Hub {
    /// What plugins want before anything happens.
    pub fn subscribe(&mut self, subscriptions: Subscriptions) {
        let Subscriptions {
            hooks,
            mut commands,
        } = subscriptions;
        commands.retain(|item| {
            let name = &item.name;
            let is_word = !name.is_empty() && !name.contains(|c: char| c.is_whitespace());
            is_word && name.len() <= limits::NAME_BYTES
        });
        commands.sort_by(|one, other| one.name.cmp(&other.name));
        commands.dedup_by(|one, other| one.name == other.name);
        commands.truncate(limits::COMMANDS);
        for item in &mut commands {
            let help = clip(&item.help, limits::COMMAND_HELP_BYTES).to_owned();
            item.help = help;
        }
        self.hooks.wanted = hooks;
        self.hooks.commands = commands;
    }

    pub(super) fn handle_hooks(&mut self, said: FromHooks, out: &mut Vec<Effect>) {
        match said {
            FromHooks::Verdict(ticket, verdict) => self.answered(ticket, verdict, out),
            FromHooks::Subscriptions(subscriptions) => self.subscribe(subscriptions),
            FromHooks::Say(say) => self.handle_say(*say, out),
            FromHooks::Notice(notice) => self.handle_plugin_notice(*notice, out),
        }
    }

    /// The port has stopped: nobody answers any more.
    pub(super) fn hooks_gone(&mut self, out: &mut Vec<Effect>) {
        self.subscribe(Subscriptions::default());
        while let Some((_, ticket)) = self.hooks.order.front().copied() {
            self.answered(ticket, gave_up("the plugins have stopped"), out);
        }
    }

    /// Questions that are too old are answered by us.
    pub(super) fn give_up(&mut self, out: &mut Vec<Effect>) {
        while let Some(ticket) = self.hooks.overdue(self.now.time) {
            tracing::warn!(
                ticket = ticket.0,
                "no verdict of the plugins; giving up on it"
            );
            self.answered(ticket, gave_up("no plugin answered in time"), out);
        }
    }

    /// What became of the same entry, which came before.
    pub(super) fn joined(&mut self, ticket: Ticket, ruling: Ruling, out: &mut Vec<Effect>) {
        if let Some(Awaited::Line(speaker, conversation)) = self.hooks.take(ticket) {
            self.line_answered(speaker, conversation, ticket, ruling, out);
        }
    }

    pub(super) fn question(&mut self, awaited: Awaited, question: Question, out: &mut Vec<Effect>) {
        let ticket = self.hooks.ticket(awaited, self.now.time);
        out.push(Effect::Ask(Ask { ticket, question }));
    }

    /// A verdict. One that comes too late, or twice, has no question.
    pub(super) fn answered(&mut self, ticket: Ticket, verdict: Verdict, out: &mut Vec<Effect>) {
        let Some(awaited) = self.hooks.take(ticket) else {
            return;
        };
        match awaited {
            Awaited::Connect(link) => self.connect_answered(link, verdict, out),
            Awaited::Login(attempt, stage) => match refusal(verdict) {
                Some(refusal) => self.deny(&attempt, refusal, out),
                None => self.login_vetted(*attempt, stage, out),
            },
            Awaited::Line(speaker, conversation) => {
                self.line_answered(speaker, conversation, ticket, verdict.into(), out);
            }
            Awaited::Change(conversation, wish) => {
                self.change_answered(conversation, *wish, verdict, out);
            }
            Awaited::Create(asked, room) => {
                let answer = match refusal(verdict) {
                    Some(refusal) => Err(refusal),
                    None => self.make_room(asked, *room, out),
                };
                if let Some(answer) = answer.transpose() {
                    self.answer(asked, answer, out);
                }
            }
            Awaited::Presence(link, state, text) => {
                self.presence_answered(link, state, text, verdict, out);
            }
            Awaited::Command(asked) => self.command_answered(asked, verdict, out),
            Awaited::File(blob, step) => self.file_answered(blob, step, verdict, out),
        }
    }

    // Streams.

    /// Asks about a stream that was just accepted.
    pub(super) fn ask_connect(&mut self, link: LinkId, address: String, out: &mut Vec<Effect>) {
        if !self.hooks.wants(HookSet::CONNECT) || self.gate.address(link).is_none() {
            return;
        }
        // More than anybody can be asked about is a flood; who comes later finds the door open again.
        if !self.hooks.has_room() {
            self.gate.gone(link);
            out.push(Effect::Close(link, None));
            return;
        }
        self.gate.ask(link);
        let ask = ConnectAsk { link, address };
        self.question(
            Awaited::Connect(link),
            Question::Connect(Arc::new(ask)),
            out,
        );
    }

    fn connect_answered(&mut self, link: LinkId, verdict: Verdict, out: &mut Vec<Effect>) {
        let reason = match verdict {
            Verdict::Reject(reason) => Some(reason),
            // A fault of ours is no reason to lock people out: their login is asked about, too.
            _ => None,
        };
        if reason.as_deref() == Some("") {
            self.gate.gone(link);
            out.push(Effect::Close(link, None));
            return;
        }
        // It may have said meanwhile who it is.
        if let Some((key, login)) = self.gate.vetted(link, reason) {
            self.handle_login(link, key, login, out);
        }
    }

    // Logins.

    /// Asks about a login, unless nobody wants to know. `None` when it was handed over.
    pub(super) fn vet(
        &mut self,
        attempt: Attempt,
        stage: Stage,
        out: &mut Vec<Effect>,
    ) -> Option<Attempt> {
        if attempt.vetted || !self.hooks.wants(HookSet::LOGIN) {
            return Some(attempt);
        }
        let Some(name) = attempt.name.clone() else {
            return Some(attempt);
        };
        if !self.hooks.has_room() {
            let refusal = Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS);
            self.deny(&attempt, refusal, out);
            return None;
        }
        let ask = LoginAsk {
            link: attempt.link,
            name,
            device: clip(&attempt.login.device, limits::DEVICE_NAME_BYTES).to_owned(),
            register: attempt.login.register && matches!(stage, Stage::First),
        };
        let mut attempt = Box::new(attempt);
        attempt.vetted = true;
        let awaited = Awaited::Login(attempt, stage);
        self.question(awaited, Question::Login(Arc::new(ask)), out);
        None
    }

    // Presence texts.

    /// Asks about a presence text; later ones of the link wait, and the last of them counts.
    pub(super) fn ask_presence(
        &mut self,
        link: LinkId,
        state: PresenceState,
        text: &str,
        out: &mut Vec<Effect>,
    ) {
        let Some(held) = self.links.get(link) else {
            return;
        };
        let account = held.account;
        let Some(from) = self.account(account) else {
            return;
        };
        let ask = EntryAsk {
            conversation: ConversationId::default(),
            place: AskPlace::Nowhere,
            from: account,
            from_name: from.record.name.clone(),
            id: SendId::default(),
            time: self.now.date,
            body: crate::model::Body {
                kind: PRESENCE_TEXT,
                data: text.as_bytes().to_vec(),
                ..crate::model::Body::default()
            },
        };
        if !self.hooks.has_room() {
            return self.set_presence(account, state, "");
        }
        if let Some(held) = self.links.get_mut(link) {
            held.presence = Some(None);
        }
        let awaited = Awaited::Presence(link, state, text.to_owned());
        self.question(awaited, Question::Entry(Arc::new(ask)), out);
    }

    fn presence_answered(
        &mut self,
        id: LinkId,
        state: PresenceState,
        text: String,
        verdict: Verdict,
        out: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let account = link.account;
        let next = link.presence.take().flatten();
        match verdict {
            Verdict::Modified(data) => match String::from_utf8(data) {
                Ok(text) => self.set_presence(account, state, &text),
                Err(_) => tracing::warn!("a plugin made a presence text that is not UTF-8"),
            },
            Verdict::Pass | Verdict::Handled => self.set_presence(account, state, &text),
            // What it is stays true, also where nobody can tell about the words.
            Verdict::Fault(_) => self.set_presence(account, state, ""),
            Verdict::Reject(reason) => {
                self.set_presence(account, state, "");
                if !reason.is_empty() {
                    let notice = ToClient::Notice {
                        from: "server".to_owned(),
                        text: reason,
                        conversation: None,
                    };
                    out.push(Effect::Send(id, notice));
                }
            }
        }
        if let Some((state, text)) = next {
            self.handle_presence(id, state, text, out);
        }
    }

    // Commands.

    pub(super) fn list_commands(&self) -> Answer {
        Answer::Commands(self.hooks.commands.clone())
    }

    pub(super) fn run_command(
        &mut self,
        asked: Asked,
        target: Option<&Target>,
        name: String,
        args: String,
        out: &mut Vec<Effect>,
    ) -> Result<Option<Answer>, Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::new(Code::Draining).retry_in(limits::BUSY_RETRY_MS));
        }
        let commands = &self.hooks.commands;
        let known = commands.binary_search_by(|item| item.name.as_str().cmp(&name));
        if known.is_err() {
            let name = clip(&name, limits::NAME_BYTES);
            let text = if commands.is_empty() {
                format!("there is no command \"{name}\"; this server has no commands")
            } else {
                format!("there is no command \"{name}\"; /commands lists those that there are")
            };
            return Err(Refusal::because(Code::NoSuchCommand, text));
        }
        if args.len() > limits::COMMAND_BYTES {
            let text = "what follows the command is too long";
            return Err(Refusal::because(Code::TooLong, text));
        }
        let conversation = match target {
            Some(target) => {
                let id = self.find_room(target, asked.account)?;
                let room = self.rooms.get(&id);
                if !room.is_some_and(|room| room.is_in(asked.account)) {
                    return Err(Code::NotAMember.into());
                }
                Some(id)
            }
            None => None,
        };
        let Some(from) = self.account(asked.account) else {
            return Err(Code::Internal.into());
        };
        let ask = CommandAsk {
            link: asked.link,
            from: asked.account,
            from_name: from.record.name.clone(),
            conversation,
            place: conversation.map_or(AskPlace::Nowhere, |id| {
                self.ask_place(id, asked.account, None)
            }),
            name,
            args,
        };
        if !self.hooks.has_room() {
            return Err(Refusal::new(Code::Busy).retry_in(limits::BUSY_RETRY_MS));
        }
        if let Some(link) = self.links.get_mut(asked.link) {
            link.commands += 1;
        }
        let question = Question::Command(Arc::new(ask));
        self.question(Awaited::Command(asked), question, out);
        Ok(None)
    }

    fn command_answered(&mut self, asked: Asked, verdict: Verdict, out: &mut Vec<Effect>) {
        if let Some(link) = self.links.get_mut(asked.link) {
            link.commands = link.commands.saturating_sub(1);
        }
        let answer = match verdict {
            Verdict::Handled => Ok(Answer::Done),
            Verdict::Pass | Verdict::Modified(_) => Err(Refusal::because(
                Code::NoSuchCommand,
                "the plugin that has this command did not take it",
            )),
            Verdict::Reject(reason) => Err(Refusal::because(Code::Rejected, reason)),
            // It may have been done all the same: nobody should ask again without looking.
            Verdict::Fault(text) => Err(Refusal::because(Code::Internal, text)),
        };
        self.answer(asked, answer, out);
    }

    /// What a conversation is, for a question. `other` is for a direct one that does not exist so far.
    pub(super) fn ask_place(
        &self,
        conversation: ConversationId,
        account: AccountId,
        other: Option<AccountId>,
    ) -> AskPlace {
        let room = self.rooms.get(&conversation);
        if let Some(name) = room.and_then(|room| room.record.name.clone()) {
            return AskPlace::Room(name);
        }
        let peer = room.and_then(|room| room.members.keys().copied().find(|id| *id != account));
        let peer = peer.or(other).unwrap_or(account);
        self.account(peer).map_or(AskPlace::Nowhere, |state| {
            AskPlace::Direct(state.record.name.clone())
        })
    }
}

/// What a rejection or a fault comes to; `None` if it may happen.
pub(super) fn refusal(verdict: Verdict) -> Option<Refusal> {
    match verdict {
        Verdict::Reject(reason) => Some(Refusal::because(
            Code::Rejected,
            clip(&reason, limits::REASON_BYTES),
        )),
        Verdict::Fault(text) => {
            Some(Refusal::because(Code::Busy, text).retry_in(limits::BUSY_RETRY_MS))
        }
        Verdict::Pass | Verdict::Modified(_) | Verdict::Handled => None,
    }
}

fn gave_up(why: &str) -> Verdict {
    Verdict::Fault(format!("{why}; try again"))
}

fn slot(ticket: Ticket) -> usize {
    (ticket.0 & ((1 << SLOT_BITS) - 1)) as usize
}

/// Questions that can be out at a time, as bits: far more than [`limits::ASK_BYTES`] and the links allow.
const SLOT_BITS: u32 = 24;
