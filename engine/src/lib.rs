//! An embeddable asynchronous chat engine: client and server in one crate.

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
pub mod wire;

// The public interface is:
pub use agent::{Command, CommandId, Event};
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
