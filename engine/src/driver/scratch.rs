//! Buffers that all links of a thread share: a link at rest holds none.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::AsyncRead;

const BYTES: usize = 128 * 1024;
/// What a link seals ahead of its stream, as a buffer that grew to it may be.
const MOST_SEALED: usize = 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BYTES].into_boxed_slice());
    static SEALED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer to seal into, with room if there was one before.
pub(crate) fn borrow() -> Vec<u8> {
    SEALED.take()
}

/// Keeps a buffer for the next one who seals.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    let held = SEALED.take();
    if buffer.capacity() > held.capacity() && buffer.capacity() <= MOST_SEALED {
        buffer.clear();
        SEALED.set(buffer);
    } else {
        SEALED.set(held);
    }
}

/// Reads what is there and hands it to `take`.
pub(crate) fn poll_read<S, T>(
    stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>>
where
    S: AsyncRead + ?Sized,
{
    SCRATCH.with_borrow_mut(|buffer| match stream.poll_read(cx, buffer) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Ready(Ok(length)) => Poll::Ready(Ok(take(buffer.get(..length).unwrap_or_default()))),
    })
}
