//! The process that a plugin runs in: `chat-cli plugin-host`.
//!
//! It knows nobody but its server, over the socket that is its standard input. The main thread reads that
//! socket and calls the plugin, so that no call costs a second wake-up; another thread waits for the end of
//! the server, which is noticed whatever the plugin does.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Instant;

use chat_plugin_abi as abi;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, recv};
use rustix::process::{Signal, getpid, kill_process};

use crate::clock::nanos_since;
use crate::frame::{Answer, Down, Frames, Stage, Start, Up, Wish};
use crate::instance::{Host, Instance, Outcome, Services, lock};
use crate::limits;
use crate::load::load;

/// Runs a helper until its server is gone or wants it to end.
///
/// # Errors
///
/// The text says why it can't even begin: standard input is no socket.
pub fn run() -> Result<(), String> {
    let socket = take_socket().map_err(|error| {
        format!("plugin-host is started by a server, with a socket as its standard input: {error}")
    })?;
    let (mut woken, wake) = std::io::pipe().map_err(|error| error.to_string())?;
    let out = Arc::new(Line {
        socket,
        collected: Mutex::default(),
        is_watched: AtomicBool::new(true),
        wake,
        says: AtomicUsize::new(0),
        input: Mutex::default(),
        host: OnceLock::new(),
    });
    let watched = Arc::clone(&out);
    thread::Builder::new()
        .name("chat-socket".to_owned())
        .spawn(move || watch(&watched, &mut woken))
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    out.say(&Up::Stage(Stage::Started));
    if let Down::Start(start) = out.next() {
        serve(&start, &out);
    }
    // No destructor of the plugin, which could hang, has a say in this.
    end()
}

/// The socket, moved away from where a plugin that reads from standard input would find it.
fn take_socket() -> std::io::Result<UnixStream> {
    let stdin = std::io::stdin();
    let socket = rustix::io::fcntl_dupfd_cloexec(&stdin, 3)?;
    let nothing = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    let socket = UnixStream::from(socket);
    // Says whether it is one at all.
    socket.peer_addr()?;
    Ok(socket)
}

fn end() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

/// Waits for the end of the server. What the server sends does not wake it.
///
/// While the main thread goes from call to call it also looks, tick by tick, whether answers wait that were
/// there at the last look already: then the call after them takes long, and maybe for ever.
fn watch(line: &Line, woken: &mut PipeReader) {
    let mut quiet = 0;
    loop {
        let ended = {
            // The end of a connection is told unasked.
            let mut ends = [
                PollFd::new(&line.socket, PollFlags::empty()),
                PollFd::new(&*woken, PollFlags::IN),
            ];
            let pause = match quiet < QUIET_TICKS {
                true => Some(&TICK),
                false => None,
            };
            match poll(&mut ends, pause) {
                Ok(0) | Err(rustix::io::Errno::INTR) => false,
                Ok(_) => ends.iter().any(|end| {
                    let told = end.revents();
                    !told.is_empty() && told != PollFlags::IN
                }),
                Err(_) => true,
            }
        };
        if ended {
            break;
        }
        match quiet < QUIET_TICKS {
            true => quiet = if line.tick() { quiet + 1 } else { 0 },
            false => {
                // One byte is written for each rest.
                let _ = woken.read(&mut [0]);
                quiet = 0;
            }
        }
        if quiet >= QUIET_TICKS && !line.rest() {
            quiet = 0;
        }
    }
    // The plugin may still end in good order, if it does it soon: the main thread sees the end as well.
    thread::sleep(limits::STOP_WAIT);
    end();
}

/// How often the watching thread looks, while there is something to look for.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: limits::TICK.as_nanos() as i64,
};
/// Ticks without an answer until it rests: to be woken for each batch would cost more.
const QUIET_TICKS: u32 = 100;

fn serve(start: &Start, out: &Arc<Line>) {
    out.say(&Up::Stage(Stage::Loading));
    let made = load(Path::new(&start.path)).and_then(|plugin| {
        out.say(&Up::Stage(Stage::Init));
        let services = Box::new(Wishes(Arc::clone(out)));
        Instance::init(plugin, start, services)
    });
    let mut instance = match made {
        Ok(instance) => instance,
        Err(text) => {
            out.say(&Up::Ready(Err(text)));
            return;
        }
    };
    let host = instance.host();
    let _ = out.host.set(host);
    let about = Box::new(instance.about());
    if start.probe {
        out.say(&Up::Stage(Stage::Destroy));
        instance.destroy();
        out.say(&Up::Ready(Ok(about)));
        return;
    }
    out.say(&Up::Ready(Ok(about)));
    let mut replies = 0;
    // One look at the clock between two calls serves both.
    let mut clock: Option<Instant> = None;
    let mut careful = start.careful;
    loop {
        let down = match out.ready() {
            Some(down) => {
                if replies > 0 {
                    out.be_watched();
                }
                down
            }
            None => {
                out.flush();
                replies = 0;
                clock = None;
                out.next()
            }
        };
        match down {
            Down::Call { id, shown } => {
                let began = *clock.get_or_insert_with(Instant::now);
                let answer = match instance.call(id, shown) {
                    Outcome::Answer(answer) => answer,
                    Outcome::Deferred => Answer {
                        verdict: abi::CHAT_DEFER,
                        ..Answer::default()
                    },
                };
                let nanos = clock.insert(Instant::now()).duration_since(began);
                let nanos = u64::try_from(nanos.as_nanos()).unwrap_or(u64::MAX);
                out.put(&Up::Done { id, nanos, answer });
            }
            Down::Timer { id, timer } => {
                let began = Instant::now();
                instance.timer(timer);
                clock = None;
                out.put(&Up::Done {
                    id,
                    nanos: nanos_since(began),
                    answer: Answer::default(),
                });
            }
            Down::Save { id } => {
                clock = None;
                let state = instance.save();
                out.put(&Up::Saved { id, state });
            }
            Down::Restore { id, state } => {
                let state = instance.restore(&state).map(|()| Vec::new());
                out.put(&Up::Saved { id, state });
            }
            Down::Values(values) => *lock(&host.values) = values,
            Down::Config(config) => host.configure(&config),
            Down::Commands(list) => *lock(&host.commands) = list,
            Down::Stop => {
                out.flush();
                instance.destroy();
                out.flush();
                return;
            }
            Down::Expired { .. } | Down::Said | Down::Start(_) => {}
        }
        replies += 1;
        if replies >= limits::REPLIES || careful > 0 {
            careful = careful.saturating_sub(1);
            out.flush();
            replies = 0;
            clock = None;
        }
    }
}

/// The way to the server. Replies are collected, everything else goes at once: the plugin may hang or
/// crash right after it.
struct Line {
    socket: UnixStream,
    collected: Mutex<Collected>,
    /// The watching thread looks, and need not be woken.
    is_watched: AtomicBool,
    wake: PipeWriter,
    input: Mutex<Input>,
    host: OnceLock<&'static Host>,
    /// Entries and notices of which nothing was heard so far.
    says: AtomicUsize,
}

/// What is to go to the server.
#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    /// How often it was sent.
    sent: u64,
    /// At the last look there was something, and it had been sent so often.
    seen: Option<u64>,
}

/// What came from the server and was not done yet.
#[derive(Default)]
struct Input {
    frames: Frames,
    ready: VecDeque<Down>,
    buffer: Vec<u8>,
    is_over: bool,
}

impl Line {
    /// What is there already.
    fn ready(&self) -> Option<Down> {
        lock(&self.input).ready.pop_front()
    }

    /// Waits for what comes next.
    fn next(&self) -> Down {
        // Held while it waits: whoever else would read has nothing to read then.
        let mut input = lock(&self.input);
        loop {
            if let Some(down) = input.ready.pop_front() {
                return down;
            }
            self.read(&mut input, RecvFlags::empty());
        }
    }

    /// Takes what came while the main thread is in a hook: calls that need not be answered any more, and
    /// what became of entries.
    fn look(&self) {
        if let Ok(mut input) = self.input.try_lock() {
            while self.read(&mut input, RecvFlags::DONTWAIT) {}
        }
    }

    /// Reads once. Says whether there was something.
    fn read(&self, input: &mut Input, flags: RecvFlags) -> bool {
        let mut buffer = std::mem::take(&mut input.buffer);
        buffer.resize(64 * 1024, 0);
        let count = recv(&self.socket, &mut buffer[..], flags).map(|(count, _)| count);
        let more = match count {
            Ok(count @ 1..) => {
                input.frames.push(&buffer[..count]);
                true
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => false,
            // The server is gone.
            Ok(0) | Err(_) => {
                if !std::mem::replace(&mut input.is_over, true) {
                    input.ready.push_back(Down::Stop);
                }
                false
            }
        };
        input.buffer = buffer;
        loop {
            let down = match input.frames.next() {
                Ok(Some((tag, body))) => Down::read(tag, body),
                Ok(None) => return more,
                Err(()) => None,
            };
            match down {
                // At once: the main thread may be in the very hook.
                Some(Down::Expired { id }) => {
                    if let Some(host) = self.host.get() {
                        host.expire(id);
                    }
                }
                Some(Down::Said) => {
                    // One of the helper before this one is none of ours.
                    let _ = self
                        .says
                        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |says| {
                            says.checked_sub(1)
                        });
                }
                Some(down) => input.ready.push_back(down),
                None => end(),
            }
        }
    }

    fn put(&self, up: &Up) {
        up.write(&mut lock(&self.collected).bytes);
    }

    fn say(&self, up: &Up) {
        self.put(up);
        self.flush();
    }

    fn flush(&self) {
        self.send(&mut lock(&self.collected));
    }

    fn send(&self, collected: &mut Collected) {
        if collected.bytes.is_empty() {
            return;
        }
        // A server that is gone is noticed by who reads.
        let _ = (&self.socket).write_all(&collected.bytes);
        collected.sent += 1;
        collected.bytes.clear();
        // What one large state took is not kept.
        collected.bytes.shrink_to(64 * 1024);
    }

    /// Answers are kept while the next call runs: from now on somebody looks after them.
    fn be_watched(&self) {
        // It stops under the lock, and only when there is nothing; whoever has just put something sees that.
        if !self.is_watched.load(Ordering::Acquire) && !self.is_watched.swap(true, Ordering::AcqRel)
        {
            let _ = (&self.wake).write_all(&[0]);
        }
    }

    /// Sends what was there at the last look already. Says whether there is nothing.
    fn tick(&self) -> bool {
        let mut collected = lock(&self.collected);
        if collected.bytes.is_empty() {
            collected.seen = None;
            return true;
        }
        let sent = collected.sent;
        if collected.seen.replace(sent) == Some(sent) {
            self.send(&mut collected);
        }
        false
    }

    /// Nobody looks any more, unless there is something.
    fn rest(&self) -> bool {
        let collected = lock(&self.collected);
        let rests = collected.bytes.is_empty();
        if rests {
            self.is_watched.store(false, Ordering::Release);
        }
        rests
    }
}

struct Wishes(Arc<Line>);

impl Services for Wishes {
    fn wish(&self, wish: Wish) -> abi::chat_status {
        if wish.is_said() {
            self.0.look();
            if self.0.says.load(Ordering::Acquire) >= limits::SAYS {
                return abi::CHAT_FULL;
            }
            self.0.says.fetch_add(1, Ordering::AcqRel);
        }
        let cheap = matches!(wish, Wish::Metric { .. });
        self.0.put(&Up::Wish(wish));
        if !cheap {
            self.0.flush();
        }
        abi::CHAT_OK
    }

    fn look(&self) {
        self.0.look();
    }

    fn resolved(&self, call: u64, answer: Answer) -> abi::chat_status {
        self.0.say(&Up::Resolved { id: call, answer });
        abi::CHAT_OK
    }
}
