//! Which threads of this process are at work.
//!
//! A V8 worker that marks or sweeps at the moment of the fork does not exist in the child, and V8 would wait for it for
//! ever. So the fork waits until every other thread sleeps, for a bounded time.

use std::fs;
use std::io;

/// State letter of a thread in the text of `/proc/self/task/<tid>/stat`: what follows the last `)`.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Name of a thread in the same text: between the first `(` and the last `)`.
fn name(stat: &str) -> &str {
    let inside = stat.split_once('(').map_or("", |(_, rest)| rest);
    inside.rsplit_once(')').map_or("", |(name, _)| name)
}

/// Threads of ours have names that begin so. They wait for the shadow's answer, and hold nothing that it needs.
const OURS: &str = "leakprobe";

/// The names of the threads that do not sleep, apart from `me` and our own.
pub(crate) fn busy_threads(me: i32) -> io::Result<Vec<String>> {
    let mut busy = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|id| id.parse::<i32>().ok());
        if id.is_none_or(|id| id == me) {
            continue;
        }
        // A thread that has ended meanwhile is not at work.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if state(&stat) != Some('S') && !name(&stat).starts_with(OURS) {
            busy.push(name(&stat).to_owned());
        }
    }
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_name_survive_brackets_in_the_name() {
        let stat = "42 (a (b) c) R 1 42 42 0 -1 4194304";
        assert_eq!((state(stat), name(stat)), (Some('R'), "a (b) c"));
        assert_eq!((state("nonsense"), name("nonsense")), (None, ""));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_spins_is_busy_and_one_that_waits_is_not() {
        use std::sync::atomic::{AtomicBool, Ordering};
        use std::sync::{Arc, mpsc};

        let (tell, told) = mpsc::channel::<()>();
        let done = Arc::new(AtomicBool::new(false));
        let spin = std::thread::Builder::new().name("spinning".into()).spawn({
            let done = Arc::clone(&done);
            move || while !done.load(Ordering::Relaxed) {}
        });
        let wait = std::thread::Builder::new().name("waiting".into()).spawn(move || told.recv().is_ok());

        let seen = (0..10_000).any(|_| busy_threads(0).unwrap().iter().any(|name| name == "spinning"));
        let waits = (0..10_000).any(|_| !busy_threads(0).unwrap().iter().any(|name| name == "waiting"));
        done.store(true, Ordering::Relaxed);
        tell.send(()).unwrap();
        spin.unwrap().join().unwrap();

        assert!(seen && waits);
        assert!(wait.unwrap().join().unwrap());
    }
}
