//! What went wrong in other programs' plugin systems (brokers, chat clients and servers), tried here.

use std::fs;
use std::path::Path;
use std::process::Command;

use chat_tests::plugins::{shipped, until};
use chat_tests::{Client, Device, Direction, Plugins, Proxy, Server};
use serde_json::{Value, json};

/// Counts what it is asked, refuses "no", and answers every text, its own ones, too, if it is shown them.
const NOSY: &str = r#"
#include <chat_plugin.h>
#include <string.h>
static const chat_ext_metrics *metrics;
static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->kind != CHAT_KIND_TEXT || event->text == NULL)
        return CHAT_PASS;
    metrics->add(host, "asked", 1);
    if (strncmp(event->text, "no", 2) == 0) {
        host->set_reason(host, event, "I said no");
        return CHAT_REJECT;
    }
    if (strncmp(event->text, "answer", 6) == 0)
        host->send(host, event->room, NULL, "answer from inside the hook");
    return CHAT_PASS;
}
static chat_verdict post(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    metrics->add(host, "seen", 1);
    if (event->text != NULL && strncmp(event->text, "answer", 6) == 0)
        host->send(host, event->room, NULL, "answer from the observer");
    return CHAT_PASS;
}
static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    metrics = host->extension(host, "chat.metrics/1");
    host->hook(host, CHAT_HOOK_ENTRY_POST, 0, post);
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}
CHAT_PLUGIN_DECLARE("org.example.nosy", "Nosy", "1", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT | CHAT_CAP_SEND, init, NULL);
"#;

/// A filter that asks another machine, here, is a thread that takes its time: it answers when the next text
/// comes.
const SLOW_LOOK_UP: &str = r#"
#include <chat_plugin.h>
#include <string.h>
static const chat_plugin_event *held;
static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    const chat_ext_defer *defer = host->extension(host, "chat.defer/1");
    (void)self;
    if (event->kind != CHAT_KIND_TEXT || event->text == NULL)
        return CHAT_PASS;
    if (strcmp(event->text, "look it up") == 0) {
        held = event;
        return CHAT_DEFER;
    }
    if (strcmp(event->text, "go on") == 0 && held != NULL) {
        host->set_text(host, held, "looked up", 9);
        defer->resolve(host, held, CHAT_MODIFIED);
        held = NULL;
    }
    return CHAT_PASS;
}
static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}
CHAT_PLUGIN_DECLARE("org.example.lookup", "Slow look-up", "1", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_MODIFY, init, NULL);
"#;

/// Keeps no part of the contract, by the word that it is sent.
const SLOPPY: &str = r#"
#include <chat_plugin.h>
#include <stdio.h>
#include <string.h>
static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    char text[64];
    static char large[20000];
    (void)self;
    if (event->kind != CHAT_KIND_TEXT || event->text == NULL)
        return CHAT_PASS;
    if (strcmp(event->text, "nothing set") == 0)
        return CHAT_MODIFIED;
    if (strcmp(event->text, "too long") == 0) {
        memset(large, 'x', sizeof large);
        if (host->set_text(host, event, large, sizeof large) == CHAT_OK)
            return CHAT_PASS;
        return CHAT_MODIFIED;
    }
    if (strcmp(event->text, "no text") == 0)
        return host->set_text(host, event, "\xff\xfe", 2) == CHAT_OK ? CHAT_PASS : CHAT_MODIFIED;
    if (strcmp(event->text, "silent drop") == 0)
        return 2;
    if (strcmp(event->text, "what a number") == 0)
        return 4711;
    if (strcmp(event->text, "from the stack") == 0) {
        snprintf(text, sizeof text, "copied in time");
        host->set_text(host, event, text, strlen(text));
        memset(text, '!', sizeof text);
        return CHAT_MODIFIED;
    }
    return CHAT_PASS;
}
static chat_verdict post(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    host->set_text(host, event, "history is written by observers", 31);
    return CHAT_MODIFIED;
}
static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    host->hook(host, CHAT_HOOK_ENTRY_POST, 0, post);
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}
CHAT_PLUGIN_DECLARE("org.example.sloppy", "Sloppy", "1", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT | CHAT_CAP_MODIFY, init, NULL);
"#;

/// Refuses a word that a function with a common name answers.
const COMMON_NAME: &str = r#"
#include <chat_plugin.h>
#include <string.h>
const char *the_word(void);
int counter;
const char *the_word(void) { counter++; return "WORD"; }
static chat_verdict entry(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->text == NULL || strcmp(event->text, the_word()) != 0)
        return CHAT_PASS;
    host->set_reason(host, event, "refused by WORD");
    return CHAT_REJECT;
}
static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, CHAT_HOOK_ENTRY, 0, entry);
}
CHAT_PLUGIN_DECLARE("org.example.WORD", "Common", "1", "MIT",
                    CHAT_CAP_READ_TEXT | CHAT_CAP_REJECT, init, NULL);
"#;

/// A broker crashed when a plugin published from inside its message hook, and bots that answer each other
/// are as old as bots.
#[test]
fn who_sends_from_inside_its_hooks_crashes_nothing_and_does_not_answer_itself() {
    for isolation in ["process", "none"] {
        let (plugins, server) = with("nosy", NOSY, &format!("isolation = '{isolation}'"));
        let mut ann = Device::new(&server, "ann").login();
        ann.send("lobby", "answer me", "1");
        ann.acked("1");
        let mut texts = ann.texts(3);
        texts.sort();
        assert_eq!(
            texts,
            [
                "answer from inside the hook",
                "answer from the observer",
                "answer me"
            ]
        );
        // What it said begins with the word that it answers.
        ann.send("lobby", "the end", "2");
        ann.acked("2");
        assert_eq!(ann.texts(1), ["the end"]);
        until(|| metric(&server, "nosy", "seen") >= 2);
        assert_eq!(metric(&server, "nosy", "asked"), 2);
        drop(plugins);
    }
}

/// One slow look-up stalled a whole broker for years of its issue tracker.
#[test]
fn a_filter_that_takes_its_time_holds_up_one_sender_in_one_room_alone() {
    let (_plugins, server) = with("lookup", SLOW_LOOK_UP, "deadline_ms = 60000");
    let mut ann = Device::new(&server, "ann").login();
    let mut bob = Device::new(&server, "bob").login();
    ann.send("lobby", "look it up", "1");
    ann.send("lobby", "after it", "2");
    // The same sender elsewhere, and others here, go on.
    ann.tell(&json!({"type": "create", "room": "den", "ref": "3"}));
    ann.acked("3");
    ann.send("den", "elsewhere", "4");
    ann.acked("4");
    bob.send("lobby", "meanwhile", "5");
    bob.acked("5");
    assert_eq!(bob.texts(1), ["meanwhile"]);
    bob.send("lobby", "go on", "6");
    ann.acked("1");
    ann.acked("2");
    bob.acked("6");
    let texts = bob.texts(3);
    let place = |text: &str| texts.iter().position(|other| other == text);
    assert!(place("looked up") < place("after it"), "{texts:?}");
}

/// Hooks that run for each receiver ran a broker out of memory.
#[test]
fn a_filter_is_asked_once_however_many_listen() {
    let (_plugins, server) = with("nosy", NOSY, "");
    let mut ann = Device::new(&server, "ann").login();
    let others: Vec<Client> = ["bob", "eve", "joe", "zoe"]
        .iter()
        .map(|name| Device::new(&server, name).login())
        .collect();
    for number in 0..10 {
        ann.send("lobby", &format!("text {number}"), &number.to_string());
    }
    for number in 0..10 {
        ann.acked(&number.to_string());
    }
    for client in &others {
        client.texts(10);
    }
    until(|| metric(&server, "nosy", "asked") == 10);
}

/// What was acknowledged when nobody could hear it comes again, and so does what was refused. The filter
/// may have counted it, or forgotten why.
#[test]
fn an_entry_that_is_sent_again_meets_no_filter_twice() {
    let (_plugins, server) = with("nosy", NOSY, "");
    let proxy = Proxy::before(server.address());
    let mut ann = Device::new(&server, "ann").at(proxy.address()).login();
    ann.send("lobby", "hello", "0");
    ann.acked("0");
    for (asked, label, text) in [(2, "1", "yes"), (3, "2", "no")] {
        ann.catch_up(&format!("quiet {label}"));
        proxy.cut_after(Direction::Down, 1);
        ann.send("lobby", text, label);
        ann.expect_type("reconnecting");
        ann.expect_type("connected");
        match text {
            "yes" => drop(ann.acked(label)),
            _ => drop(ann.refused(label, "rejected")),
        }
        until(|| metric(&server, "nosy", "asked") >= asked);
        assert_eq!(metric(&server, "nosy", "asked"), asked, "{text}");
    }
    assert_eq!(ann.texts(2), ["hello", "yes"]);
}

/// A hook that answered something else than the packet poisoned an archive for good.
#[test]
fn what_keeps_no_contract_writes_nothing_into_the_log() {
    let (_plugins, server) = with("sloppy", SLOPPY, "on_error = 'pass'");
    let mut ann = Device::new(&server, "ann").login();
    let words = [
        ("nothing set", "nothing set"),
        ("too long", "too long"),
        ("no text", "no text"),
        ("silent drop", "silent drop"),
        ("what a number", "what a number"),
        ("from the stack", "copied in time"),
        ("plain", "plain"),
    ];
    for (number, (sent, _)) in words.iter().enumerate() {
        ann.send("lobby", sent, &number.to_string());
        ann.acked(&number.to_string());
    }
    let expected = words.map(|(_, kept)| kept);
    assert_eq!(ann.texts(words.len()), expected);
    ann.tell(&json!({"type": "history", "room": "lobby", "limit": 20, "ref": "h"}));
    let items = ann.answer("h")["items"].clone();
    let kept: Vec<&str> = items
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["text"].as_str())
        .collect();
    assert_eq!(kept, expected);
    let list = server.operate(&["plugin", "list", "--json"]).output;
    let item: Value = serde_json::from_str(&list).expect("one plugin");
    assert_eq!(item["errors"], 5, "{item}");
    assert_eq!(item["state"], "running", "{item}");
}

/// A client loads its plugins with all their symbols for everybody, so that the second function of a name
/// is never called.
#[test]
fn two_plugins_in_one_process_keep_their_names_to_themselves() {
    let plugins = Plugins::configured(
        "[plugin.tea]\nisolation = 'none'\n[plugin.coffee]\nisolation = 'none'",
    );
    for name in ["tea", "coffee"] {
        let file = plugins.compile(name, &COMMON_NAME.replace("WORD", name));
        plugins.add_file(&file);
    }
    let server = plugins.start();
    let mut ann = Device::new(&server, "ann").login();
    for word in ["tea", "coffee"] {
        ann.send("lobby", word, word);
        let why = ann.refused(word, "rejected");
        assert_eq!(why["message"], format!("refused by {word}"));
    }
}

/// Unloading a plugin that has thread-locals or threads is a crash that waits for its day.
#[test]
fn a_plugin_that_was_replaced_in_the_server_stays_mapped() {
    let plugins = Plugins::configured("[plugin.stats]\nisolation = 'none'");
    plugins.add("stats");
    let server = plugins.start();
    server.process().says(&["loaded", "stats"]);
    let mut ann = Device::new(&server, "ann").login();
    let file = fs::read(shipped("stats")).expect("the plugin is there");
    for version in 1..=3_u8 {
        // Another file to the eye of the server, the same one to the loader.
        let mut file = file.clone();
        file.extend([version; 16]);
        let path = plugins.path("libstats.so");
        fs::write(&path, file).expect("a new version");
        plugins.add_file(&path);
        server.process().says(&["loaded", "stats"]);
        let label = version.to_string();
        ann.tell(&json!({"type": "command", "room": "lobby", "name": "stats", "ref": label}));
        ann.acked(&label);
    }
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.process().pid()));
    let maps = maps.expect("the server runs");
    let copies: std::collections::BTreeSet<&str> = maps
        .lines()
        .filter_map(|line| line.split_once('/').map(|(_, path)| path))
        .filter(|path| path.contains("stats-"))
        .collect();
    assert_eq!(copies.len(), 4, "{copies:?}");
}

/// Plugins that take functions from the program that loads them can't be loaded by a library, and break
/// with the next build of the program.
#[test]
fn a_plugin_needs_nothing_from_the_program_that_loads_it() {
    for name in ["wordfilter", "slowmode", "help", "dice", "logger", "stats"] {
        let nm = Command::new("nm")
            .args(["-D", "--undefined-only"])
            .arg(shipped(name))
            .output()
            .expect("binutils are installed");
        let text = String::from_utf8_lossy(&nm.stdout);
        assert!(
            text.contains("memcpy") || text.contains("strlen"),
            "{name}: {text}"
        );
        assert!(
            !text.contains("chat_"),
            "{name} wants a symbol of the server: {text}"
        );
    }
}

/// A client refuses each plugin that was not built for its very version.
#[test]
fn a_plugin_does_not_know_the_version_of_its_server() {
    for name in ["wordfilter", "logger"] {
        let file = fs::read(shipped(name)).expect("the plugin is there");
        let version = concat!("libchat ", env!("CARGO_PKG_VERSION"));
        let found = file
            .windows(version.len())
            .any(|bytes| bytes == version.as_bytes());
        assert!(!found, "{name} has the server's version in it");
    }
    // That later and earlier ones run together is tried in the tests of the ABI and of its fixture.
    let header = include_str!("../../include/chat_plugin.h");
    assert!(header.contains("#define CHAT_PLUGIN_ABI 1\n"));
}

/// A server that has loaded one plugin, made of this source.
fn with(name: &str, source: &str, settings: &str) -> (Plugins, Server) {
    let plugins = Plugins::configured(&format!("[plugin.{name}]\n{settings}"));
    let file = plugins.compile(name, source);
    plugins.add_file(Path::new(&file));
    let server = plugins.start();
    (plugins, server)
}

/// What a plugin counted.
fn metric(server: &Server, plugin: &str, name: &str) -> u64 {
    let list = server.operate(&["plugin", "list", "--json"]).output;
    let items = list
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    items
        .into_iter()
        .find(|item: &Value| item["name"] == plugin)
        .and_then(|item| item["metrics"][name].as_u64())
        .unwrap_or_default()
}
