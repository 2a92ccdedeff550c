//! The files of this machine, for transfers. Everything here waits for the disk, so it runs on the
//! pool of `blocking`.

mod lent;
mod sink;
mod source;

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::model::{Code, Refusal};
use crate::port::{BoxFuture, FileStamp, Files, OpenedSink, Part, Sink, SinkPlace, Source};

use sink::DiskSink;
use source::DiskSource;

/// Files below paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn look(&self, path: PathBuf) -> BoxFuture<'static, Result<(PathBuf, FileStamp), Refusal>> {
        Box::pin(blocking::unblock(move || {
            let path = absolute(path)?;
            let stamp = source::look(&path)?;
            Ok((path, stamp))
        }))
    }

    fn place(&self, path: PathBuf) -> BoxFuture<'static, Result<SinkPlace, Refusal>> {
        Box::pin(blocking::unblock(move || place(&absolute(path)?)))
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
    ) -> BoxFuture<'static, OpenedSink> {
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

/// A profile is used from any folder.
fn absolute(path: PathBuf) -> Result<PathBuf, Refusal> {
    std::path::absolute(&path).map_err(|error| cannot("find", &path, &error))
}

fn place(path: &Path) -> Result<SinkPlace, Refusal> {
    if path.is_dir() {
        return Ok(SinkPlace::Folder(path.to_owned()));
    }
    let parts = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    );
    match parts {
        (Some(folder), Some(name)) if folder.is_dir() && !ends_as_folder(path) => {
            Ok(SinkPlace::File {
                folder: folder.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => Err(refused(format!(
            "{} is neither a folder nor a file name in one",
            path.display()
        ))),
    }
}

fn ends_as_folder(path: &Path) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .last()
        .is_some_and(|last| char::from(*last) == std::path::MAIN_SEPARATOR)
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
