//! glibc's condition variables made harmless in the child.
//!
//! A condition variable remembers its waiters; in the child those threads do not exist, and `pthread_cond_signal` can
//! wait for them for ever. Nobody waits in the child, so signalling may do nothing: the slots through which the loaded
//! objects call the two functions are pointed at a no-op. The pages are copied on write; the parent's stay as they are.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;
const DT_PLTRELSZ: i64 = 2;

#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

#[repr(C)]
struct Rela {
    offset: usize,
    info: u64,
    /// Not needed.
    addend: i64,
}

#[repr(C)]
struct Symbol {
    name: u32,
    /// Type, visibility, section, value and size: not needed.
    rest: [u32; 5],
}

extern "C" fn no_op(_: *mut c_void) -> c_int {
    0
}

/// Points every slot for `pthread_cond_signal` and `pthread_cond_broadcast` at a no-op; returns how many there were.
///
/// # Safety
///
/// Only in a forked child with a single thread: elsewhere threads that wait would never wake.
pub(crate) unsafe fn silence_condition_variables() -> usize {
    visit_all(true).slots
}

/// What is loaded into this process.
pub(crate) fn loaded() -> Loaded {
    visit_all(false)
}

/// The loaded objects.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Loaded {
    patch: bool,
    /// Slots for the two functions, wherever they are: node's executable, `libnode.so`, `libuv.so`.
    pub(crate) slots: usize,
    /// musl is the C library.
    pub(crate) musl: bool,
}

fn visit_all(patch: bool) -> Loaded {
    let mut loaded = Loaded { patch, ..Loaded::default() };
    // SAFETY: `visit` has the type that dl_iterate_phdr calls, and `loaded` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut loaded).cast()) };
    loaded
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, loaded: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr passes a valid description of a loaded object for the length of this call.
    let info = unsafe { &*info };
    // SAFETY: `loaded` is what `visit_all` passed on, on this very thread.
    let loaded = unsafe { &mut *loaded.cast::<Loaded>() };
    // SAFETY: `dlpi_name` is null or a NUL-terminated string of the loader's.
    let path = if info.dlpi_name.is_null() { c"" } else { unsafe { CStr::from_ptr(info.dlpi_name) } };
    let name = file_name(path.to_bytes());
    loaded.musl |= is_musl(name);
    if !is_c_library(name) {
        // SAFETY: the object stays loaded during the call: dl_iterate_phdr holds the loader's lock.
        loaded.slots += unsafe { visit_object(info, loaded.patch) };
    }
    0
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The C library calls its own functions directly, and the loader's and the kernel's objects have no such slots.
fn is_c_library(name: &[u8]) -> bool {
    [&b"libc."[..], b"ld-", b"linux-vdso", b"linux-gate"].iter().any(|start| name.starts_with(start))
}

fn is_musl(name: &[u8]) -> bool {
    name.starts_with(b"ld-musl-") || name.starts_with(b"libc.musl-")
}

/// The number of slots of one object, each made harmless where `patch` says so.
unsafe fn visit_object(info: &libc::dl_phdr_info, patch: bool) -> usize {
    let base = usize::try_from(info.dlpi_addr).unwrap_or(0);
    // SAFETY: the loader's table of `dlpi_phnum` program headers.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let Some(dynamic) = headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) else { return 0 };
    let mut entry = (base + usize::try_from(dynamic.p_vaddr).unwrap_or(0)) as *const Dynamic;
    let (mut strings, mut symbols) = (0, 0);
    let mut tables = [(0, 0), (0, 0)];
    loop {
        // SAFETY: the dynamic section is a row of entries that ends with tag 0, which ends this loop.
        let Dynamic { tag, value } = unsafe { ptr::read(entry) };
        // glibc has relocated the addresses already; other loaders leave offsets.
        let address = if value < base { value + base } else { value };
        match tag {
            0 => break,
            DT_STRTAB => strings = address,
            DT_SYMTAB => symbols = address,
            DT_JMPREL => tables[0].0 = address,
            DT_PLTRELSZ => tables[0].1 = value,
            DT_RELA => tables[1].0 = address,
            DT_RELASZ => tables[1].1 = value,
            _ => {}
        }
        // SAFETY: the entry just read was not the last one.
        entry = unsafe { entry.add(1) };
    }
    if strings == 0 || symbols == 0 {
        return 0;
    }
    let mut slots = 0;
    for (table, bytes) in tables.into_iter().filter(|(table, _)| *table != 0) {
        // SAFETY: DT_RELA and DT_JMPREL point at that many bytes of relocations with addends.
        let relocations =
            unsafe { std::slice::from_raw_parts(table as *const Rela, bytes / size_of::<Rela>()) };
        for relocation in relocations {
            let index = usize::try_from(relocation.info >> 32).unwrap_or(0);
            if index == 0 {
                continue;
            }
            let symbol = (symbols + index * size_of::<Symbol>()) as *const Symbol;
            // SAFETY: a relocation's symbol index is within the symbol table, so this is one of its entries.
            let name = strings + unsafe { &*symbol }.name as usize;
            // SAFETY: a symbol's name is an offset into the string table, NUL-terminated.
            let name = unsafe { CStr::from_ptr(name as *const c_char) };
            if name == c"pthread_cond_signal" || name == c"pthread_cond_broadcast" {
                // SAFETY: the relocation says that this word of the object holds the function's address.
                let done = !patch || unsafe { patch_slot((base + relocation.offset) as *mut usize) };
                slots += usize::from(done);
            }
        }
    }
    slots
}

unsafe fn patch_slot(slot: *mut usize) -> bool {
    const PAGE: usize = 4096;
    let page = slot as usize & !(PAGE - 1);
    // SAFETY: makes the slot's page writable in this child only; it holds data that the loader wrote.
    let writable = unsafe {
        libc::mprotect(page as *mut c_void, 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE)
    } == 0
        // SAFETY: the same for the slot's page alone, where the next page belongs to something else.
        || unsafe { libc::mprotect(page as *mut c_void, PAGE, libc::PROT_READ | libc::PROT_WRITE) } == 0;
    if writable {
        // SAFETY: the slot is an aligned word on a page that has just been made writable.
        unsafe { ptr::write(slot, no_op as *const () as usize) };
    }
    writable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_file_and_not_by_its_directory() {
        let skipped = |path: &str| is_c_library(file_name(path.as_bytes()));
        for path in [
            "",
            "/usr/bin/node",
            "/usr/lib/x86_64-linux-gnu/libnode.so.115",
            "libuv.so.1",
            "/opt/libc.d/libx.so",
        ] {
            assert!(!skipped(path), "{path}");
        }
        for path in [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
            "linux-vdso.so.1",
            "ld-linux-aarch64.so.1",
        ] {
            assert!(skipped(path), "{path}");
        }
    }

    #[test]
    fn musl_is_recognised() {
        let musl = |path: &str| is_musl(file_name(path.as_bytes()));
        assert!(musl("/lib/ld-musl-x86_64.so.1") && musl("libc.musl-aarch64.so.1"));
        assert!(!musl("/lib/x86_64-linux-gnu/libc.so.6") && !musl("/musl/ld-linux-x86-64.so.2"));
        assert!(!loaded().musl);
    }

    #[test]
    fn the_slots_of_a_shared_library_are_found() {
        let before = loaded().slots;
        // SAFETY: loads a library whose initialisers do nothing but set up itself.
        let library = unsafe { libc::dlopen(c"libstdc++.so.6".as_ptr(), libc::RTLD_NOW) };
        assert!(!library.is_null(), "the library that node itself needs");
        assert!(loaded().slots >= before + 2);
    }
}
