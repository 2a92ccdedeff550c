//! A question's way through its chain of filters, and what comes of it.

use std::sync::Arc;

use chat_engine::port::{Ask, AskPlace, FromHooks, Question, Verdict};
use chat_engine::{AccountName, ConversationId, LinkId, Ticket};
use chat_plugin_abi as abi;

use crate::ask::{Asking, with_text};
use crate::desk::Desk;
use crate::frame::Answer;
use crate::limits;
use crate::settings::OnError;
use crate::shown::{Field, Shown};
use crate::slot::{SlotId, What, hook_name};

/// A question on its way through its chain.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) ticket: Ticket,
    pub(crate) hook: u32,
    pub(crate) shown: Arc<Shown>,
    pub(crate) direct: bool,
    pub(crate) own: Option<String>,
    pub(crate) chain: Arc<[SlotId]>,
    pub(crate) at: usize,
    pub(crate) modified: bool,
    /// Who is answered by a reply, and about what.
    pub(crate) caller: Caller,
    pub(crate) conversation: Option<ConversationId>,
}

#[derive(Clone, Debug)]
pub(crate) enum Caller {
    Nobody,
    Link(LinkId),
    Account(AccountName),
}

impl Desk {
    /// Begins with a question.
    pub(crate) fn begin(&mut self, ask: Ask, prepared: Option<Asking>) {
        let Some(asking) = prepared else {
            self.out.push(FromHooks::Verdict(ask.ticket, Verdict::Pass));
            return;
        };
        let chain: Arc<[SlotId]> = match &asking.command {
            Some(name) => self.commands.get(name).copied().into_iter().collect(),
            None => match self.chains.get(&asking.hook) {
                Some(chain) => Arc::clone(chain),
                None => Arc::default(),
            },
        };
        let caller = match &ask.question {
            Question::Command(command) => Caller::Link(command.link),
            Question::Entry(entry) => Caller::Account(entry.from_name.clone()),
            Question::File(file) => Caller::Account(file.from_name.clone()),
            _ => Caller::Nobody,
        };
        let (conversation, place) = match &ask.question {
            Question::Command(command) => (command.conversation, Some(&command.place)),
            Question::Entry(entry) => (Some(entry.conversation), Some(&entry.place)),
            Question::File(file) => (Some(file.conversation), Some(&file.place)),
            _ => (None, None),
        };
        let conversation = conversation.filter(|_| place != Some(&AskPlace::Nowhere));
        let key = self.asked.insert(Asked {
            ticket: ask.ticket,
            hook: asking.hook,
            shown: asking.shown,
            direct: asking.direct,
            own: asking.own,
            chain,
            at: 0,
            modified: false,
            caller,
            conversation,
        });
        self.step(key);
    }

    /// Goes on with a question until somebody is to be waited for, or all have answered.
    fn step(&mut self, key: usize) {
        while let Some(asked) = self.asked.get(key) {
            let Some(&id) = asked.chain.get(asked.at) else {
                let verdict = match (asked.modified, asked.shown.text(Field::Text)) {
                    (true, Some(text)) => Verdict::Modified(text.as_bytes().to_vec()),
                    _ => Verdict::Pass,
                };
                self.end(key, verdict);
                return;
            };
            let slot = self.slots.get(&id).filter(|slot| slot.is_asked());
            let skipped = slot.is_none_or(|slot| {
                let own = asked.own.as_deref() == Some(slot.name.as_str());
                let hidden = asked.direct && slot.capabilities() & abi::CHAT_CAP_READ_DIRECT == 0;
                own || hidden
            });
            if skipped {
                self.next(key);
                continue;
            }
            let what = What::Ask {
                key,
                shown: Arc::clone(&asked.shown),
            };
            if self.call(id, what) {
                return;
            }
            // Nobody is there who could answer.
            let why = "it does not run".to_owned();
            if !self.decide_by_on_error(id, key, &why) {
                return;
            }
        }
    }

    fn next(&mut self, key: usize) {
        if let Some(asked) = self.asked.get_mut(key) {
            asked.at += 1;
        }
    }

    fn end(&mut self, key: usize, verdict: Verdict) {
        if let Some(mut asked) = self.asked.try_remove(key) {
            self.out.push(FromHooks::Verdict(asked.ticket, verdict));
            let is_over = Arc::get_mut(&mut asked.shown).is_some_and(|shown| shown.is_small());
            if is_over && self.blanks.len() < limits::BLANKS {
                self.blanks.push(asked.shown);
            }
        }
    }

    /// What a fault comes to. Says whether the chain goes on.
    fn decide_by_on_error(&mut self, id: SlotId, key: usize, why: &str) -> bool {
        let hook = self.asked.get(key).map_or(0, |asked| asked.hook);
        let Some(slot) = self.slots.get(&id) else {
            self.next(key);
            return true;
        };
        match slot.on_error(hook) {
            OnError::Pass => {
                self.next(key);
                true
            }
            OnError::Reject => {
                let name = slot.name.as_str();
                tracing::debug!(plugin = name, why, "refused for now");
                let text = format!("the plugin {name} can't answer now");
                self.end(key, Verdict::Fault(text));
                false
            }
        }
    }

    /// A filter failed on a question.
    pub(crate) fn fail(&mut self, id: SlotId, key: usize, why: &str) {
        if self.decide_by_on_error(id, key, why) {
            self.step(key);
        }
    }

    /// A filter answered.
    pub(crate) fn answered(&mut self, id: SlotId, key: usize, answer: Answer) {
        let Some(asked) = self.asked.get_mut(key) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(&id) else {
            self.next(key);
            self.step(key);
            return;
        };
        let hook = asked.hook;
        let capabilities = slot.capabilities();
        let may = |capability: u64| capabilities & capability != 0;
        match (answer.verdict, answer.text) {
            (abi::CHAT_PASS, _) => {}
            (abi::CHAT_MODIFIED, _) if !may(abi::CHAT_CAP_MODIFY) => {
                if slot.first_time(1) {
                    tracing::warn!(
                        plugin = slot.name.as_str(),
                        "it wants to change a text, without the capability for that"
                    );
                }
            }
            (abi::CHAT_MODIFIED, Some(text))
                if hook == abi::CHAT_HOOK_ENTRY && asked.shown.text(Field::Text).is_some() =>
            {
                asked.shown = Arc::new(with_text(&asked.shown, &text));
                asked.modified = true;
            }
            (abi::CHAT_MODIFIED, None) => {
                self.fault(id, "it answered CHAT_MODIFIED without set_text");
                self.fail(id, key, "a fault");
                return;
            }
            (abi::CHAT_MODIFIED, Some(_)) => {
                self.fault(id, "it changed what has no text");
                self.fail(id, key, "a fault");
                return;
            }
            (abi::CHAT_REJECT, _)
                if !may(abi::CHAT_CAP_REJECT) && hook != abi::CHAT_HOOK_COMMAND =>
            {
                if slot.first_time(2) {
                    tracing::warn!(
                        plugin = slot.name.as_str(),
                        "it wants to refuse, without the capability for that"
                    );
                }
            }
            (abi::CHAT_REJECT, _) => {
                slot.stats.rejects += 1;
                self.end(key, Verdict::Reject(answer.reason.unwrap_or_default()));
                return;
            }
            (abi::CHAT_HANDLED, _) if hook == abi::CHAT_HOOK_COMMAND => {
                self.end(key, Verdict::Handled);
                return;
            }
            (verdict, _) => {
                let hook = hook_name(hook);
                let why = match verdict {
                    ..0 => format!("its {hook} hook reported a fault ({verdict})"),
                    _ => format!("its {hook} hook answered {verdict}, which is no verdict there"),
                };
                self.fault(id, &why);
                self.fail(id, key, &why);
                return;
            }
        }
        self.next(key);
        self.step(key);
    }
}
