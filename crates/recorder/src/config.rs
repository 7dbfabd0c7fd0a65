//! What the recorder has to know, as the JavaScript side hands it over: complete, with every default filled in there.

use leakprobe_core::alarm::Alarm;
use serde::Deserialize;
use std::path::PathBuf;

/// Settings of a recorder.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecorderConfig {
    /// For the measuring and judging.
    pub core: leakprobe_core::Config,
    /// Where everything is kept; `None`: nothing on disk.
    pub directory: Option<PathBuf>,
    /// Name of the service; a folder of this name (made safe) is below `directory`.
    pub service: String,
    /// `process.version`.
    pub node: String,
    /// A second place for the report.
    pub report_file: Option<PathBuf>,
    /// How often the report is written, ms.
    pub report_interval_ms: u64,
    /// Incidents kept.
    pub max_incidents: u32,
    /// Their bytes in all.
    pub max_incident_bytes: u64,
    /// They are kept for so long, ms.
    #[serde(default = "incident_age_ms")]
    pub max_incident_age_ms: u64,
    /// Free bytes of the file system below which nothing is captured; `None`: a twentieth of it, but 256 MiB at least and 4 GiB at most.
    #[serde(default)]
    pub min_free_disk_bytes: Option<u64>,
    /// Heap snapshots in any day that triggers may ask for.
    #[serde(default = "captures_per_day")]
    pub max_captures_per_day: u32,
    /// Whether there is a history.
    #[serde(default)]
    pub history: bool,
    /// Most bytes of its file.
    #[serde(default = "history_bytes")]
    pub max_history_bytes: u64,
    /// Version of the application; empty when it is not known.
    #[serde(default)]
    pub version: String,
    /// Revision of its source, of git; empty when it is not known.
    #[serde(default)]
    pub revision: String,
    /// Events that may wait for the thread.
    pub queue_capacity: usize,
    /// Longest pause for a heap snapshot that a trigger asks for, ms.
    pub max_snapshot_pause_ms: f64,
    /// Shadows in any hour that triggers may ask for.
    pub max_freezes_per_hour: u32,
    /// Pause of the app for shadows in any hour, ms, from which on triggers get none.
    pub max_freeze_pause_ms_per_hour: f64,
    /// Where floors come from.
    #[serde(default)]
    pub floors: Floors,
    /// Who writes a shadow's heap snapshot.
    #[serde(default)]
    pub heap_snapshot_by: HeapSnapshotBy,
    /// Heap snapshots are written without the contents of strings.
    #[serde(default)]
    pub redact_heap_snapshots: bool,
    /// The preset that gave the defaults.
    #[serde(default)]
    pub preset: Preset,
    /// How often the app collects for a floor, where it has to, ms.
    #[serde(default)]
    pub floor_interval_ms: u64,
    /// The share of the time that it may take.
    #[serde(default)]
    pub floor_pause_share: f64,
    /// The command line's program and first arguments, which analyses heap snapshots; empty: none are analysed.
    #[serde(default)]
    pub analyzer: Vec<PathBuf>,
    /// Who is told.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// Parts to do without, to see their fallback; here only `freeze` matters.
    #[serde(default)]
    pub without: Vec<String>,
    /// Heap snapshots with the contents of strings may be downloaded where this is served.
    #[serde(default)]
    pub serve_heap_snapshots: bool,
    /// The kernel's id of the app thread; set by the boundary.
    #[serde(skip)]
    pub main_thread_id: Option<i32>,
}

/// The default of `maxIncidentAgeMs`: 30 days.
const fn incident_age_ms() -> u64 {
    30 * 86_400_000
}

/// The default of `maxCapturesPerDay`.
const fn captures_per_day() -> u32 {
    24
}

/// The default of `maxHistoryBytes`.
const fn history_bytes() -> u64 {
    100 << 20
}

/// The option `floors`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Floors {
    /// What is best here: shadows where they are possible.
    Auto,
    /// Major collections that happen anyway.
    #[default]
    Natural,
    /// Collections that the app makes for it.
    Forced,
    /// Shadows.
    Shadow,
}

/// The option `heapSnapshotBy`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum HeapSnapshotBy {
    /// V8's generator where it has room, the walk elsewhere.
    #[default]
    Auto,
    /// V8's generator.
    V8,
    /// The walk over the heap, where there is one.
    Walk,
}

/// The option `preset`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Nothing is done that the app would feel.
    #[default]
    Production,
    /// A verdict in seconds.
    Test,
}

impl RecorderConfig {
    /// `<directory>/<service>`.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(safe_name(&self.service)))
    }
}

/// A name for a folder: no separators, nothing hidden, at most 100 bytes.
pub(crate) fn safe_name(name: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | '@');
    let name: String = name.chars().take(100).map(|letter| if safe(letter) { letter } else { '_' }).collect();
    match name.trim_start_matches('.') {
        "" => "app".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_never_leaves_its_folder() {
        for (name, expected) in [
            ("mail-api", "mail-api"),
            ("@acme/mails", "@acme_mails"),
            ("../../etc", "_.._etc"),
            ("..", "app"),
            ("", "app"),
            ("a\0b c", "a_b_c"),
        ] {
            assert_eq!(safe_name(name), expected);
        }
    }
}
