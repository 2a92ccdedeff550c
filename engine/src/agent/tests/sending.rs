//! Sends and requests.

use super::desk::*;
use crate::agent::{Command, Event, Input};
use crate::error::Error;
use crate::id::{RequestId, SendId, Seq};
use crate::limits;
use crate::model::{
    Answer, Body, Change, Code, Refusal, Request, RoomName, Target, ToClient, ToServer,
};
use crate::port::{ItemState, ProfileState};

fn refused(desk: &mut Desk, send: &crate::model::Send, refusal: Refusal) {
    desk.frame(ToClient::Error(send.request, refusal));
}

#[test]
fn a_send_is_on_disk_before_its_first_byte_goes_out() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.slow = Some(Vec::new());
    let command = desk.say("hi");
    assert!(desk.sends().is_empty());
    assert_eq!(desk.events(), []);
    desk.disk_catches_up();
    let sends = desk.sends();
    assert_eq!(texts(&sends), ["hi"]);
    assert!(!sends[0].again);
    assert_eq!(desk.outbox()[0].id, sends[0].id);
    let (id, label) = (sends[0].id, "hi".to_owned());
    let queued = Event::Queued { command, label, id };
    assert_eq!(desk.events(), [queued]);
}

#[test]
fn an_ack_settles_a_send_and_takes_it_off_the_disk() {
    let mut desk = Desk::at_work(setup(), 0);
    let command = desk.say("hi");
    let send = desk.sends().remove(0);
    desk.events();
    desk.ack(&send, 1);
    let acked = Event::Acked {
        command: Some(command),
        label: "hi".to_owned(),
        id: send.id,
        peer: lobby_peer(),
        seq: Seq(1),
    };
    assert_eq!(desk.events(), [acked]);
    assert!(desk.outbox().is_empty());
}

#[test]
fn a_disk_that_fails_refuses_the_send() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.slow = Some(Vec::new());
    let command = desk.say("hi");
    let (ticket, _) = desk.slow.take().unwrap().remove(0);
    let full = Error::Local("disk full".to_owned());
    desk.input(Input::Saved(ticket, Err(full)));
    assert!(desk.sends().is_empty());
    let events = desk.events();
    assert!(
        matches!(&events[..], [Event::Refused { command: Some(c), refusal, .. }]
        if *c == command && refusal.code == Code::Storage)
    );
}

#[test]
fn what_was_sent_before_a_cut_is_sent_again_in_order_and_marked() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("one");
    desk.say("two");
    let first = desk.sends();
    desk.cut();
    desk.say("three");
    assert!(desk.sends().is_empty());
    desk.come_back();
    let second = desk.sends();
    assert_eq!(texts(&second), ["one", "two", "three"]);
    let again: Vec<_> = second.iter().map(|send| send.again).collect();
    assert_eq!(again, [true, true, false]);
    assert_eq!(second[0].id, first[0].id);
    assert!(second[0].request > RequestId(0));
}

#[test]
fn what_an_earlier_run_left_is_sent_again_and_acked_without_a_command() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("left over");
    let send = desk.sends().remove(0);
    let state = ProfileState {
        outbox: desk.outbox(),
        ..ProfileState::default()
    };
    let mut desk = Desk::at_work(setup(), 0);
    assert!(desk.sends().is_empty());
    desk = Desk::new(crate::agent::Setup { state, ..setup() });
    desk.log_in();
    desk.events();
    let sends = desk.sends();
    assert_eq!((sends[0].id, sends[0].again), (send.id, true));
    desk.ack(&sends[0], 4);
    assert!(
        matches!(&desk.events()[..], [Event::Acked { command: None, label, .. }]
        if label == "left over")
    );
}

#[test]
fn a_link_carries_no_more_sends_than_its_credit() {
    let mut desk = Desk::new(setup());
    desk.sends = 2;
    desk.log_in();
    for text in ["a", "b", "c"] {
        desk.say(text);
    }
    let sends = desk.sends();
    assert_eq!(texts(&sends), ["a", "b"]);
    desk.ack(&sends[0], 1);
    assert_eq!(texts(&desk.sends()), ["c"]);
}

#[test]
fn a_send_refused_for_now_comes_again_first_and_the_others_follow_in_order() {
    let mut desk = Desk::at_work(setup(), 0);
    for text in ["one", "two", "three"] {
        desk.say(text);
    }
    let sends = desk.sends();
    refused(&mut desk, &sends[0], Refusal::new(Code::Busy).retry_in(700));
    refused(
        &mut desk,
        &sends[1],
        Refusal::new(Code::AfterRefused).retry_in(500),
    );
    desk.say("four");
    refused(
        &mut desk,
        &sends[2],
        Refusal::new(Code::AfterRefused).retry_in(500),
    );
    assert!(desk.sends().is_empty(), "the others wait");
    let before = desk.now.time;
    desk.now.time = desk.agent.poll_timeout().unwrap();
    while desk.now.time.since(before).as_millis() < 700 {
        desk.input(Input::Timeout);
        assert!(desk.sends().is_empty());
        desk.wait();
    }
    desk.input(Input::Timeout);
    let retry = desk.sends();
    assert_eq!(texts(&retry), ["one"]);
    desk.ack(&retry[0], 1);
    assert_eq!(texts(&desk.sends()), ["two", "three", "four"]);
}

#[test]
fn a_refusal_for_now_holds_back_no_other_conversation() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("one");
    let send = desk.sends().remove(0);
    refused(&mut desk, &send, Refusal::new(Code::Busy).retry_in(700));
    let command = Command::Send {
        target: Target::Room(RoomName::new("other").unwrap()),
        body: Body::text("elsewhere", None),
        id: None,
        label: String::new(),
    };
    desk.command(command).unwrap();
    assert_eq!(texts(&desk.sends()), ["elsewhere"]);
}

#[test]
fn a_final_refusal_keeps_the_send_as_failed_and_blocks_nothing() {
    let mut desk = Desk::at_work(setup(), 0);
    let command = desk.say("one");
    desk.say("two");
    let sends = desk.sends();
    desk.events();
    refused(&mut desk, &sends[0], Code::Muted.into());
    let events = desk.events();
    assert!(
        matches!(&events[..], [Event::Refused { command: Some(c), id: Some(id), refusal, .. }]
        if *c == command && *id == sends[0].id && refusal.code == Code::Muted)
    );
    let failed = ItemState::Failed(Code::Muted.into());
    assert!(
        desk.outbox()
            .iter()
            .any(|item| item.id == sends[0].id && item.state == failed)
    );
    desk.ack(&sends[1], 1);
    desk.command(Command::Outbox).unwrap();
    let events = desk.events();
    assert!(matches!(&events[1], Event::Outbox { items, .. }
        if *items == [(sends[0].id, "one".to_owned(), failed.clone())]));
    desk.cut();
    desk.come_back();
    assert!(desk.sends().is_empty(), "a failed one is not sent again");
}

#[test]
fn cancelling_a_send_that_blocks_tells_the_server_and_lets_the_others_pass() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("one");
    desk.say("two");
    let sends = desk.sends();
    refused(&mut desk, &sends[0], Refusal::new(Code::Busy).retry_in(700));
    refused(&mut desk, &sends[1], Refusal::new(Code::AfterRefused));
    desk.events();
    let cancel = desk.command(Command::Cancel(sends[0].id)).unwrap();
    assert!(
        matches!(&desk.sent[..], [ToServer::Cancel { id, .. }, ToServer::Send(next)]
        if *id == sends[0].id && next.id == sends[1].id)
    );
    let events = desk.events();
    assert!(
        matches!(&events[..], [Event::Canceled { id, .. }, Event::Answer { command, .. }]
        if *id == sends[0].id && *command == cancel)
    );
    assert_eq!(desk.outbox().len(), 1);
}

#[test]
fn a_refusal_that_meets_a_cancelled_send_is_withdrawn() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("one");
    let send = desk.sends().remove(0);
    desk.command(Command::Cancel(send.id)).unwrap();
    assert!(desk.sent.is_empty());
    refused(&mut desk, &send, Refusal::new(Code::Busy).retry_in(700));
    assert!(matches!(&desk.sent[..], [ToServer::Cancel { id, .. }] if *id == send.id));
}

#[test]
fn cancelling_what_is_not_there_is_refused() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.command(Command::Cancel(SendId([1; 16]))).unwrap();
    assert!(
        matches!(&desk.events()[..], [Event::Refused { refusal, .. }]
        if refusal.code == Code::NoSuchEntry)
    );
}

#[test]
fn an_own_entry_settles_a_send_whose_ack_was_lost() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("mine");
    let send = desk.sends().remove(0);
    desk.events();
    desk.cut();
    desk.come_back();
    desk.list(vec![lobby(0)]);
    desk.frame(own_entry(1, send.id));
    let again = desk.sends().remove(0);
    desk.ack(&again, 1);
    let events = desk.events();
    let kinds: Vec<_> = events
        .iter()
        .filter(|event| matches!(event, Event::Acked { .. } | Event::Entry { .. }))
        .collect();
    assert!(
        matches!(&kinds[..], [Event::Acked { .. }, Event::Entry { .. }]),
        "one ack, before the entry: {kinds:?}"
    );
    assert!(desk.outbox().is_empty());
}

#[test]
fn somebody_elses_entry_with_the_same_id_settles_nothing() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("mine");
    let send = desk.sends().remove(0);
    let ToClient::Entry(entry) = own_entry(1, send.id) else {
        unreachable!()
    };
    let mut entry = (*entry).clone();
    entry.from = BOB;
    desk.frame(ToClient::Entry(entry.into()));
    assert_eq!(desk.outbox().len(), 1);
}

#[test]
fn the_same_id_is_the_same_entry_before_and_after_its_ack() {
    let mut desk = Desk::at_work(setup(), 0);
    let id = SendId([4; 16]);
    let first = desk.say_as("hi", Some(id));
    let second = desk.say_as("hi", Some(id));
    let sends = desk.sends();
    assert_eq!(sends.len(), 1);
    assert!(sends[0].again, "an earlier run may have sent it");
    desk.ack(&sends[0], 1);
    let third = desk.say_as("hi", Some(id));
    assert!(desk.sends().is_empty());
    let acked: Vec<_> = desk
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Acked { command, .. } => command,
            _ => None,
        })
        .collect();
    assert_eq!(acked, [first, second, third]);
}

#[test]
fn send_ids_are_made_by_the_servers_date() {
    let mut desk = Desk::new(setup());
    desk.show_key(KEY, "SHA256:right");
    let welcome = desk.welcome();
    let servers = desk.now.date;
    desk.now.date = crate::model::UnixTime::from_millis(1_000);
    desk.frame(welcome);
    desk.say("hi");
    assert_eq!(desk.sends()[0].id.time().millis(), servers.millis());
    // Somebody sets the clock right while the link is up.
    desk.now.date = servers + std::time::Duration::from_secs(7 * 24 * 3600);
    desk.say("again");
    assert_eq!(desk.sends()[0].id.time().millis(), servers.millis());
}

/// The server waited for it, and refused everything behind it for ever.
#[test]
fn a_refused_send_that_turns_out_to_be_in_the_log_is_not_waited_for() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("one");
    desk.say("two");
    let sends = desk.sends();
    refused(
        &mut desk,
        &sends[0],
        Refusal::new(Code::Storage).retry_in(700),
    );
    refused(&mut desk, &sends[1], Refusal::new(Code::AfterRefused));
    desk.frame(own_entry(1, sends[0].id));
    assert!(
        matches!(&desk.sent[..], [ToServer::Cancel { id, .. }, ToServer::Send(next)]
        if *id == sends[0].id && next.id == sends[1].id)
    );
}

#[test]
fn what_cannot_succeed_is_refused_at_once_and_changes_nothing() {
    let mut desk = Desk::at_work(setup(), 0);
    let long = "x".repeat(limits::TEXT_BYTES + 1);
    for text in ["", long.as_str()] {
        let command = Command::Send {
            target: room(),
            body: Body::text(text, None),
            id: None,
            label: String::new(),
        };
        assert!(matches!(desk.command(command), Err(Error::Misuse(_))));
    }
    assert!(desk.sends().is_empty());
    assert!(desk.outbox().is_empty());
}

fn asked(desk: &mut Desk) -> Vec<RequestId> {
    let sent = std::mem::take(&mut desk.sent).into_iter();
    sent.filter_map(|frame| match frame {
        ToServer::Request(id, _) => Some(id),
        _ => None,
    })
    .collect()
}

#[test]
fn a_read_whose_link_died_is_asked_again_and_answered_once() {
    let mut desk = Desk::at_work(setup(), 0);
    let command = desk.command(Command::Ask(Request::Devices)).unwrap();
    assert_eq!(asked(&mut desk).len(), 1);
    desk.cut();
    desk.come_back();
    desk.events();
    desk.list(vec![lobby(0)]);
    let ids = asked(&mut desk);
    assert_eq!(ids.len(), 1);
    desk.frame(ToClient::Answer(ids[0], Answer::Devices(Vec::new())));
    assert!(matches!(&desk.events()[..], [Event::Answer { command: c, .. }] if *c == command));
}

#[test]
fn a_plugins_command_is_never_sent_twice() {
    let mut desk = Desk::at_work(setup(), 0);
    let roll = Request::Command {
        target: None,
        name: "roll".to_owned(),
        args: String::new(),
    };
    let command = desk.command(Command::Ask(roll)).unwrap();
    desk.cut();
    assert!(desk.events().iter().any(|event| matches!(event,
        Event::Refused { command: Some(c), refusal, .. }
            if *c == command && refusal.code == Code::Lost)));
    desk.sent.clear();
    desk.come_back();
    desk.list(vec![lobby(0)]);
    assert!(asked(&mut desk).is_empty());
}

#[test]
fn a_room_that_was_made_before_the_cut_counts_as_made() {
    let mut desk = Desk::new(setup());
    desk.log_in();
    desk.list(Vec::new());
    let create = Request::Create {
        room: RoomName::new("lobby").unwrap(),
        public: true,
        history: None,
    };
    let command = desk.command(Command::Ask(create)).unwrap();
    desk.cut();
    desk.sent.clear();
    desk.come_back();
    assert!(asked(&mut desk).is_empty(), "the list tells first");
    desk.list(vec![lobby(0)]);
    let ids = asked(&mut desk);
    desk.events();
    desk.frame(ToClient::Error(ids[0], Code::RoomExists.into()));
    assert!(matches!(&desk.events()[..],
        [Event::Answer { command: c, answer: Answer::Entered { conversation: LOBBY, .. }, .. }]
            if *c == command));
}

#[test]
fn an_answer_names_the_conversation() {
    let mut desk = Desk::at_work(setup(), 0);
    let join = Request::Change {
        target: room(),
        account: None,
        change: Change::Joined,
        role: None,
        seconds: 0,
    };
    desk.command(Command::Ask(join)).unwrap();
    let ids = asked(&mut desk);
    let (conversation, seq) = (LOBBY, Seq(1));
    desk.frame(ToClient::Answer(
        ids[0],
        Answer::Entered { conversation, seq },
    ));
    assert!(
        matches!(&desk.events()[..], [Event::Answer { peer: Some(peer), .. }]
        if *peer == lobby_peer())
    );
}

#[test]
fn an_answer_to_nothing_ends_the_link() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.frame(ToClient::Answer(RequestId(77), Answer::Done));
    assert!(desk.link.is_none());
    assert!(matches!(
        &desk.events()[..],
        [Event::Reconnecting {
            error: Error::Peer(_),
            ..
        }]
    ));
}

#[test]
fn a_flush_leaves_when_everything_is_settled() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.say("one");
    desk.command(Command::Ask(Request::Devices)).unwrap();
    desk.command(Command::Leave { flush: true }).unwrap();
    let another = desk.command(Command::Typing(room()));
    assert_eq!(another, Err(Error::Closed));
    let send = desk.sends().remove(0);
    let ids = asked(&mut desk);
    desk.ack(&send, 1);
    assert!(desk.link.is_some(), "a request is open");
    desk.frame(ToClient::Answer(ids[0], Answer::Devices(Vec::new())));
    assert_eq!(desk.sent.last(), Some(&ToServer::Bye));
    assert!(desk.link.is_none());
    let events = desk.events();
    let end = Event::Closed {
        error: None,
        reason: None,
    };
    assert_eq!(events.last(), Some(&end));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Unsent { .. }))
    );
    assert!(desk.agent.is_closed());
}

#[test]
fn leaving_at_once_tells_of_each_open_send_and_request() {
    let mut desk = Desk::at_work(setup(), 0);
    let send = desk.say("one");
    let ask = desk.command(Command::Ask(Request::Devices)).unwrap();
    desk.events();
    desk.command(Command::Leave { flush: false }).unwrap();
    let events = desk.events();
    assert!(
        matches!(&events[..], [
            Event::Refused { command: Some(a), .. },
            Event::Unsent { command: Some(s), kept: true, .. },
            Event::Closed { error: None, .. },
        ] if *a == ask && *s == send),
        "{events:?}"
    );
    assert_eq!(desk.outbox().len(), 1, "it is sent at the next start");
}

#[test]
fn sends_stop_while_the_application_takes_no_events() {
    let mut desk = Desk::at_work(setup(), 0);
    let mut seq = 0;
    let full = loop {
        let command = Command::Send {
            target: room(),
            body: Body::text("x", None),
            id: None,
            label: String::new(),
        };
        if let Err(error) = desk.command(command) {
            break error;
        }
        for send in desk.sends() {
            seq += 1;
            desk.ack(&send, seq);
        }
        assert!(seq < 10_000);
    };
    assert!(matches!(full, Error::Misuse(crate::error::Misuse::Full)));
    desk.events();
    desk.say("again");
    assert_eq!(texts(&desk.sends()), ["again"]);
}
