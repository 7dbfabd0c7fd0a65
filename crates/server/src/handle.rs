//! From a request to its answer.

use crate::api::{self, What};
use crate::body::Answer;
use crate::cache::{Cache, Found};
use crate::config::ServerConfig;
use crate::disk::Disk;
use crate::guard::{Guard, reads};
use crate::limits;
use crate::rate::Rate;
use crate::respond::{self, BUSY, NOT_FOUND, Refused, TOO_MANY, refusal, typed, wrong_method};
use crate::{capture, history, incidents, metrics};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, HeaderValue, VARY};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use leakprobe_recorder::Reader;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What all requests share. Its locks are taken on the server's thread only, and held for a look.
pub(crate) struct Context {
    pub(crate) reader: Reader,
    pub(crate) guard: Guard,
    pub(crate) disk: Disk,
    /// The server ends: what reads the disk gives up.
    pub(crate) ending: Arc<AtomicBool>,
    rate: Mutex<Rate>,
    captures: Mutex<Rate>,
    cache: Mutex<Cache>,
}

impl Context {
    pub(crate) fn new(config: &ServerConfig, reader: Reader) -> Self {
        let now = Instant::now();
        Self {
            reader,
            guard: Guard::new(config),
            disk: Disk::default(),
            ending: Arc::default(),
            rate: Mutex::new(Rate::new(limits::REQUESTS_PER_SECOND, now)),
            captures: Mutex::new(Rate::with_reserve(
                limits::CAPTURES_PER_HOUR / 3_600.0,
                limits::CAPTURES,
                now,
            )),
            cache: Mutex::new(Cache::new(now)),
        }
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to `key` as it was a moment ago, or as it is now.
    pub(crate) fn cached(
        &self,
        key: &str,
        compute: impl FnOnce() -> Option<Bytes>,
    ) -> Result<Bytes, Refused> {
        let found = self.cache().find(key, Instant::now());
        match found {
            Found::Fresh(bytes) => Ok(bytes),
            Found::TooMany => Err(TOO_MANY),
            Found::Compute(old) => match compute() {
                Some(bytes) => {
                    self.cache().keep(key, bytes.clone(), Instant::now());
                    Ok(bytes)
                }
                None => old.ok_or(BUSY),
            },
        }
    }

    /// Whether another capture may be asked for.
    pub(crate) fn allows_capture(&self) -> bool {
        self.captures.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now()).is_ok()
    }

    fn allows(&self) -> bool {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now()).is_ok()
    }
}

/// Answers a request, whatever it is.
pub(crate) async fn answer(server: &Context, request: Request<Incoming>) -> Response<Answer> {
    if !server.allows() {
        return refusal(TOO_MANY);
    }
    let (head, body) = request.into_parts();
    if let Err(refused) = server.guard.admits(&head.uri, &head.headers) {
        return refusal(refused);
    }
    let known = server.guard.knows(&head.headers);
    if head.uri.path() == "/healthz" {
        return if reads(&head.method) { health(server, known.is_ok()) } else { wrong_method("GET, HEAD") };
    }
    if let Err(refused) = known {
        return refusal(refused);
    }
    if head.uri.path() == "/api/capture" {
        return if head.method == Method::POST {
            capture::capture(server, &head, body).await
        } else {
            wrong_method("POST")
        };
    }
    if !reads(&head.method) {
        return wrong_method("GET, HEAD");
    }
    read(server, &head).await.unwrap_or_else(refusal)
}

async fn read(server: &Context, head: &Parts) -> Result<Response<Answer>, Refused> {
    let path = head.uri.path();
    if let Some(file) = path.strip_prefix('/').and_then(leakprobe_dashboard::file) {
        return Ok(typed(StatusCode::OK, file.content_type, Bytes::from_static(file.text.as_bytes())));
    }
    if path == "/metrics" {
        return metrics(server, head);
    }
    if path == "/api/history" {
        return history::get(server, head.uri.query().unwrap_or_default()).await;
    }
    if let Some(what) = What::at(path) {
        return api::get(server, what, head.uri.query());
    }
    match path.strip_prefix("/api/incidents") {
        Some(rest) => incidents::get(server, rest).await,
        None => Err(NOT_FOUND),
    }
}

fn metrics(server: &Context, head: &Parts) -> Result<Response<Answer>, Refused> {
    let accept = head.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = metrics::negotiate(accept);
    let kind = format.content_type();
    let mut response =
        typed(StatusCode::OK, kind, server.cached(kind, || metrics::metrics(&server.reader, format))?);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// That this server lives, and whose it is for those who may know.
fn health(server: &Context, known: bool) -> Response<Answer> {
    let mut health = serde_json::json!({ "status": "ok" });
    if let (true, Some(map)) = (known, health.as_object_mut()) {
        let (pid, service) = server.reader.pid_and_service();
        map.insert("pid".to_owned(), pid.into());
        map.insert("service".to_owned(), service.into());
    }
    typed(StatusCode::OK, respond::JSON, health.to_string())
}
