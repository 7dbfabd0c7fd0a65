//! Threads: starting them, which the kernel may refuse, and waiting for them, within a time limit.

use crate::error::Error;
use crate::faults;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Starts a thread of that name.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    if faults::fails(name) {
        return Err(Error::Thread(io::Error::from(io::ErrorKind::WouldBlock)));
    }
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Error::Thread)
}

/// Waits for a thread, but not for ever: a disk that hangs must not keep the app from ending.
pub(crate) fn join(thread: JoinHandle<()>, deadline: Instant) {
    while !thread.is_finished() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
    if thread.is_finished() {
        // A panic of the thread was counted by itself.
        let _ = thread.join();
    }
}
