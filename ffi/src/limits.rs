//! Every bound of the C API, with its reason.

use std::time::Duration;

/// Events that wait or are promised, together: the engine's own bound, so that a reply always has a place.
pub const EVENTS: usize = chat_engine::limits::EVENTS;
/// Clients, and servers, of one process. A descriptor each, and nobody has more accounts.
pub const HANDLES: usize = 65_536;
/// Events and items of lists that a process holds at a time. Whoever has more forgets to free them.
pub const EVENT_HANDLES: usize = 1 << 20;
/// Threads for what blocks: disk, host names, passwords. With the reactor and the thread that runs
/// everything else there are four, however many handles.
pub const BLOCKING_THREADS: usize = 2;
/// Longest short text that comes in: names, fingerprints, tokens, media types, queries.
pub const SHORT_BYTES: usize = 1024;
/// Longest path that comes in; what Linux takes.
pub const PATH_BYTES: usize = 4096;
/// Listen addresses of a server.
pub const LISTEN: u32 = 64;
/// Largest options struct that a later version could have.
pub const OPTIONS_BYTES: u32 = 4096;
/// How long closing may take beyond what the caller gives for replies: a goodbye
/// ([`chat_engine::limits::BYE_WAIT`]) and the last save.
pub const CLOSE_WAIT: Duration = Duration::from_secs(3);
/// How long freeing waits for a client's work to end before it is dropped where it is: as closing, and
/// for a disk that stalls.
pub const FREE_WAIT: Duration = Duration::from_secs(5);
/// How long stopping a server may take: [`chat_engine::limits::DRAIN_WAIT`], and closing the store.
pub const STOP_WAIT: Duration = Duration::from_secs(8);
/// Bytes on their way between a client and a server of one process: as much as a socket holds.
pub const LINK_BYTES: usize = 64 * 1024;
/// Freed places that wait in line before one is used again, so that a stale handle is noticed for long.
pub const IDLE_SLOTS: usize = 1024;
