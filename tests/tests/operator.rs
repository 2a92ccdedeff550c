//! What operators do, with the server running and stopped; and who may open an account.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use chat_tests::{Client, Device, Ran, Server};
use serde_json::Value;

const PASSWORD: &str = "a word to pass with";

#[test]
fn accounts_are_kept_while_the_server_runs_and_while_it_does_not() {
    for running in [true, false] {
        let mut server = Server::start_with(&["--registration", "closed"]);
        if !running {
            assert_eq!(server.stop(), 0);
        }
        let add = |name: &str| server.operate_saying(PASSWORD, &["user", "add", name]);
        done(&add("ann"));
        done(&add("bob"));
        done(&server.operate_saying(PASSWORD, &["user", "add", "root", "--admin"]));
        refused(&add("Ann"), "name_taken");
        refused(
            &server.operate_saying("short", &["user", "add", "eve"]),
            "bad_password",
        );
        let nothing_said = server.operate(&["user", "add", "eve"]);
        assert_eq!(nothing_said.code, 2, "{nothing_said:?}");

        let mut users = users(&server);
        assert_eq!(fields(&mut users, "name"), ["ann", "bob", "root"]);
        assert_eq!(fields(&mut users, "role"), ["user", "user", "admin"]);
        for user in &users {
            assert_eq!(user["devices"], 0, "{user}");
            assert_eq!(
                (&user["online"], &user["password"]),
                (&false.into(), &true.into())
            );
        }

        done(&server.operate(&["user", "role", "ann", "admin"]));
        done(&server.operate(&["user", "role", "root", "user"]));
        done(&server.operate_saying("another word", &["user", "passwd", "ann"]));
        done(&server.operate(&["user", "del", "bob"]));
        refused(&server.operate(&["user", "del", "bob"]), "no_such_account");
        refused(
            &server.operate(&["user", "role", "bob", "admin"]),
            "no_such_account",
        );
        refused(
            &server.operate_saying(PASSWORD, &["user", "passwd", "bob"]),
            "no_such_account",
        );
        let mut users = self::users(&server);
        assert_eq!(fields(&mut users, "name"), ["ann", "root"]);
        assert_eq!(fields(&mut users, "role"), ["admin", "user"]);

        if !running {
            server.restart();
        }
        let device =
            |name: &str, password| Device::new(&server, name).as_is().saying(Some(password));
        assert_eq!(device("root", PASSWORD).login().leave(), 0);
        assert_eq!(device("ann", "another word").login().leave(), 0);
        for (name, password) in [("ann", PASSWORD), ("bob", PASSWORD)] {
            let mut client = device(name, password).start();
            assert_eq!(client.expect_type("error")["code"], "login_failed");
            assert_eq!(client.ends(), 4);
        }
    }
}

#[test]
fn a_new_password_locks_the_devices_out() {
    let server = Server::start();
    let ann = Device::new(&server, "ann");
    let mut bob = Device::new(&server, "bob").login();
    let mut online = ann.login();
    done(&server.operate_saying(PASSWORD, &["user", "passwd", "ann"]));
    assert_ne!(online.ends(), 0, "who is there is sent away");

    let mut key_only = ann.clone().as_is().saying(None).start();
    assert_ne!(key_only.ends(), 0);
    let mut old = ann.clone().as_is().start();
    assert_eq!(old.ends(), 4);
    assert_eq!(old.expect_type("error")["code"], "login_failed");
    let again = ann.as_is().saying(Some(PASSWORD));
    assert_eq!(again.login().leave(), 0);
    // The key is good again, too.
    assert_eq!(again.saying(None).login().leave(), 0);
    assert_eq!(bob.leave(), 0, "others don't notice");
}

#[test]
fn a_locked_out_device_is_refused_while_the_server_was_stopped() {
    let mut server = Server::start();
    let ann = Device::new(&server, "ann");
    assert_eq!(ann.login().leave(), 0);
    assert_eq!(server.stop(), 0);
    done(&server.operate_saying(PASSWORD, &["user", "passwd", "ann"]));
    server.restart();
    let mut key_only = ann.clone().as_is().saying(None).start();
    assert_ne!(key_only.ends(), 0);
    assert_eq!(ann.saying(Some(PASSWORD)).as_is().login().leave(), 0);
}

#[test]
fn a_deleted_account_is_sent_away_and_the_others_are_told() {
    let server = Server::start();
    let mut bob = Device::new(&server, "bob").login();
    let mut ann = Device::new(&server, "ann").login();
    ann.send("lobby", "I was here", "1");
    ann.acked("1");
    bob.sees("ann", "online");
    done(&server.operate(&["user", "del", "ann"]));
    assert_eq!(ann.expect_type("bye")["reason"], "banned");
    assert_eq!(ann.ends(), 6);
    assert_eq!(bob.sees("ann", "offline"), "banned");
    bob.expect("that she left", |line| {
        line["type"] == "member" && line["account"] == "ann" && line["change"] == "left"
    });
    assert_eq!(bob.texts(1), ["I was here"], "what she said stays");

    // Her name is free, and whoever takes it is somebody else.
    let mut other = Device::new(&server, "ann").login();
    other.tell(&serde_json::json!({"type": "devices", "ref": "devices"}));
    assert_eq!(
        other.answer("devices")["items"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!((other.leave(), bob.leave()), (0, 0));
}

#[test]
fn an_invite_opens_as_many_accounts_as_it_says_and_no_more() {
    let mut server = Server::start_with(&["--registration", "invite"]);
    assert_eq!(registers(&server, "ann", None), "invite_required");
    assert_eq!(
        registers(&server, "ann", Some("invite=nonsense")),
        "bad_invite"
    );
    // A new server's operator gets the first one from its first line.
    let first = server.invite().to_owned();
    assert!(first.contains("&invite="), "{first}");
    assert_eq!(registers(&server, "ann", Some(&first)), "connected");
    assert_eq!(registers(&server, "bob", Some(&first)), "bad_invite");

    let two = invite(&server, &["--uses", "2", "--expires", "7d"]);
    assert!(
        two.starts_with(&format!("chat://{}", server.address())),
        "{two}"
    );
    assert_eq!(
        registers(&server, "ann", Some(&two)),
        "name_taken",
        "which uses nothing up"
    );
    assert_eq!(registers(&server, "bob", Some(&two)), "connected");
    // Its uses outlive the server.
    server.kill();
    server.restart();
    assert!(
        !server.invite().contains("invite="),
        "not the first start any more"
    );
    assert_eq!(registers(&server, "eve", Some(&two)), "connected");
    assert_eq!(registers(&server, "dan", Some(&two)), "bad_invite");

    assert_eq!(server.stop(), 0);
    let public = server.address().to_string();
    let stopped = invite(&server, &["--public", &public]);
    assert!(
        stopped.starts_with(&format!("chat://{public}")),
        "{stopped}"
    );
    server.restart();
    assert_eq!(registers(&server, "dan", Some(&stopped)), "connected");

    let none = server.operate(&["invite", "--uses", "0"]);
    assert_ne!(none.code, 0, "{none:?}");
}

#[test]
fn an_invite_ends_when_it_says() {
    let server = Server::start_with(&["--registration", "invite"]);
    let link = invite(&server, &["--uses", "50", "--expires", "1s"]);
    let began = Instant::now();
    for number in 0..50 {
        let result = registers(&server, &format!("guest{number}"), Some(&link));
        if result == "bad_invite" {
            assert!(
                began.elapsed() > Duration::from_millis(900),
                "{:?}",
                began.elapsed()
            );
            return;
        }
        assert_eq!(result, "connected");
    }
    panic!("it never ends");
}

#[test]
fn two_who_race_for_the_last_use_of_an_invite_do_not_both_get_it() {
    let server = Server::start_with(&["--registration", "invite"]);
    for round in 0..3 {
        let link = invite(&server, &[]);
        let racers = ["ann", "bob"].map(|name| {
            Device::new(&server, &format!("{name}{round}"))
                .invited(&link)
                .start()
        });
        let mut results = racers.each_ref().map(outcome);
        results.sort();
        assert_eq!(results, ["bad_invite", "connected"]);
    }
}

#[test]
fn a_closed_server_opens_no_accounts() {
    let server = Server::start_with(&["--registration", "closed"]);
    assert_eq!(registers(&server, "ann", None), "registration_closed");
    let link = invite(&server, &[]);
    assert_eq!(
        registers(&server, "ann", Some(&link)),
        "registration_closed"
    );
    done(&server.operate_saying("the password of ann", &["user", "add", "ann"]));
    assert_eq!(Device::new(&server, "ann").as_is().login().leave(), 0);
}

#[test]
fn only_the_operator_reads_what_a_server_keeps() {
    let mut server = Server::start();
    let data = server.data();
    assert_eq!(mode(&data), 0o700);
    for file in ["chat.db", "server.key", "control.sock"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    for item in fs::read_dir(&data).expect("a folder") {
        let path = item.expect("an item").path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    let fingerprint = format!("{}\n", server.fingerprint());
    assert_eq!(server.operate(&["key", "show"]).output, fingerprint);
    let running = data.with_extension("running");
    done(&server.operate(&["backup", running.to_str().expect("a plain path")]));

    assert_eq!(server.stop(), 0);
    assert!(!data.join("control.sock").exists());
    assert_eq!(server.operate(&["key", "show"]).output, fingerprint);
    let stopped = data.with_extension("stopped");
    done(&server.operate(&["backup", stopped.to_str().expect("a plain path")]));
    let again = server.operate(&["backup", stopped.to_str().expect("a plain path")]);
    assert_ne!(again.code, 0, "nothing is written over: {again:?}");

    for copy in [&running, &stopped] {
        assert_eq!(mode(copy), 0o700);
        for file in ["chat.db", "server.key"] {
            assert_eq!(mode(&copy.join(file)), 0o600, "{file}");
        }
        let restored = Server::start_from(copy, &[]);
        assert_eq!(restored.fingerprint(), server.fingerprint());
    }
}

#[test]
fn a_mistyped_data_directory_is_not_made() {
    let server = Server::start();
    let nowhere = server.data().with_extension("nowhere");
    let path = nowhere.to_str().expect("a plain path");
    let mut command = chat_tests::chat_cli(server.data().parent().expect("a folder"));
    let ran = command
        .args(["user", "list", "--data", path])
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{errors}");
    assert!(errors.contains(path), "{errors}");
    assert!(!nowhere.exists());
}

#[test]
fn a_crashed_server_s_socket_is_in_nobody_s_way() {
    let mut server = Server::start();
    done(&server.operate_saying(PASSWORD, &["user", "add", "ann"]));
    server.kill();
    assert!(server.data().join("control.sock").exists());
    assert_eq!(users(&server).len(), 1);
    server.restart();
    assert_eq!(users(&server).len(), 1);
}

fn done(ran: &Ran) {
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.errors, "", "{ran:?}");
}

fn refused(ran: &Ran, code: &str) {
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.errors.contains(code), "{ran:?}");
    assert_eq!(ran.output, "", "{ran:?}");
}

/// Sorted by name.
fn users(server: &Server) -> Vec<Value> {
    let ran = server.operate(&["user", "list", "--json"]);
    done(&ran);
    let read = |line| serde_json::from_str(line).expect("each line is an object");
    ran.output.lines().map(read).collect()
}

fn fields(users: &mut [Value], key: &str) -> Vec<String> {
    users.sort_by_key(|user| user["name"].to_string());
    let field = |user: &Value| user[key].as_str().unwrap_or_default().to_owned();
    users.iter().map(field).collect()
}

fn invite(server: &Server, args: &[&str]) -> String {
    let ran = server.operate(&[&["invite"], args].concat());
    done(&ran);
    ran.output.trim_end().to_owned()
}

/// Tries to open an account: `connected`, or the code of the refusal.
fn registers(server: &Server, name: &str, link: Option<&str>) -> String {
    let mut device = Device::new(server, name);
    if let Some(link) = link {
        device = device.invited(link);
    }
    outcome(&device.start())
}

fn outcome(client: &Client) -> String {
    let line = client.expect("end of the login", |line| {
        line["type"] == "connected" || line["type"] == "error"
    });
    let word = if line["type"] == "error" {
        &line["code"]
    } else {
        &line["type"]
    };
    word.as_str().unwrap_or_default().to_owned()
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.permissions().mode() & 0o777
}
