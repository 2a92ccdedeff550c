//! How an operator reaches a server: through `DATA/control.sock` while it runs, else by opening the
//! data directory.
//!
//! One JSON object per line; each [`Wish`] gets one [`Reply`].

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fs, io};

use async_io::Timer;
use async_net::unix as net;
use chat_engine::json::{error_word, timestamp};
use chat_engine::{
    AccountName, Admin, AdminAnswer, Error, PluginItem, Registration, Rights, Server, ServerConfig,
    StorePlace, limits,
};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, FutureExt};
use serde::{Deserialize, Serialize};
use smol::LocalExecutor;

use crate::exit::Failure;

/// What an operator wants.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Wish {
    UserAdd {
        name: String,
        password: Hidden,
        admin: bool,
    },
    UserPasswd {
        name: String,
        password: Hidden,
    },
    UserDel {
        name: String,
    },
    UserRole {
        name: String,
        admin: bool,
    },
    UserList {
        after: Option<String>,
    },
    Invite {
        uses: u32,
        seconds: u64,
    },
    Key,
    Backup {
        to: PathBuf,
    },
    Plugins,
    PluginReload {
        name: Option<String>,
    },
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Reply {
    Done,
    Users {
        items: Vec<User>,
        /// Another page follows.
        more: bool,
    },
    Invite {
        token: String,
        address: Option<String>,
        fingerprint: String,
    },
    Key {
        fingerprint: String,
    },
    Plugins {
        items: Vec<Plugin>,
    },
    Error {
        code: String,
        message: String,
    },
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) created: String,
    pub(crate) devices: u32,
    pub(crate) online: bool,
    pub(crate) password: bool,
}

/// A plugin, as `chat-cli plugin list` prints it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) isolation: String,
    pub(crate) state: String,
    pub(crate) why: String,
    pub(crate) hooks: Vec<String>,
    pub(crate) commands: Vec<String>,
    pub(crate) priority: i32,
    pub(crate) calls: u64,
    pub(crate) rejects: u64,
    pub(crate) errors: u64,
    pub(crate) dropped: u64,
    pub(crate) behind: u64,
    pub(crate) p99_us: u64,
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, i64>,
}

impl From<PluginItem> for Plugin {
    fn from(item: PluginItem) -> Self {
        Self {
            name: item.name,
            id: item.id,
            version: item.version,
            isolation: item.isolation,
            state: item.state,
            why: item.why,
            hooks: item.hooks,
            commands: item.commands,
            priority: item.priority,
            calls: item.calls,
            rejects: item.rejects,
            errors: item.errors,
            dropped: item.dropped,
            behind: item.behind,
            p99_us: item.p99_us,
            metrics: item.metrics.into_iter().collect(),
        }
    }
}

/// A password on its way; never in a log.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// What a server says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    /// What invites name.
    pub(crate) address: Option<String>,
    pub(crate) fingerprint: String,
}

/// The server's end of the socket. The file goes when it is dropped.
pub(crate) struct Listener {
    socket: net::UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Called while the data directory is held, so a socket that is there is a dead server's.
    pub(crate) fn bind(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET);
        // Bound aside and renamed: under its name the socket never has other rights.
        let aside = data.join("control.sock.new");
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = net::UnixListener::bind(&aside)?;
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&aside, &path)?;
        Ok(Self { socket, path })
    }

    /// Serves operators. Never ends.
    pub(crate) async fn serve<'a, T>(
        &self,
        executor: &LocalExecutor<'a>,
        server: &'a Server,
        info: &'a Info,
    ) -> T {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    let visit = async move {
                        if let Err(error) = visit(stream, server, info).await {
                            tracing::debug!(%error, "an operator's connection broke");
                        }
                    };
                    executor.spawn(visit).detach();
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    // Out of descriptors, mostly: asking again at once would spin.
                    Timer::after(PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A file that stays is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

async fn visit(stream: net::UnixStream, server: &Server, info: &Info) -> io::Result<()> {
    let mut writer = stream.clone();
    let mut reader = futures_lite::io::BufReader::new(stream);
    loop {
        let mut line = String::new();
        let mut limited = (&mut reader).take(LINE_BYTES);
        let read = async { limited.read_line(&mut line).await };
        let late = async {
            Timer::after(IDLE).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        if read.or(late).await? == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_str(&line) {
            Ok(wish) => answer(server, info, wish).await,
            Err(error) => Reply::Error {
                code: "bad_request".to_owned(),
                message: format!("the server does not understand that: {error}"),
            },
        };
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        writer.write_all(&line).await?;
    }
}

/// Does what the operator wants, wherever the wish came from.
async fn answer(server: &Server, info: &Info, wish: Wish) -> Reply {
    match try_answer(server, info, wish).await {
        Ok(reply) => reply,
        Err(error) => Reply::Error {
            code: error_word(&error).to_owned(),
            message: error.to_string(),
        },
    }
}

async fn try_answer(server: &Server, info: &Info, wish: Wish) -> Result<Reply, Error> {
    let name = |text: &str| AccountName::new(text).map_err(Error::from);
    let rights = |admin| if admin { Rights::Admin } else { Rights::User };
    let admin = match wish {
        Wish::UserAdd {
            name: who,
            password,
            admin,
        } => Admin::AddAccount {
            name: name(&who)?,
            password: Some(password.0),
            rights: rights(admin),
        },
        Wish::UserPasswd {
            name: who,
            password,
        } => Admin::SetPassword {
            name: name(&who)?,
            password: password.0,
        },
        Wish::UserDel { name: who } => Admin::RemoveAccount { name: name(&who)? },
        Wish::UserRole { name: who, admin } => Admin::SetRights {
            name: name(&who)?,
            rights: rights(admin),
        },
        Wish::UserList { after } => Admin::Accounts {
            after: after.as_deref().map(name).transpose()?,
            limit: limits::PAGE_ITEMS,
        },
        Wish::Invite { uses, seconds } => Admin::Invite {
            uses,
            lasts: Duration::from_secs(seconds),
        },
        Wish::Key => {
            return Ok(Reply::Key {
                fingerprint: info.fingerprint.clone(),
            });
        }
        Wish::Backup { to } => {
            server.backup(to).await?;
            return Ok(Reply::Done);
        }
        Wish::Plugins => Admin::Plugins,
        Wish::PluginReload { name } => Admin::ReloadPlugin { name },
    };
    Ok(match server.admin(admin).await? {
        AdminAnswer::Accounts(items) => Reply::Users {
            more: items.len() >= limits::PAGE_ITEMS,
            items: items
                .into_iter()
                .map(|item| User {
                    name: item.name.to_string(),
                    role: match item.rights {
                        Rights::User => "user".to_owned(),
                        Rights::Admin => "admin".to_owned(),
                    },
                    created: timestamp(item.created),
                    devices: item.devices,
                    online: item.online,
                    password: item.password,
                })
                .collect(),
        },
        AdminAnswer::Invite(token) => Reply::Invite {
            token,
            address: info.address.clone(),
            fingerprint: info.fingerprint.clone(),
        },
        AdminAnswer::Plugins(items) => Reply::Plugins {
            items: items.into_iter().map(Plugin::from).collect(),
        },
        _ => Reply::Done,
    })
}

/// The operator's end: a running server, or one that was started for the occasion.
pub(crate) enum Desk {
    Running(BufReader<UnixStream>),
    Own {
        server: Server,
        info: Info,
        thread: JoinHandle<()>,
    },
}

impl Desk {
    /// Reaches the server of a data directory.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let until = Instant::now() + SETTLE;
        loop {
            if let Ok(stream) = UnixStream::connect(data.join(SOCKET)) {
                return Ok(Self::Running(BufReader::new(stream)));
            }
            match Self::start(data) {
                // Another process holds it: a server that is about to listen or to end, or another
                // operator's command.
                Err(Failure::Server(Error::InUse { .. })) if Instant::now() < until => {
                    thread::sleep(PAUSE);
                }
                desk => return desk,
            }
        }
    }

    fn start(data: &Path) -> Result<Self, Failure> {
        let config = ServerConfig {
            listen: Vec::new(),
            store: StorePlace::Folder(data.to_owned()),
            registration: Registration::Closed,
            ..ServerConfig::default()
        };
        let (server, driver) =
            async_io::block_on(Server::start(config)).map_err(Failure::Server)?;
        let thread = thread::Builder::new()
            .name("chat-0".to_owned())
            .spawn(move || async_io::block_on(driver.run()))
            .map_err(|error| Failure::Failed(format!("cannot start a thread: {error}")))?;
        let info = Info {
            address: None,
            fingerprint: server.fingerprint().to_owned(),
        };
        Ok(Self::Own {
            server,
            info,
            thread,
        })
    }

    /// Whether it is a server that runs.
    pub(crate) const fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    pub(crate) fn ask(&mut self, wish: Wish) -> Result<Reply, Failure> {
        let reply = match self {
            Self::Running(stream) => over(stream, &wish)
                .map_err(|error| Failure::Failed(format!("the running server: {error}")))?,
            Self::Own { server, info, .. } => async_io::block_on(answer(server, info, wish)),
        };
        match reply {
            Reply::Error { code, message } => Err(Failure::Failed(format!("{message} ({code})"))),
            reply => Ok(reply),
        }
    }

    /// Everything is on disk when it returns.
    pub(crate) fn close(self) {
        if let Self::Own { server, thread, .. } = self {
            async_io::block_on(server.drain());
            if thread.join().is_err() {
                tracing::error!("the server's thread panicked");
            }
        }
    }
}

fn over(stream: &mut BufReader<UnixStream>, wish: &Wish) -> io::Result<Reply> {
    let mut line = serde_json::to_vec(wish)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line)?;
    let mut line = String::new();
    stream.by_ref().take(LINE_BYTES).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::other("it ended before it answered"));
    }
    Ok(serde_json::from_str(&line)?)
}

const SOCKET: &str = "control.sock";
/// A page of accounts with the longest names, with room.
const LINE_BYTES: u64 = 256 * 1024;
/// An operator's command says what it wants at once.
const IDLE: Duration = Duration::from_secs(30);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a server may take from holding its directory to listening, or from closing to exit.
const SETTLE: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_and_replies_read_back() {
        let wish = Wish::UserAdd {
            name: "ann".into(),
            password: Hidden("secret".into()),
            admin: true,
        };
        let text = serde_json::to_string(&wish).unwrap();
        assert_eq!(
            text,
            r#"{"type":"user_add","name":"ann","password":"secret","admin":true}"#
        );
        assert_eq!(serde_json::from_str::<Wish>(&text).unwrap(), wish);
        let key: Wish = serde_json::from_str(r#"{"type":"key"}"#).unwrap();
        assert_eq!(key, Wish::Key);
        let reply = Reply::Users {
            items: Vec::new(),
            more: false,
        };
        let text = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), reply);
    }

    #[test]
    fn a_password_is_not_in_the_debug_text() {
        let hidden = Hidden("secret".into());
        assert!(!format!("{hidden:?}").contains("secret"));
    }
}
