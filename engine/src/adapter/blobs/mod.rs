//! Contents of files, in a folder and in memory.

mod dir;
mod memory;
#[cfg(test)]
mod tests;

pub use dir::DirBlobs;
pub use memory::MemoryBlobs;
