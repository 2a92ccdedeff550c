//! Kills, cuts and power cuts on real processes, while clients talk; and whether the promise held.
//!
//! A server and some clients run as processes of their own. The clients say numbered messages in two
//! rooms and in direct conversations, through a proxy each. Meanwhile faults are injected, one after
//! another at random moments, and in the end everything is judged by what the clients printed.

mod disk;
mod judge;
mod player;
mod table;
mod talk;
mod town;

use std::io;
use std::time::{Duration, Instant};

use fastrand::Rng;

pub use self::judge::{Audience, Run, Transcript, Verdict, judge};
pub use self::table::Report;
use self::town::{Power, Town};

/// What is to be injected.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The same seed gives the same faults; not at the same moments, the processes are real.
    pub seed: u64,
    /// Kills of the server, power cuts included.
    pub kills: usize,
    /// At so many of them the power is cut as well.
    pub power_cuts: usize,
    /// Cut connections.
    pub cuts: usize,
    /// Messages to be acknowledged, at least.
    pub messages: u64,
    /// Nothing is injected after this time. Faults that are missing then fail the run.
    pub limit: Duration,
    /// Clients, four at least.
    pub clients: usize,
}

impl Plan {
    /// The short run.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        Self {
            seed,
            kills: 14,
            power_cuts: 4,
            cuts: 14,
            messages: 5_000,
            limit: Duration::from_secs(150),
            clients: 5,
        }
    }

    /// The faults in the order in which they come.
    fn faults(&self, rng: &mut Rng) -> Vec<Fault> {
        let some = |share: usize| (self.kills / share).max(2);
        let counts = [
            (Fault::KillServer, self.kills - self.power_cuts),
            (Fault::CutPower, self.power_cuts),
            (Fault::CutLink, self.cuts / 2),
            (Fault::CutRecord, self.cuts - self.cuts / 2),
            (Fault::KillClient, some(3)),
            (Fault::StopServer, some(6)),
            (Fault::StopClient, some(6)),
            (Fault::FillDisk, some(7)),
            (Fault::MoveClock, some(5)),
        ];
        let mut faults = Vec::new();
        for (fault, count) in counts {
            faults.extend(std::iter::repeat_n(fault, count));
        }
        rng.shuffle(&mut faults);
        faults
    }
}

/// One kind of fault.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// `kill -9` of the server while a send is without an answer.
    KillServer,
    /// The same, and everything that no fsync covered is gone or torn.
    CutPower,
    /// A client's connection is cut.
    CutLink,
    /// The same after a random number of bytes: in the middle of a record.
    CutRecord,
    /// `kill -9` of a client, which is started again with the same profile.
    KillClient,
    /// The server is stopped for a while (SIGSTOP).
    StopServer,
    /// A client is.
    StopClient,
    /// Every write of the server's files is refused for a while.
    FillDisk,
    /// The wall clock of the server or of a client jumps.
    MoveClock,
}

impl Fault {
    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KillServer => "kill -9 of the server",
            Self::CutPower => "power cut at the server",
            Self::CutLink => "connection cut",
            Self::CutRecord => "connection cut within a record",
            Self::KillClient => "kill -9 of a client",
            Self::StopServer => "server stopped for a while",
            Self::StopClient => "client stopped for a while",
            Self::FillDisk => "disk full",
            Self::MoveClock => "clock jump",
        }
    }
}

/// Does it all.
///
/// # Errors
///
/// When this machine can't run it: no compiler, no place, no processes.
///
/// # Panics
///
/// When a server does not start any more.
pub fn run(plan: &Plan) -> io::Result<Report> {
    let began = Instant::now();
    let mut rng = Rng::with_seed(plan.seed);
    let faults = plan.faults(&mut rng);
    let mut report = Report::new(plan.seed);
    let mut town = Town::new(plan.clients, &mut rng)?;
    let slot = plan.messages / (faults.len() as u64 + 1);
    for (number, fault) in faults.iter().enumerate() {
        let number = number as u64;
        // There is always more to say than is acknowledged, so that a kill finds something.
        town.allow(slot * (number + 2));
        let moment = slot * number + rng.u64(0..slot.max(1));
        if !town.acked_at_least(moment, STALL) {
            report.trouble(format!(
                "nothing was acknowledged any more before: {}",
                fault.name()
            ));
            break;
        }
        if began.elapsed() > plan.limit {
            let missing = faults.len() as u64 - number;
            report.trouble(format!("{missing} faults did not fit into the time"));
            break;
        }
        match town.inject(*fault, &mut rng)? {
            true => report.injected(*fault),
            false => report.trouble(format!("there was no moment for: {}", fault.name())),
        }
    }
    town.calm()?;
    town.allow(plan.messages);
    if report.troubles.is_empty() && !town.acked_at_least(plan.messages, STALL) {
        report.trouble("the last messages were not acknowledged".to_owned());
    }
    for trouble in town.settle(STALL)? {
        report.trouble(trouble);
    }
    report.verdict = town.judge()?;
    report.wall = began.elapsed();
    if !report.is_good() {
        report.kept = Some(town.keep());
    }
    Ok(report)
}

/// The same judge on a server that does not wait for its disk: it has to find losses, or the power
/// cuts of [`run`] prove nothing.
///
/// # Errors
///
/// As [`run`].
///
/// # Panics
///
/// As [`run`].
pub fn blind_control(seed: u64) -> io::Result<Verdict> {
    let mut rng = Rng::with_seed(seed);
    let mut town = Town::new(4, &mut rng)?;
    town.restart_without_sync()?;
    // Who is away can only learn from the log what was said.
    town.send_away(0);
    town.allow(600);
    town.acked_at_least(550, STALL);
    town.kill_server(Power::Cut { torn: false }, &mut rng)?;
    town.restart_server();
    town.allow(800);
    town.acked_at_least(700, SHORT_STALL);
    // Whatever is wrong by now is what the judge has to find.
    let _ = town.settle(SHORT_STALL)?;
    town.judge()
}

/// Longest time without anything new: the machine may be busy.
const STALL: Duration = Duration::from_secs(120);
/// The same where something is expected to be broken.
const SHORT_STALL: Duration = Duration::from_secs(10);
