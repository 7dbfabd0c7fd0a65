//! The command line: reads what the recorder wrote and says it to people.
//!
//! # What this crate does not do
//!
//! It prints nothing and ends no process: arguments in, text and exit code out. The addon's `bin.js` does the rest.

#![forbid(unsafe_code)]

mod args;
mod find;
mod incidents;
mod render;
mod report;

use std::fmt;

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

/// Runs a command.
pub fn run(args: &[String], terminal: Terminal) -> Output {
    match args::parse(args) {
        Ok(args::Command::Say(text)) => Output { stdout: text, ..Output::default() },
        Ok(args::Command::Report { directory, json }) => answer(report::run(&directory, json, terminal)),
        Ok(args::Command::Incidents { directory, json }) => {
            answer(incidents::run(&directory, json, terminal))
        }
        Err(wrong) => Output { code: 2, stderr: format!("leakprobe: {wrong}\n"), ..Output::default() },
    }
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
