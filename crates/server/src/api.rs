//! What is computed: stats, report, rules and series.

use crate::body::Answer;
use crate::handle::Context;
use crate::limits::WAIT;
use crate::query::pairs;
use crate::respond::{JSON, Refused, json_text, typed};
use hyper::{Response, StatusCode};
use serde_json::json;

const WRONG_QUERY: Refused = Refused::new(
    StatusCode::BAD_REQUEST,
    "LEAKPROBE_ERR_QUERY",
    "expected at most `route`, a route's name, and `minutes`, a whole number from 1 to 525600, each once",
);
const NO_ROUTE: Refused = Refused::new(
    StatusCode::NOT_FOUND,
    "LEAKPROBE_ERR_NOT_FOUND",
    "no such route has series; the 50 with the most requests do",
);
/// A year.
const MOST_MINUTES: u32 = 525_600;

/// A path of the interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Stats,
    Report,
    Rules,
    Series,
}

impl What {
    /// What is at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/api/stats" => Self::Stats,
            "/api/report" => Self::Report,
            "/api/rules" => Self::Rules,
            "/api/series" => Self::Series,
            _ => return None,
        })
    }
}

/// Answers.
pub(crate) fn get(server: &Context, what: What, query: Option<&str>) -> Result<Response<Answer>, Refused> {
    let reader = &server.reader;
    let bytes = match what {
        What::Stats => server.cached("stats", || json_text(&reader.stats(WAIT)?)),
        What::Report => server.cached("report", || json_text(&reader.report(WAIT)?)),
        What::Rules => server.cached("rules", || {
            let stats = reader.stats(WAIT)?;
            json_text(&json!({ "triggers": stats.triggers, "budget": stats.cost.budget }))
        }),
        What::Series => series(server, query.unwrap_or_default()),
    }?;
    Ok(typed(StatusCode::OK, JSON, bytes))
}

fn series(server: &Context, query: &str) -> Result<hyper::body::Bytes, Refused> {
    let (route, minutes) = asked(query).ok_or(WRONG_QUERY)?;
    let key = format!("series {minutes:?} {route:?}");
    let mut missing = false;
    let answer = server.cached(&key, || {
        let series = server.reader.series(route.as_deref(), minutes, WAIT)??;
        missing = route.is_some() && series.routes.is_empty();
        if missing { None } else { json_text(&series) }
    });
    if missing { Err(NO_ROUTE) } else { answer }
}

/// The route and the minutes of a query; `None` when it is wrong.
fn asked(query: &str) -> Option<(Option<String>, Option<u32>)> {
    let (mut route, mut minutes) = (None, None);
    for (name, value) in pairs(query)? {
        match name {
            "route" if route.is_none() => route = Some(value),
            "minutes" if minutes.is_none() => {
                minutes = Some(value.parse().ok().filter(|minutes| (1..=MOST_MINUTES).contains(minutes))?);
            }
            _ => return None,
        }
    }
    Some((route, minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_route_and_minutes() {
        let right = |query: &str| asked(query).unwrap();
        assert_eq!(right(""), (None, None));
        assert_eq!(right("minutes=15"), (None, Some(15)));
        assert_eq!(
            right("route=GET%20/mails/:customer&minutes=1"),
            (Some("GET /mails/:customer".to_owned()), Some(1))
        );
        assert_eq!(right("route=GET+%2Fa%3fb").0.as_deref(), Some("GET /a?b"));
        for wrong in [
            "x=1",
            "route",
            "minutes=0",
            "minutes=-1",
            "minutes=1e3",
            "minutes=525601",
            "minutes=1&minutes=2",
            "route=%",
            "route=%zz",
            "route=%ff",
            "route=a&route=b",
        ] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
    }
}
