//! Reading alarms from JSON, as triggers are read: every problem with its place. URLs and keys are never part of a message.

use super::{Alarm, Format, Secret, Source};
use crate::trigger::reader::{Object, Reader, described, name};
use crate::trigger::{Preset, Problem};
use serde_json::Value;
use std::collections::HashSet;

/// Most alarms.
const MOST: usize = 16;
/// Longest URL, and the length of a key, characters.
const LONGEST_URL: usize = 2_000;
const KEY: (usize, usize) = (16, 500);

/// The alarms of `value`, complete: an array of them, or `false` for none. Otherwise every problem, at most 100.
pub fn read(value: &Value, preset: Preset) -> Result<Vec<Alarm>, Vec<Problem>> {
    let mut reader = Reader { preset, problems: Vec::new() };
    let list = match value {
        Value::Bool(false) => return Ok(Vec::new()),
        Value::Array(list) if list.len() <= MOST => list,
        _ => {
            let expected = format!("an array of at most {MOST} alarms, or false");
            reader.refuse::<()>(String::new(), expected, described(Some(value)));
            return Err(reader.problems);
        }
    };
    let mut names = HashSet::new();
    let mut alarms = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let path = format!("[{index}]");
        let Some(alarm) = one(&mut reader, value, &path) else { continue };
        if !names.insert(alarm.name.clone()) {
            let received = described(value.get("name"));
            reader.refuse::<()>(format!("{path}.name"), "a name that no other alarm has", received);
        }
        alarms.push(alarm);
    }
    if reader.problems.is_empty() { Ok(alarms) } else { Err(reader.problems) }
}

fn one(reader: &mut Reader, value: &Value, path: &str) -> Option<Alarm> {
    const FIELDS: [&str; 7] = ["name", "url", "key", "format", "on", "maxPerHour", "caFile"];
    let object = reader.object(Some(value), path, "an object with name and url")?;
    reader.refuse_unknown(&object, &FIELDS);
    let name = name(reader, &object);
    let url = url(reader, &object);
    let format = choice(reader, &object, "format", &[("json", Format::Json), ("slack", Format::Slack)]);
    let key = key(reader, &object, format == Some(Format::Slack));
    let on = sources(reader, &object);
    let standard = if reader.preset == Preset::Test { 1_000 } else { 12 };
    let max_per_hour = reader.whole(&object, "maxPerHour", (1, 1_000), Some(standard));
    let ca_file = match object.map.get("caFile") {
        None => Some(None),
        Some(Value::String(path)) if !path.is_empty() && !path.contains('\0') => Some(Some(path.clone())),
        other => reader.refuse(object.at("caFile"), "a path", described(other)),
    };
    Some(Alarm {
        name: name?,
        url: url?,
        key: key?,
        format: format?,
        on: on?,
        max_per_hour: u32::try_from(max_per_hour?).ok()?,
        ca_file: ca_file?,
    })
}

/// The type alone: the rest is secret.
fn kind(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(_)) => "another string".to_owned(),
        other => described(other),
    }
}

fn url(reader: &mut Reader, object: &Object<'_>) -> Option<Secret> {
    let value = object.map.get("url");
    match value.and_then(Value::as_str).filter(|text| is_url(text)) {
        Some(text) => Some(Secret::new(text)),
        None => reader.refuse(
            object.at("url"),
            format!("an http: or https: URL of at most {LONGEST_URL} characters, without user and password"),
            kind(value),
        ),
    }
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("");
    text.len() <= LONGEST_URL
        && !host.is_empty()
        && !host.contains('@')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `Some(None)` where it is not given.
#[expect(clippy::option_option, reason = "a problem, absent, or there")]
fn key(reader: &mut Reader, object: &Object<'_>, slack: bool) -> Option<Option<Secret>> {
    let (least, most) = KEY;
    match object.map.get("key") {
        None => Some(None),
        value if slack => {
            reader.refuse(object.at("key"), "no key: the format \"slack\" has no signature", kind(value))
        }
        Some(Value::String(text)) if (least..=most).contains(&text.len()) => {
            Some(Some(Secret::new(text.as_str())))
        }
        value => {
            reader.refuse(object.at("key"), format!("a string of {least} to {most} characters"), kind(value))
        }
    }
}

fn choice<T: Copy>(reader: &mut Reader, object: &Object<'_>, field: &str, all: &[(&str, T)]) -> Option<T> {
    let value = object.map.get(field);
    if value.is_none() {
        return all.first().map(|(_, standard)| *standard);
    }
    let found = all.iter().find(|(name, _)| value.and_then(Value::as_str) == Some(name));
    found.map(|(_, choice)| *choice).or_else(|| {
        let names: Vec<String> = all.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        reader.refuse(object.at(field), format!("one of {}", names.join(", ")), described(value))
    })
}

fn sources(reader: &mut Reader, object: &Object<'_>) -> Option<Vec<Source>> {
    const ALL: [Source; 2] = [Source::Leak, Source::Slowdown];
    let expected = "an array of \"leak\", \"slowdown\"";
    let list = match object.map.get("on") {
        None => return Some(ALL.to_vec()),
        Some(Value::Array(list)) => list,
        other => return reader.refuse(object.at("on"), expected, described(other)),
    };
    let mut found = Vec::new();
    for (index, one) in list.iter().enumerate() {
        let source = ALL.into_iter().find(|source| one.as_str() == Some(source.name()));
        let Some(source) = source.filter(|source| !found.contains(source)) else {
            let path = format!("{}[{index}]", object.at("on"));
            return reader.refuse(path, "\"leak\" or \"slowdown\", each once", described(Some(one)));
        };
        found.push(source);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(value: &Value) -> (String, String, String) {
        let problems = read(value, Preset::Production).unwrap_err();
        let Problem { path, expected, received } = problems[0].clone();
        (path, expected, received)
    }

    #[test]
    fn an_alarm_is_completed_and_stays_as_it_is_when_it_is_read_again() {
        let given = json!([{ "name": "ops", "url": "https://hooks.example/x" }]);
        let alarms = read(&given, Preset::Production).unwrap();
        assert_eq!((alarms[0].format, alarms[0].max_per_hour), (Format::Json, 12));
        assert_eq!(alarms[0].on, [Source::Leak, Source::Slowdown]);
        assert_eq!(read(&json!(alarms), Preset::Test).unwrap(), alarms);
        assert_eq!(read(&json!(false), Preset::Test).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_secrets() {
        let ok = || json!({ "name": "ops", "url": "https://hooks.example/secret-path", "key": "secret-key-secret-key" });
        let with = |field: &str, value: Value| {
            let mut alarm = ok();
            alarm[field] = value;
            json!([alarm])
        };
        let cases = [
            (json!("ops"), ""),
            (json!([7]), "[0]"),
            (json!([ok(), ok()]), "[1].name"),
            (with("name", json!("Ops")), "[0].name"),
            (with("url", json!("ftp://secret-path")), "[0].url"),
            (with("url", json!("https:///secret-path")), "[0].url"),
            (with("url", json!("https://user:secret-path@host/")), "[0].url"),
            (with("url", json!("https://host/secret-path\r\nx: y")), "[0].url"),
            (with("url", json!(7)), "[0].url"),
            (with("key", json!("secret-key")), "[0].key"),
            (with("format", json!("slack")), "[0].key"),
            (with("format", json!("xml")), "[0].format"),
            (with("on", json!("leak")), "[0].on"),
            (with("on", json!(["leak", "leak"])), "[0].on[1]"),
            (with("maxPerHour", json!(0)), "[0].maxPerHour"),
            (with("caFile", json!("")), "[0].caFile"),
            (with("color", json!("red")), "[0].color"),
        ];
        for (value, place) in cases {
            let (path, expected, received) = problem(&value);
            assert_eq!(path, place);
            assert!(!format!("{expected} {received}").contains("secret"), "{expected} {received}");
        }
    }
}
