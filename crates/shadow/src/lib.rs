//! The running node seen from inside: V8 and libuv functions found by symbol, each checked before it is trusted.
//!
//! Node exports V8's C++ functions for addons. Those used here take integers and pointers only, and their mangled
//! names (Itanium ABI) are the same on Node 20, 22, 24 and 26, so that one binary serves all. A name that is missing,
//! or a result that disagrees with the public JavaScript API, is a capability that is absent, never a guess.
//!
//! # What this crate does not do
//!
//! It knows no Node-API and no JavaScript: who freezes says what the shadow does.
//!
//! Besides one module of the boundary this is the only place with `unsafe`.

#[cfg(target_os = "linux")]
mod areas;
mod blocked;
#[cfg(target_os = "linux")]
mod child;
mod clock;
mod collect;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod event_loop;
mod freeze;
mod gc;
mod heap_limit;
mod heap_sampler;
mod heap_statistics;
#[cfg(target_os = "linux")]
mod idle;
mod interrupt;
mod isolate;
mod malloc;
#[cfg(target_os = "linux")]
mod maps;
mod object_count;
mod obstacle;
#[cfg(target_os = "linux")]
mod relocation;
mod resident;
mod shadow;
mod symbols;
mod young_generation;

pub use blocked::Blocked;
#[cfg(target_os = "linux")]
pub use blocked::blocked_in;
pub use clock::{monotonic, thread_id};
pub use collect::collect_garbage;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Preparation, ResidentReader, blocked_in, freeze};
pub use event_loop::EventLoop;
pub use freeze::{Frozen, Limits, OUTPUT, Pause, Refusal, end};
#[cfg(target_os = "linux")]
pub use freeze::{Preparation, freeze};
pub use gc::{GcCallbacks, GcObserver};
pub use heap_limit::{HeapLimitCallback, HeapLimitObserver};
pub use heap_sampler::HeapSampler;
pub use heap_statistics::{HeapReader, HeapReading, Mismatch};
pub use interrupt::{Interrupt, Interrupter};
pub use isolate::Isolate;
pub use malloc::{Malloc, malloc};
pub use object_count::{can_count_objects, count_objects};
pub use obstacle::{Obstacle, obstacle};
pub use resident::Resident;
#[cfg(target_os = "linux")]
pub use resident::ResidentReader;
pub use shadow::{Ending, Shadow, Usage, is_crash, wait_readable};
pub use young_generation::young_generation_reserve;
