//! How far files are: bars on a terminal, nothing elsewhere.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::path::Path;

use chat_engine::SendId;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bars of the transfers that move, on stderr.
#[derive(Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    bars: HashMap<SendId, ProgressBar>,
}

impl Bars {
    pub(crate) fn new() -> Self {
        let target = match io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr_with_hz(HERTZ),
            false => ProgressDrawTarget::hidden(),
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            bars: HashMap::new(),
        }
    }

    /// So far.
    pub(crate) fn show(&mut self, id: SendId, done: u64, size: u64) {
        let all = &self.all;
        let bar = self.bars.entry(id).or_insert_with(|| {
            let style = ProgressStyle::with_template(TEMPLATE);
            let bar = ProgressBar::new(size)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            let bar = all.add(bar);
            // What an earlier run moved is not this one's speed.
            bar.set_position(done);
            bar.reset_eta();
            bar
        });
        bar.set_length(size);
        bar.set_position(done);
    }

    /// The transfer ended.
    pub(crate) fn end(&mut self, id: SendId) {
        if let Some(bar) = self.bars.remove(&id) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Prints something that the bars must not be in the way of.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match self.bars.is_empty() {
            true => print(),
            false => self.all.suspend(print),
        }
    }
}

/// The media type that the ending of a file's name stands for; empty where it stands for none.
pub(crate) fn media_type(path: &Path) -> String {
    let guess = mime_guess::from_path(path).first();
    guess.map(|guess| guess.to_string()).unwrap_or_default()
}

const HERTZ: u8 = 5;
const TEMPLATE: &str = "{bar:30} {bytes:>10} of {total_bytes} {bytes_per_sec:>12}, {eta} left";
