//! A server in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Process, chat_cli};

/// A running server and its data directory, which outlives restarts.
#[derive(Debug)]
pub struct Server {
    process: Process,
    address: SocketAddr,
    fingerprint: String,
    args: Vec<String>,
    home: TempDir,
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
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let listen = "127.0.0.1:0".parse().expect("an address");
        let process = launch(home.path(), program, listen, &args);
        let (address, fingerprint) = listening(&process);
        Self {
            process,
            address,
            fingerprint,
            args,
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

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        data(self.home.path())
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
        self.process = launch(self.home.path(), &[], self.address, &self.args);
        let (address, fingerprint) = listening(&self.process);
        assert_eq!(address, self.address);
        assert_eq!(fingerprint, self.fingerprint, "the server has another key");
    }
}

fn data(home: &Path) -> PathBuf {
    home.join("data")
}

fn launch(home: &Path, program: &[&str], listen: SocketAddr, args: &[String]) -> Process {
    let mut command = under(program, chat_cli(home));
    command
        .args(["serve", "--json", "--listen", &listen.to_string(), "--data"])
        .arg(data(home))
        .args(args);
    Process::start(command)
}

/// The command as the argument of another program.
fn under(program: &[&str], command: Command) -> Command {
    let Some((program, args)) = program.split_first() else {
        return command;
    };
    let mut outer = Command::new(program);
    outer.args(args).arg(command.get_program());
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

fn listening(process: &Process) -> (SocketAddr, String) {
    let line = process.expect("line that it listens", |line| line["type"] == "listening");
    let text = |key: &str| line[key].as_str().expect("a string").to_owned();
    let address = text("addr").parse().expect("a numeric address");
    (address, text("fingerprint"))
}
