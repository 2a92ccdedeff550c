//! An embeddable asynchronous chat engine: client and server in one crate.
//!
//! One idea carries it: **a conversation is a log, and everything else is a cursor into it.** History,
//! delivery to who was away, resume after a lost link, receipts and unread counts are all "read the log
//! from where you are".
//!
//! Start with [`Server::start`] and [`Client::open`]. Both answer a handle, which is cheap to clone, and a
//! driver, whose `run` does all the work while it is polled: by smol, by tokio, by a bare `block_on`, on
//! one thread or on many. The engine starts no executor of its own. (The reactor of `async-io` and the
//! pool of `blocking`, for sockets, timers and the disk, are threads of the process; a server with a folder has
//! one more, which writes its database.) A server that has threads for itself costs less under
//! [`ServerDriver::run_on_thread`].
//!
//! # Example
//!
//! A server and a client in one process, over TCP. [`Client::open_over`] and [`Server::serve_stream`] do the
//! same over any `AsyncRead + AsyncWrite`.
//!
//! ```
//! use chat_engine::{
//!     AccountName, Body, Client, ClientConfig, Command, Content, Event, Registration, RoomName, Secret,
//!     Server, ServerConfig, Target, Trust,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! smol::block_on(async {
//!     // Everything in memory, on a free port.
//!     let (server, work) = Server::start(ServerConfig {
//!         listen: vec!["127.0.0.1:0".to_owned()],
//!         registration: Registration::Open,
//!         ..ServerConfig::default()
//!     })
//!     .await?;
//!     let serving = smol::spawn(work.run());
//!
//!     // This server and no other is told the name and the password.
//!     let address = server.addresses()[0].to_string();
//!     let (ann, work) = Client::open(ClientConfig {
//!         password: Some(Secret::new("correct horse battery")),
//!         register: true,
//!         trust: Trust::Pinned(server.fingerprint().to_owned()),
//!         ..ClientConfig::new(address, AccountName::new("ann")?)
//!     })
//!     .await?;
//!     let working = smol::spawn(work.run());
//!
//!     // Commands return at once; what comes of them is told by events.
//!     ann.command(Command::Send {
//!         target: Target::Room(RoomName::new("lobby")?),
//!         body: Body::text("hello", None),
//!         id: None,
//!         label: String::new(),
//!     })?;
//!     let mut heard = None;
//!     while let Some(event) = ann.next_event().await {
//!         match event {
//!             Event::Entry { entry, .. } => {
//!                 if let Content::Text(text) = entry.body.content() {
//!                     heard = Some(text.into_owned());
//!                     ann.command(Command::Leave { flush: true })?;
//!                 }
//!             }
//!             Event::Closed { error: Some(error), .. } => return Err(error.into()),
//!             _ => {}
//!         }
//!     }
//!     assert_eq!(heard.as_deref(), Some("hello"));
//!
//!     working.await;
//!     server.drain().await;
//!     serving.await;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # The layers
//!
//! A layer names only what is below it; a test reads the sources and fails on any other arrow.
//!
//! | layer | is |
//! |---|---|
//! | [`Client`], [`Server`], [`config`], `json` | what users see; `json` are the lines of `chat-cli --json` |
//! | `driver` (private), [`adapter`] | async and thin: polls sockets, clocks and disks, and decides nothing |
//! | [`hub`] | the server's mind: accounts, rooms, rights, and what goes where; a pure machine |
//! | [`agent`] | the client's mind: outbox, positions, when to connect again; a pure machine |
//! | [`session`] | one link, from greeting to close, either side; a pure machine |
//! | [`port`] | the traits of storage, profile, files, hooks and randomness, which adapters fill |
//! | [`wire`] | bytes to frames and back |
//! | [`secure`] | the sealed channel: greeting, Noise handshake, records |
//! | [`model`], [`id`], [`error`], [`limits`], [`tree`], [`url`] | plain data; every bound with its reason; the hash tree of a file; links |
//!
//! From the hub down there is no clock, no randomness, no socket, no file and no thread: time and
//! randomness come in as parameters, an input is answered with what is to be done outside, and nothing
//! waits. So a test can try any order of things, and time in it is a number.
//!
//! # The way of a message
//!
//! ```text
//! app -> agent: outbox, on disk before its first byte goes out -> session: frame, sealed in a record -> TCP
//! TCP -> session: record opened, frame -> hub: may it? was it sent before? do plugins let it pass?
//!     -> store: appended, seq assigned
//!     -> hub, once it is durable: ack to the sender, then the entry to every link of every member -> TCP
//!     -> session -> agent: in order, once -> event -> the app takes it -> position saved -> receipt
//! ```
//!
//! Ack and fan-out start when the append is durable, so nobody sees what a crash can take back.
//!
//! # Features
//!
//! - `sqlite` (on by default): durable storage of servers and profiles.
//! - `fast-crypto`: ciphers and X25519 in assembly; the bytes on the wire are the same.
//! - `json`: JSON lines.

#![forbid(unsafe_code)]

pub mod adapter;
pub mod agent;
mod client;
pub mod config;
mod driver;
pub mod error;
pub mod hub;
pub mod id;
#[cfg(feature = "json")]
pub mod json;
pub mod limits;
pub mod model;
pub mod port;
pub mod secure;
mod server;
pub mod session;
pub mod tree;
pub mod url;
pub mod wire;

// The public interface is:
pub use agent::{Command, CommandId, Event, FileSink, FileSource};
pub use client::{Client, ClientDriver};
pub use config::{ClientConfig, ProfilePlace, Retention, Secret, ServerConfig, StorePlace, Trust};
pub use error::{Error, LinkFault, Mistrust, Misuse, Violation};
pub use id::{
    AccountId, BadId, BlobId, ConversationId, DeviceId, Epoch, LinkId, RequestId, SendId, Seq,
    Ticket,
};
pub use model::*;
pub use port::ItemState;
pub use server::{Server, ServerDriver};
pub use url::ChatUrl;

/// The example of the README is compiled and run with the others.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
