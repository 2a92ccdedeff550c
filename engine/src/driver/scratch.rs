//! A buffer to read into that all links of a thread share: a link at rest holds none.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::AsyncRead;

const BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BYTES].into_boxed_slice());
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
