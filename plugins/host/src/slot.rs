//! What the server knows of one plugin, whoever runs it at the moment.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chat_engine::Code;
use chat_engine::port::PluginName;
use chat_plugin_abi as abi;

use crate::disk::Cursor;
use crate::frame::{About, Answer, Config, Down, write_call};
use crate::instance::{Host, Instance};
use crate::launch::Process;
use crate::limits;
use crate::settings::{OnError, Settings};
use crate::shown::Shown;
use crate::stats::Stats;

pub(crate) type SlotId = u64;
pub(crate) type SeatId = u64;

/// A plugin.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: PluginName,
    pub(crate) settings: Settings,
    pub(crate) source: Source,
    pub(crate) about: About,
    pub(crate) state: State,
    /// Why it does not run.
    pub(crate) why: String,
    /// Who answers now.
    pub(crate) seat: Option<SeatId>,
    /// Who will, once the state is handed over.
    pub(crate) coming: Option<Coming>,
    /// Calls that wait for a seat.
    pub(crate) waiting: VecDeque<Call>,
    pub(crate) stats: Stats,
    pub(crate) faults: Window,
    pub(crate) slow: Window,
    /// Times it was started again since it last ran for a while.
    pub(crate) restarts: usize,
    pub(crate) restart_at: Option<Instant>,
    /// A helper for it is being started.
    pub(crate) launching: bool,
    pub(crate) since: Instant,
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) values_changed: bool,
    /// How far an observer of this name got, according to the disk.
    pub(crate) cursor: Option<Cursor>,
    pub(crate) metrics: BTreeMap<String, i128>,
    pub(crate) timers: HashMap<u64, (Instant, Duration)>,
    pub(crate) observer: Option<Observer>,
    /// News that wait for it, and those dropped since the last that it got.
    pub(crate) news: usize,
    pub(crate) dropped: u64,
    /// Kinds of refusals of what it sent, and when the last of each was.
    pub(crate) refusals: Vec<(Code, Instant)>,
    pub(crate) log_lines: (Instant, u32),
    /// What it was warned about once.
    pub(crate) warned: u64,
    /// It observes, and where in the log it begins is not known so far.
    pub(crate) begins: bool,
}

/// Where it comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A file in the folder; this copy of it is loaded.
    File {
        copy: PathBuf,
    },
    Static,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Loading,
    Running,
    Restarting,
    Tripped,
    Refused,
    Off,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Tripped => "tripped",
            Self::Refused => "refused",
            Self::Off => "off",
        }
    }
}

/// A new version on its way in.
#[derive(Debug)]
pub(crate) struct Coming {
    pub(crate) seat: SeatId,
    pub(crate) about: About,
    pub(crate) source: Source,
    pub(crate) settings: Settings,
}

/// One instance, wherever it runs.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) slot: SlotId,
    pub(crate) place: Place,
    pub(crate) capabilities: u64,
    /// In the order in which they are answered.
    pub(crate) queue: VecDeque<Call>,
    pub(crate) deferred: HashMap<u64, Call>,
    /// Answers to deferred calls that came before the worker said that they are deferred.
    pub(crate) early: HashMap<u64, Answer>,
    /// How many of the last ones in `queue` were not sent to its helper so far: they go together, once it has
    /// answered those before them. Each piece wakes a process.
    pub(crate) unsent: usize,
    /// The tick of the last answer, or of the first call after a rest.
    pub(crate) progress: u64,
    /// A thread is in it.
    pub(crate) busy: bool,
    /// As many calls are made by a worker, since one took long.
    pub(crate) aside: usize,
    /// Its answers come one by one, so that the head of its queue is what it died of.
    pub(crate) careful: bool,
    /// Ends once nothing of it is deferred.
    pub(crate) leaving: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    Helper(Arc<Process>),
    Local(Arc<Local>),
}

/// An instance in this process.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) instance: Mutex<Option<Instance>>,
    pub(crate) host: &'static Host,
    /// Answers of the turn that a worker is in, with what each call took. The desk is not left for each of
    /// them; who needs to know how far it is collects them.
    pub(crate) answered: Mutex<Vec<(u64, u64, Answer)>>,
}

impl Seat {
    /// Whether a thread that serves others, too, may make the next call.
    pub(crate) fn is_prompt(&self) -> bool {
        let next = self.queue.front();
        self.aside == 0 && next.is_some_and(|call| call.what.is_ask())
    }

    /// Whether somebody waits for what it decides. For an observer that is slow nobody does, and a second one
    /// beside it would know nothing of what it has seen.
    pub(crate) fn keeps_waiting(&self) -> bool {
        !self.leaving && self.queue.iter().any(|call| call.what.is_ask())
    }

    /// Takes note of some calls and of the longest among them, in nanoseconds.
    pub(crate) fn note(&mut self, longest: u64, calls: usize) {
        self.aside = match Duration::from_nanos(longest) > limits::PROMPT {
            true => limits::ASIDE,
            false => self.aside.saturating_sub(calls),
        };
    }

    /// Whether what was collected for a helper is to go.
    pub(crate) fn is_due(&self) -> bool {
        self.unsent > 0 && self.unsent == self.queue.len()
    }

    /// Writes what was collected.
    pub(crate) fn pack(&mut self) {
        let Place::Helper(process) = &self.place else {
            return;
        };
        let sent = self.queue.len() - self.unsent.min(self.queue.len());
        self.unsent = 0;
        process.put(|out| {
            for call in self.queue.range(sent..) {
                call.write(self.capabilities, out);
            }
        });
    }

    /// Takes back all but the first call, of which it is known that they wait.
    pub(crate) fn take_behind(&mut self) -> Vec<Call> {
        let sent = self.queue.len() - self.unsent.min(self.queue.len());
        let behind = self.queue.split_off(self.queue.len().min(1));
        self.unsent = self.queue.len() - sent.min(self.queue.len());
        behind.into()
    }
}

/// Something that an instance is to do.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) what: What,
    /// The tick when it was asked for.
    pub(crate) since: u64,
    /// It has met the end of a helper before.
    pub(crate) again: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A step of the chain of this question.
    Ask {
        key: usize,
        shown: Arc<Shown>,
    },
    Observe {
        pos: u64,
        shown: Arc<Shown>,
    },
    News(Arc<Shown>),
    Timer(u64),
    Save,
    Restore(Arc<Vec<u8>>),
    Values(Arc<BTreeMap<String, Vec<u8>>>),
    Config(Arc<Config>),
    Stop,
}

/// A cursor into the log.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    /// The run of the log that `pos` belongs to, once it is known.
    pub(crate) run: Option<u64>,
    /// Everything up to here was shown, or needs not be.
    pub(crate) pos: u64,
    /// Everything up to here was handed to the seat.
    pub(crate) sent: u64,
    /// What is between, in order, and whether it is done with.
    pub(crate) open: VecDeque<(u64, bool)>,
    /// Up to here it may have been seen before.
    pub(crate) again: u64,
    /// The disk says that it is at work. Before that, nothing is shown.
    pub(crate) begun: bool,
    /// The end of the log when it was last read.
    pub(crate) end: u64,
    /// What the log was said to have grown when it was last read to its end.
    pub(crate) tails: u64,
    pub(crate) changed: bool,
}

impl Call {
    /// Writes it for a helper.
    pub(crate) fn write(&self, capabilities: u64, out: &mut Vec<u8>) {
        let id = self.id;
        match &self.what {
            What::Ask { shown, .. } | What::Observe { shown, .. } | What::News(shown) => {
                write_call(id, shown, capabilities, out);
            }
            What::Timer(timer) => Down::Timer { id, timer: *timer }.write(out),
            What::Save => Down::Save { id }.write(out),
            What::Restore(state) => Down::Restore {
                id,
                state: state.to_vec(),
            }
            .write(out),
            What::Values(values) => Down::Values((**values).clone()).write(out),
            What::Config(config) => Down::Config((**config).clone()).write(out),
            What::Stop => Down::Stop.write(out),
        }
    }
}

impl Observer {
    pub(crate) fn answered(&mut self, pos: u64) {
        if let Some(open) = self.open.iter_mut().find(|(open, _)| *open == pos) {
            open.1 = true;
        }
        self.settle();
    }

    /// Whether it has enough to do.
    pub(crate) fn is_full(&self) -> bool {
        self.open.len() > limits::OBSERVED / 2
    }

    /// Moves over what is done with.
    pub(crate) fn settle(&mut self) {
        while let Some(&(pos, true)) = self.open.front() {
            self.pos = pos;
            self.changed = true;
            self.open.pop_front();
        }
    }

    /// Where it is, for the disk. `ends`: it is shown nothing more.
    pub(crate) fn cursor(&self, ends: bool) -> Option<Cursor> {
        Some(Cursor {
            run: self.run?,
            pos: self.pos,
            again: ends.then(|| self.again.max(self.sent)),
        })
    }

    /// What was handed out and not answered is to be handed out again.
    pub(crate) fn rewind(&mut self) {
        self.again = self.again.max(self.sent);
        self.sent = self.pos;
        self.open.clear();
        self.tails = 0;
    }
}

/// Counts over a time.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Instant>);

impl Window {
    /// One more; answers how many there were lately.
    pub(crate) fn count(&mut self) -> u32 {
        let now = Instant::now();
        let old = |then: &Instant| now.duration_since(*then) > limits::FAULT_WINDOW;
        while self.0.front().is_some_and(old) || self.0.len() > 1000 {
            self.0.pop_front();
        }
        self.0.push_back(now);
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Slot {
    pub(crate) fn new(name: PluginName, settings: Settings, source: Source) -> Self {
        let now = Instant::now();
        Self {
            name,
            settings,
            source,
            about: About::default(),
            state: State::Loading,
            why: String::new(),
            seat: None,
            coming: None,
            waiting: VecDeque::new(),
            stats: Stats::default(),
            faults: Window::default(),
            slow: Window::default(),
            restarts: 0,
            restart_at: None,
            launching: false,
            since: now,
            values: BTreeMap::new(),
            values_changed: false,
            cursor: None,
            metrics: BTreeMap::new(),
            timers: HashMap::new(),
            observer: None,
            news: 0,
            dropped: 0,
            refusals: Vec::new(),
            log_lines: (now, 0),
            warned: 0,
            begins: false,
        }
    }

    /// Whether it has a place in chains: also when it was stopped for its faults, since then its
    /// `on_error` stands.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(
            self.state,
            State::Running | State::Restarting | State::Tripped
        )
    }

    /// Tells that a version is loaded: from now on it is shown what happens.
    pub(crate) fn tell_loaded(&self, about: &About) {
        tracing::info!(
            plugin = self.name.as_str(),
            id = about.id,
            version = about.version,
            "loaded"
        );
    }

    pub(crate) fn priority(&self, hook: u32) -> i32 {
        let asked = self.about.hooks.get(&hook).copied().unwrap_or_default();
        self.settings.priority.unwrap_or(asked)
    }

    pub(crate) fn capabilities(&self) -> u64 {
        self.about.capabilities & self.settings.capabilities
    }

    pub(crate) fn on_error(&self, hook: u32) -> OnError {
        let usual = match hook {
            abi::CHAT_HOOK_LOGIN | abi::CHAT_HOOK_COMMAND => OnError::Reject,
            _ => OnError::Pass,
        };
        match hook {
            // There is nothing that could let a command pass.
            abi::CHAT_HOOK_COMMAND => usual,
            _ => self.settings.on_error.unwrap_or(usual),
        }
    }

    /// Whether a helper comes soon enough for calls to wait for it.
    pub(crate) fn comes_back(&self) -> bool {
        let pause = |at: Instant| at.saturating_duration_since(Instant::now());
        self.state == State::Restarting
            && self
                .restart_at
                .is_none_or(|at| pause(at) < self.settings.deadline)
    }

    /// The deadline in ticks.
    pub(crate) fn deadline(&self) -> u64 {
        let ticks = self.settings.deadline.as_millis() / limits::TICK.as_millis();
        u64::try_from(ticks).unwrap_or(u64::MAX).max(1)
    }

    /// Warns once for each kind of thing.
    pub(crate) fn first_time(&mut self, bit: u64) -> bool {
        let first = self.warned & bit == 0;
        self.warned |= bit;
        first
    }
}

/// Whether somebody waits for what a hook answers. Those that are only told have the higher numbers.
pub(crate) const fn decides(hook: u32) -> bool {
    hook < abi::CHAT_HOOK_ENTRY_POST
}

/// Names of hooks in logs and lists.
pub(crate) fn hook_name(hook: u32) -> &'static str {
    match hook {
        abi::CHAT_HOOK_CONNECT => "connect",
        abi::CHAT_HOOK_LOGIN => "login",
        abi::CHAT_HOOK_ENTRY => "entry",
        abi::CHAT_HOOK_COMMAND => "command",
        abi::CHAT_HOOK_FILE_OFFER => "file_offer",
        abi::CHAT_HOOK_FILE_COMPLETE => "file_complete",
        abi::CHAT_HOOK_ENTRY_POST => "entry_post",
        abi::CHAT_HOOK_PRESENCE_POST => "presence_post",
        abi::CHAT_HOOK_DISCONNECT_POST => "disconnect_post",
        abi::CHAT_HOOK_TICK => "tick",
        abi::CHAT_HOOK_RELOAD => "reload",
        _ => "unknown",
    }
}

impl What {
    /// Whether it calls the hook of an event.
    pub(crate) const fn is_event(&self) -> bool {
        matches!(
            self,
            Self::Ask { .. } | Self::Observe { .. } | Self::News(_)
        )
    }

    /// Whether somebody waits for what it decides.
    pub(crate) const fn is_ask(&self) -> bool {
        matches!(self, Self::Ask { .. })
    }

    /// Whether it is answered.
    pub(crate) const fn is_answered(&self) -> bool {
        !matches!(self, Self::Values(_) | Self::Config(_) | Self::Stop)
    }

    /// What it is about, for messages.
    pub(crate) fn place(&self) -> String {
        let hook = |shown: &Shown| format!("in its {} hook", hook_name(shown.numbers.hook));
        match self {
            Self::Ask { shown, .. } | Self::Observe { shown, .. } | Self::News(shown) => {
                hook(shown)
            }
            Self::Timer(_) => "in a timer".to_owned(),
            Self::Save => "in save".to_owned(),
            Self::Restore(_) => "in restore".to_owned(),
            Self::Values(_) | Self::Config(_) => "between two calls".to_owned(),
            Self::Stop => "in destroy".to_owned(),
        }
    }
}
