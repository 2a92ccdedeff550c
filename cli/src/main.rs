//! The reference server and client of libchat.

mod args;
mod bars;
mod bench;
mod config;
mod connect;
mod control;
mod exit;
mod log;
mod man;
mod paths;
mod plugin;
mod send;
mod serve;
mod signals;
mod size;
mod user;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Verb};
use crate::exit::Failure;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(args: Args) -> Result<(), Failure> {
    log::start(&args)?;
    match args.verb {
        Verb::Serve(args) => serve::run(args),
        Verb::Connect(args) => connect::run(&args),
        Verb::Send(args) => send::run(&args),
        Verb::User(args) => user::user(&args),
        Verb::Invite(args) => user::invite(&args),
        Verb::Key(args) => user::key(&args),
        Verb::Backup(args) => user::backup(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Plugin(args) => plugin::run(&args),
        Verb::PluginHost { .. } => chat_plugins::helper().map_err(Failure::Usage),
        Verb::Man(args) => man::write(&args.dir),
    }
}
