//! A bot that answers "!ping" and "!roll" wherever it hears them: in rooms and in direct conversations.
//!
//! ```sh
//! CHAT_PASSWORD='correct horse' cargo run -p chat-examples --bin bot ADDRESS FINGERPRINT FOLDER
//! ```
//!
//! The folder keeps the bot's key, its outbox and how far it has read. So after a restart it answers
//! what was asked meanwhile, and nothing twice.

use std::error::Error;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use chat_engine::{
    AccountName, Body, Client, ClientConfig, Command, Content, Event, Peer, ProfilePlace, Secret,
    Target, Trust,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, fingerprint, folder] = arguments.as_slice() else {
        return Err("usage: bot ADDRESS FINGERPRINT FOLDER".into());
    };
    let config = ClientConfig {
        password: std::env::var("CHAT_PASSWORD").ok().map(Secret::new),
        register: true,
        trust: Trust::Pinned(fingerprint.clone()),
        profile: ProfilePlace::Folder(PathBuf::from(folder)),
        // A service waits for its server, also at the start.
        patient: true,
        ..ClientConfig::new(address.as_str(), AccountName::new("bot")?)
    };
    smol::block_on(run(config))
}

async fn run(config: ClientConfig) -> Result<(), Box<dyn Error>> {
    let (client, driver) = Client::open(config).await?;
    let working = smol::spawn(driver.run());
    let mut own = None;
    // To ask for the next event says that this one is dealt with: only then its place is saved. A
    // crash in between brings it again, so nothing is left unanswered.
    while let Some(event) = client.next_event().await {
        match event {
            Event::Connected { welcome, .. } => {
                println!("here as {}", welcome.name);
                own = Some(welcome.account);
            }
            Event::Entry { peer, entry, .. } => {
                // An own entry comes back, too, and a bot that answers itself never stops.
                let Content::Text(text) = entry.body.content() else {
                    continue;
                };
                if own == Some(entry.from) {
                    continue;
                }
                if text == "!quit" {
                    client.command(Command::Leave { flush: true })?;
                } else if let Some(answer) = answer(&text) {
                    client.command(Command::Send {
                        target: match peer {
                            Peer::Room(room) => Target::Room(room),
                            Peer::Account(name) => Target::Account(name),
                        },
                        // A reply shows which question it belongs to.
                        body: Body::text(&answer, Some(entry.seq)),
                        id: None,
                        label: String::new(),
                    })?;
                }
            }
            Event::Refused { refusal, .. } => eprintln!("not said: {refusal}"),
            Event::Reconnecting { error, .. } => eprintln!("the link is gone: {error}"),
            Event::Closed {
                error: Some(error), ..
            } => return Err(error.into()),
            _ => {}
        }
    }
    working.await;
    Ok(())
}

fn answer(text: &str) -> Option<String> {
    match text {
        "!ping" => Some("pong".to_owned()),
        "!roll" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
            Some(format!("{}", now.subsec_micros() % 6 + 1))
        }
        _ => None,
    }
}
