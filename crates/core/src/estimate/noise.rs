//! The noise of growth between levels: `growth = level(after) - level(before)`, where each level is off by an error of
//! its own, and each interval adds something that stays.
//!
//! An error of a level enters two neighbouring intervals with opposite signs, so the covariance of the growths is
//! tridiagonal: `permanent[i] + level[i] + level[i + 1]` on the diagonal, `-level[i + 1]` beside it. This is the local
//! level model (Harvey, *Forecasting, Structural Time Series Models and the Kalman Filter*, 1989, chapter 2); a tridiagonal
//! matrix is factored and inverted where needed in linear time. Which of the two errors an outlier is, a burst or a
//! step, is told by the smoothed disturbances (Durbin & Koopman, *Time Series Analysis by State Space Methods*, chapter 7).

/// Variances of `n` permanent disturbances and `n + 1` errors of levels, in units of a common variance.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Of what stays, per interval.
    pub permanent: Vec<f64>,
    /// Of what is gone at the next reading, per level.
    pub level: Vec<f64>,
}

/// The factored covariance: `L D Lᵀ` with unit diagonal of `L`.
#[derive(Clone, Debug)]
pub struct Factor {
    pivots: Vec<f64>,
    /// Below the diagonal of `L`; the first is 0.
    below: Vec<f64>,
    /// One over the square root of each pivot.
    scale: Vec<f64>,
}

/// Variances this small would make the matrix singular.
const LEAST: f64 = 1e-9;

impl Noise {
    /// Noise of which the share `permanent` (0 to 1) of an interval's variance stays; `spans` are the lengths of the
    /// intervals, in any unit: what stays grows with time.
    pub fn new(permanent: f64, spans: &[f64]) -> Self {
        let mean = spans.iter().sum::<f64>() / count(spans.len().max(1));
        let length = |span: &f64| if mean > 0.0 { (span / mean).clamp(0.25, 16.0) } else { 1.0 };
        Self {
            permanent: spans.iter().map(|span| permanent * length(span) + LEAST).collect(),
            level: vec![(1.0 - permanent) / 2.0 + LEAST; spans.len() + 1],
        }
    }

    fn diagonal(&self, index: usize) -> f64 {
        at(&self.permanent, index) + at(&self.level, index) + at(&self.level, index + 1)
    }

    /// The factored covariance.
    pub fn factor(&self) -> Factor {
        let n = self.permanent.len();
        let mut factor = Factor {
            pivots: Vec::with_capacity(n),
            below: Vec::with_capacity(n),
            scale: Vec::with_capacity(n),
        };
        let mut before = f64::INFINITY;
        for index in 0..n {
            let beside = if index > 0 { -at(&self.level, index) } else { 0.0 };
            let below = beside / before;
            let pivot = (self.diagonal(index) - below * beside).max(LEAST);
            factor.below.push(below);
            factor.pivots.push(pivot);
            factor.scale.push(1.0 / pivot.sqrt());
            before = pivot;
        }
        factor
    }

    /// What of the residuals was what: the expected squares of the permanent disturbances and of the levels' errors, each
    /// in units of its own variance; about 1 for one that is not an outlier.
    pub fn disturbances(&self, factor: &Factor, residuals: &[f64], variance: f64) -> (Vec<f64>, Vec<f64>) {
        let n = residuals.len();
        let solved = factor.solve(residuals);
        let (diagonal, beside) = self.inverse(factor);
        // Smoothed value own * x, of variance own * (1 - own * s) about it, both times the common variance.
        let square =
            |own: f64, x: f64, s: f64| own * (x * x / variance.max(f64::MIN_POSITIVE)) + 1.0 - own * s;
        let permanent =
            (0..n).map(|i| square(at(&self.permanent, i), at(&solved, i), at(&diagonal, i))).collect();
        let level = (0..=n)
            .map(|j| {
                let (x, s) = match j {
                    0 => (at(&solved, 0), at(&diagonal, 0)),
                    j if j == n => (at(&solved, n - 1), at(&diagonal, n - 1)),
                    j => (
                        at(&solved, j - 1) - at(&solved, j),
                        at(&diagonal, j - 1) + at(&diagonal, j) - 2.0 * at(&beside, j - 1),
                    ),
                };
                square(at(&self.level, j), x, s)
            })
            .collect();
        (permanent, level)
    }

    /// Diagonal of the inverse, and what is beside it.
    fn inverse(&self, factor: &Factor) -> (Vec<f64>, Vec<f64>) {
        let n = self.permanent.len();
        let mut backward = vec![0.0; n];
        for index in (0..n).rev() {
            let beside = at(&self.level, index + 1);
            let after = backward.get(index + 1).copied().unwrap_or(f64::INFINITY);
            if let Some(pivot) = backward.get_mut(index) {
                *pivot = (self.diagonal(index) - beside * beside / after).max(LEAST);
            }
        }
        let diagonal: Vec<f64> = (0..n)
            .map(|i| 1.0 / (at(&factor.pivots, i) + at(&backward, i) - self.diagonal(i)).max(LEAST))
            .collect();
        let beside = (1..n).map(|i| -at(&factor.below, i) * at(&diagonal, i)).collect();
        (diagonal, beside)
    }
}

impl Factor {
    /// The vector in coordinates in which the noise is white and of the common variance.
    pub fn whiten(&self, vector: &[f64]) -> Vec<f64> {
        let mut white = self.forward(vector);
        white.iter_mut().zip(&self.scale).for_each(|(z, scale)| *z *= scale);
        white
    }

    /// Logarithm of the determinant.
    pub fn log_determinant(&self) -> f64 {
        self.pivots.iter().map(|pivot| pivot.ln()).sum()
    }

    fn forward(&self, vector: &[f64]) -> Vec<f64> {
        let mut before = 0.0;
        let step = |(value, below): (&f64, &f64)| {
            before = value - below * before;
            before
        };
        vector.iter().zip(&self.below).map(step).collect()
    }

    fn solve(&self, vector: &[f64]) -> Vec<f64> {
        let mut solved: Vec<f64> =
            self.forward(vector).iter().zip(&self.pivots).map(|(z, pivot)| z / pivot).collect();
        for index in (1..solved.len()).rev() {
            let after = at(&solved, index);
            if let Some(value) = solved.get_mut(index - 1) {
                *value -= at(&self.below, index) * after;
            }
        }
        solved
    }
}

fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The covariance times what `solve` gives must be the vector again.
    #[test]
    fn the_factor_solves_the_tridiagonal_system() {
        let noise = Noise { permanent: vec![1.0, 2.0, 0.5, 1.0], level: vec![0.3, 2.0, 0.1, 4.0, 0.2] };
        let vector = [3.0, -1.0, 2.0, 0.5];
        let solved = noise.factor().solve(&vector);
        for i in 0..4 {
            let beside = |j: usize| -noise.level[j];
            let mut row = noise.diagonal(i) * solved[i];
            row += if i > 0 { beside(i) * solved[i - 1] } else { 0.0 };
            row += if i < 3 { beside(i + 1) * solved[i + 1] } else { 0.0 };
            assert!((row - vector[i]).abs() < 1e-9, "{row} for {}", vector[i]);
        }
    }

    #[test]
    fn whitened_vectors_have_the_length_that_the_inverse_gives() {
        let noise = Noise::new(0.4, &[1.0, 1.0, 2.0, 0.5, 1.0]);
        let factor = noise.factor();
        let vector = [1.0, 4.0, -2.0, 0.0, 3.0];
        let length: f64 = factor.whiten(&vector).iter().map(|z| z * z).sum();
        let expected: f64 = factor.solve(&vector).iter().zip(vector).map(|(s, v)| s * v).sum();
        assert!((length - expected).abs() < 1e-9);
        let (diagonal, beside) = noise.inverse(&factor);
        let unit = factor.solve(&[0.0, 0.0, 1.0, 0.0, 0.0]);
        assert!((unit[2] - diagonal[2]).abs() < 1e-9 && (unit[3] - beside[2]).abs() < 1e-9);
    }

    #[test]
    fn a_burst_is_an_error_of_one_level_and_a_step_is_permanent() {
        let noise = Noise::new(0.3, &[1.0; 8]);
        let factor = noise.factor();
        let burst = [0.0, 0.0, 9.0, -9.0, 0.0, 0.0, 0.0, 0.0];
        let step = [0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let largest = |of: &[f64]| {
            let sizes = of.iter().map(|z| z.abs()).enumerate();
            sizes.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap()
        };
        let (permanent, level) = noise.disturbances(&factor, &burst, 1.0);
        assert_eq!(largest(&level).0, 3);
        assert!(largest(&level).1 > largest(&permanent).1);
        let (permanent, level) = noise.disturbances(&factor, &step, 1.0);
        assert_eq!(largest(&permanent).0, 2);
        assert!(largest(&permanent).1 > largest(&level).1);
    }
}
