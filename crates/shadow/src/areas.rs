//! The memory areas that V8 keeps out of a fork, and lifting that for the length of one fork.
//!
//! V8 marks its pages `MADV_DONTFORK` (`dc` in `VmFlags` of `/proc/self/smaps`), so a plain fork gives a child
//! without a heap. Reading smaps walks page tables, about 25 ms per GB of resident memory: it is done beforehand, on
//! another thread. Just before the fork `/proc/self/maps`, which walks nothing, tells what has changed since: an area of
//! the kernel has one mark throughout, so one that grew, shrank or merged has the mark of the area that it was.

use std::fs::File;
use std::io::{self, Read};

/// An area of addresses, from (included) to (excluded).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Area {
    from: usize,
    to: usize,
}

/// The areas marked `MADV_DONTFORK`, and the private writable ones with their mark when they were read.
#[derive(Debug, Default)]
pub(crate) struct Areas {
    /// Marked, and not private writable: guards, reserved room, code.
    others: Vec<Area>,
    writable: Vec<(Area, bool)>,
    /// The marked ones of `writable` as they are now.
    now: Vec<Area>,
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
        areas.others.reserve_exact(count);
        areas.now.reserve_exact(count);
        areas.read_again()?;
        Ok(areas)
    }

    /// Reads smaps again, into the room there is.
    pub(crate) fn read_again(&mut self) -> io::Result<()> {
        read_into(&mut self.text, "/proc/self/smaps")?;
        self.writable.clear();
        self.others.clear();
        parse_smaps(text(&self.text), &mut self.others, &mut self.writable);
        self.now.clear();
        self.now.extend(self.writable.iter().filter(|(_, marked)| *marked).map(|(area, _)| *area));
        Ok(())
    }

    /// Whether every private writable area that the process has now is known, or was a part of a known one.
    ///
    /// A wholly new one may carry a mark that is not known here; a child would crash on it. What does not fit into the
    /// room there is counts as new, for an allocation could change the map.
    pub(crate) fn still_hold(&mut self) -> io::Result<bool> {
        read_into(&mut self.text, "/proc/self/maps")?;
        self.now.clear();
        Ok(inherit(&self.writable, text(&self.text), &mut self.now))
    }

    /// Lifts the marks; what it returns puts them back when dropped.
    pub(crate) fn lift(&self) -> Lifted<'_> {
        for area in self.marked() {
            advise(*area, libc::MADV_DOFORK);
        }
        Lifted(self)
    }

    fn marked(&self) -> impl Iterator<Item = &Area> {
        self.others.iter().chain(&self.now)
    }
}

/// The marks are lifted while this lives.
pub(crate) struct Lifted<'a>(&'a Areas);

impl Drop for Lifted<'_> {
    fn drop(&mut self) {
        for area in self.0.marked() {
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

/// Puts the marked areas of `maps` into `now`, each with the mark of the known ones that it overlaps. `false` when one
/// overlaps none, or several with different marks, or has no room.
fn inherit(known: &[(Area, bool)], maps: &str, now: &mut Vec<Area>) -> bool {
    let mut known = known;
    for (area, _) in maps.lines().filter_map(header).filter(|(_, writable)| *writable) {
        while let [(first, _), rest @ ..] = known
            && first.to <= area.from
        {
            known = rest;
        }
        let mut overlapping =
            known.iter().take_while(|(other, _)| other.from < area.to).map(|(_, marked)| *marked);
        let Some(marked) = overlapping.next() else { return false };
        if overlapping.any(|other| other != marked) || (marked && now.len() == now.capacity()) {
            return false;
        }
        if marked {
            now.push(area);
        }
    }
    true
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

fn parse_smaps(text: &str, others: &mut Vec<Area>, writable_areas: &mut Vec<(Area, bool)>) {
    let mut current = None;
    for line in text.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let has = |wanted| flags.split_ascii_whitespace().any(|flag| flag == wanted);
            let marked = has("dc") && !has("io");
            match current {
                Some((area, true)) => writable_areas.push((area, marked)),
                Some((area, false)) if marked => others.push(area),
                _ => {}
            }
        } else if let Some(found) = header(line) {
            current = Some(found);
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
2000000000-2000040000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me ac
7f0000000000-7f0000001000 rw-s 00000000 00:05 9 /dev/mem
VmFlags: rd wr sh mr mw me ms dc io
7f1000000000-7f1000002000 rw-p 00000000 00:00 0 [heap]
VmFlags: rd wr mr mw me ac
";
    const MAPS: &str = "\
00400000-00401000 r--p 00000000 08:01 131 /usr/bin/node
1000000000-1000040000 rw-p 00000000 00:00 0
1000040000-1000050000 ---p 00000000 00:00 0
2000000000-2000040000 rw-p 00000000 00:00 0
7f1000000000-7f1000002000 rw-p 00000000 00:00 0 [heap]
";

    fn parse(smaps: &str) -> Areas {
        let mut areas = Areas::default();
        parse_smaps(smaps, &mut areas.others, &mut areas.writable);
        areas
    }

    /// The marked areas among `maps`, `None` where they are not known.
    fn inherited(maps: &str) -> Option<Vec<Area>> {
        let mut now = Vec::with_capacity(8);
        inherit(&parse(SMAPS).writable, maps, &mut now).then_some(now)
    }

    fn area(from: usize, to: usize) -> Area {
        Area { from, to }
    }

    #[test]
    fn areas_with_the_mark_are_found_but_for_device_memory() {
        let areas = parse(SMAPS);

        assert_eq!(areas.others, [area(0x10_0004_0000, 0x10_0005_0000)]);
        assert_eq!(
            areas.writable,
            [(area(0x10_0000_0000, 0x10_0004_0000), true), (area(0x20_0000_0000, 0x20_0004_0000), false)]
        );
    }

    #[test]
    fn areas_that_are_the_same_or_grew_or_shrank_or_went_keep_their_marks() {
        let marked = |to| Some(vec![area(0x10_0000_0000, to)]);

        assert_eq!(inherited(MAPS), marked(0x10_0004_0000));
        assert_eq!(inherited(&MAPS.replace("1000040000 rw-p", "1000080000 rw-p")), marked(0x10_0008_0000));
        assert_eq!(inherited(&MAPS.replace("1000040000 rw-p", "1000010000 rw-p")), marked(0x10_0001_0000));
        assert_eq!(inherited(&MAPS.replace("2000040000 rw-p", "2000080000 rw-p")), marked(0x10_0004_0000));
        assert_eq!(inherited(MAPS.lines().next().unwrap()), Some(vec![]));
    }

    #[test]
    fn an_area_that_fell_into_parts_keeps_its_mark_in_each() {
        let parts =
            "1000000000-1000010000 rw-p 00000000 00:00 0\n1000020000-1000040000 rw-p 00000000 00:00 0\n";

        assert_eq!(
            inherited(parts).unwrap(),
            [area(0x10_0000_0000, 0x10_0001_0000), area(0x10_0002_0000, 0x10_0004_0000)]
        );
    }

    #[test]
    fn a_new_area_and_one_that_replaces_two_kinds_are_noticed() {
        assert_eq!(inherited(&format!("{MAPS}7f2000000000-7f2000040000 rw-p 00000000 00:00 0\n")), None);
        assert_eq!(inherited("1000000000-2000040000 rw-p 00000000 00:00 0\n"), None);
    }

    #[test]
    fn what_has_no_room_is_not_known() {
        assert!(!inherit(&parse(SMAPS).writable, MAPS, &mut Vec::new()));
    }

    #[test]
    fn the_heap_of_malloc_and_stacks_may_grow() {
        let grown = MAPS.replace("7f1000002000 rw-p", "7f1000009000 rw-p");
        let more = format!("{MAPS}7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0 [stack]\n");

        assert!(inherited(&grown).is_some());
        assert!(inherited(&more).is_some());
    }

    #[test]
    fn nonsense_gives_no_areas() {
        for text in ["", "VmFlags: dc", "zz-yy rw-p", "10-5 rw-p\nVmFlags: dc", "5-10"] {
            assert_eq!(parse(text).others.len() + parse(text).writable.len(), 0, "{text}");
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
        let marked =
            |areas: &Areas| areas.marked().any(|found| found.from <= area.from && area.to <= found.to);

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
