//! Answers, all with the headers that keep a browser from doing anything else with them.

use crate::body::Answer;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

/// The media type of JSON.
pub(crate) const JSON: &str = "application/json";

/// An error that is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

impl Refused {
    pub(crate) const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }
}

/// There is nothing at this path.
pub(crate) const NOT_FOUND: Refused =
    Refused::new(StatusCode::NOT_FOUND, "LEAKPROBE_ERR_NOT_FOUND", "there is nothing at this path");
/// Too many ask.
pub(crate) const TOO_MANY: Refused = Refused::new(
    StatusCode::TOO_MANY_REQUESTS,
    "LEAKPROBE_ERR_TOO_MANY",
    "too many requests in the last second; try again in one",
);
/// The recorder is busy, and nothing was computed before.
pub(crate) const BUSY: Refused = Refused::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "LEAKPROBE_ERR_BUSY",
    "the recorder is judging; try again in a second",
);

/// An error as JSON.
pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response<Answer> {
    let body = json!({ "error": { "code": code, "message": message } });
    let mut response = typed(status, JSON, body.to_string());
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"leakprobe\", charset=\"UTF-8\""),
            );
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

/// A refusal.
pub(crate) fn refusal(refused: Refused) -> Response<Answer> {
    error(refused.status, refused.code, refused.message)
}

/// The method is not one of `allowed`.
pub(crate) fn wrong_method(allowed: &'static str) -> Response<Answer> {
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "LEAKPROBE_ERR_METHOD",
        "this path has other methods; see the header `allow`",
    );
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A value as JSON text.
pub(crate) fn json_text(value: &impl Serialize) -> Option<Bytes> {
    serde_json::to_vec(value).ok().map(Bytes::from)
}

/// A text of a type.
pub(crate) fn typed(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Answer> {
    with_headers(status, kind, Answer::text(text))
}

/// Any body of a type.
pub(crate) fn with_headers(status: StatusCode, kind: &'static str, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(leakprobe_dashboard::CONTENT_SECURITY_POLICY),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for (name, value) in [
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
