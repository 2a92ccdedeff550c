//! The engine does not care who polls it: the same conversation under smol, under tokio and under a bare
//! `block_on`, each over TCP and over a pipe in memory.

mod events;

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use chat_engine::{
    AccountName, Body, Client, ClientConfig, Command, Content, Event, Registration, RoomName,
    Secret, Server, ServerConfig, Target, Trust,
};
use events::until;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What clients and server are connected by.
#[derive(Clone, Copy, Debug)]
enum By {
    Tcp,
    /// Of so many bytes, fewer than a handshake message has: nobody may count on a write that fits.
    Pipe(usize),
}

const BOTH: [By; 2] = [By::Tcp, By::Pipe(50)];

/// A server and two clients, and what has to be polled for them.
struct Cast {
    server: Server,
    clients: [Client; 2],
    works: Vec<Work>,
}

impl Cast {
    async fn meet(by: By) -> Self {
        let listen = match by {
            By::Tcp => vec!["127.0.0.1:0".to_owned()],
            By::Pipe(_) => Vec::new(),
        };
        let config = ServerConfig {
            listen,
            registration: Registration::Open,
            ..ServerConfig::default()
        };
        let (server, driver) = Server::start(config).await.unwrap();
        let mut works: Vec<Work> = vec![Box::pin(driver.run())];
        let ann = open(&server, "ann", by, &mut works).await;
        let bob = open(&server, "bob", by, &mut works).await;
        Self {
            server,
            clients: [ann, bob],
            works,
        }
    }
}

async fn open(server: &Server, name: &str, by: By, works: &mut Vec<Work>) -> Client {
    let address = match by {
        By::Tcp => server.addresses()[0].to_string(),
        By::Pipe(_) => "pipe:1".to_owned(),
    };
    let config = ClientConfig {
        password: Some(Secret::new("correct horse")),
        register: true,
        trust: Trust::Pinned(server.fingerprint().to_owned()),
        ..ClientConfig::new(address, AccountName::new(name).unwrap())
    };
    let (client, driver) = match by {
        By::Tcp => Client::open(config).await.unwrap(),
        By::Pipe(bytes) => {
            // Of tokio's by name only: it needs no runtime.
            let (near, far) = tokio::io::duplex(bytes);
            let server = server.clone();
            works.push(Box::pin(async move {
                server.serve_stream(far.compat(), None).await;
            }));
            Client::open_over(config, near.compat()).await.unwrap()
        }
    };
    works.push(Box::pin(driver.run()));
    client
}

/// Both come in, each hears the other, and both leave before the server stops.
async fn talk(server: &Server, [ann, bob]: &[Client; 2]) {
    for client in [ann, bob] {
        until(client, |event| {
            matches!(event, Event::Connected { .. }).then_some(())
        })
        .await;
    }
    say(ann, "hello bob");
    hear(bob, "hello bob").await;
    say(bob, &"long ".repeat(2_000));
    hear(ann, &"long ".repeat(2_000)).await;
    for client in [ann, bob] {
        client.command(Command::Leave { flush: true }).unwrap();
        let error = until(client, |event| match event {
            Event::Closed { error, .. } => Some(error.clone()),
            _ => None,
        });
        assert_eq!(error.await, None);
    }
    server.drain().await;
}

fn say(client: &Client, text: &str) {
    let command = Command::Send {
        target: Target::Room(RoomName::new("lobby").unwrap()),
        body: Body::text(text, None),
        id: None,
        label: String::new(),
    };
    client.command(command).unwrap();
}

async fn hear(client: &Client, wanted: &str) {
    until(client, |event| match event {
        Event::Entry { entry, .. } => match entry.body.content() {
            Content::Text(text) => (text == wanted).then_some(()),
            _ => None,
        },
        _ => None,
    })
    .await;
}

#[test]
fn runs_under_smol() {
    for by in BOTH {
        smol::block_on(async {
            let cast = Cast::meet(by).await;
            let tasks: Vec<_> = cast.works.into_iter().map(smol::spawn).collect();
            talk(&cast.server, &cast.clients).await;
            for task in tasks {
                task.await;
            }
        });
    }
}

#[test]
fn runs_under_tokio() {
    for by in BOTH {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime.block_on(async {
            let cast = Cast::meet(by).await;
            let tasks: Vec<_> = cast.works.into_iter().map(tokio::spawn).collect();
            talk(&cast.server, &cast.clients).await;
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}

#[test]
fn runs_under_a_bare_block_on_and_on_one_thread() {
    for by in BOTH {
        pollster::block_on(async {
            let cast = Cast::meet(by).await;
            let mut works = cast.works;
            let mut works = std::pin::pin!(std::future::poll_fn(move |cx| {
                works.retain_mut(|work| work.as_mut().poll(cx).is_pending());
                match works.is_empty() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
            let talk = talk(&cast.server, &cast.clients);
            futures_lite::future::zip(talk, works.as_mut()).await;
        });
    }
}
