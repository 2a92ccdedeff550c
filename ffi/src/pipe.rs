//! A stream in memory, between a client and a server of one process.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};
use piper::{Reader, Writer};

use crate::limits;

/// One end.
pub(crate) struct Duplex {
    reader: Reader,
    writer: Writer,
}

/// Both ends.
pub(crate) fn duplex() -> (Duplex, Duplex) {
    let (reader, their_writer) = piper::pipe(limits::LINK_BYTES);
    let (their_reader, writer) = piper::pipe(limits::LINK_BYTES);
    let theirs = Duplex {
        reader: their_reader,
        writer: their_writer,
    };
    (Duplex { reader, writer }, theirs)
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}
