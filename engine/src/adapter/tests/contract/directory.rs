//! Accounts, devices, rooms, members and invites.

use super::super::town::*;
use super::Given;
use crate::id::{AccountId, ConversationId, DeviceId, Seq};
use crate::model::{Cursor, Invite, Rights, Role, Standing, UnixTime};
use crate::port::{Committed, DirectoryChange, Fault, MemberUpdate, SpanUpdate, Write};

contract! {
    a_directory_comes_back
    what_is_unique_stays_so
    changes_happen_all_or_none
    members_get_stretches_from_entries
    mentions_stay_until_they_are_read
}

fn a_directory_comes_back(store: Given) {
    let mut town = Town::new(store);
    let invite = Invite {
        hash: [5; 32],
        uses: 2,
        expires: UnixTime(100),
    };
    let cursor = Cursor {
        delivered: Seq(4),
        read: Seq(3),
        read_counted: 2,
    };
    town.change(vec![
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddAccount(account(BOB)),
        DirectoryChange::AddDevice(device(1, ANN)),
        DirectoryChange::AddDevice(device(2, BOB)),
        DirectoryChange::AddDevice(device(3, BOB)),
        member(ANN, SpanUpdate::Keep),
        member(BOB, SpanUpdate::Open),
        DirectoryChange::SetCursor(ROOM, ANN, Cursor::default()),
        DirectoryChange::SetCursor(ROOM, ANN, cursor),
        DirectoryChange::SetCursor(ROOM, BOB, cursor),
        DirectoryChange::AddInvite(invite.clone()),
        DirectoryChange::SetTopic(ROOM, "chat".to_owned()),
        DirectoryChange::SetVerifier(ANN, None),
        DirectoryChange::SetRights(ANN, Rights::User),
        DirectoryChange::SeeDevice(DeviceId(2), UnixTime(50)),
        DirectoryChange::RemoveDevice(DeviceId(3)),
        DirectoryChange::UseInvite([5; 32], UnixTime(100)),
    ])
    .unwrap();
    let mut shot = town.load();
    shot.accounts.sort_by_key(|account| account.id);
    shot.devices.sort_by_key(|device| device.id);
    shot.members.sort_by_key(|member| member.account);
    shot.cursors.sort_by_key(|cursor| cursor.1);
    let mut ann = account(ANN);
    ann.verifier = None;
    ann.rights = Rights::User;
    assert_eq!(shot.accounts, [account(BOB), ann]);
    let mut seen = device(2, BOB);
    seen.seen = UnixTime(50);
    assert_eq!(shot.devices, [device(1, ANN), seen]);
    let mut lobby = room(ROOM, "lobby");
    lobby.topic = "chat".to_owned();
    assert_eq!(shot.rooms, [lobby, room(OTHER, "other")]);
    let spans: Vec<_> = shot
        .members
        .iter()
        .map(|member| member.spans.clone())
        .collect();
    assert_eq!(spans, [vec![span(1, Seq::MAX.0)], vec![]]);
    assert_eq!(shot.cursors, [(ROOM, BOB, cursor), (ROOM, ANN, cursor)]);
    assert_eq!(shot.invites, [Invite { uses: 1, ..invite }]);

    // An account goes with all that is its own, and its name is free.
    let mut again = account(CYD);
    again.name = name(BOB);
    town.change(vec![
        DirectoryChange::RemoveAccount(BOB),
        DirectoryChange::AddAccount(again.clone()),
        DirectoryChange::UseInvite([5; 32], UnixTime(0)),
    ])
    .unwrap();
    let shot = town.load();
    assert!(shot.accounts.contains(&again) && shot.accounts.len() == 2);
    assert_eq!(shot.devices, [device(1, ANN)]);
    assert_eq!(shot.members.len(), 1);
    assert_eq!(shot.cursors, [(ROOM, ANN, cursor)]);
    assert!(shot.invites.is_empty());
}

fn what_is_unique_stays_so(store: Given) {
    let mut town = Town::new(store);
    let invite = Invite {
        hash: [5; 32],
        uses: 1,
        expires: UnixTime(100),
    };
    let forever = Invite {
        hash: [6; 32],
        uses: 1,
        expires: UnixTime(u64::MAX),
    };
    town.change(vec![
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddDevice(device(1, ANN)),
        DirectoryChange::AddInvite(invite.clone()),
        DirectoryChange::AddInvite(forever),
    ])
    .unwrap();
    let mut same_name = account(BOB);
    same_name.name = name(ANN);
    let mut same_key = device(2, ANN);
    same_key.key = device(1, ANN).key;
    let mut same_room = room(ConversationId([7; 16]), "lobby");
    for taken in [
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddAccount(same_name),
        DirectoryChange::AddDevice(same_key),
        DirectoryChange::AddRoom(same_room.clone()),
        DirectoryChange::AddRoom(room(ROOM, "lobby2")),
        DirectoryChange::AddInvite(invite),
        DirectoryChange::UseInvite([5; 32], UnixTime(101)),
        DirectoryChange::UseInvite([9; 32], UnixTime(1)),
    ] {
        assert_eq!(
            town.change(vec![taken.clone()]),
            Err(Fault::Taken),
            "{taken:?}"
        );
    }
    let used = |hash| DirectoryChange::UseInvite([hash; 32], UnixTime(100));
    assert_eq!(town.change(vec![used(6)]), Ok(()));
    assert_eq!(town.change(vec![used(5)]), Ok(()));
    assert_eq!(town.change(vec![used(5)]), Err(Fault::Taken));
    // Direct conversations have no name, any number of them.
    same_room.name = None;
    let mut other = same_room.clone();
    other.id.0[0] = 8;
    let both = vec![
        DirectoryChange::AddRoom(same_room),
        DirectoryChange::AddRoom(other),
    ];
    assert_eq!(town.change(both), Ok(()));
}

fn changes_happen_all_or_none(store: Given) {
    let mut town = Town::new(store);
    let third = ConversationId([3; 16]);
    let bad = vec![
        DirectoryChange::AddAccount(account(ANN)),
        DirectoryChange::AddDevice(device(1, ANN)),
        DirectoryChange::AddRoom(room(third, "third")),
        member(ANN, SpanUpdate::Open),
        DirectoryChange::SetCursor(third, ANN, Cursor::default()),
        DirectoryChange::SetTopic(ROOM, "changed".to_owned()),
        DirectoryChange::RemoveAccount(ANN),
        DirectoryChange::AddRoom(room(third, "again")),
    ];
    // With good writes around it, in one transaction.
    let before = town.new_text(ANN, "before");
    let after = town.new_text(ANN, "after");
    let mut with_entry = town.new_text(ANN, "with it");
    with_entry.changes = bad.clone();
    let outcomes = town.write(vec![
        Write::Append(before),
        Write::Change(bad),
        Write::Append(with_entry),
        Write::Append(after),
    ]);
    assert_eq!(placed(&outcomes[0]), (Seq(1), 1));
    assert_eq!(fault(&outcomes[1]), &Fault::Taken);
    assert_eq!(fault(&outcomes[2]), &Fault::Taken);
    assert_eq!(placed(&outcomes[3]), (Seq(2), 2));
    let shot = town.load();
    assert!(shot.accounts.is_empty() && shot.devices.is_empty());
    assert!(shot.members.is_empty() && shot.cursors.is_empty());
    assert_eq!(shot.rooms.len(), 2);
    assert_eq!(shot.rooms[0].topic, "");
    assert_eq!(shot.rooms[0].head, Seq(2));
    for change in [
        DirectoryChange::SetTopic(third, String::new()),
        DirectoryChange::SetCursor(third, ANN, Cursor::default()),
    ] {
        assert_eq!(town.change(vec![change]), Err(Fault::NoConversation));
    }
}

fn members_get_stretches_from_entries(store: Given) {
    let mut town = Town::bare(store);
    // A conversation begins with its first entry.
    let mut first = town.new_text(ANN, "hello");
    first.changes = vec![
        DirectoryChange::AddRoom(room(ROOM, "lobby")),
        member(ANN, SpanUpdate::Open),
        member(BOB, SpanUpdate::Open),
    ];
    let changes = first.changes.clone();
    let told = town.put(first);
    assert_eq!(placed(&told).0, Seq(1));
    assert!(matches!(told, Committed::Entry { changes: told, .. } if told == changes));
    town.text(ANN, "two");
    let leave = MemberUpdate {
        conversation: ROOM,
        account: BOB,
        standing: Standing::Banned,
        role: Role::Owner,
        muted_until: UnixTime(u64::MAX),
        span: SpanUpdate::Close,
    };
    let mut left = town.new_text(ANN, "bob left");
    left.changes = vec![DirectoryChange::SetMember(leave)];
    assert_eq!(placed(&town.put(left)).0, Seq(3));
    let spans = |town: &Town| {
        let members = town.load().members;
        let bob = members.into_iter().find(|member| member.account == BOB);
        bob.unwrap()
    };
    let bob = spans(&town);
    assert_eq!((bob.standing, bob.role), (Standing::Banned, Role::Owner));
    assert_eq!(bob.muted_until, UnixTime(u64::MAX));
    assert_eq!(bob.spans, [span(1, 3)]);
    town.text(ANN, "four");
    for _ in 0..2 {
        // Open stays open.
        let mut back = town.new_text(ANN, "bob is back");
        back.changes = vec![member(BOB, SpanUpdate::Open)];
        town.put(back);
    }
    assert_eq!(spans(&town).spans, [span(1, 3), span(5, Seq::MAX.0)]);
    town.change(vec![member(BOB, SpanUpdate::Close)]).unwrap();
    assert_eq!(spans(&town).spans, [span(1, 3), span(5, 6)]);
}

fn mentions_stay_until_they_are_read(store: Given) {
    let mut town = Town::new(store);
    town.change(vec![member(BOB, SpanUpdate::Open)]).unwrap();
    let mut told = |names: &[AccountId]| {
        let mut append = town.new_text(ANN, "@somebody");
        let mention = |name: &AccountId| DirectoryChange::Mention(ROOM, *name);
        append.changes = names.iter().map(mention).collect();
        placed(&town.put(append)).0
    };
    assert_eq!(
        (told(&[BOB]), told(&[]), told(&[BOB, CYD])),
        (Seq(1), Seq(2), Seq(3))
    );
    assert_eq!((told(&[CYD]), told(&[BOB])), (Seq(4), Seq(5)));
    let of = |town: &Town, account: AccountId| -> Vec<u64> {
        let mentions = town.load().mentions;
        let its = mentions.into_iter().filter(|mention| mention.1 == account);
        its.map(|(room, _, seq)| {
            assert_eq!(room, ROOM);
            seq.0
        })
        .collect()
    };
    assert_eq!(
        (of(&town, BOB), of(&town, CYD)),
        (vec![1, 3, 5], vec![3, 4])
    );
    // Nothing of a write that failed.
    let nonsense = Cursor {
        read: Seq(9),
        ..Cursor::default()
    };
    let changes = vec![
        DirectoryChange::Mention(ROOM, BOB),
        DirectoryChange::SetCursor(ROOM, BOB, nonsense),
        member(BOB, SpanUpdate::Close),
        member(BOB, SpanUpdate::Open),
        DirectoryChange::UseInvite([9; 32], UnixTime(0)),
    ];
    assert_eq!(town.change(changes), Err(Fault::Taken));
    assert_eq!(of(&town, BOB), [1, 3, 5]);
    // What was read.
    let cursor = Cursor {
        read: Seq(3),
        ..Cursor::default()
    };
    town.change(vec![DirectoryChange::SetCursor(ROOM, BOB, cursor)])
        .unwrap();
    assert_eq!((of(&town, BOB), of(&town, CYD)), (vec![5], vec![3, 4]));
    // What retention cut.
    town.trim(2);
    town.outcomes(1);
    assert_eq!((of(&town, BOB), of(&town, CYD)), (vec![5], vec![4]));
    // Who was open stays so, and who comes in anew begins with nothing.
    town.change(vec![member(BOB, SpanUpdate::Open)]).unwrap();
    assert_eq!(of(&town, BOB), [5]);
    town.change(vec![
        member(BOB, SpanUpdate::Close),
        member(BOB, SpanUpdate::Open),
    ])
    .unwrap();
    assert_eq!(of(&town, BOB), Vec::<u64>::new());
    // And with the account it goes.
    town.change(vec![DirectoryChange::RemoveAccount(CYD)])
        .unwrap();
    assert_eq!(of(&town, CYD), Vec::<u64>::new());
}
