//! The string table: every text once, in one arena.
//!
//! **Invariant:** `ends` ascends within a block of [`BLOCK`] strings, counted from the block's entry in `blocks`; so the
//! arena may be longer than 4 GB while an end takes four bytes.

use std::borrow::Cow;

const BLOCK: usize = 1024;
/// Bytes kept of one string. V8 itself cuts at 1 024 characters; so a block's ends stay below `u32::MAX`.
pub(crate) const LONGEST: usize = 64 << 10;

/// Index of a string in the table of its heap snapshot.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StringId(pub(crate) u32);

/// The texts of names, classes and contents.
#[derive(Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    blocks: Vec<u64>,
}

impl Strings {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text; empty for an id of another heap snapshot. What is not UTF-8 in it is replaced.
    pub fn text(&self, id: StringId) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(id))
    }

    /// The text's bytes.
    pub fn bytes(&self, id: StringId) -> &[u8] {
        let index = id.0 as usize;
        let base = self.blocks.get(index / BLOCK).copied().unwrap_or(0);
        let end = |index: usize| self.ends.get(index).map(|end| base + u64::from(*end));
        let Some(to) = end(index) else { return &[] };
        let from = if index.is_multiple_of(BLOCK) { base } else { end(index - 1).unwrap_or(base) };
        let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        self.bytes.get(place(from)..place(to)).unwrap_or(&[])
    }

    /// The id of a text, by looking at all of them.
    pub fn find(&self, text: &str) -> Option<StringId> {
        let ids = (0..self.ends.len()).filter_map(|index| u32::try_from(index).ok().map(StringId));
        ids.into_iter().find(|id| self.bytes(*id) == text.as_bytes())
    }

    /// Appends what `write` puts at the end of the arena as one string.
    pub(crate) fn push<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        if self.ends.len().is_multiple_of(BLOCK) {
            self.blocks.push(self.bytes.len() as u64);
        }
        write(&mut self.bytes)?;
        let base = self.blocks.last().copied().unwrap_or(0);
        self.ends.push(u32::try_from(self.bytes.len() as u64 - base).unwrap_or(u32::MAX));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_come_back_across_blocks() {
        let mut strings = Strings::default();
        for index in 0..3_000 {
            strings
                .push::<()>(|bytes| {
                    bytes.extend_from_slice(format!("s{index}").as_bytes());
                    Ok(())
                })
                .unwrap();
        }

        for index in [0, 1, 1_023, 1_024, 1_025, 2_999] {
            assert_eq!(strings.text(StringId(index)), format!("s{index}"));
        }
        assert_eq!(strings.text(StringId(3_000)), "");
        assert_eq!(strings.find("s2048"), Some(StringId(2_048)));
    }
}
