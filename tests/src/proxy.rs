//! A wire between client and server that can be listened to, cut, stopped and disturbed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::process::WAIT;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From client to server.
    Up,
    /// From server to client.
    Down,
}

/// A TCP proxy on the loopback interface. It ends with the test.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Debug, Default)]
struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    stalled: bool,
    /// Nothing is written down: a long run would need all memory for it.
    forgetful: bool,
    /// After how many more bytes each way everything is cut, once.
    cut_up: Option<usize>,
    cut_down: Option<usize>,
    /// After how many more bytes each way nothing is let through any more, once.
    stall_up: Option<usize>,
    stall_down: Option<usize>,
    /// How many bytes went each way.
    passed_up: u64,
    passed_down: u64,
    /// Both ends of each connection, for as long as somebody pumps it.
    streams: Vec<(Weak<()>, TcpStream)>,
    /// What went each way, all connections after each other.
    up: Vec<u8>,
    down: Vec<u8>,
    /// At which byte each way a bit is to be flipped, once.
    flip_up: Option<usize>,
    flip_down: Option<usize>,
}

impl Proxy {
    /// Starts one in front of a server.
    ///
    /// # Panics
    ///
    /// When this machine gives no port.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        Self::start(server, false)
    }

    /// The same for a long run: it writes nothing down, and flips nothing.
    #[must_use]
    pub fn forgetful_before(server: SocketAddr) -> Self {
        Self::start(server, true)
    }

    fn start(server: SocketAddr, forgetful: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let wire = Arc::new(Wire::default());
        wire.state().forgetful = forgetful;
        let ours = Arc::clone(&wire);
        thread::spawn(move || {
            for client in listener.incoming() {
                if ours.state().closed {
                    break;
                }
                let Ok(client) = client else { continue };
                // The server may be down on purpose: then the client sees its stream end.
                if let Ok(server) = TcpStream::connect(server) {
                    let _ = join(&ours, client, server);
                }
            }
        });
        Self { address, wire }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the connections that are there, as a broken network would. New ones are served.
    pub fn cut(&self) {
        self.wire.cut();
    }

    /// Does so in the middle of what is sent: when so many more bytes went this way.
    pub fn cut_after(&self, direction: Direction, bytes: usize) {
        let mut state = self.wire.state();
        match direction {
            Direction::Up => state.cut_up = Some(bytes),
            Direction::Down => state.cut_down = Some(bytes),
        }
    }

    /// Whether a cut is still to come.
    #[must_use]
    pub fn will_cut(&self) -> bool {
        let state = self.wire.state();
        state.cut_up.is_some() || state.cut_down.is_some()
    }

    /// Lets nothing through any more when so many more bytes went this way, at least.
    pub fn stall_after(&self, direction: Direction, bytes: usize) {
        let mut state = self.wire.state();
        match direction {
            Direction::Up => state.stall_up = Some(bytes),
            Direction::Down => state.stall_down = Some(bytes),
        }
    }

    /// Waits until it lets nothing through.
    ///
    /// # Panics
    ///
    /// When that does not happen.
    pub fn expect_stall(&self) {
        let state = self.wire.state();
        let flowing = |state: &mut State| !state.stalled;
        let waited = self.wire.changed.wait_timeout_while(state, WAIT, flowing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(state.stalled, "too few bytes went by");
    }

    /// How many bytes went this way, all connections together.
    #[must_use]
    pub fn passed(&self, direction: Direction) -> u64 {
        let state = self.wire.state();
        match direction {
            Direction::Up => state.passed_up,
            Direction::Down => state.passed_down,
        }
    }

    /// Waits until so many bytes went this way, all connections together; `false` when they don't come
    /// for so long.
    #[must_use]
    pub fn wait_passed(&self, direction: Direction, bytes: u64, limit: Duration) -> bool {
        let state = self.wire.state();
        let passed = |state: &State| match direction {
            Direction::Up => state.passed_up,
            Direction::Down => state.passed_down,
        };
        let fewer = |state: &mut State| passed(state) < bytes;
        let waited = self.wire.changed.wait_timeout_while(state, limit, fewer);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        passed(&state) >= bytes
    }

    /// Lets nothing through any more, without ending anything.
    pub fn stall(&self) {
        self.wire.state().stalled = true;
    }

    /// Lets everything through again.
    pub fn resume(&self) {
        self.wire.state().stalled = false;
        self.wire.changed.notify_all();
    }

    /// Flips a bit, once: in the byte that has so many before it among those that are still to come.
    pub fn flip(&self, direction: Direction, ahead: usize) {
        let mut state = self.wire.state();
        match direction {
            Direction::Up => state.flip_up = Some(state.up.len() + ahead),
            Direction::Down => state.flip_down = Some(state.down.len() + ahead),
        }
    }

    /// Whether the bit that was asked for is flipped.
    #[must_use]
    pub fn has_flipped(&self) -> bool {
        let state = self.wire.state();
        state.flip_up.is_none() && state.flip_down.is_none()
    }

    /// Everything that went this way so far.
    #[must_use]
    pub fn captured(&self, direction: Direction) -> Vec<u8> {
        let state = self.wire.state();
        match direction {
            Direction::Up => state.up.clone(),
            Direction::Down => state.down.clone(),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.state().closed = true;
        self.resume();
        self.cut();
        // Wakes the thread that accepts, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for (_, stream) in self.state().streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Writes these bytes down, disturbs them as wished, and waits while the wire is stalled. Answers
    /// how many of them go on: fewer when the wire is to be cut in their middle.
    fn pass(&self, direction: Direction, bytes: &mut [u8]) -> usize {
        let mut state = self.state();
        while state.stalled {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let (stall, passed) = match direction {
            Direction::Up => (&mut state.stall_up, bytes.len()),
            Direction::Down => (&mut state.stall_down, bytes.len()),
        };
        match stall {
            Some(left) if *left <= passed => {
                *stall = None;
                state.stalled = true;
                self.changed.notify_all();
            }
            Some(left) => *left -= passed,
            None => {}
        }
        match direction {
            Direction::Up => state.passed_up += passed as u64,
            Direction::Down => state.passed_down += passed as u64,
        }
        self.changed.notify_all();
        let State {
            forgetful,
            cut_up,
            cut_down,
            up,
            down,
            flip_up,
            flip_down,
            ..
        } = &mut *state;
        let (record, flip, cut) = match direction {
            Direction::Up => (up, flip_up, cut_up),
            Direction::Down => (down, flip_down, cut_down),
        };
        let here = flip.and_then(|at| at.checked_sub(record.len()));
        if let Some(byte) = here.and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
            *flip = None;
        }
        if !*forgetful {
            record.extend_from_slice(bytes);
        }
        match cut {
            Some(left) if *left < bytes.len() => cut.take().unwrap_or_default(),
            Some(left) => {
                *left -= bytes.len();
                bytes.len()
            }
            None => bytes.len(),
        }
    }
}

fn join(wire: &Arc<Wire>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
    // A proxy that waits for more to send would hide what the two ends do.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    let pumped = Arc::new(());
    {
        let mut state = wire.state();
        state
            .streams
            .retain(|(pumped, _)| pumped.strong_count() > 0);
        let ends = ends.map(|end| (Arc::downgrade(&pumped), end));
        state.streams.extend(ends);
    }
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    pump(Arc::clone(wire), Direction::Up, from, to, pumped.clone());
    pump(Arc::clone(wire), Direction::Down, server, client, pumped);
    Ok(())
}

fn pump(
    wire: Arc<Wire>,
    direction: Direction,
    mut from: TcpStream,
    mut to: TcpStream,
    pumped: Arc<()>,
) {
    thread::spawn(move || {
        let _pumped = pumped;
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let passed = wire.pass(direction, &mut buffer[..count]);
            let written = to.write_all(&buffer[..passed]);
            if passed < count {
                wire.cut();
            }
            if written.is_err() || passed < count {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (mut from, mut to) = (&stream, &stream);
                    let _ = std::io::copy(&mut from, &mut to);
                });
            }
        });
        address
    }

    fn round(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
        stream.write_all(bytes).expect("written");
        let mut back = vec![0; bytes.len()];
        stream.read_exact(&mut back).expect("read");
        back
    }

    #[test]
    fn bytes_pass_are_recorded_and_flipped_once() {
        let proxy = Proxy::before(echo());
        let mut stream = TcpStream::connect(proxy.address()).expect("connected");
        assert_eq!(round(&mut stream, b"abc"), b"abc");
        proxy.flip(Direction::Up, 1);
        assert!(!proxy.has_flipped());
        assert_eq!(round(&mut stream, b"abc"), b"acc");
        assert!(proxy.has_flipped());
        assert_eq!(round(&mut stream, b"abc"), b"abc");
        assert_eq!(proxy.captured(Direction::Down), b"abcaccabc");
    }

    #[test]
    fn a_cut_ends_what_is_there_and_not_what_comes() {
        let proxy = Proxy::before(echo());
        let mut stream = TcpStream::connect(proxy.address()).expect("connected");
        round(&mut stream, b"abc");
        proxy.cut();
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
        let mut stream = TcpStream::connect(proxy.address()).expect("connected again");
        assert_eq!(round(&mut stream, b"abc"), b"abc");
    }

    #[test]
    fn a_cut_comes_in_the_middle_of_what_is_sent() {
        let proxy = Proxy::forgetful_before(echo());
        let mut stream = TcpStream::connect(proxy.address()).expect("connected");
        proxy.cut_after(Direction::Up, 4);
        assert_eq!(round(&mut stream, b"abc"), b"abc");
        assert!(proxy.will_cut());
        stream.write_all(b"def").expect("written");
        let mut rest = Vec::new();
        // A reset is an end, too; what came before it may be lost with it.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest == b"d", "{rest:?}");
        assert!(!proxy.will_cut());
    }

    #[test]
    fn a_stalled_wire_loses_nothing() {
        let proxy = Proxy::before(echo());
        let mut stream = TcpStream::connect(proxy.address()).expect("connected");
        round(&mut stream, b"abc");
        proxy.stall();
        stream.write_all(b"later").expect("written");
        let limit = std::time::Duration::from_millis(50);
        stream.set_read_timeout(Some(limit)).expect("set");
        assert!(stream.read(&mut [0]).is_err());
        stream.set_read_timeout(None).expect("set");
        proxy.resume();
        let mut back = [0; 5];
        stream.read_exact(&mut back).expect("read");
        assert_eq!(&back, b"later");
    }
}
