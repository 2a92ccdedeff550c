//! Injects faults into a server and its clients, and prints what it cost.
//!
//! The binary under test is the one that the environment variable `CHAT_CLI` names.

use std::process::ExitCode;
use std::time::Duration;

use chat_tests::faults::{self, Plan};
use clap::Parser;

/// Kills, cuts and power cuts on real processes. Exit code 1 when the promise was broken.
#[derive(Debug, Parser)]
#[command(name = "chat-faults")]
struct Args {
    /// Of the faults' order and kind [default: random].
    #[arg(long)]
    seed: Option<u64>,
    /// Kills of the server, power cuts included.
    #[arg(long, default_value_t = 14)]
    kills: usize,
    /// At how many of the kills the power is cut as well [default: a third].
    #[arg(long)]
    power_loss: Option<usize>,
    /// Cut connections.
    #[arg(long, default_value_t = 14)]
    cuts: usize,
    /// Messages that are to be acknowledged, at least.
    #[arg(long, default_value_t = 5_000)]
    messages: u64,
    /// Clients, 4 to 10.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(4..=10))]
    clients: u8,
    /// The time for all of it; faults that do not fit fail the run.
    #[arg(long, default_value_t = 3_600)]
    seconds: u64,
    /// Leave out the control: a server that does not sync, on which losses must be found.
    #[arg(long)]
    no_control: bool,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    eprintln!("seed {seed}");
    let plan = Plan {
        seed,
        kills: args.kills,
        power_cuts: args.power_loss.unwrap_or(args.kills / 3).min(args.kills),
        cuts: args.cuts,
        messages: args.messages,
        limit: Duration::from_secs(args.seconds),
        clients: args.clients.into(),
    };
    let result = faults::run(&plan).and_then(|mut report| {
        if plan.power_cuts > 0 && !args.no_control {
            report.control = Some(faults::blind_control(seed)?);
        }
        Ok(report)
    });
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            eprintln!("chat-faults: {error}");
            return ExitCode::from(2);
        }
    };
    match args.json {
        true => println!("{}", report.to_json()),
        false => print!("{report}"),
    }
    match report.is_good() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
