//! Plugins that a program brings with it: the same contract, without any file.

mod elsewhere;

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::future::Future;
use std::ptr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chat_engine::adapter::MemoryStore;
use chat_engine::port::{
    self, Ask, AskPlace, EntryAsk, FromHooks, HookSet, Hooks, LogView, Question,
};
use chat_engine::{
    AccountId, AccountName, Admin, Body, Client, ClientConfig, Command, Content, ConversationId,
    Error, Event, Registration, RoomName, Secret, SendId, Server, ServerConfig, Target, Ticket,
    Trust, UnixTime,
};
use chat_plugin::abi;
use chat_plugin::{Hook, Plugin, Setup, Verdict, capability, declare};
use chat_plugins::{BuiltIn, Plugins, PluginsConfig, Settings};

use elsewhere::Elsewhere;

const ALL: u64 = capability::READ_TEXT | capability::MODIFY | capability::REJECT;

/// Adds a letter to every text.
struct Letter<const LETTER: char>;

impl<const LETTER: char> Plugin for Letter<LETTER> {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        let priority = setup.host().config_as("wants", 0)?;
        setup.entry(priority, Self::entry)?;
        Ok(Self)
    }
}

impl<const LETTER: char> Letter<LETTER> {
    fn entry(&mut self, event: &chat_plugin::Event<'_>) -> Verdict {
        match event.text() {
            Some("panic") => panic!("as it was told"),
            Some(text) => Verdict::modified(format!("{text}{LETTER}")),
            None => Verdict::Pass,
        }
    }
}

static FIRST: abi::chat_plugin = declare!(Letter<'1'>, id: "org.example.first", name: "First",
    version: "1", license: "MIT", capabilities: ALL);
static SECOND: abi::chat_plugin = declare!(Letter<'2'>, id: "org.example.second", name: "Second",
    version: "1", license: "MIT", capabilities: ALL);

#[test]
fn filters_are_a_fold_in_the_order_of_their_priorities() {
    // Ties go by id; a plugin's own wish counts; the operator's word wins.
    for (first, second, expected) in [
        ("{}", "{}", "x12"),
        ("{}", r#"{"wants":5}"#, "x21"),
        (r#"{"priority":9}"#, r#"{"wants":5}"#, "x12"),
        (r#"{"wants":1}"#, r#"{"priority":2}"#, "x21"),
    ] {
        let settings = BTreeMap::from([
            ("first".to_owned(), settings(first)),
            ("second".to_owned(), settings(second)),
        ]);
        let built_in = || {
            vec![
                BuiltIn::new("second", &SECOND).unwrap(),
                BuiltIn::new("first", &FIRST).unwrap(),
            ]
        };
        talk(settings, built_in, async |ann, _| {
            assert_eq!(say(&ann, "x").await.unwrap(), expected);
            // Caught, counted, and passed over; the other one still works.
            let text = say(&ann, "panic").await.unwrap();
            assert!(
                text == "panic1" || text == "panic2" || text == "panic",
                "{text}"
            );
        });
    }
}

/// Lets nobody in whose name begins with "mal".
struct Door;

impl Plugin for Door {
    fn init(setup: &mut Setup<'_, Self>) -> Result<Self, String> {
        setup.on(Hook::Login, 0, Self::login)?;
        Ok(Self)
    }
}

impl Door {
    fn login(&mut self, event: &chat_plugin::Event<'_>) -> Verdict {
        match event.from() {
            Some(name) if name.starts_with("mal") => Verdict::reject("not you"),
            Some("broken") => Verdict::Fault("it can't say".to_owned()),
            _ => Verdict::Pass,
        }
    }
}

static DOOR: abi::chat_plugin = declare!(Door, id: "org.example.door", name: "Door",
    version: "1", license: "MIT", capabilities: capability::REJECT);

#[test]
fn a_login_is_refused_by_word_and_by_fault() {
    let built_in = || vec![BuiltIn::new("door", &DOOR).unwrap()];
    talk(BTreeMap::new(), built_in, async |ann, server| {
        assert_eq!(say(&ann, "hello").await.unwrap(), "hello");
        let refused = login(&server, "mallory").await.unwrap_err();
        assert!(refused.contains("not you"), "{refused}");
        // By default a login that nobody can judge is refused, for now.
        let refused = login(&server, "broken").await.unwrap_err();
        assert!(refused.starts_with("again in"), "{refused}");
    });
}

// A plugin as C would write it: keeps its host beyond its own end, and hangs when told.

static HOST: Mutex<usize> = Mutex::new(0);
static GATE: Mutex<Option<Receiver<()>>> = Mutex::new(None);
/// One test at a time has the gate.
static TURN: Mutex<()> = Mutex::new(());

unsafe extern "C" fn bare_entry(
    _: *mut c_void,
    _: *const abi::chat_host,
    event: *const abi::chat_plugin_event,
) -> i32 {
    // SAFETY: the server's event.
    let event = unsafe { &*event };
    let hangs = !event.text.is_null()
        // SAFETY: its text ends with a NUL.
        && unsafe { std::ffi::CStr::from_ptr(event.text) }.to_bytes() == b"hang";
    if hangs {
        let gate = GATE.lock().unwrap().take();
        // Until the test lets go.
        let _ = gate.map(|gate| gate.recv());
    }
    abi::CHAT_PASS
}

unsafe extern "C" fn bare_init(host: *const abi::chat_host, _: *mut *mut c_void) -> i32 {
    *HOST.lock().unwrap() = host.expose_provenance();
    // SAFETY: the table's own function.
    unsafe { (*host).hook.unwrap()(host, abi::CHAT_HOOK_ENTRY, 0, Some(bare_entry)) }
}

static BARE: abi::chat_plugin = abi::chat_plugin {
    size: size_of::<abi::chat_plugin>() as u32,
    abi: abi::CHAT_PLUGIN_ABI,
    id: c"org.example.bare".as_ptr(),
    name: c"Bare".as_ptr(),
    version: c"1".as_ptr(),
    license: c"MIT".as_ptr(),
    capabilities: abi::CHAT_CAP_READ_TEXT | abi::CHAT_CAP_SEND,
    flags: 0,
    init: Some(bare_init),
    destroy: None,
    save: None,
    restore: None,
};

#[test]
fn a_hung_plugin_is_retired_and_its_late_calls_are_told_so() {
    let _turn = TURN.lock();
    for threads in [Threads::Own, Threads::Executors] {
        let (release, gate): (Sender<()>, _) = channel();
        *GATE.lock().unwrap() = Some(gate);
        let settings = BTreeMap::from([("bare".to_owned(), settings(r#"{"deadline_ms":100}"#))]);
        let plugins = plugins(settings, vec![BuiltIn::new("bare", &BARE).unwrap()]);
        let held = Arc::clone(&plugins);
        talk_with(threads, plugins, async |ann, _| {
            let host: *const abi::chat_host = ptr::with_exposed_provenance(*HOST.lock().unwrap());
            // SAFETY: the table lives as long as the process, whatever becomes of the plugin.
            let send = |room: &std::ffi::CStr| unsafe {
                (*host).send.unwrap()(host, room.as_ptr(), ptr::null(), c"late".as_ptr())
            };
            assert_eq!(say(&ann, "hang").await.unwrap(), "hang");
            assert_eq!(say(&ann, "more").await.unwrap(), "more");
            let item = held.list().remove(0);
            assert_eq!(
                (item.state.as_str(), item.errors),
                ("tripped", 1),
                "{item:?}"
            );
            assert!(item.why.contains("hangs in its entry hook"), "{item:?}");
            assert_eq!(send(c"lobby"), abi::CHAT_RETIRED);
            drop(release);
            assert_eq!(say(&ann, "and more").await.unwrap(), "and more");
        });
    }
}

#[test]
fn a_server_of_one_thread_goes_on_while_a_filter_keeps_it() {
    let _turn = TURN.lock();
    let settings = BTreeMap::from([("bare".to_owned(), settings(r#"{"deadline_ms":60000}"#))]);
    let plugins = plugins(settings, vec![BuiltIn::new("bare", &BARE).unwrap()]);
    let held = Arc::clone(&plugins);
    talk_with(Threads::Own, plugins, async |ann, server| {
        let (release, gate): (Sender<()>, _) = channel();
        *GATE.lock().unwrap() = Some(gate);
        send(&ann, "hang");
        // Nobody filters logins, and nobody who logs in waits for the filter.
        login(&server, "ben").await.unwrap();
        drop(release);
        assert_eq!(said(&ann, "hang").await.unwrap(), "hang");
        assert_eq!(say(&ann, "hello").await.unwrap(), "hello");
        let item = held.list().remove(0);
        assert_eq!(
            (item.state.as_str(), item.errors),
            ("running", 0),
            "{item:?}"
        );
    });
}

#[test]
fn a_server_of_one_thread_ends_while_a_filter_keeps_it() {
    let _turn = TURN.lock();
    let settings = BTreeMap::from([("bare".to_owned(), settings(r#"{"deadline_ms":60000}"#))]);
    let plugins = plugins(settings, vec![BuiltIn::new("bare", &BARE).unwrap()]);
    let (release, gate): (Sender<()>, _) = channel();
    *GATE.lock().unwrap() = Some(gate);
    talk_with(Threads::Own, plugins, async |ann, server| {
        send(&ann, "hang");
        while GATE.lock().unwrap().is_some() {
            smol::future::yield_now().await;
        }
        server.drain().await;
        // Else this one would be asked for ever.
        let asked = server.admin(Admin::Stats).await;
        assert!(matches!(asked, Err(Error::Closed)), "{asked:?}");
        // Only now the thread comes back, and finds that all is over.
        drop(release);
    });
}

// A plugin that answers "later" from its next call, before the server can have taken note that it was deferred.

static LATER: Mutex<Option<usize>> = Mutex::new(None);
static RESOLVED: Mutex<Vec<i32>> = Mutex::new(Vec::new());

unsafe extern "C" fn quick_entry(
    _: *mut c_void,
    host: *const abi::chat_host,
    event: *const abi::chat_plugin_event,
) -> i32 {
    // SAFETY: the server's event, whose text ends with a NUL.
    let text = unsafe { std::ffi::CStr::from_ptr((*event).text) };
    if text.to_bytes() == b"later" {
        *LATER.lock().unwrap() = Some(event.expose_provenance());
        return abi::CHAT_DEFER;
    }
    if let Some(deferred) = LATER.lock().unwrap().take() {
        let deferred: *const abi::chat_plugin_event = ptr::with_exposed_provenance(deferred);
        // SAFETY: the table's own function, which finds the table of that name; a deferred event lives until
        // it is resolved.
        let status = unsafe {
            let table = (*host).extension.unwrap()(host, c"chat.defer/1".as_ptr());
            (*table.cast::<abi::chat_ext_defer>()).resolve.unwrap()(
                host,
                deferred,
                abi::CHAT_REJECT,
            )
        };
        RESOLVED.lock().unwrap().push(status);
    }
    abi::CHAT_PASS
}

unsafe extern "C" fn quick_init(host: *const abi::chat_host, _: *mut *mut c_void) -> i32 {
    // SAFETY: the table's own function.
    unsafe { (*host).hook.unwrap()(host, abi::CHAT_HOOK_ENTRY, 0, Some(quick_entry)) }
}

static QUICK: abi::chat_plugin = abi::chat_plugin {
    id: c"org.example.quick".as_ptr(),
    name: c"Quick".as_ptr(),
    init: Some(quick_init),
    capabilities: ALL,
    ..BARE
};

#[test]
fn an_answer_that_comes_before_the_word_that_it_comes_later_counts() {
    let plugins = plugins(
        BTreeMap::new(),
        vec![BuiltIn::new("quick", &QUICK).unwrap()],
    );
    let log = LogView::new(Arc::new(MemoryStore::new()));
    let observing = Arc::clone(&plugins).run(log, Arc::new(Elsewhere));
    smol::spawn(observing).detach();
    let wanted = plugins.subscriptions().hooks;
    assert!(wanted.contains(HookSet::ENTRY), "{:?}", plugins.list());
    for round in 0..50 {
        let ask = |ticket: u64, text: &str| Ask {
            ticket: Ticket(2 * round + ticket),
            question: Question::Entry(Arc::new(EntryAsk {
                conversation: ConversationId::default(),
                place: AskPlace::Room(RoomName::new("lobby").unwrap()),
                from: AccountId(1),
                from_name: AccountName::new("ann").unwrap(),
                id: SendId::default(),
                time: UnixTime(0),
                body: Body::text(text, None),
            })),
        };
        // Both at once: one turn of a worker.
        plugins.ask(vec![ask(0, "later"), ask(1, "now")]);
        let mut verdicts = BTreeMap::new();
        while verdicts.len() < 2 {
            for said in smol::block_on(plugins.next()) {
                if let FromHooks::Verdict(ticket, verdict) = said {
                    verdicts.insert(ticket.0 - 2 * round, verdict);
                }
            }
        }
        let expected = [
            (0, port::Verdict::Reject(String::new())),
            (1, port::Verdict::Pass),
        ];
        assert_eq!(verdicts, BTreeMap::from(expected));
    }
    assert_eq!(*RESOLVED.lock().unwrap(), [abi::CHAT_OK; 50]);
    let item = plugins.list().remove(0);
    assert_eq!((item.calls, item.errors), (100, 0), "{item:?}");
    smol::block_on(plugins.close());
}

#[test]
fn what_is_no_plugin_is_refused_at_once() {
    // SAFETY: each is a whole description that lives, or NULL.
    let refused =
        |plugin: *const abi::chat_plugin| unsafe { BuiltIn::from_raw("x", plugin).unwrap_err() };
    assert!(refused(ptr::null()).contains("no plugin"));
    let newer = Box::leak(Box::new(abi::chat_plugin { abi: 2, ..BARE }));
    assert!(refused(newer).contains("update the server"));
    let odd = Box::leak(Box::new(abi::chat_plugin {
        id: c"a b".as_ptr(),
        ..BARE
    }));
    assert!(refused(odd).contains("org.example.shout"));
    let dead = Box::leak(Box::new(abi::chat_plugin { init: None, ..BARE }));
    assert!(refused(dead).contains("no init"));
    assert!(
        BuiltIn::new("two words", &BARE)
            .unwrap_err()
            .contains("name")
    );
}

fn settings(json: &str) -> Settings {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    Settings::read(value.as_object().unwrap()).unwrap()
}

fn plugins(settings: BTreeMap<String, Settings>, built_in: Vec<BuiltIn>) -> Arc<Plugins> {
    Plugins::new(PluginsConfig {
        settings,
        built_in,
        ..PluginsConfig::default()
    })
}

/// On which threads the server works.
#[derive(Clone, Copy)]
enum Threads {
    /// On one of its own: filters are called there.
    Own,
    /// On those of an executor, which no filter may keep.
    Executors,
}

/// A server with plugins, and ann in it: once on each kind of threads.
fn talk<F: Future<Output = ()>>(
    settings: BTreeMap<String, Settings>,
    built_in: impl Fn() -> Vec<BuiltIn>,
    script: impl Fn(Client, Server) -> F,
) {
    for threads in [Threads::Own, Threads::Executors] {
        talk_with(threads, plugins(settings.clone(), built_in()), &script);
    }
}

fn talk_with<F: Future<Output = ()>>(
    threads: Threads,
    plugins: Arc<Plugins>,
    script: impl FnOnce(Client, Server) -> F,
) {
    smol::block_on(async {
        let (server, work) = Server::start(ServerConfig {
            listen: vec!["127.0.0.1:0".to_owned()],
            registration: Registration::Open,
            hooks: Some(plugins),
            ..ServerConfig::default()
        })
        .await
        .unwrap();
        let serving = match threads {
            Threads::Own => smol::unblock(move || work.run_on_thread()),
            Threads::Executors => smol::spawn(work.run()),
        };
        let ann = login(&server, "ann").await.unwrap();
        script(ann, server.clone()).await;
        server.drain().await;
        serving.await;
    });
}

async fn login(server: &Server, name: &str) -> Result<Client, String> {
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
    .map_err(|error| error.to_string())?;
    smol::spawn(work.run()).detach();
    while let Some(event) = client.next_event().await {
        match &event {
            Event::Connected { .. } => return Ok(client),
            Event::Reconnecting { .. } => return Err(format!("again in a while: {event:?}")),
            Event::Closed {
                error: Some(error), ..
            } => return Err(error.to_string()),
            _ => {}
        }
    }
    Err("it ended".to_owned())
}

/// Says something and answers what the server made of it.
async fn say(client: &Client, text: &str) -> Result<String, String> {
    send(client, text);
    said(client, text).await
}

fn send(client: &Client, text: &str) {
    client
        .command(Command::Send {
            target: Target::Room(RoomName::new("lobby").unwrap()),
            body: Body::text(text, None),
            id: None,
            label: String::new(),
        })
        .unwrap();
}

/// What became of a text.
async fn said(client: &Client, text: &str) -> Result<String, String> {
    let until = Instant::now() + Duration::from_secs(60);
    while let Some(event) = client.next_event().await {
        assert!(Instant::now() < until, "nothing comes of {text}");
        match event {
            Event::Entry { entry, .. } => {
                if let Content::Text(text) = entry.body.content() {
                    return Ok(text.into_owned());
                }
            }
            Event::Refused { refusal, .. } => return Err(refusal.to_string()),
            _ => {}
        }
    }
    Err("it ended".to_owned())
}
