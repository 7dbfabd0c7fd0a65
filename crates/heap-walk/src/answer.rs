//! What a walk is asked and what it says, as they travel between the shadow and the recorder.

use serde::{Deserialize, Serialize};

/// What a walk is asked.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Question {
    /// Classes told at most, those with the most bytes first.
    pub classes: usize,
    /// Holders told at most.
    pub holders: usize,
    /// Folded paths whose counts are told at most, for the next question's `before`.
    pub counts: usize,
    /// What an earlier walk counted: holders that have grown since come first.
    pub before: Vec<Count>,
    /// Also the path to each object of this class.
    pub watched_class: String,
    /// Paths to such objects at most.
    pub watched: usize,
    /// Objects told at most by what they retain; 0 leaves out the search for dominators, which takes three times as long as the rest.
    pub retainers: usize,
    /// Memory that search may take, bytes; `None` for as much as it needs.
    pub retainers_room: Option<u64>,
    /// What was planted for the self-test, with what is known of the heap; `None` to skip the test.
    pub planted: Option<Planted>,
    /// Scripts below this directory are the probe's own: what they hold is not told.
    pub own: String,
    /// Whether full collections came before, so that nearly everything must be reached.
    pub collected: bool,
}

/// What the self-test has to find.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Planted {
    /// A class that nothing else is of.
    pub class: String,
    /// Objects of it that a variable holds.
    pub count: u64,
    /// The variable's name: the path to each of them runs through it.
    pub variable: String,
    /// A class of which objects are held by weak references only, or by weak keys that died.
    pub weak_class: String,
    /// V8's `used_heap_size`, bytes.
    pub used: u64,
}

/// The count of one folded path.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Count {
    /// The signature, as [`Holder::signature`].
    pub signature: String,
    /// Objects.
    pub count: u64,
}

/// What a walk found.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Census {
    /// Objects in the heap, garbage included.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that the strong roots reach.
    pub live_objects: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Bytes outside the heap that live objects hold: array buffers and external strings.
    pub off_heap: u64,
    /// Edges followed.
    pub edges: u64,
    /// Folded paths.
    pub paths: u64,
    /// Memory that the walk took, bytes.
    pub memory: u64,
    /// What the walk took of the CPU, ms: finding all objects, and reaching the live ones.
    pub enumerate_ms: f64,
    /// See `enumerate_ms`.
    pub reach_ms: f64,
    /// The same of everything after that.
    pub tell_ms: f64,
    /// Live objects and bytes by class, the most bytes first.
    pub classes: Vec<ClassCount>,
    /// What holds much or has grown.
    pub holders: Vec<Holder>,
    /// Objects that most hangs on, where that was asked.
    pub retainers: Vec<Retainer>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub no_retainers: Option<String>,
    /// What the search for dominators took of the CPU, ms.
    pub retained_ms: f64,
    /// Memory that it took besides, bytes.
    pub retained_memory: u64,
    /// Counts of further folded paths.
    pub counts: Vec<Count>,
    /// Watched objects that are alive.
    pub watched: Vec<Watched>,
}

/// A watched object.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Watched {
    /// The text of its property `id`; empty where there is none.
    pub id: String,
    /// The way to it, the root first.
    pub path: Vec<Step>,
}

/// Live objects of one class.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ClassCount {
    /// The constructor's name; in parentheses what V8 keeps for itself.
    pub class: String,
    /// Objects.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Objects that are reached by one folded path, with all that hangs on them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The folded path as a number (hexadecimal): the same in every walk of one process.
    pub signature: String,
    /// Objects with this path.
    pub count: u64,
    /// What they and all below them take in the heap, bytes.
    pub bytes: u64,
    /// What they and all below them hold outside the heap, bytes.
    pub off_heap: u64,
    /// More of them than in the earlier walk that the question named.
    pub grown: u64,
    /// The way to them, the root first and they themselves last.
    pub path: Vec<Step>,
    /// Functions and scopes that they hold, those that most of them hold first; a few at most.
    pub code: Vec<Step>,
}

/// An object that much hangs on: what goes when it goes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retainer {
    /// The object's own bytes.
    pub bytes: u64,
    /// What it dominates with itself, in the heap and outside, bytes.
    pub retained: u64,
    /// The way to it, the root first and the object itself last.
    pub path: Vec<Step>,
}

/// What one object on a path is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// One of V8's kinds of roots.
    Root,
    /// A JavaScript object, or a string or number.
    #[default]
    Object,
    /// A function.
    Function,
    /// The variables of a function or of a script.
    Scope,
    /// A `CommonJS` module.
    Module,
    /// What V8 keeps for itself.
    Internal,
}

/// One object on a path.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step {
    /// How the one before leads here: a property, a variable, `[]` for an entry; V8's own fields in parentheses.
    pub edge: String,
    /// Its class, or the kind of root.
    pub class: String,
    /// What it is.
    pub kind: StepKind,
    /// The script where its function or scope stands, empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub script: String,
    /// The line there, from 1; 0 where that is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub line: u32,
    /// The function's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub function: String,
    /// Objects with this folded path, 0 where that is not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
