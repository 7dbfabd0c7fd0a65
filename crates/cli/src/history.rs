//! `leakprobe history`: what a service did over days and weeks, from its history file.

mod args;
mod json;
mod spark;
mod text;

use crate::{Output, Terminal, Unreadable, find};
pub(crate) use args::span;
use args::{Asked, HELP};
use leakprobe_core::history::RouteSlice;
use leakprobe_history::{
    Deployment, FILE, Finding, Incident, LifeSpan, Point, ProcessPoint, Reader, Resolution, Told,
};
use std::path::Path;
use std::time::SystemTime;

/// Routes shown, those with the most requests, unless one is named.
const ROUTES: usize = 20;

/// One route in the span.
struct Route {
    name: String,
    sum: RouteSlice,
    points: Vec<Point>,
}

/// Everything of one service in the span.
struct Found {
    service: String,
    span: (i64, i64),
    resolution: Resolution,
    routes: Vec<Route>,
    /// Routes with requests that are not shown.
    others: usize,
    process: Vec<ProcessPoint>,
    lives: Vec<LifeSpan>,
    deployments: Vec<Deployment>,
    findings: Vec<Told<Finding>>,
    incidents: Vec<Told<Incident>>,
    trips: Vec<(String, u32, u32)>,
}

/// Runs `history`; `None` for another command.
pub(crate) fn run(args: &[String], terminal: Terminal) -> Option<Output> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    run_at(args, terminal, i64::try_from(now.as_secs()).unwrap_or(0))
}

fn run_at(args: &[String], terminal: Terminal, now: i64) -> Option<Output> {
    let asked = match args::parse(args)? {
        Ok(Some(asked)) => asked,
        Ok(None) => return Some(Output { stdout: HELP.to_owned(), ..Output::default() }),
        Err(wrong) => {
            let stderr = format!("leakprobe: {wrong}; see leakprobe history --help\n");
            return Some(Output { code: 2, stderr, ..Output::default() });
        }
    };
    Some(match tell(&asked, terminal, now) {
        Ok(stdout) => Output { stdout, ..Output::default() },
        Err(why) => Output { code: 1, stderr: format!("leakprobe: {why}\n"), ..Output::default() },
    })
}

fn tell(asked: &Asked, terminal: Terminal, now: i64) -> Result<String, Unreadable> {
    let folders = find::folders_with(&asked.directory, FILE)?;
    let found: Vec<Found> =
        folders.iter().map(|folder| find(folder, asked, now)).collect::<Result<_, _>>()?;
    if asked.json {
        let values: Vec<_> = found.iter().map(json::value).collect();
        return Ok(match <[serde_json::Value; 1]>::try_from(values) {
            Ok([one]) => format!("{one}\n"),
            Err(several) => format!("{}\n", serde_json::Value::Array(several)),
        });
    }
    Ok(found.iter().map(|found| text::page(found, terminal)).collect::<Vec<_>>().join("\n"))
}

fn find(folder: &Path, asked: &Asked, now: i64) -> Result<Found, Unreadable> {
    let failed = |error: leakprobe_history::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Unreadable(format!("{}: {error}{cause}", folder.join(FILE).display()))
    };
    let reader = Reader::open(folder).map_err(failed)?;
    read(&reader, folder, asked, now).map_err(failed)
}

fn read(reader: &Reader, folder: &Path, asked: &Asked, now: i64) -> Result<Found, leakprobe_history::Error> {
    let resolution = asked.resolution();
    // The second that has just begun belongs to the span.
    let span = (now - asked.since_s, now + 1);
    let mut routes = Vec::new();
    for name in reader.routes()? {
        if asked.route.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        let points = reader.route(&name, span, resolution)?;
        let mut sum = RouteSlice::default();
        for point in &points {
            sum.requests += point.slice.requests;
            sum.failed += point.slice.failed;
            sum.thread_us += point.slice.thread_us;
            sum.sum_us += point.slice.sum_us;
            sum.durations.add(&point.slice.durations);
        }
        if sum.requests > 0 {
            routes.push(Route { name, sum, points });
        }
    }
    routes.sort_by(|one, other| (other.sum.requests, &one.name).cmp(&(one.sum.requests, &other.name)));
    let others = routes.len().saturating_sub(ROUTES);
    if !asked.json {
        routes.truncate(ROUTES);
    }
    let of_route = |route: &str| asked.route.as_ref().is_none_or(|wanted| wanted == route);
    let mut findings = reader.findings(span)?;
    findings.retain(|found| of_route(&found.what.route));
    let mut incidents = reader.incidents(span)?;
    incidents.retain(|one| one.what.route.as_deref().is_none_or(of_route));
    Ok(Found {
        service: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        span,
        resolution,
        routes,
        others,
        process: reader.process(span, resolution)?,
        lives: reader.lives(span)?,
        deployments: reader.deployments(span)?,
        findings,
        incidents,
        trips: reader.trips(span)?,
    })
}

#[cfg(test)]
mod tests;
