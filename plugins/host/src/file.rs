//! Files of the folder: whether they may be trusted, and what comes of them.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::change::Made;
use crate::disk::Disk;
use crate::elf;
use crate::frame::{About, Start};
use crate::launch::launch;
use crate::limits;
use crate::load::load;
use crate::loader::Refused;
use crate::settings::{Isolation, Settings};
use crate::shared::Shared;
use crate::slot::{Source, State, hook_name};
use chat_engine::port::PluginName;

/// NAME of a plugin by its file: what stands before `.so`, without `lib`. `None` for other files.
#[must_use]
pub fn name_of(path: &Path) -> Option<&str> {
    let file = path.file_name()?.to_str()?;
    let stem = file
        .strip_suffix(".so")
        .filter(|stem| !stem.starts_with('.'))?;
    Some(
        stem.strip_prefix("lib")
            .filter(|rest| !rest.is_empty())
            .unwrap_or(stem),
    )
}

/// What `check` found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The name that it would have.
    pub name: String,
    /// What it says about itself.
    pub about: About,
    /// Its hooks with their priorities.
    pub hooks: Vec<(String, i32)>,
    /// What it wants to be allowed.
    pub capabilities: Vec<&'static str>,
}

/// Looks at a file as the server would: ownership, what it is, and `init` in a process of its own.
///
/// # Errors
///
/// The text says what is wrong with it.
pub fn check(
    path: &Path,
    settings: &Settings,
    helper: &[std::ffi::OsString],
) -> Result<Checked, String> {
    let word = name_of(path).ok_or("its name does not end in .so")?;
    let name =
        PluginName::new(word).map_err(|why| format!("{word:?} can't be a plugin's name: {why}"))?;
    let name = name.as_str();
    let bytes = read(path)?;
    elf::check(&bytes)?;
    let disk = Disk::new(None);
    disk.open()
        .map_err(|error| format!("a folder for its probe can't be made: {error}"))?;
    let copy = disk.copy(name, "check", &bytes);
    let copy = copy.map_err(|error| format!("it can't be copied: {error}"))?;
    let about = probe(&disk, name, &copy, settings, helper)?;
    Ok(Checked {
        name: name.to_owned(),
        hooks: about
            .hooks
            .iter()
            .map(|(hook, priority)| (hook_name(*hook).to_owned(), *priority))
            .collect(),
        capabilities: crate::settings::capability_words(about.capabilities),
        about,
    })
}

/// The bytes of a file that may be trusted as much as the server itself.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("it can't be read: {error}");
    // A pipe would have its reader wait until somebody writes.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    let own = rustix::process::geteuid().as_raw();
    if about.uid() != 0 && about.uid() != own {
        return Err(format!(
            "it belongs to user {}; whoever may write it rules the server, so it must belong to root or \
             to the server's own user",
            about.uid()
        ));
    }
    may_write(&about, "it")?;
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = fs::metadata(folder.unwrap_or_else(|| Path::new("."))).map_err(failed)?;
    if folder.uid() != 0 && folder.uid() != own {
        return Err(format!("its folder belongs to user {}", folder.uid()));
    }
    // In a folder like /tmp only owners replace their files.
    if folder.permissions().mode() & 0o1000 == 0 {
        may_write(&folder, "its folder")?;
    }
    if about.len() > limits::FILE_BYTES {
        return Err(format!("it has more than {} bytes", limits::FILE_BYTES));
    }
    let mut bytes = Vec::new();
    file.take(limits::FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

fn may_write(about: &fs::Metadata, what: &str) -> Result<(), String> {
    let mode = about.permissions().mode();
    if mode & 0o002 != 0 {
        return Err(format!("{what} may be written by everybody; chmod o-w"));
    }
    // Many systems give each user a group of the same number, with nobody else in it.
    if mode & 0o020 != 0 && about.gid() != about.uid() && about.gid() != 0 {
        return Err(format!(
            "{what} may be written by group {}; chmod g-w",
            about.gid()
        ));
    }
    Ok(())
}

/// Lets a copy start in a process that ends right after it.
fn probe(
    disk: &Disk,
    name: &str,
    copy: &Path,
    settings: &Settings,
    helper: &[std::ffi::OsString],
) -> Result<About, String> {
    let state = disk.probe_state(name);
    let state = state.map_err(|error| format!("a folder for its probe can't be made: {error}"))?;
    let start = Start {
        name: name.to_owned(),
        path: copy.to_string_lossy().into_owned(),
        state_dir: state.to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: settings.capabilities,
        probe: true,
        careful: 0,
        config: settings.config.clone(),
        values: std::collections::BTreeMap::new(),
    };
    let launched = launch(helper, &start);
    // What is left in it is of no use to anybody.
    let _ = fs::remove_dir_all(&state);
    launched.map(|launched| launched.about)
}

impl Shared {
    /// Brings a file in, or says in the log and in the list why not. Takes its time. Says whether others are
    /// in its way.
    pub(crate) fn bring_in(
        self: &Arc<Self>,
        name: &PluginName,
        path: &Path,
        settings: Settings,
    ) -> bool {
        if !settings.enabled {
            let why = "the operator turned it off";
            self.note(name, path, settings, State::Off, why);
            return false;
        }
        let Err(refused) = self.try_bring_in(name, path, &settings) else {
            return false;
        };
        let is_rival = matches!(refused, Refused::Rival(_));
        self.note(name, path, settings, State::Refused, &refused.into_why());
        is_rival
    }

    fn try_bring_in(
        self: &Arc<Self>,
        name: &PluginName,
        path: &Path,
        settings: &Settings,
    ) -> Result<(), Refused> {
        let word = name.as_str();
        let bytes = read(path)?;
        elf::check(&bytes)?;
        let hash = blake3::hash(&bytes).to_hex().as_str()[..16].to_owned();
        let in_server = settings.isolation == Isolation::None;
        if in_server && self.disk.is_suspect(word, &hash) {
            return Err(Refused::Unfit(format!(
                "the server ended while it ran in there, so it is left off; fix it, or say \
                 isolation = \"process\", or try it again by `chat-cli plugin reload {word}`"
            )));
        }
        // Only now, and by whoever brings files in: a copy that was just made is in use by nobody yet.
        self.disk.tidy(word, &self.with(|desk| desk.copies(name)));
        let copy = self.disk.copy(word, &hash, &bytes);
        let copy = copy.map_err(|error| format!("it can't be copied: {error}"))?;
        drop(bytes);
        let about = probe(&self.disk, word, &copy, settings, &self.helper)?;
        let source = Source::File { copy: copy.clone() };
        let id = self.slot_for(name, settings, &source, &about)?;
        let start = self.with(|desk| match desk.slots.get(&id) {
            Some(slot) => Ok(self.start_of(slot, &source)),
            None => Err("it was removed meanwhile".to_owned()),
        });
        let start = Start {
            capabilities: settings.capabilities,
            config: settings.config.clone(),
            ..start?
        };
        let seat = self.with(|desk| desk.next_id());
        let made = match in_server {
            false => Made::Helper(launch(&self.helper, &start)?),
            true => {
                self.disk
                    .suspect(word, &hash)
                    .map_err(|error| format!("its start can't be noted: {error}"))?;
                let open = move || load(&copy);
                Made::Local(self.make_local(seat, id, start, open)?)
            }
        };
        self.install(id, seat, made, source, settings.clone(), about);
        Ok(())
    }
}
