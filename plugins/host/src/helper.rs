//! The process that a plugin runs in: `chat-cli plugin-host`.
//!
//! It knows nobody but its server, over the socket that is its standard input. A thread of its own reads
//! that socket, so that the end of the server is noticed whatever the plugin does; the main thread calls
//! the plugin.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use chat_plugin_abi as abi;
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
    let reader = socket.try_clone().map_err(|error| error.to_string())?;
    let out = Arc::new(Out {
        socket,
        bytes: Mutex::default(),
        says: AtomicUsize::new(0),
    });
    let (sender, calls) = channel();
    let host: Arc<Mutex<Option<&'static Host>>> = Arc::default();
    let expiring = Arc::clone(&host);
    thread::Builder::new()
        .name("chat-socket".to_owned())
        .spawn({
            let out = Arc::clone(&out);
            move || read(reader, &sender, &expiring, &out)
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    out.say(&Up::Stage(Stage::Started));
    if let Ok(Down::Start(start)) = calls.recv() {
        serve(&start, &calls, &out, &host);
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

fn read(
    mut socket: UnixStream,
    calls: &Sender<Down>,
    host: &Mutex<Option<&'static Host>>,
    out: &Out,
) {
    let mut frames = Frames::default();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(count) => frames.push(&bytes[..count]),
        }
        loop {
            match frames.next() {
                Ok(Some((tag, body))) => match Down::read(tag, body) {
                    // At once: the main thread may be in the very hook.
                    Some(Down::Expired { id }) => {
                        if let Some(host) = *lock(host) {
                            host.expire(id);
                        }
                    }
                    // The main thread is in a call, and may be for ever.
                    Some(Down::Flush) => out.flush(),
                    Some(Down::Said) => {
                        let says = &out.says;
                        // One of the helper before this one is none of ours.
                        let _ = says.fetch_update(Ordering::AcqRel, Ordering::Acquire, |says| {
                            says.checked_sub(1)
                        });
                    }
                    Some(down) => {
                        if calls.send(down).is_err() {
                            end();
                        }
                    }
                    None => end(),
                },
                Ok(None) => break,
                Err(()) => end(),
            }
        }
    }
    // The server is gone: the plugin may still end in good order, if it does it soon.
    let _ = calls.send(Down::Stop);
    thread::sleep(limits::STOP_WAIT);
    end();
}

fn serve(
    start: &Start,
    calls: &Receiver<Down>,
    out: &Arc<Out>,
    shared: &Mutex<Option<&'static Host>>,
) {
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
    *lock(shared) = Some(host);
    let about = Box::new(instance.about());
    if start.probe {
        out.say(&Up::Stage(Stage::Destroy));
        instance.destroy();
        out.say(&Up::Ready(Ok(about)));
        return;
    }
    out.say(&Up::Ready(Ok(about)));
    let mut replies = 0;
    let mut careful = start.careful;
    loop {
        let down = match calls.try_recv() {
            Ok(down) => down,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                out.flush();
                replies = 0;
                match calls.recv() {
                    Ok(down) => down,
                    Err(_) => return,
                }
            }
        };
        match down {
            Down::Call { id, shown } => {
                let began = Instant::now();
                let outcome = instance.call(id, Arc::from(shown));
                let nanos = nanos_since(began);
                let answer = match outcome {
                    Outcome::Answer(answer) => answer,
                    Outcome::Deferred => Answer {
                        verdict: abi::CHAT_DEFER,
                        ..Answer::default()
                    },
                };
                out.put(&Up::Done { id, nanos, answer });
            }
            Down::Timer { id, timer } => {
                let began = Instant::now();
                instance.timer(timer);
                out.put(&Up::Done {
                    id,
                    nanos: nanos_since(began),
                    answer: Answer::default(),
                });
            }
            Down::Save { id } => {
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
            Down::Expired { .. } | Down::Said | Down::Flush | Down::Start(_) => {}
        }
        replies += 1;
        if replies >= limits::REPLIES || careful > 0 {
            careful = careful.saturating_sub(1);
            out.flush();
            replies = 0;
        }
    }
}

/// What goes to the server. Replies are collected, everything else goes at once: the plugin may hang or
/// crash right after it.
struct Out {
    socket: UnixStream,
    bytes: Mutex<Vec<u8>>,
    /// Entries that were sent and of which the engine has said nothing so far.
    says: AtomicUsize,
}

impl Out {
    fn put(&self, up: &Up) {
        up.write(&mut lock(&self.bytes));
    }

    fn say(&self, up: &Up) {
        self.put(up);
        self.flush();
    }

    fn flush(&self) {
        let mut bytes = lock(&self.bytes);
        if bytes.is_empty() {
            return;
        }
        // A server that is gone is noticed by the reader.
        let _ = (&self.socket).write_all(&bytes);
        bytes.clear();
        // What one large state took is not kept.
        bytes.shrink_to(64 * 1024);
    }
}

struct Wishes(Arc<Out>);

impl Services for Wishes {
    fn wish(&self, wish: Wish) -> abi::chat_status {
        if matches!(wish, Wish::Send { .. }) {
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

    fn resolved(&self, call: u64, answer: Answer) -> abi::chat_status {
        self.0.say(&Up::Resolved { id: call, answer });
        abi::CHAT_OK
    }
}
