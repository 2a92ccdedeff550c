//! A client in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder::copy_folder;
use crate::process::{Process, chat_cli};
use crate::server::{Server, under};

/// An account on a machine: what a client is started with, any number of times.
#[derive(Clone, Debug)]
pub struct Device {
    home: Arc<TempDir>,
    address: SocketAddr,
    fingerprint: String,
    name: String,
    password: Option<String>,
    register: bool,
    invite: Option<String>,
    args: Vec<String>,
    program: Vec<String>,
}

impl Device {
    /// Registers at the first login, trusts only this server's key, and is in the room `lobby`.
    ///
    /// # Panics
    ///
    /// When the test has no place for a profile.
    #[must_use]
    pub fn new(server: &Server, name: &str) -> Self {
        Self {
            home: Arc::new(TempDir::new().expect("a folder for the test")),
            address: server.address(),
            fingerprint: server.fingerprint().to_owned(),
            name: name.to_owned(),
            password: Some(format!("the password of {name}")),
            register: true,
            invite: None,
            args: vec!["--join".to_owned(), "lobby".to_owned()],
            program: Vec::new(),
        }
    }

    /// Connects there instead, to a proxy for example.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Expects another key.
    #[must_use]
    pub fn expecting(mut self, fingerprint: &str) -> Self {
        fingerprint.clone_into(&mut self.fingerprint);
        self
    }

    /// Says another password, or none.
    #[must_use]
    pub fn saying(mut self, password: Option<&str>) -> Self {
        self.password = password.map(str::to_owned);
        self
    }

    /// Comes by this invite link's token.
    #[must_use]
    pub fn invited(mut self, link: &str) -> Self {
        let token = link
            .split_once("invite=")
            .map(|(_, token)| token.to_owned());
        self.invite = token;
        self
    }

    /// Uses this profile, of an earlier run of this or another version.
    ///
    /// # Panics
    ///
    /// When it can't be copied.
    #[must_use]
    pub fn with_profile(self, profile: &Path) -> Self {
        copy_folder(profile, &self.profile()).expect("the profile is copied");
        self
    }

    /// Makes no account and joins no room.
    #[must_use]
    pub fn as_is(mut self) -> Self {
        self.register = false;
        self.args.clear();
        self
    }

    /// Runs as the argument of another program, which must become it or leave when it does.
    #[must_use]
    pub fn under(mut self, program: &[&str]) -> Self {
        self.program = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// One more argument.
    #[must_use]
    pub fn with(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Where its key, its outbox and its positions are.
    #[must_use]
    pub fn profile(&self) -> PathBuf {
        self.home.path().join("profile")
    }

    /// The same device once more: the profile is copied. No client may be using it.
    ///
    /// # Panics
    ///
    /// When the copy fails.
    #[must_use]
    pub fn copied(&self) -> Self {
        let home = TempDir::new().expect("a folder for the test");
        copy_folder(&self.profile(), &home.path().join("profile")).expect("the profile is copied");
        Self {
            home: Arc::new(home),
            ..self.clone()
        }
    }

    /// Starts a client, and waits for nothing.
    #[must_use]
    pub fn start(&self) -> Client {
        let mut command = chat_cli(self.home.path());
        let mut link = format!("chat://{}", self.address);
        if let Some(token) = &self.invite {
            link += &format!("?invite={token}");
        }
        command
            .args(["connect", &link])
            .args(["--json", "--user", &self.name])
            .args(["--fingerprint", &self.fingerprint, "--profile"])
            .arg(self.profile());
        if self.register {
            command.arg("--register");
        }
        if let Some(password) = &self.password {
            command.env("CHAT_PASSWORD", password);
        }
        command.args(&self.args);
        let program: Vec<&str> = self.program.iter().map(String::as_str).collect();
        Client {
            process: Process::start(under(&program, command)),
            _home: Arc::clone(&self.home),
        }
    }

    /// Starts a client, and waits until it is logged in.
    #[must_use]
    pub fn login(&self) -> Client {
        let client = self.start();
        client.expect_type("connected");
        client
    }
}

/// A running client.
#[derive(Debug)]
pub struct Client {
    process: Process,
    /// The folder of its profile stays at least as long as it runs.
    _home: Arc<TempDir>,
}

impl Client {
    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Gives it a line.
    pub fn tell(&mut self, line: &Value) {
        self.process.say(&line.to_string());
    }

    /// Sends text to a room.
    pub fn send(&mut self, room: &str, text: &str, label: &str) {
        self.tell(&json!({"type": "send", "room": room, "text": text, "ref": label}));
    }

    /// Sends text to an account.
    pub fn send_to(&mut self, account: &str, text: &str, label: &str) {
        self.tell(&json!({"type": "send", "to": account, "text": text, "ref": label}));
    }

    /// Sends a file to a room.
    pub fn send_file(&mut self, room: &str, path: &Path, label: &str) {
        self.tell(&json!({"type": "send_file", "room": room, "path": path, "ref": label}));
    }

    /// Fetches a file.
    pub fn fetch(&mut self, blob: &Value, path: &Path, label: &str) {
        self.tell(&json!({"type": "fetch", "blob": blob, "path": path, "ref": label}));
    }

    /// Waits for the next file that is offered.
    pub fn offer(&self) -> Value {
        self.expect_type("file")
    }

    /// Waits for a line and takes it; those before it stay.
    pub fn expect(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.process.expect(what, wanted)
    }

    /// Takes a line if it is there already.
    #[must_use]
    pub fn find(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.process.find(wanted)
    }

    /// Waits for the next line of this type.
    pub fn expect_type(&self, kind: &str) -> Value {
        self.expect(kind, |line| line["type"] == kind)
    }

    /// Waits for the answer to what was told with this label.
    pub fn answer(&self, label: &str) -> Value {
        self.expect(&format!("answer to {label}"), |line| {
            line["ref"] == label && line["type"] != "queued" && line["type"] != "progress"
        })
    }

    /// Waits until the server has what was told with this label.
    ///
    /// # Panics
    ///
    /// When it was refused.
    pub fn acked(&self, label: &str) -> Value {
        let answer = self.answer(label);
        assert_eq!(answer["type"], "ack", "{answer}");
        answer
    }

    /// Waits until a transfer is done, for as long as it goes on.
    ///
    /// # Panics
    ///
    /// When it was refused, or stands still.
    pub fn transferred(&self, label: &str) -> Value {
        loop {
            let line = self.expect(&format!("more of {label}"), |line| {
                line["ref"] == label && line["type"] != "queued"
            });
            if line["type"] != "progress" {
                assert_eq!(line["type"], "ack", "{line}");
                return line;
            }
        }
    }

    /// Waits until what was told with this label is refused with this code.
    ///
    /// # Panics
    ///
    /// When something else comes of it.
    pub fn refused(&self, label: &str, code: &str) -> Value {
        let answer = self.answer(label);
        assert_eq!(answer["type"], "error", "{answer}");
        assert_eq!(answer["code"], code, "{answer}");
        answer
    }

    /// Waits for the next message.
    pub fn message(&self) -> Value {
        self.expect_type("message")
    }

    /// Waits for the next so many messages and answers their texts.
    pub fn texts(&self, count: usize) -> Vec<String> {
        let text = |line: Value| line["text"].as_str().unwrap_or_default().to_owned();
        (0..count).map(|_| text(self.message())).collect()
    }

    /// Waits for this account's next change to this state, and answers the reason.
    pub fn sees(&self, account: &str, state: &str) -> String {
        let line = self.expect(&format!("{account} {state}"), |line| {
            line["type"] == "presence" && line["account"] == account && line["state"] == state
        });
        line["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until everything that the server sent so far was printed: its answer to a question that
    /// is asked now comes after it.
    pub fn catch_up(&mut self, label: &str) {
        self.tell(&json!({"type": "conversations", "ref": label}));
        self.answer(label);
    }

    /// Ends its input: it settles everything and leaves. Answers its exit code.
    pub fn leave(&mut self) -> i32 {
        self.process.close_input();
        self.process.ends()
    }

    /// Waits until it ends by itself, and answers its exit code.
    pub fn ends(&mut self) -> i32 {
        self.process.ends()
    }
}
