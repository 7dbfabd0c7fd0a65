//! A shadow's answers as they come through its pipe: lines of JSON, then, if asked for, a raw heap snapshot.

use leakprobe_heap_walk::Census;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Longest line taken; a longer one means that something else is writing.
const LONGEST_LINE: usize = 1 << 20;

/// What a full collection in the shadow left.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Floor {
    /// V8's `used_heap_size` after the collection, bytes.
    pub(crate) heap_used: u64,
    /// V8's `external_memory`, bytes.
    pub(crate) external: u64,
    /// `process.memoryUsage().arrayBuffers`, bytes.
    pub(crate) array_buffers: u64,
    /// Native contexts.
    pub(crate) contexts: u64,
    /// Detached contexts.
    pub(crate) detached_contexts: u64,
    /// Used bytes per heap space, in V8's order.
    pub(crate) spaces: Vec<(String, u64)>,
    /// Watched requests per route: its id, those that ended a while ago, and how many of them are alive.
    #[serde(default, skip_serializing)]
    pub(crate) watched: Vec<(u16, u32, u32)>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Stack(String),
    Floor(Floor),
    Objects(u64),
    NoRoom(u64),
    Generator(Generator),
    WalkBegins(IgnoredAny),
    Walk(Box<Census>),
    NoWalk(String),
    YoungGenerationReserve(Option<u64>),
    HeapSnapshot(IgnoredAny),
}

/// Who writes a heap snapshot.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Generator {
    /// V8's generator.
    #[default]
    V8,
    /// Our own walk over the heap.
    Walk,
    /// For a question: V8's where it has room, the walk elsewhere.
    Either,
}

/// Everything a shadow said.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) stack: Option<String>,
    pub(crate) floor: Option<Floor>,
    /// Live objects in the heap.
    pub(crate) objects: Option<u64>,
    /// There will be no heap snapshot: it would need so many bytes, more than the shadow may take.
    pub(crate) no_room: Option<u64>,
    /// Who writes the heap snapshot.
    pub(crate) generator: Generator,
    /// A walk over the heap was begun: a shadow that ends after this and before its result was ended by the walk.
    pub(crate) walk_begun: bool,
    /// What the walk found, or why it was refused.
    pub(crate) walk: Option<Result<Box<Census>, String>>,
    /// Bytes of V8's heap limit that are room for the young generation.
    pub(crate) young_generation_reserve: Option<u64>,
    pub(crate) snapshot_begun: bool,
    /// The first thing that was not understood.
    pub(crate) fault: Option<String>,
    pending: Vec<u8>,
}

impl Answers {
    /// For a source that has none: everything is the heap snapshot.
    pub(crate) fn none() -> Self {
        Self { snapshot_begun: true, ..Self::default() }
    }

    /// Takes what was read; returns the part that belongs to the heap snapshot.
    pub(crate) fn take<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !self.snapshot_begun && !bytes.is_empty() {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                if self.pending.len() + bytes.len() > LONGEST_LINE {
                    self.fault("a line without end");
                    self.pending.clear();
                } else {
                    self.pending.extend_from_slice(bytes);
                }
                return &[];
            };
            let (line, rest) = bytes.split_at(end);
            self.pending.extend_from_slice(line);
            bytes = rest.get(1..).unwrap_or(&[]);
            let line = std::mem::take(&mut self.pending);
            match serde_json::from_slice(&line) {
                Ok(Line::Stack(stack)) => self.stack = Some(stack),
                Ok(Line::Floor(floor)) => self.floor = Some(floor),
                Ok(Line::Objects(objects)) => self.objects = Some(objects),
                Ok(Line::NoRoom(needed)) => self.no_room = Some(needed),
                Ok(Line::Generator(generator)) => self.generator = generator,
                Ok(Line::WalkBegins(_)) => self.walk_begun = true,
                Ok(Line::Walk(census)) => self.walk = Some(Ok(census)),
                Ok(Line::NoWalk(because)) => self.walk = Some(Err(because)),
                Ok(Line::YoungGenerationReserve(bytes)) => self.young_generation_reserve = bytes,
                Ok(Line::HeapSnapshot(_)) => self.snapshot_begun = true,
                Err(error) => self.fault(&error.to_string()),
            }
        }
        bytes
    }

    fn fault(&mut self, what: &str) {
        self.fault.get_or_insert_with(|| what.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"{\"stack\":\"Error\\n at x\"}\n{\"floor\":{\"heapUsed\":7,\"external\":1,\"arrayBuffers\":2,\"contexts\":3,\"detachedContexts\":0,\"spaces\":[[\"old_space\",5]],\"watched\":[[3,16,2]]}}\n{\"heapSnapshot\":\"begins\"}\n{\"snapshot\":{}}\n";

    #[test]
    fn lines_and_the_snapshot_are_told_apart_however_they_are_cut() {
        for size in 1..TEXT.len() {
            let mut answers = Answers::default();
            let mut snapshot = Vec::new();

            for chunk in TEXT.chunks(size) {
                snapshot.extend_from_slice(answers.take(chunk));
            }

            assert_eq!(answers.stack.as_deref(), Some("Error\n at x"));
            let floor = answers.floor.as_ref().unwrap();
            assert_eq!((floor.heap_used, floor.watched.as_slice()), (7, &[(3, 16, 2)][..]));
            assert_eq!(snapshot, b"{\"snapshot\":{}}\n");
            assert!(answers.fault.is_none());
        }
    }

    #[test]
    fn the_young_generations_room_may_be_unknown() {
        let mut answers = Answers::default();
        answers.take(b"{\"youngGenerationReserve\":null}\n");
        assert_eq!((answers.young_generation_reserve, answers.fault.as_ref()), (None, None));
        answers.take(b"{\"youngGenerationReserve\":50331648}\n");
        assert_eq!(answers.young_generation_reserve, Some(48 << 20));
    }

    #[test]
    fn what_is_not_understood_is_a_fault_and_the_rest_still_counts() {
        let mut answers = Answers::default();

        answers.take(b"nonsense\n{\"stack\":\"s\"}\n{\"other\":1}\n");

        assert_eq!(answers.stack.as_deref(), Some("s"));
        assert!(answers.fault.is_some());
    }

    #[test]
    fn a_line_without_end_does_not_grow_without_bound() {
        let mut answers = Answers::default();

        for _ in 0..64 {
            answers.take(&vec![b'x'; 1 << 16]);
        }

        assert!(answers.pending.len() <= LONGEST_LINE);
        assert_eq!(answers.fault.as_deref(), Some("a line without end"));
    }
}
