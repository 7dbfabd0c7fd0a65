//! Whether a walk can be believed: what was planted for it must come out exactly.

use crate::answer::Planted;
use crate::describe::Describer;
use crate::heap::Heap;
use crate::reached::Reached;
use crate::refusal::Refusal;

/// How far the bytes of all objects may be from V8's `used_heap_size`: read-only space is in the one and not in the other.
const BYTES_APART: f64 = 0.015;
/// The read-only space and what is allocated between the two readings, bytes.
const BYTES_ALLOWANCE: f64 = 512.0 * 1024.0;
/// After full collections at least so much of the objects must be reached, but for this many: some 1 200 to 1 500 of V8's
/// read-only space, to which nothing of a small heap may point.
const REACHED: f64 = 0.99;
const NOT_REACHED: f64 = 2_500.0;

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
    if (bytes - used).abs() > used * BYTES_APART + BYTES_ALLOWANCE {
        return fail(format!("{bytes} bytes instead of {used}"));
    }
    let (live, all) = (reached.count as f64, f64::from(heap.objects.count()));
    if collected && live < (all - NOT_REACHED) * REACHED {
        return fail(format!("{live} of {all} objects reached after a collection"));
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

fn fail(why: String) -> Result<(), Refusal> {
    Err(Refusal::SelfTest(why))
}
