//! A server inside a program, and a client beside it that comes in without a socket.
//!
//! ```sh
//! cargo run -p chat-examples --bin embedded-server
//! ```
//!
//! Others may come over TCP, at the address that it prints. It ends when somebody says "shut down".

use std::error::Error;

use chat_engine::{
    AccountName, Body, Client, ClientConfig, Command, Content, Event, Registration, RoomName,
    Secret, Server, ServerConfig, Target, Trust,
};
use smol::net::unix::UnixStream;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        // Everything in memory. `StorePlace::Folder` keeps it.
        let (server, driver) = Server::start(ServerConfig {
            listen: vec!["127.0.0.1:0".to_owned()],
            registration: Registration::Open,
            ..ServerConfig::default()
        })
        .await?;
        let serving = smol::spawn(driver.run());
        println!(
            "listening {} {}",
            server.addresses()[0],
            server.fingerprint()
        );

        // The game's own voice. Its link is a pair of sockets that never leaves the process; it is
        // encrypted all the same, since the server treats every link alike.
        let (near, far) = UnixStream::pair()?;
        let host = server.clone();
        smol::spawn(async move { host.serve_stream(far, None).await }).detach();
        let config = ClientConfig {
            password: Some(Secret::new("nobody else logs in as the host")),
            register: true,
            trust: Trust::Pinned(server.fingerprint().to_owned()),
            ..ClientConfig::new("inside:1", AccountName::new("host")?)
        };
        let (client, driver) = Client::open_over(config, near).await?;
        let working = smol::spawn(driver.run());

        say(&client, "welcome")?;
        while let Some(event) = client.next_event().await {
            match event {
                Event::Entry { entry, .. } => {
                    if let Content::Text(text) = entry.body.content() {
                        println!("<{}> {text}", entry.from_name);
                        if text == "shut down" {
                            say(&client, "good bye")?;
                            client.command(Command::Leave { flush: true })?;
                        }
                    }
                }
                Event::Refused { refusal, .. } => return Err(refusal.into()),
                Event::Closed {
                    error: Some(error), ..
                } => return Err(error.into()),
                _ => {}
            }
        }
        working.await;
        // Everybody else is told goodbye.
        server.drain().await;
        serving.await;
        Ok(())
    })
}

fn say(client: &Client, text: &str) -> Result<(), Box<dyn Error>> {
    client.command(Command::Send {
        target: Target::Room(RoomName::new("lobby")?),
        body: Body::text(text, None),
        id: None,
        label: String::new(),
    })?;
    Ok(())
}
