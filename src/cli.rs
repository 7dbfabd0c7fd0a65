//! The command line, run inside the addon so that `npx leakprobe` needs no second download.

use crate::caught::caught;
use leakprobe_cli::Terminal;
use leakprobe_recorder::panics;
use napi_derive::napi;
use std::io::Write;

/// What a command printed.
#[napi(object, object_from_js = false)]
pub struct CliOutput {
    /// Exit code.
    pub code: i32,
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
}

/// Runs a command. `width` is the terminal's in columns; with `progress`, standard error is a terminal and gets the progress
/// of a long reading.
#[napi]
pub fn run_cli(args: Vec<String>, width: u32, color: bool, progress: bool) -> napi::Result<CliOutput> {
    panics::keep_quiet();
    caught(|| Ok(run(&args, width, color, progress)))
}

fn run(args: &[String], width: u32, color: bool, progress: bool) -> CliOutput {
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    let mut tell = |text: &str| {
        // A terminal that is gone needs no progress.
        let _ = std::io::stderr().write_all(text.as_bytes());
    };
    let output = leakprobe_cli::run(args, Terminal { width, color }, progress.then_some(&mut tell));
    CliOutput { code: output.code, stdout: output.stdout, stderr: output.stderr }
}
