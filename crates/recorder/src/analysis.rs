//! The analysis of a heap snapshot that has been written: by a process of its own, the command line with the lowest
//! priority, never in the app's.
//!
//! **Invariant:** at most one runs, within a time limit; it is ended with the recorder. `heap.analysis.json` appears whole, with
//! the analysis or with the reason why there is none.

use crate::{files, preflight};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The result's file in the incident's directory.
pub(crate) const ANALYSIS: &str = "heap.analysis.json";
/// The form of it.
const SCHEMA: &str = "leakprobe.heap-analysis/1";
/// Longest run: a file of 10 GB on a busy machine takes some minutes.
const LONGEST: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(50);
/// Memory as a share of the uncompressed file: at most 0.8, see docs/benchmarks.md.
const NEED_PERCENT: u64 = 85;
/// Node itself, bytes.
const NEED_NODE: u64 = 80 << 20;
/// Bytes of the command's error that are kept.
const LONGEST_ERROR: u64 = 500;

/// Runs one analysis after the other, and refuses while one runs.
#[derive(Debug, Default)]
pub(crate) struct Analyses {
    running: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Analyses {
    /// Begins the analysis of `snapshot`, of `bytes` uncompressed, with `command` in front of its arguments; nothing
    /// when there is no command.
    pub(crate) fn begin(&mut self, command: &[PathBuf], snapshot: &Path, bytes: u64, available: Option<u64>) {
        let Some((program, first)) = command.split_first() else { return };
        let output = snapshot.with_file_name(ANALYSIS);
        if self.running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return tell(&output, "refused", "the analysis of another heap snapshot is still running");
        }
        if let Some(why) = no_room(bytes, available) {
            return tell(&output, "refused", &why);
        }
        let mut process = Command::new(program);
        process.args(first).arg("analyze").arg(snapshot).arg("--json").arg("--output").arg(&output);
        // What starts a probe in the app must not start one there.
        process.env_remove("NODE_OPTIONS").env("LEAKPROBE_BACKGROUND", "1");
        process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let stop = Arc::clone(&self.stop);
        let work = move || match process.spawn() {
            Ok(child) => {
                if let Err(why) = wait(child, &stop) {
                    tell(&output, "failed", &why);
                }
            }
            Err(error) => tell(&output, "failed", &error.to_string()),
        };
        // Without a thread there is no analysis; the heap snapshot is there for another time.
        self.running = thread::Builder::new().name("leakprobe-analysis".to_owned()).spawn(work).ok();
    }

    /// Ends what runs.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.running.take() {
            // A panic there has told itself.
            let _ = thread.join();
        }
    }
}

fn no_room(bytes: u64, available: Option<u64>) -> Option<String> {
    let need = bytes / 100 * NEED_PERCENT + NEED_NODE;
    let room = preflight::room(available?);
    (need > room).then(|| format!("it needs {} MB, of which there are {}", need >> 20, room >> 20))
}

fn tell(output: &Path, state: &str, because: &str) {
    let text = json!({ "schema": SCHEMA, "state": state, "because": because });
    // A disk that fails shows in the incident itself.
    let _ = files::write(output, text.to_string().as_bytes());
}

fn wait(mut child: Child, stop: &AtomicBool) -> Result<(), String> {
    let deadline = Instant::now() + LONGEST;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if stop.load(Ordering::Relaxed) => return end(child, "the probe was stopped first"),
            Ok(None) if Instant::now() > deadline => return end(child, "it took more than ten minutes"),
            Ok(None) => thread::sleep(LOOK),
            Err(error) => return end(child, &error.to_string()),
        }
    };
    if status.success() { Ok(()) } else { Err(complaint(&mut child, status)) }
}

fn end(mut child: Child, why: &str) -> Result<(), String> {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
    Err(why.to_owned())
}

fn complaint(child: &mut Child, status: ExitStatus) -> String {
    let mut text = String::new();
    if let Some(stderr) = child.stderr.take() {
        // What cannot be read says no more than the status.
        let _ = stderr.take(LONGEST_ERROR).read_to_string(&mut text);
    }
    match text.lines().next() {
        Some(line) if !line.is_empty() => line.to_owned(),
        _ => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(command: &[&str], bytes: u64, available: Option<u64>) -> String {
        let directory = tempfile::tempdir().unwrap();
        let command: Vec<PathBuf> = command.iter().map(PathBuf::from).collect();
        let mut analyses = Analyses::default();
        analyses.begin(&command, &directory.path().join("heap.gz"), bytes, available);
        if let Some(thread) = analyses.running.take() {
            thread.join().unwrap();
        }
        std::fs::read_to_string(directory.path().join(ANALYSIS)).unwrap_or_default()
    }

    #[test]
    fn the_reason_why_there_is_none_is_kept() {
        let script = "echo at byte 7 >&2; exit 1";
        assert!(ran(&["/bin/sh", "-c", script], 1_000, None).contains(r#""because":"at byte 7","schema""#));
        assert!(ran(&["/nowhere/node"], 1_000, None).contains("No such file"));
        let refused = ran(&["/bin/true"], 1 << 30, Some(512 << 20));
        assert!(refused.contains("it needs 950 MB, of which there are 409"), "{refused}");
        assert_eq!(ran(&[], 1, None), "");
    }

    #[test]
    fn the_command_gets_the_file_and_where_the_answer_goes() {
        // $0 is what follows the script; then: analyze FILE --json --output OUT.
        let script = r#"[ "$1 $3 $4" = "analyze --json --output" ] && echo "$2" > "$5""#;
        assert!(ran(&["/bin/sh", "-c", script, "x"], 1_000, Some(1 << 30)).ends_with("/heap.gz\n"));
    }

    #[test]
    fn what_runs_is_ended_with_the_recorder() {
        let directory = tempfile::tempdir().unwrap();
        let mut analyses = Analyses::default();
        let command = ["/bin/sh", "-c", "exec sleep 300"].map(PathBuf::from);
        analyses.begin(&command, &directory.path().join("heap.gz"), 1, None);
        analyses.begin(&command, &directory.path().join("heap.gz"), 1, None);
        let busy = std::fs::read_to_string(directory.path().join(ANALYSIS)).unwrap();
        assert!(busy.contains("still running"), "{busy}");

        analyses.stop();

        let text = std::fs::read_to_string(directory.path().join(ANALYSIS)).unwrap();
        assert!(text.contains("the probe was stopped first"), "{text}");
    }
}
