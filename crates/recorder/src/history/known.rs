//! What the history says of a leak, for the report.

use leakprobe_core::report::{Known, KnownIncident};
use leakprobe_history::{Deployment, Error, Store};
use std::time::{Duration, SystemTime};

/// Other versions must have been watched for so long without the leak, ms.
const WATCHED_MS: u64 = 1_800_000;
/// Of a revision this is shown.
const REVISION: usize = 12;

/// `None` for a leak that was never reported.
pub(super) fn of(store: &Store, leak: &str) -> Result<Option<Known>, Error> {
    let Some(known) = store.known_leak(leak)? else { return Ok(None) };
    let incidents: Vec<KnownIncident> = store
        .incidents_of(leak, "")?
        .into_iter()
        .map(|one| KnownIncident { id: one.id, directory: one.directory })
        .collect();
    let first_at = time(known.first_ms);
    let first_version = name(&known.first);
    let is_new = known.watched_before_ms >= WATCHED_MS;
    let new_since = first_version.clone().filter(|_| is_new);
    let since = match &new_since {
        Some(version) => format!(
            "new since version {version}: other versions ran for {} before, without it",
            hours(known.watched_before_ms)
        ),
        None => format!("known since {first_at}"),
    };
    let lives =
        if known.lives > 1 { format!("; in {} lives of processes", known.lives) } else { String::new() };
    let same = match incidents.first() {
        Some(incident) => format!("; the same as in incident {}", incident.id),
        None => String::new(),
    };
    let because = format!("{since}{lives}{same}");
    Ok(Some(Known { first_at, first_version, new_since, lives: known.lives, incidents, because }))
}

fn name(deployment: &Deployment) -> Option<String> {
    let Deployment { version, revision, .. } = deployment;
    match (version.as_str(), revision.as_str()) {
        ("", "") => None,
        ("", revision) => Some(revision.chars().take(REVISION).collect()),
        (version, _) => Some(version.to_owned()),
    }
}

fn time(ms: u64) -> String {
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

fn hours(ms: u64) -> String {
    match ms / 3_600_000 {
        0 => format!("{} min", ms / 60_000),
        hours @ 1..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}
