//! `chat-cli connect`: one loop, two faces (plain lines and JSON lines).

mod dial;
mod json;
mod plain;
mod sanitize;
mod slash;
mod typed;

pub(crate) use dial::{Dial, Online};

use std::collections::{HashSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_io::Timer;
use chat_engine::{
    ByeReason, Change, Command, CommandId, Error, Event, LinkFault, Misuse, Request, RoomName,
    Target,
};
use futures_lite::future;

use crate::args::ConnectArgs;
use crate::exit::{Failure, bye_code};
use crate::signals;
use typed::Typed;

/// A command on its way to the client, and what its answer is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wish {
    pub(crate) command: Command,
    pub(crate) purpose: Purpose,
}

/// What the answer of a command is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Purpose {
    /// The person or script asked, under this `ref`.
    Asked(Option<String>),
    /// The room was named at the start.
    Join(RoomName),
    /// Earlier messages for somebody who just came.
    Backlog,
    /// Labels that an earlier run left in the outbox.
    Labels,
}

/// How a client looks to the outside.
pub(crate) trait Face {
    /// What to ask before anything else.
    fn start(&mut self) -> Vec<Wish>;
    /// A line was typed. Complains itself when it makes no sense.
    fn typed(&mut self, line: &str) -> io::Result<Vec<Wish>>;
    /// A line was typed that can't be used.
    fn unreadable(&mut self, why: &str) -> io::Result<()>;
    /// The client took a wish.
    fn asked(&mut self, id: CommandId, wish: &Wish);
    /// The client did not take it.
    fn not_taken(&mut self, wish: &Wish, error: &Error) -> io::Result<()>;
    /// An event came. What is shown is flushed when this returns.
    fn event(&mut self, event: &Event) -> io::Result<Vec<Wish>>;
    /// Something was refused, and nobody but the exit code can tell.
    fn failed(&self) -> bool;
    /// Whether it can ask the person about a server's key.
    fn asks(&self) -> bool;
}

pub(crate) fn run(args: &ConnectArgs) -> Result<(), Failure> {
    let signals = signals::watch()?;
    let mut dial = Dial::new(&args.dial)?;
    let mut rooms: Vec<RoomName> = Vec::new();
    for room in dial.room.iter().chain(&args.join) {
        if !rooms.contains(room) {
            rooms.push(room.clone());
        }
    }
    loop {
        let ended = match args.json {
            true => {
                let mut face = json::Json::new(io::stdout());
                session(args, &dial, &rooms, &signals, &mut face)?
            }
            false => {
                let mut face = plain::Plain::new(io::stdout(), &rooms, args.history);
                session(args, &dial, &rooms, &signals, &mut face)?
            }
        };
        match ended {
            None => return Ok(()),
            Some(error) => dial.ask_password(error)?,
        }
    }
}

/// One client from open to closed. `Some` when another password may help.
fn session<F: Face>(
    args: &ConnectArgs,
    dial: &Dial,
    rooms: &[RoomName],
    signals: &Receiver<i32>,
    face: &mut F,
) -> Result<Option<Error>, Failure> {
    async_io::block_on(async {
        let online = Online::open(dial.config.clone()).await?;
        let mut talk = Talk {
            face,
            online: &online,
            typed: None,
            held: VecDeque::new(),
            joining: HashSet::new(),
            connected: false,
            state: State::Talking,
            deadline: args.dial.timeout.map(|wait| Instant::now() + wait),
            timeout: args.dial.timeout,
            stay: args.stay,
            stopped: None,
            closed: None,
        };
        let result = talk.run(rooms, signals).await;
        let (stopped, closed, failed) = (talk.stopped, talk.closed, talk.face.failed());
        match result {
            Ok(()) => online.join(),
            Err(failure) => {
                online.abandon().await;
                return Err(failure);
            }
        }
        if let Some(failure) = stopped {
            return Err(failure);
        }
        match closed {
            Some((Some(error), _)) if dial.may_ask(&error) => Ok(Some(error)),
            Some((Some(error), _)) => Err(Failure::Client(error)),
            Some((None, Some(reason))) if bye_code(reason) != 0 => {
                let fault = LinkFault::Bye(reason, String::new());
                Err(Failure::Client(Error::Link(fault)))
            }
            _ if failed => Err(Failure::Told),
            _ => Ok(None),
        }
    })
}

/// A client's life, as its face sees it.
struct Talk<'a, F> {
    face: &'a mut F,
    online: &'a Online,
    /// Lines from stdin, once they are wanted.
    typed: Option<Receiver<Typed>>,
    /// What the client had no room for. Nothing is read while something is here.
    held: VecDeque<Wish>,
    /// Rooms that have to be joined before anything is sent to them.
    joining: HashSet<CommandId>,
    connected: bool,
    state: State,
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    stay: bool,
    /// Why it is left early.
    stopped: Option<Failure>,
    closed: Option<(Option<Error>, Option<ByeReason>)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Reads what is typed.
    Talking,
    /// The input ended, and is ignored.
    Staying,
    /// The input ended before the login: waits for that first.
    Ending,
    /// The input ended: settles everything.
    Flushing,
    /// Says goodbye.
    Leaving,
}

enum Step {
    Event(Option<Event>),
    Typed(Option<Typed>),
    Signal,
    Due,
}

impl<F: Face> Talk<'_, F> {
    async fn run(&mut self, rooms: &[RoomName], signals: &Receiver<i32>) -> Result<(), Failure> {
        let wishes = self.face.start();
        self.give(wishes)?;
        self.give(rooms.iter().map(join))?;
        loop {
            self.listen()?;
            match self.step(signals).await {
                Step::Event(Some(event)) => self.event(event)?,
                Step::Event(None) => return Ok(()),
                Step::Typed(Some(Typed::Line(line))) => {
                    let wishes = self.face.typed(&line)?;
                    self.give(wishes)?;
                }
                Step::Typed(Some(Typed::Bad(why))) => self.face.unreadable(why)?,
                Step::Typed(None) => self.input_ended()?,
                Step::Signal => self.leave()?,
                Step::Due if self.state == State::Leaving => return self.too_late(),
                Step::Due => {
                    self.stopped = Some(Failure::Timeout(
                        match self.connected {
                            true => "not everything was acknowledged in time; the rest stays in the outbox",
                            false => "no connection in time",
                        }
                        .to_owned(),
                    ));
                    self.leave()?;
                }
            }
        }
    }

    async fn step(&self, signals: &Receiver<i32>) -> Step {
        let event = async { Step::Event(self.online.client.next_event().await) };
        let typed = async {
            // What follows a join in a pipe is meant for that room.
            let ready = self.held.is_empty() && self.joining.is_empty();
            match &self.typed {
                Some(typed) if self.state == State::Talking && ready => {
                    Step::Typed(typed.recv().await.ok())
                }
                _ => future::pending().await,
            }
        };
        let signal = async {
            match signals.recv().await {
                Ok(_) => Step::Signal,
                Err(_) => future::pending().await,
            }
        };
        let due = async {
            match self.deadline {
                Some(deadline) => {
                    Timer::at(deadline).await;
                    Step::Due
                }
                None => future::pending().await,
            }
        };
        // `race` starts with another one each time: a flood of events must not starve Ctrl-C.
        future::race(future::race(event, typed), future::race(signal, due)).await
    }

    /// Starts to read stdin when nothing is in its way.
    fn listen(&mut self) -> Result<(), Failure> {
        // A terminal may first be asked for a key or a password.
        let ready = self.joining.is_empty() && (self.connected || !typed::is_terminal());
        if self.typed.is_none() && ready && self.held.is_empty() {
            self.typed = Some(typed::lines()?);
        }
        Ok(())
    }

    fn give(&mut self, wishes: impl IntoIterator<Item = Wish>) -> Result<(), Failure> {
        self.held.extend(wishes);
        while let Some(wish) = self.held.pop_front() {
            match self.online.client.command(wish.command.clone()) {
                Ok(id) => {
                    self.face.asked(id, &wish);
                    self.taken(id, &wish);
                }
                Err(Error::Misuse(Misuse::Full)) if self.state != State::Leaving => {
                    self.held.push_front(wish);
                    break;
                }
                Err(error) => self.face.not_taken(&wish, &error)?,
            }
        }
        Ok(())
    }

    fn taken(&mut self, id: CommandId, wish: &Wish) {
        if matches!(wish.purpose, Purpose::Join(_)) {
            self.joining.insert(id);
        }
        if let Command::Leave { flush } = wish.command {
            self.left(flush);
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        let wishes = self.face.event(&event)?;
        match event {
            // Without a link nothing answers, and what is typed belongs into the outbox. The joins
            // go first on the next link all the same.
            Event::Reconnecting { .. } => self.joining.clear(),
            Event::Connected { .. } => {
                self.connected = true;
                if self.state == State::Ending {
                    self.give([leave(true)])?;
                }
                if self.state == State::Talking || self.state == State::Staying {
                    self.deadline = None;
                }
            }
            Event::ServerKey { key, fingerprint } => self.decide(key, &fingerprint)?,
            Event::Answer { command, .. } => {
                self.joining.remove(&command);
            }
            Event::Refused {
                command: Some(command),
                ..
            } => {
                self.joining.remove(&command);
            }
            Event::Closed { error, reason } => self.closed = Some((error, reason)),
            _ => {}
        }
        // Also tries again what was held.
        self.give(wishes)
    }

    /// As SSH does it: a person compares the fingerprint, a script must have said it before.
    fn decide(&mut self, key: [u8; 32], fingerprint: &str) -> Result<(), Failure> {
        let asks = self.face.asks();
        if asks && dial::asks_about(fingerprint)? {
            return self
                .online
                .client
                .command(Command::Trust(key))
                .map(drop)
                .map_err(Failure::Client);
        }
        self.stopped = Some(Failure::UnknownKey(match asks {
            true => format!(
                "the server's key {fingerprint} was not accepted; it was told neither a name nor a \
                 password"
            ),
            false => format!(
                "nobody decided about the server's key {fingerprint} yet; compare it with what its \
                 operator says and use --fingerprint, or --accept-new to accept it unseen"
            ),
        }));
        self.leave()
    }

    fn input_ended(&mut self) -> Result<(), Failure> {
        if self.stay {
            self.state = State::Staying;
            return Ok(());
        }
        // Who comes only to register wants to know whether it worked.
        if !self.connected {
            self.state = State::Ending;
            return Ok(());
        }
        self.give([leave(true)])
    }

    fn leave(&mut self) -> Result<(), Failure> {
        // What the client had no room for was never promised to be kept.
        for wish in std::mem::take(&mut self.held) {
            self.face.not_taken(&wish, &Error::Closed)?;
        }
        let taken = self.online.client.command(Command::Leave { flush: false });
        if let Err(error) = taken {
            tracing::debug!(%error, "the client is leaving already");
        }
        self.left(false);
        Ok(())
    }

    fn left(&mut self, flush: bool) {
        self.state = match flush {
            true => State::Flushing,
            false => State::Leaving,
        };
        self.deadline = match flush {
            true => self.timeout.map(|wait| Instant::now() + wait),
            false => Some(Instant::now() + GOODBYE),
        };
    }

    fn too_late(&mut self) -> Result<(), Failure> {
        Err(self.stopped.take().unwrap_or_else(|| {
            Failure::Failed("the client did not end in time; nothing in the outbox is lost".into())
        }))
    }
}

pub(crate) fn join(room: &RoomName) -> Wish {
    Wish {
        command: Command::Ask(change(room, Change::Joined)),
        purpose: Purpose::Join(room.clone()),
    }
}

/// A change of the own membership.
pub(crate) fn change(room: &RoomName, change: Change) -> Request {
    Request::Change {
        target: Target::Room(room.clone()),
        account: None,
        change,
        role: None,
        seconds: 0,
    }
}

fn leave(flush: bool) -> Wish {
    Wish {
        command: Command::Leave { flush },
        purpose: Purpose::Asked(None),
    }
}

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(3);
