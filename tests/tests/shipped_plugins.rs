//! The plugins that ship with the server, in a real one: what people and operators see of them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use chat_tests::plugins::{shipped, until};
use chat_tests::{Client, Device, Plugins, Server};
use serde_json::{Value, json};

#[test]
fn a_word_of_the_list_passes_in_no_kind_of_entry() {
    let plugins = with(
        &["wordfilter"],
        "words = ['darn']\nreason = 'no such words'",
    );
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    done(&mut ann, json!({"type": "create", "room": "den"}));
    let seq = done(&mut ann, said("a fine day"))["seq"].clone();
    for line in [
        said("Darn it"),
        json!({"type": "edit", "room": "lobby", "seq": seq, "text": "a DARN day"}),
        json!({"type": "topic", "room": "den", "text": "darn"}),
        json!({"type": "react", "room": "lobby", "seq": seq, "emoji": "darn"}),
    ] {
        let answer = refused(&mut ann, line);
        assert_eq!(answer["message"], "no such words", "{answer}");
    }
    done(&mut ann, said("darned if I know"));

    // What somebody says about being away is a signal: nobody is shown it.
    let bob = Device::new(&server, "bob").login();
    ann.tell(&json!({"type": "presence", "state": "away", "text": "darn"}));
    ann.tell(&json!({"type": "presence", "state": "away", "text": "back soon"}));
    let away = bob.expect("presence of ann", |line| {
        line["type"] == "presence" && line["account"] == "ann" && line["state"] == "away"
    });
    assert!(!away.to_string().contains("darn"), "{away}");

    // Direct conversations are theirs.
    let direct = json!({"type": "send", "to": "bob", "text": "darn"});
    done(&mut ann, direct);
    assert_eq!(bob.message()["text"], "darn");
}

#[test]
fn a_masked_word_reaches_nobody_and_the_sender_sees_what_became_of_it() {
    let plugins = with(&["wordfilter"], "words = ['darn']\naction = 'mask'");
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    let bob = Device::new(&server, "bob").login();
    let seq = done(&mut ann, said("well, Darn it"))["seq"].clone();
    done(
        &mut ann,
        json!({"type": "edit", "room": "lobby", "seq": seq, "text": "darn"}),
    );
    for client in [&ann, &bob] {
        assert_eq!(client.message()["text"], "well, **** it");
        assert_eq!(client.expect_type("edit")["text"], "****");
    }
}

#[test]
fn the_list_of_words_is_read_again_and_a_bad_one_changes_nothing() {
    let plugins = Plugins::configured("");
    let words = plugins.path("words.txt");
    fs::write(&words, "# a list\ndarn\n").expect("a list");
    plugins.configure(&format!("[plugin.wordfilter]\nfile = {words:?}"));
    plugins.add("wordfilter");
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    refused(&mut ann, said("darn"));

    fs::write(&words, "two words\n").expect("a list");
    reload(&server, "wordfilter");
    server.process().says(&["wordfilter", "two words"]);
    refused(&mut ann, said("darn"));

    fs::write(&words, "heck\n").expect("a list");
    reload(&server, "wordfilter");
    until(|| {
        let answer = answer(&mut ann, said("heck"));
        answer["type"] == "error"
    });
    done(&mut ann, said("darn"));
}

#[test]
fn slow_mode_says_how_long_to_wait_and_new_versions_know_it() {
    let plugins = with(
        &["slowmode"],
        "seconds = 600\nrooms = ['lobby']\nexempt = ['zoe']",
    );
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    done(&mut ann, said("one"));
    let why = refused(&mut ann, said("two"));
    let message = why["message"].as_str().unwrap_or_default();
    let seconds: u64 = message
        .strip_prefix("slow mode: wait ")
        .and_then(|rest| rest.strip_suffix(" s"))
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or_else(|| panic!("{why}"));
    assert!((500..=600).contains(&seconds), "{why}");

    // Others, and other rooms, don't wait.
    let mut bob = Device::new(&server, "bob").login();
    done(&mut bob, said("one"));
    done(&mut ann, json!({"type": "create", "room": "den"}));
    for text in ["one", "two"] {
        done(
            &mut ann,
            json!({"type": "send", "room": "den", "text": text}),
        );
    }
    let mut zoe = Device::new(&server, "zoe").login();
    for text in ["one", "two"] {
        done(&mut zoe, said(text));
    }

    // A new version takes the pauses over.
    plugins.add("slowmode");
    server.process().says(&["slowmode", "loaded"]);
    refused(&mut ann, said("three"));
    let seq = history(&mut bob)
        .iter()
        .find(|item| item["from"] == "bob")
        .expect("it is there")["seq"]
        .clone();
    refused(
        &mut bob,
        json!({"type": "edit", "room": "lobby", "seq": seq, "text": "more"}),
    );
    done(
        &mut bob,
        json!({"type": "react", "room": "lobby", "seq": seq, "emoji": "x"}),
    );
}

#[test]
fn dice_roll_for_everybody_to_see_and_help_tells_of_them() {
    let plugins = Plugins::configured("[plugin.help]\nrules = 'be kind'");
    for name in ["dice", "help"] {
        plugins.add(name);
    }
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    let bob = Device::new(&server, "bob").login();
    done(&mut ann, command("roll", "2d6+1"));
    for client in [&ann, &bob] {
        let message = client.message();
        assert_eq!(message["from"], "plugin.dice", "{message}");
        let text = message["text"].as_str().unwrap_or_default();
        assert!(text.starts_with("ann rolls 2d6+1: "), "{text}");
    }
    let why = refused(&mut ann, command("roll", "0d6"));
    assert_eq!(why["message"], "1 to 100 dice");

    // Outside a room only the caller hears of it.
    done(
        &mut ann,
        json!({"type": "command", "name": "roll", "args": "d20"}),
    );
    let notice = ann.expect_type("notice");
    assert_eq!(notice["from"], "plugin.dice", "{notice}");

    done(&mut ann, command("help", ""));
    let notice = ann.expect_type("notice")["text"].clone();
    let text = notice.as_str().unwrap_or_default();
    for part in ["Commands:", "/roll - [N]d[SIDES]", "/rules", "/help"] {
        assert!(text.contains(part), "{text}");
    }
    done(&mut ann, command("rules", ""));
    assert_eq!(ann.expect_type("notice")["text"], "be kind");
    let why = refused(&mut ann, command("help", "nothing"));
    assert!(why.to_string().contains("no such command"), "{why}");
    assert_eq!(bob.find(|line| line["type"] == "notice"), None);

    // A filter of another plugin holds for what they say, too, and clients can list the commands.
    let items = answer(&mut ann, json!({"type": "commands"}))["items"].clone();
    let names: Vec<&str> = items
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["name"].as_str())
        .collect();
    assert_eq!(names, ["help", "roll", "rules"]);
}

#[test]
fn links_are_refused_wherever_they_stand() {
    let plugins = with(&["linkguard"], "deny = ['evil.example']");
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    let bob = Device::new(&server, "bob").login();
    done(&mut ann, json!({"type": "create", "room": "den"}));
    let seq = done(&mut ann, said("see https://good.example"))["seq"].clone();
    for line in [
        said("see http://EVIL.example/x"),
        said("http://good.example@www.evil.example"),
        json!({"type": "send", "to": "bob", "text": "evil.example"}),
        json!({"type": "edit", "room": "lobby", "seq": seq, "text": "http://evil.example"}),
        json!({"type": "topic", "room": "den", "text": "evil.example"}),
        json!({"type": "react", "room": "lobby", "seq": seq, "emoji": "evil.example"}),
    ] {
        let why = refused(&mut ann, line.clone());
        let message = why["message"].as_str().unwrap_or_default();
        assert!(
            message.ends_with("evil.example are not allowed here"),
            "{line}: {why}"
        );
    }
    assert_eq!(bob.message()["text"], "see https://good.example");
}

#[test]
fn who_comes_in_is_greeted_and_who_joins_a_room_is_told_about_it() {
    let plugins = with(
        &["motd"],
        "text = 'welcome, {account}'\n[plugin.motd.rooms]\nden = '{account}, this is {room}'",
    );
    let server = start(&plugins);
    let device = Device::new(&server, "ann");
    let mut ann = device.login();
    let notice = ann.expect_type("notice");
    assert_eq!(
        (&notice["from"], &notice["text"]),
        (&"plugin.motd".into(), &"welcome, ann".into())
    );
    done(&mut ann, json!({"type": "create", "room": "den"}));
    assert_eq!(ann.expect_type("notice")["text"], "ann, this is den");

    let mut bob = Device::new(&server, "bob").login();
    assert_eq!(bob.expect_type("notice")["text"], "welcome, bob");
    done(&mut bob, json!({"type": "join", "room": "den"}));
    let notice = bob.expect_type("notice");
    assert_eq!(
        (&notice["text"], &notice["room"]),
        (&"bob, this is den".into(), &"den".into())
    );
    // Notices are for one alone.
    ann.catch_up("quiet");
    assert_eq!(ann.find(|line| line["type"] == "notice"), None);

    // Who was here a moment ago is not greeted again.
    ann.leave();
    let mut ann = device.login();
    done(&mut ann, said("back"));
    done(&mut ann, command_free());
    assert_eq!(ann.find(|line| line["type"] == "notice"), None);
}

#[test]
fn statistics_stay_over_restarts_and_new_versions() {
    let plugins = with(&["stats"], "top = 2");
    let mut server = start(&plugins);
    let ann_device = Device::new(&server, "ann");
    let mut ann = ann_device.login();
    let mut bob = Device::new(&server, "bob").login();
    let seq = done(&mut ann, said("one"))["seq"].clone();
    done(&mut ann, said("two"));
    done(&mut bob, said("three"));
    done(
        &mut bob,
        json!({"type": "react", "room": "lobby", "seq": seq, "emoji": "x"}),
    );
    let expected = "lobby: 3 messages, 0 files, 0 edits, 0 deletions, 1 reactions; \
                    most by ann (2), bob (1)";
    counted(&server, 3);
    until(|| stats(&mut ann) == expected);

    plugins.add("stats");
    server.process().says(&["stats", "loaded"]);
    assert_eq!(stats(&mut ann), expected);

    ann.leave();
    bob.leave();
    assert_eq!(server.stop(), 0);
    server.restart();
    let mut ann = ann_device.login();
    assert_eq!(stats(&mut ann), expected);
    done(&mut ann, said("four"));
    counted(&server, 1);
    let stats = stats(&mut ann);
    assert!(stats.starts_with("lobby: 4 messages"), "{stats}");
    assert!(stats.ends_with("most by ann (3), bob (1)"), "{stats}");
}

#[test]
fn the_log_has_every_entry_once_in_order_over_ten_new_versions() {
    let plugins = Plugins::configured("");
    let log = plugins.path("log");
    plugins.configure(&format!(
        "[plugin.logger]\nformat = 'json'\npath = {log:?}\nmax_bytes = '64KiB'\nkeep = 100"
    ));
    let server = start(&plugins);
    let mut ann = Device::new(&server, "ann").login();
    done(&mut ann, said("before there is a logger"));
    plugins.add("logger");
    server.process().says(&["logger", "loaded"]);

    let mut sent = 0;
    for _ in 0..10 {
        for _ in 0..100 {
            sent += 1;
            ann.send("lobby", &format!("message {sent}"), &sent.to_string());
        }
        // Sent by now or not: the swap comes in between.
        plugins.add("logger");
        server.process().says(&["logger", "loaded"]);
    }
    for label in 1..=sent {
        ann.acked(&label.to_string());
    }
    let logged = || {
        let lines = lines_of(&log);
        let messages = lines.into_iter().filter(|line| line["type"] == "message");
        messages.collect::<Vec<Value>>()
    };
    until(|| logged().len() >= sent);
    let logged = logged();
    let texts: Vec<&str> = logged
        .iter()
        .filter(|line| line["again"] != true)
        .filter_map(|line| line["text"].as_str())
        .collect();
    let expected: Vec<String> = (1..=sent)
        .map(|number| format!("message {number}"))
        .collect();
    assert_eq!(texts, expected);
    // No entry between two of them was left out.
    let seqs = logged.iter().map(|line| line["seq"].as_u64());
    let pairs = seqs.clone().zip(seqs.skip(1));
    assert!(pairs.clone().all(|(one, next)| one < next), "not in order");
    assert!(
        Path::new(&format!("{}.1", log.display())).exists(),
        "nothing was rotated"
    );
}

#[test]
fn the_log_leaves_direct_conversations_alone_unless_it_is_told_otherwise() {
    let plugins = with(&["logger"], "");
    let mut server = start(&plugins);
    let device = Device::new(&server, "ann");
    let mut ann = device.login();
    let bob = Device::new(&server, "bob").login();
    done(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "for you"}),
    );
    done(&mut ann, said("for all\nof you"));
    let file = server.data().join("plugins/state/logger/messages.log");
    until(|| fs::read_to_string(&file).is_ok_and(|text| text.contains("for all")));
    let text = fs::read_to_string(&file).expect("a log");
    assert!(text.contains("<ann> for all\\nof you\n"), "{text}");
    assert!(!text.contains("for you"), "{text}");

    drop((ann, bob));
    assert_eq!(server.stop(), 0);
    plugins.configure("[plugin.logger]\ndirect = true");
    server.restart();
    let mut ann = device.login();
    done(
        &mut ann,
        json!({"type": "send", "to": "bob", "text": "for the log"}),
    );
    until(|| fs::read_to_string(&file).is_ok_and(|text| text.contains("for the log")));
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_key() {
    let plugins = Plugins::configured(
        "[plugin.wordfilter]\n[plugin.slowmode]\nseconds = 'soon'\n[plugin.dice]\nanswer = 'loud'\n\
         [plugin.help]\n[plugin.logger]\nformat = 'xml'\n[plugin.linkguard]\n[plugin.motd]\n\
         [plugin.stats]\ntop = 99",
    );
    let server = start(&plugins);
    for (name, word) in [
        ("wordfilter", "words ="),
        ("slowmode", "seconds = soon"),
        ("dice", "answer ="),
        ("logger", "format ="),
        ("linkguard", "deny, allow or max_links"),
        ("motd", "nothing to tell"),
        ("stats", "top = 99"),
    ] {
        let file = shipped(name).to_string_lossy().into_owned();
        let config = plugins.path("server.toml").to_string_lossy().into_owned();
        let checked = check(&server, &[&file, "--config", &config]);
        assert_ne!(checked.0, 0, "{name} is taken");
        assert!(checked.1.contains(word), "{name}: {}", checked.1);
    }
    let help = shipped("help").to_string_lossy().into_owned();
    assert_eq!(check(&server, &[&help]).0, 0);
}

/// A folder with these plugins, the first of them with this configuration.
fn with(names: &[&str], config: &str) -> Plugins {
    let plugins = Plugins::configured(&format!("[plugin.{}]\n{config}", names[0]));
    for name in names {
        plugins.add(name);
    }
    plugins
}

/// Starts a server that has loaded what is in the folder.
fn start(plugins: &Plugins) -> Server {
    let args = plugins.args();
    let server = Server::start_with(&args.each_ref().map(String::as_str));
    for file in fs::read_dir(plugins.folder()).expect("the folder is there") {
        let file = file.expect("it can be read").file_name();
        let name = file.to_string_lossy();
        let name = name.trim_start_matches("lib").trim_end_matches(".so");
        server.process().says(&["loaded", name]);
    }
    server
}

fn said(text: &str) -> Value {
    json!({"type": "send", "room": "lobby", "text": text})
}

fn command(name: &str, args: &str) -> Value {
    json!({"type": "command", "room": "lobby", "name": name, "args": args})
}

/// Something that is answered after everything that came before it.
fn command_free() -> Value {
    json!({"type": "read", "room": "lobby", "seq": 1})
}

/// Tells a line and answers what came of it.
fn answer(client: &mut Client, mut line: Value) -> Value {
    static LABELS: AtomicU64 = AtomicU64::new(0);
    let label = format!("line {}", LABELS.fetch_add(1, Ordering::Relaxed));
    line["ref"] = label.as_str().into();
    client.tell(&line);
    client.answer(&label)
}

fn done(client: &mut Client, line: Value) -> Value {
    let answer = answer(client, line);
    assert_eq!(answer["type"], "ack", "{answer}");
    answer
}

fn refused(client: &mut Client, line: Value) -> Value {
    let answer = answer(client, line);
    assert_eq!(answer["type"], "error", "{answer}");
    assert_eq!(answer["code"], "rejected", "{answer}");
    answer
}

fn history(client: &mut Client) -> Vec<Value> {
    let answer = answer(
        client,
        json!({"type": "history", "room": "lobby", "limit": 50}),
    );
    answer["items"].as_array().cloned().unwrap_or_default()
}

/// Waits until the plugin has counted so many messages since its server's start: it lags a little.
fn counted(server: &Server, messages: u64) {
    until(|| {
        let list = server.operate(&["plugin", "list", "--json"]).output;
        let items = list
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        items
            .into_iter()
            .any(|item: Value| item["metrics"]["messages"] == messages)
    });
}

fn stats(client: &mut Client) -> String {
    done(client, command("stats", ""));
    let notice = client.expect_type("notice");
    notice["text"].as_str().unwrap_or_default().to_owned()
}

fn reload(server: &Server, name: &str) {
    let ran = server.operate(&["plugin", "reload", name]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// Exit code, and all that was printed.
fn check(server: &Server, args: &[&str]) -> (i32, String) {
    let mut all = vec!["plugin", "check"];
    all.extend(args);
    let ran = server.operate(&all);
    (ran.code, ran.output + &ran.errors)
}

/// The lines of a log and its old files, oldest first.
fn lines_of(log: &Path) -> Vec<Value> {
    let old = (1..=100)
        .rev()
        .map(|number| format!("{}.{number}", log.display()));
    old.chain([log.display().to_string()])
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| {
            let lines = text.lines();
            lines
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect::<Vec<Value>>()
        })
        .collect()
}
