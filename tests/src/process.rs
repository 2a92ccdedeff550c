//! A child process whose lines can be waited for.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest wait for something that has to come. Generous: the machine may be busy.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// Whether the long versions of the tests are wanted (`tests/run --long`).
#[must_use]
pub fn is_long() -> bool {
    std::env::var_os("CHAT_LONG").is_some_and(|value| value == "1")
}

/// A call of the binary, away from what the user of this machine has at home.
#[must_use]
pub fn chat_cli(home: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .env("HOME", home)
        .env_remove("CHAT_PASSWORD")
        .current_dir(home);
    for name in ["CONFIG", "DATA", "STATE", "CACHE"] {
        command.env_remove(format!("XDG_{name}_HOME"));
    }
    command
}

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Arc<Lines>,
    errors: Arc<Lines>,
}

impl Process {
    /// Starts it with all its streams in our hands.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Lines::read(child.stdout.take().expect("stdout is a pipe"));
        let errors = Lines::read(child.stderr.take().expect("stderr is a pipe"));
        Self {
            input: child.stdin.take(),
            child,
            output,
            errors,
        }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to it. Whether it is still there to read it, its own lines tell.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "{line}");
        }
    }

    /// Ends its input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for a line of its output and takes it; those before it stay.
    ///
    /// # Panics
    ///
    /// When no such line comes in time, or the output ends without it.
    pub fn expect(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.output
            .take(WAIT, wanted)
            .unwrap_or_else(|why| panic!("no {what}: {why}\n{}", self.story()))
    }

    /// Takes such a line if it is there already.
    pub fn find(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.output.take(Duration::ZERO, wanted).ok()
    }

    /// Whether it may still say something: its streams have not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !(self.output.state().ended && self.errors.state().ended)
    }

    /// Waits for a line on its standard error with all these words, and takes it.
    ///
    /// # Panics
    ///
    /// When no such line comes in time.
    pub fn says(&self, words: &[&str]) -> String {
        let text = |line: &Value| {
            line.as_str()
                .map_or_else(|| line.to_string(), str::to_owned)
        };
        let wanted = |line: &Value| {
            let line = text(line);
            words.iter().all(|word| line.contains(word))
        };
        match self.errors.take(WAIT, wanted) {
            Ok(line) => text(&line),
            Err(why) => panic!("no line with {words:?}: {why}\n{}", self.story()),
        }
    }

    /// Waits until it ends by itself, and answers its exit code, or minus the signal.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    pub fn ends_within(&mut self, limit: Duration) -> i32 {
        use std::os::unix::process::ExitStatusExt;

        let until = Instant::now() + limit;
        let ended = self.output.wait_end(until) && self.errors.wait_end(until);
        assert!(ended, "it does not end\n{}", self.story());
        let status = self.child.wait().expect("our own child");
        status
            .code()
            .unwrap_or_else(|| -status.signal().unwrap_or_default())
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn ends(&mut self) -> i32 {
        self.ends_within(WAIT)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it wrote to its standard error so far.
    #[must_use]
    pub fn errors(&self) -> String {
        let state = self.errors.state();
        let texts = state.lines.iter().map(|line| match line {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Memory that it holds, in bytes.
    ///
    /// # Panics
    ///
    /// When it is not running.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("a running process has a size") * 1024
    }

    /// What a failing test shows.
    fn story(&self) -> String {
        let state = self.output.state();
        let skip = state.lines.len().saturating_sub(40);
        let mut story = format!("--- {skip} lines, then on stdout:\n");
        for line in state.lines.iter().skip(skip) {
            story += &format!("{line}\n");
        }
        story + "--- on stderr:\n" + &self.errors()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lines of a stream that nobody took yet. Lines that are not JSON are kept as JSON strings.
#[derive(Debug, Default)]
struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Value>,
    ended: bool,
}

impl Lines {
    /// Reads the stream to its end, on a thread of its own.
    fn read(stream: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let ours = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                let text = String::from_utf8_lossy(&line);
                let value = serde_json::from_str(&text);
                let value = value.unwrap_or_else(|_| Value::String(text.into_owned()));
                ours.state().lines.push_back(value);
                ours.changed.notify_all();
            }
            ours.state().ended = true;
            ours.changed.notify_all();
        });
        lines
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(
        &self,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, &'static str> {
        let until = Instant::now() + limit;
        let mut state = self.state();
        let mut seen = 0;
        loop {
            if let Some(offset) = state.lines.iter().skip(seen).position(&wanted) {
                return Ok(state.lines.remove(seen + offset).expect("it was found"));
            }
            seen = state.lines.len();
            if state.ended {
                return Err("the output ended");
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("it did not come in time");
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait_end(&self, until: Instant) -> bool {
        let mut state = self.state();
        while !state.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// Where the binary is; built if nobody says so.
/// The binary under test.
#[must_use]
pub fn program() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("CHAT_CLI") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "CHAT_CLI: there is no {}", path.display());
            path
        }
        None => build(),
    })
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "chat-cli"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "chat-cli does not build");
    let text = String::from_utf8_lossy(&built.stdout);
    let path = text.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    path.expect("cargo says where it put chat-cli")
}
