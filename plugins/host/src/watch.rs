//! Looks through the folder, at the start and whenever something changes there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use chat_engine::port::PluginName;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::file::name_of;
use crate::instance::lock;
use crate::limits;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::slot::State;

/// Where settings come from when they are read again.
pub type SettingsSource = Box<dyn Fn() -> Result<BTreeMap<String, Settings>, String> + Send + Sync>;

/// The folder of plugins.
pub(crate) struct Folder {
    shared: Arc<Shared>,
    path: PathBuf,
    settings: Mutex<BTreeMap<String, Settings>>,
    seen: Mutex<HashMap<PathBuf, Seen>>,
}

/// A version of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Version {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// Who may write something: mode, owner and group.
type Guard = (u32, u32, u32);

#[derive(Clone, Debug)]
struct Seen {
    version: Version,
    since: Instant,
    /// Of the file and its folder.
    guards: [Guard; 2],
    /// It was brought in, or refused.
    done: bool,
    /// Others had its name or its id, or all the room.
    rival: bool,
    /// Under this name; `None` for one that can't have one.
    name: Option<PluginName>,
}

impl Folder {
    pub(crate) fn new(
        shared: Arc<Shared>,
        path: PathBuf,
        settings: BTreeMap<String, Settings>,
    ) -> Arc<Self> {
        Arc::new(Self {
            shared,
            path,
            settings: Mutex::new(settings),
            seen: Mutex::default(),
        })
    }

    pub(crate) fn set_settings(&self, settings: BTreeMap<String, Settings>) {
        *lock(&self.settings) = settings;
    }

    pub(crate) fn settings_of(&self, name: &str) -> Settings {
        lock(&self.settings).get(name).cloned().unwrap_or_default()
    }

    /// Forgets what it has seen, so that everything, or one plugin, is loaded again.
    pub(crate) fn forget(&self, name: Option<&str>) -> bool {
        let mut found = false;
        for (path, seen) in lock(&self.seen).iter_mut() {
            let is_it = |name: &str| match &seen.name {
                Some(own) => own.as_str() == name,
                None => name_of(path) == Some(name),
            };
            if name.is_none_or(is_it) {
                seen.done = false;
                found = true;
            }
        }
        found
    }

    /// Looks through the folder. `patient`: a file that has just changed may not be whole yet, and is
    /// left for later. Answers whether there is such a one.
    pub(crate) fn scan(&self, patient: bool) -> bool {
        let mut there = BTreeMap::new();
        let around = fs::metadata(&self.path).map_or_else(|_| Guard::default(), |at| guard(&at));
        if let Ok(files) = fs::read_dir(&self.path) {
            for file in files.flatten() {
                let path = file.path();
                if name_of(&path).is_none() {
                    continue;
                }
                if let Ok(about) = fs::metadata(&path) {
                    there.insert(path, (version(&about), [guard(&about), around]));
                }
            }
        }
        let now = Instant::now();
        let mut unsettled = false;
        let mut gone = Vec::new();
        let mut ready = Vec::new();
        let runs = self.running();
        {
            let mut seen = lock(&self.seen);
            seen.retain(|path, seen| {
                let stays = there.contains_key(path);
                if !stays && let Some(name) = seen.name.take() {
                    gone.push(name);
                }
                stays
            });
            for (path, (version, guards)) in there {
                let known = seen.entry(path.clone()).or_insert_with(|| Seen {
                    version: version.clone(),
                    since: now,
                    guards,
                    done: false,
                    rival: false,
                    name: None,
                });
                let has_changed = known.version != version;
                // Whoever was refused for that may have been put right.
                let is_freed = known.guards != guards
                    && known.name.as_ref().is_none_or(|name| !runs.contains(name));
                if has_changed || is_freed {
                    known.version = version;
                    known.since = now;
                    known.done = false;
                }
                known.guards = guards;
                if known.rival && !gone.is_empty() {
                    known.done = false;
                }
                if known.done {
                    continue;
                }
                if patient && now.duration_since(known.since) < limits::SETTLE {
                    unsettled = true;
                    continue;
                }
                known.done = true;
                ready.push(path);
            }
        }
        for name in gone {
            // It may have come back under another file name.
            if !self.is_held(&name) {
                self.shared.with(|desk| {
                    if let Some(id) = desk.find(&name) {
                        self.shared.remove(desk, id);
                    }
                });
            }
        }
        self.bring_in(ready);
        if !patient {
            self.name_the_missing();
        }
        unsettled
    }

    /// Says which plugins are configured and are not there: a name may be misspelt, or the file comes later.
    fn name_the_missing(&self) {
        let known: HashSet<String> = self.shared.with(|desk| {
            let slots = desk.slots.values();
            slots.map(|slot| slot.name.as_str().to_owned()).collect()
        });
        for name in lock(&self.settings).keys() {
            if !known.contains(name) {
                let folder = self.path.display();
                tracing::warn!(
                    "[plugin.{name}] is configured, and no plugin of that name is in {folder}"
                );
            }
        }
    }

    /// Those that run, or are on their way.
    fn running(&self) -> HashSet<PluginName> {
        self.shared.with(|desk| {
            let slots = desk.slots.values();
            slots
                .filter(|slot| slot.is_asked() || slot.state == State::Loading)
                .map(|slot| slot.name.clone())
                .collect()
        })
    }

    fn is_held(&self, name: &PluginName) -> bool {
        let seen = lock(&self.seen);
        seen.values().any(|seen| seen.name.as_ref() == Some(name))
    }

    /// Each file on a thread of its own: one that hangs in its probe does not keep the others out.
    fn bring_in(&self, files: Vec<PathBuf>) {
        thread::scope(|scope| {
            for path in files {
                let Some(name) = self.claim(&path) else {
                    continue;
                };
                let settings = self.settings_of(name.as_str());
                let work = move || {
                    let rival = self.shared.bring_in(&name, &path, settings);
                    if let Some(seen) = lock(&self.seen).get_mut(&path) {
                        seen.rival = rival;
                    }
                };
                if let Err(error) = thread::Builder::new()
                    .name("plugin-load".to_owned())
                    .spawn_scoped(scope, work)
                {
                    tracing::error!(%error, "cannot start a thread for a plugin");
                }
            }
        });
    }

    /// The name of a file, unless another file has it.
    fn claim(&self, path: &Path) -> Option<PluginName> {
        let word = name_of(path)?;
        let name = match PluginName::new(word) {
            Ok(name) => name,
            Err(why) => {
                tracing::error!(
                    "{} is refused: {word:?} can't be a plugin's name: {why}",
                    path.display()
                );
                return None;
            }
        };
        let mut seen = lock(&self.seen);
        let other = seen
            .iter()
            .find(|(other, seen)| *other != path && seen.name.as_ref() == Some(&name));
        if let Some((other, _)) = other {
            tracing::error!(
                "{} is refused: {} is the plugin {word} already",
                path.display(),
                other.display()
            );
            if let Some(seen) = seen.get_mut(path) {
                seen.rival = true;
            }
            return None;
        }
        if let Some(seen) = seen.get_mut(path) {
            seen.name = Some(name.clone());
        }
        Some(name)
    }

    /// Watches until the other end of the channel is gone.
    pub(crate) fn watch(self: &Arc<Self>) -> std::io::Result<Sender<()>> {
        let (sender, news) = channel();
        let folder = Arc::clone(self);
        let mut eyes = Eyes::new(sender.clone());
        thread::Builder::new()
            .name("plugin-folder".to_owned())
            .spawn(move || folder.look_on(&news, &mut eyes))?;
        Ok(sender)
    }

    fn look_on(&self, news: &Receiver<()>, eyes: &mut Eyes) {
        loop {
            let watched = eyes.look_at(&self.path);
            if self.shared.is_closing() {
                return;
            }
            let pause = match (self.scan(true), watched) {
                (true, _) => limits::SETTLE,
                (false, false) => limits::POLL,
                (false, true) => REST,
            };
            match news.recv_timeout(pause) {
                // What comes in a burst is one change.
                Ok(()) => while news.try_recv().is_ok() {},
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Even where the system tells of changes: it does not on every file system.
const REST: Duration = Duration::from_secs(5);

struct Eyes {
    watcher: Option<RecommendedWatcher>,
    /// The folder that is watched, by its number: one that was replaced has to be watched anew.
    watched: Option<(u64, u64)>,
}

impl Eyes {
    fn new(sender: Sender<()>) -> Self {
        let watcher = notify::recommended_watcher(move |news: notify::Result<notify::Event>| {
            // To look at the folder is an event there, too; to hear of that would be to look for ever.
            let looked = matches!(
                &news,
                Ok(event) if matches!(event.kind, EventKind::Access(kind)
                    if kind != AccessKind::Close(AccessMode::Write))
            );
            if !looked {
                // The watcher may outlive who listens.
                let _ = sender.send(());
            }
        });
        let watcher = watcher
            .map_err(|error| {
                tracing::warn!(%error, "the system does not tell of new plugins; looking now and then");
            })
            .ok();
        Self {
            watcher,
            watched: None,
        }
    }

    /// Says whether the system tells of changes in the folder.
    fn look_at(&mut self, path: &Path) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        let number = fs::metadata(path)
            .ok()
            .map(|about| (about.dev(), about.ino()));
        let Some(number) = number else {
            self.watched = None;
            return false;
        };
        if self.watched == Some(number) {
            return true;
        }
        self.watched = watcher
            .watch(path, RecursiveMode::NonRecursive)
            .is_ok()
            .then_some(number);
        self.watched.is_some()
    }
}

fn guard(about: &fs::Metadata) -> Guard {
    (about.mode(), about.uid(), about.gid())
}

fn version(about: &fs::Metadata) -> Version {
    Version {
        device: about.dev(),
        inode: about.ino(),
        bytes: about.size(),
        modified: (about.mtime(), about.mtime_nsec()),
    }
}
