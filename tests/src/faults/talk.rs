//! What the clients say, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::player::{Board, Mouth, Seat};

/// Keeps every client talking, up to so many messages in all.
#[derive(Debug)]
pub(super) struct Talk {
    shared: Arc<Shared>,
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    allowed: AtomicU64,
    unleashed: AtomicBool,
    ended: AtomicBool,
}

impl Shared {
    /// Counts answers and what waits for one: what was told to a client that was killed may be gone.
    fn may_say(&self, board: &Board) -> bool {
        let count = |seat: &Seat| seat.acked + seat.open.len() as u64;
        let told: u64 = board.seats().iter().map(count).sum();
        self.unleashed.load(Ordering::Relaxed) || told < self.allowed.load(Ordering::Relaxed)
    }
}

/// One client's part in it.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) mouth: Mouth,
    pub(super) places: Vec<Spot>,
}

/// A conversation as one of its members names it.
#[derive(Debug)]
pub(super) struct Spot {
    /// The judge's name for it.
    pub(super) place: String,
    /// `room` or `to`.
    pub(super) field: &'static str,
    /// Which one.
    pub(super) name: String,
    /// The next number.
    pub(super) number: u64,
}

impl Talk {
    pub(super) fn start(mut voices: Vec<Voice>, board: &Arc<Board>, seed: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let (ours, bell) = (Arc::clone(&shared), Arc::clone(board));
        let thread = thread::spawn(move || {
            let mut rng = Rng::with_seed(seed);
            while !ours.ended.load(Ordering::Relaxed) {
                let mut quiet = true;
                for (seat, voice) in voices.iter_mut().enumerate() {
                    if ours.may_say(&bell) && say(voice, seat, &bell, &mut rng) {
                        quiet = false;
                    }
                }
                if quiet {
                    let open: usize = bell.seats().iter().map(|seat| seat.open.len()).sum();
                    // Any line may be an answer, and so is the bell.
                    bell.wait(Duration::from_millis(50), |seats| {
                        seats.iter().map(|seat| seat.open.len()).sum::<usize>() < open
                    });
                }
            }
        });
        Self {
            shared,
            board: Arc::clone(board),
            thread: Some(thread),
        }
    }

    /// So many messages in all may be said.
    pub(super) fn allow(&self, messages: u64) {
        self.shared.allowed.fetch_max(messages, Ordering::Relaxed);
        self.board.ring();
    }

    /// Nothing more is said.
    pub(super) fn end(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// As many as the server takes: for a fault that needs traffic.
    pub(super) fn unleash(&self) {
        self.shared.unleashed.store(true, Ordering::Relaxed);
        self.board.ring();
    }

    /// The end of that.
    pub(super) fn leash(&self) {
        self.shared.unleashed.store(false, Ordering::Relaxed);
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.end();
    }
}

fn say(voice: &mut Voice, seat: usize, board: &Board, rng: &mut Rng) -> bool {
    let at = rng.usize(0..voice.places.len());
    let spot = &mut voice.places[at];
    let label = format!("{} {}", spot.place, spot.number);
    {
        let mut seats = board.seats();
        let seat = &mut seats[seat];
        if seat.ended || seat.open.len() >= WINDOW {
            return false;
        }
        seat.open.insert(label.clone(), false);
    }
    let mut line = json!({"type": "send", "ref": label, "text": text(&label, rng)});
    line[spot.field] = Value::from(spot.name.as_str());
    // A number that was not used is no hole: only order counts.
    spot.number += 1;
    let taken = voice.mouth.say(&line.to_string());
    if !taken {
        board.seats()[seat].open.remove(&label);
    }
    taken
}

/// Mostly short, sometimes longer than what one write takes.
fn text(label: &str, rng: &mut Rng) -> String {
    let length = match rng.u8(0..32) {
        0 => rng.usize(1_000..3_000),
        _ => rng.usize(0..120),
    };
    format!("{label} {}", "x".repeat(length))
}

/// Sends of one client without an answer. All of them fit into the pipe to a stopped one.
const WINDOW: usize = 32;
