//! Waiting for threads, within a time limit.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

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
