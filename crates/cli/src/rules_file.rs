//! A file with triggers: a config file, or an array of them. Not here: what is said of it.

use crate::render::clean;
use leakprobe_core::alarm;
use leakprobe_core::trigger::{Preset, Problem, Trigger, read, unknown_alarms};
use serde_json::{Map, Value};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// Longest file read, bytes: a hundred triggers take less than a tenth of it.
const LONGEST: u64 = 1 << 20;
/// What is in the environment at start and not here, by its field: something that is right.
const IN_ENVIRONMENT: [(&str, &str); 2] = [("url", "https://host.invalid/"), ("key", "0123456789abcdef")];

/// What a file says of triggers.
pub(crate) struct Found {
    pub(crate) preset: Preset,
    /// `None`: it has none, so the default ones apply.
    pub(crate) triggers: Option<Value>,
    /// `None`: it has none, so nobody knows those that triggers tell.
    pub(crate) alarms: Option<Value>,
}

/// A problem, with its place in the options.
pub(crate) struct Placed {
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) received: String,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, received {}", self.path, self.expected, self.received)
    }
}

impl Found {
    /// The triggers, complete; or everything that is wrong with them and with the alarms.
    pub(crate) fn read(&self) -> Result<Vec<Trigger>, Vec<Placed>> {
        let triggers = self.triggers.as_ref().map_or(Ok(Vec::new()), |triggers| read(triggers, self.preset));
        let alarms = self.alarms.as_ref().map(|alarms| alarm::read(&with_environment(alarms), self.preset));
        let mut problems = Vec::new();
        match (&triggers, &alarms) {
            (Ok(triggers), Some(Ok(alarms))) => {
                let names: Vec<String> = alarms.iter().map(|alarm| alarm.name.clone()).collect();
                problems.extend(placed("triggers", &unknown_alarms(triggers, &names)));
            }
            (_, Some(Err(wrong))) => problems.extend(placed("alarms", wrong)),
            _ => {}
        }
        match triggers {
            Ok(triggers) if problems.is_empty() => Ok(triggers),
            Ok(_) => Err(problems),
            Err(wrong) => Err(placed("triggers", &wrong).chain(problems).collect()),
        }
    }
}

fn placed(option: &str, problems: &[Problem]) -> impl Iterator<Item = Placed> {
    problems.iter().map(move |problem| Placed {
        path: format!("{option}{}", problem.path),
        expected: problem.expected.clone(),
        received: problem.received.clone(),
    })
}

/// The alarms, as if each variable of the environment that they name were there and right.
fn with_environment(alarms: &Value) -> Value {
    let mut alarms = alarms.clone();
    for alarm in alarms.as_array_mut().into_iter().flatten() {
        for (field, right) in IN_ENVIRONMENT {
            let value = alarm.get_mut(field);
            if let Some(value) = value.filter(|value| value.as_str().is_some_and(is_variable)) {
                *value = right.into();
            }
        }
    }
    alarms
}

fn is_variable(text: &str) -> bool {
    let Some(name) = text.strip_prefix("env:") else { return false };
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// The triggers in a file, for a replay; or everything that is wrong with it, for standard error.
pub(crate) fn triggers_in(file: &str) -> Result<Vec<Trigger>, String> {
    let unreadable = |why: String| format!("leakprobe: {}: {why}\n", clean(file));
    let found = text(file).and_then(|text| find(&text, None)).map_err(unreadable)?;
    if found.triggers.is_none() {
        return Err(unreadable("no triggers in it: the default ones are not in a file".to_owned()));
    }
    found.read().map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{}: {problem}\n", clean(file))).collect();
        lines.concat()
    })
}

/// The text of a file; `-` is standard input.
pub(crate) fn text(file: &str) -> Result<String, String> {
    let mut text = String::new();
    let limited: Box<dyn Read> = if file == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).map_err(|error| error.to_string())?)
    };
    limited.take(LONGEST + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LONGEST {
        return Err(format!("more than {LONGEST} bytes: this is no file of triggers"));
    }
    Ok(text)
}

/// What a text says of triggers; `preset` goes before its own.
pub(crate) fn find(text: &str, preset: Option<Preset>) -> Result<Found, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value {
        Value::Array(_) => {
            Ok(Found { preset: preset.unwrap_or_default(), triggers: Some(value), alarms: None })
        }
        Value::Object(mut options) => {
            let preset = match preset {
                Some(preset) => preset,
                None => preset_in(&options)?,
            };
            Ok(Found { preset, triggers: options.remove("triggers"), alarms: options.remove("alarms") })
        }
        _ => Err("expected an object with triggers, or an array of triggers".to_owned()),
    }
}

pub(crate) fn preset_of(name: &str) -> Option<Preset> {
    match name {
        "production" => Some(Preset::Production),
        "test" => Some(Preset::Test),
        _ => None,
    }
}

fn preset_in(options: &Map<String, Value>) -> Result<Preset, String> {
    let Some(given) = options.get("preset") else { return Ok(Preset::Production) };
    let wrong = || "preset: expected \"production\" or \"test\"".to_owned();
    given.as_str().and_then(preset_of).ok_or_else(wrong)
}
