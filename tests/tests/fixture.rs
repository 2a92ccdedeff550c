//! Data of an earlier version is opened by this one, and everything in it is still there.
//!
//! `tests/fixtures/v1` was made by the first version of the database, `v2` by the one that knows files. None
//! of them changes once it is released: a later version gets a folder of its own beside them. To make one,
//! delete nothing that was released, add the new folder to `VERSIONS`, and run
//! `BLESS=1 cargo test -p chat-tests --test fixture`.

use std::fs;
use std::path::{Path, PathBuf};

use chat_tests::{Client, Device, Process, Server, chat_cli, copy_folder, hash_of, write_content};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The last one is that of this version.
const VERSIONS: [&str; 2] = ["v1", "v2"];
const PASSWORD: &str = "kept for later versions";
const NAMES: [&str; 3] = ["ann", "bob", "carl"];

#[test]
fn what_the_first_version_kept_reads_the_same() {
    make_if_asked();
    reads_the_same(VERSIONS[0]);
}

#[test]
fn what_the_version_with_files_kept_reads_the_same() {
    make_if_asked();
    let server = reads_the_same(VERSIONS[1]);
    let place = TempDir::new().expect("a folder for the test");
    let mut ann = device_of(&server, "ann").login();
    let history = ask(
        &mut ann,
        json!({"type": "history", "room": "lobby", "limit": 60}),
    );
    let is_there = |item: &&Value| item["type"] == "file" && item["blob"].is_string();
    let files: Vec<&Value> = history.iter().filter(is_there).collect();
    assert_eq!(files.len(), 2, "one was deleted");
    for (number, file) in files.into_iter().enumerate() {
        let target = place.path().join(number.to_string());
        ann.fetch(&file["blob"], &target, "kept");
        assert_eq!(ann.acked("kept")["hash"], file["hash"]);
        assert_eq!(hash_of(&target), file["hash"].as_str().expect("a hash"));
    }
    let unknown = fs::read_dir(server.data().join("blobs")).expect("a folder");
    assert_eq!(unknown.count(), 2, "one content with its tree for both");
}

/// Starts a server from a fixture, and finds everything in it.
fn reads_the_same(version: &str) -> Server {
    let fixture = fixtures().join(version);
    let server = Server::start_from(&fixture, &["--registration", "invite"]);
    let expected = fs::read_to_string(fixture.join("expected.json")).expect("what was in it");
    let expected: Value = serde_json::from_str(&expected).expect("it is JSON");
    let found = everything(&server);
    for (key, found) in found.as_object().expect("an object") {
        let (found, expected) = (pretty(found), pretty(&expected[key]));
        for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "{key}, line {line}");
        }
        assert_eq!(found.len(), expected.len(), "{key}");
    }

    // The profile of a device: its key, its place, and what it had not sent.
    let bob = Device::new(&server, "bob").as_is().saying(None);
    let bob = bob.with_profile(&fixture.join("profile"));
    let mut bob = bob.login();
    assert_eq!(bob.texts(2), ["while bob is away", "and once more"]);
    let answer = bob.answer("kept");
    assert_eq!(answer["earlier"], true, "{answer}");
    // A server remembers send ids for 30 days, and refuses what is older.
    let is_old = answer["type"] == "error" && answer["code"] == "send_expired";
    assert!(answer["type"] == "ack" || is_old, "{answer}");

    // And it all goes on.
    let invite = format!("invite={}", expected["invite"].as_str().expect("a token"));
    let mut dora = Device::new(&server, "dora").invited(&invite).login();
    dora.send("lobby", "an old invite", "1");
    dora.acked("1");
    bob.expect("the message of dora", |line| {
        line["text"] == "an old invite"
    });
    assert_eq!((dora.leave(), bob.leave()), (0, 0));
    server
}

#[test]
fn a_database_of_a_later_version_is_refused_and_left_alone() {
    make_if_asked();
    let home = TempDir::new().expect("a folder for the test");
    let data = home.path().join("data");
    copy_folder(&fixture(), &data).expect("it is copied");
    let before = make_newer(&data.join("chat.db"));
    let mut command = chat_cli(home.path());
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(&data);
    let mut serve = Process::start(command);
    assert_eq!(serve.ends(), 1);
    let errors = serve.errors();
    assert!(
        errors.contains("chat.db") && errors.contains("a later version"),
        "{errors}"
    );
    assert_eq!(fs::read(data.join("chat.db")).expect("it is there"), before);
}

#[test]
fn a_profile_of_a_later_version_is_refused_and_left_alone() {
    make_if_asked();
    let server = Server::start_from(&fixture(), &[]);
    let bob = Device::new(&server, "bob").as_is().saying(None);
    let bob = bob.with_profile(&fixture().join("profile"));
    let file = database_of(&bob.profile());
    let before = make_newer(&file);
    let mut client = bob.start();
    assert_eq!(client.ends(), 1);
    let errors = client.process().errors();
    assert!(errors.contains("a later version"), "{errors}");
    assert_eq!(fs::read(file).expect("it is there"), before);
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// That of this version.
fn fixture() -> PathBuf {
    fixtures().join(VERSIONS[VERSIONS.len() - 1])
}

/// The only database of a folder.
fn database_of(folder: &Path) -> PathBuf {
    let items = fs::read_dir(folder).expect("a folder").flatten();
    let mut databases = items
        .map(|item| item.path())
        .filter(|path| path.extension().is_some_and(|end| end == "db"));
    databases.next().expect("it has a database")
}

/// Makes SQLite's `user_version`, four bytes of the file's head, larger than any that there is.
fn make_newer(database: &Path) -> Vec<u8> {
    let mut bytes = fs::read(database).expect("a database");
    bytes[63] += 100;
    fs::write(database, &bytes).expect("it is written");
    bytes
}

/// Everything that people can read, as they read it.
fn everything(server: &Server) -> Value {
    let mut all = json!({ "users": users(server) });
    for name in NAMES {
        let device = Device::new(server, name).as_is().saying(Some(PASSWORD));
        let mut reader = device.login();
        all[name] = what_one_reads(&mut reader, name);
        assert_eq!(reader.leave(), 0);
    }
    all
}

fn what_one_reads(reader: &mut Client, name: &str) -> Value {
    let mut all = json!({});
    let mut conversations = ask(reader, json!({"type": "conversations"}));
    conversations.sort_by_key(|item| format!("{}{}", item["room"], item["to"]));
    for item in &conversations {
        let (key, place) = match item["room"].is_string() {
            true => (format!("#{}", item["room"]), json!({"room": item["room"]})),
            false => (format!("@{}", item["to"]), json!({"to": item["to"]})),
        };
        let key = key.replace('"', "");
        let with = |verb: &str| {
            let mut line = place.clone();
            line["type"] = verb.into();
            line
        };
        let mut members = ask(reader, with("who"));
        for member in &mut members {
            // Who is there now is not what was kept.
            member.as_object_mut().map(|member| member.remove("state"));
        }
        all[format!("members of {key}")] = members.into();
        all[format!("history of {key}")] = ask(reader, with("history")).into();
        if name == NAMES[0] {
            // The others' places before they come back.
            let mut receipts = ask(reader, with("receipts"));
            receipts.retain(|receipt| receipt["account"] != name);
            all[format!("receipts of {key}")] = receipts.into();
        }
    }
    all["conversations"] = conversations.into();
    all["rooms"] = ask(reader, json!({"type": "rooms"})).into();
    all["found"] = ask(reader, json!({"type": "search", "text": "kept"})).into();
    let mut devices = ask(reader, json!({"type": "devices"}));
    devices.retain(|device| device["this"] == false);
    all["devices"] = devices.into();
    all
}

fn ask(client: &mut Client, mut line: Value) -> Vec<Value> {
    line["ref"] = "ask".into();
    client.tell(&line);
    let answer = client.answer("ask");
    assert_eq!(answer.get("next"), None, "one page is enough: {answer}");
    answer["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{line} gives {answer}"))
        .clone()
}

fn users(server: &Server) -> Value {
    let ran = server.operate(&["user", "list", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let read = |line| serde_json::from_str::<Value>(line).expect("each line is an object");
    ran.output.lines().map(read).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("it came from JSON")
}

/// Once, whichever test comes first.
fn make_if_asked() {
    use std::sync::Once;
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        if std::env::var_os("BLESS").is_some() {
            make();
        }
    });
}

fn make() {
    let folder = fixture();
    assert!(
        !folder.exists(),
        "{} is there: what was released is never made anew",
        folder.display()
    );
    let mut server = Server::start_with(&["--retention-count", "30"]);
    let device = |name| Device::new(&server, name).saying(Some(PASSWORD));
    let (bob_device, carl) = (device("bob"), device("carl"));
    let mut ann = device("ann").login();
    let mut bob = bob_device.login();
    let mut carl = carl.login();
    let mut eve = device("eve").login();
    let ran = server.operate(&["user", "role", "ann", "admin"]);
    assert_eq!(ran.code, 0, "{ran:?}");

    // More than the server keeps.
    for number in 0..40 {
        tell(
            &mut eve,
            json!({"type": "send", "room": "lobby", "text": format!("{number} of 40")}),
        );
    }
    let lobby = |line: Value| with(line, "room", "lobby");
    let first = tell(
        &mut ann,
        lobby(json!({"type": "send", "text": "this is kept, @bob"})),
    );
    let reply = json!({"type": "send", "text": "so is this \u{1f980}", "reply_to": first});
    let second = tell(&mut bob, lobby(reply));
    let gone = tell(
        &mut carl,
        lobby(json!({"type": "send", "text": "this is not kept"})),
    );
    tell(
        &mut carl,
        lobby(json!({"type": "edit", "seq": gone, "text": "nor this, kept or not"})),
    );
    tell(
        &mut ann,
        lobby(json!({"type": "edit", "seq": first, "text": "this is kept as edited, @bob"})),
    );
    tell(
        &mut bob,
        lobby(json!({"type": "react", "seq": first, "emoji": "\u{1f44d}"})),
    );
    tell(
        &mut carl,
        lobby(json!({"type": "react", "seq": first, "emoji": "\u{1f44d}"})),
    );
    tell(
        &mut carl,
        lobby(json!({"type": "react", "seq": second, "emoji": "\u{2764}"})),
    );
    tell(&mut ann, lobby(json!({"type": "delete", "seq": gone})));
    let files = TempDir::new().expect("a folder for files");
    let send_file = |client: &mut Client, name: &str, seed: u64| {
        let path = files.path().join(name);
        write_content(&path, 40_000, seed);
        client.send_file("lobby", &path, "told");
        client.acked("told")["seq"].clone()
    };
    send_file(&mut ann, "kept.txt", 1);
    send_file(&mut bob, "the same.png", 1);
    let no_more = send_file(&mut carl, "not kept.bin", 2);
    tell(&mut carl, lobby(json!({"type": "delete", "seq": no_more})));
    tell(
        &mut ann,
        lobby(json!({"type": "topic", "text": "what is kept"})),
    );
    tell(
        &mut ann,
        lobby(json!({"type": "role", "account": "bob", "role": "moderator"})),
    );
    tell(&mut ann, lobby(json!({"type": "mute", "account": "carl"})));
    tell(&mut ann, lobby(json!({"type": "ban", "account": "eve"})));

    let den = |line: Value| with(line, "room", "den");
    tell(&mut ann, den(json!({"type": "create", "public": false})));
    tell(
        &mut ann,
        den(json!({"type": "send", "text": "kept from who was not there"})),
    );
    tell(&mut ann, den(json!({"type": "invite", "account": "bob"})));
    tell(&mut bob, den(json!({"type": "join"})));
    tell(&mut ann, den(json!({"type": "invite", "account": "carl"})));
    tell(
        &mut bob,
        den(json!({"type": "send", "text": "kept among us"})),
    );

    tell(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "kept between us"}),
    );
    let last = tell(
        &mut bob,
        json!({"type": "send", "to": "ann", "text": "kept, too"}),
    );
    tell(&mut ann, json!({"type": "read", "to": "bob", "seq": last}));
    tell(&mut bob, lobby(json!({"type": "read", "seq": second})));
    bob.expect("the last message", |line| line["text"] == "kept, too");
    // What bob says then stays in the profile.
    assert_eq!(server.stop(), 0);
    bob.expect_type("reconnecting");
    bob.send("lobby", "from before", "kept");
    bob.expect_type("queued");
    bob.tell(&json!({"type": "quit"}));
    bob.expect_type("pending");
    bob.ends();
    server.restart();
    tell(
        &mut ann,
        lobby(json!({"type": "send", "text": "while bob is away"})),
    );
    tell(
        &mut ann,
        lobby(json!({"type": "send", "text": "and once more"})),
    );
    assert_eq!((ann.leave(), carl.leave()), (0, 0));
    drop(eve);
    let invite = server.operate(&["invite", "--uses", "1000000", "--expires", "36500d"]);
    assert_eq!(invite.code, 0, "{invite:?}");
    let invite = invite
        .output
        .trim_end()
        .split_once("invite=")
        .expect("a token")
        .1
        .to_owned();

    // It cuts at the start; then it is as it will be.
    assert_eq!(server.stop(), 0);
    server.restart();
    let mut reader = device_of(&server, "ann").login();
    let oldest = |reader: &mut Client| {
        ask(
            reader,
            json!({"type": "history", "room": "lobby", "after": 0, "limit": 60}),
        )[0]["seq"]
            .as_u64()
    };
    while oldest(&mut reader) < Some(10) {}
    assert_eq!(reader.leave(), 0);
    assert_eq!(server.stop(), 0);

    fs::create_dir_all(&folder).expect("a new folder");
    for file in ["chat.db", "instance", "server.key"] {
        fs::copy(server.data().join(file), folder.join(file)).expect("it is copied");
    }
    copy_folder(&server.data().join("blobs"), &folder.join("blobs")).expect("it is copied");
    let wal = fs::metadata(server.data().join("chat.db-wal"));
    assert!(
        wal.is_err() || wal.is_ok_and(|wal| wal.len() == 0),
        "all of it is in the database"
    );
    copy_folder(&bob_device.profile(), &folder.join("profile")).expect("it is copied");
    fs::remove_file(folder.join("profile/lock")).expect("it means nothing elsewhere");
    let copy = Server::start_from(&folder, &[]);
    let mut expected = everything(&copy);
    expected["invite"] = invite.into();
    fs::write(folder.join("expected.json"), pretty(&expected) + "\n").expect("it is written");
}

fn device_of(server: &Server, name: &str) -> Device {
    Device::new(server, name).as_is().saying(Some(PASSWORD))
}

fn with(mut line: Value, key: &str, value: &str) -> Value {
    line[key] = value.into();
    line
}

/// Tells it and waits until it is done; answers its place.
fn tell(client: &mut Client, line: Value) -> Value {
    client.tell(&with(line, "ref", "told"));
    client.acked("told")["seq"].clone()
}
