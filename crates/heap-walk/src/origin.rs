//! Where functions and scopes come from, as numbers: those of the program's code are the fixed points of folded paths.

use crate::addresses::AddressMap;
use crate::code::is_program;
use crate::heap::Heap;
use crate::layout::Known;
use crate::maps::{Special, Treatment};
use crate::signatures::mix;

/// Scopes up to here are told to be of one script.
const DEEPEST_SCOPE: u32 = 16;

/// An object's place in the code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The same in every walk of one process.
    pub(crate) hash: u64,
    /// There is one such place whatever the path to it: its objects begin a path of their own.
    pub(crate) is_anchor: bool,
}

#[derive(Clone, Copy, Debug)]
struct Script {
    hash: u64,
    is_program: bool,
}

/// Scripts, functions and scopes met so far.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    scripts: AddressMap<Script>,
    functions: AddressMap<Origin>,
    /// The script of a scope, by the scope's address.
    scopes: AddressMap<u64>,
    scope_hashes: AddressMap<u64>,
}

impl Origins {
    /// Notes which script the scopes around a function belong to: a scope does not say it.
    pub(crate) fn note(&mut self, heap: &mut Heap<'_>, object: u64, treatment: Treatment) {
        let (script, mut context) = if treatment == Treatment::Function {
            let Some(shared) = heap.shared(object) else { return };
            let Some(script) = heap.script_of(shared) else { return };
            (script, heap.field(object, heap.layout.function_context))
        } else {
            let Some(script) = heap.scope(object).and_then(|scope| self.scopes.get(&scope)).copied() else {
                return;
            };
            (script, heap.field(object, 24))
        };
        for _ in 0..DEEPEST_SCOPE {
            let Some(around) = context.filter(|context| heap.is_context(*context)) else { return };
            let Some(scope) = heap.scope(around) else { return };
            if is_native_context(heap, around) || self.scopes.contains_key(&scope) {
                return;
            }
            self.scopes.insert(scope, script);
            context = heap.field(around, 24);
        }
    }

    /// The script of a scope, where a function of it was met.
    pub(crate) fn script_of_scope(&self, scope: u64) -> Option<u64> {
        self.scopes.get(&scope).copied()
    }

    /// The place in the code of a function, a scope or a module; `None` for all else.
    #[inline]
    pub(crate) fn identity(
        &mut self,
        heap: &mut Heap<'_>,
        object: u64,
        treatment: Treatment,
        instance_type: u16,
        special: Option<Special>,
    ) -> Option<Origin> {
        match treatment {
            Treatment::Function => self.function(heap, object),
            Treatment::Context => self.context(heap, object),
            Treatment::Object if special.is_some() => match special? {
                Special::File(at) => {
                    let name = heap.field(object, at).filter(|name| heap.is_string(*name))?;
                    Some(Origin { hash: heap.content_hash(name), is_anchor: true })
                }
                Special::Callback(at) => {
                    let callback = heap.field(object, at)?;
                    self.function(heap, callback)
                }
            },
            Treatment::Object if instance_type == heap.layout.instance_type(Known::JsGlobalObject) => {
                Some(Origin { hash: 1, is_anchor: true })
            }
            _ => None,
        }
    }

    fn function(&mut self, heap: &mut Heap<'_>, function: u64) -> Option<Origin> {
        let shared = heap.shared(function)?;
        if let Some(known) = self.functions.get(&shared) {
            return Some(*known);
        }
        let script = match heap.script_of(shared) {
            Some(script) => self.script(heap, script),
            None => Script { hash: 0, is_program: false },
        };
        let name = crate::maps::hash_text(&heap.shared_name(shared));
        let start = heap.start_of(shared).map_or(u64::MAX, u64::from);
        let origin = Origin { hash: mix(script.hash, start, name), is_anchor: script.is_program };
        self.functions.insert(shared, origin);
        Some(origin)
    }

    fn context(&mut self, heap: &mut Heap<'_>, context: u64) -> Option<Origin> {
        if is_native_context(heap, context) {
            return Some(Origin { hash: 2, is_anchor: true });
        }
        let scope = heap.scope(context)?;
        let own = *self.scope_hashes.entry(scope).or_insert_with(|| heap.scope_hash(scope));
        let Some(script) = self.scopes.get(&scope).copied() else {
            return Some(Origin { hash: mix(own, 0, 3), is_anchor: false });
        };
        let script = self.script(heap, script);
        Some(Origin { hash: mix(script.hash, own, 4), is_anchor: script.is_program })
    }

    fn script(&mut self, heap: &mut Heap<'_>, script: u64) -> Script {
        if let Some(known) = self.scripts.get(&script) {
            return *known;
        }
        let name = heap.field(script, heap.layout.script_name).filter(|name| heap.is_string(*name));
        let known = match name {
            Some(name) => {
                let text = heap.text(name, 1024);
                Script { hash: crate::maps::hash_text(&text), is_program: is_program(&text) }
            }
            None => Script { hash: 0, is_program: false },
        };
        self.scripts.insert(script, known);
        known
    }
}

/// The context of a whole global environment, which has hundreds of slots and no scope of a function.
fn is_native_context(heap: &mut Heap<'_>, context: u64) -> bool {
    heap.size(context) > 2000 && heap.field(context, 24).is_none_or(|around| !heap.is_context(around))
}
