//! V8's ids of objects, as runs: V8 counts them up by two in the order in which it first meets the objects.
//!
//! **Invariant:** runs ascend by their first node; where they are not worth it, `each` holds every id and there are none.

/// V8's distance between two ids.
const STEP: u64 = 2;
/// Nodes before the runs are judged.
const ENOUGH: usize = 1 << 12;
/// From one run for so many nodes on, a list of all ids is smaller.
const SHORTEST: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Ids {
    runs: Vec<(u32, u64)>,
    each: Vec<u64>,
    count: u32,
    next: u64,
}

impl Ids {
    #[inline]
    pub(crate) fn push(&mut self, id: u64) {
        if !self.each.is_empty() {
            self.each.push(id);
        } else if id != self.next || self.count == 0 {
            self.runs.push((self.count, id));
            let count = self.count as usize;
            if count > ENOUGH && self.runs.len() > count / SHORTEST {
                let mut each: Vec<u64> = (0..self.count).map(|node| self.get(node)).collect();
                each.push(id);
                (self.runs, self.each) = (Vec::new(), each);
            }
        }
        self.count = self.count.saturating_add(1);
        self.next = id.wrapping_add(STEP);
    }

    pub(crate) fn get(&self, node: u32) -> u64 {
        if !self.each.is_empty() {
            return self.each.get(node as usize).copied().unwrap_or(0);
        }
        let after = self.runs.partition_point(|(first, _)| *first <= node);
        match after.checked_sub(1).and_then(|at| self.runs.get(at)) {
            Some((first, id)) => id.wrapping_add(STEP.wrapping_mul(u64::from(node - first))),
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[u64]) -> Ids {
        let mut kept = Ids::default();
        for id in ids {
            kept.push(*id);
        }
        for (node, id) in (0..).zip(ids) {
            assert_eq!(kept.get(node), *id, "node {node}");
        }
        kept
    }

    #[test]
    fn ids_that_count_up_take_one_run() {
        let ids: Vec<u64> = (0..10_000).map(|node| 1 + 2 * node).collect();
        assert_eq!(check(&ids).runs.len(), 1);
    }

    #[test]
    fn runs_and_single_ids_come_back() {
        check(&[1, 3, 5, 100, 102, 7, u64::MAX, 1, 9]);
    }

    #[test]
    fn ids_without_order_are_kept_one_by_one() {
        let ids: Vec<u64> = (0..20_000_u64).map(|node| node.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        assert_eq!(check(&ids).runs.len(), 0);
    }
}
