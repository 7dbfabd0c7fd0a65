//! What a monitor hands to the history, and what it is told of earlier lives.

use super::{Monitor, Surroundings};
use crate::RouteId;
use crate::history::{Durations, Slice};
use crate::slowdown::lives::{LifeRecord, Past};
use crate::window::RouteWindows;

/// Baselines of earlier lives that are held for routes to come.
const MOST_BASELINES: usize = 2_000;

impl Monitor {
    /// What was counted since the last time, by route. `surroundings` are those of now.
    pub fn take_slice(&mut self, surroundings: &Surroundings) -> Slice {
        if let Some(turn) = surroundings.last_turn {
            self.tally.stalled(surroundings.now.since(turn) / 1_000_000);
        }
        self.tally.take(&self.routes, self.tick.as_ref(), self.floor)
    }

    /// What this life knows of its routes by age, for the next ones.
    pub fn life(&self) -> LifeRecord {
        self.slowdowns.life(&self.routes)
    }

    /// Earlier lives of the service; slowdowns are judged together with them from now on.
    pub fn remember(&mut self, past: Past) {
        self.slowdowns.remember(past);
    }

    /// The latencies of routes at low age in an earlier life: they count until a route's own are known.
    pub fn remember_baselines(&mut self, baselines: Vec<(String, Durations)>) {
        self.earlier_baselines = baselines.into_iter().take(MOST_BASELINES).collect();
        for index in 1..self.routes.len() {
            self.take_baseline(RouteId(u16::try_from(index).unwrap_or(0)));
        }
    }

    /// A route is there: what is known of it from an earlier life goes to it.
    pub(super) fn take_baseline(&mut self, route: RouteId) {
        let Some(known) = self.earlier_baselines.remove(self.routes.name(route)) else { return };
        let index = usize::from(route.0);
        if self.windows.len() <= index {
            self.windows.resize_with(index + 1, RouteWindows::default);
        }
        if let Some(windows) = self.windows.get_mut(index) {
            windows.remember_baseline(&known);
        }
    }

    /// The latencies at low age that were learned in this life and not handed out yet.
    pub fn new_baselines(&mut self) -> Vec<(String, Durations)> {
        let routes = &self.routes;
        let learned = self.windows.iter_mut().enumerate().filter_map(|(index, windows)| {
            let id = RouteId(u16::try_from(index).ok()?);
            Some((routes.name(id).to_owned(), windows.new_baseline()?))
        });
        learned.collect()
    }

    /// A trip was not acted on: another process of the service has captured it.
    pub fn throttled_elsewhere(&mut self, trigger: &str, because: &str) {
        self.rules.throttled_elsewhere(trigger, because);
    }
}
