//! A robust trend over pairs of comparable points: Theil–Sen's slope with Mann and Kendall's test.
//!
//! Only pairs that are comparable take part: with pairs in which the later point had the larger load left out, a value
//! that rises and falls with the load has no trend. Sources, and what was changed, stand in `docs/slowdowns.md`.

/// A trend with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// Median slope of the comparable pairs, units of y per unit of x.
    pub(crate) slope: f64,
    /// Lower end of the interval.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
    /// Median of `y - slope * x`.
    pub(crate) intercept: f64,
    /// Standard deviations by which rising pairs outnumber falling ones; negative for a fall.
    pub(crate) z: f64,
    /// The same as a share of the comparable pairs, -1 to 1 (Kendall's tau).
    pub(crate) tau: f64,
}

/// Two-sided 95 %.
pub(crate) const NORMAL_95: f64 = 1.96;
/// No series is believed to be more alike from one point to the next than this.
const MOST_ALIKE: f64 = 0.6;
/// Of all pairs, this share must be comparable.
const LEAST_COMPARABLE: f64 = 0.2;

/// The comparable pairs of a series: what a trend is judged by, and what several series can be judged by together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    /// Their slopes, in rising order.
    pub(crate) slopes: Vec<f64>,
    /// By how many rising ones outnumber falling ones.
    pub(crate) rising: f64,
    /// Variance of `rising` if there is no trend.
    pub(crate) variance: f64,
}

/// The comparable pairs of `y` over `x`, which rises. `comparable(i, j)` says whether the later point `j` may be held
/// against the earlier `i`. `None` with fewer than 4 points or too few comparable pairs. O(n² log n).
pub(crate) fn pairs(x: &[f64], y: &[f64], comparable: impl Fn(usize, usize) -> bool) -> Option<Pairs> {
    let points: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
    let count = points.len();
    if count < 4 {
        return None;
    }
    let mut slopes = Vec::with_capacity(count * (count - 1) / 2);
    // How much more often a point is the later one of a pair than the earlier one.
    let mut later = vec![0.0_f64; count];
    let mut rising = 0.0;
    for (j, (xj, yj)) in points.iter().enumerate() {
        for (i, (xi, yi)) in points.iter().enumerate().take(j) {
            if xj <= xi || !comparable(i, j) {
                continue;
            }
            slopes.push((yj - yi) / (xj - xi));
            rising += sign(yj - yi);
            add(&mut later, j, 1.0);
            add(&mut later, i, -1.0);
        }
    }
    let pairs = float(slopes.len());
    if pairs < LEAST_COMPARABLE * float(count * (count - 1) / 2) || slopes.is_empty() {
        return None;
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let alike = alike(&straightened(x, y));
    // Each pair's sign is the difference of its points' ranks (variance 1/3 each) and a rest (1/3) of its own; with all
    // pairs this is Kendall's n(n - 1)(2n + 5)/18.
    let independent = (later.iter().map(|more| more * more).sum::<f64>() + pairs) / 3.0;
    Some(Pairs { slopes, rising, variance: independent * (1.0 + alike) / (1.0 - alike) })
}

/// The trend of `y` over `x`, which rises; see [`pairs`].
pub(crate) fn trend(x: &[f64], y: &[f64], comparable: impl Fn(usize, usize) -> bool) -> Option<Trend> {
    let Pairs { slopes, rising, variance } = pairs(x, y, comparable)?;
    let (pairs, deviation) = (float(slopes.len()), variance.sqrt());
    let slope = quantile(&slopes, 0.5);
    let mut residuals: Vec<f64> = x.iter().zip(y).map(|(x, y)| y - slope * x).collect();
    residuals.sort_unstable_by(f64::total_cmp);
    let reach = NORMAL_95 * deviation / (2.0 * pairs);
    Some(Trend {
        slope,
        low: quantile(&slopes, 0.5 - reach),
        high: quantile(&slopes, 0.5 + reach),
        intercept: quantile(&residuals, 0.5),
        z: (rising - sign(rising)) / deviation,
        tau: rising / pairs,
    })
}

/// How alike neighbours are, 0 to [`MOST_ALIKE`]. In noise whose correlation at lag 1 is r and falls off geometrically,
/// points two apart differ (1 + r) times as much, squared, as neighbours.
fn alike(residuals: &[f64]) -> f64 {
    let apart = |lag: usize| -> f64 {
        let pairs = residuals.iter().zip(residuals.iter().skip(lag));
        let squares: f64 = pairs.map(|(one, other)| (other - one) * (other - one)).sum();
        squares / float(residuals.len().saturating_sub(lag).max(1))
    };
    let neighbours = apart(1);
    if neighbours <= 0.0 {
        return 0.0;
    }
    (apart(2) / neighbours - 1.0 + 1.0 / float(residuals.len())).clamp(0.0, MOST_ALIKE)
}

/// What is left of `y` when the cubic over `x` that fits best is taken off: a trend that bends is not noise whose neighbours
/// are alike. By Gram and Schmidt's orthogonal polynomials.
fn straightened(x: &[f64], y: &[f64]) -> Vec<f64> {
    let (first, last) = (x.first().copied().unwrap_or(0.0), x.last().copied().unwrap_or(1.0));
    let scaled: Vec<f64> =
        x.iter().map(|x| 2.0 * (x - first) / (last - first).max(f64::MIN_POSITIVE) - 1.0).collect();
    let dot = |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(a, b)| a * b).sum() };
    let take_off = |from: &mut [f64], what: &[f64]| {
        let square = dot(what, what);
        let share = if square > 0.0 { dot(from, what) / square } else { 0.0 };
        for (value, part) in from.iter_mut().zip(what) {
            *value -= share * part;
        }
    };
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(4);
    let mut left = y.to_vec();
    for power in 0..4 {
        let mut polynomial: Vec<f64> = scaled.iter().map(|x| x.powi(power)).collect();
        for lower in &basis {
            take_off(&mut polynomial, lower);
        }
        take_off(&mut left, &polynomial);
        basis.push(polynomial);
    }
    left
}

/// The quantile of sorted values, 0 without any; `share` outside 0 to 1 gives the ends.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let position = share.clamp(0.0, 1.0) * float(last);
    let below = whole(position);
    let low = sorted.get(below).copied().unwrap_or(0.0);
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    low + (high - low) * (position - float(below))
}

/// The median of values in any order, 0 without any.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    quantile(&values, 0.5)
}

/// The share of `y`'s variance that a straight line over `x` explains, 0 to 1; 0 where it falls.
pub(super) fn explained(x: &[f64], y: &[f64]) -> f64 {
    let count = float(x.len().min(y.len()).max(1));
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / count, y.iter().sum::<f64>() / count);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xx += (x - mean_x) * (x - mean_x);
        yy += (y - mean_y) * (y - mean_y);
        xy += (x - mean_x) * (y - mean_y);
    }
    if xx > 0.0 && yy > 0.0 && xy > 0.0 { xy * xy / (xx * yy) } else { 0.0 }
}

fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

fn add(values: &mut [f64], index: usize, what: f64) {
    if let Some(value) = values.get_mut(index) {
        *value += what;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand pairs")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index between 0 and the length"
)]
fn whole(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Random;

    fn noise(random: &mut Random) -> f64 {
        (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
    }

    fn axis(count: usize) -> Vec<f64> {
        (0..count).map(float).collect()
    }

    #[test]
    fn a_line_is_found_in_spite_of_outliers() {
        let x = axis(30);
        let mut y: Vec<f64> = x.iter().map(|x| 5.0 + 2.0 * x).collect();
        y[3] = 900.0;
        y[20] = -900.0;

        let found = trend(&x, &y, |_, _| true).unwrap();

        assert!((found.slope - 2.0).abs() < 1e-9 && (found.intercept - 5.0).abs() < 1e-9, "{found:?}");
        assert!(found.low > 1.9 && found.high < 2.1 && found.z > 4.0, "{found:?}");
    }

    #[test]
    fn few_points_or_few_comparable_pairs_are_no_trend() {
        let x = axis(20);
        assert_eq!(trend(&x[..3], &x[..3], |_, _| true), None);
        assert_eq!(trend(&x, &x, |i, _| i == 0), None);
        assert!(trend(&x, &[1.0; 20], |_, _| true).unwrap().z.abs() < 1e-9);
    }

    /// 2 000 series of 40 points without a trend: 2.5 % beyond the normal quantile on each side, of noise whose
    /// neighbours are alike (0.5) as of independent noise; the interval of a real slope holds it in 95 %.
    #[test]
    fn chance_is_found_as_rarely_as_it_says() {
        for (alike, most) in [(0.0, 70), (0.5, 90)] {
            let (mut rising, mut held) = (0, 0);
            for seed in 0..2_000 {
                let mut random = Random::new(seed);
                let mut level = 0.0;
                let y: Vec<f64> = (0..40)
                    .map(|x| {
                        level = alike * level + noise(&mut random);
                        level + 0.1 * f64::from(x)
                    })
                    .collect();
                let flat: Vec<f64> = y.iter().zip(axis(40)).map(|(y, x)| y - 0.1 * x).collect();
                let found = trend(&axis(40), &y, |_, _| true).unwrap();
                held += u32::from(found.low <= 0.1 && 0.1 <= found.high);
                rising += u32::from(trend(&axis(40), &flat, |_, _| true).unwrap().z > 1.96);
            }
            assert!(rising < most, "{rising} of 2 000 with {alike}");
            assert!(held > 1_850, "{held} of 2 000 with {alike}");
        }
    }

    #[test]
    fn a_value_that_follows_the_load_has_no_trend_among_comparable_pairs() {
        let mut random = Random::new(4);
        let load: Vec<f64> = axis(60).iter().map(|x| 10.0 + x + 10.0 * noise(&mut random).abs()).collect();
        let y: Vec<f64> = load.iter().map(|load| load + 0.5 * noise(&mut random)).collect();

        let all = trend(&axis(60), &y, |_, _| true).unwrap();
        let comparable = trend(&axis(60), &y, |i, j| load[j] <= 1.1 * load[i]);

        assert!(all.z > 4.0, "{all:?}");
        assert!(comparable.is_none_or(|found| found.z < 2.0), "{comparable:?}");
    }

    #[test]
    fn what_follows_a_line_is_explained_by_it() {
        assert!(explained(&axis(9), &axis(9)) > 0.999);
        let falling: Vec<f64> = axis(9).iter().map(|x| -x).collect();
        assert!(explained(&axis(9), &falling) == 0.0 && explained(&axis(9), &[1.0; 9]) == 0.0);
    }
}
