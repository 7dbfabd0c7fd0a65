//! Where the process's memory is: resident bytes by what holds them, in parts that add up.
//!
//! The kernel's numbers by kind of mapping are the truth. Within them V8's and malloc's numbers say what it is used for, as far as
//! they fit: what was asked for need not be resident, and then the kernel is right.

use serde::{Deserialize, Serialize};

/// Resident memory by kind of mapping, bytes; together all of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Resident {
    /// What V8 has mapped for itself.
    pub v8: u64,
    /// Private memory without a file that is neither V8's nor a stack: malloc's, mostly.
    pub native: u64,
    /// Stacks of threads.
    pub stacks: u64,
    /// Files and shared memory, also the pages of files that the process has changed.
    pub files: u64,
    /// What the kernel maps.
    pub other: u64,
}

/// V8's own numbers, bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HeapSpaces {
    /// Used in `new_space`.
    pub new: u64,
    /// Used in `old_space`.
    pub old: u64,
    /// Used in `code_space` and `code_large_object_space`.
    pub code: u64,
    /// Used in `large_object_space` and `new_large_object_space`.
    pub large: u64,
    /// Used in every other space.
    pub other: u64,
    /// Of all spaces, used or not, what V8 takes to be resident.
    pub physical: u64,
    /// `ArrayBuffer`s and `Buffer`s, garbage included; not in any space.
    pub array_buffers: u64,
    /// Held by `new_space` and `new_large_object_space`, used or not.
    pub young_held: u64,
}

/// malloc's own numbers, bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MallocBytes {
    /// Given out, array buffers as they were then left out.
    pub used: u64,
    /// Not given out.
    pub free: u64,
}

/// A part of the resident memory.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Part {
    /// One of [`NAMES`].
    pub name: String,
    /// Resident bytes.
    pub bytes: u64,
}

/// Resident memory in parts, at an instant.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MemoryMap {
    /// When the kernel was asked, RFC 3339.
    pub at: String,
    /// In the order of [`NAMES`]; together all resident memory. A part that this process cannot tell is left out, and its bytes are in `other`.
    pub parts: Vec<Part>,
}

/// The parts, in the order in which they are told.
pub const NAMES: [&str; 12] = [
    "v8 new space",
    "v8 old space",
    "v8 code",
    "v8 large objects",
    "v8 other",
    "v8 free",
    "array buffers",
    "malloc in use",
    "malloc free",
    "stacks",
    "mapped files",
    "other",
];

impl MemoryMap {
    /// Divides what is resident among the parts. `spaces` and `malloc` are `None` where they were not told.
    ///
    /// Overlaps: array buffers come from malloc and are taken out of `malloc in use`. Memory that was asked for and never touched, or given
    /// back page by page, is counted by malloc and not resident: `malloc free` gives way first, then `malloc in use` and
    /// `array buffers` alike. Memory that V8 has mapped beyond its spaces (WebAssembly, most of all) is `other`.
    pub fn of(
        at: String,
        resident: &Resident,
        spaces: Option<&HeapSpaces>,
        malloc: Option<MallocBytes>,
    ) -> Self {
        let mut parts: Vec<(&str, u64)> = Vec::with_capacity(NAMES.len());
        // A node that marks no mappings as V8's: then V8's word is taken for them.
        let v8 = match spaces {
            Some(spaces) if resident.v8 == 0 => spaces.physical.min(resident.native),
            _ => resident.v8,
        };
        let native = (resident.v8 + resident.native).saturating_sub(v8);
        let mut other = resident.other;
        match spaces {
            Some(spaces) => {
                let used = [spaces.new, spaces.old, spaces.code, spaces.large, spaces.other];
                let used = shares(used, v8);
                let all: u64 = used.iter().sum();
                let free = spaces.physical.min(v8).saturating_sub(all);
                parts.extend(NAMES.iter().copied().zip(used));
                parts.push(("v8 free", free));
                other += v8 - all - free;
            }
            None => parts.push(("v8 other", v8)),
        }
        let buffers = spaces.map_or(0, |spaces| spaces.array_buffers);
        let wanted = match malloc {
            Some(malloc) => [buffers, malloc.used],
            None => [buffers, 0],
        };
        let [buffers, used] = shares(wanted, native);
        let left = native - buffers - used;
        if spaces.is_some() {
            parts.push(("array buffers", buffers));
        }
        if let Some(malloc) = malloc {
            let free = malloc.free.min(left);
            parts.push(("malloc in use", used));
            parts.push(("malloc free", free));
            other += left - free;
        } else {
            other += left;
        }
        parts.extend([("stacks", resident.stacks), ("mapped files", resident.files), ("other", other)]);
        let parts = parts.into_iter().map(|(name, bytes)| Part { name: name.to_owned(), bytes });
        Self { at, parts: parts.collect() }
    }

    /// All resident memory, bytes.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Bytes of a part; `None` where it is left out.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.parts.iter().find(|part| part.name == name).map(|part| part.bytes)
    }
}

/// The amounts, made smaller in proportion where they are more than `most` together.
fn shares<const N: usize>(amounts: [u64; N], most: u64) -> [u64; N] {
    let all: u128 = amounts.iter().map(|amount| u128::from(*amount)).sum();
    if all <= u128::from(most) {
        return amounts;
    }
    amounts.map(|amount| u64::try_from(u128::from(amount) * u128::from(most) / all).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn resident() -> Resident {
        Resident { v8: 100 * MB, native: 60 * MB, stacks: MB, files: 40 * MB, other: 0 }
    }

    fn spaces() -> HeapSpaces {
        HeapSpaces {
            new: 8 * MB,
            old: 50 * MB,
            code: 2 * MB,
            large: 10 * MB,
            other: MB,
            physical: 90 * MB,
            array_buffers: 20 * MB,
            young_held: 32 * MB,
        }
    }

    fn map(spaces: Option<&HeapSpaces>, malloc: Option<MallocBytes>) -> MemoryMap {
        let map = MemoryMap::of(String::new(), &resident(), spaces, malloc);
        assert_eq!(map.total(), 201 * MB, "{map:?}");
        let known: Vec<&str> = NAMES.into_iter().filter(|name| map.bytes(name).is_some()).collect();
        assert_eq!(map.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), known);
        map
    }

    #[test]
    fn what_fits_is_told_as_it_is_and_the_rest_is_other() {
        let map = map(Some(&spaces()), Some(MallocBytes { used: 25 * MB, free: 10 * MB }));
        for (name, megabytes) in [
            ("v8 new space", 8),
            ("v8 old space", 50),
            ("v8 free", 19),
            ("array buffers", 20),
            ("malloc in use", 25),
            ("malloc free", 10),
            ("stacks", 1),
            ("mapped files", 40),
            ("other", 15),
        ] {
            assert_eq!(map.bytes(name), Some(megabytes * MB), "{name}");
        }
    }

    #[test]
    fn what_is_not_resident_gives_way_the_free_first() {
        let map_of = |used, free| map(Some(&spaces()), Some(MallocBytes { used, free }));
        let freed = map_of(25 * MB, 500 * MB);
        assert_eq!(
            (freed.bytes("malloc in use"), freed.bytes("malloc free")),
            (Some(25 * MB), Some(15 * MB))
        );
        let untouched = map_of(100 * MB, 500 * MB);
        assert_eq!(
            (
                untouched.bytes("array buffers"),
                untouched.bytes("malloc in use"),
                untouched.bytes("malloc free")
            ),
            (Some(10 * MB), Some(50 * MB), Some(0))
        );
        let old = HeapSpaces { old: 179 * MB, ..spaces() };
        let stale = map(Some(&old), None);
        assert_eq!((stale.bytes("v8 old space"), stale.bytes("v8 free")), (Some(179 * MB / 2), Some(0)));
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        let map = map(None, None);
        assert_eq!((map.bytes("v8 other"), map.bytes("v8 old space")), (Some(100 * MB), None));
        assert_eq!((map.bytes("malloc free"), map.bytes("other")), (None, Some(60 * MB)));
    }

    #[test]
    fn without_marks_v8_says_how_much_is_its_own() {
        let unmarked = Resident { v8: 0, native: 160 * MB, ..resident() };
        let map = MemoryMap::of(String::new(), &unmarked, Some(&spaces()), None);
        assert_eq!((map.total(), map.bytes("v8 free")), (201 * MB, Some(19 * MB)));
        assert_eq!(map.bytes("other"), Some(50 * MB));
        let nothing = MemoryMap::of(String::new(), &Resident::default(), Some(&spaces()), None);
        assert_eq!(nothing.total(), 0);
    }
}
