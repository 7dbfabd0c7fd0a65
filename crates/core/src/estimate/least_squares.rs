//! Non-negative least squares on the Gram matrix, by the active set of Lawson & Hanson (*Solving Least Squares
//! Problems*, 1974, chapter 23), with a Cholesky factor of the columns in use.
//!
//! A column that depends on those in use is left out: with it the problem has no single solution.

/// The normal equations: all that the observations say of the coefficients.
#[derive(Clone, Debug, Default)]
pub struct Normal {
    columns: usize,
    gram: Vec<f64>,
    moment: Vec<f64>,
    /// Squared length of what is to be explained.
    squares: f64,
}

/// A coefficient of ordinary least squares.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    /// The coefficient, of either sign.
    pub value: f64,
    /// One over its standard error in units of the noise.
    pub sharpness: f64,
    /// What remains unexplained, squared.
    pub residual: f64,
    /// Columns used; those that depend on others are not.
    pub used: usize,
}

/// A column whose part that is not explained by those in use is smaller than this share of it (squared) is dependent.
const DEPENDENT: f64 = 1e-9;
/// A gradient smaller than this share of the largest possible one is zero.
const FLAT: f64 = 1e-10;

impl Normal {
    /// From columns and what is to be explained, all of the same length.
    pub fn new(columns: &[Vec<f64>], explained: &[f64]) -> Self {
        let n = columns.len();
        let mut gram = vec![0.0; n * n];
        for (i, one) in columns.iter().enumerate() {
            for (j, other) in columns.iter().enumerate().take(i + 1) {
                let product = dot(one, other);
                for cell in [i * n + j, j * n + i] {
                    if let Some(cell) = gram.get_mut(cell) {
                        *cell = product;
                    }
                }
            }
        }
        let moment = columns.iter().map(|column| dot(column, explained)).collect();
        Self { columns: n, gram, moment, squares: dot(explained, explained) }
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    fn cell(&self, i: usize, j: usize) -> f64 {
        self.gram.get(i * self.columns + j).copied().unwrap_or(0.0)
    }

    /// What remains unexplained, squared.
    pub fn residual(&self, solution: &[f64]) -> f64 {
        let n = self.columns;
        let mut sum = self.squares;
        for (i, b) in solution.iter().enumerate().filter(|(_, b)| **b != 0.0) {
            let row = self.gram.get(i * n..(i + 1) * n).unwrap_or(&[]);
            sum += b * (dot(row, solution) - 2.0 * self.moment.get(i).copied().unwrap_or(0.0));
        }
        sum.max(0.0)
    }

    /// The coefficients of least squares that are not negative; those with `may` false are 0, and `fixed` has its value.
    pub fn solve(&self, may: &dyn Fn(usize) -> bool, fixed: Option<(usize, f64)>) -> Vec<f64> {
        let n = self.columns;
        let mut moment = self.moment.clone();
        if let Some((column, value)) = fixed {
            for (i, moment) in moment.iter_mut().enumerate() {
                *moment -= self.cell(i, column) * value;
            }
        }
        let free = |column: usize| may(column) && fixed.is_none_or(|(fixed, _)| fixed != column);
        let mut solution = vec![0.0; n];
        let mut used: Vec<usize> = Vec::new();
        let mut refused = vec![false; n];
        for _ in 0..3 * n + 3 {
            let steepest = (0..n)
                .filter(|i| free(*i) && !used.contains(i) && !refused.get(*i).copied().unwrap_or(true))
                .map(|i| (i, self.slope(i, &moment, &solution)))
                .max_by(|one, other| one.1.total_cmp(&other.1));
            let Some((column, slope)) = steepest else { break };
            if slope <= FLAT * self.squares.sqrt() {
                break;
            }
            used.push(column);
            if self.descend(&mut used, &moment, &mut solution) {
                refused.fill(false);
            } else {
                used.retain(|other| *other != column);
            }
            if !used.contains(&column)
                && let Some(refused) = refused.get_mut(column)
            {
                *refused = true;
            }
        }
        if let Some((column, value)) = fixed
            && let Some(cell) = solution.get_mut(column)
        {
            *cell = value;
        }
        solution
    }

    /// Logarithm of the determinant over the columns in use; minus infinity when one depends on the others.
    pub fn log_determinant(&self, solution: &[f64]) -> f64 {
        let used: Vec<usize> =
            (0..self.columns).filter(|i| solution.get(*i).is_some_and(|b| *b != 0.0)).collect();
        let k = used.len();
        let Some((factor, _)) = self.factor(&used, &self.moment) else { return f64::NEG_INFINITY };
        (0..k).filter_map(|i| factor.get(i * k + i)).map(|pivot| 2.0 * pivot.ln()).sum()
    }

    /// The coefficient of one column of ordinary least squares beside others; `None` when it depends on them.
    pub fn signed(&self, beside: &[usize], column: usize) -> Option<Signed> {
        // Rows of the Cholesky factor, one for each column that does not depend on those before.
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(beside.len() + 1);
        let mut used: Vec<usize> = Vec::with_capacity(beside.len() + 1);
        let mut forward: Vec<f64> = Vec::with_capacity(beside.len() + 1);
        for next in beside.iter().chain([&column]) {
            let mut row: Vec<f64> = Vec::with_capacity(rows.len() + 1);
            for (other, before) in used.iter().zip(&rows) {
                row.push((self.cell(*next, *other) - dot(&row, before)) / before.last()?);
            }
            let rest = self.cell(*next, *next) - dot(&row, &row);
            if rest <= DEPENDENT * self.cell(*next, *next) {
                continue;
            }
            let pivot = rest.sqrt();
            forward.push((self.moment.get(*next)? - dot(&row, &forward)) / pivot);
            row.push(pivot);
            rows.push(row);
            used.push(*next);
        }
        if used.last() != Some(&column) {
            return None;
        }
        let sharpness = *rows.last()?.last()?;
        let explained = dot(&forward, &forward);
        let residual = (self.squares - explained).max(0.0);
        Some(Signed { value: forward.last()? / sharpness, sharpness, residual, used: used.len() })
    }

    /// How much faster than nothing the squares fall when a column is used, per length of the column.
    fn slope(&self, column: usize, moment: &[f64], solution: &[f64]) -> f64 {
        let row = self.gram.get(column * self.columns..(column + 1) * self.columns).unwrap_or(&[]);
        let length = self.cell(column, column).sqrt();
        let gradient = moment.get(column).copied().unwrap_or(0.0) - dot(row, solution);
        if length > 0.0 { gradient / length } else { 0.0 }
    }

    /// Goes to the least squares of the used columns, giving up those that would become negative on the way; `false`
    /// when the last one depends on the others.
    fn descend(&self, used: &mut Vec<usize>, moment: &[f64], solution: &mut [f64]) -> bool {
        loop {
            let Some(target) = self.least_squares(used, moment) else { return false };
            let mut step: f64 = 1.0;
            for (column, goal) in used.iter().zip(&target) {
                let now = solution.get(*column).copied().unwrap_or(0.0);
                if *goal <= 0.0 {
                    step = step.min(if now > *goal { now / (now - goal) } else { 0.0 });
                }
            }
            for (column, goal) in used.iter().zip(&target) {
                if let Some(now) = solution.get_mut(*column) {
                    *now += step * (goal - *now);
                    if *goal <= 0.0 && *now <= 1e-12 * goal.abs() {
                        *now = 0.0;
                    }
                }
            }
            if step >= 1.0 {
                return true;
            }
            used.retain(|column| solution.get(*column).copied().unwrap_or(0.0) > 0.0);
            if used.is_empty() {
                return true;
            }
        }
    }

    /// The Cholesky factor of the used columns, and the moments divided by it; `None` when one column depends on others.
    fn factor(&self, used: &[usize], moment: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
        let k = used.len();
        let mut factor = vec![0.0; k * k];
        let mut forward = Vec::with_capacity(k);
        for (i, column) in used.iter().enumerate() {
            for (j, other) in used.iter().enumerate().take(i + 1) {
                let known = dot(factor.get(i * k..i * k + j)?, factor.get(j * k..j * k + j)?);
                let rest = self.cell(*column, *other) - known;
                let value = if i == j {
                    if rest <= DEPENDENT * self.cell(*column, *column) {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / factor.get(j * k + j)?
                };
                *factor.get_mut(i * k + j)? = value;
            }
            let known = dot(factor.get(i * k..i * k + i)?, &forward);
            forward.push((moment.get(*column)? - known) / factor.get(i * k + i)?);
        }
        Some((factor, forward))
    }

    /// Least squares over the used columns; `None` when one depends on the others.
    fn least_squares(&self, used: &[usize], moment: &[f64]) -> Option<Vec<f64>> {
        let k = used.len();
        let (factor, mut forward) = self.factor(used, moment)?;
        for i in (0..k).rev() {
            let known: f64 = (i + 1..k).filter_map(|j| Some(factor.get(j * k + i)? * forward.get(j)?)).sum();
            let value = (forward.get(i)? - known) / factor.get(i * k + i)?;
            *forward.get_mut(i)? = value;
        }
        Some(forward)
    }
}

/// Over as many as both have, in four sums, which the processor adds up beside one another.
fn dot(one: &[f64], other: &[f64]) -> f64 {
    let shared = one.len().min(other.len());
    let (one, other) = (one.split_at(shared).0, other.split_at(shared).0);
    let (mut ones, mut others) = (one.chunks_exact(4), other.chunks_exact(4));
    let mut sums = [0.0; 4];
    for (x, y) in ones.by_ref().zip(others.by_ref()) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += x * y);
    }
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_over_what_both_have() {
        let (one, other): (Vec<f64>, Vec<f64>) = ((1..=9).map(f64::from).collect(), vec![1.0; 9]);

        for (a, b) in (0..=9).flat_map(|a| (0..=9).map(move |b| (a, b))) {
            let both = a.min(b);
            let expected: f64 = one[..both].iter().sum();
            assert!((dot(&one[..a], &other[..b]) - expected).abs() < 1e-12, "{a} and {b}");
        }
    }

    fn check(columns: &[&[f64]], explained: &[f64], expected: &[f64]) {
        let columns: Vec<Vec<f64>> = columns.iter().map(|column| column.to_vec()).collect();
        let got = Normal::new(&columns, explained).solve(&|_| true, None);
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
        }
    }

    #[test]
    fn exact_data_give_the_exact_answer() {
        check(&[&[1.0, 0.0, 1.0], &[0.0, 1.0, 1.0]], &[2.0, 3.0, 5.0], &[2.0, 3.0]);
    }

    #[test]
    fn a_coefficient_that_would_be_negative_is_zero() {
        check(&[&[1.0, 0.0, 1.0], &[0.0, 1.0, 1.0]], &[2.0, -3.0, -1.0], &[0.5, 0.0]);
    }

    #[test]
    fn of_twins_one_explains_all() {
        let twin = [3.0, 1.0, 2.0];
        let normal = Normal::new(&[twin.to_vec(), twin.to_vec(), vec![1.0; 3]], &[6.0, 2.0, 4.0]);
        let got = normal.solve(&|_| true, None);
        assert!((got[0] + got[1] - 2.0).abs() < 1e-6, "{got:?}");
        assert!(normal.residual(&got) < 1e-9);
    }

    #[test]
    fn a_fixed_coefficient_and_a_forbidden_one_stay() {
        let normal = Normal::new(&[vec![1.0, 0.0], vec![0.0, 1.0]], &[5.0, 7.0]);
        assert_eq!(normal.solve(&|column| column != 0, Some((1, 4.0))), [0.0, 4.0]);
        assert!((normal.residual(&[0.0, 4.0]) - 34.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(Normal::default().solve(&|_| true, None).is_empty());
    }
}
