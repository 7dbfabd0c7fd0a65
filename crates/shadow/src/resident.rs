//! Resident memory by kind of mapping.

#[cfg(target_os = "linux")]
mod reader;

#[cfg(target_os = "linux")]
pub use reader::ResidentReader;

/// Resident bytes by kind of mapping; together all of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Resident {
    /// Private memory without a file that has V8's mark.
    pub v8: u64,
    /// The same without the mark, malloc's own heap included; no stacks.
    pub native: u64,
    /// Stacks of threads that wait in the kernel, and the main thread's.
    pub stacks: u64,
    /// Files and shared memory.
    pub files: u64,
    /// What the kernel maps.
    pub other: u64,
}
