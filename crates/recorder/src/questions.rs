//! What a shadow is asked, and what for.

use crate::answers::Generator;
use serde::Serialize;

/// What a shadow is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is a question by itself")]
pub(crate) struct Questions {
    /// What the app thread was doing.
    pub(crate) stack: bool,
    /// Full collections, then the heap's numbers.
    pub(crate) floor: bool,
    /// Our own walk over the heap.
    pub(crate) walk: bool,
    /// Objects that the walk tells by what they retain; 0 leaves that out.
    pub(crate) retainers: usize,
    /// Memory that finding them may take, bytes.
    pub(crate) retainers_room: Option<u64>,
    /// V8's file.
    pub(crate) heap_snapshot: bool,
    /// Who may write it.
    pub(crate) generator: Generator,
    /// Count the heap's objects before, to see whether there is room for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<Count>,
}

/// What a shadow reckons with before a heap snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    /// Memory that it may take, bytes; `None` when that is not known.
    pub(crate) room: Option<u64>,
    /// What V8's generator needs for each object, bytes.
    pub(crate) bytes_per_object: f64,
}

/// What a freeze is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// An incident.
    Incident,
    /// The incident of V8's heap at its limit: what it is to show may be gone a moment later.
    HeapLimit,
    /// No incident at all: a floor that the attribution wants. An incident goes before it.
    Floor,
}
