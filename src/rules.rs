//! The boundary's part of triggers: their rules, and what still runs.

use crate::caught::caught;
use crate::probe::NativeProbe;
use leakprobe_core::alarm;
use leakprobe_core::event::RouteId;
use leakprobe_core::trigger::{Preset, Problem, Trigger, read, unknown_alarms};
use napi::bindgen_prelude::Int32Array;
use napi_derive::napi;
use serde::Serialize;
use serde_json::{Value, json};

/// Requests told of at most.
const MOST: usize = 256;

/// Checks and completes triggers, given as JSON; `test` takes the defaults of the preset `test`. JSON with them under `complete`, or with
/// `problems`: each its `path`, what was `expected` there, and what was `received`.
#[napi]
pub fn complete_triggers(triggers: String, test: bool) -> napi::Result<String> {
    caught(|| Ok(completed(read(&parsed(&triggers), preset(test)))))
}

/// The same of alarms.
#[napi]
pub fn complete_alarms(alarms: String, test: bool) -> napi::Result<String> {
    caught(|| Ok(completed(alarm::read(&parsed(&alarms), preset(test)))))
}

/// Checks the alarms that complete triggers call, given as JSON like the `names` of those there are; JSON with `problems` as of
/// `completeTriggers`, if there are any.
#[napi]
pub fn check_alarm_names(triggers: String, names: String) -> napi::Result<String> {
    caught(|| {
        let wrong = |error: serde_json::Error| napi::Error::from_reason(error.to_string());
        let triggers: Vec<Trigger> = serde_json::from_str(&triggers).map_err(wrong)?;
        let names: Vec<String> = serde_json::from_str(&names).map_err(wrong)?;
        let problems = unknown_alarms(&triggers, &names);
        Ok(completed(if problems.is_empty() { Ok(()) } else { Err(problems) }))
    })
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn preset(test: bool) -> Preset {
    if test { Preset::Test } else { Preset::Production }
}

fn completed(read: Result<impl Serialize, Vec<Problem>>) -> String {
    let told = match read {
        Ok(complete) => json!({ "complete": complete }),
        Err(problems) => {
            let told = problems.iter().map(|problem| {
                json!({ "path": problem.path, "expected": problem.expected, "received": problem.received })
            });
            json!({ "problems": told.collect::<Vec<_>>() })
        }
    };
    told.to_string()
}

#[napi]
impl NativeProbe {
    /// Handles of requests in flight for `ms` or longer, the oldest first.
    #[napi]
    pub fn older_requests(&self, ms: f64) -> napi::Result<Vec<i32>> {
        self.with(|running| Ok(running.app_thread.older_than(ms)))
    }

    /// Pairs of the handle and the route of requests that still run, at most 256; those that do not any more are left out.
    #[napi]
    pub fn still_running(&self, pairs: Int32Array) -> napi::Result<()> {
        let pairs: &[i32] = pairs.as_ref();
        let pair = |pair: &[i32]| match *pair {
            [handle, route] => Some((handle, RouteId(u16::try_from(route).ok()?))),
            _ => None,
        };
        let pairs = pairs.chunks_exact(2).filter_map(pair).take(MOST);
        self.with(|running| {
            running.app_thread.still_running(pairs);
            Ok(())
        })
    }
}
