//! Plugins of a server, as the engine's port of hooks.

use std::collections::BTreeMap;
#[cfg(feature = "folder")]
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
#[cfg(feature = "folder")]
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use chat_engine::port::{
    Ask, BoxFuture, FromHooks, Hooks, LogView, News, PluginName, Subscriptions, Workplace,
};
use chat_engine::{Admin, AdminAnswer, Code, PluginItem, PresenceState, Refusal};
use chat_plugin_abi as abi;
use event_listener::listener;

use crate::ask;
#[cfg(feature = "folder")]
use crate::clock::unix_ms;
use crate::desk::Desk;
use crate::given::Plugin;
use crate::instance::lock;
use crate::limits;
use crate::observe;
use crate::settings::{Isolation, Settings};
use crate::shared::Shared;
#[cfg(feature = "folder")]
use crate::slot::What;
use crate::slot::{Slot, Source, State, hook_name};
#[cfg(feature = "folder")]
use crate::watch::{Folder, SettingsSource};

/// What plugins are to be loaded, and how.
#[derive(Default)]
pub struct PluginsConfig {
    #[cfg(feature = "folder")]
    /// The folder that is watched for files; it need not be there yet.
    pub folder: Option<PathBuf>,
    /// The server's data directory. Without it, what plugins keep goes with the process.
    pub data: Option<PathBuf>,
    #[cfg(feature = "folder")]
    /// The program that runs a helper, with its arguments: it has to call [`helper`](crate::helper).
    /// Without it, nothing can be loaded from the folder.
    pub helper: Vec<OsString>,
    /// By NAME of the plugin.
    pub settings: BTreeMap<String, Settings>,
    #[cfg(feature = "folder")]
    /// Reads the settings again when the operator wants a reload.
    pub settings_source: Option<SettingsSource>,
    /// Plugins that this program brings with it. They run in the server.
    pub built_in: Vec<BuiltIn>,
}

impl fmt::Debug for PluginsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginsConfig")
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

    /// From a pointer that C hands over, named by what follows the last dot of the plugin's id.
    ///
    /// # Errors
    ///
    /// The text says what is wrong with the id or the description.
    ///
    /// # Safety
    ///
    /// As for [`from_raw`](Self::from_raw).
    pub unsafe fn by_id(plugin: *const abi::chat_plugin) -> Result<Self, String> {
        if plugin.is_null() {
            return Err("there is no plugin".to_owned());
        }
        // SAFETY: promised by the caller.
        let about = unsafe { Plugin::new(plugin) }?.about();
        let name = about.id.rsplit('.').next().unwrap_or_default();
        // SAFETY: promised by the caller.
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

/// Why a plugin was not added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAdded {
    /// The server has started.
    Started,
    /// There is one of that name.
    Known,
    /// There are as many as a server takes.
    TooMany,
}

/// Plugins of one server: to be handed to `ServerConfig::hooks`.
pub struct Plugins {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    #[cfg(feature = "folder")]
    folder: Option<Arc<Folder>>,
    #[cfg(feature = "folder")]
    source: Option<SettingsSource>,
    /// What is to be loaded at the start.
    begin: Mutex<Option<Begin>>,
    #[cfg(feature = "folder")]
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
        #[cfg(not(feature = "folder"))]
        let shared = Shared::new(Vec::new(), config.data);
        #[cfg(feature = "folder")]
        let shared = Shared::new(config.helper, config.data);
        #[cfg(feature = "folder")]
        let folder = config
            .folder
            .map(|path| Folder::new(Arc::clone(&shared), path, config.settings.clone()));
        Arc::new(Self {
            inner: Arc::new(Inner {
                shared,
                #[cfg(feature = "folder")]
                folder,
                #[cfg(feature = "folder")]
                source: config.settings_source,
                begin: Mutex::new(Some(Begin {
                    built_in: config.built_in,
                    settings: config.settings,
                })),
                #[cfg(feature = "folder")]
                watch: Mutex::new(None),
            }),
        })
    }

    /// One more that the program brings, until the server starts.
    ///
    /// # Errors
    ///
    /// [`NotAdded`] says what is in the way.
    pub fn add(&self, plugin: BuiltIn, settings: Settings) -> Result<(), NotAdded> {
        let mut begin = lock(&self.inner.begin);
        let Some(begin) = begin.as_mut() else {
            return Err(NotAdded::Started);
        };
        if begin.built_in.len() >= limits::PLUGINS {
            return Err(NotAdded::TooMany);
        }
        if begin.built_in.iter().any(|one| one.name == plugin.name) {
            return Err(NotAdded::Known);
        }
        begin
            .settings
            .insert(plugin.name.as_str().to_owned(), settings);
        begin.built_in.push(plugin);
        Ok(())
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
        if self.shared.workplace.get().is_none() {
            return;
        }
        // Held until all is loaded: whoever comes meanwhile waits for that.
        let mut begin = lock(&self.begin);
        let Some(Begin { built_in, settings }) = begin.take() else {
            return;
        };
        // A server without plugins has no threads for them either.
        if built_in.is_empty() && !self.has_folder() {
            return;
        }
        let shared = &self.shared;
        if let Err(error) = shared.disk.open().and_then(|()| shared.start_clock()) {
            tracing::error!(%error, "without plugins: their folder in the data directory can't be used");
            return;
        }
        shared.start_worker();
        shared.with(|desk| shared.start_caller(desk));
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
        #[cfg(feature = "folder")]
        if let Some(folder) = &self.folder {
            folder.scan();
            match folder.watch() {
                Ok(watch) => *lock(&self.watch) = Some(watch),
                Err(error) => tracing::error!(%error, "cannot watch for plugins"),
            }
        }
    }

    #[cfg(not(feature = "folder"))]
    fn reload(&self, _: Option<&str>) -> Result<(), String> {
        Err("this server has no folder of plugins".to_owned())
    }

    #[cfg(not(feature = "folder"))]
    #[expect(clippy::unused_self, reason = "with the feature it looks")]
    fn has_folder(&self) -> bool {
        false
    }

    #[cfg(feature = "folder")]
    fn has_folder(&self) -> bool {
        self.folder.is_some()
    }

    #[cfg(feature = "folder")]
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
        folder.scan();
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

    fn run(self: Arc<Self>, log: LogView, workplace: Arc<dyn Workplace>) -> BoxFuture<'static, ()> {
        // A second server can't have them: they would answer to two.
        if self.inner.shared.workplace.set(workplace).is_err() {
            tracing::error!("these plugins belong to another server already");
        }
        Box::pin(observe::run(Arc::clone(&self.inner.shared), log))
    }

    fn ask(&self, asks: Vec<Ask>) {
        self.inner.shared.put_asks(asks);
    }

    fn tell(&self, news: Vec<News>) {
        let shared = &self.inner.shared;
        if news.iter().any(|one| matches!(one, News::Tail)) {
            // Nothing of it is said at the desk: it comes with every batch.
            shared.grown();
            if news.len() == 1 {
                return;
            }
        }
        shared.with(|desk| {
            for one in &news {
                match one {
                    News::Tail => {}
                    News::Presence(presence) => {
                        let online = presence.state != PresenceState::Offline;
                        let changed = desk.came_or_went(&presence.account, online);
                        tell(desk, abi::CHAT_HOOK_PRESENCE_POST, one, changed);
                    }
                    News::Disconnect { .. } => {
                        tell(desk, abi::CHAT_HOOK_DISCONNECT_POST, one, false);
                    }
                    News::Said {
                        plugin,
                        token,
                        result,
                    } => desk.said(plugin, *token, result.as_ref().err()),
                }
            }
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
                    self.inner.shared.have_begun().await;
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
                #[cfg(feature = "folder")]
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
