//! The regression of one series of levels on the requests of each route.

use super::timeline::{Point, Timeline};
use crate::estimate::{Fit, Growth, Interval};
use crate::event::RouteId;
use crate::number;

/// Routes told apart in one regression; the rest are one column.
const COLUMNS: usize = 48;
/// Fewer requests than this in all say nothing of a route.
const LEAST_REQUESTS: u64 = 30;
/// Fewer intervals between readings than this are not judged.
pub(crate) const LEAST_ROWS: usize = 6;
/// Of what a route would explain, another one that can take over this part may be the one.
const TAKES_OVER: f64 = 0.15;
/// Intervals between readings that say how much is kept, when it is certain by other means that something is.
const LEAST_CORROBORATION: usize = 3;
/// A route that may also keep something for a while must still be certain, but one coefficient more has to be paid for: its
/// chance may be this many times larger.
const STILL_CERTAIN: f64 = 10.0;
/// What is asked to be this certain is asked beside all times that requests may hold something for.
pub(crate) const PATIENT: f64 = 5e-4;
/// Only a route that others replace this well is part of a group; one that they replace badly is waited for.
const REPLACEABLE: f64 = 0.02;
/// With fewer intervals between readings routes are alike by chance.
const LEAST_GROUP_ROWS: usize = 16;
/// A finding with more names than this names nobody.
const LARGEST_GROUP: usize = 4;

/// The share of one route, or of a group that cannot be told apart.
#[derive(Clone, Debug)]
pub struct Share {
    /// The routes.
    pub routes: Vec<RouteId>,
    /// Kept per request.
    pub interval: Interval,
    /// How often chance alone would look like this.
    pub chance: f64,
    /// Whether it goes on: what parts of the observations say on their own.
    pub course: Course,
    /// Requests in the observations.
    pub requests: u64,
    /// Intervals between readings that it rests on.
    pub rows: usize,
    /// When the observations begin, and how long they last, ns.
    pub span_ns: (u64, u64),
}

/// A share in parts of the observations, each with its standard error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course {
    /// In the earlier half.
    pub earlier: (f64, f64),
    /// In the later half.
    pub later: (f64, f64),
    /// In the last third.
    pub last: (f64, f64),
}

impl Share {
    /// Kept in all.
    pub fn amount(&self) -> f64 {
        self.interval.value * number(self.requests)
    }
}

/// What a regression says.
#[derive(Debug)]
pub(crate) struct Regression {
    /// Each route's own share, certain or not.
    pub(crate) routes: Vec<Share>,
    /// Groups of routes that certainly keep something, though none of them alone does.
    pub(crate) groups: Vec<Share>,
    /// A chance at most this large is certain.
    pub(crate) certain: f64,
}

/// Levels of one series, and the points they were read at.
#[derive(Clone, Debug)]
pub(crate) struct Observations<'a> {
    points: Vec<(&'a Point, f64)>,
    /// Points before them.
    earlier: Vec<&'a Point>,
    resolution: f64,
    started_ns: u64,
}

impl<'a> Observations<'a> {
    /// The points that have this level; differences below `resolution` say nothing.
    pub(crate) fn new(
        timeline: &'a Timeline,
        resolution: f64,
        level: impl Fn(&Point) -> Option<f64>,
    ) -> Self {
        let points = timeline.points();
        let started_ns = timeline.started_ns();
        let points = points.filter_map(|point| Some((point, level(point)?))).collect();
        Self { points, earlier: Vec::new(), resolution, started_ns }
    }

    /// The same without the earliest points.
    pub(crate) fn since(&self, point: usize) -> Self {
        let earlier =
            self.earlier.iter().copied().chain(self.points.iter().take(point).map(|(point, _)| *point));
        Self {
            points: self.points.iter().skip(point).copied().collect(),
            earlier: earlier.collect(),
            ..*self
        }
    }

    /// How many intervals between readings there are.
    pub(crate) fn rows(&self) -> usize {
        self.points.len().saturating_sub(1)
    }

    /// When the observations begin, and how long they last, ns.
    pub(crate) fn span_ns(&self) -> (u64, u64) {
        let at = |point: Option<&(&Point, f64)>| point.map_or(0, |(point, _)| point.at_ns);
        let (first, last) = (at(self.points.first()), at(self.points.last()));
        (first, last - first)
    }

    /// Growth over all observations.
    pub(crate) fn growth(&self) -> f64 {
        match (self.points.first(), self.points.last()) {
            (Some((_, first)), Some((_, last))) => last - first,
            _ => 0.0,
        }
    }

    /// What each route keeps, and what only groups of them do; `None` with too few observations. What is certain, chance
    /// alone would do for any of the routes less often than `chance`.
    pub(crate) fn regression(&self, chance: f64) -> Option<Regression> {
        if self.rows() < LEAST_ROWS {
            return None;
        }
        let (candidates, all) = self.candidates();
        let names: Vec<Vec<RouteId>> = candidates.into_iter().map(|route| vec![route]).collect();
        let fit = Fit::new(&self.problem(&names))?;
        // As many times as there are routes chance may do it (Bonferroni).
        let certain = chance / number(all.max(1) as u64);
        let mut routes: Vec<Share> =
            (0..names.len()).map(|column| self.share(&fit, &names, column)).collect();
        let accused: Vec<usize> = (0..routes.len())
            .filter(|column| routes.get(*column).is_some_and(|share| share.chance <= certain))
            .collect();
        let still = self.chance_beside_held(&names, &accused, chance).unwrap_or_default();
        for (column, chance) in accused.into_iter().zip(still) {
            if let Some(share) = routes.get_mut(column) {
                share.chance = share.chance.max(chance / STILL_CERTAIN);
            }
        }
        let mut groups: Vec<Share> = self.group(&fit, &routes, certain).into_iter().collect();
        groups.retain(|group| {
            let names: Vec<Vec<RouteId>> = std::iter::once(group.routes.clone())
                .chain(
                    names
                        .iter()
                        .filter(|name| !name.iter().all(|route| group.routes.contains(route)))
                        .cloned(),
                )
                .collect();
            self.chance_beside_held(&names, &[0], chance)
                .is_some_and(|still| still.first().is_some_and(|chance| chance / STILL_CERTAIN <= certain))
        });
        Some(Regression { routes, groups, certain })
    }

    /// The chances of those accused when each may also keep something for a while: what its requests of the last interval,
    /// or those that ended just before the reading, still hold (a short-lived cache, connections, what is freed only after
    /// the collection) is there at the next reading and gone at the one after, and would pass for a leak while its traffic rises.
    ///
    /// Who asks for little chance also asks whether they may hold it for longer, up to half of the time since the process began: a store with
    /// a time to live, sessions.
    fn chance_beside_held(&self, names: &[Vec<RouteId>], accused: &[usize], chance: f64) -> Option<Vec<f64>> {
        if accused.is_empty() {
            return None;
        }
        let problem = self.problem(names);
        let beside = |held: &dyn Fn(usize) -> Option<Vec<f64>>| {
            let mut problem = problem.clone();
            for column in accused {
                problem.columns.push(held(*column)?);
            }
            let fit = Fit::new(&problem)?;
            Some(accused.iter().map(|column| fit.chance(&[*column])).collect::<Vec<f64>>())
        };
        let mean = problem.spans.iter().sum::<f64>() / number(self.rows() as u64);
        let of_interval = |column: usize| {
            let rates = problem.columns.get(column)?.iter().zip(&problem.spans);
            let recent: Vec<f64> = rates.map(|(count, span)| count / span.max(1e-9) * mean).collect();
            let before = recent.first().into_iter().chain(&recent);
            Some(recent.iter().zip(before).map(|(now, before)| now - before).collect())
        };
        let just_now = |column: usize| {
            let routes = names.get(column)?;
            let weight = |point: &Point| {
                let each = routes.iter().filter_map(|route| point.counts.recent.get(usize::from(route.0)));
                each.map(|weight| f64::from(*weight)).sum::<f64>()
            };
            Some(self.intervals().map(|((before, _), (after, _))| weight(after) - weight(before)).collect())
        };
        let mut chances = beside(&of_interval)?;
        let mut also = |others: Vec<f64>| {
            chances.iter_mut().zip(others).for_each(|(one, other)| *one = one.max(other));
        };
        also(beside(&just_now)?);
        let mut seconds = 2.0 * mean;
        while chance <= PATIENT && seconds <= self.age() / 2.0 {
            also(beside(&|column| Some(self.held_for(names.get(column)?, seconds)))?);
            seconds *= 2.0;
        }
        Some(chances)
    }

    /// Age of the process at the last point, s.
    fn age(&self) -> f64 {
        self.points.last().map_or(0.0, |(last, _)| number(last.at_ns.saturating_sub(self.started_ns)) / 1e9)
    }

    /// What requests that each hold one for so many seconds add from reading to reading.
    fn held_for(&self, routes: &[RouteId], seconds: f64) -> Vec<f64> {
        let total = |point: &Point| {
            let each = routes.iter().filter_map(|route| point.counts.ended.get(usize::from(route.0)));
            each.map(|ended| f64::from(*ended)).sum::<f64>()
        };
        let at = |point: &Point| number(point.at_ns.saturating_sub(self.started_ns)) / 1e9;
        // Running totals over time, from the start of the process on.
        let known: Vec<(f64, f64)> = std::iter::once((0.0, 0.0))
            .chain(self.earlier.iter().map(|point| (at(point), total(point))))
            .chain(self.points.iter().map(|(point, _)| (at(point), total(point))))
            .collect();
        let by = |time: f64| {
            let after = known.partition_point(|(known, _)| *known < time).max(1);
            match (known.get(after - 1), known.get(after)) {
                (Some((t0, n0)), Some((t1, n1))) => {
                    n0 + (n1 - n0) * ((time - t0) / (t1 - t0).max(1e-9)).clamp(0.0, 1.0)
                }
                _ => known.last().map_or(0.0, |(_, total)| *total),
            }
        };
        let held = |point: &Point| total(point) - by((at(point) - seconds).max(0.0));
        self.intervals().map(|((before, _), (after, _))| held(after) - held(before)).collect()
    }

    /// What a group of routes keeps that another witness has already convicted: few readings are enough, and all other
    /// requests are one column. `None` when it is nothing, or chance would do as much too often even so.
    pub(crate) fn corroboration(&self, group: &[RouteId]) -> Option<Share> {
        if self.rows() < LEAST_CORROBORATION {
            return None;
        }
        let names = [group.to_vec()];
        let share = self.share(&Fit::new(&self.problem(&names))?, &names, 0);
        (share.interval.value > 0.0).then_some(share)
    }

    fn share(&self, fit: &Fit, names: &[Vec<RouteId>], column: usize) -> Share {
        let routes = names.get(column).cloned().unwrap_or_default();
        let rows = self.rows();
        let own = |rows| fit.own(column, rows).unwrap_or_default();
        let requests = routes.iter().map(|route| self.requests(*route)).sum();
        let chance = if fit.value(column) > 0.0 { fit.chance(&[column]) } else { 0.5 };
        let interval = fit.interval(column);
        let course = Course {
            earlier: own(0..rows / 2),
            later: own(rows / 2..rows),
            last: own(rows - rows / 3..rows),
        };
        Share { routes, interval, chance, course, requests, rows, span_ns: self.span_ns() }
    }

    /// Of what no route alone certainly keeps: the group that does, when it is small.
    ///
    /// Without the likeliest route, those that take over what it explained may each be the one. The group is certain
    /// when all of its routes together cannot be done without.
    fn group(&self, fit: &Fit, routes: &[Share], chance: f64) -> Option<Share> {
        let open = |column: &usize| routes.get(*column).is_some_and(|share| share.chance > chance);
        let amount =
            |column: usize, b: f64| routes.get(column).map_or(0.0, |share| b * number(share.requests));
        let likeliest = (0..routes.len()).filter(open).max_by(|one, other| {
            amount(*one, fit.value(*one)).total_cmp(&amount(*other, fit.value(*other)))
        })?;
        let whole = amount(likeliest, fit.value(likeliest));
        if whole <= 0.0 || routes.get(likeliest)?.chance < REPLACEABLE || self.rows() < LEAST_GROUP_ROWS {
            return None;
        }
        let without = fit.without(&[likeliest]);
        let takes_over = |column: &usize| {
            let b = without.get(*column).copied().unwrap_or(0.0);
            amount(*column, b - fit.value(*column)) >= TAKES_OVER * whole
        };
        let others = (0..routes.len()).filter(|column| *column != likeliest).filter(takes_over);
        let group: Vec<usize> = std::iter::once(likeliest).chain(others).collect();
        if group.len() < 2 || group.len() > LARGEST_GROUP || fit.chance(&group) > chance {
            return None;
        }
        let of = |column: usize| routes.get(column).map(|share| share.routes.clone()).unwrap_or_default();
        let together: Vec<RouteId> = group.iter().flat_map(|column| of(*column)).collect();
        let mut names = vec![together];
        names.extend((0..routes.len()).filter(|column| !group.contains(column)).map(of));
        let merged = Fit::new(&self.problem(&names))?;
        Some(self.share(&merged, &names, 0))
    }

    /// Requests of a route between the first and the last point.
    fn requests(&self, route: RouteId) -> u64 {
        match (self.points.first(), self.points.last()) {
            (Some((first, _)), Some((last, _))) => u64::from(ended(first, last, usize::from(route.0))),
            _ => 0,
        }
    }

    /// The routes that are told apart, and how many have enough requests to be. With more of them than columns, half of the
    /// columns are for the busiest, and half for those whose requests go most with the growth (the screening of Fan & Lv,
    /// *Sure independence screening*, 2008).
    fn candidates(&self) -> (Vec<RouteId>, usize) {
        let routes = self.points.last().map_or(0, |(last, _)| last.counts.ended.len());
        let mut busiest: Vec<(RouteId, u64)> = (0..routes)
            .filter_map(|route| Some(RouteId(u16::try_from(route).ok()?)))
            .map(|route| (route, self.requests(route)))
            .filter(|(_, total)| *total >= LEAST_REQUESTS)
            .collect();
        let all = busiest.len();
        busiest.sort_by_key(|(route, total)| (std::cmp::Reverse(*total), *route));
        let mut chosen: Vec<RouteId> = busiest.into_iter().map(|(route, _)| route).collect();
        if all > COLUMNS {
            let growth: Vec<f64> = self.intervals().map(|((_, before), (_, after))| after - before).collect();
            let mut rest: Vec<(f64, RouteId)> = chosen
                .drain(COLUMNS / 2..)
                .map(|route| (correlation(&self.column(&[route]), &growth), route))
                .collect();
            rest.sort_by(|one, other| other.0.total_cmp(&one.0));
            chosen.extend(rest.into_iter().take(COLUMNS / 2).map(|(_, route)| route));
        }
        (chosen, all)
    }

    fn column(&self, routes: &[RouteId]) -> Vec<f64> {
        self.intervals()
            .map(|((before, _), (after, _))| {
                let each = routes.iter().map(|route| ended(before, after, usize::from(route.0)));
                each.map(f64::from).sum()
            })
            .collect()
    }

    fn intervals(&self) -> impl Iterator<Item = (&(&'a Point, f64), &(&'a Point, f64))> {
        self.points.iter().zip(self.points.iter().skip(1))
    }

    /// A column per group, then one for all other requests, one for the logarithm of the process's age (a warm-up, which
    /// slows down as it goes, fast or slow) and one for time (drift).
    fn problem(&self, groups: &[Vec<RouteId>]) -> Growth {
        let spans: Vec<f64> = self
            .intervals()
            .map(|((before, _), (after, _))| number(after.at_ns - before.at_ns) / 1e9)
            .collect();
        let mut rest: Vec<f64> = self
            .intervals()
            .map(|((before, _), (after, _))| {
                (0..after.counts.ended.len()).map(|route| f64::from(ended(before, after, route))).sum()
            })
            .collect();
        let mut columns: Vec<Vec<f64>> = groups.iter().map(|routes| self.column(routes)).collect();
        for column in &columns {
            rest.iter_mut().zip(column).for_each(|(rest, told)| *rest -= told);
        }
        let age = |point: &Point| (number(point.at_ns.saturating_sub(self.started_ns)) / 1e9).max(1.0);
        let ages =
            self.intervals().map(|((before, _), (after, _))| (age(after) / age(before)).ln()).collect();
        columns.push(rest);
        columns.push(ages);
        columns.push(spans.clone());
        let growth = self.intervals().map(|((_, before), (_, after))| after - before).collect();
        Growth { growth, columns, spans, resolution: self.resolution }
    }
}

/// Requests of a route that ended between two points.
fn ended(before: &Point, after: &Point, route: usize) -> u32 {
    let count = |point: &Point| point.counts.ended.get(route).copied().unwrap_or(0);
    count(after).wrapping_sub(count(before))
}

/// Pearson's coefficient of correlation; 0 where one does not vary.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / number(values.len().max(1) as u64);
    let (mean_one, mean_other) = (mean(one), mean(other));
    let (mut product, mut squares_one, mut squares_other) = (0.0, 0.0, 0.0);
    for (x, y) in one.iter().zip(other) {
        product += (x - mean_one) * (y - mean_other);
        squares_one += (x - mean_one).powi(2);
        squares_other += (y - mean_other).powi(2);
    }
    let length = (squares_one * squares_other).sqrt();
    if length > 0.0 { product / length } else { 0.0 }
}
