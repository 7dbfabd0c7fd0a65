//! Functions of the running executable by their mangled name.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

/// Address of `name` among the symbols that the process exports, `None` where there is none.
pub(crate) fn find(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: `name` is a NUL-terminated string that outlives the call, and RTLD_DEFAULT is always a valid handle.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    NonNull::new(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_of_the_c_library_is_found_and_nonsense_is_not() {
        assert!(find(c"malloc").is_some());
        assert!(find(c"_ZN2v88NonsenseEv").is_none());
    }
}
