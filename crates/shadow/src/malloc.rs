//! What the C library's malloc holds: given out, and not.

use crate::symbols;
use std::ffi::c_void;
use std::ptr::NonNull;

/// `struct mallinfo2` of glibc 2.33 and later: ten `size_t`.
#[repr(C)]
#[derive(Default)]
struct Information {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

type Mallinfo2 = unsafe extern "C" fn() -> Information;

/// Bytes that malloc holds, over all its arenas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malloc {
    /// Given out, mapped blocks included.
    pub used: u64,
    /// Not given out: pieces that are free, most of them still resident.
    pub free: u64,
}

/// Asks glibc; `None` with another C library, or one older than 2.33.
///
/// Takes each arena's lock for a walk over its free pieces: some µs, some ms where there are very many. For a background
/// thread, and rarely.
pub fn malloc() -> Option<Malloc> {
    let function = symbols::find(c"mallinfo2")?;
    // SAFETY: glibc declares `struct mallinfo2 mallinfo2(void)`, and no other library has a function of this name.
    let mallinfo2 = unsafe { std::mem::transmute::<NonNull<c_void>, Mallinfo2>(function) };
    // SAFETY: it may be called on any thread at any time.
    let information = unsafe { mallinfo2() };
    Some(Malloc {
        used: (information.uordblks as u64).saturating_add(information.hblkhd as u64),
        free: information.fordblks as u64,
    })
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_is_counted() {
        let before = malloc().unwrap();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let with = malloc().unwrap();
        assert!(with.used >= before.used + (60 << 20), "{before:?} {with:?}");
        drop(block);
    }
}
