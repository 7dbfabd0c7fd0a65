//! How much of V8's heap limit is room for the young generation, measured in a shadow.
//!
//! `heap_size_limit` is the old generation's limit and three semi-spaces (`Heap::MaxReserved` in V8's `heap.cc`). A process dies when
//! the old generation's limit is reached, and no function of V8 tells the two apart: with `--max-old-space-size=256` Node 24
//! says 448 MiB. A shadow may set the old generation's limit to a number of ours, for it ends anyway; what V8 then says above
//! that number is the rest. V8 lowers it to no less than the objects' size and a quarter: where that changes nothing, the old generation's
//! limit is at most so much, and the rest at least what is left.

use crate::heap_limit::{find_add, find_remove};
use crate::{HeapReader, Isolate};
use std::ffi::c_void;

/// So far above V8's least we stay, bytes.
const MARGIN: u64 = 64 << 10;
/// A full heap is believed to be one only where no more than three semi-spaces of 64 MiB follow from that, V8's largest by default.
const MOST: u64 = 192 << 20;

/// The part of `heap_size_limit` that the old generation cannot use, bytes; in a heap that is four fifths full, at least so much. A few
/// microseconds. `None` where the running node lacks a function, and where two measurements differ.
///
/// # Safety
///
/// In a shadow that runs no JavaScript any more, for its heap limit stays low; on the isolate's thread.
pub unsafe fn young_generation_reserve(reader: &HeapReader) -> Option<u64> {
    let isolate = Isolate::current()?;
    let (add, remove) = (find_add()?, find_remove()?);
    let before = reader.read();
    let least = before.used.saturating_add(before.used / 4).saturating_add(MARGIN);
    reserve(before.limit, least, |old_generation| {
        let old_generation = usize::try_from(old_generation).unwrap_or(usize::MAX);
        // SAFETY: the isolate is this thread's; the callback needs no data and is removed on the next line.
        unsafe { add(isolate.as_ptr(), keep, std::ptr::null_mut()) };
        // SAFETY: registered on the line before with this function; V8 lowers the limit while it removes it.
        unsafe { remove(isolate.as_ptr(), keep, old_generation) };
        reader.read().limit
    })
}

/// `lower` sets the old generation's limit, if that is less than it was, and returns V8's whole limit.
fn reserve(limit: u64, least: u64, mut lower: impl FnMut(u64) -> u64) -> Option<u64> {
    let wanted = least.checked_add(MARGIN)?;
    let lowered = lower(wanted);
    if lowered == limit {
        return limit.checked_sub(wanted).filter(|reserve| *reserve <= MOST);
    }
    let first = lowered.checked_sub(wanted)?;
    let second = lower(least).checked_sub(least)?;
    (first == second).then_some(first)
}

/// Never asked: there is no collection between adding and removing it.
unsafe extern "C" fn keep(_: *mut c_void, limit: usize, _: usize) -> usize {
    limit
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    /// V8's arithmetic: the limit is lowered only, and to no less than `objects` and a quarter.
    fn v8(old: u64, young: u64, objects: u64) -> (u64, impl FnMut(u64) -> u64) {
        let mut now = old;
        let lower = move |wanted: u64| {
            now = now.min(wanted.max(objects + objects / 4));
            now + young
        };
        (old + young, lower)
    }

    #[test]
    fn the_rest_above_a_lowered_limit_is_the_young_generations() {
        let (limit, lower) = v8(96 * MB, 48 * MB, 10 * MB);
        assert_eq!(reserve(limit, 14 * MB, lower), Some(48 * MB));
    }

    #[test]
    fn a_heap_too_full_to_lower_its_limit_tells_the_least() {
        let (limit, lower) = v8(96 * MB, 48 * MB, 90 * MB);
        assert_eq!(reserve(limit, 114 * MB, lower), Some(30 * MB - MARGIN));
    }

    #[test]
    fn a_limit_that_cannot_be_lowered_at_all_is_no_full_heap() {
        assert_eq!(reserve(4_144 * MB, 14 * MB, |_| 4_144 * MB), None);
    }

    #[test]
    fn measurements_that_differ_tell_nothing() {
        let mut call = 0;
        let lower = |wanted| {
            call += 1;
            wanted + call * MB
        };
        assert_eq!(reserve(200 * MB, 14 * MB, lower), None);
    }
}
