//! Everything together on one clock.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use chat_engine::agent::LinkNumber;
use chat_engine::hub::{Load, Loaded};
use chat_engine::model::Now;
use chat_engine::port::{Fault, Verdict};
use chat_engine::{LinkId, Ticket, Time, UnixTime};
use fastrand::Rng;

use super::agenda::Agenda;
use super::disk::Disk;
use super::net::{Conn, Side};
use super::plugins::Plugins;
use super::program::Device;
use super::server::Server;
use super::witness::Witness;
use super::{Sabotage, Tally};

/// The whole town.
pub(super) struct World {
    pub(super) time: Time,
    pub(super) agenda: Agenda<Due>,
    pub(super) conns: Vec<Conn>,
    pub(super) server: Server,
    pub(super) disk: Disk,
    pub(super) devices: Vec<Device>,
    pub(super) witness: Witness,
    pub(super) tally: Tally,
    pub(super) sabotage: Sabotage,
    /// Whether links are sealed, and after how many records they get a new key.
    pub(super) rekey: Option<u64>,
    pub(super) rng: Rng,
    /// The last things that happened, for people.
    pub(super) trace: Option<VecDeque<String>>,
    /// The next transaction is torn by a crash.
    pub(super) tear: bool,
    /// The next one that is committed dies untold.
    pub(super) tear_told: bool,
    /// Acts of a story that are due.
    pub(super) acts: Vec<usize>,
    scratch: Vec<Vec<u8>>,
    /// A filter, where the story has one.
    pub(super) plugins: Option<Plugins>,
}

/// Something that will happen.
pub(super) enum Due {
    /// Bytes arrive at one end; none of them is the end of the stream.
    Bytes(usize, Side, Vec<u8>),
    /// The stream breaks at one end.
    Break(usize, Side),
    /// A client's try to connect ends.
    Connect(usize, u64, LinkNumber),
    /// A client's clock rings: its agent's or its link's.
    ClientTime(usize, u64),
    /// An application looks for events.
    Take(usize, u64),
    /// A client's disk has written.
    Saved(usize, u64),
    /// The server's clock rings: the hub's, or a link's.
    HubTime(u64),
    LinkTime(u64, usize),
    /// The server's disk has written, and tells of it.
    Commit(u64),
    HandOut(u64),
    /// The server's disk has read: now, or at the time of the question.
    Loaded(u64, Ticket, Load, Option<Result<Loaded, Fault>>),
    /// A password was worked on.
    Hashed(u64, Ticket, String),
    Verified(u64, Ticket, bool),
    /// Plugins have decided; over which link it was asked, if over one.
    Verdict(u64, Ticket, Verdict, Option<LinkId>),
    /// The server dies in the middle of a transaction.
    Tear(u64),
    /// Something of the story.
    Act(usize),
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Sabotage, sealed: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let disk = Disk::new(sabotage, rng.fork());
        Self {
            time: Time(1_000_000),
            agenda: Agenda::default(),
            conns: Vec::new(),
            server: Server::new(rng.fork()),
            disk,
            devices: Vec::new(),
            witness: Witness::default(),
            tally: Tally::default(),
            sabotage,
            rekey: sealed.then_some(8),
            rng,
            trace: None,
            tear: false,
            tear_told: false,
            acts: Vec::new(),
            scratch: Vec::new(),
            plugins: None,
        }
    }

    /// The time, and a clock that is wrong by so much.
    pub(super) const fn now(&self, wrong: i64) -> Now {
        Now {
            time: self.time,
            date: UnixTime((EPOCH + self.time.0).saturating_add_signed(wrong)),
        }
    }

    pub(super) fn after(&mut self, span: Duration, due: Due) {
        self.agenda.put(self.time + span, due);
    }

    /// Lets time go on up to that moment.
    pub(super) fn run_until(&mut self, until: Time) {
        while self.agenda.next_time().is_some_and(|next| next <= until) {
            self.step();
        }
        self.time = self.time.max(until);
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        self.run_until(self.time + span);
    }

    /// The next thing happens.
    pub(super) fn step(&mut self) {
        let Some((time, due)) = self.agenda.take() else {
            return;
        };
        self.time = self.time.max(time);
        let age = self.server.age;
        match due {
            Due::Bytes(conn, side, bytes) => self.arrive(conn, side, bytes),
            Due::Break(conn, side) => self.broken(conn, side),
            Due::Connect(device, run, number) => self.connected(device, run, number),
            Due::ClientTime(device, run) => self.client_time(device, run),
            Due::Take(device, run) => self.take_events(device, run),
            Due::Saved(device, run) => self.client_saved(device, run),
            Due::HubTime(of) if of == age => self.hub_time(),
            Due::LinkTime(of, slot) if of == age => self.link_time(slot),
            Due::Commit(of) if of == age => self.commit(),
            Due::HandOut(of) if of == age => self.hand_out(),
            Due::Loaded(of, ticket, load, early) if of == age => self.loaded(ticket, &load, early),
            Due::Hashed(of, ticket, password) if of == age => self.hashed(ticket, password),
            Due::Verified(of, ticket, good) if of == age => self.verified(ticket, good),
            Due::Verdict(of, ticket, verdict, link) if of == age => {
                self.verdict(ticket, verdict, link);
            }
            Due::Tear(of) if of == age => self.crash_server(),
            Due::Act(act) => self.acts.push(act),
            _ => {}
        }
    }

    fn arrive(&mut self, index: usize, side: Side, bytes: Vec<u8>) {
        let conn = &mut self.conns[index];
        if bytes.is_empty() {
            if conn.arrive(side, 0) {
                self.broken(index, side);
            }
            return;
        }
        if conn.arrive(side, bytes.len()) {
            match side {
                Side::Client => self.client_bytes(index, &bytes),
                Side::Server => self.server_bytes(index, &bytes),
            }
        }
        // There is room for more behind them.
        match side {
            Side::Client => self.flush_server(index),
            Side::Server => self.flush_client(index),
        }
        if self.scratch.len() < 64 {
            self.scratch.push(bytes);
        }
    }

    fn broken(&mut self, index: usize, side: Side) {
        if !self.conns[index].is_open(side) {
            return;
        }
        match side {
            Side::Client => self.client_broken(index),
            Side::Server => self.server_broken(index),
        }
    }

    /// An empty buffer.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.scratch.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Writes as much as the stream takes, in pieces as a socket hands them out.
    pub(super) fn write_some(&mut self, index: usize, to: Side, bytes: &mut Vec<u8>) {
        let mut done = 0;
        while done < bytes.len() && self.conns[index].takes(to) {
            let end = bytes.len().min(done + PIECE);
            let mut piece = self.buffer();
            piece.extend_from_slice(&bytes[done..end]);
            self.write(index, to, piece);
            done = end;
        }
        bytes.drain(..done);
    }

    /// Writes to a stream.
    pub(super) fn write(&mut self, index: usize, to: Side, bytes: Vec<u8>) {
        let Self { conns, rng, .. } = self;
        let at = conns[index].write(to, bytes.len(), self.time, rng);
        self.agenda.put(at, Due::Bytes(index, to, bytes));
    }

    /// Closes one end: what was written still arrives.
    pub(super) fn hang_up(&mut self, index: usize, side: Side) {
        let (open, other) = match side {
            Side::Client => (&mut self.conns[index].client_open, Side::Server),
            Side::Server => (&mut self.conns[index].server_open, Side::Client),
        };
        if std::mem::replace(open, false) {
            self.write(index, other, Vec::new());
        }
    }

    /// Cuts a stream: both ends learn of it after a while, if they do.
    pub(super) fn cut(&mut self, index: usize, tell: [Option<Duration>; 2]) {
        self.conns[index].die();
        for (side, tell) in [Side::Client, Side::Server].into_iter().zip(tell) {
            if let Some(tell) = tell {
                self.after(tell, Due::Break(index, side));
            }
        }
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        let time = self.time;
        if let Some(trace) = &mut self.trace {
            if trace.len() >= TRACE {
                trace.pop_front();
            }
            trace.push_back(format!("{time} {}", text()));
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// The first day of 2100. Later than the day on which this runs: the store forgets send ids by that.
const EPOCH: u64 = 4_102_444_800_000_000;
/// Most bytes of one read.
const PIECE: usize = 32 * 1024;
/// Lines of a trace.
const TRACE: usize = 60_000;
