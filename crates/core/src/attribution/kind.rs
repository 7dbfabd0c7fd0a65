//! The kinds of a leak.

/// What keeps the memory.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A global, cache, map or array that only grows.
    Collection,
    /// A request, context or promise that stays reachable.
    Closure,
    /// A listener that is not taken off.
    Listener,
    /// A timer that is not cleared.
    Timer,
    /// External memory, array buffers, wasm, malloc, or the kernel's objects.
    Native,
    /// Not known.
    #[default]
    Unknown,
}

impl Kind {
    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::Closure => "closure",
            Self::Listener => "listener",
            Self::Timer => "timer",
            Self::Native => "native",
            Self::Unknown => "unknown",
        }
    }
}
