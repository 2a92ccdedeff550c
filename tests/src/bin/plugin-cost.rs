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

use std::process::Command;

use chat_tests::{Plugins, Server, program};
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
}

fn main() {
    let args = Args::parse();
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
    let args = plugins.args();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--store", "memory"]);
    let mut server = Server::start_with(&args);
    let ran = Command::new(program())
        .args([
            "bench",
            server.invite(),
            "--json",
            "--rooms",
            "1",
            "--members",
            "2",
        ])
        .env("PEERBENCH_PID", server.process().pid().to_string())
        .args(["--senders", "1", "--messages", &messages.to_string()])
        .args(["--window", &window.to_string(), "--size", "200"])
        .output()
        .expect("the binary can be started");
    let text = String::from_utf8_lossy(&ran.stdout);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&ran.stderr)));
    assert_eq!(report["lost"], 0, "{report}");
    server.stop();
    let number = |name: &str| report[name].as_f64().unwrap_or_default();
    Run {
        cpu_ns: number("server_cpu_s") * 1e9 / messages as f64,
        p50_us: number("p50_us"),
        p99_us: number("p99_us"),
    }
}

fn median(runs: &[Run], value: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
