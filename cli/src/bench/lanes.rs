//! What people who talk notice of files that move.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_io::Timer;
use chat_engine::{
    AccountName, BlobId, Body, Client, ClientConfig, Command, Content, Event, FileSink, FileSource,
    Secret, Target, Trust,
};
use futures_lite::FutureExt;
use serde_json::{Value, json};

use super::BenchArgs;
use super::files::{Scratch, stamp, write_random};
use super::link::Host;

/// Measures with files of this size in this folder.
pub(super) async fn run(args: &BenchArgs, host: &Host) -> Result<Value> {
    let folder = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&folder, host.run)?;
    let size = args.file_size;
    let (path, target) = (scratch.path("file"), scratch.path("fetched"));
    write_random(&path, size)?;
    let (mut ann, mut bob) = (Person::enter(host, 0).await?, Person::enter(host, 1).await?);
    let blob = ann.upload(&path, &mut bob).await?;

    // Two who only talk, and the two whose links carry the files.
    let (mut carl, mut dora) = (Person::enter(host, 2).await?, Person::enter(host, 3).await?);
    let (idle, _) = talk(&mut carl, &mut dora, Until::Count(IDLE)).await?;
    let (idle_same, _) = talk(&mut ann, &mut bob, Until::Count(IDLE)).await?;
    // Other content than the server has.
    stamp(&path, 1)?;
    ann.send_file(&path, &bob)?;
    bob.fetch(blob, &target)?;
    let busy = async {
        let mut latencies = Vec::new();
        while !target.exists() {
            let (some, _) = talk(&mut carl, &mut dora, Until::Count(10)).await?;
            latencies.extend(some);
        }
        anyhow::Ok(latencies)
    };
    let same = talk(&mut ann, &mut bob, Until::Done);
    let (busy, same) = futures_lite::future::zip(busy, same).await;
    let (busy, (same, both_s)) = (busy?, same?);

    let mut report = json!({ "workload": "lanes", "bytes": size, "both_ways_s": both_s });
    for (name, mut latencies) in [
        ("idle", idle),
        ("idle_same_link", idle_same),
        ("busy", busy),
        ("busy_same_link", same),
    ] {
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = (latencies.len().max(1) - 1) as f64 * share;
            latencies.get(index as usize).copied().unwrap_or(0)
        };
        report[format!("{name}_messages")] = latencies.len().into();
        report[format!("{name}_p50_us")] = at(0.5).into();
        report[format!("{name}_p99_us")] = at(0.99).into();
    }
    Ok(report)
}

/// A whole client, as an application has it.
struct Person {
    client: Client,
    name: AccountName,
}

impl Person {
    async fn enter(host: &Host, number: usize) -> Result<Self> {
        let name = super::link::account(host, number);
        let config = ClientConfig {
            password: Some(Secret::new("nobody keeps this account")),
            register: true,
            invite: host.invite.clone(),
            trust: match &host.fingerprint {
                Some(pin) => Trust::Pinned(pin.clone()),
                None => Trust::AcceptNew,
            },
            ..ClientConfig::new(host.address.to_string(), name.clone())
        };
        let (client, driver) = Client::open(config).await?;
        thread::Builder::new()
            .name("bench-client".to_owned())
            .spawn(move || async_io::block_on(driver.run()))?;
        let mut person = Self { client, name };
        person
            .until(|event| matches!(event, Event::Connected { .. }))
            .await?;
        Ok(person)
    }

    /// Takes events up to one like this.
    async fn until(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Result<Event> {
        let late = async {
            Timer::after(PATIENCE).await;
            bail!("nothing came of it for {} s", PATIENCE.as_secs());
        };
        let comes = async {
            while let Some(event) = self.client.next_event().await {
                match &event {
                    Event::Refused { refusal, .. } => bail!("refused: {refusal}"),
                    Event::Reconnecting { error, .. } => bail!("the link was lost: {error}"),
                    event if wanted(event) => {}
                    _ => continue,
                }
                return Ok(event);
            }
            bail!("the client ended");
        };
        comes.or(late).await
    }

    fn send_file(&self, path: &Path, to: &Self) -> Result<()> {
        self.client.command(Command::SendFile {
            target: Target::Account(to.name.clone()),
            source: FileSource::Path(path.to_owned()),
            name: None,
            media_type: String::new(),
            id: None,
            label: String::new(),
        })?;
        Ok(())
    }

    fn fetch(&self, blob: BlobId, path: &Path) -> Result<()> {
        self.client.command(Command::Fetch {
            blob,
            sink: FileSink::Path(path.to_owned()),
            start: 0,
            length: None,
            label: String::new(),
        })?;
        Ok(())
    }

    async fn upload(&mut self, path: &Path, to: &mut Self) -> Result<BlobId> {
        self.send_file(path, to)?;
        self.until(|event| matches!(event, Event::Acked { .. }))
            .await?;
        let is_file = |event: &Event| {
            matches!(event, Event::Entry { entry, .. }
            if matches!(entry.body.content(), Content::File(_)))
        };
        match to.until(is_file).await? {
            Event::Entry { entry, .. } => entry.body.blob.context("a file without content"),
            _ => bail!("no file came"),
        }
    }
}

enum Until {
    Count(usize),
    /// The upload of the first and the download of the second.
    Done,
}

/// One says something, the other hears it, after a short pause the next: how long each took, in
/// microseconds, and all of it in seconds.
async fn talk(one: &mut Person, other: &mut Person, until: Until) -> Result<(Vec<u32>, f64)> {
    let begun = Instant::now();
    let mut latencies = Vec::new();
    let (mut is_sent, mut is_fetched) = (false, false);
    loop {
        match until {
            Until::Count(count) if latencies.len() >= count => break,
            Until::Done if is_sent && is_fetched => break,
            _ => {}
        }
        let text = format!("{}", begun.elapsed().as_nanos());
        let said = Instant::now();
        one.client.command(Command::Send {
            target: Target::Account(other.name.clone()),
            body: Body::text(&text, None),
            id: None,
            label: "text".to_owned(),
        })?;
        other
            .until(|event| {
                is_fetched |= matches!(event, Event::Fetched { .. });
                matches!(event, Event::Entry { entry, .. }
                if matches!(entry.body.content(), Content::Text(said) if *said == *text))
            })
            .await?;
        let took = said.elapsed().as_micros();
        latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
        one.until(|event| match event {
            Event::Acked { label, .. } if label.is_empty() => {
                is_sent = true;
                false
            }
            Event::Acked { .. } => true,
            _ => false,
        })
        .await?;
        Timer::after(PAUSE).await;
    }
    Ok((latencies, begun.elapsed().as_secs_f64()))
}

/// Messages that are measured while nothing else goes on.
const IDLE: usize = 500;
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(300);
