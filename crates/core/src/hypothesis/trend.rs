//! A robust trend with its interval.

/// Slope of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Median of the slopes between all pairs (Theil 1950, Sen 1968), per second.
    pub slope: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Most points taken; of longer series the same share of every part.
const POINTS: usize = 80;
/// Fewer points than this have no trend.
const LEAST: usize = 8;

/// The trend of `(seconds, value)` points; `None` with fewer than 8.
///
/// The interval is Sen's (*Estimates of the Regression Coefficient Based on Kendall's Tau*, 1968): slopes at the ranks that
/// Kendall's tau would reach by chance. It assumes that the deviations from the line are independent.
pub fn trend(points: &[(f64, f64)]) -> Option<Trend> {
    let step = points.len().div_ceil(POINTS).max(1);
    let points: Vec<(f64, f64)> = points.iter().copied().step_by(step).collect();
    if points.len() < LEAST {
        return None;
    }
    let mut slopes: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(index, one)| {
            points.iter().skip(index + 1).filter_map(|other| {
                let apart = other.0 - one.0;
                (apart > 0.0).then(|| (other.1 - one.1) / apart)
            })
        })
        .collect();
    slopes.sort_by(f64::total_cmp);
    let (count, pairs) = (as_number(points.len()), as_number(slopes.len()));
    let spread = 1.96 * (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt();
    let at = |rank: f64| slopes.get(index(rank.clamp(0.0, pairs - 1.0))).copied();
    Some(Trend {
        slope: at(pairs / 2.0)?,
        low: at((pairs - spread) / 2.0 - 1.0)?,
        high: at(pairs.midpoint(spread))?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "some thousands at most")]
fn as_number(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank between 0 and the length"
)]
fn index(rank: f64) -> usize {
    rank.round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimate::Random;

    #[test]
    fn a_line_has_its_slope() {
        let points: Vec<_> = (0..50).map(|x| (f64::from(x), 3.0 * f64::from(x) + 7.0)).collect();
        let trend = trend(&points).unwrap();
        assert!((trend.slope - 3.0).abs() < 1e-9 && trend.low <= 3.0 && trend.high >= 3.0, "{trend:?}");
    }

    #[test]
    fn few_points_have_none() {
        assert_eq!(trend(&[(0.0, 1.0), (1.0, 2.0)]), None);
    }

    /// 400 series of 40 points of even noise.
    #[test]
    fn noise_is_told_from_a_trend_as_often_as_the_interval_says() {
        let mut held = 0;
        for seed in 0..400 {
            let mut random = Random::new(seed);
            let points: Vec<_> = (0..40).map(|x| (f64::from(x), random.unit())).collect();
            let trend = trend(&points).unwrap();
            held += i32::from(trend.low <= 0.0 && 0.0 <= trend.high);
        }
        assert!((368..=392).contains(&held), "{held} of 400");
    }
}
