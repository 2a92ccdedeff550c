//! A server in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::folder::copy_folder;
use crate::process::{Process, chat_cli};

/// A running server and its data directory, which outlives restarts.
#[derive(Debug)]
pub struct Server {
    process: Process,
    address: SocketAddr,
    fingerprint: String,
    invite: String,
    args: Vec<String>,
    data: PathBuf,
    home: TempDir,
}

/// How a command of the operator ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub output: String,
    /// What it told people.
    pub errors: String,
}

impl Server {
    /// Starts one with an empty data directory on a free port of the loopback interface.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments.
    ///
    /// # Panics
    ///
    /// When it does not start to listen.
    #[must_use]
    pub fn start_with(args: &[&str]) -> Self {
        Self::start_under(&[], args)
    }

    /// The same as the argument of another program, a debugger for example, which must become the
    /// server or leave when it does.
    ///
    /// # Panics
    ///
    /// When it does not start to listen.
    #[must_use]
    pub fn start_under(program: &[&str], args: &[&str]) -> Self {
        let home = TempDir::new().expect("a folder for the test");
        Self::start_in(home, program, args)
    }

    /// Starts one with more arguments on a copy of a data directory.
    ///
    /// # Panics
    ///
    /// When it can't be copied, or the server does not start to listen.
    #[must_use]
    pub fn start_from(data: &Path, args: &[&str]) -> Self {
        let home = TempDir::new().expect("a folder for the test");
        copy_folder(data, &home.path().join("data")).expect("the data directory is copied");
        Self::start_in(home, &[], args)
    }

    fn start_in(home: TempDir, program: &[&str], args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let listen = "127.0.0.1:0".parse().expect("an address");
        let data = home.path().join("data");
        let process = launch(home.path(), &data, program, listen, &args);
        let [address, fingerprint, invite] = listening(&process);
        Self {
            process,
            address: address.parse().expect("a numeric address"),
            fingerprint,
            invite,
            args,
            data,
            home,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its key's fingerprint, as it printed it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The invite link that it printed at its last start.
    #[must_use]
    pub fn invite(&self) -> &str {
        &self.invite
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// Runs a command of its operator, whether it runs or not.
    ///
    /// # Panics
    ///
    /// When the command can't be started.
    #[must_use]
    pub fn operate(&self, args: &[&str]) -> Ran {
        self.operate_saying("", args)
    }

    /// The same, with a password.
    ///
    /// # Panics
    ///
    /// When the command can't be started.
    #[must_use]
    pub fn operate_saying(&self, password: &str, args: &[&str]) -> Ran {
        let mut command = chat_cli(self.home.path());
        command.args(args).arg("--data").arg(&self.data);
        let ran = command
            .env("CHAT_PASSWORD", password)
            .stdin(Stdio::null())
            .output()
            .expect("the binary can be started");
        Ran {
            code: ran.status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&ran.stdout).into_owned(),
            errors: String::from_utf8_lossy(&ran.stderr).into_owned(),
        }
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to stop, and answers its exit code.
    pub fn stop(&mut self) -> i32 {
        self.process.signal(Signal::TERM);
        self.process.ends()
    }

    /// Starts it again after its end: the same data, the same address, under no other program.
    ///
    /// # Panics
    ///
    /// When it does not come back as the same server.
    pub fn restart(&mut self) {
        self.process = launch(self.home.path(), &self.data, &[], self.address, &self.args);
        let [address, fingerprint, invite] = listening(&self.process);
        assert_eq!(address, self.address.to_string());
        assert_eq!(fingerprint, self.fingerprint, "the server has another key");
        self.invite = invite;
    }

    /// Starts it again after its end at the same address, on a copy of another data directory.
    ///
    /// # Panics
    ///
    /// When it can't be copied, or the server does not come back as the same.
    pub fn restart_from(&mut self, data: &Path) {
        self.data.set_extension("restored");
        copy_folder(data, &self.data).expect("the data directory is copied");
        self.restart();
    }
}

fn launch(
    home: &Path,
    data: &Path,
    program: &[&str],
    listen: SocketAddr,
    args: &[String],
) -> Process {
    let mut command = under(program, chat_cli(home));
    command
        .args(["serve", "--json", "--listen", &listen.to_string(), "--data"])
        .arg(data)
        .args(args);
    Process::start(command)
}

/// The command as the argument of another program.
pub(crate) fn under(program: &[&str], command: Command) -> Command {
    let Some((program, args)) = program.split_first() else {
        return command;
    };
    let mut outer = Command::new(program);
    outer
        .args(args)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

/// Its address, its fingerprint and its invite link.
fn listening(process: &Process) -> [String; 3] {
    let line = process.expect("line that it listens", |line| line["type"] == "listening");
    ["addr", "fingerprint", "invite"].map(|key| line[key].as_str().expect("a string").to_owned())
}
