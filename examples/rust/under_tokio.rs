//! Prints what is said in the lobby until somebody says "bye", under tokio, over a stream of tokio's.
//!
//! ```sh
//! CHAT_PASSWORD='correct horse' cargo run -p chat-examples --bin under-tokio ADDRESS FINGERPRINT NAME
//! ```
//!
//! `Client::open` would do here as well: the engine does not care who polls it. `open_over` is for
//! programs that make their own streams, through a proxy for example.

use std::error::Error;

use chat_engine::{
    AccountName, Client, ClientConfig, Command, Content, Event, ProfilePlace, Secret, Trust,
};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, fingerprint, name] = arguments.as_slice() else {
        return Err("usage: under-tokio ADDRESS FINGERPRINT NAME".into());
    };
    let config = ClientConfig {
        password: std::env::var("CHAT_PASSWORD").ok().map(Secret::new),
        register: true,
        // Keeps this device's key, and how far it has read.
        profile: ProfilePlace::Folder(format!("{name}.profile").into()),
        trust: Trust::Pinned(fingerprint.clone()),
        ..ClientConfig::new(address.as_str(), AccountName::new(name)?)
    };

    let stream = TcpStream::connect(address.as_str()).await?;
    // Small frames must not wait for each other.
    stream.set_nodelay(true)?;
    let (client, driver) = Client::open_over(config, stream.compat()).await?;
    let working = tokio::spawn(driver.run());

    while let Some(event) = client.next_event().await {
        match event {
            Event::Connected { welcome, .. } => println!("here as {}", welcome.name),
            Event::Entry { entry, .. } => {
                if let Content::Text(text) = entry.body.content() {
                    println!("<{}> {text}", entry.from_name);
                    if text == "bye" {
                        client.command(Command::Leave { flush: true })?;
                    }
                }
            }
            // A client over a given stream does not connect again: this is the end of it.
            Event::Closed {
                error: Some(error), ..
            } => return Err(error.into()),
            _ => {}
        }
    }
    working.await?;
    Ok(())
}
