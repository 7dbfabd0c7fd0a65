//! A heap snapshot's file, plain or compressed, or standard input; and its answers as JSON.
//!
//! Decompression runs on a thread of its own, beside the parser.

use leakprobe_heap_snapshot::{Comparison, Graph, ReadError, Warning, analyze, read};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

/// Bytes of a block on its way from the decompression to the parser, and how many may wait.
const BLOCK: usize = 1 << 20;
const WAITING: usize = 4;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Told how far the reading of which file is: bytes on disk, of how many if known. `false` cancels.
pub type Watch<'a> = &'a mut dyn FnMut(&Path, u64, Option<u64>) -> bool;

/// A heap snapshot could not be read.
#[derive(Debug)]
pub struct Unread {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: ReadError,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

/// A file opened for reading, decompressed as its first bytes say.
pub(crate) struct HeapFile {
    pub(crate) reader: Box<dyn Read>,
    /// Bytes taken from the disk.
    taken: Arc<AtomicU64>,
    size: Option<u64>,
}

impl HeapFile {
    /// `-` is standard input.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let taken = Arc::new(AtomicU64::new(0));
        let (mut source, size): (Box<dyn Read + Send>, Option<u64>) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::other("a directory; expected a heap snapshot"));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        let mut start = Vec::new();
        source.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
        let packed =
            Counted { source: io::Cursor::new(start.clone()).chain(source), taken: Arc::clone(&taken) };
        let reader: Box<dyn Read> = if start.starts_with(&GZIP) {
            Box::new(Piped::new(|| {
                Ok(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(BLOCK, packed)))
            })?)
        } else if start == ZSTD {
            Box::new(Piped::new(|| zstd::stream::read::Decoder::new(packed))?)
        } else {
            Box::new(packed)
        };
        Ok(Self { reader, taken, size })
    }

    /// Bytes taken from the disk so far.
    pub(crate) fn taken(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.taken)
    }

    /// The file's length, where it is one.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }
}

/// Reads a heap snapshot into its graph.
pub(crate) fn graph(path: &Path, watch: Watch<'_>) -> Result<(Graph, Vec<Warning>), Unread> {
    let unread = |why| Unread { path: path.to_path_buf(), why };
    let HeapFile { mut reader, taken, size } =
        HeapFile::open(path).map_err(|error| unread(ReadError::Input(error)))?;
    read(&mut reader, &mut |_| watch(path, taken.load(Ordering::Relaxed), size)).map_err(unread)
}

/// The analysis of a file as JSON (`leakprobe.heap-analysis/1`); lists have at most `most` entries.
///
/// Takes about a second for 200 MB and 0.8 times the file in memory.
pub fn analyze_file(path: &Path, most: usize, watch: Watch<'_>) -> Result<String, Unread> {
    let (graph, warnings) = graph(path, watch)?;
    Ok(json(&analyze(&graph, &warnings, most)))
}

/// The growth from the first of two or more files to the last as JSON (`leakprobe.diff/1`).
pub fn diff_files(paths: &[PathBuf], most: usize, watch: Watch<'_>) -> Result<String, Unread> {
    Ok(json(&diff(paths, most, watch)?))
}

pub(crate) fn diff(
    paths: &[PathBuf],
    most: usize,
    watch: Watch<'_>,
) -> Result<leakprobe_heap_snapshot::Diff, Unread> {
    let mut comparison = Comparison::default();
    let Some((last, before)) = paths.split_last() else {
        let why = ReadError::Input(io::Error::other("no file"));
        return Err(Unread { path: PathBuf::new(), why });
    };
    for path in before {
        let (graph, warnings) = graph(path, watch)?;
        comparison.before(&graph, &warnings);
    }
    let (graph, warnings) = graph(last, watch)?;
    Ok(comparison.last(&graph, &warnings, most))
}

pub(crate) fn json(value: &impl serde::Serialize) -> String {
    // Plain values with string keys: there is nothing in them that JSON cannot say.
    serde_json::to_string(value).unwrap_or_default()
}

struct Counted<R> {
    source: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Reads ahead on a thread, which ends when this is dropped.
struct Piped {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: io::Cursor<Vec<u8>>,
}

impl Piped {
    fn new<R: Read + Send + 'static>(open: impl FnOnce() -> io::Result<R>) -> io::Result<Self> {
        let mut source = open()?;
        let (sender, blocks) = sync_channel(WAITING);
        let work = move || {
            loop {
                let mut block = Vec::with_capacity(BLOCK);
                let read = source.by_ref().take(BLOCK as u64).read_to_end(&mut block);
                let last = !matches!(read, Ok(1..));
                if last && read.is_ok() {
                    return;
                }
                // What was read before an error is of use to no one: the text is not whole.
                if sender.send(read.map(|_| block)).is_err() || last {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("leakprobe-unpack".to_owned()).spawn(work)?;
        Ok(Self { blocks, block: io::Cursor::default() })
    }
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.block.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.blocks.recv() {
                Ok(block) => self.block = io::Cursor::new(block?),
                Err(_) => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakprobe_heap_snapshot::EdgeKind;
    use leakprobe_heap_snapshot::testing::SnapshotBuilder;
    use std::io::Write;

    fn text() -> Vec<u8> {
        let mut heap = SnapshotBuilder::new();
        let map = heap.node("object", "Map", 32);
        heap.edge(heap.root(), EdgeKind::Property, "cache", map);
        heap.json().into_bytes()
    }

    fn packed(name: &str) -> Vec<u8> {
        match name {
            "gz" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&text()).unwrap();
                encoder.finish().unwrap()
            }
            "zst" => zstd::encode_all(&*text(), 1).unwrap(),
            _ => text(),
        }
    }

    #[test]
    fn plain_gzip_and_zstd_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["plain", "gz", "zst"] {
            let path = directory.path().join(name);
            std::fs::write(&path, packed(name)).unwrap();
            let mut last = (0, None);

            let (graph, warnings) = graph(&path, &mut |_, taken, size| {
                last = (taken, size);
                true
            })
            .unwrap();

            assert_eq!((graph.node_count(), warnings.len()), (2, 0), "{name}");
            assert_eq!(Some(last.0), last.1, "{name}: all bytes of the file were taken");
        }
    }

    #[test]
    fn a_cut_compressed_file_is_an_error_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["gz", "zst"] {
            let path = directory.path().join(name);
            let whole = packed(name);
            std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();

            let error = analyze_file(&path, 10, &mut |_, _, _| true).unwrap_err();

            assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
        }
        let error = analyze_file(Path::new("/nowhere/x"), 10, &mut |_, _, _| true).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/x: No such file or directory (os error 2)");
    }
}
