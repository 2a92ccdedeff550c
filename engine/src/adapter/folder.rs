//! Folders and files that nobody else may read.

#[cfg(feature = "sqlite")]
use std::fs;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::path::Path;

use crate::error::Error;

/// Makes the folder, and those above it, with mode 0700 where they are missing.
pub(super) fn make(folder: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| local("make the folder", folder, &error))
}

/// How a private file is opened: for reading and writing, made with mode 0600 where it is missing.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Replaces a file, so that after a crash the old or the new content is there.
#[cfg(feature = "sqlite")]
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = private().truncate(true).open(&part)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync(path.parent().unwrap_or(path))
}

/// Writes all of these, one behind the other, in few calls.
pub(super) fn write_all(file: &mut File, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut rest = slices.as_mut_slice();
    // Those that are empty.
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes renames and new files in the folder durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder can't be opened like a file.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// What to tell about a file or folder that does not do.
pub(super) fn local(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Local(format!("cannot {what} {}: {error}", path.display()))
}
