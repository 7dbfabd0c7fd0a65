//! Where panics end: each call from JavaScript runs in here, so that none unwinds into Node-API, which would abort the host.

use crate::error::coded;
use leakprobe_recorder::{faults, panics};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls; a panic becomes the error `LEAKPROBE_ERR_INTERNAL` with its place.
pub(crate) fn caught<R>(call: impl FnOnce() -> napi::Result<R>) -> napi::Result<R> {
    let called = catch_unwind(AssertUnwindSafe(|| {
        faults::point("call");
        call()
    }));
    called.unwrap_or_else(|_| Err(coded("LEAKPROBE_ERR_INTERNAL", &panics::last())))
}
