//! From a condition that holds to a trip: warm-up, duration, hysteresis, cooldown, limits of trips.

use super::growth::Growth;
use super::matches;
use super::routes::{LEARNING, windows_for};
use super::rule::{Action, Condition, Limit, Trigger};
use super::said;
use super::trips::Trips;
use super::value::{self, View};
use super::verdict::{Look, Tree, Verdict, holds, ratio};
use crate::event::{Nanos, RouteId};
use crate::route_table::RouteTable;
use crate::stats::TriggerStats;

/// Times the threshold beyond which routes are not told apart.
const FARTHEST: f64 = 1e6;
/// The score while no route says anything.
const SILENT: f64 = -1.0;

/// A trigger that tripped.
#[derive(Clone, Debug, PartialEq)]
pub struct Trip {
    /// Its name.
    pub trigger: String,
    /// The type of the condition that tripped it; of several that hold the most urgent one, and else the first.
    pub condition: String,
    /// The route, for conditions of routes.
    pub route: Option<String>,
    /// That condition's value.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// What both count: `ms`, `share`, `bytes`, `listeners` and so on.
    pub unit: String,
    /// One sentence.
    pub because: String,
    /// Whether a heap snapshot is wanted.
    pub heap_snapshot: bool,
    /// What is to be done, the heap snapshot included.
    pub actions: Vec<Action>,
    /// Names of the alarms that are told; `None`: all, if the actions say so.
    pub alarms: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    WarmingUp,
    Armed,
    Waiting { since: Nanos },
}

/// What came of the last time that it held for long enough.
#[derive(Debug, PartialEq)]
enum Ended {
    Tripped,
    Throttled { by: &'static str },
    OutOfBudget { because: String },
    Elsewhere { because: String },
}

/// A route to a rule.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// It is among `routes`.
    wanted: bool,
    /// It held at the last look.
    holds: bool,
    /// It held at a trip and has not cleared since: it trips no more until it has.
    off: bool,
}

/// What is known of the rule's verdict, and of whom.
#[derive(Debug)]
struct Seen {
    verdict: Verdict,
    route: Option<RouteId>,
    /// What each condition says of it.
    looks: Vec<Look>,
}

/// One trigger with its state.
#[derive(Debug)]
pub struct Machine {
    rule: Trigger,
    tree: Tree,
    conditions: Vec<Condition>,
    /// Of each condition that asks for growth.
    growths: Vec<Option<Growth>>,
    /// What each condition says; those of routes of the route that is looked at.
    looks: Vec<Look>,
    of_routes: bool,
    /// Routes, by id.
    standings: Vec<Standing>,
    /// How many of them are off, and whether the rule itself is, where no route is concerned.
    off_routes: u32,
    off: bool,
    /// Of the look at routes that is under way: the furthest, and the furthest that may trip.
    best: Option<(Seen, f64)>,
    fresh: Option<(Seen, f64)>,
    seen: Seen,
    /// Routes have been looked at since `looks` began.
    looked: bool,
    state: State,
    ended: Option<Ended>,
    trips: u64,
    throttled: u64,
    recent: Trips,
}

const NOTHING: Verdict = Verdict { holds: None, clear: false, absent: false };

impl Machine {
    /// A trigger that has seen nothing.
    pub fn new(rule: Trigger) -> Self {
        let conditions: Vec<Condition> = rule.when.conditions().into_iter().cloned().collect();
        let growth = |condition: &Condition| match condition.limit() {
            Some(Limit::Grows { within_ms, .. }) => Some(Growth::new(within_ms)),
            _ => None,
        };
        let looks = vec![Look::NotEnough("nothing was looked at yet"); conditions.len()];
        Self {
            tree: Tree::of(&rule),
            growths: conditions.iter().map(growth).collect(),
            of_routes: conditions.iter().any(Condition::of_routes),
            seen: Seen { verdict: NOTHING, route: None, looks: looks.clone() },
            looks,
            conditions,
            rule,
            standings: Vec::new(),
            off_routes: 0,
            off: false,
            best: None,
            fresh: None,
            looked: true,
            state: State::WarmingUp,
            ended: None,
            trips: 0,
            throttled: 0,
            recent: Trips::default(),
        }
    }

    /// Its conditions, in order.
    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.rule.name
    }

    /// Whether it has conditions of routes.
    pub(super) fn of_routes(&self) -> bool {
        self.of_routes
    }

    /// How many full windows its conditions of routes look back on.
    pub(super) fn look_back(&self, window_ms: u64) -> u64 {
        windows_for(self.rule.for_ms, window_ms)
    }

    /// Whether it is old enough to be judged.
    pub(super) fn is_warm(&self, age_ms: u64) -> bool {
        age_ms >= self.rule.warm_up_ms
    }

    /// What its conditions of the whole process say. Where routes are looked at more seldom, the longest stall between two looks counts.
    pub(super) fn look(&mut self, view: &View<'_>) {
        let parts = self.conditions.iter().zip(&mut self.growths).zip(&mut self.looks);
        for ((condition, growth), look) in parts {
            if condition.of_routes() {
                continue;
            }
            let new = value::look(condition, growth.as_mut(), view);
            let longest = self.of_routes && !self.looked && matches!(condition, Condition::Stall { .. });
            if longest && ratio(condition, *look) > ratio(condition, new) {
                continue;
            }
            *look = new;
        }
        self.looked = false;
    }

    /// The look at routes begins: so far no route speaks.
    pub(super) fn begin_routes(&mut self, routes: &RouteTable) {
        for (condition, look) in self.conditions.iter().zip(&mut self.looks) {
            if condition.of_routes() {
                *look = Look::NotEnough("no route has requests enough");
            }
        }
        let verdict = self.tree.judge(&self.conditions, &self.looks, self.rule.clear_ratio);
        self.off &= !verdict.clear;
        let seen = || Seen { verdict, route: None, looks: self.looks.clone() };
        let holds = verdict.holds == Some(true);
        self.best = Some((seen(), if holds { f64::INFINITY } else { SILENT }));
        self.fresh = (holds && !self.off).then(|| (seen(), f64::INFINITY));
        while self.standings.len() < routes.len() {
            let Ok(id) = u16::try_from(self.standings.len()) else { return };
            let name = routes.name(RouteId(id));
            let among = |globs: &[String]| globs.iter().any(|glob| matches(glob, name));
            let wanted = self.rule.routes.is_empty() || among(&self.rule.routes);
            let wanted = wanted && !among(&self.rule.except_routes);
            self.standings.push(Standing { wanted, holds: false, off: false });
        }
    }

    /// Whether the rule looks at this route just now.
    pub(super) fn wants(&self, route: RouteId) -> bool {
        self.best.is_some() && self.standings.get(usize::from(route.0)).is_some_and(|route| route.wanted)
    }

    /// What one of its conditions says of the route that is looked at.
    pub(super) fn tell(&mut self, leaf: usize, look: Look) {
        if let Some(place) = self.looks.get_mut(leaf) {
            *place = look;
        }
    }

    /// Everything has been told of this route. The one that holds counts, and of several the furthest.
    pub(super) fn end_route(&mut self, route: RouteId) {
        let verdict = self.tree.judge(&self.conditions, &self.looks, self.rule.clear_ratio);
        let Some(standing) = self.standings.get_mut(usize::from(route.0)) else { return };
        standing.holds = verdict.holds == Some(true);
        if standing.off && verdict.clear {
            standing.off = false;
            self.off_routes = self.off_routes.saturating_sub(1);
        }
        let mut of_routes = self.conditions.iter().zip(&self.looks).filter(|(one, _)| one.of_routes());
        let score = match verdict.holds {
            // For the sentence only: what is known last is said rather than that there are no requests.
            None if self.looks.contains(&LEARNING) => SILENT + 0.2,
            None => SILENT + 0.1,
            Some(holds) => {
                let far = of_routes.find_map(|(one, look)| ratio(one, *look)).unwrap_or(0.0).min(FARTHEST);
                if holds { far + FARTHEST } else { far }
            }
        };
        let may_trip = standing.holds && !standing.off;
        let seen = || (Seen { verdict, route: Some(route), looks: self.looks.clone() }, score);
        if self.best.as_ref().is_some_and(|(_, best)| score > *best) {
            self.best = Some(seen());
        }
        if may_trip && self.fresh.as_ref().is_none_or(|(_, best)| score > *best) {
            self.fresh = Some(seen());
        }
    }

    /// Judges what was looked at; a trip is what has to be acted on.
    pub(super) fn judge(&mut self, now: Nanos, routes: &RouteTable) -> Option<Trip> {
        let may_trip = if self.of_routes {
            let (best, _) = self.best.take()?;
            self.looked = true;
            let fresh = self.fresh.take();
            let may_trip = fresh.is_some();
            self.seen = fresh.map_or(best, |(fresh, _)| fresh);
            may_trip
        } else {
            let verdict = self.tree.judge(&self.conditions, &self.looks, self.rule.clear_ratio);
            self.seen.verdict = verdict;
            self.seen.looks.clone_from(&self.looks);
            self.off &= !verdict.clear;
            verdict.holds == Some(true) && !self.off
        };
        if !self.is_off() {
            self.ended = None;
        }
        if !may_trip {
            self.state = State::Armed;
            return None;
        }
        let since = match self.state {
            State::Waiting { since } => since,
            _ => now,
        };
        if now.since(since) < self.rule.for_ms.saturating_mul(1_000_000) {
            self.state = State::Waiting { since };
            return None;
        }
        self.state = State::Armed;
        self.trip(now, routes)
    }

    /// Something that held at the last trip has not cleared yet.
    fn is_off(&self) -> bool {
        self.off || self.off_routes > 0
    }

    /// The condition has held long enough: a trip, unless the limits say no. Whatever holds now has had its chance.
    fn trip(&mut self, now: Nanos, routes: &RouteTable) -> Option<Trip> {
        self.off |= self.seen.route.is_none();
        let mut holding = 0_u32;
        for standing in self.standings.iter_mut().filter(|route| route.wanted && route.holds && !route.off) {
            standing.off = true;
            holding += 1;
        }
        self.off_routes += holding;
        if let Err(by) = self.recent.take(&self.rule, now) {
            self.throttled += 1;
            self.ended = Some(Ended::Throttled { by });
            return None;
        }
        self.trips += 1;
        self.ended = Some(Ended::Tripped);
        let (condition, look) = self.decisive()?;
        let Look::Value { value, threshold } = look else { return None };
        let route = self.seen.route.filter(|_| condition.of_routes());
        let others = route.map_or(0, |_| holding.saturating_sub(1));
        Some(Trip {
            trigger: self.rule.name.clone(),
            condition: condition.name().to_owned(),
            route: route.map(|route| routes.name(route).to_owned()),
            value,
            threshold,
            unit: condition.unit().to_owned(),
            because: format!("{}{}", self.because(routes), said::others(others)),
            heap_snapshot: self.rule.heap_snapshot || self.rule.actions.contains(&Action::HeapSnapshot),
            actions: self.rule.actions.clone(),
            alarms: self.rule.alarms.clone(),
        })
    }

    /// The condition to name: of those that hold a stall or the heap's limit first, for they are urgent.
    fn decisive(&self) -> Option<(&Condition, Look)> {
        let holding = || {
            let all = self.conditions.iter().zip(&self.seen.looks);
            all.map(|(condition, look)| (condition, *look))
                .filter(|(condition, look)| holds(condition, *look))
        };
        let urgent =
            |condition: &Condition| matches!(condition, Condition::Stall { .. } | Condition::HeapLimit);
        holding().find(|(condition, _)| urgent(condition)).or_else(|| holding().next())
    }

    /// Nothing may be frozen for the last trip: it is seen in the state until what held has cleared.
    pub(super) fn refuse(&mut self, because: &str) {
        self.ended = Some(Ended::OutOfBudget { because: because.to_owned() });
    }

    /// The last trip was another process's: it counts as held back.
    pub(super) fn throttle(&mut self, because: &str) {
        self.trips = self.trips.saturating_sub(1);
        self.throttled += 1;
        self.ended = Some(Ended::Elsewhere { because: because.to_owned() });
    }

    fn because(&self, routes: &RouteTable) -> String {
        let of = self.seen.route.map(|route| routes.name(route));
        let looks = self.conditions.iter().zip(&self.seen.looks);
        said::because(of, looks.map(|(condition, look)| (condition, *look)))
    }

    /// The state for people.
    pub(super) fn stats(&self, now: Nanos, routes: &RouteTable) -> TriggerStats {
        let absent = self.seen.verdict.absent && self.seen.verdict.holds != Some(true);
        let because = self.because(routes);
        let (state, because) = match (self.state, &self.ended) {
            (State::WarmingUp, _) => {
                ("warming up", format!("not judged before {} ms of uptime", self.rule.warm_up_ms))
            }
            (State::Waiting { .. }, _) => ("waiting", because),
            (State::Armed, Some(Ended::Tripped)) => ("tripped", because),
            (State::Armed, Some(Ended::Throttled { by })) => {
                ("throttled", format!("{because}; held back by {by}"))
            }
            (State::Armed, Some(Ended::Elsewhere { because: who })) => {
                ("throttled", format!("{because}; {who}"))
            }
            (State::Armed, Some(Ended::OutOfBudget { because: refused })) => {
                ("out of budget", format!("{because}; {refused}"))
            }
            (State::Armed, None) if absent => ("unavailable", because),
            (State::Armed, None) if self.recent.cools(&self.rule, now) => ("cooling down", because),
            (State::Armed, None) => ("armed", because),
        };
        TriggerStats {
            name: self.rule.name.clone(),
            state: state.to_owned(),
            because,
            trips: self.trips,
            throttled: self.throttled,
        }
    }

    /// Memory held, bytes, about.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.standings.capacity() * size_of::<Standing>()
            + self.recent.bytes()
            + self.conditions.len() * (size_of::<Condition>() + 3 * size_of::<Look>())
            + self.growths.iter().flatten().count() * 600
    }
}
