//! The way for tests to arm a fault; only with the feature `faults`.

use napi_derive::napi;

/// The next `times` passages of `place` fail.
#[napi]
pub fn arm_fault(place: String, times: u32) {
    leakprobe_recorder::faults::arm(&place, times);
}
