//! What hooks cost the hub: nobody set, set without a subscriber, and asked about every entry.
//!
//! `cargo bench -p chat-engine --bench hooks -- [messages]`. Everything is in memory and on one thread, and
//! verdicts are given at once: what a plugin and its host cost comes on top. The three are measured in
//! turns, and the medians of all rounds are shown. Look at the numbers, nothing here fails for being slow.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chat_engine::adapter::MemoryStore;
use chat_engine::hub::{Effect, Hub, Input, Policy};
use chat_engine::model::Now;
use chat_engine::port::{
    FromHooks, HookSet, Log as _, Random, Snapshot, Subscriptions, Tail as _, Verdict,
};
use chat_engine::*;
use pollster::block_on;

/// Sends under way at a time.
const WINDOW: usize = 16;
/// Bytes of a text.
const TEXT: usize = 200;
const ROUNDS: usize = 9;

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
    let given = std::env::args().skip(1).find(|arg| arg != "--bench");
    let messages: usize = given.map_or(50_000, |text| text.parse().expect("a number"));
    let modes = [
        ("without a subscriber", HookSet::NONE),
        ("an observer's wake-up", HookSet::TAIL),
        ("asked about each entry", HookSet::ENTRY),
    ];
    println!("{messages} messages of {TEXT} bytes, window {WINDOW}, one room of one");
    let mut taken = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (mode, (_, hooks)) in modes.iter().enumerate() {
            taken[mode].push(Desk::new(*hooks).send(messages));
        }
    }
    let medians = taken.map(|mut nanos| {
        nanos.sort_unstable_by(f64::total_cmp);
        nanos[ROUNDS / 2]
    });
    for ((name, _), nanos) in modes.iter().zip(medians) {
        let more = nanos - medians[0];
        println!("{name}: {nanos:.0} ns a message, {more:+.0} ns");
    }
}

/// A hub with a store, and one person who talks.
struct Desk {
    hub: Hub,
    store: MemoryStore,
    now: Now,
    noise: Noise,
    sent: u32,
    acked: usize,
    credit: u64,
}

const LINK: LinkId = LinkId(1 << 32);

impl Desk {
    fn new(hooks: HookSet) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let policy = Policy {
            registration: Registration::Open,
            lobby: RoomName::new("lobby").ok(),
            epoch_seed: [1; 16],
            durable: false,
            files: chat_engine::FileRules::default(),
        };
        let mut desk = Self {
            hub: Hub::new(policy, Snapshot::default(), Box::new(Noise(1))),
            store: MemoryStore::new(),
            now: Now {
                time: Time(1_000_000),
                date: UnixTime(since.as_micros() as u64),
            },
            noise: Noise(0x9e37_79b9_7f4a_7c15),
            sent: 0,
            acked: 0,
            credit: 0,
        };
        let mut out = Vec::new();
        desk.hub.start(desk.now, &mut out);
        desk.perform(out);
        desk.feed(vec![Input::Accepted {
            link: LINK,
            from: 0,
            address: String::new(),
        }]);
        let login = Login {
            account: "ann".into(),
            password: None,
            register: true,
            invite: None,
            device: String::new(),
            capabilities: Vec::new(),
            enroll: true,
            extensions: Extensions::default(),
        };
        desk.feed(vec![Input::Login {
            link: LINK,
            key: [7; 32],
            login: Box::new(login),
        }]);
        let resume = ToServer::Resume(Resume::default());
        desk.frame(resume);
        desk.hub.subscribe(Subscriptions {
            hooks,
            commands: Vec::new(),
        });
        desk
    }

    /// Sends so many texts; nanoseconds for each.
    fn send(&mut self, messages: usize) -> f64 {
        let text = "x".repeat(TEXT);
        let target = Target::Room(RoomName::new("lobby").unwrap());
        let begin = Instant::now();
        while self.acked < messages {
            let inputs = (0..WINDOW).map(|_| {
                self.sent += 1;
                let mut random = [0; 10];
                self.noise.fill(&mut random);
                let send = Send {
                    request: RequestId(self.sent),
                    target: target.clone(),
                    id: SendId::new(self.now.date, random),
                    again: false,
                    body: Body::text(&text, None),
                };
                Input::Frame {
                    link: LINK,
                    message: ToServer::Send(send),
                }
            });
            let inputs = inputs.collect();
            self.feed(inputs);
            let credit = std::mem::take(&mut self.credit);
            self.frame(ToServer::Credit(credit));
        }
        begin.elapsed().as_nanos() as f64 / self.acked as f64
    }

    fn frame(&mut self, message: ToServer) {
        let link = LINK;
        self.feed(vec![Input::Frame { link, message }]);
    }

    fn feed(&mut self, inputs: Vec<Input>) {
        let mut out = Vec::new();
        for input in inputs {
            self.hub.handle(input, self.now, &mut out);
        }
        self.perform(out);
    }

    fn perform(&mut self, mut effects: Vec<Effect>) {
        while !effects.is_empty() {
            let (mut writes, mut next) = (Vec::new(), Vec::new());
            for effect in effects.drain(..) {
                match effect {
                    Effect::Write(ticket, write) => writes.push((ticket, write)),
                    Effect::Ask(ask) => {
                        let ticket = ask.ticket;
                        // As a host does, which is done with the question before it answers.
                        drop(ask);
                        next.push(Input::Hooks(FromHooks::Verdict(ticket, Verdict::Pass)));
                    }
                    Effect::Send(_, ToClient::Ack { .. }) => self.acked += 1,
                    Effect::Send(_, ToClient::Denied(refusal) | ToClient::Error(_, refusal)) => {
                        panic!("refused: {refusal}");
                    }
                    Effect::Fan(_, entry) => self.credit += Arc::as_ref(&entry).cost(),
                    Effect::Send(_, ToClient::Entry(entry)) => self.credit += entry.cost(),
                    _ => {}
                }
            }
            if !writes.is_empty() {
                self.store.submit(&mut writes);
                next.extend(
                    block_on(self.store.next())
                        .into_iter()
                        .map(Input::Committed),
                );
            }
            for input in next {
                self.hub.handle(input, self.now, &mut effects);
            }
        }
    }
}
