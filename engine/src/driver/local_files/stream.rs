//! Streams of the application in place of files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::refused;
use crate::limits;
use crate::model::{Code, Refusal};
use crate::port::{BoxFuture, MakeBytes, Sink, Source};

/// Something to read from.
type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// Something to write to.
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// The streams that were given and not opened so far.
#[derive(Default)]
pub(crate) struct Streams {
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    next: u64,
    readers: HashMap<u64, Reader>,
    writers: HashMap<u64, Writer>,
}

impl Streams {
    pub(crate) fn put_reader(&self, reader: Reader) -> u64 {
        let mut given = self.given();
        given.next += 1;
        let number = given.next;
        given.readers.insert(number, reader);
        number
    }

    pub(crate) fn put_writer(&self, writer: Writer) -> u64 {
        let mut given = self.given();
        given.next += 1;
        let number = given.next;
        given.writers.insert(number, writer);
        number
    }

    /// The command with this stream was not taken.
    pub(crate) fn forget(&self, number: u64) {
        let mut given = self.given();
        given.readers.remove(&number);
        given.writers.remove(&number);
    }

    pub(super) fn source(&self, number: u64, size: u64) -> Result<Box<dyn Source>, Refusal> {
        let reader = self.given().readers.remove(&number).ok_or_else(gone)?;
        Ok(Box::new(StreamSource {
            reader,
            size,
            hasher: blake3::Hasher::new(),
            read: 0,
            kept: Vec::new(),
        }))
    }

    pub(super) fn sink(&self, number: u64) -> Result<Box<dyn Sink>, Refusal> {
        let writer = self.given().writers.remove(&number).ok_or_else(gone)?;
        Ok(Box::new(StreamSink {
            writer,
            hasher: blake3::Hasher::new(),
        }))
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may be under way, and what is read ahead of that.
const STREAM_KEPT: usize = limits::TRANSFER_WINDOW as usize + limits::FILE_READ_AHEAD as usize;

fn gone() -> Refusal {
    refused("the stream was used already".to_owned())
}

struct StreamSource {
    reader: Reader,
    size: u64,
    hasher: blake3::Hasher,
    read: u64,
    /// The last bytes that were read: a link that is lost brings some of them back.
    kept: Vec<u8>,
}

impl Source for StreamSource {
    fn read(&mut self, offset: u64, length: usize) -> BoxFuture<'_, Result<Vec<u8>, Refusal>> {
        Box::pin(async move {
            let first = self.read - self.kept.len() as u64;
            let Some(start) = offset.checked_sub(first) else {
                return Err(refused(
                    "the server lost bytes of a stream that can't be read again; send it anew"
                        .to_owned(),
                ));
            };
            let end = offset + length as u64;
            let missing = end.saturating_sub(self.read);
            let missing = usize::try_from(missing).unwrap_or(usize::MAX);
            let held = self.kept.len();
            self.kept.resize(held + missing, 0);
            let new = self.kept.get_mut(held..).unwrap_or_default();
            if let Err(error) = self.reader.read_exact(new).await {
                return Err(refused(format!(
                    "the stream ended before its announced size: {error}"
                )));
            }
            self.hasher.update(new);
            self.read += missing as u64;
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let bytes = self.kept.get(start..start + length).map(<[u8]>::to_vec);
            let keep = STREAM_KEPT.min(self.kept.len());
            self.kept.drain(..self.kept.len() - keep);
            bytes.ok_or_else(gone)
        })
    }

    fn hash(&mut self) -> BoxFuture<'_, Result<[u8; 32], Refusal>> {
        Box::pin(async move {
            if self.read != self.size {
                return Err(refused(
                    "the server has bytes of a stream that this program did not read".to_owned(),
                ));
            }
            let mut more = [0];
            match self.reader.read(&mut more).await {
                Ok(0) => Ok(*self.hasher.finalize().as_bytes()),
                Ok(_) => Err(refused(
                    "the stream goes on behind its announced size".to_owned(),
                )),
                Err(error) => Err(refused(format!("cannot read the stream: {error}"))),
            }
        })
    }
}

struct StreamSink {
    writer: Writer,
    /// What was written can't be read again.
    hasher: blake3::Hasher,
}

impl Sink for StreamSink {
    fn begin(&mut self, _: u64) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn write(&mut self, make: MakeBytes) -> BoxFuture<'_, Result<u64, Refusal>> {
        Box::pin(async move {
            for bytes in blocking::unblock(make).await? {
                self.writer.write_all(&bytes).await.map_err(fault)?;
                self.hasher.update(&bytes);
            }
            Ok(0)
        })
    }

    fn finish(
        &mut self,
        hash: Option<[u8; 32]>,
        unproven: bool,
    ) -> BoxFuture<'_, Result<Option<PathBuf>, Refusal>> {
        Box::pin(async move {
            let wrong = |hash| self.hasher.finalize().as_bytes() != hash;
            if unproven && hash.as_ref().is_some_and(wrong) {
                return Err(Code::BadHash.into());
            }
            self.writer.close().await.map_err(fault)?;
            Ok(None)
        })
    }

    fn discard(&mut self) -> BoxFuture<'_, ()> {
        // What was written is the application's.
        Box::pin(async {})
    }
}

fn fault(error: std::io::Error) -> Refusal {
    refused(format!("cannot write to the stream: {error}"))
}
