//! `leakprobe diff`: what grew from one heap snapshot to the next.

use crate::analyze::{gatherings, grouped, number, totals};
use crate::heap_file;
use crate::progress::Progress;
use crate::render::{Paint, bytes, clean, table};
use crate::{Terminal, Unreadable};
use leakprobe_heap_snapshot::Diff;
use std::fmt::Write;
use std::path::PathBuf;

pub(crate) fn run(
    files: &[PathBuf],
    json: bool,
    rows: usize,
    terminal: Terminal,
    mut progress: Progress<'_>,
) -> Result<String, Unreadable> {
    let diff = heap_file::diff(files, rows, &mut |path, taken, size| {
        progress.at(path, taken, size);
        true
    })?;
    progress.done();
    if json {
        return Ok(format!("{}\n", heap_file::json(&diff)));
    }
    let names: Vec<String> = files
        .iter()
        .map(|file| file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()))
        .collect();
    Ok(text(&names, &diff, terminal))
}

fn text(names: &[String], diff: &Diff, terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let mut text = String::new();
    // Writing to a String cannot fail, here and below.
    for (name, snapshot) in names.iter().zip(&diff.snapshots) {
        let _ = writeln!(text, "{}: {}", paint.bold(&clean(name)), totals(snapshot));
        for warning in &snapshot.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
    }
    if diff.growth.is_empty() {
        text.push_str("\nnothing gathers: no place holds many more objects than before\n");
    } else {
        let _ = writeln!(text, "\n{}", paint.bold("where objects gather"));
        text.push_str(&gatherings(&diff.growth, terminal, &paint));
    }
    if !diff.classes.is_empty() {
        let head = ["class", "more", "bytes more", "now"];
        let mut rows = vec![head.iter().map(|title| paint.dim(title)).collect::<Vec<_>>()];
        rows.extend(diff.classes.iter().map(|class| {
            let sign = if class.more_bytes < 0 { "-" } else { "+" };
            vec![
                clean(&class.name),
                format!("+{}", grouped(class.more.unsigned_abs())),
                format!("{sign}{}", bytes(number(class.more_bytes.unsigned_abs()))),
                grouped(class.count),
            ]
        }));
        let _ = write!(text, "\n{}", table(&rows));
    }
    text
}
