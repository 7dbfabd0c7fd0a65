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
    let mut patched: usize = 0;
    // SAFETY: `visit` has the type that dl_iterate_phdr calls, and `patched` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut patched).cast()) };
    patched
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, patched: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr passes a valid description of a loaded object for the length of this call.
    let info = unsafe { &*info };
    // SAFETY: `patched` is the counter that `silence_condition_variables` passed on, on this very thread.
    let patched = unsafe { &mut *patched.cast::<usize>() };
    // SAFETY: `dlpi_name` is null or a NUL-terminated string of the loader's.
    let name = if info.dlpi_name.is_null() { c"" } else { unsafe { CStr::from_ptr(info.dlpi_name) } };
    // The C library calls its own functions directly, and the loader's and the kernel's objects have no such slots.
    if !name.to_bytes().windows(5).any(|part| part == b"libc." || part == b"ld-li" || part == b"linux") {
        // SAFETY: the object stays loaded: nothing else runs in this process.
        *patched += unsafe { patch_object(info) };
    }
    0
}

unsafe fn patch_object(info: &libc::dl_phdr_info) -> usize {
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
    let mut patched = 0;
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
                patched += usize::from(unsafe { patch_slot((base + relocation.offset) as *mut usize) });
            }
        }
    }
    patched
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
