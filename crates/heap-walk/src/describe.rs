//! Names for what was reached: the steps of a path.

use crate::answer::{Step, StepKind, Watched};
use crate::code::Source;
use crate::edges::DICTIONARY_PREFIX;
use crate::heap::Heap;
use crate::layout::Known;
use crate::maps::{Special, Treatment};
use crate::objects::Place;
use crate::properties::Kept;
use crate::reached::{Parent, Reached};
use crate::signatures::NodeId;

/// Objects on one path that are named.
const LONGEST_PATH: usize = 200;
/// Letters of a watched object's id.
const LONGEST_ID: u32 = 20;

/// Names objects of a finished walk.
pub(crate) struct Describer<'w, 'h, 'a> {
    pub(crate) heap: &'w mut Heap<'a>,
    pub(crate) reached: &'h mut Reached,
}

impl Describer<'_, '_, '_> {
    /// The folded path of a node, the root first.
    pub(crate) fn folded(&mut self, node: NodeId) -> Vec<Step> {
        let up: Vec<NodeId> = self.reached.signatures.up(node).take(LONGEST_PATH).collect();
        up.into_iter().rev().map(|node| self.node(node)).collect()
    }

    /// The path of one object, the root first. Objects that are only where others keep things are left out.
    pub(crate) fn exact(&mut self, place: Place) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut next = Some(place);
        while let Some(place) = next.filter(|_| steps.len() < LONGEST_PATH) {
            let parent = self.reached.parent(self.heap, place);
            let mut step = self.object(place);
            next = None;
            match parent {
                Some(Parent::Object(parent)) => {
                    step.edge = self.edge(parent, place);
                    next = Some(self.owner(parent));
                }
                Some(Parent::Root(kind)) => {
                    steps.push(step);
                    step = self.root(kind);
                }
                None => {}
            }
            steps.push(step);
        }
        steps.reverse();
        steps
    }

    /// A watched object: what its property `id` says, and its path.
    pub(crate) fn watched(&mut self, place: Place) -> Watched {
        let object = self.heap.objects.address(place);
        let map = self.heap.map_of(object);
        let mut found = None;
        self.heap.each_property(map, &mut |heap, name, kept| {
            if heap.name(name) == "id"
                && let Kept::Inside(word) = kept
            {
                found = Some(word as u64 * 8);
            }
        });
        let text = found.and_then(|at| self.heap.field(object, at)).filter(|text| self.heap.is_string(*text));
        let id = text.map(|text| self.heap.text(text, LONGEST_ID)).unwrap_or_default();
        Watched { id, path: self.exact(place) }
    }

    fn root(&self, kind: i32) -> Step {
        let name = self.reached.roots.names.get(&kind).cloned().unwrap_or_default();
        Step { class: name, kind: StepKind::Root, ..Step::default() }
    }

    /// What a node's objects are, and how they are reached.
    pub(crate) fn node(&mut self, node: NodeId) -> Step {
        let Some(found) = self.reached.signatures.get(node) else { return Step::default() };
        let (sample, count, is_entry) = (found.sample, found.count, found.is_entry());
        if sample.0 == u32::MAX {
            return self.root(self.reached.root_kinds.get(&node).copied().unwrap_or(-1));
        }
        let mut step = self.object(sample);
        step.count = count;
        match self.reached.parent(self.heap, sample) {
            Some(Parent::Object(parent)) => {
                step.edge = self.edge(parent, sample);
                if is_entry && !step.edge.starts_with('(') && step.kind == StepKind::Object {
                    "[]".clone_into(&mut step.edge);
                }
            }
            Some(Parent::Root(_)) | None => {}
        }
        step
    }

    /// The object to which a store belongs; itself for all else.
    fn owner(&mut self, place: Place) -> Place {
        let mut owner = place;
        for _ in 0..2 {
            let object = self.heap.objects.address(owner);
            let map = self.reached.maps.of(self.heap, object);
            let treatment = self.reached.maps.get(map).map(|info| info.treatment);
            let is_store = matches!(
                treatment,
                Some(
                    Treatment::PropertyArray
                        | Treatment::NameDictionary
                        | Treatment::Entries
                        | Treatment::Ephemerons
                        | Treatment::RopeString
                )
            );
            match self.reached.parent(self.heap, owner) {
                Some(Parent::Object(parent)) if is_store && self.is_receiver(parent) => owner = parent,
                _ => break,
            }
        }
        owner
    }

    fn is_receiver(&mut self, place: Place) -> bool {
        let object = self.heap.objects.address(place);
        self.heap.type_of(object) >= self.heap.layout.first_receiver
    }

    /// What an object is, without how it is reached.
    pub(crate) fn object(&mut self, place: Place) -> Step {
        let object = self.heap.objects.address(place);
        let map = self.reached.maps.of(self.heap, object);
        let Some(info) = self.reached.maps.get(map) else { return Step::default() };
        let (treatment, special, is_receiver) = (info.treatment, info.special, info.is_receiver);
        let class = self.reached.maps.class(map).to_owned();
        let mut step = Step { class, ..Step::default() };
        match treatment {
            Treatment::Function => {
                step.kind = StepKind::Function;
                if let Some(shared) = self.heap.shared(object) {
                    let source = self.heap.source_of(shared);
                    self.place(&mut step, source);
                }
            }
            Treatment::Context => {
                step.kind = StepKind::Scope;
                if let Some(scope) = self.heap.scope(object) {
                    let script = self.reached.origins.script_of_scope(scope);
                    let (script, text) = script.map(|script| self.heap.script(script)).unwrap_or_default();
                    let start = self.scope_start(object, scope);
                    let function = self.heap.scope_text(scope);
                    self.place(&mut step, Source { script, text, start, function });
                }
            }
            _ if !is_receiver && treatment != Treatment::Leaf && treatment != Treatment::RopeString => {
                step.kind = StepKind::Internal;
            }
            _ => {}
        }
        if let Some(Special::File(at)) = special {
            step.kind = StepKind::Module;
            let name = self.heap.field(object, at).filter(|name| self.heap.is_string(*name));
            step.script = name.map(|name| self.heap.text(name, 1024)).unwrap_or_default();
        }
        step
    }

    /// Where a scope begins; a block that does not say it begins somewhere in the scope around it.
    fn scope_start(&mut self, context: u64, scope: u64) -> Option<u32> {
        self.heap.scope_start(scope).or_else(|| {
            let around = self.heap.field(context, 24).filter(|around| self.heap.is_context(*around))?;
            let scope = self.heap.scope(around)?;
            self.heap.scope_start(scope)
        })
    }

    fn place(&mut self, step: &mut Step, source: Source) {
        if let Some(start) = source.start.filter(|_| source.is_program() && source.text != 0) {
            step.line = self.heap.line(source.text, start);
        }
        step.script = source.script;
        step.function = source.function;
    }

    /// How one object leads to another: the name of the first field that does.
    fn edge(&mut self, from: Place, to: Place) -> String {
        let object = self.heap.objects.address(from);
        let map = self.reached.maps.of(self.heap, object);
        let Some(info) = self.reached.maps.get(map) else { return String::new() };
        let (treatment, instance_type) = (info.treatment, info.instance_type);
        let mut offset = None;
        self.heap.each_word(object, treatment, |heap, at, word| {
            if offset.is_none() && heap.target(word) == Some(to) {
                offset = Some(at);
            }
        });
        let Some(offset) = offset else {
            return if treatment == Treatment::Ephemerons { "[]".to_owned() } else { "(map)".to_owned() };
        };
        self.label(from, object, treatment, instance_type, offset)
    }

    fn label(
        &mut self,
        from: Place,
        object: u64,
        treatment: Treatment,
        instance_type: u16,
        at: u64,
    ) -> String {
        let word = at / 8;
        match treatment {
            Treatment::Entries => {
                let target = self.heap.field(object, at);
                let cell = target.filter(|target| {
                    self.heap.type_of(*target) == self.heap.layout.instance_type(Known::PropertyCell)
                });
                let name = cell.and_then(|cell| self.heap.field(cell, 8)).map(|name| self.heap.name(name));
                name.filter(|name| !name.is_empty()).unwrap_or_else(|| "[]".to_owned())
            }
            Treatment::NameDictionary => {
                let is_value = word > 2 + DICTIONARY_PREFIX && (word - 2 - DICTIONARY_PREFIX) % 3 == 1;
                let key = if is_value { self.heap.field(object, at - 8) } else { None };
                key.map(|key| self.heap.name(key))
                    .filter(|key| !key.is_empty())
                    .unwrap_or_else(|| "[]".to_owned())
            }
            Treatment::PropertyArray => {
                let Some(Parent::Object(owner)) = self.reached.parent(self.heap, from) else {
                    return String::new();
                };
                let owner = self.heap.objects.address(owner);
                self.property(owner, word.saturating_sub(2), false)
            }
            Treatment::Context => {
                let variable = self.heap.variable(object, at);
                match at {
                    _ if !variable.is_empty() => variable,
                    24 => "(outer scope)".to_owned(),
                    _ => format!("(slot {})", word.saturating_sub(2)),
                }
            }
            Treatment::Function if at == self.heap.layout.function_context => "(scope)".to_owned(),
            Treatment::Object | Treatment::Function => {
                let name = self.property(object, word, true);
                match at {
                    _ if !name.is_empty() => name,
                    8 => "(properties)".to_owned(),
                    16 => "(elements)".to_owned(),
                    _ => self.own_field(instance_type, at),
                }
            }
            Treatment::Cell => "(value)".to_owned(),
            _ => self.own_field(instance_type, at),
        }
    }

    fn own_field(&self, instance_type: u16, at: u64) -> String {
        let name = self.heap.layout.type_name(instance_type);
        let field = match (name, at) {
            (Some("JSPromise"), 24) => Some("reactions or result"),
            (Some("PromiseReaction"), 8) => Some("next"),
            (Some("PromiseReaction"), 16) => Some("reject handler"),
            (Some("PromiseReaction"), 24) => Some("fulfill handler"),
            (Some("PromiseReaction"), 32) => Some("promise"),
            (Some("JSBoundFunction"), 24) => Some("bound function"),
            (Some("JSBoundFunction"), 32) => Some("bound this"),
            (Some("JSBoundFunction"), 40) => Some("bound arguments"),
            _ => None,
        };
        field.map_or_else(|| format!("(field {})", at / 8), |field| format!("({field})"))
    }

    /// The name of the property that an object keeps in this word of its own or of its property array.
    fn property(&mut self, object: u64, word: u64, inside: bool) -> String {
        let map = self.heap.map_of(object);
        let mut found = None;
        let wanted = if inside { Kept::Inside(word as usize) } else { Kept::Outside(word as usize) };
        self.heap.each_property(map, &mut |_, name, kept| {
            if kept == wanted {
                found = Some(name);
            }
        });
        found.map(|name| self.heap.name(name)).unwrap_or_default()
    }
}
