//! Message of the day: a notice for who comes in, and for who joins a room.
//!
//! ```toml
//! [plugin.motd]
//! text  = "Welcome, {account}! Be kind."   # for who comes in
//! file  = "/etc/chat/motd.txt"             # the same from a file, instead
//! every = 3600                             # seconds in which an account is not greeted again; 0: always
//!
//! [plugin.motd.rooms]                      # for who joins
//! lobby = "Hi {account}, this is {room}. Ask your questions in #help."
//! ```
//!
//! Notices are for one account alone and are not logged. Who comes in with a second device is there
//! already, and is not greeted. A text is read again on `chat-cli plugin reload motd`, and when the
//! configuration changes.

mod greeted;
mod settings;

use std::time::{SystemTime, UNIX_EPOCH};

use chat_plugin::{
    Event, Hook, Host, Kind, Level, Plugin, Setup, Verdict, capability, export_plugin,
};

use crate::greeted::Greeted;
use crate::settings::Settings;

/// Who joined longer ago is not greeted: the log is read late after a pause of the server.
const FRESH_MS: u64 = 60_000;

struct Motd {
    settings: Settings,
    greeted: Greeted,
}

impl Plugin for Motd {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        let settings = read(&setup.host())?;
        setup.on(Hook::PresencePost, 0, Self::presence)?;
        setup.observe(Self::entry)?;
        setup.on(Hook::Reload, 0, Self::reload)?;
        Ok(Self {
            settings,
            greeted: Greeted::default(),
        })
    }
}

impl Motd {
    fn presence(&mut self, event: &Event<'_>) -> Verdict {
        let (Some(account), Some(text)) = (event.from(), &self.settings.text) else {
            return Verdict::Pass;
        };
        let flags = event.flags();
        let pause_ms = self.settings.every.saturating_mul(1000);
        if flags.is_online()
            && flags.is_changed()
            && !flags.is_bot()
            && self.greeted.is_due(account, now_ms(), pause_ms)
        {
            tell(event.host(), account, None, &fill(text, account, ""));
        }
        Verdict::Pass
    }

    fn entry(&mut self, event: &Event<'_>) -> Verdict {
        let (Some(room), Some(account), Some("joined")) =
            (event.room(), event.name(), event.args())
        else {
            return Verdict::Pass;
        };
        let is_news =
            !event.flags().is_again() && event.time_ms().saturating_add(FRESH_MS) > now_ms();
        if let Some(text) = self.settings.rooms.get(room)
            && event.kind() == Kind::Member
            && is_news
        {
            tell(
                event.host(),
                account,
                Some(room),
                &fill(text, account, room),
            );
        }
        Verdict::Pass
    }

    fn reload(&mut self, event: &Event<'_>) -> Verdict {
        match read(event.host()) {
            Ok(settings) => self.settings = settings,
            Err(why) => {
                let line = format!("{why}; the old texts stay");
                event.host().log(Level::Error, &line);
            }
        }
        Verdict::Pass
    }
}

fn read(host: &Host) -> Result<Settings, String> {
    Settings::read(&host.config("").unwrap_or_default())
}

/// What can't be told now is not worth a second try: it was a greeting.
fn tell(host: &Host, account: &str, room: Option<&str>, text: &str) {
    if let Err(failed) = host.notice(account, room, text) {
        host.log(
            Level::Warn,
            &format!("{account} could not be greeted: {failed}"),
        );
    }
}

/// Puts names into a text. One pass, so that an account called `{room}` stays what it is.
fn fill(text: &str, account: &str, room: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let (word, value) = [("{account}", account), ("{room}", room)]
            .into_iter()
            .find(|(word, _)| rest.starts_with(word))
            .unwrap_or(("{", "{"));
        filled.push_str(value);
        rest = &rest[word.len()..];
    }
    filled.push_str(rest);
    filled
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

export_plugin!(
    Motd,
    id: "org.libchat.motd",
    name: "Message of the day",
    version: "1.0",
    license: "MIT OR Apache-2.0",
    capabilities: capability::NOTICE,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_once() {
        assert_eq!(
            fill("hi {account} in {room}{", "ann", "lobby"),
            "hi ann in lobby{"
        );
        assert_eq!(fill("{account}{other}", "{room}", "lobby"), "{room}{other}");
        assert_eq!(fill("", "ann", ""), "");
    }
}
