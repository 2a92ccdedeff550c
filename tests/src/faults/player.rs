//! A client that is told what to say, killed and started again; all that it prints is kept.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::disk::Control;
use super::judge::{Run, Transcript, direct};
use crate::process::chat_cli;
use crate::proxy::Proxy;

/// What all clients printed, in numbers, and a bell that rings at each line.
#[derive(Debug)]
pub(super) struct Board {
    state: Mutex<Vec<Seat>>,
    changed: Condvar,
    began: Instant,
}

/// What is known about one client from its output.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) name: String,
    /// Sends without an answer; whether they are in its outbox.
    pub(super) open: HashMap<String, bool>,
    pub(super) acked: u64,
    /// The last place of each conversation that an ack named.
    pub(super) heads: HashMap<String, u64>,
    /// How far each conversation was shown, by what the judge calls it.
    pub(super) reached: HashMap<String, u64>,
    pub(super) connected: bool,
    /// Its output ended.
    pub(super) ended: bool,
    /// The last answer that was not about a send.
    pub(super) answer: Option<Value>,
}

impl Seat {
    /// How many sends that the server could have wait for their answer.
    pub(super) fn unacked(&self) -> usize {
        self.open.values().filter(|queued| **queued).count()
    }
}

impl Board {
    pub(super) fn new(names: &[String]) -> Arc<Self> {
        let seat = |name: &String| Seat {
            name: name.clone(),
            ..Seat::default()
        };
        Arc::new(Self {
            state: Mutex::new(names.iter().map(seat).collect()),
            changed: Condvar::new(),
            began: Instant::now(),
        })
    }

    /// Microseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ring(&self) {
        self.changed.notify_all();
    }

    /// Waits until it is so. `false` when it did not come in time.
    pub(super) fn wait(&self, limit: Duration, mut so: impl FnMut(&[Seat]) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut seats = self.seats();
        while !so(&seats) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(seats, left);
            seats = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// One account on one machine.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) name: String,
    pub(super) proxy: Proxy,
    pub(super) control: Control,
    /// How a client is started, but for what only the first run needs.
    pub(super) fingerprint: String,
    pub(super) library: PathBuf,
    pub(super) rooms: Vec<String>,
    home: PathBuf,
    seat: usize,
    board: Arc<Board>,
    input: Arc<Mutex<Option<ChildStdin>>>,
    running: Option<(Child, JoinHandle<()>)>,
    runs: Vec<Run>,
}

impl Player {
    pub(super) fn new(
        name: &str,
        seat: usize,
        home: &Path,
        server: SocketAddr,
        board: &Arc<Board>,
    ) -> io::Result<Self> {
        let home = home.join(name);
        std::fs::create_dir_all(&home)?;
        Ok(Self {
            name: name.to_owned(),
            proxy: Proxy::forgetful_before(server),
            control: Control::new(home.join("control"))?,
            fingerprint: String::new(),
            library: PathBuf::new(),
            rooms: Vec::new(),
            home,
            seat,
            board: Arc::clone(board),
            input: Arc::default(),
            running: None,
            runs: Vec::new(),
        })
    }

    /// Starts a client; the first one makes the account and joins the rooms.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let mut command = chat_cli(&self.home);
        command
            .args(["connect", &format!("chat://{}", self.proxy.address())])
            .args(["--json", "--stay", "--user", &self.name])
            .args(["--fingerprint", &self.fingerprint, "--longest-pause", "1s"])
            .arg("--profile")
            .arg(self.home.join("profile"))
            .env("CHAT_PASSWORD", format!("the password of {}", self.name));
        if self.runs.is_empty() {
            command.arg("--register");
            for room in &self.rooms {
                command.args(["--join", room]);
            }
        }
        self.control.preload(&mut command, &self.library);
        let number = self.runs.len();
        let errors = File::create(self.home.join(format!("{number}.errors")))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()?;
        let lines = self.home.join(format!("{number}.lines"));
        let output = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no stdout"))?;
        let file = File::create(&lines)?;
        let (board, seat) = (Arc::clone(&self.board), self.seat);
        {
            let mut seats = board.seats();
            seats[seat].ended = false;
            seats[seat].connected = false;
        }
        *self.input() = child.stdin.take();
        let reader = thread::spawn(move || record(output, file, &board, seat));
        self.running = Some((child, reader));
        self.runs.push(Run {
            lines,
            crashed: false,
        });
        Ok(())
    }

    fn input(&self) -> MutexGuard<'_, Option<ChildStdin>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its lines can be written, from another thread as well.
    pub(super) fn mouth(&self) -> Mouth {
        Mouth {
            input: Arc::clone(&self.input),
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some((child, _)) = &self.running {
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&mut self) {
        if let Some((child, _)) = &mut self.running {
            let _ = child.kill();
        }
        if let Some(run) = self.runs.last_mut() {
            run.crashed = true;
        }
        let _ = self.reap();
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Waits for its end and answers the exit code.
    fn reap(&mut self) -> Option<i32> {
        let (mut child, reader) = self.running.take()?;
        let status = child.wait().ok()?;
        // The rest of its output is written down when this ends.
        let _ = reader.join();
        *self.input() = None;
        let mut seats = self.board.seats();
        // What it did not write down is gone, and nobody was told otherwise.
        seats[self.seat].open.retain(|_, queued| *queued);
        seats[self.seat].connected = false;
        status.code()
    }

    /// Its exit code, if it ended by itself.
    pub(super) fn ended(&mut self) -> Option<i32> {
        if !self.board.seats()[self.seat].ended {
            return None;
        }
        self.reap()
    }

    /// Lets it leave in peace, and answers its exit code.
    pub(super) fn leave(&mut self, limit: Duration) -> Option<i32> {
        self.mouth().say(r#"{"type":"quit"}"#);
        let seat = self.seat;
        match self.board.wait(limit, |seats| seats[seat].ended) {
            true => self.reap(),
            false => {
                self.kill();
                None
            }
        }
    }

    pub(super) fn transcript(&self) -> Transcript {
        Transcript {
            name: self.name.clone(),
            runs: self.runs.clone(),
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The way into a client.
#[derive(Clone, Debug)]
pub(super) struct Mouth {
    input: Arc<Mutex<Option<ChildStdin>>>,
}

impl Mouth {
    /// Whether it was taken by a pipe; if anybody read it, its output tells.
    pub(super) fn say(&self, line: &str) -> bool {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{line}\n");
        match &mut *input {
            Some(input) => input.write_all(line.as_bytes()).is_ok(),
            None => false,
        }
    }
}

/// Writes each line down with its time, and counts.
fn record(output: impl Read, file: File, board: &Board, seat: usize) {
    let mut file = BufWriter::new(file);
    for line in BufReader::new(output).split(b'\n') {
        let Ok(line) = line else { break };
        let now = board.now();
        let text = String::from_utf8_lossy(&line);
        // A transcript that can't be written is one that misses messages: the judge will say so.
        let _ = writeln!(file, "{now}\t{text}");
        let Ok(line) = serde_json::from_str::<Value>(&text) else {
            continue;
        };
        note(&mut board.seats()[seat], line);
        board.ring();
    }
    let _ = file.flush();
    board.seats()[seat].ended = true;
    board.ring();
}

fn note(seat: &mut Seat, line: Value) {
    let label = line["ref"].as_str();
    match line["type"].as_str().unwrap_or_default() {
        "connected" => seat.connected = true,
        "reconnecting" => seat.connected = false,
        "queued" => {
            if let Some(queued) = label.and_then(|label| seat.open.get_mut(label)) {
                *queued = true;
            }
        }
        kind @ ("ack" | "error") => {
            if label.is_some_and(|label| seat.open.remove(label).is_some()) {
                seat.acked += u64::from(kind == "ack");
                let place = label.and_then(|label| label.split_once(' '));
                if let (Some((place, _)), Some(seq)) = (place, line["seq"].as_u64()) {
                    let head = seat.heads.entry(place.to_owned()).or_default();
                    *head = seq.max(*head);
                }
            } else {
                seat.answer = Some(line);
            }
        }
        "history" | "rooms" | "conversations" => seat.answer = Some(line),
        _ if line["prev"].is_u64() => {
            let place = match (line["room"].as_str(), line["to"].as_str()) {
                (Some(room), _) => room.to_owned(),
                (None, other) => direct(&seat.name, other.unwrap_or_default()),
            };
            // It is settled as by an ack: a crash may have taken that one.
            if line["from"].as_str() == Some(&seat.name) {
                let mut words = line["text"].as_str().unwrap_or_default().splitn(3, ' ');
                let label = words.next().zip(words.next());
                if let Some((place, number)) = label {
                    seat.open.remove(&format!("{place} {number}"));
                }
            }
            let reached = seat.reached.entry(place).or_default();
            *reached = line["seq"].as_u64().unwrap_or(0).max(*reached);
        }
        _ => {}
    }
}
