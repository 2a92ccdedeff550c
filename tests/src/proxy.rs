//! A wire between client and server that can be listened to, cut, stopped and disturbed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

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
    /// Both ends of each connection that was made.
    streams: Vec<TcpStream>,
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
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let wire = Arc::new(Wire::default());
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
        for stream in self.state().streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Writes these bytes down, disturbs them as wished, and waits while the wire is stalled.
    fn pass(&self, direction: Direction, bytes: &mut [u8]) {
        let mut state = self.state();
        while state.stalled {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let State {
            up,
            down,
            flip_up,
            flip_down,
            ..
        } = &mut *state;
        let (record, flip) = match direction {
            Direction::Up => (up, flip_up),
            Direction::Down => (down, flip_down),
        };
        let here = flip.and_then(|at| at.checked_sub(record.len()));
        if let Some(byte) = here.and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
            *flip = None;
        }
        record.extend_from_slice(bytes);
    }
}

fn join(wire: &Arc<Wire>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
    // A proxy that waits for more to send would hide what the two ends do.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    wire.state().streams.extend(ends);
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    pump(Arc::clone(wire), Direction::Up, from, to);
    pump(Arc::clone(wire), Direction::Down, server, client);
    Ok(())
}

fn pump(wire: Arc<Wire>, direction: Direction, mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            wire.pass(direction, &mut buffer[..count]);
            if to.write_all(&buffer[..count]).is_err() {
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
