//! A heap snapshot on its way to disk: V8 writes into a pipe, a thread counts, compresses and writes. A shadow's other
//! answers come through the same pipe before it.
//!
//! **Invariant:** the reading end is always drained to its end, also after a disk error: a writer that met a closed pipe
//! would abort the app.

use crate::answers::Answers;
use crate::files;
use flate2::Compression;
use flate2::write::GzEncoder;
use leakprobe_heap_snapshot::{Meter, Redaction, Summary, redact};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

/// Bytes read at a time; the pipe of the kernel holds 64 kB.
const CHUNK: usize = 64 << 10;

/// What became of it.
#[derive(Debug)]
pub(crate) struct Written {
    /// Nodes, edges, strings and bytes, or where the text stopped being a heap snapshot.
    pub(crate) summary: Result<Summary, String>,
    /// Size on disk, bytes; 0 where nothing whole came.
    pub(crate) compressed_bytes: u64,
    /// Without the contents of strings.
    pub(crate) redacted: bool,
    /// What a shadow said besides.
    pub(crate) answers: Answers,
}

/// Reads the answers of a shadow that was not asked for a heap snapshot, to the end of `source`.
pub(crate) fn answers(source: &mut dyn Read) -> io::Result<Written> {
    let mut answers = Answers::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                answers.take(chunk.get(..read).unwrap_or(&[]));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Written {
        summary: Err("none was asked for".to_owned()),
        compressed_bytes: 0,
        redacted: false,
        answers,
    })
}

/// Reads `source` to its end into `path`, gzipped, after what `answers` takes; redacted, if so, without the contents of strings.
/// Only a whole snapshot gets its name.
pub(crate) fn drain(
    source: &mut dyn Read,
    path: &Path,
    mut answers: Answers,
    redacted: bool,
) -> io::Result<Written> {
    let mut sink = Sink { meter: Meter::default(), target: None, fault: None };
    let mut temporary_path = None;
    match files::create_temporary(path) {
        Ok((file, temporary)) => {
            sink.target = Some(GzEncoder::new(file, Compression::fast()));
            temporary_path = Some(temporary);
        }
        Err(error) => sink.fault = Some(error),
    }
    let mut input = Input { source, answers: &mut answers, chunk: vec![0; CHUNK], held: 0..0 };
    let mut damage = None;
    if redacted {
        damage = redact(&mut input, &mut sink, Redaction::default(), &mut |_| true).err();
    }
    // What is left: all of it, or what a damaged heap snapshot ended with, which must be read, too.
    let copied = if damage.is_none() {
        io::copy(&mut input, &mut sink)
    } else {
        io::copy(&mut input, &mut io::sink())
    };
    let Sink { meter, target, fault } = sink;
    let fault = fault.or(copied.err());
    let (Some(encoder), Some(temporary)) = (target, temporary_path) else {
        return Err(fault.unwrap_or_else(|| io::Error::other("no file to write to")));
    };
    let summary = match damage {
        Some(damage) => Err(damage.to_string()),
        None => meter.finish().map_err(|error| error.to_string()),
    };
    let finished = match (fault, &summary) {
        (Some(error), _) => Err(error),
        (None, Ok(_)) => encoder.finish().and_then(|file| files::publish(&file, &temporary, path)),
        (None, Err(_)) => {
            // What cannot be removed is swept at the next start.
            let _ = fs::remove_file(&temporary);
            return Ok(Written { summary, compressed_bytes: 0, redacted, answers });
        }
    };
    if let Err(error) = finished {
        // The error that matters is the one above.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    let compressed_bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
    Ok(Written { summary, compressed_bytes, redacted, answers })
}

/// What comes through the pipe after the answers.
struct Input<'a> {
    source: &'a mut dyn Read,
    answers: &'a mut Answers,
    chunk: Vec<u8>,
    /// What of the chunk has not been taken yet.
    held: Range<usize>,
}

impl Read for Input<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.held.is_empty() {
            let read = match self.source.read(&mut self.chunk) {
                Ok(0) => return Ok(0),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let left = self.answers.take(self.chunk.get(..read).unwrap_or(&[])).len();
            self.held = read - left..read;
        }
        let held = self.chunk.get(self.held.clone()).unwrap_or(&[]);
        let count = held.len().min(into.len());
        if let (Some(into), Some(held)) = (into.get_mut(..count), held.get(..count)) {
            into.copy_from_slice(held);
        }
        self.held.start += count;
        Ok(count)
    }
}

/// Counts, compresses and writes. A disk that fails is noted and written to no more: what comes is taken all the same.
struct Sink {
    meter: Meter,
    target: Option<GzEncoder<File>>,
    fault: Option<io::Error>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.meter.push(bytes);
        if let Some(target) = self.target.as_mut().filter(|_| self.fault.is_none())
            && let Err(error) = target.write_all(bytes)
        {
            self.fault = Some(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;

    const TEXT: &[u8] = br#"{"snapshot":{"meta":{"node_fields":["type","name"],"edge_fields":["type"]},"node_count":2,"edge_count":1},"nodes":[0,1,2,3],"edges":[7],"strings":["a","b"]}"#;

    #[test]
    fn what_comes_through_a_pipe_is_on_disk_compressed_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heap.heapsnapshot.gz");
        let (mut reader, mut writer) = io::pipe().unwrap();
        let sender =
            std::thread::spawn(move || TEXT.chunks(7).for_each(|chunk| writer.write_all(chunk).unwrap()));

        let written = drain(&mut reader, &path, Answers::none(), false).unwrap();
        sender.join().unwrap();

        let mut back = Vec::new();
        GzDecoder::new(fs::File::open(&path).unwrap()).read_to_end(&mut back).unwrap();
        assert_eq!(back, TEXT);
        let summary = written.summary.unwrap();
        assert_eq!(
            (summary.node_count, summary.edge_count, summary.string_count, summary.counts_match),
            (2, 1, 2, true)
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_disk_that_fails_does_not_stop_the_draining() {
        let directory = tempfile::tempdir().unwrap();
        let mut source: &[u8] = TEXT;

        assert!(drain(&mut source, &directory.path().join("gone/heap.gz"), Answers::none(), false).is_err());
        assert!(source.is_empty(), "the writer must never meet a closed pipe");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_everything_is_read() {
        let big = vec![b'x'; 4 << 20];
        let mut source: &[u8] = &big;
        // /dev/full fails every write; the temporary name beside it cannot be made there, which is the same case.
        assert!(drain(&mut source, Path::new("/dev/full/heap.gz"), Answers::none(), false).is_err());
        assert!(source.is_empty());
    }

    #[test]
    fn a_snapshot_that_is_cut_gets_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut source: &[u8] = &TEXT[..40];

        let written = drain(&mut source, &directory.path().join("heap.gz"), Answers::none(), false).unwrap();

        assert!(written.summary.is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_shadow_answers_first_and_its_snapshot_follows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heap.gz");
        let text = [b"{\"stack\":\"at x\"}\n{\"heapSnapshot\":\"begins\"}\n", TEXT].concat();
        let mut source: &[u8] = &text;

        let written = drain(&mut source, &path, Answers::default(), false).unwrap();

        assert_eq!(written.answers.stack.as_deref(), Some("at x"));
        assert_eq!(written.summary.unwrap().bytes, TEXT.len() as u64);
    }

    #[test]
    fn a_redacted_one_is_whole_and_has_no_contents() {
        const SECRET: &[u8] = br#"{"snapshot":{"meta":{"node_fields":["type","name","id","self_size","edge_count"],"node_types":[["hidden","string","object"],"string","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property"],"string_or_number","node"]},"node_count":2,"edge_count":1},"nodes":[2,0,1,16,1,1,1,3,24,0],"edges":[2,2,5],"strings":["Order","the customer's secret","note"]}"#;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heap.gz");
        let text = [b"{\"stack\":\"at x\"}\n{\"heapSnapshot\":\"begins\"}\n", SECRET].concat();

        let written = drain(&mut text.as_slice(), &path, Answers::default(), true).unwrap();

        let mut back = String::new();
        GzDecoder::new(fs::File::open(&path).unwrap()).read_to_string(&mut back).unwrap();
        assert!(!back.contains("secret") && back.contains("Order") && back.contains("note"), "{back}");
        assert!(written.summary.unwrap().counts_match);
        assert_eq!(written.answers.stack.as_deref(), Some("at x"));
    }

    #[test]
    fn a_damaged_one_is_read_to_its_end_and_gets_no_name_redacted_too() {
        let directory = tempfile::tempdir().unwrap();
        let text = [&TEXT[..60], &vec![b'!'; 200_000]].concat();
        let mut source: &[u8] = &text;

        let written = drain(&mut source, &directory.path().join("heap.gz"), Answers::none(), true).unwrap();

        assert!(source.is_empty() && written.summary.is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
