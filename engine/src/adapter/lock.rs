//! One process at a time.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::folder;
use crate::error::Error;

/// A folder that this process holds, until it is dropped or the process ends, however it ends.
///
/// The system's lock on the file `lock` counts. The process id in it is for people; it stays behind
/// and means nothing once nobody holds the lock.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, which is made with mode 0700 if it is missing. `what` is what the error calls
    /// it, like "the data directory".
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] when another process, or another part of this one, holds it; [`Error::Local`]
    /// when the folder can't be made or written.
    pub fn acquire(folder: &Path, what: &str) -> Result<Self, Error> {
        folder::make(folder)?;
        let path = folder.join("lock");
        let failed = |error| folder::local("lock", &path, &error);
        let mut file = folder::private().open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    what: format!("{what} {}", folder.display()),
                    pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(pid.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    // A process id is short; whatever else is in there is not looked at.
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("deep/data");
        let lock = Lock::acquire(&place, "the data directory").unwrap();
        let Err(Error::InUse { what, pid }) = Lock::acquire(&place, "the data directory") else {
            panic!("two hold it");
        };
        assert_eq!(what, format!("the data directory {}", place.display()));
        assert_eq!(pid, Some(std::process::id()));
        drop(lock);
        Lock::acquire(&place, "the data directory").unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn nobody_else_may_look_inside() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("data");
        let _lock = Lock::acquire(&place, "it").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&place), 0o700);
        assert_eq!(mode(&place.join("lock")), 0o600);
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Lock::acquire(file.path(), "it").unwrap_err();
        assert!(matches!(&error, Error::Local(text) if text.contains("cannot make the folder")));
    }
}
