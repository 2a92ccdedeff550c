//! Trust, login, and one link after another.

use super::desk::*;
use crate::agent::{Command, Event, Setup, TrustRule};
use crate::error::{Error, LinkFault};
use crate::limits;
use crate::model::{ByeReason, Code, Login, PresenceState, Refusal, Request, ToClient, ToServer};
use crate::port::{ProfileChange, ProfileState};

fn login(desk: &mut Desk) -> Login {
    let sent = std::mem::take(&mut desk.sent).into_iter();
    let mut logins = sent.filter_map(|frame| match frame {
        ToServer::Login(login) => Some(login),
        _ => None,
    });
    let login = logins.next().expect("a login");
    assert!(logins.next().is_none());
    login
}

fn closed(desk: &mut Desk) -> (Option<Error>, Option<ByeReason>) {
    match desk.events().pop() {
        Some(Event::Closed { error, reason }) => (error, reason),
        other => panic!("not closed but {other:?}"),
    }
}

fn pause(desk: &mut Desk) -> u128 {
    match desk.events().pop() {
        Some(Event::Reconnecting { pause, .. }) => pause.as_millis(),
        other => panic!("no pause but {other:?}"),
    }
}

fn knowing(keys: Vec<String>, accept_new: bool, in_profile: bool) -> Setup {
    let trust = TrustRule::Known {
        keys,
        accept_new,
        in_profile,
    };
    Setup { trust, ..setup() }
}

fn enrolled() -> Setup {
    let state = ProfileState {
        enrolled: true,
        ..ProfileState::default()
    };
    Setup { state, ..setup() }
}

#[test]
fn a_changed_server_key_ends_it_before_anything_is_said() {
    let mut desk = Desk::new(setup());
    desk.show_key([8; 32], "SHA256:wrong");
    assert!(!desk.accepted && desk.sent.is_empty() && desk.link.is_none());
    let (error, _) = closed(&mut desk);
    assert!(matches!(error, Some(Error::Trust(mistrust))
        if mistrust.expected.as_deref() == Some("SHA256:right")));
}

#[test]
fn a_pin_counts_and_nothing_else() {
    let trust = TrustRule::Pinned("SHA256:right".to_owned());
    let pinned = Setup { trust, ..setup() };
    let mut desk = Desk::new(pinned.clone());
    desk.log_in();
    assert!(desk.remembered.is_empty());
    let mut desk = Desk::new(pinned);
    desk.show_key(KEY, "SHA256:other");
    assert!(matches!(closed(&mut desk).0, Some(Error::Trust(_))));
}

#[test]
fn a_first_key_is_accepted_and_remembered_if_the_application_wants_so() {
    let mut desk = Desk::new(knowing(Vec::new(), true, false));
    desk.log_in();
    assert_eq!(desk.remembered, [KEY]);
    let mut desk = Desk::new(knowing(Vec::new(), true, true));
    desk.log_in();
    assert!(matches!(&desk.disk[0], ProfileChange::PutServer(server) if server.key == KEY));
    assert!(desk.remembered.is_empty());
}

#[test]
fn an_unknown_key_waits_for_the_application_however_long_that_takes() {
    let mut desk = Desk::new(knowing(Vec::new(), false, false));
    desk.show_key(KEY, "SHA256:right");
    assert!(!desk.accepted);
    assert!(matches!(
        desk.take(),
        Some(Event::ServerKey { key: KEY, .. })
    ));
    assert!(desk.command(Command::Trust([1; 32])).is_err());
    desk.cut();
    assert!(
        desk.agent.poll_timeout().is_none(),
        "no other try before the answer"
    );
    desk.command(Command::Trust(KEY)).unwrap();
    assert_eq!(desk.remembered, [KEY]);
    desk.log_in();
    assert!(matches!(desk.take(), Some(Event::Connected { .. })));
}

#[test]
fn the_first_login_enrolls_the_device_and_later_ones_need_no_password() {
    let mut desk = Desk::new(setup());
    desk.log_in();
    let first = login(&mut desk);
    assert!(first.enroll && first.password.is_some());
    assert!(desk.disk.contains(&ProfileChange::Enrolled(true)));
    desk.cut();
    desk.come_back();
    assert_eq!(login(&mut desk).password, None);
    let mut desk = Desk::new(enrolled());
    desk.log_in();
    assert_eq!(login(&mut desk).password, None);
}

#[test]
fn without_a_durable_profile_nothing_is_enrolled() {
    let mut desk = Desk::new(Setup {
        durable: false,
        ..setup()
    });
    desk.log_in();
    assert!(!login(&mut desk).enroll);
    desk.cut();
    desk.come_back();
    assert!(login(&mut desk).password.is_some());
}

#[test]
fn a_device_that_the_server_does_not_know_tries_the_password_once() {
    for code in [Code::PasswordRequired, Code::DeviceRevoked] {
        let mut desk = Desk::new(enrolled());
        desk.show_key(KEY, "SHA256:right");
        assert_eq!(login(&mut desk).password, None);
        desk.frame(ToClient::Denied(code.into()));
        desk.show_key(KEY, "SHA256:right");
        assert!(login(&mut desk).password.is_some());
        desk.frame(ToClient::Denied(code.into()));
        assert!(matches!(closed(&mut desk).0, Some(Error::Refused(refusal))
            if refusal.code == code));
    }
}

#[test]
fn an_account_is_registered_until_the_first_welcome() {
    let mut desk = Desk::new(Setup {
        register: true,
        invite: Some("token".to_owned()),
        patient: true,
        ..setup()
    });
    desk.show_key(KEY, "SHA256:right");
    assert!(login(&mut desk).register);
    desk.cut();
    desk.come_back();
    let second = login(&mut desk);
    assert!(second.register && second.invite.is_some());
    desk.cut();
    desk.come_back();
    let third = login(&mut desk);
    assert!(!third.register && third.invite.is_none());
}

#[test]
fn a_denied_login_is_final_unless_the_server_is_busy() {
    let mut desk = Desk::new(setup());
    desk.show_key(KEY, "SHA256:right");
    desk.frame(ToClient::Denied(Refusal::new(Code::Busy).retry_in(3000)));
    assert!(pause(&mut desk) >= 3000);
    desk.wait();
    desk.show_key(KEY, "SHA256:right");
    desk.frame(ToClient::Denied(Code::LoginFailed.into()));
    assert!(matches!(closed(&mut desk).0, Some(Error::Refused(_))));
}

#[test]
fn what_was_asked_before_a_denied_login_is_refused_for_the_same_reason() {
    let mut desk = Desk::new(setup());
    desk.command(Command::Ask(Request::Devices)).unwrap();
    desk.show_key(KEY, "SHA256:right");
    desk.frame(ToClient::Denied(Code::NameTaken.into()));
    let events = desk.events();
    assert!(matches!(&events[0], Event::Refused { refusal, .. }
        if refusal.code == Code::NameTaken));
    assert!(matches!(events.last(), Some(Event::Closed { .. })));
}

#[test]
fn the_first_connection_is_tried_once_unless_the_client_is_patient() {
    let mut desk = Desk::new(setup());
    desk.cut();
    assert_eq!(closed(&mut desk).0, Some(Error::Link(LinkFault::Lost)));
    let mut desk = Desk::new(Setup {
        patient: true,
        ..setup()
    });
    desk.cut();
    desk.come_back();
    assert!(
        desk.events()
            .iter()
            .any(|event| matches!(event, Event::Connected { .. }))
    );
}

#[test]
fn pauses_grow_with_each_failure_and_start_anew_after_a_stable_link() {
    let mut desk = Desk::at_work(setup(), 0);
    let mut last = 0;
    for _ in 0..7 {
        desk.cut();
        let next = pause(&mut desk);
        assert!(next > last, "{next} after {last}");
        last = next;
        desk.wait_for_link();
    }
    for _ in 0..10 {
        desk.cut();
        assert!(pause(&mut desk) <= limits::BACKOFF_LAST.as_millis());
        desk.wait_for_link();
    }
    desk.log_in();
    desk.pass(limits::STABLE_AFTER);
    desk.cut();
    assert!(pause(&mut desk) <= limits::BACKOFF_FIRST.as_millis());
}

#[test]
fn a_login_that_does_not_last_does_not_shorten_the_pause() {
    let mut desk = Desk::at_work(setup(), 0);
    for _ in 0..6 {
        desk.cut();
        desk.come_back();
        desk.events();
    }
    desk.cut();
    assert!(pause(&mut desk) > limits::BACKOFF_FIRST.as_millis() * 4);
}

#[test]
fn a_final_goodbye_is_final_and_another_one_is_not() {
    for reason in [ByeReason::Replaced, ByeReason::Kicked, ByeReason::Banned] {
        let mut desk = Desk::at_work(setup(), 0);
        desk.frame(ToClient::Bye(reason, String::new()));
        let (error, told) = closed(&mut desk);
        assert_eq!(told, Some(reason));
        assert!(matches!(error, Some(Error::Link(LinkFault::Bye(..)))));
        assert!(desk.agent.is_closed());
    }
    let mut desk = Desk::at_work(setup(), 0);
    desk.frame(ToClient::Bye(ByeReason::Shutdown, String::new()));
    desk.come_back();
    assert!(
        desk.events()
            .iter()
            .any(|event| matches!(event, Event::Connected { .. }))
    );
}

#[test]
fn a_client_that_may_not_reconnect_ends_with_its_link() {
    let mut desk = Desk::at_work(
        Setup {
            reconnect: false,
            ..setup()
        },
        0,
    );
    desk.say("open");
    desk.cut();
    let events = desk.events();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Unsent { kept: true, .. }))
    );
    assert!(matches!(
        events.last(),
        Some(Event::Closed { error: Some(_), .. })
    ));
}

#[test]
fn late_news_of_an_old_link_is_ignored() {
    let mut desk = Desk::at_work(setup(), 0);
    let old = desk.link.unwrap();
    desk.cut();
    desk.come_back();
    let lost = Error::Link(LinkFault::Lost);
    desk.input(crate::agent::Input::Ended(old, lost));
    desk.input(crate::agent::Input::Frame(
        old,
        ToClient::Bye(ByeReason::Kicked, String::new()),
    ));
    assert!(desk.link.is_some());
    assert!(
        !desk
            .events()
            .iter()
            .any(|event| matches!(event, Event::Closed { .. }))
    );
}

#[test]
fn presence_is_kept_over_links() {
    let mut desk = Desk::at_work(setup(), 0);
    let away = ToServer::Presence(PresenceState::Away, "tea".to_owned());
    desk.command(Command::Presence(PresenceState::Away, "tea".to_owned()))
        .unwrap();
    assert!(desk.sent.contains(&away));
    desk.cut();
    desk.sent.clear();
    desk.come_back();
    assert!(desk.sent.contains(&away));
}

#[test]
fn no_link_is_made_while_the_application_is_behind() {
    let mut desk = Desk::at_work(setup(), 0);
    while desk.command(Command::Outbox).is_ok() {}
    desk.cut();
    desk.pass(limits::BACKOFF_LAST);
    assert!(desk.agent.poll_timeout().is_none());
    assert!(desk.link.is_none());
    desk.events();
    assert!(desk.link.is_some());
}

#[test]
fn an_application_that_is_gone_takes_the_client_with_it() {
    let mut desk = Desk::at_work(setup(), 0);
    desk.frame(entry(1, "a"));
    desk.input(crate::agent::Input::AppGone);
    assert_eq!(desk.sent.last(), Some(&ToServer::Bye));
    assert!(desk.agent.is_closed());
}
