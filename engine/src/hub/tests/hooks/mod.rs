//! Plugins are asked, and answer when and how they like.

mod again;
mod entries;
mod files;
mod login;
mod order;
mod rights;
mod voice;

use super::*;
use crate::model::{CommandItem, Kind, MemberChange};
use crate::port::{
    AskPlace, EntryAsk, FileStage, FromHooks, HookSet, News, NoticeOut, NoticeTo, PRESENCE_TEXT,
    PluginName, Question, Say, Subscriptions, Verdict,
};

impl House {
    fn wants(&mut self, hooks: HookSet) {
        self.input(Input::Hooks(FromHooks::Subscriptions(Subscriptions {
            hooks,
            commands: Vec::new(),
        })));
    }

    fn has_commands(&mut self, names: &[&str]) {
        let item = |name: &&str| CommandItem {
            name: (*name).to_owned(),
            help: format!("does {name}"),
        };
        self.input(Input::Hooks(FromHooks::Subscriptions(Subscriptions {
            hooks: HookSet::NONE,
            commands: names.iter().map(item).collect(),
        })));
    }

    /// What was asked so far, in words; the questions stay.
    fn asked(&self) -> Vec<String> {
        self.asks
            .iter()
            .map(|ask| question(&ask.question))
            .collect()
    }

    /// Answers the question that is `index` in the list of the open ones.
    fn rule(&mut self, index: usize, verdict: Verdict) {
        let ask = self.asks.remove(index).expect("a question");
        self.input(Input::Hooks(FromHooks::Verdict(ask.ticket, verdict)));
    }

    fn pass(&mut self, index: usize) {
        self.rule(index, Verdict::Pass);
    }

    fn reject(&mut self, index: usize, reason: &str) {
        self.rule(index, Verdict::Reject(reason.into()));
    }

    /// A link breaks, and its device comes back.
    fn back(&mut self, link: LinkId, name: &str) -> LinkId {
        self.cut(link);
        let link = self.log_in(name);
        self.mail.remove(&link);
        link
    }

    /// The sentence of the last refusal.
    fn why(&mut self, link: LinkId) -> String {
        let mail = self.mail(link);
        let why = mail.into_iter().rev().find_map(|told| match told {
            ToClient::Error(_, refusal) | ToClient::Denied(refusal) => Some(refusal.text),
            _ => None,
        });
        why.expect("a refusal")
    }
}

fn question(question: &Question) -> String {
    match question {
        Question::Connect(ask) => format!("connect {}", ask.address),
        Question::Login(ask) => {
            let register = if ask.register { "register" } else { "login" };
            format!("{register} {} on {}", ask.name, ask.device)
        }
        Question::Entry(ask) => entry_question(ask),
        Question::Command(ask) => {
            format!(
                "{} calls {} with {:?} in {}",
                ask.from_name,
                ask.name,
                ask.args,
                place(&ask.place)
            )
        }
        Question::File(ask) => {
            let stage = match ask.stage {
                FileStage::Offer => "offers",
                FileStage::Complete => "has sent",
            };
            let place = place(&ask.place);
            format!("{} {stage} {} in {place}", ask.from_name, ask.offer.name)
        }
    }
}

fn entry_question(ask: &EntryAsk) -> String {
    let what = match ask.body.content() {
        Content::Member(MemberChange { change, name, .. }) => format!("{} {name}", change.as_str()),
        _ => match ask.text() {
            Some(text) => format!("kind {} {text:?}", ask.body.kind.0),
            None => format!("kind {}", ask.body.kind.0),
        },
    };
    format!("{} in {}: {what}", ask.from_name, place(&ask.place))
}

fn place(place: &AskPlace) -> String {
    match place {
        AskPlace::Room(name) => format!("#{name}"),
        AskPlace::Direct(name) => format!("@{name}"),
        AskPlace::Nowhere => "nowhere".into(),
    }
}

/// Ann and bob in a room, and plugins that want these.
fn lobby_with(hooks: HookSet) -> (House, LinkId, LinkId) {
    let (mut house, ann, bob) = lobby();
    house.wants(hooks);
    (house, ann, bob)
}
