//! What holds for every store, run against each adapter, and what holds for durable ones.

mod contract;
#[cfg(feature = "sqlite")]
mod durable;
mod profile;
mod town;
