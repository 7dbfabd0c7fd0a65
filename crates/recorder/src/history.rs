//! The history's thread, `leakprobe-hist`: a disk that hangs, or another process that writes, holds up nobody else.
//!
//! **Invariant:** nobody waits for it longer than [`ANSWER`], and what waits for it is bounded: [`JOBS`] jobs on the
//! channel, [`MOST_SECONDS`] seconds in memory; what does not fit is counted.

mod keeper;
mod known;

use crate::state::Shared;
use crate::threads::join;
use crossbeam_channel::{Receiver, Sender, bounded};
use keeper::Keeper;
use leakprobe_core::Trip;
use leakprobe_core::history::{Durations, Slice};
use leakprobe_core::slowdown::lives::LifeRecord;
use leakprobe_history::{Finding, Freeze, Incident};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Jobs that may wait.
const JOBS: usize = 64;
/// How long the recorder waits for an answer about the budget, before it goes by its own account.
const ANSWER: Duration = Duration::from_secs(2);
/// The same while V8 waits at its heap limit: the evidence comes first.
const ANSWER_AT_LIMIT: Duration = Duration::from_millis(200);
/// Seconds that may wait while the file cannot be written.
const MOST_SECONDS: usize = 120;

/// What the thread is told.
pub(crate) enum Job {
    Second(Box<Second>),
    /// What is known by age, and baselines that were learned.
    Life(Box<(LifeRecord, Vec<(String, Durations)>)>),
    Findings(Vec<Finding>),
    Incident(Box<Incident>),
    /// A heap snapshot that a person asked for.
    Captured(String),
    /// No heap snapshot came of this incident.
    NotCaptured(String),
    Claim {
        incident: String,
        freeze: bool,
        capture: bool,
        share: f64,
        answer: Sender<Option<Result<(), String>>>,
    },
    Trip {
        trip: Box<Trip>,
        incident: Option<String>,
        answer: Sender<Option<Result<(), String>>>,
    },
}

/// A second of the process.
pub(crate) struct Second {
    /// Seconds since the epoch.
    pub(crate) at: i64,
    pub(crate) slice: Slice,
    pub(crate) freezes: Vec<Freeze>,
    /// No freeze is under way.
    pub(crate) idle: bool,
}

/// The recorder's end.
pub(crate) struct History {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl History {
    /// Starts the thread, where there is a directory and a history is wanted.
    pub(crate) fn start(shared: &Arc<Shared>) -> Self {
        let off = |because: &str| {
            shared.set_capability("history", "off", because);
            Self { jobs: None, thread: None, shared: Arc::clone(shared) }
        };
        let Some(home) = shared.config.home() else { return off("nothing is kept on disk: no directory") };
        if !shared.config.history {
            return off("switched off by the option `history`");
        }
        shared.set_capability("history", "off", "not opened yet");
        let (jobs, receiver) = bounded(JOBS);
        let keeper = Keeper::new(Arc::clone(shared), home);
        let thread =
            thread::Builder::new().name("leakprobe-hist".to_owned()).spawn(move || run(keeper, &receiver));
        match thread {
            Ok(thread) => Self { jobs: Some(jobs), thread: Some(thread), shared: Arc::clone(shared) },
            Err(error) => off(&format!("its thread cannot be started: {error}")),
        }
    }

    /// Whether there is one, be it usable or not.
    pub(crate) fn is_on(&self) -> bool {
        self.jobs.is_some()
    }

    /// Hands a job over; what does not fit is counted.
    pub(crate) fn tell(&self, job: Job) {
        if let Some(jobs) = &self.jobs
            && jobs.try_send(job).is_err()
        {
            self.shared.fault("the history is behind");
        }
    }

    /// Asks something of the file: `None` where it is not usable, or does not answer in time. `at_limit`: V8 waits meanwhile.
    pub(crate) fn ask(
        &self,
        at_limit: bool,
        job: impl FnOnce(Sender<Option<Result<(), String>>>) -> Job,
    ) -> Option<Result<(), String>> {
        let jobs = self.jobs.as_ref()?;
        let (answer, answered) = bounded(1);
        jobs.try_send(job(answer)).ok()?;
        answered.recv_timeout(if at_limit { ANSWER_AT_LIMIT } else { ANSWER }).ok().flatten()
    }

    /// Everything that was told is written, as far as the file can be written by then.
    pub(crate) fn stop(&mut self, deadline: Instant) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            join(thread, deadline);
        }
    }
}

fn run(mut keeper: Keeper, jobs: &Receiver<Job>) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let guarded = |keeper: &mut Keeper, work: &mut dyn FnMut(&mut Keeper)| {
        if catch_unwind(AssertUnwindSafe(|| work(keeper))).is_err() {
            keeper.panicked();
        }
    };
    guarded(&mut keeper, &mut |keeper| keeper.open());
    for job in jobs {
        let mut job = Some(job);
        guarded(&mut keeper, &mut |keeper| job.take().into_iter().for_each(|job| keeper.take(job)));
    }
    guarded(&mut keeper, &mut Keeper::end);
}
