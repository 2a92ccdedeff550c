//! Streams, logins and registrations are asked about.

use super::*;

#[test]
fn a_stream_is_asked_about_and_its_login_waits() {
    let (mut house, ..) = lobby_with(HookSet::CONNECT);
    let link = house.open();
    assert_eq!(house.asked(), ["connect 192.0.2.1"]);
    house.log_in_as(link, "ann", login("ann"));
    assert!(house.told(link).is_empty());
    house.pass(0);
    assert_eq!(house.told(link), ["welcome"]);
}

#[test]
fn a_stream_that_nobody_wants_is_closed_or_told_why() {
    let (mut house, ..) = lobby_with(HookSet::CONNECT);
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
    let (mut house, ..) = lobby_with(HookSet::LOGIN);
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
    let (mut house, ..) = lobby_with(HookSet::LOGIN);
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
    let (mut house, ..) = lobby_with(HookSet::CONNECT | HookSet::LOGIN);
    let link = house.open();
    house.pass(0);
    house.log_in_as(link, "ann", login("ann"));
    house.cut(link);
    house.pass(0);
    assert!(house.told(link).is_empty());
}
