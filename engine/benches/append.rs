//! How many appends a store on disk takes, what they cost, and what the disk can do.
//!
//! `cargo bench -p chat-engine --bench append -- [rows before] [rows measured] [folder]`. Look at the
//! numbers, nothing here fails for being slow.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chat_engine::adapter::{MemoryStore, SqliteOptions, SqliteStore};
use chat_engine::port::{Append, Committed, DirectoryChange, Log, Random, Store, Write};
use chat_engine::{
    AccountId, AccountName, Body, ConversationId, Epoch, History, Room, SendId, Seq, Ticket,
    UnixTime,
};
use pollster::block_on;

/// Rooms that take turns.
const ROOMS: u8 = 50;
/// Bytes of a text.
const TEXT: usize = 200;

struct Noise(u64);

impl Random for Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            // xorshift64: good enough to spread ids.
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = self.0 as u8;
        }
    }
}

fn main() {
    let numbers: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let number = |at: usize, default| {
        let given = numbers.get(at).map(|text| text.replace('_', "").parse());
        given.map_or(default, |number| number.expect("a number of rows"))
    };
    let (before, measured) = (number(0, 200_000), number(1, 200_000));
    let parent = numbers.get(2).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).expect("a folder to write to");
    println!("{before} rows before, {measured} measured, {TEXT} bytes each, {ROOMS} rooms");
    println!(
        "disk: {:.0} syncs/s of 4 KiB appended",
        syncs(folder.path())
    );

    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let store = SqliteStore::open(folder.path(), SqliteOptions::default(), &mut noise)
        .expect("a new store");
    let mut bench = Bench::new(&store, noise);
    bench.fill(before);
    for batch in [64, 256, 1024] {
        bench.measure("sqlite", batch, measured);
    }
    block_on(store.close());
    let size = fs::metadata(folder.path().join("chat.db")).map_or(0, |file| file.len());
    println!("database: {} MiB", size >> 20);

    let store = MemoryStore::new();
    let mut bench = Bench::new(&store, Noise(1));
    bench.measure("memory", 64, measured);
}

struct Bench<'a> {
    store: &'a dyn Store,
    noise: Noise,
    sent: u64,
    settled: u64,
}

impl<'a> Bench<'a> {
    fn new(store: &'a dyn Store, noise: Noise) -> Self {
        let rooms = (0..ROOMS).map(|number| {
            DirectoryChange::AddRoom(Room {
                id: ConversationId([number; 16]),
                name: None,
                public: true,
                history: History::All,
                topic: String::new(),
                epoch: Epoch(1),
                head: Seq::ZERO,
                first: Seq(1),
                counted: 0,
            })
        });
        store.submit(&mut vec![(Ticket(0), Write::Change(rooms.collect()))]);
        assert!(matches!(
            block_on(store.next())[..],
            [Committed::Changed { .. }]
        ));
        Self {
            store,
            noise,
            sent: 0,
            settled: 0,
        }
    }

    fn fill(&mut self, rows: u64) {
        self.run(1024, rows);
    }

    fn measure(&mut self, name: &str, batch: u64, rows: u64) {
        let (start, cpu) = (Instant::now(), cpu_time());
        self.run(batch, rows);
        let (took, used) = (
            start.elapsed().as_secs_f64(),
            cpu_time().saturating_sub(cpu),
        );
        println!(
            "{name}, {batch} at a time: {:.0} appends/s, {:.1} us CPU each ({} rows now)",
            rows as f64 / took,
            used.as_secs_f64() * 1e6 / rows as f64,
            self.settled,
        );
    }

    /// Keeps two batches under way, as a busy hub does.
    fn run(&mut self, batch: u64, rows: u64) {
        let end = self.sent + rows;
        while self.settled < end {
            while self.sent < end && self.sent - self.settled <= batch {
                let count = batch.min(end - self.sent);
                let mut writes = (0..count).map(|_| self.write()).collect();
                self.store.submit(&mut writes);
            }
            for told in block_on(self.store.next()) {
                match told {
                    Committed::Entry { .. } => self.settled += 1,
                    Committed::Trimmed { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn write(&mut self) -> (Ticket, Write) {
        self.sent += 1;
        let mut random = [0; 10];
        self.noise.fill(&mut random);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let time = UnixTime::default() + now;
        let mut text = format!("message {} in all, ", self.sent);
        while text.len() < TEXT {
            text.push_str(["the ", "quick ", "brown ", "fox "][usize::from(text.len() as u8 % 4)]);
        }
        let append = Append {
            conversation: ConversationId([(self.sent % u64::from(ROOMS)) as u8; 16]),
            id: SendId::new(time, random),
            from: AccountId(self.sent % 100),
            from_name: AccountName::new("somebody").expect("a name"),
            time,
            body: Body::text(&text, None),
            expect: None,
            target_by: None,
            changes: Vec::new(),
        };
        (Ticket(self.sent), Write::Append(append))
    }
}

/// How often a second the disk makes a small write durable.
fn syncs(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("syncs")).expect("a file to write to");
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0; 4096]).expect("room on the disk");
        file.sync_data().expect("a disk that syncs");
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// User and system time of this process; zero where the system does not tell it like Linux.
fn cpu_time() -> Duration {
    let ticks = || -> Option<u64> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th after it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(user + system)
    };
    // A tick is 10 ms on every Linux that is in use.
    Duration::from_millis(ticks().unwrap_or(0) * 10)
}
