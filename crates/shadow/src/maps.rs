//! The process's memory areas as `/proc/self/maps` and `smaps` list them, read line by line without allocation.

use std::fs::File;
use std::io::{self, Read, Seek};

/// An area of addresses, from (included) to (excluded).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Area {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// What V8 may have marked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Shared, a file's, malloc's own heap, or a stack: not V8's.
    Foreign,
    /// Private memory without a file.
    Memory,
    /// The same that nobody may touch: a guard, or room kept free.
    Reserved,
}

/// More than any line takes: a path of 4 096 bytes, each escaped.
const ROOM: usize = 64 << 10;

/// A file of the kernel's, opened once: reading it again needs no descriptor and no memory.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
    buffer: Box<[u8]>,
}

impl Lines {
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, buffer: vec![0; ROOM].into_boxed_slice() })
    }

    /// Calls `each` with every line from the beginning, until it returns `false`.
    pub(crate) fn read(&mut self, mut each: impl FnMut(&str) -> bool) -> io::Result<()> {
        self.file.rewind()?;
        let mut kept = 0;
        loop {
            let read = match self.file.read(self.buffer.get_mut(kept..).unwrap_or(&mut [])) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let filled = self.buffer.get(..kept + read).unwrap_or(&[]);
            let whole = filled.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            for line in filled.get(..whole).unwrap_or(&[]).split(|byte| *byte == b'\n') {
                if !each(text(line)) {
                    return Ok(());
                }
            }
            // A line without end is nothing of the kernel's; it is left out.
            let rest = whole..if whole == 0 && filled.len() == ROOM { 0 } else { filled.len() };
            kept = rest.len();
            self.buffer.copy_within(rest, 0);
        }
    }
}

/// Up to the first byte that is no UTF-8: only a file's name can hold one, and it comes last in a line.
fn text(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The area that `from-to permissions offset device inode [path]` begins, `None` for any other line.
pub(crate) fn header(line: &str) -> Option<(Area, Kind)> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let area = Area { from: usize::from_str_radix(from, 16).ok()?, to: usize::from_str_radix(to, 16).ok()? };
    let permissions = words.next().filter(|permissions| permissions.len() == 4)?;
    // A name that was given to an anonymous area (`PR_SET_VMA_ANON_NAME`) changes nothing.
    let anonymous = words.nth(3).is_none_or(|path| path.starts_with("[anon:"));
    let kind = match (anonymous && permissions.ends_with('p'), permissions) {
        (false, _) => Kind::Foreign,
        (true, "---p") => Kind::Reserved,
        (true, _) => Kind::Memory,
    };
    (area.from < area.to).then_some((area, kind))
}

/// Whether a line of smaps tells of a mark `MADV_DONTFORK`, device memory left out; `None` for any other line.
fn mark(line: &str) -> Option<bool> {
    let flags = line.strip_prefix("VmFlags:")?;
    let has = |wanted| flags.split_ascii_whitespace().any(|flag| flag == wanted);
    Some(has("dc") && !has("io"))
}

/// Sorts the areas of smaps by what is known of their marks.
pub(crate) struct Smaps<'a> {
    /// Marked, and not private memory without a file.
    others: &'a mut Vec<Area>,
    /// Private memory without a file, with its mark.
    known: &'a mut Vec<(Area, bool)>,
    current: Option<(Area, Kind)>,
}

impl<'a> Smaps<'a> {
    pub(crate) fn new(others: &'a mut Vec<Area>, known: &'a mut Vec<(Area, bool)>) -> Self {
        Self { others, known, current: None }
    }

    pub(crate) fn take(&mut self, line: &str) {
        if let Some(marked) = mark(line) {
            match self.current {
                Some((area, Kind::Foreign)) if marked => self.others.push(area),
                Some((_, Kind::Foreign)) | None => {}
                Some((area, _)) => self.known.push((area, marked)),
            }
        } else if let Some(found) = header(line) {
            self.current = Some(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const SMAPS: &str = "\
00400000-00401000 r--p 00000000 08:01 131 /usr/bin/node
VmFlags: rd mr mw me
1000000000-1000040000 rw-p 00000000 00:00 0
Rss:                 256 kB
VmFlags: rd wr mr mw me ac dc
1000040000-1000050000 ---p 00000000 00:00 0
VmFlags: mr mw me dc
2000000000-2000040000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me ac
6f0000000000-6f0000001000 rw-s 00000000 00:05 7 /memfd:x
VmFlags: rd wr sh mr mw me ms dc
7f0000000000-7f0000001000 rw-s 00000000 00:05 9 /dev/mem
VmFlags: rd wr sh mr mw me ms dc io
";

    fn lines_of(text: &[u8]) -> Vec<String> {
        let (mut reader, mut file) = (Vec::new(), tempfile());
        file.write_all(text).unwrap();
        let mut lines = Lines { file, buffer: vec![0; ROOM].into_boxed_slice() };
        for _ in 0..2 {
            reader.clear();
            lines
                .read(|line| {
                    reader.push(line.to_owned());
                    true
                })
                .unwrap();
        }
        reader.retain(|line| !line.is_empty());
        reader
    }

    fn tempfile() -> File {
        // SAFETY: makes an unnamed file in memory by a literal name.
        let fd = unsafe { libc::memfd_create(c"lines".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: just made, and owned by nobody else.
        unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) }
    }

    #[test]
    fn lines_come_whole_wherever_they_are_cut() {
        let text = (0..20_000).map(|i| format!("line {i}\n").into_bytes()).collect::<Vec<_>>().concat();
        let lines = lines_of(&text);
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (20_000, Some("line 19999")));
    }

    #[test]
    fn a_line_without_end_is_left_out_and_bytes_that_are_no_text_end_theirs() {
        let text = [vec![b'x'; 3 * ROOM], b"\nabc \xff def\nlast\n".to_vec()].concat();
        let lines = lines_of(&text);
        assert_eq!(lines.iter().rev().take(2).map(String::as_str).collect::<Vec<_>>(), ["last", "abc "]);
        assert!(lines.len() <= 3);
    }

    #[test]
    fn reading_ends_when_nobody_wants_more() {
        let mut lines = Lines::open("/proc/self/maps").unwrap();
        let mut seen = 0;
        lines
            .read(|_| {
                seen += 1;
                seen < 3
            })
            .unwrap();
        assert_eq!(seen, 3);
    }

    #[test]
    fn what_v8_may_have_marked_is_told_apart() {
        let may = |line| header(line).map(|(_, kind)| kind);
        assert_eq!(may("1000-2000 rw-p 00000000 00:00 0"), Some(Kind::Memory));
        assert_eq!(may("1000-2000 ---p 00000000 00:00 0"), Some(Kind::Reserved));
        assert_eq!(may("1000-2000 rwxp 00000000 00:00 0 [anon:v8]"), Some(Kind::Memory));
        assert_eq!(may("1000-2000 rw-s 00000000 00:00 0"), Some(Kind::Foreign));
        assert_eq!(may("1000-2000 rw-p 00000000 08:01 131 /usr/bin/node"), Some(Kind::Foreign));
        assert_eq!(may("1000-2000 rw-p 00000000 00:00 0 [heap]"), Some(Kind::Foreign));
        for nonsense in ["", "VmFlags: dc", "zz-yy rw-p", "10-5 rw-p", "5-10", "Rss: 5 kB"] {
            assert_eq!(may(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn marks_are_read_but_for_device_memory() {
        assert_eq!(mark("VmFlags: rd wr mr mw me ac dc"), Some(true));
        assert_eq!(mark("VmFlags: rd wr sh mr mw me ms dc io"), Some(false));
        assert_eq!(mark("VmFlags: rd wr mr mw me ac"), Some(false));
        assert_eq!(mark("Size:  4 kB"), None);
    }

    fn parse() -> (Vec<Area>, Vec<(Area, bool)>) {
        let (mut others, mut known) = (vec![], vec![]);
        let mut parser = Smaps::new(&mut others, &mut known);
        SMAPS.lines().for_each(|line| parser.take(line));
        (others, known)
    }

    fn area(from: usize, to: usize) -> Area {
        Area { from, to }
    }

    #[test]
    fn areas_with_the_mark_are_found_but_for_device_memory() {
        let (others, known) = parse();

        assert_eq!(others, [area(0x6f00_0000_0000, 0x6f00_0000_1000)]);
        assert_eq!(
            known,
            [
                (area(0x10_0000_0000, 0x10_0000_0000 + 0x40000), true),
                (area(0x10_0000_0000 + 0x40000, 0x10_0000_0000 + 0x50000), true),
                (area(0x20_0000_0000, 0x20_0000_0000 + 0x40000), false)
            ]
        );
    }
}
