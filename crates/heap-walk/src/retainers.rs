//! Which objects are told by what they retain.

use crate::answer::StepKind;
use crate::describe::Describer;
use crate::objects::Place;
use crate::retained::Retained;
use std::collections::HashMap;

/// A holder is told where no single object below it retains more than this part of what it does.
const ONE_CHILD: f32 = 0.8;
/// Of one class, so many of what hangs on one object are told.
const ALIKE: u32 = 3;
/// Less is not told, bytes, and as a part of all.
const LEAST: u64 = 64 << 10;
const LEAST_PART: u64 = 500;

/// An object that much hangs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Dominator {
    pub(crate) place: Place,
    /// The object's own bytes.
    pub(crate) bytes: u64,
    pub(crate) retained: u64,
}

/// A number that may be told.
struct Told {
    retained: u64,
    number: u32,
    /// The nearest dominator that may be told, 0 for none.
    over: u32,
}

impl Retained {
    /// The objects on which most hangs, at most `most`: each where the tree branches, for what stands above it holds it alone (as the
    /// accumulation points of Eclipse's Memory Analyzer). What V8 keeps for itself is told as the object that it is a part of; of what
    /// hangs on one object, a few of a class are enough.
    pub(crate) fn largest(&self, describer: &mut Describer<'_, '_, '_>, most: usize) -> Vec<Dominator> {
        let least = LEAST.max(self.bytes.get(0) / LEAST_PART);
        let mut child = vec![0_f32; self.immediate.len()];
        for (number, above) in (0_u32..).zip(&self.immediate).skip(1) {
            if let Some(largest) = child.get_mut(*above as usize) {
                *largest = largest.max(approximately(self.bytes.get(number)));
            }
        }
        // By number, the object above that is told, 0 for none; a dominator comes before what it dominates.
        let mut above = vec![0_u32; self.immediate.len()];
        let mut told: Vec<Told> = Vec::new();
        for number in 1..self.immediate.len() as u32 {
            let over = above.get(self.above(number) as usize).copied().unwrap_or(0);
            let retained = self.bytes.get(number);
            let largest = child.get(number as usize).copied().unwrap_or(0.0);
            let mut own = over;
            if retained >= least && largest <= approximately(retained) * ONE_CHILD {
                own = self.owner(describer, number);
                if own != 0 && own != over {
                    told.push(Told { retained: self.bytes.get(own), number: own, over });
                }
            }
            if let Some(slot) = above.get_mut(number as usize) {
                *slot = own;
            }
        }
        told.sort_unstable_by_key(|one| (std::cmp::Reverse(one.retained), one.number));
        told.dedup_by_key(|one| one.number);
        let mut alike: HashMap<(u32, u32), u32> = HashMap::new();
        let mut found = Vec::new();
        for Told { retained, number, over } in told {
            let Some(place) = self.place(number).filter(|_| found.len() < most) else { continue };
            let object = describer.heap.objects.address(place);
            let map = describer.reached.maps.of(describer.heap, object);
            let class = describer.reached.maps.get(map).map_or(0, |info| info.class);
            let seen = alike.entry((over, class)).or_default();
            *seen += 1;
            if *seen <= ALIKE {
                let bytes = u64::from(describer.heap.size(object));
                found.push(Dominator { place, bytes, retained });
            }
        }
        found
    }

    /// The object that something is a part of: its nearest dominator that V8 does not keep for itself; 0 for none.
    fn owner(&self, describer: &mut Describer<'_, '_, '_>, number: u32) -> u32 {
        let mut at = number;
        while let Some(place) = self.place(at)
            && describer.object(place).kind == StepKind::Internal
        {
            at = self.above(at);
        }
        at
    }

    fn above(&self, number: u32) -> u32 {
        self.immediate.get(number as usize).copied().unwrap_or(0)
    }

    fn place(&self, number: u32) -> Option<Place> {
        self.order.get(number.checked_sub(1)? as usize).copied()
    }
}

#[expect(clippy::cast_precision_loss, reason = "only compared with one another, by some per cent")]
fn approximately(bytes: u64) -> f32 {
    bytes as f32
}
