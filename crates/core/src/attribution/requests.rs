//! How many requests of each route have ended, and how many just now.

use crate::event::RouteId;
use crate::number;

/// Requests that ended this long ago count e times less among those that ended just now, s.
const JUST_NOW_S: f64 = 0.1;

/// Running totals by route index, and what weighs in of them just now.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    ended: Vec<u32>,
    /// The weight of those that ended just now, and the instant for which it holds.
    recent: Vec<(f64, u64)>,
}

/// The requests at an instant, by route index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Ended in all; wraps.
    pub(crate) ended: Box<[u32]>,
    /// Ended just now: each counts exp(-age / 0.1 s).
    pub(crate) recent: Box<[f32]>,
}

impl Requests {
    pub(crate) fn ended(&mut self, route: RouteId, at_ns: u64) {
        let index = usize::from(route.0);
        if self.ended.len() <= index {
            self.ended.resize(index + 1, 0);
            self.recent.resize(index + 1, (0.0, 0));
        }
        if let (Some(count), Some(recent)) = (self.ended.get_mut(index), self.recent.get_mut(index)) {
            *count = count.wrapping_add(1);
            *recent = (faded(*recent, at_ns) + 1.0, recent.1.max(at_ns));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a weight needs no more digits")]
    pub(crate) fn at(&self, at_ns: u64) -> Counts {
        Counts {
            ended: self.ended.as_slice().into(),
            recent: self.recent.iter().map(|recent| faded(*recent, at_ns) as f32).collect(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.ended.capacity() * 4 + self.recent.capacity() * size_of::<(f64, u64)>()
    }
}

impl Counts {
    pub(crate) fn bytes(&self) -> usize {
        self.ended.len() * 4 + self.recent.len() * 4
    }
}

fn faded((weight, since_ns): (f64, u64), at_ns: u64) -> f64 {
    weight * (-number(at_ns.saturating_sub(since_ns)) / 1e9 / JUST_NOW_S).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_just_now_fades() {
        let mut requests = Requests::default();
        requests.ended(RouteId(1), 1_000_000_000);
        requests.ended(RouteId(1), 1_100_000_000);

        let [now, later] = [1_100_000_000, 2_000_000_000].map(|at| requests.at(at));

        assert_eq!(&*now.ended, [0, 2]);
        assert!((f64::from(now.recent[1]) - 1.0 - (-1.0_f64).exp()).abs() < 1e-6, "{now:?}");
        assert!(later.recent[1] < 1e-3, "{later:?}");
    }
}
