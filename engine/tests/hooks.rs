//! A program with filters, commands and observers of its own: it fills the port of hooks.

mod events;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chat_engine::port::{
    Ask, BoxFuture, FromHooks, HookSet, Hooks, LogView, News, NoticeOut, NoticeTo, PluginName,
    Question, Say, Subscriptions, Verdict, Workplace,
};
use chat_engine::{
    AccountName, Admin, AdminAnswer, Body, Client, ClientConfig, Code, Command, CommandItem,
    Content, Error, Event, Kind, PluginItem, Refusal, Registration, Request, RoomName, Secret,
    Server, ServerConfig, StorePlace, Target, Trust,
};
use futures_lite::FutureExt as _;

/// Refuses "bad", shouts "shout", rolls dice, and writes down everything that was said.
#[derive(Debug)]
struct House {
    work: (async_channel::Sender<Work>, async_channel::Receiver<Work>),
    said: (
        async_channel::Sender<FromHooks>,
        async_channel::Receiver<FromHooks>,
    ),
    seen: (
        async_channel::Sender<String>,
        async_channel::Receiver<String>,
    ),
    cursor: Mutex<u64>,
}

#[derive(Debug)]
enum Work {
    Ask(Ask),
    Tail,
}

impl House {
    fn new(cursor: u64) -> Arc<Self> {
        Arc::new(Self {
            work: async_channel::unbounded(),
            said: async_channel::unbounded(),
            seen: async_channel::unbounded(),
            cursor: Mutex::new(cursor),
        })
    }

    fn say(&self, said: FromHooks) {
        self.said.0.try_send(said).unwrap();
    }

    fn judge(&self, question: &Question) -> Verdict {
        match question {
            Question::Entry(ask) => match ask.text() {
                Some(text) if text.contains("bad") => Verdict::Reject("mind your words".into()),
                Some("shout") => Verdict::Modified("SHOUT".into()),
                _ => Verdict::Pass,
            },
            Question::Command(ask) => {
                let dice = PluginName::new("dice").unwrap();
                self.say(FromHooks::Notice(Box::new(NoticeOut {
                    plugin: dice.clone(),
                    to: NoticeTo::Link(ask.link),
                    text: format!("you rolled {}", ask.args),
                    about: ask.conversation.map(Target::Conversation),
                })));
                self.say(FromHooks::Say(Box::new(Say {
                    plugin: dice,
                    token: 1,
                    target: Target::Conversation(ask.conversation.unwrap()),
                    id: None,
                    body: Body::text(&format!("{} rolls", ask.from_name), None),
                })));
                Verdict::Handled
            }
            _ => Verdict::Pass,
        }
    }

    /// What its observer saw next.
    fn sees(&self) -> String {
        let late = async {
            async_io::Timer::after(Duration::from_secs(30)).await;
            None
        };
        let seen = async { self.seen.1.recv().await.ok() };
        pollster::block_on(seen.or(late)).expect("an observed entry")
    }

    async fn observe(&self, log: &LogView) {
        loop {
            let after = *self.cursor.lock().unwrap();
            let page = log.since(after, 100, 1 << 16).await.unwrap();
            *self.cursor.lock().unwrap() = page.next;
            for item in &page.items {
                if let Content::Text(text) = item.entry.body.content() {
                    let seen = format!("{}: {text}", item.entry.from_name);
                    self.seen.0.try_send(seen).unwrap();
                }
            }
            if page.next >= page.end {
                return;
            }
        }
    }
}

impl Hooks for House {
    fn subscriptions(&self) -> Subscriptions {
        Subscriptions {
            hooks: HookSet::ENTRY | HookSet::TAIL,
            commands: vec![CommandItem {
                name: "roll".into(),
                help: "NdM: rolls dice".into(),
            }],
        }
    }

    fn run(self: Arc<Self>, log: LogView, _: Arc<dyn Workplace>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.observe(&log).await;
            while let Ok(work) = self.work.1.recv().await {
                match work {
                    Work::Ask(ask) => {
                        let verdict = self.judge(&ask.question);
                        self.say(FromHooks::Verdict(ask.ticket, verdict));
                    }
                    Work::Tail => self.observe(&log).await,
                }
            }
        })
    }

    fn ask(&self, asks: Vec<Ask>) {
        for ask in asks {
            let _ = self.work.0.try_send(Work::Ask(ask));
        }
    }

    fn tell(&self, news: Vec<News>) {
        if news.iter().any(|news| matches!(news, News::Tail)) {
            let _ = self.work.0.try_send(Work::Tail);
        }
    }

    fn next(&self) -> BoxFuture<'_, Vec<FromHooks>> {
        Box::pin(async move {
            let mut all: Vec<FromHooks> = self.said.1.recv().await.into_iter().collect();
            while let Ok(more) = self.said.1.try_recv() {
                all.push(more);
            }
            all
        })
    }

    fn admin(&self, wish: Admin) -> BoxFuture<'_, Result<AdminAnswer, Refusal>> {
        Box::pin(async move {
            match wish {
                Admin::Plugins => Ok(AdminAnswer::Plugins(vec![PluginItem {
                    name: "dice".into(),
                    ..PluginItem::default()
                }])),
                _ => Err(Refusal::new(Code::NotSupported)),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.work.0.close();
        Box::pin(async {})
    }
}

fn serve(store: StorePlace, house: &Arc<House>) -> (Server, thread::JoinHandle<()>) {
    let config = ServerConfig {
        listen: vec!["127.0.0.1:0".to_owned()],
        store,
        registration: Registration::Open,
        hooks: Some(Arc::clone(house) as Arc<dyn Hooks>),
        ..ServerConfig::default()
    };
    let (server, driver) = pollster::block_on(Server::start(config)).unwrap();
    let working = thread::spawn(move || pollster::block_on(driver.run()));
    (server, working)
}

fn open(server: &Server, name: &str) -> Client {
    let address = server.addresses()[0].to_string();
    let mut config = ClientConfig::new(address, AccountName::new(name).unwrap());
    config.password = Some(Secret::new("correct horse"));
    config.register = true;
    config.trust = Trust::Pinned(server.fingerprint().to_owned());
    let (client, driver) = pollster::block_on(Client::open(config)).unwrap();
    thread::spawn(move || pollster::block_on(driver.run()));
    client
}

fn until<T>(client: &Client, wanted: impl Fn(&Event) -> Option<T>) -> T {
    pollster::block_on(events::until(client, wanted))
}

fn lobby() -> Target {
    Target::Room(RoomName::new("lobby").unwrap())
}

fn say(client: &Client, text: &str) {
    let command = Command::Send {
        target: lobby(),
        body: Body::text(text, None),
        id: None,
        label: String::new(),
    };
    client.command(command).unwrap();
}

fn hear(client: &Client) -> String {
    until(client, |event| match event {
        Event::Entry { entry, .. } if entry.body.kind == Kind::TEXT => match entry.body.content() {
            Content::Text(text) => Some(format!("{}: {text}", entry.from_name)),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_program_filters_answers_and_observes() {
    let house = House::new(0);
    let (server, working) = serve(StorePlace::Memory, &house);
    let ann = open(&server, "ann");
    say(&ann, "hello");
    assert_eq!(hear(&ann), "ann: hello");
    say(&ann, "shout");
    assert_eq!(hear(&ann), "ann: SHOUT");
    say(&ann, "a bad word");
    let why = until(&ann, |event| match event {
        Event::Refused { refusal, .. } => Some((refusal.code, refusal.text.clone())),
        _ => None,
    });
    assert_eq!(why, (Code::Rejected, "mind your words".to_owned()));

    let roll = Request::Command {
        target: Some(lobby()),
        name: "roll".into(),
        args: "2d6".into(),
    };
    ann.command(Command::Ask(roll)).unwrap();
    let notice = until(&ann, |event| match event {
        Event::Notice { from, text, .. } => Some(format!("{from}: {text}")),
        _ => None,
    });
    assert_eq!(notice, "plugin.dice: you rolled 2d6");
    assert_eq!(hear(&ann), "plugin.dice: ann rolls");

    let plugins = pollster::block_on(server.admin(Admin::Plugins)).unwrap();
    assert!(matches!(plugins, AdminAnswer::Plugins(items) if items[0].name == "dice"));
    let wish = Admin::ReloadPlugin { name: None };
    let refused = pollster::block_on(server.admin(wish));
    assert!(matches!(refused, Err(Error::Refused(_))));

    for seen in ["ann: hello", "ann: SHOUT", "plugin.dice: ann rolls"] {
        assert_eq!(house.sees(), seen);
    }
    pollster::block_on(server.drain());
    working.join().unwrap();
}

#[test]
fn a_server_without_plugins_says_so() {
    let (server, driver) = pollster::block_on(Server::start(ServerConfig::default())).unwrap();
    let working = thread::spawn(move || pollster::block_on(driver.run()));
    let refused = pollster::block_on(server.admin(Admin::Plugins));
    assert!(matches!(refused, Err(Error::Refused(refusal)) if refusal.code == Code::NotSupported));
    pollster::block_on(server.drain());
    working.join().unwrap();
}

/// An observer keeps its cursor; what was said while it was away, it reads.
#[cfg(feature = "sqlite")]
#[test]
fn a_cursor_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut cursor = 0;
    for round in ["one", "two", "three"] {
        let house = House::new(cursor);
        let place = StorePlace::Folder(folder.path().to_owned());
        let (server, working) = serve(place, &house);
        let client = open(&server, round);
        say(&client, "first");
        assert_eq!(house.sees(), format!("{round}: first"));
        // It keeps this cursor, and crashes before the next one.
        cursor = *house.cursor.lock().unwrap();
        say(&client, "shout");
        assert_eq!(house.sees(), format!("{round}: SHOUT"));
        pollster::block_on(server.drain());
        working.join().unwrap();

        let again = House::new(cursor);
        let place = StorePlace::Folder(folder.path().to_owned());
        let (server, working) = serve(place, &again);
        assert_eq!(again.sees(), format!("{round}: SHOUT"));
        cursor = pollster::block_on(async {
            server.drain().await;
            *again.cursor.lock().unwrap()
        });
        working.join().unwrap();
    }
}
