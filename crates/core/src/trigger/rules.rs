//! All triggers of a process: those of the whole process are judged at every step, those of routes once a second.
//!
//! **Invariant:** a step costs time in proportion to the conditions; a second costs, besides, one pass over the routes.

use super::machine::{Machine, Trip};
use super::routes::{self, Asked, Route, Sum};
use super::rule::{Condition, Trigger};
use super::value::View;
use super::verdict::Look;
use crate::event::{Nanos, RouteId};
use crate::route_table::RouteTable;
use crate::stats::TriggerStats;
use crate::window::Keep;

/// Between two looks at the routes, ns.
const ROUTES_NS: u64 = 1_000_000_000;
/// Windows with requests that make a route's baseline, with windows as production has them, and with short ones.
const BASELINE_WINDOWS: u32 = 30;
const BASELINE_WINDOWS_TEST: u32 = 5;
const SHORT_WINDOW_MS: u64 = 1_000;

/// The triggers with their state.
#[derive(Debug)]
pub struct Rules {
    machines: Vec<Machine>,
    /// Conditions of routes, in order of how far they look back.
    asked: Vec<Asked>,
    keep: Keep,
    sum: Sum,
    /// What was told of one route: room that is used again.
    told: Vec<(usize, usize, Look)>,
    routes_at: Option<Nanos>,
}

impl Rules {
    /// Triggers that have seen nothing, with windows of this length.
    pub fn new(rules: &[Trigger], window_ms: u64) -> Self {
        let machines: Vec<Machine> = rules.iter().cloned().map(Machine::new).collect();
        let mut asked = Vec::new();
        for (index, machine) in machines.iter().enumerate() {
            let of_routes = machine.conditions().iter().enumerate().filter(|(_, one)| one.of_routes());
            let look_back = machine.look_back(window_ms);
            asked.extend(of_routes.map(|(leaf, _)| Asked { machine: index, leaf, look_back }));
        }
        asked.sort_by_key(|one| one.look_back);
        let all = || machines.iter().flat_map(Machine::conditions);
        let learns = all().any(|one| matches!(one, Condition::Latency { times_baseline: Some(_), .. }));
        let length = if window_ms <= SHORT_WINDOW_MS { BASELINE_WINDOWS_TEST } else { BASELINE_WINDOWS };
        let looks_back = |asked: &Asked| {
            let machine = machines.get(asked.machine)?;
            let condition = machine.conditions().get(asked.leaf)?;
            let windows = matches!(condition, Condition::Latency { .. } | Condition::Errors { .. });
            windows.then_some(asked.look_back)
        };
        let windows = asked.iter().filter_map(looks_back).max().unwrap_or(0);
        let keep = Keep {
            windows: usize::try_from(windows).unwrap_or(usize::MAX),
            baseline: if learns { length } else { 0 },
        };
        Self { machines, asked, keep, sum: Sum::default(), told: Vec::new(), routes_at: None }
    }

    /// What they need of the windows that end.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Judges all of them, in a process that is `age_ms` old.
    pub fn judge(&mut self, age_ms: u64, view: &View<'_>) -> Vec<Trip> {
        let now = view.surroundings.now;
        let look_at_routes = self.routes_at.is_none_or(|at| now.since(at) >= ROUTES_NS);
        for machine in self.machines.iter_mut().filter(|machine| machine.is_warm(age_ms)) {
            machine.look(view);
            if look_at_routes && machine.of_routes() {
                machine.begin_routes(view.routes);
            }
        }
        if look_at_routes && !self.asked.is_empty() {
            self.routes_at = Some(now);
            self.look_at_routes(view);
        }
        let warm = self.machines.iter_mut().filter(|machine| machine.is_warm(age_ms));
        warm.filter_map(|machine| machine.judge(now, view.routes)).collect()
    }

    fn look_at_routes(&mut self, view: &View<'_>) {
        let Self { machines, asked, sum, told, .. } = self;
        for id in (0..view.routes.len()).filter_map(|index| u16::try_from(index).ok()).map(RouteId) {
            let route = Route::new(id, view);
            told.clear();
            let condition = |one: &Asked| {
                let machine = machines.get(one.machine).filter(|machine| machine.wants(id))?;
                machine.conditions().get(one.leaf)
            };
            routes::look(&route, asked, condition, view, sum, |one, look| {
                told.push((one.machine, one.leaf, look));
            });
            for (machine, leaf, look) in told.drain(..) {
                if let Some(machine) = machines.get_mut(machine) {
                    machine.tell(leaf, look);
                }
            }
            for machine in machines.iter_mut().filter(|machine| machine.wants(id)) {
                machine.end_route(id);
            }
        }
    }

    /// What tripped this trigger could not be frozen for, because the budget is used up.
    pub fn out_of_budget(&mut self, name: &str, because: &str) {
        if let Some(machine) = self.machines.iter_mut().find(|machine| machine.name() == name) {
            machine.refuse(because);
        }
    }

    /// What tripped this trigger was captured by another process of the service.
    pub fn throttled_elsewhere(&mut self, name: &str, because: &str) {
        if let Some(machine) = self.machines.iter_mut().find(|machine| machine.name() == name) {
            machine.throttle(because);
        }
    }

    /// The state of each, for people.
    pub fn stats(&self, now: Nanos, routes: &RouteTable) -> Vec<TriggerStats> {
        self.machines.iter().map(|machine| machine.stats(now, routes)).collect()
    }

    /// Memory held, bytes, about.
    pub fn bytes(&self) -> usize {
        self.machines.iter().map(Machine::bytes).sum::<usize>() + self.asked.capacity() * size_of::<Asked>()
    }
}
