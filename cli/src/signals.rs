//! SIGINT and SIGTERM.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
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
            if !first || AT_ONCE.load(Ordering::Relaxed) {
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

/// Does something that blocks, such as a question to a person, and lets the first signal end the
/// program meanwhile: nobody else could.
pub(crate) fn at_once<T>(ask: impl FnOnce() -> T) -> T {
    AT_ONCE.store(true, Ordering::Relaxed);
    let answer = ask();
    AT_ONCE.store(false, Ordering::Relaxed);
    answer
}

static AT_ONCE: AtomicBool = AtomicBool::new(false);
