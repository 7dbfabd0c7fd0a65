//! The memory areas that V8 keeps out of a fork, and lifting that for the length of one fork.
//!
//! V8 marks its pages `MADV_DONTFORK` (`dc` in `VmFlags` of `/proc/self/smaps`), so a plain fork gives a child
//! without a heap. Reading smaps walks page tables, about 25 ms per GB of resident memory: it is done beforehand, on
//! another thread. Just before the fork `/proc/self/maps`, which walks nothing, tells what has changed since: an area of
//! the kernel has one mark throughout, so one that grew, shrank or merged has the mark of the area that it was. A wholly
//! new one is tried: lifting the mark from a piece of it splits the area if it had the mark, and changes nothing if not.

use crate::maps::{Area, Kind, Lines, Smaps, header};
use std::io;

/// What the process's areas were when they were read, and what is known of them now.
#[derive(Debug)]
pub(crate) struct Areas {
    maps: Lines,
    smaps: Lines,
    /// Marked, and not private memory without a file.
    others: Vec<Area>,
    /// Private memory without a file, guards and reserved room included, with its mark, in the order of addresses.
    known: Vec<(Area, bool)>,
    /// The marked ones of it as they are now.
    now: Vec<Area>,
    /// Those that are wholly new.
    new: Vec<Area>,
}

/// Room for so many more areas than there are when they are read.
const MORE: usize = 256;
/// A huge page, whose table a split within would have to be made anew.
const HUGE: usize = 2 << 20;

impl Areas {
    /// Reads smaps. Off the app thread.
    pub(crate) fn read() -> io::Result<Self> {
        let mut areas = Self {
            maps: Lines::open("/proc/self/maps")?,
            smaps: Lines::open("/proc/self/smaps")?,
            others: Vec::new(),
            known: Vec::new(),
            now: Vec::new(),
            new: Vec::new(),
        };
        let mut count = MORE;
        areas.maps.read(|_| {
            count += 1;
            true
        })?;
        areas.known.reserve_exact(count);
        areas.others.reserve_exact(count);
        areas.now.reserve_exact(count);
        areas.new.reserve_exact(MORE);
        let mut before = Vec::with_capacity(count);
        areas.maps.read(|line| {
            before.extend(header(line).map(|(area, _)| area));
            true
        })?;
        areas.read_again()?;
        forget_young(&mut areas.known, &before);
        Ok(areas)
    }

    /// Reads smaps again, into the room there is.
    pub(crate) fn read_again(&mut self) -> io::Result<()> {
        self.known.clear();
        self.others.clear();
        let mut parser = Smaps::new(&mut self.others, &mut self.known);
        self.smaps.read(|line| {
            parser.take(line);
            true
        })?;
        self.now.clear();
        self.now.extend(self.known.iter().filter(|(_, marked)| *marked).map(|(area, _)| *area));
        Ok(())
    }

    /// Finds the mark of every area that the process has now, without smaps. `false` where that cannot be told, for
    /// instance for want of room: an allocation could change the map.
    pub(crate) fn still_hold(&mut self) -> io::Result<bool> {
        self.now.clear();
        self.new.clear();
        let mut heirs =
            Heirs { known: &self.known, now: &mut self.now, new: &mut self.new, page: page_size() };
        let mut told = true;
        self.maps.read(|line| {
            told = header(line).is_none_or(|(area, kind)| heirs.take(area, kind));
            told
        })?;
        Ok(told && (self.new.is_empty() || self.try_new()?))
    }

    /// Finds the marks of the areas in `new` by splitting them.
    fn try_new(&mut self) -> io::Result<bool> {
        let Self { maps, now, new, .. } = self;
        let page = page_size();
        if new.len() > now.capacity() - now.len() || new.iter().any(|area| area.to - area.from <= page) {
            return Ok(false);
        }
        for area in new.iter() {
            advise(piece(*area, page), libc::MADV_DOFORK);
        }
        let mut left = new.iter();
        let mut wanted = left.next();
        let mut told = true;
        let began = now.len();
        maps.read(|line| {
            let Some((seen, _)) = header(line) else { return true };
            while let Some(area) = wanted.filter(|area| area.from < seen.to) {
                match split(*area, seen, page) {
                    Some(true) => now.push(*area),
                    Some(false) => {}
                    None => told = false,
                }
                wanted = left.next();
            }
            wanted.is_some()
        })?;
        for area in now.get(began..).unwrap_or(&[]) {
            advise(piece(*area, page), libc::MADV_DONTFORK);
        }
        Ok(told && wanted.is_none())
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

/// Takes out what has no mark and was not there `before`: V8 maps first and marks then, and may be in between. It counts as
/// new later, and is tried.
fn forget_young(known: &mut Vec<(Area, bool)>, before: &[Area]) {
    let mut before = before.iter().peekable();
    known.retain(|(area, marked)| {
        while before.next_if(|other| other.to <= area.from).is_some() {}
        *marked || before.peek().is_some_and(|other| other.from < area.to)
    });
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

fn page_size() -> usize {
    // SAFETY: reads this process's own configuration.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The beginning of an area that is larger than a page: up to a huge page's border where there is one within.
fn piece(area: Area, page: usize) -> Area {
    let border = (area.from / HUGE + 1) * HUGE;
    Area { from: area.from, to: if border < area.to { border } else { area.from + page } }
}

/// Whether `area`, whose piece had its mark lifted, had one, given the area that now holds its beginning.
fn split(area: Area, seen: Area, page: usize) -> Option<bool> {
    if seen.from > area.from {
        None
    } else if seen.to == piece(area, page).to {
        Some(true)
    } else {
        (seen.to >= area.to).then_some(false)
    }
}

/// Takes the areas as they are now, in order; each has the mark of the known ones that it overlaps.
struct Heirs<'a> {
    /// Those that end after the area taken last began.
    known: &'a [(Area, bool)],
    now: &'a mut Vec<Area>,
    /// Those that overlap none, or some with the mark and some without.
    new: &'a mut Vec<Area>,
    page: usize,
}

impl Heirs<'_> {
    /// `false` when there is no room for it.
    fn take(&mut self, area: Area, kind: Kind) -> bool {
        if kind == Kind::Foreign {
            return true;
        }
        while let [(first, _), rest @ ..] = self.known
            && first.to <= area.from
        {
            self.known = rest;
        }
        let mut marks =
            self.known.iter().take_while(|(other, _)| other.from < area.to).map(|(_, mark)| *mark);
        let mark = marks.next().filter(|first| marks.all(|other| other == *first));
        let list = match mark {
            Some(false) => return true,
            Some(true) => &mut *self.now,
            // The guard of a stack, as every new thread has one. A child does without.
            None if kind == Kind::Reserved && area.to - area.from <= self.page => return true,
            None => &mut *self.new,
        };
        let room = list.len() < list.capacity();
        if room {
            list.push(area);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The marked areas of these and the new ones among them, `None` where there is no room.
    fn heirs(areas: &[Area]) -> Option<(Vec<Area>, Vec<Area>)> {
        let known = [
            (area(MARKED, MARKED + 0x40000), true),
            (area(MARKED + 0x40000, MARKED + 0x50000), true),
            (area(PLAIN, PLAIN + 0x40000), false),
        ];
        let (mut now, mut new) = (Vec::with_capacity(4), Vec::with_capacity(1));
        let mut heirs = Heirs { known: &known, now: &mut now, new: &mut new, page: 0x1000 };
        areas.iter().all(|area| heirs.take(*area, Kind::Memory)).then_some((now, new))
    }

    fn area(from: usize, to: usize) -> Area {
        Area { from, to }
    }

    const MARKED: usize = 0x10_0000_0000;
    const PLAIN: usize = 0x20_0000_0000;

    #[test]
    fn areas_that_are_the_same_or_grew_or_shrank_or_went_keep_their_marks() {
        for to in [0x40000, 0x10000, 0x80000] {
            let now = area(MARKED, MARKED + to);
            assert_eq!(heirs(&[now, area(PLAIN, PLAIN + to)]), Some((vec![now], vec![])));
        }
        assert_eq!(heirs(&[]), Some((vec![], vec![])));
    }

    #[test]
    fn an_area_that_fell_into_parts_keeps_its_mark_in_each() {
        let parts = [area(MARKED, MARKED + 0x1000), area(MARKED + 0x2000, MARKED + 0x40000)];
        assert_eq!(heirs(&parts), Some((parts.to_vec(), vec![])));
    }

    #[test]
    fn a_new_area_and_one_that_replaces_two_kinds_are_noticed() {
        let new = area(0x30_0000_0000, 0x30_0004_0000);
        assert_eq!(heirs(&[new]), Some((vec![], vec![new])));
        let both = area(MARKED, PLAIN + 0x40000);
        assert_eq!(heirs(&[both]), Some((vec![], vec![both])));
    }

    #[test]
    fn what_came_while_smaps_was_read_is_known_only_with_its_mark() {
        let (old, young) = (area(0x1000, 0x3000), area(0x5000, 0x6000));
        let mut known =
            vec![(old, false), (young, true), (area(0x7000, 0x8000), false), (area(0x9000, 0xa000), false)];
        forget_young(&mut known, &[area(0x2000, 0x4000), area(0x9000, 0xb000)]);
        assert_eq!(known, [(old, false), (young, true), (area(0x9000, 0xa000), false)]);
    }

    #[test]
    fn what_is_not_v8s_and_the_guard_of_a_new_stack_do_not_count() {
        let (mut now, mut new) = (vec![], vec![]);
        let mut heirs = Heirs { known: &[], now: &mut now, new: &mut new, page: 0x1000 };
        assert!(heirs.take(area(0x1000, 0x9000), Kind::Foreign));
        assert!(heirs.take(area(0x1000, 0x2000), Kind::Reserved));
        assert!(!heirs.take(area(0x1000, 0x3000), Kind::Reserved));
    }

    #[test]
    fn what_has_no_room_is_not_known() {
        assert_eq!(heirs(&[area(0x1000, 0x2000), area(0x3000, 0x4000)]), None);
    }

    #[test]
    fn the_piece_to_try_ends_at_the_border_of_a_huge_page_where_there_is_one() {
        assert_eq!(piece(area(0x1000, 0x10000), 0x1000), area(0x1000, 0x2000));
        assert_eq!(piece(area(0x1000, HUGE + 0x1000), 0x1000), area(0x1000, HUGE));
        assert_eq!(piece(area(HUGE, 2 * HUGE), 0x1000), area(HUGE, HUGE + 0x1000));
    }

    #[test]
    fn a_split_tells_of_the_mark_and_a_merge_of_neighbours_does_not_hide_it() {
        let tried = area(0x10000, 0x50000);
        assert_eq!(split(tried, area(0x10000, 0x11000), 0x1000), Some(true));
        assert_eq!(split(tried, area(0x8000, 0x11000), 0x1000), Some(true));
        assert_eq!(split(tried, tried, 0x1000), Some(false));
        assert_eq!(split(tried, area(0x10000, 0x20000), 0x1000), None);
        assert_eq!(split(tried, area(0x20000, 0x50000), 0x1000), None);
    }

    fn map(size: usize) -> Area {
        // SAFETY: a new private anonymous mapping touches nothing that exists.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        area(page as usize, page as usize + size)
    }

    fn unmap(area: Area) {
        // SAFETY: a mapping that `map` made and nothing refers to.
        unsafe { libc::munmap(area.from as *mut libc::c_void, area.to - area.from) };
    }

    fn is_marked(areas: &Areas, area: Area) -> bool {
        areas.marked().any(|found| found.from <= area.from && area.to <= found.to)
    }

    #[test]
    fn marks_are_lifted_and_put_back() {
        let mapped = map(1 << 16);
        advise(mapped, libc::MADV_DONTFORK);

        let areas = Areas::read().unwrap();
        assert!(is_marked(&areas, mapped));
        let lifted = areas.lift();
        assert!(!is_marked(&Areas::read().unwrap(), mapped));
        drop(lifted);
        assert!(is_marked(&Areas::read().unwrap(), mapped));
        unmap(mapped);
    }

    #[test]
    fn new_areas_are_told_apart_by_trying_and_keep_their_marks() {
        let mut areas = Areas::read().unwrap();
        let new = [3 << 20, 1 << 16].map(map);
        let [marked, plain] = new;
        advise(marked, libc::MADV_DONTFORK);
        areas.known.retain(|(old, _)| new.iter().all(|area| old.to <= area.from || area.to <= old.from));

        // Another test's thread may map meanwhile: then it is tried again.
        let told = (0..100).any(|_| areas.still_hold().unwrap());

        assert!(told);
        assert!(is_marked(&areas, marked) && !is_marked(&areas, plain));
        let after = Areas::read().unwrap();
        assert!(is_marked(&after, marked) && !is_marked(&after, plain));
        unmap(marked);
        unmap(plain);
    }
}
