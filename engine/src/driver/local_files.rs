//! The files of a client's transfers: one job at a time for each, none of them on the executor.

mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::agent::{Beginning, FileNews, FileWork, Written};
use crate::id::SendId;
use crate::limits;
use crate::model::{Code, Piece, Refusal};
use crate::port::{BoxFuture, Files, Held, Sink, SinkPlace, Source, SourcePlace};
use crate::tree::Verifier;

pub(crate) use stream::Streams;

/// The open files.
pub(super) struct OpenFiles {
    files: Arc<dyn Files>,
    open: BTreeMap<SendId, Open>,
}

/// A file, what is to be done with it, and what is being done.
#[derive(Default)]
struct Open {
    end: Option<End>,
    jobs: VecDeque<FileWork>,
    running: Option<BoxFuture<'static, Done>>,
}

enum End {
    Source(Box<dyn Source>),
    Sink(Box<dyn Sink>, Option<Arc<Mutex<Taking>>>),
}

/// How the pieces of a download are taken.
struct Taking {
    beginning: Beginning,
    verifier: Option<Verifier>,
}

type Done = (Option<End>, Option<FileNews>);

impl OpenFiles {
    pub(super) fn new(files: Arc<dyn Files>) -> Self {
        Self {
            files,
            open: BTreeMap::new(),
        }
    }

    /// Takes a job, to be done after those before it.
    pub(super) fn push(&mut self, id: SendId, work: FileWork) {
        self.open.entry(id).or_default().jobs.push_back(work);
    }

    /// What was done.
    pub(super) fn poll(
        &mut self,
        streams: &Streams,
        cx: &mut Context<'_>,
    ) -> Vec<(SendId, FileNews)> {
        let mut news = Vec::new();
        for (id, open) in &mut self.open {
            while let Some(done) = open.poll(&self.files, streams, cx) {
                news.extend(done.map(|done| (*id, done)));
            }
        }
        self.open
            .retain(|_, open| open.end.is_some() || !open.is_idle());
        news
    }
}

impl Open {
    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.running.is_none()
    }

    /// Nothing while a job is under way or there is none.
    fn poll(
        &mut self,
        files: &Arc<dyn Files>,
        streams: &Streams,
        cx: &mut Context<'_>,
    ) -> Option<Option<FileNews>> {
        if self.running.is_none() {
            self.running = Some(self.begin(files, streams)?);
        }
        let Poll::Ready((end, news)) = self.running.as_mut()?.as_mut().poll(cx) else {
            return None;
        };
        self.running = None;
        self.end = end;
        Some(news)
    }

    fn begin(
        &mut self,
        files: &Arc<dyn Files>,
        streams: &Streams,
    ) -> Option<BoxFuture<'static, Done>> {
        let work = self.jobs.pop_front()?;
        let end = self.end.take();
        let files = Arc::clone(files);
        // What came together is written together.
        Some(match work {
            FileWork::Write(piece) => {
                let mut pieces = vec![piece];
                while let Some(FileWork::Write(_)) = self.jobs.front()
                    && let Some(FileWork::Write(more)) = self.jobs.pop_front()
                {
                    pieces.push(more);
                }
                Box::pin(write(pieces, end))
            }
            // Taken here and now: there is nothing to wait for.
            FileWork::OpenSource(SourcePlace::Stream(number), stamp) => Box::pin(
                std::future::ready(opened_source(streams.source(number, stamp.size))),
            ),
            FileWork::OpenSink(SinkPlace::Stream(number), _) => {
                let opened = streams.sink(number).map(|sink| (sink, Held::Bytes(0)));
                Box::pin(std::future::ready(opened_sink(opened, String::new())))
            }
            work => Box::pin(carry_out(work, end, files)),
        })
    }
}

async fn carry_out(work: FileWork, end: Option<End>, files: Arc<dyn Files>) -> Done {
    match (work, end) {
        (FileWork::Look(path), end) => (end, Some(FileNews::Looked(files.look(path).await))),
        (FileWork::Place(path), end) => (end, Some(FileNews::Placed(files.place(path).await))),
        (FileWork::OpenSource(SourcePlace::Path(path), stamp), _) => {
            opened_source(files.source(path, stamp).await)
        }
        (FileWork::OpenSink(SinkPlace::File { folder, name }, part), _) => {
            let opened = files.sink(folder, name, part).await;
            opened_sink(opened, files.boot())
        }
        (FileWork::Read { offset, length }, Some(End::Source(mut source))) => {
            let read = source.read(offset, length).await;
            (
                Some(End::Source(source)),
                Some(FileNews::Read(offset, read)),
            )
        }
        (FileWork::Hash, Some(End::Source(mut source))) => {
            let hash = source.hash().await;
            (Some(End::Source(source)), Some(FileNews::Hashed(hash)))
        }
        (FileWork::Begin(beginning), Some(End::Sink(mut sink, _))) => {
            let begun = sink.begin(beginning.length).await;
            let first = beginning.offset / limits::GROUP_BYTES as u64;
            let verifier = beginning.hash;
            let verifier = verifier.map(|hash| Verifier::new(hash, beginning.size, first));
            let taking = Taking {
                beginning,
                verifier,
            };
            let end = End::Sink(sink, Some(Arc::new(Mutex::new(taking))));
            (Some(end), Some(FileNews::Begun(begun)))
        }
        (FileWork::Finish { hash, unproven }, Some(End::Sink(mut sink, taking))) => {
            let finished = sink.finish(hash, unproven).await;
            let end = End::Sink(sink, taking);
            (Some(end), Some(FileNews::Finished(finished)))
        }
        (FileWork::Close { discard: true }, Some(End::Sink(mut sink, _))) => {
            sink.discard().await;
            (None, None)
        }
        (FileWork::Close { .. }, _) => (None, None),
        // An end that failed to open was closed already, or a job came after closing.
        (_, end) => (end, None),
    }
}

/// Proves pieces off the executor, and writes what is wanted of them.
async fn write(pieces: Vec<Piece>, end: Option<End>) -> Done {
    let Some(End::Sink(mut sink, Some(taking))) = end else {
        return (end, None);
    };
    let upto = pieces.last().map_or(0, end_of);
    let proving = Arc::clone(&taking);
    let prove = move || {
        let mut taking = proving.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.into_iter().map(|piece| taking.take(piece)).collect()
    };
    let synced = sink.write(Box::new(prove)).await;
    let written = synced.map(|synced| Written { upto, synced });
    let end = End::Sink(sink, Some(taking));
    (Some(end), Some(FileNews::Written(written)))
}

/// The place after a piece.
const fn end_of(piece: &Piece) -> u64 {
    piece.offset + piece.bytes.len() as u64
}

impl Taking {
    /// The wanted bytes of a piece.
    fn take(&mut self, piece: Piece) -> Result<Vec<u8>, Refusal> {
        if let Some(verifier) = &mut self.verifier {
            let proven = verifier.offset() == piece.offset
                && verifier.prove(&piece.parents, &piece.bytes).is_ok();
            if !proven {
                return Err(Code::Damaged.into());
            }
        }
        let Beginning { from, to, .. } = self.beginning;
        if from <= piece.offset && end_of(&piece) <= to {
            return Ok(piece.bytes);
        }
        let within = |place: u64| {
            let place = place.saturating_sub(piece.offset);
            usize::try_from(place).map_or(piece.bytes.len(), |place| place.min(piece.bytes.len()))
        };
        let wanted = piece.bytes.get(within(from)..within(to).max(within(from)));
        Ok(wanted.unwrap_or_default().to_vec())
    }
}

fn opened_sink(opened: Result<(Box<dyn Sink>, Held), Refusal>, boot: String) -> Done {
    match opened {
        Ok((sink, held)) => {
            let news = FileNews::SinkOpened(Ok((held, boot)));
            (Some(End::Sink(sink, None)), Some(news))
        }
        Err(refusal) => (None, Some(FileNews::SinkOpened(Err(refusal)))),
    }
}

fn opened_source(opened: Result<Box<dyn Source>, Refusal>) -> Done {
    match opened {
        Ok(source) => (
            Some(End::Source(source)),
            Some(FileNews::SourceOpened(Ok(()))),
        ),
        Err(refusal) => (None, Some(FileNews::SourceOpened(Err(refusal)))),
    }
}

fn refused(text: String) -> Refusal {
    Refusal::because(Code::LocalFile, text)
}
