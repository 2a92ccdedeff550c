//! Logs go to stderr: stdout belongs to what the program prints.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::args::{Args, LogFormat, Verb};
use crate::exit::Failure;

pub(crate) fn start(args: &Args) -> Result<(), Failure> {
    let usual = match args.verb {
        Verb::Serve(_) => "info",
        _ => "warn",
    };
    let wanted = args.log.as_deref().unwrap_or(usual);
    let filter = EnvFilter::try_new(wanted)
        .map_err(|error| Failure::Usage(format!("--log {wanted}: {error}")))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    let started = match args.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| Failure::Failed(format!("cannot start the log: {error}")))
}
