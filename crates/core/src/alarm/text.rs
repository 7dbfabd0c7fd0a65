//! What an alarm says.

use crate::hypothesis::sentence::{bytes, duration};
use crate::number;
use crate::report::Leak;
use crate::slowdown::Slowdown;
use serde::Serialize;
use serde_json::{Value, json};

/// Longest text, characters: a route's name comes from the network.
const LONGEST: usize = 500;

/// A message, the same for every alarm.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// `leakprobe.alarm/1`.
    pub schema: &'static str,
    /// Unique; the same when it is sent again.
    pub id: String,
    /// RFC 3339.
    pub at: String,
    /// `trigger`, `leak` or `slowdown`.
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// Process.
    pub pid: u32,
    /// Machine or container; `None` where it has no name.
    pub host: Option<String>,
    /// One sentence for people.
    pub text: String,
    /// What it is about.
    pub route: Option<String>,
    /// Messages to this alarm that a limit held back since the last one.
    pub held_back: u64,
    /// The trip, the leak or the slowdown, as reports have them.
    pub detail: Value,
}

impl Message {
    /// The body for programs.
    pub fn json(&self) -> Value {
        let mut body = json!(self);
        body["text"] = json!(short(&self.text));
        body
    }
}

/// The body for Slack: one line, in which no name can be a link, a mention or an emphasis.
pub fn slack(message: &Message) -> Value {
    let held = match message.held_back {
        0 => String::new(),
        count => format!(" ({count} more were held back)"),
    };
    let host = message.host.as_deref().map(|host| format!(" on {host}")).unwrap_or_default();
    let text = format!("{} (pid {}{host}): {}{held}", message.service, message.pid, short(&message.text));
    json!({ "text": escape(&text) })
}

/// What a leak is, in one sentence.
pub fn leak_text(leak: &Leak) -> String {
    let kept = match leak.per_request.unit.as_str() {
        "bytes" => bytes(leak.per_request.value),
        unit => format!("{:.2} {unit}", leak.per_request.value),
    };
    let culprit = leak.culprit.as_ref().and_then(|culprit| {
        let file = culprit.file.as_ref()?;
        Some(format!(
            ", kept by {}{file}",
            culprit.package.as_ref().map(|package| format!("{package}, ")).unwrap_or_default()
        ))
    });
    let limit = leak
        .time_to_limit_ms
        .map(|ms| format!("; the heap limit is reached in {}", duration(number(ms) / 1_000.0)));
    format!(
        "{} leaks {kept} per request (kind {}, confidence {:.2}{}){}",
        leak.routes.join(" or "),
        leak.kind,
        leak.confidence,
        culprit.unwrap_or_default(),
        limit.unwrap_or_default()
    )
}

/// What a slowdown is, in one sentence.
pub fn slowdown_text(slowdown: &Slowdown) -> String {
    format!("{} gets slower with the age of the process: {}", slowdown.route, slowdown.because)
}

fn short(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut letters = text.chars().map(clean);
    let mut short: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

/// Slack's own three; and what would begin and end an emphasis.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A zero-width joiner: `*`, `_`, `~`, and backquotes mean themselves then.
            '*' | '_' | '~' | '`' => escaped.extend([letter, '\u{2060}']),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message {
            schema: "leakprobe.alarm/1",
            id: "1f".to_owned(),
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            kind: "trigger",
            service: "mail".to_owned(),
            pid: 7,
            host: Some("web-1".to_owned()),
            text: text.to_owned(),
            route: None,
            held_back: 0,
            detail: Value::Null,
        }
    }

    #[test]
    fn slack_gets_a_line_in_which_names_are_names() {
        let body = slack(&message("p95 of GET /<!channel>&x is above 2 000 ms\n"));
        assert_eq!(
            body,
            json!({ "text": "mail (pid 7 on web-1): p95 of GET /&lt;!channel&gt;&amp;x is above 2 000 ms " })
        );
        let held = Message { held_back: 3, ..message("x") };
        assert!(slack(&held).to_string().contains("(3 more were held back)"));
    }

    #[test]
    fn a_long_text_is_cut() {
        let body = message(&"é".repeat(10_000)).json();
        assert_eq!(body["text"].as_str().map(|text| text.chars().count()), Some(LONGEST + 1));
        assert_eq!((&body["heldBack"], &body["schema"]), (&json!(0), &json!("leakprobe.alarm/1")));
    }
}
