//! Walks over the heap: whether a shadow makes one, what it is asked, and what becomes of its answer.
//!
//! **Invariant:** a walk that ends its shadow is not tried again for the same incident, and one that does so again and again
//! is not tried at all: the capability then says so.

use leakprobe_core::observation::{Census as Holders, Frame, Holder as Held, Kind};
use leakprobe_heap_snapshot::{EdgeKind, LeakKind, Step as KindStep, classify};
use leakprobe_heap_walk::{Census, Count, Holder, Question, Step, StepKind, Walker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Told of one walk: classes, holders, counts for the next, paths to watched requests. About 300 kB of JSON at most.
const CLASSES: usize = 256;
const HOLDERS: usize = 96;
const COUNTS: usize = 2_048;
const WATCHED: usize = 16;
/// Told of a capture's walk by what they retain.
pub(crate) const RETAINERS: usize = 24;
/// The class of the tags that watched requests carry.
pub(crate) const WATCHED_CLASS: &str = "LeakprobeWatched";
/// A walk is compared with the one so many walks before it.
const COMPARED: usize = 6;
/// After so many failures in a row there are no more walks.
const MOST_FAILURES: u32 = 3;
/// Memory that a walk needs, as part of the heap, and at least, bytes; measured, with a margin.
const NEEDED_SHARE: f64 = 0.4;
const NEEDED_LEAST: u64 = 24 << 20;

/// The walker of this process, and what earlier walks said.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    /// Made by the recorder's thread once; a shadow finds it in the memory it shares.
    walker: OnceLock<Walker>,
    failures: AtomicU32,
    counts: Mutex<VecDeque<Vec<Count>>>,
}

impl Walks {
    /// Reads the running executable; `Err` says why there will be no walks.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        let walker = Walker::prepare().map_err(|refusal| refusal.to_string())?;
        // Set before: as good.
        let _ = self.walker.set(walker);
        Ok(())
    }

    /// Whether a shadow that may take `room` bytes should walk a heap of so many bytes.
    pub(crate) fn wanted(&self, heap_used: u64, room: Option<u64>) -> bool {
        self.walker.get().is_some()
            && self.failures.load(Ordering::Relaxed) < MOST_FAILURES
            && room.is_none_or(|room| needed(heap_used) <= room)
    }

    /// Of the memory that a shadow may take, what is left for a search for dominators, bytes.
    pub(crate) fn room_beside(heap_used: u64, room: Option<u64>) -> Option<u64> {
        room.map(|room| room.saturating_sub(needed(heap_used)))
    }

    /// For a shadow: the walker, and the question completed. Never waits: a lock may have been held when it was made.
    pub(crate) fn ask(&self, mut question: Question) -> Option<(&Walker, Question)> {
        question.classes = CLASSES;
        question.holders = HOLDERS;
        question.counts = COUNTS;
        question.watched = WATCHED;
        WATCHED_CLASS.clone_into(&mut question.watched_class);
        question.before =
            self.counts.try_lock().and_then(|counts| counts.front().cloned()).unwrap_or_default();
        Some((self.walker.get()?, question))
    }

    /// A walk answered.
    pub(crate) fn answered(&self, census: &Census) {
        self.failures.store(0, Ordering::Relaxed);
        let mut counts = self.counts.lock();
        if counts.len() == COMPARED {
            counts.pop_front();
        }
        counts.push_back(census.counts.clone());
    }

    /// A walk ended its shadow, or was refused there; `true` when it was the last that is tried.
    pub(crate) fn failed(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 == MOST_FAILURES
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes stay below 2^53"
)]
fn needed(heap_used: u64) -> u64 {
    ((heap_used as f64 * NEEDED_SHARE) as u64).max(NEEDED_LEAST)
}

/// What the attribution takes of a census.
pub(crate) fn observed(census: &Census, mark: u32) -> Holders {
    let holders = census.holders.iter().map(|holder| Held {
        signature: u64::from_str_radix(&holder.signature, 16).unwrap_or(0),
        count: holder.count,
        bytes: holder.bytes + holder.off_heap,
        kind: kind(holder),
        class: holder.path.last().map(|step| step.class.clone()).unwrap_or_default(),
        path: readable(&holder.path),
        culprit: culprit_of(holder),
    });
    Holders { mark, objects: census.live_objects, holders: holders.collect() }
}

/// What kind of leak a holder would be: its last step is what there are many of, the one before it holds them.
fn kind(holder: &Holder) -> Kind {
    if holder.off_heap > holder.bytes * 4 {
        return Kind::Native;
    }
    let steps: Vec<KindStep<'_>> = holder.path.iter().map(kind_step).collect();
    let last = steps.len().saturating_sub(1);
    // What is an entry is one of many, not the first of a chain.
    let folded = holder.path.last().is_some_and(|step| step.edge != "[]" && is_chain(step));
    let container = if folded { last } else { last.saturating_sub(1) };
    match classify(&steps, (!steps.is_empty()).then_some(container)).kind {
        LeakKind::Collection => Kind::Collection,
        LeakKind::Listener => Kind::Listener,
        LeakKind::Timer => Kind::Timer,
        LeakKind::Closure => Kind::Closure,
        LeakKind::Native => Kind::Native,
        LeakKind::Unknown => Kind::Unknown,
    }
}

/// Links of a chain hold one another, whatever the first of them hangs on.
fn is_chain(step: &Step) -> bool {
    matches!(step.class.as_str(), "Promise" | "(PromiseReaction)" | "Timeout" | "(context)")
}

fn kind_step(step: &Step) -> KindStep<'_> {
    let edge = match step.edge.as_str() {
        "[]" => EdgeKind::Element,
        edge if edge.starts_with('(') => EdgeKind::Internal,
        _ => EdgeKind::Property,
    };
    let (node_type, class) = match (step.kind, step.class.as_str()) {
        (StepKind::Function, _) => ("closure", step.function.as_str()),
        (StepKind::Scope, _) => ("object", "system / Context"),
        (StepKind::Root, class) => ("synthetic", class),
        (_, "(PromiseReaction)") => ("object", "system / PromiseReaction"),
        (StepKind::Internal, class) => ("array", class),
        (StepKind::Object | StepKind::Module, class) => ("object", class),
    };
    KindStep {
        edge,
        name: &step.edge,
        node_type,
        class,
        file: (!step.script.is_empty()).then_some(step.script.as_str()),
        line: step.line,
        fan_out: 0,
    }
}

/// A path as a person reads it: V8's own objects are left out, places in the code are named.
///
/// It begins at the last scope, function or module of the program's own before its end, where there is one.
pub(crate) fn readable(path: &[Step]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let before_end = path.get(..path.len().saturating_sub(1)).unwrap_or(&[]);
    let from =
        before_end.iter().rposition(|step| step.script.contains('/') && !step.script.starts_with("node:"));
    for step in path.get(from.unwrap_or(0)..).unwrap_or(&[]) {
        let edge = if step.edge.starts_with('(') { "" } else { step.edge.as_str() };
        let place = place(step);
        let text = match step.kind {
            StepKind::Root => step.class.clone(),
            StepKind::Module => format!("module {}", step.script),
            StepKind::Scope if place.is_empty() => continue,
            StepKind::Scope => format!("variables of {place}"),
            StepKind::Function if edge.is_empty() => format!("function {place}"),
            StepKind::Function => format!("{edge}: function {place}"),
            StepKind::Internal if edge.is_empty() => continue,
            StepKind::Internal => edge.to_owned(),
            StepKind::Object if edge.is_empty() => step.class.clone(),
            StepKind::Object => format!("{edge}: {}", step.class),
        };
        texts.push(text);
    }
    texts
}

fn place(step: &Step) -> String {
    let function = if step.function.is_empty() { "" } else { step.function.as_str() };
    match (step.script.as_str(), step.line) {
        ("", _) => function.to_owned(),
        (script, 0) => format!("{function} ({script})").trim_start().to_owned(),
        (script, line) => format!("{function} ({script}:{line})").trim_start().to_owned(),
    }
}

/// The code nearest to a holder: on the path to it, or else what its objects hold.
fn culprit_of(holder: &Holder) -> Option<Frame> {
    culprit(&holder.path).or_else(|| culprit(holder.code.get(..1)?))
}

/// The code nearest to the end of a path that is not Node's own.
pub(crate) fn culprit(path: &[Step]) -> Option<Frame> {
    let is_program = |step: &&Step| {
        let script = step.script.as_str();
        !script.is_empty() && !script.starts_with("node:") && script.contains('/')
    };
    let step = path.iter().rev().find(is_program)?;
    Some(Frame {
        function: (!step.function.is_empty()).then(|| step.function.clone()),
        file: step.script.clone(),
        line: step.line,
        package: package(&step.script),
    })
}

/// The package of a file: what follows the last `node_modules` of its path, with its scope.
fn package(file: &str) -> Option<String> {
    let (_, inside) = file.rsplit_once("/node_modules/")?;
    let mut parts = inside.split('/');
    let first = parts.next()?;
    match parts.next() {
        Some(name) if first.starts_with('@') => Some(format!("{first}/{name}")),
        _ => Some(first.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(edge: &str, class: &str, kind: StepKind) -> Step {
        Step { edge: edge.to_owned(), class: class.to_owned(), kind, ..Step::default() }
    }

    fn at(mut step: Step, script: &str, line: u32, function: &str) -> Step {
        (step.script, step.line, step.function) = (script.to_owned(), line, function.to_owned());
        step
    }

    fn holder(path: Vec<Step>) -> Holder {
        Holder { signature: "00000000000000ff".to_owned(), count: 9, bytes: 100, path, ..Holder::default() }
    }

    fn cache() -> Vec<Step> {
        let scope = step("(scope)", "(context)", StepKind::Scope);
        vec![
            step("", "(Global handles)", StepKind::Root),
            at(scope, "/app/node_modules/@acme/mail/cache.js", 0, ""),
            step("templates", "Map", StepKind::Object),
            step("[]", "Template", StepKind::Object),
        ]
    }

    #[test]
    fn promises_in_a_map_are_a_collection_and_promises_in_a_row_are_not() {
        let mut in_map = cache();
        in_map.pop();
        in_map.push(step("[]", "Promise", StepKind::Object));
        let mut in_a_row = cache();
        in_a_row.truncate(2);
        in_a_row.push(step("last", "Promise", StepKind::Object));

        assert_eq!(kind(&holder(in_map)), Kind::Collection);
        assert_eq!(kind(&holder(in_a_row)), Kind::Closure);
    }

    #[test]
    fn entries_of_a_map_in_a_module_are_a_collection_of_its_package() {
        let census = Census { live_objects: 5, holders: vec![holder(cache())], ..Census::default() };

        let observed = observed(&census, 3);

        let [held] = observed.holders.as_slice() else { panic!("{observed:?}") };
        assert_eq!(
            (observed.mark, held.signature, held.kind, held.class.as_str()),
            (3, 255, Kind::Collection, "Template")
        );
        assert_eq!(held.culprit.as_ref().unwrap().package.as_deref(), Some("@acme/mail"));
        assert_eq!(
            held.path,
            ["variables of (/app/node_modules/@acme/mail/cache.js)", "templates: Map", "[]: Template"]
        );
    }

    #[test]
    fn functions_in_a_list_of_listeners_are_listeners() {
        let path = vec![
            step("bus", "EventEmitter", StepKind::Object),
            step("_events", "Object", StepKind::Object),
            step("tick", "Array", StepKind::Object),
            at(step("[]", "Function", StepKind::Function), "/app/bus.js", 7, "done"),
        ];
        assert_eq!(kind(&holder(path.clone())), Kind::Listener);
        let culprit = culprit(&path).unwrap();
        assert_eq!((culprit.file.as_str(), culprit.line, culprit.package), ("/app/bus.js", 7, None));
    }

    #[test]
    fn chains_of_promises_are_closures_and_lists_of_timers_timers() {
        let promises = vec![
            step("shutdown", "Promise", StepKind::Object),
            step("(reactions or result)", "(PromiseReaction)", StepKind::Internal),
            step("(next)", "(PromiseReaction)", StepKind::Internal),
        ];
        assert_eq!(kind(&holder(promises)), Kind::Closure);
        let timers = vec![
            step("1000", "TimersList", StepKind::Object),
            step("_idleNext", "Timeout", StepKind::Object),
        ];
        assert_eq!(kind(&holder(timers)), Kind::Timer);
    }

    #[test]
    fn what_holds_much_outside_the_heap_is_native() {
        let native = Holder { off_heap: 1 << 20, ..holder(cache()) };
        assert_eq!(kind(&native), Kind::Native);
    }

    #[test]
    fn a_walk_is_wanted_only_where_it_can_be_and_has_room() {
        let walks = Walks::default();
        assert!(!walks.wanted(1 << 20, None), "there is no walker outside node");
        assert!(walks.ask(Question::default()).is_none());
        assert_eq!((walks.failed(), walks.failed(), walks.failed()), (false, false, true));
        assert_eq!((needed(1 << 20), needed(1 << 30)), (NEEDED_LEAST, 429_496_729));
    }

    #[test]
    fn a_walk_is_compared_with_one_some_walks_before() {
        let walks = Walks::default();
        let counted =
            |count| Census { counts: vec![Count { signature: "1".to_owned(), count }], ..Census::default() };
        (0..20).for_each(|count| walks.answered(&counted(count)));
        let counts = walks.counts.lock();
        assert_eq!((counts.len(), counts.front().unwrap()[0].count), (COMPARED, 14));
    }

    #[test]
    fn packages_are_told_with_their_scope_and_the_innermost_counts() {
        assert_eq!(package("/app/node_modules/a/node_modules/b/lib/x.js").as_deref(), Some("b"));
        assert_eq!(package("file:///app/node_modules/@s/p/index.mjs").as_deref(), Some("@s/p"));
        assert_eq!(package("/app/lib/x.js"), None);
    }
}
