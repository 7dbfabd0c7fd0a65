//! From what each condition says to what the whole rule says: `all` and `any`, with "not enough data" as a third answer.

use super::rule::{Condition, Trigger, When};

/// What one condition says now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look {
    /// The value and what it is compared with.
    Value {
        /// In the condition's unit.
        value: f64,
        /// In the same.
        threshold: f64,
    },
    /// Nothing yet, and why.
    NotEnough(&'static str),
    /// Never in this process, and why.
    Absent(&'static str),
}

/// What a rule says now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    /// Whether it holds; `None`: not enough data.
    pub(super) holds: Option<bool>,
    /// Whether it is far enough from holding to arm again.
    pub(super) clear: bool,
    /// It can never hold in this process.
    pub(super) absent: bool,
}

/// A rule's tree, with each condition's place among the rule's conditions.
#[derive(Debug)]
pub(super) enum Tree {
    Leaf(usize),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

impl Tree {
    pub(super) fn of(rule: &Trigger) -> Self {
        fn grow(when: &When, next: &mut usize) -> Tree {
            match when {
                When::One(_) => {
                    *next += 1;
                    Tree::Leaf(*next - 1)
                }
                When::All { all } => Tree::All(all.iter().map(|one| grow(one, next)).collect()),
                When::Any { any } => Tree::Any(any.iter().map(|one| grow(one, next)).collect()),
            }
        }
        grow(&rule.when, &mut 0)
    }

    /// Judges what the conditions say, which are in order.
    pub(super) fn judge(&self, conditions: &[Condition], looks: &[Look], clear_ratio: f64) -> Verdict {
        let each = |tree: &Self| tree.judge(conditions, looks, clear_ratio);
        match self {
            Self::Leaf(index) => match (conditions.get(*index), looks.get(*index)) {
                (Some(condition), Some(look)) => leaf(condition, *look, clear_ratio),
                _ => Verdict { holds: None, clear: false, absent: false },
            },
            Self::All(several) => {
                let each: Vec<Verdict> = several.iter().map(each).collect();
                let holds = if each.iter().any(|one| one.holds == Some(false)) {
                    Some(false)
                } else {
                    each.iter().all(|one| one.holds == Some(true)).then_some(true)
                };
                let clear = each.iter().any(|one| one.clear);
                Verdict { holds, clear, absent: each.iter().any(|one| one.absent) }
            }
            Self::Any(several) => {
                let each: Vec<Verdict> = several.iter().map(each).collect();
                let holds = if each.iter().any(|one| one.holds == Some(true)) {
                    Some(true)
                } else {
                    // What is never read here leaves the others to decide.
                    each.iter().all(|one| one.holds == Some(false) || one.absent).then_some(false)
                };
                // What says nothing now does not keep the trigger from arming again.
                let clear = each.iter().any(|one| one.clear)
                    && each.iter().all(|one| one.clear || one.holds.is_none());
                Verdict { holds, clear, absent: each.iter().all(|one| one.absent) }
            }
        }
    }
}

/// How far a condition is on its way: above 1 it holds.
pub(super) fn ratio(condition: &Condition, look: Look) -> Option<f64> {
    let Look::Value { value, threshold } = look else { return None };
    Some(match condition {
        Condition::Slowdown { .. } => threshold / value.max(f64::MIN_POSITIVE),
        _ if threshold > 0.0 => value / threshold,
        _ => value,
    })
}

/// Whether this condition holds; `false` without a value.
pub(super) fn holds(condition: &Condition, look: Look) -> bool {
    let Look::Value { value, threshold } = look else { return false };
    match condition {
        Condition::Slowdown { .. } => value <= threshold,
        Condition::Leak { .. } => value > 0.0 && value >= threshold,
        Condition::Running { .. } => value >= threshold,
        _ => value > threshold,
    }
}

fn leaf(condition: &Condition, look: Look, clear_ratio: f64) -> Verdict {
    match look {
        Look::NotEnough(_) => Verdict { holds: None, clear: false, absent: false },
        Look::Absent(_) => Verdict { holds: None, clear: false, absent: true },
        Look::Value { value, threshold } => {
            let clear = match condition {
                Condition::Slowdown { .. } => value * clear_ratio >= threshold,
                Condition::Leak { .. } => !holds(condition, look),
                _ => value <= threshold * clear_ratio,
            };
            Verdict { holds: Some(holds(condition, look)), clear, absent: false }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::rule::CountLimit;

    const MUCH: Look = Look::Value { value: 20.0, threshold: 10.0 };
    const NEAR: Look = Look::Value { value: 9.0, threshold: 10.0 };
    const LOW: Look = Look::Value { value: 1.0, threshold: 10.0 };
    const SOON: Look = Look::NotEnough("soon");
    const NEVER: Look = Look::Absent("never");

    fn judged(tree: &Tree, looks: &[Look]) -> (Option<bool>, bool, bool) {
        let conditions = vec![Condition::Timers(CountLimit::default()); looks.len()];
        let verdict = tree.judge(&conditions, looks, 0.5);
        (verdict.holds, verdict.clear, verdict.absent)
    }

    #[test]
    fn all_and_any_know_three_answers() {
        let two = || vec![Tree::Leaf(0), Tree::Leaf(1)];
        let (all, any) = (Tree::All(two()), Tree::Any(two()));
        for (looks, of_all, of_any) in [
            ([MUCH, MUCH], (Some(true), false, false), (Some(true), false, false)),
            ([MUCH, NEAR], (Some(false), false, false), (Some(true), false, false)),
            ([MUCH, LOW], (Some(false), true, false), (Some(true), false, false)),
            ([LOW, LOW], (Some(false), true, false), (Some(false), true, false)),
            ([MUCH, SOON], (None, false, false), (Some(true), false, false)),
            ([LOW, SOON], (Some(false), true, false), (None, true, false)),
            ([NEAR, SOON], (Some(false), false, false), (None, false, false)),
            ([MUCH, NEVER], (None, false, true), (Some(true), false, false)),
            ([LOW, NEVER], (Some(false), true, true), (Some(false), true, false)),
            ([NEVER, NEVER], (None, false, true), (Some(false), false, true)),
        ] {
            assert_eq!(judged(&all, &looks), of_all, "all {looks:?}");
            assert_eq!(judged(&any, &looks), of_any, "any {looks:?}");
        }
    }

    #[test]
    fn a_doubling_time_holds_when_it_is_short_and_clears_when_it_is_longer_by_the_ratio() {
        let slowdown = Condition::Slowdown { doubles_within_ms: 100.0 };
        let look = |value| Look::Value { value, threshold: 100.0 };
        for (value, expected, clear) in
            [(50.0, true, false), (100.0, true, false), (150.0, false, false), (f64::INFINITY, false, true)]
        {
            let verdict = leaf(&slowdown, look(value), 0.5);
            assert_eq!((verdict.holds, verdict.clear), (Some(expected), clear), "{value}");
        }
    }
}
