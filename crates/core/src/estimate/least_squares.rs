//! Non-negative least squares by coordinate descent on the Gram matrix.
//!
//! The problem is convex, and with ridge 0 and independent columns its solution is that of Lawson & Hanson (*Solving
//! Least Squares Problems*, 1974, chapter 23). Coordinate descent converges to it (Franc, Hlaváč & Navara 2005), and
//! after a resample it starts from the previous solution, which makes the bootstrap cheap. Rows are weighted, so that
//! an outlier can be given less say (Huber, *Robust Estimation of a Location Parameter*, 1964).

/// Rows of observations: `y[i]` is to be explained by `x[i]`, all rows of `x` of the same length.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// What grew, per row.
    pub y: Vec<f64>,
    /// What may explain it, per row.
    pub x: Vec<Vec<f64>>,
    /// How many of the last columns may be negative (drift).
    pub free: usize,
}

const SWEEPS: usize = 400;
const TOLERANCE: f64 = 1e-9;

/// The coefficients that minimise the weighted squares; `weights` has one entry per row. `start` may be empty.
pub fn solve(problem: &Problem, weights: &[f64], start: &[f64]) -> Vec<f64> {
    let columns = problem.x.first().map_or(0, Vec::len);
    let mut gram = vec![0.0; columns * columns];
    let mut moment = vec![0.0; columns];
    for ((row, y), weight) in problem.x.iter().zip(&problem.y).zip(weights) {
        for (i, xi) in row.iter().enumerate().filter(|(_, xi)| **xi != 0.0) {
            if let Some(moment) = moment.get_mut(i) {
                *moment += weight * xi * y;
            }
            for (j, xj) in row.iter().enumerate() {
                if let Some(cell) = gram.get_mut(i * columns + j) {
                    *cell += weight * xi * xj;
                }
            }
        }
    }
    let mut solution = start.to_vec();
    solution.resize(columns, 0.0);
    for _ in 0..SWEEPS {
        let mut moved: f64 = 0.0;
        for i in 0..columns {
            let row = gram.get(i * columns..(i + 1) * columns).unwrap_or(&[]);
            let diagonal = row.get(i).copied().unwrap_or(0.0);
            if diagonal <= 0.0 {
                continue;
            }
            let fitted: f64 = row.iter().zip(&solution).map(|(g, b)| g * b).sum();
            let old = solution.get(i).copied().unwrap_or(0.0);
            let mut new = old + (moment.get(i).copied().unwrap_or(0.0) - fitted) / diagonal;
            if i + problem.free < columns {
                new = new.max(0.0);
            }
            if let Some(cell) = solution.get_mut(i) {
                *cell = new;
            }
            moved = moved.max((new - old).abs() * diagonal.sqrt());
        }
        if moved < TOLERANCE {
            break;
        }
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(x: &[&[f64]], y: &[f64], free: usize, expected: &[f64]) {
        let problem = Problem { y: y.to_vec(), x: x.iter().map(|row| row.to_vec()).collect(), free };
        let got = solve(&problem, &vec![1.0; y.len()], &[]);
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-4, "{got} for {expected}");
        }
    }

    #[test]
    fn exact_data_give_the_exact_answer() {
        check(&[&[1.0, 0.0], &[0.0, 1.0], &[1.0, 1.0]], &[2.0, 3.0, 5.0], 0, &[2.0, 3.0]);
    }

    #[test]
    fn a_coefficient_that_would_be_negative_is_zero() {
        check(&[&[1.0, 0.0], &[0.0, 1.0], &[1.0, 1.0]], &[2.0, -3.0, -1.0], 0, &[0.5, 0.0]);
    }

    #[test]
    fn drift_may_be_negative() {
        check(&[&[1.0, 1.0], &[2.0, 1.0], &[3.0, 1.0]], &[-1.0, 0.0, 1.0], 1, &[1.0, -2.0]);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(solve(&Problem::default(), &[], &[]).is_empty());
    }
}
