//! What keeps a process from being frozen, as far as that can be told without freezing it.
//!
//! What only shows at the fork itself (a seccomp policy, a limit of processes) is a [`crate::Refusal`].

use std::fmt;
use std::io;

/// Why this process cannot be frozen.
#[derive(Debug)]
#[non_exhaustive]
pub enum Obstacle {
    /// Not Linux.
    System,
    /// musl is the C library: its `fork` leaves locks that other threads held taken for ever, in the child.
    Musl,
    /// The C library is neither glibc nor musl.
    CLibrary,
    /// No loaded object calls `pthread_cond_signal` through a slot: the calls could not be made harmless in the child.
    ConditionVariables,
    /// This file cannot be read: a container without it, or a security policy.
    File(&'static str, io::Error),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("a shadow needs Linux"),
            Self::Musl => f.write_str("musl's fork leaves locks that other threads held taken for ever"),
            Self::CLibrary => f.write_str("a shadow needs glibc"),
            Self::ConditionVariables => f.write_str(
                "no loaded object calls pthread_cond_signal in a way that can be changed in a child",
            ),
            Self::File(path, error) => write!(f, "{path} cannot be used: {error}"),
        }
    }
}

/// What keeps this process from being frozen, `None` when nothing is known of. Reads smaps: not on the app thread.
#[cfg(target_os = "linux")]
pub fn obstacle() -> Option<Obstacle> {
    use crate::freeze::Preparation;
    use crate::{relocation, symbols};
    use std::fs::{self, File};

    let loaded = relocation::loaded();
    if loaded.musl || cfg!(target_env = "musl") {
        return Some(Obstacle::Musl);
    }
    if symbols::find(c"gnu_get_libc_version").is_none() {
        return Some(Obstacle::CLibrary);
    }
    if loaded.slots == 0 {
        return Some(Obstacle::ConditionVariables);
    }
    let directory = |path| fs::read_dir(path).err().map(|error| Obstacle::File(path, error));
    let null = "/dev/null";
    Preparation::read()
        .err()
        .map(|error| Obstacle::File("/proc/self/smaps", error))
        .or_else(|| directory("/proc/self/task"))
        .or_else(|| directory("/proc/self/fd"))
        .or_else(|| {
            File::options().read(true).write(true).open(null).err().map(|error| Obstacle::File(null, error))
        })
}

/// Nothing is frozen here.
#[cfg(not(target_os = "linux"))]
pub fn obstacle() -> Option<Obstacle> {
    Some(Obstacle::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_sentences() {
        let denied = || io::Error::from_raw_os_error(libc::EACCES);
        let text = Obstacle::File("/proc/self/smaps", denied()).to_string();
        assert_eq!(text, "/proc/self/smaps cannot be used: Permission denied (os error 13)");
        assert!(Obstacle::Musl.to_string().starts_with("musl's fork"));
    }

    #[test]
    fn a_process_without_condition_variables_of_its_own_says_so_or_nothing_is_in_the_way() {
        assert!(matches!(obstacle(), None | Some(Obstacle::ConditionVariables)), "{:?}", obstacle());
    }
}
