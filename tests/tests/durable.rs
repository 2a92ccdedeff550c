//! No ack leaves before the disk has what it acknowledges, as the system calls tell.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use chat_tests::{Device, Server};

/// Longer than any frame that is not about the message, so that records can be told apart by length.
const LONG: usize = 4_000;
const SENDS: usize = 12;

#[test]
fn an_ack_leaves_after_the_sync_that_covers_it() {
    if !may_trace() {
        eprintln!(
            "skipped: strace is not installed, or this system does not let it trace (ptrace)"
        );
        return;
    }
    let samples = traced(&[]);
    assert!(
        !samples.contains(&Sample::Early),
        "a message was told before it was synced: {samples:?}"
    );
    // A receipt that falls between the two leaves it open whether it was the ack.
    let good = samples.iter().filter(|sample| **sample == Sample::Synced);
    assert!(good.count() >= SENDS / 2, "{samples:?}");
}

/// Sends one by one, and reads what the server did.
fn traced(args: &[&str]) -> Vec<Sample> {
    let calls = "trace=recvfrom,sendto,pwrite64,fsync,fdatasync";
    // The tracer is a grandchild, so that the server is our own child. It writes to its stderr.
    let strace = ["strace", "-D", "-f", "-y", "-s", "0", "-e", calls];
    let mut server = Server::start_under(&strace, args);
    let mut ann = Device::new(&server, "ann").login();
    for number in 0..SENDS {
        let label = number.to_string();
        ann.send("lobby", &"x".repeat(LONG), &label);
        ann.acked(&label);
    }
    assert_eq!(ann.leave(), 0);
    assert_eq!(server.stop(), 0);

    samples(&server.process().errors())
}

/// What happened between a received send and what was sent next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sample {
    /// Written to the log, synced, and only then told.
    Synced,
    /// Something short went out before the sync.
    Unclear,
    /// The message itself went out before.
    Early,
}

/// How far the server is with a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Idle,
    Received,
    Written,
    /// By this thread.
    Syncing(u32),
    Synced,
}

/// Reads a trace. Its lines have the order in which calls began and ended: a thread goes on only
/// after its line is written.
fn samples(trace: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut stage = Stage::Idle;
    // What each thread is in the middle of.
    let mut begun: HashMap<u32, String> = HashMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = thread_and_call(line) else {
            continue;
        };
        let resumed = call.starts_with("<... ");
        let unfinished = call.contains("<unfinished ...>");
        let name = match resumed {
            true => begun.remove(&thread).unwrap_or_default(),
            false => call.to_owned(),
        };
        if unfinished {
            begun.insert(thread, call.to_owned());
        }
        let ended = !unfinished;
        let result = call.rsplit_once(" = ").map(|(_, result)| result);
        let count = result.and_then(|result| result.split(' ').next()?.parse::<usize>().ok());
        let is_wal = name.contains("chat.db-wal>");
        if name.starts_with("recvfrom(") {
            if ended && count.is_some_and(|count| count > LONG) {
                stage = Stage::Received;
            }
        } else if name.starts_with("pwrite64(") {
            if ended && is_wal && stage == Stage::Received {
                stage = Stage::Written;
            }
        } else if name.starts_with("fsync(") || name.starts_with("fdatasync(") {
            if !resumed && is_wal && stage == Stage::Written {
                stage = Stage::Syncing(thread);
            }
            if ended && stage == Stage::Syncing(thread) {
                stage = Stage::Synced;
            }
        } else if name.starts_with("sendto(") && !resumed && stage != Stage::Idle {
            samples.push(match (stage, length_asked(call)) {
                (Stage::Synced, _) => Sample::Synced,
                (_, length) if length > LONG => Sample::Early,
                _ => Sample::Unclear,
            });
            stage = Stage::Idle;
        }
    }
    samples
}

fn thread_and_call(line: &str) -> Option<(u32, &str)> {
    let (thread, call) = line.strip_prefix("[pid")?.split_once(']')?;
    Some((thread.trim().parse().ok()?, call.trim_start()))
}

/// The third argument of `sendto(17<socket:[..]>, ""..., 4123, MSG_NOSIGNAL, NULL, 0`.
fn length_asked(call: &str) -> usize {
    let length = call.split(", ").nth(2).and_then(|word| word.parse().ok());
    length.unwrap_or(0)
}

fn may_trace() -> bool {
    let status = Command::new("strace")
        .args(["-D", "-f", "-e", "trace=none", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// The same on a server that does not sync, or the test above might be blind.
#[test]
fn a_server_that_does_not_sync_is_noticed() {
    if !may_trace() {
        eprintln!("skipped: no strace, or no right to trace (ptrace)");
        return;
    }
    let samples = traced(&["--danger-synchronous-off"]);
    assert!(samples.contains(&Sample::Early), "{samples:?}");
    assert!(!samples.contains(&Sample::Synced), "{samples:?}");
}

#[test]
fn a_trace_is_read_as_it_is_meant() {
    let trace = |order: &[&str]| samples(&order.join("\n"));
    let receive = "[pid 7] recvfrom(17<socket:[1]>, \"\"..., 65536, 0, NULL, NULL) = 4050";
    let write = "[pid 8] pwrite64(11</d/chat.db-wal>, \"\"..., 4096, 32) = 4096";
    let begin = "[pid 8] fsync(11</d/chat.db-wal> <unfinished ...>";
    let other = "[pid 9] fsync(12</d/chat.db>) = 0";
    let end = "[pid 8] <... fsync resumed>) = 0";
    let tell = "[pid 7] sendto(17<socket:[1]>, \"\"..., 4200, MSG_NOSIGNAL, NULL, 0) = 4200";
    let receipt = "[pid 7] sendto(17<socket:[1]>, \"\"..., 46, MSG_NOSIGNAL, NULL, 0) = 46";
    assert_eq!(trace(&[receive, write, begin, end, tell]), [Sample::Synced]);
    assert_eq!(trace(&[receive, write, begin, tell, end]), [Sample::Early]);
    assert_eq!(
        trace(&[receive, write, other, receipt, begin, end, tell]),
        [Sample::Unclear]
    );
    assert_eq!(trace(&[receive, begin, end, write, tell]), [Sample::Early]);
}
