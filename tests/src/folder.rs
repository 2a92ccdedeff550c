//! Copies of folders that programs keep to themselves.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Copies a folder with all that is in it, for its owner only: what lies in a repository has lost its
/// mode.
///
/// # Errors
///
/// When something can't be read or written.
pub fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o700))?;
    for item in fs::read_dir(from)? {
        let item = item?;
        let copy = to.join(item.file_name());
        let kind = item.file_type()?;
        if kind.is_dir() {
            copy_folder(&item.path(), &copy)?;
        } else if kind.is_file() {
            fs::copy(item.path(), &copy)?;
            fs::set_permissions(&copy, Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}
