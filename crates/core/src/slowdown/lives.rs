//! Slowdowns that releases hide: a route that gets slower with the age of the process, in one life after another, and never
//! for long enough to be certain in any.
//!
//! Each life has a level of its own; what they share is the slope over the age. Pairs of points are held against each
//! other within a life only, and counted over all lives (Hirsch, Slack & Smith 1982 do so with seasons). That a restart
//! takes the growth back tells age from time that passes: a table that grows is not reset by a release.
//!
//! **Invariant:** of past lives only what may be one is kept, so memory depends on suspects, not on routes or lives.

use super::cause::{self, Around};
use super::history::{ProcessBucket, RouteHistory, Signal};
use super::judge::{
    Demand, LEAST_GROWTH_MS, LEAST_POINTS, Rise, Times, duration, ends, less_common, loads, loads_of,
};
use super::trend::{NORMAL_95, Pairs, pairs, quantile};
use super::{Found, Slowdown, record};
use crate::event::RouteId;
use crate::report::Leak;
use crate::route_table::RouteTable;
use std::collections::BTreeMap;

/// Lives that are looked at, the last ones.
pub const MOST_LIVES: usize = 16;
/// In some earlier life a route must have become slower by this factor, and in this one by that.
const GREW_BEFORE: f64 = 1.25;
const GROWS_NOW: f64 = 1.12;
/// Rising pairs over all lives must outnumber falling ones by so many standard deviations, and without what all routes
/// have in common; and by this share of all pairs.
const CERTAIN: f64 = 5.0;
const CERTAIN_OWN: f64 = 4.0;
const TAU: f64 = 0.5;
/// The same in this life, which is young.
const CERTAIN_NOW: f64 = 1.6;
/// A restart must have taken at least this part of the growth back.
const TAKEN_BACK: f64 = 0.5;
/// Of the earlier lives that can say, this share must have risen.
const MOST_ROSE: f64 = 0.75;
/// What is demanded of the earlier life that rose the most.
const EARLIER: Demand = Demand { z: 3.0, tau: 0.5, own_z: 2.3, growth: 1.0, still_going: 0.3, no_step: 1.1 };
/// Slopes kept of each life.
const SLOPES: usize = 33;
/// Below this a life's trend is no suspicion.
const SUSPICIOUS: f64 = 1.5;

/// What a life knew by age, as bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LifeRecord {
    /// Of its process.
    pub process: Vec<u8>,
    /// Of its routes, by name.
    pub routes: Vec<(String, Vec<u8>)>,
}

/// What one life says of one signal of one route.
#[derive(Clone, Debug)]
struct Stratum {
    all: Rising,
    /// Without what all routes have in common.
    own: Rising,
    /// At low age and at its end, logarithm of ns.
    start: f64,
    end: f64,
    /// It is certain by itself, and no step.
    is_one: bool,
}

/// Pairs in a few numbers.
#[derive(Clone, Debug)]
struct Rising {
    surplus: f64,
    variance: f64,
    pairs: f64,
    /// Quantiles of the slopes, evenly spread.
    slopes: Vec<f64>,
}

impl Rising {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand pairs")]
    fn of(pairs: &Pairs) -> Self {
        let share = |index: usize| (index as f64 + 0.5) / SLOPES as f64;
        Self {
            surplus: pairs.rising,
            variance: pairs.variance,
            pairs: pairs.slopes.len() as f64,
            slopes: (0..SLOPES).map(|index| quantile(&pairs.slopes, share(index))).collect(),
        }
    }

    fn z(&self) -> f64 {
        self.surplus / self.variance.sqrt()
    }
}

/// Earlier lives, as far as they make a route suspect.
#[derive(Clone, Debug, Default)]
pub struct Past {
    suspects: BTreeMap<String, Vec<(Signal, Vec<Stratum>)>>,
}

impl Past {
    /// Of earlier lives, oldest first.
    pub fn new(lives: &[LifeRecord]) -> Self {
        let mut all: BTreeMap<String, Vec<(Signal, Vec<Stratum>)>> = BTreeMap::new();
        for life in lives.iter().skip(lives.len().saturating_sub(MOST_LIVES)) {
            let process = record::process(&life.process);
            let mut names = RouteTable::new(u16::MAX);
            let mut routes = vec![RouteHistory::default()];
            for (name, data) in &life.routes {
                if usize::from(names.intern(name).0) == routes.len() {
                    routes.push(record::route(data));
                }
            }
            let times = Times::new(&process);
            let around = Around { routes: &routes, times: &times, leaks: &[], names: &names };
            for (index, _) in routes.iter().enumerate().skip(1) {
                let Ok(id) = u16::try_from(index).map(RouteId) else { break };
                for signal in Signal::ALL {
                    let Some(stratum) = stratum(&around, id, signal) else { continue };
                    let signals = all.entry(names.name(id).to_owned()).or_default();
                    match signals.iter_mut().find(|(known, _)| *known == signal) {
                        Some((_, lives)) => lives.push(stratum),
                        None => signals.push((signal, vec![stratum])),
                    }
                }
            }
        }
        for signals in all.values_mut() {
            signals.retain(|(_, lives)| suspicious(lives));
        }
        all.retain(|_, signals| !signals.is_empty());
        Self { suspects: all }
    }

    /// Routes that are slower now, for they are getting old again.
    pub(super) fn judge(
        &self,
        routes: &[RouteHistory],
        process: &[ProcessBucket],
        leaks: &[Leak],
        names: &RouteTable,
    ) -> Vec<(RouteId, Found)> {
        if self.suspects.is_empty() {
            return Vec::new();
        }
        let times = Times::new(process);
        let around = Around { routes, times: &times, leaks, names };
        let ids = (1..routes.len()).filter_map(|index| Some(RouteId(u16::try_from(index).ok()?)));
        let found = ids.filter_map(|id| {
            let signals = self.suspects.get(names.name(id))?;
            let slower = signals.iter().find_map(|(signal, lives)| slower(&around, id, *signal, lives))?;
            Some((id, slower))
        });
        found.collect()
    }

    /// Whether no route is suspect.
    #[cfg(test)]
    pub(super) fn suspects_none(&self) -> bool {
        self.suspects.is_empty()
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        let strata = self.suspects.values().flatten().map(|(_, lives)| lives.len()).sum::<usize>();
        strata * (size_of::<Stratum>() + 2 * SLOPES * size_of::<f64>())
    }
}

fn suspicious(lives: &[Stratum]) -> bool {
    lives.iter().any(|life| life.is_one && life.end - life.start >= GREW_BEFORE.ln())
}

/// What the life `around` says of a route; `None` when it says too little.
fn stratum(around: &Around<'_>, route: RouteId, signal: Signal) -> Option<Stratum> {
    let history = around.routes.get(usize::from(route.0))?;
    let series = around.times.series(history, signal);
    if series.y.len() < LEAST_POINTS {
        return None;
    }
    let loads = loads(around.times.process, history, &series);
    let raw = Rise { series: &series, loads: &loads, signal };
    let all = Rising::of(&pairs(&series.x, &series.y, |i, j| raw.comparable(i, j))?);
    let (start, end) = ends(&series.y);
    // Most routes of most lives are nothing, and then what they have in common with others need not be known.
    let grows = all.z() >= SUSPICIOUS && end > start;
    if !grows {
        return Some(Stratum { own: all.clone(), all, start, end, is_one: false });
    }
    let left = less_common(around, route, signal, &series);
    let own_loads = loads_of(&loads, &series, &left);
    let rise = Rise { series: &left, loads: &own_loads, signal };
    let own = Rising::of(&pairs(&left.x, &left.y, |i, j| rise.comparable(i, j))?);
    Some(Stratum { all, own, start, end, is_one: rise.is_one(EARLIER) })
}

fn slower(around: &Around<'_>, route: RouteId, signal: Signal, lives: &[Stratum]) -> Option<Found> {
    let now = stratum(around, route, signal)?;
    let grew = lives.iter().filter(|life| life.end - life.start >= GREW_BEFORE.ln());
    let last = grew.clone().next_back()?;
    let taken_back = now.start <= last.end - TAKEN_BACK * (last.end - last.start);
    let grows = now.end - now.start >= GROWS_NOW.ln()
        && (now.end.exp() - now.start.exp()) / 1e6 >= LEAST_GROWTH_MS
        && now.all.z() >= CERTAIN_NOW
        && now.own.z() >= CERTAIN_NOW;
    let rose = share(lives, |life| life.end > life.start);
    if !taken_back || !grows || rose < MOST_ROSE {
        return None;
    }
    let strata = || lives.iter().chain([&now]);
    let all = together(&strata().map(|life| &life.all).collect::<Vec<_>>());
    let own = together(&strata().map(|life| &life.own).collect::<Vec<_>>());
    if all.z < CERTAIN || own.z < CERTAIN_OWN || all.tau < TAU || all.low <= 0.0 {
        return None;
    }
    let history = around.routes.get(usize::from(route.0))?;
    let moves_with = cause::moves_with(around, route, signal, &around.times.series(history, signal));
    let mut starts: Vec<f64> = strata().map(|life| life.start).collect();
    starts.sort_unstable_by(f64::total_cmp);
    let (baseline_ms, now_ms) = (quantile(&starts, 0.5).exp() / 1e6, now.end.exp() / 1e6);
    let doubling = |slope: f64| std::f64::consts::LN_2 / slope / 1e6;
    let seen = u32::try_from(grew.count()).unwrap_or(u32::MAX).saturating_add(1);
    let name = around.names.name(route).to_owned();
    let because = format!(
        "{name}: {} rises with the age of the process, in {seen} lives of {}, and a restart takes it back: {baseline_ms:.3} ms at \
         low age, {now_ms:.3} ms after {} in this one; it doubles every {}",
        signal.name(),
        lives.len() + 1,
        duration(around.times.end / 1e6),
        duration(doubling(all.slope))
    );
    let slowdown = Slowdown {
        route: name,
        by: signal.name().to_owned(),
        baseline_ms,
        now_ms,
        doubling_time_ms: doubling(all.slope),
        doubling_time_range_ms: (doubling(all.high), doubling(all.low)),
        moves_with,
        lives: seen,
        because,
    };
    Some(Found { signal, slowdown, seen: 0 })
}

#[expect(clippy::cast_precision_loss, reason = "a few lives")]
fn share(lives: &[Stratum], holds: impl Fn(&Stratum) -> bool) -> f64 {
    lives.iter().filter(|life| holds(life)).count() as f64 / lives.len().max(1) as f64
}

/// The trend that several lives have in common.
struct Together {
    z: f64,
    tau: f64,
    slope: f64,
    low: f64,
    high: f64,
}

fn together(lives: &[&Rising]) -> Together {
    let sum = |of: fn(&Rising) -> f64| lives.iter().map(|life| of(life)).sum::<f64>();
    let (rising, variance, count) =
        (sum(|life| life.surplus), sum(|life| life.variance), sum(|life| life.pairs));
    let mut slopes: Vec<(f64, f64)> =
        lives.iter().flat_map(|life| life.slopes.iter().map(|slope| (*slope, life.pairs))).collect();
    slopes.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let reach = NORMAL_95 * variance.sqrt() / (2.0 * count.max(1.0));
    let at = |share: f64| weighted(&slopes, share);
    Together {
        z: rising / variance.max(f64::MIN_POSITIVE).sqrt(),
        tau: rising / count.max(1.0),
        slope: at(0.5),
        low: at(0.5 - reach),
        high: at(0.5 + reach),
    }
}

/// A quantile of sorted values with weights.
fn weighted(sorted: &[(f64, f64)], share: f64) -> f64 {
    let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut seen = 0.0;
    let found = sorted.iter().find(|(_, weight)| {
        seen += weight;
        seen >= share * total
    });
    found.or(sorted.last()).map_or(0.0, |(value, _)| *value)
}
