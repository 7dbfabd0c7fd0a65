//! The command line: reads what the recorder wrote, and heap snapshots, and says it to people.
//!
//! # What this crate does not do
//!
//! It prints nothing and ends no process: arguments in, text and exit code out. The addon's `bin.js` does the rest; only
//! the progress of a long reading is handed out at once.

#![forbid(unsafe_code)]

mod analyze;
mod args;
mod diff;
mod doctor;
mod find;
mod heap_file;
mod help;
mod history;
mod html;
mod incidents;
mod locate;
mod memory_map;
mod path;
mod progress;
mod redact;
mod render;
mod replay;
mod report;
mod rules;
mod rules_file;
mod tagged;

pub use heap_file::{Unread, Watch, analyze_file, diff_files};
pub use progress::Tell;

use args::Command;
use leakprobe_heap_snapshot::Redaction;
use progress::Progress;
use std::fmt;
use std::path::Path;

/// The terminal that will show the text.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Columns.
    pub width: u16,
    /// Whether colour may be used.
    pub color: bool,
}

/// What a command says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Output {
    /// 0 done, 1 nothing found or unreadable, 2 wrong usage.
    pub code: i32,
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
}

/// Runs a command. `tell` gets the progress, where standard error is a terminal.
pub fn run(args: &[String], terminal: Terminal, tell: Tell<'_>) -> Output {
    if let Some(output) = replay::run(args, terminal)
        .or_else(|| rules::run(args, terminal))
        .or_else(|| html::run(args))
        .or_else(|| history::run(args, terminal))
    {
        return output;
    }
    let progress = Progress::new(tell);
    match args::parse(args) {
        Ok(Command::Say(text)) => Output { stdout: text, ..Output::default() },
        Ok(Command::Report { directory, json }) => answer(report::run(&directory, json, terminal)),
        Ok(Command::Incidents { directory, json }) => answer(incidents::run(&directory, json, terminal)),
        Ok(Command::Doctor { place, json }) => answer(doctor::run(&place, json, terminal)),
        Ok(Command::MemoryMap { place, json, svg }) => {
            answer(memory_map::run(&place, json, svg.as_deref(), terminal))
        }
        Ok(Command::Analyze { file, json, rows, output }) => {
            let text = analyze::run(&file, json, rows, terminal, progress);
            answer(text.and_then(|text| put(text, output.as_deref())))
        }
        Ok(Command::Diff { files, json, rows }) => answer(diff::run(&files, json, rows, terminal, progress)),
        Ok(Command::Path { file, json, rows, to }) => {
            answer(path::run(&file, json, rows, &to, terminal, progress))
        }
        Ok(Command::Tagged { file, json, rows, route }) => {
            answer(tagged::run(&file, json, rows, route.as_deref(), terminal, progress))
        }
        Ok(Command::Redact { from, to, json, numbers }) => {
            answer(redact::run(&from, &to, json, Redaction { numbers }, progress))
        }
        Err(wrong) => Output { code: 2, stderr: format!("leakprobe: {wrong}\n"), ..Output::default() },
    }
}

/// Into a file where one is named; nothing is left to print then.
fn put(text: String, output: Option<&Path>) -> Result<String, Unreadable> {
    let Some(path) = output else { return Ok(text) };
    redact::put(path, text.as_bytes()).map_err(|error| Unreadable(format!("{}: {error}", path.display())))?;
    Ok(String::new())
}

fn answer(result: Result<String, Unreadable>) -> Output {
    match result {
        Ok(stdout) => Output { stdout, ..Output::default() },
        Err(why) => Output { code: 1, stderr: format!("leakprobe: {why}\n"), ..Output::default() },
    }
}

/// Nothing there, or not what it should be.
#[derive(Debug)]
pub(crate) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
