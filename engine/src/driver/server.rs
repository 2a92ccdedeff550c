//! The server's driver: a task for the hub, one for each link, and threads for what blocks.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_channel::Sender;
use async_io::Timer;
use async_lock::Semaphore;
use futures_lite::{AsyncRead, AsyncWrite, Future, FutureExt};

use super::clock::Clock;
use super::crew::Crew;
use super::files::Files;
use super::outlet::{Lane, Outlet};
use super::random::OsRandom;
use super::server_link;
use super::sockets::{Listener, Sockets};
use super::workplace::Lent;
use crate::hub::{Effect, Hub, Input, Load, Loaded};
use crate::id::{LinkId, Ticket};
use crate::limits;
use crate::model::{AdminAnswer, Code, Refusal, Time, ToClient};
use crate::port::{
    Ask, Blobs, BoxFuture, Committed, FromHooks, HookSet, Hooks, News, Random, Store, Workplace,
    Write,
};
use crate::secure::{self, StaticKey};
use crate::wire;

/// What all tasks of a server share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) key: Arc<StaticKey>,
    pub(crate) crew: Arc<Crew>,
    sockets: Arc<Sockets>,
    pub(super) files: Files,
    store: Arc<dyn Store>,
    pub(crate) hooks: Option<Arc<dyn Hooks>>,
    inbox: Mutex<Inbox>,
    outlets: Mutex<Outlets>,
    /// Most streams that are accepted at a time.
    streams: usize,
    admins: Mutex<HashMap<u64, Sender<Result<AdminAnswer, Refusal>>>>,
    next_admin: AtomicU64,
    passwords: Semaphore,
    /// Seeds of handshakes, drawn many at a time: one system call each would show.
    seeds: Mutex<Vec<[u8; 32]>>,
    stopped: Arc<async_lock::OnceCell<()>>,
}

#[derive(Default)]
struct Inbox {
    inputs: Vec<Input>,
    waker: Option<Waker>,
}

/// Outlets by the lower half of a link's number; the upper half tells who had the place before.
#[derive(Default)]
struct Outlets {
    slots: slab::Slab<(LinkId, Arc<Outlet>)>,
    generation: u64,
}

impl Shared {
    pub(crate) fn new(
        key: StaticKey,
        store: Arc<dyn Store>,
        blobs: Arc<dyn Blobs>,
        hooks: Option<Arc<dyn Hooks>>,
        streams: usize,
    ) -> std::io::Result<Arc<Self>> {
        let sockets = Arc::new(Sockets::new()?);
        Ok(Arc::new(Self {
            clock: Clock::new(),
            key: Arc::new(key),
            crew: Arc::new(Crew::new(Arc::clone(&sockets))),
            sockets,
            files: Files::new(blobs),
            store,
            hooks,
            inbox: Mutex::default(),
            outlets: Mutex::default(),
            streams,
            admins: Mutex::default(),
            next_admin: AtomicU64::new(1),
            passwords: Semaphore::new(limits::PASSWORD_WORKERS),
            seeds: Mutex::default(),
            stopped: Arc::default(),
        }))
    }

    /// Tells the hub.
    pub(crate) fn tell(&self, inputs: impl IntoIterator<Item = Input>) {
        let mut inbox = lock(&self.inbox);
        inbox.inputs.extend(inputs);
        if inbox.inputs.is_empty() {
            return;
        }
        if let Some(waker) = inbox.waker.take() {
            drop(inbox);
            waker.wake();
        }
    }

    pub(crate) fn seed(&self) -> [u8; 32] {
        let mut seeds = lock(&self.seeds);
        if seeds.is_empty() {
            seeds.resize(64, [0; 32]);
            for seed in seeds.iter_mut() {
                OsRandom.fill(seed);
            }
        }
        seeds.pop().unwrap_or_else(|| {
            let mut seed = [0; 32];
            OsRandom.fill(&mut seed);
            seed
        })
    }

    /// Asks the hub for the operator.
    pub(crate) async fn admin(
        &self,
        wish: crate::model::Admin,
    ) -> Option<Result<AdminAnswer, Refusal>> {
        let (sender, receiver) = async_channel::bounded(1);
        let id = self.next_admin.fetch_add(1, Ordering::Relaxed);
        lock(&self.admins).insert(id, sender);
        self.tell([Input::Admin(id, wish)]);
        let answered = async { receiver.recv().await.ok() };
        let stopped = async {
            self.stopped.wait().await;
            None
        };
        answered.or(stopped).await
    }

    pub(crate) async fn stopped(&self) {
        self.stopped.wait().await;
    }

    /// What the port of hooks may use.
    pub(crate) fn lend(&self) -> Arc<dyn Workplace> {
        Arc::new(Lent {
            crew: Arc::clone(&self.crew),
            #[cfg(unix)]
            sockets: Arc::clone(&self.sockets),
            stopped: Arc::clone(&self.stopped),
        })
    }

    /// Serves a stream in a task of its own.
    pub(crate) fn adopt<S>(
        self: &Arc<Self>,
        stream: S,
        from: Option<IpAddr>,
    ) -> async_task::Task<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let outlet = Arc::new(Outlet::default());
        let id = lock(&self.outlets).add(Arc::clone(&outlet));
        self.tell([Input::Accepted {
            link: id,
            from: address_group(from),
            address: from.map_or_else(String::new, |from| from.to_canonical().to_string()),
        }]);
        let shared = Arc::clone(self);
        self.crew
            .spawn(server_link::serve(shared, stream, id, outlet))
    }
}

impl Outlets {
    fn add(&mut self, outlet: Arc<Outlet>) -> LinkId {
        self.generation += 1;
        let entry = self.slots.vacant_entry();
        let id = LinkId(self.generation << 32 | entry.key() as u64);
        entry.insert((id, outlet));
        id
    }

    fn get(&self, id: LinkId) -> Option<&Arc<Outlet>> {
        let (held, outlet) = self.slots.get(slot(id))?;
        (*held == id).then_some(outlet)
    }

    fn remove(&mut self, id: LinkId) {
        if self.get(id).is_some() {
            self.slots.remove(slot(id));
        }
    }
}

/// The hub's task: takes what happened, asks the hub, does what it says.
pub(crate) async fn run_hub(shared: Arc<Shared>, mut hub: Hub) {
    let store = Arc::clone(&shared.store);
    let mut driver = HubDriver {
        shared: &shared,
        effects: Vec::new(),
        touched: Vec::new(),
        writes: Vec::new(),
        asks: Vec::new(),
        news: Vec::new(),
        drained: false,
    };
    let hooks = shared.hooks.clone();
    let mut observed = false;
    if let Some(hooks) = &hooks {
        let subscriptions = hooks.subscriptions();
        observed = subscriptions.hooks.contains(HookSet::TAIL);
        hub.subscribe(subscriptions);
    }
    hub.start(shared.clock.now(), &mut driver.effects);
    driver.perform();
    let mut tail = store.next();
    let mut said = hooks.as_ref().map(|hooks| hooks.next());
    let mut timer = Timer::never();
    let mut armed: Option<Time> = None;
    // Two that take turns, as making a large one anew for each batch would show.
    let mut inputs = Vec::new();
    while !driver.drained {
        if let Some(due) = hub.poll_timeout()
            && armed.is_none_or(|armed| due < armed)
        {
            timer.set_at(shared.clock.instant(due));
            armed = Some(due);
        }
        let woken =
            poll_fn(|cx| shared.poll_hub(cx, &mut inputs, &mut tail, &mut said, &mut timer)).await;
        let now = shared.clock.now();
        if let Some(committed) = woken.committed {
            tail = store.next();
            if observed && committed.iter().any(is_entry) {
                driver.news.push(News::Tail);
            }
            for committed in committed {
                hub.handle(Input::Committed(committed), now, &mut driver.effects);
            }
        }
        if let Some(from_hooks) = woken.said {
            said = hooks.as_ref().map(|hooks| hooks.next());
            if from_hooks.is_empty() {
                said = None;
                observed = false;
                hub.handle(Input::HooksGone, now, &mut driver.effects);
            }
            for from_hooks in from_hooks {
                if let FromHooks::Subscriptions(subscriptions) = &from_hooks {
                    observed = subscriptions.hooks.contains(HookSet::TAIL);
                }
                hub.handle(Input::Hooks(from_hooks), now, &mut driver.effects);
            }
        }
        for input in inputs.drain(..) {
            let (sent, gone) = match &input {
                Input::Frame { link, .. } => (Some(*link), None),
                Input::Gone { link, .. } => (None, Some(*link)),
                _ => (None, None),
            };
            hub.handle(input, now, &mut driver.effects);
            // Only now may the place be used again: the hub has forgotten the link.
            if let Some(link) = gone {
                lock(&shared.outlets).remove(link);
            }
            if let Some(link) = sent {
                driver.handled(link);
            }
        }
        if woken.due {
            armed = None;
            hub.handle(Input::Due, now, &mut driver.effects);
        }
        driver.perform();
    }
    drop((tail, said));
    if let Some(hooks) = hooks {
        hooks.close().await;
    }
    store.close().await;
    let _ = shared.stopped.set(()).await;
    shared.crew.stop();
}

struct Woken {
    committed: Option<Vec<Committed>>,
    said: Option<Vec<FromHooks>>,
    due: bool,
}

impl Shared {
    fn poll_hub(
        &self,
        cx: &mut Context<'_>,
        inputs: &mut Vec<Input>,
        tail: &mut BoxFuture<'_, Vec<Committed>>,
        said: &mut Option<BoxFuture<'_, Vec<FromHooks>>>,
        timer: &mut Timer,
    ) -> Poll<Woken> {
        let committed = match tail.as_mut().poll(cx) {
            Poll::Ready(committed) => Some(committed),
            Poll::Pending => None,
        };
        let said = match said.as_mut().map(|said| said.as_mut().poll(cx)) {
            Some(Poll::Ready(said)) => Some(said),
            _ => None,
        };
        let due = Pin::new(timer).poll(cx).is_ready();
        let mut inbox = lock(&self.inbox);
        std::mem::swap(&mut inbox.inputs, inputs);
        if inputs.is_empty() && committed.is_none() && said.is_none() && !due {
            inbox.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Woken {
            committed,
            said,
            due,
        })
    }
}

struct HubDriver<'a> {
    shared: &'a Arc<Shared>,
    effects: Vec<Effect>,
    /// Links to wake once the batch is through, so that its frames travel together.
    touched: Vec<Arc<Outlet>>,
    writes: Vec<(Ticket, Write)>,
    asks: Vec<Ask>,
    news: Vec<News>,
    drained: bool,
}

impl HubDriver<'_> {
    fn perform(&mut self) {
        let outlets = lock(&self.shared.outlets);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send(link, message) => {
                    let Some(outlet) = outlets.get(link) else {
                        continue;
                    };
                    if matches!(message, ToClient::Welcome(_)) && outlet.enter() {
                        self.touched.push(Arc::clone(outlet));
                    }
                    if outlet.push(lane(&message), encode(&message)) {
                        self.touched.push(Arc::clone(outlet));
                    }
                }
                Effect::Fan(links, entry) => {
                    let frame = wire::encode_entry(&entry);
                    for link in links {
                        let Some(outlet) = outlets.get(link) else {
                            continue;
                        };
                        if outlet.push(Lane::Text, Arc::clone(&frame)) {
                            self.touched.push(Arc::clone(outlet));
                        }
                    }
                }
                Effect::Close(link, bye) => {
                    let Some(outlet) = outlets.get(link) else {
                        continue;
                    };
                    if outlet.close(bye) {
                        self.touched.push(Arc::clone(outlet));
                    }
                }
                Effect::Write(ticket, write) => self.writes.push((ticket, write)),
                Effect::Load(ticket, load) => self.shared.load(ticket, load),
                Effect::Hash(ticket, password) => self.shared.hash(ticket, password),
                Effect::Verify(ticket, password, verifier) => {
                    self.shared.verify(ticket, password, verifier);
                }
                Effect::Ask(ask) => self.asks.push(ask),
                Effect::Tell(news) => self.news.push(news),
                Effect::Admin(id, answer) => {
                    if let Some(sender) = lock(&self.shared.admins).remove(&id) {
                        let _ = sender.try_send(answer);
                    }
                }
                Effect::File(work) => {
                    let outlet = |link| outlets.get(link).cloned();
                    self.shared.files.perform(self.shared, work, outlet);
                }
                Effect::Drained => self.drained = true,
            }
        }
        drop(outlets);
        if !self.writes.is_empty() {
            self.shared.store.submit(&mut self.writes);
        }
        if let Some(hooks) = &self.shared.hooks {
            if !self.asks.is_empty() {
                hooks.ask(std::mem::take(&mut self.asks));
            }
            if !self.news.is_empty() {
                hooks.tell(std::mem::take(&mut self.news));
            }
        }
        for outlet in self.touched.drain(..) {
            outlet.wake();
        }
    }

    fn handled(&mut self, link: LinkId) {
        let outlets = lock(&self.shared.outlets);
        if let Some(outlet) = outlets.get(link)
            && outlet.handled()
        {
            self.touched.push(Arc::clone(outlet));
        }
    }
}

impl Shared {
    fn load(self: &Arc<Self>, ticket: Ticket, load: Load) {
        let shared = Arc::clone(self);
        let task = async move {
            let store = &shared.store;
            let loaded = match load {
                Load::Read(conversation, after, bytes) => store
                    .read(conversation, after, limits::READ_ENTRIES, bytes)
                    .await
                    .map(Loaded::Read),
                Load::History(conversation, spans, from, limit) => store
                    .history(conversation, spans, from, limit, limits::PAGE_BYTES)
                    .await
                    .map(|(items, more)| Loaded::History(items, more)),
                Load::Lookup(account, id) => store.lookup(account, id).await.map(Loaded::Lookup),
                Load::Counted(conversation, seq) => {
                    store.counted(conversation, seq).await.map(Loaded::Counted)
                }
                Load::Search(places, text, before) => store
                    .search(places, text, before, limits::PAGE_ITEMS, limits::PAGE_BYTES)
                    .await
                    .map(Loaded::Search),
                Load::Blob(blob) => {
                    let found = store.blob(blob).await;
                    found.map(|place| Loaded::Blob(place.map(Box::new)))
                }
            };
            shared.tell([Input::Loaded(ticket, loaded)]);
        };
        self.crew.spawn(task).detach();
    }

    fn hash(self: &Arc<Self>, ticket: Ticket, password: String) {
        let shared = Arc::clone(self);
        let task = async move {
            let turn = shared.passwords.acquire().await;
            let hash = blocking::unblock(move || secure::hash_password(&password).ok()).await;
            drop(turn);
            shared.tell([Input::Hashed(ticket, hash)]);
        };
        self.crew.spawn(task).detach();
    }

    fn verify(self: &Arc<Self>, ticket: Ticket, password: String, verifier: Option<String>) {
        let shared = Arc::clone(self);
        let task = async move {
            let turn = shared.passwords.acquire().await;
            let good = blocking::unblock(move || {
                // Without a verifier the work is done against one that nothing matches.
                let known = verifier.is_some();
                let verifier = verifier.unwrap_or_else(|| secure::dummy_verifier().to_owned());
                secure::verify_password(&password, &verifier) && known
            })
            .await;
            drop(turn);
            shared.tell([Input::Verified(ticket, good)]);
        };
        self.crew.spawn(task).detach();
    }
}

/// Accepts links until the server stops.
async fn accept(shared: Arc<Shared>, listener: Listener) {
    let accepting = async {
        loop {
            // Links that the hub ended hold their descriptors until they are told. Who comes meanwhile
            // waits in the kernel's queue.
            while lock(&shared.outlets).slots.len() >= shared.streams.max(1) {
                Timer::after(limits::ACCEPT_PAUSE).await;
            }
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Frames are packed by us; waiting for more would only add delay.
                    let _ = stream.set_nodelay(true);
                    leave_unsent(&stream);
                    match shared.sockets.stream(stream) {
                        Ok(stream) => shared.adopt(stream, Some(peer.ip())).detach(),
                        Err(error) => tracing::warn!(%error, "cannot serve a stream"),
                    }
                }
                Err(error) => {
                    // Out of descriptors or memory: trying again at once would only spin.
                    tracing::warn!(%error, "cannot accept; trying again");
                    Timer::after(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    };
    accepting.or(shared.stopped()).await;
}

impl Shared {
    /// Accepts what comes to a listener, once somebody works.
    pub(crate) fn listen(self: &Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        let listener = self.sockets.listener(listener)?;
        let task = accept(Arc::clone(self), listener);
        self.crew.spawn(task).detach();
        Ok(())
    }
}

/// Leaves what the network does not take yet with us, where what people say can go before it.
fn leave_unsent(stream: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(limits::UNSENT_BYTES);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream;
}

/// Listens on every address that a name stands for; the first that works.
pub(crate) fn listen(address: &str) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

fn encode(message: &ToClient) -> Arc<[u8]> {
    if let ToClient::Entry(entry) = message {
        return wire::encode_entry(entry);
    }
    let mut frame = Vec::new();
    if wire::encode_to_client(message, &mut frame).is_err() {
        tracing::error!("a page is larger than a frame");
        if let ToClient::Answer(request, _) = message {
            let refusal = Refusal::new(Code::Internal);
            let _ = wire::encode_to_client(&ToClient::Error(*request, refusal), &mut frame);
        }
    }
    frame.into()
}

/// Answers, acks and entries keep their order; what is not about the log goes first.
const fn lane(message: &ToClient) -> Lane {
    match message {
        // Nothing may come before these, presence least of all.
        ToClient::Welcome(_) | ToClient::Denied(_) => Lane::Control,
        ToClient::Presence(_) | ToClient::Typing { .. } | ToClient::Receipts(_) => Lane::Control,
        _ => Lane::Text,
    }
}

/// An address for counting: all of IPv4, the network half of IPv6.
fn address_group(from: Option<IpAddr>) -> u64 {
    match from.map(|from| from.to_canonical()) {
        // This machine.
        None => 0,
        Some(address) if address.is_loopback() => 0,
        Some(IpAddr::V4(address)) => u64::from(address.to_bits()),
        Some(IpAddr::V6(address)) => (address.to_bits() >> 64) as u64,
    }
}

const fn is_entry(committed: &Committed) -> bool {
    matches!(committed, Committed::Entry { .. })
}

fn slot(id: LinkId) -> usize {
    (id.0 & u64::from(u32::MAX)) as usize
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
