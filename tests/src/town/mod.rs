//! A town of simulated people: the engine's real machines on a made-up clock, network and disk.
//!
//! [`Town`] is for tests that read like a script. [`simulate`] makes a whole story of one number:
//! who says what when, and what breaks meanwhile; a witness judges what the
//! applications were told. Nothing here waits, and nothing differs between two runs.

mod agenda;
mod disk;
mod end;
mod net;
mod plugins;
mod program;
mod script;
mod seeded;
mod server;
mod story;
mod truth;
mod witness;
mod world;

pub use script::{Town, Who};
pub use story::{Outcome, simulate};

/// A bug that is planted on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sabotage {
    /// None.
    #[default]
    None,
    /// The store tells of a batch while it is being written.
    AckBeforeCommit,
    /// A batch that a crash tears apart leaves its second half behind.
    TornTail,
    /// After a failed append, later ones of its conversation go on.
    Overtake,
    /// Reads of the log leave entries out.
    DropRead,
    /// A send that is repeated gets a new id.
    NewIdOnResend,
    /// The client's disk tells of a write before it is durable.
    QueueBeforeSave,
    /// The client saves positions that its application has not reached.
    PositionAhead,
    /// After a crash of the server nobody is asked any more.
    ForgetFilters,
}

/// What happened in a story. Every kind must happen often enough, or the rest proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Entries that were committed.
    pub entries: u32,
    /// Faults of all kinds.
    pub faults: u32,
    /// A link used up its credit, and lagged.
    pub lagging: u32,
    /// The log was read for a link.
    pub reads: u32,
    /// Somebody came back into a room.
    pub rejoin: u32,
    /// A send was repeated.
    pub resend: u32,
    /// A repeated send was known already.
    pub known: u32,
    /// A login took over its ghost.
    pub takeover: u32,
    /// An application was told of a gap.
    pub gap: u32,
    /// A crash fell into a transaction.
    pub torn: u32,
    /// A crash came between a commit and its outcome.
    pub untold: u32,
    /// A direction got a new key.
    pub rekey: u32,
    /// A send was refused because of the one before it.
    pub after_refused: u32,
    /// A backup was put back.
    pub restored: u32,
    /// The server crashed.
    pub crashes: u32,
    /// A client's program crashed.
    pub client_crashes: u32,
    /// The disk was full.
    pub full: u32,
    /// Retention cut a log.
    pub trims: u32,
    /// A client was told that its device logged in elsewhere.
    pub replaced: u32,
    /// Plugins were asked.
    pub asked: u32,
    /// They refused an entry.
    pub rejected: u32,
    /// They changed a text.
    pub modified: u32,
    /// Their verdict came when the link had ended.
    pub late: u32,
}
