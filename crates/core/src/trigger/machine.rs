//! From a condition that holds to a trip: warm-up, duration, hysteresis, cooldown, limits of trips.

use super::growth::Growth;
use super::matches;
use super::routes::{LEARNING, windows_for};
use super::rule::{Action, Condition, Limit, Trigger};
use super::said;
use super::value::{self, View};
use super::verdict::{Look, Tree, Verdict, holds, ratio};
use crate::event::{Nanos, RouteId};
use crate::route_table::RouteTable;
use crate::stats::TriggerStats;
use std::collections::VecDeque;

const HOUR_NS: u64 = 3_600_000_000_000;
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
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    WarmingUp,
    Armed,
    Waiting { since: Nanos },
    Tripped,
    Throttled { by: &'static str },
    OutOfBudget,
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
    /// Whether a route is among `routes`, by its id.
    wanted: Vec<bool>,
    /// The verdict so far of the look at routes that is under way, and the one that counts.
    best: Option<(Seen, f64)>,
    seen: Seen,
    /// Routes have been looked at since `looks` began.
    looked: bool,
    refused: Option<String>,
    state: State,
    trips: u64,
    throttled: u64,
    /// Trips that a limit may still count; never more than the larger limit.
    recent: VecDeque<Nanos>,
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
            wanted: Vec::new(),
            best: None,
            looked: true,
            refused: None,
            state: State::WarmingUp,
            trips: 0,
            throttled: 0,
            recent: VecDeque::new(),
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
        let score = if verdict.holds == Some(true) { f64::INFINITY } else { SILENT };
        self.best = Some((Seen { verdict, route: None, looks: self.looks.clone() }, score));
        while self.wanted.len() < routes.len() {
            let Ok(id) = u16::try_from(self.wanted.len()) else { return };
            let name = routes.name(RouteId(id));
            let among = |globs: &[String]| globs.iter().any(|glob| matches(glob, name));
            let wanted = self.rule.routes.is_empty() || among(&self.rule.routes);
            self.wanted.push(wanted && !among(&self.rule.except_routes));
        }
    }

    /// Whether the rule looks at this route just now.
    pub(super) fn wants(&self, route: RouteId) -> bool {
        self.best.is_some() && self.wanted.get(usize::from(route.0)).copied().unwrap_or(false)
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
        let Some((best, score)) = &mut self.best else { return };
        if verdict.holds.is_none() {
            // For the sentence only: what is known last is said rather than that there are no requests.
            let learns = self.looks.contains(&LEARNING);
            let new = if learns { SILENT + 0.2 } else { SILENT + 0.1 };
            if new > *score {
                *score = new;
                best.route = Some(route);
                best.looks.clone_from(&self.looks);
            }
            return;
        }
        let mut of_routes = self.conditions.iter().zip(&self.looks).filter(|(one, _)| one.of_routes());
        let how_far = of_routes.find_map(|(one, look)| ratio(one, *look)).unwrap_or(0.0).min(FARTHEST);
        let new = if verdict.holds == Some(true) { how_far + FARTHEST } else { how_far };
        // Clear is what is clear for every route that speaks; without any it is what the process says.
        let clear = verdict.clear && (*score < 0.0 || best.verdict.clear);
        if new > *score {
            *score = new;
            best.verdict = verdict;
            best.route = Some(route);
            best.looks.clone_from(&self.looks);
        }
        best.verdict.clear = clear;
    }

    /// Judges what was looked at; a trip is what has to be acted on.
    pub(super) fn judge(&mut self, now: Nanos, routes: &RouteTable) -> Option<Trip> {
        if self.of_routes {
            let (best, _) = self.best.take()?;
            self.seen = best;
            self.looked = true;
        } else {
            let verdict = self.tree.judge(&self.conditions, &self.looks, self.rule.clear_ratio);
            self.seen.verdict = verdict;
            self.seen.looks.clone_from(&self.looks);
        }
        let off = matches!(self.state, State::Tripped | State::Throttled { .. } | State::OutOfBudget);
        let verdict = self.seen.verdict;
        if verdict.holds != Some(true) {
            if !off || verdict.clear {
                self.state = State::Armed;
                self.refused = None;
            }
            return None;
        }
        if off {
            return None;
        }
        let since = match self.state {
            State::Waiting { since } => since,
            _ => now,
        };
        self.state = State::Waiting { since };
        if now.since(since) < self.rule.for_ms.saturating_mul(1_000_000) {
            return None;
        }
        self.trip(now, routes)
    }

    /// The condition has held long enough: a trip, unless the limits say no.
    fn trip(&mut self, now: Nanos, routes: &RouteTable) -> Option<Trip> {
        if let Some(by) = self.limited(now) {
            self.throttled += 1;
            self.state = State::Throttled { by };
            return None;
        }
        self.trips += 1;
        self.recent.push_back(now);
        self.state = State::Tripped;
        let (condition, look) = self.decisive()?;
        let Look::Value { value, threshold } = look else { return None };
        Some(Trip {
            trigger: self.rule.name.clone(),
            condition: condition.name().to_owned(),
            route: self
                .seen
                .route
                .filter(|_| condition.of_routes())
                .map(|route| routes.name(route).to_owned()),
            value,
            threshold,
            unit: condition.unit().to_owned(),
            because: self.because(routes),
            heap_snapshot: self.rule.heap_snapshot || self.rule.actions.contains(&Action::HeapSnapshot),
            actions: self.rule.actions.clone(),
        })
    }

    /// Which limit holds a trip back, if one does.
    fn limited(&mut self, now: Nanos) -> Option<&'static str> {
        let span_ns = self.rule.max_trips.map_or(0, |limit| limit.per_ms.saturating_mul(1_000_000));
        let longest_ns = HOUR_NS.max(span_ns).max(self.rule.cooldown_ms.saturating_mul(1_000_000));
        while self.recent.front().is_some_and(|trip| now.since(*trip) >= longest_ns) {
            self.recent.pop_front();
        }
        let within = |ns: u64| self.recent.iter().rev().take_while(|trip| now.since(**trip) < ns).count();
        if self.cools(now) {
            return Some("cooldownMs");
        }
        if within(HOUR_NS) >= self.rule.max_per_hour as usize {
            return Some("maxPerHour");
        }
        let limit = self.rule.max_trips?;
        (within(span_ns) >= limit.count as usize).then_some("maxTrips")
    }

    fn cools(&self, now: Nanos) -> bool {
        let cooldown_ns = self.rule.cooldown_ms.saturating_mul(1_000_000);
        self.recent.back().is_some_and(|trip| now.since(*trip) < cooldown_ns)
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

    /// Nothing may be frozen for the last trip: it is seen in the state until the trigger arms again.
    pub(super) fn refuse(&mut self, because: &str) {
        self.state = State::OutOfBudget;
        self.refused = Some(because.to_owned());
    }

    fn because(&self, routes: &RouteTable) -> String {
        let of = self.seen.route.map(|route| routes.name(route));
        let looks = self.conditions.iter().zip(&self.seen.looks);
        said::because(of, looks.map(|(condition, look)| (condition, *look)))
    }

    /// The state for people.
    pub(super) fn stats(&self, now: Nanos, routes: &RouteTable) -> TriggerStats {
        let absent = self.seen.verdict.absent && self.seen.verdict.holds != Some(true);
        let state = match self.state {
            State::WarmingUp => "warming up",
            State::Armed if absent => "unavailable",
            State::Armed if self.cools(now) => "cooling down",
            State::Armed => "armed",
            State::Waiting { .. } => "waiting",
            State::Tripped => "tripped",
            State::Throttled { .. } => "throttled",
            State::OutOfBudget => "out of budget",
        };
        let because = match (self.state, &self.refused) {
            (State::WarmingUp, _) => format!("not judged before {} ms of uptime", self.rule.warm_up_ms),
            (State::Throttled { by }, _) => format!("{}; held back by {by}", self.because(routes)),
            (_, Some(refused)) => format!("{}; {refused}", self.because(routes)),
            _ => self.because(routes),
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
            + self.wanted.len()
            + self.recent.len() * size_of::<Nanos>()
            + self.conditions.len() * (size_of::<Condition>() + 3 * size_of::<Look>())
            + self.growths.iter().flatten().count() * 600
    }
}
