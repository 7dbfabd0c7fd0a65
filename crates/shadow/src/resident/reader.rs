//! Read from `/proc/self/smaps`.
//!
//! V8's mappings are told by the mark that it puts on them (see [`crate::areas`]), stacks by the stack pointers of the threads, which the
//! kernel tells of those that wait in it. Costs as much as reading smaps: see there.

use super::Resident;
use crate::maps::{Area, Lines};
use std::fs;
use std::io;

/// Reads it; the files stay open.
#[derive(Debug)]
pub struct ResidentReader {
    smaps: Lines,
    stacks: Vec<usize>,
}

/// Threads whose stacks are looked for, at most.
const THREADS: usize = 256;

impl ResidentReader {
    /// Fails where there is no `/proc`, or one that tells nothing.
    pub fn open() -> io::Result<Self> {
        Ok(Self { smaps: Lines::open("/proc/self/smaps")?, stacks: Vec::new() })
    }

    /// Reads all mappings. Some 3 ms for a process of 100 MB, and 25 ms per GB of resident memory; not on the app thread.
    pub fn read(&mut self) -> io::Result<Resident> {
        self.find_stacks();
        let mut sums = Sums { stacks: &self.stacks, ..Sums::default() };
        self.smaps.read(|line| {
            sums.take(line);
            true
        })?;
        sums.close();
        Ok(sums.resident)
    }

    fn find_stacks(&mut self) {
        self.stacks.clear();
        let Ok(threads) = fs::read_dir("/proc/self/task") else { return };
        for thread in threads.flatten().take(THREADS) {
            let text = fs::read_to_string(thread.path().join("syscall"));
            self.stacks.extend(text.ok().as_deref().and_then(stack_pointer));
        }
    }
}

/// From `number six-arguments stack-pointer program-counter`; `None` for a thread that runs.
fn stack_pointer(text: &str) -> Option<usize> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [.., pointer, _] = words.as_slice() else { return None };
    usize::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Kind {
    Anonymous,
    Malloc,
    Stack,
    File,
    #[default]
    Other,
}

#[derive(Default)]
struct Sums<'a> {
    stacks: &'a [usize],
    resident: Resident,
    kind: Kind,
    rss: u64,
    marked: bool,
}

impl Sums<'_> {
    fn take(&mut self, line: &str) {
        if let Some(rss) = line.strip_prefix("Rss:") {
            let kilobytes =
                rss.trim().strip_suffix("kB").and_then(|number| number.trim().parse::<u64>().ok());
            self.rss = kilobytes.unwrap_or(0) * 1024;
        } else if let Some(flags) = line.strip_prefix("VmFlags:") {
            self.marked = flags.split_ascii_whitespace().any(|flag| flag == "dc");
        } else if let Some((area, kind)) = header(line) {
            self.close();
            let on_it = |pointer: &usize| area.from <= *pointer && *pointer < area.to;
            let stack = kind == Kind::Anonymous && self.stacks.iter().any(on_it);
            self.kind = if stack { Kind::Stack } else { kind };
        }
    }

    /// Counts the mapping that ends here.
    fn close(&mut self) {
        let resident = &mut self.resident;
        let sum = match self.kind {
            Kind::Anonymous if self.marked => &mut resident.v8,
            Kind::Anonymous | Kind::Malloc => &mut resident.native,
            Kind::Stack => &mut resident.stacks,
            Kind::File => &mut resident.files,
            Kind::Other => &mut resident.other,
        };
        *sum += self.rss;
        (self.rss, self.marked) = (0, false);
    }
}

/// The mapping that `from-to permissions offset device inode [path]` begins, `None` for any other line.
fn header(line: &str) -> Option<(Area, Kind)> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let area = Area { from: usize::from_str_radix(from, 16).ok()?, to: usize::from_str_radix(to, 16).ok()? };
    let permissions = words.next().filter(|permissions| permissions.len() == 4)?;
    let inode = words.nth(2)?;
    let kind = match words.next() {
        _ if inode != "0" || permissions.ends_with('s') => Kind::File,
        None => Kind::Anonymous,
        Some("[heap]") => Kind::Malloc,
        Some("[stack]") => Kind::Stack,
        Some(path) if path.starts_with("[anon:") => Kind::Anonymous,
        Some(path) if path.starts_with('/') => Kind::File,
        Some(_) => Kind::Other,
    };
    Some((area, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
00400000-00401000 r--p 00000000 08:01 131 /usr/bin/node
Rss:                   4 kB
VmFlags: rd mr mw me
01000000-02000000 rw-p 00000000 00:00 0 [heap]
Rss:                 100 kB
VmFlags: rd wr mr mw me ac
1000000000-1000040000 rw-p 00000000 00:00 0
Rss:                 256 kB
VmFlags: rd wr mr mw me ac dc
2000000000-2000040000 rw-p 00000000 00:00 0
Rss:                  16 kB
VmFlags: rd wr mr mw me ac nr
3000000000-3000040000 rw-p 00000000 00:00 0 [anon:arena]
Rss:                  32 kB
VmFlags: rd wr mr mw me ac
6f0000000000-6f0000001000 rw-s 00000000 00:05 7 /memfd:x (deleted)
Rss:                   8 kB
VmFlags: rd wr sh mr mw me ms dc
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
Rss:                  64 kB
VmFlags: rd wr mr mw me gd ac
7ffd10000000-7ffd10001000 r-xp 00000000 00:00 0 [vdso]
Rss:                   4 kB
VmFlags: rd ex mr mw me de
";

    #[test]
    fn mappings_are_told_by_kind() {
        let mut sums = Sums { stacks: &[0x20_0000_0800], ..Sums::default() };
        SMAPS.lines().for_each(|line| sums.take(line));
        sums.close();
        let kb = 1024;
        let expected =
            Resident { v8: 256 * kb, native: 132 * kb, stacks: 80 * kb, files: 12 * kb, other: 4 * kb };
        assert_eq!(sums.resident, expected);
    }

    #[test]
    fn a_stack_pointer_is_read_of_threads_that_wait() {
        let waits = "202 0x7f 0x189 0x0 0x0 0x0 0xffffffff 0x7ffda065cf28 0x7fce52c422ad\n";
        assert_eq!(stack_pointer(waits), Some(0x7ffd_a065_cf28));
        assert_eq!(stack_pointer("-1 0x7ffe 0x7ffa\n"), Some(0x7ffe));
        assert_eq!(stack_pointer("running\n"), None);
        assert_eq!(stack_pointer(""), None);
    }

    #[test]
    fn this_process_has_a_stack_files_and_memory() {
        let block = std::hint::black_box(vec![1_u8; 32 << 20]);
        let resident = ResidentReader::open().unwrap().read().unwrap();
        assert!(resident.native >= block.len() as u64, "{resident:?}");
        assert!(resident.stacks > 0 && resident.files > 0, "{resident:?}");
    }
}
