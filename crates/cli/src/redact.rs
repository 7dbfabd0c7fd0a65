//! `leakprobe redact`: a copy of a heap snapshot without the contents of its strings.

use crate::Unreadable;
use crate::analyze::grouped;
use crate::heap_file::HeapFile;
use crate::progress::Progress;
use leakprobe_heap_snapshot::{ReadError, Redacted, Redaction, redact};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The form of the answer.
const SCHEMA: &str = "leakprobe.redaction/1";
/// Bytes written at a time.
const BLOCK: usize = 1 << 20;
/// zstd's level that is quick enough to keep up with the reading.
const LEVEL: i32 = 3;

pub(crate) fn run(
    from: &Path,
    to: &Path,
    json: bool,
    redaction: Redaction,
    mut progress: Progress<'_>,
) -> Result<String, Unreadable> {
    let mut file =
        HeapFile::open(from).map_err(|error| Unreadable(format!("{}: {error}", from.display())))?;
    let temporary = temporary(to);
    let result = write(&mut file, from, &temporary, to, redaction, &mut progress);
    progress.done();
    let told = match result {
        Ok(told) => told,
        Err(why) => {
            // The error that matters is the one above; there may be no file yet.
            let _ = std::fs::remove_file(&temporary);
            return Err(why);
        }
    };
    std::fs::rename(&temporary, to).map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        Unreadable(format!("{}: {error}", to.display()))
    })?;
    if json {
        let told = json!({
            "schema": SCHEMA, "file": to, "strings": told.strings, "redacted": told.redacted,
            "numbers": redaction.numbers,
        });
        return Ok(format!("{told}\n"));
    }
    Ok(format!(
        "{}: {} of {} strings have lost their content\n",
        to.display(),
        grouped(told.redacted),
        grouped(told.strings)
    ))
}

/// A whole small file, under its name only when it is whole.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let written =
        create(&temporary).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| std::fs::rename(&temporary, path)).inspect_err(|_| {
        // The error that matters is this one.
        let _ = std::fs::remove_file(&temporary);
    })
}

fn temporary(to: &Path) -> PathBuf {
    let name = to.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    to.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn write(
    file: &mut HeapFile,
    from: &Path,
    temporary: &Path,
    to: &Path,
    redaction: Redaction,
    progress: &mut Progress<'_>,
) -> Result<Redacted, Unreadable> {
    let unwritten = |error: io::Error| Unreadable(format!("{}: {error}", to.display()));
    let target = BufWriter::with_capacity(BLOCK, create(temporary).map_err(unwritten)?);
    let extension = to.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    let mut run = |target: &mut dyn Write| {
        let (taken, size) = (file.taken(), file.size());
        let mut watch = |_: u64| {
            progress.at(from, taken.load(std::sync::atomic::Ordering::Relaxed), size);
            true
        };
        redact(&mut file.reader, target, redaction, &mut watch).map_err(|why| match why {
            ReadError::Output(error) => unwritten(error),
            why => Unreadable(format!("{}: {why}", from.display())),
        })
    };
    match extension {
        "gz" => {
            let mut encoder = flate2::write::GzEncoder::new(target, flate2::Compression::fast());
            let told = run(&mut encoder)?;
            encoder.finish().and_then(|mut target| target.flush()).map_err(unwritten)?;
            Ok(told)
        }
        "zst" => {
            let mut encoder = zstd::stream::write::Encoder::new(target, LEVEL).map_err(unwritten)?;
            let told = run(&mut encoder)?;
            encoder.finish().and_then(|mut target| target.flush()).map_err(unwritten)?;
            Ok(told)
        }
        _ => {
            let mut target = target;
            run(&mut target)
        }
    }
}

/// Only its owner may read it: what is redacted is still a map of a program.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
