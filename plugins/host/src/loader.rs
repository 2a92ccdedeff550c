//! From a file in the folder to an instance that answers.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use crate::change::Made;
use crate::disk::Disk;
use crate::elf;
use crate::frame::{About, Start};
use crate::instance::{Instance, Plugin};
use crate::launch::launch;
use crate::limits;
use crate::load::load;
use crate::settings::{Isolation, Settings};
use crate::shared::{LocalWishes, Shared};
use crate::slot::{Coming, Local, SeatId, Slot, SlotId, Source, State, hook_name};
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
    let name = name_of(path).ok_or("its name does not end in .so")?;
    PluginName::new(name).map_err(|why| format!("{name:?} can't be a plugin's name: {why}"))?;
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
    let file = File::open(path).map_err(failed)?;
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
    /// Brings a file in, or says in the log and in the list why not. Takes its time.
    pub(crate) fn bring_in(self: &Arc<Self>, name: &PluginName, path: &Path, settings: Settings) {
        if !settings.enabled {
            self.note(
                name,
                path,
                settings,
                State::Off,
                "the operator turned it off",
            );
            return;
        }
        let result = self.try_bring_in(name, path, &settings);
        if let Err(why) = result {
            self.note(name, path, settings, State::Refused, &why);
        }
    }

    fn try_bring_in(
        self: &Arc<Self>,
        name: &PluginName,
        path: &Path,
        settings: &Settings,
    ) -> Result<(), String> {
        let word = name.as_str();
        let bytes = read(path)?;
        elf::check(&bytes)?;
        let hash = blake3::hash(&bytes).to_hex().as_str()[..16].to_owned();
        let in_server = settings.isolation == Isolation::None;
        if in_server && self.disk.is_suspect(word, &hash) {
            return Err(format!(
                "the server ended while it ran in there, so it is left off; fix it, or say \
                 isolation = \"process\", or try it again by `chat-cli plugin reload {word}`"
            ));
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

    /// A plugin that a program brings with it.
    pub(crate) fn bring_static(
        self: &Arc<Self>,
        name: &PluginName,
        plugin: Plugin,
        settings: &Settings,
    ) -> Result<(), String> {
        let about = plugin.about();
        let id = self.slot_for(name, settings, &Source::Static, &about)?;
        let start = self.with(|desk| match desk.slots.get(&id) {
            Some(slot) => Ok(self.start_of(slot, &Source::Static)),
            None => Err("it was removed meanwhile".to_owned()),
        })?;
        let seat = self.with(|desk| desk.next_id());
        let made = Made::Local(self.make_local(seat, id, start, move || Ok(plugin))?);
        self.install(id, seat, made, Source::Static, settings.clone(), about);
        Ok(())
    }

    fn install(
        self: &Arc<Self>,
        id: SlotId,
        seat: SeatId,
        made: Made,
        source: Source,
        settings: Settings,
        probed: About,
    ) {
        let about = match &made {
            Made::Helper(launched) => launched.about.clone(),
            Made::Local(local) => {
                let held = crate::instance::lock(&local.instance);
                held.as_ref().map_or(probed, Instance::about)
            }
        };
        let capabilities = about.capabilities & settings.capabilities;
        self.with(|desk| {
            let Some(slot) = desk.slots.get_mut(&id) else {
                if let Made::Helper(launched) = &made {
                    launched.process.kill();
                }
                return;
            };
            let name = slot.name.as_str().to_owned();
            slot.faults.clear();
            slot.slow.clear();
            slot.restarts = 0;
            tracing::info!(
                plugin = name,
                id = about.id,
                version = about.version,
                "loaded"
            );
            for command in about.commands.keys() {
                let owner = desk.command_owner(command).filter(|owner| *owner != id);
                if owner.is_some() {
                    tracing::warn!(
                        plugin = name,
                        "another plugin has the command {command} already"
                    );
                }
            }
            self.seat(desk, seat, id, capabilities, made);
            let coming = Coming {
                seat,
                about,
                source,
                settings,
            };
            self.let_in(desk, id, coming);
        });
    }

    /// The plugin's place; a new one for a name that was not there.
    fn slot_for(
        &self,
        name: &PluginName,
        settings: &Settings,
        source: &Source,
        about: &About,
    ) -> Result<SlotId, String> {
        self.disk
            .make_state(name.as_str())
            .map_err(|error| format!("its state folder can't be made: {error}"))?;
        let values = self.disk.values(name.as_str());
        let cursor = self.disk.cursor(name.as_str());
        self.with(|desk| {
            let mut others = desk.slots.values().filter(|slot| slot.name != *name);
            if let Some(other) = others.find(|slot| slot.about.id == about.id && slot.is_asked()) {
                return Err(format!(
                    "its id {} is that of {}, which runs already",
                    about.id,
                    other.name.as_str()
                ));
            }
            if let Some(id) = desk.find(name) {
                return Ok(id);
            }
            if desk.slots.len() >= limits::PLUGINS {
                return Err(format!("there are {} plugins already", limits::PLUGINS));
            }
            let id = desk.next_id();
            let mut slot = Slot::new(name.clone(), settings.clone(), source.clone());
            slot.values = values;
            slot.cursor = cursor;
            // What it wants is known, and nobody else may take its id meanwhile.
            slot.about.id.clone_from(&about.id);
            desk.slots.insert(id, slot);
            Ok(id)
        })
    }

    /// Makes an instance in this process, on a thread of its own: init may hang.
    fn make_local(
        self: &Arc<Self>,
        seat: SeatId,
        slot: SlotId,
        start: Start,
        open: impl FnOnce() -> Result<Plugin, String> + Send + 'static,
    ) -> Result<Local, String> {
        let services = Box::new(LocalWishes {
            shared: Arc::downgrade(self),
            seat,
            slot,
        });
        let (sender, made) = channel();
        thread::Builder::new()
            .name("plugin-init".to_owned())
            .spawn(move || {
                let instance = open().and_then(|plugin| Instance::init(plugin, &start, services));
                // Nobody waits any more when it took too long; then it is never called.
                let _ = sender.send(instance);
            })
            .map_err(|error| format!("a thread for it can't be started: {error}"))?;
        let instance = made.recv_timeout(limits::LOAD_WAIT).map_err(|_| {
            format!(
                "it hangs in init: no word from it within {} s",
                limits::LOAD_WAIT.as_secs()
            )
        })??;
        Ok(Local {
            host: instance.host(),
            instance: std::sync::Mutex::new(Some(instance)),
        })
    }

    /// Remembers why one that the program brought is not running.
    pub(crate) fn refuse(&self, name: &PluginName, settings: Settings, why: &str) {
        self.note(
            name,
            Path::new("what the program brings"),
            settings,
            State::Refused,
            why,
        );
    }

    /// Remembers why a file is not running, for the list, and tells it.
    fn note(&self, name: &PluginName, path: &Path, settings: Settings, state: State, why: &str) {
        let word = name.as_str();
        self.with(|desk| {
            let id = desk.find(name);
            let runs = id
                .and_then(|id| desk.slots.get(&id))
                .is_some_and(|slot| slot.seat.is_some());
            match (runs, state) {
                (true, State::Off) => {
                    tracing::info!(plugin = word, "stopped: {why}");
                    if let Some(id) = id {
                        self.remove(desk, id);
                    }
                }
                (true, _) => {
                    tracing::error!(
                        plugin = word,
                        "the new file is refused, the version before goes on: {why}"
                    );
                    return;
                }
                (false, State::Off) => tracing::info!(plugin = word, "not loaded: {why}"),
                (false, _) => {
                    tracing::error!(plugin = word, "{} is refused: {why}", path.display())
                }
            }
            if let Some(id) = desk.find(name)
                && desk.slots.get(&id).is_some_and(|slot| !slot.is_asked())
            {
                desk.slots.remove(&id);
            }
            if desk.find(name).is_none() && desk.slots.len() < limits::PLUGINS {
                let source = Source::File {
                    copy: PathBuf::new(),
                };
                let mut slot = Slot::new(name.clone(), settings, source);
                slot.state = state;
                slot.why = why.to_owned();
                let id = desk.next_id();
                desk.slots.insert(id, slot);
            }
        });
    }
}
