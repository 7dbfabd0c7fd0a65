//! Where functions stand in their scripts, as lines and columns from 0.

use crate::addresses::AddressMap;
use crate::heap::Heap;
use crate::text::LONGEST_SCRIPT;

/// A place in a script.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    /// A number for each script, from 1.
    pub(crate) script: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Scripts and functions met so far.
#[derive(Debug, Default)]
pub(crate) struct Places {
    scripts: AddressMap<Script>,
    functions: AddressMap<Option<Place>>,
}

#[derive(Debug)]
struct Script {
    number: u32,
    /// Letters before each line.
    lines: Vec<u32>,
}

impl Places {
    /// Where a function begins; `None` for what has no script, or no position in it.
    pub(crate) fn of(&mut self, heap: &mut Heap<'_>, function: u64) -> Option<Place> {
        let shared = heap.shared(function)?;
        if let Some(known) = self.functions.get(&shared) {
            return *known;
        }
        let place = self.find(heap, shared);
        self.functions.insert(shared, place);
        place
    }

    fn find(&mut self, heap: &mut Heap<'_>, shared: u64) -> Option<Place> {
        let script = heap.script_of(shared)?;
        let start = heap.start_of(shared)?;
        let next = self.scripts.len() as u32 + 1;
        let script = self.scripts.entry(script).or_insert_with(|| {
            let (_, source) = heap.script(script);
            Script { number: next, lines: lines(heap, source) }
        });
        let line = script.lines.partition_point(|first| *first <= start).checked_sub(1)?;
        let column = start - script.lines.get(line)?;
        Some(Place { script: script.number, line: line as u32, column })
    }
}

/// Letters before each line of a source text.
fn lines(heap: &mut Heap<'_>, source: u64) -> Vec<u32> {
    let mut lines = vec![0];
    if heap.is_string(source) {
        let mut position = 0;
        let length = heap.length(source).min(LONGEST_SCRIPT);
        heap.units(source, 0, length, &mut |unit| {
            position += 1;
            if unit == u16::from(b'\n') {
                lines.push(position);
            }
        });
    }
    lines
}
