//! `POST /api/capture`: the one request that changes something.

use crate::body::Answer;
use crate::guard::Guard;
use crate::handle::Context;
use crate::limits::{BODY_BYTES, BODY_TIME};
use crate::respond::{JSON, Refused, error, refusal, typed};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use leakprobe_recorder::Error;
use serde::Deserialize;
use tokio::time::timeout;

const WRONG_BODY: Refused = Refused::new(
    StatusCode::BAD_REQUEST,
    "LEAKPROBE_ERR_BODY",
    "expected JSON: `heapSnapshot`, true or false, and `reason`, 1 to 40 letters, digits, dots, dashes and underscores, of which the first is a letter or digit; both may be absent",
);
const TOO_LONG: Refused = Refused::new(
    StatusCode::PAYLOAD_TOO_LARGE,
    "LEAKPROBE_ERR_BODY",
    "expected a body of at most 4096 bytes",
);
const TOO_SLOW: Refused =
    Refused::new(StatusCode::REQUEST_TIMEOUT, "LEAKPROBE_ERR_BODY", "expected the whole body within 5 s");

const TOO_OFTEN: Refused = Refused::new(
    StatusCode::TOO_MANY_REQUESTS,
    "LEAKPROBE_ERR_TOO_MANY",
    "at most 5 captures in a row, and 12 an hour, may be asked for over HTTP; `probe.capture()` has no such limit",
);

/// The body.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Wanted {
    heap_snapshot: bool,
    reason: Option<String>,
}

/// Asks for an incident, and tells its id before it is there.
pub(crate) async fn capture(server: &Context, head: &Parts, body: Incoming) -> Response<Answer> {
    if let Err(refused) = Guard::may_act(&head.headers) {
        return refusal(refused);
    }
    let wanted = match timeout(BODY_TIME, Limited::new(body, BODY_BYTES).collect()).await {
        Err(_) => return refusal(TOO_SLOW),
        Ok(Err(_)) => return refusal(TOO_LONG),
        Ok(Ok(body)) => read(&body.to_bytes()),
    };
    let Some(Wanted { heap_snapshot, reason }) = wanted else { return refusal(WRONG_BODY) };
    if !server.allows_capture() {
        return refusal(TOO_OFTEN);
    }
    match server.reader.capture(reason.as_deref().unwrap_or("http"), heap_snapshot) {
        Ok(id) => typed(StatusCode::ACCEPTED, JSON, serde_json::json!({ "id": id }).to_string()),
        Err(why @ Error::OutOfBudget(_)) => {
            error(StatusCode::TOO_MANY_REQUESTS, why.code(), &why.to_string())
        }
        Err(why @ Error::NoDirectory) => error(StatusCode::CONFLICT, why.code(), &why.to_string()),
        Err(why) => error(StatusCode::SERVICE_UNAVAILABLE, why.code(), &why.to_string()),
    }
}

/// The body; an empty one asks for nothing in particular. serde would take an array for an object.
fn read(body: &[u8]) -> Option<Wanted> {
    let wanted = match body.trim_ascii_start().first() {
        None => Wanted::default(),
        Some(b'{') => serde_json::from_slice(body).ok()?,
        Some(_) => return None,
    };
    wanted.reason.as_deref().is_none_or(is_name).then_some(wanted)
}

/// It becomes a part of a folder's name.
fn is_name(reason: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let first = reason.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && reason.len() <= 40 && reason.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_json_of_two_fields() {
        assert_eq!(read(b""), Some(Wanted::default()));
        assert_eq!(read(b"{}"), Some(Wanted::default()));
        let both = Wanted { heap_snapshot: true, reason: Some("by-hand_1.0".to_owned()) };
        assert_eq!(read(br#"{"heapSnapshot":true,"reason":"by-hand_1.0"}"#), Some(both));
        let wrong: [&[u8]; 9] = [
            b"[]",
            b"{",
            b"null",
            br#"{"heapSnapshot":1}"#,
            br#"{"reason":""}"#,
            br#"{"reason":"../x"}"#,
            br#"{"reason":".x"}"#,
            br#"{"floor":true}"#,
            b"\xff",
        ];
        for body in wrong {
            assert_eq!(read(body), None, "{}", String::from_utf8_lossy(body));
        }
        assert!(is_name(&"a".repeat(40)) && !is_name(&"a".repeat(41)));
    }
}
