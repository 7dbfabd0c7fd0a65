//! `leakprobe path --tag`: what keeps requests that leakprobe watched, and that have ended.

use crate::analyze::{grouped, path as path_text};
use crate::heap_file;
use crate::progress::Progress;
use crate::render::{Paint, clean};
use crate::{Terminal, Unreadable};
use leakprobe_heap_snapshot::{Paths, Watched, watched};
use std::fmt::Write;
use std::path::Path;

pub(crate) fn run(
    file: &Path,
    json: bool,
    rows: usize,
    route: Option<&str>,
    terminal: Terminal,
    mut progress: Progress<'_>,
) -> Result<String, Unreadable> {
    let (graph, _) = heap_file::graph(file, &mut |path, taken, size| {
        progress.at(path, taken, size);
        true
    })?;
    let mut kept = watched(&graph, &Paths::new(&graph), usize::MAX);
    progress.done();
    kept.retain(|row| route.is_none() || row.route.as_deref() == route);
    kept.truncate(rows);
    if kept.is_empty() {
        let of = route.map(|route| format!(" of {route}")).unwrap_or_default();
        return Err(Unreadable(format!("no watched request{of} is kept in {}", file.display())));
    }
    Ok(if json { format!("{}\n", heap_file::json(&kept)) } else { text(&kept, terminal) })
}

/// Watched requests by route, each with what keeps it.
pub(crate) fn text(rows: &[Watched], terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let mut text = String::new();
    for row in rows {
        let route = row.route.as_deref().map_or_else(|| "(route redacted)".to_owned(), clean);
        let place = row.place().map(|place| format!(", {place}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {} of {}, such as @{} (as a leak: {}{})",
            paint.bold(&grouped(row.count)),
            paint.red(&route),
            row.id,
            row.kind,
            clean(&place)
        );
        text.push_str(&path_text(&row.retaining_path, terminal, &paint));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_told_with_its_number_and_what_keeps_it() {
        let row = Watched {
            count: 14,
            route: Some("GET /\u{1b}[2Ja".to_owned()),
            kind: "collection",
            package: None,
            file: Some("/srv/app/open.js".to_owned()),
            line: Some(4),
            function: Some("open".to_owned()),
            id: 77,
            retaining_path: vec!["module app/open.js".to_owned(), "context seen".to_owned()],
        };

        let text = text(&[row], Terminal { width: 100, color: false });

        assert_eq!(
            text,
            "  14 of GET /\u{fffd}[2Ja, such as @77 (as a leak: collection, app/open.js:4 open)\n      module app/open.js → context seen\n"
        );
    }
}
