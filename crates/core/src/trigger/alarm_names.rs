//! Whether the alarms that triggers call are there.

use super::read::Problem;
use super::rule::{Action, Trigger};

/// What is wrong with the alarms that `triggers` name or call, when `names` are those there are; each with its place, as by
/// [`read`](super::read()).
pub fn unknown_alarms(triggers: &[Trigger], names: &[String]) -> Vec<Problem> {
    let expected = if names.is_empty() {
        "an alarm in the option alarms, which has none".to_owned()
    } else {
        format!("the name of an alarm: one of {}", names.join(", "))
    };
    let problem = |path: String, received: &str| Problem {
        path,
        expected: expected.clone(),
        received: format!("\"{received}\""),
    };
    let of = |(index, trigger): (usize, &Trigger)| {
        let called = trigger.alarms.iter().flatten().enumerate();
        let mut problems: Vec<Problem> = called
            .filter(|(_, name)| !names.contains(name))
            .map(|(at, name)| problem(format!("[{index}].alarms[{at}]"), name))
            .collect();
        if problems.is_empty() && names.is_empty() && trigger.actions.contains(&Action::Webhook) {
            problems.push(problem(format!("[{index}].actions"), Action::Webhook.name()));
        }
        problems
    };
    triggers.iter().enumerate().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Preset, read};
    use super::*;
    use serde_json::{Value, json};

    fn told(more: &Value, names: &[&str]) -> Vec<String> {
        let mut trigger = json!({ "name": "a", "when": { "type": "stall", "aboveMs": 1000 } });
        let fields = more.as_object().unwrap().clone();
        trigger.as_object_mut().unwrap().extend(fields);
        let triggers = read(&json!([trigger]), Preset::Test).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        unknown_alarms(&triggers, &names).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_that_no_alarm_has_is_told_with_its_place() {
        assert_eq!(
            told(&json!({ "alarms": ["ops", "night"] }), &["ops", "team"]),
            ["triggers[0].alarms[1]: expected the name of an alarm: one of ops, team, received \"night\""]
        );
        assert!(told(&json!({ "alarms": ["ops"] }), &["ops"]).is_empty());
    }

    #[test]
    fn who_tells_all_alarms_needs_one() {
        assert_eq!(
            told(&json!({ "actions": ["record", "webhook"] }), &[]),
            [
                "triggers[0].actions: expected an alarm in the option alarms, which has none, received \"webhook\""
            ]
        );
        assert!(told(&json!({ "actions": ["record", "webhook"] }), &["ops"]).is_empty());
        assert!(told(&json!({}), &[]).is_empty());
    }
}
