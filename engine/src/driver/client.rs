//! Moves bytes, time and answers between a client's agent, its links and its profile.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use async_io::Timer;
use async_lock::Semaphore;
use async_net::TcpStream;
use event_listener::Event as Wakeup;
use futures_lite::{AsyncRead, AsyncWrite, Future, FutureExt as _};

use super::clock::Clock;
use super::local_files::{OpenFiles, Streams};
use super::random::OsRandom;
use super::scratch;
use crate::agent::{Agent, Command, CommandId, Effect, Event, Input, LinkNumber};
use crate::error::{Error, LinkFault};
use crate::id::Ticket;
use crate::limits;
use crate::model::Time;
use crate::port::{BoxFuture, Files, Profile, ProfileChange, Random as _};
use crate::secure::{PublicKey, StaticKey};
use crate::session::client::{ClientEvent, ClientSession};

/// A stream of any make.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What the application and the driver of a client share.
pub(crate) struct Shared {
    clock: Clock,
    state: Mutex<State>,
    /// Streams of the application in place of files.
    pub(crate) streams: Streams,
    /// The application waits for events.
    news: Wakeup,
    /// The application is told that it has something to take.
    hook: OnceLock<Hook>,
}

/// Called without a lock, from whatever thread has news.
pub(crate) type Hook = Box<dyn Fn() + Send + Sync>;

struct State {
    agent: Agent,
    effects: Vec<Effect>,
    driver: Option<Waker>,
    driver_gone: bool,
    /// [`Event::Closed`] was handed out.
    ended: bool,
}

/// Keeps the fingerprint of a key that was accepted, where profiles share them.
pub(crate) type Remember = Box<dyn Fn(String) -> BoxFuture<'static, Result<(), Error>> + Send>;

/// Where links come from.
pub(crate) enum Connector {
    /// `HOST:PORT`.
    Address(String),
    /// One stream, until it is taken.
    Given(Option<Box<dyn Stream>>),
}

/// The driver of a client: one future that does all of its work.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    connector: Connector,
    key: Arc<StaticKey>,
    profile: Arc<dyn Profile>,
    remember: Remember,
    link: Option<Link>,
    jobs: VecDeque<Job>,
    job: Option<Working>,
    files: OpenFiles,
    timer: Option<Timer>,
    /// When the timer rings.
    armed: Option<Time>,
}

enum Job {
    Save(Ticket, Vec<ProfileChange>),
    Remember([u8; 32]),
}

/// A job under way, and who waits for it.
struct Working {
    tickets: Vec<Ticket>,
    outcome: BoxFuture<'static, Result<(), Error>>,
}

enum Link {
    Connecting(
        LinkNumber,
        BoxFuture<'static, Result<Box<dyn Stream>, Error>>,
    ),
    Made(Box<Made>),
}

struct Made {
    number: LinkNumber,
    stream: Box<dyn Stream>,
    session: ClientSession,
    /// Bytes for the stream.
    sealed: Vec<u8>,
    written: usize,
    /// The link ends when everything is written, or at this time.
    closing: Option<Time>,
}

impl Shared {
    pub(crate) fn new(agent: Agent) -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::new(),
            streams: Streams::default(),
            state: Mutex::new(State {
                agent,
                effects: Vec::new(),
                driver: None,
                driver_gone: false,
                ended: false,
            }),
            news: Wakeup::new(),
            hook: OnceLock::new(),
        })
    }

    pub(crate) fn command(&self, command: Command) -> Result<CommandId, Error> {
        let mut state = self.lock();
        if state.driver_gone {
            return Err(Error::Closed);
        }
        let State { agent, effects, .. } = &mut *state;
        let id = agent.command(command, self.clock.now(), effects);
        self.spread(state);
        id
    }

    pub(crate) async fn next_event(&self) -> Option<Event> {
        loop {
            let listener = self.news.listen();
            if let Some(answer) = self.take_event() {
                return answer;
            }
            listener.await;
        }
    }

    /// The next event, or the end of them, if it is there now.
    pub(crate) fn poll_event(&self) -> Poll<Option<Event>> {
        self.take_event().map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether [`poll_event`](Self::poll_event) has an answer.
    pub(crate) fn has_news(&self) -> bool {
        let state = self.lock();
        state.agent.has_event() || state.ended || state.driver_gone
    }

    pub(crate) fn events_waiting(&self) -> usize {
        self.lock().agent.events_waiting()
    }

    pub(crate) fn is_settled(&self) -> Option<bool> {
        let state = self.lock();
        let settled = state.agent.is_settled();
        settled.or_else(|| state.driver_gone.then_some(false))
    }

    /// Sets the hook, once.
    pub(crate) fn set_hook(&self, hook: Hook) {
        let _ = self.hook.set(hook);
    }

    /// Nobody will ask for events or give commands any more.
    pub(crate) fn app_gone(&self) {
        self.input(Input::AppGone);
    }

    /// The next event, or the end of them; nothing if one has to be waited for.
    fn take_event(&self) -> Option<Option<Event>> {
        let mut state = self.lock();
        if state.ended {
            return Some(None);
        }
        let State { agent, effects, .. } = &mut *state;
        let event = agent.take_event(self.clock.now(), effects);
        state.ended = matches!(event, Some(Event::Closed { .. }));
        let over = state.driver_gone;
        self.spread(state);
        match event {
            Some(event) => Some(Some(event)),
            None => over.then_some(None),
        }
    }

    fn input(&self, input: Input) {
        let mut state = self.lock();
        let State { agent, effects, .. } = &mut *state;
        agent.handle(input, self.clock.now(), effects);
        self.spread(state);
    }

    /// Wakes whoever has something to do now.
    fn spread(&self, mut state: MutexGuard<'_, State>) {
        let driver = state.driver.take();
        let news = state.agent.has_event() || state.ended || state.driver_gone;
        drop(state);
        // Woken even without an effect: what is due may have changed.
        if let Some(driver) = driver {
            driver.wake();
        }
        if news {
            self.news.notify(usize::MAX);
            if let Some(hook) = self.hook.get() {
                hook();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The agent's state is whole between two calls, whatever happened to another thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        connector: Connector,
        key: Arc<StaticKey>,
        profile: Arc<dyn Profile>,
        remember: Remember,
        files: Arc<dyn Files>,
    ) -> Self {
        Self {
            shared,
            connector,
            key,
            profile,
            remember,
            link: None,
            jobs: VecDeque::new(),
            job: None,
            files: OpenFiles::new(files),
            timer: None,
            armed: None,
        }
    }

    /// Runs until the agent is closed and everything that it wanted is done.
    pub(crate) async fn run(mut self) {
        self.shared.input(Input::Start);
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..STEPS {
            let effects = self.take_effects(cx);
            let moved = !effects.is_empty();
            for effect in effects {
                self.carry_out(effect);
            }
            let worked = self.poll_job(cx) | self.poll_files(cx);
            let linked = self.poll_link(cx);
            if self.is_over() {
                return Poll::Ready(());
            }
            if !(moved | worked | linked | self.poll_time(cx)) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_effects(&self, cx: &Context<'_>) -> Vec<Effect> {
        let mut state = self.shared.lock();
        state.driver = Some(cx.waker().clone());
        std::mem::take(&mut state.effects)
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Connect(number) => {
                let stream = self.connector.connect();
                self.link = Some(Link::Connecting(number, stream));
            }
            Effect::Accept => {
                let now = self.shared.clock.time();
                if let Some(Link::Made(made)) = &mut self.link {
                    made.session.accept_server(now);
                }
            }
            Effect::Write(frame) => {
                let sent = match &mut self.link {
                    Some(Link::Made(made)) => made.session.send(&frame),
                    _ => Ok(()),
                };
                if let Err(error) = sent {
                    self.end_link(error);
                }
            }
            Effect::Close => match &mut self.link {
                Some(Link::Made(made)) => {
                    made.closing = Some(self.shared.clock.time() + limits::BYE_WAIT);
                }
                _ => self.end_link(Error::Closed),
            },
            Effect::Cut => self.link = None,
            Effect::Save(ticket, changes) => self.jobs.push_back(Job::Save(ticket, changes)),
            Effect::Remember(key) => self.jobs.push_back(Job::Remember(key)),
            Effect::File(id, work) => self.files.push(id, work),
        }
    }

    /// Tells the agent that the link is gone.
    fn end_link(&mut self, error: Error) {
        let number = match self.link.take() {
            Some(Link::Connecting(number, _)) => number,
            Some(Link::Made(made)) => made.number,
            None => return,
        };
        self.shared.input(Input::Ended(number, error));
    }

    /// One job at a time, or changes would overtake each other.
    fn poll_job(&mut self, cx: &mut Context<'_>) -> bool {
        if self.job.is_none() {
            self.job = self.next_job();
        }
        let Some(job) = &mut self.job else {
            return false;
        };
        let Poll::Ready(outcome) = job.outcome.as_mut().poll(cx) else {
            return false;
        };
        if let Err(error) = &outcome {
            tracing::warn!(%error, "the profile could not be written");
        }
        for ticket in std::mem::take(&mut job.tickets) {
            self.shared.input(Input::Saved(ticket, outcome.clone()));
        }
        self.job = None;
        true
    }

    fn poll_files(&mut self, cx: &mut Context<'_>) -> bool {
        let news = self.files.poll(&self.shared.streams, cx);
        let moved = !news.is_empty();
        for (id, news) in news {
            self.shared.input(Input::File(id, news));
        }
        moved
    }

    /// All changes that wait go into one write: a commit costs the same for many.
    fn next_job(&mut self) -> Option<Working> {
        let (mut tickets, mut all) = (Vec::new(), Vec::new());
        while all.len() < limits::APPEND_BATCH {
            match self.jobs.pop_front() {
                Some(Job::Save(ticket, changes)) => {
                    tickets.push(ticket);
                    all.extend(changes);
                }
                Some(Job::Remember(key)) if tickets.is_empty() => {
                    let outcome = (self.remember)(PublicKey(key).fingerprint().to_string());
                    return Some(Working { tickets, outcome });
                }
                Some(later) => {
                    self.jobs.push_front(later);
                    break;
                }
                None => break,
            }
        }
        if tickets.is_empty() {
            return None;
        }
        let profile = Arc::clone(&self.profile);
        let outcome = Box::pin(async move { profile.save(all).await });
        Some(Working { tickets, outcome })
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.shared.clock.time();
        let moved = match &mut self.link {
            None => return false,
            Some(Link::Connecting(number, stream)) => {
                let number = *number;
                let Poll::Ready(stream) = stream.as_mut().poll(cx) else {
                    return false;
                };
                match stream {
                    Ok(stream) => {
                        let mut seed = [0; 32];
                        OsRandom.fill(&mut seed);
                        self.link = Some(Link::Made(Box::new(Made {
                            number,
                            stream,
                            session: ClientSession::new(Arc::clone(&self.key), seed, now),
                            sealed: Vec::new(),
                            written: 0,
                            closing: None,
                        })));
                        Ok(true)
                    }
                    Err(error) => Err(error),
                }
            }
            Some(Link::Made(made)) => made.step(&self.shared, now, cx),
        };
        moved.unwrap_or_else(|error| {
            self.end_link(error);
            true
        })
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let link = match &self.link {
            Some(Link::Made(made)) => made.poll_timeout(),
            _ => None,
        };
        let agent = self.shared.lock().agent.poll_timeout();
        let Some(due) = link.into_iter().chain(agent).min() else {
            return false;
        };
        if self.armed.is_none_or(|armed| due < armed) {
            let at = self.shared.clock.instant(due);
            match &mut self.timer {
                Some(timer) => timer.set_at(at),
                None => self.timer = Some(Timer::at(at)),
            }
            self.armed = Some(due);
        }
        let Some(timer) = &mut self.timer else {
            return false;
        };
        if Pin::new(timer).poll(cx).is_pending() {
            return false;
        }
        self.armed = None;
        let now = self.shared.clock.time();
        if agent.is_some_and(|due| due <= now) {
            self.shared.input(Input::Timeout);
        }
        if link.is_some_and(|due| due <= now)
            && let Some(Link::Made(made)) = &mut self.link
            && let Err(error) = made.handle_timeout(now)
        {
            self.end_link(error);
        }
        true
    }

    fn is_over(&self) -> bool {
        let state = self.shared.lock();
        self.link.is_none()
            && self.jobs.is_empty()
            && self.job.is_none()
            && state.effects.is_empty()
            && state.agent.is_closed()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.driver_gone = true;
        self.shared.spread(state);
    }
}

impl Made {
    /// Whether anything moved. Reading and writing go on together, or two talkative peers would wait
    /// for each other.
    fn step(&mut self, shared: &Shared, now: Time, cx: &mut Context<'_>) -> Result<bool, Error> {
        self.seal(now)?;
        let wrote = self.write(cx)?;
        if self.closing.is_some() {
            if self.sealed.is_empty() {
                return Err(Error::Closed);
            }
            // The server's last words are not waited for, but a full stream has to move.
            return Ok(wrote);
        }
        let read = self.read(now, cx)?;
        if read {
            self.hand_over(shared)?;
        }
        Ok(wrote || read)
    }

    fn seal(&mut self, now: Time) -> Result<(), Error> {
        if self.sealed.is_empty() {
            self.sealed = scratch::borrow();
        }
        let sealed = self.session.poll_transmit(&mut self.sealed, now);
        if self.sealed.is_empty() {
            // A link at rest holds no buffer.
            scratch::give_back(std::mem::take(&mut self.sealed));
        }
        sealed
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let rest = self.sealed.get(self.written..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        match Pin::new(&mut self.stream).poll_write(cx, rest) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(lost()),
            Poll::Ready(Ok(length)) => {
                self.written += length;
                if self.written == self.sealed.len() {
                    scratch::give_back(std::mem::take(&mut self.sealed));
                    self.written = 0;
                }
                Ok(true)
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Poll::Ready(Err(_)) => Err(lost()),
        }
    }

    fn read(&mut self, now: Time, cx: &mut Context<'_>) -> Result<bool, Error> {
        let session = &mut self.session;
        let read = scratch::poll_read(Pin::new(&mut self.stream), cx, |bytes| {
            if bytes.is_empty() {
                return Err(lost());
            }
            session.handle_bytes(bytes, now)
        });
        match read {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(taken)) => taken.map(|()| true),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Poll::Ready(Err(_)) => Err(lost()),
        }
    }

    /// Hands everything that the server said to the agent.
    fn hand_over(&mut self, shared: &Shared) -> Result<(), Error> {
        while let Some(event) = self.session.poll_event()? {
            shared.input(match event {
                ClientEvent::ServerKey(key) => Input::ServerKey {
                    link: self.number,
                    key: key.0,
                    fingerprint: key.fingerprint().to_string(),
                },
                ClientEvent::Frame(frame) => Input::Frame(self.number, frame),
            });
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        if self.closing.is_some_and(|closing| closing <= now) {
            return Err(Error::Closed);
        }
        self.session.handle_timeout(now)
    }

    fn poll_timeout(&self) -> Option<Time> {
        let closing = self.closing.into_iter();
        closing.chain(self.session.poll_timeout()).min()
    }
}

impl Connector {
    fn connect(&mut self) -> BoxFuture<'static, Result<Box<dyn Stream>, Error>> {
        match self {
            Self::Address(address) => Box::pin(connect(address.clone())),
            Self::Given(stream) => {
                let stream = stream.take().ok_or_else(lost);
                Box::pin(std::future::ready(stream))
            }
        }
    }
}

/// Tries every address of a host, each with its share of the time that is left: one that swallows
/// packets does not use up that of the others.
async fn connect(address: String) -> Result<Box<dyn Stream>, Error> {
    let fault = |error: io::Error| Error::Link(LinkFault::Connect(error.to_string()));
    let start = std::time::Instant::now();
    let resolved = within(limits::CONNECT_WAIT, resolve(address)).await;
    let addresses: Vec<SocketAddr> = resolved.map_err(fault)?;
    let mut failure = fault(io::Error::new(
        io::ErrorKind::NotFound,
        "the host has no address",
    ));
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let time = limits::CONNECT_WAIT.saturating_sub(start.elapsed()) / left.max(1);
        left = left.saturating_sub(1);
        match within(time, TcpStream::connect(address)).await {
            Ok(stream) => {
                // Without it a small frame waits for the answer to the one before.
                stream.set_nodelay(true).map_err(fault)?;
                // What is said goes behind what lies in the socket, so little of a file may lie there.
                // Where a system can't do that, more of it does.
                #[cfg(any(target_os = "android", target_os = "linux"))]
                let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(limits::UNSENT_BYTES);
                return Ok(Box::new(stream));
            }
            Err(error) => failure = fault(error),
        }
    }
    Err(failure)
}

/// Looks a host name up. That can't be broken off and may take long, so that it has its turn, which is held
/// until it is through: also where the pool for what blocks is small, the disk is never kept waiting.
async fn resolve(address: String) -> io::Result<Vec<SocketAddr>> {
    static TURNS: LazyLock<Arc<Semaphore>> =
        LazyLock::new(|| Arc::new(Semaphore::new(limits::LOOKUPS)));
    if let Ok(address) = address.parse() {
        return Ok(vec![address]);
    }
    let turn = TURNS.acquire_arc().await;
    blocking::unblock(move || {
        let _turn = turn;
        Ok(address.to_socket_addrs()?.collect())
    })
    .await
}

async fn within<T>(
    time: std::time::Duration,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = async {
        Timer::after(time).await;
        let text = "no answer in time";
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    };
    work.or(late).await
}

fn lost() -> Error {
    Error::Link(LinkFault::Lost)
}

/// A driver does this many steps before it lets others run.
const STEPS: usize = 32;
