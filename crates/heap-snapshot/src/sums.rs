//! Sums of bytes by number, in four bytes each as long as they fit.

use foldhash::HashMap;

/// Sums by number; those that need more than four bytes are kept apart.
#[derive(Debug, Default)]
pub struct Sums {
    small: Vec<u32>,
    large: HashMap<u32, u64>,
}

impl Sums {
    /// So many of zero.
    pub fn new(count: usize) -> Self {
        Self { small: vec![0; count], large: HashMap::default() }
    }

    /// Adds to one of them; a number that is none is left out.
    #[inline]
    pub fn add(&mut self, number: u32, bytes: u64) {
        let Some(place) = self.small.get_mut(number as usize) else { return };
        let sum = match *place {
            u32::MAX => self.large.get(&number).copied().unwrap_or(0),
            small => u64::from(small),
        };
        let sum = sum.saturating_add(bytes);
        *place = u32::try_from(sum).unwrap_or(u32::MAX);
        if *place == u32::MAX {
            self.large.insert(number, sum);
        }
    }

    /// One of them; 0 for a number that is none.
    #[inline]
    pub fn get(&self, number: u32) -> u64 {
        match self.small.get(number as usize) {
            Some(&u32::MAX) => self.large.get(&number).copied().unwrap_or(0),
            Some(small) => u64::from(*small),
            None => 0,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.small.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.small.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_four_bytes_are_kept() {
        let mut sums = Sums::new(2);
        for _ in 0..4 {
            sums.add(1, 1 << 31);
        }
        sums.add(1, 7);
        sums.add(9, 1);
        assert_eq!((sums.get(0), sums.get(1), sums.get(9), sums.len()), (0, (1 << 33) + 7, 0, 2));
        assert!(!sums.is_empty());
    }
}
