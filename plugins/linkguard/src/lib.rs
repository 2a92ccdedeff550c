//! Link guard: refuses or masks links by where they lead.
//!
//! ```toml
//! [plugin.linkguard]
//! deny      = ["evil.example"]    # no links there, subdomains included
//! allow     = ["example.org"]     # links only there; at least one of deny, allow and max_links is needed
//! max_links = 3                   # so many links in one text
//! action    = "reject"            # or "mask": a link becomes ***
//! exempt    = ["ann"]             # accounts that may link to anything
//! ```
//!
//! It looks at texts, edits, topics, reactions, presence texts and names of files, in direct conversations,
//! too: that is where phishing happens. (`capabilities` without `read_direct` keeps it out of them.) A link
//! is what a client makes one of: anything with a scheme, `www.` or a path behind a host's name; and a
//! host's bare name where it is denied. Case, port, user name, invisible characters, full-width dots,
//! numbers as addresses and international names are seen through, as by a browser.

mod links;
mod rules;

use chat_plugin::{Event, Hook, Kind, Level, Plugin, Setup, Verdict, capability, export_plugin};

use crate::rules::{Finding, Rules};

struct LinkGuard {
    rules: Rules,
}

impl Plugin for LinkGuard {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        let host = setup.host();
        let rules = Rules::read(&|key| host.config(key))?;
        setup.entry(0, Self::entry)?;
        setup.on(Hook::Reload, 0, Self::reload)?;
        Ok(Self { rules })
    }
}

impl LinkGuard {
    fn entry(&mut self, event: &Event<'_>) -> Verdict {
        let Some(text) = event.text() else {
            return Verdict::Pass;
        };
        match self.rules.judge(event.from().unwrap_or_default(), text) {
            Finding::Good => Verdict::Pass,
            // A masked emoji would be another reaction.
            Finding::Masked { text, .. } if event.kind() != Kind::Reaction => {
                Verdict::Modified(text)
            }
            Finding::Masked { reason, .. } | Finding::Bad { reason } => Verdict::Reject(reason),
        }
    }

    fn reload(&mut self, event: &Event<'_>) -> Verdict {
        let host = event.host();
        match Rules::read(&|key| host.config(key)) {
            Ok(rules) => self.rules = rules,
            Err(why) => host.log(Level::Error, &format!("{why}; the old rules stay")),
        }
        Verdict::Pass
    }
}

export_plugin!(
    LinkGuard,
    id: "org.libchat.linkguard",
    name: "Link guard",
    version: "1.0",
    license: "MIT OR Apache-2.0",
    capabilities: capability::READ_TEXT
        | capability::READ_DIRECT
        | capability::MODIFY
        | capability::REJECT,
);
