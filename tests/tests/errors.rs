//! What goes wrong is said clearly, each thing in its own way, and ends no more than it must.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use chat_tests::{Device, Process, Server, chat_cli};
use serde_json::{Value, json};

#[test]
fn a_wrong_password_and_an_unknown_account_look_the_same() {
    let server = Server::start();
    assert_eq!(Device::new(&server, "ann").login().leave(), 0);

    let wrong = Device::new(&server, "ann")
        .as_is()
        .saying(Some("not it, sorry"));
    let unknown = Device::new(&server, "nobody").as_is();
    let (wrong, unknown) = (login_error(&wrong), login_error(&unknown));
    assert_eq!(wrong["code"], "login_failed");
    assert_eq!(wrong, unknown);
}

#[test]
fn a_taken_name_is_refused_and_the_same_device_may_register_again() {
    let server = Server::start();
    let ann = Device::new(&server, "ann");
    assert_eq!(ann.login().leave(), 0);
    assert_eq!(ann.login().leave(), 0, "the same device");

    let other = Device::new(&server, "Ann").saying(Some("another password"));
    assert_eq!(login_error(&other)["code"], "name_taken");
}

#[test]
fn a_device_that_is_known_needs_no_password() {
    let server = Server::start();
    let ann = Device::new(&server, "ann");
    assert_eq!(ann.login().leave(), 0);
    assert_eq!(ann.as_is().saying(None).login().leave(), 0);

    let stranger = Device::new(&server, "ann").as_is().saying(None);
    let (code, errors) = fails(&stranger);
    assert!(code == 2 || code == 4, "{code}: {errors}");
    assert!(errors.contains("password"), "{errors}");
}

#[test]
fn a_session_goes_on_after_what_was_refused() {
    let server = Server::start();
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    bob.tell(&json!({"type": "create", "room": "den", "ref": "den"}));
    bob.acked("den");

    let long = "x".repeat(16 * 1024 + 1);
    let wishes = [
        (
            json!({"type": "send", "room": "den", "text": "hi"}),
            "not_a_member",
        ),
        (
            json!({"type": "send", "room": "nowhere", "text": "hi"}),
            "no_such_room",
        ),
        (json!({"type": "join", "room": "nowhere"}), "no_such_room"),
        (
            json!({"type": "send", "to": "nobody", "text": "hi"}),
            "no_such_account",
        ),
        (json!({"type": "create", "room": "den"}), "room_exists"),
        (json!({"type": "create", "room": "a b"}), "bad_name"),
        (
            json!({"type": "send", "room": "lobby", "text": long}),
            "too_long",
        ),
        (
            json!({"type": "send", "room": "lobby", "text": ""}),
            "empty",
        ),
        (
            json!({"type": "delete", "room": "lobby", "seq": 999}),
            "no_such_entry",
        ),
        (
            json!({"type": "kick", "room": "lobby", "account": "bob"}),
            "forbidden",
        ),
    ];
    let mut messages = HashSet::new();
    for (number, (mut wish, code)) in wishes.into_iter().enumerate() {
        let label = number.to_string();
        wish["ref"] = label.clone().into();
        ann.tell(&wish);
        let error = ann.refused(&label, code);
        messages.insert((code, error["message"].to_string()));

        ann.send("lobby", &label, &format!("after {label}"));
        ann.acked(&format!("after {label}"));
    }
    let sentences: HashSet<&String> = messages.iter().map(|(_, text)| text).collect();
    assert_eq!(
        sentences.len(),
        messages.len(),
        "each has its own: {messages:?}"
    );

    // Lines that are no requests are told, too, and end nothing.
    for line in ["{not json", "[]", r#"{"type":"no such verb","ref":"verb"}"#] {
        ann.process().say(line);
        ann.expect_type("error");
    }
    assert_eq!(bob.texts(10).len(), 10);
    assert_eq!(ann.leave(), 0);
}

#[test]
fn a_server_with_another_key_is_not_talked_to() {
    let server = Server::start();
    let other = Server::start();
    let device = Device::new(&server, "ann").expecting(other.fingerprint());
    let (code, errors) = fails(&device);
    assert_eq!(code, 5, "{errors}");
    assert!(errors.contains(server.fingerprint()), "{errors}");
    assert!(errors.contains(other.fingerprint()), "{errors}");
}

#[test]
fn a_server_that_is_not_there_cannot_be_reached() {
    let mut server = Server::start();
    let device = Device::new(&server, "ann");
    assert_eq!(server.stop(), 0);
    let (code, errors) = fails(&device);
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("cannot connect"), "{errors}");
}

#[test]
fn something_else_on_the_port_is_no_server() {
    let server = Server::start();
    let address = impostor(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    let (code, errors) = fails(&Device::new(&server, "ann").at(address));
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("protocol"), "{errors}");
}

#[test]
fn a_server_of_another_version_is_told_apart_from_garbage() {
    let server = Server::start();
    // It knows only a handshake 2, and says so.
    let address = impostor(b"libchat\0\x00\x01\x00\x02");
    let (code, errors) = fails(&Device::new(&server, "ann").at(address));
    assert_eq!(code, 7, "{errors}");
    assert!(errors.contains("version"), "{errors}");
}

#[test]
fn a_profile_has_one_client_at_a_time() {
    let server = Server::start();
    let ann = Device::new(&server, "ann");
    let mut first = ann.login();
    let (code, errors) = fails(&ann);
    assert_eq!(code, 9, "{errors}");
    let pid = first.process().pid().to_string();
    assert!(
        errors.contains("in use") && errors.contains(&pid),
        "{errors}"
    );
    assert_eq!(first.leave(), 0, "the first one does not mind");
}

#[test]
fn a_server_that_cannot_start_says_what_is_in_its_way() {
    let server = Server::start();
    let home = tempfile::tempdir().expect("a folder for the test");
    let address = server.address().to_string();
    let data = server.data();
    let data = data.to_str().expect("a plain path");
    let file = home.path().join("file");
    fs::write(&file, "not a folder").expect("written");
    let file = file.to_str().expect("a plain path");
    let config = home.path().join("config.toml");
    fs::write(&config, "listen = [").expect("written");
    let config = config.to_str().expect("a plain path");

    let serve = |args: &[&str]| {
        let mut command = chat_cli(home.path());
        command.args(["serve", "--json"]).args(args);
        let mut process = Process::start(command);
        (process.ends(), process.errors())
    };
    let free = ["--listen", "127.0.0.1:0", "--data"];
    let pid = server.process().pid().to_string();

    let (code, errors) = serve(&["--listen", &address, "--data", "data"]);
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains(&address) && errors.contains("in use"),
        "{errors}"
    );

    let (code, errors) = serve(&[&free[..], &[data]].concat());
    assert_eq!(code, 78, "{errors}");
    assert!(errors.contains(data) && errors.contains(&pid), "{errors}");

    let (code, errors) = serve(&[&free[..], &[file]].concat());
    assert!(code == 1 || code == 78, "{code}: {errors}");
    assert!(errors.contains(file), "{errors}");

    let (code, errors) = serve(&[&free[..], &["data", "--config", config]].concat());
    assert_eq!(code, 78, "{errors}");
    assert!(errors.contains(config), "{errors}");

    let (code, errors) = serve(&["--listen", "nonsense", "--data", "data"]);
    assert!(code == 2 || code == 78, "{code}: {errors}");
    assert!(errors.contains("nonsense"), "{errors}");
}

#[test]
fn a_client_that_is_called_wrong_says_how_to_call_it() {
    let server = Server::start();
    for (name, arg) in [("a b", "--json"), ("ann", "--no-such-option")] {
        let (code, errors) = fails(&Device::new(&server, name).with(arg));
        assert_eq!(code, 2, "{errors}");
    }
}

/// Answers whatever it hears with this, and closes.
fn impostor(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(answer);
        }
    });
    address
}

/// Starts a client that ends by itself, and answers how: its exit code and what it told people.
fn fails(device: &Device) -> (i32, String) {
    let mut client = device.start();
    let code = client.ends();
    let errors = client.process().errors();
    assert!(!errors.trim().is_empty(), "it says nothing");
    (code, errors)
}

/// The refusal of a login, as programs see it.
fn login_error(device: &Device) -> Value {
    let mut client = device.start();
    let mut error = client.expect_type("error");
    assert_eq!(client.ends(), 4, "{error}");
    // When to try again may differ from try to try.
    let fields = error.as_object_mut().expect("a line is an object");
    fields.remove("retry_ms");
    error
}
