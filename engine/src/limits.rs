//! Every bound of the engine, with its reason. Bytes, counts and durations in one place, so that the
//! worst case can be added up.

use std::time::Duration;

// What people may say.

/// Longest account or room name, in bytes of UTF-8. Fits a line of a terminal.
pub const NAME_BYTES: usize = 64;
/// Longest text of an entry. Two screens of a large terminal; larger things are files.
pub const TEXT_BYTES: usize = 16 * 1024;
/// Longest topic of a room: one line.
pub const TOPIC_BYTES: usize = 512;
/// Longest reaction. The longest emoji sequences take about 40 bytes.
pub const REACTION_BYTES: usize = 64;
/// Longest text beside a presence state.
pub const PRESENCE_BYTES: usize = 128;
/// Longest name of a device.
pub const DEVICE_NAME_BYTES: usize = 64;
/// Longest query of a search.
pub const QUERY_BYTES: usize = 256;
/// Shortest password: below it a guess is too cheap (NIST SP 800-63B, section 5.1.1.1).
pub const PASSWORD_MIN_BYTES: usize = 8;
/// Longest password. Argon2 takes any length; a bound keeps the login frame small.
pub const PASSWORD_MAX_BYTES: usize = 1024;
/// Bytes of an invite token before it is written in base64url: not guessable.
pub const INVITE_BYTES: usize = 16;
/// Longest token that is looked at.
pub const INVITE_TEXT_BYTES: usize = 64;
/// Most extension bytes of one body: room for later versions, not a way around the text limit.
pub const EXTENSION_BYTES: usize = 4 * 1024;
/// Most extensions of one body. Each takes 32 bytes of memory, also where the frame has two for it.
pub const EXTENSIONS: usize = 64;
/// Most capabilities that one end tells the other.
pub const CAPABILITIES: usize = 64;
/// Longest label (`ref`) that an application gives a send; it is kept with it on disk.
pub const LABEL_BYTES: usize = 256;

// The wire.

/// Most bytes in one frame, head included. It must fit into one record (65,519 bytes); a peer can't
/// make us hold more than this.
pub const FRAME_BYTES: usize = 60 * 1024;
/// Most bytes in one record's content: a Noise message has 65,535 with its tag of 16.
pub const RECORD_BYTES: usize = 65_519;
/// Frames are packed into records up to this size; a larger frame travels alone. Larger records
/// would make a reader wait longer before it can open the first frame.
pub const RECORD_PACK_BYTES: usize = 16 * 1024;
/// Most bytes that a link holds between two looks at its frames: what a few reads bring, and a record
/// that is not whole yet. Frames must be taken before more is read.
pub const INBOUND_BYTES: usize = 256 * 1024;
/// Most bytes of one handshake message: room for a post-quantum key.
pub const HANDSHAKE_BYTES: usize = 4 * 1024;
/// Most bytes of a frame before the login: nobody needs more to say who it is.
pub const LOGIN_FRAME_BYTES: usize = 8 * 1024;
/// Most items of one page of a list.
pub const PAGE_ITEMS: usize = 100;
/// Most bytes of one page's items, so that it fits a frame.
pub const PAGE_BYTES: usize = 48 * 1024;
/// Most positions in one resume frame.
pub const RESUME_ITEMS: usize = 1000;
/// A direction gets a new key after this many records: far below where ChaCha20-Poly1305 weakens.
pub const REKEY_RECORDS: u64 = 1 << 20;
/// A direction gets a new key after this time.
pub const REKEY_AFTER: Duration = Duration::from_secs(3600);

// Time.

/// From accepting a stream until the handshake is done. A slow mobile link needs two round trips.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// From the handshake until the login frame is there. Time in the password queue does not count.
pub const LOGIN_WAIT: Duration = Duration::from_secs(10);
/// From a record's first byte to its last: a flipped bit in a length must not wait for ever.
pub const RECORD_WAIT: Duration = Duration::from_secs(10);
/// Silence after which the other side is asked if it is there.
pub const PING_AFTER: Duration = Duration::from_secs(15);
/// Silence after which a link is dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(30);
/// How long a link that is told goodbye may take to read it.
pub const BYE_WAIT: Duration = Duration::from_secs(2);
/// Presence changes of this long are sent in one frame.
pub const PRESENCE_MERGE: Duration = Duration::from_millis(500);
/// Receipts of this long are sent in one frame.
pub const RECEIPT_MERGE: Duration = Duration::from_secs(1);
/// Cursors are written at least this often.
pub const CURSOR_WRITE: Duration = Duration::from_secs(5);
/// Links that wait for acks get this much of a drain before they are told goodbye all the same.
pub const DRAIN_FLUSH: Duration = Duration::from_secs(3);
/// A drain ends after this time, whatever is still open.
pub const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// How long accepted send ids are remembered.
pub const SEND_ID_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// How far in the future a send id may lie: clocks differ, but ids are made by the server's.
pub const SEND_ID_AHEAD: Duration = Duration::from_secs(3600);

// Links of a server.

/// Links that are not logged in, all together; the oldest of them goes when one more comes.
pub const NEW_LINKS: usize = 1024;
/// Links that are not logged in from one address (IPv6: one /64).
pub const NEW_LINKS_PER_ADDRESS: usize = 128;
/// Links that are logged in.
pub const LINKS: usize = 100_000;
/// How long accepting rests when there are no descriptors, or too many links. Trying at once would only
/// spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Links of one account.
pub const LINKS_PER_ACCOUNT: usize = 64;
/// Devices of one account.
pub const DEVICES_PER_ACCOUNT: usize = 32;
/// Sends of a link without an answer.
pub const SENDS: u32 = 256;
/// Requests of a link without an answer, sends not counted.
pub const REQUESTS: usize = 64;
/// Bytes of entries that may be on their way to a link.
pub const ENTRY_CREDIT: u64 = 256 * 1024;
/// The client renews its credit in pieces of this size, or it would send one frame per entry.
pub const CREDIT_STEP: u64 = 64 * 1024;
/// Bytes of frames that wait to be written to a link. Entries are bounded by their credit, answers by
/// the number of requests; a link that has more waiting than this does not read and is closed.
pub const OUTLET_BYTES: usize = 4 * 1024 * 1024;
/// Frames that a link may have waiting at the hub before its reading pauses.
pub const INLET_FRAMES: usize = 64;
/// Tasks that wait for a thread before another one is called to help. Calling it costs as much as some
/// tasks, and takes a core away from whatever else runs there.
pub const TASKS_PER_THREAD: usize = 64;
/// Tasks that a thread runs before it looks at the sockets again.
pub const TASKS_PER_LOOK: usize = 32;

/// Bytes that a socket holds and the network did not take yet. What is said goes behind them.
pub const UNSENT_BYTES: u32 = 128 * 1024;
/// Bytes of pieces that are sealed ahead of a socket; enough for one write to be worth it.
pub const BULK_AHEAD: usize = 64 * 1024;

// Rooms.

/// Rooms of a server. All of them are in memory.
pub const ROOMS: usize = 100_000;
/// Members of a room.
pub const MEMBERS: usize = 10_000;
/// Accounts that a room remembers, those who left, are invited or banned included, before nobody can
/// be invited or banned who never was a member.
pub const MEMBER_RECORDS: usize = 2 * MEMBERS;
/// Rooms that an account owns, or it could take all there are with a few others.
pub const ROOMS_PER_ACCOUNT: usize = 512;
/// Conversations of an account.
pub const CONVERSATIONS: usize = 4_096;
/// Accounts of a server. All of them are in memory, about 300 bytes each.
pub const ACCOUNTS: usize = 1_000_000;
/// Stretches of membership that are remembered; the oldest one is forgotten, which hides more.
pub const SPANS: usize = 64;
/// Members of a room up to which presence is told to each other.
pub const PRESENCE_MEMBERS: usize = 256;
/// Members of a room up to which receipts are passed on unasked.
pub const RECEIPT_MEMBERS: usize = 32;
/// Mentions that are counted per account and conversation, until they are read: each is a place in memory
/// and a row of the database.
pub const MENTIONS: usize = 999;
/// Names that are looked for in one text.
pub const MENTIONED: usize = 32;
/// Recent entries of a room that are kept in memory for links that just missed them.
pub const RING_ENTRIES: usize = 256;
/// Bytes of recent entries of a room.
pub const RING_BYTES: u64 = 64 * 1024;
/// Entries that a device without a position gets at most.
pub const FIRST_ENTRIES: u64 = 1_000;
/// Entries of one read of the log.
pub const READ_ENTRIES: usize = 256;
/// Bytes of one read of the log; also below the entry credit, or it would be read twice.
pub const READ_BYTES: usize = 64 * 1024;
/// Base entries of one history page.
pub const HISTORY_ITEMS: usize = 100;

// Files.

/// Bytes of a group: the smallest part of a file that is proven by itself. One record holds it.
pub const GROUP_BYTES: usize = 16 * 1024;
/// Most bytes of one chunk. Larger ones would make what people say on the same link wait longer.
pub const CHUNK_BYTES: usize = GROUP_BYTES;
/// Most bytes of one transfer that may be under way: two of its stages can work while two others hand
/// over, on a network that is as fast as they are.
pub const TRANSFER_WINDOW: u32 = 512 * 1024;
/// Bytes of one transfer that may be under way however slow the network is. They all lie before what is
/// said meanwhile on the same link, in buffers that nobody can reach into.
pub const TRANSFER_LEAST: u32 = 256 * 1024;
/// More than that is under way only as far as the other end takes it in this time.
pub const TRANSFER_DELAY: Duration = Duration::from_millis(10);
/// How far a transfer came is told in pieces of this size: each costs both ends a wake.
pub const TRANSFER_STEP: u64 = 64 * 1024;
/// Most hash pairs that come with one piece: the height of the tree of the largest file.
pub const PIECE_PARENTS: usize = 39;
/// Longest name of a file, in bytes of UTF-8. The longest that a file system knows has 255 characters.
pub const FILE_NAME_BYTES: usize = 1024;
/// Longest media type (RFC 6838, section 4.2: two names of 127 characters).
pub const MEDIA_TYPE_BYTES: usize = 255;
/// Most bytes of any file, so that a JSON number can hold every place in it.
pub const FILE_BYTES: u64 = (1 << 53) - 1;
/// Transfers of one link at a time.
pub const TRANSFERS_PER_LINK: usize = 8;
/// Transfers of a server at a time; each may hold a window of bytes in memory, 128 MiB for all of them, and
/// two open files.
pub const TRANSFERS: usize = 256;
/// Uploads of an account that are not done, running or not.
pub const UPLOADS_PER_ACCOUNT: usize = 64;
/// Uploads of a server that are not done.
pub const UPLOADS: usize = 16 * 1024;
/// How long an upload that nobody goes on with is kept.
pub const UPLOAD_EXPIRES: Duration = Duration::from_secs(7 * 24 * 3600);
/// Uploads are looked through for old ones this often.
pub const UPLOAD_LOOK: Duration = Duration::from_secs(3600);
/// Bytes of an upload between two syncs. More would make the disk busy for so long that messages had
/// to wait for it.
pub const BLOB_SYNC_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of an upload that are written while the disk syncs those before. Then the stream waits: what
/// the disk can't follow is not taken.
pub const BLOB_AHEAD_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of files that a memory store keeps.
pub const MEMORY_BLOB_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of the disk that files leave free, for what people say.
pub const DISK_RESERVE: u64 = 256 * 1024 * 1024;

// Passwords.

/// Argon2 runs at the same time, each with 19 MiB.
pub const PASSWORD_WORKERS: usize = 2;
/// Logins that wait for a worker: 5 s of work at 60 ms each.
pub const PASSWORD_QUEUE: usize = 160;
/// Failed passwords of an account before it is slowed down.
pub const PASSWORD_TRIES: u32 = 5;
/// Passwords of an account that are being checked at the same time: without it a burst of guesses
/// would be through before the first one counts.
pub const PASSWORD_TRIES_AT_ONCE: u32 = 16;
/// How long a try counts.
pub const PASSWORD_TRIES_WINDOW: Duration = Duration::from_secs(60);
/// Registrations from one address in [`REGISTER_WINDOW`].
pub const REGISTER_TRIES: u32 = 100;
/// How long a registration counts.
pub const REGISTER_WINDOW: Duration = Duration::from_secs(60);
/// Accounts and addresses whose tries are remembered; the oldest are forgotten first.
pub const TRIES_REMEMBERED: usize = 10_000;

// Appends.

/// Bytes that the log's queue may hold before the hub refuses sends for now.
pub const APPEND_QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Appends of one transaction.
pub const APPEND_BATCH: usize = 1024;

// Stores.

/// Reads of a store at the same time, each with its own connection and page cache.
pub const STORE_READERS: usize = 4;
/// Entries that one read transaction looks at: about 10 ms, so that the write-ahead log can be
/// checkpointed between two of them.
pub const SCAN_ENTRIES: u64 = 4_096;
/// Reactions to one entry that are looked at, the newest ones.
pub const REACTIONS_READ: usize = 4_096;
/// Bytes of reactions that are shown with one entry: with the longest text it still fits a page.
pub const REACTIONS_BYTES: usize = 8 * 1024;
/// Entries that are indexed for search in one transaction: 1 to 2 ms that an append may have to wait.
pub const SEARCH_BATCH: usize = 64;
/// From so many entries on, the search index gets a batch each [`SEARCH_IDLE`] even when appends never
/// pause that long: a small share of the writer's time.
pub const SEARCH_LAG: u64 = 256;
/// A search waits for the index when it is at most so far behind; otherwise it finds what is there.
pub const SEARCH_CATCH_UP: u64 = 4_096;
/// Silence after which the search index is brought up to date.
pub const SEARCH_IDLE: Duration = Duration::from_millis(20);
/// Hits that one page of a search looks at: a common word may stand in many places that the caller
/// may not see. A page can be short for it, its cursor goes on.
pub const SEARCH_HITS: usize = 20_000;
/// Words of a query; the others are ignored.
pub const SEARCH_WORDS: usize = 16;
/// Entries that retention cuts in one transaction, which appends have to wait for.
pub const TRIM_BATCH: usize = 512;
/// The write-ahead log is cut back when it is larger than this.
pub const WAL_BYTES: u64 = 64 * 1024 * 1024;
/// Entries that a memory store keeps, all conversations together; the oldest go first.
pub const MEMORY_ENTRIES: usize = 256 * 1024;
/// Bytes of entries that a memory store keeps.
pub const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// Send ids that a memory store remembers: about 100 bytes each. More than entries, so that what was
/// cut can't come in again at once.
pub const MEMORY_IDS: usize = 1024 * 1024;

// The client.

/// Items of a client's outbox.
pub const OUTBOX_ITEMS: usize = 100_000;
/// Bytes of a client's outbox.
pub const OUTBOX_BYTES: usize = 256 * 1024 * 1024;
/// Events that wait for the application.
pub const EVENTS: usize = 4096;
/// Bytes of events that wait for the application.
pub const EVENT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of one JSON line: the longest text with every byte escaped, and room for its fields.
pub const JSON_LINE_BYTES: usize = 128 * 1024;
/// Requests whose answers the JSON lines remember the `ref` of; the oldest is forgotten first.
pub const JSON_REQUESTS: usize = 4096;
/// First pause before connecting again.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// Longest pause before connecting again.
pub const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// Host names that are looked up at the same time: one can't be broken off and takes a thread meanwhile.
pub const LOOKUPS: usize = 1;
/// From the wish to connect to a TCP stream.
pub const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Positions are saved at least this often while events are taken.
pub const POSITION_WRITE: Duration = Duration::from_secs(1);
/// A link that was up for so long counts as stable: the pause before the next one is short again.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);
/// Requests that wait for a link or for room on it.
pub const ASKS: usize = 1024;
/// Send ids that this run remembers after their ack, so that the same id is answered at once. Older
/// ones are asked of the server again, which remembers for [`SEND_ID_MEMORY`].
pub const ACKED_REMEMBERED: usize = 4096;
/// How long a send waits that was refused because of an earlier one this side knows nothing of.
pub const RESEND_WAIT: Duration = Duration::from_millis(250);
/// What the application took is told to the server at least this often, in one frame.
pub const DELIVERED_MERGE: Duration = Duration::from_secs(1);
/// Entries taken after which the server is told at once.
pub const DELIVERED_ENTRIES: u32 = 256;
/// When a client leaves: how long the application may rest before it takes the next event. After
/// that, positions are saved as they are, and what was not taken comes again at the next start.
pub const TAKE_WAIT: Duration = Duration::from_secs(2);
/// Transfers that a client remembers, those that wait included.
pub const TRANSFERS_KEPT: usize = 1024;
/// Transfers of a client that move at the same time; the others wait. More would only share the same
/// link and disk.
pub const TRANSFERS_AT_ONCE: usize = 4;
/// Bytes of an upload that are read from the disk ahead of what the server confirmed: one window is on
/// its way while the next is read.
pub const FILE_READ_AHEAD: u64 = 2 * TRANSFER_WINDOW as u64;
/// Bytes that are read from a file at a time: few trips to the pool of threads.
pub const FILE_BLOCK_BYTES: usize = 128 * 1024;
/// Bytes of chunks that are sealed at a time, and only when nothing waits to be written: what a message
/// that comes then has to wait for.
pub const CHUNKS_SEALED: usize = 64 * 1024;
/// A file that is fetched is synced each time that so many bytes more are there. More at a time would
/// make the disk busy for so long that messages had to wait for it.
pub const FILE_SYNC_BYTES: u64 = 8 * 1024 * 1024;
/// How far it is synced is noted in the profile in steps of this size: that much is fetched again after
/// a crash of the machine.
pub const FILE_NOTE_BYTES: u64 = 64 * 1024 * 1024;
/// How far a transfer got is told at most this often.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(200);

// The hub.

/// Members of the lobby up to which new accounts are put into it: beyond it every newcomer would be
/// told to thousands.
pub const LOBBY_MEMBERS: usize = 256;
/// Membership changes of one room that wait for each other.
pub const WAITING_CHANGES: usize = 1000;
/// Credit that a link must have before the log is read for it: one entry of any size fits.
pub const READ_CREDIT: u64 = 24 * 1024;
/// How long a link waits after a read of the log failed.
pub const READ_RETRY: Duration = Duration::from_secs(1);
/// Somebody's "is writing" is passed on at most this often in each conversation.
pub const TYPING_EVERY: Duration = Duration::from_secs(1);
/// How long a verdict of a hook is waited for. Far above any deadline of a plugin, which its host keeps:
/// this only ends a wait for an answer that was lost.
pub const HOOK_WAIT: Duration = Duration::from_secs(120);
/// Questions to plugins that are out at a time: memory for them is bounded also when a host hangs.
pub const QUESTIONS: usize = 100_000;
/// Bytes of entries that plugins are asked about.
pub const ASK_BYTES: usize = 64 * 1024 * 1024;
/// Longest reason of a plugin for a refusal: a line or two.
pub const REASON_BYTES: usize = 512;
/// Commands of all plugins: with the longest name and help they fit a page.
pub const COMMANDS: usize = 100;
/// Longest help text of a command; a hundred of them fit a page.
pub const COMMAND_HELP_BYTES: usize = 256;
/// Longest arguments of a command, like a text.
pub const COMMAND_BYTES: usize = TEXT_BYTES;
/// Longest notice of a plugin, like a text.
pub const NOTICE_BYTES: usize = TEXT_BYTES;
/// Entries and notices of one plugin that may come at once...
pub const VOICE_BURST: u32 = 100;
/// ...and so many a second after that: two plugins that answer each other stay harmless.
pub const VOICE_RATE: u32 = 20;
/// Entries that plugins refused and that are remembered, with their reasons: who lost the link before it
/// heard of it sends the same again, soon or never.
pub const REJECTED: usize = 10_000;
/// Plugins that have spoken and whose rate is remembered.
pub const VOICES: usize = 1_000;
/// Conversations in which somebody writes at the same time.
pub const TYPING_AT_ONCE: usize = 8;
/// A link gets so many lists at once...
pub const LISTS_AT_ONCE: u32 = 256;
/// ...and one more each time this has passed: a page of a room's members takes the hub up to a
/// millisecond, in which nobody is served.
pub const LIST_EVERY: Duration = Duration::from_millis(50);
/// Cursors of one write.
pub const CURSOR_BATCH: usize = 1000;
/// Retry hint when the server is busy, in milliseconds.
pub const BUSY_RETRY_MS: u32 = 2_000;
/// The logs are cut this often, where the operator limits them.
pub const TRIM_EVERY: Duration = Duration::from_secs(60);
