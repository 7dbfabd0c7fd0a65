//! The handle: what the boundary calls on the app thread, none of which waits for the disk.

mod profiles;
mod snapshots;

use crate::alarms::Alarms;
use crate::budget::Account;
use crate::config::{Floors, Preset, RecorderConfig};
use crate::error::Error;
use crate::incident::{Pending, Way};
use crate::joining::Remembered;
use crate::observer::Observer;
use crate::questions::Purpose;
use crate::queue::EventSender;
use crate::reader::{Reader, request_capture};
use crate::registration::Registration;
use crate::state::Shared;
use crate::threads::{join, spawn};
use crate::walks::Walks;
use crate::worker::{Command, HeapLimit, Worker, incident_id};
use crate::{preflight, retention};
use crossbeam_channel::{Sender, bounded};
use leakprobe_core::memory_map::HeapSpaces;
use leakprobe_core::{Monitor, Nanos, RouteId};
use leakprobe_heap_walk::{Question, Walker};
use leakprobe_history::Limits;
use leakprobe_shadow::{Pause, Preparation, Refusal, Shadow};
use parking_lot::Mutex;
use std::error::Error as _;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

/// Captures that may wait to be written.
const COMMANDS: usize = 64;
/// Numbers of captures asked for begin here, those of triggers at 1.
const FIRST_CAPTURE: u32 = 1 << 16;
/// An alarm that was not delivered is sent again after so long at first, by preset.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_TEST: Duration = Duration::from_millis(50);
/// How long `stop` waits for the thread.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long a freeze may wait until the process's other threads sleep; then the app goes on, and it is tried again.
const WAIT_FOR_IDLE: Duration = Duration::from_millis(30);
/// The same at the heap limit and in a stuck loop: what is going on there does not wait for another try.
const WAIT_FOR_IDLE_URGENT: Duration = Duration::from_millis(100);

/// What the app thread needs for a freeze.
#[derive(Debug)]
pub struct FreezeJob {
    /// Read beforehand, on the recorder's thread.
    pub preparation: Preparation,
    /// Where the shadow writes; to be handed to [`Recorder::frozen`]. The job owns it: an incident that goes while the process is
    /// being frozen must not close it, for its number could become another file's, and the shadow would write there.
    pub output: OwnedFd,
    /// Of the freeze.
    pub limits: leakprobe_shadow::Limits,
    /// What to ask the shadow, as JSON.
    pub questions: String,
    /// Of the freeze: to be put on the channel just before it.
    pub mark: u32,
}

/// A running recorder.
pub struct Recorder {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    registration: Mutex<Option<Registration>>,
    snapshots: Mutex<Vec<JoinHandle<()>>>,
    stopped: AtomicBool,
}

impl Recorder {
    /// Starts the thread `leakprobe`. `now` reads the monotonic clock of the events.
    pub fn start(
        config: RecorderConfig,
        now: fn() -> Nanos,
        observer: Box<dyn Observer>,
    ) -> Result<Self, Error> {
        if let Some(home) = config.home() {
            retention::prepare(&home)?;
        }
        let started = now();
        let wall = SystemTime::now();
        let since_epoch = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let started_wall_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(0);
        let (sender, receiver) = EventSender::new(config.queue_capacity);
        let first_wait = if config.preset == Preset::Test { AGAIN_TEST } else { AGAIN };
        let shared = Arc::new(Shared {
            monitor: Mutex::new(Monitor::new(config.core.clone(), started, started_wall_ms)),
            now,
            sender,
            receiver,
            capabilities: Mutex::default(),
            cost: Mutex::default(),
            budget: Mutex::new(Account::new(Limits {
                freezes_per_hour: config.max_freezes_per_hour,
                pause_ms_per_hour: config.max_freeze_pause_ms_per_hour,
                captures_per_day: config.max_captures_per_day,
            })),
            readings: Mutex::default(),
            heap_spaces: Mutex::default(),
            memory: Mutex::default(),
            profile: Mutex::default(),
            alarms: Alarms::start(config.alarms.clone(), first_wait).map_err(Error::Alarm)?,
            pending: Mutex::default(),
            can_freeze: AtomicBool::new(false),
            can_count: AtomicBool::new(false),
            limit_seen: AtomicBool::new(false),
            walks: Walks::default(),
            paths_of_leaks: Remembered::default(),
            forces_floors: AtomicBool::new(config.floors == Floors::Forced),
            marks: AtomicU32::new(1),
            captures: AtomicU32::new(FIRST_CAPTURE),
            server: Mutex::default(),
            key: format!("{}-{}", std::process::id(), incident_id(started, 0)),
            started_at: humantime::format_rfc3339_millis(wall).to_string(),
            started,
            started_wall_ms,
            known_leaks: Mutex::default(),
            config,
        });
        let registration = Registration::of(&shared);
        let (state, because) = match &shared.config.directory {
            Some(_) => ("native", "incidents and the report are kept on disk"),
            None => ("off", "nothing is kept on disk: no directory"),
        };
        shared.set_capability("directory", state, because);
        for (name, by) in JUDGED {
            shared.set_capability(name, "native", by);
        }
        let (commands, receiver) = bounded(COMMANDS);
        let worker = Worker::new(Arc::clone(&shared), Arc::new(Mutex::new(observer)), receiver);
        let thread = spawn("leakprobe", || worker.run())?;
        Ok(Self {
            shared,
            commands,
            thread: Mutex::new(Some(thread)),
            registration: Mutex::new(registration),
            snapshots: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// The app thread's end of the channel.
    pub fn sender(&self) -> EventSender {
        self.shared.sender.clone()
    }

    /// The id of a route's name.
    pub fn intern(&self, route: &str) -> RouteId {
        self.shared.monitor.lock().intern(route)
    }

    /// Records what works and why.
    pub fn set_capability(&self, name: &str, state: &str, because: &str) {
        self.shared.set_capability(name, state, because);
    }

    /// Adds measured time of the probe's own.
    pub fn add_cost(&self, measured_ns: f64, requests: u64) {
        self.shared.cost.lock().measured(measured_ns, requests);
    }

    /// Adds a pause of the app thread that the probe caused, ms.
    pub fn add_pause(&self, ms: f64) {
        let mut cost = self.shared.cost.lock();
        cost.pause.total += ms;
        cost.pause.max = cost.pause.max.max(ms);
    }

    /// Memory of the app thread's table, bytes.
    pub fn set_in_flight_bytes(&self, bytes: usize) {
        self.shared.cost.lock().in_flight_bytes = bytes as u64;
    }

    /// What V8 says of its spaces now, for the memory map.
    pub fn set_heap_spaces(&self, spaces: HeapSpaces) {
        *self.shared.heap_spaces.lock() = Some(spaces);
    }

    /// Whether the app has to collect for floors.
    pub fn forces_floors(&self) -> bool {
        self.shared.forces_floors.load(Ordering::Relaxed)
    }

    /// The stats as JSON; what waits on the channel is taken first.
    pub fn stats_json(&self) -> Result<String, Error> {
        text(&self.shared.stats())
    }

    /// The report as JSON.
    pub fn report_json(&self) -> Result<String, Error> {
        text(&self.shared.report())
    }

    /// Asks for an incident; returns its id at once.
    pub fn capture(&self, reason: &str, heap_snapshot: bool, floor: bool) -> Result<String, Error> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        request_capture(&self.shared, &self.commands, reason, heap_snapshot, floor)
    }

    /// What others may ask, from other threads.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared), self.commands.clone())
    }

    /// What a freeze for this incident needs. The app thread freezes at once and tells [`Recorder::frozen`].
    pub fn begin_freeze(&self, incident_id: &str) -> Result<FreezeJob, Error> {
        let mut pending = self.shared.pending.lock();
        let (waiting, output) = match self.begin(&mut pending, incident_id, Way::Shadow) {
            Err(error) if !matches!(error, Error::UnknownIncident(_)) => {
                let ended =
                    Command::SnapshotEnded { id: incident_id.to_owned(), written: Err(error.to_string()) };
                // A full channel: then the incident is closed when nobody has answered for a minute.
                let _ = self.commands.try_send(ended);
                return Err(error);
            }
            begun => begun?,
        };
        let mark = self.shared.marks.fetch_add(1, Ordering::Relaxed);
        waiting.mark = Some(mark);
        let preparation =
            waiting.preparation.take().ok_or_else(|| Error::UnknownIncident(incident_id.to_owned()))?;
        let urgent = waiting.patience_ns == 0;
        let wait_for_idle = if urgent { WAIT_FOR_IDLE_URGENT } else { WAIT_FOR_IDLE };
        let cpu_seconds = preflight::cpu_seconds(waiting.predicted_ms);
        let limits = leakprobe_shadow::Limits { wait_for_idle, cpu_seconds, memory: waiting.room };
        let questions = serde_json::to_string(&waiting.questions).unwrap_or_default();
        Ok(FreezeJob { preparation, output, limits, questions, mark })
    }

    /// For a shadow: the walker of this process, and what it is asked besides what `question` says. Never waits.
    pub fn walk(&self, question: Question) -> Option<(&Walker, Question)> {
        self.shared.walks.ask(question)
    }

    /// V8's heap is at its limit. Called inside a collection: does not wait and does not allocate.
    pub fn heap_limit(&self, reached: HeapLimit) {
        // A full channel means that the thread has much to do already; the heap trigger sees it then.
        if self.commands.try_send(Command::HeapLimit(reached)).is_err() {
            self.shared.limit_seen.store(true, Ordering::Release);
        }
    }

    /// The incident that waits for a freeze. With `at_limit` that of the heap's limit, and the calling thread waits until the
    /// background thread has decided whether there is one, at most so long; then any.
    pub fn awaited_freeze(&self, at_limit: Option<Duration>) -> Option<String> {
        let awaited = |at_limit: bool| {
            let pending = self.shared.pending.lock();
            let waits = |pending: &Pending| {
                pending.purpose != Purpose::Floor
                    && !pending.begun
                    && pending.way == Way::Shadow
                    && pending.preparation.is_some()
                    && (pending.purpose == Purpose::HeapLimit || !at_limit)
            };
            pending.iter().find(|(_, pending)| waits(pending)).map(|(id, _)| id.clone())
        };
        let deadline = at_limit.map(|limit| std::time::Instant::now() + limit);
        while deadline.is_some_and(|deadline| std::time::Instant::now() < deadline) {
            let decided = self.shared.limit_seen.load(Ordering::Acquire);
            let found = awaited(true);
            if found.is_some() {
                return found;
            }
            if decided {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        awaited(false)
    }

    /// The app thread has frozen the process, or could not. `output` is the job's.
    pub fn frozen(&self, incident_id: &str, output: OwnedFd, result: Result<(i32, Pause), Refusal>) {
        if let Some(why) = result.as_ref().err().filter(|refusal| refusal.is_final()) {
            self.shared.can_freeze.store(false, Ordering::Relaxed);
            let because = format!("heap snapshots stop the app's own process: {why}, by a security policy");
            self.shared.set_capability("freeze", "fallback", &because);
        }
        if let Ok((_, pause)) = &result {
            self.add_pause(milliseconds(pause.total));
            self.shared.cost.lock().froze(pause);
            self.shared.budget.lock().froze((self.shared.now)(), milliseconds(pause.total));
        }
        let result = result.map(|(pid, pause)| (Shadow::new(pid), pause));
        let mut pending = self.shared.pending.lock();
        let Some(waiting) = pending.get_mut(incident_id) else {
            drop(pending);
            if let Ok((shadow, _)) = result {
                // A floor that gave way to an incident in the meantime. The thread ends the shadow, as does a full channel.
                let _ = self.commands.try_send(Command::NotAwaited(shadow));
            }
            return;
        };
        match result {
            Ok((shadow, pause)) => {
                waiting.shadow = Some(shadow);
                waiting.pause_ms = Some(milliseconds(pause.total));
                waiting.freeze = Some(pause);
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::Busy(_)) {
                    waiting.refusals += 1;
                    waiting.attempts = waiting.attempts.saturating_sub(1);
                }
                let cause = refusal.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                waiting.fault = Some(format!("no shadow could be made: {refusal}{cause}"));
            }
        }
        drop(pending);
        // From now on the shadow alone holds the pipe's end, and its death ends the reading.
        drop(output);
    }

    /// Stops the thread; the last report is written. Again: nothing. Waits at most five seconds.
    pub fn stop(&self) {
        if self.stopped.swap(true, Ordering::Relaxed) {
            return;
        }
        // Whoever still writes a heap snapshot has gone: closing the pipe ends the thread that reads it.
        for waiting in self.shared.pending.lock().values_mut() {
            waiting.writer = None;
            if let Some(shadow) = &mut waiting.shadow {
                shadow.kill();
            }
        }
        let deadline = std::time::Instant::now() + STOP_LIMIT;
        let snapshots = std::mem::take(&mut *self.snapshots.lock());
        for thread in snapshots {
            join(thread, deadline);
        }
        // A full channel empties within a step; a thread that is gone needs no telling.
        let _ = self.commands.send_deadline(Command::Stop, deadline);
        if let Some(thread) = self.thread.lock().take() {
            join(thread, deadline);
        }
        self.shared.alarms.stop();
        *self.registration.lock() = None;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What is always judged, and by what.
const JUDGED: [(&str, &str); 2] = [
    ("slowdowns", "app-thread time and latency of each route over the uptime"),
    ("hypotheses", "twelve, by readings of the process and its collections"),
];

fn text(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::Io { doing: "making JSON", source: io::Error::other(error) })
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds stay below 2^53")]
fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1e6
}
