//! A distribution of durations that can be added up and stored in a few bytes: eight steps for each doubling.
//!
//! **Invariant:** at most 256 steps, 1 µs to 71 minutes; a quantile is off by 6 % at most.

/// Steps within a doubling, as bits.
const STEP_BITS: u32 = 3;
const STEPS: u64 = 1 << STEP_BITS;
/// What is longer counts as this, µs.
const LONGEST_US: u64 = u32::MAX as u64;

/// How many durations there are in each step.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Durations(Vec<(u8, u32)>);

impl Durations {
    /// Counts one, µs.
    pub fn record(&mut self, us: u64) {
        self.add_step(step_of(us), 1);
    }

    /// Counts several of one length, µs.
    pub fn record_n(&mut self, us: u64, count: u32) {
        self.add_step(step_of(us), count);
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        for (step, count) in &other.0 {
            self.add_step(*step, *count);
        }
    }

    fn add_step(&mut self, step: u8, count: u32) {
        match self.0.binary_search_by_key(&step, |(step, _)| *step) {
            Ok(place) => {
                if let Some((_, counted)) = self.0.get_mut(place) {
                    *counted = counted.saturating_add(count);
                }
            }
            Err(place) => self.0.insert(place, (step, count)),
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// A quantile, µs; `None` without any.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        let rank = quantile.clamp(0.0, 1.0) * self.count() as f64;
        let mut seen = 0;
        let found = self.0.iter().find(|(_, count)| {
            seen += u64::from(*count);
            seen as f64 >= rank
        });
        found.map(|(step, _)| middle_us(*step))
    }

    /// Each step's middle, µs, with how many there are, in rising order.
    pub fn counted(&self) -> impl Iterator<Item = (u64, u32)> {
        self.0.iter().map(|(step, count)| (middle_us(*step), *count))
    }

    /// As bytes: the step, then the count, seven bits a byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2 * self.0.len());
        for (step, count) in &self.0 {
            bytes.push(*step);
            let mut left = *count;
            while left >= 0x80 {
                bytes.push(u8::try_from(left & 0x7f).unwrap_or(0) | 0x80);
                left >>= 7;
            }
            bytes.push(u8::try_from(left).unwrap_or(0));
        }
        bytes
    }

    /// From [`Durations::to_bytes`]; of bytes that are something else, as much as can be read.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut durations = Self::default();
        let mut bytes = bytes.iter();
        while let Some(step) = bytes.next() {
            let (mut count, mut shift) = (0_u64, 0);
            for byte in bytes.by_ref() {
                count |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 || shift > 28 {
                    break;
                }
            }
            durations.add_step(*step, u32::try_from(count).unwrap_or(u32::MAX));
        }
        durations
    }

    /// Memory held beyond itself, bytes.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(u8, u32)>()
    }
}

fn step_of(us: u64) -> u8 {
    let us = us.clamp(1, LONGEST_US);
    let doubling = us.ilog2();
    let within =
        if doubling >= STEP_BITS { us >> (doubling - STEP_BITS) } else { us << (STEP_BITS - doubling) };
    u8::try_from(u64::from(doubling) * STEPS + (within & (STEPS - 1))).unwrap_or(u8::MAX)
}

fn middle_us(step: u8) -> u64 {
    let (doubling, within) = (u64::from(step) / STEPS, u64::from(step) % STEPS);
    (((2 * (STEPS + within) + 1) << doubling) / (2 * STEPS)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn every_duration_is_told_within_six_percent() {
        let mut us = 8;
        while us < LONGEST_US {
            let told = middle_us(step_of(us)) as f64;
            assert!((told / us as f64 - 1.0).abs() < 0.063, "{us}: {told}");
            us += us / 7;
        }
        assert_eq!((middle_us(step_of(0)), step_of(u64::MAX)), (1, u8::MAX));
        let steps: Vec<u8> = (0..40).map(|power| step_of(1 << power)).collect();
        assert!(steps.is_sorted());
    }

    #[test]
    fn quantiles_come_back_from_bytes_and_from_sums() {
        let (mut one, mut other) = (Durations::default(), Durations::default());
        (1..=500).for_each(|ms| one.record(ms * 1_000));
        (501..=1_000).for_each(|ms| other.record(ms * 1_000));
        one.add(&other);

        let read = Durations::from_bytes(&one.to_bytes());

        assert_eq!((read.count(), &read), (1_000, &one));
        for (quantile, ms) in [(0.5, 500.0), (0.95, 950.0), (1.0, 1_000.0)] {
            let us = read.quantile_us(quantile).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let off = us as f64 / 1e3 / ms - 1.0;
            assert!(off.abs() < 0.07, "{quantile}: {us}");
        }
        assert_eq!(Durations::default().quantile_us(0.5), None);
        assert!(one.to_bytes().len() < 160, "{}", one.to_bytes().len());
    }

    #[test]
    fn bytes_that_are_something_else_do_no_harm() {
        for bytes in [&[7_u8][..], &[7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0xff; 300]] {
            let read = Durations::from_bytes(bytes);
            assert!(read.counted().count() <= 256);
        }
    }
}
