//! Whether a walk can be believed: what was planted for it must come out exactly.

use crate::answer::Planted;
use crate::describe::Describer;
use crate::heap::Heap;
use crate::reached::Reached;
use crate::refusal::Refusal;
use std::collections::HashMap;

/// How far the bytes of all objects may be from V8's `used_heap_size`: read-only space is in the one and not in the other.
const BYTES_APART: f64 = 0.015;
/// The read-only space and what is allocated between the two readings, bytes.
const BYTES_ALLOWANCE: f64 = 512.0 * 1024.0;
/// After full collections at least so much of the objects must be reached, but for this many: some 1 200 to 1 500 of V8's
/// read-only space, to which nothing of a small heap may point.
const REACHED: f64 = 0.99;
const NOT_REACHED: f64 = 2_500.0;
/// Classes that are told of those that were not.
const MISSED_CLASSES: usize = 6;

#[expect(clippy::cast_precision_loss, reason = "bytes and counts stay below 2^53")]
/// Compares a walk with what is known. `sample` is the address of one of the planted objects.
pub(crate) fn check(
    heap: &mut Heap<'_>,
    reached: &mut Reached,
    sample: u64,
    planted: &Planted,
    collected: bool,
) -> Result<(), Refusal> {
    let count = |class: &str| {
        let classes = reached.maps.classes.iter().filter(|known| known.name == class);
        classes.map(|class| class.count).sum::<u64>()
    };
    let (found, weak) = (count(&planted.class), count(&planted.weak_class));
    if found != planted.count || weak != 0 {
        let (class, weak_class, expected) = (&planted.class, &planted.weak_class, planted.count);
        return fail(format!("{found} {class} instead of {expected}, {weak} {weak_class} instead of none"));
    }
    let (bytes, used) = (heap.bytes as f64, planted.used as f64);
    // Without a collection pages may be unswept: V8 counts what is dead there until its iterator sweeps them.
    let apart = if collected { (bytes - used).abs() } else { bytes - used };
    if apart > used * BYTES_APART + BYTES_ALLOWANCE {
        return fail(format!("{bytes} bytes instead of {used}"));
    }
    let (live, all) = (reached.count as f64, f64::from(heap.objects.count()));
    if collected && live < (all - NOT_REACHED) * REACHED {
        let missed = missed(heap, reached).join(", ");
        return fail(format!("{live} of {all} objects reached after a collection, and not {missed}"));
    }
    let place =
        heap.objects.find(sample).ok_or_else(|| Refusal::SelfTest("the sample is no object".to_owned()))?;
    let path = Describer { heap, reached }.exact(place);
    let is_known = path.iter().any(|step| step.edge == planted.variable)
        && path.last().is_some_and(|step| step.class == planted.class);
    if !is_known {
        let edges: Vec<_> = path.iter().map(|step| format!("{} {}", step.edge, step.class)).collect();
        return fail(format!("the path to a planted object is {}", edges.join(" > ")));
    }
    Ok(())
}

/// What most of the objects are that were not reached.
fn missed(heap: &mut Heap<'_>, reached: &mut Reached) -> Vec<String> {
    let mut counts: HashMap<u32, u32> = HashMap::new();
    for page in 0..heap.objects.pages() {
        let mut next = heap.objects.first_in(page);
        while let Some(place) = next {
            next = heap.objects.after(place);
            if heap.objects.number(place).is_some_and(|number| !reached.is_reached(number)) {
                let object = heap.objects.address(place);
                let map = reached.maps.of(heap, object);
                let class = reached.maps.get(map).map_or(0, |info| info.class);
                *counts.entry(class).or_default() += 1;
            }
        }
    }
    let mut counts: Vec<(u32, u32)> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|(class, count)| (std::cmp::Reverse(*count), *class));
    let name = |class: u32| reached.maps.classes.get(class as usize).map_or("", |class| &class.name);
    counts.iter().take(MISSED_CLASSES).map(|(class, count)| format!("{count} {}", name(*class))).collect()
}

fn fail(why: String) -> Result<(), Refusal> {
    Err(Refusal::SelfTest(why))
}
