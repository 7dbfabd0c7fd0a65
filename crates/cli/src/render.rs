//! Numbers, names and tables for people.

use crate::Terminal;
use leakprobe_core::report::Estimate;

const BOLD: &str = "1";
const RED: &str = "1;31";
const DIM: &str = "2";

/// Text in colour, where the terminal has any.
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn new(terminal: Terminal) -> Self {
        Self(terminal.color)
    }
    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint(BOLD, text)
    }
    pub(crate) fn red(&self, text: &str) -> String {
        self.paint(RED, text)
    }
    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint(DIM, text)
    }
    fn paint(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Without control characters: a route's name comes from the network, and a terminal obeys them.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// At most `width` characters, the middle left out.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(1);
    let (head, tail) = (keep.div_ceil(2), keep / 2);
    let head = letters.iter().take(head);
    head.chain(&['…']).chain(letters.iter().skip(letters.len() - tail)).collect()
}

/// `1.0 kB`, as people count: steps of 1 000.
pub(crate) fn bytes(value: f64) -> String {
    let mut value = value;
    for unit in ["B", "kB", "MB", "GB"] {
        if value.abs() < 999.5 || unit == "GB" {
            return if unit == "B" {
                format!("{value:.0} {unit}")
            } else {
                format!("{} {unit}", digits(value))
            };
        }
        value /= 1_000.0;
    }
    String::new()
}

/// Two or three digits that matter.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        size if size.is_infinite() => "∞".to_owned(),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Milliseconds as a person says them.
pub(crate) fn duration(ms: f64) -> String {
    match ms {
        ms if ms >= 172_800_000.0 => format!("{} days", digits(ms / 86_400_000.0)),
        ms if ms >= 7_200_000.0 => format!("{} h", digits(ms / 3_600_000.0)),
        ms if ms >= 120_000.0 => format!("{} min", digits(ms / 60_000.0)),
        ms if ms >= 1_000.0 => format!("{} s", digits(ms / 1_000.0)),
        ms => format!("{} ms", digits(ms)),
    }
}

/// `1.03 kB (0.98–1.09)`; counts without a unit.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    let Estimate { value, low, high, unit } = estimate;
    if unit != "bytes" {
        return format!("{} ({}–{})", digits(*value), digits(*low), digits(*high));
    }
    let scale = match value.abs() {
        size if size >= 999_500.0 => (1_000_000.0, "MB"),
        size if size >= 999.5 => (1_000.0, "kB"),
        _ => (1.0, "B"),
    };
    let number = |value: f64| {
        if scale.0 > 1.0 || value.is_infinite() { digits(value / scale.0) } else { format!("{value:.0}") }
    };
    format!("{} {} ({}–{})", number(*value), scale.1, number(*low), number(*high))
}

/// Columns side by side: the first to the left, the others to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| visible(cell)).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - visible(cell).min(*width));
            line.push(' ');
            if column == 0 {
                line.push_str(cell);
                line.push_str(&padding);
            } else {
                line.push(' ');
                line.push_str(&padding);
                line.push_str(cell);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Characters that a terminal shows: colour codes take no room.
fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().take_while(|letter| *letter != 'm').for_each(drop);
        } else {
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_estimate(value: f64, low: f64, high: f64) -> String {
        estimate(&Estimate { value, low, high, unit: "bytes".to_owned() })
    }

    #[test]
    fn numbers_are_as_people_say_them() {
        for (value, expected) in
            [(0.0, "0 B"), (999.0, "999 B"), (1_034.0, "1.03 kB"), (52_400.0, "52.4 kB"), (3.1e9, "3.10 GB")]
        {
            assert_eq!(bytes(value), expected);
        }
        for (value, expected) in
            [(0.25, "0.25 ms"), (1_500.0, "1.50 s"), (600_000.0, "10.0 min"), (2.6e8, "3.01 days")]
        {
            assert_eq!(duration(value), expected);
        }
        assert_eq!(bytes_estimate(1_034.0, 980.0, 1_090.0), "1.03 kB (0.98–1.09)");
        assert_eq!(bytes_estimate(300.4, 263.0, 350.0), "300 B (263–350)");
        assert_eq!(bytes_estimate(0.0, 0.0, f64::INFINITY), "0 B (0–∞)");
        let listeners = Estimate { value: 1.0, low: 0.98, high: 1.02, unit: "listeners".to_owned() };
        assert_eq!(estimate(&listeners), "1.00 (0.98–1.02)");
    }

    #[test]
    fn names_are_shortened_in_the_middle_and_cannot_command_the_terminal() {
        assert_eq!(shorten("GET /a/very/long/route", 11), "GET /…route");
        assert_eq!(shorten("GET /é", 6), "GET /é");
        assert_eq!(clean("GET /\u{1b}[2J\n"), "GET /\u{fffd}[2J\u{fffd}");
    }

    #[test]
    fn tables_line_up_with_and_without_colour() {
        let red = Paint(true).red("ab");
        let rows = vec![vec!["route".to_owned(), "n".to_owned()], vec![red.clone(), "100".to_owned()]];
        assert_eq!(table(&rows), format!("  route    n\n  {red}     100\n"));
    }
}
