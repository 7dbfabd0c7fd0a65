//! Making a shadow: the fork, and what has to hold before it.

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

#[cfg(target_os = "linux")]
pub use linux::{Preparation, freeze};

/// Limits of one freeze.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long to wait until every other thread sleeps.
    pub wait_for_idle: Duration,
    /// CPU time after which the shadow is ended, s; it is also ended when four times as long has passed.
    pub cpu_seconds: u32,
    /// Memory that the shadow may take beyond what it shares with the app, bytes; `None` for no limit of ours.
    pub memory: Option<u64>,
}

/// What the app thread's pause consists of, ns.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pause {
    /// Waiting until the other threads sleep.
    pub idle: u64,
    /// Checking the memory areas, reading them again where they had changed.
    pub areas: u64,
    /// Lifting the marks, and the fork itself.
    pub fork: u64,
    /// Putting the marks back.
    pub restore: u64,
    /// All of it.
    pub total: u64,
    /// Whether the areas had to be read again.
    pub areas_read_again: bool,
}

/// Which side of the fork this is.
#[derive(Debug)]
pub enum Frozen {
    /// The app: its shadow's process id, and what the freeze cost.
    Parent {
        /// The shadow.
        pid: i32,
        /// What the app felt.
        pause: Pause,
    },
    /// The shadow. It must answer on [`OUTPUT`] and then call [`end`], never return to the app's code.
    Child,
}

/// The descriptor on which every shadow writes its answers.
pub const OUTPUT: RawFd = 3;

/// Why no shadow was made. Nothing has changed in the app then.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// `/proc` cannot be read: a container without it, or a security policy.
    Proc(io::Error),
    /// These threads did not sleep within the time given.
    Busy(Vec<String>),
    /// The kernel refused the fork: process limit, memory, or a security policy.
    Fork(io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proc(_) => f.write_str("/proc cannot be read"),
            Self::Busy(threads) => write!(f, "threads did not come to rest: {}", threads.join(", ")),
            Self::Fork(_) => f.write_str("the kernel refused to fork"),
        }
    }
}

impl Refusal {
    /// Whether every later freeze would be refused too: a security policy (seccomp) forbids the call itself.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Fork(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS)))
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Proc(error) | Self::Fork(error) => Some(error),
            Self::Busy(_) => None,
        }
    }
}

/// Ends a shadow at once: no exit handlers, no destructors.
pub fn end(status: i32) -> ! {
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(status) }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Frozen, Limits, Pause, Refusal, end};
    use crate::areas::Areas;
    use crate::clock::monotonic;
    use crate::{child, idle};
    use std::io;
    use std::os::fd::RawFd;
    use std::time::Duration;

    /// How often the fork looks again whether the other threads sleep.
    const LOOK_AGAIN: Duration = Duration::from_micros(200);

    /// What can be done away from the app thread, before a freeze.
    #[derive(Debug)]
    pub struct Preparation {
        areas: Areas,
    }

    impl Preparation {
        /// Reads the process's memory map with its marks. About 25 ms per GB of resident memory: not on the app thread.
        pub fn read() -> io::Result<Self> {
            Areas::read().map(|areas| Self { areas })
        }
    }

    /// Freezes the process into a shadow that writes on a copy of `output`.
    ///
    /// Threads whose names begin with `leakprobe` may be at work meanwhile.
    ///
    /// # Safety
    ///
    /// On the app thread, at a point where JavaScript may run. The child side must not return into the caller's own
    /// caller: it answers and calls [`end`].
    pub unsafe fn freeze(
        preparation: &mut Preparation,
        output: RawFd,
        limits: Limits,
    ) -> Result<Frozen, Refusal> {
        let began = monotonic();
        wait_until_idle(limits.wait_for_idle)?;
        let idle = monotonic();

        let areas = &mut preparation.areas;
        let read_again = !areas.still_hold().map_err(Refusal::Proc)?;
        if read_again {
            areas.read_again().map_err(Refusal::Proc)?;
        }
        let checked = monotonic();

        // SAFETY: reads this process's own id.
        let parent = unsafe { libc::getpid() };
        let lifted = areas.lift();
        // SAFETY: the other threads sleep, glibc's fork puts malloc's locks in order, and the child runs only what
        // `become_shadow` and the caller's answer need.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: this is the forked child with its only thread.
            if unsafe { child::become_shadow(parent, output, limits) }.is_err() {
                end(2);
            }
            std::mem::forget(lifted);
            return Ok(Frozen::Child);
        }
        let failed = (pid < 0).then(io::Error::last_os_error);
        let forked = monotonic();
        drop(lifted);
        let restored = monotonic();
        if let Some(error) = failed {
            return Err(Refusal::Fork(error));
        }
        let pause = Pause {
            idle: idle.saturating_sub(began),
            areas: checked.saturating_sub(idle),
            fork: forked.saturating_sub(checked),
            restore: restored.saturating_sub(forked),
            total: restored.saturating_sub(began),
            areas_read_again: read_again,
        };
        Ok(Frozen::Parent { pid, pause })
    }

    fn wait_until_idle(limit: Duration) -> Result<(), Refusal> {
        let me = crate::thread_id().unwrap_or(0);
        let deadline = monotonic().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
        loop {
            let busy = idle::busy_threads(me).map_err(Refusal::Proc)?;
            if busy.is_empty() {
                return Ok(());
            }
            if monotonic() >= deadline {
                return Err(Refusal::Busy(busy));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_refuses_for_ever_and_a_limit_for_now() {
        let fork = |code| Refusal::Fork(io::Error::from_raw_os_error(code)).is_final();
        assert!(fork(libc::EPERM) && fork(libc::ENOSYS));
        assert!(!fork(libc::EAGAIN) && !fork(libc::ENOMEM) && !Refusal::Busy(vec![]).is_final());
    }
}
