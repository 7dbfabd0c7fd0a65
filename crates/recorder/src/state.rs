//! What the thread and the app thread's rare calls share. Every lock is held for the length of a copy, never across I/O.

use crate::alarms::Alarms;
use crate::budget::Account;
use crate::config::RecorderConfig;
use crate::incident::Pending;
use crate::joining::Remembered;
use crate::process_reading::ProcessReading;
use crate::queue::{EventReceiver, EventSender};
use crate::walks::Walks;
use crate::worker::profile::PendingProfile;
use leakprobe_core::memory_map::HeapSpaces;
use leakprobe_core::memory_series::MemorySeries;
use leakprobe_core::report::{FreezeParts, Known, Pause};
use leakprobe_core::stats::{EventLoop, ServerStats};
use leakprobe_core::{Capability, Cost, Monitor, Nanos, ProcessIdentity, Report, Stats};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

/// Process readings kept for incidents: the last minute.
const READINGS: usize = 60;
/// Measured requests kept for the probe's own cost.
const MEASURED: usize = 255;
/// Events taken at once while the monitor is locked: at most some milliseconds.
const BATCH: usize = 4_096;

/// Numbers about the probe itself.
#[derive(Debug, Default)]
pub(crate) struct OwnCost {
    /// The last measured requests, ns each.
    pub(crate) measured_ns: VecDeque<f64>,
    pub(crate) pause: Pause,
    pub(crate) cpu_ms: Option<f64>,
    /// Of the thread that serves.
    pub(crate) server_cpu_ms: Option<f64>,
    pub(crate) in_flight_bytes: u64,
    pub(crate) freezes: u64,
    pub(crate) freeze_ms: FreezeParts,
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

pub(crate) struct Shared {
    pub(crate) config: RecorderConfig,
    pub(crate) now: fn() -> Nanos,
    pub(crate) sender: EventSender,
    pub(crate) receiver: EventReceiver,
    pub(crate) monitor: Mutex<Monitor>,
    pub(crate) capabilities: Mutex<BTreeMap<String, Capability>>,
    pub(crate) cost: Mutex<OwnCost>,
    pub(crate) budget: Mutex<Account>,
    pub(crate) readings: Mutex<VecDeque<ProcessReading>>,
    /// What the app thread read of V8's spaces last.
    pub(crate) heap_spaces: Mutex<Option<HeapSpaces>>,
    pub(crate) memory: Mutex<MemorySeries>,
    pub(crate) alarms: Alarms,
    /// The CPU profile that an incident waits for.
    pub(crate) profile: Mutex<Option<PendingProfile>>,
    pub(crate) pending: Mutex<HashMap<String, Pending>>,
    /// Whether this process can be frozen into a shadow.
    pub(crate) can_freeze: AtomicBool,
    pub(crate) walks: Walks,
    /// What the history knows of leaks that were reported, by their ids.
    pub(crate) known_leaks: Mutex<HashMap<String, Known>>,
    /// Retaining paths that analyses found for leaks.
    pub(crate) paths_of_leaks: Remembered,
    /// Whether a shadow can count the heap's objects.
    pub(crate) can_count: AtomicBool,
    /// Whether the app has to collect for floors.
    pub(crate) forces_floors: AtomicBool,
    /// The thread has seen that the heap is at its limit: the incident waits for its freeze, or there is none.
    pub(crate) limit_seen: AtomicBool,
    /// The next number of a capture that was asked for.
    pub(crate) captures: AtomicU32,
    /// Where this is served over HTTP, where somebody asked for it.
    pub(crate) server: Mutex<Option<ServerStats>>,
    /// The next freeze's mark.
    pub(crate) marks: AtomicU32,
    /// `<pid>-<hexadecimal>`: this start of this process, among all that share the directory.
    pub(crate) key: String,
    pub(crate) started_at: String,
    pub(crate) started: Nanos,
    /// The same by the wall clock, ms since the epoch.
    pub(crate) started_wall_ms: u64,
}

impl Shared {
    /// Moves what waits on the channel into the monitor, in order.
    pub(crate) fn drain(&self) {
        let mut left = self.receiver.len();
        while left > 0 {
            let mut monitor = self.monitor.lock();
            for _ in 0..BATCH.min(left) {
                let Some(event) = self.receiver.next() else { return };
                monitor.observe(&event);
            }
            left = left.saturating_sub(BATCH);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.drain();
        let monitor = self.monitor.lock();
        self.stats_of(&monitor)
    }

    /// The stats as of the last step of the thread, unless the monitor is busy for longer than `wait`.
    pub(crate) fn stats_within(&self, wait: Duration) -> Option<Stats> {
        Some(self.stats_of(&*self.monitor.try_lock_for(wait)?))
    }

    fn stats_of(&self, monitor: &Monitor) -> Stats {
        let process = self.readings.lock().back().and_then(|reading| serde_json::to_value(reading).ok());
        let now = (self.now)();
        let mut stats = monitor.stats(now, process, self.cost(monitor));
        stats.event_loop =
            self.sender.last_turn().map(|turn| EventLoop { silent_ms: milliseconds(now.since(turn)) });
        stats.server.clone_from(&self.server.lock());
        stats.memory_map = self.memory.lock().last().cloned();
        stats.alarms = self.alarms.stats();
        stats
    }

    pub(crate) fn report(&self) -> Report {
        self.drain();
        let identity = self.identity();
        let mut report = {
            let monitor = self.monitor.lock();
            monitor.report(identity, self.cost(&monitor))
        };
        self.complete(&mut report);
        report
    }

    /// The report as of the last step of the thread, unless the monitor is busy for longer than `wait`.
    pub(crate) fn report_within(&self, wait: Duration) -> Option<Report> {
        let identity = self.identity();
        let mut report = {
            let monitor = self.monitor.try_lock_for(wait)?;
            monitor.report(identity, self.cost(&monitor))
        };
        self.complete(&mut report);
        Some(report)
    }

    /// What is known of leaks elsewhere: paths that analyses found, and the history.
    fn complete(&self, report: &mut Report) {
        self.paths_of_leaks.fill(&mut report.leaks);
        let known = self.known_leaks.lock();
        for leak in &mut report.leaks {
            leak.known = known.get(&leak.id).cloned();
        }
    }

    pub(crate) fn identity(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: std::process::id(),
            started_at: self.started_at.clone(),
            uptime_ms: (self.now)().since(self.started) / 1_000_000,
            node: self.config.node.clone(),
            service: self.config.service.clone(),
            capabilities: self.capabilities.lock().clone(),
        }
    }

    pub(crate) fn set_capability(&self, name: &str, state: &str, because: &str) {
        let capability = Capability { state: state.to_owned(), because: because.to_owned() };
        self.capabilities.lock().insert(name.to_owned(), capability);
    }

    /// The last process reading.
    pub(crate) fn last_reading(&self) -> Option<ProcessReading> {
        self.readings.lock().back().cloned()
    }

    pub(crate) fn add_reading(&self, reading: ProcessReading) {
        let mut readings = self.readings.lock();
        if readings.len() == READINGS {
            readings.pop_front();
        }
        readings.push_back(reading);
    }

    /// Something failed: counted by what was being done.
    pub(crate) fn fault(&self, doing: &'static str) {
        *self.cost.lock().faults.entry(doing).or_default() += 1;
    }

    fn cost(&self, monitor: &Monitor) -> Cost {
        let monitor_bytes = monitor.bytes();
        let own = self.cost.lock();
        let queue_bytes = self.receiver.bytes() as u64;
        let readings_bytes = (READINGS * size_of::<ProcessReading>()) as u64;
        let memory_bytes = MemorySeries::bytes() as u64;
        let mut dropped: BTreeMap<String, u64> =
            own.faults.iter().map(|(doing, count)| (format!("error: {doing}"), *count)).collect();
        dropped.insert("queue".to_owned(), self.sender.dropped_count());
        dropped.insert("inFlight".to_owned(), self.sender.refused_count());
        Cost {
            per_request_ns: median(own.measured_ns.iter().copied().collect()),
            cpu_ms: own.cpu_ms.map(|ms| ms + own.server_cpu_ms.unwrap_or(0.0)),
            bytes: monitor_bytes + queue_bytes + readings_bytes + memory_bytes + own.in_flight_bytes,
            freezes: own.freezes,
            pause_ms: own.pause.clone(),
            freeze_ms: (own.freezes > 0).then_some(own.freeze_ms),
            budget: Some(self.budget.lock().stats((self.now)())),
            dropped,
        }
    }
}

impl OwnCost {
    /// A shadow was made.
    pub(crate) fn froze(&mut self, pause: &leakprobe_shadow::Pause) {
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds stay below 2^53")]
        let ms = |ns: u64| ns as f64 / 1e6;
        self.freezes += 1;
        self.freeze_ms.idle += ms(pause.idle);
        self.freeze_ms.areas += ms(pause.areas);
        self.freeze_ms.fork += ms(pause.fork);
        self.freeze_ms.restore += ms(pause.restore);
    }

    /// Takes the measured time of some requests, ns in all.
    pub(crate) fn measured(&mut self, ns: f64, requests: u64) {
        if requests == 0 {
            return;
        }
        if self.measured_ns.len() == MEASURED {
            self.measured_ns.pop_front();
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        self.measured_ns.push_back(ns / requests as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds stay below 2^53")]
fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The middle one: a measurement that was interrupted by a collection or another process must not count.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_cost_is_the_median_of_the_last_measurements() {
        let mut cost = OwnCost::default();
        assert_eq!(median(cost.measured_ns.iter().copied().collect()), None);
        for ns in [900.0, 1_000.0, 5_000_000.0] {
            cost.measured(ns, 1);
        }
        cost.measured(1.0, 0);
        assert_eq!(median(cost.measured_ns.iter().copied().collect()), Some(1_000.0));
        (0..1_000).for_each(|_| cost.measured(700.0, 1));
        assert_eq!(
            (cost.measured_ns.len(), median(cost.measured_ns.iter().copied().collect())),
            (MEASURED, Some(700.0))
        );
    }
}
