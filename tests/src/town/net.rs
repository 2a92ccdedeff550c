//! Streams between clients and the server: late, slow, stalled, cut, or dead without anybody knowing.

use std::time::Duration;

use chat_engine::Time;
use chat_engine::agent::LinkNumber;
use fastrand::Rng;

/// Which end of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Client,
    Server,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) device: usize,
    /// Which run of the device's program, and which of its links.
    pub(super) run: u64,
    pub(super) number: LinkNumber,
    /// Which run of the server, and the place of the link there.
    pub(super) age: u64,
    pub(super) slot: usize,
    /// What goes to the server and to the client.
    up: Pipe,
    down: Pipe,
    pub(super) client_open: bool,
    pub(super) server_open: bool,
}

/// One direction.
#[derive(Clone, Debug)]
struct Pipe {
    /// Bytes that were written and did not arrive.
    under_way: usize,
    last: Time,
    latency: Duration,
    jitter: Duration,
    /// Microseconds per kilobyte.
    slowness: u64,
    /// Nothing arrives any more.
    is_dead: bool,
}

/// How a network is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quality {
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) slowness: u64,
}

impl Conn {
    pub(super) fn new(device: usize, run: u64, number: LinkNumber, quality: Quality) -> Self {
        let pipe = Pipe {
            under_way: 0,
            last: Time(0),
            latency: quality.latency,
            jitter: quality.jitter,
            slowness: quality.slowness,
            is_dead: false,
        };
        Self {
            device,
            run,
            number,
            age: 0,
            slot: 0,
            up: pipe.clone(),
            down: pipe,
            client_open: true,
            server_open: true,
        }
    }

    /// Whether an end may write more to the other.
    pub(super) fn takes(&self, to: Side) -> bool {
        self.pipe(to).under_way < WINDOW
    }

    /// Writes; answers when it arrives.
    pub(super) fn write(&mut self, to: Side, bytes: usize, now: Time, rng: &mut Rng) -> Time {
        let pipe = self.pipe_mut(to);
        pipe.under_way += bytes;
        let jitter = rng.u64(0..=pipe.jitter.as_micros() as u64);
        let travel = pipe.latency + Duration::from_micros(jitter);
        let takes = Duration::from_micros(pipe.slowness * bytes as u64 / 1024);
        pipe.last = pipe.last.max(now + travel) + takes;
        pipe.last
    }

    /// Bytes arrive; `false` when they are lost.
    pub(super) fn arrive(&mut self, to: Side, bytes: usize) -> bool {
        let pipe = self.pipe_mut(to);
        if pipe.is_dead {
            return false;
        }
        pipe.under_way -= bytes;
        self.is_open(to)
    }

    /// Nothing gets through any more, in neither direction.
    pub(super) fn die(&mut self) {
        self.up.is_dead = true;
        self.down.is_dead = true;
    }

    /// Nothing that is written from now on arrives before that time.
    pub(super) fn stall(&mut self, until: Time) {
        self.up.last = self.up.last.max(until);
        self.down.last = self.down.last.max(until);
    }

    pub(super) const fn is_open(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client_open,
            Side::Server => self.server_open,
        }
    }

    const fn pipe(&self, to: Side) -> &Pipe {
        match to {
            Side::Client => &self.down,
            Side::Server => &self.up,
        }
    }

    const fn pipe_mut(&mut self, to: Side) -> &mut Pipe {
        match to {
            Side::Client => &mut self.down,
            Side::Server => &mut self.up,
        }
    }
}

/// Bytes that the systems of both ends buffer.
const WINDOW: usize = 64 * 1024;
