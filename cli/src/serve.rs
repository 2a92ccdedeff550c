//! `chat-cli serve`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use chat_engine::port::Hooks;
use chat_engine::{
    Admin, AdminAnswer, FileRules, Registration, Retention, Server, ServerConfig, ServerDriver,
    StorePlace, url,
};
use chat_plugins::{Plugins, PluginsConfig};
use futures_lite::future;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::LocalExecutor;

use crate::args::ServeArgs;
use crate::config;
use crate::control::{Info, Listener};
use crate::exit::{Failure, complain};
use crate::paths;
use crate::plugin;
use crate::signals;

pub(crate) fn run(args: ServeArgs) -> Result<(), Failure> {
    let args = config::with_file(args)?;
    // Before any thread: what starts later must not be killed by them.
    let signals = signals::watch()?;
    let files = raise_file_limit();
    let (mut config, data) = server_config(&args)?;
    if let Some(files) = files {
        config.streams = config.streams.min(streams(files));
    }
    async_io::block_on(serve(&args, config, data, signals))
}

async fn serve(
    args: &ServeArgs,
    config: ServerConfig,
    data: Option<PathBuf>,
    signals: Receiver<i32>,
) -> Result<(), Failure> {
    let registration = config.registration;
    let (server, driver) = Server::start(config).await.map_err(Failure::Server)?;
    let (ended, threads_ended) = async_channel::unbounded();
    for number in 0..thread::available_parallelism().map_or(1, usize::from) {
        start_thread(number, driver.clone(), ended.clone())?;
    }
    drop((driver, ended));
    // Whoever reads that it listens finds the filters at work.
    let loaded = server.admin(Admin::Plugins).await;
    tracing::debug!(plugins = loaded.is_ok(), "ready");
    let address = public_address(args, &server);
    let info = Info {
        address: Some(address.clone()),
        fingerprint: server.fingerprint().to_owned(),
    };
    let token = first_token(&server, registration).await?;
    let link = url::invite(&address, server.fingerprint(), token.as_deref());
    let listener = match &data {
        Some(data) => Listener::bind(data)
            .map_err(|error| complain(&format!("without a control socket: {error}")))
            .ok(),
        None => None,
    };
    announce(args.json, &server, &link, registration)?;

    let executor = LocalExecutor::new();
    let desk = async {
        match &listener {
            Some(listener) => listener.serve(&executor, &server, &info).await,
            None => future::pending().await,
        }
    };
    let stop = async {
        // The watcher's end would mean that nobody can stop the server any more.
        let _ = signals.recv().await;
        true
    };
    let crash = async {
        let _ = threads_ended.recv().await;
        false
    };
    let asked = executor
        .run(future::or(future::or(stop, crash), desk))
        .await;
    drop(listener);
    tracing::info!("stopping");
    server.drain().await;
    if !asked {
        return Err(Failure::Failed(
            "a thread of the server ended by itself; its log says more".to_owned(),
        ));
    }
    // Each thread says when it is done by dropping its end. Everything is on disk already, so one
    // that does not end costs nothing but this wait.
    let ends = async { while threads_ended.recv().await.is_ok() {} };
    let late = async {
        Timer::after(THREADS_END).await;
    };
    future::or(ends, late).await;
    Ok(())
}

fn start_thread(number: usize, driver: ServerDriver, ended: Sender<()>) -> Result<(), Failure> {
    let work = move || {
        // Also when the driver panics.
        let _ended = Ended(ended);
        driver.run_on_thread();
    };
    thread::Builder::new()
        .name(format!("chat-{number}"))
        .spawn(work)
        .map(drop)
        .map_err(|error| Failure::Failed(format!("cannot start a thread: {error}")))
}

/// Tells that its thread ended.
struct Ended(Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // After a drain nobody needs to know.
        let _ = self.0.try_send(());
    }
}

/// What the flags and the file ask of the engine, and the data directory if there is one.
fn server_config(args: &ServeArgs) -> Result<(ServerConfig, Option<PathBuf>), Failure> {
    let unsupported = |what: &str| Failure::Usage(format!("{what} is not supported yet"));
    if args.metrics.is_some() {
        return Err(unsupported("--metrics"));
    }
    let data = match args.store.as_deref() {
        None | Some("sqlite") => Some(match &args.data {
            Some(data) => data.clone(),
            None => paths::data()?,
        }),
        Some("memory") => None,
        Some(store) if store.starts_with("nats://") => {
            return Err(unsupported("--store nats://"));
        }
        Some(store) => {
            return Err(Failure::Usage(format!(
                "--store is sqlite, memory or nats://HOST:PORT, not \"{store}\""
            )));
        }
    };
    let listen = match args.listen.is_empty() {
        true => vec![format!("127.0.0.1:{}", url::PORT)],
        false => args.listen.clone(),
    };
    let registration = args.registration.unwrap_or_else(|| {
        match listen.iter().all(|address| is_loopback(address)) {
            true => Registration::Open,
            false => Registration::Invite,
        }
    });
    let usual = ServerConfig::default();
    let config = ServerConfig {
        listen,
        store: match &data {
            Some(data) => StorePlace::Folder(data.clone()),
            None => StorePlace::Memory,
        },
        registration,
        retention: Retention {
            age: args.retention_age,
            count: args.retention_count,
        },
        lobby: match args.lobby.as_deref() {
            Some("") => None,
            Some(room) => Some(room.to_owned()),
            None => usual.lobby,
        },
        files: FileRules {
            largest: args.max_file.unwrap_or(usual.files.largest),
            per_account: args.file_quota.or(usual.files.per_account),
            total: args.files_total.or(usual.files.total),
            refused_types: args.refuse_type.clone(),
        },
        streams: usual.streams,
        danger_synchronous_off: args.danger_synchronous_off,
        hooks: plugins(args, data.as_deref())?,
    };
    Ok((config, data))
}

/// Plugins, if there is a folder for them.
fn plugins(args: &ServeArgs, data: Option<&Path>) -> Result<Option<Arc<dyn Hooks>>, Failure> {
    let settings = config::plugins(args.config.as_deref())?;
    let usual = Path::new("plugins");
    let folder = match &args.plugins {
        Some(folder) => folder.clone(),
        None if usual.is_dir() => usual.to_owned(),
        None => return Ok(None),
    };
    // Where the folder is does not change when the working directory does.
    let folder = std::path::absolute(&folder)
        .map_err(|error| Failure::Usage(format!("--plugins {}: {error}", folder.display())))?;
    let file = args.config.clone();
    let plugins = Plugins::new(PluginsConfig {
        folder: Some(folder),
        data: data.map(Path::to_owned),
        helper: plugin::helper()?,
        settings,
        settings_source: Some(Box::new(move || {
            config::plugins(file.as_deref()).map_err(|failure| failure.to_string())
        })),
        built_in: Vec::new(),
    });
    Ok(Some(plugins))
}

/// Where invites say that the server is.
fn public_address(args: &ServeArgs, server: &Server) -> String {
    if let Some(address) = &args.public {
        return address.clone();
    }
    match server.addresses().first() {
        Some(address) => {
            if address.ip().is_unspecified() {
                complain(&format!(
                    "invites name {address}, which nobody can reach; say --public HOST:PORT"
                ));
            }
            address.to_string()
        }
        None => format!("127.0.0.1:{}", url::PORT),
    }
}

/// Whether only this machine can reach the address.
fn is_loopback(address: &str) -> bool {
    match address.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => address
            .rsplit_once(':')
            .is_some_and(|(host, _)| host == "localhost"),
    }
}

/// At the very first start of a server that is by invite only, its operator needs a way in.
async fn first_token(
    server: &Server,
    registration: Registration,
) -> Result<Option<String>, Failure> {
    if registration != Registration::Invite {
        return Ok(None);
    }
    let accounts = Admin::Accounts {
        after: None,
        limit: 1,
    };
    let answer = server.admin(accounts).await.map_err(Failure::Server)?;
    if !matches!(&answer, AdminAnswer::Accounts(items) if items.is_empty()) {
        return Ok(None);
    }
    let invite = Admin::Invite {
        uses: 1,
        lasts: FIRST_INVITE,
    };
    match server.admin(invite).await.map_err(Failure::Server)? {
        AdminAnswer::Invite(token) => Ok(Some(token)),
        _ => Ok(None),
    }
}

fn announce(
    json: bool,
    server: &Server,
    link: &str,
    registration: Registration,
) -> Result<(), Failure> {
    let address = server
        .addresses()
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let text = announcement(json, &address, server.fingerprint(), link, registration);
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn announcement(
    json: bool,
    address: &str,
    fingerprint: &str,
    link: &str,
    registration: Registration,
) -> String {
    if json {
        // By hand, so that `type` comes first: none of these has anything to escape.
        return format!(
            "{{\"type\":\"listening\",\"addr\":\"{address}\",\"fingerprint\":\"{fingerprint}\",\"invite\":\"{link}\"}}\n"
        );
    }
    let hint = match registration {
        Registration::Closed => format!("chat-cli connect '{link}' --user NAME"),
        Registration::Open | Registration::Invite => {
            format!("chat-cli connect '{link}' --user NAME --register")
        }
    };
    format!(
        "listening on {address}\nfingerprint  {fingerprint}\ninvite       {link}\nto connect   {hint}\n"
    )
}

/// Each link takes a descriptor, and the soft limit is 1,024 on most systems.
fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
        return limit.current;
    }
    limit.maximum
}

/// The streams that a limit of open files leaves room for.
fn streams(files: u64) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    // Where there are very few, half of them are as good as any other share.
    files.saturating_sub(SPARE_FILES).max(files / 2).max(1)
}

/// Files that are not links: the database with its readers and logs, listeners, operators at the control
/// socket, a backup, and what the C library opens for itself.
const SPARE_FILES: usize = 128;
/// How long threads may take to end after a drain.
const THREADS_END: Duration = Duration::from_millis(500);
/// A week is enough to open the first account.
const FIRST_INVITE: Duration = Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn with(listen: &[&str]) -> ServeArgs {
        ServeArgs {
            listen: listen.iter().map(ToString::to_string).collect(),
            store: Some("memory".into()),
            ..ServeArgs::default()
        }
    }

    #[test]
    fn registration_is_open_only_where_nobody_else_can_reach_it() {
        let policy = |listen: &[&str]| server_config(&with(listen)).unwrap().0.registration;
        assert_eq!(policy(&[]), Registration::Open);
        assert_eq!(policy(&["127.0.0.1:0", "[::1]:0"]), Registration::Open);
        assert_eq!(policy(&["127.0.0.1:0", "0.0.0.0:0"]), Registration::Invite);
    }

    #[test]
    fn what_is_not_built_yet_is_a_usage_error() {
        for args in [
            ServeArgs {
                store: Some("nats://h:4222".into()),
                ..ServeArgs::default()
            },
            ServeArgs {
                store: Some("paper".into()),
                ..ServeArgs::default()
            },
            ServeArgs {
                metrics: Some("h:1".into()),
                ..with(&[])
            },
        ] {
            assert_eq!(server_config(&args).unwrap_err().code(), 2);
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_number() {
        for address in ["127.0.0.1:1", "[::1]:0", "localhost:7"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "chat.example:7", "localhost"] {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[test]
    fn links_leave_files_to_the_store() {
        assert_eq!(streams(1024), 896);
        assert_eq!(streams(100), 50);
        assert_eq!(streams(0), 1);
    }

    #[test]
    fn the_first_line_is_what_scripts_wait_for() {
        let link = "chat://127.0.0.1:40123?fp=SHA256:x";
        assert_eq!(
            announcement(
                true,
                "127.0.0.1:40123",
                "SHA256:x",
                link,
                Registration::Open
            ),
            "{\"type\":\"listening\",\"addr\":\"127.0.0.1:40123\",\"fingerprint\":\"SHA256:x\",\"invite\":\"chat://127.0.0.1:40123?fp=SHA256:x\"}\n"
        );
        let people = announcement(
            false,
            "127.0.0.1:40123",
            "SHA256:x",
            link,
            Registration::Open,
        );
        assert!(people.starts_with("listening on 127.0.0.1:40123\n"));
        assert!(
            people.contains("connect 'chat://127.0.0.1:40123?fp=SHA256:x' --user NAME --register")
        );
    }
}
