//! Intervals by resampling rows (Efron, *Bootstrap Methods*, 1979): no assumption on the noise but that the rows are
//! exchangeable. Percentiles of the resampled coefficients, with a fixed seed: the same data give the same interval.

use super::{Problem, solve};

/// A small generator (Steele, Lea & Flood, *Fast Splittable Pseudorandom Number Generators*, 2014: `SplitMix64`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose sequence is decided by `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit` (at least 1).
    #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below `limit`")]
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// A number in 0..1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A coefficient with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// Estimate from all rows.
    pub value: f64,
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
    /// Share of the resamples in which it is above 0.
    pub positive: f64,
}

/// The coefficients with their intervals from `resamples` resamples. With `weights` one per row.
#[expect(clippy::cast_precision_loss, reason = "a few hundred resamples")]
pub fn interval(problem: &Problem, weights: &[f64], resamples: usize, seed: u64) -> Vec<Interval> {
    let value = solve(problem, weights, &[]);
    let rows = problem.y.len();
    let mut random = Random::new(seed);
    let mut sampled: Vec<Vec<f64>> = vec![Vec::with_capacity(resamples); value.len()];
    for _ in 0..resamples {
        let mut drawn = vec![0.0; rows];
        for _ in 0..rows {
            let row = random.below(rows);
            if let (Some(drawn), Some(weight)) = (drawn.get_mut(row), weights.get(row)) {
                *drawn += weight;
            }
        }
        for (column, coefficient) in sampled.iter_mut().zip(solve(problem, &drawn, &value)) {
            column.push(coefficient);
        }
    }
    value
        .into_iter()
        .zip(sampled)
        .map(|(value, mut column)| {
            column.sort_by(f64::total_cmp);
            let at = |share: f64| percentile(&column, share).unwrap_or(value);
            let positive = column.iter().filter(|coefficient| **coefficient > 0.0).count();
            Interval {
                value,
                low: at(0.025).min(value),
                high: at(0.975).max(value),
                positive: positive as f64 / column.len().max(1) as f64,
            }
        })
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index between 0 and the length"
)]
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = share * (sorted.len().checked_sub(1)?) as f64;
    sorted.get(position.round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum of twelve uniform numbers less six: nearly normal, variance 1.
    fn noise(random: &mut Random) -> f64 {
        (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
    }

    #[test]
    fn the_generator_is_even() {
        let mut random = Random::new(1);
        let mut counts = [0; 10];
        (0..10_000).for_each(|_| counts[random.below(10)] += 1);
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    /// 300 series of 40 rows with two routes, truth 300 and 0, noise of 50 000 a row: measured coverage 92–94 %.
    #[test]
    fn a_95_percent_interval_holds_the_truth_as_often_as_it_says() {
        let mut held = 0;
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let x: Vec<Vec<f64>> = (0..40)
                .map(|_| vec![300.0 + 400.0 * random.unit(), 300.0 + 400.0 * random.unit(), 1.0])
                .collect();
            let y = x.iter().map(|row| 300.0 * row[0] + 50_000.0 * noise(&mut random)).collect();
            let problem = Problem { y, x, free: 1 };

            let found = interval(&problem, &[1.0; 40], 200, seed)[0];

            held += u32::from(found.low <= 300.0 && 300.0 <= found.high);
        }
        assert!((264..=297).contains(&held), "{held} of 300");
    }
}
