//! Starts helper processes, and looks at a file in one.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, send};

use crate::desk::Desk;
use crate::frame::{About, Down, Frames, Stage, Start, Up, Wish};
use crate::instance::lock;
use crate::limits;
use crate::voice::printable;

/// A helper that has said that its plugin is ready.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) about: About,
    pub(crate) process: Arc<Process>,
    pub(crate) reader: UnixStream,
    pub(crate) frames: Frames,
    /// What it said besides while it started.
    pub(crate) early: Vec<Up>,
}

/// A helper, from the server's side.
#[derive(Debug)]
pub(crate) struct Process {
    child: Mutex<Child>,
    socket: UnixStream,
    unsent: Mutex<Unsent>,
}

#[derive(Debug, Default)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Process {
    /// Adds bytes to what goes to it at the next [`flush`](Self::flush).
    pub(crate) fn put(&self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut lock(&self.unsent).bytes);
    }

    /// Sends what it takes without waiting. The rest goes when it has answered something.
    pub(crate) fn flush(&self) {
        let mut unsent = lock(&self.unsent);
        while unsent.sent < unsent.bytes.len() {
            let rest = unsent.bytes.get(unsent.sent..).unwrap_or_default();
            match send(
                &self.socket,
                rest,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(count) => unsent.sent += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                // It is gone: its reader says so.
                Err(_) => break,
            }
        }
        unsent.bytes.clear();
        unsent.bytes.shrink_to(256 * 1024);
        unsent.sent = 0;
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !lock(&self.unsent).bytes.is_empty()
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        // When it has ended already, that is what was wanted.
        let _ = lock(&self.child).kill();
    }

    /// Ends one that nobody reads. It is let go of outside of the desk, since that waits for its end.
    pub(crate) fn discard(self: Arc<Self>, desk: &mut Desk) {
        self.kill();
        desk.dirty.push(self);
    }

    /// How it ended; it is made to end if it did not.
    pub(crate) fn wait(&self) -> Option<ExitStatus> {
        // Its end of the socket is closed a moment before it is gone.
        if let Some(status) = self.ended_by(Instant::now() + limits::STOP_WAIT) {
            return Some(status);
        }
        let mut child = lock(&self.child);
        let _ = child.kill();
        child.wait().ok()
    }

    /// How it ended, if it did so in time.
    pub(crate) fn ended_by(&self, until: Instant) -> Option<ExitStatus> {
        loop {
            // Not held over the pause: others want to end it, under the desk's lock.
            if let Ok(Some(status)) = lock(&self.child).try_wait() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// None outlives whoever could ask how it ended, and none stays behind as a dead process.
impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Starts a helper and waits until its plugin is ready.
pub(crate) fn launch(helper: &[OsString], start: &Start) -> Result<Launched, String> {
    let begin = || -> io::Result<_> {
        let (ours, theirs) = UnixStream::pair()?;
        let (output, writer) = io::pipe()?;
        let (program, args) = helper
            .split_first()
            .ok_or_else(|| io::Error::other("no program for helpers is configured"))?;
        let child = Command::new(program)
            .arg0("chat-plugin")
            .args(args)
            .arg(&start.name)
            .env_remove("CHAT_PASSWORD")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // The interrupt of a terminal is the server's: it decides when its helpers end.
            .process_group(0)
            .spawn()?;
        Ok((ours, output, child))
    };
    let (socket, output, child) =
        begin().map_err(|error| format!("its process can't be started: {error}"))?;
    let name = start.name.clone();
    // Without the thread its output is lost, and nothing else.
    let _ = thread::Builder::new()
        .name("plugin-output".to_owned())
        .spawn(move || pass_on(&name, output));
    let reader = socket.try_clone().map_err(|error| error.to_string())?;
    let process = Arc::new(Process {
        child: Mutex::new(child),
        socket,
        unsent: Mutex::default(),
    });
    let mut ready = Readying {
        reader,
        frames: Frames::default(),
        stage: None,
        early: Vec::new(),
    };
    let mut bytes = Vec::new();
    Down::Start(Box::new(start.clone())).write(&mut bytes);
    let asked = (&process.socket).write_all(&bytes).map_err(|_| Stop::Ended);
    match asked.and_then(|()| ready.wait()) {
        Ok(about) => Ok(Launched {
            about,
            process,
            reader: ready.reader,
            frames: ready.frames,
            early: ready.early,
        }),
        Err(stop) => {
            let hung = matches!(stop, Stop::Late);
            if hung {
                process.kill();
            }
            let status = process.wait();
            let place = match ready.stage {
                None => "before it was ready",
                Some(Stage::Started | Stage::Loading) => "in a constructor",
                Some(Stage::Init) => "in init",
                Some(Stage::Destroy) => "in destroy",
            };
            for up in ready.early {
                if let Up::Wish(Wish::Log { text, .. }) = up {
                    tracing::warn!(plugin = %start.name, "{}", printable(&text));
                }
            }
            Err(match stop {
                Stop::Refused(text) => printable(&text),
                Stop::Late => format!(
                    "it hangs {place}: no word from it within {} s",
                    limits::LOAD_WAIT.as_secs()
                ),
                Stop::Ended => format!("it {} {place}", how(status)),
            })
        }
    }
}

/// How a process ended, as a part of a sentence.
pub(crate) fn how(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "ended".to_owned();
    };
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("crashed ({})", signal_name(signal)),
        (None, Some(code)) => format!("ended its process with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

enum Stop {
    Late,
    Ended,
    Refused(String),
}

struct Readying {
    reader: UnixStream,
    frames: Frames,
    stage: Option<Stage>,
    early: Vec<Up>,
}

impl Readying {
    fn wait(&mut self) -> Result<About, Stop> {
        let until = Instant::now() + limits::LOAD_WAIT;
        let mut bytes = vec![0; 16 * 1024];
        loop {
            while let Some((tag, body)) = self.frames.next().map_err(|()| Stop::Ended)? {
                match Up::read(tag, body).ok_or(Stop::Ended)? {
                    Up::Stage(stage) => self.stage = Some(stage),
                    Up::Ready(Ok(about)) => {
                        let _ = self.reader.set_read_timeout(None);
                        return Ok(*about);
                    }
                    Up::Ready(Err(text)) => return Err(Stop::Refused(text)),
                    up => self.early.push(up),
                }
                if self.early.len() > limits::QUEUE {
                    return Err(Stop::Refused("it says too much in init".to_owned()));
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Stop::Late);
            }
            let _ = self.reader.set_read_timeout(Some(left));
            match self.reader.read(&mut bytes) {
                Ok(0) => return Err(Stop::Ended),
                Ok(count) => self.frames.push(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Stop::Late),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Stop::Ended),
            }
        }
    }
}

/// What a plugin prints goes to the log: the server's own output belongs to the server.
fn pass_on(name: &str, output: PipeReader) {
    let mut lines = BufReader::new(output);
    let mut second = Instant::now();
    let mut count = 0;
    loop {
        let mut line = Vec::new();
        match (&mut lines)
            .take(limits::LOG_BYTES as u64)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if second.elapsed().as_secs() >= 1 {
            second = Instant::now();
            count = 0;
        }
        count += 1;
        if count <= limits::LOG_LINES {
            let text = String::from_utf8_lossy(&line);
            tracing::info!(plugin = name, "printed: {}", printable(&text));
        }
    }
}
