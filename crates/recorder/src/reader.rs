//! What may be asked from other threads: for those who serve it. Nothing here waits longer than it is told to, and nothing needs
//! the app thread.

use crate::error::Error;
use crate::incident_files::{IncidentFiles, KnownIncidents, OpenFile};
use crate::process_reading::own_cpu_ms;
use crate::state::Shared;
use crate::worker::{Command, incident_id};
use crossbeam_channel::Sender;
use leakprobe_core::counters::RouteCounters;
use leakprobe_core::series::SeriesView;
use leakprobe_core::stats::ServerStats;
use leakprobe_core::{Report, Stats};
use leakprobe_history::Claim;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a monitoring system gets.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The stats.
    pub stats: Stats,
    /// The report.
    pub report: Report,
    /// Counters of routes.
    pub routes: Vec<RouteCounters>,
    /// Routes that have none, because there are too many.
    pub more_routes: usize,
}

/// Where a history is.
#[derive(Clone, Debug)]
pub struct HistoryPlace {
    /// The directory of the file; `None` where no history is kept.
    pub directory: Option<PathBuf>,
    /// Why there is none, or how it is with the file: what `capabilities.history` of the report says.
    pub because: String,
}

/// The recorder's read side; clones read the same recorder.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    known: Arc<KnownIncidents>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, commands: Sender<Command>) -> Self {
        Self { shared, commands, known: Arc::default() }
    }

    /// The stats, unless the monitor is busy for longer than `wait`.
    pub fn stats(&self, wait: Duration) -> Option<Stats> {
        self.shared.stats_within(wait)
    }

    /// The report, likewise.
    pub fn report(&self, wait: Duration) -> Option<Report> {
        self.shared.report_within(wait)
    }

    /// What a monitoring system gets, likewise.
    pub fn exported(&self, wait: Duration) -> Option<Exported> {
        let stats = self.stats(wait)?;
        let report = self.report(wait)?;
        let (routes, more_routes) = self.shared.monitor.try_lock_for(wait)?.counters();
        Some(Exported { stats, report, routes, more_routes })
    }

    /// The recent series, likewise; inside `None` where they are not kept.
    pub fn series(
        &self,
        route: Option<&str>,
        minutes: Option<u32>,
        wait: Duration,
    ) -> Option<Option<SeriesView>> {
        Some(self.shared.monitor.try_lock_for(wait)?.series(route, minutes))
    }

    /// The process and the service they are of.
    pub fn pid_and_service(&self) -> (u32, &str) {
        (std::process::id(), &self.shared.config.service)
    }

    /// Asks for an incident, within the budget of freezing, for who asks from outside may be anybody; returns its id at once. A name
    /// of `reason` that is fit for a folder is the caller's matter.
    pub fn capture(&self, reason: &str, heap_snapshot: bool) -> Result<String, Error> {
        let claim = Claim { incident: "", freeze: true, capture: heap_snapshot, share: 1.0 };
        let allowed = self.shared.budget.lock().service_allows(&claim, (self.shared.now)());
        allowed.map_err(|refused| Error::OutOfBudget(refused.to_string()))?;
        request_capture(&self.shared, &self.commands, reason, heap_snapshot, false)
    }

    /// The incidents on disk, newest first, at most 200. Reads the disk.
    pub fn incidents(&self) -> Vec<Value> {
        self.files().map_or_else(Vec::new, |files| files.list())
    }

    /// One incident with its analysis and its stack. Reads the disk.
    pub fn incident(&self, id: &str) -> Option<Value> {
        self.files()?.one(id)
    }

    /// Opens a file of an incident. Reads the disk.
    pub fn incident_file(&self, id: &str, name: &str) -> Option<OpenFile> {
        self.files()?.open(id, name)
    }

    /// Where the service's history is, and how the recorder gets on with it.
    pub fn history(&self) -> HistoryPlace {
        let because = self.shared.capabilities.lock().get("history").map(|history| history.because.clone());
        let directory = self.shared.config.home().filter(|_| self.shared.config.history);
        HistoryPlace { directory, because: because.unwrap_or_default() }
    }

    /// Where it is served, or why it is not.
    pub fn set_server(&self, server: ServerStats) {
        let (state, because) = match (&server.address, &server.because) {
            (Some(address), _) => ("native", address.clone()),
            (None, because) => ("off", because.clone().unwrap_or_default()),
        };
        self.shared.set_capability("server", state, &because);
        *self.shared.server.lock() = Some(server);
    }

    /// The calling thread serves: what it costs belongs to the probe's cost.
    pub fn note_server_cpu(&self) {
        self.shared.cost.lock().server_cpu_ms = own_cpu_ms();
    }

    fn files(&self) -> Option<IncidentFiles> {
        let home = self.shared.config.home()?;
        let (incidents, known) = (home.join("incidents"), Arc::clone(&self.known));
        Some(IncidentFiles::new(incidents, self.shared.config.serve_heap_snapshots, known))
    }
}

/// Puts a capture on the thread's channel.
pub(crate) fn request_capture(
    shared: &Shared,
    commands: &Sender<Command>,
    reason: &str,
    heap_snapshot: bool,
    floor: bool,
) -> Result<String, Error> {
    if shared.config.directory.is_none() {
        return Err(Error::NoDirectory);
    }
    let id = incident_id(shared.started, shared.captures.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let command = Command::Capture { id: id.clone(), reason: reason.to_owned(), heap_snapshot, floor };
    commands.try_send(command).map_err(|_| Error::Busy)?;
    Ok(id)
}
