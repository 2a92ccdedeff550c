//! Every bound of the host, with its reason.

use std::time::Duration;

/// One tick of the watchdog. Deadlines are counted in ticks and not in time, so that a machine that was
/// suspended finds no deadline passed when it wakes up.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// How long an answer is waited for, where the operator says nothing else. A filter that asks another
/// machine fits; a person who waits for the sender's next line hardly notices.
pub(crate) const DEADLINE: Duration = Duration::from_secs(2);
/// Longest deadline that may be configured: the engine waits 120 s for a verdict.
pub(crate) const DEADLINE_MOST: Duration = Duration::from_secs(60);
/// How long a file may take to be loaded and initialized, in the probe and for real.
pub(crate) const LOAD_WAIT: Duration = Duration::from_secs(5);
/// How long a call may take before it counts as slow: with this in its way, a busy room stands still.
pub(crate) const SLOW: Duration = Duration::from_millis(100);
/// Slow calls within [`FAULT_WINDOW`] that stop a plugin.
pub(crate) const SLOW_CALLS: u32 = 50;
/// Faults within [`FAULT_WINDOW`] that stop a plugin. More than one crash may be bad luck.
pub(crate) const FAULTS: u32 = 10;
/// Over how long faults and slow calls are counted.
pub(crate) const FAULT_WINDOW: Duration = Duration::from_secs(60);
/// How long a plugin that runs in the server has to live until its start is no longer suspected of
/// having ended the server.
pub(crate) const SUSPECT: Duration = Duration::from_secs(60);
/// Pauses before a crashed helper is started again; the last one goes on.
pub(crate) const RESTARTS: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_secs(60),
];
/// How long a stuck call is waited for before a second helper takes the calls behind it, if one of them is a
/// question.
pub(crate) const STUCK: Duration = Duration::from_millis(50);
/// How long a plugin may take to end by itself.
pub(crate) const STOP_WAIT: Duration = Duration::from_secs(1);
/// A changed file is looked at when it has rested for so long: whoever copies it may not be done.
pub(crate) const SETTLE: Duration = Duration::from_millis(150);
/// How often the folder is looked at where the system can't watch it, and until it is created.
pub(crate) const POLL: Duration = Duration::from_millis(500);
/// Files that are looked at and brought in at a time: each costs a thread and a process, and one that hangs keeps
/// its place for some seconds.
pub(crate) const LOADS: usize = 16;
/// Plugins of one server.
pub(crate) const PLUGINS: usize = 256;
/// Bytes of a plugin's file.
pub(crate) const FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Calls that wait for one plugin; the engine's send credit bounds them first.
pub(crate) const QUEUE: usize = 64 * 1024;
/// Entries that are shown to an observer before it has answered the first of them.
pub(crate) const OBSERVED: usize = 256;
/// How long an observer rests between two looks at the log: nobody waits for it, and each look has its price.
pub(crate) const LAG: Duration = Duration::from_millis(20);
/// Calls of a plugin in this process for which the desk is left once.
pub(crate) const TURN: usize = 64;
/// Time after which such a turn ends early: somebody may wait for its first answers.
pub(crate) const TURN_TIME: Duration = Duration::from_millis(1);
/// How long a call may take to be made by a thread that serves links, too. What takes longer is for workers.
pub(crate) const PROMPT: Duration = Duration::from_millis(1);
/// Calls of a plugin that workers make after one that took longer.
pub(crate) const ASIDE: usize = 1024;
/// Ticks after which such a thread is replaced, since it has been in one call for a whole tick at least.
pub(crate) const KEPT_TICKS: u64 = 2;
/// Threads of the server that plugins may keep at a time; with more, workers make all calls.
pub(crate) const KEPT: usize = 16;
/// Bytes of entries that are read for an observer at once.
pub(crate) const OBSERVED_BYTES: usize = 1024 * 1024;
/// News other than entries that wait for a plugin; what comes more is dropped and counted.
pub(crate) const NEWS: usize = 1024;
/// Verdicts and news for the engine that are handed out at once.
pub(crate) const OUT: usize = 4096;
/// Bytes of one frame between server and helper: all kept values as JSON, and room.
pub(crate) const FRAME_BYTES: usize = 32 * 1024 * 1024;
/// Replies that a helper collects before it writes.
pub(crate) const REPLIES: usize = 64;
/// Calls that a helper answers one by one after its predecessor's end, so that a second end has a culprit.
pub(crate) const CAREFUL_CALLS: u32 = 4096;
/// Entries and notices of a plugin that wait for the engine.
pub(crate) const SAYS: usize = 256;
/// A refusal of what a plugin sent is a line in the log once there was none of its kind for so long: a plugin that
/// said too much may say as much as ever by then.
pub(crate) const REFUSALS_REST: Duration = Duration::from_secs(5);
/// Events that are over, whose memory the next ones take: a batch or two. Memory that is given back dozens at a
/// time is slow to be had again.
pub(crate) const BLANKS: usize = 64;
/// Bytes of texts of such an event; what long texts took is given back.
pub(crate) const BLANK_BYTES: usize = 1024;
/// Longest reason of a refusal: a line.
pub(crate) const REASON_BYTES: usize = 200;
/// Longest line that a plugin writes into the log.
pub(crate) const LOG_BYTES: usize = 2048;
/// Lines that a plugin may write into the log in a second.
pub(crate) const LOG_LINES: u32 = 100;
/// State that one version hands over to the next.
pub(crate) const STATE_BYTES: usize = 1024 * 1024;
/// Longest key of a kept value.
pub(crate) const KEY_BYTES: usize = 128;
/// Longest kept value.
pub(crate) const VALUE_BYTES: usize = 64 * 1024;
/// Kept values of one plugin, together.
pub(crate) const VALUES_BYTES: usize = 4 * 1024 * 1024;
/// Timers of one plugin.
pub(crate) const TIMERS: usize = 256;
/// Metrics of one plugin.
pub(crate) const METRICS: usize = 64;
/// Longest name of a metric.
pub(crate) const METRIC_BYTES: usize = 64;
/// Longest name of a command.
pub(crate) const COMMAND_NAME_BYTES: usize = 32;
/// How often changed cursors and values are written to disk.
pub(crate) const SAVE_EVERY: Duration = Duration::from_millis(500);
/// Threads for plugins that run in the server: more than one only while others are stuck.
pub(crate) const WORKERS: usize = 16;
