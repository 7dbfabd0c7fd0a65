//! The analysis of a heap snapshot that has been written: by a process of its own, the command line with the lowest
//! priority, never in the app's.
//!
//! **Invariant:** at most one runs, within a time limit; it is ended with the recorder. Each that was begun is told, with the
//! analysis or with the reason why there is none.

use crate::preflight;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The form of an analysis.
const SCHEMA: &str = "leakprobe.heap-analysis/1";
/// Longest run: a file of 10 GB on a busy machine takes some minutes.
const LONGEST: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(50);
/// Memory as a share of the uncompressed file: at most 0.8, see docs/benchmarks.md.
const NEED_PERCENT: u64 = 85;
/// Node itself, bytes.
const NEED_NODE: u64 = 80 << 20;
/// Bytes of an analysis that are taken: one has some hundred thousand.
const LONGEST_ANSWER: u64 = 16 << 20;
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
    /// when there is no command. `done` gets the answer, now or on the analysis's thread.
    pub(crate) fn begin(
        &mut self,
        command: &[PathBuf],
        snapshot: &Path,
        bytes: u64,
        available: Option<u64>,
        done: impl FnOnce(Value) + Send + 'static,
    ) {
        let Some((program, first)) = command.split_first() else { return };
        if self.running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return done(none("refused", "the analysis of another heap snapshot is still running"));
        }
        if let Some(why) = no_room(bytes, available) {
            return done(none("refused", &why));
        }
        let mut process = Command::new(program);
        process.args(first).arg("analyze").arg(snapshot).arg("--json");
        // What starts a probe in the app must not start one there.
        process.env_remove("NODE_OPTIONS").env("LEAKPROBE_BACKGROUND", "1");
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let stop = Arc::clone(&self.stop);
        let work = move || {
            let answer =
                process.spawn().map_err(|error| error.to_string()).and_then(|child| wait(child, &stop));
            done(answer.unwrap_or_else(|why| none("failed", &why)));
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

fn none(state: &str, because: &str) -> Value {
    json!({ "schema": SCHEMA, "state": state, "because": because })
}

fn wait(mut child: Child, stop: &AtomicBool) -> Result<Value, String> {
    // Read beside the waiting, for a full pipe would keep the child from its end.
    let stdout = child.stdout.take();
    let reader = thread::Builder::new().name("leakprobe-answer".to_owned()).spawn(move || {
        let mut text = Vec::new();
        stdout.map_or(Ok(0), |stdout| stdout.take(LONGEST_ANSWER).read_to_end(&mut text)).map(|_| text)
    });
    let reader = match reader {
        Ok(reader) => reader,
        Err(error) => return Err(end(&mut child, &error.to_string())),
    };
    let ended = ended(&mut child, stop);
    // The pipe has ended with the child.
    let answer = reader.join();
    let status = ended?;
    if !status.success() {
        return Err(complaint(&mut child, status));
    }
    match answer {
        Ok(Ok(text)) => serde_json::from_slice(&text).map_err(|error| format!("its answer: {error}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its answer was not read".to_owned()),
    }
}

/// How the child has ended; `Err` says why it was ended.
fn ended(child: &mut Child, stop: &AtomicBool) -> Result<ExitStatus, String> {
    let deadline = Instant::now() + LONGEST;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if stop.load(Ordering::Relaxed) => {
                return Err(end(child, "the probe was stopped first"));
            }
            Ok(None) if Instant::now() > deadline => return Err(end(child, "it took more than ten minutes")),
            Ok(None) => thread::sleep(LOOK),
            Err(error) => return Err(end(child, &error.to_string())),
        }
    }
}

fn end(child: &mut Child, why: &str) -> String {
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
    why.to_owned()
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
    use std::sync::mpsc::{Receiver, channel};

    fn begun(
        analyses: &mut Analyses,
        command: &[&str],
        bytes: u64,
        available: Option<u64>,
    ) -> Receiver<Value> {
        let command: Vec<PathBuf> = command.iter().map(PathBuf::from).collect();
        let (sender, answers) = channel();
        let done = move |answer| sender.send(answer).unwrap();
        analyses.begin(&command, Path::new("/incident/heap.gz"), bytes, available, done);
        answers
    }

    fn ran(command: &[&str], bytes: u64, available: Option<u64>) -> String {
        let answers = begun(&mut Analyses::default(), command, bytes, available);
        answers.recv().map(|answer| answer.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_reason_why_there_is_none_is_told() {
        let script = "echo at byte 7 >&2; exit 1";
        assert!(ran(&["/bin/sh", "-c", script], 1_000, None).contains(r#""because":"at byte 7","schema""#));
        assert!(ran(&["/nowhere/node"], 1_000, None).contains("No such file"));
        assert!(ran(&["/bin/sh", "-c", "echo nonsense"], 1_000, None).contains("its answer: expected"));
        let refused = ran(&["/bin/true"], 1 << 30, Some(512 << 20));
        assert!(refused.contains("it needs 950 MB, of which there are 409"), "{refused}");
        assert_eq!(ran(&[], 1, None), "");
    }

    #[test]
    fn the_command_gets_the_file_and_its_answer_is_taken() {
        // $0 is what follows the script; then: analyze FILE --json.
        let script = r#"[ "$1 $3" = "analyze --json" ] && printf '{"of":"%s"}' "$2""#;
        let told = ran(&["/bin/sh", "-c", script, "x"], 1_000, Some(1 << 30));
        assert_eq!(told, r#"{"of":"/incident/heap.gz"}"#);
    }

    #[test]
    fn what_runs_is_ended_with_the_recorder() {
        let mut analyses = Analyses::default();
        let command = ["/bin/sh", "-c", "exec sleep 300"];
        let first = begun(&mut analyses, &command, 1, None);
        let second = begun(&mut analyses, &command, 1, None).recv().unwrap();
        assert!(second["because"].as_str().unwrap().contains("still running"), "{second}");

        analyses.stop();

        assert_eq!(first.recv().unwrap()["because"], "the probe was stopped first");
    }
}
