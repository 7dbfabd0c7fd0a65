//! Reading rules: what is completed, and what is refused with which words.

use super::*;
use crate::estimate::Random;
use serde_json::{Value, json};

fn rule(when: &Value, more: &Value) -> Value {
    let mut rule = json!({ "name": "one", "when": when });
    if let (Some(rule), Some(more)) = (rule.as_object_mut(), more.as_object()) {
        rule.extend(more.clone());
    }
    json!([rule])
}

fn problems(value: &Value) -> Vec<String> {
    read(value, Preset::Production)
        .map_or_else(|problems| problems.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn an_old_rule_is_completed_as_before() {
    let written = rule(&json!({ "type": "latency", "aboveMs": 2000 }), &json!({}));
    let [rule] = &read(&written, Preset::Production).unwrap()[..] else { panic!("one rule") };

    assert_eq!(
        serde_json::to_value(rule).unwrap(),
        json!({
            "name": "one",
            "when": { "type": "latency", "quantile": 0.95, "aboveMs": 2000.0, "minRequests": 20, "running": true },
            "routes": [], "exceptRoutes": [], "forMs": 30_000, "clearRatio": 0.8, "warmUpMs": 60_000,
            "cooldownMs": 600_000, "maxPerHour": 4, "heapSnapshot": false, "actions": ["record"],
        })
    );
    let test = read(&written, Preset::Test).unwrap();
    assert_eq!((test[0].for_ms, test[0].cooldown_ms, test[0].max_per_hour), (3_000, 30_000, 60));
}

#[test]
fn what_was_read_is_written_and_read_again_the_same() {
    let conditions = [
        json!({ "type": "latency", "aboveMs": 100, "timesBaseline": 2, "running": false }),
        json!({ "type": "slowdown", "doublesWithinMs": 259_200_000 }),
        json!({ "type": "running", "aboveMs": 30_000, "count": 3 }),
        json!({ "type": "errors", "aboveShare": 0.05 }),
        json!({ "type": "leak", "minConfidence": 0.9, "kind": "listener" }),
        json!({ "type": "floor", "growsBytes": 1e8, "withinMs": 3_600_000 }),
        json!({ "type": "rss", "aboveBytes": 2e9 }),
        json!({ "type": "heap", "aboveShare": 0.9 }),
        json!({ "type": "cgroup", "aboveShare": 0.9 }),
        json!({ "type": "stall", "aboveMs": 100 }),
        json!({ "type": "listeners", "above": 10 }),
        json!({ "type": "timers", "grows": 10, "withinMs": 60_000 }),
        json!({ "type": "handles", "above": 10 }),
        json!({ "type": "descriptors", "above": 10 }),
        json!({ "type": "in-flight", "above": 10 }),
    ];
    for condition in conditions.iter().chain([&json!({ "type": "heap-limit" })]) {
        let rules =
            read(&rule(condition, &json!({ "maxTrips": { "count": 1, "perMs": 1e3 } })), Preset::Test)
                .unwrap();
        let written = serde_json::to_value(&rules).unwrap();
        assert_eq!(read(&written, Preset::Production).unwrap(), rules, "{condition}");
        assert_eq!(serde_json::from_value::<Vec<Trigger>>(written).unwrap(), rules, "{condition}");
        assert!(plain_words(&rules[0]).iter().all(|(_, text)| text.len() > 5), "{condition}");
    }
    let several = json!({ "any": [conditions[0], { "all": [conditions[9], conditions[10]] }] });
    let rules = read(&rule(&several, &json!({ "actions": ["heap-snapshot"] })), Preset::Production).unwrap();
    assert_eq!(rules[0].actions, [Action::Record, Action::HeapSnapshot]);
    assert!(rules[0].heap_snapshot && rules[0].for_ms == 0, "a stall is judged at once");
    assert_eq!(read(&serde_json::to_value(&rules).unwrap(), Preset::Test).unwrap(), rules);
}

#[test]
fn a_rule_is_said_in_plain_words() {
    let written = json!([{
        "name": "slow-mails",
        "when": { "all": [
            { "type": "latency", "timesBaseline": 2, "aboveMs": 50 },
            { "any": [{ "type": "rss", "growsBytes": 1e8, "withinMs": 3_600_000 }, { "type": "timers", "above": 500 }] },
        ] },
        "routes": ["GET /mails/*"], "exceptRoutes": ["GET /mails/health"], "forMs": 300_000,
        "maxTrips": { "count": 1, "perMs": 86_400_000 }, "heapSnapshot": true,
    }]);
    let rules = read(&written, Preset::Production).unwrap();

    assert_eq!(
        plain_words(&rules[0]),
        [
            (
                "when",
                "a route's p95 is above 50 ms and above 2 times its own baseline (20 requests or more in the last \
                 5 min, those that still run included) and (resident memory has grown by more than 100 MB within \
                 60 min or the number of live timers is above 500)"
                    .to_owned()
            ),
            ("routes", "GET /mails/*; not GET /mails/health".to_owned()),
            ("for", "5 min without a break; not in the first 60 s of the process".to_owned()),
            ("then", "an incident is written, a heap snapshot is taken".to_owned()),
            (
                "limits",
                "at most 4 times in an hour, once in 24 h, 10 min apart; armed again at 80 % of the threshold"
                    .to_owned()
            ),
        ]
    );
}

#[test]
fn each_problem_is_told_with_its_place() {
    let found = problems(&json!([
        { "name": "A b", "when": { "type": "stal", "aboveMs": 100 }, "forMs": "5s" },
        { "name": "ok", "when": { "any": [{ "type": "timers" }, { "all": [7] }] } },
    ]));
    let starts = [
        "triggers[0].name: expected a name of 1 to 40 lower-case letters, digits and dashes, received \"A b\" (string)",
        "triggers[0].when.type: expected one of \"latency\", ",
        "triggers[0].forMs: expected a whole number from 0 to 86400000, received \"5s\" (string)",
        "triggers[1].when.any[0].above: expected a number from 0 to 4294967295, or grows and withinMs, received nothing",
        "triggers[1].when.any[1].all: expected an array of 2 to 8 conditions, received an array of 1",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let stall = json!({ "type": "stall", "aboveMs": 100 });
    let latency = json!({ "type": "latency", "aboveMs": 100 });
    let nine = json!({ "all": [{ "any": vec![&stall; 5] }, { "any": vec![&stall; 4] }] });
    let deep = json!({ "all": [stall, { "all": [stall, { "all": [stall, { "all": [stall, stall] }] }] }] });
    for (when, more, expected) in [
        (
            json!({ "all": [stall, { "type": "heap-limit" }] }),
            json!({}),
            "when.all[1].type: expected a condition that goes with others",
        ),
        (
            json!({ "all": [stall, stall], "any": [] }),
            json!({}),
            "when.any: expected one of all, received an unknown field",
        ),
        (json!({ "all": [stall, stall], "type": "stall" }), json!({}), "when.type: expected one of all"),
        (
            json!({ "any": [] }),
            json!({}),
            "when.any: expected an array of 2 to 8 conditions, received an array of 0",
        ),
        (nine, json!({}), "when: expected at most 8 conditions, received 9"),
        (deep, json!({}), "when.all[1].all[1].all[1].all: expected all and any at most 3 deep"),
        (
            stall.clone(),
            json!({ "routes": ["GET /a"] }),
            "routes: expected no routes: the condition \"stall\" has none",
        ),
        (
            json!({ "any": [stall, stall] }),
            json!({ "exceptRoutes": ["GET /a"] }),
            "exceptRoutes: expected no exceptRoutes: none of its conditions has any",
        ),
        (
            latency.clone(),
            json!({ "routes": "GET /a" }),
            "routes: expected an array of at most 100 route globs",
        ),
        (latency.clone(), json!({ "routes": [""] }), "routes[0]: expected a glob of 1 to 200 characters"),
        (
            json!({ "type": "rss", "aboveBytes": 1, "growsBytes": 1 }),
            json!({}),
            "when.growsBytes: expected either aboveBytes or growsBytes, received both",
        ),
        (
            json!({ "type": "rss", "growsBytes": 1 }),
            json!({}),
            "when.withinMs: expected a whole number from 1000 to 2592000000, received nothing",
        ),
        (
            json!({ "type": "rss", "aboveBytes": 1, "withinMs": 1000 }),
            json!({}),
            "when.withinMs: expected growsBytes beside it, received 1000",
        ),
        (
            json!({ "type": "latency" }),
            json!({}),
            "when.aboveMs: expected a number from 0.001 to 86400000, or timesBaseline",
        ),
        (
            json!({ "type": "latency", "timesBaseline": 1 }),
            json!({}),
            "when.timesBaseline: expected a number from 1.05 to 1000, received 1",
        ),
        (json!({ "type": "leak", "kind": "cache" }), json!({}), "when.kind: expected one of \"collection\""),
        (
            stall.clone(),
            json!({ "actions": ["page"] }),
            "actions[0]: expected one of \"record\", \"shadow-collection\"",
        ),
        (stall.clone(), json!({ "actions": "record" }), "actions: expected an array of \"record\""),
        (
            stall.clone(),
            json!({ "maxTrips": 3 }),
            "maxTrips: expected an object with count and perMs, received 3",
        ),
        (
            stall.clone(),
            json!({ "maxTrips": { "count": 0, "perMs": 1000 } }),
            "maxTrips.count: expected a whole number from 1 to 1000, received 0",
        ),
        (stall.clone(), json!({ "for": 5 }), "for: expected one of name, when, routes, exceptRoutes, forMs"),
        (
            json!({ "type": "heap-limit", "aboveMs": 5 }),
            json!({}),
            "when.aboveMs: expected one of type, received an unknown field (5)",
        ),
    ] {
        let found = problems(&rule(&when, &more));
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("triggers[0].{expected}")),
            "{when} {more}: {found:#?}"
        );
    }
}

#[test]
fn a_huge_or_hostile_configuration_stays_small() {
    let latency = json!({ "type": "latency", "aboveMs": 100 });
    let many: Vec<Value> = (0..60)
        .map(|index| json!({ "name": format!("r{index}"), "when": { "any": [latency, latency] } }))
        .collect();
    assert!(problems(&json!(many))[0].contains("at most 100 conditions of routes in all triggers together"));
    let globs = vec!["GET /*a*b*c*d"; 100];
    let rule = |index: u8| json!({ "name": format!("r{index}"), "when": latency, "routes": globs });
    let many: Vec<Value> = (0..5).map(rule).collect();
    assert!(problems(&json!(many))[0].starts_with("triggers[4].routes: expected at most 400 route globs"));
    assert!(
        problems(&json!(vec![0; 101]))[0]
            .starts_with("triggers: expected an array of at most 100 triggers, or false")
    );
    assert_eq!(problems(&json!(vec![json!({ "a": 1, "b": 2 }); 100])).len(), 100, "problems are capped");
    let long = "x".repeat(100_000);
    let told = problems(&json!([{ "name": long, long.as_str(): "\u{1b}[31m", "when": null }])).join("\n");
    assert!(told.len() < 1_000 && !told.contains('\u{1b}'), "{told}");
    for value in [json!(null), json!(true), json!({}), json!("x"), json!(5)] {
        assert_eq!(problems(&value).len(), 1, "{value}");
    }
    assert_eq!(read(&json!(false), Preset::Production), Ok(Vec::new()));
}

/// A value like those of rules, some of it nonsense.
fn made_up(random: &mut Random, depth: u32) -> Value {
    const WORDS: [&str; 14] = [
        "latency",
        "stall",
        "heap-limit",
        "record",
        "GET /*",
        "all",
        "rss",
        "",
        "\u{0}",
        "é",
        "slow",
        "listener",
        "running",
        "timers",
    ];
    const FIELDS: [&str; 16] = [
        "name",
        "when",
        "type",
        "all",
        "any",
        "aboveMs",
        "above",
        "grows",
        "withinMs",
        "timesBaseline",
        "routes",
        "actions",
        "maxTrips",
        "count",
        "perMs",
        "forMs",
    ];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place in a short list"
    )]
    let mut pick = |most: usize| (random.unit() * most as f64) as usize % most;
    match pick(if depth == 0 { 6 } else { 9 }) {
        0 => json!(null),
        1 => json!(pick(2) == 0),
        2 => json!([-1.0, 0.0, 0.5, 1.0, 2.5, 100.0, 5_000.0, 1e18, 1e300][pick(9)]),
        3 => json!(pick(100_000)),
        4 | 5 => json!(WORDS[pick(WORDS.len())]),
        6 | 7 => {
            let count = pick(5);
            let names: Vec<&str> = (0..count).map(|_| FIELDS[pick(FIELDS.len())]).collect();
            let fields = names.into_iter().map(|name| (name.to_owned(), made_up(random, depth - 1)));
            Value::Object(fields.collect())
        }
        _ => {
            let count = pick(4);
            Value::Array((0..count).map(|_| made_up(random, depth - 1)).collect())
        }
    }
}

#[test]
fn whatever_is_written_is_completed_or_refused_with_places() {
    let mut random = Random::new(7);
    let right = json!([
        { "name": "a", "when": { "type": "stall", "aboveMs": 100 } },
        { "name": "b", "when": { "all": [{ "type": "latency", "aboveMs": 5, "timesBaseline": 2 }, { "type": "timers", "above": 5 }] } },
        { "name": "c", "when": { "type": "rss", "growsBytes": 5, "withinMs": 1000 }, "maxTrips": { "count": 1, "perMs": 1000 } },
    ]);
    let places = [
        "/0/name",
        "/0/when",
        "/0/when/type",
        "/0/when/aboveMs",
        "/1/when/all",
        "/1/when/all/0",
        "/1/when/all/1/type",
        "/1/when/all/0/timesBaseline",
        "/2",
        "/2/when/withinMs",
        "/2/maxTrips",
        "/2/maxTrips/perMs",
        "",
    ];
    let mut completed = 0;
    for round in 0..20_000 {
        let mut value = right.clone();
        if let Some(place) = value.pointer_mut(places[round % places.len()]) {
            *place = made_up(&mut random, 3);
        }
        match read(&value, Preset::Production) {
            Ok(rules) => {
                completed += 1;
                let written = serde_json::to_value(&rules).unwrap();
                assert_eq!(read(&written, Preset::Test).as_ref(), Ok(&rules), "{value}");
            }
            Err(problems) => {
                assert!(
                    problems.iter().all(|one| one.path.is_empty() || one.path.starts_with('[')),
                    "{value}"
                );
                assert!(
                    problems.iter().all(|one| one.to_string().chars().all(|letter| !letter.is_control()))
                );
            }
        }
    }
    assert!((100..19_000).contains(&completed), "{completed} of 20 000 were right");
}

#[test]
fn alarms_and_the_limit_of_a_leak_are_checked() {
    let stall = json!({ "type": "stall", "aboveMs": 100 });
    for (when, more, expected) in [
        (
            &stall,
            json!({ "alarms": [] }),
            "alarms: expected an array of 1 to 16 names of alarms, received an array of 0",
        ),
        (&stall, json!({ "alarms": ["Ops"] }), "alarms[0]: expected a name of 1 to 40"),
        (
            &json!({ "type": "leak", "limitWithinMs": 5 }),
            json!({}),
            "when.limitWithinMs: expected a number from 1000 to 2592000000, received 5",
        ),
    ] {
        let found = problems(&rule(when, &more));
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("triggers[0].{expected}")),
            "{when} {more}: {found:#?}"
        );
    }
    let named = read(&rule(&stall, &json!({ "alarms": ["ops"], "actions": [] })), Preset::Test).unwrap();
    assert_eq!(named[0].actions, [Action::Webhook]);
    let profile = read(&rule(&stall, &json!({ "actions": ["cpu-profile"] })), Preset::Test).unwrap();
    assert_eq!(profile[0].actions, [Action::Record, Action::CpuProfile]);
}
