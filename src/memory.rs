//! The boundary's part of the memory map: what V8 says of its spaces.

use crate::probe::{NativeProbe, convert};
use leakprobe_core::memory_map::HeapSpaces;
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

#[napi]
impl NativeProbe {
    /// What V8 says now, bytes: used in the new, the old, the code, the large-object and all other spaces, what of all spaces is
    /// resident, and array buffers.
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
            array_buffers: number(6),
        };
        self.with(|running| {
            running.recorder.set_heap_spaces(spaces);
            Ok(())
        })
    }
}
