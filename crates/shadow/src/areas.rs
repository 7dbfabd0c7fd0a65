//! The memory areas that V8 keeps out of a fork, and lifting that for the length of one fork.
//!
//! V8 marks its pages `MADV_DONTFORK` (`dc` in `VmFlags` of `/proc/self/smaps`), so a plain fork gives a child
//! without a heap. Reading smaps walks page tables, about 25 ms per GB of resident memory: it is done beforehand, on
//! another thread. Just before the fork `/proc/self/maps`, which walks nothing, tells whether the areas are the same.

use std::fs::File;
use std::io::{self, Read};

/// An area of addresses, from (included) to (excluded).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Area {
    from: usize,
    to: usize,
}

/// The areas marked `MADV_DONTFORK`, and what the whole map looked like when they were read.
#[derive(Debug, Default)]
pub(crate) struct Areas {
    dont_fork: Vec<Area>,
    writable: Vec<Area>,
    /// Room for the kernel's text, made before it is read: an allocation in between would change the map.
    text: Vec<u8>,
}

/// More than an entry of smaps takes, bytes.
const SMAPS_ENTRY: usize = 1_100;

impl Areas {
    /// Reads smaps. Off the app thread.
    pub(crate) fn read() -> io::Result<Self> {
        let mut areas = Self::default();
        read_into(&mut areas.text, "/proc/self/maps")?;
        let count = text(&areas.text).lines().count() + 64;
        areas.text.reserve_exact(count * SMAPS_ENTRY);
        areas.writable.reserve_exact(count);
        areas.dont_fork.reserve_exact(count);
        areas.read_again()?;
        Ok(areas)
    }

    /// Reads smaps again, into the room there is.
    pub(crate) fn read_again(&mut self) -> io::Result<()> {
        read_into(&mut self.text, "/proc/self/smaps")?;
        self.writable.clear();
        self.dont_fork.clear();
        parse_smaps(text(&self.text), &mut self.dont_fork, &mut self.writable);
        Ok(())
    }

    /// Whether the process still has exactly these private writable areas: then the marks are taken to be unchanged.
    ///
    /// A new or grown area may carry a mark that is not known here; a child would crash on it.
    pub(crate) fn still_hold(&mut self) -> io::Result<bool> {
        read_into(&mut self.text, "/proc/self/maps")?;
        Ok(same_writable(&self.writable, text(&self.text)))
    }

    /// Lifts the marks; what it returns puts them back when dropped.
    pub(crate) fn lift(&self) -> Lifted<'_> {
        for area in &self.dont_fork {
            advise(*area, libc::MADV_DOFORK);
        }
        Lifted(self)
    }
}

/// The marks are lifted while this lives.
pub(crate) struct Lifted<'a>(&'a Areas);

impl Drop for Lifted<'_> {
    fn drop(&mut self) {
        for area in &self.0.dont_fork {
            advise(*area, libc::MADV_DONTFORK);
        }
    }
}

fn advise(area: Area, advice: libc::c_int) {
    // SAFETY: the advice changes only whether a fork copies the area, never its contents; an area that has gone in the
    // meantime makes the call fail, which is as good.
    unsafe { libc::madvise(area.from as *mut libc::c_void, area.to - area.from, advice) };
}

fn read_into(buffer: &mut Vec<u8>, path: &str) -> io::Result<()> {
    buffer.clear();
    File::open(path)?.read_to_end(buffer).map(drop)
}

/// Up to the first byte that is no UTF-8: only a file's name can hold one, and those come last in a line.
fn text(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

fn same_writable(known: &[Area], maps: &str) -> bool {
    let now = maps.lines().filter_map(header).filter(|(_, writable)| *writable).map(|(area, _)| area);
    known.iter().copied().eq(now)
}

/// The area that `from-to permissions offset device inode [path]` begins, and whether V8 may have marked it: private,
/// writable, and neither a file's, nor malloc's own heap, nor a stack. `None` for any other line.
fn header(line: &str) -> Option<(Area, bool)> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let area = Area { from: usize::from_str_radix(from, 16).ok()?, to: usize::from_str_radix(to, 16).ok()? };
    let permissions = words.next().filter(|permissions| permissions.len() == 4)?;
    let anonymous = words.nth(3).is_none();
    let writable = anonymous && permissions.starts_with("rw") && permissions.ends_with('p');
    (area.from < area.to).then_some((area, writable))
}

fn parse_smaps(text: &str, dont_fork: &mut Vec<Area>, writable_areas: &mut Vec<Area>) {
    let mut current = None;
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let has = |wanted| flags.split_ascii_whitespace().any(|flag| flag == wanted);
            if let Some(area) = current
                && has("dc")
                && !has("io")
            {
                dont_fork.push(area);
            }
        } else if let Some((area, writable)) = header(line) {
            current = Some(area);
            if writable {
                writable_areas.push(area);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
00400000-00401000 r--p 00000000 08:01 131 /usr/bin/node
Size:                  4 kB
VmFlags: rd mr mw me
1000000000-1000040000 rw-p 00000000 00:00 0
Rss:                 256 kB
VmFlags: rd wr mr mw me ac dc
1000040000-1000050000 ---p 00000000 00:00 0
VmFlags: mr mw me dc
7f0000000000-7f0000001000 rw-s 00000000 00:05 9 /dev/mem
VmFlags: rd wr sh mr mw me ms dc io
7f1000000000-7f1000002000 rw-p 00000000 00:00 0 [heap]
VmFlags: rd wr mr mw me ac
";
    const MAPS: &str = "\
00400000-00401000 r--p 00000000 08:01 131 /usr/bin/node
1000000000-1000040000 rw-p 00000000 00:00 0
1000040000-1000050000 ---p 00000000 00:00 0
7f1000000000-7f1000002000 rw-p 00000000 00:00 0 [heap]
";

    fn parse(smaps: &str) -> Areas {
        let mut areas = Areas::default();
        parse_smaps(smaps, &mut areas.dont_fork, &mut areas.writable);
        areas
    }

    #[test]
    fn areas_with_the_mark_are_found_but_for_device_memory() {
        let areas = parse(SMAPS);

        assert_eq!(
            areas.dont_fork,
            [
                Area { from: 0x10_0000_0000, to: 0x10_0004_0000 },
                Area { from: 0x10_0004_0000, to: 0x10_0005_0000 }
            ]
        );
    }

    #[test]
    fn a_map_with_the_same_writable_areas_still_holds() {
        assert!(same_writable(&parse(SMAPS).writable, MAPS));
    }

    #[test]
    fn a_new_a_grown_and_a_lost_area_are_noticed() {
        let known = parse(SMAPS).writable;

        assert!(!same_writable(&known, &format!("{MAPS}7f2000000000-7f2000040000 rw-p 00000000 00:00 0\n")));
        assert!(!same_writable(&known, &MAPS.replace("1000040000 rw-p", "1000080000 rw-p")));
        assert!(!same_writable(&known, MAPS.lines().next().unwrap()));
    }

    #[test]
    fn the_heap_of_malloc_and_stacks_may_grow() {
        let grown = MAPS.replace("7f1000002000 rw-p", "7f1000009000 rw-p");
        let more = format!("{MAPS}7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0 [stack]\n");

        assert!(same_writable(&parse(SMAPS).writable, &grown));
        assert!(same_writable(&parse(SMAPS).writable, &more));
    }

    #[test]
    fn nonsense_gives_no_areas() {
        for text in ["", "VmFlags: dc", "zz-yy rw-p", "10-5 rw-p\nVmFlags: dc", "5-10"] {
            assert_eq!(parse(text).dont_fork.len(), 0, "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn marks_are_lifted_and_put_back() {
        let size = 1 << 16;
        // SAFETY: a new private anonymous mapping touches nothing that exists.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        let area = Area { from: page as usize, to: page as usize + size };
        advise(area, libc::MADV_DONTFORK);
        let marked = |areas: &Areas| {
            areas.dont_fork.iter().any(|found| found.from <= area.from && area.to <= found.to)
        };

        let areas = Areas::read().unwrap();
        assert!(marked(&areas));
        let lifted = areas.lift();
        assert!(!marked(&Areas::read().unwrap()));
        drop(lifted);
        assert!(marked(&Areas::read().unwrap()));

        // SAFETY: the mapping made above, which nothing refers to any more.
        unsafe { libc::munmap(page, size) };
    }
}
