//! Files go from one to the other, whoever is there, and never where they should not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use chat_tests::plugins::until;
use chat_tests::{Client, Device, Direction, Proxy, Server, chat_cli, hash_of, write_content};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with files to send, and one to fetch to.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().expect("a folder for the test"));
        fs::create_dir(place.inbox()).expect("a folder in it");
        place
    }

    fn inbox(&self) -> PathBuf {
        self.0.path().join("inbox")
    }

    fn file(&self, name: &str, size: u64) -> PathBuf {
        let path = self.0.path().join(name);
        write_content(&path, size, size ^ 7);
        path
    }

    /// What is in the folder to which files are fetched.
    fn fetched(&self) -> Vec<String> {
        let items = fs::read_dir(self.inbox()).expect("it can be read");
        let name = |item: std::io::Result<fs::DirEntry>| item.unwrap().file_name();
        let mut names: Vec<_> = items
            .map(|item| name(item).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Sends a file, which arrives as an entry at the other.
fn sent(ann: &mut Client, bob: &Client, path: &Path) -> Value {
    ann.send_file("lobby", path, "up");
    let ack = ann.acked("up");
    let offer = bob.offer();
    assert_eq!(offer["seq"], ack["seq"]);
    offer
}

#[test]
fn files_of_every_size_arrive_as_they_were() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    let place = Place::new();
    for size in [0, 1, 65_535, 65_536, 65_537, 5_000_003] {
        let path = place.file(&format!("f{size}.bin"), size);
        let offer = sent(&mut ann, &bob, &path);
        assert_eq!(offer["name"], format!("f{size}.bin"));
        assert_eq!(offer["size"], size);
        assert_eq!(offer["hash"], hash_of(&path));
        assert_eq!(offer["media_type"], "application/octet-stream");
        let label = size.to_string();
        bob.fetch(&offer["blob"], &place.inbox(), &label);
        let ack = bob.acked(&label);
        assert_eq!(ack["hash"], offer["hash"]);
        let got = Path::new(ack["path"].as_str().unwrap());
        assert_eq!(got, place.inbox().join(format!("f{size}.bin")));
        assert_eq!(fs::read(got).unwrap(), fs::read(&path).unwrap());
    }
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
    assert_eq!(place.fetched().len(), 6, "nothing else lies there");
}

#[test]
fn who_was_away_fetches_later_and_the_sender_need_not_be_there() {
    let server = Server::start();
    let bob = Device::new(&server, "bob");
    assert_eq!(bob.login().leave(), 0);
    let place = Place::new();
    let path = place.file("a.txt", 100_000);
    let mut ann = Device::new(&server, "ann").login();
    ann.send_file("lobby", &path, "1");
    ann.acked("1");
    assert_eq!(ann.leave(), 0);

    let mut bob = bob.login();
    let offer = bob.offer();
    // To a path with a name of its own.
    bob.fetch(&offer["blob"], &place.inbox().join("mine"), "2");
    bob.acked("2");
    assert_eq!(hash_of(&place.inbox().join("mine")), hash_of(&path));
}

#[test]
fn a_file_is_fetched_while_it_is_still_being_sent() {
    let server = Server::start();
    let proxy = Proxy::forgetful_before(server.address());
    let mut bob = Device::new(&server, "bob").login();
    let mut ann = Device::new(&server, "ann").at(proxy.address()).login();
    let place = Place::new();
    let path = place.file("a.bin", 3_000_000);
    proxy.stall_after(Direction::Up, 1_500_000);
    ann.send_file("lobby", &path, "up");
    let incoming = bob.expect_type("incoming");
    assert_eq!(
        (&incoming["name"], &incoming["from"]),
        (&json!("a.bin"), &json!("ann"))
    );
    proxy.expect_stall();
    bob.fetch(&incoming["blob"], &place.inbox(), "down");
    bob.expect("half of it", |line| {
        line["type"] == "progress"
            && line["ref"] == "down"
            && line["done"].as_u64() > Some(1_000_000)
    });
    assert_eq!(place.fetched(), ["a.bin.part"]);
    proxy.resume();
    ann.acked("up");
    assert_eq!(bob.acked("down")["hash"], hash_of(&path));
    assert_eq!(hash_of(&place.inbox().join("a.bin")), hash_of(&path));
}

#[test]
fn the_same_content_is_stored_once() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    let place = Place::new();
    let path = place.file("a.bin", 4_000_000);
    let first = sent(&mut ann, &bob, &path);
    let second = sent(&mut ann, &bob, &path);
    assert_ne!(first["blob"], second["blob"]);
    // The second one goes when its entry is there.
    until(|| bytes_below(&server.data().join("blobs")) < 6_000_000);
    for (number, offer) in [first, second].iter().enumerate() {
        let path = place.inbox().join(number.to_string());
        bob.fetch(&offer["blob"], &path, "f");
        bob.acked("f");
    }
}

/// The bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let items = fs::read_dir(folder).expect("it can be read");
    let bytes = |item: std::io::Result<fs::DirEntry>| {
        let item = item.unwrap();
        let kind = item.file_type().unwrap();
        match kind.is_dir() {
            true => bytes_below(&item.path()),
            // A socket has none.
            false => item.metadata().map_or(0, |metadata| metadata.len()),
        }
    };
    items.map(bytes).sum()
}

#[test]
fn a_part_of_a_file_is_fetched_from_any_byte_on() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    let place = Place::new();
    let path = place.file("a.bin", 100_000);
    let offer = sent(&mut ann, &bob, &path);
    let content = fs::read(&path).unwrap();
    for (start, length) in [
        (0, 1),
        (16_383, 2),
        (20_000, 50_000),
        (99_999, 1),
        (99_999, 500),
    ] {
        let target = place.inbox().join(format!("{start}-{length}"));
        bob.tell(
            &json!({"type": "fetch", "blob": offer["blob"], "path": target, "ref": "r",
            "start": start, "length": length}),
        );
        bob.acked("r");
        let end = (start + length).min(content.len());
        assert_eq!(fs::read(&target).unwrap(), content[start..end]);
    }
}

#[test]
fn names_of_others_never_lead_out_of_the_folder() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    let place = Place::new();
    let path = place.file("a.bin", 10);
    let mut send_as = |name: &str| {
        let line = json!({"type": "send_file", "room": "lobby", "path": path, "name": name,
            "ref": "send"});
        ann.tell(&line);
        ann.answer("send")
    };
    // What can't be a name is refused to the sender.
    for name in ["../../etc/passwd", "..", "a/b", "a\0b", "a\nb"] {
        let answer = send_as(name);
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!("bad_name")),
            "{name:?}"
        );
    }
    // What only looks like one is not written by the receiver, unless it picks another.
    for name in ["con", "NUL.txt", "a\u{202e}gpj.exe", ".bashrc", "..\\x"] {
        assert_eq!(send_as(name)["type"], "ack", "{name:?}");
        let offer = bob.offer();
        bob.fetch(&offer["blob"], &place.inbox(), name);
        bob.refused(name, "bad_name");
        assert!(place.fetched().is_empty());
        bob.fetch(&offer["blob"], &place.inbox().join("mine"), "mine");
        bob.acked("mine");
        fs::remove_file(place.inbox().join("mine")).unwrap();
    }
    // A long one is cut between two letters.
    let long = format!("{}.png", "😀".repeat(75));
    assert_eq!(send_as(&long)["type"], "ack");
    let offer = bob.offer();
    assert_eq!(offer["name"], long);
    bob.fetch(&offer["blob"], &place.inbox(), "long");
    bob.acked("long");
    assert_eq!(place.fetched(), [format!("{}.png", "😀".repeat(59))]);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 2);
}

#[test]
fn what_exists_is_not_overwritten_and_links_are_not_followed() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    let place = Place::new();
    let path = place.file("a.bin", 10);
    let offer = sent(&mut ann, &bob, &path);
    let taken = place.inbox().join("a.bin");
    let mut refused = |label: &str, to: &Path| {
        bob.fetch(&offer["blob"], to, label);
        let answer = bob.refused(label, "local_file");
        answer["message"].as_str().unwrap().to_owned()
    };

    fs::write(&taken, "mine").unwrap();
    assert!(refused("1", &place.inbox()).contains("exists and is not overwritten"));
    assert!(refused("2", &taken).contains("exists and is not overwritten"));
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    fs::remove_file(&taken).unwrap();

    let outside = place.0.path().join("outside");
    symlink(&outside, &taken).unwrap();
    assert!(refused("3", &place.inbox()).contains("exists"));
    fs::remove_file(&taken).unwrap();
    symlink(&outside, place.inbox().join("a.bin.part")).unwrap();
    assert!(refused("4", &place.inbox()).contains("in the way"));
    assert!(!outside.exists());
    assert!(refused("5", &place.inbox().join("none/x")).contains("neither"));

    // The conversation goes on.
    ann.send("lobby", "hi", "hi");
    assert_eq!(bob.texts(1), ["hi"]);
}

#[test]
fn only_members_fetch_and_a_kicked_one_no_more() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    let mut eve = Device::new(&server, "eve").login();
    let place = Place::new();
    let path = place.file("a.bin", 70_000);
    ann.tell(&json!({"type": "create", "room": "den", "public": false, "ref": "den"}));
    ann.acked("den");
    ann.tell(&json!({"type": "invite", "room": "den", "account": "bob", "ref": "invite"}));
    ann.acked("invite");
    bob.tell(&json!({"type": "join", "room": "den", "ref": "join"}));
    bob.acked("join");
    ann.send_file("den", &path, "up");
    ann.acked("up");
    let offer = bob.offer();

    eve.fetch(&offer["blob"], &place.inbox().join("eve"), "f");
    eve.refused("f", "no_such_blob");
    eve.fetch(&json!("0".repeat(32)), &place.inbox().join("eve"), "g");
    eve.refused("g", "no_such_blob");
    bob.fetch(&offer["blob"], &place.inbox().join("bob"), "f");
    bob.acked("f");

    ann.tell(&json!({"type": "kick", "room": "den", "account": "bob", "ref": "kick"}));
    ann.acked("kick");
    bob.fetch(&offer["blob"], &place.inbox().join("again"), "g");
    bob.refused("g", "no_such_blob");
    assert_eq!(place.fetched(), ["bob"]);
}

#[test]
fn a_cancelled_transfer_leaves_nothing() {
    let server = Server::start();
    let proxy = Proxy::forgetful_before(server.address());
    let mut ann = Device::new(&server, "ann").at(proxy.address()).login();
    let mut bob = Device::new(&server, "bob").login();
    let place = Place::new();
    let path = place.file("a.bin", 3_000_000);
    proxy.stall_after(Direction::Up, 1_000_000);
    ann.send_file("lobby", &path, "up");
    proxy.expect_stall();
    let incoming = bob.expect_type("incoming");
    bob.fetch(&incoming["blob"], &place.inbox(), "down");
    bob.expect_type("progress");
    bob.tell(&json!({"type": "cancel", "ref": "down"}));
    assert_eq!(bob.answer("down")["type"], "canceled");
    ann.tell(&json!({"type": "cancel", "ref": "up"}));
    assert_eq!(ann.answer("up")["type"], "canceled");
    proxy.resume();
    bob.expect("the end of it", |line| {
        line["type"] == "incoming" && line["over"] == true
    });
    ann.send("lobby", "never mind", "hi");
    assert_eq!(bob.texts(1), ["never mind"]);
    assert!(bob.find(|line| line["type"] == "file").is_none());
    assert_eq!((ann.leave(), bob.leave()), (0, 0));
    assert!(place.fetched().is_empty());
}

#[test]
fn the_end_of_the_input_waits_for_transfers() {
    let server = Server::start();
    let bob = Device::new(&server, "bob");
    let mut first = bob.login();
    let place = Place::new();
    let path = place.file("a.bin", 20_000_000);
    let mut ann = Device::new(&server, "ann").login();
    ann.send_file("lobby", &path, "up");
    assert_eq!(ann.leave(), 0);
    let offer = first.offer();
    first.fetch(&offer["blob"], &place.inbox(), "down");
    assert_eq!(first.leave(), 0);
    assert_eq!(hash_of(&place.inbox().join("a.bin")), hash_of(&path));
}

#[test]
fn the_one_shot_and_the_plain_form_send_and_fetch() {
    let server = Server::start();
    let bob = Device::new(&server, "bob").login();
    let place = Place::new();
    let path = place.file("cat.png", 300_000);
    let home = TempDir::new().unwrap();
    let link = format!("chat://ann@{}/lobby", server.address());
    let run = |args: &[&str], input: &str| {
        let mut command = chat_cli(home.path());
        command.args(args).env("CHAT_PASSWORD", "correct horse");
        command.args(["--register", "--accept-new"]);
        command.current_dir(place.inbox());
        let input_path = home.path().join("input");
        fs::write(&input_path, input).unwrap();
        command.stdin(fs::File::open(&input_path).unwrap());
        let ran = command.output().expect("it can be started");
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
        (ran.status.code(), text, errors)
    };
    let path = path.to_str().unwrap();
    let (code, _, errors) = run(&["send", &link, "--file", path], "");
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let offer = bob.offer();
    assert_eq!(offer["media_type"], "image/png");
    let blob = offer["blob"].as_str().unwrap();

    let (code, text, errors) = run(&["connect", &link, "--plain"], &format!("/get {blob}\n"));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(text.contains("-- fetched "), "{text}");
    assert_eq!(
        hash_of(&place.inbox().join("cat.png")),
        hash_of(Path::new(path))
    );

    let (code, _, errors) = run(
        &["connect", &link, "--plain"],
        &format!("/send {path}\n/get {blob}\n"),
    );
    assert_eq!(code, Some(1));
    assert!(errors.contains("exists and is not overwritten"), "{errors}");
    assert_eq!(bob.offer()["name"], "cat.png");
    let (code, _, errors) = run(&["send", &link, "--file", "/none"], "");
    assert_eq!(code, Some(1));
    assert!(errors.contains("cannot read /none"), "{errors}");
}
