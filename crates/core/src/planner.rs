//! When to ask a shadow for a floor: not while all is quiet, often enough for a verdict when something grows, rarely after.
//!
//! Quiet means: since the last look neither the lowest used heap after collections, nor external memory, nor private
//! native memory has risen by `Pace::rise`, or no requests came. The reasons are in `docs/design/freezing.md`. Not here:
//! the budget, and whether this process can be frozen; who asks for the wish knows both.
//!
//! **Invariant:** at most `MOST_IN_RUN` answers are kept, and one count per route.

use crate::event::RouteId;
use crate::number;
use crate::slowdown::trend::trend;
use crate::stats::Investigation;
use std::collections::VecDeque;

/// Answers of one investigation that are looked at.
const MOST_IN_RUN: usize = 32;
/// Slices in which the lowest value is looked for.
const SLICES: usize = 3;
/// A run in which rising pairs do not outnumber falling ones by this share of all (Kendall's tau) is flat.
const RISING_TAU: f64 = 0.6;
/// Mixes of requests whose cosine is above this are the same mix.
const SAME_MIX: f64 = 0.98;
/// A floor waits for another mix for at most this many times its gap.
const PATIENCE: f64 = 1.5;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

/// Where floors come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FloorSource {
    /// Major collections that happen anyway.
    Natural,
    /// The app collects twice in a row; no other collection is a floor.
    Forced,
    /// Shadows, when [`crate::Monitor::wants_floor`] says so.
    Shadow,
}

/// How eager a planner is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Length of the slices in which the lowest heap is looked for, ns.
    slice_ns: u64,
    /// A rise by this is not quiet: bytes, or this share of the level, whichever is more.
    rise: (f64, f64),
    /// Requests between two floors, at least.
    requests: u64,
    /// Gap between the first two floors, ns; each next is larger by `stretch`, up to `most_ns`.
    first_ns: u64,
    stretch: f64,
    most_ns: u64,
    /// Floors after which a run that is flat ends, and one that grows without a verdict slows down.
    enough: usize,
    plenty: u32,
    /// Gap once the verdict stands, or there are plenty, ns.
    rare_ns: u64,
    /// After a flat run nothing is asked for so long at first, ns; twice as long each time, up to the second.
    back_off_ns: (u64, u64),
    /// Floors after which a verdict that stands is not tested any further.
    confirm: u32,
}

impl Pace {
    /// A verdict within half an hour by some 20 floors.
    pub const PRODUCTION: Self = Self {
        slice_ns: 10 * SECOND,
        rise: (4_194_304.0, 0.01),
        requests: 50,
        first_ns: 30 * SECOND,
        stretch: 1.12,
        most_ns: 2 * MINUTE,
        enough: 6,
        plenty: 20,
        rare_ns: 15 * MINUTE,
        back_off_ns: (10 * MINUTE, 240 * MINUTE),
        confirm: 3,
    };

    /// A floor a second while requests come.
    pub const TEST: Self = Self {
        slice_ns: SECOND,
        rise: (0.0, 0.0),
        requests: 1,
        first_ns: SECOND,
        stretch: 1.0,
        most_ns: SECOND,
        enough: usize::MAX,
        plenty: u32::MAX,
        rare_ns: SECOND,
        back_off_ns: (SECOND, SECOND),
        confirm: u32::MAX,
    };
}

/// Where an investigation stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Nothing is asked.
    Watch,
    /// Something grows, or did a moment ago.
    Investigate,
    /// A leak is reported, or no more can be learnt soon: floors are rare.
    Known,
}

/// The lowest of a value over the last slices, against the lowest level that it once settled at.
#[derive(Debug, Default)]
struct Envelope {
    slices: VecDeque<f64>,
    slice_ends_ns: u64,
    settled: Option<f64>,
}

impl Envelope {
    fn read(&mut self, at_ns: u64, value: f64, slice_ns: u64) {
        if at_ns >= self.slice_ends_ns {
            self.slice_ends_ns = at_ns.saturating_add(slice_ns);
            if self.slices.len() >= SLICES {
                self.slices.pop_front();
            }
            self.slices.push_back(value);
        } else if let Some(last) = self.slices.back_mut() {
            *last = last.min(value);
        }
        if self.slices.len() >= SLICES {
            let low = self.low();
            self.settled = Some(self.settled.map_or(low, |settled| settled.min(low)));
        }
    }

    fn low(&self) -> f64 {
        self.slices.iter().copied().fold(f64::MAX, f64::min)
    }

    /// By how much it rose, when that is not quiet.
    fn rose(&self, (bytes, share): (f64, f64)) -> Option<f64> {
        let settled = self.settled?;
        let rise = self.low() - settled;
        (rise >= bytes.max(share * settled)).then_some(rise)
    }

    fn settle(&mut self) {
        self.settled = (self.slices.len() >= SLICES).then(|| self.low());
    }
}

/// Decides when a floor is worth a freeze.
#[derive(Debug)]
pub struct Planner {
    pace: Pace,
    on: bool,
    state: State,
    because: String,
    not_before_ns: u64,
    next_ns: u64,
    gap_ns: f64,
    heap: Envelope,
    external: Envelope,
    native: Envelope,
    /// Answers of this run: when, heap and external.
    run: VecDeque<(f64, f64, f64)>,
    in_run: u32,
    confirmed: u32,
    back_off_ns: u64,
    /// Requests of each route since the last floor, and between the two before it.
    since: Vec<u32>,
    before: Vec<u32>,
    floors: u32,
    last_ask_ns: u64,
}

impl Planner {
    /// One that asks nothing before `warm_up_until_ns`, nor until it is switched on.
    pub fn new(pace: Pace, warm_up_until_ns: u64) -> Self {
        Self {
            pace,
            on: false,
            state: State::Watch,
            because: "no shadow is asked for floors".to_owned(),
            not_before_ns: warm_up_until_ns,
            next_ns: 0,
            gap_ns: number(pace.first_ns),
            heap: Envelope::default(),
            external: Envelope::default(),
            native: Envelope::default(),
            run: VecDeque::new(),
            in_run: 0,
            confirmed: 0,
            back_off_ns: pace.back_off_ns.0,
            since: Vec::new(),
            before: Vec::new(),
            floors: 0,
            last_ask_ns: 0,
        }
    }

    /// Shadows can be asked from now on, or cannot any more.
    pub fn switch(&mut self, on: bool) {
        self.on = on;
        "all is quiet".clone_into(&mut self.because);
    }

    /// A request ended. O(1).
    pub fn finished(&mut self, route: RouteId) {
        let index = usize::from(route.0);
        if self.since.len() <= index {
            self.since.resize(index + 1, 0);
        }
        if let Some(count) = self.since.get_mut(index) {
            *count = count.saturating_add(1);
        }
    }

    /// What a collection of any kind left: an upper bound of the floor.
    pub fn collected(&mut self, at_ns: u64, heap: u64, external: u64) {
        self.heap.read(at_ns, number(heap), self.pace.slice_ns);
        self.external.read(at_ns, number(external), self.pace.slice_ns);
    }

    /// Private native memory.
    pub fn native(&mut self, at_ns: u64, bytes: u64) {
        self.native.read(at_ns, number(bytes), self.pace.slice_ns);
    }

    /// Whether a floor may be asked for now, for another reason than growth.
    pub fn may_ask(&self, now_ns: u64) -> bool {
        self.on && now_ns >= self.not_before_ns && now_ns >= self.next_ns
    }

    /// Whether a floor should be asked for now. `leaks`: how many are reported.
    pub fn wants(&mut self, now_ns: u64, leaks: usize) -> bool {
        if !self.on || now_ns < self.not_before_ns {
            return false;
        }
        match self.state {
            State::Watch => {
                let Some(why) = self.not_quiet() else { return false };
                self.because = why;
                self.state = State::Investigate;
                self.gap_ns = number(self.pace.first_ns);
                self.next_ns = self.next_ns.max(now_ns);
                self.run.clear();
                (self.in_run, self.confirmed) = (0, 0);
            }
            State::Investigate if leaks > 0 && self.confirmed >= self.pace.confirm => {
                self.state = State::Known;
                self.because = format!("{leaks} leaks are reported");
                self.next_ns = now_ns.saturating_add(self.pace.rare_ns);
            }
            State::Investigate | State::Known => {}
        }
        let requests: u64 = self.since.iter().map(|count| u64::from(*count)).sum();
        if now_ns < self.next_ns || requests < self.pace.requests {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes in ns")]
        let patience_ns = (self.gap_ns * (PATIENCE - 1.0)) as u64;
        self.in_run == 0
            || self.pace.stretch <= 1.0
            || cosine(&self.since, &self.before) < SAME_MIX
            || now_ns >= self.next_ns.saturating_add(patience_ns)
    }

    /// The floor was asked for.
    pub fn asked(&mut self, now_ns: u64) {
        self.before = std::mem::take(&mut self.since);
        self.last_ask_ns = now_ns;
        let most = if self.state == State::Known { self.pace.rare_ns } else { self.pace.most_ns };
        self.gap_ns = if self.state == State::Known {
            number(most)
        } else {
            (self.gap_ns * self.pace.stretch).min(number(most))
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes in ns")]
        let gap_ns = self.gap_ns as u64;
        self.next_ns = now_ns.saturating_add(gap_ns);
    }

    /// It could not be asked for, or was not answered: tried again after `wait_ns`.
    pub fn put_off(&mut self, now_ns: u64, wait_ns: u64, why: &str) {
        why.clone_into(&mut self.because);
        self.next_ns = now_ns.saturating_add(wait_ns);
    }

    /// A floor has come. `leaks`: how many are reported so far.
    pub fn answered(&mut self, heap: u64, external: u64, leaks: usize) {
        let at_ns = self.last_ask_ns;
        self.floors = self.floors.saturating_add(1);
        self.in_run = self.in_run.saturating_add(1);
        self.confirmed = if leaks > 0 { self.confirmed.saturating_add(1) } else { 0 };
        if self.run.len() >= MOST_IN_RUN {
            self.run.pop_front();
        }
        self.run.push_back((number(at_ns), number(heap), number(external)));
        if self.state != State::Investigate || leaks > 0 || self.run.len() < self.pace.enough {
            return;
        }
        if self.grows() {
            self.because = format!("floors rise after {} of them, and no leak is certain yet", self.in_run);
            if self.in_run >= self.pace.plenty {
                self.state = State::Known;
                self.because = format!("floors rise, but {} of them named no leak", self.in_run);
            }
            return;
        }
        self.state = State::Watch;
        self.because = format!("{} floors did not rise", self.in_run);
        self.not_before_ns = at_ns.saturating_add(self.back_off_ns);
        self.back_off_ns = self.back_off_ns.saturating_mul(2).min(self.pace.back_off_ns.1);
        [&mut self.heap, &mut self.external, &mut self.native].into_iter().for_each(Envelope::settle);
    }

    /// For the stats.
    pub fn stats(&self, now_ns: u64) -> Investigation {
        let state = match self.state {
            _ if !self.on => "off",
            State::Watch => "watch",
            State::Investigate => "investigate",
            State::Known => "known",
        };
        let next_ns = if self.state == State::Watch { self.not_before_ns } else { self.next_ns };
        Investigation {
            state: state.to_owned(),
            because: self.because.clone(),
            floors: self.floors,
            next_in_ms: (self.on && self.state != State::Watch)
                .then(|| next_ns.saturating_sub(now_ns) / 1_000_000),
        }
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        (self.since.capacity() + self.before.capacity()) * 4 + self.run.capacity() * 24 + 1_000
    }

    /// Why it is not quiet.
    fn not_quiet(&self) -> Option<String> {
        let seen = [
            ("used heap after collections", &self.heap),
            ("external memory", &self.external),
            ("private native memory", &self.native),
        ];
        if self.pace.rise.0 <= 0.0 {
            return self.since.iter().any(|count| *count > 0).then(|| "requests came".to_owned());
        }
        seen.into_iter().find_map(|(what, envelope)| {
            let rise = envelope.rose(self.pace.rise)?;
            Some(format!("{what} rose by {:.1} MB", rise / 1_048_576.0))
        })
    }

    /// Whether the floors of this run rise.
    fn grows(&self) -> bool {
        let at: Vec<f64> = self.run.iter().map(|floor| floor.0).collect();
        let heap: Vec<f64> = self.run.iter().map(|floor| floor.1).collect();
        let external: Vec<f64> = self.run.iter().map(|floor| floor.2).collect();
        [heap, external]
            .iter()
            .any(|y| trend(&at, y, |_, _| true).is_some_and(|trend| trend.tau >= RISING_TAU))
    }
}

fn cosine(one: &[u32], other: &[u32]) -> f64 {
    let at = |values: &[u32], index: usize| values.get(index).copied().map_or(0.0, f64::from);
    let (mut dot, mut first, mut second) = (0.0, 0.0, 0.0);
    for index in 0..one.len().max(other.len()) {
        let (x, y) = (at(one, index), at(other, index));
        dot += x * y;
        first += x * x;
        second += y * y;
    }
    if first > 0.0 && second > 0.0 { dot / (first * second).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests;
