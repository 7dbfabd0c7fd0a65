//! What a forked child does before anything else, so that it holds nothing of the parent's and disturbs nobody.

use crate::freeze::{Limits, OUTPUT};
use crate::relocation;
use std::ffi::CStr;
use std::os::fd::RawFd;

#[cfg(target_env = "musl")]
type Resource = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Resource = libc::__rlimit_resource_t;

/// A shadow may take so many times its CPU time, for at low priority a busy machine gives it a tenth of a CPU.
const WALL_FACTOR: u32 = 4;

/// Makes this process a shadow. `Err` says at which step that failed; the child has to end then.
///
/// # Safety
///
/// Only in the child right after a fork, on its only thread.
pub(crate) unsafe fn become_shadow(
    parent: libc::pid_t,
    output: RawFd,
    limits: Limits,
) -> Result<(), &'static str> {
    // SAFETY: plain system calls with integers; no memory of ours is touched.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: reads the parent's id.
    if unsafe { libc::getppid() } != parent {
        return Err("the parent has gone");
    }
    // SAFETY: copies at most 16 bytes of a literal.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"leakprobe-shadow".as_ptr()) };
    default_signals();
    // SAFETY: as above. Idle priority would starve the shadow on a busy machine; plain low priority does not.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
    limit(libc::RLIMIT_CPU, u64::from(limits.cpu_seconds));
    if let Some(room) = limits.memory {
        limit_memory(room);
    }
    // SAFETY: arms a timer that ends this process by its default handler, whatever hangs.
    unsafe { libc::alarm(limits.cpu_seconds.saturating_mul(WALL_FACTOR)) };
    write_file(c"/proc/self/oom_score_adj", b"1000");
    // SAFETY: duplicates a descriptor that the parent made for this purpose.
    if unsafe { libc::dup2(output, OUTPUT) } != OUTPUT {
        return Err("the output descriptor is not there");
    }
    drop_descriptors()?;
    // SAFETY: the caller promises a forked child with one thread.
    unsafe { relocation::silence_condition_variables() };
    Ok(())
}

/// Lowers a soft limit of this process. The hard one stays. Beyond `RLIMIT_CPU` SIGXCPU ends it by its default handler.
fn limit(resource: Resource, value: u64) {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills in a whole structure.
    if unsafe { libc::getrlimit(resource, &raw mut now) } == 0 {
        now.rlim_cur = now.rlim_cur.min(value);
        // SAFETY: passes a whole structure; a soft limit below the hard one is always allowed.
        unsafe { libc::setrlimit(resource, &raw const now) };
    }
}

/// Beyond `room` more bytes every mapping of private memory fails, and V8 aborts. Pages that are copied because the
/// shadow writes to them are not counted, for they were mapped before.
fn limit_memory(room: u64) {
    let mut text = [0_u8; 128];
    // SAFETY: reads this process's own configuration.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    if let Some(pages) = read_file(c"/proc/self/statm", &mut text).and_then(data_pages) {
        limit(libc::RLIMIT_DATA, pages.saturating_mul(page).saturating_add(room));
    }
}

/// The pages of private writable memory, the sixth field of `/proc/self/statm`.
fn data_pages(statm: &[u8]) -> Option<u64> {
    std::str::from_utf8(statm).ok()?.split_ascii_whitespace().nth(5)?.parse().ok()
}

fn default_signals() {
    for signal in 1..32 {
        // SAFETY: restores default handling; for SIGKILL and SIGSTOP the call fails, which is as good.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set it is given.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set was initialised the line before.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

/// Points every descriptor but the output at `/dev/null`.
///
/// An inherited client socket would keep its connection open after the parent closed it, and a write to libuv's
/// eventfd would wake the parent. Closing is not enough: libuv aborts on a descriptor that has gone bad.
fn drop_descriptors() -> Result<(), &'static str> {
    // SAFETY: opens a device by a literal path.
    let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if null < 0 {
        return Err("/dev/null cannot be opened");
    }
    // SAFETY: opens a directory by a literal path.
    let list = unsafe {
        libc::open(c"/proc/self/fd".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC)
    };
    if list < 0 {
        return Err("/proc/self/fd cannot be opened");
    }
    let mut buffer = [0_u8; 4096];
    loop {
        // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
        let read = unsafe { libc::syscall(libc::SYS_getdents64, list, buffer.as_mut_ptr(), buffer.len()) };
        let Ok(read) = usize::try_from(read) else { return Err("/proc/self/fd cannot be read") };
        if read == 0 {
            break;
        }
        for fd in numbers(buffer.get(..read).unwrap_or(&[])) {
            if fd != OUTPUT && fd != null && fd != list {
                // SAFETY: both descriptors are open in this child; the copy replaces the parent's.
                unsafe { libc::dup2(null, fd) };
            }
        }
    }
    for fd in [null, list] {
        // SAFETY: opened above and not used afterwards.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// The entries of a `getdents64` buffer whose names are numbers.
fn numbers(mut entries: &[u8]) -> impl Iterator<Item = RawFd> {
    const NAME: usize = 19;
    std::iter::from_fn(move || {
        loop {
            let length = usize::from(u16::from_ne_bytes([*entries.get(16)?, *entries.get(17)?]));
            let entry = entries.get(..length).filter(|_| length > NAME)?;
            entries = entries.get(length..)?;
            let number = CStr::from_bytes_until_nul(entry.get(NAME..)?).ok()?.to_str().ok()?.parse();
            if let Ok(number) = number {
                return Some(number);
            }
        }
    })
}

/// The beginning of a file, as much as fits. Allocates nothing.
fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: opens an existing file by a literal path.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return None;
    }
    // SAFETY: the kernel writes at most `buffer.len()` bytes into the buffer.
    let read = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    // SAFETY: opened above and not used afterwards.
    unsafe { libc::close(fd) };
    buffer.get(..usize::try_from(read).ok()?)
}

fn write_file(path: &CStr, text: &[u8]) {
    // SAFETY: opens an existing file by a literal path.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    if fd >= 0 {
        // SAFETY: writes the bytes of a slice; a failure leaves the default, which is acceptable here.
        unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
        // SAFETY: opened above and not used afterwards.
        unsafe { libc::close(fd) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8]) -> Vec<u8> {
        let length = (19 + name.len() + 1).next_multiple_of(8);
        let mut entry = vec![0; length];
        entry[16..18].copy_from_slice(&u16::try_from(length).unwrap().to_ne_bytes());
        entry[19..19 + name.len()].copy_from_slice(name);
        entry
    }

    #[test]
    fn numbers_are_read_and_dots_skipped() {
        let entries = [entry(b"."), entry(b".."), entry(b"0"), entry(b"1234"), entry(b"77")].concat();
        assert_eq!(numbers(&entries).collect::<Vec<_>>(), [0, 1234, 77]);
    }

    #[test]
    fn private_memory_is_the_sixth_field() {
        assert_eq!(data_pages(b"1000 200 30 4 0 567 0\n"), Some(567));
        assert_eq!(
            (data_pages(b"1 2 3 4 5"), data_pages(b"a b c d e f"), data_pages(b"\xff")),
            (None, None, None)
        );
        let mut text = [0_u8; 128];
        assert!(
            read_file(c"/proc/self/statm", &mut text).and_then(data_pages).is_some_and(|pages| pages > 10)
        );
        assert_eq!(read_file(c"/proc/self/not-there", &mut text), None);
    }

    #[test]
    fn a_damaged_list_ends_quietly() {
        let entries = [entry(b"5"), vec![0; 24]].concat();
        assert_eq!(numbers(&entries).collect::<Vec<_>>(), [5]);
        assert_eq!(numbers(&[1, 2, 3]).count(), 0);
    }
}
