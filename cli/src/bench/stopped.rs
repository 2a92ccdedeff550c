//! A member in a process of its own, which is stopped while the others talk.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A `chat-cli connect` that is stopped. It is killed when it is dropped.
pub(super) struct StoppedReader {
    child: Child,
    lines: BufReader<ChildStdout>,
    room: String,
    profile: PathBuf,
}

impl StoppedReader {
    /// Starts it, waits until it is in the room, and stops it.
    pub(super) fn start(invite: &str, account: &str, room: &str) -> Result<Self> {
        let profile = std::env::temp_dir().join(account);
        let mut child = Command::new(std::env::current_exe()?)
            .args(["connect", invite, "--user", account, "--register"])
            .args(["--accept-new", "--join", room, "--json", "--profile"])
            .arg(&profile)
            .env("CHAT_PASSWORD", format!("{:032x}", fastrand::u128(..)))
            // Its end would mean that it shall leave.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output is piped")?);
        let mut reader = Self {
            child,
            lines,
            room: room.to_owned(),
            profile,
        };
        reader.next("ack")?;
        reader.signal(Signal::STOP)?;
        Ok(reader)
    }

    /// Lets it go on until it has so many texts, each once and in order, and says how many it has.
    pub(super) fn read_on(mut self, texts: usize) -> Result<usize> {
        self.signal(Signal::CONT)?;
        let mut last = 0;
        for _ in 0..texts {
            let message = self.next("message")?;
            let seq = message["seq"].as_u64().context("a message without a seq")?;
            ensure!(seq > last, "entry {seq} came after entry {last}");
            last = seq;
        }
        Ok(texts)
    }

    /// The next line of a type about the room.
    fn next(&mut self, kind: &str) -> Result<Value> {
        loop {
            let mut line = String::new();
            let length = self.lines.read_line(&mut line)?;
            ensure!(length > 0, "a stopped reader ended early");
            let told: Value = serde_json::from_str(&line)?;
            // What was there before it came is skipped.
            let is_gap = told["type"] == "gap" && told["reason"] != "skipped";
            ensure!(!is_gap, "a stopped reader was told of a gap: {line}");
            if told["type"] == kind && told["room"] == self.room.as_str() {
                return Ok(told);
            }
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for StoppedReader {
    fn drop(&mut self) {
        // It may have ended by itself, and a folder that stays hurts nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
