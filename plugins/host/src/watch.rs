//! Looks through the folder, at the start and whenever something changes there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
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
    /// A file that was being looked at is not any more.
    rested: Condvar,
    /// Counts how often files were gone, and their plugins stopped.
    goings: AtomicU64,
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
    /// It was brought in, or refused, or will be.
    done: bool,
    /// A thread is at it.
    busy: bool,
    /// Others had its name or its id, or all the room, when as many files had gone.
    rival: Option<u64>,
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
            rested: Condvar::new(),
            goings: AtomicU64::new(0),
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

    /// Looks through the folder, and waits until all is brought in or refused.
    pub(crate) fn scan(self: &Arc<Self>) {
        loop {
            let (rest, threads) = self.look_through(false);
            for thread in threads {
                // It has told what became of its file.
                let _ = thread.join();
            }
            if !rest {
                break;
            }
        }
        self.name_the_missing();
    }

    /// What is in the folder.
    fn files(&self) -> BTreeMap<PathBuf, (Version, [Guard; 2])> {
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
        there
    }

    /// Looks through the folder once, and has threads look at the files that are new. `patient`: a file that has
    /// just changed may not be whole yet, and is left for later, as is what others are at. Answers whether
    /// another look is due soon.
    fn look_through(self: &Arc<Self>, patient: bool) -> (bool, Vec<JoinHandle<()>>) {
        let mut unsettled = false;
        let mut gone = Vec::new();
        let mut ready = Vec::new();
        {
            let (there, runs, mut seen) = loop {
                let (there, runs) = (self.files(), self.running());
                let seen = lock(&self.seen);
                if patient || !seen.values().any(|seen| seen.busy) {
                    break (there, runs, seen);
                }
                drop(self.rested.wait(seen));
            };
            let goings = self.goings.load(Ordering::Acquire);
            let now = Instant::now();
            let mut busy = seen.values().filter(|seen| seen.busy).count();
            seen.retain(|path, seen| {
                // One that a thread is at goes once that is done.
                let stays = seen.busy || there.contains_key(path);
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
                    busy: false,
                    rival: None,
                    name: None,
                });
                if known.busy {
                    continue;
                }
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
                if known
                    .rival
                    .is_some_and(|then| then != goings || !gone.is_empty())
                {
                    known.done = false;
                }
                if known.done {
                    continue;
                }
                if patient && now.duration_since(known.since) < limits::SETTLE {
                    unsettled = true;
                    continue;
                }
                if busy >= limits::LOADS {
                    unsettled = true;
                    continue;
                }
                busy += 1;
                known.done = true;
                known.busy = true;
                ready.push(path);
            }
            unsettled |= patient && busy > 0;
        }
        let has_room = !gone.is_empty();
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
        if has_room {
            self.goings.fetch_add(1, Ordering::AcqRel);
        }
        let threads = ready.into_iter().filter_map(|path| self.bring_in(path));
        (unsettled, threads.collect())
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
    fn bring_in(self: &Arc<Self>, path: PathBuf) -> Option<JoinHandle<()>> {
        let at = At {
            folder: Arc::clone(self),
            path,
        };
        let name = self.claim(&at.path)?;
        let settings = self.settings_of(name.as_str());
        let work = move || {
            let At { folder, path } = &at;
            let goings = folder.goings.load(Ordering::Acquire);
            let rival = folder.shared.bring_in(&name, path, settings);
            if let Some(seen) = lock(&folder.seen).get_mut(path) {
                seen.rival = rival.then_some(goings);
            }
        };
        let started = thread::Builder::new()
            .name("plugin-load".to_owned())
            .spawn(work);
        started
            .inspect_err(|error| tracing::error!(%error, "cannot start a thread for a plugin"))
            .ok()
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
                seen.rival = Some(self.goings.load(Ordering::Acquire));
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

    fn look_on(self: &Arc<Self>, news: &Receiver<()>, eyes: &mut Eyes) {
        loop {
            let watched = eyes.look_at(&self.path);
            if self.shared.is_closing() {
                return;
            }
            let pause = match (self.look_through(true).0, watched) {
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

/// A thread is at a file until this is gone, however that ends.
struct At {
    folder: Arc<Folder>,
    path: PathBuf,
}

impl Drop for At {
    fn drop(&mut self) {
        if let Some(seen) = lock(&self.folder.seen).get_mut(&self.path) {
            seen.busy = false;
        }
        self.folder.rested.notify_all();
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
