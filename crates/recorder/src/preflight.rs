//! Whether a heap snapshot in process is affordable: V8's generator stops the app, and needs far more than the heap.

/// Pause per MB of heap before one has been measured here, ms. V8 takes 50 to 110.
const PAUSE_MS_PER_MB: f64 = 80.0;
/// Memory that the generator takes, as a multiple of the used heap. Measured 8 to 20; small heaps take less in all.
const PEAK_FACTOR: f64 = 10.0;

/// What is known when the question comes up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// V8's used heap, bytes.
    pub(crate) heap_used: u64,
    /// Memory that can still be had: the cgroup's and the machine's, the smaller; `None` where neither is known.
    pub(crate) available: Option<u64>,
    /// Measured here before, ms per MB.
    pub(crate) learned_ms_per_mb: Option<f64>,
    /// Memory that an earlier shadow needed here, as a multiple of the used heap.
    pub(crate) learned_peak_factor: Option<f64>,
    /// Longest acceptable pause, ms; `None` when a person asked.
    pub(crate) longest_pause_ms: Option<f64>,
}

/// The predicted pause in ms, or why no snapshot is taken.
pub(crate) fn check(situation: Situation) -> Result<f64, String> {
    let megabytes = number(situation.heap_used) / 1_048_576.0;
    let pause_ms = megabytes * situation.learned_ms_per_mb.unwrap_or(PAUSE_MS_PER_MB);
    let peak = number(situation.heap_used) * situation.learned_peak_factor.unwrap_or(PEAK_FACTOR);
    if let Some(available) = situation.available.filter(|available| peak > number(*available)) {
        return Err(format!(
            "a heap of {megabytes:.0} MB needs about {:.0} MB to be written, and {:.0} MB can be had",
            peak / 1_048_576.0,
            number(available) / 1_048_576.0
        ));
    }
    if let Some(longest) = situation.longest_pause_ms.filter(|longest| pause_ms > *longest) {
        return Err(format!(
            "the app would stand still for about {pause_ms:.0} ms, and {longest:.0} ms are allowed"
        ));
    }
    Ok(pause_ms)
}

/// CPU time of a shadow before it is ended, s: five times what is predicted for its heap snapshot, for the prediction is
/// rough, and half a minute on top.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 30 and 900")]
pub(crate) fn cpu_seconds(predicted_ms: f64) -> u32 {
    (30.0 + predicted_ms * 5.0 / 1_000.0).clamp(30.0, 900.0) as u32
}

/// Memory as a multiple of the used heap, from a shadow that needed `own` bytes; a quarter on top, for the next one may
/// have more objects in the same bytes. At least 4: V8's generator was never seen to do with less on a heap that matters.
pub(crate) fn peak_factor(own: u64, heap_used: u64) -> Option<f64> {
    (heap_used > 0 && own > 0).then(|| (number(own) / number(heap_used) * 1.25).max(4.0))
}

/// Pause per MB, from one that was taken.
pub(crate) fn learned(pause_ms: f64, heap_used: u64) -> Option<f64> {
    (heap_used > 0).then(|| pause_ms / (number(heap_used) / 1_048_576.0))
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation() -> Situation {
        Situation {
            heap_used: 50 << 20,
            available: Some(4 << 30),
            learned_ms_per_mb: None,
            learned_peak_factor: None,
            longest_pause_ms: None,
        }
    }

    #[test]
    fn a_small_heap_with_room_is_taken() {
        assert_eq!(check(situation()), Ok(4_000.0));
        assert_eq!(check(Situation { available: None, ..situation() }), Ok(4_000.0));
    }

    #[test]
    fn a_larger_heap_has_more_time_and_none_has_for_ever() {
        assert_eq!((cpu_seconds(0.0), cpu_seconds(10_000.0), cpu_seconds(1e9)), (30, 80, 900));
    }

    #[test]
    fn no_room_is_a_reason_with_both_numbers() {
        let why = check(Situation { available: Some(400 << 20), ..situation() }).unwrap_err();
        assert_eq!(why, "a heap of 50 MB needs about 500 MB to be written, and 400 MB can be had");
    }

    #[test]
    fn what_a_shadow_needed_is_learned() {
        let learned_peak_factor = peak_factor(800 << 20, 50 << 20);
        let why =
            check(Situation { learned_peak_factor, available: Some(900 << 20), ..situation() }).unwrap_err();
        assert_eq!(why, "a heap of 50 MB needs about 1000 MB to be written, and 900 MB can be had");
        assert_eq!((peak_factor(1 << 20, 50 << 20), peak_factor(0, 50 << 20)), (Some(4.0), None));
    }

    #[test]
    fn a_pause_that_is_too_long_is_a_reason_unless_a_person_asked() {
        let why = check(Situation { longest_pause_ms: Some(3_000.0), ..situation() }).unwrap_err();
        assert_eq!(why, "the app would stand still for about 4000 ms, and 3000 ms are allowed");
        let learned = Situation {
            longest_pause_ms: Some(3_000.0),
            learned_ms_per_mb: learned(2_000.0, 50 << 20),
            ..situation()
        };
        assert_eq!(check(learned), Ok(2_000.0));
    }
}
