//! `chat-cli bench`: load on a server, and what it costs.
//!
//! Each client has its own account, link and keys, comes in by an invite link like anybody, opens
//! every record and checks every entry. Accounts are left on the server; run it against one that was
//! made for the purpose.

mod files;
mod lanes;
mod link;
mod meter;
mod stopped;

use std::cell::{Cell, RefCell};
use std::net::ToSocketAddrs as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_io::Timer;
use async_lock::Semaphore;
use chat_engine::{ChatUrl, Kind, Target, ToClient};
use event_listener::Event;
use futures_lite::FutureExt;
use serde_json::{Value, json};
use smol::LocalExecutor;

use self::link::{Host, Link};
use self::meter::Usage;
use self::stopped::StoppedReader;
use crate::exit::Failure;

/// What to do to the server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// The invite link that the server prints.
    invite: String,
    /// Kind of load.
    #[arg(long, value_enum, default_value_t = Workload::Fanout)]
    workload: Workload,
    /// Rooms.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// Members of each room; clients in all for idle and login.
    #[arg(long, default_value_t = 200)]
    members: usize,
    /// Members of each room that send.
    #[arg(long, default_value_t = 4)]
    senders: usize,
    /// Messages of each sender.
    #[arg(long, default_value_t = 500)]
    messages: usize,
    /// Bytes of each message.
    #[arg(long, default_value_t = 200)]
    size: usize,
    /// Messages of one sender that are under way at a time.
    #[arg(long, default_value_t = 16)]
    window: usize,
    /// Direct conversations of two members each instead of rooms.
    #[arg(long)]
    direct: bool,
    /// More members of each room, each a `chat-cli connect` that is stopped (SIGSTOP) until the others
    /// have everything; then it must get all of it, too.
    #[arg(long, default_value_t = 0)]
    stopped: usize,
    /// Bytes of the file of the workload files, like 500M or 1G.
    #[arg(long, default_value = "1G", value_parser = crate::size::parse)]
    file_size: u64,
    /// How often it goes each way; the best counts.
    #[arg(long, default_value_t = 3)]
    times: usize,
    /// Where it lies, and where it is fetched to [default: the system's folder for such].
    #[arg(long, value_name = "DIR")]
    folder: Option<std::path::PathBuf>,
    /// One JSON line instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Workload {
    /// Rooms in which some members send and all receive.
    Fanout,
    /// Clients that are there and say nothing.
    Idle,
    /// Clients that come in, join a room and leave, eight at a time.
    Login,
    /// A file that is sent and fetched, beside a plain copy over TCP.
    Files,
    /// How long messages take while files go both ways, on the same link and on others, and while
    /// nothing else goes on.
    Lanes,
}

/// Runs the load and prints what it cost.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let place: ChatUrl = args.invite.parse()?;
    let address = place
        .address()
        .to_socket_addrs()
        .map(|mut addresses| addresses.next())
        .map_err(|error| Failure::Failed(format!("cannot find {}: {error}", place.address())))?
        .ok_or_else(|| Failure::Failed(format!("{} has no address", place.address())))?;
    let host = Host {
        address,
        fingerprint: place.fingerprint,
        invite: place.invite,
        run: fastrand::u64(..) & 0xffff_ffff,
    };
    load(args, host).map_err(|error| Failure::Failed(format!("{error:#}")))
}

fn load(args: &BenchArgs, host: Host) -> Result<()> {
    ensure!(
        args.rooms > 0 && args.members > 0,
        "a bench needs rooms and members"
    );
    ensure!(
        args.senders <= args.members,
        "a room has no more senders than members"
    );
    ensure!(args.window > 0, "the window is at least 1");
    ensure!(
        !args.direct || args.members == 2,
        "a direct conversation has two members"
    );
    let limit = chat_engine::limits::TEXT_BYTES;
    ensure!(
        (17..=limit).contains(&args.size),
        "a message has 17 to {limit} bytes"
    );
    let executor = Rc::new(LocalExecutor::new());
    let load = Load {
        args: args.clone(),
        host,
        executor: Rc::clone(&executor),
    };
    let report = async_io::block_on(executor.run(async {
        match args.workload {
            Workload::Fanout => load.fanout().await,
            Workload::Idle => load.idle().await,
            Workload::Login => load.login().await,
            Workload::Files => load.files().await,
            Workload::Lanes => lanes::run(&load.args, &load.host).await,
        }
    }))?;
    if args.json {
        println!("{report}");
    } else {
        print_table(&report);
    }
    Ok(())
}

struct Load {
    args: BenchArgs,
    host: Host,
    executor: Rc<LocalExecutor<'static>>,
}

/// What the receivers counted.
struct Counts {
    start: Instant,
    delivered: Cell<usize>,
    expected: usize,
    latencies_us: RefCell<Vec<u64>>,
    done: Event,
    failed: RefCell<Option<anyhow::Error>>,
}

/// How far the last member of a room is: the senders' flow control, as people wait for each other.
#[derive(Default)]
struct Pace {
    seen: Cell<usize>,
    moved: Event,
}

impl Load {
    async fn files(&self) -> Result<Value> {
        let (host, args, server) = (self.host.clone(), self.args.clone(), self.server());
        smol::unblock(move || {
            let folder = args.folder.unwrap_or_else(std::env::temp_dir);
            files::run(&host, &folder, args.file_size, args.times, server)
        })
        .await
    }

    async fn fanout(&self) -> Result<Value> {
        let args = &self.args;
        let expected = args.rooms * args.members * args.senders * args.messages;
        let counts = Rc::new(Counts {
            start: Instant::now(),
            delivered: Cell::new(0),
            expected,
            latencies_us: RefCell::new(Vec::with_capacity(expected)),
            done: Event::new(),
            failed: RefCell::new(None),
        });
        let go = Rc::new(Event::new());
        let mut tasks = Vec::new();
        let mut stopped = Vec::new();
        for room in 0..args.rooms {
            let pace = Rc::new(Pace::default());
            let name = format!("bench-{:x}-{room}", self.host.run);
            for member in 0..args.members {
                let number = room * args.members + member;
                let mut link = self.enter(number).await?;
                let target = if args.direct {
                    // Numbers of two neighbours differ in the last bit.
                    Target::Account(link::account(&self.host, number ^ 1))
                } else {
                    let room = link.join(&name, member == 0).await;
                    room.with_context(|| format!("client {number} and its room"))?
                };
                let client = Client {
                    link,
                    target,
                    pace: Rc::clone(&pace),
                    counts: Rc::clone(&counts),
                    is_marker: member == args.members - 1,
                };
                let work = client.work(
                    args.clone(),
                    (member < args.senders).then(|| Rc::clone(&go)),
                );
                tasks.push(self.executor.spawn(work));
            }
            for number in 0..args.stopped {
                let account = format!("stopped-{:x}-{room}-{number}", self.host.run);
                stopped.push(StoppedReader::start(&args.invite, &account, &name)?);
            }
        }
        // What the joins brought is read by now; nothing of it is measured.
        Timer::after(Duration::from_millis(500)).await;
        let (server, own) = (self.server_usage(), Usage::of(std::process::id()));
        let begun = Instant::now();
        let done = counts.done.listen();
        go.notify(usize::MAX);
        let finished = async {
            done.await;
            true
        };
        let late = async {
            Timer::after(Duration::from_secs(120)).await;
            false
        };
        let finished = finished.or(late).await;
        let wall_s = begun.elapsed().as_secs_f64();
        let server_cpu_s = self.server_usage().cpu_s - server.cpu_s;
        let own_cpu_s = Usage::of(std::process::id()).cpu_s - own.cpu_s;
        if let Some(error) = counts.failed.take() {
            return Err(error);
        }
        let memory_kib = self.server_usage().memory_kib;
        let mut thawed = 0;
        for reader in stopped {
            thawed += reader.read_on(args.senders * args.messages)?;
        }
        let delivered = counts.delivered.get();
        let mut latencies = counts.latencies_us.take();
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = (latencies.len().max(1) - 1) as f64 * share;
            latencies.get(index as usize).copied().unwrap_or(0)
        };
        let mut report = json!({
            "workload": "fanout", "rooms": args.rooms, "members": args.members,
            "senders": args.senders, "messages": args.messages, "size": args.size,
            "window": args.window,
            "delivered": delivered, "lost": expected.saturating_sub(delivered),
            "finished": finished, "wall_s": wall_s,
            "deliveries_per_s": delivered as f64 / wall_s,
            "client_us_per_delivery": own_cpu_s * 1e6 / delivered.max(1) as f64,
            "p50_us": at(0.5), "p99_us": at(0.99), "max_us": at(1.0),
        });
        if args.stopped > 0 {
            report["delivered_after_stop"] = thawed.into();
            report["server_kib"] = memory_kib.into();
        }
        if self.server().is_some() {
            report["server_cpu_s"] = server_cpu_s.into();
            report["server_us_per_delivery"] =
                (server_cpu_s * 1e6 / delivered.max(1) as f64).into();
        }
        Ok(report)
    }

    async fn idle(&self) -> Result<Value> {
        let args = &self.args;
        let empty = self.server_usage();
        let mut links = Vec::new();
        for number in 0..args.members {
            links.push(self.enter(number).await?);
        }
        Timer::after(Duration::from_secs(5)).await;
        let full = self.server_usage();
        for (number, link) in links.iter_mut().enumerate() {
            let room = format!("bench-{:x}-{}", self.host.run, number / 10);
            link.join(&room, number % 10 == 0).await?;
        }
        Timer::after(Duration::from_secs(5)).await;
        let joined = self.server_usage();
        let each = |usage: Usage| {
            usage.memory_kib.saturating_sub(empty.memory_kib) as f64 / args.members as f64
        };
        let mut report = json!({ "workload": "idle", "clients": args.members });
        if self.server().is_some() {
            report["kib_per_client"] = each(full).into();
            report["kib_per_client_joined"] = each(joined).into();
            report["empty_kib"] = empty.memory_kib.into();
            let cpu_ms = (full.cpu_s - empty.cpu_s) * 1e3 / args.members as f64;
            report["cpu_ms_per_login"] = cpu_ms.into();
        }
        Ok(report)
    }

    async fn login(&self) -> Result<Value> {
        let args = &self.args;
        let rooms = 50.min(args.members);
        let mut owners = Vec::new();
        for room in 0..rooms {
            let mut link = self.enter(args.members + room).await?;
            link.join(&format!("bench-{:x}-{room}", self.host.run), true)
                .await?;
            owners.push(link);
        }
        let server = self.server_usage();
        let begun = Instant::now();
        let lanes = Rc::new(Semaphore::new(8));
        let mut tasks = Vec::new();
        for number in 0..args.members {
            let (host, lanes) = (self.host.clone(), Rc::clone(&lanes));
            tasks.push(self.executor.spawn(async move {
                let lane = lanes.acquire().await;
                let mut link = Link::enter(&host, number).await?;
                let room = format!("bench-{:x}-{}", host.run, number % rooms);
                link.join(&room, false).await?;
                link.leave().await?;
                drop(lane);
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await?;
        }
        let wall_s = begun.elapsed().as_secs_f64();
        let cpu_s = self.server_usage().cpu_s - server.cpu_s;
        let mut report = json!({
            "workload": "login", "logins": args.members,
            "logins_per_s": args.members as f64 / wall_s,
        });
        if self.server().is_some() {
            report["server_cpu_s"] = cpu_s.into();
            report["server_cpu_ms_per_login"] = (cpu_s * 1e3 / args.members as f64).into();
        }
        Ok(report)
    }

    async fn enter(&self, number: usize) -> Result<Link> {
        Link::enter(&self.host, number)
            .await
            .with_context(|| format!("client {number}"))
    }

    /// The server's process, where it runs on this machine and the caller named it.
    fn server(&self) -> Option<u32> {
        std::env::var("PEERBENCH_PID").ok()?.parse().ok()
    }

    fn server_usage(&self) -> Usage {
        self.server().map(Usage::of).unwrap_or_default()
    }
}

/// A member of a room.
struct Client {
    link: Link,
    target: Target,
    pace: Rc<Pace>,
    counts: Rc<Counts>,
    is_marker: bool,
}

impl Client {
    async fn work(mut self, args: BenchArgs, go: Option<Rc<Event>>) {
        if let Err(error) = self.receive_and_send(&args, go).await {
            self.counts.failed.borrow_mut().get_or_insert(error);
            self.counts.done.notify(usize::MAX);
        }
    }

    async fn receive_and_send(&mut self, args: &BenchArgs, go: Option<Rc<Event>>) -> Result<()> {
        let started = Rc::new(Cell::new(go.is_none()));
        let mut left = if go.is_some() { args.messages } else { 0 };
        let mut go = go.map(|go| go.listen());
        loop {
            self.take_all()?;
            self.link.settle().await?;
            if started.get() && left > 0 {
                left -= self.send(args, args.messages - left, left).await?;
            }
            let moved = self.pace.moved.listen();
            if started.get() && left > 0 && self.may_send(args, args.messages - left) > 0 {
                continue;
            }
            let read = async {
                self.link.read().await?;
                anyhow::Ok(())
            };
            if let Some(starting) = &mut go {
                let start = async {
                    starting.await;
                    started.set(true);
                    Ok(())
                };
                read.or(start).await?;
                if started.get() {
                    go = None;
                }
            } else if left > 0 {
                let moved = async {
                    moved.await;
                    Ok(())
                };
                read.or(moved).await?;
            } else {
                read.await?;
            }
        }
    }

    fn may_send(&self, args: &BenchArgs, sent: usize) -> usize {
        // The room as a whole is at about `sent * senders`.
        let room = self.pace.seen.get() + args.window * args.senders;
        (room / args.senders + 1).saturating_sub(sent)
    }

    async fn send(&mut self, args: &BenchArgs, sent: usize, left: usize) -> Result<usize> {
        let count = self.may_send(args, sent).min(left).min(64);
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            let mut text = format!("T{:016x}", self.counts.start.elapsed().as_nanos() as u64);
            text.extend(std::iter::repeat_n('x', args.size - text.len()));
            frames.push(self.link.send_frame(self.target.clone(), &text)?);
        }
        if count > 0 {
            self.link.write_frames(&frames).await?;
        }
        Ok(count)
    }

    fn take_all(&mut self) -> Result<()> {
        let mut latencies = self.counts.latencies_us.borrow_mut();
        let first = latencies.len();
        while let Some(message) = self.link.next()? {
            match message {
                ToClient::Entry(entry) if entry.body.kind == Kind::TEXT => {
                    let text = std::str::from_utf8(&entry.body.data)?;
                    let sent = text.get(1..17).context("a text that nobody sent")?;
                    latencies.push(u64::from_str_radix(sent, 16)?);
                }
                ToClient::Error(_, refusal) => anyhow::bail!("a send was refused: {refusal}"),
                _ => {}
            }
        }
        let count = latencies.len() - first;
        if count == 0 {
            return Ok(());
        }
        // They were there when the last of them was.
        let now = self.counts.start.elapsed().as_nanos() as u64;
        for sent in latencies.iter_mut().skip(first) {
            *sent = now.saturating_sub(*sent) / 1000;
        }
        drop(latencies);
        self.counts
            .delivered
            .set(self.counts.delivered.get() + count);
        if self.is_marker {
            self.pace.seen.set(self.pace.seen.get() + count);
            self.pace.moved.notify(usize::MAX);
        }
        if self.counts.delivered.get() >= self.counts.expected {
            self.counts.done.notify(usize::MAX);
        }
        Ok(())
    }
}

fn print_table(report: &Value) {
    for (name, value) in report.as_object().into_iter().flatten() {
        match value.as_f64() {
            Some(number) if number.fract() != 0.0 => println!("{name:>26}  {number:.3}"),
            _ => println!("{name:>26}  {}", value.to_string().trim_matches('"')),
        }
    }
}
