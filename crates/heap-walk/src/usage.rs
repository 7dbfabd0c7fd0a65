//! What a walk costs, as the kernel says it.

/// CPU time of this thread, ms: on a busy machine the clock says nothing of a walk.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of one walk")]
pub(crate) fn cpu_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in a whole structure.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Resident memory of this process, bytes; 0 where it cannot be read.
pub(crate) fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    // SAFETY: reads this process's own configuration.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.unwrap_or(0) * u64::try_from(page).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_and_memory_is_resident() {
        let began = cpu_ms();
        let numbers: Vec<u64> = (0..1 << 20).collect();
        assert!(resident() > size_of_val(numbers.as_slice()) as u64 / 2);
        assert!(cpu_ms() > began);
    }
}
