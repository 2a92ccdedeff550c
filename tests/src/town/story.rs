//! A whole story out of one number: who says what when, and what breaks meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use chat_engine::agent::Command;
use chat_engine::{AccountName, Body, Change, History, Peer, Request, RoomName, Target, Time};
use fastrand::Rng;

use super::net::Quality;
use super::plugins::Plugins;
use super::world::{Due, World};
use super::{Sabotage, Tally};

/// How a story ended.
#[derive(Debug)]
pub struct Outcome {
    /// Which story it was.
    pub seed: u64,
    /// What happened in it.
    pub tally: Tally,
    /// What broke a promise, first things first.
    pub violations: Vec<String>,
    /// A number that two runs of the same story share.
    pub digest: u64,
    /// The last things that happened, if they were to be kept.
    pub trace: Vec<String>,
}

/// Plays the story of a seed to its end, and judges it.
#[must_use]
pub fn simulate(seed: u64, sabotage: Sabotage, traced: bool) -> Outcome {
    let mut story = Story::new(seed, sabotage);
    if traced {
        story.world.trace = Some(VecDeque::new());
    }
    story.settle_in();
    if seed.is_multiple_of(FILTERED_EVERY) {
        story.world.load_plugins(Plugins::new(seed));
    }
    story.plan();
    story.play();
    story.heal();
    story.say_the_rest();
    story.end();
    let World {
        witness,
        tally,
        trace,
        ..
    } = story.world;
    Outcome {
        seed,
        tally,
        violations: witness.violations,
        digest: witness.digest,
        trace: trace.unwrap_or_default().into(),
    }
}

struct Story {
    world: World,
    rng: Rng,
    /// The account of each device; device `n` is the first of account `n`.
    owners: Vec<usize>,
    accounts: usize,
    acts: Vec<Act>,
    /// Texts are long.
    bulky: bool,
}

#[derive(Clone, Debug)]
enum Act {
    Say {
        device: usize,
        place: Place,
        texts: usize,
    },
    /// Edits, redacts or reacts.
    Comment(usize),
    Cancel(usize),
    Read(usize),
    Cut(usize),
    HalfOpen(usize, Half),
    NetStall(usize),
    Offline(usize, bool),
    Stall(usize, bool),
    CrashServer {
        torn: bool,
        restore: bool,
    },
    Drain,
    StartServer,
    CrashClient {
        device: usize,
        with_machine: bool,
    },
    StartClient(usize),
    Full(bool),
    ClientClock(usize, i64),
    ServerClock(i64),
    Member(usize, usize, Change),
    Trim(u64),
    BackUp,
}

/// Who does not learn that a stream is dead.
#[derive(Clone, Copy, Debug)]
enum Half {
    Server,
    Client,
    Both,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Lobby,
    Team,
    Direct(usize),
}

impl Story {
    fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let mut world = World::new(seed, sabotage, seed.is_multiple_of(SEALED_EVERY));
        let accounts = rng.usize(3..=4);
        let mut owners: Vec<usize> = (0..accounts).collect();
        owners.extend((0..rng.usize(0..=2)).map(|_| rng.usize(0..accounts)));
        let mut count = vec![0; accounts];
        for owner in &owners {
            count[*owner] += 1;
            let quality = quality(&mut rng);
            let account = NAMES[*owner];
            let name = format!("{account}{}", count[*owner]);
            world.add_device(&name, account, quality);
        }
        let bulky = rng.u8(..) < 60;
        Self {
            world,
            rng,
            owners,
            accounts,
            acts: Vec::new(),
            bulky,
        }
    }

    /// Accounts, devices and rooms, before anything breaks.
    fn settle_in(&mut self) {
        let world = &mut self.world;
        world.start_server();
        world.run_for(Duration::from_millis(200));
        for device in 0..self.accounts {
            world.start_program(device);
        }
        world.run_for(Duration::from_secs(4));
        for device in self.accounts..self.owners.len() {
            world.start_program(device);
        }
        let history = if self.rng.u8(..) < 90 {
            History::All
        } else {
            History::SinceJoin
        };
        let create = Request::Create {
            room: room("team"),
            public: true,
            history: Some(history),
        };
        let _ = world.command(0, Command::Ask(create));
        world.run_for(Duration::from_secs(4));
        for device in 1..self.accounts {
            let _ = world.command(device, change(None, Change::Joined));
        }
        world.run_for(Duration::from_secs(4));
    }

    fn plan(&mut self) {
        // What it took to get here is no story.
        self.world.tally = Tally::default();
        let mut left = SAYINGS;
        while left > 0 {
            let device = self.rng.usize(0..self.owners.len());
            let place = match self.rng.u8(0..20) {
                0..10 => Place::Lobby,
                10..16 => Place::Team,
                _ => Place::Direct(self.rng.usize(0..self.accounts)),
            };
            let texts = match self.rng.u8(0..10) {
                0..5 => 1,
                5..8 => self.rng.usize(1..5),
                _ => self.rng.usize(4..16),
            };
            let texts = texts.min(left);
            left -= texts;
            self.act_sometime(Act::Say {
                device,
                place,
                texts,
            });
        }
        for _ in 0..self.rng.usize(6..14) {
            let device = self.rng.usize(0..self.owners.len());
            let act = match self.rng.u8(0..10) {
                0..6 => Act::Comment(device),
                6..8 => Act::Cancel(device),
                _ => Act::Read(device),
            };
            self.act_sometime(act);
        }
        for _ in 0..self.rng.usize(5..10) {
            self.plan_fault();
        }
        if self.bulky {
            let device = self.rng.usize(0..self.owners.len());
            self.act_at(2_000, Act::Stall(device, true));
            self.act_at(20_000, Act::Stall(device, false));
        }
    }

    fn plan_fault(&mut self) {
        self.world.tally.faults += 1;
        let device = self.rng.usize(0..self.owners.len());
        let start = self.rng.u64(0..MAYHEM_MS);
        let lasts = self.rng.u64(100..6_000);
        let end = start + lasts;
        match self.rng.u8(0..100) {
            0..14 => self.act_at(start, Act::Cut(device)),
            14..22 => {
                self.act_at(start, Act::Offline(device, true));
                self.act_at(end, Act::Offline(device, false));
            }
            22..36 => {
                let half = match self.rng.u8(0..5) {
                    0..3 => Half::Server,
                    3 => Half::Client,
                    _ => Half::Both,
                };
                self.act_at(start, Act::HalfOpen(device, half));
            }
            36..42 => {
                self.act_at(start, Act::Stall(device, true));
                self.act_at(end + lasts, Act::Stall(device, false));
            }
            42..46 => self.act_at(start, Act::NetStall(device)),
            46..60 => {
                let torn = self.rng.u8(..) < 140;
                let restore = false;
                self.act_at(start, Act::CrashServer { torn, restore });
                self.act_at(start + lasts / 3, Act::StartServer);
            }
            60..63 => {
                self.act_at(start, Act::Drain);
                self.act_at(start + lasts.max(5_500), Act::StartServer);
            }
            63..66 => {
                let before = self.rng.u64(0..=start);
                self.act_at(before, Act::BackUp);
                let (torn, restore) = (false, true);
                self.act_at(start, Act::CrashServer { torn, restore });
                self.act_at(start + lasts / 3, Act::StartServer);
            }
            66..76 => {
                let with_machine = self.rng.bool();
                if self.rng.bool() {
                    // What it says now is on its way to its disk, or to the server.
                    let place = Place::Lobby;
                    let texts = self.rng.usize(1..4);
                    let before = start.saturating_sub(self.rng.u64(1..8));
                    let say = Act::Say {
                        device,
                        place,
                        texts,
                    };
                    self.act_at(before, say);
                }
                self.act_at(
                    start,
                    Act::CrashClient {
                        device,
                        with_machine,
                    },
                );
                self.act_at(start + lasts / 2, Act::StartClient(device));
            }
            76..84 => {
                self.act_at(start, Act::Full(true));
                self.act_at(end, Act::Full(false));
            }
            84..87 => {
                let hours = self.rng.i64(-48..48);
                self.act_at(start, Act::ClientClock(device, hours * 3_600_000_000));
            }
            87..90 => {
                let minutes = self.rng.i64(-40..40);
                self.act_at(start, Act::ServerClock(minutes * 60_000_000));
            }
            90..97 => {
                let whom = self.rng.usize(1..self.accounts);
                let (out, back) = if self.rng.bool() {
                    (Change::Kicked, Change::Joined)
                } else {
                    (Change::Banned, Change::Unbanned)
                };
                self.act_at(start, Act::Member(0, whom, out));
                if back == Change::Unbanned {
                    self.act_at(end, Act::Member(0, whom, back));
                }
                self.act_at(end + 600, Act::Member(whom, whom, Change::Joined));
            }
            _ => {
                let keep = self.rng.u64(5..60);
                self.act_at(start, Act::Trim(keep));
            }
        }
    }

    fn act_sometime(&mut self, act: Act) {
        let at = self.rng.u64(0..MAYHEM_MS);
        self.act_at(at, act);
    }

    fn act_at(&mut self, millis: u64, act: Act) {
        let index = self.acts.len();
        self.acts.push(act);
        self.world
            .after(Duration::from_millis(millis), Due::Act(index));
    }

    fn play(&mut self) {
        let until = self.world.time + Duration::from_millis(MAYHEM_MS + 15_000);
        while let Some(act) = self.world.next_act(until) {
            let act = self.acts[act].clone();
            self.world.note(|| format!("*** {act:?}"));
            self.act(act);
        }
    }

    fn act(&mut self, act: Act) {
        let world = &mut self.world;
        match act {
            Act::Say {
                device,
                place,
                texts,
            } => {
                for _ in 0..texts {
                    self.say(device, place);
                }
            }
            Act::Comment(device) => self.comment(device),
            Act::Cancel(device) => {
                if let Some(id) = world.devices[device].sends.back().copied() {
                    let _ = world.command(device, Command::Cancel(id));
                }
            }
            Act::Read(device) => {
                if let Some((peer, seq, _)) = world.devices[device].shown.back().cloned() {
                    let target = target(peer);
                    let _ = world.command(device, Command::Ask(Request::Read { target, seq }));
                }
            }
            Act::Cut(device) => {
                if let Some(conn) = world.conn_of(device) {
                    let tell = [self.rng.u64(0..300), self.rng.u64(0..3_000)];
                    world.cut(conn, tell.map(|millis| Some(Duration::from_millis(millis))));
                }
            }
            Act::HalfOpen(device, half) => {
                if let Some(conn) = world.conn_of(device) {
                    let soon = Some(Duration::from_millis(self.rng.u64(0..300)));
                    let tell = match half {
                        Half::Server => [soon, None],
                        Half::Client => [None, soon],
                        Half::Both => [None, None],
                    };
                    world.cut(conn, tell);
                }
            }
            Act::NetStall(device) => {
                if let Some(conn) = world.conn_of(device) {
                    let until = world.time + Duration::from_millis(self.rng.u64(100..8_000));
                    world.conns[conn].stall(until);
                }
            }
            Act::Offline(device, offline) => {
                world.devices[device].is_offline = offline;
                if offline && let Some(conn) = world.conn_of(device) {
                    world.cut(conn, [Some(Duration::ZERO), None]);
                }
            }
            Act::Stall(device, stalled) => world.set_stalled(device, stalled),
            Act::CrashServer { torn, restore } => {
                if torn {
                    world.tear = true;
                    return;
                }
                world.crash_server();
                if restore && world.disk.restore() {
                    world.tally.restored += 1;
                    world.witness.restored = true;
                    world.witness.cursors_lost = true;
                }
            }
            Act::Drain => world.drain_server(),
            Act::StartServer => {
                (world.tear, world.tear_told) = (false, false);
                world.start_server();
            }
            Act::CrashClient {
                device,
                with_machine,
            } => world.crash_program(device, with_machine),
            Act::StartClient(device) => {
                if world.devices[device].program.is_none() {
                    world.start_program(device);
                }
            }
            Act::Full(full) => {
                world.disk.is_full = full;
                world.tally.full += u32::from(full);
            }
            Act::ClientClock(device, jump) => world.devices[device].wrong += jump,
            Act::ServerClock(jump) => world.server.wrong += jump,
            Act::Member(by, whom, how) => {
                let account = (by != whom).then(|| NAMES[whom]);
                let _ = world.command(by, change(account, how));
            }
            Act::Trim(keep) => world.trim(keep),
            Act::BackUp => world.disk.back_up(),
        }
    }

    fn say(&mut self, device: usize, place: Place) {
        let target = match place {
            Place::Lobby => Target::Room(room("lobby")),
            Place::Team => Target::Room(room("team")),
            Place::Direct(account) => Target::Account(name(NAMES[account])),
        };
        let label = self.world.next_label(device);
        let bytes = if self.bulky {
            self.rng.usize(3_000..10_000)
        } else {
            self.rng.usize(0..60)
        };
        let text = format!("{label} {}", "x".repeat(bytes));
        let command = Command::Send {
            target,
            body: Body::text(&text, None),
            id: None,
            label,
        };
        let _ = self.world.command(device, command);
    }

    fn comment(&mut self, device: usize) {
        let shown = &self.world.devices[device].shown;
        let Some((peer, seq, own)) = shown.back().cloned() else {
            return;
        };
        let body = match self.rng.u8(0..3) {
            0 if own => Body::edit(seq, "better"),
            1 if own => Body::redaction(seq),
            _ => Body::reaction(seq, "+1"),
        };
        let label = self.world.next_label(device);
        let target = target(peer);
        let command = Command::Send {
            target,
            body,
            id: None,
            label,
        };
        let _ = self.world.command(device, command);
    }

    /// Nothing breaks any more, and everything that was broken works again.
    fn heal(&mut self) {
        let world = &mut self.world;
        (world.tear, world.tear_told) = (false, false);
        world.disk.is_full = false;
        world.start_server();
        for device in 0..world.devices.len() {
            world.devices[device].is_offline = false;
            world.set_stalled(device, false);
            if world.has_ended(device) {
                world.start_program(device);
            }
        }
        for _ in 0..PATIENCE {
            world.run_for(Duration::from_secs(2));
            for device in 0..world.devices.len() {
                if world.has_ended(device) {
                    world.start_program(device);
                }
            }
            if world.is_settled() {
                world.run_for(Duration::from_secs(3));
                if world.is_settled() {
                    return;
                }
            }
        }
        let open = world.witness.open(&world.disk.truth);
        world
            .witness
            .complain(format!("it never settles: {open:?}"));
    }

    /// Where much was refused or cancelled, more is said until there are as many entries as a story has.
    fn say_the_rest(&mut self) {
        for _ in 0..PATIENCE {
            let missing = ENTRIES.saturating_sub(self.world.tally.entries);
            if missing == 0 {
                return;
            }
            // Clocks that are hours apart would have all of it refused, too.
            self.world.server.wrong = 0;
            for device in &mut self.world.devices {
                device.wrong = 0;
            }
            for _ in 0..missing {
                let device = self.rng.usize(0..self.owners.len());
                self.say(device, Place::Lobby);
            }
            self.heal();
        }
    }

    /// Everybody leaves.
    fn end(&mut self) {
        let world = &mut self.world;
        for device in 0..world.devices.len() {
            let _ = world.command(device, Command::Leave { flush: true });
        }
        for _ in 0..PATIENCE {
            world.run_for(Duration::from_secs(1));
            if (0..world.devices.len()).all(|device| world.has_ended(device)) {
                break;
            }
        }
        world.run_for(Duration::from_secs(40));
        for device in 0..world.devices.len() {
            if !world.has_ended(device) {
                let name = world.devices[device].name.clone();
                world.witness.complain(format!("{name} can't leave"));
            }
        }
        let links = world.server.links();
        if links > 0 {
            world
                .witness
                .complain(format!("{links} links are left when all have gone"));
        }
        world.witness.judge_end(&world.disk.truth);
        let rejoined = world.disk.truth.current().any(|(_, _, run)| {
            let mut spans = run.spans.values();
            spans.any(|spans| spans.len() > 1)
        });
        world.tally.rejoin += u32::from(rejoined);
    }
}

impl World {
    /// Lets time go on until something of the story is due.
    fn next_act(&mut self, until: Time) -> Option<usize> {
        loop {
            if let Some(act) = self.acts.pop() {
                return Some(act);
            }
            if self.agenda.next_time().is_none_or(|next| next > until) {
                self.time = self.time.max(until);
                return None;
            }
            self.step();
        }
    }

    fn is_settled(&self) -> bool {
        let truth = &self.disk.truth;
        let mut devices = 0..self.devices.len();
        let mut linked = 0..self.devices.len();
        self.disk.is_idle()
            && linked.all(|device| self.conn_of(device).is_some())
            && devices.all(|device| self.witness.is_up_to_date(device, truth))
            && self.witness.open(truth).is_empty()
    }
}

fn quality(rng: &mut Rng) -> Quality {
    let slow = rng.u8(..) < 30;
    Quality {
        latency: Duration::from_micros(rng.u64(200..if slow { 400_000 } else { 30_000 })),
        jitter: Duration::from_micros(rng.u64(0..if slow { 300_000 } else { 10_000 })),
        slowness: if slow {
            rng.u64(0..4_000)
        } else {
            rng.u64(0..60)
        },
    }
}

fn target(peer: Peer) -> Target {
    match peer {
        Peer::Room(room) => Target::Room(room),
        Peer::Account(account) => Target::Account(account),
    }
}

fn change(account: Option<&str>, change: Change) -> Command {
    Command::Ask(Request::Change {
        target: Target::Room(room("team")),
        account: account.map(name),
        change,
        role: None,
        seconds: 0,
    })
}

pub(super) fn room(text: &str) -> RoomName {
    RoomName::new(text).expect("a good name")
}

pub(super) fn name(text: &str) -> AccountName {
    AccountName::new(text).expect("a good name")
}

const NAMES: [&str; 4] = ["ann", "bob", "cyd", "dan"];
/// Texts of one story.
const SAYINGS: usize = 235;
/// Entries that a story has at least.
const ENTRIES: u32 = 200;
/// How long things break.
const MAYHEM_MS: u64 = 30_000;
/// One in so many stories is over sealed links, which take longer to play.
const SEALED_EVERY: u64 = 16;
/// So many stories have a filter.
const FILTERED_EVERY: u64 = 3;
/// How often it is looked whether all is well, before it is not.
const PATIENCE: u32 = 120;
