//! SIGINT and SIGTERM.

use std::io;
use std::process;
use std::thread;

use async_channel::Receiver;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::Failure;

/// Tells of the first signal; the second one ends the program at once.
pub(crate) fn watch() -> Result<Receiver<i32>, Failure> {
    let failed = |error: io::Error| Failure::Failed(format!("cannot watch for signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let (sender, receiver) = async_channel::bounded(1);
    let watcher = move || {
        let mut first = true;
        for signal in signals.forever() {
            if !first {
                // What a shell says of a program that the signal killed.
                process::exit(128 + signal);
            }
            first = false;
            // The receiver may have left on its own.
            let _ = sender.try_send(signal);
        }
    };
    thread::Builder::new()
        .name("chat-signals".to_owned())
        .spawn(watcher)
        .map_err(failed)?;
    Ok(receiver)
}
