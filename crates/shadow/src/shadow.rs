//! The parent's hold on a shadow: watched, given a deadline, killed and reaped.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

/// How often an ended child is looked for while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How a shadow ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// By itself, with this status; 0 means that it answered everything.
    Exited(i32),
    /// By this signal: SIGKILL from us or the kernel, SIGXCPU or SIGALRM at its own limits, SIGSEGV or SIGABRT by a fault.
    Signalled(i32),
}

/// What a shadow used until it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time, ms.
    pub cpu_ms: f64,
    /// Largest resident memory, bytes, the pages shared with the app included.
    pub peak_bytes: u64,
}

/// Whether a signal is what a process gets for a fault of its own: want of memory (V8 aborts or traps then), or a bug.
pub fn is_crash(signal: i32) -> bool {
    matches!(signal, libc::SIGABRT | libc::SIGTRAP | libc::SIGILL | libc::SIGSEGV | libc::SIGBUS)
}

/// A running shadow. Dropped, it is killed and reaped: no zombie is left behind.
#[derive(Debug)]
pub struct Shadow {
    pid: libc::pid_t,
    ending: Option<Ending>,
    usage: Usage,
}

impl Shadow {
    /// Takes charge of the child `pid`, which [`crate::freeze()`] made.
    pub fn new(pid: i32) -> Self {
        Self { pid, ending: None, usage: Usage::default() }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What it used; zero while it runs, or where somebody else reaped it.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Waits until it has ended, at most for `limit`; `None` while it runs.
    pub fn wait(&mut self, limit: Duration) -> Option<Ending> {
        let deadline = Instant::now() + limit;
        while self.ending.is_none() {
            self.ending = self.reap(libc::WNOHANG);
            if self.ending.is_some() || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        self.ending
    }

    /// Ends it, whatever it does.
    pub fn kill(&mut self) -> Ending {
        if self.ending.is_none() {
            // SAFETY: `pid` is a child of ours that has not been reaped, so the number is still its own.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            self.ending = self.reap(0);
        }
        self.ending.unwrap_or(Ending::Signalled(libc::SIGKILL))
    }

    fn reap(&mut self, options: libc::c_int) -> Option<Ending> {
        let mut status = 0;
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        loop {
            // SAFETY: both are writable; only this child is waited for, so nobody else's child is reaped.
            let reaped = unsafe { libc::wait4(self.pid, &raw mut status, options, usage.as_mut_ptr()) };
            if reaped == self.pid {
                break;
            }
            let interrupted = io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
            match reaped {
                0 => return None,
                _ if interrupted => {}
                // Somebody else reaped it (a SIGCHLD handler that waits for any child): how it ended is not known.
                _ => return Some(Ending::Signalled(0)),
            }
        }
        // SAFETY: all zeros is a valid value, and wait4 has filled it in.
        self.usage = used(&unsafe { usage.assume_init() });
        if libc::WIFEXITED(status) {
            Some(Ending::Exited(libc::WEXITSTATUS(status)))
        } else {
            Some(Ending::Signalled(libc::WTERMSIG(status)))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds stay below 2^53")]
fn used(usage: &libc::rusage) -> Usage {
    let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    Usage {
        cpu_ms: ms(usage.ru_utime) + ms(usage.ru_stime),
        peak_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `descriptor` has something to read or its other end is closed; `false` when `limit` has passed.
pub fn wait_readable(descriptor: impl AsFd, limit: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: descriptor.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let limit = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: one valid pollfd, whose descriptor stays open for the length of the call.
    let ready = unsafe { libc::poll(&raw mut poll, 1, limit) };
    match ready {
        0 => Ok(false),
        1.. => Ok(true),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[expect(clippy::zombie_processes, reason = "reaping it is what is tested")]
    fn shadow(script: &str) -> Shadow {
        let child = Command::new("sh").args(["-c", script]).stdout(Stdio::null()).spawn().unwrap();
        Shadow::new(i32::try_from(child.id()).unwrap())
    }

    fn exists(pid: i32) -> bool {
        std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn an_exit_status_and_a_signal_are_told_apart() {
        let limit = Duration::from_secs(20);
        assert_eq!(shadow("exit 7").wait(limit), Some(Ending::Exited(7)));
        assert_eq!(shadow("kill -ALRM $$").wait(limit), Some(Ending::Signalled(libc::SIGALRM)));
    }

    #[test]
    fn what_it_used_is_known_once_it_has_ended() {
        let mut shadow = shadow("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
        assert_eq!(shadow.usage(), Usage::default());
        shadow.wait(Duration::from_secs(20));
        assert!(shadow.usage().cpu_ms > 0.0 && shadow.usage().peak_bytes > 100_000, "{:?}", shadow.usage());
    }

    #[test]
    fn one_that_hangs_is_killed_and_reaped() {
        let mut shadow = shadow("exec sleep 600");

        assert_eq!(shadow.wait(Duration::ZERO), None);
        assert_eq!(shadow.kill(), Ending::Signalled(libc::SIGKILL));
        assert_eq!(shadow.kill(), Ending::Signalled(libc::SIGKILL));

        assert!(!exists(shadow.pid()));
    }

    #[test]
    fn dropping_leaves_no_zombie() {
        let shadow = shadow("exec sleep 600");
        let pid = shadow.pid();

        drop(shadow);

        assert!(!exists(pid));
    }

    #[test]
    fn readable_means_data_or_the_end() {
        let (reader, writer) = std::io::pipe().unwrap();

        assert!(!wait_readable(&reader, Duration::ZERO).unwrap());
        drop(writer);
        assert!(wait_readable(&reader, Duration::from_secs(20)).unwrap());
    }
}
