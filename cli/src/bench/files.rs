//! How fast files go, beside a plain copy over TCP of the same file in the same run.
//!
//! Disk to disk, each way alone: an upload ends when the server has the file and its entry on disk, a
//! download when the file is proven, synced and has its name, the plain copy when it is synced.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use chat_engine::{
    AccountName, BlobId, Client, ClientConfig, Command, Content, Event, FileSink, FileSource,
    Target, Trust,
};
use serde_json::{Value, json};

use super::link::Host;
use super::meter::Usage;

/// Bytes that the plain copy reads and writes at a time, as `cp` does.
const BLOCK: usize = 128 * 1024;

/// A folder that goes with its owner.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(folder: &Path, run: u64) -> Result<Self> {
        let path = folder.join(format!("chat-bench-{run:x}"));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sends a file of so many bytes to the server and fetches it again, as often as asked, and says how
/// fast the best of each was, and how much CPU time that took here and in the server's process.
pub(super) fn run(
    host: &Host,
    folder: &Path,
    bytes: u64,
    times: usize,
    server: Option<u32>,
) -> Result<Value> {
    let scratch = Scratch::new(folder, host.run)?;
    let source = scratch.path("source");
    write_random(&source, bytes)?;
    let sender = Peer::enter(host)?;
    let way = || Way {
        bytes,
        server,
        best: Cost::default(),
    };
    let (mut raw, mut up, mut down) = (way(), way(), way());
    for round in 0..times.max(1) {
        let copy = scratch.path("copy");
        raw.go(|| plain_copy(&source, &copy))?;
        let _ = fs::remove_file(&copy);
        let mut blob = BlobId::default();
        // The content of each round differs, or the server would find that it has it.
        stamp(&source, round as u64)?;
        up.go(|| {
            blob = sender.send(&source)?;
            Ok(())
        })?;
        let target = scratch.path("fetched");
        down.go(|| sender.fetch(blob, &target))?;
        ensure!(
            fs::metadata(&target)?.len() == bytes,
            "the fetched file has another size"
        );
        fs::remove_file(&target)?;
    }
    let (raw, up, down) = (raw.best, up.best, down.best);
    let mut report = json!({
        "workload": "files",
        "bytes": bytes,
        "plain_copy_mb_s": raw.mb_s,
        "plain_copy_us_per_mb": raw.client_us,
        "upload_mb_s": up.mb_s,
        "upload_of_plain": up.mb_s / raw.mb_s,
        "upload_client_us_per_mb": up.client_us,
        "download_mb_s": down.mb_s,
        "download_of_plain": down.mb_s / raw.mb_s,
        "download_client_us_per_mb": down.client_us,
    });
    if server.is_some() {
        report["upload_server_us_per_mb"] = up.server_us.into();
        report["download_server_us_per_mb"] = down.server_us.into();
    }
    Ok(report)
}

/// One of the ways that the file goes.
struct Way {
    bytes: u64,
    server: Option<u32>,
    best: Cost,
}

/// Megabytes (10^6) in a second, and CPU time for each.
#[derive(Clone, Copy, Default)]
struct Cost {
    mb_s: f64,
    client_us: f64,
    server_us: f64,
}

impl Way {
    fn go(&mut self, run: impl FnOnce() -> Result<()>) -> Result<()> {
        let usage = |pid: Option<u32>| pid.map(Usage::of).unwrap_or_default().cpu_s;
        let own = Some(std::process::id());
        let (client, server) = (usage(own), usage(self.server));
        let start = Instant::now();
        run()?;
        let mb = self.bytes as f64 / 1e6;
        let cost = Cost {
            mb_s: mb / start.elapsed().as_secs_f64(),
            client_us: (usage(own) - client) * 1e6 / mb,
            server_us: (usage(self.server) - server) * 1e6 / mb,
        };
        if cost.mb_s > self.best.mb_s {
            self.best = cost;
        }
        Ok(())
    }
}

/// Random, so that no disk and no file system can make it smaller; synced, so that nothing of it is
/// written while something is measured.
pub(super) fn write_random(path: &Path, bytes: u64) -> Result<()> {
    let mut file = File::create(path)?;
    let mut random = fastrand::Rng::new();
    let mut block = vec![0; BLOCK];
    let mut left = bytes;
    while left > 0 {
        random.fill(&mut block);
        let part = left.min(BLOCK as u64) as usize;
        file.write_all(block.get(..part).unwrap_or_default())?;
        left -= part as u64;
    }
    Ok(file.sync_all()?)
}

pub(super) fn stamp(path: &Path, round: u64) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len().min(8) as usize;
    file.write_all(round.to_le_bytes().get(..length).unwrap_or_default())?;
    Ok(file.sync_all()?)
}

/// Over a connection of its own on this machine, without sealing, proving or a protocol.
fn plain_copy(from: &Path, to: &Path) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut source = File::open(from)?;
    let sending = thread::spawn(move || {
        let mut stream = TcpStream::connect(address)?;
        pump(&mut source, &mut stream)
    });
    let (mut stream, _) = listener.accept()?;
    let mut target = File::create(to)?;
    pump(&mut stream, &mut target)?;
    target.sync_all()?;
    match sending.join() {
        Ok(sent) => Ok(sent?),
        Err(_) => bail!("the sender of the plain copy failed"),
    }
}

fn pump(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            read => to.write_all(block.get(..read).unwrap_or_default())?,
        }
    }
}

/// A client as any program has one, on threads of its own.
struct Peer {
    client: Client,
    own: Target,
}

impl Peer {
    fn enter(host: &Host) -> Result<Self> {
        let name = AccountName::new(&format!("files-{:x}", host.run))?;
        let mut config = ClientConfig::new(host.address.to_string(), name.clone());
        config.register = true;
        config.password = Some(chat_engine::Secret::new(format!("bench {:x}", host.run)));
        config.invite.clone_from(&host.invite);
        config.trust = match &host.fingerprint {
            Some(fingerprint) => Trust::Pinned(fingerprint.clone()),
            None => Trust::AcceptNew,
        };
        let (client, driver) = async_io::block_on(Client::open(config))?;
        thread::spawn(move || async_io::block_on(driver.run()));
        let peer = Self {
            client,
            // Notes to oneself: nobody else is told of them.
            own: Target::Account(name),
        };
        peer.wait(|event| matches!(event, Event::Connected { .. }).then_some(Ok(())))?;
        Ok(peer)
    }

    fn send(&self, path: &Path) -> Result<BlobId> {
        self.client.command(Command::SendFile {
            target: self.own.clone(),
            source: FileSource::Path(path.to_owned()),
            name: None,
            media_type: String::new(),
            id: None,
            label: String::new(),
        })?;
        self.wait(|event| match event {
            Event::Entry { entry, .. } => match entry.body.content() {
                Content::File(_) => entry.body.blob.map(Ok),
                _ => None,
            },
            Event::Refused { refusal, .. } => Some(Err(anyhow::anyhow!("{refusal}"))),
            _ => None,
        })
    }

    fn fetch(&self, blob: BlobId, path: &Path) -> Result<()> {
        self.client.command(Command::Fetch {
            blob,
            sink: FileSink::Path(path.to_owned()),
            start: 0,
            length: None,
            label: String::new(),
        })?;
        self.wait(|event| match event {
            Event::Fetched { .. } => Some(Ok(())),
            Event::Refused { refusal, .. } => Some(Err(anyhow::anyhow!("{refusal}"))),
            _ => None,
        })
    }

    fn wait<T>(&self, mut wanted: impl FnMut(Event) -> Option<Result<T>>) -> Result<T> {
        async_io::block_on(async {
            loop {
                match self.client.next_event().await {
                    Some(Event::Closed { error, .. }) => bail!("the link ended: {error:?}"),
                    None => bail!("the link ended"),
                    Some(event) => {
                        if let Some(found) = wanted(event) {
                            return found;
                        }
                    }
                }
            }
        })
    }
}
