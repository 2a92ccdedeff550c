//! Filters in the server that are quick, slow, stuck and late by turns, on each kind of threads that a server has:
//! nothing is lost, nothing comes twice, and what somebody says in a room stays in order.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chat_engine::{
    AccountName, Answer, Body, Change, Client, ClientConfig, Command, Content, Event, Registration,
    Request, RoomName, Secret, Server, ServerConfig, Target, Trust,
};
use chat_plugin::abi;
use chat_plugin::{Plugin, Setup, Verdict, capability, declare};
use chat_plugins::{BuiltIn, Plugins, PluginsConfig, Settings};
use smol::future;

const ROOMS: [&str; 3] = ["one", "two", "three"];
const NAMES: [&str; 3] = ["ann", "ben", "cleo"];
/// What each says in all.
const LINES: usize = 450;
/// Of which so many may be on their way.
const WINDOW: usize = 24;

/// Adds its letter, each time in another way.
struct Moody<const LETTER: char> {
    calls: usize,
    later: Mutex<Sender<Box<dyn FnOnce() + Send>>>,
}

impl<const LETTER: char> Plugin for Moody<LETTER> {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.entry(0, Self::entry)?;
        let (later, jobs) = channel::<Box<dyn FnOnce() + Send>>();
        // Ends with the plugin.
        thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        Ok(Self {
            calls: LETTER as usize,
            later: Mutex::new(later),
        })
    }
}

impl<const LETTER: char> Moody<LETTER> {
    fn entry(&mut self, event: &chat_plugin::Event<'_>) -> Verdict {
        let Some(text) = event.text() else {
            return Verdict::Pass;
        };
        let verdict = Verdict::modified(format!("{text}{LETTER}"));
        self.calls += 1;
        match self.calls {
            n if n % 401 == 0 => thread::sleep(Duration::from_millis(30)),
            n if n % 211 == 0 => thread::sleep(Duration::from_millis(2)),
            n if n % 13 == 0 => {
                let deferred = event.defer().expect("an entry can be deferred");
                let job = move || {
                    let _ = deferred.resolve(&verdict);
                };
                // Often it is resolved before this function is back.
                let sent = self.later.lock().unwrap().send(Box::new(job));
                return match sent {
                    Ok(()) => Verdict::Defer,
                    Err(_) => Verdict::Fault("nobody is there".to_owned()),
                };
            }
            n if n % 29 == 0 => {
                let _ = event.host().put("calls", &n.to_le_bytes());
                let _ = event.host().count("calls", 1);
            }
            _ => {}
        }
        verdict
    }
}

macro_rules! moody {
    ($name:ident, $letter:literal, $id:literal) => {
static $name: abi::chat_plugin = declare!(Moody<$letter>, id: $id, name: "Moody", version: "1",
            license: "MIT", capabilities: capability::READ_TEXT | capability::MODIFY);
    };
}

moody!(FIRST, 'a', "org.example.a");
moody!(SECOND, 'b', "org.example.b");
moody!(THIRD, 'c', "org.example.c");
moody!(FOURTH, 'd', "org.example.d");

#[test]
fn on_one_thread_of_its_own() {
    talk(1, 0);
}

#[test]
fn on_two_threads_of_its_own() {
    talk(2, 0);
}

#[test]
fn on_threads_of_an_executor() {
    talk(0, 2);
}

#[test]
fn on_threads_of_both_kinds() {
    talk(1, 1);
}

fn talk(own: usize, executors: usize) {
    let names = ["a", "b", "c", "d"];
    let built_in = names.into_iter().zip([&FIRST, &SECOND, &THIRD, &FOURTH]);
    let plugins = Plugins::new(PluginsConfig {
        built_in: built_in
            .map(|(name, plugin)| BuiltIn::new(name, plugin).unwrap())
            .collect(),
        // A machine that is busy with something else may take its time.
        settings: names.map(|name| (name.to_owned(), patient())).into(),
        ..PluginsConfig::default()
    });
    future::block_on(async {
        let (server, work) = Server::start(ServerConfig {
            listen: vec!["127.0.0.1:0".to_owned()],
            registration: Registration::Open,
            hooks: Some(Arc::clone(&plugins) as Arc<_>),
            ..ServerConfig::default()
        })
        .await
        .unwrap();
        let own: Vec<_> = (0..own)
            .map(|_| {
                let work = work.clone();
                thread::spawn(move || work.run_on_thread())
            })
            .collect();
        let polled: Vec<_> = (0..executors)
            .map(|_| {
                let work = work.clone();
                thread::spawn(move || future::block_on(work.run()))
            })
            .collect();
        let mut clients = Vec::new();
        for name in NAMES {
            clients.push(enter(&server, name).await);
        }
        // Memberships are entries, too.
        let before = plugins.list()[0].calls;
        let talks = clients
            .into_iter()
            .map(|client| thread::spawn(move || future::block_on(talk_in_all_rooms(&client))));
        let talks: Vec<_> = talks.collect();
        for talk in talks {
            talk.join().unwrap();
        }
        for item in plugins.list() {
            assert_eq!(
                (item.state.as_str(), item.errors, item.calls - before),
                ("running", 0, (NAMES.len() * LINES) as u64),
                "{item:?}"
            );
        }
        server.drain().await;
        for thread in own.into_iter().chain(polled) {
            thread.join().unwrap();
        }
    });
}

/// Says everything, a few lines at a time, and hears what all say.
async fn talk_in_all_rooms(client: &Client) {
    let mut next = 0;
    let mut waiting = HashMap::new();
    let mut acked = BTreeMap::new();
    let mut heard: HashMap<(String, String), Vec<usize>> = HashMap::new();
    let mut entries = 0;
    while acked.len() < LINES || entries < NAMES.len() * LINES {
        while next < LINES && waiting.len() < WINDOW {
            let command = client.command(Command::Send {
                target: Target::Room(room(ROOMS[next % ROOMS.len()])),
                body: Body::text(&format!("{next} "), None),
                id: None,
                label: String::new(),
            });
            waiting.insert(command.unwrap(), next);
            next += 1;
        }
        match client.next_event().await.unwrap() {
            Event::Acked { command, seq, .. } => {
                let line = waiting.remove(&command.unwrap()).expect("acked once");
                acked.insert(line, seq);
            }
            Event::Entry { entry, .. } => {
                let Content::Text(text) = entry.body.content() else {
                    continue;
                };
                let (line, letters) = text.split_once(' ').unwrap();
                assert_eq!(letters, "abcd");
                let key = (
                    entry.from_name.to_string(),
                    format!("{:?}", entry.conversation),
                );
                heard.entry(key).or_default().push(line.parse().unwrap());
                entries += 1;
            }
            Event::Refused { refusal, .. } => panic!("{refusal}"),
            Event::Closed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    }
    for place in 0..ROOMS.len() {
        let seqs = acked
            .iter()
            .filter(|(line, _)| *line % ROOMS.len() == place);
        let seqs: Vec<_> = seqs.map(|(_, seq)| *seq).collect();
        assert!(seqs.is_sorted_by(|one, other| one < other), "{seqs:?}");
    }
    assert_eq!(heard.len(), NAMES.len() * ROOMS.len());
    for ((_, _), lines) in heard {
        let expected: Vec<_> = (lines[0]..LINES).step_by(ROOMS.len()).collect();
        assert_eq!(lines, expected);
    }
}

/// A client that is a member of all rooms.
async fn enter(server: &Server, name: &str) -> Client {
    let (client, work) = Client::open(ClientConfig {
        password: Some(Secret::new("correct horse battery")),
        register: true,
        trust: Trust::Pinned(server.fingerprint().to_owned()),
        ..ClientConfig::new(
            server.addresses()[0].to_string(),
            AccountName::new(name).unwrap(),
        )
    })
    .await
    .unwrap();
    smol::spawn(work.run()).detach();
    for place in ROOMS {
        let create = Request::Create {
            room: room(place),
            public: true,
            history: None,
        };
        let join = Request::Change {
            target: Target::Room(room(place)),
            account: None,
            change: Change::Joined,
            role: None,
            seconds: 0,
        };
        // Whoever comes first makes it.
        for request in [create, join] {
            let asked = client.command(Command::Ask(request)).unwrap();
            loop {
                match client.next_event().await.unwrap() {
                    Event::Answer {
                        command, answer, ..
                    } if command == asked => {
                        assert!(matches!(answer, Answer::Entered { .. }), "{answer:?}");
                        break;
                    }
                    Event::Refused { command, .. } if command == Some(asked) => break,
                    _ => {}
                }
            }
        }
    }
    client
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

fn patient() -> Settings {
    let value = serde_json::json!({ "deadline_ms": 60_000 });
    Settings::read(value.as_object().unwrap()).unwrap()
}
