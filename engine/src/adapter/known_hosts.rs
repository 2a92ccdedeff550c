//! The file of server keys that were accepted before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// A text file with a line for each server: `HOST:PORT FINGERPRINT`. Empty lines and those that begin
/// with `#` mean nothing. People may edit it; to accept a server's new key, they delete its line.
#[derive(Clone, Debug)]
pub struct KnownHosts {
    path: PathBuf,
}

impl KnownHosts {
    /// The file need not exist.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The fingerprints of a server's keys.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] when the file can't be read, is larger than a megabyte, or a line about this
    /// server has no fingerprint: a damaged file must not look like a new server.
    pub fn find(&self, address: &str) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        for (index, line) in self.read()?.lines().enumerate() {
            let mut words = line.split_whitespace();
            if words.next() != Some(address) {
                continue;
            }
            match (words.next(), words.next()) {
                (Some(fingerprint), None) => found.push(fingerprint.to_owned()),
                _ => {
                    return Err(Error::Local(format!(
                        "line {} of {} is damaged; it is to hold an address and a fingerprint",
                        index + 1,
                        self.path.display()
                    )));
                }
            }
        }
        Ok(found)
    }

    /// Adds a server's key. The line is written at once, so that several programs may add theirs.
    ///
    /// # Errors
    ///
    /// [`Error::Local`] when the file can't be written.
    pub fn add(&self, address: &str, fingerprint: &str) -> Result<(), Error> {
        let held = self.read()?;
        let broken = !held.is_empty() && !held.ends_with('\n');
        let start = if broken { "\n" } else { "" };
        let line = format!("{start}{address} {fingerprint}\n");
        self.append(line.as_bytes())
            .map_err(|error| self.fault(&error))
    }

    fn read(&self) -> Result<String, Error> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            other => other.map_err(|error| self.fault(&error))?,
        };
        let mut text = String::new();
        let read = file.take(FILE_BYTES + 1).read_to_string(&mut text);
        read.map_err(|error| self.fault(&error))?;
        if text.len() as u64 > FILE_BYTES {
            return Err(Error::Local(format!(
                "{} is larger than a file of known servers can be",
                self.path.display()
            )));
        }
        Ok(text)
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        if let Some(folder) = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty())
        {
            make_folder(folder)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.path)?;
        file.write_all(line)?;
        file.sync_all()
    }

    fn fault(&self, error: &io::Error) -> Error {
        Error::Local(format!("{}: {error}", self.path.display()))
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Ten thousand servers.
const FILE_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_server_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/known_hosts");
        let hosts = KnownHosts::new(path.clone());
        assert_eq!(hosts.find("a:1").unwrap(), Vec::<String>::new());
        hosts.add("a:1", "SHA256:one").unwrap();
        fs::write(
            &path,
            format!("# mine\n\n{}", fs::read_to_string(&path).unwrap().trim()),
        )
        .unwrap();
        hosts.add("b:1", "SHA256:two").unwrap();
        assert_eq!(hosts.find("a:1").unwrap(), ["SHA256:one"]);
        assert_eq!(hosts.find("b:1").unwrap(), ["SHA256:two"]);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        KnownHosts::new(path.clone())
            .add("a:1", "SHA256:one")
            .unwrap();
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_damaged_line_is_an_error_and_not_a_new_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        fs::write(&path, "a:1\n").unwrap();
        assert!(matches!(
            KnownHosts::new(path).find("a:1"),
            Err(Error::Local(_))
        ));
    }
}
