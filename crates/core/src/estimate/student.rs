//! Student's t: how often chance alone goes so far with few observations.

/// Newton's steps at most; some six are usual, and with one degree of freedom each doubles t at least.
const STEPS: u32 = 60;
/// A quantile above this is told as this.
const HIGHEST: f64 = 1e6;

/// One-sided: how often a t with so many degrees of freedom is above `t`.
///
/// By the incomplete beta function as a continued fraction (Abramowitz & Stegun 26.5.8 and 26.7.1), evaluated by
/// Lentz's method; exact to about ten digits.
pub fn tail(t: f64, freedom: f64) -> f64 {
    if !t.is_finite() || freedom <= 0.0 {
        return if t > 0.0 && freedom > 0.0 { 0.0 } else { 0.5 };
    }
    let half = 0.5 * incomplete_beta(freedom / (freedom + t * t), 0.5 * freedom, 0.5);
    if t >= 0.0 { half } else { 1.0 - half }
}

/// The t above which a one-sided share `share` (0 to 0.5) lies.
///
/// By Newton's method from 0: the tail is convex there, so every step falls short of the root, and none beyond it.
pub fn quantile(share: f64, freedom: f64) -> f64 {
    let half = 0.5 * (freedom + 1.0);
    let highest =
        (log_gamma(half) - log_gamma(0.5 * freedom)).exp() / (freedom * std::f64::consts::PI).sqrt();
    let mut t = 0.0;
    for _ in 0..STEPS {
        let density = highest * (1.0 + t * t / freedom).powf(-half);
        let step = (tail(t, freedom) - share) / density;
        t += step;
        if step <= 1e-10 * t {
            break;
        }
    }
    t.min(HIGHEST)
}

fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut upper = 1.0;
    let mut lower = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = lower;
    for step in 1..300_u32 {
        let step = f64::from(step);
        let twice = a + 2.0 * step;
        let even = step * (b - step) * x / ((twice - 1.0) * twice);
        let odd = -(a + step) * (a + b + step) * x / (twice * (twice + 1.0));
        let before = value;
        for term in [even, odd] {
            lower = 1.0 / away(1.0 + term * lower);
            upper = away(1.0 + term / upper);
            value *= lower * upper;
        }
        if (value - before).abs() < 1e-12 * value.abs() {
            break;
        }
    }
    value
}

/// Logarithm of the gamma function for positive arguments: Stirling's series after shifting above 8.
fn log_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut x = x;
    while x < 8.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    shift + (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_7 + series
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the printed tables.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (share, freedom, expected) in [
            (0.025, 1.0, 12.706),
            (0.025, 5.0, 2.571),
            (0.025, 30.0, 2.042),
            (0.001, 10.0, 4.144),
            (0.001, 1.0, 318.309),
            (0.5, 4.0, 0.0),
            (0.05, 1e6, 1.645),
        ] {
            let got = quantile(share, freedom);
            assert!((got - expected).abs() < 1e-3, "{got} for {expected}");
        }
    }

    #[test]
    fn tails_mirror_each_other() {
        assert!((tail(1.3, 7.0) + tail(-1.3, 7.0) - 1.0).abs() < 1e-12);
        assert!((tail(0.0, 3.0) - 0.5).abs() < 1e-12);
        assert!(tail(f64::INFINITY, 3.0) < 1e-12);
    }
}
