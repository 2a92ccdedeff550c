//! The files of this machine, for transfers. Everything here waits for the disk, so it runs on the
//! pool of `blocking`.

mod sink;
mod source;

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::model::{Code, Refusal};
use crate::port::{BoxFuture, FileStamp, Files, Held, Part, Sink, Source};

use sink::DiskSink;
use source::DiskSource;

/// Files below paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn look(&self, path: PathBuf) -> BoxFuture<'static, Result<FileStamp, Refusal>> {
        Box::pin(blocking::unblock(move || source::look(&path)))
    }

    fn source(
        &self,
        path: PathBuf,
        stamp: FileStamp,
    ) -> BoxFuture<'static, Result<Box<dyn Source>, Refusal>> {
        Box::pin(blocking::unblock(move || {
            let source = DiskSource::open(&path, stamp)?;
            Ok(Box::new(source) as Box<dyn Source>)
        }))
    }

    fn sink(
        &self,
        folder: PathBuf,
        name: String,
        part: Option<Part>,
    ) -> BoxFuture<'static, Result<(Box<dyn Sink>, Held), Refusal>> {
        Box::pin(blocking::unblock(move || {
            let boot = boot();
            let (sink, held) = DiskSink::open(folder, name, part.as_ref(), &boot)?;
            Ok((Box::new(sink) as Box<dyn Sink>, held))
        }))
    }

    fn boot(&self) -> String {
        boot()
    }
}

/// Names this run of the machine. Where nothing does, only what was synced counts after a restart of
/// the program.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn stamp(metadata: &Metadata) -> FileStamp {
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    FileStamp {
        size: metadata.len(),
        // Before 1970 and without a clock it is the size alone that tells.
        modified: modified.map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        }),
    }
}

fn refused(text: String) -> Refusal {
    Refusal::because(Code::LocalFile, text)
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Refusal {
    let path = path.display();
    refused(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("there is no room on this machine's disk for {path}")
        }
        _ => format!("cannot {what} {path}: {error}"),
    })
}

#[cfg(test)]
mod tests;
