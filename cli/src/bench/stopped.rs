//! A member in a process of its own, which is stopped while the others talk.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::BenchArgs;

/// What a reader prints once it is in its room.
pub(super) const JOINED: &str = "joined";

/// A process that is stopped. It is killed when it is dropped.
pub(super) struct StoppedReader {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl StoppedReader {
    /// Starts it, waits until it is in the room, and stops it.
    pub(super) fn start(args: &BenchArgs, room: &str) -> Result<Self> {
        let messages = args.senders * args.messages;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", &args.invite, "--workload", "reader", "--json"])
            .args(["--room", room, "--messages", &messages.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output is piped")?);
        let mut reader = Self { child, lines };
        let line = reader.line()?;
        ensure!(line.trim() == JOINED, "a reader could not join the room");
        reader.signal(Signal::STOP)?;
        Ok(reader)
    }

    /// Lets it go on, and says how many texts it got.
    pub(super) fn read_on(mut self) -> Result<usize> {
        self.signal(Signal::CONT)?;
        let line = self.line()?;
        let report: Value = serde_json::from_str(&line).context("a reader ended early")?;
        let delivered = report["delivered"].as_u64();
        Ok(usize::try_from(delivered.unwrap_or(0))?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(line)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for StoppedReader {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
