//! The ports, filled: stores and profiles in SQLite and in memory, files in folders.

pub mod blobs;
pub mod disk;
mod fold;
mod folder;
mod history;
pub mod known_hosts;
pub mod lock;
pub mod memory;
mod outcomes;
pub mod profile_memory;
#[cfg(feature = "sqlite")]
pub mod profile_sqlite;
mod rules;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use blobs::{DirBlobs, MemoryBlobs};
pub use disk::DiskFiles;
pub use known_hosts::KnownHosts;
pub use lock::Lock;
pub use memory::MemoryStore;
pub use profile_memory::MemoryProfile;
#[cfg(feature = "sqlite")]
pub use profile_sqlite::SqliteProfile;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore, Synchronous};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::UnixTime;

/// Locks, also after a panic of another thread: every state behind these mutexes is whole between
/// two statements.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The date. Before 1970 it counts as 1970.
fn today() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime::default() + since.unwrap_or_default()
}

#[cfg(test)]
mod tests;
