//! One link of a server: moves bytes between a stream and a session, and frames between the session
//! and the hub.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::Timer;
use futures_lite::{AsyncRead, AsyncWrite, Future};

use super::outlet::{Outlet, Taken};
use super::scratch;
use super::server::Shared;
use crate::error::{Error, LinkFault};
use crate::hub::Input;
use crate::id::LinkId;
use crate::limits;
use crate::model::{ByeReason, Time, ToClient, ToServer};
use crate::session::server::{ServerEvent, ServerSession};
use crate::wire;

/// Most bytes that are sealed ahead of the stream: enough for it to be busy.
const WRITE_AHEAD: usize = 256 * 1024;

/// A link does this many steps before it lets others run. One that brings a file takes about 0.1 ms for
/// each.
const STEPS: usize = 8;

/// Serves a stream until it ends. Tells the hub of the end.
pub(crate) async fn serve<S>(shared: Arc<Shared>, stream: S, id: LinkId, outlet: Arc<Outlet>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let now = shared.clock.time();
    let session = ServerSession::new(Arc::clone(&shared.key), shared.seed(), now);
    let mut link = Link {
        shared: &shared,
        stream,
        id,
        outlet: &outlet,
        session,
        waiting: None,
        sealed: Vec::new(),
        written: 0,
        timer: None,
        armed: None,
        ending: None,
    };
    let end = poll_fn(|cx| link.poll(cx)).await;
    let reason = match &end {
        End::Bye => ByeReason::Left,
        End::Closed => ByeReason::Lost,
        End::Failed(error) => {
            tracing::debug!(link = id.0, %error, "link ended");
            match error {
                Error::Link(LinkFault::Timeout) => ByeReason::Timeout,
                Error::Peer(_) | Error::Version => ByeReason::Violation,
                _ => ByeReason::Lost,
            }
        }
    };
    drop(link);
    outlet.transfers.stop_all();
    shared.tell([Input::Gone { link: id, reason }]);
}

/// Why a link ended.
enum End {
    /// The peer said goodbye.
    Bye,
    /// The hub wanted it, or the peer's stream ended.
    Closed,
    Failed(Error),
}

struct Link<'a, S> {
    shared: &'a Arc<Shared>,
    stream: S,
    id: LinkId,
    outlet: &'a Outlet,
    session: ServerSession,
    /// Frames that were taken out of the outlet and not sealed so far.
    waiting: Option<VecDeque<Arc<[u8]>>>,
    /// Bytes for the stream.
    sealed: Vec<u8>,
    written: usize,
    timer: Option<Timer>,
    /// When the timer rings. It is left alone when deadlines move away: setting one costs more than
    /// waking in vain now and then.
    armed: Option<Time>,
    /// The link ends when everything is written, or at this time.
    ending: Option<Time>,
}

impl<S> Link<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..STEPS {
            match self.step(cx) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(end) => return Poll::Ready(end),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether anything moved. Reading and writing go on together, or two talkative peers would wait
    /// for each other.
    fn step(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        // One look at the clock: a step takes microseconds.
        let now = self.shared.clock.time();
        let took = self.take_out(cx, now)?;
        self.seal(now)?;
        let read = self.read(cx, now)?;
        if read {
            self.seal(now)?;
        }
        let wrote = self.write(cx)?;
        if self.ending.is_some() && self.is_flushed() {
            return Err(End::Closed);
        }
        let rang = self.watch_time(cx)?;
        Ok(took || read || wrote || rang)
    }

    fn take_out(&mut self, cx: &Context<'_>, now: Time) -> Result<bool, End> {
        // What does not fit the stream stays in the outlet, where it is counted.
        let busy = self.waiting.is_some();
        let Some(taken) = self.outlet.take(busy && self.ending.is_none(), cx.waker()) else {
            return Ok(false);
        };
        let Taken {
            mut control,
            mut text,
            entered,
            closing,
            overflow,
        } = taken;
        if overflow {
            tracing::debug!(link = self.id.0, "the peer does not read what it asked for");
            return Err(End::Failed(Error::Link(LinkFault::Timeout)));
        }
        if entered {
            self.session.enter();
        }
        if control.is_empty() {
            control = text;
        } else {
            control.append(&mut text);
        }
        if let Some(bye) = closing
            && self.ending.is_none()
        {
            if let Some((reason, text)) = bye
                && self.session.is_sealed()
            {
                let mut frame = Vec::new();
                if wire::encode_to_client(&ToClient::Bye(reason, text), &mut frame).is_ok() {
                    control.push_back(frame.into());
                }
            }
            self.ending = Some(now + limits::BYE_WAIT);
        }
        if !control.is_empty() {
            match &mut self.waiting {
                Some(waiting) => waiting.append(&mut control),
                None => self.waiting = Some(control),
            }
        }
        Ok(true)
    }

    fn seal(&mut self, now: Time) -> Result<(), End> {
        self.session
            .poll_transmit(&mut self.sealed, now)
            .map_err(End::Failed)?;
        if !self.session.is_sealed() {
            return Ok(());
        }
        while self.sealed.len() - self.written < WRITE_AHEAD
            && let Some(waiting) = &mut self.waiting
        {
            if self.sealed.capacity() == 0 {
                self.sealed = scratch::borrow();
            }
            let mut bytes = 0;
            let fits = waiting
                .iter()
                .take_while(|frame| {
                    bytes += frame.len();
                    bytes <= WRITE_AHEAD
                })
                .count();
            let fits = fits.max(1).min(waiting.len());
            let mut frames = waiting.iter().take(fits).map(AsRef::as_ref);
            self.session
                .seal(&mut frames, &mut self.sealed, now)
                .map_err(End::Failed)?;
            if fits == waiting.len() {
                self.waiting = None;
            } else {
                waiting.drain(..fits);
            }
        }
        // Pieces of files, one at a time: whatever else comes meanwhile goes before the next one.
        while self.waiting.is_none()
            && self.sealed.len() - self.written < limits::BULK_AHEAD
            && let Some(piece) = self.outlet.pop_bulk()
        {
            let mut frames = std::iter::once(piece.as_slice());
            self.session
                .seal(&mut frames, &mut self.sealed, now)
                .map_err(End::Failed)?;
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Time) -> Result<bool, End> {
        // Once the hub ends the link, what still comes is nobody's.
        if self.ending.is_some() || !self.outlet.admit() {
            return Ok(false);
        }
        let session = &mut self.session;
        let read = scratch::poll_read(Pin::new(&mut self.stream), cx, |bytes| {
            if bytes.is_empty() {
                return Err(Error::Link(LinkFault::Lost));
            }
            session.handle_bytes(bytes, now)
        });
        match read {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(true);
            }
            Poll::Ready(Err(_)) => return Err(End::Failed(Error::Link(LinkFault::Lost))),
            // What came before the damage is dealt with all the same.
            Poll::Ready(Ok(Err(error))) => {
                self.flush_on_failure(cx);
                return Err(End::Failed(error));
            }
            Poll::Ready(Ok(Ok(()))) => {}
        }
        self.hand_over()
    }

    /// Hands everything that the peer said to the hub.
    fn hand_over(&mut self) -> Result<bool, End> {
        let mut inputs = Vec::new();
        let end = loop {
            match self.session.poll_event() {
                Ok(None) => break None,
                Ok(Some(ServerEvent::Login { key, login })) => {
                    inputs.push(Input::Login {
                        link: self.id,
                        key,
                        login,
                    });
                }
                Ok(Some(ServerEvent::Frame(ToServer::Chunk(chunk)))) => {
                    let taken = self.outlet.transfers.chunk(self.shared, self.id, chunk);
                    if let Err(violation) = taken {
                        break Some(End::Failed(violation.into()));
                    }
                }
                Ok(Some(ServerEvent::Frame(ToServer::Taken { transfer, upto }))) => {
                    let taken = self.outlet.transfers.taken(self.shared, transfer, upto);
                    if let Err(violation) = taken {
                        break Some(End::Failed(violation.into()));
                    }
                }
                Ok(Some(ServerEvent::Frame(message))) => {
                    self.outlet.sent();
                    inputs.push(Input::Frame {
                        link: self.id,
                        message,
                    });
                }
                Ok(Some(ServerEvent::Bye)) => break Some(End::Bye),
                Err(error) => break Some(End::Failed(error)),
            }
        };
        self.shared.tell(inputs);
        end.map_or(Ok(true), Err)
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let rest = self.sealed.get(self.written..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        match Pin::new(&mut self.stream).poll_write(cx, rest) {
            Poll::Pending => {
                self.keep_rest();
                Ok(false)
            }
            Poll::Ready(Ok(0)) => Err(End::Failed(Error::Link(LinkFault::Lost))),
            Poll::Ready(Ok(length)) => {
                self.written += length;
                if self.written == self.sealed.len() {
                    // A link at rest holds no buffer.
                    scratch::give_back(std::mem::take(&mut self.sealed));
                    self.written = 0;
                }
                Ok(true)
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Poll::Ready(Err(_)) => Err(End::Failed(Error::Link(LinkFault::Lost))),
        }
    }

    /// The stream takes no more for now. Of a buffer that is larger by far than what is left, the link
    /// keeps only that.
    fn keep_rest(&mut self) {
        let rest = self.sealed.get(self.written..).unwrap_or_default();
        if rest.len() * 2 < self.sealed.capacity() {
            let rest = rest.to_vec();
            scratch::give_back(std::mem::replace(&mut self.sealed, rest));
            self.written = 0;
        }
    }

    /// A greeting that is refused is answered before the link ends: one try, nothing is waited for.
    fn flush_on_failure(&mut self, cx: &mut Context<'_>) {
        let _ = self
            .session
            .poll_transmit(&mut self.sealed, self.shared.clock.time());
        let rest = self.sealed.get(self.written..).unwrap_or_default();
        if !rest.is_empty() {
            let _ = Pin::new(&mut self.stream).poll_write(cx, rest);
        }
    }

    fn is_flushed(&self) -> bool {
        self.waiting.is_none() && self.sealed.is_empty()
    }

    fn watch_time(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let due = [self.session.poll_timeout(), self.ending]
            .into_iter()
            .flatten()
            .min();
        let Some(due) = due else { return Ok(false) };
        if self.armed.is_none_or(|armed| due < armed) {
            let at: Instant = self.shared.clock.instant(due);
            match &mut self.timer {
                Some(timer) => timer.set_at(at),
                None => self.timer = Some(Timer::at(at)),
            }
            self.armed = Some(due);
        }
        let Some(timer) = &mut self.timer else {
            return Ok(false);
        };
        if Pin::new(timer).poll(cx).is_pending() {
            return Ok(false);
        }
        self.armed = None;
        let now = self.shared.clock.time();
        if self.ending.is_some_and(|ending| now >= ending) {
            return Err(End::Closed);
        }
        self.session.handle_timeout(now).map_err(End::Failed)?;
        Ok(true)
    }
}
