//! Reads the fields of a JSON object, each within its range, and notes every one that is not.

use super::read::{Preset, Problem};
use serde_json::{Map, Value};

/// Problems told; whoever mends so many reads it again anyway.
const MOST_PROBLEMS: usize = 100;

/// An object with its place.
pub(crate) struct Object<'a> {
    pub(crate) map: &'a Map<String, Value>,
    pub(crate) path: &'a str,
}

pub(crate) struct Reader {
    pub(crate) preset: Preset,
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn refuse<T>(
        &mut self,
        path: String,
        expected: impl Into<String>,
        received: impl Into<String>,
    ) -> Option<T> {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { path, expected: expected.into(), received: received.into() });
        }
        None
    }

    pub(crate) fn object<'a>(
        &mut self,
        value: Option<&'a Value>,
        path: &'a str,
        expected: &str,
    ) -> Option<Object<'a>> {
        match value {
            Some(Value::Object(map)) => Some(Object { map, path }),
            other => self.refuse(path.to_owned(), expected, described(other)),
        }
    }

    pub(crate) fn refuse_unknown(&mut self, object: &Object<'_>, known: &[&str]) {
        for (name, value) in object.map.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let expected = if known.is_empty() {
                "no field but type".to_owned()
            } else {
                format!("one of {}", known.join(", "))
            };
            let received = format!("an unknown field ({})", described(Some(value)));
            self.refuse::<()>(object.at(&shown(name)), expected, received);
        }
    }

    pub(crate) fn number(
        &mut self,
        object: &Object<'_>,
        field: &str,
        (least, most): (f64, f64),
        standard: Option<f64>,
    ) -> Option<f64> {
        match (object.map.get(field), standard) {
            (None, Some(standard)) => Some(standard),
            (value, _) => {
                value.and_then(Value::as_f64).filter(|number| (least..=most).contains(number)).or_else(|| {
                    self.refuse(
                        object.at(field),
                        format!("a number from {least} to {most}"),
                        described(value),
                    )
                })
            }
        }
    }

    pub(crate) fn whole(
        &mut self,
        object: &Object<'_>,
        field: &str,
        (least, most): (u64, u64),
        standard: Option<u64>,
    ) -> Option<u64> {
        match (object.map.get(field), standard) {
            (None, Some(standard)) => Some(standard),
            (value, _) => {
                value.and_then(whole).filter(|number| (least..=most).contains(number)).or_else(|| {
                    self.refuse(
                        object.at(field),
                        format!("a whole number from {least} to {most}"),
                        described(value),
                    )
                })
            }
        }
    }

    pub(crate) fn yes_or_no(&mut self, object: &Object<'_>, field: &str, standard: bool) -> Option<bool> {
        match object.map.get(field) {
            None => Some(standard),
            Some(Value::Bool(value)) => Some(*value),
            other => self.refuse(object.at(field), "true or false", described(other)),
        }
    }
}

impl Object<'_> {
    /// The place of one of its fields.
    pub(crate) fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }
}

/// `1e3` is a whole number too.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within 0 and 2^53")]
fn whole(value: &Value) -> Option<u64> {
    let exact = |number: &f64| number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(exact).map(|number| number as u64))
}

/// A value for a message: short, one line, with its type where the text does not tell it.
pub(crate) fn described(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => format!("\"{}\" (string)", shown(text)),
        Some(Value::Array(list)) => format!("an array of {}", list.len()),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// A text of the user's in a message: at most 60 characters, none of them a control character.
fn shown(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(57).map(clean).collect();
    let rest: String = letters.by_ref().take(4).map(clean).collect();
    shown.push_str(if rest.chars().count() > 3 { "..." } else { &rest });
    shown
}

/// The field `name`, of a trigger or an alarm.
pub(crate) fn name(reader: &mut Reader, object: &Object<'_>) -> Option<String> {
    let value = object.map.get("name");
    value.and_then(as_name).or_else(|| reader.refuse(object.at("name"), NAME, described(value)))
}

/// What a name is, for a message.
pub(crate) const NAME: &str = "a name of 1 to 40 lower-case letters, digits and dashes";

/// The value as a name, if it is one.
pub(crate) fn as_name(value: &Value) -> Option<String> {
    let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let fits = |name: &&str| (1..=40).contains(&name.len()) && name.chars().all(letter);
    value.as_str().filter(fits).map(str::to_owned)
}
