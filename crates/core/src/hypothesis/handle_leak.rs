//! Sockets, files and other descriptors stay open.

use super::reading::Level;
use super::sentence::duration;
use super::trend::trend;
use super::{Facts, Opinion};

/// Fewer more than this is a burst of connections.
const NOTHING: f64 = 32.0;

/// What is counted, and what it is called.
const COUNTED: [(Level, &str); 2] = [(Level::Descriptors, "descriptors"), (Level::Handles, "handles")];

/// One of them over time.
struct Course {
    name: &'static str,
    first: f64,
    last: f64,
    grown: f64,
    seconds: f64,
    leaks: bool,
}

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let course = |(level, name): (Level, &'static str)| {
        let points = facts.history.points(level);
        let (trend, first, last) = (trend(&points)?, points.first()?, points.last()?);
        let seconds = last.0 - first.0;
        let grown = trend.slope * seconds;
        let leaks = trend.low > 0.0 && grown > NOTHING.max(0.1 * first.1);
        Some(Course { name, first: first.1, last: last.1, grown, seconds, leaks })
    };
    let courses: Vec<Course> = COUNTED.into_iter().filter_map(course).collect();
    let Some(longest) = courses.iter().map(|course| course.seconds).max_by(f64::total_cmp) else {
        return Opinion::not_enough("descriptors and handles were counted too few times");
    };
    let said = courses.iter().map(|course| {
        format!("{:.0} {} are open, {:.0} were at first", course.last, course.name, course.first)
    });
    let said: Vec<String> = said.collect();
    let grown = |name: &str| courses.iter().find(|course| course.name == name);
    let mut numbers = Vec::new();
    for (course, [count, more]) in
        [(grown("descriptors"), ["descriptors", "grown"]), (grown("handles"), ["handles", "handlesGrown"])]
    {
        if let Some(course) = course {
            numbers.extend([(count, course.last), (more, course.grown)]);
        }
    }
    Opinion::of(
        courses.iter().any(|course| course.leaks),
        format!("{}, {} ago", said.join("; "), duration(longest)),
        &numbers,
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Level;
    use super::super::testing::{Made, state};

    #[test]
    fn descriptors_that_stay_open_support_it() {
        let history = Made::steady(120).level(Level::Descriptors, |second| 30.0 + second).history();
        assert_eq!(state(&history, "handle-leak"), State::Supported);
    }

    #[test]
    fn handles_without_a_descriptor_of_their_own_support_it_too() {
        let history = Made::steady(120).level(Level::Handles, |second| 12.0 + second).history();
        assert_eq!(state(&history, "handle-leak"), State::Supported);
        let alone = Made::steady(120).without(Level::Descriptors).history();
        assert_eq!(state(&alone, "handle-leak"), State::RuledOut);
        let neither = Made::steady(120).without(Level::Descriptors).without(Level::Handles).history();
        assert_eq!(state(&neither, "handle-leak"), State::NotEnoughData);
    }

    #[test]
    fn connections_that_come_and_go_do_not() {
        let wave = |second: f64| 60.0 + 50.0 * (second / 7.0).sin();
        let history = Made::steady(120).level(Level::Descriptors, wave).history();
        assert_eq!(state(&history, "handle-leak"), State::RuledOut);
    }
}
