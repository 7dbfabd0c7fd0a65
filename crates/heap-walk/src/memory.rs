//! Reading a heap that stands still.

/// A permission to read V8's heap. Whoever makes one promises what [`Memory::new`] asks for, and from then on reading is safe
/// at every address that lies in an object.
///
/// **Invariant:** addresses given to its methods are those that V8's iterator reported plus offsets within the object's
/// size, or are tested with [`Memory::readable`] first.
#[derive(Debug)]
pub(crate) struct Memory(());

#[expect(clippy::unused_self, reason = "who holds the value has the permission")]
impl Memory {
    /// # Safety
    ///
    /// In a shadow, on its only thread: nothing else writes to the heap, and no page of it goes away.
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }

    /// Eight bytes.
    #[inline]
    pub(crate) fn word(&self, at: u64) -> u64 {
        // SAFETY: the invariant of this type; objects are aligned to 8 bytes and fields of words lie at multiples of 8.
        unsafe { (at as *const u64).read() }
    }

    /// Four bytes.
    #[inline]
    pub(crate) fn half(&self, at: u64) -> u32 {
        // SAFETY: the invariant of this type; the fields read so lie at multiples of 4.
        unsafe { (at as *const u32).read() }
    }

    /// Two bytes.
    #[inline]
    pub(crate) fn short(&self, at: u64) -> u16 {
        // SAFETY: the invariant of this type; the fields read so lie at multiples of 2.
        unsafe { (at as *const u16).read() }
    }

    /// One byte.
    #[inline]
    pub(crate) fn byte(&self, at: u64) -> u8 {
        // SAFETY: the invariant of this type.
        unsafe { (at as *const u8).read() }
    }

    /// Copies what lies at any address; `false` where nothing is mapped.
    pub(crate) fn readable(&self, at: u64, into: &mut [u8]) -> bool {
        let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        let remote = libc::iovec { iov_base: at as *mut libc::c_void, iov_len: into.len() };
        // SAFETY: reads this process's own id.
        let this = unsafe { libc::getpid() };
        // SAFETY: the kernel checks every address of the remote side, and the local one is a slice of that length.
        let read = unsafe { libc::process_vm_readv(this, &raw const local, 1, &raw const remote, 1, 0) };
        usize::try_from(read) == Ok(into.len())
    }

    /// Eight words from any address; `None` where nothing is mapped.
    pub(crate) fn words<const N: usize>(&self, at: u64) -> Option<[u64; N]> {
        let mut bytes = vec![0; N * 8];
        if !self.readable(at, &mut bytes) {
            return None;
        }
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        Some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_mapped_is_told_and_not_touched() {
        // SAFETY: this test only reads its own values and asks about addresses.
        let memory = unsafe { Memory::new() };
        let value = [1_u64, 2, 3];
        let at = value.as_ptr() as u64;
        assert_eq!(
            (memory.word(at), memory.half(at + 8), memory.short(at + 16), memory.byte(at + 16)),
            (1, 2, 3, 3)
        );
        assert_eq!(memory.words(at), Some([1, 2, 3]));
        assert_eq!(memory.words::<1>(8), None);
        assert!(!memory.readable(u64::MAX - 64, &mut [0; 8]));
    }
}
