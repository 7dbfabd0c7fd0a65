//! Incidents and their files.

use crate::body::Answer;
use crate::cache::Found;
use crate::handle::Context;
use crate::limits::KEPT_BYTES;
use crate::respond::{self, BUSY, JSON, NOT_FOUND, Refused, TOO_MANY, json_text, typed};
use hyper::body::Bytes;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use hyper::{Response, StatusCode};
use leakprobe_recorder::OpenFile;
use std::time::Instant;

const NOT_ALLOWED: Refused = Refused::new(
    StatusCode::FORBIDDEN,
    "LEAKPROBE_ERR_FORBIDDEN",
    "it holds what was in the app's memory; only redacted heap snapshots are sent, unless `serve.heapSnapshots` is true",
);

/// Answers; `rest` is the path behind `/api/incidents`.
pub(crate) async fn get(server: &Context, rest: &str) -> Result<Response<Answer>, Refused> {
    let mut parts = rest.split('/');
    if parts.next() != Some("") {
        return Err(NOT_FOUND);
    }
    let parts: Vec<&str> = parts.collect();
    match parts.as_slice() {
        [] => list(server).await,
        [id] => one(server, id).await,
        [id, "files", name] => file(server, id, name).await,
        _ => Err(NOT_FOUND),
    }
}

async fn list(server: &Context) -> Result<Response<Answer>, Refused> {
    let reader = server.reader.clone();
    json(server, "incidents", move || Some(json_text(&reader.incidents()))).await
}

async fn one(server: &Context, id: &str) -> Result<Response<Answer>, Refused> {
    let (reader, id) = (server.reader.clone(), id.to_owned());
    let key = format!("incident {id}");
    json(server, &key, move || reader.incident(&id).map(|incident| json_text(&incident))).await
}

/// What `read` reads, or read a moment ago; inside `None` there is nothing.
async fn json(
    server: &Context,
    key: &str,
    read: impl FnOnce() -> Option<Option<Bytes>> + Send + 'static,
) -> Result<Response<Answer>, Refused> {
    let found = server.cache().find(key, Instant::now());
    let bytes = match found {
        Found::Fresh(bytes) => bytes,
        Found::TooMany => return Err(TOO_MANY),
        Found::Compute(_) => {
            let bytes = server.disk.look(read).await?.ok_or(NOT_FOUND)?.ok_or(BUSY)?;
            if bytes.len() <= KEPT_BYTES {
                server.cache().keep(key, bytes.clone(), Instant::now());
            }
            bytes
        }
    };
    Ok(typed(StatusCode::OK, JSON, bytes))
}

async fn file(server: &Context, id: &str, name: &str) -> Result<Response<Answer>, Refused> {
    if !server.cache().allows(Instant::now()) {
        return Err(TOO_MANY);
    }
    let (reader, id, name) = (server.reader.clone(), id.to_owned(), name.to_owned());
    let opened = server.disk.look(move || reader.incident_file(&id, &name)).await?;
    let OpenFile { name, bytes, file } = opened.ok_or(NOT_FOUND)?;
    let file = file.ok_or(NOT_ALLOWED)?;
    let disposition =
        HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).map_err(|_| NOT_FOUND)?;
    let mut response = respond::with_headers(StatusCode::OK, kind(&name), Answer::file(file, bytes));
    response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// The media type of a download. None that a browser would show.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("json" | "heapprofile" | "cpuprofile") => JSON,
        Some("txt" | "md") => "text/plain; charset=utf-8",
        Some("gz") => "application/gzip",
        _ => "application/octet-stream",
    }
}
