//! The examples talk to each other: a server, a bot, a listener, and people who say one thing.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Far more than any step needs on a busy machine; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_examples_talk_to_each_other() {
    let folder = TempDir::new().expect("a folder for the test");
    let start = |program: &str, arguments: &[&str]| Program::start(&folder, program, arguments);
    let mut server = start(env!("CARGO_BIN_EXE_embedded-server"), &[]);
    let line = server.hear("listening ");
    let [_, address, fingerprint] = words(&line);
    let say = |name: &str, text: &str| {
        let mut person = start(
            env!("CARGO_BIN_EXE_under-smol"),
            &[address, fingerprint, name, text],
        );
        person.hear("on the server as entry ");
        person.ends();
    };

    let bot_comes = || {
        let mut bot = start(
            env!("CARGO_BIN_EXE_bot"),
            &[address, fingerprint, "bot.profile"],
        );
        bot.hear("here as bot");
        bot
    };
    let mut bot = bot_comes();
    let mut listener = start(
        env!("CARGO_BIN_EXE_under-tokio"),
        &[address, fingerprint, "listener"],
    );
    listener.hear("here as listener");

    say("ann", "!ping");
    listener.hear("<ann> !ping");
    listener.hear("<bot> pong");

    say("ann", "!quit");
    bot.ends();
    say("bob", "!ping");
    listener.hear("<bob> !ping");
    // It knows how far it read, and who it is.
    let mut bot = bot_comes();
    listener.hear("<bot> pong");

    say("ann", "!quit");
    bot.ends();
    say("ann", "bye");
    listener.hear("<ann> bye");
    listener.ends();
    say("ann", "shut down");
    server.hear("<ann> shut down");
    server.ends();
}

#[test]
fn an_example_says_how_it_is_used() {
    for program in [
        env!("CARGO_BIN_EXE_under-smol"),
        env!("CARGO_BIN_EXE_under-tokio"),
        env!("CARGO_BIN_EXE_bot"),
    ] {
        let output = Command::new(program).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("usage: "), "{errors}");
    }
}

/// A running example. It is killed when the test is through with it, also by a failure.
struct Program {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Program {
    fn start(folder: &TempDir, program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .env("CHAT_PASSWORD", "correct horse")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let output = child.stdout.take().expect("its output is a pipe");
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// Waits for a line that begins so, passing over others.
    fn hear(&mut self, begin: &str) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!(
                    "no line begins with \"{begin}\"; these came: {:?}",
                    self.heard
                );
            };
            self.heard.push(line.clone());
            if line.starts_with(begin) {
                return line;
            }
        }
    }

    /// Waits until it ended by itself, and well.
    fn ends(&mut self) {
        // The end of its output is the end of it, or close before.
        let deadline = Instant::now() + LONG;
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.heard.push(line);
        }
        assert!(
            Instant::now() < deadline,
            "it does not end: {:?}",
            self.heard
        );
        let status = self.child.wait().expect("it can be waited for");
        assert!(status.success(), "{status}: {:?}", self.heard);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words<const N: usize>(line: &str) -> [&str; N] {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().expect("that many words")
}
