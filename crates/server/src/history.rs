//! `/api/history`: windows, findings and incidents of weeks, from the file that all processes of the service write.
//!
//! **Invariant:** the file is read by the thread that reads the disk, never by the one that answers, for
//! [`limits::HISTORY_TIME`] at most, and not when the server ends.

mod asked;
mod listed;
mod windows;

use crate::body::Answer;
use crate::cache::Found;
use crate::handle::Context;
use crate::limits::{self, HISTORY_LISTED, KEPT_BYTES};
use crate::respond::{JSON, Refused, TOO_MANY, error, json_text, refusal, typed};
use asked::{Asked, Grid};
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use leakprobe_history::{Error, FILE, Reader};
use leakprobe_recorder::HistoryPlace;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

const NO_ROUTE: Refused =
    Refused::new(StatusCode::NOT_FOUND, "LEAKPROBE_ERR_NOT_FOUND", "no such route is in the history");
/// Names of routes are short.
const NAMES: usize = 10 * HISTORY_LISTED;

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// The file has another word for it.
    History(Error),
    /// There is no file; what the recorder says of it.
    NoFile(String),
    NoRoute,
}

impl Failure {
    /// Whether what was answered last is still as good.
    fn passes(&self) -> bool {
        matches!(self, Self::History(why) if why.is_passing())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::History(error)
    }
}

/// Answers.
pub(crate) async fn get(server: &Context, query: &str) -> Result<Response<Answer>, Refused> {
    let wrong = |said| Refused::new(StatusCode::BAD_REQUEST, "LEAKPROBE_ERR_QUERY", said);
    let asked = asked::read(query).map_err(wrong)?;
    let grid = asked.grid(now_s()).map_err(wrong)?;
    let HistoryPlace { directory, because } = server.reader.history();
    let Some(directory) = directory else {
        let said = format!("no history is kept: {because}; `/api/series` has what is in memory");
        return Ok(error(StatusCode::NOT_FOUND, "LEAKPROBE_ERR_NO_HISTORY", &said));
    };
    let key = format!("history {asked:?}");
    let found = server.cache().find(&key, Instant::now());
    let bytes = match found {
        Found::Fresh(bytes) => bytes,
        Found::TooMany => return Err(TOO_MANY),
        Found::Compute(old) => {
            let ending = Arc::clone(&server.ending);
            let read = move || {
                let began = Instant::now();
                let go_on = move || !ending.load(Ordering::Relaxed) && began.elapsed() < limits::HISTORY_TIME;
                answer(&directory, because, &asked, grid, go_on)
            };
            match server.disk.look(read).await? {
                Ok(bytes) => {
                    if bytes.len() <= KEPT_BYTES {
                        server.cache().keep(&key, bytes.clone(), Instant::now());
                    }
                    bytes
                }
                Err(failure) => match old.filter(|_| failure.passes()) {
                    Some(old) => old,
                    None => return Ok(failed(&failure)),
                },
            }
        }
    };
    Ok(typed(StatusCode::OK, JSON, bytes))
}

/// Reads the file in `directory`, on whatever thread this is.
fn answer(
    directory: &Path,
    because: String,
    asked: &Asked,
    grid: Grid,
    go_on: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<Bytes, Failure> {
    if !directory.join(FILE).exists() {
        return Err(Failure::NoFile(because));
    }
    let reader = Reader::open_while(directory, go_on)?;
    let mut value = match &asked.route {
        Some(route) => of_route(&reader, route, grid, asked)?,
        None => of_service(&reader, grid, asked)?,
    };
    let mut omitted = Map::new();
    let mut list = |name: &str, (listed, older): (Vec<Value>, usize)| {
        value.insert(name.to_owned(), listed.into());
        omitted.insert(name.to_owned(), older.into());
    };
    let span = (grid.from, grid.to);
    list("deployments", listed::newest(&reader.deployments(span)?, listed::deployment));
    list("lives", listed::newest(&reader.lives(span)?, listed::life));
    let is_of = |route: &str| asked.route.as_ref().is_none_or(|wanted| wanted == route);
    let mut findings = reader.findings(span)?;
    findings.retain(|one| is_of(&one.what.route));
    list("findings", listed::newest(&findings, listed::finding));
    let mut incidents = reader.incidents(span)?;
    // One of no route may be of each.
    incidents.retain(|one| one.what.route.as_deref().is_none_or(is_of));
    list("incidents", listed::newest(&incidents, listed::incident));
    if asked.route.is_none() {
        let names = reader.routes()?;
        let more = names.len().saturating_sub(NAMES);
        list("routes", (names.into_iter().take(NAMES).map(Value::from).collect(), more));
    }
    value.insert("omitted".to_owned(), omitted.into());
    value.insert("fromMs".to_owned(), (grid.from * 1_000).into());
    value.insert("toMs".to_owned(), (grid.to * 1_000).into());
    value.insert("stepMs".to_owned(), (grid.step * 1_000).into());
    value.insert("times".to_owned(), grid.times().map(|at| json!(at * 1_000)).collect());
    json_text(&value).ok_or(Failure::History(Error::Stopped))
}

fn of_route(reader: &Reader, route: &str, grid: Grid, asked: &Asked) -> Result<Map<String, Value>, Failure> {
    let points = reader.route(route, (grid.from, grid.to), grid.resolution())?;
    if points.is_empty() && !reader.routes()?.iter().any(|known| known == route) {
        return Err(Failure::NoRoute);
    }
    let mut columns = windows::of_route(points, grid, asked);
    columns.insert("route".to_owned(), route.into());
    Ok(Map::from_iter([("route".to_owned(), columns.into())]))
}

fn of_service(reader: &Reader, grid: Grid, asked: &Asked) -> Result<Map<String, Value>, Failure> {
    let points = reader.process((grid.from, grid.to), grid.resolution())?;
    let columns = windows::of_processes(&points, grid, asked);
    Ok(Map::from_iter([("process".to_owned(), columns.into())]))
}

/// What a client is told; what SQLite says in detail stays here.
fn failed(failure: &Failure) -> Response<Answer> {
    let unavailable = |code, said: &str| error(StatusCode::SERVICE_UNAVAILABLE, code, said);
    match failure {
        Failure::NoRoute => refusal(NO_ROUTE),
        Failure::NoFile(because) => {
            unavailable("LEAKPROBE_ERR_HISTORY", &format!("there is no {FILE} just now: {because}"))
        }
        Failure::History(why) if why.is_passing() => {
            unavailable("LEAKPROBE_ERR_BUSY", &format!("{FILE}: {why}; try again in a second"))
        }
        Failure::History(Error::ReadOnly) => {
            unavailable("LEAKPROBE_ERR_HISTORY", &format!("{FILE}: it cannot be opened"))
        }
        Failure::History(why) => unavailable("LEAKPROBE_ERR_HISTORY", &format!("{FILE}: {why}")),
    }
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
