use super::*;
use crate::model::DeviceItem;

fn with_password(name: &str, password: &str) -> Login {
    Login {
        password: Some(password.into()),
        enroll: false,
        ..login(name)
    }
}

fn try_login(house: &mut House, key: &str, login: Login) -> String {
    let link = house.open();
    house.log_in_as(link, key, login);
    house.told(link).concat()
}

#[test]
fn a_wrong_password_and_an_unknown_account_are_one_error() {
    let mut house = House::new();
    house.register("ann");
    for name in ["ann", "nobody", "not a name"] {
        let told = try_login(&mut house, "x", with_password(name, "wrong password"));
        assert_eq!(told, "denied login_failed", "{name}");
    }
    assert_eq!(
        try_login(&mut house, "x", login("ann")),
        "denied password_required"
    );
    assert_eq!(
        try_login(&mut house, "x", with_password("ann", PASSWORD)),
        "welcome"
    );
}

#[test]
fn failed_passwords_slow_passwords_down_but_never_an_enrolled_key() {
    let mut house = House::new();
    house.register("ann");
    for _ in 0..limits::PASSWORD_TRIES {
        try_login(&mut house, "x", with_password("ann", "wrong password"));
    }
    assert_eq!(
        try_login(&mut house, "x", with_password("ann", PASSWORD)),
        "denied slow_down"
    );
    assert_eq!(try_login(&mut house, "ann", login("ann")), "welcome");
    house.wait(limits::PASSWORD_TRIES_WINDOW);
    assert_eq!(
        try_login(&mut house, "x", with_password("ann", PASSWORD)),
        "welcome"
    );
}

/// Guesses count only once they are checked: without a bound for those under way, a burst of them
/// would be a hundred guesses at once.
#[test]
fn a_burst_of_guesses_is_bounded_before_the_first_one_counts() {
    let mut house = House::new();
    house.register("ann");
    house.hold_passwords = true;
    for _ in 0..100 {
        try_login(&mut house, "x", with_password("ann", "wrong password"));
    }
    assert_eq!(
        house.passwords.len(),
        limits::PASSWORD_TRIES_AT_ONCE as usize
    );
    house.check_passwords();
    assert_eq!(
        try_login(&mut house, "x", with_password("ann", PASSWORD)),
        "denied slow_down"
    );
}

#[test]
fn the_queue_of_passwords_is_bounded() {
    let mut house = House::new();
    house.hold_passwords = true;
    for number in 0..limits::PASSWORD_QUEUE {
        let told = try_login(
            &mut house,
            "x",
            with_password(&format!("u{number}"), PASSWORD),
        );
        assert_eq!(told, "");
    }
    assert_eq!(
        try_login(&mut house, "x", with_password("one-more", PASSWORD)),
        "denied busy"
    );
    house.check_passwords();
    assert_eq!(
        try_login(&mut house, "x", with_password("one-more", PASSWORD)),
        "denied login_failed"
    );
}

#[test]
fn registering_again_with_the_same_name_and_key_succeeds() {
    let mut house = House::new();
    let account = Login {
        register: true,
        ..login("ann")
    };
    assert_eq!(try_login(&mut house, "ann", account.clone()), "welcome");
    assert_eq!(try_login(&mut house, "ann", account.clone()), "welcome");
    assert_eq!(
        try_login(&mut house, "x", account.clone()),
        "denied name_taken"
    );
    let other = Login {
        account: "bob".into(),
        ..account
    };
    assert_eq!(try_login(&mut house, "ann", other), "denied device_taken");
}

/// The first link was lost while its registration was written, and the client came back at once.
#[test]
fn registering_again_succeeds_also_while_the_first_one_is_written() {
    let mut house = House::with(Registration::Invite, None);
    let token = invite(&mut house, 1);
    let account = Login {
        register: true,
        invite: Some(token),
        ..login("ann")
    };
    house.hold_writes = true;
    let first = house.open();
    house.log_in_as(first, "ann", account.clone());
    house.cut(first);
    let second = house.open();
    house.log_in_as(second, "ann", account);
    house.commit();
    assert_eq!(house.told(second), ["welcome"]);
}

fn invite(house: &mut House, uses: u32) -> String {
    let lasts = Duration::from_secs(3600);
    match house.admin(Admin::Invite { uses, lasts }) {
        Ok(AdminAnswer::Invite(token)) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invite_opens_as_many_accounts_as_it_says_and_until_it_expires() {
    let mut house = House::with(Registration::Invite, None);
    let token = invite(&mut house, 2);
    let with = |name: &str, invite: Option<&str>| Login {
        register: true,
        invite: invite.map(str::to_owned),
        ..login(name)
    };
    assert_eq!(
        try_login(&mut house, "a", with("ann", None)),
        "denied invite_required"
    );
    assert_eq!(
        try_login(&mut house, "a", with("ann", Some("x"))),
        "denied bad_invite"
    );
    assert_eq!(
        try_login(&mut house, "a", with("ann", Some(&token))),
        "welcome"
    );
    // A name that is taken uses nothing up, and a bad invite tells nothing about names.
    assert_eq!(
        try_login(&mut house, "b", with("ann", Some(&token))),
        "denied name_taken"
    );
    assert_eq!(
        try_login(&mut house, "b", with("ann", Some("x"))),
        "denied bad_invite"
    );
    assert_eq!(
        try_login(&mut house, "b", with("bob", Some(&token))),
        "welcome"
    );
    assert_eq!(
        try_login(&mut house, "c", with("cyd", Some(&token))),
        "denied bad_invite"
    );

    let late = invite(&mut house, 5);
    house.wait(Duration::from_secs(3600));
    assert_eq!(
        try_login(&mut house, "c", with("cyd", Some(&late))),
        "denied bad_invite"
    );
}

#[test]
fn of_two_who_use_the_last_invite_at_once_one_gets_in() {
    let mut house = House::with(Registration::Invite, None);
    let token = invite(&mut house, 1);
    let account = Login {
        register: true,
        invite: Some(token),
        ..login("ann")
    };
    house.hold_writes = true;
    let (ann, bob) = (house.open(), house.open());
    house.log_in_as(ann, "a", account.clone());
    house.log_in_as(
        bob,
        "b",
        Login {
            account: "bob".into(),
            ..account
        },
    );
    house.commit();
    assert_eq!(house.told(ann), ["welcome"]);
    assert_eq!(house.told(bob), ["denied bad_invite"]);
}

#[test]
fn a_closed_server_opens_no_accounts() {
    let mut house = House::with(Registration::Closed, None);
    let account = Login {
        register: true,
        ..login("ann")
    };
    assert_eq!(
        try_login(&mut house, "a", account),
        "denied registration_closed"
    );
}

#[test]
fn registrations_of_one_address_are_slowed_down() {
    let mut house = House::with(Registration::Closed, None);
    let account = Login {
        register: true,
        ..login("ann")
    };
    for _ in 0..limits::REGISTER_TRIES {
        try_login(&mut house, "a", account.clone());
    }
    assert_eq!(try_login(&mut house, "a", account), "denied slow_down");
}

#[test]
fn bad_names_and_short_passwords_open_nothing() {
    let mut house = House::new();
    let account = |name: &str, password: &str| Login {
        register: true,
        ..with_password(name, password)
    };
    assert_eq!(
        try_login(&mut house, "a", account("a b", PASSWORD)),
        "denied bad_name"
    );
    assert_eq!(
        try_login(&mut house, "a", account("ann", "short")),
        "denied bad_password"
    );
    let nothing = Login {
        password: None,
        ..account("ann", "")
    };
    assert_eq!(try_login(&mut house, "a", nothing), "denied bad_password");
}

#[test]
fn a_new_login_of_a_device_takes_over_its_ghost_and_nobody_sees_a_blink() {
    for enroll in [true, false] {
        let mut house = House::new();
        let (ann, bob) = (house.register("ann"), house.register("bob"));
        house.room("lobby", &[ann, bob]);
        house.cut(bob);
        house.forget_mail();
        let account = Login {
            enroll,
            ..with_password("bob", PASSWORD)
        };
        let ghost = house.open();
        house.log_in_as(ghost, "other", account.clone());
        house.resume(ghost, &Device::default());
        house.wait(Duration::from_secs(1));
        assert_eq!(house.told(ann), ["presence bob online"]);
        let next = house.open();
        house.log_in_as(next, "other", account);
        house.resume(next, &Device::default());
        assert_eq!(house.closed.get(&ghost), Some(&Some(ByeReason::Replaced)));
        house.wait(Duration::from_secs(1));
        assert!(house.told(ann).is_empty());
        assert_eq!(house.hub.links(), 2);
    }
}

#[test]
fn a_full_account_still_takes_over_its_own_ghosts() {
    let mut house = House::new();
    house.register("ann");
    for number in 1..limits::LINKS_PER_ACCOUNT {
        let told = try_login(
            &mut house,
            &format!("k{number}"),
            with_password("ann", PASSWORD),
        );
        assert_eq!(told, "welcome");
    }
    assert_eq!(
        try_login(&mut house, "one more", with_password("ann", PASSWORD)),
        "denied too_many"
    );
    assert_eq!(try_login(&mut house, "ann", login("ann")), "welcome");
}

#[test]
fn a_changed_password_locks_the_other_devices_out() {
    let mut house = House::new();
    let phone = house.register("ann");
    let laptop = house.log_in_from("ann", "laptop");
    let change = |old: &str| Request::Password {
        old: Some(old.into()),
        new: "another password".into(),
        keep_devices: false,
    };
    house.ask(phone, change("wrong password"));
    house.ask(phone, change(PASSWORD));
    assert_eq!(house.answered(phone), ["login_failed", "done"]);
    assert_eq!(house.closed[&laptop], Some(ByeReason::Kicked));
    assert_eq!(
        try_login(&mut house, "laptop", login("ann")),
        "denied password_required"
    );
    assert_eq!(
        try_login(&mut house, "laptop", with_password("ann", PASSWORD)),
        "denied login_failed"
    );
    assert_eq!(try_login(&mut house, "ann", login("ann")), "welcome");
}

#[test]
fn a_password_that_was_changed_while_it_was_checked_is_worth_nothing() {
    let mut house = House::new();
    let phone = house.register("ann");
    house.hold_passwords = true;
    let thief = house.open();
    house.log_in_as(thief, "thief", with_password("ann", PASSWORD));
    let held = house.passwords.pop_front().unwrap();
    house.hold_passwords = false;
    let change = Request::Password {
        old: Some(PASSWORD.into()),
        new: "another password".into(),
        keep_devices: true,
    };
    house.ask(phone, change);
    house.input(held);
    assert_eq!(house.told(thief), ["denied login_failed"]);
}

/// Also when it logs in again while that is written.
#[test]
fn a_revoked_device_is_out() {
    let mut house = House::new();
    let phone = house.register("ann");
    let laptop = house.log_in_from("ann", "laptop");
    house.ask(phone, Request::Devices);
    let Answer::Devices(devices) = house.reply(phone) else {
        panic!("no devices");
    };
    let other: &DeviceItem = devices.iter().find(|device| !device.this).unwrap();
    house.hold_writes = true;
    house.ask(phone, Request::Revoke { device: other.id });
    house.cut(laptop);
    let laptop = house.log_in("ann-not-yet");
    assert_eq!(house.told(laptop), ["denied password_required"]);
    let laptop = house.open();
    house.log_in_as(laptop, "laptop", login("ann"));
    assert_eq!(house.told(laptop), ["welcome"]);
    house.commit();
    assert_eq!(house.answered(phone), ["done"]);
    assert_eq!(house.closed[&laptop], Some(ByeReason::Kicked));
}

#[test]
fn who_is_gone_before_its_password_is_checked_leaves_nothing() {
    let mut house = House::new();
    house.register("ann");
    house.hold_passwords = true;
    let link = house.open();
    house.log_in_as(link, "x", with_password("ann", PASSWORD));
    house.cut(link);
    house.check_passwords();
    assert!(house.told(link).is_empty());
    assert_eq!(house.hub.links(), 1);
    assert!(house.hub.pending.is_empty());
}

#[test]
fn of_too_many_links_that_say_nothing_the_oldest_goes() {
    let mut house = House::new();
    let first = house.open();
    for _ in 0..limits::NEW_LINKS_PER_ADDRESS {
        house.open();
    }
    assert_eq!(house.closed.get(&first), Some(&None));
    // It is late with its login.
    house.log_in_as(first, "x", login("ann"));
    assert!(house.told(first).is_empty());
}
