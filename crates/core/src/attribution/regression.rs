//! The regression of one series of levels on the requests of each route.

use super::timeline::{Point, Timeline};
use crate::estimate::{Interval, Problem, interval, solve};
use crate::event::RouteId;
use crate::number;

/// Routes told apart in one regression; the rest are one column.
const COLUMNS: usize = 48;
/// Fewer requests than this in all say nothing of a route.
const LEAST_REQUESTS: u64 = 30;
/// Resamples for an interval.
const RESAMPLES: usize = 200;
/// The same data give the same interval.
const SEED: u64 = 0x1ea4;
/// Columns whose directions differ less than this cosine cannot be told apart.
const SAME_DIRECTION: f64 = 0.998;
/// Residuals beyond this many robust deviations get less weight (Huber).
const HUBER: f64 = 2.0;
/// Fewer intervals between readings than this are not judged.
pub(crate) const LEAST_ROWS: usize = 8;

/// The share of one route, or of a group that cannot be told apart.
#[derive(Clone, Debug)]
pub struct Share {
    /// The routes; empty for the rest and the drift.
    pub routes: Vec<RouteId>,
    /// Kept per request.
    pub interval: Interval,
    /// The same from the earlier half of the observations alone.
    pub earlier: f64,
    /// And from the later half.
    pub later: f64,
    /// Requests in the observations.
    pub requests: u64,
}

/// Levels of one series, and the points they were read at.
#[derive(Debug)]
pub(crate) struct Observations<'a> {
    points: Vec<(&'a Point, f64)>,
}

impl<'a> Observations<'a> {
    /// The points that have this level.
    pub(crate) fn new(timeline: &'a Timeline, level: impl Fn(&Point) -> Option<f64>) -> Self {
        let points = timeline.points();
        Self { points: points.filter_map(|point| Some((point, level(point)?))).collect() }
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

    /// Each route's share; `None` with too few observations.
    pub(crate) fn shares(&self) -> Option<Vec<Share>> {
        if self.rows() < LEAST_ROWS {
            return None;
        }
        let groups = self.groups();
        let problem = self.problem(&groups);
        let weights = huber(&problem);
        let intervals = interval(&problem, &weights, RESAMPLES, SEED);
        // A row of weight 0 is not there.
        let half = self.rows() / 2;
        let only = |keep: &dyn Fn(usize) -> bool| -> Vec<f64> {
            let weights = weights.iter().enumerate();
            weights.map(|(row, weight)| if keep(row) { *weight } else { 0.0 }).collect()
        };
        let earlier = solve(&problem, &only(&|row| row < half), &[]);
        let later = solve(&problem, &only(&|row| row >= half), &[]);
        Some(
            groups
                .into_iter()
                .zip(intervals)
                .zip(earlier.into_iter().zip(later))
                .map(|((routes, interval), (earlier, later))| {
                    let requests = routes.iter().map(|route| self.requests(*route)).sum();
                    Share { routes, interval, earlier, later, requests }
                })
                .collect(),
        )
    }

    /// Requests of a route between the first and the last point.
    fn requests(&self, route: RouteId) -> u64 {
        match (self.points.first(), self.points.last()) {
            (Some((first, _)), Some((last, _))) => u64::from(ended(first, last, usize::from(route.0))),
            _ => 0,
        }
    }

    /// The columns: routes with enough requests, those alike in one group.
    fn groups(&self) -> Vec<Vec<RouteId>> {
        let routes = self.points.last().map_or(0, |(last, _)| last.counts.len());
        let mut busiest: Vec<(RouteId, u64)> = (0..routes)
            .filter_map(|route| Some(RouteId(u16::try_from(route).ok()?)))
            .map(|route| (route, self.requests(route)))
            .filter(|(_, total)| *total >= LEAST_REQUESTS)
            .collect();
        busiest.sort_by_key(|(route, total)| (std::cmp::Reverse(*total), *route));
        busiest.truncate(COLUMNS);

        let mut groups: Vec<(Vec<f64>, Vec<RouteId>)> = Vec::new();
        for (route, _) in busiest {
            let column = self.column(&[route]);
            match groups.iter_mut().find(|(other, _)| cosine(other, &column) > SAME_DIRECTION) {
                Some((_, routes)) => routes.push(route),
                None => groups.push((column, vec![route])),
            }
        }
        groups.into_iter().map(|(_, routes)| routes).collect()
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

    /// A column per group, then one for all other requests, then one for time (drift).
    fn problem(&self, groups: &[Vec<RouteId>]) -> Problem {
        let columns: Vec<Vec<f64>> = groups.iter().map(|routes| self.column(routes)).collect();
        let x = self
            .intervals()
            .enumerate()
            .map(|(index, ((before, _), (after, _)))| {
                let counts = columns.iter().map(|column| column.get(index).copied().unwrap_or(0.0));
                let told: f64 = counts.clone().sum();
                let all: f64 =
                    (0..after.counts.len()).map(|route| f64::from(ended(before, after, route))).sum();
                counts.chain([all - told, number(after.at_ns - before.at_ns) / 1e9]).collect()
            })
            .collect();
        Problem { y: self.intervals().map(|((_, before), (_, after))| after - before).collect(), x, free: 0 }
    }
}

/// Requests of a route that ended between two points.
fn ended(before: &Point, after: &Point, route: usize) -> u32 {
    let count = |point: &Point| point.counts.get(route).copied().unwrap_or(0);
    count(after).wrapping_sub(count(before))
}

/// Weights that give outliers less say: residuals of a first fit against their median absolute deviation.
fn huber(problem: &Problem) -> Vec<f64> {
    let even = vec![1.0; problem.y.len()];
    let first = solve(problem, &even, &[]);
    let residuals: Vec<f64> = problem
        .x
        .iter()
        .zip(&problem.y)
        .map(|(row, y)| (y - row.iter().zip(&first).map(|(x, b)| x * b).sum::<f64>()).abs())
        .collect();
    let mut sorted = residuals.clone();
    sorted.sort_by(f64::total_cmp);
    let scale = 1.4826 * sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    residuals
        .into_iter()
        .map(|r| if scale > 0.0 && r > HUBER * scale { HUBER * scale / r } else { 1.0 })
        .collect()
}

fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let length = (dot(one, one) * dot(other, other)).sqrt();
    if length > 0.0 { dot(one, other) / length } else { 0.0 }
}
