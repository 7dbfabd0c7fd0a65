//! Resident memory by kind of mapping, asked for as rarely as asking is dear: the kernel walks every page table for it.

use crate::config::Preset;
use crate::process_reading::own_cpu_ns;
use leakprobe_core::Nanos;
use leakprobe_core::memory_map::Resident;
use leakprobe_shadow::ResidentReader;
use std::io;

/// Between two readings at least, and the share of a core that they may take, by preset.
const EVERY_NS: u64 = 10_000_000_000;
const EVERY_TEST_NS: u64 = 1_000_000_000;
const ONE_IN: u64 = 1_000;
const ONE_IN_TEST: u64 = 100;

/// Reads it when it is time.
#[derive(Debug)]
pub(crate) struct MemoryReader {
    reader: io::Result<ResidentReader>,
    every_ns: u64,
    one_in: u64,
    next: Nanos,
}

impl MemoryReader {
    pub(crate) fn new(preset: Preset) -> Self {
        let (every_ns, one_in) = match preset {
            Preset::Production => (EVERY_NS, ONE_IN),
            Preset::Test => (EVERY_TEST_NS, ONE_IN_TEST),
        };
        Self { reader: ResidentReader::open(), every_ns, one_in, next: Nanos(0) }
    }

    /// Why there is nothing to read, if there is not.
    pub(crate) fn obstacle(&self) -> Option<&io::Error> {
        self.reader.as_ref().err()
    }

    /// What is resident, when it is time for it.
    pub(crate) fn read(&mut self, now: fn() -> Nanos) -> Option<io::Result<Resident>> {
        let (before, cpu_before) = (now(), own_cpu_ns());
        let reader = self.reader.as_mut().ok().filter(|_| before >= self.next)?;
        let resident = reader.read();
        // What it computed, not what it waited for a CPU; where the kernel does not tell, all of it.
        let took_ns = match (cpu_before, own_cpu_ns()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => now().since(before),
        };
        self.next = before.plus(pace(took_ns, self.every_ns, self.one_in));
        Some(resident.map(|resident| Resident {
            v8: resident.v8,
            native: resident.native,
            stacks: resident.stacks,
            files: resident.files,
            other: resident.other,
        }))
    }
}

fn pace(took_ns: u64, every_ns: u64, one_in: u64) -> u64 {
    every_ns.max(took_ns.saturating_mul(one_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_process_is_read_rarely() {
        assert_eq!(pace(3_000_000, EVERY_NS, ONE_IN), EVERY_NS);
        assert_eq!(pace(100_000_000, EVERY_NS, ONE_IN), 100_000_000_000);
        assert_eq!(pace(3_000_000, EVERY_TEST_NS, ONE_IN_TEST), EVERY_TEST_NS);
    }
}
