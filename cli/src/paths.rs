//! Where things are, after the XDG base directory specification.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chat_engine::{AccountName, ChatUrl};
use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

use crate::exit::Failure;

/// The data directory of a server.
pub(crate) fn data() -> Result<PathBuf, Failure> {
    Ok(xdg()?.data_dir().join(NAME))
}

/// What clients keep: profiles and known hosts.
pub(crate) fn state() -> Result<PathBuf, Failure> {
    let xdg = xdg()?;
    let state = xdg
        .state_dir()
        .unwrap_or_else(|| xdg.home_dir().join(".local/state"));
    Ok(state.join(NAME))
}

/// The profile of one account on one server.
pub(crate) fn profile(state: &Path, account: &AccountName, place: &ChatUrl) -> PathBuf {
    // Colons and brackets of IPv6 addresses are trouble in many tools.
    let host: String = place
        .host
        .chars()
        .map(|sign| match sign {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => sign,
            _ => '-',
        })
        .collect();
    let name = format!("{account}@{host}_{}", place.port);
    state.join("profiles").join(name)
}

/// Makes a folder that only its owner can read.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn xdg() -> Result<Xdg, Failure> {
    Xdg::new().map_err(|error| {
        Failure::Failed(format!(
            "cannot find the home directory ({error}); set HOME, or name the folder with a flag"
        ))
    })
}

const NAME: &str = "libchat";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_belongs_to_one_account_on_one_server() {
        let name = |user: &str, url: &str| {
            let account = AccountName::new(user).unwrap();
            profile(Path::new("/s"), &account, &url.parse().unwrap())
        };
        assert_eq!(
            name("ann", "chat://chat.example:7878"),
            Path::new("/s/profiles/ann@chat.example_7878")
        );
        assert_eq!(
            name("ann", "chat://[::1]:1"),
            Path::new("/s/profiles/ann@---1-_1")
        );
    }
}
