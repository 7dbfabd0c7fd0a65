//! malloc's numbers, asked for as rarely as asking is dear: it locks each arena for a walk over its free pieces.

use crate::config::Preset;
use leakprobe_core::Nanos;
use leakprobe_shadow::{Malloc, malloc};

/// Asked this often with preset `production`, and with `test`, ns.
const EVERY_NS: u64 = 10_000_000_000;
const EVERY_TEST_NS: u64 = 1_000_000_000;
/// An answer that took longer than this share of the time until the next is asked for more rarely.
const MOST_SHARE: u64 = 10_000;
/// But not more rarely than this, ns: on a busy machine an answer may have waited for a CPU.
const LONGEST_NS: u64 = 300_000_000_000;

/// The last answer, and when to ask again.
#[derive(Debug)]
pub(crate) struct MallocReader {
    every_ns: u64,
    last: Option<Malloc>,
    next: Nanos,
}

impl MallocReader {
    pub(crate) fn new(preset: Preset) -> Self {
        let every_ns = if preset == Preset::Test { EVERY_TEST_NS } else { EVERY_NS };
        Self { every_ns, last: None, next: Nanos(0) }
    }

    /// The numbers, at most some seconds old; `None` where malloc does not tell.
    pub(crate) fn read(&mut self, now: fn() -> Nanos) -> Option<Malloc> {
        let before = now();
        if before >= self.next {
            self.last = malloc();
            let took_ns = now().since(before);
            self.next = before.plus(self.pace(took_ns));
        }
        self.last
    }

    fn pace(&self, took_ns: u64) -> u64 {
        self.every_ns.max(took_ns.saturating_mul(MOST_SHARE)).min(LONGEST_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dear_answer_is_asked_for_rarely() {
        let reader = MallocReader::new(Preset::Production);
        assert_eq!(reader.pace(5_000), EVERY_NS);
        assert_eq!(reader.pace(20_000_000), 200_000_000_000);
        assert_eq!(reader.pace(2_000_000_000), LONGEST_NS);
        assert_eq!(MallocReader::new(Preset::Test).pace(5_000), EVERY_TEST_NS);
    }
}
