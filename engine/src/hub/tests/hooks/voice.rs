//! Plugins act: they answer commands, speak, send notices and are told what happened.

use super::*;

impl House {
    fn plugin_says(&mut self, plugin: &str, token: u64, to: &str, text: &str) {
        self.plugin_sends(plugin, token, target(to), None, Body::text(text, None));
    }

    fn plugin_sends(
        &mut self,
        plugin: &str,
        token: u64,
        target: Target,
        id: Option<SendId>,
        body: Body,
    ) {
        self.input(Input::Hooks(FromHooks::Say(Box::new(Say {
            plugin: PluginName::new(plugin).unwrap(),
            token,
            target,
            id,
            body,
        }))));
    }

    fn plugin_notes(&mut self, plugin: &str, to: NoticeTo, text: &str, about: Option<Target>) {
        self.input(Input::Hooks(FromHooks::Notice(Box::new(NoticeOut {
            plugin: PluginName::new(plugin).unwrap(),
            to,
            text: text.into(),
            about,
        }))));
    }

    /// What became of what plugins said.
    fn said(&mut self) -> Vec<String> {
        let news = std::mem::take(&mut self.news);
        let said = news.into_iter().filter_map(|news| match news {
            News::Said {
                plugin,
                token,
                result,
            } => Some(match result {
                Ok((_, seq)) => format!("{} {token} at {seq}", plugin.as_str()),
                Err(refusal) => format!("{} {token} {}", plugin.as_str(), refusal.code),
            }),
            _ => None,
        });
        said.collect()
    }
}

#[test]
fn observers_are_told_who_came_and_went() {
    let (mut house, ann, _) = lobby_with(HookSet::PRESENCE | HookSet::DISCONNECT);
    house.news.clear();
    house.cut(ann);
    house.wait(limits::PRESENCE_MERGE);
    let [
        News::Disconnect {
            account, reason, ..
        },
        News::Presence(presence),
    ] = &house.news[..]
    else {
        panic!("{:?}", house.news);
    };
    assert_eq!((account.as_str(), *reason), ("ann", ByeReason::Lost));
    assert_eq!(presence.state, PresenceState::Offline);
    house.news.clear();
    house.wants(HookSet::NONE);
    house.log_in("ann");
    house.wait(limits::PRESENCE_MERGE);
    assert!(house.news.is_empty());
}

#[test]
fn a_command_is_asked_of_its_owner_and_answered_once() {
    let (mut house, ann, _) = lobby();
    house.has_commands(&["roll", "help"]);
    house.ask(ann, Request::Commands);
    let Answer::Commands(items) = house.reply(ann) else {
        panic!();
    };
    let items: Vec<_> = items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(items, ["help", "roll"]);
    let call = |name: &str, target: Option<Target>| Request::Command {
        target,
        name: name.into(),
        args: "2d6".into(),
    };
    house.ask(ann, call("roll", Some(target("#lobby"))));
    assert_eq!(house.asked(), ["ann calls roll with \"2d6\" in #lobby"]);
    let Question::Command(ask) = house.asks[0].question.clone() else {
        panic!();
    };
    let about = ask.conversation.map(Target::Conversation);
    house.plugin_notes("dice", NoticeTo::Link(ask.link), "7", about);
    house.rule(0, Verdict::Handled);
    assert_eq!(house.told(ann), ["notice 7", "done"]);
    house.ask(ann, call("roll", None));
    house.reject(0, "no dice today");
    assert_eq!(house.why(ann), "no dice today");
    house.ask(ann, call("dance", None));
    assert!(house.why(ann).contains("/commands"));
    house.ask(ann, call("roll", Some(target("#nowhere"))));
    assert_eq!(house.answered(ann), ["no_such_room"]);
    let cat = house.register("cat");
    house.mail.remove(&cat);
    house.ask(cat, call("roll", Some(target("#lobby"))));
    assert_eq!(house.answered(cat), ["not_a_member"]);
}

#[test]
fn text_that_looks_like_a_command_is_text() {
    let (mut house, ann, bob) = lobby();
    house.has_commands(&["roll"]);
    house.say(ann, "#lobby", "/roll 2d6");
    assert_eq!(house.heard(bob), ["3 ann: /roll 2d6"]);
}

#[test]
fn a_plugin_speaks_as_its_own_account_that_nobody_else_can_have() {
    let (mut house, ann, bob) = lobby();
    house.plugin_says("dice", 1, "#lobby", "ann rolls 7");
    assert_eq!(house.heard(bob), ["3 plugin.dice: ann rolls 7"]);
    assert_eq!(house.said(), ["dice 1 at 3"]);
    // It is no member.
    house.ask(
        ann,
        Request::Members {
            target: target("#lobby"),
            after: None,
        },
    );
    let Answer::Members(members, _) = house.reply(ann) else {
        panic!();
    };
    assert_eq!(members.len(), 2);
    // It says it again after a restart, from the same account.
    let account = house.store.account_named("plugin.dice").unwrap();
    house.restart();
    house.plugin_says("dice", 2, "#lobby", "again");
    assert_eq!(house.said(), ["dice 2 at 4"]);
    assert_eq!(house.store.account_named("plugin.dice"), Some(account));
    for register in [false, true] {
        let link = house.open();
        let login = Login {
            register,
            password: Some(PASSWORD.into()),
            ..login("plugin.dice")
        };
        house.log_in_as(link, "eve", login);
        let denied = if register { "bad_name" } else { "login_failed" };
        assert_eq!(house.told(link), [format!("denied {denied}")]);
    }
}

#[test]
fn what_a_plugin_says_meets_the_filters_in_its_order() {
    let (mut house, _, bob) = lobby_with(HookSet::ENTRY);
    house.plugin_says("dice", 1, "#lobby", "one");
    house.plugin_says("dice", 2, "#lobby", "two");
    assert_eq!(
        house.asked(),
        [
            "plugin.dice in #lobby: kind 1 \"one\"",
            "plugin.dice in #lobby: kind 1 \"two\""
        ]
    );
    house.pass(1);
    house.reject(0, "no");
    assert_eq!(house.heard(bob), ["3 plugin.dice: two"]);
    assert_eq!(house.said(), ["dice 1 rejected", "dice 2 at 3"]);
}

#[test]
fn a_plugin_that_says_too_much_is_slowed_down() {
    let (mut house, ..) = lobby();
    let burst = u64::from(limits::VOICE_BURST);
    for token in 0..=burst {
        house.plugin_says("loop", token, "#lobby", "again");
    }
    let said = house.said();
    assert_eq!(said.last().unwrap(), &format!("loop {burst} slow_down"));
    assert_eq!(
        said.iter().filter(|said| said.contains(" at ")).count() as u64,
        burst
    );
    // Another one is not slowed down by it, and it may go on after a while.
    house.plugin_says("dice", 1, "#lobby", "seven");
    assert!(house.said()[0].starts_with("dice 1 at"));
    house.wait(Duration::from_secs(1));
    house.plugin_says("loop", 7, "#lobby", "again");
    assert!(house.said()[0].starts_with("loop 7 at"));
}

#[test]
fn a_plugin_edits_and_deletes_only_what_it_said() {
    let (mut house, ann, _) = lobby();
    house.say(ann, "#lobby", "mine");
    house.plugin_says("dice", 1, "#lobby", "own");
    for (token, body) in [
        (2, Body::edit(Seq(3), "stolen")),
        (3, Body::redaction(Seq(3))),
        (4, Body::edit(Seq(4), "better")),
        (5, Body::reaction(Seq(3), "+1")),
        (6, Body::topic("mine")),
        (7, Body::edit(Seq(99), "nowhere")),
    ] {
        house.plugin_sends("dice", token, target("#lobby"), None, body);
    }
    assert_eq!(
        house.said(),
        [
            "dice 1 at 4",
            "dice 2 forbidden",
            "dice 3 forbidden",
            "dice 4 at 5",
            "dice 5 at 6",
            "dice 6 forbidden",
            "dice 7 no_such_entry"
        ]
    );
}

#[test]
fn a_plugin_writes_to_an_account_and_not_into_what_two_others_say() {
    let (mut house, ann, bob) = lobby();
    house.say(ann, "@bob", "psst");
    house.plugin_says("motd", 1, "@ann", "welcome");
    assert_eq!(house.said(), ["motd 1 at 1"]);
    assert!(
        house
            .heard(ann)
            .contains(&"1 plugin.motd: welcome".to_owned())
    );
    let direct = ConversationId::direct(house.account("ann"), house.account("bob"));
    let body = Body::text("I listen", None);
    house.plugin_sends("motd", 2, Target::Conversation(direct), None, body);
    assert_eq!(house.said(), ["motd 2 not_a_member"]);
    assert_eq!(house.heard(bob), ["1 ann: psst"]);
}

#[test]
fn the_same_id_of_a_plugin_is_the_same_entry() {
    let (mut house, ..) = lobby();
    let id = house.new_id();
    for token in 1..=2 {
        let body = Body::text("once", None);
        house.plugin_sends("motd", token, target("#lobby"), Some(id), body);
    }
    assert_eq!(house.said(), ["motd 1 at 3", "motd 2 at 3"]);
}

#[test]
fn notices_reach_a_link_an_account_or_a_room() {
    let (mut house, ann, bob) = lobby();
    let phone = house.log_in_from("ann", "phone");
    house.mail.clear();
    for (to, text) in [
        (NoticeTo::Link(ann), "one"),
        (NoticeTo::Account(AccountName::new("ann").unwrap()), "two"),
        (NoticeTo::Room(RoomName::new("lobby").unwrap()), "three"),
        (NoticeTo::Link(LinkId(77)), "nobody"),
    ] {
        house.plugin_notes("motd", to, text, None);
    }
    assert_eq!(
        house.told(ann),
        ["notice one", "notice two", "notice three"]
    );
    assert_eq!(house.told(phone), ["notice two", "notice three"]);
    assert_eq!(house.told(bob), ["notice three"]);
}

#[test]
fn a_notice_names_its_room_to_those_who_are_in_it() {
    let (mut house, ann, bob) = lobby();
    let cat = house.register("cat");
    house.mail.clear();
    for name in ["ann", "bob", "cat"] {
        let to = NoticeTo::Account(AccountName::new(name).unwrap());
        house.plugin_notes("motd", to, "hear", Some(target("#lobby")));
    }
    let mut named = |link| match &house.mail(link)[..] {
        [ToClient::Notice { conversation, .. }] => conversation.is_some(),
        other => panic!("{other:?}"),
    };
    assert_eq!([named(ann), named(bob), named(cat)], [true, true, false]);
}
