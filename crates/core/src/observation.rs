//! Observations that do not come over the channel: what a shadow found, what `/proc` says, and what a site is.
//!
//! Not here: what they mean (see [`crate::attribution`]). All of them may be absent or late.

use crate::event::{Nanos, RouteId};

pub use crate::attribution::Kind;

/// An exact floor: what a shadow counted after full collections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Floor {
    /// The [`crate::event::Mark`] of its freeze.
    pub mark: u32,
    /// Used heap, bytes.
    pub heap_used: u64,
    /// External memory, bytes.
    pub external: u64,
    /// Of it: `ArrayBuffer`s, bytes.
    pub array_buffers: u64,
    /// Watched requests that had ended, by route; empty when none are watched.
    pub watched: Vec<Watched>,
}

/// What the app thread read right after full collections of its own, besides what the collections themselves tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForcedFloor {
    /// When; its collections are earlier on the channel.
    pub at: Nanos,
    /// `ArrayBuffer`s, bytes; `None` when not read.
    pub array_buffers: Option<u64>,
    /// Watched requests that had ended, by route; empty when none are watched.
    pub watched: Vec<Watched>,
}

/// Watched requests of one route at a floor.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Watched {
    /// The route.
    pub route: RouteId,
    /// Watched requests that had ended.
    pub watched: u32,
    /// Of them: still there after the collection.
    pub alive: u32,
}

/// What a walk of the heap found: live objects and bytes below each folded path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Census {
    /// The [`crate::event::Mark`] of its freeze.
    pub mark: u32,
    /// Live objects in all.
    pub objects: u64,
    /// The largest holders; more than [`crate::attribution::HOLDERS`] are cut off.
    pub holders: Vec<Holder>,
}

/// What hangs below one folded path of the heap, for example `module cache.js -> Map -> entry`.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// The path's fingerprint, the same in every walk of one process.
    pub signature: u64,
    /// Live objects at the path's end.
    pub count: u64,
    /// Bytes that they retain.
    pub bytes: u64,
    /// What such a path says of a leak there.
    pub kind: Kind,
    /// Class of the objects at the path's end.
    pub class: String,
    /// From the root to them.
    pub path: Vec<String>,
    /// The code they belong to.
    pub culprit: Option<Frame>,
}

/// A place in the code.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frame {
    /// Function; absent at a module's top level.
    pub function: Option<String>,
    /// File or URL; empty when it is not known.
    pub file: String,
    /// Line from 1; 0 when it is not known.
    pub line: u32,
    /// Package that the file belongs to; absent for the application's own files.
    pub package: Option<String>,
}

/// What a site makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SiteKind {
    /// Listeners; counted.
    Listener,
    /// Timers; counted.
    Timer,
    /// Objects, by the sampling heap profiler; live bytes.
    HeapSample,
}

impl SiteKind {
    /// Its name in the stats.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Timer => "timer",
            Self::HeapSample => "heap-sample",
        }
    }
}

/// A site: where listeners, timers or objects are made.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteInfo {
    /// What it makes.
    pub what: SiteKind,
    /// What of, in words: `change of Loader` for listeners, the function for timers; absent for objects.
    pub of: Option<String>,
    /// Innermost frame first.
    pub stack: Vec<Frame>,
}

/// Numbers of the process that the kernel knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessCounts {
    /// When they were read.
    pub at: Nanos,
    /// Private resident memory less V8's heap and less external memory, bytes; noisy.
    pub private_native: Option<u64>,
    /// Open file descriptors.
    pub descriptors: Option<u32>,
}
