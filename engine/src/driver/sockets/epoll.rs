//! Sockets at an epoll of the server's own: one registration for the life of a socket, one call of the
//! kernel for all that became ready, none to find out that nothing is there.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use slab::Slab;

/// All sockets of a server.
pub(crate) struct Sockets {
    epoll: OwnedFd,
    /// Gets the one who waits in the kernel out of there. Others who look pass over it.
    bell: OwnedFd,
    /// For those who wait by a waker: `async-io` looks at the whole epoll as one source.
    outer: OnceLock<Option<Async<OwnedFd>>>,
    slots: Mutex<Slab<Arc<Slot>>>,
}

/// What is known of one socket.
#[derive(Debug)]
struct Slot(Mutex<Ready>);

#[derive(Debug, Default)]
struct Ready {
    can_read: bool,
    can_write: bool,
    /// The peer is gone: reads never wait again.
    is_closed: bool,
    /// Grows with each event, so that one that comes during a call is not taken for an older one.
    events: u32,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A socket and its place.
struct Registered<T: AsFd> {
    socket: T,
    slot: Arc<Slot>,
    key: usize,
    sockets: Arc<Sockets>,
}

/// A stream.
pub(crate) struct Socket<T: AsFd = TcpStream>(Registered<T>);

/// Accepts streams.
pub(crate) struct Listener(Registered<TcpListener>);

impl Sockets {
    /// Whether a thread can wait here.
    pub(crate) const CAN_WAIT: bool = true;

    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let data = EventData::new_u64(BELL);
        epoll::add(&epoll, &bell, data, EventFlags::IN)?;
        Ok(Self {
            epoll,
            bell,
            outer: OnceLock::new(),
            slots: Mutex::default(),
        })
    }

    pub(crate) fn listener(self: &Arc<Self>, listener: TcpListener) -> io::Result<Listener> {
        self.register(listener, EventFlags::IN).map(Listener)
    }

    pub(crate) fn stream(self: &Arc<Self>, stream: TcpStream) -> io::Result<Socket> {
        let wanted = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP;
        self.register(stream, wanted).map(Socket)
    }

    /// A stream that is only read here.
    pub(crate) fn reader(self: &Arc<Self>, stream: UnixStream) -> io::Result<Socket<UnixStream>> {
        let wanted = EventFlags::IN | EventFlags::RDHUP;
        self.register(stream, wanted).map(Socket)
    }

    fn register<T: AsFd>(
        self: &Arc<Self>,
        socket: T,
        wanted: EventFlags,
    ) -> io::Result<Registered<T>> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // It may be written to until it says otherwise; what can be read is told at once.
        let slot = Arc::new(Slot(Mutex::new(Ready {
            can_write: true,
            ..Ready::default()
        })));
        let key = lock(&self.slots).insert(Arc::clone(&slot));
        let registered = Registered {
            socket,
            slot,
            key,
            sockets: Arc::clone(self),
        };
        let data = EventData::new_u64(key as u64);
        epoll::add(
            &self.epoll,
            &registered.socket,
            data,
            wanted | EventFlags::ET,
        )?;
        Ok(registered)
    }

    /// Wakes whose sockets are ready.
    pub(crate) fn look(&self, woken: &mut Vec<Waker>) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        self.take(Some(&now), woken, || ());
    }

    /// Waits until a socket is ready or the bell rings, and calls `back` before it wakes anybody.
    pub(crate) fn wait(&self, woken: &mut Vec<Waker>, back: impl FnOnce()) {
        self.take(None, woken, back);
    }

    /// Waits by a waker.
    pub(crate) fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        let outer = self.outer.get_or_init(|| {
            let epoll = self.epoll.try_clone();
            epoll.and_then(Async::new_nonblocking).ok()
        });
        match outer {
            Some(outer) => outer.poll_readable(cx).map(drop),
            // Out of descriptors: looking again and again is better than being deaf.
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Gets the one out that is in [`wait`](Self::wait).
    pub(crate) fn ring(&self) {
        // Fails only where it was rung 2^64 times.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// The bell was heard.
    pub(crate) fn hush(&self) {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
    }

    fn take(&self, timeout: Option<&Timespec>, woken: &mut Vec<Waker>, back: impl FnOnce()) {
        let mut buffer = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        let events = match epoll::wait(&self.epoll, &mut buffer, timeout) {
            Ok((events, _)) => events,
            // A signal; nothing else can happen to a descriptor that is ours.
            Err(_) => &mut [],
        };
        back();
        let slots = lock(&self.slots);
        for event in events {
            let (key, flags) = (event.data.u64(), event.flags);
            // A place may have a new owner by now, who then looks in vain once.
            if let Some(slot) = slots.get(key as usize) {
                slot.note(flags, woken);
            }
        }
        drop(slots);
        // Outside of the lock: a task that ends gives its place back.
        woken.drain(..).for_each(Waker::wake);
    }
}

impl Slot {
    fn note(&self, flags: EventFlags, woken: &mut Vec<Waker>) {
        let mut ready = lock(&self.0);
        ready.events = ready.events.wrapping_add(1);
        let closed = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        ready.is_closed |= flags.intersects(closed);
        if flags.intersects(EventFlags::IN | closed) {
            ready.can_read = true;
            woken.extend(ready.reader.take());
        }
        if flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR) {
            ready.can_write = true;
            woken.extend(ready.writer.take());
        }
    }

    /// Reads, or whatever it is that waits for readability. `done` says whether that took all there was.
    fn poll_read<T>(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut() -> io::Result<T>,
        done: impl Fn(&T) -> bool,
    ) -> Poll<io::Result<T>> {
        loop {
            let Some(events) = self.may_read(cx) else {
                return Poll::Pending;
            };
            match read() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_empty(events, true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    if result.as_ref().is_ok_and(&done) {
                        self.is_empty(events, false);
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }

    /// How many events there were, if one of them said that something is there; else leaves a waker.
    fn may_read(&self, cx: &Context<'_>) -> Option<u32> {
        let mut ready = lock(&self.0);
        if ready.can_read {
            return Some(ready.events);
        }
        leave(&mut ready.reader, cx);
        None
    }

    fn may_write(&self, cx: &Context<'_>) -> Option<u32> {
        let mut ready = lock(&self.0);
        if ready.can_write {
            return Some(ready.events);
        }
        leave(&mut ready.writer, cx);
        None
    }

    /// Nothing is there any more, unless it came meanwhile. A peer's end is still there after a short read,
    /// and the kernel tells of it once.
    fn is_empty(&self, events: u32, is_sure: bool) {
        let mut ready = lock(&self.0);
        if ready.events == events && (is_sure || !ready.is_closed) {
            ready.can_read = false;
        }
    }

    fn is_full(&self, events: u32) {
        let mut ready = lock(&self.0);
        if ready.events == events {
            ready.can_write = false;
        }
    }
}

impl<T: AsFd> Drop for Registered<T> {
    fn drop(&mut self) {
        let _ = epoll::delete(&self.sockets.epoll, &self.socket);
        lock(&self.sockets.slots).try_remove(self.key);
    }
}

impl Listener {
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let Registered { socket, slot, .. } = &self.0;
        std::future::poll_fn(|cx| slot.poll_read(cx, || socket.accept(), |_| false)).await
    }
}

impl<T: AsFd + Unpin> AsyncRead for Socket<T>
where
    for<'a> &'a T: io::Read,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Registered { socket, slot, .. } = &self.0;
        let room = buffer.len();
        // A short read of a stream took everything, see epoll(7); after the peer's end reads go on.
        slot.poll_read(cx, || (&*socket).read(buffer), |length| *length < room)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Registered { socket, slot, .. } = &self.0;
        loop {
            let Some(events) = slot.may_write(cx) else {
                return Poll::Pending;
            };
            match (&*socket).write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.is_full(events),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.socket.shutdown(Shutdown::Write))
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets")
            .field("count", &lock(&self.slots).len())
            .finish_non_exhaustive()
    }
}

fn leave(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(held) => held.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stands for the bell; no slab has so many places.
const BELL: u64 = u64::MAX;
/// Events that are taken at a time.
const EVENTS: usize = 256;
