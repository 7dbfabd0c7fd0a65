//! A line that says how far a long reading is; only on a terminal, and only after two seconds.

use crate::render::{bytes, digits, duration};
use std::path::Path;
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(2);
const APART: Duration = Duration::from_millis(200);
/// Back to the line's beginning, and the rest of it erased.
const CLEAR: &str = "\r\u{1b}[K";

/// Takes text for standard error at once, where that is a terminal.
pub type Tell<'a> = Option<&'a mut dyn FnMut(&str)>;

pub(crate) struct Progress<'a> {
    tell: Tell<'a>,
    start: Instant,
    /// The file that is being read, and since when.
    file: (std::path::PathBuf, Instant),
    last: Option<Instant>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(tell: Tell<'a>) -> Self {
        let start = Instant::now();
        Self { tell, start, file: (std::path::PathBuf::new(), start), last: None }
    }

    pub(crate) fn at(&mut self, path: &Path, taken: u64, size: Option<u64>) {
        let now = Instant::now();
        if self.file.0 != path {
            self.file = (path.to_path_buf(), now);
        }
        let soon = self.last.is_some_and(|last| now - last < APART);
        let Some(tell) = self.tell.as_mut().filter(|_| now - self.start >= QUIET && !soon) else { return };
        self.last = Some(now);
        tell(&format!("{CLEAR}{}", line(path, taken, size, now - self.file.1)));
    }

    /// After the reading comes work whose length is not known.
    pub(crate) fn done(&mut self) {
        if let (Some(tell), Some(_)) = (self.tell.as_mut(), self.last.take()) {
            tell(CLEAR);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn line(path: &Path, taken: u64, size: Option<u64>, time: Duration) -> String {
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let name = crate::render::clean(&name);
    match size.filter(|size| *size > 0) {
        Some(size) => {
            let share = (taken as f64 / size as f64).min(1.0);
            let left = time.as_secs_f64() * 1_000.0 * (1.0 - share) / share.max(1e-9);
            format!("{name}: {} %, {} left", digits(share * 100.0), duration(left))
        }
        None => format!("{name}: {}", bytes(taken as f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_share_and_time_left() {
        let line = |taken, size| line(Path::new("/a/heap\u{7}.gz"), taken, size, Duration::from_secs(3));
        assert_eq!(line(250, Some(1_000)), "heap\u{fffd}.gz: 25.0 %, 9.00 s left");
        assert_eq!(line(2_500_000, None), "heap\u{fffd}.gz: 2.50 MB");
    }
}
