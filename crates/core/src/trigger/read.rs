//! Reading rules from JSON: the one place where they are checked and completed, for `start()`, the config file and the
//! command line.
//!
//! Every problem is told, each with its place, what was expected there and what was received. Not here: what a condition
//! is; its fields are in `fields`.

use super::fields;
use super::reader::{self, NAME, Object, Reader, as_name, described};
use super::rule::{Action, Condition, MaxTrips, Trigger, When};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

/// Most rules.
const MOST_RULES: usize = 100;
/// Most conditions in one rule, and conditions of routes in all: each is judged for every route.
const MOST_CONDITIONS: usize = 8;
const MOST_OF_ROUTES: usize = 100;
/// How deep `all` and `any` may be in one another.
const DEEPEST: usize = 3;
/// Most alarms that a rule names.
const MOST_ALARMS: usize = 16;
/// Most globs in a list, and the longest one, characters.
const MOST_GLOBS: usize = 100;
const MOST_GLOBS_IN_ALL: usize = 400;
const LONGEST_GLOB: usize = 200;
pub(super) const DAY_MS: f64 = 86_400_000.0;
pub(super) const MONTH_MS: f64 = 30.0 * DAY_MS;

/// Which defaults a rule is completed with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Preset {
    /// For production.
    #[default]
    Production,
    /// A verdict in seconds.
    Test,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where, seen from the list of rules: `[0].when.aboveMs`; empty for the list itself.
    pub path: String,
    /// What was expected there.
    pub expected: String,
    /// What was there.
    pub received: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "triggers{}: expected {}, received {}", self.path, self.expected, self.received)
    }
}

/// The rules of `value`, complete: an array of them, or `false` for none. Otherwise every problem, at most 100.
pub fn read(value: &Value, preset: Preset) -> Result<Vec<Trigger>, Vec<Problem>> {
    let mut reader = Reader { preset, problems: Vec::new() };
    let rules = reader.rules(value);
    if reader.problems.is_empty() { Ok(rules) } else { Err(reader.problems) }
}

impl Reader {
    fn rules(&mut self, value: &Value) -> Vec<Trigger> {
        let list = match value {
            Value::Bool(false) => return Vec::new(),
            Value::Array(list) if list.len() <= MOST_RULES => list,
            _ => {
                let expected = format!("an array of at most {MOST_RULES} triggers, or false");
                self.refuse::<()>(String::new(), expected, described(Some(value)));
                return Vec::new();
            }
        };
        let mut names = HashSet::new();
        let (mut of_routes, mut globs) = (0, 0);
        let mut rules = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("[{index}]");
            let Some(rule) = self.rule(value, &path) else { continue };
            if !names.insert(rule.name.clone()) {
                let received = described(value.get("name"));
                self.refuse::<()>(format!("{path}.name"), "a name that no other trigger has", received);
            }
            of_routes += rule.when.conditions().into_iter().filter(|one| one.of_routes()).count();
            if of_routes > MOST_OF_ROUTES {
                let expected =
                    format!("at most {MOST_OF_ROUTES} conditions of routes in all triggers together");
                self.refuse::<()>(format!("{path}.when"), expected, "one more");
                break;
            }
            globs += rule.routes.len() + rule.except_routes.len();
            if globs > MOST_GLOBS_IN_ALL {
                let expected = format!("at most {MOST_GLOBS_IN_ALL} route globs in all triggers together");
                self.refuse::<()>(format!("{path}.routes"), expected, "more");
                break;
            }
            rules.push(rule);
        }
        rules
    }

    fn rule(&mut self, value: &Value, path: &str) -> Option<Trigger> {
        const FIELDS: [&str; 13] = [
            "name",
            "when",
            "routes",
            "exceptRoutes",
            "forMs",
            "clearRatio",
            "warmUpMs",
            "cooldownMs",
            "maxPerHour",
            "maxTrips",
            "heapSnapshot",
            "actions",
            "alarms",
        ];
        let object = self.object(Some(value), path, "an object with name and when")?;
        self.refuse_unknown(&object, &FIELDS);
        let name = reader::name(self, &object);
        let when = self.when(object.map.get("when"), &format!("{path}.when"), 0);
        let conditions = when.as_ref().map(When::conditions).unwrap_or_default();
        if conditions.len() > MOST_CONDITIONS {
            let expected = format!("at most {MOST_CONDITIONS} conditions");
            self.refuse::<()>(format!("{path}.when"), expected, conditions.len().to_string());
        }
        let at_once =
            conditions.iter().any(|one| matches!(one, Condition::Stall { .. } | Condition::HeapLimit));
        let last_chance = conditions.iter().any(|one| matches!(one, Condition::HeapLimit));
        let routes = self.globs(&object, "routes");
        let except_routes = self.globs(&object, "exceptRoutes");
        if when.is_some() && !conditions.iter().any(|one| one.of_routes()) {
            self.refuse_routes(&object, &conditions);
        }
        let by_preset =
            |production: u64, test: u64| if self.preset == Preset::Test { test } else { production };
        let standard = [
            if at_once { 0 } else { by_preset(30_000, 3_000) },
            if last_chance { 0 } else { by_preset(60_000, 3_000) },
            by_preset(600_000, 30_000),
            by_preset(4, 60),
        ];
        let [for_ms, warm_up_ms, cooldown_ms, max_per_hour] = standard;
        let for_ms = self.whole(&object, "forMs", (0, 86_400_000), Some(for_ms));
        let clear_ratio = self.number(&object, "clearRatio", (0.01, 1.0), Some(0.8));
        let warm_up_ms = self.whole(&object, "warmUpMs", (0, 86_400_000), Some(warm_up_ms));
        let cooldown_ms = self.whole(&object, "cooldownMs", (0, 86_400_000), Some(cooldown_ms));
        let max_per_hour = self.whole(&object, "maxPerHour", (1, 3_600), Some(max_per_hour));
        let max_trips = self.max_trips(&object);
        let heap_snapshot = self.yes_or_no(&object, "heapSnapshot", false);
        let alarms = self.alarms(&object);
        let actions = self.actions(&object, heap_snapshot == Some(true), matches!(alarms, Some(Some(_))))?;
        Some(Trigger {
            name: name?,
            when: when?,
            routes: routes?,
            except_routes: except_routes?,
            for_ms: for_ms?,
            clear_ratio: clear_ratio?,
            warm_up_ms: warm_up_ms?,
            cooldown_ms: cooldown_ms?,
            max_per_hour: u32::try_from(max_per_hour?).ok()?,
            max_trips: max_trips?,
            heap_snapshot: actions.contains(&Action::HeapSnapshot),
            actions,
            alarms: alarms?,
        })
    }

    fn when(&mut self, value: Option<&Value>, path: &str, depth: usize) -> Option<When> {
        let object = self.object(value, path, "an object with type, all or any")?;
        let several = ["all", "any"].into_iter().find(|word| object.map.contains_key(*word));
        let Some(word) = several else { return fields::condition(self, &object, depth).map(When::One) };
        self.refuse_unknown(&object, &[word]);
        let path = format!("{path}.{word}");
        if depth == DEEPEST {
            return self.refuse(path, format!("all and any at most {DEEPEST} deep"), "one more");
        }
        let list = match object.map.get(word) {
            Some(Value::Array(list)) if (2..=MOST_CONDITIONS).contains(&list.len()) => list,
            other => {
                let expected = format!("an array of 2 to {MOST_CONDITIONS} conditions");
                return self.refuse(path, expected, described(other));
            }
        };
        let mut read = Vec::with_capacity(list.len());
        for (index, one) in list.iter().enumerate() {
            read.push(self.when(Some(one), &format!("{path}[{index}]"), depth + 1));
        }
        let several = read.into_iter().collect::<Option<Vec<When>>>()?;
        Some(if word == "all" { When::All { all: several } } else { When::Any { any: several } })
    }

    fn refuse_routes(&mut self, object: &Object<'_>, conditions: &[&Condition]) {
        for field in ["routes", "exceptRoutes"] {
            if object.map.get(field).and_then(Value::as_array).is_none_or(Vec::is_empty) {
                continue;
            }
            let why = match conditions {
                [one] => format!("no {field}: the condition \"{}\" has none", one.name()),
                _ => format!("no {field}: none of its conditions has any"),
            };
            self.refuse::<()>(object.at(field), why, described(object.map.get(field)));
        }
    }

    fn globs(&mut self, object: &Object<'_>, field: &str) -> Option<Vec<String>> {
        let expected = || format!("an array of at most {MOST_GLOBS} route globs such as \"GET /mails/*\"");
        let list = match object.map.get(field) {
            None => return Some(Vec::new()),
            Some(Value::Array(list)) if list.len() <= MOST_GLOBS => list,
            other => return self.refuse(object.at(field), expected(), described(other)),
        };
        let mut globs = Vec::with_capacity(list.len());
        for (index, one) in list.iter().enumerate() {
            let fits = |glob: &&str| (1..=LONGEST_GLOB).contains(&glob.chars().count());
            let glob = one.as_str().filter(fits).map(str::to_owned);
            globs.extend(glob.or_else(|| {
                let path = format!("{}[{index}]", object.at(field));
                self.refuse(path, format!("a glob of 1 to {LONGEST_GLOB} characters"), described(Some(one)))
            }));
        }
        Some(globs)
    }

    /// `Some(None)` where it is not given.
    #[expect(clippy::option_option, reason = "a problem, absent, or there")]
    fn max_trips(&mut self, object: &Object<'_>) -> Option<Option<MaxTrips>> {
        let Some(value) = object.map.get("maxTrips") else { return Some(None) };
        let path = object.at("maxTrips");
        let limit = self.object(Some(value), &path, "an object with count and perMs")?;
        self.refuse_unknown(&limit, &["count", "perMs"]);
        let count = self.whole(&limit, "count", (1, 1_000), None);
        let per_ms = self.whole(&limit, "perMs", (1_000, 2_592_000_000), None);
        Some(Some(MaxTrips { count: u32::try_from(count?).ok()?, per_ms: per_ms? }))
    }

    /// `Some(None)` where it is not given: all alarms, if any.
    #[expect(clippy::option_option, reason = "a problem, absent, or there")]
    fn alarms(&mut self, object: &Object<'_>) -> Option<Option<Vec<String>>> {
        let list = match object.map.get("alarms") {
            None => return Some(None),
            Some(Value::Array(list)) if (1..=MOST_ALARMS).contains(&list.len()) => list,
            other => {
                let expected = format!("an array of 1 to {MOST_ALARMS} names of alarms");
                return self.refuse(object.at("alarms"), expected, described(other));
            }
        };
        let mut names = Vec::with_capacity(list.len());
        for (index, one) in list.iter().enumerate() {
            let path = format!("{}[{index}]", object.at("alarms"));
            names.push(as_name(one).or_else(|| self.refuse(path, NAME, described(Some(one))))?);
        }
        Some(Some(names))
    }

    /// In their order, each once, and `record` with those that need it.
    fn actions(&mut self, object: &Object<'_>, heap_snapshot: bool, webhook: bool) -> Option<Vec<Action>> {
        let names = || Action::ALL.map(|action| format!("\"{}\"", action.name())).join(", ");
        let mut actions = match object.map.get("actions") {
            None => vec![Action::Record],
            Some(Value::Array(list)) if list.len() <= Action::ALL.len() => {
                let mut actions = Vec::new();
                for (index, one) in list.iter().enumerate() {
                    let known = Action::ALL.into_iter().find(|action| one.as_str() == Some(action.name()));
                    actions.extend(known.or_else(|| {
                        let path = format!("{}[{index}]", object.at("actions"));
                        self.refuse(path, format!("one of {}", names()), described(Some(one)))
                    }));
                }
                actions
            }
            other => {
                return self.refuse(
                    object.at("actions"),
                    format!("an array of {}", names()),
                    described(other),
                );
            }
        };
        if heap_snapshot {
            actions.push(Action::HeapSnapshot);
        }
        if webhook {
            actions.push(Action::Webhook);
        }
        let evidence = [Action::ShadowCollection, Action::HeapSnapshot, Action::CpuProfile];
        if actions.iter().any(|action| evidence.contains(action)) {
            actions.push(Action::Record);
        }
        actions.sort_unstable();
        actions.dedup();
        Some(actions)
    }
}
