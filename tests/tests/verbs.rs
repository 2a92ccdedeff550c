//! What the other tests do not tell a client: a script for each group of verbs.

use chat_tests::{Client, Device, Server};
use serde_json::{Value, json};

#[test]
fn what_was_said_is_edited_answered_reacted_to_and_taken_back() {
    let (_server, mut ann, mut bob) = two();
    let said = seq(
        &mut ann,
        json!({"type": "send", "room": "lobby", "text": "helo"}),
    );
    let reply = json!({"type": "send", "room": "lobby", "text": "hi", "reply_to": said});
    let reply = seq(&mut bob, reply);
    let lobby = |verb: &str, seq: &Value| json!({"type": verb, "room": "lobby", "seq": seq});
    let edit = |seq: &Value, text: &str| {
        let mut line = lobby("edit", seq);
        line["text"] = text.into();
        line
    };
    let react = |seq: &Value, emoji: &str| {
        let mut line = lobby("react", seq);
        line["emoji"] = emoji.into();
        line
    };
    done(&mut ann, edit(&said, "hello"));
    done(&mut bob, react(&said, "\u{1f44b}"));
    refused(&mut bob, edit(&said, "not mine"), "forbidden");
    refused(&mut bob, lobby("delete", &said), "forbidden");
    for client in [&ann, &bob] {
        let line = client.expect("the reply", |line| line["text"] == "hi");
        assert_eq!(line["reply_to"], said, "{line}");
        let line = client.expect_type("edit");
        has(&line, json!({"target": said, "text": "hello"}));
        let line = client.expect_type("reaction");
        has(&line, json!({"target": said, "emoji": "\u{1f44b}"}));
        assert_eq!(line["from"], "bob");
    }

    let items = ask(
        &mut bob,
        json!({"type": "history", "room": "lobby", "around": said, "limit": 3}),
    );
    let item = the(&items, "seq", &said);
    has(
        item,
        json!({"text": "hello", "edited": true, "deleted": false}),
    );
    assert_eq!(
        item["reactions"],
        json!([{"emoji": "\u{1f44b}", "accounts": ["bob"]}])
    );

    done(&mut ann, lobby("delete", &said));
    assert_eq!(bob.expect_type("delete")["target"], said);
    for line in [
        edit(&said, "again"),
        react(&said, "x"),
        lobby("delete", &said),
    ] {
        refused(&mut ann, line, "no_such_entry");
    }
    let items = ask(
        &mut bob,
        json!({"type": "history", "room": "lobby", "around": said, "limit": 3}),
    );
    let item = the(&items, "seq", &said);
    has(item, json!({"text": "", "deleted": true}));
    let item = the(&items, "seq", &reply);
    assert_eq!(item["reply_to"], said);

    // The same in a direct conversation.
    let said = seq(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "psst"}),
    );
    done(
        &mut ann,
        json!({"type": "edit", "to": "bob", "seq": said, "text": "psssst"}),
    );
    let line = bob.expect_type("edit");
    has(&line, json!({"to": "ann", "text": "psssst"}));
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
}

#[test]
fn a_room_is_ruled_by_its_owner_and_moderators() {
    let (server, mut ann, mut bob) = two();
    let mut carl = Device::new(&server, "carl").login();
    let den = |verb: &str| json!({"type": verb, "room": "den"});
    let about =
        |verb: &str, account: &str| json!({"type": verb, "room": "den", "account": account});
    let say = |text: &str| json!({"type": "send", "room": "den", "text": text});

    done(
        &mut ann,
        json!({"type": "create", "room": "den", "public": false}),
    );
    refused(&mut bob, den("join"), "no_such_room");
    done(&mut ann, about("invite", "bob"));
    done(&mut bob, den("join"));
    sees_change(&ann, "bob", "joined");
    refused(&mut bob, about("invite", "carl"), "forbidden");
    refused(
        &mut bob,
        json!({"type": "topic", "room": "den", "text": "mine"}),
        "forbidden",
    );
    refused(&mut bob, about("kick", "ann"), "forbidden");

    done(
        &mut ann,
        json!({"type": "topic", "room": "den", "text": "quiet"}),
    );
    assert_eq!(bob.expect_type("topic")["text"], "quiet");
    let rooms = ask(&mut bob, json!({"type": "rooms"}));
    let room = the(&rooms, "room", "den");
    has(
        room,
        json!({"topic": "quiet", "members": 2, "public": false, "joined": true}),
    );
    let rooms = ask(&mut carl, json!({"type": "rooms"}));
    assert_eq!(
        rooms.iter().find(|room| room["room"] == "den"),
        None,
        "not his business"
    );

    // A moderator.
    done(
        &mut ann,
        json!({"type": "role", "room": "den", "account": "bob", "role": "moderator"}),
    );
    sees_change(&bob, "bob", "role");
    done(&mut bob, about("invite", "carl"));
    done(&mut carl, den("join"));
    refused(
        &mut bob,
        json!({"type": "role", "room": "den", "account": "bob", "role": "owner"}),
        "bad_request",
    );
    refused(
        &mut carl,
        json!({"type": "role", "room": "den", "account": "carl", "role": "king"}),
        "bad_role",
    );
    let said = seq(&mut carl, say("something rude"));
    done(
        &mut bob,
        json!({"type": "delete", "room": "den", "seq": said}),
    );

    done(&mut bob, about("mute", "carl"));
    sees_change(&carl, "carl", "muted");
    refused(&mut carl, say("mmmph"), "muted");
    let who = ask(&mut ann, den("who"));
    assert_eq!(the(&who, "account", "carl")["muted"], true);
    assert_eq!(the(&who, "account", "bob")["role"], "moderator");
    assert_eq!(the(&who, "account", "ann")["role"], "owner");
    done(&mut bob, about("unmute", "carl"));
    done(&mut carl, say("sorry"));

    done(&mut bob, about("kick", "carl"));
    sees_change(&carl, "carl", "kicked");
    refused(&mut carl, say("hey"), "not_a_member");
    refused(&mut carl, den("join"), "not_invited");
    done(&mut bob, about("invite", "carl"));
    done(&mut carl, den("join"));
    done(&mut ann, about("ban", "carl"));
    sees_change(&carl, "carl", "banned");
    refused(&mut carl, den("join"), "banned");
    refused(&mut carl, say("hey"), "banned");
    refused(&mut bob, about("invite", "carl"), "forbidden");
    done(&mut ann, about("unban", "carl"));
    done(&mut bob, about("invite", "carl"));
    done(&mut carl, den("join"));
    done(&mut carl, den("leave"));

    refused(&mut ann, den("leave"), "last_owner");
    done(
        &mut ann,
        json!({"type": "role", "room": "den", "account": "bob", "role": "owner"}),
    );
    done(&mut ann, den("leave"));
    sees_change(&bob, "ann", "left");
    done(&mut bob, say("alone"));
    for client in [&mut ann, &mut carl] {
        client.catch_up("caught up");
        assert_eq!(client.find(|line| line["text"] == "alone"), None);
    }
    assert_eq!((ann.leave(), bob.leave(), carl.leave()), (0, 0, 0));
}

#[test]
fn history_is_read_from_any_place_in_any_direction() {
    let (_server, mut ann, bob) = two();
    drop(bob);
    done(&mut ann, json!({"type": "create", "room": "diary"}));
    let seqs: Vec<u64> = (0..30)
        .map(|number| {
            let line = json!({"type": "send", "room": "diary", "text": number.to_string()});
            seq(&mut ann, line).as_u64().expect("a seq")
        })
        .collect();
    let mut read = |from: Value| {
        let mut line = from;
        line["type"] = "history".into();
        line["room"] = "diary".into();
        line["ref"] = "history".into();
        ann.tell(&line);
        let answer = ann.answer("history");
        let items = answer["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        let texts: Vec<String> = items
            .iter()
            .map(|item| item["text"].as_str().unwrap_or_default().to_owned())
            .collect();
        (texts, answer["next"].clone())
    };
    let numbers =
        |range: std::ops::Range<usize>| range.map(|number| number.to_string()).collect::<Vec<_>>();

    let (page, next) = read(json!({"limit": 10}));
    assert_eq!(page, numbers(20..30), "from the end");
    let (page, next) = read(json!({"next": next, "limit": 10}));
    assert_eq!(page, numbers(10..20), "and back");
    let (page, next) = read(json!({"next": next, "limit": 10}));
    assert_eq!(page, numbers(0..10));
    let (page, next) = read(json!({"next": next, "limit": 10}));
    assert_eq!(
        (page.len(), &next),
        (1, &Value::Null),
        "its maker joined, and that is all"
    );

    assert_eq!(
        read(json!({"before": seqs[5], "limit": 3})).0,
        numbers(2..5)
    );
    let (page, next) = read(json!({"after": seqs[5], "limit": 3}));
    assert_eq!(page, numbers(6..9));
    assert_eq!(read(json!({"next": next, "limit": 3})).0, numbers(9..12));
    let (page, next) = read(json!({"after": seqs[26], "limit": 3}));
    assert_eq!((page, next), (numbers(27..30), Value::Null));
    let (page, _) = read(json!({"around": seqs[15], "limit": 5}));
    assert_eq!(page, numbers(13..18));
    assert_eq!(read(json!({"after": seqs[29]})).0, [""; 0]);
    refused(
        &mut ann,
        json!({"type": "history", "room": "diary", "before": 5, "after": 2}),
        "bad_request",
    );
    refused(
        &mut ann,
        json!({"type": "history", "room": "diary", "next": "x"}),
        "bad_request",
    );
}

#[test]
fn who_has_read_how_far_is_told_and_counted() {
    let (mut server, mut ann, mut bob) = two();
    let first = seq(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "one"}),
    );
    let last = seq(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "two, @bob"}),
    );
    assert_eq!(bob.texts(2), ["one", "two, @bob"]);
    let with_ann = |client: &mut Client| {
        let items = ask(client, json!({"type": "conversations"}));
        the(&items, "to", "ann").clone()
    };
    let item = with_ann(&mut bob);
    has(&item, json!({"head": last, "read": 0, "unread": 2}));
    assert_eq!(item["mentions"], 1, "{item}");
    // A crash of the server changes nothing of it.
    server.kill();
    server.restart();
    for client in [&mut ann, &mut bob] {
        client.expect_type("connected");
    }
    assert_eq!(with_ann(&mut bob), item);
    done(&mut bob, json!({"type": "read", "to": "ann", "seq": first}));
    let item = with_ann(&mut bob);
    has(&item, json!({"read": first, "unread": 1}));
    let receipt = ann.expect("that bob read", |line| {
        line["type"] == "receipt" && line["to"] == "bob" && line["read"] == first
    });
    has(&receipt, json!({"to": "bob", "account": "bob"}));
    done(&mut bob, json!({"type": "read", "to": "ann", "seq": last}));
    // Cursors never go back.
    done(&mut bob, json!({"type": "read", "to": "ann", "seq": first}));
    let receipts = ask(&mut ann, json!({"type": "receipts", "to": "bob"}));
    let bobs = the(&receipts, "account", "bob");
    has(bobs, json!({"read": last, "delivered": last}));
    let item = with_ann(&mut bob);
    has(&item, json!({"unread": 0, "mentions": 0}));

    // His other device knows.
    let mut phone = Device::new(&server, "bob").as_is().login();
    let item = with_ann(&mut phone);
    has(&item, json!({"read": last, "unread": 0}));
    assert_eq!((ann.leave(), bob.leave(), phone.leave()), (0, 0, 0));
}

#[test]
fn what_was_said_before_somebody_came_is_not_unread_also_after_a_restart() {
    let (mut server, mut ann, bob) = two();
    drop(bob);
    let mut last = Value::Null;
    for number in 0..5 {
        let line = json!({"type": "send", "room": "lobby", "text": number.to_string()});
        last = seq(&mut ann, line);
    }
    let carl = Device::new(&server, "carl");
    let mut online = carl.login();
    let lobby = |client: &mut Client| {
        let items = ask(client, json!({"type": "conversations"}));
        the(&items, "room", "lobby").clone()
    };
    let item = lobby(&mut online);
    has(&item, json!({"read": last, "unread": 0}));
    // What was missed counts, and only that.
    assert_eq!(online.leave(), 0);
    let line = json!({"type": "send", "room": "lobby", "text": "@carl, hello"});
    done(&mut ann, line);
    for _ in 0..2 {
        let item = lobby(&mut carl.clone().as_is().login());
        has(&item, json!({"read": last, "unread": 1}));
        assert_eq!(server.stop(), 0);
        server.restart();
    }
}

#[test]
fn typing_and_presence_are_seen_by_others() {
    let (_server, mut ann, mut bob) = two();
    ann.tell(&json!({"type": "typing", "room": "lobby"}));
    let typing = bob.expect_type("typing");
    has(&typing, json!({"account": "ann", "room": "lobby"}));
    done(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "direct"}),
    );
    bob.tell(&json!({"type": "typing", "to": "ann"}));
    let typing = ann.expect_type("typing");
    has(&typing, json!({"account": "bob", "to": "bob"}));

    ann.tell(&json!({"type": "presence", "state": "away", "text": "at lunch"}));
    let away = bob.expect("that ann is away", |line| {
        line["type"] == "presence" && line["state"] == "away"
    });
    has(&away, json!({"account": "ann", "text": "at lunch"}));
    let who = ask(&mut bob, json!({"type": "who"}));
    let item = the(&who, "account", "ann");
    has(item, json!({"state": "away", "text": "at lunch"}));
    ann.tell(&json!({"type": "presence", "state": "online"}));
    bob.sees("ann", "online");
    refused(
        &mut ann,
        json!({"type": "presence", "state": "asleep"}),
        "bad_request",
    );
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
    let (_server, mut alone, other) = two();
    drop(other);
    let who = ask(&mut alone, json!({"type": "who", "room": "lobby"}));
    assert!(
        who.iter()
            .any(|item| item["account"] == "bob" && item["role"] == "member"),
        "{who:?}"
    );
}

#[test]
fn what_is_in_the_outbox_is_listed_and_taken_back() {
    let (mut server, mut ann, bob) = two();
    assert_eq!(ask(&mut ann, json!({"type": "outbox"})), [] as [Value; 0]);
    server.kill();
    ann.expect_type("reconnecting");
    for label in ["first", "second", "third"] {
        ann.send("lobby", label, label);
    }
    let id = ann.expect("third queued", |line| {
        line["type"] == "queued" && line["ref"] == "third"
    })["id"]
        .clone();
    let items = ask(&mut ann, json!({"type": "outbox"}));
    let listed: Vec<(&Value, &Value)> = items
        .iter()
        .map(|item| (&item["ref"], &item["state"]))
        .collect();
    let pending = Value::from("pending");
    assert_eq!(
        listed,
        [
            (&"first".into(), &pending),
            (&"second".into(), &pending),
            (&"third".into(), &pending)
        ]
    );
    assert_eq!(items[2]["id"], id);

    ann.tell(&json!({"type": "cancel", "ref": "second"}));
    ann.expect("that it is taken back", |line| {
        line["type"] == "canceled" && line["ref"] == "second"
    });
    ann.tell(&json!({"type": "cancel", "ref": "nothing"}));
    ann.refused("nothing", "no_such_entry");
    ann.tell(&json!({"type": "cancel", "id": id}));
    ann.expect("that it is taken back", |line| {
        line["type"] == "canceled" && line["ref"] == "third"
    });
    ann.send("lobby", "fourth", "fourth");

    server.restart();
    ann.acked("first");
    ann.acked("fourth");
    assert_eq!(bob.texts(2), ["first", "fourth"]);
    assert_eq!(ask(&mut ann, json!({"type": "outbox"})), [] as [Value; 0]);

    // A final refusal stays until it is taken back.
    let send = json!({"type": "send", "room": "nowhere", "text": "lost"});
    refused(&mut ann, send, "no_such_room");
    let items = ask(&mut ann, json!({"type": "outbox"}));
    has(
        &items[0],
        json!({"state": "failed", "code": "no_such_room"}),
    );
    ann.tell(&json!({"type": "cancel", "id": items[0]["id"]}));
    ann.expect_type("canceled");
    assert_eq!(ask(&mut ann, json!({"type": "outbox"})), [] as [Value; 0]);
    assert_eq!(ann.leave(), 0);
}

#[test]
fn an_account_s_devices_are_listed_and_locked_out() {
    let server = Server::start();
    let (desk, phone) = (Device::new(&server, "ann"), Device::new(&server, "ann"));
    let mut desk_online = desk.login();
    let mut phone_online = phone.clone().as_is().login();
    let devices = ask(&mut desk_online, json!({"type": "devices"}));
    let here: Vec<&Value> = devices.iter().map(|device| &device["this"]).collect();
    assert_eq!(here, [true, false], "{devices:?}");
    assert!(
        devices.iter().all(|device| device["online"] == true),
        "{devices:?}"
    );

    refused(
        &mut desk_online,
        json!({"type": "revoke", "device": "0123456789abcdef"}),
        "bad_request",
    );
    refused(
        &mut desk_online,
        json!({"type": "revoke", "device": "x"}),
        "bad_request",
    );
    done(
        &mut desk_online,
        json!({"type": "revoke", "device": devices[1]["device"]}),
    );
    assert_ne!(phone_online.ends(), 0, "it is sent away");
    let mut key_only = phone.clone().as_is().saying(None).start();
    assert_ne!(key_only.ends(), 0, "its key is no good");
    assert_eq!(ask(&mut desk_online, json!({"type": "devices"})).len(), 1);
    assert_eq!(phone.as_is().login().leave(), 0, "the password is");

    assert_eq!(desk_online.leave(), 0);
}

#[test]
fn a_password_is_changed_by_who_knows_it() {
    let server = Server::start();
    let (desk, phone) = (
        Device::new(&server, "ann"),
        Device::new(&server, "ann").as_is(),
    );
    let mut online = desk.login();
    let mut other = phone.login();
    let old = "the password of ann";
    refused(
        &mut online,
        json!({"type": "passwd", "old": "a wrong one", "new": "a better password"}),
        "login_failed",
    );
    refused(
        &mut online,
        json!({"type": "passwd", "old": old, "new": "short"}),
        "bad_password",
    );
    done(
        &mut online,
        json!({"type": "passwd", "old": old, "new": "a better password"}),
    );
    assert_ne!(other.ends(), 0, "other devices are locked out");
    online.send("lobby", "still here", "1");
    online.acked("1");
    let mut with_old = phone.clone().start();
    assert_eq!(with_old.ends(), 4);
    let phone = phone.saying(Some("a better password"));
    let mut other = phone.login();

    let keep = json!({"type": "passwd", "old": "a better password", "new": "the best password", "keep_devices": true});
    done(&mut online, keep);
    other.catch_up("still here");
    assert_eq!((online.leave(), other.leave()), (0, 0));
    assert_eq!(
        phone.saying(None).login().leave(),
        0,
        "its key is still good"
    );
}

#[test]
fn what_is_not_there_yet_is_said_to_be_so() {
    let (_server, mut ann, _bob) = two();
    for verb in ["block", "unblock", "notify", "profile"] {
        refused(
            &mut ann,
            json!({"type": verb, "room": "lobby"}),
            "not_supported",
        );
    }
    ann.tell(&json!({"type": "quit"}));
    assert_eq!(ann.expect_type("bye")["reason"], "left");
    assert_eq!(ann.ends(), 0);
}

fn two() -> (Server, Client, Client) {
    let server = Server::start();
    let bob = Device::new(&server, "bob").login();
    let ann = Device::new(&server, "ann").login();
    bob.sees("ann", "online");
    (server, ann, bob)
}

fn sees_change(client: &Client, account: &str, change: &str) {
    client.expect(&format!("{account} {change}"), |line| {
        line["type"] == "member" && line["account"] == account && line["change"] == change
    });
}

/// The item in which this is so.
fn the<'a, V: ?Sized>(items: &'a [Value], key: &str, value: &V) -> &'a Value
where
    Value: PartialEq<V>,
{
    let its = items.iter().find(|item| item[key] == *value);
    its.unwrap_or_else(|| panic!("no such {key} in {items:?}"))
}

/// A line says all of this, and maybe more.
fn has(line: &Value, wanted: Value) {
    for (key, value) in wanted.as_object().expect("an object") {
        assert_eq!(&line[key], value, "`{key}` of {line}");
    }
}

fn ask(client: &mut Client, mut line: Value) -> Vec<Value> {
    line["ref"] = "ask".into();
    client.tell(&line);
    let answer = client.answer("ask");
    answer["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{line} gives {answer}"))
        .clone()
}

fn done(client: &mut Client, mut line: Value) -> Value {
    line["ref"] = "done".into();
    client.tell(&line);
    let answer = client.answer("done");
    assert_eq!(answer["type"], "ack", "{line} gives {answer}");
    answer
}

/// Where an entry stands that is appended now.
fn seq(client: &mut Client, line: Value) -> Value {
    done(client, line)["seq"].clone()
}

fn refused(client: &mut Client, mut line: Value, code: &str) {
    line["ref"] = "refused".into();
    client.tell(&line);
    let answer = client.answer("refused");
    assert_eq!(
        (&answer["type"], &answer["code"]),
        (&"error".into(), &code.into()),
        "{line} gives {answer}"
    );
}
