//! `chat-cli send`: one message or file, and the exit code says whether the server has it.

use std::cell::Cell;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_io::Timer;
use chat_engine::{Body, Command, Error, Event, FileSource, LinkFault, Target, limits};
use futures_lite::future;

use crate::args::SendArgs;
use crate::bars::{self, Bars};
use crate::connect::{Dial, Online, join};
use crate::exit::Failure;
use crate::signals;

pub(crate) fn run(args: &SendArgs) -> Result<(), Failure> {
    let signals = signals::watch()?;
    let mut dial = Dial::new(&args.dial)?;
    let target = match (&args.to, &dial.room) {
        (Some(account), _) => Target::Account(account.clone()),
        (None, Some(room)) => Target::Room(room.clone()),
        (None, None) => {
            return Err(Failure::Usage(
                "say where to: chat://HOST:PORT/ROOM or --to NAME".to_owned(),
            ));
        }
    };
    let send = match &args.file {
        Some(path) => Command::SendFile {
            target,
            source: FileSource::Path(path.clone()),
            name: None,
            media_type: bars::media_type(path),
            id: args.id,
            label: String::new(),
        },
        None => {
            let text = match args.text.as_deref() {
                None | Some("-") => read_text()?,
                Some(text) => text.to_owned(),
            };
            Command::Send {
                target,
                body: Body::text(&text, None),
                id: args.id,
                label: String::new(),
            }
        }
    };
    loop {
        match async_io::block_on(attempt(args, &dial, &send, &signals)) {
            Err(Failure::Client(error)) if dial.may_ask(&error) => dial.ask_password(error)?,
            result => return result,
        }
    }
}

async fn attempt(
    args: &SendArgs,
    dial: &Dial,
    send: &Command,
    signals: &Receiver<i32>,
) -> Result<(), Failure> {
    let online = Online::open(dial.config.clone()).await?;
    let due = Cell::new(Instant::now() + args.dial.timeout.unwrap_or(TIMEOUT));
    let late = async {
        while Instant::now() < due.get() {
            Timer::at(due.get()).await;
        }
        Err(Failure::Timeout(
            "it was not acknowledged in time; if it was queued, the next start sends it".to_owned(),
        ))
    };
    let stopped = async {
        match signals.recv().await {
            Ok(_) => Err(Failure::Failed(
                "interrupted before it was acknowledged".to_owned(),
            )),
            Err(_) => future::pending().await,
        }
    };
    // A file takes as long as it takes; a script must not hang where nothing moves.
    let moved = || {
        if args.dial.timeout.is_none() {
            due.set(Instant::now() + TIMEOUT);
        }
    };
    let work = deliver(args, dial, send, &online, &moved);
    let result = future::or(work, future::or(late, stopped)).await;
    match result {
        Ok(()) => online.join(),
        Err(_) => online.abandon().await,
    }
    result
}

/// Sends once connected, and leaves once acknowledged.
async fn deliver(
    args: &SendArgs,
    dial: &Dial,
    send: &Command,
    online: &Online,
    moved: &dyn Fn(),
) -> Result<(), Failure> {
    let mut bars = Bars::new();
    let client = &online.client;
    let wish = |command: Command| client.command(command).map_err(Failure::Client);
    let (mut joining, mut sending) = (None, None);
    let mut acknowledged = false;
    // A login that fails must leave nothing in the outbox that a second attempt would send twice.
    while let Some(event) = client.next_event().await {
        match event {
            Event::Connected { .. } if joining.is_none() && sending.is_none() => match &dial.room {
                Some(room) if args.to.is_none() => joining = Some(wish(join(room).command)?),
                _ => sending = Some(wish(send.clone())?),
            },
            Event::Answer { command, .. } if joining == Some(command) => {
                sending = Some(wish(send.clone())?);
            }
            Event::Progress { id, done, size, .. } => {
                moved();
                bars.show(id, done, size);
            }
            Event::Acked { command, id, .. } if command.is_some() && command == sending => {
                bars.end(id);
                acknowledged = true;
                wish(Command::Leave { flush: true })?;
            }
            Event::Refused {
                command,
                refusal,
                id,
                ..
            } if command.is_some() && (command == joining || command == sending) => {
                if let Some(id) = id {
                    bars.end(id);
                    // Nobody comes back to look at it. If it stays, it stays as failed.
                    let _ = client.command(Command::Cancel(id));
                }
                return Err(Failure::Failed(format!("{refusal} ({})", refusal.code)));
            }
            Event::ServerKey { fingerprint, .. } => {
                return Err(Failure::UnknownKey(format!(
                    "nobody decided about the server's key {fingerprint} yet; compare it with what \
                     its operator says and use --fingerprint, or --accept-new"
                )));
            }
            // What was acknowledged stays so, however the goodbye went.
            Event::Closed { .. } if acknowledged => {}
            Event::Closed { error, reason } => {
                let fault = match (error, reason) {
                    (Some(error), _) => error,
                    (None, Some(reason)) => Error::Link(LinkFault::Bye(reason, String::new())),
                    (None, None) => Error::Closed,
                };
                return Err(Failure::Client(fault));
            }
            _ => {}
        }
    }
    match acknowledged {
        true => Ok(()),
        false => Err(Failure::Client(Error::Closed)),
    }
}

fn read_text() -> Result<String, Failure> {
    let mut text = String::new();
    let limit = limits::TEXT_BYTES as u64 + 2;
    io::stdin()
        .lock()
        .take(limit)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Failed(format!("cannot read the text: {error}")))?;
    // The end of the last line is not part of what was said.
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Unless `--timeout` says otherwise: a script must not hang.
const TIMEOUT: Duration = Duration::from_secs(30);
