//! The ids of nodes: V8's where it has given some, so that files of one process can be held against each other object by object.
//!
//! V8 numbers objects when a heap snapshot is taken in their process, and keeps that in a table as long as they live. In a process that
//! has taken none the ids are this file's own. As V8's, ids of objects are odd.

/// So many objects are asked for their ids before it is taken that none has one.
const ASKED: u64 = 256;

/// V8's ids, and those that are given beside them.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    highest: u64,
}

impl Ids {
    /// Takes V8's id of the object `index`, 0 for none. To be called for all of them, in order, before [`Self::of`].
    pub(crate) fn note(&mut self, index: u64, id: impl FnOnce() -> u32) {
        if index < ASKED || self.highest > 0 {
            self.highest = self.highest.max(u64::from(id()));
        }
    }

    /// The id of the object `index` of those that come behind `first` other nodes.
    pub(crate) fn of(&self, first: u64, index: u64, id: impl FnOnce() -> u32) -> u64 {
        match if self.highest > 0 { id() } else { 0 } {
            0 => self.highest.next_multiple_of(2).max(first * 2) + 1 + index * 2,
            known => u64::from(known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(known: &[u32]) -> Vec<u64> {
        let mut ids = Ids::default();
        for (index, id) in (0_u64..).zip(known) {
            ids.note(index, || *id);
        }
        (0_u64..).zip(known).map(|(index, id)| ids.of(5, index, || *id)).collect()
    }

    #[test]
    fn without_any_of_v8s_they_count_up_behind_the_other_nodes() {
        assert_eq!(all(&[0, 0, 0]), [11, 13, 15]);
    }

    #[test]
    fn those_of_v8_stay_and_the_others_are_above_all_of_them() {
        assert_eq!(all(&[0, 801, 803, 0, 3]), [805, 801, 803, 811, 3]);
    }

    #[test]
    fn where_the_first_have_none_nobody_is_asked() {
        let mut known = vec![0; 300];
        known[299] = 77;
        assert_eq!(all(&known)[299], 11 + 299 * 2);
    }
}
