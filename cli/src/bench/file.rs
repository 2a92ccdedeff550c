//! Files: how fast they move beside a plain copy over TCP, and what people notice of it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use async_io::Timer;
use chat_engine::{
    AccountName, BlobId, Body, Client, ClientConfig, Command, Content, Event, FileSink, FileSource,
    Secret, Target, Trust,
};
use futures_lite::FutureExt;
use serde_json::{Value, json};

use super::BenchArgs;
use super::link::Host;
use super::meter::Usage;

/// Measures one file of this size in this folder.
pub(super) async fn run(args: &BenchArgs, host: &Host, server: Option<u32>) -> Result<Value> {
    let folder = match &args.folder {
        Some(folder) => folder.join(format!("bench-{:x}", host.run)),
        None => std::env::temp_dir().join(format!("bench-{:x}", host.run)),
    };
    fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    let measured = measure(args, host, server, &folder).await;
    fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(
    args: &BenchArgs,
    host: &Host,
    server: Option<u32>,
    folder: &Path,
) -> Result<Value> {
    let size = args.mib << 20;
    let path = folder.join("file");
    make_file(&path, size)?;
    let raw_s = blocking_copy(&path, &folder.join("raw"))?;
    let (mut ann, mut bob) = (Person::enter(host, 0).await?, Person::enter(host, 1).await?);
    let usage = || server.map(Usage::of).unwrap_or_default().cpu_s;

    let (begun, cpu) = (Instant::now(), usage());
    let blob = ann.upload(&path, &mut bob).await?;
    let (upload_s, upload_cpu_s) = (begun.elapsed().as_secs_f64(), usage() - cpu);
    let (begun, cpu) = (Instant::now(), usage());
    bob.fetch(blob, &folder.join("fetched"))?;
    bob.until(|event| matches!(event, Event::Fetched { .. }))
        .await?;
    let (download_s, download_cpu_s) = (begun.elapsed().as_secs_f64(), usage() - cpu);
    fs::remove_file(folder.join("fetched"))?;

    // Two who only talk, and the two whose links carry the files.
    let (mut carl, mut dora) = (Person::enter(host, 2).await?, Person::enter(host, 3).await?);
    let (idle, _) = talk(&mut carl, &mut dora, Until::Count(IDLE)).await?;
    let (idle_same, _) = talk(&mut ann, &mut bob, Until::Count(IDLE)).await?;
    let other = folder.join("other");
    make_file(&other, size + 1)?;
    ann.send_file(&other, &bob)?;
    bob.fetch(blob, &folder.join("fetched"))?;
    let busy = async {
        let mut done = false;
        let mut latencies = Vec::new();
        while !done {
            let (some, _) = talk(&mut carl, &mut dora, Until::Count(10)).await?;
            latencies.extend(some);
            done = folder.join("fetched").exists();
        }
        anyhow::Ok(latencies)
    };
    let same = talk(&mut ann, &mut bob, Until::Done);
    let (busy, same) = futures_lite::future::zip(busy, same).await;
    let (busy, (same, transfers_s)) = (busy?, same?);

    let speed = |seconds: f64| size as f64 / 1e6 / seconds;
    let mut report = json!({
        "workload": "file", "mib": args.mib,
        "raw_mb_per_s": speed(raw_s),
        "upload_mb_per_s": speed(upload_s), "upload_of_raw": raw_s / upload_s,
        "download_mb_per_s": speed(download_s), "download_of_raw": raw_s / download_s,
        "both_ways_s": transfers_s,
    });
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
    if server.is_some() {
        report["server_cpu_s_per_gb_up"] = (upload_cpu_s / (size as f64 / 1e9)).into();
        report["server_cpu_s_per_gb_down"] = (download_cpu_s / (size as f64 / 1e9)).into();
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

    async fn upload(&mut self, path: &PathBuf, to: &mut Self) -> Result<BlobId> {
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

/// The same file over a plain TCP stream of this machine, from disk to disk, synced at the end.
fn blocking_copy(from: &Path, to: &Path) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let target = to.to_owned();
    let receiver = thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut file = File::create(target)?;
        copy(&mut stream, &mut file)?;
        file.sync_all()?;
        stream.write_all(b"!")
    });
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    copy(&mut File::open(from)?, &mut stream)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    let took = begun.elapsed().as_secs_f64();
    match receiver.join() {
        Ok(done) => done?,
        Err(_) => bail!("the copy panicked"),
    }
    fs::remove_file(to)?;
    Ok(took)
}

/// Through memory of ours: the system's shortcuts between a file and a socket are nobody's baseline.
fn copy(from: &mut dyn io::Read, to: &mut dyn io::Write) -> io::Result<()> {
    let mut block = vec![0; 256 * 1024];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            length => to.write_all(block.get(..length).unwrap_or_default())?,
        }
    }
}

fn make_file(path: &Path, size: u64) -> Result<()> {
    ensure!(size > 0, "a bench needs a file with something in it");
    let mut file = File::create(path)?;
    let mut block = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        fastrand::fill(&mut block);
        let length = left.min(block.len() as u64);
        file.write_all(block.get(..length as usize).unwrap_or_default())?;
        left -= length;
    }
    file.sync_all()?;
    Ok(())
}

/// Messages that are measured while nothing else goes on.
const IDLE: usize = 500;
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(300);
