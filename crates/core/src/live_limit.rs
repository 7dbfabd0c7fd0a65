//! What V8 allows to be live: its heap limit without the room for the young generation.
//!
//! `heap_size_limit` is both, and only a shadow can tell them apart, so one is wanted once when it begins to matter.

/// The largest room that V8 takes by itself: three semi-spaces of 64 MiB, on Node.js 24 with much memory.
const MOST_BY_DEFAULT: u64 = 192 << 20;
/// A room larger than this part of the limit is not expected.
const MOST_PART: f64 = 0.75;
/// It matters when the floor is above this share of what may be live at the worst.
const MATTERS: f64 = 0.5;
/// After so many shadows that could not tell, it stays unknown.
const MOST_ASKED: u8 = 3;

/// Room for the young generation, and whether to ask for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct LiveLimit {
    /// The smallest `heap_size_limit` seen: near the end it is raised a little for the evidence, which is no room for the application.
    smallest: Option<u64>,
    reserve: Option<u64>,
    asked: u8,
}

impl LiveLimit {
    /// V8 says this `heap_size_limit`: what may be live, bytes; all of it as long as the room is unknown.
    pub(crate) fn read(&mut self, heap_limit: u64) -> u64 {
        let smallest = self
            .smallest
            .filter(|smallest| *smallest > 0)
            .map_or(heap_limit, |smallest| smallest.min(heap_limit));
        self.smallest = Some(smallest);
        smallest.saturating_sub(self.reserve.unwrap_or(0))
    }

    /// A shadow has measured the room, bytes; it does not change, and a full heap tells less than there is.
    pub(crate) fn measured(&mut self, reserve: u64) {
        self.reserve = self.reserve.max(Some(reserve));
    }

    /// Whether the room is unknown, and this floor could be near what may be live.
    pub(crate) fn matters(self, floor: Option<u64>, heap_limit: u64) -> bool {
        let (Some(floor), None) = (floor, self.reserve) else { return false };
        if heap_limit == 0 || self.asked >= MOST_ASKED {
            return false;
        }
        let limit = crate::number(heap_limit);
        let room = crate::number(MOST_BY_DEFAULT).min(limit * MOST_PART);
        crate::number(floor) > (limit - room) * MATTERS
    }

    /// A shadow is asked, for this or for something else.
    pub(crate) fn asked(&mut self) {
        self.asked = self.asked.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn a_room_once_measured_is_taken_off() {
        let mut limit = LiveLimit::default();
        assert_eq!((limit.read(0), limit.read(144 * MB)), (0, 144 * MB));
        limit.measured(48 * MB);
        assert_eq!(limit.read(144 * MB), 96 * MB);
        limit.measured(30 * MB);
        assert_eq!(limit.read(144 * MB), 96 * MB, "a full heap tells less");
        assert_eq!(limit.read(160 * MB), 96 * MB, "it was raised for the evidence");
    }

    #[test]
    fn it_matters_only_where_the_floor_could_be_near() {
        let limit = LiveLimit::default();
        assert!(!limit.matters(None, 448 * MB));
        assert!(!limit.matters(Some(100 * MB), 448 * MB));
        assert!(limit.matters(Some(129 * MB), 448 * MB));
        assert!(!limit.matters(Some(1_900 * MB), 4_144 * MB));
        assert!(!limit.matters(Some(1 << 40), 0), "no reading yet");
    }

    #[test]
    fn nobody_is_asked_again_and_again() {
        let (mut told, mut silent) = (LiveLimit::default(), LiveLimit::default());
        told.measured(48 * MB);
        assert!(!told.matters(Some(90 * MB), 144 * MB));
        for _ in 0..MOST_ASKED {
            assert!(silent.matters(Some(90 * MB), 144 * MB));
            silent.asked();
        }
        assert!(!silent.matters(Some(90 * MB), 144 * MB));
    }
}
