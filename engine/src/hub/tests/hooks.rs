//! Plugins are asked, and answer when and how they like.

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

    fn plugin_says(&mut self, plugin: &str, token: u64, to: &str, text: &str) {
        self.input(Input::Hooks(FromHooks::Say(Box::new(Say {
            plugin: PluginName::new(plugin).unwrap(),
            token,
            target: target(to),
            id: None,
            body: Body::text(text, None),
        }))));
    }

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

fn lobby() -> (House, LinkId, LinkId) {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.room("lobby", &[ann, bob]);
    (house, ann, bob)
}

#[test]
fn without_a_subscriber_nothing_is_asked() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::TAIL | HookSet::DISCONNECT);
    house.say(ann, "#lobby", "hi");
    house.frame(ann, ToServer::Presence(PresenceState::Away, "tea".into()));
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
    assert!(house.asks.is_empty());
}

#[test]
fn an_entry_waits_for_its_verdict_and_nobody_sees_it_before() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "hi");
    assert_eq!(house.asked(), ["ann in #lobby: kind 1 \"hi\""]);
    assert!(house.told(ann).is_empty() && house.told(bob).is_empty());
    house.pass(0);
    assert_eq!(house.told(ann), ["ack 3", "3 ann: hi"]);
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

#[test]
fn verdicts_come_in_any_order_and_entries_keep_theirs() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    for text in ["one", "two", "three"] {
        house.say(ann, "#lobby", text);
    }
    // All are asked at once, so that they travel together.
    assert_eq!(house.asked().len(), 3);
    house.pass(2);
    house.rule(1, Verdict::Modified("TWO".into()));
    assert!(house.heard(bob).is_empty());
    house.pass(0);
    assert_eq!(
        house.heard(bob),
        ["3 ann: one", "4 ann: TWO", "5 ann: three"]
    );
    assert_eq!(house.answered(ann), ["ack 3", "ack 4", "ack 5"]);
}

#[test]
fn a_question_holds_back_nobody_else_and_no_other_conversation() {
    let (mut house, ann, bob) = lobby();
    house.room("cellar", &[ann]);
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "slow");
    house.say(ann, "#cellar", "else");
    house.say(bob, "#lobby", "quick");
    house.pass(2);
    house.pass(1);
    assert_eq!(house.heard(bob), ["3 bob: quick"]);
    assert_eq!(house.heard(ann).len(), 2);
    house.pass(0);
    assert_eq!(house.heard(bob), ["4 ann: slow"]);
}

#[test]
fn a_rejection_tells_its_reason_and_later_entries_go_on() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "bad");
    house.say(ann, "#lobby", "good");
    house.reject(0, "no such words here");
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: good"]);
    assert_eq!(house.told(ann)[..2], ["rejected", "ack 3"]);
    house.say(ann, "#lobby", "bad");
    house.reject(0, "no such words here");
    assert_eq!(house.why(ann), "no such words here");
}

#[test]
fn an_empty_reason_refuses_without_a_word() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "bad");
    house.reject(0, "");
    let mail = house.mail(ann);
    let [ToClient::Error(_, refusal)] = &mail[..] else {
        panic!("{mail:?}");
    };
    assert_eq!(
        (refusal.code.as_str(), refusal.text.as_str()),
        ("rejected", "")
    );
    assert!(!refusal.is_retryable());
}

#[test]
fn every_kind_of_entry_meets_the_same_filters() {
    let (mut house, ann, _) = lobby();
    house.say(ann, "#lobby", "base");
    house.wants(HookSet::ENTRY);
    let bodies = [
        Body::text("t", None),
        Body::edit(Seq(3), "e"),
        Body::reaction(Seq(3), "r"),
        Body::topic("o"),
        Body {
            kind: Kind(40),
            data: b"sealed".to_vec(),
            ..Body::default()
        },
        Body::redaction(Seq(3)),
    ];
    for body in bodies {
        let id = house.new_id();
        house.send(ann, "#lobby", id, false, body);
    }
    house.frame(ann, ToServer::Presence(PresenceState::Away, "p".into()));
    assert_eq!(
        house.asked(),
        [
            "ann in #lobby: kind 1 \"t\"",
            "ann in #lobby: kind 3 \"e\"",
            "ann in #lobby: kind 5 \"r\"",
            "ann in #lobby: kind 7 \"o\"",
            "ann in #lobby: kind 40",
            "ann in #lobby: kind 4",
            "ann in nowhere: kind 31 \"p\"",
        ]
    );
    assert_eq!(PRESENCE_TEXT, Kind(31));
}

#[test]
fn memberships_are_asked_about_and_a_join_can_be_refused() {
    let (mut house, ann, bob) = lobby();
    let cat = house.register("cat");
    house.forget_mail();
    house.wants(HookSet::ENTRY);
    house.join(cat, "lobby");
    // What it says next waits for it.
    house.say(cat, "#lobby", "hello");
    assert_eq!(house.asked(), ["cat in #lobby: joined cat"]);
    house.pass(0);
    assert_eq!(house.answered(cat), ["entered 3"]);
    assert_eq!(house.asked(), ["cat in #lobby: kind 1 \"hello\""]);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 cat: joined cat", "4 cat: hello"]);
    let dan = house.register("dan");
    house.join(dan, "lobby");
    house.say(dan, "#lobby", "me too");
    house.reject(0, "full of dans");
    assert_eq!(house.answered(dan), ["rejected", "not_a_member"]);
    house.change(ann, "lobby", Some("cat"), Change::Kicked);
    assert_eq!(house.asked(), ["ann in #lobby: kicked cat"]);
    house.pass(0);
    assert_eq!(house.heard(bob), ["5 ann: kicked cat"]);
}

#[test]
fn nobody_can_be_kept_in_a_room() {
    let (mut house, _, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.leave(bob, "lobby");
    assert_eq!(house.asked(), ["bob in #lobby: left bob"]);
    house.reject(0, "stay");
    assert_eq!(house.answered(bob), ["entered 3"]);
}

#[test]
fn what_was_said_before_leaving_comes_before_it() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(bob, "#lobby", "bye");
    house.leave(bob, "lobby");
    assert_eq!(house.asked(), ["bob in #lobby: kind 1 \"bye\""]);
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(ann), ["3 bob: bye", "4 bob: left bob"]);
    assert_eq!(house.answered(bob), ["ack 3", "entered 4"]);
}

#[test]
fn a_new_room_is_asked_about_and_its_name_may_be_taken_meanwhile() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.create(ann, "attic", true);
    house.create(bob, "attic", true);
    assert_eq!(
        house.asked(),
        ["ann in #attic: joined ann", "bob in #attic: joined bob"]
    );
    house.pass(1);
    house.pass(0);
    assert_eq!(house.answered(bob), ["entered 1"]);
    assert_eq!(house.answered(ann), ["room_exists"]);
    house.create(ann, "rude", true);
    house.reject(0, "rude");
    assert_eq!(house.answered(ann), ["rejected"]);
}

#[test]
fn direct_conversations_are_asked_about_only_with_the_right_to_read_them() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(ann, "@bob", "psst");
    assert!(house.asks.is_empty());
    assert_eq!(house.heard(bob), ["1 ann: psst"]);
    house.wants(HookSet::ENTRY | HookSet::ENTRY_DIRECT);
    house.say(ann, "@bob", "again");
    assert_eq!(house.asked(), ["ann in @bob: kind 1 \"again\""]);
    house.pass(0);
    assert_eq!(house.heard(bob), ["2 ann: again"]);
    let cat = house.register("cat");
    house.say(cat, "@ann", "first");
    assert_eq!(house.asked(), ["cat in @ann: kind 1 \"first\""]);
    house.pass(0);
    assert_eq!(house.answered(cat), ["ack 1"]);
}

#[test]
fn a_changed_text_obeys_the_same_limits() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let long = "x".repeat(limits::TEXT_BYTES + 1).into_bytes();
    for data in [long, vec![0xff, 0xfe], Vec::new()] {
        house.say(ann, "#lobby", "hi");
        house.rule(0, Verdict::Modified(data));
        assert_eq!(house.answered(ann), ["rejected"]);
    }
    // What has no text can't be given one.
    let id = house.new_id();
    house.send(ann, "#lobby", id, false, Body::topic("tea"));
    house.pass(0);
    house.say(ann, "#lobby", "base");
    house.pass(0);
    let id = house.new_id();
    house.send(ann, "#lobby", id, false, Body::redaction(Seq(4)));
    house.rule(0, Verdict::Modified("words".into()));
    assert_eq!(
        house.heard(bob),
        ["3 ann: topic tea", "4 ann: base", "5 ann: redaction"]
    );
}

#[test]
fn a_changed_topic_is_the_rooms_topic() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::ENTRY);
    let id = house.new_id();
    house.send(ann, "#lobby", id, false, Body::topic("darn"));
    house.rule(0, Verdict::Modified("d**n".into()));
    house.mail.clear();
    house.ask(ann, Request::Rooms { after: None });
    let Answer::Rooms(rooms, _) = house.reply(ann) else {
        panic!();
    };
    assert_eq!(rooms[0].topic, "d**n");
}

#[test]
fn who_may_not_send_is_refused_before_anybody_is_asked() {
    let (mut house, _, _) = lobby();
    let cat = house.register("cat");
    house.wants(HookSet::ENTRY);
    house.say(cat, "#lobby", "hi");
    assert_eq!(house.answered(cat), ["not_a_member"]);
    assert!(house.asks.is_empty());
}

/// Rights hold by place in the log: what was asked before the kick comes after it.
#[test]
fn who_is_put_out_while_plugins_think_says_nothing_any_more() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(bob, "#lobby", "one last word");
    house.wants(HookSet::NONE);
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    assert_eq!(house.asked(), ["bob in #lobby: kind 1 \"one last word\""]);
    house.pass(0);
    assert_eq!(house.answered(bob), ["not_a_member"]);
    assert_eq!(house.heard(ann), ["3 ann: kicked bob"]);
}

#[test]
fn a_verdict_waits_for_a_kick_that_is_being_written() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(bob, "#lobby", "one last word");
    house.wants(HookSet::NONE);
    house.hold_writes = true;
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.pass(0);
    assert!(house.answered(bob).is_empty());
    house.commit();
    assert_eq!(house.answered(bob), ["not_a_member"]);
}

#[test]
fn a_fault_refuses_for_now_and_nothing_overtakes() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let two = house.say(ann, "#lobby", "two");
    house.rule(0, Verdict::Fault("gone".into()));
    house.pass(0);
    assert_eq!(house.answered(ann), ["busy again", "after_refused again"]);
    house.say_again(ann, "#lobby", one, "one");
    house.say_again(ann, "#lobby", two, "two");
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
}

/// The one that was refused for now comes again before the verdict on the next one.
#[test]
fn a_late_verdict_does_not_let_a_later_entry_overtake() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    house.say(ann, "#lobby", "two");
    house.rule(0, Verdict::Fault("gone".into()));
    house.say_again(ann, "#lobby", one, "one");
    assert_eq!(house.asked().len(), 2);
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one"]);
}

#[test]
fn a_full_disk_under_a_line_keeps_the_order() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let two = house.say(ann, "#lobby", "two");
    house.store.faults.push_back(Fault::Full("full".into()));
    house.pass(0);
    assert_eq!(
        house.answered(ann),
        ["storage again", "after_refused again"]
    );
    house.say_again(ann, "#lobby", one, "one");
    house.say_again(ann, "#lobby", two, "two");
    // The first question about the second one is still out, and worth nothing any more.
    house.pass(0);
    house.pass(0);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
}

#[test]
fn an_accepted_entry_meets_no_filter_twice() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.pass(0);
    // The ack was lost; now the filter would refuse.
    house.cut(ann);
    let ann = house.log_in("ann");
    house.mail.remove(&ann);
    house.say_again(ann, "#lobby", id, "hi");
    assert!(house.asks.is_empty());
    assert_eq!(house.answered(ann), ["ack 3"]);
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

/// The filter may have counted it, and may not remember why it refused.
#[test]
fn a_refusal_that_was_lost_is_told_again_and_meets_no_filter_twice() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.reject(0, "no");
    house.cut(ann);
    let ann = house.log_in("ann");
    house.mail.remove(&ann);
    house.say_again(ann, "#lobby", id, "hi");
    assert!(house.asks.is_empty());
    assert_eq!(house.answered(ann), ["rejected"]);
    assert!(house.heard(bob).is_empty());
    // Said anew, it is another entry.
    house.say(ann, "#lobby", "hi");
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

#[test]
fn so_many_refusals_are_remembered_and_no_more() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::ENTRY);
    let first = house.say(ann, "#lobby", "hi");
    house.reject(0, "no");
    for _ in 0..limits::REJECTED {
        house.say(ann, "#lobby", "hi");
        house.reject(0, "no");
    }
    house.say_again(ann, "#lobby", first, "hi");
    assert_eq!(house.asked().len(), 1);
}

#[test]
fn an_answer_after_the_link_is_gone_still_counts() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    let two = house.say(ann, "#lobby", "two");
    house.cut(ann);
    house.pass(1);
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
    let ann = house.log_in("ann");
    house.mail.remove(&ann);
    house.say_again(ann, "#lobby", one, "one");
    house.say_again(ann, "#lobby", two, "two");
    assert!(house.asks.is_empty());
    assert_eq!(house.answered(ann), ["ack 3", "ack 4"]);
}

#[test]
fn what_comes_again_while_it_is_asked_joins_the_first_question() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    house.cut(ann);
    let ann = house.log_in("ann");
    house.mail.remove(&ann);
    house.say_again(ann, "#lobby", one, "one");
    house.say(ann, "#lobby", "two");
    assert_eq!(
        house.asked(),
        [
            "ann in #lobby: kind 1 \"one\"",
            "ann in #lobby: kind 1 \"two\""
        ]
    );
    house.pass(1);
    assert!(house.answered(ann).is_empty());
    house.rule(0, Verdict::Modified("ONE".into()));
    assert_eq!(house.heard(bob), ["3 ann: ONE", "4 ann: two"]);
    assert_eq!(house.answered(ann), ["ack 3", "ack 4"]);
}

/// The verdict is there and the disk is slow: the entry is in no log so far, and met its filters.
#[test]
fn what_comes_again_while_it_is_written_meets_no_filter_twice() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    house.hold_writes = true;
    house.pass(0);
    house.cut(ann);
    let ann = house.log_in("ann");
    house.mail.remove(&ann);
    house.say_again(ann, "#lobby", one, "one");
    assert!(house.asks.is_empty());
    house.commit();
    assert_eq!(house.answered(ann), ["ack 3"]);
    assert_eq!(house.heard(bob), ["3 ann: one"]);
}

#[test]
fn what_comes_again_while_it_is_asked_shares_the_refusal() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let one = house.say(ann, "#lobby", "one");
    house.cut(ann);
    let ann = house.log_in("ann");
    house.mail.remove(&ann);
    house.say_again(ann, "#lobby", one, "one");
    house.reject(0, "no");
    assert_eq!(house.answered(ann), ["rejected"]);
    assert!(house.heard(bob).is_empty());
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.wait(limits::HOOK_WAIT);
    assert_eq!(house.answered(ann), ["busy again"]);
    // Much too late.
    house.pass(0);
    assert!(house.heard(bob).is_empty());
    house.wants(HookSet::NONE);
    house.say_again(ann, "#lobby", id, "hi");
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
    assert_eq!(
        house
            .hub
            .poll_timeout()
            .filter(|due| *due <= house.now.time),
        None
    );
}

#[test]
fn plugins_that_stop_leave_no_question_open() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let id = house.say(ann, "#lobby", "hi");
    house.input(Input::HooksGone);
    assert_eq!(house.answered(ann), ["busy again"]);
    house.say_again(ann, "#lobby", id, "hi");
    assert_eq!(house.heard(bob), ["3 ann: hi"]);
}

#[test]
fn unloading_the_last_filter_lets_nothing_overtake_what_is_asked() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "one");
    house.wants(HookSet::NONE);
    house.say(ann, "#lobby", "two");
    assert!(house.heard(bob).is_empty());
    house.pass(0);
    assert_eq!(house.heard(bob), ["3 ann: one", "4 ann: two"]);
}

#[test]
fn a_server_that_stops_answers_what_is_asked() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "hi");
    house.input(Input::Drain);
    house.say(ann, "#lobby", "too late");
    assert!(!house.drained);
    house.pass(0);
    assert_eq!(house.answered(ann), ["draining again", "ack 3"]);
    assert!(house.drained);
}

#[test]
fn a_server_that_stops_waits_for_no_plugin_for_ever() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(ann, "#lobby", "hi");
    house.input(Input::Drain);
    house.wait(limits::DRAIN_WAIT);
    assert!(house.drained);
}

#[test]
fn a_stream_is_asked_about_and_its_login_waits() {
    let (mut house, ..) = lobby();
    house.wants(HookSet::CONNECT);
    let link = house.open();
    assert_eq!(house.asked(), ["connect 192.0.2.1"]);
    house.log_in_as(link, "ann", login("ann"));
    assert!(house.told(link).is_empty());
    house.pass(0);
    assert_eq!(house.told(link), ["welcome"]);
}

#[test]
fn a_stream_that_nobody_wants_is_closed_or_told_why() {
    let (mut house, ..) = lobby();
    house.wants(HookSet::CONNECT);
    let quiet = house.open();
    house.reject(0, "");
    assert_eq!(house.closed.get(&quiet), Some(&None));
    let told = house.open();
    house.reject(0, "not from there");
    assert_eq!(house.closed.get(&told), None);
    house.log_in_as(told, "ann", login("ann"));
    assert_eq!(house.why(told), "not from there");
    let late = house.open();
    house.log_in_as(late, "ann", login("ann"));
    house.reject(0, "not from there");
    assert_eq!(house.told(late), ["denied rejected"]);
    // Nobody can tell: that locks nobody out.
    let open = house.open();
    house.log_in_as(open, "ann", login("ann"));
    house.rule(0, Verdict::Fault("gone".into()));
    assert_eq!(house.told(open), ["welcome"]);
}

#[test]
fn a_login_is_asked_about_once_it_is_shown_who_it_is() {
    let (mut house, ..) = lobby();
    house.wants(HookSet::LOGIN);
    // By its key.
    let link = house.open();
    house.log_in_as(link, "ann", login("ann"));
    assert_eq!(house.asked(), ["login ann on test"]);
    house.pass(0);
    assert_eq!(house.told(link), ["welcome"]);
    // By a password: a wrong one is nobody's business.
    let link = house.open();
    let with = |password: &str| Login {
        password: Some(password.into()),
        ..login("ann")
    };
    house.log_in_as(link, "laptop", with("wrong horse"));
    assert_eq!(house.told(link), ["denied login_failed"]);
    let link = house.open();
    house.log_in_as(link, "laptop", with(PASSWORD));
    assert_eq!(house.asked(), ["login ann on test"]);
    house.reject(0, "not at night");
    assert_eq!(house.why(link), "not at night");
    let link = house.open();
    house.log_in_as(link, "laptop", with(PASSWORD));
    house.pass(0);
    assert_eq!(house.told(link), ["welcome"]);
}

#[test]
fn a_registration_is_asked_about_before_the_account_is_made() {
    let mut house = House::new();
    house.wants(HookSet::LOGIN);
    let registering = Login {
        register: true,
        password: Some(PASSWORD.into()),
        ..login("eve")
    };
    let link = house.open();
    house.log_in_as(link, "eve", registering.clone());
    assert_eq!(house.asked(), ["register eve on test"]);
    house.reject(0, "no eves");
    assert_eq!(house.told(link), ["denied rejected"]);
    assert!(house.store.account_named("eve").is_none());
    let link = house.open();
    house.log_in_as(link, "eve", registering);
    house.pass(0);
    assert_eq!(house.told(link), ["welcome"]);
    // It is not asked about again as its own login.
    assert!(house.asks.is_empty());
}

#[test]
fn a_password_that_changed_while_plugins_thought_is_worth_nothing() {
    let (mut house, ..) = lobby();
    house.wants(HookSet::LOGIN);
    let link = house.open();
    let login = Login {
        password: Some(PASSWORD.into()),
        ..login("ann")
    };
    house.log_in_as(link, "laptop", login);
    let name = AccountName::new("ann").unwrap();
    let password = "another horse".to_owned();
    house.admin(Admin::SetPassword { name, password }).unwrap();
    house.pass(0);
    assert_eq!(house.told(link), ["denied login_failed"]);
}

#[test]
fn a_login_that_waits_and_ends_leaves_nothing_behind() {
    let (mut house, ..) = lobby();
    house.wants(HookSet::CONNECT | HookSet::LOGIN);
    let link = house.open();
    house.pass(0);
    house.log_in_as(link, "ann", login("ann"));
    house.cut(link);
    house.pass(0);
    assert!(house.told(link).is_empty());
}

#[test]
fn a_presence_text_is_filtered_and_the_last_one_counts() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::ENTRY);
    let says = |text: &str| ToServer::Presence(PresenceState::Away, text.into());
    house.frame(ann, says("darn"));
    house.frame(ann, says("one"));
    house.frame(ann, says("two"));
    assert_eq!(house.asked(), ["ann in nowhere: kind 31 \"darn\""]);
    house.reject(0, "mind your words");
    assert_eq!(house.asked(), ["ann in nowhere: kind 31 \"two\""]);
    house.rule(0, Verdict::Modified("TWO".into()));
    assert_eq!(house.told(ann), ["notice mind your words"]);
    house.wait(limits::PRESENCE_MERGE);
    let text = house
        .mail(bob)
        .into_iter()
        .rev()
        .find_map(|told| match told {
            ToClient::Presence(items) => Some(items[0].text.clone()),
            _ => None,
        });
    assert_eq!(text.as_deref(), Some("TWO"));
}

#[test]
fn observers_are_told_who_came_and_went() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::PRESENCE | HookSet::DISCONNECT);
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
    house.input(Input::Hooks(FromHooks::Notice(Box::new(NoticeOut {
        plugin: PluginName::new("dice").unwrap(),
        to: NoticeTo::Link(ask.link),
        text: "7".into(),
        about: ask.conversation.map(Target::Conversation),
    }))));
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
    let (mut house, _, bob) = lobby();
    house.wants(HookSet::ENTRY);
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
    let says = |house: &mut House, token, body| {
        house.input(Input::Hooks(FromHooks::Say(Box::new(Say {
            plugin: PluginName::new("dice").unwrap(),
            token,
            target: target("#lobby"),
            id: None,
            body,
        }))));
    };
    says(&mut house, 2, Body::edit(Seq(3), "stolen"));
    says(&mut house, 3, Body::redaction(Seq(3)));
    says(&mut house, 4, Body::edit(Seq(4), "better"));
    says(&mut house, 5, Body::reaction(Seq(3), "+1"));
    says(&mut house, 6, Body::topic("mine"));
    says(&mut house, 7, Body::edit(Seq(99), "nowhere"));
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
    house.input(Input::Hooks(FromHooks::Say(Box::new(Say {
        plugin: PluginName::new("motd").unwrap(),
        token: 2,
        target: Target::Conversation(direct),
        id: None,
        body: Body::text("I listen", None),
    }))));
    assert_eq!(house.said(), ["motd 2 not_a_member"]);
    assert_eq!(house.heard(bob), ["1 ann: psst"]);
}

#[test]
fn the_same_id_of_a_plugin_is_the_same_entry() {
    let (mut house, ..) = lobby();
    let id = house.new_id();
    for token in 1..=2 {
        house.input(Input::Hooks(FromHooks::Say(Box::new(Say {
            plugin: PluginName::new("motd").unwrap(),
            token,
            target: target("#lobby"),
            id: Some(id),
            body: Body::text("once", None),
        }))));
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
        house.input(Input::Hooks(FromHooks::Notice(Box::new(NoticeOut {
            plugin: PluginName::new("motd").unwrap(),
            to,
            text: text.into(),
            about: None,
        }))));
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
        house.input(Input::Hooks(FromHooks::Notice(Box::new(NoticeOut {
            plugin: PluginName::new("motd").unwrap(),
            to: NoticeTo::Account(AccountName::new(name).unwrap()),
            text: "hear".into(),
            about: Some(target("#lobby")),
        }))));
    }
    let mut named = |link| match &house.mail(link)[..] {
        [ToClient::Notice { conversation, .. }] => conversation.is_some(),
        other => panic!("{other:?}"),
    };
    assert_eq!([named(ann), named(bob), named(cat)], [true, true, false]);
}

#[test]
fn an_account_that_is_deleted_while_plugins_think_says_nothing() {
    let (mut house, _, bob) = lobby();
    house.wants(HookSet::ENTRY);
    house.say(bob, "#lobby", "one last word");
    let name = AccountName::new("bob").unwrap();
    house.admin(Admin::RemoveAccount { name }).unwrap();
    house.pass(0);
    assert!(house.store.account_named("bob").is_none());
}

#[test]
fn what_is_asked_about_is_bounded() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::ENTRY);
    let mut links = vec![ann];
    let mut asked = 0;
    'all: loop {
        let link = *links.last().unwrap();
        for _ in 0..limits::SENDS {
            house.say(link, "#lobby", &long());
            if house.answered(link) == ["busy again"] {
                break 'all;
            }
            asked += 1;
        }
        links.push(house.log_in_from("ann", &format!("device {}", links.len())));
    }
    let bytes = asked * limits::TEXT_BYTES;
    assert!(bytes <= limits::ASK_BYTES && bytes > limits::ASK_BYTES / 2);
}

#[test]
fn a_file_is_asked_about_before_its_first_byte_when_it_is_there_and_as_an_entry() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::FILE | HookSet::ENTRY);
    let id = house.new_id();
    house.upload(ann, "#lobby", id, 10);
    assert_eq!(house.asked(), ["ann offers a.txt in #lobby"]);
    assert!(house.done().is_empty(), "nothing was taken so far");
    house.rule(0, Verdict::Modified("b.txt".into()));
    let Answer::Uploading(uploading) = house.reply(ann) else {
        panic!();
    };
    let transfer = RequestId(house.requests);
    house.finish(ann, transfer);
    assert_eq!(house.asked(), ["ann has sent b.txt in #lobby"]);
    house.pass(0);
    assert_eq!(house.asked(), ["ann in #lobby: kind 2 \"b.txt\""]);
    assert!(house.heard(bob).is_empty());
    house.rule(0, Verdict::Modified("c.txt".into()));
    let names: Vec<String> = house
        .mail(bob)
        .into_iter()
        .filter_map(|told| match told {
            ToClient::Entry(entry) => match entry.body.content() {
                Content::File(offer) => Some(offer.name),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(names, ["c.txt"]);
    assert_eq!(house.answered(ann), ["entered 3"]);
    let _ = uploading;
}

#[test]
fn a_file_that_nobody_wants_leaves_nothing_behind() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::FILE | HookSet::ENTRY);
    let id = house.new_id();
    house.upload(ann, "#lobby", id, 10);
    house.reject(0, "no files here");
    assert_eq!(house.why(ann), "no files here");
    assert!(house.done().is_empty());
    // The same id, and this time it is refused when it is there.
    house.upload(ann, "#lobby", id, 10);
    house.pass(0);
    house.mail(ann);
    let transfer = RequestId(house.requests);
    house.finish(ann, transfer);
    house.pass(0);
    house.reject(0, "no such file");
    assert_eq!(house.why(ann), "no such file");
    assert!(house.done().contains(&"remove".to_owned()));
    assert!(house.heard(bob).is_empty());
}

#[test]
fn a_bad_file_name_of_a_plugin_is_refused() {
    let (mut house, ann, _) = lobby();
    house.wants(HookSet::FILE);
    for name in [&b"../x"[..], b"", &[0xff]] {
        let id = house.new_id();
        house.upload(ann, "#lobby", id, 10);
        house.rule(0, Verdict::Modified(name.to_vec()));
        assert_eq!(house.answered(ann), ["rejected"]);
    }
}

#[test]
fn who_is_put_out_while_its_file_is_judged_sends_none() {
    let (mut house, ann, bob) = lobby();
    house.wants(HookSet::FILE);
    let id = house.new_id();
    house.upload(bob, "#lobby", id, 10);
    house.pass(0);
    house.mail(bob);
    let transfer = RequestId(house.requests);
    house.finish(bob, transfer);
    house.change(ann, "lobby", Some("bob"), Change::Kicked);
    house.pass(0);
    assert!(house.answered(bob).contains(&"not_a_member".to_owned()));
}
