//! One instance of a plugin in this process, be it the server or a helper: the only place that calls into
//! foreign code, and that foreign code calls into.
//!
//! What is unsafe here rests on four things:
//!
//! - What a plugin gets is never freed under it: the table of an instance ([`Host`]) lives as long as the
//!   process, an event until its hook returns or until it is resolved.
//! - What a plugin gives is copied before the call returns. Texts are read up to their NUL, blocks up to
//!   their length; that both are there is the plugin's promise, and the reason why files from a folder run
//!   in a process of their own.
//! - An event that a plugin names is looked up by its address and not read, so a stale one is an error.
//! - One function of an instance is called at a time ([`Instance`] is not `Sync`, its calls take `&mut`).

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_plugin_abi as abi;

use crate::frame::{About, Answer, Config, Start, Wish};
use crate::given::Plugin;
use crate::shown::{Field, Shown};
use crate::slot::decides;
use crate::table;

/// Where an instance's wishes go.
pub(crate) trait Services: Send + Sync {
    /// Does it, or queues it, without waiting.
    fn wish(&self, wish: Wish) -> abi::chat_status;
    /// Takes note of what the server said meanwhile.
    fn look(&self) {}
    /// The answer to a call that was deferred; CHAT_TOO_LATE when nobody waits for it.
    fn resolved(&self, call: u64, answer: Answer) -> abi::chat_status;
}

/// An instance of a plugin.
#[derive(Debug)]
pub(crate) struct Instance {
    plugin: Plugin,
    host: &'static Host,
    data: *mut c_void,
    /// What was registered in `init`: nothing is added later.
    hooks: Vec<(u32, Function)>,
}

/// A hook.
type Function = unsafe extern "C" fn(
    *mut c_void,
    *const abi::chat_host,
    *const abi::chat_plugin_event,
) -> abi::chat_verdict;

// SAFETY: the contract says that the server calls from any thread, one call at a time.
unsafe impl Send for Instance {}

/// What came of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// It comes by [`Services::resolved`].
    Deferred,
}

/// What stands behind the table of one instance. Never freed: a plugin's thread may come late.
pub(crate) struct Host {
    /// First, so that a pointer to it is one to the rest; `ctx` says the same to who reads it.
    table: abi::chat_host,
    pub(crate) services: Box<dyn Services>,
    pub(crate) capabilities: u64,
    pub(crate) config: Mutex<Configured>,
    pub(crate) phase: Mutex<Phase>,
    retired: AtomicBool,
    pub(crate) registered: Mutex<Registered>,
    calls: Mutex<Calls>,
    pub(crate) kept: Mutex<Option<Vec<u8>>>,
    /// The last error or warning that it logged in `init`: why it refuses, if it does.
    pub(crate) complaint: Mutex<Option<String>>,
    pub(crate) values: Mutex<BTreeMap<String, Vec<u8>>>,
    /// All commands of the server, as the plugin gets them.
    pub(crate) commands: Mutex<String>,
    /// What the table points to.
    _texts: [CString; 3],
}

// SAFETY: the table is written once, before anybody else knows it, and points to `_texts` and functions;
// the rest is `Sync` by itself.
unsafe impl Sync for Host {}
// SAFETY: see above.
unsafe impl Send for Host {}

/// The configuration as it is asked for. Earlier ones stay: the plugin may still look at them.
pub(crate) struct Configured {
    pub(crate) values: HashMap<CString, CString>,
    earlier: Vec<HashMap<CString, CString>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    Init,
    Running,
    Save,
}

#[derive(Default)]
pub(crate) struct Registered {
    pub(crate) hooks: BTreeMap<u32, (i32, abi::chat_hook_fn)>,
    pub(crate) commands: BTreeMap<String, (String, abi::chat_hook_fn)>,
    pub(crate) timers: HashMap<u64, abi::chat_timer_fn>,
}

/// Events that the plugin holds: the one of the running hook, and those it has still to resolve.
#[derive(Default)]
struct Calls {
    current: Option<Box<Call>>,
    deferred: HashMap<usize, Box<Call>>,
    /// The place of one that is over, for the next.
    spare: Option<Box<Call>>,
}

/// An event in the plugin's hands. Boxed, so that its address stays.
struct Call {
    event: abi::chat_plugin_event,
    /// What the event points to; gone once it is over.
    shown: Option<Arc<Shown>>,
    id: u64,
    text: Option<String>,
    reason: Option<String>,
    /// Resolved by another thread before the hook came back.
    early: Option<abi::chat_verdict>,
    /// The deadline has decided.
    expired: bool,
}

// SAFETY: the pointers of the event point into `shown`, which the call keeps.
unsafe impl Send for Call {}

impl Instance {
    /// Makes an instance: calls `init`.
    pub(crate) fn init(
        plugin: Plugin,
        start: &Start,
        services: Box<dyn Services>,
    ) -> Result<Self, String> {
        let asked = plugin.about().capabilities;
        let host = Host::leak(start, asked & start.capabilities, services);
        let mut data = ptr::null_mut();
        let init = plugin.raw.init.ok_or("it has no init function")?;
        // SAFETY: the function of the description, with a table and a place that live.
        let status = unsafe { init(&raw const host.table, &raw mut data) };
        *lock(&host.phase) = Phase::Running;
        if status != abi::CHAT_OK {
            host.retire();
            return Err(match lock(&host.complaint).take() {
                Some(why) => format!("its init refused: {why} (status {status})"),
                None => format!("its init refused (status {status}), and logged no reason"),
            });
        }
        let registered = lock(&host.registered);
        let hooks = registered.hooks.iter();
        let hooks = hooks.filter_map(|(hook, (_, function))| Some((*hook, (*function)?)));
        Ok(Self {
            plugin,
            host,
            data,
            hooks: hooks.collect(),
        })
    }

    pub(crate) fn host(&self) -> &'static Host {
        self.host
    }

    /// What it says about itself, and what it takes part in.
    pub(crate) fn about(&self) -> About {
        let registered = lock(&self.host.registered);
        About {
            hooks: registered
                .hooks
                .iter()
                .map(|(hook, (priority, _))| (*hook, *priority))
                .collect(),
            commands: registered
                .commands
                .iter()
                .map(|(name, (help, _))| (name.clone(), help.clone()))
                .collect(),
            ..self.plugin.about()
        }
    }

    /// Calls the hook of an event.
    pub(crate) fn call(&mut self, id: u64, shown: Arc<Shown>) -> Outcome {
        let Some(function) = self.function(&shown) else {
            return Outcome::Answer(Answer::default());
        };
        let call = Call {
            event: shown.raw(self.host.capabilities),
            shown: Some(shown),
            id,
            text: None,
            reason: None,
            early: None,
            expired: false,
        };
        let event = lock(&self.host.calls).begin(call);
        // SAFETY: the plugin registered this function for this hook; the event stays in `calls` until
        // the function returns, and `&mut self` says that no other function of the instance runs.
        let verdict = unsafe { function(self.data, &raw const self.host.table, event) };
        self.host.returned(verdict)
    }

    /// The function for an event.
    fn function(&self, shown: &Shown) -> Option<Function> {
        if shown.numbers.hook == abi::CHAT_HOOK_COMMAND {
            let name = shown.text(Field::Name)?;
            return lock(&self.host.registered).commands.get(name)?.1;
        }
        let hook = shown.numbers.hook;
        let found = self
            .hooks
            .iter()
            .find(|(registered, _)| *registered == hook);
        found.map(|(_, function)| *function)
    }

    /// Calls a timer's function.
    pub(crate) fn timer(&mut self, timer: u64) {
        let function = lock(&self.host.registered)
            .timers
            .get(&timer)
            .copied()
            .flatten();
        if let Some(function) = function {
            // SAFETY: the plugin registered this function for this timer; see `call`.
            unsafe { function(self.data, &raw const self.host.table, timer) };
        }
    }

    /// What the next version is to have.
    pub(crate) fn save(&mut self) -> Result<Vec<u8>, String> {
        let Some(save) = self.plugin.raw.save else {
            return Ok(Vec::new());
        };
        *lock(&self.host.phase) = Phase::Save;
        // SAFETY: the function of the description; see `call`.
        let status = unsafe { save(self.data, &raw const self.host.table) };
        *lock(&self.host.phase) = Phase::Running;
        let kept = lock(&self.host.kept).take().unwrap_or_default();
        match status {
            abi::CHAT_OK => Ok(kept),
            status => Err(format!("its save failed (status {status})")),
        }
    }

    /// Gives it what the version before saved.
    pub(crate) fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let Some(restore) = self.plugin.raw.restore.filter(|_| !state.is_empty()) else {
            return Ok(());
        };
        let data: *const c_void = state.as_ptr().cast();
        // SAFETY: the function of the description, with a block of that many bytes; see `call`.
        let status = unsafe {
            restore(
                self.data,
                &raw const self.host.table,
                data,
                state.len() as u64,
            )
        };
        match status {
            abi::CHAT_OK => Ok(()),
            status => Err(format!("its restore refused (status {status})")),
        }
    }

    /// Ends it.
    pub(crate) fn destroy(self) {
        if let Some(destroy) = self.plugin.raw.destroy {
            // SAFETY: the function of the description; `self` is gone after it, so nothing is called
            // on this instance again.
            unsafe { destroy(self.data, &raw const self.host.table) };
        }
        self.host.retire();
    }
}

/// All that there ever were: late calls of a plugin may reach any of them, and tools that look for lost
/// memory see that it is not.
static HOSTS: Mutex<Vec<&'static Host>> = Mutex::new(Vec::new());

impl Host {
    fn leak(start: &Start, capabilities: u64, services: Box<dyn Services>) -> &'static Self {
        let texts = [&start.version, &start.name, &start.state_dir].map(|text| c_string(text));
        let mut table = table::new();
        table.version = texts[0].as_ptr();
        table.name = texts[1].as_ptr();
        table.state_dir = texts[2].as_ptr();
        table.probe = u32::from(start.probe);
        let host = Box::into_raw(Box::new(Self {
            table,
            services,
            capabilities,
            config: Mutex::new(Configured {
                values: configured(&start.config),
                earlier: Vec::new(),
            }),
            phase: Mutex::new(Phase::Init),
            retired: AtomicBool::new(false),
            registered: Mutex::default(),
            calls: Mutex::default(),
            kept: Mutex::default(),
            complaint: Mutex::default(),
            values: Mutex::new(start.values.clone()),
            commands: Mutex::default(),
            _texts: texts,
        }));
        // SAFETY: it was allocated right here, and nobody else knows it yet; nothing ever frees it.
        let host: &'static Self = unsafe {
            (*host).table.ctx = host.cast();
            &*host
        };
        lock(&HOSTS).push(host);
        host
    }

    /// From now on nothing that the plugin asks for counts.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(crate) fn is_init(&self) -> bool {
        *lock(&self.phase) == Phase::Init
    }

    pub(crate) fn configure(&self, config: &Config) {
        let mut held = lock(&self.config);
        let earlier = std::mem::replace(&mut held.values, configured(config));
        held.earlier.push(earlier);
    }

    /// Nobody waits for the answer to a deferred call any more.
    pub(crate) fn expire(&self, id: u64) {
        let mut calls = lock(&self.calls);
        let deferred = calls.deferred.values_mut().find(|call| call.id == id);
        if let Some(call) = deferred {
            call.expired = true;
        }
    }

    /// A hook came back.
    fn returned(&self, verdict: abi::chat_verdict) -> Outcome {
        let mut calls = lock(&self.calls);
        let Some(call) = calls.current.take() else {
            return Outcome::Answer(fault());
        };
        // Nobody waits for an observer, so nothing would ever take its event back.
        let is_deferred = verdict == abi::CHAT_DEFER && decides(call.event.hook);
        let verdict = match call.early.filter(|_| is_deferred) {
            Some(early) => Some(early),
            None if is_deferred => None,
            None => Some(verdict),
        };
        if let Some(verdict) = verdict {
            return Outcome::Answer(calls.end(call, verdict));
        }
        calls.deferred.insert(address(&raw const call.event), call);
        Outcome::Deferred
    }

    /// The call that an event belongs to.
    pub(crate) fn with_call<T>(
        &self,
        event: *const abi::chat_plugin_event,
        then: impl FnOnce(CallView<'_>) -> T,
    ) -> Option<T> {
        let mut calls = lock(&self.calls);
        let current = calls.current.as_deref_mut();
        let call = match current.filter(|call| ptr::eq(&raw const call.event, event)) {
            Some(_) => calls.current.as_deref_mut()?,
            None => calls.deferred.get_mut(&address(event))?,
        };
        Some(then(CallView(call)))
    }

    /// The plugin's one answer to a deferred event.
    pub(crate) fn resolve(
        &self,
        event: *const abi::chat_plugin_event,
        verdict: abi::chat_verdict,
    ) -> abi::chat_status {
        // The deadline may have passed, and nobody have read that.
        self.services.look();
        let mut call = {
            let mut calls = lock(&self.calls);
            let current = calls.current.as_deref_mut();
            if let Some(call) = current.filter(|call| ptr::eq(&raw const call.event, event)) {
                if call.early.is_some() {
                    return abi::CHAT_TOO_LATE;
                }
                call.early = Some(verdict);
                return abi::CHAT_OK;
            }
            match calls.deferred.remove(&address(event)) {
                Some(call) => call,
                None => return abi::CHAT_TOO_LATE,
            }
        };
        if call.expired {
            return abi::CHAT_TOO_LATE;
        }
        if self.is_retired() {
            return abi::CHAT_RETIRED;
        }
        let id = call.id;
        self.services.resolved(id, call.answer(verdict))
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// What host functions may look at and change of a call.
pub(crate) struct CallView<'a>(&'a mut Call);

impl CallView<'_> {
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn kind(&self) -> u32 {
        self.0.event.kind
    }

    pub(crate) fn set_text(&mut self, text: String) {
        self.0.text = Some(text);
    }

    pub(crate) fn set_reason(&mut self, reason: String) {
        self.0.reason = Some(reason);
    }
}

impl Calls {
    fn begin(&mut self, call: Call) -> *const abi::chat_plugin_event {
        let place = match self.spare.take() {
            Some(mut place) => {
                *place = call;
                place
            }
            None => Box::new(call),
        };
        &raw const self.current.insert(place).event
    }

    fn end(&mut self, mut call: Box<Call>, verdict: abi::chat_verdict) -> Answer {
        let answer = call.answer(verdict);
        call.shown = None;
        self.spare = Some(call);
        answer
    }
}

impl Call {
    fn answer(&mut self, verdict: abi::chat_verdict) -> Answer {
        Answer {
            verdict,
            text: self.text.take().filter(|_| verdict == abi::CHAT_MODIFIED),
            reason: self.reason.take().filter(|_| verdict == abi::CHAT_REJECT),
        }
    }
}

fn fault() -> Answer {
    Answer {
        verdict: abi::CHAT_FAULT,
        ..Answer::default()
    }
}

fn address(event: *const abi::chat_plugin_event) -> usize {
    event.addr()
}

/// The instance's own side of a table that a plugin hands back.
///
/// # Safety
///
/// `host` is a table that [`Host::leak`] made, or NULL.
pub(crate) unsafe fn host_of(host: *const abi::chat_host) -> Option<&'static Host> {
    // SAFETY: promised by the caller; tables live as long as the process.
    let table = unsafe { host.as_ref() }?;
    // SAFETY: `ctx` was set by `leak` to the `Host` around the table, which lives as long.
    unsafe { table.ctx.cast_const().cast::<Host>().as_ref() }
}

fn configured(config: &Config) -> HashMap<CString, CString> {
    let values = config.values.iter();
    let mut values: HashMap<CString, CString> = values
        .map(|(key, value)| (c_string(key), c_string(value)))
        .collect();
    values.insert(CString::default(), c_string(&config.json));
    values
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing foreign runs under these locks, and our own code leaves them whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
