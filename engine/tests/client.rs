//! Whole clients and a whole server over real sockets, each under an executor of its own.

mod events;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

#[cfg(feature = "sqlite")]
use chat_engine::ProfilePlace;
use chat_engine::{
    AccountName, Body, Client, ClientConfig, Code, Command, Content, Error, Event, Kind,
    Registration, RoomName, Secret, Server, ServerConfig, Target, Trust,
};
use futures_lite::AsyncWrite;

fn config(server: &Server, name: &str) -> ClientConfig {
    let address = server.addresses()[0].to_string();
    let mut config = ClientConfig::new(address, AccountName::new(name).unwrap());
    config.password = Some(Secret::new("correct horse"));
    config.register = true;
    config.trust = Trust::Pinned(server.fingerprint().to_owned());
    config
}

fn serve() -> Server {
    let config = ServerConfig {
        listen: vec!["127.0.0.1:0".to_owned()],
        registration: Registration::Open,
        ..ServerConfig::default()
    };
    let (server, driver) = pollster::block_on(Server::start(config)).unwrap();
    thread::spawn(move || pollster::block_on(driver.run()));
    server
}

/// Opens a client, whose driver runs on a thread of its own.
fn open(config: ClientConfig) -> (Client, thread::JoinHandle<()>) {
    let (client, driver) = pollster::block_on(Client::open(config)).unwrap();
    let driver = thread::spawn(move || pollster::block_on(driver.run()));
    (client, driver)
}

fn until<T>(client: &Client, wanted: impl Fn(&Event) -> Option<T>) -> T {
    pollster::block_on(events::until(client, wanted))
}

fn connected(client: &Client) {
    until(client, |event| {
        matches!(event, Event::Connected { .. }).then_some(())
    });
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

fn hear(client: &Client) -> String {
    until(client, |event| match event {
        Event::Entry { entry, .. } if entry.body.kind == Kind::TEXT => match entry.body.content() {
            Content::Text(text) => Some(text.into_owned()),
            _ => None,
        },
        _ => None,
    })
}

fn leave(client: &Client) -> Option<Error> {
    client.command(Command::Leave { flush: true }).unwrap();
    let error = until(client, |event| match event {
        Event::Closed { error, .. } => Some(error.clone()),
        _ => None,
    });
    assert_eq!(pollster::block_on(client.next_event()), None);
    error
}

#[test]
fn two_clients_talk_and_leave() {
    let server = serve();
    let (ann, ann_driver) = open(config(&server, "ann"));
    connected(&ann);
    let (bob, bob_driver) = open(config(&server, "bob"));
    connected(&bob);
    for number in 0..1000 {
        say(&ann, &format!("text {number}"));
    }
    for number in 0..1000 {
        assert_eq!(hear(&bob), format!("text {number}"));
        assert_eq!(hear(&ann), format!("text {number}"));
    }
    assert_eq!((leave(&ann), leave(&bob)), (None, None));
    ann_driver.join().unwrap();
    bob_driver.join().unwrap();
}

#[cfg(feature = "sqlite")]
#[test]
fn a_device_needs_its_password_once_and_reads_on_where_it_was() {
    let server = serve();
    let folder = tempfile::tempdir().unwrap();
    let mut mine = config(&server, "ann");
    mine.profile = ProfilePlace::Folder(folder.path().join("ann"));
    mine.known_hosts = Some(folder.path().join("known_hosts"));
    mine.trust = Trust::AcceptNew;
    let (ann, driver) = open(mine.clone());
    connected(&ann);
    say(&ann, "one");
    assert_eq!(hear(&ann), "one");
    assert_eq!(leave(&ann), None);
    driver.join().unwrap();
    drop(ann);

    let (bob, _driver) = open(config(&server, "bob"));
    connected(&bob);
    say(&bob, "two");
    assert_eq!(hear(&bob), "two");

    // Now the key is known, and the place in the log.
    mine.password = None;
    mine.register = false;
    mine.trust = Trust::Ask;
    let (ann, driver) = open(mine);
    assert_eq!(hear(&ann), "two");
    assert_eq!(leave(&ann), None);
    driver.join().unwrap();
}

#[test]
fn another_key_than_the_pinned_one_is_refused() {
    let (one, other) = (serve(), serve());
    let mut wrong = config(&one, "ann");
    wrong.trust = Trust::Pinned(other.fingerprint().to_owned());
    let (client, driver) = open(wrong);
    let error = until(&client, |event| match event {
        Event::Closed { error, .. } => error.clone(),
        _ => None,
    });
    assert!(matches!(error, Error::Trust(_)), "{error:?}");
    driver.join().unwrap();
}

#[test]
fn a_client_runs_over_any_stream_and_under_any_executor() {
    let server = serve();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let (near, far) = tokio::io::duplex(1000);
    let near = tokio_util::compat::TokioAsyncReadCompatExt::compat(near);
    let far = tokio_util::compat::TokioAsyncReadCompatExt::compat(far);
    let serving = server.clone();
    runtime.spawn(async move { serving.serve_stream(far, None).await });
    let (client, driver) =
        pollster::block_on(Client::open_over(config(&server, "ann"), near)).unwrap();
    runtime.spawn(driver.run());
    connected(&client);
    say(&client, &"x".repeat(10_000));
    assert_eq!(hear(&client).len(), 10_000);
    assert_eq!(leave(&client), None);
}

#[test]
fn a_server_that_is_not_there_ends_an_impatient_client() {
    let server = serve();
    let mut nowhere = config(&server, "ann");
    // A port that was free a moment ago, and that nobody listens on.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    nowhere.address = socket.local_addr().unwrap().to_string();
    drop(socket);
    let (client, driver) = open(nowhere);
    let error = until(&client, |event| match event {
        Event::Closed { error, .. } => error.clone(),
        _ => None,
    });
    assert!(matches!(error, Error::Link(_)), "{error:?}");
    driver.join().unwrap();
}

#[cfg(feature = "sqlite")]
#[test]
fn what_is_said_without_a_server_is_kept_at_once() {
    let server = serve();
    let folder = tempfile::tempdir().unwrap();
    let mut mine = config(&server, "ann");
    mine.profile = ProfilePlace::Folder(folder.path().join("ann"));
    let (client, _driver) = open(mine);
    connected(&client);
    pollster::block_on(server.drain());
    until(&client, |event| {
        matches!(event, Event::Reconnecting { .. }).then_some(())
    });
    say(&client, "are you there?");
    until(&client, |event| {
        matches!(event, Event::Queued { .. }).then_some(())
    });
}

#[test]
fn dropping_the_last_client_ends_its_driver() {
    let server = serve();
    let (client, driver) = open(config(&server, "ann"));
    connected(&client);
    drop(client);
    driver.join().unwrap();
}

#[test]
fn dropping_the_driver_ends_the_events() {
    let server = serve();
    let (client, driver) = pollster::block_on(Client::open(config(&server, "ann"))).unwrap();
    drop(driver);
    assert_eq!(pollster::block_on(client.next_event()), None);
    assert_eq!(client.command(Command::Outbox), Err(Error::Closed));
}

/// Without a bound that the process can hold, links took every descriptor, and the store could not open
/// its files any more.
#[test]
fn no_more_links_than_there_are_streams_for_and_room_is_given_again() {
    let small = ServerConfig {
        listen: vec!["127.0.0.1:0".to_owned()],
        registration: Registration::Open,
        // One logged in, one new, one that is being ended.
        streams: 3,
        ..ServerConfig::default()
    };
    let (server, driver) = pollster::block_on(Server::start(small)).unwrap();
    thread::spawn(move || pollster::block_on(driver.run()));
    let (ann, _driver) = open(config(&server, "ann"));
    connected(&ann);
    let (bob, _driver) = open(config(&server, "bob"));
    until(&bob, |event| match event {
        Event::Reconnecting {
            error: Error::Refused(refusal),
            ..
        } => (refusal.code == Code::Busy).then_some(()),
        _ => None,
    });
    assert_eq!(leave(&ann), None);
    connected(&bob);
}

/// A writer whose bytes can be looked at afterwards.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Kept {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn streams_of_the_application_are_sent_and_filled() {
    let server = serve();
    let (ann, _ann_driver) = open(config(&server, "ann"));
    let (bob, _bob_driver) = open(config(&server, "bob"));
    connected(&ann);
    connected(&bob);
    let content: Vec<u8> = (0..1_000_003_u32)
        .map(|number| (number >> 7) as u8)
        .collect();
    let lobby = || Target::Room(RoomName::new("lobby").unwrap());
    let size = content.len() as u64;
    let reader = futures_lite::io::Cursor::new(content.clone());
    ann.send_file_from(lobby(), reader, size, "a.bin", "")
        .unwrap();
    let blob = until(&bob, |event| match event {
        Event::Entry { entry, .. } => entry.body.blob,
        _ => None,
    });
    for (start, length) in [
        (0, None),
        (0, Some(0)),
        (500_000, Some(70_000)),
        (999_999, None),
    ] {
        let kept = Kept::default();
        bob.fetch_into(blob, (start, length), kept.clone()).unwrap();
        let hash = until(&bob, |event| match event {
            Event::Fetched { hash, path, .. } => Some((*hash, path.clone())),
            _ => None,
        });
        assert_eq!(hash, (*blake3::hash(&content).as_bytes(), None));
        let end = length.map_or(size, |length| start + length);
        let wanted = &content[start as usize..end as usize];
        assert!(*kept.0.lock().unwrap() == wanted, "{start} {length:?}");
    }
    assert_eq!((leave(&ann), leave(&bob)), (None, None));
}

#[test]
fn a_stream_of_another_length_than_it_was_to_have_is_refused() {
    let server = serve();
    let (ann, _driver) = open(config(&server, "ann"));
    connected(&ann);
    let lobby = || Target::Room(RoomName::new("lobby").unwrap());
    for announced in [99_999, 100_001] {
        let reader = futures_lite::io::Cursor::new(vec![0; 100_000]);
        ann.send_file_from(lobby(), reader, announced, "a.bin", "")
            .unwrap();
        let code = until(&ann, |event| match event {
            Event::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        });
        assert_eq!(code, Code::LocalFile);
    }
    // Nothing of it became an entry.
    say(&ann, "still here");
    assert_eq!(hear(&ann), "still here");
    assert_eq!(leave(&ann), None);
}
