//! What only the app thread can read of V8: its spaces, for the memory map, and CPU profiles.

use crate::error::from_recorder;
use crate::probe::{NativeProbe, convert};
use leakprobe_core::memory_map::HeapSpaces;
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

#[napi]
impl NativeProbe {
    /// Begins the CPU profile of this incident: for how long, ms. Throws when it is too late.
    #[napi]
    pub fn begin_cpu_profile(&self, id: String) -> napi::Result<u32> {
        self.with(|running| {
            let ms = running.recorder.begin_cpu_profile(&id).map_err(from_recorder)?;
            Ok(u32::try_from(ms).unwrap_or(u32::MAX))
        })
    }

    /// The profile as V8's JSON, or why there is none; `pause_ms` is what it cost.
    #[napi]
    pub fn end_cpu_profile(
        &self,
        id: String,
        profile: Option<String>,
        pause_ms: f64,
        why: Option<String>,
    ) -> napi::Result<()> {
        let profile = profile.ok_or_else(|| why.unwrap_or_default());
        self.with(|running| {
            running.recorder.end_cpu_profile(&id, profile, pause_ms);
            Ok(())
        })
    }

    /// What V8 says now, bytes: used in the new, the old, the code, the large-object and all other spaces, what of all spaces is
    /// resident, what the young generation holds, used or not, and array buffers.
    #[napi]
    pub fn heap_spaces(&self, numbers: Float64Array) -> napi::Result<()> {
        let numbers: &[f64] = numbers.as_ref();
        let number = |index: usize| numbers.get(index).copied().map_or(0, convert);
        let spaces = HeapSpaces {
            new: number(0),
            old: number(1),
            code: number(2),
            large: number(3),
            other: number(4),
            physical: number(5),
            young_held: number(6),
            array_buffers: number(7),
        };
        self.with(|running| {
            running.recorder.set_heap_spaces(spaces);
            Ok(())
        })
    }
}
