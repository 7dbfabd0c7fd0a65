//! The report's types: `leakprobe.report/1`, the same in `report.json`, in JavaScript and in the CLI.
//!
//! Absent is not zero: what was not measured is left out.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Version tag of the report's form.
pub const SCHEMA: &str = "leakprobe.report/1";

/// The whole report.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose report it is.
    pub process: ProcessIdentity,
    /// The conclusion in one word.
    pub verdict: Verdict,
    /// What leaks, largest first.
    pub leaks: Vec<Leak>,
    /// Routes that got slower with the age of the process, the largest growth first.
    pub slowdowns: Vec<crate::slowdown::Slowdown>,
    /// The usual suspects, each ruled out or supported by its numbers.
    pub hypotheses: Vec<crate::hypothesis::Judged>,
    /// The routes with the most requests, at most 50, so that a report can be read alone.
    pub routes: Vec<crate::stats::RouteStats>,
    /// What the probe itself cost.
    pub cost: Cost,
}

/// The process a report speaks of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    /// Process id.
    pub pid: u32,
    /// Start of the probe, RFC 3339, UTC.
    pub started_at: String,
    /// Time since then, ms.
    pub uptime_ms: u64,
    /// `process.version`.
    pub node: String,
    /// Name of the service.
    pub service: String,
    /// What works in this process, by which source, and why not where it does not.
    pub capabilities: BTreeMap<String, Capability>,
}

/// Whether one thing works here.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// `native`, `fallback`, `off` or `absent`.
    pub state: String,
    /// Where the numbers come from, or why they do not.
    pub because: String,
}

/// The conclusion.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// At least one leak is reported.
    Leaking,
    /// Something grows, but no route can be named yet.
    Suspect,
    /// Enough data, and nothing grows.
    Clear,
    /// Not enough data.
    Learning,
}

/// A finding with a route and a kind.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leak {
    /// Fingerprint of route and kind: the same in every process and after every restart.
    pub id: String,
    /// The first of `routes`.
    pub route: String,
    /// The routes; several when they cannot be told apart.
    pub routes: Vec<String>,
    /// `collection`, `listener`, `timer`, `closure`, `native` or `unknown`.
    pub kind: String,
    /// `heap`, `external`, `arrayBuffers`, `native`, `listeners`, `timers`, `handles`, `descriptors`, `inFlight` or
    /// `globals`: what `per_request` counts.
    pub resource: String,
    /// 0 to 0.99: one less what chance leaves of doubt; further witnesses that agree make the doubt smaller.
    pub confidence: f64,
    /// When the data that shows it begins, RFC 3339, UTC.
    pub since: String,
    /// Kept per request.
    pub per_request: Estimate,
    /// What that amounts to.
    pub growth: Growth,
    /// Time until the limit at the present rate, ms; only for heap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_limit_ms: Option<u64>,
    /// Whose code keeps it, as far as the evidence carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub culprit: Option<Culprit>,
    /// Independent observations, each with its own estimate.
    pub evidence: Vec<Evidence>,
    /// What is known of it from earlier lives of the service; absent without a history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Known>,
}

/// A leak in the history of the service.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// When it was first reported, RFC 3339, UTC.
    pub first_at: String,
    /// The version, or else the revision, of the application then; absent when neither was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_version: Option<String>,
    /// That again, when other versions were watched for half an hour or more before, and it was not in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_since: Option<String>,
    /// Lives of processes in which it was reported, this one included.
    pub lives: u32,
    /// The first and the last incident with it.
    pub incidents: Vec<KnownIncident>,
    /// One sentence.
    pub because: String,
}

/// An incident in which a leak was reported.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct KnownIncident {
    /// Its id.
    pub id: String,
    /// Where it is, or was; absent when nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
}

/// The code behind a leak.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Culprit {
    /// Package; absent for the application's own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// File or URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// From a root of the heap to what is kept; empty when neither a walk nor a heap snapshot tells.
    pub retaining_path: Vec<String>,
    /// What connects that path with the leak, the surest first: `growth` (walks saw it grow with the route), `place` (it is
    /// the code that sites named), `watched-requests` (it keeps those), `amount` (nothing else of its kind is as much).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_by: Option<String>,
}

/// A number with its 95 % interval.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Best estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end; infinite, in JSON `null`, where the readings allow any amount.
    #[serde(deserialize_with = "null_is_infinite")]
    pub high: f64,
    /// `bytes`, or what is counted: `listeners`, `timers`, `handles`, `descriptors`, `requests`, `keys`, `objects`.
    pub unit: String,
}

/// JSON has no infinite numbers, and serde writes `null` for one.
fn null_is_infinite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// Growth that a leak explains.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// At the traffic of the observed span, per hour.
    pub per_hour: f64,
    /// Over the observed span.
    pub total: f64,
    /// As in the estimate.
    pub unit: String,
}

/// One witness.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// `floor-regression` (any resource that is read as one number), `watched-requests`, `listener-sites`,
    /// `timer-sites`, `heap-samples`, `heap-snapshot` or `heap-walk`.
    pub by: String,
    /// What it counts: a resource, or the class of objects that a walk found.
    pub of: String,
    /// What it says.
    pub per_request: Estimate,
    /// Observations it rests on.
    pub intervals: u32,
    /// Requests of the route in them.
    pub requests: u64,
}

/// What the probe itself cost.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// App-thread time of the probe per request, ns: median of the last measured ones (one request in 64 is); absent
    /// without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_request_ns: Option<f64>,
    /// CPU time of the background threads, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<f64>,
    /// Memory held for routes, windows, queue and in-flight table, bytes, by the probe's own accounting.
    pub bytes: u64,
    /// Shadows made.
    pub freezes: u64,
    /// App-thread pauses that the probe caused (heap snapshots, forced collections), ms.
    pub pause_ms: Pause,
    /// What the pauses of shadows consisted of; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze_ms: Option<FreezeParts>,
    /// What freezing may cost in an hour, and what it did in the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What was lost, by queue.
    pub dropped: BTreeMap<String, u64>,
}

/// The parts of all pauses for shadows together, ms.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct FreezeParts {
    /// Waiting until the other threads sleep.
    pub idle: f64,
    /// Checking the memory areas, and reading them again where they had changed.
    pub areas: f64,
    /// Lifting V8's marks from its pages, and the fork.
    pub fork: f64,
    /// Putting the marks back.
    pub restore: f64,
}

/// The budget of freezing and of heap snapshots: of all processes of the service, where there is a history, and over their
/// restarts; else of this process.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Shadows.
    pub freezes_per_hour: Spent,
    /// Pauses of the app thread for them, ms.
    pub pause_ms_per_hour: Spent,
    /// Heap snapshots that triggers asked for, or a person; its numbers are of a day.
    #[serde(default)]
    pub captures_per_day: Spent,
    /// CPU time of all shadows since the start, ms; they run at low priority.
    pub shadow_cpu_ms: f64,
}

/// A part of a budget.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Spent {
    /// In the last hour (or day).
    pub used: f64,
    /// In any hour (or day).
    pub limit: f64,
}

/// Pauses caused by the probe.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Pause {
    /// Longest, ms.
    pub max: f64,
    /// All together, ms.
    pub total: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_without_an_upper_end_is_read_as_it_was_written() {
        let open = Estimate { value: 0.0, low: 0.0, high: f64::INFINITY, unit: "bytes".to_owned() };
        let text = serde_json::to_string(&open).unwrap();
        assert_eq!(text, r#"{"value":0.0,"low":0.0,"high":null,"unit":"bytes"}"#);
        assert_eq!(serde_json::from_str::<Estimate>(&text).unwrap(), open);
        assert!(
            serde_json::from_str::<Estimate>(r#"{"value":null,"low":0,"high":1,"unit":"bytes"}"#).is_err()
        );
    }
}
