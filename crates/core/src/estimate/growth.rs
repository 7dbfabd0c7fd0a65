//! Growth between readings, explained by what came meanwhile: generalised least squares with coefficients that are never
//! negative, weights for outliers of both kinds, and intervals by the profile of the squares.
//!
//! The derivation and what was measured is in `docs/design/attribution.md`.

use super::least_squares::Normal;
use super::noise::Noise;
use super::student;

/// What is to be explained, and by what.
#[derive(Clone, Debug, Default)]
pub struct Growth {
    /// Growth per interval.
    pub growth: Vec<f64>,
    /// What may explain it, column by column, each as long as `growth`; their coefficients are never negative.
    pub columns: Vec<Vec<f64>>,
    /// Lengths of the intervals, in any unit.
    pub spans: Vec<f64>,
    /// A difference of levels smaller than this says nothing (one object, or the grain of an allocator).
    pub resolution: f64,
}

/// A coefficient with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Interval {
    /// Estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether the fit in which the other coefficients may be negative comes to no more. When it does, something else
    /// is going on than growth that stays.
    pub agrees: bool,
}

/// Growth explained.
#[derive(Clone, Debug)]
pub struct Fit {
    normal: Normal,
    solution: Vec<f64>,
    residual: f64,
    variance: f64,
    freedom: f64,
    permanent: f64,
    least_variance: f64,
    /// Columns that are needed.
    few: Vec<usize>,
    /// The columns, and what of the growth is unexplained, in coordinates in which the noise is white.
    columns: Vec<Vec<f64>>,
    unexplained: Vec<f64>,
}

/// Shares of the noise that may be permanent. Never all or nothing: an outlier must be able to be of either kind.
const PERMANENT: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// Rounds of weighing outliers.
const ROUNDS: usize = 3;
/// Disturbances are taken to be Student's t with so many degrees of freedom: between normal and Cauchy.
const TAILS: f64 = 4.0;
/// A column whose loss chance would make up for more often than this is not needed.
const MADE_UP: f64 = 0.02;
/// Two-sided 95 %.
const OUTSIDE: f64 = 0.025;
/// The weights of outliers are themselves estimated; by simulation the variance is this much larger for it.
const WEIGHED: f64 = 1.15;
/// With fewer degrees of freedom than this the fit may have chosen its columns so that nothing remains unexplained.
const LEAST_SURE: f64 = 4.0;
/// An estimate agrees with an interval that begins at most this many times higher.
const AGREES: f64 = 1.1;
/// Halvings when an end of an interval is looked for.
const HALVINGS: usize = 12;
/// An interval rests on at least so many degrees of freedom.
const LEAST_FREEDOM: usize = 5;

impl Fit {
    /// Explains growth; `None` when there are no more intervals than columns are needed to explain them.
    pub fn new(growth: &Growth) -> Option<Self> {
        let n = growth.growth.len();
        let mut weights = (vec![1.0; n], vec![1.0; n + 1]);
        let mut best = None;
        for round in 0..=ROUNDS {
            let fits: Vec<(f64, f64)> = PERMANENT
                .iter()
                .filter_map(|permanent| Some((*permanent, Self::with(growth, *permanent, &weights)?.0)))
                .collect();
            let highest = fits.iter().map(|(_, likelihood)| *likelihood).fold(f64::NEG_INFINITY, f64::max);
            let (mut sum, mut weight) = (0.0, 0.0);
            for (permanent, likelihood) in fits {
                let own = (likelihood - highest).exp();
                sum += own * permanent;
                weight += own;
            }
            let fit = Self::with(growth, sum / weight, &weights)?;
            if round < ROUNDS {
                weights = fit.1.reweighed(growth, &fit.2, &weights);
            }
            best = Some(fit.1);
        }
        let mut best = best?;
        for (column, b) in best.columns.iter().zip(&best.solution).filter(|(_, b)| **b > 0.0) {
            best.unexplained.iter_mut().zip(column).for_each(|(rest, x)| *rest -= b * x);
        }
        best.few = best.few();
        Some(best)
    }

    /// The fit with this share of permanent noise and these factors on the variances; its restricted likelihood first.
    fn with(growth: &Growth, permanent: f64, weights: &(Vec<f64>, Vec<f64>)) -> Option<(f64, Self, Noise)> {
        let mut noise = Noise::new(permanent, &growth.spans);
        let scale = |variances: &mut [f64], factors: &[f64]| {
            variances.iter_mut().zip(factors).for_each(|(variance, factor)| *variance *= factor);
        };
        scale(&mut noise.permanent, &weights.0);
        scale(&mut noise.level, &weights.1);
        let factor = noise.factor();
        let white = factor.whiten(&growth.growth);
        let columns: Vec<Vec<f64>> = growth.columns.iter().map(|column| factor.whiten(column)).collect();
        let normal = Normal::new(&columns, &white);
        let solution = normal.solve(&|_| true, None);
        let residual = normal.residual(&solution);
        let used = solution.iter().filter(|b| **b > 0.0).count();
        let freedom = count(growth.growth.len().checked_sub(used).filter(|rest| *rest > 0)?);
        let least_variance = growth.resolution * growth.resolution;
        let variance = (residual / freedom).max(least_variance);
        let likelihood =
            -0.5 * (freedom * variance.ln() + factor.log_determinant() + normal.log_determinant(&solution));
        let fit = Self {
            normal,
            solution,
            residual,
            variance,
            freedom,
            permanent,
            least_variance,
            few: Vec::new(),
            columns,
            unexplained: white,
        };
        Some((likelihood, fit, noise))
    }

    /// The factors on the variances that Student's t gives, by one step of expectation and maximisation (Lange, Little &
    /// Taylor, *Robust Statistical Modeling Using the t Distribution*, 1989).
    fn reweighed(
        &self,
        growth: &Growth,
        noise: &Noise,
        before: &(Vec<f64>, Vec<f64>),
    ) -> (Vec<f64>, Vec<f64>) {
        let residuals: Vec<f64> = growth
            .growth
            .iter()
            .enumerate()
            .map(|(row, grown)| {
                let parts = growth.columns.iter().zip(&self.solution);
                grown - parts.map(|(column, b)| column.get(row).copied().unwrap_or(0.0) * b).sum::<f64>()
            })
            .collect();
        let (permanent, level) = noise.disturbances(&noise.factor(), &residuals, self.variance);
        let factor = |(square, before): (&f64, &f64)| {
            // `square` is in units of the weighted variance; the t's is the unweighted one.
            ((TAILS + square * before) / (TAILS + 1.0)).clamp(0.5, 1e6)
        };
        (
            permanent.iter().zip(&before.0).map(factor).collect(),
            level.iter().zip(&before.1).map(factor).collect(),
        )
    }

    /// The estimate of a column.
    pub fn value(&self, column: usize) -> f64 {
        self.solution.get(column).copied().unwrap_or(0.0)
    }

    /// The share of the noise that is permanent: 0 when every reading errs for itself alone.
    pub fn permanent(&self) -> f64 {
        self.permanent
    }

    /// Standard deviation of the noise of one interval.
    pub fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }

    /// The best coefficients with these columns at zero.
    pub fn without(&self, columns: &[usize]) -> Vec<f64> {
        self.normal.solve(&|column| !columns.contains(&column), None)
    }

    /// How often chance alone would explain so much by these columns: the others, never negative, take over what they
    /// can.
    pub fn chance(&self, columns: &[usize]) -> f64 {
        if self.freedom < LEAST_SURE {
            return 0.5;
        }
        let more = self.normal.residual(&self.without(columns)) - self.residual;
        student::tail((more.max(0.0) / self.variance).sqrt(), self.freedom)
    }

    /// The fewest columns that explain what can be explained: one after the other those go whose loss chance would make
    /// up for.
    fn few(&self) -> Vec<usize> {
        let mut few: Vec<usize> =
            (0..self.solution.len()).filter(|column| self.value(*column) > 0.0).collect();
        while !few.is_empty() {
            let solution = self.normal.solve(&|column| few.contains(&column), None);
            few.retain(|column| solution.get(*column).is_some_and(|b| *b > 0.0));
            let freedom = self.rows() - count(few.len());
            let variance = (self.normal.residual(&solution) / freedom).max(self.least_variance);
            // Without a column the squares grow by its own, in units of its standard error.
            let loss = |column: usize| {
                let beside: Vec<usize> = few.iter().copied().filter(|other| *other != column).collect();
                self.normal.signed(&beside, column).map_or(0.0, |own| (own.value * own.sharpness).powi(2))
            };
            let least = few.iter().map(|column| (*column, loss(*column)));
            let Some((column, smallest)) = least.min_by(|one, other| one.1.total_cmp(&other.1)) else {
                break;
            };
            if student::tail((smallest / variance).sqrt(), freedom) <= MADE_UP {
                break;
            }
            few.retain(|other| *other != column);
        }
        few
    }

    /// A column's coefficient with its interval.
    ///
    /// The estimate is that of the few columns that are needed. The interval is that of ordinary least squares in which
    /// the other columns may be negative: if they may not, then those that keep nothing take a part of every upward
    /// error and give nothing back downwards, and the interval lies too low. With few intervals between readings not
    /// all columns fit in; those that are needed come first, then the last ones (drift, other requests), then in order.
    pub fn interval(&self, column: usize) -> Interval {
        let may = |other: usize| other == column || self.few.contains(&other);
        let best = self.normal.solve(&may, None);
        let value = best.get(column).copied().unwrap_or(0.0);
        let room = self.unexplained.len().saturating_sub(LEAST_FREEDOM + 1);
        let columns = self.normal.columns();
        let in_order = (columns.saturating_sub(3)..columns).chain(0..columns.saturating_sub(3));
        let mut beside: Vec<usize> = self.few.iter().copied().filter(|other| *other != column).collect();
        for other in in_order {
            if other != column && !beside.contains(&other) && beside.len() < room {
                beside.push(other);
            }
        }
        let Some(signed) = self.normal.signed(&beside, column) else {
            return Interval { value, low: 0.0, high: f64::INFINITY, agrees: true };
        };
        let freedom = self.rows() - count(signed.used);
        let variance = (signed.residual / freedom).max(self.least_variance);
        let half = student::quantile(OUTSIDE, freedom) * (WEIGHED * variance).sqrt() / signed.sharpness;
        let (low, high) = (signed.value - half, signed.value + half);
        let agrees = low <= AGREES * value;
        let low = if low > 0.0 { low } else { self.least(column) };
        Interval { value, low: low.min(value), high: high.max(value), agrees }
    }

    /// The least coefficient of a column with which the squares are not larger than chance allows, while the others,
    /// never negative, take over what they can. What errs downwards when the others take too much is still a lower bound.
    fn least(&self, column: usize) -> f64 {
        let allowed = student::quantile(OUTSIDE, self.freedom).powi(2) * WEIGHED * self.variance;
        let outside = |at: f64| {
            self.normal.residual(&self.normal.solve(&|_| true, Some((column, at)))) - self.residual > allowed
        };
        let (mut low, mut high) = (0.0, self.value(column));
        if high <= 0.0 || !outside(0.0) {
            return 0.0;
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if outside(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    fn rows(&self) -> f64 {
        count(self.unexplained.len())
    }

    /// A column's coefficient from these intervals alone, the others as in the whole, and its standard error.
    pub fn own(&self, column: usize, rows: std::ops::Range<usize>) -> Option<(f64, f64)> {
        let own = self.columns.get(column)?;
        let rows = rows.start.min(own.len())..rows.end.min(own.len());
        let (own, unexplained) = (own.get(rows.clone())?, self.unexplained.get(rows)?);
        let squares: f64 = own.iter().map(|x| x * x).sum();
        let product: f64 =
            own.iter().zip(unexplained).map(|(x, rest)| x * (rest + x * self.value(column))).sum();
        (squares > 0.0).then(|| (product / squares, (self.variance / squares).sqrt()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::super::Random;
    use super::*;

    /// A leaky route (the first) among others with a mix that changes; errors of levels and steps that stay.
    fn series(seed: u64, rows: usize, routes: usize, level: f64, permanent: f64) -> Growth {
        let mut random = Random::new(seed);
        let columns: Vec<Vec<f64>> = (0..routes)
            .map(|_| (0..rows).map(|_| random.between(8.0, 60.0).round()).collect())
            .chain([vec![1.0; rows]])
            .collect();
        let errors: Vec<f64> = (0..=rows).map(|_| level * random.normal()).collect();
        let growth = (0..rows)
            .map(|row| {
                3_000.0 * columns[0][row] + permanent * random.normal() + errors[row + 1] - errors[row]
            })
            .collect();
        Growth { growth, columns, spans: vec![1.0; rows], resolution: 1.0 }
    }

    #[test]
    fn a_95_percent_interval_holds_the_truth_as_often_as_it_says() {
        let (mut held, mut all) = (0, 0);
        for seed in 0..300 {
            let (level, permanent) = [(4e4, 1e3), (2e4, 2e4), (1e3, 4e4)][usize::try_from(seed % 3).unwrap()];
            let fit = Fit::new(&series(seed, 25, 6, level, permanent)).unwrap();
            let found = fit.interval(0);
            held += u32::from(found.low <= 3_000.0 && 3_000.0 <= found.high);
            all += 1;
        }
        assert!(held * 100 >= all * 93, "{held} of {all}");
    }

    #[test]
    fn a_healthy_route_is_certain_as_seldom_as_chance_says() {
        let seldom = (0..400)
            .map(|seed| Fit::new(&series(seed, 20, 5, 2e4, 2e4)).unwrap())
            .filter(|fit| fit.chance(&[1]) < 0.01)
            .count();
        assert!(seldom <= 8, "{seldom} of 400");
    }

    #[test]
    fn a_burst_and_a_step_move_the_estimate_little() {
        let calm = Fit::new(&series(4, 40, 3, 5e3, 5e3)).unwrap().interval(0);
        let mut shaken = series(4, 40, 3, 5e3, 5e3);
        for (row, by) in [(9, 2e6), (10, -2e6), (25, 1e6)] {
            shaken.growth[row] += by;
        }
        let found = Fit::new(&shaken).unwrap().interval(0);
        assert!((found.value - calm.value).abs() < 0.2 * calm.value, "{found:?} for {calm:?}");
    }

    #[test]
    fn of_routes_that_always_come_together_none_is_certain_but_both_are() {
        let mut twins = series(8, 30, 3, 5e3, 5e3);
        twins.columns[2] = twins.columns[0].clone();
        let fit = Fit::new(&twins).unwrap();
        assert!(fit.chance(&[0]) > 0.1 && fit.chance(&[2]) > 0.1 && fit.chance(&[0, 2]) < 1e-6);
    }

    #[test]
    fn a_route_that_is_the_sum_of_others_is_not_certain_alone() {
        let mut sum = series(9, 30, 3, 5e3, 5e3);
        let (one, other) = (sum.columns[1].clone(), sum.columns[2].clone());
        let before = sum.columns[0].clone();
        sum.columns[0] = one.iter().zip(&other).map(|(a, b)| a + b).collect();
        for (row, grown) in sum.growth.iter_mut().enumerate() {
            *grown += 3_000.0 * (sum.columns[0][row] - before[row]);
        }
        let fit = Fit::new(&sum).unwrap();
        assert!(fit.chance(&[0]) > 0.1 && fit.chance(&[0, 1, 2]) < 1e-6);
    }
}
