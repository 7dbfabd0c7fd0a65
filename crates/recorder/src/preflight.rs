//! Whether a heap snapshot is affordable: V8's generator needs far more than the heap, cannot be stopped for want of
//! memory, and in process the app stands still for all of it.
//!
//! A shadow counts the heap's objects first, and is held to its room by the kernel. In process, and where V8's count is
//! not to be had, the prediction goes by the bytes of the heap. Both learn from the captures of this process.

/// Pause per MB of heap before one has been measured here, ms. V8 takes 50 to 110.
const PAUSE_MS_PER_MB: f64 = 80.0;
/// Memory that the generator takes, as a multiple of the used heap. Measured 8 to 20; small heaps take less in all.
const PEAK_FACTOR: f64 = 10.0;
/// Memory that the generator takes per object before one has been measured here, bytes. Measured 150 for strings, 500 to
/// 660 for small objects, maps and closures, 1 200 for promises, 2 600 for arrays of 100 references.
const BYTES_PER_OBJECT: f64 = 600.0;
/// What is believed of a measurement, bytes per object.
const BYTES_PER_OBJECT_RANGE: (f64, f64) = (100.0, 10_000.0);
/// The next heap may have more edges in as many objects.
const MARGIN: f64 = 1.25;
/// The compressed heap snapshot as a share of the used heap, before one has been measured here. Measured 0.05 for numbers
/// to 0.28 for small objects: a disk is refused only when it would be too small for either.
const FILE_SHARE: f64 = 0.05;

/// What the captures of this process have taught.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Learned {
    ms_per_mb: Option<f64>,
    peak_factor: Option<f64>,
    bytes_per_object: Option<f64>,
    file_share: Option<f64>,
}

/// What is known when the question comes up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// V8's used heap, bytes.
    pub(crate) heap_used: u64,
    /// Memory that can still be had: the cgroup's and the machine's, the smaller; `None` where neither is known.
    pub(crate) available: Option<u64>,
    /// Longest acceptable pause, ms; `None` when a person asked, or a shadow has it.
    pub(crate) longest_pause_ms: Option<f64>,
}

impl Learned {
    /// V8's generator in process took so long.
    pub(crate) fn paused(&mut self, pause_ms: f64, heap_used: u64) {
        if heap_used > 0 {
            self.ms_per_mb = Some(pause_ms / megabytes(heap_used));
        }
    }

    /// A shadow needed `own` bytes for the snapshot of this heap, of so many objects.
    pub(crate) fn needed(&mut self, own: u64, heap_used: u64, objects: Option<u64>) {
        if own == 0 || heap_used == 0 {
            return;
        }
        // V8's generator was never seen to do with less on a heap that matters.
        self.peak_factor = Some((number(own) / number(heap_used) * MARGIN).max(4.0));
        if let Some(objects) = objects.filter(|objects| *objects > 0) {
            let (least, most) = BYTES_PER_OBJECT_RANGE;
            self.bytes_per_object = Some((number(own) / number(objects) * MARGIN).clamp(least, most));
        }
    }

    /// The snapshot's file has so many bytes.
    pub(crate) fn wrote(&mut self, file: u64, heap_used: u64) {
        if heap_used > 0 {
            self.file_share = Some(number(file) / number(heap_used) * MARGIN);
        }
    }

    /// How long V8's generator would take, ms.
    pub(crate) fn predicted_ms(&self, heap_used: u64) -> f64 {
        megabytes(heap_used) * self.ms_per_mb.unwrap_or(PAUSE_MS_PER_MB)
    }

    /// What a shadow reckons with, bytes.
    pub(crate) fn bytes_per_object(&self) -> f64 {
        self.bytes_per_object.unwrap_or(BYTES_PER_OBJECT)
    }

    /// The predicted pause in ms, or why no snapshot is taken by the bytes of the heap.
    pub(crate) fn by_bytes(&self, situation: Situation) -> Result<f64, String> {
        let Situation { heap_used, available, longest_pause_ms } = situation;
        let pause_ms = self.predicted_ms(heap_used);
        let peak = number(heap_used) * self.peak_factor.unwrap_or(PEAK_FACTOR);
        if let Some(available) = available.filter(|available| peak > number(*available)) {
            return Err(format!(
                "a heap of {:.0} MB needs about {:.0} MB to be written, and {:.0} MB can be had",
                megabytes(heap_used),
                peak / MB,
                megabytes(available)
            ));
        }
        if let Some(longest) = longest_pause_ms.filter(|longest| pause_ms > *longest) {
            return Err(format!(
                "the app would stand still for about {pause_ms:.0} ms, and {longest:.0} ms are allowed"
            ));
        }
        Ok(pause_ms)
    }

    /// Why the file would not fit into the `free` bytes of its disk.
    pub(crate) fn disk(&self, heap_used: u64, free: u64) -> Result<(), String> {
        let share = self.file_share.unwrap_or(FILE_SHARE);
        let needed = number(heap_used) * share;
        if needed <= number(free) {
            return Ok(());
        }
        Err(format!(
            "the heap snapshot needs about {:.1} MB of disk, and {:.1} MB are free",
            needed / MB,
            megabytes(free)
        ))
    }
}

/// Why a shadow, having counted, took no heap snapshot.
pub(crate) fn no_room(objects: u64, needed: u64, room: u64) -> String {
    format!(
        "a heap of {objects} objects needs about {:.0} MB to be written, and a shadow may take {:.0} MB",
        megabytes(needed),
        megabytes(room)
    )
}

/// What a shadow may take of the memory that can be had, bytes: a fifth is left to the app.
pub(crate) fn room(available: u64) -> u64 {
    available / 5 * 4
}

/// What the app itself needs to redact the heap snapshot of its heap, bytes: measured 30 MB for 191 MB of heap with 5.4 million
/// objects, one of the densest.
pub(crate) fn redaction(heap_used: u64) -> u64 {
    heap_used / 6
}

/// CPU time of a shadow before it is ended, s: five times what is predicted for its heap snapshot, for the prediction is
/// rough, and half a minute on top.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 30 and 900")]
pub(crate) fn cpu_seconds(predicted_ms: f64) -> u32 {
    (30.0 + predicted_ms * 5.0 / 1_000.0).clamp(30.0, 900.0) as u32
}

const MB: f64 = 1_048_576.0;

fn megabytes(bytes: u64) -> f64 {
    number(bytes) / MB
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAP: u64 = 50 << 20;

    fn situation() -> Situation {
        Situation { heap_used: HEAP, available: Some(4 << 30), longest_pause_ms: None }
    }

    #[test]
    fn a_small_heap_with_room_is_taken() {
        let learned = Learned::default();
        assert_eq!(learned.by_bytes(situation()), Ok(4_000.0));
        assert_eq!(learned.by_bytes(Situation { available: None, ..situation() }), Ok(4_000.0));
    }

    #[test]
    fn a_larger_heap_has_more_time_and_none_has_for_ever() {
        assert_eq!((cpu_seconds(0.0), cpu_seconds(10_000.0), cpu_seconds(1e9)), (30, 80, 900));
    }

    #[test]
    fn no_room_is_a_reason_with_both_numbers() {
        let why = Learned::default().by_bytes(Situation { available: Some(400 << 20), ..situation() });
        assert_eq!(
            why.unwrap_err(),
            "a heap of 50 MB needs about 500 MB to be written, and 400 MB can be had"
        );
        let why = no_room(2_000_000, 900 << 20, room(1000 << 20));
        assert_eq!(
            why,
            "a heap of 2000000 objects needs about 900 MB to be written, and a shadow may take 800 MB"
        );
    }

    #[test]
    fn what_a_shadow_needed_is_learned() {
        let mut learned = Learned::default();
        learned.needed(800 << 20, HEAP, Some(1 << 20));
        let why = learned.by_bytes(Situation { available: Some(900 << 20), ..situation() });
        assert_eq!(
            why.unwrap_err(),
            "a heap of 50 MB needs about 1000 MB to be written, and 900 MB can be had"
        );
        assert!((learned.bytes_per_object() - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn a_measurement_that_says_little_is_not_believed_beyond_reason() {
        let mut learned = Learned::default();
        learned.needed(1 << 20, HEAP, Some(1 << 20));
        assert_eq!(learned.peak_factor, Some(4.0));
        assert!((learned.bytes_per_object() - 100.0).abs() < 1e-9);
        let before = learned;
        learned.needed(0, HEAP, Some(5));
        learned.needed(5, 0, Some(5));
        learned.paused(5.0, 0);
        learned.wrote(5, 0);
        assert_eq!(learned, before);
    }

    #[test]
    fn a_disk_that_is_too_small_is_a_reason() {
        let mut learned = Learned::default();
        assert_eq!(learned.disk(HEAP, 3 << 20), Ok(()));
        let why = learned.disk(HEAP, 1 << 20).unwrap_err();
        assert_eq!(why, "the heap snapshot needs about 2.5 MB of disk, and 1.0 MB are free");
        learned.wrote(4 << 20, HEAP);
        assert!(learned.disk(HEAP, 4 << 20).is_err());
    }

    #[test]
    fn a_pause_that_is_too_long_is_a_reason_unless_a_person_asked() {
        let mut learned = Learned::default();
        let limited = Situation { longest_pause_ms: Some(3_000.0), ..situation() };
        let why = learned.by_bytes(limited).unwrap_err();
        assert_eq!(why, "the app would stand still for about 4000 ms, and 3000 ms are allowed");
        learned.paused(2_000.0, HEAP);
        assert_eq!(learned.by_bytes(limited), Ok(2_000.0));
    }
}
