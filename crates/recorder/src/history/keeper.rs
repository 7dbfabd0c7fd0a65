//! What the thread does with its jobs: it keeps the file open, and goes on without where that is impossible.

use super::{Job, MOST_SECONDS, Second, known};
use crate::state::Shared;
use leakprobe_core::history::{Durations, Slice};
use leakprobe_core::slowdown::lives::{LifeRecord, MOST_LIVES, Past};
use leakprobe_history::{Claim, Error, FILE, Finding, Freeze, Keep, Life, Opened, Store, StoredRoute};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A file that could not be used is tried again after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// Leaks that the history is remembered of, for reports.
const MOST_KNOWN: usize = 256;
/// What all processes have spent is read this often, when nothing else asks.
const SPENT_EVERY: Duration = Duration::from_secs(10);
/// Somebody waits for an answer: others that write are waited for so long.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Others may write for so long before it is told.
const BUSY_FOR: Duration = Duration::from_secs(10);

pub(super) struct Keeper {
    shared: Arc<Shared>,
    home: PathBuf,
    store: Option<Store>,
    seconds: VecDeque<(i64, Slice)>,
    freezes: Vec<Freeze>,
    idle: bool,
    retry_at: Instant,
    spent_at: Option<Instant>,
    busy_since: Option<Instant>,
    /// Earlier lives have been looked at.
    learned: bool,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, home: PathBuf) -> Self {
        Self {
            shared,
            home,
            store: None,
            seconds: VecDeque::new(),
            freezes: Vec::new(),
            idle: true,
            retry_at: Instant::now(),
            spent_at: None,
            busy_since: None,
            learned: false,
        }
    }

    /// Opens the file, and learns from earlier lives.
    pub(super) fn open(&mut self) {
        self.retry_at = Instant::now() + AGAIN;
        let config = &self.shared.config;
        let life = Life {
            pid: std::process::id(),
            node: config.node.clone(),
            version: config.version.clone(),
            revision: config.revision.clone(),
            started_ms: self.shared.started_wall_ms,
        };
        match Store::open(&self.home, &life, wall_ms()) {
            Ok((store, opened)) => {
                let because = match opened {
                    Opened::Usable => format!("{FILE}, of all processes of the service"),
                    Opened::SetAside(path) => {
                        self.shared.fault("a damaged history was set aside");
                        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                        format!(
                            "a new {FILE}: the old one was damaged, and is kept as {}",
                            name.unwrap_or_default()
                        )
                    }
                };
                self.shared.set_capability("history", "native", &because);
                self.store = Some(store);
                if !self.learned {
                    self.learn();
                }
            }
            Err(error) => self.failed(&error),
        }
    }

    /// What earlier lives knew goes to the monitor, once.
    fn learn(&mut self) {
        let Some(store) = &self.store else { return };
        let most = u32::try_from(MOST_LIVES).unwrap_or(u32::MAX);
        let learned = store.past_lives(most).and_then(|lives| Ok((lives, store.baselines()?)));
        match learned {
            Ok((lives, baselines)) => {
                self.learned = true;
                let records: Vec<LifeRecord> = lives
                    .into_iter()
                    .map(|life| LifeRecord {
                        process: life.process,
                        routes: life.routes.into_iter().map(|route| (route.route, route.data)).collect(),
                    })
                    .collect();
                let past = Past::new(&records);
                let baselines =
                    baselines.into_iter().map(|route| (route.route, Durations::from_bytes(&route.data)));
                let baselines = baselines.collect();
                let mut monitor = self.shared.monitor.lock();
                monitor.remember(past);
                monitor.remember_baselines(baselines);
            }
            Err(error) => self.failed(&error),
        }
    }

    pub(super) fn take(&mut self, job: Job) {
        match job {
            Job::Second(second) => self.second(*second),
            Job::Life(life) => {
                let (life, baselines) = *life;
                self.life(life, baselines);
            }
            Job::Findings(findings) => self.findings(&findings),
            Job::Incident(incident) => {
                self.with(|store| store.incident(&incident));
                self.known(&incident.leaks);
            }
            Job::Captured(incident) => {
                self.with(|store| store.captured(&incident, wall_ms()));
            }
            Job::NotCaptured(incident) => {
                self.with(|store| store.not_captured(&incident));
            }
            Job::Claim { incident, freeze, capture, share, answer } => {
                let limits = self.shared.budget.lock().limits;
                let claim = Claim { incident: &incident, freeze, capture, share };
                let result = self.patiently(|store| store.claim(&claim, &limits, wall_ms()));
                let result = result.map(|claimed| claimed.map_err(|refused| refused.to_string()));
                // Whoever asked may have gone on by itself: then the claim is given back when nothing is under way.
                let _ = answer.send(result);
                self.read_spent();
            }
            Job::Trip { trip, incident, answer } => {
                let written = leakprobe_history::Trip {
                    name: &trip.trigger,
                    route: trip.route.as_deref(),
                    because: &trip.because,
                    incident: incident.as_deref(),
                };
                let result = self.patiently(|store| store.trip(&written, wall_ms()));
                // As above; a trip that nobody heard of is acted on twice at worst.
                let _ = answer.send(result);
            }
        }
    }

    fn second(&mut self, second: Second) {
        let Second { at, slice, freezes, idle } = second;
        if self.seconds.len() == MOST_SECONDS {
            self.seconds.pop_front();
            self.shared.fault("a second of the history was lost");
        }
        self.seconds.push_back((at, slice));
        self.freezes.extend(freezes);
        self.freezes.truncate(MOST_SECONDS);
        self.idle = idle;
        if self.store.as_ref().is_some_and(|store| !store.is_in_place()) {
            self.store = None;
            self.retry_at = Instant::now();
        }
        if self.store.is_none() && Instant::now() >= self.retry_at {
            self.open();
        }
        let seconds = self.seconds.make_contiguous().to_vec();
        let (freezes, idle) = (self.freezes.clone(), self.idle);
        let written = self.with(|store| store.write(&seconds, &freezes, idle, wall_ms()));
        if written.is_none() {
            return;
        }
        self.seconds.clear();
        self.freezes.clear();
        let keep = Keep { most_bytes: self.shared.config.max_history_bytes };
        self.with(|store| store.maintain(keep, wall_ms()));
        if !freezes.is_empty() || self.spent_at.is_none_or(|at| at.elapsed() > SPENT_EVERY) {
            self.read_spent();
        }
    }

    fn read_spent(&mut self) {
        self.spent_at = Some(Instant::now());
        if let Some(spent) = self.with(|store| store.spent(wall_ms())) {
            self.shared.budget.lock().service((self.shared.now)(), spent);
        }
    }

    fn life(&mut self, life: LifeRecord, baselines: Vec<(String, Durations)>) {
        let route = |(route, data)| StoredRoute { route, data };
        let routes: Vec<StoredRoute> = life.routes.into_iter().map(route).collect();
        self.with(|store| store.keep_life(&life.process, &routes));
        if !baselines.is_empty() {
            let baselines: Vec<StoredRoute> = baselines
                .into_iter()
                .map(|(route, data)| StoredRoute { route, data: data.to_bytes() })
                .collect();
            self.with(|store| store.keep_baselines(&baselines, wall_ms()));
        }
    }

    fn findings(&mut self, findings: &[Finding]) {
        self.with(|store| store.find(findings, wall_ms()));
        let leaks = findings.iter().filter(|found| found.kind == "leak");
        let leaks: Vec<String> = leaks.map(|found| found.fingerprint.clone()).collect();
        self.known(&leaks);
    }

    /// What the history knows of leaks goes where reports are made.
    fn known(&mut self, leaks: &[String]) {
        for leak in leaks {
            if let Some(Some(known)) = self.with(|store| known::of(store, leak)) {
                let mut all = self.shared.known_leaks.lock();
                if all.len() >= MOST_KNOWN {
                    // Ids change with what is found of a leak; those that are reported now come again within a minute.
                    all.clear();
                }
                all.insert(leak.clone(), known);
            }
        }
    }

    /// Everything that was told is written, and the life ends.
    pub(super) fn end(&mut self) {
        let (seconds, freezes) = (self.seconds.make_contiguous().to_vec(), self.freezes.clone());
        if !seconds.is_empty() || !freezes.is_empty() {
            self.with(|store| store.write(&seconds, &freezes, true, wall_ms()));
        }
        if let Some(store) = self.store.take()
            && let Err(error) = store.end(wall_ms())
        {
            self.failed(&error);
        }
    }

    pub(super) fn panicked(&mut self) {
        self.shared.fault("the history's thread panicked");
        self.store = None;
        self.retry_at = Instant::now() + AGAIN;
    }

    /// As `with`, tried again for a while when others write.
    fn patiently<T>(&mut self, mut work: impl FnMut(&mut Store) -> Result<T, Error>) -> Option<T> {
        let began = Instant::now();
        loop {
            let done = self.with(&mut work);
            if done.is_some() || self.busy_since.is_none() || began.elapsed() > PATIENCE {
                return done;
            }
        }
    }

    /// Does something with the file; `None` where that failed, which is told.
    fn with<T>(&mut self, work: impl FnOnce(&mut Store) -> Result<T, Error>) -> Option<T> {
        match work(self.store.as_mut()?) {
            Ok(done) => {
                self.busy_since = None;
                self.works();
                Some(done)
            }
            Err(Error::Damaged(_)) => {
                let aside = self.store.take().map(|store| store.set_aside(wall_ms()));
                if let Some(Err(error)) = aside {
                    self.failed(&error);
                    return None;
                }
                self.open();
                if let Some(Ok(Opened::SetAside(path))) = aside {
                    self.shared.fault("a damaged history was set aside");
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                    let because = format!(
                        "a new {FILE}: the old one was damaged, and is kept as {}",
                        name.unwrap_or_default()
                    );
                    if self.store.is_some() {
                        self.shared.set_capability("history", "native", &because);
                    }
                }
                None
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    /// Says why it is not written just now; another process that writes is waited for a while first.
    fn failed(&mut self, error: &Error) {
        if error.is_passing() {
            let since = *self.busy_since.get_or_insert_with(Instant::now);
            if since.elapsed() < BUSY_FOR {
                self.retry_at = Instant::now();
                return;
            }
        }
        self.shared.fault("writing the history");
        let left = matches!(error, Error::Newer { .. } | Error::Foreign);
        let then = if left { "it is left as it is" } else { "it is tried again" };
        let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        let because = format!("{FILE}: {error}{cause}; {then}, and recording goes on without");
        self.shared.set_capability("history", "off", &because);
    }

    /// After a failure.
    fn works(&self) {
        let mut capabilities = self.shared.capabilities.lock();
        if let Some(history) = capabilities.get_mut("history").filter(|history| history.state == "off") {
            "native".clone_into(&mut history.state);
            history.because = format!("{FILE}, written to again after a failure");
        }
    }
}

/// The system's clock, ms since the epoch: what processes of one machine agree on.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
