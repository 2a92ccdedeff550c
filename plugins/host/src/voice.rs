//! What plugins ask of the server: lines in the log, entries, notices, kept values, metrics, timers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_engine::port::{FromHooks, NoticeOut, NoticeTo, PluginName, Say};
use chat_engine::{AccountName, Body, Code, Refusal, RoomName, Target};
use chat_plugin_abi as abi;

use crate::chain::Caller;
use crate::desk::Desk;
use crate::frame::{Down, Metric, Wish};
use crate::limits;
use crate::shown::Field;
use crate::slot::{Place, SeatId, Slot, SlotId, What};

impl Desk {
    pub(crate) fn wish(&mut self, seat_id: SeatId, id: SlotId, wish: Wish) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        match wish {
            Wish::Log { level, text } => log(slot, level, &text),
            Wish::Send { room, to, text } => {
                if !self.say(seat_id, id, room, to, &text) {
                    self.make_room(seat_id);
                }
            }
            Wish::Tell {
                account,
                room,
                text,
            } => {
                let room = room.and_then(|room| RoomName::new(&room).ok());
                let to = AccountName::new(&account).map(NoticeTo::Account);
                let to = to.ok().map(|to| (to, room.map(Target::Room)));
                self.notice(seat_id, id, to, text);
            }
            Wish::Reply { call, text } => {
                let to = self.caller(seat_id, call);
                self.notice(seat_id, id, to, text);
            }
            Wish::Keep { key, value } => {
                slot.values_changed = true;
                match value {
                    Some(value) => slot.values.insert(key, value),
                    None => slot.values.remove(&key),
                };
            }
            Wish::Metric { name, change } => {
                if slot.metrics.len() >= limits::METRICS && !slot.metrics.contains_key(&name) {
                    if slot.first_time(4) {
                        let plugin = slot.name.as_str();
                        tracing::warn!(plugin, name, "it has too many metrics");
                    }
                    return;
                }
                let value = slot.metrics.entry(name).or_default();
                match change {
                    Metric::Add(n) => *value = value.saturating_add(n.into()),
                    Metric::Set(n) => *value = n.into(),
                }
            }
            Wish::Timer { timer, times: None } => {
                slot.timers.remove(&timer);
            }
            Wish::Timer {
                timer,
                times: Some((first, every)),
            } => {
                let due = Instant::now().checked_add(Duration::from_millis(first));
                if let Some(due) = due.filter(|_| slot.timers.len() < 2 * limits::TIMERS) {
                    slot.timers
                        .insert(timer, (due, Duration::from_millis(every)));
                }
            }
        }
    }

    /// Says whether the engine will tell what became of it.
    fn say(
        &mut self,
        seat: SeatId,
        id: SlotId,
        room: Option<String>,
        to: Option<String>,
        text: &str,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else {
            return false;
        };
        let target = match (&room, &to) {
            (Some(room), None) => RoomName::new(room).map(Target::Room),
            (None, Some(account)) => AccountName::new(account).map(Target::Account),
            _ => return false,
        };
        let name = slot.name.clone();
        let target = match target {
            Ok(target) => target,
            Err(why) => {
                tracing::warn!(plugin = name.as_str(), %why, "it sends to what is no name");
                return false;
            }
        };
        if !self.takes_room(seat, id) {
            return false;
        }
        let token = self.next_id();
        self.says.insert(token, seat);
        self.out.push(FromHooks::Say(Box::new(Say {
            plugin: name,
            token,
            target,
            id: None,
            body: Body::text(text, None),
        })));
        true
    }

    /// One more thing waits for the engine, if there is room for it. A helper that counts knows that there is.
    fn takes_room(&mut self, seat: SeatId, id: SlotId) -> bool {
        if !self.has_said_enough(seat) {
            *self.waits.entry(seat).or_default() += 1;
            return true;
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.stats.dropped += 1;
            if slot.first_time(8) {
                let plugin = slot.name.as_str();
                tracing::warn!(plugin, "it says more than is taken");
            }
        }
        false
    }

    /// Whether as much of an instance waits for the engine as may.
    pub(crate) fn has_said_enough(&self, seat: SeatId) -> bool {
        self.waits
            .get(&seat)
            .is_some_and(|waits| *waits >= limits::SAYS)
    }

    /// One thing that an instance said waits no more.
    pub(crate) fn heard(&mut self, seat: SeatId) {
        if let Some(waits) = self.waits.get_mut(&seat) {
            *waits = waits.saturating_sub(1);
            if *waits == 0 {
                self.waits.remove(&seat);
            }
        }
        self.make_room(seat);
    }

    /// A helper counts what it said and has not heard of: one less.
    fn make_room(&mut self, seat: SeatId) {
        let seat = self.seats.get(&seat);
        if let Some(Place::Helper(process)) = seat.map(|seat| &seat.place) {
            process.put(|out| Down::Said.write(out));
            self.dirty.push(Arc::clone(process));
        }
    }

    /// One of the entries that a plugin sent was taken or refused.
    pub(crate) fn said(&mut self, plugin: &PluginName, token: u64, refused: Option<&Refusal>) {
        // The plugin may have another instance now, which has sent none of it.
        if let Some(seat) = self.says.remove(&token) {
            self.heard(seat);
        }
        let id = self.find(plugin);
        let Some(slot) = id.and_then(|id| self.slots.get_mut(&id)) else {
            return;
        };
        if let Some(refusal) = refused.filter(|refusal| slot.is_news(refusal.code)) {
            tracing::warn!(
                plugin = plugin.as_str(),
                %refusal,
                "what it sent was refused; more of that is not told while it goes on"
            );
        }
    }

    /// Tells somebody something, about a place; nobody where there is nobody any more.
    fn notice(
        &mut self,
        seat: SeatId,
        id: SlotId,
        to: Option<(NoticeTo, Option<Target>)>,
        text: String,
    ) {
        let plugin = self.slots.get(&id).map(|slot| slot.name.clone());
        let (Some(plugin), Some((to, about))) = (plugin, to) else {
            return self.make_room(seat);
        };
        if !self.takes_room(seat, id) {
            return self.make_room(seat);
        }
        self.told.push(seat);
        self.out.push(FromHooks::Notice(Box::new(NoticeOut {
            plugin,
            to,
            text,
            about,
        })));
    }

    /// Who sent what a call is about, and where.
    fn caller(&self, seat: SeatId, call: u64) -> Option<(NoticeTo, Option<Target>)> {
        let seat = self.seats.get(&seat)?;
        let waiting = seat.queue.iter().find(|waiting| waiting.id == call);
        let call = waiting.or_else(|| seat.deferred.get(&call))?;
        match &call.what {
            What::Ask { key, .. } => {
                let asked = self.asked.get(*key)?;
                let to = match &asked.caller {
                    Caller::Link(link) => NoticeTo::Link(*link),
                    Caller::Account(account) => NoticeTo::Account(account.clone()),
                    Caller::Nobody => return None,
                };
                Some((to, asked.conversation.map(Target::Conversation)))
            }
            What::Observe { shown, .. } | What::News(shown) => {
                let account = AccountName::new(shown.text(Field::From)?).ok()?;
                let room = RoomName::new(shown.text(Field::Room)?).ok();
                Some((NoticeTo::Account(account), room.map(Target::Room)))
            }
            _ => None,
        }
    }
}

impl Slot {
    /// Whether a refusal is to be told: a plugin must not fill the log by what is not even said.
    fn is_news(&mut self, code: Code) -> bool {
        let now = Instant::now();
        self.refusals
            .retain(|(_, last)| now.duration_since(*last) < limits::REFUSALS_REST);
        let known = self.refusals.iter_mut().find(|(known, _)| *known == code);
        match known {
            Some((_, last)) => *last = now,
            None => {
                self.refusals.push((code, now));
                return true;
            }
        }
        false
    }
}

fn log(slot: &mut Slot, level: i32, text: &str) {
    let (second, count) = &mut slot.log_lines;
    if second.elapsed() >= Duration::from_secs(1) {
        *second = Instant::now();
        *count = 0;
    }
    *count += 1;
    let plugin = slot.name.as_str();
    if *count == limits::LOG_LINES {
        tracing::warn!(plugin, "it says too much; some lines are left out");
    }
    if *count >= limits::LOG_LINES {
        return;
    }
    let text = printable(text);
    match level {
        abi::CHAT_LOG_ERROR => tracing::error!(plugin, "{text}"),
        abi::CHAT_LOG_WARN => tracing::warn!(plugin, "{text}"),
        abi::CHAT_LOG_DEBUG => tracing::debug!(plugin, "{text}"),
        _ => tracing::info!(plugin, "{text}"),
    }
}

/// A line of a plugin for the log: control characters could draw on the operator's screen.
pub(crate) fn printable(text: &str) -> String {
    let odd = |sign: char| {
        sign.is_control()
            || matches!(sign, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.trim_end()
        .chars()
        .map(|sign| if odd(sign) { '\u{fffd}' } else { sign })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::slot::Source;

    /// What an instance sent before it was replaced takes no room from the next, and makes it none.
    #[test]
    fn who_sent_an_entry_hears_what_became_of_it() {
        let plugin = PluginName::new("talker").unwrap();
        let mut desk = Desk::default();
        let slot = Slot::new(plugin.clone(), Settings::default(), Source::Static);
        desk.slots.insert(1, slot);
        let say = |desk: &mut Desk, seat: SeatId| {
            let (room, to) = (Some("lobby".to_owned()), None);
            let text = "again".to_owned();
            desk.wish(seat, 1, Wish::Send { room, to, text });
            match desk.out.last() {
                Some(FromHooks::Say(say)) => say.token,
                other => unreachable!("{other:?}"),
            }
        };
        let first = say(&mut desk, 10);
        for _ in 1..limits::SAYS {
            say(&mut desk, 10);
        }
        let second = say(&mut desk, 11);
        assert_eq!(desk.waits, [(10, limits::SAYS), (11, 1)].into());
        desk.said(&plugin, first, None);
        assert_eq!(desk.waits, [(10, limits::SAYS - 1), (11, 1)].into());
        desk.said(&plugin, second, Some(&Code::SlowDown.into()));
        // Once more is nothing new.
        desk.said(&plugin, second, None);
        assert_eq!(desk.waits, [(10, limits::SAYS - 1)].into());
    }
}
