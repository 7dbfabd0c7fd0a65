//! What can grow: names, units, and what is too little to matter.

/// What can grow.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Resource {
    /// Used heap after full collections.
    Heap,
    /// External memory after full collections.
    External,
    /// Of it, `ArrayBuffer`s.
    ArrayBuffers,
    /// Private memory that is neither V8's heap nor external.
    Native,
    /// Listeners on shared emitters.
    Listeners,
    /// Live timers.
    Timers,
    /// Open handles.
    Handles,
    /// Open file descriptors.
    Descriptors,
    /// Requests that started and have not ended.
    InFlight,
    /// Own keys of `globalThis`.
    Globals,
}

impl Resource {
    /// All of them, what a leak is named by first.
    pub const ALL: [Self; 10] = [
        Self::Heap,
        Self::External,
        Self::ArrayBuffers,
        Self::Native,
        Self::Listeners,
        Self::Timers,
        Self::Handles,
        Self::Descriptors,
        Self::InFlight,
        Self::Globals,
    ];

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::External => "external",
            Self::ArrayBuffers => "arrayBuffers",
            Self::Native => "native",
            Self::Listeners => "listeners",
            Self::Timers => "timers",
            Self::Handles => "handles",
            Self::Descriptors => "descriptors",
            Self::InFlight => "inFlight",
            Self::Globals => "globals",
        }
    }

    /// The unit of what is kept per request.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Heap | Self::External | Self::ArrayBuffers | Self::Native => "bytes",
            Self::Listeners => "listeners",
            Self::Timers => "timers",
            Self::Handles => "handles",
            Self::Descriptors => "descriptors",
            Self::InFlight => "requests",
            Self::Globals => "keys",
        }
    }

    /// Whether it is memory, counted in bytes.
    pub fn is_memory(self) -> bool {
        self.unit() == "bytes"
    }

    /// Who says so.
    pub fn witness(self) -> &'static str {
        match self {
            Self::Listeners => "listener-sites",
            Self::Timers => "timer-sites",
            _ => "floor-regression",
        }
    }

    /// Less than this per request is not worth a person's time: a closure or an array entry takes 32 to 64 bytes.
    pub(crate) fn least_per_request(self) -> f64 {
        match self {
            Self::Heap => 64.0,
            Self::External | Self::ArrayBuffers => 256.0,
            Self::Native => 1024.0,
            _ => 0.02,
        }
    }

    /// Less than this in all is within what compiled code, caches and the allocator move by themselves.
    pub(crate) fn least_total(self) -> f64 {
        match self {
            Self::Heap => 128.0 * 1024.0,
            Self::External | Self::ArrayBuffers => 512.0 * 1024.0,
            Self::Native => 8.0 * 1024.0 * 1024.0,
            _ => 20.0,
        }
    }

    /// Readings are not more exact than this: an allocator's grain, or one thing counted a moment too late.
    pub(crate) fn resolution(self) -> f64 {
        match self {
            Self::Heap | Self::External | Self::ArrayBuffers => 1024.0,
            Self::Native => 65_536.0,
            _ => 0.5,
        }
    }
}
