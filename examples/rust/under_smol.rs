//! Says one thing in the lobby, under the executor smol, and leaves when it is on the server's disk.
//!
//! ```sh
//! CHAT_PASSWORD='correct horse' cargo run -p chat-examples --bin under-smol ADDRESS FINGERPRINT NAME TEXT
//! ```
//!
//! The address and the fingerprint are what `chat-cli serve` prints.

use std::error::Error;

use chat_engine::{
    AccountName, Body, Client, ClientConfig, Command, Event, ProfilePlace, RoomName, Secret,
    Target, Trust,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, fingerprint, name, text] = arguments.as_slice() else {
        return Err("usage: under-smol ADDRESS FINGERPRINT NAME TEXT".into());
    };
    let config = ClientConfig {
        password: std::env::var("CHAT_PASSWORD").ok().map(Secret::new),
        // Makes the account when it is not there yet.
        register: true,
        // Keeps this device's key: the next run is the same device, and needs no password. It keeps
        // the outbox, too: what a crash leaves there is sent by the next run.
        profile: ProfilePlace::Folder(format!("{name}.profile").into()),
        // Name and password are told to the server with this key, and to no other.
        trust: Trust::Pinned(fingerprint.clone()),
        ..ClientConfig::new(address.as_str(), AccountName::new(name)?)
    };
    smol::block_on(say(config, text))
}

async fn say(config: ClientConfig, text: &str) -> Result<(), Box<dyn Error>> {
    let (client, driver) = Client::open(config).await?;
    // The driver does the work. It runs on a thread of smol's while this function waits for events.
    let working = smol::spawn(driver.run());

    // A command returns at once: it waits in the outbox until there is a link.
    client.command(Command::Send {
        target: Target::Room(RoomName::new("lobby")?),
        body: Body::text(text, None),
        id: None,
        label: String::new(),
    })?;
    // With `flush` this means: leave when everything before it is settled.
    client.command(Command::Leave { flush: true })?;

    let mut refused = None;
    while let Some(event) = client.next_event().await {
        match event {
            Event::Acked { seq, .. } => println!("on the server as entry {}", seq.0),
            Event::Refused { refusal, .. } => refused = Some(refusal),
            Event::Closed {
                error: Some(error), ..
            } => return Err(error.into()),
            _ => {}
        }
    }
    working.await;
    refused.map_or(Ok(()), |refusal| Err(refusal.into()))
}
