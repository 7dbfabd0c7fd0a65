//! A memory map as a bar chart for a terminal.

use super::File;
use crate::Terminal;
use crate::render::{Paint, bytes, clean, duration, table};
use leakprobe_core::memory_series::Column;
use std::fmt::Write;

/// Room for what stands beside a bar.
const BESIDE: u16 = 52;
const LONGEST: usize = 60;
/// Parts of a full block.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// What grew by less is not told, a share of all that is resident.
const MATTERS: f64 = 0.01;

pub(super) fn text(file: &File, terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let total = number(file.last.total());
    let grew = |name: &str| file.series.parts.iter().find(|part| part.name == name).and_then(growth);
    let most = file.series.parts.iter().filter_map(|part| Some((part, growth(part)?)));
    let most =
        most.filter(|(_, grew)| *grew > total * MATTERS).max_by(|one, other| one.1.total_cmp(&other.1));
    let mut text = paint.bold(&match most {
        Some((part, grew)) => format!(
            "{} are resident; {} grew most, by {} in {}.",
            bytes(total),
            clean(&part.name),
            bytes(grew),
            duration(span(file))
        ),
        None => format!("{} are resident.", bytes(total)),
    });
    let process = &file.process;
    let about = format!(
        "{} · pid {} · node {} · at {}",
        clean(&process.service),
        process.pid,
        clean(&process.node),
        clean(&file.last.at)
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{}\n", paint.dim(&about));
    let room = usize::from(terminal.width.saturating_sub(BESIDE)).clamp(10, LONGEST);
    let largest = file.last.parts.iter().map(|part| part.bytes).max().unwrap_or(0);
    let rows: Vec<Vec<String>> = file
        .last
        .parts
        .iter()
        .map(|part| {
            let bar = bar(part.bytes, largest, room);
            let share = if total > 0.0 { number(part.bytes) / total * 100.0 } else { 0.0 };
            let grew = grew(&part.name).filter(|grew| grew.abs() > total * MATTERS);
            let padding = " ".repeat(room - bar.chars().count().min(room));
            vec![
                format!("{:<16}  {bar}{padding}", clean(&part.name)),
                bytes(number(part.bytes)),
                format!("{share:.0} %"),
                grew.map_or_else(String::new, |grew| {
                    format!("{}{}", if grew > 0.0 { "+" } else { "" }, bytes(grew))
                }),
            ]
        })
        .collect();
    text.push_str(&table(&rows));
    if file.series.times.len() > 1 {
        let legend =
            format!("last column: since {} before, where it is 1 % of all or more", duration(span(file)));
        let _ = writeln!(text, "  {}", paint.dim(&legend));
    }
    text
}

fn bar(value: u64, largest: u64, room: usize) -> String {
    if largest == 0 {
        return String::new();
    }
    let eighths = (u128::from(value) * room as u128 * 8).div_ceil(u128::from(largest));
    let eighths = usize::try_from(eighths).unwrap_or(0);
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or("");
    format!("{}{rest}", "█".repeat(eighths / 8))
}

/// From the first time that a part was told to the last, bytes.
fn growth(part: &Column) -> Option<f64> {
    let mut told = part.bytes.iter().flatten();
    let first = told.next()?;
    Some(number(*told.next_back()?) - number(*first))
}

/// Of the series, ms.
fn span(file: &File) -> f64 {
    let times = &file.series.times;
    times.first().zip(times.last()).map_or(0.0, |(first, last)| number(last.saturating_sub(*first)))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values_and_what_is_there_is_seen() {
        assert_eq!(bar(100, 100, 10).chars().count(), 10);
        assert_eq!(bar(45, 100, 10), "████▌");
        assert_eq!(bar(1, 1_000_000, 10), "▏");
        assert_eq!((bar(0, 100, 10), bar(0, 0, 10)), (String::new(), String::new()));
    }

    #[test]
    fn growth_is_from_the_first_to_the_last_that_was_told() {
        let part = |bytes: &[Option<u64>]| Column { name: String::new(), bytes: bytes.to_vec() };
        assert_eq!(growth(&part(&[None, Some(5), Some(9), None])), Some(4.0));
        assert_eq!(growth(&part(&[Some(9), None, Some(5)])), Some(-4.0));
        assert_eq!((growth(&part(&[Some(9)])), growth(&part(&[]))), (None, None));
    }
}
