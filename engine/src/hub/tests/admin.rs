use super::*;
use crate::model::Code;

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn code(answer: Result<AdminAnswer, Refusal>) -> Code {
    answer.unwrap_err().code
}

#[test]
fn the_operator_opens_accounts_and_sets_passwords() {
    let mut house = House::with(Registration::Closed, None);
    assert_eq!(
        house.add_account("ann", Some(PASSWORD)),
        Ok(AdminAnswer::Done)
    );
    assert_eq!(code(house.add_account("ann", None)), Code::NameTaken);
    assert_eq!(
        code(house.add_account("bob", Some("short"))),
        Code::BadPassword
    );
    let phone = house.log_in_from("ann", "phone");
    assert_eq!(house.told(phone)[0], "welcome");
    let password = "another password".to_owned();
    let set = Admin::SetPassword {
        name: name("ann"),
        password,
    };
    assert_eq!(house.admin(set), Ok(AdminAnswer::Done));
    assert_eq!(house.closed[&phone], Some(ByeReason::Kicked));
    let phone = house.log_in_from("ann", "phone");
    assert_eq!(house.told(phone), ["denied login_failed"]);
    let set = Admin::SetPassword {
        name: name("nobody"),
        password: PASSWORD.into(),
    };
    assert_eq!(code(house.admin(set)), Code::NoSuchAccount);
}

#[test]
fn two_accounts_of_one_name_at_once_become_one() {
    let mut house = House::with(Registration::Closed, None);
    house.hold_writes = true;
    for _ in 0..2 {
        let wish = Admin::AddAccount {
            name: name("ann"),
            password: None,
            rights: Rights::User,
        };
        house.input(Input::Admin(1, wish));
    }
    house.commit();
    assert_eq!(code(house.answers.pop().unwrap()), Code::NameTaken);
    assert_eq!(house.answers.pop().unwrap(), Ok(AdminAnswer::Done));
}

/// Its entries stay, its rooms hear that it is gone, and its name is free for somebody else who
/// inherits nothing.
#[test]
fn a_removed_account_leaves_its_rooms_and_its_entries_stay() {
    let (mut house, ann, bob) = lobby();
    house.say(bob, "@ann", "hi");
    house.forget_mail();
    let removed = house.admin(Admin::RemoveAccount { name: name("bob") });
    assert_eq!(removed, Ok(AdminAnswer::Done));
    assert_eq!(house.closed[&bob], Some(ByeReason::Banned));
    let told = house.told(ann);
    assert!(
        told.contains(&"presence bob offline banned".to_owned()),
        "{told:?}"
    );
    assert!(told.contains(&"3 bob: left bob".to_owned()), "{told:?}");
    // The direct conversation stays readable, and is not mistaken for one with oneself.
    let device = house.cut(ann);
    let ann = house.log_in_with("ann", &device);
    let peers: Vec<_> = house
        .conversations(ann)
        .into_iter()
        .map(|item| item.peer)
        .collect();
    assert!(peers.contains(&Peer::Account(AccountName::stored("?deleted").unwrap())));
    let bob = house.register("bob");
    assert!(house.conversations(bob).is_empty());
}

#[test]
fn who_logs_in_while_its_account_is_being_removed_is_out_with_it() {
    let mut house = House::new();
    house.register("bob");
    house.hold_writes = true;
    house.input(Input::Admin(1, Admin::RemoveAccount { name: name("bob") }));
    let bob = house.open();
    house.log_in_as(bob, "bob", login("bob"));
    assert_eq!(house.told(bob), ["welcome"]);
    house.commit();
    assert_eq!(house.closed[&bob], Some(ByeReason::Banned));
    assert_eq!(house.hub.links(), 0);
}

#[test]
fn administrators_see_and_may_do_what_owners_may() {
    let mut house = House::new();
    let (ann, root) = (house.register("ann"), house.register("root"));
    house.create(ann, "club", false);
    let rights = Admin::SetRights {
        name: name("root"),
        rights: Rights::Admin,
    };
    house.admin(rights).unwrap();
    house.mail.clear();
    house.join(root, "club");
    house.change(root, "club", Some("ann"), Change::Kicked);
    assert_eq!(house.answered(root), ["entered 2", "entered 3"]);
    // Direct conversations are nobody else's business.
    let _ = house.register("bob");
    house.say(ann, "@bob", "hi");
    let id = ConversationId::direct(house.account("ann"), house.account("bob"));
    house.ask(
        root,
        Request::Members {
            target: Target::Conversation(id),
            after: None,
        },
    );
    assert_eq!(house.answered(root), ["no_such_room"]);
}

#[test]
fn the_operator_changes_memberships_in_the_name_of_the_server() {
    let mut house = House::new();
    let (ann, bob) = (house.register("ann"), house.register("bob"));
    house.create(ann, "club", true);
    house.join(bob, "club");
    house.mail.clear();
    let wish = |change, role, seconds| Admin::Change {
        room: RoomName::new("club").unwrap(),
        account: name("bob"),
        change,
        role,
        seconds,
    };
    let owner = Some(Role::Owner);
    house.admin(wish(Change::Muted, None, 60)).unwrap();
    house.admin(wish(Change::Unmuted, None, 0)).unwrap();
    house.admin(wish(Change::Role, owner, 0)).unwrap();
    // It is so already.
    house.admin(wish(Change::Role, owner, 0)).unwrap();
    assert_eq!(
        code(house.admin(wish(Change::Role, None, 0))),
        Code::BadRole
    );
    // Owners, too.
    house.admin(wish(Change::Kicked, None, 0)).unwrap();
    let gone = house.admin(wish(Change::Kicked, None, 0));
    assert_eq!(code(gone), Code::NotAMember);
    house.admin(wish(Change::Banned, None, 0)).unwrap();
    house.join(bob, "club");
    assert_eq!(house.answered(bob), ["banned"]);
    house.admin(wish(Change::Unbanned, None, 0)).unwrap();
    house.join(bob, "club");
    let mail = house.mail(ann);
    let entries = mail.iter().filter_map(|told| match told {
        ToClient::Entry(entry) => Some(entry.from_name.as_str()),
        _ => None,
    });
    let by_server: Vec<_> = entries.collect();
    assert_eq!(
        by_server,
        [
            "server", "server", "server", "server", "server", "server", "bob"
        ]
    );
    // Nobody can be it.
    assert!(AccountName::new("server").is_err());
}

#[test]
fn the_operator_hears_what_is_in_the_way_of_a_change() {
    let mut house = House::new();
    let ann = house.register("ann");
    house.create(ann, "club", true);
    let change = |room: &str, account: &str, change| Admin::Change {
        room: RoomName::new(room).unwrap(),
        account: name(account),
        change,
        role: Some(Role::Member),
        seconds: 0,
    };
    for (wish, code) in [
        (change("attic", "ann", Change::Kicked), Code::NoSuchRoom),
        (change("club", "eve", Change::Kicked), Code::NoSuchAccount),
        (change("club", "ann", Change::Role), Code::LastOwner),
        (change("club", "ann", Change::Left), Code::BadRequest),
    ] {
        assert_eq!(house.admin(wish).unwrap_err().code, code);
    }
    // Two at once, before the account is made.
    let mut house = House::new();
    let ann = house.register("ann");
    house.create(ann, "club", true);
    house.hold_writes = true;
    house.input(Input::Admin(1, change("club", "ann", Change::Muted)));
    house.input(Input::Admin(2, change("club", "ann", Change::Unmuted)));
    house.commit();
    assert_eq!(house.answers.len(), 2);
    assert!(house.answers.iter().all(Result::is_ok));
}

#[test]
fn accounts_are_listed_in_pages() {
    let mut house = House::new();
    for text in ["cyd", "ann", "bob"] {
        house.add_account(text, None).unwrap();
    }
    let mut list = |after: Option<&str>| {
        let after = after.map(name);
        match house.admin(Admin::Accounts { after, limit: 2 }) {
            Ok(AdminAnswer::Accounts(items)) => items
                .iter()
                .map(|item| item.name.to_string())
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(list(None), ["ann", "bob"]);
    assert_eq!(list(Some("bob")), ["cyd"]);
}

#[test]
fn a_failed_write_is_told_to_the_operator() {
    let mut house = House::new();
    house.store.faults.push_back(Fault::Full("test".into()));
    assert_eq!(code(house.add_account("ann", None)), Code::Storage);
    let nothing = Admin::Invite {
        uses: 0,
        lasts: Duration::from_secs(1),
    };
    assert_eq!(code(house.admin(nothing)), Code::BadRequest);
}

// Stopping.

#[test]
fn a_drain_answers_what_was_taken_writes_the_cursors_and_then_ends() {
    let (mut house, ann, bob) = lobby();
    house.store.cursor_writes = 0;
    house.hold_writes = true;
    house.say(ann, "#lobby", "the last word");
    let late = house.open();
    house.input(Input::Drain);
    assert_eq!(house.closed.get(&late), Some(&None));
    assert_eq!(house.closed.get(&bob), Some(&Some(ByeReason::Shutdown)));
    assert!(!house.closed.contains_key(&ann));
    house.say(ann, "#lobby", "too late");
    assert_eq!(house.answered(ann), ["draining again"]);
    house.commit();
    assert_eq!(house.told(ann)[0], "ack 3");
    assert_eq!(house.closed.get(&ann), Some(&Some(ByeReason::Shutdown)));
    assert!(house.drained && house.store.cursor_writes > 0);
    assert_eq!(
        house
            .hub
            .poll_timeout()
            .filter(|due| *due <= house.now.time),
        None
    );
    let next = house.open();
    house.log_in_as(next, "ann", login("ann"));
    assert_eq!(house.told(next), ["denied draining"]);
}

#[test]
fn a_drain_ends_in_time_although_the_disk_does_not_answer() {
    let (mut house, ann) = alone();
    house.hold_writes = true;
    house.say(ann, "#lobby", "x");
    house.input(Input::Drain);
    house.wait(limits::DRAIN_FLUSH);
    assert_eq!(house.closed.get(&ann), Some(&Some(ByeReason::Shutdown)));
    // The cursors get their chance to be written.
    assert!(!house.drained);
    house.wait(limits::DRAIN_WAIT - limits::DRAIN_FLUSH);
    assert!(house.drained);
    assert!(
        house
            .hub
            .poll_timeout()
            .is_none_or(|due| due > house.now.time)
    );
}

#[test]
fn the_operator_sees_all_rooms_their_members_and_what_is_counted() {
    let mut house = House::with(Registration::Closed, Some("lobby"));
    let before = house.admin(Admin::Stats);
    house.add_account("ann", Some(PASSWORD)).unwrap();
    let ann = house.log_in_from("ann", "phone");
    house.room("den", &[ann]);
    let rooms = house.admin(Admin::Rooms { after: None });
    let Ok(AdminAnswer::Rooms(rooms, None)) = rooms else {
        panic!("{rooms:?}");
    };
    let names: Vec<_> = rooms.iter().map(|room| room.name.as_str()).collect();
    assert_eq!(names, ["den", "lobby"]);
    let members = |house: &mut House, room: &str| {
        let room = crate::model::RoomName::new(room).unwrap();
        house.admin(Admin::Members { room, after: None })
    };
    let Ok(AdminAnswer::Members(items, None)) = members(&mut house, "den") else {
        panic!("no members");
    };
    assert_eq!((items.len(), items[0].account.as_str()), (1, "ann"));
    assert_eq!(code(members(&mut house, "nowhere")), Code::NoSuchRoom);
    let stats = |answer| match answer {
        Ok(AdminAnswer::Stats(stats)) => stats,
        other => panic!("{other:?}"),
    };
    let after = stats(house.admin(Admin::Stats));
    assert_eq!((after.accounts, after.rooms, after.links), (1, 2, 1));
    assert!(after.entries > stats(before).entries);
}

#[test]
fn the_operator_changes_who_may_register() {
    let mut house = House::with(Registration::Closed, None);
    let opened = house.admin(Admin::SetRegistration(Registration::Open));
    assert_eq!(opened, Ok(AdminAnswer::Done));
    let ann = house.register("ann");
    assert_eq!(house.told(ann)[0], "welcome");
}
