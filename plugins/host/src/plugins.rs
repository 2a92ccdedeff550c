//! Plugins of a server, as the engine's port of hooks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use chat_engine::port::{
    Ask, BoxFuture, FromHooks, Hooks, LogView, News, PluginName, Subscriptions,
};
use chat_engine::{Admin, AdminAnswer, Code, PluginItem, PresenceState, Refusal};
use chat_plugin_abi as abi;
use event_listener::listener;

use crate::ask;
use crate::desk::Desk;
use crate::instance::{Plugin, lock};
use crate::observe;
use crate::settings::{Isolation, Settings};
use crate::shared::{Shared, unix_ms};
use crate::slot::{Slot, Source, State, What, hook_name};
use crate::watch::{Folder, SettingsSource};

/// What plugins are to be loaded, and how.
#[derive(Default)]
pub struct PluginsConfig {
    /// The folder that is watched for files; it need not be there yet.
    pub folder: Option<PathBuf>,
    /// The server's data directory. Without it, what plugins keep goes with the process.
    pub data: Option<PathBuf>,
    /// The program that runs a helper, with its arguments: it has to call [`helper`](crate::helper).
    /// Without it, nothing can be loaded from the folder.
    pub helper: Vec<OsString>,
    /// By NAME of the plugin.
    pub settings: BTreeMap<String, Settings>,
    /// Reads the settings again when the operator wants a reload.
    pub settings_source: Option<SettingsSource>,
    /// Plugins that this program brings with it. They run in the server.
    pub built_in: Vec<BuiltIn>,
}

impl fmt::Debug for PluginsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginsConfig")
            .field("folder", &self.folder)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// A plugin that a program brings with it.
#[derive(Debug)]
pub struct BuiltIn {
    name: PluginName,
    plugin: Plugin,
}

impl BuiltIn {
    /// From a Rust value, see `chat_plugin::declare!`, or a C one that lives as long as the process.
    ///
    /// # Errors
    ///
    /// The text says what is wrong with the name or the description.
    pub fn new(name: &str, plugin: &'static abi::chat_plugin) -> Result<Self, String> {
        // SAFETY: a reference is to all of a value that lives; its texts are what the type's own docs
        // ask for.
        unsafe { Self::from_raw(name, plugin) }
    }

    /// From a pointer that C hands over.
    ///
    /// # Errors
    ///
    /// The text says what is wrong with the name or the description.
    ///
    /// # Safety
    ///
    /// `plugin` points to a description with as many bytes as its `size` says, whose texts end with a NUL
    /// and which lives as long as the process.
    pub unsafe fn from_raw(name: &str, plugin: *const abi::chat_plugin) -> Result<Self, String> {
        if plugin.is_null() {
            return Err("there is no plugin".to_owned());
        }
        let name = PluginName::new(name)
            .map_err(|why| format!("{name:?} can't be a plugin's name: {why}"))?;
        Ok(Self {
            name,
            // SAFETY: promised by the caller.
            plugin: unsafe { Plugin::new(plugin) }?,
        })
    }
}

/// Plugins of one server: to be handed to `ServerConfig::hooks`.
pub struct Plugins {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    folder: Option<Arc<Folder>>,
    source: Option<SettingsSource>,
    /// What is to be loaded at the start.
    begin: Mutex<Option<Begin>>,
    /// Wakes who looks at the folder; gone, it ends.
    watch: Mutex<Option<Sender<()>>>,
}

struct Begin {
    built_in: Vec<BuiltIn>,
    settings: BTreeMap<String, Settings>,
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins").finish_non_exhaustive()
    }
}

impl Plugins {
    /// Nothing happens before the server that they are for starts: its data directory is locked then.
    /// It waits until what is in the folder was loaded, for five seconds a plugin at most, so filters
    /// filter the first message.
    #[must_use]
    pub fn new(config: PluginsConfig) -> Arc<Self> {
        let shared = Shared::new(config.helper, config.data);
        let folder = config
            .folder
            .map(|path| Folder::new(Arc::clone(&shared), path, config.settings.clone()));
        Arc::new(Self {
            inner: Arc::new(Inner {
                shared,
                folder,
                source: config.settings_source,
                begin: Mutex::new(Some(Begin {
                    built_in: config.built_in,
                    settings: config.settings,
                })),
                watch: Mutex::new(None),
            }),
        })
    }

    /// What there is, and how it fares.
    #[must_use]
    pub fn list(&self) -> Vec<PluginItem> {
        self.inner.shared.with(|desk| {
            let mut items: Vec<PluginItem> = desk.slots.values().map(item).collect();
            items.sort_by(|one, other| one.name.cmp(&other.name));
            items
        })
    }

    /// What plugins count: plugin, name, value.
    #[must_use]
    pub fn metrics(&self) -> Vec<(String, String, i128)> {
        self.inner.shared.with(|desk| {
            let slots = desk.slots.values();
            slots
                .flat_map(|slot| {
                    let name = slot.name.as_str().to_owned();
                    slot.metrics
                        .iter()
                        .map(move |(metric, value)| (name.clone(), metric.clone(), *value))
                })
                .collect()
        })
    }

    /// Reads the settings again and loads files anew: all, or one.
    ///
    /// # Errors
    ///
    /// The text says what is wrong with the configuration, or that there is no such plugin.
    pub fn reload(&self, name: Option<&str>) -> Result<(), String> {
        self.inner.reload(name)
    }
}

impl Inner {
    fn start(&self) {
        // Held until all is loaded: whoever comes meanwhile waits for that.
        let mut begin = lock(&self.begin);
        let Some(Begin { built_in, settings }) = begin.take() else {
            return;
        };
        let shared = &self.shared;
        if let Err(error) = shared.disk.open().and_then(|()| shared.start_clock()) {
            tracing::error!(%error, "without plugins: their folder in the data directory can't be used");
            return;
        }
        shared.start_worker();
        for one in built_in {
            let word = one.name.as_str();
            let settings = settings.get(word).cloned().unwrap_or_default();
            if !settings.enabled {
                continue;
            }
            if let Err(why) = shared.bring_static(&one.name, one.plugin, &settings) {
                shared.refuse(&one.name, settings, &why);
            }
        }
        if let Some(folder) = &self.folder {
            folder.scan(false);
            match folder.watch() {
                Ok(watch) => *lock(&self.watch) = Some(watch),
                Err(error) => tracing::error!(%error, "cannot watch for plugins"),
            }
        }
    }

    fn reload(&self, name: Option<&str>) -> Result<(), String> {
        self.start();
        if let (Some(source), Some(folder)) = (&self.source, &self.folder) {
            folder.set_settings(source()?);
        }
        let Some(folder) = &self.folder else {
            return Err("this server has no folder of plugins".to_owned());
        };
        let known = folder.forget(name);
        // One that was left off is tried again: that is what the operator says by this.
        let names = self.shared.with(|desk| {
            let slots = desk.slots.values();
            slots
                .filter(|slot| slot.seat.is_none())
                .map(|slot| slot.name.as_str().to_owned())
                .collect::<Vec<_>>()
        });
        for other in names {
            if name.is_none_or(|name| name == other) {
                self.shared.disk.clear(&other);
            }
        }
        folder.scan(false);
        let found = self.shared.with(|desk| {
            let shown = Arc::new(ask::timed(abi::CHAT_HOOK_RELOAD, unix_ms()));
            let mut found = false;
            let ids: Vec<_> = desk.slots.keys().copied().collect();
            for id in ids {
                let Some(slot) = desk.slots.get_mut(&id) else {
                    continue;
                };
                if name.is_some_and(|name| slot.name.as_str() != name) {
                    continue;
                }
                found = true;
                if slot.seat.is_none() || !slot.about.hooks.contains_key(&abi::CHAT_HOOK_RELOAD) {
                    continue;
                }
                let config = slot.settings.config.clone();
                desk.call(id, What::Config(Arc::new(config)));
                desk.tell_one(id, &shown);
            }
            found
        });
        match (name, found || known) {
            (Some(name), false) => Err(format!("there is no plugin {name}")),
            _ => Ok(()),
        }
    }
}

impl Hooks for Plugins {
    fn subscriptions(&self) -> Subscriptions {
        self.inner.start();
        self.inner.shared.with(|desk| desk.subscriptions())
    }

    fn run(self: Arc<Self>, log: LogView) -> BoxFuture<'static, ()> {
        Box::pin(observe::run(Arc::clone(&self.inner.shared), log))
    }

    fn ask(&self, asks: Vec<Ask>) {
        self.inner.shared.put_asks(asks);
    }

    fn tell(&self, news: Vec<News>) {
        let mut tail = false;
        self.inner.shared.with(|desk| {
            for one in &news {
                match one {
                    News::Tail => tail = true,
                    News::Presence(presence) => {
                        let online = presence.state != PresenceState::Offline;
                        let changed = desk.came_or_went(&presence.account, online);
                        tell(desk, abi::CHAT_HOOK_PRESENCE_POST, one, changed);
                    }
                    News::Disconnect { .. } => {
                        tell(desk, abi::CHAT_HOOK_DISCONNECT_POST, one, false);
                    }
                    News::Said { plugin, result, .. } => said(desk, plugin, result.as_ref().err()),
                }
            }
            if tail {
                desk.tails += 1;
            }
            desk.wake_observers |= tail;
        });
    }

    fn next(&self) -> BoxFuture<'_, Vec<FromHooks>> {
        Box::pin(async {
            loop {
                listener!(self.inner.shared.said => news);
                let out = self.inner.shared.take_out();
                if !out.is_empty() || self.inner.shared.is_closing() {
                    return out;
                }
                news.await;
            }
        })
    }

    fn admin(&self, wish: Admin) -> BoxFuture<'_, Result<AdminAnswer, Refusal>> {
        Box::pin(async move {
            match wish {
                Admin::Plugins => {
                    let inner = Arc::clone(&self.inner);
                    blocking::unblock(move || inner.start()).await;
                    Ok(AdminAnswer::Plugins(self.list()))
                }
                Admin::ReloadPlugin { name } => {
                    // Probes take their time, and the driver has others to serve.
                    let inner = Arc::clone(&self.inner);
                    blocking::unblock(move || inner.reload(name.as_deref()))
                        .await
                        .map(|()| AdminAnswer::Done)
                        .map_err(|why| Refusal::because(Code::BadRequest, why))
                }
                _ => Err(Code::NotSupported.into()),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let inner = Arc::clone(&self.inner);
            // Helpers may take a moment to end.
            blocking::unblock(move || {
                drop(lock(&inner.watch).take());
                inner.shared.close();
            })
            .await;
        })
    }
}

fn tell(desk: &mut Desk, hook: u32, news: &News, changed: bool) {
    if let Some(shown) = ask::news(news, changed) {
        desk.tell(hook, &Arc::new(shown));
    }
}

fn said(desk: &mut Desk, plugin: &PluginName, refused: Option<&Refusal>) {
    if let Some(id) = desk.find(plugin) {
        if let Some(refusal) = refused {
            tracing::warn!(plugin = plugin.as_str(), %refusal, "what it sent was refused");
        }
        desk.said(id);
    }
}

fn item(slot: &Slot) -> PluginItem {
    let observer = slot.observer.as_ref();
    PluginItem {
        name: slot.name.as_str().to_owned(),
        id: slot.about.id.clone(),
        version: slot.about.version.clone(),
        isolation: match (&slot.source, slot.settings.isolation) {
            (Source::Static, _) => "static",
            (Source::File { .. }, Isolation::Process) => "process",
            (Source::File { .. }, Isolation::None) => "none",
        }
        .to_owned(),
        state: slot.state.as_str().to_owned(),
        why: match slot.state {
            State::Running => String::new(),
            _ => slot.why.clone(),
        },
        hooks: slot
            .about
            .hooks
            .keys()
            .map(|hook| hook_name(*hook).to_owned())
            .collect(),
        commands: slot.about.commands.keys().cloned().collect(),
        priority: slot.settings.priority.unwrap_or_else(|| {
            let highest = slot.about.hooks.values().max();
            highest.copied().unwrap_or_default()
        }),
        calls: slot.stats.calls,
        rejects: slot.stats.rejects,
        errors: slot.stats.errors,
        dropped: slot.stats.dropped,
        behind: observer.map_or(0, |observer| observer.end.saturating_sub(observer.pos)),
        p99_us: u64::try_from(slot.stats.p99().as_micros()).unwrap_or(u64::MAX),
        metrics: slot
            .metrics
            .iter()
            .map(|(name, value)| (name.clone(), i64::try_from(*value).unwrap_or(i64::MAX)))
            .collect(),
    }
}
