//! The files of a client's transfers: one job at a time for each, none of them on the executor.

mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::agent::{FileNews, FileWork};
use crate::id::SendId;
use crate::model::{Code, Refusal};
use crate::port::{BoxFuture, Files, Sink, SinkPlace, Source, SourcePlace};

pub(crate) use stream::{Reader, Streams, Writer};

/// The open files.
pub(super) struct OpenFiles {
    files: Arc<dyn Files>,
    streams: Arc<Streams>,
    open: BTreeMap<SendId, Open>,
}

/// A file, what is to be done with it, and what is being done.
#[derive(Default)]
struct Open {
    end: Option<End>,
    jobs: VecDeque<FileWork>,
    running: Option<BoxFuture<'static, (Option<End>, Option<FileNews>)>>,
}

enum End {
    Source(Box<dyn Source>),
    Sink(Box<dyn Sink>),
}

impl OpenFiles {
    pub(super) fn new(files: Arc<dyn Files>, streams: Arc<Streams>) -> Self {
        Self {
            files,
            streams,
            open: BTreeMap::new(),
        }
    }

    /// Takes a job, to be done after those before it.
    pub(super) fn push(&mut self, id: SendId, work: FileWork) {
        self.open.entry(id).or_default().jobs.push_back(work);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.values().all(Open::is_idle)
    }

    /// What was done.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Vec<(SendId, FileNews)> {
        let mut news = Vec::new();
        for (id, open) in &mut self.open {
            while let Some(done) = open.poll(&self.files, &self.streams, cx) {
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
        streams: &Arc<Streams>,
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
        streams: &Arc<Streams>,
    ) -> Option<BoxFuture<'static, (Option<End>, Option<FileNews>)>> {
        let work = self.jobs.pop_front()?;
        let end = self.end.take();
        let (files, streams) = (Arc::clone(files), Arc::clone(streams));
        // What came together is written together.
        let work = match work {
            FileWork::Write(pieces) => {
                let mut all = pieces;
                while let Some(FileWork::Write(_)) = self.jobs.front()
                    && let Some(FileWork::Write(more)) = self.jobs.pop_front()
                {
                    all.extend(more);
                }
                FileWork::Write(all)
            }
            work => work,
        };
        Some(Box::pin(carry_out(work, end, files, streams)))
    }
}

async fn carry_out(
    work: FileWork,
    end: Option<End>,
    files: Arc<dyn Files>,
    streams: Arc<Streams>,
) -> (Option<End>, Option<FileNews>) {
    match (work, end) {
        (FileWork::Look(path), end) => (end, Some(FileNews::Looked(files.look(path).await))),
        (FileWork::OpenSource(SourcePlace::Path(path), stamp), _) => {
            opened_source(files.source(path, stamp).await)
        }
        (FileWork::OpenSource(SourcePlace::Stream(number), stamp), _) => {
            opened_source(streams.source(number, stamp.size))
        }
        (FileWork::OpenSink(SinkPlace::File { folder, name }, part), _) => {
            let opened = files.sink(folder, name, part).await;
            let boot = files.boot();
            match opened {
                Ok((sink, held)) => {
                    let news = FileNews::SinkOpened(Ok((held, boot)));
                    (Some(End::Sink(sink)), Some(news))
                }
                Err(refusal) => (None, Some(FileNews::SinkOpened(Err(refusal)))),
            }
        }
        (FileWork::OpenSink(SinkPlace::Stream(number), _), _) => match streams.sink(number) {
            Ok(sink) => {
                let held = crate::port::Held::Bytes(0);
                let news = FileNews::SinkOpened(Ok((held, String::new())));
                (Some(End::Sink(sink)), Some(news))
            }
            Err(refusal) => (None, Some(FileNews::SinkOpened(Err(refusal)))),
        },
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
        (FileWork::Begin(length), Some(End::Sink(mut sink))) => {
            let begun = sink.begin(length).await;
            (Some(End::Sink(sink)), Some(FileNews::Begun(begun)))
        }
        (FileWork::Write(pieces), Some(End::Sink(mut sink))) => {
            let written = write(&mut *sink, pieces).await;
            (Some(End::Sink(sink)), Some(FileNews::Written(written)))
        }
        (FileWork::Finish(hash), Some(End::Sink(mut sink))) => {
            let finished = sink.finish(hash).await;
            (Some(End::Sink(sink)), Some(FileNews::Finished(finished)))
        }
        (FileWork::Close { discard: true }, Some(End::Sink(mut sink))) => {
            sink.discard().await;
            (None, None)
        }
        (FileWork::Close { .. }, _) => (None, None),
        // An end that failed to open was closed already, or a job came after closing.
        (_, end) => (end, None),
    }
}

fn opened_source(
    opened: Result<Box<dyn Source>, Refusal>,
) -> (Option<End>, Option<FileNews>) {
    match opened {
        Ok(source) => (
            Some(End::Source(source)),
            Some(FileNews::SourceOpened(Ok(()))),
        ),
        Err(refusal) => (None, Some(FileNews::SourceOpened(Err(refusal)))),
    }
}
