//! `leakprobe analyze`: what a heap snapshot holds, for people.

use crate::heap_file::{self, Unread};
use crate::progress::Progress;
use crate::render::{Paint, bytes, clean, shorten, table};
use crate::{Terminal, Unreadable, tagged};
use leakprobe_heap_snapshot::{Analysis, Gathering, Totals, analyze};
use std::fmt::Write;
use std::path::Path;

/// Fewer listeners of one event are what every program has: Node itself warns of more than ten.
const LISTENERS: u64 = 10;
/// Columns that the other cells of the widest table take.
const BESIDE: u16 = 46;

pub(crate) fn run(
    file: &Path,
    json: bool,
    rows: usize,
    terminal: Terminal,
    mut progress: Progress<'_>,
) -> Result<String, Unreadable> {
    let (graph, warnings) = heap_file::graph(file, &mut |path, taken, size| {
        progress.at(path, taken, size);
        true
    })?;
    let analysis = analyze(&graph, &warnings, rows);
    progress.done();
    if json {
        return Ok(format!("{}\n", heap_file::json(&analysis)));
    }
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(text(&name, &analysis, terminal))
}

impl From<Unread> for Unreadable {
    fn from(unread: Unread) -> Self {
        Self(unread.to_string())
    }
}

/// `12.3 MB in 244 530 objects, 745 176 references`.
pub(crate) fn totals(totals: &Totals) -> String {
    format!(
        "{} in {} objects, {} references",
        bytes(number(totals.bytes)),
        grouped(totals.nodes),
        grouped(totals.edges)
    )
}

fn text(name: &str, analysis: &Analysis, terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let width = usize::from(terminal.width.saturating_sub(BESIDE).max(24));
    let mut text = format!("{}: {}\n", paint.bold(&clean(name)), totals(&analysis.totals));
    for warning in &analysis.totals.warnings {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "  warning: {warning}");
    }
    if !analysis.shapes.is_empty() {
        text.push('\n');
    }
    for shape in &analysis.shapes {
        let _ = writeln!(text, "{} {}", paint.red("!"), clean(&shape.because));
    }
    if !analysis.watched.is_empty() {
        section(&mut text, &paint, "requests that ended and are still kept");
        text.push_str(&tagged::text(&analysis.watched, terminal));
    }
    section(&mut text, &paint, "where objects gather");
    text.push_str(&gatherings(&analysis.gathering, terminal, &paint));
    tables(&mut text, analysis, width, &paint);
    text
}

fn tables(text: &mut String, analysis: &Analysis, width: usize, paint: &Paint) {
    let code = |function: &str, place: &Option<String>| {
        let function = if function.is_empty() { "(anonymous)" } else { function };
        let words =
            place.as_ref().map_or_else(|| function.to_owned(), |place| format!("{function}  {place}"));
        shorten(&clean(&words), width)
    };
    let owners = analysis.owners.iter().map(|owner| {
        let name = owner.package.as_ref().map_or_else(
            || owner.file.clone(),
            |package| {
                let file = owner.file.rsplit("node_modules/").next().unwrap_or(&owner.file);
                format!(
                    "{package}  {}",
                    file.strip_prefix(package.as_str()).unwrap_or(file).trim_start_matches('/')
                )
            },
        );
        vec![shorten(&clean(&name), width), grouped(owner.count), bytes(number(owner.bytes))]
    });
    list(text, paint, &["whose code it hangs on", "objects", "bytes"], owners);
    let classes = analysis.classes.iter().map(|class| {
        let (own, retained) = (bytes(number(class.self_bytes)), bytes(number(class.retained_bytes)));
        vec![shorten(&clean(&class.name), width), grouped(class.count), own, retained]
    });
    list(text, paint, &["class", "objects", "bytes", "retained"], classes);
    let census = &analysis.census;
    let many = census.listeners.iter().filter(|row| row.count >= LISTENERS);
    let listeners = many.map(|row| {
        let name = format!("{} `{}`  {}", row.emitter, row.event, code(&row.function, &row.place));
        vec![shorten(&clean(&name), width), grouped(row.count)]
    });
    list(text, paint, &["emitter, event, first listener", "listeners"], listeners);
    let timers = census.timers.iter().map(|row| vec![code(&row.function, &row.place), grouped(row.count)]);
    list(text, paint, &["timers that call", "timers"], timers);
    let closures =
        census.closures.iter().map(|row| vec![code(&row.function, &row.place), grouped(row.count)]);
    list(text, paint, &["functions", "closures"], closures);
    let strings = census.strings.iter().map(|row| {
        vec![
            shorten(&format!("\"{}\"", clean(&row.text)), width),
            grouped(row.count),
            bytes(number(row.wasted)),
        ]
    });
    list(text, paint, &["strings that are there several times", "copies", "wasted"], strings);
    let _ = writeln!(
        text,
        "\n{} promises, {} of them pending and waited for; array buffers {}",
        grouped(census.promises.count),
        grouped(census.promises.awaited),
        bytes(number(census.array_buffer_bytes))
    );
}

fn section(text: &mut String, paint: &Paint, title: &str) {
    let _ = writeln!(text, "\n{}", paint.bold(title));
}

fn list(text: &mut String, paint: &Paint, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let head: Vec<String> = head.iter().map(|title| paint.dim(title)).collect();
    text.push('\n');
    text.push_str(&table(&[vec![head], rows].concat()));
}

/// Rows with their path below each.
pub(crate) fn gatherings(rows: &[Gathering], terminal: Terminal, paint: &Paint) -> String {
    let mut text = String::new();
    for row in rows {
        let place = row.place().map(|place| format!(", {place}")).unwrap_or_default();
        let package = row.package.as_ref().map(|package| format!(" of {package}")).unwrap_or_default();
        let amount = match (row.more, row.more_bytes) {
            (Some(more), Some(more_bytes)) => format!(
                "+{} {}, +{} (now {}, {})",
                grouped(more.unsigned_abs()),
                row.class,
                bytes(number(more_bytes.unsigned_abs())),
                grouped(row.count),
                bytes(number(row.bytes))
            ),
            _ => format!("{} {}, {}", grouped(row.count), row.class, bytes(number(row.bytes))),
        };
        let steps = match row.steps_up {
            Some(steps) if steps > 1 => format!(", grew {steps} times"),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "  {}: {}{steps}{}",
            paint.red(row.kind),
            clean(&amount),
            clean(&format!("{package}{place}"))
        );
        text.push_str(&path(&row.retaining_path, terminal, paint));
    }
    text
}

/// A path, broken between its steps where the line ends.
pub(crate) fn path(words: &[String], terminal: Terminal, paint: &Paint) -> String {
    let width = usize::from(terminal.width.max(40));
    let mut text = String::new();
    let mut line = String::from("     ");
    for (index, word) in words.iter().enumerate() {
        let word = clean(word);
        let step = if index == 0 { format!(" {word}") } else { format!(" → {word}") };
        if line.chars().count() + step.chars().count() > width && line.trim() != "" {
            let _ = writeln!(text, "{}", paint.dim(&line));
            line = String::from("       ");
        }
        line.push_str(&step);
    }
    let _ = writeln!(text, "{}", paint.dim(&line));
    text
}

/// Digits in groups of three.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}
