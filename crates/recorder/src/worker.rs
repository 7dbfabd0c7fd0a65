//! The thread: wakes every 50 ms, drains, judges, writes.
//!
//! It sleeps on the control channel, never on the data channel: a receiver blocked there would make every send of the
//! app thread a system call. **Invariant:** a panic ends one step, not the thread and not the app.

mod alarming;
mod asking;
mod capture;
mod decide;
mod disk;
mod floors;
mod memory;
pub(crate) mod profile;
mod remember;
mod stall;
mod trips;
mod walk;

use crate::Observer;
use crate::analysis::Analyses;
use crate::faults;
use crate::files;
use crate::history::History;
use crate::malloc_reading::MallocReader;
use crate::memory_reading::MemoryReader;
use crate::panics;
use crate::preflight::Learned;
use crate::process_reading::{self, Cgroup, Scheduled};
use crate::snapshot::Written;
use crate::state::Shared;
use capture::Request;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use leakprobe_core::{Nanos, Surroundings};
use leakprobe_shadow::{Malloc, Shadow, can_count_objects, obstacle};
use parking_lot::Mutex;
use profile::EndedProfile;
use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(50);
/// A step that comes later than this says that the thread itself was not scheduled.
const LATE_NS: u64 = 500_000_000;
const SECOND_NS: u64 = 1_000_000_000;
/// A reading of the process is fresh for so long.
const FRESH_NS: u64 = 100_000_000;
/// The history has this long to be written when the probe is stopped.
const HISTORY_END: Duration = Duration::from_secs(3);
/// Old incidents are looked for this often, besides at each new one.
const RETENTION_NS: u64 = 3_600 * SECOND_NS;

/// V8's heap at its limit, bytes.
#[derive(Clone, Copy, Debug)]
pub struct HeapLimit {
    /// The limit that was reached.
    pub limit: usize,
    /// What it was raised to, so that evidence can be taken.
    pub raised_to: usize,
}

/// What the thread is told.
pub(crate) enum Command {
    Capture {
        id: String,
        reason: String,
        heap_snapshot: bool,
        floor: bool,
    },
    /// V8's heap is at its limit: used bytes, limit, and what the limit was raised to.
    HeapLimit(HeapLimit),
    SnapshotEnded {
        id: String,
        written: Result<Box<Written>, String>,
    },
    /// A shadow whose answer nobody waits for any more: dropped, it is ended and reaped.
    NotAwaited(Shadow),
    /// The app thread has a CPU profile, or none.
    ProfileEnded(Box<EndedProfile>),
    Stop,
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    observer: Arc<Mutex<Box<dyn Observer>>>,
    commands: Receiver<Command>,
    cgroup: Option<Cgroup>,
    malloc: MallocReader,
    memory: MemoryReader,
    /// What malloc told last, and the array buffers there were then.
    malloc_mapped: Option<(Malloc, u64)>,
    last_step: Nanos,
    last_second: Nanos,
    last_report: Nanos,
    memory_written: Nanos,
    known_leaks: HashSet<String>,
    /// Routes whose slowdown was told.
    known_slowdowns: HashSet<String>,
    /// When CPU profiles were asked for in the last hour.
    profiled: VecDeque<Nanos>,
    /// Messages of alarms so far.
    messages: u32,
    learned: Learned,
    analyses: Analyses,
    told: HashMap<&'static str, Nanos>,
    /// What the app thread had run when the loop last turned: tells a stall that computes from one that waits.
    cpu_at_turn: Option<(Nanos, Scheduled)>,
    sequence: u32,
    /// Floors asked for.
    floors: u32,
    /// Reached since the last step.
    heap_limit: Option<HeapLimit>,
    /// The app thread was told that something grows.
    investigating: bool,
    /// A trigger asked for heap samples until then.
    sample_until: Option<Nanos>,
    /// Nothing new is begun any more.
    stopping: bool,
    last_retention: Option<Nanos>,
    history: History,
    remembered: remember::Remembered,
    /// CPU time of the process at the reading before the last one, ms.
    cpu_before: Option<u64>,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        observer: Arc<Mutex<Box<dyn Observer>>>,
        commands: Receiver<Command>,
    ) -> Self {
        let now = (shared.now)();
        let preset = shared.config.preset;
        Self {
            history: History::start(&shared),
            remembered: remember::Remembered::default(),
            last_retention: None,
            cpu_before: None,
            shared,
            observer,
            commands,
            cgroup: Cgroup::find(),
            malloc: MallocReader::new(preset),
            memory: MemoryReader::new(preset),
            malloc_mapped: None,
            last_step: now,
            last_second: Nanos(0),
            last_report: now,
            memory_written: Nanos(0),
            known_leaks: HashSet::new(),
            known_slowdowns: HashSet::new(),
            profiled: VecDeque::new(),
            messages: 0,
            learned: Learned::default(),
            analyses: Analyses::default(),
            told: HashMap::new(),
            cpu_at_turn: None,
            sequence: 0,
            floors: 0,
            heap_limit: None,
            investigating: false,
            sample_until: None,
            stopping: false,
        }
    }

    /// Runs until it is stopped.
    pub(crate) fn run(mut self) {
        self.check_freezing();
        self.decide_floors();
        self.tell_memory();
        loop {
            let command = match self.commands.recv_timeout(STEP) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
            };
            if catch_unwind(AssertUnwindSafe(|| self.step(command))).is_err() {
                self.panicked("a step of the background thread panicked");
            }
        }
        if catch_unwind(AssertUnwindSafe(|| self.finish())).is_err() {
            self.panicked("the last step of the background thread panicked");
        }
    }

    fn panicked(&self, doing: &'static str) {
        self.shared.fault(doing);
        self.shared.set_capability("recorder", "fallback", &format!("{doing}: {}", panics::last()));
    }

    fn step(&mut self, command: Option<Command>) {
        faults::point("recorder");
        let now = (self.shared.now)();
        let late = now.since(self.last_step) > LATE_NS;
        self.last_step = now;
        self.shared.drain();
        match command {
            Some(Command::Capture { id, reason, heap_snapshot, floor }) => {
                self.incident(Request { id, reason, trip: None, heap_snapshot, floor });
            }
            Some(Command::HeapLimit(reached)) => self.heap_limit = Some(reached),
            Some(Command::SnapshotEnded { id, written }) => self.snapshot_ended(&id, written),
            Some(Command::ProfileEnded(ended)) => self.profile_ended(*ended),
            Some(Command::NotAwaited(mut shadow)) => {
                shadow.kill();
                self.shared.budget.lock().shadow_used(shadow.usage().cpu_ms);
            }
            Some(Command::Stop) | None => {}
        }
        if now.since(self.last_second) >= SECOND_NS {
            self.last_second = now;
            self.second(now);
            self.alarm_of_slowdowns(now);
        }
        let last_turn = self.shared.sender.last_turn();
        self.watch_cpu(last_turn);
        let surroundings = Surroundings {
            now,
            last_turn,
            watcher_late: late,
            memory_limit: self.shared.last_reading().and_then(|reading| reading.memory_limit()),
            heap_limit_reached: self.heap_limit.is_some(),
        };
        let (trips, findings, growing) = {
            let mut monitor = self.shared.monitor.lock();
            let trips = monitor.tick(&surroundings);
            let new: Vec<_> =
                monitor.leaks().iter().filter(|leak| !self.known_leaks.contains(&leak.id)).cloned().collect();
            (trips, new, monitor.growing())
        };
        let growing = growing || self.sample_until.is_some_and(|until| now < until);
        if growing != self.investigating {
            self.investigating = growing;
            self.observer.lock().investigate(growing);
        }
        if !findings.is_empty() {
            self.remember_findings(&findings);
        }
        for leak in findings {
            if let Ok(json) = serde_json::to_string(&leak) {
                self.observer.lock().finding(&json);
            }
            self.alarm_of_leak(&leak, now);
            self.known_leaks.insert(leak.id);
        }
        for trip in &trips {
            self.act(trip, now);
        }
        if self.heap_limit.take().is_some() {
            self.shared.limit_seen.store(true, Ordering::Release);
        }
        self.remember(&surroundings);
        if self.last_retention.is_none_or(|last| now.since(last) >= RETENTION_NS) {
            self.last_retention = Some(now);
            self.forget_old_incidents();
        }
        self.plan_floor(now);
        self.ask_again(now);
        self.interrupt_stuck(now);
        self.give_up_waiting(now);
        self.watch_profile(now);
        if now.since(self.last_report) >= self.shared.config.report_interval_ms.saturating_mul(1_000_000) {
            self.last_report = now;
            self.write_report();
        }
    }

    /// Whether this process can be frozen is measured, here and not on the app thread, for it reads all of smaps.
    fn check_freezing(&self) {
        let shared = &self.shared;
        let refused = if shared.config.without.iter().any(|part| part == "freeze") {
            Some("switched off by the option `without`".to_owned())
        } else {
            obstacle().map(|obstacle| obstacle.to_string())
        };
        self.check_counting(refused.is_none());
        self.check_walking(refused.is_none());
        match refused {
            None => {
                shared.can_freeze.store(true, Ordering::Relaxed);
                shared.set_capability(
                    "freeze",
                    "native",
                    "heap snapshots are taken by a shadow, a forked child",
                );
            }
            Some(why) => {
                let because = format!("heap snapshots stop the app's own process: {why}");
                shared.set_capability("freeze", "fallback", &because);
            }
        }
    }

    fn check_counting(&self, can_freeze: bool) {
        let shared = &self.shared;
        let switched_off = shared.config.without.iter().any(|part| part == "object-count");
        let (state, because) = match (can_freeze, switched_off, can_count_objects()) {
            (false, ..) => ("off", "only a shadow counts, and there is none"),
            (true, true, _) => ("fallback", "the bytes of the heap: switched off by the option `without`"),
            (true, false, false) => {
                ("fallback", "the bytes of the heap: v8::HeapProfiler::GetHeapStats is missing")
            }
            (true, false, true) => {
                ("native", "a shadow counts with v8::HeapProfiler::GetHeapStats by symbol")
            }
        };
        shared.can_count.store(state == "native", Ordering::Relaxed);
        shared.set_capability("objectCount", state, because);
    }

    /// What memory there is may have changed since the last reading, or has not been read at all yet.
    fn read_freshly(&mut self) {
        let now = (self.shared.now)();
        if now.since(self.last_second) > FRESH_NS {
            self.last_second = now;
            self.second(now);
        }
    }

    fn second(&mut self, now: Nanos) {
        let at = self.shared.monitor.lock().wall(now);
        let mut reading = process_reading::read(at, self.cgroup.as_ref(), self.shared.config.main_thread_id);
        let malloc = self.malloc.read(self.shared.now);
        reading.malloc_used = malloc.map(|malloc| malloc.used);
        reading.malloc_free = malloc.map(|malloc| malloc.free);
        self.map_memory(now, malloc);
        let mut system = reading.system(now);
        system.young_generation = self.shared.heap_spaces.lock().map(|spaces| spaces.young_held);
        reading.private_native = self.shared.monitor.lock().system(&system);
        self.cpu_before = self.shared.last_reading().and_then(|last| last.cpu_ms);
        self.shared.add_reading(reading);
        self.shared.cost.lock().cpu_ms = process_reading::own_cpu_ms();
    }

    /// Remembers the app thread's CPU time at the last turn of the loop.
    fn watch_cpu(&mut self, last_turn: Option<Nanos>) {
        let (Some(turn), Some(thread)) = (last_turn, self.shared.config.main_thread_id) else { return };
        if self.cpu_at_turn.is_none_or(|(seen, _)| seen != turn)
            && let Some(cpu) = process_reading::scheduled(thread)
        {
            self.cpu_at_turn = Some((turn, cpu));
        }
    }

    fn write_report(&mut self) {
        let Ok(report) = serde_json::to_vec_pretty(&self.shared.report()) else { return };
        let home = self.shared.config.home();
        let places = [home.map(|home| home.join("report.json")), self.shared.config.report_file.clone()];
        for path in places.into_iter().flatten() {
            let made = path.parent().map_or(Ok(()), files::make_directory);
            match made.and_then(|()| files::write(&path, &report)) {
                Ok(()) => self.disk_works(),
                Err(error) => self.disk_failed("writing the report", &error),
            }
        }
    }

    /// The last report; captures that nobody will answer any more are completed as failed.
    fn finish(&mut self) {
        self.stopping = true;
        self.analyses.stop();
        self.shared.drain();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::SnapshotEnded { id, written } => self.snapshot_ended(&id, written),
                Command::ProfileEnded(ended) => self.profile_ended(*ended),
                _ => {}
            }
        }
        let left: Vec<String> = self.shared.pending.lock().keys().cloned().collect();
        for id in left {
            self.stopping_one(&id, "the probe was stopped first");
        }
        self.write_report();
        self.write_memory_map();
        self.remember_end();
        self.history.stop(Instant::now() + HISTORY_END);
    }
}

/// Six hexadecimal digits, different for every incident of a machine that starts less than a process per nanosecond.
pub(crate) fn incident_id(started: Nanos, sequence: u32) -> String {
    let mixed = (started.0 ^ (u64::from(std::process::id()) << 20) ^ u64::from(sequence))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:06x}", mixed >> 40)
}
