//! Shadows that nobody waits for.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod common;

use common::{GUARD, config, start};
use leakprobe_shadow::{Pause, wait_readable};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

#[test]
fn a_shadow_that_nobody_waits_for_any_more_is_ended_and_reaped() {
    let (recorder, _told) = start(config(None, &json!([])));
    let (reader, output) = std::io::pipe().unwrap();
    let pid = std::process::Command::new("sleep").arg("600").spawn().unwrap().id();

    recorder.frozen("given up", output.into(), Ok((i32::try_from(pid).unwrap(), Pause::default())));

    // The child lets go of what it inherited a moment after spawn() has returned.
    assert!(wait_readable(&reader, GUARD).unwrap(), "the app holds the pipe no longer");
    let (begun, process) = (Instant::now(), format!("/proc/{pid}"));
    while Path::new(&process).exists() {
        assert!(begun.elapsed() < GUARD, "{process} is still there");
    }
}
