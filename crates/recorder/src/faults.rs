//! Faults that tests ask for, at named places. Without the feature `faults` a place is nothing, and released builds have none.

#[cfg(feature = "faults")]
mod armed {
    use parking_lot::Mutex;

    static ARMED: Mutex<Vec<(String, u32)>> = Mutex::new(Vec::new());

    /// The next `times` passages of `place` fail.
    pub fn arm(place: &str, times: u32) {
        let mut armed = ARMED.lock();
        armed.retain(|(known, _)| known != place);
        armed.push((place.to_owned(), times));
    }

    /// Whether this passage of `place` is to fail.
    pub fn fails(place: &str) -> bool {
        let mut armed = ARMED.lock();
        let found = armed.iter_mut().find(|(known, times)| known == place && *times > 0);
        found.map(|(_, times)| *times -= 1).is_some()
    }
}

#[cfg(feature = "faults")]
pub use armed::{arm, fails};

/// Whether this passage of `place` is to fail: never.
#[cfg(not(feature = "faults"))]
pub fn fails(_: &str) -> bool {
    false
}

/// A place that tests can make panic.
///
/// # Panics
///
/// Where a test has armed it.
pub fn point(place: &str) {
    assert!(!fails(place), "a test armed {place}");
}
