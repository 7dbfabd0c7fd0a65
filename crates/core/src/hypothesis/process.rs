//! Turns what is observed of the process into levels and counters.

use super::history::History;
use super::reading::{Counter, Level, SystemReading};
use crate::event::{GcKind, GcRecord, Nanos, TickReading};
use crate::number;

/// Length of a row at first, ns.
const ROW_NS: u64 = 1_000_000_000;
/// A turn that comes later than this is late, ms: timers are not exact.
const LATE_MS: f64 = 20.0;

/// What is observed of the process, as its history.
#[derive(Debug)]
pub struct Process {
    history: History,
    tick_ms: f64,
    last: Option<SystemReading>,
    last_tick: Option<TickReading>,
    requests: u32,
    gc_ms: f64,
    stalled_ms: f64,
    floor: Option<u64>,
}

impl Process {
    /// Nothing observed yet; the event loop's sign of life comes every `tick_ms`.
    pub fn new(tick_ms: u64) -> Self {
        Self {
            history: History::new(ROW_NS),
            tick_ms: number(tick_ms),
            last: None,
            last_tick: None,
            requests: 0,
            gc_ms: 0.0,
            stalled_ms: 0.0,
            floor: None,
        }
    }

    /// The history so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.history.bytes()
    }

    /// A request ended.
    pub fn finished(&mut self) {
        self.requests = self.requests.saturating_add(1);
    }

    /// A collection ended.
    pub fn collected(&mut self, gc: &GcRecord) {
        self.gc_ms += number(gc.pause_ns) / 1e6;
        if gc.kind == GcKind::Major {
            self.floor(gc.heap_after);
        }
    }

    /// The heap right after a full collection, bytes.
    pub fn floor(&mut self, heap_used: u64) {
        self.floor = Some(heap_used);
    }

    /// The event loop turned.
    pub fn ticked(&mut self, tick: &TickReading) {
        if let Some(before) = self.last_tick {
            let late = number(tick.at.since(before.at)) / 1e6 - self.tick_ms;
            if late > LATE_MS {
                self.stalled_ms += late;
            }
        }
        self.last_tick = Some(*tick);
    }

    /// A second has passed. Without an event loop that turns, the stall so far counts.
    pub fn read(&mut self, reading: &SystemReading) {
        self.history.advance(reading.at);
        self.levels(reading);
        let Some(before) = self.last.replace(*reading) else {
            self.requests = 0;
            self.gc_ms = 0.0;
            self.stalled_ms = 0.0;
            return;
        };
        self.history.count(Counter::Requests, f64::from(std::mem::take(&mut self.requests)));
        self.history.count(Counter::GcMs, std::mem::take(&mut self.gc_ms));
        let stalled = std::mem::take(&mut self.stalled_ms) + self.running_stall(reading.at);
        self.history.count(Counter::StalledMs, stalled);
        let counters = [
            (Counter::MajorFaults, before.major_faults, reading.major_faults),
            (Counter::MinorFaults, before.minor_faults, reading.minor_faults),
            (Counter::AppCpuMs, before.app_cpu_ms, reading.app_cpu_ms),
            (Counter::QueuedMs, before.queued_ms, reading.queued_ms),
            (Counter::ThrottledMs, before.throttled_ms, reading.throttled_ms),
        ];
        for (counter, before, now) in counters {
            if let (Some(before), Some(now)) = (before, now) {
                self.history.count(counter, number(now.saturating_sub(before)));
            }
        }
    }

    fn levels(&mut self, reading: &SystemReading) {
        let tick = self.last_tick;
        let of_v8 = tick.map(|tick| tick.heap_total.saturating_add(tick.external));
        let native = reading.rss_anon.zip(of_v8).map(|(resident, of_v8)| resident.saturating_sub(of_v8));
        let old =
            tick.zip(reading.young_generation).map(|(tick, young)| tick.heap_total.saturating_sub(young));
        let levels = [
            (Level::Floor, self.floor.take()),
            (Level::OldTotal, old),
            (Level::LiveLimit, tick.map(|tick| tick.live_limit).filter(|limit| *limit > 0)),
            (Level::PrivateNative, native),
            (Level::RssAnon, reading.rss_anon),
            (Level::Swap, reading.swap),
            (Level::Descriptors, reading.descriptors),
            (Level::Handles, tick.and_then(|tick| tick.handles).map(u64::from)),
            (Level::MallocUsed, reading.malloc_used),
            (Level::MallocFree, reading.malloc_free),
            (Level::MemoryLimit, reading.memory_limit),
            (Level::MemoryUsage, reading.memory_usage),
        ];
        for (level, value) in levels {
            if let Some(value) = value {
                self.history.level(level, number(value));
            }
        }
        if let Some(pressure) = reading.memory_pressure {
            self.history.level(Level::MemoryPressure, pressure);
        }
    }

    /// How late the turn is that has not come, ms; from then on the next one is late against now.
    fn running_stall(&mut self, now: Nanos) -> f64 {
        let Some(tick) = &mut self.last_tick else { return 0.0 };
        let late = number(now.since(tick.at)) / 1e6 - self.tick_ms;
        if late <= LATE_MS {
            return 0.0;
        }
        // The turn was due `tick_ms` after the last one; what is late until now has been counted.
        tick.at = Nanos(now.0.saturating_sub(ns(self.tick_ms)));
        late
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ms between two ticks, an option below 2^32"
)]
fn ns(ms: f64) -> u64 {
    (ms * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypothesis::history::Span;

    fn tick(ms: u64) -> TickReading {
        TickReading { at: Nanos::from_ms(ms), heap_total: 50, external: 10, ..TickReading::default() }
    }

    fn second(process: &mut Process, second: u64) {
        let reading = SystemReading {
            at: Nanos::from_ms(second * 1_000),
            rss_anon: Some(100),
            major_faults: Some(second * 3),
            young_generation: Some(20),
            ..SystemReading::default()
        };
        process.read(&reading);
    }

    #[test]
    fn counters_become_rates_and_native_memory_is_what_v8_does_not_hold() {
        let mut process = Process::new(250);
        for at in 0..60 {
            (0..5).for_each(|_| process.finished());
            process.ticked(&tick(at * 1_000));
            second(&mut process, at);
        }
        let history = process.history();
        let near = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-6;
        assert!(near(history.rate(Counter::Requests, Span::Recent), 5.0));
        assert!(near(history.rate(Counter::MajorFaults, Span::Recent), 3.0));
        assert!(near(history.typical(Level::PrivateNative, Span::Recent), 40.0));
        assert!(near(history.least(Level::OldTotal, Span::Recent), 30.0));
    }

    #[test]
    fn a_loop_that_does_not_turn_is_late_all_the_time_and_once() {
        let mut process = Process::new(250);
        process.ticked(&tick(0));
        for at in 0..40 {
            second(&mut process, at);
        }
        let stalled = process.history().share(Counter::StalledMs, Span::Recent).unwrap();
        assert!((stalled - 1.0).abs() < 0.01, "{stalled}");
        process.ticked(&tick(39_100));
        assert!((process.stalled_ms - 100.0).abs() < 1.0, "{}", process.stalled_ms);
    }
}
