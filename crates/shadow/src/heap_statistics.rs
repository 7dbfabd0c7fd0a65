//! V8's heap statistics, read natively.
//!
//! `v8::HeapStatistics` is a row of machine words that grew over V8's versions. Which word is which is not taken on
//! trust: a reading is compared with what `v8.getHeapStatistics()` said a moment before, and a field that does not
//! agree is looked for; if it is not found exactly once, the reader refuses.

use crate::{Isolate, symbols};
use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;

/// Words given to V8: 512 bytes, four times what it fills today.
const WORDS: usize = 64;
type Words = [usize; WORDS];
type GetHeapStatistics = unsafe extern "C" fn(*mut c_void, *mut Words);

/// How far a byte count may move between the two readings of a comparison.
const USED_TOLERANCE: u64 = 1 << 20;
const OTHER_TOLERANCE: u64 = 256 << 10;

/// The statistics that are used, bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeapReading {
    /// `used_heap_size`.
    pub used: u64,
    /// `external_memory`.
    pub external: u64,
    /// `total_heap_size`.
    pub total: u64,
    /// `heap_size_limit`.
    pub limit: u64,
    /// `malloced_memory`.
    pub malloced: u64,
}

/// Why the native reading is not used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mismatch {
    /// The executable does not export the function (another V8, a stripped build).
    SymbolMissing,
    /// This field was found nowhere in what V8 filled, or more than once.
    Field(&'static str),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SymbolMissing => f.write_str("v8::Isolate::GetHeapStatistics is not exported by this node"),
            Self::Field(name) => write!(f, "{name} does not agree with v8.getHeapStatistics()"),
        }
    }
}

impl std::error::Error for Mismatch {}

/// Which word holds which field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Layout {
    used: usize,
    external: usize,
    total: usize,
    limit: usize,
    malloced: usize,
}

/// The order of the fields in Node 20 to 26.
const EXPECTED: Layout = Layout { total: 0, used: 4, limit: 5, malloced: 6, external: 7 };

/// Reads V8's heap statistics on the isolate's thread.
#[derive(Debug)]
pub struct HeapReader {
    isolate: Isolate,
    get: GetHeapStatistics,
    layout: Layout,
}

impl HeapReader {
    /// A reader whose fields agree with `public`, read through `v8.getHeapStatistics()` just before.
    pub fn calibrated(isolate: Isolate, public: HeapReading) -> Result<Self, Mismatch> {
        let address = symbols::find(c"_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE")
            .ok_or(Mismatch::SymbolMissing)?;
        // SAFETY: the mangled name says `void v8::Isolate::GetHeapStatistics(v8::HeapStatistics*)`, a member
        // function, which in the Itanium ABI takes `this` first.
        let get = unsafe { std::mem::transmute::<NonNull<c_void>, GetHeapStatistics>(address) };
        let mut reader = Self { isolate, get, layout: EXPECTED };
        reader.layout = locate(&reader.words(), public)?;
        Ok(reader)
    }

    /// The statistics now. 140–190 ns. Only on the isolate's thread; also inside a GC callback.
    pub fn read(&self) -> HeapReading {
        reading(&self.words(), self.layout)
    }

    fn words(&self) -> Words {
        let mut words: Words = [0; WORDS];
        // SAFETY: `isolate` is current on this thread (an `Isolate` is not `Send`), and V8 writes at most the size of
        // its HeapStatistics, 14 to 16 words, into the 64 given.
        unsafe { (self.get)(self.isolate.as_ptr(), &raw mut words) };
        words
    }
}

fn reading(words: &Words, layout: Layout) -> HeapReading {
    let word = |index: usize| words.get(index).map_or(0, |word| *word as u64);
    HeapReading {
        used: word(layout.used),
        external: word(layout.external),
        total: word(layout.total),
        limit: word(layout.limit),
        malloced: word(layout.malloced),
    }
}

fn locate(words: &Words, public: HeapReading) -> Result<Layout, Mismatch> {
    let find = |name, expected: usize, value: u64, tolerance: u64| {
        let agrees =
            |index: &usize| words.get(*index).is_some_and(|word| (*word as u64).abs_diff(value) <= tolerance);
        if agrees(&expected) {
            return Ok(expected);
        }
        let mut found = (0..WORDS).filter(agrees);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            _ => Err(Mismatch::Field(name)),
        }
    };
    Ok(Layout {
        limit: find("heap_size_limit", EXPECTED.limit, public.limit, 0)?,
        total: find("total_heap_size", EXPECTED.total, public.total, USED_TOLERANCE)?,
        used: find("used_heap_size", EXPECTED.used, public.used, USED_TOLERANCE)?,
        external: find("external_memory", EXPECTED.external, public.external, OTHER_TOLERANCE)?,
        malloced: find("malloced_memory", EXPECTED.malloced, public.malloced, OTHER_TOLERANCE)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    fn public() -> HeapReading {
        HeapReading {
            used: 90 << 20,
            external: 20 << 20,
            total: 120 << 20,
            limit: 4_144 << 20,
            malloced: 7 << 20,
        }
    }

    /// total, executable, physical, available, used, limit, malloced, external, peak malloced.
    fn words_of_today() -> Words {
        let mut words = [0; WORDS];
        words[..9].copy_from_slice(&[
            120 * MB,
            MB,
            110 * MB,
            4_000 * MB,
            90 * MB,
            4_144 * MB,
            7 * MB,
            20 * MB,
            9 * MB,
        ]);
        words
    }

    #[test]
    fn the_layout_of_today_is_recognised() {
        assert_eq!(locate(&words_of_today(), public()), Ok(EXPECTED));
        assert_eq!(reading(&words_of_today(), EXPECTED), public());
    }

    #[test]
    fn fields_that_moved_are_found() {
        let mut words = [0; WORDS];
        words[1..10].copy_from_slice(&words_of_today()[..9]);

        let layout = locate(&words, public()).unwrap();

        assert_eq!(layout, Layout { total: 1, used: 5, limit: 6, malloced: 7, external: 8 });
    }

    #[test]
    fn a_field_that_agrees_nowhere_or_twice_is_refused() {
        let mut nowhere = words_of_today();
        nowhere[5] += 1;
        assert_eq!(locate(&nowhere, public()), Err(Mismatch::Field("heap_size_limit")));

        let mut twice = words_of_today();
        twice[4] = 0;
        twice[20] = 90 * MB;
        twice[21] = 90 * MB + 100;
        assert_eq!(locate(&twice, public()), Err(Mismatch::Field("used_heap_size")));
    }
}
