//! Plugins in this process, asked by hand: what they may not see, whom they do not keep waiting, and how much waits
//! for them and for the engine.

mod elsewhere;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use chat_engine::adapter::MemoryStore;
use chat_engine::port::{
    self, Ask, AskPlace, CommandAsk, ConnectAsk, EntryAsk, FromHooks, Hooks, LogView, LoginAsk,
    News, PluginName, Question,
};
use chat_engine::{
    AccountId, AccountName, Body, ConversationId, LinkId, Presence, PresenceState, RoomName,
    SendId, Seq, Ticket, UnixTime,
};
use chat_plugin::abi;
use chat_plugin::{Event, Failed, Hook, Plugin, Setup, Verdict, capability, declare};
use chat_plugins::{BuiltIn, Plugins, PluginsConfig, Settings};

use elsewhere::Elsewhere;

/// Sends as much as it may.
struct Talker;

impl Plugin for Talker {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.entry(0, Self::entry)?;
        Ok(Self)
    }
}

impl Talker {
    fn entry(&mut self, event: &Event<'_>) -> Verdict {
        let mut taken = 0;
        let end = loop {
            match event.host().send("lobby", "again") {
                Ok(()) => taken += 1,
                Err(failed) => break failed,
            }
        };
        Verdict::reject(format!("{taken} {}", end == Failed::Full))
    }
}

static TALKER: abi::chat_plugin = declare!(Talker, id: "org.example.talker", name: "Talker",
    version: "1", license: "MIT", capabilities: capability::READ_TEXT | capability::REJECT | capability::SEND);

/// 256 entries wait for the engine, and no more.
#[test]
fn who_sends_more_than_is_taken_is_told_and_goes_on_when_there_is_room() {
    let plugins = with(&[("talker", &TALKER, "{}")]);
    let mut said = Vec::new();
    let speak = |ticket: u64, said: &mut Vec<u64>| {
        plugins.ask(vec![entry(ticket, room(), "speak")]);
        loop {
            for one in smol::block_on(plugins.next()) {
                match one {
                    FromHooks::Say(say) => said.push(say.token),
                    FromHooks::Verdict(_, port::Verdict::Reject(text)) => return text,
                    _ => {}
                }
            }
        }
    };
    assert_eq!(speak(1, &mut said), "256 true");
    assert_eq!(speak(2, &mut said), "0 true");
    // What becomes of them makes room, be it good or bad.
    let become_of = |token: u64, good: bool| News::Said {
        plugin: PluginName::new("talker").unwrap(),
        token,
        result: match good {
            true => Ok((ConversationId::default(), Seq(1))),
            false => Err(chat_engine::Code::NoSuchRoom.into()),
        },
    };
    plugins.tell(vec![
        become_of(said[0], true),
        become_of(said[100], false),
        become_of(said[255], true),
    ]);
    assert_eq!(speak(3, &mut said), "3 true");
    assert_eq!(said.len(), 259);
    assert_eq!(plugins.list()[0].dropped, 0);
    smol::block_on(plugins.close());
}

static TOLD: AtomicU64 = AtomicU64::new(0);

/// Tells as much as it may.
struct Teller;

impl Plugin for Teller {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.entry(0, Self::entry)?;
        Ok(Self)
    }
}

impl Teller {
    fn entry(&mut self, event: &Event<'_>) -> Verdict {
        let mut taken = 0;
        let end = loop {
            match event.reply("again") {
                Ok(()) if taken < 100_000 => taken += 1,
                Ok(()) => break None,
                Err(failed) => break Some(failed),
            }
        };
        TOLD.store(taken, Ordering::Release);
        Verdict::reject(format!("{}", end == Some(Failed::Full)))
    }
}

static TELLER: abi::chat_plugin = declare!(Teller, id: "org.example.teller", name: "Teller",
    version: "1", license: "MIT", capabilities: capability::READ_TEXT | capability::REJECT | capability::NOTICE);

/// The same for notices, until the engine has taken them.
#[test]
fn who_tells_more_than_is_taken_is_told_and_goes_on_when_there_is_room() {
    let plugins = with(&[("teller", &TELLER, "{}")]);
    for ticket in 1..4 {
        plugins.ask(vec![entry(ticket, room(), "tell")]);
        // Meanwhile nobody takes anything.
        while TOLD.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(TOLD.swap(0, Ordering::AcqRel), 256);
        let (mut notices, mut verdict) = (0, None);
        while verdict.is_none() {
            for one in smol::block_on(plugins.next()) {
                match one {
                    FromHooks::Notice(_) => notices += 1,
                    FromHooks::Verdict(_, one) => verdict = Some(one),
                    _ => {}
                }
            }
        }
        assert_eq!(verdict, Some(port::Verdict::Reject("true".to_owned())));
        assert_eq!(notices, 256);
    }
    assert_eq!(plugins.list()[0].dropped, 0);
    smol::block_on(plugins.close());
}

static GATE: Mutex<Option<Receiver<()>>> = Mutex::new(None);
static SHOWN: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Stands still at the first thing that it is shown.
struct Sleeper;

impl Plugin for Sleeper {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.on(Hook::PresencePost, 0, Self::presence)?;
        Ok(Self)
    }
}

impl Sleeper {
    fn presence(&mut self, event: &Event<'_>) -> Verdict {
        SHOWN.fetch_add(1, Ordering::Relaxed);
        DROPPED.fetch_add(event.dropped(), Ordering::Relaxed);
        let gate = GATE.lock().unwrap().take();
        let _ = gate.map(|gate| gate.recv());
        Verdict::Pass
    }
}

static SLEEPER: abi::chat_plugin = declare!(Sleeper, id: "org.example.sleeper", name: "Sleeper",
    version: "1", license: "MIT", capabilities: 0);

#[test]
fn news_that_a_slow_observer_misses_are_counted() {
    let (release, gate): (Sender<()>, _) = channel();
    *GATE.lock().unwrap() = Some(gate);
    let plugins = with(&[("sleeper", &SLEEPER, r#"{"deadline_ms":60000}"#)]);
    let presence = || {
        News::Presence(Presence {
            account: AccountName::new("ann").unwrap(),
            state: PresenceState::Online,
            text: String::new(),
            reason: None,
        })
    };
    for _ in 0..3000 {
        plugins.tell(vec![presence()]);
    }
    drop(release);
    // The next one that it is shown tells how many it missed.
    let mut told = 3000;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while SHOWN.load(Ordering::Relaxed) + DROPPED.load(Ordering::Relaxed) < told
        || DROPPED.load(Ordering::Relaxed) == 0
    {
        assert!(std::time::Instant::now() < until, "{:?}", plugins.list());
        plugins.tell(vec![presence()]);
        told += 1;
        std::thread::yield_now();
    }
    let dropped = DROPPED.load(Ordering::Relaxed);
    assert!(dropped >= 3000 - 1025, "{dropped}");
    assert!(plugins.list()[0].dropped >= dropped);
    smol::block_on(plugins.close());
}

static HELD: Mutex<Option<Receiver<()>>> = Mutex::new(None);

/// Hangs over every entry.
struct Stuck;

impl Plugin for Stuck {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.entry(0, Self::entry)?;
        Ok(Self)
    }
}

impl Stuck {
    fn entry(&mut self, _: &Event<'_>) -> Verdict {
        let gate = HELD.lock().unwrap().take();
        let _ = gate.map(|gate| gate.recv());
        Verdict::Pass
    }
}

static STUCK: abi::chat_plugin = declare!(Stuck, id: "org.example.stuck", name: "Stuck",
    version: "1", license: "MIT", capabilities: 0);

/// Refuses every login.
struct Door;

impl Plugin for Door {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.on(Hook::Login, 0, Self::login)?;
        Ok(Self)
    }
}

impl Door {
    fn login(&mut self, _: &Event<'_>) -> Verdict {
        Verdict::reject("not now")
    }
}

static DOOR: abi::chat_plugin = declare!(Door, id: "org.example.door", name: "Door",
    version: "1", license: "MIT", capabilities: capability::REJECT);

/// A second thread takes over from the one that is inside of it, long before any deadline.
#[test]
fn while_a_plugin_hangs_in_the_server_the_others_answer() {
    let (release, gate): (Sender<()>, _) = channel();
    *HELD.lock().unwrap() = Some(gate);
    let plugins = with(&[
        ("stuck", &STUCK, r#"{"deadline_ms":60000}"#),
        ("door", &DOOR, "{}"),
    ]);
    plugins.ask(vec![entry(1, room(), "hello")]);
    for ticket in 2..50 {
        plugins.ask(vec![Ask {
            ticket: Ticket(ticket),
            question: login(),
        }]);
        let answers = answers(&plugins, 1);
        assert_eq!(
            answers[&ticket],
            port::Verdict::Reject("not now".to_owned())
        );
    }
    drop(release);
    assert_eq!(answers(&plugins, 1)[&1], port::Verdict::Pass);
    smol::block_on(plugins.close());
}

/// Adds a letter to every text.
struct Letter<const LETTER: char>;

impl<const LETTER: char> Plugin for Letter<LETTER> {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.entry(0, Self::entry)?;
        Ok(Self)
    }
}

impl<const LETTER: char> Letter<LETTER> {
    fn entry(&mut self, event: &Event<'_>) -> Verdict {
        match event.text() {
            Some(text) => Verdict::modified(format!("{text}{LETTER}")),
            None => Verdict::Pass,
        }
    }
}

const BOTH: u64 = capability::READ_TEXT | capability::MODIFY;
static ROOMS: abi::chat_plugin = declare!(Letter<'r'>, id: "org.example.rooms", name: "Rooms",
    version: "1", license: "MIT", capabilities: BOTH);
static DIRECT: abi::chat_plugin = declare!(Letter<'d'>, id: "org.example.direct", name: "Direct",
    version: "1", license: "MIT", capabilities: BOTH | capability::READ_DIRECT);

/// Also where another one, or the operator, lets it be asked about.
#[test]
fn what_is_between_two_accounts_is_shown_to_those_who_may_read_it() {
    let plugins = with(&[
        ("rooms", &ROOMS, "{}"),
        ("direct", &DIRECT, "{}"),
        (
            "taken",
            &TAKEN,
            r#"{"capabilities":["read_text","modify"]}"#,
        ),
    ]);
    let bob = AskPlace::Direct(AccountName::new("bob").unwrap());
    plugins.ask(vec![entry(1, room(), "a"), entry(2, bob, "b")]);
    let answers = answers(&plugins, 2);
    let modified = |text: &str| port::Verdict::Modified(text.as_bytes().to_vec());
    assert_eq!(answers[&1], modified("adrt"));
    assert_eq!(answers[&2], modified("bd"));
    smol::block_on(plugins.close());
}

static TAKEN: abi::chat_plugin = declare!(Letter<'t'>, id: "org.example.taken", name: "Taken",
    version: "1", license: "MIT", capabilities: BOTH | capability::READ_DIRECT);

/// Answers everything later, from a thread of its own.
struct Patient;

impl Plugin for Patient {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        for hook in [Hook::Connect, Hook::Login, Hook::Entry] {
            setup.on(hook, 0, Self::later)?;
        }
        setup.command("wait", "", "waits", Self::later)?;
        Ok(Self)
    }
}

impl Patient {
    fn later(&mut self, event: &Event<'_>) -> Verdict {
        let Some(deferred) = event.defer() else {
            return Verdict::Fault("nothing can be deferred".to_owned());
        };
        let reason = event.from().unwrap_or("nobody").to_owned();
        std::thread::spawn(move || deferred.resolve(&Verdict::reject(reason)));
        Verdict::Defer
    }
}

static PATIENT: abi::chat_plugin = declare!(Patient, id: "org.example.patient", name: "Patient",
    version: "1", license: "MIT", capabilities: capability::REJECT | capability::COMMAND);

#[test]
fn whoever_is_waited_for_may_answer_later() {
    let plugins = with(&[("patient", &PATIENT, "{}")]);
    let questions = [
        Question::Connect(Arc::new(ConnectAsk {
            link: LinkId(7),
            address: "127.0.0.1".to_owned(),
        })),
        login(),
        entry(0, room(), "hello").question,
        Question::Command(Arc::new(CommandAsk {
            link: LinkId(7),
            from: AccountId(1),
            from_name: AccountName::new("ann").unwrap(),
            conversation: None,
            place: AskPlace::Nowhere,
            name: "wait".to_owned(),
            args: String::new(),
        })),
    ];
    let asks = (1..).zip(questions).map(|(ticket, question)| Ask {
        ticket: Ticket(ticket),
        question,
    });
    plugins.ask(asks.collect());
    let reject = |reason: &str| port::Verdict::Reject(reason.to_owned());
    let expected = [
        (1, reject("nobody")),
        (2, reject("ann")),
        (3, reject("ann")),
        (4, reject("ann")),
    ];
    assert_eq!(answers(&plugins, 4), BTreeMap::from(expected));
    assert_eq!(plugins.list()[0].errors, 0);
    smol::block_on(plugins.close());
}

/// Does not start.
struct Unwilling;

impl Plugin for Unwilling {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.host().log(chat_plugin::Level::Warn, "nothing is set");
        setup.host().log(chat_plugin::Level::Info, "good bye");
        match setup.host().config("says") {
            Some(why) => Err(why),
            None => Err("the key `says` is missing".to_owned()),
        }
    }
}

static UNWILLING: abi::chat_plugin = declare!(Unwilling, id: "org.example.unwilling", name: "Unwilling",
    version: "1", license: "MIT", capabilities: 0);

#[test]
fn the_list_says_why_a_plugin_did_not_start() {
    let plugins = begun(&[("unwilling", &UNWILLING, "{}")]);
    let item = &plugins.list()[0];
    assert_eq!(item.state, "refused");
    assert!(
        item.why.contains("the key `says` is missing"),
        "{}",
        item.why
    );
    smol::block_on(plugins.close());
}

fn login() -> Question {
    Question::Login(Arc::new(LoginAsk {
        link: LinkId(7),
        name: AccountName::new("ann").unwrap(),
        device: "desk".to_owned(),
        register: false,
    }))
}

fn with(all: &[(&str, &'static abi::chat_plugin, &str)]) -> Arc<Plugins> {
    let plugins = begun(all);
    for item in plugins.list() {
        assert_eq!(item.state, "running", "{item:?}");
    }
    plugins
}

fn begun(all: &[(&str, &'static abi::chat_plugin, &str)]) -> Arc<Plugins> {
    let settings = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        Settings::read(value.as_object().unwrap()).unwrap()
    };
    let plugins = Plugins::new(PluginsConfig {
        built_in: all
            .iter()
            .map(|(name, plugin, _)| BuiltIn::new(name, plugin).unwrap())
            .collect(),
        settings: all
            .iter()
            .map(|(name, _, json)| ((*name).to_owned(), settings(json)))
            .collect(),
        ..PluginsConfig::default()
    });
    let log = LogView::new(Arc::new(MemoryStore::new()));
    let working = Arc::clone(&plugins).run(log, Arc::new(Elsewhere));
    smol::spawn(working).detach();
    plugins.subscriptions();
    plugins
}

fn room() -> AskPlace {
    AskPlace::Room(RoomName::new("lobby").unwrap())
}

fn entry(ticket: u64, place: AskPlace, text: &str) -> Ask {
    Ask {
        ticket: Ticket(ticket),
        question: Question::Entry(Arc::new(EntryAsk {
            conversation: ConversationId::default(),
            place,
            from: AccountId(1),
            from_name: AccountName::new("ann").unwrap(),
            id: SendId::default(),
            time: UnixTime(0),
            body: Body::text(text, None),
        })),
    }
}

fn answers(plugins: &Plugins, count: usize) -> BTreeMap<u64, port::Verdict> {
    let mut verdicts = BTreeMap::new();
    while verdicts.len() < count {
        for said in smol::block_on(plugins.next()) {
            if let FromHooks::Verdict(ticket, verdict) = said {
                verdicts.insert(ticket.0, verdict);
            }
        }
    }
    verdicts
}
