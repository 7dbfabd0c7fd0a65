//! One resource's observations, and the regression over them.

use crate::estimate::{Interval, Problem, interval, solve};
use crate::event::RouteId;
use crate::number;
use std::collections::VecDeque;

/// Observations kept.
const ROWS: usize = 128;
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
/// Fewer observations than this are not judged.
pub(crate) const LEAST_ROWS: usize = 8;

/// Growth between two readings, and the requests meanwhile.
#[derive(Clone, Debug)]
struct Row {
    from_ns: u64,
    ns: u64,
    growth: f64,
    requests: Vec<(u16, u32)>,
}

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

/// Observations of one resource.
#[derive(Debug)]
pub struct Series {
    gap_ns: u64,
    last: Option<(u64, u64, Vec<u64>)>,
    rows: VecDeque<Row>,
}

impl Series {
    /// Readings closer than `gap_ns` to the last one taken are skipped.
    pub fn new(gap_ns: u64) -> Self {
        Self { gap_ns, last: None, rows: VecDeque::new() }
    }

    /// A reading, with how many requests of each route have ended by then.
    pub fn read(&mut self, at_ns: u64, value: u64, finished: &[u64]) {
        if let Some((last_ns, last, before)) = &self.last {
            if at_ns.saturating_sub(*last_ns) < self.gap_ns {
                return;
            }
            let requests = finished
                .iter()
                .enumerate()
                .filter_map(|(route, now)| {
                    let ended = now - before.get(route).copied().unwrap_or(0);
                    Some((u16::try_from(route).ok()?, u32::try_from(ended).ok()?))
                        .filter(|(_, ended)| *ended > 0)
                })
                .collect();
            self.rows.push_back(Row {
                from_ns: *last_ns,
                ns: at_ns - last_ns,
                growth: number(value) - number(*last),
                requests,
            });
            if self.rows.len() > ROWS {
                self.rows.pop_front();
            }
        }
        self.last = Some((at_ns, value, finished.to_vec()));
    }

    /// How many observations there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// When the observations begin, and how long they last, ns.
    pub fn span_ns(&self) -> (u64, u64) {
        (self.rows.front().map_or(0, |row| row.from_ns), self.rows.iter().map(|row| row.ns).sum())
    }

    /// Growth over all observations.
    pub fn growth(&self) -> f64 {
        self.rows.iter().map(|row| row.growth).sum()
    }

    /// The last reading.
    pub fn last(&self) -> Option<u64> {
        self.last.as_ref().map(|(_, value, _)| *value)
    }

    /// Each route's share; `None` with too few observations.
    pub fn shares(&self) -> Option<Vec<Share>> {
        if self.rows.len() < LEAST_ROWS {
            return None;
        }
        let groups = self.groups();
        let problem = self.problem(&groups);
        let weights = huber(&problem);
        let intervals = interval(&problem, &weights, RESAMPLES, SEED);
        // A row of weight 0 is not there.
        let half = self.rows.len() / 2;
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
                    let requests = self.requests_of(&routes);
                    Share { routes, interval, earlier, later, requests }
                })
                .collect(),
        )
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(|row| size_of::<Row>() + row.requests.capacity() * 8).sum();
        rows + self.last.as_ref().map_or(0, |(_, _, counts)| counts.capacity() * 8)
    }

    fn requests_of(&self, routes: &[RouteId]) -> u64 {
        let all = self.rows.iter().flat_map(|row| &row.requests);
        all.filter(|(route, _)| routes.contains(&RouteId(*route))).map(|(_, ended)| u64::from(*ended)).sum()
    }

    /// The columns: routes with enough requests, those alike in one group.
    fn groups(&self) -> Vec<Vec<RouteId>> {
        let mut totals = std::collections::BTreeMap::<u16, u64>::new();
        for (route, ended) in self.rows.iter().flat_map(|row| &row.requests) {
            *totals.entry(*route).or_default() += u64::from(*ended);
        }
        let mut busiest: Vec<(u16, u64)> =
            totals.into_iter().filter(|(_, total)| *total >= LEAST_REQUESTS).collect();
        busiest.sort_by_key(|(route, total)| (std::cmp::Reverse(*total), *route));
        busiest.truncate(COLUMNS);

        let mut groups: Vec<(Vec<f64>, Vec<RouteId>)> = Vec::new();
        for (route, _) in busiest {
            let column = self.column(&[RouteId(route)]);
            match groups.iter_mut().find(|(other, _)| cosine(other, &column) > SAME_DIRECTION) {
                Some((_, routes)) => routes.push(RouteId(route)),
                None => groups.push((column, vec![RouteId(route)])),
            }
        }
        groups.into_iter().map(|(_, routes)| routes).collect()
    }

    fn column(&self, routes: &[RouteId]) -> Vec<f64> {
        self.rows
            .iter()
            .map(|row| {
                let counts = row.requests.iter().filter(|(route, _)| routes.contains(&RouteId(*route)));
                counts.map(|(_, ended)| f64::from(*ended)).sum()
            })
            .collect()
    }

    /// A column per group, then one for all other requests, then one for time (drift).
    fn problem(&self, groups: &[Vec<RouteId>]) -> Problem {
        let columns: Vec<Vec<f64>> = groups.iter().map(|routes| self.column(routes)).collect();
        let x = self
            .rows
            .iter()
            .enumerate()
            .map(|(index, row)| {
                let counts = columns.iter().map(|column| column.get(index).copied().unwrap_or(0.0));
                let told: f64 = counts.clone().sum();
                let all: f64 = row.requests.iter().map(|(_, ended)| f64::from(*ended)).sum();
                counts.chain([all - told, number(row.ns) / 1e9]).collect()
            })
            .collect();
        Problem { y: self.rows.iter().map(|row| row.growth).collect(), x, free: 0 }
    }
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
