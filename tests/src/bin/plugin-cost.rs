//! What plugins cost a server: CPU per message and latency with 0, 1 and 10 filters that read the text, in the
//! server and apart from it, and with an observer.
//!
//! ```sh
//! cargo build --release
//! CHAT_CLI=target/release/chat-cli cargo run --release -p chat-tests --bin chat-plugin-cost
//! ```
//!
//! Each row is a real `chat-cli serve` with the real load of `chat-cli bench`: one room, one sender, two
//! members, texts of 200 bytes, everything in memory so that no disk is measured. The rows take turns, so that
//! whatever else the machine does meets all of them; the median of the rounds counts. CPU is that of the
//! server and of all its helpers.
//!
//! With `--hang` it measures something else: how long messages of other rooms take while a filter, in a process of
//! its own, hangs for good in a message of one room, against the same without that message. With `--drop` it
//! measures how long it takes from `cp` into the folder of a running server to the first message that the plugin
//! is shown.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chat_tests::{Device, Plugins, Server, program};
use clap::Parser;
use serde_json::Value;

/// Measures what plugins cost.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds, of which the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Messages of a run with a window of 16; a quarter of it with a window of 1.
    #[arg(long, default_value_t = 40_000)]
    messages: usize,
    /// Measures other rooms while a filter hangs in one.
    #[arg(long)]
    hang: bool,
    /// Measures how soon a file that is dropped in works.
    #[arg(long)]
    drop: bool,
}

/// Looks through all of every text for a word that is not there. It does little else, so that the figures
/// are those of the way to a plugin and back.
const PLUGIN: &str = r#"
#include <chat_plugin.h>
#include <string.h>
static chat_verdict look(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    (void)host;
    return event->text != NULL && strstr(event->text, "spam") != NULL ? CHAT_FAULT : CHAT_PASS;
}
static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, HOOK, 0, look);
}
CHAT_PLUGIN_DECLARE("org.example.NAME", "NAME", "1", "MIT", CHAT_CAP_READ_TEXT, init, NULL);
"#;

struct Row {
    name: &'static str,
    plugins: usize,
    isolation: &'static str,
    hook: &'static str,
}

const ROWS: [Row; 7] = [
    row("no plugin", 0, "", ""),
    row("1 filter, in the server", 1, "none", "CHAT_HOOK_ENTRY"),
    row("10 filters, in the server", 10, "none", "CHAT_HOOK_ENTRY"),
    row("1 filter, isolated", 1, "process", "CHAT_HOOK_ENTRY"),
    row("10 filters, isolated", 10, "process", "CHAT_HOOK_ENTRY"),
    row(
        "1 observer, in the server",
        1,
        "none",
        "CHAT_HOOK_ENTRY_POST",
    ),
    row("1 observer, isolated", 1, "process", "CHAT_HOOK_ENTRY_POST"),
];

const fn row(
    name: &'static str,
    plugins: usize,
    isolation: &'static str,
    hook: &'static str,
) -> Row {
    Row {
        name,
        plugins,
        isolation,
        hook,
    }
}

/// One run.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    cpu_ns: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
}

fn main() {
    let args = Args::parse();
    if args.hang {
        return hang(&args);
    }
    if args.drop {
        return drop_in(&args);
    }
    let folders: Vec<Plugins> = ROWS.iter().map(folder).collect();
    for (window, messages) in [(1, args.messages / 4), (16, args.messages)] {
        let mut runs: Vec<Vec<Run>> = ROWS.iter().map(|_| Vec::new()).collect();
        for _ in 0..args.rounds.max(1) {
            for (runs, plugins) in runs.iter_mut().zip(&folders) {
                runs.push(run(plugins, window, messages));
            }
        }
        println!(
            "\nwindow {window}, {messages} messages, median of {} rounds",
            args.rounds
        );
        println!(
            "{:<28}{:>16}{:>16}{:>10}{:>10}",
            "", "CPU ns/message", "ns per plugin", "p50 us", "p99 us"
        );
        let bare = median(&runs[0], |run| run.cpu_ns);
        for (row, runs) in ROWS.iter().zip(&runs) {
            let cpu = median(runs, |run| run.cpu_ns);
            let each = match row.plugins {
                0 => String::new(),
                many => format!("{:.0}", (cpu - bare) / many as f64),
            };
            println!(
                "{:<28}{cpu:>16.0}{each:>16}{:>10.0}{:>10.0}",
                row.name,
                median(runs, |run| run.p50_us),
                median(runs, |run| run.p99_us)
            );
        }
    }
}

fn folder(row: &Row) -> Plugins {
    let names = || (0..row.plugins).map(|number| format!("p{number}"));
    let tables = names().map(|name| format!("[plugin.{name}]\nisolation = '{}'\n", row.isolation));
    let plugins = Plugins::configured(&tables.collect::<String>());
    for name in names() {
        let source = PLUGIN
            .replace("NAME", &name)
            .replace("HOOK,", &format!("{},", row.hook));
        let file = plugins.compile(&name, &source);
        plugins.add_file(&file);
    }
    plugins
}

/// A server, the load, and what it came to.
fn run(plugins: &Plugins, window: usize, messages: usize) -> Run {
    let mut server = start(plugins);
    let run = load(&server, 1, window, messages, || ());
    server.stop();
    run
}

fn start(plugins: &Plugins) -> Server {
    let args = plugins.args();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--store", "memory"]);
    Server::start_with(&args)
}

/// The load: rooms of two, in each of which one sends. `meanwhile` is done while it runs.
fn load(
    server: &Server,
    rooms: usize,
    window: usize,
    messages: usize,
    meanwhile: impl FnOnce(),
) -> Run {
    let running = Command::new(program())
        .args(["bench", server.invite(), "--json", "--members", "2"])
        .env("PEERBENCH_PID", server.process().pid().to_string())
        .args(["--rooms", &rooms.to_string(), "--senders", "1"])
        .args(["--messages", &messages.to_string()])
        .args(["--window", &window.to_string(), "--size", "200"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    meanwhile();
    let ran = running.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&ran.stdout);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&ran.stderr)));
    assert_eq!(report["lost"], 0, "{report}");
    let number = |name: &str| report[name].as_f64().unwrap_or_default();
    Run {
        cpu_ns: number("server_cpu_s") * 1e9 / messages as f64,
        p50_us: number("p50_us"),
        p99_us: number("p99_us"),
        max_us: number("max_us"),
    }
}

/// Hangs for good in a text that says so.
const HANGS: &str = r#"
#include <chat_plugin.h>
#include <string.h>
#include <unistd.h>
static chat_verdict look(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    (void)host;
    while (event->text != NULL && strcmp(event->text, "hang") == 0)
        pause();
    return CHAT_PASS;
}
static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, CHAT_HOOK_ENTRY, 0, look);
}
CHAT_PLUGIN_DECLARE("org.example.hangs", "hangs", "1", "MIT", CHAT_CAP_READ_TEXT, init, NULL);
"#;

/// Rooms that know nothing of the one where the filter hangs.
const ROOMS: usize = 8;

fn hang(args: &Args) {
    let plugins = Plugins::configured("[plugin.hangs]\ndeadline_ms = 60000\n");
    let file = plugins.compile("hangs", HANGS);
    plugins.add_file(&file);
    let messages = args.messages / ROOMS;
    let mut runs = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds.max(1) {
        for (runs, hangs) in runs.iter_mut().zip([false, true]) {
            let mut server = start(&plugins);
            let mut ann = Device::new(&server, "ann").login();
            let run = load(&server, ROOMS, 1, messages, || {
                if hangs {
                    // In the middle of it.
                    std::thread::sleep(Duration::from_millis(500));
                    ann.send("lobby", "hang", "hang");
                }
            });
            if hangs {
                server
                    .process()
                    .says(&["hangs", "a second process takes the others"]);
            }
            runs.push(run);
            server.stop();
        }
    }
    println!(
        "\n{ROOMS} rooms, {messages} messages in each, median of {} rounds",
        args.rounds
    );
    println!("{:<34}{:>10}{:>10}{:>10}", "", "p50 us", "p99 us", "max us");
    for (name, runs) in ["no filter hangs", "a filter hangs in another room"]
        .iter()
        .zip(&runs)
    {
        println!(
            "{name:<34}{:>10.0}{:>10.0}{:>10.0}",
            median(runs, |run| run.p50_us),
            median(runs, |run| run.p99_us),
            median(runs, |run| run.max_us)
        );
    }
}

/// Says in the server's log what it is shown.
const TELLS: &str = r#"
#include <chat_plugin.h>
#include <string.h>
static chat_verdict look(void *self, const chat_host *host, const chat_plugin_event *event)
{
    (void)self;
    if (event->text != NULL && strcmp(event->text, "hello") == 0)
        host->log(host, CHAT_LOG_INFO, "shown a message");
    return CHAT_PASS;
}
static chat_status init(const chat_host *host, void **self)
{
    (void)self;
    return host->hook(host, CHAT_HOOK_ENTRY_POST, 0, look);
}
CHAT_PLUGIN_DECLARE("org.example.tells", "tells", "1", "MIT", CHAT_CAP_READ_TEXT, init, NULL);
"#;

fn drop_in(args: &Args) {
    let mut times = Vec::new();
    for _ in 0..args.rounds.max(1) {
        let plugins = Plugins::configured("");
        let file = plugins.compile("tells", TELLS);
        let mut server = start(&plugins);
        let mut ann = Device::new(&server, "ann").login();
        let began = Instant::now();
        plugins.add_file(&file);
        server.process().says(&["loaded", "tells"]);
        let loaded = began.elapsed();
        ann.send("lobby", "hello", "hello");
        server.process().says(&["shown a message"]);
        times.push((loaded, began.elapsed()));
        server.stop();
    }
    times.sort();
    let (loaded, shown) = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.iter().map(|(_, shown)| *shown).max();
    println!(
        "loaded after {} ms, shown its first message after {} ms; {} ms at most of {} rounds",
        loaded.as_millis(),
        shown.as_millis(),
        slowest.unwrap_or_default().as_millis(),
        times.len()
    );
}

fn median(runs: &[Run], value: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
