//! A series as one line of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values from low to high; a space where there is none. `scale` is lowest and highest.
pub(super) fn line(values: &[Option<f64>]) -> (String, Option<(f64, f64)>) {
    let known = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let Some(low) = known().reduce(f64::min) else { return (" ".repeat(values.len()), None) };
    let high = known().fold(low, f64::max);
    let block = |value: &Option<f64>| match value {
        Some(value) if high > low => {
            let share = (value - low) / (high - low);
            BLOCKS.get(place(share)).copied().unwrap_or(' ')
        }
        Some(_) => '▄',
        None => ' ',
    };
    (values.iter().map(block).collect(), Some((low, high)))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
fn place(share: f64) -> usize {
    (share * 7.0).round().clamp(0.0, 7.0) as usize
}

/// Puts points in time into `cells` cells of equal length; each is what `together` makes of those in it.
pub(super) fn cells<P, T>(
    points: &[P],
    at: impl Fn(&P) -> i64,
    (from, to): (i64, i64),
    cells: usize,
    together: impl Fn(&[&P]) -> Option<T>,
) -> Vec<Option<T>> {
    let count = i64::try_from(cells).unwrap_or(1).max(1);
    let mut sorted: Vec<Vec<&P>> = (0..cells).map(|_| Vec::new()).collect();
    for point in points {
        let place = (at(point) - from).clamp(0, to - from - 1) * count / (to - from).max(1);
        if let Some(cell) = usize::try_from(place).ok().and_then(|place| sorted.get_mut(place)) {
            cell.push(point);
        }
    }
    sorted.iter().map(|cell| together(cell)).collect()
}
