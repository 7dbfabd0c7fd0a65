//! From the question to the answer.

use crate::answer::{Census, ClassCount, Question, Retainer, Step};
use crate::describe::Describer;
use crate::executable::Executable;
use crate::functions::{self, Functions};
use crate::heap::{Heap, strong};
use crate::holders::{self, is_own};
use crate::layout::Layout;
use crate::reach::{Wanted, reach};
use crate::reached::Reached;
use crate::refusal::Refusal;
use crate::retained::{self, Retained};
use crate::retainers::Dominator;
use crate::roots::Roots;
use crate::self_test;
use crate::snapshot;
use crate::usage::{cpu_ms, resident};
use std::io::Write;

/// What is read once from the running executable, some kilobytes, with which every shadow walks.
#[derive(Debug)]
pub struct Walker {
    functions: Functions,
    layout: Layout,
}

impl Walker {
    /// Reads the running executable's symbols: 10 to 60 ms, so not on the app thread. `Err` says what it lacks.
    pub fn prepare() -> Result<Self, Refusal> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(Refusal::Layout("the walk knows Linux on x86-64 only".to_owned()));
        }
        let executable = Executable::read(&functions::wanted())?;
        Ok(Self { functions: Functions::find(&executable)?, layout: Layout::read(&executable)? })
    }

    /// Walks the heap of the current isolate. About 2.5 ms and 0.3 MB per MB of heap.
    ///
    /// # Safety
    ///
    /// In a shadow, on the isolate's thread. `sample` is the tagged word of a small object of that isolate that is alive.
    pub unsafe fn walk(&self, sample: u64, question: &Question) -> Result<Census, Refusal> {
        let sample = strong(sample).ok_or_else(|| Refusal::Heap("the sample is no object".to_owned()))?;
        let began = cpu_ms();
        let before = resident();
        // SAFETY: the caller's promise.
        let mut heap = unsafe { Heap::enumerate(&self.functions, &self.layout, sample) }?;
        // SAFETY: the caller's promise.
        let roots = unsafe { Roots::collect(&self.functions, heap.address) };
        let enumerate_ms = cpu_ms() - began;
        let began = cpu_ms();
        let wanted = Wanted {
            class: &question.watched_class,
            most: question.watched,
            shared: question.retainers > 0,
            collected: question.collected,
            read_only: false,
        };
        let mut reached = reach(&mut heap, roots, wanted);
        let reach_ms = cpu_ms() - began;
        let began = cpu_ms();
        if let Some(planted) = &question.planted {
            self_test::check(&mut heap, &mut reached, sample, planted, question.collected)?;
        }
        let mut census = Census {
            objects: u64::from(heap.objects.count()),
            bytes: heap.bytes,
            live_objects: reached.count,
            live_bytes: reached.bytes,
            off_heap: reached.off_heap,
            edges: reached.edges,
            paths: reached.signatures.nodes().len() as u64,
            memory: reached.peak.max(resident().saturating_sub(before)),
            enumerate_ms,
            reach_ms,
            classes: classes(&reached, question.classes),
            ..Census::default()
        };
        let found = std::mem::take(&mut reached.found);
        let mut describer = Describer { heap: &mut heap, reached: &mut reached };
        census.watched = found.into_iter().map(|place| describer.watched(place)).collect();
        holders::tell(&mut describer, question, &mut census);
        census.tell_ms = cpu_ms() - began;
        retainers(&mut describer, question, &mut census);
        Ok(census)
    }

    /// Writes a heap snapshot of the current isolate in V8's format: some 20 ms and 0.4 MB per MB of heap. It reaches the objects
    /// again, for JavaScript has run since a walk. `collected` says that full collections came before. Objects have V8's ids where it has
    /// given them some. `Err` also when `out` fails; what was written until then is no whole file.
    ///
    /// # Safety
    ///
    /// As for [`Walker::walk`].
    pub unsafe fn write_heap_snapshot(
        &self,
        sample: u64,
        collected: bool,
        out: &mut dyn Write,
    ) -> Result<(), Refusal> {
        let sample = strong(sample).ok_or_else(|| Refusal::Heap("the sample is no object".to_owned()))?;
        // SAFETY: the caller's promise.
        let mut heap = unsafe { Heap::enumerate(&self.functions, &self.layout, sample) }?;
        // SAFETY: the caller's promise.
        let roots = unsafe { Roots::collect(&self.functions, heap.address) };
        let mut reached = reach(&mut heap, roots, Wanted { collected, read_only: true, ..Wanted::default() });
        snapshot::write(&mut heap, &mut reached, out).map_err(Refusal::Output)
    }
}

/// Tells on what most hangs, where that was asked and fits.
fn retainers(describer: &mut Describer<'_, '_, '_>, question: &Question, census: &mut Census) {
    if question.retainers == 0 {
        return;
    }
    let began = cpu_ms();
    let numbered = retained::numbered(describer.heap, describer.reached);
    let needed = retained::needed(census.objects, numbered);
    if let Some(room) = question.retainers_room.filter(|room| needed > *room) {
        census.no_retainers = Some(format!(
            "dominators of {} objects need about {} MB, and {} MB can be had",
            census.live_objects,
            needed >> 20,
            room >> 20
        ));
        return;
    }
    let retained = Retained::of(describer.heap, describer.reached, numbered);
    census.retained_memory = retained.peak;
    let largest = retained.largest(describer, question.retainers * 2);
    census.retainers = largest
        .into_iter()
        .map(|Dominator { place, bytes, retained }| Retainer {
            bytes,
            retained,
            path: describer.exact(place),
        })
        .filter(|retainer| !is_own(nearest_code(&retainer.path), question))
        .take(question.retainers)
        .collect();
    census.retained_ms = cpu_ms() - began;
}

/// The last step that stands in a script: a path to what the program keeps may begin at the probe that it waits for.
fn nearest_code(path: &[Step]) -> &[Step] {
    let last = path.iter().rposition(|step| !step.script.is_empty());
    last.and_then(|last| path.get(last..=last)).unwrap_or(&[])
}

fn classes(reached: &Reached, most: usize) -> Vec<ClassCount> {
    let live = reached.maps.classes.iter().filter(|class| class.count > 0);
    let mut classes: Vec<_> = live
        .map(|class| ClassCount { class: class.name.clone(), count: class.count, bytes: class.bytes })
        .collect();
    classes.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.class.cmp(&b.class)));
    classes.truncate(most);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_node_nothing_is_walked_and_the_reason_is_told() {
        let refusal = Walker::prepare().unwrap_err();
        let expected = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            "has no symbol"
        } else {
            "x86-64 only"
        };
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }
}
