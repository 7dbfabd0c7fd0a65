//! Areas of memory that the process cannot write to: V8's read-only objects lie in such.

use std::ops::Range;

/// Areas by address.
#[derive(Debug, Default)]
pub(crate) struct Areas(Vec<Range<u64>>);

impl Areas {
    /// The areas of this process that can be read, and neither written nor run. None where `/proc` cannot be read.
    pub(crate) fn read_only() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/maps").unwrap_or_default())
    }

    /// From the text of `/proc/PID/maps`, whose lines are in order.
    fn parse(maps: &str) -> Self {
        let area = |line: &str| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            rest.starts_with("r--").then_some(number(start)?..number(end)?)
        };
        Self(maps.lines().filter_map(area).collect())
    }

    pub(crate) fn contain(&self, address: u64) -> bool {
        let behind = self.0.partition_point(|area| area.start <= address);
        behind.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|area| area.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
1000-2000 r--p 00000000 00:00 0
2000-3000 rw-p 00000000 00:00 0
3000-5000 r--s 00000000 08:01 17  /a file
5000-6000 r-xp 00000000 08:01 17  /a file
broken
7000-8000 ---p 00000000 00:00 0
";

    #[test]
    fn only_what_can_be_read_and_nothing_else_is_in_them() {
        let areas = Areas::parse(MAPS);

        for (address, expected) in [
            (0xfff, false),
            (0x1000, true),
            (0x1fff, true),
            (0x2000, false),
            (0x4800, true),
            (0x5000, false),
            (0x7000, false),
            (u64::MAX, false),
        ] {
            assert_eq!(areas.contain(address), expected, "{address:x}");
        }
    }

    #[test]
    fn without_a_text_there_are_none() {
        assert!(!Areas::parse("").contain(0x1000));
    }
}
