//! Errors on their way to JavaScript: the message is JSON with `code` and `message`, and `lib/errors.js` makes a real
//! `Error` of it, so that every coded error comes out of one table.

/// A coded error for JavaScript.
pub(crate) fn coded(code: &str, message: &str) -> napi::Error {
    let json = serde_json::json!({ "code": code, "message": message });
    napi::Error::new(napi::Status::GenericFailure, json.to_string())
}

/// A recorder's error for JavaScript.
#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
pub(crate) fn from_recorder(error: leakprobe_recorder::Error) -> napi::Error {
    coded(error.code(), &error.to_string())
}
