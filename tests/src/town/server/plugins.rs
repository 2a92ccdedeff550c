//! What its plugins are asked.

use chat_engine::hub::Input;
use chat_engine::port::{Ask, FromHooks, Question, Verdict};
use chat_engine::{LinkId, Ticket};

use super::super::plugins::Plugins;
use super::super::world::{Due, World};

impl World {
    /// From now on there is a filter.
    pub(in crate::town) fn load_plugins(&mut self, plugins: Plugins) {
        self.plugins = Some(plugins);
        self.feed(Input::Hooks(FromHooks::Subscriptions(Plugins::wanted())));
    }

    pub(super) fn ask_plugins(&mut self, ask: &Ask) {
        let Some(plugins) = &mut self.plugins else {
            self.witness
                .complain("plugins are asked, and there are none");
            return;
        };
        let (verdict, wait, kept) = plugins.judge(ask, &self.disk.truth);
        if let Err(text) = kept {
            self.witness.complain(text);
        }
        self.tally.asked += 1;
        self.tally.rejected += u32::from(matches!(verdict, Verdict::Reject(_)));
        self.tally.modified += u32::from(matches!(verdict, Verdict::Modified(_)));
        let link = match &ask.question {
            Question::Entry(ask) => {
                // Also where its link has ended by then, and nobody hears of it.
                if let Verdict::Reject(_) = verdict {
                    self.witness.refuses(ask.id);
                }
                self.link_of_send(ask.id)
            }
            _ => None,
        };
        self.note(|| {
            let text = format!("asked {:?}: {verdict:?} after {wait:?}", ask.ticket);
            text.chars().take(200).collect()
        });
        let due = Due::Verdict(self.server.age, ask.ticket, verdict, link);
        self.after(wait, due);
    }

    pub(in crate::town) fn verdict(
        &mut self,
        ticket: Ticket,
        verdict: Verdict,
        link: Option<LinkId>,
    ) {
        self.tally.late += u32::from(link.is_some_and(|link| self.link_mut(link).is_none()));
        self.feed(Input::Hooks(FromHooks::Verdict(ticket, verdict)));
    }
}
