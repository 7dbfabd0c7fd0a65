//! Points in order, merged where they fall into the same step.

use std::collections::VecDeque;

/// What can be merged with a later one of the same kind.
pub(super) trait Merge {
    /// Takes a later point in.
    fn merge(&mut self, later: Self);

    /// Memory besides the value itself, bytes.
    fn more_bytes(&self) -> usize {
        0
    }
}

/// What becomes of a ring that is full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Full {
    /// The oldest point goes.
    Forgets,
    /// The step doubles.
    Doubles,
}

/// One ring. `points` are in rising order of their step's number, each number once.
#[derive(Debug)]
pub(super) struct Ring<T> {
    step: u32,
    most: usize,
    full: Full,
    points: VecDeque<(u32, T)>,
}

impl<T: Merge> Ring<T> {
    fn new(step: u32, most: usize, full: Full) -> Self {
        Self { step, most, full, points: VecDeque::new() }
    }

    fn push(&mut self, second: u32, point: T) {
        if self.points.capacity() == 0 {
            self.points.reserve_exact(self.most + 1);
        }
        let number = second / self.step;
        match self.points.back_mut() {
            Some((last, merged)) if *last == number => merged.merge(point),
            _ => self.points.push_back((number, point)),
        }
        if self.points.len() > self.most {
            match self.full {
                Full::Forgets => drop(self.points.pop_front()),
                Full::Doubles => self.coarsen(self.step.saturating_mul(2)),
            }
        }
    }

    /// Widens the step; `step` is a multiple of the present one.
    fn coarsen(&mut self, step: u32) {
        let by = step / self.step;
        if by <= 1 {
            return;
        }
        self.step = step;
        let points = std::mem::take(&mut self.points);
        self.points.reserve_exact(self.most + 1);
        for (number, point) in points {
            match self.points.back_mut() {
                Some((last, merged)) if *last == number / by => merged.merge(point),
                _ => self.points.push_back((number / by, point)),
            }
        }
    }

    /// Step, s.
    pub(super) fn step(&self) -> u32 {
        self.step
    }

    /// The points with the numbers of their steps, oldest first.
    pub(super) fn points(&self) -> impl Iterator<Item = &(u32, T)> {
        self.points.iter()
    }

    fn bytes(&self) -> usize {
        self.points.capacity() * size_of::<(u32, T)>()
            + self.points.iter().map(|(_, point)| point.more_bytes()).sum::<usize>()
    }
}

/// The same seconds in three resolutions.
#[derive(Debug)]
pub(super) struct Rings<T>([Ring<T>; 3]);

/// Which of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    /// The last seconds, one by one.
    Seconds,
    /// Ten by ten.
    Tens,
    /// All since the start.
    All,
}

impl<T: Merge + Clone> Default for Rings<T> {
    fn default() -> Self {
        Self([
            Ring::new(1, 100, Full::Forgets),
            Ring::new(10, 100, Full::Forgets),
            Ring::new(1, 160, Full::Doubles),
        ])
    }
}

impl<T: Merge + Clone> Rings<T> {
    /// Takes the point of a second.
    pub(super) fn push(&mut self, second: u32, point: T) {
        let Self([seconds, tens, all]) = self;
        seconds.push(second, point.clone());
        tens.push(second, point.clone());
        all.push(second, point);
    }

    /// The step of all since the start, s.
    pub(super) fn step_of_all(&self) -> u32 {
        self.0[2].step
    }

    /// Widens the step of all since the start, so that it is that of another series.
    pub(super) fn coarsen_all(&mut self, step: u32) {
        self.0[2].coarsen(step);
    }

    /// One of them.
    pub(super) fn ring(&self, which: Which) -> &Ring<T> {
        match which {
            Which::Seconds => &self.0[0],
            Which::Tens => &self.0[1],
            Which::All => &self.0[2],
        }
    }

    /// Forgets all points.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The finest that reaches `seconds` back from `now`.
    pub(super) fn reaching(&self, seconds: u32, now: u32) -> Which {
        let seconds = seconds.min(now);
        let all = self.step_of_all();
        match seconds {
            0..=99 => Which::Seconds,
            100..=990 if all > 10 => Which::Tens,
            _ => Which::All,
        }
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Ring::bytes).sum()
    }
}
