//! From a file, or what a program brings, to an instance that answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use chat_engine::port::PluginName;
use chat_plugin_abi as abi;

use crate::change::Made;
use crate::frame::{About, Start};
use crate::given::Plugin;
use crate::instance::Instance;
use crate::limits;
use crate::services::LocalWishes;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::slot::{Coming, Local, SeatId, Slot, SlotId, Source, State};

/// Why a plugin does not run.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Others are in its way: once one of them has gone it may be let in.
    Rival(String),
    /// It is not good enough.
    Unfit(String),
}

impl Refused {
    pub(crate) fn into_why(self) -> String {
        match self {
            Self::Rival(why) | Self::Unfit(why) => why,
        }
    }
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self::Unfit(why)
    }
}

impl Shared {
    /// A plugin that a program brings with it.
    pub(crate) fn bring_static(
        self: &Arc<Self>,
        name: &PluginName,
        plugin: Plugin,
        settings: &Settings,
    ) -> Result<(), String> {
        let about = plugin.about();
        let id = self
            .slot_for(name, settings, &Source::Static, &about)
            .map_err(Refused::into_why)?;
        let start = self.with(|desk| match desk.slots.get(&id) {
            Some(slot) => Ok(self.start_of(slot, &Source::Static)),
            None => Err("it was removed meanwhile".to_owned()),
        })?;
        let seat = self.with(|desk| desk.next_id());
        let made = Made::Local(self.make_local(seat, id, start, move || Ok(plugin))?);
        self.install(id, seat, made, Source::Static, settings.clone(), about);
        Ok(())
    }

    pub(crate) fn install(
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
            let slot = desk.slots.get_mut(&id).filter(|_| !desk.closing);
            let Some(slot) = slot else {
                if let Made::Helper(launched) = made {
                    launched.process.discard(desk);
                }
                return;
            };
            let name = slot.name.as_str().to_owned();
            slot.faults.clear();
            slot.slow.clear();
            slot.restarts = 0;
            slot.begins = about.hooks.contains_key(&abi::CHAT_HOOK_ENTRY_POST)
                && slot.observer.is_none()
                && slot.cursor.is_none();
            // What is said after this line it is to see.
            if !slot.begins {
                slot.tell_loaded(&about);
            }
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
    pub(crate) fn slot_for(
        &self,
        name: &PluginName,
        settings: &Settings,
        source: &Source,
        about: &About,
    ) -> Result<SlotId, Refused> {
        self.disk
            .make_state(name.as_str())
            .map_err(|error| format!("its state folder can't be made: {error}"))?;
        let values = self.disk.values(name.as_str());
        let cursor = self.disk.cursor(name.as_str());
        self.with(|desk| {
            let mut others = desk.slots.values().filter(|slot| slot.name != *name);
            // Also one that is on its way: two that come at once must not both get in.
            let has_id = |slot: &&Slot| {
                slot.about.id == about.id && (slot.is_asked() || slot.state == State::Loading)
            };
            if let Some(other) = others.find(has_id) {
                return Err(Refused::Rival(format!(
                    "its id {} is that of {}, which runs already",
                    about.id,
                    other.name.as_str()
                )));
            }
            if let Some(id) = desk.find(name)
                && let Some(slot) = desk.slots.get(&id)
            {
                if slot.is_asked() || slot.state == State::Loading {
                    return Ok(id);
                }
                // One that only says why it did not run, and knows nothing of what the plugin has kept.
                desk.slots.remove(&id);
            }
            if desk.slots.len() >= limits::PLUGINS {
                let why = format!("there are {} plugins already", limits::PLUGINS);
                return Err(Refused::Rival(why));
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
    pub(crate) fn make_local(
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
            answered: std::sync::Mutex::default(),
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
    pub(crate) fn note(
        &self,
        name: &PluginName,
        path: &Path,
        settings: Settings,
        state: State,
        why: &str,
    ) {
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
