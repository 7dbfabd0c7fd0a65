//! Alarms: where people are told, as an option, checked and completed in one place. Not here: sending (see the recorder), and when it is
//! told (the triggers' action `webhook`, and findings).

mod read;
mod text;

pub use read::read;
pub use text::{Message, leak_text, slack, slowdown_text};

use serde::{Deserialize, Serialize};
use std::fmt;

/// Somebody who is told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// Unique name, `[a-z0-9-]{1,40}`: all of it that is ever shown.
    pub name: String,
    /// Where to: `http:` or `https:`.
    pub url: Secret,
    /// Key of the signature; `None`: not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// The form of the body.
    pub format: Format,
    /// Findings that are told without a trigger.
    pub on: Vec<Source>,
    /// Messages in any hour; 1 to 1 000.
    pub max_per_hour: u32,
    /// PEM file of certificate authorities in place of the built-in ones, for `https:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// The form of an alarm's body.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `leakprobe.alarm/1`.
    Json,
    /// `{ "text": … }`, which Slack, Mattermost and Rocket.Chat take.
    Slack,
}

/// A finding that is an alarm by itself.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A leak is reported for the first time.
    Leak,
    /// A route is reported as a slowdown for the first time.
    Slowdown,
}

impl Source {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Slowdown => "slowdown",
        }
    }
}

/// A text that is never shown: it has no form for messages and logs.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("https://hooks.example/T0/B0/abc");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(…) Some(Secret(…))");
        assert_eq!(secret.reveal(), "https://hooks.example/T0/B0/abc");
    }
}
